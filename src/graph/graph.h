/* The graph: values and nodes under integer ids. One structure for what a file says (nodes of operators) and for
   what is run (nodes of milli-ops and whole operators with concrete dims).

   Invariants, checked by graph_verify:
   - ids index their arrays; every name, list, attribute and node lives in the graph's arena or in the model's;
   - a value has one producer (a node, whose outputs list it) or none: then it is an input, a capture or a constant, one
     that nobody reads (what edits leave behind), or has no name: what a plan is given from outside;
   - nodes stand in an order in which every value is produced before it is used;
   - a subgraph's captures name values of the graph around it, which exist and are made before the node that holds the
     subgraph; each has a value of its own inside, which no node makes. */
#ifndef GRAPH_GRAPH_H
#define GRAPH_GRAPH_H

#include "graph/arena.h"
#include "graph/dims.h"
#include "graph/type.h"

#include "base/str.h"

typedef uint32_t value_id, node_id;
#define NO_VALUE UINT32_MAX
#define NO_NODE  UINT32_MAX

/* Ids in an arena. */
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
                              ATTR_SPARSE =
                                  11, /* kept as its three tensors in `tensors`: values, indices, dims */
                              ATTR_TYPE = 13
} attribute_kind;

typedef struct attribute {
    sib_str name;
    attribute_kind kind;
    size_t n; /* items of a list kind */
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
    sib_str name; /* as in the file; unique within its graph, may be empty in lowered graphs */
    sib_str doc;
    value_type type;            /* what is known: dtype, dims */
    value_type declared;        /* what the file says; kind TYPE_UNKNOWN where it says nothing */
    node_id producer;           /* NO_NODE for inputs, captures and constants */
    const sib_tensor *constant; /* initial or folded, else NULL; borrowed from the keeper */
    const dim
        *elements; /* (n_elements) where the elements of an integer tensor are known as dims, else NULL */
    uint32_t n_elements;
    bool
        from_file; /* the constant is an initializer of the file, not folded; in a plan too, where it is also lasting */
    bool
        assured; /* the type follows from the graph's inputs: nothing of it is what the file declares beyond that */
    bool lasting; /* in a plan: the constant stays as long as the model, so what is made of it may too */
} value;

typedef struct node {
    sib_str domain, type; /* "" is ai.onnx; "LayerNormalization" */
    sib_str name, doc;
    const struct op_def *op;       /* row of ops.def, NULL where unknown or a milli-op */
    const struct milli_def *milli; /* row of milli.def, NULL for operators */
    const char *fault;             /* why the node cannot be run, as ops_resolve found; NULL for none */
    int64_t version;               /* of the domain, as the file imports it */
    id_list inputs, outputs;       /* value ids; NO_VALUE for an omitted optional one */
    size_t n_attributes;
    attribute *attributes; /* (n_attributes) */
    dim flops;             /* operations, as inference found; DIM_NONE where not known */
    node_id origin;        /* in a lowered graph: the source graph's node that this one was lowered from */
} node;

typedef struct capture {
    value_id outer, inner; /* the value around, and the one that stands for it here */
} capture;

typedef struct string_pair {
    sib_str key, value;
} string_pair;

/* What ONNX says about a quantized value; kept for writing back. */
typedef struct quant_annotation {
    sib_str tensor;
    size_t n;
    string_pair *parameters; /* (n) */
} quant_annotation;

typedef struct graph {
    sib_str name, doc;
    graph_arena *arena;  /* names, lists, attributes; shared with the graphs inside */
    dim_table *dims;     /* borrowed, one for a whole model */
    struct graph *outer; /* the graph around a subgraph, or NULL */
    value *values;       /* (n_values) */
    uint32_t n_values;
    size_t value_capacity;
    node *nodes; /* (n_nodes), in order of use */
    uint32_t n_nodes;
    size_t node_capacity;
    id_list inputs,
        outputs; /* value ids, with room for the next power of 2; inputs with a constant have a default */
    uint32_t n_captures;
    size_t capture_capacity;
    capture *captures;
    size_t n_quant, n_metadata;
    quant_annotation *quant; /* (n_quant) */
    string_pair *metadata;   /* (n_metadata) */
} graph;

/* A graph over an arena and a table of dims that outlive it. */
sib_code graph_create(graph_arena *arena, dim_table *dims, graph **out, sib_error *err);
/* Frees the graph's arrays and its subgraphs' (attributes of kind graph); arena, dims and tensors stay. */
void graph_free(graph **g);

/* A new value without producer; name is copied. Errors: SIB_ERR_MEMORY, SIB_ERR_SIZE (2^32 values). */
sib_code graph_add_value(graph *g, sib_str name, const value_type *type, value_id *out, sib_error *err);
/* A new node at the end, copied from *n: its lists and attributes are copied into the arena (not what attributes
   point to). Sets the producer of its outputs. Errors: SIB_ERR_MEMORY, SIB_ERR_FORMAT (an output that has a producer
   already, with the names). */
sib_code graph_add_node(graph *g, const node *n, node_id *out, sib_error *err);
/* A copy of *n whose lists and attributes stand in the arena (not what attributes point to). Errors: SIB_ERR_MEMORY. */
sib_code node_copy(graph_arena *arena, const node *n, node *out, sib_error *err);
/* Appends to inputs or outputs. */
sib_code graph_add_input(graph *g, value_id v, sib_error *err);
sib_code graph_add_output(graph *g, value_id v, sib_error *err);
/* The inner value that stands for `outer` of g->outer, made where there is none yet. */
sib_code graph_capture(graph *g, value_id outer, value_id *inner, sib_error *err);

/* The constant of a value, by way of the graphs around where it is captured; NULL where there is none, or where a caller
   may give the graph another. */
const sib_tensor *graph_constant_behind(const graph *g, value_id v);

/* Attribute by name, or NULL. What it means to an operator is for src/spec to say. */
const attribute *node_attribute(const node *n, const char *name);

/* "'encoder/conv1' (Conv)", or "node 12 (Conv)" without a name. Returns text. */
const char *node_text(const graph *g, const node *n, char *text, size_t size);

/* Checks the invariants above, subgraphs included. Errors: SIB_ERR_FORMAT naming the value or node. */
sib_code graph_verify(const graph *g, sib_error *err);

#endif
