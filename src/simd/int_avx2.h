/* Vectors of eight int32, and of 32 bytes, with AVX2. */
#ifndef SIMD_INT_AVX2_H
#define SIMD_INT_AVX2_H

#include "simd/f64_avx2.h"

typedef xi vi;
#define VI_LANES 8
typedef xi vb;
#define VB_PIECES 2
#if defined(__AVXVNNI__)
#define X86_DPBUSD _mm256_dpbusd_avx_epi32
#endif

/* Even lanes of one, odd lanes of the other. */
static inline vi vi_odd(vi even, vi odd)
{
    return _mm256_blend_epi32(even, odd, 0xaa);
}

#include "simd/int_x86.h"

#if defined(X86_DPBUSD)
#define VI_WINDOW 32
static inline vi vi_windows(const uint8_t *p, int32_t flip)
{
    const __m256i each =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 2, 3, 1, 2, 3, 4, 2, 3, 4, 5, 3, 4, 5, 6));
    __m256i bytes = _mm256_loadu2_m128i((const __m128i *)(p + 4), (const __m128i *)p);
    return _mm256_xor_si256(_mm256_shuffle_epi8(bytes, each), _mm256_set1_epi32(flip));
}
#endif

#define VI_ROW
static inline vi vi_pattern(const uint8_t *p)
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)p));
}

typedef struct vi_span {
    ptrdiff_t low, high;
    bool cut;
} vi_span;

static inline vi_span vi_within(ptrdiff_t low, ptrdiff_t high, int stride)
{
    ptrdiff_t max = 16 + 4 * stride;
    bool cut = low > 0 || high < max;
    return (vi_span){low > 0 ? low : 0, high < max ? high : max, cut};
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

static inline void vi_store16(int16_t *p, vi a)
{
    const __m256i narrow = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, a), 0xd8);
    _mm_storeu_si128((__m128i *)p, _mm256_castsi256_si128(narrow));
}

static inline vi vi_pair(vi low, vi high)
{
    return _mm256_blend_epi16(low, _mm256_slli_epi32(high, 16), 0xaa);
}

static inline vi vi_lookup(const int32_t table[16], vi i)
{
    const __m256i low = _mm256_permutevar8x32_epi32(_mm256_loadu_si256((const __m256i *)table), i);
    const __m256i high = _mm256_permutevar8x32_epi32(_mm256_loadu_si256((const __m256i *)(table + 8)), i);
    return _mm256_castps_si256(_mm256_blendv_ps(_mm256_castsi256_ps(low), _mm256_castsi256_ps(high),
                                                _mm256_castsi256_ps(_mm256_slli_epi32(i, 28))));
}

static inline vd vd_low(vi a)
{
    return _mm256_cvtepi32_pd(_mm256_castsi256_si128(a));
}

static inline vd vd_high(vi a)
{
    return _mm256_cvtepi32_pd(_mm256_extracti128_si256(a, 1));
}

static inline vi vi_tops(vd low, vd high)
{
    const __m256 odd = _mm256_shuffle_ps(_mm256_castpd_ps(low), _mm256_castpd_ps(high), 0xdd);
    return _mm256_permute4x64_epi64(_mm256_castps_si256(odd), 0xd8);
}

static inline __m256 vi_two_quads(const int16_t *a, const int16_t *b)
{
    return _mm256_castsi256_ps(_mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)a)), _mm_loadu_si128((const __m128i *)b), 1));
}

static inline void vi_transpose_rows(const int16_t *const rows[VI_LANES], size_t at, int32_t *to)
{
    for (size_t half = 0; half < 2; half++) {
        __m256 a[4], b[4];
        for (size_t i = 0; i < 4; i++)
            a[i] = vi_two_quads(rows[i] + at + 8 * half, rows[i + 4] + at + 8 * half);
        b[0] = _mm256_unpacklo_ps(a[0], a[1]);
        b[1] = _mm256_unpackhi_ps(a[0], a[1]);
        b[2] = _mm256_unpacklo_ps(a[2], a[3]);
        b[3] = _mm256_unpackhi_ps(a[2], a[3]);
        int32_t *d = to + 4 * half * VI_LANES;
        vi_store(d, _mm256_castps_si256(_mm256_shuffle_ps(b[0], b[2], 0x44)));
        vi_store(d + VI_LANES, _mm256_castps_si256(_mm256_shuffle_ps(b[0], b[2], 0xee)));
        vi_store(d + 2 * VI_LANES, _mm256_castps_si256(_mm256_shuffle_ps(b[1], b[3], 0x44)));
        vi_store(d + 3 * VI_LANES, _mm256_castps_si256(_mm256_shuffle_ps(b[1], b[3], 0xee)));
    }
}

static inline vb vb_rows(const char *p, ptrdiff_t apart)
{
    vb low = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)p));
    return _mm256_inserti128_si256(low, _mm_loadu_si128((const __m128i *)(p + apart)), 1);
}

static inline vb vb_halves(const char *p)
{
    return _mm256_permute4x64_epi64(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)p)), 0x50);
}

#endif
