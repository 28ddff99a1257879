/* The sections "models", "tokenizers" and "calls". */
#include "base/error.h"
#include "job/document/doc.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a document may cost to open, whoever wrote it. */
enum {
    MAX_MODELS = 16, /* and tokenizers */
    MAX_CALLS = 64,
    MAX_VOCAB = 1 << 22,
    MAX_STATE = 1 << 26 /* elements of a state when a run begins */
};

/* doc_object of a section with at most `max` members. */
static sib_code read_section(job_doc *d, const char *name, size_t max, json_t **out, size_t *n,
                             sib_error *err)
{
    char path[64];
    sib_code code = doc_object(d, d->root, "", name, out, n, err);
    snprintf(path, sizeof path, "/%s", name);
    return code == SIB_OK && *n > max
               ? doc_fault(d, err, SIB_ERR_SIZE, path, "there are %zu, expected at most %zu", *n, max)
               : code;
}

/* {"function": "...", "inputs": {"x": ["float32", 2]}, "outputs": ["y"]} */
static sib_code read_function(const job_doc *d, const json_t *j, job_model_doc *m, sib_error *err)
{
    static const char *const members[] = {"function", "inputs", "outputs", NULL};
    char path[128];
    snprintf(path, sizeof path, "/models/%s", m->name);
    sib_code code = doc_only(d, j, path, members, err);
    if (code == SIB_OK)
        code = doc_text(d, j, path, "function", &m->text, err);
    m->types = json_object_get(j, "inputs");
    m->names = json_object_get(j, "outputs");
    if (code != SIB_OK)
        return code;
    if (!m->text || !json_is_object(m->types) || !json_array_size(m->names))
        return doc_fault(d, err, SIB_ERR_FORMAT, path, "a function needs 'function', 'inputs' and 'outputs'");
    for (size_t i = 0; i < json_array_size(m->names); i++)
        if (!json_is_string(json_array_get(m->names, i)))
            return doc_fault(d, err, SIB_ERR_FORMAT, path, "'outputs' is no list of names");
    return SIB_OK;
}

static sib_code read_models(job_doc *d, sib_error *err)
{
    json_t *models, *item;
    const char *key;
    sib_code code = read_section(d, "models", MAX_MODELS, &models, &d->n_models, err);
    if (code != SIB_OK || !(d->models = doc_take(d, d->n_models, sizeof *d->models, err)))
        return code != SIB_OK ? code : SIB_ERR_MEMORY;
    size_t i = 0;
    json_object_foreach(models, key, item)
    {
        job_model_doc *m = &d->models[i++];
        *m = (job_model_doc){.name = key, .path = json_string_value(item)};
        if (!json_is_string(item) && !json_is_object(item))
            return doc_fault(d, err, SIB_ERR_FORMAT, "/models", "'%s' is not a path", key);
        if (json_is_object(item) && (code = read_function(d, item, m, err)) != SIB_OK)
            return code;
        if ((code = doc_name(d, "/models", key, err)) != SIB_OK)
            return code;
    }
    return SIB_OK;
}

static sib_code read_tokenizer(const job_doc *d, const char *path, const json_t *j, job_tokenizer_doc *t,
                               const char *name, sib_error *err)
{
    static const char *const members[] = {"file", "kind", "n_vocab", NULL};
    *t = (job_tokenizer_doc){.name = name};
    sib_code code = doc_name(d, "/tokenizers", name, err);
    if (code == SIB_OK)
        code = doc_only(d, j, path, members, err);
    if (code == SIB_OK)
        code = doc_text(d, j, path, "file", &t->path, err);
    if (code == SIB_OK)
        code = doc_text(d, j, path, "kind", &t->kind, err);
    if (code != SIB_OK)
        return code;
    const json_t *n = json_object_get(j, "n_vocab");
    if (n && !(json_is_integer(n) && json_integer_value(n) > 0 && json_integer_value(n) <= MAX_VOCAB))
        return doc_fault(d, err, SIB_ERR_FORMAT, path, "'n_vocab' is not a number of tokens");
    t->n_vocab = (size_t)json_integer_value(n);
    return t->path || (t->kind && !strcmp(t->kind, "bytes"))
               ? SIB_OK
               : doc_fault(d, err, SIB_ERR_FORMAT, path, "does not name a file");
}

