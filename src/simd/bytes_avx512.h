/* Vectors of sixteen int32 for gemm_int.inc.h, by products of 16-bit numbers. */
#ifndef KERNEL_VI_AVX512_H
#define KERNEL_VI_AVX512_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

typedef __m512i vi;
#define VI_LANES   16
#define VI_GROUP   2
#define VI_ELEMENT 2

static inline vi vi_zero(void)
{
    return _mm512_setzero_si512();
}

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

/* Bytes without signs, for vi_dot_plain. */
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

typedef uint64_t vi_span; /* a bit a byte */
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

#endif
