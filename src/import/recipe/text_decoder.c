#include "import/recipe/text_mixers.h"

#include <string.h>

/* ---- Parts --------------------------------------------------------------------------------------------- */

static value_id norm_of(build *b, const text_decoder *m, value_id x, const char *name, int64_t n)
{
    const char *bias = build_text(b, "%s.bias", name);
    value_id scale = build_vector(b, build_text(b, "%s.weight", name), n), shift = NO_VALUE;
    if (m->norm == TEXT_NORM_RMS_PLUS_ONE)
        scale = build_add(b, scale, build_float(b, 1));
    if (m->norm == TEXT_NORM_LAYER && build_find(b, bias))
        shift = build_vector(b, bias, n);
    return m->norm == TEXT_NORM_LAYER ? build_norm(b, "LayerNormalization", x, scale, shift, m->epsilon)
                                      : build_norm(b, "RMSNormalization", x, scale, NO_VALUE, m->epsilon);
}

/* x * factor, where that changes x. */
static value_id scaled(build *b, value_id x, double factor)
{
    return factor == 1 ? x : build_mul(b, x, build_float(b, factor));
}

/* x [B, N, in] -> [B, N, out]; permuted: `heads` of build_matrix. */
static value_id projection(build *b, value_id x, const char *name, int64_t in, int64_t out, bool biased,
                           int64_t permuted)
{
    value_id w = build_matrix(b, build_text(b, "%s.weight", name), in, out, BUILD_ROWS_OUT, permuted);
    value_id y = build_2(b, "MatMul", x, w);
    return biased ? build_add(b, y, build_vector_of_heads(b, build_text(b, "%s.bias", name), out, permuted))
                  : y;
}

/* ---- Attention ----------------------------------------------------------------------------------------- */

/* The scales [heads, size] of a norm that has its own for each head: one weight, or one for each head. */
static value_id scales_of_heads(build *b, const text_decoder *m, const char *name, int64_t heads,
                                int64_t permuted)
{
    if (!build_find(b, build_text(b, "%s.norms.0.weight", name)))
        return build_heads(b, build_text(b, "%s.weight", name), heads, m->size, permuted);
    value_id *parts = b->code == SIB_OK ? arena_alloc(b->m->arena, (size_t)heads, sizeof *parts) : NULL;
    if (!parts) {
        build_fail(b, SIB_ERR_MEMORY, "no memory for norms");
        return NO_VALUE;
    }
    for (int64_t i = 0; i < heads; i++)
        parts[i] = build_vector(b, build_text(b, "%s.norms.%lld.weight", name, (long long)i), m->size);
    return build_reshape(b, build_concat(b, 0, (size_t)heads, parts), 2, (const int64_t[]){heads, m->size});
}

/* Queries or keys [B, N, heads * size], normalised where the model does, rotated by their positions. permuted: `heads` of
   build_matrix; r: NULL for none. */
static value_id rotated(build *b, const text_decoder *m, value_id x, const char *norm, int64_t heads,
                        int64_t permuted, const build_rotary *r)
{
    if (m->qk_norm == TEXT_QK_ALL)
        x = norm_of(b, m, x, norm, heads * m->size);
    if (m->qk_norm == TEXT_QK_HEAD || m->qk_norm == TEXT_QK_EACH) {
        x = build_reshape(b, x, 4, (const int64_t[]){0, 0, heads, m->size});
        x = m->qk_norm == TEXT_QK_HEAD ? norm_of(b, m, x, norm, m->size)
                                       : build_mul(b, build_plain_norm(b, x, m->size, m->epsilon),
                                                   scales_of_heads(b, m, norm, heads, permuted));
        x = build_reshape(b, x, 3, (const int64_t[]){0, 0, heads * m->size});
    }
    return r ? build_rotate(b, x, heads, m->size, r) : x;
}

/* Queries, keys and values of y [B, N, d]. */
static void project(build *b, const text_decoder *m, value_id y, const char *name, value_id qkv[3])
{
    static const char *const names[] = {"q_proj", "k_proj", "v_proj"};
    const int64_t rows[] = {m->heads * m->size * (m->output_gate ? 2 : 1), m->kv_heads * m->size,
                            m->kv_heads * m->size},
                  permuted[] = {m->q_permuted, m->k_permuted, 0};
    if (m->fused)
        y = projection(b, y, build_text(b, "%s.qkv_proj", name), m->d, rows[0] + rows[1] + rows[2],
                       m->qkv_bias, 0);
    if (m->qkv_clip != 0)
        y = build_3(b, "Clip", y, build_float(b, -m->qkv_clip), build_float(b, m->qkv_clip));
    if (m->fused && m->grouped) {
        const int64_t heads[] = {m->heads / m->kv_heads, 1, 1};
        y = build_reshape(b, y, 5, (const int64_t[]){0, 0, m->kv_heads, heads[0] + 2, m->size});
        build_split_as(b, y, 3, 3, heads, qkv);
        for (size_t i = 0; i < 3; i++)
            qkv[i] = build_reshape(b, qkv[i], 3, (const int64_t[]){0, 0, rows[i]});
    } else if (m->fused)
        build_split_as(b, y, -1, 3, rows, qkv);
    for (size_t i = 0; i < 3 && !m->fused; i++)
        qkv[i] =
            projection(b, y, build_text(b, "%s.%s", name, names[i]), m->d, rows[i], m->qkv_bias, permuted[i]);
}

