#include "tile/text.h"

#include "base/alloc.h"
#include "base/size.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bool make_room(tile_text *t, size_t more)
{
    size_t wanted;
    if (t->failed || !size_add(t->n, more, &wanted) || !size_add(wanted, 1, &wanted)) {
        t->failed = true;
        return false;
    }
    if (wanted <= t->capacity)
        return true;
    const size_t capacity = wanted + wanted / 2;
    char *grown = mem_realloc(t->bytes, capacity, 1);
    if (!grown) {
        t->failed = true;
        return false;
    }
    t->bytes = grown;
    t->capacity = capacity;
    return true;
}

void tile_text_add_bytes(tile_text *t, const char *bytes, size_t n)
{
    if (!make_room(t, n))
        return;
    memcpy(t->bytes + t->n, bytes, n);
    t->n += n;
    t->bytes[t->n] = '\0';
}

void tile_text_add(tile_text *t, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    const int n = vsnprintf(NULL, 0, format, arguments);
    if (n >= 0 && make_room(t, (size_t)n)) {
        vsnprintf(t->bytes + t->n, (size_t)n + 1, format, again);
        t->n += (size_t)n;
    }
    va_end(again);
    va_end(arguments);
}
