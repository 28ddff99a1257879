/* Reports of models that were measured. */
#include "bench/bench_models.h"

#include <math.h>
#include <string.h>

#define NAME_WIDTH 28

static json_t *first_to_json(const first_run *f)
{
    return json_pack("{s:f, s:f, s:f, s:f}", "open_seconds", f->open, "run_seconds", f->run, "resting_bytes",
                     f->resting, "peak_bytes", f->peak);
}

static json_t *side_to_json(const side *s)
{
    if (!s->n || *s->why)
        return json_pack("{s:o}", "skipped", cli_json_text(s->why));
    json_t *row =
        json_pack("{s:I, s:f, s:f, s:f, s:f, s:f}", "n", (json_int_t)s->n, "min", s->series.min, "median",
                  s->series.median, "mean", s->series.mean, "p95", s->series.p95, "max", s->series.max);
    if (s->first.known)
        json_object_set_new(row, "first", first_to_json(&s->first));
    if (s->same.known)
        json_object_set_new(row, "error", error_to_json(&s->same));
    if (s->plain.known)
        json_object_set_new(row, "error_to_float32", error_to_json(&s->plain));
    return row;
}

static void print_side(const side *s)
{
    if (s->n)
        printf(" %11.1f %11.1f", s->series.median, s->series.min);
    else
        printf(" %11s %11s", "-", "-");
}

/* Before the times: rates, where the run's flops and bytes are known. */
static void print_cost(const model_case *c, const side *s, const sib_peak *peak)
{
    if (!s->n || c->flops <= 0) {
        printf(" %8s %6s %6s", "-", "-", "-");
        return;
    }
    double seconds = 1e-6 * s->series.median;
    printf(" %8.1f %5.0f%% %5.0f%%", 1e-9 * c->flops / seconds, 100 * c->flops / seconds / peak->flops,
           100 * c->bytes / seconds / peak->read_bytes);
}

static void cost_to_json(json_t *row, const model_case *c, const sib_peak *peak)
{
    json_object_set_new(row, "flops", json_real(c->flops));
    json_object_set_new(row, "bytes", json_real(c->bytes));
    for (size_t k = 0; k < ENGINE_KINDS; k++) {
        const side *s = &c->sides[k];
        json_t *of = json_object_get(row, engine_name((engine_kind)k));
        if (!s->n || !of)
            continue;
        double seconds = 1e-6 * s->series.median;
        json_object_set_new(of, "gflops", json_real(1e-9 * c->flops / seconds));
        json_object_set_new(of, "of_peak", json_real(c->flops / seconds / peak->flops));
        json_object_set_new(of, "of_bandwidth", json_real(c->bytes / seconds / peak->read_bytes));
    }
}

static void print_first(const model_case *c)
{
    for (size_t k = 0; k < ENGINE_KINDS; k++) {
        const first_run *f = &c->sides[k].first;
        if (f->known)
            printf("  first result of %-11s %9.2f ms (open %.2f, run %.2f), memory %.1f MB resting, %.1f MB "
                   "at most\n",
                   engine_name((engine_kind)k), 1e3 * (f->open + f->run), 1e3 * f->open, 1e3 * f->run,
                   1e-6 * f->resting, 1e-6 * f->peak);
    }
}

/* torch has a separate row, since it runs few of the models. */
static void print_torch(const model_case *c)
{
    const side *ours = &c->sides[ENGINE_SIBYL], *theirs = &c->sides[ENGINE_TORCH];
    if (ours->n && theirs->n)
        printf("  torch: median %.1f, min %.1f; ratio of medians %.3f, of minima %.3f\n",
               theirs->series.median, theirs->series.min, ours->series.median / theirs->series.median,
               ours->series.min / theirs->series.min);
}

static void print_errors(const model_case *c)
{
    for (size_t k = 0; k < 2 * ENGINES_OF_FILES; k++) {
        const side *s = &c->sides[k % ENGINES_OF_FILES];
        const result_error *e = k < ENGINES_OF_FILES ? &s->same : &s->plain;
        char text[120];
        if (!e->known)
            continue;
        error_text(e, text, sizeof text);
        printf("  error of %-11s to ref in double, %-15s %s\n",
               engine_name((engine_kind)(k % ENGINES_OF_FILES)),
               k >= ENGINES_OF_FILES ? "float32 weights:" : "same weights:", text);
    }
}

void models_report_head(const bench_report *report, unsigned threads, bool costs)
{
    const bench_settings *settings = report->settings;
    if (settings->json)
        return;
    printf("microseconds per run, %u thread%s; ratio: sibyl / onnxruntime\n", threads,
           threads == 1 ? "" : "s");
    if (settings->error)
        printf("errors: the largest difference; its RMS over the RMS of the result; the largest over its "
               "element, or "
               "over that RMS\nwhere the element is smaller; of outputs the largest of each\n");
    if (settings->claims)
        printf("claimed: the share of time in operators and milli-ops that backends other than ref ran\n");
    if (costs)
        printf("GFLOP/s of products and convolutions, their share of the peak, and bytes of weights and "
               "caches as a share of the peak of reading\n");
    printf("\n%-*s %5s %11s %11s", NAME_WIDTH, "model", "nodes", "sibyl", "min");
    if (costs)
        printf(" %8s %6s %6s", "GFLOP/s", "peak", "read");
    if (settings->claims)
        printf(" %8s", "claimed");
    printf(settings->peers ? " %11s %11s %8s %8s\n" : "\n", "onnxruntime", "min", "ratio", "of min");
}

