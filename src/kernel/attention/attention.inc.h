/* The attention kernels over the vector operations of simd/f32_*.h and these sizes of kernel/levels:

       ATTENTION_MR, ATTENTION_NV       rows of a strip, vectors in a panel */
#include "base/error.h" /* refuses -ffast-math */
#include "kernel/kernel.h"
#include "simd/f32_math.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define MR ATTENTION_MR
#define NV ATTENTION_NV
#define NR ((size_t)(NV * VF_LANES))
#undef UNROLL
#define UNROLL _Pragma("GCC unroll 16")
#define INLINE static inline __attribute__((always_inline))

_Static_assert(NV *VF_LANES <= ATTENTION_MAX_NR && ATTENTION_KEYS % MR == 0, "panels fit what callers hold");

/* 2^f = 1 + f E(f) for |f| <= 1/2: fit error 9.2e-8; our own fit (Lawson's reweighted least squares). */
#define EXP2_COUNT 5
#define LOG2E      1.44269504f
#define MAGIC      12582912.0f /* its addition leaves the nearest integer in the low bits */

static const float exp2_fit[EXP2_COUNT] = {
    6.931470037e-01f, 2.402224243e-01f, 5.550733581e-02f, 9.671512991e-03f, 1.326472731e-03f,
};

/* x[v] = e^(x[v] - largest[v]) for x <= largest; 0 below e^-88, NaN where x is. The vectors advance together
   step by step, since a single one would be bound by latency. */
INLINE void exp_below(vf *x, const vf *largest, int nv)
{
    vf shifted[NV], sum[NV];
    UNROLL for (int v = 0; v < nv; v++) x[v] = vf_mul(vf_sub(x[v], largest[v]), vf_set1(LOG2E));
    UNROLL for (int v = 0; v < nv; v++) x[v] = vf_max(vf_set1(-127.0f), x[v]); /* 2^-127 gives 0 */
    UNROLL for (int v = 0; v < nv; v++) shifted[v] = vf_add(x[v], vf_set1(MAGIC));
    UNROLL for (int v = 0; v < nv; v++) x[v] = vf_sub(x[v], vf_sub(shifted[v], vf_set1(MAGIC)));
    UNROLL for (int v = 0; v < nv; v++) sum[v] = vf_set1(exp2_fit[EXP2_COUNT - 1]);
    UNROLL for (int i = EXP2_COUNT - 2; i >= 0; i--) UNROLL for (int v = 0; v < nv; v++) sum[v] =
        vf_fma(sum[v], x[v], vf_set1(exp2_fit[i]));
    UNROLL for (int v = 0; v < nv; v++) x[v] =
        vf_mul(vf_fma(sum[v], x[v], vf_set1(1.0f)), vf_power_of_2(shifted[v]));
}

INLINE vf exp_one(vf x, vf largest)
{
    exp_below(&x, &largest, 1);
    return x;
}

/* ---- Packing ------------------------------------------------------------------------------------------- */

/* x times 0 is NaN only for NaN and infinities; the sums detect any. */
static bool vector_finite(const float *x, size_t stride, size_t n, size_t d)
{
    vf sum[2] = {vf_zero(), vf_zero()};
    float rest = 0.0f;
    for (size_t j = 0; j < n; j++, x += stride) {
        size_t p = 0;
        for (; p + 2 * VF_LANES <= d; p += 2 * VF_LANES) {
            sum[0] = vf_fma(vf_load(x + p), vf_zero(), sum[0]);
            sum[1] = vf_fma(vf_load(x + p + VF_LANES), vf_zero(), sum[1]);
        }
        for (; p < d; p++)
            rest += x[p] * 0.0f;
    }
    return rest + vf_sum(vf_add(sum[0], sum[1])) == 0.0f;
}

/* Rows are far apart in memory, so they are prefetched this many rows before they are packed. Prefetching
   past the last row does no harm. */
#define ROWS_AHEAD 16

