/* Eight doubles in an AVX-512 register; every primitive as vec_c.inc.h defines it. */
#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#define REAL          double
#define REAL_IS_FLOAT 0
#define LANES         8
typedef __m512d vec;

static inline vec v_load(const REAL *p)
{
    return _mm512_loadu_pd(p);
}

static inline void v_store(REAL *p, vec a)
{
    _mm512_store_pd(p, a);
}

static inline void v_store_f32(float *p, vec a)
{
    _mm256_storeu_ps(p, _mm512_cvtpd_ps(a));
}

static inline vec v_set1(REAL x)
{
    return _mm512_set1_pd(x);
}

static inline vec v_add(vec a, vec b)
{
    return _mm512_add_pd(a, b);
}

static inline vec v_sub(vec a, vec b)
{
    return _mm512_sub_pd(a, b);
}

static inline vec v_mul(vec a, vec b)
{
    return _mm512_mul_pd(a, b);
}

static inline vec v_fma(vec a, vec b, vec c)
{
    return _mm512_fmadd_pd(a, b, c);
}

static inline vec v_fms(vec a, vec b, vec c)
{
    return _mm512_fmsub_pd(a, b, c);
}

static inline vec v_fnma(vec a, vec b, vec c)
{
    return _mm512_fnmadd_pd(a, b, c);
}

static inline vec v_max(vec a, vec b)
{
    return _mm512_max_pd(a, b);
}

static inline vec v_min(vec a, vec b)
{
    return _mm512_min_pd(a, b);
}

static inline vec v_sqrt(vec a)
{
    return _mm512_sqrt_pd(a);
}

static inline vec v_split(vec x, vec *m)
{
    const __m512i sqrt_half = _mm512_set1_epi64(0x3fe6a09e667f3bcd);
    __m512i above = _mm512_sub_epi64(_mm512_castpd_si512(x), sqrt_half);
    __m512i mantissa =
        _mm512_add_epi64(_mm512_and_si512(above, _mm512_set1_epi64(0xfffffffffffff)), sqrt_half);
    *m = _mm512_castsi512_pd(mantissa);
    return _mm512_cvtepi64_pd(_mm512_srai_epi64(above, 52));
}

static inline void v_transpose(const float *const rows[LANES], size_t at, REAL *dst, size_t step)
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
        REAL *d = dst + 4 * (size_t)half * step;
        v_store(d, _mm512_cvtps_pd(_mm256_shuffle_ps(b[0], b[2], 0x44)));
        v_store(d + step, _mm512_cvtps_pd(_mm256_shuffle_ps(b[0], b[2], 0xee)));
        v_store(d + 2 * step, _mm512_cvtps_pd(_mm256_shuffle_ps(b[1], b[3], 0x44)));
        v_store(d + 3 * step, _mm512_cvtps_pd(_mm256_shuffle_ps(b[1], b[3], 0xee)));
    }
}
