/* Documents of speech recognisers other than Whisper, and of models that speak, by what their metadata say. */
#include "job/standard_inner.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool ctc_fits(const maker *k)
{
    return k->recipe[0] && !maker_has_input(k, "prediction") && maker_has_input(k, "samples") &&
           maker_metadata(k, "vocabulary") && maker_metadata(k, "blank") &&
           maker_metadata(k, "frame_samples");
}

/* Puts a list of texts that the metadata hold in JSON. */
static sib_code put_texts(const maker *k, const char *key, const char *place)
{
    json_t *texts = json_loads(maker_metadata(k, key), 0, NULL), *list = json_array(), *text;
    bool fits = json_is_array(texts);
    size_t i;
    json_array_foreach(texts, i, text)
    {
        fits = fits && json_is_string(text);
        json_array_append_new(list, fits ? maker_literal(json_string_value(text)) : json_null());
    }
    json_decref(texts);
    if (!fits) {
        json_decref(list);
        return err_set(k->err, SIB_ERR_FORMAT, "%s: '%s' in its metadata is no JSON list of texts", k->path,
                       key);
    }
    return maker_need(k, maker_put(k->doc, place, list));
}

/* What a model's metadata say as an integer, a flag, a text or in JSON, and where that stands in its document. */
typedef struct row {
    const char *key, *place;
    enum { NUMBER, FLAG, TEXT, JSON } kind;
} row;

static json_t *read_row(const row *r, const char *text)
{
    switch (r->kind) {
    case NUMBER:
        return json_integer(strtoll(text, NULL, 10));
    case FLAG:
        return json_boolean(!strcmp(text, "true"));
    case TEXT:
        return maker_literal(text);
    default:
        return json_loads(text, JSON_DECODE_ANY, NULL);
    }
}

static sib_code put_rows(const maker *k, const row *rows, size_t n)
{
    sib_code code = SIB_OK;
    for (size_t i = 0; i < n && code == SIB_OK; i++) {
        const char *text = maker_metadata(k, rows[i].key);
        json_t *json = text ? read_row(&rows[i], text) : NULL;
        if (text && !json)
            code =
                err_set(k->err, SIB_ERR_FORMAT, "%s: '%s' in its metadata is no JSON", k->path, rows[i].key);
        else if (text)
            code = maker_need(k, maker_put(k->doc, rows[i].place, json));
    }
    return code;
}

/* What documents of recognisers with outputs for frames have alike. */
static sib_code put_frames(const maker *k)
{
    static const row rows[] = {{"blank", "nodes/0/inputs/blank", NUMBER},
                               {"frame_samples", "nodes/0/inputs/frame_samples", NUMBER},
                               {"min_samples", "nodes/0/inputs/min_samples", NUMBER},
                               {"sample_rate", "nodes/0/inputs/rate", NUMBER},
                               {"sample_rate", "sample_rate", NUMBER},
                               {"word_prefix", "nodes/0/inputs/word_prefix", TEXT}};
    sib_code code = put_texts(k, "vocabulary", "nodes/0/inputs/vocabulary");
    return code == SIB_OK ? put_rows(k, rows, sizeof rows / sizeof *rows) : code;
}

sib_code ctc_make(const maker *k)
{
    static const row rows[] = {{"word_delimiter", "nodes/0/inputs/word_delimiter", TEXT},
                               {"word_separator", "nodes/0/inputs/word_separator", TEXT},
                               {"lower_case", "nodes/0/inputs/lower_case", FLAG},
                               {"clean_up", "nodes/0/inputs/clean_up", FLAG},
                               {"language", "inputs/language/default", TEXT}};
    sib_code code = put_frames(k);
    return code == SIB_OK ? put_rows(k, rows, sizeof rows / sizeof *rows) : code;
}

bool transducer_fits(const maker *k)
{
    return k->recipe[0] && maker_has_input(k, "samples") && maker_has_input(k, "prediction") &&
           maker_metadata(k, "vocabulary") && maker_metadata(k, "begin_token") &&
           maker_metadata(k, "frame_samples");
}

sib_code transducer_make(const maker *k)
{
    static const row rows[] = {{"begin_token", "nodes/0/inputs/begin", NUMBER},
                               {"n_durations", "nodes/0/inputs/durations", NUMBER},
                               {"max_symbols", "nodes/0/inputs/max_symbols", NUMBER}};
    sib_code code = put_frames(k);
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

bool steps_fits(const maker *k)
{
    return k->recipe[0] && maker_has_input(k, "tokens") && maker_has_input(k, "frame") &&
           maker_has_input(k, "kept") && maker_metadata(k, "sample_rate") && maker_metadata(k, "n_ctx");
}

sib_code steps_make(const maker *k)
{
    static const row rows[] = {
        {"sample_rate", "nodes/1/inputs/rate", NUMBER},      {"sample_rate", "sample_rate", NUMBER},
        {"n_text_ctx", "nodes/1/inputs/n_text_ctx", NUMBER}, {"n_ctx", "nodes/1/inputs/n_ctx", NUMBER},
        {"pad_token", "nodes/1/inputs/pad", NUMBER},         {"dropout", "inputs/dropout/default", JSON}};
    const sib_code code = put_rows(k, rows, sizeof rows / sizeof *rows);
    return code == SIB_OK ? maker_put_tokenizer(k, maker_metadata(k, "tokenizer")) : code;
}

bool tts_fits(const maker *k)
{
    return k->recipe[0] && maker_has_input(k, "tokens") && maker_has_input(k, "latents") &&
           maker_metadata(k, "vocabulary") && maker_metadata(k, "sample_rate");
}

/* Takes an input that the model lacks out of the call of a part, or out of the node and the document too. */
static void leave_out(const maker *k, const char *name, bool everywhere)
{
    json_t *calls = json_object_get(k->doc, "calls"), *call,
           *node = json_array_get(json_object_get(k->doc, "nodes"), 1);
    const char *part;
    if (maker_has_input(k, name))
        return;
    json_object_foreach(calls, part, call)
    {
        json_object_del(json_object_get(call, "inputs"), name);
    }
    if (everywhere) {
        json_object_del(json_object_get(node, "inputs"), name);
        json_object_del(json_object_get(k->doc, "inputs"), name);
    }
}

sib_code tts_make(const maker *k)
{
    static const row rows[] = {{"blank", "nodes/0/inputs/blank", JSON},
                               {"bare", "nodes/0/inputs/bare", JSON},
                               {"lower_case", "nodes/0/inputs/lower_case", FLAG},
                               {"skip_unknown", "nodes/0/inputs/skip_unknown", FLAG},
                               {"ascii", "nodes/0/inputs/ascii", FLAG},
                               {"phonemizer", "nodes/0/inputs/phonemizer", TEXT},
                               {"sample_rate", "nodes/1/inputs/rate", NUMBER},
                               {"sample_rate", "sample_rate", NUMBER},
                               {"n_speakers", "nodes/1/inputs/speakers", NUMBER},
                               {"speed", "inputs/speed/default", JSON},
                               {"noise_scale", "inputs/noise_scale/default", JSON},
                               {"duration_noise_scale", "inputs/duration_noise_scale/default", JSON}};
    leave_out(k, "speaker", false);
    leave_out(k, "duration_noise", true);
    sib_code code = put_texts(k, "vocabulary", "nodes/0/inputs/vocabulary");
    if (code == SIB_OK && maker_metadata(k, "replaced"))
        code = put_texts(k, "replaced", "nodes/0/inputs/replaced");
    return code == SIB_OK ? put_rows(k, rows, sizeof rows / sizeof *rows) : code;
}
