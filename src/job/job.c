/* The public calls: opens jobs and runs them. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/outfile.h"
#include "base/path.h"
#include "job/batch.h"
#include "job/chat.h"
#include "job/graph.h"
#include "job/run.h"
#include "job/standard.h"

#include <sibyl/watch.h>
#include <stdio.h>
#include <stdlib.h>

#include <string.h>
#include <sys/stat.h>

struct sib_job {
    char *text; /* of the document */
    job_doc *doc;
    sib_model **models; /* (doc->n_models) */
    job_parts parts;
    job_chat chat;
    char *backends; /* of its sessions, or NULL */
    sib_logger log;
};

#define MAX_DOCUMENT ((size_t)16 << 20)

/* ---- Files --------------------------------------------------------------------------------------------- */

/* Reads the bytes of a document and appends a NUL. */
static sib_code read_file(const char *path, char **text, size_t *size, sib_error *err)
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

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n >= k && !strcmp(s + n - k, end);
}

/* ---- Opening ------------------------------------------------------------------------------------------- */

/* The path of a file named in the document. */
static sib_code find_file(const char *folder, const char *name, const sib_job_options *o, char **path,
                          sib_error *err)
{
    if (o->confine)
        return path_confined(folder ? folder : ".", name, path, err);
    *path = path_join(folder, name);
    return *path ? SIB_OK : err_memory(err, strlen(name), "a path");
}

static sib_code open_models(sib_job *j, const char *folder, const sib_job_options *o, sib_error *err)
{
    const job_doc *d = j->doc;
    sib_code code = SIB_OK;
    j->models = mem_calloc(d->n_models + 1, sizeof *j->models);
    if (!j->models)
        return err_memory(err, d->n_models * sizeof *j->models, "models of a job");
    for (size_t i = 0; i < d->n_models && code == SIB_OK; i++) {
        char *path = NULL;
        code = find_file(folder, d->models[i].path, o, &path, err);
        if (code == SIB_OK)
            code = sib_model_open(path, &(sib_open_options){.registry = o->registry, .log = o->log},
                                  &j->models[i], err);
        mem_free(path);
    }
    return code;
}

static sib_code open_tokenizers(sib_job *j, const char *folder, const sib_job_options *o, sib_error *err)
{
    const job_doc *d = j->doc;
    sib_code code = SIB_OK;
    j->parts.tokenizers = mem_calloc(d->n_tokenizers + 1, sizeof *j->parts.tokenizers);
    if (!j->parts.tokenizers)
        return err_memory(err, d->n_tokenizers * sizeof *j->parts.tokenizers, "tokenizers of a job");
    for (size_t i = 0; i < d->n_tokenizers && code == SIB_OK; i++) {
        const job_tokenizer_doc *t = &d->tokenizers[i];
        sib_tokenizer_options options = {.kind = t->kind, .n_vocab = t->n_vocab};
        char *path = NULL; /* no file: a tokenizer of bytes */
        if (!o->tokenizer && t->path)
            code = find_file(folder, t->path, o, &path, err);
        if (code == SIB_OK)
            code = sib_tokenizer_open(o->tokenizer ? o->tokenizer : path, &options, &j->parts.tokenizers[i],
                                      err);
        mem_free(path);
    }
    return code;
}

static sib_code open_calls(sib_job *j, const sib_job_options *o, sib_error *err)
{
    sib_session_options options = {.backends = o->backends, .pool = j->parts.pool, .log = o->log};
    sib_code code = SIB_OK;
    j->parts.plans = mem_calloc(j->doc->n_calls + 1, sizeof *j->parts.plans);
    if (!j->parts.plans)
        return err_memory(err, j->doc->n_calls * sizeof *j->parts.plans, "calls of a job");
    for (size_t i = 0; i < j->doc->n_calls && code == SIB_OK; i++)
        code = call_plan_make(j->doc, i, j->models, &options, &j->parts.plans[i], err);
    return code;
}

static sib_code open_chat(sib_job *j, const char *folder, const sib_job_options *o, sib_error *err)
{
    const char *file = job_chat_file(j->doc->chat);
    char *path = NULL, *text = NULL;
    size_t size = 0;
    sib_code code = file ? find_file(folder, file, o, &path, err) : SIB_OK;
    if (code == SIB_OK && file)
        code = read_file(path, &text, &size, err);
    if (code == SIB_OK)
        code = job_chat_open(&j->chat, j->doc->chat, text, size, err);
    mem_free(path);
    mem_free(text);
    return code;
}

