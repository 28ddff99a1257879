/* Opening checkpoints: a reader a format, then the parts of quantised weights joined. */
#include "import/read/reader.h"

#include "base/alloc.h"
#include "import/read/folder.h"
#include "import/read/quantized.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Readers in the order of choice: the first that recognises a file reads it. */
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
    const size_t n = strlen(s->path);
    if (n > 5 && !strcmp(s->path + n - 5, ".onnx"))
        return ckpt_fail(s, SIB_ERR_UNSUPPORTED, 0, "is an ONNX model already, which commands take as it is");
    return ckpt_fail(s, SIB_ERR_UNSUPPORTED, 0,
                     "is not in a format that Sibyl reads (safetensors, PyTorch, whisper.cpp, rwkv.cpp, "
                     "GGUF, JSON); it begins with%s",
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

static sib_code open_folder(checkpoint *c, const char *folder, sib_error *err)
{
    folder_files files = {0};
    sib_code code = folder_list(folder, &files, err);
    for (size_t i = 0; i < files.n && code == SIB_OK; i++)
        code = open_file(c, files.paths[i], err);
    folder_clear(&files);
    return code;
}

bool checkpoint_recognises(byte_span bytes)
{
    for (size_t i = 0; i < N_FORMATS; i++)
        if (formats[i]->recognises(bytes))
            return formats[i]->weights;
    return false;
}

/* ---- All files ------------------------------------------------------------------------------------- */

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
        code = err_set(err, SIB_ERR_FORMAT,
                       "%s: the folder has no file with weights (.safetensors, .gguf, .bin, .pt or .pth)",
                       label);
    if (code == SIB_OK)
        code = quantized_join(*c, err);
    if (code != SIB_OK)
        checkpoint_free(c);
    return code;
}

sib_code checkpoint_open(const char *const *paths, size_t n, checkpoint **out, sib_error *err)
{
    struct stat st;
    *out = NULL;
    if (n == 0)
        return err_set(err, SIB_ERR_ARGUMENT, "no path of a checkpoint is given");
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
