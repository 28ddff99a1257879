/* The parts of attention against softmax and products in double. */
#include "base/size.h"
#include "trial.h"

#include <math.h>

#define LOWEST (-3.4028234663852886e38f)

static size_t strips(size_t n, size_t mr)
{
    return size_ceil_div(n, mr) * mr;
}

static void near_to(const trial *t, size_t at, double got, double want, double size)
{
    trial_expect(t, at, got, want, 2e-6 * size);
}

/* ---- Packing ------------------------------------------------------------------------------------------- */

static void all_finite(trial *t)
{
    size_t n = t->bench ? 32 : trial_pick(t, 1, 20), d = 1 + trial_length(t) % 80,
           stride = d + trial_pick(t, 0, 5);
    float *x = trial_floats(t, (n - 1) * stride + d, FILL_UNIFORM);
    bool all = true;
    for (size_t row = 0; row < n; row++)
        for (size_t p = d; p < stride && row + 1 < n; p++)
            x[row * stride + p] = NAN; /* between the rows */
    if (!t->bench && trial_pick(t, 0, 1)) {
        static const float strange[] = {NAN, INFINITY, -INFINITY};
        x[trial_pick(t, 0, n - 1) * stride + trial_pick(t, 0, d - 1)] = strange[trial_pick(t, 0, 2)];
        all = false;
    }
    bool *y = trial_out(t, sizeof *y, 1, 1, 1, 0);
    CALL_TO(t, n * d, *y, attention.finite(x, stride, n, d));
    trial_expect(t, 0, *y, all, 0);
}

static void pack_keys(trial *t)
{
    size_t mr = t->k->attention.mr, n = t->bench ? 64 : trial_pick(t, 1, ATTENTION_KEYS),
           d = 1 + trial_length(t) % 70;
    size_t stride = d + trial_pick(t, 0, 5), up = strips(n, mr);
    const float *x = trial_floats(t, (n - 1) * stride + d, FILL_UNIFORM);
    float *dst = trial_out(t, sizeof *dst, 1, up * d, up * d, TRIAL_ALONE);
    CALL(t, n * d, attention.pack_keys(x, stride, n, d, dst));
    for (size_t j = 0; j < up; j++)
        for (size_t p = 0; p < d; p++)
            trial_expect(t, j * d + p, dst[(j / mr * d + p) * mr + j % mr], j < n ? x[j * stride + p] : 0, 0);
}

static void pack_values(trial *t)
{
    size_t mr = t->k->attention.mr, n = t->bench ? 64 : trial_pick(t, 1, ATTENTION_KEYS),
           d = 1 + trial_length(t) % 70;
    size_t stride = d + trial_pick(t, 0, 5), up = strips(d, mr);
    const float *x = trial_floats(t, (n - 1) * stride + d, FILL_UNIFORM);
    float *dst = trial_out(t, sizeof *dst, 1, up * n, up * n, TRIAL_ALONE);
    CALL(t, n * d, attention.pack_values(x, stride, n, d, dst));
    for (size_t c = 0; c < up; c++)
        for (size_t j = 0; j < n; j++)
            trial_expect(t, c * n + j, dst[(c / mr * n + j) * mr + c % mr], c < d ? x[j * stride + c] : 0, 0);
}

/* Pointers to n rows of d floats in any order for a panel; the remaining pointers repeat the first row of
   x. */
static void rows_of(trial *t, const float **rows, size_t n, size_t d)
{
    const float *x = trial_floats(t, n * d, FILL_UNIFORM);
    for (size_t i = 0; i < ATTENTION_MAX_NR; i++)
        rows[i] = x + (i < n ? n - 1 - i : 0) * d;
}

