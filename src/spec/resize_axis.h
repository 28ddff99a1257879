/* The definition of Resize and Upsample along one axis: which elements each one of the result is made of, with which
   weights, in double. The lowering and the kernels take it from here. */
#ifndef SPEC_RESIZE_AXIS_H
#define SPEC_RESIZE_AXIS_H

#include "spec/words.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct resize_rule {
    resize_filter filter;
    resize_mapping mapping;
    resize_rounding rounding;
    double a; /* of the cubic kernel */
    bool antialias, exclude_outside;
} resize_rule;

/* `in` elements become `out`, by the scale up / down (exact where it comes from sizes). start, end: the region of
   interest, which RESIZE_TF_CROP_AND_RESIZE alone looks at; 0 and 1 are the ends. */
typedef struct resize_axis {
    int64_t in, out;
    double up, down, start, end;
} resize_axis;

/* True where the axis stays as it is. */
bool resize_is_identity(const resize_rule *r, const resize_axis *x);
/* Elements that each one of the result is made of; at most 1e15, where no table has room for them. */
int64_t resize_taps(const resize_rule *r, const resize_axis *x);
/* Where element i of the result lies in the source. */
double resize_source(const resize_rule *r, const resize_axis *x, int64_t i);
/* Element i of the result: index, weight: (taps), indices in [0, in). x->in > 0. An index whose weight is 0 is replaced by
   one that has weight, so that an infinity that does not count leaves no NaN. */
void resize_weigh(const resize_rule *r, const resize_axis *x, int64_t i, int64_t taps, int64_t *index,
                  double *weight);

#endif
