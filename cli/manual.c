/* The manual page: a template's prose, and text from the tables of commands, options and passes. */
#include "command.h"
#include "messages.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- Text as roff
   ---------------------------------------------------------------------------------------- */

static void put_escaped(const char *text, size_t n, FILE *out)
{
    for (size_t i = 0; i < n; i++)
        if (text[i] == '-')
            fputs("\\-", out);
        else if (text[i] == '\\')
            fputs("\\e", out);
        else
            putc(text[i], out);
}

static void put_font(char font, const char *text, size_t n, FILE *out)
{
    fprintf(out, "\\f%c", font);
    put_escaped(text, n, out);
    fputs("\\fR", out);
}

static bool same(const char *word, size_t n, const char *other)
{
    return other && strlen(other) == n && !memcmp(word, other, n);
}

/* Bold for options and their choices, italic for the name of an option's value. */
static char font_of(const char *word, size_t n, const cli_option *o)
{
    if (n > 2 && word[0] == '-' && word[1] == '-')
        return 'B';
    for (size_t i = 0; o->choices && o->choices[i]; i++)
        if (same(word, n, o->choices[i]))
            return 'B';
    return same(word, n, o->value) ? 'I' : 0;
}

/* A sentence or several: the first letter large, a period at the end. */
static void put_sentences(const char *text, const cli_option *o, FILE *out)
{
    bool first = true;
    fputs("\\&", out); /* a dot in front would be a request */
    while (*text) {
        size_t lead = strspn(text, " ([\"'"), n = strcspn(text + lead, " "), core = n;
        while (core && strchr(".,;:)]\"'", text[lead + core - 1]))
            core--;
        put_escaped(text, lead, out);
        text += lead;
        char font = font_of(text, core, o);
        if (font)
            put_font(font, text, core, out);
        else {
            /* names, as in "conv1d, models: ...", are not capitalised */
            bool large = first && core && core == n && strspn(text, "abcdefghijklmnopqrstuvwxyz-'") >= core;
            if (large)
                putc(toupper((unsigned char)*text), out);
            put_escaped(text + large, core - large, out);
        }
        put_escaped(text + core, n - core, out);
        first = false;
        text += n;
    }
    if (text[-1] != '.')
        putc('.', out);
    putc('\n', out);
}

/* ---- What replaces the template's marks ------------------------------------------------------------- */

/* Names in capitals are italic, everything else is bold but for punctuation. */
static void put_usage(const char *operands, FILE *out)
{
    while (*operands) {
        size_t n = strspn(operands, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"), all = strcspn(operands, " []()|");
        if (n > 1 || (n == 1 && all == 1))
            put_font('I', operands, all, out);
        else if (all)
            put_font('B', operands, all, out);
        n = strspn(operands + all, " []()|");
        put_escaped(operands + all, n, out);
        operands += all + n;
    }
}

static void synopsis(FILE *out)
{
    for (const cli_command *const *c = cli_commands; *c; c++) {
        fprintf(out, "\\fBsibyl %s\\fR ", (*c)->name);
        put_usage((*c)->operands, out);
        fputs("\n.br\n", out);
    }
    fputs("\\fBsibyl \\-\\-version\\fR\n.br\n\\fBsibyl \\-\\-help\\fR\n", out);
}

static void descriptions(FILE *out)
{
    for (const cli_command *const *c = cli_commands; *c; c++) {
        fprintf(out, ".PP\n\\fBsibyl %s\\fR: ", (*c)->name);
        put_escaped((*c)->summary, strlen((*c)->summary), out);
        fputs(".\n", out);
        if ((*c)->more)
            put_sentences((*c)->more, &cli_option_help, out);
    }
}

static void names_list(const cli_option *o, FILE *out)
{
    const char *meaning, *name;
    for (size_t i = 0; o->names && (name = o->names(i, &meaning)) && meaning; i++) {
        fputs(i ? ";\n" : "One of:\n", out);
        put_font('B', name, strlen(name), out);
        fputs(", ", out);
        put_escaped(meaning, strlen(meaning), out);
    }
}

static void option_rows(const cli_option *o, void *context)
{
    FILE *out = context;
    char *value = cli_option_value(o), *text = cli_option_text(o);
    fputs(".TP\n", out);
    if (o->word)
        fprintf(out, "\\fB\\-%s\\fR, ", o->word);
    else if (o->letter)
        fprintf(out, "\\fB\\-%c\\fR, ", o->letter);
    fputs("\\fB\\-\\-", out);
    put_escaped(o->name, strlen(o->name), out);
    fputs("\\fR", out);
    if (*value) {
        putc(' ', out);
        put_font(o->choices ? 'B' : 'I', value, strlen(value), out);
    }
    putc('\n', out);
    put_sentences(text, o, out);
    if (o->more)
        put_sentences(o->more, o, out);
    if (o->names && o->names(0, NULL)) {
        const char *meaning;
        o->names(0, &meaning);
        if (meaning) {
            names_list(o, out);
            fputs(".\n", out);
        }
    }
    free(text);
    free(value);
}

static void all_options(FILE *out)
{
    for (const cli_command *const *c = cli_commands; *c; c++) {
        fprintf(out, ".SS sibyl %s\n", (*c)->name);
        for (const cli_verb *v = (*c)->verbs; v && v->name; v++) {
            fprintf(out, ".TP\n\\fB%s\\fR\n", v->name);
            put_sentences(v->help, &cli_option_help, out);
        }
        cli_options_each(*c, option_rows, out);
        if ((*c)->names)
            fprintf(out, ".PP\nNames of %s:\n", (*c)->names_of);
        cli_names_each(*c, option_rows, out);
    }
}

static void passes(FILE *out)
{
    const char *name, *meaning;
    for (size_t i = 0; (name = sib_pass_name(i, &meaning)); i++) {
        fprintf(out, ".TP\n\\fB%s\\fR\n", name);
        put_sentences(meaning, &cli_option_help, out);
    }
}

static const struct {
    const char *mark;
    void (*write)(FILE *out);
} marks[] = {{"@SYNOPSIS@\n", synopsis},
             {"@COMMANDS@\n", descriptions},
             {"@OPTIONS@\n", all_options},
             {"@PASSES@\n", passes}};
#define N_MARKS (sizeof marks / sizeof *marks)

int cli_manual(const char *path, FILE *out)
{
    FILE *f = fopen(path, "r");
    char *line = NULL;
    size_t room = 0, i;
    if (!f)
        return cli_fail("%s: %s", path, strerror(errno));
    while (getline(&line, &room, f) >= 0) {
        for (i = 0; i < N_MARKS && strcmp(line, marks[i].mark) != 0; i++)
            ;
        if (i < N_MARKS)
            marks[i].write(out);
        else
            fputs(line, out);
    }
    bool ok = !ferror(f);
    free(line);
    fclose(f);
    return ok ? CLI_DONE : cli_fail("%s: cannot be read", path);
}
