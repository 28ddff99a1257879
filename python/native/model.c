/* Models: what a file says, as dicts. */
#include "ext.h"

#include <string.h>

static void model_release(PyObject *handle)
{
    sib_model *m = PyCapsule_GetPointer(handle, HANDLE_MODEL);
    sib_model_free(&m);
}

sib_model *model_of(PyObject *handle)
{
    return PyCapsule_GetPointer(handle, HANDLE_MODEL);
}

static PyObject *model_open(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *registry, *log;
    const char *path, *folder;
    int level;
    Py_buffer bytes;
    if (!PyArg_ParseTuple(args, "O&z*O&OOi:model_open", path_of, &path, &bytes, path_of, &folder, &registry,
                          &log, &level))
        return NULL;
    sib_open_options options = {.folder = folder,
                                .registry = registry == Py_None ? NULL : registry_of(registry),
                                .log = logger_of(log, level)};
    if (PyErr_Occurred()) {
        if (bytes.obj)
            PyBuffer_Release(&bytes);
        return NULL;
    }
    sib_model *m = NULL;
    sib_error err = SIB_ERROR_INIT;
    sib_code code;
    Py_BEGIN_ALLOW_THREADS if (path) code = sib_model_open(path, &options, &m, &err);
    else code = sib_model_open_bytes(bytes.buf, (size_t)bytes.len, &options, &m, &err);
    Py_END_ALLOW_THREADS if (bytes.obj) PyBuffer_Release(&bytes);
    if (code != SIB_OK)
        return error_raise(&err, NULL);
    PyObject *handle = PyCapsule_New(m, HANDLE_MODEL, model_release);
    if (!handle)
        sib_model_free(&m);
    return handle;
}

static PyObject *model_part(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *whole, *names;
    if (!PyArg_ParseTuple(args, "OO!:model_part", &whole, &PyList_Type, &names) || !model_of(whole))
        return NULL;
    Py_ssize_t n = PyList_Size(names);
    const char **outputs = PyMem_Calloc((size_t)n + 1, sizeof *outputs);
    bool ok = outputs != NULL;
    for (Py_ssize_t i = 0; ok && i < n; i++)
        ok = (outputs[i] = PyUnicode_AsUTF8AndSize(PyList_GetItem(names, i), NULL)) != NULL;
    sib_model *m = NULL;
    sib_error err = SIB_ERROR_INIT;
    sib_code code = ok ? sib_model_part(model_of(whole), outputs, (size_t)n, &m, &err) : SIB_OK;
    PyMem_Free(outputs);
    if (!ok)
        return PyErr_Occurred() ? NULL : PyErr_NoMemory();
    if (code != SIB_OK)
        return error_raise(&err, NULL);
    PyObject *handle = PyCapsule_New(m, HANDLE_MODEL, model_release);
    if (!handle)
        sib_model_free(&m);
    return handle;
}

static PyObject *session_model(PyObject *module, PyObject *session)
{
    (void)module;
    sib_session *s = session_of(session);
    sib_model *m = s ? sib_model_keep((sib_model *)(uintptr_t)sib_session_model(s)) : NULL;
    PyObject *handle = m ? PyCapsule_New(m, HANDLE_MODEL, model_release) : NULL;
    if (!handle)
        sib_model_free(&m);
    return handle;
}

/* ---- Dicts and lists whose items are taken over; a failed item fails the whole ------------------------ */

static void put(PyObject **dict, const char *key, PyObject *item)
{
    if (*dict && (!item || PyDict_SetItemString(*dict, key, item) != 0))
        Py_CLEAR(*dict);
    Py_XDECREF(item);
}

void list_take(PyObject **list, PyObject *item)
{
    if (*list && (!item || PyList_Append(*list, item) != 0))
        Py_CLEAR(*list);
    Py_XDECREF(item);
}

