/* Jobs: opened, described and run; what they tell while they run. */
#include "ext.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- Jobs ---------------------------------------------------------------------------------------------- */

/* The threads of a job do not live on in a child process after fork, so there it is left unfreed. */
typedef struct ext_job {
    sib_job *job;
    pid_t owner;
    PyObject *log; /* a function, or None */
} ext_job;

static void job_release(PyObject *handle)
{
    ext_job *j = PyCapsule_GetPointer(handle, HANDLE_JOB);
    if (j->owner == getpid()) {
        Py_BEGIN_ALLOW_THREADS sib_job_free(&j->job);
        Py_END_ALLOW_THREADS
    }
    Py_XDECREF(j->log);
    PyMem_Free(j);
}

/* A handle of a job, which is taken over, also where this fails. log: a function that the job calls, or None. */
static PyObject *job_handle(sib_job *job, PyObject *log)
{
    ext_job *j = PyMem_Calloc(1, sizeof *j);
    if (!j) {
        sib_job_free(&job);
        return PyErr_NoMemory();
    }
    *j = (ext_job){.job = job, .owner = getpid(), .log = Py_NewRef(log)};
    PyObject *handle = PyCapsule_New(j, HANDLE_JOB, job_release);
    if (!handle) {
        sib_job_free(&j->job);
        Py_DECREF(log);
        PyMem_Free(j);
    }
    return handle;
}

static PyObject *job_open(PyObject *module, PyObject *args)
{
    (void)module;
    const char *path, *text, *folder;
    Py_ssize_t size;
    sib_job_options options = {0};
    PyObject *log, *registry;
    int confine, level;
    if (!PyArg_ParseTuple(args, "O&z#O&zO&zIpOiO:job_open", path_of, &path, &text, &size, path_of, &folder,
                          &options.kind, path_of, &options.tokenizer, &options.backends, &options.threads,
                          &confine, &log, &level, &registry) ||
        !(options.registry = registry_of(registry)))
        return NULL;
    options.confine = confine;
    options.log = logger_of(log, level);
    sib_job *job = NULL;
    sib_error err = SIB_ERROR_INIT;
    sib_code code;
    Py_BEGIN_ALLOW_THREADS code = path ? sib_job_open(path, &options, &job, &err)
                                       : sib_job_open_text(text, (size_t)size, folder, &options, &job, &err);
    Py_END_ALLOW_THREADS return code == SIB_OK ? job_handle(job, log) : error_raise(&err, NULL);
}

/* ---- From what is there --------------------------------------------------------------------------------- */

/* A model or a tokenizer under the name that a document gives it. */
typedef struct ext_given {
    const char *name;
    void *what; /* a sib_model or a sib_tokenizer, borrowed */
} ext_given;

typedef struct ext_source {
    size_t n_models, n_tokenizers;
    ext_given *models, *tokenizers; /* (n_models), (n_tokenizers) */
} ext_source;

/* The pairs (name, handle) of a list, which keeps them; PyMem_Free. NULL with an exception set. */
static ext_given *given_of(PyObject *list, const char *handle, size_t *n)
{
    *n = (size_t)PyList_Size(list);
    ext_given *all = PyMem_Calloc(*n + 1, sizeof *all);
    if (!all)
        PyErr_NoMemory();
    for (size_t i = 0; all && i < *n; i++) {
        PyObject *pair = PyList_GetItem(list, (Py_ssize_t)i), *capsule = NULL;
        if (!PyArg_ParseTuple(pair, "sO", &all[i].name, &capsule) ||
            !(all[i].what = PyCapsule_GetPointer(capsule, handle))) {
            PyMem_Free(all);
            return NULL;
        }
    }
    return all;
}

static sib_code give(const ext_given *all, size_t n, const char *what, const char *file, void **out,
                     sib_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(all[i].name, file)) {
            *out = all[i].what;
            return SIB_OK;
        }
    *err = (sib_error){.code = SIB_ERR_ARGUMENT, .offset = SIB_NO_OFFSET};
    snprintf(err->message, sizeof err->message, "no %s is given for '%.200s'", what, file);
    return err->code;
}

