/* The entries of kernel.h itself: conversion of 16-bit floats, and what measures the machine. */
#include "trial.h"

#include <math.h>

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static float from_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Length of the long rounds, which together hold every input that matters. */
#define LONG 8192

static size_t long_length(const trial *t)
{
    return t->bench ? TRIAL_BENCH : t->round < TRIAL_SHORT ? t->round : LONG;
}

/* ---- Halves -------------------------------------------------------------------------------------------- */

typedef struct half_kind {
    int exponent_bits, mantissa_bits;
} half_kind;

static const half_kind f16 = {5, 10}, bf16 = {8, 7};

/* Value of a 16-bit float, NaN and infinity included. */
static double half_value(unsigned h, half_kind k)
{
    int exponent = (int)(h >> k.mantissa_bits) & ((1 << k.exponent_bits) - 1);
    int mantissa = (int)h & ((1 << k.mantissa_bits) - 1), bias = (1 << (k.exponent_bits - 1)) - 1;
    double sign = h & 0x8000 ? -1.0 : 1.0;
    if (exponent == (1 << k.exponent_bits) - 1)
        return mantissa ? NAN : sign * INFINITY;
    return exponent ? sign * ldexp((1 << k.mantissa_bits) + mantissa, exponent - bias - k.mantissa_bits)
                    : sign * ldexp(mantissa, 1 - bias - k.mantissa_bits);
}

