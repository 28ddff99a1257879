/* /api/runs/{run}/profile: where the time of a run went, in sums and span by span, or as Chrome's trace. */
#include "server/handlers.h"
#include "server/http/state.h"
#include "server/runs/runs.h"
#include "server/values/json.h"

#include <stdio.h>
#include <string.h>

#define PAGE_ITEMS 10000

/* Microseconds from `origin` on. */
static double since(uint64_t origin, uint64_t at)
{
    return at > origin ? (double)(at - origin) * 1e-3 : 0;
}

static json_t *span_json(const sib_time_span *s, uint64_t origin)
{
    return json_pack("{s:s, s:o, s:o, s:s, s:s, s:I, s:f, s:o, s:I, s:o, s:f, s:I, s:I, s:I}", "kind",
                     sib_span_kind_name(s->kind), "name", text_json(s->name, MAX_NAME), "op_type",
                     text_json(s->op_type, MAX_NAME), "backend", s->backend, "kernel", s->kernel, "thread",
                     (json_int_t)s->thread, "begin", since(origin, s->begin), "end",
                     s->end ? json_real(since(origin, s->end)) : json_null(), "depth", (json_int_t)s->depth,
                     "parent", number_json(s->parent), "flops", s->flops, "bytes_read",
                     (json_int_t)s->bytes_read, "bytes_written", (json_int_t)s->bytes_written, "memory",
                     (json_int_t)s->memory);
}

static json_t *spans_json(const sib_profile *p, uint64_t from, uint64_t count)
{
    sib_time_span s;
    json_t *list = json_array();
    uint64_t origin =
        sib_profile_span(p, 0, &s) ? s.begin : 0; /* they are in the order in which they began */
    for (uint64_t i = from; i - from < count && sib_profile_span(p, (size_t)i, &s); i++)
        json_array_append_new(list, span_json(&s, origin));
    return list;
}

/* Of a run that has ended: each row is put in its place again where a run goes on. */
static json_t *rows_json(const run *r, bool ended, sib_profile_by by)
{
    sib_profile_row row;
    json_t *list = json_array();
    for (size_t i = 0; ended && i < PAGE_ITEMS && sib_profile_get(r->profile, by, i, &row); i++)
        json_array_append_new(
            list, json_pack("{s:o, s:o, s:s, s:I, s:f, s:f, s:I, s:I, s:I}", "node",
                            text_json(row.node, MAX_NAME), "op_type", text_json(row.op_type, MAX_NAME),
                            "backend", row.backend, "calls", (json_int_t)row.calls, "seconds", row.seconds,
                            "flops", row.flops, "bytes_read", (json_int_t)row.bytes_read, "bytes_written",
                            (json_int_t)row.bytes_written, "memory", (json_int_t)row.memory));
    return list;
}

static void answer_profile(exchange *x, run *r)
{
    uint64_t from, count, dropped;
    if (!exchange_query_number(x, "from", 0, INT64_MAX, &from) ||
        !exchange_query_number(x, "count", PAGE_ITEMS, PAGE_ITEMS, &count))
        return;
    pthread_mutex_lock(&r->lock);
    bool ended = r->state > RUN_RUNNING;
    pthread_mutex_unlock(&r->lock);
    size_t total = sib_profile_spans(r->profile, &dropped);
    answer_json(x, 200,
                json_pack("{s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "total", (json_int_t)total, "dropped",
                          (json_int_t)dropped, "by_operator", rows_json(r, ended, SIB_PROFILE_BY_OPERATOR),
                          "by_node", rows_json(r, ended, SIB_PROFILE_BY_NODE), "by_milli",
                          rows_json(r, ended, SIB_PROFILE_BY_MILLI), "by_phase",
                          rows_json(r, ended, SIB_PROFILE_BY_PHASE), "spans",
                          spans_json(r->profile, from, count)));
}

static void answer_trace(exchange *x, const run *r)
{
    sib_error err = SIB_ERROR_INIT;
    char *text, file[80];
    size_t size;
    if (sib_profile_trace_text(r->profile, &text, &size, &err) != SIB_OK) {
        answer_failure(x, &err);
        return;
    }
    buffer b = {0};
    buffer_add(&b, text, size);
    sib_free(text);
    snprintf(file, sizeof file, "attachment; filename=r%llu.trace.json", (unsigned long long)r->number);
    answer_header(x, "Content-Disposition", file);
    answer_buffer(x, "application/json", &b);
}

void handle_run_profile(exchange *x)
{
    const char *format = exchange_query(x, "format");
    run *r = exchange_run(x);
    if (r && !r->profile)
        answer_error(x, 404, "run", "the run has no profile: start it with \"profile\": true");
    else if (r && format && strcmp(format, "json") != 0 && strcmp(format, "chrome") != 0)
        answer_error(x, 400, "format", "'format' must be 'json' or 'chrome', not '%.40s'", format);
    else if (r && format && !strcmp(format, "chrome"))
        answer_trace(x, r);
    else if (r)
        answer_profile(x, r);
    run_release(r);
}
