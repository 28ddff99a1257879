/* Scores of the next tokens, and BeamSearch. */
#include "run/execute/search.h"

#include "base/alloc.h"
#include "base/error.h"
#include "tensor/tensor.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- Scores ------------------------------------------------------------------------------------------- */

void search_log_softmax(search *s)
{
    for (size_t r = 0; r < s->rows; r++) {
        float *x = s->scores + r * s->vocab, max = -INFINITY;
        double sum = 0;
        for (size_t i = 0; i < s->vocab; i++)
            max = fmaxf(max, x[i]);
        for (size_t i = 0; i < s->vocab; i++)
            sum += exp((double)x[i] - (double)max);
        // cppcheck-suppress invalidFunctionArg ; exp(max - max) is 1
        const double log_sum = log(sum) + (double)max;
        for (size_t i = 0; i < s->vocab; i++)
            x[i] = (float)((double)x[i] - log_sum);
    }
}

static bool in_vocab(const search *s, int64_t token)
{
    return token >= 0 && token < (int64_t)s->vocab;
}

/* Scores of tokens that are there already: above 0 divided, below 0 multiplied, each token once. */
static void penalize_repeated(search *s, const int32_t *text, float *x)
{
    s->stamp++;
    for (size_t i = 0; i < s->length; i++) {
        if (!in_vocab(s, text[i]) || s->seen[text[i]] == s->stamp)
            continue;
        s->seen[text[i]] = s->stamp;
        x[text[i]] = x[text[i]] < 0 ? x[text[i]] * s->repetition : x[text[i]] / s->repetition;
    }
}

/* No token that would make n tokens that are there already. */
static void ban_repeated(const search *s, const int32_t *text, float *x)
{
    const size_t n = (size_t)s->spec.no_repeat_ngram_size;
    for (size_t i = 0; n && i + n <= s->length; i++)
        if (!memcmp(text + i, text + s->length + 1 - n, (n - 1) * sizeof *text) &&
            in_vocab(s, text[i + n - 1]))
            x[text[i + n - 1]] = -FLT_MAX;
}

static void ban_masked(const search *s, const int32_t *mask, float *x)
{
    for (size_t i = 0; mask && i < s->vocab; i++)
        if (!mask[i])
            x[i] = -FLT_MAX;
}

void search_penalize(search *s)
{
    for (size_t r = 0; r < s->rows; r++) {
        float *x = s->scores + r * s->vocab;
        const int32_t *text = s->tokens + r * s->max_length;
        if (s->repetition != 1)
            penalize_repeated(s, text, x);
        ban_repeated(s, text, x);
        ban_masked(s, s->vocab_mask, x);
        if (s->prefix_mask && s->length == s->prompt)
            ban_masked(s, s->prefix_mask + r / s->beams * s->vocab, x);
        if (s->length < s->min_length && in_vocab(s, s->spec.eos_token_id))
            x[s->spec.eos_token_id] = -FLT_MAX;
    }
}

/* ---- Outputs ------------------------------------------------------------------------------------------ */

sib_code search_give(search *s, size_t i, sib_dtype dtype, size_t rank, const int64_t *dims, void **to,
                     sib_error *err)
{
    sib_tensor *t = NULL;
    sib_value *v = NULL;
    sib_code code = sib_tensor_create(dtype, rank, dims, &t, err);
    if (code != SIB_OK)
        return code;
    *to = sib_tensor_data(t);
    code = value_take_tensor(t, &v, err);
    if (code == SIB_OK)
        control_output(s->f, s->n, i, v);
    return code;
}

bool search_gives(const search *s, size_t i)
{
    return i < s->n->outputs.n && s->n->outputs.ids[i] != NO_VALUE;
}

/* ---- BeamSearch --------------------------------------------------------------------------------------- */

typedef struct candidate {
    float score;
    int32_t token;
    size_t row;
} candidate;

/* A text that has ended. */
typedef struct hypothesis {
    float score; /* over its length to the power of the penalty */
    size_t length;
    int32_t *tokens; /* [max_length] */
} hypothesis;

typedef struct beam_search {
    search s;
    float *score;      /* (rows) */
    int32_t *token;    /* (rows) */
    size_t *from;      /* (rows) */
    bool *done;        /* (batch) */
    size_t *n_ended;   /* (batch) of ended, sorted, the best first */
    hypothesis *ended; /* (rows) beams of each text */
    int32_t *text;     /* [rows, max_length] of ended */
    candidate *best;   /* (2 * beams) */
    float *steps;      /* [max_length - prompt, rows, vocab] of output `scores`, or NULL */
} beam_search;

