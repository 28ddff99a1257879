/* Values from inside: for the backends, which make many and fill their tensors. */
#ifndef TENSOR_VALUE_H
#define TENSOR_VALUE_H

#include "base/assert.h"

#include <sibyl/value.h>
#include <stdatomic.h>

/* Sequences and optionals inside one another, so that freeing them cannot exhaust the stack. */
#define VALUE_MAX_DEPTH 64

/* Invariants: a tensor's value has `tensor` alone; a map has `tensor` (keys) and `values`, equal in count; a sequence
   or optional has items (n), each with a reference of its own. References are counted, so sharing a value copies
   nothing. */
struct sib_value {
    atomic_size_t references;
    sib_value_kind kind;
    unsigned depth; /* 1, or one more than the deepest item's */
    sib_tensor *tensor, *values;
    size_t n;
    sib_value **items; /* (n) */
};

/* A value around t, which is taken over, also where this fails (then it is freed). */
sib_code value_take_tensor(sib_tensor *t, sib_value **out, sib_error *err);
/* Room for a sequence or optional of n items, all NULL: whoever asks fills every one with value_put before anybody else
   sees it. Errors: SIB_ERR_MEMORY. */
sib_code value_room(sib_value_kind kind, size_t n, sib_value **out, sib_error *err);
/* Item i, which was NULL, is `item` from now on: its reference is taken over. */
static inline void value_put(sib_value *v, size_t i, sib_value *item)
{
    SIB_ASSERT(i < v->n && !v->items[i]);
    SIB_ASSERT(item && item->depth < VALUE_MAX_DEPTH);
    v->items[i] = item;
    if (v->depth <= item->depth)
        v->depth = item->depth + 1;
}
/* The same value once more: one reference, given back with sib_value_free. Never fails. */
sib_value *value_share(const sib_value *v);

#endif
