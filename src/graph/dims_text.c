/* Text of dims and shapes, and queries of shapes. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"
#include "graph/dims_table.h"

#include <stdio.h>
#include <string.h>

/* ---- Text ---------------------------------------------------------------------------------------------- */

/* Output text; what does not fit is dropped. */
typedef struct writer {
    char *text;
    size_t size, used;
} writer;

static void put(writer *w, const char *s, size_t n)
{
    if (w->used + 1 >= w->size)
        return;
    n = size_min(n, w->size - 1 - w->used);
    memcpy(w->text + w->used, s, n);
    w->used += n;
    w->text[w->used] = 0;
}

static void put_text(writer *w, const char *s)
{
    put(w, s, strlen(s));
}

static void put_number(writer *w, uint64_t n)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
    put_text(w, digits);
}

/* What needs brackets around it: nothing, sums of several terms, or also products. */
typedef enum brackets_for { AROUND_NOTHING, AROUND_SUMS, AROUND_PRODUCTS } brackets_for;

static void put_sum(const dim_table *t, writer *w, const term *terms, size_t n, brackets_for around);
static void put_dim(const dim_table *t, writer *w, dim d, brackets_for around);

static void put_call(const dim_table *t, writer *w, const char *name, dim a, const char *between, dim b)
{
    put_text(w, name);
    put_dim(t, w, a, *between == '/' ? AROUND_SUMS : AROUND_NOTHING);
    put_text(w, between);
    put_dim(t, w, b, *between == '/' ? AROUND_PRODUCTS : AROUND_NOTHING);
    put_text(w, ")");
}

/* Writes floor((x + n - 1) / n) as the ceiling of x / n. */
static bool put_ceiling(const dim_table *t, writer *w, const operands *o)
{
    int64_t by;
    size_t n;
    sum rest = {0};
    const term *terms = dims_terms(t, (dim){o->a}, &n);
    bool ceiling = false;
    if (!dim_is_const(t, (dim){o->b}, &by))
        return false;
    for (size_t i = 0; i < n; i++)
        if (terms[i].product != t->one)
            rest.terms[rest.n++] = terms[i];
        else
            ceiling = terms[i].coefficient == by - 1;
    if (!ceiling)
        return false;
    put_text(w, "ceil(");
    put_sum(t, w, rest.terms, rest.n, AROUND_SUMS);
    put_text(w, "/");
    put_number(w, (uint64_t)by);
    put_text(w, ")");
    return true;
}

static void put_atom(const dim_table *t, writer *w, uint32_t atom)
{
    const entry *e = &t->entries[atom];
    const operands *o = e->data;
    switch (e->kind) {
    case ENTRY_SYMBOL:
        put(w, e->data, e->bytes);
        break;
    case ENTRY_FLOOR:
        if (!put_ceiling(t, w, o))
            put_call(t, w, "floor(", (dim){o->a}, "/", (dim){o->b});
        break;
    case ENTRY_CEIL:
        put_call(t, w, "ceil(", (dim){o->a}, "/", (dim){o->b});
        break;
    case ENTRY_MIN:
        put_call(t, w, "min(", (dim){o->a}, ", ", (dim){o->b});
        break;
    case ENTRY_MAX:
        put_call(t, w, "max(", (dim){o->a}, ", ", (dim){o->b});
        break;
    case ENTRY_BROADCAST:
        put_call(t, w, "broadcast(", (dim){o->a}, ", ", (dim){o->b});
        break;
    default:
        put_dim(t, w, (dim){o->a}, AROUND_PRODUCTS);
        put_text(w, "%");
        put_dim(t, w, (dim){o->b}, AROUND_PRODUCTS);
    }
}

/* True for a term with a coefficient or several atoms, or whose atom prints as a remainder. */
static bool is_product(const dim_table *t, const term *x)
{
    size_t n;
    const factor *f = dims_factors(t, x->product, &n);
    return n > 0 && (n > 1 || x->coefficient != 1 || f->power > 1 || t->entries[f->atom].kind == ENTRY_MOD);
}

static void put_term(const dim_table *t, writer *w, const term *x, bool first)
{
    size_t n;
    const factor *f = dims_factors(t, x->product, &n);
    uint64_t size = x->coefficient < 0 ? 0 - (uint64_t)x->coefficient : (uint64_t)x->coefficient;
    bool times = size != 1 || n == 0, several = times || n > 1 || (n == 1 && f->power > 1);
    put_text(w, x->coefficient < 0 ? "-" : first ? "" : "+");
    if (times)
        put_number(w, size);
    for (size_t k = 0; k < n; k++)
        for (uint32_t j = 0; j < f[k].power; j++) {
            bool brackets = several && t->entries[f[k].atom].kind == ENTRY_MOD;
            put_text(w, times ? "*" : "");
            put_text(w, brackets ? "(" : "");
            put_atom(t, w, f[k].atom);
            put_text(w, brackets ? ")" : "");
            times = true;
        }
}

static void put_sum(const dim_table *t, writer *w, const term *terms, size_t n, brackets_for around)
{
    bool first = true;
    bool brackets =
        n > 1 ? around >= AROUND_SUMS : n == 1 && around == AROUND_PRODUCTS && is_product(t, &terms[0]);
    put_text(w, n == 0 ? "0" : brackets ? "(" : "");
    for (int constant = 0; constant < 2; constant++) /* the constant comes last */
        for (size_t i = 0; i < n; i++)
            if ((terms[i].product == t->one) == constant) {
                put_term(t, w, &terms[i], first);
                first = false;
            }
    put_text(w, brackets ? ")" : "");
}

static void put_dim(const dim_table *t, writer *w, dim d, brackets_for around)
{
    size_t n;
    const term *terms = dims_terms(t, d, &n);
    put_sum(t, w, terms, n, around);
}

static void put_dim_or_unknown(const dim_table *t, writer *w, dim d)
{
    if (d.id)
        put_dim(t, w, d, AROUND_NOTHING);
    else
        put_text(w, "?");
}

const char *dim_text(const dim_table *t, dim d, char *text, size_t size)
{
    writer w = {text, size, 0};
    if (size)
        text[0] = 0;
    put_dim_or_unknown(t, &w, d);
    return text;
}

/* ---- Shapes -------------------------------------------------------------------------------------------- */

bool dim_shape_same(const dim_shape *a, const dim_shape *b)
{
    return a->ranked && b->ranked && a->rank == b->rank &&
           !memcmp(a->dims, b->dims, a->rank * sizeof *a->dims);
}

bool dim_shape_const(const dim_table *t, const dim_shape *s, int64_t dims[SIB_MAX_RANK])
{
    for (int i = 0; i < s->rank; i++)
        if (!dim_is_const(t, s->dims[i], &dims[i]))
            return false;
    return s->ranked;
}

dim dim_shape_count(dim_table *t, const dim_shape *s)
{
    dim d = dim_const(t, 1);
    for (int i = 0; i < s->rank; i++)
        d = dim_mul(t, d, s->dims[i]);
    return s->ranked ? d : DIM_NONE;
}

const char *dim_shape_text(const dim_table *t, const dim_shape *s, char *text, size_t size)
{
    writer w = {text, size, 0};
    if (size)
        text[0] = 0;
    put_text(&w, s->ranked ? "[" : "?");
    for (int i = 0; i < s->rank; i++) {
        put_text(&w, i ? ", " : "");
        put_dim_or_unknown(t, &w, s->dims[i]);
    }
    put_text(&w, s->ranked ? "]" : "");
    return text;
}
