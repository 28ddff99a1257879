/* UTF-8, one character at a time: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef TENSOR_UTF8_H
#define TENSOR_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Reads the character at the start of s: (n bytes, n > 0). Returns its bytes, 0 where s is not UTF-8. */
size_t utf8_read(const char *s, size_t n, uint32_t *character);

/* Writes a character. Returns its bytes, 0 where it is none. */
size_t utf8_write(uint32_t character, char out[4]);

#endif
