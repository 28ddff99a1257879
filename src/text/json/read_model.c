/* Models of a tokenizer.json: BPE, Unigram, WordPiece, WordLevel; and SentencePiece, which is our own. */
#include "text/chars/byte_level.h"
#include "text/json/json_tokenizer.h"

#include "base/alloc.h"
#include "base/error.h"

#include <math.h>

/* State of reading a model. */
typedef struct model_reader {
    sib_tokenizer *t;
    json_tokenizer *j;
    const json_part *p; /* "model" */
    byte_buffer bytes;  /* of one token */
    sib_error *err;
} model_reader;

/* Decodes the bytes of a token of the file; *hidden is set where it has characters that encode no byte. */
static sib_code token_bytes(model_reader *r, sib_str s, sib_str *out, bool *hidden)
{
    *out = s;
    *hidden = false;
    if (!r->j->byte_level)
        return SIB_OK;
    r->bytes.n = 0;
    *hidden = !byte_level_bytes(s, &r->bytes, r->err);
    if (!*hidden)
        *out = buf_str(&r->bytes);
    return r->bytes.code;
}

static sib_code find_token(model_reader *r, sib_str s, int32_t *id)
{
    sib_str bytes;
    bool hidden;
    sib_code code = token_bytes(r, s, &bytes, &hidden);
    *id = code == SIB_OK && !hidden ? vocab_find(&r->t->vocab, bytes.data, bytes.length) : -1;
    return code;
}

static sib_code add_token(model_reader *r, sib_str s, int64_t id)
{
    sib_str bytes;
    bool hidden;
    if (id < 0 || id >= VOCAB_MAX_IDS)
        return err_set(r->err, SIB_ERR_FORMAT, "%s: model/vocab: '%.*s' has id %lld, expected 0 to %u",
                       r->p->file, (int)(s.length < 64 ? s.length : 64), s.data, (long long)id,
                       VOCAB_MAX_IDS - 1);
    sib_code code = token_bytes(r, s, &bytes, &hidden);
    if (code != SIB_OK)
        return code;
    sib_error why = SIB_ERROR_INIT;
    code = vocab_add(&r->t->vocab, (int32_t)id, bytes, hidden ? TOKEN_HIDDEN : 0, &why);
    return code == SIB_OK ? code : err_set(r->err, code, "%s: model/vocab: %s", r->p->file, why.message);
}

/* {"token": id} */
static sib_code read_vocab(model_reader *r)
{
    json_part list = json_part_at(r->p, "vocab");
    const char *key;
    json_t *value;
    sib_code code = SIB_OK;
    if (!json_is_object(list.value))
        return json_part_bad(&list, SIB_ERR_FORMAT, r->err, "is not an object of tokens and ids");
    json_object_foreach((json_t *)(uintptr_t)list.value, key, value)
    {
        if (!json_is_integer(value))
            return err_set(r->err, SIB_ERR_FORMAT,
                           "%s: model/vocab: '%.64s' has an id that is not an integer", r->p->file, key);
        code = add_token(r, (sib_str){key, strlen(key)}, json_integer_value(value));
        if (code != SIB_OK)
            return code;
    }
    return code;
}

/* Gets the id of the token named under `key`; -1 without a name. */
static sib_code read_named(model_reader *r, const char *key, int32_t *id)
{
    sib_str name = {0};
    sib_code code = json_part_string(r->p, key, &name, r->err);
    *id = -1;
    if (code != SIB_OK || !name.data)
        return code;
    code = find_token(r, name, id);
    if (code == SIB_OK && *id < 0)
        return err_set(r->err, SIB_ERR_FORMAT, "%s: model/%s: '%.*s' is not in the vocabulary", r->p->file,
                       key, (int)(name.length < 64 ? name.length : 64), name.data);
    return code;
}

