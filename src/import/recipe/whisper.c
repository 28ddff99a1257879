/* Whisper: an encoder of audio and a decoder of tokens, in one graph without an edge between them: the caller
   passes the encoder's keys and values to the decoder, any number of times. After Radford et al. 2022, with
   the names of openai/whisper; those of Hugging Face are other names for the same weights. whisper.cpp's are
   openai's. encoder mel [B, n_mels, 2 n_audio_ctx] -> audio [B, n_audio_ctx, d], and of decoder layer i
             audio_k.i, audio_v.i [B, heads, n_audio_ctx, size]
   decoder   tokens [B, N], at [M] (which of the N are wanted), past_k.i, past_v.i [B, heads, P, size],
             cross_k.i, cross_v.i [1, heads, n_audio_ctx, size] (one audio for all of B) -> logits [B, M,
             n_vocab], present_k.i, present_v.i [B, heads, P+N, size], and for word times cross_weights.i [B,
             heads, N, n_audio_ctx]: the scores of the cross attention before their softmax */
#include "import/recipe/recipe.h"
#include "import/recipe/whisper_heads.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define EPSILON 1e-5

typedef struct whisper {
    int64_t places; /* that the encoder has positions for, of which the model takes n_audio_ctx */
    int64_t n_mels, n_audio_ctx, n_text_ctx, n_vocab, n_audio_layer, n_text_layer;
    int64_t d, audio_heads, text_heads; /* d: width of a token, the same in encoder and decoder */
} whisper;

static const build_rename hugging_face[] = {
    {"encoder.blocks.", "encoder.layers."},
    {"decoder.blocks.", "decoder.layers."},
    {".cross_attn.query", ".encoder_attn.q_proj"},
    {".cross_attn.key", ".encoder_attn.k_proj"},
    {".cross_attn.value", ".encoder_attn.v_proj"},
    {".cross_attn.out", ".encoder_attn.out_proj"},
    {".cross_attn_ln", ".encoder_attn_layer_norm"},
    {".attn.query", ".self_attn.q_proj"},
    {".attn.key", ".self_attn.k_proj"},
    {".attn.value", ".self_attn.v_proj"},
    {".attn.out", ".self_attn.out_proj"},
    {".attn_ln", ".self_attn_layer_norm"},
    {".mlp_ln", ".final_layer_norm"},
    {".mlp.0", ".fc1"},
    {".mlp.2", ".fc2"},
    {"encoder.ln_post", "encoder.layer_norm"},
    {"decoder.ln", "decoder.layer_norm"},
    {"encoder.positional_embedding", "encoder.embed_positions.weight"},
    {"decoder.positional_embedding", "decoder.embed_positions.weight"},
    {"decoder.token_embedding", "decoder.embed_tokens"},
    {NULL, NULL},
};

/* Duplicates (the output layer equals the embedding), and weights that only training needs. */
static const char *const ignored[] = {"proj_out.weight", "*alignment_heads", NULL};

static const char *const prefixes[] = {"", "model_state_dict.", "model."};
#define N_PREFIXES (sizeof prefixes / sizeof *prefixes)

/* The prefix of c's names; NULL where c is not a Whisper model. */
static const char *prefix_of(const checkpoint *c)
{
    for (size_t i = 0; i < N_PREFIXES; i++) {
        char conv[64], decoder[64], theirs[64];
        snprintf(conv, sizeof conv, "%sencoder.conv1.bias", prefixes[i]); /* which Moonshine's lacks */
        snprintf(decoder, sizeof decoder, "%sdecoder.token_embedding.weight", prefixes[i]);
        snprintf(theirs, sizeof theirs, "%sdecoder.embed_tokens.weight", prefixes[i]);
        if (checkpoint_find(c, conv) && (checkpoint_find(c, decoder) || checkpoint_find(c, theirs)))
            return prefixes[i];
    }
    return NULL;
}

bool recipe_is_whisper(const checkpoint *c)
{
    return prefix_of(c) != NULL;
}

/* The first of these numbers that the checkpoint has. */
static int64_t config_int(const build *b, const char *openai, const char *hugging, int64_t otherwise)
{
    char dims[64];
    snprintf(dims, sizeof dims, "dims.%s", openai);
    return checkpoint_int(b->c, openai, checkpoint_int(b->c, dims, checkpoint_int(b->c, hugging, otherwise)));
}

