/* Threads of pthreadpool. Workers sleep after each job, so that none spins between calls, except between
   pool_hold and pool_release. */
#include "base/pool.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/size.h"

#include <pthreadpool.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

/* pthreadpool is not built with the thread sanitizer, which cannot see that it orders memory accesses;
   these annotations declare it. */
#if defined(__SANITIZE_THREAD__)
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define ACQUIRE(address) __tsan_acquire(address)
#define RELEASE(address) __tsan_release(address)
#else
#define ACQUIRE(address) ((void)(address))
#define RELEASE(address) ((void)(address))
#endif

#define POOL_MAX_THREADS 1024

struct sib_pool {
    pthreadpool_t workers; /* NULL with one thread */
    unsigned threads;
    atomic_uint holds; /* calls of pool_hold without a pool_release yet */
    atomic_bool awake; /* the workers stayed awake after the last job */
};

typedef struct {
    pool_task task;
    void *context;
    size_t items, grain, pieces;
    unsigned threads;
    atomic_size_t next; /* the next piece to be taken */
} job;

static unsigned usable_processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return (unsigned)CPU_COUNT(&set);
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (unsigned)n : 1;
}

sib_code sib_pool_create(unsigned threads, sib_pool **out, sib_error *err)
{
    *out = NULL;
    if (threads > POOL_MAX_THREADS)
        return err_set(err, SIB_ERR_ARGUMENT, "threads is %u, the limit is %d", threads, POOL_MAX_THREADS);
    sib_pool *pool = mem_calloc(1, sizeof *pool);
    if (!pool)
        return err_memory(err, sizeof *pool, "a thread pool");
    pool->threads = threads ? threads : usable_processors();
    if (pool->threads > 1 && !(pool->workers = pthreadpool_create(pool->threads))) {
        mem_free(pool);
        return err_set(err, SIB_ERR_MEMORY, "a pool of %u threads could not be created", threads);
    }
    *out = pool;
    return SIB_OK;
}

void sib_pool_free(sib_pool **pool)
{
    if (!pool || !*pool)
        return;
    SIB_ASSERT(atomic_load(&(*pool)->holds) == 0); /* it is not in use */
    if ((*pool)->workers)
        pthreadpool_destroy((*pool)->workers);
    mem_free(*pool);
    *pool = NULL;
}

unsigned sib_pool_threads(const sib_pool *pool)
{
    return pool ? pool->threads : 1;
}

/* Takes pieces until none are left. Each worker number is used once per job, by one thread. */
static void work(void *context, size_t worker)
{
    job *j = context;
    ACQUIRE(j);
    SIB_ASSERT(worker < j->threads);
    for (size_t piece; (piece = atomic_fetch_add(&j->next, 1)) < j->pieces;) {
        size_t begin = piece * j->grain;
        SIB_ASSERT(begin < j->items);
        j->task(j->context, begin, size_min(j->grain, j->items - begin), (unsigned)worker);
    }
    RELEASE(j);
}

static void run(sib_pool *pool, size_t items, size_t grain, pool_task task, void *context, uint32_t flags)
{
    SIB_ASSERT(task);
    SIB_ASSERT(grain > 0);
    job j = {.task = task,
             .context = context,
             .items = items,
             .grain = grain,
             .pieces = size_ceil_div(items, grain),
             .threads = sib_pool_threads(pool)};
    if (!pool || !pool->workers || j.pieces <= 1) {
        work(&j, 0);
        return;
    }
    RELEASE(&j);
    pthreadpool_parallelize_1d(pool->workers, work, &j, pool->threads, flags);
    ACQUIRE(&j);
}

void pool_run(sib_pool *pool, size_t items, size_t grain, pool_task task, void *context)
{
    bool held = pool && pool->workers && atomic_load(&pool->holds);
    run(pool, items, grain, task, context, held ? 0 : PTHREADPOOL_FLAG_YIELD_WORKERS);
    if (held)
        atomic_store(&pool->awake, true);
}

void pool_hold(sib_pool *pool)
{
    if (pool && pool->workers)
        atomic_fetch_add(&pool->holds, 1);
}

bool pool_is_awake(const sib_pool *pool)
{
    return pool && atomic_load_explicit(&pool->awake, memory_order_relaxed);
}

static void nothing(void *context, size_t worker)
{
    (void)context;
    (void)worker;
}

void pool_release(sib_pool *pool)
{
    if (!pool || !pool->workers)
        return;
    SIB_ASSERT(atomic_load(&pool->holds) > 0);
    /* an empty job, after which the workers sleep */
    if (atomic_fetch_sub(&pool->holds, 1) == 1 && atomic_exchange(&pool->awake, false))
        pthreadpool_parallelize_1d(pool->workers, nothing, NULL, pool->threads,
                                   PTHREADPOOL_FLAG_YIELD_WORKERS);
}

void pool_run_awake(sib_pool *pool, size_t items, size_t grain, pool_task task, void *context)
{
    run(pool, items, grain, task, context, 0);
}
