#include "messages.h"

#include "command.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Thread_local char line[4096]; /* that was printed last */

static void print_line(const char *format, va_list values, const char *hint)
{
    vsnprintf(line, sizeof line, format, values);
    for (char *s = line; *s; s++)
        if ((unsigned char)*s < ' ' || *s == 0x7F)
            *s = '?';
    fprintf(stderr, "sibyl: %s%s\n", line, hint);
}

int cli_fail(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    print_line(format, values, "");
    va_end(values);
    return CLI_FAILED;
}

const char *cli_last_failure(void)
{
    return line;
}

int cli_usage(const cli_command *command, const char *format, ...)
{
    char hint[128];
    va_list values;
    snprintf(hint, sizeof hint, " (see 'sibyl help%s%s')", command ? " " : "", command ? command->name : "");
    va_start(values, format);
    print_line(format, values, hint);
    va_end(values);
    return CLI_USAGE;
}

void *cli_alloc(size_t n, size_t size)
{
    void *block = calloc(n ? n : 1, size);
    if (!block)
        exit(cli_fail("out of memory"));
    return block;
}

char *cli_format(const char *format, ...)
{
    va_list values, again;
    va_start(values, format);
    va_copy(again, values);
    size_t bytes = (size_t)vsnprintf(NULL, 0, format, values) + 1;
    char *text = cli_alloc(bytes, 1);
    vsnprintf(text, bytes, format, again);
    va_end(again);
    va_end(values);
    return text;
}

json_t *cli_json_text(const char *text)
{
    json_t *string = json_string(text);
    if (string)
        return string;
    char *copy = cli_format("%s", text);
    for (char *s = copy; *s; s++)
        if ((unsigned char)*s >= 0x80)
            *s = '?';
    string = json_string(copy);
    free(copy);
    return string;
}

json_t *cli_json_number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

json_t *cli_json_value(double x)
{
    return isfinite(x) ? json_real(x) : json_string(isnan(x) ? "NaN" : x > 0 ? "Infinity" : "-Infinity");
}

void cli_json_print(json_t *document)
{
    json_dumpf(document, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(document);
}

/* ---- Progress ---- */

#define BAR_CELLS      30
#define FIRST_SECONDS  1.0
#define REDRAW_SECONDS 0.1

bool cli_moves_cursor(int fd)
{
    const char *term = getenv("TERM");
    return isatty(fd) == 1 && !(term && strcmp(term, "dumb") == 0);
}

bool cli_has_colours(int fd)
{
    const char *without = getenv("NO_COLOR");
    return cli_moves_cursor(fd) && !(without && *without);
}

void cli_progress_begin(cli_progress *p, size_t items)
{
    *p = (cli_progress){
        .since = sib_timer_start(), .terminal = cli_moves_cursor(STDERR_FILENO), .items = items};
}

void cli_progress_show(cli_progress *p, double part, const char *doing, const char *what)
{
    double now = sib_timer_seconds(&p->since);
    if (!p->terminal || now < FIRST_SECONDS || (p->drawn > 0 && now - p->drawn < REDRAW_SECONDS))
        return;
    double done = ((double)p->item + fmin(fmax(part, 0), 1)) / (double)p->items;
    int cells = (int)(done * BAR_CELLS);
    char bar[BAR_CELLS + 1];
    memset(bar, '.', BAR_CELLS);
    memset(bar, '#', (size_t)cells);
    bar[BAR_CELLS] = '\0';
    fprintf(stderr, "\r\033[K[%s] %3.0f%% %s %.40s", bar, 100 * done, doing, what);
    fflush(stderr);
    p->drawn = now;
}

void cli_progress_clear(cli_progress *p)
{
    if (p->drawn > 0)
        fputs("\r\033[K", stderr);
    p->drawn = 0;
}
