/* Building of chains. */
#include "base/alloc.h"
#include "base/array.h"
#include "base/assert.h"
#include "kernel/chain/chain_internal.h"
#include "tensor/convert.h"
#include "tensor/dtype.h"

#include <string.h>

/* ---- Types --------------------------------------------------------------------------------------------- */

chain_type chain_type_of(sib_dtype dtype)
{
    switch (dtype) {
    case SIB_F32:
    case SIB_F16:
    case SIB_BF16:
        return CHAIN_F32;
    case SIB_F64:
        return CHAIN_F64;
    case SIB_I8:
        return CHAIN_I8;
    case SIB_I16:
        return CHAIN_I16;
    case SIB_I32:
        return CHAIN_I32;
    case SIB_I64:
        return CHAIN_I64;
    case SIB_U8:
        return CHAIN_U8;
    case SIB_U16:
        return CHAIN_U16;
    case SIB_U32:
        return CHAIN_U32;
    case SIB_U64:
        return CHAIN_U64;
    case SIB_BOOL:
        return CHAIN_BOOL;
    default:
        return CHAIN_TYPE_COUNT;
    }
}

static bool is_narrow_float(sib_dtype dtype)
{
    return sib_dtype_get_kind(dtype) == SIB_KIND_FLOAT && sib_dtype_bits(dtype) == 8;
}

static bool is_number(sib_dtype dtype)
{
    return chain_type_of(dtype) != CHAIN_TYPE_COUNT;
}

bool chain_takes(chain_op op, sib_dtype dtype)
{
    return is_number(dtype) && kernel_table_get()->chain.op[op][chain_type_of(dtype)];
}

bool chain_takes_cast(sib_dtype from, sib_dtype to)
{
    return (is_number(from) || is_narrow_float(from)) && (is_number(to) || is_narrow_float(to));
}

bool chain_takes_bitcast(sib_dtype from, sib_dtype to)
{
    return is_number(from) && is_number(to) && !chain_is_half(from) && !chain_is_half(to) &&
           sib_dtype_bits(from) == sib_dtype_bits(to);
}

bool chain_takes_where(sib_dtype dtype)
{
    return is_number(dtype) || is_narrow_float(dtype);
}

/* ---- Building ------------------------------------------------------------------------------------------ */

chain *chain_create(size_t rank, const int64_t *dims)
{
    chain *c = mem_calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->kernels = kernel_table_get();
    c->rank = rank;
    c->count = 1;
    for (size_t i = 0; i < rank; i++) {
        c->dims[i] = dims[i];
        c->count *= (size_t)dims[i];
    }
    c->in_place = CHAIN_NONE;
    return c;
}

void chain_free(chain *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n_operands; i++)
        mem_free(c->operands[i].converted);
    if (!c->memory) {
        mem_free(c->values);
        mem_free(c->operands);
        mem_free(c->steps);
        mem_free(c->outputs);
    }
    mem_free(c->memory);
    mem_free(c);
}

static size_t add(chain *c, chain_value v)
{
    if (v.kind != CHAIN_IS_OPERAND && v.in[0] == CHAIN_NONE)
        c->failed = true;
    if (c->failed ||
        ARRAY_RESERVE(c->values, c->value_capacity, c->n_values + 1, "a chain", NULL) != SIB_OK) {
        c->failed = true;
        return CHAIN_NONE;
    }
    c->values[c->n_values] = v;
    return c->n_values++;
}

static size_t add_operand(chain *c, sib_dtype dtype, size_t rank, const int64_t *dims, const void *elements)
{
    chain_memory m = {.dtype = dtype,
                      .value = c->n_values,
                      .bytes = sib_dtype_bits(dtype) / 8,
                      .elements = elements,
                      .row = CHAIN_NONE};
    if (!chain_layout_of(rank, dims, c->rank, c->dims, &m.layout) ||
        ARRAY_RESERVE(c->operands, c->operand_capacity, c->n_operands + 1, "a chain", NULL) != SIB_OK) {
        c->failed = true;
        return CHAIN_NONE;
    }
    c->operands[c->n_operands] = m;
    return add(c, (chain_value){.kind = CHAIN_IS_OPERAND,
                                .dtype = dtype,
                                .in = {CHAIN_NONE, CHAIN_NONE, CHAIN_NONE},
                                .operand = c->n_operands++});
}

static bool compares(chain_op op)
{
    return op == CHAIN_is_nan || op == CHAIN_is_inf || op == CHAIN_equal || op == CHAIN_less ||
           op == CHAIN_less_equal;
}

static size_t inputs_of(chain_op op)
{
    static const unsigned char inputs[CHAIN_OP_COUNT] = {
#define CHAIN_OP(name, count) [CHAIN_##name] = count,
#include "kernel/chain/chain_ops.def"
#undef CHAIN_OP
    };
    return inputs[op];
}

static sib_dtype chain_dtype(const chain *c, size_t value)
{
    return value == CHAIN_NONE ? SIB_DTYPE_UNKNOWN : c->values[value].dtype;
}

/* a^2 or a^3 as products; CHAIN_NONE for other exponents. */
static size_t small_power(chain *c, size_t a, size_t b)
{
    double exponent;
    if (chain_dtype(c, a) != SIB_F32 || !chain_number(c, b, &exponent) || (exponent != 2 && exponent != 3))
        return CHAIN_NONE;
    size_t square = chain_apply(c, CHAIN_mul, a, a);
    return exponent == 2 ? square : chain_apply(c, CHAIN_mul, square, a);
}

