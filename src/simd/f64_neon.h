/* Two doubles in a NEON register. */
#ifndef SIMD_F64_NEON_H
#define SIMD_F64_NEON_H

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>

#define VD_LANES 2
typedef float64x2_t vd;

static inline vd vd_load(const double *p)
{
    return vld1q_f64(p);
}

static inline void vd_store(double *p, vd a)
{
    vst1q_f64(p, a);
}

static inline void vd_store_f32(float *p, vd a)
{
    vst1_f32(p, vcvt_f32_f64(a));
}

static inline vd vd_set1(double x)
{
    return vdupq_n_f64(x);
}

static inline vd vd_add(vd a, vd b)
{
    return vaddq_f64(a, b);
}

static inline vd vd_sub(vd a, vd b)
{
    return vsubq_f64(a, b);
}

static inline vd vd_mul(vd a, vd b)
{
    return vmulq_f64(a, b);
}

static inline vd vd_fma(vd a, vd b, vd c)
{
    return vfmaq_f64(c, a, b);
}

static inline vd vd_fms(vd a, vd b, vd c)
{
    return vnegq_f64(vfmsq_f64(c, a, b));
}

static inline vd vd_fnma(vd a, vd b, vd c)
{
    return vfmsq_f64(c, a, b);
}

static inline vd vd_max(vd a, vd b)
{
    return vbslq_f64(vcgtq_f64(a, b), a, b);
}

static inline vd vd_min(vd a, vd b)
{
    return vbslq_f64(vcltq_f64(a, b), a, b);
}

static inline vd vd_sqrt(vd a)
{
    return vsqrtq_f64(a);
}

static inline vd vd_exponent(vd x, vd *m)
{
    const int64x2_t sqrt_half = vdupq_n_s64(0x3fe6a09e667f3bcd);
    int64x2_t above = vsubq_s64(vreinterpretq_s64_f64(x), sqrt_half);
    int64x2_t mantissa = vaddq_s64(vandq_s64(above, vdupq_n_s64(0xfffffffffffff)), sqrt_half);
    *m = vreinterpretq_f64_s64(mantissa);
    return vcvtq_f64_s64(vshrq_n_s64(above, 52));
}

static inline void vd_transpose_rows(const float *const rows[VD_LANES], size_t at, double *dst, size_t step)
{
    float32x2_t a = vld1_f32(rows[0] + at), b = vld1_f32(rows[1] + at);
    vd_store(dst, vcvt_f64_f32(vzip1_f32(a, b)));
    vd_store(dst + step, vcvt_f64_f32(vzip2_f32(a, b)));
}

#endif
