/* /api/lens: what the end of a decoder makes of the values between its blocks, for each token of a text. */
#include "server/handlers.h"
#include "server/http/state.h"
#include "server/models/exchange_model.h"
#include "server/openai/completion.h"
#include "server/values/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_POSITIONS 128
#define MAX_CELLS     4096 /* values times positions */
#define MAX_TOKENS    4096 /* of a text */
#define MAX_VALUES    1024 /* between blocks */

/* The rows of one value between blocks. */
typedef struct lens_rows {
    sib_tensor *rows; /* [1, count, width], NULL before the first; float32 or what the model has */
    size_t seen;      /* tokens */
} lens_rows;

/* A request under way. */
typedef struct lensing {
    exchange *x;
    json_t *body;
    const char *model_id, *text; /* text: NULL where ids are given */
    size_t size;
    int32_t *ids; /* (n_ids) the tokens, once they are known */
    size_t n_ids;
    uint64_t top, from, count;
    served *model;
    sib_lens *lens;
    size_t n_values;
    bool *chosen;    /* (n_values) */
    lens_rows *rows; /* (n_values) */
    char **taps;     /* (1 + n_values) */
} lensing;

/* ---- The request ---- */

static bool read_count(exchange *x, const json_t *body, const char *name, uint64_t least, uint64_t most,
                       uint64_t *out)
{
    const json_t *value = json_object_get(body, name);
    if (!value)
        return true;
    if (json_is_integer(value) && json_integer_value(value) >= (json_int_t)least &&
        json_integer_value(value) <= (json_int_t)most) {
        *out = (uint64_t)json_integer_value(value);
        return true;
    }
    answer_error(x, 400, name, "%s must be an integer from %llu to %llu", name, (unsigned long long)least,
                 (unsigned long long)most);
    return false;
}

static bool read_ids(lensing *l, const json_t *list)
{
    size_t n = json_array_size(list);
    bool good = n && n <= MAX_TOKENS && (l->ids = malloc(n * sizeof *l->ids));
    for (l->n_ids = 0; good && l->n_ids < n; l->n_ids++) {
        const json_t *id = json_array_get(list, l->n_ids);
        good = json_is_integer(id) && json_integer_value(id) >= 0 && json_integer_value(id) <= INT32_MAX;
        if (good)
            l->ids[l->n_ids] = (int32_t)json_integer_value(id);
    }
    return good;
}

static bool read_prompt(lensing *l)
{
    const json_t *prompt = json_object_get(l->body, "prompt");
    l->text = json_string_value(prompt);
    l->size = json_string_length(prompt);
    if (l->text ? l->size > 0 : read_ids(l, prompt))
        return true;
    answer_error(l->x, 400, "prompt", "prompt must be a text, or a list of 1 to %d token ids", MAX_TOKENS);
    return false;
}

static bool read_request(lensing *l)
{
    static const char *const known[] = {"model", "prompt", "top", "from", "count", "values"};
    const char *name;
    json_t *value;
    json_object_foreach(l->body, name, value)
    {
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            found |= !strcmp(known[i], name);
        if (!found) {
            answer_error(l->x, 400, name, "there is no field '%.40s'", name);
            return false;
        }
    }
    const json_t *id = json_object_get(l->body, "model");
    l->model_id = json_string_value(id);
    if (id && !l->model_id) {
        answer_error(l->x, 400, "model", "model must be a string");
        return false;
    }
    l->top = 5;
    l->count = MAX_POSITIONS;
    return read_prompt(l) && read_count(l->x, l->body, "top", 1, MAX_TOP_LOGPROBS, &l->top) &&
           read_count(l->x, l->body, "from", 0, MAX_TOKENS, &l->from) &&
           read_count(l->x, l->body, "count", 1, MAX_POSITIONS, &l->count);
}

/* ---- The values between blocks ---- */

/* The call of the node that tells log probabilities of a text; NULL where the job has none. */
static const char *scored_call(const sib_job *job)
{
    sib_job_node_info n;
    for (size_t i = 0; sib_job_node(job, i, &n); i++)
        if (!strcmp(n.op, "score"))
            return sib_job_node_call(job, i, 0, NULL);
    return NULL;
}

static bool no_memory(exchange *x)
{
    answer_error(x, 503, NULL, "the server has too little memory");
    return false;
}

