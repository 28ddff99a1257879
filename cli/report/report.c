/* sibyl report MODEL: a run of a model as one HTML file, for a bug report or a machine that runs tests. */
#include "command.h"
#include "files.h"
#include "messages.h"
#include "model/compare_nodes.h"
#include "model/model_inputs.h"
#include "model/value_text.h"
#include "report/parts.h"
#include "shared_options.h"

#include <stdlib.h>
#include <string.h>

#define MAX_VALUES 20000 /* of a run, those of iterations among them */
#define RUNS       5     /* that are timed */

typedef struct settings {
    input_settings in;
    extension_settings ext;
    const char *out, *backend, *reference, *against, *title;
    bool oracle;
    long threads;
    double rtol, atol, open_memory;
} settings;

static const cli_option options[] = {
    OPT_INPUTS,
    OPT_FILE("out", out, "FILE", "where the report goes (default: report.html)", .letter = 'o'),
    OPT_BACKEND,
    OPT_BACKENDS("reference", reference, "compare every value with a run on these backends"),
    OPT_FLAG("oracle", oracle, "compare with a run in double precision; alone: on ref"),
    OPT_AGAINST("compare with the values of another runtime"),
    OPT_RTOL,
    OPT_ATOL("1e-5"),
    OPT_TEXT("title", title, "TEXT", "what stands above it (default: the model's file)"),
    OPT_THREADS("0"),
    OPT_EXTENSIONS,
    OPT_OPEN_MEMORY,
    OPT_END};

static const char more[] =
    "Runs the model once with every value looked at, and then five times for its "
    "profile, and writes one HTML file that needs "
    "neither a server nor a network: what was found (NaN, values out of tolerance, "
    "the slowest node), the model, its graph, each "
    "node with time, range, mean and image of its output, differences and a timeline. "
    "It stays below 5 MB. Inputs are those of "
    "'sibyl run'. Values are judged as by 'sibyl diff': each node on the other side's values, by "
    "what rounding explains; with --oracle, --rtol or --atol complete runs are compared.";

/* ---- Values ------------------------------------------------------------------------------------------ */

/* What the tap of the run that is looked at fills. */
typedef struct looking {
    report *r;
    recording *into; /* copies, for the comparison; NULL: none */
} looking;

static sib_code on_value(void *context, const sib_tap_event *event, sib_error *err)
{
    const looking *l = context;
    report *r = l->r;
    if (r->n_values == MAX_VALUES) {
        r->n_left_out++;
        return SIB_OK;
    }
    if (r->n_values == r->capacity) {
        size_t more_values = r->capacity ? 2 * r->capacity : 64;
        reported *grown = cli_alloc(more_values, sizeof *grown);
        if (r->n_values)
            memcpy(grown, r->values, r->n_values * sizeof *grown);
        free(r->values);
        r->values = grown;
        r->capacity = more_values;
    }
    reported *v = &r->values[r->n_values];
    sib_code code = sib_digest_of(event->value, NULL, &v->digest, err);
    if (code == SIB_OK) {
        char type[400];
        v->name = cli_format("%s", event->name);
        v->type = cli_format("%s", value_type_text(event->value, type, sizeof type));
        r->n_values++;
    }
    return code == SIB_OK && l->into ? recording_tap(l->into, event, err) : code;
}

static int by_name(const void *a, const void *b)
{
    const reported *x = *(const reported *const *)a, *y = *(const reported *const *)b;
    int order = strcmp(x->name, y->name);
    return order ? order : x < y ? -1 : 1;
}

static void sort_values(report *r)
{
    r->by_name = cli_alloc(r->n_values + 1, sizeof *r->by_name);
    for (size_t i = 0; i < r->n_values; i++)
        r->by_name[i] = &r->values[i];
    qsort(r->by_name, r->n_values, sizeof *r->by_name, by_name);
}

/* ---- Runs -------------------------------------------------------------------------------------------- */

/* One run for each option of (n), in a session of its own. */
static bool run_with(sib_model *m, const sib_session_options *o, const model_inputs *in, size_t n,
                     const sib_run_options *how)
{
    sib_session *session = NULL;
    sib_error err = SIB_ERROR_INIT;
    sib_model_info info;
    sib_model_get_info(m, &info);
    sib_value **outputs = cli_alloc(info.n_outputs + 1, sizeof *outputs);
    bool ok = sib_session_create(m, o, &session, &err) == SIB_OK;
    for (size_t k = 0; k < n && ok; k++) {
        ok = sib_session_run(session, in->n, in->items, 0, NULL, outputs, &how[k], &err) == SIB_OK;
        for (size_t i = 0; i < info.n_outputs; i++)
            sib_value_free(&outputs[i]);
    }
    if (!ok)
        cli_fail("%s", err.message);
    free(outputs);
    sib_session_free(&session);
    return ok;
}

/* The runs whose times are shown: a first that plans and packs, and RUNS more. */
static bool run_timed(sib_model *m, const sib_session_options *o, const model_inputs *in,
                      sib_profile *profile)
{
    sib_run_options how[1 + RUNS] = {0};
    for (size_t k = 1; k <= RUNS; k++)
        how[k].profile = profile;
    return run_with(m, o, in, 1 + RUNS, how);
}

/* Whether options ask for a comparison of complete runs, not of each node on the other side's values. */
static bool is_whole(const settings *s)
{
    return s->rtol >= 0 || s->atol >= 0 || s->oracle;
}

