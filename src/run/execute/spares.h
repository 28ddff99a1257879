/* Values whose memory is reused once nobody else holds them. A taker shares the value; it becomes free
   again when all others release it, without being handed back. */
#ifndef RUN_EXECUTE_SPARES_H
#define RUN_EXECUTE_SPARES_H

#include "run/plan/plan.h"
#include "tensor/tensor.h"
#include "tensor/value.h"

/* Max kept for one value. The outputs of a body are held by later iterations: one that passes through
   several carried values, by as many iterations. */
#define SPARES_MAX 8

typedef struct spares {
    unsigned n, lost; /* lost: how many, still in use, were dropped to make room since spares_trim */
    sib_value *items[SPARES_MAX];
} spares;

/* Whether the caller's reference to v is the only one. */
static inline bool value_is_alone(const sib_value *v)
{
    return atomic_load_explicit(&v->references, memory_order_acquire) == 1;
}

/* Returns a tensor of this dtype and these dims, its elements undefined; strings are empty and not kept.
   max: number of spares kept, 1 to SPARES_MAX. *out: the caller's reference. Errors: SIB_ERR_MEMORY,
   SIB_ERR_SIZE. */
sib_code spares_take(spares *s, unsigned max, sib_dtype dtype, size_t rank, const int64_t *dims,
                     sib_value **out, sib_error *err);
/* The same for a value whose elements are to stay on a device. bytes: of them. Errors: those of the device too. */
sib_code spares_take_away(spares *s, unsigned max, const opened_backend *device, size_t bytes,
                          sib_dtype dtype, size_t rank, const int64_t *dims, sib_value **out, sib_error *err);
/* Keeps a reference to v as one of at most `max`. */
void spares_add(spares *s, unsigned max, const sib_value *v);
/* Whether others hold more than `keep` spares, or some were dropped for lack of room, so that the rest
   is not reused. */
bool spares_are_many(const spares *s, unsigned keep);
/* Drops spares that others hold beyond `keep`; where some were dropped for lack of room, all but one. */
void spares_trim(spares *s, unsigned keep);
void spares_clear(spares *s);

#endif
