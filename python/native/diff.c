/* Nodes on the values of another run, as tuples. */
#include "ext.h"

/* Elements by how many representable numbers lie between ours and theirs. */
static PyObject *distances_of(const sib_diff_row *r)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < SIB_DIFF_DISTANCES; i++)
        list_take(&list, PyLong_FromUnsignedLongLong(r->distances[i]));
    return list;
}

static PyObject *row_tuple(const sib_diff_row *r)
{
    PyObject *distances = distances_of(r);
    if (!distances)
        return NULL;
    return Py_BuildValue("(NNNNNdddddKKKdNNN)", text_or_none(r->name), text_or_none(r->node),
                         text_or_none(r->op_type), PyBool_FromLong(r->differs), text_or_none(r->problem),
                         r->error, r->noise, r->excess, r->cosine, r->figures.max_abs,
                         (unsigned long long)r->figures.n_different, (unsigned long long)r->n_nan_ours,
                         (unsigned long long)r->n_nan_theirs, r->figures.max_rel,
                         index_or_none(r->figures.first), index_or_none(r->figures.worst), distances);
}

static PyObject *diff_nodes(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *model, *names, *values;
    sib_diff_options options = {0};
    if (!PyArg_ParseTuple(args, "OO!O!zId:diff_nodes", &model, &PyList_Type, &names, &PyList_Type, &values,
                          &options.backends, &options.threads, &options.factor))
        return NULL;
    sib_model *m = model_of(model);
    size_t n = 0;
    const char **texts = m ? texts_of(names, &n) : NULL;
    sib_named_value *given = texts ? PyMem_Calloc(n + 1, sizeof *given) : NULL;
    bool ok = given && PyList_Size(values) == (Py_ssize_t)n;
    if (texts && !ok)
        given ? PyErr_SetString(PyExc_ValueError, "expected as many names as values")
              : (void)PyErr_NoMemory();
    for (size_t i = 0; i < n && ok; i++) {
        given[i] = (sib_named_value){texts[i], value_of(PyList_GetItem(values, (Py_ssize_t)i))};
        ok = given[i].value;
    }
    sib_diff *d = NULL;
    sib_error err = SIB_ERROR_INIT;
    sib_code code = SIB_OK;
    if (ok) {
        Py_BEGIN_ALLOW_THREADS code = sib_diff_create(m, n, given, &options, &d, &err);
        Py_END_ALLOW_THREADS
    }
    PyMem_Free(texts);
    PyMem_Free(given);
    if (code != SIB_OK)
        return error_raise(&err, NULL);
    PyObject *list = ok ? PyList_New(0) : NULL;
    sib_diff_row r;
    for (size_t i = 0; list && sib_diff_get(d, i, &r); i++)
        list_take(&list, row_tuple(&r));
    sib_diff_free(&d);
    return list;
}

PyMethodDef DIFF_METHODS[] = {
    {"diff_nodes", diff_nodes, METH_VARARGS,
     "diff_nodes(model, names, values, backends or None, threads, factor) -> list of tuples"},
    {NULL, NULL, 0, NULL},
};
