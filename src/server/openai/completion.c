#include "server/openai/completion.h"

#include "server/http/state.h"
#include "server/values/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- What is answered ---- */

/* An answer, or a piece of one in a stream. Takes choices; usage may be NULL. */
static json_t *body_json(const completion *c, const char *object, json_t *choices, json_t *usage)
{
    json_t *body = json_pack("{s:s, s:s, s:I, s:s, s:o}", "id", c->id, "object", object, "created",
                             c->created, "model", c->model->id, "choices", choices);
    if (usage && body)
        json_object_set(body, "usage", usage);
    json_decref(usage);
    return body;
}

static json_t *usage_json(const completion *c)
{
    const completion_all *a = c->all;
    return json_pack("{s:I, s:I, s:I}", "prompt_tokens", (json_int_t)a->all_prompts, "completion_tokens",
                     (json_int_t)a->all_made, "total_tokens", (json_int_t)(a->all_prompts + a->all_made));
}

bool completion_token(const served *model, int32_t id, char **text, size_t *size)
{
    *text = NULL;
    return sib_tokenizer_decode(sib_job_tokenizer(model->job, 0), &id, 1, false, text, size, NULL) == SIB_OK;
}

json_t *completion_token_json(const served *model, int32_t id, size_t *characters)
{
    char *text;
    size_t size;
    *characters = 0;
    if (!completion_token(model, id, &text, &size))
        return json_string("");
    for (size_t i = 0; i < size; i++)
        *characters += (text[i] & 0xc0) != 0x80;
    json_t *json = json_stringn(text, size);
    buffer bytes = {0};
    if (!json && buffer_add_text(&bytes, "bytes:")) {
        for (size_t i = 0; i < size; i++)
            buffer_format(&bytes, "\\x%02x", (unsigned char)text[i]);
        json = json_string(bytes.data);
    }
    buffer_free(&bytes);
    sib_free(text);
    return json;
}

/* Adds its index and what is asked for of the tokens that are not sent to a choice. */
static void add_tokens(completion *c, json_t *choice)
{
    json_t *ids = json_array();
    json_object_set_new(choice, "index", json_integer((json_int_t)c->index));
    for (size_t i = c->n_sent; i < c->n_made; i++)
        json_array_append_new(ids, json_integer(c->made[i].id));
    json_t *logprobs = c->form->logprobs && (c->n_sent < c->n_made || !c->form->stream)
                           ? c->shape->logprobs(c)
                           : json_null();
    json_object_set_new(choice, "logprobs", logprobs);
    if (c->form->token_ids) {
        json_object_set(choice, "token_ids", ids);
        if (c->prompt)
            json_object_set(choice, "prompt_token_ids", c->prompt);
        json_decref(c->prompt);
        c->prompt = NULL;
    }
    json_decref(ids);
    c->n_sent = c->n_made;
}

/* A piece of a stream: a choice, or NULL with usage. Takes both. */
static sib_code answer_piece(completion *c, json_t *choice, json_t *usage, sib_error *err)
{
    if (choice)
        add_tokens(c, choice);
    json_t *choices = choice ? json_pack("[o]", choice) : json_array(),
           *body = body_json(c, c->shape->piece_object, choices, usage);
    pthread_mutex_lock(&c->all->lock);
    sib_code code = answer_event(c->x, body, err);
    pthread_mutex_unlock(&c->all->lock);
    return code;
}

sib_code completion_piece(completion *c, json_t *choice, sib_error *err)
{
    return choice ? answer_piece(c, choice, NULL, err)
                  : server_fail(err, SIB_ERR_MEMORY, "the server has too little memory for this answer");
}

/* More text of a stream, or its end: text is NULL. */
static sib_code send_text(completion *c, const char *text, size_t size, const char *finish, sib_error *err)
{
    if (c->shape->send)
        return c->shape->send(c, text, size, finish, err);
    return completion_piece(c, c->shape->piece(text ? text_of_bytes(text, size) : NULL, finish), err);
}

static bool is_json(const sib_port_value *text)
{
    json_t *json = json_loadb(text->text.data, text->text.size, JSON_DECODE_ANY, NULL);
    json_decref(json);
    return json != NULL;
}

/* "length" where max_tokens ended it, "stop" where a stop token, a stop text or the end of a JSON schema did: then fewer
   tokens are shown, less than their text, or all of the JSON. */
static const char *finish_reason(const completion *c, const sib_port_value *tokens,
                                 const sib_port_value *text)
{
    if (tokens->tokens.n < c->max_tokens || (c->form->schema && is_json(text)))
        return "stop";
    char *all = NULL;
    size_t size = 0;
    const sib_tokenizer *t = sib_job_tokenizer(c->model->job, 0);
    bool cut =
        sib_tokenizer_decode(t, tokens->tokens.ids, tokens->tokens.n, true, &all, &size, NULL) == SIB_OK &&
        size > text->text.size;
    sib_free(all);
    return cut ? "stop" : "length";
}

