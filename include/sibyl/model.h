/* Models: an opened ONNX file with every value and node named and typed. */
#ifndef SIBYL_MODEL_H
#define SIBYL_MODEL_H

#include <sibyl/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sib_model sib_model;
struct sib_registry;

/* Limits on what a file may cost to open; 0 takes the default in brackets, so that a small file stays cheap
   whatever it declares. F: bytes of the file and of the files with its external data. N: nodes in the file,
   those of functions counted once. Beyond a limit, opening fails with SIB_ERR_SIZE and names the option. */
typedef struct sib_open_options {
    bool external_anywhere; /* external data may lie outside the model's folder */
    const char *folder;     /* where external data is looked up; NULL: the folder of the file */
    uint32_t max_depth;     /* max nesting of subgraphs and functions [32] */
    uint64_t max_nodes;     /* nodes, with functions inlined [65,536 + 16 N] */
    /* bytes of initializer elements that are not in the mapped files [64 MiB + 8 F] */
    uint64_t max_bytes;
    /* bytes of names, nodes, values, dims and attributes, with functions inlined, and of what inference adds
       [64 MiB + 32 F] */
    uint64_t max_graph_bytes;
    /* operators, functions and backends of the caller (extend.h), which the model keeps alive; NULL: none */
    struct sib_registry *registry;
    bool any_input_dims; /* accept inputs of any dims, whatever the file declares */
    bool no_inference;   /* keep types as the file declares them */
    sib_logger log;      /* what was opened, and its diagnostics as warnings */
} sib_open_options;

/* Opens an ONNX model of any IR version, those above 13 with a diagnostic. The file is mapped and holds the
   weights, so it must not change while the model is open: truncating a file of more than 1 MiB, external data
   too, ends the process by SIGBUS. Where strangers can write to the file, read it and call
   sib_model_open_bytes. Unknown operators, opsets and types are kept and named; only running them is refused.
   A tensor has at most SIB_MAX_RANK dims; a file with more is SIB_ERR_UNSUPPORTED.
   options: may be NULL. out: owned by the caller, sib_model_free(&m).
   Errors: SIB_ERR_IO, SIB_ERR_FORMAT with the byte offset, SIB_ERR_SIZE (a limit), SIB_ERR_UNSUPPORTED,
   SIB_ERR_MEMORY. */
SIB_API sib_code sib_model_open(const char *path, const sib_open_options *options, sib_model **out,
                                sib_error *err);
/* The same from memory, which is copied. */
SIB_API sib_code sib_model_open_bytes(const void *data, size_t size, const sib_open_options *options,
                                      sib_model **out, sib_error *err);
/* Sessions keep their model alive, so the order of freeing does not matter. */
SIB_API void sib_model_free(sib_model **m);
/* Returns m with another reference, which sib_model_free drops. Thread-safe. */
SIB_API sib_model *sib_model_keep(sib_model *m);

/* Writes the model as ONNX; reading that gives the same graph and results. external: name of a second file
   next to it for the weights, or NULL. Errors: SIB_ERR_IO, SIB_ERR_SIZE (2 GiB without external),
   SIB_ERR_MEMORY. */
SIB_API sib_code sib_model_save(const sib_model *m, const char *path, const char *external, sib_error *err);

/* Extracts the part of a model that some of its values need. Outputs of the new model are `outputs` (n names
   of any values, in this order); it has the nodes and inputs that they need and no others. It shares the
   weights of m and keeps them alive. out: owned by the caller. Metadata of the model is kept, that of single
   nodes and values is not.
   Errors: SIB_ERR_ARGUMENT (a name that no value has; no names, or one twice), SIB_ERR_MEMORY. */
SIB_API sib_code sib_model_part(const sib_model *m, const char *const *outputs, size_t n, sib_model **out,
                                sib_error *err);
/* The same, cut at its inputs too: where a node reads one of `inputs` (n_inputs names of any values but constants), the
   new model has an input of that name and type, and nothing of what makes it. Those that the outputs do not need are left
   out, as are the model's own. Errors: as above. */
