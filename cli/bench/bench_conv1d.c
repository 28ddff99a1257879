/* sibyl bench conv1d: the two convolutions of the speech stem, in three types, against the machine's peak. */
#include "bench/bench_conv1d.h"

#include "bench/bench.h"
#include "bench/peer_torch.h"
#include "command.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define N_DTYPES     3
#define MAX_ELEMENTS 2e9 /* of an array of a shape from the command line */
#define PEAK_SECONDS 0.05
#define PEAK_BAR     0.80

/* The stem's convolutions. The bar is for the second one in float32. */
static const char *const stem[] = {"1,80,3000,384,3,1,1", "1,384,3000,384,3,2,1"};
#define STEM_SHAPES (sizeof stem / sizeof *stem)

static const sib_dtype dtypes[N_DTYPES] = {SIB_F32, SIB_F16, SIB_BF16};

typedef struct conv_case {
    conv_arrays a;
    long shape[7]; /* batch, input channels, length, output channels, kernel, stride, padding */
    sib_pool *pool;
    double gflop;
    char name[64], torch_name[64];
    peer_torch *torch;
    size_t slot;
} conv_case;

/* The shapes in each type. */
typedef struct conv_cases {
    size_t n;
    conv_case *items; /* (n) */
    bool own;         /* shapes of the command line */
} conv_cases;

static double measure_conv(void *context)
{
    conv_case *c = context;
    sib_timer timer = sib_timer_start();
    if (sib_conv1d(&c->a.spec, c->a.dtype, c->pool, c->a.x, c->a.w, c->a.bias, c->a.y, NULL) != SIB_OK)
        return -1;
    return c->gflop / sib_timer_seconds(&timer);
}

static double measure_torch(void *context)
{
    conv_case *c = context;
    double seconds = peer_torch_run(c->torch, c->slot);
    return seconds <= 0 ? -1 : c->gflop / seconds;
}

static double measure_peak(void *context)
{
    sib_peak peak;
    return sib_measure_peak(context, PEAK_SECONDS, &peak, NULL) == SIB_OK ? peak.flops * 1e-9 : -1;
}

/* n values of `dtype`, uniform in [-scale, scale). */
static void *make_values(sib_dtype dtype, int64_t n, double scale, uint64_t *state)
{
    float *values = cli_alloc((size_t)n, sizeof *values);
    void *converted = cli_alloc((size_t)n, sib_dtype_bits(dtype) / 8);
    for (int64_t i = 0; i < n; i++)
        values[i] = (float)(scale * bench_uniform(state));
    sib_convert(SIB_F32, values, dtype, converted, (size_t)n, SIB_OVERFLOW_IEEE, NULL);
    free(values);
    return converted;
}

/* Reads seven numbers separated by commas whose arrays have a reasonable size. */
static bool read_shape(const char *text, long shape[7])
{
    char *end;
    for (int i = 0; i < 7; i++) {
        shape[i] = strtol(text, &end, 10);
        if (end == text || *end != (i < 6 ? ',' : 0) || shape[i] < (i < 6 ? 1 : 0) || shape[i] > 100000000)
            return false;
        text = end + 1;
    }
    double length = (double)shape[2] + 2 * (double)shape[6], features = (double)shape[3];
    double x = (double)shape[0] * (double)shape[1] * length, y = (double)shape[0] * features * length;
    return x <= MAX_ELEMENTS && y <= MAX_ELEMENTS &&
           features * (double)shape[1] * (double)shape[4] <= MAX_ELEMENTS;
}

