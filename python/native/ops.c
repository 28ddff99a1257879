/* Operators as plain calls. */
#include "ext.h"

#include <string.h>
#include <unistd.h>

/* The threads of a context do not live on in a child process after fork, so there it is left unfreed. */
typedef struct ext_ops {
    sib_ops *ops;
    pid_t owner;
} ext_ops;

static void ops_release(PyObject *handle)
{
    ext_ops *o = PyCapsule_GetPointer(handle, HANDLE_OPS);
    if (o->owner == getpid()) {
        Py_BEGIN_ALLOW_THREADS sib_ops_free(&o->ops);
        Py_END_ALLOW_THREADS
    }
    PyMem_Free(o);
}

static PyObject *ops_create(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *registry;
    sib_ops_options options = {0};
    sib_error err = SIB_ERROR_INIT;
    if (!PyArg_ParseTuple(args, "IzO:ops_create", &options.threads, &options.backends, &registry) ||
        !(options.registry = registry_of(registry)))
        return NULL;
    ext_ops *o = PyMem_Calloc(1, sizeof *o);
    if (!o)
        return PyErr_NoMemory();
    o->owner = getpid();
    if (sib_ops_create(&options, &o->ops, &err) != SIB_OK) {
        PyMem_Free(o);
        return error_raise(&err, NULL);
    }
    PyObject *handle = PyCapsule_New(o, HANDLE_OPS, ops_release);
    if (!handle) {
        sib_ops_free(&o->ops);
        PyMem_Free(o);
    }
    return handle;
}

/* ---- Attributes -------------------------------------------------------------------------------------- */

/* Attributes (n) from a list of (name, kind, items), which keeps their names and strings. */
typedef struct ext_attributes {
    size_t n;
    sib_attribute *list; /* (n) */
    void **items;        /* (n) the array of each */
} ext_attributes;

static void attributes_free(ext_attributes *a)
{
    for (size_t i = 0; a->items && i < a->n; i++)
        PyMem_Free(a->items[i]);
    PyMem_Free(a->items);
    PyMem_Free(a->list);
}

/* Item i of a list into place i of the array for its kind. */
static bool put_item(int kind, PyObject *item, size_t i, void *items)
{
    Py_ssize_t length;
    char *text;
    switch (kind) {
    case SIB_ATTRIBUTE_FLOAT:
    case SIB_ATTRIBUTE_FLOATS:
        ((float *)items)[i] = (float)PyFloat_AsDouble(item);
        break;
    case SIB_ATTRIBUTE_INT:
    case SIB_ATTRIBUTE_INTS:
        ((int64_t *)items)[i] = PyLong_AsLongLong(item);
        break;
    case SIB_ATTRIBUTE_STRING:
    case SIB_ATTRIBUTE_STRINGS:
        if (PyBytes_AsStringAndSize(item, &text, &length) == 0)
            ((sib_str *)items)[i] = (sib_str){text, (size_t)length};
        break;
    default: {
        const sib_value *v = value_of(item);
        ((const sib_tensor **)items)[i] = v ? sib_value_tensor(v) : NULL;
    }
    }
    return !PyErr_Occurred();
}

static bool put_attribute(PyObject *given, sib_attribute *out, void **items)
{
    PyObject *list;
    int kind;
    if (!PyArg_ParseTuple(given, "siO!", &out->name, &kind, &PyList_Type, &list))
        return false;
    const size_t n = (size_t)PyList_Size(list);
    *items = PyMem_Calloc(n + 1, sizeof(sib_str)); /* the largest kind of item */
    if (!*items) {
        PyErr_NoMemory();
        return false;
    }
    for (size_t i = 0; i < n; i++)
        if (!put_item(kind, PyList_GetItem(list, (Py_ssize_t)i), i, *items))
            return false;
    out->kind = (sib_attribute_kind)kind;
    out->n = n;
    if (kind == SIB_ATTRIBUTE_FLOAT || kind == SIB_ATTRIBUTE_FLOATS)
        out->floats = *items;
    else if (kind == SIB_ATTRIBUTE_INT || kind == SIB_ATTRIBUTE_INTS)
        out->ints = *items;
    else if (kind == SIB_ATTRIBUTE_STRING || kind == SIB_ATTRIBUTE_STRINGS)
        out->strings = *items;
    else
        out->tensors = *items;
    return true;
}

