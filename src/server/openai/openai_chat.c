/* Chats by OpenAI's API: POST /v1/chat/completions. */
#include "server/handlers.h"
#include "server/http/state.h"
#include "server/models/exchange_model.h"
#include "server/openai/chat_messages.h"
#include "server/openai/completion.h"
#include "server/values/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- What is answered ---- */

/* A call of a tool, number k of the answer. */
static json_t *call_json(const completion *c, size_t k, const char *name, const char *arguments)
{
    char id[96];
    snprintf(id, sizeof id, "call_%s-%zu-%zu", c->id + sizeof "chatcmpl", c->index, k);
    return json_pack("{s:s, s:s, s:{s:s, s:s}}", "id", id, "type", "function", "function", "name", name,
                     "arguments", arguments);
}

/* Whether call k is answered: where the request wants one alone, those after it are not. */
static bool is_wanted(const completion *c, size_t k)
{
    return !k || c->form->parallel_calls;
}

static const char *finish_of(const completion *c, const char *finish)
{
    return c->calls.n && !strcmp(finish, "stop") ? "tool_calls" : finish;
}

/* The text and the calls of an answer that is no stream. */
typedef struct collected {
    const completion *c;
    buffer text;
    json_t *calls;
} collected;

static sib_code no_memory(sib_error *err)
{
    return server_fail(err, SIB_ERR_MEMORY, "the server has too little memory for this answer");
}

static sib_code collect_text(void *context, const char *text, size_t size, sib_error *err)
{
    return buffer_add(&((collected *)context)->text, text, size) ? SIB_OK : no_memory(err);
}

static sib_code collect_call(void *context, size_t k, const char *name, const char *arguments, sib_error *err)
{
    collected *all = context;
    if (!is_wanted(all->c, k))
        return SIB_OK;
    return json_array_append_new(all->calls, call_json(all->c, k, name, arguments)) ? no_memory(err) : SIB_OK;
}

/* The message of an answer whose text may hold calls of tools. */
static json_t *message_with_calls(completion *c, const json_t *text)
{
    collected all = {.c = c, .calls = json_array()};
    const chat_sink sink = {&all, collect_text, collect_call};
    const json_t *tools = c->form->tools;
    sib_code code =
        chat_calls_add(&c->calls, tools, json_string_value(text), json_string_length(text), &sink, NULL);
    if (code == SIB_OK)
        code = chat_calls_end(&c->calls, tools, &sink, NULL);
    bool is_null = c->calls.n && !all.text.size;
    json_t *message =
        code != SIB_OK ? NULL
                       : json_pack("{s:s, s:o, s:n}", "role", "assistant", "content",
                                   is_null ? json_null()
                                           : text_of_bytes(all.text.data ? all.text.data : "", all.text.size),
                                   "refusal");
    if (c->calls.n)
        json_object_set(message, "tool_calls", all.calls);
    buffer_free(&all.text);
    json_decref(all.calls);
    return message;
}

static json_t *choice(completion *c, json_t *text, const char *finish)
{
    json_t *message = c->form->tools
                          ? message_with_calls(c, text)
                          : json_pack("{s:s, s:O, s:n}", "role", "assistant", "content", text, "refusal");
    json_decref(text);
    return json_pack("{s:i, s:o, s:n, s:s}", "index", 0, "message", message, "logprobs", "finish_reason",
                     finish_of(c, finish));
}

static json_t *first(void)
{
    return json_pack("{s:i, s:{s:s, s:s}, s:n, s:n}", "index", 0, "delta", "role", "assistant", "content", "",
                     "logprobs", "finish_reason");
}

static json_t *piece(json_t *text, const char *finish)
{
    json_t *delta = text ? json_pack("{s:o}", "content", text) : json_object();
    return json_pack("{s:i, s:o, s:n, s:s?}", "index", 0, "delta", delta, "logprobs", "finish_reason",
                     finish);
}

static sib_code send_text(void *context, const char *text, size_t size, sib_error *err)
{
    return completion_piece(context, piece(text_of_bytes(text, size), NULL), err);
}

