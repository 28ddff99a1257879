/* The recurrent kernels over the vector operations of simd/f32_*.h and RECURRENT_ROWS of kernel/levels: how
   many rows of 4 vectors a tile in registers has. */
#include "base/error.h" /* refuses -ffast-math */
#include "kernel/kernel.h"
#include "simd/f32_math.h"

#define ROWS   RECURRENT_ROWS
#define MAX_NV RECURRENT_MAX_NV
#define INLINE static inline __attribute__((always_inline))
#undef UNROLL
#define UNROLL _Pragma("GCC unroll 16")

/* ---- Products ------------------------------------------------------------------------------------------ */

/* sum[r][v] += sum over p < k of a[r * lda + p] w[p * nv + v]. A single row has two sums for each vector,
   since a chain of additions is bound by latency. */
INLINE void one_row(const float *a, size_t k, const float *w, int nv, vf sum[MAX_NV])
{
    vf more[MAX_NV];
    size_t p = 0, step = (size_t)nv * VF_LANES;
    UNROLL for (int v = 0; v < nv; v++) more[v] = vf_zero();
    for (; p + 2 <= k; p += 2, w += 2 * step) {
        vf left = vf_set1(a[p]), right = vf_set1(a[p + 1]);
        UNROLL for (int v = 0; v < nv; v++)
        {
            sum[v] = vf_fma(left, vf_load(w + v * VF_LANES), sum[v]);
            more[v] = vf_fma(right, vf_load(w + step + v * VF_LANES), more[v]);
        }
    }
    if (p < k)
        UNROLL for (int v = 0; v < nv; v++) sum[v] = vf_fma(vf_set1(a[p]), vf_load(w + v * VF_LANES), sum[v]);
    UNROLL for (int v = 0; v < nv; v++) sum[v] = vf_add(sum[v], more[v]);
}

INLINE void some_rows(const float *a, size_t lda, int rows, size_t k, const float *w, int nv,
                      vf sum[ROWS][MAX_NV])
{
    for (size_t p = 0; p < k; p++, w += nv * VF_LANES) {
        vf right[MAX_NV];
        UNROLL for (int v = 0; v < nv; v++) right[v] = vf_load(w + v * VF_LANES);
        UNROLL for (int r = 0; r < rows; r++)
        {
            vf left = vf_set1(a[(size_t)r * lda + p]);
            UNROLL for (int v = 0; v < nv; v++) sum[r][v] = vf_fma(left, right[v], sum[r][v]);
        }
    }
}

INLINE void product(const float *a, size_t lda, int rows, size_t k, const float *w, int nv,
                    vf sum[ROWS][MAX_NV])
{
    if (rows == 1)
        one_row(a, k, w, nv, sum[0]);
    else
        some_rows(a, lda, rows, k, w, nv, sum);
}

INLINE void load_rows(const float *x, size_t ldx, int rows, int nv, vf sum[ROWS][MAX_NV])
{
    UNROLL for (int r = 0; r < rows; r++) UNROLL for (int v = 0; v < nv; v++) sum[r][v] =
        vf_load(x + (size_t)r * ldx + v * VF_LANES);
}

/* Calls work(rows, ...) with a constant for `left` rows: as many as fit in registers, four, two, one. Loops that a level
   has no room for never run, and name one row. */
#define BY_ROWS(left, work)                                                                                  \
    do {                                                                                                     \
        size_t first = 0, all = (left);                                                                      \
        for (; ROWS > 1 && all - first >= ROWS; first += ROWS)                                               \
            work(ROWS, first);                                                                               \
        for (; ROWS > 4 && all - first >= 4; first += 4)                                                     \
            work(ROWS > 4 ? 4 : 1, first);                                                                   \
        for (; ROWS > 2 && all - first >= 2; first += 2)                                                     \
            work(ROWS > 2 ? 2 : 1, first);                                                                   \
        for (; first < all; first++)                                                                         \
            work(1, first);                                                                                  \
    } while (0)

INLINE void project_rows(const float *x, size_t ldx, int rows, size_t k, const float *w, int nv,
                         const float *bias, float *y, size_t ldy)
{
    vf sum[ROWS][MAX_NV];
    load_rows(bias, 0, rows, nv, sum);
    product(x, ldx, rows, k, w, nv, sum);
    UNROLL for (int r = 0; r < rows; r++) UNROLL for (int v = 0; v < nv; v++)
        vf_store(y + (size_t)r * ldy + v * VF_LANES, sum[r][v]);
}

