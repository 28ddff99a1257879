#include "import/recipe/vision.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_LABELS 1000000
#define MAX_SIDE   (1 << 14)

const vision_names vision_names_vit = {
    .layers = "encoder.layer",
    .norms = {"layernorm_before", "layernorm_after"},
    .qkv = {"attention.attention.query", "attention.attention.key", "attention.attention.value"},
    .out = "attention.output.dense",
    .up = "intermediate.dense",
    .down = "output.dense",
};
const vision_names vision_names_clip = {
    .layers = "encoder.layers",
    .norms = {"layer_norm1", "layer_norm2"},
    .qkv = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"},
    .out = "self_attn.out_proj",
    .up = "mlp.fc1",
    .down = "mlp.fc2",
};

/* ---- An encoder ---------------------------------------------------------------------------------------- */

static const char *in_layer(build *b, const vision_encoder *m, int64_t i, const char *what)
{
    return build_text(b, "%s%s.%lld.%s", m->where, m->names->layers, (long long)i, what);
}

vision_encoder vision_read_encoder(build *b, const vision_names *names, const char *where, const char *at,
                                   const vision_defaults *defaults, int64_t d)
{
    vision_encoder m = {.names = names, .where = where, .d = d};
    m.hidden = build_dim(b, in_layer(b, &m, 0, build_text(b, "%s.weight", names->up)), 0);
    m.n_layers = build_count(b, build_text(b, "%s%s.", where, names->layers),
                             build_text(b, ".%s.weight", names->qkv[0]));
    m.heads = checkpoint_int(b->c, build_text(b, "%snum_attention_heads", at), defaults->heads);
    m.epsilon = checkpoint_float(b->c, build_text(b, "%slayer_norm_eps", at), defaults->epsilon);
    m.biased = build_fact_bool(b, build_text(b, "%sqkv_bias", at), true);
    m.activation = build_activation_named(
        b, build_fact_text(b, build_text(b, "%shidden_act", at), defaults->activation));
    if (b->code == SIB_OK && (m.heads < 1 || d < 1 || d % m.heads || !(m.epsilon >= 0 && m.epsilon < 1)))
        build_fail(b, SIB_ERR_FORMAT,
                   "%s: a width of %lld cannot be %lld heads, or the epsilon of norms is none",
                   checkpoint_file(b->c, 0), (long long)d, (long long)m.heads);
    return m;
}

value_id vision_attend(build *b, const vision_encoder *m, const value_id qkv[3], value_id mask)
{
    build_attention at = {.q = qkv[0],
                          .k = qkv[1],
                          .v = qkv[2],
                          .past_k = NO_VALUE,
                          .past_v = NO_VALUE,
                          .size = m->d / m->heads,
                          .heads = m->heads,
                          .kv_heads = m->heads,
                          .mask = mask};
    return build_attend(b, &at);
}

static value_id attention(build *b, const vision_encoder *m, int64_t i, value_id x, value_id mask)
{
    value_id qkv[3];
    for (size_t k = 0; k < 3; k++)
        qkv[k] = build_linear(b, x, in_layer(b, m, i, m->names->qkv[k]), m->d, m->d,
                              m->biased ? BUILD_BIAS : BUILD_NO_BIAS);
    return build_linear(b, vision_attend(b, m, qkv, mask), in_layer(b, m, i, m->names->out), m->d, m->d,
                        BUILD_BIAS);
}

value_id vision_encode(build *b, const vision_encoder *m, value_id x, value_id mask)
{
    if (b->code != SIB_OK)
        return NO_VALUE;
    for (int64_t i = 0; i < m->n_layers; i++) {
        build_scope(b, "%s%s.%lld", m->where, m->names->layers, (long long)i);
        value_id y = build_layer_norm(b, x, in_layer(b, m, i, m->names->norms[0]), m->d, m->epsilon);
        x = build_add(b, x, attention(b, m, i, y, mask));
        y = build_layer_norm(b, x, in_layer(b, m, i, m->names->norms[1]), m->d, m->epsilon);
        y = build_linear(b, y, in_layer(b, m, i, m->names->up), m->d, m->hidden, BUILD_BIAS);
        y = build_activate(b, m->activation, y);
        x = build_add(b, x,
                      build_linear(b, y, in_layer(b, m, i, m->names->down), m->hidden, m->d, BUILD_BIAS));
    }
    return x;
}

/* ---- Patches ------------------------------------------------------------------------------------------- */

