/* Shared by the benchmarks: figures measured alternately, and the report. */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include "messages.h"
#include "shared_options.h"

typedef struct bench_settings {
    bool json, peers;
    bool fresh;             /* models: first runs, each in its own process */
    bool claims;            /* models: the share of time spent in claimed operators */
    bool error;             /* conv1d, models: errors against ref in double */
    int weights;            /* whisper, llama: a network_weights; -1: the benchmark's own choice */
    int size;               /* whisper: of whisper_sizes */
    long batch;             /* whisper: sequences that the encoder takes too; 0 or 1: none */
    long threads;           /* 0: the benchmark's own choice */
    long repeat;            /* rounds; 0: by time */
    double seconds;         /* for all rounds together; 0: the benchmark's own choice */
    double monitor;         /* seconds between readings; 0: none */
    const char *backend;    /* of sessions; NULL: all */
    pass_settings passes;   /* of sessions */
    const char *tune;       /* of sessions: a file, or NULL */
    extension_settings ext; /* models: operators and backends of the user's own */
    cli_list dims;          /* T=100, for random inputs */
    long seed,
        layers; /* layers: of the draws, and how many; 0: the benchmark's own choice; whisper, llama too */
    const char *only; /* layers: a pattern of names, or NULL */
    cli_list shapes;  /* conv1d: "B,Ci,L,Co,k,s,p" in place of the stem's; none: those */
    char **operands;  /* (n_operands) what follows the benchmark's name */
    int n_operands;
} bench_settings;

/* One figure: measured once per round, alternating with the others, so that disturbances of the machine
   affect all of them. */
typedef struct bench_figure {
    const char *name;
    const char *unit;
    unsigned threads;
    /* One measurement in `unit`; negative where it failed: the figure is then dropped. */
    double (*measure)(void *context);
    void *context;
    /* filled by bench_run */
    double *values; /* (rounds) */
    size_t n;
    bool failed;
    sib_series series;
    uint64_t allocations; /* of the library, in the last round */
} bench_figure;

/* Fills values and series, in rounds according to the settings. Returns an exit code. */
int bench_run(bench_figure *figures, size_t n, const bench_settings *settings, const char *what);
void bench_free(bench_figure *figures, size_t n);

/* Returns the figure of that name, NULL if it is missing or failed. */
const bench_figure *bench_find(const bench_figure *figures, size_t n, const char *name);

/* A line of the report: "sibyl / torch = 0.19 (bar 0.20: met)". */
typedef struct bench_ratio {
    const char *name;
    double value;
    double bar;    /* 0: none */
    bool at_least; /* the bar is a minimum, else a maximum */
} bench_ratio;

/* The report: begun with the machine, filled by a benchmark, printed at the end as text or JSON. */
typedef struct bench_report {
    const bench_settings *settings;
    const char *name;
    json_t *document;
    sib_timer since;
    sib_monitor *monitor;
} bench_report;

int bench_report_begin(bench_report *report, const bench_settings *settings, const char *name);
void bench_report_figures(bench_report *report, const bench_figure *figures, size_t n);
void bench_report_ratios(bench_report *report, const bench_ratio *ratios, size_t n);
/* A line of text; in JSON an item of "notes". */
void bench_report_note(bench_report *report, const char *format, ...) CLI_PRINTF(2, 3);
/* A member of the JSON document, not of the text; takes ownership of `value`. */
void bench_report_value(bench_report *report, const char *name, json_t *value);
/* Reports memory, counters and monitor, prints the JSON document, and frees. */
void bench_report_end(bench_report *report);

/* Noise that is the same on every machine: xorshift64*, uniform in [-1, 1). */
double bench_uniform(uint64_t *state);

/* The benchmarks; of: a bench_settings. */
int bench_features(const void *of);
int bench_conv1d(const void *of);
int bench_peak(const void *of);
int bench_costs(const void *of);
int bench_models(const void *of);
int bench_whisper(const void *of);
int bench_llama(const void *of);
int bench_first(const void *of);
int bench_layers(const void *of);

#endif
