/* wav2vec 2.0 (Baevski et al. 2020) and its kin with a CTC head, from Hugging Face's folders: HuBERT, WavLM, data2vec,
   UniSpeech, Conformer. samples [B, T] -> logits [B, N, n_vocab]. Convolutions make a frame of some hundred samples, one tells the
   layers of an encoder where a frame is by its neighbours, and a product scores the outputs. Source: transformers. */
#include "import/recipe/conformer.h"
#include "import/recipe/ctc.h"
#include "import/recipe/recipe.h"

#include <string.h>

#define MAX_CONVS 32

typedef struct speech {
    const char *base; /* "wav2vec2": of the names of all weights but the head's */
    int64_t n_convs, strides[MAX_CONVS], kernels[MAX_CONVS], widths[MAX_CONVS];
    int64_t d, heads, layers, inner, n_vocab,
        adapter; /* adapter: width of what stands behind a layer, or 0 */
    int64_t place_groups;
    double epsilon;
    bool first_norm;  /* the first convolution alone has a norm, over time */
    bool norms_first; /* norms stand before attention and feed-forward */
    bool conformer;   /* layers are conformer.h's */
    build_activation conv_act, act;
    ctc_front front;
} speech;

/* Model types, and the prefix of their weights' names. */
static const char *const bases[][2] = {{"wav2vec2", "wav2vec2"},
                                       {"hubert", "hubert"},
                                       {"wavlm", "wavlm"},
                                       {"data2vec-audio", "data2vec_audio"},
                                       {"unispeech", "unispeech"},
                                       {"unispeech-sat", "unispeech_sat"},
                                       {"wav2vec2-conformer", "wav2vec2_conformer"}};
#define N_BASES (sizeof bases / sizeof *bases)

/* Weights that only training needs, and those that Conformer's code makes and never reads. */
static const char *const ignored[] = {"*masked_spec_embed", "*num_batches_tracked",
                                      "wav2vec2_conformer.encoder.pos_conv_embed.*",
                                      "wav2vec2_conformer.encoder.embed_positions.*", NULL};

/* Names of conformer.h's layers. */
static const build_rename of_conformer[] = {
    {".feed_forward1.linear1", ".ffn1.intermediate_dense"},
    {".feed_forward1.linear2", ".ffn1.output_dense"},
    {".feed_forward2.linear1", ".ffn2.intermediate_dense"},
    {".feed_forward2.linear2", ".ffn2.output_dense"},
    {".norm_feed_forward1", ".ffn1_layer_norm"},
    {".norm_feed_forward2", ".ffn2_layer_norm"},
    {".norm_self_att", ".self_attn_layer_norm"},
    {".norm_conv", ".conv_module.layer_norm"},
    {".norm_out", ".final_layer_norm"},
    {".self_attn.q_proj", ".self_attn.linear_q"},
    {".self_attn.k_proj", ".self_attn.linear_k"},
    {".self_attn.v_proj", ".self_attn.linear_v"},
    {".self_attn.o_proj", ".self_attn.linear_out"},
    {".self_attn.relative_k_proj", ".self_attn.linear_pos"},
    {".self_attn.bias_", ".self_attn.pos_bias_"},
    {".conv.pointwise", ".conv_module.pointwise"},
    {".conv.depthwise", ".conv_module.depthwise"},
    {".conv.norm", ".conv_module.batch_norm"},
    {NULL, NULL},
};

/* The prefix of c's names; "" for a model without a head, NULL where c is no such model. */
static const char *base_of(const checkpoint *c)
{
    static const char first[] = "feature_extractor.conv_layers.0.conv.weight";
    for (size_t i = 0; i < N_BASES; i++) {
        char name[96];
        snprintf(name, sizeof name, "%s.%s", bases[i][1], first);
        if (checkpoint_find(c, name))
            return bases[i][1];
    }
    return checkpoint_find(c, first) ? "" : NULL;
}

