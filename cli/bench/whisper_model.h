/* Whisper's networks with random weights. */
#ifndef CLI_WHISPER_MODEL_H
#define CLI_WHISPER_MODEL_H

#include "bench/network.h"

typedef struct whisper_dims {
    const char *name; /* "tiny" */
    int64_t mels, frames, state, heads, layers, positions, vocabulary;
} whisper_dims;

#define WHISPER_SIZES 3
extern const whisper_dims whisper_sizes[WHISPER_SIZES];
extern const char *const whisper_size_names[WHISPER_SIZES + 1]; /* the last is NULL */

/* Writes a checkpoint with OpenAI's names, as safetensors. Returns false, with a line on stderr, on failure. */
bool whisper_checkpoint(const char *path, const whisper_dims *d);
/* Sets the costs of a part: mel -> audio, or tokens and caches -> logits of the last token and longer caches. */
void whisper_cost(const whisper_dims *d, network_part *p);
/* The names of the part's outputs: (*n), released with free, each and the list. */
char **whisper_outputs(const whisper_dims *d, const network_part *p, size_t *n);

#endif
