/* /api/runs/{run}/compare: the values of a run beside those of another, or of files, which are the reference. /api/compare:
   those of two runs of the same inputs, made for that. */
#include "server/handlers.h"
#include "server/http/state.h"
#include "server/runs/compare_files.h"
#include "server/runs/run_execute.h"
#include "server/runs/run_request.h"
#include "server/runs/runs.h"
#include "server/values/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ?name=, a number from 0 on. Answers 400 and returns false where it is anything else. */
static bool query_real(exchange *x, const char *name, double *out)
{
    const char *text = exchange_query(x, name);
    char *end = NULL;
    double value = text ? strtod(text, &end) : *out;
    bool good = !text || (end != text && !*end && isfinite(value) && value >= 0);
    if (!good)
        answer_error(x, 400, name, "'%s' must be a number from 0 on, not '%.40s'", name, text);
    *out = value;
    return good;
}

/* ?atol=, ?rtol= and ?ulp=. Answers 400 and returns false where one is wrong. */
static bool read_tolerance(exchange *x, sib_tolerance *out)
{
    *out = (sib_tolerance){.atol = 1e-5, .rtol = 1e-3};
    return query_real(x, "atol", &out->atol) && query_real(x, "rtol", &out->rtol) &&
           exchange_query_number(x, "ulp", 0, INT64_MAX, &out->max_ulp);
}

/* Whether nothing is added to the run any more; else answers. */
static bool has_ended(exchange *x, run *r)
{
    pthread_mutex_lock(&r->lock);
    bool ended = r->state > RUN_RUNNING;
    pthread_mutex_unlock(&r->lock);
    if (!ended)
        answer_error(x, 400, "run", "the run 'r%llu' goes on: it can be compared once it has ended",
                     (unsigned long long)r->number);
    return ended;
}

/* ---- One value ---- */

/* A tensor of float64, as runs with "oracle" keep them, in the narrower floats of the other; NULL: as it is. */
static sib_value *rounded(const sib_value *value, const sib_value *other)
{
    const sib_tensor *t = sib_value_tensor(value), *like = sib_value_tensor(other);
    sib_tensor *narrow = NULL;
    sib_value *out = NULL;
    if (t && like && sib_tensor_dtype(t) == SIB_F64 && sib_tensor_dtype(like) != SIB_F64 &&
        sib_dtype_get_kind(sib_tensor_dtype(like)) == SIB_KIND_FLOAT &&
        sib_tensor_convert(t, sib_tensor_dtype(like), SIB_OVERFLOW_IEEE, &narrow, NULL) == SIB_OK)
        sib_value_from_tensor(narrow, &out, NULL);
    sib_tensor_free(&narrow);
    return out;
}

/* The index that has this row-major number, as a list; empty where there is none. */
static json_t *index_json(const sib_tensor *t, uint64_t number)
{
    json_t *list = json_array();
    uint64_t rest = t ? sib_tensor_count(t) : 0;
    for (size_t k = 0; number < rest && k < sib_tensor_rank(t); k++) {
        rest /= (uint64_t)sib_tensor_dims(t)[k];
        json_array_append_new(list, json_integer((json_int_t)(number / rest)));
        number %= rest;
    }
    return list;
}

static json_t *figures_json(const sib_comparison *c, const sib_tensor *t)
{
    return json_pack(
        "{s:I, s:I, s:I, s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "elements", (json_int_t)c->count,
        "n_over", (json_int_t)c->n_different, "n_nan", (json_int_t)c->n_nan_mismatch, "max_abs",
        real_json(c->max_abs), "max_rel", real_json(c->max_rel), "ulp_max", (json_int_t)c->max_ulp, "worst",
        index_json(t, c->worst), "worst_a", real_json(c->worst_a), "worst_b", real_json(c->worst_b), "first",
        index_json(t, c->first), "first_a", real_json(c->first_a), "first_b", real_json(c->first_b));
}

static json_t *compare_values(const run_value *a, const run_value *b, const sib_tolerance *tolerance,
                              bool *within)
{
    sib_value *of_a = rounded(a->value, b->value), *of_b = rounded(b->value, a->value);
    const sib_value *left = of_a ? of_a : a->value, *right = of_b ? of_b : b->value;
    sib_comparison c;
    sib_error err = SIB_ERROR_INIT;
    bool compared = sib_value_compare(left, right, tolerance, &c, &err) == SIB_OK;
    *within = compared && c.equal;
    json_t *row =
        json_pack("{s:o, s:o, s:o, s:b, s:b, s:o}", "name", text_json(a->name, MAX_NAME), "node",
                  text_json(a->node, MAX_NAME), "op_type", text_json(a->op_type, MAX_NAME), "milli", a->milli,
                  "within", *within, "why", compared ? json_null() : text_json(err.message, MAX_NAME));
    if (compared)
        json_object_update_new(row, figures_json(&c, sib_value_tensor(left)));
    sib_value_free(&of_a);
    sib_value_free(&of_b);
    return row;
}

/* ---- Two lists of them ---- */

/* Of a run that has ended, or of files. */
typedef struct value_list {
    size_t n;
    const run_value *items; /* (n) */
} value_list;

static value_list values_of(const run *r)
{
    return (value_list){r->n_values, r->values};
}

/* The number of each value by its name, of several the first, which has its node. */
static json_t *numbers_by_name(value_list list)
{
    json_t *all = json_object();
    for (size_t i = 0; i < list.n; i++)
        if (!json_object_get(all, list.items[i].name))
            json_object_set_new_nocheck(all, list.items[i].name, json_integer((json_int_t)i));
    return all;
}

static json_t *id_json(const run *r)
{
    return r ? json_sprintf("r%llu", (unsigned long long)r->number) : json_null();
}

