/* Tensors from attributes, dims and scalars: constants, ranges, windows, and dims as values. */
#include "ops/lower/elem.h"

#include <math.h>

/* ---- Constants ---------------------------------------------------------------------------------------- */

/* A scalar with all bits 0: 0, false or "". */
static mval zero_of(lowering *l, sib_dtype dtype)
{
    sib_tensor *t = NULL;
    sib_error err = SIB_ERROR_INIT;
    if (!l_ok(l))
        return MVAL_NONE;
    if (sib_tensor_create(dtype, 0, NULL, &t, &err) != SIB_OK)
        return l_fail(l, err.code, "%s", err.message);
    return m_constant(l, t);
}

/* The dense form of a sparse tensor: values [n] at indices [n] (row-major) or [n, rank]. */
static mval dense_of(lowering *l, const attribute *a)
{
    if (a->n != 3 || !a->tensors[0] || !a->tensors[1] || !a->tensors[2])
        return l_fail(l, SIB_ERR_ARGUMENT, "sparse_value has no values, indices and dims");
    dim dims[SIB_MAX_RANK];
    mval values = m_constant_ref(l, a->tensors[0]), indices = m_constant_ref(l, a->tensors[1]);
    size_t rank = m_elements(l, m_constant_ref(l, a->tensors[2]), dims, SIB_MAX_RANK);
    dim count = d_product(l, rank, dims);
    mval zero = zero_of(l, sib_tensor_dtype(a->tensors[0]));
    if (m_rank(l, indices) == 2) {
        if (m_size(l, indices, 1) != (int64_t)rank)
            l_fail(l, SIB_ERR_ARGUMENT, "indices of sparse_value have %lld columns for rank %zu",
                   (long long)m_size(l, indices, 1), rank);
        return m_scatter_nd(l, m_filled(l, zero, rank, dims), indices, values, "none");
    }
    mval flat = m_scatter_nd(l, m_filled(l, zero, 1, &count), m_unsqueeze(l, indices, -1), values, "none");
    return m_reshape(l, flat, rank, dims);
}

/* output = the one attribute that is present. ONNX Constant-1/9 (value), 11 (sparse_value), 12 (numbers and
   strings), 13/19/21/23/24/25. */
void lower_ONNX_Constant(lowering *l, const node *n)
{
    mval y = MVAL_NONE;
    size_t given = 0;
    for (size_t i = 0; i < n->n_attributes && l_ok(l); i++) {
        const attribute *a = &n->attributes[i];
        given++;
        if (str_is(a->name, "value") && a->kind == ATTR_TENSOR)
            y = m_constant_ref(l, a->tensor);
        else if (str_is(a->name, "sparse_value") && a->kind == ATTR_SPARSE)
            y = dense_of(l, a);
        else if (str_is(a->name, "value_float") && a->kind == ATTR_FLOAT)
            y = m_scalar(l, SIB_F32, (double)a->f);
        else if (str_is(a->name, "value_int") && a->kind == ATTR_INT)
            y = m_scalar_int(l, SIB_I64, a->i);
        else if (str_is(a->name, "value_string") && a->kind == ATTR_STRING)
            y = m_reshape(l, m_strings(l, 1, &a->s), 0, NULL);
        else if (str_is(a->name, "value_floats") && (a->kind == ATTR_FLOATS || !a->n))
            y = m_floats(l, a->n, a->floats);
        else if (str_is(a->name, "value_ints") && (a->kind == ATTR_INTS || !a->n))
            y = m_int64s(l, a->n, a->ints);
        else if (str_is(a->name, "value_strings") && (a->kind == ATTR_STRINGS || !a->n))
            y = m_strings(l, a->n, a->strings);
        else
            given--;
    }
    if (given != 1)
        l_fail(l, SIB_ERR_ARGUMENT, "%zu attributes give a value, expected one", given);
    l_out(l, 0, y);
}

/* output = value (default: float32 0) in the dims listed by the input. ONNX
   ConstantOfShape-9/20/21/23/24/25. */
