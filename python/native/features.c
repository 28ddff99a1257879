/* Tables and features of whole recordings, smoothing and pictures. */
#include "ext.h"

#include <math.h>
#include <stdio.h>

sib_mel *mel_of(PyObject *handle)
{
    return PyCapsule_GetPointer(handle, HANDLE_MEL);
}

static void mel_release(PyObject *handle)
{
    sib_mel *mel = PyCapsule_GetPointer(handle, HANDLE_MEL);
    sib_mel_free(&mel);
}

static PyObject *mel_create(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *dict;
    sib_mel_options options = {0};
    int precise;
    if (!PyArg_ParseTuple(args, "Op:mel_create", &dict, &precise))
        return NULL;
    options.precise = precise;
    sib_mel_spec spec;
    if (!spec_from_dict(dict, &spec))
        return NULL;
    sib_mel *mel = NULL;
    sib_error err = SIB_ERROR_INIT;
    sib_code code;
    Py_BEGIN_ALLOW_THREADS code = sib_mel_create(&spec, &options, &mel, &err);
    Py_END_ALLOW_THREADS if (code != SIB_OK) return error_raise(&err, NULL);
    PyObject *handle = PyCapsule_New(mel, HANDLE_MEL, mel_release);
    if (!handle)
        sib_mel_free(&mel);
    return handle;
}

static PyObject *mel_shape(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *handle;
    unsigned long long n_samples;
    if (!PyArg_ParseTuple(args, "OK:mel_shape", &handle, &n_samples))
        return NULL;
    const sib_mel *mel = mel_of(handle);
    if (!mel)
        return NULL;
    uint64_t bands, frames;
    sib_error err = SIB_ERROR_INIT;
    if (sib_mel_shape(mel, n_samples, &bands, &frames, &err) != SIB_OK)
        return error_raise(&err, NULL);
    return Py_BuildValue("KK", (unsigned long long)bands, (unsigned long long)frames);
}

static PyObject *mel_weights(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *handle, *weights_object;
    if (!PyArg_ParseTuple(args, "OO:mel_weights", &handle, &weights_object))
        return NULL;
    const sib_mel *mel = mel_of(handle);
    ext_array weights;
    if (!mel || !array_open_as(weights_object, "weights", true, SIB_F64, &weights))
        return NULL;
    const sib_mel_spec *spec = sib_mel_get_spec(mel);
    bool fits = weights.count == (size_t)spec->n_mels * (size_t)(spec->n_fft / 2 + 1);
    if (fits)
        sib_mel_weights(mel, weights.data);
    array_close(&weights);
    if (fits)
        Py_RETURN_NONE;
    PyErr_SetString(PyExc_ValueError, "weights is not (n_mels, n_fft / 2 + 1)");
    return NULL;
}

/* The recordings of one call: samples (rows, length), features (rows, bands, frames). */
typedef struct batch {
    size_t rows, length, padding;
    uint64_t bands, frames;
    const float *samples;
    float *features;
} batch;

/* Fills b from the two arrays, whose shapes must fit each other. */
static bool batch_make(const sib_mel *mel, const ext_array *samples, const ext_array *features,
                       size_t padding, batch *b)
{
    sib_error err = SIB_ERROR_INIT;
    if (samples->rank == 0 || features->rank != samples->rank + 1) {
        PyErr_SetString(PyExc_ValueError, "samples must be (..., n) and features (..., bands, frames)");
        return false;
    }
    *b = (batch){.rows = 1,
                 .length = (size_t)samples->shape[samples->rank - 1],
                 .padding = padding,
                 .samples = samples->data,
                 .features = features->data};
    if (b->length > SIZE_MAX - padding) {
        PyErr_SetString(PyExc_ValueError, "padding is too large");
        return false;
    }
    if (sib_mel_shape(mel, b->length + padding, &b->bands, &b->frames, &err) != SIB_OK) {
        error_raise(&err, NULL);
        return false;
    }
    bool fits = (uint64_t)features->shape[features->rank - 2] == b->bands &&
                (uint64_t)features->shape[features->rank - 1] == b->frames;
    for (size_t i = 0; i + 1 < samples->rank; i++) {
        b->rows *= (size_t)samples->shape[i];
        fits = fits && features->shape[i] == samples->shape[i];
    }
    if (!fits)
        PyErr_SetString(PyExc_ValueError, "the shape of features does not fit that of samples");
    return fits;
}

/* Clamps the recordings, each clamped to its own maximum, to the maximum of them all. */
static void batch_clamp(const sib_mel *mel, const batch *b)
{
    size_t size = b->bands * b->frames;
    float maximum = -INFINITY;
    for (size_t i = 0; i < b->rows * size; i++)
        maximum = b->features[i] > maximum ? b->features[i] : maximum;
    for (size_t row = 0; row < b->rows; row++)
        sib_mel_finish(mel, maximum, b->features + row * size, b->frames, b->frames);
}

