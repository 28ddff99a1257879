/* The library's face for JavaScript. What crosses it are numbers and addresses in the module's memory; texts end with NUL.
   A call that fails returns 0 where it makes something, and otherwise false; sibyl_error_message then says why. The caller
   frees what it was given by a call that ends in _new, _open or _alloc. */
#include <sibyl/features.h>
#include <sibyl/session.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What JavaScript calls, which no header declares. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#define EXPORT(name) __attribute__((export_name(#name))) name

/* ---- Errors and memory ------------------------------------------------------------------------------- */

static sib_error error;

static bool succeeds(sib_code code)
{
    return code == SIB_OK;
}

static sib_error *fresh_error(void)
{
    error = (sib_error)SIB_ERROR_INIT;
    return &error;
}

/* For what this file finds wrong itself. */
static bool refuse(sib_code code, const char *why)
{
    *fresh_error() = (sib_error){.code = code, .offset = SIB_NO_OFFSET};
    strncpy(error.message, why, sizeof error.message - 1);
    return false;
}

const char *EXPORT(sibyl_error_message)(void)
{
    return error.message;
}

const char *EXPORT(sibyl_error_code)(void)
{
    return sib_code_name(error.code);
}

void *EXPORT(sibyl_alloc)(size_t n)
{
    void *block = malloc(n ? n : 1);
    if (!block)
        refuse(SIB_ERR_MEMORY, "out of memory: what JavaScript hands over");
    return block;
}

void EXPORT(sibyl_free)(void *block)
{
    free(block);
}

/* Bytes that the library holds now; those of sibyl_alloc are not among them. */
double EXPORT(sibyl_bytes_held)(void)
{
    sib_alloc_counters counters;
    sib_alloc_counters_get(&counters);
    return (double)counters.bytes_current;
}

const char *EXPORT(sibyl_version)(void)
{
    return sib_version();
}

const char *EXPORT(sibyl_cpu_level)(void)
{
    return sib_cpu_level_name();
}

/* ---- Sessions ---------------------------------------------------------------------------------------- */

/* data: (size) bytes of an ONNX model, copied. backends, passes: as sib_session_options has them, NULL for the defaults. */
sib_session *EXPORT(sibyl_session_open)(const void *data, size_t size, const char *backends,
                                        const char *passes)
{
    sib_model *model = NULL;
    sib_session *session = NULL;
    const sib_session_options options = {.backends = backends, .passes = passes, .threads = 1};
    sib_error *err = fresh_error();
    if (sib_model_open_bytes(data, size, NULL, &model, err) == SIB_OK)
        sib_session_create(model, &options, &session, err);
    sib_model_free(&model);
    return session;
}

void EXPORT(sibyl_session_free)(sib_session *session)
{
    sib_session_free(&session);
}

/* The input or output that the next functions speak of. */
static sib_value_info port;

/* Chooses input (or, where `output`, output) i. Returns false where there is none. */
bool EXPORT(sibyl_port_choose)(const sib_session *s, bool output, size_t i)
{
    const sib_model *m = sib_session_model(s);
    return output ? sib_model_output(m, i, &port) : sib_model_input(m, i, &port);
}

const char *EXPORT(sibyl_port_name)(void)
{
    return port.name;
}

/* As text: "float32 [T, 80]". */
const char *EXPORT(sibyl_port_type)(void)
{
    return port.type;
}

const char *EXPORT(sibyl_port_dtype)(void)
{
    return sib_dtype_name(port.dtype);
}

/* -1 where it is unknown. */
int EXPORT(sibyl_port_rank)(void)
{
    return port.ranked ? (int)port.rank : -1;
}

/* -1 for a dim that is not a number. */
double EXPORT(sibyl_port_dim)(size_t axis)
{
    return axis < port.rank ? (double)port.dims[axis] : -1;
}

/* Its expression, "T"; NULL for a number. */
const char *EXPORT(sibyl_port_dim_name)(size_t axis)
{
    return axis < port.rank ? port.dim_names[axis] : NULL;
}

bool EXPORT(sibyl_port_optional)(void)
{
    return port.optional_input;
}

