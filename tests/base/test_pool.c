#include "base/alloc.h"
#include "base/pool.h"
#include "check.h"

#include <pthread.h>

#define ITEMS 10007

typedef struct {
    unsigned char seen[ITEMS];
    unsigned most_workers;
    bool wrong;
    size_t grain;
} record;

static void mark(void *context, size_t begin, size_t count, unsigned worker)
{
    record *r = context;
    if (count > r->grain || worker >= r->most_workers)
        r->wrong = true;
    for (size_t i = begin; i < begin + count; i++)
        r->seen[i]++;
}

TEST(every_item_once)
{
    for (unsigned threads = 0; threads <= 4; threads++) {
        sib_pool *pool = NULL;
        sib_error err = SIB_ERROR_INIT;
        if (threads)
            CHECK_OK(sib_pool_create(threads, &pool, &err), err);
        for (size_t grain = 1; grain < 3 * ITEMS; grain *= 7) {
            record r = {.most_workers = sib_pool_threads(pool), .grain = grain};
            pool_run(pool, ITEMS, grain, mark, &r);
            assert_false(r.wrong);
            for (size_t i = 0; i < ITEMS; i++)
                assert_int_equal(r.seen[i], 1);
        }
        pool_run(pool, 0, 1, mark, NULL);
        sib_pool_free(&pool);
        assert_null(pool);
    }
}

/* Nested holds, while other threads begin and end theirs. */
static void *stay_and_run(void *context)
{
    sib_pool *pool = context;
    for (int turn = 0; turn < 4; turn++) {
        record r = {.most_workers = sib_pool_threads(pool), .grain = 500};
        pool_hold(pool);
        for (int again = 0; again < 3; again++) {
            pool_hold(pool);
            pool_run(pool, ITEMS, r.grain, mark, &r);
            pool_release(pool);
        }
        pool_release(pool);
        for (size_t i = 0; i < ITEMS; i++)
            r.wrong |= r.seen[i] != 3;
        if (r.wrong)
            return pool;
    }
    return NULL;
}

TEST(workers_stay)
{
    for (unsigned threads = 1; threads <= 3; threads++) {
        sib_pool *pool = NULL;
        sib_error err = SIB_ERROR_INIT;
        pthread_t others[3];
        CHECK_OK(sib_pool_create(threads, &pool, &err), err);
        for (int i = 0; i < 3; i++)
            assert_int_equal(pthread_create(&others[i], NULL, stay_and_run, pool), 0);
        for (int i = 0; i < 3; i++) {
            void *wrong;
            pthread_join(others[i], &wrong);
            assert_null(wrong);
        }
        pool_hold(pool); /* with nothing run */
        pool_release(pool);
        sib_pool_free(&pool);
    }
    pool_hold(NULL);
    pool_release(NULL);
}

TEST(bad_requests)
{
    sib_pool *pool;
    sib_error err = SIB_ERROR_INIT;
    CHECK_FAILS(sib_pool_create(5000, &pool, &err), SIB_ERR_ARGUMENT, err,
                "threads is 5000, the limit is 1024");
    CHECK_FAILS(sib_pool_create(1025, &pool, &err), SIB_ERR_ARGUMENT, err, "threads is 1025");
    mem_fail_after(0); /* of the largest number that is allowed too, without its threads */
    sib_code code = sib_pool_create(1024, &pool, &err);
    mem_fail_never();
    assert_int_equal(code, SIB_ERR_MEMORY);
    assert_null(pool);
    sib_pool_free(NULL);
    assert_int_equal(sib_pool_threads(NULL), 1);
}
