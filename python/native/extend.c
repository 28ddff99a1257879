/* Operators written in Python: registered, and called back with the interpreter's lock taken. */
#include "ext.h"

#include <stdio.h>
#include <string.h>

/* ---- Registries ----------------------------------------------------------------------------------------- */

static void registry_release(PyObject *handle)
{
    sib_registry *r = PyCapsule_GetPointer(handle, HANDLE_REGISTRY);
    sib_registry_free(&r);
}

sib_registry *registry_of(PyObject *handle)
{
    return PyCapsule_GetPointer(handle, HANDLE_REGISTRY);
}

static PyObject *registry_create(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    sib_registry *r = NULL;
    sib_error err = SIB_ERROR_INIT;
    if (sib_registry_create(&r, &err) != SIB_OK)
        return error_raise(&err, NULL);
    PyObject *handle = PyCapsule_New(r, HANDLE_REGISTRY, registry_release);
    if (!handle)
        sib_registry_free(&r);
    return handle;
}

static PyObject *registry_operators(PyObject *module, PyObject *handle)
{
    (void)module;
    const sib_registry *r = registry_of(handle);
    PyObject *list = r ? PyList_New(0) : NULL;
    for (size_t i = 0; list && sib_registry_operator(r, i); i++)
        list_take(&list, text_or_none(sib_registry_operator(r, i)));
    return list;
}

static PyObject *plugin_load(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *handle;
    const char *path;
    sib_error err = SIB_ERROR_INIT;
    if (!PyArg_ParseTuple(args, "Oy:plugin_load", &handle, &path) || !registry_of(handle))
        return NULL;
    if (sib_plugin_load(registry_of(handle), path, &err) != SIB_OK)
        return error_raise(&err, NULL);
    Py_RETURN_NONE;
}

static PyObject *functions_register(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *handle;
    const char *text, *label;
    Py_ssize_t size;
    sib_error err = SIB_ERROR_INIT;
    if (!PyArg_ParseTuple(args, "Oy#s:functions_register", &handle, &text, &size, &label) ||
        !registry_of(handle))
        return NULL;
    if (sib_function_register_text(registry_of(handle), text, (size_t)size, label, &err) != SIB_OK)
        return error_raise(&err, NULL);
    Py_RETURN_NONE;
}

/* ---- Attributes ------------------------------------------------------------------------------------------- */

static PyObject *text_of(sib_str s)
{
    return PyUnicode_DecodeUTF8(s.data, (Py_ssize_t)s.length, "surrogateescape");
}

static PyObject *attribute_item(PyObject *module, const sib_attribute *a, size_t i)
{
    sib_value *v = NULL;
    sib_error err = SIB_ERROR_INIT;
    if (a->ints)
        return PyLong_FromLongLong(a->ints[i]);
    if (a->floats)
        return PyFloat_FromDouble((double)a->floats[i]);
    if (a->strings)
        return text_of(a->strings[i]);
    if (!a->tensors)
        return Py_NewRef(Py_None);
    if (sib_value_from_tensor(a->tensors[i], &v, &err) != SIB_OK)
        return error_raise(&err, NULL);
    return value_lend(module, v);
}

static bool is_single(sib_attribute_kind kind)
{
    return kind == SIB_ATTRIBUTE_INT || kind == SIB_ATTRIBUTE_FLOAT || kind == SIB_ATTRIBUTE_STRING ||
           kind == SIB_ATTRIBUTE_TENSOR;
}

void attribute_put(PyObject *module, PyObject **dict, const sib_attribute *a)
{
    PyObject *value = is_single(a->kind) ? attribute_item(module, a, 0) : PyList_New(0);
    for (size_t k = 0; value && !is_single(a->kind) && k < a->n; k++)
        list_take(&value, attribute_item(module, a, k));
    if (!value || PyDict_SetItemString(*dict, a->name, value) != 0)
        Py_CLEAR(*dict);
    Py_XDECREF(value);
}

PyObject *attributes_of(PyObject *module, const sib_node *node, PyObject *names)
{
    PyObject *dict = PyDict_New();
    for (Py_ssize_t i = 0; dict && i < PyList_Size(names); i++) {
        sib_attribute a;
        const char *name = PyUnicode_AsUTF8AndSize(PyList_GetItem(names, i), NULL);
        if (name && sib_node_attribute(node, name, &a))
            attribute_put(module, &dict, &a);
    }
    return dict;
}

/* ---- Callbacks -------------------------------------------------------------------------------------------- */

typedef struct user_operator {
    PyObject *module, *names; /* names: of the attributes, a list */
    PyObject *function, *shape;
} user_operator;

static void on_release(void *context)
{
    user_operator *op = context;
    PyGILState_STATE lock = PyGILState_Ensure();
    Py_XDECREF(op->module);
    Py_XDECREF(op->names);
    Py_XDECREF(op->function);
    Py_XDECREF(op->shape);
    PyMem_Free(op);
    PyGILState_Release(lock);
}

