#include "tensor/utf8.h"

#include <stdbool.h>

/* By number of bytes: smallest character, marker bits of the first byte, and the mask of these. */
static const struct {
    uint32_t smallest;
    unsigned char lead, mask;
} forms[] = {{0, 0, 0}, {0, 0x00, 0x80}, {0x80, 0xC0, 0xE0}, {0x800, 0xE0, 0xF0}, {0x10000, 0xF0, 0xF8}};

#define LONGEST 4

static bool is_character(uint32_t c)
{
    return c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
}

size_t utf8_read(const char *s, size_t n, uint32_t *character)
{
    const unsigned char *u = (const unsigned char *)s;
    size_t length = 1;
    while (length <= LONGEST && (u[0] & forms[length].mask) != forms[length].lead)
        length++;
    if (length > LONGEST || length > n)
        return 0;
    uint32_t c = u[0] & ~(uint32_t)forms[length].mask & 0xFF;
    for (size_t i = 1; i < length; i++) {
        if ((u[i] & 0xC0) != 0x80)
            return 0;
        c = c << 6 | (u[i] & 0x3F);
    }
    *character = c;
    return c >= forms[length].smallest && is_character(c) ? length : 0;
}

size_t utf8_write(uint32_t character, char out[4])
{
    if (!is_character(character))
        return 0;
    size_t length = LONGEST;
    while (character < forms[length].smallest)
        length--;
    for (size_t i = length; i-- > 1; character >>= 6)
        out[i] = (char)(0x80 | (character & 0x3F));
    out[0] = (char)(forms[length].lead | character);
    return length;
}
