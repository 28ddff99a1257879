/* Steps of a call that read guessed tokens as well, and answers from their logits. */
#ifndef JOB_CALL_GUESS_H
#define JOB_CALL_GUESS_H

#include "job/call/draft.h"

typedef struct call_guess {
    sib_speculation *by; /* NULL: nothing is guessed, and the rest is without meaning */
    bool certain;        /* ids are all tokens that the state is made of */
    int32_t *ids;        /* (n) */
    size_t n, capacity;
    int32_t guesses
        [SIB_SPECULATION_MAX]; /* (made) that the last step read, of which the first `right` came to be */
    size_t made, right;
    sib_value *logits; /* [1, made + 1, n_vocab]; NULL: no guess is open */
    job_value **in, *fed, *at;
    call_draft draft;
} call_guess;

/* s: may be NULL, and has no effect on other calls than its own. Errors: SIB_ERR_MEMORY, those of calls. */
sib_code call_guess_begin(call_guess *x, const call_plan *p, sib_speculation *s, const sib_cancel *cancel,
                          sib_error *err);
/* Whether the step with `in` was read as a guess: *out are its logits, where code is SIB_OK. */
bool call_guess_answers(call_guess *x, job_value *const *in, sib_value **out, sib_code *code, sib_error *err);
/* Before a step with `in`, of which the model is given `given`: *out is that with guesses, or `given`. Errors: SIB_ERR_MEMORY. */
sib_code call_guess_before(call_guess *x, job_value *const *in, job_value *const *given,
                           job_value *const **out, sib_error *err);
/* The step with guesses was made: *out becomes the logits behind what is certain. *read: guesses, whose rows do not count yet. Errors: SIB_ERR_MEMORY. */
sib_code call_guess_after(call_guess *x, sib_value **out, size_t *read, sib_error *err);
/* It failed: nothing is guessed in this run any more. */
void call_guess_stop(call_guess *x);
/* The state begins anew. */
void call_guess_reset(call_guess *x);
void call_guess_end(call_guess *x);

#endif
