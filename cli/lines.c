#include "lines.h"

#include "files.h"
#include "messages.h"

#include <histedit.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINES_KEPT    1000
#define HISTORY_BYTES (16 << 20)

struct lines {
    bool typed;
    EditLine *editor; /* NULL: lines are read as they come */
    History *before;
    const char *file, *prompt;
    char *read; /* the line read last, without an editor */
    size_t room;
};

static const char *prompt_of(EditLine *editor)
{
    lines *l = NULL;
    el_get(editor, EL_CLIENTDATA, &l);
    return l->prompt;
}

static bool read_history(const lines *l)
{
    HistEvent event;
    char *text = file_read(l->file, HISTORY_BYTES, NULL), *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));)
        if (*line)
            history(l->before, &event, H_ENTER, line);
    free(text);
    return text != NULL;
}

static bool open_editor(lines *l)
{
    HistEvent event;
    setlocale(LC_CTYPE, ""); /* how many bytes and columns a character has */
    l->editor = el_init("sibyl", stdin, stderr, stderr);
    l->before = history_init();
    if (!l->editor || !l->before)
        return cli_fail("the editor of lines cannot start: out of memory"), false;
    el_set(l->editor, EL_CLIENTDATA, l);
    el_set(l->editor, EL_PROMPT, prompt_of);
    el_set(l->editor, EL_EDITOR, "emacs");
    el_set(l->editor, EL_SIGNAL, 1); /* the terminal is as it was where a signal ends the program */
    el_source(l->editor, NULL);      /* ~/.editrc */
    history(l->before, &event, H_SETSIZE, LINES_KEPT);
    history(l->before, &event, H_SETUNIQUE, 1);
    el_set(l->editor, EL_HIST, history, l->before);
    return !l->file || access(l->file, F_OK) != 0 || read_history(l);
}

lines *lines_open(bool typed, const char *history_file)
{
    lines *l = cli_alloc(1, sizeof *l);
    *l = (lines){.typed = typed, .file = history_file};
    if (typed && cli_moves_cursor(STDERR_FILENO) && !open_editor(l)) {
        lines_close(l);
        return NULL;
    }
    return l;
}

/* Of all lines in the order they were typed. Written at once, so that no end of the process loses what stood there, and
   for no other user to read. */
static void write_history(const lines *l)
{
    char *text = NULL;
    size_t size = 0;
    HistEvent line;
    FILE *f = open_memstream(&text, &size);
    for (int left = f ? history(l->before, &line, H_LAST) : -1; left >= 0;
         left = history(l->before, &line, H_PREV))
        fprintf(f, "%s\n", line.str);
    const mode_t before = umask(077);
    if (!f || fclose(f) != 0)
        cli_fail("%s: not enough memory to write it", l->file);
    else
        file_put(l->file, text, size);
    umask(before);
    free(text);
}

static void keep(lines *l, const char *line)
{
    HistEvent event;
    if (*line && history(l->before, &event, H_ENTER, line) >= 0 && l->file)
        write_history(l);
}

char *lines_read(lines *l, const char *prompt)
{
    int n_typed = 0;
    l->prompt = prompt;
    if (l->typed && !l->editor)
        fputs(prompt, stderr);
    const char *typed = l->editor ? el_gets(l->editor, &n_typed) : NULL;
    ssize_t n = l->editor ? (ssize_t)n_typed : getline(&l->read, &l->room, stdin);
    const char *from = l->editor ? typed : l->read;
    if (n <= 0 || !from)
        return NULL;
    while (n && (from[n - 1] == '\n' || from[n - 1] == '\r'))
        n--;
    char *line = cli_format("%.*s", (int)n, from);
    if (l->editor)
        keep(l, line);
    return line;
}

void lines_close(lines *l)
{
    if (!l)
        return;
    if (l->before)
        history_end(l->before);
    if (l->editor)
        el_end(l->editor);
    free(l->read);
    free(l);
}
