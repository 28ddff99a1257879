/* What kernels that work along axes share: a tensor's layout around an axis, parallel_for over rows. */
#ifndef CPU_ROWS_H
#define CPU_ROWS_H

#include "backend/cpu/cpu.h"

/* A tensor as [outer, size, inner] around its axes [first, last). */
typedef struct cpu_lines {
    size_t outer, size, inner;
} cpu_lines;

/* dims: (rank), all known; first <= last <= rank. */
cpu_lines cpu_lines_of(size_t rank, const int64_t *dims, size_t first, size_t last);
/* Number of elements of dims (rank). Dims of planned values are checked: the product does not overflow. */
size_t cpu_count(size_t rank, const int64_t *dims);

/* The elements of input i and output i, which are float32; NULL where it is omitted or not wanted. */
const float *cpu_floats_in(const cpu_call *c, size_t i);
float *cpu_floats_out(const cpu_call *c, size_t i);
/* Output i, or if it is not wanted n floats of scratch, which the caller gives back (*scratch, else NULL).
   Returns NULL where memory is short. */
float *cpu_floats_made(const cpu_call *c, size_t i, size_t n, void **scratch);
/* True where v is float32 of dims [count]. */
bool cpu_is_list(const node_view *n, const value *v, int64_t count);
/* True where output i is float32 or not wanted. */
bool cpu_gives_f32(const node_view *n, size_t i);

/* SIB_ERR_CANCELLED where the run is cancelled. */
sib_code cpu_cancelled(const cpu_call *c);

/* parallel_for over `items`, each costing `work` times one element in vector code. Pieces are short enough
   that the cancel flag is checked between them; threads are used where the total is worth waking them. The
   task itself returns at once where the run is cancelled. Errors: SIB_ERR_CANCELLED. */
sib_code cpu_parallel_for(const cpu_call *c, size_t items, size_t work, pool_task task, void *context);

#endif
