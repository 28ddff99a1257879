/* Streams of features: samples in as they come, frames out as they are done. */
#include "ext.h"

#include <math.h>
#include <stdlib.h>

typedef struct ext_stream {
    sib_mel_stream *stream;
    PyObject *mel;         /* handle of the tables, which the stream borrows */
    int32_t n_mels, bands; /* bands: of finished frames */
    bool busy;             /* a thread is inside; read and written under the interpreter's lock */
} ext_stream;

static void stream_release(PyObject *handle)
{
    ext_stream *s = PyCapsule_GetPointer(handle, HANDLE_STREAM);
    sib_mel_stream_free(&s->stream);
    Py_DECREF(s->mel);
    PyMem_Free(s);
}

static PyObject *stream_create(PyObject *module, PyObject *mel_handle)
{
    (void)module;
    const sib_mel *mel = mel_of(mel_handle);
    ext_stream *s = mel ? PyMem_Calloc(1, sizeof *s) : NULL;
    if (!s)
        return mel ? PyErr_NoMemory() : NULL;
    sib_error err = SIB_ERROR_INIT;
    if (sib_mel_stream_create(mel, &s->stream, &err) != SIB_OK) {
        PyMem_Free(s);
        return error_raise(&err, NULL);
    }
    s->mel = Py_NewRef(mel_handle);
    s->n_mels = s->bands = sib_mel_get_spec(mel)->n_mels;
    if (sib_mel_get_spec(mel)->smooth == SIB_SMOOTH_VALID)
        s->bands -= 2;
    PyObject *handle = PyCapsule_New(s, HANDLE_STREAM, stream_release);
    if (!handle) {
        sib_mel_stream_free(&s->stream);
        Py_DECREF(s->mel);
        PyMem_Free(s);
    }
    return handle;
}

/* The stream, entered by this thread alone until stream_leave, or NULL with an exception set. */
static ext_stream *stream_enter(PyObject *handle)
{
    ext_stream *s = PyCapsule_GetPointer(handle, HANDLE_STREAM);
    if (!s)
        return NULL;
    if (s->busy) {
        PyErr_SetString(PyExc_RuntimeError, "another thread is using this stream");
        return NULL;
    }
    s->busy = true;
    return s;
}

static PyObject *stream_push(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *handle, *samples_object, *result = NULL;
    Py_ssize_t start;
    if (!PyArg_ParseTuple(args, "OOn:stream_push", &handle, &samples_object, &start))
        return NULL;
    ext_array samples;
    if (!array_open_as(samples_object, "samples", false, SIB_F32, &samples))
        return NULL;
    ext_stream *s = NULL;
    if (samples.rank != 1 || start < 0 || (size_t)start > samples.count)
        PyErr_SetString(PyExc_ValueError, "samples must be (n), and start an index into them");
    else
        s = stream_enter(handle);
    if (s) {
        size_t taken = 0;
        sib_error err = SIB_ERROR_INIT;
        sib_code code;
        Py_BEGIN_ALLOW_THREADS code = sib_mel_stream_push(s->stream, (const float *)samples.data + start,
                                                          samples.count - (size_t)start, &taken, &err);
        Py_END_ALLOW_THREADS s->busy = false;
        result = code == SIB_OK ? PyLong_FromSize_t(taken) : error_raise(&err, NULL);
    }
    array_close(&samples);
    return result;
}

static PyObject *stream_end(PyObject *module, PyObject *handle)
{
    (void)module;
    ext_stream *s = stream_enter(handle);
    if (!s)
        return NULL;
    sib_error err = SIB_ERROR_INIT;
    sib_code code;
    Py_BEGIN_ALLOW_THREADS code = sib_mel_stream_end(s->stream, &err);
    Py_END_ALLOW_THREADS s->busy = false;
    if (code != SIB_OK)
        return error_raise(&err, NULL);
    Py_RETURN_NONE;
}

static PyObject *stream_pull(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *handle, *frames_object, *maximum, *result = NULL;
    if (!PyArg_ParseTuple(args, "OOO:stream_pull", &handle, &frames_object, &maximum))
        return NULL;
    const bool finished = maximum != Py_None;
    const float limit = finished ? (float)PyFloat_AsDouble(maximum) : 0;
    ext_array frames;
    if (PyErr_Occurred() || !array_open_as(frames_object, "frames", true, SIB_F32, &frames))
        return NULL;
    ext_stream *s = stream_enter(handle);
    const int32_t rows = s ? finished ? s->bands : s->n_mels : 0;
    if (s && (frames.rank != 2 || frames.shape[0] != rows)) {
        PyErr_Format(PyExc_ValueError, "frames must be (%d, n)", (int)rows);
        s->busy = false;
    } else if (s) {
        size_t room = (size_t)frames.shape[1], got = 0;
        sib_error err = SIB_ERROR_INIT;
        sib_code code;
        Py_BEGIN_ALLOW_THREADS code =
            finished ? sib_mel_stream_pull_finished(s->stream, limit, frames.data, room, room, &got, &err)
                     : sib_mel_stream_pull(s->stream, frames.data, room, room, &got, &err);
        Py_END_ALLOW_THREADS s->busy = false;
        result = code == SIB_OK ? PyLong_FromSize_t(got) : error_raise(&err, NULL);
    }
    array_close(&frames);
    return result;
}

static PyObject *stream_maximum(PyObject *module, PyObject *handle)
{
    (void)module;
    ext_stream *s = stream_enter(handle);
    if (!s)
        return NULL;
    double maximum = (double)sib_mel_stream_maximum(s->stream);
    s->busy = false;
    return PyFloat_FromDouble(maximum);
}

PyMethodDef STREAM_METHODS[] = {
    {"stream_create", stream_create, METH_O, "stream_create(mel) -> stream"},
    {"stream_push", stream_push, METH_VARARGS, "stream_push(stream, samples, start) -> samples taken"},
    {"stream_end", stream_end, METH_O, "stream_end(stream)"},
    {"stream_pull", stream_pull, METH_VARARGS,
     "stream_pull(stream, frames, maximum for finished ones or None) -> frames filled"},
    {"stream_maximum", stream_maximum, METH_O, "stream_maximum(stream) -> float"},
    {NULL, NULL, 0, NULL},
};
