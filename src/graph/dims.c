/* Everything in a table is a string of bytes that is kept once (interned): symbols, atoms of two operands, products
   and sums. So equal things have equal ids, from the leaves up. */
#include "graph/dims.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"
#include "graph/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Deepest atom within atom: evaluation goes down as far. */
#define DEPTH_MAX 64

typedef enum entry_kind {
    ENTRY_NONE,
    ENTRY_SUM,     /* terms, sorted by product: a dim */
    ENTRY_PRODUCT, /* factors, sorted by atom */
    ENTRY_SYMBOL,  /* the bytes of its name */
    ENTRY_FLOOR,   /* operands: two sums */
    ENTRY_CEIL,
    ENTRY_MOD,
    ENTRY_MIN,
    ENTRY_MAX
} entry_kind;

typedef struct term {
    int64_t coefficient; /* never 0 */
    uint64_t product;    /* id of an ENTRY_PRODUCT; that of no factors for the constant */
} term;

typedef struct factor {
    uint32_t atom, power; /* power > 0 */
} factor;

typedef struct operands {
    uint32_t a, b;
} operands;

typedef struct entry {
    entry_kind kind;
    uint32_t bytes, depth;
    uint64_t hash;
    const void *data; /* (bytes) terms, factors, name or operands */
} entry;

struct dim_table {
    graph_arena *arena;
    entry *entries; /* (n), entry 0 is none */
    uint32_t n, capacity;
    uint32_t *slots; /* (n_slots) ids, 0 for an empty one; a power of two */
    uint32_t n_slots, n_fresh;
    uint32_t one; /* the product of no factors */
    sib_code failed;
};

/* ---- Interning --------------------------------------------------------------------------------------- */

static uint64_t hash_of(entry_kind kind, const void *data, size_t n)
{
    const unsigned char *p = data;
    uint64_t h = UINT64_C(0xcbf29ce484222325) ^ (uint64_t)kind;
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    return h ^ (h >> 29);
}

static bool rehash(dim_table *t, uint32_t n_slots)
{
    uint32_t *slots = mem_calloc(n_slots, sizeof *slots);
    if (!slots)
        return false;
    for (uint32_t i = 1; i < t->n; i++) {
        uint32_t at = (uint32_t)t->entries[i].hash & (n_slots - 1);
        while (slots[at])
            at = (at + 1) & (n_slots - 1);
        slots[at] = i;
    }
    mem_free(t->slots);
    t->slots = slots;
    t->n_slots = n_slots;
    return true;
}

static uint32_t fail(dim_table *t, sib_code code)
{
    if (t->failed == SIB_OK)
        t->failed = code;
    return 0;
}

/* The id of these bytes, new or old; 0 where memory fails. */
static uint32_t intern(dim_table *t, entry_kind kind, const void *data, size_t bytes, uint32_t depth)
{
    uint64_t hash = hash_of(kind, data, bytes);
    uint32_t at = (uint32_t)hash & (t->n_slots - 1);
    for (; t->slots[at]; at = (at + 1) & (t->n_slots - 1)) {
        const entry *e = &t->entries[t->slots[at]];
        if (e->hash == hash && e->kind == kind && e->bytes == bytes &&
            (!bytes || !memcmp(e->data, data, bytes)))
            return t->slots[at];
    }
    if (depth > DEPTH_MAX || t->n >= UINT32_MAX / 4)
        return fail(t, SIB_ERR_SIZE);
    if (t->n == t->capacity) {
        entry *grown = mem_realloc(t->entries, 2 * (size_t)t->capacity, sizeof *grown);
        if (!grown)
            return fail(t, SIB_ERR_MEMORY);
        t->entries = grown;
        t->capacity *= 2;
    }
    if (2 * t->n >= t->n_slots) {
        if (!rehash(t, 2 * t->n_slots))
            return fail(t, SIB_ERR_MEMORY);
        at = (uint32_t)hash & (t->n_slots - 1);
        while (t->slots[at])
            at = (at + 1) & (t->n_slots - 1);
    }
    void *copy = arena_alloc(t->arena, bytes + 1, 1);
    if (!copy)
        return fail(t, SIB_ERR_MEMORY);
    if (bytes)
        memcpy(copy, data, bytes);
    t->entries[t->n] = (entry){kind, (uint32_t)bytes, depth, hash, copy};
    t->slots[at] = t->n;
    return t->n++;
}