/* b: the reference, the values of the run `with` or, where that is NULL, of files. */
static void answer_comparison(exchange *x, const run *r, const run *with, value_list b,
                              const sib_tolerance *tolerance)
{
    const value_list a = values_of(r);
    json_t *of_a = numbers_by_name(a), *of_b = numbers_by_name(b), *rows = json_array(), *first = NULL;
    json_int_t different = 0;
    for (size_t i = 0; i < a.n && !exchange_cancelled(x); i++) {
        const char *name = a.items[i].name;
        const json_t *other = json_object_get(of_b, name);
        bool within, again = json_integer_value(json_object_get(of_a, name)) != (json_int_t)i;
        if (!other || again)
            continue;
        json_array_append_new(
            rows, compare_values(&a.items[i], &b.items[json_integer_value(other)], tolerance, &within));
        different += !within;
        if (!within && !first)
            first = text_json(name, MAX_NAME);
    }
    json_int_t both = (json_int_t)json_array_size(rows);
    if (exchange_cancelled(x)) {
        sib_error err = SIB_ERROR_INIT;
        server_fail(&err, SIB_ERR_CANCELLED, "the request was cancelled");
        answer_failure(x, &err);
        json_decref(rows);
        json_decref(first);
    } else
        answer_json(x, 200,
                    json_pack("{s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:o}", "run", id_json(r), "with",
                              id_json(with), "first", first ? first : json_null(), "compared", both,
                              "different", different, "only_a", (json_int_t)json_object_size(of_a) - both,
                              "only_b", (json_int_t)json_object_size(of_b) - both, "rows", rows));
    json_decref(of_a);
    json_decref(of_b);
}

void handle_run_compare(exchange *x)
{
    const char *with = exchange_query(x, "with");
    sib_tolerance tolerance;
    run *a = exchange_run(x), *b = a && with ? runs_hold(exchange_server(x)->runs, with) : NULL;
    if (a && !with)
        answer_error(x, 400, "with", "'with' must be the other run: ?with=r12");
    else if (a && !b)
        answer_error(x, 404, "with", "there is no run '%.40s'; /api/runs lists those that are kept", with);
    else if (a && read_tolerance(x, &tolerance) && has_ended(x, a) && has_ended(x, b))
        answer_comparison(x, a, b, values_of(b), &tolerance);
    run_release(a);
    run_release(b);
}

void handle_run_compare_files(exchange *x)
{
    sib_tolerance tolerance;
    sib_error err = SIB_ERROR_INIT;
    compare_files files;
    run *r = exchange_run(x);
    if (r && read_tolerance(x, &tolerance) && has_ended(x, r)) {
        if (compare_files_read(x, &files, &err) == SIB_OK)
            answer_comparison(x, r, NULL, (value_list){files.n, files.values}, &tolerance);
        else
            answer_failure(x, &err);
        compare_files_free(&files);
    }
    run_release(r);
}

/* ---- Two runs made for it ---- */

/* What the member `reference` says of the other run. Answers 400 and returns false where it is wrong. */
static bool read_reference(exchange *x, const json_t *reference, const char **backends, bool *oracle)
{
    const json_t *of_backends = json_object_get(reference, "backends"),
                 *of_oracle = json_object_get(reference, "oracle");
    const char *key;
    json_t *value;
    bool good = !reference || json_is_object(reference);
    json_object_foreach((json_t *)(uintptr_t)reference, key, value)
    {
        good = good && (value == of_backends || value == of_oracle);
    }
    good =
        good && (!of_backends || json_is_string(of_backends)) && (!of_oracle || json_is_boolean(of_oracle));
    if (!good)
        answer_error(x, 400, "reference",
                     "'reference' must be an object with 'backends', a string, and "
                     "'oracle', true or false, or be left out: the oracle");
    *backends = json_string_value(of_backends);
    *oracle = reference ? json_is_true(of_oracle) : true;
    return good;
}

/* Runs both, one after the other. Returns false where that failed, which is answered; neither is kept then. */
static bool run_both(exchange *x, run *a, run *b)
{
    sib_error err = SIB_ERROR_INIT;
    bool busy = false;
    sib_code code = run_wait(a, x, &busy, &err);
    if (code == SIB_OK)
        code = run_wait(b, x, &busy, &err);
    if (code == SIB_OK)
        return true;
    runs_forget(exchange_server(x)->runs, a);
    runs_forget(exchange_server(x)->runs, b);
    if (busy) {
        answer_header(x, "Retry-After", "1");
        answer_error(x, 429, NULL, "%s", err.message);
    } else
        answer_failure(x, &err);
    return false;
}

void handle_compare(exchange *x)
{
    sib_tolerance tolerance;
    json_t *body = exchange_json_field(x, "request");
    json_t *reference = json_incref(json_object_get(body, "reference"));
    const char *backends;
    bool oracle;
    run *a = NULL, *b = NULL;
    if (body && read_tolerance(x, &tolerance) && read_reference(x, reference, &backends, &oracle)) {
        if (!json_object_get(body, "kind"))
            json_object_set_new(body, "kind", json_string("graph"));
        if (!json_object_get(body, "keep"))
            json_object_set_new(body, "keep", json_pack("[s]", "*"));
        a = run_request_read(x, json_incref(body));
    }
    if (a && a->is_job)
        answer_error(x, 400, "kind", "jobs choose no backends: compare the graph of one of its calls");
    else if (a && !(b = run_like(a, backends, oracle)))
        answer_error(x, 503, NULL, "the server has too little memory");
    else if (a && run_both(x, a, b))
        answer_comparison(x, a, b, values_of(b), &tolerance);
    run_release(a);
    run_release(b);
    json_decref(reference);
    json_decref(body);
}
