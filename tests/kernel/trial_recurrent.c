/* One step of the cells of LSTM, GRU and RNN, and their projections, against definitions in double. */
#include "base/size.h"
#include "trial.h"

#include <math.h>

#define MAX_HIDDEN 40

/* Weights (gates, hidden, k), packed for the level's lanes: gates first .. first + nv - 1. */
static const float *pack(trial *t, const float *w, size_t hidden, size_t k, size_t first, size_t nv)
{
    size_t lanes = t->k->recurrent.lanes, panels = size_ceil_div(hidden, lanes);
    float *packed = trial_in(t, panels * k * nv * lanes, sizeof *packed), *dst = packed;
    for (size_t neuron = 0; neuron < panels * lanes; neuron += lanes)
        for (size_t p = 0; p < k; p++)
            for (size_t g = 0; g < nv; g++)
                for (size_t i = 0; i < lanes; i++)
                    *dst++ = neuron + i < hidden ? w[((first + g) * hidden + neuron + i) * k + p] : 0.0f;
    return packed;
}

static double dot(const float *w, const double *a, size_t k)
{
    double sum = 0;
    for (size_t p = 0; p < k; p++)
        sum += (double)w[p] * a[p];
    return sum;
}

/* Index of gate g of neuron i in a row of a projection. */
static size_t place_of(const trial *t, size_t nv, size_t g, size_t i)
{
    size_t lanes = t->k->recurrent.lanes;
    return i / lanes * nv * lanes + g * lanes + i % lanes;
}

static void close_to(const trial *t, size_t at, double got, double want)
{
    trial_expect(t, at, got, want, 2e-6 * (1 + fabs(want)));
}

static void project(trial *t)
{
    size_t hidden = t->bench ? 64 : 1 + t->round % MAX_HIDDEN, k = t->bench ? 64 : trial_pick(t, 1, 60),
           nv = 1 + t->round % 4;
    size_t rows = t->bench ? 12 : trial_pick(t, 1, 14), ldx = k + trial_pick(t, 0, 3),
           lanes = t->k->recurrent.lanes;
    size_t panels = size_ceil_div(hidden, lanes), wide = panels * nv * lanes;
    const float *x = trial_floats(t, (rows - 1) * ldx + k, FILL_UNIFORM),
                *w = trial_floats(t, nv * hidden * k, FILL_UNIFORM);
    const float *packed = pack(t, w, hidden, k, 0, nv), *bias = trial_floats(t, wide, FILL_UNIFORM);
    float *y = trial_out(t, sizeof *y, 1, rows * wide, rows * wide, TRIAL_ALONE);
    CALL(t, rows * k * wide, recurrent.project(x, ldx, rows, k, packed, panels, nv, bias, y));
    for (size_t row = 0; row < rows; row++)
        for (size_t g = 0; g < nv; g++)
            for (size_t i = 0; i < hidden; i++) {
                double in[60 + 4];
                size_t at = place_of(t, nv, g, i);
                for (size_t p = 0; p < k; p++)
                    in[p] = (double)x[row * ldx + p];
                close_to(t, row * wide + at, y[row * wide + at],
                         (double)bias[at] + dot(w + (g * hidden + i) * k, in, k));
            }
}

/* ---- Cells --------------------------------------------------------------------------------------------- */

/* One step with nv gates and the states before it. */
typedef struct step {
    size_t n, wide, nv; /* wide: neurons rounded up to full vectors */
    recurrent_cell cell;
    recurrent_rows at;
    const float *w; /* (nv, n, n) */
} step;

static step step_of(trial *t, size_t nv)
{
    size_t lanes = t->k->recurrent.lanes, n = t->bench ? MAX_HIDDEN : 1 + t->round % MAX_HIDDEN,
           rows = t->bench ? 8 : trial_pick(t, 1, 14);
    step s = {.n = n, .wide = size_ceil_div(n, lanes) * lanes, .nv = nv};
    s.w = trial_floats(t, nv * n * n, FILL_UNIFORM);
    s.cell = (recurrent_cell){
        .hidden = n, .panels = s.wide / lanes, .clip = trial_pick(t, 0, 1) ? 0.5f : INFINITY};
    s.cell.coupled = trial_pick(t, 0, 2) == 0;
    s.cell.f[0].function = RECURRENT_SIGMOID;
    s.cell.f[1].function = s.cell.f[2].function = RECURRENT_TANH;
    s.at = (recurrent_rows){.rows = rows, .ldx = nv * s.wide + trial_pick(t, 0, 3)};
    s.at.x = trial_floats(t, rows * s.at.ldx, FILL_UNIFORM);
    s.at.h = trial_floats(t, rows * s.wide, FILL_UNIFORM);
    s.at.new_h = trial_out(t, sizeof(float), 1, rows * s.wide, rows * s.wide, TRIAL_ALONE);
    return s;
}

static double sigmoid(double v)
{
    return 1 / (1 + exp(-v));
}

static double clipped(const step *s, double v)
{
    double clip = (double)s->cell.clip;
    return v > clip ? clip : v < -clip ? -clip : v;
}

static double from_x(const trial *t, const step *s, size_t row, size_t g, size_t i)
{
    return (double)s->at.x[row * s->at.ldx + place_of(t, s->nv, g, i)];
}

