/* Elementwise milli-ops as chains (kernel/chain_program.h). */
#ifndef CPU_ELEMENTWISE_H
#define CPU_ELEMENTWISE_H

#include "backend/cpu/cpu.h"
#include "kernel/chain/chain.h"

#define ELEMENTWISE_NODES 64 /* most nodes of a body */

/* True for a milli-op that works element by element. */
bool elementwise_is(const node *n);
/* True where a chain can run the elementwise node n of graph g: dtypes, and dims that are numbers and broadcast. */
bool elementwise_takes(const graph *g, const node *n);

/* A chain, and which of the node's inputs its operands are. */
typedef struct elementwise_chain {
    chain *c;
    size_t n_operands;
    size_t *inputs; /* (n_operands) place among the node's inputs; SIZE_MAX for one that is none */
    size_t head;    /* the operand that is what node 0 makes, or SIZE_MAX */
    size_t count;   /* elements of a result */
    bool clamped;   /* all that it does to what node 0 makes is clamp */
    cpu_clamp clamp;
} elementwise_chain;

/* Of one node. Errors: SIB_ERR_MEMORY, SIB_ERR_SIZE; clear it then too. */
sib_code elementwise_of_node(const node_view *n, elementwise_chain *out, sib_error *err);
/* Of a body of plans, whose node 0 is none of them where head. outer: the node that has the body. */
sib_code elementwise_of_body(const node_view *outer, const graph *body, bool head, elementwise_chain *out,
                             sib_error *err);
void elementwise_clear(elementwise_chain *e);

#endif
