#include "import/recipe/text_families.h"
#include "import/recipe/text_names.h"

#include <math.h>
#include <stdio.h>

/* ---- What config.json says ----------------------------------------------------------------------------- */

static const char *key_of(const text_config *t, const char *key, const char *theirs, char *text, size_t size)
{
    if (!t->gguf)
        return key;
    snprintf(text, size, "%.*s.%s", (int)t->kind.length, t->kind.data, theirs);
    return text;
}

int64_t text_config_int(const text_config *t, const char *key, const char *theirs, int64_t otherwise)
{
    char text[120];
    return checkpoint_int(t->b->c, key_of(t, key, theirs, text, sizeof text), otherwise);
}

double text_config_float(const text_config *t, const char *key, const char *theirs, double otherwise)
{
    char text[120];
    return checkpoint_float(t->b->c, key_of(t, key, theirs, text, sizeof text), otherwise);
}

static bool config_bool(const text_config *t, const char *key, const char *theirs, bool otherwise)
{
    char text[120];
    return build_fact_bool(t->b, key_of(t, key, theirs, text, sizeof text), otherwise);
}

/* The entry of a list for layer i: its text, or `otherwise` where the checkpoint has no such list. */
static sib_str text_of_layer(const build *b, const char *key, int64_t i, const char *otherwise)
{
    const fact *f = checkpoint_fact(b->c, key);
    return f && f->kind == FACT_STRING && f->list && (uint64_t)i < f->n ? f->strings[i] : str_of(otherwise);
}

static int64_t int_of_layer(const build *b, const char *key, int64_t i, int64_t otherwise)
{
    const fact *f = checkpoint_fact(b->c, key);
    return f && f->kind == FACT_INT && f->list && (uint64_t)i < f->n ? f->ints[i] : otherwise;
}

/* ---- Families ------------------------------------------------------------------------------------------ */

/* Windows of all layers. Which layers have one says layer_types; where there is no such list, those from `from` on have, but
   for each `every`-th (0: for none). used: whether the model has windows at all. */
static void set_windows(const text_config *t, text_decoder *m, int64_t every, int64_t from, bool used)
{
    int64_t window = used ? text_config_int(t, "sliding_window", "attention.sliding_window", 0) : 0;
    for (int64_t i = 0; i < m->n_layers; i++) {
        const bool within = i >= from && (!every || (i + 1) % every);
        const sib_str type =
            text_of_layer(t->b, "layer_types", i, within ? "sliding_attention" : "full_attention");
        m->layers[i].window =
            str_is(type, "sliding_attention") && window > 0 && window < m->n_ctx ? window : 0;
    }
}

/* Whether layer i is one of those that are for a window, which may be as long as the context: by layer_types, or all but
   each `every`-th. */
static bool is_within(const text_config *t, int64_t i, int64_t every)
{
    const sib_str type = text_of_layer(t->b, "layer_types", i, "");
    return type.length ? str_is(type, "sliding_attention") : every > 0 && (i + 1) % every;
}

/* GGUF's llama may be Mixtral, too. */
static void set_llama(const text_config *t, text_decoder *m)
{
    set_windows(t, m, 0, 0, true);
    m->normalized = true;
}

static void set_qwen(const text_config *t, text_decoder *m)
{
    set_windows(t, m, 0, text_config_int(t, "max_window_layers", "", 28),
                build_fact_bool(t->b, "use_sliding_window", false));
}

static void set_gemma(const text_config *t, text_decoder *m)
{
    m->norm = t->gguf ? TEXT_NORM_RMS : TEXT_NORM_RMS_PLUS_ONE; /* GGUF has added the 1 */
    m->embedding_scale = (double)sqrtf((float)m->d);
    m->activation = BUILD_GELU_TANH;
}

/* query_pre_attn_scalar, which GGUF does not have: the size of a head, but for the models of 27 billion weights. */
static double gemma_scale(const text_config *t, const text_decoder *m)
{
    const bool large =
        (str_is(t->kind, "gemma2") && m->n_layers == 46) || (str_is(t->kind, "gemma3") && m->n_layers == 62);
    const int64_t heads = m->heads > 0 ? m->heads : 1;
    return large ? (double)m->d / (double)heads : text_config_float(t, "", "attention.key_length", 256);
}

