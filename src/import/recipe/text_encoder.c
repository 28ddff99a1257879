#include "import/recipe/text_encoder.h"

#include <math.h>

/* ---- Parts --------------------------------------------------------------------------------------------- */

value_id text_encoder_linear(build *b, value_id x, const char *name, int64_t in, int64_t out)
{
    const bool biased = build_find(b, build_text(b, "%s.bias", name)) != NULL;
    return build_linear(b, x, name, in, out, biased ? BUILD_BIAS : BUILD_NO_BIAS);
}

value_id text_encoder_norm(build *b, value_id x, const char *name, int64_t d, double epsilon)
{
    const char *bias = build_text(b, "%s.bias", name);
    value_id scale = build_vector(b, build_text(b, "%s.weight", name), d);
    return build_norm(b, "LayerNormalization", x, scale,
                      build_find(b, bias) ? build_vector(b, bias, d) : NO_VALUE, epsilon);
}

/* What all layers of a graph share. */
typedef struct shared {
    value_id tokens, mask; /* [B, N] */
    value_id seen;         /* bool [B, 1, 1, N] */
    value_id near;         /* bool [B, 1, N, N]: within the window; NO_VALUE until it is made */
    value_id added;        /* with a bias: float32 [1, heads, N, N] or as seen, masked; NO_VALUE otherwise */
    value_id places, rows; /* ENCODER_DISENTANGLED: rows [N, N] of the vectors of distances [2 span, d] */
    int64_t span;
    build_rotary rotary[2];
} shared;

/* ---- Embeddings ---------------------------------------------------------------------------------------- */

/* Places of tokens in the table of positions: padding has its own, the others are counted from behind it. */
static value_id places_after_pad(build *b, const text_encoder *m, value_id tokens)
{
    value_id pad = build_scalar_int(b, m->pad),
             kept = build_cast(b, build_1(b, "Not", build_2(b, "Equal", tokens, pad)), SIB_I64),
             count = build_2(b, "CumSum", kept, build_scalar_int(b, 1));
    return build_add(b, build_mul(b, count, kept), pad);
}

static value_id add_positions(build *b, const text_encoder *m, value_id x, value_id tokens)
{
    const char *name = "embeddings.position_embeddings.weight";
    if (m->positions == ENCODER_FROM_ZERO) {
        value_id table = build_weight(b, name, 2, (const int64_t[]){m->n_ctx, m->width});
        return build_add(b, x, build_slice(b, table, build_int(b, 0), build_shape(b, tokens, 1, 1), 0));
    }
    if (m->positions == ENCODER_AFTER_PAD) {
        value_id table = build_weight(b, name, 2, (const int64_t[]){m->n_ctx, m->width});
        return build_add(b, x, build_gather(b, table, places_after_pad(b, m, tokens), 0));
    }
    return x;
}

static value_id add_types(build *b, const text_encoder *m, value_id x)
{
    if (!m->n_types)
        return x;
    value_id table = build_weight(b, "embeddings.token_type_embeddings.weight", 2,
                                  (const int64_t[]){m->n_types, m->width});
    value_id types =
        m->n_types > 1 ? build_input(b, "token_type_ids", SIB_I64, "B N") : build_scalar_int(b, 0);
    return build_add(b, x, build_gather(b, table, types, 0));
}

/* Zeros where there is padding. */
static value_id without_padding(build *b, value_id x, value_id mask)
{
    return build_mul(b, x, build_2(b, "Unsqueeze", build_cast(b, mask, SIB_F32), build_int(b, -1)));
}

static value_id embed(build *b, const text_encoder *m, const shared *s, const build_table *words)
{
    value_id x = build_pick(b, words, s->tokens);
    x = add_positions(b, m, x, s->tokens);
    x = add_types(b, m, x);
    const bool wide = build_find(b, "embeddings_project.weight") || m->width != m->d,
               late = wide && build_find(b, "embeddings.embed_proj.weight");
    if (late) /* DeBERTa's norm is behind it, ELECTRA's before */
        x = text_encoder_linear(b, x, "embeddings.embed_proj", m->width, m->d);
    if (!m->bare)
        x = text_encoder_norm(b, x, "embeddings.LayerNorm", late ? m->d : m->width, m->epsilon);
    if (wide && !late)
        x = text_encoder_linear(b, x, "embeddings_project", m->width, m->d);
    return m->conv ? without_padding(b, x, s->mask) : x;
}

/* ---- Attention ----------------------------------------------------------------------------------------- */

/* x [.., N, heads * size] -> [.., heads, N, size] */
static value_id to_heads(build *b, const text_encoder *m, value_id x)
{
    x = build_reshape(b, x, 4, (const int64_t[]){0, 0, m->heads, m->size});
    return build_transpose(b, x, 4, (const int64_t[]){0, 2, 1, 3});
}

