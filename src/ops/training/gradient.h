/* Derivatives of milli-ops, for reverse-mode differentiation. */
#ifndef OPS_GRADIENT_H
#define OPS_GRADIENT_H

#include "ops/lower/lower.h"

/* State of one backward pass over milli-ops. */
typedef struct gradient_pass {
    uint32_t n_values; /* of the graph when the pass began */
    bool *depends;     /* (n_values) true for values that depend on the variables differentiated by */
    mval *grads;       /* (n_values) dy/dvalue so far, or MVAL_NONE */
} gradient_pass;

/* Adds the contribution of milli-op *n to the gradients of those of its inputs that p->depends marks. g:
   (outputs of n) the gradients of its outputs, MVAL_NONE where there is none. Fails, naming the milli-op,
   where it has no rule. */
void gradient_through(lowering *l, gradient_pass *p, const node *n, const mval *g);

#endif
