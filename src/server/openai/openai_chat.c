/* Chats by OpenAI's API: POST /v1/chat/completions. */
#include "server/handlers.h"
#include "server/models/exchange_model.h"
#include "server/openai/chat_messages.h"
#include "server/openai/completion.h"
#include "server/values/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- What is answered ---- */

static json_t *choice(json_t *text, const char *finish)
{
    return json_pack("{s:i, s:{s:s, s:o, s:n}, s:n, s:s}", "index", 0, "message", "role", "assistant",
                     "content", text, "refusal", "logprobs", "finish_reason", finish);
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
                                       .first = first};

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
