#include "job/whisper/search.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct whisper_candidate {
    double score, logprob;
    size_t from, order; /* order: in which candidates were found, which breaks ties */
    int32_t token;
} whisper_candidate;

/* ---- Memory ---------------------------------------------------------------------------------------- */

sib_code whisper_search_begin(whisper_search *s, const whisper_decoder *d, double temperature, sib_error *err)
{
    const whisper_options *o = d->options;
    const bool beams = temperature == 0 && o->beam_size > 0;
    *s = (whisper_search){.d = d, .temperature = temperature, .beams = beams};
    s->width = beams ? o->beam_size : temperature > 0 && o->best_of > 0 ? o->best_of : 1;
    s->room = size_min(d->sample_len, d->model->n_text_ctx) + 1;
    bool patient = !isnan(o->patience) && o->patience != 0;
    s->max_ended = !beams ? s->width : (size_t)rint((double)s->width * (patient ? o->patience : 1));
    s->room_ended = size_max(s->max_ended, s->width);
    s->live = mem_calloc(s->width, sizeof *s->live);
    s->next = mem_calloc(s->width, sizeof *s->next);
    s->ended = mem_calloc(s->room_ended, sizeof *s->ended);
    s->candidates = mem_alloc(beams ? s->width * (s->width + 1) : 0, sizeof *s->candidates);
    s->block = mem_alloc(2 * s->width * s->room, sizeof *s->block);
    s->logprobs = mem_alloc(2 * s->width * s->room, sizeof *s->logprobs);
    if (!s->live || !s->next || !s->ended || !s->candidates || !s->block || !s->logprobs) {
        whisper_search_free(s);
        return err_memory(err, 2 * s->width * s->room * sizeof *s->block, "hypotheses");
    }
    for (size_t i = 0; i < s->width; i++) {
        s->live[i].tokens = s->block + i * s->room;
        s->live[i].logprobs = s->logprobs + i * s->room;
        s->next[i].tokens = s->block + (s->width + i) * s->room;
        s->next[i].logprobs = s->logprobs + (s->width + i) * s->room;
    }
    s->n_live = 1;
    return SIB_OK;
}

void whisper_search_free(whisper_search *s)
{
    for (size_t i = 0; i < s->room_ended && s->ended; i++) {
        mem_free(s->ended[i].tokens);
        mem_free(s->ended[i].logprobs);
    }
    mem_free(s->live);
    mem_free(s->next);
    mem_free(s->ended);
    mem_free(s->candidates);
    mem_free(s->block);
    mem_free(s->logprobs);
    s->live = s->next = s->ended = NULL;
    s->candidates = NULL;
    s->block = NULL;
    s->logprobs = NULL;
}

static void copy_tokens(whisper_hypothesis *to, const whisper_hypothesis *from)
{
    if (from->n == 0)
        return;
    memcpy(to->tokens, from->tokens, from->n * sizeof *to->tokens);
    memcpy(to->logprobs, from->logprobs, from->n * sizeof *to->logprobs);
}

/* Stores `from`, with the sum `sum`, as ended hypothesis `at`. */
static sib_code keep_ended(whisper_search *s, size_t at, const whisper_hypothesis *from, double sum,
                           sib_error *err)
{
    whisper_hypothesis *h = &s->ended[at];
    h->tokens = mem_alloc(from->n, sizeof *h->tokens);
    h->logprobs = mem_alloc(from->n, sizeof *h->logprobs);
    if (!h->tokens || !h->logprobs) {
        mem_free(h->tokens);
        mem_free(h->logprobs);
        *h = (whisper_hypothesis){0};
        return err_memory(err, from->n * sizeof *h->logprobs, "a hypothesis");
    }
    copy_tokens(h, from);
    h->n = from->n;
    h->sum = sum;
    s->n_ended++;
    return SIB_OK;
}