static void set_gemma2(const text_config *t, text_decoder *m)
{
    set_gemma(t, m);
    set_windows(t, m, 2, 0, true);
    m->after_attention = "post_attention_layernorm";
    m->before_mlp = "pre_feedforward_layernorm";
    m->after_mlp = "post_feedforward_layernorm";
    m->attention_scale =
        1 / sqrt(t->gguf ? gemma_scale(t, m) : text_config_float(t, "query_pre_attn_scalar", "", 256));
    m->attention_cap = text_config_float(t, "attn_logit_softcapping", "attn_logit_softcapping", 0);
    m->logits_cap = text_config_float(t, "final_logit_softcapping", "final_logit_softcapping", 0);
}

/* Layers with a window have angles of their own. */
static void set_gemma3(const text_config *t, text_decoder *m)
{
    const int64_t every = text_config_int(t, "sliding_window_pattern", "attention.sliding_window_pattern", 6);
    set_gemma2(t, m);
    set_windows(t, m, every, 0, true);
    for (int64_t i = 0; i < m->n_layers; i++)
        m->layers[i].angles = is_within(t, i, every) ? 1 : 0;
}

/* Experts' shares sum to 1 in llama.cpp's Qwen3; elsewhere config.json says it. */
static void set_qwen2_moe(const text_config *t, text_decoder *m)
{
    set_qwen(t, m);
    m->normalized = build_fact_bool(t->b, "norm_topk_prob", false);
}

static void set_qwen3_moe(const text_config *t, text_decoder *m)
{
    set_windows(t, m, 0, 0, build_fact_bool(t->b, "use_sliding_window", false));
    m->normalized = build_fact_bool(t->b, "norm_topk_prob", t->gguf);
}

/* Files whose experts are one weight have newer names. */
static void rename_newer(const text_config *t, const build_rename *newer)
{
    if (!t->gguf && !build_find(t->b, "model.layers.0.mlp.gate.weight"))
        t->b->renames = newer;
}

static void set_mixtral(const text_config *t, text_decoder *m)
{
    rename_newer(t, NULL);
    set_llama(t, m);
}

static void set_olmoe(const text_config *t, text_decoder *m)
{
    m->qk_norm = TEXT_QK_ALL;
    m->normalized = build_fact_bool(t->b, "norm_topk_prob", false);
    if (checkpoint_fact(t->b->c, "clip_qkv"))
        build_fail(t->b, SIB_ERR_UNSUPPORTED,
                   "%s: olmoe with 'clip_qkv' is not supported by the recipe llama",
                   checkpoint_file(t->b->c, 0));
}

static void set_olmo2(const text_config *t, text_decoder *m)
{
    (void)t;
    m->before_attention = m->before_mlp = NULL;
    m->after_attention = "post_attention_layernorm";
    m->after_mlp = "post_feedforward_layernorm";
    m->qk_norm = TEXT_QK_ALL;
}

/* Some layers rotate nothing. */
static void set_smollm3(const text_config *t, text_decoder *m)
{
    const int64_t every = text_config_int(t, "no_rope_layer_interval", "", 4);
    set_windows(t, m, 0, 0, build_fact_bool(t->b, "use_sliding_window", false));
    for (int64_t i = 0; i < m->n_layers; i++)
        m->layers[i].angles = int_of_layer(t->b, "no_rope_layers", i, every < 1 || (i + 1) % every) ? 0 : -1;
}

static void set_granite(const text_config *t, text_decoder *m)
{
    m->embedding_scale = text_config_float(t, "embedding_multiplier", "embedding_scale", 1);
    m->residual_scale = text_config_float(t, "residual_multiplier", "residual_scale", 1);
    m->attention_scale = text_config_float(t, "attention_multiplier", "attention.scale", 1);
    m->logits_scale = 1 / text_config_float(t, "logits_scaling", "logit_scale", 1);
}

static void set_granite_moe(const text_config *t, text_decoder *m)
{
    set_granite(t, m);
    rename_newer(t, text_names_granite_moe_newer);
    m->normalized = true;
}

