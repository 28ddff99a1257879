/* "count" of a call: {"of": "tokens", "history": false, "inputs": {"attention_mask": "ones"}} */
#include "job/document/doc.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* By job_count_kind. */
static const char *const kinds[] = {"ones", "zeros", "positions", "before", "all", "last", "begun"};
_Static_assert(sizeof kinds / sizeof *kinds == JOB_COUNT_KINDS, "a name for each kind");

static sib_code read_kinds(job_doc *d, const json_t *list, const char *path, job_count *out, sib_error *err)
{
    size_t i = 0;
    out->n = json_object_size(list);
    if (!(out->items = doc_take(d, out->n, sizeof *out->items, err)))
        return SIB_ERR_MEMORY;
    for (void *at = json_object_iter((json_t *)list); at; at = json_object_iter_next((json_t *)list, at)) {
        const char *key = json_object_iter_key(at), *name = json_string_value(json_object_iter_value(at));
        size_t k = 0;
        while (name && k < JOB_COUNT_KINDS && strcmp(name, kinds[k]) != 0)
            k++;
        if (!name || k == JOB_COUNT_KINDS)
            return doc_fault(d, err, SIB_ERR_FORMAT, path,
                             "'%s' is '%s', expected ones, zeros, positions, before, all, last or begun", key,
                             name ? name : "");
        out->items[i++] = (job_counted){key, (job_count_kind)k};
    }
    return SIB_OK;
}

/* A port of the call by its name. */
static bool has_port(const job_call_doc *c, const char *name)
{
    for (size_t i = 0; i < c->inputs.n; i++)
        if (!strcmp(c->inputs.items[i].from, name))
            return true;
    return false;
}

sib_code doc_read_count(job_doc *d, const json_t *call, const char *path, job_call_doc *out, sib_error *err)
{
    static const char *const members[] = {"of", "history", "inputs", NULL};
    const json_t *count = json_object_get(call, "count"), *history = json_object_get(count, "history");
    job_count *c = &out->count;
    json_t *list;
    size_t n;
    char where[160];
    if (!count)
        return SIB_OK;
    snprintf(where, sizeof where, "%s/count", path);
    sib_code code = doc_only(d, count, where, members, err);
    if (code == SIB_OK)
        code = doc_text(d, count, where, "of", &c->of, err);
    if (code == SIB_OK)
        code = doc_object(d, count, where, "inputs", &list, &n, err);
    if (code != SIB_OK)
        return code;
    if (!c->of || !has_port(out, c->of))
        return doc_fault(d, err, SIB_ERR_FORMAT, where, "'of' is '%s', which is no port of the call",
                         c->of ? c->of : "");
    if (history && !json_is_boolean(history))
        return doc_fault(d, err, SIB_ERR_FORMAT, where, "'history' is neither true nor false");
    if ((c->history = json_is_true(history)) && out->state.n)
        return doc_fault(d, err, SIB_ERR_FORMAT, where, "a call with a state has no 'history'");
    if (out->batch.allowed)
        return doc_fault(d, err, SIB_ERR_FORMAT, where, "a call with 'batch' counts nothing");
    return read_kinds(d, list, where, c, err);
}
