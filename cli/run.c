/* sibyl run MODEL: a model run once, with any of its values shown or written. */
#include "command.h"
#include "compare_runs.h"
#include "files.h"
#include "model_inputs.h"
#include "pass_words.h"
#include "value_words.h"
#include "words.h"

#include <stdlib.h>
#include <string.h>

typedef struct settings {
    input_settings in;
    pass_settings passes;
    cli_list taps;
    const char *out, *backend;
    long threads;
    double memory; /* MB */
    bool profile, oracle, inside;
} settings;

static const cli_option options[] = {INPUT_OPTIONS(settings),
                                     {.name = "out",
                                      .letter = 'o',
                                      .kind = CLI_TEXT,
                                      .field = offsetof(settings, out),
                                      .value = "DIR",
                                      .help = "write outputs and taps as NAME.npy into this folder"},
                                     {.name = "backend",
                                      .kind = CLI_TEXT,
                                      .field = offsetof(settings, backend),
                                      .value = "LIST",
                                      .help = "backends in order of choice, as ref or cpu,ref"},
                                     PASS_OPTIONS(settings),
                                     {.name = "tap",
                                      .kind = CLI_LIST,
                                      .field = offsetof(settings, taps),
                                      .value = "NAME|GLOB",
                                      .help = "show these values of the graph too"},
                                     {.name = "inside",
                                      .kind = CLI_FLAG,
                                      .field = offsetof(settings, inside),
                                      .help = "taps see the values of milli-ops too"},
                                     {.name = "profile",
                                      .kind = CLI_FLAG,
                                      .field = offsetof(settings, profile),
                                      .help = "time by node, operator and milli-op"},
                                     {.name = "oracle",
                                      .kind = CLI_FLAG,
                                      .field = offsetof(settings, oracle),
                                      .help = "run in double too, and show each value's error in ULP"},
                                     {.name = "threads",
                                      .kind = CLI_WHOLE,
                                      .field = offsetof(settings, threads),
                                      .value = "N",
                                      .help = "threads to use (default: one per processor)",
                                      .min = 1,
                                      .max = 1024},
                                     {.name = "memory",
                                      .kind = CLI_NUMBER,
                                      .field = offsetof(settings, memory),
                                      .value = "MB",
                                      .help = "fail where values would take more",
                                      .min = 0,
                                      .max = 1e9},
                                     {0}};

static const char more[] =
    "Inputs are files (.npy, .npz, .pb, .txt) or text: -i x=x.npy, -i x=1,2,3, -i x=[[1,2],[3,4]],\n"
    "-i words=hello. What is not given is drawn with --random, sizes of symbolic dims by --dim.\n";

/* ---- Taps ---------------------------------------------------------------------------------------------- */

typedef struct tap_context {
    const settings *s;
    bool failed;
} tap_context;

static sib_code on_tap(void *context, const sib_tap_event *event, sib_error *err)
{
    tap_context *t = context;
    (void)err;
    value_show(event->name, event->value, stdout);
    if (t->s->out && !value_write(t->s->out, event->name, event->value))
        t->failed = true;
    return SIB_OK;
}

/* ---- Profile ------------------------------------------------------------------------------------------- */

static void show_profile(const sib_profile *p)
{
    static const char *const titles[] = {"by node", "by operator", "by milli-op"};
    for (int by = SIB_PROFILE_BY_NODE; by <= SIB_PROFILE_BY_MILLI; by++) {
        sib_profile_row row;
        printf("%s\n  %12s %8s  %-8s\n", titles[by], "ms", "calls", "backend");
        for (size_t i = 0; sib_profile_get(p, (sib_profile_by)by, i, &row) && i < 40; i++)
            printf("  %12.3f %8llu  %-8s %s%s%s\n", row.seconds * 1e3, (unsigned long long)row.calls,
                   row.backend, row.op_type, *row.node ? "  " : "", row.node);
    }
}

/* ---- Running --------------------------------------------------------------------------------------------- */

static bool show_outputs(const sib_model *m, const settings *s, sib_value *const *outputs)
{
    sib_value_info info;
    bool ok = true;
    for (size_t i = 0; sib_model_output(m, i, &info); i++) {
        value_show(info.name, outputs[i], stdout);
        if (s->out)
            ok &= value_write(s->out, info.name, outputs[i]);
    }
    return ok;
}

