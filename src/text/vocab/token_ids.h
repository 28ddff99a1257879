/* A growing list of token ids. */
#ifndef TEXT_TOKEN_IDS_H
#define TEXT_TOKEN_IDS_H

#include "base/alloc.h"
#include "base/array.h"
#include <string.h>

typedef struct token_ids {
    int32_t *ids; /* (n); released with mem_free */
    size_t n, capacity;
} token_ids;

/* Makes room for `more` ids. Error: SIB_ERR_MEMORY. */
static inline sib_code ids_reserve(token_ids *l, size_t more, sib_error *err)
{
    return ARRAY_RESERVE(l->ids, l->capacity, more > SIZE_MAX - l->n ? SIZE_MAX : l->n + more, "token ids",
                         err);
}

static inline sib_code ids_add(token_ids *l, int32_t id, sib_error *err)
{
    return ARRAY_PUSH(l->ids, l->n, l->capacity, "token ids", err, id);
}

/* Appends ids (n). Error: SIB_ERR_MEMORY, the list unchanged. */
static inline sib_code ids_append(token_ids *l, const int32_t *ids, size_t n, sib_error *err)
{
    sib_code code = ids_reserve(l, n, err);
    if (code == SIB_OK && n)
        memcpy(l->ids + l->n, ids, n * sizeof *ids);
    l->n += code == SIB_OK ? n : 0;
    return code;
}

static inline void ids_free(token_ids *l)
{
    mem_free(l->ids);
    *l = (token_ids){0};
}

#endif