INLINE void fetch_ahead(const float *x, size_t stride, size_t d)
{
    for (size_t p = 0; p < d; p += 16)
        __builtin_prefetch((const void *)((uintptr_t)x + (ROWS_AHEAD * stride + p) * sizeof *x));
}

/* VF_LANES keys as strips of MR. */
INLINE void transpose_keys(const float *k, size_t stride, size_t d, float *dst)
{
    size_t p = 0;
    for (; p + VF_LANES <= d; p += VF_LANES) {
        float each[VF_LANES];
        vf v[VF_LANES];
        UNROLL for (int i = 0; i < VF_LANES; i++)
        {
            v[i] = vf_load(k + (size_t)i * stride + p);
            __builtin_prefetch(
                (const void *)((uintptr_t)(k + p) + (VF_LANES + (size_t)i) * stride * sizeof *k));
        }
        vf_transpose(v);
        UNROLL for (int i = 0; i < VF_LANES; i++)
        {
            vf_store(each, v[i]);
            for (size_t strip = 0; strip < VF_LANES; strip += MR)
                memcpy(dst + strip * d + (p + (size_t)i) * MR, each + strip, MR * sizeof *dst);
        }
    }
    for (; p < d; p++)
        for (size_t i = 0; i < VF_LANES; i++)
            dst[i / MR * MR * d + p * MR + i % MR] = k[i * stride + p];
}

/* Packs as many keys at once as a vector has lanes, where they are full strips. */
static void vector_pack_keys(const float *k, size_t stride, size_t n, size_t d, float *dst)
{
    size_t left = n;
    for (; VF_LANES % MR == 0 && left >= VF_LANES;
         left -= VF_LANES, k += VF_LANES * stride, dst += VF_LANES * d)
        transpose_keys(k, stride, d, dst);
    for (; left >= MR; left -= MR, k += MR * stride)
        for (size_t p = 0; p < d; p++, dst += MR)
            UNROLL for (size_t i = 0; i < MR; i++) dst[i] = k[i * stride + p];
    for (size_t p = 0; left && p < d; p++, dst += MR)
        for (size_t i = 0; i < MR; i++)
            dst[i] = i < left ? k[i * stride + p] : 0.0f;
}

static void vector_pack_values(const float *v, size_t stride, size_t n, size_t d, float *dst)
{
    size_t strip = MR * n;
    for (size_t j = 0; j < n; j++, v += stride, dst += MR) {
        float *to = dst;
        size_t c = 0;
        fetch_ahead(v, stride, d);
        for (; c + MR <= d; c += MR, to += strip)
            memcpy(to, v + c, MR * sizeof *to);
        for (size_t i = 0; c < d && i < MR; i++)
            to[i] = c + i < d ? v[c + i] : 0.0f;
    }
}

/* dst[p * step + i] = rows[i][p] for i < VF_LANES, p < d, times scale. */
INLINE void transpose_rows(const float *const *rows, size_t d, float scale, float *dst, size_t step)
{
    size_t p = 0;
    vf by = vf_set1(scale);
    for (; p + VF_LANES <= d; p += VF_LANES) {
        vf v[VF_LANES];
        UNROLL for (int i = 0; i < VF_LANES; i++) v[i] = vf_mul(vf_load(rows[i] + p), by);
        vf_transpose(v);
        UNROLL for (int i = 0; i < VF_LANES; i++) vf_store(dst + (p + (size_t)i) * step, v[i]);
    }
    for (; p < d; p++)
        for (size_t i = 0; i < VF_LANES; i++)
            dst[p * step + i] = rows[i][p] * scale;
}

static void vector_pack_queries(const float *const *rows, size_t n, size_t d, float scale, float *dst)
{
    size_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES)
        transpose_rows(rows + i, d, scale, dst + i, NR);
    for (; i < n || i % VF_LANES; i++)
        for (size_t p = 0; p < d; p++)
            dst[p * NR + i] = i < n ? scale * rows[i][p] : 0.0f;
}