void lower_ONNX_ConstantOfShape(lowering *l, const node *n)
{
    const sib_tensor *given = spec_constant_of_shape(n).value;
    mval shape = l_in(l, 0);
    if (!elem_takes(l, shape, "input", ELEM(SIB_I64)))
        return;
    mval fill = given ? elem_scalar(l, m_constant_ref(l, given), "value") : m_scalar(l, SIB_F32, 0);
    elem_declare(l, m_dtype(l, fill));
    dim dims[SIB_MAX_RANK], unknown[SIB_MAX_RANK] = {DIM_NONE};
    int64_t rank, size;
    if (m_rank(l, shape) != 1)
        l_fail(l, SIB_ERR_ARGUMENT, "input has rank %d, expected 1", m_rank(l, shape));
    else if (dim_is_const(l->graph->dims, m_dim(l, shape, 0), &rank) && rank <= SIB_MAX_RANK)
        l_declare(l, 0, m_dtype(l, fill), (int)rank, unknown);
    size_t count = m_elements(l, shape, dims, SIB_MAX_RANK);
    for (size_t i = 0; i < count && l_ok(l); i++)
        if (dim_is_const(l->graph->dims, dims[i], &size) && size < 0)
            l_fail(l, SIB_ERR_ARGUMENT, "dim %zu is %lld, expected 0 or more", i, (long long)size);
    l_out(l, 0, m_filled(l, fill, count, dims));
}

/* ---- Ranges and matrices ------------------------------------------------------------------------------ */

/* Length of a float range: max(0, ceil((limit - start) / delta)). */
static dim float_range_count(lowering *l, double start, double limit, double delta)
{
    double count = ceil((limit - start) / delta);
    if (!l_ok(l))
        return DIM_NONE;
    if (!(fabs(count) < 9007199254740992.0)) {
        l_fail(l, SIB_ERR_ARGUMENT, "the range from %g to %g by %g is not finite", start, limit, delta);
        return DIM_NONE;
    }
    return d_const(l, count > 0 ? (int64_t)count : 0);
}

/* Length of an integer range, as a dim. */
static dim int_range_count(lowering *l, mval start, mval limit, mval delta)
{
    dim from, to, by;
    int64_t step;
    m_elements(l, start, &from, 1);
    m_elements(l, limit, &to, 1);
    m_elements(l, delta, &by, 1);
    if (l_ok(l) && dim_is_const(l->graph->dims, by, &step) && step == 0)
        l_fail(l, SIB_ERR_ARGUMENT, "delta is 0");
    if (!l_ok(l))
        return DIM_NONE;
    return d_max(l, d_const(l, 0), d_ceil_div(l, d_sub(l, to, from), by));
}

/* output[i] = start + i * delta for i in [0, max(0, ceil((limit - start) / delta))): floats in float64,
   whatever stash_type is, rounded once. ONNX Range-11/27. */
void lower_ONNX_Range(lowering *l, const node *n)
{
    static const char *const names[] = {"start", "limit", "delta"};
    mval in[3];
    (void)n;
    for (size_t i = 0; i < 3; i++) {
        in[i] = l_in(l, i);
        if (!elem_takes(l, in[i], names[i], ELEM_FLOATS | ELEM_SINTS))
            return;
    }
    dim unknown = DIM_NONE;
    l_declare(l, 0, m_dtype(l, in[0]), 1, &unknown);
    for (size_t i = 0; i < 3; i++)
        in[i] = elem_scalar(l, in[i], names[i]);
    sib_dtype wide = m_is(l, in[0], SIB_KIND_FLOAT) ? SIB_F64 : m_dtype(l, in[0]);
    dim count = wide == SIB_F64
                    ? float_range_count(l, m_float(l, in[0]), m_float(l, in[1]), m_float(l, in[2]))
                    : int_range_count(l, in[0], in[1], in[2]);
    mval steps = m_mul(l, m_iota(l, wide, count), m_cast(l, in[2], wide));
    elem_out(l, m_add(l, steps, m_cast(l, in[0], wide)), in[0]);
}

/* 0, 1, ... n - 1 along `axis` of two axes. */
static mval iota_along(lowering *l, sib_dtype dtype, dim n, int axis)
{
    return m_unsqueeze(l, m_iota(l, dtype, n), 1 - axis);
}

