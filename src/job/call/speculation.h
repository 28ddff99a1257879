/* What runs of a job share that guess tokens. */
#ifndef JOB_CALL_SPECULATION_H
#define JOB_CALL_SPECULATION_H

#include "job/call/plan_inner.h"

#include <pthread.h>
#include <sibyl/prefix_cache.h>
#include <sibyl/speculate.h>

/* A call that can be given guesses: its inputs are tokens and the rows whose logits are wanted, its output these. */
typedef struct guessed_call {
    const call_plan *plan;
    size_t tokens, at; /* ports */
} guessed_call;

struct sib_speculation {
    const job_doc *d;
    guessed_call of, draft; /* draft.plan: NULL where texts are looked up */
    size_t max;
    sib_prefix_cache *read; /* of drafts: what they have read; NULL without */
    pthread_mutex_t lock;   /* of the numbers */
    sib_speculation_info done;
};

/* The first of calls (n) that can be given guesses. Errors: SIB_ERR_UNSUPPORTED, why the first of all cannot. */
sib_code guessed_call_find(call_plan *const *plans, size_t n, guessed_call *out, sib_error *err);
/* Adds to the numbers. */
void speculation_count(sib_speculation *s, size_t steps, size_t guessed, size_t accepted);

/* Guesses what follows ids (n): at most `max` tokens to out. Returns how many, 0 where no end of 2 tokens or more stood
   before. */
size_t lookup_guess(const int32_t *ids, size_t n, size_t max, int32_t *out);

#endif
