/* Growing lists of token ids and of bytes. All zero is an empty one. */
#ifndef JOB_WHISPER_LIST_H
#define JOB_WHISPER_LIST_H

#include <sibyl/tensor.h>

typedef struct whisper_ids {
    int32_t *data; /* (n) */
    size_t n, room;
} whisper_ids;

/* Adds ids (n) at the end. Errors: SIB_ERR_MEMORY, the list as it was. */
sib_code whisper_ids_add(whisper_ids *l, const int32_t *ids, size_t n, sib_error *err);
void whisper_ids_free(whisper_ids *l);

typedef struct whisper_bytes {
    char *data; /* (n) and a NUL behind; NULL before anything was added */
    size_t n, room;
} whisper_bytes;

/* Adds bytes (n, 0 too, which makes an empty string of an empty list). Errors: SIB_ERR_MEMORY, the bytes as they were. */
sib_code whisper_bytes_add(whisper_bytes *b, const char *data, size_t n, sib_error *err);
void whisper_bytes_free(whisper_bytes *b);
static inline sib_str whisper_bytes_str(const whisper_bytes *b)
{
    return (sib_str){b->data ? b->data : "", b->n};
}

/* Grows *block to hold `wanted` items of `size` bytes where it holds fewer, by half at least. Errors: SIB_ERR_MEMORY. */
sib_code whisper_grow(void **block, size_t *room, size_t wanted, size_t size, const char *what,
                      sib_error *err);

#endif
