/* Replaces groups of functions by one: sigmoid, GELU and the like as exporters and lowerings write them. Only
   float32; joined functions are rounded less often. A function that others read too is kept for them.

   Multiply and add stay two functions. Rounding once would be more accurate, but quantized models were
   calibrated with two roundings, and a difference can shift a value by a quantization step. */
#include "kernel/chain/chain_internal.h"

#include <math.h>
#include <string.h>

/* ---- Lookup -------------------------------------------------------------------------------------------- */

bool chain_number(const chain *c, size_t value, double *out)
{
    if (value == CHAIN_NONE || c->values[value].kind != CHAIN_IS_OPERAND)
        return false;
    const chain_memory *m = &c->operands[c->values[value].operand];
    float narrow;
    if (!m->elements || m->layout.place != CHAIN_SCALAR || (m->dtype != SIB_F32 && m->dtype != SIB_F64))
        return false;
    if (m->dtype == SIB_F64) {
        memcpy(out, m->elements, sizeof *out);
        return true;
    }
    memcpy(&narrow, m->elements, sizeof narrow);
    *out = narrow;
    return true;
}

static bool is_near(const chain *c, size_t value, double x)
{
    double got;
    return chain_number(c, value, &got) && fabs(got - x) <= 2e-6 * fabs(x);
}

static const chain_value *made_by(const chain *c, size_t value, chain_op op)
{
    const chain_value *v = value == CHAIN_NONE ? NULL : &c->values[value];
    return v && v->kind == CHAIN_IS_OP && v->op == op && v->dtype == SIB_F32 ? v : NULL;
}

/* If one operand of v is a number near x, returns the other; else CHAIN_NONE. */
static size_t other_operand(const chain *c, const chain_value *v, double x)
{
    if (!v)
        return CHAIN_NONE;
    return is_near(c, v->in[1], x) ? v->in[0] : is_near(c, v->in[0], x) ? v->in[1] : CHAIN_NONE;
}

/* ---- Products as lists of factors ---------------------------------------------------------------------- */

#define FACTORS_MAX 6

typedef struct product {
    size_t n, factors[FACTORS_MAX];
    double number;
    bool too_many;
} product;

/* The operand of the product or quotient v that is not a constant; *by: the constant factor. CHAIN_NONE:
   there is no such operand. */
static size_t scaled_by_number(const chain *c, size_t value, double *by)
{
    const chain_value *v = made_by(c, value, CHAIN_mul), *q = made_by(c, value, CHAIN_div);
    double x;
    if (q && chain_number(c, q->in[1], &x)) {
        *by = 1 / x;
        return q->in[0];
    }
    for (size_t k = 0; k < 2 && v; k++)
        if (chain_number(c, v->in[k], by))
            return v->in[1 - k];
    return CHAIN_NONE;
}

static void collect(const chain *c, size_t value, size_t whole, product *p, int depth)
{
    bool opens = depth < FACTORS_MAX && value != whole;
    const chain_value *v = opens ? made_by(c, value, CHAIN_mul) : NULL;
    const chain_value *q = opens ? made_by(c, value, CHAIN_div) : NULL;
    double x;
    if (chain_number(c, value, &x)) {
        p->number *= x;
    } else if (v) {
        collect(c, v->in[0], whole, p, depth + 1);
        collect(c, v->in[1], whole, p, depth + 1);
    } else if (q && chain_number(c, q->in[1], &x)) {
        p->number /= x;
        collect(c, q->in[0], whole, p, depth + 1);
    } else if (p->n < FACTORS_MAX) {
        p->factors[p->n++] = value;
    } else {
        p->too_many = true;
    }
}

/* The factors of value; `whole` counts as one factor even where it is a product itself. */
static product product_of(const chain *c, size_t value, size_t whole)
{
    product p = {.number = 1};
    if (value != CHAIN_NONE)
        collect(c, value, whole, &p, 0);
    return p;
}

/* Whether value is x^n times a number near k. */
static bool is_scaled(const chain *c, size_t value, size_t x, size_t n, double k)
{
    product p = product_of(c, value, x);
    bool same = p.n == n && !p.too_many;
    for (size_t i = 0; i < p.n; i++)
        same &= p.factors[i] == x;
    return same && fabs(p.number - k) <= 1e-5 * fabs(k);
}

/* ---- The groups ---------------------------------------------------------------------------------------- */

/* Returns x where v is 1 / (1 + exp(-x)), else CHAIN_NONE. */
static size_t find_sigmoid(const chain *c, const chain_value *v)
{
    const chain_value *e, *minus;
    size_t power = v->op == CHAIN_div && is_near(c, v->in[0], 1)
                       ? other_operand(c, made_by(c, v->in[1], CHAIN_add), 1)
                       : CHAIN_NONE;
    if (!(e = made_by(c, power, CHAIN_exp)) || !(minus = made_by(c, e->in[0], CHAIN_neg)))
        return CHAIN_NONE;
    return minus->in[0];
}

