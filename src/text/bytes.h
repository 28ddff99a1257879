/* Stretches of bytes, and lists that grow: of ids, of bytes. */
#ifndef TEXT_BYTES_H
#define TEXT_BYTES_H

#include <sibyl/base.h>
#include <string.h>

/* Borrowed bytes. */
typedef struct text_span {
    const char *data;
    size_t size;
} text_span;

static inline bool span_is(text_span s, const char *words)
{
    return s.size == strlen(words) && memcmp(s.data, words, s.size) == 0;
}

typedef struct id_list {
    int32_t *ids; /* (n) of room */
    size_t n, room;
} id_list;

/* Makes room for `more` ids. Error: SIB_ERR_MEMORY. */
sib_code ids_reserve(id_list *l, size_t more, sib_error *err);

static inline sib_code ids_add(id_list *l, int32_t id, sib_error *err)
{
    if (l->n == l->room) {
        sib_code code = ids_reserve(l, 1, err);
        if (code != SIB_OK)
            return code;
    }
    l->ids[l->n++] = id;
    return SIB_OK;
}

/* Bytes that grow. Where `code` holds a failure, further calls do nothing. */
typedef struct text_buffer {
    char *data; /* (n) of room */
    size_t n, room;
    size_t most; /* that it may hold; 0: what memory takes */
    sib_code code;
} text_buffer;

void buffer_reserve(text_buffer *b, size_t more, sib_error *err);

static inline void buffer_add(text_buffer *b, const char *data, size_t size, sib_error *err)
{
    if (b->room - b->n < size)
        buffer_reserve(b, size, err);
    if (b->code == SIB_OK && size) {
        memcpy(b->data + b->n, data, size);
        b->n += size;
    }
}

/* Frees what it holds; b is empty then. */
void buffer_free(text_buffer *b);

#endif