/* The prompt's text and then text (size), owned by the caller; NULL where memory fails. */
static json_t *echo_json(const completion *c, const char *text, size_t size)
{
    buffer all = {0};
    char *decoded = NULL;
    const char *prompt = c->given->text;
    size_t prompt_size = c->given->size;
    if (!prompt && sib_tokenizer_decode(sib_job_tokenizer(c->model->job, 0), c->given->ids, c->given->n_ids,
                                        true, &decoded, &prompt_size, NULL) == SIB_OK)
        prompt = decoded;
    bool done =
        buffer_add(&all, prompt ? prompt : "", prompt ? prompt_size : 0) && buffer_add(&all, text, size);
    json_t *json = done ? text_of_bytes(all.data ? all.data : "", all.size) : NULL;
    sib_free(decoded);
    buffer_free(&all);
    return json;
}

/* Counts the tokens of choice `which` of its prompt. */
static void count_tokens(completion *c, size_t which, size_t made)
{
    metrics_tokens(exchange_server(c->x), made);
    pthread_mutex_lock(&c->all->lock);
    c->all->all_made += made;
    c->all->all_prompts += which ? 0 : c->n_prompt;
    pthread_mutex_unlock(&c->all->lock);
}

/* Ends choice `which` of its prompt. */
static sib_code take_result(completion *c, size_t which, const sib_job_result *r, sib_error *err)
{
    const sib_port_value *text = sib_job_result_find(r, "text"), *tokens = sib_job_result_find(r, "tokens"),
                         *logprobs = sib_job_result_find(r, "logprobs");
    const char *finish = finish_reason(c, tokens, text), *data = text->text.data;
    count_tokens(c, which, logprobs->numbers.n); /* the stop token too */
    if (c->form->stream)
        return send_text(c, NULL, 0, finish, err);
    json_t *choice = c->shape->choice(
        c, c->form->echo ? echo_json(c, data, text->text.size) : text_of_bytes(data, text->text.size),
        finish);
    if (!choice)
        return server_fail(err, SIB_ERR_MEMORY, "the server has too little memory for this answer");
    add_tokens(c, choice);
    pthread_mutex_lock(&c->all->lock);
    json_array_set_new(c->all->choices, c->index, choice);
    pthread_mutex_unlock(&c->all->lock);
    return SIB_OK;
}

/* What follows the last choice. */
static sib_code end_answer(completion *c, sib_error *err)
{
    static const char last[] = "data: [DONE]\n\n";
    sib_code code = SIB_OK;
    if (!c->form->stream) {
        answer_json(c->x, 200, body_json(c, c->shape->object, json_incref(c->all->choices), usage_json(c)));
        return SIB_OK;
    }
    if (c->form->stream_usage)
        code = answer_piece(c, NULL, usage_json(c), err);
    if (code == SIB_OK)
        code = answer_write(c->x, last, sizeof last - 1, err);
    if (code == SIB_OK)
        answer_end(c->x);
    return code;
}

/* ---- While it runs ---- */

static sib_code on_text(void *context, const char *text, size_t size, sib_error *err)
{
    return send_text(context, text, size, NULL, err);
}

static sib_code keep_top(completion *c, const sib_tensor *logits, sib_error *err)
{
    size_t rank = sib_tensor_rank(logits), n = rank ? (size_t)sib_tensor_dims(logits)[rank - 1] : 0;
    size_t count = (size_t)sib_tensor_count(logits);
    c->top = (alternatives){0};
    if (!n || count < n || !sib_tensor_is_dense(logits))
        return SIB_OK;
    sib_dtype dtype = sib_tensor_dtype(logits);
    const char *last = (const char *)sib_tensor_data(logits) + (count - n) * (sib_dtype_bits(dtype) / 8);
    double *row = malloc(n * sizeof *row);
    if (!row)
        return server_fail(err, SIB_ERR_MEMORY, "the server has too little memory");
    sib_code code = sib_convert(dtype, last, SIB_F64, row, n, SIB_OVERFLOW_IEEE, err);
    if (code == SIB_OK)
        completion_top(row, n, c->form->n_top, &c->top);
    free(row);
    return code;
}

/* shown: [1], or [0] for a token that ends the text. */
static sib_code keep_token(completion *c, const sib_tensor *shown, sib_error *err)
{
    c->shown = sib_tensor_count(shown) == 1;
    return c->shown ? completion_add(
                          c, (made_token){.id = *(const int32_t *)sib_tensor_data(shown), .top = c->top}, err)
                    : SIB_OK;
}

