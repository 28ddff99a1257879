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

/* The elements of input i and output i, which are float32; NULL where it is omitted, or nobody wants it. */
const float *cpu_floats_in(const cpu_call *c, size_t i);
float *cpu_floats_out(const cpu_call *c, size_t i);
/* Output i, or where nobody wants it scratch of n floats, which the caller gives back (*scratch, else NULL); NULL where
   there is no memory. */
float *cpu_floats_made(const cpu_call *c, size_t i, size_t n, void **scratch);
/* v is float32 and of dims [n]. */
bool cpu_is_list(const node_view *n, const value *v, int64_t count);
/* Output i is float32 where it is wanted. */
bool cpu_gives_f32(const node_view *n, size_t i);

/* Runs the task over `items`, each of `work` steps of about the time of one element in vector code, in pieces short
   enough to look at the cancel flag between them; over threads where all that is worth waking them. The task itself
   returns at once where the run is cancelled. Errors: SIB_ERR_CANCELLED. */
sib_code cpu_spread(const cpu_call *c, size_t items, size_t work, pool_task task, void *context);

#endif
