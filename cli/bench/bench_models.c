/* sibyl bench models: runs of models, in Sibyl and, in the same rounds, in onnxruntime. */
#include "bench/bench_models.h"

#include "command.h"
#include "files.h"
#include "model/case_files.h"
#include "model/model_inputs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Seconds of a block; a round is a block of runs of each engine. */
#define BLOCK_SECONDS   0.002
#define DEFAULT_SECONDS 0.5 /* a model */
#define MIN_ROUNDS      3

/* Tolerance between the outputs of the two engines: other order of sums, other approximations. */
static const sib_tolerance agreement = {.rtol = 1e-2, .atol = 1e-3};

/* ---- The models that are given ------------------------------------------------------------------------ */

static void add_model(models *list, char *path, char *name)
{
    model_case *more = cli_alloc(list->n + 1, sizeof *more);
    char *folder = file_folder(path), *data = file_join(folder, "test_data_set_0");
    if (list->n)
        memcpy(more, list->items, list->n * sizeof *more);
    free(list->items);
    free(folder);
    if (!file_is_folder(data)) {
        free(data);
        data = NULL;
    }
    list->items = more;
    list->items[list->n++] = (model_case){.path = path, .name = name, .data = data};
}

static void add_case(void *context, const char *folder)
{
    add_model(context, file_join(folder, "model.onnx"), file_name(folder));
}

void models_add(models *list, const char *operand)
{
    if (file_is_folder(operand))
        case_find(operand, add_case, list);
    else
        add_model(list, cli_format("%s", operand), file_stem(operand));
}

void model_case_free(model_case *c)
{
    for (size_t k = 0; k < ENGINE_KINDS; k++)
        free(c->sides[k].us);
    free(c->path);
    free(c->plain);
    free(c->torch);
    free(c->name);
    free(c->data);
    *c = (model_case){0};
}

void models_free(models *list)
{
    for (size_t i = 0; i < list->n; i++)
        model_case_free(&list->items[i]);
    free(list->items);
}

/* ---- Inputs
   ------------------------------------------------------------------------------------------------ */

struct bench_inputs {
    case_values values;
    model_inputs drawn;
    const sib_named_value *named; /* (n) names are the model's */
    sib_named_value *own;         /* (n) or NULL */
    size_t n, n_outputs;
    sib_model *model;
};

void bench_inputs_free(bench_inputs *in)
{
    if (!in)
        return;
    case_values_free(&in->values);
    model_inputs_free(&in->drawn);
    free(in->own);
    sib_model_free(&in->model);
    free(in);
}

const sib_named_value *bench_inputs_named(const bench_inputs *in, size_t *n)
{
    *n = in->n;
    return in->named;
}

static bool read_inputs(model_case *c, const bench_settings *settings, bench_inputs *in, char *why,
                        size_t bytes)
{
    const input_settings draw = {.random = "1", .dims = settings->dims};
    sib_model_info info;
    sib_error err = SIB_ERROR_INIT;
    case_reading reading = {0};
    if (sib_model_open(c->path, &(sib_open_options){.registry = settings->ext.registry}, &in->model, &err) !=
        SIB_OK) {
        snprintf(why, bytes, "%s", err.message);
        return false;
    }
    sib_model_get_info(in->model, &info);
    c->nodes = info.n_nodes;
    in->n_outputs = info.n_outputs;
    if (!c->data) {
        bool ok = model_inputs_read(in->model, &draw, &in->drawn);
        in->named = in->drawn.items;
        in->n = in->drawn.n;
        snprintf(why, bytes, "inputs could not be created");
        return ok;
    }
    if (!case_load_inputs(in->model, c->data, &in->values, &reading)) {
        snprintf(why, bytes, "%s", reading.why);
        return false;
    }
    in->own = cli_alloc(in->values.n, sizeof *in->own);
    in->n = case_named_inputs(in->model, &in->values, in->own);
    in->named = in->own;
    return true;
}

bench_inputs *bench_inputs_read(model_case *c, const bench_settings *settings, char *why, size_t bytes)
{
    bench_inputs *in = cli_alloc(1, sizeof *in);
    if (read_inputs(c, settings, in, why, bytes)) {
        *why = '\0';
        return in;
    }
    bench_inputs_free(in);
    return NULL;
}

/* ---- Measuring
   --------------------------------------------------------------------------------------------- */

/* Runs n times and stores the times. */
static bool run_block(engine *e, side *s, size_t n)
{
    if (s->n + n > s->room) {
        s->room = 2 * s->room + n;
        double *grown = realloc(s->us, s->room * sizeof *grown);
        if (!grown) {
            snprintf(s->why, sizeof s->why, "out of memory for the times of %zu runs", s->room);
            return false;
        }
        s->us = grown;
    }
    for (size_t i = 0; i < n; i++) {
        double seconds = engine_run(e, s->why, sizeof s->why);
        if (seconds < 0)
            return false;
        s->us[s->n++] = 1e6 * seconds;
    }
    return true;
}

