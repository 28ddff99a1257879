/* Guesses of a draft model, in one run of a job. */
#ifndef JOB_CALL_DRAFT_H
#define JOB_CALL_DRAFT_H

#include "job/call/call.h"
#include "job/call/speculation.h"

typedef struct call_draft {
    const guessed_call *of; /* NULL: there is none */
    job_call *call;
    job_value **in;
    job_watch watch; /* which knows when to stop */
    int32_t *ids;    /* (n) those that its state is made of */
    size_t n, capacity;
} call_draft;

/* Errors: SIB_ERR_MEMORY, those of calls. */
sib_code call_draft_begin(call_draft *x, const sib_speculation *s, const sib_cancel *cancel, sib_error *err);
/* Guesses what follows ids (n): at most `max` tokens to out, *made. Errors: those of calls. */
sib_code call_draft_guess(call_draft *x, const int32_t *ids, size_t n, size_t max, int32_t *out, size_t *made,
                          sib_error *err);
void call_draft_end(call_draft *x);

#endif
