/* Models with quantized weights: their files, their results, and the report. */
#include "run/passes/check_passes.h"

#include <sibyl/quantize.h>
#include <unistd.h>

#define M    24
#define K    64
#define N    48
#define SETS 3

/* A matrix [K, N] multiplied, then a transposed one [80, N] with a bias. */
static sib_model *products(int64_t opset, double extreme)
{
    tiny t = tiny_begin();
    bool ok = true;
    t.m->opsets = arena_alloc(t.m->arena, 1, sizeof *t.m->opsets);
    t.m->opsets[0] = (opset_import){arena_string(t.m->arena, str_of(""), &ok), opset};
    t.m->n_opsets = 1;
    double w[K * N];
    uint64_t seed = 5;
    for (size_t i = 0; i < K * N; i++)
        w[i] = passes_draw(&seed) * (i == 100 ? extreme : 1);
    value_id x = tiny_input(&t, "x", SIB_F32, "M 64"), y = tiny_made(&t, "y");
    value_id first = tiny_op(&t, "MatMul", x, tiny_constant(&t, "w", SIB_F32, 2, (int64_t[]){K, N}, w), "h");
    value_id in[3] = {first, passes_weight(&t, "g", 2, (int64_t[]){80, N}, 0.5, 0.1),
                      passes_weight(&t, "bias", 1, (int64_t[]){80}, 1, 0)};
    attribute turned = {.name = str_of("transB"), .kind = ATTR_INT, .i = 1};
    tiny_node(&t, "Gemm", "last", 3, in, 1, &y, 1, &turned);
    tiny_output(&t, y);
    return tiny_model(&t);
}

/* Inputs whose channels differ greatly in magnitude. */
static sib_value *skewed(uint64_t seed)
{
    double x[M * K];
    for (size_t i = 0; i < M * K; i++)
        x[i] = passes_draw(&seed) * exp(-6.0 * (double)(i % K) / K);
    return tiny_given(SIB_F32, 2, (int64_t[]){M, K}, x);
}

typedef struct sets {
    sib_value *values[SETS];
    sib_named_value items[SETS];
    sib_quantize_inputs inputs[SETS];
} sets;

static void sets_make(sets *s)
{
    for (size_t i = 0; i < SETS; i++) {
        s->values[i] = skewed(40 + i);
        s->items[i] = (sib_named_value){"x", s->values[i]};
        s->inputs[i] = (sib_quantize_inputs){1, &s->items[i]};
    }
}

static void sets_free(sets *s)
{
    for (size_t i = 0; i < SETS; i++)
        sib_value_free(&s->values[i]);
}

static sib_value *run(sib_model *m, const char *backends, const char *name, const sib_value *x)
{
    sib_error err = SIB_ERROR_INIT;
    sib_session *s = NULL;
    sib_value *out = NULL;
    sib_named_value in = {name, x};
    CHECK_OK(sib_session_create(m, &(sib_session_options){.backends = backends, .threads = 1}, &s, &err),
             err);
    CHECK_OK(sib_session_run(s, 1, &in, 0, NULL, &out, NULL, &err), err);
    sib_session_free(&s);
    return out;
}

/* Adds to sums: the squares of the differences, the squares. */
static void add_up(const sib_value *was, const sib_value *is, double sums[2])
{
    const float *a = sib_tensor_data(sib_value_tensor(was)), *b = sib_tensor_data(sib_value_tensor(is));
    for (uint64_t i = 0; i < sib_tensor_count(sib_value_tensor(was)); i++) {
        sums[0] += ((double)b[i] - (double)a[i]) * ((double)b[i] - (double)a[i]);
        sums[1] += (double)a[i] * (double)a[i];
    }
}

/* Error of the model's output on the sets, relative to the original's. */
static double output_error(sib_model *was, sib_model *is, const char *backends, const sets *s)
{
    double sums[2] = {0, 0};
    for (size_t i = 0; i < SETS; i++) {
        sib_value *a = run(was, "ref", "x", s->values[i]), *b = run(is, backends, "x", s->values[i]);
        add_up(a, b, sums);
        sib_value_free(&a);
        sib_value_free(&b);
    }
    return sqrt(sums[0] / sums[1]);
}