PyObject *text_or_none(const char *s)
{
    return s ? PyUnicode_DecodeUTF8(s, (Py_ssize_t)strlen(s), "replace") : Py_NewRef(Py_None);
}

/* ---- Descriptions ----------------------------------------------------------------------------------- */

static PyObject *value_dict(const sib_value_info *v)
{
    PyObject *dict = PyDict_New(), *dims = v->ranked ? PyList_New(0) : Py_NewRef(Py_None);
    for (size_t i = 0; v->ranked && i < v->rank; i++)
        list_take(&dims, v->dims[i] >= 0 ? PyLong_FromLongLong(v->dims[i]) : text_or_none(v->dim_names[i]));
    put(&dict, "name", text_or_none(v->name));
    put(&dict, "type", text_or_none(v->type));
    put(&dict, "declared", text_or_none(v->declared));
    put(&dict, "dtype", text_or_none(sib_dtype_name(v->dtype)));
    put(&dict, "dims", dims);
    put(&dict, "has_default", PyBool_FromLong(v->optional_input));
    return dict;
}

static PyObject *value_list(const sib_model *m, bool (*get)(const sib_model *, size_t, sib_value_info *))
{
    PyObject *list = PyList_New(0);
    sib_value_info v;
    for (size_t i = 0; list && get(m, i, &v); i++)
        list_take(&list, value_dict(&v));
    return list;
}

static PyObject *model_info(PyObject *module, PyObject *handle)
{
    (void)module;
    const sib_model *m = model_of(handle);
    if (!m)
        return NULL;
    sib_model_info info;
    const char *key, *value;
    int64_t version;
    sib_model_get_info(m, &info);
    PyObject *dict = PyDict_New(), *opsets = PyDict_New(), *metadata = PyDict_New(), *noticed = PyList_New(0);
    for (size_t i = 0; sib_model_opset(m, i, &key, &version); i++)
        put(&opsets, *key ? key : "ai.onnx", PyLong_FromLongLong(version));
    for (size_t i = 0; sib_model_metadata(m, i, &key, &value); i++)
        put(&metadata, key, text_or_none(value));
    for (size_t i = 0; sib_model_diagnostic(m, i); i++)
        list_take(&noticed, text_or_none(sib_model_diagnostic(m, i)));
    put(&dict, "graph", text_or_none(info.graph_name));
    put(&dict, "graph_description", text_or_none(info.graph_doc));
    put(&dict, "producer", text_or_none(info.producer_name));
    put(&dict, "producer_version", text_or_none(info.producer_version));
    put(&dict, "domain", text_or_none(info.domain));
    put(&dict, "description", text_or_none(info.doc));
    put(&dict, "ir_version", PyLong_FromLongLong(info.ir_version));
    put(&dict, "model_version", PyLong_FromLongLong(info.model_version));
    put(&dict, "parameters", PyLong_FromUnsignedLongLong(info.parameters));
    put(&dict, "parameter_bytes", PyLong_FromUnsignedLongLong(info.parameter_bytes));
    put(&dict, "opsets", opsets);
    put(&dict, "metadata", metadata);
    put(&dict, "noticed", noticed);
    put(&dict, "inputs", value_list(m, sib_model_input));
    put(&dict, "outputs", value_list(m, sib_model_output));
    return dict;
}

/* The names of values, or their types; None for one that is left out. */
static PyObject *values_of(const sib_graph *g, size_t n, const uint32_t *ids, bool types)
{
    PyObject *list = PyList_New(0);
    sib_value_info v;
    for (size_t i = 0; list && i < n; i++) {
        bool there = ids[i] != SIB_NONE && sib_graph_value(g, ids[i], &v);
        list_take(&list, text_or_none(!there ? NULL : types ? v.type : v.name));
    }
    return list;
}

