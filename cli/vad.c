/* sibyl vad IN... --model M: where speech is. */
#include "command.h"
#include "files.h"
#include "interrupt.h"
#include "job_model.h"
#include "job_values.h"
#include "shared_options.h"

#include <stdlib.h>
#include <string.h>

typedef struct settings {
    const char *model, *backend;
    extension_settings ext;
    cli_list inputs;
    long threads;
    int verbose;
    bool json;
    double max_seconds; /* 0: the default */
} settings;

static const cli_option options[] = {
    OPT_MODEL("a model of Silero's, or a job of kind voice-activity"),
    OPT_JOB_INPUT("another input of the job: threshold=0.4, min_silence_duration_ms=300"),
    OPT_MAX_SECONDS,
    OPT_BACKEND,
    OPT_THREADS("1"),
    OPT_EXTENSIONS,
    OPT_VERBOSE,
    OPT_JSON,
    OPT_END};

static const char more[] = "Prints a line for each span of speech: its begin and end in seconds.";

static bool detect_speech(const settings *s, const sib_job *job, const char *path, json_t *list,
                          const sib_cancel *cancel)
{
    static const char *const wanted[] = {"spans"};
    sib_error err = SIB_ERROR_INIT;
    job_inputs in = {.max_seconds = s->max_seconds};
    sib_job_result *r = NULL;
    sib_job_run_options o = {.cancel = cancel};
    bool done = job_inputs_add(&in, job, "audio", path) && job_inputs_add_list(&in, job, &s->inputs);
    if (done && sib_job_run(job, in.n, in.items, 1, wanted, &o, &r, &err) != SIB_OK) {
        cli_fail("%s: %s", path, err.message);
        done = false;
    }
    const sib_port_value *spans = done ? sib_job_result_find(r, "spans") : NULL;
    if (spans && list)
        json_array_append_new(
            list, json_pack("{s:o, s:o}", "path", cli_json_text(path), "spans", job_value_json(spans)));
    for (size_t i = 0; spans && !list && i < spans->spans.n; i++)
        printf("%8.3f %8.3f\n", spans->spans.data[i].start, spans->spans.data[i].end);
    sib_job_result_free(&r);
    job_inputs_free(&in);
    return done;
}

static int listen_all(const settings *s, int n, char **paths)
{
    sib_job *job = job_model_open(s->model, &(sib_job_options){.kind = "voice-activity",
                                                               .backends = s->backend,
                                                               .threads = (unsigned)s->threads,
                                                               .registry = s->ext.registry,
                                                               .log = verbose_log(s->verbose)});
    const sib_cancel *cancel = job ? interrupt_begin() : NULL;
    json_t *list = s->json ? json_array() : NULL;
    bool done = cancel != NULL;
    for (int i = 0; i < n && done; i++) {
        if (n > 1 && !s->json)
            printf("%s\n", paths[i]);
        done = detect_speech(s, job, paths[i], list, cancel);
    }
    if (done && list)
        cli_json_print(json_incref(list));
    json_decref(list);
    if (cancel)
        interrupt_end();
    sib_job_free(&job);
    return done ? CLI_DONE : CLI_FAILED;
}

static int vad(const cli_command *self, int argc, char **argv)
{
    settings s = {.threads = 1, .verbose = -1};
    int n, code;
    if (!cli_begin(self, argc, argv, &s, &n, &code))
        return code;
    if (!n)
        code = cli_usage(self, "no recording is given");
    else if (!s.model)
        code = cli_usage(self, "give the model with --model");
    else
        code = extensions_load(&s.ext) ? listen_all(&s, n, argv) : CLI_FAILED;
    extensions_free(&s.ext);
    free(s.inputs.items);
    return code;
}

const cli_command command_vad = {.name = "vad",
                                 .summary = "find speech in recordings",
                                 .operands = "IN... --model M [options]",
                                 .options = options,
                                 .more = more,
                                 .run = vad};
