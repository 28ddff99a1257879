/* What runs of a job share: prefix caches and speculations. Each keeps its jobs alive. */
#include "ext.h"

#include <unistd.h>

typedef struct ext_shared {
    sib_prefix_cache *cache; /* one of these */
    sib_speculation *speculation;
    PyObject *job, *draft; /* handles; draft: NULL where there is none */
    pid_t owner;           /* whose jobs they are; in a child process after fork nothing of them is freed */
} ext_shared;

static void release(PyObject *handle)
{
    ext_shared *s = PyCapsule_GetPointer(handle, PyCapsule_GetName(handle));
    if (s->owner == getpid()) {
        Py_BEGIN_ALLOW_THREADS;
        sib_prefix_cache_free(&s->cache);
        sib_speculation_free(&s->speculation);
        Py_END_ALLOW_THREADS;
    }
    Py_XDECREF(s->job);
    Py_XDECREF(s->draft);
    PyMem_Free(s);
}

/* A handle of s, which is taken over. */
static PyObject *give(ext_shared s, const char *name)
{
    ext_shared *own = PyMem_Calloc(1, sizeof *own);
    PyObject *handle = own ? PyCapsule_New(own, name, release) : PyErr_NoMemory();
    if (handle) {
        *own = s;
        Py_XINCREF(s.job);
        Py_XINCREF(s.draft);
        own->owner = getpid();
        return handle;
    }
    sib_prefix_cache_free(&s.cache);
    sib_speculation_free(&s.speculation);
    PyMem_Free(own);
    return NULL;
}

static PyObject *prefix_cache_create(PyObject *module, PyObject *args)
{
    (void)module;
    ext_shared s = {0};
    unsigned max_entries;
    sib_error err = SIB_ERROR_INIT;
    if (!PyArg_ParseTuple(args, "OI:prefix_cache_create", &s.job, &max_entries))
        return NULL;
    const sib_job *job = job_of(s.job);
    if (!job)
        return NULL;
    return sib_prefix_cache_create(job, max_entries, &s.cache, &err) == SIB_OK ? give(s, HANDLE_PREFIX_CACHE)
                                                                               : error_raise(&err, NULL);
}

static PyObject *prefix_cache_info(PyObject *module, PyObject *handle)
{
    (void)module;
    sib_prefix_cache_info info;
    const ext_shared *s = PyCapsule_GetPointer(handle, HANDLE_PREFIX_CACHE);
    if (!s)
        return NULL;
    sib_prefix_cache_get_info(s->cache, &info);
    return Py_BuildValue("nKK", (Py_ssize_t)info.entries, (unsigned long long)info.tokens,
                         (unsigned long long)info.reused);
}

static PyObject *speculation_create(PyObject *module, PyObject *args)
{
    (void)module;
    ext_shared s = {0};
    sib_speculation_options options = {0};
    sib_error err = SIB_ERROR_INIT;
    PyObject *draft;
    sib_code code;
    if (!PyArg_ParseTuple(args, "OIO:speculation_create", &s.job, &options.max_guesses, &draft))
        return NULL;
    const sib_job *job = job_of(s.job);
    if (!job || (draft != Py_None && !(options.draft = job_of(draft))))
        return NULL;
    s.draft = draft == Py_None ? NULL : draft;
    Py_BEGIN_ALLOW_THREADS;
    code = sib_speculation_create(job, &options, &s.speculation, &err);
    Py_END_ALLOW_THREADS;
    return code == SIB_OK ? give(s, HANDLE_SPECULATION) : error_raise(&err, NULL);
}

static PyObject *speculation_info(PyObject *module, PyObject *handle)
{
    (void)module;
    sib_speculation_info info;
    const ext_shared *s = PyCapsule_GetPointer(handle, HANDLE_SPECULATION);
    if (!s)
        return NULL;
    sib_speculation_get_info(s->speculation, &info);
    return Py_BuildValue("KKK", (unsigned long long)info.steps, (unsigned long long)info.guessed,
                         (unsigned long long)info.accepted);
}

bool shared_take(PyObject *cache, PyObject *speculation, sib_job_run_options *out)
{
    const ext_shared *c = NULL, *s = NULL;
    if ((cache != Py_None && !(c = PyCapsule_GetPointer(cache, HANDLE_PREFIX_CACHE))) ||
        (speculation != Py_None && !(s = PyCapsule_GetPointer(speculation, HANDLE_SPECULATION))))
        return false;
    out->prefix_cache = c ? c->cache : NULL;
    out->speculation = s ? s->speculation : NULL;
    return true;
}

PyMethodDef GENERATION_METHODS[] = {
    {"prefix_cache_create", prefix_cache_create, METH_VARARGS,
     "prefix_cache_create(job, max_entries) -> cache"},
    {"prefix_cache_info", prefix_cache_info, METH_O, "prefix_cache_info(cache) -> (entries, tokens, reused)"},
    {"speculation_create", speculation_create, METH_VARARGS,
     "speculation_create(job, max_guesses, draft or None) -> speculation"},
    {"speculation_info", speculation_info, METH_O,
     "speculation_info(speculation) -> (steps, guessed, accepted)"},
    {NULL, NULL, 0, NULL},
};
