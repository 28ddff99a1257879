#include "import/recipe/ctc.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define MAX_VOCABULARY (1 << 20)

/* The object of a file next to the checkpoint; NULL where there is none, or after a failure. */
static json_t *read_object(build *b, const char *name)
{
    json_t *out = build_beside(b, name);
    if (!out || json_is_object(out))
        return out;
    build_fail(b, SIB_ERR_FORMAT, "%s: the %s next to it is not a JSON object", checkpoint_file(b->c, 0),
               name);
    json_decref(out);
    return NULL;
}

/* ---- Samples ------------------------------------------------------------------------------------------- */

json_t *ctc_processor(build *b)
{
    json_t *both = read_object(b, "processor_config.json"),
           *alone = read_object(b, "preprocessor_config.json"),
           *own = json_object_get(both, "feature_extractor");
    own = json_incref(own ? own : alone);
    json_decref(both);
    json_decref(alone);
    return own;
}

ctc_front ctc_read_front(build *b, bool otherwise)
{
    ctc_front f = {.rate = 16000};
    json_t *own = ctc_processor(b);
    const json_t *rate = json_object_get(own, "sampling_rate"),
                 *normalize = json_object_get(own, "do_normalize");
    if (rate)
        f.rate = json_is_integer(rate) ? json_integer_value(rate) : 0;
    f.normalize = normalize ? json_is_true(normalize) : own ? true : otherwise;
    if (f.rate < 1000 || f.rate > 384000 || (normalize && !json_is_boolean(normalize)))
        build_fail(b, SIB_ERR_FORMAT,
                   "%s: sampling_rate or do_normalize of its processor are none that a model can have",
                   checkpoint_file(b->c, 0));
    json_decref(own);
    return f;
}

/* (x - mean) / sqrt(variance + 1e-7) of each row [B, T]. */
static value_id normalized(build *b, value_id x)
{
    value_id axis = build_int(b, -1), centred = build_sub(b, x, build_2(b, "ReduceMean", x, axis)),
             variance = build_2(b, "ReduceMean", build_mul(b, centred, centred), axis);
    return build_2(b, "Div", centred, build_1(b, "Sqrt", build_add(b, variance, build_float(b, 1e-7))));
}

value_id ctc_samples(build *b, const ctc_front *f)
{
    value_id samples = build_input(b, "samples", SIB_F32, "B T");
    return f->normalize ? normalized(b, samples) : samples;
}

void ctc_add_frames(build *b, int64_t rate, int64_t frame, int64_t field)
{
    build_add_metadata_int(b, "sample_rate", rate);
    build_add_metadata_int(b, "frame_samples", frame);
    build_add_metadata_int(b, "min_samples", field);
}

/* ---- Texts --------------------------------------------------------------------------------------------- */

/* A token that a tokenizer's configuration names, as text or as an object with its content. */
static const char *token_of(const json_t *config, const char *key, const char *otherwise)
{
    const json_t *named = json_object_get(config, key);
    const char *text = json_string_value(json_is_object(named) ? json_object_get(named, "content") : named);
    return text ? text : otherwise;
}

/* The texts by id: of vocab.json, where several languages have one each the one that target_lang names, and added ones. */
static void put_texts(build *b, const json_t *vocab, const json_t *config, json_t *texts)
{
    const char *language = json_string_value(json_object_get(config, "target_lang")), *text;
    const json_t *first = json_object_iter_value(json_object_iter((json_t *)vocab));
    const size_t n = json_array_size(texts);
    json_t *id;
    if (json_is_object(first) && !(vocab = json_object_get(vocab, language ? language : "eng"))) {
        build_fail(b, SIB_ERR_FORMAT, "%s: its vocab.json has no texts of the language '%s' (target_lang)",
                   checkpoint_file(b->c, 0), language ? language : "eng");
        return;
    }
    json_object_foreach((json_t *)vocab, text, id) if (json_integer_value(id) >= 0 &&
                                                       (size_t)json_integer_value(id) < n &&
                                                       json_is_integer(id))
        json_array_set_new(texts, (size_t)json_integer_value(id), json_string(text));
    const json_t *added = json_object_get(config, "added_tokens_decoder");
    const char *number;
    json_t *token;
    json_object_foreach((json_t *)added, number, token)
    {
        char *end;
        const unsigned long at = strtoul(number, &end, 10);
        const char *content = json_string_value(json_object_get(token, "content"));
        if (*number && !*end && at < n && content)
            json_array_set_new(texts, at, json_string(content));
    }
}

