/* Internals of a table of dims, shared by the files that implement dims.h. */
#ifndef GRAPH_DIMS_TABLE_H
#define GRAPH_DIMS_TABLE_H

#include "base/assert.h"
#include "graph/arena.h"
#include "graph/dims.h"

/* Max nesting of atoms, and max atoms and terms inside a dim, counting repeats: they bound the recursion
   depth and the steps of evaluation. */
#define DIMS_DEPTH_MAX  64
#define DIMS_WEIGHT_MAX 10000
/* Max power of an atom. */
#define DIMS_POWER_MAX 64

typedef enum entry_kind {
    ENTRY_NONE,
    ENTRY_SUM,     /* terms, sorted by product: this is a dim */
    ENTRY_PRODUCT, /* factors, sorted by atom */
    ENTRY_SYMBOL,  /* the bytes of its name */
    ENTRY_FLOOR,   /* operands: two sums; a constant divisor is > 0 */
    ENTRY_CEIL,    /* never by a number: that becomes a floor */
    ENTRY_MOD,
    ENTRY_MIN, /* of more than two operands: the first is itself a MIN; MAX and BROADCAST likewise */
    ENTRY_MAX,
    ENTRY_BROADCAST
} entry_kind;

typedef struct term {
    int64_t coefficient; /* never 0 */
    uint64_t product;    /* id of an ENTRY_PRODUCT; for the constant, the empty product */
} term;

typedef struct factor {
    uint32_t atom, power; /* power > 0 */
} factor;

typedef struct operands {
    uint32_t a, b;
} operands;

typedef struct entry {
    entry_kind kind;
    uint32_t bytes, depth, weight;
    uint64_t hash;
    int64_t low, high; /* bounds for all symbols >= 0 where evaluation does not overflow */
    const void *data;  /* (bytes) terms, factors, name or operands */
} entry;

struct dim_table {
    graph_arena *arena;
    entry *entries; /* (n), entry 0 is unused */
    uint32_t n;
    size_t capacity;
    uint32_t *slots; /* (n_slots) ids, 0 where empty; n_slots is a power of two */
    uint32_t n_slots, n_fresh;
    uint32_t one; /* the empty product */
    sib_code failed;
};

/* A sum under construction. */
typedef struct sum {
    size_t n;
    term terms[DIM_MAX_TERMS];
} sum;

static inline const term *dims_terms(const dim_table *t, dim d, size_t *n)
{
    SIB_ASSERT(d.id > 0 && d.id < t->n);
    SIB_ASSERT(t->entries[d.id].kind == ENTRY_SUM);
    *n = t->entries[d.id].bytes / sizeof(term);
    return (const term *)t->entries[d.id].data;
}

static inline const factor *dims_factors(const dim_table *t, uint64_t product, size_t *n)
{
    SIB_ASSERT(product > 0 && product < t->n);
    SIB_ASSERT(t->entries[product].kind == ENTRY_PRODUCT);
    *n = t->entries[product].bytes / sizeof(factor);
    return (const factor *)t->entries[product].data;
}

/* floor(a / b). Requires b != 0 and no overflow. */
static inline int64_t dims_floor(int64_t a, int64_t b)
{
    SIB_ASSERT(b != 0 && !(a == INT64_MIN && b == -1));
    return a / b - (a % b != 0 && (a % b < 0) != (b < 0));
}

/* a - floor(a / b) * b without overflow. Requires b != 0. */
static inline int64_t dims_mod(int64_t a, int64_t b)
{
    SIB_ASSERT(b != 0);
    int64_t rest = b == -1 ? 0 : a % b;
    return rest && (rest < 0) != (b < 0) ? rest + b : rest;
}

/* Returns the id of an entry with these bytes, adding it if needed; 0 where memory or a limit fails, as
   dim_table_failed reports. */
uint32_t dims_intern(dim_table *t, entry_kind kind, const void *data, size_t bytes);
/* Records the first failure. Returns 0. */
uint32_t dims_fail(dim_table *t, sib_code code);
/* Adds a term, keeping the order. Returns false where a coefficient overflows or there are too many terms. */
bool dims_sum_add(dim_table *t, sum *s, int64_t coefficient, uint32_t product);
dim dims_sum_end(dim_table *t, const sum *s);
void dims_sum_load(const dim_table *t, dim d, sum *out);
/* Multiplies two products. Returns 0 where a limit fails. */
uint32_t dims_product(dim_table *t, uint32_t a, uint32_t b);
/* Divides product a by b. Returns 0 where a lacks a factor of b, or where memory fails. */
uint32_t dims_product_without(dim_table *t, uint32_t a, uint32_t b);
/* Returns the product of the common factors; 0 where memory fails. */
uint32_t dims_product_common(dim_table *t, uint32_t a, uint32_t b);

/* Returns the atom where d is that atom times 1 alone; else 0. */
uint32_t dims_lone_atom(const dim_table *t, dim d);
/* Returns the dim that is the atom alone; DIM_NONE for atom 0. */
dim dims_from_atom(dim_table *t, uint32_t atom);

#endif
