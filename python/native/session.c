/* Sessions: models run, with taps, profiles and cancelling. */
#include "ext.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Sessions ------------------------------------------------------------------------------------------ */

/* The threads of a session do not live on in a child process after fork, so there it is left unfreed. */
typedef struct ext_session {
    sib_session *session;
    pid_t owner;
    PyObject *log;   /* a function, or None */
    PyObject *owned; /* NULL, or the handle that owns the session */
} ext_session;

static void session_release(PyObject *handle)
{
    ext_session *s = PyCapsule_GetPointer(handle, HANDLE_SESSION);
    if (s->owner == getpid() && !s->owned) {
        Py_BEGIN_ALLOW_THREADS sib_session_free(&s->session);
        Py_END_ALLOW_THREADS
    }
    Py_XDECREF(s->log);
    Py_XDECREF(s->owned);
    PyMem_Free(s);
}

static PyObject *session_create(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *model, *edits, *log;
    sib_session_options options = {0};
    unsigned long long seed, limit;
    int oracle, tune, level;
    if (!PyArg_ParseTuple(args, "OzIKpKzOpO&Oi:session_create", &model, &options.backends, &options.threads,
                          &seed, &oracle, &limit, &options.passes, &edits, &tune, path_of,
                          &options.tuning_file, &log, &level))
        return NULL;
    options.limit_passes = edits != Py_None;
    if (options.limit_passes)
        options.pass_limit = PyLong_AsUnsignedLongLong(edits);
    if (PyErr_Occurred())
        return NULL;
    sib_model *m = model_of(model);
    ext_session *s = m ? PyMem_Calloc(1, sizeof *s) : NULL;
    if (!s)
        return m ? PyErr_NoMemory() : NULL;
    options.seed = seed;
    options.oracle = oracle;
    options.tune = tune;
    options.memory_limit = limit;
    options.log = logger_of(log, level);
    sib_error err = SIB_ERROR_INIT;
    sib_code code;
    Py_BEGIN_ALLOW_THREADS code = sib_session_create(m, &options, &s->session, &err);
    Py_END_ALLOW_THREADS if (code != SIB_OK)
    {
        PyMem_Free(s);
        return error_raise(&err, NULL);
    }
    s->owner = getpid();
    s->log = Py_NewRef(log);
    PyObject *handle = PyCapsule_New(s, HANDLE_SESSION, session_release);
    if (!handle) {
        sib_session_free(&s->session);
        Py_DECREF(log);
        PyMem_Free(s);
    }
    return handle;
}

PyObject *session_lend(sib_session *session, PyObject *owner)
{
    ext_session *s = PyMem_Calloc(1, sizeof *s);
    if (!s)
        return PyErr_NoMemory();
    *s = (ext_session){session, getpid(), NULL, Py_NewRef(owner)};
    PyObject *handle = PyCapsule_New(s, HANDLE_SESSION, session_release);
    if (!handle) {
        Py_DECREF(owner);
        PyMem_Free(s);
    }
    return handle;
}

sib_session *session_of(PyObject *handle)
{
    const ext_session *s = PyCapsule_GetPointer(handle, HANDLE_SESSION);
    if (s && s->owner != getpid()) {
        PyErr_SetString(PyExc_RuntimeError,
                        "the session belongs to the process that this one was forked from");
        return NULL;
    }
    return s ? s->session : NULL;
}

static PyObject *backend_names(PyObject *module, PyObject *asked)
{
    (void)module;
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && sib_backend_name(i); i++) {
        if (sib_backend_asked(i) != (asked == Py_True))
            continue;
        PyObject *name = PyUnicode_FromString(sib_backend_name(i));
        if (!name || PyList_Append(list, name) != 0)
            Py_CLEAR(list);
        Py_XDECREF(name);
    }
    return list;
}

/* A row of sibyl.Device. */
static PyObject *device_row(const sib_backend_info *b, unsigned number)
{
    return Py_BuildValue("sIssKKz", b->name, number, b->device, b->features, (unsigned long long)b->memory,
                         (unsigned long long)b->max_value, b->available ? NULL : b->problem);
}

