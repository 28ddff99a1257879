/* A text that grows. */
#ifndef TILE_TEXT_H
#define TILE_TEXT_H

#include <sibyl/base.h>

typedef struct tile_text {
    char *bytes; /* (n), and a NUL; released with mem_free */
    size_t n, capacity;
    bool failed; /* memory could not be had: what came since is missing */
} tile_text;

/* Appends; on a failure `failed` is set, and nothing is appended from then on. */
void tile_text_add(tile_text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void tile_text_add_bytes(tile_text *t, const char *bytes, size_t n);

#endif
