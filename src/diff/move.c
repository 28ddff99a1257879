/* Inputs moved by one representable number: how far a result depends on the last bit. */
#include "diff/judge.h"

#include "base/error.h"

#include <string.h>

static uint64_t scrambled(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* +1: away from zero; -1: towards it. */
static int direction(movement m, uint32_t key, uint64_t i)
{
    if (m == MOVE_AWAY || m == MOVE_TOWARDS)
        return m == MOVE_AWAY ? 1 : -1;
    const uint64_t seed = m >= MOVE_RANDOM_2 ? 2 : 1;
    const int random = scrambled((seed << 60) ^ ((uint64_t)key << 32) ^ i) & 1 ? 1 : -1;
    return m == MOVE_RANDOM_1 || m == MOVE_RANDOM_2 ? random : -random;
}

float_layout layout_of(sib_dtype dtype)
{
    switch (dtype) {
    case SIB_F64:
        return (float_layout){8, 52, 11};
    case SIB_F32:
        return (float_layout){4, 23, 8};
    case SIB_F16:
        return (float_layout){2, 10, 5};
    case SIB_BF16:
        return (float_layout){2, 7, 8};
    default:
        return (float_layout){0, 0, 0};
    }
}

/* Whether a code stands for a number that is no integer, and finite. */
static bool is_fraction(float_layout f, uint64_t code)
{
    const uint64_t magnitude = code & ((UINT64_C(1) << (f.fraction + f.exponent)) - 1);
    const uint64_t mantissa = magnitude & ((UINT64_C(1) << f.fraction) - 1);
    const int64_t exponent = (int64_t)(magnitude >> f.fraction), bias = (INT64_C(1) << (f.exponent - 1)) - 1;
    if (!magnitude || exponent == (INT64_C(1) << f.exponent) - 1)
        return false;
    const int64_t whole = exponent - bias; /* bits of the mantissa before the point */
    if (whole < 0)
        return true;
    return whole < (int64_t)f.fraction && (mantissa << whole & ((UINT64_C(1) << f.fraction) - 1));
}

sib_code move_value(const sib_value *v, movement m, uint32_t key, sib_value **out, sib_error *err)
{
    const sib_tensor *t = sib_value_tensor(v);
    const float_layout f = t ? layout_of(sib_tensor_dtype(t)) : (float_layout){0, 0, 0};
    sib_tensor *copy = NULL;
    if (!f.bytes)
        return sib_value_copy(v, out, err);
    sib_code code = sib_tensor_copy(t, &copy, err);
    if (code != SIB_OK)
        return code;
    char *data = sib_tensor_data(copy);
    const uint64_t n = sib_tensor_count(copy);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t bits = 0; /* little-endian, as all that Sibyl is built for */
        memcpy(&bits, data + i * f.bytes, f.bytes);
        if (is_fraction(f, bits))
            bits = direction(m, key, i) > 0 ? bits + 1 : bits - 1;
        memcpy(data + i * f.bytes, &bits, f.bytes);
    }
    code = sib_value_from_tensor(copy, out, err);
    sib_tensor_free(&copy);
    return code;
}