sib_code dim_table_create(dim_table **out, sib_error *err)
{
    dim_table *t = mem_calloc(1, sizeof *t);
    *out = t;
    if (!t)
        return err_memory(err, sizeof *t, "a table of dims");
    t->capacity = 64;
    t->n = 1;
    t->entries = mem_calloc(t->capacity, sizeof *t->entries);
    sib_code code = t->entries && rehash(t, 128)
                        ? arena_create(&t->arena, err)
                        : err_memory(err, 128 * sizeof *t->entries, "a table of dims");
    if (code == SIB_OK && !(t->one = intern(t, ENTRY_PRODUCT, NULL, 0, 0)))
        code = err_memory(err, sizeof *t, "a table of dims");
    if (code != SIB_OK)
        dim_table_free(out);
    return code;
}

void dim_table_free(dim_table **tp)
{
    dim_table *t = *tp;
    if (!t)
        return;
    arena_free(&t->arena);
    mem_free(t->entries);
    mem_free(t->slots);
    mem_free(t);
    *tp = NULL;
}

sib_code dim_table_failed(dim_table *t)
{
    sib_code code = t->failed;
    t->failed = SIB_OK;
    return code;
}

/* ---- Products and sums ------------------------------------------------------------------------------- */

/* A sum being put together. */
typedef struct sum {
    size_t n;
    term terms[DIM_MAX_TERMS + 1];
} sum;

static const term *terms_of(const dim_table *t, dim d, size_t *n)
{
    *n = t->entries[d.id].bytes / sizeof(term);
    return t->entries[d.id].data;
}

static bool sum_load(dim_table *t, dim d, sum *out)
{
    size_t n;
    const term *terms = terms_of(t, d, &n);
    out->n = n;
    memcpy(out->terms, terms, n * sizeof *terms);
    return true;
}

/* Adds a term, keeping the order. False where a coefficient overflows or there are too many. */
static bool sum_add(dim_table *t, sum *s, int64_t coefficient, uint32_t product)
{
    size_t at = 0;
    while (at < s->n && s->terms[at].product < product)
        at++;
    if (at < s->n && s->terms[at].product == product) {
        if (!i64_add(s->terms[at].coefficient, coefficient, &s->terms[at].coefficient))
            return fail(t, SIB_ERR_SIZE);
        if (!s->terms[at].coefficient)
            memmove(s->terms + at, s->terms + at + 1, (--s->n - at) * sizeof *s->terms);
        return true;
    }
    if (!coefficient)
        return true;
    if (s->n == DIM_MAX_TERMS)
        return fail(t, SIB_ERR_SIZE);
    memmove(s->terms + at + 1, s->terms + at, (s->n++ - at) * sizeof *s->terms);
    s->terms[at] = (term){coefficient, product};
    return true;
}

static dim sum_end(dim_table *t, const sum *s)
{
    uint32_t depth = 0;
    for (size_t i = 0; i < s->n; i++)
        if (t->entries[s->terms[i].product].depth > depth)
            depth = t->entries[s->terms[i].product].depth;
    return (dim){intern(t, ENTRY_SUM, s->terms, s->n * sizeof *s->terms, depth)};
}

static uint32_t product_of(dim_table *t, uint32_t a, uint32_t b)
{
    factor out[DIM_MAX_TERMS];
    size_t n = 0, na = t->entries[a].bytes / sizeof *out, nb = t->entries[b].bytes / sizeof *out, i = 0,
           k = 0;
    const factor *x = t->entries[a].data, *y = t->entries[b].data;
    uint32_t depth = t->entries[a].depth > t->entries[b].depth ? t->entries[a].depth : t->entries[b].depth;
    while (i < na || k < nb) {
        if (n == DIM_MAX_TERMS)
            return fail(t, SIB_ERR_SIZE);
        if (k == nb || (i < na && x[i].atom < y[k].atom))
            out[n++] = x[i++];
        else if (i == na || y[k].atom < x[i].atom)
            out[n++] = y[k++];
        else {
            out[n] = x[i++];
            if (__builtin_add_overflow(out[n].power, y[k++].power, &out[n].power))
                return fail(t, SIB_ERR_SIZE);
            n++;
        }
    }
    return intern(t, ENTRY_PRODUCT, out, n * sizeof *out, depth);
}

