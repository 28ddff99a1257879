/* A recording and its extension beyond the ends. */
#ifndef FEATURES_SIGNAL_H
#define FEATURES_SIGNAL_H

#include <sibyl/features.h>

typedef struct mel_signal {
    const float *samples; /* (n) */
    size_t n;             /* number of samples */
    size_t total;         /* including the zeros of padding */
    sib_framing framing;  /* reflection or zeros beyond the ends */
} mel_signal;

/* Returns samples begin .. begin + count - 1, at most total - 1 beyond the ends: a pointer into the samples
   where all are in them, else `buffer` (count), filled. */
const float *signal_view(const mel_signal *s, int64_t begin, size_t count, float *buffer);

#endif
