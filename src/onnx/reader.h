/* What is at hand while a file is being read, for the files of this room. */
#ifndef ONNX_READER_H
#define ONNX_READER_H

#include "base/names.h"
#include "onnx/locate.h"
#include "onnx/onnx.h"
#include "onnx/raw.h"

#define READER_DEFAULT_DEPTH 32
#define READER_MOST_DEPTH    256 /* what the stack takes, whatever the options say */
/* Defaults of sib_open_options: what any file may cost, and for each node and byte of its own. */
#define READER_NODES          UINT64_C(65536)
#define READER_NODES_PER_NODE 16
#define READER_BYTES          (UINT64_C(64) << 20)
#define READER_BYTES_PER_BYTE 8
#define READER_GRAPH_BYTES    (UINT64_C(64) << 20)
#define READER_GRAPH_PER_BYTE 32
/* Elements that are not aligned are copied at once where they are fewer bytes than this, else when first wanted. */
#ifndef READER_COPY_BELOW
#define READER_COPY_BELOW 65536
#endif
/* Of one node. */
#define READER_MOST_ATTRIBUTES 4096
/* Diagnostics beyond these are not kept. */
#define READER_MOST_DIAGNOSTICS 200

/* Metadata of ours: the opset version of a node, where it is not the one that the model imports. */
#define READER_OPSET_KEY "ai.sibyl.opset"

typedef struct external_file {
    sib_str location;
    mapping *file;
} external_file;

typedef struct reader {
    const char *label; /* of the file, for messages */
    mapping *file;
    char *folder; /* where external data is looked for, or NULL */
    uint32_t max_depth;
    uint64_t max_nodes, max_bytes, max_graph_bytes; /* 0: the default */
    bool external_anywhere;
    bool copy_all;        /* no tensor stands in the mapping */
    onnx_model *model;    /* what is being made; NULL while a single value is read */
    graph_arena *arena;   /* of the model */
    graph_arena *scratch; /* goes when reading ends */
    dim_table *dims;
    uint32_t depth;          /* graphs and functions around what is being read */
    uint64_t n_raw, n_nodes; /* nodes read, nodes and calls made */
    uint64_t copied;         /* bytes of elements outside the mapped files */
    size_t n_externals, external_capacity;
    external_file *externals;
    size_t n_functions, diagnostic_capacity, props_capacity;
    raw_function *functions;
    name_map function_names; /* function_key to number */
    name_map taken;   /* names of values, kept where functions are inlined; next number to try behind each */
    name_map missing; /* domains that nothing imports, each noticed once */
    sib_str dim_prefix;    /* of the names of dims: those of a function's body are its own */
    uint32_t n_calls;      /* of functions, for names of nodes without one */
    size_t n_model_opsets; /* opsets of the model's own; those of functions follow */
    size_t opset_capacity;
    sib_error *err;
} reader;

/* Limits and defaults from options, which may be NULL; err is where failures go. */
void reader_init(reader *r, const sib_open_options *options, sib_error *err);
/* Frees what the reader holds, not the model. */
void reader_clear(reader *r);

