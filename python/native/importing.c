/* Checkpoints made models: sib_import, and its report as a dict. */
#include "ext.h"

#include <string.h>

static PyObject *text(const char *s)
{
    return s ? PyUnicode_DecodeUTF8(s, (Py_ssize_t)strlen(s), "replace") : Py_NewRef(Py_None);
}

/* Takes item over. */
static void put(PyObject *dict, const char *key, PyObject *item)
{
    if (item && PyDict_SetItemString(dict, key, item) != 0)
        PyErr_Clear(); /* what is missing is seen at once */
    Py_XDECREF(item);
}

static void append(PyObject *list, PyObject *item)
{
    if (item && PyList_Append(list, item) != 0)
        PyErr_Clear();
    Py_XDECREF(item);
}

static PyObject *weight_dict(const sib_import_weight *w)
{
    PyObject *dict = PyDict_New(), *dims = PyList_New(0);
    if (!dict || !dims)
        return NULL;
    for (size_t i = 0; i < w->rank; i++)
        append(dims, PyLong_FromLongLong(w->dims[i]));
    put(dict, "name", text(w->name));
    put(dict, "type", text(w->format));
    put(dict, "dims", dims);
    put(dict, "used", PyBool_FromLong(w->used));
    if (w->checked) {
        put(dict, "min", PyFloat_FromDouble(w->stats.min));
        put(dict, "max", PyFloat_FromDouble(w->stats.max));
        put(dict, "mean", PyFloat_FromDouble(w->stats.mean));
        put(dict, "std", PyFloat_FromDouble(w->stats.std));
        put(dict, "nan", PyLong_FromUnsignedLongLong(w->stats.n_nan));
        put(dict, "inf", PyLong_FromUnsignedLongLong(w->stats.n_inf));
    }
    return dict;
}

/* job: the document beside the model, or NULL. */
static PyObject *report_dict(const sib_import_report *r, const char *job)
{
    PyObject *dict = PyDict_New(), *weights = PyList_New(0), *problems = PyList_New(0);
    sib_import_totals t;
    sib_import_weight w;
    sib_import_problem p;
    if (!dict || !weights || !problems)
        return NULL;
    sib_import_report_totals(r, &t);
    for (size_t i = 0; sib_import_report_weight(r, i, &w); i++)
        append(weights, weight_dict(&w));
    for (size_t i = 0; sib_import_report_problem(r, i, &p); i++)
        append(problems, text(p.text));
    put(dict, "recipe", text(t.recipe));
    put(dict, "format", text(t.format));
    put(dict, "tokenizer", text(t.tokenizer));
    put(dict, "job", text(job));
    put(dict, "parameters", PyLong_FromUnsignedLongLong(t.parameters));
    put(dict, "weights", weights);
    put(dict, "problems", problems);
    return dict;
}

/* Writes the model, and beside it its job where Sibyl has one and the model its tokenizer. */
static sib_code import_with_job(const char **paths, size_t n, const char *out, const sib_import_options *o,
                                sib_import_report **report, char **job, sib_error *err)
{
    sib_import_totals t;
    sib_code code = sib_import(paths, n, out, o, report, err);
    if (code != SIB_OK || !out)
        return code;
    sib_import_report_totals(*report, &t);
    code = t.tokenizer ? sib_job_store(out, NULL, job, err) : SIB_OK;
    return code == SIB_ERR_UNSUPPORTED ? SIB_OK : code;
}

static PyObject *import_model(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *names;
    const char *out, *recipe, *dtype, *tokenizer, *lora = NULL, *vocoder = NULL;
    int check, opset;
    long long audio_context;
    if (!PyArg_ParseTuple(args, "O!yzsipO&L|O&O&:import_model", &PyList_Type, &names, &out, &recipe, &dtype,
                          &opset, &check, path_of, &tokenizer, &audio_context, path_of, &lora, path_of,
                          &vocoder))
        return NULL;
    Py_ssize_t n = PyList_Size(names);
    const char **paths = PyMem_Calloc((size_t)n + 1, sizeof *paths);
    if (!paths)
        return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < n; i++)
        if (!(paths[i] = PyBytes_AsString(PyList_GetItem(names, i)))) {
            PyMem_Free(paths);
            return NULL;
        }
    sib_import_options o = {.recipe = recipe,
                            .dtype = sib_dtype_from_name(dtype),
                            .keep = !strcmp(dtype, "keep"),
                            .opset = opset,
                            .tokenizer = tokenizer,
                            .lora = lora,
                            .vocoder = vocoder,
                            .check = check != 0,
                            .audio_context = audio_context};
    sib_import_report *report = NULL;
    char *job = NULL;
    sib_error err = SIB_ERROR_INIT;
    sib_code code;
    Py_BEGIN_ALLOW_THREADS code = import_with_job(paths, (size_t)n, out, &o, &report, &job, &err);
    Py_END_ALLOW_THREADS PyMem_Free(paths);
    PyObject *dict = code == SIB_OK ? report_dict(report, job) : error_raise(&err, NULL);
    sib_import_report_free(&report);
    sib_free(job);
    return dict;
}

static PyObject *import_cached(PyObject *module, PyObject *args)
{
    (void)module;
    const char *path, *tokenizer;
    if (!PyArg_ParseTuple(args, "yO&:import_cached", &path, path_of, &tokenizer))
        return NULL;
    sib_import_options o = {.tokenizer = tokenizer};
    char *model = NULL;
    sib_error err = SIB_ERROR_INIT;
    sib_code code;
    Py_BEGIN_ALLOW_THREADS code = sib_import_cached(path, &o, &model, NULL, &err);
    Py_END_ALLOW_THREADS PyObject *result =
        code == SIB_OK ? PyUnicode_DecodeFSDefault(model) : error_raise(&err, NULL);
    sib_free(model);
    return result;
}

static PyObject *import_takes(PyObject *module, PyObject *args)
{
    (void)module;
    const char *path;
    if (!PyArg_ParseTuple(args, "y:import_takes", &path))
        return NULL;
    bool takes;
    Py_BEGIN_ALLOW_THREADS takes = sib_import_takes(path);
    Py_END_ALLOW_THREADS return PyBool_FromLong(takes);
}

PyMethodDef IMPORT_METHODS[] = {
    {"import_cached", import_cached, METH_VARARGS,
     "import_cached(path, tokenizer or None) -> path of the model"},
    {"import_takes", import_takes, METH_VARARGS, "import_takes(path) -> bool"},
    {"import_model", import_model, METH_VARARGS,
     "import_model(paths, out, recipe or None, dtype, opset, check, tokenizer or None) -> dict"},
    {NULL, NULL, 0, NULL},
};
