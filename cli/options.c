#include "options.h"

#include "command.h"
#include "messages.h"
#include "nearest.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const cli_option cli_option_help = {
    .name = "help", .letter = 'h', .kind = CLI_FLAG, .help = "show this help"};

/* Whether a list, separated by blanks, has the word. */
static bool lists(const char *list, const char *word)
{
    const size_t n = strlen(word);
    for (; *list; list += strcspn(list, " "), list += strspn(list, " "))
        if (strcspn(list, " ") == n && memcmp(list, word, n) == 0)
            return true;
    return false;
}

static bool same_name(const char *name, const char *typed, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (name[i] != (typed[i] == '_' ? '-' : typed[i]))
            return false;
    return name[length] == '\0';
}

/* What was typed of an option: a long name, letters after one dash, or one letter. */
typedef struct typed {
    const char *name, *word;
    size_t length; /* of name */
    char letter;
    const char *value; /* what stands behind it, its value or not; or NULL */
} typed;

static bool is_typed(const cli_option *o, const typed *t)
{
    const bool named = t->name   ? same_name(o->name, t->name, t->length)
                       : t->word ? o->word && strcmp(o->word, t->word) == 0
                                 : o->letter == t->letter;
    return named && (!o->when || (t->value && lists(o->when, t->value)));
}

static const cli_option *find(const cli_command *c, const typed *t)
{
    for (const cli_option *o = c->names; o && o->name; o++)
        if (is_typed(o, t))
            return o;
    for (const cli_option *o = c->options; o->name; o++)
        if (is_typed(o, t))
            return o;
    return is_typed(&cli_option_help, t) ? &cli_option_help : NULL;
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
    case CLI_UNBUILT:
        cli_usage(c, "--%s is not built: %s", o->name, o->help);
        return false;
    case CLI_ALIAS:
    case CLI_NOTHING:
        break;
    }
    return true;
}

/* "beam_size=%" with the value in the place of %. */
static char *given(const char *give, const char *value)
{
    const char *mark = strchr(give, '%');
    return mark ? cli_format("%.*s%s%s", (int)(mark - give), give, value, mark + 1) : cli_format("%s", give);
}

/* Texts made of values, which settings point to until the command ends. */
static cli_list made;

static bool set_alias(const cli_command *c, const cli_option *o, const char *value, void *settings)
{
    const typed t = {.name = o->as, .length = strlen(o->as)};
    const cli_option *target = c->options;
    while (target->name && !is_typed(target, &t))
        target++;
    if (!o->give) { /* a flag */
        *(bool *)field_of(target, settings) = true;
        return true;
    }
    add_item(&made, given(o->give, value));
    return set_option(c, target, made.items[made.n - 1], settings);
}

static void unknown_option(const cli_command *c, const char *word, const typed *t)
{
    nearest n = {.typed = t->name, .length = t->length};
    for (const cli_option *o = c->options; o->name; o++)
        nearest_try(&n, o->name);
    for (const cli_option *o = c->names; o && o->name; o++)
        nearest_try(&n, o->name);
    char *hint = nearest_hint(&n, "--");
    cli_usage(c, "unknown option '%.*s'%s", (int)t->length + 2, word, hint);
    free(hint);
}

/* Finds the option in `word` and its value in the same word, NULL if there is none. next: the word behind it, or
   NULL. */
static const cli_option *read_word(const cli_command *c, char *word, const char *next, char **value)
{
    const cli_option *o = NULL;
    *value = NULL;
    if (word[1] == '-') {
        char *equals = strchr(word, '=');
        typed t = {.name = word + 2, .length = equals ? (size_t)(equals - word) - 2 : strlen(word) - 2};
        *value = equals ? equals + 1 : NULL;
        t.value = equals ? *value : next;
        o = find(c, &t);
        if (!o)
            unknown_option(c, word, &t);
    } else {
        if (word[2])
            o = find(c, &(typed){.word = word + 1, .value = next});
        if (!o) {
            *value = word[2] ? word + 2 : NULL;
            o = find(c, &(typed){.letter = word[1], .value = *value ? *value : next});
        }
        if (!o)
            cli_usage(c, "unknown option '%.2s'", word);
    }
    if (o && !cli_option_takes(o) && *value) {
        cli_usage(c, "--%s takes no value, got '%s'", o->name, *value);
        return NULL;
    }
    return o;
}

