/* A call in one run, as the files of calls see it. */
#ifndef JOB_CALL_CALL_INNER_H
#define JOB_CALL_CALL_INNER_H

#include "job/call/batch.h"
#include "job/call/buffers.h"
#include "job/call/count.h"
#include "job/call/guess.h"
#include "job/call/prefix.h"

struct job_call {
    const call_plan *plan;
    job_call *of;
    const job_watch *watch;
    uint64_t steps;    /* calls made in this run */
    sib_value **state; /* (plan->state.n) NULL before the first call */
    call_buffers buffers;
    call_count count;
    bool *overwrite;        /* (likewise) the buffers */
    sib_value **held;       /* (plan->held.n) of the last call, NULL before it */
    sib_value **made;       /* (all outputs) of the session, during its run */
    sib_named_value *feeds; /* (number of inputs) */
    sib_value **own;        /* (inputs) converted, during the session's run */
    char path[256];         /* of the current call, for taps */
    const sib_batch *batch; /* which makes the steps, or NULL */
    sequence *sequence;     /* in place of the state */
    call_prefix prefix;
    call_guess guess;
};

#endif
