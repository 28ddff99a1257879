/* Encoders of images and of the texts beside them: CLIP (Radford et al. 2021) and SigLIP (Zhai et al. 2023), from Hugging
   Face's folders, both or one of them. pixel_values [B, 3, H, W], input_ids [T, N] -> image_embeds [B, n], text_embeds
   [T, n] of length 1, logits_per_image [B, T], logits_per_text [T, B]. Of one encoder alone last_hidden_state,
   and pooler_output or, with a projection, image_embeds or text_embeds as the projection makes them; of images with classes
   logits. Texts have no mask: CLIP's tokens see those before them alone, SigLIP's are filled up to one length.
   Source: transformers. */
#include "import/recipe/recipe.h"
#include "import/recipe/vision.h"

#include <string.h>

static const struct family {
    const char *type, *alone[2]; /* model_type, and that of each encoder by itself: images, texts */
    bool clip;                   /* a first token in images, a mask and a marked token in texts */
    vision_defaults image, text;
} families[] = {
    {"clip",
     {"clip_vision_model", "clip_text_model"},
     true,
     {12, 1e-5, "quick_gelu"},
     {8, 1e-5, "quick_gelu"}},
    {"siglip",
     {"siglip_vision_model", "siglip_text_model"},
     false,
     {12, 1e-6, "gelu_pytorch_tanh"},
     {12, 1e-6, "gelu_pytorch_tanh"}},
};
#define N_FAMILIES (sizeof families / sizeof *families)

static bool is_one_of(sib_str type, const struct family *f)
{
    return str_is(type, f->type) || str_is(type, f->alone[0]) || str_is(type, f->alone[1]);
}

static const struct family *family_of(const checkpoint *c)
{
    const fact *type = checkpoint_fact(c, "model_type");
    for (size_t i = 0; i < N_FAMILIES; i++)
        if (type && type->kind == FACT_STRING && !type->list && is_one_of(type->strings[0], &families[i]))
            return &families[i];
    return NULL;
}

bool recipe_is_clip(const checkpoint *c)
{
    return family_of(c) != NULL;
}

/* One of the two, as it is built. */
typedef struct tower {
    const char *prefix, *at; /* of its weights, and of its facts */
    const char *projection;  /* a matrix behind it, or NULL */
    const char *rows, *dims; /* of the outputs: "T", "T N" */
    int64_t d, n;            /* width of a token, and of `pooled` */
    value_id hidden, pooled; /* [B, T, d], [B, n]; pooled: NO_VALUE for none */
} tower;

/* Where an encoder is in the file: below `prefix` and `at` as one of two, or without either by itself. first: a weight that it has.
   Returns false where it is not there. */
static bool find_tower(build *b, tower *t, const char *prefix, const char *at, const char *first)
{
    const bool named = build_find(b, build_text(b, "%s%s", prefix, first)) != NULL;
    if (!named && !build_find(b, first))
        return false;
    t->prefix = named ? prefix : "";
    t->at = checkpoint_fact(b->c, build_text(b, "%shidden_size", at)) ||
                    checkpoint_fact(b->c, build_text(b, "%smodel_type", at))
                ? at
                : "";
    return true;
}

static const char *name_in(build *b, const tower *t, const char *what)
{
    return build_text(b, "%s%s", t->prefix, what);
}

/* What is pooled, behind the projection if there is one. */
static value_id projected(build *b, tower *t)
{
    if (!t->projection || t->pooled == NO_VALUE)
        return t->pooled;
    const int64_t n = build_dim(b, build_text(b, "%s.weight", t->projection), 0);
    value_id y = build_linear(b, t->pooled, t->projection, t->n, n, BUILD_NO_BIAS);
    t->n = n;
    return y;
}

/* ---- Images -------------------------------------------------------------------------------------------- */

/* A query that is learned looks at all patches (Lee et al. 2019): [B, d]. */
static value_id attended(build *b, const tower *t, const vision_encoder *m, value_id x)
{
    value_id weights[3], biases[3], qkv[3], query = vision_token(b, name_in(b, t, "head.probe"), m->d, x);
    build_split(
        b, build_matrix(b, name_in(b, t, "head.attention.in_proj_weight"), m->d, 3 * m->d, BUILD_ROWS_OUT, 0),
        1, 3, weights);
    build_split(b, build_vector(b, name_in(b, t, "head.attention.in_proj_bias"), 3 * m->d), 0, 3, biases);
    for (int i = 0; i < 3; i++)
        qkv[i] = build_add(b, build_2(b, "MatMul", i ? x : query, weights[i]), biases[i]);
    x = build_linear(b, vision_attend(b, m, qkv, NO_VALUE), name_in(b, t, "head.attention.out_proj"), m->d,
                     m->d, BUILD_BIAS);
    const int64_t hidden = build_dim(b, name_in(b, t, "head.mlp.fc1.weight"), 0);
    value_id y = build_layer_norm(b, x, name_in(b, t, "head.layernorm"), m->d, m->epsilon);
    y = build_linear(b, y, name_in(b, t, "head.mlp.fc1"), m->d, hidden, BUILD_BIAS);
    y = build_linear(b, build_activate(b, m->activation, y), name_in(b, t, "head.mlp.fc2"), hidden, m->d,
                     BUILD_BIAS);
    return vision_token_at(b, build_add(b, x, y), 0);
}

