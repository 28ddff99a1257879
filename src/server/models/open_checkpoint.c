#include "server/models/open_checkpoint.h"

#include "server/http/folders.h"
#include "server/http/state.h"
#include "server/models/openings.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MAX_PATH 1024

static const struct {
    const char *name;
    sib_dtype dtype;
} dtypes[] = {{"float32", SIB_F32},
              {"float16", SIB_F16},
              {"bfloat16", SIB_BF16},
              {"int8", SIB_I8},
              {"keep", SIB_DTYPE_UNKNOWN}};

json_t *open_checkpoint_loader(void)
{
    json_t *choices = json_array();
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        json_array_append_new(choices, json_string(dtypes[i].name));
    return json_pack(
        "{s:s, s:s, s:s, s:[{s:s, s:s, s:s, s:s, s:b}, {s:s, s:s, s:s, s:s, s:b}, {s:s, s:s, s:s, s:s, s:b, "
        "s:o}]}",
        "id", "checkpoint", "label", "Checkpoint on the server", "doc",
        "Weights of another program below the server's folder of models: safetensors, PyTorch, GGUF and "
        "others. They "
        "are imported, and what is written for that is gone once the model is closed.",
        "fields", "name", "file", "label", "File or folder", "doc", "Its path below that folder.", "type",
        "string", "required", true, "name", "tokenizer", "label", "Tokenizer", "doc",
        "Path of its file below that folder. Left open: the checkpoint's own, or a tokenizer.json next to "
        "it.",
        "type", "string", "required", false, "name", "dtype", "label", "Type of weights", "doc",
        "Of matrices of products and embeddings.", "type", "enum", "required", true, "choices", choices);
}

/* Reads the option `name`, a path below the folder of models: *path, free, or NULL where it is left out. */
static sib_code read_path(exchange *x, const json_t *options, const char *name, char **path, sib_error *err)
{
    const json_t *value = json_object_get(options, name);
    *path = NULL;
    if (!value)
        return SIB_OK;
    if (!json_is_string(value))
        return server_fail(err, SIB_ERR_ARGUMENT, "the option '%s' must be a path", name);
    return catalog_resolve(exchange_server(x)->catalog, json_string_value(value), path, err);
}

static sib_code read_dtype(const json_t *options, sib_dtype *out, sib_error *err)
{
    const json_t *value = json_object_get(options, "dtype");
    *out = SIB_F32;
    for (size_t i = 0; value && i < sizeof dtypes / sizeof *dtypes; i++)
        if (json_is_string(value) && !strcmp(json_string_value(value), dtypes[i].name)) {
            *out = dtypes[i].dtype;
            return SIB_OK;
        }
    return value ? server_fail(err, SIB_ERR_ARGUMENT,
                               "the option 'dtype' must be float32, float16, bfloat16, int8 or keep")
                 : SIB_OK;
}