static sib_code read_mark(model_reader *r, const char *key, const char *otherwise, byte_buffer *out)
{
    sib_str mark = {otherwise, strlen(otherwise)};
    sib_code code = json_part_string(r->p, key, &mark, r->err);
    if (code == SIB_OK && mark.length > 100)
        return json_part_bad(r->p, SIB_ERR_UNSUPPORTED, r->err, "a prefix or suffix has more than 100 bytes");
    if (code == SIB_OK)
        buf_add(out, mark.data, mark.length, r->err);
    return code != SIB_OK ? code : out->code;
}

/* ---- BPE ------------------------------------------------------------------------------------------- */

/* "left right", or ["left", "right"]. */
static bool merge_sides(const json_t *item, sib_str *left, sib_str *right)
{
    if (json_is_array(item) && json_array_size(item) == 2) {
        const json_t *a = json_array_get(item, 0), *b = json_array_get(item, 1);
        *left = (sib_str){json_string_value(a), json_string_length(a)};
        *right = (sib_str){json_string_value(b), json_string_length(b)};
        return left->data && right->data;
    }
    const char *text = json_string_value(item);
    size_t size = json_string_length(item);
    const char *space = text ? memchr(text, ' ', size) : NULL;
    if (!space || memchr(space + 1, ' ', size - (size_t)(space + 1 - text)))
        return false;
    *left = (sib_str){text, (size_t)(space - text)};
    *right = (sib_str){space + 1, size - left->length - 1};
    return true;
}

static sib_code bad_merge(model_reader *r, size_t i, sib_str left, sib_str right, const char *words)
{
    return err_set(r->err, SIB_ERR_FORMAT, "%s: model/merges[%zu]: '%.*s' with '%.*s' %s", r->p->file, i,
                   (int)(left.length < 64 ? left.length : 64), left.data,
                   (int)(right.length < 64 ? right.length : 64), right.data, words);
}

static sib_code add_merge(model_reader *r, size_t i, sib_str left, sib_str right, byte_buffer *joined)
{
    bpe *b = &r->j->bpe;
    int32_t ids[3];
    bool again;
    size_t skip = b->not_first.n;
    if (!left.length || right.length <= skip)
        return bad_merge(r, i, left, right, "has an empty side");
    joined->n = 0;
    buf_add(joined, left.data, left.length, r->err);
    buf_add(joined, right.data + skip, right.length - skip, r->err);
    if (joined->code != SIB_OK)
        return joined->code;
    sib_str sides[3] = {left, right, {joined->data, joined->n}};
    for (int k = 0; k < 3; k++) {
        sib_code code = find_token(r, sides[k], &ids[k]);
        if (code != SIB_OK)
            return code;
        if (ids[k] < 0)
            return bad_merge(r, i, left, right,
                             k == 2 ? "gives no token of the vocabulary"
                                    : "are not both tokens of the vocabulary");
    }
    sib_code code = merges_add(&b->merges, ids[0], ids[1], (uint32_t)i, ids[2], &again, r->err);
    return code == SIB_OK && again ? bad_merge(r, i, left, right, "occurs twice") : code;
}

static sib_code read_merges(model_reader *r)
{
    json_part list = json_part_at(r->p, "merges");
    byte_buffer joined = {0};
    sib_code code = SIB_OK;
    if (!json_is_array(list.value))
        return json_part_bad(&list, SIB_ERR_FORMAT, r->err, "is not a list");
    for (size_t i = 0; i < json_array_size(list.value) && code == SIB_OK; i++) {
        sib_str left, right;
        if (!merge_sides(json_array_get(list.value, i), &left, &right)) {
            json_part item = json_part_item(&list, i);
            code = json_part_bad(&item, SIB_ERR_FORMAT, r->err, "is not a pair of tokens");
        } else {
            code = add_merge(r, i, left, right, &joined);
        }
    }
    buf_free(&joined);
    return code;
}

