/* The graph: values and nodes under integer ids. One structure for the graph of a file (nodes are operators)
   and for the graph that runs (nodes are milli-ops and entire operators with concrete dims).

   Invariants, checked by graph_verify:
   - ids index their arrays; every name, list, attribute and node lives in the graph's arena or in the
     model's;
   - a value has at most one producer, a node whose outputs list it. A value without one is an input, a
     capture, a constant, unused (left behind by edits), or nameless: given to a plan from outside;
   - nodes are in topological order: every value is produced before it is used;
   - a subgraph's captures name values of the outer graph that exist and are produced before the node that
     holds the subgraph; each has its own inner value, which no node produces. */
#ifndef GRAPH_GRAPH_H
#define GRAPH_GRAPH_H

#include "graph/arena.h"
#include "graph/dims.h"
#include "graph/type.h"

#include "base/str.h"

typedef uint32_t value_id, node_id;
#define NO_VALUE UINT32_MAX
#define NO_NODE  UINT32_MAX

/* Ids, stored in an arena. */
typedef struct id_list {
    uint32_t n;
    uint32_t *ids; /* (n) */
} id_list;

/* ---- Attributes ----------------------------------------------------------------------------------- */

typedef enum attribute_kind { /* the numbers of AttributeProto.AttributeType */
                              ATTR_FLOAT = 1,
                              ATTR_INT = 2,
                              ATTR_STRING = 3,
                              ATTR_TENSOR = 4,
                              ATTR_GRAPH = 5,
                              ATTR_FLOATS = 6,
                              ATTR_INTS = 7,
                              ATTR_STRINGS = 8,
                              ATTR_TENSORS = 9,
                              ATTR_GRAPHS = 10,
                              /* kept in `tensors` as its three tensors: values, indices, dims */
                              ATTR_SPARSE = 11,
                              ATTR_TYPE = 13
} attribute_kind;

typedef struct attribute {
    sib_str name;
    attribute_kind kind;
    size_t n; /* number of items of a list kind */
    union {
        float f;
        int64_t i;
        sib_str s;
        const sib_tensor *tensor; /* borrowed: the model's keeper owns it */
        struct graph *graph;
        const float *floats;        /* (n) */
        const int64_t *ints;        /* (n) */
        const sib_str *strings;     /* (n) */
        const sib_tensor **tensors; /* (n) */
        struct graph **graphs;      /* (n) */
        const value_type *type;
    };
} attribute;

/* ---- Values and nodes ----------------------------------------------------------------------------- */

typedef struct value {
    sib_str name; /* as in the file; unique within its graph; may be empty in lowered graphs */
    sib_str doc;
    value_type type;            /* what is known: dtype, dims */
    value_type declared;        /* as declared in the file; kind TYPE_UNKNOWN where it is not */
    node_id producer;           /* NO_NODE for inputs, captures and constants */
    const sib_tensor *constant; /* initial or folded, else NULL; borrowed from the keeper */
    const dim *elements; /* (n_elements) elements of an integer tensor where known as dims, else NULL */
    uint32_t n_elements;
    /* the constant is an initializer of the file, not folded; in a plan, it is then also lasting */
    bool from_file;
    /* the type follows from the graph's inputs alone, not from other declarations of the file */
    bool assured;
    /* in a plan: a float64 that one operator makes and reads between its casts, and that decides no step
       (rounding, an integer): a backend may hold it as float32 */
    bool narrow;
    bool lasting; /* in a plan: the constant lives as long as the model, so what derives from it may too */
} value;

