/* Backends written in Python, called back with the interpreter's lock taken. */
#include "ext.h"

static PyObject *registry_backends(PyObject *module, PyObject *handle)
{
    (void)module;
    const sib_registry *r = registry_of(handle);
    PyObject *list = r ? PyList_New(0) : NULL;
    for (size_t i = 0; list && sib_registry_backend(r, i); i++)
        list_take(&list, text_or_none(sib_registry_backend(r, i)));
    return list;
}

typedef struct user_backend {
    PyObject *module, *object; /* object: has the methods _supports, _prepare and _run */
} user_backend;

static void on_backend_release(void *context)
{
    user_backend *b = context;
    PyGILState_STATE lock = PyGILState_Ensure();
    Py_XDECREF(b->module);
    Py_XDECREF(b->object);
    PyMem_Free(b);
    PyGILState_Release(lock);
}

/* (dtype, dims, constant) of an input or output, None for one that is omitted. */
static PyObject *end_of(PyObject *module, bool there, const sib_value_info *v)
{
    sib_value *constant = NULL;
    sib_error err = SIB_ERROR_INIT;
    if (!there)
        return Py_NewRef(Py_None);
    PyObject *dims = v->ranked ? PyList_New(0) : Py_NewRef(Py_None);
    for (size_t i = 0; v->ranked && i < v->rank; i++)
        list_take(&dims, v->dims[i] < 0 ? Py_NewRef(Py_None) : PyLong_FromLongLong(v->dims[i]));
    if (v->constant && sib_value_from_tensor(v->constant, &constant, &err) != SIB_OK) {
        Py_XDECREF(dims);
        return error_raise(&err, NULL);
    }
    PyObject *elements = constant ? value_lend(module, constant) : Py_NewRef(Py_None);
    if (elements && dims)
        return Py_BuildValue("(iNN)", (int)v->dtype, dims, elements);
    Py_XDECREF(elements);
    Py_XDECREF(dims);
    return NULL;
}

/* (name, domain, type, version, inputs, outputs, attributes) */
static PyObject *node_tuple(PyObject *module, const sib_node *n)
{
    sib_node_info about;
    sib_value_info v;
    sib_attribute a;
    PyObject *inputs = PyList_New(0), *outputs = PyList_New(0), *attributes = PyDict_New();
    sib_node_get_info(n, &about);
    for (size_t i = 0; inputs && i < about.n_inputs; i++)
        list_take(&inputs, end_of(module, sib_node_input(n, i, &v), &v));
    for (size_t i = 0; outputs && i < about.n_outputs; i++)
        list_take(&outputs, end_of(module, sib_node_output(n, i, &v), &v));
    for (size_t i = 0; attributes && sib_node_attribute_at(n, i, &a); i++)
        attribute_put(module, &attributes, &a);
    if (inputs && outputs && attributes)
        return Py_BuildValue("(sssLNNN)", about.name, about.domain, about.type, (long long)about.version,
                             inputs, outputs, attributes);
    Py_XDECREF(inputs);
    Py_XDECREF(outputs);
    Py_XDECREF(attributes);
    return NULL;
}

/* object.method(node) */
static PyObject *call_with_node(const user_backend *b, const char *method, const sib_node *n)
{
    PyObject *node = node_tuple(b->module, n);
    PyObject *result = node ? PyObject_CallMethod(b->object, method, "(O)", node) : NULL;
    Py_XDECREF(node);
    return result;
}

static bool on_supports(void *context, const sib_node *n)
{
    const user_backend *b = context;
    PyGILState_STATE lock = PyGILState_Ensure();
    PyObject *result = call_with_node(b, "_supports", n);
    int is = result ? PyObject_IsTrue(result) : -1;
    if (is < 0)
        PyErr_WriteUnraisable(b->object); /* nothing can fail here: the node goes to others */
    Py_XDECREF(result);
    PyGILState_Release(lock);
    return is > 0;
}

static sib_code on_prepare(void *context, const sib_node *n, void **state, sib_error *err)
{
    PyGILState_STATE lock = PyGILState_Ensure();
    *state = call_with_node(context, "_prepare", n);
    sib_code code = *state ? SIB_OK : error_take(err);
    PyGILState_Release(lock);
    return code;
}

static void on_discard(void *context, void *state)
{
    (void)context;
    PyGILState_STATE lock = PyGILState_Ensure();
    Py_XDECREF((PyObject *)state);
    PyGILState_Release(lock);
}

static sib_code on_backend_run(void *context, void *state, sib_call *c, sib_error *err)
{
    const user_backend *b = context;
    PyGILState_STATE lock = PyGILState_Ensure();
    PyObject *inputs = call_inputs(b->module, c);
    PyObject *values = inputs ? PyObject_CallMethod(b->object, "_run", "OOn", (PyObject *)state, inputs,
                                                    (Py_ssize_t)sib_call_outputs(c))
                              : NULL;
    sib_code code = values ? call_give(c, values, err) : error_take(err);
    Py_XDECREF(values);
    Py_XDECREF(inputs);
    PyGILState_Release(lock);
    return code;
}

static PyObject *backend_register(PyObject *module, PyObject *args)
{
    PyObject *handle, *object;
    const char *name;
    sib_error err = SIB_ERROR_INIT;
    if (!PyArg_ParseTuple(args, "OsO:backend_register", &handle, &name, &object) || !registry_of(handle))
        return NULL;
    user_backend *user = PyMem_Calloc(1, sizeof *user);
    if (!user)
        return PyErr_NoMemory();
    *user = (user_backend){Py_NewRef(module), Py_NewRef(object)};
    const sib_backend_definition b = {.name = name,
                                      .context = user,
                                      .release = on_backend_release,
                                      .supports = on_supports,
                                      .prepare = on_prepare,
                                      .discard = on_discard,
                                      .run = on_backend_run};
    if (sib_backend_register(registry_of(handle), &b, &err) != SIB_OK) {
        on_backend_release(user);
        return error_raise(&err, NULL);
    }
    Py_RETURN_NONE;
}

PyMethodDef BACKEND_METHODS[] = {
    {"registry_backends", registry_backends, METH_O, "registry_backends(registry) -> list of names"},
    {"backend_register", backend_register, METH_VARARGS, "backend_register(registry, name, object)"},
    {NULL, NULL, 0, NULL},
};
