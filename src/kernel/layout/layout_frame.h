/* A box of items within a border of one item: Pad in mode constant. */
#ifndef KERNEL_LAYOUT_FRAME_H
#define KERNEL_LAYOUT_FRAME_H

#include "kernel/layout/layout_box.h"

typedef struct layout_frame {
    unsigned size; /* items of 2^size bytes */
    size_t n;      /* axes, >= 1 */
    size_t bytes;  /* of the result; 0: nothing is copied */
    int64_t dims[LAYOUT_MAX_RANK], before[LAYOUT_MAX_RANK], after[LAYOUT_MAX_RANK]; /* (n) in items */
    size_t inner[LAYOUT_MAX_RANK];  /* (n) items of the result per step along the axis */
    size_t source[LAYOUT_MAX_RANK]; /* (n) of the source */
} layout_frame;

/* dims, before, after: (rank), all >= 0; the result has before + dims + after along an axis. item: 1 to 16
   bytes. */
void layout_frame_plan(layout_frame *f, size_t rank, const int64_t *dims, const int64_t *before,
                       const int64_t *after, size_t item);

/* pool and cancel may be NULL. border: one item. Ends early where cancel is set. */
void layout_frame_copy(const layout_frame *f, char *dst, const char *src, const char *border, sib_pool *pool,
                       const struct sib_cancel *cancel);

#endif