static sib_code give_model(void *context, const char *file, sib_model **out, sib_error *err)
{
    const ext_source *from = context;
    void *found = NULL;
    sib_code code = give(from->models, from->n_models, "model", file, &found, err);
    *out = found ? sib_model_keep(found) : NULL;
    return code;
}

static sib_code give_tokenizer(void *context, const char *file, sib_tokenizer **out, sib_error *err)
{
    const ext_source *from = context;
    void *found = NULL;
    sib_code code = give(from->tokenizers, from->n_tokenizers, "tokenizer", file, &found, err);
    *out = found ? sib_tokenizer_keep(found) : NULL;
    return code;
}

static PyObject *job_open_from(PyObject *module, PyObject *args)
{
    (void)module;
    const char *text;
    Py_ssize_t size;
    sib_job_options options = {0};
    PyObject *log, *models, *tokenizers;
    int level;
    if (!PyArg_ParseTuple(args, "s#zIOiO!O!:job_open_from", &text, &size, &options.backends, &options.threads,
                          &log, &level, &PyList_Type, &models, &PyList_Type, &tokenizers))
        return NULL;
    options.log = logger_of(log, level);
    ext_source from = {0};
    sib_job *job = NULL;
    sib_error err = SIB_ERROR_INIT;
    sib_code code = SIB_OK;
    bool ok = (from.models = given_of(models, HANDLE_MODEL, &from.n_models)) &&
              (from.tokenizers = given_of(tokenizers, HANDLE_TOKENIZER, &from.n_tokenizers));
    const sib_job_resolver resolver = {&from, give_model, give_tokenizer};
    if (ok) {
        Py_BEGIN_ALLOW_THREADS code =
            sib_job_open_from(text, (size_t)size, &resolver, &options, NULL, &job, &err);
        Py_END_ALLOW_THREADS
    }
    PyMem_Free(from.models);
    PyMem_Free(from.tokenizers);
    return !ok ? NULL : code == SIB_OK ? job_handle(job, log) : error_raise(&err, NULL);
}

const sib_job *job_of(PyObject *handle)
{
    const ext_job *j = PyCapsule_GetPointer(handle, HANDLE_JOB);
    if (j && j->owner != getpid()) {
        PyErr_SetString(PyExc_RuntimeError, "the job belongs to the process that this one was forked from");
        return NULL;
    }
    return j ? j->job : NULL;
}

static PyObject *job_sessions(PyObject *module, PyObject *handle)
{
    (void)module;
    const sib_job *j = job_of(handle);
    PyObject *dict = j ? PyDict_New() : NULL;
    const char *call;
    sib_session *s;
    for (size_t i = 0; dict && (s = sib_job_session(j, i, &call)); i++) {
        PyObject *session = session_lend(s, handle);
        if (!session || PyDict_SetItemString(dict, call, session) != 0)
            Py_CLEAR(dict);
        Py_XDECREF(session);
    }
    return dict;
}

static PyObject *job_describe(PyObject *module, PyObject *args)
{
    (void)module;
    const char *model;
    sib_job_options options = {0};
    if (!PyArg_ParseTuple(args, "O&zO&:job_describe", path_of, &model, &options.kind, path_of,
                          &options.tokenizer))
        return NULL;
    sib_error err = SIB_ERROR_INIT;
    sib_code code;
    char *text;
    Py_BEGIN_ALLOW_THREADS code = sib_job_describe(model, &options, &text, &err);
    Py_END_ALLOW_THREADS if (code != SIB_OK) return error_raise(&err, NULL);
    PyObject *result = port_text(text, strlen(text));
    sib_free(text);
    return result;
}

