/* Operators registered as lowerings. */
#include "own.h"

#include "check_memory.h"

#include <math.h>

/* ---- SwishNorm: softmax(x * sigmoid(beta * x)) over the last axis ------------------------------------------ */

static sib_code swish_norm(void *context, sib_lowering *b, sib_error *err)
{
    (void)context;
    (void)err;
    sib_mval x = sib_lowering_input(b, 0);
    double beta = sib_node_float(sib_lowering_node(b), "beta", 1);
    sib_mval gate =
        sib_milli_unary(b, "sigmoid", sib_milli_binary(b, "mul", x, sib_milli_number(b, x, beta)));
    const sib_param axis = SIB_PARAM_INT("axis", -1);
    sib_mval product = sib_milli_binary(b, "mul", x, gate);
    sib_lowering_output(b, 0, sib_milli_op(b, "softmax", 1, &product, 1, &axis));
    return SIB_OK;
}

static const sib_operator swish = {
    .domain = "my.dom", .name = "SwishNorm", .min_inputs = 1, .max_inputs = 1, .lower = swish_norm};

static double defined(const double *x, size_t n, size_t i)
{
    double sum = 0;
    for (size_t k = 0; k < n; k++)
        sum += exp(x[k] / (1 + exp(-x[k])));
    return exp(x[i] / (1 + exp(-x[i]))) / sum;
}

static double worst_of(const sib_session_options *options, sib_dtype dtype)
{
    const double x[3] = {0.25, -1.5, 2};
    sib_error err = SIB_ERROR_INIT;
    tiny t = own_single("SwishNorm", "B N");
    sib_session *s = own_session(&t, own_registry(&swish), options);
    sib_value_info v;
    assert_true(sib_model_output(sib_session_model(s), 0, &v));
    assert_string_equal(v.type, "float32 [B, N]");
    sib_value *in = tiny_given(SIB_F32, DIMS(1, 3), x), *out = NULL;
    CHECK_OK(own_run(s, in, &out, NULL, &err), err);
    assert_int_equal(sib_tensor_dtype(sib_value_tensor(out)), dtype);
    double worst = 0;
    for (int64_t i = 0; i < 3; i++) {
        double got;
        CHECK_OK(sib_tensor_get(sib_value_tensor(out), (const int64_t[]){0, i}, &got, &err), err);
        worst = fmax(worst, fabs(got - defined(x, 3, (size_t)i)));
    }
    sib_value_free(&in);
    sib_value_free(&out);
    sib_session_free(&s);
    return worst;
}

TEST(runs_on_every_backend_and_in_double)
{
    assert_true(worst_of(&(sib_session_options){.backends = "ref"}, SIB_F32) < 1e-7);
    assert_true(worst_of(NULL, SIB_F32) < 1e-6);
    assert_true(worst_of(&(sib_session_options){.oracle = true}, SIB_F64) < 1e-15);
}

/* Its milli-ops are read like those of Sibyl's own, and equal nodes are merged. */
TEST(is_made_of_milli_ops)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "N");
    tiny_output(&t,
                tiny_op(&t, "Add", own_op(&t, "SwishNorm", x, "a"), own_op(&t, "SwishNorm", x, "b"), "y"));
    sib_session *s = own_session(&t, own_registry(&swish), NULL);
    assert_true(sib_session_edits(s) >= 1);
    sib_graph *milli = NULL;
    sib_graph_info info;
    CHECK_OK(sib_graph_milli(sib_model_graph(sib_session_model(s), 0), 0, 0, NULL, &milli, &err), err);
    sib_graph_get_info(milli, &info);
    assert_true(info.n_nodes > 5);
    sib_graph_free(&milli);
    sib_session_free(&s);
}

/* ---- Every word ------------------------------------------------------------------------------------------------ */

typedef void (*use)(sib_lowering *b, sib_mval x);

static void out(sib_lowering *b, sib_mval v)
{
    sib_lowering_output(b, 0, v);
}

static sib_code use_it(void *context, sib_lowering *b, sib_error *err)
{
    (void)err;
    (*(use *)context)(b, sib_lowering_input(b, 0));
    return SIB_OK;
}

