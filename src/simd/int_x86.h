/* Vectors of int32 and of bytes that AVX2 and AVX-512 have alike. */
#ifndef SIMD_INT_X86_H
#define SIMD_INT_X86_H

/* ---- Products of bytes: gemm_int.inc.h and bytes.inc.h define the operations ---- */

static inline vi vi_zero(void)
{
    return X86_SI(setzero)();
}

#if defined(X86_DPBUSD) /* multiplies bytes and adds four products */
#define VI_GROUP   4
#define VI_ELEMENT 1

static inline vi vi_left(const char *a)
{
    int32_t four;
    memcpy(&four, a, sizeof four);
    return X86(set1_epi32)(four);
}

static inline vi vi_right(const int8_t *b)
{
    return X86_SI(loadu)((const xi *)b);
}

static inline vi vi_dot(vi sum, vi left, vi right)
{
    return X86_DPBUSD(sum, left, right);
}

/* Unsigned bytes, for vi_dot_plain, whose left operand is signed. */
static inline vi vi_plain(const uint8_t *b)
{
    return X86_SI(loadu)((const xi *)b);
}

static inline vi vi_dot_plain(vi sum, vi left, vi plain)
{
    return X86_DPBUSD(sum, plain, left);
}

/* Widens bytes to int32. */
static inline vi vi_widened(const uint8_t *p)
{
    return X86(cvtepu8_epi32)(x86_quarter(p));
}

#define VI_JOIN VI_LANES
static inline void vi_join(const uint8_t *const *rows, size_t l, int32_t flip, uint8_t *dst)
{
    vi a = X86_SI(or)(vi_widened(rows[0] + l), X86(slli_epi32)(vi_widened(rows[1] + l), 8));
    vi b = X86_SI(or)(vi_widened(rows[2] + l), X86(slli_epi32)(vi_widened(rows[3] + l), 8));
    a = X86_SI(or)(a, X86(slli_epi32)(b, 16));
    X86_SI(storeu)((xi *)dst, X86_SI(xor)(a, X86(set1_epi32)(flip)));
}

#else /* multiplies 16-bit numbers and adds two */
#define VI_GROUP   2
#define VI_ELEMENT 2

static inline vi vi_left(const char *a)
{
    int32_t two;
    memcpy(&two, a, sizeof two);
    return X86(set1_epi32)(two);
}

static inline vi vi_right(const int8_t *b)
{
    return X86(cvtepi8_epi16)(x86_half(b));
}

static inline vi vi_dot(vi sum, vi left, vi right)
{
    return X86(add_epi32)(sum, X86(madd_epi16)(left, right));
}

/* Unsigned bytes, for vi_dot_plain. */
static inline vi vi_plain(const uint8_t *b)
{
    return X86(cvtepu8_epi16)(x86_half(b));
}

static inline vi vi_dot_plain(vi sum, vi left, vi plain)
{
    return vi_dot(sum, left, plain);
}

#define VI_JOIN 16
static inline void vi_join(const uint8_t *const *rows, size_t l, int32_t flip, uint8_t *dst)
{
    __m256i a = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(rows[0] + l)));
    __m256i b = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(rows[1] + l)));
    a = _mm256_or_si256(a, _mm256_slli_epi16(b, 8));
    _mm256_storeu_si256((__m256i *)dst, _mm256_xor_si256(a, _mm256_set1_epi32(flip)));
}

#endif

static inline vi vi_bytes(uint8_t b)
{
    return X86(set1_epi8)((char)b);
}

static inline vi vi_xor(vi a, vi b)
{
    return X86_SI(xor)(a, b);
}

static inline vi vi_taps(vi row, vi pattern)
{
    return X86(shuffle_epi8)(row, pattern);
}

static inline void vi_store(int32_t *p, vi v)
{
    X86_SI(storeu)((xi *)p, v);
}

/* ---- int32, and their halves as doubles: tile/lanes.inc.h defines the operations ---- */

#define vi_shl(a, n) X86(slli_epi32)(a, n)
#define vi_shr(a, n) X86(srai_epi32)(a, n)

static inline vi vi_load(const int32_t *p)
{
    return X86_SI(loadu)((const xi *)p);
}

static inline vi vi_set1(int32_t x)
{
    return X86(set1_epi32)(x);
}

static inline vi vi_add(vi a, vi b)
{
    return X86(add_epi32)(a, b);
}

static inline vi vi_sub(vi a, vi b)
{
    return X86(sub_epi32)(a, b);
}

static inline vi vi_and(vi a, vi b)
{
    return X86_SI(and)(a, b);
}

static inline vi vi_max(vi a, vi b)
{
    return X86(max_epi32)(a, b);
}

static inline vi vi_abs(vi a)
{
    return X86(abs_epi32)(a);
}

static inline vi vi_mul(vi a, vi b)
{
    return X86(mullo_epi32)(a, b);
}

static inline vi vi_madd(vi a, vi b)
{
    return X86(madd_epi16)(a, b);
}

static inline vi vi_shlv(vi a, vi n)
{
    return X86(sllv_epi32)(a, n);
}

static inline vi vi_shrv(vi a, vi n)
{
    return X86(srav_epi32)(a, n);
}

static inline vi vi_mul_q31(vi a, vi c)
{
    const xi even = X86(mul_epi32)(a, c), odd = X86(mul_epi32)(X86(srli_epi64)(a, 32), c);
    return vi_odd(X86(srli_epi64)(even, 31), X86(slli_epi64)(odd, 1));
}

/* Products of the even lanes, and of the odd ones shifted down; the sums' bits 31 to 62. */
static inline vi vi_dot_q31(vi a, vi c, vi b, vi d)
{
    const xi even = X86(add_epi64)(X86(mul_epi32)(a, c), X86(mul_epi32)(b, d));
    const xi odd =
        X86(add_epi64)(X86(mul_epi32)(X86(srli_epi64)(a, 32), c), X86(mul_epi32)(X86(srli_epi64)(b, 32), d));
    return vi_odd(X86(srli_epi64)(even, 31), X86(slli_epi64)(odd, 1));
}

/* ---- Bytes as items in pieces of 16: kernel/layout/layout.inc.h defines the operations ---- */

static inline void vb_store(char *p, vb v)
{
    X86_SI(storeu)((xi *)p, v);
}

/* Copies a vector past the caches; p is aligned to it. */
static inline void vb_stream(char *p, const char *from)
{
    X86_SI(stream)((xi *)p, X86_SI(loadu)((const xi *)from));
}

static inline void vb_stream_end(void)
{
    _mm_sfence();
}

static inline vb vb_lo_1(vb a, vb b)
{
    return X86(unpacklo_epi8)(a, b);
}

static inline vb vb_hi_1(vb a, vb b)
{
    return X86(unpackhi_epi8)(a, b);
}

static inline vb vb_lo_2(vb a, vb b)
{
    return X86(unpacklo_epi16)(a, b);
}

static inline vb vb_hi_2(vb a, vb b)
{
    return X86(unpackhi_epi16)(a, b);
}

static inline vb vb_lo_4(vb a, vb b)
{
    return X86(unpacklo_epi32)(a, b);
}

static inline vb vb_hi_4(vb a, vb b)
{
    return X86(unpackhi_epi32)(a, b);
}

static inline vb vb_lo_8(vb a, vb b)
{
    return X86(unpacklo_epi64)(a, b);
}

static inline vb vb_hi_8(vb a, vb b)
{
    return X86(unpackhi_epi64)(a, b);
}

#endif
