/* MaxUnpool, Col2Im and ImageDecoder. */
#include "milli/build_values.h"
#include "ops/lower/lists.h"

#include "base/error.h"
#include "base/size.h"

#include <string.h>

/* ---- MaxUnpool ------------------------------------------------------------------------------- */

/* out[indices[i...]] = x[i...], else 0. indices are row-major in the tensor that was pooled, of size (d - 1)
   * stride - pads + kernel. A given output shape has that tensor at its start. ONNX MaxUnpool-22. */
void lower_ONNX_MaxUnpool(lowering *l, const node *n)
{
    mval x = l_in(l, 0), indices = l_in(l, 1);
    dim dims[SIB_MAX_RANK], before[SIB_MAX_RANK], after[SIB_MAX_RANK], wanted[SIB_MAX_RANK];
    int64_t kernel[SIB_MAX_RANK], stride[SIB_MAX_RANK], pad[2 * SIB_MAX_RANK];
    spatial_spec spec = spec_spatial(n);
    int rank = m_dims(l, x, dims), r = rank - 2;
    if (l_ok(l) && (r < 1 || m_rank(l, indices) != rank || !spec.kernel_shape.v))
        l_fail(l, SIB_ERR_ARGUMENT, "pooled values of rank %d and indices of rank %d", rank,
               m_rank(l, indices));
    if (!l_ok(l))
        return;
    const bool sized = l_has(l, 2);
    list_numbers(l, spec.kernel_shape, "kernel_shape", (size_t)r, 1, kernel);
    list_numbers(l, spec.strides, "strides", (size_t)r, 1, stride);
    list_numbers(l, spec.pads, "pads", 2 * (size_t)r, 0, pad);
    dim count = d_product(l, (size_t)rank, dims);
    for (int i = 0; i < r; i++) {
        dim reach = d_mul(l, d_sub(l, dims[2 + i], d_const(l, 1)), d_const(l, stride[i]));
        dims[2 + i] = d_add(l, reach, d_const(l, kernel[i] - pad[i] - pad[r + i]));
    }
    if (sized) {
        for (int i = 0; i < rank; i++)
            wanted[i] = DIM_NONE;
        if (l->symbolic)
            l_declare(l, 0, m_dtype(l, x), rank, wanted);
        if (m_elements(l, l_in(l, 2), wanted, SIB_MAX_RANK) != (size_t)rank && l_ok(l))
            l_fail(l, SIB_ERR_ARGUMENT, "the output shape must have %d numbers", rank);
    }
    dim total = d_product(l, (size_t)rank, dims);
    mval empty = m_filled(l, m_scalar_like(l, x, 0), 1, &total);
    mval at = m_reshape(l, indices, 2, (dim[]){count, d_const(l, 1)});
    mval y = m_scatter_nd(l, empty, at, m_reshape(l, x, 1, &count), "none");
    y = m_reshape(l, y, (size_t)rank, dims);
    if (sized) {
        dim zero = d_const(l, 0);
        for (int i = 0; i < rank && l_ok(l); i++) {
            int64_t have, want;
            if (dim_is_const(l->graph->dims, dims[i], &have) &&
                dim_is_const(l->graph->dims, wanted[i], &want) && want < have) {
                y = m_slice(l, y, i, zero, d_const(l, want > 0 ? want : 0), 1);
                wanted[i] = dims[i]; /* nothing to pad */
            }
            before[i] = zero;
            after[i] = d_sub(l, wanted[i], dims[i]);
        }
        if (l_ok(l))
            y = m_pad(l, y, before, after, MVAL_NONE);
    }
    l_out(l, 0, y);
}

/* ---- Col2Im ---------------------------------------------------------------------------------- */

typedef struct fold_spec {
    int r;
    int64_t image[SIB_MAX_RANK], block[SIB_MAX_RANK], stride[SIB_MAX_RANK], dilation[SIB_MAX_RANK];
    int64_t pad[2 * SIB_MAX_RANK], padded[SIB_MAX_RANK], columns[SIB_MAX_RANK]; /* derived */
    int64_t taps, places, pixels; /* products of block, columns and padded */
} fold_spec;

static void measure(lowering *l, fold_spec *f)
{
    f->taps = f->places = f->pixels = 1;
    for (int i = 0; i < f->r && l_ok(l); i++) {
        int64_t reach = 0, room;
        bool fits = f->image[i] >= 0 && f->block[i] >= 1 &&
                    i64_mul(f->block[i] - 1, f->dilation[i], &reach) &&
                    i64_add(f->image[i], f->pad[i] + f->pad[f->r + i], &f->padded[i]);
        room = fits ? f->padded[i] - reach - 1 : -1;
        f->columns[i] = room >= 0 ? room / f->stride[i] + 1 : 0;
        if (!fits || !i64_mul(f->taps, f->block[i], &f->taps) ||
            !i64_mul(f->places, f->columns[i], &f->places) || !i64_mul(f->pixels, f->padded[i], &f->pixels))
            l_fail(l, SIB_ERR_ARGUMENT, "blocks of %lld in an image of %lld on axis %d",
                   (long long)f->block[i], (long long)f->image[i], i);
    }
}

