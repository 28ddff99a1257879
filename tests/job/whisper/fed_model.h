/* A model of Whisper's shape that records its inputs and takes its outputs from functions of the test. */
#ifndef TESTS_JOB_FED_MODEL_H
#define TESTS_JOB_FED_MODEL_H

#include "job/whisper/whisper.h"

typedef struct fed_model fed_model;
struct fed_model {
    whisper_model model;
    void *script; /* for the functions */
    /* Logits after tokens (n), all since the start: (n_vocab). */
    void (*fill)(fed_model *m, const int32_t *tokens, size_t n, float *logits);
    /* The attention score of token i of a text at a position. NULL: 0. */
    float (*attend)(fed_model *m, const int32_t head[2], size_t i, size_t position);
    /* Of the encoded window: its first band holds frame numbers, the second 1 where there is sound. */
    uint32_t seek, size;
    size_t n_encodes, n_rewinds, n_steps, n_reorders, n_aligns; /* calls so far */
    size_t fails_at; /* number of the call that fails, counted from 1 over all kinds; 0: none */
    int32_t *fed;    /* (beams, n_text_ctx), n_fed of each */
    size_t beams, n_fed;
};

/* shape: the model's dims; `self` and the functions are filled in. */
void fed_open(fed_model *m, const whisper_model *shape);
void fed_close(fed_model *m);

/* Features of `content` frames and a window of silence: (n_mels, *n_frames), n_mels of at least 2; release
   with free. */
float *fed_features(const whisper_model *shape, size_t content, size_t *n_frames);

#endif
