/* Which tokens may be sampled next: each rule sets logits to -infinity. */
#ifndef JOB_WHISPER_RULES_H
#define JOB_WHISPER_RULES_H

#include "job/whisper/options.h"
#include "job/whisper/tokens.h"

typedef struct whisper_rules {
    const whisper_tokens *tokens;
    token_ids suppressed; /* never sampled */
    token_ids blank;      /* not sampled at the beginning; empty: no such rule */
    bool timestamps;      /* the rules for timestamps apply */
    size_t max_initial;   /* max timestamps from <|0.00|> to the first one; SIZE_MAX: any */
} whisper_rules;

/* The rules that the options request. After a failure nothing needs to be freed. Errors: those of
   whisper_tokens_suppressed. */
sib_code whisper_rules_make(whisper_rules *r, const whisper_tokens *tokens, const whisper_options *o,
                            sib_error *err);
void whisper_rules_free(whisper_rules *r);

/* Sets to -infinity the tokens that may not follow sampled (n), the tokens after the prompt. logits:
   (n_vocab).
   Timestamps come in pairs, the end of one segment and the beginning of the next. They never decrease. The
   first token is one, and so is the next token whenever all timestamps together are more probable than the
   most probable other token. */
void whisper_rules_apply(const whisper_rules *r, const int32_t *sampled, size_t n, float *logits);

/* log of the sum of exp(x) over x (n), in double; -infinity where all are, or n is 0. */
double whisper_log_sum(const float *x, size_t n);

/* Index of the first maximum of x (n), n > 0. */
size_t whisper_argmax(const float *x, size_t n);

#endif