static PyObject *node_dict(const sib_graph *g, size_t i, const sib_node_info *n)
{
    PyObject *dict = PyDict_New(), *attributes = PyDict_New(), *graphs = PyDict_New();
    sib_attribute a;
    for (size_t k = 0; sib_graph_attribute(g, i, k, &a); k++) {
        PyObject *numbers = PyList_New(0);
        for (uint32_t inner, item = 0; (inner = sib_graph_inner(g, i, k, item)) != SIB_NONE; item++)
            list_take(&numbers, PyLong_FromUnsignedLong(inner));
        if (numbers && PyList_Size(numbers))
            put(&graphs, a.name, numbers);
        else
            Py_XDECREF(numbers);
        put(&attributes, a.name, text_or_none(a.text));
    }
    put(&dict, "name", text_or_none(n->name));
    put(&dict, "domain", text_or_none(n->domain));
    put(&dict, "type", text_or_none(n->type));
    put(&dict, "version", PyLong_FromLongLong(n->version));
    put(&dict, "known", PyBool_FromLong(n->known));
    put(&dict, "inputs", values_of(g, n->n_inputs, n->inputs, false));
    put(&dict, "outputs", values_of(g, n->n_outputs, n->outputs, false));
    put(&dict, "input_types", values_of(g, n->n_inputs, n->inputs, true));
    put(&dict, "output_types", values_of(g, n->n_outputs, n->outputs, true));
    put(&dict, "attributes", attributes);
    put(&dict, "flops", text_or_none(n->flops));
    put(&dict, "bytes", text_or_none(n->bytes));
    if (n->function)
        put(&dict, "function", text_or_none(n->function));
    if (graphs && PyDict_Size(graphs))
        put(&dict, "graphs", graphs);
    else
        Py_XDECREF(graphs);
    return dict;
}

static PyObject *nodes_of(const sib_graph *g)
{
    PyObject *list = PyList_New(0);
    sib_node_info n;
    for (size_t i = 0; list && sib_graph_node(g, i, &n); i++)
        list_take(&list, node_dict(g, i, &n));
    return list;
}

static PyObject *ends_of(const sib_graph *g, size_t n, const uint32_t *ids)
{
    PyObject *list = PyList_New(0);
    sib_value_info v;
    for (size_t i = 0; list && i < n; i++)
        if (sib_graph_value(g, ids[i], &v))
            list_take(&list, value_dict(&v));
    return list;
}

static PyObject *graph_dict(const sib_graph *g)
{
    PyObject *dict = PyDict_New();
    sib_graph_info info;
    sib_graph_get_info(g, &info);
    put(&dict, "name", text_or_none(info.name));
    put(&dict, "inputs", ends_of(g, info.n_inputs, info.inputs));
    put(&dict, "outputs", ends_of(g, info.n_outputs, info.outputs));
    put(&dict, "nodes", nodes_of(g));
    return dict;
}

static PyObject *model_nodes(PyObject *module, PyObject *handle)
{
    (void)module;
    const sib_model *m = model_of(handle);
    return m ? nodes_of(sib_model_graph(m, 0)) : NULL;
}

static PyObject *model_subgraphs(PyObject *module, PyObject *handle)
{
    (void)module;
    const sib_model *m = model_of(handle);
    PyObject *list = m ? PyList_New(0) : NULL;
    for (size_t i = 1; list && i < sib_model_graphs(m); i++) {
        sib_graph_info info;
        PyObject *dict = graph_dict(sib_model_graph(m, i));
        sib_graph_get_info(sib_model_graph(m, i), &info);
        put(&dict, "number", PyLong_FromSize_t(i));
        put(&dict, "outer", PyLong_FromUnsignedLong(info.outer));
        put(&dict, "holder", PyLong_FromUnsignedLong(info.holder));
        put(&dict, "attribute", text_or_none(info.attribute));
        list_take(&list, dict);
    }
    return list;
}

