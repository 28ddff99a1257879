#include "text/vocab/tokenizer.h"

#include "base/alloc.h"
#include "base/error.h"

/* Fills t->specials with the special tokens of the vocabulary. Errors: SIB_ERR_FORMAT (two with the same
   name), SIB_ERR_MEMORY. */
static sib_code tokenizer_index_specials(sib_tokenizer *t, sib_error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < t->vocab.n; i++)
        n += (t->vocab.tokens[i].flags & TOKEN_SPECIAL) != 0;
    trie_key *keys = mem_alloc(n, sizeof *keys);
    if (!keys)
        return err_memory(err, n * sizeof *keys, "special tokens");
    n = 0;
    for (size_t i = 0; i < t->vocab.n; i++)
        if ((t->vocab.tokens[i].flags & TOKEN_SPECIAL) && t->vocab.tokens[i].size)
            keys[n++] = (trie_key){vocab_bytes(&t->vocab, &t->vocab.tokens[i]), (int32_t)i};
    sib_code code = trie_build(&t->specials, keys, n, err);
    mem_free(keys);
    return code;
}

sib_code tokenizer_create(const tokenizer_kind *kind, const char *name, size_t n_vocab, tokenizer_fill *fill,
                          const void *source, sib_tokenizer **out, sib_error *err)
{
    sib_tokenizer *t = mem_calloc(1, sizeof *t);
    *out = NULL;
    if (!t)
        return err_memory(err, sizeof *t, "a tokenizer");
    atomic_init(&t->references, 1);
    atomic_init(&t->order, NULL);
    t->kind = kind;
    sib_code code = fill(t, source, err);
    if (code == SIB_OK && n_vocab && n_vocab < t->vocab.n)
        code = err_set(err, SIB_ERR_VALUE, "%s: has ids up to %zu, but the model has %zu", name,
                       t->vocab.n - 1, n_vocab);
    if (code == SIB_OK && n_vocab > t->vocab.n)
        code = vocab_widen(&t->vocab, n_vocab, err);
    if (code == SIB_OK)
        code = tokenizer_index_specials(t, err);
    if (code != SIB_OK)
        sib_tokenizer_free(&t);
    *out = t;
    return code;
}

void sib_tokenizer_free(sib_tokenizer **t)
{
    sib_tokenizer *one = t ? *t : NULL;
    if (t)
        *t = NULL;
    if (!one || atomic_fetch_sub(&one->references, 1) != 1)
        return;
    if (one->kind->close)
        one->kind->close(one);
    vocab_free(&one->vocab);
    trie_free(&one->specials);
    mem_free(atomic_load(&one->order));
    mem_free(one);
}

sib_tokenizer *sib_tokenizer_keep(const sib_tokenizer *t)
{
    sib_tokenizer *one = (sib_tokenizer *)(uintptr_t)t; /* but for the count it stays as it is */
    atomic_fetch_add(&one->references, 1);
    return one;
}

void sib_tokenizer_get_info(const sib_tokenizer *t, sib_tokenizer_info *out)
{
    *out = (sib_tokenizer_info){.kind = t->kind->name, .n_vocab = t->vocab.n};
}

/* ---- Special tokens ------------------------------------------------------------------------------------ */

int32_t tokenizer_next_special(const sib_tokenizer *t, sib_str text, size_t at, size_t *begin, size_t *end)
{
    size_t length;
    for (; at < text.length; at++) {
        if (!t->specials.roots[(uint8_t)text.data[at]])
            continue;
        int32_t id = trie_longest(&t->specials, text.data + at, text.length - at, &length);
        if (id >= 0) {
            *begin = at;
            *end = at + length;
            return id;
        }
    }
    return -1;
}

/* ---- Encoding and decoding ----------------------------------------------------------------------------- */

sib_code tokenizer_encode(const sib_tokenizer *t, sib_str text, sib_special specials,
                          const struct sib_cancel *cancel, int32_t **ids, size_t *n, sib_error *err)
{
    token_ids list = {.cancel = cancel};
    *ids = NULL;
    *n = 0;
    sib_code code = ids_reserve(&list, text.length / 4 + 1, err);
    if (code == SIB_OK)
        code = t->kind->encode(t, text, specials, &list, err);
    if (code != SIB_OK) {
        mem_free(list.ids);
        return code;
    }
    *ids = list.ids;
    *n = list.n;
    return SIB_OK;
}

sib_code sib_tokenizer_encode(const sib_tokenizer *t, const char *text, size_t size, sib_special specials,
                              int32_t **ids, size_t *n, sib_error *err)
{
    return tokenizer_encode(t, (sib_str){text ? text : "", size}, specials, NULL, ids, n, err);
}

sib_code tokenizer_choose(const sib_tokenizer *t, const int32_t *ids, size_t n, size_t at, bool skip_special,
                          token_ids *out, sib_error *err)
{
    sib_code code = ids_reserve(out, n, err);
    for (size_t i = 0; i < n && code == SIB_OK; i++) {
        const token *known = vocab_token(&t->vocab, ids[i]);
        if (!known)
            return err_set(err, SIB_ERR_VALUE, "id %d at index %zu is not in the vocabulary", (int)ids[i],
                           at + i);
        if (!skip_special || !(known->flags & TOKEN_SPECIAL))
            out->ids[out->n++] = ids[i];
    }
    return code;
}

sib_code tokenizer_decode_ids(const sib_tokenizer *t, const int32_t *ids, size_t n, decode_place *place,
                              byte_buffer *out, sib_error *err)
{
    if (t->kind->decode) {
        sib_code code = t->kind->decode(t, ids, n, place, out, err);
        place->before += n;
        return code;
    }
    for (size_t i = 0; i < n && out->code == SIB_OK; i++) {
        sib_str bytes = vocab_bytes(&t->vocab, &t->vocab.tokens[ids[i]]);
        buf_add(out, bytes.data, bytes.length, err);
    }
    place->before += n;
    return out->code;
}

decode_look tokenizer_decode_look(const sib_tokenizer *t)
{
    return t->kind->look ? t->kind->look(t) : (decode_look){0};
}

sib_code sib_tokenizer_decode(const sib_tokenizer *t, const int32_t *ids, size_t n, bool skip_special,
                              char **text, size_t *size, sib_error *err)
{
    token_ids chosen = {0};
    decode_place place = {0};
    byte_buffer out = {0};
    *text = NULL;
    *size = 0;
    sib_code code = tokenizer_choose(t, ids, n, 0, skip_special, &chosen, err);
    if (code == SIB_OK)
        code = tokenizer_decode_ids(t, chosen.ids, chosen.n, &place, &out, err);
    buf_add(&out, NULL, 0, err); /* an empty result is an empty string, not NULL */
    if (code == SIB_OK)
        code = out.code;
    mem_free(chosen.ids);
    if (code == SIB_OK)
        *text = buf_take(&out, size);
    buf_free(&out);
    return code;
}

bool sib_tokenizer_token(const sib_tokenizer *t, int32_t id, const char **bytes, size_t *size, bool *special)
{
    const token *known = vocab_token(&t->vocab, id);
    if (!known)
        return false;
    sib_str s = vocab_bytes(&t->vocab, known);
    *bytes = s.data;
    *size = s.length;
    *special = (known->flags & TOKEN_SPECIAL) != 0;
    return true;
}

int32_t sib_tokenizer_find(const sib_tokenizer *t, const char *bytes, size_t size)
{
    size_t length;
    int32_t id = trie_longest(&t->specials, bytes, size, &length);
    return id >= 0 && length == size ? id : vocab_find(&t->vocab, bytes, size);
}
