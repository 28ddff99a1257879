#include "server/openai/chat_schema.h"

#include <stdlib.h>
#include <string.h>

static bool no_memory(exchange *x)
{
    answer_error(x, 503, NULL, "the server has too little memory");
    return false;
}

/* {"name", "schema", "strict", "description"} */
static bool read_named_schema(exchange *x, const json_t *given, text_form *f)
{
    static const char *const members[] = {"name", "schema", "strict", "description"};
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)given, name, value)
    {
        size_t i = 0;
        while (i < 4 && strcmp(members[i], name) != 0)
            i++;
        if (i == 4) {
            answer_error(x, 400, "response_format", "json_schema has no member '%.60s'", name);
            return false;
        }
    }
    f->format = json_incref(json_object_get(given, "schema"));
    if (!json_is_object(f->format))
        answer_error(x, 400, "response_format",
                     "response_format must be {\"type\": \"json_schema\", \"json_schema\": {\"name\", "
                     "\"schema\": an object}}");
    return json_is_object(f->format);
}

bool chat_format_read(exchange *x, const json_t *value, text_form *f)
{
    const char *type = json_string_value(json_object_get(value, "type"));
    if (type && !strcmp(type, "text"))
        return true;
    if (type && !strcmp(type, "json_schema"))
        return read_named_schema(x, json_object_get(value, "json_schema"), f);
    if (type && !strcmp(type, "json_object"))
        return (f->format = json_pack("{s:s}", "type", "object")) || no_memory(x);
    answer_error(x, 400, "response_format",
                 "the type of response_format must be 'text', 'json_object' or 'json_schema'");
    return false;
}

bool chat_choice_read(exchange *x, const json_t *value, text_form *f)
{
    static const char *const names[] = {
        [CHOICE_AUTO] = "auto", [CHOICE_NONE] = "none", [CHOICE_REQUIRED] = "required"};
    const char *said = json_string_value(value), *type = json_string_value(json_object_get(value, "type"));
    for (size_t i = 0; said && i < sizeof names / sizeof *names; i++)
        if (!strcmp(said, names[i])) {
            f->choice = (tool_choice)i;
            return true;
        }
    if (type && !strcmp(type, "function"))
        f->tool = json_string_value(json_object_get(json_object_get(value, "function"), "name"));
    f->choice = CHOICE_REQUIRED;
    if (!f->tool)
        answer_error(x, 400, "tool_choice",
                     "tool_choice must be 'auto', 'none', 'required' or {\"type\": \"function\", "
                     "\"function\": {\"name\": ...}}");
    return f->tool != NULL;
}

/* A copy whose references stay its own where it stands within another schema. */
static json_t *apart(json_t *schema)
{
    json_t *copy = json_copy(schema);
    if (copy && !json_object_get(copy, "$id"))
        json_object_set_new(copy, "$id", json_string("own"));
    return copy;
}

/* What a call of a tool is, in a form in which chat_calls_add reads it. */
static json_t *schema_of_call(const json_t *function)
{
    json_t *given = json_object_get(function, "parameters");
    json_t *parameters = json_object_size(given) ? apart(given)
                                                 : json_pack("{s:s, s:b}", "type", "object",
                                                             "additionalProperties", given ? 1 : 0);
    return json_pack("{s:s, s:{s:{s:O}, s:o}, s:[s, s], s:b}", "type", "object", "properties", "name",
                     "const", json_object_get(function, "name"), "arguments", parameters, "required", "name",
                     "arguments", "additionalProperties", 0);
}

/* Adds the calls that may be made; false where the tool that is named is none. */
static bool add_calls(exchange *x, const text_form *f, json_t *list)
{
    size_t before = json_array_size(list);
    for (size_t i = 0; i < json_array_size(f->tools); i++) {
        const json_t *function = json_object_get(json_array_get(f->tools, i), "function");
        if (f->tool && strcmp(f->tool, json_string_value(json_object_get(function, "name"))) != 0)
            continue;
        if (json_array_append_new(list, schema_of_call(function)))
            return no_memory(x);
    }
    if (json_array_size(list) > before)
        return true;
    if (f->tool)
        answer_error(x, 400, "tool_choice", "tool_choice names '%.64s', which is none of the tools", f->tool);
    else
        answer_error(x, 400, "tool_choice", "tool_choice needs tools");
    return false;
}

bool chat_schema_make(exchange *x, text_form *f)
{
    sib_error err = SIB_ERROR_INIT;
    json_t *list = json_array();
    bool must = f->choice == CHOICE_REQUIRED, done = list || no_memory(x);
    if (done && f->format && !must)
        json_array_append_new(list, apart(f->format));
    if (done && (must || (f->tools && f->format)))
        done = add_calls(x, f, list);
    if (done && json_array_size(list)) {
        json_t *all = json_array_size(list) > 1 ? json_pack("{s:O}", "anyOf", list)
                                                : json_incref(json_array_get(list, 0));
        f->schema = json_dumps(all, JSON_COMPACT);
        json_decref(all);
        done = f->schema || no_memory(x);
    }
    json_decref(list);
    if (done && f->schema && sib_json_schema_check(f->schema, strlen(f->schema), &err) != SIB_OK) {
        answer_error(x, err.code == SIB_ERR_MEMORY ? 503 : 400, must ? "tools" : "response_format", "%s",
                     err.message);
        done = false;
    }
    return done;
}