/* (name, type, doc or None, optional) of each port. */
static PyObject *port_list(const sib_job *j, bool (*port_at)(const sib_job *, size_t, sib_job_port *))
{
    PyObject *list = PyList_New(0);
    sib_job_port p;
    for (size_t i = 0; list && port_at(j, i, &p); i++) {
        list_take(&list, Py_BuildValue("(sszN)", p.name, sib_port_type_name(p.type), p.doc,
                                       PyBool_FromLong(p.optional)));
    }
    return list;
}

/* None, ("literal", value), ("input", i), ("node", node, port) or ("loop", node, port). */
static PyObject *source_of(const sib_job_source *s)
{
    switch (s->from) {
    case SIB_JOB_FROM_LITERAL: {
        PyObject *value = port_value_give(s->literal);
        return value ? Py_BuildValue("(sN)", "literal", value) : NULL;
    }
    case SIB_JOB_FROM_INPUT:
        return Py_BuildValue("(sn)", "input", (Py_ssize_t)s->port);
    case SIB_JOB_FROM_NODE:
    case SIB_JOB_FROM_LOOP:
        return Py_BuildValue("(snn)", s->from == SIB_JOB_FROM_NODE ? "node" : "loop", (Py_ssize_t)s->node,
                             (Py_ssize_t)s->port);
    case SIB_JOB_FROM_NOTHING:
        break;
    }
    return Py_NewRef(Py_None);
}

/* (name, type, doc or None, optional, source) of each port of a side of a node. */
static PyObject *side_list(const sib_job *j, size_t node, sib_job_side side)
{
    PyObject *list = PyList_New(0);
    sib_job_port p;
    sib_job_source s;
    for (size_t i = 0; list && sib_job_node_port(j, node, side, i, &p, &s); i++) {
        PyObject *source = source_of(&s);
        list_take(&list, source ? Py_BuildValue("(sszNN)", p.name, sib_port_type_name(p.type), p.doc,
                                                PyBool_FromLong(p.optional), source)
                                : NULL);
    }
    return list;
}

/* {as: call} of a node. */
static PyObject *call_dict(const sib_job *j, size_t node)
{
    PyObject *dict = PyDict_New();
    const char *as, *call;
    for (size_t i = 0; dict && (call = sib_job_node_call(j, node, i, &as)); i++) {
        PyObject *name = PyUnicode_FromString(call);
        if (!name || PyDict_SetItemString(dict, as, name) != 0)
            Py_CLEAR(dict);
        Py_XDECREF(name);
    }
    return dict;
}

/* A tuple of what sib_job_node tells, its calls and a tuple of the ports of its four sides, for each node. */
static PyObject *job_nodes(PyObject *module, PyObject *handle)
{
    (void)module;
    const sib_job *j = job_of(handle);
    PyObject *list = j ? PyList_New(0) : NULL;
    sib_job_node_info n;
    for (size_t i = 0; list && sib_job_node(j, i, &n); i++)
        list_take(&list, Py_BuildValue(
                             "(ssszNN(NNNN))", n.name, n.op, n.doc, n.tokenizer,
                             n.loop == SIB_JOB_NO_NODE ? Py_NewRef(Py_None) : PyLong_FromSize_t(n.loop),
                             call_dict(j, i), side_list(j, i, SIB_JOB_TAKES), side_list(j, i, SIB_JOB_GIVES),
                             side_list(j, i, SIB_JOB_BODY_TAKES), side_list(j, i, SIB_JOB_BODY_GIVES)));
    return list;
}

/* Where the value of each output comes from. */
static PyObject *job_output_sources(PyObject *module, PyObject *handle)
{
    (void)module;
    const sib_job *j = job_of(handle);
    PyObject *list = j ? PyList_New(0) : NULL;
    sib_job_source s;
    for (size_t i = 0; list && sib_job_output_source(j, i, &s); i++)
        list_take(&list, source_of(&s));
    return list;
}