/* The weights of a product with a bias that several values pass. */
typedef struct projection {
    value_id matrix, bias;
} projection;

static projection load(build *b, const text_encoder *m, const char *name)
{
    const int64_t rows = m->heads * m->size;
    const char *bias = build_text(b, "%s.bias", name);
    return (projection){build_matrix(b, build_text(b, "%s.weight", name), m->d, rows, BUILD_ROWS_OUT, 0),
                        build_find(b, bias) ? build_vector(b, bias, rows) : NO_VALUE};
}

static value_id passed(build *b, value_id x, const projection *p)
{
    x = build_2(b, "MatMul", x, p->matrix);
    return p->bias == NO_VALUE ? x : build_add(b, x, p->bias);
}

/* Scores of x [B, heads, N, size] with the vectors of distances, in rows of keys or of queries: [B, heads, N, N]. */
static value_id scores_of_places(build *b, const text_encoder *m, const shared *s, value_id x,
                                 const projection *p, value_id places)
{
    value_id y = passed(b, s->rows, p);
    y = build_reshape(b, y, 4, (const int64_t[]){1, 2 * s->span, m->heads, m->size});
    y = build_2(b, "MatMul", x, build_transpose(b, y, 4, (const int64_t[]){0, 2, 3, 1}));
    value_id dims[] = {build_shape(b, y, 0, 3), build_shape(b, places, 1, 1)}, out;
    build_attributes a = build_no_attributes();
    build_set_int(&a, "axis", -1);
    build_node(b, "GatherElements", &a, 2,
               (value_id[]){y, build_2(b, "Expand", places, build_concat(b, 0, 2, dims))}, 1, &out);
    return out;
}

/* He et al. 2021: queries with the distances of keys, and keys with the distances of queries. */
static void attend_apart(build *b, const text_encoder *m, const shared *s, const char *name,
                         const projection qkv[3], build_attention *at)
{
    const projection keys = m->shared_keys || !m->content_to_place
                                ? qkv[1]
                                : load(b, m, build_text(b, "%s.pos_key_proj", name)),
                     queries = m->shared_keys || !m->place_to_content
                                   ? qkv[0]
                                   : load(b, m, build_text(b, "%s.pos_query_proj", name));
    const double scale = 1 / sqrt((double)m->size * (1 + m->content_to_place + m->place_to_content));
    value_id added = NO_VALUE;
    at->q = to_heads(b, m, at->q);
    at->k = to_heads(b, m, at->k);
    at->v = to_heads(b, m, at->v);
    if (m->content_to_place)
        added = scores_of_places(b, m, s, at->q, &keys, s->places);
    if (m->place_to_content) {
        value_id y = scores_of_places(b, m, s, at->k, &queries,
                                      build_transpose(b, s->places, 2, (const int64_t[]){1, 0}));
        y = build_transpose(b, y, 4, (const int64_t[]){0, 1, 3, 2});
        added = added == NO_VALUE ? y : build_add(b, added, y);
    }
    at->heads = at->kv_heads = 0;
    at->scale = scale;
    if (added == NO_VALUE)
        return;
    at->mask =
        build_3(b, "Where", s->seen, build_mul(b, added, build_float(b, scale)), build_float(b, -INFINITY));
    at->mask_added = true;
}

/* by: the weights, of models that are not fused. */
static void project(build *b, const text_encoder *m, value_id x, const char *name, projection by[3],
                    value_id qkv[3])
{
    static const char *const names[] = {"query", "key", "value"};
    const int64_t rows = m->heads * m->size;
    if (m->fused)
        build_split(b, text_encoder_linear(b, x, build_text(b, "%s.qkv", name), m->d, 3 * rows), -1, 3, qkv);
    for (size_t i = 0; i < 3 && !m->fused; i++) {
        by[i] = load(b, m, build_text(b, "%s.%s", name, names[i]));
        qkv[i] = passed(b, x, &by[i]);
    }
}

