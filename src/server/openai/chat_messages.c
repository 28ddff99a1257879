#include "server/openai/chat_messages.h"

#include "server/openai/chat_calls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_MESSAGES 10000

/* Fields of a message that are not built: they may be null. */
static const char *const others[] = {"function_call", "audio", "refusal"};

/* Appends the text of one part. */
static bool add_part(exchange *x, const json_t *given, size_t i, buffer *text)
{
    const char *type = json_string_value(json_object_get(given, "type"));
    const json_t *value = json_object_get(given, "text");
    if (!type)
        answer_error(x, 400, "messages", "message %zu: a part of its content has no type", i);
    else if (strcmp(type, "text") != 0)
        answer_error(x, 400, "messages",
                     "message %zu: parts of type '%.40s' are not supported here: texts alone", i, type);
    else if (!json_is_string(value))
        answer_error(x, 400, "messages", "message %zu: a part of type 'text' has no text", i);
    else if ((text->size && !buffer_add_text(text, "\n")) ||
             !buffer_add(text, json_string_value(value), json_string_length(value)))
        answer_error(x, 503, NULL, "the server has too little memory");
    else
        return true;
    return false;
}

/* The content of message i as one text; null of an assistant's stays null, and is that of one that calls
   tools and has none. Answers and returns NULL otherwise. */
static json_t *content_of(exchange *x, const json_t *message, size_t i, const char *role)
{
    json_t *content = json_object_get(message, "content");
    if (json_is_string(content) || (!strcmp(role, "assistant") && json_is_null(content)))
        return json_incref(content);
    if (!content && !strcmp(role, "assistant") && json_array_size(json_object_get(message, "tool_calls")))
        return json_null();
    buffer text = {0};
    bool going = json_is_array(content) && json_array_size(content);
    if (!going)
        answer_error(x, 400, "messages", "message %zu: its content must be a text or a list of parts", i);
    for (size_t k = 0; going && k < json_array_size(content); k++)
        going = add_part(x, json_array_get(content, k), i, &text);
    json_t *joined = going ? json_stringn(text.data ? text.data : "", text.size) : NULL;
    if (going && !joined)
        answer_error(x, 503, NULL, "the server has too little memory");
    buffer_free(&text);
    return joined;
}

/* A call that message i tells of, with its arguments as an object, as templates have it. Answers and returns
   NULL where it is none. */
static json_t *call_of(exchange *x, const json_t *call, size_t i)
{
    const json_t *function = json_object_get(call, "function"), *name = json_object_get(function, "name"),
                 *text = json_object_get(function, "arguments"), *id = json_object_get(call, "id");
    json_t *arguments =
        json_loadb(json_is_string(text) ? json_string_value(text) : "", json_string_length(text), 0, NULL);
    json_t *made = NULL;
    if (!json_is_string(id) || !json_is_string(name) || !json_is_string(text))
        answer_error(x, 400, "messages",
                     "message %zu: a call must be {\"id\", \"type\": \"function\", \"function\": {\"name\", "
                     "\"arguments\"}}, the arguments an object written as text",
                     i);
    else if (!json_is_object(arguments))
        answer_error(x, 400, "messages",
                     "message %zu: the arguments of its call of '%.64s' are no JSON object", i,
                     json_string_value(name));
    else
        made = json_pack("{s:O, s:s, s:{s:O, s:O}}", "id", id, "type", "function", "function", "name", name,
                         "arguments", arguments);
    json_decref(arguments);
    return made;
}

/* What message i tells of tools: the calls of an assistant's, and which of them a tool's answers. Answers and
   returns false where that is wrong. */
static bool add_tools(exchange *x, const json_t *message, size_t i, const char *role, json_t *made)
{
    json_t *calls = json_object_get(message, "tool_calls"), *id = json_object_get(message, "tool_call_id");
    bool is_tool = !strcmp(role, "tool"), is_assistant = !strcmp(role, "assistant");
    if (is_tool != json_is_string(id) && (is_tool || (id && !json_is_null(id)))) {
        answer_error(x, 400, "messages", "message %zu: %s", i,
                     is_tool ? "a tool's needs 'tool_call_id', a text"
                             : "'tool_call_id' is of messages of tools alone");
        return false;
    }
    if (is_tool)
        return !json_object_set(made, "tool_call_id", id);
    if (!calls || json_is_null(calls) || (json_is_array(calls) && !json_array_size(calls)))
        return true;
    if (!is_assistant || !json_is_array(calls) || json_array_size(calls) > MAX_CALLS) {
        answer_error(
            x, 400, "messages",
            "message %zu: 'tool_calls' is a list of at most %d calls, of messages of assistants alone", i,
            MAX_CALLS);
        return false;
    }
    json_t *list = json_array();
    json_object_set_new(made, "tool_calls", list);
    for (size_t k = 0; k < json_array_size(calls); k++) {
        json_t *call = call_of(x, json_array_get(calls, k), i);
        if (!call)
            return false;
        json_array_append_new(list, call);
    }
    return true;
}

/* Message i for the template. Answers and returns NULL where it is not one of texts. */
static json_t *message_of(exchange *x, const json_t *message, size_t i)
{
    static const char *const roles[][2] = {{"system", "system"},
                                           {"developer", "system"},
                                           {"user", "user"},
                                           {"assistant", "assistant"},
                                           {"tool", "tool"}};
    const char *given = json_string_value(json_object_get(message, "role")), *role = NULL;
    const json_t *name = json_object_get(message, "name");
    for (size_t k = 0; given && k < sizeof roles / sizeof *roles; k++)
        if (!strcmp(given, roles[k][0]))
            role = roles[k][1];
    for (size_t k = 0; k < sizeof others / sizeof *others; k++) {
        const json_t *other = json_object_get(message, others[k]);
        if (other && !json_is_null(other)) {
            answer_error(x, 400, "messages", "message %zu: '%s' is not supported here", i, others[k]);
            return NULL;
        }
    }
    if (!role) {
        answer_error(x, 400, "messages",
                     "message %zu: its role must be 'system', 'developer', 'user', 'assistant' or 'tool'", i);
        return NULL;
    }
    json_t *content = content_of(x, message, i, role);
    json_t *made = content ? json_pack("{s:s, s:o}", "role", role, "content", content) : NULL;
    if (made && json_is_string(name))
        json_object_set(made, "name", (json_t *)(uintptr_t)name);
    if (made && add_tools(x, message, i, role, made))
        return made;
    json_decref(made);
    return NULL;
}

char *chat_variables(exchange *x, const text_form *f)
{
    size_t n = json_array_size(f->messages);
    if (!n || n > MAX_MESSAGES) {
        answer_error(x, 400, "messages", "messages must be a list of 1 to %d messages", MAX_MESSAGES);
        return NULL;
    }
    json_t *list = json_array(), *all = json_object();
    if (f->template_options)
        json_object_update(all, (json_t *)(uintptr_t)f->template_options);
    for (size_t i = 0; i < n; i++) {
        json_t *message = message_of(x, json_array_get(f->messages, i), i);
        if (!message) {
            json_decref(list);
            json_decref(all);
            return NULL;
        }
        json_array_append_new(list, message);
    }
    json_object_set_new(all, "messages", list);
    if (f->tools)
        json_object_set(all, "tools", (json_t *)(uintptr_t)f->tools);
    json_object_set_new(all, "add_generation_prompt", json_true());
    char *text = json_dumps(all, JSON_COMPACT);
    json_decref(all);
    if (!text)
        answer_error(x, 503, NULL, "the server has too little memory");
    return text;
}