/* a / b where b's factors are all among a's; 0 where not. */
static uint32_t product_without(dim_table *t, uint32_t a, uint32_t b)
{
    factor out[DIM_MAX_TERMS];
    size_t n = 0, na = t->entries[a].bytes / sizeof *out, nb = t->entries[b].bytes / sizeof *out, k = 0;
    const factor *x = t->entries[a].data, *y = t->entries[b].data;
    for (size_t i = 0; i < na; i++) {
        factor f = x[i];
        if (k < nb && y[k].atom == f.atom) {
            if (y[k].power > f.power)
                return 0;
            f.power -= y[k++].power;
        }
        if (f.power)
            out[n++] = f;
    }
    return k == nb ? intern(t, ENTRY_PRODUCT, out, n * sizeof *out, t->entries[a].depth) : 0;
}

/* The dim that is one atom alone. */
static dim from_atom(dim_table *t, uint32_t atom)
{
    factor f = {atom, 1};
    sum s = {0};
    if (!atom)
        return DIM_NONE;
    uint32_t product = intern(t, ENTRY_PRODUCT, &f, sizeof f, t->entries[atom].depth);
    return product && sum_add(t, &s, 1, product) ? sum_end(t, &s) : DIM_NONE;
}

static bool none(dim a, dim b)
{
    return !a.id || !b.id;
}

dim dim_const(dim_table *t, int64_t value)
{
    sum s = {0};
    return sum_add(t, &s, value, t->one) ? sum_end(t, &s) : DIM_NONE;
}

dim dim_symbol(dim_table *t, sib_str name)
{
    return from_atom(t, intern(t, ENTRY_SYMBOL, name.data, name.length, 0));
}

dim dim_fresh(dim_table *t)
{
    char name[24];
    int n = snprintf(name, sizeof name, "?%u", ++t->n_fresh);
    return dim_symbol(t, (sib_str){name, (size_t)n});
}

/* a + factor * b */
static dim add_scaled(dim_table *t, dim a, dim b, int64_t scale)
{
    sum s;
    size_t n;
    if (none(a, b))
        return DIM_NONE;
    sum_load(t, a, &s);
    const term *terms = terms_of(t, b, &n);
    for (size_t i = 0; i < n; i++) {
        int64_t c;
        if (!i64_mul(terms[i].coefficient, scale, &c)) {
            fail(t, SIB_ERR_SIZE);
            return DIM_NONE;
        }
        if (!sum_add(t, &s, c, (uint32_t)terms[i].product))
            return DIM_NONE;
    }
    return sum_end(t, &s);
}

dim dim_add(dim_table *t, dim a, dim b)
{
    return add_scaled(t, a, b, 1);
}

dim dim_sub(dim_table *t, dim a, dim b)
{
    return add_scaled(t, a, b, -1);
}

dim dim_mul(dim_table *t, dim a, dim b)
{
    sum s = {0}, x, y;
    if (none(a, b))
        return DIM_NONE;
    sum_load(t, a, &x);
    sum_load(t, b, &y);
    for (size_t i = 0; i < x.n; i++)
        for (size_t k = 0; k < y.n; k++) {
            int64_t c;
            uint32_t p = product_of(t, (uint32_t)x.terms[i].product, (uint32_t)y.terms[k].product);
            if (!p)
                return DIM_NONE;
            if (!i64_mul(x.terms[i].coefficient, y.terms[k].coefficient, &c)) {
                fail(t, SIB_ERR_SIZE);
                return DIM_NONE;
            }
            if (!sum_add(t, &s, c, p))
                return DIM_NONE;
        }
    return sum_end(t, &s);
}

/* ---- Division, remainder, min and max ------------------------------------------------------------------ */

