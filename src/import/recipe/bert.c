/* Encoders of text: BERT (Devlin et al. 2019), RoBERTa and XLM-RoBERTa, DistilBERT, ELECTRA, MPNet, ModernBERT, DeBERTa 2 and 3,
   ALBERT (Lan et al. 2020) and XLM-RoBERTa-XL, from Hugging Face's folders. A row and a function each; the graph is text_encoder.h's. */
#include "import/recipe/recipe.h"
#include "import/recipe/text_heads.h"
#include "import/recipe/text_sentence.h"

#include <stdio.h>
#include <string.h>

/* ---- Names --------------------------------------------------------------------------------------------- */

/* Norms of checkpoints that were converted from TensorFlow. */
static const build_rename older[] = {
    {"LayerNorm.weight", "LayerNorm.gamma"}, {"LayerNorm.bias", "LayerNorm.beta"}, {NULL, NULL}};
static const build_rename distilbert[] = {
    {"encoder.layer.", "transformer.layer."},
    {".attention.self.query", ".attention.q_lin"},
    {".attention.self.key", ".attention.k_lin"},
    {".attention.self.value", ".attention.v_lin"},
    {".attention.output.dense", ".attention.out_lin"},
    {".attention.output.LayerNorm", ".sa_layer_norm"},
    {".intermediate.dense", ".ffn.lin1"},
    {".output.dense", ".ffn.lin2"},
    {".output.LayerNorm", ".output_layer_norm"},
    {NULL, NULL},
};
static const build_rename mpnet[] = {
    {".attention.self.query", ".attention.attn.q"},          {".attention.self.key", ".attention.attn.k"},
    {".attention.self.value", ".attention.attn.v"},          {".attention.output.dense", ".attention.attn.o"},
    {".attention.output.LayerNorm", ".attention.LayerNorm"}, {NULL, NULL},
};
static const build_rename modernbert[] = {
    {"embeddings.word_embeddings", "embeddings.tok_embeddings"},
    {"embeddings.LayerNorm", "embeddings.norm"},
    {"encoder.layer.", "layers."},
    {"encoder.final_norm", "final_norm"},
    {".attention.self.qkv", ".attn.Wqkv"},
    {".attention.output.dense", ".attn.Wo"},
    {".attention.output.LayerNorm", ".attn_norm"},
    {".intermediate.dense", ".mlp.Wi"},
    {".output.dense", ".mlp.Wo"},
    {".output.LayerNorm", ".mlp_norm"},
    {NULL, NULL},
};
static const build_rename deberta[] = {
    {".attention.self.query", ".attention.self.query_proj"},
    {".attention.self.key", ".attention.self.key_proj"},
    {".attention.self.value", ".attention.self.value_proj"},
    {NULL, NULL},
};

static const build_rename albert[] = {
    {"embeddings_project", "encoder.embedding_hidden_mapping_in"},
    {"encoder.layer.", "encoder.albert_layer_groups."},
    {".attention.self.query", ".albert_layers.0.attention.query"},
    {".attention.self.key", ".albert_layers.0.attention.key"},
    {".attention.self.value", ".albert_layers.0.attention.value"},
    {".attention.output", ".albert_layers.0.attention"},
    {".intermediate.dense", ".albert_layers.0.ffn"},
    {".output.dense", ".albert_layers.0.ffn_output"},
    {".output.LayerNorm", ".albert_layers.0.full_layer_layer_norm"},
    {"pooler.dense", "pooler"},
    {NULL, NULL},
};
static const build_rename xlm_roberta_xl[] = {
    {".attention.output.LayerNorm", ".attention.self_attn_layer_norm"},
    {".output.LayerNorm", ".LayerNorm"},
    {"encoder.final_norm", "encoder.LayerNorm"},
    {NULL, NULL},
};

/* ---- Families ------------------------------------------------------------------------------------------ */

