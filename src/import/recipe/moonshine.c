/* Moonshine (Jeffries et al. 2024), from Hugging Face's folders: three convolutions make a frame of 384 samples, an encoder
   reads the frames, and a decoder attends to it. The graph behind the convolutions is text_to_text.h's, with samples [B, T] in
   the place of `source`. */
#include "import/recipe/ctc.h"
#include "import/recipe/recipe.h"
#include "import/recipe/text_to_text_families.h"

/* ---- Names --------------------------------------------------------------------------------------------- */

static const build_rename in_encoder[] = {
    {"encoder.", "model.encoder."},
    {"decoder.", "model.decoder."},
    {".self_attn_layer_norm", ".input_layernorm"},
    {".final_layer_norm", ".post_attention_layernorm"},
    {".out_proj", ".o_proj"},
    {".fc1", ".mlp.fc1"},
    {".fc2", ".mlp.fc2"},
    {"lm_head", "proj_out"},
    {NULL, NULL},
};
static const build_rename in_decoder[] = {
    {"decoder.layer_norm", "model.decoder.norm"},
    {"decoder.", "model.decoder."},
    {".self_attn_layer_norm", ".input_layernorm"},
    {".encoder_attn_layer_norm", ".post_attention_layernorm"},
    {".final_layer_norm", ".final_layernorm"},
    {".out_proj", ".o_proj"},
    {".fc1", ".mlp.fc1"},
    {".fc2", ".mlp.fc2"},
    {"lm_head", "proj_out"},
    {NULL, NULL},
};

static const char *const ignored[] = {"proj_out.weight", NULL};

/* ---- Frames -------------------------------------------------------------------------------------------- */

/* The strides stand in no file. */
static const struct {
    const char *name;
    int64_t stride, from, to; /* from, to: times d; 0: one channel */
    bool bias;
} convs[] = {
    {"encoder.conv1", 64, 0, 1, false}, {"encoder.conv2", 3, 1, 2, true}, {"encoder.conv3", 2, 2, 1, true}};
#define N_CONVS (sizeof convs / sizeof *convs)

/* x [B, d, N], normed over d and N, with a scale and a bias for each of d. */
static value_id norm_all(build *b, value_id x, const char *name, int64_t d)
{
    const int64_t rows[] = {0, 1, -1}, channels[] = {d, 1};
    const float one = 1, none = 0;
    value_id in[] = {build_reshape(b, x, 3, rows), build_floats(b, 1, &one), build_floats(b, 1, &none)}, out;
    build_attributes a = build_no_attributes();
    build_set_float(&a, "epsilon", 1e-5);
    build_node(b, "InstanceNormalization", &a, 3, in, 1, &out);
    out = build_reshape(b, out, 3, (const int64_t[]){0, d, -1});
    value_id scale = build_vector(b, build_text(b, "%s.weight", name), d),
             bias = build_vector(b, build_text(b, "%s.bias", name), d);
    out = build_mul(b, out, build_reshape(b, scale, 2, channels));
    return build_add(b, out, build_reshape(b, bias, 2, channels));
}

/* Samples [B, T] -> [B, S, d]. */
static value_id frames(build *b, const text_to_text *m)
{
    const ctc_front f = ctc_read_front(b, false);
    int64_t frame = 1, field = 1, kernels[N_CONVS];
    value_id x = build_2(b, "Unsqueeze", ctc_samples(b, &f), build_int(b, 1));
    for (size_t i = 0; i < N_CONVS; i++) {
        kernels[i] = build_dim(b, build_text(b, "%s.weight", convs[i].name), 2);
        field += (kernels[i] - 1) * frame;
        frame *= convs[i].stride;
        const build_conv at = {.name = convs[i].name,
                               .from = convs[i].from ? convs[i].from * m->d : 1,
                               .to = convs[i].to * m->d,
                               .kernel = kernels[i],
                               .stride = convs[i].stride,
                               .groups = 1,
                               .weight = NO_VALUE,
                               .bias = convs[i].bias};
        x = build_activate(b, i ? BUILD_GELU : BUILD_TANH, build_conv_1d(b, x, &at));
        if (i == 0)
            x = norm_all(b, x, "encoder.groupnorm", m->d);
    }
    ctc_add_frames(b, f.rate, frame, field);
    return build_transpose(b, x, 3, (const int64_t[]){0, 2, 1});
}

