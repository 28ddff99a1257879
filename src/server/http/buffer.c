#include "server/http/buffer.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Makes room for `more` bytes and a NUL. */
static bool reserve(buffer *b, size_t more)
{
    if (b->failed || more > SIZE_MAX / 4 || b->size > SIZE_MAX / 4)
        return !(b->failed = true);
    if (b->size + more < b->capacity)
        return true;
    size_t capacity = b->capacity * 2 > b->size + more + 1 ? b->capacity * 2 : b->size + more + 64;
    char *data = realloc(b->data, capacity);
    if (!data)
        return !(b->failed = true);
    b->data = data;
    b->capacity = capacity;
    return true;
}

bool buffer_add(buffer *b, const void *data, size_t size)
{
    if (!reserve(b, size))
        return false;
    if (size)
        memcpy(b->data + b->size, data, size);
    b->size += size;
    b->data[b->size] = 0;
    return true;
}

bool buffer_add_text(buffer *b, const char *text)
{
    return buffer_add(b, text, strlen(text));
}

bool buffer_format(buffer *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    bool done = n >= 0 && reserve(b, (size_t)n);
    if (done) {
        vsnprintf(b->data + b->size, (size_t)n + 1, format, again);
        b->size += (size_t)n;
    }
    va_end(again);
    return done;
}

void buffer_free(buffer *b)
{
    free(b->data);
    *b = (buffer){0};
}