bool recipe_is_wav2vec2(const checkpoint *c)
{
    return base_of(c) != NULL;
}

/* ---- Dimensions ---------------------------------------------------------------------------------------- */

static const char *name_in(build *b, const speech *m, const char *what)
{
    return build_text(b, "%s.%s", m->base, what);
}

static const char *name_of(build *b, const speech *m, const char *list, int64_t i, const char *what)
{
    return build_text(b, "%s.%s.%lld.%s", m->base, list, (long long)i, what);
}

/* Refuses what stands in such folders and is no recogniser, or is one with parts that are not built. */
static void check_parts(build *b, const speech *m)
{
    const sib_str type = build_fact_text(b, "model_type", m->base);
    bool known = false;
    for (size_t i = 0; i < N_BASES; i++)
        known = known || (str_is(type, bases[i][0]) && !strcmp(m->base, bases[i][1]));
    if (!m->base[0] || !build_find(b, "lm_head.weight"))
        build_fail(b, SIB_ERR_UNSUPPORTED,
                   "%s: has no CTC head (lm_head.weight): the recipe wav2vec2 is for speech recognisers, not "
                   "for models that were trained without text or classify recordings",
                   checkpoint_file(b->c, 0));
    else if (!known)
        build_fail(b, SIB_ERR_UNSUPPORTED,
                   "%s: models of the type '%.*s' (model_type) have weight names like those of %s, but the "
                   "recipe is not for them",
                   checkpoint_file(b->c, 0), (int)(type.length < 60 ? type.length : 60), type.data, m->base);
    if (build_fact_bool(b, "add_adapter", false))
        build_fail(b, SIB_ERR_UNSUPPORTED, "%s: convolutions behind the encoder (add_adapter) are not built",
                   checkpoint_file(b->c, 0));
}

/* The convolutions that make frames: widths and kernels of the weights, strides of config.json. */
static void read_convs(build *b, speech *m)
{
    const fact *strides = checkpoint_fact(b->c, "conv_stride");
    m->n_convs = build_count(b, name_in(b, m, "feature_extractor.conv_layers."), ".conv.weight");
    bool fits = m->n_convs > 0 && m->n_convs <= MAX_CONVS && strides && strides->list &&
                strides->kind == FACT_INT && strides->n == (size_t)m->n_convs;
    for (int64_t i = 0, all = 1; fits && i < m->n_convs; i++) {
        const char *name = name_of(b, m, "feature_extractor.conv_layers", i, "conv.weight");
        m->widths[i] = build_dim(b, name, 0);
        m->kernels[i] = build_dim(b, name, 2);
        m->strides[i] = strides->ints[i];
        fits = m->strides[i] > 0 && m->strides[i] <= 1 << 16 && m->kernels[i] > 0 &&
               m->kernels[i] <= 1 << 16 && (all *= m->strides[i]) <= 1 << 20;
    }
    if (!fits)
        build_fail(b, SIB_ERR_FORMAT,
                   "%s: conv_stride of its config.json is no list of strides, one for each convolution",
                   checkpoint_file(b->c, 0));
}