/* The shapes give everything but the number of heads, which is d / 64 in every published model. */
static whisper read_dims(build *b)
{
    whisper w = {.n_mels = build_dim(b, "encoder.conv1.weight", 1),
                 .d = build_dim(b, "encoder.conv1.weight", 0),
                 .places = build_dim(b, "encoder.positional_embedding", 0),
                 .n_text_ctx = build_dim(b, "decoder.positional_embedding", 0),
                 .n_vocab = build_dim(b, "decoder.token_embedding.weight", 0),
                 .n_audio_layer = build_count(b, "encoder.blocks.", ".attn.query.weight"),
                 .n_text_layer = build_count(b, "decoder.blocks.", ".attn.query.weight")};
    int64_t asked = b->work->options->audio_context;
    w.n_audio_ctx = asked ? asked : w.places;
    if (asked < 0 || (w.places && asked > w.places))
        build_fail(b, SIB_ERR_ARGUMENT,
                   "%s: windows cannot have %lld frames of audio; they can have 1 to %lld",
                   checkpoint_file(b->c, 0), (long long)asked, (long long)w.places);
    w.audio_heads = config_int(b, "n_audio_head", "encoder_attention_heads", w.d / 64);
    w.text_heads = config_int(b, "n_text_head", "decoder_attention_heads", w.d / 64);
    if (w.d <= 0 || w.audio_heads <= 0 || w.text_heads <= 0 || w.d % w.audio_heads || w.d % w.text_heads)
        build_fail(b, SIB_ERR_FORMAT, "%s: a state of %lld numbers cannot be %lld and %lld heads",
                   checkpoint_file(b->c, 0), (long long)w.d, (long long)w.audio_heads,
                   (long long)w.text_heads);
    return w;
}

static void add_metadata(build *b, const whisper *w)
{
    build_add_metadata_int(b, "n_mels", w->n_mels);
    build_add_metadata_int(b, "n_audio_ctx", w->n_audio_ctx);
    build_add_metadata_int(b, "n_audio_state", w->d);
    build_add_metadata_int(b, "n_audio_head", w->audio_heads);
    build_add_metadata_int(b, "n_audio_layer", w->n_audio_layer);
    build_add_metadata_int(b, "n_vocab", w->n_vocab);
    build_add_metadata_int(b, "n_text_ctx", w->n_text_ctx);
    build_add_metadata_int(b, "n_text_state", w->d);
    build_add_metadata_int(b, "n_text_head", w->text_heads);
    build_add_metadata_int(b, "n_text_layer", w->n_text_layer);
    whisper_add_heads(b, w->n_text_layer, w->text_heads, w->n_vocab);
}

/* ---- Shared by encoder and decoder --------------------------------------------------------------------- */

static value_id linear(build *b, value_id x, const char *where, const char *what, int64_t d, build_bias bias)
{
    return build_linear(b, x, build_text(b, "%s.%s", where, what), d, d, bias);
}

/* x [B, N, d] -> [B, N, d]; at->past_k, past_v: the cache, or NO_VALUE. */
static value_id self_attention(build *b, value_id x, const char *where, const whisper *w, build_attention *at)
{
    at->q = linear(b, x, where, "query", w->d, BUILD_BIAS);
    at->k = linear(b, x, where, "key", w->d, BUILD_NO_BIAS);
    at->v = linear(b, x, where, "value", w->d, BUILD_BIAS);
    return linear(b, build_attend(b, at), where, "out", w->d, BUILD_BIAS);
}

static value_id feed_forward(build *b, value_id x, const char *where, const whisper *w)
{
    value_id y = build_layer_norm(b, x, build_text(b, "%s.mlp_ln", where), w->d, EPSILON);
    y = build_linear(b, y, build_text(b, "%s.mlp.0", where), w->d, 4 * w->d, BUILD_BIAS);
    y = build_linear(b, build_gelu(b, y, false), build_text(b, "%s.mlp.2", where), 4 * w->d, w->d,
                     BUILD_BIAS);
    return build_add(b, x, y);
}

/* [B, T, d] -> [B, heads, T, size] */
static value_id to_heads(build *b, value_id x, int64_t heads, int64_t size)
{
    value_id apart = build_reshape(b, x, 4, (const int64_t[]){0, 0, heads, size});
    return build_transpose(b, apart, 4, (const int64_t[]){0, 2, 1, 3});
}

