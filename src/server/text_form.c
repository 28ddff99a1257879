#include "text_form.h"

#include <stdlib.h>
#include <string.h>

#define MAX_TOKENS  1048576.0 /* that a request may ask for; time ends it before */
#define CHAT_TOKENS 4096      /* of a chat that asks for no number; OpenAI's fills the context */

/* ---- Kinds of fields ---- */

typedef struct rule rule;
struct rule {
    const char *name;
    bool (*read)(exchange *x, const rule *r, const json_t *value, text_form *f);
    const char *more; /* the job's input; or the only value that is taken */
    double min, max;  /* of numbers */
    unsigned of;      /* form_kind: the routes that have it, 0: all */
};

static bool add_input(text_form *f, const char *name, sib_port_value value)
{
    f->inputs[f->n_inputs++] = (sib_job_value){name, value};
    return true;
}

static bool wrong(exchange *x, const rule *r, const char *expected)
{
    answer_error(x, 400, r->name, "%s must be %s", r->name, expected);
    return false;
}

static bool number_of(exchange *x, const rule *r, const json_t *value, bool integer, double *out)
{
    *out = json_number_value(value);
    if ((integer ? json_is_integer(value) : json_is_number(value)) && *out >= r->min && *out <= r->max)
        return true;
    answer_error(x, 400, r->name, "%s must be %s from %g to %g", r->name, integer ? "an integer" : "a number",
                 r->min, r->max);
    return false;
}

static bool read_number(exchange *x, const rule *r, const json_t *value, text_form *f)
{
    double number;
    return number_of(x, r, value, false, &number) &&
           add_input(f, r->more, (sib_port_value){.type = SIB_PORT_NUMBER, .number = number});
}

static bool read_integer(exchange *x, const rule *r, const json_t *value, text_form *f)
{
    double number;
    return number_of(x, r, value, true, &number) &&
           add_input(f, r->more, (sib_port_value){.type = SIB_PORT_NUMBER, .number = number});
}

static bool read_max_tokens(exchange *x, const rule *r, const json_t *value, text_form *f)
{
    double number;
    bool done = number_of(x, r, value, true, &number);
    f->max_tokens = done ? (uint64_t)number : 0;
    return done;
}

static bool read_logprobs(exchange *x, const rule *r, const json_t *value, text_form *f)
{
    double number;
    f->logprobs = number_of(x, r, value, true, &number);
    f->n_top = f->logprobs ? (size_t)number : 0;
    return f->logprobs;
}

static bool read_chat_logprobs(exchange *x, const rule *r, const json_t *value, text_form *f)
{
    f->logprobs = json_is_true(value);
    return json_is_boolean(value) || wrong(x, r, "true or false");
}

static bool read_top_logprobs(exchange *x, const rule *r, const json_t *value, text_form *f)
{
    double number;
    bool done = number_of(x, r, value, true, &number);
    f->n_top = done ? (size_t)number : 0;
    return done;
}

static bool read_messages(exchange *x, const rule *r, const json_t *value, text_form *f)
{
    f->messages = value;
    return json_is_array(value) || wrong(x, r, "a list of messages");
}

static bool read_template_options(exchange *x, const rule *r, const json_t *value, text_form *f)
{
    f->template_options = value;
    return json_is_object(value) || wrong(x, r, "an object");
}

static bool read_model(exchange *x, const rule *r, const json_t *value, text_form *f)
{
    f->model = json_string_value(value);
    return f->model || wrong(x, r, "a string");
}

static bool read_stream(exchange *x, const rule *r, const json_t *value, text_form *f)
{
    f->stream = json_is_true(value);
    return json_is_boolean(value) || wrong(x, r, "true or false");
}

static bool read_token_ids(exchange *x, const rule *r, const json_t *value, text_form *f)
{
    f->token_ids = json_is_true(value);
    return json_is_boolean(value) || wrong(x, r, "true or false");
}

static bool read_stream_options(exchange *x, const rule *r, const json_t *value, text_form *f)
{
    const json_t *usage = json_object_get(value, "include_usage");
    f->stream_usage = json_is_true(usage);
    return (json_object_size(value) == (usage ? 1 : 0) && (!usage || json_is_boolean(usage)) &&
            json_is_object(value)) ||
           wrong(x, r, "an object with 'include_usage' alone");
}