static int make_case(conv_case *c, const char *text, bool own, sib_dtype dtype, sib_pool *pool)
{
    int64_t length;
    const long *shape = c->shape;
    if (!read_shape(text, c->shape))
        return cli_fail(
            "--shape %s: give batch, input channels, length, output channels, kernel, stride and padding "
            "as B,Ci,L,Co,k,s,p, with arrays of at most %.0f elements",
            text, MAX_ELEMENTS);
    uint64_t state = 80;
    sib_error err = SIB_ERROR_INIT;
    c->a.spec = (sib_conv1d_spec){.batch = shape[0],
                                  .in_channels = shape[1],
                                  .in_length = shape[2],
                                  .out_channels = shape[3],
                                  .kernel = shape[4],
                                  .stride = shape[5],
                                  .padding = shape[6],
                                  .dilation = 1,
                                  .groups = 1};
    if (sib_conv1d_out_length(&c->a.spec, &length, &err) != SIB_OK)
        return cli_fail("%s", err.message);
    int64_t fan_in = c->a.spec.in_channels * c->a.spec.kernel, outputs = c->a.spec.out_channels * length;
    c->a.dtype = dtype;
    c->pool = pool;
    c->gflop = 2e-9 * (double)c->a.spec.batch * (double)outputs * (double)fan_in;
    c->a.x = make_values(dtype, c->a.spec.batch * c->a.spec.in_channels * c->a.spec.in_length, 1, &state);
    c->a.w = make_values(dtype, c->a.spec.out_channels * fan_in, 1 / sqrt((double)fan_in), &state);
    c->a.bias = make_values(dtype, c->a.spec.out_channels, 1, &state);
    c->a.y = make_values(dtype, c->a.spec.batch * outputs, 0, &state);
    if (own)
        snprintf(c->name, sizeof c->name, "%.46s %s", text, sib_dtype_name(dtype));
    else
        snprintf(c->name, sizeof c->name, "%ldx%ld/%ld %s", shape[1], shape[3], shape[5],
                 sib_dtype_name(dtype));
    snprintf(c->torch_name, sizeof c->torch_name, "%.50s torch", c->name);
    return CLI_DONE;
}

static void print_figures(bench_report *report, const bench_figure *figures, size_t n, const conv_cases *c)
{
    const conv_case *cases = c->items;
    char(*names)[96] = cli_alloc(2 * c->n, sizeof *names);
    bench_ratio *ratios = cli_alloc(2 * c->n, sizeof *ratios);
    size_t k = 0;
    const bench_figure *peak = bench_find(figures, n, "peak");
    bench_report_figures(report, figures, n);
    for (size_t i = 0; i < c->n; i++) {
        const bench_figure *ours = bench_find(figures, n, cases[i].name);
        const bench_figure *theirs = bench_find(figures, n, cases[i].torch_name);
        if (ours && peak) {
            /* the peak is the best rate of all rounds */
            bool last = !c->own && i == c->n - N_DTYPES;
            snprintf(names[k], sizeof names[k], "%s / peak", cases[i].name);
            ratios[k] =
                (bench_ratio){names[k], ours->series.median / peak->series.max, last ? PEAK_BAR : 0, true};
            k++;
        }
        if (ours && theirs) {
            snprintf(names[k], sizeof names[k], "%s / torch", cases[i].name);
            ratios[k] = (bench_ratio){.name = names[k], .value = ours->series.median / theirs->series.median};
            k++;
        }
    }
    bench_report_ratios(report, ratios, k);
    free(ratios);
    free(names);
}

static void print_error(bench_report *report, json_t *list, const char *name, const char *against,
                        const result_error *e)
{
    char text[120];
    error_text(e, text, sizeof text);
    json_array_append_new(
        list, json_pack("{s:s, s:s, s:o}", "name", name, "against", against, "error", error_to_json(e)));
    if (!report->settings->json)
        printf("%-24s %-16s %s\n", name, against, text);
}

/* Each result against the exact one of its own arrays, and those of narrow types also against that of the
   float32 arrays from which theirs were rounded. */
static void print_errors(bench_report *report, const conv_cases *c)
{
    const conv_case *cases = c->items;
    char why[SIB_MESSAGE_SIZE] = "";
    sib_tensor *wide = NULL;
    json_t *list = json_array();
    if (!report->settings->json)
        printf("\nerrors against the definition in double: the largest; RMS over the RMS of the result; the "
               "largest over its element, or over that RMS\nwhere the element is smaller\n");
    for (size_t i = 0; i < c->n && !*why; i++) {
        bool narrow = cases[i].a.dtype != SIB_F32;
        result_error own = {0}, rounded = {0};
        sib_tensor *exact = conv1d_exact(&cases[i].a, why, sizeof why);
        if (exact && conv1d_error(&cases[i].a, exact, &own, why, sizeof why))
            print_error(report, list, cases[i].name, "same numbers", &own);
        if (exact && narrow && conv1d_error(&cases[i].a, wide, &rounded, why, sizeof why))
            print_error(report, list, cases[i].name, "float32 numbers", &rounded);
        if (!narrow) {
            sib_tensor_free(&wide);
            wide = exact;
        } else
            sib_tensor_free(&exact);
    }
    if (*why)
        bench_report_note(report, "errors: %.400s", why);
    sib_tensor_free(&wide);
    bench_report_value(report, "errors", list);
}