static PyObject *job_info(PyObject *module, PyObject *handle)
{
    (void)module;
    const sib_job *j = job_of(handle);
    if (!j)
        return NULL;
    sib_job_info info;
    sib_job_get_info(j, &info);
    PyObject *inputs = port_list(j, sib_job_input), *outputs = inputs ? port_list(j, sib_job_output) : NULL;
    if (!outputs) {
        Py_XDECREF(inputs);
        return NULL;
    }
    return Py_BuildValue("{ss ss sz ss sd sN sN}", "kind", info.kind, "name", info.name, "doc", info.doc,
                         "document", sib_job_document(j), "sample_rate", info.sample_rate, "inputs", inputs,
                         "outputs", outputs);
}

/* ---- What a run tells ---------------------------------------------------------------------------------- */

/* Functions to be called, or None, and what the first that failed raised. */
typedef struct listener {
    PyObject *module, *on_text, *on_segment, *on_progress, *on_tap;
    PyObject *type, *value, *trace;
} listener;

/* Calls function with args, which are taken over; NULL: making them has raised an exception. */
static sib_code call_listener(listener *l, PyObject *function, PyObject *args, sib_error *err)
{
    PyObject *answer = args ? PyObject_CallObject(function, args) : NULL;
    Py_XDECREF(args);
    if (answer) {
        Py_DECREF(answer);
        return SIB_OK;
    }
    PyErr_Fetch(&l->type, &l->value, &l->trace);
    if (err)
        *err = (sib_error){.code = SIB_ERR_CANCELLED,
                           .offset = SIB_NO_OFFSET,
                           .message = "a callback of the run raised an exception"};
    return SIB_ERR_CANCELLED;
}

static sib_code on_text(void *context, const char *text, size_t size, sib_error *err)
{
    listener *l = context;
    PyGILState_STATE lock = PyGILState_Ensure();
    PyObject *argument = port_text(text, size);
    sib_code code = call_listener(l, l->on_text, argument ? Py_BuildValue("(N)", argument) : NULL, err);
    PyGILState_Release(lock);
    return code;
}

static sib_code on_segment(void *context, const sib_segment *segment, sib_error *err)
{
    listener *l = context;
    PyGILState_STATE lock = PyGILState_Ensure();
    PyObject *argument = port_segment(segment);
    sib_code code = call_listener(l, l->on_segment, argument ? Py_BuildValue("(N)", argument) : NULL, err);
    PyGILState_Release(lock);
    return code;
}

static sib_code on_progress(void *context, double done, double total, sib_error *err)
{
    listener *l = context;
    PyGILState_STATE lock = PyGILState_Ensure();
    sib_code code = call_listener(l, l->on_progress, Py_BuildValue("(dd)", done, total), err);
    PyGILState_Release(lock);
    return code;
}

/* A copy of what a tap sees: it lives on when the run has gone on. */
static sib_code on_tap(void *context, const char *path, const sib_tensor *t, sib_error *err)
{
    listener *l = context;
    sib_value *seen = NULL, *copy = NULL;
    sib_code code = sib_value_from_tensor(t, &seen, err);
    if (code == SIB_OK)
        code = sib_value_clone(seen, &copy, err);
    sib_value_free(&seen);
    if (code != SIB_OK)
        return code;
    PyGILState_STATE lock = PyGILState_Ensure();
    PyObject *value = value_lend(l->module, copy), *name = value ? port_text(path, strlen(path)) : NULL;
    PyObject *args = name ? PyTuple_Pack(2, name, value) : NULL;
    Py_XDECREF(name);
    Py_XDECREF(value);
    code = call_listener(l, l->on_tap, args, err);
    PyGILState_Release(lock);
    return code;
}

/* ---- Running ------------------------------------------------------------------------------------------- */

/* What a run is given, in the library's terms. */
typedef struct run_call {
    const sib_job *job;
    job_inputs inputs;
    size_t n_outputs;
    const char **outputs, **taps; /* (n_outputs), (options.n_taps) */
    sib_job_run_options options;
    listener listener;
} run_call;

static void run_call_free(run_call *c)
{
    job_inputs_free(&c->inputs);
    PyMem_Free(c->outputs);
    PyMem_Free(c->taps);
}

