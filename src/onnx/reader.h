/* State and functions shared by the files that read ONNX. */
#ifndef ONNX_READER_H
#define ONNX_READER_H

#include "base/error.h"
#include "base/names.h"
#include "onnx/onnx.h"
#include "onnx/raw.h"

#define READER_DEFAULT_DEPTH 32
#define READER_MAX_DEPTH     256 /* what the stack allows, whatever the options say */
/* Defaults of sib_open_options: a constant for any file, plus an amount per node or byte of the file. */
#define READER_NODES          UINT64_C(65536)
#define READER_NODES_PER_NODE 16
#define READER_BYTES          (UINT64_C(64) << 20)
#define READER_BYTES_PER_BYTE 8
#define READER_GRAPH_BYTES    (UINT64_C(64) << 20)
#define READER_GRAPH_PER_BYTE 32
/* Unaligned elements of fewer bytes are copied when read, others on first use. */
#ifndef READER_COPY_BELOW
#define READER_COPY_BELOW 65536
#endif
/* Per node. */
#define READER_MAX_ATTRIBUTES 4096
/* Max diagnostics that are kept. */
#define READER_MAX_DIAGNOSTICS 200

/* Our metadata: a node's opset version where it differs from the model's import. */
#define READER_OPSET_KEY "ai.sibyl.opset"

typedef struct external_file {
    sib_str location;
    mapping *file;
} external_file;

typedef struct reader {
    const char *label; /* of the file, for messages */
    mapping *file;
    char *folder; /* of external data, or NULL */
    uint32_t max_depth;
    uint64_t max_nodes, max_bytes, max_graph_bytes; /* 0: the default */
    bool external_anywhere;
    bool copy_all;        /* tensors must not point into the mapping */
    onnx_model *model;    /* being built; NULL while a single value is read */
    graph_arena *arena;   /* of the model */
    graph_arena *scratch; /* freed when reading ends */
    dim_table *dims;
    uint32_t depth;          /* number of enclosing graphs and functions */
    uint64_t n_raw, n_nodes; /* nodes in the file; nodes and calls after inlining */
    uint64_t copied;         /* bytes of elements that are not in mapped files */
    size_t n_externals, external_capacity;
    external_file *externals;
    size_t n_functions, diagnostic_capacity, props_capacity;
    raw_function *functions;
    const onnx_more *more;   /* functions beside those of the file; may be NULL */
    name_map function_names; /* function_key to number */
    /* names of values, kept where functions are inlined, with the next number to try for each */
    name_map taken;
    name_map missing;      /* domains without an import, each reported once */
    sib_str dim_prefix;    /* of names of dims, since those of a function's body are local to it */
    uint32_t n_calls;      /* function calls, to name nodes without a name */
    size_t n_model_opsets; /* the model's own opsets; those of functions follow */
    size_t opset_capacity;
    sib_error *err;
} reader;

/* Sets limits and defaults from options, which may be NULL; failures go to err. */
void reader_init(reader *r, const sib_open_options *options, sib_error *err);
/* Frees the reader, not the model. */
void reader_clear(reader *r);

