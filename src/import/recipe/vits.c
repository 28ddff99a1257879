/* VITS (Kim et al. 2021), from Hugging Face's folders (MMS-TTS): a graph in two parts, between which the caller draws. The first
   reads tokens [1, N] and gives, for each, the mean and the logarithm of the variance of its frames, and how many they are; the
   second makes samples of drawn frames `latents` [1, C, F] by a flow, read backwards, and HiFi-GAN. Source: transformers. */
#include "import/recipe/vits.h"

#include "import/recipe/hifigan.h"
#include "import/recipe/recipe.h"
#include "import/recipe/symbols.h"
#include "import/recipe/text_encoder.h"

#include <math.h>
#include <string.h>

/* Weights that only training needs, and those for speakers of models that have one. */
static const char *const ignored[] = {"posterior_encoder.*",
                                      "duration_predictor.post_*",
                                      "duration_predictor.flows.1.*",
                                      "duration_predictor.cond.*",
                                      "decoder.cond.*",
                                      "*.wavenet.cond_layer.*",
                                      NULL};

bool recipe_is_vits(const checkpoint *c)
{
    return checkpoint_find(c, "text_encoder.embed_tokens.weight") &&
           checkpoint_find(c, "decoder.conv_pre.weight");
}

/* ---- Dimensions ---------------------------------------------------------------------------------------- */

static vits read_dims(build *b)
{
    const char *table = "text_encoder.embed_tokens.weight",
               *places = "text_encoder.encoder.layers.0.attention.emb_rel_k";
    vits m = {.n_vocab = build_dim(b, table, 0),
              .d = build_dim(b, table, 1),
              .heads = build_fact_int(b, "num_attention_heads", 2, 1, 1 << 12),
              .layers = build_count(b, "text_encoder.encoder.layers.", ".attention.q_proj.weight"),
              .inner = build_fact_int(b, "ffn_dim", 768, 1, 1 << 20),
              .kernel = build_fact_int(b, "ffn_kernel_size", 3, 1, 1 << 8),
              .window = build_find(b, places) ? (build_dim(b, places, 1) - 1) / 2 : 0,
              .flow = build_fact_int(b, "flow_size", 192, 2, 1 << 16),
              .n_flows = build_fact_int(b, "prior_encoder_num_flows", 4, 0, 1 << 8),
              .wave_layers = build_fact_int(b, "prior_encoder_num_wavenet_layers", 4, 1, 1 << 6),
              .wave_kernel = build_fact_int(b, "wavenet_kernel_size", 5, 1, 1 << 8),
              .wave_growth = build_fact_int(b, "wavenet_dilation_rate", 1, 1, 1 << 6),
              .n_speakers = build_fact_int(b, "num_speakers", 1, 0, 1 << 20),
              .epsilon = checkpoint_float(b->c, "layer_norm_eps", 1e-5),
              .activation = build_activation_named(b, build_fact_text(b, "hidden_act", "relu")),
              .speaker = NO_VALUE};
    if (m.n_speakers > 1)
        m.speaker_size = build_fact_int(b, "speaker_embedding_size", 0, 1, 1 << 16);
    const double reach = pow((double)m.wave_growth, (double)(m.wave_layers - 1)) * (double)m.wave_kernel;
    if (b->code == SIB_OK && (m.d <= 0 || m.d % m.heads || m.flow % 2 || m.wave_kernel % 2 == 0 ||
                              reach > 1 << 20 || !(m.epsilon >= 0 && m.epsilon < 1)))
        build_fail(b, SIB_ERR_FORMAT,
                   "%s: a width of %lld with %lld heads, frames of %lld channels (flow_size, even), and %lld "
                   "convolutions of kernel %lld (wavenet_kernel_size, odd) are none that a model can have",
                   checkpoint_file(b->c, 0), (long long)m.d, (long long)m.heads, (long long)m.flow,
                   (long long)m.wave_layers, (long long)m.wave_kernel);
    return m;
}

/* ---- The encoder of text ------------------------------------------------------------------------------- */