/* ---- The family ---------------------------------------------------------------------------------------- */

/* Heads share no keys: transformers' code, which defines the model, has no other. */
static void check_heads(build *b)
{
    const int64_t heads = checkpoint_int(b->c, "encoder_num_attention_heads", 8);
    static const char *const keys[] = {"decoder_num_attention_heads", "encoder_num_key_value_heads",
                                       "decoder_num_key_value_heads"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (checkpoint_int(b->c, keys[i], heads) != heads)
            build_fail(b, SIB_ERR_UNSUPPORTED,
                       "%s: %s is %lld, and encoder_num_attention_heads %lld: others than equal ones are not "
                       "supported",
                       checkpoint_file(b->c, 0), keys[i], (long long)checkpoint_int(b->c, keys[i], heads),
                       (long long)heads);
}

/* The part of each head that is rotated. */
static void set_rotary(build *b, text_to_text *m)
{
    const int64_t heads = checkpoint_int(b->c, "encoder_num_attention_heads", 8),
                  size = heads > 0 ? m->d / heads : 0;
    double part = checkpoint_float(b->c, "partial_rotary_factor", 0.9),
           theta = checkpoint_float(b->c, "rope_theta", 10000);
    part = checkpoint_float(b->c, "rope_parameters.partial_rotary_factor", part);
    theta = checkpoint_float(b->c, "rope_parameters.rope_theta", theta);
    const double rotated = (double)size * part;
    if (b->code != SIB_OK)
        return;
    if (!(rotated >= 2 && rotated <= (double)size) || (int64_t)rotated % 2) {
        build_fail(
            b, SIB_ERR_UNSUPPORTED,
            "%s: heads of %lld numbers of which %g are rotated (partial_rotary_factor) are not supported",
            checkpoint_file(b->c, 0), (long long)size, rotated);
        return;
    }
    m->half = (int64_t)rotated / 2;
    const char *at = checkpoint_fact(b->c, "rope_parameters.rope_type") ? "rope_parameters" : "rope_scaling";
    m->rotary = build_rope(b, at, theta, (size_t)m->half, m->n_ctx);
}

static void set_moonshine(build *b, text_to_text *m)
{
    static const char *const acts[] = {"encoder_hidden_act", "decoder_hidden_act"};
    m->encoder.renames = in_encoder;
    m->decoder.renames = in_decoder;
    m->front = frames;
    m->before = m->last_norm = true;
    m->epsilon = 1e-5;
    m->n_ctx = checkpoint_int(b->c, "max_position_embeddings", 512);
    m->encoder.activation = build_activation_named(b, build_fact_text(b, acts[0], "gelu"));
    m->decoder.activation = build_activation_named(b, build_fact_text(b, acts[1], "silu"));
    m->decoder.gated = m->decoder.joined = true;
    m->places = TEXT_PLACES_ROTARY;
    text_to_text_find_tables(b, m, build_fact_bool(b, "tie_word_embeddings", true));
    check_heads(b);
    set_rotary(b, m);
}

static const text_to_text_family families[] = {
    {"moonshine", set_moonshine, 1},
    {NULL, NULL, 0},
};

bool recipe_is_moonshine(const checkpoint *c)
{
    return text_to_text_family_of(c, families) != NULL;
}

void recipe_moonshine(build *b)
{
    b->ignored = ignored;
    text_to_text_import(b, "moonshine", families);
}
