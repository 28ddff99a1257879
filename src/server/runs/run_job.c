/* A run of a model's job in its thread, and its outputs as JSON. */
#include "server/runs/run_job.h"

#include "server/http/state.h"
#include "server/speech/segments_json.h"
#include "server/values/json.h"

#include <stdlib.h>

#define MAX_RESULTS ((size_t)16 << 20) /* bytes of an output that is no tensor, about */

/* ---- Outputs ---- */

static json_t *tokens_json(const sib_port_value *v)
{
    json_t *list = json_array();
    for (size_t i = 0; i < v->tokens.n; i++)
        json_array_append_new(list, json_integer(v->tokens.ids[i]));
    return list;
}

static json_t *numbers_list(const sib_port_value *v)
{
    json_t *list = json_array();
    for (size_t i = 0; i < v->numbers.n; i++)
        json_array_append_new(list, real_json(v->numbers.data[i]));
    return list;
}

static json_t *texts_json(const sib_port_value *v)
{
    json_t *list = json_array();
    for (size_t i = 0; i < v->texts.n; i++)
        json_array_append_new(list, text_json(v->texts.data[i], MAX_RESULTS));
    return list;
}

static json_t *spans_json(const sib_port_value *v)
{
    json_t *list = json_array();
    for (size_t i = 0; i < v->spans.n; i++)
        json_array_append_new(
            list, json_pack("{s:f, s:f}", "start", v->spans.data[i].start, "end", v->spans.data[i].end));
    return list;
}

static json_t *value_json(const sib_port_value *v)
{
    switch (v->type) {
    case SIB_PORT_TOKENS:
        return tokens_json(v);
    case SIB_PORT_TEXT:
        return text_of_bytes(v->text.data, v->text.size);
    case SIB_PORT_NUMBER:
        return real_json(v->number);
    case SIB_PORT_NUMBERS:
        return numbers_list(v);
    case SIB_PORT_FLAG:
        return json_boolean(v->flag);
    case SIB_PORT_TEXTS:
        return texts_json(v);
    case SIB_PORT_SEGMENTS:
        return segments_json(v->segments.data, v->segments.n);
    case SIB_PORT_SPANS:
        return spans_json(v);
    default:
        return json_null(); /* tensors are kept as values */
    }
}

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
                                sib_port_type_name(v.value.type), "value", value_json(&v.value));
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

static sib_code on_tap(void *context, const char *path, const sib_tensor *value, sib_error *err)
{
    (void)err;
    keep_tensor(context, path, value, false);
    return SIB_OK;
}

sib_code run_job(run *r, sib_error *err)
{
    sib_job_value *inputs = calloc(r->n_ports + 1, sizeof *inputs);
    if (!inputs)
        return server_fail(err, SIB_ERR_MEMORY, "the server has too little memory");
    for (size_t i = 0; i < r->n_ports; i++)
        inputs[i] = r->ports[i].given;
    sib_job_result *result = NULL;
    sib_job_run_options o = {.context = r,
                             .on_tap = r->keep.n ? on_tap : NULL,
                             .taps = (const char *const *)r->keep.items,
                             .n_taps = r->keep.n,
                             .cancel = r->cancel,
                             .profile = r->profile};
    sib_code code = sib_job_run(r->model->job, r->n_ports, inputs, r->outputs.n,
                                (const char *const *)r->outputs.items, &o, &result, err);
    if (code == SIB_OK)
        code = keep_results(r, result, err);
    sib_job_result_free(&result);
    free(inputs);
    return code;
}