static speech read_dims(build *b)
{
    speech m = {.base = base_of(b->c)};
    m.base = m.base ? m.base : "";
    if (!strcmp(m.base, "wav2vec2_conformer"))
        b->renames = of_conformer;
    check_parts(b, &m);
    if (b->code != SIB_OK)
        return m;
    read_convs(b, &m);
    const sib_str norm =
        build_fact_text(b, "feat_extract_norm", str_is(str_of(m.base), "data2vec_audio") ? "layer" : "group");
    m.d = build_dim(b, name_in(b, &m, "feature_projection.projection.weight"), 0);
    m.conformer = b->renames != NULL;
    m.layers = build_count(b, name_in(b, &m, "encoder.layers."),
                           m.conformer ? ".self_attn.q_proj.weight" : ".attention.q_proj.weight");
    const char *inner =
        m.conformer ? "feed_forward1.linear1.weight" : "feed_forward.intermediate_dense.weight";
    m.inner = build_dim(b, name_of(b, &m, "encoder.layers", 0, inner), 0);
    const char *adapter = name_of(b, &m, "encoder.layers", 0, "adapter_layer.linear_1.weight");
    m.adapter = build_find(b, adapter) ? build_dim(b, adapter, 0) : 0;
    m.n_vocab = build_dim(b, "lm_head.weight", 0);
    m.heads = checkpoint_int(b->c, "num_attention_heads", 12);
    m.place_groups = checkpoint_int(b->c, "num_conv_pos_embedding_groups", 16);
    m.epsilon = checkpoint_float(b->c, "layer_norm_eps", 1e-5);
    m.first_norm = str_is(norm, "group");
    m.norms_first = build_fact_bool(b, "do_stable_layer_norm", false);
    m.conv_act = build_activation_named(b, build_fact_text(b, "feat_extract_activation", "gelu"));
    m.act = build_activation_named(b, build_fact_text(b, "hidden_act", "gelu"));
    m.front = ctc_read_front(b, true);
    if (!m.first_norm && !str_is(norm, "layer"))
        build_fail(b, SIB_ERR_UNSUPPORTED, "%s: feat_extract_norm is '%.*s', expected 'group' or 'layer'",
                   checkpoint_file(b->c, 0), (int)(norm.length < 60 ? norm.length : 60), norm.data);
    if (m.d <= 0 || m.heads <= 0 || m.d % m.heads || m.place_groups <= 0 || m.d % m.place_groups ||
        !(m.epsilon >= 0 && m.epsilon < 1))
        build_fail(b, SIB_ERR_FORMAT,
                   "%s: a width of %lld cannot be %lld heads or %lld groups of a convolution, or the epsilon "
                   "of norms is none",
                   checkpoint_file(b->c, 0), (long long)m.d, (long long)m.heads, (long long)m.place_groups);
    return m;
}

/* ---- Frames -------------------------------------------------------------------------------------------- */

/* x [B, C, N], each channel normed over N. */
static value_id norm_times(build *b, value_id x, const char *name, int64_t width)
{
    value_id in[] = {x, build_vector(b, build_text(b, "%s.weight", name), width),
                     build_vector(b, build_text(b, "%s.bias", name), width)},
             out;
    build_attributes a = build_no_attributes();
    build_set_float(&a, "epsilon", 1e-5);
    build_node(b, "InstanceNormalization", &a, 3, in, 1, &out);
    return out;
}

/* [B, T] -> [B, N, last width] */
static value_id frames(build *b, const speech *m, value_id samples)
{
    value_id x = build_2(b, "Unsqueeze", samples, build_int(b, 1));
    for (int64_t i = 0, from = 1; i < m->n_convs; from = m->widths[i++]) {
        const char *conv = name_of(b, m, "feature_extractor.conv_layers", i, "conv"),
                   *norm = name_of(b, m, "feature_extractor.conv_layers", i, "layer_norm");
        const build_conv at = {.name = conv,
                               .from = from,
                               .to = m->widths[i],
                               .kernel = m->kernels[i],
                               .stride = m->strides[i],
                               .groups = 1,
                               .weight = NO_VALUE,
                               .bias = build_find(b, build_text(b, "%s.bias", conv)) != NULL};
        x = build_conv_1d(b, x, &at);
        if (m->first_norm && i == 0)
            x = norm_times(b, x, norm, m->widths[i]);
        else if (!m->first_norm)
            x = build_norm_channels(b, x, norm, m->widths[i], 1e-5);
        x = build_activate(b, m->conv_act, x);
    }
    return build_transpose(b, x, 3, (const int64_t[]){0, 2, 1});
}

