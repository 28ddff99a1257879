/* sibyl chat --model M: talks with a language model, a message a line. */
#include "command.h"
#include "files.h"
#include "guesses.h"
#include "interrupt.h"
#include "job_model.h"
#include "job_values.h"
#include "lines.h"
#include "shared_options.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct settings {
    const char *model, *tokenizer, *system, *tools, *history, *backend;
    extension_settings ext;
    cli_list inputs, stops;
    guess_settings guesses;
    long max_tokens, seed, threads;
    double temperature;
    int verbose;
    bool json;
} settings;

static const cli_option options[] = {
    OPT_MODEL("a model with a chat template: as of generate", .more = CHECKPOINT_IS_KEPT),
    OPT_TOKENIZER("the model's tokenizer, where there is none in its folder"),
    OPT_TEXT("system", system, "TEXT", "what the model is given before all messages"),
    OPT_FILE("tools", tools, "FILE", "a JSON list of functions that the template names to the model"),
    OPT_INTEGER("max-tokens", max_tokens, "N", 1, 1e9, "tokens of an answer at most (default: 1024)",
                .letter = 'n'),
    OPT_NUMBER("temperature", temperature, "T", 0, 1e6,
               "randomness of sampling; 0: always the most likely token (default: 0.8)"),
    OPT_INTEGER("seed", seed, "S", 0, 1e15, "seed of sampling, one more with each answer (default: 0)"),
    OPT_LIST("stop", stops, "TEXT", "text that ends an answer; may be given several times"),
    OPT_GUESSES,
    OPT_JOB_INPUT("another input of the job: top_p=0.9, samplers=llama.cpp, grammar=@FILE"),
    OPT_BACKEND,
    OPT_THREADS("0"),
    OPT_EXTENSIONS,
    OPT_VERBOSE,
    OPT_FILE("history", history, "FILE", "keep the lines that are typed in FILE, for later chats too"),
    OPT_FLAG("json", json, "print all messages as one JSON document in the end, and nothing before"),
    OPT_END};

static const char more[] =
    "Reads a message from each line of standard input and shows the answer as it is made. A line that "
    "ends with a backslash goes on; lines between two of \"\"\" are one message. /clear forgets all "
    "messages but the system's, /undo the last one and its answer, /again answers it anew, /system TEXT"
    " gives another, /tool TEXT is what a tool gave, /exit ends, as the end of input does. Ctrl-C ends "
    "an answer. Lines are edited with the keys of Emacs, and the arrows find those before.";

typedef struct chat {
    const settings *s;
    sib_job *job;
    sib_prefix_cache *read; /* what of the chat the model has read already */
    guesses guesses;
    json_t *messages, *tools; /* tools: may be NULL */
    char *answer;             /* (size) so far, with room for more; NULL: nothing */
    size_t size, room;
    long answers;
    lines *lines;
} chat;

/* ---- Messages ------------------------------------------------------------------------------------------ */

static void say(chat *c, const char *role, const char *text)
{
    json_t *message = json_object();
    json_object_set_new(message, "role", json_string(role));
    json_object_set_new(message, "content", cli_json_text(text));
    json_array_append_new(c->messages, message);
}

static bool is_last(const chat *c, const char *role)
{
    const json_t *last = json_array_get(c->messages, json_array_size(c->messages) - 1);
    const char *is = json_string_value(json_object_get(last, "role"));
    return is && !strcmp(is, role);
}

/* Takes messages away from the end up to the last of the user's; that too. */
static void take_back(chat *c, bool users)
{
    while (json_array_size(c->messages) && !is_last(c, "user") && !is_last(c, "system"))
        json_array_remove(c->messages, json_array_size(c->messages) - 1);
    if (users && is_last(c, "user"))
        json_array_remove(c->messages, json_array_size(c->messages) - 1);
}

static void begin_with(chat *c, const char *system)
{
    json_array_clear(c->messages);
    if (system && *system)
        say(c, "system", system);
}

/* A message of one line or several, free; NULL at the end of input. */
static char *read_message(const chat *c)
{
    char *text = NULL;
    bool quoted = false, more_follows = true;
    for (char *line; more_follows && (line = lines_read(c->lines, text || quoted ? ". " : "> "));
         free(line)) {
        const size_t n = strlen(line);
        if (!strcmp(line, "\"\"\"")) {
            more_follows = quoted = !quoted;
            continue;
        }
        more_follows = quoted || (n && line[n - 1] == '\\');
        if (more_follows && !quoted)
            line[n - 1] = 0;
        char *longer = text ? cli_format("%s\n%s", text, line) : cli_format("%s", line);
        free(text);
        text = longer;
    }
    return text;
}

