/* Conv and related operators on cpu against ref: models of one node, random geometry, every attribute. */
#include "graph/graph.h"
#include "run/tiny.h"
#include "tensor/tensor.h"

static check_random dice = {31};

static int64_t pick(int64_t least, int64_t max)
{
    return least + (int64_t)(check_u64(&dice) % (uint64_t)(max - least + 1));
}

/* A node under construction. */
typedef struct {
    tiny t;
    const char *type, *domain;
    size_t n_in, n_out, n_attributes;
    value_id in[10], out[2];
    attribute attributes[12];
    int64_t lists[12][8]; /* memory of the attributes */
    const char *names[10];
    sib_value *given[10]; /* NULL for a constant */
    const char *then;     /* the operator applied to output 0, Relu or Clip, or NULL */
} one_node;

static void begin(one_node *o, const char *domain, const char *type)
{
    *o = (one_node){.t = tiny_begin(), .type = type, .domain = domain};
}

CHECK_UNWATCHED static double *numbers(size_t n, double scale, bool integers)
{
    double *v = malloc((n + 1) * sizeof *v);
    assert_non_null(v);
    for (size_t i = 0; i < n; i++)
        v[i] = integers ? (double)(int)(check_uniform(&dice) * scale) : check_uniform(&dice) * scale;
    return v;
}

/* Adds an input with random elements. */
static void input(one_node *o, sib_dtype dtype, size_t rank, const int64_t *dims, double scale, bool constant)
{
    static const char *const names[] = {"i0", "i1", "i2", "i3", "i4", "i5", "i6", "i7", "i8", "i9"};
    size_t n = 1, at = o->n_in++;
    bool integers = dtype != SIB_F32 && dtype != SIB_F16 && dtype != SIB_BF16;
    char text[100] = "";
    for (size_t i = 0; i < rank; i++) {
        n *= (size_t)dims[i];
        snprintf(text + strlen(text), sizeof text - strlen(text), "%d ", (int)dims[i]);
    }
    double *v = numbers(n, scale, integers);
    for (size_t i = 0; i < n && dtype == SIB_U8; i++)
        v[i] = v[i] < 0 ? -v[i] : v[i];
    o->names[at] = names[at];
    if (constant)
        o->in[at] = tiny_constant(&o->t, names[at], dtype, rank, dims, v);
    else {
        o->in[at] = tiny_input(&o->t, names[at], dtype, text);
        o->given[at] = tiny_given(dtype, rank, dims, v);
    }
    free(v);
}

static void omit(one_node *o)
{
    o->in[o->n_in++] = NO_VALUE;
}

static void ints(one_node *o, const char *name, size_t n, const int64_t *values)
{
    size_t at = o->n_attributes++;
    memcpy(o->lists[at], values, n * sizeof *values);
    o->attributes[at] = (attribute){.name = str_of(name), .kind = ATTR_INTS, .n = n, .ints = o->lists[at]};
}

static void integer(one_node *o, const char *name, int64_t number)
{
    o->attributes[o->n_attributes++] = (attribute){.name = str_of(name), .kind = ATTR_INT, .i = number};
}

static void string(one_node *o, const char *name, const char *word)
{
    o->attributes[o->n_attributes++] =
        (attribute){.name = str_of(name), .kind = ATTR_STRING, .s = str_of(word)};
}

static sib_code run_on(sib_model *m, one_node *o, const char *backends, unsigned threads, sib_value **out,
                       sib_error *err)
{
    static const char *const outputs[] = {"y0", "y1"};
    sib_session *s = NULL;
    sib_named_value given[10];
    size_t n = 0;
    sib_session_options options = {.backends = backends, .threads = threads};
    CHECK_OK(sib_session_create(m, &options, &s, err), *err);
    for (size_t i = 0; i < o->n_in; i++)
        if (o->given[i])
            given[n++] = (sib_named_value){o->names[i], o->given[i]};
    sib_code code = sib_session_run(s, n, given, o->n_out, outputs, out, NULL, err);
    sib_session_free(&s);
    return code;
}

