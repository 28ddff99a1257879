/* Decodes and encodes single characters of UTF-8, which excludes overlong forms, surrogates and anything
   above U+10FFFF. */
#ifndef TENSOR_UTF8_H
#define TENSOR_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Decodes the first character of s (n bytes, n > 0). Returns its length; 0 where s is not UTF-8. */
size_t utf8_read(const char *s, size_t n, uint32_t *character);

/* Encodes a character. Returns its length; 0 where it is not a valid character. */
size_t utf8_write(uint32_t character, char out[4]);

#endif
