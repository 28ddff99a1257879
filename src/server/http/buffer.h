/* Bytes that grow, with a limit. */
#ifndef SIB_SERVER_BUFFER_H
#define SIB_SERVER_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

/* All zero: empty. A failed allocation sets `failed`, after which nothing is added. */
typedef struct buffer {
    char *data; /* (size) bytes of (capacity), followed by a NUL once something was added */
    size_t size, capacity;
    bool failed;
} buffer;

bool buffer_add(buffer *b, const void *data, size_t size);
bool buffer_add_text(buffer *b, const char *text);
__attribute__((format(printf, 2, 3))) bool buffer_format(buffer *b, const char *format, ...);
void buffer_free(buffer *b);

#endif
