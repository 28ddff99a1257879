/* Values whose memory is used again as soon as nobody else has them. Whoever is handed one shares it; it is free again when
   all others have let go of it, with nothing to be given back. */
#ifndef RUN_EXECUTE_SPARES_H
#define RUN_EXECUTE_SPARES_H

#include "tensor/tensor.h"
#include "tensor/value.h"

/* Most that are kept of one value: a body's outputs are held by the turns after it, one that goes through several carried
   values by as many turns. */
#define SPARES_MOST 8

typedef struct spares {
    unsigned n, lost; /* lost: how many went, in use, to make room since spares_trim */
    sib_value *items[SPARES_MOST];
} spares;

/* True where nobody but the owner of the reference has v. */
static inline bool value_is_alone(const sib_value *v)
{
    return atomic_load_explicit(&v->references, memory_order_acquire) == 1;
}

/* A tensor of this dtype and these dims, its elements anything; strings are empty and not kept. most: 1 to SPARES_MOST that
   are kept. *out: the caller's reference. Errors: SIB_ERR_MEMORY, SIB_ERR_SIZE. */
sib_code spares_take(spares *s, unsigned most, sib_dtype dtype, size_t rank, const int64_t *dims,
                     sib_value **out, sib_error *err);
/* Keeps v, which the caller has, as one of `most`. */
void spares_add(spares *s, unsigned most, const sib_value *v);
/* True where others have more than `keep` of them, or there were more than can be kept, so that they serve nobody. */
bool spares_are_many(const spares *s, unsigned keep);
/* Lets go of those: of what others have but `keep`, and where there were too many, of all but one. */
void spares_trim(spares *s, unsigned keep);
void spares_clear(spares *s);

#endif
