/* Values on their way in and out: arrays that are lent to the library, and memory of the library that is lent
   to arrays. */
#include "ext.h"

#include <string.h>

/* ---- Handles -------------------------------------------------------------------------------------- */

static void value_release(PyObject *handle)
{
    sib_value *v = PyCapsule_GetPointer(handle, HANDLE_VALUE);
    sib_value_free(&v);
}

const sib_value *value_of(PyObject *handle)
{
    return PyCapsule_GetPointer(handle, HANDLE_VALUE);
}

/* A handle of v, which is taken over, or what err says where there is none. */
static PyObject *value_handle(sib_value *v, const sib_error *err)
{
    if (!v)
        return error_raise(err, NULL);
    PyObject *handle = PyCapsule_New(v, HANDLE_VALUE, value_release);
    if (!handle)
        sib_value_free(&v);
    return handle;
}

/* The value of a tensor, which is taken over; t is NULL after a failure that err tells. */
static PyObject *tensor_handle(sib_tensor *t, sib_error *err)
{
    sib_value *v = NULL;
    if (t)
        sib_value_from_tensor(t, &v, err);
    sib_tensor_free(&t);
    return value_handle(v, err);
}

/* ---- In: arrays ------------------------------------------------------------------------------------- */

/* Lets go of an array when the last tensor over it is gone, on whatever thread that is. */
static void buffer_release(void *context)
{
    PyGILState_STATE lock = PyGILState_Ensure();
    PyBuffer_Release(context);
    PyMem_Free(context);
    PyGILState_Release(lock);
}

/* Strides in elements; false where they are no whole numbers of them. */
static bool element_strides(const Py_buffer *b, int64_t *dims, int64_t *strides)
{
    bool whole = true;
    for (int i = 0; i < b->ndim; i++) {
        dims[i] = b->shape[i];
        strides[i] = b->strides[i] / b->itemsize;
        whole &= b->strides[i] % b->itemsize == 0;
    }
    return whole;
}

static PyObject *value_tensor(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *array;
    int dtype;
    if (!PyArg_ParseTuple(args, "Oi:value_tensor", &array, &dtype))
        return NULL;
    Py_buffer *b = PyMem_Calloc(1, sizeof *b);
    if (!b)
        return PyErr_NoMemory();
    if (PyObject_GetBuffer(array, b, PyBUF_STRIDES) != 0) {
        PyMem_Free(b);
        return NULL;
    }
    int64_t dims[SIB_MAX_RANK], strides[SIB_MAX_RANK];
    sib_tensor *t = NULL;
    sib_error err = SIB_ERROR_INIT;
    if (b->ndim > SIB_MAX_RANK)
        PyErr_Format(PyExc_ValueError, "an array has %d dimensions, expected at most %d", b->ndim,
                     SIB_MAX_RANK);
    else if ((size_t)b->itemsize * 8 != sib_dtype_bits((sib_dtype)dtype) || dtype == SIB_STRING ||
             !element_strides(b, dims, strides))
        PyErr_Format(PyExc_ValueError, "elements of %zd bytes are not laid out as those of %s", b->itemsize,
                     sib_dtype_name((sib_dtype)dtype));
    else {
        if (sib_tensor_wrap((sib_dtype)dtype, (size_t)b->ndim, dims, strides, b->buf, buffer_release, b, &t,
                            &err) == SIB_OK)
            return tensor_handle(t, &err);
        error_raise(&err, NULL);
    }
    buffer_release(b);
    return NULL;
}

/* Dims from a tuple of numbers. */
static bool dims_from(PyObject *shape, size_t *rank, int64_t *dims)
{
    Py_ssize_t n = PyTuple_Size(shape);
    if (n < 0)
        return false;
    if (n > SIB_MAX_RANK) {
        PyErr_Format(PyExc_ValueError, "an array has %zd dimensions, expected at most %d", n, SIB_MAX_RANK);
        return false;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        dims[i] = PyLong_AsLongLong(PyTuple_GetItem(shape, i));
        if (dims[i] == -1 && PyErr_Occurred())
            return false;
    }
    *rank = (size_t)n;
    return true;
}

static PyObject *value_packed(PyObject *module, PyObject *args)
{
    (void)module;
    const char *bytes;
    Py_ssize_t n;
    int dtype;
    PyObject *shape;
    size_t rank;
    int64_t dims[SIB_MAX_RANK];
    if (!PyArg_ParseTuple(args, "y#iO!:value_packed", &bytes, &n, &dtype, &PyTuple_Type, &shape) ||
        !dims_from(shape, &rank, dims))
        return NULL;
    sib_tensor *t = NULL;
    sib_error err = SIB_ERROR_INIT;
    unsigned bits = sib_dtype_bits((sib_dtype)dtype);
    if (bits && bits < 8 && sib_tensor_create((sib_dtype)dtype, rank, dims, &t, &err) == SIB_OK) {
        uint64_t wanted = (sib_tensor_count(t) * bits + 7) / 8;
        if (wanted == (uint64_t)n) {
            memcpy(sib_tensor_data(t), bytes, (size_t)n);
            return tensor_handle(t, &err);
        }
        sib_tensor_free(&t);
    }
    if (err.code != SIB_OK)
        return error_raise(&err, NULL);
    PyErr_Format(PyExc_ValueError, "%zd bytes are not the size of the packed elements of this shape", n);
    return NULL;
}