/* next[at] = live[from] plus one token of this log probability. */
static void go_on(whisper_search *s, size_t at, size_t from, int32_t token, double logprob)
{
    const whisper_hypothesis *old = &s->live[from];
    whisper_hypothesis *h = &s->next[at];
    copy_tokens(h, old);
    h->tokens[old->n] = token;
    h->logprobs[old->n] = logprob;
    h->n = old->n + 1;
    h->sum = old->sum + logprob;
    h->from = from;
}

/* The hypotheses in `next` become the live ones. */
static void advance(whisper_search *s, size_t n)
{
    whisper_hypothesis *old = s->live;
    s->live = s->next;
    s->next = old;
    s->n_live = n;
}

/* Logarithm of the softmax's divisor. */
static sib_code normalizer(const whisper_search *s, const float *logits, double *out, sib_error *err)
{
    *out = whisper_log_sum(logits, s->d->model->n_vocab);
    if (isnan(*out) || *out == INFINITY)
        return err_set(err, SIB_ERR_VALUE, "the model's logits after %zu tokens hold NaN or infinity",
                       s->live[0].n);
    return SIB_OK;
}

/* Log probability, -infinity where no token is allowed. */
static double log_probability(const float *logits, int32_t token, double normalized_by)
{
    return logits[token] > -INFINITY ? logits[token] - normalized_by : -INFINITY;
}

/* ---- Samples --------------------------------------------------------------------------------------- */

static uint64_t mixed(uint64_t x)
{
    x ^= x >> 30;
    x *= UINT64_C(0xBF58476D1CE4E5B9);
    x ^= x >> 27;
    x *= UINT64_C(0x94D049BB133111EB);
    return x ^ x >> 31;
}

double whisper_draw(uint64_t seed, uint64_t step, uint64_t row)
{
    const uint64_t golden = UINT64_C(0x9E3779B97F4A7C15);
    uint64_t x = mixed(seed + golden);
    x = mixed(x + golden * (step + 1));
    x = mixed(x + golden * (row + 1));
    return (double)(x >> 11) * 0x1p-53;
}

/* Samples a token by the probabilities of the logits at a temperature above 0: the first at which the running
   sum exceeds the random number. */
static int32_t sample(const whisper_search *s, const float *logits, size_t row)
{
    const whisper_decoder *d = s->d;
    const size_t n = d->model->n_vocab;
    const double top = logits[whisper_argmax(logits, n)];
    double total = 0, passed = 0;
    size_t last = 0;
    for (size_t i = 0; i < n; i++) {
        d->weights[i] = logits[i] > -INFINITY ? exp((logits[i] - top) / s->temperature) : 0;
        total += d->weights[i];
    }
    double drawn = whisper_draw(d->options->seed, d->draws, row) * total;
    for (size_t i = 0; i < n; i++) {
        if (d->weights[i] == 0)
            continue;
        passed += d->weights[i];
        last = i;
        if (passed > drawn)
            break;
    }
    return (int32_t)last;
}

static sib_code step_samples(whisper_search *s, const float *logits, sib_error *err)
{
    const bool first = s->live[0].n == 0; /* all samples start from the same logits */
    const size_t n_vocab = s->d->model->n_vocab, n = first ? s->width : s->n_live;
    size_t going = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t from = first ? 0 : i, row = first ? i : s->live[i].row;
        const float *x = logits + from * n_vocab;
        double by;
        sib_code code = normalizer(s, x, &by, err);
        if (code != SIB_OK)
            return code;
        int32_t token = s->temperature > 0 ? sample(s, x, row) : (int32_t)whisper_argmax(x, n_vocab);
        const double logprob = log_probability(x, token, by);
        if (token == s->d->tokens->eot) {
            code = keep_ended(s, row, &s->live[from], s->live[from].sum + logprob, err);
            if (code != SIB_OK)
                return code;
            continue;
        }
        go_on(s, going, from, token, logprob);
        s->next[going++].row = row;
    }
    advance(s, going);
    return SIB_OK;
}

/* ---- Beams ----------------------------------------------------------------------------------------- */

/* The `wanted` most probable tokens of a hypothesis as candidates, the most probable first; among equals the
   lower id. */
