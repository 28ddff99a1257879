/* Threads that work on one run at a time.

   A run is a number of pieces. The caller and the workers that are awake take pieces until none is left, and
   the run ends when the pieces are done: a worker that has not begun is not waited for.

   `ticket` is the number of the run and the pieces left to take, in one word. A thread reads the ticket, then
   the description of the run, and takes a piece by a compare-and-swap of the ticket. The description is
   written only while no piece is left and all are done, so a swap that succeeds shows that the description
   read before it was this run's: a worker that comes late fails at the swap and has touched nothing.
   tests/base/test_pool_model.c searches all interleavings of this protocol.

   pool_account.h decides how many threads to use, by what the calling thread measures in windows of its time.
   */
#include "base/pool.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/pool_account.h"
#include "base/processors.h"
#include "base/size.h"

#include <sibyl/timing.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

/* Bits of the ticket for the pieces left. The others, the number of the run, wrap around after 2^40 runs:
   weeks in which one thread would have to stand still between reading the ticket and the swap to take a piece
   of the wrong run. */
#ifndef LEFT_BITS
#define LEFT_BITS 24
#endif
#define MAX_PIECES (((uint64_t)1 << LEFT_BITS) - 1)

/* How long a worker that is held awake looks for the next run before it sleeps, and the caller for the end of
   the last piece. A sleeping thread takes 5 to 50 us to wake. */
#define WORKER_SPIN_NS 200000
#define CALLER_SPIN_NS 20000
/* The shortest window while the pool is held. Reading the processor time of a thread takes 0.2 us. */
#define WINDOW_NS 200000

#if defined(__x86_64__)
#define PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define PAUSE() __asm__ volatile("yield")
#else
#define PAUSE() ((void)0)
#endif

/* Steps of the protocol, at which a test may let other threads run. */
#ifndef POOL_POINT
#define POOL_POINT() ((void)0)
#endif

/* A thread that works on runs: 0 is the caller, whose run it is. */
typedef struct worker {
    sib_pool *pool;
    unsigned number;
    pthread_t thread; /* of 1 .. threads - 1 */
    pthread_mutex_t lock;
    pthread_cond_t woken;
    atomic_bool sleeps;
} worker;

typedef struct job {
    pool_task task;
    void *context;
    size_t items, grain;
} job;

/* Items before `end` of a job. The piece taken with n pieces left begins at past - n * grain. Written by the
   caller while no piece is left and all are done; read at any time. */
typedef struct description {
    _Atomic(pool_task) task;
    _Atomic(void *) context;
    atomic_size_t grain, end, past;
} description;

struct sib_pool {
    unsigned threads;
    description run;
    _Alignas(64) atomic_uint_least64_t ticket;
    _Alignas(64) atomic_size_t undone; /* pieces of the run that are not done */
    _Alignas(64) atomic_uint used;     /* threads in use, the caller's included */
    atomic_uint holds;                 /* calls of pool_hold without a pool_release yet */
    atomic_bool lingers;               /* the last run was one of pool_run_awake */
    atomic_bool stops;
    pthread_mutex_t runs_lock; /* held by the caller whose run is being worked on; guards what follows */
    pool_account account;
    pool_window window; /* since window_start; wall and cpu are set at its end */
    pthread_t window_owner;
    bool window_open;
    uint64_t window_start, window_start_cpu;
    worker workers[]; /* (threads) */
};

/* ---- Sleeping and waking ---------------------------------------------------------------------------- */

/* A worker is called by pieces that are left, the caller by the end of its run. */
static bool is_called(const worker *w, memory_order order)
{
    const sib_pool *pool = w->pool;
    if (w->number == 0)
        return atomic_load_explicit(&pool->undone, order) == 0;
    return atomic_load_explicit(&pool->stops, order) ||
           (w->number < atomic_load_explicit(&pool->used, order) &&
            (atomic_load_explicit(&pool->ticket, order) & MAX_PIECES));
}

