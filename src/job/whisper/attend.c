#include "job/whisper/attend.h"

#include "base/error.h"
#include "base/size.h"
#include "job/whisper/options.h"

#include <math.h>

#define TOP SIB_ATTENTION_TOP

typedef struct attending {
    const whisper_model *m;
    const sib_attention_request *request;
    whisper_tokens tokens;
    token_ids text, fed; /* of text alone; all that is fed */
    float *mel, *window; /* (n_mels, n_frames) of the recording; (n_mels, frames of a window) */
    int32_t (*heads)[2]; /* (n_heads) layer and head */
    size_t n_heads;      /* of all layers that are wanted */
    size_t n_layers;     /* that are wanted */
    float *scores, *logits;
    size_t n_audio; /* positions that hold some of the recording */
    sib_attention *out;
    sib_error *err;
} attending;

static sib_code find_tokens(attending *a, const sib_tokenizer *t)
{
    const sib_attention_request *q = a->request;
    const char *language = whisper_language_code(q->language ? q->language : "en");
    if (!language)
        return err_set(
            a->err, SIB_ERR_ARGUMENT,
            "language '%.40s' is not one of Whisper's, expected a code or a name, such as en or english",
            q->language);
    sib_code code = whisper_tokens_find(&a->tokens, t, a->m, a->err);
    if (code == SIB_OK && a->m->multilingual)
        code = whisper_tokens_start(&a->tokens, language, q->translate, a->err);
    for (size_t i = 0; i < q->n_tokens && code == SIB_OK; i++)
        if (q->tokens[i] < 0 || (size_t)q->tokens[i] >= a->m->n_vocab)
            code = err_set(a->err, SIB_ERR_ARGUMENT, "token %d is out of range for the vocabulary of %zu",
                           (int)q->tokens[i], a->m->n_vocab);
        else if (q->tokens[i] < a->tokens.eot)
            code = ids_add(&a->text, q->tokens[i], a->err);
    if (code == SIB_OK && !a->text.n)
        code = err_set(a->err, SIB_ERR_ARGUMENT, "there are no tokens of text");
    return code == SIB_OK
               ? whisper_align_tokens(&a->tokens, a->m->n_text_ctx, a->text.ids, a->text.n, &a->fed, a->err)
               : code;
}

/* All heads of the layers that are wanted. */
static sib_code find_heads(attending *a)
{
    const sib_attention_request *q = a->request;
    a->n_layers = q->layers ? q->n_layers : a->m->n_text_layer;
    a->n_heads = a->n_layers * a->m->n_text_head;
    if (a->n_layers > a->m->n_text_layer)
        return err_set(a->err, SIB_ERR_ARGUMENT, "%zu layers are wanted of a decoder of %zu", a->n_layers,
                       a->m->n_text_layer);
    a->heads = mem_alloc(a->n_heads, sizeof *a->heads);
    if (!a->heads)
        return err_memory(a->err, a->n_heads * sizeof *a->heads, "heads");
    for (size_t i = 0; i < a->n_heads; i++) {
        size_t layer = i / a->m->n_text_head;
        layer = q->layers ? q->layers[layer] : layer;
        if (layer >= a->m->n_text_layer)
            return err_set(a->err, SIB_ERR_ARGUMENT, "there is no layer %zu in a decoder of %zu", layer,
                           a->m->n_text_layer);
        a->heads[i][0] = (int32_t)layer;
        a->heads[i][1] = (int32_t)(i % a->m->n_text_head);
    }
    return SIB_OK;
}

/* Encodes the window that begins at `start`, padded as in transcriptions. */
static sib_code encode(attending *a, sib_pool *pool, const float *samples, size_t n_samples)
{
    const size_t size = whisper_window_frames(a->m);
    size_t n_frames = 0;
    double start = rint(a->request->start * WHISPER_FRAME_RATE);
    sib_code code =
        whisper_features(a->m, SIB_DTYPE_UNKNOWN, pool, samples, n_samples, &a->mel, &n_frames, a->err);
    if (code != SIB_OK)
        return code;
    size_t content = n_frames - size;
    if (!(start >= 0 && start < (double)content))
        return err_set(a->err, SIB_ERR_ARGUMENT, "a window cannot begin at %g s: the recording has %g s",
                       a->request->start, (double)content / WHISPER_FRAME_RATE);
    size_t from = (size_t)start, used = size_min(size, content - from);
    a->n_audio = size_min((used + WHISPER_TOKEN_FRAMES - 1) / WHISPER_TOKEN_FRAMES, a->m->n_audio_ctx);
    a->window = mem_calloc(a->m->n_mels * size, sizeof *a->window);
    if (!a->window)
        return err_memory(a->err, a->m->n_mels * size * sizeof *a->window, "a window");
    for (size_t b = 0; b < a->m->n_mels; b++)
        memcpy(a->window + b * size, a->mel + b * n_frames + from, used * sizeof *a->window);
    return a->m->encode(a->m->self, a->window, a->err);
}