INLINE void project(const float *x, size_t ldx, size_t rows, size_t k, const float *w, size_t panels, int nv,
                    const float *bias, float *y)
{
    size_t wide = (size_t)nv * VF_LANES, ldy = panels * wide;
    for (size_t i = 0; i < panels; i++, w += k * wide, bias += wide, y += wide) {
#define WORK(n, first) project_rows(x + (first)*ldx, ldx, n, k, w, nv, bias, y + (first)*ldy, ldy)
        BY_ROWS(rows, WORK);
#undef WORK
    }
}

static void vector_project(const float *x, size_t ldx, size_t rows, size_t k, const float *w, size_t panels,
                           size_t nv, const float *bias, float *y)
{
    if (nv == 4)
        project(x, ldx, rows, k, w, panels, 4, bias, y);
    else if (nv == 3)
        project(x, ldx, rows, k, w, panels, 3, bias, y);
    else if (nv == 2)
        project(x, ldx, rows, k, w, panels, 2, bias, y);
    else
        project(x, ldx, rows, k, w, panels, 1, bias, y);
}

/* ---- Gates --------------------------------------------------------------------------------------------- */

INLINE vf activate(const recurrent_gate *f, vf x)
{
    switch (f->function) {
    case RECURRENT_SIGMOID:
        return vf_sigmoid(x);
    case RECURRENT_TANH:
        return vf_tanh(x);
    case RECURRENT_RELU:
        return vf_max(vf_zero(), x);
    default:
        x = vf_add(vf_mul(x, vf_set1(f->alpha)), vf_set1(f->beta));
        return vf_min(vf_set1(1.0f), vf_max(vf_zero(), x));
    }
}

INLINE vf gate(const recurrent_cell *cell, int which, vf x)
{
    x = vf_min(vf_set1(cell->clip), vf_max(vf_set1(-cell->clip), x));
    return activate(&cell->f[which], x);
}

/* x + P * c where there are peepholes */
INLINE vf peeped(const recurrent_cell *cell, int which, size_t at, vf x, vf c)
{
    return cell->peep[which] ? vf_fma(vf_load(cell->peep[which] + at), c, x) : x;
}

/* ---- Cells --------------------------------------------------------------------------------------------- */

INLINE void lstm_rows(const recurrent_cell *cell, const recurrent_rows *o, int rows, size_t first,
                      size_t panel)
{
    size_t wide = cell->panels * VF_LANES, place = panel * VF_LANES;
    vf sum[ROWS][MAX_NV];
    load_rows(o->x + first * o->ldx + 4 * place, o->ldx, rows, 4, sum);
    product(o->h + first * wide, wide, rows, cell->hidden, cell->r + 4 * place * cell->hidden, 4, sum);
    UNROLL for (int r = 0; r < rows; r++)
    {
        size_t at = (first + (size_t)r) * wide + place;
        vf old = vf_load(o->c + at);
        vf in = gate(cell, 0, peeped(cell, 0, place, sum[r][0], old));
        vf forget =
            cell->coupled ? vf_sub(vf_set1(1.0f), in) : gate(cell, 0, peeped(cell, 2, place, sum[r][2], old));
        vf c = vf_fma(forget, old, vf_mul(in, gate(cell, 1, sum[r][3])));
        vf out = gate(cell, 0, peeped(cell, 1, place, sum[r][1], c));
        vf_store(o->new_c + at, c);
        vf_store(o->new_h + at, vf_mul(out, activate(&cell->f[2], c)));
    }
}

static void vector_lstm(const recurrent_cell *cell, const recurrent_rows *o)
{
#define WORK(n, first) lstm_rows(cell, o, n, first, panel)
    for (size_t panel = 0; panel < cell->panels; panel++)
        BY_ROWS(o->rows, WORK);
#undef WORK
}

/* (1 - z) new + z h */
INLINE vf mixed(vf z, vf fresh, vf h)
{
    return vf_fma(vf_sub(vf_set1(1.0f), z), fresh, vf_mul(z, h));
}

