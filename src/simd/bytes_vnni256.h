/* Vectors of eight int32 for gemm_int.inc.h, by AVX-VNNI, which multiplies bytes and adds four products. */
#ifndef KERNEL_VI_VNNI256_H
#define KERNEL_VI_VNNI256_H

#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef __m256i vi;
#define VI_LANES   8
#define VI_GROUP   4
#define VI_ELEMENT 1

static inline vi vi_zero(void)
{
    return _mm256_setzero_si256();
}

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

/* Bytes without signs, for vi_dot_plain, whose left has signs. */
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

/* 8 bytes as the lowest of int32. */
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
    ptrdiff_t most = 16 + 4 * stride;
    bool cut = low > 0 || high < most;
    return (vi_span){low > 0 ? low : 0, high < most ? high : most, cut};
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

#endif
