/* What a lowering or shape function written in Python calls. */
#include "ext.h"

#include <string.h>

/* The lowering in a handle; NULL once its callback is over. */
typedef struct ext_lowering {
    sib_lowering *l;
} ext_lowering;

static void lowering_release(PyObject *handle)
{
    PyMem_Free(PyCapsule_GetPointer(handle, HANDLE_LOWERING));
}

PyObject *lowering_handle(sib_lowering *l)
{
    ext_lowering *e = PyMem_Calloc(1, sizeof *e);
    if (!e)
        return PyErr_NoMemory();
    e->l = l;
    PyObject *handle = PyCapsule_New(e, HANDLE_LOWERING, lowering_release);
    if (!handle)
        PyMem_Free(e);
    return handle;
}

void lowering_over(PyObject *handle)
{
    ext_lowering *e = PyCapsule_GetPointer(handle, HANDLE_LOWERING);
    e->l = NULL;
}

static sib_lowering *lowering_of(PyObject *handle)
{
    const ext_lowering *e = PyCapsule_GetPointer(handle, HANDLE_LOWERING);
    if (e && !e->l)
        PyErr_SetString(PyExc_RuntimeError, "a value of a lowering is used after it has returned");
    return e ? e->l : NULL;
}

/* result, or NULL with Ended raised where the lowering cannot go on. */
static PyObject *unless_ended(PyObject *module, const sib_lowering *l, PyObject *result)
{
    if (!result || sib_lowering_ok(l))
        return result;
    Py_DECREF(result);
    PyObject *ended = PyObject_GetAttrString(module, "Ended");
    if (ended)
        PyErr_SetNone(ended);
    Py_XDECREF(ended);
    return NULL;
}

static PyObject *value_number(sib_mval v)
{
    return v.id == SIB_NONE ? Py_NewRef(Py_None) : PyLong_FromUnsignedLong(v.id);
}

static PyObject *dim_number(sib_mdim d)
{
    return PyLong_FromUnsignedLong(d.id);
}

/* Numbers of a list: ids of values or dims, integers. NULL with an exception set. */
static int64_t *numbers_of(PyObject *list, size_t *n)
{
    Py_ssize_t count = PyList_Size(list);
    int64_t *numbers = count < 0 ? NULL : PyMem_Calloc((size_t)count + 1, sizeof *numbers);
    if (!numbers)
        return count < 0 ? NULL : (int64_t *)PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *item = PyList_GetItem(list, i);
        numbers[i] = item == Py_None ? SIB_NONE : PyLong_AsLongLong(item);
        if (PyErr_Occurred()) {
            PyMem_Free(numbers);
            return NULL;
        }
    }
    *n = (size_t)count;
    return numbers;
}

/* The same as ids, in place. */
static const uint32_t *ids_of(int64_t *numbers, size_t n)
{
    uint32_t *ids = (uint32_t *)(void *)numbers;
    for (size_t i = 0; i < n; i++) {
        uint32_t id = (uint32_t)numbers[i];
        memcpy(&ids[i], &id, sizeof id);
    }
    return ids;
}

/* ---- The node and its values -------------------------------------------------------------------------------- */

static PyObject *lowering_ends(PyObject *module, PyObject *handle)
{
    (void)module;
    sib_lowering *l = lowering_of(handle);
    sib_node_info info;
    if (!l)
        return NULL;
    sib_node_get_info(sib_lowering_node(l), &info);
    PyObject *inputs = PyList_New(0);
    for (size_t i = 0; inputs && i < info.n_inputs; i++)
        list_take(&inputs, value_number(sib_lowering_input(l, i)));
    return inputs ? Py_BuildValue("(Nn)", inputs, (Py_ssize_t)info.n_outputs) : NULL;
}

