/* A backend runs nodes: whole operators, milli-ops, or both. One symbol each, named in registry.c alone. */
#ifndef BACKEND_BACKEND_H
#define BACKEND_BACKEND_H

#include "base/cancel.h"
#include "graph/graph.h"
#include "milli/milli.h"
#include "spec/spec.h"
#include <sibyl/value.h>

/* A node with the types of its inputs and outputs, as a backend sees it. */
typedef struct node_view {
    const graph *graph; /* where the node stands; for dims and constants */
    const node *node;   /* node->op or node->milli is set */
    size_t n_in, n_out;
    const value *const *in;  /* (n_in), NULL for an omitted input; ->constant where it is known */
    const value *const *out; /* (n_out), NULL for an output nobody wants */
} node_view;

/* What a backend made ready to run one node of a plan. Steps of one plan may run in several threads at once with
   different buffers, so `state` is not written by run. */
typedef struct step {
    const struct sib_backend *backend;
    void *self;      /* of the backend */
    void *state;     /* of this step, the backend's own; freed by release */
    uint64_t unread; /* set by prepare: bit i where run does not look at constant input i, which was packed */
    node_view view;
} step;

/* Memory of one value while a plan runs. An output whose dims are known beforehand has a tensor, whose elements run fills;
   for other dims, sequences, optionals and maps its `value` is NULL and run makes one. */
typedef struct buffer {
    sib_value *value;
} buffer;

typedef struct sib_backend_options {
    sib_pool *pool;      /* threads; may be NULL */
    struct packs *packs; /* for what is made of the model's constants; may be NULL */
    struct packs
        *file_packs; /* of those that stand in the file, for all parts of a model; NULL: packs serve */
} sib_backend_options;

typedef struct sib_backend {
    const char *name; /* "ref" */
    const char *description;
    sib_code (*open)(const sib_backend_options *options, void **self, sib_error *err);
    void (*close)(void **self);
    /* May it run this node whole, with these dtypes and dims? No side effects. */
    bool (*claims)(const void *self, const node_view *n);
    /* Once per plan: pick kernels, pack weights, size scratch. Sets s->state. May be NULL: nothing to do. */
    sib_code (*prepare)(void *self, const node_view *n, step *s, sib_error *err);
    void (*release)(step *s); /* frees s->state; NULL where prepare is */
    /* in, out: (view.n_in, view.n_out); in[i].value is NULL for an omitted input, out[i] NULL for one nobody wants.
       Inputs are dense. cancel: looked at where a step may take long, SIB_ERR_CANCELLED once it is set; may be NULL. */
    sib_code (*run)(const step *s, const buffer *const *in, buffer *const *out,
                    const struct sib_cancel *cancel, sib_error *err);
} sib_backend;

/* All backends of this build: (*n), "ref" first. */
const sib_backend *const *backend_list(size_t *n);
/* By name, or NULL. */
const sib_backend *backend_named(const char *name);

#endif
