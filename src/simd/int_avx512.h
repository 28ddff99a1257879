/* Vectors of sixteen int32, and of 64 bytes, with AVX-512. */
#ifndef SIMD_INT_AVX512_H
#define SIMD_INT_AVX512_H

#include "simd/f64_avx512.h"

typedef xi vi;
#define VI_LANES 16
typedef xi vb;
#define VB_PIECES 4
#if defined(__AVX512VNNI__)
#define X86_DPBUSD _mm512_dpbusd_epi32
#endif

/* Even lanes of one, odd lanes of the other. */
static inline vi vi_odd(vi even, vi odd)
{
    return _mm512_mask_blend_epi32(0xaaaa, even, odd);
}

#include "simd/int_x86.h"

#define VI_ROW
static inline vi vi_pattern(const uint8_t *p)
{
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)p));
}

typedef uint64_t vi_span; /* one bit per byte */
static inline vi_span vi_within(ptrdiff_t low, ptrdiff_t high, int stride)
{
    (void)stride;
    uint64_t from = low <= 0 ? ~UINT64_C(0) : low < 64 ? ~UINT64_C(0) << low : 0;
    return from & (high >= 64 ? ~UINT64_C(0) : high > 0 ? (UINT64_C(1) << high) - 1 : 0);
}

static inline vi vi_row(const uint8_t *p, int stride, vi_span span, vi zero)
{
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 1, 2, 3, 4, 2, 3, 4, 5, 3, 4, 5, 6);
    const __m512i apart = _mm512_setr_epi32(0, 1, 2, 3, 2, 3, 4, 5, 4, 5, 6, 7, 6, 7, 8, 9);
    __m512i bytes = _mm512_mask_loadu_epi8(zero, span, p);
    return _mm512_permutexvar_epi32(stride == 1 ? lanes : apart, bytes);
}

static inline void vi_store16(int16_t *p, vi a)
{
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(a));
}

static inline vi vi_pair(vi low, vi high)
{
    return _mm512_mask_blend_epi16(0xaaaaaaaa, low, _mm512_slli_epi32(high, 16));
}

static inline vi vi_lookup(const int32_t table[16], vi i)
{
    return _mm512_permutexvar_epi32(i, _mm512_loadu_si512(table));
}

static inline vd vd_low(vi a)
{
    return _mm512_cvtepi32_pd(_mm512_castsi512_si256(a));
}

static inline vd vd_high(vi a)
{
    return _mm512_cvtepi32_pd(_mm512_extracti64x4_epi64(a, 1));
}

static inline vi vi_tops(vd low, vd high)
{
    const __m512i odd = _mm512_set_epi32(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
    return _mm512_permutex2var_epi32(_mm512_castpd_si512(low), odd, _mm512_castpd_si512(high));
}

static inline void vi_transpose_rows(const int16_t *const rows[VI_LANES], size_t at, int32_t *to)
{
    /* a[i]: rows i, i + 4, i + 8 and i + 12, four numbers each */
    for (size_t quarter = 0; quarter < 4; quarter++) {
        __m512 a[4], b[4];
        for (size_t i = 0; i < 4; i++) {
            const size_t from = at + 8 * quarter;
            __m512i row = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(rows[i] + from)));
            row = _mm512_inserti32x4(row, _mm_loadu_si128((const __m128i *)(rows[i + 4] + from)), 1);
            row = _mm512_inserti32x4(row, _mm_loadu_si128((const __m128i *)(rows[i + 8] + from)), 2);
            row = _mm512_inserti32x4(row, _mm_loadu_si128((const __m128i *)(rows[i + 12] + from)), 3);
            a[i] = _mm512_castsi512_ps(row);
        }
        b[0] = _mm512_unpacklo_ps(a[0], a[1]);
        b[1] = _mm512_unpackhi_ps(a[0], a[1]);
        b[2] = _mm512_unpacklo_ps(a[2], a[3]);
        b[3] = _mm512_unpackhi_ps(a[2], a[3]);
        int32_t *d = to + 4 * quarter * VI_LANES;
        vi_store(d, _mm512_castps_si512(_mm512_shuffle_ps(b[0], b[2], 0x44)));
        vi_store(d + VI_LANES, _mm512_castps_si512(_mm512_shuffle_ps(b[0], b[2], 0xee)));
        vi_store(d + 2 * VI_LANES, _mm512_castps_si512(_mm512_shuffle_ps(b[1], b[3], 0x44)));
        vi_store(d + 3 * VI_LANES, _mm512_castps_si512(_mm512_shuffle_ps(b[1], b[3], 0xee)));
    }
}

static inline __m512i vb_piece(const char *p)
{
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)p));
}

/* A broadcast load with a blend needs no shuffle port. */
static inline vb vb_rows(const char *p, ptrdiff_t apart)
{
    vb v = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)p));
    v = _mm512_mask_mov_epi64(v, 0x0C, vb_piece(p + apart));
    v = _mm512_mask_mov_epi64(v, 0x30, vb_piece(p + 2 * apart));
    return _mm512_mask_mov_epi64(v, 0xC0, vb_piece(p + 3 * apart));
}

static inline vb vb_halves(const char *p)
{
    const __m512i order = _mm512_setr_epi64(0, 0, 1, 1, 2, 2, 3, 3);
    __m256i v = _mm256_loadu_si256((const __m256i *)p);
    return _mm512_permutexvar_epi64(order, _mm512_castsi256_si512(v));
}

#endif
