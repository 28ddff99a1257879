#include "model/profile_text.h"

#include "chart.h"
#include "model/inspect_parts.h"

#include <string.h>

/* Rows of a table that are shown, and seconds of measuring the machine. */
#define SHOWN   40
#define MEASURE 0.1

void profile_measure(profile_of *p, sib_pool *pool)
{
    if (sib_measure_peak(pool, MEASURE, &p->peak, NULL) != SIB_OK)
        p->peak = (sib_peak){0};
}

static double sum_of(const sib_profile *p, sib_profile_by by)
{
    sib_profile_row row;
    double all = 0;
    for (size_t i = 0; sib_profile_get(p, by, i, &row); i++)
        all += row.seconds;
    return all;
}

/* The unit of times of one run: milliseconds, or microseconds for runs below one. */
typedef struct unit {
    double per_second; /* of all runs together */
    const char *name;
} unit;

static unit unit_of(const profile_of *p)
{
    const double ms = sum_of(p->profile, SIB_PROFILE_BY_PHASE) * 1e3 / (double)p->runs;
    const char *const names[2][2] = {{"ms", "ms/run"}, {"us", "us/run"}};
    const bool fine = ms < 1;
    return (unit){(fine ? 1e6 : 1e3) / (double)p->runs, names[fine][p->runs > 1]};
}

static double share_of(double seconds, double all)
{
    return all > 0 ? 100 * seconds / all : 0;
}

/* Rates in units of 10^9 per second. */
static double gflops_of(const sib_profile_row *row)
{
    return row->seconds > 0 ? row->flops * 1e-9 / row->seconds : 0;
}

static double gbytes_of(const sib_profile_row *row)
{
    return row->seconds > 0 ? (double)(row->bytes_read + row->bytes_written) * 1e-9 / row->seconds : 0;
}

/* ---- Text -------------------------------------------------------------------------------------------- */

/* A rate and its share of the peak, or "-" where there is none. */
static const char *rate_text(double rate, double peak, char text[32])
{
    if (rate <= 0)
        return "-";
    if (peak <= 0)
        snprintf(text, 32, "%.3g", rate);
    else
        snprintf(text, 32, "%.*f %3.0f%%",
                 rate < 10    ? 2
                 : rate < 100 ? 1
                              : 0,
                 rate, 100 * rate / (peak * 1e-9));
    return text;
}

static void show_table(const profile_of *p, const char *title, sib_profile_by by)
{
    sib_profile_row row;
    const double all = sum_of(p->profile, by);
    const unit in = unit_of(p);
    size_t i = 0, more = 0;
    char flops[32], bytes[32];
    printf("%s\n", title);
    inspect_row(cli_format("  %9s %7s %6s  %-4s %10s %10s  %s", in.name, "share", "calls", "on", "GFLOP/s",
                           "GB/s", by == SIB_PROFILE_BY_NODE ? "operator  node" : "operator"));
    for (; sib_profile_get(p->profile, by, i, &row); i++)
        if (i < SHOWN)
            inspect_row(cli_format("  %9.3f %5.1f %% %6llu  %-4s %10s %10s  %s%s%s",
                                   row.seconds * in.per_second, share_of(row.seconds, all),
                                   (unsigned long long)row.calls, row.backend,
                                   rate_text(gflops_of(&row), p->peak.flops, flops),
                                   rate_text(gbytes_of(&row), p->peak.read_bytes, bytes), row.op_type,
                                   *row.node ? "  " : "", row.node));
        else
            more++;
    printf("  %9.3f   all", all * in.per_second);
    printf(more ? " %zu rows, of which %d are shown\n" : "\n", i, SHOWN);
}

/* What a phase is called, and what it is. */
static const char *const phases[][3] = {
    {"plan", "planning", "for dims that no kept plan fits"},
    {"pack", "packing", "weights read and brought into the order of kernels"},
    {"node", "nodes", "one operator each"},
    {"step", "milli-ops", "of nodes that no backend runs as one, and fused groups"},
    {"body", "subgraphs", "of Loop, If and the like, without their nodes"},
    {"run", "the rest", "inputs checked, memory taken, outputs copied"},
};

