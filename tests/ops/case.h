/* Operator cases: lines of tests/ops/<family>.cases, each a node with its attributes, inputs and expected
   outputs.

   [domain:]Name-opset [attribute=value ...] ; input ; ... -> output ; ... [; for T = dtype ...]
   [; version 1 6 13] [; tol X]
   ... -> error "words that the message has"

   A value is `dtype[dims] = elements`, `_` for an omitted one, `seq{ value , ... }`, `opt{ value }`, `map{
   keys , values }`, or an empty one: `seq:f32{}`, `none:f32`, `none:seq:f32`. Elements are separated by
   blanks; `lo..hi` counts up by 1, `all V` fills the rest, strings are quoted, `?` alone as the elements of
   an output compares dtype and dims only. There is no `=` where there is no element. Attributes are ints `1`,
   floats `1.0`, strings `"s"`, lists `[1,2]`, `dtype:f16`, types `type:seq:f16`, tensors `f32[2]={1 2}`. A
   subgraph is `graph:"(i i64, x f32) { y = Add(x, x) ; z = Gather[axis=1 ](y, i) } (z)"`: inputs with their
   types, nodes of the case's opset, outputs; it may read the node's inputs as x0, x1, ... Lines that end in
   `\` continue on the next line; `#` begins a comment line. */
#ifndef TESTS_OPS_CASE_H
#define TESTS_OPS_CASE_H

#include "onnx/onnx.h"
#include "run/model.h"

typedef struct case_value {
    bool omitted;     /* "_" */
    bool any;         /* elements are not compared */
    sib_value *value; /* NULL if omitted */
    value_type type;  /* without dims, which value has */
} case_value;

/* The T of `for T`. */
typedef struct case_variable {
    sib_str name;
    sib_dtype dtype;
} case_variable;

#define CASE_MAX_VARIABLES 4

/* One case: a line with one choice of T and version. */
typedef struct op_case {
    const char *file;
    unsigned line;
    char label[160]; /* as in "Relu-14 T=float16" */
    graph_arena *arena;
    sib_str domain, name; /* "" is ai.onnx */
    int64_t version;
    size_t n_attributes, n_in, n_out;
    attribute *attributes; /* (n_attributes); those of kind graph have their text in s */
    case_value *in, *out;  /* (n_in), (n_out) */
    sib_str error;         /* words of the expected message; data is NULL if the case must succeed */
    size_t n_variables;
    case_variable variables[CASE_MAX_VARIABLES]; /* for graphs in attributes */
    double tolerance;                            /* absolute and relative; negative: the dtype's */
} op_case;

/* Callbacks. Both return false to stop. */
typedef struct case_visitor {
    bool (*visit)(void *context, const op_case *c);
    bool (*malformed)(void *context, const char *file, unsigned line, const char *words);
    void *context;
} case_visitor;

/* Reads a file and visits its cases in order. Errors: SIB_ERR_IO, SIB_ERR_MEMORY; unreadable lines are
   reported to the visitor. */
sib_code case_each(const char *path, const case_visitor *visitor, sib_error *err);

/* dtype of a short name ("f32"), and the reverse. */
sib_dtype case_dtype(const char *name, size_t length);
const char *case_dtype_name(sib_dtype dtype);

/* What is known of the inputs of a case's model before it runs. */
typedef enum case_mode {
    CASE_CONCRETE,  /* inputs with their dims */
    CASE_SYMBOLIC,  /* inputs whose dims are symbols */
    CASE_CONSTANTS, /* the first tensor is an input with symbols, the others are initializers */
    CASE_FOLDED,    /* every tensor is an initializer */
    CASE_MODES
} case_mode;
const char *case_mode_name(case_mode mode);

/* A model of the one node. Errors: SIB_ERR_MEMORY. */
sib_code case_model(const op_case *c, case_mode mode, onnx_model **out, sib_error *err);
/* A model without nodes, with room for n_opsets. onnx_free(out), also where it fails. */
sib_code case_model_begin(size_t n_opsets, onnx_model **out, sib_error *err);

/* Infers and runs the case in a mode on backends, and compares all: results of "ref" with the case, those of
   other backends with the tolerance of their dtype and of the largest numbers in them. Returns true if all is
   right; otherwise words (size) tell what is not. */
bool case_check(const op_case *c, case_mode mode, const char *backends, char *words, size_t size);

/* What cpu runs of the case's node: nothing, some of its milli-ops, all of them, or the entire node. */
typedef enum case_claim { CLAIM_NONE, CLAIM_PART, CLAIM_MILLI, CLAIM_WHOLE } case_claim;
case_claim case_claimed(const op_case *c);
const char *case_claim_name(case_claim claim);

/* Returns true if inference in a mode leaves a rank or dim of an output unknown; words then has the types. */
bool case_is_open(const op_case *c, case_mode mode, char *words, size_t size);

#endif
