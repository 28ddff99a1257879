#include "import/read/json.h"

#include "base/alloc.h"

#include <float.h>
#include <stdio.h>
#include <string.h>

#define MAX_BYTES (256u << 20)

/* ---- Infinity, which Python writes and JSON does not have ----------------------------------------------- */

#define INFINITE "Infinity"
#define LARGE    "1.7e+308" /* as long */

/* Puts a large number in the place of each Infinity that is no string. Returns how many there were. */
static size_t replace_infinite(char *text, size_t size)
{
    const size_t length = strlen(INFINITE);
    size_t n = 0;
    bool quoted = false;
    for (size_t i = 0; i < size; i++) {
        if (quoted && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            quoted = !quoted;
        else if (!quoted && size - i >= length && !memcmp(text + i, INFINITE, length)) {
            memcpy(text + i, LARGE, length);
            n++;
        }
    }
    return n;
}

static json_t *load(byte_span bytes, json_error_t *why)
{
    const size_t flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL;
    json_t *out = json_loadb((const char *)bytes.data, bytes.size, flags, why);
    char *copy = out ? NULL : mem_alloc(bytes.size, 1);
    if (copy) {
        memcpy(copy, bytes.data, bytes.size);
        if (replace_infinite(copy, bytes.size))
            out = json_loadb(copy, bytes.size, flags, why);
    }
    mem_free(copy);
    return out;
}

/* {"__float__": "Infinity"}, as transformers writes it, among the numbers of a list. */
static bool is_infinite(const json_t *v)
{
    const char *text = json_object_size(v) == 1 ? json_string_value(json_object_get(v, "__float__")) : NULL;
    return text && !strcmp(text, INFINITE);
}

/* ---- Parsing and facts ---------------------------------------------------------------------------------- */

sib_code json_parse(ckpt_file *s, byte_span bytes, uint64_t at, json_t **out)
{
    json_error_t why;
    *out = load(bytes, &why);
    if (!*out)
        return ckpt_fail(s, SIB_ERR_FORMAT, at + (why.position > 0 ? (uint64_t)why.position : 0),
                         "cannot be parsed as JSON: %s", why.text);
    if (json_is_object(*out))
        return SIB_OK;
    json_decref(*out);
    *out = NULL;
    return ckpt_fail(s, SIB_ERR_FORMAT, at, "its JSON is not an object");
}

/* The kind of an item; returns false where it cannot be an item of a list. */
static bool kind_of(const json_t *v, fact_kind *kind)
{
    switch (json_typeof(v)) {
    case JSON_INTEGER:
        *kind = FACT_INT;
        return true;
    case JSON_REAL:
        *kind = FACT_FLOAT;
        return true;
    case JSON_TRUE:
    case JSON_FALSE:
        *kind = FACT_BOOL;
        return true;
    case JSON_STRING:
        *kind = FACT_STRING;
        return true;
    default:
        return false;
    }
}

/* The common kind of all items; integers among floats are floats. */
static bool kind_of_all(const json_t *list, fact_kind *kind)
{
    *kind = FACT_INT;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        fact_kind one = FACT_FLOAT;
        if ((!is_infinite(v) && !kind_of(v, &one)) || !key_join_kinds(i, kind, one))
            return false;
    }
    return true;
}

/* Stores one item in the fact's member for the kind. */
static sib_code put_item(ckpt_file *s, const json_t *v, fact_kind kind, void *items, size_t i)
{
    if (kind == FACT_INT)
        ((int64_t *)items)[i] = json_integer_value(v);
    else if (kind == FACT_FLOAT)
        ((double *)items)[i] = is_infinite(v) ? DBL_MAX : json_number_value(v);
    else if (kind == FACT_BOOL)
        ((bool *)items)[i] = json_is_true(v);
    else
        return ckpt_keep(s, (sib_str){json_string_value(v), json_string_length(v)}, &((sib_str *)items)[i]);
    return SIB_OK;
}

/* Adds the value below key.name. */
static sib_code child(ckpt_file *s, const json_t *value, key_path *key, sib_str name)
{
    size_t before = key_enter(key, name);
    if (before == SIZE_MAX)
        return key_fail(s, key, 0);
    sib_code code = json_facts(s, value, key);
    key_leave(key, before);
    return code;
}

static sib_code list_facts(ckpt_file *s, const json_t *list, key_path *key)
{
    fact_kind kind;
    size_t n = json_array_size(list);
    sib_code code = SIB_OK;
    if (kind_of_all(list, &kind)) {
        void *items;
        code = ckpt_fact(s, key_str(key), kind, true, n, 0, &items);
        for (size_t i = 0; i < n && code == SIB_OK; i++)
            code = put_item(s, json_array_get(list, i), kind, items, i);
        return code;
    }
    for (size_t i = 0; i < n && code == SIB_OK; i++) {
        char number[24];
        snprintf(number, sizeof number, "%zu", i);
        code = child(s, json_array_get(list, i), key, str_of(number));
    }
    return code;
}

sib_code json_facts(ckpt_file *s, const json_t *value, key_path *key)
{
    fact_kind kind;
    void *items;
    sib_code code = SIB_OK;
    if (json_is_array(value))
        return list_facts(s, value, key);
    if (kind_of(value, &kind)) {
        code = ckpt_fact(s, key_str(key), kind, false, 1, 0, &items);
        return code == SIB_OK ? put_item(s, value, kind, items, 0) : code;
    }
    const char *name;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)value, name, v)
    {
        code = child(s, v, key, str_of(name));
        if (code != SIB_OK)
            break;
    }
    return code;
}

/* True for an object; a zero byte among the first 8 means a safetensors file, which begins with a length. */
static bool recognises(byte_span b)
{
    size_t i = 0;
    while (i < b.size && i < 64 &&
           (b.data[i] == ' ' || b.data[i] == '\t' || b.data[i] == '\n' || b.data[i] == '\r'))
        i++;
    return i < b.size && b.data[i] == '{' && !memchr(b.data, 0, b.size < 8 ? b.size : 8);
}

static sib_code read_json(ckpt_file *s)
{
    json_t *root = NULL;
    key_path key = {0};
    if (s->bytes.size > MAX_BYTES)
        return ckpt_fail(s, SIB_ERR_SIZE, SIB_NO_OFFSET, "has %zu bytes of JSON, expected at most %u",
                         s->bytes.size, MAX_BYTES);
    sib_code code = json_parse(s, s->bytes, 0, &root);
    if (code == SIB_OK)
        code = json_facts(s, root, &key);
    json_decref(root);
    return code;
}

const checkpoint_format format_json = {"json", recognises, read_json, false};
