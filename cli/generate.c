/* sibyl generate --model M: text on from a text. */
#include "command.h"
#include "files.h"
#include "interrupt.h"
#include "job_model.h"
#include "job_values.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct settings {
    const char *model, *tokenizer, *prompt, *tokens;
    cli_list inputs, stops;
    long max_tokens, top_k, seed, threads;
    double temperature, top_p;
    bool perplexity, json;
} settings;

static const cli_option options[] = {
    JOB_OPTION_MODEL(
        settings,
        "an ONNX model that `sibyl import` made, a job's document,\na folder with one, or an installed "
        "model"),
    JOB_OPTION_TOKENIZER(settings, "the model's tokenizer, where none stands beside it"),
    {.name = "prompt",
     .letter = 'p',
     .kind = CLI_TEXT,
     .field = offsetof(settings, prompt),
     .value = "TEXT",
     .help = "what comes before (- as operand: standard input)"},
    {.name = "tokens",
     .kind = CLI_TEXT,
     .field = offsetof(settings, tokens),
     .value = "IDS",
     .help = "the same as ids, 1,2,3"},
    {.name = "max-tokens",
     .letter = 'n',
     .kind = CLI_WHOLE,
     .field = offsetof(settings, max_tokens),
     .value = "N",
     .help = "most tokens (128)",
     .min = 1,
     .max = 1e9},
    {.name = "temperature",
     .kind = CLI_NUMBER,
     .field = offsetof(settings, temperature),
     .value = "T",
     .help = "spread of the choice (0.8); 0: always the likeliest",
     .min = -1e-9,
     .max = 1e6},
    {.name = "top-k",
     .kind = CLI_WHOLE,
     .field = offsetof(settings, top_k),
     .value = "K",
     .help = "only the K likeliest tokens",
     .min = 1,
     .max = 1e9},
    {.name = "top-p",
     .kind = CLI_NUMBER,
     .field = offsetof(settings, top_p),
     .value = "P",
     .help = "only the likeliest that together reach P",
     .min = 0,
     .max = 1},
    {.name = "seed",
     .kind = CLI_WHOLE,
     .field = offsetof(settings, seed),
     .value = "S",
     .help = "of the choice (0)",
     .min = 0,
     .max = 1e15},
    {.name = "stop",
     .kind = CLI_LIST,
     .field = offsetof(settings, stops),
     .value = "TEXT",
     .help = "a text that ends it"},
    {.name = "perplexity",
     .kind = CLI_FLAG,
     .field = offsetof(settings, perplexity),
     .help = "how likely the prompt is; nothing is generated"},
    JOB_OPTION_INPUT(settings,
                     "another input of the job: min_p=0.05,\nrepetition_penalty=1.1, stop_tokens=0"),
    CLI_OPTION_THREADS(settings, "one per processor"),
    {.name = "json", .kind = CLI_FLAG, .field = offsetof(settings, json), .help = "print one JSON document"},
    {0}};

static const char more[] =
    "The text appears as it is made. `sibyl job --ports M` lists all inputs of a model's job.\n";

/* A number of the settings as an input; given: it was. */
static bool add_number(job_inputs *in, const sib_job *job, const char *name, double value, bool given)
{
    char text[40];
    snprintf(text, sizeof text, "%.17g", value);
    return !given || job_inputs_add(in, job, name, text);
}

static bool add_stops(job_inputs *in, const sib_job *job, const cli_list *stops)
{
    if (!stops->n)
        return true;
    if (!job_inputs_add(in, job, "stop", stops->items[0]))
        return false;
    sib_port_value *v = &in->items[in->n - 1].value;
    v->texts.data = stops->items;
    v->texts.n = stops->n;
    return true;
}