static void pack_queries(trial *t)
{
    size_t nr = t->k->attention.nr, lanes = t->k->attention.lanes, n = t->bench ? nr : trial_pick(t, 1, nr);
    size_t d = 1 + trial_length(t) % 70, wide = strips(n, lanes);
    const float *rows[ATTENTION_MAX_NR];
    rows_of(t, rows, n, d);
    float *dst = trial_out(t, sizeof *dst, d, wide, nr, TRIAL_ALONE);
    CALL(t, n * d, attention.pack_queries(rows, n, d, 0.25f, dst));
    for (size_t p = 0; p < d; p++)
        for (size_t i = 0; i < wide; i++)
            trial_expect(t, p * wide + i, dst[p * nr + i], i < n ? rows[i][p] * 0.25f : 0, 0);
}

/* ---- A block of keys ----------------------------------------------------------------------------------- */

/* n keys, and the vectors of a panel that hold queries. */
typedef struct block {
    size_t n, vectors, lanes, wide, nr;
} block;

static block block_of(trial *t)
{
    const attention_kernels *k = &t->k->attention;
    block b = {
        .n = t->bench ? 64 : 1 + trial_length(t) % ATTENTION_KEYS, .vectors = k->nr / k->lanes, .nr = k->nr};
    b.vectors = t->bench ? b.vectors : trial_pick(t, 1, b.vectors);
    b.lanes = k->lanes;
    b.wide = b.vectors * k->lanes;
    return b;
}

static float *lane_floats(trial *t, const block *b, float number)
{
    float *x = trial_out(t, sizeof *x, 1, b->wide, b->wide, TRIAL_ALONE);
    for (size_t i = 0; i < b->wide; i++)
        x[i] = number;
    return x;
}

static void scores(trial *t)
{
    const attention_kernels *k = &t->k->attention;
    block b = block_of(t);
    size_t d = t->bench ? 64 : trial_pick(t, 1, 70), up = strips(b.n, k->mr);
    const float *keys = trial_floats(t, up * d, FILL_UNIFORM), *q = trial_floats(t, d * b.nr, FILL_UNIFORM);
    float *s = trial_out(t, sizeof *s, up, b.wide, b.nr, TRIAL_ALONE),
          *largest = lane_floats(t, &b, t->round % 2 ? 0.5f : LOWEST);
    CALL(t, b.n * b.wide * d, attention.scores(keys, q, d, b.n, b.vectors, s, largest));
    for (size_t i = 0; i < b.wide; i++) {
        float top = t->round % 2 ? 0.5f : LOWEST;
        for (size_t j = 0; j < b.n; j++) {
            double want = 0;
            for (size_t p = 0; p < d; p++)
                want += (double)keys[(j / k->mr * d + p) * k->mr + j % k->mr] * (double)q[p * b.nr + i];
            near_to(t, j * b.nr + i, s[j * b.nr + i], want, (double)d);
            top = fmaxf(top, s[j * b.nr + i]);
        }
        trial_expect(t, i, largest[i], top, 0);
    }
}

static attention_mask mask_of(trial *t, size_t n, size_t lanes)
{
    attention_mask m = {.bias_step = trial_pick(t, 0, 3) != 0, .hidden = -INFINITY};
    m.limited = trial_pick(t, 0, 1);
    m.softcap = trial_pick(t, 0, 1) ? 2 : 0;
    m.bias_shared = trial_pick(t, 0, 2) == 0;
    const float *bias = trial_pick(t, 0, 3) ? trial_floats(t, lanes * n, FILL_UNIFORM) : NULL;
    for (size_t i = 0; i < ATTENTION_MAX_NR; i++) {
        m.bias[i] = bias ? bias + i % lanes * n : NULL;
        m.first[i] = (float)(i % 3);
        m.last[i] = (float)n - 1 - (float)(i % 2 * (n > 3));
    }
    return m;
}

/* Score of lane i for key j after softcap, bias and limits. */
static double masked(const attention_mask *m, double s, size_t i, size_t j)
{
    if (m->softcap != 0)
        s = (double)m->softcap * tanh(s / (double)m->softcap);
    if (m->bias[0])
        s += (double)m->bias[m->bias_shared ? 0 : i][j * m->bias_step];
    if (m->limited && ((double)j < (double)m->first[i] || (double)j > (double)m->last[i]))
        s += -INFINITY;
    return s;
}