static void set_granite_hybrid(const text_config *t, text_decoder *m)
{
    set_granite(t, m);
    text_set_granite_hybrid(t, m);
}

static void set_layer_norms(const text_config *t, text_decoder *m, const char *epsilon)
{
    m->norm = TEXT_NORM_LAYER;
    m->epsilon = text_config_float(t, epsilon, "attention.layer_norm_epsilon", 1e-5);
}

static void set_stablelm(const text_config *t, text_decoder *m)
{
    set_layer_norms(t, m, "layer_norm_eps");
    m->parallel = config_bool(t, "use_parallel_residual", "use_parallel_residual", false);
    if (m->parallel)
        m->before_mlp = NULL;
    if (build_fact_bool(t->b, "qk_layernorm", false) || m->qk_norm)
        m->qk_norm = TEXT_QK_EACH;
}

static void set_starcoder2(const text_config *t, text_decoder *m)
{
    set_layer_norms(t, m, "norm_epsilon");
    set_windows(t, m, 0, 0, true);
    m->activation = BUILD_GELU_TANH;
    m->gated = false;
}

/* Pairs of a head that are rotated lie beside each other. */
static void set_cohere(const text_config *t, text_decoder *m)
{
    set_layer_norms(t, m, "layer_norm_eps");
    m->parallel = true;
    m->before_mlp = NULL;
    m->logits_scale = text_config_float(t, "logit_scale", "logit_scale", 0.0625);
    m->q_permuted = m->heads;
    m->k_permuted = m->kv_heads;
    if (m->qk_norm)
        m->qk_norm = TEXT_QK_EACH;
}

/* Layers without a window rotate nothing. */
static void set_cohere2(const text_config *t, text_decoder *m)
{
    const int64_t every = text_config_int(t, "sliding_window_pattern", "", 4);
    set_cohere(t, m);
    set_windows(t, m, every, 0, true);
    for (int64_t i = 0; i < m->n_layers; i++)
        m->layers[i].angles = is_within(t, i, every) ? 0 : -1;
}

static void set_neox(const text_config *t, text_decoder *m)
{
    set_layer_norms(t, m, "layer_norm_eps");
    m->parallel = config_bool(t, "use_parallel_residual", "use_parallel_residual", true);
    m->kv_heads = m->heads;
    m->activation = BUILD_GELU;
    m->gated = false;
    m->grouped = !t->gguf;
}

static void rotate_nothing(text_decoder *m)
{
    for (int64_t i = 0; i < m->n_layers; i++)
        m->layers[i].angles = -1;
}

/* One norm for attention and the MLP, or one each; one head of keys, a group of heads each, or as many as of queries. */
static void set_falcon(const text_config *t, text_decoder *m)
{
    const bool grouped = build_fact_bool(t->b, "new_decoder_architecture", false),
               apart = build_find(t->b, "model.layers.0.ln_attn.weight") != NULL;
    set_layer_norms(t, m, "layer_norm_epsilon");
    if (!t->gguf)
        m->kv_heads = grouped ? text_config_int(t, "num_kv_heads", "", m->heads)
                              : (build_fact_bool(t->b, "multi_query", true) ? 1 : m->heads);
    m->parallel = grouped || build_fact_bool(t->b, "parallel_attn", true);
    if (apart)
        m->before_attention = "ln_attn";
    if (m->parallel)
        m->before_mlp = apart ? "ln_mlp" : NULL;
    m->activation = BUILD_GELU;
    m->gated = false;
    m->grouped = !t->gguf;
    if (build_fact_bool(t->b, "alibi", false)) {
        m->alibi = (build_alibi){.max = 8,
                                 .coarse = true,
                                 .scale = 1 / sqrt((double)m->d / (double)(m->heads > 0 ? m->heads : 1))};
        rotate_nothing(m);
    }
}

