/* Convolution of bytes with products of bytes, exact in int32, where the machine has instructions for them that pay
   (gemm_int.h); the plan of conv2d_plan.h tells what is computed.

   Weights (features, k) are the rows A of a product whose B is a band of pixels, (k, pixels): four rows of B lie byte by
   byte beside each other, made from the image band by band, so that sums come out as rows of pixels of a feature. A row
   of ones behind the weights gives the sums of B's columns, which zero points of weights are multiplied with. */
#ifndef KERNEL_CONV2D_INT_H
#define KERNEL_CONV2D_INT_H

#include "kernel/conv2d_plan.h"

typedef struct conv2d_int {
    const gemm_int_kernels *tiles; /* NULL: a convolution for floats */
    size_t lda;                    /* k in whole groups of terms */
    bool direct;                   /* rows of B are the image itself */
    size_t pixels, bands;          /* of a band; in a plane of y */
    size_t items;                  /* batch, groups and bands */
    size_t packed_floats;          /* the room that packed weights take */
    size_t scratch_floats;         /* of one worker */
    unsigned workers;
} conv2d_int;

/* p: of bytes, or anything else, which leaves tiles NULL. */
void conv2d_int_make(const conv2d_plan *p, unsigned threads, conv2d_int *out);
/* dst: (packed_floats) */
void conv2d_int_pack(const conv2d_int *i, const conv2d_plan *p, const conv2d_weights *w, void *dst);
/* As conv2d_run, with c->w as conv2d_int_pack left it and scratch (workers, scratch_floats). */
void conv2d_int_run(const conv2d_int *i, const conv2d_call *c, sib_pool *pool);

#endif
