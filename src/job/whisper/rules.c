#include "job/whisper/rules.h"

#include "base/size.h"

#include <math.h>

sib_code whisper_rules_make(whisper_rules *r, const whisper_tokens *tokens, const whisper_options *o,
                            sib_error *err)
{
    *r = (whisper_rules){.tokens = tokens, .timestamps = !o->without_timestamps, .max_initial = SIZE_MAX};
    if (o->max_initial_timestamp > 0)
        r->max_initial =
            (size_t)fmin(rint(o->max_initial_timestamp / WHISPER_TOKEN_SECONDS), (double)tokens->n_vocab);
    sib_code code = SIB_OK;
    if (o->suppress_tokens && *o->suppress_tokens)
        code = whisper_tokens_suppressed(tokens, o->suppress_tokens, &r->suppressed, err);
    if (code == SIB_OK && o->suppress_blank)
        code = whisper_tokens_blank(tokens, &r->blank, err);
    if (code != SIB_OK)
        whisper_rules_free(r);
    return code;
}

void whisper_rules_free(whisper_rules *r)
{
    ids_free(&r->suppressed);
    ids_free(&r->blank);
}

/* Number of maxima found in parallel, since each comparison waits for the one before; compilers make vectors
   of them. */
#define SIDE 16

size_t whisper_argmax(const float *x, size_t n)
{
    float max[SIDE], top = x[0];
    size_t i = 0;
    if (isnan(top)) /* NaN: nothing is greater */
        return 0;
    for (size_t k = 0; k < SIDE; k++)
        max[k] = top;
    for (; i + SIDE <= n; i += SIDE)
        for (size_t k = 0; k < SIDE; k++)
            max[k] = x[i + k] > max[k] ? x[i + k] : max[k];
    for (; i < n; i++)
        top = x[i] > top ? x[i] : top;
    for (size_t k = 0; k < SIDE; k++)
        top = max[k] > top ? max[k] : top;
    for (i = 0; x[i] != top;)
        i++;
    return i;
}

double whisper_log_sum(const float *x, size_t n)
{
    if (n == 0)
        return -INFINITY;
    double top = x[whisper_argmax(x, n)], sum = 0;
    if (top == -INFINITY)
        return top;
    for (size_t i = 0; i < n; i++)
        if (x[i] > -INFINITY || isnan(x[i]))
            sum += exp((double)x[i] - top);
    return top + log(sum);
}

/* logits[from .. to) = -infinity, cut to the vocabulary. */
static void forbid(const whisper_rules *r, float *logits, size_t from, size_t to)
{
    for (size_t i = from; i < size_min(to, r->tokens->n_vocab); i++)
        logits[i] = -INFINITY;
}

static void forbid_all(const token_ids *ids, float *logits)
{
    for (size_t i = 0; i < ids->n; i++)
        logits[ids->ids[i]] = -INFINITY;
}

/* The order of timestamps. */
static void keep_order(const whisper_rules *r, const int32_t *sampled, size_t n, float *logits)
{
    const int32_t first = r->tokens->timestamp_begin;
    const bool last = n >= 1 && sampled[n - 1] >= first;
    const bool before = n < 2 || sampled[n - 2] >= first;
    if (last && before) /* after a complete pair: text */
        forbid(r, logits, (size_t)first, SIZE_MAX);
    else if (last) /* after the end of a segment: the beginning of another, or the end */
        forbid(r, logits, 0, (size_t)r->tokens->eot);
    for (size_t i = n; i-- > 0;)
        if (sampled[i] >= first) { /* a segment may begin where one ended, and must not be of no length */
            forbid(r, logits, (size_t)first, (size_t)sampled[i] + (last && !before ? 0 : 1));
            break;
        }
}

void whisper_rules_apply(const whisper_rules *r, const int32_t *sampled, size_t n, float *logits)
{
    const size_t first = (size_t)r->tokens->timestamp_begin;
    if (n == 0)
        forbid_all(&r->blank, logits);
    forbid_all(&r->suppressed, logits);
    if (!r->timestamps)
        return;
    logits[r->tokens->no_timestamps] = -INFINITY;
    keep_order(r, sampled, n, logits);
    if (n == 0) {
        forbid(r, logits, 0, first);
        if (r->max_initial < r->tokens->n_vocab - first)
            forbid(r, logits, first + r->max_initial + 1, SIZE_MAX);
    }
    /* both probabilities have the same normaliser */
    double timestamps = whisper_log_sum(logits + first, r->tokens->n_vocab - first);
    if (first > 0 && timestamps > logits[whisper_argmax(logits, first)])
        forbid(r, logits, 0, first);
}
