/* Images sampled at the positions of a grid: AffineGrid, GridSample, DeformConv. */
#include "ops/image/sampling.h"

#include "ops/lower/elem.h"
#include "ops/lower/lists.h"

#include "base/error.h"

#include <string.h>

/* ---- AffineGrid ------------------------------------------------------------------------------ */

/* Positions in [-1, 1] along an axis of size d. The ends are the centres of the outermost pixels
   (align_corners; 0 if there is only one), or their outer edges. */
static mval normalized_axis(lowering *l, dim d, bool align_corners)
{
    dim one = d_const(l, 1);
    mval i = m_iota(l, SIB_F64, d), two = sample_number(l, 2);
    mval size = m_cast(l, m_dim_scalar(l, align_corners ? d_sub(l, d, one) : d), SIB_F64);
    int64_t n;
    if (!l_ok(l))
        return MVAL_NONE;
    if (align_corners && dim_is_const(l->graph->dims, d, &n) && n < 2)
        return i;
    if (!align_corners)
        i = m_add(l, i, sample_number(l, 0.5));
    return m_sub(l, m_div(l, m_mul(l, i, two), size), sample_number(l, 1));
}

/* out[n, i..., :] = theta[n] (x, y, 1) (or (x, y, z, 1)) with the normalized position of pixel i, innermost
   axis first. ONNX AffineGrid-20. */
void lower_ONNX_AffineGrid(lowering *l, const node *n)
{
    mval theta = l_in(l, 0), columns[4];
    dim dims[SIB_MAX_RANK], size[5] = {DIM_NONE, DIM_NONE, DIM_NONE, DIM_NONE, DIM_NONE};
    bool align = spec_grid(n).align_corners;
    sib_dtype dtype = m_dtype(l, theta);
    int rank = m_dims(l, theta, dims), length = list_length(l, l_in(l, 1));
    dim unknown[5] = {l_ok(l) && rank == 3 ? dims[0] : DIM_NONE, DIM_NONE, DIM_NONE, DIM_NONE, DIM_NONE};
    bool ranked = length == 4 || length == 5;
    if (ranked)
        unknown[length - 1] = d_const(l, length - 2);
    if (l->symbolic)
        l_declare(l, 0, dtype, ranked ? length : 0, ranked ? unknown : NULL);
    int k = (int)m_elements(l, l_in(l, 1), size, 5) - 2; /* axes of the image */
    if (l_ok(l) && (rank != 3 || k < 2)) {
        l_fail(l, SIB_ERR_ARGUMENT, "theta has rank %d and size %d numbers, expected 3, and 4 or 5", rank,
               k + 2);
        return;
    }
    for (int i = 0; i < k && l_ok(l); i++) { /* columns of x, y, z: the last axis first */
        mval line = normalized_axis(l, size[2 + k - 1 - i], align);
        for (int after = 0; after < i; after++)
            line = m_unsqueeze(l, line, -1);
        columns[i] = m_flatten(l, m_expand(l, line, (size_t)k, size + 2), 0, k);
    }
    if (!l_ok(l))
        return;
    dim points = d_product(l, (size_t)k, size + 2), out[5] = {dims[0]};
    memcpy(out + 1, size + 2, sizeof *out * (size_t)k);
    out[k + 1] = d_const(l, k);
    columns[k] = m_expand(l, sample_number(l, 1), 1, &points);
    mval grid = m_stack(l, (size_t)k + 1, columns, 1);                    /* [P, k + 1] */
    grid = m_matmul(l, grid, m_swap(l, m_cast(l, theta, SIB_F64), 1, 2)); /* [N, P, k] */
    l_out(l, 0, m_cast(l, m_reshape(l, grid, (size_t)k + 2, out), dtype));
}

/* ---- GridSample ------------------------------------------------------------------------------ */

static sampling sampling_of(lowering *l, const node *n, mval x)
{
    grid_spec spec = spec_grid(n);
    return (sampling){.filter = spec.mode,
                      .border = spec.padding_mode,
                      .align_corners = spec.align_corners,
                      .n = m_rank(l, x) - 2};
}

/* out[n, c, p...] = x[n, c] at position grid[n, p..., :], given innermost axis first; -1 and 1 are the
   centres of the outermost pixels (align_corners) or their outer edges. ONNX GridSample-22. */
