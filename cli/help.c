/* sibyl help [COMMAND] */
#include "command.h"
#include "messages.h"

#include <stdlib.h>
#include <string.h>

/* ---- What help prints
   ------------------------------------------------------------------------------------ */

#define HELP_COLUMN 26 /* of the text after an option */
#define HELP_WIDTH  80

/* Text from column `from` on, with lines broken at HELP_WIDTH; the cursor is at column `at`. */
static void put_wrapped(const char *text, size_t from, size_t at, FILE *out)
{
    while (*text) {
        size_t n = strcspn(text, " \n");
        if (at > from && at + n + 1 > HELP_WIDTH) {
            fprintf(out, "\n%*s", (int)from, "");
            at = from;
        }
        at += (size_t)fprintf(out, "%s%.*s", at > from ? " " : "", (int)n, text);
        text += n + strspn(text + n, " \n");
    }
    putc('\n', out);
}

/* Prints "left", and the text in its column. */
static void put_row(const char *left, const char *text, FILE *out)
{
    size_t at = (size_t)fprintf(out, "%s", left);
    if (at + 2 > HELP_COLUMN)
        at = (size_t)fprintf(out, "\n") - 1;
    fprintf(out, "%*s", (int)(HELP_COLUMN - at), "");
    put_wrapped(text, HELP_COLUMN, HELP_COLUMN, out);
}

static void option_help(const cli_option *o, void *out)
{
    char *value = cli_option_value(o), *text = cli_option_text(o), letter[16] = "   ";
    if (o->word)
        snprintf(letter, sizeof letter, "-%s,", o->word);
    else if (o->letter)
        snprintf(letter, sizeof letter, "-%c,", o->letter);
    char *left = cli_format("  %s --%s%s%s", letter, o->name, *value ? " " : "", value);
    put_row(left, text, out);
    free(left);
    free(text);
    free(value);
}

static void put_usage(const cli_command *c, FILE *out)
{
    char *left = cli_format("  sibyl %s ", c->name);
    fputs(left, out);
    put_wrapped(c->operands, strlen(left), strlen(left), out);
    free(left);
}

static void overview(FILE *out)
{
    fputs("sibyl: an ONNX runtime, a Whisper front end and speech-to-text.\n\nUsage:\n", out);
    for (const cli_command *const *c = cli_commands; *c; c++)
        put_usage(*c, out);
    fputs("  sibyl --version\n  sibyl --help\n\nCommands:\n", out);
    for (const cli_command *const *c = cli_commands; *c; c++)
        fprintf(out, "  %-10s  %s\n", (*c)->name, (*c)->summary);
    fputs("\nExit codes: 0 done, 1 failed, 2 usage. 'sibyl help COMMAND' lists a command's options.\n", out);
}

void cli_help(const cli_command *command, FILE *out)
{
    if (!command) {
        overview(out);
        return;
    }
    fprintf(out, "sibyl %s: %s\n\nUsage:\n", command->name, command->summary);
    put_usage(command, out);
    for (const cli_verb *v = command->verbs; v && v->name; v++) {
        char *left = cli_format("  %s", v->name);
        fputs(v == command->verbs ? "\n" : "", out);
        put_row(left, v->help, out);
        free(left);
    }
    fputs("\nOptions:\n", out);
    cli_options_each(command, option_help, out);
    if (command->names)
        fprintf(out, "\nNames of %s:\n", command->names_of);
    cli_names_each(command, option_help, out);
    if (command->more) {
        putc('\n', out);
        put_wrapped(command->more, 0, 0, out);
    }
}

/* ---- Shared by the commands ---------------------------------------------------------------------------- */

bool cli_begin(const cli_command *command, int argc, char **argv, void *settings, int *n_operands, int *code)
{
    cli_parsed parsed = cli_parse(command, argc, argv, settings, n_operands);
    if (parsed == CLI_WANTS_HELP)
        cli_help(command, stdout);
    *code = parsed == CLI_MISUSED ? CLI_USAGE : CLI_DONE;
    return parsed == CLI_PARSED;
}

/* "plan, simulate, emit" */
static void verb_names(const cli_verb *verbs, char *text, size_t size)
{
    size_t used = 0;
    for (const cli_verb *v = verbs; v->name && used < size; v++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", v == verbs ? "" : ", ", v->name);
}

const cli_verb *cli_verb_of(const cli_command *command, int n, char **argv)
{
    const cli_verb *v = command->verbs;
    char names[256];
    verb_names(v, names, sizeof names);
    while (n && v->name && strcmp(v->name, argv[0]) != 0)
        v++;
    if (!n)
        cli_usage(command, "%s takes one of: %s", command->name, names);
    else if (!v->name)
        cli_usage(command, "%s has no '%s', expected one of: %s", command->name, argv[0], names);
    else if (n > 1 && !v->operands)
        cli_usage(command, "%s %s takes no name after it, got '%s'", command->name, v->name, argv[1]);
    else
        return v;
    return NULL;
}

/* ---- The command
   ------------------------------------------------------------------------------------------ */

typedef struct settings {
    const char *manual;
    int shell;
} settings;

static const cli_option options[] = {
    OPT_CHOICE("completion", shell, cli_shells, "print the completion script for a shell",
               .more = "It is installed with Sibyl; elsewhere: source <(sibyl help --completion bash)."),
    OPT_FILE("manual", manual, "TEMPLATE",
             "print the manual page, made of its template and the tables of options"),
    OPT_END};

static int help(const cli_command *self, int argc, char **argv)
{
    settings s = {.shell = -1};
    int n, code;
    if (!cli_begin(self, argc, argv, &s, &n, &code))
        return code;
    if (n > 1)
        return cli_usage(NULL, "help takes one command, got '%s' too", argv[1]);
    const cli_command *command = n ? cli_command_named(argv[0]) : NULL;
    if (n && !command)
        return cli_command_unknown(argv[0]);
    if (s.manual)
        return cli_manual(s.manual, stdout);
    if (s.shell >= 0)
        cli_completion(s.shell, stdout);
    else
        cli_help(command, stdout);
    return CLI_DONE;
}

const cli_command command_help = {.name = "help",
                                  .summary = "explain a command",
                                  .operands = "[COMMAND]",
                                  .options = options,
                                  .takes = CLI_COMMANDS,
                                  .run = help};
