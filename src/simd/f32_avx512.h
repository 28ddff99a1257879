/* AVX-512 F, BW, DQ and VL: 32 registers of sixteen floats. */
#ifndef SIMD_F32_AVX512_H
#define SIMD_F32_AVX512_H

#include "simd/x86_avx512.h"

typedef __m512 vf;
#define VF_LANES 16

#include "simd/f32_x86.h"

static inline vf vf_select_less(vf a, vf b, vf yes, vf no)
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), no, yes);
}

/* The second load begins one element early, so that p[2 * 16 - 2] is the last that is read: element 2 i of p
   is element 2 i - 15 of that load, numbered from 16 on. */
static inline vf vf_load_even(const float *p)
{
    const __m512i order = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 17, 19, 21, 23, 25, 27, 29, 31);
    return _mm512_permutex2var_ps(_mm512_loadu_ps(p), order, _mm512_loadu_ps(p + 15));
}

static inline void vf_store_f16(uint16_t *p, vf v)
{
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

static inline vf vf_load_bf16(const uint16_t *p)
{
    __m512i bits = _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p)), 16);
    vf v = _mm512_castsi512_ps(bits);
    __mmask16 is_nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    return _mm512_castsi512_ps(_mm512_mask_or_epi32(bits, is_nan, bits, _mm512_set1_epi32(0x400000)));
}

static inline void vf_store_bf16(uint16_t *p, vf v)
{
    __m512i bits = _mm512_castps_si512(v), top = _mm512_srli_epi32(bits, 16);
    __m512i odd = _mm512_and_si512(top, _mm512_set1_epi32(1));
    __m512i carry = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF));
    __m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(bits, carry), 16);
    __mmask16 is_nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    __m512i all = _mm512_mask_or_epi32(rounded, is_nan, top, _mm512_set1_epi32(0x40));
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(all));
}

static inline vf vf_count_zeros(vf count, vf v)
{
    return _mm512_mask_add_ps(count, _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_EQ_OQ), count,
                              _mm512_set1_ps(1.0f));
}

static inline vf vf_select_nan(vf a, vf yes, vf no)
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), no, yes);
}

static inline float vf_sum(vf v)
{
    return _mm512_reduce_add_ps(v);
}

static inline void vf_sum_4(const vf v[4], float sums[4])
{
    __m128 four[4];
    for (int i = 0; i < 4; i++) {
        __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(v[i]), _mm512_extractf32x8_ps(v[i], 1));
        four[i] = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    }
    _MM_TRANSPOSE4_PS(four[0], four[1], four[2], four[3]);
    _mm_storeu_ps(sums, _mm_add_ps(_mm_add_ps(four[0], four[2]), _mm_add_ps(four[1], four[3])));
}

static inline float vf_max_lane(vf v)
{
    return _mm512_reduce_max_ps(v);
}

static inline __mmask16 vf_first(size_t n)
{
    return (__mmask16)((1u << n) - 1);
}

static inline vf vf_load_n(const float *p, size_t n)
{
    return _mm512_maskz_loadu_ps(vf_first(n), p);
}

static inline void vf_store_n(float *p, vf v, size_t n)
{
    _mm512_mask_storeu_ps(p, vf_first(n), v);
}

/* Bits 0 .. n - 1, for any n. */
static inline uint32_t vf_bits_below(ptrdiff_t n)
{
    return n <= 0 ? 0 : n >= 16 ? 0xFFFF : (1u << n) - 1;
}

typedef __mmask16 vf_mask;

static inline vf_mask vf_lanes(ptrdiff_t begin, ptrdiff_t end)
{
    return (__mmask16)(vf_bits_below(end) & ~vf_bits_below(begin));
}

static inline vf vf_load_lanes(const float *p, vf_mask lanes, vf other)
{
    return _mm512_mask_loadu_ps(other, lanes, p);
}

static inline vf vf_even(vf a, vf b)
{
    const __m512i order = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    return _mm512_permutex2var_ps(a, order, b);
}

static inline vf vf_after(vf a, vf b)
{
    return _mm512_castsi512_ps(_mm512_alignr_epi32(_mm512_castps_si512(b), _mm512_castps_si512(a), 15));
}

static inline vf vf_before(vf a, vf b)
{
    return _mm512_castsi512_ps(_mm512_alignr_epi32(_mm512_castps_si512(b), _mm512_castps_si512(a), 1));
}

