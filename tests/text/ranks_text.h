/* Small files of ranks for tests: the 256 bytes, and tokens that a test adds. */
#ifndef TESTS_TEXT_RANKS_TEXT_H
#define TESTS_TEXT_RANKS_TEXT_H

#include "check.h"

#include "base/buffer.h"

static inline void base64_add(byte_buffer *b, const char *bytes, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        uint32_t bits = 0;
        size_t left = n - i < 3 ? n - i : 3;
        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (k < left ? (uint8_t)bytes[i + k] : 0);
        char four[4] = {digits[bits >> 18], digits[bits >> 12 & 63], left > 1 ? digits[bits >> 6 & 63] : '=',
                        left > 2 ? digits[bits & 63] : '='};
        buf_add(b, four, 4, NULL);
    }
}

static inline void ranks_line(byte_buffer *b, const char *bytes, size_t n, unsigned rank)
{
    base64_add(b, bytes, n);
    char number[16];
    int length = snprintf(number, sizeof number, " %u\n", rank);
    buf_add(b, number, (size_t)length, NULL);
}

/* The 256 bytes, then `more`, which ends with NULL. */
static inline byte_buffer ranks_text(const char *const *more)
{
    byte_buffer b = {0};
    for (unsigned i = 0; i < 256; i++) {
        char byte = (char)i;
        ranks_line(&b, &byte, 1, i);
    }
    for (unsigned i = 0; more && more[i]; i++)
        ranks_line(&b, more[i], strlen(more[i]), 256 + i);
    return b;
}

#endif
