/* Sixteen floats in an AVX-512 register; every primitive as vec_c.inc.h defines it. */
#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#define REAL          float
#define REAL_IS_FLOAT 1
#define LANES         16
typedef __m512 vec;

static inline vec v_load(const REAL *p)
{
    return _mm512_loadu_ps(p);
}

static inline void v_store(REAL *p, vec a)
{
    _mm512_store_ps(p, a);
}

static inline void v_store_f32(float *p, vec a)
{
    _mm512_storeu_ps(p, a);
}

static inline vec v_set1(REAL x)
{
    return _mm512_set1_ps(x);
}

static inline vec v_add(vec a, vec b)
{
    return _mm512_add_ps(a, b);
}

static inline vec v_sub(vec a, vec b)
{
    return _mm512_sub_ps(a, b);
}

static inline vec v_mul(vec a, vec b)
{
    return _mm512_mul_ps(a, b);
}

static inline vec v_fma(vec a, vec b, vec c)
{
    return _mm512_fmadd_ps(a, b, c);
}

static inline vec v_fms(vec a, vec b, vec c)
{
    return _mm512_fmsub_ps(a, b, c);
}

static inline vec v_fnma(vec a, vec b, vec c)
{
    return _mm512_fnmadd_ps(a, b, c);
}

static inline vec v_max(vec a, vec b)
{
    return _mm512_max_ps(a, b);
}

static inline vec v_min(vec a, vec b)
{
    return _mm512_min_ps(a, b);
}

static inline vec v_sqrt(vec a)
{
    return _mm512_sqrt_ps(a);
}

static inline vec v_split(vec x, vec *m)
{
    const __m512i sqrt_half = _mm512_set1_epi32(0x3f3504f3);
    __m512i above = _mm512_sub_epi32(_mm512_castps_si512(x), sqrt_half);
    __m512i mantissa = _mm512_add_epi32(_mm512_and_si512(above, _mm512_set1_epi32(0x7fffff)), sqrt_half);
    *m = _mm512_castsi512_ps(mantissa);
    return _mm512_cvtepi32_ps(_mm512_srai_epi32(above, 23));
}

static inline void v_transpose(const float *const rows[LANES], size_t at, REAL *dst, size_t step)
{
    /* a[i]: rows i, i + 4, i + 8 and i + 12, four columns each */
    __m512 a[4], b[4];
    for (int quarter = 0; quarter < 4; quarter++) {
        const size_t column = at + 4 * (size_t)quarter;
        for (int i = 0; i < 4; i++) {
            a[i] = _mm512_castps128_ps512(_mm_loadu_ps(rows[i] + column));
            a[i] = _mm512_insertf32x4(a[i], _mm_loadu_ps(rows[i + 4] + column), 1);
            a[i] = _mm512_insertf32x4(a[i], _mm_loadu_ps(rows[i + 8] + column), 2);
            a[i] = _mm512_insertf32x4(a[i], _mm_loadu_ps(rows[i + 12] + column), 3);
        }
        b[0] = _mm512_unpacklo_ps(a[0], a[1]);
        b[1] = _mm512_unpackhi_ps(a[0], a[1]);
        b[2] = _mm512_unpacklo_ps(a[2], a[3]);
        b[3] = _mm512_unpackhi_ps(a[2], a[3]);
        REAL *d = dst + 4 * (size_t)quarter * step;
        v_store(d, _mm512_shuffle_ps(b[0], b[2], 0x44));
        v_store(d + step, _mm512_shuffle_ps(b[0], b[2], 0xee));
        v_store(d + 2 * step, _mm512_shuffle_ps(b[1], b[3], 0x44));
        v_store(d + 3 * step, _mm512_shuffle_ps(b[1], b[3], 0xee));
    }
}
