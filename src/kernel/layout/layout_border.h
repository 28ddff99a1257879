/* A box of items extended with its own elements: Pad in modes edge, reflect and wrap. */
#ifndef KERNEL_LAYOUT_BORDER_H
#define KERNEL_LAYOUT_BORDER_H

#include "kernel/layout/layout_box.h"

typedef enum layout_beyond { LAYOUT_EDGE, LAYOUT_REFLECT, LAYOUT_WRAP } layout_beyond;

typedef struct layout_border {
    size_t item, n, bytes;                                                         /* of the result */
    size_t dims[LAYOUT_MAX_RANK], before[LAYOUT_MAX_RANK], after[LAYOUT_MAX_RANK]; /* (n) */
    size_t inner[LAYOUT_MAX_RANK];  /* (n) bytes of the result per step along the axis */
    size_t source[LAYOUT_MAX_RANK]; /* (n) of the source */
    size_t *map[LAYOUT_MAX_RANK];   /* (n) (before + after) bytes from the axis' first element */
} layout_border;

/* dims, before, after: (rank); dims > 0, the others >= 0. A reflection does not repeat the border element.
   Returns false where memory runs out. Release with layout_border_free in either case. */
bool layout_border_plan(layout_border *b, layout_beyond beyond, size_t rank, const int64_t *dims,
                        const int64_t *before, const int64_t *after, size_t item);
void layout_border_free(layout_border *b);

/* pool and cancel may be NULL. Ends early where cancel is set. */
void layout_border_copy(const layout_border *b, char *dst, const char *src, sib_pool *pool,
                        const struct sib_cancel *cancel);

#endif
