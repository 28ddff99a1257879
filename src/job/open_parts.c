#include "job/open_parts.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/path.h"
#include "job/open_function.h"

#include <stdio.h>
#include <string.h>

#define MAX_DOCUMENT ((size_t)16 << 20)

sib_code job_read_file(const char *path, char **text, size_t *size, sib_error *err)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return err_set(err, SIB_ERR_IO, "%s: cannot be read", path);
    sib_code code = SIB_OK;
    *text = mem_alloc(MAX_DOCUMENT + 1, 1);
    *size = *text ? fread(*text, 1, MAX_DOCUMENT + 1, f) : 0;
    if (!*text)
        code = err_memory(err, MAX_DOCUMENT, "a job's document");
    else if (ferror(f))
        code = err_set(err, SIB_ERR_IO, "%s: cannot be read", path);
    else if (*size > MAX_DOCUMENT)
        code = err_set(err, SIB_ERR_SIZE, "%s: the job document has more than 16 MiB", path);
    fclose(f);
    if (code != SIB_OK) {
        mem_free(*text);
        *text = NULL;
    }
    return code;
}

/* The path of a file named in the document. */
static sib_code find_file(const job_opening *o, const char *name, char **path, sib_error *err)
{
    if (o->options->confine)
        return path_confined(o->folder ? o->folder : ".", name, path, err);
    *path = path_join(o->folder, name);
    return *path ? SIB_OK : err_memory(err, strlen(name), "a path");
}

/* A failure of what the caller resolves, told at its place. */
static sib_code resolve_fault(const job_doc *d, const sib_error *why, sib_code code, const char *section,
                              const char *name, sib_error *err)
{
    char path[256];
    snprintf(path, sizeof path, "/%s/%s", section, name);
    return doc_fault(d, err, code, path, "%s", why->message);
}

/* ---- Models -------------------------------------------------------------------------------------------- */

static sib_code open_model(const sib_job *j, const job_opening *o, const job_model_doc *m, sib_model **out,
                           sib_error *err)
{
    sib_error why = SIB_ERROR_INIT;
    char *path = NULL;
    if (!m->path && o->from)
        return resolve_fault(j->doc, &(sib_error){.message = "no functions are read here"},
                             SIB_ERR_UNSUPPORTED, "models", m->name, err);
    if (!m->path)
        return job_open_function(j->doc, m, out, err);
    if (o->from) {
        sib_code code = o->from->model(o->from->context, m->path, out, &why);
        return code == SIB_OK ? code : resolve_fault(j->doc, &why, code, "models", m->name, err);
    }
    sib_code code = find_file(o, m->path, &path, err);
    if (code == SIB_OK)
        code = sib_model_open(
            path, &(sib_open_options){.registry = o->options->registry, .log = o->options->log}, out, err);
    mem_free(path);
    return code;
}

static sib_code open_models(sib_job *j, const job_opening *o, sib_error *err)
{
    const job_doc *d = j->doc;
    sib_code code = SIB_OK;
    j->models = mem_calloc(d->n_models + 1, sizeof *j->models);
    if (!j->models)
        return err_memory(err, d->n_models * sizeof *j->models, "models of a job");
    for (size_t i = 0; i < d->n_models && code == SIB_OK; i++)
        code = open_model(j, o, &d->models[i], &j->models[i], err);
    return code;
}

/* ---- Tokenizers ---------------------------------------------------------------------------------------- */

/* Refuses a tokenizer of the caller that is not what the document says. */
static sib_code check_tokenizer(const job_tokenizer_doc *t, const sib_tokenizer *given, sib_error *err)
{
    sib_tokenizer_info info;
    sib_tokenizer_get_info(given, &info);
    if (t->kind && strcmp(t->kind, info.kind) != 0)
        return err_set(err, SIB_ERR_ARGUMENT, "'%s' is of kind %s, expected %s", t->path, info.kind, t->kind);
    if (t->n_vocab && t->n_vocab != info.n_vocab)
        return err_set(err, SIB_ERR_ARGUMENT, "'%s' has %zu ids, expected %zu", t->path, info.n_vocab,
                       t->n_vocab);
    return SIB_OK;
}

