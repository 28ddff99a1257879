/* Products of widened weights: rewritten where they are large, with the results of the file's graph. */
#include "check_blocks.h"
#include "check_passes.h"

#define M 3

typedef struct example {
    const char *what;
    sib_dtype weights;
    int64_t k, n;
    bool gemm;          /* with B transposed, and a bias */
    int64_t block;      /* size of the blocks of scales, 0: none */
    bool single, zero;  /* one scale for all; zero points */
    const char *nodes;  /* expected after the passes */
    const char *blocks; /* the format of the weights' blocks, or NULL */
} example;

static const example examples[] = {
    {"halves", SIB_F16, 131, 520, false, 0, false, false, "NarrowMatMul", NULL},
    {"bfloat16", SIB_BF16, 520, 131, false, 0, false, false, "NarrowMatMul", NULL},
    {"halves in Gemm", SIB_F16, 256, 256, true, 0, false, false, "NarrowMatMul Add", NULL},
    {"bytes", SIB_I8, 257, 259, false, 0, false, false, "NarrowMatMul", NULL},
    {"bytes with one scale", SIB_I8, 256, 256, false, 0, true, true, "NarrowMatMul", NULL},
    {"bytes with zeros", SIB_U8, 300, 220, false, 0, false, true, "NarrowMatMul", NULL},
    {"bytes in Gemm", SIB_I8, 255, 260, true, 0, false, true, "NarrowMatMul Add", NULL},
    {"bytes in blocks", SIB_I8, 320, 210, false, 32, false, true, "NarrowMatMul", NULL},
    {"blocks that do not fill the column", SIB_U8, 330, 210, false, 32, false, true, "NarrowMatMul", NULL},
    {"blocks in Gemm", SIB_I8, 320, 210, true, 64, false, false, "NarrowMatMul Add", NULL},
    {"four bits", SIB_I4, 256, 257, false, 32, false, false, "NarrowMatMul", NULL},
    {"four bits with zeros in Gemm", SIB_U4, 300, 230, true, 32, false, true, "NarrowMatMul Add", NULL},
    {"blocks of a file", SIB_U8, 256, 260, false, 0, false, false, "MatMulBlocks", "q4_0"},
    {"blocks of a file in Gemm", SIB_U8, 512, 140, true, 0, false, false, "MatMulBlocks Add", "q6_k"},
    {"few weights", SIB_I8, 100, 100, false, 0, false, false, "MatMul", NULL},
    {"few halves", SIB_F16, 100, 100, false, 0, false, false, "MatMul", NULL},
};

static value_id constant(tiny *t, const char *name, sib_dtype dtype, size_t rank, const int64_t *dims,
                         double low, double high, bool whole)
{
    size_t n = 1;
    uint64_t seed = 7;
    for (size_t i = 0; i < rank; i++)
        n *= (size_t)dims[i];
    double *values = malloc(n * sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < n; i++) {
        double x = low + (high - low) * (passes_draw(&seed) + 1) / 2;
        values[i] = whole ? floor(x) : x;
    }
    value_id v = tiny_constant(t, name, dtype, rank, dims, values);
    free(values);
    return v;
}

/* DequantizeBlocks of a constant, transposed as the product wants it. */
static value_id widened_blocks(tiny *t, const example *e)
{
    block_kind kind;
    assert_true(block_kind_named(e->blocks, strlen(e->blocks), &kind));
    const block_format *f = block_format_at(kind);
    const int64_t dims[2] = {e->n, e->k / f->block * f->bytes};
    size_t bytes = (size_t)(dims[0] * dims[1]);
    uint8_t *q = malloc(bytes);
    double *values = malloc(bytes * sizeof *values);
    assert_true(q && values);
    check_blocks(&(check_random){19}, kind, q, bytes / f->bytes);
    for (size_t i = 0; i < bytes; i++)
        values[i] = q[i];
    value_id in = tiny_constant(t, "w", SIB_U8, 2, dims, values), w = tiny_made(t, "wide");
    free(q), free(values);
    attribute attributes[] = {{.name = str_of("format"), .kind = ATTR_STRING, .s = str_of(e->blocks)},
                              {.name = str_of("transposed"), .kind = ATTR_INT, .i = !e->gemm}};
    node_id id = tiny_node(t, "DequantizeBlocks", "widen", 1, &in, 1, &w, 2, attributes);
    t->g->nodes[id].domain = str_of("ai.sibyl");
    t->g->nodes[id].version = 1;
    return w;
}

