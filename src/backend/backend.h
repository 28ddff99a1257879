/* The backend interface: runs entire operators, milli-ops, or both. Each backend is one symbol, named only
   in registry.c. */
#ifndef BACKEND_BACKEND_H
#define BACKEND_BACKEND_H

#include "base/cancel.h"
#include "graph/graph.h"
#include "milli/milli.h"
#include "spec/spec.h"
#include <sibyl/session.h>
#include <sibyl/value.h>

struct tensor_away; /* tensor/tensor.h */

/* A node with the types of its inputs and outputs, as a backend sees it. */
typedef struct node_view {
    const graph *graph; /* that holds the node; for dims and constants */
    const node *node;   /* node->op or node->milli is set */
    size_t n_in, n_out;
    const value *const *in;  /* (n_in), NULL for an omitted input; ->constant where it is known */
    const value *const *out; /* (n_out), NULL for an unused output */
} node_view;

/* What a backend prepared to run one node of a plan. Steps of one plan may run in several threads at once
   with different buffers, so run does not write `state`. */
typedef struct step {
    const struct sib_backend *backend;
    void *self;      /* from the backend's open */
    void *state;     /* of this step, owned by the backend; freed by release */
    uint64_t unread; /* set by prepare: bit i where run does not read constant input i, since it was packed */
    /* Of a device's step, set by the plan: bit i where run copies input i to the device first, since the host
       made it; bit i where it copies output i to the host at last, since the host reads it. on_host: bit i where the
       host has the elements of input i too. */
    uint64_t arrive, leave, on_host;
    node_view view;
} step;

/* Memory of one value during a run. An output whose dims are known in advance has a tensor, whose elements
   run fills; for other dims, sequences, optionals and maps `value` is NULL and run creates one. A value that
   a device's step reads or makes has a place on the device too, at `offset` of `memory` that the backend
   allocated; such a value of two steps of the device is never copied, and its tensor has no elements then. */
typedef struct buffer {
    sib_value *value;
    void *memory; /* NULL: it has no place on the device */
    size_t offset;
    bool stays; /* the memory is the value's own, from run to run: no step copies it either way */
} buffer;

/* Alignment of the places of values on a device, in bytes. */
#define DEVICE_ALIGN 256

typedef struct sib_backend_options {
    const struct sib_backend *backend; /* that is opened */
    sib_pool *pool;                    /* threads; may be NULL */
    struct packs *packs;               /* made from the model's constants; may be NULL */
    struct choices *tuning;            /* kernels are chosen by measuring where this is not NULL */
    struct packs *file_packs;          /* constants of the file, for all parts of a model; NULL: packs */
    unsigned device;                   /* number of the device, for a backend that has some */
} sib_backend_options;

typedef struct sib_backend {
    const char *name; /* "ref" */
    const char *description;
    sib_code (*open)(const sib_backend_options *options, void **self, sib_error *err);
    void (*close)(void **self);
    /* Whether it runs this node as one step, with these dtypes and dims. No side effects. */
    bool (*claims)(const void *self, const node_view *n);
    /* Once per plan: picks kernels, packs weights, sizes scratch. Sets s->state. NULL where there is
       nothing to do. */
    sib_code (*prepare)(void *self, const node_view *n, step *s, sib_error *err);
    void (*release)(step *s); /* frees s->state; NULL where prepare is NULL */
    /* in: (view.n_in), in[i].value is NULL for an omitted input; out: (view.n_out), out[i] is NULL for an
       unused output. Inputs are dense. cancel: polled where a step may take long, SIB_ERR_CANCELLED once
       it is set; may be NULL. */
    sib_code (*run)(const step *s, const buffer *const *in, buffer *const *out,
                    const struct sib_cancel *cancel, sib_error *err);
    bool registered; /* by the caller: it is offered registered operators too */
    /* Of a backend whose values live on a device; NULL for others. A session has one at most. alloc: memory
       for all values of a run, kept from run to run. Errors: SIB_ERR_MEMORY, those of the device. */
    sib_code (*alloc)(void *self, size_t bytes, void **memory, sib_error *err);
    void (*free)(void *self, void **memory);
    /* Memory for one value that stays on the device: it outlives the session. Errors: those of alloc. */
    sib_code (*keep)(void *self, size_t bytes, struct tensor_away **out, sib_error *err);
    /* That memory, where it is of this session's device; else NULL. */
    void *(*kept)(const void *self, const struct tensor_away *a);
    /* Waits for what its steps began, which others than the device's may be doing still when run returns. ns: receives
       how long the device worked since the last call, by its own clock; 0: unknown. Errors: those of steps. */
    sib_code (*finish)(void *self, uint64_t *ns, sib_error *err);
    bool asked; /* sessions open it only where they name it */
    /* Opens a device and fills device, features, memory and max_value of *out. NULL where it is this processor.
       Errors: those of open, SIB_ERR_UNSUPPORTED where there is no device of that number. */
    sib_code (*device)(unsigned number, struct sib_backend_info *out, sib_error *err);
    /* Measures a device. NULL where device is. Errors: those of device. */
    sib_code (*measure)(unsigned number, struct sib_device_rates *out, sib_error *err);
    /* Name of what runs a prepared step, static; for people. NULL where there is only one way. */
    const char *(*kernel)(const step *s);
} sib_backend;

/* All backends of this build: (*n), "ref" first. */
const sib_backend *const *backend_list(size_t *n);
/* Returns NULL for an unknown name. */
const sib_backend *backend_named(const char *name);

#endif
