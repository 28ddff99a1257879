/* The driver of the recurrent kernels: steps are projected in runs that stay in the cache, then the cell
   iterates over them. */
#include "base/assert.h"
#include "base/cancel.h"
#include "base/size.h"
#include "kernel/kernel.h"

#include <string.h>

/* Floats of projections that are computed ahead. */
#define AHEAD 65536

size_t recurrent_gates(recurrent_kind kind)
{
    static const size_t gates[] = {[RECURRENT_RNN] = 1, [RECURRENT_GRU] = 3, [RECURRENT_LSTM] = 4};
    return gates[kind];
}

size_t recurrent_panels(size_t hidden)
{
    return size_ceil_div(hidden, kernel_table_get()->recurrent.lanes);
}

size_t recurrent_packed(size_t hidden, size_t nv, size_t k)
{
    return recurrent_panels(hidden) * k * nv * kernel_table_get()->recurrent.lanes;
}

void recurrent_pack(const float *w, size_t hidden, size_t k, size_t first, size_t nv, float *dst)
{
    size_t lanes = kernel_table_get()->recurrent.lanes;
    for (size_t neuron = 0; neuron < hidden; neuron += lanes)
        for (size_t p = 0; p < k; p++)
            for (size_t g = 0; g < nv; g++)
                for (size_t i = 0; i < lanes; i++)
                    *dst++ = neuron + i < hidden ? w[((first + g) * hidden + neuron + i) * k + p] : 0.0f;
}

/* ---- Running ------------------------------------------------------------------------------------------- */

/* State of one direction. */
typedef struct walk {
    const recurrent_call *c;
    const recurrent_kernels *k;
    size_t wide, ldx;     /* Hp, and floats of a projection */
    size_t ahead;         /* steps that are projected at once */
    float *x;             /* projections (ahead, B, ldx); (B, ahead, ldx) where sequences are contiguous */
    size_t x_step, x_row; /* strides in x */
    float *h[2], *c_[2];  /* states (B, Hp): current, and next */
    float *spare;
} walk;

static size_t take(float **at, size_t n)
{
    float *p = *at;
    n = size_ceil_div(n, 16) * 16;
    *at = p ? p + n : NULL;
    return n;
}

/* Assigns the buffers from `at` on, unless that is NULL; returns their size in floats. */
static size_t lay_out(const recurrent_call *c, walk *w, float *at)
{
    size_t states = 0, all = 0;
    *w = (walk){.c = c, .k = &kernel_table_get()->recurrent};
    w->wide = c->cell.panels * w->k->lanes;
    w->ldx = w->wide * recurrent_gates(c->kind);
    SIB_ASSERT(c->batch && w->ldx);
    w->ahead = size_max(1, size_min(c->steps, AHEAD / (c->batch * w->ldx)));
    states = c->batch * w->wide;
    float **parts[] = {&w->x, &w->h[0], &w->h[1], &w->c_[0], &w->c_[1], &w->spare};
    size_t second = c->kind == RECURRENT_LSTM ? states : 0, third = c->cell.r_hidden ? 2 * states : 0;
    size_t sizes[] = {w->ahead * c->batch * w->ldx, states, states, second, second, third};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        *parts[i] = at;
        all += take(&at, sizes[i]);
    }
    return all;
}

size_t recurrent_scratch(const recurrent_call *c)
{
    walk w;
    size_t product;
    if (!size_mul(c->batch, c->cell.panels, &product) || !size_mul(product, 64 * 16, &product))
        return 0;
    return lay_out(c, &w, NULL);
}

/* Projects steps begin .. begin + n - 1. Contiguous rows are one product. */
static void project(walk *w, size_t begin, size_t n)
{
    const recurrent_call *c = w->c;
    const float *x = c->x + begin * c->x_step;
    bool by_step = c->batch == 1 || c->x_step == c->batch * c->x_row;
    size_t outer = by_step ? 1 : c->batch, rows = by_step ? n * c->batch : n;
    w->x_step = by_step ? c->batch * w->ldx : w->ldx;
    w->x_row = by_step ? w->ldx : n * w->ldx;
    for (size_t b = 0; b < outer; b++)
        w->k->project(x + b * c->x_row, by_step && c->batch > 1 ? c->x_row : c->x_step, rows, c->inputs, c->w,
                      c->cell.panels, recurrent_gates(c->kind), c->bias, w->x + b * n * w->ldx);
}

