/* Operators as plain calls: against formulas in double and against ref, the table of ready operators, threads,
   wrong arguments. */
#include "check_memory.h"

#include <math.h>
#include <pthread.h>
#include <sibyl/extend.h>
#include <sibyl/ops.h>

static sib_ops *context(const char *backends, unsigned max)
{
    sib_ops *ops = NULL;
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(sib_ops_create(&(sib_ops_options){.backends = backends, .threads = 2, .max_operators = max},
                            &ops, &err),
             err);
    return ops;
}

static sib_tensor *tensor(sib_dtype dtype, size_t rank, const int64_t *dims, uint64_t seed)
{
    check_random r = {seed};
    sib_tensor *wide = NULL, *t = NULL;
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(sib_tensor_create(SIB_F64, rank, dims, &wide, &err), err);
    for (uint64_t i = 0; i < sib_tensor_count(wide); i++)
        ((double *)sib_tensor_data(wide))[i] = check_uniform(&r);
    CHECK_OK(sib_tensor_convert(wide, dtype, SIB_OVERFLOW_IEEE, &t, &err), err);
    sib_tensor_free(&wide);
    return t;
}

#define TENSOR(dtype, seed, ...)                                                                             \
    tensor(dtype, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (int64_t[]){__VA_ARGS__}, seed)

/* Elements as double, to be freed. */
static double *doubles(const sib_tensor *t)
{
    sib_tensor *wide = NULL;
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(sib_tensor_convert(t, SIB_F64, SIB_OVERFLOW_IEEE, &wide, &err), err);
    double *x = calloc(sib_tensor_count(t) + 1, sizeof *x);
    memcpy(x, sib_tensor_data(wide), sib_tensor_count(t) * sizeof *x);
    sib_tensor_free(&wide);
    return x;
}

/* Relative error allowed for results of about 1. */
static double bound_of(sib_dtype dtype)
{
    return dtype == SIB_F64 ? 1e-12 : dtype == SIB_F32 ? 4e-6 : dtype == SIB_F16 ? 4e-3 : 3e-2;
}

static void expect(const char *what, const sib_tensor *t, const double *want)
{
    const double bound = bound_of(sib_tensor_dtype(t));
    double *got = doubles(t);
    for (uint64_t i = 0; i < sib_tensor_count(t); i++)
        if (!(fabs(got[i] - want[i]) <= bound * (1 + fabs(want[i]))))
            fail_msg("%s of %s: element %llu is %.9g, expected %.9g", what,
                     sib_dtype_name(sib_tensor_dtype(t)), (unsigned long long)i, got[i], want[i]);
    free(got);
}

static const sib_dtype floats[] = {SIB_F32, SIB_F16, SIB_BF16, SIB_F64};

/* ---- Each operator by its formula ------------------------------------------------------------------------ */

static void check_matmul(sib_ops *ops, sib_dtype dtype)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *a = TENSOR(dtype, 1, 2, 3, 5), *b = TENSOR(dtype, 2, 5, 4), *y;
    double *x = doubles(a), *w = doubles(b), want[24] = {0};
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 4; j++)
            for (int k = 0; k < 5; k++)
                want[i * 4 + j] += x[i * 5 + k] * w[k * 4 + j];
    CHECK_OK(sib_op_matmul(ops, a, b, &y, &err), err);
    assert_int_equal(sib_tensor_rank(y), 3);
    expect("matmul", y, want);
    free(x), free(w);
    sib_tensor_free(&a), sib_tensor_free(&b), sib_tensor_free(&y);
}

