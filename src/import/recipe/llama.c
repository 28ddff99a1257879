/* Decoders of text that are built as Llama is (Touvron et al. 2023). What differs between their families is a row and a
   function of text_families.c, what their weights are called text_names.c; the graph is text_decoder.h's. Hugging Face's
   folders, and GGUF. */
#include "import/recipe/recipe.h"
#include "import/recipe/text_families.h"

#include <math.h>
#include <string.h>

static const char *const ignored[] = {"*.rotary_emb.inv_freq",   "rope_freqs.weight",
                                      "rope_factors_*.weight",   "*.attention.bias",
                                      "*.attention.masked_bias", "*.attn.bias",
                                      "*.attn.masked_bias",      "mtp.*",
                                      "*.mamba.mup_vector",      NULL};

static bool is_gguf(const checkpoint *c)
{
    return checkpoint_find(c, "token_embd.weight") && checkpoint_find(c, "blk.0.attn_output.weight") &&
           (checkpoint_find(c, "blk.0.ffn_up.weight") || checkpoint_find(c, "blk.0.ffn_up_exps.weight"));
}

/* Hugging Face's folders: a weight of the first layer, where it may lack the name of the model's part in front. */
static bool is_hugging_face(const checkpoint *c)
{
    static const char *const names[] = {
        "model.layers.0.self_attn.o_proj.weight",      "gpt_neox.layers.0.attention.dense.weight",
        "transformer.h.0.self_attention.dense.weight", "model.decoder.layers.0.fc1.weight",
        "transformer.h.0.attn.q_proj.weight",          "transformer.blocks.0.attn.Wqkv.weight",
        "model.layers.0.operator_norm.weight",         "model.layers.0.linear_attn.out_proj.weight",
        "model.layers.0.mamba.out_proj.weight"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (checkpoint_find(c, names[i]) || (i && checkpoint_find(c, strchr(names[i], '.') + 1)))
            return true;
    return false;
}

bool recipe_is_llama(const checkpoint *c)
{
    return is_gguf(c) || is_hugging_face(c);
}

/* The same names without the part in front ("transformer."), which checkpoints of the model without its head lack. */
static const build_rename *bare(build *b, const build_rename *all)
{
    size_t n = 0;
    while (all[n].from)
        n++;
    build_rename *out = b->code == SIB_OK ? arena_alloc(b->m->arena, n + 1, sizeof *out) : NULL;
    const size_t front = (size_t)(strchr(all->to, '.') + 1 - all->to);
    if (b->code == SIB_OK && !out)
        build_fail(b, SIB_ERR_MEMORY, "no memory for names");
    for (size_t i = 0; out && i <= n; i++) {
        out[i] = all[i];
        if (i < n && !strncmp(all[i].to, all->to, front))
            out[i].to += front;
    }
    return out ? out : all;
}

/* ---- Dimensions ---------------------------------------------------------------------------------------- */

/* The layers, without those behind them that predict several tokens at once, which are left out. */
static int64_t count_layers(build *b, const text_config *t)
{
    static const char *const ends[] = {".self_attn.o_proj.weight", ".post_attention_layernorm.weight"};
    const int64_t said = text_config_int(t, "num_hidden_layers", "", 0);
    int64_t n = 0;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        const int64_t found = build_count(b, "model.layers.", ends[i]);
        n = found > n ? found : n;
    }
    return said > 0 && said < n && !t->gguf ? said : n;
}

/* The name of the first layer's attention, of those that have it: "model.layers.2.self_attn.". */
static const char *first_attention(build *b, int64_t n_layers)
{
    int64_t i = 0;
    while (i < n_layers &&
           !build_find(b, build_text(b, "model.layers.%lld.self_attn.o_proj.weight", (long long)i)))
        i++;
    return build_text(b, "model.layers.%lld.self_attn.", (long long)(i < n_layers ? i : 0));
}