sib_code sib_job_chat_prompt(const sib_job *j, const char *variables, size_t size, const sib_cancel *cancel,
                             char **text, size_t *text_size, sib_error *err)
{
    return job_chat_prompt(&j->chat, j->doc, variables, size, cancel, text, text_size, err);
}

static sib_code open_document(const char *name, const char *text, size_t size, const char *folder,
                              const sib_job_options *options, sib_job **out, sib_error *err)
{
    const sib_job_options none = {0}, *o = options ? options : &none;
    sib_job *j = mem_calloc(1, sizeof *j);
    if (!j)
        return err_memory(err, sizeof *j, "a job");
    j->text = mem_alloc(size + 1, 1);
    j->backends = o->backends ? mem_strdup(o->backends) : NULL;
    j->log = o->log;
    sib_code code = j->text && (j->backends || !o->backends) ? job_doc_read(name, text, size, &j->doc, err)
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
        code = open_models(j, folder, o, err);
    if (code == SIB_OK)
        code = open_tokenizers(j, folder, o, err);
    if (code == SIB_OK)
        code = open_calls(j, o, err);
    if (code == SIB_OK)
        code = open_chat(j, folder, o, err);
    j->parts.doc = j->doc;
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
    return open_document("the job's document", text, size, folder, options, out, err);
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
        code = read_file(path, &text, &size, &why);
    if (code == SIB_OK)
        code = open_document(path, text, size, folder, options, out, &why);
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
        code = open_document(path, text, strlen(text), folder, options, out, err);
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
    const job_doc *d = (*j)->doc;
    mem_free((*j)->text);
    mem_free((*j)->backends);
    job_chat_close(&(*j)->chat);
    for (size_t i = 0; (*j)->parts.plans && i < d->n_calls; i++)
        call_plan_free(&(*j)->parts.plans[i]);
    for (size_t i = 0; (*j)->parts.tokenizers && i < d->n_tokenizers; i++)
        sib_tokenizer_free(&(*j)->parts.tokenizers[i]);
    for (size_t i = 0; (*j)->models && i < d->n_models; i++)
        sib_model_free(&(*j)->models[i]);
    mem_free((*j)->parts.plans);
    mem_free((*j)->parts.tokenizers);
    mem_free((*j)->models);
    sib_pool_free(&(*j)->parts.pool);
    job_doc_free(&(*j)->doc);
    mem_free(*j);
    *j = NULL;
}

const sib_tokenizer *sib_job_tokenizer(const sib_job *j, size_t i)
{
    return i < j->doc->n_tokenizers ? j->parts.tokenizers[i] : NULL;
}

sib_session *sib_job_session(const sib_job *j, size_t i, const char **call)
{
    if (i >= j->doc->n_calls)
        return NULL;
    if (call)
        *call = j->doc->calls[i].name;
    return call_plan_session(j->parts.plans[i]);
}

/* ---- Description --------------------------------------------------------------------------------------- */

void sib_job_get_info(const sib_job *j, sib_job_info *out)
{
    const job_doc *d = j->doc;
    *out = (sib_job_info){d->kind, d->name, d->text, d->sample_rate, d->n_inputs, d->n_outputs};
}

const char *sib_job_document(const sib_job *j)
{
    return j->text;
}

const job_doc *job_doc_of(const sib_job *j)
{
    return j->doc;
}

bool sib_job_input(const sib_job *j, size_t i, sib_job_port *out)
{
    if (i >= j->doc->n_inputs)
        return false;
    const job_input *in = &j->doc->inputs[i];
    *out = (sib_job_port){in->name, in->doc, in->type, in->optional};
    return true;
}

bool sib_job_output(const sib_job *j, size_t i, sib_job_port *out)
{
    if (i >= j->doc->n_outputs)
        return false;
    const job_output *o = &j->doc->outputs[i];
    *out = (sib_job_port){o->name, o->doc, o->type, false};
    return true;
}

const char *sib_port_type_name(sib_port_type type)
{
    return job_type_name(type);
}

/* ---- Running ------------------------------------------------------------------------------------------- */

struct sib_job_result {
    size_t n;
    struct result_item {
        const char *name; /* the job's name, copied after the items */
        job_value *value;
    } items[];
};

