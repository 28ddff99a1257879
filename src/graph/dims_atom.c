/* Division, remainder, min, max and broadcasting: what is not a sum of products becomes an atom of two
   operands, simplified first. */
#include "base/assert.h"
#include "base/error.h"
#include "base/size.h"
#include "graph/dims_table.h"

#include <string.h>

static dim fails(dim_table *t, sib_code code)
{
    dims_fail(t, code);
    return DIM_NONE;
}

static dim atom_of_two(dim_table *t, entry_kind kind, dim a, dim b)
{
    operands o = {a.id, b.id};
    SIB_ASSERT(kind >= ENTRY_FLOOR);
    SIB_ASSERT((!a.id || dim_known(t, a)) && (!b.id || dim_known(t, b)));
    return a.id && b.id ? dims_from_atom(t, dims_intern(t, kind, &o, sizeof o)) : DIM_NONE;
}

static bool is_const(const dim_table *t, dim d)
{
    int64_t n;
    return dim_is_const(t, d, &n);
}

static dim negative(dim_table *t, dim d)
{
    return dim_sub(t, dim_const(t, 0), d);
}

static uint64_t size_of(int64_t n)
{
    return n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
}

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Clears the failure of an attempt whose expression grew too large: the caller has another way. */
static void forgive(dim_table *t, sib_code before)
{
    if (t->failed == SIB_ERR_SIZE)
        t->failed = before;
}

/* True where 0 <= a < lower bound of b for all symbols. */
static bool is_below(const dim_table *t, dim a, dim b)
{
    return a.id && b.id && t->entries[a.id].low >= 0 && t->entries[a.id].high < t->entries[b.id].low;
}

/* ---- Division by a number ----------------------------------------------------------------------------- */

/* Splits a = number * quotient + rest, the coefficients of rest in [0, number). */
static bool split_number(dim_table *t, dim a, int64_t number, sum *quotient, sum *rest)
{
    size_t n;
    const term *terms = dims_terms(t, a, &n);
    quotient->n = rest->n = 0;
    for (size_t i = 0; i < n; i++) {
        int64_t multiple = dims_floor(terms[i].coefficient, number);
        uint32_t p = (uint32_t)terms[i].product;
        if (!dims_sum_add(t, quotient, multiple, p) ||
            !dims_sum_add(t, rest, dims_mod(terms[i].coefficient, number), p))
            return false;
    }
    return true;
}

/* Divides number and all coefficients but the constant by their common divisor, which it returns; floors
   the constant and gives its remainder. floor((g*x + k) / (g*c)) = floor((x + floor(k / g)) / c) */
static int64_t reduce(const dim_table *t, sum *rest, int64_t *number, int64_t *remainder)
{
    uint64_t g = (uint64_t)*number;
    size_t kept = 0;
    *remainder = 0;
    for (size_t i = 0; i < rest->n; i++)
        if (rest->terms[i].product != t->one)
            g = common_divisor(g, (uint64_t)rest->terms[i].coefficient);
    if (g == 1)
        return 1;
    for (size_t i = 0; i < rest->n; i++) {
        term x = rest->terms[i];
        if (x.product == t->one)
            *remainder = x.coefficient % (int64_t)g;
        x.coefficient /= (int64_t)g;
        if (x.coefficient)
            rest->terms[kept++] = x;
    }
    rest->n = kept;
    *number /= (int64_t)g;
    return (int64_t)g;
}

/* Where the rest is floor(x / inner) + k: x + k * inner over inner * number instead. */
static dim unnest(dim_table *t, const sum *rest, int64_t *number)
{
    int64_t k = 0, inner, product, shift;
    uint32_t atom = 0;
    for (size_t i = 0; i < rest->n; i++) {
        size_t n;
        const factor *f = dims_factors(t, rest->terms[i].product, &n);
        if (!n)
            k = rest->terms[i].coefficient;
        else if (atom || n > 1 || f->power > 1 || rest->terms[i].coefficient != 1)
            return DIM_NONE;
        else
            atom = f->atom;
    }
    if (!atom || t->entries[atom].kind != ENTRY_FLOOR)
        return DIM_NONE;
    operands o = *(const operands *)t->entries[atom].data;
    if (!dim_is_const(t, (dim){o.b}, &inner) || !i64_mul(inner, *number, &product) ||
        !i64_mul(k, inner, &shift))
        return DIM_NONE;
    *number = product;
    return dim_add(t, (dim){o.a}, dim_const(t, shift));
}