/* Returns x where v is max(x, 0) + log1p(exp(-|x|)). */
static size_t find_softplus(const chain *c, const chain_value *v)
{
    for (size_t k = 0; k < 2 && v->op == CHAIN_add; k++) {
        size_t x = other_operand(c, made_by(c, v->in[k], CHAIN_max), 0);
        const chain_value *log = made_by(c, v->in[1 - k], CHAIN_log1p);
        const chain_value *e = log ? made_by(c, log->in[0], CHAIN_exp) : NULL;
        const chain_value *minus = e ? made_by(c, e->in[0], CHAIN_neg) : NULL;
        const chain_value *size = minus ? made_by(c, minus->in[0], CHAIN_abs) : NULL;
        if (size && x != CHAIN_NONE && size->in[0] == x)
            return x;
    }
    return CHAIN_NONE;
}

/* Returns x where value is x / sqrt 2. */
static size_t find_erf_input(const chain *c, size_t value)
{
    double by;
    for (size_t x = scaled_by_number(c, value, &by); x != CHAIN_NONE; x = scaled_by_number(c, x, &by))
        if (is_scaled(c, value, x, 1, 0.70710678118654752))
            return x;
    return CHAIN_NONE;
}

/* Returns x where value is sqrt(2 / pi) (x + 0.044715 x^3). */
static size_t find_tanh_input(const chain *c, size_t value)
{
    double by;
    size_t bent = scaled_by_number(c, value, &by);
    while (scaled_by_number(c, bent, &by) != CHAIN_NONE)
        bent = scaled_by_number(c, bent, &by);
    const chain_value *sum = made_by(c, bent, CHAIN_add);
    for (size_t k = 0; k < 2 && sum; k++)
        if (is_scaled(c, sum->in[1 - k], sum->in[k], 3, 0.044715) &&
            is_scaled(c, value, bent, 1, 0.79788456080286536))
            return sum->in[k];
    return CHAIN_NONE;
}

/* Returns x, and sets *op, where value is x (1 + erf(x / sqrt 2)) / 2 or x (1 + tanh(sqrt(2 / pi) (x +
   0.044715 x^3))) / 2. at: a factor of value that may be the sum. */
static size_t find_gelu(const chain *c, size_t value, size_t at, int depth, chain_op *op)
{
    size_t bend = other_operand(c, made_by(c, at, CHAIN_add), 1), x = CHAIN_NONE;
    const chain_value *erf = made_by(c, bend, CHAIN_erf), *tanh = made_by(c, bend, CHAIN_tanh);
    const chain_value *v = depth < FACTORS_MAX ? made_by(c, at, CHAIN_mul) : NULL;
    *op = erf ? CHAIN_gelu : CHAIN_gelu_tanh;
    if (erf || tanh)
        x = erf ? find_erf_input(c, erf->in[0]) : find_tanh_input(c, tanh->in[0]);
    if (x != CHAIN_NONE) {
        product p = product_of(c, value, x);
        bool both = p.n == 2 && !p.too_many &&
                    ((p.factors[0] == x && p.factors[1] == at) || (p.factors[1] == x && p.factors[0] == at));
        return both && fabs(p.number - 0.5) <= 5e-6 ? x : CHAIN_NONE;
    }
    for (size_t k = 0; k < 2 && v && x == CHAIN_NONE; k++)
        x = find_gelu(c, value, v->in[k], depth + 1, op);
    return x;
}

/* Returns x where v is x sigmoid(x). */
static size_t find_silu(const chain *c, const chain_value *v)
{
    for (size_t k = 0; k < 2 && v->op == CHAIN_mul; k++) {
        const chain_value *gate = made_by(c, v->in[k], CHAIN_sigmoid);
        if (gate && gate->in[0] == v->in[1 - k])
            return gate->in[0];
    }
    return CHAIN_NONE;
}

/* Returns x where v is x min(1, max(0, x / 6 + 1 / 2)). */
static size_t find_hard_swish(const chain *c, const chain_value *v)
{
    for (size_t k = 0; k < 2 && v->op == CHAIN_mul; k++) {
        size_t low = other_operand(c, made_by(c, v->in[k], CHAIN_min), 1);
        size_t sum = other_operand(c, made_by(c, low, CHAIN_max), 0);
        size_t sixth = other_operand(c, made_by(c, sum, CHAIN_add), 0.5);
        const chain_value *q = made_by(c, sixth, CHAIN_div);
        if (q && is_near(c, q->in[1], 6) && q->in[0] == v->in[1 - k])
            return q->in[0];
    }
    return CHAIN_NONE;
}

static void join_function(chain *c, size_t value)
{
    chain_value *v = &c->values[value];
    chain_op op = CHAIN_sigmoid;
    size_t x = find_sigmoid(c, v);
    if (x == CHAIN_NONE) {
        op = CHAIN_softplus;
        x = find_softplus(c, v);
    }
    if (x == CHAIN_NONE) {
        op = CHAIN_silu;
        x = find_silu(c, v);
    }
    if (x == CHAIN_NONE) {
        op = CHAIN_hard_swish;
        x = find_hard_swish(c, v);
    }
    if (x == CHAIN_NONE && v->op == CHAIN_mul)
        x = find_gelu(c, value, value, 0, &op);
    if (x != CHAIN_NONE) {
        v->op = op;
        v->in[0] = x;
        v->in[1] = CHAIN_NONE;
    }
}

void chain_join(chain *c)
{
    for (size_t v = 0; v < c->n_values; v++)
        if (c->values[v].kind == CHAIN_IS_OP && c->values[v].dtype == SIB_F32)
            join_function(c, v);
}
