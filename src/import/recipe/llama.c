/* Decoders of text with Llama's names of weights: Llama and Mistral (Touvron et al. 2023, Jiang et al. 2023), Qwen2 and Qwen3,
   Gemma 1 to 3, Phi-3 and Phi-4, OLMo 2, SmolLM3, Granite, StableLM, StarCoder2, Cohere's Command R. What differs between
   them is a row and a function here; the graph is text_decoder.h's. Hugging Face's folders, and of the first four GGUF. */
#include "import/recipe/recipe.h"
#include "import/recipe/text_decoder.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const build_rename gguf[] = {
    {"model.embed_tokens", "token_embd"},
    {"model.norm", "output_norm"},
    {"lm_head", "output"},
    {"model.layers.", "blk."},
    {".self_attn.q_proj", ".attn_q"},
    {".self_attn.k_proj", ".attn_k"},
    {".self_attn.v_proj", ".attn_v"},
    {".self_attn.o_proj", ".attn_output"},
    {".self_attn.q_norm", ".attn_q_norm"},
    {".self_attn.k_norm", ".attn_k_norm"},
    {".input_layernorm", ".attn_norm"},
    {".post_attention_layernorm", ".ffn_norm"},
    {".mlp.gate_proj", ".ffn_gate"},
    {".mlp.up_proj", ".ffn_up"},
    {".mlp.down_proj", ".ffn_down"},
    {NULL, NULL},
};

static const char *const ignored[] = {"*.rotary_emb.inv_freq", "rope_freqs.weight", NULL};

static bool is_gguf(const checkpoint *c)
{
    return checkpoint_find(c, "token_embd.weight") && checkpoint_find(c, "blk.0.ffn_gate.weight") &&
           checkpoint_find(c, "blk.0.attn_q.weight");
}

bool recipe_is_llama(const checkpoint *c)
{
    return is_gguf(c) || (checkpoint_find(c, "model.embed_tokens.weight") &&
                          checkpoint_find(c, "model.layers.0.self_attn.o_proj.weight"));
}

/* ---- What config.json says ----------------------------------------------------------------------------- */

/* A number that config.json stores under `key`, and GGUF under "<architecture>.<theirs>". */
typedef struct config {
    const build *b;
    bool gguf;
    sib_str kind;
} config;

static const char *key_of(const config *t, const char *key, const char *theirs, char *text, size_t size)
{
    if (!t->gguf)
        return key;
    snprintf(text, size, "%.*s.%s", (int)t->kind.length, t->kind.data, theirs);
    return text;
}

static int64_t config_int(const config *t, const char *key, const char *theirs, int64_t otherwise)
{
    char text[120];
    return checkpoint_int(t->b->c, key_of(t, key, theirs, text, sizeof text), otherwise);
}