/* prompt: (size) or NULL, where there are tokens. */
static bool add_inputs(job_inputs *in, const sib_job *job, const settings *s, const char *prompt, size_t size)
{
    bool done = prompt ? job_inputs_add(in, job, "text", "") : job_inputs_add(in, job, "tokens", s->tokens);
    if (done && prompt) { /* as it stands, a first @ too */
        in->items[in->n - 1].value.text.data = prompt;
        in->items[in->n - 1].value.text.size = size;
    }
    return done && add_number(in, job, "max_tokens", (double)s->max_tokens, s->max_tokens > 0) &&
           add_number(in, job, "temperature", fmax(s->temperature, 0), s->temperature > -1) &&
           add_number(in, job, "top_k", (double)s->top_k, s->top_k > 0) &&
           add_number(in, job, "top_p", s->top_p, s->top_p > 0) &&
           add_number(in, job, "seed", (double)s->seed, s->seed >= 0) && add_stops(in, job, &s->stops) &&
           job_inputs_add_list(in, job, &s->inputs);
}

static sib_code on_text(void *context, const char *text, size_t size, sib_error *err)
{
    (void)context;
    (void)err;
    fwrite(text, 1, size, stdout);
    fflush(stdout);
    return SIB_OK;
}

static bool run(const settings *s, const sib_job *job, const char *prompt, size_t size)
{
    static const char *const generated[] = {"text", "tokens", "logprobs"}, *const scored[] = {"perplexity"};
    sib_error err = SIB_ERROR_INIT;
    job_inputs in = {0};
    sib_job_result *r = NULL;
    const sib_cancel *cancel = interrupt_begin();
    sib_job_run_options o = {.on_text = s->json || s->perplexity ? NULL : on_text, .cancel = cancel};
    bool done = cancel && add_inputs(&in, job, s, prompt, size);
    if (done && sib_job_run(job, in.n, in.items, s->perplexity ? 1 : 3, s->perplexity ? scored : generated,
                            &o, &r, &err) != SIB_OK) {
        cli_fail("%s", err.message);
        done = false;
    }
    if (cancel)
        interrupt_end();
    sib_job_value v;
    json_t *all = json_object();
    for (size_t i = 0; done && s->json && sib_job_result_get(r, i, &v); i++)
        json_object_set_new(all, v.name, job_value_json(&v.value));
    if (done && s->json)
        cli_json_print(json_incref(all));
    else if (done && s->perplexity)
        printf("%.6g\n", sib_job_result_find(r, "perplexity")->number);
    else if (done)
        putchar('\n');
    json_decref(all);
    sib_job_result_free(&r);
    job_inputs_free(&in);
    return done;
}

/* input: the prompt is standard input. */
static int go_on(const settings *s, bool input)
{
    sib_job *job = job_model_open(s->model, "text-generation", s->tokenizer, s->threads);
    size_t size = s->prompt ? strlen(s->prompt) : 0;
    char *text = job && input ? file_read_stream(stdin, "standard input", SIZE_MAX, &size) : NULL;
    bool done = job && (text || !input) && run(s, job, text ? text : s->prompt, size);
    free(text);
    sib_job_free(&job);
    return done ? CLI_DONE : CLI_FAILED;
}

static int generate(const cli_command *self, int argc, char **argv)
{
    settings s = {.temperature = -1, .seed = -1};
    int n, code;
    if (!cli_begin(self, argc, argv, &s, &n, &code))
        return code;
    bool input = n == 1 && !strcmp(argv[0], "-");
    if (n > 1 || (n == 1 && !input))
        code = cli_usage(self, "'%s': the text is given with --prompt, or - for standard input", argv[0]);
    else if (!s.model)
        code = cli_usage(self, "the model is named with --model");
    else if ((s.prompt != NULL) + (s.tokens != NULL) + input != 1)
        code = cli_usage(self, "one of --prompt, --tokens and - says what comes before");
    else
        code = go_on(&s, input);
    free(s.inputs.items);
    free(s.stops.items);
    return code;
}

const cli_command command_generate = {.name = "generate",
                                      .summary = "text on from a text, or how likely a text is",
                                      .operands = "--model M (--prompt TEXT | -) [options]",
                                      .options = options,
                                      .more = more,
                                      .run = generate};