static void check_rows(sib_ops *ops, sib_dtype dtype)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t = TENSOR(dtype, 3, 4, 6), *scale = TENSOR(dtype, 4, 6), *bias = TENSOR(dtype, 5, 6), *y;
    double *x = doubles(t), *s = doubles(scale), *b = doubles(bias), soft[24], norm[24], rms[24], exact[24],
           by_tanh[24];
    for (int r = 0; r < 4; r++) {
        double sum = 0, mean = 0, square = 0, variance = 0;
        for (int i = 0; i < 6; i++) {
            sum += exp(x[r * 6 + i]);
            mean += x[r * 6 + i] / 6;
            square += x[r * 6 + i] * x[r * 6 + i] / 6;
        }
        variance = square - mean * mean;
        for (int i = 0; i < 6; i++) {
            const double v = x[r * 6 + i];
            soft[r * 6 + i] = exp(v) / sum;
            norm[r * 6 + i] = (v - mean) / sqrt(variance + 0x1p-10) * s[i] + b[i];
            rms[r * 6 + i] = v / sqrt(square + 0x1p-10) * s[i];
            exact[r * 6 + i] = v * (1 + erf(v * sqrt(0.5))) / 2;
            by_tanh[r * 6 + i] = v * (1 + tanh(0.79788456080286535588 * (v + 0.044715 * v * v * v))) / 2;
        }
    }
    CHECK_OK(sib_op_softmax(ops, t, -1, &y, &err), err);
    expect("softmax", y, soft);
    sib_tensor_free(&y);
    CHECK_OK(sib_op_layer_norm(ops, t, scale, bias, -1, 0x1p-10, &y, &err), err);
    expect("layer norm", y, norm);
    sib_tensor_free(&y);
    CHECK_OK(sib_op_rms_norm(ops, t, scale, 1, 0x1p-10, &y, &err), err);
    expect("RMS norm", y, rms);
    sib_tensor_free(&y);
    CHECK_OK(sib_op_gelu(ops, t, false, &y, &err), err);
    expect("GELU", y, exact);
    sib_tensor_free(&y);
    CHECK_OK(sib_op_gelu(ops, t, true, &y, &err), err);
    expect("GELU by tanh", y, by_tanh);
    free(x), free(s), free(b);
    sib_tensor_free(&y), sib_tensor_free(&t), sib_tensor_free(&scale), sib_tensor_free(&bias);
}

static void check_rotary(sib_ops *ops, sib_dtype dtype)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t = TENSOR(dtype, 6, 1, 2, 3, 4), *cos_of = TENSOR(dtype, 7, 1, 3, 2),
               *sin_of = TENSOR(dtype, 8, 1, 3, 2), *y;
    double *x = doubles(t), *c = doubles(cos_of), *s = doubles(sin_of), want[24];
    for (int h = 0; h < 2; h++)
        for (int p = 0; p < 3; p++)
            for (int i = 0; i < 2; i++) {
                const double *v = x + (h * 3 + p) * 4;
                want[(h * 3 + p) * 4 + i] = v[i] * c[p * 2 + i] - v[i + 2] * s[p * 2 + i];
                want[(h * 3 + p) * 4 + i + 2] = v[i + 2] * c[p * 2 + i] + v[i] * s[p * 2 + i];
            }
    CHECK_OK(sib_op_rotary(ops, t, cos_of, sin_of, NULL, NULL, &y, &err), err);
    expect("rotary", y, want);
    free(x), free(c), free(s);
    sib_tensor_free(&t), sib_tensor_free(&cos_of), sib_tensor_free(&sin_of), sib_tensor_free(&y);
}

static void check_conv(sib_ops *ops, sib_dtype dtype)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t = TENSOR(dtype, 9, 1, 2, 7), *w = TENSOR(dtype, 10, 3, 2, 3), *bias = TENSOR(dtype, 11, 3),
               *y;
    double *x = doubles(t), *k = doubles(w), *b = doubles(bias), want[12];
    for (int o = 0; o < 3; o++)
        for (int p = 0; p < 4; p++) { /* stride 2, one zero at either end */
            want[o * 4 + p] = b[o];
            for (int c = 0; c < 2; c++)
                for (int i = 0; i < 3; i++) {
                    const int at = 2 * p + i - 1;
                    if (at >= 0 && at < 7)
                        want[o * 4 + p] += x[c * 7 + at] * k[(o * 2 + c) * 3 + i];
                }
        }
    const sib_conv_options options = {.strides = (int64_t[]){2}, .pads = (int64_t[]){1, 1}};
    CHECK_OK(sib_op_conv(ops, t, w, bias, &options, &y, &err), err);
    assert_int_equal(sib_tensor_dims(y)[2], 4);
    expect("conv", y, want);
    free(x), free(k), free(b);
    sib_tensor_free(&t), sib_tensor_free(&w), sib_tensor_free(&bias), sib_tensor_free(&y);
}

