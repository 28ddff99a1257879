/* Watches and digests, the timelines of profiles, and logs. */
#include "ext.h"

#include <string.h>

/* ---- Digests --------------------------------------------------------------------------------------------- */

/* (numbers, histogram, rows, columns, cells, not_finite); the last three as bytes. */
static PyObject *digest_give(const sib_digest *d)
{
    return Py_BuildValue("(KKKKKddddKy#IIy#y#)", d->count, d->n_nan, d->n_plus_inf, d->n_minus_inf, d->n_zero,
                         d->min, d->max, d->mean, d->std, d->n_histogram, (const char *)d->histogram,
                         (Py_ssize_t)sizeof d->histogram, d->rows, d->columns, (const char *)d->cells,
                         (Py_ssize_t)sizeof d->cells, (const char *)d->not_finite,
                         (Py_ssize_t)sizeof d->not_finite);
}

static PyObject *digest_of(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *value;
    sib_digest_options o = {0};
    sib_digest d;
    sib_error err = SIB_ERROR_INIT;
    sib_code code;
    int exact;
    if (!PyArg_ParseTuple(args, "Op:digest_of", &value, &exact))
        return NULL;
    const sib_value *v = value_of(value);
    if (!v)
        return NULL;
    o.exact = exact;
    Py_BEGIN_ALLOW_THREADS code = sib_digest_of(v, &o, &d, &err);
    Py_END_ALLOW_THREADS return code == SIB_OK ? digest_give(&d) : error_raise(&err, NULL);
}

/* ---- Watches --------------------------------------------------------------------------------------------- */

#define HANDLE_WATCH "sibyl.watch"

typedef struct ext_watch {
    sib_watch *watch;
    PyObject *module, *on_value, *on_digest, *on_event; /* Py_None: none */
} ext_watch;

static PyObject *text_of(const char *text)
{
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
}

/* The callback's answer: SIB_OK, or its exception. The lock of the interpreter is held. */
static sib_code answer(PyObject *function, PyObject *args, sib_error *err)
{
    PyObject *result = args ? PyObject_CallObject(function, args) : NULL;
    sib_code code = result ? SIB_OK : error_take(err);
    Py_XDECREF(result);
    Py_XDECREF(args);
    return code;
}

/* A tuple of the event and `more`, which is taken over. */
static PyObject *event_args(const sib_tap_event *e, PyObject *more)
{
    return more ? Py_BuildValue("(NNNOKKN)", text_of(e->name), text_of(e->node), text_of(e->op_type),
                                e->milli ? Py_True : Py_False, e->run, e->time_ns, more)
                : NULL;
}

static sib_code on_value(void *context, const sib_tap_event *e, sib_error *err)
{
    const ext_watch *w = context;
    sib_value *copy = NULL;
    sib_code code = sib_value_clone(e->value, &copy, err);
    if (code != SIB_OK)
        return code;
    PyGILState_STATE lock = PyGILState_Ensure();
    code = answer(w->on_value, event_args(e, value_lend(w->module, copy)), err);
    PyGILState_Release(lock);
    return code;
}

static sib_code on_digest(void *context, const sib_tap_event *e, const sib_digest *d, sib_error *err)
{
    const ext_watch *w = context;
    PyGILState_STATE lock = PyGILState_Ensure();
    sib_code code = answer(w->on_digest, event_args(e, digest_give(d)), err);
    PyGILState_Release(lock);
    return code;
}

static PyObject *span_give(const sib_time_span *s)
{
    return Py_BuildValue("(sNNNNKKKKIOdKKK)", sib_span_kind_name(s->kind), text_of(s->name),
                         text_of(s->op_type), text_of(s->backend), text_of(s->kernel), s->run, s->thread,
                         s->begin, s->end, s->depth, Py_None, s->flops, s->bytes_read, s->bytes_written,
                         s->memory);
}

