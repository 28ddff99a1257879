/* Regions of interest: RoiAlign, MaxRoiPool, NonMaxSuppression. */
#include "milli/build_values.h"
#include "ops/image/sampling.h"

#include "ops/lower/elem.h"

#include "base/size.h"

#include <math.h>

/* Column k of a list of boxes [R, columns], as [R]. */
static mval column_of(lowering *l, mval boxes, int k)
{
    return m_squeeze(l, m_slice_numbers(l, boxes, 1, k, 1), 1);
}

/* ---- RoiAlign -------------------------------------------------------------------------------- */

/* Samples along one axis of each region: per bin `counts` samples, at the centres of its equal parts. */
typedef struct bins {
    mval at;      /* float64 [R, out * max]: positions */
    mval counts;  /* float64 [R]: samples per bin */
    mval counted; /* bool [R, out * max]: true for the first counts[r] of each bin */
    int64_t out, max;
} bins;

/* start + (bin + (sample + 1/2) / count) * size / out. start, end: [R] in the dtype of the boxes, in which
   they are scaled as well, since the adaptive count jumps at integral sizes. */
static bins align_axis(lowering *l, const node *n, mval start, mval end, int64_t out)
{
    roi_spec spec = spec_roi(n);
    bool half_pixel = spec.coordinate_transformation_mode == ROI_HALF_PIXEL;
    double scale = spec.spatial_scale;
    int64_t ratio = spec.sampling_ratio;
    bins b = {.out = out, .max = ratio};
    start = m_mul_number(l, start, scale);
    end = m_mul_number(l, end, scale);
    if (half_pixel) {
        start = m_add_number(l, start, -0.5);
        end = m_add_number(l, end, -0.5);
    }
    mval size = m_sub(l, end, start), one = sample_number(l, 1);
    if (!half_pixel) /* inverted boxes become one pixel */
        size = m_max(l, size, m_scalar_like(l, size, 1));
    if (ratio > 0)
        b.counts = m_add(l, m_mul(l, m_cast(l, size, SIB_F64), sample_number(l, 0)),
                         sample_number(l, (double)ratio));
    else {
        mval samples = m_ceil(l, m_div(l, size, m_scalar_like(l, size, (double)out)));
        b.counts = m_max(l, m_cast(l, samples, SIB_F64), sample_number(l, 0));
        int64_t regions = m_size(l, size, 0);
        double max = regions ? m_float(l, m_reduce_axis(l, MILLI_reduce_max, b.counts, 0, DROP_DIMS)) : 0;
        if (!(max >= 0 && max < INT32_MAX)) {
            l_fail(l, SIB_ERR_ARGUMENT, "a region has %g samples per bin, which is too many", max);
            max = 0;
        }
        b.max = (int64_t)max;
    }
    /* [R, out, max] */
    mval count = m_unsqueeze(l, m_unsqueeze(l, b.counts, -1), -1);
    mval bin = m_unsqueeze(l, m_iota(l, SIB_F64, d_const(l, out)), -1),
         i = m_iota(l, SIB_F64, d_const(l, b.max));
    mval part = m_div(l, m_add(l, i, sample_number(l, 0.5)), m_max(l, count, one));
    mval step = m_div(l, m_cast(l, size, SIB_F64), sample_number(l, (double)out));
    step = m_unsqueeze(l, m_unsqueeze(l, step, -1), -1);
    start = m_unsqueeze(l, m_unsqueeze(l, m_cast(l, start, SIB_F64), -1), -1);
    b.at = m_add(l, start, m_mul(l, m_add(l, bin, part), step));
    b.counted = m_less(l, i, count);
    dim wide[3] = {m_dim(l, size, 0), d_const(l, out), d_const(l, b.max)};
    b.counted = m_expand(l, b.counted, 3, wide);
    b.at = m_flatten(l, b.at, 1, 3);
    b.counted = m_flatten(l, b.counted, 1, 3);
    return b;
}

/* Expands [R, P] along one of the two axes of a plane to [R, Ph * Pw], for every point of it. */
static mval across(lowering *l, mval v, int axis, int64_t other)
{
    dim wide[3] = {m_dim(l, v, 0), m_dim(l, v, 1), m_dim(l, v, 1)};
    wide[axis == 0 ? 2 : 1] = d_const(l, other);
    v = m_expand(l, m_unsqueeze(l, v, axis == 0 ? 2 : 1), 3, wide);
    return m_flatten(l, v, 1, 3);
}

/* True for a position near enough to the image to count: in [-1, size]. */
static mval near(lowering *l, mval p, int64_t size)
{
    return m_and(l, m_less_equal(l, sample_number(l, -1), p),
                 m_less_equal(l, p, sample_number(l, (double)size)));
}

