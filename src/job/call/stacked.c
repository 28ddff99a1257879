#include "job/call/stacked.h"

#include "base/alloc.h"
#include "base/error.h"
#include "job/call/plan_inner.h"

#include <sibyl/watch.h>
#include <string.h>

/* Tokens of a call, those that fill up included: more in one gain nothing, and cost memory. */
#define MAX_TOKENS 512
/* What one call more costs, as so many tokens: weights are read from memory once more, in which time about
   these are computed. So many are filled in at most where a longer text joins. */
#define TOKENS_OF_A_CALL 8

static size_t count_tokens(const job_value *v)
{
    return (size_t)sib_tensor_count(v->v.tensor);
}

size_t call_stacked_length(const call_plan *p, job_value *const *in)
{
    size_t length = 0;
    for (size_t i = 0; i < p->inputs.n; i++) { /* tokens are int32 [n] by now */
        const sib_tensor *t = in[i] && in[i]->v.type == SIB_PORT_TENSOR ? in[i]->v.tensor : NULL;
        if (!t || sib_tensor_rank(t) != 1 || sib_tensor_dtype(t) != SIB_I32 || !sib_tensor_is_dense(t) ||
            (i && count_tokens(in[i]) != length))
            return 0;
        length = count_tokens(in[i]);
    }
    return p->call->batch.allowed ? length : 0;
}

size_t call_stacked_fitting(const call_plan *p, size_t n, const size_t *lengths)
{
    size_t fits = 1;
    while (fits < n && lengths[fits] <= MAX_TOKENS / (fits + 1)) {
        const size_t filled = fits * (lengths[fits] - lengths[fits - 1]);
        if (!lengths[0] || filled > (p->call->batch.pads ? TOKENS_OF_A_CALL : 0))
            return fits;
        fits++;
    }
    return fits;
}

/* Tokens of input i of n calls as [n, longest]. */
static sib_code stack(const call_plan *p, size_t i, size_t n, job_value *const *const *in, size_t longest,
                      sib_value **out, sib_error *err)
{
    const int64_t dims[] = {(int64_t)n, (int64_t)longest};
    sib_tensor *t = NULL, *as_model = NULL;
    sib_code code = sib_tensor_create(SIB_I32, 2, dims, &t, err);
    int32_t *to = code == SIB_OK ? sib_tensor_data(t) : NULL;
    for (size_t k = 0; k < n && to; k++) {
        const int32_t *ids = sib_tensor_data(in[k][i]->v.tensor);
        for (size_t at = 0, length = count_tokens(in[k][i]); at < longest; at++)
            *to++ = at < length ? ids[at] : p->call->batch.pad;
    }
    if (code == SIB_OK)
        code = sib_tensor_convert(t, p->inputs.items[i].info.dtype, SIB_OVERFLOW_IEEE, &as_model, err);
    if (code == SIB_OK)
        code = sib_value_from_tensor(as_model, out, err);
    sib_tensor_free(&as_model);
    sib_tensor_free(&t);
    return code;
}

/* Row k of an output, of which `length` of axis 1 count where it is cut; dense. */
static sib_code take_row(const sib_tensor *t, size_t k, bool cut, size_t length, sib_value **out,
                         sib_error *err)
{
    sib_tensor *row = NULL, *part = NULL, *dense = NULL;
    sib_code code = sib_tensor_slice(t, 0, (int64_t)k, 1, 1, &row, err);
    if (code == SIB_OK && cut)
        code = sib_tensor_slice(row, 1, 0, (int64_t)length, 1, &part, err);
    if (code == SIB_OK) /* copied: a row would keep all of them */
        code = sib_tensor_copy(cut ? part : row, &dense, err);
    if (code == SIB_OK)
        code = sib_value_from_tensor(dense, out, err);
    sib_tensor_free(&dense);
    sib_tensor_free(&part);
    sib_tensor_free(&row);
    return code;
}

