/* Gradient against central differences of the same graph, for every rule of differentiation. */
#include "check.h"

#include "base/alloc.h"
#include "milli/build.h"
#include "onnx/onnx.h"
#include "run/model.h"
#include <math.h>
#include <sibyl/session.h>

/* A graph as text: inputs "x:2,3 w:3", then nodes "Type[attribute=1,2] input input -> output;". An input
   "#2,3" is an int64 list, "%1.5" a float64 scalar. Values are float64; y is differentiated. */
typedef struct sample {
    const char *inputs, *nodes;
} sample;

#define MAX_INPUTS 3

typedef struct build {
    onnx_model *m;
    sib_error err;
    size_t n_inputs;
    value_id inputs[MAX_INPUTS];
    sib_tensor *values[MAX_INPUTS];
} build;

static const char *skip_blanks(const char *s)
{
    while (*s == ' ' || *s == ';')
        s++;
    return s;
}

/* Copies the next word, up to a blank or ';', into word: (64). */
static const char *read_word(const char *s, char *word)
{
    size_t n = 0;
    s = skip_blanks(s);
    while (*s && *s != ' ' && *s != ';' && n < 63)
        word[n++] = *s++;
    word[n] = 0;
    return s;
}

/* Reads numbers "1,2,-3"; returns their count. *several, unless NULL, tells whether there is a ',', a
   trailing one included. */
static size_t read_numbers(const char *s, int64_t *out, bool *several)
{
    size_t n = 0;
    char *stop;
    bool commas = false;
    while (n < 8 && (*s == '-' || (*s >= '0' && *s <= '9'))) {
        out[n++] = strtoll(s, &stop, 10);
        commas |= *stop == ',';
        s = stop + (*stop == ',');
    }
    if (several)
        *several = commas;
    return n;
}

static value_id named(build *b, const char *name)
{
    for (uint32_t i = 0; i < b->m->graph->n_values; i++)
        if (str_is(b->m->graph->values[i].name, name))
            return i;
    value_id id;
    CHECK_OK(graph_add_value(b->m->graph, str_of(name), NULL, &id, &b->err), b->err);
    return id;
}

static value_id constant(build *b, const char *word)
{
    sib_tensor *t = NULL;
    int64_t list[8] = {0}, n = 0;
    if (word[0] == '#')
        n = word[1] ? (int64_t)read_numbers(word + 1, list, NULL) : 0;
    CHECK_OK(sib_tensor_create(word[0] == '#' ? SIB_I64 : SIB_F64, word[0] == '#', &n, &t, &b->err), b->err);
    if (word[0] == '#')
        memcpy(sib_tensor_data(t), list, (size_t)n * sizeof *list);
    else
        *(double *)sib_tensor_data(t) = atof(word + 1);
    value_type type = type_of_dims(b->m->dims, sib_tensor_dtype(t), sib_tensor_rank(t), sib_tensor_dims(t));
    value_id id;
    char name[32];
    snprintf(name, sizeof name, "constant%u", b->m->graph->n_values);
    CHECK_OK(graph_add_value(b->m->graph, str_of(name), &type, &id, &b->err), b->err);
    CHECK_OK(arena_keep(b->m->arena, t, &b->err), b->err);
    b->m->graph->values[id].constant = t;
    b->m->graph->values[id].from_file = true;
    return id;
}

/* Attributes of "Type[a=1;b=2,3]": one number is an int, several are ints, a trailing ',' makes a list of
   one. */
static size_t read_attributes(build *b, char *word, attribute *out)
{
    char *open = strchr(word, '['), *s = open;
    size_t n = 0;
    if (!open)
        return 0;
    *open = 0;
    while (s && s[1] && s[1] != ']') {
        char *name = s + 1, *equals = strchr(name, '=');
        int64_t list[8] = {0};
        bool several;
        *equals = 0;
        size_t count = read_numbers(equals + 1, list, &several);
        bool text = equals[1] >= 'a' && equals[1] <= 'z';
        bool ok = true;
        attribute *a = &out[n++];
        int64_t *kept = arena_alloc(b->m->arena, 8, sizeof *kept);
        memcpy(kept, list, sizeof list);
        a->name = arena_string(b->m->arena, str_of(name), &ok);
        a->kind = text ? ATTR_STRING : several ? ATTR_INTS : ATTR_INT;
        s = strpbrk(equals + 1, "&]");
        if (text) {
            char stop = *s;
            *s = 0;
            a->s = arena_string(b->m->arena, str_of(equals + 1), &ok);
            *s = stop;
        } else if (several) {
            a->n = count;
            a->ints = kept;
        } else
            a->i = list[0];
        s = *s == '&' ? s : NULL;
    }
    return n;
}

