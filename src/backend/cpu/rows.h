/* What kernels that work along axes share: how a tensor lies around an axis, axes as groups, and rows over threads. */
#ifndef CPU_ROWS_H
#define CPU_ROWS_H

#include "backend/cpu/cpu.h"

/* A tensor as [outer, size, inner] around its axes [first, last). */
typedef struct cpu_lines {
    size_t outer, size, inner;
} cpu_lines;

/* rank and dims of a tensor whose dims are known; first <= last <= rank. */
cpu_lines cpu_lines_of(size_t rank, const int64_t *dims, size_t first, size_t last);
/* Elements of dims (rank); dims of planned values are checked, so the product fits. */
size_t cpu_count(size_t rank, const int64_t *dims);
/* axis in [-rank, rank) as [0, rank); false outside. */
bool cpu_axis(int64_t axis, size_t rank, size_t *out);

/* Runs the task over `items`, each of `work` steps of about the time of one element in vector code, in pieces short
   enough to look at the cancel flag between them; over threads where all that is worth waking them. The task itself
   returns at once where the run is cancelled. Errors: SIB_ERR_CANCELLED. */
sib_code cpu_spread(const cpu_call *c, size_t items, size_t work, pool_task task, void *context);

#endif
