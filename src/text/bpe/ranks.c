/* Ranks as tiktoken stores them: one line per token with its bytes in base64 and its rank, which is its id.
   After the ranks come the special tokens: GPT-2's one, or Whisper's.

   To the pre-tokenizer, a byte that is not UTF-8 is a character that is neither letter, number nor space,
   so pieces end where they would with U+FFFD in its place; but the tokens encode, and decode to, the bytes
   themselves. */
#include "text/bpe/bpe.h"
#include "text/chars/base64.h"
#include "text/chars/scan.h"
#include "text/vocab/tokenizer.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"

#include <stdio.h>

/* Whisper's special tokens except languages: <|endoftext|>, <|startoftranscript|>, six tasks, and the
   timestamps. */
#define N_TIMESTAMPS      1501
#define N_WHISPER_OTHERS  (1 + 1 + 6 + N_TIMESTAMPS)
#define WHISPER_LANGUAGES 99 /* in versions 1 and 2 */

/* ---- The file -------------------------------------------------------------------------------------- */

/* Returns a line without its end; *at becomes the start of the next. */
static sib_str next_line(sib_str file, size_t *at)
{
    const char *begin = file.data + *at, *end = memchr(begin, '\n', file.length - *at);
    size_t size = end ? (size_t)(end - begin) : file.length - *at;
    *at += size + (end != NULL);
    size -= size && begin[size - 1] == '\r';
    return (sib_str){begin, size};
}

/* Splits "base64 rank". Returns false for any other line. */
static bool split_line(sib_str line, sib_str *base64, uint32_t *rank)
{
    const char *space = memchr(line.data, ' ', line.length);
    if (!space)
        return false;
    *base64 = (sib_str){line.data, (size_t)(space - line.data)};
    size_t digits = line.length - base64->length - 1;
    uint64_t number = 0;
    for (size_t i = 0; i < digits; i++) {
        char c = space[1 + i];
        if (c < '0' || c > '9' || (number = number * 10 + (uint64_t)(c - '0')) > UINT32_MAX)
            return false;
    }
    *rank = (uint32_t)number;
    return digits > 0;
}

static sib_code read_line(vocab *v, const text_source *source, sib_str line, uint64_t offset, uint32_t n,
                          byte_buffer *bytes, sib_error *err)
{
    sib_str base64;
    uint32_t rank;
    size_t size;
    if (!split_line(line, &base64, &rank))
        return err_set_at(err, SIB_ERR_FORMAT, offset,
                          "%s: '%.*s' is not a line of ranks, expected base64 and a number", source->name,
                          (int)size_min(line.length, 64), line.data);
    bytes->n = 0;
    buf_reserve(bytes, base64.length, err);
    if (bytes->code != SIB_OK)
        return bytes->code;
    if (!base64_bytes(base64, bytes->data, &size))
        return err_set_at(err, SIB_ERR_FORMAT, offset, "%s: '%.*s' is not base64", source->name,
                          (int)size_min(base64.length, 64), base64.data);
    if (rank >= n)
        return err_set_at(err, SIB_ERR_FORMAT, offset,
                          "%s: rank %u is out of range, expected ranks below the number of lines, %u",
                          source->name, rank, n);
    sib_error why = SIB_ERROR_INIT;
    sib_code code = vocab_add(v, (int32_t)rank, (sib_str){bytes->data, size}, 0, &why);
    return code == SIB_OK ? code : err_set_at(err, code, offset, "%s: %s", source->name, why.message);
}

static sib_code read_ranks(vocab *v, const text_source *source, sib_error *err)
{
    uint32_t n = 0;
    sib_code code = SIB_OK;
    byte_buffer bytes = {0};
    for (size_t at = 0; at < source->bytes.length;)
        n += next_line(source->bytes, &at).length > 0;
    for (size_t at = 0; at < source->bytes.length && code == SIB_OK;) {
        uint64_t offset = at;
        sib_str line = next_line(source->bytes, &at);
        if (line.length)
            code = read_line(v, source, line, offset, n, &bytes, err);
    }
    buf_free(&bytes);
    return code;
}

/* A file is recognised by its first line. */
static bool recognises_ranks(const text_source *source)
{
    size_t at = 0, size;
    uint32_t rank;
    sib_str base64;
    char bytes[96];
    return source->bytes.length && split_line(next_line(source->bytes, &at), &base64, &rank) &&
           base64.length && base64.length <= 128 && base64_bytes(base64, bytes, &size);
}

static bool recognises_whisper(const text_source *source)
{
    size_t n = 0;
    if (!recognises_ranks(source))
        return false;
    for (size_t at = 0; at < source->bytes.length;)
        n += next_line(source->bytes, &at).length > 0;
    return source->options->n_vocab > n + N_WHISPER_OTHERS;
}

/* ---- Special tokens -------------------------------------------------------------------------------- */

static sib_code add_special(vocab *v, const char *name, sib_error *err)
{
    return vocab_add(v, (int32_t)v->n, (sib_str){name, strlen(name)}, TOKEN_SPECIAL | TOKEN_HIDDEN, err);
}

