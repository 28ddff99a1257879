/* Extending Sibyl: operators, backends and functions of the caller's own, by hand or from plug-ins.

   A registry holds them. It is given to the models that use it (sib_open_options.registry), so nothing is
   global, and two models of one process may know different operators. */
#ifndef SIBYL_EXTEND_H
#define SIBYL_EXTEND_H

#include <sibyl/lowering.h>
#include <sibyl/session.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Registries ---------------------------------------------------------------------------------------- */

typedef struct sib_registry sib_registry;

/* out: owned by the caller, sib_registry_free(&r). Errors: SIB_ERR_MEMORY. */
SIB_API sib_code sib_registry_create(sib_registry **out, sib_error *err);
/* Drops the caller's reference; models keep the registry alive until they are freed. What was registered is
   released then, on that thread, plug-ins last. NULL and a pointer to NULL are allowed. */
SIB_API void sib_registry_free(sib_registry **r);
/* Operator i as "domain:Name", functions in text among them; NULL where i is out of range. Lives as long as
   the registry. Thread-safe. */
SIB_API const char *sib_registry_operator(const sib_registry *r, size_t i);
/* Name of registered backend i, likewise. */
SIB_API const char *sib_registry_backend(const sib_registry *r, size_t i);

/* ---- Nodes as callbacks see them ------------------------------------------------------------------------ */

/* Only read; lives until the callback returns, in a backend as long as what it prepared. */
typedef struct sib_node sib_node;

/* inputs and outputs, flops, bytes, function and n_values are not set. */
SIB_API void sib_node_get_info(const sib_node *n, sib_node_info *out);
/* The type of input or output i, without text: `type` and `dim_names` are NULL. Returns false where it is
   omitted or out of range. */
SIB_API bool sib_node_input(const sib_node *n, size_t i, sib_value_info *out);
SIB_API bool sib_node_output(const sib_node *n, size_t i, sib_value_info *out);
/* An attribute by name, without text. Where the node lacks it, the default that the operator was registered
   with. Returns false where there is neither. */
SIB_API bool sib_node_attribute(const sib_node *n, const char *name, sib_attribute *out);
/* Attribute i of those that the node has itself, without text. Returns false where i is out of range. */
SIB_API bool sib_node_attribute_at(const sib_node *n, size_t i, sib_attribute *out);
/* The number of an attribute; `otherwise` where there is none, or where it is no number. */
SIB_API int64_t sib_node_int(const sib_node *n, const char *name, int64_t otherwise);
SIB_API double sib_node_float(const sib_node *n, const char *name, double otherwise);

/* ---- Calls ---------------------------------------------------------------------------------------------- */

/* One call of an operator's function, or of a backend's. */
typedef struct sib_call sib_call;

SIB_API const sib_node *sib_call_node(const sib_call *c);
/* Threads of the session, may be NULL. */
SIB_API sib_pool *sib_call_pool(const sib_call *c);
/* True once the caller of the run cancelled it: long work should then return SIB_ERR_CANCELLED. */
SIB_API bool sib_call_cancelled(const sib_call *c);
/* Number of inputs and outputs of the node. */
SIB_API size_t sib_call_inputs(const sib_call *c);
SIB_API size_t sib_call_outputs(const sib_call *c);
/* Input i, borrowed until the call returns; NULL where it is omitted or out of range. */
SIB_API const sib_value *sib_call_input(const sib_call *c, size_t i);
/* Its tensor, which is dense; NULL where it is none. */
SIB_API const sib_tensor *sib_call_tensor(const sib_call *c, size_t i);
/* The tensor of output i, to be filled entirely by the call: planned memory where the dims were known before
   the run. *out is NULL, without an error, where nobody reads the output.
   Errors: SIB_ERR_VALUE (not what was declared or inferred, with both), SIB_ERR_ARGUMENT (i), SIB_ERR_SIZE,
   SIB_ERR_MEMORY. */
SIB_API sib_code sib_call_output(sib_call *c, size_t i, sib_dtype dtype, size_t rank, const int64_t *dims,
                                 sib_tensor **out, sib_error *err);
/* Sets output i to v, of any kind; its elements are copied. Errors as sib_call_output. */
SIB_API sib_code sib_call_give(sib_call *c, size_t i, const sib_value *v, sib_error *err);

/* ---- Operators ------------------------------------------------------------------------------------------ */

/* Max inputs, and max outputs, of a node of a registered operator. */
#define SIB_OPERATOR_ENDS 64

typedef struct sib_operator_attribute {
    sib_attribute value; /* name, kind, and the default; n 0 where there is none. `text` is not read */
    bool required;
} sib_operator_attribute;

/* What an operator is. Everything is copied but `context`. Callbacks are called from the threads that open
   models and run sessions, several at once where these are: what they change in the context needs a lock. They
   do not call the model or session that they are called for; others they may.
   They return SIB_OK, or another code with a sentence in *err (never NULL), to which the node's name is added.

   Either `run` or `lower` is set. */
