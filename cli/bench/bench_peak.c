/* sibyl bench peak: the machine's peak rates. */
#include "bench/bench.h"

#include "command.h"

/* Seconds of one measurement. */
#define SLICE_SECONDS 0.05

typedef struct {
    sib_pool *pool;
    double read_bytes; /* measured together with the rate of multiply-adds */
} peak_context;

static double measure_fma(void *context)
{
    peak_context *p = context;
    sib_peak peak;
    if (sib_measure_peak(p->pool, SLICE_SECONDS, &peak, NULL) != SIB_OK)
        return -1;
    p->read_bytes = peak.read_bytes;
    return peak.flops * 1e-9;
}

static double report_reading(void *context)
{
    return ((peak_context *)context)->read_bytes * 1e-9;
}

int bench_peak(const void *of)
{
    const bench_settings *settings = of;
    bench_report report;
    peak_context one = {0}, all = {0};
    sib_error err = SIB_ERROR_INIT;
    if (sib_pool_create((unsigned)settings->threads, &all.pool, &err) != SIB_OK)
        return cli_fail("%s", err.message);
    unsigned threads = sib_pool_threads(all.pool);
    bench_figure figures[] = {
        {.name = "fma", .unit = "GFLOP/s", .threads = 1, .measure = measure_fma, .context = &one},
        {.name = "read", .unit = "GB/s", .threads = 1, .measure = report_reading, .context = &one},
        {.name = "fma, threads",
         .unit = "GFLOP/s",
         .threads = threads,
         .measure = measure_fma,
         .context = &all},
        {.name = "read, threads",
         .unit = "GB/s",
         .threads = threads,
         .measure = report_reading,
         .context = &all},
    };
    size_t n = threads > 1 ? 4 : 2;
    int code = bench_report_begin(&report, settings, "peak");
    if (code == CLI_DONE) {
        code = bench_run(figures, n, settings, "peak");
        bench_report_figures(&report, figures, n);
        if (n == 4 && !figures[0].failed && !figures[2].failed) {
            bench_ratio ratios[] = {
                {.name = "fma, threads / one", .value = figures[2].series.max / figures[0].series.max},
                {.name = "read, threads / one", .value = figures[3].series.max / figures[1].series.max}};
            bench_report_ratios(&report, ratios, 2);
        }
        bench_report_end(&report);
    }
    bench_free(figures, n);
    sib_pool_free(&all.pool);
    return code;
}
