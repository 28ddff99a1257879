/* What goes into jobs and comes out of them, as Python has it. */
#include "ext.h"

#include <string.h>

/* ---- In ----------------------------------------------------------------------------------------------- */

static bool take_text(PyObject *given, const char **data, size_t *size)
{
    char *bytes;
    Py_ssize_t n;
    if (PyBytes_AsStringAndSize(given, &bytes, &n) != 0)
        return false;
    *data = bytes;
    *size = (size_t)n;
    return true;
}

static bool take_texts(PyObject *list, sib_port_value *out, port_memory *memory)
{
    Py_ssize_t n = PyList_Size(list);
    memory->texts = n < 0 ? NULL : PyMem_Calloc((size_t)n + 1, sizeof *memory->texts);
    if (!memory->texts) {
        if (n >= 0)
            PyErr_NoMemory();
        return false;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        size_t size;
        if (!take_text(PyList_GetItem(list, i), &memory->texts[i], &size))
            return false;
    }
    out->texts.data = memory->texts;
    out->texts.n = (size_t)n;
    return true;
}

static bool take_tensor(PyObject *given, sib_port_value *out)
{
    const sib_value *v = value_of(given);
    if (!v)
        return false;
    out->tensor = sib_value_tensor(v);
    if (!out->tensor)
        PyErr_SetString(PyExc_TypeError, "inputs of a job can be tensors, not sequences, optionals or maps");
    return out->tensor;
}

bool port_value_of(PyObject *given, int type, sib_port_value *out, port_memory *memory)
{
    int yes;
    *out = (sib_port_value){.type = (sib_port_type)type};
    switch (out->type) {
    case SIB_PORT_AUDIO:
    case SIB_PORT_TENSOR:
        return take_tensor(given, out);
    case SIB_PORT_TOKENS:
        if (!array_open_as(given, "tokens", false, SIB_I32, &memory->array))
            return false;
        out->tokens.ids = memory->array.data;
        out->tokens.n = memory->array.count;
        return true;
    case SIB_PORT_NUMBERS:
        if (!array_open_as(given, "numbers", false, SIB_F64, &memory->array))
            return false;
        out->numbers.data = memory->array.data;
        out->numbers.n = memory->array.count;
        return true;
    case SIB_PORT_TEXT:
        return take_text(given, &out->text.data, &out->text.size);
    case SIB_PORT_TEXTS:
        return take_texts(given, out, memory);
    case SIB_PORT_NUMBER:
        out->number = PyFloat_AsDouble(given);
        return !PyErr_Occurred();
    case SIB_PORT_FLAG:
        yes = PyObject_IsTrue(given);
        out->flag = yes > 0;
        return yes >= 0;
    case SIB_PORT_SEGMENTS:
    case SIB_PORT_SPANS:
    case SIB_PORT_NONE:
        break;
    }
    PyErr_Format(PyExc_TypeError, "values of type %s cannot be inputs of a job",
                 sib_port_type_name(out->type));
    return false;
}

void port_memory_free(port_memory *memory)
{
    array_close(&memory->array);
    PyMem_Free(memory->texts);
    memory->texts = NULL;
}

bool job_inputs_take(PyObject *list, job_inputs *out)
{
    *out = (job_inputs){0};
    Py_ssize_t n = PyList_Size(list);
    if (n < 0)
        return false;
    out->values = PyMem_Calloc((size_t)n + 1, sizeof *out->values);
    out->memory = PyMem_Calloc((size_t)n + 1, sizeof *out->memory);
    if (!out->values || !out->memory) {
        PyErr_NoMemory();
        return false;
    }
    out->list = Py_NewRef(list);
    out->n = (size_t)n;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *given;
        int type;
        if (!PyArg_ParseTuple(PyList_GetItem(list, i), "siO", &out->values[i].name, &type, &given) ||
            !port_value_of(given, type, &out->values[i].value, &out->memory[i]))
            return false;
    }
    return true;
}

void job_inputs_free(job_inputs *in)
{
    for (size_t i = 0; in->memory && i < in->n; i++)
        port_memory_free(&in->memory[i]);
    PyMem_Free(in->memory);
    PyMem_Free(in->values);
    Py_XDECREF(in->list);
    *in = (job_inputs){0};
}

/* ---- Out ----------------------------------------------------------------------------------------------- */

