/* Decoders of Llama's family: RMS norms, rotary positions, grouped heads, SwiGLU. Llama and Mistral (Touvron
   et al. 2023, Jiang et al. 2023), Qwen2 (biases on queries, keys and values), Qwen3 (norms on queries and
   keys), with Hugging Face's names or GGUF's. tokens [B, N], at [M], past_k.i, past_v.i [B, kv_heads, P,
   size] -> logits [B, M, n_vocab], present_k.i, present_v.i [B, kv_heads, P+N, size]. Cached keys are already
   rotated. */
#include "import/recipe/recipe.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct llama {
    int64_t n_vocab, n_ctx, d, heads, kv_heads, size, layers, hidden;
    int64_t window; /* keys that a query sees; 0: all */
    double epsilon, theta;
    bool qkv_bias, o_bias, norms, tied;
    int64_t q_permuted, k_permuted; /* heads whose halves are interleaved in the file, or 0 */
    const float *inverse;           /* (size / 2) angles per position */
} llama;

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

/* Kinds of models with this graph, by config.json's model_type and GGUF's general.architecture. */
static const struct {
    const char *name;
    bool permuted; /* in GGUF: rows of queries and keys */
} kinds[] = {{"llama", true}, {"mistral", true}, {"qwen2", false}, {"qwen3", false}};

static bool is_gguf(const checkpoint *c)
{
    return checkpoint_find(c, "token_embd.weight") && checkpoint_find(c, "blk.0.ffn_gate.weight") &&
           checkpoint_find(c, "blk.0.attn_q.weight");
}

bool recipe_is_llama(const checkpoint *c)
{
    return is_gguf(c) || (checkpoint_find(c, "model.embed_tokens.weight") &&
                          checkpoint_find(c, "model.layers.0.self_attn.q_proj.weight") &&
                          checkpoint_find(c, "model.layers.0.mlp.gate_proj.weight"));
}

/* ---- Dimensions ---------------------------------------------------------------------------------------- */

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

