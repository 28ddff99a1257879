/* Calls of a model in several runs, made as one. */
#ifndef JOB_CALL_STACKED_H
#define JOB_CALL_STACKED_H

#include "job/call/plan.h"
#include "job/watch.h"

/* Tokens that each input of a call is given; 0 where the call cannot be one of several: its document does not
   allow it, or its inputs are not equally many tokens. in: (inputs of the plan). */
size_t call_stacked_length(const call_plan *p, job_value *const *in);

/* How many of the first of n >= 1 calls are best made as one, by their lengths, which ascend. */
size_t call_stacked_fitting(const call_plan *p, size_t n, const size_t *lengths);

/* Makes n calls of lengths above 0 as one, in which those that are shorter are filled up. in: (n) of (inputs
   of the plan). out: (n) of (outputs of the plan), owned by the caller; all NULL after a failure. Errors:
   SIB_ERR_UNSUPPORTED (the model gives outputs of other dims), SIB_ERR_MEMORY, those of the session. */
sib_code call_stacked_run(const call_plan *p, const job_watch *watch, size_t n, job_value *const *const *in,
                          sib_value **const *out, sib_error *err);

#endif