static bool read_tokens(exchange *x, const rule *r, const json_t *list, text_form *f)
{
    size_t n = json_array_size(list);
    free(f->tokens);
    f->tokens = malloc(n * sizeof *f->tokens);
    if (!f->tokens) {
        answer_error(x, 503, NULL, "the server has too little memory");
        return false;
    }
    for (f->n_tokens = 0; f->n_tokens < n; f->n_tokens++) {
        const json_t *id = json_array_get(list, f->n_tokens);
        if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) > INT32_MAX)
            return wrong(x, r, "a text, or a list of token ids");
        f->tokens[f->n_tokens] = (int32_t)json_integer_value(id);
    }
    return true;
}

/* A text, a list of ids, or a list of one of these. */
static bool read_prompt(exchange *x, const rule *r, const json_t *value, text_form *f)
{
    const json_t *first = json_array_get(value, 0);
    bool nested = first && !json_is_integer(first);
    if (nested && json_array_size(value) > 1) {
        answer_error(x, 400, r->name, "a request has one prompt: send one request for each");
        return false;
    }
    if (nested)
        value = first;
    if (json_is_array(value) && json_array_size(value))
        return read_tokens(x, r, value, f);
    f->prompt = json_string_value(value);
    f->prompt_size = json_string_length(value);
    return f->prompt || wrong(x, r, "a text, or a list of token ids");
}

static bool read_stop(exchange *x, const rule *r, const json_t *value, text_form *f)
{
    size_t n = json_is_array(value) ? json_array_size(value) : 1;
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_is_array(value) ? json_array_get(value, i) : value);
        if (!text || !*text || i == MAX_STOPS)
            return wrong(x, r, "a text, or a list of 4 texts at most, none of them empty");
        f->stops[f->n_stops++] = text;
    }
    return true;
}

static bool read_only(exchange *x, const rule *r, const json_t *value, text_form *f)
{
    (void)f;
    json_t *only = json_loads(r->more, JSON_DECODE_ANY, NULL);
    bool same = json_equal(only, value) || (json_is_number(only) && json_is_number(value) &&
                                            json_number_value(only) == json_number_value(value));
    json_decref(only);
    if (!same)
        answer_error(x, 400, r->name, "%s is not supported here: it may be %s alone", r->name, r->more);
    return same;
}

static bool ignore(exchange *x, const rule *r, const json_t *value, text_form *f)
{
    (void)f;
    return json_is_string(value) || wrong(x, r, "a string");
}

/* ---- The fields ---- */

static const rule rules[] = {
    {"model", read_model, NULL, 0, 0, 0},
    {"prompt", read_prompt, NULL, 0, 0, FORM_TEXT},
    {"messages", read_messages, NULL, 0, 0, FORM_CHAT},
    {"max_tokens", read_max_tokens, NULL, 1, MAX_TOKENS, 0},
    {"max_completion_tokens", read_max_tokens, NULL, 1, MAX_TOKENS, FORM_CHAT},
    {"temperature", read_number, "temperature", 0, 2, 0},
    {"top_p", read_number, "top_p", 0, 1, 0},
    {"seed", read_integer, "seed", 0, 0x1p53, 0},
    {"stop", read_stop, NULL, 0, 0, 0},
    {"logprobs", read_logprobs, NULL, 0, 5, FORM_TEXT},
    {"logprobs", read_chat_logprobs, NULL, 0, 0, FORM_CHAT},
    {"top_logprobs", read_top_logprobs, NULL, 0, MAX_TOP_LOGPROBS, FORM_CHAT},
    {"stream", read_stream, NULL, 0, 0, 0},
    {"stream_options", read_stream_options, NULL, 0, 0, 0},
    {"user", ignore, NULL, 0, 0, 0},
    {"safety_identifier", ignore, NULL, 0, 0, FORM_CHAT},
    {"prompt_cache_key", ignore, NULL, 0, 0, FORM_CHAT},
    {"n", read_only, "1", 0, 0, 0},
    {"best_of", read_only, "1", 0, 0, FORM_TEXT},
    {"echo", read_only, "false", 0, 0, FORM_TEXT},
    {"suffix", read_only, "\"\"", 0, 0, FORM_TEXT},
    {"logit_bias", read_only, "{}", 0, 0, 0},
    {"presence_penalty", read_only, "0", 0, 0, 0},
    {"frequency_penalty", read_only, "0", 0, 0, 0},
    {"tools", read_only, "[]", 0, 0, FORM_CHAT},
    {"tool_choice", read_only, "\"none\"", 0, 0, FORM_CHAT},
    {"functions", read_only, "[]", 0, 0, FORM_CHAT},
    {"function_call", read_only, "\"none\"", 0, 0, FORM_CHAT},
    {"response_format", read_only, "{\"type\": \"text\"}", 0, 0, FORM_CHAT},
    {"modalities", read_only, "[\"text\"]", 0, 0, FORM_CHAT},
    {"audio", read_only, "null", 0, 0, FORM_CHAT},
    {"store", read_only, "false", 0, 0, FORM_CHAT},
    /* not OpenAI's: as `sibyl generate` has them; as other servers name values for the template */
    {"top_k", read_integer, "top_k", 0, 1e9, 0},
    {"min_p", read_number, "min_p", 0, 1, 0},
    {"return_token_ids", read_token_ids, NULL, 0, 0, 0}, /* as vLLM has it */
    {"repetition_penalty", read_number, "repetition_penalty", 0.01, 100, 0},
    {"chat_template_kwargs", read_template_options, NULL, 0, 0, FORM_CHAT},
};