static PyObject *lowering_output(PyObject *module, PyObject *args)
{
    PyObject *handle;
    Py_ssize_t i;
    unsigned id;
    if (!PyArg_ParseTuple(args, "OnI:lowering_output", &handle, &i, &id))
        return NULL;
    sib_lowering *l = lowering_of(handle);
    if (!l)
        return NULL;
    sib_lowering_output(l, (size_t)i, (sib_mval){id});
    return unless_ended(module, l, Py_NewRef(Py_None));
}

static PyObject *lowering_declare(PyObject *module, PyObject *args)
{
    PyObject *handle, *list;
    Py_ssize_t i;
    int dtype;
    size_t rank = 0;
    if (!PyArg_ParseTuple(args, "OniO:lowering_declare", &handle, &i, &dtype, &list))
        return NULL;
    sib_lowering *l = lowering_of(handle);
    int64_t *numbers = l && list != Py_None ? numbers_of(list, &rank) : NULL;
    if (!l || PyErr_Occurred())
        return NULL;
    const sib_mdim *dims = numbers ? (const sib_mdim *)(const void *)ids_of(numbers, rank) : NULL;
    sib_lowering_declare(l, (size_t)i, (sib_dtype)dtype,
                         list == Py_None ? -1
                         : rank < 100    ? (int)rank
                                         : 100,
                         dims);
    PyMem_Free(numbers);
    return unless_ended(module, l, Py_NewRef(Py_None));
}

/* The lowering and the value of (lowering, id). */
static sib_lowering *value_args(PyObject *args, sib_mval *v)
{
    PyObject *handle;
    unsigned id;
    if (!PyArg_ParseTuple(args, "OI", &handle, &id))
        return NULL;
    v->id = id;
    return lowering_of(handle);
}

static PyObject *mval_dtype(PyObject *module, PyObject *args)
{
    (void)module;
    sib_mval v;
    sib_lowering *l = value_args(args, &v);
    return l ? PyLong_FromLong(sib_mval_dtype(l, v)) : NULL;
}

static PyObject *mval_dims(PyObject *module, PyObject *args)
{
    sib_mval v;
    sib_lowering *l = value_args(args, &v);
    PyObject *list = l ? PyList_New(0) : NULL;
    int rank = l ? sib_mval_rank(l, v) : 0;
    for (int i = 0; list && i < rank; i++)
        list_take(&list, dim_number(sib_mval_dim(l, v, i)));
    return list ? unless_ended(module, l, list) : NULL;
}

static PyObject *mval_content(PyObject *module, PyObject *args)
{
    sib_mval v;
    sib_lowering *l = value_args(args, &v);
    const sib_tensor *t = l ? sib_mval_content(l, v) : NULL;
    sib_value *value = NULL;
    sib_error err = SIB_ERROR_INIT;
    if (!l)
        return NULL;
    if (!t)
        return unless_ended(module, l, Py_NewRef(Py_None));
    if (sib_value_from_tensor(t, &value, &err) != SIB_OK)
        return error_raise(&err, NULL);
    return value_lend(module, value);
}

/* ---- Dims ----------------------------------------------------------------------------------------------------- */

static PyObject *mdim_of(PyObject *module, PyObject *args)
{
    PyObject *handle;
    long long number;
    if (!PyArg_ParseTuple(args, "OL:mdim_of", &handle, &number))
        return NULL;
    sib_lowering *l = lowering_of(handle);
    return l ? unless_ended(module, l, dim_number(sib_mdim_of(l, number))) : NULL;
}

static PyObject *mdim_number(PyObject *module, PyObject *args)
{
    sib_mval d;
    sib_lowering *l = value_args(args, &d);
    return l ? unless_ended(module, l, PyLong_FromLongLong(sib_mdim_number(l, (sib_mdim){d.id}))) : NULL;
}

static PyObject *mdim_compute(PyObject *module, PyObject *args)
{
    PyObject *handle;
    int op;
    unsigned x, y;
    if (!PyArg_ParseTuple(args, "OiII:mdim_compute", &handle, &op, &x, &y))
        return NULL;
    sib_lowering *l = lowering_of(handle);
    if (!l)
        return NULL;
    return unless_ended(module, l,
                        dim_number(sib_mdim_compute(l, (sib_mdim_op)op, (sib_mdim){x}, (sib_mdim){y})));
}

