/* make_big PATH [BYTES [TENSORS]]: a model with 1 GiB of weights, or as much as asked for. */
#include "big.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    uint64_t size = argc > 2 ? strtoull(argv[2], NULL, 10) : UINT64_C(1) << 30;
    unsigned n = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 400;
    if (argc < 2 || argc > 4 || size > INT32_MAX || n == 0 || size / n < 4) {
        fprintf(stderr, "make_big PATH [BYTES below 2147483648 [TENSORS]]\n");
        return 2;
    }
    if (big_model_write(argv[1], size, n) != 0) {
        perror(argv[1]);
        return 1;
    }
    return 0;
}
