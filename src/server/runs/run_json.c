#include "server/runs/run_json.h"

#include "server/models/describe.h"

#include <stdio.h>

static json_t *time_json(double at)
{
    return at > 0 ? json_real(at) : json_null();
}

static json_t *type_json(const sib_value *value)
{
    const sib_tensor *t = sib_value_tensor(value);
    char text[TYPE_TEXT];
    return json_string(t ? tensor_type_text(t, text) : value_kind_name(sib_value_get_kind(value)));
}

json_t *run_value_json(const run_value *v, bool full)
{
    const sib_tensor *t = sib_value_tensor(v->value);
    json_t *shape = json_array();
    for (size_t k = 0; t && k < sib_tensor_rank(t); k++)
        json_array_append_new(shape, json_integer((json_int_t)sib_tensor_dims(t)[k]));
    uint64_t bits = t ? sib_tensor_count(t) * sib_dtype_bits(sib_tensor_dtype(t)) : 0;
    return json_pack("{s:o, s:o, s:o, s:b, s:o, s:s, s:o, s:I, s:o}", "name", text_json(v->name, MAX_NAME),
                     "node", text_json(v->node, MAX_NAME), "op_type", text_json(v->op_type, MAX_NAME),
                     "milli", v->milli, "type", type_json(v->value), "dtype",
                     sib_dtype_name(t ? sib_tensor_dtype(t) : 0), "shape", shape, "bytes",
                     (json_int_t)((bits + 7) / 8), "digest", digest_json(&v->digest, full));
}

static json_t *error_json(const run *r)
{
    return r->state == RUN_FAILED
               ? json_pack("{s:o, s:s, s:n, s:n}", "message", text_json(r->error.message, MAX_NAME), "type",
                           "invalid_request_error", "param", "code")
               : json_null();
}

json_t *run_outputs_json(const run *r, bool with_values)
{
    if (r->results && with_values)
        return json_deep_copy(r->results);
    json_t *outputs = json_array();
    for (size_t i = 0; i < json_array_size(r->results); i++) {
        json_t *result = json_array_get(r->results, i);
        json_array_append_new(outputs, json_pack("{s:O, s:O}", "name", json_object_get(result, "name"),
                                                 "type", json_object_get(result, "type")));
    }
    if (r->results || r->is_job)
        return outputs;
    for (size_t i = 0; i < r->n_outputs; i++)
        json_array_append_new(outputs, json_null());
    for (size_t i = 0; i < r->n_values; i++)
        if (r->values[i].output)
            json_array_set_new(outputs, r->values[i].output - 1,
                               json_pack("{s:o, s:o}", "name", text_json(r->values[i].name, MAX_NAME), "type",
                                         type_json(r->values[i].value)));
    return outputs;
}

json_t *run_json(run *r)
{
    static const char *const states[] = {"queued", "running", "done", "failed", "cancelled"};
    char id[32];
    snprintf(id, sizeof id, "r%llu", (unsigned long long)r->number);
    pthread_mutex_lock(&r->lock);
    json_t *outputs = run_outputs_json(r, false);
    json_t *run_object = json_pack(
        "{s:s, s:s, s:s, s:s?, s:s, s:f, s:o, s:o, s:o, s:o, s:{s:i, s:i}, s:o, s:I, s:I, s:I, s:b, s:s, "
        "s:b}",
        "id", id, "model", r->model->id, "kind", r->is_job ? "job" : "graph", "call", r->call, "state",
        states[r->state], "created", r->created, "started", time_json(r->started), "ended",
        time_json(r->ended), "seconds", r->ended > 0 ? json_real(r->ended - r->started) : json_null(),
        "error", error_json(r), "progress", "done", (int)(r->state == RUN_DONE), "total", 1, "outputs",
        outputs, "kept", (json_int_t)r->n_values, "kept_bytes", (json_int_t)r->bytes, "dropped",
        (json_int_t)r->dropped, "profile", r->profile != NULL, "backends", r->backends ? r->backends : "",
        "oracle", r->oracle);
    pthread_mutex_unlock(&r->lock);
    return run_object;
}
