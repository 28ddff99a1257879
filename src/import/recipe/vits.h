/* What the parts of VITS share. */
#ifndef IMPORT_RECIPE_VITS_H
#define IMPORT_RECIPE_VITS_H

#include "import/model/build.h"

typedef struct vits {
    int64_t n_vocab, d, heads, layers, inner, kernel; /* of the encoder of text */
    int64_t window; /* distances of tokens that attention knows, to each side; 0: none */
    int64_t flow;   /* channels of a frame */
    int64_t n_flows, wave_layers, wave_kernel, wave_growth; /* growth: of a layer's dilation to the next */
    int64_t n_speakers, speaker_size;                       /* size 0: one speaker */
    double epsilon;
    build_activation activation;
    value_id speaker; /* [1, speaker_size, 1]; NO_VALUE for one */
} vits;

/* The number of frames that each token takes: x [1, d, N] -> float32 [1, N]. By a flow from noise, the input duration_noise [1, 2, N] (Kim
   et al. 2021, 2.2.2), or without (use_stochastic_duration_prediction). */
value_id vits_durations(build *b, const vits *m, value_id x);

#endif
