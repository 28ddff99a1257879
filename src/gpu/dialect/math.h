/* Functions of float32 in plain arithmetic, so that no device's own precision shows: Vulkan promises 11 bits
   of a sine. The fits are those of simd/fits.h; those of asin and atan are from Cephes (Moshier 1992, asinf.c
   and atanf.c). */
#ifndef GPU_DIALECT_MATH_H
#define GPU_DIALECT_MATH_H

#define INFINITE    bits_to_f32(0x7f800000u)
#define NOT_A_VALUE bits_to_f32(0x7fc00000u)
#define LN2         0.693147181f
#define HALF_PI     1.57079637f

FN f32 with_sign(f32 size, f32 sign)
{
    return bits_to_f32((f32_to_bits(size) & 0x7fffffffu) | (f32_to_bits(sign) & 0x80000000u));
}

FN f32 clamped(f32 v, f32 low, f32 high)
{
    return v < low ? low : v > high ? high : v;
}

/* The fraction of a float32 above 0 with its leading bit, and its exponent, which a denormal has below 1. */
FN u32 fraction_of(u32 bits)
{
    u32 m = bits & 0x7fffffu;
    if ((bits & 0x7f800000u) != 0u)
        return m | 0x800000u;
    while (m < 0x800000u)
        m = m << 1;
    return m;
}

FN i32 exponent_of(u32 bits)
{
    i32 exponent = I32((bits >> 23) & 0xffu);
    if (exponent != 0)
        return exponent;
    exponent = 1;
    for (u32 m = bits & 0x7fffffu; m < 0x800000u; m = m << 1)
        exponent = exponent - 1;
    return exponent;
}

/* a / b rounded to the nearest, ties to even, by division of integers: devices' own quotients are off by units in the last
   place. */
FN f32 quotient(f32 a, f32 b)
{
    u32 x = f32_to_bits(a), y = f32_to_bits(b), sign = (x ^ y) & 0x80000000u;
    x = x & 0x7fffffffu;
    y = y & 0x7fffffffu;
    if (x > 0x7f800000u || y > 0x7f800000u || (x == y && (x == 0u || x == 0x7f800000u)))
        return NOT_A_VALUE;
    if (x == 0x7f800000u || y == 0u)
        return bits_to_f32(sign | 0x7f800000u);
    if (y == 0x7f800000u || x == 0u)
        return bits_to_f32(sign);
    u32 m = fraction_of(x), d = fraction_of(y), digits = 1u, drop = 1u;
    i32 exponent = exponent_of(x) - exponent_of(y) + 127;
    if (m < d) {
        m = m << 1;
        exponent = exponent - 1;
    }
    m = m - d; /* 1, then 24 bits behind the point */
    for (u32 i = 0u; i < 3u; i++) {
        m = m << 8;
        digits = (digits << 8) | (m / d);
        m = m % d;
    }
    if (exponent >= 255)
        return bits_to_f32(sign | 0x7f800000u);
    if (exponent < 1) { /* denormal: more bits go */
        drop = exponent < -25 ? 27u : 1u + U32(1 - exponent);
        exponent = 1;
    }
    u32 kept = digits >> drop, rest = digits & ((1u << drop) - 1u), half_unit = 1u << (drop - 1u);
    if (rest > half_unit || (rest == half_unit && (m != 0u || (kept & 1u) != 0u)))
        kept = kept + 1u;
    return bits_to_f32(sign | ((U32(exponent - 1) << 23) + kept));
}

/* 2^n for integers n in -126 .. 127 */
FN f32 power_of_2(f32 n)
{
    return bits_to_f32(U32(I32(n) + 127) << 23);
}

/* x 2^n for integers n in -252 .. 254 */
FN f32 scaled(f32 x, f32 n)
{
    f32 half_n = FLOOR(n * 0.5f);
    return x * power_of_2(half_n) * power_of_2(n - half_n);
}

/* e^f - 1 for |f| <= ln(2) / 2 */
FN f32 exp_rest(f32 f)
{
    f32 p = 1.381459762e-03f;
    p = p * f + 8.368716575e-03f;
    p = p * f + 4.166838899e-02f;
    p = p * f + 1.666652113e-01f;
    p = p * f + 4.999999404e-01f;
    return f * f * p + f;
}

/* v = n ln 2 + the result; the products are exact, since the first part of ln 2 is short */
FN f32 exp_reduced(f32 v, f32 n)
{
    EXACT f32 rest = (v - n * 0.693359375f) + n * 2.121944417e-04f;
    return rest;
}