/* The sigmoids of the gates behind each head's queries, which stay in *q. */
static value_id gates_of(build *b, const text_decoder *m, value_id *q)
{
    value_id parts[2];
    build_split(b, build_reshape(b, *q, 4, (const int64_t[]){0, 0, m->heads, 2 * m->size}), -1, 2, parts);
    for (size_t i = 0; i < 2; i++)
        parts[i] = build_reshape(b, parts[i], 3, (const int64_t[]){0, 0, m->heads * m->size});
    *q = parts[0];
    return build_1(b, "Sigmoid", parts[1]);
}

static value_id attention(build *b, const text_decoder *m, value_id y, const text_place *p)
{
    const char *name = build_text(b, "%s.self_attn", p->where);
    build_attention *at = p->cache;
    value_id qkv[3] = {NO_VALUE, NO_VALUE, NO_VALUE};
    project(b, m, y, name, qkv);
    value_id gates = m->output_gate ? gates_of(b, m, &qkv[0]) : NO_VALUE;
    at->q = rotated(b, m, qkv[0], build_text(b, "%s.q_norm", name), m->heads, m->q_permuted, p->rotary);
    at->k = rotated(b, m, qkv[1], build_text(b, "%s.k_norm", name), m->kv_heads, m->k_permuted, p->rotary);
    at->v = qkv[2];
    y = build_attend(b, at);
    if (m->output_gate)
        y = build_mul(b, y, gates);
    return projection(b, y, build_text(b, "%s.o_proj", name), m->heads * m->size, m->d, m->o_bias, 0);
}

static value_id beside(build *b, const text_decoder *m, value_id y, const text_place *p)
{
    value_id states = text_state_space(b, m, y, p), seen = attention(b, m, scaled(b, y, m->attention_in), p);
    return build_add(b, states, scaled(b, seen, m->attention_out));
}

static value_id (*const mixers[TEXT_MIXERS])(build *b, const text_decoder *m, value_id y,
                                             const text_place *p) = {
    attention, text_latent, text_short_conv, text_delta_rule, text_state_space, text_mamba, beside};

/* ---- The MLP ------------------------------------------------------------------------------------------- */

/* x times the matrix "<name>.<proj><end>", and its bias where it is a layer of its own that has one. */
static value_id product(build *b, value_id x, const char *name, const char *proj, const char *end, int64_t in,
                        int64_t out)
{
    const char *bias = build_text(b, "%s.%s.bias", name, proj);
    value_id w = build_matrix(b, build_text(b, "%s.%s%s", name, proj, end), in, out, BUILD_ROWS_OUT, 0);
    value_id y = build_2(b, "MatMul", x, w);
    return build_find(b, bias) ? build_add(b, y, build_vector(b, bias, out)) : y;
}

/* Dim i of the weight "<name>.<proj>". */
static int64_t dim_of(build *b, const char *name, const char *proj, size_t i)
{
    return build_dim(b, build_text(b, "%s.%s", name, proj), i);
}

/* Gate, up and down, or c_fc and c_proj; end: of the weights' names, "#3" for those of one expert among several. */
static value_id mlp_of(build *b, const text_decoder *m, value_id y, const char *name, const char *end)
{
    const char *part = strchr(end, '#');
    const char *weights = build_text(b, "%.*s", (int)(part ? part - end : (ptrdiff_t)strlen(end)), end);
    const size_t axis = part ? 1 : 0;
    value_id parts[2] = {NO_VALUE, NO_VALUE}; /* gate, up */
    if (!m->gated) {
        const int64_t hidden = dim_of(b, name, build_text(b, "c_fc%s", weights), axis);
        y = build_activate(b, m->activation, product(b, y, name, "c_fc", end, m->d, hidden));
        return product(b, y, name, "c_proj", end, hidden, m->d);
    }
    const int64_t hidden = dim_of(b, name, build_text(b, "down_proj%s", weights), axis + 1);
    if (!build_find(b, build_text(b, "%s.gate_proj%s", name, weights)) &&
        build_find(b, build_text(b, "%s.gate_up_proj%s", name, weights))) { /* GGUF calls both up */
        y = product(b, y, name, "gate_up_proj", end, m->d, 2 * hidden);
        build_split(b, y, -1, 2, parts);
    } else {
        parts[0] = product(b, y, name, "gate_proj", end, m->d, hidden);
        parts[1] = product(b, y, name, "up_proj", end, m->d, hidden);
    }
    y = build_mul(b, build_activate(b, m->activation, scaled(b, parts[0], m->gate_scale)), parts[1]);
    return scaled(b, product(b, y, name, "down_proj", end, hidden, m->d), m->mlp_scale);
}