static value_id to_heads(build *b, const vits *m, value_id x)
{
    x = build_reshape(b, x, 4, (const int64_t[]){1, -1, m->heads, m->d / m->heads});
    return build_transpose(b, x, 4, (const int64_t[]){0, 2, 1, 3});
}

/* x [1, heads, N, n] with zeros around its rows. */
static value_id widened(build *b, value_id x, int64_t by)
{
    const int64_t pads[] = {0, 0, 0, by, 0, 0, 0, by};
    return build_2(b, "Pad", x, build_ints(b, 8, pads));
}

/* Vectors of the distances -window to window [size, 2 window + 1] or transposed. */
static value_id distance_vectors(build *b, const vits *m, const char *name)
{
    return build_weight(b, name, 3, (const int64_t[]){1, 2 * m->window + 1, m->d / m->heads});
}

/* Where queries find keys among the distances, and distances among the keys. */
typedef struct places {
    value_id keys;      /* int64 [N, N], places among 2 window + 3 */
    value_id distances; /* int64 [N, 2 window + 1], places among N + 2 window */
} places;

static places find_places(build *b, const vits *m, value_id x)
{
    value_id n = build_2(b, "Reshape", build_shape(b, x, 1, 1), build_ints(b, 0, NULL)),
             reach = build_scalar_int(b, m->window + 1),
             rows = build_3(b, "Range", build_scalar_int(b, 0), n, build_scalar_int(b, 1)),
             offsets = build_3(b, "Range", build_scalar_int(b, 0), build_scalar_int(b, 2 * m->window + 1),
                               build_scalar_int(b, 1)),
             keys = build_3(b, "Clip", build_distances(b, x, NO_VALUE), build_1(b, "Neg", reach), reach);
    return (places){build_add(b, keys, reach),
                    build_add(b, build_2(b, "Unsqueeze", rows, build_int(b, 1)), offsets)};
}

/* Attention in which scores and values also depend on the distance, up to a window (Shaw et al. 2018). x [1, N, d] */
static value_id attention(build *b, const vits *m, value_id x, const char *where, const places *at)
{
    static const char *const names[] = {"q_proj", "k_proj", "v_proj"};
    const double scale = 1 / sqrt((double)(m->d / m->heads));
    value_id qkv[3], scores, shares;
    for (size_t i = 0; i < 3; i++)
        qkv[i] = text_encoder_linear(b, x, build_text(b, "%s.%s", where, names[i]), m->d, m->d);
    qkv[0] = build_mul(b, qkv[0], build_float(b, scale));
    for (size_t i = 0; i < 3; i++)
        qkv[i] = to_heads(b, m, qkv[i]);
    scores = build_2(b, "MatMul", qkv[0], build_transpose(b, qkv[1], 4, (const int64_t[]){0, 1, 3, 2}));
    if (m->window) {
        value_id rows = distance_vectors(b, m, build_text(b, "%s.emb_rel_k", where)),
                 columns = build_transpose(b, rows, 3, (const int64_t[]){0, 2, 1});
        scores = build_add(
            b, scores,
            build_at_places(b, widened(b, build_2(b, "MatMul", qkv[0], columns), 1), m->heads, at->keys));
    }
    build_attributes a = build_no_attributes();
    build_set_int(&a, "axis", -1);
    build_node(b, "Softmax", &a, 1, &scores, 1, &shares);
    x = build_2(b, "MatMul", shares, qkv[2]);
    if (m->window) {
        value_id rows = distance_vectors(b, m, build_text(b, "%s.emb_rel_v", where)),
                 near = build_at_places(b, widened(b, shares, m->window), m->heads, at->distances);
        x = build_add(b, x, build_2(b, "MatMul", near, rows));
    }
    x = build_transpose(b, x, 4, (const int64_t[]){0, 2, 1, 3});
    x = build_reshape(b, x, 3, (const int64_t[]){1, -1, m->d});
    return text_encoder_linear(b, x, build_text(b, "%s.out_proj", where), m->d, m->d);
}

