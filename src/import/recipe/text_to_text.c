#include "import/recipe/text_to_text.h"
#include "import/recipe/text_encoder.h"

#include <math.h>

/* What the layers of a side share. */
typedef struct shared {
    const text_to_text *m;
    const text_side *side;
    value_id table;        /* of places; NO_VALUE: the side's own */
    value_id tokens, past; /* past: the cache of the first layer; NO_VALUE: the encoder, which has none */
    value_id buckets;      /* int64 [N, P+N] */
    value_id biases; /* float32 [1, heads, N, P+N] of the layer, and of those behind it without their own */
    build_rotary rotary; /* TEXT_PLACES_ROTARY */
} shared;

/* ---- Parts --------------------------------------------------------------------------------------------- */

static value_id norm(build *b, const text_to_text *m, value_id x, const char *name)
{
    if (!m->rms)
        return text_encoder_norm(b, x, name, m->d, m->epsilon);
    return build_norm(b, "RMSNormalization", x, build_vector(b, build_text(b, "%s.weight", name), m->d),
                      NO_VALUE, m->epsilon);
}

/* A layer's norm "<where>.<name>", where it stands before what it is for, or behind the sum. */
static value_id norm_before(build *b, const text_to_text *m, value_id x, const char *where, const char *name)
{
    return m->before ? norm(b, m, x, build_text(b, "%s.%s", where, name)) : x;
}

static value_id norm_behind(build *b, const text_to_text *m, value_id x, const char *where, const char *name)
{
    return m->before ? x : norm(b, m, x, build_text(b, "%s.%s", where, name));
}

static value_id linear(build *b, value_id x, const char *where, const char *what, int64_t in, int64_t out)
{
    return text_encoder_linear(b, x, build_text(b, "%s.%s", where, what), in, out);
}

static value_id scaled(build *b, value_id x, double factor)
{
    return factor == 1 ? x : build_mul(b, x, build_float(b, factor));
}

/* x [B, T, heads * size] -> [first, heads, ., size], first: B (0), or 1 for all rows as one text. */
static value_id to_heads(build *b, value_id x, int64_t first, int64_t heads, int64_t size)
{
    x = build_reshape(b, x, 4, (const int64_t[]){first, first ? -1 : 0, heads, size});
    return build_transpose(b, x, 4, (const int64_t[]){0, 2, 1, 3});
}

/* ---- Places -------------------------------------------------------------------------------------------- */

/* Sines of places [N], 0 for tokens that have no place: [N, d] or [B, N, d]. */
static value_id sines(build *b, const shared *s, value_id places)
{
    const text_to_text *m = s->m;
    value_id at = build_reshape(b, build_cast(b, places, SIB_F32), 2, (const int64_t[]){-1, 1}),
             angles = build_mul(b, at, build_floats(b, (size_t)(m->d / 2), m->angles)),
             parts[] = {build_1(b, "Sin", angles), build_1(b, "Cos", angles)},
             x = build_concat(b, 1, 2, parts);
    if (m->unplaced < 0)
        return x;
    value_id placed = build_1(b, "Not", build_2(b, "Equal", s->tokens, build_scalar_int(b, m->unplaced)));
    return build_mul(b, build_2(b, "Unsqueeze", build_cast(b, placed, SIB_F32), build_int(b, -1)), x);
}

static value_id embed(build *b, const shared *s, const build_table *words)
{
    const text_to_text *m = s->m;
    value_id x = scaled(b, build_pick(b, words, s->tokens), m->embedding_scale), places;
    if (m->places == TEXT_PLACES_TABLE || m->places == TEXT_PLACES_SINES) {
        build_position_ids(b, build_shape(b, s->tokens, 1, 1), s->past, &places, NULL);
        if (m->first_place)
            places = build_add(b, places, build_scalar_int(b, m->first_place));
        if (m->places == TEXT_PLACES_TABLE) {
            value_id table = s->table;
            if (table == NO_VALUE)
                table = build_weight(b, build_text(b, "%s.embed_positions.weight", s->side->name), 2,
                                     (const int64_t[]){m->first_place + m->n_ctx, m->d});
            x = build_add(b, x, build_gather(b, table, places, 0));
        } else
            x = build_add(b, x, sines(b, s, places));
    }
    return m->embedding_norm ? norm(b, m, x, build_text(b, "%s.layernorm_embedding", s->side->name)) : x;
}

/* The angles of a side's tokens, of which x [B, N, ..] has one a row. */
static void find_rotary(build *b, shared *s, value_id x)
{
    const text_to_text *m = s->m;
    if (m->places != TEXT_PLACES_ROTARY)
        return;
    s->rotary = build_cos_sin(b, x, s->past, &m->rotary, (size_t)m->half);
    s->rotary.interleaved = true;
}

