/* Pieces in a JSON document, which begins with its kind:

       {"kind": "pieces", "model": "bpe", "pieces": ["<unk>", "<s>", ...], "scores": [0, 0, -1.5, ...],
        "types": [2, 3, 1, ...], "merges": [], "pre": "gpt-2", "add_space_prefix": true,
        "remove_extra_whitespaces": false}

   "types", "merges", "pre" and the last two may be omitted. Types are 1 normal, 2 unknown, 3 control,
   4 user-defined, 5 unused, 6 byte. */
#include "text/pieces/build.h"
#include "text/steps/json_part.h"

#include "base/alloc.h"
#include "base/error.h"

typedef struct lists {
    sib_str *pieces, *merges;
    double *scores;
    int32_t *types;
} lists;

static sib_code read_strings(const json_part *p, sib_str **out, size_t *n, sib_error *err)
{
    *n = json_array_size(p->value);
    *out = mem_alloc(*n, sizeof **out);
    if (!*out)
        return err_memory(err, *n * sizeof **out, "pieces");
    for (size_t i = 0; i < *n; i++) {
        const json_t *s = json_array_get(p->value, i);
        json_part at = json_part_item(p, i);
        if (!json_is_string(s))
            return json_part_bad(&at, SIB_ERR_FORMAT, err, "is not a string");
        (*out)[i] = (sib_str){json_string_value(s), json_string_length(s)};
    }
    return SIB_OK;
}

/* Checks a list of as many numbers as there are pieces, which may be omitted. */
static sib_code check_numbers(const json_part *p, size_t n, bool integers, sib_error *err)
{
    if (json_array_size(p->value) != n)
        return json_part_bad(p, SIB_ERR_FORMAT, err, "must have as many items as there are pieces");
    for (size_t i = 0; i < n; i++) {
        const json_t *x = json_array_get(p->value, i);
        json_part at = json_part_item(p, i);
        if (integers ? !json_is_integer(x) || json_integer_value(x) < 0 || json_integer_value(x) > 255
                     : !json_is_number(x))
            return json_part_bad(&at, SIB_ERR_FORMAT, err, "is not a number or out of range");
    }
    return SIB_OK;
}

static sib_code read_numbers(const json_part *p, pieces_source *s, lists *l, sib_error *err)
{
    json_part scores = json_part_at(p, "scores"), types = json_part_at(p, "types");
    sib_code code = scores.value ? check_numbers(&scores, s->n, false, err) : SIB_OK;
    if (code == SIB_OK && types.value)
        code = check_numbers(&types, s->n, true, err);
    if (code != SIB_OK)
        return code;
    l->scores = mem_calloc(s->n, sizeof *l->scores);
    l->types = mem_calloc(s->n, sizeof *l->types);
    if (!l->scores || !l->types)
        return err_memory(err, s->n * sizeof *l->scores, "scores");
    for (size_t i = 0; i < s->n; i++) {
        l->scores[i] = json_number_value(json_array_get(scores.value, i));
        l->types[i] = (int32_t)json_integer_value(json_array_get(types.value, i));
    }
    s->scores = scores.value ? l->scores : NULL;
    s->types = types.value ? l->types : NULL;
    return SIB_OK;
}

static sib_code read_lists(const json_part *p, pieces_source *s, lists *l, sib_error *err)
{
    json_part all = json_part_at(p, "pieces"), pairs = json_part_at(p, "merges");
    sib_str model = {0}, pre = {0};
    sib_code code = json_part_string(p, "model", &model, err);
    if (code == SIB_OK)
        code = json_part_string(p, "pre", &pre, err);
    if (code == SIB_OK)
        code = json_part_bool(p, "add_space_prefix", &s->add_space_prefix, err);
    if (code == SIB_OK)
        code = json_part_bool(p, "remove_extra_whitespaces", &s->remove_extra_whitespaces, err);
    if (code == SIB_OK)
        code = read_strings(&all, &l->pieces, &s->n, err);
    if (code == SIB_OK)
        code = read_strings(&pairs, &l->merges, &s->n_merges, err);
    if (code == SIB_OK)
        code = read_numbers(p, s, l, err);
    s->model = model.data ? model.data : "";
    s->pre = pre.data;
    s->pieces = l->pieces;
    s->merges = l->merges;
    return code;
}

sib_code pieces_open_json(sib_tokenizer *t, const text_source *source, sib_error *err)
{
    json_t *document;
    json_part p;
    lists l = {0};
    pieces_source s = {.name = source->name, .add_space_prefix = true};
    sib_code code = json_part_parse(source->name, source->bytes, &document, &p, err);
    if (code != SIB_OK)
        return code;
    code = read_lists(&p, &s, &l, err);
    if (code == SIB_OK)
        code = pieces_open(t, &s, err);
    mem_free(l.pieces);
    mem_free(l.merges);
    mem_free(l.scores);
    mem_free(l.types);
    json_decref(document);
    return code;
}
