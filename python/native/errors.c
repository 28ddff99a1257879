/* Failures of the library become exceptions of sibyl.errors. */
#include "ext.h"

#include <stdio.h>

PyObject *error_raise(const sib_error *err, const char *prefix)
{
    char message[2 * sizeof err->message];
    int length = snprintf(message, sizeof message, "%s%s", prefix ? prefix : "",
                          err->message[0] ? err->message : sib_code_text(err->code));
    if (length >= (int)sizeof message)
        length = (int)sizeof message - 1;
    PyObject *text = PyUnicode_DecodeUTF8(message, length, "replace");
    PyObject *errors = text ? PyImport_ImportModule("sibyl.errors") : NULL;
    PyObject *offset = NULL;
    if (errors && err->offset != SIB_NO_OFFSET)
        offset = PyLong_FromUnsignedLongLong(err->offset);
    else if (errors)
        offset = Py_NewRef(Py_None);
    PyObject *exception =
        offset ? PyObject_CallMethod(errors, "from_code", "iOO", (int)err->code, text, offset) : NULL;
    if (exception)
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
    Py_XDECREF(exception);
    Py_XDECREF(offset);
    Py_XDECREF(errors);
    Py_XDECREF(text);
    return NULL;
}
