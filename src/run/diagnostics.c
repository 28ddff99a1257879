#include "run/diagnostics.h"

#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>

/* A file full of faults need not fill the memory with sentences about them. */
#define NOTES_MAX 1000

void diagnostics_add(diagnostics *d, const char *format, ...)
{
    char text[600];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (d->n == d->capacity) {
        size_t more = d->capacity ? d->capacity * 2 : 8;
        char **grown = more <= 2 * NOTES_MAX ? mem_realloc(d->items, more, sizeof *grown) : NULL;
        if (!grown)
            return;
        d->items = grown;
        d->capacity = more;
    }
    char *copy = mem_strdup(text);
    if (copy)
        d->items[d->n++] = copy;
}

void diagnostics_clear(diagnostics *d)
{
    for (size_t i = 0; i < d->n; i++)
        mem_free(d->items[i]);
    mem_free(d->items);
    *d = (diagnostics){0};
}
