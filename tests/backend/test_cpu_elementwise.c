/* Elementwise operators on cpu against ref: every dtype, broadcasting, constants, casts, several in one step,
   after a product, over threads. cpu must run what it is given and not leave it to ref. */
#include "run/tiny.h"

#include <math.h>

#define INPUTS_MAX 5

typedef struct given_input {
    sib_dtype dtype;
    const char *dims; /* "2 3" */
    bool constant;
    double size;   /* elements are drawn from [-size, size) */
    bool integers; /* nonzero integers */
} given_input;

typedef struct model_case {
    size_t n_in;
    given_input in[INPUTS_MAX];
    /* Adds nodes that read `in`, and the outputs. */
    void (*make)(tiny *t, const value_id *in, const void *context);
    const void *context;
    double abs, rel;
    unsigned threads;
    bool any_backend; /* some nodes may be left to ref */
} model_case;

static const char *const names[INPUTS_MAX] = {"i0", "i1", "i2", "i3", "i4"};

static size_t read_dims(const char *text, int64_t *dims)
{
    size_t rank = 0;
    char *end;
    for (int64_t d = strtol(text, &end, 10); end != text; d = strtol(text = end, &end, 10))
        dims[rank++] = d;
    return rank;
}

/* Elements drawn from `seed`. Owned by the caller (free). */
CHECK_UNWATCHED static double *draw(const given_input *in, uint64_t seed)
{
    int64_t dims[SIB_MAX_RANK];
    size_t rank = read_dims(in->dims, dims), n = 1;
    check_random r = {seed};
    for (size_t i = 0; i < rank; i++)
        n *= (size_t)dims[i];
    double *x = malloc((n + 1) * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) {
        x[i] = in->dtype == SIB_BOOL ? (double)(check_u64(&r) % 2) : check_uniform(&r) * in->size;
        if (in->integers)
            x[i] = trunc(x[i]) != 0 ? trunc(x[i]) : 1;
        if (sib_dtype_get_kind(in->dtype) == SIB_KIND_UINT)
            x[i] = fabs(x[i]);
    }
    return x;
}

static void all_on_cpu(sib_profile *profile)
{
    sib_profile_row row;
    for (size_t i = 0; sib_profile_get(profile, SIB_PROFILE_BY_MILLI, i, &row); i++)
        if (strcmp(row.backend, "cpu") != 0)
            fail_msg("%s is left to %s", row.op_type, row.backend);
}

/* Runs the model; out: (4). */
static sib_code run(const model_case *m, const char *backends, sib_value **out, sib_error *err)
{
    tiny t = tiny_begin();
    value_id in[INPUTS_MAX];
    sib_named_value given[INPUTS_MAX];
    sib_value *values[INPUTS_MAX] = {0};
    size_t n = 0;
    for (size_t i = 0; i < m->n_in; i++) {
        int64_t dims[SIB_MAX_RANK];
        size_t rank = read_dims(m->in[i].dims, dims);
        double *x = draw(&m->in[i], 77 + i);
        if (m->in[i].constant) {
            in[i] = tiny_constant(&t, names[i], m->in[i].dtype, rank, dims, x);
        } else {
            in[i] = tiny_input(&t, names[i], m->in[i].dtype, m->in[i].dims);
            values[i] = tiny_given(m->in[i].dtype, rank, dims, x);
            given[n++] = (sib_named_value){names[i], values[i]};
        }
        free(x);
    }
    m->make(&t, in, m->context);
    sib_session_options options = {.backends = backends, .threads = m->threads ? m->threads : 1};
    sib_session *s = tiny_session(&t, &options);
    sib_profile *profile = NULL;
    CHECK_OK(sib_profile_create(&profile, err), *err);
    sib_run_options run_options = {.profile = profile};
    sib_code code = sib_session_run(s, n, given, 0, NULL, out, &run_options, err);
    if (code == SIB_OK && !strcmp(backends, "cpu,ref") && !m->any_backend)
        all_on_cpu(profile);
    sib_profile_free(&profile);
    sib_session_free(&s);
    for (size_t i = 0; i < m->n_in; i++)
        sib_value_free(&values[i]);
    return code;
}