static bool attributes_take(PyObject *list, ext_attributes *a)
{
    const size_t n = (size_t)PyList_Size(list);
    a->list = PyMem_Calloc(n + 1, sizeof *a->list);
    a->items = PyMem_Calloc(n + 1, sizeof *a->items);
    if (!a->list || !a->items) {
        PyErr_NoMemory();
        return false;
    }
    a->n = n;
    for (size_t i = 0; i < n; i++)
        if (!put_attribute(PyList_GetItem(list, (Py_ssize_t)i), &a->list[i], &a->items[i]))
            return false;
    return true;
}

/* ---- Calls -------------------------------------------------------------------------------------------- */

#define MAX_OUTPUTS 64

static PyObject *lend_all(PyObject *module, sib_value **out, size_t n)
{
    PyObject *list = PyList_New((Py_ssize_t)n);
    for (size_t i = 0; i < n; i++) {
        sib_value *v = out[i];
        PyObject *item = list ? value_lend(module, v) : NULL;
        if (!list)
            sib_value_free(&v);
        else if (!item)
            Py_CLEAR(list);
        else
            PyList_SetItem(list, (Py_ssize_t)i, item);
    }
    return list;
}

static PyObject *call_now(PyObject *module, sib_ops *ops, const sib_op *op, PyObject *inputs, size_t n_out)
{
    const size_t n = (size_t)PyList_Size(inputs);
    const sib_value **in = PyMem_Calloc(n + 1, sizeof *in);
    sib_value *out[MAX_OUTPUTS];
    sib_error err = SIB_ERROR_INIT;
    sib_code code = SIB_ERR_ARGUMENT;
    bool ok = in;
    if (!in)
        PyErr_NoMemory();
    for (size_t i = 0; i < n && ok; i++) {
        PyObject *item = PyList_GetItem(inputs, (Py_ssize_t)i);
        in[i] = item == Py_None ? NULL : value_of(item);
        ok = item == Py_None || in[i];
    }
    if (ok) {
        Py_BEGIN_ALLOW_THREADS code = sib_ops_call(ops, op, n, in, n_out, out, &err);
        Py_END_ALLOW_THREADS if (code != SIB_OK) error_raise(&err, NULL);
    }
    PyMem_Free(in);
    return ok && code == SIB_OK ? lend_all(module, out, n_out) : NULL;
}

static PyObject *ops_call(PyObject *module, PyObject *args)
{
    PyObject *handle, *attributes, *inputs, *result = NULL;
    sib_op op = {0};
    long long version;
    int n_out;
    if (!PyArg_ParseTuple(args, "OssLO!O!i:ops_call", &handle, &op.domain, &op.type, &version, &PyList_Type,
                          &attributes, &PyList_Type, &inputs, &n_out))
        return NULL;
    const ext_ops *o = PyCapsule_GetPointer(handle, HANDLE_OPS);
    if (!o)
        return NULL;
    if (n_out < 1 || n_out > MAX_OUTPUTS)
        return PyErr_Format(PyExc_ValueError, "outputs is %d, expected 1 to %d", n_out, MAX_OUTPUTS);
    ext_attributes a = {0};
    op.version = version;
    if (attributes_take(attributes, &a)) {
        op.n_attributes = a.n;
        op.attributes = a.list;
        result = call_now(module, o->ops, &op, inputs, (size_t)n_out);
    }
    attributes_free(&a);
    return result;
}

PyMethodDef OPS_METHODS[] = {
    {"ops_create", ops_create, METH_VARARGS, "ops_create(threads, backends, registry) -> context of calls"},
    {"ops_call", ops_call, METH_VARARGS,
     "ops_call(context, domain, type, version, attributes, inputs, outputs) -> list of values"},
    {NULL, NULL, 0, NULL},
};
