/* What the files of the extension share: arrays from outside, errors on their way to Python, handles.

   The extension sees the library through its public headers and Python through the stable ABI of 3.11. It
   allocates no arrays: every result is written into an array that the Python side made with NumPy or torch,
   or stays where the library put it and is lent out as a buffer, so that nothing is copied on the way in or
   out. */
#ifndef SIBYL_PYTHON_EXT_H
#define SIBYL_PYTHON_EXT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <sibyl/sibyl.h>

/* ---- Errors ------------------------------------------------------------------------------------- */

/* Raises what sibyl.errors makes of err, its message led by `prefix` (may be NULL); returns NULL. */
PyObject *error_raise(const sib_error *err, const char *prefix);

/* Takes the exception that is set, in a callback of the library: fills err with it and returns its code. The
   error_raise of that failure on the same thread names the exception as its cause, or raises it again where it
   is no Exception (KeyboardInterrupt). */
sib_code error_take(sib_error *err);

/* ---- Arrays ------------------------------------------------------------------------------------- */

/* Memory of somebody else: whatever has the buffer protocol (NumPy) or __dlpack__ (torch); dense, row-major,
   on the CPU. It stays alive and in place until array_close. */
typedef struct ext_array {
    void *data;
    sib_dtype dtype;
    size_t rank;
    int64_t shape[SIB_MAX_RANK];
    size_t count;     /* elements */
    Py_buffer buffer; /* buffer.obj is NULL where the array came as a capsule */
    PyObject *capsule;
} ext_array;

/* Opens `object`, called `name` in messages. True, or false with a Python exception set: TypeError (no array,
   an element type that Sibyl does not know), ValueError (not dense, too many dimensions, read-only where
   `writable`, not on the CPU). */
bool array_open(PyObject *object, const char *name, bool writable, ext_array *out);

/* The same, and the elements must be `dtype`. */
bool array_open_as(PyObject *object, const char *name, bool writable, sib_dtype dtype, ext_array *out);

/* Lets go of the memory. An array that is closed or all zero is allowed. */
void array_close(ext_array *array);

/* Fills data, dtype, rank, shape and count from a DLPack capsule, which stays the owner of the memory. */
bool dlpack_read(PyObject *capsule, const char *name, ext_array *out);

/* ---- Handles: capsules with the names below ------------------------------------------------------ */

#define HANDLE_MEL          "sibyl.mel"
#define HANDLE_MEL_DEVICE   "sibyl.mel_device"
#define HANDLE_STREAM       "sibyl.stream"
#define HANDLE_POOL         "sibyl.pool"
#define HANDLE_VALUE        "sibyl.value"
#define HANDLE_MODEL        "sibyl.model"
#define HANDLE_SESSION      "sibyl.session"
#define HANDLE_CANCEL       "sibyl.cancel"
#define HANDLE_PROFILE      "sibyl.profile"
#define HANDLE_TOKENIZER    "sibyl.tokenizer"
#define HANDLE_JOB          "sibyl.job"
#define HANDLE_LIVE         "sibyl.live"
#define HANDLE_REGISTRY     "sibyl.registry"
#define HANDLE_LOWERING     "sibyl.lowering"
#define HANDLE_OPS          "sibyl.ops"
#define HANDLE_MONITOR      "sibyl.monitor"
#define HANDLE_PREFIX_CACHE "sibyl.prefix_cache"
#define HANDLE_SPECULATION  "sibyl.speculation"

/* The pool in a handle, NULL for None; *ok is false with an exception set where it is neither. */
sib_pool *pool_of(PyObject *handle, bool *ok);

/* The tables in a handle, or NULL with an exception set. */
sib_mel *mel_of(PyObject *handle);

/* The session in a handle, or NULL with an exception set; borrowed. */
sib_session *session_of(PyObject *handle);
/* A handle of a session that belongs to another handle, which it keeps alive. */
PyObject *session_lend(sib_session *session, PyObject *owner);
/* A log that calls function(level, message), which it borrows; none where it is None. */
sib_logger logger_of(PyObject *function, int level);

/* The model in a handle, or NULL with an exception set; borrowed. */
sib_model *model_of(PyObject *handle);
/* The registry in a handle, or NULL with an exception set; borrowed. */
sib_registry *registry_of(PyObject *handle);
/* The attributes of a node with these names, as a dict. */
PyObject *attributes_of(PyObject *module, const sib_node *node, PyObject *names);
/* Adds one to a dict; a failure clears the dict. */
void attribute_put(PyObject *module, PyObject **dict, const sib_attribute *a);
/* Copies of the inputs of a call, which its function may keep; None for one that is omitted. */
PyObject *call_inputs(PyObject *module, const sib_call *c);
/* Sets the outputs of a call. values: a list of handles, None for an output that is not given. */
sib_code call_give(sib_call *c, PyObject *values, sib_error *err);
/* A handle of a lowering, to be used until lowering_over. */
PyObject *lowering_handle(sib_lowering *l);
void lowering_over(PyObject *handle);
/* Appends an item, which is taken over; a failed item clears the list. */
void list_take(PyObject **list, PyObject *item);
/* Text of a file, which need not be UTF-8; None for NULL. */
PyObject *text_or_none(const char *s);
/* An index, None for UINT64_MAX. New reference, or NULL with an exception set. */
PyObject *index_or_none(uint64_t index);
/* What sibyl/plan.h says of a session, a list of dicts. */
PyObject *plan_list(sib_session *session);
PyObject *edit_list(sib_session *session);