static void show_phases(const profile_of *p)
{
    sib_profile_row row;
    const double all = sum_of(p->profile, SIB_PROFILE_BY_PHASE);
    const unit in = unit_of(p);
    printf("by phase\n");
    inspect_row(cli_format("  %9s %7s %6s", in.name, "share", "calls"));
    for (size_t k = 0; k < sizeof phases / sizeof *phases; k++)
        for (size_t i = 0; sib_profile_get(p->profile, SIB_PROFILE_BY_PHASE, i, &row); i++)
            if (!strcmp(row.op_type, phases[k][0]))
                inspect_row(cli_format("  %9.3f %5.1f %% %6llu  %-10s %s", row.seconds * in.per_second,
                                       share_of(row.seconds, all), (unsigned long long)row.calls,
                                       phases[k][1], phases[k][2]));
    printf("  %9.3f   all\n", all * in.per_second);
}

void profile_show(const profile_of *p)
{
    show_phases(p);
    show_table(p, "by node", SIB_PROFILE_BY_NODE);
    show_table(p, "by operator", SIB_PROFILE_BY_OPERATOR);
    show_table(p, "by milli-op", SIB_PROFILE_BY_MILLI);
    if (p->peak.threads)
        printf("%% of what this machine was measured to reach on %u thread%s: %.0f GFLOP/s, reading %.1f "
               "GB/s from memory "
               "(caches are faster)\n",
               p->peak.threads, p->peak.threads > 1 ? "s" : "", p->peak.flops * 1e-9,
               p->peak.read_bytes * 1e-9);
}

/* ---- Pictures ---------------------------------------------------------------------------------------- */

#define DRAWN 30

bool profile_draw(const profile_of *p, const char *path)
{
    static const sib_profile_by tables[] = {SIB_PROFILE_BY_OPERATOR, SIB_PROFILE_BY_NODE};
    const unit in = unit_of(p);
    chart c = {0};
    for (int k = 0; k < 2; k++) {
        sib_profile_row row;
        const double all = sum_of(p->profile, tables[k]);
        chart_add(&c, cli_format(k ? "by node" : "by operator"), NULL, 0);
        for (size_t i = 0; i < DRAWN && sib_profile_get(p->profile, tables[k], i, &row); i++)
            chart_add(&c, cli_format("%s%s%s", row.op_type, *row.node ? " " : "", row.node),
                      cli_format("%.3f %s, %.1f %%", row.seconds * in.per_second, in.name,
                                 share_of(row.seconds, all)),
                      row.seconds);
    }
    const bool done = chart_write(&c, "time of a run", path);
    chart_free(&c);
    return done;
}

/* ---- JSON -------------------------------------------------------------------------------------------- */

static json_t *rows_json(const profile_of *p, sib_profile_by by)
{
    json_t *list = json_array();
    sib_profile_row row;
    const double all = sum_of(p->profile, by);
    for (size_t i = 0; sib_profile_get(p->profile, by, i, &row); i++) {
        json_t *o = json_pack("{s:o, s:f, s:f, s:I}", by == SIB_PROFILE_BY_PHASE ? "phase" : "operator",
                              cli_json_text(row.op_type), "ms", row.seconds * 1e3, "share",
                              share_of(row.seconds, all) / 100, "calls", (json_int_t)row.calls);
        if (by == SIB_PROFILE_BY_NODE)
            json_object_set_new(o, "node", cli_json_text(row.node));
        if (by != SIB_PROFILE_BY_PHASE)
            json_object_update_new(o, json_pack("{s:s, s:f, s:I, s:I, s:I, s:f, s:f}", "backend", row.backend,
                                                "flops", row.flops, "bytes_read", (json_int_t)row.bytes_read,
                                                "bytes_written", (json_int_t)row.bytes_written, "memory",
                                                (json_int_t)row.memory, "gflops", gflops_of(&row), "gb_per_s",
                                                gbytes_of(&row)));
        json_array_append_new(list, o);
    }
    return list;
}

json_t *profile_json(const profile_of *p)
{
    return json_pack("{s:I, s:i, s:f, s:f, s:o, s:o, s:o, s:o}", "runs", (json_int_t)p->runs, "threads",
                     (int)p->peak.threads, "peak_gflops", p->peak.flops * 1e-9, "peak_gb_per_s",
                     p->peak.read_bytes * 1e-9, "phases", rows_json(p, SIB_PROFILE_BY_PHASE), "nodes",
                     rows_json(p, SIB_PROFILE_BY_NODE), "operators", rows_json(p, SIB_PROFILE_BY_OPERATOR),
                     "milli_ops", rows_json(p, SIB_PROFILE_BY_MILLI));
}
