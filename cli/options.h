/* Options from a table: "--name VALUE", "--name=VALUE", "-o VALUE" or "-oVALUE"; after "--" everything is an
   operand, and "-" is one. Help, manual and completions are generated from the same table: an option costs
   one row. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef enum cli_option_kind {
    CLI_FLAG,     /* bool */
    CLI_TEXT,     /* const char * */
    CLI_FILE,     /* const char *, name of a file */
    CLI_FOLDER,   /* const char *, name of a folder */
    CLI_INTEGER,  /* long, min .. max */
    CLI_NUMBER,   /* double, min .. max */
    CLI_CHOICE,   /* int, index into choices */
    CLI_OPTIONAL, /* the same; index 0 if none of the choices follows */
    CLI_LIST,     /* cli_list, an item for each time the option is given */
    /* Names that other commands have for options, which `as` stands for; those three take a value where they name it. */
    CLI_ALIAS,   /* another option, or an operand */
    CLI_NOTHING, /* nothing: it is accepted, and one line says so */
    CLI_UNBUILT  /* nothing yet: it is refused by its name */
} cli_option_kind;

/* Values of an option that may be given several times, in order. items: (n), released with free. */
typedef struct cli_list {
    const char **items;
    size_t n;
} cli_list;

/* Returns name i of a list, NULL past its end; its meaning in *meaning, which may be NULL. */
typedef const char *(*cli_names)(size_t i, const char **meaning);

typedef struct cli_option {
    const char *name; /* without dashes; NULL ends the table */
    char letter;      /* or 0 */
    const char *word; /* several letters after one dash, "ml"; or NULL */
    cli_option_kind kind;
    size_t field;      /* offset in the settings */
    const char *value; /* name of the value in help; NULL for flags and choices */
    const char
        *help; /* begins in lower case and ends without a period; lines are broken where it is printed */
    const char *more; /* further sentences, for the manual alone; or NULL */
    double min, max;
    bool above;                 /* min itself is out of range */
    const char *const *choices; /* ends with NULL */
    cli_names names;            /* values that completion offers; the manual lists those with a meaning */
    const char *offer;          /* likewise, separated by blanks */
    const char
        *when; /* values, separated by blanks, with which alone the row is meant; it is not listed. Or NULL */
    const char *as;   /* of aliases: name of the option, "" for an operand, NULL for nothing */
    const char *give; /* its value, in which % stands for the alias's; NULL: none, or an operand's own */
} cli_option;

/* Rows of a table whose settings have the type `settings`. More fields may follow the help: .letter = 'o'. */
#define OPT(name_, kind_, field_, ...)                                                                       \
    {                                                                                                        \
        .name = name_, .kind = kind_, .field = offsetof(settings, field_), .help = __VA_ARGS__               \
    }
#define OPT_FLAG(name, field, ...)             OPT(name, CLI_FLAG, field, __VA_ARGS__)
#define OPT_TEXT(name, field, value_, ...)     OPT(name, CLI_TEXT, field, __VA_ARGS__, .value = value_)
#define OPT_FILE(name, field, value_, ...)     OPT(name, CLI_FILE, field, __VA_ARGS__, .value = value_)
#define OPT_FOLDER(name, field, value_, ...)   OPT(name, CLI_FOLDER, field, __VA_ARGS__, .value = value_)
#define OPT_LIST(name, field, value_, ...)     OPT(name, CLI_LIST, field, __VA_ARGS__, .value = value_)
#define OPT_CHOICE(name, field, choices_, ...) OPT(name, CLI_CHOICE, field, __VA_ARGS__, .choices = choices_)
#define OPT_INTEGER(name, field, value_, min_, max_, ...)                                                    \
    OPT(name, CLI_INTEGER, field, __VA_ARGS__, .value = value_, .min = min_, .max = max_)
#define OPT_NUMBER(name, field, value_, min_, max_, ...)                                                     \
    OPT(name, CLI_NUMBER, field, __VA_ARGS__, .value = value_, .min = min_, .max = max_)
/* "name" stands for "--as give". More may follow: .value = "N" where it takes one. */
#define OPT_ALIAS(name_, as_, ...)                                                                           \
    {                                                                                                        \
        .name = name_, .kind = CLI_ALIAS, .as = as_, .give = __VA_ARGS__                                     \
    }
#define OPT_NOTHING(name_, ...)                                                                              \
    {                                                                                                        \
        .name = name_, .kind = CLI_NOTHING, .help = __VA_ARGS__                                              \
    }
#define OPT_UNBUILT(name_, ...)                                                                              \
    {                                                                                                        \
        .name = name_, .kind = CLI_UNBUILT, .help = __VA_ARGS__                                              \
    }
#define OPT_END                                                                                              \
    {                                                                                                        \
        .name = NULL                                                                                         \
    }

typedef enum cli_parsed { CLI_PARSED, CLI_WANTS_HELP, CLI_MISUSED } cli_parsed;

struct cli_command;

/* Reads argv (argc) into settings, a struct that the table's offsets fit, filled with defaults before.
   In long names _ and - are the same. Operands are moved to the front of argv; *n_operands is their number. Misuse is reported on stderr. */
cli_parsed cli_parse(const struct cli_command *command, int argc, char **argv, void *settings,
                     int *n_operands);

/* The row of --help, which is part of every table. */
extern const cli_option cli_option_help;

/* Calls `row` for each option of a command, --help last, and for each name that it takes from other commands. */
void cli_options_each(const struct cli_command *command, void (*row)(const cli_option *o, void *context),
                      void *context);
void cli_names_each(const struct cli_command *command, void (*row)(const cli_option *o, void *context),
                    void *context);

/* Whether a value follows the option. */
bool cli_option_takes(const cli_option *o);

/* Its help: the row's own, or what an alias stands for. Released with free. */
char *cli_option_text(const cli_option *o);

/* What follows the option's name in help: "N", "int8|int16", "[int16|int8]"; "" for flags. Released with
   free. */
char *cli_option_value(const cli_option *o);

/* Returns value i of those that the option may have, NULL past the last. buffer: 64 bytes, in which it may be
   written. */
const char *cli_option_word(const cli_option *o, size_t i, char buffer[64]);

#endif
