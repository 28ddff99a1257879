/* The module sibyl._sibyl: version, counters and thread pools, and the functions of the other files. */
#include "ext.h"

#include <unistd.h>

/* ---- Pools -------------------------------------------------------------------------------------- */

/* The threads of a pool do not live on in a child process after fork, so there the pool is left unfreed. */
typedef struct ext_pool {
    sib_pool *pool;
    pid_t owner;
} ext_pool;

static void pool_release(PyObject *handle)
{
    ext_pool *p = PyCapsule_GetPointer(handle, HANDLE_POOL);
    if (p->owner == getpid()) {
        Py_BEGIN_ALLOW_THREADS sib_pool_free(&p->pool);
        Py_END_ALLOW_THREADS
    }
    PyMem_Free(p);
}

static PyObject *pool_create(PyObject *module, PyObject *args)
{
    (void)module;
    unsigned threads;
    if (!PyArg_ParseTuple(args, "I:pool_create", &threads))
        return NULL;
    ext_pool *p = PyMem_Calloc(1, sizeof *p);
    if (!p)
        return PyErr_NoMemory();
    sib_error err = SIB_ERROR_INIT;
    if (sib_pool_create(threads, &p->pool, &err) != SIB_OK) {
        PyMem_Free(p);
        return error_raise(&err, NULL);
    }
    p->owner = getpid();
    PyObject *handle = PyCapsule_New(p, HANDLE_POOL, pool_release);
    if (!handle) {
        sib_pool_free(&p->pool);
        PyMem_Free(p);
    }
    return handle;
}

static PyObject *pool_threads(PyObject *module, PyObject *handle)
{
    (void)module;
    bool ok;
    const sib_pool *pool = pool_of(handle, &ok);
    return ok ? PyLong_FromUnsignedLong(sib_pool_threads(pool)) : NULL;
}

sib_pool *pool_of(PyObject *handle, bool *ok)
{
    *ok = true;
    if (handle == Py_None)
        return NULL;
    const ext_pool *p = PyCapsule_GetPointer(handle, HANDLE_POOL);
    if (p && p->owner == getpid())
        return p->pool;
    if (p)
        PyErr_SetString(PyExc_RuntimeError,
                        "the thread pool belongs to the process that this one was forked from");
    *ok = false;
    return NULL;
}

/* ---- The library itself ----------------------------------------------------------------------------- */

static PyObject *alloc_counters(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    sib_alloc_counters c;
    sib_alloc_counters_get(&c);
    return Py_BuildValue("{sK sK sK sK}", "allocations", (unsigned long long)c.allocations, "frees",
                         (unsigned long long)c.frees, "bytes_current", (unsigned long long)c.bytes_current,
                         "bytes_peak", (unsigned long long)c.bytes_peak);
}

static PyObject *cpu_level(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return PyUnicode_FromString(sib_cpu_level_name());
}

static PyMethodDef MODULE_METHODS[] = {
    {"pool_create", pool_create, METH_VARARGS, "pool_create(threads) -> pool"},
    {"pool_threads", pool_threads, METH_O, "pool_threads(pool) -> int"},
    {"alloc_counters", alloc_counters, METH_NOARGS, "alloc_counters() -> dict"},
    {"cpu_level", cpu_level, METH_NOARGS, "cpu_level() -> str"},
    {NULL, NULL, 0, NULL},
};

int path_of(PyObject *given, void *out)
{
    char **path = out;
    *path = NULL;
    return given == Py_None || PyBytes_AsStringAndSize(given, path, NULL) == 0;
}

/* ---- The module -------------------------------------------------------------------------------------- */

PyObject *object_new(PyObject *type)
{
    allocfunc alloc = (allocfunc)PyType_GetSlot((PyTypeObject *)type, Py_tp_alloc);
    return alloc((PyTypeObject *)type, 0);
}

