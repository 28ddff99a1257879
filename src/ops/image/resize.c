/* Resize and Upsample. Axes are resampled one after the other by a table of indices and weights: the tensor
   is gathered by the indices, weighted and summed. */
#include "ops/lower/elem.h"
#include "ops/lower/lists.h"

#include "base/error.h"
#include "base/size.h"
#include "spec/resize_axis.h"

#include <math.h>
#include <string.h>

/* Max size of a table, and of one made in shape inference, which knows the types without it. */
#define TABLE_MAX      ((int64_t)1 << 28)
#define TABLE_SYMBOLIC ((int64_t)1 << 16)

/* ---- One axis as a table --------------------------------------------------------------------- */

static sib_tensor *table(lowering *l, sib_dtype dtype, size_t rank, const int64_t *dims)
{
    sib_tensor *t = NULL;
    sib_error err = SIB_ERROR_INIT;
    if (l_ok(l) && sib_tensor_create(dtype, rank, dims, &t, &err) != SIB_OK)
        l_fail(l, err.code, "%s", err.message);
    return t;
}

/* Returns false where a table of this size is not made; the lowering has stopped then. */
static bool table_fits(lowering *l, int64_t rows, int64_t columns)
{
    int64_t size = 0;
    if (!i64_mul(rows, columns, &size) || size > TABLE_MAX)
        l_fail(l, SIB_ERR_SIZE, "an axis cannot be resampled to %lld positions with %lld weights each",
               (long long)rows, (long long)columns);
    else if (l_ok(l) && l->symbolic && size > TABLE_SYMBOLIC)
        l->status = LOWER_NEEDS_DIMS;
    return l_ok(l);
}

/* x with one axis resampled. */
static mval resample_axis(lowering *l, const resize_rule *r, const resize_axis *axis, mval x, int at)
{
    int64_t taps = resize_taps(r, axis), wide[SIB_MAX_RANK] = {axis->out, taps};
    int rank = m_rank(l, x);
    bool one = r->filter == RESIZE_NEAREST;
    if (!table_fits(l, axis->out, taps))
        return MVAL_NONE;
    for (int i = 2; i < SIB_MAX_RANK; i++)
        wide[i] = 1;
    sib_tensor *indices = table(l, SIB_I64, one ? 1 : 2, wide);
    sib_tensor *weights = table(l, SIB_F64, 2, wide);
    for (int64_t i = 0; i < axis->out && l_ok(l); i++) {
        int64_t *index = (int64_t *)sib_tensor_data(indices) + i * taps;
        resize_weigh(r, axis, i, taps, index, (double *)sib_tensor_data(weights) + i * taps);
    }
    if (one || !l_ok(l))
        sib_tensor_free(&weights);
    if (!l_ok(l)) {
        sib_tensor_free(&indices);
        return MVAL_NONE;
    }
    x = m_gather(l, x, m_constant(l, indices), at);
    if (one)
        return x;
    mval w = m_reshape_numbers(l, m_constant(l, weights), (size_t)(rank - at + 1), wide);
    return m_reduce_axis(l, MILLI_reduce_sum, m_mul(l, x, m_cast_like(l, w, x)), at + 1, DROP_DIMS);
}

/* bool [out]: true where the source position is out of range; MVAL_NONE where none is. */
static mval out_of_range_of(lowering *l, const resize_rule *r, const resize_axis *axis)
{
    bool any = false;
    sib_tensor *t = table_fits(l, axis->out, 1) ? table(l, SIB_BOOL, 1, &axis->out) : NULL;
    for (int64_t i = 0; i < axis->out && t; i++) {
        double p = resize_source(r, axis, i);
        bool out = p < 0 || p > (double)axis->in - 1;
        ((uint8_t *)sib_tensor_data(t))[i] = out;
        any |= out;
    }
    if (any)
        return m_constant(l, t);
    sib_tensor_free(&t);
    return MVAL_NONE;
}

