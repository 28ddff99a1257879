/* Eight int32 and four doubles in AVX2 registers; lanes.inc.h tells what each word means. */
#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LANES 8
typedef __m256i vi;
typedef __m256d vd;

#define i_shl(a, n) _mm256_slli_epi32(a, n)
#define i_shr(a, n) _mm256_srai_epi32(a, n)

static inline vi i_load(const int32_t *p)
{
    return _mm256_load_si256((const __m256i *)p);
}

static inline void i_store(int32_t *p, vi a)
{
    _mm256_store_si256((__m256i *)p, a);
}

static inline void i_store16(int16_t *p, vi a)
{
    const __m256i narrow = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, a), 0xd8);
    _mm_storeu_si128((__m128i *)p, _mm256_castsi256_si128(narrow));
}

static inline vi i_set1(int32_t x)
{
    return _mm256_set1_epi32(x);
}

static inline vi i_add(vi a, vi b)
{
    return _mm256_add_epi32(a, b);
}

static inline vi i_sub(vi a, vi b)
{
    return _mm256_sub_epi32(a, b);
}

static inline vi i_and(vi a, vi b)
{
    return _mm256_and_si256(a, b);
}

static inline vi i_max(vi a, vi b)
{
    return _mm256_max_epi32(a, b);
}

static inline vi i_abs(vi a)
{
    return _mm256_abs_epi32(a);
}

static inline vi i_mul(vi a, vi b)
{
    return _mm256_mullo_epi32(a, b);
}

static inline vi i_madd(vi a, vi b)
{
    return _mm256_madd_epi16(a, b);
}

static inline vi i_shlv(vi a, vi n)
{
    return _mm256_sllv_epi32(a, n);
}

static inline vi i_shrv(vi a, vi n)
{
    return _mm256_srav_epi32(a, n);
}

static inline vi i_pair(vi low, vi high)
{
    return _mm256_blend_epi16(low, _mm256_slli_epi32(high, 16), 0xaa);
}

static inline vi i_mul_q31(vi a, vi c)
{
    const __m256i even = _mm256_mul_epi32(a, c), odd = _mm256_mul_epi32(_mm256_srli_epi64(a, 32), c);
    return _mm256_blend_epi32(_mm256_srli_epi64(even, 31), _mm256_slli_epi64(odd, 1), 0xaa);
}

/* Products of the even lanes, and of the odd ones shifted down; the sums' bits 31 to 62. */
static inline vi i_dot_q31(vi a, vi c, vi b, vi d)
{
    const __m256i even = _mm256_add_epi64(_mm256_mul_epi32(a, c), _mm256_mul_epi32(b, d));
    const __m256i odd = _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(a, 32), c),
                                         _mm256_mul_epi32(_mm256_srli_epi64(b, 32), d));
    return _mm256_blend_epi32(_mm256_srli_epi64(even, 31), _mm256_slli_epi64(odd, 1), 0xaa);
}

static inline vi i_lookup(const int32_t table[16], vi i)
{
    const __m256i low = _mm256_permutevar8x32_epi32(_mm256_loadu_si256((const __m256i *)table), i);
    const __m256i high = _mm256_permutevar8x32_epi32(_mm256_loadu_si256((const __m256i *)(table + 8)), i);
    return _mm256_castps_si256(_mm256_blendv_ps(_mm256_castsi256_ps(low), _mm256_castsi256_ps(high),
                                                _mm256_castsi256_ps(_mm256_slli_epi32(i, 28))));
}

static inline vd d_load(const double *p)
{
    return _mm256_load_pd(p);
}

static inline void d_store(double *p, vd a)
{
    _mm256_store_pd(p, a);
}

static inline vd d_set1(double x)
{
    return _mm256_set1_pd(x);
}

static inline vd d_mul(vd a, vd b)
{
    return _mm256_mul_pd(a, b);
}

static inline vd d_fma(vd a, vd b, vd c)
{
    return _mm256_fmadd_pd(a, b, c);
}

static inline vd d_low(vi a)
{
    return _mm256_cvtepi32_pd(_mm256_castsi256_si128(a));
}

static inline vd d_high(vi a)
{
    return _mm256_cvtepi32_pd(_mm256_extracti128_si256(a, 1));
}

static inline vi i_tops(vd low, vd high)
{
    const __m256 odd = _mm256_shuffle_ps(_mm256_castpd_ps(low), _mm256_castpd_ps(high), 0xdd);
    return _mm256_permute4x64_epi64(_mm256_castps_si256(odd), 0xd8);
}

static inline __m256 two_quads(const int16_t *a, const int16_t *b)
{
    return _mm256_castsi256_ps(_mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)a)), _mm_loadu_si128((const __m128i *)b), 1));
}

static inline void i_transpose(const int16_t *const rows[LANES], size_t at, int32_t *to)
{
    for (size_t half = 0; half < 2; half++) {
        __m256 a[4], b[4];
        for (size_t i = 0; i < 4; i++)
            a[i] = two_quads(rows[i] + at + 8 * half, rows[i + 4] + at + 8 * half);
        b[0] = _mm256_unpacklo_ps(a[0], a[1]);
        b[1] = _mm256_unpackhi_ps(a[0], a[1]);
        b[2] = _mm256_unpacklo_ps(a[2], a[3]);
        b[3] = _mm256_unpackhi_ps(a[2], a[3]);
        int32_t *d = to + 4 * half * LANES;
        i_store(d, _mm256_castps_si256(_mm256_shuffle_ps(b[0], b[2], 0x44)));
        i_store(d + LANES, _mm256_castps_si256(_mm256_shuffle_ps(b[0], b[2], 0xee)));
        i_store(d + 2 * LANES, _mm256_castps_si256(_mm256_shuffle_ps(b[1], b[3], 0x44)));
        i_store(d + 3 * LANES, _mm256_castps_si256(_mm256_shuffle_ps(b[1], b[3], 0xee)));
    }
}
