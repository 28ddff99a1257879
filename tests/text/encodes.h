/* Helpers for tests of tokenizers: the ids of a text, the text of ids. */
#ifndef TESTS_TEXT_ENCODES_H
#define TESTS_TEXT_ENCODES_H

#include "check_memory.h"

#include <sibyl/text.h>

/* Checks the ids of a text; the expected ones end with -1. */
static inline void check_ids_as(const sib_tokenizer *t, const char *text, sib_special specials,
                                const int32_t *expected)
{
    int32_t *ids;
    size_t n;
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(sib_tokenizer_encode(t, text, strlen(text), specials, &ids, &n, &err), err);
    for (size_t i = 0; i < n || expected[i] >= 0; i++)
        if (i >= n || ids[i] != expected[i])
            fail_msg("'%s': id %zu is %d of %zu, expected %d", text, i, i < n ? (int)ids[i] : -1, n,
                     (int)expected[i]);
    sib_free(ids);
}

static inline void check_text_of(const sib_tokenizer *t, const int32_t *ids, bool skip_special,
                                 const char *expected)
{
    size_t n = 0, size;
    char *text;
    sib_error err = SIB_ERROR_INIT;
    while (ids[n] >= 0)
        n++;
    CHECK_OK(sib_tokenizer_decode(t, ids, n, skip_special, &text, &size, &err), err);
    if (size != strlen(expected) || memcmp(text, expected, size + 1) != 0)
        fail_msg("the text is '%s', expected '%s'", text, expected);
    sib_free(text);
}

#define IDS(...)                   ((const int32_t[]){__VA_ARGS__, -1})
#define CHECK_IDS(t, text, ...)    check_ids_as(t, text, SIB_SPECIAL_AS_TEXT, IDS(__VA_ARGS__))
#define CHECK_TOKENS(t, text, ...) check_ids_as(t, text, SIB_SPECIAL_AS_TOKENS, IDS(__VA_ARGS__))
#define CHECK_TEXT(t, text, ...)   check_text_of(t, IDS(__VA_ARGS__), false, text)

/* Opens, encodes and decodes; specials are tokens. */
static inline sib_code round_trip(const void *data, size_t size, const sib_tokenizer_options *options,
                                  const char *text, sib_error *err)
{
    sib_tokenizer *t = NULL;
    int32_t *ids = NULL;
    char *back = NULL;
    size_t n, n_back;
    sib_code code = sib_tokenizer_open_bytes("t", data, size, options, &t, err);
    if (code == SIB_OK)
        code = sib_tokenizer_encode(t, text, strlen(text), SIB_SPECIAL_AS_TOKENS, &ids, &n, err);
    if (code == SIB_OK)
        code = sib_tokenizer_decode(t, ids, n, false, &back, &n_back, err);
    sib_free(ids);
    sib_free(back);
    sib_tokenizer_free(&t);
    return code;
}

static inline void check_memory(const void *data, size_t size, const sib_tokenizer_options *options,
                                const char *text)
{
    sib_error err = SIB_ERROR_INIT;
    CHECK_EVERY_ALLOCATION(round_trip(data, size, options, text, &err), (void)0);
}

#endif
