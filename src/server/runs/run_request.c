#include "server/runs/run_request.h"

#include "server/http/state.h"
#include "server/runs/run_inputs.h"
#include "server/runs/run_job.h"
#include "server/speech/recording.h"

#include <stdlib.h>
#include <string.h>

#define MAX_NAMES 1024 /* of outputs, and of values to keep */

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

/* Fills the run. Returns false where the client was answered. */
static bool fill(exchange *x, run *r, json_t *body)
{
    run_files *files = NULL;
    sib_error err = SIB_ERROR_INIT;
    if (!has_recordings(x, json_object_get(body, "inputs")))
        return false;
    sib_code code = run_files_create(x, &files, &err);
    if (code == SIB_OK)
        code = fill_run(r, x, body, files, &err);
    run_files_free(&files);
    if (code != SIB_OK)
        answer_failure(x, &err);
    return code == SIB_OK;
}

run *run_request_read(exchange *x, json_t *body)
{
    struct server *s = exchange_server(x);
    const char *name = json_string_value(json_object_get(body, "model"));
    served *model = name ? catalog_hold(s->catalog, name) : NULL;
    run *r = model ? run_create(s, model) : NULL;
    if (!name)
        answer_error(x, 400, "model", "'model' must be the name of one");
    else if (!model)
        answer_error(x, 404, "model", "there is no model '%.80s'; /api/models lists those that are open",
                     name);
    else if (!r)
        answer_error(x, 503, NULL, "the server has too little memory");
    else if (!fill(x, r, body)) {
        run_release(r);
        r = NULL;
    }
    json_decref(body);
    return r;
}
