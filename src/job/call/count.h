/* Inputs that a call makes of how many tokens it was given, and the tokens of calls before; see job_count. */
#ifndef JOB_CALL_COUNT_H
#define JOB_CALL_COUNT_H

#include "job/call/plan_inner.h"

/* Of one run of the job. */
typedef struct call_count {
    size_t before, step; /* tokens of the calls before, and of the one to come */
    int32_t *ids;        /* (n) all of them where the call has a history */
    size_t n, capacity;
    sib_value **made; /* (plan->n_counts) of the call to come */
} call_count;

/* Finds the inputs that are counted: p->counts. whole: the model that p->model is a part of. Errors:
   SIB_ERR_FORMAT (no such input). */
sib_code call_counts_open(call_plan *p, const sib_model *whole, sib_error *err);

sib_code call_count_begin(call_count *c, const call_plan *p, sib_error *err);
/* Adds the tokens v of a call to the history, and gives all that there are: *out is valid until the next call. Errors:
   SIB_ERR_ARGUMENT (v is no tokens), SIB_ERR_MEMORY. */
sib_code call_count_join(call_count *c, const sib_port_value *v, sib_port_value *out, sib_error *err);
/* Makes the counted inputs of a call, of whose inputs `given` (plan->inputs.n) are the values, and adds them to feeds:
   *n is raised. Errors: SIB_ERR_ARGUMENT (there are no tokens to count), SIB_ERR_MEMORY. */
sib_code call_count_feed(call_count *c, const call_plan *p, sib_value *const *given, size_t *n,
                         sib_named_value *feeds, sib_error *err);
/* The call has been made. */
void call_count_step(call_count *c, const call_plan *p);
/* No tokens were given. */
void call_count_reset(call_count *c);
void call_count_end(call_count *c, const call_plan *p);

#endif
