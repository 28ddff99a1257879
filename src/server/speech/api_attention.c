/* POST /api/attention: what the decoder of a model that transcribes looks at in a recording, and what it finds likely. */
#include "server/handlers.h"
#include "server/http/base64.h"
#include "server/http/state.h"
#include "server/models/exchange_model.h"
#include "server/speech/recording.h"
#include "server/values/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TOKENS 4096
#define MAX_CELLS  (64u << 20)

/* What the form says. */
typedef struct attention_form {
    const part *file;
    const char *model;
    int32_t *tokens; /* (n) */
    size_t layer;
    sib_attention_request request;
} attention_form;

static bool wrong(exchange *x, const char *name, const char *expected)
{
    answer_error(x, 400, name, "%s must be %s", name, expected);
    return false;
}

/* "1 2,3" */
static bool read_tokens(exchange *x, const char *text, attention_form *f)
{
    static const char expected[] = "1 to 4096 token ids, with commas or blanks between them";
    size_t n = 0;
    free(f->tokens);
    f->tokens = malloc(MAX_TOKENS * sizeof *f->tokens);
    if (!f->tokens)
        return wrong(x, "tokens", "fewer: the server has too little memory");
    for (const char *at = text + strspn(text, ", \r\n"); *at; at += strspn(at, ", \r\n")) {
        size_t digits = strspn(at, "0123456789");
        if (!digits || digits > 9 || n == MAX_TOKENS)
            return wrong(x, "tokens", expected);
        f->tokens[n++] = (int32_t)strtol(at, NULL, 10);
        at += digits;
    }
    f->request.tokens = f->tokens;
    f->request.n_tokens = n;
    return n > 0 || wrong(x, "tokens", expected);
}

static bool read_start(exchange *x, const char *text, attention_form *f)
{
    char *end;
    f->request.start = strtod(text, &end);
    return (*text && strspn(text, "0123456789.") == strlen(text) && !*end) ||
           wrong(x, "start", "a number of seconds from 0 on");
}

static bool read_layer(exchange *x, const char *text, attention_form *f)
{
    size_t digits = strspn(text, "0123456789");
    f->layer = (size_t)strtoul(text, NULL, 10);
    return (digits && digits < 6 && !text[digits]) || wrong(x, "layer", "the number of a layer, from 0 on");
}

static bool read_task(exchange *x, const char *text, attention_form *f)
{
    f->request.translate = !strcmp(text, "translate");
    return f->request.translate || !strcmp(text, "transcribe") || wrong(x, "task", "transcribe or translate");
}

static bool read_language(exchange *x, const char *text, attention_form *f)
{
    (void)x;
    f->request.language = *text ? text : NULL;
    return true;
}

static bool read_model(exchange *x, const char *text, attention_form *f)
{
    (void)x;
    f->model = *text ? text : NULL;
    return true;
}

static const struct {
    const char *name;
    bool (*read)(exchange *x, const char *text, attention_form *f);
} fields[] = {{"model", read_model}, {"tokens", read_tokens}, {"start", read_start},
              {"layer", read_layer}, {"task", read_task},     {"language", read_language}};

static bool read_form(exchange *x, attention_form *f)
{
    const part *p;
    for (size_t k = 0; (p = exchange_part_at(x, k)); k++) {
        size_t i = 0;
        while (i < sizeof fields / sizeof *fields && strcmp(fields[i].name, p->name) != 0)
            i++;
        if (i < sizeof fields / sizeof *fields) {
            if (!fields[i].read(x, p->data.size ? p->data.data : "", f))
                return false;
        } else if (strcmp(p->name, "file") != 0 && strcmp(p->name, "recording") != 0) {
            answer_error(x, 400, p->name, "the field '%.60s' is unknown", p->name);
            return false;
        }
    }
    return f->tokens || wrong(x, "tokens", "in the form");
}

/* ---- The answer ---- */