static inline vf vf_of_sums(const int32_t *sums, const uint32_t *less, uint32_t plus)
{
    __m512i v = _mm512_add_epi32(_mm512_loadu_si512(sums), _mm512_set1_epi32((int32_t)plus));
    return _mm512_cvtepi32_ps(less ? _mm512_sub_epi32(v, _mm512_loadu_si512(less)) : v);
}

#define VF_BYTES_OF_SUMS
/* y[i] = (sums[i] - less[i] + plus) * scale, rounded, + zero, saturated to bytes, for 4 vectors of sums;
   |scale| < 1. Returns whether an error of `off` could change the rounding of any of them. */
static inline bool vf_bytes_of_sums(const int32_t *sums, const uint32_t *less, uint32_t plus, float scale,
                                    float off, int32_t zero, bool is_signed, uint8_t *y)
{
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    __m512 by = _mm512_set1_ps(scale), below = _mm512_set1_ps(-off), above = _mm512_set1_ps(off);
    __m512i whole[4], doubt = _mm512_setzero_si512(), to = _mm512_set1_epi16((int16_t)zero);
    for (int i = 0; i < 4; i++) {
        vf v = vf_of_sums(sums + 16 * i, less ? less + 16 * i : NULL, plus);
        whole[i] = _mm512_cvtps_epi32(_mm512_fmadd_ps(v, by, below));
        __m512i other = _mm512_cvtps_epi32(_mm512_fmadd_ps(v, by, above));
        doubt = _mm512_ternarylogic_epi32(doubt, whole[i], other, 0xf6); /* doubt | (whole ^ other) */
    }
    __m512i low = _mm512_adds_epi16(_mm512_packs_epi32(whole[0], whole[1]), to);
    __m512i high = _mm512_adds_epi16(_mm512_packs_epi32(whole[2], whole[3]), to);
    __m512i bytes = is_signed ? _mm512_packs_epi16(low, high) : _mm512_packus_epi16(low, high);
    _mm512_storeu_si512(y, _mm512_permutexvar_epi32(order, bytes));
    return _mm512_test_epi32_mask(doubt, doubt) != 0;
}

/* From a table; the permutation uses the low four bits of each index. */
static inline vf vf_load_s4(const int8_t *p, vf *high)
{
    const __m512 table = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, -8, -7, -6, -5, -4, -3, -2, -1);
    __m512i both = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
    *high = _mm512_permutexvar_ps(_mm512_srli_epi32(both, 4), table);
    return _mm512_permutexvar_ps(both, table);
}

/* The float16 at p, at any alignment, in every lane. */
static inline vf vf_set1_f16(const void *p)
{
    int16_t bits;
    memcpy(&bits, p, sizeof bits);
    return _mm512_cvtph_ps(_mm256_set1_epi16(bits));
}

static inline vf vf_load_u4(const uint8_t *p, vf *high)
{
    const __m512 table = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m512i both = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
    *high = _mm512_permutexvar_ps(_mm512_srli_epi32(both, 4), table);
    return _mm512_permutexvar_ps(both, table);
}

/* What codes of four bits stand for: d * codes[i] + offset; codes NULL: i. */
typedef vf vf_codes;
static inline vf_codes vf_codes_of(const int8_t codes[16], vf d, vf offset)
{
    const __m512 plain = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return _mm512_fmadd_ps(d, codes ? vf_load_s8(codes) : plain, offset);
}

/* 16 bytes: 16 codes in their low halves, as of_low says, and 16 in the high ones. low, high: 16 floats. */
static inline void vf_load_codes(const uint8_t *p, const vf_codes *of_low, const vf_codes *of_high, vf *low,
                                 vf *high)
{
    __m512i both = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
    *low = _mm512_permutexvar_ps(both, *of_low);
    *high = _mm512_permutexvar_ps(_mm512_srli_epi32(both, 4), *of_high);
}

/* Lanes below every denormal are not computed: underflow takes some processors 100 cycles and more. */
static inline vf vf_scale(vf v, vf n)
{
    return _mm512_maskz_scalef_ps(_mm512_cmp_ps_mask(n, _mm512_set1_ps(-151.0f), _CMP_NLE_UQ), v, n);
}