static void set_after_pad(build *b, text_encoder *m)
{
    m->positions = ENCODER_AFTER_PAD;
    m->pad = checkpoint_int(b->c, "pad_token_id", 1);
}

static void set_xlm_roberta_xl(build *b, text_encoder *m)
{
    set_after_pad(b, m);
    m->before = m->bare = true;
}

/* All layers share the weights of one, or those of a group do. */
static void set_albert(build *b, text_encoder *m)
{
    (void)m;
    b->shares = true;
    if (checkpoint_int(b->c, "inner_group_num", 1) != 1)
        build_fail(b, SIB_ERR_UNSUPPORTED, "%s: groups of several layers (inner_group_num) are not supported",
                   checkpoint_file(b->c, 0));
}

static void set_mpnet(build *b, text_encoder *m)
{
    set_after_pad(b, m);
    m->bias = ENCODER_BUCKETS;
    m->n_buckets = build_dim(b, "encoder.relative_attention_bias.weight", 0);
    m->max_distance = 128;
}

/* Angles of `at` in config.json, or of the key that older files have. */
static build_angles angles_of(build *b, const text_encoder *m, const char *at, const char *old,
                              double otherwise)
{
    const char *name = build_text(b, "rope_parameters.%s", at);
    const double theta =
        checkpoint_float(b->c, build_text(b, "%s.rope_theta", name), checkpoint_float(b->c, old, otherwise));
    if (m->size % 2 || m->size < 2)
        build_fail(b, SIB_ERR_FORMAT, "%s: heads of %lld numbers cannot be rotated", checkpoint_file(b->c, 0),
                   (long long)m->size);
    return build_rope(b, name, theta, (size_t)(m->size / 2), m->n_ctx);
}

static void set_modernbert(build *b, text_encoder *m)
{
    const fact *types = checkpoint_fact(b->c, "layer_types");
    const int64_t every = checkpoint_int(b->c, "global_attn_every_n_layers", 3);
    m->positions = ENCODER_ROTARY;
    m->before = m->fused = m->gated = true;
    m->hidden /= 2;
    m->window = checkpoint_int(b->c, "local_attention", 128) / 2;
    if (m->window < 1)
        build_fail(b, SIB_ERR_FORMAT, "%s: local_attention is %lld, expected at least 2",
                   checkpoint_file(b->c, 0), (long long)(2 * m->window));
    for (int64_t i = 0; i < m->n_layers; i++)
        m->around[i] = types && types->kind == FACT_STRING && types->list && (uint64_t)i < types->n
                           ? str_is(types->strings[i], "sliding_attention")
                           : every > 0 && i % every;
    m->angles[0] = angles_of(b, m, "full_attention", "global_rope_theta", 160000);
    m->angles[1] = angles_of(b, m, "sliding_attention", "local_rope_theta", 10000);
}

/* True where a setting, a list of words or one text with bars between them, has the word. */
static bool has_word(const build *b, const char *key, const char *word)
{
    const fact *f = checkpoint_fact(b->c, key);
    for (size_t i = 0; f && f->kind == FACT_STRING && i < f->n; i++)
        for (size_t k = 0; k + strlen(word) <= f->strings[i].length; k++)
            if (!memcmp(f->strings[i].data + k, word, strlen(word)))
                return true;
    return false;
}

