#include "graph.h"

#include <math.h>

int rg_below(rg_random *r, int n)
{
    return n > 0 ? (int)((check_u64(r) >> 33) % (uint64_t)n) : 0;
}

bool rg_chance(rg_random *r, int percent)
{
    return rg_below(r, 100) < percent;
}

int64_t rg_size(rg_random *r, int64_t max)
{
    static const int64_t liked[] = {1,  2,  3,  4,  5,  7,  8,  9,  12,  15,  16,
                                    17, 24, 31, 32, 33, 47, 64, 65, 100, 129, 200};
    int64_t n;
    if (rg_chance(r, 2))
        return 0;
    do
        n = rg_chance(r, 30) ? 1 + rg_below(r, 12) : liked[rg_below(r, sizeof liked / sizeof *liked)];
    while (n > max && max >= 1);
    return n;
}

/* max: largest magnitude, infinities excepted. */
static double special(rg_random *r, double max)
{
    static const double values[] = {0.0,   -0.0,   1.0,      -1.0, 3.4e38,       -3.4e38,  1.2e-38,
                                    1e-40, -1e-44, 65504,    1e-7, NAN,          INFINITY, -INFINITY,
                                    88.7,  -103.9, 16777217, 0.5,  2147483648.0, -1e-20};
    double x;
    do
        x = values[rg_below(r, sizeof values / sizeof *values)];
    while (isfinite(x) && fabs(x) > max);
    return x;
}

static double real(rg_random *r, rg_profile profile)
{
    double x = check_uniform(r);
    switch (profile) {
    case RG_POSITIVE:
        return 0.1 + 0.95 * (x + 1);
    case RG_UNIT:
        return x;
    case RG_INTEGER:
        return (double)(rg_below(r, 9) - 4);
    case RG_WIDE:
        return x * pow(10, rg_below(r, 13) - 6);
    case RG_STRANGE:
        return rg_chance(r, 12) ? special(r, 100) : 3 * x;
    case RG_SPECIAL:
        return rg_chance(r, 12) ? special(r, INFINITY) : 3 * x;
    default:
        return 3 * x * fabs(check_uniform(r)) + x;
    }
}

/* An integer for a dtype, in two's complement. */
static uint64_t integer(rg_random *r, sib_dtype dtype, rg_profile profile)
{
    bool is_signed = sib_dtype_get_kind(dtype) == SIB_KIND_INT;
    unsigned bits = sib_dtype_bits(dtype);
    if (profile == RG_WIDE || profile >= RG_STRANGE) {
        uint64_t top = UINT64_C(1) << (bits - 1);
        static const int64_t near[] = {-1, 0, 1};
        return rg_chance(r, 20) ? top + (uint64_t)near[rg_below(r, 3)] : check_u64(r);
    }
    if (profile == RG_POSITIVE)
        return 1 + (uint64_t)rg_below(r, 5);
    return (uint64_t)(int64_t)(is_signed ? rg_below(r, 15) - 7 : rg_below(r, 15));
}

static void fill_whole(rg_random *r, sib_tensor *t, rg_profile profile)
{
    sib_dtype dtype = sib_tensor_dtype(t);
    size_t n = sib_tensor_count(t), bytes = sib_dtype_bits(dtype) / 8;
    uint8_t *at = sib_tensor_data(t); /* (n) items of `bytes` each */
    for (size_t i = 0; i < n; i++) {
        uint64_t x = dtype == SIB_BOOL ? check_u64(r) >> 63 : integer(r, dtype, profile);
        memcpy(at + i * bytes, &x, bytes); /* little-endian, as every machine this runs on */
    }
}

sib_tensor *rg_tensor(rg_random *r, sib_dtype dtype, size_t rank, const int64_t *dims, rg_profile profile)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *wide = NULL, *out = NULL;
    sib_dtype_kind kind = sib_dtype_get_kind(dtype);
    if (profile == RG_ANY) {
        int k = rg_below(r, 100);
        profile = k < 60   ? RG_GENTLE
                  : k < 75 ? RG_UNIT
                  : k < 83 ? RG_INTEGER
                  : k < 89 ? RG_POSITIVE
                  : k < 94 ? RG_WIDE
                  : k < 97 ? RG_STRANGE
                           : RG_SPECIAL;
    }
    bool integer = kind == SIB_KIND_INT || kind == SIB_KIND_UINT || kind == SIB_KIND_BOOL;
    if (integer && sib_dtype_bits(dtype) >= 8) {
        if (sib_tensor_create(dtype, rank, dims, &out, &err) == SIB_OK)
            fill_whole(r, out, profile);
        return out;
    }
    if (sib_tensor_create(SIB_F64, rank, dims, &wide, &err) != SIB_OK)
        return NULL;
    double *x = sib_tensor_data(wide);
    for (size_t i = 0; i < sib_tensor_count(wide); i++)
        x[i] = integer ? (double)rg_below(r, 16) : real(r, profile);
    if (sib_tensor_convert(wide, dtype, integer ? SIB_OVERFLOW_IEEE : SIB_OVERFLOW_SATURATE, &out, &err) !=
        SIB_OK)
        out = NULL;
    sib_tensor_free(&wide);
    return out;
}
