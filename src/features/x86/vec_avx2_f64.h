/* Four doubles in an AVX2 register; every primitive as vec_c.inc.h defines it. */
#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#define REAL          double
#define REAL_IS_FLOAT 0
#define LANES         4
typedef __m256d vec;

static inline vec v_load(const REAL *p)
{
    return _mm256_loadu_pd(p);
}

static inline void v_store(REAL *p, vec a)
{
    _mm256_store_pd(p, a);
}

static inline void v_store_f32(float *p, vec a)
{
    _mm_storeu_ps(p, _mm256_cvtpd_ps(a));
}

static inline vec v_set1(REAL x)
{
    return _mm256_set1_pd(x);
}

static inline vec v_add(vec a, vec b)
{
    return _mm256_add_pd(a, b);
}

static inline vec v_sub(vec a, vec b)
{
    return _mm256_sub_pd(a, b);
}

static inline vec v_mul(vec a, vec b)
{
    return _mm256_mul_pd(a, b);
}

static inline vec v_fma(vec a, vec b, vec c)
{
    return _mm256_fmadd_pd(a, b, c);
}

static inline vec v_fms(vec a, vec b, vec c)
{
    return _mm256_fmsub_pd(a, b, c);
}

static inline vec v_fnma(vec a, vec b, vec c)
{
    return _mm256_fnmadd_pd(a, b, c);
}

static inline vec v_max(vec a, vec b)
{
    return _mm256_max_pd(a, b);
}

static inline vec v_min(vec a, vec b)
{
    return _mm256_min_pd(a, b);
}

static inline vec v_sqrt(vec a)
{
    return _mm256_sqrt_pd(a);
}

static inline vec v_split(vec x, vec *m)
{
    const __m256i sqrt_half = _mm256_set1_epi64x(0x3fe6a09e667f3bcd),
                  one = _mm256_set1_epi64x(0x3ff0000000000000);
    __m256i above = _mm256_sub_epi64(_mm256_castpd_si256(x), sqrt_half);
    __m256i mantissa =
        _mm256_add_epi64(_mm256_and_si256(above, _mm256_set1_epi64x(0xfffffffffffff)), sqrt_half);
    *m = _mm256_castsi256_pd(mantissa);
    /* AVX2 has no 64-bit integer to double: put exponent + 1023 into the low bits of 2^52, then take 2^52
     * away. */
    const __m256d magic = _mm256_set1_pd(4503599627370496.0);
    __m256i biased = _mm256_srli_epi64(_mm256_add_epi64(above, one), 52);
    __m256d e = _mm256_castsi256_pd(_mm256_or_si256(biased, _mm256_castpd_si256(magic)));
    return _mm256_sub_pd(e, _mm256_set1_pd(4503599627370496.0 + 1023));
}

static inline void v_transpose(const float *const rows[LANES], size_t at, REAL *dst, size_t step)
{
    __m128 a0 = _mm_loadu_ps(rows[0] + at), a1 = _mm_loadu_ps(rows[1] + at);
    __m128 a2 = _mm_loadu_ps(rows[2] + at), a3 = _mm_loadu_ps(rows[3] + at);
    _MM_TRANSPOSE4_PS(a0, a1, a2, a3);
    v_store(dst, _mm256_cvtps_pd(a0));
    v_store(dst + step, _mm256_cvtps_pd(a1));
    v_store(dst + 2 * step, _mm256_cvtps_pd(a2));
    v_store(dst + 3 * step, _mm256_cvtps_pd(a3));
}
