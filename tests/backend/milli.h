/* Runs one milli-op on the reference backend, as a plan would: a graph of one node, its inputs, and memory
   for its outputs. */
#ifndef TESTS_BACKEND_MILLI_H
#define TESTS_BACKEND_MILLI_H

#include "backend/backend.h"
#include "milli/build.h"
#include "tensor/support.h"

#define CASE_MAX_IN  8
#define CASE_MAX_OUT 4

/* Declared dtype and dims of an output; rank -1: the kernel allocates it. */
typedef struct out_spec {
    sib_dtype dtype;
    int rank;
    int64_t dims[SIB_MAX_RANK];
} out_spec;

typedef struct milli_case {
    graph_arena *arena;
    dim_table *dims;
    graph *graph;
    size_t n_in, n_out;
    out_spec specs[CASE_MAX_OUT];
    const value *in_values[CASE_MAX_IN], *out_values[CASE_MAX_OUT];
    buffer buffers[CASE_MAX_IN + CASE_MAX_OUT];
    const buffer *in[CASE_MAX_IN];
    buffer *out[CASE_MAX_OUT];
    bool unwanted[CASE_MAX_OUT]; /* to be set before the run: nobody reads this output */
    sib_pool *pool;
    struct sib_backend_options options;
    void *self;
    step step;
} milli_case;

static inline value_id case_value(milli_case *c, const char *name, const value_type *type)
{
    sib_error err = SIB_ERROR_INIT;
    value_id id;
    CHECK_OK(graph_add_value(c->graph, str_of(name), type, &id, &err), err);
    return id;
}

/* The backend named by the environment variable SIBYL_TEST_BACKEND runs the milli-ops that it claims, ref the
   others: the same tests hold for both. */
static inline void case_choose_backend(milli_case *c)
{
    const char *name = getenv("SIBYL_TEST_BACKEND");
    const sib_backend *b = name ? backend_named(name) : NULL;
    sib_error err = SIB_ERROR_INIT;
    c->step.backend = backend_named("ref");
    if (name)
        assert_non_null(b);
    if (!b || !b->open)
        return;
    CHECK_OK(b->open(&c->options, &c->self, &err), err);
    if (b->claims(c->self, &c->step.view)) {
        c->step.backend = b;
        c->step.self = c->self;
        if (b->prepare)
            CHECK_OK(b->prepare(c->self, &c->step.view, &c->step, &err), err);
    } else {
        b->close(&c->self);
    }
}

/* in: (n_in), values; attributes: (n_attributes); specs: (n_out). The case holds views of its inputs. */
static inline void case_make_values(milli_case *c, milli_kind kind, size_t n_in, const sib_value *const *in,
                                    size_t n_attributes, const attribute *attributes, size_t n_out,
                                    const out_spec *specs)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "x", "y", "z", "w"};
    sib_error err = SIB_ERROR_INIT;
    uint32_t ids[CASE_MAX_IN + CASE_MAX_OUT];
    memset(c, 0, sizeof *c);
    CHECK_OK(arena_create(&c->arena, &err), err);
    CHECK_OK(dim_table_create(&c->dims, &err), err);
    CHECK_OK(graph_create(c->arena, c->dims, &c->graph, &err), err);
    c->n_in = n_in;
    c->n_out = n_out;
    for (size_t i = 0; i < n_in; i++) {
        const sib_tensor *t = sib_value_tensor(in[i]);
        value_type type = {0};
        if (t)
            type = type_of_dims(c->dims, sib_tensor_dtype(t), sib_tensor_rank(t), sib_tensor_dims(t));
        ids[i] = case_value(c, names[i], &type);
        CHECK_OK(graph_add_input(c->graph, ids[i], &err), err);
        CHECK_OK(sib_value_copy(in[i], &c->buffers[i].value, &err), err);
        c->in[i] = &c->buffers[i];
    }
    for (size_t i = 0; i < n_out; i++) {
        value_type type = type_tensor(specs[i].dtype);
        c->specs[i] = specs[i];
        if (specs[i].rank >= 0)
            type = type_of_dims(c->dims, specs[i].dtype, (size_t)specs[i].rank, specs[i].dims);
        ids[n_in + i] = case_value(c, names[CASE_MAX_IN + i], &type);
        c->out[i] = &c->buffers[n_in + i];
    }
    node n = {.milli = milli_row(kind),
              .type = str_of(milli_row(kind)->name),
              .inputs = {(uint32_t)n_in, ids},
              .outputs = {(uint32_t)n_out, ids + n_in},
              .n_attributes = n_attributes,
              .attributes = (attribute *)attributes,
              .origin = NO_NODE};
    node_id id;
    CHECK_OK(graph_add_node(c->graph, &n, &id, &err), err);
    for (size_t i = 0; i < n_in; i++)
        c->in_values[i] = &c->graph->values[ids[i]];
    for (size_t i = 0; i < n_out; i++)
        c->out_values[i] = &c->graph->values[ids[n_in + i]];
    c->step.view = (node_view){c->graph, &c->graph->nodes[id], n_in, n_out, c->in_values, c->out_values};
    case_choose_backend(c);
}

