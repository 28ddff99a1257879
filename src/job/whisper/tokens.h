/* Whisper's special tokens in a tokenizer, and text to tokens and back as Whisper does it. */
#ifndef JOB_WHISPER_TOKENS_H
#define JOB_WHISPER_TOKENS_H

#include "job/whisper/languages.h"
#include "text/vocab/token_ids.h"

#include "base/buffer.h"
#include "job/whisper/whisper.h"

typedef struct whisper_tokens {
    const sib_tokenizer *tokenizer;
    size_t n_vocab; /* the model's; every id here is below it */
    int32_t eot, sot, sot_prev, no_timestamps, timestamp_begin;
    int32_t translate, transcribe, sot_lm, no_speech; /* -1 where the tokenizer lacks the token */
    int32_t start[3];                                 /* (n_start) <|startoftranscript|>, language and task */
    size_t n_start;
    const char *language; /* code; NULL for English-only models, which have no language tokens */
} whisper_tokens;

/* Errors: SIB_ERR_VALUE names the token that the tokenizer lacks or the model has no logit for. */
sib_code whisper_tokens_find(whisper_tokens *w, const sib_tokenizer *t, const whisper_model *m,
                             sib_error *err);

/* The id of a language's token, -1 where there is none. */
int32_t whisper_tokens_language(const whisper_tokens *w, const char *code);

/* Sets the language (by code; static storage) and task with which transcripts start. Errors: SIB_ERR_VALUE
   names a missing token. */
sib_code whisper_tokens_start(whisper_tokens *w, const char *code, bool translate, sib_error *err);

/* Adds the tokens of a text for a prompt, trimmed and with one blank in front; names of special tokens in it
   are ordinary text. Errors: those of sib_tokenizer_encode. */
sib_code whisper_tokens_encode(const whisper_tokens *w, const char *text, token_ids *out, sib_error *err);

/* Adds the text of those of ids (n) that are below `limit`, as UTF-8. */
sib_code whisper_tokens_decode(const whisper_tokens *w, const int32_t *ids, size_t n, int32_t limit,
                               byte_buffer *out, sib_error *err);
/* The same as the tokens' bytes, which may end inside a character. */
sib_code whisper_tokens_bytes(const whisper_tokens *w, const int32_t *ids, size_t n, int32_t limit,
                              byte_buffer *out, sib_error *err);

/* Ids that are never sampled, from an option such as "-1,50256": those listed, tokens that begin non-speech
   symbols where -1 is listed, and the special tokens that frame a transcript. Errors: SIB_ERR_ARGUMENT, those
   of the tokenizer. */
sib_code whisper_tokens_suppressed(const whisper_tokens *w, const char *list, token_ids *out, sib_error *err);

/* Ids that would begin an empty text: a blank, and the end. */
sib_code whisper_tokens_blank(const whisper_tokens *w, token_ids *out, sib_error *err);

#endif
