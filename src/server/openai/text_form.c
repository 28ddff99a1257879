#include "server/openai/text_form.h"

#include "server/openai/chat_schema.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TOKENS 1048576.0 /* that a request may ask for; time ends it before */

/* ---- Kinds of fields ---- */

typedef struct rule rule;
struct rule {
    const char *name;
    bool (*read)(exchange *x, const rule *r, const json_t *value, text_form *f);
    const char *more; /* the job's input; or the only value that is taken */
    double min, max;  /* of numbers */
    unsigned of;      /* form_kind: the routes that have it, 0: all */
    size_t member;    /* of the form: a count or a flag */
};

static bool has_input(const text_form *f, const char *name)
{
    for (size_t i = 0; i < f->n_inputs; i++)
        if (!strcmp(f->inputs[i].name, name))
            return true;
    return false;
}

static void add_input(text_form *f, const char *name, sib_port_value value)
{
    f->inputs[f->n_inputs++] = (sib_job_value){name, value};
}

/* The job's input of a field, which may have several names. */
static bool put_input(exchange *x, const rule *r, sib_port_value value, text_form *f)
{
    if (has_input(f, r->more)) {
        answer_error(x, 400, r->name, "%s is another name of a field that is given as well", r->name);
        return false;
    }
    add_input(f, r->more, value);
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
           put_input(x, r, (sib_port_value){.type = SIB_PORT_NUMBER, .number = number}, f);
}

static bool read_integer(exchange *x, const rule *r, const json_t *value, text_form *f)
{
    double number;
    return number_of(x, r, value, true, &number) &&
           put_input(x, r, (sib_port_value){.type = SIB_PORT_NUMBER, .number = number}, f);
}

/* How many tokens are looked back at; llama.cpp says -1 for all, where the job says 0. */
static bool read_lookback(exchange *x, const rule *r, const json_t *value, text_form *f)
{
    double number = -1;
    const bool all = json_is_integer(value) && json_integer_value(value) == -1;
    if (!all && !number_of(x, r, value, true, &number))
        return false;
    return put_input(x, r, (sib_port_value){.type = SIB_PORT_NUMBER, .number = all ? 0 : number}, f);
}

static bool read_text(exchange *x, const rule *r, const json_t *value, text_form *f)
{
    const char *text = json_string_value(value);
    return text ? put_input(x, r, (sib_port_value){.type = SIB_PORT_TEXT, .text = {text, strlen(text)}}, f)
                : wrong(x, r, "a text");
}

static bool read_grammar(exchange *x, const rule *r, const json_t *value, text_form *f)
{
    sib_error err = SIB_ERROR_INIT;
    const char *text = json_string_value(value);
    if (!text)
        return wrong(x, r, "a text");
    if (sib_grammar_check(text, strlen(text), &err) == SIB_OK)
        return read_text(x, r, value, f);
    answer_error(x, err.code == SIB_ERR_MEMORY ? 503 : 400, r->name, "%s: %s", r->name, err.message);
    return false;
}

static bool read_breakers(exchange *x, const rule *r, const json_t *value, text_form *f)
{
    const size_t n = json_array_size(value);
    bool texts = json_is_array(value) && n <= MAX_BREAKERS;
    for (size_t i = 0; i < n && texts; i++) {
        f->breakers[i] = json_string_value(json_array_get(value, i));
        texts = f->breakers[i] && *f->breakers[i] && strlen(f->breakers[i]) <= MAX_BREAKERS;
    }
    return texts ? put_input(x, r, (sib_port_value){.type = SIB_PORT_TEXTS, .texts = {f->breakers, n}}, f)
                 : wrong(x, r, "a list of at most 64 texts of 1 to 64 bytes");
}

static bool read_count(exchange *x, const rule *r, const json_t *value, text_form *f)
{
    double number;
    bool done = number_of(x, r, value, true, &number);
    if (done)
        *(uint64_t *)(void *)((char *)f + r->member) = (uint64_t)number;
    return done;
}

static bool read_flag(exchange *x, const rule *r, const json_t *value, text_form *f)
{
    *(bool *)((char *)f + r->member) = json_is_true(value);
    return json_is_boolean(value) || wrong(x, r, "true or false");
}

static bool read_seed(exchange *x, const rule *r, const json_t *value, text_form *f)
{
    return number_of(x, r, value, true, &f->seed);
}

static bool no_memory(exchange *x)
{
    answer_error(x, 503, NULL, "the server has too little memory");
    return false;
}