FN f32 exp_f32(f32 v)
{
    if (is_nan(v))
        return v;
    f32 x = clamped(v, -105.0f, 89.0f), n = ROUND(x * 1.44269504f);
    return scaled(1.0f + exp_rest(exp_reduced(x, n)), n);
}

FN f32 expm1_f32(f32 v)
{
    if (is_nan(v) || v == 0.0f)
        return v;
    if (v > 40.0f)
        return exp_f32(v);
    f32 x = clamped(v, -40.0f, 40.0f), n = ROUND(x * 1.44269504f), power = power_of_2(n);
    return power * exp_rest(exp_reduced(x, n)) + (power - 1.0f);
}

/* Of a normal positive number. */
FN f32 log_normal(f32 v, f32 exponent)
{
    u32 bits = f32_to_bits(v), split = bits - 0x3f3504f3u; /* sqrt(1/2) */
    f32 n = F32(I32(split & 0xff800000u) / 8388608) + exponent;
    f32 f = bits_to_f32((split & 0x7fffffu) + 0x3f3504f3u) - 1.0f, square = f * f;
    f32 p = -7.636322081e-02f;
    p = p * f + 1.276216507e-01f;
    p = p * f - 1.315961927e-01f;
    p = p * f + 1.420158446e-01f;
    p = p * f - 1.662340909e-01f;
    p = p * f + 2.000124156e-01f;
    p = p * f - 2.500081956e-01f;
    p = p * f + 3.333333135e-01f;
    return n * 0.693145752f + (f + (square * f * p + (n * 1.42860677e-06f - 0.5f * square)));
}

FN f32 log_f32(f32 v)
{
    u32 bits = f32_to_bits(v);
    if (is_nan(v) || bits == 0x7f800000u)
        return v;
    if ((bits & 0x7fffffffu) == 0u)
        return -INFINITE;
    if (bits >= 0x80000000u)
        return NOT_A_VALUE;
    if (bits < 0x00800000u) /* denormal: the bits count units of 2^-149 */
        return log_normal(F32(bits), -149.0f);
    return log_normal(v, 0.0f);
}

/* log of the rounded 1 + v, plus the rounding error divided by that */
FN f32 log1p_f32(f32 v)
{
    EXACT f32 u = 1.0f + v;
    if (is_nan(v) || v == 0.0f || v == INFINITE || v <= -1.0f)
        return v == 0.0f ? v : log_f32(u);
    EXACT f32 lost = v > 1.0f ? 1.0f - (u - v) : v - (u - 1.0f);
    return log_f32(u) + lost / u;
}

FN f32 tanh_f32(f32 v)
{
    if (is_nan(v))
        return v;
    f32 e = expm1_f32(2.0f * clamped(ABS(v), 0.0f, 10.0f));
    return with_sign(e / (e + 2.0f), v);
}

FN f32 sinh_f32(f32 v)
{
    f32 size = ABS(v);
    if (size > 20.0f) {
        f32 root = exp_f32(0.5f * size);
        EXACT f32 half_root = 0.5f * root;
        EXACT f32 large = half_root * root; /* root * root may overflow */
        return with_sign(large, v);
    }
    f32 e = expm1_f32(size);
    return is_nan(v) ? v : with_sign(0.5f * (e + e / (e + 1.0f)), v);
}

FN f32 cosh_f32(f32 v)
{
    f32 root = exp_f32(0.5f * ABS(v));
    EXACT f32 half_root = 0.5f * root;
    EXACT f32 large = half_root * root; /* root * root may overflow */
    return ABS(v) > 20.0f ? large : 0.5f * (root * root + 1.0f / (root * root));
}

FN f32 asinh_f32(f32 v)
{
    f32 a = ABS(v);
    if (is_nan(v))
        return v;
    if (a > 1e10f)
        return with_sign(log_f32(a) + LN2, v);
    return with_sign(log1p_f32(a + a * a / (1.0f + SQRT(a * a + 1.0f))), v);
}

FN f32 acosh_f32(f32 v)
{
    f32 a = v - 1.0f;
    if (v > 1e10f)
        return log_f32(v) + LN2;
    return v < 1.0f ? NOT_A_VALUE : log1p_f32(a + SQRT(2.0f * a + a * a));
}

