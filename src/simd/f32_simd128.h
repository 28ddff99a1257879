/* SIMD of WebAssembly: vectors of four floats. There is no fused multiply-add, so vf_fma rounds twice, as in f32_c.h. */
#ifndef SIMD_F32_SIMD128_H
#define SIMD_F32_SIMD128_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wasm_simd128.h>

typedef v128_t vf;
#define VF_LANES 4

static inline vf vf_zero(void)
{
    return wasm_f32x4_const_splat(0.0f);
}

static inline vf vf_set1(float x)
{
    return wasm_f32x4_splat(x);
}

static inline vf vf_broadcast(const float *a, int i)
{
    return wasm_v128_load32_splat(a + i);
}

static inline vf vf_load(const float *p)
{
    return wasm_v128_load(p);
}

static inline void vf_store(float *p, vf v)
{
    wasm_v128_store(p, v);
}

static inline void vf_stream(float *p, vf v)
{
    vf_store(p, v); /* there is no such store */
}

static inline vf vf_add(vf a, vf b)
{
    return wasm_f32x4_add(a, b);
}

static inline vf vf_sub(vf a, vf b)
{
    return wasm_f32x4_sub(a, b);
}

static inline vf vf_mul(vf a, vf b)
{
    return wasm_f32x4_mul(a, b);
}

static inline vf vf_div(vf a, vf b)
{
    return wasm_f32x4_div(a, b);
}

static inline vf vf_sqrt(vf v)
{
    return wasm_f32x4_sqrt(v);
}

static inline vf vf_fma(vf a, vf b, vf c)
{
    return wasm_f32x4_add(wasm_f32x4_mul(a, b), c);
}

static inline vf vf_fms(vf a, vf b, vf c)
{
    return wasm_f32x4_sub(wasm_f32x4_mul(a, b), c);
}

static inline vf vf_fnma(vf a, vf b, vf c)
{
    return wasm_f32x4_sub(c, wasm_f32x4_mul(a, b));
}

/* v where it is NaN: one instruction of most processors, where that of WebAssembly takes three or more. */
static inline vf vf_min(vf limit, vf v)
{
    return wasm_f32x4_pmin(v, limit);
}

static inline vf vf_max(vf limit, vf v)
{
    return wasm_f32x4_pmax(v, limit);
}

static inline vf vf_abs(vf v)
{
    return wasm_f32x4_abs(v);
}

/* yes where mask has ones, else no. */
static inline vf vf_choose(v128_t mask, vf yes, vf no)
{
    return wasm_v128_bitselect(yes, no, mask);
}

static inline vf vf_copysign(vf size, vf sign)
{
    return vf_choose(wasm_u32x4_const_splat(0x80000000), sign, size);
}

static inline vf vf_select_less(vf a, vf b, vf yes, vf no)
{
    return vf_choose(wasm_f32x4_lt(a, b), yes, no);
}

static inline vf vf_select_nan(vf a, vf yes, vf no)
{
    return vf_choose(wasm_f32x4_eq(a, a), no, yes);
}

static inline vf vf_count_zeros(vf count, vf v)
{
    return wasm_f32x4_add(count, wasm_v128_and(wasm_f32x4_eq(v, vf_zero()), vf_set1(1.0f)));
}

static inline vf vf_round(vf v)
{
    return wasm_f32x4_nearest(v);
}

static inline vf vf_floor(vf v)
{
    return wasm_f32x4_floor(v);
}

static inline vf vf_ceil(vf v)
{
    return wasm_f32x4_ceil(v);
}

static inline vf vf_trunc(vf v)
{
    return wasm_f32x4_trunc(v);
}

static inline vf vf_power_of_2(vf v)
{
    return wasm_i32x4_shl(wasm_i32x4_add(v, wasm_i32x4_const_splat(127)), 23);
}

/* ---- Sums over lanes, parts of vectors ---------------------------------------------------------------- */

static inline void vf_transpose(vf v[VF_LANES])
{
    const vf a = wasm_i32x4_shuffle(v[0], v[1], 0, 4, 1, 5), b = wasm_i32x4_shuffle(v[2], v[3], 0, 4, 1, 5);
    const vf c = wasm_i32x4_shuffle(v[0], v[1], 2, 6, 3, 7), d = wasm_i32x4_shuffle(v[2], v[3], 2, 6, 3, 7);
    v[0] = wasm_i64x2_shuffle(a, b, 0, 2);
    v[1] = wasm_i64x2_shuffle(a, b, 1, 3);
    v[2] = wasm_i64x2_shuffle(c, d, 0, 2);
    v[3] = wasm_i64x2_shuffle(c, d, 1, 3);
}

