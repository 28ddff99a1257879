#include "job/call/draft.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/error.h"

#include <string.h>

sib_code call_draft_begin(call_draft *x, const sib_speculation *s, const sib_cancel *cancel, sib_error *err)
{
    const job_shared shared = {.prefixes = s->read};
    *x = (call_draft){.of = &s->draft, .watch = {.cancel = cancel}};
    x->in = mem_calloc(s->draft.plan->inputs.n, sizeof *x->in);
    return x->in ? job_call_begin(s->draft.plan, NULL, &x->watch, &shared, &x->call, err)
                 : err_memory(err, s->draft.plan->inputs.n * sizeof *x->in, "a draft");
}

/* The likeliest id by the last row of the logits. */
static sib_code likeliest(const sib_tensor *logits, int32_t *out, sib_error *err)
{
    const size_t n = (size_t)sib_tensor_dims(logits)[2];
    sib_tensor *rows;
    sib_code code = sib_tensor_convert(logits, SIB_F32, SIB_OVERFLOW_IEEE, &rows, err);
    const float *row = code == SIB_OK ? (const float *)sib_tensor_data(rows) : NULL;
    *out = 0;
    for (size_t i = 1; row && i < n; i++)
        if (row[i] > row[*out])
            *out = (int32_t)i;
    if (code == SIB_OK)
        sib_tensor_free(&rows);
    return code;
}

/* Reads the tokens x->ids from `from` on. */
static sib_code read_on(call_draft *x, size_t from, int32_t *next, sib_error *err)
{
    sib_value *made = NULL;
    job_value *fed = job_value_tokens(x->ids + from, x->n - from);
    x->in[x->of->tokens] = fed;
    sib_code code =
        fed ? job_call_run(x->call, x->in, &made, err) : err_memory(err, x->n * sizeof *x->ids, "tokens");
    if (code == SIB_OK)
        code = likeliest(sib_value_tensor(made), next, err);
    sib_value_free(&made);
    job_value_release(fed);
    return code;
}

static size_t common_tokens(const call_draft *x, const int32_t *ids, size_t n)
{
    size_t i = 0;
    while (i + 1 < n && i < x->n && ids[i] == x->ids[i])
        i++;
    return i;
}

sib_code call_draft_guess(call_draft *x, const int32_t *ids, size_t n, size_t max, int32_t *out, size_t *made,
                          sib_error *err)
{
    size_t from = common_tokens(x, ids, n);
    *made = 0;
    sib_code code = ARRAY_RESERVE(x->ids, x->capacity, n + max, "tokens", err);
    if (code != SIB_OK)
        return code;
    if (!job_call_cut(x->call, from))
        from = 0;
    memcpy(x->ids + from, ids + from, (n - from) * sizeof *ids);
    x->n = n;
    while (*made < max && code == SIB_OK) {
        code = read_on(x, from, &out[*made], err);
        *made += code == SIB_OK;
        from = x->n;
        if (*made < max && code == SIB_OK) /* the last guess is not read */
            x->ids[x->n++] = out[*made - 1];
    }
    return code;
}

void call_draft_end(call_draft *x)
{
    job_call_end(&x->call);
    mem_free(x->ids);
    mem_free(x->in);
    *x = (call_draft){0};
}