/* x (rank) resampled along every axis; beyond: the value for positions out of range. Averages are computed in
   double and rounded once at the end. */
static mval resample(lowering *l, const resize_rule *r, double beyond, const resize_axis *axes, mval x)
{
    sib_dtype dtype = m_dtype(l, x);
    int rank = m_rank(l, x);
    bool changed[SIB_MAX_RANK], any = false;
    for (int i = 0; i < rank; i++) {
        if (axes[i].out && !axes[i].in)
            return l_fail(l, SIB_ERR_ARGUMENT, "axis %d without elements cannot become %lld", i,
                          (long long)axes[i].out);
        changed[i] = !resize_is_identity(r, &axes[i]);
        any |= changed[i];
    }
    bool average = any && r->filter != RESIZE_NEAREST;
    if (average && dtype == SIB_STRING)
        return l_fail(l, SIB_ERR_ARGUMENT, "strings need mode nearest");
    if (average && !m_is(l, x, SIB_KIND_COMPLEX))
        x = m_cast(l, x, SIB_F64);
    for (int i = 0; i < rank && l_ok(l); i++)
        if (changed[i])
            x = resample_axis(l, r, &axes[i], x, i);
    for (int i = 0; i < rank && r->mapping == RESIZE_TF_CROP_AND_RESIZE && l_ok(l); i++) {
        mval out = out_of_range_of(l, r, &axes[i]);
        for (int k = i + 1; k < rank && out.id != NO_VALUE; k++)
            out = m_unsqueeze(l, out, -1);
        if (out.id != NO_VALUE)
            x = m_where(l, out, m_scalar_like(l, x, beyond), x);
    }
    return average ? elem_round(l, x, dtype) : x;
}

/* ---- Attributes and inputs ------------------------------------------------------------------------- */

/* Reads a float tensor: (max) in out; returns how many elements there are. */
static size_t floats_of(lowering *l, mval v, double *out, size_t max)
{
    const sib_tensor *t = m_content(l, v);
    size_t n = t ? sib_tensor_count(t) : 0;
    if (n > max || (t && sib_tensor_rank(t) > 1)) {
        l_fail(l, SIB_ERR_ARGUMENT, "expected a list of at most %zu numbers", max);
        return 0;
    }
    for (int64_t i = 0; t && i < (int64_t)n; i++)
        sib_tensor_get(t, &i, &out[i], NULL);
    return n;
}

/* floor(d * scale), the product rounded to float32 as other runtimes do. A symbol is scaled where the scale
   is a fraction; otherwise DIM_NONE. */
static dim scaled(lowering *l, dim d, double scale)
{
    int64_t n;
    if (dim_is_const(l->graph->dims, d, &n)) {
        float product = (float)n * (float)scale;
        if (fabsf(product) < 0x1p62f)
            return d_const(l, (int64_t)floorf(product));
        l_fail(l, SIB_ERR_SIZE, "a dim of %lld scaled by %g", (long long)n, scale);
        return DIM_NONE;
    }
    for (int q = 1; q <= 64; q++)
        if (scale * q == floor(scale * q) && fabs(scale * q) < 1e9)
            return d_floor_div(l, d_mul(l, d, d_const(l, (int64_t)(scale * q))), d_const(l, q));
    return DIM_NONE;
}

typedef struct resize_target {
    int n, axes[SIB_MAX_RANK]; /* the axes that the lists are for */
    bool by_size;
    double scales[SIB_MAX_RANK]; /* (n) */
    dim sizes[SIB_MAX_RANK];     /* (n) */
} resize_target;

/* Sizes under a policy that keeps the aspect ratio: one scale for all axes, the min (not larger) or max of
   the ratios asked for; halves round up. Exact, since it is a ratio of integers. */