static void set_deberta(build *b, text_encoder *m)
{
    const int64_t buckets = checkpoint_int(b->c, "position_buckets", -1),
                  far = checkpoint_int(b->c, "max_relative_positions", -1);
    m->positions = build_fact_bool(b, "position_biased_input", true) ? ENCODER_FROM_ZERO : ENCODER_NO_PLACES;
    m->conv = checkpoint_int(b->c, "conv_kernel_size", 0);
    if (m->conv)
        m->conv_activation = build_activation_named(b, build_fact_text(b, "conv_act", "tanh"));
    if (m->conv < 0 || m->conv > 1 << 10 || (m->conv && m->conv % 2 == 0) ||
        checkpoint_int(b->c, "conv_groups", 1) != 1)
        build_fail(b, SIB_ERR_UNSUPPORTED, "%s: a convolution of %lld places in groups is not supported",
                   checkpoint_file(b->c, 0), (long long)m->conv);
    if (!build_fact_bool(b, "relative_attention", false))
        return;
    m->bias = ENCODER_DISENTANGLED;
    m->shared_keys = build_fact_bool(b, "share_att_key", false);
    m->content_to_place = has_word(b, "pos_att_type", "c2p");
    m->place_to_content = has_word(b, "pos_att_type", "p2c");
    m->norm_places = has_word(b, "norm_rel_ebd", "layer_norm");
    m->n_buckets = buckets > 0 ? buckets : 0;
    m->max_distance = far > 0 ? far : checkpoint_int(b->c, "max_position_embeddings", 512);
    if (m->max_distance < 2 || m->max_distance > 1 << 20 || (buckets > 0 && buckets < 4) ||
        m->max_distance - 1 <= m->n_buckets / 2)
        build_fail(b, SIB_ERR_FORMAT,
                   "%s: %lld buckets for distances up to %lld are none that a model can have",
                   checkpoint_file(b->c, 0), (long long)buckets, (long long)m->max_distance);
}