/* y: the result of the other operator on x. */
static void add_then(one_node *o, value_id x, value_id y, sib_dtype dtype)
{
    sib_error err = SIB_ERROR_INIT;
    node_id id;
    const double bounds[] = {-0.5, 0.75};
    value_id in[3] = {x};
    bool clip = !strcmp(o->then, "Clip");
    for (size_t i = 0; i < 2 && clip; i++)
        in[1 + i] = tiny_constant(&o->t, i ? "high" : "low", dtype, 0, NULL, &bounds[i]);
    node n = {.domain = str_of(""), .type = str_of(o->then), .version = 21, .origin = NO_NODE};
    n.inputs = (id_list){clip ? 3 : 1, in};
    n.outputs = (id_list){1, &y};
    CHECK_OK(graph_add_node(o->t.g, &n, &id, &err), err);
}

/* Runs the node on both backends: both must fail, or agree. */
static void compare(one_node *o, size_t n_out, sib_tolerance tolerance)
{
    sib_error err = SIB_ERROR_INIT, other = SIB_ERROR_INIT;
    node n = {.domain = str_of(o->domain),
              .type = str_of(o->type),
              .version = o->domain[0] ? 1 : 21,
              .origin = NO_NODE};
    o->n_out = n_out;
    for (size_t i = 0; i < n_out; i++) {
        o->out[i] = tiny_made(&o->t, i ? "y1" : "y0");
        tiny_output(&o->t, o->out[i]);
    }
    value_id last = o->out[0];
    if (o->then)
        o->out[0] = tiny_made(&o->t, "inner");
    n.inputs = (id_list){(uint32_t)o->n_in, o->in};
    n.outputs = (id_list){(uint32_t)n_out, o->out};
    n.n_attributes = o->n_attributes;
    n.attributes = o->attributes;
    node_id id;
    CHECK_OK(graph_add_node(o->t.g, &n, &id, &err), err);
    if (o->then)
        add_then(o, o->out[0], last, o->t.g->values[o->in[0]].type.dtype);
    sib_model *m = tiny_model(&o->t);
    sib_value *expected[2] = {NULL}, *got[2] = {NULL};
    sib_code code = run_on(m, o, "ref", 1, expected, &err);
    for (unsigned threads = CHECK_RACES_ALONE ? 2 : 1; threads <= 2; threads++) {
        assert_int_equal(run_on(m, o, "cpu,ref", threads, got, &other), code);
        for (size_t i = 0; i < n_out && code == SIB_OK; i++) {
            sib_comparison c;
            CHECK_OK(sib_tensor_compare(sib_value_tensor(got[i]), sib_value_tensor(expected[i]), &tolerance,
                                        &c, &other),
                     other);
            if (!c.equal)
                fail_msg("%s: element %llu is %g, expected %g", o->type, (unsigned long long)c.worst,
                         c.worst_a, c.worst_b);
        }
        for (size_t i = 0; i < n_out; i++)
            sib_value_free(&got[i]);
    }
    for (size_t i = 0; i < n_out; i++)
        sib_value_free(&expected[i]);
    for (size_t i = 0; i < o->n_in; i++)
        sib_value_free(&o->given[i]);
    sib_model_free(&m);
}

