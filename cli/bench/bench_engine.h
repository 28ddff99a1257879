/* A model made ready in Sibyl or in onnxruntime, to be run and timed alternately. */
#ifndef CLI_BENCH_ENGINE_H
#define CLI_BENCH_ENGINE_H

#include "bench/peer_ort.h"
#include "bench/peer_torch.h"
#include "shared_options.h"

#include <sibyl/sibyl.h>

/* The first two run files and have outputs; torch runs an equivalent network built in its process. */
typedef enum engine_kind { ENGINE_SIBYL, ENGINE_ORT, ENGINE_TORCH, ENGINE_KINDS } engine_kind;
#define ENGINES_OF_FILES ENGINE_TORCH

typedef struct engine_settings {
    const char *backend; /* of Sibyl's sessions; NULL: all */
    pass_settings passes;
    const char *tune;       /* a file, or NULL */
    sib_registry *registry; /* of Sibyl's models; NULL: none */
    unsigned threads;
    bool oracle;       /* every float value in double; with the backend ref */
    peer_ort *ort;     /* NULL: none */
    peer_torch *torch; /* NULL: none */
} engine_settings;

typedef struct engine engine;

/* "sibyl", "onnxruntime", "torch" */
const char *engine_name(engine_kind kind);

/* Loads the model at path; for torch, the request for peer_torch_whisper. Returns NULL, with the reason in
   why (bytes), on failure. */
engine *engine_open(engine_kind kind, const engine_settings *settings, const char *path, char *why,
                    size_t bytes);
void engine_close(engine *e);

/* Sets the inputs of later runs, (n), which must outlive the engine. */
bool engine_bind(engine *e, size_t n, const sib_named_value *inputs, char *why, size_t bytes);

/* Runs once and drops the outputs. Returns the seconds, negative on failure. */
double engine_run(engine *e, char *why, size_t bytes);

/* One run of Sibyl, with its steps added to a profile. */
bool engine_profile(engine *e, sib_profile *profile, char *why, size_t bytes);

/* The kernels of the plan of Sibyl's engine that ran, each once, as text: "conv fused". */
void engine_kernels(engine *e, char *text, size_t bytes);

/* One run whose outputs the caller owns: (n_outputs of the model), NULL for values that are not tensors. */
bool engine_outputs(engine *e, sib_value **out, char *why, size_t bytes);

#endif
