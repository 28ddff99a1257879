#include "server/runs/run_files.h"

#include "server/http/state.h"
#include "server/values/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct run_file {
    const part *part;
    bool used;
    sib_npz_entry *arrays; /* (n_arrays) of an archive that was read */
    size_t n_arrays;
} run_file;

struct run_files {
    size_t n;
    run_file items[]; /* (n) */
};

sib_code run_files_create(const exchange *x, run_files **out, sib_error *err)
{
    size_t n = 0;
    while (exchange_part_at(x, n))
        n++;
    run_files *f = *out = calloc(1, sizeof *f + n * sizeof *f->items);
    if (!f)
        return server_fail(err, SIB_ERR_MEMORY, "the server has too little memory for the inputs");
    for (size_t i = 0; i < n; i++) {
        const part *p = exchange_part_at(x, i);
        if (exchange_part(x, p->name) != p)
            return server_fail(err, SIB_ERR_ARGUMENT, "the form has two parts '%.80s'", p->name);
        if (strcmp(p->name, "request") != 0)
            f->items[f->n++].part = p;
    }
    return SIB_OK;
}

void run_files_free(run_files **f)
{
    for (size_t i = 0; *f && i < (*f)->n; i++)
        sib_npz_free(&(*f)->items[i].arrays, (*f)->items[i].n_arrays);
    free(*f);
    *f = NULL;
}

static run_file *find(const run_files *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (!strcmp(f->items[i].part->name, name))
            return (run_file *)(uintptr_t)&f->items[i];
    return NULL;
}

bool run_files_has(const run_files *f, const char *name)
{
    return find(f, name);
}

const part *run_files_take(run_files *f, const char *name)
{
    run_file *found = find(f, name);
    if (found)
        found->used = true;
    return found ? found->part : NULL;
}

sib_code run_files_check(const run_files *f, sib_error *err)
{
    for (size_t i = 0; i < f->n; i++)
        if (!f->items[i].used)
            return server_fail(err, SIB_ERR_ARGUMENT,
                               "the part '%.80s' is neither 'request' nor a file that an input names",
                               f->items[i].part->name);
    return SIB_OK;
}

/* ---- What is in a file ---- */

/* Elements as they are in memory, little-endian. */
static sib_code read_raw(const sib_value_info *v, const json_t *spec, const buffer *data, uint64_t max_bytes,
                         sib_tensor **out, sib_error *err)
{
    wire_shape s = {.name = v->name, .dtype = v->dtype};
    const json_t *type = json_object_get(spec, "dtype");
    sib_tensor *where_it_stands = NULL;
    if (type)
        s.dtype = sib_dtype_from_name(json_is_string(type) ? json_string_value(type) : "");
    if (!sib_dtype_bits(s.dtype) || sib_dtype_bits(s.dtype) % 8 || s.dtype == SIB_STRING)
        return server_fail(err, SIB_ERR_ARGUMENT,
                           "the input '%.80s' has no 'dtype' whose elements are whole bytes: send it as .npy",
                           v->name);
    if (data->size > max_bytes)
        return server_fail(err, SIB_ERR_SIZE, "the input '%.80s' takes more than %llu bytes of memory",
                           v->name, (unsigned long long)max_bytes);
    sib_code code = wire_read_shape(json_object_get(spec, "shape"), &s, err);
    if (code == SIB_OK)
        code = wire_from_bytes(&s, data->data, data->size, &where_it_stands, err);
    if (code == SIB_OK)
        code = sib_tensor_copy(where_it_stands, out, err); /* the form ends before the run does */
    sib_tensor_free(&where_it_stands);
    return code;
}

/* The array of the input's name, or that which "array" names. */
static sib_code read_npz(const sib_value_info *v, const json_t *spec, run_file *f, const char *name,
                         uint64_t max_bytes, sib_tensor **out, sib_error *err)
{
    const json_t *array = json_object_get(spec, "array");
    const char *wanted = array ? json_string_value(array) : v->name;
    sib_code code = SIB_OK;
    if (!f->arrays)
        code = sib_npz_load_bytes(name, f->part->data.data, f->part->data.size, max_bytes, &f->arrays,
                                  &f->n_arrays, err);
    for (size_t i = 0; wanted && i < f->n_arrays; i++)
        if (!strcmp(f->arrays[i].name, wanted)) /* the elements are shared */
            return sib_tensor_reshape(f->arrays[i].tensor, sib_tensor_rank(f->arrays[i].tensor),
                                      sib_tensor_dims(f->arrays[i].tensor), out, err);
    return code == SIB_OK ? server_fail(err, SIB_ERR_ARGUMENT, "%s has no array '%.80s': name one in 'array'",
                                        name, wanted ? wanted : "")
                          : code;
}

static sib_code read_npy(const sib_value_info *v, const json_t *spec, run_file *f, uint64_t max_bytes,
                         sib_tensor **out, sib_error *err)
{
    const buffer *data = &f->part->data;
    char name[120];
    if (json_object_get(spec, "dtype") || json_object_get(spec, "shape"))
        return server_fail(err, SIB_ERR_ARGUMENT,
                           "the input '%.80s' has its 'dtype' and 'shape' from the .npy file; they belong to "
                           "the format 'raw'",
                           v->name);
    snprintf(name, sizeof name, "the file of the input '%.80s'", v->name);
    if (data->size > 4 && !memcmp(data->data, "PK\3\4", 4))
        return read_npz(v, spec, f, name, max_bytes, out, err);
    if (json_object_get(spec, "array"))
        return server_fail(err, SIB_ERR_ARGUMENT, "%s is no .npz, which alone has an 'array'", name);
    return sib_npy_load_bytes(name, data->data, data->size, max_bytes, out, err);
}

static sib_code check_members(const sib_value_info *v, const json_t *spec, sib_error *err)
{
    static const char *const known[] = {"file", "format", "dtype", "shape", "array"};
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)spec, name, value)
    {
        size_t i = 0;
        while (i < sizeof known / sizeof *known && strcmp(known[i], name) != 0)
            i++;
        if (i == sizeof known / sizeof *known)
            return server_fail(
                err, SIB_ERR_ARGUMENT,
                "the input '%.80s' may have 'file', 'format', 'dtype', 'shape' and 'array', not '%.60s'",
                v->name, name);
    }
    return SIB_OK;
}

sib_code run_files_read(run_files *f, const sib_value_info *v, const json_t *spec, uint64_t max_bytes,
                        sib_tensor **out, sib_error *err)
{
    const json_t *file = json_object_get(spec, "file"), *format = json_object_get(spec, "format");
    const char *name = spec ? json_string_value(file) : v->name, *as = json_string_value(format);
    bool raw = as && !strcmp(as, "raw");
    run_file *found = name ? find(f, name) : NULL;
    sib_code code = check_members(v, spec, err);
    if (code != SIB_OK)
        return code;
    if (!found)
        return server_fail(
            err, SIB_ERR_ARGUMENT,
            "the 'file' of the input '%.80s' must be the name of a part of the form, which has "
            "no '%.80s'",
            v->name, name ? name : "");
    if (format && !raw && (!as || strcmp(as, "npy") != 0))
        return server_fail(err, SIB_ERR_ARGUMENT,
                           "the 'format' of the input '%.80s' must be 'npy' or 'raw', not '%.40s'", v->name,
                           as ? as : "");
    found->used = true;
    return raw ? read_raw(v, spec, &found->part->data, max_bytes, out, err)
               : read_npy(v, spec, found, max_bytes, out, err);
}
