/* Hypotheses of a window: which continue, which have ended, and which is the best. */
#ifndef JOB_WHISPER_SEARCH_H
#define JOB_WHISPER_SEARCH_H

#include "job/whisper/decode.h"

typedef struct whisper_hypothesis {
    int32_t *tokens;  /* (room) sampled so far, n of them */
    double *logprobs; /* (room) of each */
    size_t n;
    double sum;  /* of log probabilities */
    size_t from; /* the live hypothesis of the previous step that it continues */
    size_t row;  /* index among the samples; not used by beams */
} whisper_hypothesis;

typedef struct whisper_search {
    const whisper_decoder *d;
    double temperature;
    bool beams;
    size_t width;             /* live hypotheses wanted */
    size_t room;              /* max tokens of a hypothesis */
    whisper_hypothesis *live; /* (n_live), all of the same length */
    size_t n_live;
    whisper_hypothesis *next;  /* (width) those of the next step */
    whisper_hypothesis *ended; /* (n_ended of room_ended) beams: in order of ending; samples: by row */
    size_t n_ended, room_ended, max_ended;
    struct whisper_candidate *candidates; /* (width * (width + 1)) of beams */
    int32_t *block;                       /* memory for the tokens of live and next */
    double *logprobs;                     /* the same for their log probabilities */
} whisper_search;

/* Starts with one hypothesis without tokens. After a failure nothing needs to be freed. */
sib_code whisper_search_begin(whisper_search *s, const whisper_decoder *d, double temperature,
                              sib_error *err);
void whisper_search_free(whisper_search *s);

/* One step. logits: (n_live, n_vocab), rules applied. Afterwards live[i].from is the index of the hypothesis
   that live[i] continues. *done: no further step is wanted. Errors: SIB_ERR_VALUE (NaN), SIB_ERR_MEMORY. */
sib_code whisper_search_step(whisper_search *s, const float *logits, bool *done, sib_error *err);

/* Ends the live hypotheses that count, and returns the best: by mean log probability, or with the length
   penalty of Wu et al. 2016 (((5 + n) / 6)^alpha). */
sib_code whisper_search_best(whisper_search *s, const whisper_hypothesis **out, sib_error *err);

/* A number in [0, 1) by seed, step and row: SplitMix64's mixing function (Steele, Lea & Flood 2014) over the
   three, one after another; the upper 53 bits. */
double whisper_draw(uint64_t seed, uint64_t step, uint64_t row);

#endif