static void add_node(build *b, const char *domain, int64_t version, const char *type, size_t n_attributes,
                     attribute *attributes, uint32_t n_in, uint32_t *in, uint32_t n_out, uint32_t *out)
{
    bool ok = true;
    node n = {.domain = str_of(domain),
              .type = arena_string(b->m->arena, str_of(type), &ok),
              .name = arena_string(b->m->arena, str_of(type), &ok),
              .version = version,
              .n_attributes = n_attributes,
              .attributes = attributes,
              .inputs = {n_in, in},
              .outputs = {n_out, out},
              .origin = NO_NODE};
    node_id id;
    CHECK_OK(graph_add_node(b->m->graph, &n, &id, &b->err), b->err);
}

static void add_nodes(build *b, const char *s)
{
    char word[64];
    for (s = skip_blanks(s); *s; s = skip_blanks(s)) {
        char type[64];
        attribute attributes[6] = {{.n = 0}};
        uint32_t in[8], n_in = 0, out[2], n_out = 0;
        s = read_word(s, type);
        size_t n_attributes = read_attributes(b, type, attributes);
        for (s = read_word(s, word); strcmp(word, "->"); s = read_word(s, word))
            in[n_in++] = !strcmp(word, "_")                 ? NO_VALUE
                         : word[0] == '#' || word[0] == '%' ? constant(b, word)
                                                            : named(b, word);
        while (*s && *s != ';' && n_out < 2) {
            s = read_word(s, word);
            out[n_out++] = named(b, word);
        }
        add_node(b, "", 21, type, n_attributes, attributes, n_in, in, n_out, out);
    }
}

/* An input of random numbers in (0.1, 0.9); constant: as an initializer. */
static const char *add_input(build *b, const char *s, check_random *r, bool as_constant)
{
    char word[64];
    int64_t dims[8];
    s = read_word(s, word);
    char *colon = strchr(word, ':');
    *colon = 0;
    size_t rank = read_numbers(colon + 1, dims, NULL), i = b->n_inputs++;
    value_type type = type_of_dims(b->m->dims, SIB_F64, rank, dims);
    CHECK_OK(graph_add_value(b->m->graph, str_of(word), &type, &b->inputs[i], &b->err), b->err);
    CHECK_OK(sib_tensor_create(SIB_F64, rank, dims, &b->values[i], &b->err), b->err);
    double *x = sib_tensor_data(b->values[i]);
    for (uint64_t k = 0; k < sib_tensor_count(b->values[i]); k++)
        x[k] = 0.5 + 0.4 * check_uniform(r);
    if (!as_constant) {
        CHECK_OK(graph_add_input(b->m->graph, b->inputs[i], &b->err), b->err);
        return s;
    }
    sib_tensor *copy = NULL;
    CHECK_OK(sib_tensor_copy(b->values[i], &copy, &b->err), b->err);
    CHECK_OK(arena_keep(b->m->arena, copy, &b->err), b->err);
    b->m->graph->values[b->inputs[i]].constant = copy;
    b->m->graph->values[b->inputs[i]].from_file = true;
    return s;
}

/* The graph of a sample, without Gradient. */
static void begin(build *b, const sample *s, bool as_constants)
{
    check_random r = {UINT64_C(0x9E3779B97F4A7C15)};
    memset(b, 0, sizeof *b);
    b->m = mem_calloc(1, sizeof *b->m);
    assert_non_null(b->m);
    CHECK_OK(arena_create(&b->m->arena, &b->err), b->err);
    CHECK_OK(dim_table_create(&b->m->dims, &b->err), b->err);
    CHECK_OK(graph_create(b->m->arena, b->m->dims, &b->m->graph, &b->err), b->err);
    b->m->ir_version = 10;
    b->m->opsets = arena_alloc(b->m->arena, 2, sizeof *b->m->opsets);
    b->m->n_opsets = 2;
    b->m->opsets[0] = (opset_import){{"", 0}, 21};
    b->m->opsets[1] = (opset_import){str_of("ai.onnx.preview.training"), 1};
    b->m->producer_name = b->m->producer_version = b->m->domain = b->m->doc = (sib_str){"", 0};
    for (const char *t = s->inputs; *t && b->n_inputs < MAX_INPUTS; t = skip_blanks(t))
        t = add_input(b, t, &r, as_constants);
    add_nodes(b, s->nodes);
    CHECK_OK(graph_add_output(b->m->graph, named(b, "y"), &b->err), b->err);
}