static double config_float(const config *t, const char *key, const char *theirs, double otherwise)
{
    char text[120];
    return checkpoint_float(t->b->c, key_of(t, key, theirs, text, sizeof text), otherwise);
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

/* Layers of which `type` ("layer_types") is not said attend within the window where `within` is true of them. */
static void set_windows(const config *t, text_decoder *m, int64_t every, int64_t from, bool used)
{
    int64_t window = used ? config_int(t, "sliding_window", "attention.sliding_window", 0) : 0;
    for (int64_t i = 0; i < m->n_layers; i++) {
        const bool within = i >= from && (!every || (i + 1) % every);
        const sib_str type =
            text_of_layer(t->b, "layer_types", i, within ? "sliding_attention" : "full_attention");
        m->layers[i].window =
            str_is(type, "sliding_attention") && window > 0 && window < m->n_ctx ? window : 0;
    }
}

static void set_llama(const config *t, text_decoder *m)
{
    set_windows(t, m, 0, 0, true);
}

static void set_qwen(const config *t, text_decoder *m)
{
    set_windows(t, m, 0, config_int(t, "max_window_layers", "", 28),
                build_fact_bool(t->b, "use_sliding_window", false));
}

static void set_gemma(const config *t, text_decoder *m)
{
    (void)t;
    m->norm = TEXT_NORM_RMS_PLUS_ONE;
    m->embedding_scale = (double)sqrtf((float)m->d);
}

static void set_gemma2(const config *t, text_decoder *m)
{
    set_gemma(t, m);
    set_windows(t, m, 2, 0, true);
    m->after_attention = "post_attention_layernorm";
    m->before_mlp = "pre_feedforward_layernorm";
    m->after_mlp = "post_feedforward_layernorm";
    m->attention_scale = 1 / sqrt(config_float(t, "query_pre_attn_scalar", "", 256));
    m->attention_cap = config_float(t, "attn_logit_softcapping", "", 0);
    m->logits_cap = config_float(t, "final_logit_softcapping", "", 0);
}

/* Layers with a window have angles of their own. */
static void set_gemma3(const config *t, text_decoder *m)
{
    set_gemma2(t, m);
    set_windows(t, m, config_int(t, "sliding_window_pattern", "", 6), 0, true);
    for (int64_t i = 0; i < m->n_layers; i++) {
        const sib_str type = text_of_layer(t->b, "layer_types", i, "");
        m->layers[i].angles = str_is(type, "sliding_attention") || (!type.length && (i + 1) % 6) ? 1 : 0;
    }
}

static void set_olmo2(const config *t, text_decoder *m)
{
    (void)t;
    m->before_attention = m->before_mlp = NULL;
    m->after_attention = "post_attention_layernorm";
    m->after_mlp = "post_feedforward_layernorm";
    m->qk_norm = TEXT_QK_ALL;
}

/* Some layers rotate nothing. */
static void set_smollm3(const config *t, text_decoder *m)
{
    const int64_t every = config_int(t, "no_rope_layer_interval", "", 4);
    set_windows(t, m, 0, 0, build_fact_bool(t->b, "use_sliding_window", false));
    for (int64_t i = 0; i < m->n_layers; i++)
        m->layers[i].angles = int_of_layer(t->b, "no_rope_layers", i, every < 1 || (i + 1) % every) ? 0 : -1;
}

static void set_granite(const config *t, text_decoder *m)
{
    m->embedding_scale = config_float(t, "embedding_multiplier", "", 1);
    m->residual_scale = config_float(t, "residual_multiplier", "", 1);
    m->attention_scale = config_float(t, "attention_multiplier", "", 1);
    m->logits_scale = 1 / config_float(t, "logits_scaling", "", 1);
}

static void set_layer_norms(const config *t, text_decoder *m, const char *epsilon)
{
    m->norm = TEXT_NORM_LAYER;
    m->epsilon = config_float(t, epsilon, "", 1e-5);
}

static void set_stablelm(const config *t, text_decoder *m)
{
    set_layer_norms(t, m, "layer_norm_eps");
    m->parallel = build_fact_bool(t->b, "use_parallel_residual", false);
}

static void set_starcoder2(const config *t, text_decoder *m)
{
    set_layer_norms(t, m, "norm_epsilon");
    set_windows(t, m, 0, 0, true);
    m->gated = false;
}

/* Pairs of a head that are rotated lie beside each other. */
static void set_cohere(const config *t, text_decoder *m)
{
    set_layer_norms(t, m, "layer_norm_eps");
    m->parallel = true;
    m->logits_scale = config_float(t, "logit_scale", "", 0.0625);
    m->q_permuted = m->heads;
    m->k_permuted = m->kv_heads;
}

/* By config.json's model_type and GGUF's general.architecture. */
static const struct family {
    const char *type;
    void (*set)(const config *t, text_decoder *m); /* what differs from Llama */
    bool gguf, permuted;                           /* read from GGUF; there with permuted queries and keys */
    const char *refused; /* a setting that is true in none that can be read; NULL: none */
} families[] = {
    {"llama", set_llama, true, true, NULL},
    {"mistral", set_llama, true, true, NULL},
    {"qwen2", set_qwen, true, false, NULL},
    {"qwen3", set_qwen, true, false, NULL},
    {"gemma", set_gemma, false, false, "use_bidirectional_attention"},
    {"gemma2", set_gemma2, false, false, "use_bidirectional_attention"},
    {"gemma3_text", set_gemma3, false, false, "use_bidirectional_attention"},
    {"phi3", set_llama, false, false, NULL},
    {"olmo2", set_olmo2, false, false, NULL},
    {"smollm3", set_smollm3, false, false, NULL},
    {"granite", set_granite, false, false, NULL},
    {"stablelm", set_stablelm, false, false, "qk_layernorm"},
    {"starcoder2", set_starcoder2, false, false, NULL},
    {"cohere", set_cohere, false, false, "use_qk_norm"},
};
#define N_FAMILIES (sizeof families / sizeof *families)

/* The family of the model, where config.json or GGUF says it; Llama's where nothing does. NULL, and the build has failed:
   another. */
static const struct family *find_family(build *b, const config *t)
{
    const struct family *f = NULL;
    char names[200];
    size_t used = 0;
    for (size_t i = 0; i < N_FAMILIES; i++) {
        if (str_is(t->kind, families[i].type) || (!t->kind.length && !i))
            f = &families[i];
        if (used < sizeof names)
            used +=
                (size_t)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", families[i].type);
    }
    if (!f)
        build_fail(b, SIB_ERR_UNSUPPORTED,
                   "%s: models of the type '%.*s' (model_type) have weight names like Llama's, but the "
                   "recipe is for %s",
                   checkpoint_file(b->c, 0), (int)t->kind.length, t->kind.data, names);
    else if (t->gguf && !f->gguf)
        build_fail(b, SIB_ERR_UNSUPPORTED, "%s: %s is read from Hugging Face's folders, not from GGUF",
                   checkpoint_file(b->c, 0), f->type);
    else if (f->refused && build_fact_bool(b, f->refused, false))
        build_fail(b, SIB_ERR_UNSUPPORTED, "%s: '%s' is not supported by the recipe llama",
                   checkpoint_file(b->c, 0), f->refused);
    return b->code == SIB_OK ? f : NULL;
}

/* ---- Dimensions ---------------------------------------------------------------------------------------- */

static void read_heads(build *b, const config *t, text_decoder *m)
{
    const char *first = "model.layers.0.self_attn.";
    m->fused = build_find(b, build_text(b, "%sqkv_proj.weight", first)) != NULL;
    m->heads = config_int(t, "num_attention_heads", "attention.head_count", 0);
    m->kv_heads = config_int(t, "num_key_value_heads", "attention.head_count_kv", m->heads);
    const char *name = build_text(b, m->fused ? "%sqkv_proj.weight" : "%sq_proj.weight", first);
    int64_t rows = build_dim(b, name, 0), parts = m->heads + (m->fused ? 2 * m->kv_heads : 0),
            kv_rows = m->fused ? 0 : build_dim(b, build_text(b, "%sk_proj.weight", first), 0);
    const bool known = m->heads > 0 && m->kv_heads > 0 && m->kv_heads <= rows && m->heads <= rows;
    m->size = known ? rows / parts : 0;
    if (b->code == SIB_OK && (!known || rows % parts || m->heads % m->kv_heads || m->size % 2 ||
                              (!m->fused && kv_rows != m->size * m->kv_heads)))
        build_fail(b, SIB_ERR_FORMAT,
                   "%s: the number of heads is %s: %lld and %lld for %lld and %lld rows (it is read from "
                   "config.json)",
                   checkpoint_file(b->c, 0), m->heads ? "wrong" : "missing", (long long)m->heads,
                   (long long)m->kv_heads, (long long)rows, (long long)kv_rows);
}

static void read_mlp(build *b, text_decoder *m)
{
    static const struct {
        const char *name;
        text_activation is;
    } all[] = {{"silu", TEXT_SILU},          {"swish", TEXT_SILU},
               {"gelu", TEXT_GELU},          {"gelu_pytorch_tanh", TEXT_GELU_TANH},
               {"gelu_new", TEXT_GELU_TANH}, {"relu", TEXT_RELU}};
    const sib_str act = build_fact_text(
        b, checkpoint_fact(b->c, "hidden_activation") ? "hidden_activation" : "hidden_act", "silu");
    const char *name = m->gated ? (m->fused ? "gate_up_proj" : "gate_proj") : "c_fc";
    size_t i = 0;
    while (i < sizeof all / sizeof *all && !str_is(act, all[i].name))
        i++;
    if (i == sizeof all / sizeof *all)
        build_fail(b, SIB_ERR_UNSUPPORTED, "%s: the activation '%.*s' is not supported by the recipe llama",
                   checkpoint_file(b->c, 0), (int)act.length, act.data);
    else
        m->activation = all[i].is;
    m->hidden = build_dim(b, build_text(b, "model.layers.0.mlp.%s.weight", name), 0) / (m->fused ? 2 : 1);
    m->mlp_bias = build_find(b, build_text(b, "model.layers.0.mlp.%s.bias", name)) != NULL;
}

/* Where config.json has a model's rotary positions: one for all layers, or one for each kind of layer. */
static const char *rope_of(build *b, int table)
{
    static const char *const kinds[] = {"rope_parameters.full_attention",
                                        "rope_parameters.sliding_attention"};
    if (checkpoint_fact(b->c, build_text(b, "%s.rope_theta", kinds[table])))
        return kinds[table];
    return checkpoint_fact(b->c, "rope_parameters.rope_type") ? "rope_parameters" : "rope_scaling";
}

/* Angles per position by pair of elements, theta^(-2 i / n) of n elements, scaled as `at` of config.json says. */
static float *read_angles(build *b, const config *t, const char *at, double theta, size_t half,
                          bool with_scaling)
{
    float *out = b->code == SIB_OK ? arena_alloc(b->m->arena, half + 1, sizeof *out) : NULL;
    if (b->code == SIB_OK && !out)
        build_fail(b, SIB_ERR_MEMORY, "no memory for rotary positions");
    for (size_t i = 0; out && i < half; i++)
        out[i] = 1 / powf((float)theta, (float)(2 * i) / (float)(2 * half));
    if (out && !t->gguf && with_scaling)
        build_rope_scaling(b, at, out, half);
    /* GGUF stores the divisors of Llama 3's scaling */
    const weight *w = out && t->gguf ? checkpoint_find(b->c, "rope_freqs.weight") : NULL;
    uint64_t n;
    if (!w)
        return out;
    float *factors = arena_alloc(b->m->arena, half + 1, sizeof *factors);
    if (!factors || !weight_count(w, &n) || n != half ||
        weight_read(w, 0, half, SIB_F32, factors, b->err) != SIB_OK)
        build_fail(b, SIB_ERR_FORMAT, "rope_freqs.weight: expected %zu elements", half);
    for (size_t i = 0; b->code == SIB_OK && i < half; i++)
        out[i] /= factors[i];
    return out;
}

static void read_rotary(build *b, const config *t, text_decoder *m)
{
    double part = checkpoint_float(b->c, "rope_parameters.partial_rotary_factor",
                                   checkpoint_float(b->c, "partial_rotary_factor", 1)),
           theta = config_float(t, "rope_theta", "rope.freq_base", 0);
    m->half = part > 0 && part <= 1 ? (int64_t)((double)m->size * part) / 2 : 0;
    if (b->code == SIB_OK && m->half < 1)
        build_fail(b, SIB_ERR_FORMAT, "%s: 'partial_rotary_factor' is not above 0 and at most 1",
                   checkpoint_file(b->c, 0));
    theta = theta > 0 ? theta : checkpoint_float(b->c, "rope_parameters.rope_theta", 10000);
    for (int64_t i = 0; i < m->n_layers; i++) {
        const int table = m->layers[i].angles;
        if (table < 0 || m->angles[table])
            continue;
        const char *at = rope_of(b, table), *key = build_text(b, "%s.rope_theta", at);
        const bool apart =
            strchr(at, '.') != NULL; /* older files scale the angles of layers without a window alone */
        const double usual = table ? checkpoint_float(b->c, "rope_local_base_freq", 10000) : theta;
        m->angles[table] = read_angles(b, t, at, apart ? checkpoint_float(b->c, key, usual) : usual,
                                       (size_t)m->half, !table || apart);
    }
}

static text_decoder read_dims(build *b)
{
    config t = {.b = b, .gguf = is_gguf(b->c)};
    t.kind = build_fact_text(b, t.gguf ? "general.architecture" : "model_type", "");
    text_decoder m = {.n_vocab = build_dim(b, "model.embed_tokens.weight", 0),
                      .d = build_dim(b, "model.embed_tokens.weight", 1),
                      .n_layers = build_count(b, "model.layers.", ".self_attn.o_proj.weight"),
                      .before_attention = "input_layernorm",
                      .before_mlp = "post_attention_layernorm",
                      .gated = true,
                      .embedding_scale = 1,
                      .residual_scale = 1,
                      .logits_scale = 1};
    const struct family *f = find_family(b, &t);
    m.layers = f ? arena_alloc(b->m->arena, (size_t)m.n_layers + 1, sizeof *m.layers) : NULL;
    if (f && !m.layers)
        build_fail(b, SIB_ERR_MEMORY, "no memory for %lld layers", (long long)m.n_layers);
    if (b->code != SIB_OK)
        return m;
    for (int64_t i = 0; i < m.n_layers; i++)
        m.layers[i] = (text_layer){0, 0};
    read_heads(b, &t, &m);
    m.n_ctx = config_int(&t, "max_position_embeddings", "context_length", 2048);
    m.epsilon = config_float(&t, "rms_norm_eps", "attention.layer_norm_rms_epsilon", 1e-6);
    m.qk_norm = build_find(b, "model.layers.0.self_attn.q_norm.weight") ? TEXT_QK_HEAD : TEXT_QK_NONE;
    m.qkv_bias = build_find(b, build_text(b, "model.layers.0.self_attn.%s.bias",
                                          m.fused ? "qkv_proj" : "q_proj")) != NULL;
    m.o_bias = build_find(b, "model.layers.0.self_attn.o_proj.bias") != NULL;
    m.tied = !build_find(b, "lm_head.weight");
    if (t.gguf && f->permuted) {
        m.q_permuted = m.heads;
        m.k_permuted = m.kv_heads;
    }
    f->set(&t, &m);
    read_mlp(b, &m);
    read_rotary(b, &t, &m);
    return m;
}

void recipe_llama(build *b)
{
    b->renames = is_gguf(b->c) ? gguf : NULL;
    b->ignored = ignored;
    text_decoder m = read_dims(b);
    if (b->code == SIB_OK)
        text_decoder_build(b, &m);
}
