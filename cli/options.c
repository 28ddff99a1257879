#include "options.h"

#include "command.h"
#include "messages.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const cli_option cli_option_help = {
    .name = "help", .letter = 'h', .kind = CLI_FLAG, .help = "show this help"};

static const cli_option *find_name(const cli_option *options, const char *name, size_t length)
{
    for (const cli_option *o = options; o->name; o++)
        if (strlen(o->name) == length && memcmp(o->name, name, length) == 0)
            return o;
    return length == 4 && memcmp(name, "help", 4) == 0 ? &cli_option_help : NULL;
}

static const cli_option *find_letter(const cli_option *options, char letter)
{
    for (const cli_option *o = options; o->name; o++)
        if (o->letter == letter)
            return o;
    return letter == cli_option_help.letter ? &cli_option_help : NULL;
}

static void *field_of(const cli_option *o, void *settings)
{
    return (char *)settings + o->field;
}

static bool set_integer(const cli_command *c, const cli_option *o, const char *value, void *settings)
{
    char *end;
    errno = 0;
    long n = strtol(value, &end, 10);
    if (errno || end == value || *end || (double)n < o->min || (double)n > o->max) {
        cli_usage(c, "--%s takes an integer from %.0f to %.0f, not '%s'", o->name, o->min, o->max, value);
        return false;
    }
    *(long *)field_of(o, settings) = n;
    return true;
}

static bool set_number(const cli_command *c, const cli_option *o, const char *value, void *settings)
{
    char *end;
    double x = strtod(value, &end);
    if (end == value || *end || !isfinite(x) || !(o->above ? x > o->min : x >= o->min) || !(x <= o->max)) {
        cli_usage(c, "--%s takes a number %s %g %s %g, not '%s'", o->name, o->above ? "above" : "from",
                  o->min, o->above ? "and up to" : "to", o->max, value);
        return false;
    }
    *(double *)field_of(o, settings) = x;
    return true;
}

/* Returns -1 if value is not one of the choices. */
static int find_choice(const cli_option *o, const char *value)
{
    for (int i = 0; o->choices[i]; i++)
        if (strcmp(value, o->choices[i]) == 0)
            return i;
    return -1;
}

static bool set_choice(const cli_command *c, const cli_option *o, const char *value, void *settings)
{
    int i = find_choice(o, value);
    if (i >= 0) {
        *(int *)field_of(o, settings) = i;
        return true;
    }
    char *choices = cli_option_value(o);
    cli_usage(c, "--%s takes %s, not '%s'", o->name, choices, value);
    free(choices);
    return false;
}

static void add_item(cli_list *list, const char *value)
{
    const char **more = cli_alloc(list->n + 1, sizeof *more);
    if (list->n)
        memcpy(more, list->items, list->n * sizeof *more);
    free(list->items);
    list->items = more;
    list->items[list->n++] = value;
}

/* value: NULL for flags. */
static bool set_option(const cli_command *c, const cli_option *o, const char *value, void *settings)
{
    switch (o->kind) {
    case CLI_FLAG:
        *(bool *)field_of(o, settings) = true;
        return true;
    case CLI_TEXT:
    case CLI_FILE:
    case CLI_FOLDER:
        *(const char **)field_of(o, settings) = value;
        return true;
    case CLI_INTEGER:
        return set_integer(c, o, value, settings);
    case CLI_NUMBER:
        return set_number(c, o, value, settings);
    case CLI_CHOICE:
    case CLI_OPTIONAL:
        return set_choice(c, o, value, settings);
    case CLI_LIST:
        add_item(field_of(o, settings), value);
        return true;
    }
    return false;
}

/* Finds the option in `word` and its value in the same word, NULL if there is none. */
static const cli_option *read_word(const cli_command *c, const char *word, const char **value)
{
    const cli_option *o;
    if (word[1] == '-') {
        const char *equals = strchr(word, '=');
        size_t length = equals ? (size_t)(equals - word) - 2 : strlen(word) - 2;
        o = find_name(c->options, word + 2, length);
        *value = equals ? equals + 1 : NULL;
        if (!o)
            cli_usage(c, "unknown option '%.*s'", (int)length + 2, word);
    } else {
        o = find_letter(c->options, word[1]);
        *value = word[2] ? word + 2 : NULL;
        if (!o)
            cli_usage(c, "unknown option '%.2s'", word);
    }
    if (o && o->kind == CLI_FLAG && *value) {
        cli_usage(c, "--%s takes no value, got '%s'", o->name, *value);
        return NULL;
    }
    return o;
}

cli_parsed cli_parse(const cli_command *command, int argc, char **argv, void *settings, int *n_operands)
{
    *n_operands = 0;
    for (int i = 0; i < argc; i++) {
        const char *value;
        if (strcmp(argv[i], "--") == 0) {
            while (++i < argc)
                argv[(*n_operands)++] = argv[i];
            break;
        }
        if (argv[i][0] != '-' || argv[i][1] == '\0') {
            argv[(*n_operands)++] = argv[i];
            continue;
        }
        const cli_option *o = read_word(command, argv[i], &value);
        if (!o)
            return CLI_MISUSED;
        if (o == &cli_option_help)
            return CLI_WANTS_HELP;
        if (o->kind == CLI_OPTIONAL && !value)
            value = i + 1 < argc && find_choice(o, argv[i + 1]) >= 0 ? argv[++i] : o->choices[0];
        if (o->kind != CLI_FLAG && !value) {
            if (i + 1 >= argc) {
                char *wanted = cli_option_value(o);
                cli_usage(command, "--%s needs a value: %s", o->name, wanted);
                free(wanted);
                return CLI_MISUSED;
            }
            value = argv[++i];
        }
        if (!set_option(command, o, value, settings))
            return CLI_MISUSED;
    }
    return CLI_PARSED;
}

void cli_options_each(const cli_option *options, void (*row)(const cli_option *o, void *context),
                      void *context)
{
    for (const cli_option *o = options; o->name; o++)
        row(o, context);
    row(&cli_option_help, context);
}

char *cli_option_value(const cli_option *o)
{
    if (!o->choices)
        return cli_format("%s", o->value ? o->value : "");
    char *list = cli_format("%s", o->choices[0]);
    for (size_t i = 1; o->choices[i]; i++) {
        char *longer = cli_format("%s|%s", list, o->choices[i]);
        free(list);
        list = longer;
    }
    char *value = cli_format(o->kind == CLI_OPTIONAL ? "[%s]" : "%s", list);
    free(list);
    return value;
}

const char *cli_option_word(const cli_option *o, size_t i, char buffer[64])
{
    if (o->choices)
        return o->choices[i];
    if (o->names)
        return o->names(i, NULL);
    const char *word = o->offer ? o->offer : "";
    for (; i && *word; i--) {
        word += strcspn(word, " ");
        word += *word == ' ';
    }
    snprintf(buffer, 64, "%.*s", (int)strcspn(word, " "), word);
    return *buffer ? buffer : NULL;
}
