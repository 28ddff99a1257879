/* The document of a voice that Piper exported: MODEL.onnx, and beside it MODEL.onnx.json, which says how text becomes ids. */
#include "job/standard_inner.h"

#include "base/alloc.h"
#include "base/error.h"
#include "job/exported_files.h"

#include <stdio.h>
#include <string.h>

#define MAX_SYMBOLS (1 << 16)

bool piper_fits(const maker *k)
{
    static const char *const inputs[] = {"input", "input_lengths", "scales"};
    bool fits = !k->recipe[0];
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
        fits = fits && maker_has_input(k, inputs[i]);
    return fits;
}

static const json_t *member(const json_t *config, const char *part, const char *name)
{
    return json_object_get(part ? json_object_get(config, part) : config, name);
}

/* ---- Symbols -------------------------------------------------------------------------------------------- */

/* The id of a symbol, of which there is one; -1 for none. */
static json_int_t id_of(const json_t *ids)
{
    const json_t *id = json_array_size(ids) == 1 ? json_array_get(ids, 0) : NULL;
    return json_is_integer(id) && json_integer_value(id) >= 0 && json_integer_value(id) < MAX_SYMBOLS
               ? json_integer_value(id)
               : -1;
}

/* Puts a symbol in its place of texts, or, where another has it, into replaced. */
static bool put_symbol(json_t *texts, json_t *replaced, const char *symbol, json_int_t id)
{
    while ((json_int_t)json_array_size(texts) <= id)
        if (json_array_append_new(texts, json_string("")))
            return false;
    json_t *taken = json_array_get(texts, (size_t)id);
    if (!json_string_length(taken))
        return !json_array_set_new(texts, (size_t)id, maker_literal(symbol));
    return !json_array_append_new(replaced, maker_literal(symbol)) && !json_array_append(replaced, taken);
}

static sib_code put_symbols(const maker *k, const json_t *map, json_t *texts, json_t *replaced)
{
    const char *symbol;
    json_t *ids;
    bool done = true;
    json_object_foreach((json_t *)map, symbol, ids)
    {
        const json_int_t id = id_of(ids);
        if (id < 0)
            return err_set(k->err, SIB_ERR_UNSUPPORTED,
                           "%s.json: the phoneme '%.20s' has not one id from 0 to %d in phoneme_id_map",
                           k->path, symbol, MAX_SYMBOLS - 1);
        done = done && put_symbol(texts, replaced, symbol, id);
    }
    return maker_need(k, done);
}

/* Puts phonemes that stand for others. */
static sib_code put_replaced(const maker *k, const json_t *map, json_t *replaced)
{
    const char *symbol;
    json_t *by;
    bool done = true;
    json_object_foreach((json_t *)map, symbol, by)
    {
        const char *text = json_array_size(by) == 1 ? json_string_value(json_array_get(by, 0)) : NULL;
        if (!text)
            return err_set(k->err, SIB_ERR_UNSUPPORTED,
                           "%s.json: '%.20s' of phoneme_map has not one phoneme in its place", k->path,
                           symbol);
        done = done && !json_array_append_new(replaced, maker_literal(symbol)) &&
               !json_array_append_new(replaced, maker_literal(text));
    }
    return maker_need(k, done);
}

