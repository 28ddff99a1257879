/* A thread pool. */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <sibyl/base.h>

/* Works on items begin .. begin + count - 1. worker < sib_pool_threads(pool) selects this thread's scratch
   memory. */
typedef void (*pool_task)(void *context, size_t begin, size_t count, unsigned worker);

/* Runs `task` over `items` in pieces of at most `grain` (> 0), and returns when all are done. Uses only
   the calling thread where pool is NULL or there is one piece. The assignment of pieces to threads is not
   deterministic, so a task's result must not depend on it. Several threads may call with the same pool;
   their runs are executed one after the other. */
void pool_run(sib_pool *pool, size_t items, size_t grain, pool_task task, void *context);

/* The same, but the workers then stay awake for at most some milliseconds: for callers whose next run
   follows within microseconds. Waking the workers takes longer than a thousand frames of features. */
void pool_run_awake(sib_pool *pool, size_t items, size_t grain, pool_task task, void *context);

/* Between pool_hold and pool_release, pool_run keeps the workers awake as pool_run_awake does: for a
   sequence of runs mostly shorter than waking takes. The pairs may nest and be used by several threads.
   pool: may be NULL. */
void pool_hold(sib_pool *pool);
void pool_release(sib_pool *pool);
/* True while workers are held awake. */
bool pool_is_awake(const sib_pool *pool);

#endif
