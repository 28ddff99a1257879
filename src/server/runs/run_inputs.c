#include "server/runs/run_inputs.h"

#include "server/http/state.h"
#include "server/models/describe.h"
#include "server/values/wire.h"

#include <stdlib.h>
#include <string.h>

#define MAX_DIMS   64
#define MAX_INPUTS 4096

typedef struct reader {
    const sib_graph *graph; /* the main one */
    size_t n_dims;
    sib_dim dims[MAX_DIMS];
    uint64_t left; /* elements */
    run_files *files;
    const struct server *server;
} reader;

static sib_code no_memory(sib_error *err)
{
    return server_fail(err, SIB_ERR_MEMORY, "the server has too little memory for the inputs");
}

static sib_code read_dims(const json_t *dims, reader *in, sib_error *err)
{
    const char *name;
    json_t *size;
    if (dims && !json_is_object(dims))
        return server_fail(err, SIB_ERR_ARGUMENT, "'dims' must be an object of sizes by name");
    if (json_object_size(dims) > MAX_DIMS)
        return server_fail(err, SIB_ERR_ARGUMENT, "'dims' may have %d sizes", MAX_DIMS);
    json_object_foreach((json_t *)(uintptr_t)dims, name, size)
    {
        if (!json_is_integer(size) || json_integer_value(size) < 0)
            return server_fail(err, SIB_ERR_ARGUMENT, "the size of the dim '%.60s' must be an integer from 0",
                               name);
        in->dims[in->n_dims++] = (sib_dim){name, json_integer_value(size)};
    }
    return SIB_OK;
}

/* Takes the elements of these dims from those that are left. */
static sib_code take(reader *in, const char *name, size_t rank, const int64_t *dims, sib_error *err)
{
    uint64_t count = 1;
    bool fits = true;
    for (size_t k = 0; k < rank; k++)
        fits = !__builtin_mul_overflow(count, (uint64_t)dims[k], &count) && fits;
    if (!fits || count > in->left)
        return server_fail(err, SIB_ERR_SIZE,
                           "the inputs of a run may have %llu elements together; '%.80s' is too large",
                           (unsigned long long)MAX_RUN_ELEMENTS, name);
    in->left -= count;
    return SIB_OK;
}

/* ---- Random elements ---- */

/* splitmix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators") */
static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Replaces *t by the same elements of another type. */
static sib_code convert(sib_tensor **t, sib_dtype dtype, sib_error *err)
{
    sib_tensor *made = NULL;
    if (sib_tensor_dtype(*t) == dtype)
        return SIB_OK;
    sib_code code = sib_tensor_convert(*t, dtype, SIB_OVERFLOW_SATURATE, &made, err);
    sib_tensor_free(t);
    *t = made;
    return code;
}

/* Floats in [-1, 1), integers 0 and 1, which are indices of most things. */
static sib_code make_random(const sib_value_info *v, const int64_t *dims, uint64_t seed, sib_tensor **out,
                            sib_error *err)
{
    sib_dtype_kind kind = sib_dtype_get_kind(v->dtype);
    bool real = kind == SIB_KIND_FLOAT || kind == SIB_KIND_COMPLEX;
    if (kind == SIB_KIND_STRING)
        return server_fail(err, SIB_ERR_UNSUPPORTED,
                           "the input '%.80s' has strings, which have no random ones", v->name);
    sib_code code = sib_tensor_create(real ? SIB_F32 : SIB_U8, v->rank, dims, out, err);
    for (uint64_t i = 0; code == SIB_OK && i < sib_tensor_count(*out); i++) {
        uint64_t bits = draw(&seed);
        if (real)
            ((float *)sib_tensor_data(*out))[i] = (float)(bits >> 40) / (float)(1 << 23) - 1;
        else
            ((uint8_t *)sib_tensor_data(*out))[i] = (uint8_t)(bits >> 63);
    }
    return code == SIB_OK ? convert(out, v->dtype, err) : code;
}

static sib_code random_input(reader *in, const sib_value_info *v, uint32_t number, uint64_t seed,
                             sib_tensor **out, sib_error *err)
{
    int64_t dims[SIB_MAX_RANK];
    if (!v->ranked)
        return server_fail(err, SIB_ERR_ARGUMENT, "the input '%.80s' has dims of any number: give its 'data'",
                           v->name);
    sib_code code = sib_graph_dims(in->graph, number, in->n_dims, in->dims, dims, err);
    for (size_t k = 0; k < v->rank && code == SIB_OK; k++)
        if (dims[k] < 0)
            code = server_fail(err, SIB_ERR_ARGUMENT,
                               "the input '%.80s' has the dim '%.80s': give its size in 'dims'", v->name,
                               v->dim_names[k] ? v->dim_names[k] : "?");
    if (code == SIB_OK)
        code = take(in, v->name, v->rank, dims, err);
    return code == SIB_OK ? make_random(v, dims, seed, out, err) : code;
}

/* ---- Given elements ---- */

