/* Networks with random weights, which cost what trained ones do: a checkpoint is written and imported as a trained one
   would be, and parts of the model become cases that are measured. */
#ifndef CLI_NETWORK_H
#define CLI_NETWORK_H

#include "bench/bench_models.h"

/* Types of weights, as the file stores them; they are widened before each product. */
typedef enum network_weights {
    NETWORK_F32,
    NETWORK_F16,
    NETWORK_BF16,
    NETWORK_INT8,
    NETWORK_INT4 /* of products, in blocks of 32 */
} network_weights;

/* A part of a network: the encoder (tokens 0), or the decoder on `tokens` after `past` positions. */
typedef struct network_part {
    const char *name; /* "step" */
    int64_t batch, tokens, past;
    double flops; /* multiplications and additions of products and convolutions, per run */
    double
        bytes; /* read by a run besides the weights of the part, each once; less than 0: weights that it does not read */
} network_part;

typedef struct networks {
    const bench_settings *settings;
    char *root, *checkpoint; /* a temporary folder, and the first file in it */
    models list;
} networks;

/* Makes the folder. Returns false, with a line on stderr, on failure, as those below; networks_end either way. */
bool networks_begin(networks *n, const bench_settings *settings);
/* Imports the checkpoint, which holds float32, with these weights. opset: of the model. config: config.json's text, or
   NULL. */
bool networks_import(const networks *n, network_weights weights, int opset, const char *config,
                     sib_model **out);
/* Adds the part of a model with these outputs as a case with its inputs. name: of the case. plain: the same model with
   float32 weights, for its errors, or NULL. */
bool networks_add(networks *n, const sib_model *whole, const sib_model *plain, const char *name,
                  const network_part *part, size_t n_outputs, const char *const *outputs);
/* Measures and reports all cases. notes: (n_notes) what they are. Returns an exit code. */
int networks_measure(networks *n, const char *title, size_t n_notes, char *const *notes);
void networks_end(networks *n);

/* "", "_f16": what a case's name says of its weights. */
const char *network_weights_suffix(network_weights weights);

#endif
