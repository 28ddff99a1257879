/* Vectors of eight int32 for gemm_int.inc.h, by AVX-VNNI, which multiplies bytes and adds four products. */
#ifndef KERNEL_VI_VNNI256_H
#define KERNEL_VI_VNNI256_H

#include <immintrin.h>
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

static inline void vi_store(int32_t *p, vi v)
{
    _mm256_storeu_si256((__m256i *)p, v);
}

#endif
