/* Documents of speech recognisers other than Whisper, by what their metadata say. */
#include "job/standard_inner.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool ctc_fits(const maker *k)
{
    return k->recipe[0] && maker_has_input(k, "samples") && maker_metadata(k, "vocabulary") &&
           maker_metadata(k, "blank") && maker_metadata(k, "frame_samples");
}

/* Texts that stand for others where a document begins with a dollar sign. */
static json_t *literal_of(const char *text)
{
    return text[0] == '$' ? json_sprintf("$%s", text) : json_string(text);
}

/* Puts the texts of the outputs. */
static sib_code put_vocabulary(const maker *k)
{
    json_t *texts = json_loads(maker_metadata(k, "vocabulary"), 0, NULL), *list = json_array(), *text;
    bool fits = json_is_array(texts);
    size_t i;
    json_array_foreach(texts, i, text)
    {
        fits = fits && json_is_string(text);
        json_array_append_new(list, fits ? literal_of(json_string_value(text)) : json_null());
    }
    json_decref(texts);
    if (!fits) {
        json_decref(list);
        return err_set(k->err, SIB_ERR_FORMAT, "%s: 'vocabulary' in its metadata is no JSON list of texts",
                       k->path);
    }
    return maker_need(k, maker_put(k->doc, "nodes/0/inputs/vocabulary", list));
}

/* What a recogniser's metadata say as a number, a flag or a text, and where that stands in its document. */
typedef struct row {
    const char *key, *place;
    enum { NUMBER, FLAG, TEXT } kind;
} row;

static sib_code put_rows(const maker *k, const row *rows, size_t n)
{
    sib_code code = SIB_OK;
    for (size_t i = 0; i < n && code == SIB_OK; i++) {
        const char *value = maker_metadata(k, rows[i].key);
        if (value)
            code = maker_need(k, maker_put(k->doc, rows[i].place,
                                           rows[i].kind == NUMBER ? json_integer(strtoll(value, NULL, 10))
                                           : rows[i].kind == FLAG ? json_boolean(!strcmp(value, "true"))
                                                                  : literal_of(value)));
    }
    return code;
}

sib_code ctc_make(const maker *k)
{
    static const row rows[] = {{"blank", "nodes/0/inputs/blank", NUMBER},
                               {"frame_samples", "nodes/0/inputs/frame_samples", NUMBER},
                               {"min_samples", "nodes/0/inputs/min_samples", NUMBER},
                               {"sample_rate", "nodes/0/inputs/rate", NUMBER},
                               {"sample_rate", "sample_rate", NUMBER},
                               {"word_delimiter", "nodes/0/inputs/word_delimiter", TEXT},
                               {"word_separator", "nodes/0/inputs/word_separator", TEXT},
                               {"word_prefix", "nodes/0/inputs/word_prefix", TEXT},
                               {"lower_case", "nodes/0/inputs/lower_case", FLAG},
                               {"clean_up", "nodes/0/inputs/clean_up", FLAG},
                               {"language", "inputs/language/default", TEXT}};
    sib_code code = put_vocabulary(k);
    return code == SIB_OK ? put_rows(k, rows, sizeof rows / sizeof *rows) : code;
}

bool seq2seq_fits(const maker *k)
{
    return k->recipe[0] && maker_has_input(k, "samples") && maker_has_input(k, "tokens") &&
           maker_has_input(k, "at") && maker_metadata(k, "target_tokens") && maker_metadata(k, "n_ctx");
}

sib_code seq2seq_make(const maker *k)
{
    static const row rows[] = {{"min_samples", "nodes/0/inputs/min_samples", NUMBER},
                               {"n_ctx", "nodes/0/inputs/n_text_ctx", NUMBER},
                               {"sample_rate", "nodes/0/inputs/rate", NUMBER},
                               {"sample_rate", "sample_rate", NUMBER}};
    static const char *const lists[] = {"target_tokens", "stop_tokens"};
    sib_code code = put_rows(k, rows, sizeof rows / sizeof *rows);
    for (size_t i = 0; i < sizeof lists / sizeof *lists && code == SIB_OK; i++) {
        char place[64];
        const char *list = maker_metadata(k, lists[i]);
        snprintf(place, sizeof place, "inputs/%s/default", lists[i]);
        if (list)
            code = maker_put_list(k, place, lists[i], list);
    }
    return code == SIB_OK ? maker_put_tokenizer(k, maker_metadata(k, "tokenizer")) : code;
}