/* Appends torch's figures to ours; returns the total number. */
static size_t add_torch(bench_report *report, peer_torch **torch, conv_cases *c, unsigned threads,
                        bench_figure *figures, size_t n)
{
    conv_case *cases = c->items;
    char why[512];
    *torch = peer_torch_open(why, sizeof why);
    if (!*torch) {
        bench_report_note(report, "torch: skipped, %s", why);
        return n;
    }
    bench_report_note(report, "torch %s: torch.nn.functional.conv1d", peer_torch_version(*torch));
    for (size_t i = 0; i < c->n; i++) {
        cases[i].torch = *torch;
        cases[i].slot = i + 1;
        if (!peer_torch_conv1d(*torch, i + 1, cases[i].shape, sib_dtype_name(cases[i].a.dtype),
                               (int)threads)) {
            bench_report_note(report, "torch: %s skipped, its Python ended", cases[i].name);
            break;
        }
        figures[n++] =
            (bench_figure){.name = cases[i].torch_name, .measure = measure_torch, .context = &cases[i]};
    }
    return n;
}

static int run(bench_report *report, conv_cases *c, sib_pool *pool)
{
    bench_figure *figures = cli_alloc(1 + 2 * c->n, sizeof *figures);
    peer_torch *torch = NULL;
    size_t n = 0;
    figures[n++] = (bench_figure){.name = "peak", .measure = measure_peak, .context = pool};
    for (size_t i = 0; i < c->n; i++)
        figures[n++] =
            (bench_figure){.name = c->items[i].name, .measure = measure_conv, .context = &c->items[i]};
    bench_report_note(
        report, c->own ? "names: batch, input channels, length, output channels, kernel, stride, padding"
                       : "names: input channels x output channels / stride; length 3000, kernel 3, "
                         "padding 1");
    if (report->settings->peers)
        n = add_torch(report, &torch, c, sib_pool_threads(pool), figures, n);
    for (size_t i = 0; i < n; i++) {
        figures[i].unit = "GFLOP/s";
        figures[i].threads = sib_pool_threads(pool);
    }
    int code = bench_run(figures, n, report->settings, "conv1d");
    if (code == CLI_DONE)
        print_figures(report, figures, n, c);
    if (code == CLI_DONE && report->settings->error)
        print_errors(report, c);
    bench_free(figures, n);
    free(figures);
    peer_torch_close(torch);
    return code;
}

static int make_cases(const bench_settings *settings, sib_pool *pool, conv_cases *c)
{
    int code = CLI_DONE;
    c->own = settings->shapes.n > 0;
    c->n = (c->own ? settings->shapes.n : STEM_SHAPES) * N_DTYPES;
    c->items = cli_alloc(c->n, sizeof *c->items);
    for (size_t i = 0; i < c->n && code == CLI_DONE; i++)
        code = make_case(&c->items[i], c->own ? settings->shapes.items[i / N_DTYPES] : stem[i / N_DTYPES],
                         c->own, dtypes[i % N_DTYPES], pool);
    return code;
}

int bench_conv1d(const void *of)
{
    const bench_settings *settings = of;
    conv_cases c = {0};
    bench_report report;
    sib_pool *pool = NULL;
    sib_error err = SIB_ERROR_INIT;
    if (settings->threads > 1 && sib_pool_create((unsigned)settings->threads, &pool, &err) != SIB_OK)
        return cli_fail("%s", err.message);
    int code = make_cases(settings, pool, &c);
    if (code == CLI_DONE)
        code = bench_report_begin(&report, settings, "conv1d");
    if (code == CLI_DONE) {
        code = run(&report, &c, pool);
        bench_report_end(&report);
    }
    for (size_t i = 0; i < c.n; i++) {
        free(c.items[i].a.x);
        free(c.items[i].a.w);
        free(c.items[i].a.bias);
        free(c.items[i].a.y);
    }
    free(c.items);
    sib_pool_free(&pool);
    return code;
}