static void on_event(void *context, const sib_time_span *span, bool begins)
{
    const ext_watch *w = context;
    sib_error err = SIB_ERROR_INIT;
    PyGILState_STATE lock = PyGILState_Ensure();
    PyObject *s = span_give(span), *args = s ? PyTuple_Pack(2, s, begins ? Py_True : Py_False) : NULL;
    PyObject *result = args ? PyObject_CallObject(w->on_event, args) : NULL;
    if (!result)
        PyErr_WriteUnraisable(w->on_event);
    Py_XDECREF(result);
    Py_XDECREF(args);
    Py_XDECREF(s);
    (void)err;
    PyGILState_Release(lock);
}

/* Removes it while the interpreter's lock is free: its callbacks in other threads take the lock. */
static void remove_now(ext_watch *w)
{
    sib_watch *watch = w->watch;
    w->watch = NULL;
    Py_BEGIN_ALLOW_THREADS sib_watch_remove(&watch);
    Py_END_ALLOW_THREADS
}

static void watch_release(PyObject *handle)
{
    ext_watch *w = PyCapsule_GetPointer(handle, HANDLE_WATCH);
    remove_now(w);
    Py_XDECREF(w->on_value);
    Py_XDECREF(w->on_digest);
    Py_XDECREF(w->on_event);
    Py_XDECREF(w->module);
    PyMem_Free(w);
}

static PyObject *watch_add(PyObject *module, PyObject *args)
{
    PyObject *session, *names, *functions[3];
    int inside, optimised, exact;
    double share;
    if (!PyArg_ParseTuple(args, "OOpppdOOO:watch_add", &session, &names, &inside, &optimised, &exact, &share,
                          &functions[0], &functions[1], &functions[2]))
        return NULL;
    sib_session *s = session_of(session);
    ext_watch *w = s ? PyMem_Calloc(1, sizeof *w) : NULL;
    if (!w)
        return s ? PyErr_NoMemory() : NULL;
    *w = (ext_watch){NULL, Py_NewRef(module), Py_NewRef(functions[0]), Py_NewRef(functions[1]),
                     Py_NewRef(functions[2])};
    PyObject *handle = PyCapsule_New(w, HANDLE_WATCH, watch_release);
    if (!handle) {
        PyMem_Free(w);
        return NULL;
    }
    sib_watch_options o = {.inside = inside,
                           .optimised = optimised,
                           .exact = exact,
                           .share = share > 0 ? share : 0,
                           .every_run = share == 0,
                           .context = w,
                           .on_value = functions[0] == Py_None ? NULL : on_value,
                           .on_digest = functions[1] == Py_None ? NULL : on_digest,
                           .on_event = functions[2] == Py_None ? NULL : on_event};
    const char **texts = names == Py_None ? NULL : texts_of(names, &o.n_names);
    sib_error err = SIB_ERROR_INIT;
    o.names = texts;
    if (names != Py_None && !texts)
        Py_CLEAR(handle);
    else if (sib_watch_add(s, &o, &w->watch, &err) != SIB_OK) {
        Py_CLEAR(handle);
        error_raise(&err, NULL);
    }
    PyMem_Free(texts);
    return handle;
}

static PyObject *watch_remove(PyObject *module, PyObject *handle)
{
    (void)module;
    ext_watch *w = PyCapsule_GetPointer(handle, HANDLE_WATCH);
    if (!w)
        return NULL;
    remove_now(w);
    Py_RETURN_NONE;
}

static PyObject *watch_skipped(PyObject *module, PyObject *handle)
{
    (void)module;
    const ext_watch *w = PyCapsule_GetPointer(handle, HANDLE_WATCH);
    return w ? PyLong_FromUnsignedLongLong(sib_watch_skipped(w->watch)) : NULL;
}

/* ---- Timelines ------------------------------------------------------------------------------------------- */

