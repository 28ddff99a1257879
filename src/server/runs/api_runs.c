/* /api/runs: graphs run in the background, and what these runs kept. */
#include "server/handlers.h"
#include "server/http/state.h"
#include "server/runs/run_execute.h"
#include "server/runs/run_json.h"
#include "server/runs/run_request.h"
#include "server/runs/runs.h"
#include "server/values/tensor_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_ITEMS 10000
/* ---- Starting ---- */

void handle_run_start(exchange *x)
{
    sib_error err = SIB_ERROR_INIT;
    json_t *body = exchange_json_field(x, "request");
    run *r = body ? run_request_read(x, body) : NULL;
    if (r && run_start(r, &err) != SIB_OK) {
        answer_header(x, "Retry-After", "1");
        answer_error(x, 429, NULL, "%s", err.message);
    } else if (r)
        answer_json(x, 201, run_json(r));
    run_release(r);
}

/* ---- Reading ---- */

run *exchange_run(exchange *x)
{
    const char *id = exchange_param(x, "run");
    run *r = runs_hold(exchange_server(x)->runs, id);
    if (!r)
        answer_error(x, 404, "run", "there is no run '%.40s'; /api/runs lists those that are kept", id);
    return r;
}

void handle_runs(exchange *x)
{
    json_t *list = json_array();
    run *r;
    for (size_t i = 0; (r = runs_hold_at(exchange_server(x)->runs, i)); i++) {
        json_array_append_new(list, run_json(r));
        run_release(r);
    }
    answer_json(x, 200, json_pack("{s:o}", "runs", list));
}

void handle_run(exchange *x)
{
    run *r = exchange_run(x);
    if (r)
        answer_json(x, 200, run_json(r));
    run_release(r);
}

void handle_run_outputs(exchange *x)
{
    run *r = exchange_run(x);
    if (r) {
        pthread_mutex_lock(&r->lock);
        json_t *outputs = run_outputs_json(r, true);
        pthread_mutex_unlock(&r->lock);
        answer_json(x, 200, json_pack("{s:o}", "outputs", outputs));
    }
    run_release(r);
}

void handle_run_cancel(exchange *x)
{
    run *r = exchange_run(x);
    if (r) {
        sib_cancel_set(r->cancel);
        answer_json(x, 200, run_json(r));
    }
    run_release(r);
}

void handle_run_forget(exchange *x)
{
    run *r = exchange_run(x);
    if (r) {
        runs_forget(exchange_server(x)->runs, r);
        answer_bytes(x, 204, "", NULL, 0);
    }
    run_release(r);
}

void handle_run_values(exchange *x)
{
    uint64_t from, count;
    const char *q = exchange_query(x, "q");
    run *r = exchange_run(x);
    if (r && exchange_query_number(x, "from", 0, INT64_MAX, &from) &&
        exchange_query_number(x, "count", PAGE_ITEMS, PAGE_ITEMS, &count)) {
        json_t *list = json_array();
        size_t total = 0;
        pthread_mutex_lock(&r->lock);
        for (size_t i = 0; i < r->n_values; i++) {
            const run_value *v = &r->values[i];
            if (q && !strcasestr(v->name, q) && !strcasestr(v->op_type, q))
                continue;
            if (total++ >= from && json_array_size(list) < count)
                json_array_append_new(list, run_value_json(v, false));
        }
        pthread_mutex_unlock(&r->lock);
        answer_json(x, 200, json_pack("{s:I, s:o}", "total", (json_int_t)total, "values", list));
    }
    run_release(r);
}

/* The last value ?name= of the run. The caller holds the lock. */
static const run_value *named_value(exchange *x, const run *r)
{
    const char *name = exchange_query(x, "name");
    size_t i = r->n_values;
    while (name && i && strcmp(r->values[i - 1].name, name) != 0)
        i--;
    return name && i ? &r->values[i - 1] : NULL;
}

static void no_value(exchange *x)
{
    const char *name = exchange_query(x, "name");
    if (name)
        answer_error(x, 404, "name", "the run has kept no value '%.80s'", name);
    else
        answer_error(x, 400, "name", "'name' must be the name of a value");
}

void handle_run_value(exchange *x)
{
    run *r = exchange_run(x);
    if (r) {
        pthread_mutex_lock(&r->lock);
        const run_value *v = named_value(x, r);
        json_t *value = v ? run_value_json(v, true) : NULL;
        pthread_mutex_unlock(&r->lock);
        if (v)
            answer_json(x, 200, value);
        else
            no_value(x);
    }
    run_release(r);
}

void handle_run_data(exchange *x)
{
    run *r = exchange_run(x);
    sib_value *value = NULL;
    sib_error err = SIB_ERROR_INIT;
    if (r) {
        pthread_mutex_lock(&r->lock);
        const run_value *v = named_value(x, r);
        sib_code code = v ? sib_value_copy(v->value, &value, &err) : SIB_OK;
        pthread_mutex_unlock(&r->lock);
        if (!v)
            no_value(x);
        else if (code != SIB_OK)
            answer_failure(x, &err);
        else if (!sib_value_tensor(value))
            answer_error(x, 400, "name", "the value is no tensor");
        else
            answer_tensor(x, sib_value_tensor(value), exchange_query(x, "name"));
    }
    sib_value_free(&value);
    run_release(r);
}