static void check(const model_case *m, const char *what)
{
    sib_value *a[4] = {0}, *b[4] = {0};
    sib_error err = SIB_ERROR_INIT;
    sib_tolerance tolerance = {m->abs, m->rel, 0};
    if (CHECK_RACES_ALONE && m->threads < 2)
        return;
    CHECK_OK(run(m, "cpu,ref", a, &err), err);
    CHECK_OK(run(m, CHECK_RACES_ALONE ? "cpu,ref" : "ref", b, &err), err);
    for (size_t i = 0; i < 4 && a[i]; i++) {
        sib_comparison c;
        CHECK_OK(sib_value_compare(a[i], b[i], &tolerance, &c, &err), err);
        if (!c.equal)
            fail_msg("%s: output %zu, element %llu is %.9g, on ref %.9g", what, i,
                     (unsigned long long)c.worst, c.worst_a, c.worst_b);
        sib_value_free(&a[i]);
        sib_value_free(&b[i]);
    }
}

/* ---- One operator -------------------------------------------------------------------------------------- */

typedef struct op_row {
    const char *type;
    size_t n_in;
    const char *dtypes; /* f floats, i signed, u unsigned, b bool */
    double size;
    int64_t fmod; /* value of the attribute fmod, if not 0 */
} op_row;

static void make_op(tiny *t, const value_id *in, const void *context)
{
    const op_row *w = context;
    value_id out = tiny_made(t, "y");
    attribute a[] = {{.name = str_of("fmod"), .kind = ATTR_INT, .i = 1},
                     {.name = str_of("direction"), .kind = ATTR_STRING, .s = str_of("LEFT")}};
    bool shifts = !strcmp(w->type, "BitShift");
    tiny_node(t, w->type, "it", w->n_in, in, 1, &out, w->fmod || shifts, w->fmod ? a : a + 1);
    tiny_output(t, out);
}

static const op_row ops[] = {
    {"Add", 2, "fiu", 50, 0},
    {"Sub", 2, "fiu", 50, 0},
    {"Mul", 2, "fiu", 50, 0},
    {"Div", 2, "fiu", 50, 0},
    {"Mod", 2, "iu", 50, 0},
    {"Mod", 2, "fiu", 50, 1},
    {"Pow", 2, "f", 3, 0},
    {"Min", 2, "fiu", 50, 0},
    {"Max", 2, "fiu", 50, 0},
    {"And", 2, "b", 1, 0},
    {"Or", 2, "b", 1, 0},
    {"Xor", 2, "b", 1, 0},
    {"BitwiseAnd", 2, "iu", 120, 0},
    {"BitShift", 2, "u", 9, 0},
    {"Equal", 2, "fiub", 2, 0},
    {"Less", 2, "fiu", 5, 0},
    {"GreaterOrEqual", 2, "fiu", 5, 0},
    {"Neg", 1, "fi", 50, 0},
    {"Abs", 1, "fiu", 50, 0},
    {"Sign", 1, "fiu", 2, 0},
    {"Floor", 1, "f", 50, 0},
    {"Ceil", 1, "f", 50, 0},
    {"Round", 1, "f", 50, 0},
    {"Sqrt", 1, "f", 50, 0},
    {"Exp", 1, "f", 100, 0},
    {"Log", 1, "f", 50, 0},
    {"Sin", 1, "f", 50, 0},
    {"Cos", 1, "f", 50, 0},
    {"Tan", 1, "f", 1, 0},
    {"Atan", 1, "f", 50, 0},
    {"Sinh", 1, "f", 5, 0},
    {"Tanh", 1, "f", 10, 0},
    {"Acosh", 1, "f", 50, 0},
    {"Erf", 1, "f", 4, 0},
    {"Not", 1, "b", 1, 0},
    {"BitwiseNot", 1, "iu", 50, 0},
    {"IsNaN", 1, "f", 50, 0},
    {"Sigmoid", 1, "f", 90, 0},
    {"Softplus", 1, "f", 30, 0},
    {"Elu", 1, "f", 10, 0},
    {"Selu", 1, "f", 10, 0},
    {"HardSwish", 1, "f", 5, 0},
    {"Mish", 1, "f", 10, 0},
    {"Gelu", 1, "f", 4, 0},
    {"LeakyRelu", 1, "f", 10, 0},
    {"Softsign", 1, "f", 10, 0},
    {"Celu", 1, "f", 10, 0},
    {"Reciprocal", 1, "f", 50, 0},
};

