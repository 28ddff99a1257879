/* The logit lens: values between blocks, and what the end makes of them. */
#include "check_memory.h"
#include "tiny.h"

#include <math.h>
#include <sibyl/lens.h>

#define WIDTH      2
#define VOCABULARY 3
static const int64_t two_by_two[] = {2, 2}, table_dims[] = {VOCABULARY, WIDTH},
                     head_dims[] = {WIDTH, VOCABULARY};
static const double table[] = {1, 2, -3, 4, 5, -6}, head[] = {1, 0, -1, 2, 1, 0};

/* x + f(x), f: what an operator makes of x times a matrix; beside it a mask that is added, made of the tokens' shape. */
static value_id part(tiny *t, value_id x, const char *op, int number)
{
    char name[8][16];
    for (int k = 0; k < 8; k++)
        snprintf(name[k], sizeof name[k], "%c%d", "wmabcdef"[k], number);
    const double w[] = {0.5 * number, 1, -1, 0.25};
    value_id inner = tiny_op(t, op, x, NO_VALUE, name[2]);
    value_id made =
        tiny_op(t, "MatMul", inner, tiny_constant(t, name[0], SIB_F32, 2, two_by_two, w), name[3]);
    return tiny_op(t, "Add", x, made, name[4]);
}

/* tokens -> embedding, blocks of a part with Tanh and one with Relu, a norm by RMS in small operators, positions, head. */
static sib_model *decoder(int blocks, bool positions)
{
    tiny t = tiny_begin();
    value_id tokens = tiny_input(&t, "tokens", SIB_I64, "N"), x, at = NO_VALUE;
    if (positions)
        at = tiny_input(&t, "at", SIB_I64, "M");
    x = tiny_op(&t, "Gather", tiny_constant(&t, "table", SIB_F32, 2, table_dims, table), tokens, "embedded");
    for (int i = 0; i < blocks; i++) {
        x = part(&t, x, "Tanh", 2 * i + 1);
        x = part(&t, x, "Relu", 2 * i + 2);
    }
    const int64_t one = 1;
    const double half = 0.5;
    value_id scaled = tiny_op(&t, "Mul", x, tiny_op(&t, "Abs", x, NO_VALUE, "size"), "norm");
    scaled = tiny_op(&t, "Mul", scaled, tiny_constant(&t, "half", SIB_F32, 1, &one, &half), "scaled");
    if (positions)
        scaled = tiny_op(&t, "Gather", scaled, at, "chosen");
    tiny_output(
        &t, tiny_op(&t, "MatMul", scaled, tiny_constant(&t, "head", SIB_F32, 2, head_dims, head), "logits"));
    return tiny_model(&t);
}

static sib_lens *lens_of(sib_model *m)
{
    sib_error err = SIB_ERROR_INIT;
    sib_lens *l = NULL;
    CHECK_OK(sib_lens_create(m, "tokens", "logits", NULL, &l, &err), err);
    return l;
}

TEST(finds_the_values_between_blocks)
{
    for (int positions = 0; positions < 2; positions++) {
        sib_model *m = decoder(3, positions);
        sib_lens *l = lens_of(m);
        sib_model_free(&m); /* the lens keeps it */
        static const char *const names[] = {"embedded", "c1", "c2", "c3", "c4", "c5", "c6"};
        sib_lens_value v;
        for (size_t i = 0; i < 7; i++) {
            assert_true(sib_lens_get(l, i, &v));
            assert_string_equal(v.name, names[i]);
            assert_int_equal(v.block, (i + 1) / 2);
            assert_int_equal(v.part, i ? (i - 1) % 2 + 1 : 0);
            assert_int_equal(v.whole, i % 2 == 0);
        }
        assert_false(sib_lens_get(l, 7, &v));
        sib_lens_free(&l);
    }
}

TEST(the_end_of_a_value_is_norm_and_head)
{
    for (int positions = 0; positions < 2; positions++) {
        sib_error err = SIB_ERROR_INIT;
        sib_model *m = decoder(2, positions);
        sib_lens *l = lens_of(m);
        const double rows[] = {1, -2, 3, 0.5, -1, 1};
        sib_tensor *given = tiny_tensor(SIB_F32, 2, (const int64_t[]){3, WIDTH}, rows), *logits = NULL;
        CHECK_OK(sib_lens_logits(l, 0, given, NULL, &logits, &err), err);
        assert_int_equal(sib_tensor_rank(logits), 2);
        assert_int_equal(sib_tensor_dims(logits)[0], 3);
        assert_int_equal(sib_tensor_dims(logits)[1], VOCABULARY);
        const float *got = sib_tensor_data(logits);
        for (int i = 0; i < 3; i++)
            for (int k = 0; k < VOCABULARY; k++) {
                double expected = 0;
                for (int j = 0; j < WIDTH; j++) {
                    double x = rows[i * WIDTH + j];
                    expected += 0.5 * x * (x < 0 ? -x : x) * head[j * VOCABULARY + k];
                }
                assert_float_equal(got[i * VOCABULARY + k], expected, 1e-5);
            }
        sib_tensor_free(&given);
        sib_tensor_free(&logits);
        sib_lens_free(&l);
        sib_model_free(&m);
    }
}

