/* Options from a table: long names with "--name VALUE" or "--name=VALUE", letters with "-o VALUE" or
   "-oVALUE",
   "--" before operands that begin with a dash; "-" is an operand. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef enum cli_option_kind {
    CLI_FLAG,   /* bool */
    CLI_TEXT,   /* const char * */
    CLI_WHOLE,  /* long, min .. max */
    CLI_NUMBER, /* double, above min and up to max */
    CLI_CHOICE, /* int, index into choices */
    CLI_MAYBE,  /* the same, the first where none of the choices follows */
    CLI_LIST    /* cli_list, one item each time it stands there */
} cli_option_kind;

/* What an option that may stand several times was given, in order; items: (n), released with free. */
typedef struct cli_list {
    const char **items;
    size_t n;
} cli_list;

typedef struct cli_option {
    const char *name; /* without dashes; NULL ends the table */
    char letter;      /* or 0 */
    cli_option_kind kind;
    size_t field;      /* offset in the settings */
    const char *value; /* what the value is called in help; NULL for flags */
    const char *help;  /* one line, or several */
    double min, max;
    const char *const *choices; /* ends with NULL */
} cli_option;

/* Rows that several commands have; type: of their settings. words: in brackets, what holds where it is not given. */
#define CLI_OPTION_THREADS(type, words)                                                                      \
    {                                                                                                        \
        .name = "threads", .kind = CLI_WHOLE, .field = offsetof(type, threads), .value = "N",                \
        .help = "threads (default: " words ")", .min = 1, .max = 1024                                        \
    }

typedef enum cli_parsed { CLI_PARSED, CLI_WANTS_HELP, CLI_MISUSED } cli_parsed;

struct cli_command;

/* Reads argv (argc) into settings, a struct that the table's offsets fit, filled with defaults before. What
   is no option is moved to the front of argv; *n_operands tells how many there are. Says on stderr what is
   wrong. */
cli_parsed cli_parse(const struct cli_command *command, int argc, char **argv, void *settings,
                     int *n_operands);

/* The options as lines of help. "--help" is added to each table. */
void cli_options_help(const cli_option *options, FILE *out);

#endif
