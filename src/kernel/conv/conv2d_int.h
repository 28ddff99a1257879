/* Convolution of bytes with products of bytes, exact in int32 (bytes.h); conv2d_plan.h defines what is
   computed.

   Work is cut into items as for floats: a batch, a group, a position along the first axis, and a band of
   rows, or of columns of one row. The image of an item is copied to scratch with its padding and as phases
   for strides, unless windows can read it in place; then it is interleaved into lines, which all features are
   multiplied with.

   A line is made for every group of terms; or, where that costs less (few features, as of depthwise
   convolutions), for every group of taps of a kernel's row, over all rows of the image that the band
   reads: other rows of the kernel use the same line some rows further. */
#ifndef KERNEL_CONV2D_INT_H
#define KERNEL_CONV2D_INT_H

#include "kernel/conv/conv2d_plan.h"

#define CONV2D_INT_SLACK 64 /* readable bytes after an image in scratch */

typedef struct conv2d_int {
    const bytes_kernels *tiles; /* NULL: use a float convolution */
    size_t panels;              /* of a group's features */
    size_t run, groups;         /* terms that are cut into groups together; groups of terms */
    size_t rows, row_bands;     /* of a band */
    size_t columns, column_bands;

    void (*plane)(const bytes_plane *g); /* kernel for single planes without a copy and lines, or NULL */

    bool direct;      /* the image is read in place */
    size_t phases[3]; /* slices of the first axis; phases of rows, of columns */
    size_t pitch;     /* bytes from row to row of the source of lines */
    size_t phase_rows, phase_bytes, channel_bytes;

    size_t lines, line_rows, line_bytes;
    int32_t *from; /* (lines, group) offsets of terms in the image of an item */
    int32_t *at;   /* (groups) offsets of groups of terms in lines */

    size_t items, workers;
    size_t image_room, lines_room; /* bytes of scratch */
    size_t sum_row;                /* int32 from row to row of sums */
    size_t packed_floats;          /* size of packed weights */
    size_t scratch_floats;         /* of one worker */
} conv2d_int;

/* p: any plan; tiles is NULL unless it is of bytes and this pays. Errors: SIB_ERR_MEMORY. */
sib_code conv2d_int_make(const conv2d_plan *p, unsigned threads, conv2d_int *out, sib_error *err);
void conv2d_int_free(conv2d_int *i);
/* dst: (packed_floats) */
void conv2d_int_pack(const conv2d_int *i, const conv2d_plan *p, const conv2d_weights *w, void *dst);
/* As conv2d_run, with c->w as conv2d_int_pack left it and scratch (workers, scratch_floats). */
void conv2d_int_run(const conv2d_int *i, const conv2d_call *c, sib_pool *pool);

/* First feature of a panel, within its group. */
static inline size_t conv2d_int_panel(const conv2d_int *i, const conv2d_plan *p, size_t panel)
{
    return p->s.m * panel / i->panels;
}

/* Packed weights: for every panel the weights in the order of tiles, (groups, features, group); a panel of
   one feature of ones; then for every feature the rest of its zero point, and the sum of its weights without
   it. */
typedef struct conv2d_int_weights {
    const char *a, *ones;
    const uint32_t *zeros, *sums; /* (features) */
} conv2d_int_weights;

conv2d_int_weights conv2d_int_packed(const conv2d_int *i, const conv2d_plan *p, const void *packed);

#endif