static sib_code read_tokenizers(job_doc *d, sib_error *err)
{
    json_t *list, *item;
    const char *key;
    sib_code code = read_section(d, "tokenizers", MAX_MODELS, &list, &d->n_tokenizers, err);
    if (code != SIB_OK || !(d->tokenizers = doc_take(d, d->n_tokenizers, sizeof *d->tokenizers, err)))
        return code != SIB_OK ? code : SIB_ERR_MEMORY;
    size_t i = 0;
    json_object_foreach(list, key, item)
    {
        char path[128];
        snprintf(path, sizeof path, "/tokenizers/%s", key);
        if ((code = read_tokenizer(d, path, item, &d->tokenizers[i++], key, err)) != SIB_OK)
            return code;
    }
    return SIB_OK;
}

/* ---- Calls --------------------------------------------------------------------------------------------- */

static bool one_star(const char *s)
{
    const char *star = strchr(s, '*');
    return star && !strchr(star + 1, '*');
}

/* Reads a list of integers of at least lo. Returns false where it is not one, or has more than SIB_MAX_RANK
   items. */
static bool read_axes(const json_t *list, int64_t lo, int64_t *out, size_t *n)
{
    *n = json_array_size(list);
    if (list && (!json_is_array(list) || *n > SIB_MAX_RANK))
        return false;
    for (size_t i = 0; i < *n; i++) {
        const json_t *item = json_array_get(list, i);
        out[i] = json_integer_value(item);
        if (!json_is_integer(item) || out[i] < lo)
            return false;
    }
    return true;
}

/* True for a permutation of 0 to n - 1. */
static bool is_order(const int64_t *axes, size_t n)
{
    uint32_t seen = 0;
    for (size_t i = 0; i < n; i++)
        seen |= axes[i] < SIB_MAX_RANK ? (uint32_t)1 << axes[i] : 0;
    return seen == ((uint32_t)1 << n) - 1;
}

static bool dims_fit(const int64_t *dims, size_t n)
{
    int64_t count = 1;
    for (size_t i = 0; i < n; i++)
        if (__builtin_mul_overflow(count, dims[i], &count) || count > MAX_STATE)
            return false;
    return true;
}

/* One pair: a name, or {"name": ..., "transpose": [...], "dims": [...], "fill": 0}. */
static sib_code read_pair(const job_doc *d, const char *path, const char *key, const json_t *item,
                          job_pair *out, sib_error *err)
{
    static const char *const members[] = {"name", "transpose", "dims", "fill", NULL};
    const json_t *fill = json_object_get(item, "fill");
    *out = (job_pair){.from = key, .fill = json_number_value(fill)};
    out->to = json_string_value(json_is_object(item) ? json_object_get(item, "name") : item);
    if (!out->to)
        return doc_fault(d, err, SIB_ERR_FORMAT, path, "'%s' is empty", key);
    if ((strchr(key, '*') || strchr(out->to, '*')) && !(one_star(key) && one_star(out->to)))
        return doc_fault(d, err, SIB_ERR_FORMAT, path, "'%s' and '%s' must both have one * or none", key,
                         out->to);
    if (!json_is_object(item))
        return SIB_OK;
    if (!read_axes(json_object_get(item, "transpose"), 0, out->transpose, &out->n_transpose) ||
        !is_order(out->transpose, out->n_transpose))
        return doc_fault(d, err, SIB_ERR_FORMAT, path, "'%s' has no order of axes under 'transpose'", key);
    if (!read_axes(json_object_get(item, "dims"), 0, out->dims, &out->n_dims))
        return doc_fault(d, err, SIB_ERR_FORMAT, path, "'%s' has no dims under 'dims'", key);
    if (!dims_fit(out->dims, out->n_dims))
        return doc_fault(d, err, SIB_ERR_SIZE, path, "'%s' has more than %d elements by 'dims'", key,
                         MAX_STATE);
    if (fill && !json_is_number(fill))
        return doc_fault(d, err, SIB_ERR_FORMAT, path, "'%s' has no number under 'fill'", key);
    return doc_only(d, item, path, members, err);
}