/* [B, N, width] -> [B, N, d] */
static value_id project(build *b, const speech *m, value_id x)
{
    const int64_t width = m->widths[m->n_convs - 1];
    if (build_find(b, name_in(b, m, "feature_projection.layer_norm.weight")))
        x = build_layer_norm(b, x, name_in(b, m, "feature_projection.layer_norm"), width, m->epsilon);
    return build_linear(b, x, name_in(b, m, "feature_projection.projection"), width, m->d, BUILD_BIAS);
}

/* ---- Places -------------------------------------------------------------------------------------------- */

/* One convolution over neighbours, x [B, d, N]. */
static value_id place_conv(build *b, const speech *m, const char *conv, value_id x)
{
    static const char *const names[] = {"weight", "parametrizations.weight.original1", "weight_v"};
    size_t i = 0;
    while (i < 2 && !build_find(b, build_text(b, "%s.%s", conv, names[i])))
        i++;
    const int64_t kernel = build_dim(b, build_text(b, "%s.%s", conv, names[i]), 2);
    value_id steps = build_normed_weight(b, conv, (const int64_t[]){m->d, m->d / m->place_groups, kernel}, 2);
    const build_conv at = {.name = conv,
                           .from = m->d,
                           .to = m->d,
                           .kernel = kernel,
                           .stride = 1,
                           .groups = m->place_groups,
                           .before = kernel / 2,
                           .after = (kernel - 1) / 2,
                           .weight = steps,
                           .bias = true};
    return build_conv_1d(b, x, &at);
}

/* What is added to x [B, N, d]. */
static value_id places(build *b, const speech *m, value_id x)
{
    static const int64_t swapped[] = {0, 2, 1};
    const char *where = name_in(b, m, "encoder.pos_conv_embed"),
               *norm = build_text(b, "%s.batch_norm", where);
    const int64_t several = build_count(b, build_text(b, "%s.layers.", where), ".conv.weight");
    build_scope(b, "places");
    x = build_transpose(b, x, 3, swapped);
    for (int64_t i = 0; i < several; i++) {
        x = place_conv(b, m, build_text(b, "%s.layers.%lld.conv", where, (long long)i), x);
        x = build_activate(b, m->conv_act, build_norm_channels(b, x, NULL, m->d, 1e-5));
    }
    if (!several) {
        if (build_find(b, build_text(b, "%s.weight", norm)))
            x = build_batch_norm(b, x, norm, m->d, 1e-5);
        x = build_activate(b, m->conv_act, place_conv(b, m, build_text(b, "%s.conv", where), x));
    }
    return build_transpose(b, x, 3, swapped);
}

/* ---- Layers -------------------------------------------------------------------------------------------- */

/* WavLM's biases [1, heads, N, N], of buckets of distances, which all layers gate; NO_VALUE for others. x [B, N, d]. */
static value_id distance_biases(build *b, const speech *m, value_id x)
{
    const char *name = name_of(b, m, "encoder.layers", 0, "attention.rel_attn_embed.weight");
    if (!build_find(b, name))
        return NO_VALUE;
    const int64_t n = build_dim(b, name, 0), distance = checkpoint_int(b->c, "max_bucket_distance", 800);
    build_scope(b, "distances");
    value_id buckets = build_buckets(b, build_distances(b, x, NO_VALUE), n, distance, true),
             table = build_weight(b, name, 2, (const int64_t[]){n, m->heads}),
             rows = build_gather(b, table, buckets, 0); /* [N, N, heads] */
    return build_2(b, "Unsqueeze", build_transpose(b, rows, 3, (const int64_t[]){2, 0, 1}), build_int(b, 0));
}