static const struct {
    char kind;
    sib_dtype dtype;
    double rel;
} dtypes[] = {
    {'f', SIB_F32, 2e-6}, {'f', SIB_F64, 1e-15}, {'f', SIB_F16, 1e-3}, {'f', SIB_BF16, 8e-3},
    {'i', SIB_I8, 0},     {'i', SIB_I16, 0},     {'i', SIB_I32, 0},    {'i', SIB_I64, 0},
    {'u', SIB_U8, 0},     {'u', SIB_U16, 0},     {'u', SIB_U32, 0},    {'u', SIB_U64, 0},
    {'b', SIB_BOOL, 0},
};

static const char *const shapes[][2] = {
    {"3 5", "3 5"},   {"4 7 33", "33"}, {"2 3 70", "3 1"}, {"5", ""},      {"2 1 40", "3 1"},
    {"3 600", "600"}, {"700 3", "1 3"}, {"1 1", "4 1"},    {"0 3", "1 3"}, {"2 5 600", "5 1"}};

TEST(operators)
{
    char what[200];
    for (size_t i = 0; i < COUNT(ops); i++)
        for (size_t d = 0; d < COUNT(dtypes); d++) {
            if (!strchr(ops[i].dtypes, dtypes[d].kind))
                continue;
            for (size_t s = (i + d) % 3; s<COUNT(shapes); s += ops[i].n_in> 1 ? 1 : 4) {
                bool integers = dtypes[d].kind != 'f';
                given_input a = {dtypes[d].dtype, shapes[s][0], false, ops[i].size, integers};
                given_input b = {dtypes[d].dtype, shapes[s][1], s % 3 == 1, ops[i].size, integers};
                bool swapped = s % 4 == 3 && ops[i].n_in > 1;
                model_case m = {.n_in = ops[i].n_in,
                                .in = {swapped ? b : a, swapped ? a : b},
                                .make = make_op,
                                .context = &ops[i],
                                .abs = dtypes[d].rel * 1e-1,
                                .rel = dtypes[d].rel};
                snprintf(what, sizeof what, "%s of %s, [%s] and [%s]", ops[i].type,
                         sib_dtype_name(dtypes[d].dtype), shapes[s][0], shapes[s][1]);
                check(&m, what);
            }
        }
}

/* ---- Casts and where ----------------------------------------------------------------------------------- */

static void make_cast(tiny *t, const value_id *in, const void *context)
{
    const int64_t *to = context; /* dtype, saturate */
    value_id out = tiny_made(t, "y");
    attribute a[] = {{.name = str_of("to"), .kind = ATTR_INT, .i = to[0]},
                     {.name = str_of("saturate"), .kind = ATTR_INT, .i = to[1]}};
    tiny_node(t, "Cast", "it", 1, in, 1, &out, 2, a);
    tiny_output(t, out);
}