static value_id attention(build *b, const text_encoder *m, int64_t layer, value_id x, const char *where,
                          const shared *s)
{
    const bool near = m->around[layer] != 0;
    const build_rotary *r = m->positions == ENCODER_ROTARY ? &s->rotary[near] : NULL;
    const char *name = build_text(b, "%s.attention.self", where);
    value_id qkv[3] = {NO_VALUE, NO_VALUE, NO_VALUE};
    projection by[3] = {{NO_VALUE, NO_VALUE}, {NO_VALUE, NO_VALUE}, {NO_VALUE, NO_VALUE}};
    project(b, m, x, name, by, qkv);
    build_attention at = {.q = r ? build_rotate(b, qkv[0], m->heads, m->size, r) : qkv[0],
                          .k = r ? build_rotate(b, qkv[1], m->heads, m->size, r) : qkv[1],
                          .v = qkv[2],
                          .past_k = NO_VALUE,
                          .past_v = NO_VALUE,
                          .size = m->size,
                          .heads = m->heads,
                          .kv_heads = m->heads,
                          .mask = s->added != NO_VALUE ? s->added
                                  : near               ? s->near
                                                       : s->seen,
                          .mask_added = s->added != NO_VALUE};
    if (m->bias == ENCODER_DISENTANGLED)
        attend_apart(b, m, s, name, by, &at);
    value_id y = build_attend(b, &at);
    if (!at.heads) {
        y = build_transpose(b, y, 4, (const int64_t[]){0, 2, 1, 3});
        y = build_reshape(b, y, 3, (const int64_t[]){0, 0, m->heads * m->size});
    }
    return text_encoder_linear(b, y, build_text(b, "%s.attention.output.dense", where), m->heads * m->size,
                               m->d);
}

/* ---- Layers -------------------------------------------------------------------------------------------- */

static value_id mlp(build *b, const text_encoder *m, value_id x, const char *where)
{
    value_id parts[2] = {NO_VALUE, NO_VALUE};
    value_id y = text_encoder_linear(b, x, build_text(b, "%s.intermediate.dense", where), m->d,
                                     m->gated ? 2 * m->hidden : m->hidden);
    if (m->gated)
        build_split(b, y, -1, 2, parts);
    y = build_activate(b, m->activation, m->gated ? parts[0] : y);
    if (m->gated)
        y = build_mul(b, y, parts[1]);
    return text_encoder_linear(b, y, build_text(b, "%s.output.dense", where), m->hidden, m->d);
}

static value_id block(build *b, const text_encoder *m, int64_t i, value_id x, const shared *s)
{
    const int64_t own = m->n_groups ? (int64_t)((double)i / ((double)m->n_layers / (double)m->n_groups)) : i;
    const char *where = build_text(b, "encoder.layer.%lld", (long long)own),
               *first = build_text(b, "%s.attention.output.LayerNorm", where),
               *second = build_text(b, "%s.output.LayerNorm", where);
    build_scope(b, "encoder.layer.%lld", (long long)i);
    if (!m->before) {
        x = text_encoder_norm(b, build_add(b, x, attention(b, m, i, x, where, s)), first, m->d, m->epsilon);
        return text_encoder_norm(b, build_add(b, x, mlp(b, m, x, where)), second, m->d, m->epsilon);
    }
    const bool bare = !i && !build_find(b, build_text(b, "%s.weight", first)); /* ModernBERT's first layer */
    value_id y = bare ? x : text_encoder_norm(b, x, first, m->d, m->epsilon);
    x = build_add(b, x, attention(b, m, i, y, where, s));
    return build_add(b, x, mlp(b, m, text_encoder_norm(b, x, second, m->d, m->epsilon), where));
}

/* DeBERTa's convolution of the embeddings, added to what the first block makes of them. */
static value_id add_convolution(build *b, const text_encoder *m, value_id x, value_id embedded,
                                const shared *s)
{
    const int64_t dims[] = {m->d, m->d, m->conv}, kernel[] = {m->conv},
                  pads[] = {(m->conv - 1) / 2, (m->conv - 1) / 2};
    value_id in[] = {build_transpose(b, embedded, 3, (const int64_t[]){0, 2, 1}),
                     build_weight(b, "encoder.conv.conv.weight", 3, dims),
                     build_vector(b, "encoder.conv.conv.bias", m->d)},
             y;
    build_attributes a = build_no_attributes();
    build_set_ints(&a, "kernel_shape", 1, kernel);
    build_set_ints(&a, "pads", 2, pads);
    build_node(b, "Conv", &a, 3, in, 1, &y);
    y = without_padding(b, build_transpose(b, y, 3, (const int64_t[]){0, 2, 1}), s->mask);
    y = build_add(b, x, build_activate(b, m->conv_activation, y));
    return without_padding(b, text_encoder_norm(b, y, "encoder.conv.LayerNorm", m->d, m->epsilon), s->mask);
}

/* ---- The graph ----------------------------------------------------------------------------------------- */

