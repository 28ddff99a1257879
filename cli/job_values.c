#include "job_values.h"

#include "files.h"
#include "model/dump.h"
#include "model/value_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Reading
   ----------------------------------------------------------------------------------------------- */

static bool bad(const char *name, const char *text, const char *expected)
{
    cli_fail("input '%s': '%.60s' is not %s", name, text, expected);
    return false;
}

/* Parses numbers separated by commas. *n: how many. Returns NULL for anything else. */
static double *read_numbers(const char *text, size_t *n)
{
    size_t commas = 0;
    for (const char *c = text; *c; c++)
        commas += *c == ',';
    double *list = cli_alloc(commas + 1, sizeof *list);
    *n = 0;
    for (const char *at = text; *at;) {
        char *end;
        list[*n] = strtod(at, &end);
        if (end == at || (*end && *end != ',')) {
            free(list);
            return NULL;
        }
        ++*n;
        at = *end ? end + 1 : end;
    }
    return list;
}

static bool read_list(const char *name, const char *text, sib_port_value *v, void **owned)
{
    size_t n;
    double *list = read_numbers(text, &n);
    if (!list)
        return bad(name, text, "a list of numbers separated by commas");
    if (v->type == SIB_PORT_NUMBERS) {
        *owned = list;
        v->numbers.data = list;
        v->numbers.n = n;
        return true;
    }
    int32_t *ids = *owned = cli_alloc(n + 1, sizeof *ids);
    bool integers = true;
    for (size_t i = 0; i < n; i++) {
        integers = integers && list[i] >= 0 && list[i] <= INT32_MAX && list[i] == floor(list[i]);
        ids[i] = integers ? (int32_t)list[i] : 0;
    }
    free(list);
    v->tokens.ids = ids;
    v->tokens.n = n;
    return integers || bad(name, text, "a list of token ids");
}

static bool read_audio(const sib_job *job, const char *path, double max_seconds, sib_tensor **out)
{
    sib_job_info info;
    sib_job_get_info(job, &info);
    sib_audio_options options = {.sample_rate = (int32_t)info.sample_rate, .max_seconds = max_seconds};
    sib_error err = SIB_ERROR_INIT;
    float *samples;
    size_t n;
    if (sib_audio_load(path, &options, &samples, &n, NULL, &err) != SIB_OK) {
        cli_fail("%s", err.message);
        return false;
    }
    int64_t dims = (int64_t)n;
    if (sib_tensor_wrap(SIB_F32, 1, &dims, NULL, samples, sib_free, samples, out, &err) == SIB_OK)
        return true;
    sib_free(samples);
    cli_fail("%s", err.message);
    return false;
}

static bool read_value(const sib_job *job, const char *name, const char *text, double max_seconds,
                       sib_port_value *v, void **owned, sib_tensor **tensor)
{
    sib_error err = SIB_ERROR_INIT;
    char *end;
    const char **one;
    switch (v->type) {
    case SIB_PORT_AUDIO:
        if (!read_audio(job, text, max_seconds, tensor))
            return false;
        v->tensor = *tensor;
        return true;
    case SIB_PORT_TENSOR:
        if (sib_npy_load(text, tensor, &err) != SIB_OK) {
            cli_fail("%s", err.message);
            return false;
        }
        v->tensor = *tensor;
        return true;
    case SIB_PORT_TEXT:
        *owned = text[0] == '@' ? file_read(text + 1, SIZE_MAX, &v->text.size) : cli_format("%s", text);
        if (text[0] != '@')
            v->text.size = strlen(text);
        v->text.data = *owned;
        return *owned != NULL;
    case SIB_PORT_TEXTS:
        one = *owned = cli_alloc(1, sizeof *one);
        *one = text;
        v->texts.data = one;
        v->texts.n = 1;
        return true;
    case SIB_PORT_NUMBER:
        v->number = strtod(text, &end);
        return (end != text && !*end) || bad(name, text, "a number");
    case SIB_PORT_FLAG:
        v->flag = !strcmp(text, "true") || !strcmp(text, "True");
        return v->flag || !strcmp(text, "false") || !strcmp(text, "False") ||
               bad(name, text, "true or false");
    case SIB_PORT_TOKENS:
    case SIB_PORT_NUMBERS:
        return read_list(name, text, v, owned);
    default:
        return bad(name, text, "a value that can be given here");
    }
}