static void take_listener(run_call *c, PyObject *module, PyObject *const *functions)
{
    sib_job_run_options *o = &c->options;
    listener *l = &c->listener;
    *l = (listener){.module = module,
                    .on_text = functions[0],
                    .on_segment = functions[1],
                    .on_progress = functions[2],
                    .on_tap = functions[3]};
    o->context = l;
    o->on_text = l->on_text == Py_None ? NULL : on_text;
    o->on_segment = l->on_segment == Py_None ? NULL : on_segment;
    o->on_progress = l->on_progress == Py_None ? NULL : on_progress;
    o->on_tap = l->on_tap == Py_None ? NULL : on_tap;
}

/* All outputs of r, which is taken over: its tensors are lent when it is gone, so that nobody else has
   them. */
static PyObject *give_outputs(PyObject *module, sib_job_result *r)
{
    sib_job_value v;
    sib_error err = SIB_ERROR_INIT;
    size_t n = 0;
    while (sib_job_result_get(r, n, &v))
        n++;
    sib_value **tensors = PyMem_Calloc(n + 1, sizeof *tensors); /* (n) NULL for other outputs */
    PyObject *list = tensors ? PyList_New((Py_ssize_t)n) : PyErr_NoMemory();
    for (size_t i = 0; list && i < n && sib_job_result_get(r, i, &v); i++) {
        bool tensor = v.value.type == SIB_PORT_TENSOR || v.value.type == SIB_PORT_AUDIO;
        PyObject *item = tensor ? Py_NewRef(Py_None) : port_value_give(&v.value);
        if (tensor && sib_value_from_tensor(v.value.tensor, &tensors[i], &err) != SIB_OK) {
            Py_CLEAR(item);
            error_raise(&err, NULL);
        }
        if (!item)
            Py_CLEAR(list);
        else
            PyList_SetItem(list, (Py_ssize_t)i, item);
    }
    sib_job_result_free(&r);
    for (size_t i = 0; tensors && i < n; i++) {
        PyObject *item = list && tensors[i] ? value_lend(module, tensors[i]) : NULL;
        if (!list)
            sib_value_free(&tensors[i]);
        else if (item)
            PyList_SetItem(list, (Py_ssize_t)i, item);
        else if (tensors[i])
            Py_CLEAR(list);
    }
    PyMem_Free(tensors);
    return list;
}

static PyObject *run_now(PyObject *module, run_call *c)
{
    sib_error err = SIB_ERROR_INIT;
    sib_job_result *r = NULL;
    sib_code code;
    Py_BEGIN_ALLOW_THREADS code =
        sib_job_run(c->job, c->inputs.n, c->inputs.values, c->n_outputs, c->outputs, &c->options, &r, &err);
    Py_END_ALLOW_THREADS if (c->listener.type)
    {
        sib_job_result_free(&r);
        PyErr_Restore(c->listener.type, c->listener.value, c->listener.trace);
        return NULL;
    }
    return code == SIB_OK ? give_outputs(module, r) : error_raise(&err, NULL);
}

static PyObject *job_run(PyObject *module, PyObject *args)
{
    PyObject *handle, *inputs, *outputs, *taps, *functions[4], *cancel, *profile, *cache, *speculation;
    unsigned long long max_steps;
    if (!PyArg_ParseTuple(args, "OO!OOOOOOKOOOO:job_run", &handle, &PyList_Type, &inputs, &outputs, &taps,
                          &functions[0], &functions[1], &functions[2], &functions[3], &max_steps, &cancel,
                          &profile, &cache, &speculation))
        return NULL;
    run_call c = {.job = job_of(handle), .options = {.max_steps = max_steps}};
    if (!c.job || !(c.options.cancel = PyCapsule_GetPointer(cancel, HANDLE_CANCEL)))
        return NULL;
    if (profile != Py_None && !(c.options.profile = PyCapsule_GetPointer(profile, HANDLE_PROFILE)))
        return NULL;
    if (!shared_take(cache, speculation, &c.options))
        return NULL;
    take_listener(&c, module, functions);
    bool ok = job_inputs_take(inputs, &c.inputs);
    if (ok && outputs != Py_None)
        ok = (c.outputs = texts_of(outputs, &c.n_outputs));
    if (ok && taps != Py_None)
        ok = (c.options.taps = c.taps = texts_of(taps, &c.options.n_taps));
    PyObject *result = ok ? run_now(module, &c) : NULL;
    run_call_free(&c);
    return result;
}

