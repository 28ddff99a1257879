/* Keys of nested objects, joined by dots. */
#ifndef IMPORT_KEY_H
#define IMPORT_KEY_H

#include "import/read/reader.h"

#include <string.h>

typedef struct key_path {
    size_t length;
    unsigned depth;
    char text[READER_MAX_NAME];
} key_path;

/* The length to restore with key_leave, or SIZE_MAX where the key becomes too long or too deep. */
static inline size_t key_enter(key_path *k, sib_str name)
{
    size_t before = k->length, dot = before != 0;
    if (k->depth >= READER_MAX_NESTED || name.length > sizeof k->text - before - dot)
        return SIZE_MAX;
    if (dot)
        k->text[k->length++] = '.';
    if (name.length)
        memcpy(k->text + k->length, name.data, name.length);
    k->length += name.length;
    k->depth++;
    return before;
}

static inline void key_leave(key_path *k, size_t before)
{
    k->length = before;
    k->depth--;
}

static inline sib_str key_str(const key_path *k)
{
    return (sib_str){k->text, k->length};
}

/* The error after key_enter failed. */
static inline sib_code key_fail(ckpt_file *s, const key_path *k, uint64_t at)
{
    return ckpt_fail(s, SIB_ERR_FORMAT, at,
                     "objects under '%.*s' are nested more than %d deep, or a key has more than %d bytes",
                     READER_STR(key_str(k)), READER_MAX_NESTED, READER_MAX_NAME);
}

/* The kind of a list of n items of kind `all` with one more item; integers among floats are floats. Returns
   false where the kinds do not agree. */
static inline bool key_join_kinds(size_t n, fact_kind *all, fact_kind one)
{
    bool numbers = (one == FACT_INT || one == FACT_FLOAT) && (*all == FACT_INT || *all == FACT_FLOAT);
    if (n && one != *all && !numbers)
        return false;
    if (n == 0 || one == FACT_FLOAT)
        *all = one;
    return true;
}

#endif
