/* Descriptions of front ends as dicts. What the numbers of an enumeration are called is written on the Python
   side. */
#include "ext.h"

#include <stddef.h>
#include <string.h>

typedef enum field_kind { FIELD_I32, FIELD_ENUM, FIELD_BOOL, FIELD_DOUBLE } field_kind;

#define FIELD(name, kind) #name, offsetof(sib_mel_spec, name), kind
static const struct {
    const char *name;
    size_t offset;
    field_kind kind;
} FIELDS[] = {
    {FIELD(sample_rate, FIELD_I32)},
    {FIELD(n_fft, FIELD_I32)},
    {FIELD(win_length, FIELD_I32)},
    {FIELD(hop_length, FIELD_I32)},
    {FIELD(window, FIELD_ENUM)},
    {FIELD(framing, FIELD_ENUM)},
    {FIELD(drop_last_frame, FIELD_BOOL)},
    {FIELD(remove_dc, FIELD_BOOL)},
    {FIELD(preemphasis, FIELD_DOUBLE)},
    {FIELD(power, FIELD_DOUBLE)},
    {FIELD(n_mels, FIELD_I32)},
    {FIELD(f_min, FIELD_DOUBLE)},
    {FIELD(f_max, FIELD_DOUBLE)},
    {FIELD(scale, FIELD_ENUM)},
    {FIELD(norm, FIELD_ENUM)},
    {FIELD(slope, FIELD_ENUM)},
    {FIELD(log, FIELD_ENUM)},
    {FIELD(log_floor, FIELD_DOUBLE)},
    {FIELD(log_reference, FIELD_DOUBLE)},
    {FIELD(dynamic_range, FIELD_DOUBLE)},
    {FIELD(offset, FIELD_DOUBLE)},
    {FIELD(gain, FIELD_DOUBLE)},
    {FIELD(smooth, FIELD_ENUM)},
};
enum { N_FIELDS = sizeof FIELDS / sizeof *FIELDS };

/* Enumerations are read and written as int. */
_Static_assert(sizeof(sib_window) == sizeof(int) && sizeof(sib_smooth) == sizeof(int),
               "an enum has another size");

static bool set_int(void *field, PyObject *value, const char *name)
{
    int overflow;
    long number = PyLong_AsLongAndOverflow(value, &overflow);
    if (number == -1 && !overflow && PyErr_Occurred())
        return false;
    if (overflow || number < INT32_MIN || number > INT32_MAX) {
        PyErr_Format(PyExc_ValueError, "%s is %S, which does not fit in 32 bits", name, value);
        return false;
    }
    memcpy(field, &(int){(int)number}, sizeof(int));
    return true;
}

static bool set_field(void *field, field_kind kind, PyObject *value, const char *name)
{
    if (kind == FIELD_I32 || kind == FIELD_ENUM)
        return set_int(field, value, name);
    if (kind == FIELD_BOOL) {
        int truth = PyObject_IsTrue(value);
        *(bool *)field = truth > 0;
        return truth >= 0;
    }
    *(double *)field = PyFloat_AsDouble(value);
    return !PyErr_Occurred();
}

bool spec_from_dict(PyObject *dict, sib_mel_spec *out)
{
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < N_FIELDS; i++) {
        PyObject *value = PyMapping_GetItemString(dict, FIELDS[i].name);
        bool ok = value && set_field((char *)out + FIELDS[i].offset, FIELDS[i].kind, value, FIELDS[i].name);
        Py_XDECREF(value);
        if (!ok)
            return false;
    }
    return true;
}

static PyObject *get_field(const void *field, field_kind kind)
{
    if (kind == FIELD_BOOL)
        return PyBool_FromLong(*(const bool *)field);
    if (kind == FIELD_DOUBLE)
        return PyFloat_FromDouble(*(const double *)field);
    int number;
    memcpy(&number, field, sizeof number);
    return PyLong_FromLong(number);
}

static PyObject *spec_preset(PyObject *module, PyObject *args)
{
    (void)module;
    const char *name;
    int n_mels;
    if (!PyArg_ParseTuple(args, "si:spec_preset", &name, &n_mels))
        return NULL;
    sib_mel_spec spec;
    sib_error err = SIB_ERROR_INIT;
    if (sib_mel_spec_preset(name, n_mels, &spec, &err) != SIB_OK)
        return error_raise(&err, NULL);
    PyObject *dict = PyDict_New();
    for (size_t i = 0; dict && i < N_FIELDS; i++) {
        PyObject *value = get_field((const char *)&spec + FIELDS[i].offset, FIELDS[i].kind);
        if (!value || PyDict_SetItemString(dict, FIELDS[i].name, value) != 0)
            Py_CLEAR(dict);
        Py_XDECREF(value);
    }
    return dict;
}

PyMethodDef SPEC_METHODS[] = {
    {"spec_preset", spec_preset, METH_VARARGS, "spec_preset(name, n_mels) -> dict of every field"},
    {NULL, NULL, 0, NULL},
};
