/* out[i, j] = the sum over k of a[i, k] (q[j, k] - zero) scale, + C[j], for up to MATVEC_ROWS rows i and weights q of 2, 4
   or 8 bits, packed from the lowest on, with a scale and a zero point for each block of a row. K is a multiple of 8, a block
   of 16 weights or a power of two more. A unit has WIDTH columns j: see matvec_sums.h. */
#ifndef GPU_KERNELS_MATVEC_BITS_H
#define GPU_KERNELS_MATVEC_BITS_H

#include "gpu/dialect/args.h"
#include "gpu/kernels/matvec_sums.h"
KERNEL_ARGS(matvec_bits, MATVEC_ARGS)

#ifdef GPU_DIALECT
#define THREADS          MATVEC_THREADS
#define GROUP_ROWS       MATVEC_BITS_ROWS
#define WIDTH            MATVEC_T_WIDTH
#define MATVEC_OWN       WIDTH
#define MATVEC_COLUMN(x) ((GROUP_X * args.units + (x)) * WIDTH)

/* Number i of four bits in the low half of a word, less its zero point, an integer: behind the bits of 2^23 it is a
   float32 without being shifted, and every step is exact. */
FN f32 matvec_four(u32 word, u32 i, f32 zero)
{
    f32 step = bits_to_f32((127u - 4u * i) << 23), base = bits_to_f32((150u - 4u * i) << 23);
    return MADD(bits_to_f32((word & (15u << (4u * i))) | 0x4b000000u), step, -(base + zero));
}

/* Zero point g of a row of them that begins at byte `at`. */
#define MATVEC_ZERO_AT(at, g)                                                                                \
    F32((WORD(4, ((at) + (g)*args.bits / 8u) >> 2) >>                                                        \
         (8u * (((at) + (g)*args.bits / 8u) & 3u) + (g)*args.bits % 8u)) &                                   \
        ((1u << args.bits) - 1u))

KERNEL(matvec_bits)
{
    PRIVATE(f32, sums, MATVEC_SUMS);
    u32 lanes = MATVEC_THREADS / args.units;
    bool real = (args.flags & MATVEC_REAL_ZERO) != 0u;
    if (args.m == 1u) {
#define ROWS 1u
#include "gpu/kernels/matvec_blocks.h"
    } else {
#define ROWS 4u
#include "gpu/kernels/matvec_blocks.h"
    }
#define X_STEP lanes
#define Y_STEP 1u
#include "gpu/kernels/matvec_finish.h"
}

#undef GROUP_ROWS
#undef WIDTH
#undef MATVEC_OWN
#undef MATVEC_COLUMN
#undef THREADS
#endif
#endif