static void mask(trial *t)
{
    block b = block_of(t);
    attention_mask m = mask_of(t, b.n, b.wide);
    float *s = trial_out(t, sizeof *s, b.n, b.wide, b.nr, TRIAL_ALONE), *largest = lane_floats(t, &b, LOWEST);
    for (size_t j = 0; j < b.n; j++)
        trial_fill_floats(t, s + j * b.nr, b.wide, FILL_UNIFORM);
    CALL(t, b.n * b.wide, attention.mask(s, b.n, b.vectors, &m, largest));
    const float *before = trial_before(t, s);
    for (size_t i = 0; i < b.wide; i++) {
        float top = LOWEST;
        for (size_t j = 0; j < b.n; j++) {
            near_to(t, j * b.nr + i, s[j * b.nr + i], masked(&m, (double)before[j * b.nr + i], i, j), 1);
            top = fmaxf(top, s[j * b.nr + i]);
        }
        trial_expect(t, i, largest[i], top, 0);
    }
}

static void exponentials(trial *t)
{
    static const float special[] = {0, -0.0f, -1e-40f, -87, -88.5f, -200, -INFINITY, LOWEST, NAN};
    block b = block_of(t);
    float *s = trial_out(t, sizeof *s, b.n, b.wide, b.nr, TRIAL_ALONE);
    float *before = trial_floats(t, b.wide, FILL_UNIFORM), *largest = trial_floats(t, b.wide, FILL_UNIFORM);
    float *sum = lane_floats(t, &b, 3), *factor = lane_floats(t, &b, 0);
    for (size_t i = 0; i < b.wide; i++) {
        largest[i] = t->round % 7 == 0 && i % 3 == 0 ? LOWEST : i % 2 ? 3.0f : 0.0f;
        before[i] = fmaxf(largest[i], LOWEST) - (i % 4 == 0 ? 0 : 2);
    }
    for (size_t j = 0; j < b.n; j++)
        for (size_t i = 0; i < b.wide; i++)
            s[j * b.nr + i] = fmaxf(largest[i], LOWEST) + (j < COUNT(special) && t->round % 3 == 0
                                                               ? special[j]
                                                               : (float)(check_uniform(&t->r) * 50 - 50));
    CALL(t, b.n * b.wide, attention.exponentials(s, b.n, b.vectors, before, largest, sum, factor));
    const float *scores_before = trial_before(t, s);
    for (size_t i = 0; i < b.wide; i++) {
        double top = fmax((double)largest[i], (double)LOWEST), total = 3 * exp((double)before[i] - top);
        near_to(t, i, factor[i], exp((double)before[i] - top), 1);
        for (size_t j = 0; j < b.n; j++) {
            double below = (double)scores_before[j * b.nr + i] - top, want = exp(below);
            near_to(t, j * b.nr + i, s[j * b.nr + i], want,
                    (want > 0 ? want * (0.1 - 0.05 * below) : 0) + 1e-32);
            total += want;
        }
        near_to(t, i, sum[i], total, total);
    }
}

