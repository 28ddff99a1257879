/* The pool's own code with other threads let in at each step of its protocol, few pieces in a batch, and
   threads that do not start. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

static void let_others_run(void);
static int start_or_fail(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                         void *context);

#define POOL_POINT()   let_others_run()
#define LEFT_BITS      3
#define pthread_create start_or_fail
#include "base/pool.c"
#undef pthread_create

#include "check.h"

#define CALLERS 3
#define ITEMS   96

static _Thread_local uint64_t seed;

static uint32_t draw(void)
{
    if (!seed)
        seed = (uint64_t)(uintptr_t)&seed * 0x9E3779B97F4A7C15u | 1;
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 32);
}

static void let_others_run(void)
{
    uint32_t n = draw();
    if (n % 8 == 0)
        sched_yield();
    else if (n % 128 == 1)
        usleep(n >> 7 & 63);
}

static int starts_left = 1 << 30;

static int start_or_fail(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                         void *context)
{
    return starts_left-- > 0 ? pthread_create(thread, attributes, start, context) : EAGAIN;
}

/* A run that knows its items, on the stack of its caller until it ends. */
typedef struct record {
    size_t items, grain;
    unsigned threads;
    atomic_bool over, wrong;
    unsigned char seen[ITEMS]; /* not atomic: the pool orders what threads write for each other */
    atomic_uint inside[5];     /* threads that work under each number */
} record;

static void mark(void *context, size_t begin, size_t count, unsigned number)
{
    record *r = context;
    bool own = number < r->threads && atomic_fetch_add(&r->inside[number], 1) == 0;
    if (!own || atomic_load(&r->over) || !count || begin % r->grain || begin + count > r->items ||
        (count != r->grain && begin + count != r->items))
        atomic_store(&r->wrong, true);
    for (size_t i = begin; i < begin + count && i < ITEMS; i++)
        r->seen[i]++;
    let_others_run();
    atomic_fetch_sub(&r->inside[number], 1);
}

static void *call(void *context)
{
    sib_pool *pool = context;
    bool wrong = false;
    for (int round = 0; round < check_draws(300) && !wrong; round++) {
        record r = {.items = draw() % ITEMS, .grain = 1 + draw() % 4, .threads = sib_pool_threads(pool)};
        bool held = draw() % 2;
        if (held)
            pool_hold(pool);
        (draw() % 4 ? pool_run : pool_run_awake)(pool, r.items, r.grain, mark, &r);
        atomic_store(&r.over, true);
        if (held)
            pool_release(pool);
        wrong = atomic_load(&r.wrong);
        for (size_t i = 0; i < ITEMS; i++)
            wrong |= r.seen[i] != (i < r.items);
        if (draw() % 64 == 0)
            usleep(300); /* the workers sleep */
    }
    return wrong ? pool : NULL;
}

TEST(every_piece_once)
{
    for (int again = 0; again < 8; again++)
        for (unsigned threads = 2; threads <= 5; threads++) {
            sib_pool *pool;
            sib_error err = SIB_ERROR_INIT;
            pthread_t callers[CALLERS];
            unsigned n = again % 2 ? CALLERS : 1;
            CHECK_OK(sib_pool_create(threads, &pool, &err), err);
            for (unsigned i = 0; i < n; i++)
                assert_int_equal(pthread_create(&callers[i], NULL, call, pool), 0);
            for (unsigned i = 0; i < n; i++) {
                void *wrong;
                pthread_join(callers[i], &wrong);
                assert_null(wrong);
            }
            sib_pool_free(&pool);
        }
}

/* A pool is freed while its workers are on their way into sleep, out of it or through a run. */
TEST(freed_at_once)
{
    for (int again = 0; again < check_draws(300); again++) {
        sib_pool *pool;
        sib_error err = SIB_ERROR_INIT;
        CHECK_OK(sib_pool_create(2 + draw() % 3, &pool, &err), err);
        record r = {.items = draw() % 12, .grain = 1, .threads = sib_pool_threads(pool)};
        (draw() % 2 ? pool_run : pool_run_awake)(pool, r.items, r.grain, mark, &r);
        sib_pool_free(&pool);
        assert_false(atomic_load(&r.wrong));
        for (size_t i = 0; i < ITEMS; i++)
            assert_int_equal(r.seen[i], i < r.items);
    }
}

TEST(threads_that_do_not_start)
{
    for (int n = 0; n < 4; n++) {
        sib_pool *pool;
        sib_error err = SIB_ERROR_INIT;
        sib_alloc_counters before, after;
        sib_alloc_counters_get(&before);
        starts_left = n;
        sib_code code = sib_pool_create(5, &pool, &err);
        starts_left = 1 << 30;
        CHECK_FAILS(code, SIB_ERR_MEMORY, err, "could not be started");
        assert_null(pool);
        sib_alloc_counters_get(&after);
        assert_int_equal(after.bytes_current, before.bytes_current);
    }
}

/* The number of the run overflows without harm to the pieces left. */
TEST(run_numbers_wrap)
{
    sib_pool *pool;
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(sib_pool_create(3, &pool, &err), err);
    atomic_store(&pool->ticket, UINT64_MAX << LEFT_BITS);
    for (int i = 0; i < 3; i++) {
        record r = {.items = 20, .grain = 1, .threads = 3};
        pool_run(pool, r.items, r.grain, mark, &r);
        assert_false(atomic_load(&r.wrong));
        for (size_t k = 0; k < r.items; k++)
            assert_int_equal(r.seen[k], 1);
    }
    sib_pool_free(&pool);
}
