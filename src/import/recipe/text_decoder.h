/* The graph of a decoder of text: blocks of attention with a cache and an MLP, as families of models differ in them. */
#ifndef IMPORT_RECIPE_TEXT_DECODER_H
#define IMPORT_RECIPE_TEXT_DECODER_H

#include "import/model/build.h"

typedef enum text_norm {
    TEXT_NORM_RMS,
    TEXT_NORM_RMS_PLUS_ONE, /* its scale is 1 + weight */
    TEXT_NORM_LAYER         /* a bias where the checkpoint has one */
} text_norm;

typedef enum text_qk_norm {
    TEXT_QK_NONE,
    TEXT_QK_HEAD, /* over each head of queries and keys */
    TEXT_QK_EACH, /* the same, without the mean, with scales of its own for each head */
    TEXT_QK_ALL   /* over all heads at once */
} text_qk_norm;

/* What a layer mixes tokens by; text_mixers.h has all but the first. */
typedef enum text_mixer {
    TEXT_ATTENTION,
    TEXT_LATENT, /* attention over a low-rank vector for all heads (DeepSeek) */
    TEXT_CONV,   /* a short convolution (LFM2) */
    TEXT_DELTA,  /* a gated delta rule (Qwen3-Next) */
    TEXT_STATES, /* a selective state space (Mamba 2) */
    TEXT_MAMBA,  /* a selective state space without heads (Mamba, Jamba) */
    TEXT_BESIDE, /* attention and a selective state space, whose results are added (Falcon-H1) */
    TEXT_MIXERS
} text_mixer;

/* Where a state space's result is normalised. */
typedef enum text_states_norm {
    TEXT_STATES_GATED,
    TEXT_STATES_BEFORE_GATE,
    TEXT_STATES_PLAIN
} text_states_norm;

/* Mamba 2's mixer: heads, in groups whose heads share what goes in and comes out. */
typedef struct text_states {
    int64_t heads, size, groups, width; /* size: of a head; width: of its state, which is [size, width] */
    double min_step, max_step;          /* bounds of the time that a token takes; 0 and above FLT_MAX: none */
    text_states_norm norm;
    double in_scale, out_scale; /* of what it reads and makes; 1: none */
    const double *scales; /* (5) of the gate, what goes in, its rows in and out, and steps; NULL: none */
} text_states;

typedef struct text_layer {
    text_mixer mixer;
    int64_t window; /* keys that a query sees; 0: all before it */
    int angles;     /* which of the angles below rotate its queries and keys; -1: none */
} text_layer;

typedef struct text_decoder {
    int64_t n_vocab, n_ctx, d, heads, kv_heads, size, n_layers; /* size: of a head */
    text_norm norm;
    double epsilon;
    /* Names of a layer's norms; NULL: it has none there. After: before the result is added to x. */
    const char *before_attention, *after_attention, *before_mlp, *after_mlp;
    const char *behind_attention, *behind_mlp; /* the same, of the sum of x and the result */
    const char *embedding_norm, *last_norm;    /* of what the first layer and the scores read; NULL: none */
    bool
        parallel; /* attention and the MLP both read x, the MLP by before_mlp or what attention reads, and are added to it */
    text_qk_norm qk_norm;
    bool fused; /* one matrix for queries, keys and values, and one for gate and up */
    bool
        grouped; /* its rows: for each head of keys its queries, its keys and its values; otherwise all queries first */
    bool gated; /* the MLP: gate_proj, up_proj, down_proj; otherwise c_fc, c_proj */
    build_activation activation;
    int64_t
        chosen; /* experts of a token, in layers whose MLP is a mixture: those that have mlp.gate.weight */
    bool normalized; /* their shares sum to 1 */
    bool sigmoid;    /* the rest of their choice is that of build_experts */
    int64_t groups, chosen_groups;
    double shares_added, shares_scale;
    bool qkv_bias, o_bias, tied;
    bool
        output_gate; /* q_proj has a gate behind each head's queries: what attention makes is times its sigmoid */
    int64_t rank, plain,
        values; /* latent attention: width of the vector, and of a head what is not rotated and its values */
    int64_t delta_keys, delta_values, delta_heads,
        delta_value_heads; /* the delta rule: sizes of heads, and heads */
    text_states states;
    bool mixers_alone; /* layers have no MLP */
    int64_t
        words; /* width of tokens' rows, where matrices project_in and project_out make them d and back; 0: d */
    double qkv_clip; /* queries, keys and values are clipped to -qkv_clip to qkv_clip; 0: not */
    build_alibi alibi;
    const char *positions;  /* a table [first_position + n_ctx, d] whose rows are added to x; NULL for none */
    int64_t first_position; /* its row of the first token */
    double embedding_scale, residual_scale, logits_scale; /* 1: none */
    double attention_scale;                               /* 0: 1 / sqrt(size) */
    double attention_in, attention_out, gate_scale,
        mlp_scale;                    /* of what attention reads and makes, of gates and results
                                                                  of MLPs; 1: none */
    double attention_cap, logits_cap; /* x becomes cap tanh(x / cap); 0: no cap */
    int64_t q_permuted, k_permuted;   /* heads whose halves are interleaved in the file, or 0 */
    build_angles angles[2];           /* of which layers choose; inverse NULL: none */
    int64_t half;                     /* pairs of a head that are rotated, of size / 2 */
    bool pairs_beside;                /* those pairs lie beside each other, as build_rotary's interleaved */
    text_layer *layers;               /* (n_layers) */
} text_decoder;

/* Builds tokens [B, N], at [M], past_k.i, past_v.i [B, kv_heads, P, size] -> logits [B, M, n_vocab], present_k.i, present_v.i
   [B, kv_heads, P+N, size], from weights with Hugging Face's names of Llama. Cached keys are already rotated. */
void text_decoder_build(build *b, const text_decoder *m);

#endif
