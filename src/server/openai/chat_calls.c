#include "server/openai/chat_calls.h"

#include "server/http/state.h"

#include <stdlib.h>
#include <string.h>

static const char opening[] = "<tool_call>", closing[] = "</tool_call>", blanks[] = " \t\r\n";
#define OPENING (sizeof opening - 1)
#define CLOSING (sizeof closing - 1)

static bool is_blank(char letter)
{
    return letter && strchr(blanks, letter);
}

static size_t skip_blanks(const char *text, size_t at, size_t size)
{
    while (at < size && is_blank(text[at]))
        at++;
    return at;
}

static const char *find(const char *text, size_t size, const char *what, size_t n)
{
    for (size_t i = 0; i + n <= size; i++)
        if (!memcmp(text + i, what, n))
            return text + i;
    return NULL;
}

static bool has_tool(const json_t *tools, const char *name)
{
    size_t i;
    json_t *tool;
    json_array_foreach((json_t *)(uintptr_t)tools, i, tool)
    {
        const char *own = json_string_value(json_object_get(json_object_get(tool, "function"), "name"));
        if (own && !strcmp(own, name))
            return true;
    }
    return false;
}

/* The object at the beginning of a text that calls one of the tools, of *used bytes; NULL where there is
   none. */
static json_t *read_call(const json_t *tools, const char *text, size_t size, size_t *used)
{
    json_error_t unread;
    json_t *call = json_loadb(text, size, JSON_DISABLE_EOF_CHECK, &unread);
    const char *name = json_string_value(json_object_get(call, "name"));
    *used = (size_t)unread.position;
    if (name && has_tool(tools, name))
        return call;
    json_decref(call);
    return NULL;
}

static sib_code give_call(chat_calls *c, const json_t *call, const chat_sink *sink, sib_error *err)
{
    const json_t *arguments = json_object_get(call, "arguments");
    if (!arguments)
        arguments = json_object_get(call, "parameters");
    char *text = arguments && !json_is_string(arguments)
                     ? json_dumps(arguments, JSON_COMPACT | JSON_ENCODE_ANY)
                     : NULL;
    if (arguments && !json_is_string(arguments) && !text)
        return server_fail(err, SIB_ERR_MEMORY, "the server has too little memory");
    const char *said = text ? text : arguments ? json_string_value(arguments) : "{}";
    sib_code code =
        sink->call(sink->context, c->n++, json_string_value(json_object_get(call, "name")), said, err);
    free(text);
    return code;
}

/* Forgets the first n bytes that are held. */
static void drop(chat_calls *c, size_t n)
{
    c->seen = 0;
    c->held.size -= n;
    memmove(c->held.data, c->held.data + n, c->held.size);
}

static sib_code give_text(chat_calls *c, size_t n, const chat_sink *sink, sib_error *err)
{
    sib_code code = n ? sink->text(sink->context, c->held.data, n, err) : SIB_OK;
    if (n && code == SIB_OK)
        drop(c, n);
    return code;
}

/* Gives the call between tags at the beginning of what is held, or its text where it is none. *more: its end
   is not there yet. */
static sib_code give_tagged(chat_calls *c, const json_t *tools, bool ended, const chat_sink *sink, bool *more,
                            sib_error *err)
{
    size_t from = c->seen > CLOSING ? c->seen - CLOSING : 0;
    const char *text = c->held.data, *end = find(text + from, c->held.size - from, closing, CLOSING);
    *more = !end && !ended;
    c->seen = c->held.size;
    if (*more)
        return SIB_OK;
    size_t size = (end ? (size_t)(end - text) : c->held.size) - OPENING, used;
    size_t all = end ? OPENING + size + CLOSING : c->held.size;
    json_t *call = c->n < MAX_CALLS ? read_call(tools, text + OPENING, size, &used) : NULL;
    bool complete = call && skip_blanks(text + OPENING, used, size) == size;
    sib_code code = complete ? give_call(c, call, sink, err) : give_text(c, all, sink, err);
    json_decref(call);
    if (complete && code == SIB_OK)
        drop(c, all);
    return code;
}

/* Gives what is certain to be text at the beginning of what is held: all but what may begin a tag, and blanks
   before it. */
static sib_code give_certain(chat_calls *c, const chat_sink *sink, sib_error *err)
{
    const char *text = c->held.data, *tag = find(text, c->held.size, opening, OPENING);
    size_t n = tag ? (size_t)(tag - text) : c->held.size;
    for (size_t k = OPENING - 1; !tag && k; k--)
        if (k <= n && !memcmp(text + n - k, opening, k)) {
            n -= k;
            break;
        }
    size_t blank = n;
    while (n && is_blank(text[n - 1]))
        n--;
    sib_code code = give_text(c, n, sink, err);
    if (code == SIB_OK && tag)
        drop(c, blank - n);
    return code;
}

/* Gives the calls of an answer without tags, if all of it is calls. */
static sib_code give_bare(chat_calls *c, const json_t *tools, const chat_sink *sink, sib_error *err)
{
    json_t *calls = json_array(), *call;
    size_t at = 0, used, i;
    for (bool more = true; more && json_array_size(calls) < MAX_CALLS;) {
        at = skip_blanks(c->held.data, at, c->held.size);
        call = read_call(tools, c->held.data + at, c->held.size - at, &used);
        if (!call)
            break;
        json_array_append_new(calls, call);
        at = skip_blanks(c->held.data, at + used, c->held.size);
        more = at < c->held.size && c->held.data[at] == ';';
        at += more;
    }
    sib_code code = SIB_OK;
    if (json_array_size(calls) && at == c->held.size) {
        json_array_foreach(calls, i, call) if (code == SIB_OK) code = give_call(c, call, sink, err);
        drop(c, c->held.size);
    }
    json_decref(calls);
    return code;
}

/* Gives what can be given. */
static sib_code advance(chat_calls *c, const json_t *tools, bool ended, const chat_sink *sink, sib_error *err)
{
    sib_code code = SIB_OK;
    for (bool more = false; code == SIB_OK && c->held.size && !more;) {
        if (c->held.size >= OPENING && !memcmp(c->held.data, opening, OPENING)) {
            code = give_tagged(c, tools, ended, sink, &more, err);
            continue;
        }
        size_t before = c->held.size;
        code = give_certain(c, sink, err);
        more = c->held.size == before || !find(c->held.data, c->held.size, opening, OPENING);
    }
    return code;
}

sib_code chat_calls_add(chat_calls *c, const json_t *tools, const char *text, size_t size,
                        const chat_sink *sink, sib_error *err)
{
    if (!buffer_add(&c->held, text, size))
        return server_fail(err, SIB_ERR_MEMORY, "the server has too little memory");
    size_t first = c->begun ? 0 : skip_blanks(c->held.data, 0, c->held.size);
    if (!c->begun && first < c->held.size) {
        c->begun = true;
        c->bare = c->held.data[first] == '{';
    }
    return c->begun && !c->bare ? advance(c, tools, false, sink, err) : SIB_OK;
}

sib_code chat_calls_end(chat_calls *c, const json_t *tools, const chat_sink *sink, sib_error *err)
{
    sib_code code = c->bare ? give_bare(c, tools, sink, err) : SIB_OK;
    if (code == SIB_OK)
        code = advance(c, tools, true, sink, err);
    size_t n = c->held.size;
    while (c->n && n && is_blank(c->held.data[n - 1])) /* behind the last call */
        n--;
    return code == SIB_OK ? give_text(c, n, sink, err) : code;
}

void chat_calls_clear(chat_calls *c)
{
    buffer_free(&c->held);
    *c = (chat_calls){.n = 0};
}