/* {"50256": -100} */
static bool read_biases(exchange *x, const rule *r, const json_t *value, text_form *f)
{
    static const char expected[] =
        "an object with at most 1024 token ids as names, and numbers from -100 to 100";
    size_t n = json_object_size(value);
    const char *name;
    json_t *by;
    if (!json_is_object(value) || n > MAX_BIASES)
        return wrong(x, r, expected);
    f->biased = malloc((n ? n : 1) * sizeof *f->biased);
    f->biases = malloc((n ? n : 1) * sizeof *f->biases);
    if (!f->biased || !f->biases)
        return no_memory(x);
    json_object_foreach((json_t *)(uintptr_t)value, name, by)
    {
        size_t digits = strspn(name, "0123456789");
        double number = json_number_value(by);
        if (!digits || digits > 9 || name[digits] || !json_is_number(by) ||
            !(number >= -100 && number <= 100))
            return wrong(x, r, expected);
        f->biased[f->n_biases] = (int32_t)strtol(name, NULL, 10);
        f->biases[f->n_biases++] = number;
    }
    return true;
}

static bool read_logprobs(exchange *x, const rule *r, const json_t *value, text_form *f)
{
    return f->logprobs = read_count(x, r, value, f);
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

/* A name as OpenAI's API has them. */
static bool is_tool_name(const json_t *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    size_t n = json_string_length(name);
    return n && n <= MAX_TOOL_NAME && strspn(json_string_value(name), letters) == n;
}

/* [{"type": "function", "function": {"name", ...}}] */
static bool read_tools(exchange *x, const rule *r, const json_t *value, text_form *f)
{
    size_t n = json_array_size(value);
    if (!json_is_array(value) || n > MAX_TOOLS)
        return wrong(x, r, "a list of at most 128 tools");
    for (size_t i = 0; i < n; i++) {
        const json_t *tool = json_array_get(value, i), *function = json_object_get(tool, "function");
        const char *type = json_string_value(json_object_get(tool, "type"));
        if (type && strcmp(type, "function") != 0) {
            answer_error(x, 400, r->name, "tool %zu: the type '%.40s' is not supported here: functions alone",
                         i, type);
            return false;
        }
        if (!type || !is_tool_name(json_object_get(function, "name"))) {
            answer_error(
                x, 400, r->name,
                "tool %zu must be {\"type\": \"function\", \"function\": {\"name\": ...}}, with a name of "
                "1 to %d letters, digits, _ and -",
                i, MAX_TOOL_NAME);
            return false;
        }
    }
    f->tools = n ? value : NULL;
    return true;
}

static bool read_tool_choice(exchange *x, const rule *r, const json_t *value, text_form *f)
{
    (void)r;
    return chat_choice_read(x, value, f);
}

static bool read_response_format(exchange *x, const rule *r, const json_t *value, text_form *f)
{
    (void)r;
    return chat_format_read(x, value, f);
}

static bool read_model(exchange *x, const rule *r, const json_t *value, text_form *f)
{
    f->model = json_string_value(value);
    return f->model || wrong(x, r, "a string");
}

static bool read_stream_options(exchange *x, const rule *r, const json_t *value, text_form *f)
{
    const json_t *usage = json_object_get(value, "include_usage");
    f->stream_usage = json_is_true(usage);
    return (json_object_size(value) == (usage ? 1 : 0) && (!usage || json_is_boolean(usage)) &&
            json_is_object(value)) ||
           wrong(x, r, "an object with 'include_usage' alone");
}

static const char a_prompt[] = "a text, a list of token ids, or a list of at most 64 of these";

static bool read_tokens(exchange *x, const rule *r, const json_t *list, text_prompt *out)
{
    size_t n = json_array_size(list);
    out->owned = malloc(n * sizeof *out->owned);
    if (!out->owned)
        return no_memory(x);
    for (out->n_ids = 0; out->n_ids < n; out->n_ids++) {
        const json_t *id = json_array_get(list, out->n_ids);
        if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) > INT32_MAX)
            return wrong(x, r, a_prompt);
        out->owned[out->n_ids] = (int32_t)json_integer_value(id);
    }
    out->ids = out->owned;
    return true;
}

static bool read_one_prompt(exchange *x, const rule *r, const json_t *value, text_form *f)
{
    text_prompt *p = &f->prompts[f->n_prompts++];
    if (json_array_size(value))
        return read_tokens(x, r, value, p);
    p->text = json_string_value(value);
    p->size = json_string_length(value);
    return p->text || wrong(x, r, a_prompt);
}

