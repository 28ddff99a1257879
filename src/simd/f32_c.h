/* Operations on a vector of floats in plain C, with one lane: each kernel/<family>/<name>.inc.h is compiled
   with them on any machine. No fused multiply-add is fast everywhere, so vf_fma rounds twice here.

   Every level's header (f32_avx2.h, f32_avx512.h, f32_neon.h) has the same operations:

       vf, VF_LANES                     a vector of floats and its number of lanes
       vf_zero() vf_set1(x) vf_load(p) vf_store(p, v)
       vf_stream(p, v)                  vf_store past the caches; p is aligned to a vector
       vf_load_n(p, n) vf_store_n(p, v, n)     the first n < VF_LANES lanes; the others are 0, and not stored
       vf_add(a, b) vf_sub(a, b) vf_mul(a, b) vf_div(a, b) vf_sqrt(v)
       vf_fma(a, b, c)                  a * b + c
       vf_broadcast(a, i)                  a[i] in every lane; a holds a multiple of VF_LANES floats
       vf_min(limit, v) vf_max(limit, v)       NaN where v is NaN
       vf_round(v) vf_floor(v) vf_ceil(v) vf_trunc(v)
       vf_abs(v) vf_copysign(size, sign)
       vf_select_less(a, b, yes, no)    a < b ? yes : no by lane
       vf_select_nan(a, yes, no)        a is NaN ? yes : no
       vf_count_zeros(count, v)         v is 0 ? count + 1 : count
       vf_power_of_2(v)                 the float whose biased exponent is the low bits of v
       vf_scale(v, n)                   v * 2^n for v in 0.5 .. 2 and an integer n in -300 .. 300, rounded once
       vf_split(v, &n)                  m from sqrt(1/2) to sqrt(2) and an integer n with m * 2^n = v > 0; for
                                        other v a finite m and n = inf, -inf (v = 0) or NaN such that log(m) +
                                        n = log(v); or m is NaN
       vf_any_less(a, b)                a < b in some lane
       vf_sum(v) vf_max_lane(v)          over the lanes, in a level-specific order; vf_max_lane: no NaN
       vf_sum_4(v, sums)                sums[i] = vf_sum(v[i]), i below 4
       vf_transpose(v)                       transposes VF_LANES vectors: v[i][j] and v[j][i] are exchanged
       vf_load_even(p)                  p[0], p[2] ... p[2 VF_LANES - 2], reading nothing beyond the last
       vf_mask vf_lanes(begin, end)     the lanes i with begin <= i < end, for any begin and end
       vf_load_lanes(p, lanes, other)   p[i] in those lanes, else other; p[i] is not read there
       vf_even(a, b)                    the lanes 0, 2, ... of a, then those of b
       vf_after(a, b) vf_before(a, b)   b shifted up a lane, lane 0 the last of a; a shifted down, the last
                                        lane the first of b
       vf_load_f16(p) vf_load_bf16(p) vf_store_f16(p, v) vf_store_bf16(p, v)      p: uint16_t
       vf_load_s8(p) vf_load_u8(p)      p: VF_LANES bytes
       vf_load_s4(p, &high)             the low and high halves of VF_LANES bytes: numbers from -8 to 7
       vf_of_sums(p, less, plus)        p[i] - less[i] + plus, mod 2^32, of int32; less may be NULL
       vf_store_s8(p, v) vf_store_u8(p, v)     integers within the range of the type
       vf_pick(p, index) vf_take(p, index)     p[index[i]] by lane; vf_pick: index within the vector at p

   The vector levels also have these, which lanes_c.inc.h defines for any number of lanes:

       vf_fms(a, b, c) vf_fnma(a, b, c)        a * b - c, c - a * b
       vf_exponent(x, &m)               e with x = 2^e m and sqrt(1/2) <= m < sqrt(2), of positive normal x
       vf_set1_f16(p)                   the float16 at p, at any alignment, in every lane
       vf_codes_of(codes, d, offset), vf_load_codes(p, &of_low, &of_high, low, high)
                                        weights of 16 bytes with a code of four bits in each half
       vf_load_u4(p, &high)             the low and high halves of VF_LANES bytes: numbers from 0 to 15
       vf_transpose_rows(rows, at, dst, step)  dst[n * step + i] = rows[i][at + n], i and n below VF_LANES

   (16-bit floats are not here: kernel_c.c has them in plain C.) */
#ifndef SIMD_F32_C_H
#define SIMD_F32_C_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef float vf;
#define VF_LANES 1

static inline vf vf_zero(void)
{
    return 0.0f;
}

static inline vf vf_set1(float x)
{
    return x;
}

static inline vf vf_broadcast(const float *a, int i)
{
    return a[i];
}

