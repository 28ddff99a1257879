/* Samplers in the meaning of Hugging Face's warpers and of llama.cpp: typical (Meister et al. 2022), XTC, mirostat
   (Basu et al. 2021). Each sees the probabilities of those that the samplers before it left. */
#include "job/nodes/draw.h"

#include "base/alloc.h"
#include "base/error.h"
#include "job/nodes/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Candidates of which only the likeliest are put in order, as they are asked for: few of a vocabulary are. */
typedef struct draw {
    const draw_settings *s;
    candidate
        *c; /* (n): a heap of those not asked for yet, the likeliest first, then the others, the last first */
    size_t n, n_heap;
    size_t first, end; /* ranks of those that may be chosen */
    sib_error *err;
} draw;

static bool likelier(const candidate *a, const candidate *b)
{
    return a->logit != b->logit ? a->logit > b->logit : a->id < b->id;
}

static void sink(candidate *c, size_t n, size_t at)
{
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        child += child + 1 < n && likelier(&c[child + 1], &c[child]);
        if (!likelier(&c[child], &c[at]))
            return;
        candidate moved = c[at];
        c[at] = c[child];
        c[child] = moved;
    }
}

/* Among c (n) all may be chosen. */
static void begin(draw *d, candidate *c, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        sink(c, n, i);
    d->c = c;
    d->n = d->n_heap = d->end = n;
    d->first = 0;
}

/* The candidate that i others are likelier than. */
static const candidate *ranked(draw *d, size_t i)
{
    while (d->n - d->n_heap <= i) {
        candidate likeliest = d->c[0];
        d->c[0] = d->c[--d->n_heap];
        d->c[d->n_heap] = likeliest;
        sink(d->c, d->n_heap, 0);
    }
    return &d->c[d->n - 1 - i];
}

/* Those that may be chosen, in any order: *n. */
static candidate *left(draw *d, size_t *n)
{
    *n = d->end - d->first;
    if (*n == d->n)
        return d->c;
    ranked(d, d->end - 1);
    return d->c + d->n - d->end;
}

/* The probability of rank i is its weight over the sum of all weights. */
static double weight(draw *d, size_t i)
{
    return exp(ranked(d, i)->logit - ranked(d, d->first)->logit);
}

static double sum_of(draw *d)
{
    size_t n;
    const candidate *c = left(d, &n);
    double sum = 0, top = ranked(d, d->first)->logit;
    for (size_t i = 0; i < n; i++)
        sum += exp(c[i].logit - top);
    return sum;
}

/* ---- Samplers ------------------------------------------------------------------------------------------ */

static sib_code temperature(draw *d)
{
    const double top = ranked(d, 0)->logit; /* relative to it: a small temperature makes no infinite logits */
    for (size_t i = 0; i < d->n; i++)
        d->c[i].logit = (d->c[i].logit - top) / d->s->temperature;
    return SIB_OK;
}

static sib_code top_k(draw *d)
{
    if (d->s->top_k >= 1 && d->s->top_k < (double)(d->end - d->first))
        d->end = d->first + (size_t)d->s->top_k;
    return SIB_OK;
}

static sib_code top_p(draw *d)
{
    double before = 0;
    const double sum = d->s->top_p < 1 ? sum_of(d) : 0;
    size_t i = d->first;
    for (; d->s->top_p < 1 && i < d->end; i++) {
        if (i > d->first && before >= d->s->top_p)
            d->end = i;
        else
            before += weight(d, i) / sum;
    }
    return SIB_OK;
}

static sib_code min_p(draw *d)
{
    for (size_t i = d->first + 1; d->s->min_p > 0 && i < d->end; i++)
        if (weight(d, i) < d->s->min_p)
            d->end = i;
    return SIB_OK;
}

typedef struct shifted {
    double shift, p; /* shift: how far the token's surprise is from the mean surprise */
    candidate c;
} shifted;

static int by_shift(const void *a, const void *b)
{
    const shifted *x = a, *y = b;
    return x->shift != y->shift ? (x->shift > y->shift) - (x->shift < y->shift)
                                : likelier(&y->c, &x->c) - likelier(&x->c, &y->c);
}

static sib_code typical_p(draw *d)
{
    size_t n, kept = 0;
    if (d->s->typical_p >= 1)
        return SIB_OK;
    const double sum = sum_of(d), top = ranked(d, d->first)->logit;
    candidate *c = left(d, &n);
    shifted *all = mem_alloc(n, sizeof *all);
    if (!all)
        return err_memory(d->err, n * sizeof *all, "candidates for a token");
    double entropy = 0, reached = 0;
    for (size_t i = 0; i < n; i++) {
        const double surprise = top - c[i].logit + log(sum);
        all[i] = (shifted){surprise, exp(-surprise), c[i]};
        entropy += all[i].p > 0 ? all[i].p * surprise : 0;
    }
    for (size_t i = 0; i < n; i++)
        all[i].shift = fabs(all[i].shift - entropy);
    qsort(all, n, sizeof *all, by_shift);
    for (size_t i = 0; i < n; i++) { /* those as far as the last one stay with it */
        if (i && reached >= d->s->typical_p && all[i].shift > all[i - 1].shift)
            break;
        reached += all[i].p;
        c[kept++] = all[i].c;
    }
    mem_free(all);
    begin(d, c, kept);
    return SIB_OK;
}

