/* A run of a model's job in its thread, and its outputs as JSON. */
#include "server/runs/run_job.h"

#include "server/http/state.h"
#include "server/runs/live.h"
#include "server/speech/segments_json.h"
#include "server/values/json.h"

#include <stdlib.h>

/* ---- Outputs ---- */

static void keep_tensor(run *r, const char *name, const sib_tensor *t, bool output)
{
    sib_tensor *shared = NULL;
    sib_value *value = NULL;
    if (sib_tensor_reshape(t, sib_tensor_rank(t), sib_tensor_dims(t), &shared, NULL) == SIB_OK &&
        sib_value_from_tensor(shared, &value, NULL) == SIB_OK)
        run_keep(r, &(sib_tap_event){.name = name, .node = "", .op_type = "", .value = value}, output);
    sib_value_free(&value);
    sib_tensor_free(&shared);
}

static sib_code keep_results(run *r, const sib_job_result *result, sib_error *err)
{
    json_t *list = json_array();
    sib_code code = SIB_OK;
    sib_job_value v;
    for (size_t i = 0; sib_job_result_get(result, i, &v); i++) {
        bool elements = v.value.type == SIB_PORT_TENSOR || v.value.type == SIB_PORT_AUDIO;
        if (elements)
            keep_tensor(r, v.name, v.value.tensor, true);
        json_t *one = json_pack("{s:o, s:s, s:o}", "name", text_json(v.name, MAX_NAME), "type",
                                sib_port_type_name(v.value.type), "value",
                                v.value.type == SIB_PORT_SEGMENTS
                                    ? segments_json(v.value.segments.data, v.value.segments.n)
                                    : port_value_json(&v.value));
        if (!one || json_array_append_new(list, one))
            code = server_fail(err, SIB_ERR_MEMORY, "the server has too little memory for the outputs");
    }
    if (code == SIB_OK)
        code = run_take_bytes(r, json_dumpb(list, NULL, 0, JSON_COMPACT), err);
    pthread_mutex_lock(&r->lock);
    r->results = code == SIB_OK ? json_incref(list) : NULL;
    pthread_mutex_unlock(&r->lock);
    json_decref(list);
    return code;
}

/* ---- Running ---- */

/* What the job's callbacks need. */
typedef struct told {
    run *run;
    live_run *live;   /* NULL: memory failed, nobody is notified */
    const char *tier; /* in what it tells its progress */
} told;

static sib_code on_tap(void *context, const char *path, const sib_tensor *value, sib_error *err)
{
    const told *t = context;
    (void)err;
    keep_tensor(t->run, path, value, false);
    return SIB_OK;
}

static sib_code on_text(void *context, const char *text, size_t size, sib_error *err)
{
    (void)err;
    live_text(((const told *)context)->live, text, size);
    return SIB_OK;
}

static sib_code on_token(void *context, int32_t token, double logprob, sib_error *err)
{
    (void)err;
    live_token(((const told *)context)->live, token, logprob);
    return SIB_OK;
}

static sib_code on_segment(void *context, const sib_segment *segment, sib_error *err)
{
    (void)err;
    live_segment(((const told *)context)->live, segment);
    return SIB_OK;
}

static sib_code on_progress(void *context, double done, double total, sib_error *err)
{
    const told *t = context;
    (void)err;
    live_job_progress(t->live, t->tier, done, total);
    return SIB_OK;
}

sib_code run_job(run *r, sib_error *err)
{
    told t = {r, NULL, "tokens"};
    sib_job_value *inputs = calloc(r->n_ports + 1, sizeof *inputs);
    if (!inputs)
        return server_fail(err, SIB_ERR_MEMORY, "the server has too little memory");
    for (size_t i = 0; i < r->n_ports; i++) {
        inputs[i] = r->ports[i].given;
        t.tier = inputs[i].value.type == SIB_PORT_AUDIO ? "seconds" : t.tier;
    }
    sib_job_result *result = NULL;
    sib_job_run_options o = {.context = &t,
                             .on_segment = on_segment,
                             .on_text = on_text,
                             .on_token = on_token,
                             .on_progress = on_progress,
                             .on_tap = r->keep.n ? on_tap : NULL,
                             .taps = (const char *const *)r->keep.items,
                             .n_taps = r->keep.n,
                             .cancel = r->cancel,
                             .profile = r->profile};
    t.live = live_begin(r->server->live, r, NULL);
    sib_code code = sib_job_run(r->model->job, r->n_ports, inputs, r->outputs.n,
                                (const char *const *)r->outputs.items, &o, &result, err);
    live_end(&t.live);
    if (code == SIB_OK)
        code = keep_results(r, result, err);
    sib_job_result_free(&result);
    free(inputs);
    return code;
}
