#include "text/json/added.h"

#include "text/chars/chars.h"

#include "base/alloc.h"
#include "base/error.h"

#include <stdlib.h>

static sib_code index_some(added_list *l, bool normalized, trie *out, sib_error *err)
{
    trie_key *keys = mem_alloc(l->n, sizeof *keys);
    size_t n = 0;
    if (!keys)
        return err_memory(err, l->n * sizeof *keys, "added tokens");
    for (size_t i = 0; i < l->n; i++)
        if (l->tokens[i].normalized == normalized && l->tokens[i].content.length)
            keys[n++] = (trie_key){l->tokens[i].content, (int32_t)i};
    sib_code code = trie_build(out, keys, n, err);
    mem_free(keys);
    return code;
}

static int by_id(const void *a, const void *b)
{
    int32_t x = ((const added_token *)a)->id, y = ((const added_token *)b)->id;
    return (x > y) - (x < y);
}

const added_token *added_of_id(const added_list *l, int32_t id)
{
    added_token wanted = {.id = id};
    return l->n ? bsearch(&wanted, l->tokens, l->n, sizeof *l->tokens, by_id) : NULL;
}

sib_code added_index(added_list *l, sib_error *err)
{
    if (l->n)
        qsort(l->tokens, l->n, sizeof *l->tokens, by_id);
    sib_code code = index_some(l, false, &l->raw, err);
    return code == SIB_OK ? index_some(l, true, &l->normalized, err) : code;
}

void added_free(added_list *l)
{
    mem_free(l->tokens);
    buf_free(&l->contents);
    trie_free(&l->raw);
    trie_free(&l->normalized);
    *l = (added_list){0};
}

static bool word_before(sib_str text, size_t at)
{
    size_t length, last = at ? utf8_before(text.data, at) : 0;
    return at && char_is_word(utf8_next(text.data + last, at - last, &length));
}

static bool word_after(sib_str text, size_t at)
{
    size_t length;
    return at < text.length && char_is_word(utf8_next(text.data + at, text.length - at, &length));
}

static size_t spaces_before(sib_str text, size_t begin, size_t at)
{
    for (size_t length; at > begin;) {
        size_t last = utf8_before(text.data, at);
        if (last < begin || !char_is_space(utf8_next(text.data + last, at - last, &length)))
            break;
        at = last;
    }
    return at;
}

static size_t spaces_after(sib_str text, size_t at)
{
    for (size_t length;
         at < text.length && char_is_space(utf8_next(text.data + at, text.length - at, &length));
         at += length)
        continue;
    return at;
}

const added_token *added_next(const added_list *l, bool normalized, bool specials, sib_str text, size_t at,
                              size_t *begin, size_t *end)
{
    const trie *keys = normalized ? &l->normalized : &l->raw;
    size_t length, start = at;
    while (at < text.length) {
        int32_t place = keys->roots[(uint8_t)text.data[at]]
                            ? trie_longest(keys, text.data + at, text.length - at, &length)
                            : -1;
        if (place < 0) {
            at++;
            continue;
        }
        const added_token *a = &l->tokens[place];
        bool alone = !a->single_word || (!word_before(text, at) && !word_after(text, at + length));
        if (alone && (specials || !a->special)) {
            *begin = a->left ? spaces_before(text, start, at) : at;
            *end = a->right ? spaces_after(text, at + length) : at + length;
            return a;
        }
        at += length;
    }
    return NULL;
}
