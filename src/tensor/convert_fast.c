#include "tensor/convert_fast.h"

#include <string.h>

static inline float f32_of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint32_t bits_of_f32(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* The difference of the exponent biases of float32 and float16, in float32's exponent field. */
#define F16_REBIAS (UINT32_C(112) << 23)

/* Computes all cases and selects one, without branches. Adding 0.5, whose last bit is 2^-24, the smallest
   float16, rounds subnormal results. */
static inline uint16_t f16_of_f32(uint32_t bits)
{
    uint32_t magnitude = bits & 0x7FFFFFFF, sign = bits >> 16 & 0x8000;
    uint32_t normal = (magnitude - F16_REBIAS + 0xFFF + (magnitude >> 13 & 1)) >> 13;
    uint32_t subnormal = bits_of_f32(f32_of_bits(magnitude) + 0.5f) - bits_of_f32(0.5f);
    uint32_t nan = 0x7E00 | (magnitude >> 13 & 0x3FF);
    uint32_t code = magnitude < 0x38800000 ? subnormal : normal;
    code = magnitude >= 0x47800000 ? 0x7C00 : code;
    code = magnitude > 0x7F800000 ? nan : code;
    return (uint16_t)(sign | code);
}

static inline uint32_t f32_of_f16(uint16_t code)
{
    uint32_t shifted = (uint32_t)(code & 0x7FFF) << 13, sign = (uint32_t)(code & 0x8000) << 16;
    uint32_t normal = shifted + F16_REBIAS;
    /* 2^-14 * (1 + m / 2^10) - 2^-14 */
    uint32_t subnormal = bits_of_f32(f32_of_bits(normal + (UINT32_C(1) << 23)) - 0x1p-14f);
    uint32_t special = normal + F16_REBIAS;
    uint32_t bits = shifted < (UINT32_C(1) << 23) ? subnormal : normal;
    return sign | (shifted >= (UINT32_C(31) << 23) ? special : bits);
}

static inline uint16_t bf16_of_f32(uint32_t bits)
{
    uint32_t rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
    uint32_t nan = bits >> 16 | 0x40;
    return (uint16_t)((bits & 0x7FFFFFFF) > 0x7F800000 ? nan : rounded);
}

static void f32_to_f16(const void *src, void *dst, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, (const char *)src + 4 * i, sizeof bits);
        uint16_t code = f16_of_f32(bits);
        memcpy((char *)dst + 2 * i, &code, sizeof code);
    }
}

static void f32_to_bf16(const void *src, void *dst, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, (const char *)src + 4 * i, sizeof bits);
        uint16_t code = bf16_of_f32(bits);
        memcpy((char *)dst + 2 * i, &code, sizeof code);
    }
}

static void f16_to_f32(const void *src, void *dst, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t code;
        memcpy(&code, (const char *)src + 2 * i, sizeof code);
        uint32_t bits = f32_of_f16(code);
        memcpy((char *)dst + 4 * i, &bits, sizeof bits);
    }
}

static void bf16_to_f32(const void *src, void *dst, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t code;
        memcpy(&code, (const char *)src + 2 * i, sizeof code);
        uint32_t bits = (uint32_t)code << 16;
        memcpy((char *)dst + 4 * i, &bits, sizeof bits);
    }
}

static void f32_to_f64(const void *src, void *dst, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float x;
        memcpy(&x, (const char *)src + 4 * i, sizeof x);
        double y = x;
        memcpy((char *)dst + 8 * i, &y, sizeof y);
    }
}

static void f64_to_f32(const void *src, void *dst, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double x;
        memcpy(&x, (const char *)src + 8 * i, sizeof x);
        float y = (float)x;
        memcpy((char *)dst + 4 * i, &y, sizeof y);
    }
}

convert_fast convert_fast_of(sib_dtype from, sib_dtype to)
{
    static const struct {
        sib_dtype from, to;
        convert_fast run;
    } pairs[] = {
        {SIB_F32, SIB_F16, f32_to_f16},   {SIB_F16, SIB_F32, f16_to_f32}, {SIB_F32, SIB_BF16, f32_to_bf16},
        {SIB_BF16, SIB_F32, bf16_to_f32}, {SIB_F32, SIB_F64, f32_to_f64}, {SIB_F64, SIB_F32, f64_to_f32},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (pairs[i].from == from && pairs[i].to == to)
            return pairs[i].run;
    return NULL;
}