/* Chooses the values that the request names, or those that come out of whole blocks. */
static bool choose_values(lensing *l)
{
    const json_t *list = json_object_get(l->body, "values"), *number;
    sib_lens_value v;
    size_t i, n = 0;
    if (list && !json_array_size(list)) {
        answer_error(l->x, 400, "values", "values must be a list of numbers of values between blocks");
        return false;
    }
    for (i = 0; !list && sib_lens_get(l->lens, i, &v); i++)
        l->chosen[i] = v.whole;
    json_array_foreach((json_t *)(uintptr_t)list, i, number)
    {
        if (!json_is_integer(number) || json_integer_value(number) < 0 ||
            json_integer_value(number) >= (json_int_t)l->n_values) {
            answer_error(l->x, 400, "values",
                         "values must be numbers from 0 to %zu: the model has as many values between blocks",
                         l->n_values - 1);
            return false;
        }
        l->chosen[json_integer_value(number)] = true;
    }
    for (i = 0; i < l->n_values; i++)
        n += l->chosen[i];
    if (n * l->count <= MAX_CELLS)
        return true;
    if (json_object_get(l->body, "count")) {
        answer_error(l->x, 400, "count", "%zu values times %llu tokens are more than %d", n,
                     (unsigned long long)l->count, MAX_CELLS);
        return false;
    }
    l->count = MAX_CELLS / n;
    return true;
}

static bool find_values(lensing *l, const char *call)
{
    sib_error err = SIB_ERROR_INIT;
    sib_lens_value v;
    if (sib_job_lens(l->model->job, call, &l->lens, &err) != SIB_OK) {
        answer_failure(l->x, &err);
        return false;
    }
    while (sib_lens_get(l->lens, l->n_values, &v))
        l->n_values++;
    if (l->n_values > MAX_VALUES) {
        answer_error(l->x, 400, NULL, "the model has %zu values between blocks, and %d at most are shown",
                     l->n_values, MAX_VALUES);
        l->n_values = 0;
        return false;
    }
    l->chosen = calloc(l->n_values, sizeof *l->chosen);
    l->rows = calloc(l->n_values, sizeof *l->rows);
    l->taps = calloc(l->n_values + 1, sizeof *l->taps);
    if (!l->chosen || !l->rows || !l->taps)
        return no_memory(l->x);
    if (!choose_values(l))
        return false;
    for (size_t i = 0; sib_lens_get(l->lens, i, &v); i++) {
        buffer path = {0};
        if (!buffer_format(&path, "%s/step[*]/model/%s", call, v.name))
            return no_memory(l->x);
        l->taps[i + 1] = path.data;
    }
    return true;
}

/* ---- The run ---- */

static sib_code keep_tokens(lensing *l, const sib_tensor *tokens, sib_error *err)
{
    size_t n = (size_t)sib_tensor_count(tokens);
    if (n > MAX_TOKENS)
        return server_fail(err, SIB_ERR_SIZE, "the text has %zu tokens, and %d at most are looked at", n,
                           MAX_TOKENS);
    free(l->ids);
    l->ids = malloc((n ? n : 1) * sizeof *l->ids);
    if (!l->ids)
        return server_fail(err, SIB_ERR_MEMORY, "the server has too little memory");
    memcpy(l->ids, sib_tensor_data(tokens), n * sizeof *l->ids);
    l->n_ids = n;
    return l->from < n ? SIB_OK
                       : server_fail(err, SIB_ERR_ARGUMENT, "from is %llu, and the text has %zu tokens",
                                     (unsigned long long)l->from, n);
}

/* Appends the rows [begin, begin + n) of t to those that are kept, along their last axis but one. */
static sib_code append_rows(lens_rows *r, size_t total, size_t at, const sib_tensor *t, size_t begin,
                            size_t n, sib_error *err)
{
    size_t rank = sib_tensor_rank(t);
    int64_t dims[2] = {(int64_t)total, sib_tensor_dims(t)[rank - 1]};
    size_t row = (size_t)dims[1] * (sib_dtype_bits(sib_tensor_dtype(t)) / 8);
    int64_t all[SIB_MAX_RANK];
    for (size_t k = 0; k + 2 < rank; k++)
        all[k] = 1;
    memcpy(all + rank - 2, dims, sizeof dims);
    sib_code code = r->rows ? SIB_OK : sib_tensor_create(sib_tensor_dtype(t), rank, all, &r->rows, err);
    if (code == SIB_OK && (sib_tensor_rank(r->rows) != rank || sib_tensor_dims(r->rows)[rank - 1] != dims[1]))
        code = server_fail(err, SIB_ERR_UNSUPPORTED,
                           "a value between blocks has not the same width in each step");
    if (code == SIB_OK)
        memcpy((char *)sib_tensor_data(r->rows) + at * row, (const char *)sib_tensor_data(t) + begin * row,
               n * row);
    return code;
}

