/* Parakeet with a CTC head, from Hugging Face's folders: features, convolutions that leave one frame of some, the layers of
   FastConformer (Rekesh et al. 2023), and a product that scores the outputs. samples [B, T] -> logits [B, N, n_vocab].
   Source: transformers. */
#include "import/recipe/ctc.h"
#include "import/recipe/mel.h"
#include "import/recipe/recipe.h"
#include "import/recipe/text_encoder.h"

#include <math.h>

#define MAX_HALVINGS 6

typedef struct parakeet {
    int64_t d, heads, size, inner, layers, n_vocab, blank;
    int64_t halvings, channels, kernel, stride, conv; /* conv: kernel of the layers' convolutions */
    double scale;                                     /* of what the first layer reads */
    build_activation act;
    mel_bands mel;
} parakeet;

static const char *const ignored[] = {"*num_batches_tracked", NULL};

bool recipe_is_parakeet(const checkpoint *c)
{
    return checkpoint_find(c, "encoder.subsampling.linear.weight") && checkpoint_find(c, "ctc_head.weight");
}

/* ---- Dimensions ---------------------------------------------------------------------------------------- */

static int64_t config_int(const build *b, const char *key, int64_t otherwise)
{
    char name[80];
    snprintf(name, sizeof name, "encoder_config.%s", key);
    return checkpoint_int(b->c, name, otherwise);
}

static parakeet read_dims(build *b)
{
    parakeet m = {.d = build_dim(b, "encoder.subsampling.linear.weight", 0),
                  .heads = config_int(b, "num_attention_heads", 8),
                  .inner = build_dim(b, "encoder.layers.0.feed_forward1.linear1.weight", 0),
                  .layers = build_count(b, "encoder.layers.", ".self_attn.q_proj.weight"),
                  .n_vocab = build_dim(b, "ctc_head.weight", 0),
                  .channels = build_dim(b, "encoder.subsampling.layers.0.weight", 0),
                  .kernel = build_dim(b, "encoder.subsampling.layers.0.weight", 2),
                  .stride = config_int(b, "subsampling_conv_stride", 2),
                  .conv = build_dim(b, "encoder.layers.0.conv.depthwise_conv.weight", 2),
                  .mel = mel_read(b)};
    m.halvings = 1;
    while (m.halvings <= MAX_HALVINGS && build_find(b, build_text(b, "encoder.subsampling.layers.%lld.weight",
                                                                  (long long)(3 * m.halvings - 1))))
        m.halvings++;
    m.blank = checkpoint_int(b->c, "pad_token_id", m.n_vocab - 1);
    m.size = m.heads > 0 ? m.d / m.heads : 0;
    m.scale = build_fact_bool(b, "encoder_config.scale_input", true) ? sqrt((double)m.d) : 1;
    m.act = build_activation_named(b, build_fact_text(b, "encoder_config.hidden_act", "silu"));
    if (b->code == SIB_OK &&
        (m.d < 2 || m.d % 2 || m.heads < 1 || m.d % m.heads || m.stride < 1 || m.stride > 8 || m.kernel < 1 ||
         m.kernel % 2 == 0 || m.conv < 1 || m.conv % 2 == 0 || m.halvings > MAX_HALVINGS))
        build_fail(b, SIB_ERR_UNSUPPORTED,
                   "%s: a width of %lld with %lld heads, or convolutions with kernels of %lld and %lld and a "
                   "stride of %lld, are not supported",
                   checkpoint_file(b->c, 0), (long long)m.d, (long long)m.heads, (long long)m.kernel,
                   (long long)m.conv, (long long)m.stride);
    if (b->code == SIB_OK && config_int(b, "num_mel_bins", 80) != m.mel.n)
        build_fail(b, SIB_ERR_FORMAT, "%s: num_mel_bins is %lld, but its processor makes %lld bands",
                   checkpoint_file(b->c, 0), (long long)config_int(b, "num_mel_bins", 80),
                   (long long)m.mel.n);
    return m;
}

/* ---- Frames -------------------------------------------------------------------------------------------- */

/* A convolution over two axes with zeros around them. x [B, from, T, F] */
static value_id conv_2d(build *b, const parakeet *m, value_id x, int64_t i, int64_t from, int64_t kernel,
                        int64_t groups)
{
    const char *name = build_text(b, "encoder.subsampling.layers.%lld", (long long)i);
    const int64_t dims[] = {m->channels, from / groups, kernel, kernel}, sizes[] = {kernel, kernel},
                  pad = kernel / 2, pads[] = {pad, pad, pad, pad}, stride = kernel > 1 ? m->stride : 1,
                  strides[] = {stride, stride};
    value_id in[] = {x, build_weight(b, build_text(b, "%s.weight", name), 4, dims),
                     build_vector(b, build_text(b, "%s.bias", name), m->channels)},
             out;
    build_attributes a = build_no_attributes();
    build_set_ints(&a, "kernel_shape", 2, sizes);
    build_set_ints(&a, "pads", 4, pads);
    build_set_ints(&a, "strides", 2, strides);
    build_set_int(&a, "group", groups);
    build_node(b, "Conv", &a, 3, in, 1, &out);
    return out;
}

