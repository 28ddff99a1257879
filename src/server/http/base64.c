#include "server/http/base64.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The six bits of a digit, or -1. */
static int digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool base64_decode(const char *text, size_t n, unsigned char *out, size_t *size)
{
    for (int i = 0; i < 2 && n && (n + (size_t)i) % 4 == 0 && text[n - 1] == '='; i++)
        n--;
    unsigned bits = 0;
    size_t k = 0;
    *size = 0;
    for (size_t i = 0; i < n; i++) {
        int d = digit(text[i]);
        if (d < 0)
            return false;
        bits = (bits << 6 | (unsigned)d) & 0xFFFFFF;
        if (i % 4)
            out[k++] = (unsigned char)(bits >> (6 - 2 * (i % 4)));
    }
    *size = k;
    return n % 4 != 1;
}

char *base64_encode(const void *data, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *in = data;
    char *text = size < SIZE_MAX / 2 ? malloc((size + 2) / 3 * 4 + 1) : NULL, *at = text;
    for (size_t i = 0; text && i < size; i += 3) {
        const unsigned bits = (unsigned)in[i] << 16 | (i + 1 < size ? (unsigned)in[i + 1] << 8 : 0) |
                              (i + 2 < size ? in[i + 2] : 0);
        for (int k = 0; k < 4; k++)
            *at++ = i + (size_t)k > size ? '=' : digits[bits >> (18 - 6 * k) & 63];
    }
    if (text)
        *at = 0;
    return text;
}
