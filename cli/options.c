#include "options.h"

#include "command.h"
#include "words.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const cli_option help_option = {
    .name = "help", .letter = 'h', .kind = CLI_FLAG, .help = "show this help"};

static const cli_option *find_name(const cli_option *options, const char *name, size_t length)
{
    for (const cli_option *o = options; o->name; o++)
        if (strlen(o->name) == length && memcmp(o->name, name, length) == 0)
            return o;
    return length == 4 && memcmp(name, "help", 4) == 0 ? &help_option : NULL;
}

static const cli_option *find_letter(const cli_option *options, char letter)
{
    for (const cli_option *o = options; o->name; o++)
        if (o->letter == letter)
            return o;
    return letter == help_option.letter ? &help_option : NULL;
}

static void *field_of(const cli_option *o, void *settings)
{
    return (char *)settings + o->field;
}

static bool set_whole(const cli_command *c, const cli_option *o, const char *value, void *settings)
{
    char *end;
    errno = 0;
    long n = strtol(value, &end, 10);
    if (errno || end == value || *end || (double)n < o->min || (double)n > o->max) {
        cli_usage(c, "--%s takes a whole number from %.0f to %.0f, not '%s'", o->name, o->min, o->max, value);
        return false;
    }
    *(long *)field_of(o, settings) = n;
    return true;
}

static bool set_number(const cli_command *c, const cli_option *o, const char *value, void *settings)
{
    char *end;
    double x = strtod(value, &end);
    if (end == value || *end || !isfinite(x) || !(x > o->min) || !(x <= o->max)) {
        cli_usage(c, "--%s takes a number above %g and up to %g, not '%s'", o->name, o->min, o->max, value);
        return false;
    }
    *(double *)field_of(o, settings) = x;
    return true;
}

/* -1 where value is none of the choices. */
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
    cli_usage(c, "--%s takes %s, not '%s'", o->name, o->value, value);
    return false;
}

static void add_item(cli_list *list, const char *value)
{
    const char **more = cli_take(list->n + 1, sizeof *more);
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
        *(const char **)field_of(o, settings) = value;
        return true;
    case CLI_WHOLE:
        return set_whole(c, o, value, settings);
    case CLI_NUMBER:
        return set_number(c, o, value, settings);
    case CLI_CHOICE:
    case CLI_MAYBE:
        return set_choice(c, o, value, settings);
    case CLI_LIST:
        add_item(field_of(o, settings), value);
        return true;
    }
    return false;
}

/* Finds the option in `word` and its value in the same word, NULL where there is none. */
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
        if (o == &help_option)
            return CLI_WANTS_HELP;
        if (o->kind == CLI_MAYBE && !value)
            value = i + 1 < argc && find_choice(o, argv[i + 1]) >= 0 ? argv[++i] : o->choices[0];
        if (o->kind != CLI_FLAG && !value) {
            if (i + 1 >= argc) {
                cli_usage(command, "--%s needs a value: %s", o->name, o->value);
                return CLI_MISUSED;
            }
            value = argv[++i];
        }
        if (!set_option(command, o, value, settings))
            return CLI_MISUSED;
    }
    return CLI_PARSED;
}

#define HELP_COLUMN 34

static void option_help(const cli_option *o, FILE *out)
{
    char left[128];
    int n = snprintf(left, sizeof left, o->letter ? "  -%c, " : "      ", o->letter);
    snprintf(left + n, sizeof left - (size_t)n, "--%s%s%s", o->name, o->value ? " " : "",
             o->value ? o->value : "");
    fprintf(out, "%-*s", HELP_COLUMN - 2, left);
    if (strlen(left) > HELP_COLUMN - 2)
        fprintf(out, "\n%*s", HELP_COLUMN - 2, "");
    fputs("  ", out);
    for (const char *s = o->help; *s; s++)
        if (*s == '\n')
            fprintf(out, "\n%*s", HELP_COLUMN, "");
        else
            putc(*s, out);
    putc('\n', out);
}

void cli_options_help(const cli_option *options, FILE *out)
{
    for (const cli_option *o = options; o->name; o++)
        option_help(o, out);
    option_help(&help_option, out);
}
