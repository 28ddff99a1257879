/* Conversion, statistics and comparison of values, each one call of the library. */
#include "ext.h"

/* The tensor in a handle, or NULL with an exception set. */
static const sib_tensor *tensor_of(PyObject *handle)
{
    const sib_value *v = value_of(handle);
    const sib_tensor *t = v ? sib_value_tensor(v) : NULL;
    if (v && !t)
        PyErr_SetString(PyExc_TypeError, "expected an array, not a sequence, a map or None");
    return t;
}

static PyObject *tensor_convert(PyObject *module, PyObject *args)
{
    PyObject *handle;
    int dtype, wrap;
    if (!PyArg_ParseTuple(args, "Oip:tensor_convert", &handle, &dtype, &wrap))
        return NULL;
    const sib_tensor *t = tensor_of(handle);
    if (!t)
        return NULL;
    sib_tensor *made = NULL;
    sib_value *v = NULL;
    sib_error err = SIB_ERROR_INIT;
    sib_code code;
    Py_BEGIN_ALLOW_THREADS code = sib_tensor_convert(
        t, (sib_dtype)dtype, wrap ? SIB_OVERFLOW_IEEE : SIB_OVERFLOW_SATURATE, &made, &err);
    if (code == SIB_OK)
        code = sib_value_from_tensor(made, &v, &err);
    sib_tensor_free(&made);
    Py_END_ALLOW_THREADS if (code != SIB_OK) return error_raise(&err, NULL);
    return value_lend(module, v);
}

static PyObject *tensor_stats(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *handle;
    Py_ssize_t bins;
    double lo, hi;
    if (!PyArg_ParseTuple(args, "Ondd:tensor_stats", &handle, &bins, &lo, &hi))
        return NULL;
    const sib_tensor *t = tensor_of(handle);
    if (!t)
        return NULL;
    if (bins < 0 || bins > SIB_HISTOGRAM_MAX)
        return PyErr_Format(PyExc_ValueError, "bins is %zd, expected 0 to %d", bins, SIB_HISTOGRAM_MAX);
    uint64_t counts[SIB_HISTOGRAM_MAX] = {0};
    sib_stats s;
    sib_error err = SIB_ERROR_INIT;
    sib_code code;
    Py_BEGIN_ALLOW_THREADS code = sib_tensor_stats(t, &s, bins ? counts : NULL, (size_t)bins, lo, hi, &err);
    Py_END_ALLOW_THREADS if (code != SIB_OK) return error_raise(&err, NULL);
    PyObject *list = PyList_New(0);
    for (Py_ssize_t i = 0; list && i < bins; i++)
        list_take(&list, PyLong_FromUnsignedLongLong(counts[i]));
    if (!list)
        return NULL;
    return Py_BuildValue("(KKKKddddN)", (unsigned long long)s.count, (unsigned long long)s.n_nan,
                         (unsigned long long)s.n_inf, (unsigned long long)s.n_zero, s.min, s.max, s.mean,
                         s.std, list);
}

static PyObject *comparison_tuple(const sib_comparison *c)
{
    return Py_BuildValue("(NKKKddKNNdddd)", PyBool_FromLong(c->equal), (unsigned long long)c->count,
                         (unsigned long long)c->n_different, (unsigned long long)c->n_nan_mismatch,
                         c->max_abs, c->max_rel, (unsigned long long)c->max_ulp, index_or_none(c->worst),
                         index_or_none(c->first), c->worst_a, c->worst_b, c->first_a, c->first_b);
}

PyObject *index_or_none(uint64_t index)
{
    return index == UINT64_MAX ? Py_NewRef(Py_None) : PyLong_FromUnsignedLongLong(index);
}

static PyObject *value_compare(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *a_handle, *b_handle;
    sib_tolerance tolerance;
    unsigned long long max_ulp;
    if (!PyArg_ParseTuple(args, "OOddK:value_compare", &a_handle, &b_handle, &tolerance.atol, &tolerance.rtol,
                          &max_ulp))
        return NULL;
    tolerance.max_ulp = max_ulp;
    const sib_value *a = value_of(a_handle), *b = a ? value_of(b_handle) : NULL;
    if (!b)
        return NULL;
    sib_comparison c;
    sib_error err = SIB_ERROR_INIT;
    sib_code code;
    Py_BEGIN_ALLOW_THREADS code = sib_value_compare(a, b, &tolerance, &c, &err);
    Py_END_ALLOW_THREADS if (code != SIB_OK) return error_raise(&err, NULL);
    return comparison_tuple(&c);
}

PyMethodDef TENSOR_METHODS[] = {
    {"tensor_convert", tensor_convert, METH_VARARGS, "tensor_convert(value, dtype, wrap) -> lent value"},
    {"tensor_stats", tensor_stats, METH_VARARGS, "tensor_stats(value, bins, lo, hi) -> tuple"},
    {"value_compare", value_compare, METH_VARARGS, "value_compare(a, b, atol, rtol, max_ulp) -> tuple"},
    {NULL, NULL, 0, NULL},
};
