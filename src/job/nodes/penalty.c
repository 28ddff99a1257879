#include "job/nodes/penalty.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/error.h"
#include "base/size.h"

#include <float.h>
#include <math.h>
#include <string.h>

sib_code penalty_begin(penalty_memory *m, size_t n_vocab, sib_error *err)
{
    *m = (penalty_memory){.n_vocab = n_vocab};
    m->fed = mem_calloc(n_vocab, sizeof *m->fed);
    m->chosen = mem_calloc(n_vocab, sizeof *m->chosen);
    m->work = mem_calloc(n_vocab, sizeof *m->work);
    return m->fed && m->chosen && m->work ? SIB_OK : err_memory(err, n_vocab, "tokens seen");
}

void penalty_end(penalty_memory *m)
{
    mem_free(m->fed);
    mem_free(m->chosen);
    mem_free(m->work);
    mem_free(m->history);
    *m = (penalty_memory){0};
}

static sib_code add(penalty_memory *m, int32_t id, sib_error *err)
{
    return ARRAY_PUSH(m->history, m->n, m->capacity, "tokens seen", err, id);
}

sib_code penalty_feed(penalty_memory *m, const int32_t *ids, size_t n, sib_error *err)
{
    sib_code code = SIB_OK;
    if (n == 1 && m->n && m->history[m->n - 1] == ids[0] && ids[0] >= 0 && (size_t)ids[0] < m->n_vocab &&
        m->chosen[ids[0]])
        return SIB_OK; /* what was chosen before */
    for (size_t i = 0; i < n && code == SIB_OK; i++)
        if (ids[i] >= 0 && (size_t)ids[i] < m->n_vocab) {
            m->fed[ids[i]]++;
            code = add(m, ids[i], err);
        }
    return code;
}

sib_code penalty_choose(penalty_memory *m, int32_t id, sib_error *err)
{
    m->chosen[id]++;
    return add(m, id, err);
}

/* ---- Repetition, presence, frequency ------------------------------------------------------------------- */

static double penalised(double logit, const penalty_settings *s, uint32_t times)
{
    return (logit > 0 ? logit / s->repetition : logit * s->repetition) - (times > 0) * s->presence -
           times * s->frequency;
}

static void penalise(penalty_memory *m, const penalty_settings *s, candidate *c)
{
    if (s->repetition == 1 && s->presence == 0 && s->frequency == 0)
        return;
    const size_t from = m->n - size_min(s->last, m->n);
    for (size_t i = 0; !s->last && i < m->n_vocab; i++)
        if (m->fed[i] || m->chosen[i])
            c[i].logit = penalised(c[i].logit, s, m->chosen[i]);
    for (size_t i = from; s->last && i < m->n; i++)
        m->work[m->history[i]]++;
    for (size_t i = from; s->last && i < m->n; i++) {
        uint32_t *times = &m->work[m->history[i]];
        if (*times)
            c[m->history[i]].logit = penalised(c[m->history[i]].logit, s, *times);
        *times = 0;
    }
}

/* ---- DRY ------------------------------------------------------------------------------------------------ */

/* Token `back` from the end of the history. */
static int32_t token_at(const penalty_memory *m, size_t back)
{
    return m->history[m->n - 1 - back];
}

/* Whether `text` begins at byte `at` of token `back`; *after: tokens behind the one that it ends in. */
static bool begins_at(const penalty_memory *m, const sib_tokenizer *t, size_t back, size_t at,
                      const char *text, size_t *after)
{
    const char *bytes = NULL;
    size_t size = 0;
    bool special;
    sib_tokenizer_token(t, token_at(m, back), &bytes, &size, &special);
    for (; *text; text++, at++) {
        while (at >= size) {
            if (!back || !sib_tokenizer_token(t, token_at(m, --back), &bytes, &size, &special))
                return false;
            at = 0;
        }
        if (bytes[at] != *text)
            return false;
    }
    *after = back;
    return true;
}

/* Tokens at the end of the last n that no breaker stands among. */
static size_t unbroken(const penalty_memory *m, const penalty_settings *s, const sib_tokenizer *t, size_t n)
{
    size_t limit = n, after;
    for (size_t back = 0; t && back < n && limit == n; back++) {
        const char *bytes;
        size_t size;
        bool special;
        if (!sib_tokenizer_token(t, token_at(m, back), &bytes, &size, &special))
            continue;
        for (size_t at = 0; at < size; at++)
            for (size_t i = 0; i < s->n_breakers; i++)
                if (begins_at(m, t, back, at, s->breakers[i], &after))
                    limit = size_min(limit, after);
    }
    return limit;
}

/* Of the last n tokens read backwards: how many from each on are those from the end on (Gusfield's Z). */
static void find_repeats(const penalty_memory *m, uint32_t *z, size_t n)
{
    size_t from = 0, to = 0; /* the match that reaches furthest */
    z[0] = 0;
    for (size_t i = 1; i < n; i++) {
        size_t k = i < to ? size_min(z[i - from], to - i) : 0;
        while (i + k < n && token_at(m, k) == token_at(m, i + k))
            k++;
        z[i] = (uint32_t)k;
        if (i + k > to) {
            from = i;
            to = i + k;
        }
    }
}

/* A token that would lengthen a repetition of k tokens loses multiplier * base ^ (k - allowed). */
static sib_code dry(penalty_memory *m, const penalty_settings *s, const sib_tokenizer *t, candidate *c,
                    sib_error *err)
{
    const size_t n = s->dry_last ? size_min(s->dry_last, m->n) : m->n;
    if (s->dry_multiplier == 0 || s->dry_base < 1 || n <= s->dry_allowed)
        return SIB_OK;
    const size_t limit = unbroken(m, s, t, n);
    const double most = s->dry_base > 1.000001 ? log(FLT_MAX) / log(s->dry_base) : DBL_MAX;
    uint32_t *z = mem_alloc(n, sizeof *z);
    if (!z)
        return err_memory(err, n * sizeof *z, "repeated tokens");
    find_repeats(m, z, n);
    for (size_t i = 1; i < n; i++) {
        const uint32_t length = (uint32_t)size_min(z[i], limit);
        uint32_t *longest = &m->work[token_at(m, i - 1)];
        *longest = length >= s->dry_allowed && length > *longest ? length : *longest;
    }
    for (size_t i = 1; i < n; i++) {
        uint32_t *longest = &m->work[token_at(m, i - 1)];
        if (*longest)
            c[token_at(m, i - 1)].logit -=
                s->dry_multiplier * pow(s->dry_base, fmin((double)(*longest - s->dry_allowed), most));
        *longest = 0;
    }
    mem_free(z);
    return SIB_OK;
}

sib_code penalty_apply(penalty_memory *m, const penalty_settings *s, const sib_tokenizer *t, candidate *c,
                       sib_error *err)
{
    penalise(m, s, c);
    return dry(m, s, t, c, err);
}
