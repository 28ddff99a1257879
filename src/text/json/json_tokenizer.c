/* tokenizer.json of Hugging Face's `tokenizers`: added tokens are found, the text between them is normalized
   and split into words, and the model encodes each word. "truncation" and "padding" are left to the caller
   and ignored.

   Bytes that are not UTF-8, which the original never sees, pass normalizers unchanged and count as a
   character that is neither letter, number nor space. So byte-level vocabularies reproduce every byte, and
   others do where they have tokens for bytes. A character with neither a token nor an unknown token is an
   error, where the original omits it. An added token that is not part of a byte-level vocabulary
   represents its characters; the original's decoder takes some, such as U+00E9, for bytes.

   A model of type "SentencePiece", which the original does not have, holds a file of SentencePiece (pieces_model.h). */
#include "text/json/json_tokenizer.h"

#include "base/alloc.h"
#include "base/error.h"

/* ---- Opening --------------------------------------------------------------------------------------- */

static sib_code read_parts(sib_tokenizer *t, json_tokenizer *j, const json_part *p, sib_error *err)
{
    json_part normal = json_part_at(p, "normalizer"), split = json_part_at(p, "pre_tokenizer"),
              model = json_part_at(p, "model"), added = json_part_at(p, "added_tokens"),
              post = json_part_at(p, "post_processor"), decode = json_part_at(p, "decoder");
    sib_code code = normalizer_open(&normal, &j->normalizer, err);
    if (code == SIB_OK)
        code = splitter_open(&split, &j->splitter, err);
    if (code == SIB_OK)
        code = decoder_open(&decode, &j->decoder, err);
    if (code != SIB_OK)
        return code;
    j->byte_level = splitter_byte_level(j->splitter);
    if (j->byte_level && !decoder_byte_level(j->decoder))
        return json_part_bad(&decode, SIB_ERR_UNSUPPORTED, err,
                             "expected ByteLevel, as in the pre-tokenizer");
    code = json_model_read(t, j, &model, err);
    if (code == SIB_OK)
        code = json_added_read(t, j, &added, err);
    return code == SIB_OK ? json_post_read(t, j, &post, err) : code;
}

static sib_code open_json(sib_tokenizer *t, const text_source *source, sib_error *err)
{
    json_tokenizer *j = mem_calloc(1, sizeof *j);
    json_t *document;
    json_part p;
    t->state = j;
    if (!j)
        return err_memory(err, sizeof *j, "a tokenizer");
    bpe_init(&j->bpe, &t->vocab);
    unigram_init(&j->unigram, &t->vocab);
    wordpiece_init(&j->wordpiece, &t->vocab);
    sib_code code = json_part_parse(source->name, source->bytes, &document, &p, err);
    if (code != SIB_OK)
        return code;
    code = read_parts(t, j, &p, err);
    json_decref(document);
    return code;
}

static void close_json(sib_tokenizer *t)
{
    json_tokenizer *j = t->state;
    if (!j)
        return;
    normalizer_free(&j->normalizer);
    splitter_free(&j->splitter);
    decoder_free(&j->decoder);
    bpe_free(&j->bpe);
    unigram_free(&j->unigram);
    buf_free(&j->wordpiece.not_first);
    pieces_model_free(j->pieces);
    added_free(&j->added);
    mem_free(j->before.ids);
    mem_free(j->after.ids);
    mem_free(j);
}

static bool recognises_json(const text_source *source)
{
    size_t at = 0;
    while (at < source->bytes.length && strchr(" \t\r\n", source->bytes.data[at]) && source->bytes.data[at])
        at++;
    return at < source->bytes.length && source->bytes.data[at] == '{';
}

/* ---- Encoding and decoding
   ----------------------------------------------------------------------------------- */

/* State of encoding a text. */
typedef struct encoding {
    const json_tokenizer *j;
    bool specials; /* special tokens are recognised */
    pretoken_run run;
    token_ids *out;
    sib_error *err;
} encoding;

/* Encodes the text from `at` as one word. */
static sib_code add_word(encoding *e, sib_str text, size_t at)
{
    sib_code code = SIB_OK;
    for (size_t end; at < text.length && code == SIB_OK; at = end) {
        end = e->j->model == &e->j->bpe.model ? bpe_cut(&e->j->bpe, text, at) : text.length;
        code = pretoken_add(&e->run, at, end, e->err);
    }
    return code;
}

