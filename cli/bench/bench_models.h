/* Models that are run and timed in Sibyl and in onnxruntime, and their report. */
#ifndef CLI_BENCH_MODELS_H
#define CLI_BENCH_MODELS_H

#include "bench/bench.h"
#include "bench/bench_engine.h"
#include "bench/bench_error.h"

/* Cost of a first run in a fresh process. */
typedef struct first_run {
    bool known;
    double open, run; /* seconds: until the session exists, and of the first run */
    double resting,
        peak; /* bytes that opening and running added to the process: after ten runs, and at most */
} first_run;

/* Where runs spend their time, from a profile of steps. */
typedef struct claims {
    bool known;
    double claimed, seconds; /* in operators and milli-ops that a backend other than ref ran, and in all */
    char rest[400];          /* what ref ran, longest first, with the time of a call; "" for nothing */
} claims;

/* One engine's measurements of a model. */
typedef struct side {
    char why[SIB_MESSAGE_SIZE + 60]; /* why it could not be measured, or "" */
    double *us;                      /* (n) microseconds of each run */
    size_t n, room;                  /* room: of us */
    sib_series series;
    first_run first;
    result_error same, plain; /* against ref in double: of the same file, and of model_case.plain */
} side;

#define MODEL_KERNELS 64

typedef struct model_case {
    char *path, *name; /* the file and what it is called; released with free */
    char *data;        /* folder with inputs, or NULL: random ones */
    char *plain;       /* the file of the same network with float32 weights, where it has others, or NULL */
    char *torch;       /* request for peer_torch_whisper for the same network, or NULL */
    size_t nodes;
    double flops, bytes; /* of a run, 0: unknown */
    side sides[ENGINE_KINDS];
    char kernels[MODEL_KERNELS]; /* of Sibyl's steps, each once: "conv fused" */
    claims claims;
    char no_error[SIB_MESSAGE_SIZE]; /* why there are no errors, or "" */
    bool compared;
    char differs[SIB_MESSAGE_SIZE + 300]; /* how the two engines' outputs differ, or "" */
} model_case;

typedef struct models {
    model_case *items; /* (n) */
    size_t n;
} models;

/* Adds every case of a folder, or a file. */
void models_add(models *list, const char *operand);
void models_free(models *list);

/* The inputs of a model: those of its first data set, or random ones. */
typedef struct bench_inputs bench_inputs;
bench_inputs *bench_inputs_read(model_case *c, const bench_settings *settings, char *why, size_t bytes);
void bench_inputs_free(bench_inputs *in);
const sib_named_value *bench_inputs_named(const bench_inputs *in, size_t *n);

/* Measures and reports all of them. Returns false if no model could be measured. peak: of the machine with as
   many threads, for models whose flops and bytes are known; NULL for none. */
bool models_measure(bench_report *report, models *list, const sib_peak *peak);

/* The engines that the settings ask for, and a note on each in the report; engines_close(&es). */
void engines_open(bench_report *report, engine_settings *es);
void engines_close(engine_settings *es);
/* Measures one model with each of them. */
void model_measure(model_case *c, const bench_settings *settings, const engine_settings *es);
void model_case_free(model_case *c);

/* Measures the first run of a model in a fresh process (this program, as `bench first`). */
void first_run_measure(engine_kind kind, const model_case *c, const bench_settings *settings, first_run *out);

/* bench_claims.c: profiles some runs of Sibyl's engine e, which is warm. */
void claims_measure(engine *e, claims *out, char *why, size_t bytes);
double claims_share(const claims *c); /* of the time, 0 to 1 */
json_t *claims_to_json(const claims *c);
void claims_print(const claims *c);
void claims_print_summary(bench_report *report, const models *list);

/* bench_models_report.c */
void models_report_head(const bench_report *report, unsigned threads, bool costs);
void models_report_case(bench_report *report, json_t *list, const model_case *c, const sib_peak *peak);
void models_report_summary(bench_report *report, const models *list);

#endif