/* ---- Answers ------------------------------------------------------------------------------------------- */

static sib_code on_text(void *context, const char *text, size_t size, sib_error *err)
{
    chat *c = context;
    (void)err;
    if (c->size + size + 1 > c->room) {
        char *longer = cli_alloc(c->room = 2 * (c->size + size + 1), 1);
        if (c->size)
            memcpy(longer, c->answer, c->size);
        free(c->answer);
        c->answer = longer;
    }
    memcpy(c->answer + c->size, text, size);
    c->answer[c->size += size] = 0;
    if (!c->s->json) {
        fwrite(text, 1, size, stdout);
        fflush(stdout);
    }
    return SIB_OK;
}

/* The tokens of all messages, sib_free(*ids). Returns false, with a line on stderr, on failure. */
static bool make_prompt(const chat *c, int32_t **ids, size_t *n)
{
    sib_error err = SIB_ERROR_INIT;
    json_t *variables = json_object();
    json_object_set(variables, "messages", c->messages);
    json_object_set_new(variables, "add_generation_prompt", json_true());
    if (c->tools)
        json_object_set(variables, "tools", c->tools);
    char *given = json_dumps(variables, JSON_COMPACT), *text = NULL;
    size_t size = 0;
    sib_code code = sib_job_chat_prompt(c->job, given, strlen(given), NULL, &text, &size, &err);
    if (code == SIB_OK)
        code =
            sib_tokenizer_encode(sib_job_tokenizer(c->job, 0), text, size, SIB_SPECIAL_FOUND, ids, n, &err);
    if (code != SIB_OK)
        cli_fail("%s", err.message);
    sib_free(text);
    free(given);
    json_decref(variables);
    return code == SIB_OK;
}

static bool add_number(job_inputs *in, const sib_job *job, const char *name, double value, bool given)
{
    char text[40];
    snprintf(text, sizeof text, "%.17g", value);
    return !given || job_inputs_add(in, job, name, text);
}

static bool add_inputs(const chat *c, job_inputs *in, const int32_t *ids, size_t n)
{
    const settings *s = c->s;
    bool done = job_inputs_add(in, c->job, "tokens", "0");
    if (done)
        in->items[in->n - 1].value.tokens.ids = ids;
    if (done)
        in->items[in->n - 1].value.tokens.n = n;
    done = done && add_number(in, c->job, "max_tokens", (double)s->max_tokens, true) &&
           add_number(in, c->job, "temperature", s->temperature, s->temperature >= 0) &&
           add_number(in, c->job, "seed", (double)(s->seed + c->answers), true) &&
           (!s->stops.n || job_inputs_add(in, c->job, "stop", ""));
    if (done && s->stops.n) {
        in->items[in->n - 1].value.texts.data = s->stops.items;
        in->items[in->n - 1].value.texts.n = s->stops.n;
    }
    return done && job_inputs_add_list(in, c->job, &s->inputs);
}

/* Answers the last message, and keeps what was said where Ctrl-C ends it. */
static bool answer(chat *c)
{
    static const char *const wanted[] = {"text"};
    int32_t *ids = NULL;
    size_t n = 0;
    sib_error err = SIB_ERROR_INIT;
    job_inputs in = {0};
    sib_job_result *r = NULL;
    const sib_cancel *cancel = interrupt_begin();
    sib_job_run_options o = {.context = c,
                             .on_text = on_text,
                             .cancel = cancel,
                             .prefix_cache = c->read,
                             .speculation = c->guesses.guessed};
    bool done = cancel && make_prompt(c, &ids, &n) && add_inputs(c, &in, ids, n);
    c->size = 0;
    if (done) {
        sib_code code = sib_job_run(c->job, in.n, in.items, 1, wanted, &o, &r, &err);
        done = code == SIB_OK || code == SIB_ERR_CANCELLED;
        if (!done)
            cli_fail("%s", err.message);
    }
    if (cancel)
        interrupt_end();
    if (done && !c->s->json) {
        putchar('\n');
        fflush(stdout);
    }
    if (done)
        say(c, "assistant", c->size ? c->answer : "");
    c->answers++;
    sib_job_result_free(&r);
    job_inputs_free(&in);
    sib_free(ids);
    return done;
}

/* ---- The chat ------------------------------------------------------------------------------------------ */

/* What stands behind a command's name, or NULL where the text is another. */
static const char *behind(const char *text, const char *name)
{
    const size_t n = strlen(name);
    return strncmp(text, name, n) != 0 || (text[n] && text[n] != ' ') ? NULL : text + n + (text[n] == ' ');
}