static bool find_device(size_t i, unsigned number, sib_backend_info *out)
{
    bool there;
    Py_BEGIN_ALLOW_THREADS;
    there = sib_backend_get_device(i, number, out);
    Py_END_ALLOW_THREADS;
    return there;
}

static PyObject *devices(PyObject *module, PyObject *backend)
{
    (void)module;
    const char *only = backend == Py_None ? NULL : PyUnicode_AsUTF8AndSize(backend, NULL);
    PyObject *list = only || backend == Py_None ? PyList_New(0) : NULL;
    sib_backend_info b;
    for (size_t i = 0; list && sib_backend_name(i); i++)
        for (unsigned k = 0; list && (!only || !strcmp(only, sib_backend_name(i))) && find_device(i, k, &b);
             k++) {
            PyObject *row = device_row(&b, k);
            if (!row || PyList_Append(list, row) != 0)
                Py_CLEAR(list);
            Py_XDECREF(row);
        }
    return list;
}

/* ---- Cancelling and profiles ------------------------------------------------------------------------ */

static void cancel_release(PyObject *handle)
{
    sib_cancel *c = PyCapsule_GetPointer(handle, HANDLE_CANCEL);
    sib_cancel_free(&c);
}

static PyObject *cancel_create(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    sib_cancel *c = NULL;
    sib_error err = SIB_ERROR_INIT;
    if (sib_cancel_create(&c, &err) != SIB_OK)
        return error_raise(&err, NULL);
    PyObject *handle = PyCapsule_New(c, HANDLE_CANCEL, cancel_release);
    if (!handle)
        sib_cancel_free(&c);
    return handle;
}

static PyObject *cancel_set(PyObject *module, PyObject *handle)
{
    (void)module;
    sib_cancel *c = PyCapsule_GetPointer(handle, HANDLE_CANCEL);
    if (!c)
        return NULL;
    sib_cancel_set(c);
    Py_RETURN_NONE;
}

static void profile_release(PyObject *handle)
{
    sib_profile *p = PyCapsule_GetPointer(handle, HANDLE_PROFILE);
    sib_profile_free(&p);
}

static PyObject *profile_create(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    sib_profile *p = NULL;
    sib_error err = SIB_ERROR_INIT;
    if (sib_profile_create(&p, &err) != SIB_OK)
        return error_raise(&err, NULL);
    PyObject *handle = PyCapsule_New(p, HANDLE_PROFILE, profile_release);
    if (!handle)
        sib_profile_free(&p);
    return handle;
}

static PyObject *profile_rows(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *handle;
    int by;
    if (!PyArg_ParseTuple(args, "Oi:profile_rows", &handle, &by))
        return NULL;
    const sib_profile *p = PyCapsule_GetPointer(handle, HANDLE_PROFILE);
    PyObject *list = p ? PyList_New(0) : NULL;
    sib_profile_row row;
    for (size_t i = 0; list && sib_profile_get(p, (sib_profile_by)by, i, &row); i++) {
        PyObject *item =
            Py_BuildValue("(sssKddKKK)", row.node, row.op_type, row.backend, (unsigned long long)row.calls,
                          row.seconds, row.flops, row.bytes_read, row.bytes_written, row.memory);
        if (!item || PyList_Append(list, item) != 0)
            Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

/* ---- Taps ------------------------------------------------------------------------------------------- */

/* Values as a run showed them, copied; filled without the interpreter's lock. */
typedef struct tapped {
    char **names;
    sib_value **values;
    size_t n, capacity;
} tapped;

static bool tapped_grow(tapped *t)
{
    size_t more = t->capacity ? 2 * t->capacity : 64;
    char **names = realloc(t->names, more * sizeof *names);
    if (names)
        t->names = names;
    sib_value **values = realloc(t->values, more * sizeof *values);
    if (values)
        t->values = values;
    if (names && values)
        t->capacity = more;
    return names && values;
}

static sib_code on_tap(void *context, const sib_tap_event *event, sib_error *err)
{
    tapped *t = context;
    size_t length = strlen(event->name) + 1;
    char *name = t->n < t->capacity || tapped_grow(t) ? malloc(length) : NULL;
    if (!name) {
        *err = (sib_error){
            .code = SIB_ERR_MEMORY, .offset = SIB_NO_OFFSET, .message = "out of memory: tapped values"};
        return SIB_ERR_MEMORY;
    }
    memcpy(name, event->name, length);
    sib_value *copy = NULL;
    sib_code code = sib_value_clone(event->value, &copy, err);
    if (code != SIB_OK) {
        free(name);
        return code;
    }
    t->names[t->n] = name;
    t->values[t->n++] = copy;
    return SIB_OK;
}

static void tapped_free(tapped *t)
{
    for (size_t i = 0; i < t->n; i++) {
        free(t->names[i]);
        sib_value_free(&t->values[i]);
    }
    free(t->names);
    free(t->values);
}

static PyObject *tapped_list(PyObject *module, tapped *t)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < t->n; i++) {
        sib_value *v = t->values[i];
        t->values[i] = NULL;
        PyObject *value = value_lend(module, v);
        PyObject *name =
            value ? PyUnicode_DecodeUTF8(t->names[i], (Py_ssize_t)strlen(t->names[i]), "replace") : NULL;
        PyObject *pair = name ? PyTuple_Pack(2, name, value) : NULL;
        if (!pair || PyList_Append(list, pair) != 0)
            Py_CLEAR(list);
        Py_XDECREF(pair);
        Py_XDECREF(name);
        Py_XDECREF(value);
    }
    return list;
}

