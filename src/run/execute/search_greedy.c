/* GreedySearch and Sampling: one text for each row, which grows by the best or by a drawn token. */
#include "base/alloc.h"
#include "base/error.h"
#include "run/execute/search.h"
#include "tensor/tensor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A token of row r by s->scores, which it may change. */
typedef int32_t choose_fn(search *s, size_t r, void *state);

/* A token for each row; after the end of its text the padding. Returns whether all have ended. */
static bool choose(search *s, choose_fn *of_row, void *state, bool *ended, int32_t *token)
{
    bool all = true;
    for (size_t r = 0; r < s->rows; r++) {
        const int32_t chosen = of_row(s, r, state);
        ended[r] = ended[r] || chosen == s->spec.eos_token_id;
        token[r] = ended[r] ? (int32_t)s->spec.pad_token_id : chosen;
        all = all && ended[r];
    }
    return all;
}

static sib_code give_texts(search *s, sib_error *err)
{
    const int64_t dims[2] = {(int64_t)s->batch, (int64_t)s->max_length};
    void *to = NULL;
    sib_code code = search_give(s, 0, SIB_I32, 2, dims, &to, err);
    for (size_t i = 0; code == SIB_OK && i < s->rows * s->max_length; i++)
        ((int32_t *)to)[i] = i % s->max_length < s->length ? s->tokens[i] : (int32_t)s->spec.pad_token_id;
    return code;
}

/* Searches from the first step to the output. */
static sib_code search_rows(search *s, choose_fn *of_row, void *state, sib_error *err)
{
    bool *ended = mem_calloc(s->rows, sizeof *ended), all = false;
    int32_t *token = mem_calloc(s->rows, sizeof *token);
    sib_code code = SIB_OK;
    if (!ended || !token) {
        mem_free(ended);
        mem_free(token);
        return err_memory(err, s->rows * sizeof *token, "a search");
    }
    while (code == SIB_OK && s->length < s->max_length && !all) {
        code = search_step(s, NULL, err);
        if (code != SIB_OK)
            break;
        search_penalize(s);
        all = choose(s, of_row, state, ended, token);
        search_append(s, NULL, token);
    }
    if (code == SIB_OK)
        code = give_texts(s, err);
    mem_free(ended);
    mem_free(token);
    return code;
}

/* ---- GreedySearch ------------------------------------------------------------------------------------- */

static int32_t choose_best(search *s, size_t r, void *state)
{
    const float *x = s->scores + r * s->vocab;
    size_t best = 0;
    (void)state;
    for (size_t i = 1; i < s->vocab; i++)
        best = x[i] > x[best] ? i : best;
    return (int32_t)best;
}

sib_code run_greedy_search(frame *f, const node *n, control *c, sib_error *err)
{
    search s = {.f = f, .n = n, .c = c, .spec = spec_search(n), .beams = 1};
    sib_code code = search_open(&s, 3, err);
    if (code == SIB_OK)
        code = search_rows(&s, choose_best, NULL, err);
    search_close(&s);
    return code;
}

/* ---- Sampling ----------------------------------------------------------------------------------------- */

typedef struct sampling {
    sampling_spec spec;
    uint32_t state; /* of the generator */
} sampling;

/* Uniform in [0, 1). onnxruntime's draws: minstd_rand0 (Lewis, Goodman & Miller 1969) as C++'s
   std::uniform_real_distribution<double> reads it in libstdc++, two numbers a draw, the low one first. */
static double draw(uint32_t *state)
{
    const double range = 2147483646;
    double sum = 0, unit = 1;
    for (int i = 0; i < 2; i++, unit *= range) {
        *state = (uint32_t)((uint64_t)*state * 16807 % 2147483647);
        sum += (double)(*state - 1) * unit;
    }
    return fmin(sum / unit, nextafter(1, 0));
}

static int compare_ranked(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? -1 : 1;
    return x->token < y->token ? -1 : x->token > y->token;
}

/* Leaves out all but the most probable tokens, whose probabilities sum up to top_p. `custom` counts them from the most
   probable on, and keeps the one that passes top_p and, unlike the other, those that are behind one which only reaches
   it; the other counts from the least probable on, and keeps min_tokens_to_keep. The most probable one always stays. */
