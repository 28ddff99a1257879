/* sibyl bench layers: layers drawn at random from what real networks have, beside onnxruntime, and small
   graphs, whose time is what a run costs beside its kernels. */
#include "bench/bench_models.h"

#include "bench/layer_draw.h"
#include "command.h"
#include "files.h"

#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_LAYERS  800
#define DEFAULT_SECONDS 0.03 /* a layer */
#define AGAIN           10   /* times as long for a layer that was slower than its bar: noise is none */
#define PEAK_SECONDS    0.5
#define TINY_NODES      10
#define SLOWEST         20 /* rows at the end */

/* The bars: of each layer, of all, and microseconds of a run of small nodes. */
#define LAYER_BAR  1.05
#define MEAN_BAR   0.6
#define RUN_BAR    1.5
#define NODE_BAR   0.2
#define TINY_OPSET 18

typedef struct family {
    const char *name;
    unsigned weight; /* parts of 1000 */
    int64_t opset;
    void (*draw)(layer *l);
} family;

static const family families[] = {
#define ROW(name, weight, opset, draw) {name, weight, opset, draw},
    LAYER_FAMILIES(ROW)
#undef ROW
};
#define N_FAMILIES (sizeof families / sizeof *families)

/* A measured layer. */
typedef struct layer_row {
    size_t family;
    char name[96], kernels[MODEL_KERNELS];
    double ours, theirs; /* median microseconds; 0: not measured */
    double share;        /* of what flops or bytes allow, 0 to 1 */
} layer_row;

typedef struct layer_bench {
    bench_report *report;
    bench_settings settings;
    engine_settings engines;
    sib_peak peak;
    char *path; /* of the current model */
    layer_row *rows;
    size_t n, n_failed;
    json_t *json;
} layer_bench;

/* ---- Measuring ----------------------------------------------------------------------------------------- */

static bool slow(const layer_row *r)
{
    return r->ours > LAYER_BAR * r->theirs && r->theirs > 0;
}

/* Fills the row's times. Returns false, with a note, where Sibyl could not run the layer. */
static bool measure(layer_bench *b, const layer *l, layer_row *row)
{
    for (int attempt = 0; attempt < 2; attempt++) {
        bench_settings s = b->settings;
        model_case c = {.path = cli_format("%s", b->path), .name = cli_format("%s", l->name)};
        s.seconds *= attempt ? AGAIN : 1;
        model_measure(&c, &s, &b->engines);
        const side *ours = &c.sides[ENGINE_SIBYL], *theirs = &c.sides[ENGINE_ORT];
        row->ours = ours->n ? ours->series.median : 0;
        row->theirs = theirs->n ? theirs->series.median : 0;
        memcpy(row->kernels, c.kernels, sizeof row->kernels);
        if (!ours->n)
            bench_report_note(b->report, "%s: %.300s", l->name, ours->why);
        else if (b->engines.ort && !theirs->n)
            bench_report_note(b->report, "%s: onnxruntime: %.300s", l->name, theirs->why);
        if (*c.differs)
            bench_report_note(b->report, "%s: outputs differ, %.300s", l->name, c.differs);
        model_case_free(&c);
        if (!slow(row))
            break;
    }
    double seconds = fmax(l->flops / b->peak.flops, l->bytes / b->peak.read_bytes);
    row->share = row->ours > 0 ? 1e6 * seconds / row->ours : 0;
    return row->ours > 0;
}

static void report_row(layer_bench *b, const layer_row *r, const char *of)
{
    json_t *json = json_pack("{s:s, s:o, s:o, s:f, s:f}", "family", of, "name", cli_json_text(r->name),
                             "kernels", cli_json_text(r->kernels), "sibyl", r->ours, "roofline", r->share);
    if (r->theirs > 0)
        json_object_set_new(json, "onnxruntime", json_real(r->theirs));
    json_array_append_new(b->json, json);
    if (b->settings.json)
        return;
    printf("%-16s %-44.44s %-20.20s %10.1f %5.0f%%", of, r->name, r->kernels, r->ours, 100 * r->share);
    if (r->theirs > 0)
        printf(" %10.1f %7.3f%s", r->theirs, r->ours / r->theirs, slow(r) ? "  slower" : "");
    putchar('\n');
    fflush(stdout);
}

static bool wanted(const layer_bench *b, const char *of, const char *name)
{
    char *full = cli_format("%s %s", of, name);
    bool match = !b->settings.only || fnmatch(b->settings.only, full, 0) == 0;
    free(full);
    return match;
}