static void weigh(trial *t)
{
    const attention_kernels *k = &t->k->attention;
    block b = block_of(t);
    size_t d = t->bench ? 64 : trial_pick(t, 1, 70), up = strips(d, k->mr);
    const float *v = trial_floats(t, up * b.n, FILL_UNIFORM), *s = trial_floats(t, b.n * b.nr, FILL_UNIFORM);
    const float *factor = trial_pick(t, 0, 1) ? trial_floats(t, b.wide, FILL_UNIFORM) : NULL;
    float *y = trial_out(t, sizeof *y, up, b.wide, b.nr, TRIAL_ALONE);
    for (size_t c = 0; c < up; c++)
        trial_fill_floats(t, y + c * b.nr, b.wide, FILL_UNIFORM);
    CALL(t, b.n * b.wide * d, attention.weigh(v, s, b.n, d, b.vectors, factor, y));
    const float *before = trial_before(t, y);
    for (size_t c = 0; c < d; c++)
        for (size_t i = 0; i < b.wide; i++) {
            double want = factor ? (double)before[c * b.nr + i] * (double)factor[i] : 0;
            for (size_t j = 0; j < b.n; j++)
                want += (double)v[(c / k->mr * b.n + j) * k->mr + c % k->mr] * (double)s[j * b.nr + i];
            near_to(t, c * b.nr + i, y[c * b.nr + i], want, 1 + (double)b.n);
        }
}

static void give(trial *t)
{
    size_t nr = t->k->attention.nr, n = t->bench ? nr : trial_pick(t, 1, nr), d = 1 + trial_length(t) % 70;
    const float *y = trial_floats(t, strips(d, t->k->attention.mr) * nr, FILL_UNIFORM),
                *sum = trial_floats(t, nr, FILL_SHIFTED);
    float *out = trial_out(t, sizeof *out, n, d, d + 3, TRIAL_ALONE), *rows[ATTENTION_MAX_NR];
    for (size_t i = 0; i < ATTENTION_MAX_NR; i++)
        rows[i] = out + (i < n ? i : 0) * (d + 3);
    CALL(t, n * d, attention.give(y, sum, n, d, rows));
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < d; c++) {
            double want = (double)y[c * nr + i] / (double)sum[i];
            trial_expect(t, i * d + c, rows[i][c], want, 3e-7 * fabs(want));
        }
}

/* ---- Few queries --------------------------------------------------------------------------------------- */

/* Score of query i for key j. */
static double score(const float *q, const float *k, size_t d, double scale)
{
    double e = 0;
    for (size_t p = 0; p < d; p++)
        e += scale * (double)q[p] * (double)k[p];
    return e;
}

/* One query; the same keys twice, as two blocks. */
static void row(trial *t)
{
    size_t n = t->bench ? 64 : 1 + trial_length(t) % ATTENTION_KEYS, d = t->bench ? 64 : trial_pick(t, 1, 70),
           dv = t->bench ? 64 : trial_pick(t, 1, 70);
    attention_row r = {.k_row = d + 3, .v_row = dv + 2, .n = n, .d = d, .dv = dv};
    attention_mask m = mask_of(t, n, 1);
    m.first[0] = m.limited && n > 2;
    r.q = trial_floats(t, d, FILL_UNIFORM);
    r.k = trial_floats(t, (n - 1) * r.k_row + d, FILL_UNIFORM);
    r.v = trial_floats(t, (n - 1) * r.v_row + dv, FILL_UNIFORM);
    r.mask = trial_pick(t, 0, 1) ? &m : NULL;
    r.largest = trial_out(t, sizeof(float), 1, 1, 1, TRIAL_ALONE);
    r.sum = trial_out(t, sizeof(float), 1, 1, 1, TRIAL_ALONE);
    r.y = trial_out(t, sizeof(float), 1, dv, dv, TRIAL_ALONE);
    *r.largest = LOWEST;
    *r.sum = 0;
    memset(r.y, 0, dv * sizeof *r.y);
    CALL(t, n * d, attention.row(&r));
    t->k->attention.row(&r);
    double e[ATTENTION_KEYS], top = (double)LOWEST, total = 0;
    for (size_t j = 0; j < n; j++) {
        e[j] = score(r.q, r.k + j * r.k_row, d, 1);
        e[j] = r.mask ? masked(&m, e[j], 0, j) : e[j];
        top = fmax(top, e[j]);
    }
    for (size_t j = 0; j < n; j++)
        total += e[j] = exp(e[j] - top);
    for (size_t c = 0; c < dv; c++) {
        double want = 0;
        for (size_t j = 0; j < n; j++)
            want += e[j] * (double)r.v[j * r.v_row + c];
        near_to(t, c, r.y[c] / *r.sum, want / total, 1);
    }
}

