/* The post-processor of a tokenizer.json: the ids that it adds around a text. */
#include "text/json/json_tokenizer.h"

#include "base/error.h"

static sib_code add_known(const sib_tokenizer *t, const json_part *p, const json_t *id, token_ids *out,
                          sib_error *err)
{
    if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) >= (int64_t)t->vocab.n ||
        !vocab_token(&t->vocab, (int32_t)json_integer_value(id)))
        return json_part_bad(p, SIB_ERR_FORMAT, err, "names an id that is not in the vocabulary");
    return ids_add(out, (int32_t)json_integer_value(id), err);
}

/* ["[SEP]", 102] under `key`. */
static sib_code read_pair(const sib_tokenizer *t, const json_part *p, const char *key, token_ids *out,
                          sib_error *err)
{
    json_part at = json_part_at(p, key);
    return add_known(t, &at, json_array_get(at.value, 1), out, err);
}

/* Gets the ids of a special token of a template. */
static sib_code read_template_token(const sib_tokenizer *t, const json_part *p, const char *name,
                                    token_ids *out, sib_error *err)
{
    json_part all = json_part_at(p, "special_tokens"), entry = json_part_at(&all, name),
              ids = json_part_at(&entry, "ids");
    if (!json_is_array(ids.value))
        return json_part_bad(&entry, SIB_ERR_FORMAT, err, "has no ids");
    sib_code code = SIB_OK;
    for (size_t i = 0; i < json_array_size(ids.value) && code == SIB_OK; i++)
        code = add_known(t, &ids, json_array_get(ids.value, i), out, err);
    return code;
}

static sib_code read_template(const sib_tokenizer *t, json_tokenizer *j, const json_part *p, sib_error *err)
{
    json_part list = json_part_at(p, "single");
    bool after = false;
    sib_code code = SIB_OK;
    for (size_t i = 0; i < json_array_size(list.value) && code == SIB_OK; i++) {
        const json_t *item = json_array_get(list.value, i), *special = json_object_get(item, "SpecialToken");
        const char *name = json_string_value(json_object_get(special, "id"));
        bool text = json_object_get(item, "Sequence") != NULL;
        json_part at = json_part_item(&list, i);
        if ((!text && !name) || (text && after))
            return json_part_bad(&at, SIB_ERR_UNSUPPORTED, err,
                                 "is neither a special token nor the one text");
        if (name)
            code = read_template_token(t, p, name, after ? &j->after : &j->before, err);
        after |= text;
    }
    return code == SIB_OK && !after
               ? json_part_bad(&list, SIB_ERR_UNSUPPORTED, err, "has no place for the text")
               : code;
}

sib_code json_post_read(sib_tokenizer *t, json_tokenizer *j, const json_part *p, sib_error *err)
{
    const char *type = json_part_type(p);
    sib_code code = SIB_OK;
    if (!p->value || strcmp(type, "ByteLevel") == 0) /* it only changes offsets */
        return SIB_OK;
    if (p->depth > JSON_MAX_DEPTH)
        return json_part_bad(p, SIB_ERR_UNSUPPORTED, err, "has too many steps");
    if (strcmp(type, "Sequence") == 0) {
        json_part list = json_part_at(p, "processors");
        for (size_t i = 0; i < json_array_size(list.value) && code == SIB_OK; i++) {
            json_part item = json_part_item(&list, i);
            code = json_post_read(t, j, &item, err);
        }
        return code;
    }
    if ((j->before.n || j->after.n))
        return json_part_bad(p, SIB_ERR_UNSUPPORTED, err, "a second step that adds tokens is not supported");
    if (strcmp(type, "TemplateProcessing") == 0)
        return read_template(t, j, p, err);
    if (strcmp(type, "BertProcessing") != 0 && strcmp(type, "RobertaProcessing") != 0)
        return json_part_unknown(p, "post-processor", type, err);
    code = read_pair(t, p, "cls", &j->before, err);
    return code == SIB_OK ? read_pair(t, p, "sep", &j->after, err) : code;
}