/* The id of a text, -1 where it has none. */
static int64_t id_of(const json_t *texts, const char *text)
{
    for (size_t i = 0; i < json_array_size(texts); i++)
        if (!strcmp(json_string_value(json_array_get(texts, i)), text))
            return (int64_t)i;
    return -1;
}

static void check_tokenizer(build *b, const json_t *config)
{
    const char *kind = token_of(config, "tokenizer_class", "Wav2Vec2CTCTokenizer");
    if (strcmp(kind, "Wav2Vec2CTCTokenizer") != 0)
        build_fail(b, SIB_ERR_UNSUPPORTED,
                   "%s: its tokenizer is %.80s; of tokenizers for CTC only Wav2Vec2CTCTokenizer is built",
                   checkpoint_file(b->c, 0), kind);
}

static void add_flag(build *b, const char *key, const json_t *flag)
{
    build_add_metadata(b, key, "%s", json_is_true(flag) ? "true" : "false");
}

/* The texts by id, and which is the blank's. */
static void add_list(build *b, const json_t *texts, int64_t blank)
{
    char *list = json_dumps(texts, JSON_COMPACT);
    if (!list)
        build_fail(b, SIB_ERR_MEMORY, "no memory for a vocabulary");
    else
        build_add_metadata_text(b, "vocabulary", str_of(list));
    build_add_metadata_int(b, "blank", blank);
    free(list);
}

static void add_texts(build *b, const json_t *vocab, const json_t *config, int64_t n_vocab)
{
    json_t *texts = json_array();
    const char *unknown = token_of(config, "unk_token", "<unk>"),
               *pad = token_of(config, "pad_token", "<pad>"),
               *language = json_string_value(json_object_get(config, "target_lang"));
    for (int64_t i = 0; i < n_vocab; i++)
        json_array_append_new(texts, json_string(unknown));
    put_texts(b, vocab, config, texts);
    int64_t blank = id_of(texts, pad);
    if (blank < 0)
        build_fail(b, SIB_ERR_FORMAT, "%s: its vocab.json lacks '%.60s', which stands for no output",
                   checkpoint_file(b->c, 0), pad);
    add_list(b, texts, blank);
    build_add_metadata_text(b, "word_delimiter", str_of(token_of(config, "word_delimiter_token", "|")));
    build_add_metadata_text(b, "word_separator",
                            str_of(token_of(config, "replace_word_delimiter_char", " ")));
    add_flag(b, "lower_case", json_object_get(config, "do_lower_case"));
    add_flag(b, "clean_up", json_object_get(config, "clean_up_tokenization_spaces"));
    if (language)
        build_add_metadata_text(b, "language", str_of(language));
    json_decref(texts);
}

/* The texts of a tokenizer.json with a decoder for CTC, whose names go to config where that has none. A new reference; NULL
   where there is no such file. */
static json_t *read_tokenizer(build *b, json_t *config)
{
    static const char *const names[][2] = {{"pad_token", "pad_token"},
                                           {"word_delimiter_token", "word_delimiter_token"},
                                           {"cleanup", "clean_up_tokenization_spaces"}};
    json_t *file = read_object(b, "tokenizer.json"), *added = json_object_get(file, "added_tokens"), *token;
    const json_t *decoder = json_object_get(file, "decoder"), *model = json_object_get(file, "model");
    const char *kind = token_of(decoder, "type", "");
    json_t *vocab = json_incref(json_object_get(model, "vocab"));
    size_t i;
    if (file && (strcmp(kind, "CTC") != 0 || !json_is_object(vocab)))
        build_fail(
            b, SIB_ERR_UNSUPPORTED,
            "%s: the tokenizer.json next to it has no texts by number and a decoder for CTC, but '%.60s'",
            checkpoint_file(b->c, 0), kind);
    for (i = 0; decoder && i < sizeof names / sizeof *names; i++)
        if (!json_object_get(config, names[i][1]))
            json_object_set(config, names[i][1], json_object_get(decoder, names[i][0]));
    json_array_foreach(added, i, token)
    {
        const char *text = json_string_value(json_object_get(token, "content"));
        if (text && json_is_object(vocab))
            json_object_set(vocab, text, json_object_get(token, "id"));
    }
    json_decref(file);
    return vocab;
}