static void keep_aspect(lowering *l, bool larger, const resize_target *t, resize_axis *axes)
{
    double up = 0, down = 1;
    for (int i = 0; i < t->n; i++) {
        const resize_axis *x = &axes[t->axes[i]];
        double left = (double)x->out * down, right = up * (double)x->in;
        if (!i || (larger ? left > right : left < right)) {
            up = (double)x->out;
            down = (double)x->in;
        }
    }
    for (int i = 0; i < t->n; i++) {
        resize_axis *x = &axes[t->axes[i]];
        x->up = up;
        x->down = down;
        double length = floor((2 * up * (double)x->in + down) / (2 * down));
        if (!(length >= 0 && length < 0x1p62))
            l_fail(l, SIB_ERR_SIZE, "axis %d of size %lld scaled by %g", t->axes[i], (long long)x->in,
                   up / down);
        x->out = l_ok(l) ? (int64_t)length : 0;
    }
}

/* Declares the output as far as the target determines it. */
static void declare_target(lowering *l, mval x, const resize_target *t, bool stretch)
{
    dim dims[SIB_MAX_RANK];
    m_dims(l, x, dims);
    for (int i = 0; i < t->n && l_ok(l); i++) {
        dim *d = &dims[t->axes[i]];
        *d = t->by_size ? stretch ? t->sizes[i] : DIM_NONE : scaled(l, *d, t->scales[i]);
    }
    if (l->symbolic)
        elem_declare_like(l, x, dims);
}

/* Resamples x as the target describes, whose axes are set. roi: (2 n) starts and ends, or NULL. */
static void resize_to(lowering *l, const resize_spec *s, mval x, const resize_target *t, const double *roi)
{
    resize_axis axes[SIB_MAX_RANK] = {0};
    resize_rule rule = spec_resize_rule(s);
    int rank = m_rank(l, x);
    resize_policy policy = t->by_size ? s->keep_aspect_ratio_policy : RESIZE_STRETCH;
    declare_target(l, x, t, policy == RESIZE_STRETCH);
    for (int i = 0; i < rank && l_ok(l); i++) {
        int64_t size = m_size(l, x, i);
        axes[i] = (resize_axis){size, size, 1, 1, 0, 1};
    }
    for (int i = 0; i < t->n && l_ok(l); i++) {
        resize_axis *a = &axes[t->axes[i]];
        if (t->by_size) {
            a->out = m_number(l, t->sizes[i]);
            a->up = (double)a->out;
            a->down = (double)a->in;
        } else {
            a->up = t->scales[i];
            if (!(a->up > 0) || isinf(a->up))
                l_fail(l, SIB_ERR_ARGUMENT, "scale is %g on axis %d, expected more than 0", a->up,
                       t->axes[i]);
            else
                a->out = m_number(l, scaled(l, d_const(l, a->in), a->up));
        }
        if (l_ok(l) && a->out < 0)
            l_fail(l, SIB_ERR_ARGUMENT, "size is %lld on axis %d, expected 0 or more", (long long)a->out,
                   t->axes[i]);
        if (roi) {
            a->start = roi[i];
            a->end = roi[t->n + i];
        }
    }
    if (l_ok(l) && policy != RESIZE_STRETCH)
        keep_aspect(l, policy == RESIZE_NOT_SMALLER, t, axes);
    if (l_ok(l))
        l_out(l, 0, resample(l, &rule, s->extrapolation_value, axes, x));
}

/* True where input i is present and not an empty list, which in opset 11 means omitted. Where `other` is
   present too, the length must be known. */
static bool has_list(lowering *l, size_t i, size_t other)
{
    if (!l_has(l, i))
        return false;
    mval list = l_in(l, i);
    if (l_has(l, other) && m_rank(l, list) == 1)
        return m_size(l, list, 0) != 0;
    return list_length(l, list) != 0;
}

/* Sets the axes of a target to all axes, in order. */
static void all_axes(resize_target *t, int rank)
{
    t->n = rank;
    for (int i = 0; i < rank; i++)
        t->axes[i] = i;
}