static json_t *token_json(const sib_tokenizer *t, int32_t id, double logprob)
{
    char *text = NULL;
    size_t size = 0;
    if (sib_tokenizer_decode(t, &id, 1, false, &text, &size, NULL) != SIB_OK)
        size = 0;
    json_t *json = json_pack("{s:i, s:o, s:o}", "id", (int)id, "token", text_of_bytes(text ? text : "", size),
                             "logprob", real_json(logprob));
    sib_free(text);
    return json;
}

static json_t *tokens_json(const sib_tokenizer *t, const sib_attention *a)
{
    json_t *list = json_array();
    for (size_t i = 0; i < a->n_tokens; i++) {
        json_t *one = token_json(t, a->tokens[i], a->logprobs[i]), *top = json_array();
        for (size_t k = 0; k < SIB_ATTENTION_TOP; k++) {
            size_t at = i * SIB_ATTENTION_TOP + k;
            if (a->top[at] >= 0)
                json_array_append_new(top, token_json(t, a->top[at], a->top_logprobs[at]));
        }
        json_object_set_new(one, "top", top);
        json_array_append_new(list, one);
    }
    return list;
}

/* A byte for each share: 255 times its root, so that small ones can be told apart. NULL where memory fails. */
static json_t *cells_json(const sib_tensor *weights)
{
    size_t n = (size_t)sib_tensor_count(weights);
    const float *shares = sib_tensor_data(weights);
    unsigned char *bytes = malloc(n ? n : 1);
    for (size_t i = 0; bytes && i < n; i++)
        bytes[i] = (unsigned char)lrintf(255 * sqrtf(fminf(fmaxf(shares[i], 0), 1)));
    char *text = bytes ? base64_encode(bytes, n) : NULL;
    json_t *json = text ? json_string(text) : NULL;
    free(bytes);
    free(text);
    return json;
}

static void answer(exchange *x, const served *v, const attention_form *f, const sib_attention *a)
{
    const int64_t *dims = sib_tensor_dims(a->weights);
    answer_json(x, 200,
                json_pack("{s:f, s:f, s:I, s:I, s:I, s:I, s:o, s:o}", "start", a->start, "step", a->step,
                          "layer", (json_int_t)f->layer, "layers", (json_int_t)a->n_layers, "heads",
                          (json_int_t)a->n_heads, "positions", (json_int_t)dims[3], "tokens",
                          tokens_json(sib_job_tokenizer(v->job, 0), a), "cells", cells_json(a->weights)));
}

static void attend(exchange *x, const served *v, attention_form *f)
{
    sib_error err = SIB_ERROR_INIT;
    sib_job_info info;
    sib_tensor *audio = NULL;
    sib_attention *a = NULL;
    sib_job_get_info(v->job, &info);
    f->request.layers = &f->layer;
    f->request.n_layers = 1;
    f->request.cancel = exchange_cancel(x);
    sib_code code = recording_read(x, f->file, info.sample_rate, &audio, &err);
    if (code == SIB_OK)
        code = sib_job_attention(v->job, audio, &f->request, &a, &err);
    if (code == SIB_OK && sib_tensor_count(a->weights) > MAX_CELLS)
        code = server_fail(&err, SIB_ERR_SIZE, "the attention has %llu cells, and %u at most are answered",
                           (unsigned long long)sib_tensor_count(a->weights), MAX_CELLS);
    if (code == SIB_OK)
        answer(x, v, f, a);
    else
        answer_failure(x, &err);
    sib_attention_free(&a);
    sib_tensor_free(&audio);
}

void handle_attention(exchange *x)
{
    attention_form f = {0};
    recording *held = NULL;
    f.file = recording_given(x, &held);
    if (f.file && read_form(x, &f)) {
        served *v = exchange_model_of(x, f.model, "speech-to-text", "transcribes", NULL);
        if (v)
            attend(x, v, &f);
        catalog_release(v);
    }
    recording_release(held);
    free(f.tokens);
}
