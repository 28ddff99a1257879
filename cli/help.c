/* sibyl help [COMMAND] */
#include "command.h"
#include "words.h"

static void overview(FILE *out)
{
    fputs("sibyl hears and answers, and shows every number on the way.\n\nUsage:\n", out);
    for (const cli_command *const *c = cli_commands; *c; c++)
        fprintf(out, "  sibyl %s %s\n", (*c)->name, (*c)->operands);
    fputs("  sibyl --version\n  sibyl --help\n\nCommands:\n", out);
    for (const cli_command *const *c = cli_commands; *c; c++)
        fprintf(out, "  %-10s  %s\n", (*c)->name, (*c)->summary);
    fputs("\nExit codes: 0 done, 1 failed, 2 usage.\n", out);
}

void cli_help(const cli_command *command, FILE *out)
{
    if (!command) {
        overview(out);
        return;
    }
    fprintf(out, "sibyl %s: %s\n\nUsage:\n  sibyl %s %s\n\nOptions:\n", command->name, command->summary,
            command->name, command->operands);
    cli_options_help(command->options, out);
    if (command->more)
        fprintf(out, "\n%s", command->more);
}

bool cli_begin(const cli_command *command, int argc, char **argv, void *settings, int *n_operands, int *code)
{
    cli_parsed parsed = cli_parse(command, argc, argv, settings, n_operands);
    if (parsed == CLI_WANTS_HELP)
        cli_help(command, stdout);
    *code = parsed == CLI_MISUSED ? CLI_USAGE : CLI_DONE;
    return parsed == CLI_PARSED;
}

static int help(const cli_command *self, int argc, char **argv)
{
    int n, code;
    char settings; /* the table is empty */
    if (!cli_begin(self, argc, argv, &settings, &n, &code))
        return code;
    if (n > 1)
        return cli_usage(NULL, "help takes one command, got '%s' too", argv[1]);
    const cli_command *command = n ? cli_command_named(argv[0]) : NULL;
    if (n && !command)
        return cli_usage(NULL, "unknown command '%s'", argv[0]);
    cli_help(command, stdout);
    return CLI_DONE;
}

static const cli_option options[] = {{.name = NULL}};

const cli_command command_help = {
    .name = "help", .summary = "explain a command", .operands = "[COMMAND]", .options = options, .run = help};
