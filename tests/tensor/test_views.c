/* Views against index arithmetic: a map from each index of the view to an element of the original tensor. */
#include "support.h"

#include <pthread.h>

/* The expected view: its dims, and for each of its elements in order the index of the element in the original
   tensor. */
typedef struct model {
    size_t rank;
    int64_t dims[SIB_MAX_RANK];
    size_t count;
    int64_t *element; /* (count) */
} model;

static size_t product(size_t rank, const int64_t *dims)
{
    size_t n = 1;
    for (size_t i = 0; i < rank; i++)
        n *= (size_t)dims[i];
    return n;
}

static void unravel(size_t flat, size_t rank, const int64_t *dims, int64_t *index)
{
    for (size_t i = rank; i-- > 0; flat /= (size_t)dims[i])
        index[i] = (int64_t)(flat % (size_t)dims[i]);
}

static size_t ravel(size_t rank, const int64_t *dims, const int64_t *index)
{
    size_t flat = 0;
    for (size_t i = 0; i < rank; i++)
        flat = flat * (size_t)dims[i] + (size_t)index[i];
    return flat;
}

/* Replaces m by a box of new dims, whose element at `index` comes from m's element at source(index). */
static void remap(model *m, size_t rank, const int64_t *dims,
                  void (*source)(const int64_t *index, int64_t *from, const int64_t *arguments,
                                 const model *m),
                  const int64_t *arguments)
{
    model next = {.rank = rank, .count = product(rank, dims)};
    memcpy(next.dims, dims, rank * sizeof *dims);
    next.element = malloc((next.count + 1) * sizeof *next.element);
    for (size_t i = 0; i < next.count; i++) {
        int64_t index[SIB_MAX_RANK], from[SIB_MAX_RANK];
        unravel(i, rank, dims, index);
        source(index, from, arguments, m);
        next.element[i] = m->element[ravel(m->rank, m->dims, from)];
    }
    free(m->element);
    *m = next;
}

static void source_of_slice(const int64_t *index, int64_t *from, const int64_t *arguments, const model *m)
{
    memcpy(from, index, m->rank * sizeof *from);
    from[arguments[0]] = arguments[1] + index[arguments[0]] * arguments[2];
}

static void source_of_transpose(const int64_t *index, int64_t *from, const int64_t *arguments, const model *m)
{
    for (size_t i = 0; i < m->rank; i++)
        from[arguments[i]] = index[i];
}

static void source_of_broadcast(const int64_t *index, int64_t *from, const int64_t *arguments, const model *m)
{
    for (size_t i = 0; i < m->rank; i++)
        from[i] = m->dims[i] == 1 ? 0 : index[(size_t)arguments[0] + i];
}

static void replace(sib_tensor **t, sib_tensor *view)
{
    sib_tensor_free(t); /* the view remains valid */
    *t = view;
}

static void random_slice(sib_tensor **t, model *m, check_random *r)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *view;
    int64_t axis = (int64_t)(check_u64(r) % m->rank), n = m->dims[axis],
            step = (int64_t)(check_u64(r) % 7) - 3;
    int64_t begin = n ? (int64_t)(check_u64(r) % (uint64_t)n) : 0;
    int64_t max = n == 0 ? 0 : step > 0 ? (n - 1 - begin) / step + 1 : step < 0 ? begin / -step + 1 : 3;
    int64_t count = (int64_t)(check_u64(r) % (uint64_t)(max + 1));
    if (count == 0 && check_u64(r) % 8)
        count = max;
    int64_t dims[SIB_MAX_RANK], arguments[] = {axis, begin, step};
    memcpy(dims, m->dims, sizeof dims);
    dims[axis] = count;
    CHECK_OK(sib_tensor_slice(*t, check_u64(r) & 1 ? axis : axis - (int64_t)m->rank, begin, count, step,
                              &view, &err),
             err);
    replace(t, view);
    remap(m, m->rank, dims, source_of_slice, arguments);
}