/* The failure at a place of the main file, or at none where `at` is NULL or elsewhere. Returns code. */
sib_code reader_fail(reader *r, sib_code code, const uint8_t *at, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
sib_code reader_memory(reader *r, size_t bytes, const char *what);
/* SIB_OK where the walk ended well, else its failure. */
sib_code reader_end(reader *r, const wire_reader *w);
/* Notes a sentence for the model's diagnostics; without effect where memory fails. */
void reader_notice(reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Counts bytes against the limit. Errors: SIB_ERR_SIZE. */
sib_code reader_charge(reader *r, uint64_t bytes, const uint8_t *at);
/* n more for what is n long, room for capacity: *items is moved to twice the room where it is full, in the arena. */
bool reader_room(graph_arena *a, void *items, size_t n, size_t *capacity, size_t size);
/* A copy in the model's arena. */
sib_code reader_string(reader *r, sib_str s, sib_str *out);
sib_code reader_pairs(reader *r, size_t n, const string_pair *pairs, string_pair **out);

/* "%.*s" takes an int. */
#define STR_ARGS(s) (int)((s).length < 200 ? (s).length : 200), (s).data ? (s).data : ""

/* ---- Tensors and types: read_tensor.c, external.c, sparse.c, read_type.c -------------------------- */

typedef struct tensor_proto {
    wire_span bytes;
    sib_str name, doc;
    sib_dtype dtype;
    size_t rank;
    int64_t dims[SIB_MAX_RANK];
    uint64_t count;
    size_t n_bytes; /* of its elements, dense */
    bool has_raw, external;
    wire_span raw;
    sib_str location, offset, length; /* of external data */
} tensor_proto;

/* Reads a TensorProto; *out is the caller's. head: filled, may be NULL. */
sib_code tensor_read(reader *r, wire_span bytes, tensor_proto *head, sib_tensor **out);
/* The bytes of external data: *file is borrowed from the reader. */
sib_code external_find(reader *r, const tensor_proto *p, mapping **file, wire_span *bytes);
/* A SparseTensorProto made dense, and its parts as they stand: values, indices, dims. */
sib_code sparse_read(reader *r, wire_span bytes, sib_tensor **out);
sib_code sparse_read_parts(reader *r, wire_span bytes, sib_tensor *parts[3]);
sib_code type_read(reader *r, wire_span bytes, value_type *out);

/* ---- Graphs and functions: read_graph.c, read_attribute.c, functions.c ---------------------------- */

/* An attribute of a call as the function's body sees it: read where it is used, in the names of where it stands. */
typedef struct binding {
    sib_str name;
    const raw_attribute *attribute;
    const struct scope *scope; /* of the call, or of the function for a default */
} binding;

/* A function being inlined. */
typedef struct call {
    const raw_function *function;
    const struct call *caller; /* the call around, or NULL */
    size_t n;
    binding *bindings; /* (n) */
} call;

/* The names that can be seen from a place. Those of functions see nothing outside. */
typedef struct scope {
    graph *g;
    name_map names;            /* to values of g; NO_VALUE for an input that a call omits */
    const struct scope *outer; /* lexically; NULL for the main graph and for functions */
    const call *call;          /* the function being inlined, or NULL */
    sib_str prefix;            /* of all names made here: "block/" */
    name_map results; /* of a function: its outputs' names to values of g that wait for their producer */
} scope;

/* Fills a graph from raw; s->g is there, its names are filled. */
sib_code graph_read(reader *r, scope *s, const raw_graph *raw);
/* Nodes of a body, in order, functions inlined. */
sib_code body_read(reader *r, scope *s, const raw_body *body);
/* The value of a name as scope s sees it, captured from graph to graph; NO_VALUE for "" and for omitted inputs. */
sib_code scope_find(reader *r, scope *s, sib_str name, bool *found, value_id *out);
/* Makes a value for a name that is new in s and around it; an input may hide a name of the graphs around. */
sib_code scope_define(reader *r, scope *s, sib_str name, const uint8_t *at, bool is_input, value_id *out);
/* Declared type, doc and metadata of values, from ValueInfoProtos. */
sib_code infos_read(reader *r, scope *s, size_t n, const raw_named *infos);
/* Version that applies to a domain. */
int64_t scope_version(reader *r, const scope *s, sib_str domain);
/* Sets *kept to false for an attribute that is not there: a reference to one that the call omits. */
sib_code attribute_read(reader *r, scope *s, const raw_attribute *raw, attribute *out, bool *kept);
/* Frees graphs of attributes that no node has taken over. */
void attributes_drop(attribute *list, size_t n);
/* The function that a node calls, or NULL. */
const raw_function *function_find(const reader *r, const raw_node *n);
sib_code function_names(reader *r);
sib_code function_inline(reader *r, scope *s, const raw_node *n, const raw_function *f);
/* Attribute of the call that `name` refers to, or NULL. */
const binding *call_binding(const call *c, sib_str name);

/* Adds metadata of a node or value to the model's list. */
sib_code props_add(reader *r, onnx_props_of of, const graph *g, uint32_t id, size_t n,
                   const string_pair *pairs);

#endif
