/* Few rows times weights that are narrow in memory (gemm_thin of gemm.h): each weight becomes a float in a
   register just before it is multiplied, so that the time is bound by reading the weights. Part of
   gemm.inc.h.

   Zero points are subtracted from the weights before the product, not from the sums, so infinity times a
   weight of 0 is NaN and times any other weight infinite. */

enum { THIN_F16, THIN_BF16, THIN_S8, THIN_S4 };

/* Rows of a tile: with 32 registers eight, so that a batch of as many widens its weights once. */
#define THIN_MAX (GEMM_MR >= 8 ? 8 : 4)

#define THIN_AHEAD 4096 /* bytes that weights are prefetched ahead */

/* As SPLIT, but larger with 32 registers. */
#define THIN_SPLIT(m) ((m) == 4 && VF_LANES == 16 ? 2 : SPLIT(m))

/* Loads a row of q: one term, or two of S4. */
INLINE void thin_load(const int form, const int8_t *q, const int nv, const vf *zero, vf right[2][GEMM_NV])
{
    const uint16_t *half = (const uint16_t *)(const void *)q;
    UNROLL for (int j = 0; j < nv; j++)
    {
        if (form == THIN_F16)
            right[0][j] = vf_load_f16(half + j * VF_LANES);
        else if (form == THIN_BF16)
            right[0][j] = vf_load_bf16(half + j * VF_LANES);
        else if (form == THIN_S8)
            right[0][j] = vf_load_s8(q + j * VF_LANES);
        else
            right[0][j] = vf_load_s4(q + j * VF_LANES, &right[1][j]);
        if (form >= THIN_S8 && zero)
            right[0][j] = vf_sub(right[0][j], zero[j]);
        if (form == THIN_S4 && zero)
            right[1][j] = vf_sub(right[1][j], zero[j]);
    }
}

/* sum[i][j] = the products of k terms. a: (m, k), rows lda apart; q: the weights, nv vectors per row. */
INLINE void thin_sum(const int form, const int m, const int nv, const float *a, size_t lda, const int8_t *q,
                     size_t k, const vf *zero, vf out[THIN_MAX][GEMM_NV])
{
    const int split = THIN_SPLIT(m), each = form == THIN_S4 ? 2 : 1;
    const int row = nv * VF_LANES * (form <= THIN_BF16 ? 2 : 1), step = 4 / each * row;
    vf sum[4][THIN_MAX][GEMM_NV], right[2][GEMM_NV];
    UNROLL for (int s = 0; s < split; s++) UNROLL for (int i = 0; i < m; i++)
        UNROLL for (int j = 0; j < nv; j++) sum[s][i][j] = vf_zero();
    for (; k >= 4; k -= 4, a += 4, q += step) {
        UNROLL for (int at = 0; at < step; at += 64) __builtin_prefetch(q + THIN_AHEAD + at);
        UNROLL for (int s = 0; s < 4; s++)
        {
            if (s % each == 0)
                thin_load(form, q + s / each * row, nv, zero, right);
            UNROLL for (int i = 0; i < m; i++) UNROLL for (int j = 0; j < nv; j++) sum[s % split][i][j] =
                vf_fma(vf_set1(a[(size_t)i * lda + (size_t)s]), right[s % each][j], sum[s % split][i][j]);
        }
    }
    for (size_t s = 0; s < k; s++) {
        if (s % (size_t)each == 0)
            thin_load(form, q + s / (size_t)each * (size_t)row, nv, zero, right);
        UNROLL for (int i = 0; i < m; i++) UNROLL for (int j = 0; j < nv; j++) sum[0][i][j] =
            vf_fma(vf_set1(a[(size_t)i * lda + s]), right[s % (size_t)each][j], sum[0][i][j]);
    }
    UNROLL for (int i = 0; i < m; i++) UNROLL for (int j = 0; j < nv; j++)
    {
        out[i][j] = sum[0][i][j];
        if (split == 4)
            out[i][j] = vf_add(vf_add(out[i][j], sum[1][i][j]), vf_add(sum[2][i][j], sum[3][i][j]));
        else if (split == 2)
            out[i][j] = vf_add(out[i][j], sum[1][i][j]);
    }
}

INLINE void thin_of(const int form, const int m, const int nv, const gemm_tile *t, const gemm_thin *w,
                    size_t n)
{
    const int width = nv * VF_LANES;
    const int8_t *q = w->q;
    vf sum[GEMM_MR][GEMM_NV], part[THIN_MAX][GEMM_NV], zero[GEMM_NV];
    if (form <= THIN_BF16) {
        thin_sum(form, m, nv, t->a, t->lda, q, t->k, NULL, part);
        UNROLL for (int i = 0; i < m; i++) UNROLL for (int j = 0; j < nv; j++) sum[i][j] = part[i][j];
    } else {
        UNROLL for (int i = 0; i < m; i++) UNROLL for (int j = 0; j < nv; j++) sum[i][j] = vf_zero();
        const float *scales = w->scale, *zeros = w->zero;
        for (size_t p = 0, k; p < t->k; p += k, scales += width) {
            k = size_min(w->block, t->k - p);
            if (zeros) {
                UNROLL for (int j = 0; j < nv; j++) zero[j] = vf_load(zeros + j * VF_LANES);
                thin_sum(form, m, nv, t->a + p, t->lda, q, k, zero, part);
                zeros += width;
            } else
                thin_sum(form, m, nv, t->a + p, t->lda, q, k, NULL, part);
            UNROLL for (int i = 0; i < m; i++) UNROLL for (int j = 0; j < nv; j++) sum[i][j] =
                vf_fma(part[i][j], vf_load(scales + j * VF_LANES), sum[i][j]);
            q += (form == THIN_S4 ? k / 2 : k) * (size_t)width;
        }
    }
    if (n % VF_LANES)
        tile_out(t, m, nv, true, n % VF_LANES, sum);
    else
        tile_out(t, m, nv, false, 0, sum);
}

INLINE void thin_any(const int form, const gemm_tile *t, const gemm_thin *w, size_t m, size_t n)
{
    int vectors = (int)((n + VF_LANES - 1) / VF_LANES);
    UNROLL for (int rows = 1; rows <= THIN_MAX; rows++) UNROLL for (int nv = GEMM_NV; nv > 0; nv--)
    {
        if (m == (size_t)rows && vectors == nv)
            thin_of(form, rows, nv, t, w, n);
    }
}

static void thin_f16(const gemm_tile *t, const gemm_thin *w, size_t m, size_t n)
{
    thin_any(THIN_F16, t, w, m, n);
}

static void thin_bf16(const gemm_tile *t, const gemm_thin *w, size_t m, size_t n)
{
    thin_any(THIN_BF16, t, w, m, n);
}

static void thin_s8(const gemm_tile *t, const gemm_thin *w, size_t m, size_t n)
{
    thin_any(THIN_S8, t, w, m, n);
}

static void thin_s4(const gemm_tile *t, const gemm_thin *w, size_t m, size_t n)
{
    thin_any(THIN_S4, t, w, m, n);
}
