/* HiFi-GAN (Kong et al. 2020): frames to samples by transposed convolutions, each with blocks of dilated ones behind it, as
   VITS and SpeechT5 have it. Names of weights and config.json are transformers'. */
#ifndef IMPORT_RECIPE_HIFIGAN_H
#define IMPORT_RECIPE_HIFIGAN_H

#include "import/model/build.h"

#define HIFIGAN_MAX 16 /* stages, blocks of one, and convolutions of one */

typedef struct hifigan {
    const char *at;     /* "decoder.": before all names */
    int64_t from, wide; /* channels of a frame, and of the first convolution */
    int64_t n_stages, rates[HIFIGAN_MAX], kernels[HIFIGAN_MAX];
    int64_t n_blocks, block_kernels[HIFIGAN_MAX], n_dilations[HIFIGAN_MAX],
        dilations[HIFIGAN_MAX][HIFIGAN_MAX];
    int64_t frame; /* samples of a frame */
    double slope;
} hifigan;

/* Reads config.json's upsample_rates, upsample_kernel_sizes, upsample_initial_channel, resblock_kernel_sizes,
   resblock_dilation_sizes and leaky_relu_slope. Fails where they are none of such a network. */
hifigan hifigan_read(build *b, const char *at, int64_t from);
/* x [1, from, F] -> samples [1, 1, T]. beside [1, wide, 1]: added behind the first convolution; NO_VALUE: nothing. */
value_id hifigan_build(build *b, const hifigan *m, value_id x, value_id beside);

#endif
