/* Completion scripts for bash, zsh and fish, generated from the tables of commands and options. */
#include "command.h"
#include "messages.h"

#include <stdlib.h>
#include <string.h>

const char *const cli_shells[] = {"bash", "zsh", "fish", NULL};

/* What a shell offers for a value or an operand. */
typedef enum offer { OFFER_NOTHING, OFFER_WORDS, OFFER_FILES, OFFER_FOLDERS } offer;

static offer offer_of(const cli_option *o)
{
    char buffer[64];
    if (cli_option_word(o, 0, buffer))
        return OFFER_WORDS;
    return o->kind == CLI_FILE ? OFFER_FILES : o->kind == CLI_FOLDER ? OFFER_FOLDERS : OFFER_NOTHING;
}

static offer operands_of(const cli_command *c)
{
    static const offer offers[] = {
        [CLI_FILES] = OFFER_FILES, [CLI_FOLDERS] = OFFER_FOLDERS, [CLI_COMMANDS] = OFFER_WORDS};
    return c->takes == CLI_TEXTS ? OFFER_NOTHING : offers[c->takes];
}

static void put_values(const cli_option *o, FILE *out)
{
    char buffer[64];
    const char *word;
    for (size_t i = 0; (word = cli_option_word(o, i, buffer)); i++)
        fprintf(out, "%s%s", i ? " " : "", word);
}

static void put_commands(FILE *out)
{
    for (const cli_command *const *c = cli_commands; *c; c++)
        fprintf(out, "%s%s", c == cli_commands ? "" : " ", (*c)->name);
}

static void put_verbs(const cli_command *c, FILE *out)
{
    for (const cli_verb *v = c->verbs; v && v->name; v++)
        fprintf(out, "%s%s", v == c->verbs ? "" : " ", v->name);
    if (c->takes == CLI_COMMANDS)
        put_commands(out);
}

/* Prints help up to its details, for use between single quotes. escape: characters that need a backslash. */
static void put_short(const char *help, const char *escape, FILE *out)
{
    size_t n = strcspn(help, ";:(");
    while (n && help[n - 1] == ' ')
        n--;
    for (size_t i = 0; i < n; i++)
        if (help[i] == '\'')
            fputs("'\\''", out);
        else
            fprintf(out, strchr(escape, help[i]) ? "\\%c" : "%c", help[i]);
}

/* Options, and names of other commands. */
static void each(const cli_command *c, void (*row)(const cli_option *o, void *context), void *context)
{
    cli_options_each(c, row, context);
    cli_names_each(c, row, context);
}

static void put_help(const cli_option *o, const char *escape, FILE *out)
{
    char *text = cli_option_text(o);
    put_short(text, escape, out);
    free(text);
}

/* ---- bash
   ------------------------------------------------------------------------------------------------ */

typedef struct bash_row {
    const cli_command *command;
    FILE *out;
} bash_row;

static const char *const bash_offers[] = {
    [OFFER_NOTHING] = "none", [OFFER_FILES] = "files", [OFFER_FOLDERS] = "folders"};

/* "run:--out | run:-o) kind=folders ;;" */
static void bash_value(const cli_option *o, void *context)
{
    const bash_row *row = context;
    FILE *out = row->out;
    if (!cli_option_takes(o))
        return;
    fprintf(out, "    %s:--%s", row->command->name, o->name);
    if (o->letter)
        fprintf(out, " | %s:-%c", row->command->name, o->letter);
    if (o->word)
        fprintf(out, " | %s:-%s", row->command->name, o->word);
    if (offer_of(o) == OFFER_WORDS) {
        fputs(") kind=words words='", out);
        put_values(o, out);
        fputs("' ;;\n", out);
    } else
        fprintf(out, ") kind=%s ;;\n", bash_offers[offer_of(o)]);
}

static void bash_name(const cli_option *o, void *context)
{
    fprintf(context, " --%s", o->name);
}

static void bash(FILE *out)
{
    fputs("# Completion of sibyl for bash.\n_sibyl()\n{\n"
          "    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} "
          "command=${COMP_WORDS[1]}\n"
          "    local kind=operands words= verbs= options= operands=files\n    COMPREPLY=()\n"
          "    if ((COMP_CWORD == 1)); then\n        COMPREPLY=($(compgen -W '",
          out);
    put_commands(out);
    fputs(" --help --version' -- \"$current\"))\n        return\n    fi\n    case $command:$before in\n",
          out);
    for (const cli_command *const *c = cli_commands; *c; c++)
        each(*c, bash_value, &(bash_row){*c, out});
    fputs("    esac\n    case $command in\n", out);
    for (const cli_command *const *c = cli_commands; *c; c++) {
        fprintf(out, "    %s) options='", (*c)->name);
        each(*c, bash_name, out);
        fputs("'", out);
        if ((*c)->verbs || (*c)->takes == CLI_COMMANDS) {
            fputs(" verbs='", out);
            put_verbs(*c, out);
            fputs("' ;;\n", out);
        } else
            fprintf(out, " operands=%s ;;\n", bash_offers[operands_of(*c)]);
    }
    fputs("    esac\n"
          "    if [[ $kind == operands && $current == -* ]]; then\n"
          "        kind=words words=$options\n"
          "    elif [[ $kind == operands && -n $verbs && COMP_CWORD -eq 2 ]]; then\n"
          "        kind=words words=$verbs\n"
          "    fi\n"
          "    [[ $kind == operands ]] && kind=$operands\n"
          "    case $kind in\n"
          "    words) COMPREPLY=($(compgen -W \"$words\" -- \"$current\")) ;;\n"
          "    files) COMPREPLY=($(compgen -f -- \"$current\")) ;;\n"
          "    folders) COMPREPLY=($(compgen -d -- \"$current\")) ;;\n"
          "    esac\n",
          out);
    fputs("}\ncomplete -o filenames -F _sibyl sibyl\n", out);
}

