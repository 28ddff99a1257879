/* Keys of nested objects, put together with dots. */
#ifndef IMPORT_KEY_H
#define IMPORT_KEY_H

#include "import/reader.h"

#include <string.h>

typedef struct key_path {
    size_t length;
    unsigned depth;
    char text[READER_MOST_NAME];
} key_path;

/* The length to come back to with key_leave, or SIZE_MAX where the key grows too long or too deep. */
static inline size_t key_enter(key_path *k, sib_str name)
{
    size_t before = k->length, dot = before != 0;
    if (k->depth >= READER_MOST_NESTED || name.length > sizeof k->text - before - dot)
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

/* The failure of key_enter. */
static inline sib_code key_fail(ckpt_file *s, const key_path *k, uint64_t at)
{
    return ckpt_fail(s, SIB_ERR_FORMAT, at,
                     "below '%.*s' objects are nested deeper than %d, or their keys longer than %d",
                     READER_STR(key_str(k)), READER_MOST_NESTED, READER_MOST_NAME);
}

/* The kind of a list whose items so far (n) are `all`, with one more: whole numbers among others are numbers. False where
   there is none. */
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
