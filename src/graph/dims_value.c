/* Values of dims: bindings, evaluation, substitution. */
#include "base/alloc.h"
#include "base/array.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/size.h"
#include "graph/dims_table.h"

#include <stdio.h>
#include <string.h>

/* ---- Values ------------------------------------------------------------------------------------------- */

static const dim_bound_symbol *items_of(const dim_binding *b)
{
    return b->items ? b->items : b->few;
}

bool dim_bound(const dim_binding *b, dim symbol, int64_t *value)
{
    const dim_bound_symbol *items = items_of(b);
    for (size_t i = 0; i < b->n; i++)
        if (items[i].symbol == symbol.id) {
            *value = items[i].value;
            return true;
        }
    return false;
}

sib_code dim_bind(const dim_table *t, dim_binding *b, dim symbol, int64_t value, sib_error *err)
{
    sib_str name;
    if (!dim_is_symbol(t, symbol, &name))
        return err_set(err, SIB_ERR_ARGUMENT, "only a symbol can be given a value");
    if (value < 0)
        return err_set(err, SIB_ERR_ARGUMENT, "dim '%.*s' cannot be %lld: sizes are not negative",
                       (int)name.length, name.data, (long long)value);
    const size_t few = sizeof b->few / sizeof *b->few;
    dim_bound_symbol *items = b->items ? b->items : b->few;
    for (size_t i = 0; i < b->n; i++)
        if (items[i].symbol == symbol.id) {
            items[i].value = value;
            return SIB_OK;
        }
    if (b->n >= few) {
        sib_code code = ARRAY_RESERVE(b->items, b->capacity, b->n + 1, "the values of dims", err);
        if (code != SIB_OK)
            return code;
        if (items == b->few)
            memcpy(b->items, b->few, sizeof b->few);
        items = b->items;
    }
    SIB_ASSERT(b->n < (b->items ? b->capacity : sizeof b->few / sizeof *b->few));
    items[b->n++] = (dim_bound_symbol){symbol.id, value};
    return SIB_OK;
}

void dim_binding_clear(dim_binding *b)
{
    mem_free(b->items);
    *b = (dim_binding){0};
}

static sib_code overflow(sib_error *err)
{
    return err_set(err, SIB_ERR_SIZE, "a dim overflows");
}

static bool symbol_value(const dim_table *t, uint32_t atom, const dim_binding *b, int64_t *out)
{
    for (size_t i = 0; b && i < b->n; i++)
        if (dims_lone_atom(t, (dim){items_of(b)[i].symbol}) == atom) {
            *out = items_of(b)[i].value;
            return true;
        }
    return false;
}

/* Evaluates an atom of two operands from their values. */
static sib_code combine(entry_kind kind, int64_t x, int64_t y, int64_t *out, sib_error *err)
{
    switch (kind) {
    case ENTRY_MIN:
        *out = x < y ? x : y;
        return SIB_OK;
    case ENTRY_MAX:
        *out = x > y ? x : y;
        return SIB_OK;
    case ENTRY_BROADCAST:
        if (x != y && x != 1 && y != 1)
            return err_set(err, SIB_ERR_ARGUMENT, "dims %lld and %lld do not broadcast", (long long)x,
                           (long long)y);
        *out = x == 1 ? y : x;
        return SIB_OK;
    default:
        break;
    }
    if (y == 0)
        return err_set(err, SIB_ERR_ARGUMENT, "a dim is divided by 0");
    if (x == INT64_MIN && y == -1)
        return overflow(err);
    *out = kind == ENTRY_MOD ? dims_mod(x, y) : dims_floor(x, y) + (kind == ENTRY_CEIL && x % y != 0);
    return SIB_OK;
}

