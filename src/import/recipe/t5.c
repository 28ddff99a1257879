/* Encoders of text with a decoder: T5 (Raffel et al. 2020), its versions 1.1, mT5 and Flan, UMT5, from Hugging Face's
   folders. A row and a function a family; the graph is text_to_text.h's. */
#include "import/recipe/recipe.h"
#include "import/recipe/text_to_text.h"

#include <stdio.h>
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

/* Duplicates of the tokens' table, which stands in older files under each of these names. */
static const char *const tables[] = {"shared.weight", "encoder.embed_tokens.weight",
                                     "decoder.embed_tokens.weight", "lm_head.weight"};
#define N_TABLES (sizeof tables / sizeof *tables)

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
    if (kind.length > sizeof gated - 1 && !memcmp(kind.data, gated, sizeof gated - 1)) {
        m->gated = true;
        kind = (sib_str){kind.data + sizeof gated - 1, kind.length - (sizeof gated - 1)};
    }
    m->activation = m->gated && str_is(kind, "gelu") ? BUILD_GELU_TANH : build_activation_named(b, kind);
}

/* Published files of version 1.1 say that words and scores have tables of their own; newer ones, that scores are not
   scaled. */
static bool scores_are_scaled(const build *b)
{
    return build_fact_bool(b, "scale_decoder_outputs", build_fact_bool(b, "tie_word_embeddings", true));
}

static void set_buckets(build *b, text_to_text *m)
{
    m->rms = m->before = m->last_norm = true;
    m->attention_scale = 1;
    m->places = TEXT_PLACES_BUCKETS;
    m->n_buckets = checkpoint_int(b->c, "relative_attention_num_buckets", 32);
    m->max_distance = checkpoint_int(b->c, "relative_attention_max_distance", 128);
    m->epsilon = checkpoint_float(b->c, "layer_norm_epsilon", 1e-6);
    m->n_ctx = checkpoint_int(b->c, "n_positions", 512);
}

static void set_t5(build *b, text_to_text *m)
{
    set_buckets(b, m);
    set_feed_forward(b, m, "relu");
    m->scaled = scores_are_scaled(b);
}

static void set_mt5(build *b, text_to_text *m)
{
    set_buckets(b, m);
    set_feed_forward(b, m, "gated-gelu");
}

static void set_umt5(build *b, text_to_text *m)
{
    set_mt5(b, m);
    m->scaled = scores_are_scaled(b);
}

static const struct family {
    const char *type, *prefix;
    void (*set)(build *b, text_to_text *m);
    const build_rename *encoder, *decoder;
    int64_t first; /* the token that texts begin with where no file says it */
} families[] = {
    {"t5", "", set_t5, t5_encoder, t5_decoder, 0},
    {"mt5", "", set_mt5, t5_encoder, t5_decoder, 0},
    {"umt5", "", set_umt5, t5_encoder, t5_decoder, 0},
};
#define N_FAMILIES (sizeof families / sizeof *families)

static const struct family *family_of(const checkpoint *c)
{
    const fact *type = checkpoint_fact(c, "model_type");
    for (size_t i = 0; i < N_FAMILIES; i++)
        if (type && type->kind == FACT_STRING && !type->list && str_is(type->strings[0], families[i].type))
            return &families[i];
    return NULL;
}

bool recipe_is_t5(const checkpoint *c)
{
    return family_of(c) != NULL;
}

/* ---- Dimensions ---------------------------------------------------------------------------------------- */

/* The first of two numbers that the checkpoint has. */
static int64_t number(const build *b, const char *key, const char *or_key)
{
    return checkpoint_int(b->c, key, checkpoint_int(b->c, or_key, 0));
}

