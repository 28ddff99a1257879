/* out[b, i, j] = alpha times the sum over k of a[b, i, k] b[b, j, k], + beta C[i, j], for up to MATVEC_ROWS rows i, where
   neighbours of b are along k. A unit has WIDTH columns j: see matvec_sums.h. */
#ifndef GPU_KERNELS_MATVEC_T_H
#define GPU_KERNELS_MATVEC_T_H

#include "gpu/dialect/args.h"
#include "gpu/kernels/matvec_sums.h"
KERNEL_ARGS(matvec_t, MATVEC_ARGS)

#ifdef GPU_DIALECT
#define THREADS          MATVEC_THREADS
#define GROUP_ROWS       MATVEC_ROWS
#define WIDTH            MATVEC_T_WIDTH
#define MATVEC_OWN       WIDTH
#define MATVEC_COLUMN(x) ((GROUP_X * args.units + (x)) * WIDTH)

KERNEL(matvec_t)
{
    PRIVATE(f32, sums, MATVEC_SUMS);
    u32 a_begin = GROUP_Z / args.inner * args.a_outer + GROUP_Z % args.inner * args.a_inner;
    u32 b_begin = GROUP_Z / args.inner * args.b_outer + GROUP_Z % args.inner * args.b_inner;
    u32 lanes = MATVEC_THREADS / args.units;
    if (args.m == 1u) {
#define ROWS 1u
#include "gpu/kernels/matvec_lines.h"
    } else if (args.m <= 4u) {
#define ROWS 4u
#include "gpu/kernels/matvec_lines.h"
    } else {
#define ROWS 8u
#include "gpu/kernels/matvec_lines.h"
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
