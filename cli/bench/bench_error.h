/* How far results are from those of `ref` in oracle mode, where every float value is a double. */
#ifndef CLI_BENCH_ERROR_H
#define CLI_BENCH_ERROR_H

#include "bench/bench_engine.h"
#include "messages.h"

/* Errors of float elements; of several outputs the largest of each. */
typedef struct result_error {
    bool known;
    double max_abs; /* the largest difference */
    double rms;     /* RMS of the differences over RMS of the exact elements */
    double worst; /* the largest difference over its exact element, or over their RMS where that is larger */
} result_error;

/* Adds one tensor; exact: of as many elements. Returns false, with the reason in why, if they differ in
   size. */
bool error_add(result_error *e, const sib_tensor *got, const sib_tensor *exact, char *why, size_t bytes);

/* Adds every output that is a tensor of floats. got, exact: (n), items may be NULL. */
bool error_add_values(result_error *e, size_t n, sib_value *const *got, sib_value *const *exact, char *why,
                      size_t bytes);

/* Runs the model at path on `ref` in double; its outputs are owned by the caller. */
bool error_exact(const char *path, unsigned threads, size_t n, const sib_named_value *inputs, sib_value **out,
                 char *why, size_t bytes);

json_t *error_to_json(const result_error *e);
/* "max abs 1.2e-05, RMS 3.1e-07, worst 2.0e-06" */
void error_text(const result_error *e, char *text, size_t bytes);

#endif
