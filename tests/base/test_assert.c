/* The assertions of base/ and tensor/ fire where their invariants are broken. */
#include "check_assert.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/mapping.h"
#include "base/packs.h"
#include "base/pool.h"
#include "base/size.h"
#include "tensor/tensor.h"
#include "tensor/value.h"
#include "tensor/walk.h"

static int evaluations;

static bool counts(void)
{
    evaluations++;
    return true;
}

/* A true condition goes on; without assertions nothing is evaluated. */
TEST(test_true)
{
    SIB_ASSERT(counts());
#if defined(SIBYL_ASSERTIONS)
    assert_int_equal(evaluations, 1);
#else
    assert_int_equal(evaluations, 0);
#endif
}

static void breaks_plainly(void *context)
{
    SIB_ASSERT(context != NULL);
}

TEST(test_message)
{
    char expected[200];
    snprintf(expected, sizeof expected, "test_assert.c:%d: broken invariant: context != ", __LINE__ - 6);
    check_asserts(breaks_plainly, NULL, expected);
}

/* ---- base -------------------------------------------------------------------------------------------- */

static void frees_inside_a_block(void *context)
{
    (void)context;
    char *block = mem_calloc(4 * MEM_ALIGN, 1);
    mem_free(block + 2 * MEM_ALIGN);
}

static void divides_by_zero(void *context)
{
    exit((int)size_ceil_div(3, (size_t)context));
}

static void fails_with_success(void *context)
{
    sib_error err = SIB_ERROR_INIT;
    (void)context;
    err_set(&err, SIB_OK, "nothing");
}

static void does_nothing(void *context, size_t begin, size_t n, unsigned worker)
{
    (void)context;
    (void)begin;
    (void)n;
    (void)worker;
}

static void runs_without_grain(void *context)
{
    (void)context;
    pool_run(NULL, 10, 0, does_nothing, NULL);
}

static void releases_twice(void *context)
{
    sib_error err = SIB_ERROR_INIT;
    mapping *m = NULL;
    (void)context;
    CHECK_OK(mapping_copy((byte_span){(const uint8_t *)"ab", 2}, &m, &err), err);
    atomic_store(&m->references, 0);
    mapping_release(m);
}

static void packs_nothing(void *context)
{
    sib_error err = SIB_ERROR_INIT;
    packs *p = NULL;
    const void *out;
    (void)context;
    CHECK_OK(packs_create(&p, &err), err);
    packs_get(p, NULL, "way", 8, NULL, NULL, &out, &err);
}

TEST(test_base)
{
    check_asserts(frees_inside_a_block, NULL, "header_of(block)->base");
    check_asserts(divides_by_zero, NULL, "b > 0");
    check_asserts(fails_with_success, NULL, "code != SIB_OK");
    check_asserts(runs_without_grain, NULL, "grain > 0");
    check_asserts(releases_twice, NULL, "references");
    check_asserts(packs_nothing, NULL, "of && fill");
}

/* ---- tensor ------------------------------------------------------------------------------------------ */

static sib_tensor *made(void)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t = NULL;
    CHECK_OK(sib_tensor_create(SIB_F32, 2, (int64_t[]){2, 3}, &t, &err), err);
    return t;
}

static void views_what_is_freed(void *context)
{
    sib_tensor *t = made(), *view;
    (void)context;
    atomic_store(&t->storage->references, 0);
    tensor_view(t, t->rank, &view, NULL);
}

static void frees_what_is_freed(void *context)
{
    sib_tensor *t = made();
    (void)context;
    atomic_store(&t->storage->references, 0);
    sib_tensor_free(&t);
}

static void miscounts(void *context)
{
    sib_tensor *t = made();
    (void)context;
    t->dims[1] = 4;
    tensor_finish(t);
}

static void walks_too_far(void *context)
{
    sib_tensor *t = made();
    tensor_walk walk;
    float out[8];
    (void)context;
    walk_begin(&walk, t);
    walk_copy(&walk, out, 7);
}

static void puts_twice(void *context)
{
    sib_error err = SIB_ERROR_INIT;
    sib_value *list = NULL, *item = NULL;
    (void)context;
    CHECK_OK(value_room(SIB_VALUE_SEQUENCE, 1, &list, &err), err);
    CHECK_OK(value_take_tensor(made(), &item, &err), err);
    value_put(list, 0, item);
    value_put(list, 0, item);
}

static void shares_what_is_freed(void *context)
{
    sib_error err = SIB_ERROR_INIT;
    sib_value *v = NULL;
    (void)context;
    CHECK_OK(value_take_tensor(made(), &v, &err), err);
    atomic_store(&v->references, 0);
    value_share(v);
}

TEST(test_tensor)
{
    check_asserts(views_what_is_freed, NULL, "references");
    check_asserts(frees_what_is_freed, NULL, "references");
    check_asserts(miscounts, NULL, "count_is_product");
    check_asserts(walks_too_far, NULL, "n <= w->left");
    check_asserts(puts_twice, NULL, "!v->items[i]");
    check_asserts(shares_what_is_freed, NULL, "references");
}