/* Computes the number of languages: what n_vocab leaves room for. */
static sib_code count_languages(const vocab *v, const text_source *source, size_t *out, sib_error *err)
{
    size_t n_vocab = source->options->n_vocab, n_languages = 0;
    const char *code, *name;
    while (sib_whisper_language(n_languages, &code, &name))
        n_languages++;
    *out = WHISPER_LANGUAGES;
    if (!n_vocab)
        return SIB_OK;
    if (n_vocab < v->n + N_WHISPER_OTHERS || n_vocab > v->n + N_WHISPER_OTHERS + n_languages)
        return err_set(err, SIB_ERR_VALUE,
                       "%s: a Whisper with these %zu ranks has %zu ids and one per language, up to %zu "
                       "languages; the model has %zu",
                       source->name, v->n, v->n + N_WHISPER_OTHERS, n_languages, n_vocab);
    *out = n_vocab - v->n - N_WHISPER_OTHERS;
    return SIB_OK;
}

static sib_code add_whisper_specials(vocab *v, size_t languages, sib_error *err)
{
    static const char *const tasks[] = {"<|translate|>",   "<|transcribe|>", "<|startoflm|>",
                                        "<|startofprev|>", "<|nospeech|>",   "<|notimestamps|>"};
    char text[32];
    const char *short_name, *name;
    sib_code code = add_special(v, "<|endoftext|>", err);
    if (code == SIB_OK)
        code = add_special(v, "<|startoftranscript|>", err);
    for (size_t i = 0; i < languages && code == SIB_OK && sib_whisper_language(i, &short_name, &name); i++) {
        snprintf(text, sizeof text, "<|%s|>", short_name);
        code = add_special(v, text, err);
    }
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks && code == SIB_OK; i++)
        code = add_special(v, tasks[i], err);
    for (int i = 0; i < N_TIMESTAMPS && code == SIB_OK; i++) {
        snprintf(text, sizeof text, "<|%d.%02d|>", i / 50, i % 50 * 2);
        code = add_special(v, text, err);
    }
    return code;
}

/* ---- The kinds ------------------------------------------------------------------------------------- */

static uint32_t rank_of_id(const void *context, int32_t id)
{
    (void)context;
    return (uint32_t)id;
}

static sib_code open_ranks(sib_tokenizer *t, const text_source *source, sib_error *err)
{
    bpe *b = mem_calloc(1, sizeof *b);
    t->state = b;
    if (!b)
        return err_memory(err, sizeof *b, "a tokenizer");
    bpe_init(b, &t->vocab);
    b->bytes = true;
    sib_code code = read_ranks(&t->vocab, source, err);
    if (code != SIB_OK)
        return code;
    for (int i = 0; i < 256; i++) {
        char byte = (char)i;
        b->byte_ids[i] = vocab_find(&t->vocab, &byte, 1);
        if (b->byte_ids[i] < 0)
            return err_set(err, SIB_ERR_FORMAT, "%s: the byte 0x%02X has no rank", source->name, i);
    }
    code = merges_of_vocab(&b->merges, &t->vocab, rank_of_id, NULL, err);
    for (size_t i = 0; i < t->vocab.n; i++)
        t->vocab.tokens[i].flags |= TOKEN_DIRECT; /* tiktoken looks a piece up before it merges */
    return code;
}

static sib_code open_gpt2(sib_tokenizer *t, const text_source *source, sib_error *err)
{
    sib_code code = open_ranks(t, source, err);
    return code == SIB_OK ? add_special(&t->vocab, "<|endoftext|>", err) : code;
}

static sib_code open_whisper(sib_tokenizer *t, const text_source *source, sib_error *err)
{
    size_t languages;
    sib_code code = open_ranks(t, source, err);
    if (code == SIB_OK)
        code = count_languages(&t->vocab, source, &languages, err);
    return code == SIB_OK ? add_whisper_specials(&t->vocab, languages, err) : code;
}

static void close_ranks(sib_tokenizer *t)
{
    bpe *b = t->state;
    if (b)
        bpe_free(b);
    mem_free(b);
}

static sib_code encode_pieces(const uint8_t *classes, sib_str text, pretoken_run *run, sib_error *err)
{
    sib_code code = SIB_OK;
    pretoken_text(run, text);
    for (size_t at = 0, end; at < text.length && code == SIB_OK; at = end) {
        end = scan_gpt2(classes, text.data, text.length, at);
        code = pretoken_add(run, at, end, err);
    }
    return code;
}

static sib_code encode_ranks(const sib_tokenizer *t, sib_str text, sib_special specials, token_ids *out,
                             sib_error *err)
{
    const bpe *b = t->state;
    const uint8_t *classes = classes_table();
    pretoken_run run;
    sib_code code = SIB_OK;
    pretoken_begin(&run, &b->model, text.length, out);
    for (size_t at = 0, begin, end; at < text.length && code == SIB_OK; at = end) {
        int32_t special = -1;
        begin = end = text.length;
        if (specials != SIB_SPECIAL_AS_TEXT)
            special = tokenizer_next_special(t, text, at, &begin, &end);
        code = encode_pieces(classes, (sib_str){text.data + at, begin - at}, &run, err);
        if (code == SIB_OK && special >= 0)
            code = ids_add(out, special, err);
    }
    pretoken_end(&run);
    return code;
}

const tokenizer_kind tokenizer_gpt2 = {.name = "gpt2",
                                       .recognises = recognises_ranks,
                                       .open = open_gpt2,
                                       .close = close_ranks,
                                       .encode = encode_ranks};
const tokenizer_kind tokenizer_whisper = {.name = "whisper",
                                          .recognises = recognises_whisper,
                                          .open = open_whisper,
                                          .close = close_ranks,
                                          .encode = encode_ranks};