SIB_API sib_code sib_model_between(const sib_model *m, const char *const *inputs, size_t n_inputs,
                                   const char *const *outputs, size_t n_outputs, sib_model **out,
                                   sib_error *err);
/* The model in which no node waits for another: each of `names` (n values) is an input, and nodes read what is given
   there, not what another node makes. Its outputs are what the nodes make of that: one for each of `names` that a node
   makes, in this order, called "NAME (made)". A constant among them is an input too; one of integers that a node
   makes is an output alone. Nodes that no output needs are left out. Errors: as above, and SIB_ERR_ARGUMENT where no node makes any. */
SIB_API sib_code sib_model_apart(const sib_model *m, const char *const *names, size_t n, sib_model **out,
                                 sib_error *err);

/* ---- Contents of the file ------------------------------------------------------------------------ */

/* All strings of a model live as long as the model and end with NUL. These calls are thread-safe. */
typedef struct sib_model_info {
    const char *graph_name, *graph_doc, *producer_name, *producer_version, *domain, *doc;
    int64_t ir_version, model_version;
    size_t n_inputs, n_outputs, n_opsets, n_metadata;
    size_t n_nodes, n_values; /* of the main graph, functions inlined */
    /* initializers and the tensors of Constant nodes, subgraphs included */
    size_t n_initializers;
    uint64_t parameters; /* their elements */
    uint64_t parameter_bytes;
    size_t n_diagnostics;
} sib_model_info;
SIB_API void sib_model_get_info(const sib_model *m, sib_model_info *out);
/* Opset i: *domain ("" is ai.onnx) and version. Returns false where i is out of range. */
SIB_API bool sib_model_opset(const sib_model *m, size_t i, const char **domain, int64_t *version);
SIB_API bool sib_model_metadata(const sib_model *m, size_t i, const char **key, const char **value);
/* What reading and inference noticed, such as a declared shape that differs from the inferred one, as a
   sentence. NULL where i is out of range. */
SIB_API const char *sib_model_diagnostic(const sib_model *m, size_t i);

/* Inputs and outputs of the main graph in order. Return false where i is out of range. */
SIB_API bool sib_model_input(const sib_model *m, size_t i, sib_value_info *out);
SIB_API bool sib_model_output(const sib_model *m, size_t i, sib_value_info *out);

/* ---- Values drawn --------------------------------------------------------------------------------- */

/* Draws a value of the type of an input: floats in [-1, 1), integers and bools 0 or 1, which are indices into any table,
   strings of 1 to 8 letters, sequences of 1 to 3 items (of 3 elements where the type says no dims), optionals that hold
   something, maps of 1 to 3 keys from 0 or "a" on. The same state draws the same on every machine.
   sizes: (n_sizes) of symbolic dims. state: any number, replaced by that of the next draw. out: owned by the caller.
   Errors: SIB_ERR_ARGUMENT (NULL; a dim whose size is not given, named), SIB_ERR_UNSUPPORTED (no type, or a tensor of
   unknown rank), SIB_ERR_SIZE, SIB_ERR_MEMORY. */
SIB_API sib_code sib_value_random(const sib_value_info *like, size_t n_sizes, const sib_dim *sizes,
                                  uint64_t *state, sib_value **out, sib_error *err);

/* ---- Values in files ------------------------------------------------------------------------------ */

/* Reads a protobuf value (TensorProto, SequenceProto, OptionalProto, MapProto) as in the ONNX test data.
   like: the input or output that it is for, or NULL for a tensor. name: the name in the file, release with
   sib_free; may be NULL. */
SIB_API sib_code sib_value_load_pb(const char *path, const sib_value_info *like, sib_value **out, char **name,
                                   sib_error *err);
SIB_API sib_code sib_value_save_pb(const char *path, const sib_value *v, const char *name, sib_error *err);

#ifdef __cplusplus
}
#endif
#endif