static sib_code send_call(void *context, size_t k, const char *name, const char *arguments, sib_error *err)
{
    completion *c = context;
    if (!is_wanted(c, k))
        return SIB_OK;
    json_t *call = call_json(c, k, name, arguments);
    json_object_set_new(call, "index", json_integer((json_int_t)k));
    return completion_piece(c,
                            json_pack("{s:i, s:{s:[o]}, s:n, s:n}", "index", 0, "delta", "tool_calls", call,
                                      "logprobs", "finish_reason"),
                            err);
}

static sib_code send(completion *c, const char *text, size_t size, const char *finish, sib_error *err)
{
    const chat_sink sink = {c, send_text, send_call};
    const json_t *tools = c->form->tools;
    sib_code code = SIB_OK;
    if (text)
        return tools ? chat_calls_add(&c->calls, tools, text, size, &sink, err)
                     : send_text(c, text, size, err);
    if (tools)
        code = chat_calls_end(&c->calls, tools, &sink, err);
    return code == SIB_OK ? completion_piece(c, piece(NULL, finish_of(c, finish)), err) : code;
}

/* One token: its text, as far as it is UTF-8, and its bytes. */
static json_t *token_json(const completion *c, int32_t id, double logprob)
{
    char *text;
    size_t size = 0;
    json_t *bytes = json_array();
    if (!completion_token(c->model, id, &text, &size))
        size = 0;
    for (size_t i = 0; i < size; i++)
        json_array_append_new(bytes, json_integer((unsigned char)text[i]));
    json_t *json = json_pack("{s:o, s:f, s:o}", "token", text_of_bytes(text ? text : "", size), "logprob",
                             fmax(logprob, -9999), "bytes", bytes);
    sib_free(text);
    return json;
}

static json_t *logprobs_json(completion *c)
{
    json_t *content = json_array();
    for (size_t i = c->n_sent; i < c->n_made; i++) {
        const made_token *t = &c->made[i];
        json_t *one = token_json(c, t->id, t->logprob), *top = json_array();
        for (size_t k = 0; k < t->top.n; k++)
            json_array_append_new(top, token_json(c, t->top.ids[k], t->top.logprobs[k]));
        json_object_set_new(one, "top_logprobs", top);
        json_array_append_new(content, one);
    }
    return json_pack("{s:o, s:n}", "content", content, "refusal");
}

static const completion_shape shape = {.prefix = "chatcmpl",
                                       .object = "chat.completion",
                                       .piece_object = "chat.completion.chunk",
                                       .choice = choice,
                                       .piece = piece,
                                       .logprobs = logprobs_json,
                                       .first = first,
                                       .send = send};

/* ---- The prompt ---- */

/* The tokens of the chat's prompt, sib_free(*ids). Answers and returns false where there is none. */
static bool make_prompt(exchange *x, const text_form *f, const served *model, int32_t **ids, size_t *n)
{
    sib_error err = SIB_ERROR_INIT;
    char *variables = chat_variables(x, f), *text = NULL;
    size_t size;
    if (!variables)
        return false;
    sib_code code =
        sib_job_chat_prompt(model->job, variables, strlen(variables), exchange_cancel(x), &text, &size, &err);
    if (code == SIB_OK)
        code = sib_tokenizer_encode(sib_job_tokenizer(model->job, 0), text, size, SIB_SPECIAL_FOUND, ids, n,
                                    &err);
    if (code == SIB_OK && !*n)
        answer_error(x, 400, "messages", "the model's chat template makes an empty prompt of these messages");
    else if (code == SIB_ERR_UNSUPPORTED)
        answer_error(x, 400, "model", "%s", err.message);
    else if (code != SIB_OK)
        answer_failure(x, &err);
    free(variables);
    sib_free(text);
    return code == SIB_OK && *n;
}

void handle_chat(exchange *x)
{
    text_form form = {0};
    json_t *body = exchange_json(x);
    served *model = NULL;
    int32_t *ids = NULL;
    size_t n = 0;
    if (body && text_form_read(x, body, FORM_CHAT, &form))
        model = exchange_model_of(x, form.model, "text-generation", "generates text", NULL);
    if (model && make_prompt(x, &form, model, &ids, &n)) {
        form.prompts[form.n_prompts++] = (text_prompt){.ids = ids, .n_ids = n};
        completion_answer(x, &form, model, &shape);
    } else
        catalog_release(model);
    sib_free(ids);
    text_form_clear(&form);
    json_decref(body);
}