/* Written to a file and read again. Frees m. */
static sib_model *reopened(sib_model **m)
{
    sib_error err = SIB_ERROR_INIT;
    sib_model *out = NULL;
    char path[] = "/tmp/sibyl-quantize-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    CHECK_OK(sib_model_save(*m, path, NULL, &err), err);
    sib_model_free(m);
    CHECK_OK(sib_model_open(path, NULL, &out, &err), err);
    unlink(path);
    return out;
}

static const sib_tensor *constant(const sib_model *m, const char *name)
{
    sib_value_info v;
    for (size_t i = 0; sib_graph_value(sib_model_graph(m, 0), i, &v); i++)
        if (!strcmp(v.name, name))
            return v.constant;
    return NULL;
}

typedef struct example {
    const char *what;
    sib_quantize_options options;
    int64_t opset;
    const char *nodes;
    double max; /* max error of the output */
} example;

static const example examples[] = {
    {"bytes", {.weights = SIB_WEIGHTS_INT8}, 21, "DequantizeLinear MatMul DequantizeLinear Gemm", 0.02},
    {"blocks",
     {.weights = SIB_WEIGHTS_INT8, .block = 16},
     21,
     "DequantizeLinear MatMul DequantizeLinear Gemm",
     0.02},
    {"four bits", {.weights = SIB_WEIGHTS_INT4}, 21, "MatMulNBits MatMulNBits Add", 0.2},
    {"blocks of 16", {.weights = SIB_WEIGHTS_INT4, .block = 16}, 13, "MatMulNBits MatMulNBits Add", 0.2},
    {"halves", {.weights = SIB_WEIGHTS_F16}, 21, "Cast MatMul Cast Gemm", 0.001},
    {"products of bytes",
     {.weights = SIB_WEIGHTS_INT8, .dynamic = true},
     21,
     "DynamicQuantizeLinear MatMulInteger Cast Mul Mul DynamicQuantizeLinear MatMulInteger Cast Mul Mul Add",
     0.04},
    {"old bytes", {.weights = SIB_WEIGHTS_INT8}, 12, "DequantizeLinear MatMul DequantizeLinear Gemm", 0.02},
    {"old blocks", {.weights = SIB_WEIGHTS_INT8, .block = 32}, 13, "MatMulNBits MatMulNBits Add", 0.02},
};

static void check_rows(const example *e, const sib_quantize_report *r)
{
    sib_quantize_totals t;
    sib_quantize_row row;
    sib_quantize_report_totals(r, &t);
    assert_int_equal(t.n_rows, 2);
    assert_int_equal(t.n_outputs, 1);
    assert_int_equal(t.bytes_before, (K * N + 80 * N) * 4);
    assert_true(t.bytes_after < t.bytes_before * (e->options.weights == SIB_WEIGHTS_F16 ? 51 : 40) / 100);
    assert_true(sib_quantize_report_row(r, 0, &row));
    assert_string_equal(row.node, "n_h");
    assert_string_equal(row.weights, "w");
    assert_int_equal(row.k, K);
    assert_int_equal(row.n, N);
    assert_true(row.weight_error > 0 && row.output_error > 0 && row.output_error < e->max);
    assert_true(sib_quantize_report_row(r, 1, &row));
    assert_int_equal(row.k, N);
    assert_int_equal(row.n, 80);
    assert_false(sib_quantize_report_row(r, 2, &row));
}