static sib_code run_use(use f, const double *x, sib_value **y, sib_error *err)
{
    const sib_operator op = {
        .domain = "my.dom", .name = "Use", .min_inputs = 1, .max_inputs = 1, .context = &f, .lower = use_it};
    tiny t = own_single("Use", "M N");
    sib_session *s = own_session(&t, own_registry(&op), NULL);
    sib_value *in = tiny_given(SIB_F32, DIMS(2, 3), x);
    sib_code code = own_run(s, in, y, NULL, err);
    sib_value_free(&in);
    sib_session_free(&s);
    return code;
}

static void expect(use f, sib_dtype dtype, size_t rank, const int64_t *dims, const double *y)
{
    sib_error err = SIB_ERROR_INIT;
    sib_value *got = NULL;
    CHECK_OK(run_use(f, OF(1, 5, 3, 4, 2, 6), &got, &err), err);
    tiny_expect(got, dtype, rank, dims, y);
    sib_value_free(&got);
}

static void use_reduce(sib_lowering *b, sib_mval x)
{
    out(b, sib_milli_reduce(b, "reduce_mean", x, -1));
}
static void use_reduce_all(sib_lowering *b, sib_mval x)
{
    out(b, sib_milli_unary(b, "reduce_max", x));
}
static void use_arg(sib_lowering *b, sib_mval x)
{
    const sib_param p = SIB_PARAM_INT("axis", 1);
    out(b, sib_milli_op(b, "arg_max", 1, &x, 1, &p));
}
static void use_sort(sib_lowering *b, sib_mval x)
{
    const sib_param p[] = {SIB_PARAM_INT("axis", 1), SIB_PARAM_INT("descending", 1)};
    sib_mval made[2];
    sib_milli_emit(b, "sort", 1, &x, 2, p, 2, made);
    out(b, made[1]);
}
static void use_layout(sib_lowering *b, sib_mval x)
{
    /* [2, 3] -> [3, 2] -> [6] by an expression of dims -> its last three, backwards, between zeros */
    sib_mdim n = sib_mdim_compute(b, SIB_MDIM_MUL, sib_mval_dim(b, x, 0), sib_mval_dim(b, x, 1));
    sib_mval v = sib_milli_reshape(b, sib_milli_transpose(b, x, 2, (const int64_t[]){1, 0}), 1, &n);
    sib_mdim three = sib_mdim_of(b, 3), start = sib_mdim_compute(b, SIB_MDIM_SUB, n, three);
    const sib_param slice[] = {SIB_PARAM_INT("axis", 0), SIB_PARAM_DIMS("start", 1, &start),
                               SIB_PARAM_DIMS("count", 1, &three)};
    v = sib_milli_op(b, "slice", 1, &v, 3, slice);
    const sib_param axis = SIB_PARAM_INT("axis", 0);
    v = sib_milli_op(b, "reverse", 1, &v, 1, &axis);
    const sib_param border[] = {SIB_PARAM_INT("before", 1), SIB_PARAM_INT("after", 1)};
    out(b, sib_milli_op(b, "pad", 1, &v, 2, border));
}
static void use_gather(sib_lowering *b, sib_mval x)
{
    const sib_param i[] = {SIB_PARAM_INT("dtype", SIB_I64), SIB_PARAM_INT("n", 2)},
                    axis = SIB_PARAM_INT("axis", 1);
    sib_mval in[2] = {x, sib_milli_op(b, "iota", 0, NULL, 2, i)};
    out(b, sib_milli_op(b, "gather", 2, in, 1, &axis));
}
/* [2, 3]: coordinates of the elements above 3 */
static sib_mval above_three(sib_lowering *b, sib_mval x)
{
    return sib_milli_unary(b, "nonzero", sib_milli_binary(b, "less", sib_milli_number(b, x, 3), x));
}
static void use_nonzero(sib_lowering *b, sib_mval x)
{
    out(b, above_three(b, x));
}
static void use_gather_nd(sib_lowering *b, sib_mval x)
{
    out(b, sib_milli_binary(b, "gather_nd", x,
                            sib_milli_transpose(b, above_three(b, x), 2, (const int64_t[]){1, 0})));
}
static void use_scatter_nd(sib_lowering *b, sib_mval x)
{
    const sib_param add = {.name = "reduction", .text = "add"};
    sib_mval at = sib_milli_transpose(b, above_three(b, x), 2, (const int64_t[]){1, 0});
    sib_mval in[3] = {x, at, sib_milli_binary(b, "gather_nd", x, at)};
    out(b, sib_milli_op(b, "scatter_nd", 3, in, 1, &add));
}
static void use_unique(sib_lowering *b, sib_mval x)
{
    sib_mval is = sib_milli_cast(b, sib_milli_binary(b, "less", x, sib_milli_number(b, x, 3)), SIB_I64),
             made[4];
    sib_milli_emit(b, "unique", 1, &is, 0, NULL, 4, made);
    const sib_param axis = SIB_PARAM_INT("axis", 0);
    out(b, sib_milli_op(b, "concat", 4, made, 1, &axis));
}
static void use_unique_in_order(sib_lowering *b, sib_mval x)
{
    sib_mval is = sib_milli_cast(b, sib_milli_binary(b, "less", x, sib_milli_number(b, x, 3)), SIB_I64),
             made[4];
    const sib_param order = SIB_PARAM_INT("sorted", 0), axis = SIB_PARAM_INT("axis", 0);
    sib_milli_emit(b, "unique", 1, &is, 1, &order, 4, made);
    out(b, sib_milli_op(b, "concat", 4, made, 1, &axis));
}
static void use_pad_by(sib_lowering *b, sib_mval x)
{
    const sib_mdim n = sib_mdim_compute(b, SIB_MDIM_MUL, sib_mval_dim(b, x, 0), sib_mval_dim(b, x, 1));
    const sib_param border[] = {SIB_PARAM_INT("before", 1), SIB_PARAM_INT("after", 0)};
    sib_mval in[2] = {sib_milli_reshape(b, x, 1, &n), sib_milli_number(b, x, 7)};
    out(b, sib_milli_op(b, "pad", 2, in, 2, border));
}
static void use_windows(sib_lowering *b, sib_mval x)
{
    const sib_param p = SIB_PARAM_INT("kernel", 2);
    out(b, sib_milli_reduce(b, "reduce_sum", sib_milli_op(b, "windows", 1, &x, 1, &p), 1));
}
static void use_matmul(sib_lowering *b, sib_mval x)
{
    out(b, sib_milli_binary(b, "matmul", x, sib_milli_transpose(b, x, 2, (const int64_t[]){1, 0})));
}
static void use_where(sib_lowering *b, sib_mval x)
{
    sib_mval four = sib_milli_number(b, x, 4), in[3] = {sib_milli_binary(b, "less", x, four), x, four};
    out(b, sib_milli_cast(b, sib_milli_op(b, "where", 3, in, 0, NULL), SIB_I32));
}
static void use_stack(sib_lowering *b, sib_mval x)
{
    const sib_param first = SIB_PARAM_INT("axis", 0), last = SIB_PARAM_INT("axis", 1);
    sib_mval in[2] = {sib_milli_op(b, "reduce_sum", 1, &x, 1, &(sib_param)SIB_PARAM_INT("axes", 1)),
                      sib_milli_op(b, "reduce_min", 1, &x, 1, &(sib_param)SIB_PARAM_INT("axes", 1))};
    sib_mval v = sib_milli_op(b, "stack", 2, in, 1, &last), both[2] = {v, v};
    out(b, sib_milli_op(b, "concat", 2, both, 1, &first));
}
static void use_size(sib_lowering *b, sib_mval x)
{
    out(b, sib_milli_dim(b, sib_mval_dim(b, x, -1)));
}
static void use_constant(sib_lowering *b, sib_mval x)
{
    const float rows[2] = {10, 20};
    sib_tensor *t = NULL;
    sib_tensor_wrap(SIB_F32, 2, (const int64_t[]){2, 1}, NULL, (void *)rows, NULL, NULL, &t, NULL);
    sib_mval c = sib_milli_constant(b, t);
    sib_tensor_free(&t);
    out(b, sib_milli_binary(b, "add", x, c));
}