/* Encodes normalized text between added tokens. */
static sib_code add_words(encoding *e, sib_str text, bool from_start)
{
    word_list l = {.text = text, .from_start = from_start};
    if (e->j->pieces)
        return pieces_model_encode(e->j->pieces, text, from_start, e->out, e->err);
    sib_code code = words_add(&l, 0, text.length, e->err);
    if (code == SIB_OK)
        code = splitter_run(e->j->splitter, &l, e->err);
    pretoken_text(&e->run, l.text);
    for (size_t i = 0; i < l.n && code == SIB_OK; i++)
        code = add_word(e, (sib_str){l.text.data, l.words[i].at + l.words[i].size}, l.words[i].at);
    words_free(&l);
    return code;
}

/* Encodes a text, normalized or not yet, split at the added tokens of that stage. */
static sib_code add_stretch(encoding *e, sib_str text, bool normalized, bool from_start);

static sib_code add_text(encoding *e, sib_str text, bool from_start)
{
    byte_buffer scratch = {0};
    sib_str normal;
    sib_code code = normalizer_run(e->j->normalizer, text, &scratch, &normal, e->err);
    if (code == SIB_OK)
        code = add_stretch(e, normal, true, from_start);
    buf_free(&scratch);
    return code;
}

static sib_code add_stretch(encoding *e, sib_str text, bool normalized, bool from_start)
{
    sib_code code = SIB_OK;
    for (size_t at = 0, begin, end; at < text.length && code == SIB_OK; at = end) {
        begin = end = text.length;
        const added_token *a = added_next(&e->j->added, normalized, e->specials, text, at, &begin, &end);
        sib_str between = {text.data + at, begin - at};
        if (between.length)
            code = normalized ? add_words(e, between, from_start && at == 0)
                              : add_text(e, between, from_start && at == 0);
        if (a && code == SIB_OK)
            code = ids_add(e->out, a->id, e->err);
    }
    return code;
}

static sib_code encode_json(const sib_tokenizer *t, sib_str text, sib_special specials, token_ids *out,
                            sib_error *err)
{
    encoding e = {.j = t->state, .specials = specials != SIB_SPECIAL_AS_TEXT, .out = out, .err = err};
    bool adds = specials == SIB_SPECIAL_AS_TOKENS;
    sib_code code = adds ? ids_append(out, e.j->before.ids, e.j->before.n, err) : SIB_OK;
    pretoken_begin(&e.run, e.j->model, text.length, out);
    if (code == SIB_OK)
        code = add_stretch(&e, text, false, true);
    pretoken_end(&e.run);
    return code == SIB_OK && adds ? ids_append(out, e.j->after.ids, e.j->after.n, err) : code;
}

static decode_look look_json(const sib_tokenizer *t)
{
    const json_tokenizer *j = t->state;
    return decoder_look(j->decoder, j->byte_level);
}

static sib_code decode_json(const sib_tokenizer *t, const int32_t *ids, size_t n, decode_place *place,
                            byte_buffer *out, sib_error *err)
{
    const json_tokenizer *j = t->state;
    string_list l = {0};
    sib_code code = SIB_OK;
    if (j->pieces)
        return pieces_model_decode(j->pieces, &t->vocab, ids, n, place, out, err);
    for (size_t i = 0; i < n && code == SIB_OK; i++) {
        const token *known = &t->vocab.tokens[ids[i]];
        const added_token *a = known->flags & TOKEN_ADDED ? added_of_id(&j->added, ids[i]) : NULL;
        /* as in the original */
        sib_str bytes = a && a->normalized ? a->content : vocab_bytes(&t->vocab, known);
        buf_add(&l.bytes, bytes.data, bytes.length, err);
        code = strings_end(&l, err);
    }
    if (code == SIB_OK)
        code = decoder_run(j->decoder, j->byte_level, place, &l, err);
    if (code == SIB_OK) {
        buf_add(out, l.bytes.data, l.bytes.n, err);
        code = out->code;
    }
    strings_free(&l);
    return code;
}

const tokenizer_kind tokenizer_json = {.name = "tokenizer.json",
                                       .recognises = recognises_json,
                                       .open = open_json,
                                       .close = close_json,
                                       .encode = encode_json,
                                       .decode = decode_json,
                                       .look = look_json};