/* ---- Products ------------------------------------------------------------------------------------------ */

/* sum[i][v] = sum over p < k of a[p * MR + i] b[p * NR + v's lanes] */
INLINE void multiply(size_t k, const float *a, const float *b, int nv, vf sum[MR][NV])
{
    UNROLL for (int i = 0; i < MR; i++) UNROLL for (int v = 0; v < nv; v++) sum[i][v] = vf_zero();
    for (size_t p = 0; p < k; p++, a += MR, b += NR) {
        vf right[NV];
        UNROLL for (int v = 0; v < nv; v++) right[v] = vf_load(b + v * VF_LANES);
        UNROLL for (int i = 0; i < MR; i++)
        {
            vf left = vf_broadcast(a, i);
            UNROLL for (int v = 0; v < nv; v++) sum[i][v] = vf_fma(left, right[v], sum[i][v]);
        }
    }
}

INLINE void scores(const float *k, const float *q, size_t d, size_t n, int nv, float *s, float *largest)
{
    vf max[NV];
    UNROLL for (int v = 0; v < nv; v++) max[v] = vf_load(largest + v * VF_LANES);
    for (size_t j = 0; j < n; j += MR, k += MR * d, s += MR * NR) {
        vf sum[MR][NV];
        multiply(d, k, q, nv, sum);
        UNROLL for (int i = 0; i < MR; i++) UNROLL for (int v = 0; v < nv; v++)
            vf_store(s + (size_t)i * NR + v * VF_LANES, sum[i][v]);
        if (n - j >= MR)
            UNROLL for (int i = 0; i < MR; i++) UNROLL for (int v = 0; v < nv; v++) max[v] =
                vf_max(max[v], sum[i][v]);
        else
            for (size_t i = 0; i < n - j; i++)
                UNROLL for (int v = 0; v < nv; v++) max[v] =
                    vf_max(max[v], vf_load(s + i * NR + v * VF_LANES));
    }
    UNROLL for (int v = 0; v < nv; v++) vf_store(largest + v * VF_LANES, max[v]);
}

INLINE void weigh(const float *a, const float *s, size_t n, size_t d, int nv, const float *factor, float *y)
{
    for (size_t c = 0; c < d; c += MR, a += MR * n, y += MR * NR) {
        vf sum[MR][NV];
        multiply(n, a, s, nv, sum);
        UNROLL for (int i = 0; i < MR; i++) UNROLL for (int v = 0; v < nv; v++)
        {
            float *at = y + (size_t)i * NR + v * VF_LANES;
            if (factor)
                sum[i][v] = vf_fma(vf_load(at), vf_load(factor + v * VF_LANES), sum[i][v]);
            vf_store(at, sum[i][v]);
        }
    }
}

INLINE void exponentials(float *s, size_t n, int nv, const float *before, const float *largest, float *sum,
                         float *factor)
{
    vf max[NV], total[NV];
    UNROLL for (int v = 0; v < nv; v++)
    {
        max[v] = vf_load(largest + v * VF_LANES);
        total[v] = vf_zero();
    }
    for (size_t j = 0; j < n; j++, s += NR) {
        vf e[NV];
        UNROLL for (int v = 0; v < nv; v++) e[v] = vf_load(s + v * VF_LANES);
        exp_below(e, max, nv);
        UNROLL for (int v = 0; v < nv; v++)
        {
            vf_store(s + v * VF_LANES, e[v]);
            total[v] = vf_add(total[v], e[v]);
        }
    }
    UNROLL for (int v = 0; v < nv; v++)
    {
        size_t at = (size_t)v * VF_LANES;
        vf less = exp_one(vf_load(before + at), max[v]);
        vf_store(factor + at, less);
        vf_store(sum + at, vf_fma(vf_load(sum + at), less, total[v]));
    }
}

