/* Speech to text while somebody speaks: samples in piece by piece, events out. */
#include "ext.h"

#include <string.h>

typedef struct ext_live {
    sib_live *live;
    PyObject *job, *voice; /* handles, which the stream borrows */
    job_inputs inputs;
    PyObject *events; /* a list, of the call that goes on */
    bool busy;        /* a thread is inside; read and written under the interpreter's lock */
} ext_live;

static void live_destroy(ext_live *l)
{
    sib_live_free(&l->live);
    job_inputs_free(&l->inputs);
    Py_XDECREF(l->job);
    Py_XDECREF(l->voice);
    PyMem_Free(l);
}

static void live_release(PyObject *handle)
{
    live_destroy(PyCapsule_GetPointer(handle, HANDLE_LIVE));
}

/* (kind, segment, start, end, text, the beginning of it that stays, language, segments). */
static PyObject *event_of(const sib_live_event *e)
{
    PyObject *segments = PyList_New(0);
    for (size_t i = 0; segments && i < e->n_segments; i++)
        list_take(&segments, port_segment(&e->segments[i]));
    PyObject *text = segments ? port_text(e->text, strlen(e->text)) : NULL;
    PyObject *stable = text ? port_text(e->text, e->n_stable) : NULL;
    if (!stable) {
        Py_XDECREF(segments);
        Py_XDECREF(text);
        return NULL;
    }
    return Py_BuildValue("(iKddNNsN)", (int)e->kind, (unsigned long long)e->segment, e->start, e->end, text,
                         stable, e->language, segments);
}

static sib_code on_event(void *context, const sib_live_event *event, sib_error *err)
{
    ext_live *l = context;
    PyGILState_STATE lock = PyGILState_Ensure();
    PyObject *e = event_of(event);
    sib_code code = e && PyList_Append(l->events, e) == 0 ? SIB_OK : error_take(err);
    Py_XDECREF(e);
    PyGILState_Release(lock);
    return code;
}

static PyObject *live_create(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *job, *inputs, *voice;
    sib_live_options o = {.on_event = on_event};
    int manual;
    if (!PyArg_ParseTuple(args, "OO!iiOdddddd:live_create", &job, &PyList_Type, &inputs, &o.sample_rate,
                          &manual, &voice, &o.threshold, &o.silence_seconds, &o.padding_seconds,
                          &o.max_seconds, &o.partial_seconds, &o.begin))
        return NULL;
    const sib_job *j = job_of(job);
    if (!j || (voice != Py_None && !(o.voice = job_of(voice))))
        return NULL;
    ext_live *l = PyMem_Calloc(1, sizeof *l);
    if (!l)
        return PyErr_NoMemory();
    l->job = Py_NewRef(job);
    l->voice = Py_NewRef(voice);
    if (!job_inputs_take(inputs, &l->inputs)) {
        live_destroy(l);
        return NULL;
    }
    o.manual = manual;
    o.inputs = l->inputs.values;
    o.n_inputs = l->inputs.n;
    o.context = l;
    sib_error err = SIB_ERROR_INIT;
    if (sib_live_create(j, &o, &l->live, &err) != SIB_OK) {
        live_destroy(l);
        return error_raise(&err, NULL);
    }
    PyObject *handle = PyCapsule_New(l, HANDLE_LIVE, live_release);
    if (!handle)
        live_destroy(l);
    return handle;
}

/* The stream, entered by this thread alone until live_leave, or NULL with an exception set. */
static ext_live *live_enter(PyObject *handle)
{
    ext_live *l = PyCapsule_GetPointer(handle, HANDLE_LIVE);
    if (!l || !job_of(l->job) || (l->voice != Py_None && !job_of(l->voice)))
        return NULL;
    if (l->busy) {
        PyErr_SetString(PyExc_RuntimeError, "another thread is using this stream");
        return NULL;
    }
    l->events = PyList_New(0);
    l->busy = l->events;
    return l->events ? l : NULL;
}

/* The events of the call, or NULL with the exception that its error is. */
static PyObject *live_leave(ext_live *l, sib_code code, const sib_error *err)
{
    PyObject *events = l->events;
    l->events = NULL;
    l->busy = false;
    if (code == SIB_OK)
        return events;
    Py_DECREF(events);
    return error_raise(err, NULL);
}

static PyObject *live_push(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *handle, *object, *result = NULL;
    if (!PyArg_ParseTuple(args, "OO:live_push", &handle, &object))
        return NULL;
    ext_array samples;
    if (!array_open_as(object, "samples", false, SIB_F32, &samples))
        return NULL;
    ext_live *l = NULL;
    if (samples.rank != 1)
        PyErr_SetString(PyExc_ValueError, "samples must be (n)");
    else
        l = live_enter(handle);
    if (l) {
        sib_error err = SIB_ERROR_INIT;
        sib_code code;
        Py_BEGIN_ALLOW_THREADS code = sib_live_push(l->live, samples.data, samples.count, &err);
        Py_END_ALLOW_THREADS result = live_leave(l, code, &err);
    }
    array_close(&samples);
    return result;
}

/* A call of the library that takes nothing but the stream. */
static PyObject *live_call(PyObject *handle, sib_code (*call)(sib_live *, sib_error *))
{
    ext_live *l = live_enter(handle);
    if (!l)
        return NULL;
    sib_error err = SIB_ERROR_INIT;
    sib_code code;
    Py_BEGIN_ALLOW_THREADS code = call(l->live, &err);
    Py_END_ALLOW_THREADS return live_leave(l, code, &err);
}

static PyObject *live_refresh(PyObject *module, PyObject *handle)
{
    (void)module;
    return live_call(handle, sib_live_refresh);
}

static PyObject *live_commit(PyObject *module, PyObject *handle)
{
    (void)module;
    return live_call(handle, sib_live_commit);
}

static PyObject *live_finish(PyObject *module, PyObject *handle)
{
    (void)module;
    return live_call(handle, sib_live_finish);
}

static sib_code forget(sib_live *live, sib_error *err)
{
    (void)err;
    sib_live_clear(live);
    return SIB_OK;
}

static PyObject *live_clear(PyObject *module, PyObject *handle)
{
    (void)module;
    return live_call(handle, forget);
}

static PyObject *live_pending(PyObject *module, PyObject *handle)
{
    (void)module;
    ext_live *l = live_enter(handle);
    if (!l)
        return NULL;
    const double seconds = sib_live_pending(l->live);
    Py_DECREF(live_leave(l, SIB_OK, NULL));
    return PyFloat_FromDouble(seconds);
}

PyMethodDef LIVE_METHODS[] = {
    {"live_create", live_create, METH_VARARGS,
     "live_create(job, inputs, sample_rate, manual, voice or None, threshold, silence, padding, max_seconds, "
     "partial, begin) -> stream"},
    {"live_push", live_push, METH_VARARGS, "live_push(stream, samples) -> events"},
    {"live_refresh", live_refresh, METH_O, "live_refresh(stream) -> events"},
    {"live_commit", live_commit, METH_O, "live_commit(stream) -> events"},
    {"live_finish", live_finish, METH_O, "live_finish(stream) -> events"},
    {"live_clear", live_clear, METH_O, "live_clear(stream) -> events"},
    {"live_pending", live_pending, METH_O, "live_pending(stream) -> seconds"},
    {NULL, NULL, 0, NULL},
};