static PyObject *batch_compute(const sib_mel *mel, sib_pool *pool, const batch *b, bool joint)
{
    sib_error err = SIB_ERROR_INIT;
    sib_code code = SIB_OK;
    size_t row = 0, size = b->bands * b->frames;
    Py_BEGIN_ALLOW_THREADS for (; row < b->rows; row++)
    {
        code = sib_mel_compute(mel, pool, b->samples + row * b->length, b->length, b->padding,
                               b->features + row * size, b->frames, &err);
        if (code != SIB_OK)
            break;
    }
    if (code == SIB_OK && joint && b->rows > 1)
        batch_clamp(mel, b);
    Py_END_ALLOW_THREADS if (code == SIB_OK) Py_RETURN_NONE;
    char prefix[48] = "";
    if (b->rows > 1)
        snprintf(prefix, sizeof prefix, "recording %zu: ", row);
    return error_raise(&err, prefix);
}

static PyObject *mel_compute(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *handle, *pool_object, *samples_object, *features_object;
    Py_ssize_t padding;
    int joint;
    if (!PyArg_ParseTuple(args, "OOOOnp:mel_compute", &handle, &pool_object, &samples_object,
                          &features_object, &padding, &joint))
        return NULL;
    bool ok;
    sib_pool *pool = pool_of(pool_object, &ok);
    const sib_mel *mel = ok ? mel_of(handle) : NULL;
    if (!mel)
        return NULL;
    if (padding < 0)
        return PyErr_Format(PyExc_ValueError, "padding is %zd, expected at least 0", padding);
    PyObject *result = NULL;
    ext_array samples = {0}, features = {0};
    batch b;
    if (array_open_as(samples_object, "samples", false, SIB_F32, &samples) &&
        array_open_as(features_object, "features", true, SIB_F32, &features) &&
        batch_make(mel, &samples, &features, (size_t)padding, &b))
        result = batch_compute(mel, pool, &b, joint);
    array_close(&features);
    array_close(&samples);
    return result;
}

static void mel_device_release(PyObject *handle)
{
    sib_mel_device *device = PyCapsule_GetPointer(handle, HANDLE_MEL_DEVICE);
    Py_BEGIN_ALLOW_THREADS sib_mel_device_free(&device);
    Py_END_ALLOW_THREADS
}

static PyObject *mel_device_create(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *mel_handle;
    const char *name;
    if (!PyArg_ParseTuple(args, "Os:mel_device_create", &mel_handle, &name))
        return NULL;
    const sib_mel *mel = mel_of(mel_handle);
    if (!mel)
        return NULL;
    sib_mel_device *device = NULL;
    sib_error err = SIB_ERROR_INIT;
    sib_code code;
    Py_BEGIN_ALLOW_THREADS code = sib_mel_device_create(mel, name, &device, &err);
    Py_END_ALLOW_THREADS if (code != SIB_OK) return error_raise(&err, NULL);
    PyObject *handle = PyCapsule_New(device, HANDLE_MEL_DEVICE, mel_device_release);
    if (!handle)
        sib_mel_device_free(&device);
    return handle;
}

/* Addresses are the caller's: nothing here knows what is behind them. */
static PyObject *mel_compute_device(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *handle;
    unsigned long long samples, features, stream;
    Py_ssize_t recordings, n_samples, padding;
    int joint;
    if (!PyArg_ParseTuple(args, "OKKnnnpK:mel_compute_device", &handle, &samples, &features, &recordings,
                          &n_samples, &padding, &joint, &stream))
        return NULL;
    sib_mel_device *device = PyCapsule_GetPointer(handle, HANDLE_MEL_DEVICE);
    if (!device)
        return NULL;
    if (recordings < 0 || n_samples < 0 || padding < 0) {
        PyErr_SetString(PyExc_ValueError, "recordings, n_samples and padding must be at least 0");
        return NULL;
    }
    const sib_mel_batch batch = {.samples = samples,
                                 .features = features,
                                 .recordings = (size_t)recordings,
                                 .n_samples = (size_t)n_samples,
                                 .padding = (size_t)padding,
                                 .joint = joint,
                                 .stream = (void *)(uintptr_t)stream};
    sib_error err = SIB_ERROR_INIT;
    sib_code code;
    Py_BEGIN_ALLOW_THREADS code = sib_mel_compute_device(device, &batch, &err);
    Py_END_ALLOW_THREADS if (code == SIB_OK) Py_RETURN_NONE;
    return error_raise(&err, NULL);
}

