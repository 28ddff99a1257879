/* Where the elements of a resampled axis come from: Resize and Upsample as tables of indices and weights. */
#ifndef KERNEL_RESIZE_TABLE_H
#define KERNEL_RESIZE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum resize_filter { RESIZE_NEAREST, RESIZE_LINEAR, RESIZE_CUBIC } resize_filter;

/* How positions of the result become positions of the source; named as Resize has them. */
typedef enum resize_mapping {
    RESIZE_HALF_PIXEL,
    RESIZE_HALF_PIXEL_SYMMETRIC,
    RESIZE_PYTORCH_HALF_PIXEL,
    RESIZE_ALIGN_CORNERS,
    RESIZE_ASYMMETRIC,
    RESIZE_TF_HALF_PIXEL_FOR_NN,
    RESIZE_MAPPINGS
} resize_mapping;

typedef enum resize_rounding {
    RESIZE_PREFER_FLOOR,
    RESIZE_PREFER_CEIL,
    RESIZE_FLOOR,
    RESIZE_CEIL,
    RESIZE_ROUNDINGS,
    RESIZE_EARLY = RESIZE_ROUNDINGS /* below, and above where the axis shrinks */
} resize_rounding;

typedef struct resize_spec {
    resize_filter filter;
    resize_mapping mapping;
    resize_rounding rounding;
    double a; /* of the cubic kernel */
    bool antialias, exclude_outside;
} resize_spec;

/* `in` elements become `out`, by the scale up / down. */
typedef struct resize_axis {
    int64_t in, out;
    double up, down;
} resize_axis;

/* True where the axis stays as it is. */
bool resize_is_identity(const resize_spec *s, const resize_axis *x);
/* Elements that each one of the result is made of; more than any table has where there are too many. */
int64_t resize_taps(const resize_spec *s, const resize_axis *x);
/* Position i of the result: index, weight: (taps), indices in [0, in). x->in > 0. */
void resize_weigh(const resize_spec *s, const resize_axis *x, int64_t i, int64_t taps, int32_t *index,
                  float *weight);

#endif
