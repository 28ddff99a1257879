/* The public calls that open jobs. */
#include "job/job.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/outfile.h"
#include "base/path.h"
#include "job/exported_files.h"
#include "job/nodes/nodes.h"
#include "job/open_parts.h"
#include "job/standard.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* ---- Files --------------------------------------------------------------------------------------------- */

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n >= k && !strcmp(s + n - k, end);
}

/* ---- Opening ------------------------------------------------------------------------------------------- */

/* from and fault may be NULL. */
static sib_code open_document(const char *name, const char *text, size_t size, const char *folder,
                              const sib_job_resolver *from, const sib_job_options *options,
                              sib_job_fault *fault, sib_job **out, sib_error *err)
{
    const sib_job_options none = {0}, *o = options ? options : &none;
    const job_opening opening = {folder, from, o};
    sib_job *j = mem_calloc(1, sizeof *j);
    if (!j)
        return err_memory(err, sizeof *j, "a job");
    j->text = mem_alloc(size + 1, 1);
    j->backends = o->backends ? mem_strdup(o->backends) : NULL;
    j->log = o->log;
    sib_code code = j->text && (j->backends || !o->backends)
                        ? job_doc_read(name, text, size, job_ops, fault, &j->doc, err)
                        : err_memory(err, size, "a job's document");
    if (code == SIB_OK) {
        memcpy(j->text, text, size);
        j->text[size] = 0;
    }
    if (code == SIB_OK && o->kind && strcmp(o->kind, j->doc->kind))
        code = err_set(err, SIB_ERR_ARGUMENT, "%s: the job is of kind %s, expected %s", name, j->doc->kind,
                       o->kind);
    if (code == SIB_OK)
        code = sib_pool_create(o->threads, &j->parts.pool, err);
    if (code == SIB_OK)
        code = job_open_parts(j, &opening, err);
    if (j->doc)
        j->doc->fault = NULL; /* the caller's, who may drop it now */
    if (code == SIB_OK)
        *out = j;
    else
        sib_job_free(&j);
    return code;
}

sib_code sib_job_open_text(const char *text, size_t size, const char *folder, const sib_job_options *options,
                           sib_job **out, sib_error *err)
{
    if (!text || !out)
        return err_set(err, SIB_ERR_ARGUMENT, "text or out is NULL");
    *out = NULL;
    return open_document("the job's document", text, size, folder, NULL, options, NULL, out, err);
}

sib_code sib_job_open_from(const char *text, size_t size, const sib_job_resolver *from,
                           const sib_job_options *options, sib_job_fault *fault, sib_job **out,
                           sib_error *err)
{
    sib_error why = SIB_ERROR_INIT;
    sib_job_fault unseen = {0};
    if (!text || !from || !from->model || !from->tokenizer || !out)
        return err_set(err, SIB_ERR_ARGUMENT, "text, a function of from, or out is NULL");
    *out = NULL;
    fault = fault ? fault : &unseen;
    *fault = (sib_job_fault){0};
    sib_code code = open_document("the job's document", text, size, NULL, from, options, fault, out, &why);
    if (code != SIB_OK && !fault->message[0]) /* of no place in the document */
        snprintf(fault->message, sizeof fault->message, "%s", why.message);
    return code == SIB_OK ? code : err_set_at(err, code, why.offset, "%s", why.message);
}

static bool is_folder(const char *path)
{
    struct stat at;
    return !stat(path, &at) && S_ISDIR(at.st_mode);
}

/* The model's file: that of a folder, or itself. Release with mem_free. */
static sib_code find_model(const char *path, char **out, sib_error *err)
{
    if (is_folder(path))
        return exported_model_in(path, out, err);
    *out = mem_strdup(path);
    return *out ? SIB_OK : err_memory(err, strlen(path), "a path");
}

/* The document for a model's file. */
static sib_code describe_model(const char *model, const sib_job_options *options, char **text, sib_error *err)
{
    sib_model *m;
    sib_code code =
        sib_model_open(model, &(sib_open_options){.registry = options ? options->registry : NULL}, &m, err);
    if (code != SIB_OK)
        return code;
    code = standard_job(m, model, options ? options->kind : NULL, options ? options->tokenizer : NULL, text,
                        err);
    sib_model_free(&m);
    return code;
}

sib_code sib_job_describe(const char *model, const sib_job_options *options, char **text, sib_error *err)
{
    char *path = NULL;
    if (!text)
        return err_set(err, SIB_ERR_ARGUMENT, "text is NULL");
    *text = NULL;
    if (!model)
        return standard_features_job(text, err);
    sib_code code = find_model(model, &path, err);
    if (code == SIB_OK)
        code = describe_model(path, options, text, err);
    mem_free(path);
    return code;
}