static int64_t floor_of(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a % b < 0) != (b < 0));
}

static dim atom_of_two(dim_table *t, entry_kind kind, dim a, dim b)
{
    operands o = {a.id, b.id};
    uint32_t depth =
        t->entries[a.id].depth > t->entries[b.id].depth ? t->entries[a.id].depth : t->entries[b.id].depth;
    return from_atom(t, intern(t, kind, &o, sizeof o, depth + 1));
}

/* Splits a into quotient * b + rest, for b of one term: the quotient has what divides, and of a constant over a
   constant the floor. */
static bool split(dim_table *t, dim a, const term *b, sum *quotient, sum *rest)
{
    sum x;
    sum_load(t, a, &x);
    quotient->n = rest->n = 0;
    for (size_t i = 0; i < x.n; i++) {
        int64_t c = x.terms[i].coefficient;
        uint32_t p = (uint32_t)x.terms[i].product;
        uint32_t q = product_without(t, p, (uint32_t)b->product);
        if (b->coefficient == -1 && c == INT64_MIN)
            return fail(t, SIB_ERR_SIZE);
        if (q && c % b->coefficient == 0) {
            if (!sum_add(t, quotient, c / b->coefficient, q))
                return false;
            continue;
        }
        if (p == t->one && b->product == t->one) {
            int64_t whole = floor_of(c, b->coefficient);
            if (!sum_add(t, quotient, whole, t->one))
                return false;
            c -= whole * b->coefficient;
        }
        if (!sum_add(t, rest, c, p))
            return false;
    }
    return true;
}

/* True where 0 <= rest < b for all symbols: the rest is a constant and so is b. */
static bool rest_vanishes(const dim_table *t, const sum *rest, const term *b)
{
    return rest->n == 0 ||
           (rest->n == 1 && rest->terms[0].product == t->one && b->product == t->one && b->coefficient > 0 &&
            rest->terms[0].coefficient >= 0 && rest->terms[0].coefficient < b->coefficient);
}

dim dim_floor_div(dim_table *t, dim a, dim b)
{
    sum quotient, rest;
    size_t n;
    int64_t x = 0, y = 0;
    if (none(a, b))
        return DIM_NONE;
    const term *divisor = terms_of(t, b, &n);
    if (n == 0) {
        fail(t, SIB_ERR_ARGUMENT);
        return DIM_NONE;
    }
    if (dim_is_const(t, a, &x) && dim_is_const(t, b, &y)) {
        if (x == INT64_MIN && y == -1) {
            fail(t, SIB_ERR_SIZE);
            return DIM_NONE;
        }
        return dim_const(t, floor_of(x, y));
    }
    if (dim_same(a, b))
        return dim_const(t, 1);
    if (n != 1)
        return atom_of_two(t, ENTRY_FLOOR, a, b);
    term by = divisor[0];
    if (!split(t, a, &by, &quotient, &rest))
        return DIM_NONE;
    dim whole = sum_end(t, &quotient);
    if (rest_vanishes(t, &rest, &by))
        return whole;
    dim left = sum_end(t, &rest);
    return none(whole, left) ? DIM_NONE : dim_add(t, whole, atom_of_two(t, ENTRY_FLOOR, left, b));
}

dim dim_ceil_div(dim_table *t, dim a, dim b)
{
    int64_t by;
    if (none(a, b))
        return DIM_NONE;
    /* over a number it is a floor, so that both ways of writing it are one */
    if (dim_is_const(t, b, &by) && by < 0 && by != INT64_MIN) {
        a = dim_sub(t, dim_const(t, 0), a);
        b = dim_const(t, by = -by);
        if (none(a, b))
            return DIM_NONE;
    }
    if (dim_is_const(t, b, &by) && by > 0)
        return dim_floor_div(t, dim_add(t, a, dim_const(t, by - 1)), b);
    dim whole = dim_floor_div(t, a, b);
    if (whole.id && dim_same(dim_mul(t, whole, b), a))
        return whole;
    return whole.id ? atom_of_two(t, ENTRY_CEIL, a, b) : DIM_NONE;
}

