/* sibyl bench costs: the row of this machine's processors in the table by which kernels are chosen. */
#include "bench/bench.h"

#include "command.h"

#define DEFAULT_SECONDS 30

int bench_costs(const void *of)
{
    const bench_settings *settings = of;
    bench_report report;
    sib_error err = SIB_ERROR_INIT;
    sib_costs costs;
    sib_pool *pool = NULL;
    int code = bench_report_begin(&report, settings, "costs");
    if (code != CLI_DONE)
        return code;
    double seconds = settings->seconds > 0 ? settings->seconds : DEFAULT_SECONDS;
    if (sib_pool_create(settings->threads ? (unsigned)settings->threads : 1, &pool, &err) != SIB_OK ||
        sib_measure_costs(pool, seconds, &costs, &err) != SIB_OK)
        code = cli_fail("%s", err.message);
    else {
        const bench_ratio ratios[] = {
            {.name = "ways chosen by the costs of the class / fastest", .value = costs.before},
            {.name = "ways chosen by the row below / fastest", .value = costs.after}};
        bench_report_ratios(&report, ratios, 2);
        bench_report_note(&report, "%zu shapes, geometric means, %u thread%s", costs.shapes,
                          sib_pool_threads(pool), sib_pool_threads(pool) == 1 ? "" : "s");
        bench_report_value(&report, "row", json_string(costs.row));
        if (!settings->json)
            printf("\n%s\n", costs.row);
    }
    bench_report_end(&report);
    sib_pool_free(&pool);
    return code;
}
