/* Vectors of sixteen int32 for gemm_int.inc.h, by AVX512-VNNI, which multiplies bytes and adds four products. */
#ifndef KERNEL_VI_VNNI512_H
#define KERNEL_VI_VNNI512_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

typedef __m512i vi;
#define VI_LANES   16
#define VI_GROUP   4
#define VI_ELEMENT 1

static inline vi vi_zero(void)
{
    return _mm512_setzero_si512();
}

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

/* Bytes without signs, for vi_dot_plain, whose left has signs. */
static inline vi vi_plain(const uint8_t *b)
{
    return _mm512_loadu_si512(b);
}

static inline vi vi_dot_plain(vi sum, vi left, vi plain)
{
    return _mm512_dpbusd_epi32(sum, plain, left);
}

/* 16 bytes as the lowest of int32. */
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
