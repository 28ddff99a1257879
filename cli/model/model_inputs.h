/* Inputs of a model on the command line: files, text, or random numbers. */
#ifndef CLI_MODEL_INPUTS_H
#define CLI_MODEL_INPUTS_H

#include "shared_options.h"

/* The inputs of a run, in the model's order. */
typedef struct model_inputs {
    size_t n;
    sib_named_value *items; /* (n) names are the model's */
    sib_value **values;     /* (n) owned */
} model_inputs;

/* Reads them or draws random ones. Returns false, with a line on stderr, on failure. */
bool model_inputs_read(const sib_model *model, const input_settings *settings, model_inputs *out);
void model_inputs_free(model_inputs *in);

#endif
