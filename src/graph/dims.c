/* Every entry of a table is an interned string of bytes: symbols, atoms of two operands, products and
   sums. So equal expressions have equal ids, from the leaves up. Sums and products are here, atoms in
   dims_atom.c. */
#include "base/alloc.h"
#include "base/array.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/size.h"
#include "graph/dims_table.h"

#include <stdio.h>
#include <string.h>

/* ---- Bounds ------------------------------------------------------------------------------------------- */

static int64_t clamped(__int128 x)
{
    return x > INT64_MAX ? INT64_MAX : x < INT64_MIN ? INT64_MIN : (int64_t)x;
}

typedef struct bounds {
    int64_t low, high;
} bounds;

static bounds bounds_times(bounds a, bounds b)
{
    __int128 corners[] = {(__int128)a.low * b.low, (__int128)a.low * b.high, (__int128)a.high * b.low,
                          (__int128)a.high * b.high};
    __int128 low = corners[0], high = corners[0];
    for (int i = 1; i < 4; i++) {
        low = corners[i] < low ? corners[i] : low;
        high = corners[i] > high ? corners[i] : high;
    }
    return (bounds){clamped(low), clamped(high)};
}

static bounds bounds_of_sum(const dim_table *t, const term *terms, size_t n)
{
    __int128 low = 0, high = 0;
    for (size_t i = 0; i < n; i++) {
        const entry *p = &t->entries[terms[i].product];
        bounds b =
            bounds_times((bounds){terms[i].coefficient, terms[i].coefficient}, (bounds){p->low, p->high});
        low += b.low;
        high += b.high;
    }
    return (bounds){clamped(low), clamped(high)};
}

static bounds bounds_of_product(const dim_table *t, const factor *factors, size_t n)
{
    bounds b = {1, 1};
    for (size_t i = 0; i < n; i++) {
        const entry *e = &t->entries[factors[i].atom];
        for (uint32_t k = 0; k < factors[i].power; k++)
            b = bounds_times(b, (bounds){e->low, e->high});
        if (factors[i].power % 2 == 0 && b.low < 0 && n == 1)
            b.low = 0;
    }
    return b;
}

/* Quotients and remainders by a divisor >= 0 (0 has no value). */
static bounds bounds_of_quotient(const entry *a, const entry *b, bool mod)
{
    bounds out = {INT64_MIN, INT64_MAX};
    if (b->low < 0)
        return out;
    if (mod) {
        out = (bounds){0, b->high == INT64_MAX ? INT64_MAX : b->high - 1};
        if (a->low >= 0 && a->high < out.high)
            out.high = a->high;
        return out;
    }
    int64_t min = b->low ? b->low : 1, max = b->high ? b->high : 1;
    out.low = dims_floor(a->low, a->low < 0 ? min : max);
    /* a ceiling is at most one more; INT64_MAX means unbounded */
    out.high = dims_floor(a->high, a->high < 0 ? max : min);
    out.high += out.high < INT64_MAX;
    if (a->high == INT64_MAX)
        out.high = INT64_MAX;
    return out;
}

static bounds bounds_of_atom(entry_kind kind, const entry *a, const entry *b)
{
    int64_t lows[2] = {a->low, b->low}, highs[2] = {a->high, b->high};
    /* operands with the smaller low and the larger high */
    int low = a->low > b->low, high = a->high < b->high;
    switch (kind) {
    case ENTRY_MIN:
        return (bounds){lows[low], highs[!high]};
    case ENTRY_MAX:
        return (bounds){lows[!low], highs[high]};
    case ENTRY_BROADCAST:
        return (bounds){lows[low], highs[high]};
    default:
        return bounds_of_quotient(a, b, kind == ENTRY_MOD);
    }
}

/* ---- Interning --------------------------------------------------------------------------------------- */

