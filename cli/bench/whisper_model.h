/* Whisper's networks with random weights: what they compute costs the same as with trained ones. A checkpoint
   is written and imported, as a trained one would be. */
#ifndef CLI_WHISPER_MODEL_H
#define CLI_WHISPER_MODEL_H

#include <sibyl/sibyl.h>

/* Whisper tiny: 39 million parameters. */
typedef struct whisper_dims {
    int64_t mels, frames, state, heads, layers, positions, vocabulary;
} whisper_dims;
extern const whisper_dims whisper_tiny;

/* Writes a checkpoint of random weights with OpenAI's names, as safetensors. Returns false, with a line on
   stderr, on failure. */
bool whisper_checkpoint(const char *path, const whisper_dims *d);

typedef enum whisper_weights { WHISPER_F32, WHISPER_F16, WHISPER_BF16, WHISPER_INT8 } whisper_weights;

typedef struct whisper_cost {
    double flops; /* multiplications and additions of products and convolutions, per run */
    double bytes; /* of weights and caches that a run reads, each once */
} whisper_cost;

typedef struct whisper_form {
    whisper_weights weights; /* as stored in the file; they are widened before each product */
    bool decomposed; /* of opset 20: attention as MatMul, Softmax, MatMul instead of the operator Attention */
} whisper_form;

/* The part of the model that runs: the encoder (tokens 0), or the decoder on `tokens` after `past`
   positions. */
typedef struct whisper_part {
    int64_t tokens, past;
} whisper_part;

/* Imports the checkpoint and writes one part of the model to path: mel -> audio, or tokens and caches ->
   logits of the last token and longer caches. Returns false, with a line on stderr, on failure. */
bool whisper_write(const char *path, const char *checkpoint, const whisper_dims *d, whisper_form form,
                   whisper_part part, whisper_cost *cost);

#endif
