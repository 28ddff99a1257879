#include "text/json/wordpiece.h"

#include "text/chars/utf8.h"

#include "base/error.h"
#include "base/size.h"

/* Max bytes of a part that is looked up. */
#define MAX_BYTES 1024

static sib_code add_unknown(const wordpiece *w, sib_str word, token_ids *out, sib_error *err)
{
    return w->unknown >= 0 ? ids_add(out, w->unknown, err)
                           : err_set(err, SIB_ERR_VALUE, "there is no token for '%.*s'",
                                     (int)size_min(word.length, 64), word.data);
}

static int32_t find_part(const wordpiece *w, sib_str part, bool first)
{
    char marked[MAX_BYTES];
    if (first || !w->not_first.n)
        return vocab_find(w->model.vocab, part.data, part.length);
    if (part.length + w->not_first.n > sizeof marked)
        return -1;
    memcpy(marked, w->not_first.data, w->not_first.n);
    memcpy(marked + w->not_first.n, part.data, part.length);
    return vocab_find(w->model.vocab, marked, w->not_first.n + part.length);
}

static sib_code encode(const pretoken_model *m, sib_str word, token_ids *out, sib_error *err)
{
    const wordpiece *w = (const wordpiece *)m;
    size_t characters = 0, length, begin = out->n;
    for (size_t at = 0; at < word.length && characters <= w->max_characters; at += length, characters++)
        utf8_next(word.data + at, word.length - at, &length);
    if (characters > w->max_characters)
        return add_unknown(w, word, out, err);
    for (size_t at = 0, end; at < word.length; at = end) {
        int32_t id = -1;
        end = at + size_min(word.length - at, w->model.vocab->longest);
        /* not inside a character */
        while (end < word.length && ((unsigned char)word.data[end] & 0xC0) == 0x80)
            end++;
        while (end > at && id < 0) {
            id = find_part(w, (sib_str){word.data + at, end - at}, at == 0);
            if (id < 0)
                end = utf8_before(word.data, end);
        }
        if (id < 0) {
            out->n = begin;
            return add_unknown(w, word, out, err);
        }
        sib_code code = ids_add(out, id, err);
        if (code != SIB_OK)
            return code;
    }
    return SIB_OK;
}

static sib_code encode_word(const pretoken_model *m, sib_str word, token_ids *out, sib_error *err)
{
    const wordpiece *w = (const wordpiece *)m;
    int32_t id = vocab_find(w->model.vocab, word.data, word.length);
    return id >= 0 ? ids_add(out, id, err) : add_unknown(w, word, out, err);
}

void wordpiece_init(wordpiece *w, const vocab *v)
{
    *w = (wordpiece){.model = {v, encode}, .unknown = -1, .max_characters = 100};
}

void wordlevel_init(wordpiece *w, const vocab *v)
{
    *w = (wordpiece){.model = {v, encode_word}, .unknown = -1};
}