static bool stays_awake(const worker *w)
{
    const sib_pool *pool = w->pool;
    return w->number == 0 || (w->number < atomic_load_explicit(&pool->used, memory_order_relaxed) &&
                              (atomic_load_explicit(&pool->holds, memory_order_relaxed) ||
                               atomic_load_explicit(&pool->lingers, memory_order_relaxed)));
}

/* Returns false where the thread is not called within its time, or at once if it does not stay awake. */
static bool spin_until_called(const worker *w)
{
    const uint64_t limit = w->number == 0 ? CALLER_SPIN_NS : WORKER_SPIN_NS;
    for (uint64_t start = 0, now = 0; now - start <= limit && stays_awake(w); start = start ? start : now) {
        for (int i = 0; i < 32; i++) {
            if (is_called(w, memory_order_relaxed))
                return true;
            PAUSE();
        }
        now = sib_time_ns();
    }
    return false;
}

/* `sleeps` is set before the thread looks whether it is called, and whoever calls it reads `sleeps`
   afterwards, all in one order (seq_cst), so one of the two sees the other. It may also wake without being
   called. */
static void sleep_until_called(worker *w)
{
    pthread_mutex_lock(&w->lock);
    POOL_POINT();
    atomic_store(&w->sleeps, true);
    POOL_POINT();
    while (atomic_load(&w->sleeps) && !is_called(w, memory_order_seq_cst))
        pthread_cond_wait(&w->woken, &w->lock);
    atomic_store(&w->sleeps, false);
    pthread_mutex_unlock(&w->lock);
}

static void wake(worker *w)
{
    POOL_POINT();
    if (!atomic_load(&w->sleeps))
        return;
    pthread_mutex_lock(&w->lock);
    atomic_store(&w->sleeps, false);
    pthread_cond_signal(&w->woken);
    pthread_mutex_unlock(&w->lock);
}

/* Each thread wakes two, so that the first piece waits for two wake-ups and not for one a worker. */
static void wake_next(sib_pool *pool, unsigned number, size_t threads)
{
    for (size_t i = 2 * (size_t)number + 1; i <= 2 * (size_t)number + 2 && i < threads; i++)
        wake(&pool->workers[i]);
}

/* ---- Pieces ---------------------------------------------------------------------------------------- */

/* Takes and does pieces until none is left; returns how many. */
static size_t take_pieces(sib_pool *pool, unsigned number)
{
    const memory_order relaxed = memory_order_relaxed, acquire = memory_order_acquire;
    description *d = &pool->run;
    size_t done = 0;
    uint64_t ticket = atomic_load_explicit(&pool->ticket, acquire);
    while (ticket & MAX_PIECES) {
        POOL_POINT();
        pool_task task = atomic_load_explicit(&d->task, relaxed);
        void *context = atomic_load_explicit(&d->context, relaxed);
        POOL_POINT();
        size_t grain = atomic_load_explicit(&d->grain, relaxed), end = atomic_load_explicit(&d->end, relaxed);
        size_t begin = atomic_load_explicit(&d->past, relaxed) - (size_t)(ticket & MAX_PIECES) * grain;
        POOL_POINT();
        if (!atomic_compare_exchange_weak_explicit(&pool->ticket, &ticket, ticket - 1, memory_order_acq_rel,
                                                   acquire))
            continue;
        SIB_ASSERT(begin < end);
        POOL_POINT();
        task(context, begin, size_min(grain, end - begin), number);
        done++;
        POOL_POINT();
        if (atomic_fetch_sub(&pool->undone, 1) == 1)
            wake(&pool->workers[0]);
        ticket = atomic_load_explicit(&pool->ticket, acquire);
    }
    return done;
}

static void *work(void *context)
{
    worker *w = context;
    sib_pool *pool = w->pool;
    while (!atomic_load(&pool->stops)) {
        if (!spin_until_called(w))
            sleep_until_called(w);
        if (!is_called(w, memory_order_relaxed))
            continue;
        size_t left = atomic_load_explicit(&pool->ticket, memory_order_relaxed) & MAX_PIECES;
        if (left > w->number)
            wake_next(pool, w->number,
                      size_min(atomic_load_explicit(&pool->used, memory_order_relaxed), left));
        take_pieces(pool, w->number);
    }
    return NULL;
}