/* Four heads of queries over two of keys, with a mask, causal, capped. */
static void check_attention(sib_ops *ops, sib_dtype dtype)
{
    enum { HEADS = 4, GROUPS = 2, Q = 3, K = 5, D = 8 };
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *tq = TENSOR(dtype, 12, 1, HEADS, Q, D), *tk = TENSOR(dtype, 13, 1, GROUPS, K, D),
               *tv = TENSOR(dtype, 14, 1, GROUPS, K, D), *mask = TENSOR(dtype, 15, Q, K), *y;
    double *q = doubles(tq), *k = doubles(tk), *v = doubles(tv), *m = doubles(mask),
           want[HEADS * Q * D] = {0};
    for (int h = 0; h < HEADS; h++)
        for (int i = 0; i < Q; i++) {
            double p[K], sum = 0;
            for (int j = 0; j < K; j++) {
                double score = 0;
                for (int d = 0; d < D; d++)
                    score += q[(h * Q + i) * D + d] * k[(h / 2 * K + j) * D + d];
                p[j] = j <= i ? exp(2 * tanh(score / 4) + m[i * K + j]) : 0;
                sum += p[j];
            }
            for (int j = 0; j < K; j++)
                for (int d = 0; d < D; d++)
                    want[(h * Q + i) * D + d] += p[j] / sum * v[(h / 2 * K + j) * D + d];
        }
    const sib_attention_options options = {.mask = mask, .is_causal = true, .scale = 0.5, .softcap = 2};
    CHECK_OK(sib_op_attention(ops, tq, tk, tv, &options, &y, &err), err);
    expect("attention", y, want);
    free(q), free(k), free(v), free(m);
    sib_tensor_free(&tq), sib_tensor_free(&tk), sib_tensor_free(&tv), sib_tensor_free(&mask),
        sib_tensor_free(&y);
}

TEST(by_formula)
{
    static const char *const backends[] = {NULL, "ref"};
    for (int b = 0; b < 2; b++) {
        sib_ops *ops = context(backends[b], 0);
        for (size_t i = 0; i < sizeof floats / sizeof *floats; i++) {
            check_matmul(ops, floats[i]);
            check_rows(ops, floats[i]);
            check_rotary(ops, floats[i]);
            check_conv(ops, floats[i]);
            check_attention(ops, floats[i]);
        }
        sib_ops_free(&ops);
    }
}

/* ---- Any operator ------------------------------------------------------------------------------------------ */

static sib_code call(sib_ops *ops, const sib_op *op, size_t n, sib_tensor *const *in, size_t n_out,
                     sib_value **out, sib_error *err)
{
    sib_value *values[4] = {NULL};
    for (size_t i = 0; i < n; i++)
        if (in[i])
            CHECK_OK(sib_value_from_tensor(in[i], &values[i], err), *err);
    const sib_code code = sib_ops_call(ops, op, n, (const sib_value *const *)values, n_out, out, err);
    for (size_t i = 0; i < n; i++)
        sib_value_free(&values[i]);
    return code;
}

/* Of another domain, with an omitted input, several outputs, and dims that depend on the elements. */
TEST(any_operator)
{
    sib_ops *ops = context(NULL, 0);
    sib_error err = SIB_ERROR_INIT;
    sib_value *out[2];
    sib_tensor *x = TENSOR(SIB_F32, 20, 2, 6), *high = NULL;
    CHECK_OK(sib_tensor_create(SIB_F32, 0, NULL, &high, &err), err);
    CHECK_OK(call(ops, &(sib_op){.domain = "ai.sibyl", .type = "AveragePool3x3"}, 1, &x, 1, out, &err), err);
    assert_int_equal(sib_tensor_count(sib_value_tensor(out[0])), 12);
    sib_value_free(&out[0]);
    CHECK_OK(call(ops, &(sib_op){.type = "Clip"}, 3, (sib_tensor *[]){x, NULL, high}, 1, out, &err), err);
    for (int i = 0; i < 12; i++)
        assert_true(((const float *)sib_tensor_data(sib_value_tensor(out[0])))[i] <= 0);
    sib_value_free(&out[0]);
    sib_tensor *two = NULL;
    CHECK_OK(sib_tensor_create(SIB_I64, 1, (int64_t[]){1}, &two, &err), err);
    for (int64_t k = 1; k < 4; k++) { /* one operator, ready once */
        *(int64_t *)sib_tensor_data(two) = k;
        CHECK_OK(call(ops, &(sib_op){.type = "TopK"}, 2, (sib_tensor *[]){x, two}, 2, out, &err), err);
        assert_int_equal(sib_tensor_dims(sib_value_tensor(out[0]))[1], k);
        assert_int_equal(sib_tensor_dtype(sib_value_tensor(out[1])), SIB_I64);
        sib_value_free(&out[0]), sib_value_free(&out[1]);
    }
    sib_tensor_free(&x), sib_tensor_free(&high), sib_tensor_free(&two);
    sib_ops_free(&ops);
}