void models_report_case(bench_report *report, json_t *list, const model_case *c, const sib_peak *peak)
{
    const side *ours = &c->sides[ENGINE_SIBYL], *theirs = &c->sides[ENGINE_ORT],
               *torch = &c->sides[ENGINE_TORCH];
    json_t *row = json_pack("{s:o, s:I, s:o}", "name", cli_json_text(c->name), "nodes", (json_int_t)c->nodes,
                            "sibyl", side_to_json(ours));
    if (report->settings->peers)
        json_object_set_new(row, "onnxruntime", side_to_json(theirs));
    if (torch->n || *torch->why)
        json_object_set_new(row, "torch", side_to_json(torch));
    if (c->compared)
        json_object_set_new(row, "agrees", json_boolean(!*c->differs));
    if (ours->n && theirs->n) {
        json_object_set_new(row, "ratio", json_real(ours->series.median / theirs->series.median));
        json_object_set_new(row, "ratio_min", json_real(ours->series.min / theirs->series.min));
    }
    if (c->claims.known)
        json_object_set_new(row, "claims", claims_to_json(&c->claims));
    if (peak)
        cost_to_json(row, c, peak);
    json_array_append_new(list, row);
    if (report->settings->json)
        return;
    printf("%-*.*s %5zu", NAME_WIDTH, NAME_WIDTH, c->name, c->nodes);
    print_side(ours);
    if (peak)
        print_cost(c, ours, peak);
    if (c->claims.known)
        printf(" %7.2f%%", 100 * claims_share(&c->claims));
    else if (report->settings->claims)
        printf(" %8s", "-");
    if (report->settings->peers) {
        print_side(theirs);
        if (ours->n && theirs->n)
            printf(" %8.3f %8.3f%s", ours->series.median / theirs->series.median,
                   ours->series.min / theirs->series.min, *c->differs ? "  differs" : "");
    }
    putchar('\n');
    print_torch(c);
    print_first(c);
    claims_print(&c->claims);
    print_errors(c);
    fflush(stdout);
}

/* The geometric means of the costs of first runs. */
static void print_first_summary(bench_report *report, const models *list)
{
    static const char *const names[] = {"geometric mean, time to first result",
                                        "geometric mean, memory resting", "geometric mean, memory at most"};
    double sums[3] = {0};
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++) {
        const first_run *a = &list->items[i].sides[ENGINE_SIBYL].first,
                        *b = &list->items[i].sides[ENGINE_ORT].first;
        if (!a->known || !b->known)
            continue;
        sums[0] += log((a->open + a->run) / (b->open + b->run));
        sums[1] += log(fmax(a->resting, 4096) / fmax(b->resting, 4096));
        sums[2] += log(fmax(a->peak, 4096) / fmax(b->peak, 4096));
        n++;
    }
    for (size_t i = 0; i < 3 && n; i++) {
        const bench_ratio ratio = {.name = names[i], .value = exp(sums[i] / (double)n), .bar = 1};
        bench_report_ratios(report, &ratio, 1);
    }
}

/* What was skipped and what differs. */
static void print_notes(bench_report *report, const models *list)
{
    for (size_t i = 0; i < list->n; i++) {
        const model_case *c = &list->items[i];
        for (size_t k = 0; k < ENGINE_KINDS; k++)
            if (*c->sides[k].why)
                bench_report_note(report, "%s: %s skipped, %.300s", c->name, engine_name((engine_kind)k),
                                  c->sides[k].why);
        if (*c->no_error)
            bench_report_note(report, "%s: no errors, %.300s", c->name, c->no_error);
        if (*c->differs)
            bench_report_note(report, "%s: outputs differ, %.300s", c->name, c->differs);
    }
}

static void print_ratios(bench_report *report, const models *list)
{
    double sum = 0, sum_min = 0, worst = 0;
    const char *worst_name = "";
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++) {
        const side *ours = &list->items[i].sides[ENGINE_SIBYL], *theirs = &list->items[i].sides[ENGINE_ORT];
        if (!ours->n || !theirs->n)
            continue;
        double ratio = ours->series.median / theirs->series.median;
        sum += log(ratio);
        sum_min += log(ours->series.min / theirs->series.min);
        n++;
        if (ratio > worst) {
            worst = ratio;
            worst_name = list->items[i].name;
        }
    }
    if (!n)
        return;
    const bench_ratio ratios[] = {
        {.name = "geometric mean of ratios, medians", .value = exp(sum / (double)n), .bar = 1},
        {.name = "geometric mean of ratios, minima", .value = exp(sum_min / (double)n)},
        {.name = "worst ratio", .value = worst, .bar = 1}};
    if (!report->settings->json)
        putchar('\n');
    bench_report_ratios(report, ratios, 3);
    print_first_summary(report, list);
    bench_report_note(report, "%zu models compared; worst: %s", n, worst_name);
}

void models_report_summary(bench_report *report, const models *list)
{
    print_notes(report, list);
    print_ratios(report, list);
    claims_print_summary(report, list);
}
