/* A sub-command of `sibyl`: one row in main.c's table, one file. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "options.h"

/* Exit codes. */
enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

typedef struct cli_command {
    const char *name;
    const char *summary;       /* one line */
    const char *operands;      /* "IN..." */
    const cli_option *options; /* ends with a row without a name */
    const char *more;          /* paragraphs after the options, each line ended; or NULL */
    /* argv: what stands behind the command's name. Returns an exit code. */
    int (*run)(const struct cli_command *self, int argc, char **argv);
} cli_command;

extern const cli_command command_features, command_inspect, command_run, command_diff, command_conform,
    command_transcribe, command_generate, command_tokenize, command_vad, command_job, command_import,
    command_quantize, command_tile, command_bench, command_help;

/* Ends with NULL. */
extern const cli_command *const cli_commands[];

/* The command called `name`, or NULL. */
const cli_command *cli_command_named(const char *name);

/* Reads argv into settings as cli_parse does. False where there is nothing more to do, after help or misuse; *code is then
   what to exit with. */
bool cli_begin(const cli_command *command, int argc, char **argv, void *settings, int *n_operands, int *code);

/* Help of one command, or of all where `command` is NULL, on `out`. */
void cli_help(const cli_command *command, FILE *out);

#endif
