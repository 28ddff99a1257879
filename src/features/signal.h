/* A recording with what stands beyond its ends. */
#ifndef FEATURES_SIGNAL_H
#define FEATURES_SIGNAL_H

#include <sibyl/features.h>

typedef struct mel_signal {
    const float *samples; /* (n) */
    size_t n;             /* samples there are */
    size_t total;         /* with the zeros of padding */
    sib_framing framing;  /* reflection or zeros beyond */
} mel_signal;

/* Samples begin .. begin + count - 1, which may lie beyond the ends by no more than total - 1: a pointer into
   the samples where they hold them all, else `buffer` (count), filled. */
const float *signal_view(const mel_signal *s, int64_t begin, size_t count, float *buffer);

#endif
