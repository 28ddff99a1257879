#include "import/read/folder.h"

#include "base/alloc.h"
#include "base/array.h"
#include "import/read/json.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* One row per format, in order of preference: the file that holds all weights, and endings of others. */
static const struct {
    const char *whole, *endings[3];
} rows[] = {
    {"model.safetensors", {".safetensors"}},
    {NULL, {".gguf"}},
    {"pytorch_model.bin", {".bin", ".pt", ".pth"}},
};

static sib_code add(folder_files *f, const char *before, const char *slash, const char *name, sib_error *err)
{
    size_t size = strlen(before) + strlen(slash) + strlen(name) + 1;
    char *path = ARRAY_RESERVE(f->paths, f->capacity, f->n + 1, "a checkpoint", NULL) == SIB_OK
                     ? mem_alloc(size, 1)
                     : NULL;
    if (!path)
        return err_memory(err, size, "a name in a folder");
    snprintf(path, size, "%s%s%s", before, slash, name);
    f->paths[f->n++] = path;
    return SIB_OK;
}

void folder_clear(folder_files *f)
{
    for (size_t i = 0; i < f->n; i++)
        mem_free(f->paths[i]);
    mem_free(f->paths);
    *f = (folder_files){0};
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorts, so that shards are in order, and removes duplicates. */
static void sort(folder_files *names)
{
    if (names->n)
        qsort(names->paths, names->n, sizeof *names->paths, by_name);
    size_t kept = 0;
    for (size_t i = 0; i < names->n; i++)
        if (kept && strcmp(names->paths[kept - 1], names->paths[i]) == 0)
            mem_free(names->paths[i]);
        else
            names->paths[kept++] = names->paths[i];
    names->n = kept;
}

/* The names in a folder. */
static sib_code list_names(const char *folder, folder_files *names, sib_error *err)
{
    DIR *dir = opendir(folder);
    if (!dir)
        return err_set(err, SIB_ERR_IO, "%s: %s", folder, strerror(errno));
    struct dirent *entry;
    sib_code code = SIB_OK;
    while (code == SIB_OK && (entry = readdir(dir)))
        code = add(names, "", "", entry->d_name, err);
    closedir(dir);
    sort(names);
    return code;
}

static bool has_name(const folder_files *names, const char *name)
{
    for (size_t i = 0; name && i < names->n; i++)
        if (strcmp(names->paths[i], name) == 0)
            return true;
    return false;
}

/* Files that trainers store next to weights in PyTorch's format. */
static bool is_training_state(const char *name)
{
    static const char *const others[] = {"training_args", "optimizer", "scheduler", "rng_state", "scaler"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strncmp(name, others[i], strlen(others[i])) == 0)
            return true;
    return false;
}

static bool has_ending(const char *name, const char *const endings[3])
{
    size_t n = strlen(name);
    for (size_t i = 0; i < 3 && endings[i]; i++) {
        size_t m = strlen(endings[i]);
        if (n > m && name[0] != '.' && strcmp(name + n - m, endings[i]) == 0)
            return !is_training_state(name);
    }
    return false;
}

/* ---- An index: {"weight_map": {NAME OF A WEIGHT: FILE}} ------------------------------------------------ */

static sib_code add_indexed(ckpt_file *s, const json_t *root, folder_files *names)
{
    const char *name;
    json_t *file, *map = json_object_get(root, "weight_map");
    if (!json_is_object(map))
        return ckpt_fail(s, SIB_ERR_FORMAT, SIB_NO_OFFSET, "the index has no 'weight_map'");
    json_object_foreach(map, name, file)
    {
        const char *text = json_string_value(file);
        if (!text || !*text || *text == '.' || strchr(text, '/'))
            return ckpt_fail(s, SIB_ERR_FORMAT, SIB_NO_OFFSET,
                             "weight '%.100s' is in '%.100s', which is not a file in the index's folder",
                             name, text ? text : "no text");
        /* Weights of one file are mostly consecutive. */
        if (names->n && strcmp(names->paths[names->n - 1], text) == 0)
            continue;
        sib_code code = add(names, "", "", text, s->err);
        if (code != SIB_OK)
            return code;
    }
    sort(names);
    return SIB_OK;
}

static sib_code read_index(const char *path, folder_files *names, sib_error *err)
{
    mapping *map = NULL;
    json_t *root = NULL;
    sib_code code = mapping_open(path, &map, err);
    if (code != SIB_OK)
        return code;
    ckpt_file s = {.path = path, .bytes = map->bytes, .err = err};
    code = json_parse(&s, s.bytes, 0, &root);
    if (code == SIB_OK)
        code = add_indexed(&s, root, names);
    json_decref(root);
    mapping_release(map);
    return code;
}

/* ---- Lists ---------------------------------------------------------------------------------------- */

/* The names of files with weights of row k. */
static sib_code choose(const char *folder, const folder_files *names, size_t k, folder_files *chosen,
                       sib_error *err)
{
    char index[4096 + 64];
    sib_code code = SIB_OK;
    if (has_name(names, rows[k].whole))
        return add(chosen, "", "", rows[k].whole, err);
    snprintf(index, sizeof index, "%s.index.json", rows[k].whole ? rows[k].whole : "");
    if (rows[k].whole && has_name(names, index)) {
        snprintf(index, sizeof index, "%s/%s.index.json", folder, rows[k].whole);
        return read_index(index, chosen, err);
    }
    for (size_t i = 0; i < names->n && code == SIB_OK; i++)
        if (has_ending(names->paths[i], rows[k].endings))
            code = add(chosen, "", "", names->paths[i], err);
    return code;
}

sib_code folder_list(const char *folder, folder_files *out, sib_error *err)
{
    static const char *const configs[] = {"config.json", "generation_config.json"};
    folder_files names = {0}, chosen = {0};
    sib_code code = list_names(folder, &names, err);
    for (size_t k = 0; k < 2 && code == SIB_OK; k++)
        if (has_name(&names, configs[k]))
            code = add(out, folder, "/", configs[k], err);
    for (size_t k = 0; k < sizeof rows / sizeof *rows && code == SIB_OK && !chosen.n; k++)
        code = choose(folder, &names, k, &chosen, err);
    for (size_t i = 0; i < chosen.n && code == SIB_OK; i++)
        code = add(out, folder, "/", chosen.paths[i], err);
    folder_clear(&names);
    folder_clear(&chosen);
    return code;
}
