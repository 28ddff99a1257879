/* LSTM, GRU and RNN: what a step keeps, and the packing of weights. */
#ifndef CPU_RECURRENT_H
#define CPU_RECURRENT_H

#include "backend/cpu/cpu.h"

enum { IN_X, IN_W, IN_R, IN_B, IN_LENGTHS, IN_H, IN_C, IN_P, N_IN };

typedef struct recurrent_state {
    recurrent_call calls[2]; /* by direction; run sets addresses of inputs and outputs */
    size_t directions;
    size_t y_at, h_at; /* strides between directions in Y and in the states */
    bool ready;        /* the weights are constant, packed by prepare */
    void *owned[3];    /* of w, r, and biases with peepholes; NULL where the model's packs own them */
    size_t scratch;    /* floats per direction */
    bool apart;        /* each direction in a thread of its own */
} recurrent_state;

static inline bool recurrent_has(const node_view *n, size_t i)
{
    return i < n->n_in && n->in[i];
}

/* ---- Weights ------------------------------------------------------------------------------------------- */

/* Floats per direction. */
typedef struct weight_sizes {
    size_t w, r, bias, wide; /* wide: hidden bias, and each of three peepholes */
} weight_sizes;

/* Weights to be packed into panels. */
typedef struct recurrent_weights {
    const recurrent_state *s;
    const float *w, *r, *b, *p; /* the inputs; b and p may be NULL */
    weight_sizes z;
} recurrent_weights;

/* Sets *z; returns false where the sizes exceed memory. */
bool recurrent_sizes(const recurrent_call *c, weight_sizes *z);
/* Floats per direction of biases and peepholes. */
size_t recurrent_small(const weight_sizes *z);
/* The elements of constant input i, NULL where it is omitted; *all becomes false where it is no constant. */
const float *recurrent_constant(const node_view *n, size_t i, bool *all);
/* Packs constant weights once per model; the calls of *s and s->owned then hold them. k: with b, p and z. */
sib_code recurrent_pack_constants(const cpu_self *self, const node_view *n, recurrent_state *s,
                                  recurrent_weights *k, sib_error *err);
/* Packs weights that are not constant to `to`, and points the calls (directions) to them. k: with z. */
void recurrent_pack_now(const cpu_call *c, const recurrent_state *s, recurrent_weights *k,
                        recurrent_call *calls, float *to);

#endif
