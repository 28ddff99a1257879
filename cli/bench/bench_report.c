/* Shared by the benchmarks: measuring in rounds, and the report. */
#include "bench/bench.h"

#include "command.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Measuring ---- */

#define MIN_ROUNDS      5
#define DEFAULT_SECONDS 5.0
#define MAX_ROUNDS      1000000

/* Twice: the first run finds the caches as the previous figure left them, only the second counts. */
static void measure(bench_figure *f, size_t round)
{
    sib_alloc_counters before, after;
    if (f->failed || f->measure(f->context) < 0) {
        f->failed = true;
        return;
    }
    sib_alloc_counters_get(&before);
    f->values[round] = f->measure(f->context);
    sib_alloc_counters_get(&after);
    f->allocations = after.allocations - before.allocations;
    f->failed = f->values[round] < 0;
}

static bool make_room(bench_figure *figures, size_t n, size_t rounds, size_t *capacity)
{
    if (rounds < *capacity)
        return true;
    *capacity = *capacity ? 2 * *capacity : 256;
    for (size_t i = 0; i < n; i++) {
        double *grown = realloc(figures[i].values, *capacity * sizeof *grown);
        if (!grown)
            return false;
        figures[i].values = grown;
    }
    return true;
}

int bench_run(bench_figure *figures, size_t n, const bench_settings *settings, const char *what)
{
    size_t rounds = 0, capacity = 0;
    size_t wanted = settings->repeat ? (size_t)settings->repeat : MAX_ROUNDS;
    double budget = settings->seconds > 0 ? settings->seconds : DEFAULT_SECONDS;
    cli_progress progress;
    cli_progress_begin(&progress, 1);
    sib_timer timer = sib_timer_start();
    while (rounds < wanted) {
        double spent = sib_timer_seconds(&timer);
        if (!settings->repeat && rounds >= MIN_ROUNDS && spent > budget)
            break;
        if (!make_room(figures, n, rounds, &capacity))
            return cli_fail("out of memory for %zu rounds", capacity);
        double part = settings->repeat ? (double)rounds / (double)wanted : spent / budget;
        cli_progress_show(&progress, part, "measuring", what);
        for (size_t i = 0; i < n; i++)
            measure(&figures[i], rounds);
        rounds++;
    }
    cli_progress_clear(&progress);
    for (size_t i = 0; i < n; i++) {
        figures[i].n = rounds;
        figures[i].failed |=
            sib_series_stats(figures[i].values, rounds, &figures[i].series, NULL, NULL) != SIB_OK;
    }
    return CLI_DONE;
}

void bench_free(bench_figure *figures, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(figures[i].values);
}

const bench_figure *bench_find(const bench_figure *figures, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!figures[i].failed && strcmp(figures[i].name, name) == 0)
            return &figures[i];
    return NULL;
}

double bench_uniform(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return (double)(int64_t)(x * UINT64_C(0x2545F4914F6CDD1D)) / 9223372036854775808.0;
}

/* ---- The report ---- */

/* "model name" of /proc/cpuinfo, if there is one. */
static void processor_name(char *name, size_t bytes)
{
    char line[512];
    FILE *f = fopen("/proc/cpuinfo", "r");
    snprintf(name, bytes, "unknown processor");
    while (f && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon) {
            colon[strcspn(colon, "\n")] = '\0';
            snprintf(name, bytes, "%s", colon + 2);
            break;
        }
    }
    if (f)
        fclose(f);
}

static json_t *list_of(bench_report *report, const char *name)
{
    json_t *list = json_object_get(report->document, name);
    if (!list) {
        list = json_array();
        json_object_set_new(report->document, name, list);
    }
    return list;
}

int bench_report_begin(bench_report *report, const bench_settings *settings, const char *name)
{
    char processor[256];
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    *report = (bench_report){.settings = settings, .name = name, .document = json_object()};
    processor_name(processor, sizeof processor);
    json_object_set_new(report->document, "bench", json_string(name));
    json_object_set_new(report->document, "version", json_string(sib_version()));
    json_object_set_new(report->document, "machine",
                        json_pack("{s:o, s:s, s:s, s:I}", "processor", cli_json_text(processor), "cpu_level",
                                  sib_cpu_level_name(), "cpu_class", sib_cpu_class_name(), "processors",
                                  (json_int_t)processors));
    if (!settings->json)
        printf("sibyl %s, %s on %s, level %s, costs of '%s', %ld processor%s\n", sib_version(), name,
               processor, sib_cpu_level_name(), sib_cpu_class_name(), processors, processors == 1 ? "" : "s");
    if (settings->monitor > 0) {
        sib_error err = SIB_ERROR_INIT;
        if (sib_monitor_start(settings->monitor, 1024, &report->monitor, &err) != SIB_OK) {
            json_decref(report->document);
            return cli_fail("%s", err.message);
        }
    }
    report->since = sib_timer_start();
    return 0;
}

