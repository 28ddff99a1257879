/* Derivatives of milli-ops, for reverse-mode differentiation. */
#ifndef OPS_GRADIENT_H
#define OPS_GRADIENT_H

#include "ops/lower.h"

/* A walk back over milli-ops. */
typedef struct gradient_pass {
    uint32_t n_values; /* of the graph when the walk began */
    bool *depends;     /* (n_values) the value depends on what is differentiated by */
    mval *grads;       /* (n_values) dy/dvalue so far, or MVAL_NONE */
} gradient_pass;

/* Adds what flows through milli-op *n to the gradients of its inputs that depend on what is differentiated by.
   g: (outputs of n) the gradients of its outputs, MVAL_NONE where there is none. Fails by name for a milli-op without a
   rule. */
void gradient_through(lowering *l, gradient_pass *p, const node *n, const mval *g);

#endif