/* How text becomes ids: behind the first, and behind each, there is a blank. */
static sib_code put_spelling(const maker *k, const json_t *config)
{
    static const char *const marks[] = {"_", "^", "$"};
    const json_t *map = json_object_get(config, "phoneme_id_map");
    json_t *texts = json_array(), *replaced = json_array();
    json_int_t ids[3];
    sib_code code = SIB_OK;
    for (size_t i = 0; i < 3; i++)
        if ((ids[i] = id_of(json_object_get(map, marks[i]))) < 0)
            code = err_set(k->err, SIB_ERR_FORMAT, "%s.json: phoneme_id_map has no id of '%s'", k->path,
                           marks[i]);
    if (code == SIB_OK)
        code = put_replaced(k, json_object_get(config, "phoneme_map"), replaced);
    if (code == SIB_OK)
        code = put_symbols(k, map, texts, replaced);
    if (code == SIB_OK)
        code = maker_need(k, maker_put(k->doc, "nodes/0/inputs/vocabulary", json_incref(texts)) &&
                                 (!json_array_size(replaced) ||
                                  maker_put(k->doc, "nodes/0/inputs/replaced", json_incref(replaced))) &&
                                 maker_put(k->doc, "nodes/0/inputs/blank", json_integer(ids[0])) &&
                                 maker_put(k->doc, "nodes/0/inputs/begin", json_pack("[I]", ids[1])) &&
                                 maker_put(k->doc, "nodes/0/inputs/end", json_pack("[I]", ids[2])));
    json_decref(replaced);
    json_decref(texts);
    return code;
}

/* What makes its phonemes of text: characters of the text, or a program. */
static sib_code put_kind(const maker *k, const json_t *config)
{
    const char *kind = json_string_value(json_object_get(config, "phoneme_type")),
               *voice = json_string_value(member(config, "espeak", "voice"));
    kind = kind ? kind : "espeak";
    if (!strcmp(kind, "text"))
        return maker_need(k, maker_put(k->doc, "nodes/0/inputs/lower_case", json_true()) &&
                                 maker_put(k->doc, "nodes/0/inputs/decomposed", json_true()));
    if (strcmp(kind, "espeak") != 0)
        return err_set(k->err, SIB_ERR_UNSUPPORTED,
                       "%s.json: phoneme_type is '%.40s', expected espeak or text", k->path, kind);
    return maker_need(k,
                      maker_put(k->doc, "nodes/0/inputs/phonemizer",
                                json_sprintf("espeak (%.40s)", voice ? voice : "of the voice's language")));
}

/* ---- Numbers -------------------------------------------------------------------------------------------- */

static sib_code put_numbers(const maker *k, const json_t *config)
{
    static const struct {
        const char *part, *name, *place;
    } rows[] = {{"audio", "sample_rate", "nodes/1/inputs/rate"},
                {"audio", "sample_rate", "sample_rate"},
                {NULL, "num_speakers", "nodes/1/inputs/speakers"},
                {"inference", "noise_scale", "inputs/noise_scale/default"},
                {"inference", "noise_w", "inputs/duration_noise_scale/default"}};
    const json_t *slower = member(config, "inference", "length_scale");
    bool done = true;
    for (size_t i = 0; i < sizeof rows / sizeof *rows && done; i++) {
        const json_t *number = member(config, rows[i].part, rows[i].name);
        done = !json_is_number(number) || maker_put(k->doc, rows[i].place, json_incref((json_t *)number));
    }
    if (done && json_is_number(slower) && json_number_value(slower) > 0)
        done = maker_put(k->doc, "inputs/speed/default", json_real(1 / json_number_value(slower)));
    return maker_need(k, done);
}

sib_code piper_make(const maker *k)
{
    const size_t size = strlen(k->path) + sizeof ".json";
    char *beside = mem_alloc(size, 1);
    json_t *config = NULL;
    sib_code code = beside ? SIB_OK : err_memory(k->err, size, "a path");
    if (code == SIB_OK) {
        snprintf(beside, size, "%s.json", k->path);
        code = exported_read_object(beside, &config, k->err);
    }
    if (code == SIB_OK && !config)
        code =
            err_set(k->err, SIB_ERR_IO,
                    "%s: says how text becomes ids, and is missing: fetch the file of this name of the same "
                    "voice",
                    beside);
    if (code == SIB_OK && !maker_has_input(k, "sid"))
        json_object_del(json_object_get(json_object_get(json_object_get(k->doc, "calls"), "model"), "inputs"),
                        "speaker");
    if (code == SIB_OK)
        code = put_spelling(k, config);
    if (code == SIB_OK)
        code = put_kind(k, config);
    if (code == SIB_OK)
        code = put_numbers(k, config);
    json_decref(config);
    mem_free(beside);
    return code;
}
