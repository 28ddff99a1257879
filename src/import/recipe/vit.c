/* Encoders of images: ViT (Dosovitskiy et al. 2021) and DeiT (Touvron et al. 2021), from Hugging Face's folders. A row each.
   pixel_values [B, 3, H, W] -> logits [B, labels], or, of a model without classes, last_hidden_state [B, T, d], T: patches and
   the tokens before them, and with a pooler pooler_output [B, n]. Source: transformers. */
#include "import/recipe/recipe.h"
#include "import/recipe/vision.h"

static const struct family {
    const char *type, *prefix;
    int64_t before; /* tokens before the patches */
} families[] = {
    {"vit", "vit.", 1},
    {"deit", "deit.", 2},
};
#define N_FAMILIES (sizeof families / sizeof *families)

static const struct family *family_of(const checkpoint *c)
{
    const fact *type = checkpoint_fact(c, "model_type");
    for (size_t i = 0; i < N_FAMILIES; i++)
        if (type && type->kind == FACT_STRING && !type->list && str_is(type->strings[0], families[i].type))
            return &families[i];
    return NULL;
}

bool recipe_is_vit(const checkpoint *c)
{
    return family_of(c) != NULL;
}

/* [B, T, d] */
static value_id embed(build *b, const struct family *f, const vision_patches *p)
{
    build_scope(b, "embeddings");
    value_id pixels = vision_input(b, p), parts[3];
    size_t n = 0;
    parts[n++] = vision_token(b, "embeddings.cls_token", p->d, pixels);
    if (f->before > 1)
        parts[n++] = vision_token(b, "embeddings.distillation_token", p->d, pixels);
    parts[n++] = vision_embed_patches(b, p, pixels);
    return build_add(
        b, build_concat(b, 1, n, parts),
        build_weight(b, "embeddings.position_embeddings", 3, (const int64_t[]){1, f->before + p->n, p->d}));
}

static void add_pooler(build *b, int64_t d, value_id x)
{
    if (!build_find(b, "pooler.dense.weight"))
        return;
    const int64_t n = build_dim(b, "pooler.dense.weight", 0);
    value_id y = build_linear(b, vision_token_at(b, x, 0), "pooler.dense", d, n, BUILD_BIAS);
    y = build_activate(b, build_activation_named(b, build_fact_text(b, "pooler_act", "tanh")), y);
    build_output(b, y, "pooler_output", SIB_F32, "B %lld", (long long)n);
}

/* Of DeiT with a teacher each of the two first tokens has scores, and their mean is taken. */
static bool add_classes(build *b, int64_t d, value_id x)
{
    if (build_find(b, "distillation_classifier.weight"))
        vision_add_classes(b, d, vision_token_at(b, x, 0), "cls_classifier", vision_token_at(b, x, 1),
                           "distillation_classifier");
    else if (build_find(b, "classifier.weight"))
        vision_add_classes(b, d, vision_token_at(b, x, 0), "classifier", NO_VALUE, NULL);
    else
        return false;
    return true;
}

void recipe_vit(build *b)
{
    static const vision_defaults defaults = {12, 1e-12, "gelu"};
    const struct family *f = family_of(b->c);
    if (!f) {
        build_fail(b, SIB_ERR_UNSUPPORTED,
                   "%s: the recipe vit is for models of the types vit and deit (model_type)",
                   checkpoint_file(b->c, 0));
        return;
    }
    b->prefix = f->prefix;
    if (!build_find(b, "embeddings.cls_token"))
        b->prefix = "";
    const vision_patches p = vision_read_patches(b, "embeddings.patch_embeddings.projection", "");
    const vision_encoder m = vision_read_encoder(b, &vision_names_vit, "", "", &defaults, p.d);
    if (b->code != SIB_OK)
        return;
    build_add_metadata_int(b, "n_embd", m.d);
    build_add_metadata_int(b, "n_head", m.heads);
    build_add_metadata_int(b, "n_layer", m.n_layers);
    value_id x = vision_encode(b, &m, embed(b, f, &p), NO_VALUE);
    build_scope(b, "head");
    x = build_layer_norm(b, x, "layernorm", m.d, m.epsilon);
    add_pooler(b, m.d, x);
    b->prefix = ""; /* classes stand beside the model that they are of */
    if (!add_classes(b, m.d, x))
        build_output(b, x, "last_hidden_state", SIB_F32, "B %lld %lld", (long long)(f->before + p.n),
                     (long long)m.d);
}
