/* The kernels of quantizing over the vector operations of simd/f32_*.h.

   For 16 bits, floats go through a short buffer on the stack, and a plain loop that compilers vectorize
   converts them to integers. */
#include "base/error.h" /* refuses -ffast-math */
#include "base/size.h"
#include "kernel/kernel.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define PIECE  256

INLINE quantize_by further(quantize_by by, size_t n)
{
    return (quantize_by){by.scale + n * by.step, by.zero + n * by.step, by.step};
}

/* whole[i] = round(x[i] / scale) + zero within low .. high; n <= PIECE, both with room for full vectors. */
INLINE void round_piece(const float *x, size_t n, quantize_by by, float low, float high, float *whole)
{
    vf min = vf_set1(low), max = vf_set1(high), none = vf_zero();
    vf scale = vf_set1(by.scale[0]), zero = vf_set1(by.zero[0]);
    for (size_t i = 0; i < n; i += VF_LANES) {
        size_t left = n - i;
        vf v = left < VF_LANES ? vf_load_n(x + i, left) : vf_load(x + i);
        if (by.step) {
            scale = left < VF_LANES ? vf_load_n(by.scale + i, left) : vf_load(by.scale + i);
            zero = left < VF_LANES ? vf_load_n(by.zero + i, left) : vf_load(by.zero + i);
        }
        v = vf_add(vf_round(vf_div(v, scale)), zero);
        vf_store(whole + i, vf_select_nan(v, none, vf_min(max, vf_max(min, v))));
    }
}

/* x[i] = (whole[i] - zero) * scale */
INLINE void dequantize_piece(const float *whole, size_t n, quantize_by by, float *x)
{
    vf scale = vf_set1(by.scale[0]), zero = vf_set1(by.zero[0]);
    for (size_t i = 0; i < n; i += VF_LANES) {
        size_t left = n - i;
        if (by.step) {
            scale = left < VF_LANES ? vf_load_n(by.scale + i, left) : vf_load(by.scale + i);
            zero = left < VF_LANES ? vf_load_n(by.zero + i, left) : vf_load(by.zero + i);
        }
        vf v = vf_mul(vf_sub(vf_load(whole + i), zero), scale);
        if (left < VF_LANES)
            vf_store_n(x + i, v, left);
        else
            vf_store(x + i, v);
    }
}

/* Bytes need no buffer: `count` elements, at most a vector. */
INLINE void some_to(const float *x, size_t count, quantize_by by, float low, float high, uint8_t *q)
{
    bool whole = count == VF_LANES;
    uint8_t last[VF_LANES], *to = whole ? q : last;
    vf v = whole ? vf_load(x) : vf_load_n(x, count);
    vf scale = vf_set1(*by.scale), zero = vf_set1(*by.zero);
    if (by.step) {
        scale = whole ? vf_load(by.scale) : vf_load_n(by.scale, count);
        zero = whole ? vf_load(by.zero) : vf_load_n(by.zero, count);
    }
    v = vf_add(vf_round(vf_div(v, scale)), zero);
    v = vf_select_nan(v, vf_zero(), vf_min(vf_set1(high), vf_max(vf_set1(low), v)));
    if (low < 0)
        vf_store_s8((int8_t *)to, v);
    else
        vf_store_u8(to, v);
    if (!whole)
        memcpy(q, last, count);
}

INLINE void bytes_to(const float *x, size_t n, quantize_by by, float low, float high, uint8_t *q)
{
    for (; n >= VF_LANES; n -= VF_LANES, x += VF_LANES, q += VF_LANES, by = further(by, VF_LANES))
        some_to(x, VF_LANES, by, low, high, q);
    if (n)
        some_to(x, n, by, low, high, q);
}

INLINE void some_from(const uint8_t *q, size_t count, quantize_by by, bool is_signed, float *x)
{
    bool whole = count == VF_LANES;
    uint8_t last[VF_LANES] = {0};
    const uint8_t *from = whole ? q : memcpy(last, q, count);
    vf scale = vf_set1(*by.scale), zero = vf_set1(*by.zero);
    if (by.step) {
        scale = whole ? vf_load(by.scale) : vf_load_n(by.scale, count);
        zero = whole ? vf_load(by.zero) : vf_load_n(by.zero, count);
    }
    vf v = is_signed ? vf_load_s8((const int8_t *)from) : vf_load_u8(from);
    v = vf_mul(vf_sub(v, zero), scale);
    if (whole)
        vf_store(x, v);
    else
        vf_store_n(x, v, count);
}

INLINE void bytes_from(const uint8_t *q, size_t n, quantize_by by, bool is_signed, float *x)
{
    for (; n >= VF_LANES; n -= VF_LANES, x += VF_LANES, q += VF_LANES, by = further(by, VF_LANES))
        some_from(q, VF_LANES, by, is_signed, x);
    if (n)
        some_from(q, n, by, is_signed, x);
}

