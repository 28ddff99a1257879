/* Values: what they hold, sharing, comparison, and failing allocations. */
#include "support.h"

#include "tensor/value.h"

#include <sibyl/session.h>

static sib_tensor *vector(sib_dtype d, int64_t n, const double *v)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t;
    CHECK_OK(sib_tensor_create(d, 1, &n, &t, &err), err);
    for (int64_t i = 0; i < n; i++)
        CHECK_OK(sib_tensor_set(t, &i, v[i], &err), err);
    return t;
}

static sib_value *tensor_value(sib_dtype d, int64_t n, const double *v)
{
    sib_error err = SIB_ERROR_INIT;
    sib_value *out;
    sib_tensor *t = vector(d, n, v);
    CHECK_OK(sib_value_from_tensor(t, &out, &err), err);
    sib_tensor_free(&t);
    return out;
}

TEST(test_tensors)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t = vector(SIB_F32, 2, (double[]){1, 2});
    sib_value *v, *copy;
    CHECK_OK(sib_value_from_tensor(t, &v, &err), err);
    CHECK_OK(sib_value_copy(v, &copy, &err), err);
    assert_int_equal(sib_value_get_kind(v), SIB_VALUE_TENSOR);
    assert_ptr_equal(sib_tensor_data(sib_value_tensor(v)), sib_tensor_data(t));
    assert_ptr_equal(sib_tensor_data(sib_value_tensor(copy)), sib_tensor_data(t));
    assert_int_equal(sib_value_count(v), 0);
    assert_null(sib_value_item(v, 0));
    assert_null(sib_value_keys(v));
    assert_null(sib_value_values(v));
    sib_tensor_free(&t);
    sib_value_free(&v);
    assert_null(v);
    assert_true(((const float *)sib_tensor_data(sib_value_tensor(copy)))[1] == 2); /* kept alive */
    sib_value_free(&copy);
    sib_value_free(&copy);
    sib_value_free(NULL);
}

TEST(test_sequences)
{
    sib_error err = SIB_ERROR_INIT;
    sib_value *a = tensor_value(SIB_F32, 1, (double[]){1}), *b = tensor_value(SIB_F32, 0, NULL), *s, *none,
              *empty, *full;
    CHECK_OK(sib_value_sequence(2, (const sib_value *const[]){a, b}, &s, &err), err);
    CHECK_OK(sib_value_sequence(0, NULL, &none, &err), err);
    CHECK_OK(sib_value_optional(NULL, &empty, &err), err);
    CHECK_OK(sib_value_optional(s, &full, &err), err);
    assert_int_equal(sib_value_count(s), 2);
    assert_int_equal(sib_value_count(none), 0);
    assert_int_equal(sib_value_count(empty), 0);
    assert_int_equal(sib_value_count(full), 1);
    assert_int_equal(sib_value_get_kind(s), SIB_VALUE_SEQUENCE);
    assert_int_equal(sib_value_get_kind(full), SIB_VALUE_OPTIONAL);
    assert_null(sib_value_tensor(s));
    assert_null(sib_value_item(s, 2));
    sib_value_free(&a);
    sib_value_free(&b);
    sib_value_free(&s);
    const sib_value *inside = sib_value_item(full, 0);
    assert_int_equal(sib_tensor_count(sib_value_tensor(sib_value_item(inside, 0))), 1);
    assert_int_equal(sib_tensor_count(sib_value_tensor(sib_value_item(inside, 1))), 0);
    sib_value_free(&none);
    sib_value_free(&empty);
    sib_value_free(&full);
}

TEST(test_maps)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *keys = vector(SIB_I64, 2, (double[]){5, 7}), *values = vector(SIB_F32, 2, (double[]){1, 2}),
               *fewer = vector(SIB_F32, 1, (double[]){1}), *square;
    sib_value *m;
    CHECK_OK(sib_value_map(keys, values, &m, &err), err);
    assert_int_equal(sib_value_get_kind(m), SIB_VALUE_MAP);
    assert_int_equal(sib_tensor_dtype(sib_value_keys(m)), SIB_I64);
    assert_int_equal(sib_tensor_dtype(sib_value_values(m)), SIB_F32);
    assert_null(sib_value_tensor(m));
    sib_value_free(&m);
    CHECK_OK(sib_tensor_reshape(keys, 2, (int64_t[]){2, 1}, &square, &err), err);
    CHECK_FAILS(sib_value_map(keys, fewer, &m, &err), SIB_ERR_ARGUMENT, err, "2 keys and 1 values");
    CHECK_FAILS(sib_value_map(square, values, &m, &err), SIB_ERR_ARGUMENT, err, "rank 2 and 1");
    CHECK_FAILS(sib_value_map(values, values, &m, &err), SIB_ERR_ARGUMENT, err, "float32");
    CHECK_FAILS(sib_value_map(keys, NULL, &m, &err), SIB_ERR_ARGUMENT, err, "values is NULL");
    assert_null(m);
    sib_tensor_free(&keys);
    sib_tensor_free(&values);
    sib_tensor_free(&fewer);
    sib_tensor_free(&square);
}