void lower_ONNX_GridSample(lowering *l, const node *n)
{
    mval x = l_in(l, 0), grid = l_in(l, 1), at[SIB_MAX_RANK];
    dim dims[SIB_MAX_RANK], places[SIB_MAX_RANK], out[SIB_MAX_RANK];
    sampling s = sampling_of(l, n, x);
    sib_dtype dtype = m_dtype(l, x);
    int rank = m_dims(l, x, dims), other = m_dims(l, grid, places);
    if (l_ok(l) && (s.n < 1 || other != rank)) {
        l_fail(l, SIB_ERR_ARGUMENT, "image and grid have rank %d and %d, expected at least 3", rank, other);
        return;
    }
    if (!l_ok(l))
        return;
    memcpy(out, dims, 2 * sizeof *out);
    memcpy(out + 2, places + 1, sizeof *out * (size_t)s.n);
    l_declare(l, 0, dtype, rank, out);
    if (s.filter != SAMPLE_NEAREST && dtype == SIB_STRING)
        l_fail(l, SIB_ERR_ARGUMENT, "strings need mode nearest");
    dim points = d_product(l, (size_t)s.n, places + 1), flat[3] = {places[0], points, d_const(l, s.n)};
    grid = m_reshape(l, m_cast(l, grid, SIB_F64), 3, flat);
    for (int i = 0; i < s.n && l_ok(l); i++) {
        double size = (double)(s.size[i] = m_size(l, x, 2 + i));
        mval p = m_squeeze(l, m_slice_numbers(l, grid, 2, s.n - 1 - i, 1), 2);
        p = m_mul_number(l, m_add_number(l, p, 1), (s.align_corners ? size - 1 : size) / 2);
        at[i] = s.align_corners ? p : m_add_number(l, p, -0.5);
    }
    bool empty = false;
    for (int i = 0; i < s.n; i++)
        empty = empty || s.size[i] == 0;
    if (l_ok(l) && empty && dtype != SIB_STRING) { /* all is padding */
        if (s.border == SAMPLE_ZEROS)
            l_out(l, 0, m_filled(l, m_scalar(l, dtype, 0), (size_t)rank, out));
        else
            l_fail(l, SIB_ERR_ARGUMENT, "an image without pixels has no border to repeat or reflect");
        return;
    }
    mval image = m_unsqueeze(l, m_iota(l, SIB_I64, dims[0]), 1);
    mval y = sample_points(l, &s, sample_table(l, x, 1), image, at); /* [N, P, C] */
    if (s.filter != SAMPLE_NEAREST)
        y = elem_round(l, y, dtype);
    if (l_ok(l))
        l_out(l, 0, m_reshape(l, m_swap(l, y, 1, 2), (size_t)rank, out));
}

/* ---- DeformConv ------------------------------------------------------------------------------ */

typedef struct deform {
    int r; /* axes of the image */
    int64_t groups, offset_groups, kernel[SIB_MAX_RANK], stride[SIB_MAX_RANK], dilation[SIB_MAX_RANK];
    int64_t pad[2 * SIB_MAX_RANK], out[SIB_MAX_RANK]; /* out: set when the dims are numbers */
} deform;

/* Position of tap k of the kernel for output p along one axis, without offset: float64 [kernel..., out...]
   flattened to [K * P]. */
static mval rigid_positions(lowering *l, const deform *d, int axis)
{
    dim wide[2 * SIB_MAX_RANK];
    for (int i = 0; i < d->r; i++) {
        wide[i] = d_const(l, d->kernel[i]);
        wide[d->r + i] = d_const(l, d->out[i]);
    }
    mval k = m_mul_number(l, m_iota(l, SIB_F64, wide[axis]), (double)d->dilation[axis]);
    mval p = m_mul_number(l, m_iota(l, SIB_F64, wide[d->r + axis]), (double)d->stride[axis]);
    for (int i = axis + 1; i < 2 * d->r; i++)
        k = m_unsqueeze(l, k, -1);
    for (int i = axis + 1; i < d->r; i++)
        p = m_unsqueeze(l, p, -1);
    mval all = m_add_number(l, m_add(l, k, p), -(double)d->pad[axis]);
    return m_flatten(l, m_expand(l, all, 2 * (size_t)d->r, wide), 0, 2 * d->r);
}

/* Size of an output axis, as for Conv. */
static dim deformed_size(lowering *l, const deform *d, int i, dim in)
{
    int64_t reach = (d->kernel[i] - 1) * d->dilation[i] + 1;
    dim room = d_add(l, in, d_const(l, d->pad[i] + d->pad[d->r + i] - reach));
    return d_add(l, d_floor_div(l, room, d_const(l, d->stride[i])), d_const(l, 1));
}

static bool read_deform(lowering *l, const node *n, mval x, mval w, deform *d)
{
    conv_spec spec = spec_conv(n);
    int rank = m_rank(l, x);
    d->r = rank - 2;
    if (l_ok(l) && (d->r < 1 || 2 * d->r > SIB_MAX_RANK - 2 || m_rank(l, w) != rank))
        l_fail(l, SIB_ERR_ARGUMENT, "an image of rank %d and weights of rank %d", rank, m_rank(l, w));
    if (!l_ok(l))
        return false;
    size_t r = (size_t)d->r;
    for (int i = 0; i < d->r; i++)
        d->kernel[i] = m_size(l, w, 2 + i);
    int64_t kernel[SIB_MAX_RANK];
    list_numbers(l, spec.spatial.kernel_shape, "kernel_shape", r, 1, kernel);
    for (int i = 0; i < d->r && l_ok(l) && spec.spatial.kernel_shape.n; i++)
        if (kernel[i] != d->kernel[i])
            l_fail(l, SIB_ERR_ARGUMENT, "kernel_shape %lld on axis %d of weights of %lld",
                   (long long)kernel[i], i, (long long)d->kernel[i]);
    list_numbers(l, spec.spatial.strides, "strides", r, 1, d->stride);
    list_numbers(l, spec.spatial.dilations, "dilations", r, 1, d->dilation);
    list_numbers(l, spec.spatial.pads, "pads", 2 * r, 0, d->pad);
    d->groups = spec.group;
    d->offset_groups = spec.offset_group;
    return l_ok(l);
}