static void make_room(job_inputs *in)
{
    if (in->n < in->room)
        return;
    size_t room = in->room ? 2 * in->room : 16;
    sib_job_value *items = cli_alloc(room, sizeof *items);
    void **owned = cli_alloc(room, sizeof *owned);
    sib_tensor **tensors = cli_alloc(room, sizeof *tensors);
    for (size_t i = 0; i < in->n; i++) {
        items[i] = in->items[i];
        owned[i] = in->owned[i];
        tensors[i] = in->tensors[i];
    }
    free(in->items);
    free(in->owned);
    free(in->tensors);
    in->room = room;
    in->items = items;
    in->owned = owned;
    in->tensors = tensors;
}

bool job_inputs_add(job_inputs *in, const sib_job *job, const char *name, const char *text)
{
    sib_job_port port;
    size_t i = 0;
    while (sib_job_input(job, i, &port) && strcmp(port.name, name))
        i++;
    if (!sib_job_input(job, i, &port)) {
        cli_fail("the job has no input '%s'; `sibyl job FILE --ports` lists them", name);
        return false;
    }
    if (port.type != SIB_PORT_TEXT && (!strcmp(text, "null") || !strcmp(text, "None")))
        return true;
    make_room(in);
    size_t at = in->n++;
    in->items[at] = (sib_job_value){port.name, {.type = port.type}};
    return read_value(job, name, text, in->max_seconds, &in->items[at].value, &in->owned[at],
                      &in->tensors[at]);
}

bool job_inputs_add_pair(job_inputs *in, const sib_job *job, const char *pair)
{
    const char *equal = strchr(pair, '=');
    if (!equal || equal == pair) {
        cli_fail("'%s': expected NAME=VALUE", pair);
        return false;
    }
    char *name = cli_format("%.*s", (int)(equal - pair), pair);
    bool done = job_inputs_add(in, job, name, equal + 1);
    free(name);
    return done;
}

bool job_inputs_add_list(job_inputs *in, const sib_job *job, const cli_list *pairs)
{
    bool done = true;
    for (size_t i = 0; i < pairs->n && done; i++)
        done = job_inputs_add_pair(in, job, pairs->items[i]);
    return done;
}

void job_inputs_free(job_inputs *in)
{
    for (size_t i = 0; i < in->n; i++) {
        free(in->owned[i]);
        sib_tensor_free(&in->tensors[i]);
    }
    free(in->items);
    free(in->owned);
    free(in->tensors);
    *in = (job_inputs){0};
}

/* ---- As JSON
   ----------------------------------------------------------------------------------------------- */

static json_t *tensor_json(const sib_tensor *t)
{
    json_t *dims = json_array();
    sib_stats s = {0};
    for (size_t i = 0; i < sib_tensor_rank(t); i++)
        json_array_append_new(dims, json_integer((json_int_t)sib_tensor_dims(t)[i]));
    sib_tensor_stats(t, &s, NULL, 0, 0, 0, NULL);
    return json_pack("{s:s, s:o, s:o, s:o, s:o}", "dtype", sib_dtype_name(sib_tensor_dtype(t)), "dims", dims,
                     "min", cli_json_number(s.min), "max", cli_json_number(s.max), "mean",
                     cli_json_number(s.mean));
}

static json_t *tokens_json(const int32_t *ids, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_integer(ids[i]));
    return list;
}