/* Gradient(xs, zs, y) of the named values, at those values; its outputs are called d_<x> by default. */
static void add_gradient(build *b, size_t n_xs, const char *const *xs, size_t n_zs, const char *const *zs,
                         const char *y, const char *const *outs)
{
    attribute attributes[3];
    uint32_t in[8], out[4];
    sib_str *names = arena_alloc(b->m->arena, n_xs + n_zs, sizeof *names);
    bool ok = true;
    for (size_t i = 0; i < n_xs + n_zs; i++) {
        names[i] = arena_string(b->m->arena, str_of(i < n_xs ? xs[i] : zs[i - n_xs]), &ok);
        in[i] = named(b, names[i].data);
    }
    for (size_t i = 0; i < n_xs; i++)
        out[i] = named(b, outs[i]);
    attributes[0] = (attribute){.name = str_of("xs"), .kind = ATTR_STRINGS, .n = n_xs, .strings = names};
    attributes[1] =
        (attribute){.name = str_of("zs"), .kind = ATTR_STRINGS, .n = n_zs, .strings = names + n_xs};
    attributes[2] = attribute_str("y", arena_string(b->m->arena, str_of(y), &ok));
    add_node(b, "ai.onnx.preview.training", 1, "Gradient", n_zs ? 3 : 2, attributes, (uint32_t)(n_xs + n_zs),
             in, (uint32_t)n_xs, out);
    if (!n_zs) { /* add_node copied the attributes: without zs, y is the second */
        node *n = &b->m->graph->nodes[b->m->graph->n_nodes - 1];
        n->attributes[1] = attributes[2];
    }
}

/* Runs with the values of b; n outputs. */
static sib_code run(build *b, sib_session *s, size_t n, sib_value **out)
{
    static const char *const names[] = {"x", "w", "v"};
    sib_named_value in[MAX_INPUTS] = {{NULL, NULL}};
    size_t n_in = b->m->graph->inputs.n;
    for (size_t i = 0; i < n_in; i++) {
        sib_value *v = NULL;
        CHECK_OK(sib_value_from_tensor(b->values[i], &v, &b->err), b->err);
        in[i] = (sib_named_value){names[i], v};
    }
    (void)n;
    sib_code code = sib_session_run(s, n_in, in, 0, NULL, out, NULL, &b->err);
    for (size_t i = 0; i < n_in; i++) {
        sib_value *v = (sib_value *)in[i].value;
        sib_value_free(&v);
    }
    return code;
}

static double sum_of(const sib_value *v)
{
    const sib_tensor *t = sib_value_tensor(v);
    const double *x = sib_tensor_data(t);
    double sum = 0;
    for (uint64_t i = 0; i < sib_tensor_count(t); i++)
        sum += x[i];
    return sum;
}

static sib_session *open_session(build *b, sib_model **m)
{
    sib_session *s = NULL;
    sib_session_options options = {.backends = "ref", .threads = 1};
    CHECK_OK(graph_verify(b->m->graph, &b->err), b->err);
    CHECK_OK(model_from_onnx(b->m, m, &b->err), b->err);
    CHECK_OK(sib_session_create(*m, &options, &s, &b->err), b->err);
    return s;
}

static void close_all(build *b, sib_session **s, sib_model **m)
{
    sib_session_free(s);
    sib_model_free(m);
    for (size_t i = 0; i < b->n_inputs; i++)
        sib_tensor_free(&b->values[i]);
}