TEST(words)
{
    expect(use_reduce, SIB_F32, DIMS(2, 1), OF(3, 4));
    expect(use_reduce_all, SIB_F32, 0, NULL, OF(6));
    expect(use_arg, SIB_I64, DIMS(2), OF(1, 2));
    expect(use_sort, SIB_I64, DIMS(2, 3), OF(1, 2, 0, 2, 0, 1));
    expect(use_layout, SIB_F32, DIMS(5), OF(0, 6, 3, 2, 0));
    expect(use_gather, SIB_F32, DIMS(2, 2), OF(1, 5, 4, 2));
    expect(use_nonzero, SIB_I64, DIMS(2, 3), OF(0, 1, 1, 1, 0, 2));
    expect(use_gather_nd, SIB_F32, DIMS(3), OF(5, 4, 6));
    expect(use_scatter_nd, SIB_F32, DIMS(2, 3), OF(1, 10, 3, 8, 2, 12));
    /* values 0 and 1, first at 1 and 0, the index of each element, counts */
    expect(use_unique, SIB_I64, DIMS(12), OF(0, 1, 1, 0, 1, 0, 0, 0, 1, 0, 4, 2));
    expect(use_unique_in_order, SIB_I64, DIMS(12), OF(1, 0, 0, 1, 0, 1, 1, 1, 0, 1, 2, 4));
    expect(use_pad_by, SIB_F32, DIMS(7), OF(7, 1, 5, 3, 4, 2, 6));
    expect(use_windows, SIB_F32, DIMS(2, 1, 2), OF(6, 8, 6, 8));
    expect(use_matmul, SIB_F32, DIMS(2, 2), OF(35, 32, 32, 56));
    expect(use_where, SIB_I32, DIMS(2, 3), OF(1, 4, 3, 4, 2, 4));
    expect(use_stack, SIB_F32, DIMS(4, 2), OF(9, 1, 12, 2, 9, 1, 12, 2));
    expect(use_size, SIB_I64, 0, NULL, OF(3));
    expect(use_constant, SIB_F32, DIMS(2, 3), OF(11, 15, 13, 24, 22, 26));
    size_t n = 0;
    const char *params;
    size_t outputs;
    while (sib_milli_word(n, &params, &outputs))
        assert_non_null(params), assert_in_range(outputs, 1, 4), n++;
    assert_true(n > 70);
}

