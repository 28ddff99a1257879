/* Whisper's networks with random weights, written as ONNX files: what they compute costs the same as with trained ones. */
#ifndef CLI_WHISPER_MODEL_H
#define CLI_WHISPER_MODEL_H

#include <sibyl/sibyl.h>

/* Whisper tiny: 39 million parameters. */
typedef struct whisper_dims {
    int64_t mels, frames, state, heads, layers, positions, vocabulary;
} whisper_dims;
extern const whisper_dims whisper_tiny;

typedef enum whisper_weights { WHISPER_F32, WHISPER_F16, WHISPER_BF16, WHISPER_INT8 } whisper_weights;

typedef struct whisper_cost {
    double flops; /* multiplications and additions of products and convolutions, a run */
    double bytes; /* of weights and caches that a run reads, each once */
} whisper_cost;

typedef struct whisper_form {
    whisper_weights weights; /* as they stand in the file; they are widened in front of each product */
    bool decomposed;         /* attention as MatMul, Softmax, MatMul instead of the operator Attention */
} whisper_form;

/* mel [1, mels, frames] -> audio [1, frames / 2, state]. False with a line on stderr. */
bool whisper_encoder(const char *path, const whisper_dims *d, whisper_form form, whisper_cost *cost);

/* tokens [1, n], past keys and values of `past` positions, keys and values of the audio -> logits of the last token
   [1, 1, vocabulary], and keys and values of past + n positions. n > 1 is a prompt: past is 0, attention causal. */
bool whisper_decoder(const char *path, const whisper_dims *d, whisper_form form, int64_t n, int64_t past,
                     whisper_cost *cost);

#endif