/* Positions are a table, whose first two rows stand for padding. */
static void set_opt(const text_config *t, text_decoder *m)
{
    set_layer_norms(t, m, "layer_norm_eps");
    m->gated = false;
    m->kv_heads = m->heads;
    m->positions = "model.positions";
    m->first_position = 2;
    rotate_nothing(m);
    if (!build_fact_bool(t->b, "do_layer_norm_before", true)) {
        m->behind_attention = m->before_attention;
        m->behind_mlp = m->before_mlp;
        m->before_attention = m->before_mlp = m->last_norm = NULL;
    }
    if (build_find(t->b, "model.project_in.weight")) {
        m->words = m->d;
        m->d = build_dim(t->b, "model.project_in.weight", 0);
    }
}

static void set_bloom(const text_config *t, text_decoder *m)
{
    set_layer_norms(t, m, "layer_norm_epsilon");
    m->heads = m->kv_heads = text_config_int(t, "n_head", "attention.head_count", m->heads);
    m->n_ctx = text_config_int(t, "seq_length", "context_length", m->n_ctx);
    m->embedding_norm = "model.embed_norm";
    m->gated = false;
    m->grouped = !t->gguf;
    m->activation = BUILD_GELU_TANH;
    m->alibi = (build_alibi){.max = 8};
    rotate_nothing(m);
}

static void set_gptj(const text_config *t, text_decoder *m)
{
    set_layer_norms(t, m, "layer_norm_epsilon");
    m->heads = m->kv_heads = text_config_int(t, "n_head", "", m->heads);
    m->n_ctx = text_config_int(t, "n_positions", "", m->n_ctx);
    m->activation = BUILD_GELU_TANH;
    m->gated = false;
    m->parallel = true;
    m->before_mlp = NULL;
    m->half = text_config_int(t, "rotary_dim", "", 64) / 2;
    m->pairs_beside = true;
}

static void set_mpt(const text_config *t, text_decoder *m)
{
    const sib_str kind = build_fact_text(t->b, "attn_config.attn_type", "multihead_attention");
    set_layer_norms(t, m, "layer_norm_epsilon");
    m->heads = m->kv_heads = text_config_int(t, "n_heads", "attention.head_count", m->heads);
    m->n_ctx = text_config_int(t, "max_seq_len", "context_length", m->n_ctx);
    m->activation = BUILD_GELU;
    m->gated = false;
    m->qkv_clip = text_config_float(t, "attn_config.clip_qkv", "attention.clamp_kqv", 0);
    m->attention_scale = text_config_float(t, "attn_config.softmax_scale", "", 0);
    m->alibi = (build_alibi){
        .max = text_config_float(t, "attn_config.alibi_bias_max", "attention.max_alibi_bias", 8)};
    rotate_nothing(m);
    if (!str_is(kind, "multihead_attention") || !build_fact_bool(t->b, "attn_config.alibi", true) ||
        build_fact_bool(t->b, "attn_config.qk_ln", false))
        build_fail(t->b, SIB_ERR_UNSUPPORTED,
                   "%s: MPT with fewer heads of keys, norms of queries and keys, or without alibi is not "
                   "supported by the recipe llama",
                   checkpoint_file(t->b->c, 0));
}