/* Draws one layer, measures it where it is wanted, and adds its row. */
static void add_layer(layer_bench *b, size_t of, uint64_t *random)
{
    layer l;
    layer_begin(&l, families[of].opset, random);
    families[of].draw(&l);
    if (!wanted(b, families[of].name, l.name)) {
        sib_build_free(&l.b);
        return;
    }
    layer_row *row = &b->rows[b->n];
    *row = (layer_row){.family = of};
    memcpy(row->name, l.name, sizeof row->name);
    if (!layer_end(&l, b->path))
        bench_report_note(b->report, "%s %s: %s", families[of].name, l.name, l.err.message);
    else if (measure(b, &l, row)) {
        report_row(b, row, families[of].name);
        b->n++;
        return;
    }
    b->n_failed++;
}

/* Families in turn, each as often as its weight says: the first N layers of a longer list are a sample of it. */
static void measure_layers(layer_bench *b, size_t n)
{
    uint64_t random = 0x9e3779b97f4a7c15u * (uint64_t)(2 * b->settings.seed + 1);
    double due[N_FAMILIES];
    cli_progress progress;
    for (size_t i = 0; i < N_FAMILIES; i++)
        due[i] = 0.5;
    cli_progress_begin(&progress, n);
    for (size_t i = 0; i < n; i++) {
        size_t next = 0;
        for (size_t k = 0; k < N_FAMILIES; k++) {
            due[k] += families[k].weight * 1e-3;
            if (due[k] > due[next])
                next = k;
        }
        due[next] -= 1;
        progress.item = i;
        cli_progress_show(&progress, 0, "measuring", families[next].name);
        uint64_t own = random + 0xd1342543de82ef95u * (i + 1); /* a layer depends on its number alone */
        add_layer(b, next, &own);
        cli_progress_clear(&progress);
    }
}

/* ---- Small graphs ------------------------------------------------------------------------------------- */

static void measure_tiny(layer_bench *b)
{
    uint64_t random = 1;
    double worst = 0;
    for (unsigned n = 1; n <= TINY_NODES; n++) {
        layer l;
        layer_row row = {0};
        layer_begin(&l, TINY_OPSET, &random);
        draw_tiny(&l, n);
        memcpy(row.name, l.name, sizeof row.name);
        if (!wanted(b, "small graph", l.name)) {
            sib_build_free(&l.b);
            continue;
        }
        if (!layer_end(&l, b->path) || !measure(b, &l, &row)) {
            bench_report_note(b->report, "%s: %s", l.name, l.err.message);
            continue;
        }
        row.share = 0;
        report_row(b, &row, "small graph");
        worst = fmax(worst, row.ours / (RUN_BAR + NODE_BAR * n));
    }
    if (worst > 0) {
        const bench_ratio ratio = {
            .name = "small graphs / (1.5 us + 0.2 us per node), worst", .value = worst, .bar = 1};
        bench_report_ratios(b->report, &ratio, 1);
    }
}

/* ---- Report ---------------------------------------------------------------------------------------- */

typedef struct summary {
    const char *name;
    size_t n, n_slow, n_compared;
    double logs, worst, shares;
} summary;

static void add_to(summary *s, const layer_row *r)
{
    s->n++;
    s->shares += log(fmax(r->share, 1e-6));
    if (!(r->theirs > 0))
        return;
    s->n_compared++;
    s->n_slow += slow(r);
    s->logs += log(r->ours / r->theirs);
    s->worst = fmax(s->worst, r->ours / r->theirs);
}

static void report_summary(layer_bench *b, const char *by, const summary *s, json_t *list)
{
    double mean = s->n_compared ? exp(s->logs / (double)s->n_compared) : 0;
    double share = s->n ? exp(s->shares / (double)s->n) : 0;
    json_array_append_new(list, json_pack("{s:s, s:o, s:I, s:I, s:f, s:f, s:f}", "by", by, "name",
                                          cli_json_text(s->name), "layers", (json_int_t)s->n, "slower",
                                          (json_int_t)s->n_slow, "ratio", mean, "worst", s->worst, "roofline",
                                          share));
    if (!b->settings.json)
        printf("%-24.24s %6zu %7.0f%% %8.3f %8.3f %7zu\n", s->name, s->n, 100 * share, mean, s->worst,
               s->n_slow);
}

