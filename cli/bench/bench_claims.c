/* The share of a model's time spent in operators that a backend other than ref has claimed. */
#include "bench/bench_models.h"

#include <string.h>

/* Enough runs for a share of one per cent to exceed the clock's resolution. */
#define MIN_RUNS    5
#define MAX_RUNS    200
#define MAX_SECONDS 0.3

/* Below this share, the operators that ref ran are named. */
#define CLAIMS_BAR 0.99

/* Sums the rows of a profile, operator by operator; the longest rows come first, so what ref ran longest is
   named first. */
static void sum_rows(const sib_profile *p, claims *out)
{
    sib_profile_row row;
    size_t used = 0;
    for (size_t i = 0; sib_profile_get(p, SIB_PROFILE_BY_OPERATOR, i, &row); i++) {
        out->seconds += row.seconds;
        if (strcmp(row.backend, "ref") != 0)
            out->claimed += row.seconds;
        else if (used + strlen(row.op_type) + 24 < sizeof out->rest)
            used +=
                (size_t)snprintf(out->rest + used, sizeof out->rest - used, "%s%s %.3g us", used ? ", " : "",
                                 row.op_type, 1e6 * row.seconds / (double)(row.calls ? row.calls : 1));
    }
}

void claims_measure(engine *e, claims *out, char *why, size_t bytes)
{
    sib_profile *p = NULL;
    sib_error err = SIB_ERROR_INIT;
    if (sib_profile_create(&p, &err) != SIB_OK) {
        snprintf(why, bytes, "%s", err.message);
        return;
    }
    sib_timer timer = sib_timer_start();
    bool ok = true;
    for (size_t i = 0; i < MAX_RUNS && ok && (i < MIN_RUNS || sib_timer_seconds(&timer) < MAX_SECONDS); i++)
        ok = engine_profile(e, p, why, bytes);
    if (ok)
        sum_rows(p, out);
    out->known = ok;
    sib_profile_free(&p);
}

/* a constant model runs no step, so none on ref */
double claims_share(const claims *c)
{
    return c->seconds > 0 ? c->claimed / c->seconds : 1;
}

json_t *claims_to_json(const claims *c)
{
    return json_pack("{s:f, s:f, s:f, s:o}", "share", claims_share(c), "claimed_seconds", c->claimed,
                     "seconds", c->seconds, "ref", cli_json_text(c->rest));
}

void claims_print(const claims *c)
{
    if (c->known && claims_share(c) < CLAIMS_BAR)
        printf("  on ref, time of a call: %s\n", c->rest);
}

void claims_print_summary(bench_report *report, const models *list)
{
    double lowest = 2, claimed = 0, seconds = 0;
    const char *name = "";
    size_t n = 0, met = 0;
    for (size_t i = 0; i < list->n; i++) {
        const claims *c = &list->items[i].claims;
        if (!c->known)
            continue;
        claimed += c->claimed;
        seconds += c->seconds;
        n++;
        met += claims_share(c) >= CLAIMS_BAR;
        if (claims_share(c) < lowest) {
            lowest = claims_share(c);
            name = list->items[i].name;
        }
    }
    if (!n)
        return;
    const bench_ratio ratios[] = {{.name = "share of time in claimed operators, all models",
                                   .value = seconds > 0 ? claimed / seconds : 1,
                                   .bar = CLAIMS_BAR,
                                   .at_least = true},
                                  {.name = "share of time in claimed operators, min",
                                   .value = lowest,
                                   .bar = CLAIMS_BAR,
                                   .at_least = true}};
    bench_report_ratios(report, ratios, 2);
    bench_report_note(report,
                      "%zu of %zu models spend at least %g %% of their time in claimed operators; min: %s",
                      met, n, 100 * CLAIMS_BAR, name);
}