static text_side read_side(build *b, const text_to_text *m, const char *name, const build_rename *renames)
{
    const char *layers = build_text(b, "%s.layers.", name), *first = build_text(b, "%s0", layers);
    b->renames = renames;
    text_side s = {.name = name,
                   .renames = renames,
                   .n_layers = build_count(b, layers, ".self_attn.q_proj.weight"),
                   .heads = number(b, build_text(b, "%s_attention_heads", name), "num_heads")};
    const int64_t rows = build_dim(b, build_text(b, "%s.self_attn.q_proj.weight", first), 0);
    s.hidden = build_dim(b, build_text(b, "%s.%s.weight", first, m->gated ? "gate" : "fc1"), 0);
    if (b->code == SIB_OK && (s.heads < 1 || rows < 1 || rows % s.heads || s.hidden < 1))
        build_fail(b, SIB_ERR_FORMAT, "%s: %lld numbers cannot be %lld heads of the %s",
                   checkpoint_file(b->c, 0), (long long)rows, (long long)s.heads, name);
    s.size = s.heads > 0 ? rows / s.heads : 0;
    return s;
}

/* The table of tokens, under the first of its names that the checkpoint has; that of scores, where they have their own. */
static void find_tables(build *b, text_to_text *m)
{
    size_t i = 0;
    while (i + 1 < N_TABLES && !build_find(b, tables[i]))
        i++;
    m->words = m->scores = tables[i];
    if (!m->scaled && build_find(b, "lm_head.weight"))
        m->scores = "lm_head.weight";
    m->n_vocab = build_dim(b, m->words, 0);
    m->d = build_dim(b, m->words, 1);
}

static text_to_text read_dims(build *b, const struct family *f)
{
    text_to_text m = {.embedding_scale = 1, .unplaced = -1};
    f->set(b, &m);
    find_tables(b, &m);
    m.encoder = read_side(b, &m, "encoder", f->encoder);
    m.decoder = read_side(b, &m, "decoder", f->decoder);
    if (b->code == SIB_OK && (m.n_vocab < 1 || m.d < 1 || m.n_ctx < 1 || !(m.epsilon >= 0)))
        build_fail(b, SIB_ERR_FORMAT,
                   "%s: %lld tokens of %lld numbers, or epsilon or positions, are none that a model can have",
                   checkpoint_file(b->c, 0), (long long)m.n_vocab, (long long)m.d);
    return m;
}

/* ---- The recipe ---------------------------------------------------------------------------------------- */

/* The tokens that the decoder's texts begin with, as the metadata have lists. */
static void add_first_tokens(build *b, const text_to_text *m, const struct family *f)
{
    const int64_t first = checkpoint_int(b->c, "decoder_start_token_id",
                                         checkpoint_int(b->c, "bos_token_id", f->first)),
                  forced = checkpoint_int(b->c, "forced_bos_token_id", -1);
    if (first < 0 || first >= m->n_vocab || forced >= m->n_vocab)
        build_fail(b, SIB_ERR_FORMAT,
                   "%s: decoder_start_token_id %lld or forced_bos_token_id %lld is none of %lld tokens",
                   checkpoint_file(b->c, 0), (long long)first, (long long)forced, (long long)m->n_vocab);
    else if (forced < 0)
        build_add_metadata(b, "target_tokens", "[%lld]", (long long)first);
    else
        build_add_metadata(b, "target_tokens", "[%lld, %lld]", (long long)first, (long long)forced);
}

static void refuse(build *b)
{
    char names[200];
    size_t used = 0;
    for (size_t i = 0; i < N_FAMILIES && used < sizeof names; i++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", families[i].type);
    const sib_str type = build_fact_text(b, "model_type", "");
    build_fail(b, SIB_ERR_UNSUPPORTED,
               "%s: the recipe t5 is not for models of the type '%.*s' (model_type), but for %s",
               checkpoint_file(b->c, 0), (int)(type.length < 60 ? type.length : 60), type.data, names);
}

void recipe_t5(build *b)
{
    const struct family *f = family_of(b->c);
    if (!f) {
        refuse(b);
        return;
    }
    b->ignored = ignored;
    text_to_text m = read_dims(b, f);
    if (b->code == SIB_OK && !m.decoder.n_layers)
        build_fail(b, SIB_ERR_UNSUPPORTED, "%s: an encoder without its decoder is not supported",
                   checkpoint_file(b->c, 0));
    if (b->code != SIB_OK)
        return;
    add_first_tokens(b, &m, f);
    text_to_text_build(b, &m);
}
