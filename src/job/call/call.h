/* Calls of a model in a run, with state kept from call to call. */
#ifndef JOB_CALL_CALL_H
#define JOB_CALL_CALL_H

#include "job/call/plan.h"
#include "job/watch.h"

/* The call in one run. */
typedef struct job_call job_call;

/* What a run shares with other runs of the job. Each may be NULL. */
typedef struct job_shared {
    const struct sib_batch *batch;     /* makes the steps of the call of its plan */
    struct sib_prefix_cache *prefixes; /* states that outlive a run */
    struct sib_speculation *guesses;   /* of tokens of its call */
} job_shared;

/* of: the call in this run that supplies the context, or NULL. watch, shared: may be NULL. */
sib_code job_call_begin(const call_plan *p, job_call *of, const job_watch *watch, const job_shared *shared,
                        job_call **out, sib_error *err);
void job_call_end(job_call **c);
const call_plan *job_call_plan(const job_call *c);

/* Calls the model. in: (inputs of the plan) NULL where the fixed value serves; converted to the model's type
   and rank (leading axes of 1 are added). out: (outputs of the plan) receives the outputs, owned by the
   caller; all NULL after a failure. Errors: SIB_ERR_ARGUMENT naming call and port, and those of the
   session. */
sib_code job_call_run(job_call *c, job_value *const *in, sib_value **out, sib_error *err);
/* The same, but outputs may be on a device still: whoever reads one calls sib_value_fetch before. */
sib_code job_call_start(job_call *c, job_value *const *in, sib_value **out, sib_error *err);
/* Sets the state to that of a new run: the document's `dims` and `fill`, otherwise zeros, where an open dim
   is 1 on the first axis and 0 on others. */
void job_call_reset(job_call *c);
/* Leaves of the state what the first n tokens made of it. Returns false where it begins anew instead, since it is no
   buffers. */
bool job_call_cut(job_call *c, size_t n);
/* Row i along the first axis of every state becomes the former row from[i]. from: (n). Errors:
   SIB_ERR_ARGUMENT, SIB_ERR_MEMORY. */
sib_code job_call_reorder(job_call *c, size_t n, const size_t *from, sib_error *err);

#endif
