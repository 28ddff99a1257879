/* Base64 (RFC 4648, section 4). */
#ifndef SIB_SERVER_BASE64_H
#define SIB_SERVER_BASE64_H

#include <stdbool.h>
#include <stddef.h>

/* Decodes text (n) into out, which has room for n / 4 * 3 + 3 bytes; *size of them. Padding may be left out. Returns false
   where text is anything else. */
bool base64_decode(const char *text, size_t n, unsigned char *out, size_t *size);

/* Encodes data (size); NULL: memory failed. free. */
char *base64_encode(const void *data, size_t size);

#endif