/* ---- Norms that are one node with the sum before them ---- */

typedef struct style {
    bool centred;  /* LayerNormalization; otherwise its simplified form */
    bool fused;    /* a norm is one node with the sum before it, if there is one */
    bool last_sum; /* so is the last, and it gives its sum too */
    bool after;    /* norms stand behind the sums, and nothing goes past them */
} style;

static value_id constant(tiny *t, const char *what, int number, size_t rank, const int64_t *dims,
                         const double *values)
{
    char name[24];
    snprintf(name, sizeof name, "%s%d", what, number);
    return tiny_constant(t, name, SIB_F32, rank, dims, values);
}

static value_id made(tiny *t, const char *what, int number)
{
    char name[24];
    snprintf(name, sizeof name, "%s%d", what, number);
    return tiny_made(t, name);
}

/* The norm `number` of x, or of x + skip + bias; *sum: that, or NO_VALUE where nobody wants it. */
static value_id norm(tiny *t, style s, value_id x, value_id skip, value_id bias, int number, value_id *sum)
{
    static const int64_t width[] = {WIDTH};
    bool fused = skip != NO_VALUE;
    attribute epsilon = {.name = {"epsilon", 7}, .kind = ATTR_FLOAT, .f = 0.01f};
    value_id gamma = constant(t, "gamma", number, 1, width, OF(2, -1.5)), y = made(t, "norm", number);
    value_id in[5] = {x}, out[4] = {y, NO_VALUE, NO_VALUE, sum ? *sum = made(t, "sum", number) : NO_VALUE};
    size_t n = 1;
    if (fused)
        in[n++] = skip;
    in[n++] = gamma;
    if (s.centred)
        in[n++] = constant(t, "beta", number, 1, width, OF(0.25, 1));
    if (fused)
        in[n++] = bias;
    char type[64];
    snprintf(type, sizeof type, "%s%sLayerNormalization", fused ? "Skip" : "", s.centred ? "" : "Simplified");
    node_id i = tiny_node(t, type, type, n, in, sum ? 4 : 1, out, 1, &epsilon);
    if (fused)
        t->g->nodes[i].domain = str_of("com.microsoft");
    return y;
}

/* tokens -> embedding; `parts` of a norm, a matrix, an activation and a bias, past which the value goes that came
   before the norm (or, with `after`, behind it); a norm; the head. */
static sib_model *normalized(style s, int parts)
{
    tiny t = tiny_begin();
    value_id tokens = tiny_input(&t, "tokens", SIB_I64, "N");
    value_id x =
        tiny_op(&t, "Gather", tiny_constant(&t, "table", SIB_F32, 2, table_dims, table), tokens, "sum0");
    value_id y = norm(&t, s, x, NO_VALUE, NO_VALUE, 0, NULL);
    for (int i = 1; i <= parts; i++) {
        value_id w = constant(&t, "w", i, 2, two_by_two, OF(0.5 * i, 1, -1, 0.25)), past = s.after ? y : x;
        value_id bias = constant(&t, "bias", i, 1, (const int64_t[]){WIDTH}, OF(1, -2)), f = made(&t, "f", i),
                 p = made(&t, "p", i);
        tiny_node(&t, "MatMul", "", 2, (const value_id[]){y, w}, 1, &p, 0, NULL);
        tiny_node(&t, i % 2 ? "Tanh" : "Relu", "", 1, &p, 1, &f, 0, NULL);
        if (s.fused) {
            y = norm(&t, s, past, f, bias, i, s.after || (i == parts && !s.last_sum) ? NULL : &x);
            continue;
        }
        value_id biased = made(&t, "biased", i);
        tiny_node(&t, "Add", "", 2, (const value_id[]){f, bias}, 1, &biased, 0, NULL);
        x = made(&t, "sum", i);
        tiny_node(&t, "Add", "", 2, (const value_id[]){past, biased}, 1, &x, 0, NULL);
        y = norm(&t, s, x, NO_VALUE, NO_VALUE, i, NULL);
    }
    tiny_output(&t,
                tiny_op(&t, "MatMul", y, tiny_constant(&t, "head", SIB_F32, 2, head_dims, head), "logits"));
    return tiny_model(&t);
}

/* What the end makes of these rows as value i. */
static sib_tensor *logits_of(const sib_lens *l, size_t i, const double *rows)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *given = tiny_tensor(SIB_F32, 2, (const int64_t[]){2, WIDTH}, rows), *logits = NULL;
    CHECK_OK(sib_lens_logits(l, i, given, NULL, &logits, &err), err);
    sib_tensor_free(&given);
    return logits;
}

