/* Elementwise operators of two or more inputs, broadcast together. */
#include "ops/lower/elem.h"

/* Inputs 0 and 1, MVAL_NONE after a failure; declares what is known of the output. Before opset 7 input 1
   broadcasts only by attribute broadcast, and the output has the dims of input 0. */
typedef struct pair {
    mval a, b;
} pair;

static pair pair_in(lowering *l, const node *n, elem_set takes, bool relation)
{
    dim dims[SIB_MAX_RANK] = {DIM_NONE};
    pair p = {l_in(l, 0), l_in(l, 1)};
    if (!elem_takes(l, p.a, "A", takes) || !elem_takes(l, p.b, "B", takes))
        return (pair){MVAL_NONE, MVAL_NONE};
    sib_dtype dtype = relation ? SIB_BOOL : m_dtype(l, p.a);
    elem_declare(l, dtype);
    if (n->version < 7) {
        int rank = m_dims(l, p.a, dims);
        l_declare(l, 0, dtype, rank, dims);
        p.b = elem_legacy_broadcast(l, n, p.a, p.b);
    }
    return p;
}

/* C = f(A, B) in the dtype of A and B. */
static void lower_two(lowering *l, const node *n, milli_kind kind, elem_set takes)
{
    pair p = pair_in(l, n, takes, false);
    l_out(l, 0, m_binary(l, kind, p.a, p.b));
}

/* C = f(A, B) as bool, or f(B, A) if `swapped`. */
static void lower_relation(lowering *l, const node *n, milli_kind kind, bool swapped, elem_set takes)
{
    pair p = pair_in(l, n, takes, true);
    l_out(l, 0, swapped ? m_binary(l, kind, p.b, p.a) : m_binary(l, kind, p.a, p.b));
}

