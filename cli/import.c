/* sibyl import CHECKPOINT... -o MODEL.onnx: makes a model of other programs' weights. */
#include "aside.h"
#include "command.h"
#include "files.h"
#include "interrupt.h"
#include "messages.h"
#include "shared_options.h"

#include <errno.h>
#include <math.h>
#include <string.h>

typedef struct settings {
    const char *out, *recipe, *tokenizer, *chat_template, *lora, *vocoder;
    int dtype;
    long opset, audio_context;
    bool check, json;
} settings;

static const char *const dtype_names[] = {"f32", "f16", "bf16", "int8", "keep", NULL};
static const sib_dtype dtypes[] = {SIB_F32, SIB_F16, SIB_BF16, SIB_I8, SIB_DTYPE_UNKNOWN};

static const cli_option options[] = {
    OPT_FILE(
        "out", out, "MODEL.onnx",
        "the model to write; its weights go to MODEL.onnx.data, its job to MODEL.job.json", .letter = 'o',
        .more =
            "All files appear complete or not at all. The job is written where the model has its tokenizer: "
            "commands that take the model run it, and it may be changed (docs/jobs.md)."),
    OPT_CHOICE("dtype", dtype, dtype_names, "type of matrices and embeddings (default: f32)",
               .more = "int8 has a scale for each output channel. keep leaves each as the checkpoint has it, "
                       "where that is a "
                       "float of 16 or 32 bits or blocks of few bits (GGUF); Sibyl alone runs such blocks. "
                       "Norms, biases and convolutions stay float32."),
    OPT_INTEGER("opset", opset, "N", 20, 23,
                "20 to 23; before 23 attention, RMS norms and rotary positions are written "
                "in smaller operators (default: 23)",
                .offer = "20 21 22 23"),
    OPT_INTEGER("audio-context", audio_context, "N", 1, 1000000,
                "of Whisper: frames of 20 ms of its windows (default: the checkpoint's, 1500)",
                .more = "Shorter windows make encoding cheaper, and recordings are cut into more of them."),
    OPT_TEXT("recipe", recipe, "NAME",
             "the kind of model, where the names of its weights do not determine it",
             .names = sib_recipe_name),
    OPT_TOKENIZER("the tokenizer to copy next to the model (default: the checkpoint's own, or tokenizer.json "
                  "or a file of SentencePiece in its folder)"),
    OPT_TEXT(
        "lora", lora, "FOLDER",
        "a LoRA adapter in PEFT's layout (adapter_config.json, adapter_model.safetensors), merged into the "
        "weights"),
    OPT_TEXT("vocoder", vocoder, "FOLDER",
             "of SpeechT5: the model that makes samples (default: that beside the checkpoint)"),
    OPT_FILE("chat-template", chat_template, "FILE",
             "the template that makes prompts of chats (default: the checkpoint's own, or that of "
             "chat_template.jinja or tokenizer_config.json in its folder)"),
    OPT_FLAG("check", check,
             "print statistics of each weight and refuse NaN and infinities; without -o write nothing",
             .more = "Minimum, maximum, mean, standard deviation, NaN, infinities. Weights that are all zero "
                     "are named."),
    OPT_FLAG("json", json, "print one JSON document: every weight, every problem"),
    OPT_END};

static const char more[] =
    "Makes an ONNX model of the weights of another program: safetensors, PyTorch, whisper.cpp, rwkv.cpp and "
    "GGUF files, one, several that belong together (shards, a config.json), or a folder. A recipe, chosen by "
    "the names of the weights, builds the graph of standard ONNX operators. Nothing in a checkpoint is ever "
    "executed. Weights that are missing, unexpected or of the wrong shape are all listed, and then nothing "
    "is "
    "written.";

/* ---- The report
   --------------------------------------------------------------------------------------- */

static const char *dims_text(const sib_import_weight *w, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "[");
    for (size_t i = 0; i < w->rank && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%lld", i ? ", " : "", (long long)w->dims[i]);
    if (used < size)
        snprintf(text + used, size - used, "]");
    return text;
}

