/* sibyl run MODEL: runs a model once and shows or writes any of its values. */
#include "command.h"
#include "messages.h"
#include "model/compare_runs.h"
#include "model/dump.h"
#include "model/model_inputs.h"
#include "model/profile_text.h"
#include "model/run_set.h"
#include "model/value_json.h"
#include "model/value_text.h"
#include "shared_options.h"

#include <stdlib.h>
#include <string.h>

typedef struct settings {
    input_settings in;
    extension_settings ext;
    set_settings set;
    pass_settings passes;
    cli_list taps;
    const char *out, *backend;
    long threads, warmup, repeat;
    double memory, open_memory; /* MB */
    bool profile, oracle, inside, json;
    const char *trace, *tune, *png;
    int verbose;
} settings;

static const cli_option options[] = {
    OPT_INPUTS,
    OPT_FILE("out", out, "DIR|FILE.npz",
             "write outputs and taps into this folder, as NAME.npy (sequences, optionals and maps as "
             "NAME.pb) with a "
             "manifest.json that has their names, types and dims, or into one .npz",
             .letter = 'o', .more = FOLDER_IS_MADE),
    OPT_BACKEND,
    OPT_PASSES,
    OPT_TUNE,
    OPT_LIST("tap", taps, "NAME|GLOB", "show these values of the graph too; may be given several times",
             .more = "A name that matches no value is an error."),
    OPT_FLAG("inside", inside, "taps see the values of milli-ops too, as node/milli.3:add"),
    OPT_FLAG(
        "profile", profile,
        "show time by phase, node, operator and milli-op, with GFLOP/s and GB/s beside the machine's peaks",
        .more = "The first run of a model plans and packs weights; --warmup leaves such runs out. Bytes are "
                "those of inputs, weights and outputs, which caches may hold."),
    OPT_FILE("png", png, "P.png", "draw the profile: time by operator and by node",
             .more = "As SVG where the name ends with .svg. The 30 largest of each."),
    OPT_TRACE,
    OPT_VERBOSE,
    OPT_JSON,
    OPT_INTEGER("warmup", warmup, "N", 0, 1000000, "run N times first, without taps and profile"),
    OPT_INTEGER("repeat", repeat, "N", 1, 1000000,
                "run N times, with times per run in the profile and the minimum and the median at the end"),
    OPT_FLAG("oracle", oracle,
             "run in double precision too, and show each value's error in representable values (ULP)"),
    OPT_THREADS("0"),
    OPT_NUMBER(
        "memory", memory, "MB", 0, 1e9,
        "fail, naming the node, where values of the run would take more; 4,295 MB, or 1,024 times weights "
        "and inputs, where not given (memory_limit of the library)",
        .above = true),
    OPT_EXTENSIONS,
    OPT_OPEN_MEMORY,
    OPT_SET,
    OPT_END};

static const char more[] =
    "Runs the model once and shows a line for each output, and for any other value of its graph: type, "
    "shape, range, mean and the first elements. Inputs are files (.npy, .npz, .pb, .txt) or text: -i "
    "x=x.npy, -i x=1,2,3, -i x=[[1,2],[3,4]], -i words=hello. Inputs that are not given are drawn with "
    "--random, with the sizes of symbolic dims that --dim gives.";

/* ---- Taps ---------------------------------------------------------------------------------------------- */

typedef struct tap_context {
    dump_writer *dump; /* or NULL */
    json_t *list;      /* of values, or NULL */
    bool failed;
} tap_context;

static sib_code on_tap(void *context, const sib_tap_event *event, sib_error *err)
{
    tap_context *t = context;
    (void)err;
    if (t->list)
        json_array_append_new(t->list, value_json(event->name, event->value));
    else
        value_show(event->name, event->value, stdout);
    if (t->dump && !dump_put(t->dump, event->name, event->value))
        t->failed = true;
    return SIB_OK;
}

/* ---- Running ------------------------------------------------------------------------------------------ */