FN f32 atanh_f32(f32 v)
{
    f32 a = ABS(v);
    return is_nan(v) ? v : with_sign(0.5f * log1p_f32(2.0f * a / (1.0f - a)), v);
}

FN f32 erf_f32(f32 v)
{
    f32 size = ABS(v), p;
    if (is_nan(v))
        return v;
    if (size < 1.0f) {
        f32 z = v * v;
        p = 7.853861462e-05f;
        p = p * z - 8.010193706e-04f;
        p = p * z + 5.188327748e-03f;
        p = p * z - 2.685381286e-02f;
        p = p * z + 1.128358543e-01f;
        p = p * z - 3.761262596e-01f;
        p = p * z + 1.283791661e-01f;
        return v + v * p;
    }
    f32 x = clamped(size, 1.0f, 3.92f) - 2.5f;
    p = 9.055213923e-06f;
    p = p * x - 2.109753768e-05f;
    p = p * x - 6.148296961e-05f;
    p = p * x + 2.791929874e-04f;
    p = p * x - 2.873869380e-04f;
    p = p * x - 5.709097022e-04f;
    p = p * x + 2.819052665e-03f;
    p = p * x - 6.102819461e-03f;
    p = p * x + 8.614924736e-03f;
    p = p * x - 8.353371173e-03f;
    p = p * x + 5.446716212e-03f;
    p = p * x - 2.178068738e-03f;
    p = p * x + 4.069299903e-04f;
    return with_sign(1.0f - p, v);
}

/* Word i of 2^-32 * 2 / pi. */
FN u32 two_over_pi(u32 i)
{
    switch (i) {
    case 1u:
        return 0xa2f9836eu;
    case 2u:
        return 0x4e441529u;
    case 3u:
        return 0xfc2757d1u;
    case 4u:
        return 0xf534ddc0u;
    case 5u:
        return 0xdb629599u;
    case 6u:
        return 0x3c439041u;
    case 7u:
        return 0xfe5163abu;
    case 8u:
        return 0xdebbc561u;
    default:
        return 0u;
    }
}

/* The upper word of a product. */
FN u32 upper_product(u32 m, u32 w)
{
    u32 low = m & 0xffffu, high = m >> 16, a = low * (w >> 16), b = high * (w & 0xffffu);
    u32 middle = ((low * (w & 0xffffu)) >> 16) + (a & 0xffffu) + (b & 0xffffu);
    return high * (w >> 16) + (a >> 16) + (b >> 16) + (middle >> 16);
}

/* v / (pi / 2) for |v| >= 8192: the quadrant modulo 4, and what is beyond it, in [-0.5, 0.5], times pi / 2. The words
   of 2 / pi whose products with v are multiples of 4 quadrants are left out (Payne and Hanek 1983). */
FN u32 quadrant_of(f32 v, u32 part)
{
    u32 bits = f32_to_bits(v), m = (bits & 0x7fffffu) | 0x800000u, offset = ((bits >> 23) & 0xffu) - 120u;
    u32 word = offset / 32u, r = offset % 32u, p[3];
    for (u32 i = 0u; i < 3u; i++)
        p[i] = r == 0u ? two_over_pi(word + i)
                       : (two_over_pi(word + i) << r) | (two_over_pi(word + i + 1u) >> (32u - r));
    u32 low = m * p[2], middle = m * p[1] + upper_product(m, p[2]);
    u32 top = m * p[0] + upper_product(m, p[1]) + (middle < upper_product(m, p[2]) ? 1u : 0u);
    u32 quadrant = top >> 30, first = (top << 2) | (middle >> 30), second = (middle << 2) | (low >> 30);
    bool beyond = first >= 0x80000000u, negative = beyond != (bits >= 0x80000000u);
    if (beyond) { /* of the next quadrant */
        quadrant = quadrant + 1u;
        second = 0u - second;
        first = (first ^ 0xffffffffu) + (second == 0u ? 1u : 0u);
    }
    f32 rest = (F32(first) * 2.3283064365386963e-10f + F32(second) * 5.4210108624275222e-20f) * HALF_PI;
    if (part == 0u)
        return bits >= 0x80000000u ? 0u - quadrant : quadrant;
    return f32_to_bits(negative ? -rest : rest);
}