/* The long rounds cover all 65,536 patterns. */
static void widen(trial *t, half_kind k, size_t entry)
{
    size_t n = long_length(t), first = t->round * LONG;
    uint16_t *x = trial_in(t, n, sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = (uint16_t)((first + i) * 40503); /* odd: all patterns, shuffled */
    float *y = trial_out(t, sizeof *y, 1, n, n, 0);
    kernel_widen call = entry ? t->k->widen_bf16 : t->k->widen_f16;
    TIMED(t, n, call(x, y, n));
    for (size_t i = 0; i < n; i++) {
        trial_expect(t, i, y[i], half_value(x[i], k), 0);
        trial_expect(t, i, bits_of(y[i]) >> 31, x[i] >> 15, 0);
        if (isnan(y[i])) /* quiet, with the payload kept */
            trial_expect(t, i, bits_of(y[i]) >> (23 - k.mantissa_bits) & 0x7fff,
                         (x[i] & 0x7fff) | 1u << (k.mantissa_bits - 1), 0);
    }
}

static void widen_f16(trial *t)
{
    widen(t, f16, 0);
}

static void widen_bf16(trial *t)
{
    widen(t, bf16, 1);
}

/* Edge cases, and every value and midpoint of the 16-bit types with its neighbours; else random bits, and
   numbers up to 6. */
static float input_at(trial *t, size_t i, half_kind k)
{
    static const uint32_t edges[] = {
        0x00000000, 0x80000000, 0x00000001, 0x80000001, 0x007FFFFF, 0x00800000, 0x807FFFFF, 0x7F7FFFFF,
        0xFF7FFFFF, 0x7F800000, 0xFF800000, 0x7FC00000, 0xFFC00000, 0x7F800001, 0xFFBFFFFF, 0x7FFFFFFF,
        0xFFFFFFFF, 0x7F802000, 0x7F801FFF, 0x3F800000, 0xBF800000, 0x3F7FFFFF, 0x3F800001, 0x407AE148,
        0x407AE147, 0x407AE149, 0xC07AE148, 0x33000000, 0x33000001, 0x32FFFFFF, 0x33800000, 0x33C00000,
        0x387FC000, 0x387FE000, 0x38800000, 0x477FE000, 0x477FEFFF, 0x477FF000, 0x477FF001, 0xC77FF000,
        0x7F7F7FFF, 0x7F7F8000, 0x7F7FFFFF, 0x00008000, 0x00018000,
    };
    if (t->bench || t->round < TRIAL_SHORT || i < COUNT(edges))
        return i < COUNT(edges) && !t->bench ? from_bits(edges[(i + t->round) % COUNT(edges)])
                                             : (float)(check_uniform(&t->r) * 6.0);
    size_t at = (t->round - TRIAL_SHORT) * LONG + i - COUNT(edges);
    uint32_t half = (uint32_t)(at % 65536);
    float value = (float)half_value(half, k);
    switch (at / 65536) {
    case 0:
        return value;
    case 1:
    case 2:
    case 3: /* around the midpoint to the next larger value */
        return from_bits((bits_of(value) | 1u << (22 - k.mantissa_bits)) + (uint32_t)(at / 65536) - 2);
    case 4:
        return (float)(check_uniform(&t->r) * 6.0);
    default:
        return from_bits((uint32_t)(check_u64(&t->r) >> 20));
    }
}

static float *long_floats(trial *t, size_t n, half_kind k)
{
    float *x = trial_in(t, n, sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = input_at(t, i, k);
    return x;
}

/* Checks that h is the nearest 16-bit float, ties to even. */
static void expect_half(const trial *t, size_t i, float x, uint16_t h, half_kind k)
{
    trial_expect(t, i, h >> 15, bits_of(x) >> 31, 0);
    if (isnan(x)) {
        trial_expect(t, i, half_value(h, k), NAN, 0);
        return;
    }
    /* Infinity is treated as the value one step above the largest finite one, so that it too has a
       midpoint. */
    unsigned size = h & 0x7FFF, infinity = ((1u << k.exponent_bits) - 1) << k.mantissa_bits;
    double largest = half_value(infinity - 1, k), beyond = largest * 2 - half_value(infinity - 2, k);
    double value = size == infinity ? beyond : half_value(size, k);
    double above = size >= infinity ? INFINITY : size + 1 == infinity ? beyond : half_value(size + 1, k);
    double below = size ? half_value(size - 1, k) : -INFINITY;
    double target = fabs((double)x), off = fabs(target - value);
    bool fits = size <= infinity;
    fits &= size == infinity && target >= value ? true : off <= fabs(above - target);
    fits &= off <= fabs(target - below);
    if (size < infinity && (off == fabs(above - target) || off == fabs(target - below)))
        fits &= size % 2 == 0;
    if (!fits)
        trial_expect(t, i, half_value(h, k), x, 0);
}

static void narrow(trial *t, half_kind k, size_t entry)
{
    size_t n = long_length(t);
    const float *x = long_floats(t, n, k);
    uint16_t *y = trial_out(t, sizeof *y, 1, n, n, 0);
    kernel_narrow call = entry ? t->k->narrow_bf16 : t->k->narrow_f16;
    TIMED(t, n, call(x, y, n));
    for (size_t i = 0; i < n; i++)
        expect_half(t, i, x[i], y[i], k);
}

static void narrow_f16(trial *t)
{
    narrow(t, f16, 0);
}

static void narrow_bf16(trial *t)
{
    narrow(t, bf16, 1);
}

/* ---- What the machine can do --------------------------------------------------------------------------- */

static void fma_rounds(trial *t)
{
    float *y = trial_out(t, sizeof *y, 1, 1, 1, TRIAL_ALONE);
    size_t rounds = t->bench ? 100 : t->round;
    CALL_TO(t, rounds * t->k->fma_flops, *y, fma_rounds(rounds, 1.0f, 1.0f));
    /* factor 1, term 1: each chain adds up its rounds, so no step can be missing */
    float none = t->k->fma_rounds(0, 1.0f, 1.0f);
    trial_expect(t, 0, (double)(*y - none) * 2.0, (double)rounds * (double)t->k->fma_flops, 0);
}

static void read_f32(trial *t)
{
    size_t n = trial_length(t);
    float *x = trial_in(t, n, sizeof *x), *y = trial_out(t, sizeof *y, 1, 1, 1, 0), want = 0;
    for (size_t i = 0; i < n; i++)
        want += x[i] = (float)trial_pick(t, 0, 96); /* integers: exact in any order */
    CALL_TO(t, n, *y, read_f32(x, n));
    trial_expect(t, 0, *y, want, 0);
}

static const trial_row rows[] = {
    DATA(level),
    DATA(costs),
    ENTRY(widen_f16, widen_f16),
    ENTRY(widen_bf16, widen_bf16),
    ENTRY(narrow_f16, narrow_f16),
    ENTRY(narrow_bf16, narrow_bf16),
    ENTRY(fma_rounds, fma_rounds),
    DATA(fma_flops),
    ENTRY(read_f32, read_f32),
};
const trial_family family_table = {"table", rows, COUNT(rows)};
