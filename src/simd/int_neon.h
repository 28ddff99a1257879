/* Vectors of four int32, and of 16 bytes, with NEON. */
#ifndef SIMD_INT_NEON_H
#define SIMD_INT_NEON_H

#include "simd/f64_neon.h"

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef int32x4_t vi;
#define VI_LANES   4
#define VI_GROUP   2
#define VI_ELEMENT 2

/* ---- Products of bytes: gemm_int.inc.h and bytes.inc.h define the operations ---- */

static inline vi vi_zero(void)
{
    return vdupq_n_s32(0);
}

static inline vi vi_left(const char *a)
{
    int32_t two;
    memcpy(&two, a, sizeof two);
    return vdupq_n_s32(two);
}

static inline vi vi_right(const int8_t *b)
{
    return vreinterpretq_s32_s16(vmovl_s8(vld1_s8(b)));
}

static inline vi vi_dot(vi sum, vi left, vi right)
{
    int16x8_t l = vreinterpretq_s16_s32(left), r = vreinterpretq_s16_s32(right);
    int32x4_t low = vmull_s16(vget_low_s16(l), vget_low_s16(r)), high = vmull_high_s16(l, r);
    return vaddq_s32(sum, vpaddq_s32(low, high));
}

static inline void vi_store(int32_t *p, vi v)
{
    vst1q_s32(p, v);
}

static inline vi vi_plain(const uint8_t *b)
{
    return vreinterpretq_s32_u16(vmovl_u8(vld1_u8(b)));
}

static inline vi vi_dot_plain(vi sum, vi left, vi plain)
{
    int16x8_t l = vreinterpretq_s16_s32(left), b = vreinterpretq_s16_s32(plain);
    int32x4_t low = vmull_s16(vget_low_s16(l), vget_low_s16(b)), high = vmull_high_s16(l, b);
    return vaddq_s32(sum, vpaddq_s32(low, high));
}

#define VI_JOIN 8
static inline void vi_join(const uint8_t *const *rows, size_t l, int32_t flip, uint8_t *dst)
{
    uint8x8_t by = vdup_n_u8((uint8_t)(flip & 0xff));
    uint8x8x2_t both = {{veor_u8(vld1_u8(rows[0] + l), by), veor_u8(vld1_u8(rows[1] + l), by)}};
    vst2_u8(dst, both);
}

/* ---- int32, and their halves as doubles: tile/lanes.inc.h defines the operations ---- */

#define vi_shl(a, n) vshlq_n_s32(a, n)
#define vi_shr(a, n) vshrq_n_s32(a, n)

static inline vi vi_load(const int32_t *p)
{
    return vld1q_s32(p);
}

static inline void vi_store16(int16_t *p, vi a)
{
    vst1_s16(p, vmovn_s32(a));
}

static inline vi vi_set1(int32_t x)
{
    return vdupq_n_s32(x);
}

static inline vi vi_add(vi a, vi b)
{
    return vaddq_s32(a, b);
}

static inline vi vi_sub(vi a, vi b)
{
    return vsubq_s32(a, b);
}

static inline vi vi_and(vi a, vi b)
{
    return vandq_s32(a, b);
}

static inline vi vi_max(vi a, vi b)
{
    return vmaxq_s32(a, b);
}

static inline vi vi_abs(vi a)
{
    return vabsq_s32(a);
}

static inline vi vi_mul(vi a, vi b)
{
    return vmulq_s32(a, b);
}

static inline vi vi_madd(vi a, vi b)
{
    const int16x8_t x = vreinterpretq_s16_s32(a), y = vreinterpretq_s16_s32(b);
    return vpaddq_s32(vmull_s16(vget_low_s16(x), vget_low_s16(y)), vmull_high_s16(x, y));
}

static inline vi vi_shlv(vi a, vi n)
{
    return vshlq_s32(a, n);
}

static inline vi vi_shrv(vi a, vi n)
{
    return vshlq_s32(a, vnegq_s32(n));
}

static inline vi vi_pair(vi low, vi high)
{
    return vsliq_n_s32(low, high, 16);
}

static inline vi vi_mul_q31(vi a, vi c)
{
    return vqdmulhq_s32(a, c); /* 2 a c / 2^32, rounded down */
}

