/* Writes CBOR (RFC 8949): what headers of binary messages need of it. */
#ifndef SIB_SERVER_CBOR_H
#define SIB_SERVER_CBOR_H

#include "server/http/buffer.h"

#include <stdint.h>

/* Followed by n keys with their values, or by n items. */
void cbor_map(buffer *b, uint64_t n);
void cbor_array(buffer *b, uint64_t n);
/* text: UTF-8 */
void cbor_text(buffer *b, const char *text);
void cbor_number(buffer *b, uint64_t n);
void cbor_real(buffer *b, double value);
void cbor_true(buffer *b);

#endif