/* Sets the error, with the file offset of `at` where that points into the main file. Returns code. */
sib_code reader_fail(reader *r, sib_code code, const uint8_t *at, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
sib_code reader_memory(reader *r, size_t bytes, const char *what);
#if defined(SIBYL_ASSERTIONS) /* they do not return SIB_OK */
#define reader_fail(...)   err_failed(reader_fail(__VA_ARGS__))
#define reader_memory(...) err_failed(reader_memory(__VA_ARGS__))
#endif
/* Returns SIB_OK where the walk reached the end, else its failure. */
sib_code reader_end(reader *r, const wire_reader *w);
/* Adds a sentence to the model's diagnostics; dropped where memory fails. */
void reader_notice(reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Counts bytes of elements against the limit. Errors: SIB_ERR_SIZE. */
sib_code reader_charge(reader *r, uint64_t bytes, const uint8_t *at);
/* Makes room for one more item after n in *items (capacity), doubling it within the arena. Returns false
   where memory fails. */
bool reader_room(graph_arena *a, void *items, size_t n, size_t *capacity, size_t size);
/* Copy into the model's arena. */
sib_code reader_string(reader *r, sib_str s, sib_str *out);
sib_code reader_pairs(reader *r, size_t n, const string_pair *pairs, string_pair **out);

/* Arguments for "%.*s", at most 200 bytes. */
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
    sib_str location, offset, length; /* strings of external data */
} tensor_proto;

/* Reads a TensorProto; the caller owns *out. head: receives the fields; may be NULL. */
sib_code tensor_read(reader *r, wire_span bytes, tensor_proto *head, sib_tensor **out);
/* Finds the bytes of external data; *file is borrowed from the reader. */
sib_code external_find(reader *r, const tensor_proto *p, mapping **file, wire_span *bytes);
/* Reads a SparseTensorProto as a dense tensor, or as its parts: values, indices, dims. */
sib_code sparse_read(reader *r, wire_span bytes, sib_tensor **out);
sib_code sparse_read_parts(reader *r, wire_span bytes, sib_tensor *parts[3]);
sib_code type_read(reader *r, wire_span bytes, value_type *out);

/* ---- Graphs and functions: read_graph.c, read_attribute.c, functions.c ---------------------------- */

/* An attribute of a call as the function's body sees it: read where it is used, with the names of the
   scope where it was written. */
typedef struct binding {
    sib_str name;
    const raw_attribute *attribute;
    const struct scope *scope; /* of the call; of the function for a default */
} binding;

/* A function being inlined. */
typedef struct call {
    const raw_function *function;
    const struct call *caller; /* the enclosing call, or NULL */
    size_t n;
    binding *bindings; /* (n) */
} call;

/* The names visible at a place. Functions do not see the names around them. */
typedef struct scope {
    graph *g;
    name_map names;            /* to values of g; NO_VALUE for an input that a call omits */
    const struct scope *outer; /* the lexically enclosing scope; NULL for the main graph and for functions */
    const call *call;          /* the function being inlined, or NULL */
    sib_str prefix;            /* of all names created here: "block/" */
    name_map results; /* of a function: from names of its outputs to values of g that still lack a producer */
} scope;

/* Fills the graph s->g, which has no nodes yet, from raw. */
sib_code graph_read(reader *r, scope *s, const raw_graph *raw);
/* Adds the nodes of a body in topological order, inlining functions. */
sib_code body_read(reader *r, scope *s, const raw_body *body);
/* Gets the value of a name visible in s, capturing it through the graphs in between; NO_VALUE for "" and
   for omitted inputs. */
sib_code scope_find(reader *r, scope *s, sib_str name, bool *found, value_id *out);
/* Adds a value for a name that must be new in s and its enclosing scopes; an input may shadow an enclosing
   name. */
sib_code scope_define(reader *r, scope *s, sib_str name, const uint8_t *at, bool is_input, value_id *out);
/* Sets declared type, doc and metadata of values from ValueInfoProtos. */
sib_code infos_read(reader *r, scope *s, size_t n, const raw_named *infos);
/* Returns the version that applies to a domain. */
int64_t scope_version(reader *r, const scope *s, sib_str domain);
/* Reads an attribute. Sets *kept to false where it refers to one that the call omits. */
sib_code attribute_read(reader *r, scope *s, const raw_attribute *raw, attribute *out, bool *kept);
/* Frees subgraphs of attributes that no node has taken over. */
void attributes_drop(attribute *list, size_t n);
/* Returns the function that a node calls, or NULL. */
const raw_function *function_find(const reader *r, const raw_node *n);
/* Reads r->more behind r->functions, which has room for them, but for those that are there already. */
sib_code functions_more(reader *r);
sib_code function_names(reader *r);
sib_code function_inline(reader *r, scope *s, const raw_node *n, const raw_function *f);
/* Returns the attribute of the call that `name` refers to, or NULL. */
const binding *call_binding(const call *c, sib_str name);

/* Adds metadata of a node or value to the model. */
sib_code props_add(reader *r, onnx_props_of of, const graph *g, uint32_t id, size_t n,
                   const string_pair *pairs);

#endif
