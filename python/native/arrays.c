/* Arrays through the buffer protocol, and through __dlpack__ where there is none. */
#include "ext.h"

#include <string.h>

/* Format characters of the struct module that stand for an element type of Sibyl. */
static const struct {
    char format;
    sib_dtype dtype;
} FORMATS[] = {
    {'f', SIB_F32}, {'d', SIB_F64}, {'e', SIB_F16}, {'b', SIB_I8},  {'B', SIB_U8},  {'h', SIB_I16},
    {'H', SIB_U16}, {'i', SIB_I32}, {'I', SIB_U32}, {'q', SIB_I64}, {'Q', SIB_U64}, {'?', SIB_BOOL},
#if LONG_MAX > INT_MAX
    {'l', SIB_I64}, {'L', SIB_U64},
#else
    {'l', SIB_I32}, {'L', SIB_U32},
#endif
};

static sib_dtype dtype_of_format(const char *format, Py_ssize_t itemsize)
{
    if (!format)
        return SIB_U8;
    if (*format == '@' || *format == '=' || *format == (PY_LITTLE_ENDIAN ? '<' : '>'))
        format++;
    for (size_t i = 0; i < sizeof FORMATS / sizeof *FORMATS; i++)
        if (format[0] == FORMATS[i].format && !format[1] &&
            sib_dtype_bits(FORMATS[i].dtype) == 8 * (size_t)itemsize)
            return FORMATS[i].dtype;
    return SIB_DTYPE_UNKNOWN;
}

static bool open_buffer(PyObject *object, const char *name, bool writable, ext_array *out)
{
    int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0);
    if (PyObject_GetBuffer(object, &out->buffer, flags) != 0) {
        out->buffer.obj = NULL;
        PyErr_Format(PyExc_ValueError, "%s must be %sC-contiguous memory", name,
                     writable ? "writable, " : "");
        return false;
    }
    const Py_buffer *b = &out->buffer;
    if (b->ndim > SIB_MAX_RANK) {
        PyErr_Format(PyExc_ValueError, "%s has %d dimensions, expected at most %d", name, b->ndim,
                     SIB_MAX_RANK);
        return false;
    }
    out->dtype = dtype_of_format(b->format, b->itemsize);
    if (out->dtype == SIB_DTYPE_UNKNOWN) {
        PyErr_Format(PyExc_TypeError, "%s has elements of format '%s', which is not supported", name,
                     b->format);
        return false;
    }
    out->data = b->buf;
    out->rank = (size_t)b->ndim;
    out->count = (size_t)(b->len / b->itemsize);
    for (int i = 0; i < b->ndim; i++)
        out->shape[i] = b->shape[i];
    return true;
}

bool array_open(PyObject *object, const char *name, bool writable, ext_array *out)
{
    memset(out, 0, sizeof *out);
    bool ok;
    if (PyObject_CheckBuffer(object)) {
        ok = open_buffer(object, name, writable, out);
    } else if (PyObject_HasAttrString(object, "__dlpack__")) {
        out->capsule = PyObject_CallMethod(object, "__dlpack__", NULL);
        ok = out->capsule && dlpack_read(out->capsule, name, out);
    } else {
        PyErr_Format(PyExc_TypeError, "%s must be an array, not %R", name, (PyObject *)Py_TYPE(object));
        return false;
    }
    if (ok && out->count > 0 && (uintptr_t)out->data % (sib_dtype_bits(out->dtype) / 8) != 0) {
        PyErr_Format(PyExc_ValueError, "%s is not aligned to its elements", name);
        ok = false;
    }
    if (!ok)
        array_close(out);
    return ok;
}

bool array_open_as(PyObject *object, const char *name, bool writable, sib_dtype dtype, ext_array *out)
{
    if (!array_open(object, name, writable, out))
        return false;
    if (out->dtype == dtype)
        return true;
    PyErr_Format(PyExc_TypeError, "%s holds %s, expected %s", name, sib_dtype_name(out->dtype),
                 sib_dtype_name(dtype));
    array_close(out);
    return false;
}

void array_close(ext_array *array)
{
    if (array->buffer.obj)
        PyBuffer_Release(&array->buffer);
    Py_CLEAR(array->capsule);
    array->data = NULL;
}