TEST(casts)
{
    static const sib_dtype types[] = {SIB_F32, SIB_F64, SIB_F16,  SIB_BF16,     SIB_I8,
                                      SIB_I16, SIB_I32, SIB_I64,  SIB_U8,       SIB_U16,
                                      SIB_U32, SIB_U64, SIB_BOOL, SIB_F8E4M3FN, SIB_F8E5M2};
    char what[100];
    for (size_t from = 0; from < COUNT(types); from++)
        for (size_t to = 0; to < COUNT(types); to++) {
            int64_t context[] = {types[to], (int64_t)(from + to) % 2};
            model_case m = {.n_in = 1,
                            .in = {{types[from], "3 211", false, 300, false}},
                            .make = make_cast,
                            .context = context};
            if (from == to) /* the cast is removed */
                continue;
            snprintf(what, sizeof what, "%s to %s", sib_dtype_name(types[from]), sib_dtype_name(types[to]));
            check(&m, what);
        }
}

static void make_where(tiny *t, const value_id *in, const void *context)
{
    (void)context;
    value_id out = tiny_made(t, "y");
    tiny_node(t, "Where", "it", 3, in, 1, &out, 0, NULL);
    tiny_output(t, out);
}

TEST(choices)
{
    for (size_t d = 0; d < COUNT(dtypes); d++) {
        model_case m = {.n_in = 3,
                        .in = {{SIB_BOOL, "4 1 70", false, 1, false},
                               {dtypes[d].dtype, "4 3 1", false, 90, true},
                               {dtypes[d].dtype, "70", true, 90, true}},
                        .make = make_where};
        check(&m, sib_dtype_name(dtypes[d].dtype));
    }
}

/* ---- Several operators in one step --------------------------------------------------------------------- */

/* gate = sigmoid(x + b); y = gate z - x; gate is an output too if context says so. */
static void make_gate(tiny *t, const value_id *in, const void *context)
{
    value_id sum = tiny_op(t, "Add", in[0], in[1], "sum"),
             gate = tiny_op(t, "Sigmoid", sum, NO_VALUE, "gate");
    value_id y = tiny_op(t, "Sub", tiny_op(t, "Mul", gate, in[2], "scaled"), in[0], "y");
    tiny_output(t, y);
    if (*(const bool *)context)
        tiny_output(t, gate);
}

/* Relu(Gelu(x w + b) + x), w [k, k]. */
static void make_product(tiny *t, const value_id *in, const void *context)
{
    (void)context;
    value_id product = tiny_op(t, "MatMul", in[0], in[1], "product");
    value_id gelu = tiny_op(t, "Gelu", tiny_op(t, "Add", product, in[2], "sum"), NO_VALUE, "gelu");
    tiny_output(t, tiny_op(t, "Relu", tiny_op(t, "Add", gelu, in[0], "with"), NO_VALUE, "y"));
}

static void make_convolution(tiny *t, const value_id *in, const void *context)
{
    (void)context;
    value_id out = tiny_op(t, "Conv", in[0], in[1], "conv");
    value_id scaled = tiny_op(t, "Add", tiny_op(t, "Mul", out, in[2], "scaled"), in[3], "shifted");
    tiny_output(t, tiny_op(t, "HardSwish", scaled, NO_VALUE, "y"));
}

/* Quick runs leave out the large size on one thread. */
TEST(together)
{
    static const char *const sizes[][3] = {
        {"3 5", "5", "3 1"}, {"2 40 600", "600", "40 1"}, {"100 3000", "3000", "100 3000"}, {"7", "", "1"}};
    char what[100];
    for (size_t s = 0; s < COUNT(sizes); s++)
        for (size_t d = 0; d < 4; d++)
            for (int more = 0; more < 2; more++) {
                bool leaves = more;
                if (getenv("SIBYL_QUICK") && s == 2 && !more)
                    continue;
                sib_dtype dtype = dtypes[d].dtype;
                model_case m = {.n_in = 3,
                                .in = {{dtype, sizes[s][0], false, 4, false},
                                       {dtype, sizes[s][1], more, 2, false},
                                       {dtype, sizes[s][2], false, 3, false}},
                                .make = make_gate,
                                .context = &leaves,
                                .abs = dtypes[d].rel * 4,
                                .rel = dtypes[d].rel * 4,
                                .threads = more ? 2 : 1};
                snprintf(what, sizeof what, "gate of %s [%s]", sib_dtype_name(dtype), sizes[s][0]);
                check(&m, what);
            }
}

