/* A model of Whisper's shape whose logits and attention are a hash of what it is given: the same numbers as those of
   whisper_peer.py. Its features are fed_features. */
#ifndef TESTS_JOB_HASHED_MODEL_H
#define TESTS_JOB_HASHED_MODEL_H

#include "fed_model.h"

#define HASHED_JITTER 65536 /* numbers that the logits of all tokens are drawn from */

typedef struct hashed_script {
    uint32_t seed;
    uint32_t palette[64]; /* (n_palette) text tokens that are likely */
    size_t n_palette;
    /* In 1/1024: how far likely tokens stand out at least, and by how much more at most; the same of the end per token
       said, of timestamps, and of silence. */
    uint32_t low, sharp, end, stamp, silence;
    uint32_t looping; /* percent of windows that repeat one token */
    uint32_t spread;  /* positions that attention moves on by for a token, at most */
    uint32_t slope;   /* how fast attention falls from its middle, in 1/64 per position */
} hashed_script;

typedef struct hashed_model {
    fed_model fed; /* whose script this is */
    hashed_script script;
    int32_t eot, sot, no_speech, timestamp_begin, first_language;
    size_t n_languages;
    float *jitter;   /* (HASHED_JITTER) */
    uint32_t middle; /* position that the token asked for last attends to */
} hashed_model;

/* shape: what the model is like. t: has the special tokens. h stays where it is. */
void hashed_open(hashed_model *h, const whisper_model *shape, const sib_tokenizer *t);
void hashed_close(hashed_model *h);

#endif