static inline void vf_transpose_rows(const float *const rows[VF_LANES], size_t at, float *dst, size_t step)
{
    vf v[VF_LANES];
    for (size_t i = 0; i < VF_LANES; i++)
        v[i] = vf_load(rows[i] + at);
    vf_transpose(v);
    for (size_t i = 0; i < VF_LANES; i++)
        vf_store(dst + i * step, v[i]);
}

static inline void vf_sum_4(const vf v[4], float sums[4])
{
    vf t[4] = {v[0], v[1], v[2], v[3]};
    vf_transpose(t);
    vf_store(sums, vf_add(vf_add(t[0], t[1]), vf_add(t[2], t[3])));
}

static inline float vf_sum(vf v)
{
    return (wasm_f32x4_extract_lane(v, 0) + wasm_f32x4_extract_lane(v, 1)) +
           (wasm_f32x4_extract_lane(v, 2) + wasm_f32x4_extract_lane(v, 3));
}

static inline float vf_max_lane(vf v)
{
    v = wasm_f32x4_pmax(v, wasm_i32x4_shuffle(v, v, 2, 3, 0, 1));
    return wasm_f32x4_extract_lane(wasm_f32x4_pmax(v, wasm_i32x4_shuffle(v, v, 1, 0, 3, 2)), 0);
}

static inline bool vf_any_less(vf a, vf b)
{
    return wasm_v128_any_true(wasm_f32x4_lt(a, b));
}

/* The second load begins an element early, so that p[2 * 4 - 2] is the last that is read. */
static inline vf vf_load_even(const float *p)
{
    return wasm_i32x4_shuffle(vf_load(p), vf_load(p + 3), 0, 2, 5, 7);
}

static inline vf vf_even(vf a, vf b)
{
    return wasm_i32x4_shuffle(a, b, 0, 2, 4, 6);
}

static inline vf vf_after(vf a, vf b)
{
    return wasm_i32x4_shuffle(a, b, 3, 4, 5, 6);
}

static inline vf vf_before(vf a, vf b)
{
    return wasm_i32x4_shuffle(a, b, 1, 2, 3, 4);
}

static inline vf vf_load_n(const float *p, size_t n)
{
    float four[4] = {0};
    for (size_t i = 0; i < n; i++)
        four[i] = p[i];
    return vf_load(four);
}

static inline void vf_store_n(float *p, vf v, size_t n)
{
    float four[4];
    vf_store(four, v);
    for (size_t i = 0; i < n; i++)
        p[i] = four[i];
}

typedef struct vf_mask {
    int begin, end;
} vf_mask;

static inline vf_mask vf_lanes(ptrdiff_t begin, ptrdiff_t end)
{
    return (vf_mask){begin > 0 ? (int)(begin < 4 ? begin : 4) : 0, end < 4 ? (int)(end > 0 ? end : 0) : 4};
}

static inline vf vf_load_lanes(const float *p, vf_mask lanes, vf other)
{
    if (lanes.begin == 0 && lanes.end == 4)
        return vf_load(p);
    float four[4];
    vf_store(four, other);
    for (int i = lanes.begin; i < lanes.end; i++)
        four[i] = p[i];
    return vf_load(four);
}

static inline vf vf_take(const float *p, const int32_t *index)
{
    return wasm_f32x4_make(p[index[0]], p[index[1]], p[index[2]], p[index[3]]);
}

static inline vf vf_pick(const float *p, const int32_t *index)
{
    return vf_take(p, index);
}

/* ---- Other types in memory ----------------------------------------------------------------------------- */

/* A float16 is a float with an exponent of five bits and another bias: scaled, which is exact, also where it is subnormal. */
static inline vf vf_of_f16(v128_t halves)
{
    const v128_t sign = wasm_v128_and(halves, wasm_i32x4_const_splat(0x8000));
    const v128_t size = wasm_v128_xor(halves, sign);
    const vf scaled = vf_mul(wasm_i32x4_shl(size, 13), vf_set1(0x1p112f));
    const v128_t special = wasm_i32x4_ge(size, wasm_i32x4_const_splat(0x7c00));
    const v128_t nan = wasm_i32x4_gt(size, wasm_i32x4_const_splat(0x7c00));
    const v128_t quiet = wasm_v128_and(nan, wasm_i32x4_const_splat(0x400000));
    const v128_t ones = wasm_v128_and(special, wasm_i32x4_const_splat(0x7f800000));
    return wasm_v128_or(wasm_v128_or(scaled, wasm_v128_or(ones, quiet)), wasm_i32x4_shl(sign, 16));
}

static inline vf vf_load_f16(const uint16_t *p)
{
    return vf_of_f16(wasm_u32x4_load16x4(p));
}

