/* A job's document: JSON to nodes over numbered slots, with every name resolved and every type checked.
   Errors give the path to the fault ("/nodes/2/inputs/audio"). docs/jobs.md defines the document.
   Invariants: a slot has one writer (a job's input, a literal, a node's output, a loop's state or item) and
   is read only after it, in the same block or a nested one. */
#ifndef JOB_DOCUMENT_DOC_H
#define JOB_DOCUMENT_DOC_H

#include "job/document/value.h"

struct json_t;
struct job_op;
struct job_port;

#define JOB_VERSION 1
#define NO_SLOT     UINT32_MAX
#define NO_INDEX    SIZE_MAX

typedef struct job_model_doc {
    const char *name, *path;    /* path: relative to the document's folder; NULL: a function */
    const char *text;           /* of ONNX functions, of which the last is the model */
    const struct json_t *types; /* its inputs to [dtype, rank], in order */
    const struct json_t *names; /* a list of its outputs' names */
} job_model_doc;

typedef struct job_tokenizer_doc {
    const char *name, *path, *kind; /* path NULL with kind "bytes" */
    size_t n_vocab;
} job_tokenizer_doc;

/* A pair of names. Either may contain one "*", which stands for the same text in both. */
typedef struct job_pair {
    const char *from, *to;
    size_t n_transpose, n_dims;
    /* (n_transpose) axis i of the model's input is axis transpose[i] of the given tensor */
    int64_t transpose[SIB_MAX_RANK];
    int64_t dims[SIB_MAX_RANK]; /* (n_dims) dims of a state when a run begins */
    double fill;                /* elements of that state */
} job_pair;

typedef struct job_pairs {
    job_pair *items; /* (n) */
    size_t n;
} job_pairs;

typedef struct job_fixed {
    const char *name; /* of an input of the model */
    double *data;     /* (n) */
    size_t n;
} job_fixed;

/* Integers that a call makes of how many tokens it was given: P by the calls before, N by this one. */
typedef enum job_count_kind {
    JOB_COUNT_ONES,      /* (P + N) 1: a mask */
    JOB_COUNT_ZEROS,     /* (N) 0 */
    JOB_COUNT_POSITIONS, /* (N) from P on */
    JOB_COUNT_BEFORE,    /* P */
    JOB_COUNT_ALL,       /* P + N */
    JOB_COUNT_LAST,      /* P + N - 1 */
    JOB_COUNT_BEGUN,     /* whether P > 0 */
    JOB_COUNT_KINDS
} job_count_kind;

typedef struct job_counted {
    const char *input; /* of the model */
    job_count_kind kind;
} job_counted;

typedef struct job_count {
    const char *of;     /* the port along whose last axis the tokens are; NULL: nothing is counted */
    bool history;       /* that port is given the tokens of the calls before as well: P is 0 */
    job_counted *items; /* (n) */
    size_t n;
} job_count;

/* How calls of several runs become one, stacked along the first axis; all inputs are tokens. */
typedef struct job_call_batch {
    bool allowed;
    bool pads; /* shorter ones too, filled up with `pad`; otherwise those of equal lengths alone */
    int32_t pad;
    bool *cut; /* (outputs.n) whether axis 1 is cut back to what was given */
} job_call_batch;

/* How a model is called: the only place that knows its names and layouts. */
typedef struct job_call_doc {
    const char *name;
    size_t model;
    job_pairs inputs;  /* port to model input */
    job_pairs outputs; /* port to model output */
    job_pairs state;   /* model input to the model output whose value of the previous call it takes */
    job_pairs context; /* model input to the model output of call `of` whose value it takes */
    size_t of;         /* NO_INDEX without context */
    /* (n_fixed) inputs that have the same elements in each call unless a port supplies others */
    job_fixed *fixed;
    size_t n_fixed;
    job_call_batch batch;
    job_count count;
} job_call_doc;

typedef struct job_block {
    struct job_node *nodes; /* (n) */
    size_t n;
} job_block;

typedef struct job_state {
    const char *name;
    uint32_t initial, next, slot;
} job_state;

typedef struct job_over {
    const char *name;
    uint32_t list, slot; /* a tensor, and its item of this iteration along the first axis */
} job_over;

typedef struct job_collect {
    uint32_t item, slot; /* the item of each iteration, and all of them after the loop */
} job_collect;

typedef struct job_loop {
    job_block body;
    job_state *states;     /* (n_states) the node's first outputs, in order; what is collected follows */
    job_over *over;        /* (n_over) the loop ends with the shortest */
    job_collect *collects; /* (n_collects) */
    uint32_t *until; /* (n_until) flags of the body: the loop ends after an iteration in which one is true */
    size_t n_states, n_over, n_collects, n_until;
    uint32_t max_steps; /* slot of a number, or NO_SLOT */
} job_loop;

