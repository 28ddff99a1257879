/* The graph of an encoder of text: blocks of attention in both directions and an MLP, as families of models differ in them. */
#ifndef IMPORT_RECIPE_TEXT_ENCODER_H
#define IMPORT_RECIPE_TEXT_ENCODER_H

#include "import/model/build.h"

typedef enum encoder_positions {
    ENCODER_FROM_ZERO, /* rows of a table, from the first */
    ENCODER_AFTER_PAD, /* rows of a table behind that of the padding token, counted without it */
    ENCODER_ROTARY,    /* queries and keys are rotated */
    ENCODER_NO_PLACES  /* attention alone knows them */
} encoder_positions;

typedef enum encoder_bias {
    ENCODER_NO_BIAS,
    ENCODER_BUCKETS,      /* a number for each head and bucket of distances (Raffel et al. 2020) */
    ENCODER_DISENTANGLED, /* products of queries and keys with vectors of distances (He et al. 2021) */
} encoder_bias;

typedef struct text_encoder {
    int64_t n_vocab, n_ctx, n_types, d, width, heads, size, n_layers,
        hidden; /* width: of the embeddings, d or less */
    double epsilon;
    build_activation activation;
    encoder_positions positions;
    encoder_bias bias;
    bool
        before; /* norms stand before attention and the MLP, and behind the last block; otherwise behind each sum */
    bool bare;               /* embeddings are not normalised */
    int64_t n_groups;        /* layers beside each other share the weights of a group; 0: none do */
    bool fused;              /* one matrix for queries, keys and values */
    bool gated;              /* the MLP multiplies two halves of its first product */
    int64_t pad;             /* ENCODER_AFTER_PAD: id of the padding token, and its row */
    build_angles angles[2];  /* ENCODER_ROTARY: of layers that see all, and of others */
    int64_t window, *around; /* (n_layers) 0: a layer sees all; otherwise `window` tokens to each side */
    int64_t n_buckets,
        max_distance; /* ENCODER_BUCKETS; ENCODER_DISENTANGLED: 0 buckets: each distance has its own vector */
    bool shared_keys, content_to_place, place_to_content, norm_places; /* ENCODER_DISENTANGLED */
    int64_t conv; /* width of a convolution beside the first block (DeBERTa); 0: none */
    build_activation conv_activation;
} text_encoder;

typedef struct encoder_graph {
    value_id tokens, mask; /* inputs [B, N] */
    value_id hidden;       /* [B, N, d] */
    build_table words;     /* of the tokens */
} encoder_graph;

/* Builds input_ids, attention_mask (0: padding) and, of models with types, token_type_ids, int64 [B, N] -> hidden, which
   is no output yet. Weights have BERT's names. */
encoder_graph text_encoder_build(build *b, const text_encoder *m);

/* "<name>.weight", and "<name>.bias" where the checkpoint has it. */
value_id text_encoder_linear(build *b, value_id x, const char *name, int64_t in, int64_t out);
value_id text_encoder_norm(build *b, value_id x, const char *name, int64_t d, double epsilon);

#endif