static void random_transpose(sib_tensor **t, model *m, check_random *r)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *view;
    int64_t permutation[SIB_MAX_RANK], dims[SIB_MAX_RANK];
    for (size_t i = 0; i < m->rank; i++)
        permutation[i] = (int64_t)i;
    for (size_t i = m->rank; i-- > 1;) {
        size_t k = (size_t)(check_u64(r) % (i + 1));
        int64_t kept = permutation[i];
        permutation[i] = permutation[k];
        permutation[k] = kept;
    }
    for (size_t i = 0; i < m->rank; i++)
        dims[i] = m->dims[permutation[i]];
    CHECK_OK(sib_tensor_transpose(*t, permutation, &view, &err), err);
    replace(t, view);
    remap(m, m->rank, dims, source_of_transpose, permutation);
}

static void random_broadcast(sib_tensor **t, model *m, check_random *r)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *view;
    int64_t more = m->rank < 5 && m->count < 500 ? (int64_t)(check_u64(r) % 2) : 0, dims[SIB_MAX_RANK];
    for (int64_t i = 0; i < more; i++)
        dims[i] = (int64_t)(check_u64(r) % 3) + 1;
    for (size_t i = 0; i < m->rank; i++)
        dims[(size_t)more + i] = m->dims[i] == 1 && m->count < 500 ? (int64_t)(check_u64(r) % 4) : m->dims[i];
    CHECK_OK(sib_tensor_broadcast(*t, m->rank + (size_t)more, dims, &view, &err), err);
    replace(t, view);
    remap(m, m->rank + (size_t)more, dims, source_of_broadcast, &more);
}

static void random_reshape(sib_tensor **t, model *m, check_random *r)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *view;
    int64_t dims[] = {1, (int64_t)m->count, 1};
    size_t rank = 1 + (size_t)(check_u64(r) % 2);
    if (m->count % 2 == 0 && check_u64(r) % 2) {
        dims[1] /= 2;
        dims[2] = 2;
        rank = 2;
    }
    if (!sib_tensor_is_dense(*t)) {
        CHECK_FAILS(sib_tensor_reshape(*t, rank, dims + 1, &view, &err), SIB_ERR_ARGUMENT, err, "dense");
        CHECK_OK(sib_tensor_copy(*t, &view, &err), err);
        replace(t, view);
    }
    CHECK_OK(sib_tensor_reshape(*t, rank, dims + 1, &view, &err), err);
    replace(t, view);
    m->rank = rank;
    memcpy(m->dims, dims + 1, rank * sizeof *dims);
}

/* Element i of the original tensor is the number i. */
static void check_model(const sib_tensor *t, const model *m, int step)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *copy;
    assert_int_equal(sib_tensor_rank(t), m->rank);
    assert_memory_equal(sib_tensor_dims(t), m->dims, m->rank * sizeof *m->dims);
    assert_int_equal(sib_tensor_count(t), m->count);
    CHECK_OK(sib_tensor_copy(t, &copy, &err), err);
    const int32_t *dense = sib_tensor_data(copy);
    for (size_t i = 0; i < m->count; i++) {
        int64_t index[SIB_MAX_RANK];
        double x;
        unravel(i, m->rank, m->dims, index);
        CHECK_OK(sib_tensor_get(t, index, &x, &err), err);
        if (!(x == (double)m->element[i]) || dense[i] != m->element[i])
            fail_msg("step %d, element %zu: %g and %d, expected %d", step, i, x, dense[i],
                     (int)m->element[i]);
    }
    sib_tensor_free(&copy);
}

TEST_ALONE(random_chains_of_views)
{
    sib_error err = SIB_ERROR_INIT;
    check_random random = {2024};
    void (*const steps[])(sib_tensor **, model *, check_random *) = {
        random_slice, random_transpose, random_broadcast, random_slice, random_transpose, random_reshape};
    for (int round = 0; round < 1500; round++) {
        model m = {.rank = 1 + (size_t)(check_u64(&random) % 4)};
        for (size_t i = 0; i < m.rank; i++)
            m.dims[i] = (int64_t)(check_u64(&random) % 6) + (check_u64(&random) % 10 > 0);
        m.count = product(m.rank, m.dims);
        m.element = malloc((m.count + 1) * sizeof *m.element);
        sib_tensor *t;
        CHECK_OK(sib_tensor_create(SIB_I32, m.rank, m.dims, &t, &err), err);
        for (size_t i = 0; i < m.count; i++) {
            m.element[i] = (int64_t)i;
            ((int32_t *)sib_tensor_data(t))[i] = (int32_t)i;
        }
        for (int step = 0; step < 5; step++) {
            steps[check_u64(&random) % 6](&t, &m, &random);
            check_model(t, &m, step);
        }
        free(m.element);
        sib_tensor_free(&t);
    }
}

