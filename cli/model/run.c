/* sibyl run MODEL: runs a model once and shows or writes any of its values. */
#include "command.h"
#include "files.h"
#include "messages.h"
#include "model/compare_runs.h"
#include "model/model_inputs.h"
#include "model/value_text.h"
#include "shared_options.h"

#include <stdlib.h>
#include <string.h>

typedef struct settings {
    input_settings in;
    pass_settings passes;
    cli_list taps;
    const char *folder, *backend;
    long threads, warmup, repeat;
    double memory, open_memory; /* MB */
    bool profile, oracle, inside;
} settings;

static const cli_option options[] = {
    OPT_INPUTS,
    OPT_OUT_FOLDER(
        "write outputs and taps as NAME.npy into this folder; sequences, optionals and maps as NAME.pb"),
    OPT_BACKEND,
    OPT_PASSES,
    OPT_LIST("tap", taps, "NAME|GLOB", "show these values of the graph too; may be given several times",
             .more = "A name that matches no value is an error."),
    OPT_FLAG("inside", inside, "taps see the values of milli-ops too, as node/milli.3:add"),
    OPT_FLAG("profile", profile, "show time by node, by operator and by milli-op, and the share of each",
             .more = "The first run of a model plans and packs weights; --warmup leaves such runs out."),
    OPT_INTEGER("warmup", warmup, "N", 0, 1000000, "run N times first, without taps and profile"),
    OPT_INTEGER("repeat", repeat, "N", 1, 1000000,
                "run N times, with times per run in the profile and the minimum and the median at the end"),
    OPT_FLAG("oracle", oracle,
             "run in double precision too, and show each value's error in representable values (ULP)"),
    OPT_THREADS("0"),
    OPT_NUMBER("memory", memory, "MB", 0, 1e9,
               "fail, naming the node, where values of the run would take more", .above = true),
    OPT_OPEN_MEMORY,
    OPT_END};

static const char more[] =
    "Runs the model once and shows a line for each output, and for any other value of its graph: type, "
    "shape, range, mean and the first elements. Inputs are files (.npy, .npz, .pb, .txt) or text: -i "
    "x=x.npy, -i x=1,2,3, -i x=[[1,2],[3,4]], -i words=hello. Inputs that are not given are drawn with "
    "--random, with the sizes of symbolic dims that --dim gives.";

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
    if (t->s->folder && !value_write(t->s->folder, event->name, event->value))
        t->failed = true;
    return SIB_OK;
}

/* ---- Profile ------------------------------------------------------------------------------------------- */

/* The sum of all rows is the time in nodes; what runs take beyond it goes to planning, copies and the like. */
static void show_profile(const sib_profile *p, long runs)
{
    static const char *const titles[] = {"by node", "by operator", "by milli-op"};
    for (int by = SIB_PROFILE_BY_NODE; by <= SIB_PROFILE_BY_MILLI; by++) {
        sib_profile_row row;
        double all = 0;
        for (size_t i = 0; sib_profile_get(p, (sib_profile_by)by, i, &row); i++)
            all += row.seconds;
        printf("%s\n  %12s %7s %8s  %-8s\n", titles[by], runs > 1 ? "ms per run" : "ms", "share", "calls",
               "backend");
        for (size_t i = 0; sib_profile_get(p, (sib_profile_by)by, i, &row) && i < 40; i++)
            printf("  %12.3f %5.1f %% %8llu  %-8s %s%s%s\n", row.seconds * 1e3 / (double)runs,
                   all > 0 ? 100 * row.seconds / all : 0, (unsigned long long)row.calls, row.backend,
                   row.op_type, *row.node ? "  " : "", row.node);
        printf("  %12.3f   all\n", all * 1e3 / (double)runs);
    }
}

/* ---- Running
   --------------------------------------------------------------------------------------------- */

