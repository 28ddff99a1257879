/* Sixteen int32 and eight doubles in AVX-512 registers; lanes.inc.h tells what each word means. */
#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LANES 16
typedef __m512i vi;
typedef __m512d vd;

#define i_shl(a, n) _mm512_slli_epi32(a, n)
#define i_shr(a, n) _mm512_srai_epi32(a, n)

static inline vi i_load(const int32_t *p)
{
    return _mm512_load_si512(p);
}

static inline void i_store(int32_t *p, vi a)
{
    _mm512_store_si512(p, a);
}

static inline void i_store16(int16_t *p, vi a)
{
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(a));
}

static inline vi i_set1(int32_t x)
{
    return _mm512_set1_epi32(x);
}

static inline vi i_add(vi a, vi b)
{
    return _mm512_add_epi32(a, b);
}

static inline vi i_sub(vi a, vi b)
{
    return _mm512_sub_epi32(a, b);
}

static inline vi i_and(vi a, vi b)
{
    return _mm512_and_si512(a, b);
}

static inline vi i_max(vi a, vi b)
{
    return _mm512_max_epi32(a, b);
}

static inline vi i_abs(vi a)
{
    return _mm512_abs_epi32(a);
}

static inline vi i_mul(vi a, vi b)
{
    return _mm512_mullo_epi32(a, b);
}

static inline vi i_madd(vi a, vi b)
{
    return _mm512_madd_epi16(a, b);
}

static inline vi i_shlv(vi a, vi n)
{
    return _mm512_sllv_epi32(a, n);
}

static inline vi i_shrv(vi a, vi n)
{
    return _mm512_srav_epi32(a, n);
}

static inline vi i_pair(vi low, vi high)
{
    return _mm512_mask_blend_epi16(0xaaaaaaaa, low, _mm512_slli_epi32(high, 16));
}

static inline vi i_mul_q31(vi a, vi c)
{
    const __m512i even = _mm512_mul_epi32(a, c), odd = _mm512_mul_epi32(_mm512_srli_epi64(a, 32), c);
    return _mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 31), _mm512_slli_epi64(odd, 1));
}

/* Products of the even lanes, and of the odd ones shifted down; the sums' bits 31 to 62. */
static inline vi i_dot_q31(vi a, vi c, vi b, vi d)
{
    const __m512i even = _mm512_add_epi64(_mm512_mul_epi32(a, c), _mm512_mul_epi32(b, d));
    const __m512i odd = _mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64(a, 32), c),
                                         _mm512_mul_epi32(_mm512_srli_epi64(b, 32), d));
    return _mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 31), _mm512_slli_epi64(odd, 1));
}

static inline vi i_lookup(const int32_t table[16], vi i)
{
    return _mm512_permutexvar_epi32(i, _mm512_loadu_si512(table));
}

static inline vd d_load(const double *p)
{
    return _mm512_load_pd(p);
}

static inline void d_store(double *p, vd a)
{
    _mm512_store_pd(p, a);
}

static inline vd d_set1(double x)
{
    return _mm512_set1_pd(x);
}

static inline vd d_mul(vd a, vd b)
{
    return _mm512_mul_pd(a, b);
}

static inline vd d_fma(vd a, vd b, vd c)
{
    return _mm512_fmadd_pd(a, b, c);
}

static inline vd d_low(vi a)
{
    return _mm512_cvtepi32_pd(_mm512_castsi512_si256(a));
}

static inline vd d_high(vi a)
{
    return _mm512_cvtepi32_pd(_mm512_extracti64x4_epi64(a, 1));
}

static inline vi i_tops(vd low, vd high)
{
    const __m512i odd = _mm512_set_epi32(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
    return _mm512_permutex2var_epi32(_mm512_castpd_si512(low), odd, _mm512_castpd_si512(high));
}

static inline void i_transpose(const int16_t *const rows[LANES], size_t at, int32_t *to)
{
    /* a[i]: rows i, i + 4, i + 8 and i + 12, four numbers each */
    for (size_t quarter = 0; quarter < 4; quarter++) {
        __m512 a[4], b[4];
        for (size_t i = 0; i < 4; i++) {
            const size_t from = at + 8 * quarter;
            __m512i row = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(rows[i] + from)));
            row = _mm512_inserti32x4(row, _mm_loadu_si128((const __m128i *)(rows[i + 4] + from)), 1);
            row = _mm512_inserti32x4(row, _mm_loadu_si128((const __m128i *)(rows[i + 8] + from)), 2);
            row = _mm512_inserti32x4(row, _mm_loadu_si128((const __m128i *)(rows[i + 12] + from)), 3);
            a[i] = _mm512_castsi512_ps(row);
        }
        b[0] = _mm512_unpacklo_ps(a[0], a[1]);
        b[1] = _mm512_unpackhi_ps(a[0], a[1]);
        b[2] = _mm512_unpacklo_ps(a[2], a[3]);
        b[3] = _mm512_unpackhi_ps(a[2], a[3]);
        int32_t *d = to + 4 * quarter * LANES;
        i_store(d, _mm512_castps_si512(_mm512_shuffle_ps(b[0], b[2], 0x44)));
        i_store(d + LANES, _mm512_castps_si512(_mm512_shuffle_ps(b[0], b[2], 0xee)));
        i_store(d + 2 * LANES, _mm512_castps_si512(_mm512_shuffle_ps(b[1], b[3], 0x44)));
        i_store(d + 3 * LANES, _mm512_castps_si512(_mm512_shuffle_ps(b[1], b[3], 0xee)));
    }
}
