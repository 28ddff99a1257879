/* torch in a Python process that measures on request (see bench/torch_peer.py). */
#ifndef CLI_PEER_TORCH_H
#define CLI_PEER_TORCH_H

#include <stdbool.h>
#include <stddef.h>

typedef struct peer_torch peer_torch;

/* Returns NULL, with the reason in why (bytes), if no Python with torch is found. */
peer_torch *peer_torch_open(char *why, size_t bytes);
void peer_torch_close(peer_torch *peer);

/* "2.3.1" */
const char *peer_torch_version(const peer_torch *peer);

/* Hands over a recording and the band matrix: samples (n_samples), weights (n_mels, n_bins). */
bool peer_torch_features(peer_torch *peer, const float *samples, size_t n_samples, const double *weights,
                         size_t n_mels, size_t n_bins);

/* OpenAI's formula in float32 and in double: (n_mels, n_samples / 160) each. */
bool peer_torch_features_result(peer_torch *peer, float *single, double *precise, size_t count);

/* Prepares a convolution, which peer_torch_run then measures. dtype: "float32", ... */
bool peer_torch_conv1d(peer_torch *peer, size_t slot, const long shape[7], const char *dtype, int threads);

/* Prepares a network of Whisper with random weights, in place of what the slot held. what: "encoder 80 3000
   384 6 4 448 51865 1 0", the part, whisper_dims, tokens, and positions before them. */
bool peer_torch_whisper(peer_torch *peer, size_t slot, const char *what, unsigned threads);

/* Runs what `slot` holds once (0: the features). Returns the seconds, negative on failure. */
double peer_torch_run(peer_torch *peer, size_t slot);

#endif