static void vector_scores(const float *k, const float *q, size_t d, size_t n, size_t vectors, float *s,
                          float *largest)
{
    if (vectors == NV)
        scores(k, q, d, n, NV, s, largest);
    else if (vectors == 2)
        scores(k, q, d, n, 2, s, largest);
    else
        for (size_t v = 0; v < vectors; v++)
            scores(k, q + v * VF_LANES, d, n, 1, s + v * VF_LANES, largest + v * VF_LANES);
}

static void vector_weigh(const float *a, const float *s, size_t n, size_t d, size_t vectors,
                         const float *factor, float *y)
{
    if (vectors == NV)
        weigh(a, s, n, d, NV, factor, y);
    else if (vectors == 2)
        weigh(a, s, n, d, 2, factor, y);
    else
        for (size_t v = 0; v < vectors; v++)
            weigh(a, s + v * VF_LANES, n, d, 1, factor ? factor + v * VF_LANES : NULL, y + v * VF_LANES);
}

static void vector_exponentials(float *s, size_t n, size_t vectors, const float *before, const float *largest,
                                float *sum, float *factor)
{
    if (vectors == NV) {
        exponentials(s, n, NV, before, largest, sum, factor);
        return;
    }
    for (size_t v = 0; v < vectors; v++) {
        size_t at = v * VF_LANES;
        exponentials(s + at, n, 1, before + at, largest + at, sum + at, factor + at);
    }
}

/* ---- Masks --------------------------------------------------------------------------------------------- */

/* The biases of n keys from `key` on, at most VF_LANES, for VF_LANES lanes from `lane` on: bias[j] is that of
   key + j. */
INLINE void bias_of(const attention_mask *m, size_t key, size_t n, size_t lane, vf bias[VF_LANES])
{
    if (m->bias_shared) {
        for (size_t j = 0; j < n; j++)
            bias[j] = vf_set1(m->bias[0][(key + j) * m->bias_step]);
        return;
    }
    if (!m->bias_step) {
        for (size_t j = 0; j < n; j++) {
            float each[VF_LANES];
            UNROLL for (int i = 0; i < VF_LANES; i++) each[i] = m->bias[lane + (size_t)i][0];
            bias[j] = vf_load(each);
        }
        return;
    }
    for (size_t i = 0; i < VF_LANES; i++)
        bias[i] = n < VF_LANES ? vf_load_n(m->bias[lane + i] + key, n) : vf_load(m->bias[lane + i] + key);
    vf_transpose(bias);
}

/* What stands in place of the score x of a hidden key. */
INLINE vf shut_score(const attention_mask *m, vf x, vf hidden)
{
    return m->replaced ? hidden : vf_max(hidden, vf_add(x, hidden));
}

/* The score of one key with softcap, bias and limits applied. */
INLINE vf apply_mask(const attention_mask *m, vf x, float key, vf first, vf last)
{
    vf hidden = vf_set1(m->hidden), place = vf_set1(key), shut = shut_score(m, x, hidden);
    return vf_select_less(place, first, shut, vf_select_less(last, place, shut, x));
}

/* The scores of n keys, `step` apart, for the VF_LANES lanes from `lane` on; returns the largest of them and
   max. */
INLINE vf mask_lanes(float *s, size_t step, size_t n, size_t lane, const attention_mask *m, vf max)
{
    vf first = vf_zero(), last = vf_zero();
    if (m->limited) {
        first = vf_load(m->first + lane);
        last = vf_load(m->last + lane);
    }
    for (size_t j = 0; j < n; j += VF_LANES) {
        size_t count = n - j < VF_LANES ? n - j : VF_LANES;
        vf bias[VF_LANES];
        if (m->bias[0])
            bias_of(m, j, count, lane, bias);
        for (size_t i = 0; i < count; i++) {
            float *at = s + (j + i) * step;
            vf x = vf_load(at);
            if (m->softcap != 0.0f)
                x = vf_mul(vf_set1(m->softcap), vf_tanh(vf_div(x, vf_set1(m->softcap))));
            if (m->bias[0])
                x = vf_add(x, bias[i]);
            if (m->limited)
                x = apply_mask(m, x, (float)(j + i), first, last);
            vf_store(at, x);
            max = vf_max(max, x);
        }
    }
    return max;
}