static const struct family {
    const char *type, *prefix;
    void (*set)(build *b, text_encoder *m); /* what differs from BERT */
    const build_rename *renames;
} families[] = {
    {"bert", "bert.", NULL, NULL},
    {"roberta", "roberta.", set_after_pad, NULL},
    {"xlm-roberta", "roberta.", set_after_pad, NULL},
    {"camembert", "roberta.", set_after_pad, NULL},
    {"distilbert", "distilbert.", NULL, distilbert},
    {"electra", "electra.", NULL, NULL},
    {"mpnet", "mpnet.", set_mpnet, mpnet},
    {"modernbert", "model.", set_modernbert, modernbert},
    {"deberta-v2", "deberta.", set_deberta, deberta},
    {"albert", "albert.", set_albert, albert},
    {"xlm-roberta-xl", "roberta.", set_xlm_roberta_xl, xlm_roberta_xl},
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

bool recipe_is_bert(const checkpoint *c)
{
    return family_of(c) != NULL;
}

/* ---- Dimensions ---------------------------------------------------------------------------------------- */

#define MAX_LAYERS 4096

static text_encoder read_numbers(build *b)
{
    static const char *const activations[] = {"hidden_activation", "hidden_act", "activation"};
    const char *positions = "embeddings.position_embeddings.weight",
               *first = build_find(b, "encoder.layer.0.attention.self.qkv.weight")
                            ? "encoder.layer.0.attention.self.qkv.weight"
                            : "encoder.layer.0.attention.self.query.weight";
    text_encoder m = {.n_vocab = build_dim(b, "embeddings.word_embeddings.weight", 0),
                      .width = build_dim(b, "embeddings.word_embeddings.weight", 1),
                      .d = build_dim(b, first, 1),
                      .n_layers = build_count(b, "encoder.layer.", ".attention.output.dense.weight"),
                      .hidden = build_dim(b, "encoder.layer.0.intermediate.dense.weight", 0),
                      .activation = BUILD_GELU};
    if (checkpoint_fact(b->c, "num_hidden_groups")) { /* ALBERT's */
        m.n_groups = m.n_layers;
        m.n_layers = checkpoint_int(b->c, "num_hidden_layers", 12);
    }
    m.heads = checkpoint_int(b->c, "num_attention_heads", checkpoint_int(b->c, "n_heads", 0));
    m.epsilon = checkpoint_float(b->c, "layer_norm_eps", checkpoint_float(b->c, "norm_eps", 1e-12));
    m.n_ctx = build_find(b, positions) ? build_dim(b, positions, 0)
                                       : checkpoint_int(b->c, "max_position_embeddings", 512);
    if (build_find(b, "embeddings.token_type_embeddings.weight"))
        m.n_types = build_dim(b, "embeddings.token_type_embeddings.weight", 0);
    for (size_t i = 0; i < 3; i++)
        if (checkpoint_fact(b->c, activations[i])) {
            m.activation = build_activation_named(b, build_fact_text(b, activations[i], "gelu"));
            break;
        }
    if (b->code == SIB_OK && (m.n_layers < m.n_groups || m.n_layers > MAX_LAYERS || m.heads < 1 || m.d < 1 ||
                              m.d % m.heads || m.n_ctx < 1 || !(m.epsilon >= 0)))
        build_fail(
            b, SIB_ERR_FORMAT,
            "%s: %lld heads of %lld numbers, or layers, epsilon or positions, are none that a model can have",
            checkpoint_file(b->c, 0), (long long)m.heads, (long long)m.d);
    m.size = m.heads > 0 ? m.d / m.heads : 0;
    return m;
}

static text_encoder read_dims(build *b, const struct family *f)
{
    text_encoder m = read_numbers(b);
    m.around = b->code == SIB_OK ? arena_alloc(b->m->arena, (size_t)m.n_layers + 1, sizeof *m.around) : NULL;
    if (!m.around) {
        build_fail(b, SIB_ERR_MEMORY, "no memory for %lld layers", (long long)m.n_layers);
        return m;
    }
    memset(m.around, 0, (size_t)(m.n_layers + 1) * sizeof *m.around);
    if (f->set)
        f->set(b, &m);
    if (b->code == SIB_OK && m.positions == ENCODER_AFTER_PAD && (m.pad < 0 || m.pad >= m.n_ctx - 1))
        build_fail(b, SIB_ERR_FORMAT, "%s: pad_token_id is %lld for %lld positions", checkpoint_file(b->c, 0),
                   (long long)m.pad, (long long)m.n_ctx);
    const sib_str kind = build_fact_text(b, "position_embedding_type", "absolute");
    if (!str_is(kind, "absolute"))
        build_fail(b, SIB_ERR_UNSUPPORTED, "%s: position_embedding_type '%.*s' is not supported",
                   checkpoint_file(b->c, 0), (int)(kind.length < 40 ? kind.length : 40), kind.data);
    if (build_fact_bool(b, "is_decoder", false))
        build_fail(b, SIB_ERR_UNSUPPORTED, "%s: '%s' as a decoder (is_decoder) is not supported",
                   checkpoint_file(b->c, 0), f->type);
    return m;
}

/* ---- The recipe ---------------------------------------------------------------------------------------- */

void recipe_bert(build *b)
{
    const struct family *f = family_of(b->c);
    if (!f) {
        char names[300];
        size_t used = 0;
        for (size_t i = 0; i < N_FAMILIES && used < sizeof names; i++)
            used +=
                (size_t)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", families[i].type);
        const sib_str type = build_fact_text(b, "model_type", "");
        build_fail(b, SIB_ERR_UNSUPPORTED,
                   "%s: the recipe bert is not for models of the type '%.*s' (model_type), but for %s",
                   checkpoint_file(b->c, 0), (int)(type.length < 60 ? type.length : 60), type.data, names);
        return;
    }
    b->renames = f->renames;
    b->prefix = f->prefix;
    if (!build_find(b, "embeddings.word_embeddings.weight"))
        b->prefix = "";
    if (!f->renames && build_find(b, "embeddings.LayerNorm.gamma"))
        b->renames = older;
    b->ignored = text_heads_ignored(b);
    text_encoder m = read_dims(b, f);
    if (b->code != SIB_OK)
        return;
    encoder_graph g = text_encoder_build(b, &m);
    text_heads_add(b, &m, &g);
    text_sentence_add(b, m.d, g.hidden, g.mask);
    build_output(b, g.hidden, "last_hidden_state", SIB_F32, "B N %lld", (long long)m.d);
}
