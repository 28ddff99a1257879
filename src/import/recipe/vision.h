/* What recipes of image models share: patches, and the layers of an encoder (of images, or of the texts beside them). */
#ifndef IMPORT_RECIPE_VISION_H
#define IMPORT_RECIPE_VISION_H

#include "import/model/build.h"

/* How a family names the weights of a layer. */
typedef struct vision_names {
    const char *layers; /* before the layer's number */
    const char *norms[2], *qkv[3], *out, *up, *down;
} vision_names;
extern const vision_names vision_names_vit, vision_names_clip;

/* An encoder: each layer adds attention and two products with an activation between them, of what a norm makes of its
   input. */
typedef struct vision_encoder {
    const vision_names *names;
    const char *where; /* before the names of all its weights: "vision_model." */
    int64_t d, hidden, heads, n_layers;
    double epsilon;
    build_activation activation;
    bool biased; /* queries, keys and values */
} vision_encoder;

/* Where config.json leaves something out. */
typedef struct vision_defaults {
    int64_t heads;
    double epsilon;
    const char *activation;
} vision_defaults;

/* Dimensions by weights below `where` and by facts named `at` and a key ("vision_config."). d: width of a token. Fails
   where they are none that a model can have. */
vision_encoder vision_read_encoder(build *b, const vision_names *names, const char *where, const char *at,
                                   const vision_defaults *defaults, int64_t d);
/* Attention of queries [B, N, d] over keys and values [B, T, d]: [B, N, d]. mask: as of vision_encode. */
value_id vision_attend(build *b, const vision_encoder *m, const value_id qkv[3], value_id mask);
/* x [B, T, d] to [B, T, d]. mask: what a query sees, bool [T, T]; NO_VALUE: all. */
value_id vision_encode(build *b, const vision_encoder *m, value_id x, value_id mask);

/* Images cut into patches. */
typedef struct vision_patches {
    const char *name; /* of the weight [d, 3, patch height, patch width], which may have a bias */
    int64_t height, width, patch_height, patch_width, d, n;
} vision_patches;
vision_patches vision_read_patches(build *b, const char *name, const char *at);
/* The input pixel_values [B, 3, height, width]; of it patches [B, n, d]. */
value_id vision_input(build *b, const vision_patches *p);
value_id vision_embed_patches(build *b, const vision_patches *p, value_id pixels);
/* A weight of d numbers as the first token of each image of `pixels`: [B, 1, d]. */
value_id vision_token(build *b, const char *name, int64_t d, value_id pixels);
/* Token i of x: [B, d] */
value_id vision_token_at(build *b, value_id x, int64_t i);

/* Outputs of classes, "logits" [B, n]: x [B, d] by a product `name`, or by two of whose results the mean is taken (`also`
   and its x; NULL: one). Their names in config.json (id2label) become the metadata "labels", a list in JSON. */
void vision_add_classes(build *b, int64_t d, value_id x, const char *name, value_id x_also, const char *also);

#endif