/* The outputs of n runs, which are taken over. */
static PyObject *give_runs(PyObject *module, size_t n, sib_job_result **results)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; i < n; i++) {
        if (list)
            list_take(&list, give_outputs(module, results[i]));
        else
            sib_job_result_free(&results[i]);
    }
    return list;
}

/* inputs: those of each run behind those of the run before, as many each. */
static PyObject *job_run_many(PyObject *module, PyObject *args)
{
    PyObject *handle, *inputs, *outputs, *cancel;
    Py_ssize_t n;
    unsigned long long max_steps;
    sib_error err = SIB_ERROR_INIT;
    sib_code code = SIB_OK;
    if (!PyArg_ParseTuple(args, "OnO!OKO:job_run_many", &handle, &n, &PyList_Type, &inputs, &outputs,
                          &max_steps, &cancel))
        return NULL;
    run_call c = {.job = job_of(handle), .options = {.max_steps = max_steps}};
    if (!c.job || n < 1 || !(c.options.cancel = PyCapsule_GetPointer(cancel, HANDLE_CANCEL)))
        return NULL;
    sib_job_result **results = PyMem_Calloc((size_t)n, sizeof *results);
    bool ok = results ? job_inputs_take(inputs, &c.inputs) : PyErr_NoMemory() != NULL;
    if (ok && outputs != Py_None)
        ok = (c.outputs = texts_of(outputs, &c.n_outputs));
    if (ok) {
        Py_BEGIN_ALLOW_THREADS;
        code = sib_job_run_many(c.job, (size_t)n, c.inputs.n / (size_t)n, c.inputs.values, c.n_outputs,
                                c.outputs, &c.options, results, &err);
        Py_END_ALLOW_THREADS;
    }
    PyObject *given = !ok              ? NULL
                      : code == SIB_OK ? give_runs(module, (size_t)n, results)
                                       : error_raise(&err, NULL);
    run_call_free(&c);
    PyMem_Free(results);
    return given;
}

PyMethodDef JOB_METHODS[] = {
    {"job_sessions", job_sessions, METH_O, "job_sessions(job) -> dict of sessions by call"},
    {"job_open", job_open, METH_VARARGS,
     "job_open(path or None, text or None, folder, kind, tokenizer, backends, threads, confine, log, level) "
     "-> job"},
    {"job_open_from", job_open_from, METH_VARARGS,
     "job_open_from(text, backends, threads, log, level, list of (name, model), list of (name, tokenizer)) "
     "-> "
     "job"},
    {"job_describe", job_describe, METH_VARARGS, "job_describe(model or None, kind, tokenizer) -> str"},
    {"job_info", job_info, METH_O, "job_info(job) -> dict"},
    {"job_nodes", job_nodes, METH_O, "job_nodes(job) -> list"},
    {"job_output_sources", job_output_sources, METH_O, "job_output_sources(job) -> list"},
    {"job_run", job_run, METH_VARARGS,
     "job_run(job, inputs, outputs or None, taps or None, on_text, on_segment, on_progress, on_tap, "
     "max_steps,"
     " cancel, profile, prefix cache or None, speculation or None) -> list of outputs"},
    {"job_run_many", job_run_many, METH_VARARGS,
     "job_run_many(job, n, inputs of all runs, outputs or None, max_steps, cancel) -> list of n lists of "
     "outputs"},
    {NULL, NULL, 0, NULL},
};