/* ---- zsh
   ------------------------------------------------------------------------------------------------- */

static const char *const zsh_offers[] = {
    [OFFER_NOTHING] = "", [OFFER_WORDS] = "", [OFFER_FILES] = "_files", [OFFER_FOLDERS] = "_files -/"};

static void zsh_row(const cli_option *o, void *context)
{
    FILE *out = context;
    const char *many = o->kind == CLI_LIST ? "*" : "";
    fputs(" \\\n        ", out);
    if (o->letter && *many)
        fprintf(out, "'*'{-%c,--%s}'", o->letter, o->name);
    else if (o->word)
        fprintf(out, "'(-%s --%s)'{-%s,--%s}'", o->word, o->name, o->word, o->name);
    else if (o->letter)
        fprintf(out, "'(-%c --%s)'{-%c,--%s}'", o->letter, o->name, o->letter, o->name);
    else
        fprintf(out, "'%s--%s", many, o->name);
    putc('[', out);
    put_help(o, "[]", out);
    putc(']', out);
    if (cli_option_takes(o)) {
        fprintf(out, ":%s:%s", o->name, zsh_offers[offer_of(o)]);
        if (offer_of(o) == OFFER_WORDS) {
            putc('(', out);
            put_values(o, out);
            putc(')', out);
        }
    }
    putc('\'', out);
}

static void zsh(FILE *out)
{
    fputs("#compdef sibyl\n# Completion of sibyl for zsh.\ncase $words[2] in\n", out);
    for (const cli_command *const *c = cli_commands; *c; c++) {
        fprintf(out, "%s)\n    _arguments '1:command:(%s)'", (*c)->name, (*c)->name);
        each(*c, zsh_row, out);
        if ((*c)->verbs || (*c)->takes == CLI_COMMANDS) {
            fputs(" \\\n        '2:what:(", out);
            put_verbs(*c, out);
            fputs(")'", out);
        }
        fprintf(out, " \\\n        '*:operand:%s'\n    ;;\n", zsh_offers[operands_of(*c)]);
    }
    fputs("*)\n    _arguments '1:command:(", out);
    put_commands(out);
    fputs(" --help --version)'\n    ;;\nesac\n", out);
}

/* ---- fish
   ------------------------------------------------------------------------------------------------ */

static void fish_row(const cli_option *o, void *context)
{
    const bash_row *row = context;
    FILE *out = row->out;
    fprintf(out, "complete -c sibyl -n '__sibyl_command %s'", row->command->name);
    if (o->letter)
        fprintf(out, " -s %c", o->letter);
    if (o->word)
        fprintf(out, " -o %s", o->word);
    fprintf(out, " -l %s", o->name);
    if (cli_option_takes(o))
        switch (offer_of(o)) {
        case OFFER_NOTHING:
            fputs(" -x", out);
            break;
        case OFFER_WORDS:
            fputs(" -x -a '", out);
            put_values(o, out);
            fputs("'", out);
            break;
        case OFFER_FILES:
            fputs(" -r", out);
            break;
        case OFFER_FOLDERS:
            fputs(" -x -a '(__fish_complete_directories)'", out);
            break;
        }
    fputs(" -d '", out);
    put_help(o, "", out);
    fputs("'\n", out);
}

static void fish(FILE *out)
{
    fputs("# Completion of sibyl for fish.\nfunction __sibyl_command\n    set -l words (commandline -opc)\n"
          "    test (count $words) -ge 2; and test \"$words[2]\" = \"$argv[1]\"\nend\n\n",
          out);
    for (const cli_command *const *c = cli_commands; *c; c++) {
        fprintf(out, "complete -c sibyl -n __fish_use_subcommand -f -a %s -d '", (*c)->name);
        put_short((*c)->summary, "", out);
        fputs("'\n", out);
    }
    fputs("complete -c sibyl -n __fish_use_subcommand -l version -d 'show the version'\n"
          "complete -c sibyl -n __fish_use_subcommand -s h -l help -d 'show help'\n",
          out);
    for (const cli_command *const *c = cli_commands; *c; c++) {
        putc('\n', out);
        each(*c, fish_row, &(bash_row){*c, out});
        if (!(*c)->verbs && (*c)->takes != CLI_COMMANDS)
            continue;
        fprintf(out, "complete -c sibyl -n '__sibyl_command %s' -a '", (*c)->name);
        put_verbs(*c, out);
        fputs("'\n", out);
    }
}

void cli_completion(int shell, FILE *out)
{
    static void (*const shells[])(FILE *) = {bash, zsh, fish};
    shells[shell](out);
}
