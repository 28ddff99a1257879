/* A convolution as a matrix product, per batch b and group g:

       Y (M, N) = W (M, K) X (K, N),   M = Co / groups, K = Ci / groups * k, N = out_length
       X[ci k + j, t] = x[b, g Ci / groups + ci, t stride + j dilation - padding], 0 outside x

   X never exists whole: each task packs the columns it needs, a block of rows at a time. The zeros of the
   padding take part like any other number, so an infinite or NaN weight that meets one gives NaN.

   Every element of Y is made of the same operations in the same order, wherever the borders of tasks and
   tiles fall: its sum runs over K in blocks of `kc`, each block summed from +0, the block sums added in
   order, FLUSH_BLOCKS of them at a time. kc depends on K and the CPU level alone. */
#ifndef KERNEL_CONV1D_PLAN_H
#define KERNEL_CONV1D_PLAN_H

#include "base/pool.h"
#include "kernel/kernel.h"

#include <sibyl/conv1d.h>

/* Block sums that are added up before they join the total: keeps the rounding error of long sums down. */
#define FLUSH_BLOCKS 32

typedef struct conv_plan {
    const kernel_table *kernels;
    size_t element;       /* bytes of one element of x, w, bias and y */
    kernel_widen widen;   /* dtype to float */
    kernel_narrow narrow; /* float to dtype */
    bool gelu;

    const unsigned char *x;    /* (batch, groups, group_in, length) */
    const unsigned char *w;    /* (groups, m, k) */
    const unsigned char *bias; /* (groups, m) or NULL */
    unsigned char *y;          /* (batch, groups, m, n) */

    size_t batch, groups, group_in, length;
    size_t taps;
    int64_t stride, padding, dilation;
    size_t m, n, k;

    size_t kc, k_blocks;       /* rows of X in a block; the last may have fewer */
    size_t m_panels, n_panels; /* of mr rows and nr columns, for one group */
    size_t m_block, n_block;   /* panels of one task, at most */
    size_t m_blocks, n_blocks; /* tasks of one batch and group */
    size_t tasks;              /* batch * groups * m_blocks * n_blocks */

    /* Weights as float in panels: group, then block of K, then panel of M, then (rows of the block, mr). */
    float *packed_w;
    size_t packed_w_group; /* floats of a group */

    /* Scratch of one worker, in floats: blocks of X, sums, totals (0 where there is one flush), a segment of
       x as float, a row as float. */
    size_t right_floats, sum_floats, total_floats, segment_floats, row_floats;
    size_t scratch_floats; /* all of them */
    float *scratch;        /* (workers, scratch_floats) */
} conv_plan;

/* pool_task over groups * m_panels: packs weights. */
void conv_pack_weights(void *plan, size_t begin, size_t count, unsigned worker);

/* pool_task over tasks. */
void conv_run_tasks(void *plan, size_t begin, size_t count, unsigned worker);

#endif
