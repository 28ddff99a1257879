/* Sequences of a call's state in another order. */
#include "base/error.h"
#include "job/call/call_inner.h"
#include "job/call/rows.h"

#include <string.h>

static sib_code check_rows(const sib_tensor *t, size_t n, const size_t *from, sib_error *err)
{
    const size_t rows = sib_tensor_rank(t) ? (size_t)sib_tensor_dims(t)[0] : 0;
    for (size_t i = 0; i < n; i++)
        if (from[i] >= rows)
            return err_set(err, SIB_ERR_ARGUMENT, "row %zu of a state is out of range, it has %zu", from[i],
                           rows);
    return SIB_OK;
}

/* Gathers rows of t along its first axis. */
static sib_code gather_rows(const sib_tensor *t, size_t n, const size_t *from, sib_value **out,
                            sib_error *err)
{
    int64_t dims[SIB_MAX_RANK];
    size_t rank = sib_tensor_rank(t);
    memcpy(dims, sib_tensor_dims(t), rank * sizeof *dims);
    size_t rows = rank ? (size_t)dims[0] : 0;
    size_t row = rows ? (size_t)(sib_tensor_count(t) / rows) * (sib_dtype_bits(sib_tensor_dtype(t)) / 8) : 0;
    dims[0] = (int64_t)n;
    sib_tensor *made;
    sib_code code = sib_tensor_create(sib_tensor_dtype(t), rank, dims, &made, err);
    if (code != SIB_OK)
        return code;
    for (size_t i = 0; i < n && row; i++)
        memcpy((char *)sib_tensor_data(made) + i * row, (const char *)sib_tensor_data(t) + from[i] * row,
               row);
    code = sib_value_from_tensor(made, out, err);
    sib_tensor_free(&made);
    return code;
}

sib_code job_call_reorder(job_call *c, size_t n, const size_t *from, sib_error *err)
{
    sib_code code = SIB_OK;
    bool away = c->plan->rows != NULL;
    c->prefix.certain = false; /* the state is no longer that of its tokens */
    call_guess_stop(&c->guess);
    for (size_t i = 0; i < c->plan->state.n && code == SIB_OK; i++) {
        away = away && sib_value_is_away(c->state[i]);
        if (c->state[i])
            code = check_rows(sib_value_tensor(c->state[i]), n, from, err);
    }
    if (away && code == SIB_OK)
        return call_rows_take(c->plan->rows, c->plan->state.n, c->state, n, from, err);
    if (c->buffers.on && code == SIB_OK)
        return call_buffers_take(&c->buffers, c->plan, c->state, n, from, err);
    for (size_t i = 0; i < c->plan->state.n && code == SIB_OK; i++) {
        sib_value *made;
        if (!c->state[i] || (code = sib_value_fetch(c->state[i], err)) != SIB_OK)
            continue;
        code = gather_rows(sib_value_tensor(c->state[i]), n, from, &made, err);
        if (code == SIB_OK) {
            sib_value_free(&c->state[i]);
            c->state[i] = made;
        }
    }
    return code;
}