/* The dims of nested lists, by the first of each. Returns false where they are nested too deeply. */
static bool nested_dims(const json_t *data, size_t *rank, int64_t *dims)
{
    for (*rank = 0; json_is_array(data); data = json_array_get(data, 0)) {
        if (*rank == SIB_MAX_RANK)
            return false;
        dims[(*rank)++] = (int64_t)json_array_size(data);
    }
    return true;
}

/* Elements that are read. */
typedef struct filler {
    const char *name;
    sib_dtype dtype; /* the input's, which has each of them */
    sib_tensor *to;  /* of float64 or int64 */
    uint64_t at;
    sib_error *err;
} filler;

static sib_code put(filler *f, const json_t *element)
{
    const char *expected = wire_expected(f->dtype, element);
    if (json_is_array(element))
        return server_fail(f->err, SIB_ERR_ARGUMENT,
                           "the 'data' of the input '%.80s' must be lists of equal lengths", f->name);
    if (expected)
        return server_fail(f->err, SIB_ERR_ARGUMENT, "element %llu of the input '%.80s' must be %s (%s)",
                           (unsigned long long)f->at, f->name, expected, sib_dtype_name(f->dtype));
    if (sib_tensor_dtype(f->to) == SIB_F64)
        ((double *)sib_tensor_data(f->to))[f->at++] = json_number_value(element);
    else
        ((int64_t *)sib_tensor_data(f->to))[f->at++] =
            json_is_true(element) ? 1 : json_integer_value(element);
    return SIB_OK;
}

/* Reads nested lists, each of which must have the length that dims say. Recursion: at most SIB_MAX_RANK. */
static sib_code fill(filler *f, const json_t *data, size_t rank, const int64_t *dims)
{
    if (!rank)
        return put(f, data);
    sib_code code = SIB_OK;
    if (!json_is_array(data) || (int64_t)json_array_size(data) != dims[0])
        code = server_fail(f->err, SIB_ERR_ARGUMENT,
                           "the 'data' of the input '%.80s' must be lists of equal lengths", f->name);
    for (size_t i = 0; code == SIB_OK && i < json_array_size(data); i++)
        code = fill(f, json_array_get(data, i), rank - 1, dims + 1);
    return code;
}

/* Replaces *t by the same elements with the dims of a JSON list. */
static sib_code give_shape(const char *name, const json_t *shape, sib_tensor **t, sib_error *err)
{
    int64_t dims[SIB_MAX_RANK];
    size_t rank = json_array_size(shape);
    bool good = json_is_array(shape) && rank <= SIB_MAX_RANK;
    for (size_t k = 0; good && k < rank; k++) {
        dims[k] = json_integer_value(json_array_get(shape, k));
        good = json_is_integer(json_array_get(shape, k)) && dims[k] >= 0;
    }
    if (!good)
        return server_fail(err, SIB_ERR_ARGUMENT,
                           "the 'shape' of the input '%.80s' must be a list of integers from 0", name);
    sib_tensor *made = NULL;
    sib_code code = sib_tensor_reshape(*t, rank, dims, &made, err);
    sib_tensor_free(t);
    *t = made;
    return code;
}

static sib_code given_input(reader *in, const sib_value_info *v, const json_t *spec, sib_tensor **out,
                            sib_error *err)
{
    const json_t *data = json_object_get(spec, "data"), *shape = json_object_get(spec, "shape"),
                 *type = json_object_get(spec, "dtype");
    sib_dtype dtype =
        type ? sib_dtype_from_name(json_is_string(type) ? json_string_value(type) : "") : v->dtype;
    sib_dtype_kind kind = sib_dtype_get_kind(dtype);
    int64_t dims[SIB_MAX_RANK];
    size_t rank;
    if (kind == SIB_KIND_NONE || kind == SIB_KIND_STRING)
        return server_fail(err, SIB_ERR_UNSUPPORTED, "the input '%.80s' has no type of numbers", v->name);
    if (!nested_dims(data, &rank, dims))
        return server_fail(err, SIB_ERR_ARGUMENT, "the 'data' of the input '%.80s' has more than %d dims",
                           v->name, SIB_MAX_RANK);
    sib_code code = take(in, v->name, rank, dims, err);
    bool real = kind == SIB_KIND_FLOAT || kind == SIB_KIND_COMPLEX;
    if (code == SIB_OK)
        code = sib_tensor_create(real ? SIB_F64 : SIB_I64, rank, dims, out, err);
    if (code == SIB_OK)
        code = fill(&(filler){.name = v->name, .dtype = dtype, .to = *out, .err = err}, data, rank, dims);
    if (code == SIB_OK && shape)
        code = give_shape(v->name, shape, out, err);
    return code == SIB_OK ? convert(out, dtype, err) : code;
}

static sib_code file_input(reader *in, const sib_value_info *v, const json_t *spec, sib_tensor **out,
                           sib_error *err)
{
    uint64_t held = atomic_load(&in->server->held_bytes), most = in->server->options.max_bodies;
    sib_code code = run_files_read(in->files, v, spec, most > held ? most - held : 1, out, err);
    return code == SIB_OK ? take(in, v->name, sib_tensor_rank(*out), sib_tensor_dims(*out), err) : code;
}

