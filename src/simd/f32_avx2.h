/* AVX2, FMA and F16C: 16 registers of eight floats. */
#ifndef SIMD_F32_AVX2_H
#define SIMD_F32_AVX2_H

#include "simd/x86_avx2.h"

typedef __m256 vf;
#define VF_LANES 8

#include "simd/f32_x86.h"

static inline vf vf_select_less(vf a, vf b, vf yes, vf no)
{
    return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}

/* The second load begins one element early, so that p[2 * 8 - 2] is the last that is read. */
static inline vf vf_load_even(const float *p)
{
    vf low = _mm256_loadu_ps(p), high = _mm256_loadu_ps(p + 7);
    vf mixed = _mm256_shuffle_ps(low, high, _MM_SHUFFLE(3, 1, 2, 0)); /* 0 2 8 10 | 4 6 12 14 */
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(mixed), _MM_SHUFFLE(3, 1, 2, 0)));
}

static inline void vf_store_f16(uint16_t *p, vf v)
{
    _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

/* The bit that quiets NaN where v is NaN, 0 elsewhere. */
static inline __m256i quiet_bit(vf v, int bit)
{
    __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    return _mm256_and_si256(is_nan, _mm256_set1_epi32(bit));
}

static inline vf vf_load_bf16(const uint16_t *p)
{
    __m256i bits = _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p)), 16);
    return _mm256_castsi256_ps(_mm256_or_si256(bits, quiet_bit(_mm256_castsi256_ps(bits), 0x400000)));
}

static inline void vf_store_bf16(uint16_t *p, vf v)
{
    __m256i bits = _mm256_castps_si256(v), top = _mm256_srli_epi32(bits, 16);
    __m256i odd = _mm256_and_si256(top, _mm256_set1_epi32(1));
    __m256i carry = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF));
    __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, carry), 16);
    __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    __m256i quiet = _mm256_or_si256(top, _mm256_set1_epi32(0x40));
    __m256i all = _mm256_blendv_epi8(rounded, quiet, is_nan);
    __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(all, all), _MM_SHUFFLE(3, 1, 2, 0));
    _mm_storeu_si128((__m128i *)p, _mm256_castsi256_si128(packed));
}

static inline vf vf_count_zeros(vf count, vf v)
{
    return _mm256_add_ps(
        count, _mm256_and_ps(_mm256_cmp_ps(v, _mm256_setzero_ps(), _CMP_EQ_OQ), _mm256_set1_ps(1.0f)));
}

static inline vf vf_select_nan(vf a, vf yes, vf no)
{
    return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, a, _CMP_UNORD_Q));
}

static inline float vf_sum(vf v)
{
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

static inline void vf_sum_4(const vf v[4], float sums[4])
{
    __m128 four[4];
    for (int i = 0; i < 4; i++)
        four[i] = _mm_add_ps(_mm256_castps256_ps128(v[i]), _mm256_extractf128_ps(v[i], 1));
    _MM_TRANSPOSE4_PS(four[0], four[1], four[2], four[3]);
    _mm_storeu_ps(sums, _mm_add_ps(_mm_add_ps(four[0], four[2]), _mm_add_ps(four[1], four[3])));
}

static inline float vf_max_lane(vf v)
{
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
}

static inline __m256i vf_first(size_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

static inline vf vf_load_n(const float *p, size_t n)
{
    return _mm256_maskload_ps(p, vf_first(n));
}

static inline void vf_store_n(float *p, vf v, size_t n)
{
    _mm256_maskstore_ps(p, vf_first(n), v);
}

static inline int vf_clamped(ptrdiff_t n)
{
    return n < 0 ? 0 : n > 8 ? 8 : (int)n;
}

typedef __m256i vf_mask;

static inline vf_mask vf_lanes(ptrdiff_t begin, ptrdiff_t end)
{
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256i below = _mm256_cmpgt_epi32(_mm256_set1_epi32(vf_clamped(end)), lanes);
    __m256i early = _mm256_cmpgt_epi32(_mm256_set1_epi32(vf_clamped(begin)), lanes);
    return _mm256_andnot_si256(early, below);
}

static inline vf vf_load_lanes(const float *p, vf_mask lanes, vf other)
{
    return _mm256_blendv_ps(other, _mm256_maskload_ps(p, lanes), _mm256_castsi256_ps(lanes));
}

static inline vf vf_even(vf a, vf b)
{
    vf mixed = _mm256_shuffle_ps(a, b, _MM_SHUFFLE(2, 0, 2, 0)); /* 0 2 8 10 | 4 6 12 14 */
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(mixed), _MM_SHUFFLE(3, 1, 2, 0)));
}

