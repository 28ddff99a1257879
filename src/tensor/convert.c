/* Every conversion goes through one of four exact pivots: double for floats, int64_t and uint64_t for
   integers, pairs of doubles for complex numbers. From an integer pivot to a float narrower than double,
   the intermediate double is rounded to odd, which keeps enough bits that only the second rounding counts
   (Boldo & Melquiond 2008, "Emulation of FMA and correctly rounded sums: proved algorithms using rounding
   to odd"). */
#include "tensor/convert.h"

#include "tensor/convert_fast.h"
#include "tensor/dtype.h"
#include "tensor/float_formats.h"

#include <inttypes.h>
#include <string.h>

typedef enum pivot_kind { PIVOT_DOUBLE, PIVOT_INT, PIVOT_UINT, PIVOT_COMPLEX } pivot_kind;

typedef struct pivot {
    pivot_kind kind;
    union {
        double f[CONVERT_BLOCK];
        int64_t i[CONVERT_BLOCK];
        uint64_t u[CONVERT_BLOCK];
        double c[CONVERT_BLOCK][2];
    } v;
} pivot;

/* ---- Codes in memory ------------------------------------------------------------------------------ */

static void load_packed(unsigned bits, const unsigned char *src, size_t first, size_t n, uint64_t *out)
{
    unsigned per_byte = 8 / bits, mask = (1u << bits) - 1;
    for (size_t i = 0; i < n; i++)
        out[i] = src[(first + i) / per_byte] >> (first + i) % per_byte * bits & mask;
}

static void store_packed(unsigned bits, unsigned char *dst, size_t first, size_t n, const uint64_t *in)
{
    unsigned per_byte = 8 / bits, mask = (1u << bits) - 1;
    for (size_t i = 0; i < n; i++) {
        unsigned char *byte = &dst[(first + i) / per_byte];
        unsigned shift = (unsigned)((first + i) % per_byte) * bits;
        *byte = (unsigned char)((*byte & ~(mask << shift)) | ((unsigned)in[i] & mask) << shift);
    }
}

/* The callers pass `bytes` as a constant, so that each width gets its own loop. */
static inline __attribute__((always_inline)) void load_bytes(size_t bytes, const unsigned char *src, size_t n,
                                                             uint64_t *out)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = 0;
        memcpy(&out[i], src + i * bytes, bytes);
    }
}

static inline __attribute__((always_inline)) void store_bytes(size_t bytes, unsigned char *dst, size_t n,
                                                              const uint64_t *in)
{
    for (size_t i = 0; i < n; i++)
        memcpy(dst + i * bytes, &in[i], bytes);
}

void convert_to_codes(sib_dtype from, const void *src, size_t first, size_t n, uint64_t *out)
{
    unsigned bits = dtype_info(from)->bits;
    const unsigned char *at = (const unsigned char *)src + (bits < 8 ? 0 : first * (bits / 8));
    switch (bits) {
    case 8:
        load_bytes(1, at, n, out);
        break;
    case 16:
        load_bytes(2, at, n, out);
        break;
    case 32:
        load_bytes(4, at, n, out);
        break;
    case 64:
        load_bytes(8, at, n, out);
        break;
    default:
        load_packed(bits, at, first, n, out);
    }
}

static void store_codes(sib_dtype to, void *dst, size_t first, size_t n, const uint64_t *in)
{
    unsigned bits = dtype_info(to)->bits;
    unsigned char *at = (unsigned char *)dst + (bits < 8 ? 0 : first * (bits / 8));
    switch (bits) {
    case 8:
        store_bytes(1, at, n, in);
        break;
    case 16:
        store_bytes(2, at, n, in);
        break;
    case 32:
        store_bytes(4, at, n, in);
        break;
    case 64:
        store_bytes(8, at, n, in);
        break;
    default:
        store_packed(bits, at, first, n, in);
    }
}

/* ---- To a pivot ------------------------------------------------------------------------------------ */