static sib_code keep_logprob(completion *c, const sib_tensor *logprob, sib_error *err)
{
    (void)err;
    if (c->shown)
        c->made[c->n_made - 1].logprob = *(const double *)sib_tensor_data(logprob);
    return SIB_OK;
}

static sib_code keep_prompt(completion *c, const sib_tensor *tokens, sib_error *err)
{
    const int32_t *ids = sib_tensor_data(tokens);
    (void)err;
    c->n_prompt = (size_t)sib_tensor_count(tokens);
    c->prompt = c->form->token_ids ? json_array() : NULL;
    for (size_t i = 0; c->prompt && i < c->n_prompt; i++)
        json_array_append_new(c->prompt, json_integer(ids[i]));
    return SIB_OK;
}

/* The values that are looked at of a run, in the order in which a step computes them. */
static const struct {
    const char *end; /* of the path */
    sib_code (*keep)(completion *c, const sib_tensor *value, sib_error *err);
} kept[] = {{"/next/logits", keep_top},
            {"/choose/shown", keep_token},
            {"/choose/logprob", keep_logprob},
            {"prompt/tokens", keep_prompt}};

/* Their paths. The steps' numbers stand with a ? per digit, since * would ask for the values inside the model too. */
#define AT_STEPS(end)                                                                                        \
    "generate/step[?]" end, "generate/step[??]" end, "generate/step[???]" end, "generate/step[????]" end,    \
        "generate/step[?????]" end, "generate/step[??????]" end, "generate/step[???????]" end
static const char *const taps[] = {"prompt/tokens", AT_STEPS("/choose/shown"), AT_STEPS("/choose/logprob"),
                                   AT_STEPS("/next/logits")};
enum { TAPS_OF_PROMPT = 1, TAPS_OF_TOKENS = 15, TAPS_OF_LOGITS = 22 };
_Static_assert(sizeof taps / sizeof *taps == TAPS_OF_LOGITS, "all of them");

static sib_code on_tap(void *context, const char *path, const sib_tensor *value, sib_error *err)
{
    size_t size = strlen(path);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        size_t n = strlen(kept[i].end);
        if (size >= n && !strcmp(path + size - n, kept[i].end))
            return kept[i].keep(context, value, err);
    }
    return SIB_OK;
}

/* ---- Completion ---- */

#define WITHOUT_CONTEXT                                                                                      \
    4096 /* tokens of an answer that asks for no number, of models whose context has no end */

/* Tokens that the model's context holds, 0 where it has no end. */
static uint64_t context_of(served *model)
{
    const char *key, *value;
    const sib_model *m = served_model(model, NULL);
    for (size_t i = 0; m && sib_model_metadata(m, i, &key, &value); i++)
        if (!strcmp(key, "n_ctx") && strspn(value, "0123456789") == strlen(value))
            return strtoull(value, NULL, 10);
    return 0;
}

/* How many tokens a choice may have: what is asked for, or what the prompt, whose tokens are known then,
   leaves of the context. Answers 400 and returns false where it leaves none. */
static bool choose_max_tokens(completion *c)
{
    uint64_t context = context_of(c->model), n = c->form->prompts[0].n_ids;
    c->max_tokens = c->form->max_tokens ? c->form->max_tokens : context > n ? context - n : WITHOUT_CONTEXT;
    if (c->form->max_tokens || !context || n < context)
        return true;
    answer_error(c->x, 400, "messages", "the messages have %llu tokens, and the model's context has %llu",
                 (unsigned long long)n, (unsigned long long)context);
    return false;
}

/* The form's inputs and those of this choice; returns how many. */
static size_t fill_inputs(const completion *c, size_t which, sib_job_value *inputs)
{
    const text_form *f = c->form;
    size_t n = f->n_inputs;
    memcpy(inputs, f->inputs, n * sizeof *inputs);
    if (c->given->ids)
        inputs[n++] =
            (sib_job_value){"tokens", {.type = SIB_PORT_TOKENS, .tokens = {c->given->ids, c->given->n_ids}}};
    else
        inputs[n++] =
            (sib_job_value){"text", {.type = SIB_PORT_TEXT, .text = {c->given->text, c->given->size}}};
    inputs[n++] = (sib_job_value){"max_tokens", {.type = SIB_PORT_NUMBER, .number = (double)c->max_tokens}};
    inputs[n++] = (sib_job_value){"seed", {.type = SIB_PORT_NUMBER, .number = f->seed + (double)which}};
    return n;
}

static sib_code begin_stream(completion *c, sib_error *err)
{
    sib_code code = SIB_OK;
    if (c->shape->first)
        code = answer_piece(c, c->shape->first(), NULL, err);
    if (code == SIB_OK && c->form->echo)
        code = answer_piece(c, c->shape->piece(echo_json(c, "", 0), NULL), NULL, err);
    return code;
}