TEST(every_kind)
{
    sets s;
    sets_make(&s);
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        const example *e = &examples[i];
        sib_error err = SIB_ERROR_INIT;
        char text[300];
        sib_quantize_report *r = NULL;
        sib_quantize_output told;
        sib_model *was = products(e->opset, 1), *m = products(e->opset, 1);
        sib_quantize_options o = e->options;
        o.n_sets = SETS;
        o.sets = s.inputs;
        o.min_weights = 1000;
        CHECK_OK(sib_model_quantize(m, &o, &r, &err), err);
        assert_string_equal(passes_nodes(m->onnx->graph, text, sizeof text), e->nodes);
        check_rows(e, r);
        m = reopened(&m);
        assert_string_equal(passes_nodes(m->onnx->graph, text, sizeof text), e->nodes);
        assert_null(constant(m, "w"));
        assert_true(sib_quantize_report_output(r, 0, &told));
        double ref = output_error(was, m, "ref", &s), cpu = output_error(was, m, "cpu,ref", &s);
        if (!(fabs(ref - told.error) <= 0.02 * told.error + 1e-6) ||
            !(fabs(cpu - ref) <= 0.02 * ref + 1e-6) || !(ref < e->max))
            fail_msg("%s: the report says %g, ref %g, cpu %g", e->what, told.error, ref, cpu);
        sib_quantize_report_free(&r);
        sib_model_free(&m);
        sib_model_free(&was);
    }
    sets_free(&s);
}

/* The reported error of weights, against the one computed from the file. */
TEST(errors_of_weights)
{
    sib_error err = SIB_ERROR_INIT;
    sib_quantize_report *r = NULL;
    sib_quantize_row row;
    sib_model *was = products(21, 1), *m = products(21, 1);
    CHECK_OK(sib_model_quantize(m, &(sib_quantize_options){.min_weights = 1000}, &r, &err), err);
    m = reopened(&m);
    const float *w = sib_tensor_data(constant(was, "w")), *scale = sib_tensor_data(constant(m, "w_scales"));
    const int8_t *q = sib_tensor_data(constant(m, "w_int8"));
    double sums[2] = {0, 0};
    for (size_t i = 0; i < K * N; i++) {
        double d = (double)w[i] - (double)q[i] * (double)scale[i % N];
        assert_true(fabs(d) < 0.03);
        sums[0] += d * d;
        sums[1] += (double)w[i] * (double)w[i];
    }
    assert_true(sib_quantize_report_row(r, 0, &row));
    assert_float_equal(row.weight_error, sqrt(sums[0] / sums[1]), 1e-7);
    assert_true(isnan(row.output_error));
    assert_int_equal(row.bytes_after, K * N + N * 4);
    sib_quantize_report_free(&r);
    sib_model_free(&m);
    sib_model_free(&was);
}

/* Scales calibrated on the layer's inputs give smaller errors than scales from the weights alone. */
TEST(calibration_helps)
{
    sib_error err = SIB_ERROR_INIT;
    sets s;
    sets_make(&s);
    sib_quantize_options o = {.weights = SIB_WEIGHTS_INT4, .block = 64, .min_weights = 1000};
    sib_model *was = products(21, 1), *plain = products(21, 1), *measured = products(21, 1);
    CHECK_OK(sib_model_quantize(plain, &o, NULL, &err), err);
    o.n_sets = SETS;
    o.sets = s.inputs;
    CHECK_OK(sib_model_quantize(measured, &o, NULL, &err), err);
    double without = output_error(was, plain, "ref", &s), with = output_error(was, measured, "ref", &s);
    if (!(with < 0.97 * without))
        fail_msg("with calibration %g, without %g", with, without);
    sets_free(&s);
    sib_model_free(&was);
    sib_model_free(&plain);
    sib_model_free(&measured);
}

/* A lookup of rows in a table, and a convolution over them. */
static sib_model *table(void)
{
    tiny t = tiny_begin();
    value_id in[2] = {passes_weight(&t, "table", 2, (int64_t[]){100, 16}, 1, 0),
                      tiny_input(&t, "x", SIB_I64, "1 M")};
    value_id rows = tiny_op(&t, "Gather", in[0], in[1], "rows"), y = tiny_made(&t, "y"),
             turned = tiny_made(&t, "t");
    int64_t order[3] = {0, 2, 1};
    attribute perm = {.name = str_of("perm"), .kind = ATTR_INTS, .n = 3, .ints = order};
    tiny_node(&t, "Transpose", "turn", 1, &rows, 1, &turned, 1, &perm);
    value_id conv[2] = {turned, passes_weight(&t, "kernel", 3, (int64_t[]){24, 16, 3}, 1, 0)};
    tiny_node(&t, "Conv", "conv", 2, conv, 1, &y, 0, NULL);
    tiny_output(&t, y);
    return tiny_model(&t);
}