/* Sizes (n) of {name: size}, whose names the dict keeps; released with PyMem_Free. NULL with an exception. */
static sib_dim *sizes_of(PyObject *dict, size_t *n)
{
    Py_ssize_t at = 0;
    PyObject *name, *size;
    sib_dim *sizes = PyMem_Calloc((size_t)PyDict_Size(dict) + 1, sizeof *sizes);
    if (!sizes) {
        PyErr_NoMemory();
        return NULL;
    }
    for (*n = 0; PyDict_Next(dict, &at, &name, &size); (*n)++) {
        sizes[*n] = (sib_dim){PyUnicode_AsUTF8AndSize(name, NULL), PyLong_AsLongLong(size)};
        if (PyErr_Occurred()) {
            PyMem_Free(sizes);
            return NULL;
        }
    }
    return sizes;
}

static PyObject *model_milli(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *handle, *sizes;
    Py_ssize_t at, node;
    if (!PyArg_ParseTuple(args, "OnnO!:model_milli", &handle, &at, &node, &PyDict_Type, &sizes) ||
        !model_of(handle))
        return NULL;
    const sib_graph *g = at < 0 ? NULL : sib_model_graph(model_of(handle), (size_t)at);
    if (!g || node < 0)
        return PyErr_Format(PyExc_IndexError, "the model has no node %zd of a graph %zd", node, at);
    size_t n = 0;
    sib_dim *dims = sizes_of(sizes, &n);
    if (!dims)
        return NULL;
    sib_graph *milli = NULL;
    sib_error err = SIB_ERROR_INIT;
    sib_code code = sib_graph_milli(g, (size_t)node, n, dims, &milli, &err);
    PyMem_Free(dims);
    if (code != SIB_OK)
        return error_raise(&err, NULL);
    PyObject *dict = graph_dict(milli);
    sib_graph_free(&milli);
    return dict;
}

/* Draws the input of a number with a state; returns (value, state after it), or None where there is none. */
static PyObject *model_draw(PyObject *module, PyObject *args)
{
    PyObject *handle, *dict;
    Py_ssize_t which;
    unsigned long long given;
    size_t n = 0;
    sib_value_info info;
    sib_value *v = NULL;
    sib_error err = SIB_ERROR_INIT;
    if (!PyArg_ParseTuple(args, "OnO!K:model_draw", &handle, &which, &PyDict_Type, &dict, &given))
        return NULL;
    sib_model *m = model_of(handle);
    sib_dim *sizes = m ? sizes_of(dict, &n) : NULL;
    if (!sizes)
        return NULL;
    const bool found = sib_model_input(m, (size_t)which, &info);
    uint64_t state = given;
    sib_code code = found ? sib_value_random(&info, n, sizes, &state, &v, &err) : SIB_OK;
    PyMem_Free(sizes);
    if (code != SIB_OK)
        return error_raise(&err, NULL);
    if (!found)
        Py_RETURN_NONE;
    PyObject *value = value_lend(module, v);
    return value ? Py_BuildValue("(NK)", value, (unsigned long long)state) : NULL;
}

PyMethodDef MODEL_METHODS[] = {
    {"session_model", session_model, METH_O, "session_model(session) -> model"},
    {"model_open", model_open, METH_VARARGS,
     "model_open(path or None, bytes or None, folder of external data or None, registry or None, log, level) "
     "-> model"},
    {"model_part", model_part, METH_VARARGS, "model_part(model, names of outputs) -> model"},
    {"model_info", model_info, METH_O, "model_info(model) -> dict"},
    {"model_nodes", model_nodes, METH_O, "model_nodes(model) -> list of dicts"},
    {"model_subgraphs", model_subgraphs, METH_O, "model_subgraphs(model) -> list of dicts"},
    {"model_milli", model_milli, METH_VARARGS, "model_milli(model, graph, node, {dim: size}) -> dict"},
    {"model_draw", model_draw, METH_VARARGS,
     "model_draw(model, number of the input, {dim: size}, state) -> (value, state)"},
    {NULL, NULL, 0, NULL},
};