/* Both use a vector of the high half of a and the low half of b. */
static inline vf vf_after(vf a, vf b)
{
    __m256i between = _mm256_castps_si256(_mm256_permute2f128_ps(a, b, 0x21));
    return _mm256_castsi256_ps(_mm256_alignr_epi8(_mm256_castps_si256(b), between, 12));
}

static inline vf vf_before(vf a, vf b)
{
    __m256i between = _mm256_castps_si256(_mm256_permute2f128_ps(a, b, 0x21));
    return _mm256_castsi256_ps(_mm256_alignr_epi8(between, _mm256_castps_si256(a), 4));
}

static inline vf vf_of_sums(const int32_t *sums, const uint32_t *less, uint32_t plus)
{
    __m256i v = _mm256_loadu_si256((const __m256i *)sums);
    v = _mm256_add_epi32(v, _mm256_set1_epi32((int32_t)plus));
    return _mm256_cvtepi32_ps(less ? _mm256_sub_epi32(v, _mm256_loadu_si256((const __m256i *)less)) : v);
}

#define VF_BYTES_OF_SUMS
/* y[i] = (sums[i] - less[i] + plus) * scale, rounded, + zero, saturated to bytes, for 4 vectors of sums;
   |scale| < 1. Returns whether an error of `off` could change the rounding of any of them. */
static inline bool vf_bytes_of_sums(const int32_t *sums, const uint32_t *less, uint32_t plus, float scale,
                                    float off, int32_t zero, bool is_signed, uint8_t *y)
{
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    __m256 by = _mm256_set1_ps(scale), below = _mm256_set1_ps(-off), above = _mm256_set1_ps(off);
    __m256i whole[4], doubt = _mm256_setzero_si256(), to = _mm256_set1_epi16((int16_t)zero);
    for (int i = 0; i < 4; i++) {
        vf v = vf_of_sums(sums + 8 * i, less ? less + 8 * i : NULL, plus);
        whole[i] = _mm256_cvtps_epi32(_mm256_fmadd_ps(v, by, below));
        __m256i other = _mm256_cvtps_epi32(_mm256_fmadd_ps(v, by, above));
        doubt = _mm256_or_si256(doubt, _mm256_xor_si256(whole[i], other));
    }
    __m256i low = _mm256_adds_epi16(_mm256_packs_epi32(whole[0], whole[1]), to);
    __m256i high = _mm256_adds_epi16(_mm256_packs_epi32(whole[2], whole[3]), to);
    __m256i bytes = is_signed ? _mm256_packs_epi16(low, high) : _mm256_packus_epi16(low, high);
    _mm256_storeu_si256((__m256i *)y, _mm256_permutevar8x32_epi32(bytes, order));
    return !_mm256_testz_si256(doubt, doubt);
}

static inline vf vf_load_s4(const int8_t *p, vf *high)
{
    __m256i both = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p));
    *high = _mm256_cvtepi32_ps(_mm256_srai_epi32(both, 4));
    return _mm256_cvtepi32_ps(_mm256_srai_epi32(_mm256_slli_epi32(both, 28), 28));
}

/* The float16 at p, at any alignment, in every lane. */
static inline vf vf_set1_f16(const void *p)
{
    int16_t bits;
    memcpy(&bits, p, sizeof bits);
    return _mm256_cvtph_ps(_mm_set1_epi16(bits));
}