/* One string, str or bytes, put at element i of t. */
static bool put_string(sib_tensor *t, int64_t i, PyObject *item)
{
    PyObject *bytes = PyBytes_Check(item)     ? Py_NewRef(item)
                      : PyUnicode_Check(item) ? PyUnicode_AsEncodedString(item, "utf-8", "surrogateescape")
                                              : NULL;
    if (!bytes) {
        if (!PyErr_Occurred())
            PyErr_Format(PyExc_TypeError, "element %lld is %R, expected a string", (long long)i,
                         (PyObject *)Py_TYPE(item));
        return false;
    }
    char *data;
    Py_ssize_t n;
    sib_error err = SIB_ERROR_INIT;
    bool ok = PyBytes_AsStringAndSize(bytes, &data, &n) == 0;
    if (ok && sib_tensor_set_string(t, &i, (sib_str){data, (size_t)n}, &err) != SIB_OK) {
        error_raise(&err, NULL);
        ok = false;
    }
    Py_DECREF(bytes);
    return ok;
}

static PyObject *value_strings(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *list, *shape;
    size_t rank;
    int64_t dims[SIB_MAX_RANK];
    if (!PyArg_ParseTuple(args, "O!O!:value_strings", &PyList_Type, &list, &PyTuple_Type, &shape) ||
        !dims_from(shape, &rank, dims))
        return NULL;
    int64_t n = PyList_Size(list);
    sib_tensor *flat = NULL, *t = NULL;
    sib_error err = SIB_ERROR_INIT;
    if (sib_tensor_create(SIB_STRING, 1, &n, &flat, &err) != SIB_OK)
        return error_raise(&err, NULL);
    for (int64_t i = 0; i < n; i++)
        if (!put_string(flat, i, PyList_GetItem(list, i))) {
            sib_tensor_free(&flat);
            return NULL;
        }
    sib_tensor_reshape(flat, rank, dims, &t, &err);
    sib_tensor_free(&flat);
    return tensor_handle(t, &err);
}

/* ---- In: what holds values --------------------------------------------------------------------------- */

static PyObject *value_sequence(PyObject *module, PyObject *list)
{
    (void)module;
    Py_ssize_t n = PyList_Size(list);
    if (n < 0)
        return NULL;
    const sib_value **items = PyMem_Calloc((size_t)n + 1, sizeof *items);
    if (!items)
        return PyErr_NoMemory();
    bool ok = true;
    for (Py_ssize_t i = 0; i < n && ok; i++)
        ok = (items[i] = value_of(PyList_GetItem(list, i))) != NULL;
    sib_value *v = NULL;
    sib_error err = SIB_ERROR_INIT;
    if (ok)
        sib_value_sequence((size_t)n, items, &v, &err);
    PyMem_Free(items);
    return ok ? value_handle(v, &err) : NULL;
}

static PyObject *value_optional(PyObject *module, PyObject *item)
{
    (void)module;
    const sib_value *inside = item == Py_None ? NULL : value_of(item);
    if (!inside && item != Py_None)
        return NULL;
    sib_value *v = NULL;
    sib_error err = SIB_ERROR_INIT;
    sib_value_optional(inside, &v, &err);
    return value_handle(v, &err);
}

static PyObject *value_map(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *keys_handle, *values_handle;
    if (!PyArg_ParseTuple(args, "OO:value_map", &keys_handle, &values_handle))
        return NULL;
    const sib_value *keys = value_of(keys_handle), *values = keys ? value_of(values_handle) : NULL;
    if (!values)
        return NULL;
    sib_value *v = NULL;
    sib_error err = SIB_ERROR_INIT;
    sib_value_map(sib_value_tensor(keys), sib_value_tensor(values), &v, &err);
    return value_handle(v, &err);
}

/* ---- Out: memory -------------------------------------------------------------------------------------- */

/* The elements of a tensor inside a value, which it keeps. */
typedef struct memory {
    PyObject_HEAD sib_value *value;
    const sib_tensor *tensor;
} memory;

static void memory_dealloc(PyObject *self)
{
    sib_value_free(&((memory *)self)->value);
    object_free(self);
}

static size_t tensor_bytes(const sib_tensor *t)
{
    return (size_t)((sib_tensor_count(t) * sib_dtype_bits(sib_tensor_dtype(t)) + 7) / 8);
}

static int memory_getbuffer(PyObject *self, Py_buffer *view, int flags)
{
    const sib_tensor *t = ((memory *)self)->tensor;
    return PyBuffer_FillInfo(view, self, sib_tensor_data(t), (Py_ssize_t)tensor_bytes(t), 0, flags);
}

