/* RWKV World: one line per token with its id, a Python literal of its bytes, and their number. A text
   becomes the longest tokens, greedily from its start. Id 0, which the file omits, is <|endoftext|>. */
#include "text/literal.h"
#include "text/vocab/tokenizer.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"

#define END_OF_TEXT "<|endoftext|>"

/* Reads a decimal number of up to 9 digits at the start of the text. Returns the number of digits, 0 for
   none. */
static size_t read_number(sib_str text, uint32_t *out)
{
    size_t n = 0;
    for (*out = 0; n < text.length && n < 9 && text.data[n] >= '0' && text.data[n] <= '9'; n++)
        *out = *out * 10 + (uint32_t)(text.data[n] - '0');
    return n;
}

/* Parses a line; its bytes replace the contents of `bytes`. */
static bool read_line(sib_str line, uint32_t *id, byte_buffer *bytes, uint32_t *size, sib_error *err)
{
    size_t at = read_number(line, id), length;
    bytes->n = 0;
    if (!at || at >= line.length || line.data[at++] != ' ')
        return false;
    length = literal_read((sib_str){line.data + at, line.length - at}, bytes, err);
    at += length;
    if (!length || at >= line.length || line.data[at++] != ' ')
        return false;
    length = read_number((sib_str){line.data + at, line.length - at}, size);
    return length && at + length == line.length;
}

static sib_str line_at(sib_str file, size_t at, size_t *next)
{
    const char *begin = file.data + at, *end = memchr(begin, '\n', file.length - at);
    size_t size = end ? (size_t)(end - begin) : file.length - at;
    *next = at + size + (end != NULL);
    size -= size && begin[size - 1] == '\r';
    return (sib_str){begin, size};
}

static sib_code add_line(sib_tokenizer *t, const text_source *source, sib_str line, uint64_t offset,
                         byte_buffer *bytes, sib_error *err)
{
    uint32_t id, size;
    if (!read_line(line, &id, bytes, &size, err))
        return bytes->code != SIB_OK
                   ? bytes->code
                   : err_set_at(
                         err, SIB_ERR_FORMAT, offset,
                         "%s: '%.*s' is not a line of a vocabulary, expected an id, a literal and its size",
                         source->name, (int)size_min(line.length, 64), line.data);
    if (bytes->code != SIB_OK)
        return bytes->code;
    if (bytes->n != size || !size)
        return err_set_at(err, SIB_ERR_FORMAT, offset, "%s: token %u has %zu bytes but declares %u",
                          source->name, id, bytes->n, size);
    sib_error why = SIB_ERROR_INIT;
    sib_code code = vocab_add(&t->vocab, (int32_t)id, (sib_str){bytes->data, bytes->n}, 0, &why);
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
    byte_buffer bytes = {0};
    trie *tokens = mem_calloc(1, sizeof *tokens);
    sib_code code = SIB_OK;
    t->state = tokens;
    if (!tokens)
        return err_memory(err, sizeof *tokens, "a tokenizer");
    for (size_t at = 0, next; at < source->bytes.length && code == SIB_OK; at = next) {
        sib_str line = line_at(source->bytes, at, &next);
        if (line.length)
            code = add_line(t, source, line, at, &bytes, err);
    }
    buf_free(&bytes);
    if (code == SIB_OK)
        code = index_tokens(t, tokens, err);
    if (code == SIB_OK && !vocab_token(&t->vocab, 0))
        code = vocab_add(&t->vocab, 0, (sib_str){END_OF_TEXT, strlen(END_OF_TEXT)},
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
    sib_str line = line_at(source->bytes, 0, &next);
    size_t at = read_number(line, &id);
    if (!at || at + 2 >= line.length || line.data[at] != ' ')
        return false;
    at += 1 + (line.data[at + 1] == 'b');
    return line.data[at] == '\'' || line.data[at] == '"';
}

static sib_code encode_longest(const trie *tokens, sib_str text, size_t offset, token_ids *out,
                               sib_error *err)
{
    sib_code code = SIB_OK;
    for (size_t at = 0, length; at < text.length && code == SIB_OK; at += length) {
        int32_t id = trie_longest(tokens, text.data + at, text.length - at, &length);
        if (id < 0)
            return err_set_at(err, SIB_ERR_VALUE, offset + at, "there is no token for the byte 0x%02X at %zu",
                              (uint8_t)text.data[at], offset + at);
        code = ids_add(out, id, err);
    }
    return code;
}

static sib_code encode_rwkv(const sib_tokenizer *t, sib_str text, sib_special specials, token_ids *out,
                            sib_error *err)
{
    sib_code code = SIB_OK;
    for (size_t at = 0, begin, end; at < text.length && code == SIB_OK; at = end) {
        int32_t special = -1;
        begin = end = text.length;
        if (specials != SIB_SPECIAL_AS_TEXT)
            special = tokenizer_next_special(t, text, at, &begin, &end);
        code = encode_longest(t->state, (sib_str){text.data + at, begin - at}, at, out, err);
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
