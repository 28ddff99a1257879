#include "import/recipe/symbols.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SYMBOLS (1 << 16)

/* Adds a text in JSON, whose reference it takes. */
static void add_json(build *b, const char *key, json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
    if (text)
        build_add_metadata_text(b, key, str_of(text));
    else
        build_fail(b, SIB_ERR_MEMORY, "%s: no memory for '%s', or it is no number", checkpoint_file(b->c, 0),
                   key);
    free(text);
    json_decref(json);
}

void symbols_add_number(build *b, const char *key, double number)
{
    add_json(b, key, json_real(number));
}

/* A flag of tokenizer_config.json. */
static bool flag_of(const json_t *config, const char *key, bool otherwise)
{
    const json_t *flag = json_object_get(config, key);
    return flag ? json_is_true(flag) : otherwise;
}

static const char *text_of(const json_t *config, const char *key)
{
    const char *text = json_string_value(json_object_get(config, key));
    return text ? text : "";
}

/* ---- Texts by id --------------------------------------------------------------------------------------- */

static json_t *texts_by_id(build *b, const json_t *vocab, int64_t n_vocab)
{
    json_t *texts = json_array(), *id;
    const char *text;
    for (int64_t i = 0; i < n_vocab; i++)
        json_array_append_new(texts, json_string(""));
    json_object_foreach((json_t *)vocab, text, id)
    {
        const json_int_t at = json_is_integer(id) ? json_integer_value(id) : -1;
        if (at >= 0 && at < n_vocab)
            json_array_set_new(texts, (size_t)at, json_string(text));
        else
            build_fail(b, SIB_ERR_FORMAT, "%s: the token of '%.40s' in its vocab.json is none of %lld",
                       checkpoint_file(b->c, 0), text, (long long)n_vocab);
    }
    return texts;
}

static void add_bare(json_t *bare, const json_t *vocab, const char *text)
{
    const json_t *id = json_object_get(vocab, text);
    if (id)
        json_array_append(bare, (json_t *)id);
}

/* Tokens that the tokenizer takes out of the text before it puts others between blanks. */
static json_t *bare_tokens(const json_t *vocab, const json_t *config)
{
    json_t *bare = json_array(), *token;
    const char *key;
    json_object_foreach(json_object_get(config, "added_tokens_decoder"), key, token)
    {
        add_bare(bare, vocab, text_of(token, "content"));
    }
    add_bare(bare, vocab, text_of(config, "pad_token"));
    add_bare(bare, vocab, text_of(config, "unk_token"));
    return bare;
}

static void add_rules(build *b, const json_t *vocab, const json_t *config, int64_t n_vocab)
{
    const bool lower = flag_of(config, "normalize", true), phonemes = flag_of(config, "phonemize", true);
    add_json(b, "vocabulary", texts_by_id(b, vocab, n_vocab));
    add_json(b, "bare", bare_tokens(vocab, config));
    add_json(b, "blank", json_integer(flag_of(config, "add_blank", true) ? 0 : -1));
    add_json(b, "lower_case", json_boolean(lower && !phonemes));
    add_json(b, "skip_unknown", json_boolean(lower && !phonemes));
    add_json(b, "ascii", json_boolean(flag_of(config, "is_uroman", false)));
    if (phonemes)
        build_add_metadata_text(b, "phonemizer", str_of("espeak (en-us)"));
    if (!strcmp(text_of(config, "language"), "ron")) /* the vocabulary has the letter with a cedilla */
        add_json(b, "replaced", json_pack("[s,s]", "\xc8\x9b", "\xc5\xa3"));
}

void symbols_add(build *b, int64_t n_vocab)
{
    json_t *vocab = build_beside(b, "vocab.json"), *config = build_beside(b, "tokenizer_config.json");
    const char *kind = text_of(config, "tokenizer_class");
    b->has_texts = true;
    if (n_vocab < 1 || n_vocab > MAX_SYMBOLS)
        build_fail(b, SIB_ERR_SIZE, "%s: a model of %lld symbols is none that can speak",
                   checkpoint_file(b->c, 0), (long long)n_vocab);
    else if (!json_is_object(vocab))
        build_fail(b, SIB_ERR_IO,
                   "%s: has no texts of its tokens: fetch vocab.json of the same model and put it next to it",
                   checkpoint_file(b->c, 0));
    else if (*kind && strcmp(kind, "VitsTokenizer") != 0)
        build_fail(b, SIB_ERR_UNSUPPORTED, "%s: its tokenizer is %.80s, and only VitsTokenizer is built",
                   checkpoint_file(b->c, 0), kind);
    if (b->code == SIB_OK)
        add_rules(b, vocab, config, n_vocab);
    json_decref(vocab);
    json_decref(config);
}