/* A value between blocks in one step of the call: of its rows those of the tokens that are asked for. */
static sib_code keep_rows(lensing *l, lens_rows *r, const sib_tensor *t, sib_error *err)
{
    size_t rank = sib_tensor_rank(t), n = rank < 2 ? 0 : (size_t)sib_tensor_dims(t)[rank - 2];
    if (!n || !sib_tensor_is_dense(t) ||
        sib_tensor_count(t) != (uint64_t)n * (uint64_t)sib_tensor_dims(t)[rank - 1] ||
        sib_dtype_bits(sib_tensor_dtype(t)) % 8)
        return server_fail(err, SIB_ERR_UNSUPPORTED, "a value between blocks has no row for each token");
    size_t wanted = l->n_ids - l->from < l->count ? l->n_ids - l->from : l->count;
    size_t begin = r->seen < l->from ? l->from - r->seen : 0;
    size_t kept = r->seen > l->from ? r->seen - l->from : 0; /* tokens that are there already */
    r->seen += n;
    if (begin >= n || kept >= wanted)
        return SIB_OK;
    n = n - begin < wanted - kept ? n - begin : wanted - kept;
    return append_rows(r, wanted, kept, t, begin, n, err);
}

static sib_code on_tap(void *context, const char *path, const sib_tensor *value, sib_error *err)
{
    lensing *l = context;
    const char *inside = strstr(path, "]/model/");
    sib_lens_value v;
    if (!inside)
        return keep_tokens(l, value, err);
    for (size_t i = 0; sib_lens_get(l->lens, i, &v); i++)
        if (l->chosen[i] && !strcmp(inside + strlen("]/model/"), v.name))
            return keep_rows(l, &l->rows[i], value, err);
    return SIB_OK;
}

static sib_code run(lensing *l, sib_error *err)
{
    static const char *const wanted[] = {"logits"};
    sib_job_value in =
        l->text ? (sib_job_value){"text", {.type = SIB_PORT_TEXT, .text = {l->text, l->size}}}
                : (sib_job_value){"tokens", {.type = SIB_PORT_TOKENS, .tokens = {l->ids, l->n_ids}}};
    const char *taps[MAX_VALUES + 1] = {"prompt/tokens"};
    size_t n = 1;
    for (size_t i = 0; i < l->n_values; i++)
        if (l->chosen[i])
            taps[n++] = l->taps[i + 1];
    sib_job_run_options o = {
        .context = l, .on_tap = on_tap, .taps = taps, .n_taps = n, .cancel = exchange_cancel(l->x)};
    sib_job_result *r = NULL;
    int32_t *given = l->ids; /* the run reads them while the tap makes its own */
    l->ids = NULL;
    sib_code code = sib_job_run(l->model->job, 1, &in, 1, wanted, &o, &r, err);
    free(given);
    sib_job_result_free(&r);
    return code;
}

/* ---- The answer ---- */

/* One token after another: what is likeliest behind it, and how likely the one that stands there is. */
static json_t *cell_json(const lensing *l, const float *logits, size_t n_vocab, size_t token, double *row)
{
    alternatives top = {0};
    size_t unused, rank = 1;
    for (size_t k = 0; k < n_vocab; k++)
        row[k] = (double)logits[k];
    double total = completion_top(row, n_vocab, l->top, &top);
    json_t *list = json_array(), *next = json_null();
    for (size_t k = 0; k < top.n; k++)
        json_array_append_new(list, json_pack("{s:i, s:o, s:o}", "id", (int)top.ids[k], "token",
                                              completion_token_json(l->model, top.ids[k], &unused), "logprob",
                                              real_json(top.logprobs[k])));
    if (token + 1 < l->n_ids && l->ids[token + 1] >= 0 && (size_t)l->ids[token + 1] < n_vocab) {
        double own = row[l->ids[token + 1]];
        for (size_t k = 0; k < n_vocab; k++)
            rank += row[k] > own;
        next = json_pack("{s:o, s:I}", "logprob", real_json(own - total), "rank", (json_int_t)rank);
    }
    return json_pack("{s:o, s:o}", "top", list, "next", next);
}

