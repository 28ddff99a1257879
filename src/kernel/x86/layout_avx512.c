#include <immintrin.h>
#include <stddef.h>

typedef __m512i lv;
#define LV_PIECES 4

static inline __m512i piece(const char *p)
{
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)p));
}

/* A load that spreads a piece and blends it in needs no port of the shuffles. */
static inline lv lv_rows(const char *p, ptrdiff_t apart)
{
    lv v = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)p));
    v = _mm512_mask_mov_epi64(v, 0x0C, piece(p + apart));
    v = _mm512_mask_mov_epi64(v, 0x30, piece(p + 2 * apart));
    return _mm512_mask_mov_epi64(v, 0xC0, piece(p + 3 * apart));
}

static inline lv lv_halves(const char *p)
{
    const __m512i order = _mm512_setr_epi64(0, 0, 1, 1, 2, 2, 3, 3);
    __m256i v = _mm256_loadu_si256((const __m256i *)p);
    return _mm512_permutexvar_epi64(order, _mm512_castsi256_si512(v));
}

static inline void lv_store(char *p, lv v)
{
    _mm512_storeu_si512(p, v);
}

static inline lv lv_lo_1(lv a, lv b)
{
    return _mm512_unpacklo_epi8(a, b);
}

static inline lv lv_hi_1(lv a, lv b)
{
    return _mm512_unpackhi_epi8(a, b);
}

static inline lv lv_lo_2(lv a, lv b)
{
    return _mm512_unpacklo_epi16(a, b);
}

static inline lv lv_hi_2(lv a, lv b)
{
    return _mm512_unpackhi_epi16(a, b);
}

static inline lv lv_lo_4(lv a, lv b)
{
    return _mm512_unpacklo_epi32(a, b);
}

static inline lv lv_hi_4(lv a, lv b)
{
    return _mm512_unpackhi_epi32(a, b);
}

static inline lv lv_lo_8(lv a, lv b)
{
    return _mm512_unpacklo_epi64(a, b);
}

static inline lv lv_hi_8(lv a, lv b)
{
    return _mm512_unpackhi_epi64(a, b);
}

#define LAYOUT_SMALLER layout_turn_avx2
#define LAYOUT_TABLE   layout_turn_avx512
#define LAYOUT_INIT    layout_init_avx512

#include "kernel/layout/layout.inc.h"