static sib_code read_pairs(job_doc *d, const json_t *call, const char *path, const char *name, job_pairs *out,
                           sib_error *err)
{
    char where[160];
    json_t *list, *item;
    const char *key;
    snprintf(where, sizeof where, "%s/%s", path, name);
    sib_code code = doc_object(d, call, path, name, &list, &out->n, err);
    if (code != SIB_OK || !(out->items = doc_take(d, out->n, sizeof *out->items, err)))
        return code != SIB_OK ? code : SIB_ERR_MEMORY;
    size_t i = 0;
    json_object_foreach(list, key, item) if ((code = read_pair(d, where, key, item, &out->items[i++], err)) !=
                                             SIB_OK) return code;
    return SIB_OK;
}

/* "fixed": {"sr": 16000, "at": [-1]} */
static sib_code read_fixed(job_doc *d, const json_t *call, const char *path, job_call_doc *out,
                           sib_error *err)
{
    json_t *list, *item;
    const char *key;
    sib_code code = doc_object(d, call, path, "fixed", &list, &out->n_fixed, err);
    if (code != SIB_OK || !(out->fixed = doc_take(d, out->n_fixed, sizeof *out->fixed, err)))
        return code != SIB_OK ? code : SIB_ERR_MEMORY;
    size_t i = 0;
    json_object_foreach(list, key, item)
    {
        size_t n = json_is_array(item) ? json_array_size(item) : 1;
        double *data = doc_take(d, n, sizeof *data, err);
        if (!data)
            return SIB_ERR_MEMORY;
        for (size_t k = 0; k < n; k++) {
            const json_t *number = json_is_array(item) ? json_array_get(item, k) : item;
            if (!json_is_number(number))
                return doc_fault(d, err, SIB_ERR_FORMAT, path, "'fixed' has no number for '%s'", key);
            data[k] = json_number_value(number);
        }
        out->fixed[i++] = (job_fixed){key, data, n};
    }
    return SIB_OK;
}

/* "batch": {"pad": 0, "cut": ["hidden"]} */
static sib_code read_batch(job_doc *d, const json_t *call, const char *path, job_call_doc *out,
                           sib_error *err)
{
    static const char *const members[] = {"pad", "cut", NULL};
    const json_t *batch = json_object_get(call, "batch"), *pad = json_object_get(batch, "pad"),
                 *cut = json_object_get(batch, "cut");
    job_call_batch *b = &out->batch;
    char where[160];
    snprintf(where, sizeof where, "%s/batch", path);
    sib_code code = batch ? doc_only(d, batch, where, members, err) : SIB_OK;
    if (!batch || code != SIB_OK)
        return code;
    if (out->state.n || out->context.n || !out->inputs.n)
        return doc_fault(d, err, SIB_ERR_FORMAT, where, "a call with state, context or no inputs has none");
    if (pad && !(json_is_integer(pad) && llabs(json_integer_value(pad)) <= INT32_MAX))
        return doc_fault(d, err, SIB_ERR_FORMAT, where, "'pad' is not a token");
    if (cut && (!json_is_array(cut) || !pad))
        return doc_fault(d, err, SIB_ERR_FORMAT, where,
                         "'cut' is not a list of outputs, or is without 'pad'");
    *b = (job_call_batch){true, pad, (int32_t)json_integer_value(pad),
                          doc_take(d, out->outputs.n, sizeof *b->cut, err)};
    if (!b->cut)
        return SIB_ERR_MEMORY;
    for (size_t i = 0; i < json_array_size(cut); i++) {
        const char *name = json_string_value(json_array_get(cut, i));
        size_t k = 0;
        while (name && k < out->outputs.n && strcmp(out->outputs.items[k].from, name) != 0)
            k++;
        if (!name || k == out->outputs.n)
            return doc_fault(d, err, SIB_ERR_FORMAT, where, "'cut' has '%s', which is no output of the call",
                             name ? name : "");
        b->cut[k] = true;
    }
    return SIB_OK;
}

