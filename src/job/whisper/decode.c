#include "job/whisper/decode.h"

#include "base/alloc.h"
#include "base/cancel.h"
#include "base/error.h"
#include "base/size.h"
#include "job/whisper/letters.h"
#include "job/whisper/search.h"

#include <math.h>
#include <string.h>
#include <zlib.h>

/* ---- State shared by windows ----------------------------------------------------------------------- */

/* Cuts the prefix to its last n_text_ctx / 2 - sample_len tokens. As in openai-whisper, a difference of 0
   keeps all, and a negative one drops that many from the front. */
static void cut_prefix(whisper_decoder *d)
{
    const size_t half = d->model->n_text_ctx / 2, n = d->prefix.n;
    size_t from = 0;
    if (half > d->sample_len)
        from = n - size_min(n, half - d->sample_len);
    else
        from = size_min(n, d->sample_len - half);
    d->prefix.n = n - from;
    memmove(d->prefix.ids, d->prefix.ids + from, d->prefix.n * sizeof *d->prefix.ids);
}

sib_code whisper_decoder_make(whisper_decoder *d, const whisper_model *m, const whisper_options *o,
                              const job_watch *watch, const whisper_tokens *tokens, sib_error *err)
{
    *d = (whisper_decoder){.model = m, .options = o, .watch = watch, .tokens = tokens};
    d->sample_len = o->sample_len > 0 ? o->sample_len : m->n_text_ctx / 2;
    sib_code code = whisper_rules_make(&d->rules, tokens, o, err);
    if (code == SIB_OK && o->prefix && *o->prefix) {
        code = whisper_tokens_encode(tokens, o->prefix, &d->prefix, err);
        if (code == SIB_OK)
            cut_prefix(d);
    }
    if (code == SIB_OK && o->hotwords && *o->hotwords)
        code = whisper_tokens_encode(tokens, o->hotwords, &d->hotwords, err);
    if (code == SIB_OK) {
        d->weights = mem_alloc(m->n_vocab, sizeof *d->weights);
        if (!d->weights)
            code = err_memory(err, m->n_vocab * sizeof *d->weights, "probabilities");
    }
    if (code != SIB_OK)
        whisper_decoder_free(d);
    return code;
}

void whisper_decoder_free(whisper_decoder *d)
{
    whisper_rules_free(&d->rules);
    ids_free(&d->prefix);
    ids_free(&d->hotwords);
    mem_free(d->logits);
    mem_free(d->weights);
    d->logits = NULL;
    d->weights = NULL;
}

sib_code whisper_logits_room(whisper_decoder *d, size_t rows, sib_error *err)
{
    size_t wanted;
    if (!size_mul(rows, d->model->n_vocab, &wanted))
        return err_set(err, SIB_ERR_SIZE, "logits of %zu rows do not fit in memory", rows);
    return ARRAY_RESERVE(d->logits, d->n_logits, wanted, "logits", err);
}

/* ---- One window ------------------------------------------------------------------------------------ */

void whisper_decoded_free(whisper_decoded *r)
{
    ids_free(&r->tokens);
    mem_free(r->logprobs);
    *r = (whisper_decoded){0};
}

/* The tokens fed before sampling. *start: index of <|startoftranscript|>. */
static sib_code make_prompt(const whisper_decoder *d, const int32_t *previous, size_t n_previous,
                            token_ids *out, size_t *start, sib_error *err)
{
    const whisper_tokens *w = d->tokens;
    const size_t n_ctx = d->model->n_text_ctx, room = n_ctx / 2 - (n_ctx > 1);
    const size_t hot = size_min(d->hotwords.n, room), n_said = size_min(n_previous, room - hot);
    sib_code code = SIB_OK;
    if (hot + n_previous > 0)
        code = ids_add(out, w->sot_prev, err);
    if (code == SIB_OK)
        code = ids_append(out, d->hotwords.ids, hot, err);
    if (code == SIB_OK && n_said > 0)
        code = ids_append(out, previous + (n_previous - n_said), n_said, err);
    *start = out->n;
    if (code == SIB_OK)
        code = ids_append(out, w->start, w->n_start, err);
    if (code == SIB_OK && d->options->without_timestamps)
        code = ids_add(out, w->no_timestamps, err);
    if (code == SIB_OK)
        code = ids_append(out, d->prefix.ids, d->prefix.n, err);
    if (code == SIB_OK && out->n > n_ctx)
        code = err_set(err, SIB_ERR_ARGUMENT,
                       "prefix: with its %zu tokens the prompt has %zu, but the model's context has %zu",
                       d->prefix.n, out->n, n_ctx);
    return code;
}

/* Feeds the prompt; the first row of d->logits then predicts the next token. */
static sib_code feed_prompt(whisper_decoder *d, const token_ids *prompt, size_t start, double *no_speech_prob,
                            sib_error *err)
{
    const size_t at[2] = {start, prompt->n - 1}, n_vocab = d->model->n_vocab;
    const size_t n_at = start + 1 < prompt->n ? 2 : 1;
    sib_code code = whisper_logits_room(d, n_at, err);
    if (code == SIB_OK)
        code = d->model->step(d->model->self, 1, prompt->n, prompt->ids, n_at, at, d->logits, err);
    if (code != SIB_OK)
        return code;
    *no_speech_prob = NAN;
    if (d->tokens->no_speech >= 0)
        *no_speech_prob = exp(d->logits[d->tokens->no_speech] - whisper_log_sum(d->logits, n_vocab));
    if (n_at == 2)
        memcpy(d->logits, d->logits + n_vocab, n_vocab * sizeof *d->logits);
    return SIB_OK;
}

