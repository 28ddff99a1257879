/* The added tokens of classes over SentencePiece. */
#include "import/sentencepiece_parts.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Adds a token with an id; left: it takes the spaces before it. */
static sib_code add_token(pieces_document *d, const char *name, int64_t id, bool left)
{
    json_t *a = json_pack("{s:I, s:s, s:b, s:b, s:b, s:b, s:b}", "id", (json_int_t)id, "content", name,
                          "single_word", 0, "lstrip", (int)left, "rstrip", 0, "normalized", 0, "special", 1);
    return a && !json_array_append_new(d->added, a) ? SIB_OK : pieces_no_memory(d);
}

/* Adds one that is not there yet, with the next id where no piece is this token. */
static sib_code add_new(pieces_document *d, const char *name, bool left)
{
    const size_t before = json_array_size(d->added);
    for (size_t i = 0; i < before; i++)
        if (!strcmp(json_string_value(json_object_get(json_array_get(d->added, i), "content")), name))
            return SIB_OK;
    const int64_t id = pieces_id(d, name);
    return add_token(d, name, id >= 0 ? id : d->next++, left);
}

/* "added_tokens_decoder": tokens with all that is to be said of them, by id. */
static sib_code take_decoder(pieces_document *d, json_t *given)
{
    const char *key;
    json_t *item;
    json_object_foreach(given, key, item)
    {
        char *end;
        const long long id = strtoll(key, &end, 10);
        if (*end || id < 0 || !json_is_string(json_object_get(item, "content")))
            return err_set(
                d->err, SIB_ERR_FORMAT,
                "%s: '%.64s' of added_tokens_decoder in tokenizer_config.json is no token with an id",
                d->path, key);
        json_t *a = json_deep_copy(item);
        if (!a || json_object_set_new(a, "id", json_integer(id)) || json_array_append_new(d->added, a))
            return pieces_no_memory(d);
    }
    return SIB_OK;
}

/* T5's tokens of masked text, from the last id down. */
static sib_code add_sentinels(pieces_document *d)
{
    const json_t *given = json_object_get(d->config, "extra_ids");
    const int64_t n = given ? json_integer_value(given) : 100;
    sib_code code = SIB_OK;
    if (n < 0 || n > 10000)
        return err_set(d->err, SIB_ERR_FORMAT,
                       "%s: extra_ids in tokenizer_config.json is not between 0 and 10000", d->path);
    for (int64_t i = 0; i < n && code == SIB_OK; i++) {
        char name[32];
        snprintf(name, sizeof name, "<extra_id_%lld>", (long long)i);
        const int64_t id = pieces_id(d, name);
        code = add_token(d, name, id >= 0 ? id : d->next + n - 1 - i, false);
    }
    return code;
}

/* The name of a token under a key, which may be an object; NULL. */
const char *pieces_token_name(const pieces_document *d, const char *key)
{
    const json_t *of[] = {json_object_get(d->config, key), json_object_get(d->special, key)};
    for (size_t i = 0; i < 2; i++) {
        const json_t *content = json_object_get(of[i], "content");
        if (json_is_string(content) || json_is_string(of[i]))
            return json_string_value(json_is_string(of[i]) ? of[i] : content);
    }
    return NULL;
}

/* The tokens of languages, and others of the list. */
static sib_code add_listed(pieces_document *d)
{
    static const char key[] = "additional_special_tokens";
    const json_t *list = json_object_get(d->config, key);
    sib_code code = SIB_OK;
    if (!json_array_size(list))
        list = json_object_get(d->special, key);
    for (size_t i = 0; i < json_array_size(list) && code == SIB_OK; i++) {
        const json_t *item = json_array_get(list, i), *content = json_object_get(item, "content");
        const char *name = json_string_value(json_is_string(item) ? item : content);
        if (name && *name)
            code = add_new(d, name, false);
    }
    return code;
}

/* ">>fr<<" of Marian's vocabulary: found at once, but no token that is left out of texts. */
static sib_code add_languages(pieces_document *d)
{
    const char *name;
    json_t *id;
    json_object_foreach(d->vocab, name, id)
    {
        const size_t n = strlen(name);
        if (n <= 4 || strncmp(name, ">>", 2) != 0 || strcmp(name + n - 2, "<<") != 0)
            continue;
        sib_code code = add_token(d, name, json_integer_value(id), false);
        if (code != SIB_OK)
            return code;
    }
    return SIB_OK;
}

/* Tokens that transformers adds where the folder lists none. */
static sib_code add_usual(pieces_document *d)
{
    static const char *const kinds[] = {"bos_token", "eos_token", "unk_token",
                                        "pad_token", "cls_token", "sep_token"},
                             *const usual[] = {"<s>", "</s>", "<unk>", "<pad>", "[CLS]", "[SEP]"};
    sib_code code = SIB_OK;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && code == SIB_OK; i++) {
        const char *name = pieces_token_name(d, kinds[i]);
        if (name || pieces_id(d, usual[i]) >= 0)
            code = add_new(d, name ? name : usual[i], false);
    }
    if (code == SIB_OK && !strcmp(d->rule->name, "T5Tokenizer"))
        code = add_sentinels(d);
    else if (code == SIB_OK)
        code = add_listed(d);
    const char *mask = pieces_token_name(d, "mask_token");
    return code == SIB_OK && d->rule->mask ? add_new(d, mask ? mask : d->rule->mask, true) : code;
}

/* Those of added_tokens.json, {"name": id}. */
static sib_code add_more(pieces_document *d)
{
    json_t *more = NULL, *id;
    const char *name;
    sib_code code = pieces_read_beside(d, "added_tokens.json", &more);
    json_object_foreach(more, name, id)
    {
        bool known = code != SIB_OK;
        for (size_t i = 0; i < json_array_size(d->added); i++)
            known |= json_integer_value(json_object_get(json_array_get(d->added, i), "id")) ==
                     json_integer_value(id);
        if (!known && json_is_integer(id))
            code = add_token(d, name, json_integer_value(id), false);
    }
    json_decref(more);
    return code;
}

sib_code pieces_make_added(pieces_document *d)
{
    json_t *given = json_object_get(d->config, "added_tokens_decoder");
    sib_code code = json_object_size(given) ? take_decoder(d, given) : add_usual(d);
    if (code == SIB_OK && !json_object_size(given))
        code = add_more(d);
    return code == SIB_OK && d->rule->ids == IDS_OF_VOCAB && !d->rule->language ? add_languages(d) : code;
}
