/* Notes on a model, for people to read. */
#ifndef RUN_DIAGNOSTICS_H
#define RUN_DIAGNOSTICS_H

#include <stddef.h>

typedef struct diagnostics {
    size_t n, capacity;
    char **items; /* (n) sentences */
} diagnostics;

/* Appends a sentence; drops it where memory fails. */
void diagnostics_add(diagnostics *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
void diagnostics_clear(diagnostics *d);

#endif
