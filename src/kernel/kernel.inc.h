/* The entries of kernel.h that belong to no family, over the vector operations of simd/f32_*.h and
   PEAK_CHAINS of kernel/levels: independent chains that fit in registers besides two constants.

   A partial vector goes through a vector on the stack, so that each element passes through the same
   instructions at any position. */
#include "base/error.h" /* refuses -ffast-math */
#include "kernel/kernel.h"

#include <string.h>

#define UNROLL _Pragma("GCC unroll 32")

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

/* ---- Peak throughput ----------------------------------------------------------------------------- */

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

void SIMD_NAME(kernel_init)(kernel_table *t)
{
    t->widen_f16 = vector_widen_f16;
    t->widen_bf16 = vector_widen_bf16;
    t->narrow_f16 = vector_narrow_f16;
    t->narrow_bf16 = vector_narrow_bf16;
    t->fma_rounds = vector_fma_rounds;
    t->fma_flops = 2 * (size_t)PEAK_STEPS * PEAK_CHAINS * VF_LANES;
    t->read_f32 = vector_read_f32;
}