typedef struct sib_operator {
    const char *domain, *name;  /* "my.dom", "Foo" */
    int64_t since, until;       /* opset versions of the domain that it defines; 0: no bound */
    int min_inputs, max_inputs; /* max -1: up to SIB_OPERATOR_ENDS; the first min must not be omitted */
    int max_outputs;            /* 0: 1; -1: up to SIB_OPERATOR_ENDS */
    /* (n_types) dtypes of the inputs: "float32|float16"; "T", the same for all inputs that say T;
       "T=float32|float16", both; NULL or "", any. The last holds for further inputs. */
    const char *const *types;
    size_t n_types;
    const sib_operator_attribute *attributes; /* (n_attributes) */
    size_t n_attributes;
    /* Take the place of an operator of Sibyl's own in its domain ("" for ai.onnx) */
    bool replaces_standard;
    void *context;
    void (*release)(void *context); /* called once the registry is freed, not where registering fails; may be
                                       NULL */

    /* Computes the outputs: equal inputs may give other outputs each time; every call in the graph whose
       outputs are read is made once per run. */
    sib_code (*run)(void *context, sib_call *c, sib_error *err);
    /* With run: declares the outputs' types (sib_lowering_declare) from those of the inputs, which may be
       symbolic, and if need be their elements (sib_mval_content). What is not declared is known once run
       returns; planning goes on after it. NULL: nothing is declared. */
    sib_code (*shape)(void *context, sib_lowering *l, sib_error *err);
    /* Defines the operator by milli-ops: see lowering.h. */
    sib_code (*lower)(void *context, sib_lowering *l, sib_error *err);
} sib_operator;

/* Registers an operator. Models opened later with the registry know it. Thread-safe.
   Errors: SIB_ERR_ARGUMENT (a field, by name; an operator of that name and those versions is registered; one of
   Sibyl's own without replaces_standard), SIB_ERR_MEMORY. */
SIB_API sib_code sib_operator_register(sib_registry *r, const sib_operator *op, sib_error *err);

/* Registers operators written as ONNX functions in ONNX's textual syntax, all of the text or none:

       <domain: "my.dom", opset_import: ["" : 20]>
       Swish <beta: float = 1.0> (x) => (y)
       {
           b = Constant <value_float: float = @beta> ()
           scaled = Mul (x, b)
           gate = Sigmoid (scaled)
           y = Mul (x, gate)
       }

   Values are defined before they are read. Attributes are numbers, strings, lists, tensors (float[2] {1, 2}),
   graphs and references (@beta). A model that has a function of the same name keeps its own. text: (size)
   bytes. label: names it in messages, such as a path; may be NULL. Thread-safe.
   Errors: SIB_ERR_FORMAT with line and column, SIB_ERR_ARGUMENT (a name that is taken, or one of Sibyl's own),
   SIB_ERR_SIZE, SIB_ERR_MEMORY. */
SIB_API sib_code sib_function_register_text(sib_registry *r, const char *text, size_t size, const char *label,
                                            sib_error *err);

/* ---- Backends ------------------------------------------------------------------------------------------- */

/* A backend runs nodes that the session's other backends would run too: entire operators, registered ones
   among them, and milli-ops (domain "milli"; docs/operators.md says what each computes). What it does not
   support goes to the next backend, operator by operator. Callbacks as for operators; run is called with
   several states, and one state from several threads, at once. */
typedef struct sib_backend_definition {
    const char *name;        /* for sib_session_options.backends and --backend: letters, digits, - and _ */
    const char *description; /* may be NULL */
    void *context;
    void (*release)(void *context); /* as for operators */
    /* Whether it runs this node with these dtypes and dims, which are numbers where they do not depend on data.
       No effects, and the same answer for the same types and constants: it is remembered. */
    bool (*supports)(void *context, const sib_node *n);
    /* Once per plan: packs weights (sib_value_info.constant of an input), sizes scratch. *state: for run. NULL:
       nothing to do. */
    sib_code (*prepare)(void *context, const sib_node *n, void **state, sib_error *err);
    void (*discard)(void *context, void *state); /* frees a state; may be NULL */
    sib_code (*run)(void *context, void *state, sib_call *c, sib_error *err);
} sib_backend_definition;

/* Registers a backend. Sessions of models that are opened with the registry have it: before Sibyl's own where
   they name no backends, else where they name it. Thread-safe.
   Errors: SIB_ERR_ARGUMENT (a field, by name; a backend of that name exists), SIB_ERR_MEMORY. */
SIB_API sib_code sib_backend_register(sib_registry *r, const sib_backend_definition *b, sib_error *err);

/* ---- Plug-ins ------------------------------------------------------------------------------------------- */

/* The version of this header that a plug-in is built for; another one is refused. */
#define SIB_PLUGIN_ABI 2

/* A plug-in is a shared library with this function, which registers what it has:

       SIB_PLUGIN(registry, err)
       {
           return sib_operator_register(registry, &my_operator, err);
       }

   It is built against the headers alone: the program that loads it has the functions.
       cc -shared -fPIC plugin.c -o plugin.so $(pkg-config --cflags sibyl) */
#define SIB_PLUGIN(registry, err)                                                                            \
    SIB_PLUGIN_EXPORT const uint32_t sibyl_plugin_abi = SIB_PLUGIN_ABI;                                      \
    SIB_PLUGIN_EXPORT sib_code sibyl_plugin_init(sib_registry *registry, sib_error *err)
#define SIB_PLUGIN_EXPORT __attribute__((visibility("default")))
extern const uint32_t sibyl_plugin_abi;
sib_code sibyl_plugin_init(sib_registry *registry, sib_error *err);

/* Loads a plug-in: runs its code in this process, and keeps it loaded as long as the registry lives. A
   program that links the static library must export its functions (CMake's ENABLE_EXPORTS, -rdynamic).
   Errors: SIB_ERR_IO (no such file, or the loader's words), SIB_ERR_FORMAT (no plug-in, or one for another
   version), those of its function, SIB_ERR_MEMORY. */
SIB_API sib_code sib_plugin_load(sib_registry *r, const char *path, sib_error *err);

#ifdef __cplusplus
}
#endif
#endif