static double double_of_f32(uint64_t code)
{
    uint32_t bits = (uint32_t)code;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint64_t f32_of_double(double value)
{
    float x = (float)value;
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static void load_complex(sib_dtype from, const void *src, size_t first, size_t n, double (*c)[2])
{
    const unsigned char *at = (const unsigned char *)src + first * dtype_stride(from);
    if (from == SIB_C128) {
        memcpy(c, at, n * sizeof *c);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        float parts[2];
        memcpy(parts, at + i * sizeof parts, sizeof parts);
        c[i][0] = parts[0];
        c[i][1] = parts[1];
    }
}

static void load_floats(sib_dtype from, size_t n, pivot *p)
{
    const float_format *format = format_of(from);
    if (from == SIB_F64) /* a double is its own code */
        return;
    for (size_t i = 0; i < n; i++)
        p->v.f[i] = from == SIB_F32 ? double_of_f32(p->v.u[i]) : format_decode(format, p->v.u[i]);
}

static void load_pivot(sib_dtype from, const void *src, size_t first, size_t n, pivot *p)
{
    const dtype_row *row = dtype_info(from);
    unsigned unused = 64 - row->bits;
    if (row->kind == SIB_KIND_COMPLEX) {
        p->kind = PIVOT_COMPLEX;
        load_complex(from, src, first, n, p->v.c);
        return;
    }
    convert_to_codes(from, src, first, n, p->v.u);
    p->kind = row->kind == SIB_KIND_FLOAT ? PIVOT_DOUBLE : from == SIB_U64 ? PIVOT_UINT : PIVOT_INT;
    if (row->kind == SIB_KIND_FLOAT)
        load_floats(from, n, p);
    else if (row->kind == SIB_KIND_BOOL)
        for (size_t i = 0; i < n; i++)
            p->v.i[i] = p->v.u[i] != 0;
    else if (row->kind == SIB_KIND_INT)
        for (size_t i = 0; i < n; i++)
            p->v.i[i] = (int64_t)(p->v.u[i] << unused) >> unused;
}

/* ---- From a pivot ---------------------------------------------------------------------------------- */

/* Rounds u to odd: truncates, and sets the last bit where that was inexact. */
static double odd_from_u64(uint64_t u)
{
    if (u >> 53 == 0)
        return (double)u;
    unsigned drop = 11 - (unsigned)__builtin_clzll(u);
    uint64_t kept = u >> drop;
    if (u & ((UINT64_C(1) << drop) - 1))
        kept |= 1;
    return (double)kept * (double)(UINT64_C(1) << drop);
}

static double odd_from_i64(int64_t i)
{
    return i < 0 ? -odd_from_u64(0 - (uint64_t)i) : odd_from_u64((uint64_t)i);
}

/* Gets the real parts as doubles. exact: the target is double, so integers round to nearest; else they
   round to odd. */
static void pivot_to_doubles(const pivot *p, size_t n, bool exact, double *out)
{
    for (size_t i = 0; i < n; i++) {
        switch (p->kind) {
        case PIVOT_DOUBLE:
            out[i] = p->v.f[i];
            break;
        case PIVOT_COMPLEX:
            out[i] = p->v.c[i][0];
            break;
        case PIVOT_INT:
            out[i] = exact ? (double)p->v.i[i] : odd_from_i64(p->v.i[i]);
            break;
        case PIVOT_UINT:
            out[i] = exact ? (double)p->v.u[i] : odd_from_u64(p->v.u[i]);
            break;
        }
    }
}

static void pivot_to_floats(const pivot *p, sib_dtype to, size_t n, sib_overflow overflow, uint64_t *codes)
{
    double x[CONVERT_BLOCK];
    const float_format *format = format_of(to);
    pivot_to_doubles(p, n, to == SIB_F64, x);
    if (to == SIB_F64)
        memcpy(codes, x, n * sizeof *x);
    else if (to == SIB_F32)
        for (size_t i = 0; i < n; i++)
            codes[i] = f32_of_double(x[i]);
    else
        for (size_t i = 0; i < n; i++)
            codes[i] = format_encode(format, x[i], overflow);
}

static void pivot_to_complex(const pivot *p, sib_dtype to, size_t n, void *dst, size_t first)
{
    double real[CONVERT_BLOCK];
    unsigned char *at = (unsigned char *)dst + first * dtype_stride(to);
    pivot_to_doubles(p, n, to == SIB_C128, real);
    for (size_t i = 0; i < n; i++) {
        double wide[2] = {real[i], p->kind == PIVOT_COMPLEX ? p->v.c[i][1] : 0};
        float narrow[2] = {(float)wide[0], (float)wide[1]};
        memcpy(at + i * dtype_stride(to), to == SIB_C128 ? (void *)wide : (void *)narrow, dtype_stride(to));
    }
}

typedef struct int_range {
    int64_t low;
    uint64_t high;
    double top; /* high + 1 */
} int_range;

static int_range range_of(sib_dtype dtype)
{
    const dtype_row *row = dtype_info(dtype);
    bool is_signed = row->kind == SIB_KIND_INT;
    uint64_t high = UINT64_MAX >> (64 - row->bits + is_signed);
    int_range r = {is_signed ? -(int64_t)high - 1 : 0, high, 2.0 * (double)(high / 2 + 1)};
    return r;
}

/* Returns the integer part of x modulo 2^64; 0 for NaN and infinities. */
static uint64_t wrap_double(double x)
{
    uint64_t bits = format_bits_of(x), mantissa = (bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1) << 52;
    int exponent = (int)(bits >> 52 & 2047) - 1023; /* |x| = mantissa * 2^(exponent - 52) */
    if (exponent < 0 || exponent >= 52 + 64)        /* the exponent of infinities and NaN is 1024 */
        return 0;
    uint64_t magnitude = exponent < 52 ? mantissa >> (52 - exponent) : mantissa << (exponent - 52);
    return bits >> 63 ? 0 - magnitude : magnitude;
}

static uint64_t clamp_double(double x, const int_range *r)
{
    if (isnan(x))
        return 0;
    if (x >= r->top)
        return r->high;
    if (x <= (double)r->low)
        return (uint64_t)r->low;
    return x < 0 ? (uint64_t)(int64_t)x : (uint64_t)x;
}

static uint64_t clamp_i64(int64_t x, const int_range *r)
{
    if (x < r->low)
        return (uint64_t)r->low;
    return x > 0 && (uint64_t)x > r->high ? r->high : (uint64_t)x;
}

/* Computes codes of integers; storing them drops bits above the type's width. */
static void pivot_to_ints(const pivot *p, sib_dtype to, size_t n, sib_overflow overflow, uint64_t *codes)
{
    int_range r = range_of(to);
    bool clamp = overflow == SIB_OVERFLOW_SATURATE;
    for (size_t i = 0; i < n; i++) {
        switch (p->kind) {
        case PIVOT_INT:
            codes[i] = clamp ? clamp_i64(p->v.i[i], &r) : (uint64_t)p->v.i[i];
            break;
        case PIVOT_UINT:
            codes[i] = clamp && p->v.u[i] > r.high ? r.high : p->v.u[i];
            break;
        default: {
            double x = p->kind == PIVOT_COMPLEX ? p->v.c[i][0] : p->v.f[i];
            codes[i] = clamp ? clamp_double(x, &r) : wrap_double(x);
        }
        }
    }
}

static void pivot_to_bools(const pivot *p, size_t n, uint64_t *codes)
{
    for (size_t i = 0; i < n; i++) {
        if (p->kind == PIVOT_DOUBLE)
            codes[i] = p->v.f[i] != 0;
        else if (p->kind == PIVOT_COMPLEX)
            codes[i] = p->v.c[i][0] != 0 || p->v.c[i][1] != 0;
        else
            codes[i] = p->v.u[i] != 0;
    }
}

/* ---- Calls ---------------------------------------------------------------------------------------- */

void convert_block(sib_dtype from, const void *src, size_t from_first, sib_dtype to, void *dst,
                   size_t to_first, size_t n, sib_overflow overflow)
{
    pivot p;
    uint64_t codes[CONVERT_BLOCK];
    load_pivot(from, src, from_first, n, &p);
    switch (dtype_info(to)->kind) {
    case SIB_KIND_COMPLEX:
        pivot_to_complex(&p, to, n, dst, to_first);
        return;
    case SIB_KIND_FLOAT:
        pivot_to_floats(&p, to, n, overflow, codes);
        break;
    case SIB_KIND_BOOL:
        pivot_to_bools(&p, n, codes);
        break;
    default:
        pivot_to_ints(&p, to, n, overflow, codes);
    }
    store_codes(to, dst, to_first, n, codes);
}

/* Clears the bits of the last byte beyond element n. */
static void clear_padding(sib_dtype dtype, unsigned char *data, size_t n)
{
    unsigned bits = dtype_info(dtype)->bits;
    if (bits < 8 && n % (8 / bits))
        data[n / (8 / bits)] &= (unsigned char)((1u << n % (8 / bits) * bits) - 1);
}

void convert_dense(sib_dtype from, const void *src, sib_dtype to, void *dst, size_t n, sib_overflow overflow)
{
    size_t bytes = 0;
    convert_fast fast = convert_fast_of(from, to);
    dtype_bytes(to, n, &bytes);
    if (bytes == 0)
        return;
    if (from == to) {
        memcpy(dst, src, bytes);
    } else if (fast) {
        fast(src, dst, n);
    } else {
        for (size_t i = 0; i < n; i += CONVERT_BLOCK)
            convert_block(from, src, i, to, dst, i, n - i < CONVERT_BLOCK ? n - i : CONVERT_BLOCK, overflow);
    }
    clear_padding(to, dst, n);
}

void convert_to_doubles(sib_dtype from, const void *src, size_t first, size_t n, convert_part part,
                        double *out)
{
    pivot p;
    load_pivot(from, src, first, n, &p);
    if (p.kind == PIVOT_COMPLEX && part == CONVERT_MODULUS)
        for (size_t i = 0; i < n; i++)
            out[i] = hypot(p.v.c[i][0], p.v.c[i][1]);
    else
        pivot_to_doubles(&p, n, true, out);
}