/* Recursion is bounded by DIMS_DEPTH_MAX. */
static sib_code eval_atom(const dim_table *t, uint32_t atom, const dim_binding *b, int64_t *out,
                          sib_error *err)
{
    const entry *e = &t->entries[atom];
    int64_t x = 0, y = 0;
    if (e->kind == ENTRY_SYMBOL)
        return symbol_value(t, atom, b, out) ? SIB_OK
                                             : err_set(err, SIB_ERR_ARGUMENT, "dim '%.*s' has no value",
                                                       (int)e->bytes, (const char *)e->data);
    const operands *o = e->data;
    sib_code code = dim_eval(t, (dim){o->a}, b, &x, err);
    if (code == SIB_OK)
        code = dim_eval(t, (dim){o->b}, b, &y, err);
    return code == SIB_OK ? combine(e->kind, x, y, out, err) : code;
}

/* A factor of 0 makes the term 0 even where others overflow. */
static sib_code eval_term(const dim_table *t, const term *x, const dim_binding *b, int64_t *out,
                          sib_error *err)
{
    size_t n;
    const factor *f = dims_factors(t, x->product, &n);
    bool fits = true, zero = false;
    *out = x->coefficient;
    for (size_t k = 0; k < n; k++) {
        int64_t value = 0;
        sib_code code = eval_atom(t, f[k].atom, b, &value, err);
        if (code != SIB_OK)
            return code;
        zero = zero || value == 0;
        for (uint32_t j = 0; j < f[k].power && fits; j++)
            fits = i64_mul(*out, value, out);
    }
    if (zero)
        *out = 0;
    return fits || zero ? SIB_OK : overflow(err);
}

sib_code dim_eval(const dim_table *t, dim d, const dim_binding *b, int64_t *out, sib_error *err)
{
    size_t n;
    __int128 total = 0; /* at most DIM_MAX_TERMS terms of 64 bits */
    if (!d.id)
        return err_set(err, SIB_ERR_ARGUMENT, "a dim is missing");
    const term *terms = dims_terms(t, d, &n);
    for (size_t i = 0; i < n; i++) {
        int64_t value;
        sib_code code = eval_term(t, &terms[i], b, &value, err);
        if (code != SIB_OK)
            return code;
        total += value;
    }
    if (total > INT64_MAX || total < INT64_MIN)
        return overflow(err);
    *out = (int64_t)total;
    return SIB_OK;
}

static dim substitute_atom(dim_table *t, uint32_t atom, const dim_binding *b)
{
    static dim (*const makers[])(dim_table * t, dim x, dim y) = {
        [ENTRY_FLOOR] = dim_floor_div, [ENTRY_CEIL] = dim_ceil_div, [ENTRY_MOD] = dim_mod,
        [ENTRY_MIN] = dim_min,         [ENTRY_MAX] = dim_max,       [ENTRY_BROADCAST] = dim_broadcast};
    entry_kind kind = t->entries[atom].kind;
    int64_t value;
    if (kind == ENTRY_SYMBOL)
        return symbol_value(t, atom, b, &value) ? dim_const(t, value) : dims_from_atom(t, atom);
    SIB_ASSERT(kind >= ENTRY_FLOOR);
    const operands *o = t->entries[atom].data;
    dim x = dim_substitute(t, (dim){o->a}, b), y = dim_substitute(t, (dim){o->b}, b);
    return makers[kind](t, x, y);
}

dim dim_substitute(dim_table *t, dim d, const dim_binding *b)
{
    size_t n, n_factors;
    int64_t number;
    if (!d.id || dim_is_const(t, d, &number))
        return d;
    dim total = dim_const(t, 0);
    const term *terms = dims_terms(t, d, &n);
    for (size_t i = 0; i < n; i++) {
        const factor *f = dims_factors(t, terms[i].product, &n_factors);
        dim product = dim_const(t, terms[i].coefficient);
        for (size_t k = 0; k < n_factors; k++) {
            dim x = substitute_atom(t, f[k].atom, b);
            for (uint32_t j = 0; j < f[k].power; j++)
                product = dim_mul(t, product, x);
        }
        total = dim_add(t, total, product);
    }
    return total;
}
