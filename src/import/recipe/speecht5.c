/* SpeechT5's text to speech (Ao et al. 2022), from Hugging Face's folders: a graph in three parts. The first reads tokens, the
   second makes frames step by step, each of the last frame of the step before, and the third makes samples of all frames.
   What the second part's prenet drops, which it does wherever the model speaks, is an input. Source: transformers. */
#include "import/recipe/hifigan.h"
#include "import/recipe/recipe.h"
#include "import/recipe/symbols.h"

#include <jansson.h>
#include <math.h>

#define ENCODER "speecht5.encoder.wrapped_encoder"
#define DECODER "speecht5.decoder.wrapped_decoder"
#define TEXT    "speecht5.encoder.prenet"
#define PRENET  "speecht5.decoder.prenet"
#define POSTNET "speech_decoder_postnet"

static const char *const ignored[] = {"*.num_batches_tracked", "*.encode_positions.pe", NULL};
static const char *const vocoder_ignored[] = {"mean", "scale", NULL};
static const char *const vocoders[] = {"vocoder", "speecht5_hifigan", "../speecht5_hifigan"};

typedef struct speecht5 {
    int64_t n_vocab, d, n_text_ctx, n_ctx, pad;
    int64_t layers, heads, inner,
        reach; /* of the encoder, whose attention knows distances from -reach to reach - 1 */
    int64_t decoder_layers, decoder_heads, decoder_inner;
    int64_t bins, step; /* numbers of a frame, and frames of a step */
    int64_t prenet_layers, units, speaker;
    int64_t postnet_layers, postnet_units, kernel;
    double epsilon, dropout;
    build_activation activation;
} speecht5;

bool recipe_is_speecht5(const checkpoint *c)
{
    return checkpoint_find(c, ENCODER ".layer_norm.weight") != NULL;
}

/* ---- Dimensions ---------------------------------------------------------------------------------------- */

static void check(build *b, const speecht5 *m)
{
    if (b->code != SIB_OK)
        return;
    const bool fits = m->d >= 2 && m->d % 2 == 0 && m->d % m->heads == 0 && m->d % m->decoder_heads == 0 &&
                      m->reach >= 1 && m->reach <= 1 << 16 && m->decoder_layers >= 1 &&
                      m->prenet_layers >= 1 && m->postnet_layers >= 1 && m->kernel % 2 && m->epsilon >= 0 &&
                      m->epsilon < 1 && m->dropout >= 0 && m->dropout < 1;
    if (!fits)
        build_fail(
            b, SIB_ERR_FORMAT,
            "%s: a width of %lld (even) with %lld and %lld heads, %lld layers of a decoder, %lld of its "
            "prenet and %lld of a postnet of kernel %lld (odd), and a dropout of %g are none that a "
            "model can have",
            checkpoint_file(b->c, 0), (long long)m->d, (long long)m->heads, (long long)m->decoder_heads,
            (long long)m->decoder_layers, (long long)m->prenet_layers, (long long)m->postnet_layers,
            (long long)m->kernel, m->dropout);
}

static speecht5 read_dims(build *b)
{
    const char *table = TEXT ".embed_tokens.weight";
    speecht5 m = {
        .n_vocab = build_dim(b, table, 0),
        .d = build_dim(b, table, 1),
        .n_text_ctx = build_fact_int(b, "max_text_positions", 450, 1, 1 << 16),
        .n_ctx = build_fact_int(b, "max_speech_positions", 4000, 1, 1 << 20),
        .layers = build_count(b, ENCODER ".layers.", ".attention.q_proj.weight"),
        .heads = build_fact_int(b, "encoder_attention_heads", 12, 1, 1 << 12),
        .inner = build_fact_int(b, "encoder_ffn_dim", 3072, 1, 1 << 20),
        .reach = build_dim(b, ENCODER ".embed_positions.pe_k.weight", 0) / 2,
        .decoder_layers = build_count(b, DECODER ".layers.", ".self_attn.q_proj.weight"),
        .decoder_heads = build_fact_int(b, "decoder_attention_heads", 12, 1, 1 << 12),
        .decoder_inner = build_fact_int(b, "decoder_ffn_dim", 3072, 1, 1 << 20),
        .bins = build_fact_int(b, "num_mel_bins", 80, 1, 1 << 12),
        .step = build_fact_int(b, "reduction_factor", 2, 1, 1 << 8),
        .prenet_layers = build_count(b, PRENET ".layers.", ".weight"),
        .units = build_fact_int(b, "speech_decoder_prenet_units", 256, 1, 1 << 16),
        .speaker = build_fact_int(b, "speaker_embedding_dim", 512, 1, 1 << 16),
        .postnet_layers = build_count(b, POSTNET ".layers.", ".conv.weight"),
        .postnet_units = build_fact_int(b, "speech_decoder_postnet_units", 256, 1, 1 << 16),
        .kernel = build_fact_int(b, "speech_decoder_postnet_kernel", 5, 1, 1 << 8),
        .epsilon = checkpoint_float(b->c, "layer_norm_eps", 1e-5),
        .dropout = checkpoint_float(b->c, "speech_decoder_prenet_dropout", 0.5),
        .activation = build_activation_named(b, build_fact_text(b, "hidden_act", "gelu")),
    };
    m.pad = build_fact_int(b, "pad_token_id", 1, 0, m.n_vocab > 0 ? m.n_vocab - 1 : 0);
    check(b, &m);
    return m;
}

