/* The model behind the public handle: the file's content, with types inferred. */
#ifndef RUN_MODEL_H
#define RUN_MODEL_H

#include "onnx/onnx.h"
#include "run/diagnostics.h"
#include "run/graphs.h"

#include <pthread.h>
#include <stdatomic.h>

struct sib_model {
    atomic_size_t references; /* the caller's and one per session */
    onnx_model *onnx;
    struct packs *packs;         /* packed constants of the model, made by backends */
    struct optimised *optimised; /* graphs that passes made of the file's; guarded by the lock */
    sib_model
        *whole; /* the model that this is a part of, which owns names and weights, or NULL; a reference */
    struct sib_registry *registry; /* a reference; may be NULL */
    graph_shelf graphs;            /* of the file */
    diagnostics notes;
    pthread_mutex_t lock; /* of texts and dims made on request, and of optimised graphs */
};

/* Takes the onnx_model over, even on failure: resolves operators and infers types. infer: false leaves types
   as declared. registry: may be NULL. Errors: SIB_ERR_MEMORY. */
sib_code model_make(onnx_model *onnx, bool infer, struct sib_registry *registry, sib_model **out,
                    sib_error *err);
/* Whether it has operators that programs registered, or backends that programs registered may run it. */
bool model_needs_registry(const sib_model *m);
/* model_make with inference and without a registry. */
sib_code model_from_onnx(onnx_model *m, sib_model **out, sib_error *err);

/* Changes a copy of a model's graph; the ids of its values stay. */
typedef sib_code (*model_edit)(void *context, graph *g, sib_error *err);
/* sib_model_part of a copy of the graph that `edit` has changed; NULL: as it is. It shares the weights of m, packed ones
   too. registry: of the operators that the edit uses; may be NULL. */
sib_code model_part_edited(const sib_model *m, model_edit edit, void *context, struct sib_registry *registry,
                           const char *const *outputs, size_t n, sib_model **out, sib_error *err);

#endif