/* Results that are stored past the caches, by several threads: whole, in rows whose ends are not aligned, and
   as one of two results that share a step. */
TEST(past_the_caches)
{
    static const op_row large[] = {{"Mul", 2, "f", 3, 0}, {"Sub", 2, "f", 3, 0}, {"Floor", 1, "f", 9, 0}};
    static const char *const others[] = {"3 821 817", "3 1 1", "817"};
    for (size_t i = 0; i < COUNT(large); i++)
        for (size_t k = 0; k < (large[i].n_in > 1 ? COUNT(others) : 1); k++) {
            if (check_left_out(i * COUNT(others) + k))
                continue;
            model_case m = {
                .n_in = large[i].n_in,
                .in = {{SIB_F32, others[0], false, 3, false}, {SIB_F32, others[k], false, 3, false}},
                .make = make_op,
                .context = &large[i],
                .abs = 1e-6,
                .rel = 1e-6,
                .threads = 2};
            check(&m, large[i].type);
        }
    static const bool leaves = true;
    model_case m = {.n_in = 3,
                    .in = {{SIB_F32, others[0], false, 4, false},
                           {SIB_F32, others[2], true, 2, false},
                           {SIB_F32, others[1], false, 3, false}},
                    .make = make_gate,
                    .context = &leaves,
                    .abs = 1e-5,
                    .rel = 1e-5,
                    .threads = 2};
    check(&m, "gate");
}

TEST(behind_products)
{
    static const char *const sizes[] = {"1 70", "33 70", "3 40 70", "700 70"};
    for (size_t s = 0; s < COUNT(sizes); s++)
        for (int form = 0; form < 2; form++) {
            model_case m = {.n_in = 3,
                            .in = {{SIB_F32, sizes[s], false, 1, false},
                                   {SIB_F32, "70 70", form, 1, false},
                                   {SIB_F32, "70", true, 1, false}},
                            .make = make_product,
                            .abs = 1e-5,
                            .rel = 1e-5,
                            .threads = form ? 2 : 1};
            check(&m, sizes[s]);
        }
    model_case m = {.n_in = 4,
                    .in = {{SIB_F32, "2 8 20 21", false, 1, false},
                           {SIB_F32, "16 8 3 3", true, 1, false},
                           {SIB_F32, "16 1 1", true, 1, false},
                           {SIB_F32, "16 1 1", true, 1, false}},
                    .make = make_convolution,
                    .abs = 1e-5,
                    .rel = 1e-5};
    check(&m, "convolution");
}

/* ---- Errors -------------------------------------------------------------------------------------------- */

TEST(division_by_zero)
{
    static const op_row divides[] = {{"Div", 2, "i", 50, 0}, {"Mod", 2, "i", 50, 0}};
    for (size_t i = 0; i < COUNT(divides); i++)
        for (unsigned backend = 0; backend < 2; backend++) {
            model_case m = {.n_in = 2, /* size 0.5: all zeros */
                            .in = {{SIB_I32, "40 100", false, 50, true}, {SIB_I32, "100", false, 0.5, false}},
                            .make = make_op,
                            .context = &divides[i]};
            sib_value *out[4] = {0};
            sib_error err = SIB_ERROR_INIT;
            CHECK_FAILS(run(&m, backend ? "ref" : "cpu,ref", out, &err), SIB_ERR_VALUE, err,
                        "element 0 is divided by the integer 0");
        }
}