/* One run; recorded where `into` is given. */
static bool run_once(sib_model *m, const settings *s, bool oracle, const model_inputs *in, recording *into)
{
    sib_session *session = NULL;
    sib_profile *profile = NULL;
    sib_error err = SIB_ERROR_INIT;
    sib_model_info info;
    tap_context taps = {s, false};
    sib_session_options o = {.backends = s->backend,
                             .threads = (unsigned)s->threads,
                             .oracle = oracle,
                             .seed = s->in.random ? strtoull(s->in.random, NULL, 10) : 0,
                             .memory_limit = (uint64_t)(s->memory * 1e6)};
    passes_apply(&s->passes, &o);
    sib_run_options run = {.tap_names = s->taps.items, .n_taps = s->taps.n, .tap_inside = s->inside};
    sib_model_get_info(m, &info);
    if (into)
        run = (sib_run_options){.tap = recording_tap, .tap_context = into};
    else if (s->taps.n) {
        run.tap = on_tap;
        run.tap_context = &taps;
    }
    sib_value **outputs = cli_take(info.n_outputs + 1, sizeof *outputs);
    bool ok = sib_session_create(m, &o, &session, &err) == SIB_OK &&
              (!s->profile || sib_profile_create(&profile, &err) == SIB_OK);
    run.profile = into ? NULL : profile;
    sib_timer timer = sib_timer_start();
    ok = ok && sib_session_run(session, in->n, in->items, 0, NULL, outputs, &run, &err) == SIB_OK;
    double seconds = sib_timer_seconds(&timer);
    if (!ok)
        cli_fail("%s", err.message);
    else if (!into) {
        ok = show_outputs(m, s, outputs) && !taps.failed;
        if (profile)
            show_profile(profile);
        if (passes_named(&s->passes))
            printf("%llu edits of the graph\n", (unsigned long long)sib_session_edits(session));
        printf("%.3f ms\n", seconds * 1e3);
    }
    for (size_t i = 0; i < info.n_outputs; i++)
        sib_value_free(&outputs[i]);
    free(outputs);
    sib_profile_free(&profile);
    sib_session_free(&session);
    return ok;
}

/* The error of every value against a run in double. */
static bool show_errors(sib_model *m, const settings *s, const model_inputs *in)
{
    static const sib_tolerance tolerance = {.atol = 1e-5, .rtol = 1e-3};
    recording exact = {0}, plain = {0};
    comparison c = {0};
    bool ok = run_once(m, s, true, in, &exact) && run_once(m, s, false, in, &plain);
    if (ok) {
        compare_recordings(&exact, &plain, &tolerance, &c);
        printf("against the run in double\n");
        comparison_show(&c, true);
    }
    comparison_free(&c);
    recording_free(&exact);
    recording_free(&plain);
    return ok;
}

/* Everything behind the options. */
static int run_named(const cli_command *self, const settings *s, int n, char **names)
{
    if (n != 1)
        return cli_usage(self, "one model is run at a time, %d are named", n);
    if (s->out && !file_folder_takes(s->out))
        return CLI_FAILED;
    sib_model *m = NULL;
    sib_error err = SIB_ERROR_INIT;
    if (sib_model_open(names[0], NULL, &m, &err) != SIB_OK)
        return cli_fail("%s", err.message);
    model_inputs in;
    bool ok = model_inputs_read(m, &s->in, &in) && run_once(m, s, false, &in, NULL) &&
              (!s->oracle || show_errors(m, s, &in));
    model_inputs_free(&in);
    sib_model_free(&m);
    return ok ? CLI_DONE : CLI_FAILED;
}

static int run(const cli_command *self, int argc, char **argv)
{
    settings s = {.passes = PASS_DEFAULTS};
    int n, code;
    if (cli_begin(self, argc, argv, &s, &n, &code))
        code = run_named(self, &s, n, argv);
    free(s.in.inputs.items);
    free(s.in.dims.items);
    free(s.taps.items);
    return code;
}

const cli_command command_run = {.name = "run",
                                 .summary = "run a model, with any of its values shown",
                                 .operands = "MODEL -i NAME=WHAT... [-o DIR] [options]",
                                 .options = options,
                                 .more = more,
                                 .run = run};
