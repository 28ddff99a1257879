/* The graph of an encoder of text or audio and a decoder of text that attends to it, as families of models differ in them. */
#ifndef IMPORT_RECIPE_TEXT_TO_TEXT_H
#define IMPORT_RECIPE_TEXT_TO_TEXT_H

#include "import/model/build.h"

typedef enum text_places {
    TEXT_PLACES_BUCKETS, /* a number for each head and bucket of distances is added to scores (Raffel et al. 2020) */
    TEXT_PLACES_TABLE, /* rows of a table of each side */
    TEXT_PLACES_SINES, /* sines, then cosines, of places times angles (Vaswani et al. 2017) */
    TEXT_PLACES_ROTARY /* queries and keys of a side's own tokens are rotated */
} text_places;

/* The encoder or the decoder. */
typedef struct text_side {
    const char *name; /* "encoder", of weights and nodes */
    const build_rename *renames;
    int64_t n_layers, heads, size, hidden; /* size: of a head; hidden: inside the MLP */
    bool gated;                            /* the MLP: gate, up, fc2; otherwise fc1, fc2 */
    bool joined; /* gated: fc1 makes what `up` would, and behind it what `gate` would */
    build_activation activation;
} text_side;

typedef struct text_to_text text_to_text;
struct text_to_text {
    text_side encoder, decoder;
    /* What the encoder's first layer reads [B, S, d], of inputs of its own; NULL: the tokens `source`. */
    value_id (*front)(build *b, const text_to_text *m);
    int64_t n_source, n_vocab, n_ctx, d; /* n_source: tokens of the encoder, n_vocab: of the decoder */
    const char *words, *target_words,
        *scores; /* names of tables: of the encoder's tokens, the decoder's, the scores */
    bool rms;    /* norms are RMSNormalization, otherwise LayerNormalization */
    double epsilon;
    bool before;                    /* norms stand before attention and the MLP; otherwise behind each sum */
    bool embedding_norm, last_norm; /* what the first layer reads, and what the last makes, is normalised */
    text_places places;
    int64_t n_buckets, max_distance; /* TEXT_PLACES_BUCKETS */
    int64_t first_place;             /* of the first token: its row, or what its sines are of */
    float *angles;                   /* (d / 2) TEXT_PLACES_SINES */
    build_angles rotary;             /* TEXT_PLACES_ROTARY: of pairs that lie beside each other */
    int64_t half;                    /* pairs of a head that are rotated */
    const float *table;              /* [n_ctx, d] TEXT_PLACES_TABLE, of both sides; NULL: the checkpoint's */
    int64_t unplaced;                /* TEXT_PLACES_SINES: a token that has none; -1: all have */
    bool scaled;                     /* scores are products of x / sqrt(d) with the tokens' table */
    double embedding_scale;          /* of tokens' rows; 1: none */
    double attention_scale;          /* 0: 1 / sqrt(size) */
    const char *scores_bias;         /* a weight [1, n_vocab], added to scores; NULL: none */
};

/* Builds two graphs without an edge between them, as Whisper's are:
   encoder   source [B, S], or what `front` takes -> encoded [B, S, d], and of decoder layer i source_k.i, source_v.i [B, heads, S, size]
   decoder   tokens [B, N], at [M], past_k.i, past_v.i [B, heads, P, size], cross_k.i, cross_v.i [1, heads, S, size] (one text
             for all of B) -> logits [B, M, n_vocab], present_k.i, present_v.i [B, heads, P+N, size]
   from weights with Hugging Face's names of BART. */
void text_to_text_build(build *b, const text_to_text *m);

#endif
