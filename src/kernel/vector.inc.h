/* The vector kernels, one shape for every instruction set. The file that includes this one has included the level's
   vector header, whose words vf_c.h explains, and defined

       GEMM_MR, GEMM_NV, GEMM_KC        tile rows, vectors in a tile row, depth of a block
       PEAK_CHAINS                      independent chains that fit the registers beside two constants
       VECTOR_INIT                      the function that fills the table

   What comes short of a vector goes through a vector on the stack, so that each element meets the same
   instructions wherever it stands. */
#include "base/error.h" /* refuses -ffast-math */
#include "base/size.h"
#include "kernel/kernel.h"
#include "simd/f32_math.h"

#include <string.h>

#define GEMM_NR (GEMM_NV * VF_LANES)
#define UNROLL  _Pragma("GCC unroll 32")

_Static_assert(GEMM_MR <= KERNEL_MAX_MR && GEMM_NR <= KERNEL_MAX_NR, "the tile is within what callers hold");

/* ---- Matrix product ------------------------------------------------------------------------------ */

static void vector_gemm_tile(size_t k, const float *a, const float *b, float *c, size_t ldc, bool add)
{
    vf sum[GEMM_MR][GEMM_NV];
    UNROLL for (int i = 0; i < GEMM_MR; i++)
    {
        __builtin_prefetch(c + (size_t)i * ldc, 1);
        UNROLL for (int j = 0; j < GEMM_NV; j++) sum[i][j] = vf_zero();
    }
    for (size_t p = 0; p < k; p++, a += GEMM_MR, b += GEMM_NR) {
        vf right[GEMM_NV];
        UNROLL for (int j = 0; j < GEMM_NV; j++) right[j] = vf_load(b + j * VF_LANES);
        UNROLL for (int i = 0; i < GEMM_MR; i++)
        {
            vf left = vf_spread(a, i);
            UNROLL for (int j = 0; j < GEMM_NV; j++) sum[i][j] = vf_fma(left, right[j], sum[i][j]);
        }
    }
    UNROLL for (int i = 0; i < GEMM_MR; i++)
    {
        UNROLL for (int j = 0; j < GEMM_NV; j++)
        {
            float *at = c + (size_t)i * ldc + j * VF_LANES;
            vf_store(at, add ? vf_add(vf_load(at), sum[i][j]) : sum[i][j]);
        }
    }
}

static void vector_gemm_pack_a(const float *a, size_t lda, size_t m, size_t k, float *dst)
{
    if (m == GEMM_MR) {
        for (size_t p = 0; p < k; p++, dst += GEMM_MR)
            UNROLL for (size_t i = 0; i < GEMM_MR; i++) dst[i] = a[i * lda + p];
        return;
    }
    for (size_t p = 0; p < k; p++, dst += GEMM_MR)
        for (size_t i = 0; i < GEMM_MR; i++)
            dst[i] = i < m ? a[i * lda + p] : 0.0f;
}

/* Inlined with a constant step where the step has a vector load. */
static inline __attribute__((always_inline)) void pack_b_row(const float *row, size_t step, size_t n,
                                                             float *dst, size_t panel)
{
    for (; n >= GEMM_NR; n -= GEMM_NR, row += GEMM_NR * step, dst += panel) {
        if (step <= 2)
            UNROLL for (size_t j = 0; j < GEMM_NR; j += VF_LANES)
                vf_store(dst + j, step == 1 ? vf_load(row + j) : vf_load_even(row + 2 * j));
        else
            for (size_t j = 0; j < GEMM_NR; j++)
                dst[j] = row[j * step];
    }
    for (size_t j = 0; n && j < GEMM_NR; j++)
        dst[j] = j < n ? row[j * step] : 0.0f;
}

static void vector_gemm_pack_b_row(const float *row, size_t step, size_t n, float *dst, size_t panel)
{
    if (step == 1)
        pack_b_row(row, 1, n, dst, panel);
    else if (step == 2)
        pack_b_row(row, 2, n, dst, panel);
    else
        pack_b_row(row, step, n, dst, panel);
}

/* ---- 16-bit floats ------------------------------------------------------------------------------- */

typedef vf (*load_u16)(const uint16_t *p);
typedef void (*store_u16)(uint16_t *p, vf v);

static inline __attribute__((always_inline)) void widen(const uint16_t *src, float *dst, size_t n,
                                                        load_u16 load)
{
    for (; n >= VF_LANES; n -= VF_LANES, src += VF_LANES, dst += VF_LANES)
        vf_store(dst, load(src));
    if (n) {
        uint16_t in[VF_LANES] = {0};
        float out[VF_LANES];
        memcpy(in, src, n * sizeof *src);
        vf_store(out, load(in));
        memcpy(dst, out, n * sizeof *dst);
    }
}