/* list: of values in JSON, or NULL. to: where they are written, or NULL. */
static bool show_outputs(const sib_model *m, dump_writer *to, sib_value *const *outputs, json_t *list)
{
    sib_value_info info;
    bool ok = true;
    for (size_t i = 0; sib_model_output(m, i, &info); i++) {
        if (list)
            json_array_append_new(list, value_json(info.name, outputs[i]));
        else
            value_show(info.name, outputs[i], stdout);
        if (to)
            ok = ok && dump_put(to, info.name, outputs[i]);
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

static json_t *times_json(const settings *s, const double *times)
{
    json_t *list = json_array();
    for (long i = 0; i < s->repeat; i++)
        json_array_append_new(list, json_real(times[i] * 1e3));
    return list;
}

static json_t *notices_json(const sib_session *s)
{
    json_t *list = json_array();
    for (size_t i = 0; sib_session_diagnostic(s, i); i++)
        json_array_append_new(list, cli_json_text(sib_session_diagnostic(s, i)));
    return list;
}

/* What the runs gave. taps: of a document, to be taken over, or NULL. */
static bool show_runs(const sib_model *m, const settings *s, const running *r, const profile_of *profile,
                      json_t *taps, dump_writer *to, double *times)
{
    json_t *outputs = s->json ? json_array() : NULL;
    bool ok = show_outputs(m, to, r->outputs, outputs) && (!to || dump_end(to));
    if (s->json) {
        json_t *all = json_pack("{s:o, s:O, s:o, s:o, s:I}", "outputs", outputs, "taps", taps, "times_ms",
                                times_json(s, times), "notices", notices_json(r->session), "edits",
                                (json_int_t)sib_session_edits(r->session));
        if (s->profile)
            json_object_set_new(all, "profile", profile_json(profile));
        cli_json_print(all);
        return ok;
    }
    if (s->profile)
        profile_show(profile);
    if (passes_named(&s->passes))
        printf("%llu edits of the graph\n", (unsigned long long)sib_session_edits(r->session));
    show_times(s, times);
    return ok;
}

/* The session, and the threads that it shares with the measurement of the machine. */
static bool open_session(sib_model *m, const settings *s, bool oracle, sib_pool **pool, sib_session **out)
{
    sib_error err = SIB_ERROR_INIT;
    sib_session_options o = {.backends = s->backend,
                             .oracle = oracle,
                             .seed = s->in.random ? strtoull(s->in.random, NULL, 10) : 0,
                             .memory_limit = (uint64_t)(s->memory * 1e6),
                             .tuning_file = s->tune};
    o.log = verbose_log(s->verbose);
    passes_apply(&s->passes, &o);
    bool ok = sib_pool_create((unsigned)s->threads, pool, &err) == SIB_OK;
    o.pool = *pool;
    ok = ok && sib_session_create(m, &o, out, &err) == SIB_OK;
    if (!ok)
        cli_fail("%s", err.message);
    return ok;
}

/* Runs as often as asked for, or once with values recorded if `into` is given. */
static bool run_session(sib_model *m, const settings *s, bool oracle, const model_inputs *in, dump_writer *to,
                        recording *into)
{
    running r = {.in = in};
    sib_pool *pool = NULL;
    sib_profile *profile = NULL;
    sib_model_info info;
    tap_context taps = {to, s->json ? json_array() : NULL, false};
    sib_run_options run = {.tap_names = s->taps.items,
                           .n_taps = s->taps.n,
                           .tap_inside = s->inside,
                           .cancel = to ? to->cancel : NULL};
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
    bool ok = open_session(m, s, oracle, &pool, &r.session) && trace_begin(s->trace               ? s->trace
                                                                           : s->profile || s->png ? ""
                                                                                                  : NULL,
                                                                           &profile);
    run.profile = into ? NULL : profile;
    ok = ok && (into ? run_again(&r, &run, &times[0]) : run_all(&r, s, &run, times));
    for (size_t i = 0; r.session && !s->json && sib_session_diagnostic(r.session, i); i++)
        fprintf(stderr, "sibyl: noticed: %s\n", sib_session_diagnostic(r.session, i));
    if (ok && !into) {
        profile_of shown = {.profile = profile, .runs = s->repeat};
        if (s->profile)
            profile_measure(&shown, pool);
        ok = show_runs(m, s, &r, &shown, taps.list, to, times) &&
             taps_all_matched(&s->taps, run.tap_matched) && !taps.failed;
        ok = (!s->png || profile_draw(&shown, s->png)) && ok;
        ok = trace_end(s->trace, &profile) && ok;
    }
    for (size_t i = 0; i < info.n_outputs; i++)
        sib_value_free(&r.outputs[i]);
    json_decref(taps.list);
    free(times);
    free(r.outputs);
    free(run.tap_matched);
    sib_profile_free(&profile);
    sib_session_free(&r.session);
    sib_pool_free(&pool);
    return ok;
}

/* The error of every value against a run in double. */
static bool show_errors(sib_model *m, const settings *s, const model_inputs *in)
{
    static const sib_tolerance tolerance = {.atol = 1e-5, .rtol = 1e-3};
    recording exact = {0}, plain = {0};
    comparison c = {0};
    bool ok = run_session(m, s, true, in, NULL, &exact) && run_session(m, s, false, in, NULL, &plain);
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

static bool run_set(const cli_command *self, const settings *s, sib_model *m, const char *path)
{
    sib_pool *pool = NULL;
    model_set set = {.model = m, .in = s->in};
    const bool done =
        open_session(m, s, false, &pool, &set.session) &&
        run_model_set(
            &set,
            &(set_work){.command = self, .settings = s, .model = path, .set = &s->set, .folder = s->out}) ==
            CLI_DONE;
    sib_session_free(&set.session);
    sib_pool_free(&pool);
    return done;
}

/* Whether an option is given that shows one run. */
static bool is_of_one(const settings *s)
{
    return s->taps.n || s->profile || s->oracle || s->json || s->png || s->trace || s->warmup ||
           s->repeat > 1;
}

static int check(const cli_command *self, const settings *s, int n)
{
    if (n != 1)
        return cli_usage(self, "expected one model, got %d", n);
    if (s->oracle && s->json)
        return cli_usage(self,
                         "--oracle shows text alone; 'sibyl diff --oracle --json' gives the same as JSON");
    if (set_wanted(&s->set) && is_of_one(s))
        return cli_usage(self,
                         "--manifest writes outputs and a manifest: not with --tap, --profile, --oracle, "
                         "--json, --png, --trace, --warmup or --repeat");
    return set_check(self, &s->set, 0, s->out);
}

/* The work after the options are parsed. */
static int run_named(const cli_command *self, const settings *s, int n, char **names)
{
    const int code = check(self, s, n);
    if (code != CLI_DONE)
        return code;
    sib_model *m = NULL;
    sib_error err = SIB_ERROR_INIT;
    sib_open_options limits = open_limits(s->open_memory);
    limits.registry = s->ext.registry;
    limits.log = verbose_log(s->verbose);
    if (sib_model_open(names[0], &limits, &m, &err) != SIB_OK)
        return cli_fail("%s", err.message);
    if (set_wanted(&s->set)) {
        const bool done = run_set(self, s, m, names[0]);
        sib_model_free(&m);
        return done ? CLI_DONE : CLI_FAILED;
    }
    model_inputs in = {0};
    dump_writer to = {0};
    bool ok = (!s->out || dump_begin(s->out, &to)) && model_inputs_read(m, &s->in, &in) &&
              run_session(m, s, false, &in, s->out ? &to : NULL, NULL) &&
              (!s->oracle || show_errors(m, s, &in));
    dump_discard(&to);
    model_inputs_free(&in);
    sib_model_free(&m);
    return ok ? CLI_DONE : CLI_FAILED;
}

static int run(const cli_command *self, int argc, char **argv)
{
    settings s = {.passes = PASS_DEFAULTS, .repeat = 1, .verbose = -1};
    int n, code;
    if (cli_begin(self, argc, argv, &s, &n, &code))
        code = extensions_load(&s.ext) ? run_named(self, &s, n, argv) : CLI_FAILED;
    extensions_free(&s.ext);
    set_settings_free(&s.set);
    free(s.in.inputs.items);
    free(s.in.dims.items);
    free(s.taps.items);
    return code;
}

const cli_command command_run = {
    .name = "run",
    .summary = "run a model, and show any of its values",
    .operands = "MODEL -i NAME=WHAT... [-o DIR|FILE.npz] [options] | MODEL --manifest FILE -o DIR",
    .options = options,
    .more = more,
    .run = run};