/* clang-format off */
#define BYTES(name, low, high)                                                                               \
    static void to_##name(const float *x, size_t n, quantize_by by, void *q)                                 \
    {                                                                                                        \
        if (by.step)                                                                                         \
            bytes_to(x, n, by, low, high, q);                                                                \
        else                                                                                                 \
            bytes_to(x, n, (quantize_by){by.scale, by.zero, 0}, low, high, q);                               \
    }                                                                                                        \
    static void from_##name(const void *q, size_t n, quantize_by by, float *x)                               \
    {                                                                                                        \
        if (by.step)                                                                                         \
            bytes_from(q, n, by, low < 0, x);                                                                \
        else                                                                                                 \
            bytes_from(q, n, (quantize_by){by.scale, by.zero, 0}, low < 0, x);                               \
    }
/* clang-format on */

BYTES(u8, 0.0f, 255.0f)
BYTES(i8, -128.0f, 127.0f)

/* clang-format off */
#define QUANTIZED(name, type, low, high)                                                                     \
    static void to_##name(const float *x, size_t n, quantize_by by, void *q)                                 \
    {                                                                                                        \
        float whole[PIECE];                                                                                  \
        type *out = q;                                                                                       \
        for (size_t part; n; n -= part, x += part, out += part, by = further(by, part)) {                    \
            part = size_min(n, PIECE);                                                                       \
            if (by.step)                                                                                     \
                round_piece(x, part, by, low, high, whole);                                                  \
            else                                                                                             \
                round_piece(x, part, (quantize_by){by.scale, by.zero, 0}, low, high, whole);                 \
            for (size_t i = 0; i < part; i++)                                                                \
                out[i] = (type)(int32_t)whole[i];                                                            \
        }                                                                                                    \
    }                                                                                                        \
    static void from_##name(const void *q, size_t n, quantize_by by, float *x)                               \
    {                                                                                                        \
        float whole[PIECE];                                                                                  \
        const type *in = q;                                                                                  \
        for (size_t part; n; n -= part, x += part, in += part, by = further(by, part)) {                     \
            part = size_min(n, PIECE);                                                                       \
            for (size_t i = 0; i < part; i++)                                                                \
                whole[i] = (float)in[i];                                                                     \
            if (by.step)                                                                                     \
                dequantize_piece(whole, part, by, x);                                                            \
            else                                                                                             \
                dequantize_piece(whole, part, (quantize_by){by.scale, by.zero, 0}, x);                           \
        }                                                                                                    \
    }
/* clang-format on */

QUANTIZED(u16, uint16_t, 0.0f, 65535.0f)
QUANTIZED(i16, int16_t, -32768.0f, 32767.0f)

#define CHAINS 4

static void quantize_range(const float *x, size_t n, float *low, float *high)
{
    vf min[CHAINS], max[CHAINS], nan = vf_zero();
    for (int c = 0; c < CHAINS; c++)
        min[c] = max[c] = vf_zero();
    for (; n >= CHAINS * VF_LANES; n -= CHAINS * VF_LANES, x += CHAINS * VF_LANES)
        _Pragma("GCC unroll 4") for (int c = 0; c < CHAINS; c++)
        {
            vf v = vf_load(x + c * VF_LANES);
            nan = vf_select_nan(v, v, nan);
            min[c] = vf_min(v, min[c]);
            max[c] = vf_max(v, max[c]);
        }
    for (; n; n -= size_min(n, VF_LANES), x += VF_LANES) {
        vf v = n < VF_LANES ? vf_load_n(x, n) : vf_load(x);
        nan = vf_select_nan(v, v, nan);
        min[0] = vf_min(v, min[0]);
        max[0] = vf_max(v, max[0]);
        if (n < VF_LANES)
            break;
    }
    for (int c = 1; c < CHAINS; c++) {
        min[0] = vf_min(min[c], min[0]);
        max[0] = vf_max(max[c], max[0]);
    }
    float none = vf_sum(nan);
    *low = none != none ? none : 0.0f - vf_max_lane(vf_sub(vf_zero(), min[0]));
    *high = none != none ? none : vf_max_lane(max[0]);
}

void SIMD_NAME(quantize_init)(quantize_kernels *k)
{
    *k = (quantize_kernels){
        .to = {[SIB_U8] = to_u8, [SIB_I8] = to_i8, [SIB_U16] = to_u16, [SIB_I16] = to_i16},
        .from = {[SIB_U8] = from_u8, [SIB_I8] = from_i8, [SIB_U16] = from_u16, [SIB_I16] = from_i16},
        .range = quantize_range,
    };
}
