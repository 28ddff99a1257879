/* A file's messages as a tree, not yet interpreted; strings and payloads point into the file. Everything
   lives in the reader's scratch arena and in the mapped file. */
#ifndef ONNX_RAW_H
#define ONNX_RAW_H

#include "base/wire.h"
#include "graph/graph.h"
#include "onnx/proto.h"

struct reader;

/* A message that is read later, with its name. */
typedef struct raw_named {
    sib_str name;
    wire_span bytes;
} raw_named;

typedef struct raw_attribute {
    const uint8_t *at;
    wire_span bytes;
    sib_str name, ref; /* ref: the attribute of the enclosing function that it refers to, or "" */
    uint32_t kind;     /* AttributeProto.AttributeType, inferred where the file has none; 0: unknown */
    uint32_t n_graphs;
    struct raw_graph *graphs; /* (n_graphs) of kinds GRAPH and GRAPHS */
    const attribute
        *made; /* of a node that was made by calls, in the place of all but the names; else NULL */
} raw_attribute;

typedef struct raw_node {
    const uint8_t *at;
    sib_str name, type, domain, overload, doc; /* domain "" is ai.onnx */
    bool replaced;                             /* a Constant that a later one of the same name replaces */
    int64_t version;                           /* as noted in the metadata by our writer, else 0 */
    uint32_t n_inputs, n_outputs, n_attributes, n_metadata;
    sib_str *inputs, *outputs;
    raw_attribute *attributes;
    string_pair *metadata;
} raw_node;

/* Nodes of a graph or function, and a topological order of them. */
typedef struct raw_body {
    size_t n;
    raw_node *nodes; /* (n) as in the file */
    uint32_t *order; /* (n), or NULL where the file has them in order */
} raw_body;

typedef struct raw_graph {
    const uint8_t *at;
    sib_str name, doc;
    raw_body body;
    size_t n_inputs, n_outputs, n_infos, n_initializers, n_sparse, n_quant, n_metadata, n_free;
    raw_named *inputs, *outputs, *infos, *initializers, *sparse;
    wire_span *quant;
    string_pair *metadata;
    sib_str *free; /* (n_free) names used here or in subgraphs and defined outside */
} raw_graph;

typedef struct raw_function {
    const uint8_t *at;
    sib_str name, domain, overload;
    sib_str label; /* "domain:name", in the model's arena */
    raw_body body;
    size_t n_inputs, n_outputs, n_names, n_defaults, n_opsets, n_infos;
    sib_str *inputs, *outputs;
    sib_str *names;          /* (n_names) attributes without a default */
    raw_attribute *defaults; /* (n_defaults) attributes with a default */
    struct opset_import *opsets;
    raw_named *infos;
} raw_function;

/* Read one message each. Errors: SIB_ERR_FORMAT, SIB_ERR_SIZE (nodes, depth), SIB_ERR_MEMORY. */
sib_code raw_read_graph(struct reader *r, wire_span bytes, raw_graph *out);
sib_code raw_read_function(struct reader *r, wire_span bytes, raw_function *out);
sib_code raw_read_opset(struct reader *r, wire_span bytes, struct opset_import *out);
sib_code raw_read_pair(struct reader *r, wire_span bytes, string_pair *out);
/* Reads the name in field `number` of a message; "" where there is none. */
sib_code raw_read_name(struct reader *r, wire_span bytes, const proto_message *message, uint32_t number,
                       sib_str *out);

/* Finds a topological order of a body; it is stable: nodes already in order stay. Errors: SIB_ERR_FORMAT
   (a cycle, with one of its nodes), SIB_ERR_MEMORY. */
sib_code raw_order(struct reader *r, raw_body *body);
/* Fills g->free from the other fields. */
sib_code raw_find_free(struct reader *r, raw_graph *g);

#endif
