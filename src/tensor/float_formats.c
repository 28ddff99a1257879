#include "tensor/float_formats.h"

#include "base/size.h"

/* Of double. */
#define MANTISSA_BITS    52
#define EXPONENT_BIAS    1023
#define EXPONENT_SPECIAL 2047 /* of infinity and NaN */
#define MANTISSA_MASK    ((UINT64_C(1) << MANTISSA_BITS) - 1)

/* float4e2m1 has no NaN; NaN becomes -0, as in the official test cases of ONNX Cast. */
static const float_format formats[] = {
    /* dtype, exponent and mantissa bits, bias, max finite, infinity, NaN, mask, sign, -0, clamps */
    {SIB_F64, 11, 52, 1023, 0x7FEFFFFFFFFFFFFF, 0x7FF0000000000000, 0x7FF8000000000000, 0, true, true, false},
    {SIB_F32, 8, 23, 127, 0x7F7FFFFF, 0x7F800000, 0x7FC00000, 0, true, true, false},
    {SIB_F16, 5, 10, 15, 0x7BFF, 0x7C00, 0x7E00, 0, true, true, false},
    {SIB_BF16, 8, 7, 127, 0x7F7F, 0x7F80, 0x7FC0, 0, true, true, false},
    {SIB_F8E4M3FN, 4, 3, 7, 0x7E, 0, 0x7F, 0x7F, true, true, true},
    {SIB_F8E4M3FNUZ, 4, 3, 8, 0x7F, 0, 0x80, 0xFF, true, false, true},
    {SIB_F8E5M2, 5, 2, 15, 0x7B, 0x7C, 0x7E, 0, true, true, true},
    {SIB_F8E5M2FNUZ, 5, 2, 16, 0x7F, 0, 0x80, 0xFF, true, false, true},
    {SIB_F4E2M1, 2, 1, 1, 0x7, 0, 0x8, 0, true, true, true},
    {SIB_F8E8M0, 8, 0, 127, 0xFE, 0, 0xFF, 0xFF, false, false, true},
};

const float_format *format_of(sib_dtype dtype)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (formats[i].dtype == dtype)
            return &formats[i];
    return NULL;
}

/* 2^e, for e in the range of normal doubles. */
static double power_of_two(int e)
{
    return format_double_of((uint64_t)(e + EXPONENT_BIAS) << MANTISSA_BITS);
}

double format_decode(const float_format *f, uint64_t code)
{
    unsigned m = f->mantissa_bits, sign_at = f->exponent_bits + m;
    uint64_t sign = f->has_sign ? code >> sign_at << 63 : 0;
    uint64_t magnitude = f->has_sign ? code & ((UINT64_C(1) << sign_at) - 1) : code;
    int exponent = (int)(magnitude >> m);
    uint64_t mantissa = magnitude & ((UINT64_C(1) << m) - 1);
    if (f->nan_mask && (code & f->nan_mask) == f->nan)
        return format_double_of(sign | format_bits_of((double)NAN));
    if (f->infinity && magnitude >= f->infinity) /* a NaN keeps the high bits of its payload */
        return format_double_of(sign | (uint64_t)EXPONENT_SPECIAL << MANTISSA_BITS |
                                mantissa << (MANTISSA_BITS - m));
    if (m == 52)
        return format_double_of(code);
    if (!f->has_sign) /* no subnormals */
        return power_of_two(exponent - f->bias);
    double value = exponent > 0
                       ? (double)(mantissa | UINT64_C(1) << m) * power_of_two(exponent - f->bias - (int)m)
                       : (double)mantissa * power_of_two(1 - f->bias - (int)m);
    return sign ? -value : value;
}

/* Code, without sign, for an infinite x or one above the max finite value. */
static uint64_t too_large(const float_format *f, sib_overflow overflow)
{
    if (f->infinity && !(f->clamps && overflow == SIB_OVERFLOW_SATURATE))
        return f->infinity;
    bool has_nan = f->nan_mask != 0;
    return overflow == SIB_OVERFLOW_SATURATE || !has_nan ? f->max_finite : f->nan;
}

/* Encodes x in a format of powers of two: its exponent, rounded up. Zero and negative numbers are below
   the smallest value. */
static uint64_t encode_exponent(const float_format *f, double x, sib_overflow overflow)
{
    double smallest = power_of_two(-f->bias), largest = power_of_two((int)f->max_finite - f->bias);
    if (isnan(x))
        return f->nan;
    if (!(x >= smallest))
        return overflow == SIB_OVERFLOW_SATURATE ? 0 : f->nan;
    if (x > largest)
        return too_large(f, overflow);
    uint64_t bits = format_bits_of(x);
    int exponent = (int)(bits >> MANTISSA_BITS) - EXPONENT_BIAS + ((bits & MANTISSA_MASK) != 0);
    return (uint64_t)(exponent + f->bias);
}

uint64_t format_encode(const float_format *f, double x, sib_overflow overflow)
{
    if (!f->has_sign)
        return encode_exponent(f, x, overflow);
    unsigned m = f->mantissa_bits;
    uint64_t bits = format_bits_of(x), sign = (bits >> 63) << (f->exponent_bits + m);
    int field = (int)(bits >> MANTISSA_BITS & EXPONENT_SPECIAL);
    uint64_t mantissa = bits & MANTISSA_MASK;
    if (field == EXPONENT_SPECIAL) {
        uint64_t payload = f->infinity ? mantissa >> (MANTISSA_BITS - m) : 0;
        return sign | (mantissa ? f->nan | payload : too_large(f, overflow));
    }
    if (m == MANTISSA_BITS)
        return bits;
    /* |x| = significand * 2^(exponent - 52); the last bit of the result means 2^unit. Subnormal doubles
       are below half the smallest unit of every format here, so with exponent field 0 they round to 0. */
    int exponent = field - EXPONENT_BIAS;
    uint64_t significand = mantissa | (field ? UINT64_C(1) << MANTISSA_BITS : 0);
    int floor_exponent = exponent < 1 - f->bias ? 1 - f->bias : exponent;
    int drop = (floor_exponent - (int)m) - (exponent - MANTISSA_BITS); /* > 0 */
    uint64_t kept = 0;
    if (drop <= MANTISSA_BITS + 1) {
        uint64_t rest = significand & ((UINT64_C(1) << drop) - 1), half = UINT64_C(1) << (drop - 1);
        kept = significand >> drop;
        kept += rest > half || (rest == half && (kept & 1));
    }
    /* A carry out of the mantissa correctly increments the exponent. */
    uint64_t code = ((uint64_t)(floor_exponent + f->bias - 1) << m) + kept;
    if (code > f->max_finite)
        code = too_large(f, overflow);
    if (code == 0 && !f->has_negative_zero)
        return 0;
    return sign | code;
}
