/* Graphs: what a model's file holds, at any depth, and the milli-ops of a node, without running anything. */
#ifndef SIBYL_GRAPH_H
#define SIBYL_GRAPH_H

#include <sibyl/value.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sib_model;

/* A graph, only read. Values and nodes have numbers from 0, which stay valid as long as the graph, as do
   strings and lists. Reading is thread-safe. */
typedef struct sib_graph sib_graph;

/* No value, node or graph. */
#define SIB_NONE UINT32_MAX

/* ---- The graphs of a model ------------------------------------------------------------------------- */

/* Number of graphs: the main graph, and the graphs in attributes of nodes (If, Loop, Scan, SequenceMap,
   ...) at any depth. Model-local functions are inlined where they are called. */
SIB_API size_t sib_model_graphs(const struct sib_model *m);
/* Graph i, borrowed from the model. 0 is the main graph; the others follow in the order of the nodes that
   hold them, each before the graphs inside it. Returns NULL where i is out of range. */
SIB_API const sib_graph *sib_model_graph(const struct sib_model *m, size_t i);

typedef struct sib_graph_info {
    const char *name, *doc;
    uint32_t number;        /* of sib_model_graph */
    uint32_t outer, holder; /* the graph around it, and its node that holds it; SIB_NONE for the main graph */
    const char *attribute;  /* of that node: "then_branch"; NULL for the main graph */
    size_t n_inputs, n_outputs, n_nodes, n_values;
    const uint32_t *inputs, *outputs;     /* numbers of values */
    size_t n_captures;                    /* values of graphs around it that it reads; see sib_value_info */
    size_t n_initializers;                /* and tensors of Constant nodes, without those of subgraphs */
    uint64_t parameters, parameter_bytes; /* their elements and bytes */
} sib_graph_info;
SIB_API void sib_graph_get_info(const sib_graph *g, sib_graph_info *out);

/* ---- Values ---------------------------------------------------------------------------------------- */

typedef struct sib_value_info {
    const char *name, *doc;
    const char *type;     /* "float32 [T, 80]", "seq(int64 [N])" */
    const char *declared; /* what the file says of it, without what is inferred; NULL where it says nothing */
    sib_value_kind kind;  /* 0 where unknown */
    sib_dtype dtype;      /* SIB_DTYPE_UNKNOWN where unknown */
    bool ranked;
    size_t rank;
    int64_t dims[SIB_MAX_RANK];          /* -1 for a dim that is not a number */
    const char *dim_names[SIB_MAX_RANK]; /* its expression: "T", "2*T+1"; NULL for numbers */
    const sib_tensor *constant;          /* initializer or folded value, owned by the model; otherwise NULL */
    bool initializer;                    /* the constant is an initializer of the file */
    bool optional_input;                 /* an input with a default value */
    uint32_t producer; /* the node that makes it; SIB_NONE for inputs, constants, captures */
    uint32_t captured; /* of a capture: the value of the outer graph; otherwise SIB_NONE */
} sib_value_info;
/* Value i. Returns false where i is out of range. */
SIB_API bool sib_graph_value(const sib_graph *g, size_t i, sib_value_info *out);
/* The nodes that read value i, in order; a node whose subgraphs capture it is one of them. Returns their
   number and sets *nodes; 0 where i is out of range or memory fails. */
SIB_API size_t sib_graph_users(const sib_graph *g, size_t i, const uint32_t **nodes);

/* ---- Nodes ----------------------------------------------------------------------------------------- */

typedef struct sib_node_info {
    const char *name, *domain, *type, *doc;
    int64_t version; /* opset that applies; 0 for a milli-op */
    bool known;      /* Sibyl has the operator */
    const char
        *function; /* the model-local function that it was inlined from ("my.domain:Block"); otherwise NULL */
    size_t n_inputs, n_outputs, n_attributes;
    const uint32_t *inputs, *outputs; /* numbers of values; SIB_NONE for an omitted one */
    const char *flops;                /* operations as an expression ("2*T*384*384"), NULL where unknown */
    const char *bytes;                /* bytes read and written, likewise */
} sib_node_info;
/* Node i, in execution order. Returns false where i is out of range. */
SIB_API bool sib_graph_node(const sib_graph *g, size_t i, sib_node_info *out);