static void filter(const sampling_spec *spec, ranked *sorted, float *x, size_t vocab)
{
    const size_t kept = spec->min_tokens_to_keep < 1 ? 1 : (size_t)spec->min_tokens_to_keep;
    const double top_p = (double)spec->top_p;
    double sum = 0, total = 0;
    for (size_t i = 0; i < vocab; i++)
        sorted[i] = (ranked){x[i], (int32_t)i};
    qsort(sorted, vocab, sizeof *sorted, compare_ranked);
    const double max = (double)sorted[vocab - 1].score;
    for (size_t i = 0; i < vocab; i++)
        total += exp((double)sorted[i].score - max);
    if (spec->custom) {
        for (size_t i = vocab - 1; i > 0; i--) {
            sum += exp((double)sorted[i].score - max);
            if (sum > top_p * total)
                x[sorted[i - 1].token] = spec->filter_value;
        }
        return;
    }
    for (size_t i = 0; i + kept < vocab; i++) {
        sum += exp((double)sorted[i].score - max);
        if (sum <= (1 - top_p) * total)
            x[sorted[i].token] = spec->filter_value;
    }
}

/* The first token at which the running sum of e^score passes a drawn part of all. */
static int32_t draw_token(sampling *q, const float *x, size_t vocab)
{
    double max = -INFINITY, total = 0, sum = 0;
    size_t last = 0;
    for (size_t i = 0; i < vocab; i++)
        max = isfinite(x[i]) ? fmax(max, (double)x[i]) : max;
    for (size_t i = 0; i < vocab; i++)
        if (isfinite(x[i]))
            total += exp((double)x[i] - max);
    const double wanted = draw(&q->state) * total;
    for (size_t i = 0; i < vocab; i++) {
        if (!isfinite(x[i]))
            continue;
        last = i;
        sum += exp((double)x[i] - max);
        if (sum > wanted)
            break;
    }
    return (int32_t)last;
}

static int32_t choose_drawn(search *s, size_t r, void *state)
{
    sampling *q = state;
    float *x = s->scores + r * s->vocab;
    for (size_t i = 0; i < s->vocab; i++) {
        if (q->spec.temperature > 0)
            x[i] /= q->spec.temperature;
        if (s->presence_mask)
            x[i] -= (float)s->presence_mask[r * s->vocab + i] * q->spec.presence_penalty;
    }
    filter(&q->spec, s->sorted, x, s->vocab);
    return draw_token(q, x, s->vocab);
}

/* The scores that the last step drew from. */
static sib_code give_filtered(search *s, sib_error *err)
{
    const int64_t dims[2] = {(int64_t)s->batch, (int64_t)s->vocab};
    void *to = NULL;
    sib_code code = search_give(s, 1, SIB_F32, 2, dims, &to, err);
    if (code == SIB_OK)
        memcpy(to, s->scores, s->rows * s->vocab * sizeof *s->scores);
    return code;
}

static sib_code sampling_open(search *s, sampling *q, sib_error *err)
{
    const sib_tensor *presence = NULL;
    int64_t seed = (int64_t)(s->f->ex->shared->plan.seed & INT32_MAX);
    sib_code code = search_open(s, 3, err);
    if (code == SIB_OK)
        code = search_ints(s, 7, "presence_mask", 2, &presence, err);
    if (code == SIB_OK)
        code = search_int(s, 8, "seed", 0, INT32_MAX, &seed, err);
    if (code == SIB_OK && presence && (size_t)presence->dims[0] != s->batch)
        return err_set(err, SIB_ERR_ARGUMENT, "presence_mask has rows for %lld texts of %zu",
                       (long long)presence->dims[0], s->batch);
    if (code == SIB_OK && presence) {
        s->presence_mask = sib_tensor_data(presence);
        s->n_presence_mask = (size_t)presence->dims[1];
    }
    q->state = (uint32_t)(seed % INT32_MAX);
    q->state += !q->state; /* 0 would stay 0 */
    return code;
}

sib_code run_sampling(frame *f, const node *n, control *c, sib_error *err)
{
    search s = {.f = f, .n = n, .c = c, .spec = spec_search(n), .beams = 1};
    sampling q = {.spec = spec_sampling(n)};
    sib_code code = sampling_open(&s, &q, err);
    if (code == SIB_OK)
        code = search_rows(&s, choose_drawn, &q, err);
    if (code == SIB_OK && search_gives(&s, 1))
        code = give_filtered(&s, err);
    search_close(&s);
    return code;
}
