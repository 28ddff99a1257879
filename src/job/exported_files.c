#include "job/exported_files.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/path.h"
#include "job/open_parts.h"

#include <dirent.h>
#include <string.h>
#include <unistd.h>

/* ---- Files --------------------------------------------------------------------------------------------- */

sib_code exported_read_object(const char *path, json_t **out, sib_error *err)
{
    json_error_t why = {0};
    char *text = NULL;
    size_t size;
    sib_code code = SIB_OK;
    *out = NULL;
    if (!access(path, F_OK) && (code = job_read_file(path, &text, &size, err)) == SIB_OK &&
        !(*out = json_loadb(text, size, 0, &why)))
        code = err_set_at(err, SIB_ERR_FORMAT, (uint64_t)why.position, "%s: line %d: %s", path, why.line,
                          why.text);
    if (*out && !json_is_object(*out))
        code = err_set(err, SIB_ERR_FORMAT, "%s: is no JSON object", path);
    mem_free(text);
    return code;
}

/* The object of a file of the folder. */
static sib_code read_object(const char *folder, const char *name, json_t **out, sib_error *err)
{
    char *path = path_join(folder, name);
    *out = NULL;
    sib_code code = path ? exported_read_object(path, out, err) : err_memory(err, strlen(folder), "a path");
    mem_free(path);
    return code;
}

static bool has_file(const char *folder, const char *name)
{
    char *path = path_join(folder, name);
    bool has = path && !access(path, R_OK);
    mem_free(path);
    return has;
}

/* Whether a path ends in the folder onnx, as transformers.js has it. */
static bool is_onnx_folder(const char *folder)
{
    const char *slash = strrchr(folder, '/');
    return !strcmp(slash ? slash + 1 : folder, "onnx");
}

sib_code exported_files_read(const char *model, exported_files *out, sib_error *err)
{
    char *own = path_folder(model), *folder = NULL;
    *out = (exported_files){.above = ""};
    sib_code code = own ? SIB_OK : err_memory(err, strlen(model), "a path");
    if (code == SIB_OK && is_onnx_folder(own) && !has_file(own, "config.json"))
        out->above = "../";
    if (code == SIB_OK && !(folder = path_join(own, out->above[0] ? ".." : ".")))
        code = err_memory(err, strlen(model), "a path");
    const struct {
        const char *name;
        json_t **to;
    } files[] = {{"genai_config.json", &out->genai},
                 {"config.json", &out->config},
                 {"generation_config.json", &out->generation},
                 {"tokenizer_config.json", &out->tokenizer}};
    for (size_t i = 0; i < sizeof files / sizeof *files && code == SIB_OK; i++)
        code = read_object(folder, files[i].name, files[i].to, err);
    out->has_template = code == SIB_OK && has_file(folder, "chat_template.jinja");
    mem_free(folder);
    mem_free(own);
    return code;
}

void exported_files_clear(exported_files *f)
{
    json_decref(f->genai);
    json_decref(f->config);
    json_decref(f->generation);
    json_decref(f->tokenizer);
    *f = (exported_files){.above = ""};
}

/* ---- Models -------------------------------------------------------------------------------------------- */

/* The folder's only .onnx file; *out is NULL where there is none or several, *n says how many. */
static sib_code find_only(const char *folder, char **out, size_t *n, sib_error *err)
{
    DIR *list = opendir(folder);
    const struct dirent *at;
    *n = 0;
    if (!list)
        return err_set(err, SIB_ERR_IO, "%s: cannot be read", folder);
    while ((at = readdir(list))) {
        const size_t length = strlen(at->d_name);
        if (length < 6 || strcmp(at->d_name + length - 5, ".onnx") != 0 || (*n)++)
            continue;
        *out = path_join(folder, at->d_name);
    }
    closedir(list);
    if (*n != 1) {
        mem_free(*out);
        *out = NULL;
    }
    return *n == 1 && !*out ? err_memory(err, strlen(folder), "a path") : SIB_OK;
}

/* The file that genai_config.json names; *out is NULL where there is no such file. */
static sib_code find_named(const char *folder, char **out, sib_error *err)
{
    json_t *genai;
    sib_code code = read_object(folder, "genai_config.json", &genai, err);
    const char *name = json_string_value(
        json_object_get(json_object_get(json_object_get(genai, "model"), "decoder"), "filename"));
    if (code == SIB_OK && genai && !name)
        code = err_set(err, SIB_ERR_FORMAT, "%s/genai_config.json: model.decoder.filename names no file",
                       folder);
    if (code == SIB_OK && name)
        code = path_confined(folder, name, out, err);
    json_decref(genai);
    return code;
}

sib_code exported_model_in(const char *folder, char **out, sib_error *err)
{
    static const char *const names[] = {"model.onnx", "decoder_model_merged.onnx", "decoder_model.onnx",
                                        "onnx/model.onnx", "onnx/decoder_model_merged.onnx"};
    size_t n = 0;
    *out = NULL;
    sib_code code = find_named(folder, out, err);
    for (size_t i = 0; i < sizeof names / sizeof *names && code == SIB_OK && !*out; i++)
        if (has_file(folder, names[i]) && !(*out = path_join(folder, names[i])))
            code = err_memory(err, strlen(folder), "a path");
    if (code == SIB_OK && !*out)
        code = find_only(folder, out, &n, err);
    if (code == SIB_OK && !*out)
        code = n ? err_set(err, SIB_ERR_IO,
                           "%s: holds no job.json, and %zu .onnx files, none of them model.onnx: name one",
                           folder, n)
                 : err_set(err, SIB_ERR_IO, "%s: holds no job.json, model.onnx or genai_config.json", folder);
    return code;
}