static const text_family families[] = {
    {"llama", "llama", set_llama, text_names_gguf, true, NULL, NULL},
    {"mistral", "mistral", set_llama, text_names_gguf, true, NULL, NULL},
    {"qwen2", "qwen2", set_qwen, text_names_gguf, false, NULL, NULL},
    {"qwen3", "qwen3", set_qwen, text_names_gguf, false, NULL, NULL},
    {"gemma", "gemma", set_gemma, text_names_gguf, false, "use_bidirectional_attention", NULL},
    {"gemma2", "gemma2", set_gemma2, text_names_gguf_behind, false, "use_bidirectional_attention", NULL},
    {"gemma3", "gemma3", set_gemma3, text_names_gguf_behind, false, NULL, NULL},
    {"gemma3_text", NULL, set_gemma3, NULL, false, "use_bidirectional_attention", NULL},
    {"phi3", "phi3", set_llama, text_names_gguf, false, NULL, NULL},
    {"olmo2", "olmo2", set_olmo2, text_names_gguf_behind, false, NULL, NULL},
    {"mixtral", NULL, set_mixtral, NULL, false, NULL, text_names_mixtral}, /* GGUF calls it llama */
    {"qwen2_moe", "qwen2moe", set_qwen2_moe, text_names_gguf, false, NULL, NULL},
    {"qwen3_moe", "qwen3moe", set_qwen3_moe, text_names_gguf, false, NULL, NULL},
    {"olmoe", "olmoe", set_olmoe, text_names_gguf, false, NULL, NULL},
    {"granitemoe", "granitemoe", set_granite_moe, text_names_gguf, true, NULL, text_names_granite_moe},
    {"granitemoeshared", NULL, set_granite_moe, NULL, false, NULL, text_names_granite_moe},
    {"smollm3", "smollm3", set_smollm3, text_names_gguf, true, NULL, NULL},
    {"granite", "granite", set_granite, text_names_gguf, true, NULL, NULL},
    {"stablelm", "stablelm", set_stablelm, text_names_gguf, false, NULL, text_names_stablelm},
    {"starcoder2", "starcoder2", set_starcoder2, text_names_gguf, false, NULL, NULL},
    {"cohere", "command-r", set_cohere, text_names_gguf, false, NULL, NULL},
    {"cohere2", "cohere2", set_cohere2, text_names_gguf, false, NULL, NULL},
    {"gpt_neox", "gptneox", set_neox, text_names_gguf, false, NULL, text_names_neox},
    {"falcon", "falcon", set_falcon, text_names_gguf, false, NULL, text_names_bloom},
    {"opt", NULL, set_opt, NULL, false, NULL, text_names_opt},
    {"bloom", "bloom", set_bloom, text_names_gguf, false, "apply_residual_connection_post_layernorm",
     text_names_bloom},
    {"gptj", NULL, set_gptj, NULL, false, NULL, text_names_gptj},
    {"mpt", "mpt", set_mpt, text_names_gguf, false, NULL, text_names_mpt},
    {"deepseek_v2", NULL, text_set_deepseek2, NULL, false, "norm_topk_prob", text_names_deepseek},
    {"deepseek_v3", NULL, text_set_deepseek3, NULL, false, NULL, text_names_deepseek},
    {"lfm2", NULL, text_set_lfm2, NULL, false, NULL, text_names_lfm2},
    {"lfm2_moe", NULL, text_set_lfm2, NULL, false, NULL, text_names_lfm2},
    {"qwen3_next", NULL, text_set_qwen3_next, NULL, false, NULL, NULL},
    {"bamba", NULL, text_set_bamba, NULL, false, NULL, text_names_bamba},
    {"granitemoehybrid", NULL, set_granite_hybrid, NULL, false, NULL, text_names_granite_moe},
    {"falcon_h1", NULL, text_set_falcon_h1, NULL, false, NULL, text_names_bamba},
    {"jamba", NULL, text_set_jamba, NULL, false, NULL, text_names_bamba},
};
#define N_FAMILIES (sizeof families / sizeof *families)

const text_family *text_family_find(const text_config *t)
{
    build *b = t->b;
    const text_family *f = NULL;
    char names[600];
    size_t used = 0;
    for (size_t i = 0; i < N_FAMILIES; i++) {
        const char *type = t->gguf && families[i].architecture ? families[i].architecture : families[i].type;
        if (str_is(t->kind, type) || (!t->kind.length && !i))
            f = &families[i];
        if (used < sizeof names && (!t->gguf || families[i].architecture))
            used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", type);
    }
    if (!f)
        build_fail(b, SIB_ERR_UNSUPPORTED,
                   "%s: models of the type '%.*s' (%s) have weight names like Llama's, but the "
                   "recipe is for %s",
                   checkpoint_file(b->c, 0), (int)t->kind.length, t->kind.data,
                   t->gguf ? "general.architecture" : "model_type", names);
    else if (t->gguf && !f->architecture)
        build_fail(b, SIB_ERR_UNSUPPORTED, "%s: %s is read from Hugging Face's folders, not from GGUF",
                   checkpoint_file(b->c, 0), f->type);
    else if (f->refused && build_fact_bool(b, f->refused, false))
        build_fail(b, SIB_ERR_UNSUPPORTED, "%s: '%s' is not supported by the recipe llama",
                   checkpoint_file(b->c, 0), f->refused);
    return b->code == SIB_OK ? f : NULL;
}