static bool path_fits(const char *pattern, const char *path)
{
    const char *star = NULL, *again = NULL; /* the last *, and where it is tried next */
    while (*path) {
        if (*pattern == '*') {
            star = pattern++;
            again = path;
        } else if (*pattern == '?' || *pattern == *path) {
            pattern++;
            path++;
        } else if (star) {
            pattern = star + 1;
            path = ++again;
        } else
            return false;
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

/* True where a path with this prefix may match. */
static bool prefix_fits(const char *pattern, const char *prefix)
{
    for (; *prefix; pattern++, prefix++) {
        if (*pattern == '*')
            return true;
        if (*pattern != '?' && *pattern != *prefix)
            return false;
    }
    return true;
}

static bool wanted(void *context, const char *path)
{
    const sib_job_run_options *o = context;
    bool any = false;
    for (size_t i = 0; i < o->n_taps; i++)
        if (path_fits(o->taps[i], path)) {
            any = true;
            if (o->tap_matched)
                o->tap_matched[i] = true;
        }
    return any;
}

static bool wanted_below(void *context, const char *prefix)
{
    const sib_job_run_options *o = context;
    for (size_t i = 0; i < o->n_taps; i++)
        if (prefix_fits(o->taps[i], prefix))
            return true;
    return false;
}

static sib_code report_segment(void *context, const sib_segment *segment, sib_error *err)
{
    const sib_job_run_options *o = context;
    return o->on_segment(o->context, segment, err);
}

static sib_code report_text(void *context, const char *text, size_t size, sib_error *err)
{
    const sib_job_run_options *o = context;
    return o->on_text(o->context, text, size, err);
}

static sib_code report_progress(void *context, double done, double total, sib_error *err)
{
    const sib_job_run_options *o = context;
    return o->on_progress(o->context, done, total, err);
}

static sib_code report_tap(void *context, const char *path, const sib_tensor *value, sib_error *err)
{
    const sib_job_run_options *o = context;
    return o->on_tap(o->context, path, value, err);
}

static job_watch watch_of(const sib_job_run_options *o)
{
    return (job_watch){.cancel = o->cancel,
                       .profile = o->profile,
                       .context = (void *)o,
                       .segment = o->on_segment ? report_segment : NULL,
                       .text = o->on_text ? report_text : NULL,
                       .progress = o->on_progress ? report_progress : NULL,
                       .wanted = wanted,
                       .wanted_below = wanted_below,
                       .tap = o->on_tap && o->n_taps ? report_tap : NULL};
}

static bool points_somewhere(const sib_port_value *v)
{
    switch (v->type) {
    case SIB_PORT_AUDIO:
    case SIB_PORT_TENSOR:
        return v->tensor;
    case SIB_PORT_TOKENS:
        return v->tokens.ids || !v->tokens.n;
    case SIB_PORT_TEXT:
        return v->text.data;
    case SIB_PORT_NUMBERS:
        return v->numbers.data || !v->numbers.n;
    case SIB_PORT_TEXTS:
        return v->texts.data || !v->texts.n;
    case SIB_PORT_SPANS:
        return v->spans.data || !v->spans.n;
    default:
        return true;
    }
}

/* Orders the values by input. given: (n_inputs of the job), one reference each. */
static sib_code take_inputs(const sib_job *j, size_t n, const sib_job_value *inputs, job_value **given,
                            sib_error *err)
{
    const job_doc *d = j->doc;
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < d->n_inputs && strcmp(d->inputs[k].name, inputs[i].name))
            k++;
        if (k == d->n_inputs)
            return err_set(err, SIB_ERR_ARGUMENT, "job '%s' has no input '%s'", d->name, inputs[i].name);
        if (!job_type_takes(d->inputs[k].type, inputs[i].value.type))
            return err_set(err, SIB_ERR_ARGUMENT, "job '%s': input '%s' is of type %s, but %s is given",
                           d->name, inputs[i].name, job_type_name(d->inputs[k].type),
                           job_type_name(inputs[i].value.type));
        if (given[k])
            return err_set(err, SIB_ERR_ARGUMENT, "job '%s': input '%s' is given twice", d->name,
                           inputs[i].name);
        if (!points_somewhere(&inputs[i].value))
            return err_set(err, SIB_ERR_ARGUMENT, "job '%s': input '%s' is NULL", d->name, inputs[i].name);
        job_value *borrowed = job_value_borrow(&inputs[i].value);
        given[k] = borrowed ? job_value_as(borrowed, d->inputs[k].type) : NULL;
        job_value_release(borrowed);
        if (!given[k])
            return err_memory(err, sizeof **given, "an input");
    }
    return SIB_OK;
}

