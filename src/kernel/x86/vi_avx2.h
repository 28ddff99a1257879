/* Vectors of eight int32 for gemm_int.inc.h, by products of 16-bit numbers. */
#ifndef KERNEL_VI_AVX2_H
#define KERNEL_VI_AVX2_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

typedef __m256i vi;
#define VI_LANES   8
#define VI_GROUP   2
#define VI_ELEMENT 2

static inline vi vi_zero(void)
{
    return _mm256_setzero_si256();
}

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

static inline void vi_store(int32_t *p, vi v)
{
    _mm256_storeu_si256((__m256i *)p, v);
}

#endif
