/* A sub-command of `sibyl`: a file, and a row of CLI_COMMANDS. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "options.h"

/* Exit codes. */
enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

/* What completion offers for operands. */
typedef enum cli_operands { CLI_FILES, CLI_FOLDERS, CLI_COMMANDS, CLI_TEXTS } cli_operands;

/* One of the names that a command takes as its first operand. */
typedef struct cli_verb {
    const char *name, *help;
    int (*run)(const void *settings); /* of the command; returns an exit code */
    bool operands;                    /* names may follow it */
} cli_verb;

typedef struct cli_command {
    const char *name;
    const char *summary;       /* one line */
    const char *operands;      /* "IN..." */
    const cli_option *options; /* ends with OPT_END */
    const cli_option *names;   /* that options have in other commands, likewise; or NULL */
    const char *names_of;      /* those commands */
    const cli_verb *verbs;     /* ends with a row without a name; or NULL */
    cli_operands takes;
    const char *more; /* sentences that help and manual print; or NULL */
    /* argv: what follows the command's name. Returns an exit code. */
    int (*run)(const struct cli_command *self, int argc, char **argv);
} cli_command;

/* Every command, in the order in which help lists them: command_NAME in cli/NAME.c. */
#define CLI_COMMANDS(X)                                                                                      \
    X(features)                                                                                              \
    X(inspect)                                                                                               \
    X(run)                                                                                                   \
    X(diff)                                                                                                  \
    X(reduce)                                                                                                \
    X(report)                                                                                                \
    X(conform)                                                                                               \
    X(transcribe)                                                                                            \
    X(generate)                                                                                              \
    X(chat)                                                                                                  \
    X(tokenize)                                                                                              \
    X(vad)                                                                                                   \
    X(speak)                                                                                                 \
    X(job)                                                                                                   \
    X(serve)                                                                                                 \
    X(import)                                                                                                \
    X(quantize)                                                                                              \
    X(tile)                                                                                                  \
    X(bench)                                                                                                 \
    X(devices)                                                                                               \
    X(help)

#define CLI_COMMAND_DECLARED(name) extern const cli_command command_##name;
CLI_COMMANDS(CLI_COMMAND_DECLARED)

/* Ends with NULL. */
extern const cli_command *const cli_commands[];

/* Returns the command called `name`, or NULL. */
const cli_command *cli_command_named(const char *name);
/* Fails: there is no command of this name. Returns CLI_USAGE. */
int cli_command_unknown(const char *name);

/* Reads argv into settings as cli_parse does. Returns false if the command must end, after help or misuse;
   *code is then the exit code. */
bool cli_begin(const cli_command *command, int argc, char **argv, void *settings, int *n_operands, int *code);

/* Returns the verb that the operands argv (n) begin with, or NULL with a line on stderr; checks the names
   after it. */
const cli_verb *cli_verb_of(const cli_command *command, int n, char **argv);

/* Prints the help of one command, or of all if `command` is NULL, to `out`. */
void cli_help(const cli_command *command, FILE *out);

/* ---- Generated from the tables when Sibyl is built ---- */

/* Prints the manual to `out`: the file `path` with its lines @SYNOPSIS@, @COMMANDS@, @OPTIONS@ and @PASSES@
   replaced. Returns an exit code. */
int cli_manual(const char *path, FILE *out);

/* Completion for a shell: index into cli_shells. */
void cli_completion(int shell, FILE *out);
extern const char *const cli_shells[];

#endif
