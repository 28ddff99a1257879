/* Bodies in chunks (RFC 9112, 7.1), of which libwebsockets 4.1 hands a server the bytes as they come. */
#ifndef SIB_SERVER_CHUNKED_H
#define SIB_SERVER_CHUNKED_H

#include <stddef.h>
#include <stdint.h>

typedef enum chunked_place {
    CHUNK_SIZE, /* first: a reader that is all zero is at the beginning */
    CHUNK_EXTENSION,
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    CHUNK_TRAILER, /* the beginning of a line, perhaps the empty one that ends the body */
    CHUNK_TRAILER_LINE,
    CHUNK_TRAILER_LF,
    CHUNK_LAST_LF,
    CHUNK_ENDED,
    CHUNK_WRONG
} chunked_place;

typedef struct chunked {
    chunked_place place;
    uint64_t left;   /* bytes of the chunk; while its size is read, the size so far */
    unsigned digits; /* of the size */
    unsigned extra;  /* bytes of extensions and trailers in the entire body */
} chunked;

/* Reads from data (size), at least up to the next bytes of the body, *piece (*n), or to the end of data. Returns how many
   bytes it has read; 0 where the body has ended or is wrong. */
size_t chunked_read(chunked *c, const char *data, size_t size, const char **piece, size_t *n);

#endif
