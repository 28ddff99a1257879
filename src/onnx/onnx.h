/* Reads ONNX files into graphs and writes them. No other module knows protobuf. */
#ifndef ONNX_ONNX_H
#define ONNX_ONNX_H

#include "graph/graph.h"
#include <sibyl/model.h>
#include <stdio.h>

typedef struct opset_import {
    sib_str domain; /* "" is ai.onnx */
    int64_t version;
} opset_import;

/* metadata_props of a node, a value or an initializer, which the graph cannot hold. */
typedef enum onnx_props_of { ONNX_PROPS_NODE, ONNX_PROPS_VALUE, ONNX_PROPS_TENSOR } onnx_props_of;
typedef struct onnx_props {
    onnx_props_of of;
    const graph *graph; /* the graph that has the node or value */
    uint32_t id;        /* node_id or value_id */
    size_t n;
    string_pair *pairs; /* (n) */
} onnx_props;

/* Everything that a file contains. Strings, lists and tensors live in the arena. */
typedef struct onnx_model {
    graph_arena *arena;
    arena_budget budget; /* of arena and dims; limit 0 where unlimited */
    dim_table *dims;
    graph *graph;
    int64_t ir_version, model_version;
    sib_str producer_name, producer_version, domain, doc;
    size_t n_opsets, n_metadata;
    opset_import *opsets; /* (n_opsets), those of inlined functions included */
    string_pair *metadata;
    uint64_t parameters; /* elements of all initializers */
    uint64_t file_bytes;
    size_t n_diagnostics, n_props;
    sib_str *diagnostics; /* remarks from reading, one sentence each */
    onnx_props *props;    /* unordered; a node or value may have several */
} onnx_model;

/* Opens a file: maps it, without copying weights. options: may be NULL. Model-local functions are inlined;
   names of their nodes are prefixed by the call's name and "/". Errors: SIB_ERR_IO, SIB_ERR_FORMAT with
   the offset, SIB_ERR_SIZE (limits), SIB_ERR_UNSUPPORTED, SIB_ERR_MEMORY. */
sib_code onnx_read_file(const char *path, const sib_open_options *options, onnx_model **out, sib_error *err);
/* The same from memory, which is copied. External data is looked up in options->folder, and rejected where
   that is NULL. */
sib_code onnx_read_bytes(const void *data, size_t size, const sib_open_options *options, onnx_model **out,
                         sib_error *err);
/* The same with functions that are not in the file, but for those that the file has itself. */
typedef struct onnx_more {
    size_t n;
    const struct text_function *const *functions; /* (n) live as long as the call */
} onnx_more;
sib_code onnx_read_file_with(const char *path, const sib_open_options *options, const onnx_more *more,
                             onnx_model **out, sib_error *err);
sib_code onnx_read_bytes_with(const void *data, size_t size, const sib_open_options *options,
                              const onnx_more *more, onnx_model **out, sib_error *err);
/* Inlines such functions in a model that was made by calls: values have names, nodes are in order and hold no
   graphs. After a failure the model can only be freed. */
sib_code onnx_inline(onnx_model *m, const onnx_more *more, sib_error *err);
void onnx_free(onnx_model **m);
/* Returns code; but where code is SIB_ERR_MEMORY because the model's budget is spent, returns SIB_ERR_SIZE
   with the limit in *err. label: names the file. */
sib_code onnx_explain(const onnx_model *m, const char *label, sib_code code, sib_error *err);

/* The IR version that was released with an opset of ai.onnx, 8 for opsets below 20. */
int64_t onnx_ir_version(int64_t opset);
/* Writes a file that reads back as the same graph. external: name, without folders, of a second file in
   the same folder for initializers of 1 KiB and more; NULL writes one file. Both are written under
   temporary names, then renamed. Errors: SIB_ERR_IO, SIB_ERR_SIZE (above 2 GiB without external),
   SIB_ERR_MEMORY. */
sib_code onnx_write_file(const onnx_model *m, const char *path, const char *external, sib_error *err);

/* Min bytes of an initializer that goes to the external file. */
#define ONNX_EXTERNAL_FROM 1024

/* Generates elements of external initializers during writing; the model then has placeholder tensors of
   their dtype and dims. */
typedef struct onnx_elements {
    /* Writes all elements of t to stream, or sets *own to false where t itself has them. Any error ends
       the writing. */
    sib_code (*write)(void *context, const sib_tensor *t, FILE *stream, bool *own, sib_error *err);
    void *context;
} onnx_elements;

/* onnx_write_file with generated elements (may be NULL) for the external file, requested in the order of
   the values. */
sib_code onnx_write_file_with(const onnx_model *m, const char *path, const char *external,
                              const onnx_elements *elements, sib_error *err);

/* Reads and writes a TensorProto, SequenceProto, OptionalProto or MapProto that is a file
   (test_data_set_0/input_0.pb). type: what the bytes hold; a plain tensor where it is unknown. *name: the
   tensor's name, to be released with sib_free; may be NULL. */
sib_code onnx_read_value(const char *path, const value_type *type, sib_value **out, char **name,
                         sib_error *err);
sib_code onnx_write_value(const char *path, const sib_value *v, const char *name, sib_error *err);

#endif
