/* Vectors of doubles that AVX2 and AVX-512 have alike. */
#ifndef SIMD_F64_X86_H
#define SIMD_F64_X86_H

static inline vd vd_load(const double *p)
{
    return X86(loadu_pd)(p);
}

static inline void vd_store(double *p, vd a)
{
    X86(store_pd)(p, a);
}

static inline vd vd_set1(double x)
{
    return X86(set1_pd)(x);
}

static inline vd vd_add(vd a, vd b)
{
    return X86(add_pd)(a, b);
}

static inline vd vd_sub(vd a, vd b)
{
    return X86(sub_pd)(a, b);
}

static inline vd vd_mul(vd a, vd b)
{
    return X86(mul_pd)(a, b);
}

static inline vd vd_fma(vd a, vd b, vd c)
{
    return X86(fmadd_pd)(a, b, c);
}

static inline vd vd_fms(vd a, vd b, vd c)
{
    return X86(fmsub_pd)(a, b, c);
}

static inline vd vd_fnma(vd a, vd b, vd c)
{
    return X86(fnmadd_pd)(a, b, c);
}

static inline vd vd_max(vd a, vd b)
{
    return X86(max_pd)(a, b);
}

static inline vd vd_min(vd a, vd b)
{
    return X86(min_pd)(a, b);
}

static inline vd vd_sqrt(vd a)
{
    return X86(sqrt_pd)(a);
}

#endif
