/* A tensor resampled along some of its axes, one after another: rows are blended vertically, then each row is
   resampled horizontally while it is in the cache. */
#ifndef KERNEL_RESIZE_PLAN_H
#define KERNEL_RESIZE_PLAN_H

#include "base/cancel.h"
#include "base/pool.h"
#include "kernel/layout/layout.h"
#include "kernel/resize/resize_entries.h"
#include "spec/resize_axis.h"

/* Max taps of a plan. */
#define RESIZE_MAX_TAPS 64

/* One axis: source [outer, in, inner], result [outer, out, inner]. */
typedef struct resize_pass {
    size_t outer, in, out, inner, taps;
    int32_t *index;       /* (out, taps) */
    float *weight;        /* (out, taps) */
    resize_line line;     /* where inner is 1 and items are floats */
    size_t times;         /* element o comes from o / times; 0 where there is no such factor */
    layout_repeat repeat; /* performs that where `times` is not 0 and the item size allows it; else NULL */
    size_t *offset;       /* (out) offsets in bytes, where there is one tap */
} resize_pass;

typedef struct resize_plan {
    bool nearest; /* bits are copied, items of any size; else items are floats */
    size_t item, n;
    resize_pass passes[LAYOUT_MAX_RANK]; /* (n), 1 or more */
    /* max elements between two passes, 0 where there is one pass; two such buffers are needed */
    size_t between;
    size_t row; /* elements of a thread's row between the last two passes */
} resize_plan;

/* axes: (rank); those that do not change are skipped. At least one changes, and none is empty. item: bytes of
   an element; all filters but RESIZE_NEAREST need floats; no axis has more than RESIZE_MAX_TAPS. Returns
   false where memory runs out. Release with resize_plan_free in either case. */
bool resize_plan_make(resize_plan *p, const resize_rule *r, size_t rank, const resize_axis *axes,
                      size_t item);
void resize_plan_free(resize_plan *p);

/* Elements of scratch that a run with this many threads needs. */
size_t resize_scratch(const resize_plan *p, size_t threads);

/* dst, src: dense. scratch: resize_scratch elements, may be NULL where that is 0. pool and cancel may be NULL.
   Ends early where cancel is set. */
void resize_run(const resize_plan *p, char *dst, const char *src, char *scratch, sib_pool *pool,
                const struct sib_cancel *cancel);

#endif
