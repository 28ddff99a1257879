/* A tensor resampled along some of its axes, one after the other: rows above one another are blended, then
   each row is resampled across while it is in the cache. */
#ifndef KERNEL_RESIZE_PLAN_H
#define KERNEL_RESIZE_PLAN_H

#include "base/pool.h"
#include "kernel/layout/layout.h"
#include "kernel/resize/resize_entries.h"
#include "spec/resize_axis.h"

/* Most taps of a plan. */
#define RESIZE_MAX_TAPS 64

/* One axis: source [outer, in, inner], result [outer, out, inner]. */
typedef struct resize_pass {
    size_t outer, in, out, inner, taps;
    int32_t *index;       /* (out, taps) */
    float *weight;        /* (out, taps) */
    resize_line line;     /* where inner is 1 and items are floats */
    size_t times;         /* element o comes from o / times; 0 where it is not so simple */
    layout_repeat repeat; /* does that where `times` is not 0 and items are simple; else NULL */
    size_t *offset;       /* (out) in bytes, where there is one tap */
} resize_pass;

typedef struct resize_plan {
    bool nearest; /* bits stay, items of any size; else floats */
    size_t item, n;
    resize_pass passes[LAYOUT_MAX_RANK]; /* (n), 1 or more */
    size_t
        between; /* elements of the larger result between two passes, 0 where there is none: two blocks are wanted */
    size_t row; /* elements that a thread needs for a row between the last two */
} resize_plan;

/* axes: (rank), those that stay as they are are left alone; at least one does not, all have elements.
   item: bytes of an element; filters but RESIZE_NEAREST take floats; no axis has more than
   RESIZE_MAX_TAPS. False where there is no memory. Ends with resize_plan_free, also then. */
bool resize_plan_make(resize_plan *p, const resize_rule *r, size_t rank, const resize_axis *axes,
                      size_t item);
void resize_plan_free(resize_plan *p);

/* Elements of scratch memory that a run with so many threads needs. */
size_t resize_scratch(const resize_plan *p, size_t threads);

/* dst, src: dense. scratch: resize_scratch items; may be NULL where that is 0. pool may be NULL. */
void resize_run(const resize_plan *p, char *dst, const char *src, char *scratch, sib_pool *pool);

#endif
