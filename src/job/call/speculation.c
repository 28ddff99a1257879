#include "job/call/speculation.h"

#include "base/alloc.h"
#include "base/error.h"

/* Whether a step that says nothing of it is given the logits of its last row alone. */
static bool asks_for_the_last(const call_plan *p, size_t at)
{
    const size_t i = at == NO_INDEX ? NO_INDEX : call_plan_fixed(p, p->inputs.items[at].value);
    return i != NO_INDEX && p->call->fixed[i].n == 1 && p->call->fixed[i].data[0] == -1;
}

/* Fails with the reason where the call cannot be given guesses. */
static sib_code check_call(const call_plan *p, guessed_call *out, sib_error *err)
{
    const call_port *logits = call_plan_output(p, 0);
    *out = (guessed_call){p, call_plan_input_named(p, "tokens"), call_plan_input_named(p, "at")};
    if (!p->state.n)
        return err_set(err, SIB_ERR_UNSUPPORTED, "it has no cache");
    for (size_t i = 0; i < p->state.n && !p->buffered; i++) {
        const call_port *s = &p->state.items[i];
        if (!s->info.ranked || s->info.rank != 4 || s->info.dims[2] >= 0)
            return err_set(err, SIB_ERR_UNSUPPORTED,
                           "its state '%s' is no cache of keys or values, and cannot be cut back", s->port);
    }
    if (!p->buffered)
        return err_set(err, SIB_ERR_UNSUPPORTED, "its caches are not those of the operator Attention alone");
    if (out->tokens == NO_INDEX || p->inputs.n != 2 || !asks_for_the_last(p, out->at) || !logits ||
        call_plan_output(p, 1) || !logits->info.ranked || logits->info.rank != 3 || !call_plan_is_apart(p))
        return err_set(err, SIB_ERR_UNSUPPORTED,
                       "it takes more than tokens and the rows whose logits are wanted");
    return SIB_OK;
}

sib_code guessed_call_find(call_plan *const *plans, size_t n, guessed_call *out, sib_error *err)
{
    sib_error first = SIB_ERROR_INIT;
    for (size_t i = 0; i < n; i++) {
        sib_error why = SIB_ERROR_INIT;
        if (check_call(plans[i], out, &why) == SIB_OK)
            return SIB_OK;
        if (!i)
            first = why;
    }
    *out = (guessed_call){0};
    return err_set(err, SIB_ERR_UNSUPPORTED, "%s", n ? first.message : "it calls no model");
}

void sib_speculation_free(sib_speculation **s)
{
    if (!s || !*s)
        return;
    sib_prefix_cache_free(&(*s)->read);
    pthread_mutex_destroy(&(*s)->lock);
    mem_free(*s);
    *s = NULL;
}

void speculation_count(sib_speculation *s, size_t steps, size_t guessed, size_t accepted)
{
    pthread_mutex_lock(&s->lock);
    s->done.steps += steps;
    s->done.guessed += guessed;
    s->done.accepted += accepted;
    pthread_mutex_unlock(&s->lock);
}

void sib_speculation_get_info(sib_speculation *s, sib_speculation_info *out)
{
    pthread_mutex_lock(&s->lock);
    *out = s->done;
    pthread_mutex_unlock(&s->lock);
}
