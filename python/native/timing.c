/* Clocks, statistics of series, memory, and the monitor of a process. */
#include "ext.h"

static PyObject *time_ns(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return PyLong_FromUnsignedLongLong(sib_time_ns());
}

static PyObject *series_stats(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *values_object, *outliers_object;
    if (!PyArg_ParseTuple(args, "OO:series_stats", &values_object, &outliers_object))
        return NULL;
    ext_array values = {0}, outliers = {0};
    PyObject *result = NULL;
    if (array_open_as(values_object, "values", false, SIB_F64, &values) &&
        array_open_as(outliers_object, "outliers", true, SIB_BOOL, &outliers)) {
        sib_series s;
        sib_error err = SIB_ERROR_INIT;
        sib_code code = SIB_ERR_ARGUMENT;
        if (outliers.count == values.count) {
            Py_BEGIN_ALLOW_THREADS code =
                sib_series_stats(values.data, values.count, &s, outliers.data, &err);
            Py_END_ALLOW_THREADS
        }
        result = code == SIB_OK ? Py_BuildValue("nddddddd", (Py_ssize_t)s.n, s.min, s.median, s.mean, s.p95,
                                                s.p99, s.max, s.std)
                                : error_raise(&err, NULL);
    }
    array_close(&outliers);
    array_close(&values);
    return result;
}

static PyObject *memory_usage(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    sib_memory m;
    sib_memory_usage(&m);
    return Py_BuildValue("KK", (unsigned long long)m.resident, (unsigned long long)m.resident_peak);
}

static PyObject *memory_limit_set(PyObject *module, PyObject *bytes)
{
    (void)module;
    const unsigned long long limit = PyLong_AsUnsignedLongLong(bytes);
    if (PyErr_Occurred())
        return NULL;
    sib_memory_limit_set(limit);
    Py_RETURN_NONE;
}

/* ---- Monitor ------------------------------------------------------------------------------------ */

static void monitor_release(PyObject *handle)
{
    sib_monitor *m = PyCapsule_GetPointer(handle, HANDLE_MONITOR);
    Py_BEGIN_ALLOW_THREADS sib_monitor_free(&m);
    Py_END_ALLOW_THREADS
}

static PyObject *monitor_start(PyObject *module, PyObject *args)
{
    (void)module;
    double interval;
    Py_ssize_t capacity;
    if (!PyArg_ParseTuple(args, "dn:monitor_start", &interval, &capacity))
        return NULL;
    sib_monitor *m = NULL;
    sib_error err = SIB_ERROR_INIT;
    if (sib_monitor_start(interval, capacity > 0 ? (size_t)capacity : 0, &m, &err) != SIB_OK)
        return error_raise(&err, NULL);
    PyObject *handle = PyCapsule_New(m, HANDLE_MONITOR, monitor_release);
    if (!handle)
        sib_monitor_free(&m);
    return handle;
}

static PyObject *monitor_stop(PyObject *module, PyObject *handle)
{
    (void)module;
    sib_monitor *m = PyCapsule_GetPointer(handle, HANDLE_MONITOR);
    if (!m)
        return NULL;
    Py_BEGIN_ALLOW_THREADS sib_monitor_stop(m);
    Py_END_ALLOW_THREADS Py_RETURN_NONE;
}

static PyObject *monitor_samples(PyObject *module, PyObject *handle)
{
    (void)module;
    sib_monitor *m = PyCapsule_GetPointer(handle, HANDLE_MONITOR);
    if (!m)
        return NULL;
    const size_t room = sib_monitor_samples(m, NULL, 0);
    sib_monitor_sample *samples = PyMem_Calloc(room + 1, sizeof *samples);
    if (!samples)
        return PyErr_NoMemory();
    size_t n = sib_monitor_samples(m, samples, room);
    n = n < room ? n : room; /* more may have come meanwhile, or every second one gone */
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < n; i++)
        list_take(&list, Py_BuildValue("(ddKK)", samples[i].seconds, samples[i].cpu,
                                       (unsigned long long)samples[i].resident,
                                       (unsigned long long)samples[i].allocated));
    PyMem_Free(samples);
    return list;
}

PyMethodDef TIMING_METHODS[] = {
    {"time_ns", time_ns, METH_NOARGS, "time_ns() -> int"},
    {"series_stats", series_stats, METH_VARARGS, "series_stats(values, outliers) -> tuple"},
    {"memory_usage", memory_usage, METH_NOARGS, "memory_usage() -> (resident, peak)"},
    {"memory_limit_set", memory_limit_set, METH_O, "memory_limit_set(bytes)"},
    {"monitor_start", monitor_start, METH_VARARGS, "monitor_start(interval, capacity) -> monitor"},
    {"monitor_stop", monitor_stop, METH_O, "monitor_stop(monitor)"},
    {"monitor_samples", monitor_samples, METH_O, "monitor_samples(monitor) -> list of tuples"},
    {NULL, NULL, 0, NULL},
};