static inline vf vf_load(const float *p)
{
    return *p;
}

static inline void vf_store(float *p, vf v)
{
    *p = v;
}

static inline void vf_stream(float *p, vf v)
{
    *p = v;
}

static inline vf vf_load_n(const float *p, size_t n)
{
    return n ? *p : 0.0f;
}

static inline void vf_store_n(float *p, vf v, size_t n)
{
    if (n)
        *p = v;
}

static inline vf vf_add(vf a, vf b)
{
    return a + b;
}

static inline vf vf_sub(vf a, vf b)
{
    return a - b;
}

static inline vf vf_mul(vf a, vf b)
{
    return a * b;
}

static inline vf vf_div(vf a, vf b)
{
    return a / b;
}

static inline vf vf_sqrt(vf v)
{
    return sqrtf(v);
}

static inline vf vf_fma(vf a, vf b, vf c)
{
    return a * b + c;
}

static inline vf vf_min(vf limit, vf v)
{
    return limit < v ? limit : v;
}

static inline vf vf_max(vf limit, vf v)
{
    return limit > v ? limit : v;
}

static inline vf vf_round(vf v)
{
    return nearbyintf(v);
}

static inline vf vf_floor(vf v)
{
    return floorf(v);
}

static inline vf vf_ceil(vf v)
{
    return ceilf(v);
}

static inline vf vf_trunc(vf v)
{
    return truncf(v);
}

static inline vf vf_abs(vf v)
{
    return fabsf(v);
}

static inline vf vf_copysign(vf size, vf sign)
{
    return copysignf(size, sign);
}

static inline vf vf_select_less(vf a, vf b, vf yes, vf no)
{
    return a < b ? yes : no;
}

static inline vf vf_count_zeros(vf count, vf v)
{
    return count + (v == 0.0f ? 1.0f : 0.0f);
}

static inline vf vf_select_nan(vf a, vf yes, vf no)
{
    return a != a ? yes : no;
}

static inline vf vf_power_of_2(vf v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    bits = (bits + 127) << 23;
    memcpy(&v, &bits, sizeof bits);
    return v;
}

static inline float vf_sum(vf v)
{
    return v;
}

static inline void vf_sum_4(const vf v[4], float sums[4])
{
    memcpy(sums, v, 4 * sizeof *sums);
}

static inline float vf_max_lane(vf v)
{
    return v;
}

static inline vf vf_load_even(const float *p)
{
    return *p;
}

typedef bool vf_mask;

static inline vf_mask vf_lanes(ptrdiff_t begin, ptrdiff_t end)
{
    return begin <= 0 && end > 0;
}

static inline vf vf_load_lanes(const float *p, vf_mask lanes, vf other)
{
    return lanes ? *p : other;
}

static inline vf vf_even(vf a, vf b)
{
    (void)b;
    return a;
}

static inline vf vf_after(vf a, vf b)
{
    (void)b;
    return a;
}

static inline vf vf_before(vf a, vf b)
{
    (void)a;
    return b;
}

static inline vf vf_load_s8(const int8_t *p)
{
    return *p;
}

static inline vf vf_load_u8(const uint8_t *p)
{
    return *p;
}

static inline vf vf_of_sums(const int32_t *sums, const uint32_t *less, uint32_t plus)
{
    return (vf)(int32_t)((uint32_t)*sums - (less ? *less : 0) + plus);
}

static inline vf vf_load_s4(const int8_t *p, vf *high)
{
    *high = (vf)(((*p >> 4 & 15) ^ 8) - 8);
    return (vf)(((*p & 15) ^ 8) - 8);
}

static inline vf vf_scale(vf v, vf n)
{
    return ldexpf(v, (int)n);
}

static inline vf vf_split(vf v, vf *n)
{
    int exponent = 0;
    vf m = v > 0.0f && v < INFINITY ? frexpf(v, &exponent) * 2.0f : 1.0f;
    *n = v > 0.0f ? (v < INFINITY ? (vf)(exponent - 1) : v) : v == 0.0f ? -INFINITY : NAN;
    if (m > 1.41421354f) {
        m *= 0.5f;
        *n += 1.0f;
    }
    return m;
}

static inline bool vf_any_less(vf a, vf b)
{
    return a < b;
}

static inline void vf_transpose(vf v[VF_LANES])
{
    (void)v;
}

static inline void vf_store_s8(int8_t *p, vf v)
{
    *p = (int8_t)v;
}

static inline void vf_store_u8(uint8_t *p, vf v)
{
    *p = (uint8_t)v;
}

static inline vf vf_pick(const float *p, const int32_t *index)
{
    return p[*index];
}

static inline vf vf_take(const float *p, const int32_t *index)
{
    return p[*index];
}

#endif
