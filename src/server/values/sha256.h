/* SHA-256 (FIPS 180-4): libwebsockets as Debian builds it has none (LWS_WITH_GENCRYPTO). */
#ifndef SIB_SERVER_SHA256_H
#define SIB_SERVER_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_TEXT 65 /* in hex, with its NUL */

typedef struct sha256 {
    uint32_t state[8];
    uint64_t size; /* bytes so far */
    unsigned char block[64];
} sha256;

void sha256_begin(sha256 *h);
void sha256_add(sha256 *h, const void *data, size_t size);
/* h is of no use afterwards. */
void sha256_end(sha256 *h, char text[SHA256_TEXT]);

#endif
