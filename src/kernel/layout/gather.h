/* Runs of bytes found by indices: Gather, GatherND, GatherElements and the scatters. A plan says how a
   place, counted in row-major order over the indices, becomes an offset into the data; runs are then
   copied from there, or to there.

   Indices are int32 or int64; each is looked at before it is used. */
#ifndef KERNEL_GATHER_H
#define KERNEL_GATHER_H

#include "base/pool.h"
#include "kernel/layout/layout_box.h"

typedef enum gather_kind {
    GATHER_AXIS, /* one index for all that follows an axis, the same for all before it */
    GATHER_COORDINATES /* one place has `depth` of them */,
    GATHER_ELEMENTS /* one for each element along an axis; the others keep their own */
} gather_kind;

typedef struct gather_plan {
    gather_kind kind;
    bool wide;     /* int64, else int32 */
    bool wraps;    /* negative indices count from the end; else they are outside */
    size_t run;    /* bytes at a place */
    size_t places; /* in all */
    size_t axis;   /* of the data that the first index is for */
    size_t
        each; /* places until the data moves on: GATHER_AXIS, its indices; GATHER_COORDINATES, those of a batch */
    size_t apart;                    /* bytes of data that it moves on then */
    size_t depth;                    /* indices of a place */
    int64_t size[LAYOUT_MAX_RANK];   /* (depth) of the axes that indices are for */
    int64_t stride[LAYOUT_MAX_RANK]; /* (depth) in bytes */
    /* GATHER_ELEMENTS: the indices' dims, and the data's strides in bytes, 0 for the axis itself. */
    size_t rank;
    int64_t dims[LAYOUT_MAX_RANK], own[LAYOUT_MAX_RANK]; /* (rank) */
} gather_plan;

/* Places whose offsets are worked out at a time. */
#define GATHER_BLOCK 256

/* Offsets of the places [begin, begin + n), n <= GATHER_BLOCK, which are sound up to the number that comes
   back: less than n where an index is outside. */
size_t gather_offsets(const gather_plan *p, const void *indices, size_t begin, size_t n, size_t *offsets);

/* dst (n, run): the runs of bytes at so many bytes from src. */
void gather_fetch(char *dst, const char *src, const size_t *offsets, size_t n, size_t run);

/* dst: (places, run). Returns p->places, or a place with an index outside; dst holds anything then. pool
   may be NULL. */
size_t gather_copy(const gather_plan *p, char *dst, const char *src, const void *indices, sib_pool *pool);

/* Places whose indices are known beforehand, those that stand side by side on both sides as one. */
typedef struct gather_move {
    size_t data, place, bytes; /* offsets into the data and into what is gathered or put */
} gather_move;

typedef struct gather_moves {
    size_t n;
    gather_move moves[]; /* (n) */
} gather_moves;

/* NULL where moves are no better than indices, where an index is outside, or where there is no memory:
   then there are still the indices. Owned by the caller: mem_free. */
gather_moves *gather_moves_make(const gather_plan *p, const void *indices);

/* The index of a place that is outside, counted from the begin, and which of its `depth` it is. */
void gather_fault(const gather_plan *p, const void *indices, size_t place, int64_t *index, size_t *which);

#endif
