/* Positive numbers of float64 in integers, for devices without it: each result is rounded to 53 bits, ties to even. */
#ifndef GPU_KERNELS_REAL64_H
#define GPU_KERNELS_REAL64_H

#ifdef GPU_DIALECT
/* (high 2^32 + low) 2^(exponent - 52), high of 21 bits; high 0: 0 */
STRUCT(real64, u32 high; u32 low; i32 exponent;)

FN real64 real64_of_bits(u32 low, u32 high)
{
    real64 x;
    x.high = (high & 0xfffffu) | 0x100000u;
    x.low = low;
    x.exponent = I32(high >> 20) - 1023;
    return x;
}

FN real64 real64_of_u32(u32 v)
{
    real64 x;
    x.exponent = 31;
    while (v != 0u && v < 0x80000000u) {
        v = v << 1;
        x.exponent = x.exponent - 1;
    }
    x.high = v >> 11;
    x.low = v << 21;
    return x;
}

/* The words three, two and one, without `drop` bits of the last; left: whether ones are behind it. */
FN real64 real64_rounded(u32 three, u32 two, u32 one, u32 drop, bool left, i32 exponent)
{
    real64 x;
    u32 rest = one & ((1u << drop) - 1u), tie = 1u << (drop - 1u);
    x.high = (three << (32u - drop)) | (two >> drop);
    x.low = (two << (32u - drop)) | (one >> drop);
    x.exponent = exponent;
    if (rest > tie || (rest == tie && (left || (x.low & 1u) != 0u))) {
        x.low = x.low + 1u;
        x.high = x.high + (x.low == 0u ? 1u : 0u);
    }
    if (x.high == 0x200000u) {
        x.high = 0x100000u;
        x.exponent = x.exponent + 1;
    }
    return x;
}

FN real64 real64_product(real64 a, real64 b)
{
    u32 middle = a.low * b.high, one = upper_product(a.low, b.low) + middle, carry = one < middle ? 1u : 0u;
    middle = a.high * b.low;
    one = one + middle;
    carry = carry + (one < middle ? 1u : 0u);
    u32 two = upper_product(a.low, b.high) + upper_product(a.high, b.low) + carry, top = a.high * b.high;
    two = two + top;
    u32 three = upper_product(a.high, b.high) + (two < top ? 1u : 0u);
    bool large = three >= 512u;
    return real64_rounded(three, two, one, large ? 21u : 20u, a.low * b.low != 0u,
                          a.exponent + b.exponent + (large ? 1 : 0));
}

/* a / b, b of 24 bits: 25 bits of the quotient, and 32 by digits of 8. */
FN real64 real64_quotient(real64 a, real64 b)
{
    u32 d = (b.high << 3) | (b.low >> 29), t = (a.high << 3) | (a.low >> 29), next = a.low << 3;
    u32 q_high = t >= d ? 1u : 0u, q_low = 0u;
    t = t - q_high * d;
    for (u32 i = 0u; i < 7u; i++) {
        t = (t << 8) | (next >> 24);
        next = next << 8;
        if (i < 3u)
            q_high = (q_high << 8) | (t / d);
        else
            q_low = (q_low << 8) | (t / d);
        t = t % d;
    }
    bool large = q_high >= 0x1000000u;
    return real64_rounded(0u, q_high, q_low, large ? 4u : 3u, t != 0u,
                          a.exponent - b.exponent - (large ? 0 : 1));
}

/* x rounded to an integer, ties to even; 2^16 and more: 2^16. */
FN i32 real64_round(real64 x)
{
    if (x.high == 0u || x.exponent < -1)
        return 0;
    if (x.exponent > 16)
        return 0x10000;
    u32 shift = U32(20 - x.exponent), rest = x.high & ((1u << shift) - 1u), tie = 1u << (shift - 1u);
    bool up = rest > tie || (rest == tie && (x.low != 0u || (x.high >> shift & 1u) != 0u));
    return I32(x.high >> shift) + (up ? 1 : 0);
}
#endif
#endif
