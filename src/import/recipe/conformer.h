/* Layers of Conformer (Gulati et al. 2020): half a feed-forward part, attention by content and place, a convolution over
   neighbours, half a feed-forward part. Weights have the names of Parakeet in transformers. */
#ifndef IMPORT_RECIPE_CONFORMER_H
#define IMPORT_RECIPE_CONFORMER_H

#include "import/model/build.h"

typedef enum conformer_places {
    CONFORMER_DISTANCES, /* products of queries with sines of distances (Dai et al. 2019) */
    CONFORMER_ROTARY,    /* what queries and keys are made of is rotated */
    CONFORMER_NO_PLACES
} conformer_places;

typedef struct conformer {
    int64_t d, heads, inner, kernel; /* kernel: of the convolution, odd */
    build_activation act;
    conformer_places places;
    double theta;      /* of angles */
    bool by_exponents; /* CONFORMER_DISTANCES: angles are rounded as exp makes them, otherwise as powers */
    value_id rows;     /* CONFORMER_DISTANCES: sines [2 N - 1, d], made by conformer_place */
    build_rotary rotary;
} conformer;

/* Makes what all layers share of the places of x [B, N, d]. */
void conformer_place(build *b, conformer *m, value_id x);
/* Layer "<where>" of x [B, N, d]. */
value_id conformer_layer(build *b, const conformer *m, value_id x, const char *where);

#endif
