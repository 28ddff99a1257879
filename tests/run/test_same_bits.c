/* What docs/architecture.md promises of bits: the same input, seed and number of threads give the same, and what a seed
   draws does not depend on threads or backends. */
#include "tiny.h"

#define ROWS  64
#define TERMS 700
#define MADE  300

typedef struct results {
    sib_value *v[4]; /* "normal", "uniform", "kept", "product" */
} results;

#define N_DRAWN 3 /* of these do not depend on sums */
#define N       (sizeof((results *)0)->v / sizeof *((results *)0)->v)

static value_id made_by(tiny *t, const char *type, value_id x, const char *name)
{
    value_id y = tiny_op(t, type, x, NO_VALUE, name);
    tiny_output(t, y);
    return y;
}

static sib_session *session_of(const char *backends, unsigned threads, uint64_t seed)
{
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "64 700");
    value_id normal = made_by(&t, "RandomNormalLike", x, "normal");
    made_by(&t, "RandomUniformLike", x, "uniform");
    value_id kept = tiny_made(&t, "kept");
    const value_id in[] = {x, tiny_constant(&t, "ratio", SIB_F32, 0, NULL, OF(0.5)),
                           tiny_constant(&t, "training", SIB_BOOL, 0, NULL, OF(1))};
    tiny_node(&t, "Dropout", "drop", 3, in, 1, &kept, 0, NULL);
    tiny_output(&t, kept);
    double *w = mem_alloc(TERMS * MADE, sizeof *w);
    for (size_t i = 0; i < TERMS * MADE; i++)
        w[i] = (double)(i * 7919 % 1013) / 1013 - 0.5;
    value_id weights = tiny_constant(&t, "w", SIB_F32, DIMS(TERMS, MADE), w);
    mem_free(w);
    value_id sums = tiny_op(&t, "MatMul", tiny_op(&t, "Add", x, normal, "noisy"), weights, "sums");
    made_by(&t, "Softmax", sums, "product");
    return tiny_session(&t, &(sib_session_options){.backends = backends, .threads = threads, .seed = seed});
}

static results run(const char *backends, unsigned threads, uint64_t seed)
{
    static const char *const names[] = {"normal", "uniform", "kept", "product"};
    sib_error err = SIB_ERROR_INIT;
    double *given = mem_alloc(ROWS * TERMS, sizeof *given);
    results r;
    for (size_t i = 0; i < ROWS * TERMS; i++)
        given[i] = (double)(i % 97) / 97 + 1;
    sib_value *x = tiny_given(SIB_F32, DIMS(ROWS, TERMS), given);
    sib_session *s = session_of(backends, threads, seed);
    CHECK_OK(sib_session_run(s, 1, &(sib_named_value){"x", x}, N, names, r.v, NULL, &err), err);
    sib_session_free(&s);
    sib_value_free(&x);
    mem_free(given);
    return r;
}

static bool same(const sib_value *a, const sib_value *b)
{
    const sib_tensor *x = sib_value_tensor(a), *y = sib_value_tensor(b);
    const size_t n = (size_t)sib_tensor_count(x);
    return n == sib_tensor_count(y) && !memcmp(sib_tensor_data(x), sib_tensor_data(y), n * sizeof(float));
}

static void release(results *r)
{
    for (size_t i = 0; i < N; i++)
        sib_value_free(&r->v[i]);
}

TEST(runs_with_as_many_threads_give_the_same_bits)
{
    for (unsigned threads = 1; threads <= 4; threads *= 2) {
        results a = run("cpu,ref", threads, 5), b = run("cpu,ref", threads, 5);
        for (size_t i = 0; i < N; i++)
            assert_true(same(a.v[i], b.v[i]));
        release(&a);
        release(&b);
    }
}

TEST(what_a_seed_draws_does_not_depend_on_threads_or_backends)
{
    results first = run("cpu,ref", 1, 5), other = run("cpu,ref", 1, 6);
    for (size_t i = 0; i < N_DRAWN; i++)
        assert_false(same(first.v[i], other.v[i]));
    for (unsigned k = 0; k < 3; k++) {
        results r = run(k == 2 ? "ref" : "cpu,ref", 2U << k, 5);
        for (size_t i = 0; i < N_DRAWN; i++)
            assert_true(same(first.v[i], r.v[i]));
        release(&r);
    }
    release(&first);
    release(&other);
}
