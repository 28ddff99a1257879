/* Work over threads. */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <sibyl/base.h>

/* One piece of work: items begin .. begin + count - 1. worker < sib_pool_threads(pool) tells which scratch
   memory is this thread's. */
typedef void (*pool_task)(void *context, size_t begin, size_t count, unsigned worker);

/* Runs `task` over `items` in pieces of at most `grain` (> 0) and returns when all are done. Runs on the
   calling thread alone where pool is NULL or there is one piece. Which thread gets which piece is not
   determined, so a task's result must not depend on it. Several threads may call with the same pool; they
   take turns. */
void pool_run(sib_pool *pool, size_t items, size_t grain, pool_task task, void *context);

/* The same where another run follows within microseconds: the workers wait for it awake, for some milliseconds at most.
   Waking them anew takes longer than a thousand frames of features do. */
void pool_run_and_stay(sib_pool *pool, size_t items, size_t grain, pool_task task, void *context);

/* From pool_stay to pool_part, which may be nested and called by several threads, workers of pool_run stay awake as after
   pool_run_and_stay: for a run of many steps, most of them shorter than waking takes. pool: may be NULL. */
void pool_stay(sib_pool *pool);
void pool_part(sib_pool *pool);
/* True where workers are awake in such a stay. */
bool pool_is_awake(const sib_pool *pool);

#endif
