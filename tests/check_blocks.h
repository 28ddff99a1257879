/* Random blocks of tensor/blocks.h, whose scales are numbers of a size near 1 / 1000. */
#ifndef TESTS_CHECK_BLOCKS_H
#define TESTS_CHECK_BLOCKS_H

#include "check.h"
#include "tensor/blocks.h"

/* Where a block of each kind has float16: bytes at which they begin, -1: none. */
static const int check_block_halves[N_BLOCK_KINDS][2] = {
    [BLOCK_q4_0] = {0, -1},   [BLOCK_q4_1] = {0, 2},    [BLOCK_q5_0] = {0, -1},   [BLOCK_q5_1] = {0, 2},
    [BLOCK_q8_0] = {0, -1},   [BLOCK_iq4_nl] = {0, -1}, [BLOCK_mxfp4] = {-1, -1}, [BLOCK_q2_k] = {80, 82},
    [BLOCK_q3_k] = {108, -1}, [BLOCK_q4_k] = {0, 2},    [BLOCK_q5_k] = {0, 2},    [BLOCK_q6_k] = {208, -1}};

CHECK_UNWATCHED static inline void check_blocks(check_random *r, block_kind kind, uint8_t *out, size_t n)
{
    const block_format *f = block_format_at(kind);
    check_fill(r, out, n * f->bytes);
    for (size_t i = 0; i < n; i++, out += f->bytes) {
        for (int h = 0; h < 2; h++)
            if (check_block_halves[kind][h] >= 0) /* exponents of 2^-12 to 2^-9, any sign and fraction */
                out[check_block_halves[kind][h] + 1] =
                    (uint8_t)((out[check_block_halves[kind][h] + 1] & 0x83) | (3 + check_u64(r) % 4) << 2);
        if (kind == BLOCK_mxfp4)
            out[0] = (uint8_t)(115 + check_u64(r) % 4);
    }
}

#endif