PyObject *call_inputs(PyObject *module, const sib_call *c)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < sib_call_inputs(c); i++) {
        sib_value *copy = NULL;
        sib_error err = SIB_ERROR_INIT;
        if (!sib_call_input(c, i))
            list_take(&list, Py_NewRef(Py_None));
        else if (sib_value_clone(sib_call_input(c, i), &copy, &err) == SIB_OK)
            list_take(&list, value_lend(module, copy));
        else {
            error_raise(&err, NULL);
            Py_CLEAR(list);
        }
    }
    return list;
}

sib_code call_give(sib_call *c, PyObject *values, sib_error *err)
{
    sib_code code = SIB_OK;
    for (size_t i = 0; i < sib_call_outputs(c) && code == SIB_OK; i++) {
        PyObject *item = PyList_GetItem(values, (Py_ssize_t)i);
        const sib_value *v = item && item != Py_None ? value_of(item) : NULL;
        if (item != Py_None)
            code = v ? sib_call_give(c, i, v, err) : error_take(err);
    }
    return code;
}

static sib_code on_run(void *context, sib_call *c, sib_error *err)
{
    const user_operator *op = context;
    PyGILState_STATE lock = PyGILState_Ensure();
    PyObject *inputs = call_inputs(op->module, c);
    PyObject *attributes = inputs ? attributes_of(op->module, sib_call_node(c), op->names) : NULL;
    PyObject *values = attributes ? PyObject_CallFunction(op->function, "OOn", inputs, attributes,
                                                          (Py_ssize_t)sib_call_outputs(c))
                                  : NULL;
    sib_code code = values ? call_give(c, values, err) : error_take(err);
    Py_XDECREF(values);
    Py_XDECREF(attributes);
    Py_XDECREF(inputs);
    PyGILState_Release(lock);
    return code;
}

static sib_code on_lowering(const user_operator *op, PyObject *function, sib_lowering *l, sib_error *err)
{
    PyGILState_STATE lock = PyGILState_Ensure();
    PyObject *handle = lowering_handle(l);
    PyObject *attributes = handle ? attributes_of(op->module, sib_lowering_node(l), op->names) : NULL;
    PyObject *done = attributes ? PyObject_CallFunction(function, "OO", handle, attributes) : NULL;
    sib_code code = SIB_OK;
    if (!done && handle && !sib_lowering_ok(l))
        PyErr_Clear(); /* it ended for something that is not known yet, or has failed already */
    else if (!done)
        code = error_take(err);
    if (handle)
        lowering_over(handle);
    Py_XDECREF(done);
    Py_XDECREF(attributes);
    Py_XDECREF(handle);
    PyGILState_Release(lock);
    return code;
}

static sib_code on_shape(void *context, sib_lowering *l, sib_error *err)
{
    const user_operator *op = context;
    return on_lowering(op, op->shape, l, err);
}

static sib_code on_lower(void *context, sib_lowering *l, sib_error *err)
{
    const user_operator *op = context;
    return on_lowering(op, op->function, l, err);
}

/* ---- Registering ------------------------------------------------------------------------------------------ */

/* The lists of a default, until it is registered. */
typedef struct default_items {
    int64_t *ints;
    float *floats;
    sib_str *strings;
    const sib_tensor **tensors;
} default_items;

static bool read_item(PyObject *item, sib_attribute_kind kind, default_items *to, Py_ssize_t i)
{
    Py_ssize_t length;
    const sib_value *v;
    switch (kind) {
    case SIB_ATTRIBUTE_INT:
    case SIB_ATTRIBUTE_INTS:
        to->ints[i] = PyLong_AsLongLong(item);
        break;
    case SIB_ATTRIBUTE_FLOAT:
    case SIB_ATTRIBUTE_FLOATS:
        to->floats[i] = (float)PyFloat_AsDouble(item);
        break;
    case SIB_ATTRIBUTE_TENSOR:
        v = value_of(item);
        to->tensors[i] = v ? sib_value_tensor(v) : NULL;
        break;
    default:
        to->strings[i].data = PyUnicode_AsUTF8AndSize(item, &length);
        to->strings[i].length = (size_t)length;
    }
    return !PyErr_Occurred();
}

