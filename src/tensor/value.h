/* The structure of values, for backends, which create many and fill their tensors. */
#ifndef TENSOR_VALUE_H
#define TENSOR_VALUE_H

#include "base/assert.h"

#include <sibyl/value.h>
#include <stdatomic.h>

/* Max nesting of sequences and optionals, so that freeing them cannot exhaust the stack. */
#define VALUE_MAX_DEPTH 64

/* Invariants: a tensor has only `tensor`; a map has `tensor` (keys) and `values`, equal in count; a
   sequence or optional has items (n) and holds a reference to each. References are counted, so sharing a
   value copies nothing. */
struct sib_value {
    atomic_size_t references;
    sib_value_kind kind;
    unsigned depth; /* 1, or one more than the max of the items */
    sib_tensor *tensor, *values;
    size_t n;
    sib_value **items; /* (n) */
};

/* Makes a value of t. Takes ownership of t also on failure, and frees it then. */
sib_code value_take_tensor(sib_tensor *t, sib_value **out, sib_error *err);
/* Makes a sequence or optional of n items, all NULL: the caller must set each with value_put before
   anybody else sees it. Errors: SIB_ERR_MEMORY. */
sib_code value_room(sib_value_kind kind, size_t n, sib_value **out, sib_error *err);
/* Sets item i, which must be NULL; takes over the reference to `item`. */
static inline void value_put(sib_value *v, size_t i, sib_value *item)
{
    SIB_ASSERT(i < v->n && !v->items[i]);
    SIB_ASSERT(item && item->depth < VALUE_MAX_DEPTH);
    v->items[i] = item;
    if (v->depth <= item->depth)
        v->depth = item->depth + 1;
}
/* Adds a reference, to be released with sib_value_free. Never fails. */
sib_value *value_share(const sib_value *v);

#endif