static sib_code negate(void *context, sib_call *c, sib_error *err)
{
    (void)context;
    const sib_tensor *x = sib_call_tensor(c, 0);
    sib_tensor *y;
    sib_code code = sib_call_output(c, 0, SIB_F32, sib_tensor_rank(x), sib_tensor_dims(x), &y, err);
    for (uint64_t i = 0; code == SIB_OK && y && i < sib_tensor_count(x); i++)
        ((float *)sib_tensor_data(y))[i] = -((const float *)sib_tensor_data(x))[i];
    return code;
}

TEST(operators_of_the_caller)
{
    sib_error err = SIB_ERROR_INIT;
    sib_registry *r = NULL;
    sib_ops *ops = NULL;
    const sib_operator own = {.domain = "my.dom",
                              .name = "Minus",
                              .min_inputs = 1,
                              .max_inputs = 1,
                              .max_outputs = 1,
                              .run = negate};
    CHECK_OK(sib_registry_create(&r, &err), err);
    CHECK_OK(sib_operator_register(r, &own, &err), err);
    CHECK_OK(sib_ops_create(&(sib_ops_options){.threads = 1, .registry = r}, &ops, &err), err);
    sib_registry_free(&r); /* the context keeps it */
    sib_tensor *x = TENSOR(SIB_F32, 31, 3, 5);
    sib_value *out[1];
    CHECK_OK(call(ops, &(sib_op){.domain = "my.dom", .type = "Minus"}, 1, &x, 1, out, &err), err);
    for (int i = 0; i < 15; i++)
        assert_true(((const float *)sib_tensor_data(sib_value_tensor(out[0])))[i] ==
                    -((const float *)sib_tensor_data(x))[i]);
    sib_value_free(&out[0]);
    sib_tensor_free(&x);
    sib_ops_free(&ops);
}

/* Results stay the caller's: a later call does not write to them; the table gives up what was used longest ago. */
TEST(results_and_table)
{
    sib_ops *ops = context(NULL, 2);
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *x = TENSOR(SIB_F32, 21, 3, 4), *kept[12];
    for (int i = 0; i < 12; i++)
        CHECK_OK(sib_op_softmax(ops, x, i % 3 - 2 + (i % 3 == 2), &kept[i], &err), err);
    for (int i = 0; i < 12; i++) {
        double sum = 0;
        const bool rows = i % 3 != 0; /* axis -2, -1, 1 */
        for (int k = 0; k < (rows ? 4 : 3); k++)
            sum += ((const float *)sib_tensor_data(kept[i]))[rows ? k : 4 * k];
        assert_true(fabs(sum - 1) < 1e-6);
        sib_tensor_free(&kept[i]);
    }
    sib_tensor_free(&x);
    sib_ops_free(&ops);
}

/* The inputs are read where they are, strided ones too. */
TEST(views)
{
    sib_ops *ops = context(NULL, 0);
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *x = TENSOR(SIB_F32, 22, 4, 3), *turned = NULL, *copy = NULL, *a, *b;
    CHECK_OK(sib_tensor_transpose(x, (int64_t[]){1, 0}, &turned, &err), err);
    CHECK_OK(sib_tensor_copy(turned, &copy, &err), err);
    CHECK_OK(sib_op_matmul(ops, x, turned, &a, &err), err);
    CHECK_OK(sib_op_matmul(ops, x, copy, &b, &err), err);
    assert_memory_equal(sib_tensor_data(a), sib_tensor_data(b), 16 * sizeof(float));
    sib_tensor_free(&x), sib_tensor_free(&turned), sib_tensor_free(&copy), sib_tensor_free(&a),
        sib_tensor_free(&b);
    sib_ops_free(&ops);
}