/* ---- What both sides have ------------------------------------------------------------------------------ */

static value_id linear(build *b, value_id x, const char *where, const char *what, int64_t in, int64_t out)
{
    return build_linear(b, x, build_text(b, "%s.%s", where, what), in, out, BUILD_BIAS);
}

static value_id norm(build *b, const speecht5 *m, value_id x, const char *where, const char *what)
{
    return build_layer_norm(b, x, build_text(b, "%s.%s", where, what), m->d, m->epsilon);
}

/* x [1, N, d] plus sines and cosines of its places, beside each other, times a number that was learned. */
static value_id add_places(build *b, const speecht5 *m, value_id x, value_id past, const char *prenet)
{
    const int64_t half = m->d / 2;
    float *angles = b->code == SIB_OK ? arena_alloc(b->m->arena, (size_t)half, sizeof *angles) : NULL;
    value_id at, parts[2];
    if (b->code == SIB_OK && !angles)
        build_fail(b, SIB_ERR_MEMORY, "no memory for positions");
    for (int64_t i = 0; angles && i < half; i++) /* in float32, as PyTorch computes them */
        angles[i] = expf((float)(2 * i) * (float)-(log(10000) / (double)m->d));
    build_position_ids(b, build_shape(b, x, 1, 1), past, &at, NULL);
    at = build_reshape(b, build_cast(b, at, SIB_F32), 2, (const int64_t[]){-1, 1});
    at = build_mul(b, at, build_floats(b, angles ? (size_t)half : 0, angles));
    parts[0] = build_2(b, "Unsqueeze", build_1(b, "Sin", at), build_int(b, 2));
    parts[1] = build_2(b, "Unsqueeze", build_1(b, "Cos", at), build_int(b, 2));
    at = build_reshape(b, build_concat(b, 2, 2, parts), 2, (const int64_t[]){-1, m->d});
    return build_add(
        b, x, build_mul(b, at, build_vector(b, build_text(b, "%s.encode_positions.alpha", prenet), 1)));
}

/* x [1, N, d] -> [1, heads, N, size] */
static value_id to_heads(build *b, value_id x, int64_t heads, int64_t size)
{
    x = build_reshape(b, x, 4, (const int64_t[]){1, -1, heads, size});
    return build_transpose(b, x, 4, (const int64_t[]){0, 2, 1, 3});
}

/* x plus what the MLP of a layer makes of it, normed. */
static value_id feed_forward(build *b, const speecht5 *m, value_id x, const char *where, int64_t inner)
{
    value_id y = linear(b, x, where, "feed_forward.intermediate_dense", m->d, inner);
    y = linear(b, build_activate(b, m->activation, y), where, "feed_forward.output_dense", inner, m->d);
    return norm(b, m, build_add(b, x, y), where, "final_layer_norm");
}

/* Attention of x [1, N, d] to itself. */
static value_id attend_self(build *b, const speecht5 *m, value_id x, const char *where, build_attention *at)
{
    at->size = m->d / at->heads;
    at->kv_heads = at->heads;
    at->q = linear(b, x, where, "q_proj", m->d, m->d);
    at->k = linear(b, x, where, "k_proj", m->d, m->d);
    at->v = linear(b, x, where, "v_proj", m->d, m->d);
    return at->q;
}

/* ---- The encoder --------------------------------------------------------------------------------------- */

/* Where queries find keys among the distances, and the vectors of these. */
typedef struct distances {
    value_id places;  /* int64 [N, N] */
    value_id vectors; /* [size, 2 reach] */
} distances;