/* output[i, j] = j == i + k ? 1 : 0 in the dims of the input. ONNX EyeLike-9/22. */
void lower_ONNX_EyeLike(lowering *l, const node *n)
{
    eye_like_spec spec = spec_eye_like(n);
    mval x = l_in(l, 0);
    if (!elem_takes(l, x, "input", ELEM_ALL))
        return;
    sib_dtype dtype = spec.dtype ? spec.dtype : m_dtype(l, x);
    elem_declare(l, dtype);
    if (m_rank(l, x) != 2)
        l_fail(l, SIB_ERR_ARGUMENT, "input has rank %d, expected 2", m_rank(l, x));
    mval row = iota_along(l, SIB_I64, m_dim(l, x, 0), 0), column = iota_along(l, SIB_I64, m_dim(l, x, 1), 1);
    mval offset = m_scalar_int(l, SIB_I64, spec.k);
    l_out(l, 0, m_cast(l, m_equal(l, m_add(l, row, offset), column), dtype));
}

/* ---- Dims as values ----------------------------------------------------------------------------------- */

/* A slice bound of [0, rank], negative ones counted from the end. */
static int clamp_axis(int64_t axis, int rank)
{
    if (axis < 0)
        axis += rank;
    return axis < 0 ? 0 : axis > rank ? rank : (int)axis;
}

/* shape = dims [start, end) of data. ONNX Shape-1/13, 15 (start, end), 19/21/23/24/25. */
void lower_ONNX_Shape(lowering *l, const node *n)
{
    shape_spec spec = spec_shape(n);
    dim dims[SIB_MAX_RANK], unknown = DIM_NONE;
    mval x = l_in(l, 0);
    l_declare(l, 0, SIB_I64, 1, &unknown);
    int rank = m_dims(l, x, dims);
    int start = clamp_axis(spec.start, rank);
    int end = spec.end == SPEC_ABSENT ? rank : clamp_axis(spec.end, rank);
    l_out(l, 0, m_dim_vector(l, end > start ? (size_t)(end - start) : 0, dims + start));
}

/* size = the number of elements of data. ONNX Size-1/13/19/21/23/24/25. */
void lower_ONNX_Size(lowering *l, const node *n)
{
    dim dims[SIB_MAX_RANK] = {DIM_NONE};
    (void)n;
    mval x = l_in(l, 0);
    l_declare(l, 0, SIB_I64, 0, dims);
    int rank = m_dims(l, x, dims);
    l_out(l, 0, m_dim_scalar(l, d_product(l, (size_t)rank, dims)));
}

/* ---- Windows ------------------------------------------------------------------------------------------ */

/* output[i] = a0 - a1 * cos(2 pi i / N) + a2 * cos(4 pi i / N) with N = size if periodic, else size - 1; 1
   where N is 0. */
static void window(lowering *l, const node *n, double a0, double a1, double a2)
{
    window_function_spec spec = spec_window_function(n);
    const double two_pi = 6.28318530717958647693;
    mval size = l_in(l, 0);
    if (!elem_takes(l, size, "size", ELEM(SIB_I32) | ELEM(SIB_I64)))
        return;
    sib_dtype dtype = spec.output_datatype;
    dim count = DIM_NONE;
    l_declare(l, 0, dtype, 1, &count);
    count = elem_count(l, size, "size");
    bool periodic = spec.periodic;
    mval length = m_cast(l, m_dim_scalar(l, count), SIB_F64);
    if (!periodic)
        length = m_add_number(l, length, -1);
    mval angle = m_div(l, m_mul_number(l, m_iota(l, SIB_F64, count), two_pi), length);
    mval y = m_sub(l, elem_number(l, a0), m_mul_number(l, m_cos(l, angle), a1));
    if (a2 != 0)
        y = m_add(l, y, m_mul_number(l, m_cos(l, m_mul_number(l, angle, 2)), a2));
    if (!periodic)
        y = m_where(l, m_equal(l, length, elem_number(l, 0)), elem_number(l, 1), y);
    l_out(l, 0, m_cast(l, y, dtype));
}

/* output[i] = 1/2 - 1/2 * cos(2 pi i / N). ONNX HannWindow-17. */
void lower_ONNX_HannWindow(lowering *l, const node *n)
{
    window(l, n, 0.5, 0.5, 0);
}