TEST(empty_and_scalar)
{
    sib_ops *ops = context(NULL, 0);
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *none = TENSOR(SIB_F32, 23, 0, 4), *w = TENSOR(SIB_F32, 24, 4, 2), *v = TENSOR(SIB_F32, 25, 4),
               *y;
    CHECK_OK(sib_op_matmul(ops, none, w, &y, &err), err);
    assert_int_equal(sib_tensor_count(y), 0);
    sib_tensor_free(&y);
    CHECK_OK(sib_op_matmul(ops, v, v, &y, &err), err);
    assert_int_equal(sib_tensor_rank(y), 0);
    sib_tensor_free(&y);
    CHECK_OK(sib_op_softmax(ops, none, -1, &y, &err), err);
    assert_int_equal(sib_tensor_count(y), 0);
    sib_tensor_free(&y), sib_tensor_free(&none), sib_tensor_free(&w), sib_tensor_free(&v);
    sib_ops_free(&ops);
}

TEST(wrong_arguments)
{
    sib_ops *ops = context(NULL, 0);
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *a = TENSOR(SIB_F32, 26, 2, 3), *b = TENSOR(SIB_F32, 27, 4, 5),
               *wide = TENSOR(SIB_F64, 28, 3, 2), *y;
    sib_value *out[2];
    CHECK_FAILS(sib_op_matmul(ops, a, b, &y, &err), SIB_ERR_ARGUMENT, err, "3");
    assert_null(y);
    CHECK_FAILS(sib_op_matmul(ops, a, wide, &y, &err), SIB_ERR_ARGUMENT, err, "float64");
    CHECK_FAILS(sib_op_matmul(ops, a, NULL, &y, &err), SIB_ERR_ARGUMENT, err, "b is NULL");
    CHECK_FAILS(sib_op_softmax(ops, a, 2, &y, &err), SIB_ERR_ARGUMENT, err, "axis");
    CHECK_FAILS(sib_op_attention(ops, a, a, a, NULL, &y, &err), SIB_ERR_ARGUMENT, err, "Attention");
    CHECK_FAILS(call(ops, &(sib_op){.type = "Telepathy"}, 1, &a, 1, out, &err), SIB_ERR_UNSUPPORTED, err,
                "Telepathy");
    CHECK_FAILS(call(ops, &(sib_op){.type = "Relu"}, 2, (sib_tensor *[]){a, a}, 1, out, &err),
                SIB_ERR_ARGUMENT, err, "inputs");
    CHECK_FAILS(call(ops, &(sib_op){.type = "Relu"}, 1, &a, 0, out, &err), SIB_ERR_ARGUMENT, err, "outputs");
    sib_ops *none = NULL;
    CHECK_FAILS(sib_ops_create(&(sib_ops_options){.threads = 1}, NULL, &err), SIB_ERR_ARGUMENT, err, "out");
    CHECK_OK(sib_ops_create(&(sib_ops_options){.threads = 1, .backends = "abacus"}, &none, &err), err);
    CHECK_FAILS(sib_op_softmax(none, a, 0, &y, &err), SIB_ERR_ARGUMENT, err, "abacus");
    sib_ops_free(&none);
    sib_tensor_free(&a), sib_tensor_free(&b), sib_tensor_free(&wide);
    sib_ops_free(&ops);
}

static void *many_calls(void *of)
{
    sib_ops *ops = of;
    sib_error err = SIB_ERROR_INIT;
    for (int i = 0; i < 60; i++) {
        sib_tensor *x = TENSOR(SIB_F32, (uint64_t)i, 1 + i % 7, 5), *y = NULL;
        if (sib_op_softmax(ops, x, i % 5 - 2 < 0 ? -1 : i % 2, &y, &err) != SIB_OK)
            return (void *)ops;
        sib_tensor_free(&x), sib_tensor_free(&y);
    }
    return NULL;
}

TEST(threads_share_a_context)
{
    sib_ops *ops = context(NULL, 2);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, many_calls, ops), 0);
    for (int i = 0; i < 4; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    sib_ops_free(&ops);
}

static sib_code once(const sib_tensor *a, sib_tensor **y, sib_error *err)
{
    sib_ops *ops = NULL;
    *y = NULL;
    sib_code code = sib_ops_create(&(sib_ops_options){.threads = 1}, &ops, err);
    if (code == SIB_OK)
        code = sib_op_softmax(ops, a, 0, y, err);
    sib_ops_free(&ops);
    return code;
}

TEST(every_allocation)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *a = TENSOR(SIB_F32, 30, 3, 4), *y = NULL;
    CHECK_EVERY_ALLOCATION(once(a, &y, &err), sib_tensor_free(&y));
    sib_tensor_free(&a);
}
