#include "server/openai/chat_messages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_MESSAGES 10000

/* Fields of a message that are not built: they may be null. */
static const char *const others[] = {"tool_calls", "tool_call_id", "function_call", "audio", "refusal"};

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

/* The content of message i as one text; null of an assistant's stays null. Answers and returns NULL otherwise. */
static json_t *content_of(exchange *x, const json_t *message, size_t i, const char *role)
{
    json_t *content = json_object_get(message, "content");
    if (json_is_string(content) || (!strcmp(role, "assistant") && json_is_null(content)))
        return json_incref(content);
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

/* Message i for the template. Answers and returns NULL where it is not one of texts. */
static json_t *message_of(exchange *x, const json_t *message, size_t i)
{
    static const char *const roles[][2] = {
        {"system", "system"}, {"developer", "system"}, {"user", "user"}, {"assistant", "assistant"}};
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
                     "message %zu: its role must be 'system', 'developer', 'user' or 'assistant'", i);
        return NULL;
    }
    json_t *content = content_of(x, message, i, role);
    json_t *made = content ? json_pack("{s:s, s:o}", "role", role, "content", content) : NULL;
    if (made && json_is_string(name))
        json_object_set(made, "name", (json_t *)(uintptr_t)name);
    return made;
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
    json_object_set_new(all, "add_generation_prompt", json_true());
    char *text = json_dumps(all, JSON_COMPACT);
    json_decref(all);
    if (!text)
        answer_error(x, 503, NULL, "the server has too little memory");
    return text;
}