static PyObject *mel_finish(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *handle, *frames_object;
    float maximum;
    if (!PyArg_ParseTuple(args, "OfO:mel_finish", &handle, &maximum, &frames_object))
        return NULL;
    const sib_mel *mel = mel_of(handle);
    ext_array frames;
    if (!mel || !array_open_as(frames_object, "frames", true, SIB_F32, &frames))
        return NULL;
    bool fits = frames.rank == 2 && frames.shape[0] == sib_mel_get_spec(mel)->n_mels;
    if (fits) {
        size_t n = (size_t)frames.shape[1];
        Py_BEGIN_ALLOW_THREADS sib_mel_finish(mel, maximum, frames.data, n, n);
        Py_END_ALLOW_THREADS
    }
    array_close(&frames);
    if (fits)
        Py_RETURN_NONE;
    PyErr_SetString(PyExc_ValueError, "frames must be (n_mels, n)");
    return NULL;
}

static PyObject *smooth3x3(PyObject *module, PyObject *args)
{
    (void)module;
    int mode;
    PyObject *in_object, *out_object, *result = NULL;
    if (!PyArg_ParseTuple(args, "iOO:smooth3x3", &mode, &in_object, &out_object))
        return NULL;
    ext_array in = {0}, out = {0};
    if (array_open_as(in_object, "features", false, SIB_F32, &in) &&
        array_open_as(out_object, "out", true, SIB_F32, &out)) {
        int64_t cut = mode == SIB_SMOOTH_VALID ? 2 : 0;
        if (in.rank != 2 || out.rank != 2 || out.shape[0] != in.shape[0] - cut ||
            out.shape[1] != in.shape[1] - cut) {
            PyErr_SetString(PyExc_ValueError,
                            "the shape of out does not fit that of features (rows, columns)");
        } else {
            sib_error err = SIB_ERROR_INIT;
            sib_code code;
            Py_BEGIN_ALLOW_THREADS code =
                sib_smooth3x3((sib_smooth)mode, in.data, (size_t)in.shape[0], (size_t)in.shape[1],
                              (size_t)in.shape[1], out.data, (size_t)out.shape[1], &err);
            Py_END_ALLOW_THREADS result = code == SIB_OK ? Py_NewRef(Py_None) : error_raise(&err, NULL);
        }
    }
    array_close(&out);
    array_close(&in);
    return result;
}

static PyObject *mel_write_png(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *handle, *features_object;
    const char *title, *path;
    if (!PyArg_ParseTuple(args, "OOzy:mel_write_png", &handle, &features_object, &title, &path))
        return NULL;
    const sib_mel *mel = mel_of(handle);
    ext_array features;
    if (!mel || !array_open_as(features_object, "features", false, SIB_F32, &features))
        return NULL;
    PyObject *result = NULL;
    if (features.rank == 2) {
        size_t bands = (size_t)features.shape[0], frames = (size_t)features.shape[1];
        sib_error err = SIB_ERROR_INIT;
        sib_code code;
        Py_BEGIN_ALLOW_THREADS code =
            sib_mel_write_png(mel, features.data, bands, frames, frames, title, path, &err);
        Py_END_ALLOW_THREADS result = code == SIB_OK ? Py_NewRef(Py_None) : error_raise(&err, NULL);
    } else {
        PyErr_SetString(PyExc_ValueError, "features must be (bands, frames)");
    }
    array_close(&features);
    return result;
}

PyMethodDef FEATURE_METHODS[] = {
    {"mel_create", mel_create, METH_VARARGS, "mel_create(spec, precise) -> mel"},
    {"mel_shape", mel_shape, METH_VARARGS, "mel_shape(mel, n_samples) -> (bands, frames)"},
    {"mel_weights", mel_weights, METH_VARARGS, "mel_weights(mel, weights)"},
    {"mel_compute", mel_compute, METH_VARARGS, "mel_compute(mel, pool, samples, features, padding, joint)"},
    {"mel_device_create", mel_device_create, METH_VARARGS, "mel_device_create(mel, device) -> mel_device"},
    {"mel_compute_device", mel_compute_device, METH_VARARGS,
     "mel_compute_device(mel_device, samples, features, recordings, n_samples, padding, joint, stream)"},
    {"mel_finish", mel_finish, METH_VARARGS, "mel_finish(mel, maximum, frames)"},
    {"mel_write_png", mel_write_png, METH_VARARGS, "mel_write_png(mel, features, title, path)"},
    {"smooth3x3", smooth3x3, METH_VARARGS, "smooth3x3(mode, features, out)"},
    {NULL, NULL, 0, NULL},
};
