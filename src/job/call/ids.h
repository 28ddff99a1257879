/* The tokens that a step is given, where it is given those of one sequence and nothing else. */
#ifndef JOB_CALL_IDS_H
#define JOB_CALL_IDS_H

#include "job/call/plan_inner.h"

/* (n) ids among the inputs of a step, at `port`; NULL where there are other inputs, or no such ids. in: (inputs of the plan). */
const int32_t *call_ids(const call_plan *p, size_t port, job_value *const *in, size_t *n);

#endif