/* ---- Running ---------------------------------------------------------------------------------------- */

/* What a run is given, in the library's terms. */
typedef struct run_call {
    sib_session *session;
    size_t n_inputs, n_outputs, n_out; /* n_out: outputs that come */
    sib_named_value *inputs;           /* (n_inputs) */
    const char **outputs, **taps;      /* (n_outputs), (options.n_taps) */
    sib_value **out;                   /* (n_out) */
    sib_run_options options;
    tapped tapped;
} run_call;

static void run_call_free(run_call *c)
{
    for (size_t i = 0; c->out && i < c->n_out; i++)
        sib_value_free(&c->out[i]);
    tapped_free(&c->tapped);
    PyMem_Free(c->inputs);
    PyMem_Free(c->outputs);
    PyMem_Free(c->taps);
    PyMem_Free(c->out);
}

const char **texts_of(PyObject *list, size_t *n)
{
    Py_ssize_t count = PyList_Size(list);
    const char **texts = count < 0 ? NULL : PyMem_Calloc((size_t)count + 1, sizeof *texts);
    if (!texts)
        return count < 0 ? NULL : (const char **)PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_ssize_t length;
        texts[i] = PyUnicode_AsUTF8AndSize(PyList_GetItem(list, i), &length);
        if (texts[i] && strlen(texts[i]) != (size_t)length) {
            PyErr_SetString(PyExc_ValueError, "a name holds a null character");
            texts[i] = NULL;
        }
        if (!texts[i]) {
            PyMem_Free(texts);
            return NULL;
        }
    }
    *n = (size_t)count;
    return texts;
}

static bool take_inputs(run_call *c, PyObject *names, PyObject *values)
{
    const char **texts = texts_of(names, &c->n_inputs);
    if (!texts)
        return false;
    bool ok = PyList_Size(values) == (Py_ssize_t)c->n_inputs;
    if (!ok && !PyErr_Occurred())
        PyErr_SetString(PyExc_ValueError, "expected as many names as values");
    c->inputs = ok ? PyMem_Calloc(c->n_inputs + 1, sizeof *c->inputs) : NULL;
    if (ok && !c->inputs)
        PyErr_NoMemory();
    ok = c->inputs;
    for (size_t i = 0; i < c->n_inputs && ok; i++) {
        c->inputs[i] = (sib_named_value){texts[i], value_of(PyList_GetItem(values, (Py_ssize_t)i))};
        ok = c->inputs[i].value;
    }
    PyMem_Free(texts);
    return ok;
}

static bool take_outputs(run_call *c, PyObject *outputs)
{
    sib_model_info info;
    if (outputs != Py_None && !(c->outputs = texts_of(outputs, &c->n_outputs)))
        return false;
    sib_model_get_info(sib_session_model(c->session), &info);
    c->n_out = c->n_outputs ? c->n_outputs : info.n_outputs;
    c->out = PyMem_Calloc(c->n_out + 1, sizeof *c->out);
    if (!c->out)
        PyErr_NoMemory();
    return c->out;
}