/* CLIP's last_hidden_state is what the layers make, its norm is the pooled token's; SigLIP's is behind the norm. */
static void build_images(build *b, const struct family *f, tower *t)
{
    const vision_patches p = vision_read_patches(b, name_in(b, t, "embeddings.patch_embedding"), t->at);
    const vision_encoder m = vision_read_encoder(b, &vision_names_clip, t->prefix, t->at, &f->image, p.d);
    if (b->code != SIB_OK)
        return;
    build_scope(b, "%sembeddings", t->prefix);
    value_id pixels = vision_input(b, &p), x = vision_embed_patches(b, &p, pixels);
    if (f->clip) {
        value_id parts[] = {vision_token(b, name_in(b, t, "embeddings.class_embedding"), p.d, pixels), x};
        x = build_concat(b, 1, 2, parts);
    }
    x = build_add(b, x,
                  build_weight(b, name_in(b, t, "embeddings.position_embedding.weight"), 2,
                               (const int64_t[]){p.n + f->clip, p.d}));
    if (f->clip)
        x = build_layer_norm(b, x, name_in(b, t, "pre_layrnorm"), p.d, m.epsilon);
    x = vision_encode(b, &m, x, NO_VALUE);
    build_scope(b, "%spool", t->prefix);
    t->d = t->n = m.d;
    t->rows = "B";
    t->dims = build_text(b, "B %lld", (long long)(p.n + f->clip));
    t->hidden = f->clip ? x : build_layer_norm(b, x, name_in(b, t, "post_layernorm"), m.d, m.epsilon);
    t->pooled = NO_VALUE;
    if (f->clip)
        t->pooled =
            build_layer_norm(b, vision_token_at(b, x, 0), name_in(b, t, "post_layernorm"), m.d, m.epsilon);
    else if (build_find(b, name_in(b, t, "head.probe")))
        t->pooled = attended(b, t, &m, t->hidden);
}

/* ---- Texts --------------------------------------------------------------------------------------------- */

/* Where each text has its mark: the first of its end tokens, or, as older files have it (eos_token_id 2), its largest
   token. int64 [T, 1, 1] */
static value_id marked(build *b, const tower *t, value_id tokens)
{
    const int64_t end = checkpoint_int(b->c, build_text(b, "%seos_token_id", t->at), 49407);
    value_id x = end == 2 ? tokens : build_cast(b, build_2(b, "Equal", tokens, build_int(b, end)), SIB_I32),
             at;
    build_attributes a = build_no_attributes();
    build_set_int(&a, "axis", 1);
    build_node(b, "ArgMax", &a, 1, &x, 1, &at);
    return build_2(b, "Unsqueeze", at, build_int(b, -1));
}

static value_id token_marked(build *b, const tower *t, value_id x, value_id tokens)
{
    value_id in[] = {x, NO_VALUE},
             dims[] = {build_shape(b, x, 0, 1), build_ints(b, 2, (const int64_t[]){1, t->d})}, y;
    in[1] = build_2(b, "Expand", marked(b, t, tokens), build_concat(b, 0, 2, dims));
    build_attributes a = build_no_attributes();
    build_set_int(&a, "axis", 1);
    build_node(b, "GatherElements", &a, 2, in, 1, &y);
    return build_reshape(b, y, 2, (const int64_t[]){0, t->d});
}

static void build_texts(build *b, const struct family *f, tower *t)
{
    const char *words = name_in(b, t, "embeddings.token_embedding.weight"),
               *places = name_in(b, t, "embeddings.position_embedding.weight");
    const int64_t n_vocab = build_dim(b, words, 0), length = build_dim(b, places, 0);
    t->d = build_dim(b, words, 1);
    const vision_encoder m = vision_read_encoder(b, &vision_names_clip, t->prefix, t->at, &f->text, t->d);
    if (b->code != SIB_OK)
        return;
    build_scope(b, "%sembeddings", t->prefix);
    value_id tokens = build_input(b, "input_ids", SIB_I64, "T N"), mask = NO_VALUE;
    const build_table table = build_rows_table(b, words, n_vocab, t->d);
    value_id x = build_add(b, build_pick(b, &table, tokens),
                           build_slice(b, build_weight(b, places, 2, (const int64_t[]){length, t->d}),
                                       build_int(b, 0), build_shape(b, tokens, 1, 1), 0));
    if (f->clip)
        mask = build_2(b, "LessOrEqual", build_distances(b, tokens, NO_VALUE), build_scalar_int(b, 0));
    x = vision_encode(b, &m, x, mask);
    build_scope(b, "%spool", t->prefix);
    t->hidden = build_layer_norm(b, x, name_in(b, t, "final_layer_norm"), m.d, m.epsilon);
    t->n = t->d;
    t->rows = "T";
    t->dims = "T N";
    if (f->clip) {
        t->pooled = token_marked(b, t, t->hidden, tokens);
        return;
    }
    t->n = build_dim(b, name_in(b, t, "head.weight"), 0);
    t->pooled =
        build_linear(b, vision_token_at(b, t->hidden, -1), name_in(b, t, "head"), t->d, t->n, BUILD_BIAS);
}