static void vector_mask(float *s, size_t n, size_t vectors, const attention_mask *m, float *largest)
{
    for (size_t lane = 0; lane < vectors * VF_LANES; lane += VF_LANES)
        vf_store(largest + lane, mask_lanes(s + lane, NR, n, lane, m, vf_load(largest + lane)));
}

/* ---- Results ------------------------------------------------------------------------------------------- */

static void vector_give(const float *y, const float *sum, size_t n, size_t d, float *const *rows)
{
    size_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES) {
        vf by = vf_div(vf_set1(1.0f), vf_load(sum + i));
        size_t c = 0;
        for (; c + VF_LANES <= d; c += VF_LANES) {
            vf v[VF_LANES];
            UNROLL for (int j = 0; j < VF_LANES; j++) v[j] =
                vf_mul(vf_load(y + (c + (size_t)j) * NR + i), by);
            vf_transpose(v);
            UNROLL for (int j = 0; j < VF_LANES; j++) vf_store(rows[i + (size_t)j] + c, v[j]);
        }
        for (; c < d; c++)
            for (size_t j = 0; j < VF_LANES; j++)
                rows[i + j][c] = y[c * NR + i + j] * (1.0f / sum[i + j]);
    }
    for (; i < n; i++)
        for (size_t c = 0; c < d; c++)
            rows[i][c] = y[c * NR + i] * (1.0f / sum[i]);
}

/* ---- One query ----------------------------------------------------------------------------------------- */

/* Products of q with VF_LANES keys; those from n on repeat the last one. */
INLINE vf dots(const float *q, const float *k, size_t stride, size_t n, size_t d)
{
    const float *rows[VF_LANES];
    vf sum[VF_LANES];
    UNROLL for (size_t i = 0; i < VF_LANES; i++)
    {
        rows[i] = k + (i < n ? i : n - 1) * stride;
        sum[i] = vf_zero();
    }
    size_t p = 0;
    for (; p + VF_LANES <= d; p += VF_LANES) {
        vf left = vf_load(q + p);
        UNROLL for (int i = 0; i < VF_LANES; i++) sum[i] = vf_fma(left, vf_load(rows[i] + p), sum[i]);
    }
    if (p < d) {
        vf left = vf_load_n(q + p, d - p);
        UNROLL for (int i = 0; i < VF_LANES; i++) sum[i] =
            vf_fma(left, vf_load_n(rows[i] + p, d - p), sum[i]);
    }
    vf_transpose(sum);
    UNROLL for (int half = VF_LANES / 2; half > 0; half /= 2) UNROLL for (int i = 0; i < half; i++) sum[i] =
        vf_add(sum[i], sum[i + half]);
    return sum[0];
}

/* Applies the mask of lane 0 to the scores of VF_LANES keys from `key` on; those from n on are hidden. */
INLINE vf masked(const attention_mask *m, vf x, size_t key, size_t n)
{
    vf hidden = vf_set1(m->hidden);
    float at[VF_LANES];
    if (m->softcap != 0.0f)
        x = vf_mul(vf_set1(m->softcap), vf_tanh(vf_div(x, vf_set1(m->softcap))));
    if (m->bias[0])
        x = vf_add(x, m->bias_step ? vf_load_n(m->bias[0] + key, n < VF_LANES ? n : VF_LANES)
                                   : vf_set1(m->bias[0][0]));
    if (m->limited) {
        UNROLL for (int i = 0; i < VF_LANES; i++) at[i] = (float)(int)(key + (size_t)i);
        vf place = vf_load(at), shut = shut_score(m, x, hidden);
        x = vf_select_less(place, vf_set1(m->first[0]), shut,
                           vf_select_less(vf_set1(m->last[0]), place, shut, x));
    }
    return x;
}