/* ---- The encoder --------------------------------------------------------------------------------------- */

/* Keys and values of decoder layer i, read by every step of the decoder. */
static void cross_keys(build *b, value_id audio, const whisper *w, int64_t i)
{
    int64_t size = w->d / w->text_heads;
    build_scope(b, "decoder.blocks.%lld.cross_attn", (long long)i);
    value_id k = linear(b, audio, b->scope, "key", w->d, BUILD_NO_BIAS),
             v = linear(b, audio, b->scope, "value", w->d, BUILD_BIAS);
    build_output(b, to_heads(b, k, w->text_heads, size), build_text(b, "audio_k.%lld", (long long)i), SIB_F32,
                 "B %lld %lld %lld", (long long)w->text_heads, (long long)w->n_audio_ctx, (long long)size);
    build_output(b, to_heads(b, v, w->text_heads, size), build_text(b, "audio_v.%lld", (long long)i), SIB_F32,
                 "B %lld %lld %lld", (long long)w->text_heads, (long long)w->n_audio_ctx, (long long)size);
}

static void encoder(build *b, const whisper *w)
{
    const int64_t places[] = {w->places, w->d};
    build_scope(b, "encoder");
    value_id mel =
        build_input(b, "mel", SIB_F32, "B %lld %lld", (long long)w->n_mels, 2 * (long long)w->n_audio_ctx);
    value_id x = build_gelu(b, build_conv3(b, mel, "encoder.conv1", w->n_mels, w->d, 1), false);
    x = build_gelu(b, build_conv3(b, x, "encoder.conv2", w->d, w->d, 2), false);
    x = build_transpose(b, x, 3, (const int64_t[]){0, 2, 1}); /* [B, n_audio_ctx, d] */
    value_id positions = build_weight(b, "encoder.positional_embedding", 2, places);
    if (w->n_audio_ctx < w->places)
        positions = build_slice(b, positions, build_int(b, 0), build_int(b, w->n_audio_ctx), 0);
    x = build_add(b, x, positions);
    for (int64_t i = 0; i < w->n_audio_layer; i++) {
        const char *where = build_text(b, "encoder.blocks.%lld", (long long)i);
        build_attention at = {.size = w->d / w->audio_heads,
                              .heads = w->audio_heads,
                              .kv_heads = w->audio_heads,
                              .mask = NO_VALUE,
                              .past_k = NO_VALUE,
                              .past_v = NO_VALUE};
        build_scope(b, "%s", where);
        value_id y = build_layer_norm(b, x, build_text(b, "%s.attn_ln", where), w->d, EPSILON);
        x = build_add(b, x, self_attention(b, y, build_text(b, "%s.attn", where), w, &at));
        x = feed_forward(b, x, where, w);
    }
    build_scope(b, "encoder");
    value_id audio = build_layer_norm(b, x, "encoder.ln_post", w->d, EPSILON);
    for (int64_t i = 0; i < w->n_text_layer; i++)
        cross_keys(b, audio, w, i);
    build_output(b, audio, "audio", SIB_F32, "B %lld %lld", (long long)w->n_audio_ctx, (long long)w->d);
}

/* ---- The decoder --------------------------------------------------------------------------------------- */

/* The scores for word times: q [1, heads, B * N, size] with k [1, heads, n_audio_ctx, size]. Callers that do
   not need them run the part of the model without. */
static void cross_scores(build *b, value_id q, value_id k, value_id tokens, const whisper *w, int64_t i)
{
    int64_t size = w->d / w->text_heads;
    value_id transposed = build_transpose(b, k, 4, (const int64_t[]){0, 1, 3, 2});
    value_id scores = build_mul(b, build_2(b, "MatMul", q, transposed),
                                build_float(b, 1 / sqrt((double)size))); /* [1, heads, B N, T] */
    value_id dims[] = {build_int(b, w->text_heads), build_shape(b, tokens, 0, 2),
                       build_int(b, w->n_audio_ctx)};
    scores = build_2(b, "Reshape", scores, build_concat(b, 0, 3, dims)); /* [heads, B, N, T] */
    build_output(b, build_transpose(b, scores, 4, (const int64_t[]){1, 0, 2, 3}),
                 build_text(b, "cross_weights.%lld", (long long)i), SIB_F32, "B %lld N %lld",
                 (long long)w->text_heads, (long long)w->n_audio_ctx);
}

