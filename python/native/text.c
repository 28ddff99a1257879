/* Tokenizers: text to ids and back. */
#include "ext.h"

static void tokenizer_release(PyObject *handle)
{
    sib_tokenizer *t = PyCapsule_GetPointer(handle, HANDLE_TOKENIZER);
    sib_tokenizer_free(&t);
}

/* The tokenizer in a handle, or NULL with an exception set; borrowed. */
static const sib_tokenizer *tokenizer_of(PyObject *handle)
{
    return PyCapsule_GetPointer(handle, HANDLE_TOKENIZER);
}

static PyObject *tokenizer_open(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *path_object;
    char *path = NULL;
    const char *kind;
    Py_ssize_t n_vocab;
    if (!PyArg_ParseTuple(args, "Ozn:tokenizer_open", &path_object, &kind, &n_vocab))
        return NULL;
    if (path_object != Py_None && PyBytes_AsStringAndSize(path_object, &path, NULL) != 0)
        return NULL;
    if (n_vocab < 0) {
        PyErr_SetString(PyExc_ValueError, "n_vocab is negative");
        return NULL;
    }
    sib_tokenizer_options options = {.kind = kind, .n_vocab = (size_t)n_vocab};
    sib_tokenizer *t = NULL;
    sib_error err = SIB_ERROR_INIT;
    sib_code code;
    Py_BEGIN_ALLOW_THREADS code = sib_tokenizer_open(path, &options, &t, &err);
    Py_END_ALLOW_THREADS if (code != SIB_OK) return error_raise(&err, NULL);
    PyObject *handle = PyCapsule_New(t, HANDLE_TOKENIZER, tokenizer_release);
    if (!handle)
        sib_tokenizer_free(&t);
    return handle;
}

static PyObject *tokenizer_info(PyObject *module, PyObject *handle)
{
    (void)module;
    const sib_tokenizer *t = tokenizer_of(handle);
    if (!t)
        return NULL;
    sib_tokenizer_info info;
    sib_tokenizer_get_info(t, &info);
    return Py_BuildValue("sn", info.kind, (Py_ssize_t)info.n_vocab);
}

/* A list of (n) ids, which are freed. */
static PyObject *list_of(int32_t *ids, size_t n)
{
    PyObject *list = PyList_New((Py_ssize_t)n);
    for (size_t i = 0; list && i < n; i++) {
        PyObject *id = PyLong_FromLong(ids[i]);
        if (!id || PyList_SetItem(list, (Py_ssize_t)i, id) != 0)
            Py_CLEAR(list);
    }
    sib_free(ids);
    return list;
}

static PyObject *tokenizer_encode(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *handle;
    Py_buffer text;
    int special;
    if (!PyArg_ParseTuple(args, "Oy*p:tokenizer_encode", &handle, &text, &special))
        return NULL;
    const sib_tokenizer *t = tokenizer_of(handle);
    int32_t *ids = NULL;
    size_t n = 0;
    sib_error err = SIB_ERROR_INIT;
    sib_code code = SIB_ERR_ARGUMENT;
    if (t) {
        Py_BEGIN_ALLOW_THREADS code =
            sib_tokenizer_encode(t, text.buf, (size_t)text.len,
                                 special ? SIB_SPECIAL_AS_TOKENS : SIB_SPECIAL_AS_TEXT, &ids, &n, &err);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&text);
    if (!t)
        return NULL;
    return code == SIB_OK ? list_of(ids, n) : error_raise(&err, NULL);
}

/* The numbers of a sequence; PyMem_Free. NULL with an exception set. */
static int32_t *ids_of(PyObject *sequence, size_t *n)
{
    Py_ssize_t length = PySequence_Size(sequence);
    int32_t *ids = length < 0 ? NULL : PyMem_Calloc((size_t)length + 1, sizeof *ids);
    if (!ids)
        return length < 0 ? NULL : (int32_t *)PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < length; i++) {
        PyObject *item = PySequence_GetItem(sequence, i);
        long long id = item ? PyLong_AsLongLong(item) : -1;
        Py_XDECREF(item);
        if (!PyErr_Occurred() && (id < 0 || id > INT32_MAX))
            PyErr_Format(PyExc_ValueError, "id %lld is not in the vocabulary", id);
        if (PyErr_Occurred()) {
            PyMem_Free(ids);
            return NULL;
        }
        ids[i] = (int32_t)id;
    }
    *n = (size_t)length;
    return ids;
}

