/* The definition of every element type of at most 16 bits, independent of the library: values by ldexp,
   rounding by search in the sorted list of all values. */
#ifndef TESTS_TENSOR_REFERENCE_H
#define TESTS_TENSOR_REFERENCE_H

#include "support.h"

static const sib_dtype small_floats[] = {SIB_F16,    SIB_BF16,       SIB_F8E4M3FN, SIB_F8E4M3FNUZ,
                                         SIB_F8E5M2, SIB_F8E5M2FNUZ, SIB_F4E2M1,   SIB_F8E8M0};
#define N_SMALL_FLOATS (sizeof small_floats / sizeof *small_floats)

static const sib_dtype small_dtypes[] = {SIB_F16,        SIB_BF16,   SIB_F8E4M3FN, SIB_F8E4M3FNUZ, SIB_F8E5M2,
                                         SIB_F8E5M2FNUZ, SIB_F4E2M1, SIB_F8E8M0,   SIB_BOOL,       SIB_U8,
                                         SIB_I8,         SIB_U16,    SIB_I16,      SIB_U4,         SIB_I4,
                                         SIB_U2,         SIB_I2};
#define N_SMALL_DTYPES (sizeof small_dtypes / sizeof *small_dtypes)

/* Codes of a small type; only 0 and 1 are a bool. */
static inline size_t ref_codes(sib_dtype d)
{
    return d == SIB_BOOL ? 2 : (size_t)1 << sib_dtype_bits(d);
}

/* A value from its sign, exponent and mantissa bits. */
static inline double ref_fields(unsigned code, unsigned exponent_bits, unsigned mantissa_bits, int bias)
{
    unsigned mantissa = code & ((1u << mantissa_bits) - 1);
    unsigned exponent = code >> mantissa_bits & ((1u << exponent_bits) - 1);
    double sign = code >> (exponent_bits + mantissa_bits) & 1 ? -1 : 1;
    if (exponent == 0)
        return sign * ldexp(mantissa, 1 - bias - (int)mantissa_bits);
    return sign * ldexp(1 + ldexp(mantissa, -(int)mantissa_bits), (int)exponent - bias);
}

/* The value of a code of a small type. */
static inline double ref_value(sib_dtype d, unsigned code)
{
    double infinity = code >> (sib_dtype_bits(d) - 1) ? -(double)INFINITY : (double)INFINITY;
    switch (d) {
    case SIB_F16:
        if ((code & 0x7C00) == 0x7C00)
            return code & 0x3FF ? (double)NAN : infinity;
        return ref_fields(code, 5, 10, 15);
    case SIB_BF16:
        if ((code & 0x7F80) == 0x7F80)
            return code & 0x7F ? (double)NAN : infinity;
        return ref_fields(code, 8, 7, 127);
    case SIB_F8E4M3FN:
        return (code & 0x7F) == 0x7F ? (double)NAN : ref_fields(code, 4, 3, 7);
    case SIB_F8E4M3FNUZ:
        return code == 0x80 ? (double)NAN : ref_fields(code, 4, 3, 8);
    case SIB_F8E5M2:
        if ((code & 0x7C) == 0x7C)
            return code & 3 ? (double)NAN : infinity;
        return ref_fields(code, 5, 2, 15);
    case SIB_F8E5M2FNUZ:
        return code == 0x80 ? (double)NAN : ref_fields(code, 5, 2, 16);
    case SIB_F4E2M1: {
        static const double values[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6};
        return values[code];
    }
    case SIB_F8E8M0:
        return code == 0xFF ? (double)NAN : ldexp(1, (int)code - 127);
    case SIB_I8:
    case SIB_I16:
    case SIB_I4:
    case SIB_I2: {
        int half = 1 << (sib_dtype_bits(d) - 1);
        return (int)code >= half ? (int)code - 2 * half : (int)code;
    }
    default:
        return code;
    }
}

/* The nonnegative finite values of a float in order, and the one that would follow: (n + 1), returns n. Codes
   of these are in order, so value i has code i. */
static inline size_t ref_ladder(sib_dtype d, double *values)
{
    size_t n = 0, half = ref_codes(d) / 2;
    for (unsigned code = 0; code < half && isfinite(ref_value(d, code)); code++)
        values[n++] = ref_value(d, code);
    values[n] = values[n - 1] + (values[n - 1] - values[n - 2]);
    return n;
}