size_t chain_apply(chain *c, chain_op op, size_t a, size_t b)
{
    SIB_ASSERT(op < CHAIN_OP_COUNT);
    SIB_ASSERT((a < c->n_values || a == CHAIN_NONE) && (b < c->n_values || b == CHAIN_NONE));
    size_t n = inputs_of(op);
    if (a == CHAIN_NONE || (n > 1 && b == CHAIN_NONE)) {
        c->failed = true;
        return CHAIN_NONE;
    }
    size_t power = op == CHAIN_pow ? small_power(c, a, b) : CHAIN_NONE;
    if (power != CHAIN_NONE)
        return power;
    return add(c, (chain_value){.kind = CHAIN_IS_OP,
                                .op = op,
                                .dtype = compares(op) ? SIB_BOOL : c->values[a].dtype,
                                .in = {a, n > 1 ? b : CHAIN_NONE, CHAIN_NONE}});
}

size_t chain_operand(chain *c, sib_dtype dtype, size_t rank, const int64_t *dims, const void *elements)
{
    size_t v = add_operand(c, dtype, rank, dims, elements);
    if (v != CHAIN_NONE)
        c->operands[c->values[v].operand].number = c->n_given++;
    return v;
}

size_t chain_converted(chain *c, sib_dtype dtype, size_t rank, const int64_t *dims, const void *elements,
                       sib_dtype to)
{
    size_t v = add_operand(c, to, rank, dims, NULL), count = 1, bytes;
    for (size_t i = 0; i < rank; i++)
        if (!size_mul(count, (size_t)dims[i], &count))
            c->failed = true;
    if (v == CHAIN_NONE || c->failed || !dtype_bytes(to, count, &bytes))
        return CHAIN_NONE;
    chain_memory *m = &c->operands[c->values[v].operand];
    m->elements = m->converted = mem_alloc(bytes, 1);
    if (!m->converted) {
        c->failed = true;
        return CHAIN_NONE;
    }
    convert_dense(dtype, elements, to, m->converted, count, SIB_OVERFLOW_IEEE);
    return v;
}

/* Adds an operand of one element, x. */
static size_t add_number(chain *c, sib_dtype dtype, double x)
{
    return chain_converted(c, SIB_F64, 0, NULL, &x, dtype);
}

/* The bounds of narrow integers are exact in floats, so values are clamped, then cast. */
static size_t saturating(chain *c, size_t a, sib_dtype to)
{
    unsigned bits = sib_dtype_bits(to);
    bool is_signed = sib_dtype_get_kind(to) == SIB_KIND_INT;
    double high = (double)((1u << (bits - is_signed)) - 1), low = is_signed ? -high - 1 : 0;
    sib_dtype from = c->values[a].dtype == SIB_F64 ? SIB_F64 : SIB_F32;
    size_t min = add_number(c, from, low), max = add_number(c, from, high);
    size_t above = chain_apply(c, CHAIN_max, a, min);
    size_t within = chain_apply(c, CHAIN_min, above, max);
    return chain_cast(c, within, to, false);
}

size_t chain_cast(chain *c, size_t a, sib_dtype to, bool saturate)
{
    SIB_ASSERT(a < c->n_values || a == CHAIN_NONE);
    if (a == CHAIN_NONE || c->failed) {
        c->failed = true;
        return CHAIN_NONE;
    }
    sib_dtype from = c->values[a].dtype;
    chain_type source = chain_type_of(from), target = chain_type_of(to);
    bool whole = target >= CHAIN_I8 && target <= CHAIN_U64,
         from_real = source == CHAIN_F32 || source == CHAIN_F64;
    if (from == to)
        return a;
    if (saturate && whole && from_real && sib_dtype_bits(to) <= 16 && !chain_is_half(from))
        return saturating(c, a, to);
    bool direct = source != CHAIN_TYPE_COUNT && target != CHAIN_TYPE_COUNT && !(saturate && whole);
    if (chain_is_half(to)) /* others would be rounded twice */
        direct &= source == CHAIN_F32 || (source >= CHAIN_I8 && sib_dtype_bits(from) <= 16);
    return add(c, (chain_value){.kind = direct ? CHAIN_IS_CAST : CHAIN_IS_CONVERT,
                                .dtype = to,
                                .saturate = saturate,
                                .in = {a, CHAIN_NONE, CHAIN_NONE}});
}

size_t chain_bitcast(chain *c, size_t a, sib_dtype to)
{
    return add(c, (chain_value){.kind = CHAIN_IS_BITCAST, .dtype = to, .in = {a, CHAIN_NONE, CHAIN_NONE}});
}

size_t chain_where(chain *c, size_t condition, size_t a, size_t b)
{
    if (condition == CHAIN_NONE || a == CHAIN_NONE || b == CHAIN_NONE) {
        c->failed = true;
        return CHAIN_NONE;
    }
    return add(c,
               (chain_value){.kind = CHAIN_IS_WHERE, .dtype = c->values[a].dtype, .in = {condition, a, b}});
}

bool chain_result(chain *c, size_t value)
{
    SIB_ASSERT(value < c->n_values || value == CHAIN_NONE);
    if (value == CHAIN_NONE ||
        ARRAY_RESERVE(c->outputs, c->output_capacity, c->n_outputs + 1, "a chain", NULL) != SIB_OK)
        return false;
    c->outputs[c->n_outputs++] = (chain_output){.value = value};
    return true;
}

void chain_in_place(chain *c, size_t value)
{
    c->in_place = value;
}
