/* Two doubles in a NEON register; every primitive as vec_c.inc.h defines it. */
#include <arm_neon.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#define REAL          double
#define REAL_IS_FLOAT 0
#define LANES         2
typedef float64x2_t vec;

static inline vec v_load(const REAL *p)
{
    return vld1q_f64(p);
}

static inline void v_store(REAL *p, vec a)
{
    vst1q_f64(p, a);
}

static inline void v_store_f32(float *p, vec a)
{
    vst1_f32(p, vcvt_f32_f64(a));
}

static inline vec v_set1(REAL x)
{
    return vdupq_n_f64(x);
}

static inline vec v_add(vec a, vec b)
{
    return vaddq_f64(a, b);
}

static inline vec v_sub(vec a, vec b)
{
    return vsubq_f64(a, b);
}

static inline vec v_mul(vec a, vec b)
{
    return vmulq_f64(a, b);
}

static inline vec v_fma(vec a, vec b, vec c)
{
    return vfmaq_f64(c, a, b);
}

static inline vec v_fms(vec a, vec b, vec c)
{
    return vnegq_f64(vfmsq_f64(c, a, b));
}

static inline vec v_fnma(vec a, vec b, vec c)
{
    return vfmsq_f64(c, a, b);
}

static inline vec v_max(vec a, vec b)
{
    return vbslq_f64(vcgtq_f64(a, b), a, b);
}

static inline vec v_min(vec a, vec b)
{
    return vbslq_f64(vcltq_f64(a, b), a, b);
}

static inline vec v_sqrt(vec a)
{
    return vsqrtq_f64(a);
}

static inline vec v_split(vec x, vec *m)
{
    const int64x2_t sqrt_half = vdupq_n_s64(0x3fe6a09e667f3bcd);
    int64x2_t above = vsubq_s64(vreinterpretq_s64_f64(x), sqrt_half);
    int64x2_t mantissa = vaddq_s64(vandq_s64(above, vdupq_n_s64(0xfffffffffffff)), sqrt_half);
    *m = vreinterpretq_f64_s64(mantissa);
    return vcvtq_f64_s64(vshrq_n_s64(above, 52));
}

static inline void v_transpose(const float *const rows[LANES], size_t at, REAL *dst, size_t step)
{
    float32x2_t a = vld1_f32(rows[0] + at), b = vld1_f32(rows[1] + at);
    v_store(dst, vcvt_f64_f32(vzip1_f32(a, b)));
    v_store(dst + step, vcvt_f64_f32(vzip2_f32(a, b)));
}