static inline vf vf_set1_f16(const void *p)
{
    uint16_t bits;
    __builtin_memcpy(&bits, p, sizeof bits);
    return vf_of_f16(wasm_i32x4_splat(bits));
}

/* The low 16 bits of each lane. */
static inline void vf_store_low_16(uint16_t *p, v128_t v)
{
    wasm_v128_store64_lane(p, wasm_i16x8_shuffle(v, v, 0, 2, 4, 6, 0, 2, 4, 6), 0);
}

/* Subnormals are rounded by adding 0.5, whose last bit is as large as theirs. */
static inline void vf_store_f16(uint16_t *p, vf v)
{
    const v128_t size = wasm_v128_and(v, wasm_i32x4_const_splat(0x7fffffff));
    const v128_t last = wasm_v128_and(wasm_u32x4_shr(size, 13), wasm_i32x4_const_splat(1));
    const v128_t up = wasm_i32x4_add(wasm_i32x4_add(size, last), wasm_i32x4_const_splat(0xfff - 0x38000000));
    const v128_t normal = wasm_i32x4_min(wasm_i32x4_shr(up, 13), wasm_i32x4_const_splat(0x7c00));
    const v128_t small = wasm_i32x4_sub(vf_add(size, vf_set1(0.5f)), wasm_i32x4_const_splat(0x3f000000));
    const v128_t nan = wasm_v128_or(wasm_v128_and(wasm_u32x4_shr(size, 13), wasm_i32x4_const_splat(0x3ff)),
                                    wasm_i32x4_const_splat(0x7e00));
    v128_t bits = vf_choose(wasm_i32x4_lt(size, wasm_i32x4_const_splat(0x38800000)), small, normal);
    bits = vf_choose(wasm_i32x4_gt(size, wasm_i32x4_const_splat(0x7f800000)), nan, bits);
    vf_store_low_16(p,
                    wasm_v128_or(bits, wasm_v128_and(wasm_u32x4_shr(v, 16), wasm_i32x4_const_splat(0x8000))));
}

static inline vf vf_load_bf16(const uint16_t *p)
{
    const vf v = wasm_i32x4_shl(wasm_u32x4_load16x4(p), 16);
    return wasm_v128_or(v, wasm_v128_and(wasm_f32x4_ne(v, v), wasm_i32x4_const_splat(0x400000)));
}

static inline void vf_store_bf16(uint16_t *p, vf v)
{
    const v128_t top = wasm_u32x4_shr(v, 16);
    const v128_t carry =
        wasm_i32x4_add(wasm_v128_and(top, wasm_i32x4_const_splat(1)), wasm_i32x4_const_splat(0x7fff));
    const v128_t rounded = wasm_u32x4_shr(wasm_i32x4_add(v, carry), 16);
    vf_store_low_16(p, vf_select_nan(v, wasm_v128_or(top, wasm_i32x4_const_splat(0x40)), rounded));
}

/* Four bytes, widened. */
static inline v128_t vf_signed_bytes(const int8_t *p)
{
    return wasm_i32x4_extend_low_i16x8(wasm_i16x8_extend_low_i8x16(wasm_v128_load32_zero(p)));
}

static inline v128_t vf_unsigned_bytes(const uint8_t *p)
{
    return wasm_u32x4_extend_low_u16x8(wasm_u16x8_extend_low_u8x16(wasm_v128_load32_zero(p)));
}

static inline vf vf_load_s8(const int8_t *p)
{
    return wasm_f32x4_convert_i32x4(vf_signed_bytes(p));
}

static inline vf vf_load_u8(const uint8_t *p)
{
    return wasm_f32x4_convert_i32x4(vf_unsigned_bytes(p));
}

static inline vf vf_load_s4(const int8_t *p, vf *high)
{
    const v128_t both = vf_signed_bytes(p);
    *high = wasm_f32x4_convert_i32x4(wasm_i32x4_shr(both, 4));
    return wasm_f32x4_convert_i32x4(wasm_i32x4_shr(wasm_i32x4_shl(both, 28), 28));
}

static inline vf vf_load_u4(const uint8_t *p, vf *high)
{
    const v128_t both = vf_unsigned_bytes(p);
    *high = wasm_f32x4_convert_i32x4(wasm_u32x4_shr(both, 4));
    return wasm_f32x4_convert_i32x4(wasm_v128_and(both, wasm_i32x4_const_splat(15)));
}

static inline void vf_store_s8(int8_t *p, vf v)
{
    const v128_t n = wasm_i32x4_trunc_sat_f32x4(v);
    wasm_v128_store32_lane(p, wasm_i8x16_shuffle(n, n, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12),
                           0);
}