/* names and values: (n). outputs: (n_outputs) names. out: (n_outputs) receives values of the caller. */
bool EXPORT(sibyl_session_run)(sib_session *s, size_t n, const char *const *names,
                               const sib_value *const *values, size_t n_outputs, const char *const *outputs,
                               sib_value **out)
{
    sib_named_value *inputs = calloc(n + 1, sizeof *inputs);
    if (!inputs)
        return refuse(SIB_ERR_MEMORY, "out of memory: the list of inputs");
    for (size_t i = 0; i < n; i++)
        inputs[i] = (sib_named_value){names[i], values[i]};
    const sib_code code = sib_session_run(s, n, inputs, n_outputs, outputs, out, NULL, fresh_error());
    free(inputs);
    return succeeds(code);
}

/* ---- Tensors going in -------------------------------------------------------------------------------- */

/* dims: (rank). Its elements are zeros, or empty strings. */
sib_tensor *EXPORT(sibyl_tensor_new)(const char *dtype, size_t rank, const double *dims)
{
    int64_t sizes[SIB_MAX_RANK];
    sib_tensor *t = NULL;
    if (rank > SIB_MAX_RANK) {
        refuse(SIB_ERR_ARGUMENT, "the tensor has too many dims");
        return NULL;
    }
    for (size_t i = 0; i < rank; i++) {
        if (!(dims[i] >= 0 && dims[i] <= 0x1p53 && dims[i] == floor(dims[i]))) {
            refuse(SIB_ERR_ARGUMENT, "a dim of the tensor is no integer of 0 or more");
            return NULL;
        }
        sizes[i] = (int64_t)dims[i];
    }
    sib_tensor_create(sib_dtype_from_name(dtype), rank, sizes, &t, fresh_error());
    return t;
}

void *EXPORT(sibyl_tensor_data)(const sib_tensor *t)
{
    return sib_tensor_data(t);
}

/* Sets element `at`, counted row by row, of a tensor of strings. */
bool EXPORT(sibyl_tensor_set_string)(sib_tensor *t, size_t at, const char *text, size_t length)
{
    int64_t index[SIB_MAX_RANK];
    const int64_t *dims = sib_tensor_dims(t);
    for (size_t i = sib_tensor_rank(t); i-- > 0; at /= (size_t)dims[i])
        index[i] = (int64_t)(at % (size_t)dims[i]);
    return succeeds(sib_tensor_set_string(t, index, (sib_str){text, length}, fresh_error()));
}

void EXPORT(sibyl_tensor_free)(sib_tensor *t)
{
    sib_tensor_free(&t);
}

/* ---- Values ------------------------------------------------------------------------------------------ */

/* Takes the tensor, also where it fails. */
sib_value *EXPORT(sibyl_value_new)(sib_tensor *t)
{
    sib_value *v = NULL;
    sib_value_from_tensor(t, &v, fresh_error());
    sib_tensor_free(&t);
    return v;
}

/* items: (n) values, of which the caller's stay the caller's. */
sib_value *EXPORT(sibyl_value_sequence_new)(size_t n, const sib_value *const *items)
{
    sib_value *v = NULL;
    sib_value_sequence(n, items, &v, fresh_error());
    return v;
}

/* v in memory of its own with dense tensors, which sibyl_value_data reads. */
sib_value *EXPORT(sibyl_value_dense_new)(const sib_value *v)
{
    sib_value *dense = NULL;
    sib_value_clone(v, &dense, fresh_error());
    return dense;
}

void EXPORT(sibyl_value_free)(sib_value *v)
{
    sib_value_free(&v);
}

int EXPORT(sibyl_value_kind)(const sib_value *v)
{
    return (int)sib_value_get_kind(v);
}

size_t EXPORT(sibyl_value_count)(const sib_value *v)
{
    return sib_value_count(v);
}

const sib_value *EXPORT(sibyl_value_item)(const sib_value *v, size_t i)
{
    return sib_value_item(v, i);
}

/* The tensor of a tensor value; of a map its keys (1) or values (2). Lives as long as v. */
const sib_tensor *EXPORT(sibyl_value_tensor)(const sib_value *v, int part)
{
    return part == 1 ? sib_value_keys(v) : part == 2 ? sib_value_values(v) : sib_value_tensor(v);
}

bool EXPORT(sibyl_tensor_is_dense)(const sib_tensor *t)
{
    return sib_tensor_is_dense(t);
}

const char *EXPORT(sibyl_tensor_dtype)(const sib_tensor *t)
{
    return sib_dtype_name(sib_tensor_dtype(t));
}

size_t EXPORT(sibyl_tensor_rank)(const sib_tensor *t)
{
    return sib_tensor_rank(t);
}