/* y[c] = y[c] factor + sum over j < n of e[j] v[j][c] for nv vectors of columns; each in two sums. */
INLINE void add_values(const float *v, size_t stride, const float *e, size_t n, int nv, float factor,
                       float *y)
{
    vf sum[2][4];
    UNROLL for (int c = 0; c < nv; c++)
    {
        sum[0][c] = vf_mul(vf_load(y + c * VF_LANES), vf_set1(factor));
        sum[1][c] = vf_zero();
    }
    size_t j = 0;
    for (; j + 2 <= n; j += 2, v += 2 * stride)
        UNROLL for (int i = 0; i < 2; i++)
        {
            vf left = vf_set1(e[j + (size_t)i]);
            UNROLL for (int c = 0; c < nv; c++) sum[i][c] =
                vf_fma(left, vf_load(v + (size_t)i * stride + c * VF_LANES), sum[i][c]);
        }
    if (j < n)
        UNROLL for (int c = 0; c < nv; c++) sum[0][c] =
            vf_fma(vf_set1(e[j]), vf_load(v + c * VF_LANES), sum[0][c]);
    UNROLL for (int c = 0; c < nv; c++) vf_store(y + c * VF_LANES, vf_add(sum[0][c], sum[1][c]));
}

static void vector_row(const attention_row *r)
{
    float e[ATTENTION_KEYS + VF_LANES];
    vf max = vf_set1(*r->largest), total = vf_zero();
    for (size_t j = 0; j < r->n; j += VF_LANES) {
        size_t n = r->n - j;
        vf x = dots(r->q, r->k + j * r->k_row, r->k_row, n, r->d);
        if (r->mask)
            x = masked(r->mask, x, j, n);
        vf_store(e + j, x);
        for (size_t i = n; i < VF_LANES; i++) /* after the last key */
            e[j + i] = -INFINITY;
        max = vf_max(max, vf_load(e + j));
    }
    float before = *r->largest, largest = before;
    vf_store(e + ATTENTION_KEYS, max);
    for (size_t i = 0; i < VF_LANES; i++)
        largest = e[ATTENTION_KEYS + i] > largest ? e[ATTENTION_KEYS + i] : largest;
    max = vf_set1(largest);
    for (size_t j = 0; j < r->n; j += VF_LANES) {
        vf x = exp_one(vf_load(e + j), max);
        vf_store(e + j, x);
        total = vf_add(total, x);
    }
    float first[VF_LANES];
    vf_store(first, exp_one(vf_set1(before), max));
    *r->largest = largest;
    *r->sum = *r->sum * first[0] + vf_sum(total);
    size_t c = 0;
    for (; c + 4 * VF_LANES <= r->dv; c += 4 * VF_LANES)
        add_values(r->v + c, r->v_row, e, r->n, 4, first[0], r->y + c);
    for (; c + VF_LANES <= r->dv; c += VF_LANES)
        add_values(r->v + c, r->v_row, e, r->n, 1, first[0], r->y + c);
    for (; c < r->dv; c++) {
        float sum = r->y[c] * first[0];
        for (size_t j = 0; j < r->n; j++)
            sum += e[j] * r->v[j * r->v_row + c];
        r->y[c] = sum;
    }
}

/* ---- A few queries and keys ---------------------------------------------------------------------------- */

/* dst[p * VF_LANES + i] = scale rows[i][p]; rows from n on repeat the last one. */
INLINE void transpose_queries(const float *const *rows, size_t n, size_t d, float scale, float *dst)
{
    for (size_t p = 0; p < d; p += VF_LANES) {
        size_t wide = d - p < VF_LANES ? d - p : VF_LANES;
        vf v[VF_LANES];
        for (size_t i = 0; i < VF_LANES; i++) {
            const float *row = rows[i < n ? i : n - 1] + p;
            v[i] = vf_mul(wide < VF_LANES ? vf_load_n(row, wide) : vf_load(row), vf_set1(scale));
        }
        vf_transpose(v);
        for (size_t i = 0; i < wide; i++)
            vf_store(dst + (p + i) * VF_LANES, v[i]);
    }
}

