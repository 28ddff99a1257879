#include "import/reader.h"

#include "base/alloc.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Which reader takes a file: the first that recognises it. */
static const checkpoint_format *const formats[] = {
    &format_json, &format_safetensors, &format_pytorch, &format_gguf, &format_whisper, &format_rwkv,
};

#define N_FORMATS (sizeof formats / sizeof *formats)

/* ---- One file ------------------------------------------------------------------------------------- */

static sib_code unknown_format(ckpt_file *s)
{
    char first[3 * 8 + 1] = "";
    for (size_t i = 0; i < 8 && i < s->bytes.size; i++)
        snprintf(first + strlen(first), 4, " %02x", s->bytes.data[i]);
    if (s->bytes.size == 0)
        return ckpt_fail(s, SIB_ERR_FORMAT, SIB_NO_OFFSET, "is empty");
    return ckpt_fail(
        s, SIB_ERR_UNSUPPORTED, 0,
        "is of no format that Sibyl reads (safetensors, PyTorch, whisper.cpp, rwkv.cpp, GGUF, JSON); it "
        "begins with%s",
        first);
}

/* Takes the mapping over. */
static sib_code read_file(checkpoint *c, const char *path, mapping *map, sib_error *err)
{
    checkpoint_source *files = mem_realloc(c->files, c->n_files + 1, sizeof *files);
    char *copy = mem_strdup(path);
    if (files)
        c->files = files;
    if (!files || !copy) {
        mem_free(copy);
        mapping_release(map);
        return err_memory(err, sizeof *files, "a file of a checkpoint");
    }
    c->files[c->n_files++] = (checkpoint_source){copy, map};
    ckpt_file s = {.c = c,
                   .path = copy,
                   .bytes = map->bytes,
                   .file = c->n_files - 1,
                   .first_weight = c->n_weights,
                   .first_fact = c->n_facts,
                   .err = err};
    for (size_t i = 0; i < N_FORMATS; i++)
        if (formats[i]->recognises(s.bytes)) {
            if (!c->format && formats[i]->weights)
                c->format = formats[i]->name;
            return formats[i]->read(&s);
        }
    return unknown_format(&s);
}

static sib_code open_file(checkpoint *c, const char *path, sib_error *err)
{
    mapping *map = NULL;
    sib_code code = mapping_open(path, &map, err);
    return code == SIB_OK ? read_file(c, path, map, err) : code;
}

/* ---- A folder ------------------------------------------------------------------------------------- */

typedef struct listing {
    char **names;
    size_t n, capacity;
} listing;

static void listing_clear(listing *l)
{
    for (size_t i = 0; i < l->n; i++)
        mem_free(l->names[i]);
    mem_free(l->names);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in a folder, sorted, so that shards come in their order. */
static sib_code list_folder(const char *folder, listing *l, sib_error *err)
{
    DIR *dir = opendir(folder);
    if (!dir)
        return err_set(err, SIB_ERR_IO, "%s: %s", folder, strerror(errno));
    struct dirent *entry;
    sib_code code = SIB_OK;
    while (code == SIB_OK && (entry = readdir(dir))) {
        if (l->n == l->capacity) {
            size_t more = l->capacity ? l->capacity * 2 : 32;
            char **grown = mem_realloc(l->names, more, sizeof *grown);
            if (!grown) {
                code = err_memory(err, more * sizeof *grown, "the names in a folder");
                break;
            }
            l->names = grown;
            l->capacity = more;
        }
        l->names[l->n] = mem_strdup(entry->d_name);
        if (l->names[l->n])
            l->n++;
        else
            code = err_memory(err, strlen(entry->d_name), "a name in a folder");
    }
    closedir(dir);
    if (l->n)
        qsort(l->names, l->n, sizeof *l->names, by_name);
    return code;
}

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n > m && name[0] != '.' && strcmp(name + n - m, end) == 0;
}

/* What trainers put beside weights in PyTorch's format. */
static bool is_training_state(const char *name)
{
    static const char *const others[] = {"training_args", "optimizer", "scheduler", "rng_state", "scaler"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strncmp(name, others[i], strlen(others[i])) == 0)
            return true;
    return false;
}

/* Which files of a folder hold weights: those with the endings of the first row that has any. */
static const char *const weight_endings[][3] = {{".safetensors"}, {".gguf"}, {".bin", ".pt", ".pth"}};

static bool has_ending(const char *name, const char *const endings[3])
{
    for (size_t i = 0; i < 3 && endings[i]; i++)
        if (ends_with(name, endings[i]))
            return !is_training_state(name);
    return false;
}

static sib_code open_in_folder(checkpoint *c, const char *folder, const char *name, sib_error *err)
{
    size_t n = strlen(folder), size = n + strlen(name) + 2;
    char *path = mem_alloc(size, 1);
    if (!path)
        return err_memory(err, size, "a path");
    snprintf(path, size, "%s%s%s", folder, n && folder[n - 1] == '/' ? "" : "/", name);
    sib_code code = open_file(c, path, err);
    mem_free(path);
    return code;
}

