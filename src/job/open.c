/* The public calls that open jobs. */
#include "job/job.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/outfile.h"
#include "base/path.h"
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

sib_code sib_job_describe(const char *model, const sib_job_options *options, char **text, sib_error *err)
{
    if (!text)
        return err_set(err, SIB_ERR_ARGUMENT, "text is NULL");
    sib_model *m;
    *text = NULL;
    if (!model)
        return standard_features_job(text, err);
    sib_code code =
        sib_model_open(model, &(sib_open_options){.registry = options ? options->registry : NULL}, &m, err);
    if (code != SIB_OK)
        return code;
    code = standard_job(m, model, options ? options->kind : NULL, options ? options->tokenizer : NULL, text,
                        err);
    sib_model_free(&m);
    return code;
}

/* The file of the document for `path`, release with mem_free; *out is NULL for an ONNX model that has none
   next to it. */
static sib_code find_document(const char *path, char **out, sib_error *err)
{
    struct stat at;
    bool model = ends_with(path, ".onnx"), folder = !model && !stat(path, &at) && S_ISDIR(at.st_mode);
    *out = model    ? path_with_extension(path, ".job.json")
           : folder ? path_join(path, "job.json")
                    : mem_strdup(path);
    if (!*out)
        return err_memory(err, strlen(path), "a path");
    if (model && stat(*out, &at)) {
        mem_free(*out);
        *out = NULL;
    }
    return SIB_OK;
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
    sib_code code = sib_job_describe(path, options, &text, err);
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
    char *document;
    *out = NULL;
    sib_code code = find_document(path, &document, err);
    if (code == SIB_OK)
        code = document ? open_file(document, options, out, err) : open_standard(path, options, out, err);
    mem_free(document);
    return code;
}

sib_code sib_job_store(const char *model, const sib_job_options *options, char **path, sib_error *err)
{
    char *text, *json_path = NULL;
    outfile f = {0};
    if (path)
        *path = NULL;
    if (!model)
        return err_set(err, SIB_ERR_ARGUMENT, "model is NULL");
    sib_code code = sib_job_describe(model, options, &text, err);
    if (code != SIB_OK)
        return code;
    if (!(json_path = path_with_extension(model, ".job.json")))
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