/* The values of the reference, unless they are files. */
static bool run_reference(sib_model *m, const settings *s, sib_session_options o, const model_inputs *in,
                          recording *out)
{
    o.backends = s->reference ? s->reference : "ref";
    o.oracle = s->oracle;
    return run_with(m, &o, in, 1, &(sib_run_options){.tap = recording_tap, .tap_context = out});
}

/* theirs: of --against. */
static bool run_all(sib_model *m, const settings *s, const model_inputs *in, const dump *theirs, report *r,
                    recording *values)
{
    sib_error err = SIB_ERROR_INIT;
    sib_pool *pool = NULL;
    sib_profile *profile = NULL;
    reference refer = {.theirs = s->against ? theirs : NULL};
    bool referred = s->reference || s->oracle;
    looking look = {r, referred || s->against ? values : NULL};
    bool ok = sib_pool_create((unsigned)s->threads, &pool, &err) == SIB_OK &&
              sib_profile_create(&profile, &err) == SIB_OK;
    if (!ok)
        cli_fail("%s", err.message);
    sib_session_options o = {
        .backends = s->backend, .pool = pool, .seed = s->in.random ? strtoull(s->in.random, NULL, 10) : 0};
    ok = ok && run_with(m, &o, in, 1, &(sib_run_options){.tap = on_value, .tap_context = &look}) &&
         run_timed(m, &o, in, profile) && (!referred || run_reference(m, s, o, in, &refer.a));
    sort_values(r);
    r->profile =
        (profile_of){.profile = profile, .runs = RUNS, .peak.threads = ok ? sib_pool_threads(pool) : 0};
    if (ok && (referred || s->against) && !is_whole(s))
        ok = compare_nodes(m, &(sib_diff_options){.backends = s->backend}, in, &refer, &r->compared);
    else if (ok && s->against)
        ok = compare_with_dump(theirs, values, &r->tolerance, &r->compared);
    else if (ok && referred)
        compare_recordings(&refer.a, values, &r->tolerance, &r->compared);
    recording_free(&refer.a);
    sib_pool_free(&pool);
    return ok;
}

/* ---- The file ---------------------------------------------------------------------------------------- */

static bool write_file(const char *path, const report *r)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return cli_fail("%s: too little memory", path), false;
    report_write(f, r);
    bool ok = !ferror(f);
    ok = !fclose(f) && ok;
    ok = ok ? file_put(path, text, size) : (cli_fail("%s: too little memory", path), false);
    if (ok)
        printf("%s: %zu values, %.2f MB\n", path, r->n_values, (double)size * 1e-6);
    free(text);
    return ok;
}

static bool report_model_file(sib_model *m, const settings *s, const char *path, const model_inputs *in,
                              const dump *theirs)
{
    recording values = {0};
    char *name = file_name(path);
    char *oracle = cli_format("%s in double precision", s->reference ? s->reference : "ref");
    report r = {.title = s->title ? s->title : name,
                .m = m,
                .graph = sib_model_graph(m, 0),
                .against = s->against  ? s->against
                           : s->oracle ? oracle
                                       : s->reference,
                .tolerance = {.atol = s->atol < 0 ? 1e-5 : s->atol, .rtol = s->rtol < 0 ? 1e-3 : s->rtol}};
    bool ok = run_all(m, s, in, theirs, &r, &values) && write_file(s->out, &r);
    for (size_t i = 0; i < r.n_values; i++) {
        free(r.values[i].name);
        free(r.values[i].type);
    }
    free(r.values);
    free(r.by_name);
    comparison_free(&r.compared);
    recording_free(&values);
    sib_profile *profile = (sib_profile *)(uintptr_t)r.profile.profile;
    sib_profile_free(&profile);
    free(oracle);
    free(name);
    return ok;
}

static int report_named(const cli_command *self, const settings *s, int n, char **names)
{
    if (n != 1)
        return cli_usage(self, "expected one model, got %d", n);
    if (s->against && (s->reference || s->oracle))
        return cli_usage(self,
                         "--against compares with files: --reference and --oracle cannot be given with it");
    dump theirs = {0};
    sib_model *m = NULL;
    sib_error err = SIB_ERROR_INIT;
    sib_open_options limits = open_limits(s->open_memory);
    limits.registry = s->ext.registry;
    if (sib_model_open(names[0], &limits, &m, &err) != SIB_OK)
        return cli_fail("%s", err.message);
    model_inputs in;
    bool ok = model_inputs_read(m, &s->in, &in) && (!s->against || dump_open(s->against, &theirs)) &&
              report_model_file(m, s, names[0], &in, &theirs);
    model_inputs_free(&in);
    dump_close(&theirs);
    sib_model_free(&m);
    return ok ? CLI_DONE : CLI_FAILED;
}

static int report_run(const cli_command *self, int argc, char **argv)
{
    settings s = {.out = "report.html", .rtol = -1, .atol = -1};
    int n, code;
    if (cli_begin(self, argc, argv, &s, &n, &code))
        code = extensions_load(&s.ext) ? report_named(self, &s, n, argv) : CLI_FAILED;
    extensions_free(&s.ext);
    free(s.in.inputs.items);
    free(s.in.dims.items);
    return code;
}

const cli_command command_report = {.name = "report",
                                    .summary = "a run of a model as one HTML file",
                                    .operands = "MODEL -i NAME=WHAT... [-o FILE] [options]",
                                    .options = options,
                                    .more = more,
                                    .run = report_run};