/* Two convolutions over tokens. x [1, N, d] */
static value_id feed_forward(build *b, const vits *m, value_id x, const char *where)
{
    static const int64_t swapped[] = {0, 2, 1};
    x = build_transpose(b, x, 3, swapped);
    for (int i = 1; i <= 2; i++) {
        const build_conv c = {.name = build_text(b, "%s.conv_%d", where, i),
                              .from = i == 1 ? m->d : m->inner,
                              .to = i == 1 ? m->inner : m->d,
                              .kernel = m->kernel,
                              .stride = 1,
                              .groups = 1,
                              .before = (m->kernel - 1) / 2,
                              .after = m->kernel / 2,
                              .weight = NO_VALUE,
                              .bias = true};
        x = build_conv_1d(b, x, &c);
        if (i == 1)
            x = build_activate(b, m->activation, x);
    }
    return build_transpose(b, x, 3, swapped);
}

/* tokens [1, N] -> [1, N, d] */
static value_id encode(build *b, const vits *m, value_id tokens)
{
    const build_table table = build_rows_table(b, "text_encoder.embed_tokens.weight", m->n_vocab, m->d);
    build_scope(b, "text");
    value_id x = build_mul(b, build_pick(b, &table, tokens), build_float(b, sqrt((double)m->d)));
    const places at = m->window ? find_places(b, m, x) : (places){NO_VALUE, NO_VALUE};
    for (int64_t i = 0; i < m->layers; i++) {
        const char *where = build_text(b, "text_encoder.encoder.layers.%lld", (long long)i);
        build_scope(b, "text.%lld", (long long)i);
        value_id y = attention(b, m, x, build_text(b, "%s.attention", where), &at);
        x = build_layer_norm(b, build_add(b, x, y), build_text(b, "%s.layer_norm", where), m->d, m->epsilon);
        y = feed_forward(b, m, x, build_text(b, "%s.feed_forward", where));
        x = build_layer_norm(b, build_add(b, x, y), build_text(b, "%s.final_layer_norm", where), m->d,
                             m->epsilon);
    }
    return x;
}

/* ---- The flow ------------------------------------------------------------------------------------------ */

/* A convolution of a flow, whose weights may stand as directions and lengths. */
static value_id wave_conv(build *b, value_id x, const char *name, int64_t from, int64_t to, int64_t kernel,
                          int64_t dilation)
{
    const int64_t around = (kernel - 1) * dilation / 2;
    const build_conv c = {.name = name,
                          .from = from,
                          .to = to,
                          .kernel = kernel,
                          .stride = 1,
                          .groups = 1,
                          .dilation = dilation,
                          .before = around,
                          .after = around,
                          .weight = build_normed_weight(b, name, (const int64_t[]){to, from, kernel}, 0),
                          .bias = true};
    return build_conv_1d(b, x, &c);
}

/* Gated convolutions (WaveNet, van den Oord et al. 2016): x [1, d, F] -> [1, d, F]. */
static value_id wavenet(build *b, const vits *m, value_id x, const char *where)
{
    value_id speakers[64], out = NO_VALUE;
    if (m->speaker != NO_VALUE)
        build_split(b,
                    wave_conv(b, m->speaker, build_text(b, "%s.cond_layer", where), m->speaker_size,
                              2 * m->d * m->wave_layers, 1, 1),
                    1, (size_t)m->wave_layers, speakers);
    for (int64_t i = 0, dilation = 1; i < m->wave_layers; i++, dilation *= m->wave_growth) {
        const bool last = i + 1 == m->wave_layers;
        value_id y = wave_conv(b, x, build_text(b, "%s.in_layers.%lld", where, (long long)i), m->d, 2 * m->d,
                               m->wave_kernel, dilation),
                 parts[2];
        if (m->speaker != NO_VALUE)
            y = build_add(b, y, speakers[i]);
        build_split(b, y, 1, 2, parts);
        y = build_mul(b, build_1(b, "Tanh", parts[0]), build_1(b, "Sigmoid", parts[1]));
        y = wave_conv(b, y, build_text(b, "%s.res_skip_layers.%lld", where, (long long)i), m->d,
                      last ? m->d : 2 * m->d, 1, 1);
        if (!last) {
            build_split(b, y, 1, 2, parts);
            x = build_add(b, x, parts[0]);
            y = parts[1];
        }
        out = i ? build_add(b, out, y) : y;
    }
    return out;
}