static inline void case_make(milli_case *c, milli_kind kind, size_t n_in, const sib_tensor *const *in,
                             size_t n_attributes, const attribute *attributes, size_t n_out,
                             const out_spec *specs)
{
    sib_error err = SIB_ERROR_INIT;
    sib_value *values[CASE_MAX_IN] = {NULL};
    for (size_t i = 0; i < n_in; i++)
        CHECK_OK(sib_value_from_tensor(in[i], &values[i], &err), err);
    case_make_values(c, kind, n_in, (const sib_value *const *)values, n_attributes, attributes, n_out, specs);
    for (size_t i = 0; i < n_in; i++)
        sib_value_free(&values[i]);
}

static inline void case_clear_outputs(milli_case *c)
{
    for (size_t i = 0; i < c->n_out; i++)
        sib_value_free(&c->buffers[c->n_in + i].value);
}

/* Runs with new outputs filled with 0xFF, so that elements the kernel does not write show. */
static inline sib_code case_run(milli_case *c, sib_error *err)
{
    sib_code code = SIB_OK;
    case_clear_outputs(c);
    for (size_t i = 0; i < c->n_out && code == SIB_OK; i++) {
        sib_tensor *t = NULL;
        c->out[i] = c->unwanted[i] ? NULL : &c->buffers[c->n_in + i];
        if (c->specs[i].rank < 0 || c->unwanted[i])
            continue;
        code = sib_tensor_create(c->specs[i].dtype, (size_t)c->specs[i].rank, c->specs[i].dims, &t, err);
        if (code == SIB_OK && c->specs[i].dtype != SIB_STRING)
            memset(sib_tensor_data(t), 0xFF,
                   (size_t)(sib_tensor_count(t) * sib_dtype_bits(c->specs[i].dtype) + 7) / 8);
        if (code == SIB_OK)
            code = sib_value_from_tensor(t, &c->buffers[c->n_in + i].value, err);
        sib_tensor_free(&t);
    }
    if (code == SIB_OK)
        code = c->step.backend->run(&c->step, c->in, c->out, NULL, err);
    if (code != SIB_OK)
        case_clear_outputs(c);
    return code;
}

static inline const sib_tensor *case_out(const milli_case *c, size_t i)
{
    const sib_value *v = c->buffers[c->n_in + i].value;
    return v ? sib_value_tensor(v) : NULL;
}

static inline void case_free(milli_case *c)
{
    for (size_t i = 0; i < CASE_MAX_IN + CASE_MAX_OUT; i++)
        sib_value_free(&c->buffers[i].value);
    if (c->self) {
        if (c->step.backend->release)
            c->step.backend->release(&c->step);
        c->step.backend->close(&c->self);
    }
    graph_free(&c->graph);
    dim_table_free(&c->dims);
    arena_free(&c->arena);
}

/* ---- One line per run: the result is owned by the caller ----------------------------------------------- */

static inline sib_tensor *run_milli(milli_kind kind, size_t n_in, const sib_tensor *const *in,
                                    size_t n_attributes, const attribute *attributes, out_spec spec)
{
    sib_error err = SIB_ERROR_INIT;
    milli_case c;
    sib_tensor *out;
    case_make(&c, kind, n_in, in, n_attributes, attributes, 1, &spec);
    CHECK_OK(case_run(&c, &err), err);
    assert_non_null(case_out(&c, 0));
    CHECK_OK(sib_tensor_copy(case_out(&c, 0), &out, &err), err);
    case_free(&c);
    return out;
}

/* Checks that the run fails with `expected` and a message that contains words. */
static inline void fail_milli(milli_kind kind, size_t n_in, const sib_tensor *const *in, size_t n_attributes,
                              const attribute *attributes, out_spec spec, sib_code expected,
                              const char *words)
{
    sib_error err = SIB_ERROR_INIT;
    milli_case c;
    case_make(&c, kind, n_in, in, n_attributes, attributes, 1, &spec);
    CHECK_FAILS(case_run(&c, &err), expected, err, words);
    case_free(&c);
}

/* ---- Tensors ------------------------------------------------------------------------------------------- */

/* A tensor of numbers converted from doubles. */
static inline sib_tensor *numbers(sib_dtype dtype, size_t rank, const int64_t *dims, const double *v)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t;
    CHECK_OK(sib_tensor_create(dtype, rank, dims, &t, &err), err);
    if (sib_tensor_count(t) > 0)
        CHECK_OK(sib_convert(SIB_F64, v, dtype, sib_tensor_data(t), (size_t)sib_tensor_count(t),
                             SIB_OVERFLOW_IEEE, &err),
                 err);
    return t;
}

