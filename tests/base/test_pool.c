#include "base/alloc.h"
#include "base/pool.h"
#include "check.h"

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

static void every_item_once(void **state)
{
    (void)state;
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

static void bad_requests(void **state)
{
    (void)state;
    sib_pool *pool;
    sib_error err = SIB_ERROR_INIT;
    CHECK_FAILS(sib_pool_create(5000, &pool, &err), SIB_ERR_ARGUMENT, err, "5000");
    mem_fail_after(0);
    sib_code code = sib_pool_create(2, &pool, &err);
    mem_fail_never();
    assert_int_equal(code, SIB_ERR_MEMORY);
    assert_null(pool);
    sib_pool_free(NULL);
    assert_int_equal(sib_pool_threads(NULL), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_item_once),
        cmocka_unit_test(bad_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
