/* sibyl bench conv1d: the two convolutions of the speech stem, in three types, against the machine's peak. */
#include "bench/bench_conv1d.h"

#include "bench/bench.h"
#include "bench/peer_torch.h"
#include "command.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define N_SHAPES     2
#define N_DTYPES     3
#define N_CASES      (N_SHAPES * N_DTYPES)
#define PEAK_SECONDS 0.05
#define PEAK_BAR     0.80

/* batch, in channels, length, out channels, kernel, stride, padding */
static const long shapes[N_SHAPES][7] = {{1, 80, 3000, 384, 3, 1, 1}, {1, 384, 3000, 384, 3, 2, 1}};
static const sib_dtype dtypes[N_DTYPES] = {SIB_F32, SIB_F16, SIB_BF16};

typedef struct {
    conv_arrays a;
    sib_pool *pool;
    double gflop;
    char name[64], torch_name[64];
    peer_torch *torch;
    size_t slot;
} conv_case;

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

static int make_case(conv_case *c, const long shape[7], sib_dtype dtype, sib_pool *pool)
{
    int64_t length;
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
    snprintf(c->name, sizeof c->name, "%ldx%ld/%ld %s", shape[1], shape[3], shape[5], sib_dtype_name(dtype));
    snprintf(c->torch_name, sizeof c->torch_name, "%.50s torch", c->name);
    return CLI_DONE;
}

static void print_figures(bench_report *report, const bench_figure *figures, size_t n, const conv_case *cases)
{
    static char names[2 * N_CASES][96];
    bench_ratio ratios[2 * N_CASES];
    size_t k = 0;
    const bench_figure *peak = bench_find(figures, n, "peak");
    bench_report_figures(report, figures, n);
    for (size_t i = 0; i < N_CASES; i++) {
        const bench_figure *ours = bench_find(figures, n, cases[i].name);
        const bench_figure *theirs = bench_find(figures, n, cases[i].torch_name);
        if (ours && peak) {
            /* the peak is the best rate of all rounds */
            bool last = i == N_CASES - N_DTYPES;
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
static void print_errors(bench_report *report, const conv_case *cases)
{
    char why[640] = "";
    sib_tensor *wide = NULL;
    json_t *list = json_array();
    if (!report->settings->json)
        printf("\nerrors against the definition in double: the largest; RMS over the RMS of the result; the "
               "largest over its element, or over that RMS\nwhere the element is smaller\n");
    for (size_t i = 0; i < N_CASES && !*why; i++) {
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
static size_t add_torch(bench_report *report, peer_torch **torch, conv_case *cases, unsigned threads,
                        bench_figure *figures, size_t n)
{
    char why[512];
    *torch = peer_torch_open(why, sizeof why);
    if (!*torch) {
        bench_report_note(report, "torch: skipped, %s", why);
        return n;
    }
    bench_report_note(report, "torch %s: torch.nn.functional.conv1d", peer_torch_version(*torch));
    for (size_t i = 0; i < N_CASES; i++) {
        cases[i].torch = *torch;
        cases[i].slot = i + 1;
        if (!peer_torch_conv1d(*torch, i + 1, shapes[i / N_DTYPES], sib_dtype_name(cases[i].a.dtype),
                               (int)threads)) {
            bench_report_note(report, "torch: %s skipped, its Python ended", cases[i].name);
            break;
        }
        figures[n++] =
            (bench_figure){.name = cases[i].torch_name, .measure = measure_torch, .context = &cases[i]};
    }
    return n;
}

static int run(bench_report *report, conv_case *cases, sib_pool *pool)
{
    bench_figure figures[1 + 2 * N_CASES] = {{.name = "peak", .measure = measure_peak, .context = pool}};
    peer_torch *torch = NULL;
    size_t n = 1;
    for (size_t i = 0; i < N_CASES; i++)
        figures[n++] = (bench_figure){.name = cases[i].name, .measure = measure_conv, .context = &cases[i]};
    bench_report_note(report,
                      "names: input channels x output channels / stride; length 3000, kernel 3, padding 1");
    if (report->settings->peers)
        n = add_torch(report, &torch, cases, sib_pool_threads(pool), figures, n);
    for (size_t i = 0; i < n; i++) {
        figures[i].unit = "GFLOP/s";
        figures[i].threads = sib_pool_threads(pool);
    }
    int code = bench_run(figures, n, report->settings, "conv1d");
    if (code == CLI_DONE)
        print_figures(report, figures, n, cases);
    if (code == CLI_DONE && report->settings->error)
        print_errors(report, cases);
    bench_free(figures, n);
    peer_torch_close(torch);
    return code;
}

int bench_conv1d(const void *of)
{
    const bench_settings *settings = of;
    conv_case cases[N_CASES] = {0};
    bench_report report;
    sib_pool *pool = NULL;
    sib_error err = SIB_ERROR_INIT;
    int code = CLI_DONE;
    if (settings->threads > 1 && sib_pool_create((unsigned)settings->threads, &pool, &err) != SIB_OK)
        return cli_fail("%s", err.message);
    for (size_t i = 0; i < N_CASES && code == CLI_DONE; i++)
        code = make_case(&cases[i], shapes[i / N_DTYPES], dtypes[i % N_DTYPES], pool);
    if (code == CLI_DONE)
        code = bench_report_begin(&report, settings, "conv1d");
    if (code == CLI_DONE) {
        code = run(&report, cases, pool);
        bench_report_end(&report);
    }
    for (size_t i = 0; i < N_CASES; i++) {
        free(cases[i].a.x);
        free(cases[i].a.w);
        free(cases[i].a.bias);
        free(cases[i].a.y);
    }
    sib_pool_free(&pool);
    return code;
}
