/* Four doubles in an AVX2 register. */
#ifndef SIMD_F64_AVX2_H
#define SIMD_F64_AVX2_H

#include "simd/x86_avx2.h"

#define VD_LANES 4
typedef __m256d vd;

#include "simd/f64_x86.h"

static inline void vd_store_f32(float *p, vd a)
{
    _mm_storeu_ps(p, _mm256_cvtpd_ps(a));
}

static inline vd vd_exponent(vd x, vd *m)
{
    const __m256i sqrt_half = _mm256_set1_epi64x(0x3fe6a09e667f3bcd),
                  one = _mm256_set1_epi64x(0x3ff0000000000000);
    __m256i above = _mm256_sub_epi64(_mm256_castpd_si256(x), sqrt_half);
    __m256i mantissa =
        _mm256_add_epi64(_mm256_and_si256(above, _mm256_set1_epi64x(0xfffffffffffff)), sqrt_half);
    *m = _mm256_castsi256_pd(mantissa);
    /* AVX2 has no conversion from 64-bit integer to double: exponent + 1023 is put into the low bits of 2^52,
       then 2^52 is subtracted. */
    const __m256d magic = _mm256_set1_pd(4503599627370496.0);
    __m256i biased = _mm256_srli_epi64(_mm256_add_epi64(above, one), 52);
    __m256d e = _mm256_castsi256_pd(_mm256_or_si256(biased, _mm256_castpd_si256(magic)));
    return _mm256_sub_pd(e, _mm256_set1_pd(4503599627370496.0 + 1023));
}

static inline void vd_transpose_rows(const float *const rows[VD_LANES], size_t at, double *dst, size_t step)
{
    __m128 a0 = _mm_loadu_ps(rows[0] + at), a1 = _mm_loadu_ps(rows[1] + at);
    __m128 a2 = _mm_loadu_ps(rows[2] + at), a3 = _mm_loadu_ps(rows[3] + at);
    _MM_TRANSPOSE4_PS(a0, a1, a2, a3);
    vd_store(dst, _mm256_cvtps_pd(a0));
    vd_store(dst + step, _mm256_cvtps_pd(a1));
    vd_store(dst + 2 * step, _mm256_cvtps_pd(a2));
    vd_store(dst + 3 * step, _mm256_cvtps_pd(a3));
}

#endif
