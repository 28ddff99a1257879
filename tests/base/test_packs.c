/* What is made once is found again, stays where it is, and fails whole. */
#include "base/error.h"
#include "base/packs.h"
#include "check_memory.h"

#include <pthread.h>

typedef struct numbers {
    int first, n, made; /* made: how often */
} numbers;

static sib_code fill(void *context, void *out, sib_error *err)
{
    if (((numbers *)context)->n < 0)
        return err_set(err, SIB_ERR_VALUE, "no such numbers");
    numbers *x = context;
    for (int i = 0; i < x->n; i++)
        ((int *)out)[i] = x->first + i;
    x->made++;
    return SIB_OK;
}

static const int *get(packs *p, const void *of, const char *how, numbers *x)
{
    sib_error err = SIB_ERROR_INIT;
    const void *out = NULL;
    CHECK_OK(packs_get(p, of, how, (size_t)x->n * sizeof(int), fill, x, &out, &err), err);
    return out;
}

TEST(made_once_for_each_way)
{
    sib_error err = SIB_ERROR_INIT;
    packs *p;
    int a, b;
    CHECK_OK(packs_create(&p, &err), err);
    numbers x = {.first = 1, .n = 3}, y = {.first = 100, .n = 1 << 20}, z = {.first = 7, .n = 5};
    const int *one = get(p, &a, "up", &x), *two = get(p, &a, "down", &y), *three = get(p, &b, "up", &z);
    numbers none = {.n = -1};
    const void *failed;
    assert_int_equal(packs_get(p, &b, "never", 4, fill, &none, &failed, &err), SIB_ERR_VALUE);
    assert_null(failed);
    assert_ptr_equal(get(p, &a, "up", &x), one);
    assert_ptr_equal(get(p, &a, "down", &y), two);
    assert_ptr_equal(get(p, &b, "up", &z), three);
    assert_int_equal(x.made, 1);
    assert_int_equal(y.made, 1);
    assert_int_equal(z.made, 1);
    assert_int_equal(one[2], 3);
    assert_int_equal(two[(1 << 20) - 1], 100 + (1 << 20) - 1);
    assert_int_equal(three[4], 11);
    assert_int_equal((uintptr_t)one % MEM_ALIGN, 0);
    assert_int_equal((uintptr_t)two % MEM_ALIGN, 0);
    assert_int_equal((uintptr_t)three % MEM_ALIGN, 0);
    assert_int_equal(packs_bytes(p), sizeof(int) * (3 + (1 << 20) + 5));
    packs_free(&p);
    assert_null(p);
}

static sib_code create_and_get(sib_error *err)
{
    int a;
    packs *p = NULL;
    numbers x = {.first = 1, .n = 3};
    const void *out = NULL;
    sib_code code = packs_create(&p, err);
    if (code == SIB_OK)
        code = packs_get(p, &a, "up", 12, fill, &x, &out, err);
    packs_free(&p);
    return code;
}

TEST(failures_leave_nothing)
{
    sib_error err = SIB_ERROR_INIT;
    CHECK_EVERY_ALLOCATION(create_and_get(&err), (void)0);
}

TEST(too_long_a_name_is_refused)
{
    sib_error err = SIB_ERROR_INIT;
    packs *p;
    numbers x = {.n = 1};
    const void *out;
    char name[100];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = 0;
    CHECK_OK(packs_create(&p, &err), err);
    assert_int_equal(packs_get(p, &x, name, 4, fill, &x, &out, &err), SIB_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, name));
    packs_free(&p);
}

#define ASKERS 4

typedef struct asker {
    packs *p;
    numbers *x;
    const int *got;
} asker;

static void *ask(void *context)
{
    asker *a = context;
    a->got = get(a->p, a->x, "up", a->x);
    return NULL;
}

TEST(threads_share)
{
    sib_error err = SIB_ERROR_INIT;
    packs *p;
    numbers x = {.first = 5, .n = 100000};
    asker askers[ASKERS];
    pthread_t threads[ASKERS];
    CHECK_OK(packs_create(&p, &err), err);
    for (int i = 0; i < ASKERS; i++) {
        askers[i] = (asker){p, &x, NULL};
        assert_int_equal(pthread_create(&threads[i], NULL, ask, &askers[i]), 0);
    }
    for (int i = 0; i < ASKERS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < ASKERS; i++)
        assert_ptr_equal(askers[i].got, askers[0].got);
    assert_int_equal(x.made, 1);
    packs_free(&p);
}