/* item: (name, kind, required, list of the default's items). */
static bool read_attribute(PyObject *item, sib_operator_attribute *out, default_items *to)
{
    const char *name;
    int kind, required;
    PyObject *list;
    if (!PyArg_ParseTuple(item, "sipO!:attribute", &name, &kind, &required, &PyList_Type, &list))
        return false;
    Py_ssize_t n = PyList_Size(list);
    *out =
        (sib_operator_attribute){{.name = name, .kind = (sib_attribute_kind)kind, .n = (size_t)n}, required};
    to->ints = PyMem_Calloc((size_t)n + 1, sizeof *to->ints);
    to->floats = PyMem_Calloc((size_t)n + 1, sizeof *to->floats);
    to->strings = PyMem_Calloc((size_t)n + 1, sizeof *to->strings);
    to->tensors = PyMem_Calloc((size_t)n + 1, sizeof *to->tensors);
    if (!to->ints || !to->floats || !to->strings || !to->tensors)
        return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < n; i++)
        if (!read_item(PyList_GetItem(list, i), out->value.kind, to, i))
            return false;
    if (kind == SIB_ATTRIBUTE_INT || kind == SIB_ATTRIBUTE_INTS)
        out->value.ints = to->ints;
    else if (kind == SIB_ATTRIBUTE_FLOAT || kind == SIB_ATTRIBUTE_FLOATS)
        out->value.floats = to->floats;
    else if (kind == SIB_ATTRIBUTE_TENSOR)
        out->value.tensors = to->tensors;
    else
        out->value.strings = to->strings;
    return true;
}

static void free_items(default_items *items, Py_ssize_t n)
{
    for (Py_ssize_t i = 0; items && i < n; i++) {
        PyMem_Free(items[i].ints);
        PyMem_Free(items[i].floats);
        PyMem_Free(items[i].strings);
        PyMem_Free(items[i].tensors);
    }
    PyMem_Free(items);
}

static user_operator *make_user(PyObject *module, PyObject *attributes, PyObject *function, PyObject *shape)
{
    user_operator *op = PyMem_Calloc(1, sizeof *op);
    if (!op)
        return (user_operator *)PyErr_NoMemory();
    *op = (user_operator){Py_NewRef(module), PyList_New(0), Py_NewRef(function),
                          shape == Py_None ? NULL : Py_NewRef(shape)};
    for (Py_ssize_t i = 0; op->names && i < PyList_Size(attributes); i++)
        list_take(&op->names, Py_XNewRef(PyTuple_GetItem(PyList_GetItem(attributes, i), 0)));
    if (!op->names) {
        on_release(op);
        return NULL;
    }
    return op;
}

static PyObject *operator_register(PyObject *module, PyObject *args)
{
    PyObject *registry, *types, *attributes, *function, *shape;
    sib_operator op = {0};
    long long since, until;
    int replaces, lowers;
    sib_error err = SIB_ERROR_INIT;
    if (!PyArg_ParseTuple(args, "OssLLiiiO!O!ppOO:operator_register", &registry, &op.domain, &op.name, &since,
                          &until, &op.min_inputs, &op.max_inputs, &op.max_outputs, &PyList_Type, &types,
                          &PyList_Type, &attributes, &replaces, &lowers, &function, &shape))
        return NULL;
    sib_registry *r = registry_of(registry);
    const char **texts = r ? texts_of(types, &op.n_types) : NULL;
    Py_ssize_t n = PyList_Size(attributes);
    default_items *items = texts ? PyMem_Calloc((size_t)n + 1, sizeof *items) : NULL;
    sib_operator_attribute *list = items ? PyMem_Calloc((size_t)n + 1, sizeof *list) : NULL;
    bool ok = list != NULL;
    for (Py_ssize_t i = 0; i < n && ok; i++)
        ok = read_attribute(PyList_GetItem(attributes, i), &list[i], &items[i]);
    user_operator *user = ok ? make_user(module, attributes, function, shape) : NULL;
    if (user) {
        op.since = since;
        op.until = until;
        op.types = texts;
        op.attributes = list;
        op.n_attributes = (size_t)n;
        op.replaces_standard = replaces;
        op.context = user;
        op.release = on_release;
        op.run = lowers ? NULL : on_run;
        op.lower = lowers ? on_lower : NULL;
        op.shape = user->shape ? on_shape : NULL;
        if (sib_operator_register(r, &op, &err) != SIB_OK) {
            on_release(user);
            error_raise(&err, NULL);
        }
    } else if (!PyErr_Occurred())
        PyErr_NoMemory();
    free_items(items, n);
    PyMem_Free(list);
    PyMem_Free(texts);
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

PyMethodDef EXTEND_METHODS[] = {
    {"registry_create", registry_create, METH_NOARGS, "registry_create() -> registry"},
    {"registry_operators", registry_operators, METH_O, "registry_operators(registry) -> list of names"},
    {"plugin_load", plugin_load, METH_VARARGS, "plugin_load(registry, path)"},
    {"functions_register", functions_register, METH_VARARGS, "functions_register(registry, text, label)"},
    {"operator_register", operator_register, METH_VARARGS,
     "operator_register(registry, domain, name, since, until, min_inputs, max_inputs, max_outputs, types, "
     "attributes, replaces, lowers, function, shape)"},
    {NULL, NULL, 0, NULL},
};
