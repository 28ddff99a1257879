/* The table of operators, made from ops.def, and how one is lowered. */
#ifndef OPS_OPS_H
#define OPS_OPS_H

#include "milli/build.h"
#include "spec/spec.h"

typedef enum op_control { /* operators that contain graphs; the session runs them */
                          CONTROL_NONE,
                          CONTROL_IF,
                          CONTROL_LOOP,
                          CONTROL_SCAN,
                          CONTROL_SEQUENCE_MAP,
                          CONTROL_GREEDY_SEARCH,
                          CONTROL_SAMPLING,
                          CONTROL_BEAM_SEARCH
} op_control;

typedef enum op_origin {
    OP_BUILT_IN,
    OP_LOWERED, /* registered by the caller, as a lowering: equal inputs give equal outputs */
    OP_CALLED   /* registered by the caller, as a function: its calls are neither merged nor folded */
} op_origin;

typedef struct op_def {
    const char *domain, *name; /* domain "" is ai.onnx */
    const char *family;
    int since;                            /* first opset that has it */
    int min_in, max_in, min_out, max_out; /* -1: any number */
    op_control control;
    const spec_table *attributes;
    /* Lowers l->node: the operator's definition. Reads inputs by l_in, sets outputs by l_out. */
    void (*lower)(lowering *l, const node *n);
    op_origin origin;
} op_def;

/* Operators besides those of the table, which they come before. */
typedef struct op_finder {
    const void *context;
    const op_def *(*find)(const void *context, const node *n); /* NULL where it has none */
} op_finder;

const op_def *ops_find(sib_str domain, sib_str type);
/* Sets node.op and node.fault throughout a graph and its subgraphs. more: may be NULL. Errors:
   SIB_ERR_MEMORY. */
sib_code ops_resolve(graph *g, const op_finder *more, sib_error *err);
/* Whether a node of it, at any depth, was resolved to an operator that is not Sibyl's own. */
bool ops_has_registered(const graph *g);
/* Whether an operator gives equal outputs for equal inputs, and runs no graphs. */
bool op_repeats(const op_def *op);
/* SIB_OK for a node that can run. Errors: SIB_ERR_UNSUPPORTED (an unknown operator, named), SIB_ERR_ARGUMENT
   (the node's fault). */
sib_code ops_refuse(const graph *g, const node *n, sib_error *err);

/* Rank of the iteration number that a Loop passes to its body: 0 as ONNX defines, 1 where the body declares
   it as [1], as OnnxMLTools does. The body has an input. */
size_t loop_iteration_rank(const graph *body);

/* SIB_OK for a search (GreedySearch, Sampling, BeamSearch) of the form that can run. Errors: SIB_ERR_UNSUPPORTED. */
sib_code search_check(const node *n, sib_error *err);

/* Lowers node `index` of source through l, whose driver fields are set. outs, declared: (outputs of the
   node), cleared here; outs[i] stays MVAL_NONE for outputs that the node omits or that were not reached.
   l->status is LOWER_OK on success. Checks the numbers of inputs and outputs; an unknown operator fails
   with SIB_ERR_UNSUPPORTED and its name. */
void lower_node(lowering *l, const graph *source, node_id index, mval *outs, value_type *declared);

#endif
