/* The operators as a table made of ops.def, and what it takes to lower one. */
#ifndef OPS_OPS_H
#define OPS_OPS_H

#include "milli/build.h"
#include "spec/spec.h"

typedef enum op_control { /* operators that the session runs, since they run graphs */
                          CONTROL_NONE,
                          CONTROL_IF,
                          CONTROL_LOOP,
                          CONTROL_SCAN,
                          CONTROL_SEQUENCE_MAP
} op_control;

typedef struct op_def {
    const char *domain, *name; /* domain "" is ai.onnx */
    const char *family;
    int since;                            /* first version of the domain that has it */
    int min_in, max_in, min_out, max_out; /* -1: any number */
    op_control control;
    const spec_table *attributes;
    /* Lowers l->node; its definition. Reads inputs by l_in, gives outputs by l_out. */
    void (*lower)(lowering *l, const node *n);
} op_def;

/* Row of an operator, or NULL. */
const op_def *ops_find(sib_str domain, sib_str type);
/* Fills node.op and node.fault in a graph and its subgraphs. Errors: SIB_ERR_MEMORY. */
sib_code ops_resolve(graph *g, sib_error *err);
/* SIB_OK for a node that can be run. Errors: SIB_ERR_UNSUPPORTED (an unknown operator, by name), SIB_ERR_ARGUMENT (the
   node's fault). */
sib_code ops_refuse(const graph *g, const node *n, sib_error *err);

/* Rank of the iteration number that a Loop's body is given: 0 as ONNX says, 1 where the body declares it as [1], as
   OnnxMLTools does. The body has an input. */
size_t loop_iteration_rank(const graph *body);

/* Lowers node `index` of source through l, whose driver fields are set. outs, declared: (outputs of the node), cleared
   here. Afterwards l->status tells; outs[i] is MVAL_NONE for outputs that the node omits or that were not reached.
   Checks the numbers of inputs and outputs; an unknown operator fails with SIB_ERR_UNSUPPORTED by name. */
void lower_node(lowering *l, const graph *source, node_id index, mval *outs, value_type *declared);

#endif