static sib_code open_tokenizer(const sib_job *j, const job_opening *o, const job_tokenizer_doc *t,
                               sib_tokenizer **out, sib_error *err)
{
    sib_error why = SIB_ERROR_INIT;
    const char *given = o->options->tokenizer;
    char *path = NULL; /* no file: a tokenizer of bytes */
    if (o->from && !given && t->path) {
        sib_code code = o->from->tokenizer(o->from->context, t->path, out, &why);
        if (code == SIB_OK)
            code = check_tokenizer(t, *out, &why);
        return code == SIB_OK ? code : resolve_fault(j->doc, &why, code, "tokenizers", t->name, err);
    }
    sib_code code = !given && t->path ? find_file(o, t->path, &path, err) : SIB_OK;
    if (code == SIB_OK)
        code = sib_tokenizer_open(given ? given : path,
                                  &(sib_tokenizer_options){.kind = t->kind, .n_vocab = t->n_vocab}, out, err);
    mem_free(path);
    return code;
}

static sib_code open_tokenizers(sib_job *j, const job_opening *o, sib_error *err)
{
    const job_doc *d = j->doc;
    sib_code code = SIB_OK;
    j->parts.tokenizers = mem_calloc(d->n_tokenizers + 1, sizeof *j->parts.tokenizers);
    if (!j->parts.tokenizers)
        return err_memory(err, d->n_tokenizers * sizeof *j->parts.tokenizers, "tokenizers of a job");
    for (size_t i = 0; i < d->n_tokenizers && code == SIB_OK; i++)
        code = open_tokenizer(j, o, &d->tokenizers[i], &j->parts.tokenizers[i], err);
    return code;
}

/* ---- Calls and the chat template ----------------------------------------------------------------------- */

/* The place of a failure that has none yet. */
static void name_call(sib_job_fault *fault, const char *call)
{
    if (fault && !fault->message[0])
        snprintf(fault->path, sizeof fault->path, "/calls/%s", call);
}

static sib_code open_calls(sib_job *j, const job_opening *o, sib_error *err)
{
    sib_session_options options = {
        .backends = o->options->backends, .pool = j->parts.pool, .log = o->options->log};
    sib_code code = SIB_OK;
    j->parts.plans = mem_calloc(j->doc->n_calls + 1, sizeof *j->parts.plans);
    if (!j->parts.plans)
        return err_memory(err, j->doc->n_calls * sizeof *j->parts.plans, "calls of a job");
    for (size_t i = 0; i < j->doc->n_calls && code == SIB_OK; i++)
        if ((code = call_plan_make(j->doc, i, j->models, &options, &j->parts.plans[i], err)) != SIB_OK)
            name_call(j->doc->fault, j->doc->calls[i].name);
    return code;
}

static sib_code open_chat(sib_job *j, const job_opening *o, sib_error *err)
{
    const char *file = job_chat_file(j->doc->chat);
    char *path = NULL, *text = NULL;
    size_t size = 0;
    if (file && o->from)
        return doc_fault(j->doc, err, SIB_ERR_ARGUMENT, "/chat/file",
                         "no files are read here: give the text as 'template'");
    sib_code code = file ? find_file(o, file, &path, err) : SIB_OK;
    if (code == SIB_OK && file)
        code = job_read_file(path, &text, &size, err);
    if (code == SIB_OK)
        code = job_chat_open(&j->chat, j->doc->chat, text, size, err);
    mem_free(path);
    mem_free(text);
    return code;
}

sib_code job_open_parts(sib_job *j, const job_opening *o, sib_error *err)
{
    static sib_code (*const parts[])(sib_job *, const job_opening *,
                                     sib_error *) = {open_models, open_tokenizers, open_calls, open_chat};
    sib_code code = SIB_OK;
    j->parts.doc = j->doc;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && code == SIB_OK; i++)
        code = parts[i](j, o, err);
    return code;
}

void job_close_parts(sib_job *j)
{
    const job_doc *d = j->doc;
    for (size_t i = 0; j->parts.plans && i < d->n_calls; i++)
        call_plan_free(&j->parts.plans[i]);
    for (size_t i = 0; j->parts.tokenizers && i < d->n_tokenizers; i++)
        sib_tokenizer_free(&j->parts.tokenizers[i]);
    for (size_t i = 0; j->models && i < d->n_models; i++)
        sib_model_free(&j->models[i]);
    mem_free(j->parts.plans);
    mem_free(j->parts.tokenizers);
    mem_free(j->models);
}
