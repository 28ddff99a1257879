/* Tokens of a call's state, and where it goes on with that of an earlier run. */
#ifndef JOB_CALL_PREFIX_H
#define JOB_CALL_PREFIX_H

#include "job/call/prefix_cache.h"

typedef struct call_prefix {
    sib_prefix_cache *cache; /* NULL: nothing is kept, and the rest is without meaning */
    size_t port;             /* of the plan's inputs, that of the tokens */
    bool begun;              /* a step has been asked for since the beginning */
    bool certain;            /* the state is that of the tokens alone */
    int32_t *ids;            /* (n) tokens of the state, then those of the step to come */
    size_t n, capacity, step;
    job_value **in, *rest; /* (inputs) of the step to come; of it, tokens that are not read yet */
} call_prefix;

/* What of a call the state is. */
typedef struct call_live {
    const call_plan *plan;
    sib_value **state;
    size_t *length, *counted; /* rows of buffers, tokens of calls before */
} call_live;

/* cache: may be NULL, and has no effect on calls whose state is not that of tokens alone. Errors: SIB_ERR_MEMORY. */
sib_code call_prefix_begin(call_prefix *x, const call_plan *p, sib_prefix_cache *cache, sib_error *err);
/* Before a step with `in`: *out is what is given to the model, without tokens whose state was kept. Errors: SIB_ERR_MEMORY,
   those of devices. */
sib_code call_prefix_before(call_prefix *x, const call_live *live, job_value *const *in,
                            job_value *const **out, sib_error *err);
/* The step was made, or failed with this code. */
void call_prefix_after(call_prefix *x, sib_code code);
/* Before the state is dropped: gives it to the cache. */
void call_prefix_keep(call_prefix *x, const call_live *live);
void call_prefix_end(call_prefix *x);

#endif