static inline vf vf_split(vf v, vf *n)
{
    vf exponent = _mm512_getexp_ps(v), one = _mm512_set1_ps(1.0f);
    vf m = _mm512_getmant_ps(v, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_nan); /* NaN below 0; 1 for 0 and inf */
    __mmask16 above = _mm512_cmp_ps_mask(m, _mm512_set1_ps(1.41421354f), _CMP_GT_OQ);
    *n = _mm512_mask_add_ps(exponent, above, exponent, one);
    return _mm512_mask_mul_ps(m, above, m, _mm512_set1_ps(0.5f));
}

static inline bool vf_any_less(vf a, vf b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ) != 0;
}

static inline void vf_transpose(vf v[VF_LANES])
{
    __m512 t[16], u[16];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps(v[i], v[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(v[i], v[i + 1]);
    }
    for (int i = 0; i < 16; i += 4)
        for (int j = 0; j < 2; j++) { /* u[i + c]: columns c, c + 4, c + 8, c + 12 of rows i to i + 3 */
            u[i + 2 * j] = _mm512_shuffle_ps(t[i + j], t[i + j + 2], 0x44);
            u[i + 2 * j + 1] = _mm512_shuffle_ps(t[i + j], t[i + j + 2], 0xEE);
        }
    for (int c = 0; c < 4; c++) {
        __m512 even = _mm512_shuffle_f32x4(u[c], u[c + 4], 0x88);
        __m512 even_2 = _mm512_shuffle_f32x4(u[c + 8], u[c + 12], 0x88);
        __m512 odd = _mm512_shuffle_f32x4(u[c], u[c + 4], 0xDD);
        __m512 odd_2 = _mm512_shuffle_f32x4(u[c + 8], u[c + 12], 0xDD);
        v[c] = _mm512_shuffle_f32x4(even, even_2, 0x88);
        v[c + 4] = _mm512_shuffle_f32x4(odd, odd_2, 0x88);
        v[c + 8] = _mm512_shuffle_f32x4(even, even_2, 0xDD);
        v[c + 12] = _mm512_shuffle_f32x4(odd, odd_2, 0xDD);
    }
}

static inline void vf_store_s8(int8_t *p, vf v)
{
    _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(v)));
}

static inline void vf_store_u8(uint8_t *p, vf v)
{
    vf_store_s8((int8_t *)p, v);
}

static inline void vf_transpose_rows(const float *const rows[VF_LANES], size_t at, float *dst, size_t step)
{
    /* a[i]: rows i, i + 4, i + 8 and i + 12, four columns each */
    __m512 a[4], b[4];
    for (int quarter = 0; quarter < 4; quarter++) {
        const size_t column = at + 4 * (size_t)quarter;
        for (int i = 0; i < 4; i++) {
            a[i] = _mm512_castps128_ps512(_mm_loadu_ps(rows[i] + column));
            a[i] = _mm512_insertf32x4(a[i], _mm_loadu_ps(rows[i + 4] + column), 1);
            a[i] = _mm512_insertf32x4(a[i], _mm_loadu_ps(rows[i + 8] + column), 2);
            a[i] = _mm512_insertf32x4(a[i], _mm_loadu_ps(rows[i + 12] + column), 3);
        }
        b[0] = _mm512_unpacklo_ps(a[0], a[1]);
        b[1] = _mm512_unpackhi_ps(a[0], a[1]);
        b[2] = _mm512_unpacklo_ps(a[2], a[3]);
        b[3] = _mm512_unpackhi_ps(a[2], a[3]);
        float *d = dst + 4 * (size_t)quarter * step;
        vf_store(d, _mm512_shuffle_ps(b[0], b[2], 0x44));
        vf_store(d + step, _mm512_shuffle_ps(b[0], b[2], 0xee));
        vf_store(d + 2 * step, _mm512_shuffle_ps(b[1], b[3], 0x44));
        vf_store(d + 3 * step, _mm512_shuffle_ps(b[1], b[3], 0xee));
    }
}

static inline vf vf_pick(const float *p, const int32_t *index)
{
    return _mm512_permutexvar_ps(_mm512_loadu_si512(index), _mm512_loadu_ps(p));
}

/* Loads one by one: gathers are no faster on any machine, and much slower on some. */
static inline vf vf_take(const float *p, const int32_t *index)
{
    return _mm512_setr_ps(p[index[0]], p[index[1]], p[index[2]], p[index[3]], p[index[4]], p[index[5]],
                          p[index[6]], p[index[7]], p[index[8]], p[index[9]], p[index[10]], p[index[11]],
                          p[index[12]], p[index[13]], p[index[14]], p[index[15]]);
}

#endif