/* A converter of PyArg_ParseTuple ("O&"): a path as bytes, which keep it, or NULL for None. out: const char
   **. */
int path_of(PyObject *given, void *out);

/* Texts (n) of a list of str, which keeps them; released with PyMem_Free. NULL with an exception set. */
const char **texts_of(PyObject *list, size_t *n);

/* ---- Values -------------------------------------------------------------------------------------- */

/* The value in a handle, or NULL with an exception set; borrowed. */
const sib_value *value_of(PyObject *handle);

/* v, which is taken over, as nested tuples: ("tensor", dtype, shape, memory or strings), ("sequence", items),
   ("optional", item or None), ("map", keys, values). Memory that others see too is copied. New reference, or
   NULL with an exception set. */
PyObject *value_lend(PyObject *module, sib_value *v);

/* ---- What goes into jobs and comes out of them ----------------------------------------------------- */

/* What a value given to a job lies in. */
typedef struct port_memory {
    ext_array array;    /* of tokens and numbers */
    const char **texts; /* of a list of texts, which lie in Python's objects */
} port_memory;

/* `given` as a value of `type`, which stays where it is: a value's handle (audio, tensor), an array of int32
   (tokens) or float64 (numbers), bytes (text), a list of bytes (texts), a number, a bool. memory: to be
   released with port_memory_free, after a failure too. False with an exception set. */
bool port_value_of(PyObject *given, int type, sib_port_value *out, port_memory *memory);
void port_memory_free(port_memory *memory);

/* Inputs of a job from a list of (name, number of the type, value), which they keep. */
typedef struct job_inputs {
    size_t n;
    sib_job_value *values; /* (n) */
    port_memory *memory;   /* (n) */
    PyObject *list;
} job_inputs;

/* False with an exception set; to be released with job_inputs_free, after a failure too. */
bool job_inputs_take(PyObject *list, job_inputs *out);
void job_inputs_free(job_inputs *in);

/* The job in a handle, or NULL with an exception set; borrowed. */
const sib_job *job_of(PyObject *handle);
/* Puts what runs share, each a handle or None, into the options of a run. False with an exception set. */
bool shared_take(PyObject *cache, PyObject *speculation, sib_job_run_options *out);

/* A value other than a tensor as Python has it: str (bytes that are no UTF-8 as surrogateescape), int, float,
   bool, lists of them, and lists of dicts. New reference, or NULL with an exception set. */
PyObject *port_value_give(const sib_port_value *v);
PyObject *port_segment(const sib_segment *s);
PyObject *port_text(const char *text, size_t size);

/* ---- The module ----------------------------------------------------------------------------------- */

/* State of the module: its types. */
typedef struct module_state {
    PyObject *samples_type, *memory_type;
} module_state;

/* A new, cleared object of one of its types. New reference, or NULL. */
PyObject *object_new(PyObject *type);

/* Frees an object of one of its types, whose fields the caller has let go of. */
void object_free(PyObject *self);

/* The type of an output's memory, a buffer of bytes that keeps its value. New reference, or NULL. */
PyObject *memory_type(PyObject *module);

/* ---- Functions, table by table -------------------------------------------------------------------- */

extern PyMethodDef SPEC_METHODS[], FEATURE_METHODS[], STREAM_METHODS[], AUDIO_METHODS[], CONV_METHODS[],
    VALUE_METHODS[], MODEL_METHODS[], SESSION_METHODS[], IMPORT_METHODS[], TEXT_METHODS[], JOB_METHODS[],
    EXTEND_METHODS[], BACKEND_METHODS[], LOWERING_METHODS[], OPS_METHODS[], WATCH_METHODS[], DIFF_METHODS[],
    LIVE_METHODS[], TENSOR_METHODS[], TIMING_METHODS[], FIXED_METHODS[], QUANTIZE_METHODS[], TILE_METHODS[],
    CONFORM_METHODS[], GENERATION_METHODS[];

/* A description from a dict of every field, with the enumerations as numbers. */
bool spec_from_dict(PyObject *dict, sib_mel_spec *out);

/* The type of decoded samples, a buffer of floats that frees itself. New reference, or NULL. */
PyObject *samples_type(PyObject *module);

#endif