static sib_code read_bpe_options(model_reader *r, bool *ignore_merges)
{
    bpe *b = &r->j->bpe;
    json_part dropout = json_part_at(r->p, "dropout");
    if (dropout.value && !(json_number_value(dropout.value) == 0.0 && json_is_number(dropout.value)))
        return json_part_bad(&dropout, SIB_ERR_UNSUPPORTED, r->err, "dropout of merges is not supported");
    sib_code code = read_mark(r, "continuing_subword_prefix", "", &b->not_first);
    if (code == SIB_OK)
        code = read_mark(r, "end_of_word_suffix", "", &b->at_end);
    if (code == SIB_OK)
        code = json_part_bool(r->p, "fuse_unk", &b->fuse_unknown, r->err);
    if (code == SIB_OK)
        code = json_part_bool(r->p, "byte_fallback", &b->byte_fallback, r->err);
    return code == SIB_OK ? json_part_bool(r->p, "ignore_merges", ignore_merges, r->err) : code;
}

static sib_code read_bpe(model_reader *r)
{
    bpe *b = &r->j->bpe;
    vocab *v = &r->t->vocab;
    bool ignore_merges = false;
    sib_code code = read_bpe_options(r, &ignore_merges);
    if (code == SIB_OK)
        code = read_vocab(r);
    if (code == SIB_OK)
        code = read_merges(r);
    if (code == SIB_OK)
        code = read_named(r, "unk_token", &b->unknown);
    if (code != SIB_OK)
        return code;
    b->bytes = r->j->byte_level;
    if (b->bytes && b->byte_fallback)
        return json_part_bad(r->p, SIB_ERR_UNSUPPORTED, r->err,
                             "byte_fallback after ByteLevel is not supported");
    bpe_find_fallback(v, b->byte_ids);
    for (int i = 0; i < 256 && b->bytes; i++) {
        char byte = (char)i;
        b->byte_ids[i] = vocab_find(v, &byte, 1);
    }
    r->j->model = &b->model;
    if (!ignore_merges)
        bpe_find_cuts(b); /* a word that is a token regardless of merges stays one word */
    if (!ignore_merges)
        return pretoken_mark_direct(&b->model, v, r->err);
    for (size_t i = 0; i < v->n; i++)
        v->tokens[i].flags |= v->tokens[i].flags & TOKEN_KNOWN ? TOKEN_DIRECT : 0;
    return SIB_OK;
}

/* ---- Unigram --------------------------------------------------------------------------------------- */

/* [["piece", score], ...] */
static sib_code read_scores(model_reader *r)
{
    json_part list = json_part_at(r->p, "vocab");
    size_t n = json_array_size(list.value);
    if (!json_is_array(list.value) || !n)
        return json_part_bad(&list, SIB_ERR_FORMAT, r->err, "is not a list of pieces and scores");
    r->j->unigram.scores = mem_calloc(n, sizeof(double));
    if (!r->j->unigram.scores)
        return err_memory(r->err, n * sizeof(double), "scores");
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(list.value, i), *piece = json_array_get(item, 0),
                     *score = json_array_get(item, 1);
        json_part at = json_part_item(&list, i);
        if (!json_is_string(piece) || !json_is_number(score) || !isfinite(json_number_value(score)))
            return json_part_bad(&at, SIB_ERR_FORMAT, r->err, "is not a piece with its score");
        r->j->unigram.scores[i] = json_number_value(score);
        sib_code code =
            add_token(r, (sib_str){json_string_value(piece), json_string_length(piece)}, (int64_t)i);
        if (code != SIB_OK)
            return code;
    }
    return SIB_OK;
}

