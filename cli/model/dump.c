#include "model/dump.h"

#include "files.h"
#include "interrupt.h"
#include "model/value_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MANIFEST       "manifest.json"
#define MANIFEST_LIMIT ((size_t)64 << 20)
#define NAME_LIMIT     200 /* bytes of a file's name before what makes it differ from others */

/* Bytes that the arrays of a packed archive may take: of zeros, deflate makes a thousandth. */
#define ARCHIVE_LIMIT(file_bytes) (((uint64_t)1 << 30) + 16 * (uint64_t)(file_bytes))

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), k = strlen(end);
    return n >= k && !strcmp(text + n - k, end);
}

char *value_file_name(const char *name)
{
    char *file = cli_format("%s", *name ? name : "_");
    for (char *c = file; *c; c++)
        if (strchr("/\\:*?\"<>|", *c) || (unsigned char)*c < 32)
            *c = '_';
    if (file[0] == '.')
        file[0] = '_';
    if (strlen(file) > NAME_LIMIT) {
        size_t end = NAME_LIMIT;
        while (end && ((unsigned char)file[end] & 0xC0) == 0x80) /* within a character */
            end--;
        file[end] = '\0';
    }
    return file;
}

/* ---- Archives ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const sib_npz_entry *)a)->name, ((const sib_npz_entry *)b)->name);
}

static bool open_archive(dump *d)
{
    sib_error err = SIB_ERROR_INIT;
    if (sib_npz_load_limited(d->path, ARCHIVE_LIMIT(file_bytes(d->path)), &d->arrays, &d->n_arrays, &err) !=
        SIB_OK)
        return cli_fail("%s", err.message), false;
    qsort(d->arrays, d->n_arrays, sizeof *d->arrays, by_name);
    for (size_t i = 1; i < d->n_arrays; i++)
        if (!by_name(&d->arrays[i], &d->arrays[i - 1]))
            return cli_fail("%s: holds two arrays '%s'", d->path, d->arrays[i].name), false;
    return true;
}

static bool archive_value(const dump *d, const char *name, sib_value **out)
{
    const sib_npz_entry key = {.name = (char *)name};
    const sib_npz_entry *found =
        d->n_arrays ? bsearch(&key, d->arrays, d->n_arrays, sizeof key, by_name) : NULL;
    sib_error err = SIB_ERROR_INIT;
    if (found && sib_value_from_tensor(found->tensor, out, &err) != SIB_OK)
        return cli_fail("%s", err.message), false;
    return true;
}

/* ---- Folders ---- */

/* Whether each value has a file of its own in the folder. */
static bool check_manifest(const dump *d)
{
    const char *name;
    json_t *o, *seen = json_object();
    bool ok = json_is_object(d->manifest);
    if (!ok)
        cli_fail("%s/" MANIFEST ": expected an object of values by name", d->path);
    json_object_foreach(d->manifest, name, o)
    {
        const char *file = json_string_value(json_object_get(o, "file"));
        if (!file || !*file || strchr(file, '/') || !strcmp(file, ".") || !strcmp(file, ".."))
            cli_fail("%s/" MANIFEST ": value '%s': expected \"file\" with the name of a file in this folder",
                     d->path, name);
        else if (json_object_get(seen, file))
            cli_fail("%s/" MANIFEST ": the file '%s' is given to '%s' and to '%s'", d->path, file,
                     json_string_value(json_object_get(seen, file)), name);
        else if (!json_object_set_new(seen, file, json_string(name)))
            continue;
        ok = false;
        break;
    }
    json_decref(seen);
    return ok;
}

static bool open_folder(dump *d)
{
    json_error_t why;
    char *path = file_join(d->path, MANIFEST);
    bool ok = true;
    if (access(path, F_OK) == 0) {
        size_t size = 0;
        char *text = file_read(path, MANIFEST_LIMIT, &size);
        d->manifest = text ? json_loadb(text, size, JSON_REJECT_DUPLICATES, &why) : NULL;
        if (text && !d->manifest)
            cli_fail("%s: is not JSON: line %d: %s", path, why.line, why.text);
        ok = d->manifest && check_manifest(d);
        free(text);
    }
    free(path);
    return ok;
}

