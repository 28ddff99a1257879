/* Parakeet, from Hugging Face's folders: features, convolutions that leave one frame of some, and the layers of FastConformer
   (Rekesh et al. 2023). Behind them is a product that scores the outputs (CTC), samples [B, T] -> logits [B, N, n_vocab], or
   a transducer (transducer.h). Source: transformers. */
#include "import/recipe/conformer.h"
#include "import/recipe/ctc.h"
#include "import/recipe/mel.h"
#include "import/recipe/recipe.h"
#include "import/recipe/transducer.h"

#include <math.h>

#define MAX_HALVINGS 6

typedef struct parakeet {
    int64_t d, heads, inner, layers;
    int64_t halvings, channels, kernel, stride, conv; /* conv: kernel of the layers' convolutions */
    double scale;                                     /* of what the first layer reads */
    build_activation act;
    mel_bands mel;
} parakeet;

static const char *const ignored[] = {"*num_batches_tracked", NULL};

bool recipe_is_parakeet(const checkpoint *c)
{
    return checkpoint_find(c, "encoder.subsampling.linear.weight") &&
           (checkpoint_find(c, "ctc_head.weight") || checkpoint_find(c, "joint.head.weight"));
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
                  .channels = build_dim(b, "encoder.subsampling.layers.0.weight", 0),
                  .kernel = build_dim(b, "encoder.subsampling.layers.0.weight", 2),
                  .stride = config_int(b, "subsampling_conv_stride", 2),
                  .conv = build_dim(b, "encoder.layers.0.conv.depthwise_conv.weight", 2),
                  .mel = mel_read(b)};
    m.halvings = 1;
    while (m.halvings <= MAX_HALVINGS && build_find(b, build_text(b, "encoder.subsampling.layers.%lld.weight",
                                                                  (long long)(3 * m.halvings - 1))))
        m.halvings++;
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

/* ---- Heads --------------------------------------------------------------------------------------------- */

/* x [B, N, d] -> logits */
static void ctc_head(build *b, const parakeet *m, value_id x)
{
    const int64_t n_vocab = build_dim(b, "ctc_head.weight", 0);
    build_add_metadata_int(b, "n_vocab", n_vocab);
    ctc_add_pieces(b, n_vocab, checkpoint_int(b->c, "pad_token_id", n_vocab - 1));
    build_scope(b, "head");
    build_output(b, build_linear(b, x, "ctc_head", m->d, n_vocab, BUILD_BIAS), "logits", SIB_F32, "B N %lld",
                 (long long)n_vocab);
}

static void transducer_head(build *b, const parakeet *m, value_id x)
{
    const transducer t = transducer_read(b, m->d);
    if (b->code != SIB_OK)
        return;
    build_add_metadata_int(b, "n_vocab", t.n_vocab);
    transducer_add_metadata(b, &t);
    transducer_build(b, &t, x);
}

/* ---- The recipe ---------------------------------------------------------------------------------------- */

static void add_metadata(build *b, const parakeet *m)
{
    int64_t frame = m->mel.hop;
    for (int64_t i = 0; i < m->halvings; i++)
        frame *= m->stride;
    build_add_metadata_int(b, "n_embd", m->d);
    build_add_metadata_int(b, "n_layer", m->layers);
    build_add_metadata_int(b, "n_mels", m->mel.n);
    ctc_add_frames(b, m->mel.rate, frame, 2 * m->mel.hop);
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
    conformer c = {
        .d = m.d, .heads = m.heads, .inner = m.inner, .kernel = m.conv, .act = m.act, .theta = 10000};
    conformer_place(b, &c, x);
    for (int64_t i = 0; i < m.layers; i++) {
        build_scope(b, "layers.%lld", (long long)i);
        x = conformer_layer(b, &c, x, build_text(b, "encoder.layers.%lld", (long long)i));
    }
    (build_find(b, "ctc_head.weight") ? ctc_head : transducer_head)(b, &m, x);
}