/* ---- Outputs ------------------------------------------------------------------------------------------- */

/* x [B, n] divided by its length. */
static value_id unit(build *b, value_id x)
{
    value_id length, in[] = {x, build_int(b, -1)};
    build_node(b, "ReduceL2", NULL, 2, in, 1, &length);
    return build_2(b, "Div", x, length);
}

static void give_both(build *b, tower *image, tower *text)
{
    build_scope(b, "likeness");
    value_id images = unit(b, projected(b, image)), texts = unit(b, projected(b, text)),
             scale = build_1(b, "Exp", build_weight(b, "logit_scale", 1, (const int64_t[]){1})),
             scores = build_2(b, "MatMul", images, build_transpose(b, texts, 2, (const int64_t[]){1, 0}));
    scores = build_mul(b, scores, scale);
    if (build_find(b, "logit_bias"))
        scores = build_add(b, scores, build_vector(b, "logit_bias", 1));
    if (b->code == SIB_OK && image->n != text->n)
        build_fail(b, SIB_ERR_FORMAT,
                   "%s: images become %lld numbers and texts %lld: they cannot be compared",
                   checkpoint_file(b->c, 0), (long long)image->n, (long long)text->n);
    build_output(b, scores, "logits_per_image", SIB_F32, "B T");
    build_output(b, build_transpose(b, scores, 2, (const int64_t[]){1, 0}), "logits_per_text", SIB_F32,
                 "T B");
    build_output(b, images, "image_embeds", SIB_F32, "B %lld", (long long)image->n);
    build_output(b, texts, "text_embeds", SIB_F32, "T %lld", (long long)text->n);
}

static void give_one(build *b, tower *t, const char *embeds)
{
    build_output(b, t->hidden, "last_hidden_state", SIB_F32, "%s %lld", t->dims, (long long)t->d);
    if (t->pooled == NO_VALUE)
        return;
    value_id y = projected(b, t);
    build_output(b, y, t->projection ? embeds : "pooler_output", SIB_F32, "%s %lld", t->rows,
                 (long long)t->n);
}

/* Classes of the mean of all patches. */
static void give_classes(build *b, const struct family *f, const tower *t)
{
    value_id x = t->hidden, in[] = {NO_VALUE, build_int(b, 1)};
    if (f->clip)
        x = build_slice(b, x, build_int(b, 1), build_int(b, INT32_MAX), 1);
    in[0] = x;
    build_attributes a = build_no_attributes();
    build_set_int(&a, "keepdims", 0);
    build_node(b, "ReduceMean", &a, 2, in, 1, &x);
    vision_add_classes(b, t->d, x, "classifier", NO_VALUE, NULL);
}

void recipe_clip(build *b)
{
    static const char *const ignored[] = {"*position_ids", NULL};
    const struct family *f = family_of(b->c);
    tower image = {0}, text = {0};
    if (!f) {
        build_fail(b, SIB_ERR_UNSUPPORTED,
                   "%s: the recipe clip is for models of the types clip and siglip (model_type)",
                   checkpoint_file(b->c, 0));
        return;
    }
    b->ignored = ignored;
    const bool images = find_tower(b, &image, "vision_model.", "vision_config.",
                                   "embeddings.patch_embedding.weight"),
               texts =
                   find_tower(b, &text, "text_model.", "text_config.", "embeddings.token_embedding.weight");
    if (!images && !texts)
        build_fail(b, SIB_ERR_FORMAT, "%s: has neither an encoder of images nor one of texts",
                   checkpoint_file(b->c, 0));
    image.projection = build_find(b, "visual_projection.weight") ? "visual_projection" : NULL;
    text.projection = build_find(b, "text_projection.weight") ? "text_projection" : NULL;
    if (images)
        build_images(b, f, &image);
    if (texts)
        build_texts(b, f, &text);
    if (images && build_find(b, "classifier.weight"))
        give_classes(b, f, &image);
    else if (images && texts)
        give_both(b, &image, &text);
    else if (images)
        give_one(b, &image, "image_embeds");
    else
        give_one(b, &text, "text_embeds");
}