static bool show_outputs(const sib_model *m, const settings *s, sib_value *const *outputs)
{
    sib_value_info info;
    bool ok = true;
    for (size_t i = 0; sib_model_output(m, i, &info); i++) {
        value_show(info.name, outputs[i], stdout);
        if (s->folder)
            ok &= value_write(s->folder, info.name, outputs[i]);
    }
    return ok;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* What the runs of a session are given, and their outputs. */
typedef struct running {
    sib_session *session;
    const model_inputs *in;
    size_t n_outputs;
    sib_value **outputs; /* (n_outputs) of the last run */
} running;

static bool run_again(running *r, const sib_run_options *how, double *seconds)
{
    sib_error err = SIB_ERROR_INIT;
    for (size_t i = 0; i < r->n_outputs; i++)
        sib_value_free(&r->outputs[i]);
    sib_timer timer = sib_timer_start();
    bool ok = sib_session_run(r->session, r->in->n, r->in->items, 0, NULL, r->outputs, how, &err) == SIB_OK;
    *seconds = sib_timer_seconds(&timer);
    if (!ok)
        cli_fail("%s", err.message);
    return ok;
}

/* Warms up, and repeats; taps see the first run that counts. times: (repeat) receives seconds. */
static bool run_all(running *r, const settings *s, sib_run_options *how, double *times)
{
    double ignored;
    bool ok = true;
    for (long i = 0; i < s->warmup && ok; i++)
        ok = run_again(r, NULL, &ignored);
    for (long i = 0; i < s->repeat && ok; i++) {
        ok = run_again(r, how, &times[i]);
        how->tap = NULL;
    }
    return ok;
}

static void show_times(const settings *s, double *times)
{
    qsort(times, (size_t)s->repeat, sizeof *times, by_size);
    if (s->repeat == 1)
        printf("%.3f ms\n", times[0] * 1e3);
    else
        printf("%.3f ms min, %.3f ms median of %ld runs\n", times[0] * 1e3, times[s->repeat / 2] * 1e3,
               s->repeat);
}

/* Runs as often as --repeat says, or once with values recorded if `into` is given. */
static bool run_session(sib_model *m, const settings *s, bool oracle, const model_inputs *in, recording *into)
{
    running r = {.in = in};
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
    run.tap_matched = cli_alloc(s->taps.n + 1, sizeof *run.tap_matched);
    r.n_outputs = info.n_outputs;
    r.outputs = cli_alloc(info.n_outputs + 1, sizeof *r.outputs);
    double *times = cli_alloc((size_t)s->repeat, sizeof *times);
    bool ok = sib_session_create(m, &o, &r.session, &err) == SIB_OK &&
              (!s->profile || sib_profile_create(&profile, &err) == SIB_OK);
    if (!ok)
        cli_fail("%s", err.message);
    run.profile = into ? NULL : profile;
    ok = ok && (into ? run_again(&r, &run, &times[0]) : run_all(&r, s, &run, times));
    for (size_t i = 0; r.session && sib_session_diagnostic(r.session, i); i++)
        fprintf(stderr, "sibyl: noticed: %s\n", sib_session_diagnostic(r.session, i));
    if (ok && !into) {
        ok = show_outputs(m, s, r.outputs) && taps_all_matched(&s->taps, run.tap_matched) && !taps.failed;
        if (profile)
            show_profile(profile, s->repeat);
        if (passes_named(&s->passes))
            printf("%llu edits of the graph\n", (unsigned long long)sib_session_edits(r.session));
        show_times(s, times);
    }
    for (size_t i = 0; i < info.n_outputs; i++)
        sib_value_free(&r.outputs[i]);
    free(times);
    free(r.outputs);
    free(run.tap_matched);
    sib_profile_free(&profile);
    sib_session_free(&r.session);
    return ok;
}

/* The error of every value against a run in double. */
static bool show_errors(sib_model *m, const settings *s, const model_inputs *in)
{
    static const sib_tolerance tolerance = {.atol = 1e-5, .rtol = 1e-3};
    recording exact = {0}, plain = {0};
    comparison c = {0};
    bool ok = run_session(m, s, true, in, &exact) && run_session(m, s, false, in, &plain);
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

/* The work after the options are parsed. */
static int run_named(const cli_command *self, const settings *s, int n, char **names)
{
    if (n != 1)
        return cli_usage(self, "expected one model, got %d", n);
    if (s->folder && !file_folder_ready(s->folder))
        return CLI_FAILED;
    sib_model *m = NULL;
    sib_error err = SIB_ERROR_INIT;
    sib_open_options limits = open_limits(s->open_memory);
    if (sib_model_open(names[0], &limits, &m, &err) != SIB_OK)
        return cli_fail("%s", err.message);
    model_inputs in;
    bool ok = model_inputs_read(m, &s->in, &in) && run_session(m, s, false, &in, NULL) &&
              (!s->oracle || show_errors(m, s, &in));
    model_inputs_free(&in);
    sib_model_free(&m);
    return ok ? CLI_DONE : CLI_FAILED;
}

static int run(const cli_command *self, int argc, char **argv)
{
    settings s = {.passes = PASS_DEFAULTS, .repeat = 1};
    int n, code;
    if (cli_begin(self, argc, argv, &s, &n, &code))
        code = run_named(self, &s, n, argv);
    free(s.in.inputs.items);
    free(s.in.dims.items);
    free(s.taps.items);
    return code;
}

const cli_command command_run = {.name = "run",
                                 .summary = "run a model, and show any of its values",
                                 .operands = "MODEL -i NAME=WHAT... [-o DIR] [options]",
                                 .options = options,
                                 .more = more,
                                 .run = run};
