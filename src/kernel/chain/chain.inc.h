/* The elementwise functions over the vector operations of simd/f32_*.h. Other functions are plain C that
   compilers vectorize; operands and result may be the same array, element by element, which "ivdep"
   states. */
#include "base/error.h" /* refuses -ffast-math */
#include "kernel/kernel.h"
#include "simd/f32_math.h"

#include <stdbool.h>

#define CHAIN_INLINE static inline __attribute__((always_inline))

/* ---- Floats in vectors ------------------------------------------------------------------------------- */

/* A partial vector is computed as a full one whose other lanes are 0, so that each element passes through the
   same instructions at any position. single: 1 or 2 where that operand is a single element. streams: stores
   past the caches, to aligned memory. */
#define CHAIN_VECTOR(name, inputs, formula)                                                                  \
    CHAIN_INLINE void f32_##name##_run(const float *p, const float *q, float *to, size_t n, int single,      \
                                       bool streams)                                                         \
    {                                                                                                        \
        const vf one = single ? vf_set1(single == 1 ? *p : *q) : vf_zero();                                  \
        size_t i = 0;                                                                                        \
        for (; i + VF_LANES <= n; i += VF_LANES) {                                                           \
            vf x = single == 1 ? one : vf_load(p + i);                                                       \
            vf y = inputs == 1 ? x : single == 2 ? one : vf_load(q + i);                                     \
            (void)y;                                                                                         \
            if (streams)                                                                                     \
                vf_stream(to + i, formula);                                                                  \
            else                                                                                             \
                vf_store(to + i, formula);                                                                   \
        }                                                                                                    \
        if (i < n) {                                                                                         \
            vf x = single == 1 ? one : vf_load_n(p + i, n - i);                                              \
            vf y = inputs == 1 ? x : single == 2 ? one : vf_load_n(q + i, n - i);                            \
            (void)y;                                                                                         \
            vf_store_n(to + i, formula, n - i);                                                              \
        }                                                                                                    \
    }                                                                                                        \
    CHAIN_FORM(name, name, 0)

#define CHAIN_FORM(name, form, single)                                                                       \
    static void f32_##form(const void *a, const void *b, const void *c, void *out, size_t n)                 \
    {                                                                                                        \
        (void)c;                                                                                             \
        f32_##name##_run(a, b, out, n, single, false);                                                       \
    }                                                                                                        \
    static void f32_##form##_streamed(const void *a, const void *b, const void *c, void *out, size_t n)      \
    {                                                                                                        \
        if ((uintptr_t)out % sizeof(vf))                                                                     \
            f32_##form(a, b, c, out, n);                                                                     \
        else                                                                                                 \
            f32_##name##_run(a, b, out, n, single, true);                                                    \
    }