/* A text, a list of ids, or a list of these. */
static bool read_prompt(exchange *x, const rule *r, const json_t *value, text_form *f)
{
    const json_t *first = json_array_get(value, 0);
    if (!first || json_is_integer(first))
        return read_one_prompt(x, r, value, f);
    if (json_array_size(value) > MAX_PROMPTS)
        return wrong(x, r, a_prompt);
    for (size_t i = 0; i < json_array_size(value); i++)
        if (!read_one_prompt(x, r, json_array_get(value, i), f))
            return false;
    return true;
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
    {"model", read_model, NULL, 0, 0, 0, 0},
    {"prompt", read_prompt, NULL, 0, 0, FORM_TEXT, 0},
    {"messages", read_messages, NULL, 0, 0, FORM_CHAT, 0},
    {"max_tokens", read_count, NULL, 1, MAX_TOKENS, 0, offsetof(text_form, max_tokens)},
    {"max_completion_tokens", read_count, NULL, 1, MAX_TOKENS, FORM_CHAT, offsetof(text_form, max_tokens)},
    {"temperature", read_number, "temperature", 0, 2, 0, 0},
    {"top_p", read_number, "top_p", 0, 1, 0, 0},
    {"seed", read_seed, NULL, 0, 0x1p52, 0, 0},
    {"stop", read_stop, NULL, 0, 0, 0, 0},
    {"logprobs", read_logprobs, NULL, 0, 5, FORM_TEXT, offsetof(text_form, n_top)},
    {"logprobs", read_flag, NULL, 0, 0, FORM_CHAT, offsetof(text_form, logprobs)},
    {"top_logprobs", read_count, NULL, 0, MAX_TOP_LOGPROBS, FORM_CHAT, offsetof(text_form, n_top)},
    {"stream", read_flag, NULL, 0, 0, 0, offsetof(text_form, stream)},
    {"stream_options", read_stream_options, NULL, 0, 0, 0, 0},
    {"user", ignore, NULL, 0, 0, 0, 0},
    {"safety_identifier", ignore, NULL, 0, 0, FORM_CHAT, 0},
    {"prompt_cache_key", ignore, NULL, 0, 0, FORM_CHAT, 0},
    {"n", read_count, NULL, 1, MAX_CHOICES, 0, offsetof(text_form, n_choices)},
    {"best_of", read_only, "1", 0, 0, FORM_TEXT, 0},
    {"echo", read_flag, NULL, 0, 0, FORM_TEXT, offsetof(text_form, echo)},
    {"suffix", read_only, "\"\"", 0, 0, FORM_TEXT, 0},
    {"logit_bias", read_biases, NULL, 0, 0, 0, 0},
    {"presence_penalty", read_number, "presence_penalty", -2, 2, 0, 0},
    {"frequency_penalty", read_number, "frequency_penalty", -2, 2, 0, 0},
    {"tools", read_tools, NULL, 0, 0, FORM_CHAT, 0},
    {"tool_choice", read_tool_choice, NULL, 0, 0, FORM_CHAT, 0},
    {"parallel_tool_calls", read_flag, NULL, 0, 0, FORM_CHAT, offsetof(text_form, parallel_calls)},
    {"functions", read_only, "[]", 0, 0, FORM_CHAT, 0},
    {"function_call", read_only, "\"none\"", 0, 0, FORM_CHAT, 0},
    {"response_format", read_response_format, NULL, 0, 0, FORM_CHAT, 0},
    {"modalities", read_only, "[\"text\"]", 0, 0, FORM_CHAT, 0},
    {"audio", read_only, "null", 0, 0, FORM_CHAT, 0},
    {"store", read_only, "false", 0, 0, FORM_CHAT, 0},
    /* not OpenAI's: as `sibyl generate` has them; as other servers name values for the template */
    {"top_k", read_integer, "top_k", 0, 1e9, 0, 0},
    {"min_p", read_number, "min_p", 0, 1, 0, 0},
    {"return_token_ids", read_flag, NULL, 0, 0, 0, offsetof(text_form, token_ids)}, /* as vLLM has it */
    {"repetition_penalty", read_number, "repetition_penalty", 0.01, 100, 0, 0},
    {"typical_p", read_number, "typical_p", 0, 1, 0, 0},
    {"xtc_probability", read_number, "xtc_probability", 0, 1, 0, 0},
    {"xtc_threshold", read_number, "xtc_threshold", 0, 1, 0, 0},
    {"mirostat", read_integer, "mirostat", 0, 2, 0, 0},
    {"mirostat_tau", read_number, "mirostat_tau", 0, 1e3, 0, 0},
    {"mirostat_eta", read_number, "mirostat_eta", 0, 1e3, 0, 0},
    {"samplers", read_text, "samplers", 0, 0, 0, 0},
    {"penalty_last_n", read_integer, "penalty_last_n", 0, 1e9, 0, 0},
    {"dry_multiplier", read_number, "dry_multiplier", 0, 1e6, 0, 0},
    {"dry_base", read_number, "dry_base", 0, 1e6, 0, 0},
    {"dry_allowed_length", read_integer, "dry_allowed_length", 1, 1e9, 0, 0},
    {"dry_last_n", read_integer, "dry_last_n", 0, 1e9, 0, 0},
    {"dry_breakers", read_breakers, "dry_breakers", 0, 0, 0, 0},
    {"grammar", read_grammar, "grammar", 0, 0, 0, 0},
    /* the same as llama.cpp's server names them, and vLLM's */
    {"repeat_penalty", read_number, "repetition_penalty", 0.01, 100, 0, 0},
    {"repeat_last_n", read_lookback, "penalty_last_n", 1, 1e9, 0, 0},
    {"dry_penalty_last_n", read_lookback, "dry_last_n", 1, 1e9, 0, 0},
    {"dry_sequence_breakers", read_breakers, "dry_breakers", 0, 0, 0, 0},
    {"guided_grammar", read_grammar, "grammar", 0, 0, 0, 0},
    {"chat_template_kwargs", read_template_options, NULL, 0, 0, FORM_CHAT, 0},
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
    if (kind == FORM_TEXT && !f->n_prompts)
        answer_error(x, 400, "prompt", "there is no prompt");
    else if (kind == FORM_CHAT && !f->messages)
        answer_error(x, 400, "messages", "there are no messages");
    else if (f->n_top && !f->logprobs)
        answer_error(x, 400, "top_logprobs", "top_logprobs needs logprobs");
    else if (f->n_prompts * f->n_choices > MAX_CHOICES)
        answer_error(x, 400, "n", "n times the number of prompts may be %d at most", MAX_CHOICES);
    else if (f->echo && f->token_ids)
        answer_error(x, 400, "echo", "echo is not supported with return_token_ids");
    else if (f->stream_usage && !f->stream)
        answer_error(x, 400, "stream_options", "stream_options needs stream");
    else
        return true;
    return false;
}

