/* Vectors of eight int32, and of 32 bytes, with AVX2. */
#ifndef SIMD_INT_AVX2_H
#define SIMD_INT_AVX2_H

#include "simd/f64_avx2.h"

#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef __m256i vi;
#define VI_LANES 8

/* ---- Products of bytes: gemm_int.inc.h and bytes.inc.h define the operations ---- */

static inline vi vi_zero(void)
{
    return _mm256_setzero_si256();
}

#if defined(__AVXVNNI__) /* multiplies bytes and adds four products */
#define VI_GROUP   4
#define VI_ELEMENT 1

static inline vi vi_left(const char *a)
{
    int32_t four;
    memcpy(&four, a, sizeof four);
    return _mm256_set1_epi32(four);
}

static inline vi vi_right(const int8_t *b)
{
    return _mm256_loadu_si256((const __m256i *)b);
}

static inline vi vi_dot(vi sum, vi left, vi right)
{
    return _mm256_dpbusd_avx_epi32(sum, left, right);
}

/* Unsigned bytes, for vi_dot_plain, whose left operand is signed. */
static inline vi vi_plain(const uint8_t *b)
{
    return _mm256_loadu_si256((const __m256i *)b);
}

static inline vi vi_dot_plain(vi sum, vi left, vi plain)
{
    return _mm256_dpbusd_avx_epi32(sum, plain, left);
}

#define VI_WINDOW 32
static inline vi vi_windows(const uint8_t *p, int32_t flip)
{
    const __m256i each =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 2, 3, 1, 2, 3, 4, 2, 3, 4, 5, 3, 4, 5, 6));
    __m256i bytes = _mm256_loadu2_m128i((const __m128i *)(p + 4), (const __m128i *)p);
    return _mm256_xor_si256(_mm256_shuffle_epi8(bytes, each), _mm256_set1_epi32(flip));
}

/* Widens 8 bytes to int32. */
static inline vi vi_widened(const uint8_t *p)
{
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
}

#define VI_JOIN 8
static inline void vi_join(const uint8_t *const *rows, size_t l, int32_t flip, uint8_t *dst)
{
    vi a = _mm256_or_si256(vi_widened(rows[0] + l), _mm256_slli_epi32(vi_widened(rows[1] + l), 8));
    vi b = _mm256_or_si256(vi_widened(rows[2] + l), _mm256_slli_epi32(vi_widened(rows[3] + l), 8));
    a = _mm256_or_si256(a, _mm256_slli_epi32(b, 16));
    _mm256_storeu_si256((__m256i *)dst, _mm256_xor_si256(a, _mm256_set1_epi32(flip)));
}

#else /* multiplies 16-bit numbers and adds two */
#define VI_GROUP   2
#define VI_ELEMENT 2

static inline vi vi_left(const char *a)
{
    int32_t two;
    memcpy(&two, a, sizeof two);
    return _mm256_set1_epi32(two);
}

static inline vi vi_right(const int8_t *b)
{
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)b));
}

static inline vi vi_dot(vi sum, vi left, vi right)
{
    return _mm256_add_epi32(sum, _mm256_madd_epi16(left, right));
}

/* Unsigned bytes, for vi_dot_plain. */
static inline vi vi_plain(const uint8_t *b)
{
    return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)b));
}

static inline vi vi_dot_plain(vi sum, vi left, vi plain)
{
    return vi_dot(sum, left, plain);
}

#define VI_JOIN 16
static inline void vi_join(const uint8_t *const *rows, size_t l, int32_t flip, uint8_t *dst)
{
    __m256i a = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(rows[0] + l)));
    __m256i b = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(rows[1] + l)));
    a = _mm256_or_si256(a, _mm256_slli_epi16(b, 8));
    _mm256_storeu_si256((__m256i *)dst, _mm256_xor_si256(a, _mm256_set1_epi32(flip)));
}

#endif

#define VI_ROW
static inline vi vi_bytes(uint8_t b)
{
    return _mm256_set1_epi8((char)b);
}

static inline vi vi_xor(vi a, vi b)
{
    return _mm256_xor_si256(a, b);
}

static inline vi vi_pattern(const uint8_t *p)
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)p));
}

