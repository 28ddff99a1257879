/* ONNX files to graphs and back. Protobuf stops here. */
#ifndef ONNX_ONNX_H
#define ONNX_ONNX_H

#include "graph/graph.h"
#include <sibyl/model.h>
#include <stdio.h>

typedef struct opset_import {
    sib_str domain; /* "" is ai.onnx */
    int64_t version;
} opset_import;

/* metadata_props of a node, a value or the graph's initializer: the graph has no room for them. */
typedef enum onnx_props_of { ONNX_PROPS_NODE, ONNX_PROPS_VALUE, ONNX_PROPS_TENSOR } onnx_props_of;
typedef struct onnx_props {
    onnx_props_of of;
    const graph *graph; /* where it stands */
    uint32_t id;        /* node_id or value_id */
    size_t n;
    string_pair *pairs; /* (n) */
} onnx_props;

/* All that a file says. Strings, lists and tensors live in the arena. */
typedef struct onnx_model {
    graph_arena *arena;
    arena_budget budget; /* of arena and dims; limit 0 where nothing is charged to it */
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
    sib_str *diagnostics; /* what was noticed while reading, a sentence each */
    onnx_props *props;    /* in no order; there may be several of one node or value */
} onnx_model;

/* Opens a file: maps it and leaves weights where they are. options: may be NULL. Model-local functions are inlined;
   node names get the call's name and "/" in front. Errors: SIB_ERR_IO, SIB_ERR_FORMAT with the offset, SIB_ERR_SIZE
   (limits), SIB_ERR_UNSUPPORTED, SIB_ERR_MEMORY. */
sib_code onnx_read_file(const char *path, const sib_open_options *options, onnx_model **out, sib_error *err);
/* The same from memory, which is copied; external data is looked for in options->folder, refused without one. */
sib_code onnx_read_bytes(const void *data, size_t size, const sib_open_options *options, onnx_model **out,
                         sib_error *err);
void onnx_free(onnx_model **m);
/* Returns code, or SIB_ERR_SIZE with the limit in *err where code is SIB_ERR_MEMORY because the model's budget is
   spent. label: what is being opened. */
sib_code onnx_explain(const onnx_model *m, const char *label, sib_code code, sib_error *err);

/* Writes a file that reads back as the same graph. external: the name (without folders) of a second file beside it for
   initializers of 1 KiB and more, or NULL for one file. Both are written aside and renamed.
   Errors: SIB_ERR_IO, SIB_ERR_SIZE (above 2 GiB without external), SIB_ERR_MEMORY. */
sib_code onnx_write_file(const onnx_model *m, const char *path, const char *external, sib_error *err);

/* Initializers of this many bytes and more go to the external file, where there is one. */
#define ONNX_EXTERNAL_FROM 1024

/* Elements of external initializers that are made while they are written: the model then has tensors that stand for
   them, of their dtype and dims. */
typedef struct onnx_elements {
    /* Writes all elements of t, or sets *own to false where t has its own. Errors: its own, which end the writing. */
    sib_code (*write)(void *context, const sib_tensor *t, FILE *stream, bool *own, sib_error *err);
    void *context;
} onnx_elements;

/* onnx_write_file with elements (may be NULL) for what goes to the external file, called in the order of the values. */
sib_code onnx_write_file_with(const onnx_model *m, const char *path, const char *external,
                              const onnx_elements *elements, sib_error *err);

/* A TensorProto, SequenceProto, OptionalProto or MapProto in a file of its own (test_data_set_0/input_0.pb).
   type: what the bytes are; a plain tensor where it is unknown. *name: the tensor's name in `arena`-free memory,
   released with sib_free; may be NULL. */
sib_code onnx_read_value(const char *path, const value_type *type, sib_value **out, char **name,
                         sib_error *err);
sib_code onnx_write_value(const char *path, const sib_value *v, const char *name, sib_error *err);

#endif