PyObject *memory_type(PyObject *module)
{
    static PyType_Slot slots[] = {
        {Py_tp_dealloc, memory_dealloc},
        {Py_bf_getbuffer, memory_getbuffer},
        {0, NULL},
    };
    static PyType_Spec spec = {.name = "sibyl._sibyl.Memory",
                               .basicsize = sizeof(memory),
                               .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                               .slots = slots};
    return PyType_FromModuleAndSpec(module, &spec, NULL);
}

static PyObject *lend_memory(PyObject *module, const sib_value *v, const sib_tensor *t)
{
    const module_state *state = PyModule_GetState(module);
    memory *m = (memory *)object_new(state->memory_type);
    sib_error err = SIB_ERROR_INIT;
    if (m && sib_value_copy(v, &m->value, &err) == SIB_OK) {
        m->tensor = t;
        return (PyObject *)m;
    }
    if (m) {
        Py_DECREF(m);
        error_raise(&err, NULL);
    }
    return NULL;
}

static PyObject *strings_out(const sib_tensor *t)
{
    const sib_str *strings = sib_tensor_data(t); /* (count) */
    Py_ssize_t n = (Py_ssize_t)sib_tensor_count(t);
    PyObject *list = PyList_New(n);
    for (Py_ssize_t i = 0; list && i < n; i++) {
        PyObject *text =
            PyUnicode_DecodeUTF8(strings[i].data, (Py_ssize_t)strings[i].length, "surrogateescape");
        if (!text)
            Py_CLEAR(list);
        else
            PyList_SetItem(list, i, text);
    }
    return list;
}

/* A dense tensor that v holds. */
static PyObject *lend_tensor(PyObject *module, const sib_value *v, const sib_tensor *t)
{
    Py_ssize_t rank = (Py_ssize_t)sib_tensor_rank(t);
    PyObject *shape = PyTuple_New(rank);
    for (Py_ssize_t i = 0; shape && i < rank; i++) {
        PyObject *dim = PyLong_FromLongLong(sib_tensor_dims(t)[i]);
        if (!dim)
            Py_CLEAR(shape);
        else
            PyTuple_SetItem(shape, i, dim);
    }
    PyObject *elements = !shape                              ? NULL
                         : sib_tensor_dtype(t) == SIB_STRING ? strings_out(t)
                                                             : lend_memory(module, v, t);
    if (!elements) {
        Py_XDECREF(shape);
        return NULL;
    }
    return Py_BuildValue("(siNN)", "tensor", (int)sib_tensor_dtype(t), shape, elements);
}

/* Nests as values do, which the library limits. */
static PyObject *lend(PyObject *module, const sib_value *v)
{
    if (sib_value_get_kind(v) == SIB_VALUE_TENSOR)
        return lend_tensor(module, v, sib_value_tensor(v));
    if (sib_value_get_kind(v) == SIB_VALUE_MAP) {
        PyObject *keys = lend_tensor(module, v, sib_value_keys(v));
        PyObject *values = keys ? lend_tensor(module, v, sib_value_values(v)) : NULL;
        if (values)
            return Py_BuildValue("(sNN)", "map", keys, values);
        Py_XDECREF(keys);
        return NULL;
    }
    Py_ssize_t n = (Py_ssize_t)sib_value_count(v);
    if (sib_value_get_kind(v) == SIB_VALUE_OPTIONAL) {
        PyObject *item = n ? lend(module, sib_value_item(v, 0)) : Py_NewRef(Py_None);
        return item ? Py_BuildValue("(sN)", "optional", item) : NULL;
    }
    PyObject *list = PyList_New(n);
    for (Py_ssize_t i = 0; list && i < n; i++) {
        PyObject *item = lend(module, sib_value_item(v, (size_t)i));
        if (!item)
            Py_CLEAR(list);
        else
            PyList_SetItem(list, i, item);
    }
    return list ? Py_BuildValue("(sN)", "sequence", list) : NULL;
}

PyObject *value_lend(PyObject *module, sib_value *v)
{
    if (!sib_value_is_sole(v)) {
        sib_value *own = NULL;
        sib_error err = SIB_ERROR_INIT;
        sib_code code;
        Py_BEGIN_ALLOW_THREADS code = sib_value_clone(v, &own, &err);
        sib_value_free(&v);
        Py_END_ALLOW_THREADS if (code != SIB_OK) return error_raise(&err, NULL);
        v = own;
    }
    PyObject *result = lend(module, v);
    sib_value_free(&v);
    return result;
}

PyMethodDef VALUE_METHODS[] = {
    {"value_tensor", value_tensor, METH_VARARGS,
     "value_tensor(array, dtype) -> value over the array's memory"},
    {"value_packed", value_packed, METH_VARARGS, "value_packed(bytes, dtype, shape) -> value"},
    {"value_strings", value_strings, METH_VARARGS, "value_strings(list, shape) -> value"},
    {"value_sequence", value_sequence, METH_O, "value_sequence(list of values) -> value"},
    {"value_optional", value_optional, METH_O, "value_optional(value or None) -> value"},
    {"value_map", value_map, METH_VARARGS, "value_map(keys, values) -> value"},
    {NULL, NULL, 0, NULL},
};
