/* Shared by tests of passes: rewrites a model, lists the nodes that are left, and compares the results with
   those of the file's graph. */
#ifndef TESTS_RUN_PASSES_CHECK_PASSES_H
#define TESTS_RUN_PASSES_CHECK_PASSES_H

#include "run/tiny.h"

#include "run/optimise.h"
#include "run/session.h"

#include <math.h>

/* Floats in [-1, 1), the same ones for the same seed. */
static inline double passes_draw(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(int64_t)(*seed >> 11) / (double)(INT64_C(1) << 52) - 1;
}

/* A tensor of random numbers times `scale`. */
static inline sib_value *passes_random(sib_dtype dtype, size_t rank, const int64_t *dims, double scale,
                                       uint64_t seed)
{
    double values[4096];
    size_t n = 1;
    for (size_t i = 0; i < rank; i++)
        n *= (size_t)dims[i];
    assert_true(n <= 4096);
    for (size_t i = 0; i < n; i++)
        values[i] = passes_draw(&seed) * scale;
    return tiny_given(dtype, rank, dims, values);
}

/* A constant of the file with random numbers. */
static inline value_id passes_weight(tiny *t, const char *name, size_t rank, const int64_t *dims,
                                     double scale, double offset)
{
    double values[4096];
    uint64_t seed = 1;
    size_t n = 1;
    for (const char *c = name; *c; c++)
        seed = seed * 31 + (unsigned char)*c;
    for (size_t i = 0; i < rank; i++)
        n *= (size_t)dims[i];
    assert_true(n <= 4096);
    for (size_t i = 0; i < n; i++)
        values[i] = passes_draw(&seed) * scale + offset;
    return tiny_constant(t, name, SIB_F32, rank, dims, values);
}

/* A node of one output. */
static inline value_id passes_node(tiny *t, const char *type, size_t n, const value_id *in, const char *out,
                                   size_t n_attributes, attribute *attributes)
{
    value_id made = tiny_made(t, out);
    char name[60];
    snprintf(name, sizeof name, "n_%s", out);
    tiny_node(t, type, name, n, in, 1, &made, n_attributes, attributes);
    return made;
}

/* The operators of a graph in order, as in "Conv Relu". */
static inline const char *passes_nodes(const graph *g, char *text, size_t size)
{
    size_t used = 0;
    text[0] = 0;
    for (uint32_t i = 0; i < g->n_nodes && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%.*s", i ? " " : "",
                                 (int)g->nodes[i].type.length, g->nodes[i].type.data);
    return text;
}

static inline void passes_compare(const sib_value *a, const sib_value *b, double atol, double rtol)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tolerance tolerance = {.atol = atol, .rtol = rtol};
    sib_comparison c;
    CHECK_OK(sib_value_compare(a, b, &tolerance, &c, &err), err);
    if (!c.equal)
        fail_msg("element %llu is %.9g, without passes %.9g", (unsigned long long)c.worst, c.worst_a,
                 c.worst_b);
}

typedef struct passes_case {
    const char *passes; /* as sib_session_options.passes */
    const char *nodes;  /* expected after the passes */
    double atol, rtol;  /* both 0: equal bits */
} passes_case;

/* Runs the model on the reference backend with and without the passes, and checks the rewritten graph.
   Returns the session with passes, which the caller frees. */
static inline sib_session *passes_check(tiny *t, const passes_case *c, size_t n_inputs,
                                        const sib_named_value *inputs)
{
    sib_error err = SIB_ERROR_INIT;
    sib_session_options plain = {.backends = "ref", .threads = 1};
    sib_session_options rewritten = {.backends = "ref", .threads = 1, .passes = c->passes};
    sib_model *m = tiny_model(t);
    sib_session *a = NULL, *b = NULL;
    sib_value *was[8] = {NULL}, *is[8] = {NULL};
    char text[1000];
    CHECK_OK(sib_session_create(m, &rewritten, &b, &err), err);
    CHECK_OK(sib_session_create(m, &plain, &a, &err), err);
    assert_null(a->optimised);
    assert_string_equal(passes_nodes(b->optimised->graph, text, sizeof text), c->nodes);
    CHECK_OK(sib_session_run(a, n_inputs, inputs, 0, NULL, was, NULL, &err), err);
    CHECK_OK(sib_session_run(b, n_inputs, inputs, 0, NULL, is, NULL, &err), err);
    for (size_t i = 0; i < b->optimised->graph->outputs.n; i++) {
        passes_compare(is[i], was[i], c->atol, c->rtol);
        sib_value_free(&was[i]);
        sib_value_free(&is[i]);
    }
    sib_session_free(&a);
    sib_model_free(&m);
    return b;
}

/* The same for one input. Takes ownership of x. */
static inline void passes_check_one(tiny *t, const passes_case *c, const char *name, sib_value *x)
{
    sib_named_value in = {name, x};
    sib_session *s = passes_check(t, c, 1, &in);
    sib_session_free(&s);
    sib_value_free(&x);
}

#endif
