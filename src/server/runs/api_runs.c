/* /api/runs: graphs run in the background, and what these runs kept. */
#include "server/handlers.h"
#include "server/http/state.h"
#include "server/runs/run_execute.h"
#include "server/runs/run_inputs.h"
#include "server/runs/run_job.h"
#include "server/runs/run_json.h"
#include "server/runs/runs.h"
#include "server/speech/recording.h"
#include "server/values/tensor_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_ITEMS 10000
#define MAX_NAMES  1024 /* of outputs, and of values to keep */

/* ---- Starting ---- */

static sib_code read_names(const json_t *list, const char *member, run_names *out, sib_error *err)
{
    if (!list)
        return SIB_OK;
    if (!json_is_array(list) || json_array_size(list) > MAX_NAMES)
        return server_fail(err, SIB_ERR_ARGUMENT, "'%s' must be a list of at most %d names", member,
                           MAX_NAMES);
    out->items = calloc(json_array_size(list) + 1, sizeof *out->items);
    for (size_t i = 0; out->items && i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        if (!name)
            return server_fail(err, SIB_ERR_ARGUMENT, "'%s' must be a list of names", member);
        out->items[out->n] = strdup(name);
        if (!out->items[out->n++])
            return server_fail(err, SIB_ERR_MEMORY, "the server has too little memory");
    }
    return out->items ? SIB_OK : server_fail(err, SIB_ERR_MEMORY, "the server has too little memory");
}

static sib_code read_text(const json_t *body, const char *member, char **out, sib_error *err)
{
    const json_t *value = json_object_get(body, member);
    if (!value || json_is_null(value))
        return SIB_OK;
    if (!json_is_string(value))
        return server_fail(err, SIB_ERR_ARGUMENT, "'%s' must be a string", member);
    *out = strdup(json_string_value(value));
    return *out ? SIB_OK : server_fail(err, SIB_ERR_MEMORY, "the server has too little memory");
}

/* What runs do not do yet is refused, not left out. */
static sib_code check_kind(const run *r, const json_t *body, sib_error *err)
{
    static const char *const of_graphs[] = {"call", "backends", "oracle", "dims", "seed", "keep_inside"};
    const char *kind = json_string_value(json_object_get(body, "kind"));
    bool is_job = kind && !strcmp(kind, "job");
    if (!is_job && (!kind || strcmp(kind, "graph") != 0))
        return server_fail(err, SIB_ERR_UNSUPPORTED, "the 'kind' of a run must be 'graph' or 'job'");
    if (is_job && !r->model->job)
        return server_fail(err, SIB_ERR_ARGUMENT, "the model '%s' has no job: run its graph", r->model->id);
    for (size_t i = 0; is_job && i < sizeof of_graphs / sizeof *of_graphs; i++)
        if (json_object_get(body, of_graphs[i]))
            return server_fail(err, SIB_ERR_ARGUMENT, "runs of jobs have no '%s'", of_graphs[i]);
    return SIB_OK;
}

static sib_code read_profile(const json_t *wanted, sib_profile **out, sib_error *err)
{
    if (wanted && !json_is_boolean(wanted))
        return server_fail(err, SIB_ERR_ARGUMENT, "'profile' must be true or false");
    return json_is_true(wanted) ? sib_profile_create(out, err) : SIB_OK;
}

static sib_code fill_run(run *r, const exchange *x, json_t *body, run_files *files, sib_error *err)
{
    sib_code code = check_kind(r, body, err);
    if (code == SIB_OK)
        code = read_text(body, "call", &r->call, err);
    if (code == SIB_OK)
        code = read_text(body, "backends", &r->backends, err);
    if (code == SIB_OK)
        code = read_names(json_object_get(body, "outputs"), "outputs", &r->outputs, err);
    if (code == SIB_OK)
        code = read_names(json_object_get(body, "keep"), "keep", &r->keep, err);
    if (code == SIB_OK)
        code = read_profile(json_object_get(body, "profile"), &r->profile, err);
    if (code != SIB_OK)
        return code;
    r->is_job = !strcmp(json_string_value(json_object_get(body, "kind")), "job");
    if (r->is_job)
        return run_ports_read(r, x, body, files, err);
    r->oracle = json_is_true(json_object_get(body, "oracle"));
    r->inside = json_is_true(json_object_get(body, "keep_inside"));
    const sib_model *m = served_model(r->model, r->call);
    if (!m)
        return server_fail(err, SIB_ERR_ARGUMENT, "the model '%s' has no graph%s%.80s", r->model->id,
                           r->call ? " of a call " : "", r->call ? r->call : "");
    return run_inputs_read(r, m, json_object_get(body, "inputs"), json_object_get(body, "dims"), files,
                           (uint64_t)json_integer_value(json_object_get(body, "seed")), err);
}

/* Whether each recording that an input names is there; else answers 404. */
static bool has_recordings(exchange *x, const json_t *inputs)
{
    const char *name, *id;
    json_t *spec;
    json_object_foreach((json_t *)(uintptr_t)inputs, name, spec)
    {
        id = json_string_value(json_object_get(spec, "recording"));
        recording *r = id ? recordings_hold(exchange_server(x)->recordings, id) : NULL;
        if (id && !r) {
            recording_missing(x, id);
            return false;
        }
        recording_release(r);
    }
    return true;
}

/* Takes the document. It is given up before the run starts, so that what the run holds of it is the worker's alone:
   jansson reads its counts of references without atomics. */
static void fill_and_start(exchange *x, run *r, json_t *body)
{
    run_files *files = NULL;
    sib_error err = SIB_ERROR_INIT;
    if (!has_recordings(x, json_object_get(body, "inputs"))) {
        json_decref(body);
        run_release(r);
        return;
    }
    sib_code filled = run_files_create(x, &files, &err);
    if (filled == SIB_OK)
        filled = fill_run(r, x, body, files, &err);
    run_files_free(&files);
    json_decref(body);
    if (filled != SIB_OK)
        answer_failure(x, &err);
    else if (run_start(r, &err) != SIB_OK) {
        answer_header(x, "Retry-After", "1");
        answer_error(x, 429, NULL, "%s", err.message);
    } else
        answer_json(x, 201, run_json(r));
    run_release(r);
}

void handle_run_start(exchange *x)
{
    struct server *s = exchange_server(x);
    json_t *body = exchange_json_field(x, "request");
    if (!body)
        return;
    const char *name = json_string_value(json_object_get(body, "model"));
    served *model = name ? catalog_hold(s->catalog, name) : NULL;
    run *r = model ? run_create(s, model) : NULL;
    if (r) {
        fill_and_start(x, r, body);
        return;
    }
    if (!name)
        answer_error(x, 400, "model", "'model' must be the name of one");
    else if (!model)
        answer_error(x, 404, "model", "there is no model '%.80s'; /api/models lists those that are open",
                     name);
    else
        answer_error(x, 503, NULL, "the server has too little memory");
    json_decref(body);
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