/* Indices of the requested outputs. */
static sib_code find_outputs(const sib_job *j, size_t n, const char *const *names, size_t *numbers,
                             sib_error *err)
{
    const job_doc *d = j->doc;
    for (size_t i = 0; i < n; i++) {
        numbers[i] = i;
        if (!names)
            continue;
        size_t k = 0;
        while (k < d->n_outputs && strcmp(d->outputs[k].name, names[i]))
            k++;
        if (k == d->n_outputs)
            return err_set(err, SIB_ERR_ARGUMENT, "job '%s' has no output '%s'", d->name, names[i]);
        numbers[i] = k;
    }
    return SIB_OK;
}

/* Allocates names and n values in one block. */
static sib_code make_result(const sib_job *j, size_t n, const size_t *numbers, sib_job_result **out,
                            sib_error *err)
{
    size_t bytes = sizeof(sib_job_result) + n * sizeof(struct result_item);
    for (size_t i = 0; i < n; i++)
        bytes += strlen(j->doc->outputs[numbers[i]].name) + 1;
    sib_job_result *r = *out = mem_calloc(1, bytes);
    if (!r)
        return err_memory(err, bytes, "a job's result");
    char *at = (char *)&r->items[n];
    r->n = n;
    for (size_t i = 0; i < n; i++) {
        r->items[i].name = strcpy(at, j->doc->outputs[numbers[i]].name);
        at += strlen(at) + 1;
    }
    return SIB_OK;
}

sib_code sib_job_run(const sib_job *j, size_t n_inputs, const sib_job_value *inputs, size_t n_outputs,
                     const char *const *outputs, const sib_job_run_options *options, sib_job_result **out,
                     sib_error *err)
{
    const sib_job_run_options none = {0}, *o = options ? options : &none;
    if (!j || !out || (n_inputs && !inputs))
        return err_set(err, SIB_ERR_ARGUMENT, "job, inputs or out is NULL");
    *out = NULL;
    job_watch watch = watch_of(o);
    size_t n = outputs ? n_outputs : j->doc->n_outputs;
    job_value **given = mem_calloc(j->doc->n_inputs + 1, sizeof *given);
    job_value **made = mem_calloc(n + 1, sizeof *made);
    size_t *numbers = mem_calloc(n + 1, sizeof *numbers);
    sib_code code = given && made && numbers ? SIB_OK : err_memory(err, n * sizeof *given, "ports of a job");
    if (code == SIB_OK)
        code = take_inputs(j, n_inputs, inputs, given, err);
    if (code == SIB_OK)
        code = find_outputs(j, n, outputs, numbers, err);
    if (code == SIB_OK)
        code = make_result(j, n, numbers, out, err);
    const uint64_t span = o->profile ? sib_profile_begin(o->profile, SIB_SPAN_JOB, j->doc->name) : 0;
    if (code == SIB_OK)
        code = job_run(&j->parts, given, n, numbers, o->max_steps ? o->max_steps : 1000000, &watch, o->batch,
                       made, err);
    if (o->profile)
        sib_profile_end(o->profile, span);
    for (size_t i = 0; i < n && code == SIB_OK; i++)
        (*out)->items[i].value = made[i];
    for (size_t i = 0; given && i < j->doc->n_inputs; i++)
        job_value_release(given[i]);
    if (code != SIB_OK)
        sib_job_result_free(out);
    mem_free(given);
    mem_free(made);
    mem_free(numbers);
    return code;
}

bool sib_job_result_get(const sib_job_result *r, size_t i, sib_job_value *out)
{
    if (i >= r->n)
        return false;
    *out = (sib_job_value){r->items[i].name, r->items[i].value->v};
    return true;
}

const sib_port_value *sib_job_result_find(const sib_job_result *r, const char *name)
{
    for (size_t i = 0; i < r->n; i++)
        if (!strcmp(r->items[i].name, name))
            return &r->items[i].value->v;
    return NULL;
}

void sib_job_result_free(sib_job_result **r)
{
    if (!r || !*r)
        return;
    for (size_t i = 0; i < (*r)->n; i++)
        job_value_release((*r)->items[i].value);
    mem_free(*r);
    *r = NULL;
}

sib_code sib_batch_create(const sib_job *j, const sib_batch_options *options, sib_batch **out, sib_error *err)
{
    if (!j || !out)
        return err_set(err, SIB_ERR_ARGUMENT, "%s is NULL", j ? "out" : "the job");
    const sib_session_options sessions = {.backends = j->backends, .pool = j->parts.pool, .log = j->log};
    return job_batch_create(j->parts.plans, j->doc->n_calls, options, &sessions, out, err);
}
