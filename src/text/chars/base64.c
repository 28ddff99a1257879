#include "text/chars/base64.h"

/* Returns the value of a base64 digit, or -1 (RFC 4648, section 4). */
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

bool base64_bytes(sib_str s, char *out, size_t *size)
{
    uint32_t bits = 0;
    size_t digits = 0, n = 0;
    while (digits < s.length && s.data[digits] != '=') {
        int value = digit(s.data[digits]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        if (++digits % 4 != 1)
            out[n++] = (char)(bits >> (digits % 4 == 2 ? 4 : digits % 4 == 3 ? 2 : 0));
    }
    *size = n;
    for (size_t i = digits; i < s.length; i++)
        if (s.data[i] != '=')
            return false;
    return (s.length <= 1 && digits == 0) || (digits > 0 && s.length % 4 == 0 && s.length - digits <= 2);
}
