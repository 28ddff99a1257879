/* What sequences, optionals and subgraphs need to know of types: when two become one. */
#ifndef OPS_TYPES_H
#define OPS_TYPES_H

#include "milli/build.h"

/* The type that holds both: what agrees stays, dims that differ become fresh symbols, ranks that differ are not known.
   A type of which nothing is known gives the other. Fails where dtypes or kinds differ, with both. */
value_type types_merge(lowering *l, const value_type *a, const value_type *b);

/* In oracle mode the wide floats of a type become float64. */
value_type types_widen(const lowering *l, value_type t);

/* True where nothing at all is known. */
bool types_unknown(const value_type *t);

/* Appends a milli-op with one output. Gives MVAL_NONE where an input is MVAL_NONE. */
mval types_emit(lowering *l, milli_kind kind, size_t n_in, const mval *in, size_t n_attributes,
                const attribute *attributes, value_type type);

#endif
