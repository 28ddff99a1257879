/* What handlers read of a request, and answer with an error where it is wrong. */
#include "server/http/exchange_inner.h"
#include "server/http/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_JSON_BYTES (64u << 20)

bool exchange_query_number(exchange *x, const char *name, uint64_t otherwise, uint64_t max, uint64_t *out)
{
    const char *text = exchange_query(x, name);
    *out = otherwise;
    if (!text)
        return true;
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || strlen(text) > 19 || value > max) {
        answer_error(x, 400, name, "'%s' must be a number from 0 to %llu, not '%.40s'", name,
                     (unsigned long long)max, text);
        return false;
    }
    *out = value;
    return true;
}

/* ---- JSON ---- */

json_t *exchange_json(exchange *x)
{
    return exchange_json_head(x, x->body.size);
}

/* what: "body" */
static json_t *read_json(exchange *x, const char *data, size_t size, const char *param, const char *what)
{
    if (size > MAX_JSON_BYTES) {
        answer_error(x, 413, param, "a JSON %s may have %u bytes at most", what, MAX_JSON_BYTES);
        return NULL;
    }
    json_error_t fault;
    json_t *root = json_loadb(size ? data : "", size, JSON_REJECT_DUPLICATES, &fault);
    if (json_is_object(root))
        return root;
    if (root)
        answer_error(x, 400, param, "the %s must be a JSON object", what);
    else
        answer_error(x, 400, param, "the %s is not JSON: %s (line %d, column %d)", what, fault.text,
                     fault.line, fault.column);
    json_decref(root);
    return NULL;
}

json_t *exchange_json_head(exchange *x, size_t size)
{
    SERVER_CHECK(size <= x->body.size);
    return read_json(x, x->body.data, size, NULL, "body");
}

json_t *exchange_json_field(exchange *x, const char *name)
{
    const part *p = exchange_part(x, name);
    char what[80];
    if (!x->n_parts)
        return exchange_json(x);
    snprintf(what, sizeof what, "field '%.40s' of the form", name);
    if (p)
        return read_json(x, p->data.data, p->data.size, name, what);
    answer_error(x, 400, name, "the form has no field '%.40s', which is the request as JSON", name);
    return NULL;
}
