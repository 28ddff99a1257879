#include "server/speech/wyoming_wire.h"

#include "server/http/state.h"

#include <stdlib.h>
#include <string.h>

#define MAX_LINE    ((size_t)64 << 10)
#define MAX_DATA    ((size_t)256 << 10)
#define MAX_PAYLOAD ((size_t)4 << 20)

/* A number of bytes in the header; 0 where it is missing. */
static sib_code read_length(const json_t *head, const char *name, size_t max, size_t *out, sib_error *err)
{
    const json_t *value = json_object_get(head, name);
    *out = 0;
    if (!value || json_is_null(value))
        return SIB_OK;
    json_int_t n = json_integer_value(value);
    if (!json_is_integer(value) || n < 0 || (size_t)n > max)
        return server_fail(err, SIB_ERR_SIZE, "'%s' must be a number from 0 to %zu", name, max);
    *out = (size_t)n;
    return SIB_OK;
}

static json_t *read_object(const char *text, size_t size, const char *what, sib_error *err)
{
    json_error_t where;
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &where);
    if (json_is_object(root))
        return root;
    json_decref(root);
    server_fail(err, SIB_ERR_FORMAT, "%s is no JSON object", what);
    return NULL;
}

/* The type, and the data of the header with those behind it (n bytes). */
static sib_code read_content(const json_t *head, const char *more, size_t n, wyoming_event *out,
                             sib_error *err)
{
    const json_t *type = json_object_get(head, "type"), *own = json_object_get(head, "data");
    if (!json_is_string(type))
        return server_fail(err, SIB_ERR_FORMAT, "an event has no 'type'");
    snprintf(out->type, sizeof out->type, "%s", json_string_value(type));
    json_t *data = json_is_object(own) ? json_copy((json_t *)(uintptr_t)own) : json_object();
    json_t *added = n ? read_object(more, n, "what follows an event's header", err) : NULL;
    bool done = data && (!added || !json_object_update(data, added));
    json_decref(added);
    if (done && err->code == SIB_OK) {
        out->data = data;
        return SIB_OK;
    }
    json_decref(data);
    server_fail(err, SIB_ERR_MEMORY, "the server has too little memory"); /* or what came before */
    return err->code;
}

sib_code wyoming_read(const buffer *in, size_t *at, wyoming_event *out, bool *complete, sib_error *err)
{
    const char *line = in->data + *at;
    size_t have = in->size - *at, n_data, n_payload;
    const char *end = have ? memchr(line, '\n', have < MAX_LINE ? have : MAX_LINE) : NULL;
    *complete = false;
    if (!end)
        return have < MAX_LINE ? SIB_OK
                               : server_fail(err, SIB_ERR_SIZE, "an event's header may have 64 KiB at most");
    size_t n_line = (size_t)(end - line) + 1;
    json_t *head = read_object(line, n_line, "an event's header", err);
    if (!head)
        return err->code;
    sib_code code = read_length(head, "data_length", MAX_DATA, &n_data, err);
    if (code == SIB_OK)
        code = read_length(head, "payload_length", MAX_PAYLOAD, &n_payload, err);
    if (code == SIB_OK && have - n_line >= n_data + n_payload) {
        code = read_content(head, line + n_line, n_data, out, err);
        out->payload = line + n_line + n_data;
        out->size = n_payload;
        *at += n_line + n_data + n_payload;
        *complete = code == SIB_OK;
    }
    json_decref(head);
    return code;
}

char *wyoming_line(const char *type, json_t *data)
{
    json_t *event = json_pack("{s:s, s:o}", "type", type, "data", data);
    size_t n = event ? json_dumpb(event, NULL, 0, JSON_COMPACT) : 0;
    char *line = n ? malloc(n + 2) : NULL;
    if (line) {
        json_dumpb(event, line, n, JSON_COMPACT);
        memcpy(line + n, "\n", 2);
    }
    json_decref(event);
    return line;
}