static const char *const paddings[] = {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"};

/* Random windows over n axes; kernel (n) is set by the caller. */
static void windows(one_node *o, size_t n, const int64_t *kernel, bool dilations)
{
    int64_t list[8];
    if (pick(0, 2)) {
        for (size_t i = 0; i < n; i++)
            list[i] = pick(1, 3);
        ints(o, "strides", n, list);
    }
    if (dilations && pick(0, 1)) {
        for (size_t i = 0; i < n; i++)
            list[i] = pick(1, 3);
        ints(o, "dilations", n, list);
    }
    if (pick(0, 2)) {
        for (size_t i = 0; i < 2 * n; i++)
            list[i] = pick(0, kernel[i % n] - 1);
        ints(o, "pads", 2 * n, list);
    } else
        string(o, "auto_pad", paddings[pick(0, 3)]);
}

/* One convolution: x [N, C, in...], w [M, C / G, kernel...]. */
static void one_conv(const char *type, sib_dtype dtype, sib_tolerance tolerance)
{
    one_node o;
    size_t n = (size_t)pick(1, 3);
    int64_t group = pick(0, 2) ? 1 : pick(1, 5), c = pick(1, 6), m = pick(1, 9);
    if (group > 1 && pick(0, 1))
        c = m = 1;
    int64_t x[5] = {pick(1, 2), c * group}, w[5] = {m * group, c}, bias = m * group;
    for (size_t i = 0; i < n; i++) {
        w[2 + i] = pick(1, n == 1 ? 9 : 4);
        x[2 + i] = pick(4, n == 1 ? 80 : n == 2 ? 24 : 9);
    }
    begin(&o, "", type);
    input(&o, dtype, n + 2, x, 1, false);
    input(&o, dtype, n + 2, w, 1, pick(0, 3));
    if (pick(0, 1))
        input(&o, dtype, 1, &bias, 1, pick(0, 1));
    windows(&o, n, w + 2, true);
    if (group > 1 || pick(0, 1))
        integer(&o, "group", group);
    if (pick(0, 1))
        ints(&o, "kernel_shape", n, w + 2);
    o.then = (const char *const[]){NULL, "Relu", "Clip"}[pick(0, 2)];
    compare(&o, 1, tolerance);
}

TEST(test_conv)
{
    for (int i = 0; i < check_draws(400); i++)
        one_conv("Conv", SIB_F32, (sib_tolerance){1e-5, 2e-5, 0});
}

TEST(test_halves)
{
    for (int i = 0; i < check_draws(200); i++) {
        one_conv("Conv", SIB_F16, (sib_tolerance){1e-3, 2e-3, 0});
        one_conv("Conv", SIB_BF16, (sib_tolerance){1e-2, 1e-2, 0});
    }
}

/* FusedConv of x [1, 3, 9, 11], with and without Z. */
TEST(test_fused)
{
    static const char *const names[] = {"", "Relu", "LeakyRelu", "Clip", "HardSigmoid", "Tanh", "Sigmoid"};
    static const float params[2] = {0.25f, 0.5f};
    for (int i = 0; i < 70; i++) {
        one_node o;
        int64_t x[] = {1, 3, 9, 11}, w[] = {5, 3, 3, 3}, bias = 5, y[] = {1, 5, 7, 9};
        begin(&o, "com.microsoft", "FusedConv");
        input(&o, SIB_F32, 4, x, 1, false);
        input(&o, SIB_F32, 4, w, 1, pick(0, 1));
        if (pick(0, 1))
            input(&o, SIB_F32, 1, &bias, 1, pick(0, 1));
        else
            omit(&o);
        if (pick(0, 1))
            input(&o, SIB_F32, 4, y, 1, pick(0, 1));
        if (names[i % 7][0])
            string(&o, "activation", names[i % 7]);
        o.attributes[o.n_attributes++] =
            (attribute){.name = str_of("activation_params"), .kind = ATTR_FLOATS, .n = 2, .floats = params};
        compare(&o, 1, (sib_tolerance){1e-5, 2e-5, 0});
    }
}

/* The same cases in float16, without the extras of FusedConv; in quick runs half of them, of all kinds. */
TEST(test_transforms_of_halves)
{
    static const struct {
        int64_t x[4], m, pads[4];
    } cases[] = {
        {{1, 16, 40, 41}, 16, {1, 1, 1, 1}},
        {{2, 33, 13, 30}, 50, {1, 1, 1, 1}},
        {{1, 20, 9, 70}, 40, {0, 0, 0, 0}},
        {{3, 24, 30, 22}, 33, {0, 2, 1, 0}},
    };
    static const char *const then[] = {NULL, "Relu", "Clip", "Tanh"};
    for (size_t i = 0; i < 8 * sizeof cases / sizeof *cases; i++) {
        one_node o;
        if (getenv("SIBYL_QUICK") && (i + i / 2 + i / 8) % 2)
            continue;
        const int64_t *x = cases[i / 8].x, m = cases[i / 8].m;
        int64_t w[] = {m, x[1], 3, 3};
        sib_dtype dtype = i % 2 ? SIB_F16 : SIB_BF16;
        double unit = i % 2 ? 0x1p-10 : 0x1p-7;
        begin(&o, "", "Conv");
        input(&o, dtype, 4, x, 1, false);
        input(&o, dtype, 4, w, 1, true);
        if (i % 3)
            input(&o, dtype, 1, &m, 1, true);
        o.then = then[i / 2 % 4];
        ints(&o, "pads", 4, cases[i / 8].pads);
        compare(&o, 1, (sib_tolerance){unit, unit, 0});
    }
}

/* Convolutions large enough for Winograd transforms: x [N, C, H, W], w [M, C, 3, 3], with the addends and
   activations of FusedConv. Sums of |x| |w| are near 9 C / 4; tests/kernel/test_conv2d_winograd.c bounds the
   error in units of these sums. */
TEST(test_transforms)
{
    static const struct {
        int64_t x[4], m, pads[4];
    } cases[] = {
        {{1, 16, 40, 41}, 16, {1, 1, 1, 1}}, {{2, 33, 13, 30}, 50, {1, 1, 1, 1}},
        {{1, 20, 9, 70}, 40, {0, 0, 0, 0}},  {{1, 64, 28, 28}, 64, {1, 1, 1, 1}},
        {{1, 130, 7, 7}, 140, {1, 1, 1, 1}}, {{1, 24, 30, 22}, 33, {0, 2, 1, 0}},
    };
    for (size_t i = 0; i < 4 * sizeof cases / sizeof *cases; i++) {
        if (check_left_out(i))
            continue;
        one_node o;
        const int64_t *x = cases[i / 4].x, m = cases[i / 4].m, *pads = cases[i / 4].pads;
        int64_t w[] = {m, x[1], 3, 3},
                y[] = {x[0], m, x[2] + pads[0] + pads[2] - 2, x[3] + pads[1] + pads[3] - 2};
        begin(&o, i % 2 ? "com.microsoft" : "", i % 2 ? "FusedConv" : "Conv");
        input(&o, SIB_F32, 4, x, 1, false);
        input(&o, SIB_F32, 4, w, 1, i % 4 > 0);
        input(&o, SIB_F32, 1, &m, 1, true);
        if (i % 4 == 3)
            input(&o, SIB_F32, 4, y, 1, false);
        if (i % 2)
            string(&o, "activation", "Relu");
        o.then = (const char *const[]){NULL, "Relu", "Clip"}[i % 3];
        ints(&o, "pads", 4, pads);
        compare(&o, 1, (sib_tolerance){14 * 0x1p-24 * 9 * (double)x[1] / 4, 0, 0});
    }
}

/* One convolution of bytes. */
static void one_byte_conv(bool quantized)
{
    one_node o;
    size_t n = (size_t)pick(1, 3);
    sib_dtype x_dtype = pick(0, 1) ? SIB_U8 : SIB_I8, w_dtype = pick(0, 1) ? SIB_U8 : SIB_I8;
    sib_dtype y_dtype = pick(0, 1) ? SIB_U8 : SIB_I8;
    int64_t group = pick(0, 2) ? 1 : pick(1, 5), c = pick(0, 3) ? pick(1, 6) : pick(60, 100),
            m = pick(0, 1) ? pick(1, 9) : pick(10, 60);
    int64_t one = 1;
    if (group > 1 && pick(0, 1))
        c = m = 1;
    int64_t x[5] = {pick(1, 2), c * group}, w[5] = {m * group, c}, features = m * group;
    for (size_t i = 0; i < n; i++) {
        w[2 + i] = pick(1, n == 1 ? 9 : 3);
        x[2 + i] = pick(4, n == 1 ? 40 : n == 2 ? 15 : 6);
        if (!pick(0, 9))
            x[2 + i] *= n == 1 ? 30 : 3;
    }
    bool each = pick(0, 1), constant = pick(0, 3);
    begin(&o, "", quantized ? "QLinearConv" : "ConvInteger");
    input(&o, x_dtype, n + 2, x, 127.9, false);
    if (quantized) {
        input(&o, SIB_F32, (size_t)pick(0, 1), &one, 1, pick(0, 1));
        input(&o, x_dtype, 0, NULL, 127.9, pick(0, 1));
    }
    input(&o, w_dtype, n + 2, w, 127.9, constant);
    if (quantized) {
        input(&o, SIB_F32, each, &features, 0.2, pick(0, 1));
        input(&o, w_dtype, each, &features, 50, constant || pick(0, 1));
        input(&o, SIB_F32, 0, NULL, 900, pick(0, 1));
        input(&o, y_dtype, 0, NULL, 20, pick(0, 1));
        if (pick(0, 1))
            input(&o, SIB_I32, 1, &features, pick(0, 1) ? 2e4 : 2e9, pick(0, 1));
    } else if (pick(0, 3)) {
        if (pick(0, 1))
            input(&o, x_dtype, 0, NULL, 127.9, pick(0, 1));
        else
            omit(&o);
        if (pick(0, 1))
            input(&o, w_dtype, each, &features, 50, pick(0, 1));
    }
    windows(&o, n, w + 2, true);
    integer(&o, "group", group);
    compare(&o, 1, (sib_tolerance){0, 0, 0});
}

TEST(test_bytes)
{
    for (int i = 0; i < check_draws(500); i++)
        one_byte_conv(i % 2);
}

/* Convolutions of bytes large enough for bands and threads: x [N, C, H, W], w [M, C / G, size, size].
   Quick runs take two of the four combinations of dtypes for each. */
TEST(test_large_bytes)
{
    static const struct {
        int64_t x[4], m, group, size[2], stride, dilation, pad;
    } cases[] = {
        {{1, 112, 16, 47}, 112, 1, {1, 1}, 1, 1, 0}, {{1, 1, 40, 97}, 112, 1, {10, 4}, 2, 1, 0},
        {{2, 64, 29, 33}, 40, 1, {3, 3}, 1, 1, 1},   {{1, 40, 41, 27}, 64, 2, {3, 3}, 1, 2, 2},
        {{1, 32, 40, 41}, 33, 1, {3, 3}, 2, 1, 1},   {{1, 24, 30, 31}, 50, 1, {1, 1}, 2, 1, 0},
        {{1, 16, 25, 9}, 16, 1, {5, 3}, 3, 1, 2},    {{1, 30, 24, 24}, 30, 30, {3, 3}, 1, 1, 1},
        {{1, 700, 5, 5}, 13, 1, {3, 3}, 1, 1, 1},    {{1, 25, 40, 40}, 12, 1, {1, 1}, 1, 1, 0},
    };
    static const sib_dtype dtypes[][3] = {{SIB_U8, SIB_U8, SIB_U8},
                                          {SIB_U8, SIB_I8, SIB_I8},
                                          {SIB_I8, SIB_I8, SIB_U8},
                                          {SIB_I8, SIB_U8, SIB_I8}};
    for (size_t i = 0; i < 4 * sizeof cases / sizeof *cases; i++) {
        one_node o;
        if (check_left_out(i))
            continue;
        const sib_dtype *dtype = dtypes[i % 4];
        int64_t group = cases[i / 4].group, m = cases[i / 4].m, pad = cases[i / 4].pad;
        int64_t w[4] = {m, cases[i / 4].x[1] / group, cases[i / 4].size[0], cases[i / 4].size[1]};
        bool each = i % 3 > 0;
        begin(&o, "", "QLinearConv");
        input(&o, dtype[0], 4, cases[i / 4].x, 127.9, false);
        input(&o, SIB_F32, 0, NULL, 1, true);
        input(&o, dtype[0], 0, NULL, 127.9, true);
        input(&o, dtype[1], 4, w, 127.9, true);
        input(&o, SIB_F32, each, &m, 0.2, true);
        input(&o, dtype[1], each, &m, 50, true);
        input(&o, SIB_F32, 0, NULL, 900, true);
        input(&o, dtype[2], 0, NULL, 20, true);
        if (i % 5)
            input(&o, SIB_I32, 1, &m, 2e4, true);
        ints(&o, "strides", 2, (int64_t[]){cases[i / 4].stride, cases[i / 4].stride});
        ints(&o, "dilations", 2, (int64_t[]){cases[i / 4].dilation, cases[i / 4].dilation});
        ints(&o, "pads", 4, (int64_t[]){pad, pad, pad, pad});
        integer(&o, "group", group);
        compare(&o, 1, (sib_tolerance){0, 0, 0});
    }
}

/* One pool of x [N, C, in...]. */
static void one_pool(const char *type, sib_dtype dtype, sib_tolerance tolerance)
{
    one_node o;
    size_t n = (size_t)pick(1, 3);
    bool average = !strcmp(type, "AveragePool");
    int64_t x[5] = {pick(1, 2), pick(1, 9)}, kernel[3];
    begin(&o, "", type);
    for (size_t i = 0; i < n; i++) {
        kernel[i] = pick(1, 4);
        x[2 + i] = pick(4, n == 1 ? 80 : n == 2 ? 24 : 9);
    }
    if (!pick(0, 5))
        memcpy(kernel, x + 2, sizeof kernel);
    input(&o, dtype, n + 2, x, dtype == SIB_U8 || dtype == SIB_I8 ? 127.9 : 1, false);
    if (strncmp(type, "Global", 6)) {
        ints(&o, "kernel_shape", n, kernel);
        windows(&o, n, kernel, true);
        if (pick(0, 1))
            integer(&o, "ceil_mode", 1);
        if (average && pick(0, 1))
            integer(&o, "count_include_pad", pick(0, 1));
    }
    compare(&o, 1, tolerance);
}

TEST(test_pools)
{
    for (int i = 0; i < check_draws(200); i++) {
        one_pool("MaxPool", SIB_F32, (sib_tolerance){0, 0, 0});
        one_pool("AveragePool", SIB_F32, (sib_tolerance){1e-6, 1e-6, 0});
    }
    for (int i = 0; i < check_draws(50); i++) {
        one_pool("MaxPool", SIB_F16, (sib_tolerance){0, 0, 0});
        one_pool("MaxPool", SIB_U8, (sib_tolerance){0, 0, 0});
        one_pool("MaxPool", SIB_I8, (sib_tolerance){0, 0, 0});
        one_pool("AveragePool", SIB_BF16, (sib_tolerance){1e-2, 1e-2, 0});
        one_pool("GlobalMaxPool", SIB_BF16, (sib_tolerance){0, 0, 0});
        one_pool("GlobalAveragePool", SIB_F16, (sib_tolerance){1e-3, 1e-3, 0});
        one_pool("GlobalMaxPool", SIB_F32, (sib_tolerance){0, 0, 0});
        one_pool("GlobalAveragePool", SIB_F32, (sib_tolerance){1e-6, 1e-6, 0});
    }
}
