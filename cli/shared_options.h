/* Rows shared by several commands. The settings have the type `settings`; arguments give what differs. */
#ifndef CLI_SHARED_OPTIONS_H
#define CLI_SHARED_OPTIONS_H

#include "options.h"

#include <limits.h>
#include <sibyl/sibyl.h>

#define OPT_JSON OPT_FLAG("json", json, "print one JSON document instead of text")

/* usual: the default. letter_: or 0. */
#define THREADS_ROW(usual, letter_)                                                                          \
    OPT_INTEGER("threads", threads, "N", 0, 1024,                                                            \
                "threads, up to 1024; 0: one per processor (default: " usual ")", .letter = letter_)
#define OPT_THREADS(usual)   THREADS_ROW(usual, 0)
#define OPT_THREADS_T(usual) THREADS_ROW(usual, 't')

#define OPT_MAX_SECONDS                                                                                      \
    OPT_NUMBER("max-seconds", max_seconds, "S", 0, 1e9,                                                      \
               "refuse a recording that is longer than S seconds (default: 86400, a day)", .above = true)

#define OPT_RTOL                                                                                             \
    OPT_NUMBER("rtol", rtol, "X", 0, 1, "relative tolerance (default: 1e-3)",                                \
               .more = "Elements may differ by atol + rtol * |expected|.")
#define OPT_AGAINST(help)                                                                                    \
    OPT_FILE("against", against, "DUMP", help,                                                               \
             .more =                                                                                         \
                 "A .npz with arrays of these names, or a folder with .npy files: manifest.json says "       \
                 "which is whose ({\"NAME\": {\"file\", \"dtype\", \"dims\"}}); without it a value's file "  \
                 "is NAME.npy, with / : and the like as _.")
#define OPT_ATOL(usual) OPT_NUMBER("atol", atol, "X", 0, 1e9, "absolute tolerance (default: " usual ")")

/* ---- Backends and passes
   --------------------------------------------------------------------------------- */

/* A cli_names of this build's backends. */
const char *backend_names(size_t i, const char **meaning);
/* A cli_names of the values of --passes: "all", "-all", and each pass. */
const char *pass_option_names(size_t i, const char **meaning);

#define OPT_BACKENDS(name, field, ...) OPT_TEXT(name, field, "LIST", __VA_ARGS__, .names = backend_names)
#define OPT_BACKEND                                                                                          \
    OPT_BACKENDS("backend", backend,                                                                         \
                 "backends in order of preference, as ref or cpu,ref (default: all, the fastest first)")

typedef struct pass_settings {
    const char *names; /* or NULL */
    long limit;        /* edits, -1 for any number */
} pass_settings;
#define PASS_DEFAULTS                                                                                        \
    {                                                                                                        \
        NULL, -1                                                                                             \
    }

/* Two rows; the settings hold a pass_settings called `passes`. */
#define OPT_PASSES                                                                                           \
    OPT_TEXT("passes", passes.names, "LIST",                                                                 \
             "passes over the graph: all, -all for none, -NAME for all but one, -all,NAME for one alone",    \
             .names = pass_option_names,                                                                     \
             .more = "Default: all, where a backend other than ref runs. The section PASSES has the list."), \
        OPT_INTEGER("pass-limit", passes.limit, "N", 0, INT_MAX,                                             \
                    "let passes make at most N edits, to find the one that breaks a model")

/* Copies the settings to the options of a session. */
void passes_apply(const pass_settings *s, sib_session_options *out);
/* Returns true if one of the options was given. */
bool passes_named(const pass_settings *s);

/* The settings hold a const char * called `tune`. */
#define OPT_TUNE                                                                                             \
    OPT_FILE("tune", tune, "FILE",                                                                           \
             "measure which kernels are the fastest for each layer, and keep what was found in FILE",        \
             .more = "Only kernels whose costs are close are measured, for a few milliseconds each; what "   \
                     "FILE holds for this processor and number of threads is not measured again.")

/* ---- Opening models --------------------------------------------------------------------------------- */

/* The settings hold a double called `open_memory`. */
#define OPT_OPEN_MEMORY                                                                                      \
    OPT_NUMBER("open-memory", open_memory, "MB", 0, 1e9, "limit of the memory that opening the model takes", \
               .more = "Default: a limit that grows with the size of the file.", .above = true)
/* Limits of opening: those of the option if it was given (above 0), else the defaults. */
sib_open_options open_limits(double open_memory);

/* ---- Logs ------------------------------------------------------------------------------------------- */

