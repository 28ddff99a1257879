/* Encoders of text with a decoder: T5 (Raffel et al. 2020), its versions 1.1, mT5 and Flan, UMT5, from Hugging Face's
   folders. A row and a function a family; the graph is text_to_text.h's. */
#include "import/recipe/recipe.h"
#include "import/recipe/text_to_text_families.h"

#include <string.h>

/* ---- Names --------------------------------------------------------------------------------------------- */

static const build_rename t5_encoder[] = {
    {"encoder.layers.", "encoder.block."},
    {"encoder.layer_norm", "encoder.final_layer_norm"},
    {".self_attn.", ".layer.0.SelfAttention."},
    {".self_attn_layer_norm", ".layer.0.layer_norm"},
    {".final_layer_norm", ".layer.1.layer_norm"},
    {"q_proj", "q"},
    {"k_proj", "k"},
    {"v_proj", "v"},
    {"out_proj", "o"},
    {".fc1", ".layer.1.DenseReluDense.wi"},
    {".gate", ".layer.1.DenseReluDense.wi_0"},
    {".up", ".layer.1.DenseReluDense.wi_1"},
    {".fc2", ".layer.1.DenseReluDense.wo"},
    {NULL, NULL},
};
static const build_rename t5_decoder[] = {
    {"decoder.layers.", "decoder.block."},
    {"decoder.layer_norm", "decoder.final_layer_norm"},
    {".self_attn.", ".layer.0.SelfAttention."},
    {".self_attn_layer_norm", ".layer.0.layer_norm"},
    {".encoder_attn.", ".layer.1.EncDecAttention."},
    {".encoder_attn_layer_norm", ".layer.1.layer_norm"},
    {".final_layer_norm", ".layer.2.layer_norm"},
    {"q_proj", "q"},
    {"k_proj", "k"},
    {"v_proj", "v"},
    {"out_proj", "o"},
    {".fc1", ".layer.2.DenseReluDense.wi"},
    {".gate", ".layer.2.DenseReluDense.wi_0"},
    {".up", ".layer.2.DenseReluDense.wi_1"},
    {".fc2", ".layer.2.DenseReluDense.wo"},
    {NULL, NULL},
};

static const char *const ignored[] = {
    "*shared.weight",
    "*encoder.embed_tokens.weight",
    "*decoder.embed_tokens.weight",
    "*lm_head.weight",
    "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight", /* never read */
    NULL};

/* ---- Families ------------------------------------------------------------------------------------------ */

/* The activation of "gated-gelu" or "relu". */
static void set_feed_forward(build *b, text_to_text *m, const char *otherwise)
{
    static const char gated[] = "gated-";
    sib_str kind = build_fact_text(b, "feed_forward_proj", otherwise);
    text_side *sides[] = {&m->encoder, &m->decoder};
    bool is_gated = false;
    if (kind.length > sizeof gated - 1 && !memcmp(kind.data, gated, sizeof gated - 1)) {
        is_gated = true;
        kind = (sib_str){kind.data + sizeof gated - 1, kind.length - (sizeof gated - 1)};
    }
    const build_activation activation =
        is_gated && str_is(kind, "gelu") ? BUILD_GELU_TANH : build_activation_named(b, kind);
    for (size_t i = 0; i < 2; i++) {
        sides[i]->gated = is_gated;
        sides[i]->activation = activation;
    }
}

/* Published files of version 1.1 say that words and scores have tables of their own; newer ones, that scores are not
   scaled. */
static bool scores_are_scaled(const build *b)
{
    return build_fact_bool(b, "scale_decoder_outputs", build_fact_bool(b, "tie_word_embeddings", true));
}

static void set_buckets(build *b, text_to_text *m, const char *feed_forward, bool is_scaled)
{
    m->encoder.renames = t5_encoder;
    m->decoder.renames = t5_decoder;
    m->rms = m->before = m->last_norm = true;
    m->attention_scale = 1;
    m->scaled = is_scaled;
    m->places = TEXT_PLACES_BUCKETS;
    m->n_buckets = checkpoint_int(b->c, "relative_attention_num_buckets", 32);
    m->max_distance = checkpoint_int(b->c, "relative_attention_max_distance", 128);
    m->epsilon = checkpoint_float(b->c, "layer_norm_epsilon", 1e-6);
    m->n_ctx = checkpoint_int(b->c, "n_positions", 512);
    set_feed_forward(b, m, feed_forward);
    text_to_text_find_tables(b, m, is_scaled);
}

static void set_t5(build *b, text_to_text *m)
{
    set_buckets(b, m, "relu", scores_are_scaled(b));
}

static void set_mt5(build *b, text_to_text *m)
{
    set_buckets(b, m, "gated-gelu", false);
}

static void set_umt5(build *b, text_to_text *m)
{
    set_buckets(b, m, "gated-gelu", scores_are_scaled(b));
}

static const text_to_text_family families[] = {
    {"t5", set_t5, -1},
    {"mt5", set_mt5, -1},
    {"umt5", set_umt5, -1},
    {NULL, NULL, 0},
};

bool recipe_is_t5(const checkpoint *c)
{
    return text_to_text_family_of(c, families) != NULL;
}

void recipe_t5(build *b)
{
    b->ignored = ignored;
    text_to_text_import(b, "t5", families);
}
