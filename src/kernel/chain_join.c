/* Groups of functions that are one: sigmoid, GELU and the like as exporters and lowerings write them. All of float32;
   what is joined is rounded less often. A function that others read too stays for them.

   Products that are added to stay two functions: rounded once they are better numbers, but models of few bits were
   made with others, and one step of a quantized value is more than that. */
#include "kernel/chain_internal.h"

#include <math.h>
#include <string.h>

/* ---- Looking ---------------------------------------------------------------------------------------------- */

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

/* The operand of v, which has two, beside one near x; CHAIN_NONE where none is. */
static size_t beside(const chain *c, const chain_value *v, double x)
{
    if (!v)
        return CHAIN_NONE;
    return is_near(c, v->in[1], x) ? v->in[0] : is_near(c, v->in[0], x) ? v->in[1] : CHAIN_NONE;
}

/* ---- Products as lists of factors ---------------------------------------------------------------------------- */

#define FACTORS_MOST 6

typedef struct product {
    size_t n, factors[FACTORS_MOST];
    double number;
    bool too_many;
} product;

static void collect(const chain *c, size_t value, product *p, int depth)
{
    const chain_value *v = depth < FACTORS_MOST ? made_by(c, value, CHAIN_mul) : NULL;
    const chain_value *q = depth < FACTORS_MOST ? made_by(c, value, CHAIN_div) : NULL;
    double x;
    if (chain_number(c, value, &x)) {
        p->number *= x;
    } else if (v) {
        collect(c, v->in[0], p, depth + 1);
        collect(c, v->in[1], p, depth + 1);
    } else if (q && chain_number(c, q->in[1], &x)) {
        p->number /= x;
        collect(c, q->in[0], p, depth + 1);
    } else if (p->n < FACTORS_MOST) {
        p->factors[p->n++] = value;
    } else {
        p->too_many = true;
    }
}

static product product_of(const chain *c, size_t value)
{
    product p = {.number = 1};
    if (value != CHAIN_NONE)
        collect(c, value, &p, 0);
    return p;
}

static bool number_near(const product *p, double x)
{
    return !p->too_many && fabs(p->number - x) <= 1e-5 * fabs(x);
}

/* True where value is x times a number near k. */
static bool is_scaled(const chain *c, size_t value, size_t x, double k)
{
    product p = product_of(c, value);
    return p.n == 1 && p.factors[0] == x && number_near(&p, k);
}

/* ---- The groups ------------------------------------------------------------------------------------------------ */

/* 1 / (1 + exp(-x)): x, or CHAIN_NONE. */
static size_t find_sigmoid(const chain *c, const chain_value *v)
{
    const chain_value *e, *minus;
    size_t power = v->op == CHAIN_div && is_near(c, v->in[0], 1)
                       ? beside(c, made_by(c, v->in[1], CHAIN_add), 1)
                       : CHAIN_NONE;
    if (!(e = made_by(c, power, CHAIN_exp)) || !(minus = made_by(c, e->in[0], CHAIN_neg)))
        return CHAIN_NONE;
    return minus->in[0];
}

/* max(x, 0) + log1p(exp(-|x|)) */
static size_t find_softplus(const chain *c, const chain_value *v)
{
    for (size_t k = 0; k < 2 && v->op == CHAIN_add; k++) {
        size_t x = beside(c, made_by(c, v->in[k], CHAIN_max), 0);
        const chain_value *log = made_by(c, v->in[1 - k], CHAIN_log1p);
        const chain_value *e = log ? made_by(c, log->in[0], CHAIN_exp) : NULL;
        const chain_value *minus = e ? made_by(c, e->in[0], CHAIN_neg) : NULL;
        const chain_value *size = minus ? made_by(c, minus->in[0], CHAIN_abs) : NULL;
        if (size && x != CHAIN_NONE && size->in[0] == x)
            return x;
    }
    return CHAIN_NONE;
}

/* x + 0.044715 x^3 */
static bool is_bent(const chain *c, size_t value, size_t x)
{
    const chain_value *sum = made_by(c, value, CHAIN_add);
    for (size_t k = 0; k < 2 && sum; k++) {
        product p = product_of(c, sum->in[1 - k]);
        if (sum->in[k] == x && p.n == 3 && p.factors[0] == x && p.factors[1] == x && p.factors[2] == x &&
            number_near(&p, 0.044715))
            return true;
    }
    return false;
}

/* x (1 + erf(x / sqrt 2)) / 2, or x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2: *op and x. */
static size_t find_gelu(const chain *c, size_t value, chain_op *op)
{
    product p = product_of(c, value);
    for (size_t k = 0; k < 2 && p.n == 2 && number_near(&p, 0.5); k++) {
        size_t x = p.factors[k], bend = beside(c, made_by(c, p.factors[1 - k], CHAIN_add), 1);
        const chain_value *erf = made_by(c, bend, CHAIN_erf), *tanh = made_by(c, bend, CHAIN_tanh);
        *op = erf ? CHAIN_gelu : CHAIN_gelu_tanh;
        if (erf && is_scaled(c, erf->in[0], x, 0.70710678118654752))
            return x;
        product inner = product_of(c, tanh ? tanh->in[0] : CHAIN_NONE);
        if (tanh && inner.n == 1 && number_near(&inner, 0.79788456080286536) &&
            is_bent(c, inner.factors[0], x))
            return x;
    }
    return CHAIN_NONE;
}

/* x sigmoid(x) */
static size_t find_silu(const chain *c, const chain_value *v)
{
    for (size_t k = 0; k < 2 && v->op == CHAIN_mul; k++) {
        const chain_value *gate = made_by(c, v->in[k], CHAIN_sigmoid);
        if (gate && gate->in[0] == v->in[1 - k])
            return gate->in[0];
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
    if (x == CHAIN_NONE && v->op == CHAIN_mul)
        x = find_gelu(c, value, &op);
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