/* ---- Experts ------------------------------------------------------------------------------------------- */

typedef struct experts {
    const text_decoder *m;
    const char *name; /* of the weights, or of what each expert's begin with */
    const char *end;  /* of weights of all experts in one; NULL: each has its own */
} experts;

static value_id expert(build *b, const void *context, int64_t i, value_id rows)
{
    const experts *e = context;
    if (e->end)
        return mlp_of(b, e->m, rows, e->name, build_text(b, "%s#%lld", e->end, (long long)i));
    return mlp_of(b, e->m, rows, build_text(b, "%s.%lld", e->name, (long long)i), ".weight");
}

static value_id mixture(build *b, const text_decoder *m, value_id y, const char *name)
{
    const char *shared = build_text(b, "%s.shared_expert", name),
               *gate = build_text(b, "%s_gate.weight", shared);
    experts all = {m, build_text(b, "%s.experts", name), NULL};
    if (build_find(b, build_text(b, "%s.down_proj", all.name)))
        all.end = "";
    else if (build_find(b, build_text(b, "%s.down_proj.weight", all.name)))
        all.end = ".weight";
    const char *router = build_text(b, "%s.gate.weight", name);
    const char *biased = build_text(b, "%s.gate.e_score_correction_bias", name);
    const build_experts how = {.router = router,
                               .n = build_dim(b, router, 0),
                               .chosen = m->chosen,
                               .d = m->d,
                               .normalized = m->normalized,
                               .sigmoid = m->sigmoid,
                               .biased = build_find(b, biased) ? biased : NULL,
                               .groups = m->groups,
                               .chosen_groups = m->chosen_groups,
                               .added = m->shares_added,
                               .scale = m->shares_scale,
                               .context = &all,
                               .expert = expert};
    value_id x = y;
    y = build_mixture(b, x, &how);
    if (!build_find(b, build_text(b, "%s.down_proj.weight", shared)))
        return y;
    value_id other = mlp_of(b, m, x, shared, ".weight");
    if (build_find(b, gate)) {
        value_id w = build_matrix(b, gate, m->d, 1, BUILD_ROWS_OUT, 0);
        other = build_mul(b, other, build_1(b, "Sigmoid", build_2(b, "MatMul", x, w)));
    }
    return build_add(b, y, other);
}

static value_id mlp(build *b, const text_decoder *m, value_id y, const char *where)
{
    const char *name = build_text(b, "%s.mlp", where);
    const bool mixed = build_find(b, build_text(b, "%s.gate.weight", name)) != NULL;
    return mixed ? mixture(b, m, y, name) : mlp_of(b, m, y, name, ".weight");
}

/* ---- The graph ----------------------------------------------------------------------------------------- */

static value_id norm_in(build *b, const text_decoder *m, value_id x, const char *where, const char *name)
{
    return name ? norm_of(b, m, x, build_text(b, "%s.%s", where, name), m->d) : x;
}

static value_id block(build *b, const text_decoder *m, value_id x, const text_place *p)
{
    const char *where = p->where;
    const value_id seen = norm_in(b, m, x, where, m->before_attention);
    value_id y = norm_in(b, m, mixers[p->mixer](b, m, seen, p), where, m->after_attention),
             sum =
                 norm_in(b, m, build_add(b, x, scaled(b, y, m->residual_scale)), where, m->behind_attention);
    if (m->mixers_alone)
        return sum;
    y = m->parallel && !m->before_mlp ? seen : norm_in(b, m, m->parallel ? x : sum, where, m->before_mlp);
    y = norm_in(b, m, mlp(b, m, y, where), where, m->after_mlp);
    return norm_in(b, m, build_add(b, sum, scaled(b, y, m->residual_scale)), where, m->behind_mlp);
}

static void add_metadata(build *b, const text_decoder *m)
{
    build_add_metadata_int(b, "n_vocab", m->n_vocab);
    build_add_metadata_int(b, "n_embd", m->d);
    build_add_metadata_int(b, "n_layer", m->n_layers);
    if (m->mixers_alone)
        return;
    build_add_metadata_int(b, "n_ctx", m->n_ctx);
    build_add_metadata_int(b, "n_head", m->heads);
    build_add_metadata_int(b, "n_kv_head", m->kv_heads);
    build_add_metadata_int(b, "head_size", m->size);
}

