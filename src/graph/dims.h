/* Dims as expressions over symbols, hash-consed: equal expressions have equal ids.

   Normal form: a sum of terms, each an integer coefficient times a product of atoms with powers; an atom is a
   symbol or a floor-division, ceiling-division, modulo, min, max or broadcast node of normal forms. Constants are sums
   with the empty product alone. Sums and products are flattened and sorted, so `T + 1 + T` and `2 * T + 1` are one
   id, while `T / 2 * 2` and `T` are two. Divisions give out what divides: (3*T+5)/2 is T+2 + floor((T+1)/2), and
   floor(floor(T/2)/3) is floor(T/6); a ceiling over a number is a floor. Symbols are sizes: >= 0. */
#ifndef GRAPH_DIMS_H
#define GRAPH_DIMS_H

#include "graph/arena.h"

/* An expression of a table. Id 0 is no dim. */
typedef struct dim {
    uint32_t id;
} dim;

#define DIM_NONE ((dim){0})

typedef struct dim_table dim_table;

sib_code dim_table_create(dim_table **out, sib_error *err);
/* A table of the same dims under the same ids, which grows by itself. Errors: SIB_ERR_MEMORY. */
sib_code dim_table_copy(const dim_table *t, dim_table **out, sib_error *err);
void dim_table_free(dim_table **t);
/* Charges what the table will take to a budget: see arena.h. */
void dim_table_set_budget(dim_table *t, arena_budget *budget);

/* Makers. Where memory fails, an operand is DIM_NONE, a coefficient leaves int64, or an expression grows beyond
   DIM_MAX_TERMS, the result is DIM_NONE and dim_table_failed tells why; results of DIM_NONE stay DIM_NONE. */
#define DIM_MAX_TERMS 64
dim dim_const(dim_table *t, int64_t value);
dim dim_symbol(dim_table *t, sib_str name); /* the same name gives the same dim; "": fresh */
dim dim_fresh(dim_table *t);                /* a symbol like no other, shown as "?1", "?2", ... */
dim dim_add(dim_table *t, dim a, dim b);
dim dim_sub(dim_table *t, dim a, dim b);
dim dim_mul(dim_table *t, dim a, dim b);
/* Toward minus infinity. Exact where b divides a whatever the symbols are, b = 0 not considered: T*80/T is 80. A
   constant 0 as b is SIB_ERR_ARGUMENT. */
dim dim_floor_div(dim_table *t, dim a, dim b);
dim dim_ceil_div(dim_table *t, dim a, dim b);
dim dim_mod(dim_table *t, dim a, dim b); /* a - floor(a / b) * b */
dim dim_min(dim_table *t, dim a, dim b);
dim dim_max(dim_table *t, dim a, dim b);
/* a and b together as NumPy broadcasts: the other where one is 1. Evaluation refuses what does not broadcast; two
   constants that do not are SIB_ERR_ARGUMENT. */
dim dim_broadcast(dim_table *t, dim a, dim b);
/* The code of the first maker that gave DIM_NONE for want of memory or size since the last call; SIB_OK for none. */
sib_code dim_table_failed(dim_table *t);

/* True where d is a dim of this table. */
bool dim_known(const dim_table *t, dim d);
/* True and the value where d is a constant. */
bool dim_is_const(const dim_table *t, dim d, int64_t *value);
/* True and the name where d is one symbol alone. */
bool dim_is_symbol(const dim_table *t, dim d, sib_str *name);
/* True where d can be shown to be >= low for all symbols >= 0, by the bounds of its parts. */
bool dim_at_least(const dim_table *t, dim d, int64_t low);
static inline bool dim_same(dim a, dim b)
{
    return a.id == b.id;
}

/* Symbols with values, for evaluation. */
typedef struct dim_bound_symbol {
    uint32_t symbol; /* id of a dim that is one symbol */
    int64_t value;
} dim_bound_symbol;
typedef struct dim_binding {
    size_t n, capacity;
    dim_bound_symbol *items; /* (n); NULL: they stand in few */
    dim_bound_symbol few[8];
} dim_binding;

/* Value of symbol under b. False where it has none. */
bool dim_bound(const dim_binding *b, dim symbol, int64_t *value);
/* Sets or replaces. Errors: SIB_ERR_MEMORY, SIB_ERR_ARGUMENT (no symbol, value < 0). */
sib_code dim_bind(const dim_table *t, dim_binding *b, dim symbol, int64_t value, sib_error *err);
void dim_binding_clear(dim_binding *b);

/* Value of d. Errors: SIB_ERR_ARGUMENT (a symbol without value, named; division by 0; no broadcast), SIB_ERR_SIZE (overflow). */
sib_code dim_eval(const dim_table *t, dim d, const dim_binding *b, int64_t *out, sib_error *err);
/* d with the symbols of b replaced by their values; others stay. */
dim dim_substitute(dim_table *t, dim d, const dim_binding *b);

/* Text as "2*T+1", "ceil(T/2)", "min(T, 4)", "T%8". Writes at most size bytes, NUL included, cut where it does not
   fit; returns text. */
const char *dim_text(const dim_table *t, dim d, char *text, size_t size);

/* ---- Shapes --------------------------------------------------------------------------------------- */

typedef struct dim_shape {
    bool ranked; /* false: nothing is known, rank 0 */
    uint8_t rank;
    dim dims[SIB_MAX_RANK]; /* (rank) */
} dim_shape;

/* True where both are ranked and every dim is the same id. */
bool dim_shape_same(const dim_shape *a, const dim_shape *b);
/* True and the dims where all are constants. */
bool dim_shape_const(const dim_table *t, const dim_shape *s, int64_t dims[SIB_MAX_RANK]);
/* Product of the dims. */
dim dim_shape_count(dim_table *t, const dim_shape *s);
/* "[T, 80]", "[]" for a scalar, "?" where nothing is known. */
const char *dim_shape_text(const dim_table *t, const dim_shape *s, char *text, size_t size);

#endif
