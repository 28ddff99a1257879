/* Eight doubles in an AVX-512 register. */
#ifndef SIMD_F64_AVX512_H
#define SIMD_F64_AVX512_H

#include "simd/x86_avx512.h"

#define VD_LANES 8
typedef __m512d vd;

#include "simd/f64_x86.h"

static inline void vd_store_f32(float *p, vd a)
{
    _mm256_storeu_ps(p, _mm512_cvtpd_ps(a));
}

static inline vd vd_exponent(vd x, vd *m)
{
    const __m512i sqrt_half = _mm512_set1_epi64(0x3fe6a09e667f3bcd);
    __m512i above = _mm512_sub_epi64(_mm512_castpd_si512(x), sqrt_half);
    __m512i mantissa =
        _mm512_add_epi64(_mm512_and_si512(above, _mm512_set1_epi64(0xfffffffffffff)), sqrt_half);
    *m = _mm512_castsi512_pd(mantissa);
    return _mm512_cvtepi64_pd(_mm512_srai_epi64(above, 52));
}

static inline void vd_transpose_rows(const float *const rows[VD_LANES], size_t at, double *dst, size_t step)
{
    /* a[i]: row i and row i + 4, four columns each */
    __m256 a[4], b[4];
    for (int half = 0; half < 2; half++) {
        const size_t column = at + 4 * (size_t)half;
        for (int i = 0; i < 4; i++)
            a[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(rows[i] + column)),
                                        _mm_loadu_ps(rows[i + 4] + column), 1);
        b[0] = _mm256_unpacklo_ps(a[0], a[1]);
        b[1] = _mm256_unpackhi_ps(a[0], a[1]);
        b[2] = _mm256_unpacklo_ps(a[2], a[3]);
        b[3] = _mm256_unpackhi_ps(a[2], a[3]);
        double *d = dst + 4 * (size_t)half * step;
        vd_store(d, _mm512_cvtps_pd(_mm256_shuffle_ps(b[0], b[2], 0x44)));
        vd_store(d + step, _mm512_cvtps_pd(_mm256_shuffle_ps(b[0], b[2], 0xee)));
        vd_store(d + 2 * step, _mm512_cvtps_pd(_mm256_shuffle_ps(b[1], b[3], 0x44)));
        vd_store(d + 3 * step, _mm512_cvtps_pd(_mm256_shuffle_ps(b[1], b[3], 0xee)));
    }
}

#endif