/* The reset gate after the product. */
INLINE void gru_rows(const recurrent_cell *cell, const recurrent_rows *o, int rows, size_t first,
                     size_t panel)
{
    size_t wide = cell->panels * VF_LANES, place = panel * VF_LANES;
    const float *x = o->x + first * o->ldx + 3 * place;
    vf sum[ROWS][MAX_NV];
    load_rows(x, o->ldx, rows, 2, sum);
    UNROLL for (int r = 0; r < rows; r++) sum[r][2] =
        cell->b_hidden ? vf_load(cell->b_hidden + place) : vf_zero();
    product(o->h + first * wide, wide, rows, cell->hidden, cell->r + 3 * place * cell->hidden, 3, sum);
    UNROLL for (int r = 0; r < rows; r++)
    {
        size_t at = (first + (size_t)r) * wide + place;
        vf z = gate(cell, 0, sum[r][0]), reset = gate(cell, 0, sum[r][1]);
        vf fresh = vf_fma(reset, sum[r][2], vf_load(x + (size_t)r * o->ldx + 2 * VF_LANES));
        vf_store(o->new_h + at, mixed(z, gate(cell, 1, fresh), vf_load(o->h + at)));
    }
}

/* The reset gate before the product: update gates and r * h into spare. */
INLINE void gru_reset_rows(const recurrent_cell *cell, const recurrent_rows *o, int rows, size_t first,
                           size_t panel)
{
    size_t wide = cell->panels * VF_LANES, place = panel * VF_LANES;
    vf sum[ROWS][MAX_NV];
    load_rows(o->x + first * o->ldx + 3 * place, o->ldx, rows, 2, sum);
    product(o->h + first * wide, wide, rows, cell->hidden, cell->r + 2 * place * cell->hidden, 2, sum);
    UNROLL for (int r = 0; r < rows; r++)
    {
        size_t at = (first + (size_t)r) * wide + place;
        vf_store(o->spare + at, gate(cell, 0, sum[r][0]));
        vf_store(o->spare + o->rows * wide + at, vf_mul(gate(cell, 0, sum[r][1]), vf_load(o->h + at)));
    }
}

INLINE void gru_hidden_rows(const recurrent_cell *cell, const recurrent_rows *o, int rows, size_t first,
                            size_t panel)
{
    size_t wide = cell->panels * VF_LANES, place = panel * VF_LANES;
    const float *reset = o->spare + o->rows * wide + first * wide;
    vf sum[ROWS][MAX_NV];
    load_rows(o->x + first * o->ldx + 3 * place + 2 * VF_LANES, o->ldx, rows, 1, sum);
    product(reset, wide, rows, cell->hidden, cell->r_hidden + place * cell->hidden, 1, sum);
    UNROLL for (int r = 0; r < rows; r++)
    {
        size_t at = (first + (size_t)r) * wide + place;
        vf_store(o->new_h + at, mixed(vf_load(o->spare + at), gate(cell, 1, sum[r][0]), vf_load(o->h + at)));
    }
}

static void vector_gru(const recurrent_cell *cell, const recurrent_rows *o)
{
#define AFTER(n, first)  gru_rows(cell, o, n, first, panel)
#define RESET(n, first)  gru_reset_rows(cell, o, n, first, panel)
#define HIDDEN(n, first) gru_hidden_rows(cell, o, n, first, panel)
    for (size_t panel = 0; !cell->r_hidden && panel < cell->panels; panel++)
        BY_ROWS(o->rows, AFTER);
    for (size_t panel = 0; cell->r_hidden && panel < cell->panels; panel++)
        BY_ROWS(o->rows, RESET);
    for (size_t panel = 0; cell->r_hidden && panel < cell->panels; panel++)
        BY_ROWS(o->rows, HIDDEN);
#undef AFTER
#undef RESET
#undef HIDDEN
}

INLINE void rnn_rows(const recurrent_cell *cell, const recurrent_rows *o, int rows, size_t first,
                     size_t panel)
{
    size_t wide = cell->panels * VF_LANES, place = panel * VF_LANES;
    vf sum[ROWS][MAX_NV];
    load_rows(o->x + first * o->ldx + place, o->ldx, rows, 1, sum);
    product(o->h + first * wide, wide, rows, cell->hidden, cell->r + place * cell->hidden, 1, sum);
    UNROLL for (int r = 0; r < rows; r++)
        vf_store(o->new_h + (first + (size_t)r) * wide + place, gate(cell, 0, sum[r][0]));
}

static void vector_rnn(const recurrent_cell *cell, const recurrent_rows *o)
{
#define WORK(n, first) rnn_rows(cell, o, n, first, panel)
    for (size_t panel = 0; panel < cell->panels; panel++)
        BY_ROWS(o->rows, WORK);
#undef WORK
}

void SIMD_NAME(recurrent_init)(recurrent_kernels *k)
{
    *k = (recurrent_kernels){.lanes = VF_LANES,
                             .project = vector_project,
                             .lstm = vector_lstm,
                             .gru = vector_gru,
                             .rnn = vector_rnn};
}
