/* What layers of decoders of text have in the place of attention over keys and values. */
#ifndef IMPORT_RECIPE_TEXT_MIXERS_H
#define IMPORT_RECIPE_TEXT_MIXERS_H

#include "import/recipe/text_decoder.h"

/* A layer while it is built. */
typedef struct text_place {
    const char *where; /* the layer's name, which those of its weights begin with */
    int64_t layer;
    text_mixer mixer;
    const build_rotary *rotary; /* NULL: nothing is rotated */
    build_attention *cache;
} text_place;

/* All make [B, N, d] of y [B, N, d]. */

/* Multi-head latent attention (DeepSeek-AI 2024): keys and values of all heads are products of one vector of m->rank numbers
   a token. The products are moved to queries and results, so the cache holds that vector and the rotated part of keys:
   past_k [B, 1, P, rank + rotated], whose first rank numbers are past_v [B, 1, P, rank]. */
value_id text_latent(build *b, const text_decoder *m, value_id y, const text_place *p);
/* A convolution over the last tokens between two gates. State conv: build_causal_conv's. */
value_id text_short_conv(build *b, const text_decoder *m, value_id y, const text_place *p);
/* The gated delta rule (Yang et al. 2024), S = a S + k b (v - k a S), out = q S for each head. States: conv, and delta
   [B, value heads, size of keys, size of values]. */
value_id text_delta_rule(build *b, const text_decoder *m, value_id y, const text_place *p);
/* A selective state space with a gate (Dao and Gu 2024). States: conv, and ssm [B, heads, size, width]. */
value_id text_state_space(build *b, const text_decoder *m, value_id y, const text_place *p);
/* The same without heads (Gu and Dao 2023), whose steps and rows are normalised (Lieber et al. 2024). States: conv, and ssm
   [B, inner, width]. */
value_id text_mamba(build *b, const text_decoder *m, value_id y, const text_place *p);

/* Sets what the weights of such a layer, called `first`, and config.json say of it. */
void text_states_read(build *b, text_states *s, const char *first, int64_t groups);

/* x [..., in] to [..., out], with a bias where the checkpoint has one. */
value_id text_linear(build *b, value_id x, const char *name, int64_t in, int64_t out);

#endif
