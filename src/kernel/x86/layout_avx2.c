#include <immintrin.h>
#include <stddef.h>

typedef __m256i lv;
#define LV_PIECES 2

static inline lv lv_rows(const char *p, ptrdiff_t apart)
{
    lv low = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)p));
    return _mm256_inserti128_si256(low, _mm_loadu_si128((const __m128i *)(p + apart)), 1);
}

static inline lv lv_halves(const char *p)
{
    return _mm256_permute4x64_epi64(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)p)), 0x50);
}

static inline void lv_store(char *p, lv v)
{
    _mm256_storeu_si256((__m256i *)p, v);
}

static inline lv lv_lo_1(lv a, lv b)
{
    return _mm256_unpacklo_epi8(a, b);
}

static inline lv lv_hi_1(lv a, lv b)
{
    return _mm256_unpackhi_epi8(a, b);
}

static inline lv lv_lo_2(lv a, lv b)
{
    return _mm256_unpacklo_epi16(a, b);
}

static inline lv lv_hi_2(lv a, lv b)
{
    return _mm256_unpackhi_epi16(a, b);
}

static inline lv lv_lo_4(lv a, lv b)
{
    return _mm256_unpacklo_epi32(a, b);
}

static inline lv lv_hi_4(lv a, lv b)
{
    return _mm256_unpackhi_epi32(a, b);
}

static inline lv lv_lo_8(lv a, lv b)
{
    return _mm256_unpacklo_epi64(a, b);
}

static inline lv lv_hi_8(lv a, lv b)
{
    return _mm256_unpackhi_epi64(a, b);
}

#define LAYOUT_SMALLER layout_turn_c
#define LAYOUT_TABLE   layout_turn_avx2
#define LAYOUT_INIT    layout_init_avx2

#include "kernel/layout/layout.inc.h"