static json_t *series_to_json(const sib_series *s)
{
    return json_pack("{s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:I}", "n", (json_int_t)s->n, "min", s->min,
                     "median", s->median, "mean", s->mean, "p95", s->p95, "p99", s->p99, "max", s->max, "std",
                     s->std, "outliers", (json_int_t)s->n_outliers);
}

void bench_report_figures(bench_report *report, const bench_figure *figures, size_t n)
{
    json_t *list = list_of(report, "figures");
    if (!report->settings->json)
        printf("\n%-30s %3s %-8s %9s %9s %9s %9s %9s %9s %8s %5s %6s %7s\n", "figure", "thr", "unit", "min",
               "median", "mean", "p95", "p99", "max", "std", "n", "outl.", "allocs");
    for (size_t i = 0; i < n; i++) {
        const bench_figure *f = &figures[i];
        const sib_series *s = &f->series;
        if (f->failed) {
            bench_report_note(report, "%s: could not be measured", f->name);
            continue;
        }
        json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:I, s:o}", "name", f->name, "unit", f->unit,
                                              "threads", (json_int_t)f->threads, "allocations",
                                              (json_int_t)f->allocations, "series", series_to_json(s)));
        if (!report->settings->json)
            printf("%-30s %3u %-8s %9.4g %9.4g %9.4g %9.4g %9.4g %9.4g %8.2g %5zu %6zu %7llu\n", f->name,
                   f->threads, f->unit, s->min, s->median, s->mean, s->p95, s->p99, s->max, s->std, s->n,
                   s->n_outliers, (unsigned long long)f->allocations);
    }
    if (!report->settings->json)
        putchar('\n');
}

void bench_report_ratios(bench_report *report, const bench_ratio *ratios, size_t n)
{
    json_t *list = list_of(report, "ratios");
    for (size_t i = 0; i < n; i++) {
        const bench_ratio *r = &ratios[i];
        bool met = r->at_least ? r->value >= r->bar : r->value <= r->bar;
        json_t *row = json_pack("{s:s, s:o}", "name", r->name, "value", cli_json_number(r->value));
        if (r->bar > 0) {
            json_object_set_new(row, "bar", json_real(r->bar));
            json_object_set_new(row, "met", json_boolean(met));
        }
        json_array_append_new(list, row);
        if (report->settings->json)
            continue;
        printf("%-44s %10.4g", r->name, r->value);
        if (r->bar > 0)
            printf("   (bar: %s %g, %s)", r->at_least ? "at least" : "at most", r->bar,
                   met ? "met" : "not met");
        putchar('\n');
    }
}

void bench_report_note(bench_report *report, const char *format, ...)
{
    char line[512];
    va_list values;
    va_start(values, format);
    vsnprintf(line, sizeof line, format, values);
    va_end(values);
    json_array_append_new(list_of(report, "notes"), cli_json_text(line));
    if (!report->settings->json)
        printf("%s\n", line);
}

void bench_report_value(bench_report *report, const char *name, json_t *value)
{
    json_object_set_new(report->document, name, value);
}

static json_t *readings(sib_monitor *monitor)
{
    size_t n = sib_monitor_samples(monitor, NULL, 0);
    sib_monitor_sample *samples = cli_alloc(n, sizeof *samples);
    json_t *list = json_array();
    n = sib_monitor_samples(monitor, samples, n);
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_pack("{s:f, s:f, s:I, s:I}", "seconds", samples[i].seconds, "cpu",
                                              samples[i].cpu, "resident", (json_int_t)samples[i].resident,
                                              "allocated", (json_int_t)samples[i].allocated));
    free(samples);
    return list;
}

void bench_report_end(bench_report *report)
{
    sib_memory memory;
    sib_alloc_counters c;
    double seconds = sib_timer_seconds(&report->since);
    sib_memory_usage(&memory);
    sib_alloc_counters_get(&c);
    if (report->monitor) {
        sib_monitor_stop(report->monitor);
        bench_report_value(report, "monitor", readings(report->monitor));
        sib_monitor_free(&report->monitor);
    }
    bench_report_value(report, "seconds", json_real(seconds));
    bench_report_value(report, "memory",
                       json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "resident", (json_int_t)memory.resident,
                                 "resident_peak", (json_int_t)memory.resident_peak, "allocations",
                                 (json_int_t)c.allocations, "frees", (json_int_t)c.frees, "bytes_current",
                                 (json_int_t)c.bytes_current, "bytes_peak", (json_int_t)c.bytes_peak));
    if (report->settings->json) {
        cli_json_print(report->document);
        return;
    }
    printf("memory: %.1f MiB resident at most; the library held %.1f MiB at most in %llu allocations\n",
           (double)memory.resident_peak / 1048576, (double)c.bytes_peak / 1048576,
           (unsigned long long)c.allocations);
    json_decref(report->document);
}
