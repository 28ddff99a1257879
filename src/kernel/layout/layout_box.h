/* A box of items copied between strided places, whatever the order of its axes: what Transpose, Slice,
   Expand and Concat are made of. How it is done is found out once; doing it neither allocates nor fails. */
#ifndef KERNEL_LAYOUT_BOX_H
#define KERNEL_LAYOUT_BOX_H

#include "base/pool.h"
#include "kernel/layout/layout_entries.h"

#include <stdbool.h>

/* Most axes of a box; what a tensor has at most. */
#define LAYOUT_MAX_RANK 16

typedef enum layout_way {
    LAYOUT_RUNS,      /* rows of bytes that stand side by side on both sides */
    LAYOUT_TRANSPOSE, /* planes whose rows are the columns of the other side */
    LAYOUT_FILL,      /* rows of one item repeated */
    LAYOUT_STRIDED    /* item by item */
} layout_way;

typedef struct layout_box {
    layout_way way;
    unsigned size;              /* items of 2^size bytes */
    layout_transpose transpose; /* LAYOUT_TRANSPOSE */
    size_t n, planes, bytes;    /* axes around the planes, how many planes, bytes in all */
    int64_t dims[LAYOUT_MAX_RANK], dst[LAYOUT_MAX_RANK], src[LAYOUT_MAX_RANK]; /* (n) strides in bytes */
    /* A plane, by rows and columns of the source. */
    size_t rows, columns;
    int64_t dst_row, src_row, dst_column, src_column; /* in bytes */
    /* What is done at a time: as many rows and columns, so many parts down and across. */
    size_t part_rows, part_columns, down, across;
} layout_box;

/* dims, dst, src: (rank) sizes and strides in bytes; strides of the source may be 0 or negative. item: 1,
   2, 4, 8 or 16 bytes. No element of the box may be beyond what the strides can say. */
void layout_box_plan(layout_box *box, size_t rank, const int64_t *dims, const int64_t *dst,
                     const int64_t *src, size_t item);

/* Copies; pool may be NULL. Threads are called where it is worth their while. */
void layout_box_copy(const layout_box *box, char *dst, const char *src, sib_pool *pool);

/* n times the item of 2^size bytes. */
void layout_fill(char *dst, const char *item, unsigned size, size_t n);

/* Row-major strides of dims in bytes. An empty box may have strides that are not what they say. */
void layout_strides(size_t rank, const int64_t *dims, size_t item, int64_t *strides);

/* i for 2^i bytes below or at 16, else LAYOUT_SIZES. */
unsigned layout_size(size_t item);

#endif
