/* Runs of bytes addressed by indices: Gather, GatherND, GatherElements and the scatters. A plan tells how a
   place, counted in row-major order over the indices, becomes an offset into the data; runs are then copied
   from or to that offset.

   Indices are int32 or int64; each is checked before use. */
#ifndef KERNEL_GATHER_H
#define KERNEL_GATHER_H

#include "base/pool.h"
#include "kernel/layout/layout_box.h"

typedef enum gather_kind {
    GATHER_AXIS,        /* one index for all that follows an axis, the same for all before it */
    GATHER_COORDINATES, /* `depth` indices per place */
    GATHER_ELEMENTS     /* one index per element along an axis; the other coordinates stay */
} gather_kind;

typedef struct gather_plan {
    gather_kind kind;
    bool wide;     /* int64, else int32 */
    bool wraps;    /* negative indices count from the end; else they are out of range */
    size_t run;    /* bytes per place */
    size_t places; /* in all */
    size_t axis;   /* dimension of the data that the first index addresses */
    size_t each;   /* places until the data advances: all indices; GATHER_COORDINATES: a batch's */
    size_t apart;  /* bytes by which it then advances */
    size_t depth;  /* indices per place */
    int64_t size[LAYOUT_MAX_RANK];   /* (depth) of the axes that indices address */
    int64_t stride[LAYOUT_MAX_RANK]; /* (depth) in bytes */
    /* GATHER_ELEMENTS: the indices' dims, and the data's strides in bytes, 0 for the axis itself. */
    size_t rank;
    int64_t dims[LAYOUT_MAX_RANK], own[LAYOUT_MAX_RANK]; /* (rank) */
} gather_plan;

/* Places whose offsets are computed at a time. */
#define GATHER_BLOCK 256

/* Computes the offsets of places [begin, begin + n), n <= GATHER_BLOCK. Returns how many are valid: less than
   n where an index is out of range. */
size_t gather_offsets(const gather_plan *p, const void *indices, size_t begin, size_t n, size_t *offsets);

/* dst (n, run): the runs of bytes at these offsets from src. */
void gather_fetch(char *dst, const char *src, const size_t *offsets, size_t n, size_t run);

/* dst: (places, run). Returns p->places, or a place whose index is out of range; dst is then unspecified.
   pool may be NULL. */
size_t gather_copy(const gather_plan *p, char *dst, const char *src, const void *indices, sib_pool *pool,
                   const struct sib_cancel *cancel);

/* Copies for indices that are known beforehand; places that are adjacent on both sides are merged. */
typedef struct gather_move {
    size_t data, place, bytes; /* offsets into the data and into the gathered or scattered runs */
} gather_move;

typedef struct gather_moves {
    size_t n;
    gather_move moves[]; /* (n) */
} gather_moves;

/* Returns NULL where moves are no faster than indices, an index is out of range, or memory runs out; the
   caller then uses the indices. Owned by the caller: mem_free. */
gather_moves *gather_moves_make(const gather_plan *p, const void *indices);

/* The value of the out-of-range index of a place, negative ones counted from the beginning, and which of its
   `depth` it is. */
void gather_fault(const gather_plan *p, const void *indices, size_t place, int64_t *index, size_t *which);

#endif