dim dim_mod(dim_table *t, dim a, dim b)
{
    sum quotient, rest;
    size_t n;
    if (none(a, b))
        return DIM_NONE;
    const term *divisor = terms_of(t, b, &n);
    if (n == 0) {
        fail(t, SIB_ERR_ARGUMENT);
        return DIM_NONE;
    }
    if (dim_same(a, b))
        return dim_const(t, 0);
    if (n != 1)
        return atom_of_two(t, ENTRY_MOD, a, b);
    term by = divisor[0];
    if (!split(t, a, &by, &quotient, &rest))
        return DIM_NONE;
    dim left = sum_end(t, &rest);
    bool number = rest.n == 0 || (rest.n == 1 && rest.terms[0].product == t->one && by.product == t->one);
    return number || !left.id ? left : atom_of_two(t, ENTRY_MOD, left, b);
}

/* The smaller or larger of two. */
static dim extreme(dim_table *t, entry_kind kind, dim a, dim b)
{
    if (none(a, b) || dim_same(a, b))
        return none(a, b) ? DIM_NONE : a;
    sib_code failed = t->failed;
    dim difference = dim_sub(t, a, b), opposite = dim_sub(t, b, a);
    t->failed = failed; /* that the difference cannot be told is no failure */
    if (difference.id && dim_at_least(t, difference, 0))
        return kind == ENTRY_MAX ? a : b;
    if (opposite.id && dim_at_least(t, opposite, 0))
        return kind == ENTRY_MAX ? b : a;
    return a.id < b.id ? atom_of_two(t, kind, a, b) : atom_of_two(t, kind, b, a);
}

dim dim_min(dim_table *t, dim a, dim b)
{
    return extreme(t, ENTRY_MIN, a, b);
}

dim dim_max(dim_table *t, dim a, dim b)
{
    return extreme(t, ENTRY_MAX, a, b);
}

/* ---- What is known ------------------------------------------------------------------------------------ */

bool dim_is_const(const dim_table *t, dim d, int64_t *value)
{
    size_t n;
    if (!d.id)
        return false;
    const term *terms = terms_of(t, d, &n);
    if (n > 1 || (n == 1 && terms[0].product != t->one))
        return false;
    *value = n ? terms[0].coefficient : 0;
    return true;
}

/* The atom that a dim is, alone and once; 0 where it is more. */
static uint32_t lone_atom(const dim_table *t, dim d)
{
    size_t n;
    if (!d.id)
        return 0;
    const term *terms = terms_of(t, d, &n);
    if (n != 1 || terms[0].coefficient != 1)
        return 0;
    const entry *p = &t->entries[terms[0].product];
    const factor *f = p->data;
    return p->bytes == sizeof *f && f->power == 1 ? f->atom : 0;
}

bool dim_is_symbol(const dim_table *t, dim d, sib_str *name)
{
    uint32_t atom = lone_atom(t, d);
    if (!atom || t->entries[atom].kind != ENTRY_SYMBOL)
        return false;
    *name = (sib_str){t->entries[atom].data, t->entries[atom].bytes};
    return true;
}

/* Symbols are sizes, so not negative. */
static bool atom_not_negative(const dim_table *t, uint32_t atom)
{
    const entry *e = &t->entries[atom];
    if (e->kind == ENTRY_SYMBOL)
        return true;
    const operands *o = e->data;
    bool a = dim_at_least(t, (dim){o->a}, 0);
    switch (e->kind) {
    case ENTRY_FLOOR:
    case ENTRY_CEIL:
        return a && dim_at_least(t, (dim){o->b}, 1);
    case ENTRY_MOD:
        return dim_at_least(t, (dim){o->b}, 1);
    case ENTRY_MIN:
        return a && dim_at_least(t, (dim){o->b}, 0);
    default:
        return a || dim_at_least(t, (dim){o->b}, 0);
    }
}

