/* Tensors as the Open Inference Protocol carries them: lists of JSON, or bytes, little-endian in row-major order. */
#ifndef SIB_SERVER_WIRE_H
#define SIB_SERVER_WIRE_H

#include "server/http/exchange.h"

/* "FP32"; NULL for a type that the protocol has no name for. */
const char *wire_type_name(sib_dtype dtype);
/* SIB_DTYPE_UNKNOWN for a name that it does not have. */
sib_dtype wire_type(const char *name);
/* Whether elements can be sent as JSON: not those of 16-bit floats. */
bool wire_has_json(sib_dtype dtype);

/* What an element of JSON must be to be one of the type ("an integer that the type has"); NULL where it is. */
const char *wire_expected(sib_dtype dtype, const json_t *element);

/* What a client says of a tensor. */
typedef struct wire_shape {
    const char *name;
    sib_dtype dtype; /* one of the protocol's */
    size_t rank;
    int64_t dims[SIB_MAX_RANK]; /* from 0 */
    uint64_t count;             /* their product */
} wire_shape;

/* Fills rank, dims and count of s, which has its name, from a list of JSON. Errors: SIB_ERR_ARGUMENT. */
sib_code wire_read_shape(const json_t *shape, wire_shape *s, sib_error *err);

/* Each makes *out, owned by the caller, of which strings and, where they are aligned, elements stay where they stand: data
   and bytes must outlive it. Errors: SIB_ERR_ARGUMENT (an element that the type does not have, another number of
   elements), SIB_ERR_MEMORY. */

/* data: a list of all elements, or lists within lists as the dims say. */
sib_code wire_from_json(const wire_shape *s, const json_t *data, sib_tensor **out, sib_error *err);
/* Strings: of each its length in 4 bytes and then its bytes. */
sib_code wire_from_bytes(const wire_shape *s, const char *bytes, size_t size, sib_tensor **out,
                         sib_error *err);
/* A tensor of strings that stand elsewhere. Takes items (s->count, of malloc), NULL for want of memory. */
sib_code wire_strings(const wire_shape *s, sib_str *items, sib_tensor **out, sib_error *err);

/* Where elements of an output go. */
typedef struct wire_sink {
    buffer *to;
    size_t max;        /* bytes of it */
    const char *name;  /* of the output, for errors */
    const exchange *x; /* whose client may go */
    sib_error *err;
} wire_sink;

/* Each appends the elements of a dense tensor. Errors: SIB_ERR_SIZE (more than max bytes), SIB_ERR_CANCELLED,
   SIB_ERR_MEMORY. */

/* One list. Errors also: SIB_ERR_VALUE (not a finite number, a string that is no UTF-8). */
sib_code wire_to_json(const sib_tensor *t, const wire_sink *to);
sib_code wire_to_bytes(const sib_tensor *t, const wire_sink *to);

/* Too much for an answer of max bytes. */
sib_code wire_too_large(const char *name, size_t max, sib_error *err);

#endif