/* ---- The account of what workers gain --------------------------------------------------------------- */

/* Processor time of the calling thread. */
static uint64_t thread_time_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void open_window(sib_pool *pool, uint64_t now, uint64_t cpu)
{
    pool->window = (pool_window){0};
    pool->window_owner = pthread_self();
    pool->window_open = true;
    pool->window_start = now;
    pool->window_start_cpu = cpu;
}

/* Ends a window of at least min_ns of this thread; the next one begins there. */
static void close_window(sib_pool *pool, uint64_t min_ns)
{
    if (!pool->window_open || !pthread_equal(pool->window_owner, pthread_self()))
        return;
    uint64_t now = sib_time_ns(), wall = now - pool->window_start;
    if (wall < min_ns)
        return;
    uint64_t cpu = thread_time_ns();
    pool->window.wall = (double)wall;
    pool->window.cpu = (double)(cpu - pool->window_start_cpu);
    unsigned used = pool_account_add(&pool->account, &pool->window);
    atomic_store_explicit(&pool->used, used, memory_order_relaxed);
    open_window(pool, now, cpu);
}

/* ---- Runs ------------------------------------------------------------------------------------------ */

static size_t run_piece(const job *j, size_t first)
{
    size_t n = size_min(j->grain, j->items - first);
    j->task(j->context, first, n, 0);
    return n;
}

/* Works on the items from `first` in at most MAX_PIECES pieces; returns how many items. The caller holds
   `runs_lock`. */
static size_t run_batch(sib_pool *pool, const job *j, size_t first)
{
    description *d = &pool->run;
    const memory_order relaxed = memory_order_relaxed;
    size_t n = j->items - first, pieces = size_ceil_div(n, j->grain);
    if (pieces > MAX_PIECES) {
        pieces = MAX_PIECES;
        n = pieces * j->grain;
    }
    uint64_t last = atomic_load_explicit(&pool->ticket, relaxed), start = sib_time_ns();
    SIB_ASSERT((last & MAX_PIECES) == 0 && atomic_load(&pool->undone) == 0);
    atomic_store_explicit(&d->task, j->task, relaxed);
    atomic_store_explicit(&d->context, j->context, relaxed);
    POOL_POINT();
    atomic_store_explicit(&d->grain, j->grain, relaxed);
    atomic_store_explicit(&d->end, first + n, relaxed);
    atomic_store_explicit(&d->past, first + pieces * j->grain, relaxed);
    atomic_store_explicit(&pool->undone, pieces, relaxed);
    POOL_POINT();
    atomic_store(&pool->ticket, ((last >> LEFT_BITS) + 1) << LEFT_BITS | pieces);
    wake_next(pool, 0, size_min(atomic_load_explicit(&pool->used, relaxed), pieces));
    size_t own = take_pieces(pool, 0);
    uint64_t taken = sib_time_ns();
    while (atomic_load_explicit(&pool->undone, memory_order_acquire))
        if (!spin_until_called(&pool->workers[0]))
            sleep_until_called(&pool->workers[0]);
    uint64_t waited = sib_time_ns() - taken, spun = waited < CALLER_SPIN_NS ? waited : CALLER_SPIN_NS;
    pool_window *w = &pool->window;
    w->pieces += (double)(taken - start);
    w->helped += own ? (double)(taken - start) / (double)own * (double)(pieces - own) : 0;
    w->spun += (double)spun;
    w->slept += (double)(waited - spun);
    return n;
}

