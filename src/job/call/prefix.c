#include "job/call/prefix.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/error.h"
#include "job/call/ids.h"

#include <string.h>

/* The port of the tokens that the state is made of; NO_INDEX: it may be made of other things too. */
static size_t tokens_port(const call_plan *p)
{
    if (!p->state.n || p->context.n || p->held.n || p->call->count.history)
        return NO_INDEX;
    return p->call->count.of ? p->count_of : call_plan_input_named(p, "tokens");
}

sib_code call_prefix_begin(call_prefix *x, const call_plan *p, sib_prefix_cache *cache, sib_error *err)
{
    *x = (call_prefix){.certain = true, .port = cache ? tokens_port(p) : NO_INDEX};
    if (x->port == NO_INDEX)
        return SIB_OK;
    x->in = mem_calloc(p->inputs.n, sizeof *x->in);
    x->cache = x->in ? cache : NULL;
    return x->in ? SIB_OK : err_memory(err, p->inputs.n * sizeof *x->in, "a call");
}

/* Goes on with a state that begins with the tokens of the first step, of which x->step are left. */
static sib_code go_on(call_prefix *x, const call_live *live, job_value *const *in, sib_error *err)
{
    prefix_entry e;
    size_t keep;
    prefix_cache_take(x->cache, live->plan, x->ids, x->step, &e, &keep);
    if (!keep)
        return SIB_OK;
    sib_code code = prefix_cut(live->plan, e.state, e.n, keep, err);
    x->rest = code == SIB_OK ? job_value_tokens(x->ids + keep, x->step - keep) : NULL;
    if (code == SIB_OK && !x->rest)
        code = err_memory(err, x->step * sizeof *x->ids, "tokens");
    if (code == SIB_OK) {
        memcpy(x->in, in, live->plan->inputs.n * sizeof *in);
        x->in[x->port] = x->rest;
        for (size_t i = 0; i < live->plan->state.n; i++) {
            sib_value_free(&live->state[i]);
            live->state[i] = e.state[i];
            e.state[i] = NULL;
        }
        *live->length = *live->counted = x->n = keep;
        x->step -= keep;
    }
    prefix_entry_drop(&e);
    return code;
}

sib_code call_prefix_before(call_prefix *x, const call_live *live, job_value *const *in,
                            job_value *const **out, sib_error *err)
{
    size_t n = 0;
    const bool first = !x->begun;
    *out = in;
    if (!x->cache)
        return SIB_OK;
    const int32_t *ids = x->certain ? call_ids(live->plan, x->port, in, &n) : NULL;
    x->begun = true;
    x->certain = ids != NULL;
    x->step = n;
    sib_code code = ARRAY_RESERVE(x->ids, x->capacity, x->n + n, "tokens", err);
    if (code != SIB_OK || !ids)
        return code;
    memcpy(x->ids + x->n, ids, n * sizeof *ids);
    code = first ? go_on(x, live, in, err) : SIB_OK;
    *out = x->rest ? x->in : in;
    return code;
}

void call_prefix_after(call_prefix *x, sib_code code)
{
    job_value_release(x->rest);
    x->rest = NULL;
    x->n += code == SIB_OK ? x->step : 0;
    /* a cancelled step has written behind the rows of its state alone */
    x->certain = x->certain && (code == SIB_OK || code == SIB_ERR_CANCELLED);
}

void call_prefix_keep(call_prefix *x, const call_live *live)
{
    const size_t n = live->plan->state.n;
    prefix_entry e = {.plan = live->plan, .ids = x->ids, .n = x->n};
    bool keeps = x->cache && x->certain && x->n;
    for (size_t i = 0; i < n && keeps; i++)
        keeps = live->state[i] != NULL;
    e.state = keeps ? mem_calloc(n, sizeof *e.state) : NULL;
    if (e.state) { /* else the state is dropped, which costs time alone */
        memcpy(e.state, live->state, n * sizeof *e.state);
        memset(live->state, 0, n * sizeof *e.state);
        prefix_cache_give(x->cache, &e);
        x->ids = NULL;
        x->capacity = 0;
    }
    x->n = 0;
    x->begun = false;
    x->certain = true;
}

void call_prefix_end(call_prefix *x)
{
    job_value_release(x->rest);
    mem_free(x->ids);
    mem_free(x->in);
}