/* Features [B, T, bands] -> [B, N, d] */
static value_id frames(build *b, const parakeet *m, value_id x)
{
    int64_t bands = m->mel.n;
    x = build_2(b, "Unsqueeze", x, build_int(b, 1));
    for (int64_t i = 0; i < m->halvings; i++) {
        if (i == 0)
            x = conv_2d(b, m, x, 0, 1, m->kernel, 1);
        else {
            x = conv_2d(b, m, x, 3 * i - 1, m->channels, m->kernel, m->channels);
            x = conv_2d(b, m, x, 3 * i, m->channels, 1, 1);
        }
        x = build_1(b, "Relu", x);
        bands = (bands - 1) / m->stride + 1;
    }
    x = build_transpose(b, x, 4, (const int64_t[]){0, 2, 1, 3});
    x = build_reshape(b, x, 3, (const int64_t[]){0, 0, m->channels * bands});
    x = build_linear(b, x, "encoder.subsampling.linear", m->channels * bands, m->d, BUILD_BIAS);
    return m->scale == 1 ? x : build_mul(b, x, build_float(b, m->scale));
}

/* ---- Places -------------------------------------------------------------------------------------------- */

/* Sines beside cosines of the distances N - 1 to 1 - N: [2 N - 1, d]. x [B, N, d] */
static value_id places(build *b, const parakeet *m, value_id x)
{
    const build_angles a = build_rope(b, NULL, 10000, (size_t)(m->d / 2), 1);
    if (b->code != SIB_OK)
        return NO_VALUE;
    value_id none = build_ints(b, 0, NULL), n = build_2(b, "Reshape", build_shape(b, x, 1, 1), none),
             one = build_scalar_int(b, 1), back = build_scalar_int(b, -1),
             distances = build_3(b, "Range", build_sub(b, n, one), build_1(b, "Neg", n), back),
             rows = build_reshape(b, build_cast(b, distances, SIB_F32), 2, (const int64_t[]){-1, 1}),
             angles = build_mul(b, rows, build_floats(b, (size_t)(m->d / 2), a.inverse)),
             axis = build_int(b, 2),
             parts[] = {build_2(b, "Unsqueeze", build_1(b, "Sin", angles), axis),
                        build_2(b, "Unsqueeze", build_1(b, "Cos", angles), axis)};
    return build_reshape(b, build_concat(b, 2, 2, parts), 2, (const int64_t[]){-1, m->d});
}

/* Products of queries with all distances [B, heads, N, 2 N - 1] -> with those to the N keys [B, heads, N, N]: row i begins at
   distance i. */
static value_id shifted(build *b, value_id x, value_id n)
{
    static const int64_t pads[] = {0, 0, 0, 1, 0, 0, 0, 0};
    const value_id keep = build_int(b, 0), rest = build_int(b, -1);
    x = build_2(b, "Pad", x, build_ints(b, 8, pads));
    x = build_2(b, "Reshape", x, build_concat(b, 0, 4, (value_id[]){keep, keep, rest, n}));
    x = build_slice(b, x, build_int(b, 1), build_int(b, INT64_MAX), 2);
    x = build_2(b, "Reshape", x, build_concat(b, 0, 4, (value_id[]){keep, keep, n, rest}));
    return build_slice(b, x, build_int(b, 0), n, 3);
}

/* ---- Layers -------------------------------------------------------------------------------------------- */

static value_id linear(build *b, value_id x, const char *where, const char *what, int64_t in, int64_t out)
{
    return text_encoder_linear(b, x, build_text(b, "%s.%s", where, what), in, out);
}

/* x plus a bias of each head, "<where>.<name>" [heads, size]. x [B, N, d] */
static value_id biased(build *b, const parakeet *m, value_id x, const char *where, const char *name)
{
    value_id bias =
        build_weight(b, build_text(b, "%s.%s", where, name), 2, (const int64_t[]){m->heads, m->size});
    return build_add(b, x, build_reshape(b, bias, 1, (const int64_t[]){m->d}));
}