vision_patches vision_read_patches(build *b, const char *name, const char *at)
{
    const char *kernel = build_text(b, "%s.weight", name), *key = build_text(b, "%simage_size", at);
    const fact *sides = checkpoint_fact(b->c, key);
    vision_patches p = {.name = name,
                        .d = build_dim(b, kernel, 0),
                        .patch_height = build_dim(b, kernel, 2),
                        .patch_width = build_dim(b, kernel, 3)};
    p.height = p.width = checkpoint_int(b->c, key, 224);
    if (sides && sides->kind == FACT_INT && sides->list && sides->n == 2) {
        p.height = sides->ints[0];
        p.width = sides->ints[1];
    }
    const int64_t channels = build_dim(b, kernel, 1);
    if (b->code != SIB_OK)
        return p;
    if (p.patch_height < 1 || p.patch_width < 1 || p.height < p.patch_height || p.width < p.patch_width ||
        p.height > MAX_SIDE || p.width > MAX_SIDE)
        build_fail(b, SIB_ERR_FORMAT, "%s: images of %lld x %lld pixels have no patches of %lld x %lld",
                   checkpoint_file(b->c, 0), (long long)p.height, (long long)p.width,
                   (long long)p.patch_height, (long long)p.patch_width);
    else if (channels != 3)
        build_fail(b, SIB_ERR_UNSUPPORTED, "%s: images of %lld channels are not supported, only of 3",
                   checkpoint_file(b->c, 0), (long long)channels);
    else
        p.n = (p.height / p.patch_height) * (p.width / p.patch_width);
    return p;
}

value_id vision_input(build *b, const vision_patches *p)
{
    return build_input(b, "pixel_values", SIB_F32, "B 3 %lld %lld", (long long)p->height,
                       (long long)p->width);
}

value_id vision_embed_patches(build *b, const vision_patches *p, value_id pixels)
{
    const int64_t dims[] = {p->d, 3, p->patch_height, p->patch_width};
    const char *bias = build_text(b, "%s.bias", p->name);
    value_id in[] = {pixels, build_weight(b, build_text(b, "%s.weight", p->name), 4, dims), NO_VALUE}, x;
    const bool biased = build_find(b, bias) != NULL;
    if (biased)
        in[2] = build_vector(b, bias, p->d);
    build_attributes a = build_no_attributes();
    build_set_ints(&a, "kernel_shape", 2, dims + 2);
    build_set_ints(&a, "strides", 2, dims + 2);
    build_node(b, "Conv", &a, biased ? 3 : 2, in, 1, &x);
    x = build_reshape(b, x, 3, (const int64_t[]){0, p->d, -1});
    return build_transpose(b, x, 3, (const int64_t[]){0, 2, 1});
}

value_id vision_token(build *b, const char *name, int64_t d, value_id pixels)
{
    value_id dims[] = {build_shape(b, pixels, 0, 1), build_ints(b, 2, (const int64_t[]){1, d})};
    return build_2(b, "Expand", build_weight(b, name, 3, (const int64_t[]){1, 1, d}),
                   build_concat(b, 0, 2, dims));
}

value_id vision_token_at(build *b, value_id x, int64_t i)
{
    return build_gather(b, x, build_scalar_int(b, i), 1);
}

/* ---- Classes ------------------------------------------------------------------------------------------- */

static void add_labels(build *b, int64_t n)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < n && i < MAX_LABELS; i++) {
        char key[40], otherwise[40];
        snprintf(key, sizeof key, "id2label.%lld", (long long)i);
        snprintf(otherwise, sizeof otherwise, "LABEL_%lld", (long long)i);
        const sib_str label = build_fact_text(b, key, otherwise);
        json_array_append_new(list, json_stringn(label.data, label.length));
    }
    char *text = json_array_size(list) == (size_t)n ? json_dumps(list, JSON_COMPACT) : NULL;
    if (text)
        build_add_metadata_text(b, "labels", str_of(text));
    else
        build_fail(b, SIB_ERR_SIZE, "%s: %lld labels are too many, or are not UTF-8",
                   checkpoint_file(b->c, 0), (long long)n);
    free(text);
    json_decref(list);
}

void vision_add_classes(build *b, int64_t d, value_id x, const char *name, value_id x_also, const char *also)
{
    const int64_t n = build_dim(b, build_text(b, "%s.weight", name), 0);
    value_id y = build_linear(b, x, name, d, n, BUILD_BIAS);
    if (also)
        y = build_mul(b, build_add(b, y, build_linear(b, x_also, also, d, n, BUILD_BIAS)),
                      build_float(b, 0.5));
    build_output(b, y, "logits", SIB_F32, "B %lld", (long long)n);
    if (b->code == SIB_OK)
        add_labels(b, n);
}