bool dim_at_least(const dim_table *t, dim d, int64_t low)
{
    size_t n;
    int64_t constant = 0;
    if (!d.id)
        return false;
    const term *terms = terms_of(t, d, &n);
    for (size_t i = 0; i < n; i++) {
        const entry *p = &t->entries[terms[i].product];
        const factor *f = p->data;
        if (terms[i].product == t->one) {
            constant = terms[i].coefficient;
            continue;
        }
        if (terms[i].coefficient < 0)
            return false;
        for (size_t k = 0; k < p->bytes / sizeof *f; k++)
            if (f[k].power % 2 && !atom_not_negative(t, f[k].atom))
                return false;
    }
    return constant >= low;
}

/* ---- Values ------------------------------------------------------------------------------------------- */

bool dim_bound(const dim_binding *b, dim symbol, int64_t *value)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->items[i].symbol == symbol.id) {
            *value = b->items[i].value;
            return true;
        }
    return false;
}

sib_code dim_bind(const dim_table *t, dim_binding *b, dim symbol, int64_t value, sib_error *err)
{
    sib_str name;
    if (!dim_is_symbol(t, symbol, &name))
        return err_set(err, SIB_ERR_ARGUMENT, "only a symbol can be given a value");
    for (size_t i = 0; i < b->n; i++)
        if (b->items[i].symbol == symbol.id) {
            b->items[i].value = value;
            return SIB_OK;
        }
    if (b->n == b->capacity) {
        size_t more = b->capacity ? 2 * b->capacity : 8;
        void *grown = mem_realloc(b->items, more, sizeof *b->items);
        if (!grown)
            return err_memory(err, more * sizeof *b->items, "the values of dims");
        b->items = grown;
        b->capacity = more;
    }
    b->items[b->n].symbol = symbol.id;
    b->items[b->n++].value = value;
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

static sib_code eval_atom(const dim_table *t, uint32_t atom, const dim_binding *b, int64_t *out,
                          sib_error *err)
{
    const entry *e = &t->entries[atom];
    int64_t x = 0, y = 0;
    if (e->kind == ENTRY_SYMBOL) {
        factor f = {atom, 1};
        for (size_t i = 0; b && i < b->n; i++)
            if (lone_atom(t, (dim){b->items[i].symbol}) == f.atom) {
                *out = b->items[i].value;
                return SIB_OK;
            }
        return err_set(err, SIB_ERR_ARGUMENT, "dim '%.*s' has no value", (int)e->bytes,
                       (const char *)e->data);
    }
    const operands *o = e->data;
    sib_code code = dim_eval(t, (dim){o->a}, b, &x, err);
    if (code == SIB_OK)
        code = dim_eval(t, (dim){o->b}, b, &y, err);
    if (code != SIB_OK)
        return code;
    if (e->kind == ENTRY_MIN || e->kind == ENTRY_MAX) {
        *out = (x < y) == (e->kind == ENTRY_MIN) ? x : y;
        return SIB_OK;
    }
    if (y == 0)
        return err_set(err, SIB_ERR_ARGUMENT, "a dim is divided by 0");
    if (x == INT64_MIN && y == -1)
        return overflow(err);
    int64_t whole = floor_of(x, y);
    *out = e->kind == ENTRY_FLOOR ? whole : e->kind == ENTRY_CEIL ? whole + (x % y != 0) : x - whole * y;
    return SIB_OK;
}

sib_code dim_eval(const dim_table *t, dim d, const dim_binding *b, int64_t *out, sib_error *err)
{
    size_t n;
    int64_t total = 0;
    if (!d.id)
        return err_set(err, SIB_ERR_ARGUMENT, "a dim is missing");
    const term *terms = terms_of(t, d, &n);
    for (size_t i = 0; i < n; i++) {
        const entry *p = &t->entries[terms[i].product];
        const factor *f = p->data;
        int64_t value = terms[i].coefficient, x = 0;
        for (size_t k = 0; k < p->bytes / sizeof *f; k++) {
            sib_code code = eval_atom(t, f[k].atom, b, &x, err);
            if (code != SIB_OK)
                return code;
            for (uint32_t j = 0; j < f[k].power; j++)
                if (!i64_mul(value, x, &value))
                    return overflow(err);
        }
        if (!i64_add(total, value, &total))
            return overflow(err);
    }
    *out = total;
    return SIB_OK;
}

static dim substitute_atom(dim_table *t, uint32_t atom, const dim_binding *b)
{
    entry e = t->entries[atom];
    if (e.kind == ENTRY_SYMBOL) {
        for (size_t i = 0; i < b->n; i++)
            if (lone_atom(t, (dim){b->items[i].symbol}) == atom)
                return dim_const(t, b->items[i].value);
        return from_atom(t, atom);
    }
    const operands *o = e.data;
    dim x = dim_substitute(t, (dim){o->a}, b), y = dim_substitute(t, (dim){o->b}, b);
    switch (e.kind) {
    case ENTRY_FLOOR:
        return dim_floor_div(t, x, y);
    case ENTRY_CEIL:
        return dim_ceil_div(t, x, y);
    case ENTRY_MOD:
        return dim_mod(t, x, y);
    case ENTRY_MIN:
        return dim_min(t, x, y);
    default:
        return dim_max(t, x, y);
    }
}

dim dim_substitute(dim_table *t, dim d, const dim_binding *b)
{
    if (!d.id)
        return DIM_NONE;
    dim total = dim_const(t, 0);
    sum s;
    sum_load(t, d, &s);
    for (size_t i = 0; i < s.n; i++) {
        entry p = t->entries[s.terms[i].product];
        const factor *f = p.data;
        dim product = dim_const(t, s.terms[i].coefficient);
        for (size_t k = 0; k < p.bytes / sizeof *f; k++) {
            dim x = substitute_atom(t, f[k].atom, b);
            for (uint32_t j = 0; j < f[k].power; j++)
                product = dim_mul(t, product, x);
        }
        total = dim_add(t, total, product);
    }
    return total;
}

/* ---- Text ---------------------------------------------------------------------------------------------- */

/* Text being written; what does not fit is left out. */
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

static void put_dim(const dim_table *t, writer *w, dim d, bool operand);

static void put_call(const dim_table *t, writer *w, const char *name, dim a, const char *between, dim b)
{
    put_text(w, name);
    put_dim(t, w, a, *between == '/');
    put_text(w, between);
    put_dim(t, w, b, *between == '/');
    put_text(w, ")");
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
    default:
        put_dim(t, w, (dim){o->a}, true);
        put_text(w, "%");
        put_dim(t, w, (dim){o->b}, true);
    }
}