/* Compares dy/dx of input i with (f(x + h) - f(x - h)) / 2h. outs: y and the gradients. */
static void check_input(build *b, sib_session *s, size_t n_out, sib_value **outs, size_t i, const char *nodes)
{
    const double h = 1e-5;
    double *x = sib_tensor_data(b->values[i]);
    const double *g = sib_tensor_data(sib_value_tensor(outs[1 + i]));
    assert_int_equal(sib_tensor_count(sib_value_tensor(outs[1 + i])), sib_tensor_count(b->values[i]));
    for (uint64_t k = 0; k < sib_tensor_count(b->values[i]); k++) {
        double at = x[k], f[2];
        for (int side = 0; side < 2; side++) {
            sib_value *moved[1 + MAX_INPUTS] = {NULL};
            x[k] = at + (side ? h : -h);
            CHECK_OK(run(b, s, n_out, moved), b->err);
            f[side] = sum_of(moved[0]);
            for (size_t j = 0; j < n_out; j++)
                sib_value_free(&moved[j]);
        }
        x[k] = at;
        double slope = (f[1] - f[0]) / (2 * h);
        if (!(fabs(g[k] - slope) <= 1e-6 + 1e-6 * fabs(slope)))
            fail_msg("%s: input %zu, element %llu: Gradient gives %.12g, differences %.12g", nodes, i,
                     (unsigned long long)k, g[k], slope);
    }
}

static const char *const X_NAMES[] = {"x", "w", "v"}, *const D_NAMES[] = {"dx", "dw", "dv"};

static void check_sample(const sample *t)
{
    build b;
    sib_model *m = NULL;
    sib_value *outs[1 + MAX_INPUTS] = {NULL};
    begin(&b, t, false);
    add_gradient(&b, b.n_inputs, X_NAMES, 0, NULL, "y", D_NAMES);
    for (size_t i = 0; i < b.n_inputs; i++)
        CHECK_OK(graph_add_output(b.m->graph, named(&b, D_NAMES[i]), &b.err), b.err);
    sib_session *s = open_session(&b, &m);
    if (run(&b, s, 1 + b.n_inputs, outs) != SIB_OK)
        fail_msg("%s: %s", t->nodes, b.err.message);
    for (size_t i = 0; i < b.n_inputs; i++)
        check_input(&b, s, 1 + b.n_inputs, outs, i, t->nodes);
    for (size_t i = 0; i < 1 + b.n_inputs; i++)
        sib_value_free(&outs[i]);
    close_all(&b, &s, &m);
}

