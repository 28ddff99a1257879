#include "server/values/cbor.h"

#include <string.h>

enum { MAJOR_NUMBER = 0, MAJOR_TEXT = 3, MAJOR_ARRAY = 4, MAJOR_MAP = 5 };

/* The last (n) bytes of a number, the highest first. */
static void add_bytes(buffer *b, unsigned char first, uint64_t value, unsigned n)
{
    unsigned char bytes[9] = {first};
    for (unsigned i = 0; i < n; i++)
        bytes[1 + i] = (unsigned char)(value >> (8 * (n - 1 - i)));
    buffer_add(b, bytes, 1 + n);
}

static void add_head(buffer *b, unsigned major, uint64_t n)
{
    unsigned char first = (unsigned char)(major << 5);
    if (n < 24)
        add_bytes(b, (unsigned char)(first | n), 0, 0);
    else if (n <= UINT8_MAX)
        add_bytes(b, first | 24, n, 1);
    else if (n <= UINT16_MAX)
        add_bytes(b, first | 25, n, 2);
    else if (n <= UINT32_MAX)
        add_bytes(b, first | 26, n, 4);
    else
        add_bytes(b, first | 27, n, 8);
}

void cbor_map(buffer *b, uint64_t n)
{
    add_head(b, MAJOR_MAP, n);
}

void cbor_array(buffer *b, uint64_t n)
{
    add_head(b, MAJOR_ARRAY, n);
}

void cbor_text(buffer *b, const char *text)
{
    add_head(b, MAJOR_TEXT, strlen(text));
    buffer_add_text(b, text);
}

void cbor_number(buffer *b, uint64_t n)
{
    add_head(b, MAJOR_NUMBER, n);
}

void cbor_real(buffer *b, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    add_bytes(b, 0xfb, bits, 8);
}

void cbor_true(buffer *b)
{
    add_bytes(b, 0xf5, 0, 0);
}
