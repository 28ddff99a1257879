/* AVX2, for what both levels of x86 write alike: X86(add_ps) is the instruction for its registers. */
#ifndef SIMD_X86_AVX2_H
#define SIMD_X86_AVX2_H

#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define X86(name)    _mm256_##name
#define X86_SI(name) _mm256_##name##_si256
#define X86_PS(bits) _mm256_castsi256_ps(bits)
#define X86_ROUND    _mm256_round_ps
typedef __m256i xi;

/* Bytes for half the lanes' words, and for a quarter of them. */
static inline __m128i x86_half(const void *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}

static inline __m128i x86_quarter(const void *p)
{
    return _mm_loadl_epi64((const __m128i *)p);
}

#endif