/* int64 [taps * places, 1]: the row-major index in the padded image of each tap of each block. */
static mval pixels_of(lowering *l, const fold_spec *f)
{
    sib_tensor *t = NULL;
    sib_error err = SIB_ERROR_INIT;
    int64_t rows, dims[2] = {0, 1};
    if (!l_ok(l) || !i64_mul(f->taps, f->places, &rows))
        return l_fail(l, SIB_ERR_SIZE, "too many blocks");
    dims[0] = rows;
    if (sib_tensor_create(SIB_I64, 2, dims, &t, &err) != SIB_OK)
        return l_fail(l, err.code, "%s", err.message);
    int64_t *out = sib_tensor_data(t);
    for (int64_t i = 0; i < rows; i++) {
        int64_t tap = i / f->places, place = i % f->places, pixel = 0, scale = 1;
        for (int k = f->r; k-- > 0;) {
            pixel += scale * (tap % f->block[k] * f->dilation[k] + place % f->columns[k] * f->stride[k]);
            tap /= f->block[k];
            place /= f->columns[k];
            scale *= f->padded[k];
        }
        out[i] = pixel;
    }
    return m_constant(l, t);
}

/* Blocks x [N, C * taps, places] added into an image [N, C, image...] at their places. ONNX Col2Im-18. */
void lower_ONNX_Col2Im(lowering *l, const node *n)
{
    mval x = l_in(l, 0);
    fold_spec f = {0};
    dim dims[SIB_MAX_RANK], out[SIB_MAX_RANK];
    sib_dtype dtype = m_dtype(l, x);
    int rank = m_dims(l, x, dims), length = list_length(l, l_in(l, 1));
    if (l_ok(l) && rank != 3)
        l_fail(l, SIB_ERR_ARGUMENT, "columns have rank %d, expected 3", rank);
    for (int i = 0; i < SIB_MAX_RANK; i++)
        out[i] = i || !l_ok(l) ? DIM_NONE : dims[0];
    bool ranked = length > 0 && length <= SIB_MAX_RANK - 2;
    if (l->symbolic)
        l_declare(l, 0, dtype, ranked ? 2 + length : 0, ranked ? out : NULL);
    f.r = (int)m_elements(l, l_in(l, 1), out + 2, SIB_MAX_RANK - 2);
    size_t blocks = m_ints(l, l_in(l, 2), f.block, SIB_MAX_RANK);
    if (l_ok(l) && (f.r < 1 || blocks != (size_t)f.r))
        l_fail(l, SIB_ERR_ARGUMENT, "an image of %d axes and blocks of %zu", f.r, blocks);
    if (!l_ok(l))
        return;
    size_t r = (size_t)f.r;
    spatial_spec spec = spec_spatial(n);
    list_numbers(l, spec.strides, "strides", r, 1, f.stride);
    list_numbers(l, spec.dilations, "dilations", r, 1, f.dilation);
    list_numbers(l, spec.pads, "pads", 2 * r, 0, f.pad);
    int64_t taps = 1;
    for (int i = 0; i < f.r; i++)
        if (f.block[i] < 1 || !i64_mul(taps, f.block[i], &taps))
            l_fail(l, SIB_ERR_ARGUMENT, "a block of %lld on axis %d", (long long)f.block[i], i);
    out[1] = d_floor_div(l, dims[1], d_const(l, taps));
    if (l->symbolic && l_ok(l))
        l_declare(l, 0, dtype, 2 + f.r, out);
    for (int i = 0; i < f.r; i++)
        f.image[i] = m_number(l, out[2 + i]);
    measure(l, &f);
    if (!l_ok(l))
        return;
    dim rows = d_mul(l, dims[0], out[1]), every = d_const(l, f.taps * f.places);
    bool floats = m_is(l, x, SIB_KIND_FLOAT);
    x = m_reshape(l, floats ? m_cast(l, x, SIB_F64) : x, 2, (dim[]){rows, every});
    mval image = m_filled(l, m_scalar_like(l, x, 0), 2, (dim[]){d_const(l, f.pixels), rows});
    image = m_scatter_nd(l, image, pixels_of(l, &f), m_swap(l, x, 0, 1), "add");
    dim padded[SIB_MAX_RANK] = {dims[0], out[1]};
    for (int i = 0; i < f.r; i++)
        padded[2 + i] = d_const(l, f.padded[i]);
    image = m_reshape(l, m_swap(l, image, 0, 1), 2 + r, padded);
    for (int i = 0; i < f.r; i++)
        image = m_slice_numbers(l, image, 2 + i, f.pad[i], f.image[i]);
    l_out(l, 0, m_cast(l, image, dtype));
}

/* ---- ImageDecoder ---------------------------------------------------------------------------- */

/* The pixels of an image file: uint8 [height, width, channels], empty where it cannot be decoded. ONNX
   ImageDecoder-20. */
void lower_ONNX_ImageDecoder(lowering *l, const node *n)
{
    l_out(l, 0, m_decode_image(l, l_in(l, 0), spec_image(n).pixel_format, true));
}
