#include "job/document/doc.h"

#include "base/alloc.h"
#include "base/error.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* Sections that a document may have. */
static const char *const sections[] = {"sibyl_job", "kind",       "name", "doc",   "sample_rate",
                                       "models",    "tokenizers", "chat", "calls", "inputs",
                                       "nodes",     "outputs",    NULL};

/* "chat": the template by which messages become a prompt, as text or as a file, and texts that it is given. */
static sib_code read_chat(job_doc *d, sib_error *err)
{
    json_t *chat, *variable;
    const char *name, *given, *file;
    size_t n;
    sib_code code = doc_object(d, d->root, "", "chat", &chat, &n, err);
    if (code != SIB_OK || !chat)
        return code;
    d->chat = chat;
    code = doc_text(d, chat, "/chat", "template", &given, err);
    if (code == SIB_OK)
        code = doc_text(d, chat, "/chat", "file", &file, err);
    if (code == SIB_OK && !given == !file)
        code = doc_fault(d, err, SIB_ERR_FORMAT, "/chat", "expected either 'template' or 'file'");
    json_object_foreach(chat, name, variable) if (code == SIB_OK && !json_is_string(variable)) code =
        doc_fault(d, err, SIB_ERR_FORMAT, "/chat", "expected texts alone");
    return code;
}

static sib_code read_head(job_doc *d, sib_error *err)
{
    const char *name;
    sib_code code = doc_only(d, d->root, "/", sections, err);
    if (code != SIB_OK)
        return code;
    const json_t *version = json_object_get(d->root, "sibyl_job");
    if (!json_is_integer(version))
        return doc_fault(d, err, SIB_ERR_FORMAT, "/sibyl_job", "expected the version of the format, %d",
                         JOB_VERSION);
    if (json_integer_value(version) != JOB_VERSION)
        return doc_fault(d, err, SIB_ERR_UNSUPPORTED, "/sibyl_job", "version %lld is not known, expected %d",
                         (long long)json_integer_value(version), JOB_VERSION);
    code = doc_text(d, d->root, "", "kind", &d->kind, err);
    if (code == SIB_OK)
        code = doc_text(d, d->root, "", "name", &name, err);
    if (code == SIB_OK)
        code = doc_text(d, d->root, "", "doc", &d->text, err);
    if (code == SIB_OK && !d->kind)
        code = doc_fault(d, err, SIB_ERR_FORMAT, "/kind", "expected a string");
    if (code != SIB_OK)
        return code;
    const json_t *rate = json_object_get(d->root, "sample_rate");
    d->sample_rate = rate ? json_number_value(rate) : 16000;
    if (!(d->sample_rate >= 1 && d->sample_rate <= 1e6))
        return doc_fault(d, err, SIB_ERR_FORMAT, "/sample_rate", "expected 1 to 1000000 Hz");
    return SIB_OK;
}

sib_code job_doc_read(const char *name, const char *text, size_t size, const struct job_op *const *ops,
                      sib_job_fault *fault, job_doc **out, sib_error *err)
{
    *out = NULL;
    json_error_t at;
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &at);
    if (!root && fault) {
        fault->line = (size_t)(at.line > 0 ? at.line : 1);
        snprintf(fault->message, sizeof fault->message, "%s", at.text);
    }
    if (!root && (!size || !strchr("{ \t\r\n", text[0])))
        return err_set_at(
            err, SIB_ERR_FORMAT, 0,
            "%s: is no job's document (JSON), and no model or checkpoint that is known (line %d: %s)", name,
            at.line, at.text);
    if (!root)
        return err_set_at(err, SIB_ERR_FORMAT, (uint64_t)at.position, "%s: line %d: %s", name, at.line,
                          at.text);
    job_doc *d = mem_calloc(1, sizeof *d);
    if (!d) {
        json_decref(root);
        return err_memory(err, sizeof *d, "a job's document");
    }
    d->root = root;
    d->ops = ops;
    d->fault = fault;
    const char *own = json_string_value(json_object_get(root, "name"));
    d->name = own ? own : "";
    sib_code code = json_is_object(root) ? read_head(d, err)
                                         : err_set(err, SIB_ERR_FORMAT, "%s: expected an object", name);
    if (code == SIB_OK)
        code = read_chat(d, err);
    if (code == SIB_OK)
        code = doc_read_calls(d, err);
    if (code == SIB_OK)
        code = doc_read_nodes(d, err);
    if (code == SIB_OK)
        *out = d;
    else
        job_doc_free(&d);
    return code;
}
