/* The portable kernels, which define each entry of the table: plain loops that a compiler may vectorise. */
#include "base/error.h" /* refuses -ffast-math */
#include "kernel/kernel.h"

#include <string.h>

/* ---- 16-bit floats ------------------------------------------------------------------------------- */

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static float from_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static float widen_one_f16(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, mantissa = h & 0x3FF;
    if (exponent == 31)
        return from_bits(sign | 0x7F800000 | mantissa << 13 | (mantissa ? 0x400000 : 0));
    if (exponent == 0)
        return from_bits(sign | bits_of((float)mantissa * 0x1p-24f));
    return from_bits(sign | (exponent + 112) << 23 | mantissa << 13);
}

static uint16_t narrow_one_f16(float x)
{
    uint32_t bits = bits_of(x), sign = bits >> 16 & 0x8000, size = bits & 0x7FFFFFFF;
    if (size > 0x7F800000)
        return (uint16_t)(sign | 0x7E00 | (size >> 13 & 0x3FF));
    if (size >= 0x477FF000) /* 65520, which rounds beyond the largest finite value */
        return (uint16_t)(sign | 0x7C00);
    if (size < 0x38800000) /* below 2^-14: an ulp of 0.5f is 2^-24, so the addition rounds to that */
        return (uint16_t)(sign | (bits_of(from_bits(size) + 0.5f) - bits_of(0.5f)));
    size += 0xFFF + (size >> 13 & 1);
    return (uint16_t)(sign | ((size >> 13) - (112 << 10)));
}

static uint16_t narrow_one_bf16(float x)
{
    uint32_t bits = bits_of(x);
    if ((bits & 0x7FFFFFFF) > 0x7F800000)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

static void c_widen_f16(const void *src, float *dst, size_t n)
{
    const uint16_t *h = src;
    for (size_t i = 0; i < n; i++)
        dst[i] = widen_one_f16(h[i]);
}

static void c_narrow_f16(const float *src, void *dst, size_t n)
{
    uint16_t *h = dst;
    for (size_t i = 0; i < n; i++)
        h[i] = narrow_one_f16(src[i]);
}

/* The quiet bit is set in integers: a signalling NaN would pass through the shift unchanged. */
static void c_widen_bf16(const void *src, float *dst, size_t n)
{
    const uint16_t *h = src;
    for (size_t i = 0; i < n; i++)
        dst[i] = from_bits((uint32_t)h[i] << 16 | ((h[i] & 0x7FFF) > 0x7F80 ? 0x400000 : 0));
}

static void c_narrow_bf16(const float *src, void *dst, size_t n)
{
    uint16_t *h = dst;
    for (size_t i = 0; i < n; i++)
        h[i] = narrow_one_bf16(src[i]);
}

/* ---- Peak throughput ----------------------------------------------------------------------------- */

#define C_CHAINS 48

static float c_fma_rounds(size_t rounds, float factor, float term)
{
    float chain[C_CHAINS], sum = 0.0f;
    for (int i = 0; i < C_CHAINS; i++)
        chain[i] = (float)i;
    for (size_t r = 0; r < rounds; r++)
        for (int i = 0; i < C_CHAINS; i++)
            chain[i] = chain[i] * factor + term;
    for (int i = 0; i < C_CHAINS; i++)
        sum += chain[i];
    return sum;
}

static float c_read_f32(const float *x, size_t n)
{
    float sum[16] = {0}, total = 0.0f;
    for (size_t i = 0; i < n; i++)
        sum[i % 16] += x[i];
    for (int i = 0; i < 16; i++)
        total += sum[i];
    return total;
}

void kernel_init_c(kernel_table *t)
{
    *t = (kernel_table){
        .level = CPU_C,
        .widen_f16 = c_widen_f16,
        .widen_bf16 = c_widen_bf16,
        .narrow_f16 = c_narrow_f16,
        .narrow_bf16 = c_narrow_bf16,
        .fma_rounds = c_fma_rounds,
        .fma_flops = 2 * C_CHAINS,
        .read_f32 = c_read_f32,
    };
}