static distances find_distances(build *b, const speecht5 *m, value_id tokens)
{
    value_id places = build_1(b, "Neg", build_distances(b, tokens, NO_VALUE)),
             rows = build_weight(b, ENCODER ".embed_positions.pe_k.weight", 2,
                                 (const int64_t[]){2 * m->reach, m->d / m->heads});
    places = build_3(b, "Clip", places, build_scalar_int(b, -m->reach), build_scalar_int(b, m->reach - 1));
    return (distances){build_add(b, places, build_scalar_int(b, m->reach)),
                       build_transpose(b, rows, 2, (const int64_t[]){1, 0})};
}

/* Queries times a vector of each key's distance, which is added to the scores [1, heads, N, N]. */
static value_id distance_scores(build *b, const speecht5 *m, value_id q, const distances *of)
{
    const int64_t size = m->d / m->heads;
    value_id scores = build_2(b, "MatMul", to_heads(b, q, m->heads, size), of->vectors);
    return build_mul(b, build_at_places(b, scores, m->heads, of->places),
                     build_float(b, 1 / sqrt((double)size)));
}

/* Keys and values of decoder layer i, which each of its steps reads. */
static void cross_keys(build *b, const speecht5 *m, value_id encoded, int64_t i)
{
    const int64_t heads = m->decoder_heads, size = m->d / heads;
    static const char *const names[] = {"k_proj", "v_proj"};
    const char *where = build_text(b, DECODER ".layers.%lld.encoder_attn", (long long)i);
    build_scope(b, "source.%lld", (long long)i);
    for (size_t k = 0; k < 2; k++)
        build_output(b, to_heads(b, linear(b, encoded, where, names[k], m->d, m->d), heads, size),
                     build_text(b, "source_%c.%lld", "kv"[k], (long long)i), SIB_F32, "1 %lld S %lld",
                     (long long)heads, (long long)size);
}

static void build_encoder(build *b, const speecht5 *m)
{
    build_scope(b, "text");
    const build_table words = build_rows_table(b, TEXT ".embed_tokens.weight", m->n_vocab, m->d);
    value_id tokens = build_input(b, "tokens", SIB_I64, "1 S"), x = build_pick(b, &words, tokens);
    x = norm(b, m, add_places(b, m, x, NO_VALUE, TEXT), ENCODER, "layer_norm");
    const distances of = find_distances(b, m, tokens);
    for (int64_t i = 0; i < m->layers; i++) {
        const char *where = build_text(b, ENCODER ".layers.%lld", (long long)i),
                   *attention = build_text(b, "%s.attention", where);
        build_attention at = {.heads = m->heads, .past_k = NO_VALUE, .past_v = NO_VALUE, .mask_added = true};
        build_scope(b, "text.%lld", (long long)i);
        at.mask = distance_scores(b, m, attend_self(b, m, x, attention, &at), &of);
        value_id y = linear(b, build_attend(b, &at), attention, "out_proj", m->d, m->d);
        x = norm(b, m, build_add(b, x, y), where, "layer_norm");
        x = feed_forward(b, m, x, where, m->inner);
    }
    for (int64_t i = 0; i < m->decoder_layers; i++)
        cross_keys(b, m, x, i);
    build_output(b, x, "encoded", SIB_F32, "1 S %lld", (long long)m->d);
}

/* ---- The decoder --------------------------------------------------------------------------------------- */

/* Frames before those that are made [1, N, bins], times what is kept of each of the prenet's layers, with the speaker. */
static value_id prenet(build *b, const speecht5 *m, value_id x, value_id past)
{
    value_id kept = build_input(b, "kept", SIB_F32, "%lld N %lld", (long long)m->prenet_layers,
                                (long long)m->units),
             speaker = build_input(b, "speaker_embedding", SIB_F32, "1 %lld", (long long)m->speaker), length;
    for (int64_t i = 0; i < m->prenet_layers; i++) {
        x = linear(b, x, PRENET, build_text(b, "layers.%lld", (long long)i), i ? m->units : m->bins,
                   m->units);
        x = build_mul(b, build_1(b, "Relu", x), build_gather(b, kept, build_int(b, i), 0));
    }
    x = linear(b, x, PRENET, "final_layer", m->units, m->d);
    x = add_places(b, m, x, past, PRENET);
    length = build_2(b, "ReduceL2", speaker, build_int(b, -1));
    speaker = build_2(b, "Div", speaker, build_2(b, "Max", length, build_float(b, 1e-12)));
    value_id rows[] = {build_shape(b, x, 0, 2), build_int(b, m->speaker)},
             parts[] = {x, build_2(b, "Expand", speaker, build_concat(b, 0, 2, rows))};
    x = linear(b, build_concat(b, 2, 2, parts), PRENET, "speaker_embeds_layer", m->d + m->speaker, m->d);
    return build_1(b, "Relu", x);
}