/* Rows of the vectors of distances, by key - query: distances grow from the middle on, and are mirrored (He et al. 2021). */
static value_id rows_of_places(build *b, const text_encoder *m, value_id distances, int64_t span)
{
    const int64_t n = m->n_buckets ? m->max_distance : span, middle = m->n_buckets / 2;
    int64_t *table = b->code == SIB_OK ? arena_alloc(b->m->arena, (size_t)(2 * n + 1), sizeof *table) : NULL;
    if (!table) {
        build_fail(b, SIB_ERR_MEMORY, "no memory for distances");
        return NO_VALUE;
    }
    for (int64_t i = -n; i <= n; i++) {
        const int64_t size = i < 0 ? -i : i;
        int64_t place = size;
        if (m->n_buckets && size > middle)
            place = middle +
                    (int64_t)ceilf(logf((float)size / (float)middle) /
                                   logf((float)(m->max_distance - 1) / (float)middle) * (float)(middle - 1));
        place = span + (i < 0 ? place : -place); /* query - key */
        table[i + n] = place < 0 ? 0 : place < 2 * span ? place : 2 * span - 1;
    }
    return build_by_distance(b, distances, table, n);
}

static void share_bias(build *b, const text_encoder *m, shared *s)
{
    if (m->bias == ENCODER_BUCKETS) {
        value_id buckets = build_buckets(b, build_distances(b, s->tokens, NO_VALUE), m->n_buckets,
                                         m->max_distance, true),
                 table = build_weight(b, "encoder.relative_attention_bias.weight", 2,
                                      (const int64_t[]){m->n_buckets, m->heads}),
                 x = build_transpose(b, build_gather(b, table, buckets, 0), 3, (const int64_t[]){2, 0, 1});
        s->added = build_3(b, "Where", s->seen, x, build_float(b, -INFINITY)); /* [B, heads, N, N] */
    }
    if (m->bias == ENCODER_DISENTANGLED) {
        s->span = m->n_buckets ? m->n_buckets : m->max_distance;
        s->rows = build_weight(b, "encoder.rel_embeddings.weight", 2, (const int64_t[]){2 * s->span, m->d});
        if (m->norm_places)
            s->rows = text_encoder_norm(b, s->rows, "encoder.LayerNorm", m->d, m->epsilon);
        s->places = rows_of_places(b, m, build_distances(b, s->tokens, NO_VALUE), s->span);
    }
}

static void share_windows(build *b, const text_encoder *m, shared *s)
{
    for (size_t i = 0; i < 2 && m->positions == ENCODER_ROTARY; i++)
        s->rotary[i] = build_cos_sin(b, s->tokens, NO_VALUE, &m->angles[i], (size_t)m->size / 2);
    if (!m->window)
        return;
    value_id distance = build_1(b, "Abs", build_distances(b, s->tokens, NO_VALUE)),
             own = build_2(b, "Equal", distance,
                           build_scalar_int(b, 0)); /* padding far from text sees itself */
    s->near = build_2(b, "And", s->seen, build_2(b, "LessOrEqual", distance, build_scalar_int(b, m->window)));
    s->near = build_2(b, "Or", s->near, own);
}

static void add_metadata(build *b, const text_encoder *m)
{
    build_add_metadata_int(b, "n_vocab", m->n_vocab);
    build_add_metadata_int(b, "n_ctx", m->n_ctx - (m->positions == ENCODER_AFTER_PAD ? m->pad + 1 : 0));
    build_add_metadata_int(b, "n_embd", m->d);
    build_add_metadata_int(b, "n_head", m->heads);
    build_add_metadata_int(b, "head_size", m->size);
    build_add_metadata_int(b, "n_layer", m->n_layers);
}

encoder_graph text_encoder_build(build *b, const text_encoder *m)
{
    add_metadata(b, m);
    build_scope(b, "embeddings");
    shared s = {.near = NO_VALUE, .added = NO_VALUE, .places = NO_VALUE, .rows = NO_VALUE};
    s.tokens = build_input(b, "input_ids", SIB_I64, "B N");
    s.mask = build_input(b, "attention_mask", SIB_I64, "B N");
    build_table words = build_rows_table(b, "embeddings.word_embeddings.weight", m->n_vocab, m->width);
    value_id x = embed(b, m, &s, &words);
    const value_id embedded = x;
    build_scope(b, "encoder");
    s.seen =
        build_2(b, "Unsqueeze", build_cast(b, s.mask, SIB_BOOL), build_ints(b, 2, (const int64_t[]){1, 2}));
    share_bias(b, m, &s);
    share_windows(b, m, &s);
    for (int64_t i = 0; i < m->n_layers; i++) {
        x = block(b, m, i, x, &s);
        if (!i && m->conv)
            x = add_convolution(b, m, x, embedded, &s);
    }
    build_scope(b, "encoder");
    if (m->before)
        x = text_encoder_norm(b, x, "encoder.final_norm", m->d, m->epsilon);
    return (encoder_graph){s.tokens, s.mask, x, words};
}