/* Cross attention of x [B, N, d] to one audio: all rows are queries of one batch, since no key is hidden from
   any. */
static value_id cross_attention(build *b, value_id x, const char *where, value_id tokens, const whisper *w,
                                int64_t i)
{
    int64_t size = w->d / w->text_heads;
    value_id k = build_input(b, build_text(b, "cross_k.%lld", (long long)i), SIB_F32, "1 %lld %lld %lld",
                             (long long)w->text_heads, (long long)w->n_audio_ctx, (long long)size),
             v = build_input(b, build_text(b, "cross_v.%lld", (long long)i), SIB_F32, "1 %lld %lld %lld",
                             (long long)w->text_heads, (long long)w->n_audio_ctx, (long long)size);
    value_id q = linear(b, x, where, "query", w->d, BUILD_BIAS);
    q = build_reshape(b, q, 4, (const int64_t[]){1, -1, w->text_heads, size});
    q = build_transpose(b, q, 4, (const int64_t[]){0, 2, 1, 3}); /* [1, heads, B N, size] */
    build_attention at = {
        .size = size, .q = q, .k = k, .v = v, .mask = NO_VALUE, .past_k = NO_VALUE, .past_v = NO_VALUE};
    value_id y = build_transpose(b, build_attend(b, &at), 4, (const int64_t[]){0, 2, 1, 3});
    value_id dims[] = {build_shape(b, tokens, 0, 2), build_int(b, w->d)};
    y = build_2(b, "Reshape", y, build_concat(b, 0, 2, dims));
    cross_scores(b, q, k, tokens, w, i);
    return linear(b, y, where, "out", w->d, BUILD_BIAS);
}

static void decoder(build *b, const whisper *w)
{
    int64_t size = w->d / w->text_heads;
    build_scope(b, "decoder");
    value_id tokens = build_input(b, "tokens", SIB_I64, "B N"), at = build_input(b, "at", SIB_I64, "M"),
             x = NO_VALUE;
    build_table words = build_rows_table(b, "decoder.token_embedding.weight", w->n_vocab, w->d);
    for (int64_t i = 0; i < w->n_text_layer; i++) {
        const char *where = build_text(b, "decoder.blocks.%lld", (long long)i);
        build_attention cache = {.size = size,
                                 .heads = w->text_heads,
                                 .kv_heads = w->text_heads,
                                 .causal = true,
                                 .mask = NO_VALUE};
        build_cache(b, i, w->text_heads, size, &cache);
        if (i == 0)
            x = build_add(b, build_pick(b, &words, tokens),
                          build_positions(b, "decoder.positional_embedding", 0, w->n_text_ctx, w->d, tokens,
                                          cache.past_k));
        build_scope(b, "%s", where);
        value_id y = build_layer_norm(b, x, build_text(b, "%s.attn_ln", where), w->d, EPSILON);
        x = build_add(b, x, self_attention(b, y, build_text(b, "%s.attn", where), w, &cache));
        build_cached(b, i, w->text_heads, size, &cache);
        y = build_layer_norm(b, x, build_text(b, "%s.cross_attn_ln", where), w->d, EPSILON);
        x = build_add(b, x, cross_attention(b, y, build_text(b, "%s.cross_attn", where), tokens, w, i));
        x = feed_forward(b, x, where, w);
    }
    build_scope(b, "decoder");
    x = build_layer_norm(b, build_gather(b, x, at, 1), "decoder.ln", w->d, EPSILON); /* [B, M, d] */
    build_output(b, build_scores(b, x, &words, at), "logits", SIB_F32, "B M %lld", (long long)w->n_vocab);
}

void recipe_whisper(build *b)
{
    char theirs[80];
    b->prefix = prefix_of(b->c);
    b->prefix = b->prefix ? b->prefix : "";
    b->ignored = ignored;
    snprintf(theirs, sizeof theirs, "%sdecoder.embed_tokens.weight", b->prefix);
    if (checkpoint_find(b->c, theirs))
        b->renames = hugging_face;
    whisper w = read_dims(b);
    if (b->code != SIB_OK)
        return;
    add_metadata(b, &w);
    encoder(b, &w);
    decoder(b, &w);
}
