/* The language in which a window is decoded: given, or detected by the model. */
#ifndef JOB_WHISPER_DETECT_H
#define JOB_WHISPER_DETECT_H

#include "job/whisper/decode.h"

/* Number of Whisper's languages. */
enum { WHISPER_LANGUAGES = 100 };

typedef struct whisper_language {
    const char *code;                        /* static storage */
    bool detected;                           /* else the probabilities are NaN */
    double probability;                      /* of this language among all */
    double probabilities[WHISPER_LANGUAGES]; /* in the order of sib_whisper_language; 0 for those that the
                                                tokenizer has no token for */
} whisper_language;

/* True where the options leave the language to the model. */
bool whisper_detects(const whisper_model *m, const whisper_options *o);

/* Takes the language of d's options, or detects it, and has `tokens`, d's own, start transcripts with it. For
   whisper_detects a window must have been encoded and no token fed; a token is fed then. Errors:
   SIB_ERR_ARGUMENT (a language that Whisper does not know), SIB_ERR_VALUE (no tokens of languages; logits that
   are NaN), those of the model. */
sib_code whisper_choose_language(whisper_decoder *d, whisper_tokens *tokens, whisper_language *out,
                                 sib_error *err);

#endif
