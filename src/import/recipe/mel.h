/* Features of samples, as nodes of a graph: logarithms of bands on Slaney's mel scale, each normalised over time. */
#ifndef IMPORT_RECIPE_MEL_H
#define IMPORT_RECIPE_MEL_H

#include "import/model/build.h"

typedef struct mel_bands {
    int64_t n, rate, hop, n_fft, window; /* n: bands; the others in samples */
    double emphasis; /* each sample has this much of the one before it taken from it; 0: not */
} mel_bands;

/* The numbers of preprocessor_config.json next to the checkpoint, where there is one; otherwise the defaults of
   transformers' ParakeetFeatureExtractor. Fails where they make no features. */
mel_bands mel_read(build *b);
/* samples [B, T] to [B, T / hop, n]. T is at least 2 hops. */
value_id mel_features(build *b, value_id samples, const mel_bands *m);

#endif
