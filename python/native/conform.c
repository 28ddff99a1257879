/* Cases of ONNX's backend tests: sib_conform_case, as a tuple. */
#include "ext.h"

static PyObject *conform_case(PyObject *module, PyObject *args)
{
    (void)module;
    const char *folder;
    PyObject *registry;
    sib_session_options session = {.threads = 1};
    sib_open_options open = {0};
    int any_input_dims;
    sib_conform_options options = {.open = &open, .session = &session};
    if (!PyArg_ParseTuple(args, "yzzOpdd:conform_case", &folder, &session.backends, &session.passes,
                          &registry, &any_input_dims, &options.tolerance.rtol, &options.tolerance.atol))
        return NULL;
    open.registry = registry_of(registry);
    open.any_input_dims = any_input_dims != 0;
    if (!open.registry)
        return NULL;
    sib_conform_result r;
    sib_error err = SIB_ERROR_INIT;
    sib_code code;
    Py_BEGIN_ALLOW_THREADS code = sib_conform_case(folder, &options, &r, &err);
    Py_END_ALLOW_THREADS if (code != SIB_OK) return error_raise(&err, NULL);
    return Py_BuildValue("(iNnNNNd)", (int)r.verdict, text_or_none(r.reason), (Py_ssize_t)r.outputs,
                         PyBool_FromLong(r.by_distribution), PyBool_FromLong(r.by_double),
                         PyBool_FromLong(r.recast), r.seconds);
}

PyMethodDef CONFORM_METHODS[] = {
    {"conform_case", conform_case, METH_VARARGS,
     "conform_case(folder, backends or None, passes or None, registry, any_input_dims, rtol, atol) -> tuple"},
    {NULL, NULL, 0, NULL},
};