static inline void vf_store_u8(uint8_t *p, vf v)
{
    vf_store_s8((int8_t *)p, v);
}

static inline vf vf_of_sums(const int32_t *sums, const uint32_t *less, uint32_t plus)
{
    const v128_t v = wasm_i32x4_add(wasm_v128_load(sums), wasm_i32x4_splat((int32_t)plus));
    return wasm_f32x4_convert_i32x4(less ? wasm_i32x4_sub(v, wasm_v128_load(less)) : v);
}

/* What codes of four bits stand for: d * codes[i] + offset; codes NULL: i. */
typedef struct vf_codes {
    bool plain;
    v128_t codes;
    vf d, offset;
} vf_codes;
static inline vf_codes vf_codes_of(const int8_t codes[16], vf d, vf offset)
{
    return (vf_codes){!codes, codes ? wasm_v128_load(codes) : vf_zero(), d, offset};
}

/* 16 codes, below 16 each. */
static inline void vf_decode(v128_t codes, const vf_codes *of, vf w[4])
{
    const v128_t bytes = of->plain ? codes : wasm_i8x16_swizzle(of->codes, codes);
    const v128_t low = wasm_i16x8_extend_low_i8x16(bytes), high = wasm_i16x8_extend_high_i8x16(bytes);
    w[0] = vf_fma(of->d, wasm_f32x4_convert_i32x4(wasm_i32x4_extend_low_i16x8(low)), of->offset);
    w[1] = vf_fma(of->d, wasm_f32x4_convert_i32x4(wasm_i32x4_extend_high_i16x8(low)), of->offset);
    w[2] = vf_fma(of->d, wasm_f32x4_convert_i32x4(wasm_i32x4_extend_low_i16x8(high)), of->offset);
    w[3] = vf_fma(of->d, wasm_f32x4_convert_i32x4(wasm_i32x4_extend_high_i16x8(high)), of->offset);
}

/* 16 bytes: 16 codes in their low halves, as of_low says, and 16 in the high ones. low, high: 16 floats. */
static inline void vf_load_codes(const uint8_t *p, const vf_codes *of_low, const vf_codes *of_high, vf *low,
                                 vf *high)
{
    const v128_t both = wasm_v128_load(p);
    vf_decode(wasm_v128_and(both, wasm_i8x16_const_splat(15)), of_low, low);
    vf_decode(wasm_u8x16_shr(both, 4), of_high, high);
}

/* ---- Exponents ----------------------------------------------------------------------------------------- */

/* Scales in two steps, the first of which stays normal, so underflow rounds once. */
static inline vf vf_scale(vf v, vf n)
{
    const v128_t all = wasm_i32x4_trunc_sat_f32x4(n), half = wasm_i32x4_shr(all, 1);
    const vf first = vf_power_of_2(half), second = vf_power_of_2(wasm_i32x4_sub(all, half));
    return vf_mul(vf_mul(v, first), second);
}

static inline vf vf_split(vf v, vf *n)
{
    const vf infinity = vf_set1(__builtin_inff());
    const v128_t tiny = wasm_f32x4_lt(v, vf_set1(0x1p-126f)), finite = wasm_f32x4_lt(v, infinity);
    const v128_t bits = vf_choose(tiny, vf_mul(v, vf_set1(0x1p23f)), v);
    /* bits of sqrt(1/2) */
    const v128_t exponent = wasm_i32x4_shr(wasm_i32x4_sub(bits, wasm_i32x4_const_splat(0x3F3504F3)), 23);
    const vf m = wasm_i32x4_sub(bits, wasm_i32x4_shl(exponent, 23));
    const vf count = vf_sub(wasm_f32x4_convert_i32x4(exponent), wasm_v128_and(tiny, vf_set1(23.0f)));
    const vf other = vf_add(v, infinity); /* inf; NaN where v is */
    const vf none =
        vf_choose(wasm_f32x4_eq(v, vf_zero()), vf_set1(-__builtin_inff()), vf_set1(__builtin_nanf("")));
    *n = vf_choose(wasm_f32x4_le(v, vf_zero()), none, vf_choose(finite, count, other));
    return vf_choose(finite, m, vf_set1(1.0f));
}

static inline vf vf_exponent(vf x, vf *m)
{
    const v128_t sqrt_half = wasm_i32x4_const_splat(0x3f3504f3), above = wasm_i32x4_sub(x, sqrt_half);
    *m = wasm_i32x4_add(wasm_v128_and(above, wasm_i32x4_const_splat(0x7fffff)), sqrt_half);
    return wasm_f32x4_convert_i32x4(wasm_i32x4_shr(above, 23));
}

#endif
