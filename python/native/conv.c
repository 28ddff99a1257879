/* conv1d. */
#include "ext.h"

static PyObject *conv1d_out_length(PyObject *module, PyObject *args)
{
    (void)module;
    long long length, kernel, stride, padding, dilation;
    if (!PyArg_ParseTuple(args, "LLLLL:conv1d_out_length", &length, &kernel, &stride, &padding, &dilation))
        return NULL;
    sib_conv1d_spec spec = {.batch = 1,
                            .in_channels = 1,
                            .in_length = length,
                            .out_channels = 1,
                            .kernel = kernel,
                            .stride = stride,
                            .padding = padding,
                            .dilation = dilation,
                            .groups = 1};
    int64_t out;
    sib_error err = SIB_ERROR_INIT;
    if (sib_conv1d_out_length(&spec, &out, &err) != SIB_OK)
        return error_raise(&err, NULL);
    return PyLong_FromLongLong(out);
}

/* x (B, Ci, L), w (Co, Ci / groups, k), bias (Co) or closed, y (B, Co, out_length). */
typedef struct conv_arrays {
    ext_array x, w, bias, y;
} conv_arrays;

/* Fills the sizes of spec from the arrays, which must fit each other. */
static bool conv_shapes(const conv_arrays *a, sib_conv1d_spec *spec)
{
    sib_error err = SIB_ERROR_INIT;
    int64_t out_length;
    if (a->x.rank != 3 || a->w.rank != 3 || a->y.rank != 3) {
        PyErr_SetString(PyExc_ValueError, "x, w and y must have 3 dimensions");
        return false;
    }
    spec->batch = a->x.shape[0];
    spec->in_channels = a->x.shape[1];
    spec->in_length = a->x.shape[2];
    spec->out_channels = a->w.shape[0];
    spec->kernel = a->w.shape[2];
    if (sib_conv1d_out_length(spec, &out_length, &err) != SIB_OK) {
        error_raise(&err, NULL);
        return false;
    }
    if (a->w.shape[1] != spec->in_channels / spec->groups) {
        PyErr_Format(PyExc_ValueError,
                     "w has %lld input channels, expected %lld (x has %lld, groups is %lld)",
                     (long long)a->w.shape[1], (long long)(spec->in_channels / spec->groups),
                     (long long)spec->in_channels, (long long)spec->groups);
        return false;
    }
    if (a->bias.data && (a->bias.rank != 1 || a->bias.shape[0] != spec->out_channels)) {
        PyErr_Format(PyExc_ValueError, "bias must have the shape (%lld,)", (long long)spec->out_channels);
        return false;
    }
    if (a->y.shape[0] != spec->batch || a->y.shape[1] != spec->out_channels || a->y.shape[2] != out_length) {
        PyErr_Format(PyExc_ValueError, "y must have the shape (%lld, %lld, %lld)", (long long)spec->batch,
                     (long long)spec->out_channels, (long long)out_length);
        return false;
    }
    return true;
}

static PyObject *conv_compute(sib_pool *pool, const conv_arrays *a, const sib_conv1d_spec *spec)
{
    sib_error err = SIB_ERROR_INIT;
    sib_code code;
    Py_BEGIN_ALLOW_THREADS code =
        sib_conv1d(spec, a->x.dtype, pool, a->x.data, a->w.data, a->bias.data, a->y.data, &err);
    Py_END_ALLOW_THREADS if (code != SIB_OK) return error_raise(&err, NULL);
    Py_RETURN_NONE;
}

static PyObject *conv1d(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *pool_object, *x, *w, *bias, *y, *result = NULL;
    long long stride, padding, dilation, groups;
    int gelu;
    if (!PyArg_ParseTuple(args, "OOOOOLLLLp:conv1d", &pool_object, &x, &w, &bias, &y, &stride, &padding,
                          &dilation, &groups, &gelu))
        return NULL;
    bool ok;
    sib_pool *pool = pool_of(pool_object, &ok);
    if (!ok)
        return NULL;
    sib_conv1d_spec spec = {
        .stride = stride, .padding = padding, .dilation = dilation, .groups = groups, .gelu = gelu};
    conv_arrays a = {0};
    if (array_open(x, "x", false, &a.x) && array_open_as(w, "w", false, a.x.dtype, &a.w) &&
        (bias == Py_None || array_open_as(bias, "bias", false, a.x.dtype, &a.bias)) &&
        array_open_as(y, "y", true, a.x.dtype, &a.y) && conv_shapes(&a, &spec))
        result = conv_compute(pool, &a, &spec);
    array_close(&a.y);
    array_close(&a.bias);
    array_close(&a.w);
    array_close(&a.x);
    return result;
}

PyMethodDef CONV_METHODS[] = {
    {"conv1d_out_length", conv1d_out_length, METH_VARARGS,
     "conv1d_out_length(length, kernel, stride, padding, dilation) -> int"},
    {"conv1d", conv1d, METH_VARARGS, "conv1d(pool, x, w, bias, y, stride, padding, dilation, groups, gelu)"},
    {NULL, NULL, 0, NULL},
};
