/* NEON on arm64: 32 registers of four floats. */
#ifndef SIMD_F32_NEON_H
#define SIMD_F32_NEON_H

#include <arm_neon.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef float32x4_t vf;
#define VF_LANES 4

static inline vf vf_zero(void)
{
    return vdupq_n_f32(0.0f);
}

static inline vf vf_set1(float x)
{
    return vdupq_n_f32(x);
}

/* Four values are loaded together (once: the compiler merges the equal loads) and multiplied by lane, so that
   the tile's sums leave registers for all of A. */
static inline vf vf_broadcast(const float *a, int i)
{
    return vdupq_n_f32(vld1q_f32(a + i / 4 * 4)[i % 4]);
}

static inline vf vf_load(const float *p)
{
    return vld1q_f32(p);
}

static inline void vf_store(float *p, vf v)
{
    vst1q_f32(p, v);
}

static inline void vf_stream(float *p, vf v)
{
    vf_store(p, v); /* there is no such store */
}

static inline vf vf_add(vf a, vf b)
{
    return vaddq_f32(a, b);
}

static inline vf vf_sub(vf a, vf b)
{
    return vsubq_f32(a, b);
}

static inline vf vf_mul(vf a, vf b)
{
    return vmulq_f32(a, b);
}

static inline vf vf_div(vf a, vf b)
{
    return vdivq_f32(a, b);
}

static inline vf vf_fma(vf a, vf b, vf c)
{
    return vfmaq_f32(c, a, b);
}

/* The instruction returns NaN where either is. */
static inline vf vf_min(vf limit, vf v)
{
    return vminq_f32(limit, v);
}

static inline vf vf_abs(vf v)
{
    return vabsq_f32(v);
}

static inline vf vf_copysign(vf size, vf sign)
{
    return vbslq_f32(vdupq_n_u32(0x80000000), sign, size);
}

static inline vf vf_select_less(vf a, vf b, vf yes, vf no)
{
    return vbslq_f32(vcltq_f32(a, b), yes, no);
}

static inline vf vf_power_of_2(vf v)
{
    uint32x4_t biased = vaddq_u32(vreinterpretq_u32_f32(v), vdupq_n_u32(127));
    return vreinterpretq_f32_u32(vshlq_n_u32(biased, 23));
}

/* The second load begins an element early, so that p[2 * 4 - 2] is the last that is read. */
static inline vf vf_load_even(const float *p)
{
    vf low = vld1q_f32(p), high = vld1q_f32(p + 3);
    return vcombine_f32(vget_low_f32(vuzp1q_f32(low, low)), vget_low_f32(vuzp2q_f32(high, high)));
}

static inline vf vf_load_f16(const uint16_t *p)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}

static inline void vf_store_f16(uint16_t *p, vf v)
{
    vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(v)));
}

static inline vf vf_load_bf16(const uint16_t *p)
{
    uint32x4_t bits = vshll_n_u16(vld1_u16(p), 16);
    vf v = vreinterpretq_f32_u32(bits);
    uint32x4_t quiet = vbicq_u32(vdupq_n_u32(0x400000), vceqq_f32(v, v));
    return vreinterpretq_f32_u32(vorrq_u32(bits, quiet));
}

static inline void vf_store_bf16(uint16_t *p, vf v)
{
    uint32x4_t bits = vreinterpretq_u32_f32(v), top = vshrq_n_u32(bits, 16);
    uint32x4_t carry = vaddq_u32(vandq_u32(top, vdupq_n_u32(1)), vdupq_n_u32(0x7FFF));
    uint32x4_t rounded = vshrq_n_u32(vaddq_u32(bits, carry), 16);
    uint32x4_t quiet = vorrq_u32(top, vdupq_n_u32(0x40));
    vst1_u16(p, vmovn_u32(vbslq_u32(vceqq_f32(v, v), rounded, quiet)));
}

/* NaN where either is. */
static inline vf vf_max(vf limit, vf v)
{
    return vmaxq_f32(limit, v);
}

static inline vf vf_sqrt(vf v)
{
    return vsqrtq_f32(v);
}

static inline vf vf_round(vf v)
{
    return vrndnq_f32(v);
}

static inline vf vf_floor(vf v)
{
    return vrndmq_f32(v);
}

static inline vf vf_ceil(vf v)
{
    return vrndpq_f32(v);
}

static inline vf vf_trunc(vf v)
{
    return vrndq_f32(v);
}

static inline vf vf_count_zeros(vf count, vf v)
{
    const uint32x4_t one = vreinterpretq_u32_f32(vdupq_n_f32(1.0f));
    return vaddq_f32(count, vreinterpretq_f32_u32(vandq_u32(vceqzq_f32(v), one)));
}

static inline vf vf_select_nan(vf a, vf yes, vf no)
{
    return vbslq_f32(vceqq_f32(a, a), no, yes);
}

static inline float vf_sum(vf v)
{
    return vaddvq_f32(v);
}

