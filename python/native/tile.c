/* The tile: plans, the simulated machine, code for the chip. A plan travels as the options and frames that make it. */
#include "ext.h"

#include <string.h>

typedef unsigned long long ull;

/* A converter: (batch, depth, tiles, bands, out, memory, call, byte, frame, dialect). */
static int options_of(PyObject *given, void *result)
{
    sib_tile_options *o = result;
    unsigned out, dialect;
    ull memory;
    if (!PyTuple_Check(given) ||
        !PyArg_ParseTuple(given, "IIIIIKdddI", &o->batch, &o->depth, &o->tiles, &o->bands, &out, &memory,
                          &o->cost.call, &o->cost.byte, &o->cost.frame, &dialect)) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError, "expected a tuple of options");
        return 0;
    }
    o->out = (sib_tile_out)out;
    o->memory = memory;
    o->dialect = (sib_tile_dialect)dialect;
    return 1;
}

static PyObject *plan_dict(const sib_tile_plan *p)
{
    const sib_tile_options *o = &p->options;
    return Py_BuildValue(
        "{sIsIsIsIsIsKsdsdsdsIsKsIsIsIsIsKsKsKsKsKsKsKsKsNsKsKsKsKsKsKsKsdsdsdsd}", "batch", o->batch,
        "depth", o->depth, "tiles", o->tiles, "bands", o->bands, "out", (unsigned)o->out, "memory",
        (ull)o->memory, "call_cost", o->cost.call, "byte_cost", o->cost.byte, "frame_cost", o->cost.frame,
        "dialect", (unsigned)o->dialect, "frames", (ull)p->frames, "rows", p->rows, "tiles_used",
        p->tiles_used, "channels", p->channels, "linked", p->linked, "element_in", (ull)p->element_in,
        "element_out", (ull)p->element_out, "fifo_in", (ull)p->fifo_in, "fifo_out", (ull)p->fifo_out, "stack",
        (ull)p->stack, "constants", (ull)p->constants, "state", (ull)p->state, "total", (ull)p->total, "fits",
        PyBool_FromLong(p->fits), "program", (ull)p->program, "memory_tile", (ull)p->memory_tile, "calls",
        (ull)p->calls, "transfers", (ull)p->transfers, "bytes_in", (ull)p->bytes_in, "bytes_out",
        (ull)p->bytes_out, "bytes_host", (ull)p->bytes_host, "seconds", p->seconds, "seconds_in",
        p->seconds_in, "seconds_compute", p->seconds_compute, "seconds_out", p->seconds_out);
}

static PyObject *tile_plan(PyObject *module, PyObject *args)
{
    (void)module;
    sib_tile_options o = {0};
    ull frames;
    int best;
    if (!PyArg_ParseTuple(args, "O&Kp:tile_plan", options_of, &o, &frames, &best))
        return NULL;
    sib_tile_plan plan;
    sib_error err = SIB_ERROR_INIT;
    sib_code code;
    Py_BEGIN_ALLOW_THREADS code =
        best ? sib_tile_plan_best(&o, frames, &plan, &err) : sib_tile_plan_make(&o, frames, &plan, &err);
    Py_END_ALLOW_THREADS return code == SIB_OK ? plan_dict(&plan) : error_raise(&err, NULL);
}

/* The plan that options and frames make; false with an exception set. */
static bool plan_of(const sib_tile_options *o, ull frames, sib_tile_plan *out)
{
    sib_error err = SIB_ERROR_INIT;
    if (sib_tile_plan_make(o, frames, out, &err) == SIB_OK)
        return true;
    error_raise(&err, NULL);
    return false;
}

static PyObject *tile_advise(PyObject *module, PyObject *args)
{
    (void)module;
    sib_tile_options o = {0};
    ull frames;
    sib_tile_plan plan;
    if (!PyArg_ParseTuple(args, "O&K:tile_advise", options_of, &o, &frames) || !plan_of(&o, frames, &plan))
        return NULL;
    sib_tile_advice advice[SIB_TILE_CHANGES];
    size_t n;
    sib_tile_advise(&plan, advice, &n);
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < n; i++) {
        PyObject *dict = plan_dict(&advice[i].plan);
        list_take(&list, dict ? Py_BuildValue("(iN)", (int)advice[i].change, dict) : NULL);
    }
    return list;
}

static PyObject *tile_frames(PyObject *module, PyObject *args)
{
    (void)module;
    ull samples;
    if (!PyArg_ParseTuple(args, "K:tile_frames", &samples))
        return NULL;
    uint64_t frames;
    sib_error err = SIB_ERROR_INIT;
    if (sib_tile_frames(samples, &frames, &err) != SIB_OK)
        return error_raise(&err, NULL);
    return PyLong_FromUnsignedLongLong(frames);
}

