/* sibyl generate --model M: continues a text. */
#include "command.h"
#include "files.h"
#include "interrupt.h"
#include "job_model.h"
#include "job_values.h"
#include "shared_options.h"

#include <stdlib.h>
#include <string.h>

typedef struct settings {
    const char *model, *tokenizer, *prompt, *tokens, *schema, *backend, *trace;
    extension_settings ext;
    cli_list inputs, stops;
    long max_tokens, top_k, seed, threads;
    double temperature, top_p;
    int verbose;
    bool perplexity, json, object;
} settings;

static const cli_option options[] = {
    OPT_MODEL("an ONNX model, a checkpoint (safetensors, PyTorch, GGUF, rwkv.cpp, a Hugging Face folder), a "
              "job's document, "
              "a folder with one, or an installed model",
              .more = CHECKPOINT_IS_KEPT),
    OPT_TOKENIZER("the model's tokenizer, where there is none in its folder"),
    OPT_TEXT("prompt", prompt, "TEXT", "text to continue (the operand - reads it from standard input)",
             .letter = 'p'),
    OPT_TEXT("tokens", tokens, "IDS", "the same as ids: 1,2,3"),
    OPT_INTEGER("max-tokens", max_tokens, "N", 1, 1e9, "tokens to generate at most (default: 128)",
                .letter = 'n'),
    OPT_NUMBER("temperature", temperature, "T", 0, 1e6,
               "randomness of sampling; 0: always the most likely token (default: 0.8)"),
    OPT_INTEGER("top-k", top_k, "K", 1, 1e9, "sample from the K most likely tokens only"),
    OPT_NUMBER("top-p", top_p, "P", 0, 1,
               "sample from the most likely tokens that together reach probability P", .above = true),
    OPT_INTEGER("seed", seed, "S", 0, 1e15, "seed of sampling (default: 0)"),
    OPT_LIST("stop", stops, "TEXT", "text that ends generation; may be given several times"),
    OPT_TEXT("json-schema", schema, "FILE", "generate JSON of this JSON Schema"),
    OPT_FLAG("json-object", object, "generate JSON, an object"),
    OPT_FLAG("perplexity", perplexity, "print how likely the prompt is, and generate nothing"),
    OPT_JOB_INPUT("another input of the job: min_p=0.05, repetition_penalty=1.1, stop_tokens=0"),
    OPT_BACKEND,
    OPT_THREADS("0"),
    OPT_TRACE,
    OPT_EXTENSIONS,
    OPT_VERBOSE,
    OPT_JSON,
    OPT_END};

static const char more[] =
    "Continues a text with a language model, token by token, and shows the text as it is made; or prints "
    "how likely a text is. 'sibyl job --ports MODEL' lists all inputs of a model.";

/* Adds a number of the settings as an input if it was given. */
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

/* What the text must be, if anything is said of it. */
static bool add_schema(job_inputs *in, const sib_job *job, const settings *s)
{
    char *file = s->schema ? cli_format("@%s", s->schema) : NULL;
    bool done = (!s->schema && !s->object) ||
                job_inputs_add(in, job, "json_schema", file ? file : "{\"type\": \"object\"}");
    free(file);
    return done;
}

/* prompt: (size) or NULL, where there are tokens. */
static bool add_inputs(job_inputs *in, const sib_job *job, const settings *s, const char *prompt, size_t size)
{
    bool done = prompt ? job_inputs_add(in, job, "text", "") : job_inputs_add(in, job, "tokens", s->tokens);
    if (done && prompt) { /* verbatim, even with an @ at its start */
        in->items[in->n - 1].value.text.data = prompt;
        in->items[in->n - 1].value.text.size = size;
    }
    return done && add_number(in, job, "max_tokens", (double)s->max_tokens, s->max_tokens > 0) &&
           add_number(in, job, "temperature", s->temperature, s->temperature >= 0) &&
           add_number(in, job, "top_k", (double)s->top_k, s->top_k > 0) &&
           add_number(in, job, "top_p", s->top_p, s->top_p > 0) &&
           add_number(in, job, "seed", (double)s->seed, s->seed >= 0) && add_stops(in, job, &s->stops) &&
           add_schema(in, job, s) && job_inputs_add_list(in, job, &s->inputs);
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
    bool done = cancel && trace_begin(s->trace, &o.profile) && add_inputs(&in, job, s, prompt, size);
    if (done && sib_job_run(job, in.n, in.items, s->perplexity ? 1 : 3, s->perplexity ? scored : generated,
                            &o, &r, &err) != SIB_OK) {
        cli_fail("%s", err.message);
        done = false;
    }
    if (cancel)
        interrupt_end();
    done = trace_end(s->trace, &o.profile) && done;
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
    sib_job *job = job_model_open(s->model, &(sib_job_options){.kind = "text-generation",
                                                               .tokenizer = s->tokenizer,
                                                               .backends = s->backend,
                                                               .threads = (unsigned)s->threads,
                                                               .registry = s->ext.registry,
                                                               .log = verbose_log(s->verbose)});
    size_t size = s->prompt ? strlen(s->prompt) : 0;
    char *text = job && input ? file_read_stream(stdin, "standard input", SIZE_MAX, &size) : NULL;
    bool done = job && (text || !input) && run(s, job, text ? text : s->prompt, size);
    free(text);
    sib_job_free(&job);
    return done ? CLI_DONE : CLI_FAILED;
}

static int generate(const cli_command *self, int argc, char **argv)
{
    settings s = {.temperature = -1, .seed = -1, .verbose = -1};
    int n, code;
    if (!cli_begin(self, argc, argv, &s, &n, &code))
        return code;
    bool input = n == 1 && !strcmp(argv[0], "-");
    if (n > 1 || (n == 1 && !input))
        code = cli_usage(self, "'%s': give the text with --prompt, or - for standard input", argv[0]);
    else if (!s.model)
        code = cli_usage(self, "give the model with --model");
    else if (s.schema && s.object)
        code = cli_usage(self, "give one of --json-schema and --json-object");
    else if ((s.prompt != NULL) + (s.tokens != NULL) + input != 1)
        code = cli_usage(self, "give one of --prompt, --tokens and - as what comes before");
    else
        code = extensions_load(&s.ext) ? go_on(&s, input) : CLI_FAILED;
    extensions_free(&s.ext);
    free(s.inputs.items);
    free(s.stops.items);
    return code;
}

const cli_command command_generate = {.name = "generate",
                                      .summary = "continue a text, or print how likely it is",
                                      .operands = "--model M (--prompt TEXT | -) [options]",
                                      .options = options,
                                      .takes = CLI_TEXTS,
                                      .more = more,
                                      .run = generate};