TEST(test_refusals)
{
    sib_error err = SIB_ERROR_INIT;
    sib_value *v = tensor_value(SIB_F32, 1, (double[]){1}), *out;
    CHECK_FAILS(sib_value_from_tensor(NULL, &out, &err), SIB_ERR_ARGUMENT, err, "tensor is NULL");
    CHECK_FAILS(sib_value_copy(NULL, &out, &err), SIB_ERR_ARGUMENT, err, "value is NULL");
    CHECK_FAILS(sib_value_copy(v, NULL, &err), SIB_ERR_ARGUMENT, err, "out is NULL");
    CHECK_FAILS(sib_value_sequence(2, (const sib_value *const[]){v, NULL}, &out, &err), SIB_ERR_ARGUMENT, err,
                "item 1 of 2 is NULL");
    CHECK_FAILS(sib_value_sequence(1, NULL, &out, &err), SIB_ERR_ARGUMENT, err, "item 0 of 1 is NULL");
    for (int depth = 1; depth < VALUE_MAX_DEPTH; depth++) {
        CHECK_OK(sib_value_optional(v, &out, &err), err);
        sib_value_free(&v);
        v = out;
    }
    CHECK_FAILS(sib_value_optional(v, &out, &err), SIB_ERR_ARGUMENT, err, "64 values deep");
    sib_value_free(&v);
}

TEST(test_memory)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *keys = vector(SIB_I64, 1, (double[]){5});
    sib_value *v = tensor_value(SIB_F32, 1, (double[]){1}), *out;
    CHECK_EVERY_ALLOCATION(sib_value_from_tensor(keys, &out, &err), sib_value_free(&out));
    CHECK_EVERY_ALLOCATION(sib_value_map(keys, keys, &out, &err), sib_value_free(&out));
    CHECK_EVERY_ALLOCATION(sib_value_sequence(1, (const sib_value *const[]){v}, &out, &err),
                           sib_value_free(&out));
    CHECK_EVERY_ALLOCATION(sib_value_optional(v, &out, &err), sib_value_free(&out));
    sib_value_free(&v);
    sib_tensor_free(&keys);
}

/* ---- Comparison ---------------------------------------------------------------------------------------- */

static const sib_tolerance exact = {0};

TEST(test_compare)
{
    sib_error err = SIB_ERROR_INIT;
    sib_comparison c;
    sib_value *a = tensor_value(SIB_F32, 2, (double[]){1, 2}),
              *b = tensor_value(SIB_F32, 2, (double[]){1, 2.5});
    sib_value *far = tensor_value(SIB_F32, 2, (double[]){4, NAN}), *x, *y, *shorter;
    CHECK_OK(sib_value_sequence(3, (const sib_value *const[]){a, a, far}, &x, &err), err);
    CHECK_OK(sib_value_sequence(3, (const sib_value *const[]){a, b, a}, &y, &err), err);
    CHECK_OK(sib_value_compare(x, x, &exact, &c, &err), err);
    assert_true(c.equal && c.count == 6 && c.worst == UINT64_MAX && c.first == UINT64_MAX);
    CHECK_OK(sib_value_compare(x, y, &exact, &c, &err), err);
    assert_true(!c.equal && c.count == 6 && c.n_different == 3 && c.n_nan_mismatch == 1);
    assert_true(c.first == 3 && c.worst == 5 && isnan(c.worst_a) && c.worst_b == 2);
    assert_true(c.max_abs == 3 && c.max_rel == 3);
    CHECK_OK(sib_value_compare(y, y, &exact, &c, &err), err);
    assert_true(c.equal);
    CHECK_OK(sib_value_sequence(1, (const sib_value *const[]){a}, &shorter, &err), err);
    CHECK_FAILS(sib_value_compare(x, shorter, &exact, &c, &err), SIB_ERR_ARGUMENT, err, "3 items, b of 1");
    CHECK_FAILS(sib_value_compare(x, a, &exact, &c, &err), SIB_ERR_ARGUMENT, err,
                "a is a sequence, b a tensor");
    CHECK_FAILS(sib_value_compare(x, NULL, &exact, &c, &err), SIB_ERR_ARGUMENT, err, "b is NULL");
    sib_value *all[] = {a, b, far, x, y, shorter};
    for (size_t i = 0; i < 6; i++)
        sib_value_free(&all[i]);
}

