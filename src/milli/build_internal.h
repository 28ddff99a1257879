/* What the files of the builder share. */
#ifndef MILLI_BUILD_INTERNAL_H
#define MILLI_BUILD_INTERNAL_H

#include "base/alloc.h"
#include "base/error.h"
#include "milli/build.h"

/* Most elements of an integer tensor that are followed as dims. */
#define ELEMENTS_MAX 64

/* The value behind a handle that is not MVAL_NONE. */
value *build_value(const lowering *l, mval v);

/* True where both dtypes are known and are not the same. Inference does not know some. */
static inline bool build_dtypes_differ(const lowering *l, mval a, mval b)
{
    sib_dtype x = m_dtype(l, a), y = m_dtype(l, b);
    return x && y && x != y;
}

/* Appends a milli-op with one output of the given type. */
mval build_one(lowering *l, milli_kind kind, size_t n_in, const mval *in, size_t n_attributes,
               const attribute *attributes, const value_type *type);

/* A value without producer: a constant that the arena keeps, or one of which only type and elements are known. */
mval build_leaf(lowering *l, const value_type *type, const sib_tensor *constant);

/* Works out the elements of the milli-op's output as dims, in symbolic mode, where those of its inputs are known. */
void elements_follow(lowering *l, const node *n);

/* Elements of v as dims, where known: from a constant or followed. Returns false where not, or more than max. */
bool elements_of(const lowering *l, mval v, dim *out, size_t max, size_t *n);
/* Records them for a value of l->graph. */
void elements_set(lowering *l, mval v, size_t n, const dim *dims);

#endif