/* y[i] = sum over p < n of x[i * across + p * along] b[p] for `count` rows i; b, y: rows of VF_LANES. */
INLINE void multiply_here(const float *x, size_t across, size_t along, const float *b, size_t n, int count,
                          float *y)
{
    vf sum[8];
    UNROLL for (int i = 0; i < count; i++) sum[i] = vf_zero();
    for (size_t p = 0; p < n; p++) {
        vf right = vf_load(b + p * VF_LANES);
        UNROLL for (int i = 0; i < count; i++) sum[i] =
            vf_fma(vf_set1(x[(size_t)i * across + p * along]), right, sum[i]);
    }
    UNROLL for (int i = 0; i < count; i++) vf_store(y + i * VF_LANES, sum[i]);
}

INLINE void multiply_all(const float *x, size_t rows, size_t across, size_t along, const float *b, size_t n,
                         float *y)
{
    size_t i = 0;
    for (; i + 8 <= rows; i += 8)
        multiply_here(x + i * across, across, along, b, n, 8, y + i * VF_LANES);
    if (rows - i >= 4) {
        multiply_here(x + i * across, across, along, b, n, 4, y + i * VF_LANES);
        i += 4;
    }
    for (; i < rows; i++)
        multiply_here(x + i * across, across, along, b, n, 1, y + i * VF_LANES);
}

static void vector_small(const attention_small *a, float *sums)
{
    float *s = a->work, *q = s + a->keys * VF_LANES, *y = q + a->d * VF_LANES;
    vf max = vf_set1(-FLT_MAX), sum = vf_zero();
    transpose_queries(a->q, a->n, a->d, a->scale, q);
    multiply_all(a->k, a->keys, a->k_row, 1, q, a->d, s);
    if (a->mask)
        max = mask_lanes(s, VF_LANES, a->keys, 0, a->mask, max);
    else
        for (size_t j = 0; j < a->keys; j++)
            max = vf_max(max, vf_load(s + j * VF_LANES));
    for (size_t j = 0; j < a->keys; j++) {
        vf e = exp_one(vf_load(s + j * VF_LANES), max);
        vf_store(s + j * VF_LANES, e);
        sum = vf_add(sum, e);
    }
    vf_store(sums, sum);
    multiply_all(a->v, a->dv, 1, a->v_row, s, a->keys, y);
    vf by = vf_div(vf_set1(1.0f), sum);
    for (size_t c = 0; c < a->dv; c += VF_LANES) {
        size_t wide = a->dv - c < VF_LANES ? a->dv - c : VF_LANES;
        vf v[VF_LANES];
        for (size_t i = 0; i < VF_LANES; i++)
            v[i] = i < wide ? vf_mul(vf_load(y + (c + i) * VF_LANES), by) : vf_zero();
        vf_transpose(v);
        for (size_t i = 0; i < a->n; i++)
            vf_store_n(a->y[i] + c, v[i], wide);
    }
}

void SIMD_NAME(attention_init)(attention_kernels *k)
{
    *k = (attention_kernels){.mr = MR,
                             .nr = NR,
                             .lanes = VF_LANES,
                             .finite = vector_finite,
                             .pack_keys = vector_pack_keys,
                             .pack_values = vector_pack_values,
                             .pack_queries = vector_pack_queries,
                             .scores = vector_scores,
                             .mask = vector_mask,
                             .exponentials = vector_exponentials,
                             .weigh = vector_weigh,
                             .give = vector_give,
                             .row = vector_row,
                             .small = vector_small};
}