/* What is added to the scores of layer i, of its own table or that of a layer before. */
static void find_biases(build *b, shared *s, const char *where, int64_t i)
{
    const text_to_text *m = s->m;
    const char *name = build_text(b, "%s.self_attn.relative_attention_bias.weight", where);
    if (m->places != TEXT_PLACES_BUCKETS || (i && !build_find(b, name)))
        return;
    if (s->buckets == NO_VALUE)
        s->buckets = build_buckets(b, build_distances(b, s->tokens, s->past), m->n_buckets, m->max_distance,
                                   s->side == &m->encoder);
    value_id table = build_weight(b, name, 2, (const int64_t[]){m->n_buckets, s->side->heads});
    s->biases = build_transpose(b, build_gather(b, table, s->buckets, 0), 3, (const int64_t[]){2, 0, 1});
    s->biases = build_2(b, "Unsqueeze", s->biases, build_int(b, 0));
}

/* ---- Layers -------------------------------------------------------------------------------------------- */

static value_id self_attention(build *b, const shared *s, value_id x, const char *where, build_attention *at)
{
    const char *name = build_text(b, "%s.self_attn", where);
    const int64_t d = s->m->d, rows = at->heads * at->size;
    at->q = linear(b, x, name, "q_proj", d, rows);
    at->k = linear(b, x, name, "k_proj", d, rows);
    at->v = linear(b, x, name, "v_proj", d, rows);
    if (s->m->places == TEXT_PLACES_ROTARY) {
        at->q = build_rotate(b, at->q, at->heads, at->size, &s->rotary);
        at->k = build_rotate(b, at->k, at->heads, at->size, &s->rotary);
    }
    at->mask = s->biases;
    at->mask_added = s->biases != NO_VALUE;
    return linear(b, build_attend(b, at), name, "out_proj", rows, d);
}

/* Attention of x [B, N, d] to one text: all rows are queries of one batch, since no key is hidden from any. */
static value_id cross_attention(build *b, const shared *s, value_id x, const char *where, int64_t i)
{
    const text_to_text *m = s->m;
    const int64_t heads = s->side->heads, size = s->side->size;
    const char *name = build_text(b, "%s.encoder_attn", where);
    build_attention at = {
        .size = size, .mask = NO_VALUE, .past_k = NO_VALUE, .past_v = NO_VALUE, .scale = m->attention_scale};
    at.k = build_input(b, build_text(b, "cross_k.%lld", (long long)i), SIB_F32, "1 %lld S %lld",
                       (long long)heads, (long long)size);
    at.v = build_input(b, build_text(b, "cross_v.%lld", (long long)i), SIB_F32, "1 %lld S %lld",
                       (long long)heads, (long long)size);
    at.q = to_heads(b, linear(b, x, name, "q_proj", m->d, heads * size), 1, heads, size);
    value_id y = build_transpose(b, build_attend(b, &at), 4, (const int64_t[]){0, 2, 1, 3}),
             dims[] = {build_shape(b, s->tokens, 0, 2), build_int(b, heads * size)};
    y = build_2(b, "Reshape", y, build_concat(b, 0, 2, dims));
    return linear(b, y, name, "out_proj", heads * size, m->d);
}

static value_id mlp(build *b, const shared *s, value_id x, const char *where)
{
    const text_side *side = s->side;
    const int64_t d = s->m->d, hidden = side->hidden;
    value_id y, parts[2]; /* what is multiplied, and its gate */
    if (side->joined) {
        build_split(b, linear(b, x, where, "fc1", d, 2 * hidden), -1, 2, parts);
        y = build_mul(b, build_activate(b, side->activation, parts[1]), parts[0]);
    } else {
        y = linear(b, x, where, side->gated ? "gate" : "fc1", d, hidden);
        y = build_activate(b, side->activation, y);
        if (side->gated)
            y = build_mul(b, y, linear(b, x, where, "up", d, hidden));
    }
    return linear(b, y, where, "fc2", hidden, d);
}

/* cross: it has attention to the other side. */
static value_id block(build *b, shared *s, value_id x, int64_t i, build_attention *at, bool cross)
{
    const text_to_text *m = s->m;
    build_scope(b, "%s.layers.%lld", s->side->name, (long long)i);
    const char *where = b->scope;
    find_biases(b, s, where, i);
    value_id y = norm_before(b, m, x, where, "self_attn_layer_norm");
    x = build_add(b, x, self_attention(b, s, y, where, at));
    x = norm_behind(b, m, x, where, "self_attn_layer_norm");
    if (cross) {
        y = norm_before(b, m, x, where, "encoder_attn_layer_norm");
        x = build_add(b, x, cross_attention(b, s, y, where, i));
        x = norm_behind(b, m, x, where, "encoder_attn_layer_norm");
    }
    y = norm_before(b, m, x, where, "final_layer_norm");
    return norm_behind(b, m, build_add(b, x, mlp(b, s, y, where)), where, "final_layer_norm");
}

static value_id last_norm(build *b, const shared *s, value_id x)
{
    build_scope(b, "%s", s->side->name);
    return s->m->last_norm ? norm(b, s->m, x, build_text(b, "%s.layer_norm", s->side->name)) : x;
}

/* ---- The encoder --------------------------------------------------------------------------------------- */

