/* One direction of a recurrent operator, and the activations of its cell. */
#ifndef OPS_RECURRENT_CELL_H
#define OPS_RECURRENT_CELL_H

#include "ops/lower.h"

typedef struct recurrent_activation {
    const struct activation_row *row;
    double alpha, beta;
} recurrent_activation;

/* What a step of one direction reads: G gates of H hidden neurons, B sequences at once. */
typedef struct recurrent_cell {
    mval r;        /* [H, G*H] recurrence weights, transposed; GRU: of the first two gates */
    mval r_hidden; /* GRU: [H, H] of the hidden gate, transposed, else MVAL_NONE */
    mval b_hidden; /* GRU with linear_before_reset: [H] its recurrence bias, or MVAL_NONE */
    mval peep[3];  /* LSTM: [H] each for input, output and forget gate, or MVAL_NONE */
    dim hidden;    /* H */
    recurrent_activation f[3];
    double clip;  /* 0: none */
    bool coupled; /* LSTM: the forget gate is 1 - the input gate */
} recurrent_cell;

/* The activations of `directions` cells with `per_cell` each from the attributes, in order; alpha and beta go to those
   that take them. defaults: (per_cell) names. out: (directions * per_cell). */
void recurrent_activations(lowering *l, const recurrent_spec *spec, int directions, int per_cell,
                           const char *const *defaults, recurrent_activation *out);

/* Gates: f(x), with x clipped to [-clip, clip] first where clip is not 0. */
mval recurrent_gate(lowering *l, const recurrent_cell *cell, int which, mval x);
/* f(x) of a state, which clip leaves alone. */
mval recurrent_activate(lowering *l, const recurrent_cell *cell, int which, mval x);

/* How often a step is to be unrolled: the number of `steps`, 0 where the dims `each` of a step's values hold nothing.
   Inference stops at many steps, for which declared types must do. */
int64_t recurrent_steps(lowering *l, dim steps, dim each);

/* One step: x [1, B, G*H] the projected input with biases; *h and *c [1, B, H] the states, replaced by the new ones. */
typedef void recurrent_step(lowering *l, const recurrent_cell *cell, mval x, mval *h, mval *c);

#endif