TEST_ALONE(copies_of_every_width)
{
    sib_error err = SIB_ERROR_INIT;
    check_random random = {5};
    for (size_t k = 0; k < N_DTYPES; k++) {
        sib_tensor *t = random_tensor(all_dtypes[k], 2, (int64_t[]){37, 41}, &random), *turned, *copy, *back,
                   *dense;
        if (sib_dtype_bits(all_dtypes[k]) < 8) {
            CHECK_FAILS(sib_tensor_transpose(t, (int64_t[]){1, 0}, &turned, &err), SIB_ERR_UNSUPPORTED, err,
                        "packed");
            CHECK_OK(sib_tensor_transpose(t, (int64_t[]){0, 1}, &turned, &err), err);
            CHECK_OK(sib_tensor_reshape(turned, 1, (int64_t[]){37 * 41}, &back, &err), err);
            CHECK_FAILS(sib_tensor_slice(t, 0, 0, 1, 1, &dense, &err), SIB_ERR_UNSUPPORTED, err, "packed");
            CHECK_FAILS(sib_tensor_broadcast(t, 3, (int64_t[]){2, 37, 41}, &dense, &err), SIB_ERR_UNSUPPORTED,
                        err, "packed");
            CHECK_OK(sib_tensor_broadcast(t, 3, (int64_t[]){1, 37, 41}, &dense, &err), err);
            CHECK_OK(sib_tensor_copy(t, &copy, &err), err);
            assert_true(same_bits(t, copy));
        } else {
            CHECK_OK(sib_tensor_transpose(t, (int64_t[]){1, 0}, &turned, &err), err);
            CHECK_OK(sib_tensor_copy(turned, &copy, &err), err);
            CHECK_OK(sib_tensor_transpose(copy, (int64_t[]){1, 0}, &back, &err), err);
            CHECK_OK(sib_tensor_copy(back, &dense, &err), err);
            assert_true(sib_tensor_is_dense(copy) && !sib_tensor_is_dense(back));
            assert_true(same_bits(t, dense));
        }
        sib_tensor_free(&t), sib_tensor_free(&turned), sib_tensor_free(&copy), sib_tensor_free(&back);
        sib_tensor_free(&dense);
    }
}