static PyObject *tile_published(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    PyObject *list = PyList_New(0);
    sib_tile_published row;
    for (size_t i = 0; list && sib_tile_published_row(i, &row); i++)
        list_take(&list, Py_BuildValue("(IIKKKK)", row.batch, row.stack, (ull)row.fifo_in, (ull)row.fifo_out,
                                       (ull)row.total, (ull)row.calls));
    return list;
}

static PyObject *tile_simulate(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *samples_object, *features_object;
    sib_tile_options o = {0};
    sib_tile_simulation fault = {0};
    sib_tile_plan plan;
    ull frames, call;
    int kind;
    if (!PyArg_ParseTuple(args, "O&KOOiKI:tile_simulate", options_of, &o, &frames, &samples_object,
                          &features_object, &kind, &call, &fault.fault_tile) ||
        !plan_of(&o, frames, &plan))
        return NULL;
    fault.fault = (sib_tile_fault)kind;
    fault.fault_call = call;
    ext_array samples = {0}, features = {0};
    PyObject *result = NULL;
    if (array_open_as(samples_object, "samples", false, SIB_I16, &samples) &&
        array_open_as(features_object, "features", true, o.out == SIB_TILE_INT8 ? SIB_I8 : SIB_I16,
                      &features)) {
        sib_tile_report r;
        sib_error err = SIB_ERROR_INIT;
        sib_code code = SIB_ERR_ARGUMENT;
        const bool fits = features.count == frames * o.bands;
        if (fits) {
            Py_BEGIN_ALLOW_THREADS code =
                sib_tile_simulate(&plan, samples.data, samples.count, &fault, features.data, &r, &err);
            Py_END_ALLOW_THREADS
        }
        if (!fits)
            PyErr_SetString(PyExc_ValueError, "features is not (frames, bands)");
        else if (code != SIB_OK)
            error_raise(&err, NULL);
        else
            result =
                Py_BuildValue("(KKKKKKKdddd)", (ull)r.calls, (ull)r.transfers, (ull)r.bytes_in,
                              (ull)r.bytes_out, (ull)r.stalls_input, (ull)r.stalls_output, (ull)r.stalls_dma,
                              r.stall_seconds, r.predicted_seconds, r.measured_seconds, r.kernel_seconds);
    }
    array_close(&features);
    array_close(&samples);
    return result;
}

/* Emits a plan into a folder, or checks a design against it. */
static PyObject *with_plan(PyObject *args, const char *format,
                           sib_code (*call)(const sib_tile_plan *plan, const char *text, sib_error *err))
{
    sib_tile_options o = {0};
    sib_tile_plan plan;
    ull frames;
    const char *text;
    if (!PyArg_ParseTuple(args, format, options_of, &o, &frames, &text) || !plan_of(&o, frames, &plan))
        return NULL;
    sib_error err = SIB_ERROR_INIT;
    sib_code code;
    Py_BEGIN_ALLOW_THREADS code = call(&plan, text, &err);
    Py_END_ALLOW_THREADS return code == SIB_OK ? Py_NewRef(Py_None) : error_raise(&err, NULL);
}

static PyObject *tile_emit(PyObject *module, PyObject *args)
{
    (void)module;
    return with_plan(args, "O&Ky:tile_emit", sib_tile_emit);
}

static sib_code check(const sib_tile_plan *plan, const char *design, sib_error *err)
{
    return sib_tile_check(design, plan, err);
}

static PyObject *tile_check(PyObject *module, PyObject *args)
{
    (void)module;
    return with_plan(args, "O&Ks:tile_check", check);
}

PyMethodDef TILE_METHODS[] = {
    {"tile_plan", tile_plan, METH_VARARGS, "tile_plan(options, frames, best) -> dict"},
    {"tile_advise", tile_advise, METH_VARARGS, "tile_advise(options, frames) -> list of (change, dict)"},
    {"tile_frames", tile_frames, METH_VARARGS, "tile_frames(samples) -> frames"},
    {"tile_published", tile_published, METH_NOARGS, "tile_published() -> list of tuples"},
    {"tile_simulate", tile_simulate, METH_VARARGS,
     "tile_simulate(options, frames, samples, features, fault, call, tile) -> tuple"},
    {"tile_emit", tile_emit, METH_VARARGS, "tile_emit(options, frames, folder)"},
    {"tile_check", tile_check, METH_VARARGS, "tile_check(options, frames, design)"},
    {NULL, NULL, 0, NULL},
};
