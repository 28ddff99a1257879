/* Binary floating-point formats as parameters of one decoder and one encoder. */
#ifndef TENSOR_FLOAT_FORMATS_H
#define TENSOR_FLOAT_FORMATS_H

#include <math.h>
#include <sibyl/tensor.h>
#include <string.h>

/* A finite code with exponent field e > 0 and mantissa m means 2^(e - bias) * (1 + m / 2^mantissa_bits);
   with e = 0 it means 2^(1 - bias) * m / 2^mantissa_bits. The sign bit is above the exponent. float8e8m0
   has neither sign nor mantissa, and means 2^(e - bias) for every e. Sources: IEEE 754-2019 (float16, 32,
   64); Micikevicius et al. 2022, "FP8 Formats for Deep Learning" (e4m3fn, e5m2); Noune et al. 2022, "8-bit
   Numerical Formats for Deep Neural Networks" (fnuz); OCP Microscaling Formats 1.0 (e2m1, e8m0). */
typedef struct float_format {
    sib_dtype dtype;
    unsigned exponent_bits, mantissa_bits;
    int bias;
    uint64_t max_finite; /* code without sign */
    uint64_t infinity;   /* code without sign; 0 where the format has none */
    uint64_t nan;        /* code of the NaN that encoding gives, before the sign is added */
    /* a code is NaN where (code & nan_mask) == nan; 0: codes above infinity, or no NaN at all */
    uint64_t nan_mask;
    bool has_sign;
    bool has_negative_zero;
    bool clamps; /* SIB_OVERFLOW_SATURATE applies */
} float_format;

/* Returns the format of a type of SIB_KIND_FLOAT. */
const float_format *format_of(sib_dtype dtype);

/* Decodes a code exactly. */
double format_decode(const float_format *f, uint64_t code);

/* Encodes x as the nearest code, ties to even, rounding once; e8m0 rounds up. */
uint64_t format_encode(const float_format *f, double x, sib_overflow overflow);

/* Maps finite codes to consecutive integers in order of value; both zeros are 0. */
static inline int64_t format_order(const float_format *f, uint64_t code)
{
    unsigned sign_at = f->exponent_bits + f->mantissa_bits;
    if (!f->has_sign)
        return (int64_t)code;
    int64_t magnitude = (int64_t)(code & ((UINT64_C(1) << sign_at) - 1));
    return code >> sign_at ? -magnitude : magnitude;
}

static inline uint64_t format_bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline double format_double_of(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

#endif
