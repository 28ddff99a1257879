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

static inline void vi_store(int32_t *p, vi v)
{
    _mm512_storeu_si512(p, v);
}

#endif
