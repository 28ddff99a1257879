#include "text/vocab/token_order.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"
#include "text/chars/utf8.h"

#include <stdlib.h>

/* A token while they are sorted. */
typedef struct sorted {
    size_t at; /* in the order's bytes */
    sib_str bytes;
    int32_t id;
    bool simple;
} sorted;

static int by_bytes(const void *a, const void *b)
{
    const sorted *x = a, *y = b;
    if (x->simple != y->simple)
        return x->simple ? -1 : 1;
    int order = str_compare(x->bytes, y->bytes);
    return order ? order : (x->id > y->id) - (x->id < y->id);
}

static bool is_simple(sib_str s)
{
    size_t length;
    for (size_t i = 0; i < s.length; i += length) {
        uint32_t c = utf8_next(s.data + i, s.length - i, &length);
        if (c < 0x20 || c == '"' || c == '\\' || c == UTF8_BROKEN)
            return false;
    }
    return true;
}

/* What each token is in the middle of a text. tokens: (n_vocab), of which *n are filled. */
static sib_code list_tokens(const sib_tokenizer *t, byte_buffer *bytes, sorted *tokens, size_t *n,
                            sib_error *err)
{
    sib_code code = SIB_OK;
    for (size_t i = 0; i < t->vocab.n && code == SIB_OK; i++) {
        const token *known = vocab_token(&t->vocab, (int32_t)i);
        const int32_t id = (int32_t)i;
        size_t at = bytes->n;
        decode_place place = {.before = 1, .begun = true, .more = true};
        if (!known || (known->flags & TOKEN_SPECIAL))
            continue;
        code = tokenizer_decode_ids(t, &id, 1, &place, bytes, err);
        size_t size = bytes->n - at;
        if (code == SIB_OK && size && size <= VOCAB_MAX_TOKEN)
            tokens[(*n)++] = (sorted){.at = at, .bytes.length = size, .id = id};
    }
    for (size_t i = 0; i < *n && code == SIB_OK; i++) {
        tokens[i].bytes.data = bytes->data + tokens[i].at;
        tokens[i].simple = is_simple(tokens[i].bytes);
    }
    return code;
}

/* How many bytes two tokens begin with alike. */
static size_t alike(sib_str a, sib_str b)
{
    size_t n = 0;
    while (n < a.length && n < b.length && a.data[n] == b.data[n])
        n++;
    return n;
}

/* Puts n tokens in order. */
static token_order *put_in_order(sorted *tokens, size_t n, const byte_buffer *bytes, size_t n_vocab)
{
    size_t words = token_words(n_vocab), ordered = n * sizeof(ordered_token);
    token_order *o = mem_calloc(1, sizeof *o + words * sizeof *o->simple + ordered + bytes->n);
    if (!o)
        return NULL;
    o->simple = (uint64_t *)(o + 1);
    o->tokens = (ordered_token *)(o->simple + words);
    uint8_t *data = (uint8_t *)(o->tokens + n);
    o->bytes = data;
    o->n = n;
    o->n_vocab = n_vocab;
    if (bytes->n)
        memcpy(data, bytes->data, bytes->n);
    if (n)
        qsort(tokens, n, sizeof *tokens, by_bytes);
    for (size_t i = 0; i < n; i++) {
        const sorted *t = &tokens[i];
        size_t shared = i && t->simple == t[-1].simple ? alike(t->bytes, t[-1].bytes) : 0;
        if (t->simple)
            o->simple[t->id / 64] |= UINT64_C(1) << (t->id % 64);
        o->n_simple += t->simple;
        o->tokens[i] = (ordered_token){(uint32_t)t->at, (uint16_t)t->bytes.length, (uint16_t)shared, t->id};
    }
    return o;
}

static sib_code make(const sib_tokenizer *t, token_order **out, sib_error *err)
{
    size_t n = 0;
    byte_buffer bytes = {.max = UINT32_MAX};
    sorted *tokens = mem_alloc(t->vocab.n, sizeof *tokens);
    sib_code code = tokens ? list_tokens(t, &bytes, tokens, &n, err)
                           : err_memory(err, t->vocab.n * sizeof *tokens, "a vocabulary in order");
    if (code == SIB_OK && !(*out = put_in_order(tokens, n, &bytes, t->vocab.n)))
        code = err_memory(err, n * sizeof(ordered_token) + bytes.n, "a vocabulary in order");
    mem_free(tokens);
    buf_free(&bytes);
    return code;
}

sib_code token_order_of(const sib_tokenizer *t, const token_order **out, sib_error *err)
{
    sib_tokenizer *kept = (sib_tokenizer *)(uintptr_t)t; /* but for what is made once it stays as it is */
    token_order *made = NULL, *there = atomic_load(&kept->order);
    *out = there;
    if (there)
        return SIB_OK;
    if (tokenizer_decode_look(t).all)
        return err_set(
            err, SIB_ERR_UNSUPPORTED,
            "what this tokenizer ('%s') makes of a token depends on others: its texts cannot be constrained",
            t->kind->name);
    sib_code code = make(t, &made, err);
    if (code == SIB_OK && !atomic_compare_exchange_strong(&kept->order, &there, made)) {
        mem_free(made);
        made = there; /* another thread's */
    }
    *out = made;
    return code;
}
