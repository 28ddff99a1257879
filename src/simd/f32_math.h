/* Functions of vectors of floats, over the operations of any f32_*.h header, which must be included first.

       vf_exp vf_exp2 vf_expm1 vf_log vf_log1p vf_tanh vf_erf vf_sin vf_cos
                         within 2 ULP everywhere (tanh: 2.5)
       vf_sigmoid(v)     1 / (1 + e^-v)
       vf_silu(v)        v sigmoid(v)
       vf_softplus(v)    log(1 + e^v)
       vf_gelu(v)        v (1 + erf(v / sqrt 2)) / 2
       vf_gelu_tanh(v)   v (1 + tanh(sqrt(2 / pi) (v + 0.044715 v^3))) / 2

   They cover the entire range: infinity on overflow, denormals and 0 on underflow, NaN for NaN. Zeros keep
   their sign where the function does. vf_gelu and vf_gelu_tanh keep their relative precision for large
   negative v, where the formulas lose it. With one lane (f32_c.h) all use libm. */
#ifndef SIMD_F32_MATH_H
#define SIMD_F32_MATH_H

#include "simd/fits.h"

#include <math.h>

#if VF_LANES == 1

#define VF_OF_LIBM(name)                                                                                     \
    static inline vf vf_##name(vf v)                                                                         \
    {                                                                                                        \
        return name##f(v);                                                                                   \
    }

VF_OF_LIBM(exp)
VF_OF_LIBM(exp2)
VF_OF_LIBM(expm1)
VF_OF_LIBM(log)
VF_OF_LIBM(log1p)
VF_OF_LIBM(tanh)
VF_OF_LIBM(erf)
VF_OF_LIBM(sin)
VF_OF_LIBM(cos)

static inline vf vf_sigmoid(vf v)
{
    float t = expf(-fabsf(v));
    return (v < 0.0f ? t : 1.0f) / (1.0f + t);
}

static inline vf vf_softplus(vf v)
{
    return (v > 0.0f ? v : v != v ? v : 0.0f) + log1pf(expf(-fabsf(v)));
}

static inline vf vf_gelu(vf v)
{
    return 0.5f * v * erfcf(-0.707106781f * v);
}

#else

/* Even and odd powers are summed separately, so that neither chain waits for the other. count >= 3 */
static inline __attribute__((always_inline)) vf vf_polynomial(const float *coefficients, int count, vf x)
{
    vf z = vf_mul(x, x), last = vf_set1(coefficients[count - 1]), before = vf_set1(coefficients[count - 2]);
    _Pragma("GCC unroll 32") for (int i = count - 3; i >= 0; i--)
    {
        vf next = vf_fma(last, z, vf_set1(coefficients[i]));
        last = before;
        before = next;
    }
    return vf_fma(last, x, before); /* last: the odd powers, x^1 and up; before: the even ones */
}

/* e^f - 1 for |f| <= ln(2) / 2 */
static inline vf vf_exp_rest(vf f)
{
    return vf_fma(vf_mul(f, f), vf_polynomial(exp_fit, EXP_COUNT, f), f);
}

/* v = n ln 2 + f with an integer n; returns f. Adding EXP_MAGIC leaves n in the low bits of *shifted. */
static inline vf vf_exp_reduce(vf v, vf *shifted)
{
    *shifted = vf_fma(v, vf_set1(EXP_LOG2E), vf_set1(EXP_MAGIC));
    vf n = vf_sub(*shifted, vf_set1(EXP_MAGIC));
    return vf_fma(n, vf_set1(-EXP_LN2_LOW), vf_fma(n, vf_set1(-EXP_LN2_HIGH), v));
}

/* e^v for v in -87.33 .. 0 */
static inline vf vf_exp_below_0(vf v)
{
    vf shifted, f = vf_exp_reduce(v, &shifted);
    return vf_mul(vf_add(vf_set1(1.0f), vf_exp_rest(f)), vf_power_of_2(shifted));
}

static inline vf vf_exp(vf v)
{
    vf shifted, x = vf_max(vf_set1(-105.0f), vf_min(vf_set1(89.0f), v));
    vf f = vf_exp_reduce(x, &shifted);
    return vf_scale(vf_add(vf_set1(1.0f), vf_exp_rest(f)), vf_sub(shifted, vf_set1(EXP_MAGIC)));
}