/* The size of a head, from the rows of its matrices. */
static void read_heads(build *b, text_decoder *m, const char *first)
{
    const char *name = build_text(b, m->fused ? "%sqkv_proj.weight" : "%sq_proj.weight", first);
    int64_t rows = build_dim(b, name, 0) / (m->output_gate ? 2 : 1),
            parts = m->heads + (m->fused ? 2 * m->kv_heads : 0),
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

/* The activation's name, under any of the keys that families have for it; "" where there is none. */
static sib_str activation_of(const build *b)
{
    static const char *const keys[] = {"hidden_activation", "hidden_act", "activation_function",
                                       "activation"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (checkpoint_fact(b->c, keys[i]))
            return build_fact_text(b, keys[i], "");
    return str_of("");
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

static void read_rotary(build *b, const text_config *t, text_decoder *m)
{
    double part = checkpoint_float(b->c, "rotary_pct", checkpoint_float(b->c, "partial_rotary_factor", 1)),
           theta = text_config_float(t, "rope_theta", "rope.freq_base", 0);
    part = checkpoint_float(b->c, "rope_parameters.partial_rotary_factor", part);
    if (!m->half)
        m->half = part > 0 && part <= 1 ? (int64_t)((double)m->size * part) / 2 : 0;
    if (t->gguf)
        m->half = text_config_int(t, "", "rope.dimension_count", m->size) / 2;
    if (b->code == SIB_OK && (m->half < 1 || m->half > m->size / 2))
        build_fail(b, SIB_ERR_FORMAT, "%s: the part of a head that is rotated is not above 0 and at most 1",
                   checkpoint_file(b->c, 0));
    theta = theta > 0 ? theta : checkpoint_float(b->c, "rotary_emb_base", 10000);
    theta = checkpoint_float(b->c, "rope_parameters.rope_theta", theta);
    for (int64_t i = 0; i < m->n_layers; i++) {
        const int table = m->layers[i].angles;
        if (table < 0 || m->angles[table].inverse)
            continue;
        const char *at = rope_of(b, table), *key = build_text(b, "%s.rope_theta", at);
        const bool apart =
            strchr(at, '.') != NULL; /* older files scale the angles of layers without a window alone */
        const double usual = table ? checkpoint_float(b->c, "rope_local_base_freq", 10000) : theta;
        const char *scaled =
            t->gguf ? build_text(b, "%.*s.rope.scaling", (int)t->kind.length, t->kind.data) : at;
        m->angles[table] =
            build_rope(b, !table || apart ? scaled : NULL, apart ? checkpoint_float(b->c, key, usual) : usual,
                       (size_t)m->half, m->n_ctx);
    }
}

/* Numbers that config.json says and no weight contradicts: finite, and at least 0. */
static void check_numbers(build *b, const text_decoder *m)
{
    const struct {
        const char *what;
        double x;
    } all[] = {{"the number of positions", m->n_ctx > 0 ? (double)m->n_ctx : -1},
               {"epsilon of norms", m->epsilon},
               {"the scale of embeddings", m->embedding_scale},
               {"the scale of what layers add", m->residual_scale},
               {"the scale of logits", m->logits_scale},
               {"the scale of attention", m->attention_scale},
               {"the cap of attention", m->attention_cap},
               {"the cap of logits", m->logits_cap},
               {"the scale of experts' shares", m->shares_scale},
               {"the scale of what attention reads", m->attention_in},
               {"the scale of what attention makes", m->attention_out},
               {"the scale of what states read", m->states.in_scale},
               {"the scale of what states make", m->states.out_scale},
               {"the scale of gates", m->gate_scale},
               {"the scale of what MLPs make", m->mlp_scale},
               {"the bound of queries, keys and values", m->qkv_clip},
               {"the largest slope (alibi_bias_max)", m->alibi.max}};
    for (size_t i = 0; b->code == SIB_OK && i < sizeof all / sizeof *all; i++)
        if (!(isfinite(all[i].x) && all[i].x >= 0))
            build_fail(b, SIB_ERR_FORMAT, "%s: %s that it gives is none that a model can have",
                       checkpoint_file(b->c, 0), all[i].what);
}

static text_decoder read_dims(build *b, const text_config *t, const text_family *f)
{
    text_decoder m = {.n_vocab = build_dim(b, "model.embed_tokens.weight", 0),
                      .d = build_dim(b, "model.embed_tokens.weight", 1),
                      .n_layers = count_layers(b, t),
                      .before_attention = "input_layernorm",
                      .before_mlp = "post_attention_layernorm",
                      .last_norm = "model.norm",
                      .gated = true,
                      .embedding_scale = 1,
                      .residual_scale = 1,
                      .shares_scale = 1,
                      .attention_in = 1,
                      .attention_out = 1,
                      .gate_scale = 1,
                      .mlp_scale = 1,
                      .logits_scale = 1};
    m.layers = arena_alloc(b->m->arena, (size_t)m.n_layers + 1, sizeof *m.layers);
    if (!m.layers) {
        build_fail(b, SIB_ERR_MEMORY, "no memory for %lld layers", (long long)m.n_layers);
        return m;
    }
    for (int64_t i = 0; i < m.n_layers; i++)
        m.layers[i] = (text_layer){TEXT_ATTENTION, 0, 0};
    const char *first = first_attention(b, m.n_layers);
    m.heads = text_config_int(t, "num_attention_heads", "attention.head_count", 0);
    m.kv_heads = text_config_int(t, "num_key_value_heads", "attention.head_count_kv", m.heads);
    m.n_ctx = text_config_int(t, "max_position_embeddings", "context_length", 2048);
    m.epsilon = text_config_float(t, "rms_norm_eps", "attention.layer_norm_rms_epsilon", 1e-6);
    m.fused = build_find(b, build_text(b, "%sqkv_proj.weight", first)) != NULL;
    m.qk_norm = build_find(b, build_text(b, "%sq_norm.weight", first)) ? TEXT_QK_HEAD : TEXT_QK_NONE;
    m.qkv_bias = build_find(b, build_text(b, m.fused ? "%sqkv_proj.bias" : "%sq_proj.bias", first)) != NULL;
    m.o_bias = build_find(b, build_text(b, "%so_proj.bias", first)) != NULL;
    m.tied = !build_find(b, "lm_head.weight");
    m.chosen = text_config_int(t, "num_experts_per_tok", "expert_used_count", 0);
    if (t->gguf && f->permuted) {
        m.q_permuted = m.heads;
        m.k_permuted = m.kv_heads;
    }
    f->set(t, &m);
    if (!m.rank)
        read_heads(b, &m, first);
    const sib_str act = activation_of(b);
    if (act.length)
        m.activation = build_activation_named(b, act);
    read_rotary(b, t, &m);
    check_numbers(b, &m);
    return m;
}

/* Leaves out the layers behind the last one, which predict several tokens at once. */
static void ignore_behind(build *b, int64_t n_layers)
{
    const size_t n = sizeof ignored / sizeof *ignored;
    const char **all = b->code == SIB_OK ? arena_alloc(b->m->arena, n + 1, sizeof *all) : NULL;
    const char *next = build_text(b, "model.layers.%lld.", (long long)n_layers);
    if (!all)
        return;
    memcpy(all, ignored, sizeof ignored);
    all[n - 1] = build_find(b, build_text(b, "%senorm.weight", next)) ? build_text(b, "%s*", next) : NULL;
    all[n] = NULL;
    b->ignored = all;
}

void recipe_llama(build *b)
{
    text_config t = {.b = b, .gguf = is_gguf(b->c)};
    t.kind = build_fact_text(b, t.gguf ? "general.architecture" : "model_type", "");
    const text_family *f = text_family_find(&t);
    if (!f)
        return;
    b->renames = t.gguf ? f->gguf : f->renames;
    b->ignored = ignored;
    if (b->renames && strchr(b->renames->to, '.') && !build_find(b, "model.embed_tokens.weight"))
        b->renames = bare(b, b->renames);
    text_decoder m = read_dims(b, &t, f);
    ignore_behind(b, m.n_layers);
    if (b->code == SIB_OK)
        text_decoder_build(b, &m);
}