static inline vi vi_dot_q31(vi a, vi c, vi b, vi d)
{
    const int64x2_t low =
        vmlal_s32(vmull_s32(vget_low_s32(a), vget_low_s32(c)), vget_low_s32(b), vget_low_s32(d));
    const int64x2_t high = vmlal_high_s32(vmull_high_s32(a, c), b, d);
    return vcombine_s32(vshrn_n_s64(low, 31), vshrn_n_s64(high, 31));
}

static inline vi vi_lookup(const int32_t table[16], vi i)
{
    const int32_t found[4] = {table[vgetq_lane_s32(i, 0)], table[vgetq_lane_s32(i, 1)],
                              table[vgetq_lane_s32(i, 2)], table[vgetq_lane_s32(i, 3)]};
    return vld1q_s32(found);
}

static inline vd vd_low(vi a)
{
    return vcvtq_f64_s64(vmovl_s32(vget_low_s32(a)));
}

static inline vd vd_high(vi a)
{
    return vcvtq_f64_s64(vmovl_high_s32(a));
}

static inline vi vi_tops(vd low, vd high)
{
    return vuzp2q_s32(vreinterpretq_s32_f64(low), vreinterpretq_s32_f64(high));
}

static inline vi vi_four_pairs(const int16_t *p)
{
    return vreinterpretq_s32_s16(vld1q_s16(p));
}

static inline void vi_transpose_rows(const int16_t *const rows[VI_LANES], size_t at, int32_t *to)
{
    const int32x4x2_t low = vtrnq_s32(vi_four_pairs(rows[0] + at), vi_four_pairs(rows[1] + at));
    const int32x4x2_t high = vtrnq_s32(vi_four_pairs(rows[2] + at), vi_four_pairs(rows[3] + at));
    vi_store(to, vcombine_s32(vget_low_s32(low.val[0]), vget_low_s32(high.val[0])));
    vi_store(to + VI_LANES, vcombine_s32(vget_low_s32(low.val[1]), vget_low_s32(high.val[1])));
    vi_store(to + 2 * VI_LANES, vcombine_s32(vget_high_s32(low.val[0]), vget_high_s32(high.val[0])));
    vi_store(to + 3 * VI_LANES, vcombine_s32(vget_high_s32(low.val[1]), vget_high_s32(high.val[1])));
}

/* ---- Bytes as items in pieces of 16: kernel/layout/layout.inc.h defines the operations ---- */

typedef uint8x16_t vb;
#define VB_PIECES 1

static inline vb vb_rows(const char *p, ptrdiff_t apart)
{
    (void)apart;
    return vld1q_u8((const uint8_t *)p);
}

static inline vb vb_halves(const char *p)
{
    uint8x8_t v = vld1_u8((const uint8_t *)p);
    return vcombine_u8(v, v);
}

static inline void vb_store(char *p, vb v)
{
    vst1q_u8((uint8_t *)p, v);
}

/* There is no store past the caches. */
static inline void vb_stream(char *p, const char *from)
{
    vst1q_u8((uint8_t *)p, vld1q_u8((const uint8_t *)from));
}

static inline void vb_stream_end(void)
{
}

static inline vb vb_lo_1(vb a, vb b)
{
    return vzip1q_u8(a, b);
}

static inline vb vb_hi_1(vb a, vb b)
{
    return vzip2q_u8(a, b);
}

static inline vb vb_lo_2(vb a, vb b)
{
    return vreinterpretq_u8_u16(vzip1q_u16(vreinterpretq_u16_u8(a), vreinterpretq_u16_u8(b)));
}

static inline vb vb_hi_2(vb a, vb b)
{
    return vreinterpretq_u8_u16(vzip2q_u16(vreinterpretq_u16_u8(a), vreinterpretq_u16_u8(b)));
}

static inline vb vb_lo_4(vb a, vb b)
{
    return vreinterpretq_u8_u32(vzip1q_u32(vreinterpretq_u32_u8(a), vreinterpretq_u32_u8(b)));
}

static inline vb vb_hi_4(vb a, vb b)
{
    return vreinterpretq_u8_u32(vzip2q_u32(vreinterpretq_u32_u8(a), vreinterpretq_u32_u8(b)));
}

static inline vb vb_lo_8(vb a, vb b)
{
    return vreinterpretq_u8_u64(vzip1q_u64(vreinterpretq_u64_u8(a), vreinterpretq_u64_u8(b)));
}

static inline vb vb_hi_8(vb a, vb b)
{
    return vreinterpretq_u8_u64(vzip2q_u64(vreinterpretq_u64_u8(a), vreinterpretq_u64_u8(b)));
}

#endif