/* taps: None, or a list of names and globs; empty for every value. */
static bool take_taps(run_call *c, PyObject *taps)
{
    if (taps == Py_None)
        return true;
    c->taps = texts_of(taps, &c->options.n_taps);
    c->options.tap = on_tap;
    c->options.tap_context = &c->tapped;
    c->options.tap_names = c->taps;
    return c->taps;
}

static PyObject *run_now(PyObject *module, run_call *c)
{
    sib_error err = SIB_ERROR_INIT;
    sib_code code;
    Py_BEGIN_ALLOW_THREADS code = sib_session_run(c->session, c->n_inputs, c->inputs, c->n_outputs,
                                                  c->outputs, c->out, &c->options, &err);
    Py_END_ALLOW_THREADS if (code != SIB_OK) return error_raise(&err, NULL);
    PyObject *outputs = PyList_New((Py_ssize_t)c->n_out);
    for (size_t i = 0; outputs && i < c->n_out; i++) {
        sib_value *v = c->out[i];
        c->out[i] = NULL;
        PyObject *item = value_lend(module, v);
        if (!item)
            Py_CLEAR(outputs);
        else
            PyList_SetItem(outputs, (Py_ssize_t)i, item);
    }
    PyObject *taps = outputs ? tapped_list(module, &c->tapped) : NULL;
    if (taps)
        return Py_BuildValue("(NN)", outputs, taps);
    Py_XDECREF(outputs);
    return NULL;
}

static PyObject *session_run(PyObject *module, PyObject *args)
{
    PyObject *session, *names, *values, *outputs, *taps, *profile, *cancel;
    int inside;
    if (!PyArg_ParseTuple(args, "OOOOOpOO:session_run", &session, &names, &values, &outputs, &taps, &inside,
                          &profile, &cancel))
        return NULL;
    run_call c = {.session = session_of(session), .options = {.tap_inside = inside}};
    if (!c.session)
        return NULL;
    bool ok = true;
    if (profile != Py_None)
        ok = (c.options.profile = PyCapsule_GetPointer(profile, HANDLE_PROFILE));
    if (ok && cancel != Py_None)
        ok = (c.options.cancel = PyCapsule_GetPointer(cancel, HANDLE_CANCEL));
    ok = ok && take_inputs(&c, names, values) && take_outputs(&c, outputs) && take_taps(&c, taps);
    PyObject *result = ok ? run_now(module, &c) : NULL;
    run_call_free(&c);
    return result;
}

static PyObject *session_plan(PyObject *module, PyObject *handle)
{
    (void)module;
    sib_session *s = session_of(handle);
    return s ? plan_list(s) : NULL;
}

static PyObject *session_edits(PyObject *module, PyObject *handle)
{
    (void)module;
    sib_session *s = session_of(handle);
    return s ? edit_list(s) : NULL;
}

PyMethodDef SESSION_METHODS[] = {
    {"backend_names", backend_names, METH_O,
     "backend_names(asked) -> list of str: those opened only where they are named, or the others"},
    {"devices", devices, METH_O, "devices(backend or None) -> list of rows of sibyl.Device"},
    {"session_create", session_create, METH_VARARGS,
     "session_create(model, backends or None, threads, seed, oracle, memory_limit, passes, pass_limit, tune, "
     "tuning_file or None, log, "
     "level) -> session"},
    {"session_run", session_run, METH_VARARGS,
     "session_run(session, names, values, outputs or None, taps or None, inside, profile or None, cancel or "
     "None)"
     " -> (outputs, taps)"},
    {"session_plan", session_plan, METH_O, "session_plan(session) -> list of dicts"},
    {"session_edits", session_edits, METH_O, "session_edits(session) -> list of dicts"},
    {"cancel_create", cancel_create, METH_NOARGS, "cancel_create() -> cancel"},
    {"cancel_set", cancel_set, METH_O, "cancel_set(cancel)"},
    {"profile_create", profile_create, METH_NOARGS, "profile_create() -> profile"},
    {"profile_rows", profile_rows, METH_VARARGS, "profile_rows(profile, by) -> list of tuples"},
    {NULL, NULL, 0, NULL},
};