/* Feeds the last token of every live hypothesis. fed: number of hypotheses in the model. */
static sib_code feed_chosen(whisper_decoder *d, const whisper_search *s, size_t fed, size_t *from,
                            int32_t *last, sib_error *err)
{
    const whisper_model *m = d->model;
    bool same = fed == s->n_live;
    for (size_t i = 0; i < s->n_live; i++) {
        from[i] = s->live[i].from;
        last[i] = s->live[i].tokens[s->live[i].n - 1];
        same = same && from[i] == i;
    }
    sib_code code = same ? SIB_OK : m->reorder(m->self, s->n_live, from, err);
    if (code == SIB_OK)
        code = whisper_logits_room(d, s->n_live, err);
    if (code == SIB_OK)
        code = m->step(m->self, s->n_live, 1, last, 1, &(size_t){0}, d->logits, err);
    return code;
}

/* Samples until all have ended or the tokens are at their limit. */
static sib_code search_all(whisper_decoder *d, whisper_search *s, size_t n_prompt, size_t *from,
                           int32_t *last, sib_error *err)
{
    const size_t n_vocab = d->model->n_vocab;
    for (size_t i = 0; i < d->sample_len; i++) {
        if (d->watch && cancel_is_set(d->watch->cancel))
            return err_set(err, SIB_ERR_CANCELLED, "the transcription was cancelled");
        for (size_t k = 0; k < s->n_live; k++)
            whisper_rules_apply(&d->rules, s->live[k].tokens, s->live[k].n, d->logits + k * n_vocab);
        size_t fed = s->n_live;
        bool done;
        sib_code code = whisper_search_step(s, d->logits, &done, err);
        d->draws += s->temperature > 0;
        if (code != SIB_OK || done || n_prompt + i + 1 > d->model->n_text_ctx || i + 1 == d->sample_len)
            return code;
        code = feed_chosen(d, s, fed, from, last, err);
        if (code != SIB_OK)
            return code;
    }
    return SIB_OK;
}

/* Bytes of the text divided by the bytes that zlib makes of it. */
static sib_code compression_ratio(sib_str text, double *out, sib_error *err)
{
    uLong size = compressBound(text.length);
    unsigned char *packed = mem_alloc(size, 1);
    if (!packed)
        return err_memory(err, size, "a compressed text");
    int failed = compress(packed, &size, (const unsigned char *)text.data, text.length);
    mem_free(packed);
    if (failed != Z_OK)
        return err_set(err, SIB_ERR_MEMORY, "zlib has no memory to compress %zu bytes", text.length);
    *out = (double)text.length / (double)size;
    return SIB_OK;
}

/* Stores the best hypothesis as the result. */
static sib_code conclude(whisper_decoder *d, whisper_search *s, whisper_decoded *out, sib_error *err)
{
    const whisper_hypothesis *best;
    byte_buffer text = {0};
    sib_code code = whisper_search_best(s, &best, err);
    if (code == SIB_OK)
        code = ids_append(&out->tokens, best->tokens, best->n, err);
    if (code == SIB_OK && best->n > 0) {
        out->logprobs = mem_alloc(best->n, sizeof *out->logprobs);
        if (!out->logprobs)
            return err_memory(err, best->n * sizeof *out->logprobs, "log probabilities");
        memcpy(out->logprobs, best->logprobs, best->n * sizeof *out->logprobs);
    }
    if (code == SIB_OK)
        code =
            whisper_tokens_decode(d->tokens, best->tokens, best->n, d->tokens->timestamp_begin, &text, err);
    if (code == SIB_OK) {
        out->temperature = s->temperature;
        out->avg_logprob = best->sum / (double)(best->n + 1);
        code = compression_ratio(whisper_trim(buf_str(&text)), &out->compression_ratio, err);
    }
    buf_free(&text);
    return code;
}

sib_code whisper_decode(whisper_decoder *d, const int32_t *previous, size_t n_previous, double temperature,
                        whisper_decoded *out, sib_error *err)
{
    *out = (whisper_decoded){0};
    token_ids prompt = {0};
    whisper_search s;
    size_t start;
    sib_code code = make_prompt(d, previous, n_previous, &prompt, &start, err);
    if (code == SIB_OK)
        code = whisper_search_begin(&s, d, temperature, err);
    if (code != SIB_OK) {
        ids_free(&prompt);
        return code;
    }
    size_t *from = mem_alloc(s.width, sizeof *from);
    int32_t *last = mem_alloc(s.width, sizeof *last);
    if (!from || !last)
        code = err_memory(err, s.width * sizeof *from, "hypotheses");
    if (code == SIB_OK)
        code = feed_prompt(d, &prompt, start, &out->no_speech_prob, err);
    if (code == SIB_OK)
        code = search_all(d, &s, prompt.n, from, last, err);
    if (code == SIB_OK)
        code = conclude(d, &s, out, err);
    mem_free(from);
    mem_free(last);
    whisper_search_free(&s);
    ids_free(&prompt);
    if (code != SIB_OK)
        whisper_decoded_free(out);
    return code;
}
