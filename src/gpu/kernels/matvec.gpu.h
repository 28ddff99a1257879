/* out[b, i, j] = alpha times the sum over k of a[b, i, k] b[b, k, j], + beta C[i, j], for up to MATVEC_ROWS rows i, where
   neighbours of b are along j. A unit has the columns of args.words words: see matvec_sums.h. */
#ifndef GPU_KERNELS_MATVEC_H
#define GPU_KERNELS_MATVEC_H

#include "gpu/dialect/args.h"
#include "gpu/kernels/matvec_sums.h"
KERNEL_ARGS(matvec, MATVEC_ARGS)

#ifdef GPU_DIALECT
#define THREADS    MATVEC_THREADS
#define GROUP_ROWS MATVEC_ROWS
#define WIDTH      8u /* of which float32 has 4 */
/* Columns that a thread has, and the first one of unit x. */
#define MATVEC_OWN       (args.words << type_shift(args.b_type))
#define MATVEC_COLUMN(x) ((GROUP_X * args.units + (x)) * MATVEC_OWN)

KERNEL(matvec)
{
    PRIVATE(f32, sums, MATVEC_SUMS);
    u32 a_begin = GROUP_Z / args.inner * args.a_outer + GROUP_Z % args.inner * args.a_inner;
    u32 b_begin = GROUP_Z / args.inner * args.b_outer + GROUP_Z % args.inner * args.b_inner;
    if (args.m == 1u) {
#define ROWS 1u
#define DEEP 8u
#include "gpu/kernels/matvec_columns.h"
    } else if (args.m <= 4u) {
#define ROWS 4u
#define DEEP 4u
#include "gpu/kernels/matvec_columns.h"
    } else {
#define ROWS 8u
#define DEEP 2u
#include "gpu/kernels/matvec_columns.h"
    }
#define X_STEP 1u
#define Y_STEP args.units
#include "gpu/kernels/matvec_finish.h"
}

#undef GROUP_ROWS
#undef WIDTH
#undef MATVEC_OWN
#undef MATVEC_COLUMN
#undef THREADS
#endif
#endif