static inline vf vf_load_u4(const uint8_t *p, vf *high)
{
    __m256i both = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
    *high = _mm256_cvtepi32_ps(_mm256_srli_epi32(both, 4));
    return _mm256_cvtepi32_ps(_mm256_and_si256(both, _mm256_set1_epi32(15)));
}

/* What codes of four bits stand for: d * codes[i] + offset; codes NULL: i. */
typedef struct vf_codes {
    bool plain;
    __m128i codes;
    vf d, offset;
} vf_codes;
static inline vf_codes vf_codes_of(const int8_t codes[16], vf d, vf offset)
{
    __m128i values = codes ? _mm_loadu_si128((const __m128i *)codes) : _mm_setzero_si128();
    return (vf_codes){!codes, values, d, offset};
}

/* 8 codes, in the low halves of int32 or in the low bytes of v. */
static inline vf vf_of_codes(__m256i plain, __m128i v, const vf_codes *of)
{
    __m256i numbers = of->plain ? plain : _mm256_cvtepi8_epi32(_mm_shuffle_epi8(of->codes, v));
    return _mm256_fmadd_ps(of->d, _mm256_cvtepi32_ps(numbers), of->offset);
}

/* 16 bytes: 16 codes in their low halves, as of_low says, and 16 in the high ones. low, high: 16 floats. */
static inline void vf_load_codes(const uint8_t *p, const vf_codes *of_low, const vf_codes *of_high, vf *low,
                                 vf *high)
{
    const __m128i byte = _mm_set1_epi8(15);
    for (int i = 0; i < 2; i++) {
        __m128i both = _mm_loadl_epi64((const __m128i *)(p + 8 * i));
        __m256i wide = _mm256_cvtepu8_epi32(both);
        low[i] =
            vf_of_codes(_mm256_and_si256(wide, _mm256_set1_epi32(15)), _mm_and_si128(both, byte), of_low);
        high[i] =
            vf_of_codes(_mm256_srli_epi32(wide, 4), _mm_and_si128(_mm_srli_epi16(both, 4), byte), of_high);
    }
}

/* Scales in two steps, the first of which stays normal, so underflow rounds once. Lanes below every denormal
   are 0 before: underflow takes some processors 100 cycles and more. */
static inline vf vf_scale(vf v, vf n)
{
    v = _mm256_and_ps(v, _mm256_cmp_ps(n, _mm256_set1_ps(-151.0f), _CMP_NLE_UQ));
    __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1), bias = _mm256_set1_epi32(127);
    __m256i first = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
    __m256i second = _mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(whole, half), bias), 23);
    return _mm256_mul_ps(_mm256_mul_ps(v, _mm256_castsi256_ps(first)), _mm256_castsi256_ps(second));
}

static inline vf vf_split(vf v, vf *n)
{
    const vf infinity = _mm256_set1_ps(__builtin_inff());
    vf tiny = _mm256_cmp_ps(v, _mm256_set1_ps(0x1p-126f), _CMP_LT_OQ);
    vf lifted = _mm256_blendv_ps(v, _mm256_mul_ps(v, _mm256_set1_ps(0x1p23f)), tiny);
    __m256i bits = _mm256_castps_si256(lifted), root = _mm256_set1_epi32(0x3F3504F3); /* bits of sqrt(1/2) */
    __m256i exponent = _mm256_srai_epi32(_mm256_sub_epi32(bits, root), 23);
    vf m = _mm256_castsi256_ps(_mm256_sub_epi32(bits, _mm256_slli_epi32(exponent, 23)));
    vf count = _mm256_sub_ps(_mm256_cvtepi32_ps(exponent), _mm256_and_ps(tiny, _mm256_set1_ps(23.0f)));
    vf zero = _mm256_setzero_ps(), other = _mm256_add_ps(v, infinity); /* inf; NaN where v is */
    vf none = _mm256_blendv_ps(_mm256_set1_ps(__builtin_nanf("")), _mm256_set1_ps(-__builtin_inff()),
                               _mm256_cmp_ps(v, zero, _CMP_EQ_OQ));
    count = _mm256_blendv_ps(other, count, _mm256_cmp_ps(v, infinity, _CMP_LT_OQ));
    *n = _mm256_blendv_ps(count, none, _mm256_cmp_ps(v, zero, _CMP_LE_OQ));
    return _mm256_blendv_ps(_mm256_set1_ps(1.0f), m, _mm256_cmp_ps(v, infinity, _CMP_LT_OQ));
}

