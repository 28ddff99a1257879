/* make_big PATH [BYTES [TENSORS [SHIFT]]]: writes a model with 1 GiB of weights, or BYTES; SHIFT 1 to 63 puts
   them where they cannot be read in place. */
#include "big.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    uint64_t size = argc > 2 ? strtoull(argv[2], NULL, 10) : UINT64_C(1) << 30;
    unsigned n = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 400;
    unsigned shift = argc > 4 ? (unsigned)strtoul(argv[4], NULL, 10) : 0;
    if (argc < 2 || argc > 5 || shift > 63 || size > INT32_MAX || n == 0 || size / n < 4) {
        fprintf(stderr, "make_big PATH [BYTES below 2147483648 [TENSORS [SHIFT below 64]]]\n");
        return 2;
    }
    if (big_model_write(argv[1], size, n, shift) != 0) {
        perror(argv[1]);
        return 1;
    }
    return 0;
}
