/* Messages of the command: failures on stderr, JSON, progress; and allocation that ends the program on
   failure. */
#ifndef CLI_MESSAGES_H
#define CLI_MESSAGES_H

#include <jansson.h>
#include <sibyl/sibyl.h>

struct cli_command;

#define CLI_PRINTF(text, first) __attribute__((format(printf, text, first)))

/* "sibyl: ..." in one line on stderr (control characters become '?'). Returns CLI_FAILED. */
int cli_fail(const char *format, ...) CLI_PRINTF(1, 2);
/* What cli_fail printed last in this thread, without "sibyl: "; "" at first. */
const char *cli_last_failure(void);

/* The same with a hint to the command's help (NULL: to `sibyl help`). Returns CLI_USAGE. */
int cli_usage(const struct cli_command *command, const char *format, ...) CLI_PRINTF(2, 3);

/* Allocates n * size zeroed bytes; on failure ends the program with a line on stderr. Release with free. */
void *cli_alloc(size_t n, size_t size);

/* A new string; as cli_alloc. */
char *cli_format(const char *format, ...) CLI_PRINTF(1, 2);

/* A JSON string: bytes that are not UTF-8 become '?'. A number: null if it is not finite. */
json_t *cli_json_text(const char *text);
json_t *cli_json_number(double x);
/* A number, or "NaN", "Infinity" or "-Infinity", which Python's float() and JavaScript's Number() take. */
json_t *cli_json_value(double x);

/* Prints one document to stdout and releases it. */
void cli_json_print(json_t *document);

/* Whether `fd` is a terminal that can rewrite a line (TERM is not "dumb"), and one that shows colours and whose user has not
   set NO_COLOR (no-color.org). */
bool cli_moves_cursor(int fd);
bool cli_has_colours(int fd);

/* A bar on stderr, on a terminal only, from the first second of work on. */
typedef struct cli_progress {
    sib_timer since;
    double drawn; /* seconds at which it was drawn last; 0 for never */
    bool terminal;
    size_t item, items; /* things done, and to do */
} cli_progress;

void cli_progress_begin(cli_progress *p, size_t items);
/* part: of the current item, 0 .. 1. */
void cli_progress_show(cli_progress *p, double part, const char *doing, const char *what);
/* Removes the bar until the next cli_progress_show. */
void cli_progress_clear(cli_progress *p);

#endif
