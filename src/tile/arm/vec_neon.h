/* Four int32 and two doubles in NEON registers; lanes.inc.h tells what each word means. */
#include <arm_neon.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LANES 4
typedef int32x4_t vi;
typedef float64x2_t vd;

#define i_shl(a, n) vshlq_n_s32(a, n)
#define i_shr(a, n) vshrq_n_s32(a, n)

static inline vi i_load(const int32_t *p)
{
    return vld1q_s32(p);
}

static inline void i_store(int32_t *p, vi a)
{
    vst1q_s32(p, a);
}

static inline void i_store16(int16_t *p, vi a)
{
    vst1_s16(p, vmovn_s32(a));
}

static inline vi i_set1(int32_t x)
{
    return vdupq_n_s32(x);
}

static inline vi i_add(vi a, vi b)
{
    return vaddq_s32(a, b);
}

static inline vi i_sub(vi a, vi b)
{
    return vsubq_s32(a, b);
}

static inline vi i_and(vi a, vi b)
{
    return vandq_s32(a, b);
}

static inline vi i_max(vi a, vi b)
{
    return vmaxq_s32(a, b);
}

static inline vi i_abs(vi a)
{
    return vabsq_s32(a);
}

static inline vi i_mul(vi a, vi b)
{
    return vmulq_s32(a, b);
}

static inline vi i_madd(vi a, vi b)
{
    const int16x8_t x = vreinterpretq_s16_s32(a), y = vreinterpretq_s16_s32(b);
    return vpaddq_s32(vmull_s16(vget_low_s16(x), vget_low_s16(y)), vmull_high_s16(x, y));
}

static inline vi i_shlv(vi a, vi n)
{
    return vshlq_s32(a, n);
}

static inline vi i_shrv(vi a, vi n)
{
    return vshlq_s32(a, vnegq_s32(n));
}

static inline vi i_pair(vi low, vi high)
{
    return vsliq_n_s32(low, high, 16);
}

static inline vi i_mul_q31(vi a, vi c)
{
    return vqdmulhq_s32(a, c); /* 2 a c / 2^32, rounded down */
}

static inline vi i_dot_q31(vi a, vi c, vi b, vi d)
{
    const int64x2_t low =
        vmlal_s32(vmull_s32(vget_low_s32(a), vget_low_s32(c)), vget_low_s32(b), vget_low_s32(d));
    const int64x2_t high = vmlal_high_s32(vmull_high_s32(a, c), b, d);
    return vcombine_s32(vshrn_n_s64(low, 31), vshrn_n_s64(high, 31));
}

static inline vi i_lookup(const int32_t table[16], vi i)
{
    const int32_t found[4] = {table[vgetq_lane_s32(i, 0)], table[vgetq_lane_s32(i, 1)],
                              table[vgetq_lane_s32(i, 2)], table[vgetq_lane_s32(i, 3)]};
    return vld1q_s32(found);
}

static inline vd d_load(const double *p)
{
    return vld1q_f64(p);
}

static inline void d_store(double *p, vd a)
{
    vst1q_f64(p, a);
}

static inline vd d_set1(double x)
{
    return vdupq_n_f64(x);
}

static inline vd d_mul(vd a, vd b)
{
    return vmulq_f64(a, b);
}

static inline vd d_fma(vd a, vd b, vd c)
{
    return vfmaq_f64(c, a, b);
}

static inline vd d_low(vi a)
{
    return vcvtq_f64_s64(vmovl_s32(vget_low_s32(a)));
}

static inline vd d_high(vi a)
{
    return vcvtq_f64_s64(vmovl_high_s32(a));
}

static inline vi i_tops(vd low, vd high)
{
    return vuzp2q_s32(vreinterpretq_s32_f64(low), vreinterpretq_s32_f64(high));
}

static inline vi four_pairs(const int16_t *p)
{
    return vreinterpretq_s32_s16(vld1q_s16(p));
}

static inline void i_transpose(const int16_t *const rows[LANES], size_t at, int32_t *to)
{
    const int32x4x2_t low = vtrnq_s32(four_pairs(rows[0] + at), four_pairs(rows[1] + at));
    const int32x4x2_t high = vtrnq_s32(four_pairs(rows[2] + at), four_pairs(rows[3] + at));
    i_store(to, vcombine_s32(vget_low_s32(low.val[0]), vget_low_s32(high.val[0])));
    i_store(to + LANES, vcombine_s32(vget_low_s32(low.val[1]), vget_low_s32(high.val[1])));
    i_store(to + 2 * LANES, vcombine_s32(vget_high_s32(low.val[0]), vget_high_s32(high.val[0])));
    i_store(to + 3 * LANES, vcombine_s32(vget_high_s32(low.val[1]), vget_high_s32(high.val[1])));
}