/* Angles per position by pair of elements, theta^(-2 i / size), scaled by rope_scaling. */
static float *inverse_frequencies(build *b, const llama *m, const config *t)
{
    size_t half = (size_t)m->size / 2;
    float *out = b->code == SIB_OK ? arena_alloc(b->m->arena, half + 1, sizeof *out) : NULL;
    if (b->code == SIB_OK && !out)
        build_fail(b, SIB_ERR_MEMORY, "no memory for rotary positions");
    for (size_t i = 0; out && i < half; i++)
        out[i] = 1 / powf((float)m->theta, (float)(2 * i) / (float)m->size);
    if (out && !t->gguf)
        build_rope_scaling(b, out, half);
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

static void check_kind(build *b, const config *t)
{
    bool known = !t->kind.length;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        known |= str_is(t->kind, kinds[i].name);
    if (!known)
        build_fail(
            b, SIB_ERR_UNSUPPORTED,
            "%s: models of the type '%.*s' (model_type) have weight names like Llama's, but the recipe "
            "is for llama, mistral, qwen2 and qwen3",
            checkpoint_file(b->c, 0), (int)t->kind.length, t->kind.data);
    sib_str act = build_fact_text(b, "hidden_act", "silu");
    if (!str_is(act, "silu"))
        build_fail(b, SIB_ERR_UNSUPPORTED, "%s: the activation '%.*s' is not supported by the recipe llama",
                   checkpoint_file(b->c, 0), (int)act.length, act.data);
}

static int64_t window_of(const build *b, const config *t, int64_t n_ctx)
{
    int64_t window = config_int(t, "sliding_window", "attention.sliding_window", 0);
    if (str_is(t->kind, "qwen2") || str_is(t->kind, "qwen3"))
        window = build_fact_bool(b, "use_sliding_window", false) ? window : 0;
    return window > 0 && window < n_ctx ? window : 0;
}

static llama read_dims(build *b)
{
    config t = {.b = b, .gguf = is_gguf(b->c)};
    t.kind = build_fact_text(b, t.gguf ? "general.architecture" : "model_type", "");
    llama m = {.n_vocab = build_dim(b, "model.embed_tokens.weight", 0),
               .d = build_dim(b, "model.embed_tokens.weight", 1),
               .hidden = build_dim(b, "model.layers.0.mlp.gate_proj.weight", 0),
               .layers = build_count(b, "model.layers.", ".self_attn.q_proj.weight")};
    int64_t rows = build_dim(b, "model.layers.0.self_attn.q_proj.weight", 0),
            kv_rows = build_dim(b, "model.layers.0.self_attn.k_proj.weight", 0);
    check_kind(b, &t);
    m.heads = config_int(&t, "num_attention_heads", "attention.head_count", 0);
    m.kv_heads = config_int(&t, "num_key_value_heads", "attention.head_count_kv", m.heads);
    if (b->code == SIB_OK && (m.heads <= 0 || m.kv_heads <= 0 || rows % m.heads || m.heads % m.kv_heads ||
                              kv_rows != rows / m.heads * m.kv_heads || (rows / m.heads) % 2))
        build_fail(b, SIB_ERR_FORMAT,
                   "%s: the number of heads is %s: %lld and %lld for %lld and %lld rows (it is read from "
                   "config.json)",
                   checkpoint_file(b->c, 0), m.heads ? "wrong" : "missing", (long long)m.heads,
                   (long long)m.kv_heads, (long long)rows, (long long)kv_rows);
    m.size = m.heads > 0 ? rows / m.heads : 0;
    m.n_ctx = config_int(&t, "max_position_embeddings", "context_length", 2048);
    m.epsilon = config_float(&t, "rms_norm_eps", "attention.layer_norm_rms_epsilon", 1e-6);
    m.theta = config_float(&t, "rope_theta", "rope.freq_base", 0);
    m.theta = m.theta > 0 ? m.theta : checkpoint_float(b->c, "rope_parameters.rope_theta", 10000);
    m.window = window_of(b, &t, m.n_ctx);
    m.qkv_bias = build_find(b, "model.layers.0.self_attn.q_proj.bias") != NULL;
    m.o_bias = build_find(b, "model.layers.0.self_attn.o_proj.bias") != NULL;
    m.norms = build_find(b, "model.layers.0.self_attn.q_norm.weight") != NULL;
    m.tied = !build_find(b, "lm_head.weight");
    if (t.gguf && (str_is(t.kind, "llama") || str_is(t.kind, "mistral"))) {
        m.q_permuted = m.heads;
        m.k_permuted = m.kv_heads;
    }
    m.inverse = inverse_frequencies(b, &m, &t);
    return m;
}

/* ---- The graph ----------------------------------------------------------------------------------------- */

/* x [B, N, d] -> [B, N, heads * size]; permuted: `heads` of build_matrix. */
static value_id projection(build *b, value_id x, const char *name, int64_t in, int64_t out, bool biased,
                           int64_t permuted)
{
    value_id w = build_matrix(b, build_text(b, "%s.weight", name), in, out, BUILD_ROWS_OUT, permuted);
    value_id y = build_2(b, "MatMul", x, w);
    return biased ? build_add(b, y, build_vector_of_heads(b, build_text(b, "%s.bias", name), out, permuted))
                  : y;
}

/* Queries or keys [B, N, heads * size], normalised per head where the model does, rotated by their
   positions. */
static value_id rotated(build *b, value_id x, const char *norm, int64_t heads, const llama *m,
                        const build_rotary *r)
{
    if (m->norms) {
        x = build_reshape(b, x, 4, (const int64_t[]){0, 0, heads, m->size});
        x = build_rms_norm(b, x, norm, m->size, m->epsilon);
        x = build_reshape(b, x, 3, (const int64_t[]){0, 0, heads * m->size});
    }
    return build_rotate(b, x, heads, r);
}

static value_id block(build *b, value_id x, const char *where, const llama *m, const build_rotary *r,
                      build_attention *at)
{
    const char *attn = build_text(b, "%s.self_attn", where), *mlp = build_text(b, "%s.mlp", where);
    int64_t q_rows = m->heads * m->size, kv_rows = m->kv_heads * m->size;
    value_id y = build_rms_norm(b, x, build_text(b, "%s.input_layernorm", where), m->d, m->epsilon);
    value_id q = projection(b, y, build_text(b, "%s.q_proj", attn), m->d, q_rows, m->qkv_bias, m->q_permuted),
             k = projection(b, y, build_text(b, "%s.k_proj", attn), m->d, kv_rows, m->qkv_bias,
                            m->k_permuted);
    at->v = projection(b, y, build_text(b, "%s.v_proj", attn), m->d, kv_rows, m->qkv_bias, 0);
    at->q = rotated(b, q, build_text(b, "%s.q_norm", attn), m->heads, m, r);
    at->k = rotated(b, k, build_text(b, "%s.k_norm", attn), m->kv_heads, m, r);
    y = projection(b, build_attend(b, at), build_text(b, "%s.o_proj", attn), q_rows, m->d, m->o_bias, 0);
    x = build_add(b, x, y);
    y = build_rms_norm(b, x, build_text(b, "%s.post_attention_layernorm", where), m->d, m->epsilon);
    value_id gate = build_linear(b, y, build_text(b, "%s.gate_proj", mlp), m->d, m->hidden, BUILD_NO_BIAS),
             up = build_linear(b, y, build_text(b, "%s.up_proj", mlp), m->d, m->hidden, BUILD_NO_BIAS);
    y = build_mul(b, build_silu(b, gate), up);
    return build_add(b, x,
                     build_linear(b, y, build_text(b, "%s.down_proj", mlp), m->hidden, m->d, BUILD_NO_BIAS));
}

static void add_metadata(build *b, const llama *m)
{
    build_add_metadata_int(b, "n_vocab", m->n_vocab);
    build_add_metadata_int(b, "n_ctx", m->n_ctx);
    build_add_metadata_int(b, "n_embd", m->d);
    build_add_metadata_int(b, "n_head", m->heads);
    build_add_metadata_int(b, "n_kv_head", m->kv_heads);
    build_add_metadata_int(b, "head_size", m->size);
    build_add_metadata_int(b, "n_layer", m->layers);
}

void recipe_llama(build *b)
{
    b->renames = is_gguf(b->c) ? gguf : NULL;
    b->ignored = ignored;
    llama m = read_dims(b);
    if (b->code != SIB_OK)
        return;
    add_metadata(b, &m);
    build_scope(b, "llama");
    value_id tokens = build_input(b, "tokens", SIB_I64, "B N"), at = build_input(b, "at", SIB_I64, "M"),
             mask = NO_VALUE;
    build_table words = build_rows_table(b, "model.embed_tokens.weight", m.n_vocab, m.d), scores = words;
    value_id x = build_pick(b, &words, tokens);
    build_rotary r = {0};
    for (int64_t i = 0; i < m.layers; i++) {
        build_attention cache = {
            .size = m.size, .heads = m.heads, .kv_heads = m.kv_heads, .causal = true, .mask = mask};
        build_cache(b, i, m.kv_heads, m.size, &cache);
        if (i == 0) {
            r = build_cos_sin(b, tokens, cache.past_k, m.inverse, (size_t)m.size / 2);
            mask = cache.mask = m.window ? build_window(b, tokens, cache.past_k, m.window) : NO_VALUE;
        }
        build_scope(b, "model.layers.%lld", (long long)i);
        x = block(b, x, b->scope, &m, &r, &cache);
        build_cached(b, i, m.kv_heads, m.size, &cache);
    }
    build_scope(b, "llama");
    x = build_rms_norm(b, build_gather(b, x, at, 1), "model.norm", m.d, m.epsilon); /* [B, M, d] */
    if (!m.tied)
        scores = build_rows_table(b, "lm_head.weight", m.n_vocab, m.d);
    build_output(b, build_scores(b, x, &scores, at), "logits", SIB_F32, "B M %lld", (long long)m.n_vocab);
}