/* Sequences that have ended: states stay, outputs are 0. */
static void keep_ended(walk *w, size_t step, float *y)
{
    const recurrent_call *c = w->c;
    for (size_t b = 0; b < c->batch; b++)
        if ((int64_t)step >= c->lengths[b]) {
            memcpy(w->h[1] + b * w->wide, w->h[0] + b * w->wide, w->wide * sizeof(float));
            if (c->kind == RECURRENT_LSTM)
                memcpy(w->c_[1] + b * w->wide, w->c_[0] + b * w->wide, w->wide * sizeof(float));
            if (y)
                memset(y + b * c->y_row, 0, c->cell.hidden * sizeof *y);
        }
}

static void swap(float *pair[2])
{
    float *first = pair[0];
    pair[0] = pair[1];
    pair[1] = first;
}

/* One step; its projections are at x. */
static void take_step(walk *w, const float *x, size_t step)
{
    const recurrent_call *c = w->c;
    recurrent_rows rows = {.rows = c->batch,
                           .x = x,
                           .ldx = w->x_row,
                           .h = w->h[0],
                           .c = w->c_[0],
                           .new_h = w->h[1],
                           .new_c = w->c_[1],
                           .spare = w->spare};
    float *y = c->y ? c->y + step * c->y_step : NULL;
    (c->kind == RECURRENT_LSTM  ? w->k->lstm
     : c->kind == RECURRENT_GRU ? w->k->gru
                                : w->k->rnn)(&c->cell, &rows);
    for (size_t b = 0; y && b < c->batch; b++)
        memcpy(y + b * c->y_row, w->h[1] + b * w->wide, c->cell.hidden * sizeof *y);
    if (c->lengths)
        keep_ended(w, step, y);
    swap(w->h);
    swap(w->c_);
}

static void load_states(const walk *w, const float *from, float *to)
{
    const recurrent_call *c = w->c;
    memset(to, 0, c->batch * w->wide * sizeof *to);
    for (size_t b = 0; from && b < c->batch; b++)
        memcpy(to + b * w->wide, from + b * c->h_row, c->cell.hidden * sizeof *to);
}

static void save_states(const walk *w, const float *from, float *to)
{
    const recurrent_call *c = w->c;
    for (size_t b = 0; to && b < c->batch; b++)
        memcpy(to + b * c->h_row, from + b * w->wide, c->cell.hidden * sizeof *to);
}

void recurrent_run(const recurrent_call *c, float *scratch, const struct sib_cancel *cancel)
{
    walk w;
    SIB_ASSERT(c->kind <= RECURRENT_LSTM);
    SIB_ASSERT(c->cell.panels == recurrent_panels(c->cell.hidden));
    SIB_ASSERT(c->w && c->bias && c->cell.r && scratch);
    for (size_t i = 0; c->lengths && i < c->batch; i++)
        SIB_ASSERT(c->lengths[i] >= 0 && (size_t)c->lengths[i] <= c->steps);
    lay_out(c, &w, scratch);
    load_states(&w, c->h, w.h[0]);
    if (c->kind == RECURRENT_LSTM)
        load_states(&w, c->c, w.c_[0]);
    for (size_t done = 0; done < c->steps && !cancel_is_set(cancel); done += w.ahead) {
        size_t n = size_min(w.ahead, c->steps - done), begin = c->backward ? c->steps - done - n : done;
        project(&w, begin, n);
        for (size_t i = 0; i < n; i++) {
            size_t at = c->backward ? n - 1 - i : i;
            take_step(&w, w.x + at * w.x_step, begin + at);
        }
    }
    save_states(&w, w.h[0], c->last_h);
    if (c->kind == RECURRENT_LSTM)
        save_states(&w, w.c_[0], c->last_c);
}