static bool read_field(exchange *x, form_kind kind, const char *name, const json_t *value, text_form *f)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if ((!rules[i].of || rules[i].of == kind) && !strcmp(rules[i].name, name))
            return json_is_null(value) || rules[i].read(x, &rules[i], value, f);
    answer_error(x, 400, name, "there is no field '%.60s'; docs/serve.md lists those that there are", name);
    return false;
}

/* What single fields cannot tell. */
static bool check(exchange *x, form_kind kind, const text_form *f)
{
    if (kind == FORM_TEXT && !f->prompt && !f->tokens)
        answer_error(x, 400, "prompt", "there is no prompt");
    else if (kind == FORM_CHAT && !f->messages)
        answer_error(x, 400, "messages", "there are no messages");
    else if (f->n_top && !f->logprobs)
        answer_error(x, 400, "top_logprobs", "top_logprobs needs logprobs");
    else if (f->stream_usage && !f->stream)
        answer_error(x, 400, "stream_options", "stream_options needs stream");
    else
        return true;
    return false;
}

static bool has_input(const text_form *f, const char *name)
{
    for (size_t i = 0; i < f->n_inputs; i++)
        if (!strcmp(f->inputs[i].name, name))
            return true;
    return false;
}

void text_form_tokens(text_form *f, const int32_t *ids, size_t n)
{
    add_input(f, "tokens", (sib_port_value){.type = SIB_PORT_TOKENS, .tokens = {ids, n}});
}

/* OpenAI's, where nothing is given: temperature 1, and another seed each time. */
static void add_rest(text_form *f)
{
    const sib_port_value text = {.type = SIB_PORT_TEXT, .text = {f->prompt, f->prompt_size}};
    const struct {
        const char *name;
        double value;
    } numbers[] = {{"max_tokens", (double)f->max_tokens},
                   {"temperature", 1},
                   {"seed", (double)(sib_time_ns() & 0xffffffffffff)}};
    if (f->tokens)
        text_form_tokens(f, f->tokens, f->n_tokens);
    else if (f->prompt)
        add_input(f, "text", text);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!has_input(f, numbers[i].name))
            add_input(f, numbers[i].name,
                      (sib_port_value){.type = SIB_PORT_NUMBER, .number = numbers[i].value});
    if (f->n_stops)
        add_input(f, "stop", (sib_port_value){.type = SIB_PORT_TEXTS, .texts = {f->stops, f->n_stops}});
}

bool text_form_read(exchange *x, const json_t *body, form_kind kind, text_form *out)
{
    *out = (text_form){.max_tokens = kind == FORM_CHAT ? CHAT_TOKENS : 16};
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)body, name,
                        value) if (!read_field(x, kind, name, value, out)) return false;
    if (!check(x, kind, out))
        return false;
    add_rest(out);
    return true;
}

void text_form_clear(text_form *f)
{
    free(f->tokens);
    f->tokens = NULL;
}