double EXPORT(sibyl_tensor_dim)(const sib_tensor *t, size_t axis)
{
    return axis < sib_tensor_rank(t) ? (double)sib_tensor_dims(t)[axis] : -1;
}

/* ---- Features ---------------------------------------------------------------------------------------- */

typedef struct field {
    const char *name;
    size_t at;
    enum { FIELD_BOOL, FIELD_INT, FIELD_REAL } kind;
} field;

#define FIELD(name, kind)                                                                                    \
    {                                                                                                        \
#name, offsetof(sib_mel_spec, name), kind                                                            \
    }
_Static_assert(sizeof(sib_window) == sizeof(int32_t), "enums are written as integers");

static const field fields[] = {
    FIELD(sample_rate, FIELD_INT),
    FIELD(n_fft, FIELD_INT),
    FIELD(win_length, FIELD_INT),
    FIELD(hop_length, FIELD_INT),
    FIELD(window, FIELD_INT),
    FIELD(framing, FIELD_INT),
    FIELD(drop_last_frame, FIELD_BOOL),
    FIELD(remove_dc, FIELD_BOOL),
    FIELD(preemphasis, FIELD_REAL),
    FIELD(power, FIELD_REAL),
    FIELD(n_mels, FIELD_INT),
    FIELD(f_min, FIELD_REAL),
    FIELD(f_max, FIELD_REAL),
    FIELD(scale, FIELD_INT),
    FIELD(norm, FIELD_INT),
    FIELD(slope, FIELD_INT),
    FIELD(log, FIELD_INT),
    FIELD(log_floor, FIELD_REAL),
    FIELD(log_reference, FIELD_REAL),
    FIELD(dynamic_range, FIELD_REAL),
    FIELD(offset, FIELD_REAL),
    FIELD(gain, FIELD_REAL),
    FIELD(smooth, FIELD_INT),
};

/* n_mels: 0 for the preset's. */
sib_mel_spec *EXPORT(sibyl_spec_new)(const char *preset, int n_mels)
{
    sib_mel_spec *spec = calloc(1, sizeof *spec);
    if (!spec) {
        refuse(SIB_ERR_MEMORY, "out of memory: the description of a front end");
        return NULL;
    }
    if (sib_mel_spec_preset(preset, n_mels, spec, fresh_error()) == SIB_OK)
        return spec;
    free(spec);
    return NULL;
}

bool EXPORT(sibyl_spec_set)(sib_mel_spec *spec, const char *name, double value)
{
    const field *f = NULL;
    for (size_t i = 0; i < sizeof fields / sizeof *fields && !f; i++)
        f = strcmp(fields[i].name, name) ? NULL : &fields[i];
    if (!f)
        return refuse(SIB_ERR_ARGUMENT, "the description of a front end has no field of this name");
    void *at = (char *)spec + f->at;
    if (f->kind == FIELD_REAL)
        *(double *)at = value;
    else if (f->kind == FIELD_BOOL)
        *(bool *)at = value != 0;
    else if (value == floor(value) && fabs(value) <= INT32_MAX)
        *(int32_t *)at = (int32_t)value;
    else
        return refuse(SIB_ERR_ARGUMENT,
                      "a field of the front end is an integer, and was given another number");
    return true;
}

/* Features of (n) samples as a tensor (bands, frames) of float32. padding: zeros behind the samples. */
sib_tensor *EXPORT(sibyl_features_new)(const sib_mel_spec *spec, bool precise, const float *samples, size_t n,
                                       size_t padding)
{
    uint64_t bands, frames;
    sib_tensor *out = NULL;
    sib_mel *mel = NULL;
    sib_error *err = fresh_error();
    sib_code code = sib_mel_create(spec, &(sib_mel_options){.precise = precise}, &mel, err);
    if (code == SIB_OK)
        code = sib_mel_shape(mel, (uint64_t)n + padding, &bands, &frames, err);
    if (code == SIB_OK)
        code = sib_tensor_create(SIB_F32, 2, (int64_t[]){(int64_t)bands, (int64_t)frames}, &out, err);
    if (code == SIB_OK)
        code = sib_mel_compute(mel, NULL, samples, n, padding, sib_tensor_data(out), (size_t)frames, err);
    if (code != SIB_OK)
        sib_tensor_free(&out);
    sib_mel_free(&mel);
    return out;
}
