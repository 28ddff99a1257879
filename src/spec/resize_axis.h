/* The definition of Resize and Upsample along one axis: from which elements, with which weights, each element
   of the result is computed, in double. The lowering and the kernels share it. */
#ifndef SPEC_RESIZE_AXIS_H
#define SPEC_RESIZE_AXIS_H

#include "spec/enums.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct resize_rule {
    resize_filter filter;
    resize_mapping mapping;
    resize_rounding rounding;
    double a; /* coefficient of the cubic kernel */
    bool antialias, exclude_outside;
} resize_rule;

/* An axis of `in` elements resized to `out`, by the scale up / down (exact where it comes from sizes). start,
   end: the region of interest as fractions of the axis, used by RESIZE_TF_CROP_AND_RESIZE alone. */
typedef struct resize_axis {
    int64_t in, out;
    double up, down, start, end;
} resize_axis;

/* True where the axis is not changed. */
bool resize_is_identity(const resize_rule *r, const resize_axis *x);
/* Number of source elements per element of the result; at most 1e15, for which no table is ever allocated. */
int64_t resize_taps(const resize_rule *r, const resize_axis *x);
/* The position in the source of element i of the result. */
double resize_source(const resize_rule *r, const resize_axis *x, int64_t i);
/* The elements that make up element i of the result: index, weight (taps), each index in [0, in). x->in > 0.
   An index whose weight is 0 is replaced by one with weight, so that an infinity that does not count gives no
   NaN. */
void resize_weigh(const resize_rule *r, const resize_axis *x, int64_t i, int64_t taps, int64_t *index,
                  double *weight);

#endif
