/* Decoding, level and chunks. Decoded samples stay where the library put them; an object that owns them lends them out as a
   buffer. */
#include "ext.h"

#include <string.h>

typedef struct samples {
    PyObject_HEAD float *data; /* (n) owned */
    size_t n;
} samples;

static void samples_dealloc(PyObject *self)
{
    sib_free(((samples *)self)->data);
    object_free(self);
}

static int samples_getbuffer(PyObject *self, Py_buffer *view, int flags)
{
    const samples *s = (const samples *)self;
    return PyBuffer_FillInfo(view, self, s->data, (Py_ssize_t)(s->n * sizeof(float)), 0, flags);
}

PyObject *samples_type(PyObject *module)
{
    static PyType_Slot slots[] = {
        {Py_tp_dealloc, samples_dealloc},
        {Py_bf_getbuffer, samples_getbuffer},
        {0, NULL},
    };
    static PyType_Spec spec = {.name = "sibyl._sibyl.Samples",
                               .basicsize = sizeof(samples),
                               .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                               .slots = slots};
    return PyType_FromModuleAndSpec(module, &spec, NULL);
}

static PyObject *audio_load(PyObject *module, PyObject *args)
{
    const char *path;
    int sample_rate, keep_float, allow_truncated;
    double max_seconds;
    if (!PyArg_ParseTuple(args, "yippd:audio_load", &path, &sample_rate, &keep_float, &allow_truncated,
                          &max_seconds))
        return NULL;
    const module_state *state = PyModule_GetState(module);
    samples *result = (samples *)object_new(state->samples_type);
    if (!result)
        return NULL;
    sib_audio_options options = {.sample_rate = sample_rate,
                                 .keep_float = keep_float,
                                 .allow_truncated = allow_truncated,
                                 .max_seconds = max_seconds};
    sib_error err = SIB_ERROR_INIT;
    sib_code code;
    Py_BEGIN_ALLOW_THREADS code = sib_audio_load(path, &options, &result->data, &result->n, NULL, &err);
    Py_END_ALLOW_THREADS if (code == SIB_OK) return (PyObject *)result;
    Py_DECREF(result);
    return error_raise(&err, NULL);
}

/* ---- Level and chunks ------------------------------------------------------------------------------ */

static PyObject *audio_inspect(PyObject *module, PyObject *samples_object)
{
    (void)module;
    ext_array given;
    if (!array_open_as(samples_object, "samples", false, SIB_F32, &given))
        return NULL;
    sib_audio_report r;
    Py_BEGIN_ALLOW_THREADS sib_audio_inspect(given.data, given.count, &r);
    Py_END_ALLOW_THREADS array_close(&given);
    return Py_BuildValue("(KdddKKNKKNNN)", (unsigned long long)r.n_samples, r.peak, r.rms, r.dc_offset,
                         (unsigned long long)r.n_nan, (unsigned long long)r.n_infinite,
                         index_or_none(r.first_bad), (unsigned long long)r.n_clipped,
                         (unsigned long long)r.longest_silence, PyBool_FromLong(r.silent),
                         PyBool_FromLong(r.clipped), PyBool_FromLong(r.dc));
}

static PyObject *audio_normalize(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *samples_object;
    int level;
    double target;
    if (!PyArg_ParseTuple(args, "Oid:audio_normalize", &samples_object, &level, &target))
        return NULL;
    ext_array given;
    if (!array_open_as(samples_object, "samples", true, SIB_F32, &given))
        return NULL;
    sib_error err = SIB_ERROR_INIT;
    sib_code code;
    Py_BEGIN_ALLOW_THREADS code =
        sib_audio_normalize(given.data, given.count, (sib_level)level, target, &err);
    Py_END_ALLOW_THREADS array_close(&given);
    return code == SIB_OK ? Py_NewRef(Py_None) : error_raise(&err, NULL);
}

static PyObject *chunks_make(PyObject *module, PyObject *args)
{
    (void)module;
    Py_ssize_t n_samples;
    int sample_rate;
    double seconds, overlap;
    if (!PyArg_ParseTuple(args, "nidd:chunks_make", &n_samples, &sample_rate, &seconds, &overlap))
        return NULL;
    sib_chunks chunks;
    sib_error err = SIB_ERROR_INIT;
    if (sib_chunks_make((size_t)n_samples, sample_rate, seconds, overlap, &chunks, &err) != SIB_OK)
        return error_raise(&err, NULL);
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < chunks.count; i++) {
        size_t start, length;
        sib_chunks_at(&chunks, i, &start, &length);
        list_take(&list, Py_BuildValue("(nn)", (Py_ssize_t)start, (Py_ssize_t)length));
    }
    return list;
}

PyMethodDef AUDIO_METHODS[] = {
    {"audio_inspect", audio_inspect, METH_O, "audio_inspect(samples) -> tuple"},
    {"audio_normalize", audio_normalize, METH_VARARGS, "audio_normalize(samples, level, target), in place"},
    {"chunks_make", chunks_make, METH_VARARGS,
     "chunks_make(n_samples, sample_rate, seconds, overlap) -> list of (start, length)"},
    {"audio_load", audio_load, METH_VARARGS,
     "audio_load(path, sample_rate, keep_float, allow_truncated, max_seconds) -> Samples"},
    {NULL, NULL, 0, NULL},
};
