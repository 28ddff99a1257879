/* Lines of standard input: edited where a person types them, by libedit. */
#ifndef CLI_LINES_H
#define CLI_LINES_H

#include <stdbool.h>

typedef struct lines lines;

/* typed: a person types, who sees prompts on standard error and, where that is a terminal, edits the line and finds those
   from before by the arrows. history: a file that has them, a line each, and is kept up to date, or NULL for those of this process;
   the name is not copied. NULL, with a line on stderr, where the file cannot be read. */
lines *lines_open(bool typed, const char *history);
/* The next line without its end, free; NULL at the end of input. prompt: shown where a person types. What is typed is kept
   to be found by the arrows, also in the file; one that cannot be written is named on stderr. */
char *lines_read(lines *l, const char *prompt);
/* NULL is allowed. */
void lines_close(lines *l);

#endif
