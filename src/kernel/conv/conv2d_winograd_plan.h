/* Convolution of float windows of 3 x 3, stride 1, by transforms (Winograd): conv2d_plan.h defines what is
   computed; this needs fewer multiplications where there are enough channels and pixels.

   A tile of m x m pixels of y reads n x n pixels of x, n = m + 2:

       y = A^T [ sum over channels of (G w G^T) . (B^T x B) ] A + bias     (. element by element)

   with the matrices of Toom and Cook for interpolation at the points 0, 1, -1, infinity (m = 2), and 0, a,
   -a, b, -b, infinity with a = 3/4, b = 3/2 (m = 4); Lavin and Gray, "Fast Algorithms for Convolutional
   Neural Networks", 2015. For every position in a tile the sum over channels is a product of matrices,
   (tiles, channels) times (channels, features).

   Precision. G w G^T is computed in double and rounded once. In exact arithmetic y is exact; in float, with u
   = 2^-24 and sums of at most t terms one after another, an element is off by no more than about

       (t + 30) u |A^T| [ sum over channels of |G w G^T| . (|B^T| |x| |B|) ] |A|

   where |.| is by element. Unlike the direct sum's bound (9 t u times the sum of |x| |w|) this involves all
   pixels of the tile, also those that an element does not read. Measured errors on data of uniform magnitude,
   in units of u times an element's sum of |x| |w|, 16 to 512 channels, RMS and max of 8,000: direct sum 0.5
   and 3; m = 2: 0.2 to 0.4 and 3; m = 4: 0.6 to 1.4 and 13. (With the points 0, 1, -1, 2, -2 of the
   literature m = 4 is twice as inaccurate.) A single pixel among zeros changes its neighbours in the tile by
   some 30 u |x| |w|.

   So that no element is much less accurate than by the direct sum, a tile is computed directly where
   magnitudes differ much: where the sum of |x| over some window of 3 x 3 pixels and all channels is less than
   1 / CONV2D_WINOGRAD_RATIO of that over the tile; and where that sum is not finite, or a transform could
   overflow or underflow. NaN and infinities therefore reach only the elements that read them. With weights
   that are not finite, or tiny, every tile uses the direct sum. */
#ifndef KERNEL_CONV2D_WINOGRAD_PLAN_H
#define KERNEL_CONV2D_WINOGRAD_PLAN_H

#include "kernel/conv/conv2d_plan.h"

#define CONV2D_WINOGRAD_RATIO 32.0f

typedef struct conv2d_winograd {
    const conv2d_winograd_form *form; /* NULL: transforms are not used */
    size_t m, n, places;              /* of a tile: n = m + 2, places = n * n */
    size_t tiles[2];                  /* of a plane of y, rows and columns */
    size_t block[2], blocks[2];       /* max tiles of an item; items along each axis */
    size_t columns;                   /* of packed weights: features rounded up to full vectors */
    size_t group;                     /* features whose products are computed at once, full panels */
    size_t groups;                    /* groups of that many features */
    size_t m_blocks;                  /* items that share a block: features are split into this many parts */
    size_t items;
    unsigned workers;
    size_t packed_floats;
    size_t image_floats, sizes_floats, in_floats, sums_floats, out_floats, row_floats; /* parts of scratch */
    size_t scratch_floats;                                                             /* of one worker */
} conv2d_winograd;

/* Modelled time beside the direct sum's; infinite where the form of m has no kernel or does not fit. */
double conv2d_winograd_ratio(const conv2d_plan *p, size_t m);
/* Chooses; out->form is NULL where the direct sum is as fast. m: 0, or the form to use where one fits. */
void conv2d_winograd_make(const conv2d_plan *p, unsigned threads, size_t m, conv2d_winograd *out);
/* The same for a wanted method: its form, the choice by costs, or none. */
void conv2d_winograd_make_method(const conv2d_plan *p, unsigned threads, conv2d_method method,
                                 conv2d_winograd *out);
/* w: f32. dst: (packed_floats) */
void conv2d_winograd_pack(const conv2d_winograd *i, const conv2d_plan *p, const float *w, float *dst);
/* As conv2d_run, with c->w as conv2d_winograd_pack left it and scratch (workers, scratch_floats). */
void conv2d_winograd_run(const conv2d_winograd *i, const conv2d_call *c, sib_pool *pool);

/* ---- Shared by the files of conv2d_winograd ---------------------------------------------------------- */

/* Packed weights: WINOGRAD_HEAD floats, the first of which is the largest sum of |x| over a tile for which
   nothing overflows (negative: none), then transformed weights: groups of features, positions, panels of the
   group, (c, width) each; then the original weights: panels of (9 c, width). Panels are those of gemm.h. */
#define WINOGRAD_HEAD 16
/* Min nonzero sum of |x| over a tile. */
#define WINOGRAD_MIN 0x1p-100f

/* First feature of group `index`. */
static inline size_t conv2d_winograd_feature(const conv2d_winograd *i, const conv2d_plan *p, size_t index)
{
    size_t feature = index * i->group;
    return feature < p->s.m ? feature : p->s.m;
}

/* Floats from row to row of transformed pixels: not a power of two, which would map rows to the same cache
   sets. */
static inline size_t conv2d_winograd_row(const conv2d_plan *p)
{
    size_t lanes = p->table->conv2d_winograd.lanes;
    return (p->s.c + lanes - 1) / lanes * lanes + 16;
}

#endif
