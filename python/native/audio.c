/* Decoding. The samples stay where the library put them; an object that owns them lends them out as a
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

PyMethodDef AUDIO_METHODS[] = {
    {"audio_load", audio_load, METH_VARARGS,
     "audio_load(path, sample_rate, keep_float, allow_truncated, max_seconds) -> Samples"},
    {NULL, NULL, 0, NULL},
};
