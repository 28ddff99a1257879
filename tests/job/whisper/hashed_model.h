/* A model of Whisper's shape whose logits and attention are hashes of its inputs: the same numbers as in
   whisper_peer.py. Its features are fed_features. */
#ifndef TESTS_JOB_HASHED_MODEL_H
#define TESTS_JOB_HASHED_MODEL_H

#include "fed_model.h"

#define HASHED_JITTER 65536 /* size of the table of random numbers for logits */

typedef struct hashed_script {
    uint32_t seed;
    uint32_t palette[64]; /* (n_palette) text tokens that are likely */
    size_t n_palette;
    /* In units of 1/1024: the min excess of likely tokens, and the max addition to it; the excess of the end
       per token sampled, of timestamps, and of silence. */
    uint32_t low, sharp, end, stamp, silence;
    uint32_t looping; /* percent of windows that repeat one token */
    uint32_t spread;  /* max positions by which attention advances per token */
    uint32_t slope;   /* decrease of attention from its centre, in 1/64 per position */
} hashed_script;

typedef struct hashed_model {
    fed_model fed; /* the model of which this is the script */
    hashed_script script;
    int32_t eot, sot, no_speech, timestamp_begin, first_language;
    size_t n_languages;
    float *jitter;   /* (HASHED_JITTER) */
    uint32_t middle; /* position that the token last queried attends to */
} hashed_model;

/* shape: the model's dims. t: has the special tokens. h must not move afterwards. */
void hashed_open(hashed_model *h, const whisper_model *shape, const sib_tokenizer *t);
void hashed_close(hashed_model *h);

#endif