static inline void vf_sum_4(const vf v[4], float sums[4])
{
    vst1q_f32(sums, vpaddq_f32(vpaddq_f32(v[0], v[1]), vpaddq_f32(v[2], v[3])));
}

static inline float vf_max_lane(vf v)
{
    return vmaxvq_f32(v);
}

static inline vf vf_load_n(const float *p, size_t n)
{
    float four[4] = {0};
    for (size_t i = 0; i < n; i++)
        four[i] = p[i];
    return vld1q_f32(four);
}

static inline void vf_store_n(float *p, vf v, size_t n)
{
    float four[4];
    vst1q_f32(four, v);
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
        return vld1q_f32(p);
    float four[4];
    vst1q_f32(four, other);
    for (int i = lanes.begin; i < lanes.end; i++)
        four[i] = p[i];
    return vld1q_f32(four);
}

static inline vf vf_even(vf a, vf b)
{
    return vuzp1q_f32(a, b);
}

static inline vf vf_after(vf a, vf b)
{
    return vextq_f32(a, b, 3);
}

static inline vf vf_before(vf a, vf b)
{
    return vextq_f32(a, b, 1);
}

/* Loads four bytes. */
static inline uint8x8_t vf_bytes(const void *p)
{
    uint32_t four;
    __builtin_memcpy(&four, p, sizeof four);
    return vreinterpret_u8_u32(vdup_n_u32(four));
}

static inline int32x4_t vf_signed_bytes(const int8_t *p)
{
    return vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u8(vf_bytes(p)))));
}

static inline vf vf_load_s8(const int8_t *p)
{
    return vcvtq_f32_s32(vf_signed_bytes(p));
}

static inline vf vf_load_u8(const uint8_t *p)
{
    return vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vf_bytes(p)))));
}

static inline vf vf_of_sums(const int32_t *sums, const uint32_t *less, uint32_t plus)
{
    uint32x4_t v = vaddq_u32(vreinterpretq_u32_s32(vld1q_s32(sums)), vdupq_n_u32(plus));
    return vcvtq_f32_s32(vreinterpretq_s32_u32(less ? vsubq_u32(v, vld1q_u32(less)) : v));
}

static inline vf vf_load_s4(const int8_t *p, vf *high)
{
    int32x4_t both = vf_signed_bytes(p);
    *high = vcvtq_f32_s32(vshrq_n_s32(both, 4));
    return vcvtq_f32_s32(vshrq_n_s32(vshlq_n_s32(both, 28), 28));
}

/* The float16 at p, at any alignment, in every lane. */
static inline vf vf_set1_f16(const void *p)
{
    uint16_t bits;
    __builtin_memcpy(&bits, p, sizeof bits);
    return vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(bits)));
}

static inline vf vf_load_u4(const uint8_t *p, vf *high)
{
    uint32x4_t both = vmovl_u16(vget_low_u16(vmovl_u8(vf_bytes(p))));
    *high = vcvtq_f32_u32(vshrq_n_u32(both, 4));
    return vcvtq_f32_u32(vandq_u32(both, vdupq_n_u32(15)));
}

/* What codes of four bits stand for: d * codes[i] + offset; codes NULL: i. */
typedef struct vf_codes {
    bool plain;
    int8x16_t codes;
    vf d, offset;
} vf_codes;
static inline vf_codes vf_codes_of(const int8_t codes[16], vf d, vf offset)
{
    return (vf_codes){!codes, codes ? vld1q_s8(codes) : vdupq_n_s8(0), d, offset};
}

/* 16 codes, below 16 each. */
static inline void vf_decode(uint8x16_t codes, const vf_codes *of, vf w[4])
{
    int8x16_t bytes = of->plain ? vreinterpretq_s8_u8(codes) : vqtbl1q_s8(of->codes, codes);
    int16x8_t low = vmovl_s8(vget_low_s8(bytes)), high = vmovl_s8(vget_high_s8(bytes));
    w[0] = vfmaq_f32(of->offset, of->d, vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))));
    w[1] = vfmaq_f32(of->offset, of->d, vcvtq_f32_s32(vmovl_s16(vget_high_s16(low))));
    w[2] = vfmaq_f32(of->offset, of->d, vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))));
    w[3] = vfmaq_f32(of->offset, of->d, vcvtq_f32_s32(vmovl_s16(vget_high_s16(high))));
}

/* 16 bytes: 16 codes in their low halves, as of_low says, and 16 in the high ones. low, high: 16 floats. */
static inline void vf_load_codes(const uint8_t *p, const vf_codes *of_low, const vf_codes *of_high, vf *low,
                                 vf *high)
{
    uint8x16_t both = vld1q_u8(p);
    vf_decode(vandq_u8(both, vdupq_n_u8(15)), of_low, low);
    vf_decode(vshrq_n_u8(both, 4), of_high, high);
}