static void same_logits(const sib_lens *a, size_t i, const double *rows, const sib_lens *b, size_t k,
                        const double *others)
{
    sib_tensor *got = logits_of(a, i, rows), *expected = logits_of(b, k, others);
    for (size_t j = 0; j < 2 * VOCABULARY; j++)
        assert_float_equal(((float *)sib_tensor_data(got))[j], ((float *)sib_tensor_data(expected))[j], 1e-5);
    sib_tensor_free(&got);
    sib_tensor_free(&expected);
}

static void check_values(const sib_lens *l, size_t n, const char *what, const char *last)
{
    sib_lens_value v;
    for (size_t i = 0; i < n; i++) {
        char name[24];
        snprintf(name, sizeof name, "%s%zu", i + 1 == n ? last : what, i);
        assert_true(sib_lens_get(l, i, &v));
        assert_string_equal(v.name, name);
        assert_int_equal(v.block, (i + 1) / 2);
        assert_int_equal(v.part, i ? (i - 1) % 2 + 1 : 0);
        assert_int_equal(v.whole, i % 2 == 0);
    }
    assert_false(sib_lens_get(l, n, &v));
}

/* (row - mean) / sqrt(variance + 0.01) * gamma + beta, or row / sqrt(mean square + 0.01) * gamma */
static void normalize(bool centred, const double *rows, double *out)
{
    static const double gamma[] = {2, -1.5}, beta[] = {0.25, 1};
    for (int i = 0; i < 2; i++) {
        const double *x = rows + WIDTH * i;
        double mean = centred ? (x[0] + x[1]) / 2 : 0, a = x[0] - mean, b = x[1] - mean;
        double by = 1 / sqrt((a * a + b * b) / 2 + 0.01f);
        out[WIDTH * i] = a * by * gamma[0] + (centred ? beta[0] : 0);
        out[WIDTH * i + 1] = b * by * gamma[1] + (centred ? beta[1] : 0);
    }
}

TEST(a_norm_that_is_one_node_with_its_sum_is_read_as_both)
{
    static const double rows[] = {0.5, -0.125, 0.01, 0.3};
    for (int k = 0; k < 4; k++) {
        style s = {.centred = k & 1, .fused = true, .last_sum = k & 2};
        sib_model *fused = normalized(s, 6), *plain = normalized((style){.centred = s.centred}, 6);
        sib_lens *l = lens_of(fused), *expected = lens_of(plain);
        check_values(expected, 7, "sum", "sum");
        check_values(l, 7, "sum", s.last_sum ? "sum" : "norm");
        for (size_t i = 0; i < 6; i++)
            same_logits(l, i, rows, expected, i, rows);
        double last[4];
        normalize(s.centred, rows, last);
        same_logits(l, 6, s.last_sum ? rows : last, expected, 6, rows);
        sib_lens_free(&l);
        sib_lens_free(&expected);
        sib_model_free(&fused);
        sib_model_free(&plain);
    }
}

TEST(where_all_goes_through_the_norms_the_end_has_none)
{
    static const double rows[] = {0.5, -0.125, 0.01, 0.3};
    sib_model *m = normalized((style){.centred = true, .fused = true, .after = true}, 4);
    sib_lens *l = lens_of(m);
    check_values(l, 5, "norm", "norm");
    for (size_t i = 0; i < 5; i++) {
        sib_tensor *logits = logits_of(l, i, rows);
        for (int j = 0; j < 2 * VOCABULARY; j++) {
            const double *x = rows + j / VOCABULARY * WIDTH;
            assert_float_equal(((float *)sib_tensor_data(logits))[j],
                               x[0] * head[j % VOCABULARY] + x[1] * head[VOCABULARY + j % VOCABULARY], 1e-5);
        }
        sib_tensor_free(&logits);
    }
    sib_lens_free(&l);
    sib_model_free(&m);
}

TEST(what_has_no_blocks_is_refused)
{
    sib_error err = SIB_ERROR_INIT;
    sib_model *m = decoder(0, false);
    sib_lens *l = NULL;
    assert_int_equal(sib_lens_create(m, "tokens", "logits", NULL, &l, &err), SIB_ERR_UNSUPPORTED);
    assert_null(l);
    assert_non_null(strstr(err.message, "'logits'"));
    err = (sib_error)SIB_ERROR_INIT;
    assert_int_equal(sib_lens_create(m, "words", "logits", NULL, &l, &err), SIB_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "'words'"));
    sib_model_free(&m);
}

TEST(every_failed_allocation_of_a_lens_is_clean)
{
    sib_model *models[] = {decoder(2, true), normalized((style){.fused = true}, 2)};
    for (int k = 0; k < 2; k++) {
        sib_error err = SIB_ERROR_INIT;
        sib_lens *l = lens_of(models[k]); /* what the model keeps of its graph once it is asked is there */
        sib_lens_free(&l);
        CHECK_EVERY_ALLOCATION(
            sib_lens_create(models[k], "tokens", "logits", &(sib_session_options){.threads = 1}, &l, &err),
            sib_lens_free(&l));
        sib_model_free(&models[k]);
    }
}
