/* SIMD of WebAssembly: two doubles. */
#ifndef SIMD_F64_SIMD128_H
#define SIMD_F64_SIMD128_H

#include <stddef.h>
#include <stdint.h>
#include <wasm_simd128.h>

#define VD_LANES 2
typedef v128_t vd;

static inline vd vd_load(const double *p)
{
    return wasm_v128_load(p);
}

static inline void vd_store(double *p, vd a)
{
    wasm_v128_store(p, a);
}

static inline void vd_store_f32(float *p, vd a)
{
    wasm_v128_store64_lane(p, wasm_f32x4_demote_f64x2_zero(a), 0);
}

static inline vd vd_set1(double x)
{
    return wasm_f64x2_splat(x);
}

static inline vd vd_add(vd a, vd b)
{
    return wasm_f64x2_add(a, b);
}

static inline vd vd_sub(vd a, vd b)
{
    return wasm_f64x2_sub(a, b);
}

static inline vd vd_mul(vd a, vd b)
{
    return wasm_f64x2_mul(a, b);
}

static inline vd vd_fma(vd a, vd b, vd c)
{
    return wasm_f64x2_add(wasm_f64x2_mul(a, b), c);
}

static inline vd vd_fms(vd a, vd b, vd c)
{
    return wasm_f64x2_sub(wasm_f64x2_mul(a, b), c);
}

static inline vd vd_fnma(vd a, vd b, vd c)
{
    return wasm_f64x2_sub(c, wasm_f64x2_mul(a, b));
}

/* a > b ? a : b, and below a < b ? a : b. */
static inline vd vd_max(vd a, vd b)
{
    return wasm_f64x2_pmax(b, a);
}

static inline vd vd_min(vd a, vd b)
{
    return wasm_f64x2_pmin(b, a);
}

static inline vd vd_sqrt(vd a)
{
    return wasm_f64x2_sqrt(a);
}

static inline vd vd_exponent(vd x, vd *m)
{
    const v128_t sqrt_half = wasm_i64x2_const_splat(0x3fe6a09e667f3bcd), above = wasm_i64x2_sub(x, sqrt_half);
    const v128_t mantissa = wasm_v128_and(above, wasm_i64x2_const_splat(0xfffffffffffff));
    const v128_t exponent = wasm_i64x2_shr(above, 52);
    *m = wasm_i64x2_add(mantissa, sqrt_half);
    return wasm_f64x2_convert_low_i32x4(wasm_i32x4_shuffle(exponent, exponent, 0, 2, 0, 2));
}

static inline void vd_transpose_rows(const float *const rows[VD_LANES], size_t at, double *dst, size_t step)
{
    const v128_t a = wasm_v128_load64_zero(rows[0] + at), b = wasm_v128_load64_zero(rows[1] + at);
    const v128_t both = wasm_i32x4_shuffle(a, b, 0, 4, 1, 5);
    vd_store(dst, wasm_f64x2_promote_low_f32x4(both));
    vd_store(dst + step, wasm_f64x2_promote_low_f32x4(wasm_i64x2_shuffle(both, both, 1, 1)));
}

#endif