#define BINARY(name, milli, takes)                                                                           \
    void lower_ONNX_##name(lowering *l, const node *n)                                                       \
    {                                                                                                        \
        lower_two(l, n, MILLI_##milli, takes);                                                               \
    }
#define RELATION(name, milli, swapped, takes)                                                                \
    void lower_ONNX_##name(lowering *l, const node *n)                                                       \
    {                                                                                                        \
        lower_relation(l, n, MILLI_##milli, swapped, takes);                                                 \
    }

/* C = A + B and likewise, rounded once; integers wrap, and divide toward zero. ONNX Add-1/6/7/13/14,
   Sub-1/6/7/13/14, Mul-1/6/7/13/14, Div-1/6/7/13/14; up to opset 6 by attribute broadcast. */
BINARY(Add, add, ELEM_NUMBERS)
BINARY(Sub, sub, ELEM_NUMBERS)
BINARY(Mul, mul, ELEM_NUMBERS)
BINARY(Div, div, ELEM_NUMBERS)

/* C = A and B, and likewise, of bool. ONNX And-1/7, Or-1/7, Xor-1/7. */
BINARY(And, and, ELEM(SIB_BOOL))
BINARY(Or, or, ELEM(SIB_BOOL))
BINARY(Xor, xor, ELEM(SIB_BOOL))

/* C = A and B, and likewise, bitwise. ONNX BitwiseAnd-18, BitwiseOr-18, BitwiseXor-18. */
BINARY(BitwiseAnd, and, ELEM_INTS)
BINARY(BitwiseOr, or, ELEM_INTS)
BINARY(BitwiseXor, xor, ELEM_INTS)

/* C = (A == B) and likewise; always false with NaN. ONNX Equal-1/7/11/13/19, Less-1/7/9/13,
   LessOrEqual-12/16, Greater-1/7/9/13, GreaterOrEqual-12/16. */
RELATION(Equal, equal, false, ELEM_NUMBERS | ELEM(SIB_BOOL) | ELEM(SIB_STRING))
RELATION(Less, less, false, ELEM_NUMBERS)
RELATION(LessOrEqual, less_equal, false, ELEM_NUMBERS)
RELATION(Greater, less, true, ELEM_NUMBERS)
RELATION(GreaterOrEqual, less_equal, true, ELEM_NUMBERS)
#undef BINARY
#undef RELATION

/* C = A - floor(A / B) * B, with the sign of B; with fmod 1, required for floats, A - trunc(A / B) * B with
   the sign of A. ONNX Mod-10/13. */
void lower_ONNX_Mod(lowering *l, const node *n)
{
    int64_t fmod = spec_mod(n).fmod;
    if (fmod == 0 && m_is(l, l_in(l, 0), SIB_KIND_FLOAT))
        l_fail(l, SIB_ERR_ARGUMENT, "fmod is 0, expected 1 for %s", sib_dtype_name(m_dtype(l, l_in(l, 0))));
    lower_two(l, n, fmod ? MILLI_fmod : MILLI_mod, ELEM_NUMBERS);
}

/* An integer exponent as int64. A uint64 beyond its range becomes 2^62 plus its value modulo 2^62, which
   gives the same wrapped product: powers of even numbers are 0 either way, and the multiplicative order of
   odd ones divides 2^62. */
static mval integer_exponent(lowering *l, mval b)
{
    mval wrapped = m_cast(l, b, SIB_I64);
    if (m_dtype(l, b) != SIB_U64)
        return wrapped;
    mval big = m_scalar_int(l, SIB_I64, INT64_C(1) << 62);
    mval low = m_and(l, wrapped, m_scalar_int(l, SIB_I64, (INT64_C(1) << 62) - 1));
    return m_where(l, m_less(l, wrapped, m_scalar_int(l, SIB_I64, 0)), m_or(l, low, big), wrapped);
}

/* C = A^B in the dtype of A: integers by wrapping products, others in float64, rounded or truncated once.
   ONNX Pow-1 (attribute broadcast), 7, 12/13/15 (A and B may differ in dtype). */
void lower_ONNX_Pow(lowering *l, const node *n)
{
    pair p = pair_in(l, n, ELEM_NUMBERS, false);
    mval power;
    if (m_is(l, p.a, SIB_KIND_FLOAT) || m_is(l, p.b, SIB_KIND_FLOAT))
        power = m_pow(l, elem_wide(l, p.a), elem_wide(l, p.b));
    else
        power = m_pow(l, m_cast(l, p.a, SIB_I64), integer_exponent(l, p.b));
    elem_out(l, power, p.a);
}

/* C = A * 2^B where direction is LEFT, floor(A / 2^B) where it is RIGHT. ONNX BitShift-11. */
void lower_ONNX_BitShift(lowering *l, const node *n)
{
    bool left = spec_bit_shift(n).direction == SHIFT_LEFT;
    lower_two(l, n, left ? MILLI_shift_left : MILLI_shift_right, ELEM_UINTS);
}

/* ---- Of any number of inputs -------------------------------------------------------------------------- */

/* Input i, whose dtype must be that of input 0; before opset 8 its dims too. */
static mval item_in(lowering *l, const node *n, size_t i, elem_set takes)
{
    mval first = l_in(l, 0), item = l_in(l, i);
    if (!elem_takes(l, item, "an input", takes))
        return MVAL_NONE;
    if (m_dtype(l, item) != m_dtype(l, first))
        return l_fail(l, SIB_ERR_ARGUMENT, "input %zu is %s, expected %s as input 0", i,
                      sib_dtype_name(m_dtype(l, item)), sib_dtype_name(m_dtype(l, first)));
    if (n->version < 8 && !elem_same_dims(l, first, item))
        return l_fail(l, SIB_ERR_ARGUMENT, "input %zu and input 0 have different dims", i);
    return n->version < 8 ? m_broadcast_like(l, item, first) : item;
}

/* f(... f(f(X0, X1), X2) ..., Xn), in float64 if `wide`. */
static mval fold_inputs(lowering *l, const node *n, milli_kind kind, bool wide, elem_set takes)
{
    mval all = MVAL_NONE;
    for (size_t i = 0; i < n->inputs.n && l_ok(l); i++) {
        mval item = item_in(l, n, i, takes);
        if (i == 0)
            elem_declare(l, m_dtype(l, item));
        if (wide)
            item = elem_wide(l, item);
        all = i ? m_binary(l, kind, all, item) : item;
    }
    return all;
}

/* The max of all inputs; NaN where one is. ONNX Max-1/6 (equal dims), 8/12/13. */
void lower_ONNX_Max(lowering *l, const node *n)
{
    l_out(l, 0, fold_inputs(l, n, MILLI_max, false, ELEM_NUMBERS));
}

/* The min of all inputs; NaN where one is. ONNX Min-1/6 (equal dims), 8/12/13. */
void lower_ONNX_Min(lowering *l, const node *n)
{
    l_out(l, 0, fold_inputs(l, n, MILLI_min, false, ELEM_NUMBERS));
}

/* X0 + X1 + ... + Xn, rounded once. ONNX Sum-1/6 (equal dims), 8/13. */
void lower_ONNX_Sum(lowering *l, const node *n)
{
    mval sum = fold_inputs(l, n, MILLI_add, n->inputs.n > 2, ELEM_FLOATS);
    elem_out(l, sum, l_in(l, 0));
}

/* (X0 + X1 + ... + Xn) / (n + 1), rounded once. ONNX Mean-1/6 (equal dims), 8/13. */
void lower_ONNX_Mean(lowering *l, const node *n)
{
    mval sum = fold_inputs(l, n, MILLI_add, true, ELEM_FLOATS);
    elem_out(l, m_div(l, sum, elem_number(l, (double)n->inputs.n)), l_in(l, 0));
}

/* C = condition ? X : Y, all broadcast together. ONNX Where-9/16. */
void lower_ONNX_Where(lowering *l, const node *n)
{
    (void)n;
    mval condition = l_in(l, 0), x = l_in(l, 1), y = l_in(l, 2);
    if (!elem_takes(l, condition, "condition", ELEM(SIB_BOOL)) || !elem_takes(l, x, "X", ELEM_ALL))
        return;
    elem_declare(l, m_dtype(l, x));
    l_out(l, 0, m_where(l, condition, x, y));
}