static void put_term(const dim_table *t, writer *w, const term *x, bool first)
{
    const entry *p = &t->entries[x->product];
    const factor *f = p->data;
    bool times = false;
    uint64_t size = x->coefficient < 0 ? 0 - (uint64_t)x->coefficient : (uint64_t)x->coefficient;
    put_text(w, x->coefficient < 0 ? "-" : first ? "" : "+");
    if (size != 1 || !p->bytes) {
        put_number(w, size);
        times = true;
    }
    for (size_t k = 0; k < p->bytes / sizeof *f; k++)
        for (uint32_t j = 0; j < f[k].power; j++) {
            put_text(w, times ? "*" : "");
            put_atom(t, w, f[k].atom);
            times = true;
        }
}

/* operand: within a product or quotient, where a sum needs brackets. */
static void put_dim(const dim_table *t, writer *w, dim d, bool operand)
{
    size_t n;
    const term *terms = terms_of(t, d, &n);
    bool brackets = operand && n > 1, first = true;
    put_text(w, n == 0 ? "0" : brackets ? "(" : "");
    for (int constant = 0; constant < 2; constant++) /* the constant comes last */
        for (size_t i = 0; i < n; i++)
            if ((terms[i].product == t->one) == constant) {
                put_term(t, w, &terms[i], first);
                first = false;
            }
    put_text(w, brackets ? ")" : "");
}

const char *dim_text(const dim_table *t, dim d, char *text, size_t size)
{
    writer w = {text, size, 0};
    if (size)
        text[0] = 0;
    if (d.id)
        put_dim(t, &w, d, false);
    else
        put_text(&w, "?");
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
        char one[120];
        put_text(&w, i ? ", " : "");
        put_text(&w, dim_text(t, s->dims[i], one, sizeof one));
    }
    put_text(&w, s->ranked ? "]" : "");
    return text;
}
