/* sibyl job FILE: any job, its inputs and outputs by name. */
#include "command.h"
#include "files.h"
#include "interrupt.h"
#include "job_model.h"
#include "job_values.h"
#include "model/value_text.h"
#include "shared_options.h"

#include <stdlib.h>
#include <string.h>

typedef struct settings {
    const char *folder, *tokenizer, *backend, *trace;
    cli_list inputs, outputs, taps;
    long threads, max_steps;
    bool confine, describe, ports, json;
    int verbose;
    double max_seconds; /* 0: the default */
    extension_settings ext;
} settings;

static const cli_option options[] = {
    OPT_JOB_INPUT(
        "an input: a recording, a .npy file, text (@FILE: of a file), tokens and numbers as 1,2,3, true or "
        "false"),
    OPT_LIST("output", outputs, "NAME", "an output to compute (default: all)"),
    OPT_OUT_FOLDER("write outputs and taps as files"),
    OPT_LIST("tap", taps, "PATH", "show inner values, as decoder/step[12]/logits or */model/*",
             .more = "A path that matches no value is an error."),
    OPT_TOKENIZER("another tokenizer than the job's"),
    OPT_MAX_SECONDS,
    OPT_BACKEND,
    OPT_THREADS("0"),
    OPT_TRACE,
    OPT_VERBOSE,
    OPT_INTEGER("max-steps", max_steps, "N", 1, 1e15, "iterations that a loop may take (default: 1000000)"),
    OPT_FLAG(
        "confine", confine, "let the document name files of its own folder only",
        .more =
            "For documents of strangers: absolute names, .. and symbolic links that lead out are refused."),
    OPT_EXTENSIONS,
    OPT_FLAG("ports", ports, "list inputs and outputs"),
    OPT_FLAG("describe", describe, "print the job document that Sibyl has for a model",
             .more = "A model is run by the document that stands beside it, m.job.json for m.onnx, where "
                     "there is one."),
    OPT_JSON,
    OPT_END};

static const char more[] =
    "Runs a job: a JSON document that names models and how they are called, features, tokenizers, loops "
    "and sampling. Any inner value can be shown by its path. FILE is such a document, a folder with "
    "job.json, an ONNX model that Sibyl has a job for, the name of an installed model, or \"features\". "
    "docs/jobs.md describes the document.";

static void list_ports(const char *title, const sib_job *job,
                       bool (*port)(const sib_job *, size_t, sib_job_port *))
{
    sib_job_port p;
    printf("%s\n", title);
    for (size_t i = 0; port(job, i, &p); i++)
        printf("  %-28s %-9s %s%s\n", p.name, sib_port_type_name(p.type), p.doc ? p.doc : "",
               p.optional || port == sib_job_output ? ""
               : p.doc                              ? " (needed)"
                                                    : "(needed)");
}

/* Where taps go. */
typedef struct tapped {
    const char *folder;
    json_t *list; /* or NULL */
} tapped;

static sib_code tap(void *context, const char *path, const sib_tensor *t, sib_error *err)
{
    tapped *to = context;
    sib_value *v = NULL;
    if (sib_value_from_tensor(t, &v, err) != SIB_OK)
        return err->code;
    bool done = true;
    const sib_port_value p = {.type = SIB_PORT_TENSOR, .tensor = t};
    if (to->folder)
        done = job_value_write(to->folder, path, &p);
    if (to->list) {
        json_t *o = job_value_json(&p);
        json_object_set_new(o, "path", cli_json_text(path));
        json_array_append_new(to->list, o);
    } else
        value_show(path, v, stdout);
    sib_value_free(&v);
    return done ? SIB_OK : SIB_ERR_IO;
}

static bool show_result(const sib_job_result *r, const settings *s, json_t *taps)
{
    sib_job_value v;
    json_t *outputs = json_object();
    bool done = true;
    for (size_t i = 0; sib_job_result_get(r, i, &v) && done; i++) {
        if (s->folder)
            done = job_value_write(s->folder, v.name, &v.value);
        if (s->json)
            json_object_set_new(outputs, v.name, job_value_json(&v.value));
        else if (!s->folder)
            job_value_show(v.name, &v.value);
    }
    if (s->json && done)
        cli_json_print(json_pack("{s:O, s:O}", "outputs", outputs, "taps", taps));
    json_decref(outputs);
    return done;
}

