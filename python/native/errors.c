/* Failures of the library become exceptions of sibyl.errors. */
#include "ext.h"

#include <stdio.h>
#include <string.h>

/* The exception of the last callback that failed on this thread, and the words that its failure has. */
static _Thread_local PyObject *cause;
static _Thread_local char cause_text[sizeof((sib_error *)0)->message];

static void describe(PyObject *exception, char *out, size_t size)
{
    PyObject *name = PyObject_GetAttrString((PyObject *)Py_TYPE(exception), "__name__");
    PyObject *text = PyObject_Str(exception);
    const char *words = text ? PyUnicode_AsUTF8AndSize(text, NULL) : NULL;
    const char *type = name ? PyUnicode_AsUTF8AndSize(name, NULL) : NULL;
    PyErr_Clear();
    snprintf(out, size, "%s%s%s", type ? type : "exception", words && *words ? ": " : "", words ? words : "");
    Py_XDECREF(text);
    Py_XDECREF(name);
}

sib_code error_take(sib_error *err)
{
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    if (value && trace)
        PyException_SetTraceback(value, trace);
    Py_XDECREF(type);
    Py_XDECREF(trace);
    bool memory = value && PyErr_GivenExceptionMatches(value, PyExc_MemoryError);
    if (value)
        describe(value, cause_text, sizeof cause_text);
    Py_XDECREF(cause);
    cause = value;
    err->code = memory ? SIB_ERR_MEMORY : SIB_ERR_VALUE;
    err->offset = SIB_NO_OFFSET;
    snprintf(err->message, sizeof err->message, "%s", cause_text);
    return err->code;
}

/* The exception behind err, taken over by the caller; NULL where there is none. */
static PyObject *take_cause(const sib_error *err)
{
    PyObject *found = cause;
    cause = NULL;
    if (found && !strstr(err->message, cause_text) && strlen(cause_text) + 100 < sizeof err->message)
        Py_CLEAR(found); /* of an earlier failure that nobody raised */
    return found;
}

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
    PyObject *behind = take_cause(err);
    if (exception && behind && !PyErr_GivenExceptionMatches(behind, PyExc_Exception))
        PyErr_SetObject((PyObject *)Py_TYPE(behind), behind);
    else if (exception) {
        if (behind)
            PyException_SetCause(exception, Py_NewRef(behind));
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
    }
    Py_XDECREF(behind);
    Py_XDECREF(exception);
    Py_XDECREF(offset);
    Py_XDECREF(errors);
    Py_XDECREF(text);
    return NULL;
}