#define DIMS(...)              ((const int64_t[]){__VA_ARGS__})
#define SPEC(dtype, rank, ...) ((out_spec){dtype, rank, {__VA_ARGS__}})
/* VECTOR(SIB_F32, 1, 2, 3): a tensor of rank 1. */
#define VECTOR(dtype, ...)                                                                                   \
    numbers(dtype, 1, DIMS((int64_t)(sizeof((double[]){__VA_ARGS__}) / sizeof(double))),                     \
            (double[]){__VA_ARGS__})

static inline out_spec spec_of(sib_dtype dtype, size_t rank, const int64_t *dims)
{
    out_spec s = {.dtype = dtype, .rank = (int)rank};
    for (size_t i = 0; i < rank; i++)
        s.dims[i] = dims[i];
    return s;
}

static inline sib_tensor *strings(size_t rank, const int64_t *dims, const char *const *v)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t, *flat;
    CHECK_OK(sib_tensor_create(SIB_STRING, rank, dims, &t, &err), err);
    CHECK_OK(sib_tensor_reshape(t, 1, DIMS((int64_t)sib_tensor_count(t)), &flat, &err), err);
    for (int64_t i = 0; i < (int64_t)sib_tensor_count(t); i++)
        CHECK_OK(sib_tensor_set_string(flat, &i, (sib_str){v[i], strlen(v[i])}, &err), err);
    sib_tensor_free(&flat);
    return t;
}

/* index of the flat position i in row-major order. */
static inline void unravel(const sib_tensor *t, uint64_t i, int64_t *index)
{
    for (size_t a = sib_tensor_rank(t); a-- > 0; i /= (uint64_t)sib_tensor_dims(t)[a])
        index[a] = (int64_t)(i % (uint64_t)sib_tensor_dims(t)[a]);
}

static inline double number_at(const sib_tensor *t, const int64_t *index)
{
    sib_error err = SIB_ERROR_INIT;
    double x = 0;
    CHECK_OK(sib_tensor_get(t, index, &x, &err), err);
    return x;
}

static inline double number(const sib_tensor *t, uint64_t i)
{
    int64_t index[SIB_MAX_RANK];
    unravel(t, i, index);
    return number_at(t, index);
}

/* Row-major position of an index. */
static inline uint64_t ravel(const sib_tensor *t, const int64_t *index)
{
    uint64_t at = 0;
    for (size_t a = 0; a < sib_tensor_rank(t); a++)
        at = at * (uint64_t)sib_tensor_dims(t)[a] + (uint64_t)index[a];
    return at;
}

/* Whether element i of `out` and element k of `from` have the same bits or the same string; both are
   dense. */
static inline bool same_element(const sib_tensor *out, uint64_t i, const sib_tensor *from, uint64_t k)
{
    sib_dtype dtype = sib_tensor_dtype(out);
    if (dtype != sib_tensor_dtype(from))
        return false;
    if (dtype == SIB_STRING) {
        const sib_str *a = (const sib_str *)sib_tensor_data(out) + i,
                      *b = (const sib_str *)sib_tensor_data(from) + k;
        return a->length == b->length && memcmp(a->data, b->data, a->length) == 0;
    }
    if (dtype == SIB_C128)
        return memcmp((char *)sib_tensor_data(out) + 16 * i, (char *)sib_tensor_data(from) + 16 * k, 16) == 0;
    return get_code(dtype, sib_tensor_data(out), (size_t)i) ==
           get_code(dtype, sib_tensor_data(from), (size_t)k);
}

/* Checks dtype, dims and elements; NaN equals NaN, and zeros must have the same sign. */
static inline void expect_numbers(const sib_tensor *t, sib_dtype dtype, size_t rank, const int64_t *dims,
                                  const double *v)
{
    assert_int_equal(sib_tensor_dtype(t), dtype);
    assert_int_equal(sib_tensor_rank(t), rank);
    for (size_t i = 0; i < rank; i++)
        assert_int_equal(sib_tensor_dims(t)[i], dims[i]);
    for (uint64_t i = 0; i < sib_tensor_count(t); i++) {
        double x = number(t, i);
        bool same = isnan(v[i]) ? isnan(x) : x == v[i] && signbit(x) == signbit(v[i]);
        if (!same)
            fail_msg("element %d is %.17g, expected %.17g", (int)i, x, v[i]);
    }
}

#define EXPECT_VECTOR(t, dtype, ...)                                                                         \
    expect_numbers(t, dtype, 1, DIMS((int64_t)(sizeof((double[]){__VA_ARGS__}) / sizeof(double))),           \
                   (double[]){__VA_ARGS__})

static inline void free_all(size_t n, sib_tensor **tensors)
{
    for (size_t i = 0; i < n; i++)
        sib_tensor_free(&tensors[i]);
}

/* Inputs and attributes of a run. */
#define IN(...)         ((const sib_tensor *const[]){__VA_ARGS__})
#define ATTRIBUTES(...) ((const attribute[]){__VA_ARGS__})
#define RUN(kind, spec, n_in, ...)                                                                           \
    run_milli(kind, n_in, (const sib_tensor *const[]){__VA_ARGS__}, 0, NULL, spec)

#endif