static void show_statistics(const sib_import_report *r)
{
    sib_import_weight w;
    char dims[120];
    bool first = true;
    for (size_t i = 0; sib_import_report_weight(r, i, &w); i++) {
        if (!w.checked)
            continue;
        if (first)
            printf("%11s %11s %11s %11s %6s %6s  %-8s %-16s %s\n", "min", "max", "mean", "std", "nan", "inf",
                   "type", "shape", "weight");
        first = false;
        printf("%11.4g %11.4g %11.4g %11.4g %6llu %6llu  %-8s %-16s %s\n", w.stats.min, w.stats.max,
               w.stats.mean, w.stats.std, (unsigned long long)w.stats.n_nan,
               (unsigned long long)w.stats.n_inf, w.format, dims_text(&w, dims, sizeof dims), w.name);
    }
}

/* Prints every problem to stderr. */
static void show_problems(const sib_import_report *r)
{
    sib_import_problem p;
    for (size_t i = 0; sib_import_report_problem(r, i, &p); i++)
        fprintf(stderr, "%s: %s\n", sib_import_fault_name(p.fault), p.text);
}

/* job: path of the model's job document, or NULL. */
static void show(const sib_import_report *r, const settings *s, const char *job)
{
    sib_import_totals t;
    sib_import_report_totals(r, &t);
    show_statistics(r);
    show_problems(r);
    printf("%s\n  checkpoint  %s, %zu weights, %llu parameters, %.1f MB\n", t.recipe, t.format, t.n_weights,
           (unsigned long long)t.parameters, 1e-6 * (double)t.bytes_read);
    if (s->out)
        printf("  written     %s and %s.data, %.1f MB as %s\n", s->out, s->out,
               1e-6 * (double)t.bytes_written, dtype_names[s->dtype]);
    printf("  tokenizer   %s\n", t.tokenizer ? t.tokenizer : "none found; give one with --tokenizer");
    if (job)
        printf("  job         %s\n", job);
}

static json_t *weight_json(const sib_import_weight *w)
{
    json_t *dims = json_array(), *o;
    for (size_t i = 0; i < w->rank; i++)
        json_array_append_new(dims, json_integer((json_int_t)w->dims[i]));
    o = json_pack("{s:o, s:s, s:o, s:I, s:b}", "name", cli_json_text(w->name), "type", w->format, "dims",
                  dims, "bytes", (json_int_t)w->bytes, "used", w->used);
    if (w->checked) {
        const sib_stats *s = &w->stats;
        json_object_update_new(o, json_pack("{s:o, s:o, s:o, s:o, s:I, s:I, s:I}", "min",
                                            cli_json_number(s->min), "max", cli_json_number(s->max), "mean",
                                            cli_json_number(s->mean), "std", cli_json_number(s->std), "nan",
                                            (json_int_t)s->n_nan, "inf", (json_int_t)s->n_inf, "zero",
                                            (json_int_t)s->n_zero));
    }
    return o;
}

static json_t *document(const sib_import_report *r, const settings *s, bool done, const char *job,
                        const sib_error *err)
{
    sib_import_totals t;
    sib_import_weight w;
    sib_import_problem p;
    json_t *weights = json_array(), *problems = json_array();
    sib_import_report_totals(r, &t);
    for (size_t i = 0; sib_import_report_weight(r, i, &w); i++)
        json_array_append_new(weights, weight_json(&w));
    for (size_t i = 0; sib_import_report_problem(r, i, &p); i++)
        json_array_append_new(problems,
                              json_pack("{s:s, s:o, s:o}", "fault", sib_import_fault_name(p.fault), "name",
                                        cli_json_text(p.name), "text", cli_json_text(p.text)));
    return json_pack("{s:o, s:s?, s:s?, s:s?, s:o, s:I, s:I, s:I, s:o, s:o, s:o}", "path",
                     done && s->out ? cli_json_text(s->out) : json_null(), "format", t.format, "recipe",
                     t.recipe, "tokenizer", t.tokenizer, "job", job ? cli_json_text(job) : json_null(),
                     "parameters", (json_int_t)t.parameters, "bytes_read", (json_int_t)t.bytes_read,
                     "bytes_written", (json_int_t)(done && s->out ? t.bytes_written : 0), "error",
                     done ? json_null() : cli_json_text(err->message), "problems", problems, "weights",
                     weights);
}