/* ---- Faults ---------------------------------------------------------------------------------------------------- */

static void bad_word(sib_lowering *b, sib_mval x)
{
    out(b, sib_milli_unary(b, "sofmax", x));
}
static void bad_milli(sib_lowering *b, sib_mval x)
{
    out(b, sib_milli_unary(b, "fused", x));
}
static void bad_choice(sib_lowering *b, sib_mval x)
{
    const sib_param p = {.name = "reduction", .text = "sub"};
    sib_mval in[3] = {x, x, x};
    out(b, sib_milli_op(b, "scatter_nd", 3, in, 1, &p));
}
static void bad_batch(sib_lowering *b, sib_mval x)
{
    const sib_param p = SIB_PARAM_INT("batch", 3);
    sib_mval in[2] = {x, sib_milli_cast(b, x, SIB_I64)};
    out(b, sib_milli_op(b, "gather_nd", 2, in, 1, &p));
}
static void huge_batch(sib_lowering *b, sib_mval x)
{
    const sib_param p = SIB_PARAM_INT("batch", INT64_C(1) << 32);
    sib_mval in[2] = {x, sib_milli_cast(b, x, SIB_I64)};
    out(b, sib_milli_op(b, "gather_nd", 2, in, 1, &p));
}
static void bad_count(sib_lowering *b, sib_mval x)
{
    out(b, sib_milli_unary(b, "add", x));
}
static void bad_param(sib_lowering *b, sib_mval x)
{
    const sib_param p[] = {SIB_PARAM_INT("axis", 0), SIB_PARAM_INT("keepdims", 1)};
    out(b, sib_milli_op(b, "softmax", 1, &x, 2, p));
}
static void no_param(sib_lowering *b, sib_mval x)
{
    out(b, sib_milli_unary(b, "softmax", x));
}
static void bad_axis(sib_lowering *b, sib_mval x)
{
    out(b, sib_milli_reduce(b, "reduce_sum", x, 2));
}
static void bad_value(sib_lowering *b, sib_mval x)
{
    out(b, sib_milli_binary(b, "add", x, (sib_mval){123456}));
}
static void bad_dim(sib_lowering *b, sib_mval x)
{
    sib_mdim d = {99999};
    out(b, sib_milli_reshape(b, x, 1, &d));
}
static void bad_dtype(sib_lowering *b, sib_mval x)
{
    out(b, sib_milli_cast(b, x, (sib_dtype)99));
}
static void mixed(sib_lowering *b, sib_mval x)
{
    out(b, sib_milli_binary(b, "add", x, sib_milli_scalar(b, SIB_I64, 1)));
}
static void negative(sib_lowering *b, sib_mval x)
{
    sib_mdim d = sib_mdim_of(b, -6);
    out(b, sib_milli_reshape(b, x, 1, &d));
}
static void perm(sib_lowering *b, sib_mval x)
{
    out(b, sib_milli_transpose(b, x, 1, (const int64_t[]){0}));
}
static void nothing(sib_lowering *b, sib_mval x)
{
    (void)b;
    (void)x;
}