/* The biases times what a query makes of them (Chi et al. 2022): [B, heads, N, N]. */
static value_id gated(build *b, const speech *m, value_id x, const char *where, value_id biases)
{
    const int64_t size = m->d / m->heads;
    value_id parts[2], scale = build_weight(b, build_text(b, "%s.gru_rel_pos_const", where), 4,
                                            (const int64_t[]){1, m->heads, 1, 1});
    x = build_reshape(b, x, 4, (const int64_t[]){0, 0, m->heads, size});
    x = build_transpose(b, x, 4, (const int64_t[]){0, 2, 1, 3});
    x = build_linear(b, x, build_text(b, "%s.gru_rel_pos_linear", where), size, 8, BUILD_BIAS);
    x = build_reshape(b, x, 5, (const int64_t[]){0, 0, 0, 2, 4});
    build_attributes a = build_no_attributes();
    build_set_int(&a, "keepdims", 0);
    build_node(b, "ReduceSum", &a, 2, (value_id[]){x, build_int(b, -1)}, 1, &x);
    build_split(b, build_1(b, "Sigmoid", x), -1, 2, parts);
    value_id inner = build_sub(b, build_mul(b, parts[1], scale), build_float(b, 1)),
             gate = build_add(b, build_mul(b, parts[0], inner), build_float(b, 2));
    return build_mul(b, gate, biases);
}

static value_id attention(build *b, const speech *m, value_id x, const char *where, value_id biases)
{
    static const char *const names[] = {"q_proj", "k_proj", "v_proj"};
    value_id qkv[3];
    for (size_t i = 0; i < 3; i++)
        qkv[i] = build_linear(b, x, build_text(b, "%s.%s", where, names[i]), m->d, m->d, BUILD_BIAS);
    build_attention at = {.q = qkv[0],
                          .k = qkv[1],
                          .v = qkv[2],
                          .size = m->d / m->heads,
                          .heads = m->heads,
                          .kv_heads = m->heads,
                          .mask = biases == NO_VALUE ? NO_VALUE : gated(b, m, x, where, biases),
                          .mask_added = biases != NO_VALUE,
                          .past_k = NO_VALUE,
                          .past_v = NO_VALUE};
    return build_linear(b, build_attend(b, &at), build_text(b, "%s.out_proj", where), m->d, m->d, BUILD_BIAS);
}

static value_id feed_forward(build *b, const speech *m, value_id x, const char *where)
{
    x = build_linear(b, x, build_text(b, "%s.intermediate_dense", where), m->d, m->inner, BUILD_BIAS);
    x = build_activate(b, m->act, x);
    return build_linear(b, x, build_text(b, "%s.output_dense", where), m->inner, m->d, BUILD_BIAS);
}

/* What models of many languages (MMS) add for one of them. */
static value_id adapted(build *b, const speech *m, value_id x, const char *where)
{
    if (!m->adapter)
        return x;
    value_id y = build_layer_norm(b, x, build_text(b, "%s.norm", where), m->d, 1e-5);
    y = build_linear(b, y, build_text(b, "%s.linear_1", where), m->d, m->adapter, BUILD_BIAS);
    y = build_linear(b, build_1(b, "Relu", y), build_text(b, "%s.linear_2", where), m->adapter, m->d,
                     BUILD_BIAS);
    return build_add(b, x, y);
}

static value_id layer(build *b, const speech *m, value_id x, int64_t i, value_id biases)
{
    const char *where = name_in(b, m, build_text(b, "encoder.layers.%lld", (long long)i)),
               *attends = build_text(b, "%s.attention", where),
               *feeds = build_text(b, "%s.feed_forward", where),
               *norm = build_text(b, "%s.layer_norm", where),
               *last = build_text(b, "%s.final_layer_norm", where);
    build_scope(b, "layers.%lld", (long long)i);
    if (!m->norms_first) {
        x = build_layer_norm(b, build_add(b, x, attention(b, m, x, attends, biases)), norm, m->d, m->epsilon);
        return build_layer_norm(b, build_add(b, x, feed_forward(b, m, x, feeds)), last, m->d, m->epsilon);
    }
    value_id y = build_layer_norm(b, x, norm, m->d, m->epsilon);
    x = build_add(b, x, attention(b, m, y, attends, biases));
    y = build_layer_norm(b, x, last, m->d, m->epsilon);
    x = build_add(b, x, feed_forward(b, m, y, feeds));
    return adapted(b, m, x, build_text(b, "%s.adapter_layer", where));
}

