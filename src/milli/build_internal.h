/* Shared by the files of the builder. */
#ifndef MILLI_BUILD_INTERNAL_H
#define MILLI_BUILD_INTERNAL_H

#include "base/alloc.h"
#include "base/error.h"
#include "milli/build.h"

/* Max elements of an integer tensor that are tracked as dims. */
#define ELEMENTS_MAX 64

/* Returns the value of a handle, which must not be MVAL_NONE. */
value *build_value(const lowering *l, mval v);

/* True where both dtypes are known and differ. Inference does not know all dtypes. */
static inline bool build_dtypes_differ(const lowering *l, mval a, mval b)
{
    sib_dtype x = m_dtype(l, a), y = m_dtype(l, b);
    return x && y && x != y;
}

/* Appends a milli-op with one output of the given type. */
mval build_one(lowering *l, milli_kind kind, size_t n_in, const mval *in, size_t n_attributes,
               const attribute *attributes, const value_type *type);

/* Adds a value without a producer: a constant that the arena keeps, or one of which only type and elements
   are known. */
mval build_leaf(lowering *l, const value_type *type, const sib_tensor *constant);

/* In symbolic mode, derives the elements of the milli-op's output as dims where those of its inputs are
   known. */
void elements_follow(lowering *l, const node *n);

/* Gets the elements of v as dims, from a constant or tracked. Returns false where unknown or more than
   max. */
bool elements_of(const lowering *l, mval v, dim *out, size_t max, size_t *n);
/* Records the elements of a value of l->graph. */
void elements_set(lowering *l, mval v, size_t n, const dim *dims);

#endif