typedef struct job_node {
    const char *name, *doc; /* doc may be NULL */
    const struct job_op *op;
    size_t number;                  /* index among all nodes of the job */
    const struct job_port *inputs;  /* (n_inputs) those of the op or of its call */
    const struct job_port *outputs; /* (n_outputs) */
    size_t n_inputs, n_outputs;
    uint32_t *in;     /* (n_inputs) slots, NO_SLOT for an omitted input */
    uint32_t out;     /* slot of the first output */
    size_t *calls;    /* (op->n_calls) or NO_INDEX */
    size_t tokenizer; /* or NO_INDEX */
    job_loop *loop;   /* of a loop, otherwise NULL */
} job_node;

/* Where a node stands, by its number. */
typedef struct job_place {
    const job_node *node;
    size_t loop; /* number of the loop around it, or SIB_JOB_NO_NODE */
} job_place;

typedef struct job_input {
    const char *name, *doc;
    sib_port_type type;
    uint32_t slot;
    bool optional; /* has a default, or may be left out */
} job_input;

typedef struct job_output {
    const char *name, *doc;
    sib_port_type type;
    uint32_t slot;
} job_output;

typedef struct job_doc {
    struct json_t *root;             /* names point into it */
    const struct job_op *const *ops; /* of its nodes; ends with NULL */
    struct doc_block *blocks;
    sib_job_fault *fault; /* receives the first fault; may be NULL */
    const char *kind, *name, *text;
    double sample_rate;        /* of audio inputs, Hz */
    const struct json_t *chat; /* NULL where it has none */
    job_model_doc *models;
    job_tokenizer_doc *tokenizers;
    job_call_doc *calls;
    job_input *inputs;
    job_output *outputs;
    size_t n_models, n_tokenizers, n_calls, n_inputs, n_outputs, n_nodes;
    job_block block;
    job_place *places;       /* (n_nodes) */
    sib_job_source *sources; /* (n_slots) what writes each */
    job_value **literals;    /* (n_slots) values of literals in the document, otherwise NULL */
    sib_port_type *types;    /* (n_slots) */
    uint32_t n_slots;
    size_t type_capacity, literal_capacity;
} job_doc;

/* Reads a document. name: for messages. ops: the kinds of nodes that there are; ends with NULL. fault: see
   job_doc.fault, which keeps it. out: job_doc_free(&d). Errors: SIB_ERR_FORMAT with the byte offset of invalid JSON, or
   else with the path to the fault; SIB_ERR_UNSUPPORTED (version, kind of node, by name), SIB_ERR_SIZE, SIB_ERR_MEMORY. */
sib_code job_doc_read(const char *name, const char *text, size_t size, const struct job_op *const *ops,
                      sib_job_fault *fault, job_doc **out, sib_error *err);
void job_doc_free(job_doc **d);

/* For the files that read parts of the document. */

/* n * size zeroed bytes that live as long as the document. */
void *doc_take(job_doc *d, size_t n, size_t size, sib_error *err);
uint32_t doc_slot(job_doc *d, sib_port_type type, sib_error *err); /* NO_SLOT where memory fails */
/* A failure at a path: "job 'x': /nodes/2: ...". */
sib_code doc_fault(const job_doc *d, sib_error *err, sib_code code, const char *path, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* An optional object: where it is missing *out is NULL and *n 0. Errors: SIB_ERR_FORMAT at path/name where it
   is not an object. */
sib_code doc_object(const job_doc *d, const struct json_t *around, const char *path, const char *name,
                    struct json_t **out, size_t *n, sib_error *err);
/* An optional text: where it is missing *out is NULL. Errors: SIB_ERR_FORMAT at path/name where it is not a
   text. */
sib_code doc_text(const job_doc *d, const struct json_t *around, const char *path, const char *name,
                  const char **out, sib_error *err);
/* Refuses a value that is not an object, and members not in `names` (which ends with NULL). */
sib_code doc_only(const job_doc *d, const struct json_t *object, const char *path, const char *const *names,
                  sib_error *err);
/* Refuses an empty name, and one with a character that has a meaning in references, taps or files. */
sib_code doc_name(const job_doc *d, const char *path, const char *name, sib_error *err);
/* calls.c: "models", "tokenizers", "calls". */
sib_code doc_read_calls(job_doc *d, sib_error *err);
/* count.c: "count" of a call whose other members are read. */
sib_code doc_read_count(job_doc *d, const struct json_t *call, const char *path, job_call_doc *out,
                        sib_error *err);
/* nodes.c: "inputs", "nodes", "outputs". */
sib_code doc_read_nodes(job_doc *d, sib_error *err);
/* graph.c: places of nodes and sources of slots, once all nodes are read. */
sib_code doc_index(job_doc *d, sib_error *err);
/* literal.c: a literal as a value of a port type; *out is NULL for null. */
sib_code doc_literal(const job_doc *d, const struct json_t *j, sib_port_type type, const char *path,
                     job_value **out, sib_error *err);

#endif