static size_t model_named(const job_doc *d, const char *name)
{
    for (size_t i = 0; name && i < d->n_models; i++)
        if (!strcmp(d->models[i].name, name))
            return i;
    return NO_INDEX;
}

/* Index of the call `name` among the first n. */
static size_t call_named(const job_doc *d, size_t n, const char *name)
{
    for (size_t i = 0; name && i < n; i++)
        if (!strcmp(d->calls[i].name, name))
            return i;
    return NO_INDEX;
}

static sib_code read_call(job_doc *d, const char *name, const json_t *j, size_t number, sib_error *err)
{
    static const char *const members[] = {"model", "inputs", "outputs", "state", "context",
                                          "of",    "fixed",  "batch",   "count", NULL};
    char path[128];
    job_call_doc *c = &d->calls[number];
    c->name = name;
    snprintf(path, sizeof path, "/calls/%s", name);
    const char *model = NULL, *of = NULL;
    sib_code code = doc_name(d, "/calls", name, err);
    if (code == SIB_OK)
        code = doc_only(d, j, path, members, err);
    if (code == SIB_OK)
        code = doc_text(d, j, path, "model", &model, err);
    if (code == SIB_OK)
        code = doc_text(d, j, path, "of", &of, err);
    c->model = model_named(d, model);
    if (code == SIB_OK && c->model == NO_INDEX)
        code = doc_fault(d, err, SIB_ERR_FORMAT, path, "there is no model '%s'", model ? model : "");
    const struct {
        const char *name;
        job_pairs *pairs;
    } lists[] = {
        {"inputs", &c->inputs}, {"outputs", &c->outputs}, {"state", &c->state}, {"context", &c->context}};
    for (size_t i = 0; i < sizeof lists / sizeof *lists && code == SIB_OK; i++)
        code = read_pairs(d, j, path, lists[i].name, lists[i].pairs, err);
    if (code == SIB_OK)
        code = read_fixed(d, j, path, c, err);
    if (code == SIB_OK)
        code = read_batch(d, j, path, c, err);
    if (code == SIB_OK)
        code = doc_read_count(d, j, path, c, err);
    c->of = call_named(d, number, of);
    if (code == SIB_OK && (c->context.n > 0) != (c->of != NO_INDEX))
        code = of && c->of == NO_INDEX
                   ? doc_fault(d, err, SIB_ERR_FORMAT, path, "there is no call '%s' before this one", of)
                   : doc_fault(d, err, SIB_ERR_FORMAT, path, "'context' and 'of' must be given together");
    if (code == SIB_OK && c->outputs.n + c->state.n == 0)
        code = doc_fault(d, err, SIB_ERR_FORMAT, path, "the call has no outputs");
    return code;
}

sib_code doc_read_calls(job_doc *d, sib_error *err)
{
    json_t *calls, *item;
    const char *key;
    sib_code code = read_models(d, err);
    if (code == SIB_OK)
        code = read_tokenizers(d, err);
    if (code == SIB_OK)
        code = read_section(d, "calls", MAX_CALLS, &calls, &d->n_calls, err);
    if (code != SIB_OK || !(d->calls = doc_take(d, d->n_calls, sizeof *d->calls, err)))
        return code != SIB_OK ? code : SIB_ERR_MEMORY;
    size_t i = 0;
    json_object_foreach(calls, key, item)
    {
        if ((code = read_call(d, key, item, i, err)) != SIB_OK)
            return code;
        i++;
    }
    return SIB_OK;
}