TEST(tables_and_convolutions)
{
    static const struct {
        sib_weights weights;
        const char *nodes;
        double max;
    } kinds[] = {{SIB_WEIGHTS_F16, "Gather Cast Transpose Cast Conv", 0.001},
                 {SIB_WEIGHTS_INT8, "Gather Transpose DequantizeLinear Conv", 0.02},
                 {SIB_WEIGHTS_INT4, "Gather Transpose Conv", 0}};
    double ids[9] = {1, 5, 99, 0, 7, 7, 50, 2, 30};
    sib_value *x = tiny_given(SIB_I64, 2, (int64_t[]){1, 9}, ids);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        sib_error err = SIB_ERROR_INIT;
        char text[200];
        sib_model *was = table(), *m = table();
        sib_quantize_options o = {.weights = kinds[i].weights, .min_weights = 1000};
        CHECK_OK(sib_model_quantize(m, &o, NULL, &err), err);
        m = reopened(&m);
        assert_string_equal(passes_nodes(m->onnx->graph, text, sizeof text), kinds[i].nodes);
        sib_value *a = run(was, "ref", "x", x);
        for (int k = 0; k < 2; k++) {
            double sums[2] = {0, 0};
            sib_value *b = run(m, k ? "cpu,ref" : "ref", "x", x);
            add_up(a, b, sums);
            assert_true(sqrt(sums[0] / sums[1]) <= kinds[i].max + k * 1e-6);
            sib_value_free(&b);
        }
        sib_value_free(&a);
        sib_model_free(&m);
        sib_model_free(&was);
    }
    sib_value_free(&x);
}

/* Weights that two layers read are quantized once; weights that another operator reads stay. */
TEST(shared_weights)
{
    sib_error err = SIB_ERROR_INIT;
    char text[200];
    for (int other = 0; other < 2; other++) {
        tiny t = tiny_begin();
        value_id x = tiny_input(&t, "x", SIB_F32, "M 64"),
                 w = passes_weight(&t, "w", 2, (int64_t[]){64, 64}, 1, 0);
        value_id y = tiny_op(&t, "MatMul", tiny_op(&t, "MatMul", x, w, "a"), w, "b");
        tiny_output(&t, y);
        if (other)
            tiny_output(&t, tiny_op(&t, "Neg", w, NO_VALUE, "minus"));
        sib_quantize_report *r = NULL;
        sib_quantize_totals totals;
        sib_model *m = tiny_model(&t);
        CHECK_OK(sib_model_quantize(m, NULL, &r, &err), err);
        sib_quantize_report_totals(r, &totals);
        assert_int_equal(totals.n_rows, other ? 0 : 2);
        assert_int_equal(totals.bytes_before, other ? 0 : 64 * 64 * 4);
        assert_string_equal(passes_nodes(m->onnx->graph, text, sizeof text),
                            other ? "MatMul MatMul Neg" : "DequantizeLinear MatMul MatMul");
        sib_quantize_report_free(&r);
        sib_model_free(&m);
    }
}

/* Before IR 4, every initializer is an input too: quantized weights no longer are. */
TEST(initializers_as_inputs)
{
    for (int all = 0; all < 2; all++) {
        sib_error err = SIB_ERROR_INIT;
        sib_model_info info;
        tiny t = tiny_begin();
        value_id x = tiny_input(&t, "x", SIB_F32, "M 64"),
                 w = passes_weight(&t, "w", 2, (int64_t[]){64, 64}, 1, 0),
                 b = passes_weight(&t, "b", 1, (int64_t[]){64}, 1, 0);
        CHECK_OK(graph_add_input(t.g, w, &err), err);
        if (all)
            CHECK_OK(graph_add_input(t.g, b, &err), err);
        tiny_output(&t, tiny_op(&t, "Add", tiny_op(&t, "MatMul", x, w, "a"), b, "y"));
        sib_model *m = tiny_model(&t);
        CHECK_OK(sib_model_quantize(m, NULL, NULL, &err), err);
        m = reopened(&m);
        sib_model_get_info(m, &info);
        assert_int_equal(info.n_inputs, 2); /* x, and the weights that stay */
        assert_int_equal(info.n_nodes, all ? 3 : 2);
        sib_model_free(&m);
    }
}

