/* Inputs of a job from a request. */
#include "server/http/state.h"
#include "server/runs/run_inputs.h"
#include "server/runs/run_job.h"
#include "server/speech/recording.h"

#include <stdlib.h>
#include <string.h>

typedef struct reader {
    run *run;
    const exchange *x;
    run_files *files;
    double rate;   /* of audio, Hz */
    uint64_t left; /* elements of tensors */
} reader;

/* Reads `spec`, NULL where only a part of the form has the port's name, into *to, which has its name. */
typedef sib_code read_port(reader *in, const json_t *spec, run_port *to, sib_error *err);

static sib_code must_be(const run_port *p, const char *what, sib_error *err)
{
    return server_fail(err, SIB_ERR_ARGUMENT, "the input '%.80s' must be %s", p->given.name, what);
}

static sib_code no_memory(sib_error *err)
{
    return server_fail(err, SIB_ERR_MEMORY, "the server has too little memory for the inputs");
}

/* Room for a list of (n) items of a size, counted among what the server holds. */
static sib_code make_list(reader *in, size_t n, size_t size, run_port *to, sib_error *err)
{
    to->memory = calloc(n + 1, size);
    return to->memory ? run_count_input(in->run, to->given.name, n * size, err) : no_memory(err);
}

static sib_code read_text(reader *in, const json_t *spec, run_port *to, sib_error *err)
{
    const part *file = spec ? NULL : run_files_take(in->files, to->given.name);
    if (!json_is_string(spec) && !file)
        return must_be(to, "a text", err);
    size_t size = spec ? json_string_length(spec) : file->data.size;
    const char *data = spec ? json_string_value(spec) : file->data.data;
    sib_code code = make_list(in, size, 1, to, err);
    if (code != SIB_OK)
        return code;
    if (size)
        memcpy(to->memory, data, size);
    to->given.value.text.data = to->memory;
    to->given.value.text.size = size;
    return SIB_OK;
}

static sib_code read_number(reader *in, const json_t *spec, run_port *to, sib_error *err)
{
    (void)in;
    to->given.value.number = json_number_value(spec);
    return json_is_number(spec) ? SIB_OK : must_be(to, "a number", err);
}

static sib_code read_flag(reader *in, const json_t *spec, run_port *to, sib_error *err)
{
    (void)in;
    to->given.value.flag = json_is_true(spec);
    return json_is_boolean(spec) ? SIB_OK : must_be(to, "true or false", err);
}

static sib_code read_numbers(reader *in, const json_t *spec, run_port *to, sib_error *err)
{
    size_t n = json_array_size(spec);
    sib_code code = json_is_array(spec) ? make_list(in, n, sizeof(double), to, err)
                                        : must_be(to, "a list of numbers", err);
    for (size_t i = 0; i < n && code == SIB_OK; i++) {
        const json_t *item = json_array_get(spec, i);
        ((double *)to->memory)[i] = json_number_value(item);
        code = json_is_number(item) ? SIB_OK : must_be(to, "a list of numbers", err);
    }
    to->given.value.numbers.data = to->memory;
    to->given.value.numbers.n = n;
    return code;
}

static sib_code read_tokens(reader *in, const json_t *spec, run_port *to, sib_error *err)
{
    static const char what[] = "a list of ids of tokens, integers from 0";
    size_t n = json_array_size(spec);
    sib_code code = json_is_array(spec) ? make_list(in, n, sizeof(int32_t), to, err) : must_be(to, what, err);
    for (size_t i = 0; i < n && code == SIB_OK; i++) {
        const json_t *item = json_array_get(spec, i);
        json_int_t id = json_integer_value(item);
        ((int32_t *)to->memory)[i] = (int32_t)id;
        code = json_is_integer(item) && id >= 0 && id <= INT32_MAX ? SIB_OK : must_be(to, what, err);
    }
    to->given.value.tokens.ids = to->memory;
    to->given.value.tokens.n = n;
    return code;
}

/* The texts stand in the request, which the run keeps. */
static sib_code read_texts(reader *in, const json_t *spec, run_port *to, sib_error *err)
{
    static const char what[] = "a list of texts without NUL";
    size_t n = json_array_size(spec);
    sib_code code = json_is_array(spec) ? make_list(in, n, sizeof(char *), to, err) : must_be(to, what, err);
    for (size_t i = 0; i < n && code == SIB_OK; i++) {
        const json_t *item = json_array_get(spec, i);
        const char *text = json_string_value(item);
        ((const char **)to->memory)[i] = text;
        code = text && strlen(text) == json_string_length(item) ? SIB_OK : must_be(to, what, err);
    }
    to->given.value.texts.data = to->memory;
    to->given.value.texts.n = n;
    return code;
}