static float by_length(const search *s, float sum, size_t length)
{
    return sum / powf((float)length, s->length_penalty);
}

/* Keeps row r as a text of b that ends here, if it is among the best. */
static void keep(beam_search *q, size_t b, size_t r, float sum)
{
    search *s = &q->s;
    hypothesis *list = q->ended + b * s->beams;
    const float score = by_length(s, sum, s->length);
    size_t at = q->n_ended[b];
    if (at == s->beams && !(score > list[at - 1].score))
        return;
    if (at == s->beams)
        at--;
    else
        q->n_ended[b]++;
    hypothesis h = list[at]; /* its memory is free */
    while (at && score > list[at - 1].score) {
        list[at] = list[at - 1];
        at--;
    }
    h.score = score;
    h.length = s->length;
    memcpy(h.tokens, s->tokens + r * s->max_length, s->length * sizeof *h.tokens);
    list[at] = h;
}

/* The best 2 * beams continuations of text b, the best first. Returns their number. */
static size_t find_best(beam_search *q, size_t b)
{
    const search *s = &q->s;
    const size_t wanted = 2 * s->beams;
    size_t n = 0;
    for (size_t r = b * s->beams; r < (b + 1) * s->beams; r++)
        for (size_t i = 0; i < s->vocab; i++) {
            const float x = s->scores[r * s->vocab + i];
            if (n == wanted && !(x > q->best[n - 1].score))
                continue;
            size_t at = n < wanted ? n++ : n - 1;
            for (; at && x > q->best[at - 1].score; at--)
                q->best[at] = q->best[at - 1];
            q->best[at] = (candidate){x, (int32_t)i, r};
        }
    return n;
}

/* Chooses the next tokens of text b. */
static void advance(beam_search *q, size_t b)
{
    search *s = &q->s;
    const size_t first = b * s->beams, n = q->done[b] ? 0 : find_best(q, b);
    size_t k = 0;
    for (size_t i = 0; i < n && k < s->beams; i++) {
        const candidate *c = &q->best[i];
        if (c->token == s->spec.eos_token_id) {
            if (i < s->beams)
                keep(q, b, c->row, c->score);
            continue;
        }
        q->score[first + k] = c->score;
        q->token[first + k] = c->token;
        q->from[first + k++] = c->row;
    }
    for (; k < s->beams; k++) {
        q->score[first + k] = 0;
        q->token[first + k] = (int32_t)s->spec.pad_token_id;
        q->from[first + k] = first;
    }
    if (n && q->n_ended[b] == s->beams)
        q->done[b] = s->spec.early_stopping ||
                     !(by_length(s, q->best[0].score, s->length) > q->ended[first + s->beams - 1].score);
}

static sib_code open_steps(beam_search *q, sib_error *err)
{
    const search *s = &q->s;
    const int64_t dims[4] = {(int64_t)(s->max_length - s->prompt), (int64_t)s->batch, (int64_t)s->beams,
                             (int64_t)s->vocab};
    void *to = NULL;
    if (!search_gives(s, 2))
        return SIB_OK;
    sib_code code = search_give(&q->s, 2, SIB_F32, 4, dims, &to, err);
    q->steps = to;
    return code;
}

static sib_code give_no_speech(search *s, sib_error *err)
{
    const int64_t dims[1] = {(int64_t)s->batch};
    void *to = NULL;
    if (!in_vocab(s, s->spec.no_speech_token_id))
        return err_set(err, SIB_ERR_ARGUMENT, "no_speech_token_id is %lld, expected a token of %zu",
                       (long long)s->spec.no_speech_token_id, s->vocab);
    sib_code code = search_give(s, 4, SIB_F32, 1, dims, &to, err);
    for (size_t b = 0; b < s->batch && code == SIB_OK; b++)
        ((float *)to)[b] = expf(s->scores[b * s->beams * s->vocab + (size_t)s->spec.no_speech_token_id]);
    return code;
}

/* One step of all texts. Returns in *all whether they are done. */
static sib_code beam_step(beam_search *q, bool *all, sib_error *err)
{
    search *s = &q->s;
    const size_t at = s->length - s->prompt;
    sib_code code = search_step(s, at ? q->from : NULL, err);
    if (code == SIB_OK && !at)
        code = open_steps(q, err);
    if (code != SIB_OK)
        return code;
    search_log_softmax(s);
    if (!at && search_gives(s, 4))
        code = give_no_speech(s, err);
    search_penalize(s);
    for (size_t i = 0; s->temperature > 0 && i < s->rows * s->vocab; i++)
        s->scores[i] /= s->temperature;
    for (size_t i = 0; i < s->rows * s->vocab; i++)
        s->scores[i] += q->score[i / s->vocab];
    if (q->steps)
        memcpy(q->steps + at * s->rows * s->vocab, s->scores, s->rows * s->vocab * sizeof *s->scores);
    *all = true;
    for (size_t b = 0; b < s->batch; b++) {
        advance(q, b);
        *all = *all && q->done[b];
    }
    search_append(s, q->from, q->token);
    return code;
}