static void run(sib_pool *pool, const job *j, bool linger)
{
    SIB_ASSERT(j->task);
    SIB_ASSERT(j->grain > 0);
    bool shared = sib_pool_threads(pool) > 1 && j->items > j->grain;
    size_t done = 0;
    while (done < j->items && !(shared && pthread_mutex_trylock(&pool->runs_lock) == 0))
        done += run_piece(j, done); /* the pool is taken */
    if (!shared || done >= j->items)
        return;
    if (!pool->window_open || !pthread_equal(pool->window_owner, pthread_self()))
        open_window(pool, sib_time_ns(), thread_time_ns());
    atomic_store_explicit(&pool->lingers, linger, memory_order_relaxed);
    while (done < j->items)
        done += atomic_load_explicit(&pool->used, memory_order_relaxed) > 1 ? run_batch(pool, j, done)
                                                                            : run_piece(j, done);
    bool held = atomic_load_explicit(&pool->holds, memory_order_relaxed) > 0;
    close_window(pool, held ? WINDOW_NS : 1);
    pool->window_open = held;
    pthread_mutex_unlock(&pool->runs_lock);
}

void pool_run(sib_pool *pool, size_t items, size_t grain, pool_task task, void *context)
{
    run(pool, &(job){task, context, items, grain}, false);
}

void pool_run_awake(sib_pool *pool, size_t items, size_t grain, pool_task task, void *context)
{
    run(pool, &(job){task, context, items, grain}, true);
}

void pool_hold(sib_pool *pool)
{
    if (pool)
        atomic_fetch_add(&pool->holds, 1);
}

void pool_release(sib_pool *pool)
{
    if (!pool)
        return;
    unsigned holds = atomic_fetch_sub(&pool->holds, 1);
    SIB_ASSERT(holds > 0);
    /* What this thread does next may not be work: its last window ends here. */
    if (pool->threads > 1 && pthread_mutex_trylock(&pool->runs_lock) == 0) {
        close_window(pool, 1);
        pool->window_open = false;
        pthread_mutex_unlock(&pool->runs_lock);
    }
}

bool pool_is_awake(const sib_pool *pool)
{
    return pool && atomic_load_explicit(&pool->used, memory_order_relaxed) > 1 &&
           atomic_load_explicit(&pool->holds, memory_order_relaxed) > 0;
}

/* ---- Pools ----------------------------------------------------------------------------------------- */

unsigned sib_pool_threads(const sib_pool *pool)
{
    return pool ? pool->threads : 1;
}

/* Signals are for the program's own threads. */
static bool start_worker(worker *w)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&w->thread, NULL, work, w) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

/* Stops workers 1 .. n - 1 and frees the pool. */
static void stop(sib_pool *pool, unsigned n)
{
    atomic_store(&pool->stops, true);
    for (unsigned i = 1; i < n; i++)
        wake(&pool->workers[i]);
    for (unsigned i = 1; i < n; i++)
        pthread_join(pool->workers[i].thread, NULL);
    mem_free(pool);
}

sib_code sib_pool_create(unsigned threads, sib_pool **out, sib_error *err)
{
    *out = NULL;
    if (threads > POOL_MAX_THREADS)
        return err_set(err, SIB_ERR_ARGUMENT, "threads is %u, the limit is %d", threads, POOL_MAX_THREADS);
    threads = threads ? threads : processors_usable();
    size_t size = sizeof(sib_pool) + threads * sizeof(worker);
    sib_pool *pool = mem_calloc(1, size);
    if (!pool)
        return err_memory(err, size, "a thread pool");
    pool->threads = threads;
    pool->runs_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    pool_account_init(&pool->account, threads);
    atomic_init(&pool->used, threads);
    for (unsigned i = 0; i < threads; i++)
        pool->workers[i] = (worker){
            .pool = pool, .number = i, .lock = PTHREAD_MUTEX_INITIALIZER, .woken = PTHREAD_COND_INITIALIZER};
    for (unsigned i = 1; i < threads; i++)
        if (!start_worker(&pool->workers[i])) {
            stop(pool, i);
            return err_set(err, SIB_ERR_MEMORY, "thread %u of a pool of %u could not be started", i + 1,
                           threads);
        }
    *out = pool;
    return SIB_OK;
}

void sib_pool_free(sib_pool **pool)
{
    if (!pool || !*pool)
        return;
    SIB_ASSERT(atomic_load(&(*pool)->holds) == 0); /* it is not in use */
    stop(*pool, (*pool)->threads);
    *pool = NULL;
}