/* Returns false where the chat has failed; *goes_on: false where it has ended. */
static bool hear(chat *c, const char *text, bool *goes_on)
{
    if (!*text)
        return true;
    if (behind(text, "/exit")) {
        *goes_on = false;
        return true;
    }
    if (behind(text, "/clear") || behind(text, "/system")) {
        const char *system = behind(text, "/system");
        json_t *first = json_incref(json_array_get(c->messages, 0));
        const char *role = json_string_value(json_object_get(first, "role")),
                   *was = json_string_value(json_object_get(first, "content"));
        begin_with(c, system ? system : role && !strcmp(role, "system") ? was : NULL);
        json_decref(first);
        return true;
    }
    if (behind(text, "/undo") || behind(text, "/again")) {
        take_back(c, behind(text, "/undo") != NULL);
        return behind(text, "/undo") || !is_last(c, "user") || answer(c);
    }
    if (text[0] == '/' && !behind(text, "/tool")) {
        fprintf(stderr, "sibyl: no command '%s': /again, /clear, /exit, /system, /tool, /undo\n", text);
        return true;
    }
    const char *rest = behind(text, "/tool");
    say(c, rest ? "tool" : "user", rest ? rest : text);
    return answer(c);
}

/* Whether the model has a template that takes a message: before anybody types one. */
static bool takes_messages(chat *c)
{
    int32_t *ids = NULL;
    size_t n = 0;
    say(c, "user", ".");
    const bool does = make_prompt(c, &ids, &n);
    sib_free(ids);
    json_array_remove(c->messages, json_array_size(c->messages) - 1);
    return does;
}

static int talk(chat *c)
{
    bool done, goes_on = true;
    begin_with(c, c->s->system);
    done = takes_messages(c);
    for (char *text; done && goes_on && (text = read_message(c)); free(text))
        done = hear(c, text, &goes_on);
    if (done && c->s->json)
        cli_json_print(json_incref(c->messages));
    return done ? CLI_DONE : CLI_FAILED;
}

static int open_and_talk(const settings *s)
{
    chat c = {.s = s, .messages = json_array()};
    size_t size = 0;
    const sib_job_options how = {.kind = "text-generation",
                                 .tokenizer = s->tokenizer,
                                 .backends = s->backend,
                                 .threads = (unsigned)s->threads,
                                 .registry = s->ext.registry,
                                 .log = verbose_log(s->verbose)};
    char *tools = s->tools ? file_read(s->tools, SIZE_MAX, &size) : NULL;
    int code = CLI_FAILED;
    c.tools = tools ? json_loadb(tools, size, 0, NULL) : NULL;
    if (s->tools && tools && !json_is_array(c.tools))
        cli_fail("%s: is not a JSON list of tools", s->tools);
    else if (!s->tools || tools)
        c.job = job_model_open(s->model, &how);
    sib_error err = SIB_ERROR_INIT;
    if (c.job && sib_prefix_cache_create(c.job, 1, &c.read, &err) != SIB_OK)
        cli_fail("%s", err.message);
    else if (c.job && guesses_open(&s->guesses, c.job, &how, &c.guesses) &&
             (c.lines = lines_open(isatty(STDIN_FILENO) && !s->json, s->history)))
        code = talk(&c);
    if (s->verbose >= 0)
        guesses_say(&c.guesses);
    lines_close(c.lines);
    guesses_close(&c.guesses);
    sib_prefix_cache_free(&c.read);
    sib_job_free(&c.job);
    json_decref(c.messages);
    json_decref(c.tools);
    free(c.answer);
    free(tools);
    return code;
}

static int run_chat(const cli_command *self, int argc, char **argv)
{
    settings s = {.temperature = -1, .max_tokens = 1024, .verbose = -1, .guesses = GUESS_DEFAULTS};
    int n, code;
    if (!cli_begin(self, argc, argv, &s, &n, &code))
        return code;
    if (n)
        code = cli_usage(self, "'%s': messages come from standard input", argv[0]);
    else if (!s.model)
        code = cli_usage(self, "give the model with --model");
    else if (guesses_misused(&s.guesses))
        code = cli_usage(self, "%s", guesses_misused(&s.guesses));
    else
        code = extensions_load(&s.ext) ? open_and_talk(&s) : CLI_FAILED;
    extensions_free(&s.ext);
    free(s.inputs.items);
    free(s.stops.items);
    return code;
}

const cli_command command_chat = {.name = "chat",
                                  .summary = "talk with a language model",
                                  .operands = "--model M [options]",
                                  .options = options,
                                  .takes = CLI_TEXTS,
                                  .more = more,
                                  .run = run_chat};