static sib_code find_candidates(whisper_search *s, size_t from, const float *logits, size_t wanted,
                                whisper_candidate *out, sib_error *err)
{
    const size_t n = s->d->model->n_vocab;
    double by;
    sib_code code = normalizer(s, logits, &by, err);
    if (code != SIB_OK)
        return code;
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        if (found == wanted && !(logits[i] > logits[out[wanted - 1].token]))
            continue;
        size_t at = found < wanted ? found++ : wanted - 1;
        for (; at > 0 && logits[i] > logits[out[at - 1].token]; at--)
            out[at] = out[at - 1];
        out[at] = (whisper_candidate){.from = from, .token = (int32_t)i};
    }
    for (size_t i = 0; i < wanted; i++) {
        out[i].logprob = log_probability(logits, out[i].token, by);
        out[i].score = s->live[from].sum + out[i].logprob;
        out[i].order = from * wanted + i;
    }
    return SIB_OK;
}

static int by_score(const void *a, const void *b)
{
    const whisper_candidate *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static sib_code step_beams(whisper_search *s, const float *logits, sib_error *err)
{
    const size_t wanted = s->width + 1, n = s->n_live * wanted;
    sib_code code = SIB_OK;
    for (size_t i = 0; i < s->n_live && code == SIB_OK; i++)
        code =
            find_candidates(s, i, logits + i * s->d->model->n_vocab, wanted, s->candidates + i * wanted, err);
    if (code != SIB_OK)
        return code;
    qsort(s->candidates, n, sizeof *s->candidates, by_score);
    size_t going = 0;
    for (size_t i = 0; i < n && going < s->width; i++) {
        const whisper_candidate *c = &s->candidates[i];
        if (c->token != s->d->tokens->eot)
            go_on(s, going++, c->from, c->token, c->logprob);
        else if (s->n_ended < s->max_ended)
            code = keep_ended(s, s->n_ended, &s->live[c->from], c->score, err);
        if (code != SIB_OK)
            return code;
    }
    advance(s, going);
    return SIB_OK;
}

/* ---- Steps and result ------------------------------------------------------------------------------ */

sib_code whisper_search_step(whisper_search *s, const float *logits, bool *done, sib_error *err)
{
    sib_code code = s->beams ? step_beams(s, logits, err) : step_samples(s, logits, err);
    *done = s->n_ended >= s->max_ended;
    return code;
}

/* Where too few beams have ended, adds unended ones, the most probable first; among equals the later. */
static sib_code end_beams(whisper_search *s, sib_error *err)
{
    while (s->n_ended < s->width && s->n_live > 0) {
        size_t best = s->n_live - 1;
        for (size_t i = s->n_live; i-- > 0;)
            if (s->live[i].sum > s->live[best].sum)
                best = i;
        sib_code code = keep_ended(s, s->n_ended, &s->live[best], s->live[best].sum, err);
        if (code != SIB_OK)
            return code;
        whisper_hypothesis taken = s->live[best];
        s->n_live--;
        for (size_t i = best; i < s->n_live; i++)
            s->live[i] = s->live[i + 1];
        s->live[s->n_live] = taken;
    }
    return SIB_OK;
}

static double rank(const whisper_hypothesis *h, double length_penalty)
{
    if (!isnan(length_penalty))
        return h->sum / pow((5 + (double)h->n) / 6, length_penalty);
    return h->n > 0 ? h->sum / (double)h->n : -INFINITY;
}

sib_code whisper_search_best(whisper_search *s, const whisper_hypothesis **out, sib_error *err)
{
    sib_code code = SIB_OK;
    if (s->beams)
        code = end_beams(s, err);
    else
        for (size_t i = 0; i < s->n_live && code == SIB_OK; i++)
            code = keep_ended(s, s->live[i].row, &s->live[i], s->live[i].sum, err);
    *out = &s->ended[0];
    for (size_t i = 1; i < s->n_ended && code == SIB_OK; i++)
        if (rank(&s->ended[i], s->d->options->length_penalty) > rank(*out, s->d->options->length_penalty))
            *out = &s->ended[i];
    return code;
}