/* e^-v for v >= 0 */
static inline vf vf_exp_of_minus(vf v)
{
    vf shifted, f = vf_exp_reduce(vf_max(vf_set1(-105.0f), vf_sub(vf_zero(), v)), &shifted);
    return vf_scale(vf_add(vf_set1(1.0f), vf_exp_rest(f)), vf_sub(shifted, vf_set1(EXP_MAGIC)));
}

static inline vf vf_exp2(vf v)
{
    vf x = vf_max(vf_set1(-151.0f), vf_min(vf_set1(129.0f), v)), n = vf_round(x);
    vf f = vf_mul(vf_sub(x, n), vf_set1(0.693147181f));
    return vf_scale(vf_add(vf_set1(1.0f), vf_exp_rest(f)), n);
}

/* e^v - 1 for v in -80 .. 80, except the sign of 0 */
static inline vf vf_expm1_middle(vf v)
{
    vf shifted, f = vf_exp_reduce(v, &shifted), power = vf_power_of_2(shifted);
    return vf_fma(power, vf_exp_rest(f), vf_sub(power, vf_set1(1.0f)));
}

static inline vf vf_expm1(vf v)
{
    vf limit = vf_set1(40.0f), middle = vf_expm1_middle(vf_max(vf_set1(-40.0f), vf_min(limit, v)));
    return vf_copysign(vf_abs(vf_select_less(limit, v, vf_exp(v), middle)), v);
}

static inline vf vf_log(vf v)
{
    vf n, f = vf_sub(vf_split(v, &n), vf_set1(1.0f)), square = vf_mul(f, f);
    vf rest = vf_mul(vf_mul(square, f), vf_polynomial(log_fit, LOG_COUNT, f));
    rest = vf_fma(n, vf_set1(LN2_LOW), vf_fma(square, vf_set1(-0.5f), rest));
    return vf_fma(n, vf_set1(LN2_HIGH), vf_add(f, rest));
}

/* log of the rounded 1 + v, plus the rounding error divided by that. */
static inline vf vf_log1p(vf v)
{
    vf one = vf_set1(1.0f), u = vf_add(one, v);
    vf lost = vf_select_less(one, v, vf_sub(one, vf_sub(u, v)), vf_sub(v, vf_sub(u, one)));
    vf more = vf_select_less(vf_abs(v), vf_set1(0x1p25f), vf_div(lost, u), vf_zero());
    more = vf_select_less(vf_set1(-1.0f), v, more, vf_zero());
    return vf_copysign(vf_abs(vf_add(vf_log(u), more)), v);
}

/* e / (e + 2) with e = e^(2|v|) - 1. */
static inline vf vf_tanh(vf v)
{
    vf size = vf_min(vf_set1(10.0f), vf_abs(v)), e = vf_expm1_middle(vf_add(size, size));
    return vf_copysign(vf_div(e, vf_add(e, vf_set1(2.0f))), v);
}

/* t / (1 + t) or 1 / (1 + t) with t = e^-|v|. */
static inline vf vf_sigmoid(vf v)
{
    const vf one = vf_set1(1.0f), t = vf_exp_of_minus(vf_abs(v));
    return vf_div(vf_select_less(v, vf_zero(), t, one), vf_add(one, t));
}

static inline vf vf_softplus(vf v)
{
    return vf_add(vf_max(vf_zero(), v), vf_log1p(vf_exp_of_minus(vf_abs(v))));
}

static inline vf vf_erf(vf v)
{
    vf size = vf_abs(v);
    vf small = vf_fma(size, vf_polynomial(erf_small, ERF_SMALL_COUNT, vf_mul(v, v)), size);
    vf centred = vf_sub(vf_min(vf_set1(ERF_LIMIT), size), vf_set1(ERF_CENTRE));
    vf large = vf_sub(vf_set1(1.0f), vf_polynomial(erf_large, ERF_LARGE_COUNT, centred));
    return vf_copysign(vf_select_less(size, vf_set1(ERF_SPLIT), small, large), v);
}