/* What layers share: made where the first needs it. */
typedef struct shared {
    build_rotary rotary[2];
    int64_t window; /* of `mask`; 0: none was made */
    value_id mask, biases;
} shared;

/* What the first layer reads: words [B, N, words] with positions, where they are a table. */
static value_id embedded(build *b, const text_decoder *m, value_id x, value_id tokens, value_id past)
{
    if (m->words)
        x = build_linear(b, x, "model.project_in", m->words, m->d, BUILD_NO_BIAS);
    if (m->positions)
        x = build_add(b, x,
                      build_positions(b, build_text(b, "%s.weight", m->positions), m->first_position,
                                      m->first_position + m->n_ctx, m->d, tokens, past));
    return m->embedding_norm ? norm_of(b, m, x, m->embedding_norm, m->d) : x;
}

/* Positions and masks of a layer of attention; those that it is the first to need are made. */
static build_rotary *place_keys(build *b, const text_decoder *m, const text_layer *l, value_id tokens,
                                build_attention *cache, shared *s)
{
    const bool rotates = l->angles >= 0;
    build_rotary *r = &s->rotary[rotates ? l->angles : 0];
    if (m->alibi.max != 0 && s->biases == NO_VALUE)
        s->biases = build_biases(b, tokens, cache->past_k, m->heads, &m->alibi);
    if (rotates && !r->half)
        *r = build_cos_sin(b, tokens, cache->past_k, &m->angles[l->angles], (size_t)m->half);
    if (rotates)
        r->interleaved = m->pairs_beside;
    if (l->window && s->window != l->window) {
        s->window = l->window;
        s->mask = build_window(b, tokens, cache->past_k, l->window);
    }
    cache->mask_added = s->biases != NO_VALUE;
    cache->mask = cache->mask_added ? s->biases : l->window ? s->mask : NO_VALUE;
    return rotates ? r : NULL;
}

static value_id layer(build *b, const text_decoder *m, int64_t i, value_id x, value_id tokens, shared *s)
{
    const text_layer *l = &m->layers[i];
    const bool latent = l->mixer == TEXT_LATENT,
               cached = latent || l->mixer == TEXT_ATTENTION || l->mixer == TEXT_BESIDE;
    const int64_t kv_heads = latent ? 1 : m->kv_heads;
    build_attention cache = {.size = m->size,
                             .value_size = latent ? m->rank : 0,
                             .heads = m->heads,
                             .kv_heads = kv_heads,
                             .causal = true,
                             .past_k = NO_VALUE,
                             .mask = NO_VALUE,
                             .scale = m->attention_scale,
                             .cap = m->attention_cap};
    if (cached)
        build_cache(b, i, kv_heads, m->size, &cache);
    if (!i)
        x = embedded(b, m, x, tokens, cache.past_k);
    const build_rotary *r = cached ? place_keys(b, m, l, tokens, &cache, s) : NULL;
    build_scope(b, "model.layers.%lld", (long long)i);
    x = block(b, m, x, &(text_place){b->scope, i, l->mixer, r, &cache});
    if (cached)
        build_cached(b, i, kv_heads, m->size, &cache);
    return x;
}

void text_decoder_build(build *b, const text_decoder *m)
{
    add_metadata(b, m);
    build_scope(b, "text");
    value_id tokens = build_input(b, "tokens", SIB_I64, "B N"), at = build_input(b, "at", SIB_I64, "M");
    const int64_t width = m->words ? m->words : m->d;
    build_table words = build_rows_table(b, "model.embed_tokens.weight", m->n_vocab, width), scores = words;
    value_id x = scaled(b, build_pick(b, &words, tokens), m->embedding_scale);
    shared s = {.mask = NO_VALUE, .biases = NO_VALUE};
    for (int64_t i = 0; i < m->n_layers; i++)
        x = layer(b, m, i, x, tokens, &s);
    build_scope(b, "text");
    x = build_gather(b, x, at, 1); /* [B, M, d] */
    if (m->last_norm)
        x = norm_of(b, m, x, m->last_norm, m->d);
    if (m->words)
        x = build_linear(b, x, "model.project_out", m->d, m->words, BUILD_NO_BIAS);
    if (!m->tied)
        scores = build_rows_table(b, "lm_head.weight", m->n_vocab, width);
    x = scaled(b, build_scores(b, x, &scores, at), m->logits_scale);
    if (build_find(b, "lm_head.bias"))
        x = build_add(b, x, build_vector(b, "lm_head.bias", m->n_vocab));
    build_output(b, build_capped(b, x, m->logits_cap), "logits", SIB_F32, "B M %lld", (long long)m->n_vocab);
}