/* ---- The command
   ---------------------------------------------------------------------------------------- */

static void show_progress(void *progress, double part, const char *what)
{
    cli_progress_show(progress, part, "importing", what);
}

/* Writes the model's job document next to it, if Sibyl has one for it and the model has its tokenizer.
   Returns false, with *err, if it cannot be written. */
static bool store_job(const sib_import_report *r, const char *model, char **job, sib_error *err)
{
    sib_import_totals t;
    sib_import_report_totals(r, &t);
    sib_code code = t.tokenizer ? sib_job_store(model, NULL, job, err) : SIB_OK;
    return code == SIB_OK || code == SIB_ERR_UNSUPPORTED;
}

static int import_files(const settings *s, size_t n, const char *const *paths)
{
    sib_error err = SIB_ERROR_INIT;
    sib_import_report *report = NULL;
    cli_progress progress;
    const sib_cancel *interrupted = interrupt_begin();
    if (!interrupted)
        return CLI_FAILED;
    cli_progress_begin(&progress, 1);
    sib_import_options o = {.recipe = s->recipe,
                            .tokenizer = s->tokenizer,
                            .chat_template = s->chat_template,
                            .lora = s->lora,
                            .vocoder = s->vocoder,
                            .dtype = dtypes[s->dtype],
                            .keep = !dtypes[s->dtype],
                            .opset = (int)s->opset,
                            .check = s->check,
                            .audio_context = s->audio_context,
                            .on_progress = show_progress,
                            .context = &progress,
                            .cancel = interrupted};
    char *job = NULL;
    cli_aside aside = {.to = -1};
    bool done = !s->out || cli_aside_begin(&aside, s->out), begun = done;
    if (done)
        done = sib_import(paths, n, aside.path, &o, &report, &err) == SIB_OK;
    if (done && s->out)
        done = store_job(report, aside.path, &job, &err);
    if (done && s->out && !cli_aside_commit(&aside)) {
        done = false;
        snprintf(err.message, sizeof err.message, "%.100s: cannot be written: %s", s->out, strerror(errno));
    }
    if (s->out && begun) {
        cli_aside_clean(&aside, err.message);
        if (job)
            cli_aside_clean(&aside, job);
    }
    cli_aside_end(&aside);
    cli_progress_clear(&progress);
    interrupt_end();
    if (s->json && report)
        cli_json_print(document(report, s, done, job, &err));
    else if (report && done)
        show(report, s, job);
    else if (report) {
        show_statistics(report);
        show_problems(report);
    }
    sib_import_report_free(&report);
    sib_free(job);
    return done ? CLI_DONE : begun ? cli_fail("%s", err.message) : CLI_FAILED;
}

static int import(const cli_command *self, int argc, char **argv)
{
    settings s = {0};
    int n, code;
    if (!cli_begin(self, argc, argv, &s, &n, &code))
        return code;
    if (!n)
        return cli_usage(self, "no checkpoint is given");
    if (!s.out && !s.check)
        return cli_usage(self, "give the model to write with -o");
    for (int i = 0; s.out && i < n; i++)
        if (file_same(argv[i], s.out))
            return cli_fail("%s: is the checkpoint itself, expected another file to write", s.out);
    return import_files(&s, (size_t)n, (const char *const *)argv);
}

const cli_command command_import = {.name = "import",
                                    .summary = "make an ONNX model of another program's checkpoint",
                                    .operands = "CHECKPOINT... -o MODEL.onnx [options]",
                                    .options = options,
                                    .more = more,
                                    .run = import};
