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

static inline void vi_store(int32_t *p, vi v)
{
    _mm512_storeu_si512(p, v);
}

#endif