/* A row of cells for a value between blocks. */
static sib_code row_json(const lensing *l, size_t i, json_t **out, sib_error *err)
{
    sib_tensor *logits = NULL;
    sib_code code =
        l->rows[i].rows
            ? sib_lens_logits(l->lens, i, l->rows[i].rows, exchange_cancel(l->x), &logits, err)
            : server_fail(err, SIB_ERR_UNSUPPORTED, "the model's run has not shown a value between blocks");
    if (code != SIB_OK)
        return code;
    size_t n = (size_t)sib_tensor_dims(logits)[0], n_vocab = (size_t)sib_tensor_dims(logits)[1];
    double *row = malloc((n_vocab ? n_vocab : 1) * sizeof *row);
    *out = json_array();
    for (size_t k = 0; row && k < n; k++)
        json_array_append_new(*out, cell_json(l, (const float *)sib_tensor_data(logits) + k * n_vocab,
                                              n_vocab, l->from + k, row));
    sib_tensor_free(&logits);
    free(row);
    return row ? SIB_OK : server_fail(err, SIB_ERR_MEMORY, "the server has too little memory");
}

static json_t *values_json(const lensing *l)
{
    json_t *list = json_array();
    sib_lens_value v;
    for (size_t i = 0; sib_lens_get(l->lens, i, &v); i++)
        json_array_append_new(list,
                              json_pack("{s:o, s:I, s:I, s:b}", "name", text_json(v.name, MAX_NAME), "block",
                                        (json_int_t)v.block, "part", (json_int_t)v.part, "whole", v.whole));
    return list;
}

static void answer(lensing *l)
{
    sib_error err = SIB_ERROR_INIT;
    json_t *tokens = json_array(), *rows = json_array();
    size_t unused;
    sib_code code = SIB_OK;
    for (size_t i = 0; i < l->n_ids; i++)
        json_array_append_new(tokens, json_pack("{s:i, s:o}", "id", (int)l->ids[i], "token",
                                                completion_token_json(l->model, l->ids[i], &unused)));
    for (size_t i = 0; i < l->n_values && code == SIB_OK; i++) {
        json_t *cells = NULL;
        if (l->chosen[i] && (code = row_json(l, i, &cells, &err)) == SIB_OK)
            json_array_append_new(rows, json_pack("{s:I, s:o}", "value", (json_int_t)i, "cells", cells));
        else
            json_decref(cells);
    }
    if (code == SIB_OK)
        answer_json(l->x, 200,
                    json_pack("{s:s, s:O, s:I, s:o, s:O}", "model", l->model->id, "tokens", tokens, "from",
                              (json_int_t)l->from, "values", values_json(l), "rows", rows));
    else
        answer_failure(l->x, &err);
    json_decref(tokens);
    json_decref(rows);
}

static void clear(lensing *l)
{
    for (size_t i = 0; i < l->n_values && l->rows; i++)
        sib_tensor_free(&l->rows[i].rows);
    for (size_t i = 0; i <= l->n_values && l->taps; i++)
        free(l->taps[i]);
    free(l->rows);
    free(l->taps);
    free(l->chosen);
    free(l->ids);
    sib_lens_free(&l->lens);
    catalog_release(l->model);
    json_decref(l->body);
}

void handle_lens(exchange *x)
{
    sib_error err = SIB_ERROR_INIT;
    lensing l = {.x = x, .body = exchange_json(x)};
    if (l.body && read_request(&l))
        l.model = exchange_model_of(x, l.model_id, "text-generation", "generates text", NULL);
    const char *call = l.model ? scored_call(l.model->job) : NULL;
    if (l.model && !call)
        answer_error(x, 400, "model", "the job of '%s' has no node 'score', which tells what its logits are",
                     l.model->id);
    else if (call && find_values(&l, call)) {
        if (run(&l, &err) == SIB_OK)
            answer(&l);
        else
            answer_failure(x, &err);
    }
    clear(&l);
}