static const sample SAMPLES[] = {
    /* elementwise */
    {"x:2,3", "Neg x -> y"},
    {"x:2,3", "Sub x %0.5 -> a; Abs a -> y"},
    {"x:2,3", "Sqrt x -> y"},
    {"x:2,3", "Exp x -> y"},
    {"x:2,3", "Log x -> y"},
    {"x:2,3", "Sin x -> y"},
    {"x:2,3", "Cos x -> y"},
    {"x:2,3", "Tan x -> y"},
    {"x:2,3", "Asin x -> y"},
    {"x:2,3", "Acos x -> y"},
    {"x:2,3", "Atan x -> y"},
    {"x:2,3", "Sinh x -> y"},
    {"x:2,3", "Cosh x -> y"},
    {"x:2,3", "Tanh x -> y"},
    {"x:2,3", "Asinh x -> y"},
    {"x:2,3", "Add x %1.5 -> a; Acosh a -> y"},
    {"x:2,3", "Atanh x -> y"},
    {"x:2,3", "Erf x -> y"},
    {"x:2,3", "Sigmoid x -> y"},
    {"x:2,3", "Softplus x -> y"},
    {"x:2,3", "Sub x %0.5 -> a; Relu a -> y"},
    {"x:2,3", "Sub x %0.5 -> a; Elu a -> y"},
    {"x:2,3", "Gelu x -> y"},
    {"x:2,3", "Floor x -> a; Mul a x -> b; Add b x -> y"},
    {"x:2,3", "Round x -> a; Sign a -> b; Mul b x -> y"},
    {"x:2,3", "Reciprocal x -> y"},
    {"x:2,3 w:2,3", "Add x w -> y"},
    {"x:2,3 w:3", "Sub x w -> y"},
    {"x:2,3 w:2,1", "Mul x w -> y"},
    {"x:3 w:2,1", "Div x w -> y"},
    {"x:2,3 w:1,3", "Pow x w -> y"},
    {"x:2,3", "Pow x %0 -> a; Pow x %3 -> b; Add a b -> y"},
    {"x:2,3 w:3", "Min x w -> y"},
    {"x:2,3 w:3", "Max x w -> y"},
    {"x:2,3 w:3", "Mul x %3 -> a; Mod[fmod=1] a w -> y"},
    {"x:2,3 w:3", "Less x w -> c; Where c x w -> y"},
    {"x:2,3 w:3", "Mul x x -> a; Add a x -> b; Mul b w -> c; Sub c a -> y"},
    /* reductions */
    {"x:2,3,2", "ReduceSum[keepdims=0] x #1 -> a; Mul a a -> y"},
    {"x:2,3", "ReduceMean x #0,1 -> a; Mul a x -> y"},
    {"x:2,3", "ReduceMax x #1 -> a; Mul a x -> y"},
    {"x:2,3", "ReduceMin[keepdims=0] x #1 -> y"},
    {"x:2,3", "ReduceL2 x #1 -> y"},
    {"x:2,3", "ReduceLogSumExp x #0 -> y"},
    {"x:2,3", "CumSum x #1 -> a; Mul a a -> y"},
    {"x:2,3", "CumSum[exclusive=1&reverse=1] x #1 -> a; Mul a a -> y"},
    {"x:2,3 w:2,3", "Softmax x -> a; Mul a w -> y"},
    {"x:2,3 w:2,3", "LogSoftmax[axis=0] x -> a; Mul a w -> y"},
    {"x:2,3 w:3 v:3", "LayerNormalization[stash_type=11] x w v -> a; Mul a a -> y"},
    /* layout */
    {"x:2,3 w:3,2", "Reshape x #3,2 -> a; Mul a w -> y"},
    {"x:2,3,2 w:2,2,3", "Transpose[perm=2,0,1] x -> a; Mul a w -> y"},
    {"x:2,1 w:2,2,3", "Expand x #2,2,3 -> a; Mul a w -> y"},
    {"x:4,5 w:2,5", "Slice x #1 #3 #0 -> a; Mul a w -> y"},
    {"x:4,5 w:4,2", "Slice x #0 #4 #1 #2 -> a; Mul a w -> y"},
    {"x:4,5 w:4,5", "Slice x #4 #-9 #1 #-1 -> a; Mul a w -> y"},
    {"x:7 w:3", "Slice x #6 #0 #0 #-2 -> a; Mul a w -> y"},
    {"x:2,3 w:1,3", "Concat[axis=0] x w x -> a; Mul a a -> y"},
    {"x:2,2 w:3,5", "Pad x #1,2,0,1 -> a; Mul a w -> y"},
    {"x:3,4 w:3,3", "Gather[axis=1] x #2,0,2 -> a; Mul a w -> y"},
    {"x:3,2 w:4,2", "Reshape #1,2,0,1 #4,1 -> i; GatherND x i -> a; Mul a w -> y"},
    {"x:3,2 w:2,2", "Reshape #1,0,2,2 #2,2 -> i; GatherElements x i -> a; Mul a w -> y"},
    {"x:4,2 w:2,2 v:4,2", "Reshape #3,1 #2,1 -> i; ScatterND x i w -> a; Mul a v -> y"},
    {"x:4,2 w:2,2 v:4,2", "Reshape #3,3 #2,1 -> i; ScatterND[reduction=add] x i w -> a; Mul a v -> y"},
    {"x:2,4", "Split[axis=1&num_outputs=2] x -> a b; Mul a b -> y"},
    {"x:2,3 w:4,3", "Tile x #2,1 -> a; Mul a w -> y"},
    {"x:2,3", "Unsqueeze x #1 -> a; Mul a a -> b; Squeeze b #1 -> y"},
    {"x:3,4", "TopK x #2 -> a i; Mul a a -> y"},
    /* contraction */
    {"x:2,3 w:3,2", "MatMul x w -> y"},
    {"x:2,2,3 w:3,2", "MatMul x w -> a; Mul a a -> y"},
    {"x:3 w:2,3,2", "MatMul x w -> a; Mul a a -> y"},
    {"x:3,2 w:3,4 v:4", "Gemm[transA=1] x w v -> a; Mul a a -> y"},
    {"x:1,2,4,5 w:3,2,2,3 v:3", "Conv[strides=1,2&pads=1,0,0,1] x w v -> a; Mul a a -> y"},
    {"x:1,2,7 w:2,1,2", "Conv[group=2&dilations=2,] x w -> a; Mul a a -> y"},
    {"x:1,1,4,4", "MaxPool[kernel_shape=2,2&strides=2,2] x -> y"},
    {"x:1,1,4,4", "AveragePool[kernel_shape=2,2&pads=1,1,1,1] x -> a; Mul a a -> y"},
    {"x:3,2,2 w:1,8,2 v:1,8,2", "LSTM[hidden_size=2] x w v -> y"},
    {"x:2,1,2 w:1,6,2 v:1,6,2", "GRU[hidden_size=2] x w v -> y"},
};

