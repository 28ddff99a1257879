#include "job/call/guess.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/error.h"
#include "job/call/ids.h"

#include <string.h>

sib_code call_guess_begin(call_guess *x, const call_plan *p, sib_speculation *s, const sib_cancel *cancel,
                          sib_error *err)
{
    *x = (call_guess){.certain = true};
    if (!s || s->of.plan != p)
        return SIB_OK;
    x->in = mem_calloc(p->inputs.n, sizeof *x->in);
    if (!x->in)
        return err_memory(err, p->inputs.n * sizeof *x->in, "a call");
    x->by = s;
    return s->draft.plan ? call_draft_begin(&x->draft, s, cancel, err) : SIB_OK;
}

static void drop_guesses(call_guess *x)
{
    sib_value_free(&x->logits);
    x->made = x->right = 0;
}

/* Row i of the logits of the last step, as a step of one token gives them. */
static sib_code row_of(const call_guess *x, size_t i, sib_value **out, sib_error *err)
{
    sib_tensor *row, *own = NULL;
    sib_code code = sib_tensor_slice(sib_value_tensor(x->logits), 1, (int64_t)i, 1, 1, &row, err);
    if (code != SIB_OK)
        return code;
    code = sib_tensor_copy(row, &own, err);
    if (code == SIB_OK)
        code = sib_value_from_tensor(own, out, err);
    sib_tensor_free(&own);
    sib_tensor_free(&row);
    return code;
}

bool call_guess_answers(call_guess *x, job_value *const *in, sib_value **out, sib_code *code, sib_error *err)
{
    size_t n = 0;
    const int32_t *ids = x->logits ? call_ids(x->by->of.plan, x->by->of.tokens, in, &n) : NULL;
    if (!ids || n != 1 || ids[0] != x->guesses[x->right])
        return false;
    *code = ARRAY_PUSH(x->ids, x->n, x->capacity, "tokens", err, ids[0]);
    if (*code == SIB_OK)
        *code = row_of(x, ++x->right, out, err);
    if (*code == SIB_OK)
        speculation_count(x->by, 0, 0, 1);
    if (x->right == x->made)
        drop_guesses(x);
    return true;
}

static sib_code guess(call_guess *x, sib_error *err)
{
    sib_error why = SIB_ERROR_INIT;
    if (!x->by->draft.plan)
        x->made = lookup_guess(x->ids, x->n, x->by->max, x->guesses);
    else if (call_draft_guess(&x->draft, x->ids, x->n, x->by->max, x->guesses, &x->made, &why) != SIB_OK) {
        call_guess_stop(x); /* as where its context is full: the model goes on alone */
        return why.code == SIB_ERR_MEMORY ? err_set(err, why.code, "%s", why.message) : SIB_OK;
    }
    const int64_t n_vocab = call_plan_output(x->by->of.plan, 0)->info.dims[2];
    size_t known = 0; /* a draft may have more tokens */
    while (known < x->made && x->guesses[known] >= 0 && (n_vocab < 0 || x->guesses[known] < n_vocab))
        known++;
    x->made = known;
    return SIB_OK;
}

/* The tokens that the model is given, and behind them the guesses. */
static sib_code join(call_guess *x, const int32_t *ids, size_t n, sib_error *err)
{
    double at[SIB_SPECULATION_MAX + 1];
    int32_t *all = mem_alloc(n + x->made, sizeof *all);
    if (!all)
        return err_memory(err, n * sizeof *all, "tokens");
    memcpy(all, ids, n * sizeof *ids);
    memcpy(all + n, x->guesses, x->made * sizeof *all);
    for (size_t i = 0; i <= x->made; i++)
        at[i] = (double)i - (double)(x->made + 1);
    x->in[x->by->of.tokens] = x->fed = job_value_tokens(all, n + x->made);
    x->in[x->by->of.at] = x->at = job_value_numbers(at, x->made + 1);
    mem_free(all);
    return x->fed && x->at ? SIB_OK : err_memory(err, n * sizeof *all, "tokens");
}

sib_code call_guess_before(call_guess *x, job_value *const *in, job_value *const *given,
                           job_value *const **out, sib_error *err)
{
    size_t n = 0, left = 0;
    *out = given;
    if (!x->by || !x->certain)
        return SIB_OK;
    const guessed_call *of = &x->by->of;
    const int32_t *ids = call_ids(of->plan, of->tokens, in, &n),
                  *rest = call_ids(of->plan, of->tokens, given, &left);
    drop_guesses(x);
    x->certain = ids && rest;
    if (!x->certain)
        return SIB_OK;
    sib_code code = ARRAY_RESERVE(x->ids, x->capacity, x->n + n, "tokens", err);
    if (code != SIB_OK)
        return code;
    memcpy(x->ids + x->n, ids, n * sizeof *ids);
    x->n += n;
    code = guess(x, err);
    if (code == SIB_OK && x->by)
        speculation_count(x->by, 1, x->made, 0);
    if (code == SIB_OK && x->made)
        code = join(x, rest, left, err);
    *out = code == SIB_OK && x->made ? x->in : given;
    return code;
}

static void release(call_guess *x)
{
    job_value_release(x->fed);
    job_value_release(x->at);
    x->fed = x->at = NULL;
}

sib_code call_guess_after(call_guess *x, sib_value **out, size_t *read, sib_error *err)
{
    release(x);
    *read = x->made;
    x->logits = *out;
    *out = NULL;
    sib_code code = sib_value_fetch(x->logits, err);
    return code == SIB_OK ? row_of(x, 0, out, err) : code;
}

void call_guess_stop(call_guess *x)
{
    release(x);
    drop_guesses(x);
    x->by = NULL;
}

void call_guess_reset(call_guess *x)
{
    drop_guesses(x);
    x->n = 0;
    x->certain = true;
}

void call_guess_end(call_guess *x)
{
    release(x);
    sib_value_free(&x->logits);
    call_draft_end(&x->draft);
    mem_free(x->ids);
    mem_free(x->in);
}