TEST(faults_are_named)
{
    static const struct {
        use use;
        const char *words;
    } cases[] = {
        {bad_word, "node 'Use' (Use): there is no milli-op 'sofmax'"},
        {bad_milli, "milli-op fused cannot be built by callers"},
        {bad_choice, "scatter_nd: parameter reduction is 'sub', expected one of: none add mul min max"},
        {bad_batch, "3 batch axes into a tensor of rank 2"},
        {huge_batch, "-1 batch axes into a tensor of rank 2"},
        {bad_count, "add of 1 inputs and 1 outputs, expected 2 to 2"},
        {bad_param, "softmax has no parameter keepdims; it has: axis"},
        {no_param, "softmax: parameter axis is missing"},
        {bad_axis, "axis is 2, expected -2 to below 2"},
        {bad_value, "value 123456 is not of this lowering"},
        {bad_dim, "dim 99999 is not of this lowering"},
        {bad_dtype, "parameter to is 99, which is not a dtype"},
        {mixed, "add of float32 and int64"},
        {negative, "dims[0] is -6, expected at least 0"},
        {perm, "parameter perm has 1 numbers, expected 2"},
        {nothing, "output 0 is not computed"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sib_error err = SIB_ERROR_INIT;
        sib_value *y = NULL;
        sib_code code = run_use(cases[i].use, OF(1, 2, 3, 4, 5, 6), &y, &err);
        CHECK_FAILS(code, code == SIB_ERR_UNSUPPORTED ? SIB_ERR_UNSUPPORTED : SIB_ERR_ARGUMENT, err,
                    cases[i].words);
    }
}

static sib_code refuse(void *context, sib_lowering *b, sib_error *err)
{
    (void)context;
    (void)err;
    return sib_lowering_fail(b, SIB_ERR_UNSUPPORTED, "not on Sundays");
}

TEST(a_lowering_may_refuse)
{
    sib_error err = SIB_ERROR_INIT;
    const sib_operator op = {.domain = "my.dom", .name = "Lazy", .max_inputs = 1, .lower = refuse};
    tiny t = own_single("Lazy", "N");
    sib_session *s = own_session(&t, own_registry(&op), NULL);
    assert_non_null(strstr(sib_model_diagnostic(sib_session_model(s), 0), "not on Sundays"));
    sib_value *in = tiny_given(SIB_F32, DIMS(1), OF(1)), *y = NULL;
    CHECK_FAILS(own_run(s, in, &y, NULL, &err), SIB_ERR_UNSUPPORTED, err,
                "node 'Lazy' (Lazy): not on Sundays");
    sib_value_free(&in);
    sib_session_free(&s);
}

static sib_code run_swish(sib_model *m, sib_value *in, sib_value **y, sib_error *err)
{
    sib_session *s = NULL;
    sib_code code = sib_session_create(m, &(sib_session_options){.threads = 1}, &s, err);
    if (code == SIB_OK)
        code = own_run(s, in, y, NULL, err);
    sib_session_free(&s);
    return code;
}

TEST(every_allocation)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = own_single("SwishNorm", "N");
    sib_registry *r = own_registry(&swish);
    sib_model *m = own_model(&t, r);
    sib_value *in = tiny_given(SIB_F32, DIMS(2), OF(1, 2)), *y = NULL;
    CHECK_OK(run_swish(m, in, &y, &err), err);
    sib_value_free(&y);
    CHECK_EVERY_ALLOCATION(run_swish(m, in, &y, &err), sib_value_free(&y));
    sib_value_free(&in);
    sib_model_free(&m);
    sib_registry_free(&r);
}
