/* What a model is given on the command line: files, text, or random numbers. */
#ifndef CLI_MODEL_INPUTS_H
#define CLI_MODEL_INPUTS_H

#include "options.h"

#include <sibyl/sibyl.h>

/* What the options say. */
typedef struct input_settings {
    cli_list inputs;    /* NAME=FILE.npy, NAME=FILE.npz, NAME=FILE.pb, FILE.npz, NAME=TEXT */
    cli_list dims;      /* T=100 */
    const char *random; /* seed for inputs that are not given, or NULL */
} input_settings;

/* Rows for a table of options whose settings hold an input_settings called `in`. */
#define INPUT_OPTIONS(settings)                                                                              \
    {.name = "input",                                                                                        \
     .letter = 'i',                                                                                          \
     .kind = CLI_LIST,                                                                                       \
     .field = offsetof(settings, in.inputs),                                                                 \
     .value = "NAME=WHAT",                                                                                   \
     .help = "an input: a .npy, .npz or .pb file, a .txt file, or its\nelements as text: 1,2,3 or "          \
             "[[1,2],[3,4]]"},                                                                               \
        {.name = "dim",                                                                                      \
         .kind = CLI_LIST,                                                                                   \
         .field = offsetof(settings, in.dims),                                                               \
         .value = "T=N",                                                                                     \
         .help = "size of a symbolic dim, for random inputs"},                                               \
    {                                                                                                        \
        .name = "random", .kind = CLI_TEXT, .field = offsetof(settings, in.random), .value = "SEED",         \
        .help = "random elements for inputs that are not given"                                              \
    }

/* The inputs of a run, in the model's order. */
typedef struct model_inputs {
    size_t n;
    sib_named_value *items; /* (n) names are the model's */
    sib_value **values;     /* (n) owned */
} model_inputs;

/* Reads or draws them. Says on stderr what is wrong and returns false. */
bool model_inputs_read(const sib_model *model, const input_settings *settings, model_inputs *out);
void model_inputs_free(model_inputs *in);

/* A value of the model as file name: '/', ':' and others that file systems dislike become '_'. Released with free. */
char *value_file_name(const char *name);

#endif