/* Requires number > 0. */
static dim floor_by_number(dim_table *t, dim a, int64_t number)
{
    dim total = dim_const(t, 0);
    sum quotient, rest;
    while (a.id) {
        int64_t remainder;
        if (!split_number(t, a, number, &quotient, &rest))
            return DIM_NONE;
        total = dim_add(t, total, dims_sum_end(t, &quotient));
        reduce(t, &rest, &number, &remainder);
        dim left = dims_sum_end(t, &rest), by = dim_const(t, number);
        if (number == 1)
            return dim_add(t, total, left);
        if (is_const(t, left) || is_below(t, left, by))
            return left.id ? total : DIM_NONE;
        dim inside = unnest(t, &rest, &number);
        if (!inside.id)
            return dim_add(t, total, atom_of_two(t, ENTRY_FLOOR, left, by));
        a = inside;
    }
    return DIM_NONE;
}

/* Requires number > 0. (g*x + k) mod (g*c) = g * ((x + floor(k / g)) mod c) + k mod g */
static dim mod_by_number(dim_table *t, dim a, int64_t number)
{
    sum quotient, rest;
    int64_t remainder;
    if (!split_number(t, a, number, &quotient, &rest))
        return DIM_NONE;
    int64_t g = reduce(t, &rest, &number, &remainder);
    dim left = dims_sum_end(t, &rest), by = dim_const(t, number);
    if (number == 1)
        left = dim_const(t, 0);
    else if (!is_const(t, left) && !is_below(t, left, by))
        left = atom_of_two(t, ENTRY_MOD, left, by);
    return dim_add(t, dim_mul(t, left, dim_const(t, g)), dim_const(t, remainder));
}

/* ---- Division by symbols ------------------------------------------------------------------------------ */

/* Compares two products in lexical order of powers, which multiplication preserves. */
static int product_order(const dim_table *t, uint64_t a, uint64_t b)
{
    size_t na, nb, i = 0;
    const factor *x = dims_factors(t, a, &na), *y = dims_factors(t, b, &nb);
    for (; i < na && i < nb; i++) {
        if (x[i].atom != y[i].atom)
            return x[i].atom < y[i].atom ? 1 : -1;
        if (x[i].power != y[i].power)
            return x[i].power > y[i].power ? 1 : -1;
    }
    return (na > i) - (nb > i);
}

static term leading(const dim_table *t, const term *terms, size_t n)
{
    term lead = terms[0];
    for (size_t i = 1; i < n; i++)
        if (product_order(t, terms[i].product, lead.product) > 0)
            lead = terms[i];
    return lead;
}

/* a / b as polynomials where it leaves no remainder; DIM_NONE where it does or that cannot be decided. */
static dim exact_quotient(dim_table *t, dim a, dim b)
{
    size_t n;
    const term *divisor = dims_terms(t, b, &n);
    term by = leading(t, divisor, n);
    sum rest, quotient = {0};
    sib_code failed = t->failed;
    dims_sum_load(t, a, &rest);
    for (int step = 0; rest.n && step <= DIM_MAX_TERMS; step++) {
        term lead = leading(t, rest.terms, rest.n);
        if ((by.coefficient == -1 && lead.coefficient == INT64_MIN) || lead.coefficient % by.coefficient)
            break;
        int64_t c = lead.coefficient / by.coefficient, less;
        uint32_t p = dims_product_without(t, (uint32_t)lead.product, (uint32_t)by.product);
        bool ok = p && dims_sum_add(t, &quotient, c, p);
        for (size_t i = 0; ok && i < n; i++) {
            uint32_t q = dims_product(t, p, (uint32_t)divisor[i].product);
            ok = q && i64_mul(c, divisor[i].coefficient, &less) && less != INT64_MIN &&
                 dims_sum_add(t, &rest, -less, q);
        }
        if (!ok)
            break;
    }
    forgive(t, failed);
    return rest.n ? DIM_NONE : dims_sum_end(t, &quotient);
}

/* Divides a and b by the number and the symbols common to all their terms. */
static bool cancel(dim_table *t, dim *a, dim *b)
{
    uint64_t g = 0;
    uint32_t common = 0;
    dim *both[2] = {a, b};
    for (int side = 0; side < 2; side++) {
        size_t n;
        const term *terms = dims_terms(t, *both[side], &n);
        for (size_t i = 0; i < n; i++) {
            g = common_divisor(g, size_of(terms[i].coefficient));
            common = common ? dims_product_common(t, common, (uint32_t)terms[i].product)
                            : (uint32_t)terms[i].product;
            if (!common)
                return false;
        }
    }
    if (g > INT64_MAX || (g == 1 && common == t->one))
        return true;
    for (int side = 0; side < 2; side++) {
        sum s, out = {0};
        dims_sum_load(t, *both[side], &s);
        for (size_t i = 0; i < s.n; i++) {
            SIB_ASSERT(g != 0); /* the coefficients are not 0 */
            uint32_t p = dims_product_without(t, (uint32_t)s.terms[i].product, common);
            if (!p || !dims_sum_add(t, &out, s.terms[i].coefficient / (int64_t)g, p))
                return false;
        }
        *both[side] = dims_sum_end(t, &out);
        if (!both[side]->id)
            return false;
    }
    return true;
}