typedef struct ref_float {
    sib_dtype dtype;
    size_t n;
    double ladder[32769]; /* (n + 1) */
} ref_float;

static inline void ref_float_init(ref_float *r, sib_dtype d)
{
    r->dtype = d;
    r->n = d == SIB_F8E8M0 ? 0 : ref_ladder(d, r->ladder);
}

/* float8e8m0 of x: the smallest power of two that is not less. */
static inline unsigned ref_encode_e8m0(double x, sib_overflow overflow)
{
    bool clamp = overflow == SIB_OVERFLOW_SATURATE;
    if (isnan(x))
        return 0xFF;
    if (x < ldexp(1, -127))
        return clamp ? 0 : 0xFF;
    for (unsigned code = 0; code < 0xFF; code++)
        if (ldexp(1, (int)code - 127) >= x)
            return code;
    return clamp ? 0xFE : 0xFF;
}

/* Code without sign for a magnitude out of range. */
static inline unsigned ref_overflow(sib_dtype d, sib_overflow overflow)
{
    bool clamp = overflow == SIB_OVERFLOW_SATURATE;
    switch (d) {
    case SIB_F16:
        return 0x7C00;
    case SIB_BF16:
        return 0x7F80;
    case SIB_F8E4M3FN:
        return clamp ? 0x7E : 0x7F;
    case SIB_F8E5M2:
        return clamp ? 0x7B : 0x7C;
    case SIB_F4E2M1:
        return 7;
    default: /* fnuz */
        return clamp ? 0x7F : 0x80;
    }
}

/* Expected code of x; any NaN is right for a type that has several, see ref_matches. */
static inline unsigned ref_encode_float(const ref_float *r, double x, sib_overflow overflow)
{
    if (r->dtype == SIB_F8E8M0)
        return ref_encode_e8m0(x, overflow);
    unsigned sign_bit = 1u << (sib_dtype_bits(r->dtype) - 1), code;
    bool unsigned_zero = r->dtype == SIB_F8E4M3FNUZ || r->dtype == SIB_F8E5M2FNUZ;
    double a = fabs(x);
    if (isnan(x))
        return sign_bit; /* NaN of fnuz, and -0 of float4e2m1; ignored for others */
    if (a >= r->ladder[r->n]) {
        code = ref_overflow(r->dtype, overflow);
    } else {
        size_t lo = 0, hi = r->n; /* ladder[lo] <= a < ladder[hi] */
        while (hi - lo > 1) {
            size_t middle = lo + (hi - lo) / 2;
            if (r->ladder[middle] <= a)
                lo = middle;
            else
                hi = middle;
        }
        double half = (r->ladder[lo] + r->ladder[hi]) / 2;
        code = (unsigned)(a < half ? lo : a > half ? hi : lo % 2 ? hi : lo);
        if (code == r->n)
            code = ref_overflow(r->dtype, overflow);
    }
    if (code == 0 && unsigned_zero)
        return 0;
    return code | (signbit(x) ? sign_bit : 0);
}

/* x as an integer of few bits. */
static inline unsigned ref_encode_int(sib_dtype d, double x, sib_overflow overflow)
{
    bool has_sign = sib_dtype_get_kind(d) == SIB_KIND_INT;
    int bits = (int)sib_dtype_bits(d);
    double low = has_sign ? -ldexp(1, bits - 1) : 0, high = ldexp(1, bits - has_sign) - 1, whole = trunc(x);
    if (isnan(x))
        return 0;
    if (overflow == SIB_OVERFLOW_SATURATE)
        whole = whole < low ? low : whole > high ? high : whole;
    else
        whole = isinf(x) ? 0 : fmod(whole, ldexp(1, bits));
    return (unsigned)(whole < 0 ? whole + ldexp(1, bits) : whole) & ((1u << bits) - 1);
}

/* Returns true if `code` of a small type is right for x. */
static inline bool ref_matches(const ref_float *r, sib_dtype d, double x, sib_overflow overflow,
                               unsigned code)
{
    if (d == SIB_BOOL)
        return code == (x != 0);
    if (sib_dtype_get_kind(d) != SIB_KIND_FLOAT)
        return code == ref_encode_int(d, x, overflow);
    if (isnan(x) && d != SIB_F4E2M1)
        return isnan(ref_value(d, code));
    return code == ref_encode_float(r, x, overflow) ||
           (isnan(ref_value(d, code)) && isnan(ref_value(d, ref_encode_float(r, x, overflow))));
}

#endif