/* output[i] = 25/46 - 21/46 * cos(2 pi i / N). ONNX HammingWindow-17. */
void lower_ONNX_HammingWindow(lowering *l, const node *n)
{
    window(l, n, 25.0 / 46, 21.0 / 46, 0);
}

/* output[i] = 0.42 - 0.5 * cos(2 pi i / N) + 0.08 * cos(4 pi i / N). ONNX BlackmanWindow-17. */
void lower_ONNX_BlackmanWindow(lowering *l, const node *n)
{
    window(l, n, 0.42, 0.5, 0.08);
}

/* ---- Mel scale ---------------------------------------------------------------------------------------- */

/* 2595 * log10(1 + hertz / 700) of a float64 scalar. */
static mval mel_of(lowering *l, mval hertz)
{
    mval ratio = m_add_number(l, m_div(l, hertz, elem_number(l, 700)), 1);
    return m_mul_number(l, m_div(l, m_log(l, ratio), elem_number(l, 2.30258509299404568402)), 2595);
}

/* floor((dft_length + 1) * hertz / sample_rate) of the band edges, equally spaced in mel: [n_mels + 2]. */
static mval mel_edges(lowering *l, dim n_mels, mval dft_length, mval sample_rate, mval low, mval high)
{
    dim count = d_add(l, n_mels, d_const(l, 2));
    low = mel_of(l, low);
    high = mel_of(l, high);
    mval step = m_div(l, m_sub(l, high, low), m_cast(l, m_dim_scalar(l, count), SIB_F64));
    mval mel = m_add(l, m_mul(l, m_iota(l, SIB_F64, count), step), low);
    mval power = m_pow(l, elem_number(l, 10), m_div(l, mel, elem_number(l, 2595)));
    mval hertz = m_mul_number(l, m_add_number(l, power, -1), 700);
    return m_floor(l, m_div(l, m_mul(l, hertz, m_add_number(l, dft_length, 1)), sample_rate));
}

/* output[:, i]: a triangle over the bins, 0 at edge i, 1 at edge i + 1, 0 at edge i + 2. ONNX
   MelWeightMatrix-17. */
void lower_ONNX_MelWeightMatrix(lowering *l, const node *n)
{
    static const char *const names[] = {"num_mel_bins", "dft_length", "sample_rate", "lower_edge_hertz",
                                        "upper_edge_hertz"};
    mval in[5], wide[5];
    sib_dtype dtype = spec_window_function(n).output_datatype;
    for (size_t i = 0; i < 5; i++) {
        in[i] = l_in(l, i);
        if (!elem_takes(l, in[i], names[i], i < 3 ? ELEM(SIB_I32) | ELEM(SIB_I64) : ELEM_FLOATS))
            return;
    }
    l_declare(l, 0, dtype, 2, (dim[]){DIM_NONE, DIM_NONE});
    for (size_t i = 0; i < 5; i++) {
        in[i] = elem_scalar(l, in[i], names[i]);
        wide[i] = elem_wide(l, in[i]);
    }
    dim n_mels = elem_count(l, in[0], names[0]), length = elem_count(l, in[1], names[1]);
    dim bins = d_add(l, d_floor_div(l, length, d_const(l, 2)), d_const(l, 1)), zero = d_const(l, 0);
    mval edges = mel_edges(l, n_mels, wide[1], wide[2], wide[3], wide[4]);
    mval left = m_slice(l, edges, 0, zero, n_mels, 1);
    mval centre = m_slice(l, edges, 0, d_const(l, 1), n_mels, 1);
    mval right = m_slice(l, edges, 0, d_const(l, 2), n_mels, 1);
    mval bin = iota_along(l, SIB_F64, bins, 0);
    /* a side of width 0 is never selected but at its top */
    mval rise = m_div(l, m_sub(l, bin, left), m_sub(l, centre, left));
    mval fall = m_div(l, m_sub(l, right, bin), m_sub(l, right, centre));
    mval rising = m_and(l, m_less_equal(l, left, bin), m_less(l, bin, centre));
    mval falling = m_and(l, m_less(l, centre, bin), m_less(l, bin, right));
    mval y = m_where(l, rising, rise, m_where(l, falling, fall, elem_number(l, 0)));
    y = m_where(l, m_equal(l, bin, centre), elem_number(l, 1), y);
    l_out(l, 0, m_cast(l, y, dtype));
}
