/* Four floats in a NEON register; every primitive as vec_c.inc.h defines it. */
#include <arm_neon.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#define REAL          float
#define REAL_IS_FLOAT 1
#define LANES         4
typedef float32x4_t vec;

static inline vec v_load(const REAL *p)
{
    return vld1q_f32(p);
}

static inline void v_store(REAL *p, vec a)
{
    vst1q_f32(p, a);
}

static inline void v_store_f32(float *p, vec a)
{
    vst1q_f32(p, a);
}

static inline vec v_set1(REAL x)
{
    return vdupq_n_f32(x);
}

static inline vec v_add(vec a, vec b)
{
    return vaddq_f32(a, b);
}

static inline vec v_sub(vec a, vec b)
{
    return vsubq_f32(a, b);
}

static inline vec v_mul(vec a, vec b)
{
    return vmulq_f32(a, b);
}

static inline vec v_fma(vec a, vec b, vec c)
{
    return vfmaq_f32(c, a, b);
}

static inline vec v_fms(vec a, vec b, vec c)
{
    return vnegq_f32(vfmsq_f32(c, a, b));
}

static inline vec v_fnma(vec a, vec b, vec c)
{
    return vfmsq_f32(c, a, b);
}

static inline vec v_max(vec a, vec b)
{
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}

static inline vec v_min(vec a, vec b)
{
    return vbslq_f32(vcltq_f32(a, b), a, b);
}

static inline vec v_sqrt(vec a)
{
    return vsqrtq_f32(a);
}

static inline vec v_split(vec x, vec *m)
{
    const int32x4_t sqrt_half = vdupq_n_s32(0x3f3504f3);
    int32x4_t above = vsubq_s32(vreinterpretq_s32_f32(x), sqrt_half);
    int32x4_t mantissa = vaddq_s32(vandq_s32(above, vdupq_n_s32(0x7fffff)), sqrt_half);
    *m = vreinterpretq_f32_s32(mantissa);
    return vcvtq_f32_s32(vshrq_n_s32(above, 23));
}

static inline void v_transpose(const float *const rows[LANES], size_t at, REAL *dst, size_t step)
{
    float32x4x2_t low = vtrnq_f32(vld1q_f32(rows[0] + at), vld1q_f32(rows[1] + at));
    float32x4x2_t high = vtrnq_f32(vld1q_f32(rows[2] + at), vld1q_f32(rows[3] + at));
    v_store(dst, vcombine_f32(vget_low_f32(low.val[0]), vget_low_f32(high.val[0])));
    v_store(dst + step, vcombine_f32(vget_low_f32(low.val[1]), vget_low_f32(high.val[1])));
    v_store(dst + 2 * step, vcombine_f32(vget_high_f32(low.val[0]), vget_high_f32(high.val[0])));
    v_store(dst + 3 * step, vcombine_f32(vget_high_f32(low.val[1]), vget_high_f32(high.val[1])));
}