/* Leaves out all of the likely tokens but the last, now and then. */
static sib_code xtc(draw *d)
{
    const double draws = random_at(d->s->seed ^ UINT64_C(0xA5A5A5A5A5A5A5A5), d->s->count);
    if (d->s->xtc_probability <= 0 || d->s->xtc_threshold > 0.5 || draws >= d->s->xtc_probability)
        return SIB_OK;
    const double sum = sum_of(d);
    size_t likely = 0;
    while (d->first + likely < d->end && weight(d, d->first + likely) / sum >= d->s->xtc_threshold)
        likely++;
    d->first += likely > 1 ? likely - 1 : 0;
    return SIB_OK;
}

/* ---- Mirostat ------------------------------------------------------------------------------------------ */

/* How many stay: by the exponent of Zipf's law, as the likeliest hundred show it. */
static double mirostat_1(draw *d, double mu, size_t n_vocab)
{
    double products = 0, squares = 0;
    for (size_t i = 0; i + 1 < 100 && i + 1 < d->end; i++) {
        const double t = log((double)(i + 2) / (double)(i + 1)),
                     b = ranked(d, i)->logit - ranked(d, i + 1)->logit;
        products += t * (isfinite(b) ? b : 0);
        squares += t * t;
    }
    const double exponent = squares > 0 ? products / squares : 1, excess = exponent - 1,
                 log_n = log((double)n_vocab),
                 scale = excess == 0 ? 1 / log_n : excess / -expm1(-excess * log_n);
    return floor(pow(scale * pow(2, mu), 1 / exponent));
}

/* Those less surprising than mu stay. */
static double mirostat_2(draw *d, double mu)
{
    const double log_sum = log(sum_of(d));
    size_t n = 0;
    while (n < d->end && (ranked(d, 0)->logit - ranked(d, n)->logit + log_sum) / log(2) <= mu)
        n++;
    return (double)n;
}

/* ---- Choosing ------------------------------------------------------------------------------------------ */

/* The rank that a number in [0, 1) falls on; *p: its probability. */
static size_t choose(draw *d, double x, double *p)
{
    const double sum = sum_of(d);
    size_t i = d->first;
    double below = *p = weight(d, i) / sum;
    while (i + 1 < d->end && !(x < below))
        below += *p = weight(d, ++i) / sum;
    return i;
}

static const struct sampler {
    const char *name;
    sib_code (*run)(draw *d);
} samplers[] = {{"temperature", temperature}, {"top_k", top_k}, {"top_p", top_p}, {"min_p", min_p},
                {"typical_p", typical_p},     {"xtc", xtc}};
#define N_SAMPLERS (sizeof samplers / sizeof *samplers)

static const struct {
    const char *name, *order;
} orders[] = {{DRAW_ORDER, "temperature;top_k;top_p;min_p;typical_p;xtc"},
              {"llama.cpp", "top_k;typical_p;top_p;min_p;xtc;temperature"}};

/* Runs the samplers in their order. */
static sib_code narrow(draw *d, const char *node)
{
    const char *at = d->s->order;
    sib_code code = SIB_OK;
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++)
        if (!strcmp(at, orders[i].name))
            at = orders[i].order;
    for (size_t n = 0; *at && code == SIB_OK; n++) {
        const size_t length = strcspn(at, ";"), next = length + (at[length] == ';');
        size_t k = 0;
        while (k < N_SAMPLERS &&
               (strlen(samplers[k].name) != length || strncmp(at, samplers[k].name, length)))
            k++;
        if (k == N_SAMPLERS || n == DRAW_MAX_SAMPLERS)
            return err_set(d->err, SIB_ERR_ARGUMENT,
                           "%s: samplers has '%.*s', expected huggingface, llama.cpp, or at most %d of "
                           "temperature, top_k, top_p, min_p, typical_p, xtc with ';' between them",
                           node, (int)(length < 40 ? length : 40), at, DRAW_MAX_SAMPLERS);
        code = samplers[k].run(d);
        at += next;
    }
    return code;
}

sib_code draw_token(const draw_settings *s, candidate *c, size_t n, size_t n_vocab, double *mu,
                    const char *node, int32_t *id, sib_error *err)
{
    draw d = {.s = s, .err = err};
    candidate best = c[0];
    double p, stay;
    sib_code code = SIB_OK;
    for (size_t i = 1; i < n; i++) /* ids ascend */
        best = c[i].logit > best.logit ? c[i] : best;
    *id = best.id;
    if (s->temperature == 0 || isinf(best.logit))
        return SIB_OK;
    begin(&d, c, n);
    if (s->mirostat == 0)
        code = narrow(&d, node);
    else {
        *mu = s->count ? *mu : 2 * s->tau;
        temperature(&d);
        stay = s->mirostat == 1 ? mirostat_1(&d, *mu, n_vocab) : mirostat_2(&d, *mu);
        d.end = !(stay > 1) ? 1 : stay < (double)n ? (size_t)stay : n;
    }
    if (code != SIB_OK)
        return code;
    *id = ranked(&d, choose(&d, random_at(s->seed, s->count), &p))->id;
    *mu -= s->mirostat == 0 ? 0 : s->eta * (-log2(p) - s->tau);
    return SIB_OK;
}