static mval within(lowering *l, mval p, int64_t size)
{
    return m_clamp(l, p, sample_number(l, 0), sample_number(l, (double)size - 1));
}

/* Each region is divided into bins; a bin is the mean of sampling_ratio^2 samples (or as many as it has
   pixels where the ratio is 0) at the centres of its equal parts, interpolated linearly, 0 more than a pixel
   out of the image. In mode max a bin is the max over its samples' four weighted pixels, as the official test
   cases define it. From opset 16 on regions are shifted by half a pixel. ONNX RoiAlign-22; He et al. 2017. */
void lower_ONNX_RoiAlign(lowering *l, const node *n)
{
    roi_spec spec = spec_roi(n);
    mval x = l_in(l, 0), boxes = l_in(l, 1), image = m_cast(l, l_in(l, 2), SIB_I64);
    int64_t high = spec.output_height, wide = spec.output_width;
    bool mean = spec.mode == ROI_AVERAGE;
    sib_dtype dtype = m_dtype(l, x);
    int rank = m_rank(l, x), box_rank = m_rank(l, boxes);
    if (l_ok(l) && (rank != 4 || box_rank != 2))
        l_fail(l, SIB_ERR_ARGUMENT, "image and regions have rank %d and %d, expected 4 and 2", rank,
               box_rank);
    dim regions = m_dim(l, boxes, 0), channels = m_dim(l, x, 1);
    if (!l_ok(l))
        return;
    l_declare(l, 0, dtype, 4, (dim[]){regions, channels, d_const(l, high), d_const(l, wide)});
    sampling s = {
        .filter = SAMPLE_LINEAR, .border = SAMPLE_EDGE, .n = 2, .size = {m_size(l, x, 2), m_size(l, x, 3)}};
    bins rows = align_axis(l, n, column_of(l, boxes, 1), column_of(l, boxes, 3), high);
    bins columns = align_axis(l, n, column_of(l, boxes, 0), column_of(l, boxes, 2), wide);
    int64_t down = 1, along = 1;
    if (l_ok(l) && (!i64_mul(high, rows.max, &down) || !i64_mul(wide, columns.max, &along) ||
                    down > INT32_MAX || along > INT32_MAX))
        l_fail(l, SIB_ERR_SIZE, "%lld by %lld bins of %lld by %lld samples per region are too many",
               (long long)high, (long long)wide, (long long)rows.max, (long long)columns.max);
    mval y = across(l, rows.at, 0, along), z = across(l, columns.at, 1, down); /* [R, P] */
    mval counted = m_and(l, across(l, rows.counted, 0, along), across(l, columns.counted, 1, down));
    mval hit = m_and(l, near(l, y, s.size[0]), near(l, z, s.size[1]));
    mval taps = sample_taps(l, &s, sample_table(l, x, 1), m_unsqueeze(l, image, 1),
                            (mval[]){within(l, y, s.size[0]), within(l, z, s.size[1])});
    mval v = m_reduce_axis(l, mean ? MILLI_reduce_sum : MILLI_reduce_max, taps, 2, DROP_DIMS); /* [R, P, C] */
    v = m_where(l, m_unsqueeze(l, hit, -1), v, sample_number(l, 0));
    v = m_where(l, m_unsqueeze(l, counted, -1), v, sample_number(l, mean ? 0 : -INFINITY));
    dim apart[6] = {regions,          d_const(l, high),        d_const(l, rows.max),
                    d_const(l, wide), d_const(l, columns.max), channels};
    v = m_reduce(l, mean ? MILLI_reduce_sum : MILLI_reduce_max, m_reshape(l, v, 6, apart), 2,
                 (int64_t[]){2, 4}, DROP_DIMS);
    mval count = m_mul(l, rows.counts, columns.counts);
    for (int i = 0; i < 3; i++)
        count = m_unsqueeze(l, count, -1);
    if (mean)
        v = m_div(l, v, m_max(l, count, sample_number(l, 1)));
    else /* a bin without samples */
        v = m_where(l, m_less(l, sample_number(l, 0), count), v, sample_number(l, 0));
    l_out(l, 0, m_cast(l, m_move(l, v, 3, 1), dtype)); /* [R, C, high, wide] */
}

/* ---- MaxRoiPool ------------------------------------------------------------------------------ */

/* Rounds to the nearest integer, halves away from 0. */
static mval round_away(lowering *l, mval x)
{
    return m_mul(l, m_sign(l, x), m_floor(l, m_add_number(l, m_abs(l, x), 0.5)));
}