/* Keys and values of decoder layer i, read by every step of the decoder. */
static void cross_keys(build *b, const text_to_text *m, value_id encoded, int64_t i)
{
    const int64_t heads = m->decoder.heads, size = m->decoder.size;
    static const char *const names[] = {"k_proj", "v_proj"};
    build_scope(b, "decoder.layers.%lld.encoder_attn", (long long)i);
    for (size_t k = 0; k < 2; k++) {
        value_id x = linear(b, encoded, b->scope, names[k], m->d, heads * size);
        build_output(b, to_heads(b, x, 0, heads, size),
                     build_text(b, "source_%c.%lld", "kv"[k], (long long)i), SIB_F32, "B %lld S %lld",
                     (long long)heads, (long long)size);
    }
}

static void encoder(build *b, const text_to_text *m, const build_table *words, value_id table)
{
    shared s = {.m = m,
                .side = &m->encoder,
                .table = table,
                .past = NO_VALUE,
                .buckets = NO_VALUE,
                .biases = NO_VALUE};
    b->renames = s.side->renames;
    build_scope(b, "%s", s.side->name);
    value_id x;
    if (m->front)
        x = m->front(b, m);
    else {
        s.tokens = build_input(b, "source", SIB_I64, "B S");
        x = embed(b, &s, words);
    }
    find_rotary(b, &s, x);
    for (int64_t i = 0; i < s.side->n_layers; i++) {
        build_attention at = {.size = s.side->size,
                              .heads = s.side->heads,
                              .kv_heads = s.side->heads,
                              .past_k = NO_VALUE,
                              .past_v = NO_VALUE,
                              .scale = m->attention_scale};
        x = block(b, &s, x, i, &at, false);
    }
    x = last_norm(b, &s, x);
    b->renames = m->decoder.renames;
    for (int64_t i = 0; i < m->decoder.n_layers; i++)
        cross_keys(b, m, x, i);
    build_output(b, x, "encoded", SIB_F32, "B S %lld", (long long)m->d);
}

/* ---- The decoder --------------------------------------------------------------------------------------- */

static void decoder(build *b, const text_to_text *m, const build_table *words, value_id table)
{
    shared s = {.m = m,
                .side = &m->decoder,
                .table = table,
                .past = NO_VALUE,
                .buckets = NO_VALUE,
                .biases = NO_VALUE};
    build_table scores = *words;
    b->renames = s.side->renames;
    build_scope(b, "%s", s.side->name);
    s.tokens = build_input(b, "tokens", SIB_I64, "B N");
    value_id at = build_input(b, "at", SIB_I64, "M"), x = NO_VALUE;
    for (int64_t i = 0; i < s.side->n_layers; i++) {
        build_attention cache = {.size = s.side->size,
                                 .heads = s.side->heads,
                                 .kv_heads = s.side->heads,
                                 .causal = true,
                                 .scale = m->attention_scale};
        build_cache(b, i, cache.heads, cache.size, &cache);
        if (i == 0) {
            s.past = cache.past_k;
            x = embed(b, &s, words);
            find_rotary(b, &s, x);
        }
        x = block(b, &s, x, i, &cache, true);
        build_cached(b, i, cache.heads, cache.size, &cache);
    }
    x = scaled(b, last_norm(b, &s, build_gather(b, x, at, 1)),
               m->scaled ? 1 / sqrt((double)m->d) : 1); /* [B, M, d] */
    if (m->scores != m->target_words)
        scores = build_rows_table(b, m->scores, m->n_vocab, m->d);
    x = build_scores(b, x, &scores, at);
    if (m->scores_bias)
        x = build_add(b, x, build_vector(b, m->scores_bias, m->n_vocab));
    build_output(b, x, "logits", SIB_F32, "B M %lld", (long long)m->n_vocab);
}

static void add_metadata(build *b, const text_to_text *m)
{
    build_add_metadata_int(b, "n_vocab", m->n_vocab);
    build_add_metadata_int(b, "n_ctx", m->n_ctx);
    build_add_metadata_int(b, "n_embd", m->d);
    build_add_metadata_int(b, "n_head", m->decoder.heads);
    build_add_metadata_int(b, "n_kv_head", m->decoder.heads);
    build_add_metadata_int(b, "head_size", m->decoder.size);
    build_add_metadata_int(b, "n_layer", m->decoder.n_layers);
    build_add_metadata_int(b, "n_encoder_layer", m->encoder.n_layers);
}

void text_to_text_build(build *b, const text_to_text *m)
{
    add_metadata(b, m);
    build_scope(b, "text");
    build_table words = build_rows_table(b, m->words, m->n_source, m->d), target = words;
    value_id table = NO_VALUE;
    if (m->table)
        table = build_reshape(b, build_floats(b, (size_t)(m->n_ctx * m->d), m->table), 2,
                              (const int64_t[]){m->n_ctx, m->d});
    if (m->target_words != m->words)
        target = build_rows_table(b, m->target_words, m->n_vocab, m->d);
    encoder(b, m, &words, table);
    decoder(b, m, &target, table);
}
