/* Types of sequences, optionals and subgraphs: how two are merged. */
#ifndef MILLI_TYPES_H
#define MILLI_TYPES_H

#include "milli/build.h"

/* The most specific type that covers both. Differing dims become fresh symbols, differing ranks an unknown
   rank; a type of which nothing is known gives the other. Fails, with both, where dtypes or kinds differ. */
value_type types_merge(lowering *l, const value_type *a, const value_type *b);

/* The type with its wide floats as float64 in oracle mode. */
value_type types_widen(const lowering *l, value_type t);

/* A sequence of maps with keys and items of these dtypes. */
value_type types_maps(lowering *l, sib_dtype key, sib_dtype item);

/* True where nothing is known of the type. */
bool types_unknown(const value_type *t);

/* Appends a milli-op with one output. Returns MVAL_NONE where an input is MVAL_NONE. */
mval types_emit(lowering *l, milli_kind kind, size_t n_in, const mval *in, size_t n_attributes,
                const attribute *attributes, value_type type);

#endif
