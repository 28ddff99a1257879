/* A growing buffer of bytes, for texts and files under construction. */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include "base/error.h"

#include <sibyl/tensor.h>
#include <string.h>

/* All zero is an empty buffer. After a failure, which `code` keeps, calls do nothing, so a sequence of
   calls needs one check. */
typedef struct byte_buffer {
    char *data; /* (n), followed by a NUL; NULL before the first append (of 0 bytes too) */
    size_t n, capacity;
    size_t max; /* max bytes; 0: unlimited */
    sib_code code;
} byte_buffer;

/* Makes room for `more` bytes and the NUL. Errors, in b->code: SIB_ERR_SIZE (above max), SIB_ERR_MEMORY. */
void buf_reserve(byte_buffer *b, size_t more, sib_error *err);

/* Appends bytes; returns b->code. Errors: as buf_reserve. */
static inline sib_code buf_add(byte_buffer *b, const char *data, size_t n, sib_error *err)
{
    if (b->capacity - b->n <= n)
        buf_reserve(b, n, err);
    if (b->code != SIB_OK)
        return b->code;
    if (n)
        memcpy(b->data + b->n, data, n);
    b->n += n;
    b->data[b->n] = '\0';
    return SIB_OK;
}

static inline sib_code buf_add_str(byte_buffer *b, sib_str s, sib_error *err)
{
    return buf_add(b, s.data, s.length, err);
}

static inline sib_code buf_add_text(byte_buffer *b, const char *text, sib_error *err)
{
    return buf_add(b, text, strlen(text), err);
}

sib_code buf_printf(byte_buffer *b, sib_error *err, const char *format, ...) ERR_PRINTF(3, 4);

/* Returns the contents; valid until the next append. */
static inline sib_str buf_str(const byte_buffer *b)
{
    return (sib_str){b->data ? b->data : "", b->n};
}

/* Transfers the bytes and their NUL to the caller, who releases them with mem_free, and empties b. Returns
   NULL where nothing was appended, or after a failure; b is then freed. */
char *buf_take(byte_buffer *b, size_t *n);

/* Frees the contents and empties b. */
void buf_free(byte_buffer *b);

#endif
