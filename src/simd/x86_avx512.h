/* AVX-512, for what both levels of x86 write alike: X86(add_ps) is the instruction for its registers. */
#ifndef SIMD_X86_AVX512_H
#define SIMD_X86_AVX512_H

#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define X86(name)    _mm512_##name
#define X86_SI(name) _mm512_##name##_si512
#define X86_PS(bits) _mm512_castsi512_ps(bits)
#define X86_ROUND    _mm512_roundscale_ps
typedef __m512i xi;

/* Bytes for half the lanes' words, and for a quarter of them. */
static inline __m256i x86_half(const void *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

static inline __m128i x86_quarter(const void *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}

#endif