typedef struct node {
    sib_str domain, type; /* "" is ai.onnx; "LayerNormalization" */
    sib_str name, doc;
    const struct op_def *op;       /* row of ops.def; NULL where unknown or a milli-op */
    const struct milli_def *milli; /* row of milli.def, NULL for operators */
    const struct op_def *called;   /* of the milli-op call: the registered operator; else NULL */
    sib_str function;              /* "domain:Name" of the function that it was inlined from, or "" */
    const char *fault;             /* why ops_resolve found that the node cannot run; NULL where it can */
    int64_t version;               /* of the domain, as imported by the file */
    id_list inputs, outputs;       /* value ids; NO_VALUE for an omitted optional one */
    size_t n_attributes;
    attribute *attributes; /* (n_attributes) */
    dim flops;             /* operations, from inference; DIM_NONE where unknown */
    node_id origin;        /* in a lowered graph: the node of the source graph that was lowered to this */
} node;

typedef struct capture {
    value_id outer, inner; /* the value of the outer graph, and its counterpart here */
} capture;

typedef struct string_pair {
    sib_str key, value;
} string_pair;

/* ONNX's annotation of a quantized value, kept for writing back. */
typedef struct quant_annotation {
    sib_str tensor;
    size_t n;
    string_pair *parameters; /* (n) */
} quant_annotation;

typedef struct graph {
    sib_str name, doc;
    graph_arena *arena;  /* names, lists, attributes; shared with subgraphs */
    dim_table *dims;     /* borrowed; one per model */
    struct graph *outer; /* the graph around a subgraph, or NULL */
    value *values;       /* (n_values) */
    uint32_t n_values;
    size_t value_capacity;
    node *nodes; /* (n_nodes), in topological order */
    uint32_t n_nodes;
    size_t node_capacity;
    id_list inputs,
        outputs; /* value ids; allocated sizes are powers of 2; inputs with a constant have a default */
    uint32_t n_captures;
    size_t capture_capacity;
    capture *captures;
    size_t n_quant, n_metadata;
    quant_annotation *quant; /* (n_quant) */
    string_pair *metadata;   /* (n_metadata) */
} graph;

/* Creates a graph over an arena and a table of dims, which must outlive it. */
sib_code graph_create(graph_arena *arena, dim_table *dims, graph **out, sib_error *err);
/* Frees the arrays of the graph and its subgraphs; arena, dims and tensors stay. */
void graph_free(graph **g);

/* Adds a value without a producer; copies name. Errors: SIB_ERR_MEMORY, SIB_ERR_SIZE (2^32 values). */
sib_code graph_add_value(graph *g, sib_str name, const value_type *type, value_id *out, sib_error *err);
/* Appends a node copied from *n; its lists and attributes are copied into the arena, but not what
   attributes point to. Sets the producer of its outputs. Errors: SIB_ERR_MEMORY, SIB_ERR_FORMAT (an output
   already has a producer, with the names). */
sib_code graph_add_node(graph *g, const node *n, node_id *out, sib_error *err);
/* Copies *n, its lists and attributes into the arena, but not what attributes point to. Errors:
   SIB_ERR_MEMORY. */
sib_code node_copy(graph_arena *arena, const node *n, node *out, sib_error *err);
sib_code graph_add_input(graph *g, value_id v, sib_error *err);
sib_code graph_add_output(graph *g, value_id v, sib_error *err);
/* Gets the inner value of a capture of `outer`, a value of g->outer; adds the capture where there is none. */
sib_code graph_capture(graph *g, value_id outer, value_id *inner, sib_error *err);

/* Returns the constant of a value, following captures outward; NULL where there is none, or where a caller
   may override it. */
const sib_tensor *graph_find_constant(const graph *g, value_id v);

/* Returns the attribute of this name, or NULL. src/spec defines what it means to an operator. */
const attribute *node_attribute(const node *n, const char *name);

/* "'encoder/conv1' (Conv)", or "node 12 (Conv)" without a name. Returns text. */
const char *node_text(const graph *g, const node *n, char *text, size_t size);

/* Checks the invariants above, subgraphs included. Errors: SIB_ERR_FORMAT, naming the value or node. */
sib_code graph_verify(const graph *g, sib_error *err);

#endif