void object_free(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

/* Adds `name`, a dict from the names of a numbered list to the numbers first to last. */
static int add_numbers(PyObject *module, const char *name, int first, int last, const char *(*name_of)(int))
{
    PyObject *dict = PyDict_New();
    for (int i = first; dict && i <= last; i++) {
        PyObject *number = PyLong_FromLong(i);
        if (!number || PyDict_SetItemString(dict, name_of(i), number) != 0)
            Py_CLEAR(dict);
        Py_XDECREF(number);
    }
    int added = dict ? PyModule_AddObjectRef(module, name, dict) : -1;
    Py_XDECREF(dict);
    return added;
}

static const char *code_name(int code)
{
    return sib_code_name((sib_code)code);
}

static const char *dtype_name(int dtype)
{
    return sib_dtype_name((sib_dtype)dtype);
}

static const char *port_type_name(int type)
{
    return sib_port_type_name((sib_port_type)type);
}

static int module_exec(PyObject *module)
{
    module_state *state = PyModule_GetState(module);
    PyMethodDef *const tables[] = {
        SPEC_METHODS,  FEATURE_METHODS,  STREAM_METHODS,  AUDIO_METHODS,    CONV_METHODS,
        VALUE_METHODS, MODEL_METHODS,    SESSION_METHODS, IMPORT_METHODS,   TEXT_METHODS,
        JOB_METHODS,   EXTEND_METHODS,   BACKEND_METHODS, LOWERING_METHODS, OPS_METHODS,
        WATCH_METHODS, DIFF_METHODS,     LIVE_METHODS,    TENSOR_METHODS,   TIMING_METHODS,
        FIXED_METHODS, QUANTIZE_METHODS, TILE_METHODS,    CONFORM_METHODS,  GENERATION_METHODS};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        if (PyModule_AddFunctions(module, tables[i]) != 0)
            return -1;
    state->samples_type = samples_type(module);
    state->memory_type = memory_type(module);
    if (!state->samples_type || !state->memory_type ||
        PyModule_AddStringConstant(module, "version", sib_version()) != 0)
        return -1;
    /* a lowering that cannot go on yet unwinds by it: no Exception, so that no code between catches it */
    PyObject *ended = PyErr_NewException("sibyl._sibyl.Ended", PyExc_BaseException, NULL);
    int added = ended ? PyModule_AddObjectRef(module, "Ended", ended) : -1;
    Py_XDECREF(ended);
    if (added != 0)
        return -1;
    if (add_numbers(module, "codes", SIB_OK, SIB_ERR_CANCELLED, code_name) != 0)
        return -1;
    if (add_numbers(module, "dtypes", SIB_F32, SIB_I2, dtype_name) != 0)
        return -1;
    return add_numbers(module, "port_types", SIB_PORT_AUDIO, SIB_PORT_SPANS, port_type_name);
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    module_state *state = PyModule_GetState(module);
    if (state) {
        Py_VISIT(state->samples_type);
        Py_VISIT(state->memory_type);
    }
    return 0;
}

static int module_clear(PyObject *module)
{
    module_state *state = PyModule_GetState(module);
    if (state) {
        Py_CLEAR(state->samples_type);
        Py_CLEAR(state->memory_type);
    }
    return 0;
}

static PyModuleDef_Slot MODULE_SLOTS[] = {
    {Py_mod_exec, module_exec},
    {0, NULL},
};

static PyModuleDef MODULE = {.m_base = PyModuleDef_HEAD_INIT,
                             .m_name = "sibyl._sibyl",
                             .m_doc =
                                 "The C library behind the package; its functions take checked arguments.",
                             .m_size = sizeof(module_state),
                             .m_methods = MODULE_METHODS,
                             .m_slots = MODULE_SLOTS,
                             .m_traverse = module_traverse,
                             .m_clear = module_clear};

PyMODINIT_FUNC PyInit__sibyl(void);
PyMODINIT_FUNC PyInit__sibyl(void)
{
    return PyModuleDef_Init(&MODULE);
}