static sib_code give_beams(beam_search *q, sib_error *err)
{
    search *s = &q->s;
    const int64_t dims[3] = {(int64_t)s->batch, (int64_t)s->returned, (int64_t)s->max_length};
    void *tokens = NULL, *scores = NULL;
    for (size_t b = 0; b < s->batch; b++)
        for (size_t k = 0; k < s->beams && !q->done[b]; k++)
            keep(q, b, b * s->beams + k, q->score[b * s->beams + k]);
    sib_code code = search_give(s, 0, SIB_I32, 3, dims, &tokens, err);
    for (size_t i = 0; code == SIB_OK && i < s->batch * s->returned; i++) {
        const hypothesis *h = &q->ended[i / s->returned * s->beams + i % s->returned];
        int32_t *to = (int32_t *)tokens + i * s->max_length;
        for (size_t t = 0; t < s->max_length; t++)
            to[t] = t < h->length ? h->tokens[t] : (int32_t)s->spec.pad_token_id;
    }
    if (code == SIB_OK)
        code = search_give(s, 1, SIB_F32, 2, dims, &scores, err);
    for (size_t i = 0; code == SIB_OK && i < s->batch * s->returned; i++)
        ((float *)scores)[i] = q->ended[i / s->returned * s->beams + i % s->returned].score;
    return code;
}

static sib_code beam_open(beam_search *q, sib_error *err)
{
    search *s = &q->s;
    int64_t beams = 1, returned = 1, processor = 0;
    s->length_penalty = s->temperature = 1;
    sib_code code = search_int(s, 3, "num_beams", 1, SEARCH_MAX_BEAMS, &beams, err);
    if (code == SIB_OK)
        code = search_int(s, 4, "num_return_sequences", 1, beams, &returned, err);
    if (code == SIB_OK)
        code = search_float(s, 5, "length_penalty", &s->length_penalty, err);
    if (code == SIB_OK)
        code = search_int(s, 11, "logits_processor", 0, 0, &processor, err);
    if (code == SIB_OK)
        code = search_float(s, 14, "temperature", &s->temperature, err);
    s->beams = (size_t)beams;
    s->returned = (size_t)returned;
    if (code == SIB_OK)
        code = search_open(s, 6, err);
    if (code != SIB_OK)
        return code;
    q->score = mem_calloc(s->rows, sizeof *q->score);
    q->token = mem_calloc(s->rows, sizeof *q->token);
    q->from = mem_calloc(s->rows, sizeof *q->from);
    q->done = mem_calloc(s->batch, sizeof *q->done);
    q->n_ended = mem_calloc(s->batch, sizeof *q->n_ended);
    q->ended = mem_calloc(s->rows, sizeof *q->ended);
    q->text = mem_calloc(s->rows * s->max_length, sizeof *q->text); /* as long as s->tokens */
    q->best = mem_calloc(2 * s->beams, sizeof *q->best);
    if (!q->score || !q->token || !q->from || !q->done || !q->n_ended || !q->ended || !q->text || !q->best)
        return err_memory(err, s->rows * s->max_length * sizeof *q->text, "a search");
    for (size_t r = 0; r < s->rows; r++) {
        q->ended[r].tokens = q->text + r * s->max_length;
        q->score[r] = r % s->beams ? -1e9f : 0; /* beams begin alike: the first alone counts */
    }
    return SIB_OK;
}

sib_code run_beam_search(frame *f, const node *n, control *c, sib_error *err)
{
    beam_search q = {.s = {.f = f, .n = n, .c = c, .spec = spec_search(n)}};
    bool all = false;
    sib_code code = beam_open(&q, err);
    while (code == SIB_OK && q.s.length < q.s.max_length && !all)
        code = beam_step(&q, &all, err);
    if (code == SIB_OK)
        code = give_beams(&q, err);
    mem_free(q.score);
    mem_free(q.token);
    mem_free(q.from);
    mem_free(q.done);
    mem_free(q.n_ended);
    mem_free(q.ended);
    mem_free(q.text);
    mem_free(q.best);
    search_close(&q.s);
    return code;
}
