/* A thread pool. */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <sibyl/base.h>

/* Works on items begin .. begin + count - 1. worker < sib_pool_threads(pool) selects this thread's scratch
   memory. */
typedef void (*pool_task)(void *context, size_t begin, size_t count, unsigned worker);

/* Runs `task` over `items` in pieces of at most `grain` (> 0), and returns when all are done. Uses only the
   calling thread where pool is NULL or there is one piece. The assignment of pieces to threads is not
   deterministic, so a task's result must not depend on it. Several threads may call with the same pool: the
   workers work on one run at a time, and the other callers do their own pieces themselves until the workers
   are free. On a busy machine a run may use fewer threads, down to the caller's alone. */
void pool_run(sib_pool *pool, size_t items, size_t grain, pool_task task, void *context);

/* The same, but the workers then stay awake for at most 0.2 ms: for callers whose next run follows
   within microseconds. Waking the workers takes longer than a thousand frames of features. */
void pool_run_awake(sib_pool *pool, size_t items, size_t grain, pool_task task, void *context);

/* Between pool_hold and pool_release, pool_run keeps the workers awake as pool_run_awake does: for a sequence
   of runs mostly shorter than waking takes. The pairs may nest and be used by several threads. The time
   between the two must be spent on work, not on waiting: it is compared with and without workers. pool: may
   be NULL. */
void pool_hold(sib_pool *pool);
void pool_release(sib_pool *pool);
/* True while workers are held awake and used: also short runs are worth giving to them. */
bool pool_is_awake(const sib_pool *pool);

#endif
