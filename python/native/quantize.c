/* Models whose weights take fewer bits: sib_model_quantize, and its report. */
#include "ext.h"

#include <string.h>

/* Size from which weights go to a second file: protobuf is limited to 2 GiB. */
#define EXTERNAL_FROM ((uint64_t)1900 << 20)

/* Inputs for calibration from a list of (names, values), which they keep. */
typedef struct calibration {
    size_t n;
    sib_quantize_inputs *sets; /* (n) */
} calibration;

static void calibration_free(calibration *c)
{
    for (size_t i = 0; c->sets && i < c->n; i++) {
        sib_named_value *items = (sib_named_value *)c->sets[i].items;
        if (items)
            PyMem_Free(items);
    }
    PyMem_Free(c->sets);
}

/* One set; false with an exception set. */
static bool set_of(PyObject *given, sib_quantize_inputs *out)
{
    PyObject *names, *values;
    if (!PyArg_ParseTuple(given, "O!O!", &PyList_Type, &names, &PyList_Type, &values))
        return false;
    const size_t n = (size_t)PyList_Size(names);
    sib_named_value *items = PyMem_Calloc(n + 1, sizeof *items);
    if (!items) {
        PyErr_NoMemory();
        return false;
    }
    *out = (sib_quantize_inputs){n, items};
    for (size_t i = 0; i < n; i++) {
        const char *name = PyUnicode_AsUTF8AndSize(PyList_GetItem(names, (Py_ssize_t)i), NULL);
        PyObject *handle = name ? PyList_GetItem(values, (Py_ssize_t)i) : NULL;
        const sib_value *value = handle ? value_of(handle) : NULL;
        if (!value)
            return false;
        items[i] = (sib_named_value){name, value};
    }
    return true;
}

static bool calibration_of(PyObject *list, calibration *out)
{
    out->n = (size_t)PyList_Size(list);
    out->sets = PyMem_Calloc(out->n + 1, sizeof *out->sets);
    if (!out->sets) {
        PyErr_NoMemory();
        return false;
    }
    for (size_t i = 0; i < out->n; i++)
        if (!set_of(PyList_GetItem(list, (Py_ssize_t)i), &out->sets[i]))
            return false;
    return true;
}

static PyObject *report_tuple(const sib_quantize_report *r)
{
    sib_quantize_totals t;
    sib_quantize_row row;
    sib_quantize_output o;
    PyObject *rows = PyList_New(0), *outputs = PyList_New(0);
    sib_quantize_report_totals(r, &t);
    for (size_t i = 0; rows && sib_quantize_report_row(r, i, &row); i++)
        list_take(&rows,
                  Py_BuildValue("(NNNKKKKdd)", text_or_none(row.node), text_or_none(row.op_type),
                                text_or_none(row.weights), (unsigned long long)row.k,
                                (unsigned long long)row.n, (unsigned long long)row.bytes_before,
                                (unsigned long long)row.bytes_after, row.weight_error, row.output_error));
    for (size_t i = 0; outputs && sib_quantize_report_output(r, i, &o); i++)
        list_take(&outputs, Py_BuildValue("(Nd)", text_or_none(o.name), o.error));
    if (rows && outputs)
        return Py_BuildValue("(NNKK)", rows, outputs, (unsigned long long)t.bytes_before,
                             (unsigned long long)t.bytes_after);
    Py_XDECREF(rows);
    Py_XDECREF(outputs);
    return NULL;
}

/* Quantizes m and writes it; external: name of the file for large weights. */
static sib_code quantize_to(sib_model *m, const sib_quantize_options *o, const char *out,
                            const char *external, sib_quantize_report **report, sib_error *err)
{
    sib_model_info info;
    const sib_code code = sib_model_quantize(m, o, report, err);
    if (code != SIB_OK)
        return code;
    sib_model_get_info(m, &info);
    return sib_model_save(m, out, info.parameter_bytes >= EXTERNAL_FROM ? external : NULL, err);
}

static PyObject *model_quantize(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *model, *sets;
    const char *out, *external;
    int weights, dynamic;
    long long block;
    unsigned long long min_weights;
    sib_quantize_options o = {0};
    if (!PyArg_ParseTuple(args, "OyyiLpKO!z:model_quantize", &model, &out, &external, &weights, &block,
                          &dynamic, &min_weights, &PyList_Type, &sets, &o.backends))
        return NULL;
    sib_model *m = model_of(model);
    calibration c = {0};
    const bool ok = m && calibration_of(sets, &c);
    o.weights = (sib_weights)weights;
    o.block = block;
    o.dynamic = dynamic != 0;
    o.min_weights = min_weights;
    o.n_sets = c.n;
    o.sets = c.sets;
    sib_quantize_report *report = NULL;
    sib_error err = SIB_ERROR_INIT;
    sib_code code = SIB_OK;
    if (ok) {
        Py_BEGIN_ALLOW_THREADS code = quantize_to(m, &o, out, external, &report, &err);
        Py_END_ALLOW_THREADS
    }
    calibration_free(&c);
    PyObject *result = !ok ? NULL : code == SIB_OK ? report_tuple(report) : error_raise(&err, NULL);
    sib_quantize_report_free(&report);
    return result;
}

PyMethodDef QUANTIZE_METHODS[] = {
    {"model_quantize", model_quantize, METH_VARARGS,
     "model_quantize(model, out, external, weights, block, dynamic, min_weights, sets, backends or None) -> "
     "tuple"},
    {NULL, NULL, 0, NULL},
};