static value_id cross_attention(build *b, const speecht5 *m, value_id x, const char *where, int64_t i)
{
    const int64_t heads = m->decoder_heads, size = m->d / heads;
    build_attention at = {.size = size, .mask = NO_VALUE, .past_k = NO_VALUE, .past_v = NO_VALUE};
    at.k = build_input(b, build_text(b, "cross_k.%lld", (long long)i), SIB_F32, "1 %lld S %lld",
                       (long long)heads, (long long)size);
    at.v = build_input(b, build_text(b, "cross_v.%lld", (long long)i), SIB_F32, "1 %lld S %lld",
                       (long long)heads, (long long)size);
    at.q = to_heads(b, linear(b, x, where, "q_proj", m->d, m->d), heads, size);
    value_id y = build_transpose(b, build_attend(b, &at), 4, (const int64_t[]){0, 2, 1, 3});
    y = build_reshape(b, y, 3, (const int64_t[]){1, -1, m->d});
    return linear(b, y, where, "out_proj", m->d, m->d);
}

static value_id decoder_layer(build *b, const speecht5 *m, value_id x, int64_t i, build_attention *at)
{
    const char *where = build_text(b, DECODER ".layers.%lld", (long long)i),
               *self = build_text(b, "%s.self_attn", where);
    build_scope(b, "speech.%lld", (long long)i);
    attend_self(b, m, x, self, at);
    value_id y = linear(b, build_attend(b, at), self, "out_proj", m->d, m->d);
    build_cached(b, i, at->heads, at->size, at);
    x = norm(b, m, build_add(b, x, y), where, "self_attn_layer_norm");
    y = cross_attention(b, m, x, build_text(b, "%s.encoder_attn", where), i);
    x = norm(b, m, build_add(b, x, y), where, "encoder_attn_layer_norm");
    return feed_forward(b, m, x, where, m->decoder_inner);
}

/* frame [1, N, bins] -> frames [1, N step, bins], and the sum of their probabilities that speech ends [1, N] */
static void build_decoder(build *b, const speecht5 *m)
{
    value_id frame = build_input(b, "frame", SIB_F32, "1 N %lld", (long long)m->bins), x = NO_VALUE;
    for (int64_t i = 0; i < m->decoder_layers; i++) {
        build_attention at = {.heads = m->decoder_heads, .causal = true, .mask = NO_VALUE};
        build_cache(b, i, at.heads, m->d / at.heads, &at);
        build_scope(b, "speech");
        x = i ? x : prenet(b, m, frame, at.past_k);
        x = decoder_layer(b, m, x, i, &at);
    }
    build_scope(b, "speech.last");
    value_id frames = linear(b, x, POSTNET, "feat_out", m->d, m->bins * m->step);
    build_output(b, build_reshape(b, frames, 3, (const int64_t[]){1, -1, m->bins}), "frames", SIB_F32,
                 "1 M %lld", (long long)m->bins);
    value_id ends = build_1(b, "Sigmoid", linear(b, x, POSTNET, "prob_out", m->d, m->step)), sum;
    build_attributes a = build_no_attributes();
    build_set_int(&a, "keepdims", 0);
    build_node(b, "ReduceSum", &a, 2, (value_id[]){ends, build_int(b, -1)}, 1, &sum);
    build_output(b, sum, "end", SIB_F32, "1 N");
}

/* ---- Samples ------------------------------------------------------------------------------------------- */