/* The settings hold an int called `verbose`, -1 by default. */
#define OPT_VERBOSE                                                                                          \
    OPT("verbose", CLI_OPTIONAL, verbose,                                                                    \
        "say on stderr what is opened, chosen and planned; debug: each step too", .choices = verbose_levels, \
        .letter = 'v')
extern const char *const verbose_levels[];
/* A log that writes to stderr, or none. */
sib_logger verbose_log(int verbose);

/* ---- Timelines -------------------------------------------------------------------------------------- */

#define OPT_TRACE                                                                                            \
    OPT_FILE("trace", trace, "FILE",                                                                         \
             "write a timeline of all runs, nodes and milli-ops as Chrome trace JSON",                       \
             .more = "ui.perfetto.dev and chrome://tracing show it. At most 1,000,000 spans are kept.")
/* Makes the profile for a trace where path is not NULL. Returns false, with a line on stderr, on failure. */
bool trace_begin(const char *path, sib_profile **out);
/* Writes it where path is not NULL and frees the profile. Likewise. */
bool trace_end(const char *path, sib_profile **profile);

/* ---- Extensions -------------------------------------------------------------------------------------- */

typedef struct extension_settings {
    cli_list plugins, functions; /* files */
    sib_registry *registry;      /* of extensions_load; NULL where there are none */
} extension_settings;

/* Two rows; the settings hold an extension_settings called `ext`. */
#define OPT_EXTENSIONS                                                                                       \
    OPT_LIST("plugin", ext.plugins, "LIB.so",                                                                \
             "load a shared library with operators or backends; may be given several times",                 \
             .more = "Its code runs in this process. Its backends are tried first."),                        \
        OPT_LIST("functions", ext.functions, "FILE",                                                         \
                 "operators written as ONNX functions in text; may be given several times")

/* Loads what the options name. Returns false, with a line on stderr, where that fails. */
bool extensions_load(extension_settings *e);
void extensions_free(extension_settings *e);

/* ---- Inputs of models ------------------------------------------------------------------------------- */

typedef struct input_settings {
    cli_list inputs;    /* NAME=FILE.npy, NAME=FILE.npz, NAME=FILE.pb, FILE.npz, NAME=TEXT */
    cli_list dims;      /* T=100 */
    const char *random; /* seed for inputs that are not given, or NULL */
} input_settings;

#define OPT_DIM(field)                                                                                       \
    OPT_LIST("dim", field, "T=N", "size of a symbolic dim of random inputs; may be given several times")

/* Three rows; the settings hold an input_settings called `in`. */
#define OPT_INPUTS                                                                                           \
    OPT_LIST("input", in.inputs, "NAME=WHAT",                                                                \
             "an input: a .npy, .npz, .pb or .txt file, or its elements as text: 1,2,3 or [[1,2],[3,4]]",    \
             .letter = 'i',                                                                                  \
             .more = "May be given several times. Text without brackets takes the shape that the model "     \
                     "declares, where the count fits it. A .npz file without a name gives every input that " \
                     "it holds."),                                                                           \
        OPT_DIM(in.dims),                                                                                    \
        OPT_TEXT("random", in.random, "SEED",                                                                \
                 "draw inputs that are not given: floats in [-1, 1), integers and bools 0 or 1, words",      \
                 .more = "The same seed draws the same on every machine. Sequences and maps get 1 to 3 "     \
                         "items; maps have keys from 0 or \"a\" on, optionals hold something.")

/* ---- Jobs
   ------------------------------------------------------------------------------------------------ */

/* help: text, and further members of cli_option. */
#define OPT_MODEL(...) OPT_FILE("model", model, "MODEL", __VA_ARGS__)
/* .more of options that take checkpoints. */
#define CHECKPOINT_IS_KEPT                                                                                   \
    "A checkpoint is imported once, into $XDG_CACHE_HOME/sibyl/models (~/.cache), of which the models not "  \
    "used for "                                                                                              \
    "longest go where they take more than $SIBYL_CACHE_MB (default: 20000)."
#define OPT_TOKENIZER(help) OPT_FILE("tokenizer", tokenizer, "FILE", help)
/* Returns false, with a line on stderr for each value of --tap that matched nothing. matched: (taps->n). */
bool taps_all_matched(const cli_list *taps, const bool *matched);

#define OPT_JOB_INPUT(...) OPT_LIST("input", inputs, "NAME=WHAT", __VA_ARGS__, .letter = 'i')
#define OPT_OUT_FOLDER(...)                                                                                  \
    OPT_FOLDER("out", folder, "DIR", __VA_ARGS__, .letter = 'o', .more = FOLDER_IS_MADE)
#define FOLDER_IS_MADE "The folder is made where its parent exists."

#endif