static inline vi vi_taps(vi row, vi pattern)
{
    return _mm256_shuffle_epi8(row, pattern);
}

typedef struct vi_span {
    ptrdiff_t low, high;
    bool cut;
} vi_span;

static inline vi_span vi_within(ptrdiff_t low, ptrdiff_t high, int stride)
{
    ptrdiff_t max = 16 + 4 * stride;
    bool cut = low > 0 || high < max;
    return (vi_span){low > 0 ? low : 0, high < max ? high : max, cut};
}

static inline vi vi_row(const uint8_t *p, int stride, vi_span span, vi zero)
{
    uint8_t inside[32];
    if (span.cut) {
        _mm256_storeu_si256((__m256i *)inside, zero);
        for (ptrdiff_t b = span.low; b < span.high; b++)
            inside[b] = p[b];
        p = inside;
    }
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)p)),
                                   _mm_loadu_si128((const __m128i *)(p + 4 * stride)), 1);
}

static inline void vi_store(int32_t *p, vi v)
{
    _mm256_storeu_si256((__m256i *)p, v);
}

/* ---- int32, and their halves as doubles: tile/lanes.inc.h defines the operations ---- */

#define vi_shl(a, n) _mm256_slli_epi32(a, n)
#define vi_shr(a, n) _mm256_srai_epi32(a, n)

static inline vi vi_load(const int32_t *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

static inline void vi_store16(int16_t *p, vi a)
{
    const __m256i narrow = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, a), 0xd8);
    _mm_storeu_si128((__m128i *)p, _mm256_castsi256_si128(narrow));
}

static inline vi vi_set1(int32_t x)
{
    return _mm256_set1_epi32(x);
}

static inline vi vi_add(vi a, vi b)
{
    return _mm256_add_epi32(a, b);
}

static inline vi vi_sub(vi a, vi b)
{
    return _mm256_sub_epi32(a, b);
}

static inline vi vi_and(vi a, vi b)
{
    return _mm256_and_si256(a, b);
}

static inline vi vi_max(vi a, vi b)
{
    return _mm256_max_epi32(a, b);
}

static inline vi vi_abs(vi a)
{
    return _mm256_abs_epi32(a);
}

static inline vi vi_mul(vi a, vi b)
{
    return _mm256_mullo_epi32(a, b);
}

static inline vi vi_madd(vi a, vi b)
{
    return _mm256_madd_epi16(a, b);
}

static inline vi vi_shlv(vi a, vi n)
{
    return _mm256_sllv_epi32(a, n);
}

static inline vi vi_shrv(vi a, vi n)
{
    return _mm256_srav_epi32(a, n);
}

static inline vi vi_pair(vi low, vi high)
{
    return _mm256_blend_epi16(low, _mm256_slli_epi32(high, 16), 0xaa);
}

static inline vi vi_mul_q31(vi a, vi c)
{
    const __m256i even = _mm256_mul_epi32(a, c), odd = _mm256_mul_epi32(_mm256_srli_epi64(a, 32), c);
    return _mm256_blend_epi32(_mm256_srli_epi64(even, 31), _mm256_slli_epi64(odd, 1), 0xaa);
}

/* Products of the even lanes, and of the odd ones shifted down; the sums' bits 31 to 62. */
static inline vi vi_dot_q31(vi a, vi c, vi b, vi d)
{
    const __m256i even = _mm256_add_epi64(_mm256_mul_epi32(a, c), _mm256_mul_epi32(b, d));
    const __m256i odd = _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(a, 32), c),
                                         _mm256_mul_epi32(_mm256_srli_epi64(b, 32), d));
    return _mm256_blend_epi32(_mm256_srli_epi64(even, 31), _mm256_slli_epi64(odd, 1), 0xaa);
}

static inline vi vi_lookup(const int32_t table[16], vi i)
{
    const __m256i low = _mm256_permutevar8x32_epi32(_mm256_loadu_si256((const __m256i *)table), i);
    const __m256i high = _mm256_permutevar8x32_epi32(_mm256_loadu_si256((const __m256i *)(table + 8)), i);
    return _mm256_castps_si256(_mm256_blendv_ps(_mm256_castsi256_ps(low), _mm256_castsi256_ps(high),
                                                _mm256_castsi256_ps(_mm256_slli_epi32(i, 28))));
}

