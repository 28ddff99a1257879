/* Vectors of sixteen int32, and of 64 bytes, with AVX-512. */
#ifndef SIMD_INT_AVX512_H
#define SIMD_INT_AVX512_H

#include "simd/f64_avx512.h"

#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef __m512i vi;
#define VI_LANES 16

/* ---- Products of bytes: gemm_int.inc.h and bytes.inc.h define the operations ---- */

static inline vi vi_zero(void)
{
    return _mm512_setzero_si512();
}

#if defined(__AVX512VNNI__) /* multiplies bytes and adds four products */
#define VI_GROUP   4
#define VI_ELEMENT 1

static inline vi vi_left(const char *a)
{
    int32_t four;
    memcpy(&four, a, sizeof four);
    return _mm512_set1_epi32(four);
}

static inline vi vi_right(const int8_t *b)
{
    return _mm512_loadu_si512(b);
}

static inline vi vi_dot(vi sum, vi left, vi right)
{
    return _mm512_dpbusd_epi32(sum, left, right);
}

/* Unsigned bytes, for vi_dot_plain, whose left operand is signed. */
static inline vi vi_plain(const uint8_t *b)
{
    return _mm512_loadu_si512(b);
}

static inline vi vi_dot_plain(vi sum, vi left, vi plain)
{
    return _mm512_dpbusd_epi32(sum, plain, left);
}

/* Widens 16 bytes to int32. */
static inline vi vi_widened(const uint8_t *p)
{
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
}

#define VI_JOIN 16
static inline void vi_join(const uint8_t *const *rows, size_t l, int32_t flip, uint8_t *dst)
{
    vi a = _mm512_or_si512(vi_widened(rows[0] + l), _mm512_slli_epi32(vi_widened(rows[1] + l), 8));
    vi b = _mm512_or_si512(vi_widened(rows[2] + l), _mm512_slli_epi32(vi_widened(rows[3] + l), 8));
    a = _mm512_or_si512(a, _mm512_slli_epi32(b, 16));
    _mm512_storeu_si512(dst, _mm512_xor_si512(a, _mm512_set1_epi32(flip)));
}

#else /* multiplies 16-bit numbers and adds two */
#define VI_GROUP   2
#define VI_ELEMENT 2

static inline vi vi_left(const char *a)
{
    int32_t two;
    memcpy(&two, a, sizeof two);
    return _mm512_set1_epi32(two);
}

static inline vi vi_right(const int8_t *b)
{
    return _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)b));
}

static inline vi vi_dot(vi sum, vi left, vi right)
{
    return _mm512_add_epi32(sum, _mm512_madd_epi16(left, right));
}

/* Unsigned bytes, for vi_dot_plain. */
static inline vi vi_plain(const uint8_t *b)
{
    return _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *)b));
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
    return _mm512_set1_epi8((char)b);
}

static inline vi vi_xor(vi a, vi b)
{
    return _mm512_xor_si512(a, b);
}

static inline vi vi_pattern(const uint8_t *p)
{
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)p));
}

static inline vi vi_taps(vi row, vi pattern)
{
    return _mm512_shuffle_epi8(row, pattern);
}

typedef uint64_t vi_span; /* one bit per byte */
static inline vi_span vi_within(ptrdiff_t low, ptrdiff_t high, int stride)
{
    (void)stride;
    uint64_t from = low <= 0 ? ~UINT64_C(0) : low < 64 ? ~UINT64_C(0) << low : 0;
    return from & (high >= 64 ? ~UINT64_C(0) : high > 0 ? (UINT64_C(1) << high) - 1 : 0);
}

static inline vi vi_row(const uint8_t *p, int stride, vi_span span, vi zero)
{
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 1, 2, 3, 4, 2, 3, 4, 5, 3, 4, 5, 6);
    const __m512i apart = _mm512_setr_epi32(0, 1, 2, 3, 2, 3, 4, 5, 4, 5, 6, 7, 6, 7, 8, 9);
    __m512i bytes = _mm512_mask_loadu_epi8(zero, span, p);
    return _mm512_permutexvar_epi32(stride == 1 ? lanes : apart, bytes);
}

static inline void vi_store(int32_t *p, vi v)
{
    _mm512_storeu_si512(p, v);
}

/* ---- int32, and their halves as doubles: tile/lanes.inc.h defines the operations ---- */

#define vi_shl(a, n) _mm512_slli_epi32(a, n)
#define vi_shr(a, n) _mm512_srai_epi32(a, n)

static inline vi vi_load(const int32_t *p)
{
    return _mm512_loadu_si512(p);
}

static inline void vi_store16(int16_t *p, vi a)
{
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(a));
}

static inline vi vi_set1(int32_t x)
{
    return _mm512_set1_epi32(x);
}

static inline vi vi_add(vi a, vi b)
{
    return _mm512_add_epi32(a, b);
}

static inline vi vi_sub(vi a, vi b)
{
    return _mm512_sub_epi32(a, b);
}

static inline vi vi_and(vi a, vi b)
{
    return _mm512_and_si512(a, b);
}

static inline vi vi_max(vi a, vi b)
{
    return _mm512_max_epi32(a, b);
}

static inline vi vi_abs(vi a)
{
    return _mm512_abs_epi32(a);
}