static bool rehash(dim_table *t, uint32_t n_slots)
{
    SIB_ASSERT((n_slots & (n_slots - 1)) == 0);
    SIB_ASSERT(t->n < n_slots); /* else a search does not end */
    uint32_t *slots = mem_calloc(n_slots, sizeof *slots);
    if (!slots)
        return false;
    SIB_ASSERT(t->entries);
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

uint32_t dims_fail(dim_table *t, sib_code code)
{
    if (t->failed == SIB_OK)
        t->failed = code;
    return 0;
}

static void take_weight(entry *e, const entry *part)
{
    e->depth = part->depth > e->depth ? part->depth : e->depth;
    e->weight += part->weight; /* at most DIM_MAX_TERMS times DIMS_WEIGHT_MAX */
}

/* Derives bounds, depth and weight of an entry from its parts. */
static void describe(const dim_table *t, entry *e)
{
    bounds b = {0, INT64_MAX};
    e->weight = 1;
    if (e->kind == ENTRY_SUM) {
        const term *terms = e->data;
        size_t n = e->bytes / sizeof *terms;
        for (size_t i = 0; i < n; i++)
            take_weight(e, &t->entries[terms[i].product]);
        b = bounds_of_sum(t, terms, n);
    } else if (e->kind == ENTRY_PRODUCT) {
        const factor *factors = e->data;
        size_t n = e->bytes / sizeof *factors;
        for (size_t i = 0; i < n; i++)
            take_weight(e, &t->entries[factors[i].atom]);
        b = bounds_of_product(t, factors, n);
    } else if (e->kind != ENTRY_SYMBOL) {
        const operands *o = e->data;
        take_weight(e, &t->entries[o->a]);
        take_weight(e, &t->entries[o->b]);
        e->depth++;
        b = bounds_of_atom(e->kind, &t->entries[o->a], &t->entries[o->b]);
    }
    e->low = b.low;
    e->high = b.high;
}

void dim_table_set_budget(dim_table *t, arena_budget *budget)
{
    arena_set_budget(t->arena, budget);
}

static bool make_room(dim_table *t)
{
    if (!arena_charge(t->arena, sizeof *t->entries) ||
        ARRAY_RESERVE(t->entries, t->capacity, (size_t)t->n + 1, "dims", NULL) != SIB_OK)
        return false;
    return 2 * t->n < t->n_slots || rehash(t, 2 * t->n_slots);
}

/* The entry, 0 where there is none. */
static uint32_t find(const dim_table *t, entry_kind kind, const void *data, size_t bytes, uint64_t hash)
{
    uint32_t at = (uint32_t)hash & (t->n_slots - 1);
    for (; t->slots[at]; at = (at + 1) & (t->n_slots - 1)) {
        const entry *e = &t->entries[t->slots[at]];
        if (e->hash == hash && e->kind == kind && e->bytes == bytes &&
            (!bytes || !memcmp(e->data, data, bytes)))
            break;
    }
    return t->slots[at];
}

static uint64_t hash_entry(entry_kind kind, const void *data, size_t bytes)
{
    return hash_bytes(data, bytes) ^ (uint64_t)kind;
}

uint32_t dims_intern(dim_table *t, entry_kind kind, const void *data, size_t bytes)
{
    uint64_t hash = hash_entry(kind, data, bytes);
    uint32_t at = find(t, kind, data, bytes, hash);
    if (at)
        return at;
    entry made = {.kind = kind, .bytes = (uint32_t)bytes, .hash = hash, .data = data};
    describe(t, &made);
    if (made.depth > DIMS_DEPTH_MAX || made.weight > DIMS_WEIGHT_MAX || t->n >= UINT32_MAX / 4 ||
        bytes > UINT32_MAX / 2)
        return dims_fail(t, SIB_ERR_SIZE);
    void *copy = make_room(t) ? arena_alloc(t->arena, bytes + (kind == ENTRY_SYMBOL), 1) : NULL;
    if (!copy)
        return dims_fail(t, SIB_ERR_MEMORY);
    if (bytes)
        memcpy(copy, data, bytes);
    made.data = copy;
    for (at = (uint32_t)hash & (t->n_slots - 1); t->slots[at];)
        at = (at + 1) & (t->n_slots - 1);
    t->entries[t->n] = made;
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
    if (code == SIB_OK && !(t->one = dims_intern(t, ENTRY_PRODUCT, NULL, 0)))
        code = err_memory(err, sizeof *t, "a table of dims");
    if (code != SIB_OK)
        dim_table_free(out);
    return code;
}

sib_code dim_table_copy(const dim_table *t, dim_table **out, sib_error *err)
{
    dim_table *copy = mem_calloc(1, sizeof *copy);
    *out = copy;
    if (!copy)
        return err_memory(err, sizeof *copy, "a table of dims");
    copy->capacity = copy->n = t->n;
    copy->n_fresh = t->n_fresh;
    copy->one = t->one;
    copy->entries = mem_alloc(t->n, sizeof *copy->entries);
    if (!copy->entries) {
        dim_table_free(out);
        return err_memory(err, t->n * sizeof *t->entries, "a table of dims");
    }
    memcpy(copy->entries, t->entries, t->n * sizeof *t->entries);
    sib_code code = arena_create(&copy->arena, err);
    for (uint32_t i = 1; i < t->n && code == SIB_OK; i++) {
        void *data = arena_alloc(copy->arena, t->entries[i].bytes ? t->entries[i].bytes : 1, 1);
        if (!data)
            code = err_memory(err, t->entries[i].bytes, "a table of dims");
        else if (t->entries[i].bytes)
            memcpy(data, t->entries[i].data, t->entries[i].bytes);
        copy->entries[i].data = data;
    }
    if (code == SIB_OK && !rehash(copy, t->n_slots))
        code = err_memory(err, t->n_slots * sizeof *t->slots, "a table of dims");
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

/* ---- Products ----------------------------------------------------------------------------------------- */

uint32_t dims_product(dim_table *t, uint32_t a, uint32_t b)
{
    factor out[DIM_MAX_TERMS];
    size_t n = 0, na, nb, i = 0, k = 0;
    const factor *x = dims_factors(t, a, &na), *y = dims_factors(t, b, &nb);
    if (!na || !nb)
        return na ? a : b;
    while (i < na || k < nb) {
        if (n == DIM_MAX_TERMS)
            return dims_fail(t, SIB_ERR_SIZE);
        if (k == nb || (i < na && x[i].atom < y[k].atom)) {
            out[n++] = x[i++];
        } else if (i == na || y[k].atom < x[i].atom) {
            out[n++] = y[k++];
        } else {
            out[n] = x[i++];
            out[n].power += y[k++].power;
            if (out[n++].power > DIMS_POWER_MAX)
                return dims_fail(t, SIB_ERR_SIZE);
        }
    }
    for (size_t m = 1; m < n; m++)
        SIB_ASSERT(out[m - 1].atom < out[m].atom);
    return dims_intern(t, ENTRY_PRODUCT, out, n * sizeof *out);
}

uint32_t dims_product_without(dim_table *t, uint32_t a, uint32_t b)
{
    factor out[DIM_MAX_TERMS];
    size_t n = 0, na, nb, k = 0;
    const factor *x = dims_factors(t, a, &na), *y = dims_factors(t, b, &nb);
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
    return k == nb ? dims_intern(t, ENTRY_PRODUCT, out, n * sizeof *out) : 0;
}

uint32_t dims_product_common(dim_table *t, uint32_t a, uint32_t b)
{
    factor out[DIM_MAX_TERMS];
    size_t n = 0, na, nb, i = 0, k = 0;
    const factor *x = dims_factors(t, a, &na), *y = dims_factors(t, b, &nb);
    while (i < na && k < nb) {
        if (x[i].atom == y[k].atom) {
            out[n] = x[i].power < y[k].power ? x[i] : y[k];
            n++, i++, k++;
        } else if (x[i].atom < y[k].atom) {
            i++;
        } else {
            k++;
        }
    }
    return dims_intern(t, ENTRY_PRODUCT, out, n * sizeof *out);
}

/* ---- Sums --------------------------------------------------------------------------------------------- */

void dims_sum_load(const dim_table *t, dim d, sum *out)
{
    const term *terms = dims_terms(t, d, &out->n);
    SIB_ASSERT(out->n <= DIM_MAX_TERMS);
    memcpy(out->terms, terms, out->n * sizeof *terms);
}

bool dims_sum_add(dim_table *t, sum *s, int64_t coefficient, uint32_t product)
{
    size_t at = 0;
    while (at < s->n && s->terms[at].product < product)
        at++;
    if (at < s->n && s->terms[at].product == product) {
        if (!i64_add(s->terms[at].coefficient, coefficient, &s->terms[at].coefficient))
            return dims_fail(t, SIB_ERR_SIZE);
        if (!s->terms[at].coefficient)
            memmove(s->terms + at, s->terms + at + 1, (--s->n - at) * sizeof *s->terms);
        return true;
    }
    if (!coefficient)
        return true;
    if (s->n == DIM_MAX_TERMS)
        return dims_fail(t, SIB_ERR_SIZE);
    memmove(s->terms + at + 1, s->terms + at, (s->n++ - at) * sizeof *s->terms);
    s->terms[at] = (term){coefficient, product};
    return true;
}

dim dims_sum_end(dim_table *t, const sum *s)
{
    SIB_ASSERT(s->n <= DIM_MAX_TERMS);
    for (size_t i = 0; i < s->n; i++)
        SIB_ASSERT(s->terms[i].coefficient && (!i || s->terms[i - 1].product < s->terms[i].product));
    return (dim){dims_intern(t, ENTRY_SUM, s->terms, s->n * sizeof *s->terms)};
}

dim dims_from_atom(dim_table *t, uint32_t atom)
{
    factor f = {atom, 1};
    term x = {1, 0};
    if (!atom || !(x.product = dims_intern(t, ENTRY_PRODUCT, &f, sizeof f)))
        return DIM_NONE;
    return (dim){dims_intern(t, ENTRY_SUM, &x, sizeof x)};
}

dim dim_const(dim_table *t, int64_t value)
{
    term x = {value, t->one};
    return (dim){dims_intern(t, ENTRY_SUM, &x, value ? sizeof x : 0)};
}

dim dim_symbol(dim_table *t, sib_str name)
{
    return name.length ? dims_from_atom(t, dims_intern(t, ENTRY_SYMBOL, name.data, name.length))
                       : dim_fresh(t);
}

dim dim_symbol_known(dim_table *t, sib_str name, bool *known)
{
    uint64_t hash = hash_entry(ENTRY_SYMBOL, name.data, name.length);
    *known = name.length && find(t, ENTRY_SYMBOL, name.data, name.length, hash);
    return *known ? dim_symbol(t, name) : DIM_NONE;
}

dim dim_fresh(dim_table *t)
{
    char name[24];
    for (;;) {
        uint32_t before = t->n;
        int n = snprintf(name, sizeof name, "?%u", ++t->n_fresh);
        uint32_t atom = dims_intern(t, ENTRY_SYMBOL, name, (size_t)n);
        if (!atom || t->n > before) /* a file may use this name too */
            return dims_from_atom(t, atom);
    }
}

/* a + scale * b */
static dim add_scaled(dim_table *t, dim a, dim b, int64_t scale)
{
    sum s;
    size_t n;
    if (!a.id || !b.id)
        return DIM_NONE;
    const term *terms = dims_terms(t, b, &n);
    dims_sum_load(t, a, &s);
    for (size_t i = 0; i < n; i++) {
        int64_t c;
        if (!i64_mul(terms[i].coefficient, scale, &c)) {
            dims_fail(t, SIB_ERR_SIZE);
            return DIM_NONE;
        }
        if (!dims_sum_add(t, &s, c, (uint32_t)terms[i].product))
            return DIM_NONE;
    }
    return dims_sum_end(t, &s);
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
    sum s = {0};
    size_t na, nb;
    if (!a.id || !b.id)
        return DIM_NONE;
    const term *x = dims_terms(t, a, &na), *y = dims_terms(t, b, &nb);
    for (size_t i = 0; i < na; i++)
        for (size_t k = 0; k < nb; k++) {
            int64_t c;
            uint32_t p = dims_product(t, (uint32_t)x[i].product, (uint32_t)y[k].product);
            if (!p)
                return DIM_NONE;
            if (!i64_mul(x[i].coefficient, y[k].coefficient, &c)) {
                dims_fail(t, SIB_ERR_SIZE);
                return DIM_NONE;
            }
            if (!dims_sum_add(t, &s, c, p))
                return DIM_NONE;
        }
    return dims_sum_end(t, &s);
}

/* ---- Queries ------------------------------------------------------------------------------------------- */

bool dim_known(const dim_table *t, dim d)
{
    return d.id < t->n && t->entries[d.id].kind == ENTRY_SUM;
}

bool dim_is_const(const dim_table *t, dim d, int64_t *value)
{
    size_t n;
    if (!d.id)
        return false;
    const term *terms = dims_terms(t, d, &n);
    if (n > 1 || (n == 1 && terms[0].product != t->one))
        return false;
    *value = n ? terms[0].coefficient : 0;
    return true;
}

uint32_t dims_lone_atom(const dim_table *t, dim d)
{
    size_t n;
    if (!d.id)
        return 0;
    const term *terms = dims_terms(t, d, &n);
    if (n != 1 || terms[0].coefficient != 1)
        return 0;
    const factor *f = dims_factors(t, terms[0].product, &n);
    SIB_ASSERT(n < 1 || (f->atom > 0 && f->atom < t->n && f->power > 0));
    return n == 1 && f->power == 1 ? f->atom : 0;
}

bool dim_is_symbol(const dim_table *t, dim d, sib_str *name)
{
    uint32_t atom = dims_lone_atom(t, d);
    if (!atom || t->entries[atom].kind != ENTRY_SYMBOL)
        return false;
    *name = (sib_str){t->entries[atom].data, t->entries[atom].bytes};
    return true;
}

bool dim_at_least(const dim_table *t, dim d, int64_t low)
{
    return d.id && t->entries[d.id].low >= low;
}