/* Runs choice `which` of the prompt. */
static sib_code run_choice(completion *c, size_t which, sib_error *err)
{
    static const char *const wanted[] = {"text", "tokens", "logprobs"};
    const text_form *f = c->form;
    sib_job_value inputs[MAX_TEXT_INPUTS];
    sib_job_result *r = NULL;
    c->n_made = c->n_sent = c->offset = 0;
    for (size_t i = 0; i < c->given->size && !f->echo; i++)
        c->offset += (c->given->text[i] & 0xc0) != 0x80;
    sib_code code = f->echo && f->logprobs ? completion_score(c, err) : SIB_OK;
    if (code == SIB_OK && f->stream)
        code = begin_stream(c, err);
    sib_job_run_options o = {.context = c,
                             .on_text = f->stream ? on_text : NULL,
                             .on_tap = on_tap,
                             .taps = taps,
                             .n_taps = f->n_top                      ? TAPS_OF_LOGITS
                                       : f->logprobs || f->token_ids ? TAPS_OF_TOKENS
                                                                     : TAPS_OF_PROMPT,
                             .max_steps = c->max_tokens + 1,
                             .batch = c->model->batch,
                             .cancel = exchange_cancel(c->x)};
    size_t n = fill_inputs(c, which, inputs);
    if (code == SIB_OK)
        code = sib_job_run(c->model->job, n, inputs, 3, wanted, &o, &r, err);
    if (code == SIB_OK)
        code = take_result(c, which, r, err);
    sib_job_result_free(&r);
    chat_calls_clear(&c->calls);
    json_decref(c->prompt);
    c->prompt = NULL;
    return code;
}

/* The index of the next choice; false where there is none, or one has failed. */
static bool next_choice(const completion *c, size_t *index)
{
    completion_all *a = c->all;
    pthread_mutex_lock(&a->lock);
    bool more = a->next < c->form->n_prompts * c->form->n_choices && a->err.code == SIB_OK;
    if (more)
        *index = a->next++;
    pthread_mutex_unlock(&a->lock);
    return more;
}

/* Makes choices until there are no more: those of the first prompt, then those of the next. */
static void *run_choices(void *argument)
{
    completion c = *(const completion *)argument;
    while (next_choice(&c, &c.index)) {
        sib_error err = SIB_ERROR_INIT;
        c.given = &c.form->prompts[c.index / c.form->n_choices];
        if (run_choice(&c, c.index % c.form->n_choices, &err) == SIB_OK)
            continue;
        pthread_mutex_lock(&c.all->lock);
        if (c.all->err.code == SIB_OK)
            c.all->err = err;
        pthread_mutex_unlock(&c.all->lock);
    }
    free(c.made);
    return NULL;
}

/* Runs all choices, several at once where the model has a batch and other requests leave room. */
static void run_together(completion *c)
{
    struct server *s = exchange_server(c->x);
    uint64_t others = c->form->n_prompts * c->form->n_choices - 1;
    pthread_t threads[MAX_CHOICES];
    unsigned n = c->model->batch ? gate_enter_some(&s->choices, (unsigned)others) : 0, started = 0;
    while (started < n && !pthread_create(&threads[started], NULL, run_choices, c))
        started++;
    run_choices(c);
    for (unsigned i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    gate_leave(&s->choices, n);
}

/* Runs all choices and answers. */
static void run_all(completion *c)
{
    struct server *s = exchange_server(c->x);
    bool alone = !c->model->batch;
    completion_all *a = c->all;
    for (size_t i = 0; i < c->form->n_prompts * c->form->n_choices; i++)
        json_array_append_new(a->choices, json_null());
    if (alone && !gate_enter(&s->alone, c->x))
        server_fail(&a->err, SIB_ERR_CANCELLED, "the request was cancelled");
    else {
        run_together(c);
        if (alone)
            gate_leave(&s->alone, 1);
    }
    if (a->err.code == SIB_OK)
        end_answer(c, &a->err);
    if (a->err.code != SIB_OK)
        answer_failure(c->x, &a->err);
}

void completion_answer(exchange *x, const text_form *form, served *model, const completion_shape *shape)
{
    completion_all all = {.choices = json_array(), .err = SIB_ERROR_INIT};
    completion c = {
        .x = x, .form = form, .shape = shape, .model = model, .all = &all, .created = (json_int_t)time(NULL)};
    pthread_mutex_init(&all.lock, NULL);
    snprintf(c.id, sizeof c.id, "%s-%llx-%llu", shape->prefix, (unsigned long long)c.created,
             (unsigned long long)exchange_id(x));
    if (!all.choices)
        answer_error(x, 503, NULL, "the server has too little memory");
    else if (choose_max_tokens(&c))
        run_all(&c);
    catalog_release(model);
    pthread_mutex_destroy(&all.lock);
    json_decref(all.choices);
}