/* Gate g of neuron i, from the states `h` (n). */
static double gate(const trial *t, const step *s, size_t row, size_t g, size_t i, const double *h)
{
    return from_x(t, s, row, g, i) + dot(s->w + (g * s->n + i) * s->n, h, s->n);
}

static void states_of(const step *s, size_t row, double *h)
{
    for (size_t p = 0; p < s->n; p++)
        h[p] = (double)s->at.h[row * s->wide + p];
}

static void lstm(trial *t)
{
    step s = step_of(t, 4);
    s.cell.r = pack(t, s.w, s.n, s.n, 0, 4);
    size_t all = s.at.rows * s.wide;
    s.at.c = trial_floats(t, all, FILL_UNIFORM);
    s.at.new_c = trial_out(t, sizeof(float), 1, all, all, TRIAL_ALONE);
    bool peeps = trial_pick(t, 0, 1);
    for (int i = 0; i < 3 && peeps; i++)
        s.cell.peep[i] = trial_floats(t, s.wide, FILL_UNIFORM);
    CALL(t, s.at.rows * s.n, recurrent.lstm(&s.cell, &s.at));
    for (size_t row = 0; row < s.at.rows; row++) {
        double h[MAX_HIDDEN];
        states_of(&s, row, h);
        for (size_t i = 0; i < s.n; i++) {
            double g[4], was = (double)s.at.c[row * s.wide + i], peep[3];
            for (size_t q = 0; q < 4; q++)
                g[q] = gate(t, &s, row, q, i, h);
            for (int q = 0; q < 3; q++)
                peep[q] = peeps ? (double)s.cell.peep[q][i] : 0;
            double in = sigmoid(clipped(&s, g[0] + peep[0] * was)),
                   f = sigmoid(clipped(&s, g[2] + peep[2] * was));
            double now = (s.cell.coupled ? 1 - in : f) * was + in * tanh(clipped(&s, g[3]));
            double out = sigmoid(clipped(&s, g[1] + peep[1] * now));
            close_to(t, row * s.wide + i, s.at.new_c[row * s.wide + i], now);
            close_to(t, row * s.wide + i, s.at.new_h[row * s.wide + i], out * tanh(now));
        }
    }
}

static void gru(trial *t)
{
    step s = step_of(t, 3);
    bool before = trial_pick(t, 0, 1); /* the reset gate is applied before the product */
    size_t spare = 2 * s.at.rows * s.wide;
    s.cell.r = pack(t, s.w, s.n, s.n, 0, before ? 2 : 3);
    s.cell.r_hidden = before ? pack(t, s.w, s.n, s.n, 2, 1) : NULL;
    s.cell.b_hidden = trial_pick(t, 0, 1) ? trial_floats(t, s.wide, FILL_UNIFORM) : NULL;
    s.at.spare = trial_out(t, sizeof(float), 1, spare, spare, TRIAL_ALONE);
    CALL(t, s.at.rows * s.n, recurrent.gru(&s.cell, &s.at));
    for (size_t row = 0; row < s.at.rows; row++) {
        double h[MAX_HIDDEN], reset[MAX_HIDDEN], kept[MAX_HIDDEN];
        states_of(&s, row, h);
        for (size_t i = 0; i < s.n; i++) {
            reset[i] = sigmoid(clipped(&s, gate(t, &s, row, 1, i, h)));
            kept[i] = reset[i] * h[i];
        }
        for (size_t i = 0; i < s.n; i++) {
            const float *w = s.w + (2 * s.n + i) * s.n;
            double z = sigmoid(clipped(&s, gate(t, &s, row, 0, i, h))),
                   b = s.cell.b_hidden ? (double)s.cell.b_hidden[i] : 0;
            double rest = before ? dot(w, kept, s.n) : reset[i] * (dot(w, h, s.n) + b);
            double fresh = tanh(clipped(&s, from_x(t, &s, row, 2, i) + rest));
            close_to(t, row * s.wide + i, s.at.new_h[row * s.wide + i], (1 - z) * fresh + z * h[i]);
        }
    }
}

static void rnn(trial *t)
{
    step s = step_of(t, 1);
    s.cell.r = pack(t, s.w, s.n, s.n, 0, 1);
    s.cell.f[0] = (recurrent_gate){(recurrent_function)(t->round % 4), 0.3f, 0.4f};
    CALL(t, s.at.rows * s.n, recurrent.rnn(&s.cell, &s.at));
    for (size_t row = 0; row < s.at.rows; row++) {
        double h[MAX_HIDDEN];
        states_of(&s, row, h);
        for (size_t i = 0; i < s.n; i++) {
            double v = clipped(&s, gate(t, &s, row, 0, i, h));
            double want[] = {[RECURRENT_SIGMOID] = sigmoid(v),
                             [RECURRENT_TANH] = tanh(v),
                             [RECURRENT_RELU] = fmax(0, v),
                             [RECURRENT_HARD_SIGMOID] = fmin(1, fmax(0, v * 0.3 + 0.4))};
            close_to(t, row * s.wide + i, s.at.new_h[row * s.wide + i], want[s.cell.f[0].function]);
        }
    }
}

static const trial_row rows[] = {
    DATA(recurrent.lanes),     ENTRY(recurrent.project, project), ENTRY(recurrent.lstm, lstm),
    ENTRY(recurrent.gru, gru), ENTRY(recurrent.rnn, rnn),
};
const trial_family family_recurrent = {"recurrent", rows, COUNT(rows)};