/* The layers of Conformer, whose places have no convolution. */
static value_id encode_conformer(build *b, const speech *m, value_id x)
{
    static const char *const kinds[] = {[CONFORMER_DISTANCES] = "relative", [CONFORMER_ROTARY] = "rotary"};
    const sib_str kind = build_fact_text(b, "position_embeddings_type", kinds[CONFORMER_DISTANCES]);
    conformer c = {.d = m->d, .heads = m->heads, .inner = m->inner, .act = m->act, .by_exponents = true};
    while (c.places < CONFORMER_NO_PLACES && !str_is(kind, kinds[c.places]))
        c.places++;
    c.theta = c.places == CONFORMER_ROTARY ? checkpoint_float(b->c, "rotary_embedding_base", 10000) : 10000;
    c.kernel = build_dim(b, name_of(b, m, "encoder.layers", 0, "conv.depthwise_conv.weight"), 2);
    if (b->code == SIB_OK &&
        (c.kernel % 2 == 0 || m->d % 2 || (c.places == CONFORMER_ROTARY && m->d / m->heads % 2)))
        build_fail(b, SIB_ERR_UNSUPPORTED,
                   "%s: a width of %lld with %lld heads or a kernel of %lld are not supported with these "
                   "places (position_embeddings_type)",
                   checkpoint_file(b->c, 0), (long long)m->d, (long long)m->heads, (long long)c.kernel);
    if (b->code != SIB_OK)
        return x;
    conformer_place(b, &c, x);
    for (int64_t i = 0; i < m->layers; i++) {
        build_scope(b, "layers.%lld", (long long)i);
        x = conformer_layer(b, &c, x, name_in(b, m, build_text(b, "encoder.layers.%lld", (long long)i)));
    }
    return build_layer_norm(b, x, name_in(b, m, "encoder.layer_norm"), m->d, m->epsilon);
}

static value_id encode(build *b, const speech *m, value_id x)
{
    if (m->conformer)
        return encode_conformer(b, m, x);
    const char *norm = name_in(b, m, "encoder.layer_norm");
    x = build_add(b, x, places(b, m, x));
    if (!m->norms_first)
        x = build_layer_norm(b, x, norm, m->d, m->epsilon);
    value_id biases = distance_biases(b, m, x);
    for (int64_t i = 0; i < m->layers; i++)
        x = layer(b, m, x, i, biases);
    return m->norms_first ? build_layer_norm(b, x, norm, m->d, m->epsilon) : x;
}

static void add_metadata(build *b, const speech *m)
{
    int64_t frame = 1, field = 1;
    for (int64_t i = m->n_convs; i-- > 0;) {
        frame *= m->strides[i];
        field = (field - 1) * m->strides[i] + m->kernels[i];
    }
    build_add_metadata_int(b, "n_vocab", m->n_vocab);
    build_add_metadata_int(b, "n_embd", m->d);
    build_add_metadata_int(b, "n_layer", m->layers);
    ctc_add_frames(b, m->front.rate, frame, field);
    ctc_add_vocabulary(b, m->n_vocab);
}

void recipe_wav2vec2(build *b)
{
    b->ignored = ignored;
    speech m = read_dims(b);
    if (b->code != SIB_OK)
        return;
    add_metadata(b, &m);
    build_scope(b, "frames");
    value_id x = frames(b, &m, ctc_samples(b, &m.front));
    x = encode(b, &m, project(b, &m, x));
    build_scope(b, "head");
    build_output(b, build_linear(b, x, "lm_head", m.d, m.n_vocab, BUILD_BIAS), "logits", SIB_F32, "B N %lld",
                 (long long)m.n_vocab);
}
