/* Whisper's features in fixed point. */
#include "ext.h"

static PyObject *fixed_shape(PyObject *module, PyObject *args)
{
    (void)module;
    int n_mels;
    unsigned long long n_samples;
    if (!PyArg_ParseTuple(args, "iK:fixed_shape", &n_mels, &n_samples))
        return NULL;
    uint64_t frames;
    sib_error err = SIB_ERROR_INIT;
    if (sib_fixed_shape(n_mels, n_samples, &frames, &err) != SIB_OK)
        return error_raise(&err, NULL);
    return PyLong_FromUnsignedLongLong(frames);
}

/* Where one call of fixed_compute reads and writes. */
typedef struct fixed_call {
    int n_mels, clamp;
    size_t padding, frames;
    sib_pool *pool;
    ext_array samples, features;
} fixed_call;

static bool open_arrays(PyObject *samples, PyObject *features, fixed_call *c)
{
    if (!array_open_as(samples, "samples", false, SIB_I16, &c->samples) ||
        !array_open(features, "features", true, &c->features))
        return false;
    uint64_t frames = 0;
    sib_error err = SIB_ERROR_INIT;
    if (sib_fixed_shape(c->n_mels, c->samples.count + c->padding, &frames, &err) != SIB_OK) {
        error_raise(&err, NULL);
        return false;
    }
    c->frames = (size_t)frames;
    const bool fits = c->features.rank == 2 && c->features.shape[0] == c->n_mels &&
                      (uint64_t)c->features.shape[1] == frames &&
                      (c->features.dtype == SIB_I16 || c->features.dtype == SIB_I8);
    if (!fits)
        PyErr_SetString(PyExc_ValueError, "features is not int16 or int8 of (n_mels, frames)");
    return fits;
}

static PyObject *fixed_compute(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *pool, *samples, *features;
    Py_ssize_t padding;
    fixed_call c = {0};
    if (!PyArg_ParseTuple(args, "iiOOnO:fixed_compute", &c.n_mels, &c.clamp, &pool, &samples, &padding,
                          &features))
        return NULL;
    bool ok;
    c.pool = pool_of(pool, &ok);
    c.padding = (size_t)padding;
    sib_error err = SIB_ERROR_INIT;
    sib_code code = SIB_OK;
    ok = ok && open_arrays(samples, features, &c);
    if (ok) {
        const sib_fixed_clamp clamp = (sib_fixed_clamp)c.clamp;
        Py_BEGIN_ALLOW_THREADS code =
            c.features.dtype == SIB_I16
                ? sib_fixed_int16(c.n_mels, clamp, c.pool, c.samples.data, c.samples.count, c.padding,
                                  c.features.data, c.frames, &err)
                : sib_fixed_int8(c.n_mels, clamp, c.pool, c.samples.data, c.samples.count, c.padding,
                                 c.features.data, c.frames, &err);
        Py_END_ALLOW_THREADS
    }
    array_close(&c.features);
    array_close(&c.samples);
    if (!ok)
        return NULL;
    return code == SIB_OK ? Py_NewRef(Py_None) : error_raise(&err, NULL);
}

static PyObject *fixed_smooth(PyObject *module, PyObject *args)
{
    (void)module;
    int mode;
    PyObject *object;
    if (!PyArg_ParseTuple(args, "iO:fixed_smooth", &mode, &object))
        return NULL;
    ext_array f;
    if (!array_open(object, "features", true, &f))
        return NULL;
    const bool fits = f.rank == 2 && (f.dtype == SIB_I16 || f.dtype == SIB_I8);
    sib_error err = SIB_ERROR_INIT;
    sib_code code = SIB_OK;
    if (fits) {
        const size_t rows = (size_t)f.shape[0], columns = (size_t)f.shape[1];
        Py_BEGIN_ALLOW_THREADS code =
            f.dtype == SIB_I16
                ? sib_fixed_smooth_int16((sib_smooth)mode, f.data, rows, columns, columns, &err)
                : sib_fixed_smooth_int8((sib_smooth)mode, f.data, rows, columns, columns, &err);
        Py_END_ALLOW_THREADS
    } else
        PyErr_SetString(PyExc_ValueError, "features is not int16 or int8 of (n_mels, frames)");
    array_close(&f);
    if (!fits)
        return NULL;
    return code == SIB_OK ? Py_NewRef(Py_None) : error_raise(&err, NULL);
}

PyMethodDef FIXED_METHODS[] = {
    {"fixed_shape", fixed_shape, METH_VARARGS, "fixed_shape(n_mels, n_samples) -> frames"},
    {"fixed_compute", fixed_compute, METH_VARARGS,
     "fixed_compute(n_mels, clamp, pool, samples, padding, features)"},
    {"fixed_smooth", fixed_smooth, METH_VARARGS, "fixed_smooth(mode, features), in place"},
    {NULL, NULL, 0, NULL},
};