static inline bool vf_any_less(vf a, vf b)
{
    return _mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_LT_OQ)) != 0;
}

static inline void vf_transpose(vf v[VF_LANES])
{
    __m256 t[8], u[8];
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(v[i], v[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(v[i], v[i + 1]);
    }
    for (int i = 0; i < 8; i += 4)
        for (int j = 0; j < 2; j++) { /* u[i + c]: columns c and c + 4 of rows i to i + 3 */
            u[i + 2 * j] = _mm256_shuffle_ps(t[i + j], t[i + j + 2], 0x44);
            u[i + 2 * j + 1] = _mm256_shuffle_ps(t[i + j], t[i + j + 2], 0xEE);
        }
    for (int c = 0; c < 4; c++) {
        v[c] = _mm256_permute2f128_ps(u[c], u[c + 4], 0x20);
        v[c + 4] = _mm256_permute2f128_ps(u[c], u[c + 4], 0x31);
    }
}

/* The low byte of each lane: first the low bytes within each half of the register, then both halves. */
static inline void vf_store_s8(int8_t *p, vf v)
{
    const __m256i low = _mm256_set1_epi64x(0x0C080400);
    __m256i bytes = _mm256_shuffle_epi8(_mm256_cvtps_epi32(v), low);
    __m128i both = _mm_unpacklo_epi32(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1));
    _mm_storel_epi64((__m128i *)p, both);
}

static inline void vf_store_u8(uint8_t *p, vf v)
{
    vf_store_s8((int8_t *)p, v);
}

static inline void vf_transpose_rows(const float *const rows[VF_LANES], size_t at, float *dst, size_t step)
{
    /* a[i]: row i and row i + 4, four columns each */
    __m256 a[4], b[4];
    for (int half = 0; half < 2; half++) {
        for (int i = 0; i < 4; i++)
            a[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(rows[i] + at + 4 * half)),
                                        _mm_loadu_ps(rows[i + 4] + at + 4 * half), 1);
        b[0] = _mm256_unpacklo_ps(a[0], a[1]);
        b[1] = _mm256_unpackhi_ps(a[0], a[1]);
        b[2] = _mm256_unpacklo_ps(a[2], a[3]);
        b[3] = _mm256_unpackhi_ps(a[2], a[3]);
        float *d = dst + (size_t)(4 * half) * step;
        vf_store(d, _mm256_shuffle_ps(b[0], b[2], 0x44));
        vf_store(d + step, _mm256_shuffle_ps(b[0], b[2], 0xee));
        vf_store(d + 2 * step, _mm256_shuffle_ps(b[1], b[3], 0x44));
        vf_store(d + 3 * step, _mm256_shuffle_ps(b[1], b[3], 0xee));
    }
}

static inline vf vf_pick(const float *p, const int32_t *index)
{
    return _mm256_permutevar8x32_ps(_mm256_loadu_ps(p), _mm256_loadu_si256((const __m256i *)index));
}

/* Loads one by one: gathers are no faster on any machine, and much slower on some. */
static inline vf vf_take(const float *p, const int32_t *index)
{
    return _mm256_setr_ps(p[index[0]], p[index[1]], p[index[2]], p[index[3]], p[index[4]], p[index[5]],
                          p[index[6]], p[index[7]]);
}

#endif
