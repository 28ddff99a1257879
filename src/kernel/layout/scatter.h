/* Runs written at indexed places, in order: the last of several for one place remains, or all of them are
   combined. */
#ifndef KERNEL_SCATTER_H
#define KERNEL_SCATTER_H

#include "kernel/layout/gather.h"
#include "spec/enums.h"

/* For each place k in order: there[i] = there[i] (operation) updates[k * n + i] for i < n, where there = data
   + offsets[k]. */
typedef void (*scatter_combine)(char *data, const char *updates, const size_t *offsets, size_t places,
                                size_t n);

typedef enum scatter_type { SCATTER_F32, SCATTER_F64, SCATTER_I32, SCATTER_I64, SCATTER_TYPES } scatter_type;
#define SCATTER_REDUCTIONS (SCATTER_MIN + 1)

/* Integers wrap; min and max propagate NaN. NULL for SCATTER_NONE. */
extern const scatter_combine scatter_combines[SCATTER_REDUCTIONS][SCATTER_TYPES];

/* data: modified at the plan's places; updates: (places, run). combine: NULL copies updates; else it combines
   elements of `item` bytes, which are aligned. Returns p->places, or the first place whose index is out of
   range: those before it are done. Ends early where cancel, which may be NULL, is set. */
size_t scatter_put(const gather_plan *p, char *data, const char *updates, const void *indices,
                   scatter_combine combine, size_t item, const struct sib_cancel *cancel);

#endif
