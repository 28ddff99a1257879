/* Batches of jobs: the public handle, and how a call finds its ports. */
#ifndef JOB_CALL_BATCH_H
#define JOB_CALL_BATCH_H

#include "batch/batch.h"
#include "job/call/call.h"

struct sib_batch {
    batcher *steps;
    const call_plan *plan; /* of the call that is batched */
    const char *call;      /* its name */
    size_t tokens, at;     /* inputs of the plan */
};

/* Makes a batch of the first of the plans (n) that can be batched. sessions: how the job opens its sessions. Errors: those
   of sib_batch_create. */
sib_code job_batch_create(call_plan *const *plans, size_t n, const sib_batch_options *options,
                          const sib_session_options *sessions, sib_batch **out, sib_error *err);

/* sequence_feed of values of integers. */
sib_code job_batch_feed(sequence *s, const sib_value *tokens, const sib_value *at, const sib_cancel *cancel,
                        sib_value **logits, sib_error *err);

#endif