/* Gives each call its rows of output i. */
static sib_code take_rows(const call_plan *p, size_t i, const sib_value *made, size_t n,
                          job_value *const *const *in, size_t longest, sib_value **const *out, sib_error *err)
{
    const sib_tensor *t = sib_value_tensor(made);
    const bool cut = p->call->batch.cut[p->outputs.items[i].pair - p->call->outputs.items];
    const size_t rank = t ? sib_tensor_rank(t) : 0;
    if (rank < (cut ? 2u : 1u) || (size_t)sib_tensor_dims(t)[0] != n ||
        (cut && (size_t)sib_tensor_dims(t)[1] != longest))
        return err_set(err, SIB_ERR_UNSUPPORTED, "job '%s', call '%s': '%s' has no row for each of %zu calls",
                       p->d->name, p->call->name, p->outputs.items[i].port, n);
    sib_code code = SIB_OK;
    for (size_t k = 0; k < n && code == SIB_OK; k++)
        code = take_row(t, k, cut, count_tokens(in[k][0]), &out[k][i], err);
    return code;
}

/* The session's run of values that are stacked. */
static sib_code run(const call_plan *p, const job_watch *w, sib_value *const *stacked, sib_value **made,
                    sib_error *err)
{
    const size_t n = p->inputs.n + p->call->n_fixed;
    sib_named_value *feeds = mem_calloc(n, sizeof *feeds);
    if (!feeds)
        return err_memory(err, n * sizeof *feeds, "inputs of a call");
    size_t n_feeds = 0;
    for (size_t i = 0; i < p->inputs.n; i++)
        feeds[n_feeds++] = (sib_named_value){p->inputs.items[i].value, stacked[i]};
    for (size_t i = 0; i < p->call->n_fixed; i++) {
        size_t port = 0; /* that overrides it */
        while (port < p->inputs.n && strcmp(p->inputs.items[port].value, p->call->fixed[i].name) != 0)
            port++;
        if (port == p->inputs.n)
            feeds[n_feeds++] = (sib_named_value){p->call->fixed[i].name, p->fixed[i]};
    }
    const sib_run_options options = {.cancel = w ? w->cancel : NULL, .profile = w ? w->profile : NULL};
    const uint64_t span =
        options.profile ? sib_profile_begin(options.profile, SIB_SPAN_CALL, p->call->name) : 0;
    sib_code code = sib_session_run(p->session, n_feeds, feeds, p->outputs.n, p->names, made, &options, err);
    if (options.profile)
        sib_profile_end(options.profile, span);
    mem_free(feeds);
    return code;
}

sib_code call_stacked_run(const call_plan *p, const job_watch *watch, size_t n, job_value *const *const *in,
                          sib_value **const *out, sib_error *err)
{
    size_t longest = 0;
    for (size_t k = 0; k < n; k++)
        longest = count_tokens(in[k][0]) > longest ? count_tokens(in[k][0]) : longest;
    sib_value **values = mem_calloc(p->inputs.n + p->outputs.n + 1, sizeof *values);
    if (!values)
        return err_memory(err, sizeof *values, "a call");
    sib_value **made = values + p->inputs.n;
    sib_code code = SIB_OK;
    for (size_t i = 0; i < p->inputs.n && code == SIB_OK; i++)
        code = stack(p, i, n, in, longest, &values[i], err);
    if (code == SIB_OK)
        code = run(p, watch, values, made, err);
    for (size_t i = 0; i < p->outputs.n && code == SIB_OK; i++)
        code = take_rows(p, i, made[i], n, in, longest, out, err);
    for (size_t i = 0; i < p->inputs.n + p->outputs.n; i++)
        sib_value_free(&values[i]);
    mem_free(values);
    for (size_t k = 0; k < n && code != SIB_OK; k++)
        for (size_t i = 0; i < p->outputs.n; i++)
            sib_value_free(&out[k][i]);
    return code;
}