/* Splits a into quotient * by + rest by entire terms. */
static bool split_term(dim_table *t, dim a, term by, sum *quotient, sum *rest)
{
    size_t n;
    const term *terms = dims_terms(t, a, &n);
    quotient->n = rest->n = 0;
    for (size_t i = 0; i < n; i++) {
        int64_t c = terms[i].coefficient;
        uint32_t q = dims_product_without(t, (uint32_t)terms[i].product, (uint32_t)by.product);
        bool multiple = q && !(by.coefficient == -1 && c == INT64_MIN) && c % by.coefficient == 0;
        if (!(multiple ? dims_sum_add(t, quotient, c / by.coefficient, q)
                       : dims_sum_add(t, rest, c, (uint32_t)terms[i].product)))
            return false;
    }
    return true;
}

/* Splits a = multiple * b + left as far as terms show. */
static bool split(dim_table *t, dim a, dim b, dim *multiple, dim *left)
{
    size_t n;
    const term *terms = dims_terms(t, b, &n);
    sum quotient, rest;
    *multiple = exact_quotient(t, a, b);
    *left = dim_const(t, 0);
    if (multiple->id)
        return left->id;
    *multiple = dim_const(t, 0);
    *left = a;
    if (n == 1) {
        if (!split_term(t, a, terms[0], &quotient, &rest))
            return false;
        *multiple = dims_sum_end(t, &quotient);
        *left = dims_sum_end(t, &rest);
    }
    return multiple->id && left->id;
}

static dim quotient_by_symbols(dim_table *t, entry_kind kind, dim a, dim b)
{
    dim multiple, left;
    int64_t zero;
    if (!split(t, a, b, &multiple, &left))
        return DIM_NONE;
    if (dim_is_const(t, left, &zero) && zero == 0)
        return multiple;
    if (kind == ENTRY_FLOOR && is_below(t, left, b))
        return multiple;
    return dim_add(t, multiple, atom_of_two(t, kind, left, b));
}

static dim quotient(dim_table *t, entry_kind kind, dim a, dim b)
{
    int64_t x, by;
    if (!a.id || !b.id)
        return DIM_NONE;
    if (dim_is_const(t, b, &by) && by == 0)
        return fails(t, SIB_ERR_ARGUMENT);
    if (dim_is_const(t, b, &by) && dim_is_const(t, a, &x))
        return x == INT64_MIN && by == -1
                   ? fails(t, SIB_ERR_SIZE)
                   : dim_const(t, dims_floor(x, by) + (kind == ENTRY_CEIL && x % by != 0));
    if (!is_const(t, b) && !cancel(t, &a, &b))
        return DIM_NONE;
    if (!dim_is_const(t, b, &by))
        return quotient_by_symbols(t, kind, a, b);
    if (by < 0) {
        a = negative(t, a);
        b = negative(t, b);
        if (!a.id || !dim_is_const(t, b, &by))
            return DIM_NONE;
    }
    if (kind == ENTRY_FLOOR)
        return floor_by_number(t, a, by);
    /* a ceiling by a number becomes a floor, so that both spellings share an id */
    return floor_by_number(t, dim_add(t, a, dim_const(t, by - 1)), by);
}

dim dim_floor_div(dim_table *t, dim a, dim b)
{
    return quotient(t, ENTRY_FLOOR, a, b);
}

dim dim_ceil_div(dim_table *t, dim a, dim b)
{
    return quotient(t, ENTRY_CEIL, a, b);
}

dim dim_mod(dim_table *t, dim a, dim b)
{
    int64_t x, by;
    dim multiple, left;
    if (!a.id || !b.id)
        return DIM_NONE;
    if (dim_is_const(t, b, &by) && by && dim_is_const(t, a, &x))
        return dim_const(t, dims_mod(x, by));
    if (!dim_is_const(t, b, &by)) {
        if (!split(t, a, b, &multiple, &left))
            return DIM_NONE;
        return (is_const(t, left) && t->entries[left.id].low == 0) || is_below(t, left, b)
                   ? left
                   : atom_of_two(t, ENTRY_MOD, left, b);
    }
    if (by == 0)
        return fails(t, SIB_ERR_ARGUMENT);
    if (by == INT64_MIN)
        return fails(t, SIB_ERR_SIZE);
    return by > 0 ? mod_by_number(t, a, by) : negative(t, mod_by_number(t, negative(t, a), -by));
}