static sib_code read_unigram(model_reader *r)
{
    unigram *u = &r->j->unigram;
    int64_t unknown = -1;
    if (r->j->byte_level)
        return json_part_bad(r->p, SIB_ERR_UNSUPPORTED, r->err, "Unigram after ByteLevel is not supported");
    sib_code code = json_part_integer(r->p, "unk_id", &unknown, r->err);
    if (code == SIB_OK)
        code = json_part_bool(r->p, "byte_fallback", &u->byte_fallback, r->err);
    if (code == SIB_OK)
        code = read_scores(r);
    if (code != SIB_OK)
        return code;
    if (unknown < -1 || unknown >= (int64_t)r->t->vocab.n)
        return json_part_bad(r->p, SIB_ERR_FORMAT, r->err, "unk_id is not an id of the vocabulary");
    u->unknown = (int32_t)unknown;
    u->look_up = true;
    bpe_find_fallback(&r->t->vocab, u->byte_ids);
    r->j->model = &u->model;
    return unigram_index(u, NULL, NULL, r->err);
}

/* ---- WordPiece, WordLevel -------------------------------------------------------------------------- */

static sib_code read_wordpiece(model_reader *r)
{
    wordpiece *w = &r->j->wordpiece;
    int64_t max_characters = 100;
    if (r->j->byte_level)
        return json_part_bad(r->p, SIB_ERR_UNSUPPORTED, r->err, "WordPiece after ByteLevel is not supported");
    sib_code code = read_mark(r, "continuing_subword_prefix", "##", &w->not_first);
    if (code == SIB_OK)
        code = json_part_integer(r->p, "max_input_chars_per_word", &max_characters, r->err);
    if (code == SIB_OK && (max_characters < 0 || max_characters > 10000))
        code = json_part_bad(r->p, SIB_ERR_UNSUPPORTED, r->err,
                             "max_input_chars_per_word is not between 0 and 10000");
    if (code == SIB_OK)
        code = read_vocab(r);
    w->max_characters = (size_t)max_characters;
    r->j->model = &w->model;
    return code == SIB_OK ? read_named(r, "unk_token", &w->unknown) : code;
}

static sib_code read_wordlevel(model_reader *r)
{
    wordlevel_init(&r->j->wordpiece, &r->t->vocab);
    if (r->j->byte_level)
        return json_part_bad(r->p, SIB_ERR_UNSUPPORTED, r->err, "WordLevel after ByteLevel is not supported");
    sib_code code = read_vocab(r);
    r->j->model = &r->j->wordpiece.model;
    return code == SIB_OK ? read_named(r, "unk_token", &r->j->wordpiece.unknown) : code;
}

/* ---- SentencePiece --------------------------------------------------------------------------------- */

static sib_code read_pieces(model_reader *r)
{
    if (r->j->byte_level)
        return json_part_bad(r->p, SIB_ERR_UNSUPPORTED, r->err,
                             "SentencePiece after ByteLevel is not supported");
    sib_code code = json_object_get(r->p->value, "vocab") ? read_vocab(r) : SIB_OK;
    if (code == SIB_OK)
        code = pieces_model_open(&r->j->pieces, &r->t->vocab, r->p, r->err);
    if (code == SIB_OK)
        r->j->model = r->j->pieces->pieces.model;
    return code;
}

static const struct {
    const char *type;
    sib_code (*read)(model_reader *r);
} models[] = {{"BPE", read_bpe},
              {"Unigram", read_unigram},
              {"WordPiece", read_wordpiece},
              {"WordLevel", read_wordlevel},
              {"SentencePiece", read_pieces}};

sib_code json_model_read(sib_tokenizer *t, json_tokenizer *j, const json_part *p, sib_error *err)
{
    model_reader r = {.t = t, .j = j, .p = p, .err = err};
    const char *type = json_part_type(p);
    if (!p->value)
        return json_part_bad(p, SIB_ERR_FORMAT, err, "is missing");
    if (!*type) /* as in older files */
        type = json_object_get(p->value, "merges")                      ? "BPE"
               : json_is_array(json_object_get(p->value, "vocab"))      ? "Unigram"
               : json_object_get(p->value, "continuing_subword_prefix") ? "WordPiece"
                                                                        : "";
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        if (strcmp(type, models[i].type) == 0) {
            sib_code code = models[i].read(&r);
            buf_free(&r.bytes);
            return code;
        }
    return json_part_unknown(p, "model", type, err);
}
