/* Runs put where indices say, one after the other: the last of several for one place stays, or all of them
   are put together. */
#ifndef KERNEL_SCATTER_H
#define KERNEL_SCATTER_H

#include "kernel/layout/gather.h"
#include "spec/words.h"

/* For each place k in order: there[i] = there[i] (operation) update[k * n + i] for i < n, there being data
   + offsets[k]. */
typedef void (*scatter_combine)(char *data, const char *updates, const size_t *offsets, size_t places,
                                size_t n);

typedef enum scatter_type { SCATTER_F32, SCATTER_F64, SCATTER_I32, SCATTER_I64, SCATTER_TYPES } scatter_type;
#define SCATTER_REDUCTIONS (SCATTER_MIN + 1)

/* Integers wrap; NaN stays in min and max. NULL for SCATTER_NONE. */
extern const scatter_combine scatter_combines[SCATTER_REDUCTIONS][SCATTER_TYPES];

/* data: what the plan's places are in, changed; updates: (places, run). combine: NULL puts updates as they
   are; else for elements of `item` bytes, which have their alignment. Returns p->places, or the first
   place with an index outside: those before are done. */
size_t scatter_put(const gather_plan *p, char *data, const char *updates, const void *indices,
                   scatter_combine combine, size_t item);

#endif
