/* Elementwise milli-ops as chains (kernel/chain_program.h). */
#ifndef CPU_ELEMENTWISE_H
#define CPU_ELEMENTWISE_H

#include "backend/cpu/cpu.h"
#include "kernel/chain/chain.h"

#define ELEMENTWISE_NODES 64 /* max nodes of a body */

/* True for an elementwise milli-op. */
bool elementwise_is(const node *n);
/* True where a chain can run the elementwise node n of graph g: its dtypes are supported, its dims are
   numbers and broadcast. */
bool elementwise_takes(const graph *g, const node *n);

/* A chain, and the inputs of the node that its operands are. */
typedef struct elementwise_chain {
    chain *c;
    size_t n_operands;
    size_t *inputs; /* (n_operands) index of the node's input; SIZE_MAX for operands that are none */
    size_t head;    /* the operand that node 0 computes, or SIZE_MAX */
    size_t count;   /* elements per result */
    bool clamped;   /* it does no more to the head's result than clamp */
    cpu_clamp clamp;
} elementwise_chain;

/* The chain of one node. On errors too the caller clears it. Errors: SIB_ERR_MEMORY, SIB_ERR_SIZE. */
sib_code elementwise_of_node(const node_view *n, elementwise_chain *out, sib_error *err);
/* The chain of a fused group's body, without node 0 if `head`. outer: the node that has the body. */
sib_code elementwise_of_body(const node_view *outer, const graph *body, bool head, elementwise_chain *out,
                             sib_error *err);
void elementwise_clear(elementwise_chain *e);

#endif
