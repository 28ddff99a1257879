#include "run/diagnostics.h"

#include "base/alloc.h"
#include "base/array.h"

#include <stdarg.h>
#include <stdio.h>

/* Bounds the memory that a file full of faults takes. */
#define NOTES_MAX 1000

void diagnostics_add(diagnostics *d, const char *format, ...)
{
    char text[600];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    char *copy = d->n < NOTES_MAX ? mem_strdup(text) : NULL;
    if (copy && ARRAY_PUSH(d->items, d->n, d->capacity, "diagnostics", NULL, copy) != SIB_OK)
        mem_free(copy);
}

void diagnostics_clear(diagnostics *d)
{
    for (size_t i = 0; i < d->n; i++)
        mem_free(d->items[i]);
    mem_free(d->items);
    *d = (diagnostics){0};
}