/* items: (n) or NULL, freed as well. */
static void drop_values(sib_value **items, size_t n)
{
    for (size_t i = 0; items && i < n; i++)
        sib_value_free(&items[i]);
    free(items);
}

/* Opens an engine and runs it once, then until its time is known. Returns the runs of a block, 0 on
   failure. */
static size_t make_ready(engine_kind kind, const engine_settings *es, const model_case *c,
                         const bench_inputs *in, engine **out, side *s)
{
    double seconds = 0;
    *out = engine_open(kind, es, kind == ENGINE_TORCH ? c->torch : c->path, s->why, sizeof s->why);
    if (!*out || !engine_bind(*out, in->n, in->named, s->why, sizeof s->why))
        return 0;
    for (int i = 0; i < 4 && (i < 2 || seconds < BLOCK_SECONDS); i++) {
        seconds = engine_run(*out, s->why, sizeof s->why);
        if (seconds < 0)
            return 0;
    }
    return seconds < BLOCK_SECONDS ? (size_t)(BLOCK_SECONDS / fmax(seconds, 1e-7)) : 1;
}

/* Errors of the engines' outputs against those of ref in double, of the file at path. own: that is the model
   itself, not its float32 counterpart. */
static void measure_errors(model_case *c, const char *path, bool own, size_t n_outputs,
                           const bench_inputs *in, sib_value **got[ENGINES_OF_FILES])
{
    char why[SIB_MESSAGE_SIZE] = "";
    sib_value **exact = cli_alloc(n_outputs, sizeof *exact);
    bool ok = error_exact(path, 0, in->n, in->named, exact, why, sizeof why);
    for (size_t k = 0; k < ENGINES_OF_FILES && ok; k++)
        if (got[k])
            ok = error_add_values(own ? &c->sides[k].same : &c->sides[k].plain, n_outputs, got[k], exact, why,
                                  sizeof why);
    if (!ok)
        snprintf(c->no_error, sizeof c->no_error, "%s", why);
    drop_values(exact, n_outputs);
}

/* Against the model in double, and against its float32 counterpart if there is one. */
static void compare_with_exact(model_case *c, engine *const engines[ENGINE_KINDS],
                               const size_t block[ENGINE_KINDS], const bench_inputs *in)
{
    sib_value **got[ENGINES_OF_FILES] = {NULL};
    for (size_t k = 0; k < ENGINES_OF_FILES; k++)
        if (block[k]) {
            got[k] = cli_alloc(in->n_outputs, sizeof *got[k]);
            if (!engine_outputs(engines[k], got[k], c->no_error, sizeof c->no_error))
                drop_values(got[k], in->n_outputs), got[k] = NULL;
        }
    measure_errors(c, c->path, true, in->n_outputs, in, got);
    if (c->plain)
        measure_errors(c, c->plain, false, in->n_outputs, in, got);
    for (size_t k = 0; k < ENGINES_OF_FILES; k++)
        drop_values(got[k], in->n_outputs);
}

static void compare(model_case *c, engine *const engines[ENGINE_KINDS], const bench_inputs *in)
{
    sib_value **a = cli_alloc(in->n_outputs, sizeof *a), **b = cli_alloc(in->n_outputs, sizeof *b);
    sib_value_info info;
    sib_comparison r;
    sib_error err = SIB_ERROR_INIT;
    bool ok = engine_outputs(engines[ENGINE_SIBYL], a, c->differs, sizeof c->differs) &&
              engine_outputs(engines[ENGINE_ORT], b, c->differs, sizeof c->differs);
    for (size_t i = 0; i < in->n_outputs && ok; i++) {
        if (!a[i] || !b[i])
            continue;
        sib_model_output(in->model, i, &info);
        if (sib_value_compare(a[i], b[i], &agreement, &r, &err) != SIB_OK)
            snprintf(c->differs, sizeof c->differs, "%.200s: %s", info.name, err.message);
        else if (!r.equal)
            snprintf(c->differs, sizeof c->differs,
                     "%s: %llu of %llu elements, the worst is %.6g against %.6g", info.name,
                     (unsigned long long)r.n_different, (unsigned long long)r.count, r.worst_a, r.worst_b);
    }
    c->compared = ok;
    drop_values(a, in->n_outputs);
    drop_values(b, in->n_outputs);
}

/* Alternating blocks of both, each after a run that does not count, since it finds the caches as the other
   engine left them. */
static void measure_rounds(model_case *c, const bench_settings *settings, engine *engines[ENGINE_KINDS],
                           size_t block[ENGINE_KINDS])
{
    double budget = settings->seconds > 0 ? settings->seconds : DEFAULT_SECONDS;
    size_t wanted = settings->repeat ? (size_t)settings->repeat : SIZE_MAX;
    sib_timer timer = sib_timer_start();
    for (size_t round = 0; round < wanted; round++) {
        if (!settings->repeat && round >= MIN_ROUNDS && sib_timer_seconds(&timer) > budget)
            break;
        for (size_t k = 0; k < ENGINE_KINDS; k++) {
            side *s = &c->sides[k];
            if (!block[k])
                continue;
            bool counts = block[k] > 1 ? engine_run(engines[k], s->why, sizeof s->why) >= 0 : true;
            if (!counts || !run_block(engines[k], s, block[k]))
                block[k] = 0;
        }
    }
}

