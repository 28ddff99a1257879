/* One window to tokens, at one temperature: greedy, the best of several samples, or beam search. */
#ifndef JOB_WHISPER_DECODE_H
#define JOB_WHISPER_DECODE_H

#include "job/whisper/rules.h"

/* What all windows share. */
typedef struct whisper_decoder {
    const whisper_model *model;
    const whisper_options *options;
    const job_watch *watch; /* may be NULL */
    const whisper_tokens *tokens;
    whisper_rules rules;
    token_ids prefix, hotwords;
    size_t sample_len; /* tokens at most */
    uint64_t draws;    /* steps at which was sampled so far */
    float *logits;     /* (n_logits / n_vocab, n_vocab) scratch */
    size_t n_logits;
    double *weights; /* (n_vocab) scratch of sampling */
} whisper_decoder;

/* Errors: SIB_ERR_ARGUMENT (prefix that leaves no room), those of the tokenizer. On failure nothing is to be freed. */
sib_code whisper_decoder_make(whisper_decoder *d, const whisper_model *m, const whisper_options *o,
                              const job_watch *watch, const whisper_tokens *tokens, sib_error *err);
void whisper_decoder_free(whisper_decoder *d);

typedef struct whisper_decoded {
    token_ids tokens; /* sampled ones, without the end */
    double temperature;
    double avg_logprob;       /* over the tokens and the end */
    double no_speech_prob;    /* NaN where the tokenizer has no such token */
    double compression_ratio; /* bytes of the trimmed text to those that zlib makes of it */
} whisper_decoded;
void whisper_decoded_free(whisper_decoded *r);

/* Decodes what the model hears; it has been fed nothing yet. previous: (n_previous) tokens said before, as prompt; of them and
   the hotwords n_text_ctx / 2 - 1 at most are used, the last of the former. *out: all zero after a failure.
   Errors: SIB_ERR_CANCELLED, SIB_ERR_VALUE (logits that are NaN), SIB_ERR_MEMORY, what the model says. */
sib_code whisper_decode(whisper_decoder *d, const int32_t *previous, size_t n_previous, double temperature,
                        whisper_decoded *out, sib_error *err);

/* A number in [0, 1) by seed, step and row: SplitMix64's mixing function (Steele, Lea, Flood 2014) over the three in
   turn, the upper 53 bits. */
double whisper_draw(uint64_t seed, uint64_t step, uint64_t row);

/* Logits of `n` positions fed at once from the beginning: scratch of at least `rows` rows. */
sib_code whisper_logits_room(whisper_decoder *d, size_t rows, sib_error *err);

#endif