/* Whether a tensor is what its entry in the manifest says. */
static bool is_as_said(const json_t *entry, const sib_tensor *t)
{
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    const json_t *dims = json_object_get(entry, "dims");
    bool same = dtype && !strcmp(dtype, sib_dtype_name(sib_tensor_dtype(t))) &&
                json_array_size(dims) == sib_tensor_rank(t);
    for (size_t i = 0; same && i < sib_tensor_rank(t); i++)
        same = json_integer_value(json_array_get(dims, i)) == sib_tensor_dims(t)[i];
    return same;
}

/* The file of a value, or NULL. Released with free. */
static char *file_of(const dump *d, const char *name)
{
    if (d->manifest) {
        const char *file = json_string_value(json_object_get(json_object_get(d->manifest, name), "file"));
        return file && ends_with(file, ".npy") ? file_join(d->path, file) : NULL;
    }
    char *plain = cli_format("%s/%s.npy", d->path, name), *stem = value_file_name(name);
    char *safe = cli_format("%s/%s.npy", d->path, stem);
    char *found = access(plain, R_OK) == 0 ? plain : access(safe, R_OK) == 0 ? safe : NULL;
    free(stem);
    if (found != plain)
        free(plain);
    if (found != safe)
        free(safe);
    return found;
}

static bool folder_value(const dump *d, const char *name, sib_value **out)
{
    char *path = file_of(d, name);
    sib_tensor *t = NULL;
    sib_error err = SIB_ERROR_INIT;
    bool ok =
        !path || (sib_npy_load(path, &t, &err) == SIB_OK && sib_value_from_tensor(t, out, &err) == SIB_OK);
    if (!ok)
        cli_fail("%s", err.message);
    else if (path && d->manifest && !is_as_said(json_object_get(d->manifest, name), t)) {
        char type[300];
        ok = (cli_fail("%s: is %s, not what " MANIFEST " says of value '%s'", path,
                       value_type_text(*out, type, sizeof type), name),
              false);
        sib_value_free(out);
    }
    sib_tensor_free(&t);
    free(path);
    return ok;
}

/* ---- Either ---- */

bool dump_open(const char *path, dump *d)
{
    *d = (dump){.path = cli_format("%s", path)};
    if (file_is_folder(path))
        return open_folder(d);
    if (ends_with(path, ".npz"))
        return open_archive(d);
    return cli_fail("%s: is neither a folder with .npy files nor a .npz", path), false;
}

bool dump_value(const dump *d, const char *name, sib_value **out)
{
    *out = NULL;
    return (d->arrays ? archive_value : folder_value)(d, name, out);
}

void dump_close(dump *d)
{
    free(d->path);
    json_decref(d->manifest);
    sib_npz_free(&d->arrays, d->n_arrays);
    *d = (dump){0};
}

/* ---- Written ---- */

bool dump_begin(const char *path, dump_writer *w)
{
    *w = (dump_writer){.path = path, .names = json_object()};
    if (ends_with(path, ".npz"))
        return true;
    w->manifest = json_object();
    char *manifest = file_join(path, MANIFEST);
    bool ok =
        file_folder_ready(path) && (w->cancel = interrupt_begin()) && cli_aside_begin(&w->aside, manifest);
    free(manifest);
    return ok;
}