/* Rows by family and by kernel. */
static void report_groups(layer_bench *b)
{
    json_t *list = json_array();
    summary *kernels = cli_alloc(b->n, sizeof *kernels);
    size_t n = 0;
    if (!b->settings.json)
        printf("\n%-24s %6s %8s %8s %8s %7s\n", "family, kernel", "layers", "roofline", "ratio", "worst",
               "slower");
    for (size_t of = 0; of < N_FAMILIES; of++) {
        summary s = {.name = families[of].name};
        for (size_t i = 0; i < b->n; i++)
            if (b->rows[i].family == of)
                add_to(&s, &b->rows[i]);
        if (s.n)
            report_summary(b, "family", &s, list);
    }
    if (!b->settings.json)
        putchar('\n');
    for (size_t i = 0; i < b->n; i++) {
        size_t k = 0;
        while (k < n && strcmp(kernels[k].name, b->rows[i].kernels))
            k++;
        if (k == n)
            kernels[n++].name = b->rows[i].kernels;
        add_to(&kernels[k], &b->rows[i]);
    }
    for (size_t k = 0; k < n; k++)
        report_summary(b, "kernel", &kernels[k], list);
    bench_report_value(b->report, "groups", list);
    free(kernels);
}

static double ratio_of(const layer_row *r)
{
    return r->theirs > 0 ? r->ours / r->theirs : 0;
}

static int by_ratio(const void *a, const void *b)
{
    double x = ratio_of(a), y = ratio_of(b);
    return x < y ? 1 : x > y ? -1 : 0;
}

static void report_all(layer_bench *b)
{
    summary all = {.name = "all"};
    for (size_t i = 0; i < b->n; i++)
        add_to(&all, &b->rows[i]);
    report_groups(b);
    if (all.n_compared && !b->settings.json) {
        qsort(b->rows, b->n, sizeof *b->rows, by_ratio);
        printf("\nslowest beside onnxruntime\n");
        for (size_t i = 0; i < b->n && i < SLOWEST && b->rows[i].theirs > 0; i++)
            printf("%7.3f  %-16s %-44.44s %s\n", ratio_of(&b->rows[i]), families[b->rows[i].family].name,
                   b->rows[i].name, b->rows[i].kernels);
        putchar('\n');
    }
    if (all.n_compared) {
        const bench_ratio ratios[] = {{.name = "geometric mean of ratios",
                                       .value = exp(all.logs / (double)all.n_compared),
                                       .bar = MEAN_BAR},
                                      {.name = "worst ratio", .value = all.worst, .bar = LAYER_BAR}};
        bench_report_ratios(b->report, ratios, 2);
    }
    bench_report_note(b->report,
                      "%zu layers, %zu compared, %zu slower than %.2f of onnxruntime, %zu not measured", b->n,
                      all.n_compared, all.n_slow, LAYER_BAR, b->n_failed);
}

static void print_head(const layer_bench *b, size_t n)
{
    bench_report_note(b->report, "%zu layers of seed %ld, %u thread%s; peak %.1f GFLOP/s, %.1f GB/s read", n,
                      b->settings.seed, b->engines.threads, b->engines.threads == 1 ? "" : "s",
                      1e-9 * b->peak.flops, 1e-9 * b->peak.read_bytes);
    bench_report_note(b->report,
                      "times: medians in microseconds; roofline: the share of what these peaks allow, above "
                      "100%% from caches; ratio: sibyl / onnxruntime");
    if (!b->settings.json)
        printf("\n%-16s %-44s %-20s %10s %6s%s\n", "family", "layer", "kernels", "sibyl", "roof",
               b->engines.ort ? " onnxruntime  ratio" : "");
}

int bench_layers(const void *of)
{
    const bench_settings *settings = of;
    const char *folder = getenv("TMPDIR");
    bench_report report;
    layer_bench b = {.report = &report, .settings = *settings, .json = json_array()};
    size_t n = settings->layers ? (size_t)settings->layers : DEFAULT_LAYERS;
    sib_error err = SIB_ERROR_INIT;
    if (!settings->seconds)
        b.settings.seconds = DEFAULT_SECONDS;
    b.path = cli_format("%s/sibyl-layer-XXXXXX", folder && *folder ? folder : "/tmp");
    int file = mkstemp(b.path);
    if (file < 0)
        return cli_fail("%s: the file for the layers could not be created", b.path);
    close(file);
    int code = sib_measure_peak(NULL, PEAK_SECONDS, &b.peak, &err) == SIB_OK
                   ? bench_report_begin(&report, &b.settings, "layers")
                   : cli_fail("%s", err.message);
    if (code == CLI_DONE) {
        b.rows = cli_alloc(n, sizeof *b.rows);
        engines_open(&report, &b.engines);
        print_head(&b, n);
        measure_layers(&b, n);
        measure_tiny(&b);
        report_all(&b);
        bench_report_value(&report, "layers", b.json);
        bench_report_end(&report);
        engines_close(&b.engines);
        code = b.n ? CLI_DONE : CLI_FAILED;
    }
    unlink(b.path);
    free(b.path);
    free(b.rows);
    return code;
}