/* Attention by content and distance (Dai et al. 2019). */
static value_id attention(build *b, const parakeet *m, value_id x, const char *where, value_id at_places)
{
    static const int64_t heads_first[] = {0, 2, 1, 3};
    const int64_t apart[] = {0, 0, m->heads, m->size}, rows[] = {-1, m->heads, m->size};
    value_id q = linear(b, x, where, "q_proj", m->d, m->d), n = build_shape(b, x, 1, 1),
             by_place = build_transpose(b, build_reshape(b, biased(b, m, q, where, "bias_v"), 4, apart), 4,
                                        heads_first),
             keys = build_linear(b, at_places, build_text(b, "%s.relative_k_proj", where), m->d, m->d,
                                 BUILD_NO_BIAS);
    keys = build_transpose(b, build_reshape(b, keys, 3, rows), 3, (const int64_t[]){1, 2, 0});
    value_id scores = shifted(b, build_2(b, "MatMul", by_place, keys), n);
    build_attention at = {.q = biased(b, m, q, where, "bias_u"),
                          .k = linear(b, x, where, "k_proj", m->d, m->d),
                          .v = linear(b, x, where, "v_proj", m->d, m->d),
                          .size = m->size,
                          .heads = m->heads,
                          .kv_heads = m->heads,
                          .mask = build_mul(b, scores, build_float(b, 1 / sqrt((double)m->size))),
                          .mask_added = true,
                          .past_k = NO_VALUE,
                          .past_v = NO_VALUE};
    return linear(b, build_attend(b, &at), where, "o_proj", m->d, m->d);
}

static value_id convolution(build *b, const parakeet *m, value_id x, const char *where)
{
    static const int64_t swapped[] = {0, 2, 1};
    const char *conv = build_text(b, "%s.depthwise_conv", where);
    value_id parts[2];
    build_split(b, linear(b, x, where, "pointwise_conv1", m->d, 2 * m->d), -1, 2, parts);
    x = build_mul(b, parts[0], build_1(b, "Sigmoid", parts[1]));
    const build_conv at = {.name = conv,
                           .from = m->d,
                           .to = m->d,
                           .kernel = m->conv,
                           .stride = 1,
                           .groups = m->d,
                           .before = m->conv / 2,
                           .after = m->conv / 2,
                           .weight = NO_VALUE,
                           .bias = build_find(b, build_text(b, "%s.bias", conv)) != NULL};
    x = build_conv_1d(b, build_transpose(b, x, 3, swapped), &at);
    x = build_activate(b, m->act, build_batch_norm(b, x, build_text(b, "%s.norm", where), m->d, 1e-5));
    return linear(b, build_transpose(b, x, 3, swapped), where, "pointwise_conv2", m->d, m->d);
}

/* Half of what a feed-forward part makes of x, added to it. */
static value_id half_step(build *b, const parakeet *m, value_id x, const char *layer, int number)
{
    const char *where = build_text(b, "%s.feed_forward%d", layer, number);
    value_id y = build_layer_norm(b, x, build_text(b, "%s.norm_feed_forward%d", layer, number), m->d, 1e-5);
    y = build_activate(b, m->act, linear(b, y, where, "linear1", m->d, m->inner));
    y = linear(b, y, where, "linear2", m->inner, m->d);
    return build_add(b, x, build_mul(b, y, build_float(b, 0.5)));
}

static value_id layer(build *b, const parakeet *m, value_id x, int64_t i, value_id at_places)
{
    const char *where = build_text(b, "encoder.layers.%lld", (long long)i);
    build_scope(b, "layers.%lld", (long long)i);
    x = half_step(b, m, x, where, 1);
    value_id y = build_layer_norm(b, x, build_text(b, "%s.norm_self_att", where), m->d, 1e-5);
    x = build_add(b, x, attention(b, m, y, build_text(b, "%s.self_attn", where), at_places));
    y = build_layer_norm(b, x, build_text(b, "%s.norm_conv", where), m->d, 1e-5);
    x = build_add(b, x, convolution(b, m, y, build_text(b, "%s.conv", where)));
    x = half_step(b, m, x, where, 2);
    return build_layer_norm(b, x, build_text(b, "%s.norm_out", where), m->d, 1e-5);
}

/* ---- The recipe ---------------------------------------------------------------------------------------- */

static void add_metadata(build *b, const parakeet *m)
{
    int64_t frame = m->mel.hop;
    for (int64_t i = 0; i < m->halvings; i++)
        frame *= m->stride;
    build_add_metadata_int(b, "n_vocab", m->n_vocab);
    build_add_metadata_int(b, "n_embd", m->d);
    build_add_metadata_int(b, "n_layer", m->layers);
    build_add_metadata_int(b, "n_mels", m->mel.n);
    ctc_add_frames(b, m->mel.rate, frame, 2 * m->mel.hop);
    ctc_add_pieces(b, m->n_vocab, m->blank);
}

void recipe_parakeet(build *b)
{
    b->ignored = ignored;
    parakeet m = read_dims(b);
    if (b->code != SIB_OK)
        return;
    add_metadata(b, &m);
    build_scope(b, "features");
    value_id x = mel_features(b, build_input(b, "samples", SIB_F32, "B T"), &m.mel);
    build_scope(b, "frames");
    x = frames(b, &m, x);
    value_id at_places = places(b, &m, x);
    for (int64_t i = 0; i < m.layers; i++)
        x = layer(b, &m, x, i, at_places);
    build_scope(b, "head");
    build_output(b, build_linear(b, x, "ctc_head", m.d, m.n_vocab, BUILD_BIAS), "logits", SIB_F32, "B N %lld",
                 (long long)m.n_vocab);
}