static bool keep_array(dump_writer *w, const char *name, const sib_value *v)
{
    sib_error err = SIB_ERROR_INIT;
    const json_t *before = json_object_get(w->names, name);
    const size_t at = before ? (size_t)json_integer_value(before) : w->n;
    if (!sib_value_tensor(v))
        return cli_fail("%s: value '%s' is no tensor: give a folder", w->path, name), false;
    if (w->n == w->room) {
        const size_t more = w->room ? 2 * w->room : 64;
        sib_npz_entry *arrays = cli_alloc(more, sizeof *arrays);
        sib_value **held = cli_alloc(more, sizeof(sib_value *));
        if (w->n) {
            memcpy(arrays, w->arrays, w->n * sizeof *arrays);
            memcpy(held, w->held, w->n * sizeof(sib_value *));
        }
        free(w->arrays);
        free(w->held);
        w->arrays = arrays;
        w->held = held;
        w->room = more;
    }
    if (!before && json_object_set_new(w->names, name, json_integer((json_int_t)at)) != 0)
        return cli_fail("%s: the name of a value is not UTF-8", w->path), false;
    if (!before)
        w->arrays[w->n++].name = cli_format("%s", name);
    sib_value_free(&w->held[at]);
    if (sib_value_clone(v, &w->held[at], &err) != SIB_OK)
        return cli_fail("%s", err.message), false;
    w->arrays[at].tensor = (sib_tensor *)(uintptr_t)sib_value_tensor(w->held[at]);
    return true;
}

/* The entry of a value in the manifest, new or that of the same name. */
static json_t *entry_of(dump_writer *w, const char *name, const sib_value *v)
{
    const sib_tensor *t = sib_value_tensor(v);
    const char *end = t ? "npy" : "pb";
    const json_t *before = json_object_get(json_object_get(w->manifest, name), "file");
    char *stem = value_file_name(name), *file = cli_format("%s.%s", stem, end), type[300];
    if (before) {
        free(file);
        file = cli_format("%s", json_string_value(before));
    }
    for (size_t k = json_object_size(w->names); !before && json_object_get(w->names, file); k++) {
        free(file);
        file = cli_format("%s~%zu.%s", stem, k, end);
    }
    json_object_set_new(w->names, file, json_true());
    json_t *entry = json_pack("{s:s}", "file", file);
    if (t) {
        json_t *dims = json_array();
        for (size_t i = 0; i < sib_tensor_rank(t); i++)
            json_array_append_new(dims, json_integer(sib_tensor_dims(t)[i]));
        json_object_set_new(entry, "dtype", json_string(sib_dtype_name(sib_tensor_dtype(t))));
        json_object_set_new(entry, "dims", dims);
    } else
        json_object_set_new(entry, "type", json_string(value_type_text(v, type, sizeof type)));
    json_object_set_new(w->manifest, name, entry);
    free(stem);
    free(file);
    return entry;
}

static bool write_file(const dump_writer *w, const char *file, const char *name, const sib_value *v)
{
    sib_error err = SIB_ERROR_INIT;
    char *path = file_join(w->aside.aside, file);
    const bool ok = value_save(path, name, v, &err) == SIB_OK;
    if (!ok) {
        cli_aside_clean(&w->aside, err.message);
        cli_fail("%s", err.message);
    }
    free(path);
    return ok;
}

bool dump_put(dump_writer *w, const char *name, const sib_value *v)
{
    if (!w->manifest)
        return keep_array(w, name, v);
    const json_t *entry = entry_of(w, name, v);
    if (!entry)
        return cli_fail("%s: the name of a value is not UTF-8", w->path), false;
    return write_file(w, json_string_value(json_object_get(entry, "file")), name, v);
}

bool dump_end(dump_writer *w)
{
    sib_error err = SIB_ERROR_INIT;
    bool ok = true;
    if (w->manifest) {
        char *text = json_dumps(w->manifest, JSON_INDENT(1));
        ok = text && file_put(w->aside.path, text, strlen(text));
        if (ok && !cli_aside_commit(&w->aside))
            ok = (cli_fail("%s: cannot be written: %s", w->path, strerror(errno)), false);
        free(text);
    } else if (sib_npz_save(w->path, w->arrays, w->n, false, &err) != SIB_OK)
        ok = (cli_fail("%s", err.message), false);
    dump_discard(w);
    return ok;
}

void dump_discard(dump_writer *w)
{
    for (size_t i = 0; i < w->n; i++) {
        free(w->arrays[i].name);
        sib_value_free(&w->held[i]);
    }
    free(w->arrays);
    free(w->held);
    if (w->aside.folder)
        cli_aside_end(&w->aside);
    if (w->cancel)
        interrupt_end();
    json_decref(w->manifest);
    json_decref(w->names);
    *w = (dump_writer){0};
}
