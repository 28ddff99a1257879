/* Text, numbers and digests as JSON. Each returns NULL where memory fails. */
#ifndef SIB_SERVER_JSON_H
#define SIB_SERVER_JSON_H

#include "server/http/buffer.h"

#include <jansson.h>
#include <sibyl/sibyl.h>

/* null where JSON has no such number */
json_t *real_json(double value);
/* The shortest decimal that reads back to the same float; null where it is not finite. */
json_t *float_json(float value);
/* full: with histogram and cells */
json_t *digest_json(const sib_digest *d, bool full);

/* A value at a port of a job; null for tensors and segments */
json_t *port_value_json(const sib_port_value *v);

/* Text of a model, whose bytes may be anything: what is no UTF-8 is replaced, and it is cut after (max) bytes. */
json_t *text_json(const char *text, size_t max);
/* The same from (size) bytes, which may hold a NUL. */
json_t *text_of_bytes(const char *bytes, size_t size);
/* NULL as null. */
json_t *text_or_null(const char *text, size_t max);

#define MAX_NAME 4096 /* bytes of names and types in answers */
#define MAX_DOC  65536

/* The numbers of a list, -1 for SIB_NONE. */
json_t *numbers_json(const uint32_t *numbers, size_t n);
json_t *number_json(uint32_t number);

/* The same as text, byte for byte what jansson writes of it: for answers of thousands of items, of which the
   objects take most of the time. A failure stays in b. */
void text_write(buffer *b, const char *text, size_t max);
void text_or_null_write(buffer *b, const char *text, size_t max);
void integer_write(buffer *b, int64_t number);
void number_write(buffer *b, uint32_t number);
void numbers_write(buffer *b, const uint32_t *numbers, size_t n);
/* Takes value. */
void json_write(buffer *b, json_t *value);

#endif