static int run_job(const settings *s, const sib_job *job)
{
    sib_error err = SIB_ERROR_INIT;
    job_inputs in = {.max_seconds = s->max_seconds};
    sib_job_result *r = NULL;
    tapped to = {s->folder, s->json ? json_array() : NULL};
    bool done = job_inputs_add_list(&in, job, &s->inputs);
    if (done && s->folder)
        done = file_folder_ready(s->folder);
    const sib_cancel *cancel = done ? interrupt_begin() : NULL;
    sib_job_run_options o = {.context = &to,
                             .on_tap = tap,
                             .taps = s->taps.items,
                             .n_taps = s->taps.n,
                             .tap_matched = cli_alloc(s->taps.n, sizeof(bool)),
                             .max_steps = (uint64_t)s->max_steps,
                             .cancel = cancel};
    if (cancel && trace_begin(s->trace, &o.profile)) {
        done = sib_job_run(job, in.n, in.items, s->outputs.n, s->outputs.n ? s->outputs.items : NULL, &o, &r,
                           &err) == SIB_OK;
        if (!done)
            cli_fail("%s", err.message);
        interrupt_end();
        done = trace_end(s->trace, &o.profile) && done;
    }
    done = done && cancel && show_result(r, s, to.list) && taps_all_matched(&s->taps, o.tap_matched);
    sib_job_result_free(&r);
    json_decref(to.list);
    free(o.tap_matched);
    job_inputs_free(&in);
    return done ? CLI_DONE : CLI_FAILED;
}

/* Prints the job document of a model, or of features. */
static int describe(const settings *s, const char *model)
{
    sib_error err = SIB_ERROR_INIT;
    sib_job_options o = {.tokenizer = s->tokenizer, .registry = s->ext.registry};
    const bool features = !strcmp(model, "features");
    char *path = features ? NULL : job_model_path(model, s->tokenizer), *text = NULL;
    bool done = features || path;
    if (done && sib_job_describe(path, &o, &text, &err) != SIB_OK) {
        cli_fail("%s", err.message);
        done = false;
    }
    if (done)
        printf("%s\n", text);
    sib_free(text);
    free(path);
    return done ? CLI_DONE : CLI_FAILED;
}

/* The job of features, which needs no file. */
static sib_job *features_job(const settings *s)
{
    sib_error err = SIB_ERROR_INIT;
    sib_job_options o = {.threads = (unsigned)s->threads, .confine = s->confine};
    sib_job *job = NULL;
    char *text = NULL;
    if (sib_job_describe(NULL, NULL, &text, &err) != SIB_OK ||
        sib_job_open_text(text, strlen(text), NULL, &o, &job, &err) != SIB_OK)
        cli_fail("%s", err.message);
    sib_free(text);
    return job;
}

static int work(const settings *s, const char *path)
{
    if (s->describe)
        return describe(s, path);
    sib_job *j = strcmp(path, "features")
                     ? job_model_open(path, &(sib_job_options){.tokenizer = s->tokenizer,
                                                               .backends = s->backend,
                                                               .threads = (unsigned)s->threads,
                                                               .confine = s->confine,
                                                               .registry = s->ext.registry,
                                                               .log = verbose_log(s->verbose)})
                     : features_job(s);
    if (!j)
        return CLI_FAILED;
    int code = CLI_DONE;
    if (s->ports) {
        list_ports("inputs", j, sib_job_input);
        list_ports("outputs", j, sib_job_output);
    } else
        code = run_job(s, j);
    sib_job_free(&j);
    return code;
}

static int job(const cli_command *self, int argc, char **argv)
{
    settings s = {.verbose = -1};
    int n, code;
    if (!cli_begin(self, argc, argv, &s, &n, &code))
        return code;
    if (n != 1)
        code = cli_usage(self, "expected one job, got %d", n);
    else
        code = extensions_load(&s.ext) ? work(&s, argv[0]) : CLI_FAILED;
    extensions_free(&s.ext);
    free(s.inputs.items);
    free(s.outputs.items);
    free(s.taps.items);
    return code;
}

const cli_command command_job = {.name = "job",
                                 .summary = "run a job by its document, and show its inner values",
                                 .operands = "FILE [-i NAME=WHAT]... [options]",
                                 .options = options,
                                 .more = more,
                                 .run = job};