/* Convolution whose taps have offsets: out[n, o, p] = b[o] + sum over channels c of the group and taps k of
   w[o, c, k] * mask[n, g, k, p] * x[n, c] at p * stride - pad + k * dilation + offset[n, g, k, :, p],
   interpolated linearly, 0 out of range; g is the offset group of c. ONNX DeformConv-22; Zhu et al. 2019. */
void lower_ONNX_DeformConv(lowering *l, const node *n)
{
    mval x = l_in(l, 0), w = l_in(l, 1), offset = l_in(l, 2), at[SIB_MAX_RANK];
    deform d = {0};
    dim dims[SIB_MAX_RANK], out[SIB_MAX_RANK];
    int rank = m_dims(l, x, dims);
    sib_dtype dtype = m_dtype(l, x);
    for (int i = 0; i < rank; i++)
        out[i] = i == 0 ? dims[0] : i == 1 ? m_dim(l, w, 0) : DIM_NONE;
    if (l->symbolic && l_ok(l))
        l_declare(l, 0, dtype, rank, out);
    if (!read_deform(l, n, x, w, &d))
        return;
    out[0] = dims[0];
    out[1] = m_dim(l, w, 0);
    for (int i = 0; i < d.r; i++)
        out[2 + i] = deformed_size(l, &d, i, dims[2 + i]);
    l_declare(l, 0, dtype, rank, out);
    sampling s = {.filter = SAMPLE_LINEAR, .border = SAMPLE_ZEROS, .n = d.r};
    int64_t taps = 1, points = 1;
    for (int i = 0; i < d.r && l_ok(l); i++) {
        s.size[i] = m_size(l, x, 2 + i);
        d.out[i] = m_number(l, out[2 + i]);
        if (d.out[i] < 0 || __builtin_mul_overflow(taps, d.kernel[i], &taps) ||
            __builtin_mul_overflow(points, d.out[i], &points))
            l_fail(l, SIB_ERR_SIZE, "axis %d of the output would be %lld", i, (long long)d.out[i]);
    }
    int64_t images = m_number(l, dims[0]), channels = m_number(l, dims[1]), filters = m_number(l, out[1]);
    if (l_ok(l) && (channels % d.groups || channels % d.offset_groups || filters % d.groups))
        l_fail(l, SIB_ERR_ARGUMENT,
               "%lld channels and %lld filters cannot be divided into %lld groups and %lld offset groups",
               (long long)channels, (long long)filters, (long long)d.groups, (long long)d.offset_groups);
    if (!l_ok(l))
        return;
    int64_t og = d.offset_groups;
    offset = m_cast(l, offset, SIB_F64);
    offset = m_reshape_numbers(l, offset, 5, (int64_t[]){images, og, taps, d.r, points});
    for (int i = 0; i < d.r; i++) {
        mval moved = m_reshape_numbers(l, m_slice_numbers(l, offset, 3, i, 1), 3,
                                       (int64_t[]){images, og, taps * points});
        at[i] = m_add(l, moved, rigid_positions(l, &d, i));
    }
    mval image =
        m_reshape_numbers(l, m_iota(l, SIB_I64, d_const(l, images * og)), 3, (int64_t[]){images, og, 1});
    mval v = sample_points(l, &s, sample_table(l, x, og), image, at); /* [N, og, K * P, C / og] */
    if (l_has(l, 4)) {
        mval mask = m_cast(l, l_in(l, 4), SIB_F64);
        v = m_mul(l, v, m_reshape_numbers(l, mask, 4, (int64_t[]){images, og, taps * points, 1}));
    }
    v = m_swap(l, v, 2, 3); /* [N, og, C / og, K * P] */
    v = m_reshape_numbers(l, v, 4, (int64_t[]){images, d.groups, channels / d.groups * taps, points});
    w = m_reshape_numbers(l, m_cast(l, w, SIB_F64), 4,
                          (int64_t[]){1, d.groups, filters / d.groups, channels / d.groups * taps});
    mval y = m_reshape_numbers(l, m_matmul(l, w, v), 3, (int64_t[]){images, filters, points});
    if (l_has(l, 3))
        y = m_add(l, y, m_unsqueeze(l, m_cast(l, l_in(l, 3), SIB_F64), 1));
    l_out(l, 0, m_cast(l, m_reshape(l, y, (size_t)rank, out), dtype));
}
