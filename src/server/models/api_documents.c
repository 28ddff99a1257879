/* /api/jobs: job documents of clients, opened as models and checked. */
#include "server/handlers.h"
#include "server/http/state.h"
#include "server/models/describe.h"
#include "server/models/documents.h"

/* The body's document as a job, NULL where it is none; answers what is no fault of the document, and returns false. */
static bool read_document(exchange *x, sib_job_fault *fault, sib_job **out, sib_error *err)
{
    const struct server *s = exchange_server(x);
    const buffer *body = exchange_body(x);
    *out = NULL;
    if (body->size > MAX_DOCUMENT) {
        answer_error(x, 413, NULL, "a job document may have %u bytes at most", MAX_DOCUMENT);
        return false;
    }
    sib_code code =
        document_open(s->catalog, &s->options, body->data ? body->data : "", body->size, fault, out, err);
    if (code != SIB_ERR_MEMORY)
        return true;
    answer_failure(x, err);
    return false;
}

void handle_document_open(exchange *x)
{
    sib_error err = SIB_ERROR_INIT;
    sib_job_fault fault;
    sib_job *job;
    served *v = NULL;
    const buffer *body = exchange_body(x);
    if (!read_document(x, &fault, &job, &err))
        return;
    if (!job)
        answer_error(x, 400, fault.path[0] ? fault.path : NULL, "%s", err.message);
    else if (catalog_add_document(exchange_server(x)->catalog, body->data, body->size, job, &v, &err) ==
             SIB_OK)
        answer_json(x, 201, model_json(v));
    else
        answer_failure(x, &err);
    catalog_release(v);
}

static json_t *fault_json(const sib_job_fault *f)
{
    return json_pack("{s:o, s:o, s:o}", "path", text_json(f->path, MAX_NAME), "line",
                     f->line ? json_integer((json_int_t)f->line) : json_null(), "message",
                     text_json(f->message, MAX_NAME));
}

void handle_document_check(exchange *x)
{
    sib_error err = SIB_ERROR_INIT;
    sib_job_fault fault;
    sib_job *job;
    if (!read_document(x, &fault, &job, &err))
        return;
    if (job)
        answer_json(x, 200,
                    json_pack("{s:b, s:[], s:o}", "valid", true, "errors", "job",
                              job_json(job, json_loads(sib_job_document(job), 0, NULL))));
    else
        answer_json(x, 200,
                    json_pack("{s:b, s:[o], s:n}", "valid", false, "errors", fault_json(&fault), "job"));
    sib_job_free(&job);
}
