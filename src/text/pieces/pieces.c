/* SentencePiece, and byte-level vocabularies of GGUF. Each stretch between special tokens in the text is encoded as a
   separate text. Bytes that are not UTF-8 become the tokens of bytes, where those exist. Scores of unigram are summed in
   single precision, as in the original (0.2.3). */
#include "text/pieces/build.h"

#include "base/alloc.h"
#include "base/error.h"

static void close_pieces(sib_tokenizer *t)
{
    pieces *p = t->state;
    if (p)
        pieces_free(p);
    mem_free(p);
}

/* ---- Encoding -------------------------------------------------------------------------------------- */

/* Encodes a stretch of the run's text without user-defined pieces. */
static sib_code add_plain(const pieces *p, pretoken_run *run, size_t at, size_t end, sib_error *err)
{
    sib_code code = SIB_OK;
    const uint8_t *classes = classes_table();
    sib_str text = {run->text.data, end};
    for (size_t next; at < end && code == SIB_OK; at = next) {
        next = p->scan                     ? at + p->scan(classes, text.data + at, end - at, 0)
               : p->model == &p->bpe.model ? bpe_cut(&p->bpe, text, at)
                                           : end;
        code = pretoken_add(run, at, next, err);
    }
    return code;
}

sib_code pieces_encode(const pieces *p, pretoken_run *run, sib_str text, bool first, sib_error *err)
{
    byte_buffer marked = {0};
    sib_code code = p->scan ? SIB_OK : pieces_normalize(p, text, first, &marked, err);
    const bool splits =
        p->model != &p->unigram.model; /* there they are pieces as others are, of the highest scores */
    if (!p->scan)
        text = buf_str(&marked);
    pretoken_text(run, text);
    size_t plain = 0, length;
    for (size_t at = 0; splits && at < text.length && code == SIB_OK;) {
        int32_t id = p->user.roots[(uint8_t)text.data[at]]
                         ? trie_longest(&p->user, text.data + at, text.length - at, &length)
                         : -1;
        if (id < 0) {
            at++;
            continue;
        }
        code = add_plain(p, run, plain, at, err);
        if (code == SIB_OK)
            code = ids_add(run->out, id, err);
        plain = at += length;
    }
    if (code == SIB_OK)
        code = add_plain(p, run, plain, text.length, err);
    buf_free(&marked);
    return code;
}

static sib_code encode_pieces(const sib_tokenizer *t, sib_str text, sib_special specials, token_ids *out,
                              sib_error *err)
{
    const pieces *p = t->state;
    pretoken_run run;
    sib_code code = SIB_OK;
    pretoken_begin(&run, p->model, text.length, out);
    for (size_t at = 0, begin, end; at < text.length && code == SIB_OK; at = end) {
        int32_t special = -1;
        begin = end = text.length;
        if (specials != SIB_SPECIAL_AS_TEXT)
            special = tokenizer_next_special(t, text, at, &begin, &end);
        if (begin > at)
            code = pieces_encode(p, &run, (sib_str){text.data + at, begin - at}, true, err);
        if (code == SIB_OK && special >= 0)
            code = ids_add(out, special, err);
    }
    pretoken_end(&run);
    return code;
}

/* ---- Decoding -------------------------------------------------------------------------------------- */

static void add_spaced(sib_str s, byte_buffer *out, sib_error *err)
{
    while (s.length) {
        const char *mark = memmem(s.data, s.length, PIECES_SPACE, PIECES_SPACE_SIZE);
        size_t n = mark ? (size_t)(mark - s.data) : s.length;
        buf_add(out, s.data, n, err);
        if (mark)
            buf_add(out, " ", 1, err);
        n += mark ? PIECES_SPACE_SIZE : 0;
        s = (sib_str){s.data + n, s.length - n};
    }
}

bool pieces_start(const pieces *p, const decode_place *place)
{
    return (p->prefix || p->trim) && !p->scan && !place->begun;
}

void pieces_decode(const pieces *p, sib_str s, int type, uint8_t byte, bool *at_start, byte_buffer *out,
                   sib_error *err)
{
    if (type == PIECE_CONTROL || p->scan) {
        buf_add(out, s.data, s.length, err); /* the text may begin after it */
    } else if (type == PIECE_BYTE || type == PIECE_UNKNOWN) {
        const sib_str text =
            type == PIECE_BYTE ? (sib_str){(const char *)&byte, 1} : buf_str(&p->unknown_surface);
        buf_add(out, text.data, text.length, err);
        *at_start = false;
    } else {
        const bool space = *at_start && str_starts(s, PIECES_SPACE);
        if (space)
            s = str_from(s, PIECES_SPACE_SIZE);
        add_spaced(s, out, err);
        *at_start &= !s.length && (!space || p->trim);
    }
}

static sib_code decode_pieces(const sib_tokenizer *t, const int32_t *ids, size_t n, decode_place *place,
                              byte_buffer *out, sib_error *err)
{
    const pieces *p = t->state;
    bool at_start = pieces_start(p, place);
    for (size_t i = 0; i < n && out->code == SIB_OK; i++) {
        const bool known = (size_t)ids[i] < p->n;
        pieces_decode(p, vocab_bytes(&t->vocab, &t->vocab.tokens[ids[i]]),
                      known ? p->types[ids[i]] : PIECE_NORMAL, known ? p->bytes[ids[i]] : 0, &at_start, out,
                      err);
    }
    place->begun = !at_start;
    return out->code;
}

/* ---- Lists from a file ----------------------------------------------------------------------------- */

static bool recognises_document(const text_source *source)
{
    static const char begins[] = "{\"kind\":\"pieces\"";
    size_t k = 0;
    for (size_t i = 0; i < source->bytes.length && i < 256 && begins[k]; i++) {
        if (source->bytes.data[i] == begins[k])
            k++;
        else if (!memchr(" \t\r\n", source->bytes.data[i], 4))
            return false;
    }
    return !begins[k];
}

const tokenizer_kind tokenizer_pieces = {.name = "pieces",
                                         .recognises = recognises_document,
                                         .open = pieces_open_json,
                                         .close = close_pieces,
                                         .encode = encode_pieces,
                                         .decode = decode_pieces};

static bool recognises_file(const text_source *source)
{
    return pieces_is_file(source->bytes);
}

const tokenizer_kind tokenizer_sentencepiece = {.name = "sentencepiece",
                                                .recognises = recognises_file,
                                                .open = pieces_open_file,
                                                .close = close_pieces,
                                                .encode = encode_pieces,
                                                .decode = decode_pieces};

static sib_code fill_pieces(sib_tokenizer *t, const void *source, sib_error *err)
{
    return pieces_open(t, source, err);
}

sib_code tokenizer_of_pieces(const pieces_source *source, size_t n_vocab, sib_tokenizer **out, sib_error *err)
{
    return tokenizer_create(&tokenizer_pieces, source->name, n_vocab, fill_pieces, source, out, err);
}