/* bool [R, out, size]: true for the pixels of an axis that belong to each bin of each region. */
static mval members(lowering *l, mval first, mval last, double scale, int64_t out, dim size)
{
    mval start = round_away(l, m_mul_number(l, first, scale)),
         end = round_away(l, m_mul_number(l, last, scale));
    mval span = m_max(l, m_add_number(l, m_sub(l, end, start), 1), m_scalar_like(l, start, 1));
    mval width = m_unsqueeze(l, m_div(l, span, m_scalar_like(l, span, (double)out)), -1); /* [R, 1] */
    mval bin = m_cast_like(l, m_iota(l, SIB_I64, d_const(l, out)), width);
    mval from = m_add(l, m_floor(l, m_mul(l, bin, width)), m_unsqueeze(l, start, -1));
    mval to = m_add(l, m_ceil(l, m_mul(l, m_add_number(l, bin, 1), width)),
                    m_unsqueeze(l, start, -1)); /* [R, out] */
    mval i = m_cast_like(l, m_iota(l, SIB_I64, size), width);
    return m_and(l, m_less_equal(l, m_unsqueeze(l, from, -1), i), m_less(l, i, m_unsqueeze(l, to, -1)));
}

/* The max pixel of each bin of a region, whose corners are first rounded to pixels: bin b of H covers rows
   floor(b h / H) to ceil((b + 1) h / H) of a region of h rows, columns likewise; an empty bin gives 0. A
   region is the index of its image and two corners. ONNX MaxRoiPool-22; Girshick 2015. */
void lower_ONNX_MaxRoiPool(lowering *l, const node *n)
{
    mval x = l_in(l, 0), regions = l_in(l, 1);
    dim dims[SIB_MAX_RANK];
    roi_spec spec = spec_roi(n);
    const int64_t *pooled = spec.pooled_shape.v;
    size_t count = spec.pooled_shape.n;
    double scale = spec.spatial_scale;
    int rank = m_dims(l, x, dims), other = m_rank(l, regions);
    if (l_ok(l) && (rank != 4 || other != 2 || count != 2 || pooled[0] < 1 || pooled[1] < 1))
        l_fail(l, SIB_ERR_ARGUMENT,
               "image and regions have rank %d and %d, and there are %zu sizes, expected 4, 2 and 2", rank,
               other, count);
    if (!l_ok(l))
        return;
    mval low = m_scalar_like(l, x, -INFINITY);
    mval rows = members(l, column_of(l, regions, 2), column_of(l, regions, 4), scale, pooled[0], dims[2]);
    mval columns = members(l, column_of(l, regions, 1), column_of(l, regions, 3), scale, pooled[1], dims[3]);
    mval image = m_wrap_index(l, column_of(l, regions, 0), dims[0]);
    x = m_unsqueeze(l, m_gather(l, x, image, 0), 3);                                   /* [R, C, H, 1, W] */
    columns = m_unsqueeze(l, m_unsqueeze(l, columns, 1), 1);                           /* [R, 1, 1, w, W] */
    rows = m_unsqueeze(l, m_unsqueeze(l, rows, 1), 3);                                 /* [R, 1, h, 1, H] */
    x = m_reduce_axis(l, MILLI_reduce_max, m_where(l, columns, x, low), 4, DROP_DIMS); /* [R, C, H, w] */
    x = m_unsqueeze(l, m_swap(l, x, 2, 3), 2);                                         /* [R, C, 1, w, H] */
    x = m_reduce_axis(l, MILLI_reduce_max, m_where(l, rows, x, low), 4, DROP_DIMS);    /* [R, C, h, w] */
    mval some_row = m_reduce_axis(l, MILLI_reduce_max, rows, 4, DROP_DIMS);            /* [R, 1, h, 1] */
    mval some_column = m_reduce_axis(l, MILLI_reduce_max, columns, 4, DROP_DIMS);      /* [R, 1, 1, w] */
    l_out(l, 0, m_where(l, m_and(l, some_row, some_column), x, m_scalar_like(l, x, 0)));
}

/* ---- NonMaxSuppression ----------------------------------------------------------------------- */

/* Per image and class: takes boxes above the score threshold in order of score, dropping each whose IoU with
   one already taken exceeds the threshold, up to a max number; [n, 3] of image, class, box. ONNX
   NonMaxSuppression-11. */
void lower_ONNX_NonMaxSuppression(lowering *l, const node *n)
{
    mval in[5] = {l_in(l, 0), l_in(l, 1), m_scalar_int(l, SIB_I64, 0), m_scalar(l, SIB_F32, 0),
                  m_scalar(l, SIB_F32, -INFINITY)};
    l_declare(l, 0, SIB_I64, 2, (dim[]){DIM_NONE, d_const(l, 3)});
    for (size_t i = 2; i < 5; i++)
        if (l_has(l, i))
            in[i] = elem_to_scalar(l, l_in(l, i));
    l_out(l, 0, m_non_max_suppression(l, in, spec_nms(n).center_point_box));
}