static json_t *segments_json(const sib_segment *segments, size_t n)
{
    sib_error err = SIB_ERROR_INIT;
    sib_transcript t = {"", "", segments, n};
    char *text = NULL;
    if (sib_transcript_text(&t, SIB_TRANSCRIPT_JSON, &text, NULL, &err) != SIB_OK)
        exit(cli_fail("%s", err.message));
    json_t *all = json_loads(text, 0, NULL), *list = json_incref(json_object_get(all, "segments"));
    json_decref(all);
    sib_free(text);
    return list;
}

json_t *job_value_json(const sib_port_value *v)
{
    json_t *list = json_array();
    switch (v->type) {
    case SIB_PORT_AUDIO:
    case SIB_PORT_TENSOR:
        json_decref(list);
        return tensor_json(v->tensor);
    case SIB_PORT_TOKENS:
        json_decref(list);
        return tokens_json(v->tokens.ids, v->tokens.n);
    case SIB_PORT_SEGMENTS:
        json_decref(list);
        return segments_json(v->segments.data, v->segments.n);
    case SIB_PORT_TEXT:
        json_decref(list);
        return cli_json_text(v->text.data);
    case SIB_PORT_NUMBER:
        json_decref(list);
        return cli_json_number(v->number);
    case SIB_PORT_FLAG:
        json_decref(list);
        return json_boolean(v->flag);
    case SIB_PORT_NUMBERS:
        for (size_t i = 0; i < v->numbers.n; i++)
            json_array_append_new(list, cli_json_number(v->numbers.data[i]));
        return list;
    case SIB_PORT_TEXTS:
        for (size_t i = 0; i < v->texts.n; i++)
            json_array_append_new(list, cli_json_text(v->texts.data[i]));
        return list;
    case SIB_PORT_SPANS:
        for (size_t i = 0; i < v->spans.n; i++)
            json_array_append_new(list,
                                  json_pack("{s:o, s:o}", "start", cli_json_number(v->spans.data[i].start),
                                            "end", cli_json_number(v->spans.data[i].end)));
        return list;
    case SIB_PORT_NONE:
        break;
    }
    json_decref(list);
    return json_null();
}

/* ---- Shown and written
   ------------------------------------------------------------------------------------- */

static bool is_tensor(const sib_port_value *v)
{
    return v->type == SIB_PORT_TENSOR || v->type == SIB_PORT_AUDIO;
}

void job_value_show(const char *name, const sib_port_value *v)
{
    sib_value *value = NULL;
    if (v->type == SIB_PORT_TEXT) {
        printf("%s: ", name);
        fwrite(v->text.data, 1, v->text.size, stdout);
        putchar('\n');
    } else if (is_tensor(v)) {
        sib_error err = SIB_ERROR_INIT;
        if (sib_value_from_tensor(v->tensor, &value, &err) != SIB_OK)
            exit(cli_fail("%s", err.message));
        value_show(name, value, stdout);
        sib_value_free(&value);
    } else {
        json_t *j = job_value_json(v);
        char *text = json_dumps(j, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
        printf("%s: %s\n", name, text ? text : "");
        free(text);
        json_decref(j);
    }
}

bool job_value_write(const char *folder, const char *name, const sib_port_value *v)
{
    sib_value *value = NULL;
    bool done, text = v->type == SIB_PORT_TEXT;
    char *stem = value_file_name(name);
    char *file = cli_format("%s.%s", stem, is_tensor(v) ? "npy" : text ? "txt" : "json");
    free(stem);
    if (is_tensor(v)) {
        done = sib_value_from_tensor(v->tensor, &value, NULL) == SIB_OK &&
               value_write(folder, file, name, value);
        sib_value_free(&value);
        free(file);
        return done;
    }
    char *path = file_join(folder, file);
    json_t *j = text ? NULL : job_value_json(v);
    char *words = text ? NULL : json_dumps(j, JSON_ENCODE_ANY | JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    done = text ? file_put(path, v->text.data, v->text.size) : words && file_put(path, words, strlen(words));
    free(words);
    json_decref(j);
    free(path);
    free(file);
    return done;
}
