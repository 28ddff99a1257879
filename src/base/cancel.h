/* The flag of sib_cancel, for long computations. */
#ifndef BASE_CANCEL_H
#define BASE_CANCEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct sib_cancel {
    atomic_bool set;
};

/* True once c is set. c may be NULL. Cheap enough for every block of a kernel. */
static inline bool cancel_is_set(const struct sib_cancel *c)
{
    return c && atomic_load_explicit(&c->set, memory_order_relaxed);
}

#endif
