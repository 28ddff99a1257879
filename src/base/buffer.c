#include "base/buffer.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/size.h"

#include <stdarg.h>
#include <stdio.h>

void buf_reserve(byte_buffer *b, size_t more, sib_error *err)
{
    size_t wanted;
    if (b->code != SIB_OK)
        return;
    if (b->max && (b->n > b->max || more > b->max - b->n))
        b->code = err_set(err, SIB_ERR_SIZE, "more than %zu bytes of text or data, which is the limit here",
                          b->max);
    else if (!size_add(b->n, more, &wanted) || !size_add(wanted, 1, &wanted))
        b->code = err_set(err, SIB_ERR_SIZE, "a block of text or data is too long");
    else
        b->code = array_grow(&b->data, &b->capacity, wanted, 1, "a block of text or data", err);
    if (b->max && b->capacity > b->max) /* so that buf_add, which only checks the capacity, calls here */
        b->capacity = b->max + 1;
}

sib_code buf_printf(byte_buffer *b, sib_error *err, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    if (n < 0 && b->code == SIB_OK)
        b->code = err_set(err, SIB_ERR_VALUE, "a text could not be formatted");
    if (n >= 0)
        buf_reserve(b, (size_t)n, err);
    if (b->code == SIB_OK)
        b->n += (size_t)vsnprintf(b->data + b->n, (size_t)n + 1, format, again);
    va_end(again);
    va_end(args);
    return b->code;
}

char *buf_take(byte_buffer *b, size_t *n)
{
    char *data = b->code == SIB_OK ? b->data : NULL;
    *n = data ? b->n : 0;
    if (data)
        data[b->n] = '\0';
    else
        mem_free(b->data);
    *b = (byte_buffer){0};
    return data;
}

void buf_free(byte_buffer *b)
{
    mem_free(b->data);
    *b = (byte_buffer){0};
}