static PyObject *profile_spans(PyObject *module, PyObject *handle)
{
    (void)module;
    const sib_profile *p = PyCapsule_GetPointer(handle, HANDLE_PROFILE);
    PyObject *list = p ? PyList_New(0) : NULL;
    sib_time_span s;
    for (size_t i = 0; list && sib_profile_span(p, i, &s); i++) {
        PyObject *item = Py_BuildValue("(NI)", span_give(&s), s.parent);
        if (!item || PyList_Append(list, item) != 0)
            Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

static PyObject *profile_dropped(PyObject *module, PyObject *handle)
{
    (void)module;
    uint64_t dropped = 0;
    const sib_profile *p = PyCapsule_GetPointer(handle, HANDLE_PROFILE);
    if (!p)
        return NULL;
    sib_profile_spans(p, &dropped);
    return PyLong_FromUnsignedLongLong(dropped);
}

static PyObject *profile_limit(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *handle;
    Py_ssize_t n;
    if (!PyArg_ParseTuple(args, "On:profile_limit", &handle, &n))
        return NULL;
    sib_profile *p = PyCapsule_GetPointer(handle, HANDLE_PROFILE);
    if (!p)
        return NULL;
    sib_profile_limit(p, n < 0 ? 0 : (size_t)n);
    Py_RETURN_NONE;
}

static PyObject *profile_begin(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *handle;
    const char *name;
    if (!PyArg_ParseTuple(args, "Os:profile_begin", &handle, &name))
        return NULL;
    sib_profile *p = PyCapsule_GetPointer(handle, HANDLE_PROFILE);
    return p ? PyLong_FromUnsignedLongLong(sib_profile_begin(p, SIB_SPAN_JOB, name)) : NULL;
}

static PyObject *profile_end(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *handle;
    unsigned long long span;
    if (!PyArg_ParseTuple(args, "OK:profile_end", &handle, &span))
        return NULL;
    sib_profile *p = PyCapsule_GetPointer(handle, HANDLE_PROFILE);
    if (!p)
        return NULL;
    sib_profile_end(p, span);
    Py_RETURN_NONE;
}

static PyObject *profile_save_trace(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *handle;
    const char *path;
    sib_error err = SIB_ERROR_INIT;
    sib_code code;
    if (!PyArg_ParseTuple(args, "Oy:profile_save_trace", &handle, &path))
        return NULL;
    const sib_profile *p = PyCapsule_GetPointer(handle, HANDLE_PROFILE);
    if (!p)
        return NULL;
    Py_BEGIN_ALLOW_THREADS code = sib_profile_save_trace(p, path, &err);
    Py_END_ALLOW_THREADS if (code != SIB_OK) return error_raise(&err, NULL);
    Py_RETURN_NONE;
}

/* ---- Logs ------------------------------------------------------------------------------------------------ */

static void write_log(void *context, sib_log_level level, const char *message)
{
    PyGILState_STATE lock = PyGILState_Ensure();
    PyObject *text = text_of(message),
             *result = text ? PyObject_CallFunction(context, "iO", (int)level, text) : NULL;
    if (!result)
        PyErr_WriteUnraisable(context);
    Py_XDECREF(result);
    Py_XDECREF(text);
    PyGILState_Release(lock);
}

sib_logger logger_of(PyObject *function, int level)
{
    return (sib_logger){
        .write = function == Py_None ? NULL : write_log, .context = function, .level = (sib_log_level)level};
}

PyMethodDef WATCH_METHODS[] = {
    {"digest_of", digest_of, METH_VARARGS, "digest_of(value, exact) -> tuple"},
    {"watch_add", watch_add, METH_VARARGS,
     "watch_add(session, names or None, inside, optimised, exact, share, on_value, on_digest, on_event) -> "
     "watch; share: 0 for every run, -1 for the default"},
    {"watch_remove", watch_remove, METH_O, "watch_remove(watch)"},
    {"watch_skipped", watch_skipped, METH_O, "watch_skipped(watch) -> int"},
    {"profile_spans", profile_spans, METH_O, "profile_spans(profile) -> list of (span, parent)"},
    {"profile_dropped", profile_dropped, METH_O, "profile_dropped(profile) -> int"},
    {"profile_limit", profile_limit, METH_VARARGS, "profile_limit(profile, n)"},
    {"profile_begin", profile_begin, METH_VARARGS, "profile_begin(profile, name) -> int"},
    {"profile_end", profile_end, METH_VARARGS, "profile_end(profile, span)"},
    {"profile_save_trace", profile_save_trace, METH_VARARGS, "profile_save_trace(profile, path)"},
    {NULL, NULL, 0, NULL},
};