/* ---- Milli-ops ------------------------------------------------------------------------------------------------ */

static PyObject *milli_words(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    PyObject *dict = PyDict_New();
    const char *name, *params;
    for (size_t i = 0; dict && (name = sib_milli_word(i, &params, NULL)); i++) {
        PyObject *text = text_or_none(params);
        if (!text || PyDict_SetItemString(dict, name, text) != 0)
            Py_CLEAR(dict);
        Py_XDECREF(text);
    }
    return dict;
}

/* A list of strings or floats. NULL with an exception set. */
static void *items_of(PyObject *list, bool strings, size_t *n)
{
    Py_ssize_t count = PyList_Size(list);
    void *memory = PyMem_Calloc((size_t)count + 1, strings ? sizeof(sib_str) : sizeof(float));
    if (!memory)
        return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count && !PyErr_Occurred(); i++) {
        PyObject *item = PyList_GetItem(list, i);
        Py_ssize_t length = 0;
        if (strings) {
            const char *text = PyUnicode_AsUTF8AndSize(item, &length);
            ((sib_str *)memory)[i] = (sib_str){text, (size_t)length};
        } else
            ((float *)memory)[i] = (float)PyFloat_AsDouble(item);
    }
    *n = (size_t)count;
    return memory;
}

/* Text, (list of ids of dims,), or a list of integers, floats or strings. */
static bool read_param(PyObject *value, sib_param *p, void **memory)
{
    if (PyUnicode_Check(value)) {
        p->text = PyUnicode_AsUTF8AndSize(value, NULL);
        return p->text != NULL;
    }
    PyObject *first = PyList_Check(value) && PyList_Size(value) ? PyList_GetItem(value, 0) : NULL;
    if (first && PyUnicode_Check(first))
        p->strings = *memory = items_of(value, true, &p->n);
    else if (first && PyFloat_Check(first))
        p->floats = *memory = items_of(value, false, &p->n);
    else if (PyTuple_Check(value)) {
        int64_t *numbers = numbers_of(PyTuple_GetItem(value, 0), &p->n);
        p->dims = numbers ? (const sib_mdim *)(const void *)ids_of(numbers, p->n) : NULL;
        *memory = numbers;
    } else
        p->ints = *memory = numbers_of(value, &p->n);
    return *memory && !PyErr_Occurred();
}

/* given: {name: parameter}; params, memory: as many, cleared. */
static bool read_params(PyObject *given, sib_param *params, void **memory)
{
    PyObject *name, *value;
    bool ok = true;
    for (Py_ssize_t at = 0, i = 0; ok && PyDict_Next(given, &at, &name, &value); i++) {
        params[i].name = PyUnicode_AsUTF8AndSize(name, NULL);
        ok = params[i].name && read_param(value, &params[i], &memory[i]);
    }
    return ok;
}

/* The number of values that a word makes; 1 for an unknown one, which is refused where it is used. */
static size_t outputs_of(const char *name)
{
    const char *word;
    size_t outputs;
    for (size_t i = 0; (word = sib_milli_word(i, NULL, &outputs)); i++)
        if (!strcmp(word, name))
            return outputs;
    return 1;
}