/* The document of the model's file, if there is one next to it; else *out is NULL. Release with mem_free. */
static sib_code find_beside(const char *model, char **out, sib_error *err)
{
    struct stat at;
    if (!(*out = path_with_extension(model, ".job.json")))
        return err_memory(err, strlen(model), "a path");
    if (stat(*out, &at)) {
        mem_free(*out);
        *out = NULL;
    }
    return SIB_OK;
}

/* The job of `path`: its document, or its model where it has none. Release both with mem_free. */
static sib_code find_job(const char *path, char **document, char **model, sib_error *err)
{
    struct stat at;
    *document = *model = NULL;
    if (is_folder(path)) {
        if (!(*document = path_join(path, "job.json")))
            return err_memory(err, strlen(path), "a path");
        if (!stat(*document, &at))
            return SIB_OK;
        mem_free(*document);
        *document = NULL;
    }
    sib_code code = find_model(path, model, err);
    if (code == SIB_OK && !ends_with(*model, ".onnx")) { /* a document itself */
        *document = *model;
        *model = NULL;
    } else if (code == SIB_OK)
        code = find_beside(*model, document, err);
    return code;
}

/* Opens the job of a document's file; errors name the file. */
static sib_code open_file(const char *path, const sib_job_options *options, sib_job **out, sib_error *err)
{
    sib_error why = SIB_ERROR_INIT;
    char *text = NULL, *folder = path_folder(path);
    size_t size = 0, length = strlen(path);
    sib_code code = folder ? SIB_OK : err_memory(&why, length, "a path");
    if (code == SIB_OK)
        code = job_read_file(path, &text, &size, &why);
    if (code == SIB_OK)
        code = open_document(path, text, size, folder, NULL, options, NULL, out, &why);
    if (code != SIB_OK && !strncmp(why.message, path, length))
        err_set_at(err, code, why.offset, "%s", why.message);
    else if (code != SIB_OK)
        err_set_at(err, code, why.offset, "%s: %s", path, why.message);
    mem_free(text);
    mem_free(folder);
    return code;
}

/* The job that Sibyl has for a model. */
static sib_code open_standard(const char *path, const sib_job_options *options, sib_job **out, sib_error *err)
{
    char *text = NULL, *folder = NULL;
    sib_code code = describe_model(path, options, &text, err);
    if (code == SIB_OK)
        code = (folder = path_folder(path)) ? SIB_OK : err_memory(err, strlen(path), "a path");
    if (code == SIB_OK)
        code = open_document(path, text, strlen(text), folder, NULL, options, NULL, out, err);
    mem_free(folder);
    mem_free(text);
    return code;
}

sib_code sib_job_open(const char *path, const sib_job_options *options, sib_job **out, sib_error *err)
{
    if (!path || !out)
        return err_set(err, SIB_ERR_ARGUMENT, "path or out is NULL");
    char *document, *model;
    *out = NULL;
    sib_code code = find_job(path, &document, &model, err);
    if (code == SIB_OK)
        code = document ? open_file(document, options, out, err) : open_standard(model, options, out, err);
    mem_free(document);
    mem_free(model);
    return code;
}

sib_code sib_job_store(const char *model, const sib_job_options *options, char **path, sib_error *err)
{
    char *text = NULL, *file = NULL, *json_path = NULL;
    outfile f = {0};
    if (path)
        *path = NULL;
    if (!model)
        return err_set(err, SIB_ERR_ARGUMENT, "model is NULL");
    sib_code code = find_model(model, &file, err);
    if (code == SIB_OK)
        code = describe_model(file, options, &text, err);
    if (code == SIB_OK && !(json_path = path_with_extension(file, ".job.json")))
        code = err_memory(err, strlen(model), "a path");
    if (code == SIB_OK)
        code = outfile_begin(&f, json_path, err);
    if (code == SIB_OK && (fputs(text, f.stream) < 0 || fputc('\n', f.stream) < 0))
        code = err_set(err, SIB_ERR_IO, "%s: cannot be written", json_path);
    if (code == SIB_OK)
        code = outfile_commit(&f, err);
    outfile_abort(&f);
    if (code == SIB_OK && path)
        *path = json_path;
    else
        mem_free(json_path);
    mem_free(file);
    mem_free(text);
    return code;
}

void sib_job_free(sib_job **j)
{
    if (!j || !*j)
        return;
    mem_free((*j)->text);
    mem_free((*j)->backends);
    job_chat_close(&(*j)->chat);
    if ((*j)->doc)
        job_close_parts(*j);
    sib_pool_free(&(*j)->parts.pool);
    job_doc_free(&(*j)->doc);
    mem_free(*j);
    *j = NULL;
}
