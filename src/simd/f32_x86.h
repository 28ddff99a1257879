/* Vectors of floats that AVX2 and AVX-512 have alike. */
#ifndef SIMD_F32_X86_H
#define SIMD_F32_X86_H

static inline vf vf_zero(void)
{
    return X86(setzero_ps)();
}

static inline vf vf_set1(float x)
{
    return X86(set1_ps)(x);
}

static inline vf vf_broadcast(const float *a, int i)
{
    return vf_set1(a[i]);
}

static inline vf vf_load(const float *p)
{
    return X86(loadu_ps)(p);
}

static inline void vf_store(float *p, vf v)
{
    X86(storeu_ps)(p, v);
}

static inline void vf_stream(float *p, vf v)
{
    X86(stream_ps)(p, v);
}

static inline vf vf_add(vf a, vf b)
{
    return X86(add_ps)(a, b);
}

static inline vf vf_sub(vf a, vf b)
{
    return X86(sub_ps)(a, b);
}

static inline vf vf_mul(vf a, vf b)
{
    return X86(mul_ps)(a, b);
}

static inline vf vf_div(vf a, vf b)
{
    return X86(div_ps)(a, b);
}

static inline vf vf_fma(vf a, vf b, vf c)
{
    return X86(fmadd_ps)(a, b, c);
}

/* The instruction returns its second operand where either is NaN. */
static inline vf vf_min(vf limit, vf v)
{
    return X86(min_ps)(limit, v);
}

static inline vf vf_abs(vf v)
{
    return X86(andnot_ps)(X86(set1_ps)(-0.0f), v);
}

static inline vf vf_copysign(vf size, vf sign)
{
    return X86(or_ps)(size, X86(and_ps)(X86(set1_ps)(-0.0f), sign));
}

static inline vf vf_power_of_2(vf v)
{
    xi biased = X86(add_epi32)(X86_SI(castps)(v), X86(set1_epi32)(127));
    return X86_PS(X86(slli_epi32)(biased, 23));
}

static inline vf vf_load_f16(const uint16_t *p)
{
    return X86(cvtph_ps)(x86_half(p));
}

/* The instruction returns its second operand where either is NaN. */
static inline vf vf_max(vf limit, vf v)
{
    return X86(max_ps)(limit, v);
}

static inline vf vf_sqrt(vf v)
{
    return X86(sqrt_ps)(v);
}

static inline vf vf_round(vf v)
{
    return X86_ROUND(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

static inline vf vf_floor(vf v)
{
    return X86_ROUND(v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}

static inline vf vf_ceil(vf v)
{
    return X86_ROUND(v, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC);
}

static inline vf vf_trunc(vf v)
{
    return X86_ROUND(v, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
}

static inline vf vf_load_s8(const int8_t *p)
{
    return X86(cvtepi32_ps)(X86(cvtepi8_epi32)(x86_quarter(p)));
}

static inline vf vf_load_u8(const uint8_t *p)
{
    return X86(cvtepi32_ps)(X86(cvtepu8_epi32)(x86_quarter(p)));
}

static inline vf vf_fms(vf a, vf b, vf c)
{
    return X86(fmsub_ps)(a, b, c);
}

static inline vf vf_fnma(vf a, vf b, vf c)
{
    return X86(fnmadd_ps)(a, b, c);
}

static inline vf vf_exponent(vf x, vf *m)
{
    const xi sqrt_half = X86(set1_epi32)(0x3f3504f3);
    xi above = X86(sub_epi32)(X86_SI(castps)(x), sqrt_half);
    xi mantissa = X86(add_epi32)(X86_SI(and)(above, X86(set1_epi32)(0x7fffff)), sqrt_half);
    *m = X86_PS(mantissa);
    return X86(cvtepi32_ps)(X86(srai_epi32)(above, 23));
}

#endif
