/* RWKV World: a line a token, its id, a Python literal of its bytes, and how many they are. A text becomes the longest tokens
   from its start on. Id 0, which the file leaves out, is <|endoftext|>. */
#include "text/literal.h"
#include "text/tokenizer.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"

#define END_OF_TEXT "<|endoftext|>"

/* A decimal number that the text begins with, up to 9 digits: its digits, 0 for none. */
static size_t read_number(text_span text, uint32_t *out)
{
    size_t n = 0;
    for (*out = 0; n < text.size && n < 9 && text.data[n] >= '0' && text.data[n] <= '9'; n++)
        *out = *out * 10 + (uint32_t)(text.data[n] - '0');
    return n;
}

/* Takes a line apart into `bytes`, which it clears. */
static bool read_line(text_span line, uint32_t *id, text_buffer *bytes, uint32_t *size, sib_error *err)
{
    size_t at = read_number(line, id), length;
    bytes->n = 0;
    if (!at || at >= line.size || line.data[at++] != ' ')
        return false;
    length = literal_read((text_span){line.data + at, line.size - at}, bytes, err);
    at += length;
    if (!length || at >= line.size || line.data[at++] != ' ')
        return false;
    length = read_number((text_span){line.data + at, line.size - at}, size);
    return length && at + length == line.size;
}

static text_span line_at(text_span file, size_t at, size_t *next)
{
    const char *begin = file.data + at, *end = memchr(begin, '\n', file.size - at);
    size_t size = end ? (size_t)(end - begin) : file.size - at;
    *next = at + size + (end != NULL);
    size -= size && begin[size - 1] == '\r';
    return (text_span){begin, size};
}

static sib_code add_line(sib_tokenizer *t, const text_source *source, text_span line, uint64_t offset,
                         text_buffer *bytes, sib_error *err)
{
    uint32_t id, size;
    if (!read_line(line, &id, bytes, &size, err))
        return bytes->code != SIB_OK
                   ? bytes->code
                   : err_set_at(
                         err, SIB_ERR_FORMAT, offset,
                         "%s: '%.*s' is no line of a vocabulary, expected an id, a literal and its size",
                         source->name, (int)size_min(line.size, 64), line.data);
    if (bytes->code != SIB_OK)
        return bytes->code;
    if (bytes->n != size || !size)
        return err_set_at(err, SIB_ERR_FORMAT, offset, "%s: token %u has %zu bytes and says %u", source->name,
                          id, bytes->n, size);
    sib_error why = SIB_ERROR_INIT;
    sib_code code = vocab_add(&t->vocab, (int32_t)id, (text_span){bytes->data, bytes->n}, 0, &why);
    return code == SIB_OK ? code : err_set_at(err, code, offset, "%s: %s", source->name, why.message);
}

static sib_code index_tokens(sib_tokenizer *t, trie *out, sib_error *err)
{
    trie_key *keys = mem_alloc(t->vocab.n, sizeof *keys);
    size_t n = 0;
    if (!keys)
        return err_memory(err, t->vocab.n * sizeof *keys, "a trie");
    for (size_t i = 0; i < t->vocab.n; i++)
        if (t->vocab.tokens[i].flags & TOKEN_KNOWN)
            keys[n++] = (trie_key){vocab_bytes(&t->vocab, &t->vocab.tokens[i]), (int32_t)i};
    sib_code code = trie_build(out, keys, n, err);
    mem_free(keys);
    return code;
}

static sib_code open_rwkv(sib_tokenizer *t, const text_source *source, sib_error *err)
{
    text_buffer bytes = {0};
    trie *tokens = mem_calloc(1, sizeof *tokens);
    sib_code code = SIB_OK;
    t->state = tokens;
    if (!tokens)
        return err_memory(err, sizeof *tokens, "a tokenizer");
    for (size_t at = 0, next; at < source->bytes.size && code == SIB_OK; at = next) {
        text_span line = line_at(source->bytes, at, &next);
        if (line.size)
            code = add_line(t, source, line, at, &bytes, err);
    }
    buffer_free(&bytes);
    if (code == SIB_OK)
        code = index_tokens(t, tokens, err);
    if (code == SIB_OK && !vocab_token(&t->vocab, 0))
        code = vocab_add(&t->vocab, 0, (text_span){END_OF_TEXT, strlen(END_OF_TEXT)},
                         TOKEN_SPECIAL | TOKEN_HIDDEN, err);
    return code;
}

static void close_rwkv(sib_tokenizer *t)
{
    if (t->state)
        trie_free(t->state);
    mem_free(t->state);
}

static bool recognises_rwkv(const text_source *source)
{
    size_t next;
    uint32_t id;
    text_span line = line_at(source->bytes, 0, &next);
    size_t at = read_number(line, &id);
    if (!at || at + 2 >= line.size || line.data[at] != ' ')
        return false;
    at += 1 + (line.data[at + 1] == 'b');
    return line.data[at] == '\'' || line.data[at] == '"';
}

static sib_code encode_longest(const trie *tokens, text_span text, size_t offset, id_list *out,
                               sib_error *err)
{
    sib_code code = SIB_OK;
    for (size_t at = 0, length; at < text.size && code == SIB_OK; at += length) {
        int32_t id = trie_longest(tokens, text.data + at, text.size - at, &length);
        if (id < 0)
            return err_set_at(err, SIB_ERR_VALUE, offset + at, "there is no token for the byte 0x%02X at %zu",
                              (uint8_t)text.data[at], offset + at);
        code = ids_add(out, id, err);
    }
    return code;
}

static sib_code encode_rwkv(const sib_tokenizer *t, text_span text, sib_special specials, id_list *out,
                            sib_error *err)
{
    sib_code code = SIB_OK;
    for (size_t at = 0, begin, end; at < text.size && code == SIB_OK; at = end) {
        int32_t special = -1;
        begin = end = text.size;
        if (specials == SIB_SPECIAL_AS_TOKENS)
            special = tokenizer_next_special(t, text, at, &begin, &end);
        code = encode_longest(t->state, (text_span){text.data + at, begin - at}, at, out, err);
        if (code == SIB_OK && special >= 0)
            code = ids_add(out, special, err);
    }
    return code;
}

const tokenizer_kind tokenizer_rwkv = {.name = "rwkv-world",
                                       .recognises = recognises_rwkv,
                                       .open = open_rwkv,
                                       .close = close_rwkv,
                                       .encode = encode_rwkv};
