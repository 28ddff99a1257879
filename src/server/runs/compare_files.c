#include "server/runs/compare_files.h"

#include "server/http/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Adds a value; the tensor stays the caller's. */
static sib_code add(compare_files *f, const char *name, sib_tensor *t, sib_error *err)
{
    for (size_t i = 0; i < f->n; i++)
        if (!strcmp(f->values[i].name, name))
            return server_fail(err, SIB_ERR_ARGUMENT, "the value '%.80s' is given twice", name);
    if (f->n == f->capacity) {
        size_t capacity = f->capacity ? 2 * f->capacity : 16;
        run_value *more = realloc(f->values, capacity * sizeof *more);
        if (!more)
            return server_fail(err, SIB_ERR_MEMORY, "the server has too little memory");
        f->values = more;
        f->capacity = capacity;
    }
    run_value v = {.name = strdup(name)};
    sib_code code = v.name ? sib_value_from_tensor(t, &v.value, err)
                           : server_fail(err, SIB_ERR_MEMORY, "the server has too little memory");
    if (code == SIB_OK)
        f->values[f->n++] = v;
    else
        free(v.name);
    return code;
}

/* Counts the elements of a tensor among what the server holds. */
static sib_code count(compare_files *f, const sib_tensor *t, sib_error *err)
{
    uint64_t bytes = (sib_tensor_count(t) * sib_dtype_bits(sib_tensor_dtype(t)) + 7) / 8;
    uint64_t held = atomic_fetch_add(&f->server->held_bytes, bytes);
    f->bytes += bytes;
    return held + bytes <= f->server->options.max_bodies
               ? SIB_OK
               : server_fail(err, SIB_ERR_MEMORY,
                             "the server holds as many uploads as it takes; try again soon");
}

static sib_code read_part(compare_files *f, const part *p, sib_error *err)
{
    const uint64_t most = f->server->options.max_upload, left = most > f->bytes ? most - f->bytes : 1;
    char name[120];
    snprintf(name, sizeof name, "the part '%.80s'", p->name);
    const char *data = p->data.size ? p->data.data : "";
    sib_npz_entry *arrays = NULL, one = {.name = p->name};
    size_t n = 0;
    const bool archive = p->data.size > 4 && !memcmp(data, "PK\3\4", 4);
    sib_code code = archive ? sib_npz_load_bytes(name, data, p->data.size, left, &arrays, &n, err)
                            : sib_npy_load_bytes(name, data, p->data.size, left, &one.tensor, err);
    if (!archive)
        n = code == SIB_OK;
    for (size_t i = 0; i < n && code == SIB_OK; i++) {
        const sib_npz_entry *e = archive ? &arrays[i] : &one;
        code = count(f, e->tensor, err);
        if (code == SIB_OK)
            code = add(f, e->name, e->tensor, err);
    }
    sib_npz_free(&arrays, archive ? n : 0);
    sib_tensor_free(&one.tensor);
    return code;
}

sib_code compare_files_read(exchange *x, compare_files *out, sib_error *err)
{
    const part *p;
    *out = (compare_files){.server = exchange_server(x)};
    sib_code code = SIB_OK;
    for (size_t i = 0; code == SIB_OK && (p = exchange_part_at(x, i)); i++)
        code = read_part(out, p, err);
    if (code == SIB_OK && !out->n)
        return server_fail(err, SIB_ERR_ARGUMENT,
                           "the request must be a form with files: .npy parts that have names of values, or "
                           ".npz with arrays of such names");
    return code;
}

void compare_files_free(compare_files *f)
{
    for (size_t i = 0; i < f->n; i++) {
        free(f->values[i].name);
        sib_value_free(&f->values[i].value);
    }
    free(f->values);
    atomic_fetch_sub(&f->server->held_bytes, f->bytes);
    *f = (compare_files){0};
}