/* x [1, C, F] with its channels in reverse. */
static value_id flipped(build *b, value_id x)
{
    value_id out, in[] = {x, build_int(b, -1), build_int(b, INT64_MIN), build_int(b, 1), build_int(b, -1)};
    build_node(b, "Slice", NULL, 5, in, 1, &out);
    return out;
}

static value_id flow_back(build *b, const vits *m, value_id x)
{
    const int64_t half = m->flow / 2;
    for (int64_t i = m->n_flows; i-- > 0;) {
        const char *where = build_text(b, "flow.flows.%lld", (long long)i);
        value_id parts[2];
        build_scope(b, "flow.%lld", (long long)i);
        build_split(b, flipped(b, x), 1, 2, parts);
        value_id y = build_point(b, parts[0], build_text(b, "%s.conv_pre", where), half, m->d);
        y = wavenet(b, m, y, build_text(b, "%s.wavenet", where));
        y = build_point(b, y, build_text(b, "%s.conv_post", where), m->d, half);
        x = build_concat(b, 1, 2, (value_id[]){parts[0], build_sub(b, parts[1], y)});
    }
    return x;
}

/* ---- The model ----------------------------------------------------------------------------------------- */

/* The vector of an input "speaker" [1]: [1, size, 1]. */
static value_id speaker_of(build *b, const vits *m)
{
    const build_table table = build_rows_table(b, "embed_speaker.weight", m->n_speakers, m->speaker_size);
    build_scope(b, "speaker");
    return build_2(b, "Unsqueeze", build_pick(b, &table, build_input(b, "speaker", SIB_I64, "1")),
                   build_int(b, 2));
}

static void add_metadata(build *b, const vits *m, const hifigan *samples)
{
    static const struct {
        const char *key, *name;
        double otherwise;
    } numbers[] = {{"noise_scale", "noise_scale", 0.667},
                   {"duration_noise_scale", "noise_scale_duration", 0.8},
                   {"speed", "speaking_rate", 1}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        symbols_add_number(b, numbers[i].key, checkpoint_float(b->c, numbers[i].name, numbers[i].otherwise));
    build_add_metadata_int(b, "n_vocab", m->n_vocab);
    build_add_metadata_int(b, "sample_rate", build_fact_int(b, "sampling_rate", 16000, 1000, 384000));
    build_add_metadata_int(b, "frame_samples", samples->frame);
    build_add_metadata_int(b, "n_speakers", m->speaker_size ? m->n_speakers : 1);
    symbols_add(b, m->n_vocab);
}

void recipe_vits(build *b)
{
    b->ignored = ignored;
    vits m = read_dims(b);
    const hifigan samples = hifigan_read(b, "decoder.", m.flow);
    if (b->code != SIB_OK)
        return;
    add_metadata(b, &m, &samples);
    value_id tokens = build_input(b, "tokens", SIB_I64, "1 N"), parts[2], beside = NO_VALUE;
    if (m.speaker_size)
        m.speaker = speaker_of(b, &m);
    value_id x = encode(b, &m, tokens);
    build_scope(b, "text.last");
    build_split(b, build_linear(b, x, "text_encoder.project", m.d, 2 * m.flow, BUILD_BIAS), 2, 2, parts);
    build_output(b, parts[0], "means", SIB_F32, "1 N %lld", (long long)m.flow);
    build_output(b, parts[1], "log_variances", SIB_F32, "1 N %lld", (long long)m.flow);
    x = build_transpose(b, x, 3, (const int64_t[]){0, 2, 1});
    build_output(b, vits_durations(b, &m, x), "durations", SIB_F32, "1 N");
    x = flow_back(b, &m, build_input(b, "latents", SIB_F32, "1 %lld F", (long long)m.flow));
    if (m.speaker_size)
        beside = build_point(b, m.speaker, "decoder.cond", m.speaker_size, samples.wide);
    x = build_2(b, "Squeeze", hifigan_build(b, &samples, x, beside), build_int(b, 1));
    build_output(b, x, "samples", SIB_F32, "1 T");
}