static PyObject *milli_emit(PyObject *module, PyObject *args)
{
    PyObject *handle, *inputs, *given;
    const char *name;
    size_t n_in = 0;
    sib_mval out[4];
    if (!PyArg_ParseTuple(args, "OsO!O!:milli_emit", &handle, &name, &PyList_Type, &inputs, &PyDict_Type,
                          &given))
        return NULL;
    const size_t n_out = outputs_of(name);
    sib_lowering *l = lowering_of(handle);
    int64_t *ins = l ? numbers_of(inputs, &n_in) : NULL;
    if (!ins)
        return NULL;
    Py_ssize_t n = PyDict_Size(given);
    sib_param *params = PyMem_Calloc((size_t)n + 1, sizeof *params);
    void **memory = PyMem_Calloc((size_t)n + 1, sizeof *memory);
    PyObject *list = NULL;
    if (params && memory && read_params(given, params, memory)) {
        sib_milli_emit(l, name, n_in, (const sib_mval *)(const void *)ids_of(ins, n_in), (size_t)n, params,
                       n_out, out);
        list = PyList_New(0);
        for (size_t i = 0; list && i < n_out; i++)
            list_take(&list, value_number(out[i]));
    } else if (!PyErr_Occurred())
        PyErr_NoMemory();
    for (Py_ssize_t i = 0; memory && i < n; i++)
        PyMem_Free(memory[i]);
    PyMem_Free(memory);
    PyMem_Free(params);
    PyMem_Free(ins);
    return list ? unless_ended(module, l, list) : NULL;
}

static PyObject *milli_constant(PyObject *module, PyObject *args)
{
    PyObject *handle, *value;
    if (!PyArg_ParseTuple(args, "OO:milli_constant", &handle, &value))
        return NULL;
    sib_lowering *l = lowering_of(handle);
    const sib_value *v = l ? value_of(value) : NULL;
    return v ? unless_ended(module, l, value_number(sib_milli_constant(l, sib_value_tensor(v)))) : NULL;
}

static PyObject *milli_number(PyObject *module, PyObject *args)
{
    PyObject *handle;
    unsigned like;
    double number;
    if (!PyArg_ParseTuple(args, "OId:milli_number", &handle, &like, &number))
        return NULL;
    sib_lowering *l = lowering_of(handle);
    return l ? unless_ended(module, l, value_number(sib_milli_number(l, (sib_mval){like}, number))) : NULL;
}

static PyObject *milli_dim(PyObject *module, PyObject *args)
{
    sib_mval d;
    sib_lowering *l = value_args(args, &d);
    return l ? unless_ended(module, l, value_number(sib_milli_dim(l, (sib_mdim){d.id}))) : NULL;
}

PyMethodDef LOWERING_METHODS[] = {
    {"lowering_ends", lowering_ends, METH_O, "lowering_ends(lowering) -> (inputs, number of outputs)"},
    {"lowering_output", lowering_output, METH_VARARGS, "lowering_output(lowering, i, value)"},
    {"lowering_declare", lowering_declare, METH_VARARGS,
     "lowering_declare(lowering, i, dtype, dims or None)"},
    {"mval_dtype", mval_dtype, METH_VARARGS, "mval_dtype(lowering, value) -> dtype"},
    {"mval_dims", mval_dims, METH_VARARGS, "mval_dims(lowering, value) -> dims"},
    {"mval_content", mval_content, METH_VARARGS, "mval_content(lowering, value) -> tuple"},
    {"mdim_of", mdim_of, METH_VARARGS, "mdim_of(lowering, number) -> dim"},
    {"mdim_number", mdim_number, METH_VARARGS, "mdim_number(lowering, dim) -> number"},
    {"mdim_compute", mdim_compute, METH_VARARGS, "mdim_compute(lowering, op, dim, dim) -> dim"},
    {"milli_words", milli_words, METH_NOARGS, "milli_words() -> {name: parameters}"},
    {"milli_emit", milli_emit, METH_VARARGS, "milli_emit(lowering, name, values, parameters) -> values"},
    {"milli_constant", milli_constant, METH_VARARGS, "milli_constant(lowering, value) -> value"},
    {"milli_number", milli_number, METH_VARARGS, "milli_number(lowering, like, number) -> value"},
    {"milli_dim", milli_dim, METH_VARARGS, "milli_dim(lowering, dim) -> value"},
    {NULL, NULL, 0, NULL},
};