static inline vi vi_mul(vi a, vi b)
{
    return _mm512_mullo_epi32(a, b);
}

static inline vi vi_madd(vi a, vi b)
{
    return _mm512_madd_epi16(a, b);
}

static inline vi vi_shlv(vi a, vi n)
{
    return _mm512_sllv_epi32(a, n);
}

static inline vi vi_shrv(vi a, vi n)
{
    return _mm512_srav_epi32(a, n);
}

static inline vi vi_pair(vi low, vi high)
{
    return _mm512_mask_blend_epi16(0xaaaaaaaa, low, _mm512_slli_epi32(high, 16));
}

static inline vi vi_mul_q31(vi a, vi c)
{
    const __m512i even = _mm512_mul_epi32(a, c), odd = _mm512_mul_epi32(_mm512_srli_epi64(a, 32), c);
    return _mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 31), _mm512_slli_epi64(odd, 1));
}

/* Products of the even lanes, and of the odd ones shifted down; the sums' bits 31 to 62. */
static inline vi vi_dot_q31(vi a, vi c, vi b, vi d)
{
    const __m512i even = _mm512_add_epi64(_mm512_mul_epi32(a, c), _mm512_mul_epi32(b, d));
    const __m512i odd = _mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64(a, 32), c),
                                         _mm512_mul_epi32(_mm512_srli_epi64(b, 32), d));
    return _mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 31), _mm512_slli_epi64(odd, 1));
}

static inline vi vi_lookup(const int32_t table[16], vi i)
{
    return _mm512_permutexvar_epi32(i, _mm512_loadu_si512(table));
}

static inline vd vd_low(vi a)
{
    return _mm512_cvtepi32_pd(_mm512_castsi512_si256(a));
}

static inline vd vd_high(vi a)
{
    return _mm512_cvtepi32_pd(_mm512_extracti64x4_epi64(a, 1));
}

static inline vi vi_tops(vd low, vd high)
{
    const __m512i odd = _mm512_set_epi32(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
    return _mm512_permutex2var_epi32(_mm512_castpd_si512(low), odd, _mm512_castpd_si512(high));
}

static inline void vi_transpose_rows(const int16_t *const rows[VI_LANES], size_t at, int32_t *to)
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
        int32_t *d = to + 4 * quarter * VI_LANES;
        vi_store(d, _mm512_castps_si512(_mm512_shuffle_ps(b[0], b[2], 0x44)));
        vi_store(d + VI_LANES, _mm512_castps_si512(_mm512_shuffle_ps(b[0], b[2], 0xee)));
        vi_store(d + 2 * VI_LANES, _mm512_castps_si512(_mm512_shuffle_ps(b[1], b[3], 0x44)));
        vi_store(d + 3 * VI_LANES, _mm512_castps_si512(_mm512_shuffle_ps(b[1], b[3], 0xee)));
    }
}

/* ---- Bytes as items in pieces of 16: kernel/layout/layout.inc.h defines the operations ---- */

typedef __m512i vb;
#define VB_PIECES 4

static inline __m512i vb_piece(const char *p)
{
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)p));
}

/* A broadcast load with a blend needs no shuffle port. */
static inline vb vb_rows(const char *p, ptrdiff_t apart)
{
    vb v = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)p));
    v = _mm512_mask_mov_epi64(v, 0x0C, vb_piece(p + apart));
    v = _mm512_mask_mov_epi64(v, 0x30, vb_piece(p + 2 * apart));
    return _mm512_mask_mov_epi64(v, 0xC0, vb_piece(p + 3 * apart));
}

static inline vb vb_halves(const char *p)
{
    const __m512i order = _mm512_setr_epi64(0, 0, 1, 1, 2, 2, 3, 3);
    __m256i v = _mm256_loadu_si256((const __m256i *)p);
    return _mm512_permutexvar_epi64(order, _mm512_castsi256_si512(v));
}

static inline void vb_store(char *p, vb v)
{
    _mm512_storeu_si512(p, v);
}

/* Copies a vector past the caches; p is aligned to it. */
static inline void vb_stream(char *p, const char *from)
{
    _mm512_stream_si512((__m512i *)p, _mm512_loadu_si512(from));
}

static inline void vb_stream_end(void)
{
    _mm_sfence();
}

static inline vb vb_lo_1(vb a, vb b)
{
    return _mm512_unpacklo_epi8(a, b);
}

static inline vb vb_hi_1(vb a, vb b)
{
    return _mm512_unpackhi_epi8(a, b);
}

static inline vb vb_lo_2(vb a, vb b)
{
    return _mm512_unpacklo_epi16(a, b);
}

static inline vb vb_hi_2(vb a, vb b)
{
    return _mm512_unpackhi_epi16(a, b);
}

static inline vb vb_lo_4(vb a, vb b)
{
    return _mm512_unpacklo_epi32(a, b);
}

static inline vb vb_hi_4(vb a, vb b)
{
    return _mm512_unpackhi_epi32(a, b);
}

static inline vb vb_lo_8(vb a, vb b)
{
    return _mm512_unpacklo_epi64(a, b);
}

static inline vb vb_hi_8(vb a, vb b)
{
    return _mm512_unpackhi_epi64(a, b);
}

#endif
