/* sibyl generate --model M: continues a text. */
#include "command.h"
#include "files.h"
#include "guesses.h"
#include "interrupt.h"
#include "job_model.h"
#include "job_values.h"
#include "shared_options.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef struct settings {
    const char *model, *tokenizer, *prompt, *tokens, *schema, *backend, *trace;
    extension_settings ext;
    const char *grammar, *samplers;
    cli_list inputs, stops, breakers;
    guess_settings guesses;
    long max_tokens, top_k, seed, threads, penalty_last, mirostat, dry_allowed, dry_last, context, stride;
    double temperature, top_p, min_p, typical_p, repetition, presence, frequency, xtc, xtc_threshold, tau,
        eta, dry, dry_base;
    int verbose;
    bool perplexity, logprobs, json, object;
} settings;

static const cli_option options[] = {
    OPT_MODEL("an ONNX model or the folder of one that Optimum or onnxruntime-genai wrote, a checkpoint "
              "(safetensors, PyTorch, GGUF, rwkv.cpp, a Hugging Face folder), a "
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
    OPT_NUMBER("min-p", min_p, "P", 0, 1, "none whose probability is below P times the largest"),
    OPT_NUMBER("typical-p", typical_p, "P", 0, 1,
               "only those nearest to the mean surprise that together reach P", .above = true),
    OPT_NUMBER("xtc-probability", xtc, "P", 0, 1, "how often all likely tokens but the last are left out"),
    OPT_NUMBER("xtc-threshold", xtc_threshold, "P", 0, 1,
               "the probability from which a token is likely (default: 0.1)"),
    OPT_INTEGER("mirostat", mirostat, "1|2", 0, 2, "temperature and mirostat in the place of all samplers"),
    OPT_NUMBER("mirostat-tau", tau, "BITS", 0, 1e3, "the surprise that it aims at (default: 5)"),
    OPT_NUMBER("mirostat-eta", eta, "X", 0, 1e3, "how fast it learns (default: 0.1)"),
    OPT_TEXT("samplers", samplers, "ORDER",
             "huggingface (temperature;top_k;top_p;min_p;typical_p;xtc, the default), llama.cpp "
             "(top_k;typical_p;top_p;min_p;xtc;temperature), or such a list"),
    OPT_NUMBER("repetition-penalty", repetition, "X", 1e-6, 1e6,
               "divides the logits of tokens seen, multiplies negative ones"),
    OPT_NUMBER("presence-penalty", presence, "X", -1e6, 1e6,
               "subtracted from the logits of tokens that were chosen before"),
    OPT_NUMBER("frequency-penalty", frequency, "X", -1e6, 1e6, "the same for each time"),
    OPT_INTEGER("penalty-last-n", penalty_last, "N", 0, 1e9,
                "how many tokens, of the prompt too, penalties count (default: 0, all or those chosen)"),
    OPT_NUMBER("dry-multiplier", dry, "X", 0, 1e6,
               "a token that would lengthen a repetition of k tokens loses X * base ^ (k - allowed)"),
    OPT_NUMBER("dry-base", dry_base, "X", 0, 1e6, "(default: 1.75)"),
    OPT_INTEGER("dry-allowed-length", dry_allowed, "N", 1, 1e9,
                "the shortest repetition that counts (default: 2)"),
    OPT_INTEGER("dry-last-n", dry_last, "N", 0, 1e9, "how many tokens it looks back at (default: 0, all)"),
    OPT_LIST("dry-breaker", breakers, "TEXT",
             "text that no repetition goes across; may be given several times (default: line end, : \" *)"),
    OPT_INTEGER("seed", seed, "S", 0, 1e15, "seed of sampling (default: 0)"),
    OPT_LIST("stop", stops, "TEXT", "text that ends generation; may be given several times"),
    OPT_TEXT("json-schema", schema, "FILE", "generate JSON of this JSON Schema"),
    OPT_FLAG("json-object", object, "generate JSON, an object"),
    OPT_TEXT("grammar", grammar, "FILE", "generate a text of this grammar (GBNF)"),
    OPT_GUESSES,
    OPT_FLAG("logprobs", logprobs, "print each token on a line: logarithm of its probability, id, text"),
    OPT_FLAG("perplexity", perplexity, "print how likely the prompt is, and generate nothing"),
    OPT_INTEGER("context", context, "N", 2, 1L << 30,
                "of a perplexity: tokens of a window, for texts longer than the model's context"),
    OPT_INTEGER("stride", stride, "N", 1, 1L << 30,
                "by how many tokens windows move on (default: half of --context)",
                .more = "Each window gives the probabilities of those tokens that the one before has not, as "
                        "transformers' documentation of perplexity has it."),
    OPT_JOB_INPUT("another input of the job: stop_tokens=0, bias_tokens=13,198 with biases=-1,2"),
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

/* Numbers of the settings, which are NAN or -1 where nothing is given, and the inputs that they are. */
static const struct {
    const char *name;
    size_t at;
} doubles[] = {{"temperature", offsetof(settings, temperature)},
               {"top_p", offsetof(settings, top_p)},
               {"min_p", offsetof(settings, min_p)},
               {"typical_p", offsetof(settings, typical_p)},
               {"xtc_probability", offsetof(settings, xtc)},
               {"xtc_threshold", offsetof(settings, xtc_threshold)},
               {"mirostat_tau", offsetof(settings, tau)},
               {"mirostat_eta", offsetof(settings, eta)},
               {"repetition_penalty", offsetof(settings, repetition)},
               {"presence_penalty", offsetof(settings, presence)},
               {"frequency_penalty", offsetof(settings, frequency)},
               {"dry_multiplier", offsetof(settings, dry)},
               {"dry_base", offsetof(settings, dry_base)}},
  integers[] = {{"max_tokens", offsetof(settings, max_tokens)},
                {"top_k", offsetof(settings, top_k)},
                {"mirostat", offsetof(settings, mirostat)},
                {"penalty_last_n", offsetof(settings, penalty_last)},
                {"dry_allowed_length", offsetof(settings, dry_allowed)},
                {"dry_last_n", offsetof(settings, dry_last)},
                {"context", offsetof(settings, context)},
                {"stride", offsetof(settings, stride)},
                {"seed", offsetof(settings, seed)}};
#define N_DOUBLES  (sizeof doubles / sizeof *doubles)
#define N_INTEGERS (sizeof integers / sizeof *integers)

static double *double_of(settings *s, size_t i)
{
    return (double *)(void *)((char *)s + doubles[i].at);
}

static long *integer_of(settings *s, size_t i)
{
    return (long *)(void *)((char *)s + integers[i].at);
}

static settings nothing_given(void)
{
    settings s = {.verbose = -1, .guesses = GUESS_DEFAULTS};
    for (size_t i = 0; i < N_DOUBLES; i++)
        *double_of(&s, i) = NAN;
    for (size_t i = 0; i < N_INTEGERS; i++)
        *integer_of(&s, i) = -1;
    return s;
}

static bool add_number(job_inputs *in, const sib_job *job, const char *name, double value)
{
    char text[40];
    snprintf(text, sizeof text, "%.17g", value);
    return job_inputs_add(in, job, name, text);
}

static bool add_numbers(job_inputs *in, const sib_job *job, settings s)
{
    bool done = true;
    for (size_t i = 0; i < N_DOUBLES && done; i++)
        done = isnan(*double_of(&s, i)) || add_number(in, job, doubles[i].name, *double_of(&s, i));
    for (size_t i = 0; i < N_INTEGERS && done; i++)
        done = *integer_of(&s, i) < 0 || add_number(in, job, integers[i].name, (double)*integer_of(&s, i));
    return done;
}

static bool add_texts(job_inputs *in, const sib_job *job, const char *name, const cli_list *texts)
{
    if (!texts->n)
        return true;
    if (!job_inputs_add(in, job, name, ""))
        return false;
    sib_port_value *v = &in->items[in->n - 1].value;
    v->texts.data = texts->items;
    v->texts.n = texts->n;
    return true;
}

/* What the text must be, if anything is said of it. */
static bool add_schema(job_inputs *in, const sib_job *job, const settings *s)
{
    char *file = s->schema ? cli_format("@%s", s->schema) : NULL;
    bool done = (!s->schema && !s->object) ||
                job_inputs_add(in, job, "json_schema", file ? file : "{\"type\": \"object\"}");
    free(file);
    file = s->grammar ? cli_format("@%s", s->grammar) : NULL;
    done = done && (!file || job_inputs_add(in, job, "grammar", file));
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
    return done && add_numbers(in, job, *s) && add_texts(in, job, "stop", &s->stops) &&
           add_texts(in, job, "dry_breakers", &s->breakers) &&
           (!s->samplers || job_inputs_add(in, job, "samplers", s->samplers)) && add_schema(in, job, s) &&
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

/* A line: logarithm of the probability, id, the token's bytes as a JSON text. */
static sib_code on_token(void *context, int32_t token, double logprob, sib_error *err)
{
    const sib_tokenizer *t = sib_job_tokenizer(context, 0);
    const char *bytes = "";
    size_t size = 0;
    bool special;
    (void)err;
    if (!t || !sib_tokenizer_token(t, token, &bytes, &size, &special))
        size = 0;
    char *copy = cli_format("%.*s", (int)size, bytes);
    json_t *text = cli_json_text(copy);
    char *shown = json_dumps(text, JSON_ENCODE_ANY);
    printf("%.6f\t%d\t%s\n", logprob, (int)token, shown);
    fflush(stdout);
    json_decref(text);
    free(shown);
    free(copy);
    return SIB_OK;
}

static bool run(const settings *s, const sib_job *job, const guesses *g, const char *prompt, size_t size)
{
    static const char *const generated[] = {"text", "tokens", "logprobs"}, *const scored[] = {"perplexity"};
    sib_error err = SIB_ERROR_INIT;
    job_inputs in = {0};
    sib_job_result *r = NULL;
    const sib_cancel *cancel = interrupt_begin();
    const bool shows = !s->json && !s->perplexity;
    sib_job_run_options o = {.context = (void *)job,
                             .on_text = shows && !s->logprobs ? on_text : NULL,
                             .on_token = shows && s->logprobs ? on_token : NULL,
                             .cancel = cancel,
                             .speculation = g->guessed};
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
    if (g->guessed && s->json)
        json_object_set_new(all, "guesses", guesses_json(g));
    if (done && s->json)
        cli_json_print(json_incref(all));
    else if (done && s->perplexity)
        printf("%.6g\n", sib_job_result_find(r, "perplexity")->number);
    else if (done && !s->logprobs)
        putchar('\n');
    json_decref(all);
    sib_job_result_free(&r);
    job_inputs_free(&in);
    return done;
}

/* input: the prompt is standard input. */
static int go_on(const settings *s, bool input)
{
    const sib_job_options how = {.kind = "text-generation",
                                 .tokenizer = s->tokenizer,
                                 .backends = s->backend,
                                 .threads = (unsigned)s->threads,
                                 .registry = s->ext.registry,
                                 .log = verbose_log(s->verbose)};
    guesses g = {0};
    sib_job *job = job_model_open(s->model, &how);
    size_t size = s->prompt ? strlen(s->prompt) : 0;
    char *text = job && input ? file_read_stream(stdin, "standard input", SIZE_MAX, &size) : NULL;
    bool done = job && (text || !input) && guesses_open(&s->guesses, job, &how, &g) &&
                run(s, job, &g, text ? text : s->prompt, size);
    if (done && s->verbose >= 0)
        guesses_say(&g);
    free(text);
    guesses_close(&g);
    sib_job_free(&job);
    return done ? CLI_DONE : CLI_FAILED;
}

static int generate(const cli_command *self, int argc, char **argv)
{
    settings s = nothing_given();
    int n, code;
    if (!cli_begin(self, argc, argv, &s, &n, &code))
        return code;
    bool input = n == 1 && !strcmp(argv[0], "-");
    if (n > 1 || (n == 1 && !input))
        code = cli_usage(self, "'%s': give the text with --prompt, or - for standard input", argv[0]);
    else if (!s.model)
        code = cli_usage(self, "give the model with --model");
    else if ((s.schema != NULL) + s.object + (s.grammar != NULL) > 1)
        code = cli_usage(self, "give one of --json-schema, --json-object and --grammar");
    else if ((s.prompt != NULL) + (s.tokens != NULL) + input != 1)
        code = cli_usage(self, "give one of --prompt, --tokens and - as what comes before");
    else if (s.perplexity && s.logprobs)
        code = cli_usage(self, "give one of --perplexity and --logprobs");
    else if ((s.context > 0 || s.stride > 0) && !(s.perplexity && s.context > 0))
        code = cli_usage(self, "--context and --stride are for --perplexity, the second with the first");
    else if (guesses_misused(&s.guesses))
        code = cli_usage(self, "%s", guesses_misused(&s.guesses));
    else
        code = extensions_load(&s.ext) ? go_on(&s, input) : CLI_FAILED;
    extensions_free(&s.ext);
    free(s.inputs.items);
    free(s.stops.items);
    free(s.breakers.items);
    return code;
}

const cli_command command_generate = {.name = "generate",
                                      .summary = "continue a text, or print how likely it is",
                                      .operands = "--model M (--prompt TEXT | -) [options]",
                                      .options = options,
                                      .takes = CLI_TEXTS,
                                      .more = more,
                                      .run = generate};