/* Whether the type and the dims that are numbers are those of the model. */
static sib_code check_given(const sib_value_info *v, const sib_tensor *t, sib_error *err)
{
    bool fits = (v->dtype == SIB_DTYPE_UNKNOWN || sib_tensor_dtype(t) == v->dtype) &&
                (!v->ranked || sib_tensor_rank(t) == v->rank);
    for (size_t k = 0; fits && v->ranked && k < v->rank; k++)
        fits = v->dims[k] < 0 || sib_tensor_dims(t)[k] == v->dims[k];
    char text[TYPE_TEXT];
    return fits ? SIB_OK
                : server_fail(err, SIB_ERR_ARGUMENT, "the input '%.80s' must be %.120s, not %.120s", v->name,
                              v->type, tensor_type_text(t, text));
}

/* ---- All inputs ---- */

static sib_code read_input(reader *in, const sib_value_info *v, uint32_t number, const json_t *spec,
                           uint64_t seed, sib_value **out, sib_error *err)
{
    const json_t *random = json_object_get(spec, "random");
    sib_tensor *t = NULL;
    sib_code code;
    if (v->kind != SIB_VALUE_TENSOR)
        code = server_fail(err, SIB_ERR_UNSUPPORTED, "the input '%.80s' is no tensor", v->name);
    else if (json_object_get(spec, "data"))
        code = given_input(in, v, spec, &t, err);
    else if (spec ? json_object_get(spec, "file") != NULL : run_files_has(in->files, v->name))
        code = file_input(in, v, spec, &t, err);
    else if (!spec || json_is_integer(random))
        code = random_input(in, v, number, spec ? (uint64_t)json_integer_value(random) : seed, &t, err);
    else
        code = server_fail(err, SIB_ERR_ARGUMENT,
                           "the input '%.80s' must have 'data', 'file' or 'random' with a seed", v->name);
    if (code == SIB_OK)
        code = check_given(v, t, err);
    if (code == SIB_OK)
        code = sib_value_from_tensor(t, out, err);
    sib_tensor_free(&t); /* the value shares its elements */
    return code;
}

sib_code run_input_tensor(const struct server *s, const char *name, const json_t *spec, run_files *files,
                          uint64_t *left, sib_tensor **out, sib_error *err)
{
    reader in = {.left = *left, .files = files, .server = s};
    sib_value_info v = {.name = name, .kind = SIB_VALUE_TENSOR};
    bool has_data = json_object_get(spec, "data");
    sib_code code;
    if (has_data) {
        v.dtype = SIB_F32;
        code = given_input(&in, &v, spec, out, err);
    } else if (spec ? json_object_get(spec, "file") != NULL : run_files_has(files, name))
        code = file_input(&in, &v, spec, out, err);
    else
        code = server_fail(err, SIB_ERR_ARGUMENT, "the input '%.80s' must have 'data' or 'file'", name);
    *left = in.left;
    return code;
}

/* Each name of `inputs` must be one of the model's. */
static sib_code check_names(const sib_model *m, const json_t *inputs, sib_error *err)
{
    const char *name;
    json_t *spec;
    sib_value_info v;
    if (json_object_size(inputs) > MAX_INPUTS)
        return server_fail(err, SIB_ERR_ARGUMENT, "'inputs' may have %d names", MAX_INPUTS);
    json_object_foreach((json_t *)(uintptr_t)inputs, name, spec)
    {
        size_t i = 0;
        while (sib_model_input(m, i, &v) && strcmp(v.name, name) != 0)
            i++;
        if (!sib_model_input(m, i, &v))
            return server_fail(err, SIB_ERR_ARGUMENT, "the model has no input '%.80s'", name);
    }
    return SIB_OK;
}

sib_code run_inputs_read(run *r, const sib_model *m, const json_t *inputs, const json_t *dims,
                         run_files *files, uint64_t seed, sib_error *err)
{
    reader in = {
        .graph = sib_model_graph(m, 0), .left = MAX_RUN_ELEMENTS, .files = files, .server = r->server};
    sib_graph_info info;
    sib_graph_get_info(in.graph, &info);
    if (inputs && !json_is_object(inputs))
        return server_fail(err, SIB_ERR_ARGUMENT, "'inputs' must be an object of inputs by name");
    sib_code code = read_dims(dims, &in, err);
    if (code == SIB_OK)
        code = check_names(m, inputs, err);
    r->inputs = calloc(info.n_inputs + 1, sizeof *r->inputs);
    if (!r->inputs)
        return no_memory(err);
    for (size_t i = 0; i < info.n_inputs && code == SIB_OK; i++) {
        sib_value_info v;
        sib_value *value = NULL;
        sib_graph_value(in.graph, info.inputs[i], &v);
        const json_t *spec = json_object_get(inputs, v.name);
        if (!spec && v.optional_input && !run_files_has(files, v.name))
            continue;
        code = read_input(&in, &v, info.inputs[i], spec, seed + i, &value, err);
        if (code == SIB_OK)
            code = run_add_input(r, v.name, value, err);
    }
    return code == SIB_OK ? run_files_check(files, err) : code;
}