static void scales_from(lowering *l, mval scales, resize_target *t)
{
    size_t n = floats_of(l, scales, t->scales, SIB_MAX_RANK);
    if (l_ok(l) && n != (size_t)t->n)
        l_fail(l, SIB_ERR_ARGUMENT, "%zu scales for %d axes", n, t->n);
}

static void declare_rank(lowering *l, mval x)
{
    dim dims[SIB_MAX_RANK];
    int rank = m_rank(l, x);
    for (int i = 0; i < rank; i++)
        dims[i] = DIM_NONE;
    if (l->symbolic)
        elem_declare_like(l, x, dims);
}

/* Each axis of n elements becomes floor(n * scale) (or a given size) long; each output element is the
   weighted sum of the elements around its source position, by the nearest, linear or cubic kernel; the end
   elements extend the axis. ONNX Resize-19; before opset 11 as Upsample. */
void lower_ONNX_Resize(lowering *l, const node *n)
{
    mval x = l_in(l, 0);
    resize_target t = {0};
    double roi[2 * SIB_MAX_RANK];
    resize_spec s = spec_resize(n);
    int rank = m_rank(l, x);
    declare_rank(l, x);
    all_axes(&t, rank);
    if (n->version < 11) {
        scales_from(l, l_in(l, 1), &t);
        resize_to(l, &s, x, &t, NULL);
        return;
    }
    dim_list listed = list_dims(l, s.axes, 0);
    t.n = list_axes(l, &listed, rank, rank, t.axes);
    bool region = s.coordinate_transformation_mode == RESIZE_TF_CROP_AND_RESIZE;
    t.by_size = has_list(l, 3, 2);
    if (l_ok(l) && t.by_size == has_list(l, 2, 3))
        l_fail(l, SIB_ERR_ARGUMENT, "expected one of scales and sizes, not %s", t.by_size ? "both" : "none");
    if (!t.by_size)
        scales_from(l, l_in(l, 2), &t);
    else if (m_elements(l, l_in(l, 3), t.sizes, SIB_MAX_RANK) != (size_t)t.n && l_ok(l))
        l_fail(l, SIB_ERR_ARGUMENT, "sizes must have %d numbers", t.n);
    if (region && floats_of(l, l_in(l, 1), roi, 2 * SIB_MAX_RANK) != 2 * (size_t)t.n && l_ok(l))
        l_fail(l, SIB_ERR_ARGUMENT, "roi must have two numbers for each of %d axes", t.n);
    if (l_ok(l))
        resize_to(l, &s, x, &t, region ? roi : NULL);
}

/* out[i...] = x at i / scale..., rounded down or interpolated linearly. Scales are those of height and width
   in opset 1, a list as attribute in 7, as input in 9. ONNX Upsample-9. */
void lower_ONNX_Upsample(lowering *l, const node *n)
{
    mval x = l_in(l, 0);
    resize_target t = {0};
    resize_spec s = spec_resize(n);
    int rank = m_rank(l, x);
    declare_rank(l, x);
    all_axes(&t, rank);
    for (int i = 0; i < rank; i++)
        t.scales[i] = 1;
    if (n->version < 7 && l_ok(l)) {
        if (rank != 4)
            l_fail(l, SIB_ERR_ARGUMENT, "a tensor of rank %d, expected 4", rank);
        t.scales[2] = s.height_scale;
        t.scales[3] = s.width_scale;
    } else if (n->version < 9) {
        if (l_ok(l) && s.scales.n != (size_t)rank)
            l_fail(l, SIB_ERR_ARGUMENT, "%zu scales for %d axes", s.scales.n, rank);
        for (int i = 0; i < rank && l_ok(l); i++)
            t.scales[i] = (double)s.scales.v[i];
    } else
        scales_from(l, l_in(l, 1), &t);
    if (l_ok(l))
        resize_to(l, &s, x, &t, NULL);
}