TEST(test_compare_maps)
{
    sib_error err = SIB_ERROR_INIT;
    sib_comparison c;
    sib_tensor *k = vector(SIB_I64, 2, (double[]){1, 2}), *v = vector(SIB_F32, 2, (double[]){1, 2}),
               *w = vector(SIB_F32, 2, (double[]){1, 3});
    sib_value *a, *b, *none, *wrapped;
    CHECK_OK(sib_value_map(k, v, &a, &err), err);
    CHECK_OK(sib_value_map(k, w, &b, &err), err);
    CHECK_OK(sib_value_compare(a, b, &exact, &c, &err), err);
    assert_true(!c.equal && c.count == 4 && c.n_different == 1 && c.first == 3 && c.worst == 3);
    CHECK_OK(sib_value_optional(NULL, &none, &err), err);
    CHECK_OK(sib_value_optional(a, &wrapped, &err), err);
    CHECK_OK(sib_value_compare(none, none, &exact, &c, &err), err);
    assert_true(c.equal && c.count == 0);
    CHECK_FAILS(sib_value_compare(none, wrapped, &exact, &c, &err), SIB_ERR_ARGUMENT, err,
                "a is an optional of 0 items");
    sib_value *all[] = {a, b, none, wrapped};
    for (size_t i = 0; i < 4; i++)
        sib_value_free(&all[i]);
    sib_tensor_free(&k);
    sib_tensor_free(&v);
    sib_tensor_free(&w);
}

TEST(test_clones)
{
    sib_error err = SIB_ERROR_INIT;
    sib_comparison c;
    sib_tensor *k = vector(SIB_I64, 2, (double[]){1, 2}), *w = vector(SIB_F32, 2, (double[]){1, 3});
    sib_value *a, *map, *sequence, *optional, *clone, *again;
    CHECK_OK(sib_value_from_tensor(w, &a, &err), err);
    CHECK_OK(sib_value_map(k, w, &map, &err), err);
    CHECK_OK(sib_value_sequence(2, (const sib_value *const[]){a, map}, &sequence, &err), err);
    CHECK_OK(sib_value_optional(sequence, &optional, &err), err);
    CHECK_OK(sib_value_clone(optional, &clone, &err), err);
    CHECK_OK(sib_value_compare(clone, optional, &exact, &c, &err), err);
    assert_true(c.equal);
    assert_true(sib_value_is_sole(clone) && !sib_value_is_sole(optional) && !sib_value_is_sole(NULL));
    const sib_value *items = sib_value_item(clone, 0);
    assert_ptr_not_equal(sib_tensor_data(sib_value_tensor(sib_value_item(items, 0))), sib_tensor_data(w));
    assert_ptr_not_equal(sib_tensor_data(sib_value_values(sib_value_item(items, 1))), sib_tensor_data(w));
    CHECK_EVERY_ALLOCATION(sib_value_clone(optional, &again, &err), sib_value_free(&again));
    CHECK_FAILS(sib_value_clone(NULL, &again, &err), SIB_ERR_ARGUMENT, err, "value is NULL");
    sib_value *all[] = {a, map, sequence, optional, clone};
    for (size_t i = 0; i < 5; i++)
        sib_value_free(&all[i]);
    sib_tensor_free(&k);
    sib_tensor_free(&w);
}

TEST(test_sole)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t = vector(SIB_F32, 2, (double[]){1, 2}), *lent = NULL;
    float memory[2] = {1, 2};
    sib_value *v, *copy, *over;
    CHECK_OK(sib_value_from_tensor(t, &v, &err), err);
    assert_false(sib_value_is_sole(v)); /* t shares the memory */
    sib_tensor_free(&t);
    assert_true(sib_value_is_sole(v));
    CHECK_OK(sib_value_copy(v, &copy, &err), err);
    assert_false(sib_value_is_sole(v));
    sib_value_free(&copy);
    assert_true(sib_value_is_sole(v));
    CHECK_OK(sib_tensor_wrap(SIB_F32, 1, (int64_t[]){2}, NULL, memory, NULL, NULL, &lent, &err), err);
    CHECK_OK(sib_value_from_tensor(lent, &over, &err), err);
    sib_tensor_free(&lent);
    assert_false(sib_value_is_sole(over)); /* memory of another owner */
    sib_value_free(&v);
    sib_value_free(&over);
}
