/* Models made by calls, node by node, in the place of a file. */
#ifndef SIBYL_BUILD_H
#define SIBYL_BUILD_H

#include <sibyl/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A model under construction, for one thread at a time. A call with wrong arguments (SIB_ERR_ARGUMENT,
   SIB_ERR_UNSUPPORTED) adds nothing; after another error it can only be freed. */
typedef struct sib_build sib_build;

/* Begins an empty model of this opset of ai.onnx. out: owned by the caller, sib_build_free(&b).
   Errors: SIB_ERR_ARGUMENT (an opset below 1), SIB_ERR_MEMORY. */
SIB_API sib_code sib_build_create(int64_t opset, sib_build **out, sib_error *err);
SIB_API void sib_build_free(sib_build **b);

/* Imports another domain. Errors: SIB_ERR_ARGUMENT (imported before, a version below 1), SIB_ERR_MEMORY. */
SIB_API sib_code sib_build_opset(sib_build *b, const char *domain, int64_t version, sib_error *err);

/* Gives the model a registry (extend.h), as sib_open_options.registry does; b keeps it alive. Its functions in
   text are inlined by sib_build_model: names of their nodes and values begin with the call's name and "/".
   Errors: SIB_ERR_ARGUMENT (NULL). */
struct sib_registry;
SIB_API sib_code sib_build_registry(sib_build *b, struct sib_registry *r, sib_error *err);

/* Names of values are not empty and given once; all strings and elements are copied. */

/* Adds an input of the model, a tensor. dims: (rank) -1 for a dim named by dim_names ("T"), or for a dim of
   any size where that name, or dim_names, is NULL. Errors: SIB_ERR_ARGUMENT, SIB_ERR_MEMORY. */
SIB_API sib_code sib_build_input(sib_build *b, const char *name, sib_dtype dtype, size_t rank,
                                 const int64_t *dims, const char *const *dim_names, sib_error *err);
/* Adds an initializer. Errors: SIB_ERR_ARGUMENT, SIB_ERR_MEMORY. */
SIB_API sib_code sib_build_constant(sib_build *b, const char *name, const sib_tensor *t, sib_error *err);

typedef struct sib_build_node {
    const char *domain, *type, *name; /* domain and name: NULL for "" */
    size_t n_inputs, n_outputs, n_attributes;
    const char *const *inputs;       /* (n_inputs) values that exist; NULL or "" for an omitted one */
    const char *const *outputs;      /* (n_outputs) new values; NULL or "" for an omitted one */
    const sib_attribute *attributes; /* (n_attributes) numbers, strings and tensors; their text is not read */
} sib_build_node;
/* Adds a node. Errors: SIB_ERR_ARGUMENT (a name, a domain that is not imported), SIB_ERR_UNSUPPORTED
   (attributes that hold graphs, sparse tensors or types), SIB_ERR_MEMORY. */
SIB_API sib_code sib_build_add(sib_build *b, const sib_build_node *node, sib_error *err);
/* Makes a value the next output of the model. Errors: SIB_ERR_ARGUMENT (no such value), SIB_ERR_MEMORY. */
SIB_API sib_code sib_build_output(sib_build *b, const char *name, sib_error *err);

/* Ends the construction: infers types and gives the model, as sib_model_open does. *b is freed in any case.
   out: owned by the caller, sib_model_free(&m). Errors: SIB_ERR_ARGUMENT (no outputs), SIB_ERR_FORMAT (a function
   that calls itself, or has fewer inputs or outputs than its call), SIB_ERR_SIZE, SIB_ERR_MEMORY. */
SIB_API sib_code sib_build_model(sib_build **b, sib_model **out, sib_error *err);

#ifdef __cplusplus
}
#endif
#endif