#define CHAIN_SCALAR(name)                                                                                   \
    CHAIN_FORM(name, name##_left, 1)                                                                         \
    CHAIN_FORM(name, name##_right, 2)

/* The first of equal ones; NaN where either is. */
static inline vf chain_smaller(vf x, vf y)
{
    return vf_select_nan(y, y, vf_min(y, x));
}

static inline vf chain_larger(vf x, vf y)
{
    return vf_select_nan(y, y, vf_max(y, x));
}

CHAIN_VECTOR(neg, 1, vf_sub(vf_set1(-0.0f), x))
CHAIN_VECTOR(abs, 1, vf_abs(x))
CHAIN_VECTOR(floor, 1, vf_floor(x))
CHAIN_VECTOR(ceil, 1, vf_ceil(x))
CHAIN_VECTOR(round, 1, vf_round(x))
CHAIN_VECTOR(sqrt, 1, vf_sqrt(x))
CHAIN_VECTOR(exp, 1, vf_exp(x))
CHAIN_VECTOR(log, 1, vf_log(x))
CHAIN_VECTOR(sin, 1, vf_sin(x))
CHAIN_VECTOR(cos, 1, vf_cos(x))
CHAIN_VECTOR(tanh, 1, vf_tanh(x))
CHAIN_VECTOR(erf, 1, vf_erf(x))
CHAIN_VECTOR(log1p, 1, vf_log1p(x))
CHAIN_VECTOR(expm1, 1, vf_expm1(x))
CHAIN_VECTOR(exp2, 1, vf_exp2(x))
CHAIN_VECTOR(sigmoid, 1, vf_sigmoid(x))
CHAIN_VECTOR(silu, 1, vf_silu(x))
CHAIN_VECTOR(softplus, 1, vf_softplus(x))
CHAIN_VECTOR(gelu, 1, vf_gelu(x))
CHAIN_VECTOR(gelu_tanh, 1, vf_gelu_tanh(x))
CHAIN_VECTOR(hard_swish, 1,
             vf_mul(x, vf_min(vf_set1(1.0f),
                              vf_max(vf_zero(), vf_add(vf_div(x, vf_set1(6.0f)), vf_set1(0.5f))))))
CHAIN_VECTOR(add, 2, vf_add(x, y))
CHAIN_VECTOR(sub, 2, vf_sub(x, y))
CHAIN_VECTOR(mul, 2, vf_mul(x, y))
CHAIN_VECTOR(div, 2, vf_div(x, y))
CHAIN_VECTOR(min, 2, chain_smaller(x, y))
CHAIN_VECTOR(max, 2, chain_larger(x, y))

CHAIN_SCALAR(add)
CHAIN_SCALAR(sub)
CHAIN_SCALAR(mul)
CHAIN_SCALAR(div)
CHAIN_SCALAR(min)
CHAIN_SCALAR(max)

#define CHAIN_ARITHMETIC(ENTRY) ENTRY(add) ENTRY(sub) ENTRY(mul) ENTRY(div) ENTRY(min) ENTRY(max)
/* Both floats have them, in functions of their own. */
#define CHAIN_REALS(ENTRY)                                                                                   \
    ENTRY(neg)                                                                                               \
    ENTRY(abs)                                                                                               \
    ENTRY(floor)                                                                                             \
    ENTRY(ceil)                                                                                              \
    ENTRY(round)                                                                                             \
    ENTRY(sqrt)                                                                                              \
    ENTRY(exp)                                                                                               \
    ENTRY(log)                                                                                               \
    ENTRY(sin)                                                                                               \
    ENTRY(cos)                                                                                               \
    ENTRY(tanh)                                                                                              \
    ENTRY(erf)                                                                                               \
    ENTRY(log1p)                                                                                             \
    ENTRY(expm1)                                                                                             \
    CHAIN_ARITHMETIC(ENTRY)

static void f32_scalars_init(chain_kernels *k)
{
#define CHAIN_ENTRY(name)                                                                                    \
    k->scalar[0][CHAIN_##name] = f32_##name##_left;                                                          \
    k->scalar[1][CHAIN_##name] = f32_##name##_right;                                                         \
    k->streamed[1][CHAIN_##name] = f32_##name##_left_streamed;                                               \
    k->streamed[2][CHAIN_##name] = f32_##name##_right_streamed;
    CHAIN_ARITHMETIC(CHAIN_ENTRY)
#undef CHAIN_ENTRY
}

static void f32_vectors_init(chain_kernels *k)
{
#define CHAIN_ENTRY(name)                                                                                    \
    k->op[CHAIN_##name][CHAIN_F32] = f32_##name;                                                             \
    k->streamed[0][CHAIN_##name] = f32_##name##_streamed;
    CHAIN_REALS(CHAIN_ENTRY)
    CHAIN_ENTRY(exp2)
    CHAIN_ENTRY(sigmoid)
    CHAIN_ENTRY(silu)
    CHAIN_ENTRY(softplus)
    CHAIN_ENTRY(gelu)
    CHAIN_ENTRY(gelu_tanh)
    CHAIN_ENTRY(hard_swish)
#undef CHAIN_ENTRY
}

/* ---- Other types ------------------------------------------------------------------------------------- */

/* a - floor(a / b) b without the rounding of the quotient: fmod is exact. For infinite b with the sign of a
   the result is a. */
static inline double chain_floor_mod(double x, double y)
{
    double rest = fmod(x, y);
    if (rest == 0)
        return copysign(rest, y);
    return (rest < 0) != (y < 0) ? rest + y : rest;
}

/* The integer part of x modulo 2^64; 0 for NaN and infinities. */
static inline uint64_t chain_wrap(double x)
{
    double size = fabs(x);
    if (!(size < (double)INFINITY))
        return 0;
    uint64_t whole = (uint64_t)fmod(trunc(size), 0x1p64);
    return x < 0 ? 0 - whole : whole;
}

#define REAL     float
#define NAME(op) f32_##op
#include "kernel/chain/chain_real.inc.h"
#undef REAL
#undef NAME
#undef REAL_LOOP

#define REAL     double
#define NAME(op) f64_##op
#include "kernel/chain/chain_real.inc.h"
REAL_LOOP(neg, double, -x)
REAL_LOOP(abs, double, fabs(x))
REAL_LOOP(floor, double, floor(x))
REAL_LOOP(ceil, double, ceil(x))
REAL_LOOP(round, double, nearbyint(x))
REAL_LOOP(sqrt, double, sqrt(x))
REAL_LOOP(exp, double, exp(x))
REAL_LOOP(log, double, log(x))
REAL_LOOP(sin, double, sin(x))
REAL_LOOP(cos, double, cos(x))
REAL_LOOP(tanh, double, tanh(x))
REAL_LOOP(erf, double, erf(x))
REAL_LOOP(log1p, double, log1p(x))
REAL_LOOP(expm1, double, expm1(x))
REAL_LOOP(add, double, x + y)
REAL_LOOP(sub, double, x - y)
REAL_LOOP(mul, double, x *y)
REAL_LOOP(div, double, x / y)
REAL_LOOP(min, double, x <= y || x != x ? x : y)
REAL_LOOP(max, double, x >= y || x != x ? x : y)
#undef REAL
#undef NAME
#undef REAL_LOOP

static void f64_init(chain_kernels *k)
{
#define CHAIN_ENTRY(name) k->op[CHAIN_##name][CHAIN_F64] = f64_##name;
    CHAIN_REALS(CHAIN_ENTRY)
#undef CHAIN_ENTRY
}

#define INT      int8_t
#define WIDE     uint32_t
#define NAME(op) i8_##op
#include "kernel/chain/chain_int.inc.h"
#undef INT
#undef NAME
#define INT      int16_t
#define NAME(op) i16_##op
#include "kernel/chain/chain_int.inc.h"
#undef INT
#undef NAME
#define INT      int32_t
#define NAME(op) i32_##op
#include "kernel/chain/chain_int.inc.h"
#undef INT
#undef NAME
#define INT      uint8_t
#define NAME(op) u8_##op
#include "kernel/chain/chain_int.inc.h"
#undef INT
#undef NAME
#define INT      uint16_t
#define NAME(op) u16_##op
#include "kernel/chain/chain_int.inc.h"
#undef INT
#undef NAME
#define INT      uint32_t
#define NAME(op) u32_##op
#include "kernel/chain/chain_int.inc.h"
#undef INT
#undef WIDE
#undef NAME
#define INT      int64_t
#define WIDE     uint64_t
#define NAME(op) i64_##op
#include "kernel/chain/chain_int.inc.h"
#undef INT
#undef NAME
#define INT      uint64_t
#define NAME(op) u64_##op
#include "kernel/chain/chain_int.inc.h"
#undef INT
#undef WIDE
#undef NAME

/* A loop over bytes of 0 or 1. */
#define BOOL_LOOP(op, formula)                                                                               \
    static void bool_##op(const void *a, const void *b, const void *c, void *out, size_t n)                  \
    {                                                                                                        \
        const uint8_t *left = a, *right = b ? b : a;                                                         \
        uint8_t *z = out;                                                                                    \
        (void)c;                                                                                             \
        _Pragma("GCC ivdep") for (size_t i = 0; i < n; i++)                                                  \
        {                                                                                                    \
            uint8_t x = left[i] != 0, y = right[i] != 0;                                                     \
            (void)y;                                                                                         \
            z[i] = (uint8_t)(formula);                                                                       \
        }                                                                                                    \
    }

BOOL_LOOP(same, x)
BOOL_LOOP(not, x ^ 1)
BOOL_LOOP(and, x &y)
BOOL_LOOP(or, x | y)
BOOL_LOOP(xor, x ^ y)
BOOL_LOOP(equal, x == y)
BOOL_LOOP(less, x < y)
BOOL_LOOP(less_equal, x <= y)

static void bool_init(chain_kernels *k)
{
#define BOOL_ENTRY(name, function) k->op[CHAIN_##name][CHAIN_BOOL] = bool_##function;
    BOOL_ENTRY(abs, same)
    BOOL_ENTRY(not, not )
    BOOL_ENTRY(add, or)
    BOOL_ENTRY(mul, and)
    BOOL_ENTRY(min, and)
    BOOL_ENTRY(max, or)
    BOOL_ENTRY(and, and)
    BOOL_ENTRY(or, or)
    BOOL_ENTRY(xor, xor)
    BOOL_ENTRY(equal, equal)
    BOOL_ENTRY(less, less)
    BOOL_ENTRY(less_equal, less_equal)
#undef BOOL_ENTRY
}

#define WHERE_LOOP(type)                                                                                     \
    static void where_##type(const void *a, const void *b, const void *c, void *out, size_t n)               \
    {                                                                                                        \
        const uint8_t *choice = a;                                                                           \
        const type *yes = b, *no = c;                                                                        \
        type *z = out;                                                                                       \
        _Pragma("GCC ivdep") for (size_t i = 0; i < n; i++)                                                  \
        {                                                                                                    \
            type x = yes[i], y = no[i];                                                                      \
            z[i] = choice[i] ? x : y;                                                                        \
        }                                                                                                    \
    }

WHERE_LOOP(uint8_t)
WHERE_LOOP(uint16_t)
WHERE_LOOP(uint32_t)
WHERE_LOOP(uint64_t)

/* ---- Casts -------------------------------------------------------------------------------------------- */

#define FROM_REAL 1
#define FROM      float
#define NAME(to)  cast_f32_##to
#include "kernel/chain/chain_cast.inc.h"
#undef FROM
#undef NAME
#define FROM     double
#define NAME(to) cast_f64_##to
#include "kernel/chain/chain_cast.inc.h"
#undef FROM
#undef NAME
#undef FROM_REAL
#define FROM_REAL 0
#define FROM      int8_t
#define NAME(to)  cast_i8_##to
#include "kernel/chain/chain_cast.inc.h"
#undef FROM
#undef NAME
#define FROM     int16_t
#define NAME(to) cast_i16_##to
#include "kernel/chain/chain_cast.inc.h"
#undef FROM
#undef NAME
#define FROM     int32_t
#define NAME(to) cast_i32_##to
#include "kernel/chain/chain_cast.inc.h"
#undef FROM
#undef NAME
#define FROM     int64_t
#define NAME(to) cast_i64_##to
#include "kernel/chain/chain_cast.inc.h"
#undef FROM
#undef NAME
#define FROM     uint8_t
#define NAME(to) cast_u8_##to
#include "kernel/chain/chain_cast.inc.h"
#undef FROM
#undef NAME
#define FROM     uint16_t
#define NAME(to) cast_u16_##to
#include "kernel/chain/chain_cast.inc.h"
#undef FROM
#undef NAME
#define FROM     uint32_t
#define NAME(to) cast_u32_##to
#include "kernel/chain/chain_cast.inc.h"
#undef FROM
#undef NAME
#define FROM     uint64_t
#define NAME(to) cast_u64_##to
#include "kernel/chain/chain_cast.inc.h"
#undef FROM
#undef NAME

static void casts_init(chain_kernels *k)
{
    cast_f32_init(k, CHAIN_F32);
    cast_f64_init(k, CHAIN_F64);
    cast_i8_init(k, CHAIN_I8);
    cast_i16_init(k, CHAIN_I16);
    cast_i32_init(k, CHAIN_I32);
    cast_i64_init(k, CHAIN_I64);
    cast_u8_init(k, CHAIN_U8);
    cast_u8_init(k, CHAIN_BOOL);
    cast_u16_init(k, CHAIN_U16);
    cast_u32_init(k, CHAIN_U32);
    cast_u64_init(k, CHAIN_U64);
}

void SIMD_NAME(chain_init)(chain_kernels *k)
{
    f32_vectors_init(k);
    f32_scalars_init(k);
    f32_real_init(k, CHAIN_F32);
    f64_real_init(k, CHAIN_F64);
    f64_init(k);
    i8_init(k, CHAIN_I8);
    i16_init(k, CHAIN_I16);
    i32_init(k, CHAIN_I32);
    i64_init(k, CHAIN_I64);
    u8_init(k, CHAIN_U8);
    u16_init(k, CHAIN_U16);
    u32_init(k, CHAIN_U32);
    u64_init(k, CHAIN_U64);
    bool_init(k);
    k->where[0] = where_uint8_t;
    k->where[1] = where_uint16_t;
    k->where[2] = where_uint32_t;
    k->where[3] = where_uint64_t;
    casts_init(k);
}
