/* Decodes one window to tokens at one temperature: greedy, the best of several samples, or beam search. */
#ifndef JOB_WHISPER_DECODE_H
#define JOB_WHISPER_DECODE_H

#include "job/whisper/rules.h"

/* State that all windows share. */
typedef struct whisper_decoder {
    const whisper_model *model;
    const whisper_options *options;
    const job_watch *watch; /* may be NULL */
    const whisper_tokens *tokens;
    whisper_rules rules;
    token_ids prefix, hotwords;
    size_t sample_len; /* max tokens per window */
    uint64_t draws;    /* sampling steps so far */
    float *logits;     /* (n_logits / n_vocab, n_vocab) scratch */
    size_t n_logits;
    double *weights; /* (n_vocab) scratch of sampling */
} whisper_decoder;

/* Errors: SIB_ERR_ARGUMENT (prefix that leaves no room), those of the tokenizer. After a failure nothing
   needs to be freed. */
sib_code whisper_decoder_make(whisper_decoder *d, const whisper_model *m, const whisper_options *o,
                              const job_watch *watch, const whisper_tokens *tokens, sib_error *err);
void whisper_decoder_free(whisper_decoder *d);

typedef struct whisper_decoded {
    token_ids tokens; /* sampled tokens, without the end */
    double *logprobs; /* (tokens.n) their log probabilities; mem_free */
    double temperature;
    double avg_logprob;       /* over the tokens and the end */
    double no_speech_prob;    /* NaN where the tokenizer has no such token */
    double compression_ratio; /* bytes of the trimmed text divided by the bytes that zlib makes of it */
} whisper_decoded;
void whisper_decoded_free(whisper_decoded *r);

/* Decodes the encoded window; no tokens may have been fed yet. previous: (n_previous) earlier tokens. The
   prompt has at most n_text_ctx / 2 - 1 tokens of context: the hotwords, then the last of `previous`. *out:
   all zero after a failure. Errors: SIB_ERR_CANCELLED, SIB_ERR_VALUE (logits that are NaN), SIB_ERR_MEMORY,
   those of the model. */
sib_code whisper_decode(whisper_decoder *d, const int32_t *previous, size_t n_previous, double temperature,
                        whisper_decoded *out, sib_error *err);

/* Makes d->logits hold at least `rows` rows, for positions that are fed together from the beginning. */
sib_code whisper_logits_room(whisper_decoder *d, size_t rows, sib_error *err);

#endif
