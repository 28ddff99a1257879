/* Eight floats in an AVX2 register; every primitive as vec_c.inc.h defines it. */
#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#define REAL          float
#define REAL_IS_FLOAT 1
#define LANES         8
typedef __m256 vec;

static inline vec v_load(const REAL *p)
{
    return _mm256_loadu_ps(p);
}

static inline void v_store(REAL *p, vec a)
{
    _mm256_store_ps(p, a);
}

static inline void v_store_f32(float *p, vec a)
{
    _mm256_storeu_ps(p, a);
}

static inline vec v_set1(REAL x)
{
    return _mm256_set1_ps(x);
}

static inline vec v_add(vec a, vec b)
{
    return _mm256_add_ps(a, b);
}

static inline vec v_sub(vec a, vec b)
{
    return _mm256_sub_ps(a, b);
}

static inline vec v_mul(vec a, vec b)
{
    return _mm256_mul_ps(a, b);
}

static inline vec v_fma(vec a, vec b, vec c)
{
    return _mm256_fmadd_ps(a, b, c);
}

static inline vec v_fms(vec a, vec b, vec c)
{
    return _mm256_fmsub_ps(a, b, c);
}

static inline vec v_fnma(vec a, vec b, vec c)
{
    return _mm256_fnmadd_ps(a, b, c);
}

static inline vec v_max(vec a, vec b)
{
    return _mm256_max_ps(a, b);
}

static inline vec v_min(vec a, vec b)
{
    return _mm256_min_ps(a, b);
}

static inline vec v_sqrt(vec a)
{
    return _mm256_sqrt_ps(a);
}

static inline vec v_split(vec x, vec *m)
{
    const __m256i sqrt_half = _mm256_set1_epi32(0x3f3504f3);
    __m256i above = _mm256_sub_epi32(_mm256_castps_si256(x), sqrt_half);
    __m256i mantissa = _mm256_add_epi32(_mm256_and_si256(above, _mm256_set1_epi32(0x7fffff)), sqrt_half);
    *m = _mm256_castsi256_ps(mantissa);
    return _mm256_cvtepi32_ps(_mm256_srai_epi32(above, 23));
}

static inline void v_transpose(const float *const rows[LANES], size_t at, REAL *dst, size_t step)
{
    /* a[i]: row i and row i + 4, four columns each */
    __m256 a[4], b[4];
    for (int half = 0; half < 2; half++) {
        for (int i = 0; i < 4; i++)
            a[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(rows[i] + at + 4 * half)),
                                        _mm_loadu_ps(rows[i + 4] + at + 4 * half), 1);
        b[0] = _mm256_unpacklo_ps(a[0], a[1]);
        b[1] = _mm256_unpackhi_ps(a[0], a[1]);
        b[2] = _mm256_unpacklo_ps(a[2], a[3]);
        b[3] = _mm256_unpackhi_ps(a[2], a[3]);
        REAL *d = dst + (size_t)(4 * half) * step;
        v_store(d, _mm256_shuffle_ps(b[0], b[2], 0x44));
        v_store(d + step, _mm256_shuffle_ps(b[0], b[2], 0xee));
        v_store(d + 2 * step, _mm256_shuffle_ps(b[1], b[3], 0x44));
        v_store(d + 3 * step, _mm256_shuffle_ps(b[1], b[3], 0xee));
    }
}