/* Removes a folder with the files in it. */
static void remove_folder(const char *folder)
{
    DIR *all = opendir(folder);
    const struct dirent *e;
    while (all && (e = readdir(all)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            unlinkat(dirfd(all), e->d_name, 0);
    if (all)
        closedir(all);
    rmdir(folder);
}

/* The model's file in a folder: the checkpoint's name with another end. */
static void name_model(const char *folder, const char *checkpoint, char path[MAX_PATH])
{
    const char *base = server_base_name(checkpoint), *dot = strrchr(base, '.');
    int size = dot && dot != base ? (int)(dot - base) : (int)strlen(base);
    snprintf(path, MAX_PATH, "%s/%.*s.onnx", folder, size < 200 ? size : 200, base);
}

static void on_progress(void *context, double fraction, const char *what)
{
    opening_tell(context, "converting", fraction, what);
}

/* Bytes of weights that an import may write; where nobody says how many, half of what is free, so that two at once find
   room. */
static uint64_t import_limit(const exchange *x, const char *temporary)
{
    struct statvfs disk;
    const uint64_t given = exchange_server(x)->options.max_import;
    if (given || statvfs(temporary, &disk))
        return given ? given : 1;
    const uint64_t half = (uint64_t)disk.f_bavail * disk.f_frsize / 2;
    return half ? half : 1;
}

/* Writes the checkpoint as a model. Errors: those of sib_import; of what is too large it says how to have it. */
static sib_code convert(exchange *x, const char *checkpoint, const char *model, const sib_import_options *o,
                        sib_error *err)
{
    sib_import_report *report = NULL;
    sib_import_totals totals = {0};
    sib_code code = sib_import(&checkpoint, 1, model, o, &report, err);
    if (report)
        sib_import_report_totals(report, &totals);
    if (code == SIB_ERR_SIZE && totals.bytes_written > o->max_bytes) {
        *err = (sib_error)SIB_ERROR_INIT;
        code = server_fail(err, SIB_ERR_SIZE,
                           "%.80s takes %.1f MB as a model, and an import may write %.1f MB%s: a smaller "
                           "'dtype' takes less, and `sibyl serve --max-import MB` allows more",
                           server_base_name(checkpoint), (double)totals.bytes_written / 0x1p20,
                           (double)o->max_bytes / 0x1p20,
                           exchange_server(x)->options.max_import ? "" : ", half of what is free");
    }
    sib_import_report_free(&report);
    return code;
}

static sib_code import(exchange *x, const char *checkpoint, const char *tokenizer, sib_dtype dtype,
                       served **out, sib_error *err)
{
    const char *given = getenv("TMPDIR"), *temporary = given && *given ? given : "/tmp";
    char folder[MAX_PATH / 2], model[MAX_PATH];
    int size = snprintf(folder, sizeof folder, "%s/sibyl-XXXXXX", temporary);
    if (size < 0 || (size_t)size >= sizeof folder || !mkdtemp(folder))
        return server_fail(err, SIB_ERR_IO, "the server cannot make a folder for the model that is imported");
    folders_add(exchange_server(x)->folders, temporary); /* once: a folder each time would add up */
    name_model(folder, checkpoint, model);
    opening *told = openings_begin(exchange_server(x)->openings, server_base_name(checkpoint));
    opening_tell(told, "reading", -1, "");
    sib_import_options o = {.dtype = dtype,
                            .keep = dtype == SIB_DTYPE_UNKNOWN,
                            .tokenizer = tokenizer,
                            .max_bytes = import_limit(x, temporary),
                            .on_progress = on_progress,
                            .context = told,
                            .cancel = exchange_cancel(x)};
    sib_code code = convert(x, checkpoint, model, &o, err);
    opening_tell(told, "opening", -1, "");
    if (code == SIB_OK)
        code = catalog_open(exchange_server(x)->catalog, model, out, err);
    if (code == SIB_ERR_IO && !tokenizer &&
        !access(model, F_OK)) { /* the model is there: its tokenizer is not */
        const sib_error why = *err;
        *err = (sib_error)SIB_ERROR_INIT;
        code = server_fail(err, SIB_ERR_ARGUMENT, "%s: the option 'tokenizer' names one", why.message);
    }
    openings_end(&told);
    remove_folder(folder); /* what is mapped stays until the model is closed */
    return code;
}

sib_code open_checkpoint(exchange *x, const json_t *options, served **out, sib_error *err)
{
    char *file = NULL, *tokenizer = NULL;
    sib_dtype dtype;
    sib_code code = read_path(x, options, "file", &file, err);
    if (code == SIB_OK && !file)
        code = server_fail(err, SIB_ERR_ARGUMENT, "the loader 'checkpoint' needs the option 'file', a path");
    if (code == SIB_OK)
        code = read_path(x, options, "tokenizer", &tokenizer, err);
    if (code == SIB_OK)
        code = read_dtype(options, &dtype, err);
    if (code == SIB_OK)
        code = import(x, file, tokenizer, dtype, out, err);
    free(file);
    free(tokenizer);
    return code;
}