static sib_code feed(attending *a)
{
    size_t n_scores, n_logits;
    if (!size_mul(a->n_heads, a->fed.n, &n_scores) || !size_mul(n_scores, a->m->n_audio_ctx, &n_scores) ||
        !size_mul(a->fed.n, a->m->n_vocab, &n_logits))
        return err_set(a->err, SIB_ERR_SIZE, "attention of %zu heads does not fit in memory", a->n_heads);
    a->scores = mem_alloc(n_scores, sizeof *a->scores);
    a->logits = mem_alloc(n_logits, sizeof *a->logits);
    if (!a->scores || !a->logits)
        return err_memory(a->err, n_scores * sizeof *a->scores, "attention");
    return a->m->align(a->m->self, a->fed.n, a->fed.ids, a->n_heads, (const int32_t(*)[2])a->heads, a->scores,
                       a->logits, a->err);
}

/* ---- What is found ------------------------------------------------------------------------------------- */

/* The likeliest tokens of text of a row of logits (n), and their log probabilities. */
static void find_top(const float *x, size_t n, int32_t *ids, double *logprobs)
{
    double sum = whisper_log_sum(x, n);
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        size_t at = found;
        while (at && x[i] > x[ids[at - 1]])
            at--;
        if (at == TOP)
            continue;
        found += found < TOP;
        for (size_t k = found - 1; k > at; k--)
            ids[k] = ids[k - 1];
        ids[at] = (int32_t)i;
    }
    for (size_t k = 0; k < TOP; k++) {
        ids[k] = k < found ? ids[k] : -1;
        logprobs[k] = k < found ? x[ids[k]] - sum : -INFINITY;
    }
}

static sib_code fill(attending *a)
{
    sib_attention *o = a->out;
    const size_t n = a->text.n, begin = a->tokens.n_start, n_text = (size_t)a->tokens.eot;
    int64_t dims[] = {(int64_t)a->n_layers, (int64_t)a->m->n_text_head, (int64_t)n, (int64_t)a->n_audio};
    *o = (sib_attention){.n_layers = a->m->n_text_layer,
                         .n_heads = a->m->n_text_head,
                         .n_tokens = n,
                         .start = rint(a->request->start * WHISPER_FRAME_RATE) / WHISPER_FRAME_RATE,
                         .step = (double)WHISPER_TOKEN_FRAMES / WHISPER_FRAME_RATE};
    o->tokens = mem_alloc(n, sizeof *o->tokens);
    o->logprobs = mem_alloc(n, sizeof *o->logprobs);
    o->top = mem_alloc(n * TOP, sizeof *o->top);
    o->top_logprobs = mem_alloc(n * TOP, sizeof *o->top_logprobs);
    if (!o->tokens || !o->logprobs || !o->top || !o->top_logprobs)
        return err_memory(a->err, n * TOP * sizeof *o->top_logprobs, "alternatives to tokens");
    sib_code code = sib_tensor_create(SIB_F32, 4, dims, &o->weights, a->err);
    if (code != SIB_OK)
        return code;
    memcpy(o->tokens, a->text.ids, n * sizeof *o->tokens);
    for (size_t i = 0; i < n; i++) {
        const float *x = a->logits + (begin + i) * a->m->n_vocab;
        o->logprobs[i] = x[a->text.ids[i]] - whisper_log_sum(x, n_text);
        find_top(x, n_text, o->top + i * TOP, o->top_logprobs + i * TOP);
    }
    float *to = sib_tensor_data(o->weights);
    for (size_t h = 0; h < a->n_heads; h++)
        for (size_t i = 0; i < n; i++, to += a->n_audio) {
            const float *x = a->scores + (h * a->fed.n + begin + i) * a->m->n_audio_ctx;
            double sum = whisper_log_sum(x, a->n_audio);
            for (size_t f = 0; f < a->n_audio; f++)
                to[f] = (float)exp(x[f] - sum);
        }
    return SIB_OK;
}

sib_code whisper_attend(const whisper_model *m, const sib_tokenizer *t, sib_pool *pool, const float *samples,
                        size_t n_samples, const sib_attention_request *request, sib_attention *out,
                        sib_error *err)
{
    attending a = {.m = m, .request = request, .out = out, .err = err};
    sib_code code = find_tokens(&a, t);
    if (code == SIB_OK)
        code = find_heads(&a);
    if (code == SIB_OK)
        code = encode(&a, pool, samples, n_samples);
    if (code == SIB_OK)
        code = feed(&a);
    if (code == SIB_OK)
        code = fill(&a);
    mem_free(a.mel);
    mem_free(a.window);
    mem_free(a.heads);
    mem_free(a.scores);
    mem_free(a.logits);
    ids_free(&a.text);
    ids_free(&a.fed);
    return code;
}