/* The numbers of AttributeProto.AttributeType. */
typedef enum sib_attribute_kind {
    SIB_ATTRIBUTE_FLOAT = 1,
    SIB_ATTRIBUTE_INT = 2,
    SIB_ATTRIBUTE_STRING = 3,
    SIB_ATTRIBUTE_TENSOR = 4,
    SIB_ATTRIBUTE_GRAPH = 5,
    SIB_ATTRIBUTE_FLOATS = 6,
    SIB_ATTRIBUTE_INTS = 7,
    SIB_ATTRIBUTE_STRINGS = 8,
    SIB_ATTRIBUTE_TENSORS = 9,
    SIB_ATTRIBUTE_GRAPHS = 10,
    SIB_ATTRIBUTE_SPARSE = 11,
    SIB_ATTRIBUTE_TYPE = 13
} sib_attribute_kind;

/* One of the lists is set, by kind, for graphs and types none; a single item is a list of one. */
typedef struct sib_attribute {
    const char *name;
    sib_attribute_kind kind;
    size_t n; /* items */
    const float *floats;
    const int64_t *ints;
    const sib_str *strings;
    const sib_tensor *const *tensors; /* SPARSE: values, indices, dims */
    /* the value as text: "[1, 2]", "same_upper", "float32 [3]"; long lists are cut with "..." */
    const char *text;
} sib_attribute;
/* Attribute k of node i. Returns false where out of range or memory fails. */
SIB_API bool sib_graph_attribute(const sib_graph *g, size_t i, size_t k, sib_attribute *out);

/* The number (sib_model_graph) of graph `item` of attribute k of node i; SIB_NONE where there is none. */
SIB_API uint32_t sib_graph_inner(const sib_graph *g, size_t i, size_t k, size_t item);

/* ---- For given sizes ------------------------------------------------------------------------------- */

/* A symbolic dim and its size. */
typedef struct sib_dim {
    const char *name;
    int64_t size;
} sib_dim;

/* The dims of value i with symbolic dims of these sizes. out: (rank of the value) -1 for a dim that needs another size,
   or that only a run knows. Errors: SIB_ERR_ARGUMENT (i out of range, a dim that the model does not have, a size below
   0), SIB_ERR_MEMORY. */
SIB_API sib_code sib_graph_dims(const sib_graph *g, size_t i, size_t n_dims, const sib_dim *dims,
                                int64_t out[SIB_MAX_RANK], sib_error *err);
/* Operations, and bytes read and written, of node i likewise; -1 where unknown. */
SIB_API sib_code sib_graph_cost(const sib_graph *g, size_t i, size_t n_dims, const sib_dim *dims,
                                int64_t *flops, int64_t *bytes, sib_error *err);

/* ---- Milli-ops ------------------------------------------------------------------------------------- */

/* The milli-ops that a node of a file's graph is made of, as a graph: inputs and outputs are the node's,
   with their names; the domain of nodes is "milli". dims: (n_dims) sizes for symbolic dims by name; those
   without a size stay symbols. milli-ops of constants alone are computed, as they are before a run.
   out: owned by the caller, sib_graph_free(&g); it keeps what it needs of the model alive.
   Errors: SIB_ERR_ARGUMENT (i out of range, a dim that the model does not have, a size below 0),
   SIB_ERR_UNSUPPORTED (an unknown operator; one that runs graphs; milli-ops that depend on a dim or on
   elements that only a run knows, which the message names), what the operator refuses, SIB_ERR_MEMORY. */
SIB_API sib_code sib_graph_milli(const sib_graph *g, size_t i, size_t n_dims, const sib_dim *dims,
                                 sib_graph **out, sib_error *err);
/* Frees a graph that is not a model's. NULL and a pointer to NULL are allowed. */
SIB_API void sib_graph_free(sib_graph **g);

#ifdef __cplusplus
}
#endif
#endif