static inline __attribute__((always_inline)) void narrow(const float *src, uint16_t *dst, size_t n,
                                                         store_u16 store)
{
    for (; n >= VF_LANES; n -= VF_LANES, src += VF_LANES, dst += VF_LANES)
        store(dst, vf_load(src));
    if (n) {
        float in[VF_LANES] = {0};
        uint16_t out[VF_LANES];
        memcpy(in, src, n * sizeof *src);
        store(out, vf_load(in));
        memcpy(dst, out, n * sizeof *dst);
    }
}

static void vector_widen_f16(const void *src, float *dst, size_t n)
{
    widen(src, dst, n, vf_load_f16);
}

static void vector_widen_bf16(const void *src, float *dst, size_t n)
{
    widen(src, dst, n, vf_load_bf16);
}

static void vector_narrow_f16(const float *src, void *dst, size_t n)
{
    narrow(src, dst, n, vf_store_f16);
}

static void vector_narrow_bf16(const float *src, void *dst, size_t n)
{
    narrow(src, dst, n, vf_store_bf16);
}

/* ---- Elementwise --------------------------------------------------------------------------------- */

typedef vf (*unary)(vf v);

static inline vf identity_vf(vf v)
{
    return v;
}

/* y[i] = f(x[i] + bias) */
static inline __attribute__((always_inline)) void map(const float *x, float bias, float *y, size_t n, unary f)
{
    vf offset = vf_set1(bias);
    for (; n >= VF_LANES; n -= VF_LANES, x += VF_LANES, y += VF_LANES)
        vf_store(y, f(vf_add(vf_load(x), offset)));
    if (n) {
        float in[VF_LANES] = {0};
        memcpy(in, x, n * sizeof *x);
        vf_store(in, f(vf_add(vf_load(in), offset)));
        memcpy(y, in, n * sizeof *y);
    }
}

static void vector_erf_f32(const float *x, float *y, size_t n)
{
    map(x, -0.0f, y, n, vf_erf);
}

static void vector_bias_f32(const float *x, float bias, float *y, size_t n)
{
    map(x, bias, y, n, identity_vf);
}

static void vector_bias_gelu_f32(const float *x, float bias, float *y, size_t n)
{
    map(x, bias, y, n, vf_gelu);
}

/* ---- What the machine can do --------------------------------------------------------------------- */

static float sum_lanes(vf v)
{
    float lanes[VF_LANES], sum = 0.0f;
    vf_store(lanes, v);
    for (int i = 0; i < VF_LANES; i++)
        sum += lanes[i];
    return sum;
}

#define PEAK_STEPS 8 /* steps of every chain in one round */

static float vector_fma_rounds(size_t rounds, float factor, float term)
{
    vf chain[PEAK_CHAINS], by = vf_set1(factor), plus = vf_set1(term), sum = vf_zero();
    UNROLL for (int i = 0; i < PEAK_CHAINS; i++) chain[i] = vf_set1((float)i);
    for (size_t r = 0; r < rounds; r++)
        UNROLL for (int s = 0; s < PEAK_STEPS; s++) UNROLL for (int i = 0; i < PEAK_CHAINS; i++) chain[i] =
            vf_fma(chain[i], by, plus);
    UNROLL for (int i = 0; i < PEAK_CHAINS; i++) sum = vf_add(sum, chain[i]);
    return sum_lanes(sum);
}

#define READ_CHAINS 8

static float vector_read_f32(const float *x, size_t n)
{
    vf sum[READ_CHAINS];
    float rest = 0.0f;
    UNROLL for (int i = 0; i < READ_CHAINS; i++) sum[i] = vf_zero();
    for (; n >= READ_CHAINS * VF_LANES; n -= READ_CHAINS * VF_LANES, x += READ_CHAINS * VF_LANES)
        UNROLL for (int i = 0; i < READ_CHAINS; i++) sum[i] = vf_add(sum[i], vf_load(x + i * VF_LANES));
    for (; n; n--)
        rest += *x++;
    UNROLL for (int i = 1; i < READ_CHAINS; i++) sum[0] = vf_add(sum[0], sum[i]);
    return rest + sum_lanes(sum[0]);
}

void VECTOR_INIT(kernel_table *t)
{
    t->mr = GEMM_MR;
    t->nr = GEMM_NR;
    t->kc = GEMM_KC;
    t->gemm_pack_a = vector_gemm_pack_a;
    t->gemm_pack_b_row = vector_gemm_pack_b_row;
    t->gemm_tile = vector_gemm_tile;
    t->widen_f16 = vector_widen_f16;
    t->widen_bf16 = vector_widen_bf16;
    t->narrow_f16 = vector_narrow_f16;
    t->narrow_bf16 = vector_narrow_bf16;
    t->erf_f32 = vector_erf_f32;
    t->bias_f32 = vector_bias_f32;
    t->bias_gelu_f32 = vector_bias_gelu_f32;
    t->fma_rounds = vector_fma_rounds;
    t->fma_flops = 2 * (size_t)PEAK_STEPS * PEAK_CHAINS * VF_LANES;
    t->read_f32 = vector_read_f32;
}