/* Any allocation may fail: an error is returned, and nothing leaks. */
TEST(memory_fails)
{
    static const sib_quantize_options kinds[] = {{.weights = SIB_WEIGHTS_INT8, .min_weights = 1000},
                                                 {.weights = SIB_WEIGHTS_INT4, .min_weights = 1000},
                                                 {.dynamic = true, .min_weights = 1000},
                                                 {.weights = SIB_WEIGHTS_F16, .min_weights = 1000}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        sib_code code = SIB_ERR_MEMORY;
        for (uint64_t k = 0; code != SIB_OK && k < 2000; k++) {
            sib_error err = SIB_ERROR_INIT;
            sib_model *m = products(21, 1);
            sib_quantize_report *r = NULL;
            mem_fail_after(k);
            code = sib_model_quantize(m, &kinds[i], &r, &err);
            mem_fail_never();
            assert_true(code == SIB_OK ? r != NULL : code == SIB_ERR_MEMORY && err.code == code && !r);
            sib_quantize_report_free(&r);
            sib_model_free(&m);
        }
        assert_int_equal(code, SIB_OK);
    }
}

TEST(refusals)
{
    sib_error err = SIB_ERROR_INIT;
    sib_quantize_report *r = NULL;
    char text[200];
    sib_model *m = products(10, 1e9);
    CHECK_FAILS(sib_model_quantize(NULL, NULL, NULL, &err), SIB_ERR_ARGUMENT, err, "model is NULL");
    CHECK_FAILS(sib_model_quantize(m, &(sib_quantize_options){.block = 24}, &r, &err), SIB_ERR_ARGUMENT, err,
                "block is 24");
    CHECK_FAILS(
        sib_model_quantize(m, &(sib_quantize_options){.weights = SIB_WEIGHTS_F16, .block = 32}, &r, &err),
        SIB_ERR_ARGUMENT, err, "cannot be in blocks");
    CHECK_FAILS(sib_model_quantize(m, &(sib_quantize_options){.weights = (sib_weights)9}, &r, &err),
                SIB_ERR_ARGUMENT, err, "weights is 9");
    CHECK_FAILS(sib_model_quantize(m, &(sib_quantize_options){.dynamic = true}, &r, &err),
                SIB_ERR_UNSUPPORTED, err, "opset 10");
    CHECK_FAILS(sib_model_quantize(m, &(sib_quantize_options){.weights = SIB_WEIGHTS_F16, .min_weights = 1},
                                   &r, &err),
                SIB_ERR_VALUE, err, "'n_h' (MatMul): its weight");
    sib_model_free(&m);
    m = products(21, (double)NAN);
    CHECK_FAILS(sib_model_quantize(m, &(sib_quantize_options){.min_weights = 1}, &r, &err), SIB_ERR_VALUE,
                err, "'n_h' (MatMul): its weights hold NaN");
    assert_null(r);
    assert_string_equal(passes_nodes(m->onnx->graph, text, sizeof text), "MatMul Gemm");
    CHECK_OK(sib_model_quantize(m, &(sib_quantize_options){.min_weights = 1000000}, &r, &err), err);
    sib_quantize_report_free(&r);
    sib_model_free(&m);
    m = products(21, 1);
    sib_named_value wrong = {"z", NULL};
    CHECK_FAILS(sib_model_quantize(m,
                                   &(sib_quantize_options){.n_sets = 1,
                                                           .sets = &(sib_quantize_inputs){1, &wrong},
                                                           .min_weights = 1000},
                                   &r, &err),
                SIB_ERR_ARGUMENT, err, "calibration set 0");
    sib_session *s = NULL;
    CHECK_OK(sib_session_create(m, NULL, &s, &err), err);
    CHECK_FAILS(sib_model_quantize(m, NULL, &r, &err), SIB_ERR_ARGUMENT, err, "a session holds the model");
    sib_session_free(&s);
    sib_model_free(&m);
}