PyObject *port_text(const char *text, size_t size)
{
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t)size, "surrogateescape");
}

/* Item i of what the list is made of. New reference, or NULL with an exception set. */
typedef PyObject *item_maker(const void *data, size_t i);

static PyObject *list_of(const void *data, size_t n, item_maker *make)
{
    PyObject *list = PyList_New((Py_ssize_t)n);
    for (size_t i = 0; list && i < n; i++) {
        PyObject *item = make(data, i);
        if (!item)
            Py_CLEAR(list);
        else
            PyList_SetItem(list, (Py_ssize_t)i, item);
    }
    return list;
}

static PyObject *token_item(const void *data, size_t i)
{
    return PyLong_FromLong(((const int32_t *)data)[i]);
}

static PyObject *number_item(const void *data, size_t i)
{
    return PyFloat_FromDouble(((const double *)data)[i]);
}

static PyObject *text_item(const void *data, size_t i)
{
    const char *text = ((const char *const *)data)[i];
    return port_text(text, strlen(text));
}

static PyObject *span_item(const void *data, size_t i)
{
    const sib_span *s = (const sib_span *)data + i;
    return Py_BuildValue("{sdsd}", "start", s->start, "end", s->end);
}

static PyObject *word_item(const void *data, size_t i)
{
    const sib_word *w = (const sib_word *)data + i;
    PyObject *text = port_text(w->text, strlen(w->text));
    return text ? Py_BuildValue("{sNsdsdsd}", "word", text, "start", w->start, "end", w->end, "probability",
                                w->probability)
                : NULL;
}

/* Sets an item that is NULL where making it has failed. */
static bool set_item(PyObject *dict, const char *key, PyObject *item)
{
    bool set = item && PyDict_SetItemString(dict, key, item) == 0;
    Py_XDECREF(item);
    return set;
}

PyObject *port_segment(const sib_segment *s)
{
    PyObject *text = port_text(s->text, strlen(s->text));
    PyObject *tokens = text ? list_of(s->tokens, s->n_tokens, token_item) : NULL;
    if (!tokens) {
        Py_XDECREF(text);
        return NULL;
    }
    PyObject *dict =
        Py_BuildValue("{sKsKsdsdsNsNsdsdsdsd}", "id", (unsigned long long)s->id, "seek",
                      (unsigned long long)s->seek, "start", s->start, "end", s->end, "text", text, "tokens",
                      tokens, "temperature", s->temperature, "avg_logprob", s->avg_logprob,
                      "compression_ratio", s->compression_ratio, "no_speech_prob", s->no_speech_prob);
    if (dict && s->words && !set_item(dict, "words", list_of(s->words, s->n_words, word_item)))
        Py_CLEAR(dict);
    const size_t n_logprobs = s->logprobs ? s->n_tokens : 0;
    if (dict && !set_item(dict, "logprobs", list_of(s->logprobs, n_logprobs, number_item)))
        Py_CLEAR(dict);
    return dict;
}

static PyObject *segment_item(const void *data, size_t i)
{
    return port_segment((const sib_segment *)data + i);
}

PyObject *port_value_give(const sib_port_value *v)
{
    switch (v->type) {
    case SIB_PORT_TOKENS:
        return list_of(v->tokens.ids, v->tokens.n, token_item);
    case SIB_PORT_TEXT:
        return port_text(v->text.data, v->text.size);
    case SIB_PORT_NUMBER:
        return PyFloat_FromDouble(v->number);
    case SIB_PORT_NUMBERS:
        return list_of(v->numbers.data, v->numbers.n, number_item);
    case SIB_PORT_FLAG:
        return PyBool_FromLong(v->flag);
    case SIB_PORT_TEXTS:
        return list_of(v->texts.data, v->texts.n, text_item);
    case SIB_PORT_SEGMENTS:
        return list_of(v->segments.data, v->segments.n, segment_item);
    case SIB_PORT_SPANS:
        return list_of(v->spans.data, v->spans.n, span_item);
    case SIB_PORT_AUDIO:
    case SIB_PORT_TENSOR:
    case SIB_PORT_NONE:
        break;
    }
    PyErr_Format(PyExc_TypeError, "a value of type %s cannot be given here", sib_port_type_name(v->type));
    return NULL;
}
