/* /api/runs/{run}/compare: the values of a run beside those of another, or of files, which are the reference. /api/compare:
   those of two runs of the same inputs, made for that. */
#include "server/handlers.h"
#include "server/http/state.h"
#include "server/runs/compare_files.h"
#include "server/runs/compare_values.h"
#include "server/runs/run_execute.h"
#include "server/runs/run_request.h"
#include "server/runs/runs.h"
#include "server/values/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ?name=, a number from `least` on. Answers 400 and returns false where it is anything else. */
static bool query_real(exchange *x, const char *name, double least, double *out)
{
    const char *text = exchange_query(x, name);
    char *end = NULL;
    double value = text ? strtod(text, &end) : *out;
    bool good = !text || (end != text && !*end && isfinite(value) && value >= least);
    if (!good)
        answer_error(x, 400, name, "'%s' must be a number from %g on, not '%.40s'", name, least, text);
    *out = value;
    return good;
}

/* How values are compared: those of complete runs by tolerance, or each node on the reference's values. */
typedef struct way {
    bool by_node;
    sib_tolerance tolerance;
    double factor; /* by node: how many times what rounding explains is let pass */
} way;

/* ?by=node with ?factor=, or ?atol=, ?rtol= and ?ulp=. Answers 400 and returns false where one is wrong. */
static bool read_way(exchange *x, way *out)
{
    static const char *const of_runs[] = {"atol", "rtol", "ulp"};
    const char *by = exchange_query(x, "by");
    *out = (way){.by_node = by, .tolerance = {.atol = 1e-5, .rtol = 1e-3}, .factor = 64};
    if (by && strcmp(by, "node") != 0)
        return answer_error(x, 400, "by", "'by' must be 'node' or be left out: complete runs"), false;
    if (!by && exchange_query(x, "factor"))
        return answer_error(x, 400, "factor", "'factor' goes with by=node alone"), false;
    for (size_t i = 0; by && i < sizeof of_runs / sizeof *of_runs; i++)
        if (exchange_query(x, of_runs[i]))
            return answer_error(
                       x, 400, of_runs[i],
                       "'%s' is of complete runs: with by=node rounding is the tolerance, times 'factor'",
                       of_runs[i]),
                   false;
    return query_real(x, "atol", 0, &out->tolerance.atol) && query_real(x, "rtol", 0, &out->tolerance.rtol) &&
           exchange_query_number(x, "ulp", 0, INT64_MAX, &out->tolerance.max_ulp) &&
           query_real(x, "factor", 1, &out->factor);
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

static sib_value *rounded_like(const sib_value *value, const sib_value *other)
{
    const sib_tensor *like = sib_value_tensor(other);
    return like ? rounded_value(value, sib_tensor_dtype(like)) : NULL;
}

static json_t *compare_values(const run_value *a, const run_value *b, const sib_tolerance *tolerance)
{
    sib_value *of_a = rounded_like(a->value, b->value), *of_b = rounded_like(b->value, a->value);
    const sib_value *left = of_a ? of_a : a->value, *right = of_b ? of_b : b->value;
    sib_comparison c;
    sib_error err = SIB_ERROR_INIT;
    bool compared = sib_value_compare(left, right, tolerance, &c, &err) == SIB_OK;
    json_t *row = json_pack("{s:o, s:o, s:o, s:b, s:b, s:o}", "name", text_json(a->name, MAX_NAME), "node",
                            text_json(a->node, MAX_NAME), "op_type", text_json(a->op_type, MAX_NAME), "milli",
                            a->milli, "within", compared && c.equal, "why",
                            compared ? json_null() : text_json(err.message, MAX_NAME));
    if (compared)
        json_object_update_new(row, figures_json(&c, sib_value_tensor(left)));
    sib_value_free(&of_a);
    sib_value_free(&of_b);
    return row;
}

/* ---- Two lists of them ---- */

static value_list values_of(const run *r)
{
    return (value_list){r->n_values, r->values};
}

/* Rows of what both have, in the order of a. */
static sib_code rows_of_runs(exchange *x, value_list a, value_list b, const sib_tolerance *tolerance,
                             json_t **rows, sib_error *err)
{
    json_t *of_a = numbers_by_name(a), *of_b = numbers_by_name(b);
    *rows = json_array();
    for (size_t i = 0; i < a.n && !exchange_cancelled(x); i++) {
        const run_value *v = &a.items[i], *other = value_named(b, of_b, v->name);
        if (other && value_named(a, of_a, v->name) == v)
            json_array_append_new(*rows, compare_values(v, other, tolerance));
    }
    json_decref(of_a);
    json_decref(of_b);
    return exchange_cancelled(x) ? server_fail(err, SIB_ERR_CANCELLED, "the request was cancelled") : SIB_OK;
}

static json_t *id_json(const run *r)
{
    return r ? json_sprintf("r%llu", (unsigned long long)r->number) : json_null();
}

/* Names that a has and b lacks. */
static json_int_t count_only(const json_t *a, const json_t *b)
{
    const char *name;
    json_t *number;
    json_int_t n = 0;
    json_object_foreach((json_t *)(uintptr_t)a, name, number) n += !json_object_get(b, name);
    return n;
}

/* What is found in rows, which it takes. */
static json_t *comparison_json(const run *r, const run *with, value_list b, json_t *rows)
{
    json_t *of_a = numbers_by_name(values_of(r)), *of_b = numbers_by_name(b), *first = NULL, *row;
    json_int_t different = 0;
    size_t i;
    json_array_foreach(rows, i, row)
    {
        bool within = json_is_true(json_object_get(row, "within"));
        different += !within;
        if (!within && !first)
            first = json_incref(json_object_get(row, "name"));
    }
    json_t *found = json_pack("{s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:o}", "run", id_json(r), "with",
                              id_json(with), "first", first ? first : json_null(), "compared",
                              (json_int_t)json_array_size(rows), "different", different, "only_a",
                              count_only(of_a, of_b), "only_b", count_only(of_b, of_a), "rows", rows);
    json_decref(of_a);
    json_decref(of_b);
    return found;
}

/* Whether the run can be compared in this way; else answers 400. */
static bool takes(exchange *x, const run *r, const way *how)
{
    bool judged = !how->by_node || !(r->oracle || r->is_job);
    if (!judged)
        answer_error(x, 400, "by",
                     "of runs of jobs and of the oracle no nodes are judged: take the run of a graph, with "
                     "the oracle's as its reference");
    return judged;
}

/* b: the reference, the values of the run `with` or, where that is NULL, of files. */
static sib_code compare(exchange *x, const run *r, const run *with, value_list b, const way *how,
                        json_t **found, sib_error *err)
{
    json_t *rows = NULL;
    sib_code code = how->by_node ? rows_by_node(r, b, how->factor, exchange_cancel(x), &rows, err)
                                 : rows_of_runs(x, values_of(r), b, &how->tolerance, &rows, err);
    if (code == SIB_OK)
        *found = comparison_json(r, with, b, rows);
    else
        json_decref(rows);
    return code;
}

/* Takes found. */
static void answer_comparison(exchange *x, json_t *found, const sib_error *err)
{
    if (err->code == SIB_OK)
        answer_json(x, 200, found);
    else
        answer_failure(x, err);
}

static void compare_and_answer(exchange *x, const run *r, const run *with, value_list b, const way *how)
{
    sib_error err = SIB_ERROR_INIT;
    json_t *found = NULL;
    compare(x, r, with, b, how, &found, &err);
    answer_comparison(x, found, &err);
}

void handle_run_compare(exchange *x)
{
    const char *with = exchange_query(x, "with");
    way how;
    run *a = exchange_run(x), *b = a && with ? runs_hold(exchange_server(x)->runs, with) : NULL;
    if (a && !with)
        answer_error(x, 400, "with", "'with' must be the other run: ?with=r12");
    else if (a && !b)
        answer_error(x, 404, "with", "there is no run '%.40s'; /api/runs lists those that are kept", with);
    else if (a && read_way(x, &how) && takes(x, a, &how) && has_ended(x, a) && has_ended(x, b))
        compare_and_answer(x, a, b, values_of(b), &how);
    run_release(a);
    run_release(b);
}

void handle_run_compare_files(exchange *x)
{
    way how;
    sib_error err = SIB_ERROR_INIT;
    compare_files files;
    run *r = exchange_run(x);
    if (r && read_way(x, &how) && takes(x, r, &how) && has_ended(x, r)) {
        if (compare_files_read(x, &files, &err) == SIB_OK)
            compare_and_answer(x, r, NULL, (value_list){files.n, files.values}, &how);
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

/* Runs both, one after the other, and compares them. Where that fails they are forgotten before it is answered: who has the
   answer finds them no more. */
static void run_and_compare(exchange *x, run *a, run *b, const way *how)
{
    sib_error err = SIB_ERROR_INIT;
    json_t *found = NULL;
    bool busy = false;
    sib_code code = run_wait(a, x, &busy, &err);
    if (code == SIB_OK)
        code = run_wait(b, x, &busy, &err);
    if (code == SIB_OK)
        code = compare(x, a, b, values_of(b), how, &found, &err);
    if (code != SIB_OK) {
        runs_forget(exchange_server(x)->runs, a);
        runs_forget(exchange_server(x)->runs, b);
    }
    if (busy) {
        answer_header(x, "Retry-After", "1");
        answer_error(x, 429, NULL, "%s", err.message);
    } else
        answer_comparison(x, found, &err);
}

void handle_compare(exchange *x)
{
    way how;
    json_t *body = exchange_json_field(x, "request");
    json_t *reference = json_incref(json_object_get(body, "reference"));
    const char *backends;
    bool oracle;
    run *a = NULL, *b = NULL;
    if (body && read_way(x, &how) && read_reference(x, reference, &backends, &oracle)) {
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
    else if (a && takes(x, a, &how))
        run_and_compare(x, a, b, &how);
    run_release(a);
    run_release(b);
    json_decref(reference);
    json_decref(body);
}