TEST_ALONE(what_does_not_fit)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t, *v = NULL, *scalar;
    CHECK_OK(sib_tensor_create(SIB_F32, 2, (int64_t[]){4, 1}, &t, &err), err);
    CHECK_OK(sib_tensor_create(SIB_F32, 0, NULL, &scalar, &err), err);
    static const int64_t bad[][4] = {
        /* axis, begin, count, step */
        {2, 0, 1, 1},         {-3, 0, 1, 1},        {0, -1, 1, 1},       {0, 4, 1, 1}, {0, 0, 5, 1},
        {0, 0, -1, 1},        {0, 1, 3, -1},        {0, 5, 0, 1},        {0, 0, 2, 4}, {0, 3, 2, INT64_MAX},
        {0, 0, INT64_MAX, 2}, {0, 0, 3, INT64_MIN}, {INT64_MIN, 0, 1, 1}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_FAILS(sib_tensor_slice(t, bad[i][0], bad[i][1], bad[i][2], bad[i][3], &v, &err),
                    SIB_ERR_ARGUMENT, err, "axis");
    CHECK_FAILS(sib_tensor_slice(scalar, 0, 0, 1, 1, &v, &err), SIB_ERR_ARGUMENT, err, "axis");
    CHECK_FAILS(sib_tensor_transpose(t, (int64_t[]){0, 0}, &v, &err), SIB_ERR_ARGUMENT, err, "twice");
    CHECK_FAILS(sib_tensor_transpose(t, (int64_t[]){0, 2}, &v, &err), SIB_ERR_ARGUMENT, err, "out of range");
    CHECK_FAILS(sib_tensor_transpose(t, (int64_t[]){0, -1}, &v, &err), SIB_ERR_ARGUMENT, err, "out of range");
    CHECK_FAILS(sib_tensor_transpose(t, NULL, &v, &err), SIB_ERR_ARGUMENT, err, "NULL");
    CHECK_FAILS(sib_tensor_reshape(t, 1, (int64_t[]){5}, &v, &err), SIB_ERR_ARGUMENT, err, "(4, 1)");
    CHECK_FAILS(sib_tensor_reshape(t, 2, (int64_t[]){-2, -2}, &v, &err), SIB_ERR_ARGUMENT, err, "-2");
    CHECK_FAILS(sib_tensor_broadcast(t, 2, (int64_t[]){3, 1}, &v, &err), SIB_ERR_ARGUMENT, err, "broadcast");
    CHECK_FAILS(sib_tensor_broadcast(t, 1, (int64_t[]){4}, &v, &err), SIB_ERR_ARGUMENT, err, "broadcast");
    CHECK_FAILS(sib_tensor_broadcast(t, 3, (int64_t[]){INT64_MAX, 4, 1}, &v, &err), SIB_ERR_SIZE, err,
                "elements");
    CHECK_FAILS(sib_tensor_copy(NULL, &v, &err), SIB_ERR_ARGUMENT, err, "NULL");
    assert_null(v);
    CHECK_OK(sib_tensor_slice(t, 0, 4, 0, 1, &v, &err), err);
    assert_int_equal(sib_tensor_count(v), 0);
    sib_tensor_free(&v);
    CHECK_OK(sib_tensor_transpose(scalar, NULL, &v, &err), err);
    sib_tensor_free(&v);
    CHECK_OK(sib_tensor_broadcast(scalar, 2, (int64_t[]){INT64_MAX, 1}, &v, &err), err);
    assert_int_equal(sib_tensor_count(v), INT64_MAX);
    sib_tensor_free(&t);
    CHECK_FAILS(sib_tensor_copy(v, &t, &err), SIB_ERR_SIZE, err, "address space");
    assert_null(t);
    sib_tensor_free(&v);
    sib_tensor_free(&scalar);
}

TEST_ALONE(allocations_of_views)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t, *v;
    CHECK_OK(sib_tensor_create(SIB_F32, 2, (int64_t[]){4, 1}, &t, &err), err);
    CHECK_EVERY_ALLOCATION(sib_tensor_slice(t, 0, 3, 4, -1, &v, &err), sib_tensor_free(&v));
    CHECK_EVERY_ALLOCATION(sib_tensor_transpose(t, (int64_t[]){1, 0}, &v, &err), sib_tensor_free(&v));
    CHECK_EVERY_ALLOCATION(sib_tensor_reshape(t, 1, (int64_t[]){4}, &v, &err), sib_tensor_free(&v));
    CHECK_EVERY_ALLOCATION(sib_tensor_broadcast(t, 2, (int64_t[]){4, 4}, &v, &err), sib_tensor_free(&v));
    CHECK_EVERY_ALLOCATION(sib_tensor_copy(t, &v, &err), sib_tensor_free(&v));
    sib_tensor_free(&t);
}

static int last_released;

static void count_release(void *context)
{
    (void)context;
    last_released++; /* once, so by one thread */
}

static void *make_and_free_views(void *root)
{
    for (int i = 0; i < 2000; i++) {
        sib_tensor *a, *b;
        if (sib_tensor_slice(root, 0, 7, 8, -1, &a, NULL) != SIB_OK ||
            sib_tensor_transpose(a, (int64_t[]){1, 0}, &b, NULL) != SIB_OK)
            return root;
        sib_tensor_free(&a);
        sib_tensor_free(&b);
    }
    sib_tensor *mine = root;
    sib_tensor_free(&mine);
    return NULL;
}

TEST(views_on_several_threads)
{
    sib_error err = SIB_ERROR_INIT;
    static float data[16];
    pthread_t threads[4];
    sib_tensor *root, *each[4];
    CHECK_OK(sib_tensor_wrap(SIB_F32, 2, (int64_t[]){8, 2}, NULL, data, count_release, NULL, &root, &err),
             err);
    for (int i = 0; i < 4; i++)
        CHECK_OK(sib_tensor_transpose(root, (int64_t[]){0, 1}, &each[i], &err), err);
    sib_tensor_free(&root);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_and_free_views, each[i]), 0);
    for (int i = 0; i < 4; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(last_released, 1);
}