static inline vf vf_gelu(vf v)
{
    vf one = vf_set1(1.0f), limit = vf_set1(TAIL_LIMIT), size = vf_abs(v), a = vf_min(limit, size);
    vf t = vf_div(one, vf_fma(vf_set1(TAIL_BEND), a, one));
    vf fit = vf_mul(t, vf_polynomial(tail_fit, TAIL_COUNT, t));
    vf tail = vf_mul(vf_exp_below_0(vf_mul(vf_set1(-0.5f), vf_mul(a, a))), fit);
    tail = vf_select_less(size, limit, tail, vf_zero());
    return vf_mul(v, vf_select_less(v, vf_zero(), tail, vf_sub(one, tail)));
}

/* v = r + k pi / 2 with |r| <= pi / 4; returns k modulo 4: 0 .. 3. |v| < SIN_LIMIT. */
static inline vf vf_quadrant(vf v, vf *r)
{
    vf n = vf_round(vf_mul(v, vf_set1(TWO_OVER_PI)));
    vf x = vf_fma(n, vf_set1(-HALF_PI_MIDDLE), vf_fma(n, vf_set1(-HALF_PI_HIGH), v));
    *r = vf_fma(n, vf_set1(-HALF_PI_LOW), x);
    return vf_fma(vf_floor(vf_mul(n, vf_set1(0.25f))), vf_set1(-4.0f), n);
}

/* `value`, replaced by function(v) in the lanes whose angle is too large. */
static __attribute__((noinline, unused)) vf vf_large_angles(vf v, vf value, float (*function)(float x))
{
    float angles[VF_LANES], lanes[VF_LANES];
    vf_store(angles, v);
    vf_store(lanes, value);
    for (int i = 0; i < VF_LANES; i++)
        if (fabsf(angles[i]) > SIN_LIMIT)
            lanes[i] = function(angles[i]);
    return vf_load(lanes);
}

/* sin(r + quadrant pi / 2) */
static inline vf vf_sin_of(vf r, vf quadrant)
{
    const vf one = vf_set1(1.0f), z = vf_mul(r, r);
    vf sine = vf_fma(vf_mul(r, z), vf_polynomial(sin_fit, SIN_COUNT, z), r);
    vf cosine = vf_fma(vf_mul(z, z), vf_polynomial(cos_fit, COS_COUNT, z), vf_fma(z, vf_set1(-0.5f), one));
    vf odd = vf_sub(quadrant, vf_mul(vf_set1(2.0f), vf_floor(vf_mul(quadrant, vf_set1(0.5f)))));
    vf value = vf_select_less(odd, vf_set1(0.5f), sine, cosine);
    return vf_select_less(quadrant, vf_set1(1.5f), value, vf_sub(vf_set1(-0.0f), value));
}

static inline vf vf_sin(vf v)
{
    vf r, quadrant = vf_quadrant(v, &r);
    vf value = vf_select_less(vf_abs(v), vf_set1(0x1p-13f), v, vf_sin_of(r, quadrant));
    return vf_any_less(vf_set1(SIN_LIMIT), vf_abs(v)) ? vf_large_angles(v, value, sinf) : value;
}

static inline vf vf_cos(vf v)
{
    vf r, quadrant = vf_add(vf_quadrant(v, &r), vf_set1(1.0f));
    vf value =
        vf_sin_of(r, vf_select_less(quadrant, vf_set1(3.5f), quadrant, vf_sub(quadrant, vf_set1(4.0f))));
    return vf_any_less(vf_set1(SIN_LIMIT), vf_abs(v)) ? vf_large_angles(v, value, cosf) : value;
}

#endif

static inline vf vf_silu(vf v)
{
    return vf_mul(v, vf_sigmoid(v));
}

/* v sigmoid(2 sqrt(2 / pi) (v + 0.044715 v^3)) */
static inline vf vf_gelu_tanh(vf v)
{
    vf inner = vf_fma(vf_mul(vf_set1(0.0713548163f), vf_mul(v, v)), v, vf_mul(vf_set1(1.59576912f), v));
    return vf_mul(v, vf_sigmoid(inner));
}

#endif