/* Adds ", --name" where it is not yet in the list. */
static void note(char **list, const char *name)
{
    char *item = cli_format("--%s", name), *longer;
    if (!*list || !strstr(*list, item)) {
        longer = *list ? cli_format("%s, %s", *list, item) : cli_format("%s", item);
        free(*list);
        *list = longer;
    }
    free(item);
}

/* Reads one option at argv[*i]. Returns false after misuse. */
static bool read_option(const cli_command *c, int argc, char **argv, int *i, void *settings, int *n_operands,
                        char **nothing, bool *help)
{
    char *value, *next = *i + 1 < argc ? argv[*i + 1] : NULL;
    const cli_option *o = read_word(c, argv[*i], next, &value);
    if (!o)
        return false;
    *help = o == &cli_option_help;
    if (o->kind == CLI_OPTIONAL && !value) {
        const bool follows = next && find_choice(o, next) >= 0;
        *i += follows;
        return set_option(c, o, follows ? next : o->choices[0], settings);
    }
    if (cli_option_takes(o) && !value) {
        if (!next) {
            char *wanted = cli_option_value(o);
            cli_usage(c, "--%s needs a value: %s", o->name, wanted);
            free(wanted);
            return false;
        }
        value = next;
        ++*i;
    }
    if (o->kind == CLI_NOTHING)
        note(nothing, o->name);
    if (o->kind == CLI_ALIAS && o->as && !*o->as)
        argv[(*n_operands)++] = value;
    else if (o->kind == CLI_ALIAS && o->as)
        return set_alias(c, o, value, settings);
    else if (o != &cli_option_help)
        return set_option(c, o, value, settings);
    return true;
}

cli_parsed cli_parse(const cli_command *command, int argc, char **argv, void *settings, int *n_operands)
{
    char *nothing = NULL;
    bool done = true, help = false;
    *n_operands = 0;
    for (int i = 0; i < argc && done && !help; i++) {
        if (strcmp(argv[i], "--") == 0) {
            while (++i < argc)
                argv[(*n_operands)++] = argv[i];
        } else if (argv[i][0] != '-' || argv[i][1] == '\0')
            argv[(*n_operands)++] = argv[i];
        else
            done = read_option(command, argc, argv, &i, settings, n_operands, &nothing, &help);
    }
    if (nothing && done && !help)
        cli_fail("taken without effect: %s", nothing);
    free(nothing);
    return help ? CLI_WANTS_HELP : done ? CLI_PARSED : CLI_MISUSED;
}

void cli_options_each(const cli_command *command, void (*row)(const cli_option *o, void *context),
                      void *context)
{
    for (const cli_option *o = command->options; o->name; o++)
        row(o, context);
    row(&cli_option_help, context);
}

void cli_names_each(const cli_command *command, void (*row)(const cli_option *o, void *context),
                    void *context)
{
    for (const cli_option *o = command->names; o && o->name; o++)
        if (!o->when)
            row(o, context);
}

bool cli_option_takes(const cli_option *o)
{
    return o->kind == CLI_ALIAS || o->kind == CLI_NOTHING || o->kind == CLI_UNBUILT ? o->value != NULL
                                                                                    : o->kind != CLI_FLAG;
}

char *cli_option_text(const cli_option *o)
{
    if (o->kind == CLI_NOTHING)
        return cli_format("without effect: %s", o->help);
    if (o->kind == CLI_UNBUILT)
        return cli_format("not built: %s", o->help);
    if (o->kind != CLI_ALIAS || !o->as)
        return cli_format("%s", o->help);
    if (!*o->as)
        return cli_format("%s as an operand", o->value);
    char *value = o->give ? given(o->give, o->value) : cli_format("%s", "");
    char *text = cli_format("--%s%s%s", o->as, *value ? " " : "", value);
    free(value);
    return text;
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