void ctc_add_vocabulary(build *b, int64_t n_vocab)
{
    json_t *vocab = read_object(b, "vocab.json"), *config = read_object(b, "tokenizer_config.json");
    b->has_texts = true;
    config = config ? config : json_object();
    vocab = vocab || b->code != SIB_OK ? vocab : read_tokenizer(b, config);
    if (n_vocab < 1 || n_vocab > MAX_VOCABULARY)
        build_fail(b, SIB_ERR_SIZE, "%s: a head of %lld outputs is none that a recogniser can have",
                   checkpoint_file(b->c, 0), (long long)n_vocab);
    else if (!vocab)
        build_fail(
            b, SIB_ERR_IO,
            "%s: has no texts of its outputs: fetch vocab.json of the same model and put it next to it",
            checkpoint_file(b->c, 0));
    check_tokenizer(b, config);
    if (b->code == SIB_OK)
        add_texts(b, vocab, config, n_vocab);
    json_decref(vocab);
    json_decref(config);
}

/* ---- Pieces -------------------------------------------------------------------------------------------- */

#define WORD_BEGINS "\xe2\x96\x81"

/* Puts a text in its place, if it is one of n. */
static void put_piece(json_t *texts, int64_t id, const json_t *piece)
{
    if (json_is_string(piece) && id >= 0 && (size_t)id < json_array_size(texts))
        json_array_set(texts, (size_t)id, (json_t *)piece);
}

/* Of a vocabulary by text, or a list of pairs of a text and a score. */
static void put_pieces(json_t *texts, const json_t *vocab)
{
    const char *text;
    json_t *id, *pair;
    size_t i;
    json_object_foreach((json_t *)vocab, text, id)
    {
        json_t *piece = json_string(text);
        put_piece(texts, json_is_integer(id) ? json_integer_value(id) : -1, piece);
        json_decref(piece);
    }
    json_array_foreach(vocab, i, pair)
    {
        put_piece(texts, (int64_t)i, json_array_get(pair, 0));
    }
}

/* Of tokens that were added, special ones are not shown. */
static void put_added(json_t *texts, const json_t *added, const json_t *hidden)
{
    const json_t *token;
    size_t i;
    json_array_foreach(added, i, token)
    {
        const json_t *id = json_object_get(token, "id");
        const bool special = json_is_true(json_object_get(token, "special"));
        put_piece(texts, json_is_integer(id) ? json_integer_value(id) : -1,
                  special ? hidden : json_object_get(token, "content"));
    }
}

void ctc_add_pieces(build *b, int64_t n_vocab, int64_t blank)
{
    json_t *file = read_object(b, "tokenizer.json"), *texts = json_array(), *hidden = json_string("<blank>");
    const json_t *vocab = json_object_get(json_object_get(file, "model"), "vocab"), *text;
    size_t i, beginnings = 0;
    b->has_texts = true;
    if (n_vocab < 1 || n_vocab > MAX_VOCABULARY || blank < 0 || blank >= n_vocab)
        build_fail(b, SIB_ERR_FORMAT, "%s: a head of %lld outputs, of which %lld is the blank, is none",
                   checkpoint_file(b->c, 0), (long long)n_vocab, (long long)blank);
    for (int64_t n = 0; b->code == SIB_OK && n < n_vocab; n++)
        json_array_append(texts, hidden);
    put_pieces(texts, vocab);
    put_added(texts, json_object_get(file, "added_tokens"), hidden);
    put_piece(texts, blank, hidden);
    json_array_foreach(texts, i, text)
    {
        beginnings += !strncmp(json_string_value(text), WORD_BEGINS, strlen(WORD_BEGINS));
    }
    if (b->code == SIB_OK && !beginnings)
        build_fail(
            b, SIB_ERR_IO,
            "%s: has no texts of its outputs: put the tokenizer.json of the same model next to it, with "
            "pieces of which those that begin words begin with U+2581",
            checkpoint_file(b->c, 0));
    if (b->code == SIB_OK) {
        add_list(b, texts, blank);
        build_add_metadata_text(b, "word_prefix", str_of(WORD_BEGINS));
        build_add_metadata_text(b, "word_delimiter", str_of("<blank>"));
    }
    json_decref(hidden);
    json_decref(texts);
    json_decref(file);
}