/* A few queries and all keys at once, with NaN and infinities among keys, values and biases in some
   rounds. */
static void small(trial *t)
{
    size_t lanes = t->k->attention.lanes, keys = t->bench ? 16 : 1 + t->round % 40,
           d = t->bench ? 32 : trial_pick(t, 1, 70), dv = t->bench ? 32 : trial_pick(t, 1, 70);
    const float *q[ATTENTION_MAX_NR];
    float *y[ATTENTION_MAX_NR], *out;
    attention_small a = {.q = q,
                         .y = y,
                         .n = trial_pick(t, 1, lanes),
                         .k_row = d + 1,
                         .v_row = dv + 2,
                         .keys = keys,
                         .d = d,
                         .dv = dv,
                         .scale = 0.3f};
    attention_mask m = mask_of(t, keys, lanes);
    m.bias_step = 1;
    for (size_t i = 0; i < ATTENTION_MAX_NR; i++)
        m.first[i] = m.first[i] < (float)keys ? m.first[i] : 0;
    bool strange = t->round % 3 == 0 && !t->bench && m.softcap == 0;
    rows_of(t, q, lanes, d);
    float *k = trial_floats(t, (keys - 1) * a.k_row + d, FILL_UNIFORM),
          *v = trial_floats(t, (keys - 1) * a.v_row + dv, FILL_UNIFORM);
    if (strange) {
        v[0] = NAN; /* times 0 it is NaN too */
        k[(keys - 1) * a.k_row] = INFINITY;
    }
    a.k = k;
    a.v = v;
    bool plain = !m.bias[0] && !m.limited && m.softcap == 0;
    a.mask = plain ? NULL : &m;
    out = trial_out(t, sizeof *out, a.n, dv, dv + 1, TRIAL_ALONE);
    for (size_t i = 0; i < ATTENTION_MAX_NR; i++)
        y[i] = out + (i < a.n ? i : 0) * (dv + 1);
    size_t work = (keys + d + dv) * lanes;
    a.work = trial_out(t, sizeof *a.work, 1, work, work, TRIAL_ALONE);
    float *sums = trial_out(t, sizeof *sums, 1, lanes, lanes, TRIAL_ALONE);
    CALL(t, a.n * keys * d, attention.small(&a, sums));
    for (size_t i = 0; i < a.n; i++) {
        double e[64], top = (double)LOWEST, sum = 0;
        for (size_t j = 0; j < keys; j++) {
            e[j] = masked(&m, score(q[i], k + j * a.k_row, d, (double)a.scale), i, j);
            top = e[j] > top ? e[j] : top;
        }
        for (size_t j = 0; j < keys; j++)
            sum += e[j] = exp(e[j] - top);
        near_to(t, i, sums[i], sum, 10 * sum);
        for (size_t c = 0; c < dv; c++) {
            double want = 0;
            for (size_t j = 0; j < keys; j++)
                want += e[j] * (double)v[j * a.v_row + c];
            near_to(t, i * dv + c, y[i][c], want / sum, 1);
        }
    }
}

static const trial_row rows[] = {
    DATA(attention.mr),
    DATA(attention.nr),
    DATA(attention.lanes),
    ENTRY(attention.finite, all_finite),
    ENTRY(attention.pack_keys, pack_keys),
    ENTRY(attention.pack_values, pack_values),
    ENTRY(attention.pack_queries, pack_queries),
    ENTRY(attention.scores, scores),
    ENTRY(attention.mask, mask),
    ENTRY(attention.exponentials, exponentials),
    ENTRY(attention.weigh, weigh),
    ENTRY(attention.give, give),
    ENTRY(attention.row, row),
    ENTRY(attention.small, small),
};
const trial_family family_attention = {"attention", rows, COUNT(rows)};