/* OpenAI's, where nothing is given: temperature 1, and another seed each time. */
static void add_rest(text_form *f)
{
    if (!has_input(f, "temperature"))
        add_input(f, "temperature", (sib_port_value){.type = SIB_PORT_NUMBER, .number = 1});
    if (f->seed < 0)
        f->seed = (double)(sib_time_ns() & 0xffffffffffff);
    if (f->n_stops)
        add_input(f, "stop", (sib_port_value){.type = SIB_PORT_TEXTS, .texts = {f->stops, f->n_stops}});
    if (!f->n_biases)
        return;
    add_input(f, "bias_tokens",
              (sib_port_value){.type = SIB_PORT_TOKENS, .tokens = {f->biased, f->n_biases}});
    add_input(f, "biases", (sib_port_value){.type = SIB_PORT_NUMBERS, .numbers = {f->biases, f->n_biases}});
}

bool text_form_read(exchange *x, const json_t *body, form_kind kind, text_form *out)
{
    *out = (text_form){
        .max_tokens = kind == FORM_CHAT ? 0 : 16, .n_choices = 1, .seed = -1, .parallel_calls = true};
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)body, name,
                        value) if (!read_field(x, kind, name, value, out)) return false;
    if (!check(x, kind, out))
        return false;
    if (out->choice == CHOICE_NONE)
        out->tools = NULL; /* a model that knows of none calls none */
    add_rest(out);
    if (!chat_schema_make(x, out))
        return false;
    if (out->schema && has_input(out, "grammar")) {
        answer_error(x, 400, "grammar", "grammar is not supported with response_format or a call of a tool");
        return false;
    }
    if (out->schema)
        add_input(out, "json_schema",
                  (sib_port_value){.type = SIB_PORT_TEXT, .text = {out->schema, strlen(out->schema)}});
    return true;
}

void text_form_clear(text_form *f)
{
    for (size_t i = 0; i < f->n_prompts; i++)
        free(f->prompts[i].owned);
    free(f->biased);
    free(f->biases);
    json_decref(f->format);
    free(f->schema);
    f->format = NULL;
    f->schema = NULL;
    f->biased = NULL;
    f->biases = NULL;
    f->n_prompts = 0;
}