/* x [1, F, bins] plus what convolutions make of it. */
static value_id postnet(build *b, const speecht5 *m, value_id x)
{
    static const int64_t swapped[] = {0, 2, 1};
    value_id y = build_transpose(b, x, 3, swapped);
    for (int64_t i = 0; i < m->postnet_layers; i++) {
        const bool last = i + 1 == m->postnet_layers;
        const char *where = build_text(b, POSTNET ".layers.%lld", (long long)i);
        const build_conv c = {.name = build_text(b, "%s.conv", where),
                              .from = i ? m->postnet_units : m->bins,
                              .to = last ? m->bins : m->postnet_units,
                              .kernel = m->kernel,
                              .stride = 1,
                              .groups = 1,
                              .before = (m->kernel - 1) / 2,
                              .after = (m->kernel - 1) / 2,
                              .weight = NO_VALUE};
        y = build_batch_norm(b, build_conv_1d(b, y, &c), build_text(b, "%s.batch_norm", where), c.to, 1e-5);
        y = last ? y : build_1(b, "Tanh", y);
    }
    return build_add(b, x, build_transpose(b, y, 3, swapped));
}

/* Frames [1, F, bins] -> samples [1, T], by the vocoder, whose weights are read. */
static value_id vocode(build *b, const speecht5 *m, value_id x)
{
    static const int64_t swapped[] = {0, 2, 1};
    const hifigan samples = hifigan_read(b, "", m->bins);
    if (b->code != SIB_OK)
        return NO_VALUE;
    if (build_fact_bool(b, "normalize_before", true)) {
        x = build_sub(b, x, build_vector(b, "mean", m->bins));
        x = build_2(b, "Div", x, build_vector(b, "scale", m->bins));
    }
    x = hifigan_build(b, &samples, build_transpose(b, x, 3, swapped), NO_VALUE);
    build_add_metadata_int(b, "sample_rate", build_fact_int(b, "sampling_rate", 16000, 1000, 384000));
    build_add_metadata_int(b, "frame_samples", samples.frame);
    return build_2(b, "Squeeze", x, build_int(b, 1));
}

static checkpoint *open_vocoder(build *b)
{
    const char *given = b->work->options->vocoder;
    checkpoint *c = NULL;
    if (given && b->code == SIB_OK)
        b->code = checkpoint_open(&given, 1, &c, b->err);
    for (size_t i = 0; !given && !c && i < sizeof vocoders / sizeof *vocoders; i++)
        c = build_open_beside(b, vocoders[i]);
    if (!c)
        build_fail(
            b, SIB_ERR_IO,
            "%s: has no vocoder, which makes samples of what the model says: fetch that of the same "
            "model, and name its folder (--vocoder), put it into the model's as 'vocoder', or beside that as "
            "'speecht5_hifigan'",
            checkpoint_file(b->c, 0));
    return c;
}

static void build_samples(build *b, const speecht5 *m)
{
    value_id x = build_input(b, "made", SIB_F32, "1 F %lld", (long long)m->bins);
    checkpoint *vocoder = open_vocoder(b);
    if (!vocoder)
        return;
    build_scope(b, "postnet");
    x = postnet(b, m, x);
    build_output(b, x, "spectrogram", SIB_F32, "1 F %lld", (long long)m->bins);
    build_enter_checkpoint(b, vocoder);
    x = vocode(b, m, x);
    build_leave_checkpoint(b, vocoder_ignored);
    build_output(b, x, "samples", SIB_F32, "1 T");
}

/* ---- The model ----------------------------------------------------------------------------------------- */

static void check_kind(build *b)
{
    json_t *config = build_beside(b, "tokenizer_config.json");
    if (!build_find(b, TEXT ".embed_tokens.weight") || !build_find(b, POSTNET ".feat_out.weight"))
        build_fail(b, SIB_ERR_UNSUPPORTED,
                   "%s: of SpeechT5's models only text to speech (SpeechT5ForTextToSpeech) is supported",
                   checkpoint_file(b->c, 0));
    else if (json_is_true(json_object_get(config, "normalize")))
        build_fail(b, SIB_ERR_UNSUPPORTED,
                   "%s: a tokenizer that writes numbers as words (normalize in tokenizer_config.json) is not "
                   "supported",
                   checkpoint_file(b->c, 0));
    json_decref(config);
}

void recipe_speecht5(build *b)
{
    b->ignored = ignored;
    check_kind(b);
    if (b->code != SIB_OK)
        return;
    const speecht5 m = read_dims(b);
    if (b->code != SIB_OK)
        return;
    build_add_metadata_int(b, "n_vocab", m.n_vocab);
    build_add_metadata_int(b, "n_text_ctx", m.n_text_ctx);
    build_add_metadata_int(b, "n_ctx", m.n_ctx);
    build_add_metadata_int(b, "pad_token", m.pad);
    symbols_add_number(b, "dropout", m.dropout);
    build_encoder(b, &m);
    build_decoder(b, &m);
    build_samples(b, &m);
}
