/* Dims as expressions over symbols, hash-consed: equal expressions have equal ids.

   Normal form: a sum of terms, each an integer coefficient times a product of atoms with powers. An atom
   is a symbol or a floor division, ceiling division, modulo, min, max or broadcast of two normal forms. A
   constant is a sum with only the empty product. Sums and products are flattened and sorted, so `T + 1 +
   T` and `2 * T + 1` have one id, while `T / 2 * 2` and `T` have two. Divisions extract what is divisible:
   (3*T+5)/2 is T+2 + floor((T+1)/2), and floor(floor(T/2)/3) is floor(T/6); a ceiling division by a number
   becomes a floor division. Symbols are sizes, hence >= 0. */
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
/* Creates a table with the same dims under the same ids; the two then grow independently. Errors:
   SIB_ERR_MEMORY. */
sib_code dim_table_copy(const dim_table *t, dim_table **out, sib_error *err);
void dim_table_free(dim_table **t);
/* Charges what the table allocates to a budget (arena.h). */
void dim_table_set_budget(dim_table *t, arena_budget *budget);

/* Constructors. Where memory fails, a coefficient overflows int64 or an expression exceeds DIM_MAX_TERMS,
   the result is DIM_NONE and dim_table_failed reports why. An operand of DIM_NONE gives DIM_NONE. */
#define DIM_MAX_TERMS 64
dim dim_const(dim_table *t, int64_t value);
dim dim_symbol(dim_table *t, sib_str name); /* the same name gives the same dim; "" a fresh one */
/* The same where the table has the symbol; otherwise DIM_NONE, and nothing is added. */
dim dim_symbol_known(dim_table *t, sib_str name, bool *known);
dim dim_fresh(dim_table *t); /* a new unique symbol, shown as "?1", "?2", ... */
dim dim_add(dim_table *t, dim a, dim b);
dim dim_sub(dim_table *t, dim a, dim b);
dim dim_mul(dim_table *t, dim a, dim b);
/* Rounds toward minus infinity. Exact where b divides a for all values of the symbols, disregarding b = 0:
   T*80/T is 80. A constant b of 0 is SIB_ERR_ARGUMENT. */
dim dim_floor_div(dim_table *t, dim a, dim b);
dim dim_ceil_div(dim_table *t, dim a, dim b);
dim dim_mod(dim_table *t, dim a, dim b); /* a - floor(a / b) * b */
dim dim_min(dim_table *t, dim a, dim b);
dim dim_max(dim_table *t, dim a, dim b);
/* NumPy broadcasting: where one is 1, the other. Evaluation fails where values do not broadcast; two
   constants that do not are SIB_ERR_ARGUMENT. */
dim dim_broadcast(dim_table *t, dim a, dim b);
/* Returns the code of the first constructor that failed since the last call; SIB_OK for none. */
sib_code dim_table_failed(dim_table *t);

/* True where d is a dim of this table. */
bool dim_known(const dim_table *t, dim d);
/* True, with the value, where d is a constant. */
bool dim_is_const(const dim_table *t, dim d, int64_t *value);
/* True, with the name, where d is a single symbol. */
bool dim_is_symbol(const dim_table *t, dim d, sib_str *name);
/* True where the bounds of its parts prove d >= low for all symbols >= 0. */
bool dim_at_least(const dim_table *t, dim d, int64_t low);
static inline bool dim_same(dim a, dim b)
{
    return a.id == b.id;
}

/* Values of symbols, for evaluation. */
typedef struct dim_bound_symbol {
    uint32_t symbol; /* id of a dim that is a single symbol */
    int64_t value;
} dim_bound_symbol;
typedef struct dim_binding {
    size_t n, capacity;
    dim_bound_symbol *items; /* (n); NULL: stored in few */
    dim_bound_symbol few[8];
} dim_binding;

/* Gets the value of a symbol. Returns false where it has none. */
bool dim_bound(const dim_binding *b, dim symbol, int64_t *value);
/* Sets or replaces a value. Errors: SIB_ERR_MEMORY, SIB_ERR_ARGUMENT (not a symbol, value < 0). */
sib_code dim_bind(const dim_table *t, dim_binding *b, dim symbol, int64_t value, sib_error *err);
void dim_binding_clear(dim_binding *b);

/* Evaluates d. Errors: SIB_ERR_ARGUMENT (a symbol without a value, named; division by 0; dims that do not
   broadcast), SIB_ERR_SIZE (overflow). */
sib_code dim_eval(const dim_table *t, dim d, const dim_binding *b, int64_t *out, sib_error *err);
/* Replaces the symbols of b in d by their values; others stay. */
dim dim_substitute(dim_table *t, dim d, const dim_binding *b);

/* Text such as "2*T+1", "ceil(T/2)", "min(T, 4)", "T%8". Writes at most size bytes, NUL included,
   truncating what does not fit; returns text. */
const char *dim_text(const dim_table *t, dim d, char *text, size_t size);

/* ---- Shapes --------------------------------------------------------------------------------------- */

typedef struct dim_shape {
    bool ranked; /* false: even the rank is unknown, and rank is 0 */
    uint8_t rank;
    dim dims[SIB_MAX_RANK]; /* (rank) */
} dim_shape;

/* True where both are ranked and all dims have equal ids. */
bool dim_shape_same(const dim_shape *a, const dim_shape *b);
/* True, with the dims, where all are constants. */
bool dim_shape_const(const dim_table *t, const dim_shape *s, int64_t dims[SIB_MAX_RANK]);
/* Product of the dims. */
dim dim_shape_count(dim_table *t, const dim_shape *s);
/* "[T, 80]", "[]" for a scalar, "?" where not ranked. */
const char *dim_shape_text(const dim_table *t, const dim_shape *s, char *text, size_t size);

#endif
