/* GPT-2: tokens [B, N], at [M], past_k.i, past_v.i [B, heads, P, size] -> logits [B, M, n_vocab],
   present_k.i, present_v.i [B, heads, P+N, size]. After Radford et al. 2019, with Hugging Face's names;
   weights of its products are [in, out]. */
#include "import/recipe/recipe.h"

#include <string.h>

typedef struct gpt2 {
    int64_t n_vocab, n_ctx, d, heads, layers, hidden;
    double epsilon;
    bool by_tanh;
} gpt2;

/* Masks in older files, and the output layer, which equals the embedding. */
static const char *const ignored[] = {"*.attn.bias", "*.attn.masked_bias", "lm_head.weight", NULL};

static const char *prefix_of(const checkpoint *c)
{
    if (checkpoint_find(c, "wte.weight") && checkpoint_find(c, "h.0.attn.c_attn.weight"))
        return "";
    return checkpoint_find(c, "transformer.wte.weight") &&
                   checkpoint_find(c, "transformer.h.0.attn.c_attn.weight")
               ? "transformer."
               : NULL;
}

bool recipe_is_gpt2(const checkpoint *c)
{
    return prefix_of(c) && checkpoint_find(c, prefix_of(c)[0] ? "transformer.wpe.weight" : "wpe.weight");
}

static gpt2 read_dims(build *b)
{
    gpt2 g = {.n_vocab = build_dim(b, "wte.weight", 0),
              .d = build_dim(b, "wte.weight", 1),
              .n_ctx = build_dim(b, "wpe.weight", 0),
              .hidden = build_dim(b, "h.0.mlp.c_fc.weight", 1),
              .layers = build_count(b, "h.", ".attn.c_attn.weight"),
              .epsilon = checkpoint_float(b->c, "layer_norm_epsilon", 1e-5)};
    g.heads = checkpoint_int(b->c, "n_head", checkpoint_int(b->c, "num_attention_heads", g.d / 64));
    sib_str act = build_fact_text(b, "activation_function", "gelu_new");
    g.by_tanh = !str_is(act, "gelu");
    if (g.by_tanh && !str_is(act, "gelu_new") && !str_is(act, "gelu_pytorch_tanh"))
        build_fail(b, SIB_ERR_UNSUPPORTED, "%s: the activation '%.*s' is not supported by the recipe gpt2",
                   checkpoint_file(b->c, 0), (int)act.length, act.data);
    if (build_fact_bool(b, "scale_attn_by_inverse_layer_idx", false) ||
        !build_fact_bool(b, "scale_attn_weights", true))
        build_fail(
            b, SIB_ERR_UNSUPPORTED,
            "%s: attention is scaled by its layer or not at all, which is not supported by the recipe gpt2",
            checkpoint_file(b->c, 0));
    if (g.d <= 0 || g.heads <= 0 || g.d % g.heads)
        build_fail(b, SIB_ERR_FORMAT, "%s: a state of %lld numbers cannot be %lld heads",
                   checkpoint_file(b->c, 0), (long long)g.d, (long long)g.heads);
    return g;
}

static value_id product(build *b, value_id x, const char *where, const char *what, int64_t in, int64_t out)
{
    value_id w = build_matrix(b, build_text(b, "%s.%s.weight", where, what), in, out, BUILD_COLUMNS_OUT, 0);
    return build_add(b, build_2(b, "MatMul", x, w),
                     build_vector(b, build_text(b, "%s.%s.bias", where, what), out));
}

static value_id block(build *b, value_id x, const char *where, const gpt2 *g, build_attention *at)
{
    value_id parts[3], y = build_layer_norm(b, x, build_text(b, "%s.ln_1", where), g->d, g->epsilon);
    build_split(b, product(b, y, where, "attn.c_attn", g->d, 3 * g->d), -1, 3, parts);
    at->q = parts[0];
    at->k = parts[1];
    at->v = parts[2];
    x = build_add(b, x, product(b, build_attend(b, at), where, "attn.c_proj", g->d, g->d));
    y = build_layer_norm(b, x, build_text(b, "%s.ln_2", where), g->d, g->epsilon);
    y = build_gelu(b, product(b, y, where, "mlp.c_fc", g->d, g->hidden), g->by_tanh);
    return build_add(b, x, product(b, y, where, "mlp.c_proj", g->hidden, g->d));
}

static void add_metadata(build *b, const gpt2 *g)
{
    build_add_metadata_int(b, "n_vocab", g->n_vocab);
    build_add_metadata_int(b, "n_ctx", g->n_ctx);
    build_add_metadata_int(b, "n_embd", g->d);
    build_add_metadata_int(b, "n_head", g->heads);
    build_add_metadata_int(b, "n_kv_head", g->heads);
    build_add_metadata_int(b, "head_size", g->d / g->heads);
    build_add_metadata_int(b, "n_layer", g->layers);
}

void recipe_gpt2(build *b)
{
    const char *prefix = prefix_of(b->c);
    b->prefix = prefix ? prefix : "";
    b->ignored = ignored;
    gpt2 g = read_dims(b);
    if (b->code != SIB_OK)
        return;
    add_metadata(b, &g);
    build_scope(b, "gpt2");
    value_id tokens = build_input(b, "tokens", SIB_I64, "B N"), at = build_input(b, "at", SIB_I64, "M"),
             x = NO_VALUE;
    build_table words = build_rows_table(b, "wte.weight", g.n_vocab, g.d);
    for (int64_t i = 0; i < g.layers; i++) {
        build_attention cache = {
            .size = g.d / g.heads, .heads = g.heads, .kv_heads = g.heads, .causal = true, .mask = NO_VALUE};
        build_cache(b, i, g.heads, g.d / g.heads, &cache);
        if (i == 0)
            x = build_add(b, build_pick(b, &words, tokens),
                          build_positions(b, "wpe.weight", 0, g.n_ctx, g.d, tokens, cache.past_k));
        build_scope(b, "h.%lld", (long long)i);
        x = block(b, x, b->scope, &g, &cache);
        build_cached(b, i, g.heads, g.d / g.heads, &cache);
    }
    build_scope(b, "gpt2");
    x = build_layer_norm(b, build_gather(b, x, at, 1), "ln_f", g.d, g.epsilon); /* [B, M, d] */
    build_output(b, build_scores(b, x, &words, at), "logits", SIB_F32, "B M %lld", (long long)g.n_vocab);
}