/* ---- Min, max, broadcast ------------------------------------------------------------------------------ */

/* Max operands that are sorted; with more, they keep their order. */
#define LEAVES_MAX 16

typedef struct leaves {
    size_t n;
    dim items[LEAVES_MAX]; /* (n) by id, without duplicates */
} leaves;

static bool leaf_add(leaves *l, dim d)
{
    size_t at = 0;
    while (at < l->n && l->items[at].id < d.id)
        at++;
    if (at < l->n && dim_same(l->items[at], d))
        return true;
    if (l->n == LEAVES_MAX)
        return false;
    memmove(l->items + at + 1, l->items + at, (l->n++ - at) * sizeof *l->items);
    l->items[at] = d;
    return true;
}

/* Adds the operands of d if it is an atom of the kind, recursively for its first operand; else d itself. */
static bool leaves_add(const dim_table *t, entry_kind kind, dim d, leaves *out)
{
    for (;;) {
        uint32_t atom = dims_lone_atom(t, d);
        if (!atom || t->entries[atom].kind != kind)
            return leaf_add(out, d);
        const operands *o = t->entries[atom].data;
        if (!leaf_add(out, (dim){o->b}))
            return false;
        d = (dim){o->a};
    }
}

static bool never_less(dim_table *t, dim a, dim b)
{
    sib_code failed = t->failed;
    dim difference = dim_sub(t, b, a);
    forgive(t, failed);
    return dim_at_least(t, difference, 0);
}

static bool never_more(dim_table *t, dim a, dim b)
{
    return never_less(t, b, a);
}

/* Whether all values of d are multiples of a number above 1. */
static bool has_factor(const dim_table *t, dim d)
{
    size_t n;
    const term *terms = dims_terms(t, d, &n);
    int64_t common = 0;
    for (size_t i = 0; i < n; i++)
        for (int64_t rest = terms[i].coefficient, next; rest; rest = next) {
            next = dims_mod(common, rest);
            common = rest;
        }
    return n && common != 1 && common != -1;
}

static bool never_one(dim_table *t, dim d)
{
    int64_t n;
    return dim_is_const(t, d, &n) ? n != 1 : has_factor(t, d) || dim_at_least(t, d, 2);
}

/* A dim broadcast with one that is never 1 is that one or 1. Of two such dims, which are then equal, a number stays,
   or the one that was made first. */
static bool gives_way(dim_table *t, dim a, dim b)
{
    int64_t n, other;
    if (dim_is_const(t, b, &n))
        return n == 1;
    return never_one(t, a) && (dim_is_const(t, a, &other) || a.id < b.id || !never_one(t, b));
}

/* True where a makes b redundant. */
static bool (*const dominated[])(dim_table *t, dim a, dim b) = {
    [ENTRY_MIN] = never_less, [ENTRY_MAX] = never_more, [ENTRY_BROADCAST] = gives_way};

static dim of_several(dim_table *t, entry_kind kind, dim a, dim b)
{
    leaves l = {0};
    if (!a.id || !b.id)
        return DIM_NONE;
    if (!leaves_add(t, kind, a, &l) || !leaves_add(t, kind, b, &l))
        return a.id < b.id ? atom_of_two(t, kind, a, b) : atom_of_two(t, kind, b, a);
    for (size_t i = 0; i < l.n; i++)
        for (size_t k = 0; k < l.n; k++)
            if (i != k && dominated[kind](t, l.items[i], l.items[k])) {
                memmove(l.items + k, l.items + k + 1, (--l.n - k) * sizeof *l.items);
                i -= k < i;
                k--;
            }
    dim out = l.items[0];
    for (size_t i = 1; i < l.n; i++)
        out = atom_of_two(t, kind, out, l.items[i]);
    return out;
}

dim dim_min(dim_table *t, dim a, dim b)
{
    return of_several(t, ENTRY_MIN, a, b);
}

dim dim_max(dim_table *t, dim a, dim b)
{
    return of_several(t, ENTRY_MAX, a, b);
}

dim dim_broadcast(dim_table *t, dim a, dim b)
{
    int64_t x, y;
    if (dim_is_const(t, a, &x) && dim_is_const(t, b, &y) && x != y && x != 1 && y != 1)
        return fails(t, SIB_ERR_ARGUMENT);
    return of_several(t, ENTRY_BROADCAST, a, b);
}