static inline vd vd_low(vi a)
{
    return _mm256_cvtepi32_pd(_mm256_castsi256_si128(a));
}

static inline vd vd_high(vi a)
{
    return _mm256_cvtepi32_pd(_mm256_extracti128_si256(a, 1));
}

static inline vi vi_tops(vd low, vd high)
{
    const __m256 odd = _mm256_shuffle_ps(_mm256_castpd_ps(low), _mm256_castpd_ps(high), 0xdd);
    return _mm256_permute4x64_epi64(_mm256_castps_si256(odd), 0xd8);
}

static inline __m256 vi_two_quads(const int16_t *a, const int16_t *b)
{
    return _mm256_castsi256_ps(_mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)a)), _mm_loadu_si128((const __m128i *)b), 1));
}

static inline void vi_transpose_rows(const int16_t *const rows[VI_LANES], size_t at, int32_t *to)
{
    for (size_t half = 0; half < 2; half++) {
        __m256 a[4], b[4];
        for (size_t i = 0; i < 4; i++)
            a[i] = vi_two_quads(rows[i] + at + 8 * half, rows[i + 4] + at + 8 * half);
        b[0] = _mm256_unpacklo_ps(a[0], a[1]);
        b[1] = _mm256_unpackhi_ps(a[0], a[1]);
        b[2] = _mm256_unpacklo_ps(a[2], a[3]);
        b[3] = _mm256_unpackhi_ps(a[2], a[3]);
        int32_t *d = to + 4 * half * VI_LANES;
        vi_store(d, _mm256_castps_si256(_mm256_shuffle_ps(b[0], b[2], 0x44)));
        vi_store(d + VI_LANES, _mm256_castps_si256(_mm256_shuffle_ps(b[0], b[2], 0xee)));
        vi_store(d + 2 * VI_LANES, _mm256_castps_si256(_mm256_shuffle_ps(b[1], b[3], 0x44)));
        vi_store(d + 3 * VI_LANES, _mm256_castps_si256(_mm256_shuffle_ps(b[1], b[3], 0xee)));
    }
}

/* ---- Bytes as items in pieces of 16: kernel/layout/layout.inc.h defines the operations ---- */

typedef __m256i vb;
#define VB_PIECES 2

static inline vb vb_rows(const char *p, ptrdiff_t apart)
{
    vb low = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)p));
    return _mm256_inserti128_si256(low, _mm_loadu_si128((const __m128i *)(p + apart)), 1);
}

static inline vb vb_halves(const char *p)
{
    return _mm256_permute4x64_epi64(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)p)), 0x50);
}

static inline void vb_store(char *p, vb v)
{
    _mm256_storeu_si256((__m256i *)p, v);
}

/* Copies a vector past the caches; p is aligned to it. */
static inline void vb_stream(char *p, const char *from)
{
    _mm256_stream_si256((__m256i *)p, _mm256_loadu_si256((const __m256i *)from));
}

static inline void vb_stream_end(void)
{
    _mm_sfence();
}

static inline vb vb_lo_1(vb a, vb b)
{
    return _mm256_unpacklo_epi8(a, b);
}

static inline vb vb_hi_1(vb a, vb b)
{
    return _mm256_unpackhi_epi8(a, b);
}

static inline vb vb_lo_2(vb a, vb b)
{
    return _mm256_unpacklo_epi16(a, b);
}

static inline vb vb_hi_2(vb a, vb b)
{
    return _mm256_unpackhi_epi16(a, b);
}

static inline vb vb_lo_4(vb a, vb b)
{
    return _mm256_unpacklo_epi32(a, b);
}

static inline vb vb_hi_4(vb a, vb b)
{
    return _mm256_unpackhi_epi32(a, b);
}

static inline vb vb_lo_8(vb a, vb b)
{
    return _mm256_unpacklo_epi64(a, b);
}

static inline vb vb_hi_8(vb a, vb b)
{
    return _mm256_unpackhi_epi64(a, b);
}

#endif