/* Scales in two steps, the first of which stays normal, so underflow rounds once. */
static inline vf vf_scale(vf v, vf n)
{
    int32x4_t whole = vcvtq_s32_f32(n), half = vshrq_n_s32(whole, 1), bias = vdupq_n_s32(127);
    int32x4_t first = vshlq_n_s32(vaddq_s32(half, bias), 23);
    int32x4_t second = vshlq_n_s32(vaddq_s32(vsubq_s32(whole, half), bias), 23);
    return vmulq_f32(vmulq_f32(v, vreinterpretq_f32_s32(first)), vreinterpretq_f32_s32(second));
}

static inline vf vf_split(vf v, vf *n)
{
    const vf infinity = vdupq_n_f32(__builtin_inff());
    uint32x4_t tiny = vcltq_f32(v, vdupq_n_f32(0x1p-126f));
    vf lifted = vbslq_f32(tiny, vmulq_f32(v, vdupq_n_f32(0x1p23f)), v);
    int32x4_t bits = vreinterpretq_s32_f32(lifted);
    int32x4_t exponent = vshrq_n_s32(vsubq_s32(bits, vdupq_n_s32(0x3F3504F3)), 23); /* bits of sqrt(1/2) */
    vf m = vreinterpretq_f32_s32(vsubq_s32(bits, vshlq_n_s32(exponent, 23)));
    vf count = vsubq_f32(vcvtq_f32_s32(exponent), vbslq_f32(tiny, vdupq_n_f32(23.0f), vdupq_n_f32(0.0f)));
    vf other = vaddq_f32(v, infinity); /* inf; NaN where v is */
    vf none = vbslq_f32(vceqzq_f32(v), vdupq_n_f32(-__builtin_inff()), vdupq_n_f32(__builtin_nanf("")));
    uint32x4_t finite = vcltq_f32(v, infinity);
    *n = vbslq_f32(vclezq_f32(v), none, vbslq_f32(finite, count, other));
    return vbslq_f32(finite, m, vdupq_n_f32(1.0f));
}

static inline bool vf_any_less(vf a, vf b)
{
    return vmaxvq_u32(vcltq_f32(a, b)) != 0;
}

static inline void vf_transpose(vf v[VF_LANES])
{
    float32x4x2_t a = vtrnq_f32(v[0], v[1]), b = vtrnq_f32(v[2], v[3]);
    v[0] = vcombine_f32(vget_low_f32(a.val[0]), vget_low_f32(b.val[0]));
    v[1] = vcombine_f32(vget_low_f32(a.val[1]), vget_low_f32(b.val[1]));
    v[2] = vcombine_f32(vget_high_f32(a.val[0]), vget_high_f32(b.val[0]));
    v[3] = vcombine_f32(vget_high_f32(a.val[1]), vget_high_f32(b.val[1]));
}

static inline void vf_store_s8(int8_t *p, vf v)
{
    int16x4_t half = vmovn_s32(vcvtq_s32_f32(v));
    int8x8_t bytes = vmovn_s16(vcombine_s16(half, half));
    vst1_lane_s32((int32_t *)(void *)p, vreinterpret_s32_s8(bytes), 0);
}

static inline void vf_store_u8(uint8_t *p, vf v)
{
    vf_store_s8((int8_t *)p, v);
}

static inline vf vf_fms(vf a, vf b, vf c)
{
    return vnegq_f32(vfmsq_f32(c, a, b));
}

static inline vf vf_fnma(vf a, vf b, vf c)
{
    return vfmsq_f32(c, a, b);
}

static inline vf vf_exponent(vf x, vf *m)
{
    const int32x4_t sqrt_half = vdupq_n_s32(0x3f3504f3);
    int32x4_t above = vsubq_s32(vreinterpretq_s32_f32(x), sqrt_half);
    int32x4_t mantissa = vaddq_s32(vandq_s32(above, vdupq_n_s32(0x7fffff)), sqrt_half);
    *m = vreinterpretq_f32_s32(mantissa);
    return vcvtq_f32_s32(vshrq_n_s32(above, 23));
}

static inline void vf_transpose_rows(const float *const rows[VF_LANES], size_t at, float *dst, size_t step)
{
    float32x4x2_t low = vtrnq_f32(vld1q_f32(rows[0] + at), vld1q_f32(rows[1] + at));
    float32x4x2_t high = vtrnq_f32(vld1q_f32(rows[2] + at), vld1q_f32(rows[3] + at));
    vf_store(dst, vcombine_f32(vget_low_f32(low.val[0]), vget_low_f32(high.val[0])));
    vf_store(dst + step, vcombine_f32(vget_low_f32(low.val[1]), vget_low_f32(high.val[1])));
    vf_store(dst + 2 * step, vcombine_f32(vget_high_f32(low.val[0]), vget_high_f32(high.val[0])));
    vf_store(dst + 3 * step, vcombine_f32(vget_high_f32(low.val[1]), vget_high_f32(high.val[1])));
}

static inline vf vf_take(const float *p, const int32_t *index)
{
    return (vf){p[index[0]], p[index[1]], p[index[2]], p[index[3]]};
}

static inline vf vf_pick(const float *p, const int32_t *index)
{
    return vf_take(p, index);
}

#endif
