/* A box of items copied between strided layouts, in any order of axes: Transpose, Slice, Expand and Concat.
   The plan is made once; the copy neither allocates nor fails. */
#ifndef KERNEL_LAYOUT_BOX_H
#define KERNEL_LAYOUT_BOX_H

#include "base/cancel.h"
#include "base/pool.h"
#include "kernel/layout/layout_entries.h"

#include <stdbool.h>

/* Max axes of a box and of a tensor. */
#define LAYOUT_MAX_RANK 16

typedef enum layout_way {
    LAYOUT_RUNS,      /* runs of bytes that are contiguous on both sides */
    LAYOUT_TRANSPOSE, /* planes whose rows are the columns of the other side */
    LAYOUT_FILL,      /* rows of one item repeated */
    LAYOUT_STRIDED    /* item by item */
} layout_way;

typedef struct layout_box {
    layout_way way;
    unsigned size;              /* items of 2^size bytes */
    layout_transpose transpose; /* LAYOUT_TRANSPOSE */
    size_t n, planes, bytes;    /* axes outside the planes; number of planes; total bytes */
    int64_t dims[LAYOUT_MAX_RANK], dst[LAYOUT_MAX_RANK], src[LAYOUT_MAX_RANK]; /* (n) strides in bytes */
    /* A plane, by rows and columns of the source. */
    size_t rows, columns;
    int64_t dst_row, src_row, dst_column, src_column; /* in bytes */
    /* A unit of work: its rows and columns, and the number of parts down and across. */
    size_t part_rows, part_columns, down, across;
} layout_box;

/* dims, dst, src: (rank) sizes and strides in bytes; strides of the source may be 0 or negative. item: 1, 2,
   4, 8 or 16 bytes. Offsets of all elements must fit the strides' type. */
void layout_box_plan(layout_box *box, size_t rank, const int64_t *dims, const int64_t *dst,
                     const int64_t *src, size_t item);

/* Copies, on several threads where that pays; pool and cancel may be NULL. Ends early where cancel is set. */
void layout_box_copy(const layout_box *box, char *dst, const char *src, sib_pool *pool,
                     const struct sib_cancel *cancel);

/* Writes the item of 2^size bytes n times. Ends early where cancel, which may be NULL, is set. */
void layout_fill(char *dst, const char *item, unsigned size, size_t n, const struct sib_cancel *cancel);

/* memcpy that ends early where cancel, which may be NULL, is set. */
void layout_copy(char *dst, const char *src, size_t bytes, const struct sib_cancel *cancel);

/* Row-major strides of dims in bytes. Those of an empty box may overflow and have no meaning. */
void layout_strides(size_t rank, const int64_t *dims, size_t item, int64_t *strides);

/* Returns i where item = 2^i <= 16, else LAYOUT_SIZES. */
unsigned layout_size(size_t item);

#endif
