/* Bytes that grow: texts and files as they are written. */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include "base/error.h"

#include <sibyl/tensor.h>
#include <string.h>

/* All zero is an empty one. Calls after a failure, which `code` keeps, do nothing: a sequence of calls needs one check. */
typedef struct byte_buffer {
    char *data; /* (n), and a NUL behind them; NULL before the first call that adds (0 bytes too) */
    size_t n, capacity;
    size_t max; /* bytes that it may hold; 0: no limit */
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

/* What it holds; valid until the next call that adds. */
static inline sib_str buf_str(const byte_buffer *b)
{
    return (sib_str){b->data ? b->data : "", b->n};
}

/* Gives the bytes, with their NUL, to the caller, who releases them with mem_free; b is empty then. NULL where nothing was added or
   something failed (b is freed then). */
char *buf_take(byte_buffer *b, size_t *n);

/* Frees what it holds; b is empty then. */
void buf_free(byte_buffer *b);

#endif