static PyObject *tokenizer_decode(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *handle, *sequence;
    int skip_special;
    if (!PyArg_ParseTuple(args, "OOp:tokenizer_decode", &handle, &sequence, &skip_special))
        return NULL;
    const sib_tokenizer *t = tokenizer_of(handle);
    size_t n = 0, size = 0;
    int32_t *ids = t ? ids_of(sequence, &n) : NULL;
    if (!ids)
        return NULL;
    char *text = NULL;
    sib_error err = SIB_ERROR_INIT;
    sib_code code;
    Py_BEGIN_ALLOW_THREADS code = sib_tokenizer_decode(t, ids, n, skip_special, &text, &size, &err);
    Py_END_ALLOW_THREADS PyMem_Free(ids);
    if (code != SIB_OK)
        return error_raise(&err, NULL);
    PyObject *bytes = PyBytes_FromStringAndSize(text, (Py_ssize_t)size);
    sib_free(text);
    return bytes;
}

static PyObject *tokenizer_token(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *handle;
    int id;
    const char *bytes;
    size_t size;
    bool special;
    if (!PyArg_ParseTuple(args, "Oi:tokenizer_token", &handle, &id))
        return NULL;
    const sib_tokenizer *t = tokenizer_of(handle);
    if (!t)
        return NULL;
    if (!sib_tokenizer_token(t, id, &bytes, &size, &special))
        return Py_NewRef(Py_None);
    return Py_BuildValue("y#O", bytes, (Py_ssize_t)size, special ? Py_True : Py_False);
}

static PyObject *tokenizer_find(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *handle;
    Py_buffer bytes;
    if (!PyArg_ParseTuple(args, "Oy*:tokenizer_find", &handle, &bytes))
        return NULL;
    const sib_tokenizer *t = tokenizer_of(handle);
    long id = t ? sib_tokenizer_find(t, bytes.buf, (size_t)bytes.len) : -1;
    PyBuffer_Release(&bytes);
    return t ? PyLong_FromLong(id) : NULL;
}

static PyObject *whisper_languages(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    const char *code, *name;
    PyObject *dict = PyDict_New();
    for (size_t i = 0; dict && sib_whisper_language(i, &code, &name); i++) {
        PyObject *text = PyUnicode_FromString(name);
        if (!text || PyDict_SetItemString(dict, code, text) != 0)
            Py_CLEAR(dict);
        Py_XDECREF(text);
    }
    return dict;
}

PyMethodDef TEXT_METHODS[] = {
    {"tokenizer_open", tokenizer_open, METH_VARARGS, "tokenizer_open(path, kind, n_vocab) -> tokenizer"},
    {"tokenizer_info", tokenizer_info, METH_O, "tokenizer_info(tokenizer) -> (kind, n_vocab)"},
    {"tokenizer_encode", tokenizer_encode, METH_VARARGS, "tokenizer_encode(tokenizer, text, special) -> ids"},
    {"tokenizer_decode", tokenizer_decode, METH_VARARGS,
     "tokenizer_decode(tokenizer, ids, skip_special) -> bytes"},
    {"tokenizer_token", tokenizer_token, METH_VARARGS,
     "tokenizer_token(tokenizer, id) -> (bytes, special) or None"},
    {"tokenizer_find", tokenizer_find, METH_VARARGS, "tokenizer_find(tokenizer, bytes) -> id or -1"},
    {"whisper_languages", whisper_languages, METH_NOARGS, "whisper_languages() -> {code: name}"},
    {NULL, NULL, 0, NULL},
};