static bool takes_part(engine_kind kind, const engine_settings *es, const model_case *c)
{
    return kind == ENGINE_SIBYL || (kind == ENGINE_ORT && es->ort) ||
           (kind == ENGINE_TORCH && es->torch && c->torch);
}

void model_measure(model_case *c, const bench_settings *settings, const engine_settings *es)
{
    engine *engines[ENGINE_KINDS] = {NULL};
    size_t block[ENGINE_KINDS] = {0};
    side *ours = &c->sides[ENGINE_SIBYL];
    bench_inputs *in = bench_inputs_read(c, settings, ours->why, sizeof ours->why);
    for (size_t k = 0; k < ENGINE_KINDS && in; k++)
        if (takes_part((engine_kind)k, es, c)) {
            block[k] = make_ready((engine_kind)k, es, c, in, &engines[k], &c->sides[k]);
            if (settings->fresh && block[k] && k < ENGINES_OF_FILES)
                first_run_measure((engine_kind)k, c, settings, &c->sides[k].first);
        }
    if (block[ENGINE_SIBYL] && block[ENGINE_ORT])
        compare(c, engines, in);
    if (settings->error && block[ENGINE_SIBYL])
        compare_with_exact(c, engines, block, in);
    measure_rounds(c, settings, engines, block);
    if (block[ENGINE_SIBYL])
        engine_kernels(engines[ENGINE_SIBYL], c->kernels, sizeof c->kernels);
    if (settings->claims && block[ENGINE_SIBYL])
        claims_measure(engines[ENGINE_SIBYL], &c->claims, ours->why, sizeof ours->why);
    for (size_t k = 0; k < ENGINE_KINDS; k++) {
        side *s = &c->sides[k];
        engine_close(engines[k]);
        if (sib_series_stats(s->us, s->n, &s->series, NULL, NULL) != SIB_OK)
            s->n = 0;
    }
    bench_inputs_free(in);
}

static void open_torch(bench_report *report, const models *list, engine_settings *es)
{
    char why[600];
    bool wanted = false;
    for (size_t i = 0; i < list->n; i++)
        wanted |= list->items[i].torch != NULL;
    if (!report->settings->peers || !wanted)
        return;
    es->torch = peer_torch_open(why, sizeof why);
    if (es->torch)
        bench_report_note(
            report,
            "torch %s in its own process, eager: the same networks with random weights, measured there",
            peer_torch_version(es->torch));
    else
        bench_report_note(report, "torch: skipped, %s", why);
}

void engines_open(bench_report *report, engine_settings *es)
{
    const bench_settings *settings = report->settings;
    char why[600];
    *es = (engine_settings){.backend = settings->backend,
                            .tune = settings->tune,
                            .passes = settings->passes,
                            .registry = settings->ext.registry,
                            .threads = settings->threads ? (unsigned)settings->threads : 1};
    if (!settings->peers)
        return;
    es->ort = peer_ort_open(why, sizeof why);
    if (es->ort)
        bench_report_note(
            report,
            "onnxruntime %s through its C interface; inputs bound before, outputs allocated by each run",
            peer_ort_version(es->ort));
    else
        bench_report_note(report, "onnxruntime: skipped, %s", why);
}

void engines_close(engine_settings *es)
{
    peer_ort_close(es->ort);
    peer_torch_close(es->torch);
}

bool models_measure(bench_report *report, models *list, const sib_peak *peak)
{
    const bench_settings *settings = report->settings;
    engine_settings es;
    bool any = false;
    json_t *rows = json_array();
    cli_progress progress;
    engines_open(report, &es);
    open_torch(report, list, &es);
    models_report_head(report, es.threads, peak != NULL);
    cli_progress_begin(&progress, list->n);
    for (size_t i = 0; i < list->n; i++) {
        progress.item = i;
        cli_progress_show(&progress, 0, "measuring", list->items[i].name);
        model_measure(&list->items[i], settings, &es);
        cli_progress_clear(&progress);
        models_report_case(report, rows, &list->items[i], peak);
        any |= list->items[i].sides[ENGINE_SIBYL].n > 0;
    }
    bench_report_value(report, "models", rows);
    models_report_summary(report, list);
    engines_close(&es);
    return any;
}

int bench_models(const void *of)
{
    const bench_settings *settings = of;
    models list = {0};
    bench_report report;
    for (int i = 0; i < settings->n_operands; i++)
        models_add(&list, settings->operands[i]);
    int code = CLI_FAILED;
    if (!list.n)
        cli_fail("no model was found; give files, or folders with cases");
    else if ((code = bench_report_begin(&report, settings, "models")) == CLI_DONE) {
        code = models_measure(&report, &list, NULL) ? CLI_DONE : CLI_FAILED;
        bench_report_end(&report);
    }
    models_free(&list);
    return code;
}
