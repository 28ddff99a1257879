/* The cells of LSTM, GRU and RNN, and their input projections.

   Neurons are in the lanes of vectors. A panel is what a product computes at once: `lanes` neurons of each of
   nv gates, gate after gate, so a cell finds all that it needs for its neurons in registers. A row of a
   projection is a sequence of panels. H neurons take Hp = panels * lanes places; those beyond H have weights
   of 0 and unspecified states. */
#ifndef KERNEL_RECURRENT_H
#define KERNEL_RECURRENT_H

#include <stdbool.h>
#include <stddef.h>

#include <sibyl/base.h>

#define RECURRENT_MAX_NV 4

typedef enum recurrent_function {
    RECURRENT_SIGMOID,
    RECURRENT_TANH,
    RECURRENT_RELU,
    RECURRENT_HARD_SIGMOID, /* alpha x + beta, clamped to 0 .. 1 */
} recurrent_function;

typedef struct recurrent_gate {
    recurrent_function function;
    float alpha, beta;
} recurrent_gate;

/* A cell of one direction. */
typedef struct recurrent_cell {
    size_t hidden, panels; /* H; ceil(H / lanes) */
    /* packed (panels, H, nv, lanes): LSTM 4 gates: input, output, forget, cell; GRU 3: update, reset, hidden,
       or 2 where r_hidden is set; RNN 1 */
    const float *r;
    /* GRU with the reset gate before the product: hidden gate (panels, H, lanes); or NULL */
    const float *r_hidden;
    /* GRU with the reset gate after the product: recurrence bias (Hp) of the hidden gate; or NULL */
    const float *b_hidden;
    const float *peep[3]; /* LSTM: (Hp) each of input, output, forget gate; NULL: none */
    recurrent_gate f[3];  /* activations of gates, new state and (LSTM) the cell for the output */
    float clip;           /* gates are clipped to -clip .. clip; infinity: no clipping */
    bool coupled;         /* LSTM: the forget gate is 1 - the input gate */
} recurrent_cell;

/* States of `rows` sequences, rows Hp apart. x: their projections, biases included, rows ldx apart. */
typedef struct recurrent_rows {
    size_t rows;
    const float *x;
    size_t ldx;
    const float *h, *c; /* states before the step; c: LSTM */
    float *new_h, *new_c;
    float *spare; /* GRU with r_hidden: scratch (2, rows, Hp) */
} recurrent_rows;

typedef struct recurrent_kernels {
    size_t lanes;
    /* y[r][panel][g][lane] = bias[panel][g][lane] + sum over p < k of x[r * ldx + p] w[panel][p][g][lane],
       rows of y panels * nv * lanes apart. bias: one row of y. nv: 1 to 4. */
    void (*project)(const float *x, size_t ldx, size_t rows, size_t k, const float *w, size_t panels,
                    size_t nv, const float *bias, float *y);
    void (*lstm)(const recurrent_cell *cell, const recurrent_rows *at);
    void (*gru)(const recurrent_cell *cell, const recurrent_rows *at);
    void (*rnn)(const recurrent_cell *cell, const recurrent_rows *at);
} recurrent_kernels;

/* ---- The driver -------------------------------------------------------------------------------------- */

typedef enum recurrent_kind { RECURRENT_RNN, RECURRENT_GRU, RECURRENT_LSTM } recurrent_kind;

/* Gates of each kind: 1, 3 or 4. */
size_t recurrent_gates(recurrent_kind kind);
/* Panels for H neurons, and floats of the packed w [nv * H, k]. */
size_t recurrent_panels(size_t hidden);
size_t recurrent_packed(size_t hidden, size_t nv, size_t k);
/* Packs gates first .. first + nv - 1 of w [gates * H, k]. dst: (panels, k, nv, lanes). */
void recurrent_pack(const float *w, size_t hidden, size_t k, size_t first, size_t nv, float *dst);

/* One direction of an operator: T steps of B sequences. Element (t, b, i) of x is at t * x_step + b * x_row +
   i; y likewise. States: rows of B, h_row apart. */
typedef struct recurrent_call {
    recurrent_kind kind;
    recurrent_cell cell;
    const float *w;    /* packed (panels, inputs, gates, lanes) */
    const float *bias; /* (panels, gates, lanes), added by the projection */
    size_t steps, batch, inputs;
    bool backward;
    const float *x;
    size_t x_step, x_row;
    float *y; /* [T, B, H], or NULL */
    size_t y_step, y_row;
    const float *h, *c;     /* initial states, or NULL for 0 */
    float *last_h, *last_c; /* or NULL */
    size_t h_row;
    const int32_t *lengths; /* (B) valid steps, or NULL: all */
} recurrent_call;

struct sib_cancel;

/* Floats of scratch; 0 where that exceeds memory. */
size_t recurrent_scratch(const recurrent_call *c);
void recurrent_run(const recurrent_call *c, float *scratch, const struct sib_cancel *cancel);

#endif
