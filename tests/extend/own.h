/* Models with nodes of my.dom, opened with a registry. */
#ifndef TESTS_EXTEND_OWN_H
#define TESTS_EXTEND_OWN_H

#include "../run/tiny.h"

#include <sibyl/extend.h>

/* Adds a node of my.dom, version 1, called as its type. */
static inline node_id own_node(tiny *t, const char *type, size_t n_in, const value_id *in, size_t n_out,
                               const value_id *out, size_t n_attributes, attribute *attributes)
{
    node_id id = tiny_node(t, type, type, n_in, in, n_out, out, n_attributes, attributes);
    t->g->nodes[id].domain = str_of("my.dom");
    t->g->nodes[id].version = 1;
    return id;
}

static inline value_id own_op(tiny *t, const char *type, value_id in, const char *out)
{
    value_id made = tiny_made(t, out);
    own_node(t, type, 1, &in, 1, &made, 0, NULL);
    return made;
}

/* x float32 [dims] -> type -> y */
static inline tiny own_single(const char *type, const char *dims)
{
    tiny t = tiny_begin();
    tiny_output(&t, own_op(&t, type, tiny_input(&t, "x", SIB_F32, dims), "y"));
    return t;
}

static inline sib_registry *own_registry(const sib_operator *op)
{
    sib_error err = SIB_ERROR_INIT;
    sib_registry *r = NULL;
    CHECK_OK(sib_registry_create(&r, &err), err);
    if (op)
        CHECK_OK(sib_operator_register(r, op, &err), err);
    return r;
}

static inline sib_model *own_model(tiny *t, sib_registry *r)
{
    sib_error err = SIB_ERROR_INIT;
    sib_model *m = NULL;
    CHECK_OK(graph_verify(t->m->graph, &err), err);
    CHECK_OK(model_make(t->m, true, r, &m, &err), err);
    return m;
}

/* Takes the registry over. */
static inline sib_session *own_session(tiny *t, sib_registry *r, const sib_session_options *options)
{
    sib_error err = SIB_ERROR_INIT;
    sib_model *m = own_model(t, r);
    sib_session *s = NULL;
    sib_registry_free(&r);
    CHECK_OK(sib_session_create(m, options, &s, &err), err);
    sib_model_free(&m);
    return s;
}

static inline sib_code own_run(sib_session *s, sib_value *x, sib_value **y, const sib_run_options *options,
                               sib_error *err)
{
    sib_named_value in = {"x", x};
    return sib_session_run(s, 1, &in, 0, NULL, y, options, err);
}

/* Runs x [n] and expects y [m]. */
static inline void own_expect(sib_session *s, size_t n, const double *x, size_t m, const double *y)
{
    sib_error err = SIB_ERROR_INIT;
    int64_t given = (int64_t)n, wanted = (int64_t)m;
    sib_value *in = tiny_given(SIB_F32, 1, &given, x), *out = NULL;
    CHECK_OK(own_run(s, in, &out, NULL, &err), err);
    tiny_expect(out, SIB_F32, 1, &wanted, y);
    sib_value_free(&in);
    sib_value_free(&out);
}

#endif