TEST(test_rules)
{
    for (size_t i = 0; i < sizeof SAMPLES / sizeof *SAMPLES; i++)
        check_sample(&SAMPLES[i]);
}

/* dx of a graph that already has Gradient nodes, run once. */
static void expect_output(build *b, const char *name, const double *expected, size_t n)
{
    sib_model *m = NULL;
    sib_value *outs[4] = {NULL};
    CHECK_OK(graph_add_output(b->m->graph, named(b, name), &b->err), b->err);
    size_t n_out = b->m->graph->outputs.n;
    sib_session *s = open_session(b, &m);
    CHECK_OK(run(b, s, n_out, outs), b->err);
    const double *g = sib_tensor_data(sib_value_tensor(outs[n_out - 1]));
    assert_int_equal(sib_tensor_count(sib_value_tensor(outs[n_out - 1])), n);
    for (size_t i = 0; i < n; i++)
        if (!(fabs(g[i] - expected[i]) <= 1e-12))
            fail_msg("%s, element %zu: %.15g where %.15g is expected", name, i, g[i], expected[i]);
    for (size_t i = 0; i < n_out; i++)
        sib_value_free(&outs[i]);
    close_all(b, &s, &m);
}

/* zs are held constant; where y does not depend on an input, its gradient is 0. */
TEST(test_held_and_absent)
{
    static const sample s = {"x:2 w:2 v:2", "Mul x w -> y"};
    build b;
    begin(&b, &s, false);
    add_gradient(&b, 2, (const char *const[]){"x", "v"}, 1, (const char *const[]){"w"}, "y", D_NAMES);
    const double *w = sib_tensor_data(b.values[1]);
    double expected[2] = {w[0], w[1]};
    expect_output(&b, "dx", expected, 2);
    begin(&b, &s, false);
    add_gradient(&b, 2, (const char *const[]){"x", "v"}, 1, (const char *const[]){"w"}, "y", D_NAMES);
    expect_output(&b, "dw", (double[]){0, 0}, 2); /* the second output: dv */
}

/* The derivative with respect to an intermediate value, at that value. */
TEST(test_intermediate)
{
    static const sample s = {"x:2", "Sin x -> h; Mul h h -> y"};
    build b;
    begin(&b, &s, false);
    add_gradient(&b, 1, (const char *const[]){"h"}, 0, NULL, "y", D_NAMES);
    const double *x = sib_tensor_data(b.values[0]);
    expect_output(&b, "dx", (double[]){2 * sin(x[0]), 2 * sin(x[1])}, 2);
}

/* Initializers have gradients too, although all could be computed before the run. */
TEST(test_constants)
{
    static const sample s = {"x:2", "Mul x x -> a; Mul a x -> y"};
    build b;
    begin(&b, &s, true);
    add_gradient(&b, 1, X_NAMES, 0, NULL, "y", D_NAMES);
    const double *x = sib_tensor_data(b.values[0]);
    expect_output(&b, "dx", (double[]){3 * x[0] * x[0], 3 * x[1] * x[1]}, 2);
}

/* A Gradient of a Gradient. */
TEST(test_second_order)
{
    static const sample s = {"x:2", "Mul x x -> a; Mul a x -> y"};
    build b;
    begin(&b, &s, false);
    add_gradient(&b, 1, X_NAMES, 0, NULL, "y", D_NAMES);
    add_gradient(&b, 1, X_NAMES, 0, NULL, "dx", (const char *const[]){"ddx"});
    const double *x = sib_tensor_data(b.values[0]);
    expect_output(&b, "ddx", (double[]){6 * x[0], 6 * x[1]}, 2);
}

/* Operators that cannot be differentiated are rejected by name. */
TEST(test_refused)
{
    static const sample s = {"x:2,2", "Det x -> y"};
    build b;
    sib_model *m = NULL;
    sib_value *outs[2] = {NULL};
    begin(&b, &s, false);
    add_gradient(&b, 1, X_NAMES, 0, NULL, "y", D_NAMES);
    CHECK_OK(graph_add_output(b.m->graph, named(&b, "dx"), &b.err), b.err);
    sib_session *session = open_session(&b, &m);
    CHECK_FAILS(run(&b, session, 2, outs), SIB_ERR_UNSUPPORTED, b.err, "determinant");
    close_all(&b, &session, &m);
}