static sib_code open_names(checkpoint *c, const char *folder, const listing *l, sib_error *err)
{
    static const char *const first[] = {"config.json", "generation_config.json"};
    sib_code code = SIB_OK;
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < l->n && code == SIB_OK; i++)
            if (strcmp(l->names[i], first[k]) == 0)
                code = open_in_folder(c, folder, l->names[i], err);
    size_t rows = sizeof weight_endings / sizeof *weight_endings, taken = 0;
    for (size_t k = 0; k < rows && !taken; k++)
        for (size_t i = 0; i < l->n && code == SIB_OK; i++)
            if (has_ending(l->names[i], weight_endings[k])) {
                code = open_in_folder(c, folder, l->names[i], err);
                taken++;
            }
    return code;
}

static sib_code open_folder(checkpoint *c, const char *folder, sib_error *err)
{
    listing l = {0};
    sib_code code = list_folder(folder, &l, err);
    if (code == SIB_OK)
        code = open_names(c, folder, &l, err);
    listing_clear(&l);
    return code;
}

/* ---- The checkpoint ------------------------------------------------------------------------------- */

static sib_code checkpoint_new(checkpoint **out, sib_error *err)
{
    *out = mem_calloc(1, sizeof **out);
    if (!*out)
        return err_memory(err, sizeof **out, "a checkpoint");
    return arena_create(&(*out)->arena, err);
}

static sib_code finish(checkpoint **c, sib_code code, const char *label, sib_error *err)
{
    if (code == SIB_OK && !(*c)->format)
        code = err_set(err, SIB_ERR_FORMAT, "%s: no file with weights", label);
    if (code != SIB_OK)
        checkpoint_free(c);
    return code;
}

sib_code checkpoint_open(const char *const *paths, size_t n, checkpoint **out, sib_error *err)
{
    struct stat st;
    *out = NULL;
    if (n == 0)
        return err_set(err, SIB_ERR_ARGUMENT, "no path of a checkpoint");
    sib_code code = checkpoint_new(out, err);
    if (code == SIB_OK && n == 1 && stat(paths[0], &st) == 0 && S_ISDIR(st.st_mode))
        return finish(out, open_folder(*out, paths[0], err), paths[0], err);
    for (size_t i = 0; i < n && code == SIB_OK; i++)
        code = open_file(*out, paths[i], err);
    return finish(out, code, paths[0], err);
}

sib_code checkpoint_open_bytes(const char *label, const void *data, size_t n, checkpoint **out,
                               sib_error *err)
{
    mapping *map = NULL;
    sib_code code = checkpoint_new(out, err);
    if (code == SIB_OK)
        code = mapping_copy((byte_span){data, n}, &map, err);
    if (code == SIB_OK)
        code = read_file(*out, label, map, err);
    return finish(out, code, label, err);
}

void checkpoint_free(checkpoint **pointer)
{
    checkpoint *c = pointer ? *pointer : NULL;
    if (!c)
        return;
    for (size_t i = 0; i < c->n_files; i++) {
        mem_free(c->files[i].path);
        mapping_release(c->files[i].map);
    }
    mem_free(c->files);
    mem_free(c->weights);
    mem_free(c->facts);
    name_map_clear(&c->weight_names);
    name_map_clear(&c->fact_names);
    arena_free(&c->arena);
    mem_free(c);
    *pointer = NULL;
}

const char *checkpoint_format_name(const checkpoint *c)
{
    return c->format;
}

const char *checkpoint_file(const checkpoint *c, size_t i)
{
    return i < c->n_files ? c->files[i].path : NULL;
}

const weight *checkpoint_weight(const checkpoint *c, size_t i)
{
    return i < c->n_weights ? &c->weights[i] : NULL;
}

size_t checkpoint_weights(const checkpoint *c)
{
    return c->n_weights;
}

const weight *checkpoint_find(const checkpoint *c, const char *name)
{
    uint32_t i;
    return name_map_find(&c->weight_names, str_of(name), &i) ? &c->weights[i] : NULL;
}

const fact *checkpoint_fact(const checkpoint *c, const char *key)
{
    uint32_t i;
    return name_map_find(&c->fact_names, str_of(key), &i) ? &c->facts[i] : NULL;
}

const fact *checkpoint_fact_at(const checkpoint *c, size_t i)
{
    return i < c->n_facts ? &c->facts[i] : NULL;
}

int64_t checkpoint_int(const checkpoint *c, const char *key, int64_t otherwise)
{
    const fact *f = checkpoint_fact(c, key);
    return f && f->kind == FACT_INT && !f->list ? f->ints[0] : otherwise;
}

double checkpoint_float(const checkpoint *c, const char *key, double otherwise)
{
    const fact *f = checkpoint_fact(c, key);
    if (!f || f->list || (f->kind != FACT_INT && f->kind != FACT_FLOAT))
        return otherwise;
    return f->kind == FACT_INT ? (double)f->ints[0] : f->floats[0];
}
