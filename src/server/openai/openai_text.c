/* Text generation by OpenAI's API: POST /v1/completions. */
#include "server/handlers.h"
#include "server/models/exchange_model.h"
#include "server/openai/completion.h"

#include <math.h>

static json_t *choice(completion *c, json_t *text, const char *finish)
{
    (void)c;
    return json_pack("{s:o, s:i, s:n, s:s?}", "text", text, "index", 0, "logprobs", "finish_reason", finish);
}

static json_t *piece(json_t *text, const char *finish)
{
    return choice(NULL, text ? text : json_string(""), finish);
}

/* {"token": logprob}, as OpenAI has it; in `list` with ids, since two tokens may have the same text. */
static json_t *top_json(const completion *c, const alternatives *top, json_t *list)
{
    json_t *all = json_object();
    size_t unused;
    for (size_t k = 0; k < top->n; k++) {
        json_t *token = completion_token_json(c->model, top->ids[k], &unused);
        json_object_set_new(all, token ? json_string_value(token) : "", json_real(top->logprobs[k]));
        json_array_append_new(list, json_pack("{s:i, s:o, s:f}", "id", (int)top->ids[k], "token", token,
                                              "logprob", top->logprobs[k]));
    }
    return all;
}

/* Of the tokens that are not sent. text_offset counts characters from the prompt's beginning. */
static json_t *logprobs_json(completion *c)
{
    json_t *texts = json_array(), *numbers = json_array(), *offsets = json_array();
    json_t *tops = json_array(), *lists = json_array();
    size_t characters;
    for (size_t i = c->n_sent; i < c->n_made; i++) {
        const made_token *t = &c->made[i];
        json_t *list = json_array();
        json_array_append_new(texts, completion_token_json(c->model, t->id, &characters));
        bool first = isnan(t->logprob); /* of a prompt: nothing says how likely it is */
        json_array_append_new(numbers, first ? json_null() : json_real(fmax(t->logprob, -9999)));
        json_array_append_new(tops, first ? json_null() : top_json(c, &t->top, list));
        json_array_append_new(lists, list);
        json_array_append_new(offsets, json_integer((json_int_t)c->offset));
        c->offset += characters;
    }
    json_t *all = json_pack("{s:o, s:o, s:O, s:o}", "tokens", texts, "token_logprobs", numbers,
                            "top_logprobs", c->form->n_top ? tops : json_null(), "text_offset", offsets);
    if (c->form->n_top && c->form->token_ids)
        json_object_set(all, "top_tokens", lists);
    json_decref(tops);
    json_decref(lists);
    return all;
}

static const completion_shape shape = {.prefix = "cmpl",
                                       .object = "text_completion",
                                       .piece_object = "text_completion",
                                       .choice = choice,
                                       .piece = piece,
                                       .logprobs = logprobs_json};

void handle_completion(exchange *x)
{
    text_form form = {0};
    json_t *body = exchange_json(x);
    served *model = NULL;
    if (body && text_form_read(x, body, FORM_TEXT, &form))
        model = exchange_model_of(x, form.model, "text-generation", "generates text", NULL);
    if (model)
        completion_answer(x, &form, model, &shape);
    text_form_clear(&form);
    json_decref(body);
}