static value_id widened(tiny *t, const example *e)
{
    if (e->blocks)
        return widened_blocks(t, e);
    int64_t dims[2] = {e->gemm ? e->n : e->k, e->gemm ? e->k : e->n};
    int columns = e->gemm ? 0 : 1;
    value_id w = tiny_made(t, "wide");
    if (e->weights == SIB_F16 || e->weights == SIB_BF16) {
        value_id in = constant(t, "w", e->weights, 2, dims, -1, 1, false);
        tiny_node(t, "Cast", "widen", 1, &in, 1, &w, 1,
                  &(attribute){.name = str_of("to"), .kind = ATTR_INT, .i = SIB_F32});
        return w;
    }
    bool four = e->weights == SIB_I4 || e->weights == SIB_U4,
         with_sign = e->weights == SIB_I8 || e->weights == SIB_I4;
    double range = four ? 16 : 256, low = with_sign ? -range / 2 : 0;
    int64_t of[2] = {dims[0], dims[1]};
    of[1 - columns] = e->block ? (e->k + e->block - 1) / e->block : 1;
    size_t rank = e->block ? 2 : e->single ? 0 : 1;
    const int64_t *shape = e->block ? of : &of[columns];
    value_id in[3] = {constant(t, "w", e->weights, 2, dims, low, low + range, true),
                      constant(t, "scale", SIB_F32, rank, shape, 0.001, 0.01, false), NO_VALUE};
    if (e->zero)
        in[2] = constant(t, "zero", e->weights, rank, shape, low, low + range, true);
    attribute attributes[] = {
        {.name = str_of("axis"), .kind = ATTR_INT, .i = e->block ? 1 - columns : columns},
        {.name = str_of("block_size"), .kind = ATTR_INT, .i = e->block}};
    tiny_node(t, "DequantizeLinear", "widen", e->zero ? 3 : 2, in, 1, &w, e->block ? 2 : 1, attributes);
    return w;
}

static sib_model *build(const example *e)
{
    tiny t = tiny_begin();
    char dims[40];
    snprintf(dims, sizeof dims, e->gemm ? "M %d" : "1 M %d", (int)e->k);
    value_id x = tiny_input(&t, "x", SIB_F32, dims), w = widened(&t, e), y = tiny_made(&t, "y");
    if (e->gemm) {
        value_id in[3] = {x, w, constant(&t, "bias", SIB_F32, 1, &e->n, -1, 1, false)};
        tiny_node(&t, "Gemm", "product", 3, in, 1, &y, 1,
                  &(attribute){.name = str_of("transB"), .kind = ATTR_INT, .i = 1});
    } else
        tiny_node(&t, "MatMul", "product", 2, (value_id[]){x, w}, 1, &y, 0, NULL);
    tiny_output(&t, y);
    return tiny_model(&t);
}

static sib_value *run(sib_model *m, const char *backends, const char *passes, const sib_value *x)
{
    sib_error err = SIB_ERROR_INIT;
    sib_session *s = NULL;
    sib_value *out = NULL;
    sib_named_value in = {"x", x};
    CHECK_OK(sib_session_create(
                 m, &(sib_session_options){.backends = backends, .passes = passes, .threads = 1}, &s, &err),
             err);
    CHECK_OK(sib_session_run(s, 1, &in, 0, NULL, &out, NULL, &err), err);
    sib_session_free(&s);
    return out;
}

/* Within the rounding error of float32 sums of k products of numbers up to 1. */
static void compare(const example *e, const sib_value *got, const sib_value *wanted)
{
    sib_error err = SIB_ERROR_INIT;
    sib_comparison c;
    CHECK_OK(sib_value_compare(got, wanted, &(sib_tolerance){2e-6 * (double)e->k, 1e-5, 0}, &c, &err), err);
    if (!c.equal)
        fail_msg("%s: element %llu is %.9g, expected %.9g", e->what, (unsigned long long)c.worst, c.worst_a,
                 c.worst_b);
}

TEST(large_weights_stay_narrow)
{
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        const example *e = &examples[i];
        sib_error err = SIB_ERROR_INIT;
        sib_model *m = build(e);
        const optimised *o;
        char text[200];
        double x[M * 600];
        uint64_t seed = 3;
        for (size_t k = 0; k < M * (size_t)e->k; k++)
            x[k] = passes_draw(&seed);
        sib_value *given =
            tiny_given(SIB_F32, e->gemm ? 2 : 3, e->gemm ? (int64_t[]){M, e->k} : (int64_t[]){1, M, e->k}, x);
        CHECK_OK(model_optimise(m, &(pass_options){0}, &o, &err), err);
        assert_string_equal(passes_nodes(o->graph, text, sizeof text), e->nodes);
        sib_value *plain = run(m, "ref", "-all", given), *fast = run(m, "cpu,ref", NULL, given);
        compare(e, fast, plain);
        /* the operator's definition gives the same */
        sib_value *defined = run(m, "ref,cpu", NULL, given);
        compare(e, defined, plain);
        sib_value_free(&plain);
        sib_value_free(&fast);
        sib_value_free(&defined);
        sib_value_free(&given);
        sib_model_free(&m);
    }
}
