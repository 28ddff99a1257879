/* sibyl COMMAND ...: finds the command in the table and runs it. */
#include "command.h"
#include "messages.h"
#include "nearest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COMMAND_ROW(name) &command_##name,
const cli_command *const cli_commands[] = {CLI_COMMANDS(COMMAND_ROW) NULL};

const cli_command *cli_command_named(const char *name)
{
    for (const cli_command *const *c = cli_commands; *c; c++)
        if (strcmp((*c)->name, name) == 0)
            return *c;
    return NULL;
}

int cli_command_unknown(const char *name)
{
    nearest n = {.typed = name, .length = strlen(name)};
    for (const cli_command *const *c = cli_commands; *c; c++)
        nearest_try(&n, (*c)->name);
    char *hint = nearest_hint(&n, "");
    const int code = cli_usage(NULL, "unknown command '%s'%s", name, hint);
    free(hint);
    return code;
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2) {
        cli_help(NULL, stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        cli_help(NULL, stdout);
        return CLI_DONE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("sibyl %s\n", sib_version());
        return CLI_DONE;
    }
    const cli_command *command = cli_command_named(argv[1]);
    if (!command && argv[1][0] == '-')
        return cli_usage(NULL, "unknown option '%s'", argv[1]);
    if (!command)
        return cli_command_unknown(argv[1]);
    return command->run(command, argc - 2, argv + 2);
}

/* jansson omits what it has no memory for, so that half a document would look complete */
static void *take_bytes(size_t n)
{
    return cli_alloc(n, 1);
}

int main(int argc, char **argv)
{
    json_set_alloc_funcs(take_bytes, free);
    int code = dispatch(argc, argv);
    errno = 0;
    if ((fflush(stdout) != 0 || ferror(stdout)) && code == CLI_DONE)
        code = cli_fail("standard output cannot be written: %s", strerror(errno ? errno : EIO));
    return code;
}