static sib_code read_tensor(reader *in, const json_t *spec, run_port *to, sib_error *err)
{
    sib_code code =
        run_input_tensor(in->run->server, to->given.name, spec, in->files, &in->left, &to->tensor, err);
    to->given.value.tensor = to->tensor;
    if (code != SIB_OK)
        return code;
    uint64_t bits = sib_tensor_count(to->tensor) * sib_dtype_bits(sib_tensor_dtype(to->tensor));
    return run_count_input(in->run, to->given.name, bits / 8, err);
}

/* A recording in any format that FFmpeg reads: of the part that `spec` or the port's name names, or uploaded before. */
static sib_code read_audio(reader *in, const json_t *spec, run_port *to, sib_error *err)
{
    const char *id = json_string_value(json_object_get(spec, "recording"));
    recording *held = id ? recordings_hold(in->run->server->recordings, id) : NULL;
    const char *name = spec ? json_string_value(json_object_get(spec, "file")) : to->given.name;
    const part *file = held ? &held->file : name && !id ? run_files_take(in->files, name) : NULL;
    if (!file)
        return must_be(
            to, "a recording: a part of the form that has its name, {\"file\": PART}, or {\"recording\": ID}",
            err);
    sib_code code = recording_read(in->x, file, in->rate, &to->tensor, err);
    recording_release(held);
    to->given.value.tensor = to->tensor;
    if (code != SIB_OK)
        return code;
    return run_count_input(in->run, to->given.name, sib_tensor_count(to->tensor) * sizeof(float), err);
}

static read_port *const readers[] = {
    [SIB_PORT_AUDIO] = read_audio, [SIB_PORT_TENSOR] = read_tensor, [SIB_PORT_TOKENS] = read_tokens,
    [SIB_PORT_TEXT] = read_text,   [SIB_PORT_NUMBER] = read_number, [SIB_PORT_NUMBERS] = read_numbers,
    [SIB_PORT_FLAG] = read_flag,   [SIB_PORT_TEXTS] = read_texts,
};

static sib_code read_one(reader *in, const sib_job_port *port, const json_t *spec, sib_error *err)
{
    run_port *to = &in->run->ports[in->run->n_ports++];
    *to = (run_port){.given = {port->name, {.type = port->type}}};
    if (port->type >= sizeof readers / sizeof *readers || !readers[port->type])
        return server_fail(err, SIB_ERR_UNSUPPORTED, "the input '%.80s' is of type %s, which cannot be given",
                           port->name, sib_port_type_name(port->type));
    return readers[port->type](in, spec, to, err);
}

/* Each name of `inputs` must be one of the job's. */
static sib_code check_names(const sib_job *j, const json_t *inputs, sib_error *err)
{
    const char *name;
    json_t *spec;
    sib_job_port port;
    json_object_foreach((json_t *)(uintptr_t)inputs, name, spec)
    {
        size_t i = 0;
        while (sib_job_input(j, i, &port) && strcmp(port.name, name) != 0)
            i++;
        if (!sib_job_input(j, i, &port))
            return server_fail(err, SIB_ERR_ARGUMENT,
                               "the job has no input '%.80s'; /api/models/NAME lists its ports", name);
    }
    return SIB_OK;
}

sib_code run_ports_read(run *r, const exchange *x, json_t *request, run_files *files, sib_error *err)
{
    const sib_job *j = r->model->job;
    const json_t *inputs = json_object_get(request, "inputs");
    sib_job_info info;
    sib_job_port port;
    sib_job_get_info(j, &info);
    reader in = {r, x, files, info.sample_rate, MAX_RUN_ELEMENTS};
    if (inputs && !json_is_object(inputs))
        return server_fail(err, SIB_ERR_ARGUMENT, "'inputs' must be an object of inputs by name");
    r->request = json_incref(request);
    r->ports = calloc(info.n_inputs + 1, sizeof *r->ports);
    sib_code code = r->ports ? check_names(j, inputs, err) : no_memory(err);
    for (size_t i = 0; code == SIB_OK && sib_job_input(j, i, &port); i++) {
        const json_t *spec = json_object_get(inputs, port.name);
        if ((spec && !json_is_null(spec)) || run_files_has(files, port.name))
            code = read_one(&in, &port, json_is_null(spec) ? NULL : spec, err);
        else if (!port.optional)
            code = server_fail(err, SIB_ERR_ARGUMENT, "the input '%.80s', of type %s, is missing", port.name,
                               sib_port_type_name(port.type));
    }
    return code == SIB_OK ? run_files_check(files, err) : code;
}
