#include "text/steps/json_part.h"

#include "base/error.h"

#include <stdio.h>

sib_code json_part_parse(const char *file, sib_str text, json_t **out, json_part *part, sib_error *err)
{
    json_error_t why;
    *out = json_loadb(text.data, text.length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
    if (!*out && json_error_code(&why) == json_error_out_of_memory)
        return err_memory(err, text.length, "a tokenizer's JSON");
    if (!*out)
        return err_set_at(err, SIB_ERR_FORMAT, why.position > 0 ? (uint64_t)why.position : 0,
                          "%s: line %d: %s", file, why.line, why.text);
    *part = (json_part){.file = file, .value = *out};
    if (json_is_object(*out))
        return SIB_OK;
    json_decref(*out);
    *out = NULL;
    return err_set(err, SIB_ERR_FORMAT, "%s: is not a JSON object", file);
}

json_part json_part_at(const json_part *p, const char *key)
{
    json_part at = {.file = p->file, .value = json_object_get(p->value, key), .depth = p->depth + 1};
    snprintf(at.path, sizeof at.path, "%.70s%s%.24s", p->path, p->path[0] ? "/" : "", key);
    if (json_is_null(at.value))
        at.value = NULL;
    return at;
}

json_part json_part_item(const json_part *p, size_t i)
{
    json_part at = {.file = p->file, .value = json_array_get(p->value, i), .depth = p->depth + 1};
    snprintf(at.path, sizeof at.path, "%.70s[%zu]", p->path, i);
    return at;
}

sib_code(json_part_bad)(const json_part *p, sib_code code, sib_error *err, const char *words)
{
    return err_set(err, code, "%s: %s: %s", p->file, p->path[0] ? p->path : "the document", words);
}

sib_code json_part_unknown(const json_part *p, const char *what, const char *name, sib_error *err)
{
    return err_set(err, SIB_ERR_UNSUPPORTED, "%s: %s: %s '%.64s' is not supported", p->file, p->path, what,
                   name);
}

sib_code json_part_string(const json_part *p, const char *key, sib_str *out, sib_error *err)
{
    json_part at = json_part_at(p, key);
    if (!at.value)
        return SIB_OK;
    if (!json_is_string(at.value))
        return json_part_bad(&at, SIB_ERR_FORMAT, err, "is not a string");
    *out = (sib_str){json_string_value(at.value), json_string_length(at.value)};
    return SIB_OK;
}

sib_code json_part_bool(const json_part *p, const char *key, bool *out, sib_error *err)
{
    json_part at = json_part_at(p, key);
    if (!at.value)
        return SIB_OK;
    if (!json_is_boolean(at.value))
        return json_part_bad(&at, SIB_ERR_FORMAT, err, "is neither true nor false");
    *out = json_is_true(at.value);
    return SIB_OK;
}

sib_code json_part_integer(const json_part *p, const char *key, int64_t *out, sib_error *err)
{
    json_part at = json_part_at(p, key);
    if (!at.value)
        return SIB_OK;
    if (!json_is_integer(at.value))
        return json_part_bad(&at, SIB_ERR_FORMAT, err, "is not an integer");
    *out = json_integer_value(at.value);
    return SIB_OK;
}

const char *json_part_type(const json_part *p)
{
    const char *type = json_string_value(json_object_get(p->value, "type"));
    return type ? type : "";
}
