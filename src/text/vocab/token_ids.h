/* A growing list of token ids, and texts encoded to one. */
#ifndef TEXT_TOKEN_IDS_H
#define TEXT_TOKEN_IDS_H

#include "base/alloc.h"
#include "base/array.h"
#include "base/cancel.h"
#include "base/error.h"
#include "base/str.h"

#include <sibyl/text.h>
#include <string.h>

typedef struct token_ids {
    int32_t *ids; /* (n); released with mem_free */
    size_t n, capacity;
    const struct sib_cancel *cancel; /* of a text that is encoded; may be NULL */
} token_ids;

/* Makes room for `more` ids. Errors: SIB_ERR_MEMORY, SIB_ERR_CANCELLED. */
static inline sib_code ids_reserve(token_ids *l, size_t more, sib_error *err)
{
    if (cancel_is_set(l->cancel))
        return err_set(err, SIB_ERR_CANCELLED, "the encoding of a text was cancelled");
    return ARRAY_RESERVE(l->ids, l->capacity, more > SIZE_MAX - l->n ? SIZE_MAX : l->n + more, "token ids",
                         err);
}

static inline sib_code ids_add(token_ids *l, int32_t id, sib_error *err)
{
    sib_code code = ids_reserve(l, 1, err);
    if (code == SIB_OK)
        l->ids[l->n++] = id;
    return code;
}

/* Appends ids (n). Errors: those of ids_reserve, the list unchanged. */
static inline sib_code ids_append(token_ids *l, const int32_t *ids, size_t n, sib_error *err)
{
    sib_code code = ids_reserve(l, n, err);
    if (code == SIB_OK && n)
        memcpy(l->ids + l->n, ids, n * sizeof *ids);
    l->n += code == SIB_OK ? n : 0;
    return code;
}

/* sib_tokenizer_encode that heeds a cancel, between words; cancel may be NULL. Errors: also SIB_ERR_CANCELLED. */
sib_code tokenizer_encode(const sib_tokenizer *t, sib_str text, sib_special specials,
                          const struct sib_cancel *cancel, int32_t **ids, size_t *n, sib_error *err);

static inline void ids_free(token_ids *l)
{
    mem_free(l->ids);
    *l = (token_ids){0};
}

#endif