/* sin(v + quarter pi / 2), to 2e-7. */
FN f32 sin_from(f32 v, u32 quarter)
{
    if (is_nan(v) || is_inf(v))
        return NOT_A_VALUE;
    f32 n = ROUND(v * 0.636619747f);
    EXACT f32 r = v - n * 1.5703125f;
    r = r - n * 4.837512969970703125e-4f;
    r = r - n * 7.54978941586159635335e-8f;
    bool far = ABS(v) > 8192.0f; /* where multiples of the parts of pi / 2 are not exact */
    u32 quadrant = (far ? quadrant_of(v, 0u) : U32(I32(clamped(n, -1e9f, 1e9f)))) + quarter;
    quadrant = quadrant & 3u;
    if (far)
        r = bits_to_f32(quadrant_of(v, 1u));
    f32 z = r * r, value;
    if ((quadrant & 1u) == 0u)
        value = r + r * z *
                        (((2.832724931e-06f * z - 1.985307317e-04f) * z + 8.333379403e-03f) * z -
                         1.666666716e-01f);
    else
        value = 1.0f - 0.5f * z + z * z * ((2.443255289e-05f * z - 1.388731063e-03f) * z + 4.166664556e-02f);
    return quadrant >= 2u ? -value : value;
}

FN f32 atan_f32(f32 v)
{
    f32 size = ABS(v), x = size, base = 0.0f;
    if (is_nan(v))
        return v;
    if (size > 2.414213562f) {
        base = HALF_PI;
        x = -1.0f / size;
    } else if (size > 0.414213562f) {
        base = 0.785398163f;
        x = (size - 1.0f) / (size + 1.0f);
    }
    f32 z = x * x;
    f32 p = ((8.05374449538e-2f * z - 1.38776856032e-1f) * z + 1.99777106478e-1f) * z - 3.33329491539e-1f;
    return with_sign(base + (p * z * x + x), v);
}

/* asin x for x in 0 .. 0.5 */
FN f32 asin_small(f32 x)
{
    f32 z = x * x, p = 4.2163199048e-2f;
    p = p * z + 2.4181311049e-2f;
    p = p * z + 4.5470025998e-2f;
    p = p * z + 7.4953002686e-2f;
    p = p * z + 1.6666752422e-1f;
    return p * z * x + x;
}

FN f32 asin_f32(f32 v)
{
    f32 size = ABS(v);
    if (!(size <= 1.0f))
        return NOT_A_VALUE;
    return with_sign(size > 0.5f ? HALF_PI - 2.0f * asin_small(SQRT(0.5f * (1.0f - size))) : asin_small(size),
                     v);
}

FN f32 acos_f32(f32 v)
{
    f32 size = ABS(v);
    if (!(size <= 1.0f))
        return NOT_A_VALUE;
    if (size <= 0.5f)
        return HALF_PI - asin_f32(v);
    f32 angle = 2.0f * asin_small(SQRT(0.5f * (1.0f - size)));
    return v < 0.0f ? 2.0f * HALF_PI - angle : angle;
}

/* a^b for an integer b, |b| <= 64 */
FN f32 power_whole(f32 a, f32 b)
{
    f32 product = 1.0f, square = a;
    for (u32 n = U32(ABS(b)); n != 0u; n = n >> 1) {
        if ((n & 1u) != 0u)
            product = product * square;
        square = square * square;
    }
    return b < 0.0f ? 1.0f / product : product;
}

/* Of a relative error of about |b log a| 2^-23. */
FN f32 pow_f32(f32 a, f32 b)
{
    bool whole = FLOOR(b) == b, odd = whole && ABS(b) < 16777216.0f && FLOOR(b * 0.5f) * 2.0f != b;
    f32 size = ABS(a);
    if (b == 0.0f || a == 1.0f)
        return 1.0f;
    if (is_nan(a) || is_nan(b))
        return NOT_A_VALUE;
    if (is_inf(b))
        return size == 1.0f ? 1.0f : (size > 1.0f) == (b > 0.0f) ? INFINITE : 0.0f;
    if (whole && ABS(b) <= 64.0f)
        return power_whole(a, b);
    if (a < 0.0f && !whole && !is_inf(a))
        return NOT_A_VALUE;
    if (b == 0.5f && !is_inf(a))
        return SQRT(size);
    f32 power = size == 0.0f || is_inf(size) ? ((size == 0.0f) == (b < 0.0f) ? INFINITE : 0.0f)
                                             : exp_f32(clamped(b * log_f32(size), -105.0f, 89.0f));
    return odd ? with_sign(power, a) : power;
}

#endif
