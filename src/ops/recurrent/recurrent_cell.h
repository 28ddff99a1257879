/* One direction of a recurrent operator, and the activations of its cell. */
#ifndef OPS_RECURRENT_CELL_H
#define OPS_RECURRENT_CELL_H

#include "ops/lower/lower.h"

typedef struct recurrent_activation {
    const struct activation_row *row;
    double alpha, beta;
} recurrent_activation;

/* Weights [K, N] that what is multiplied by them is quantized for; scale MVAL_NONE: they are none such. */
typedef struct recurrent_bytes {
    mval q, scale, zero; /* bytes; parameters of one element or [N] */
} recurrent_bytes;

/* Attention over memory of S steps that an LSTM's input is joined with. */
typedef struct recurrent_attention {
    mval w;                     /* [A, 4*H] weights of the context that is joined to X */
    mval keys, memory;          /* [B, S, N], [B, S, M] */
    mval hidden;                /* [B, S] bool: beyond the length of the memory; or MVAL_NONE */
    mval query, v;              /* [H, N], [N] */
    mval layer_h, layer_memory; /* [H, A], [M, A] of the layer that makes the context, or MVAL_NONE */
    mval context;               /* [1, B, A] state */
} recurrent_attention;

/* One direction: G gates of H hidden units each, over B sequences at once. */
typedef struct recurrent_cell {
    mval r;        /* [H, G*H] recurrence weights, transposed; GRU: of the first two gates */
    mval r_hidden; /* GRU: [H, H] of the hidden gate, transposed; else MVAL_NONE */
    mval b_hidden; /* GRU with linear_before_reset: [H] recurrence bias of the hidden gate; else MVAL_NONE */
    mval peep[3];  /* LSTM: peephole weights [H] of input, output and forget gate, or MVAL_NONE */
    dim hidden;    /* H */
    recurrent_activation f[3];
    double clip;                    /* 0: do not clip */
    bool coupled;                   /* LSTM: the forget gate is 1 - input gate */
    recurrent_bytes r_bytes;        /* in the place of r */
    recurrent_attention *attention; /* NULL: none */
} recurrent_cell;

/* Reads the activations of `directions` cells of `per_cell` each, in order; alpha and beta are consumed by
   those that take them. defaults: (per_cell) names. out: (directions * per_cell). */
void recurrent_activations(lowering *l, const recurrent_spec *spec, int directions, int per_cell,
                           const char *const *defaults, recurrent_activation *out);

/* Activation of a gate: f(x), with x clipped to [-clip, clip] first where clip is not 0. */
mval recurrent_gate(lowering *l, const recurrent_cell *cell, int which, mval x);
/* Activation of a state: f(x), never clipped. */
mval recurrent_activate(lowering *l, const recurrent_cell *cell, int which, mval x);

/* Number of steps to unroll: `steps`, or 0 where the dims `each` of one step's values have no elements. Shape
   inference stops where there are many; the declared types must suffice there. */
int64_t recurrent_steps(lowering *l, dim steps, dim each);

/* One step. x: [1, B, G*H], the projected input with biases; *h, *c: [1, B, H], states, updated. */
typedef void recurrent_step(lowering *l, const recurrent_cell *cell, mval x, mval *h, mval *c);

#endif
