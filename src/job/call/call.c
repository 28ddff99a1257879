#include "job/call/call.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/error.h"
#include "base/size.h"
#include "job/call/call_inner.h"

#include <sibyl/watch.h>

#include <stdio.h>
#include <string.h>

/* ---- Live calls ---------------------------------------------------------------------------------------- */

static size_t count_outputs(const call_plan *p)
{
    return p->outputs.n + p->state.n + p->held.n;
}

static size_t max_feeds(const call_plan *p)
{
    return p->inputs.n + p->state.n + p->context.n + p->call->n_fixed + p->n_counts + CALL_BUFFERS_FEEDS;
}

/* Whether nobody asks for values inside the model, which a batch does not show. */
static bool unwatched(const call_plan *p, const job_watch *w)
{
    char below[300];
    snprintf(below, sizeof below, "%s/step[", p->call->name);
    return !w || !w->tap || !w->wanted_below(w->context, below);
}

static call_live live_of(job_call *c)
{
    return (call_live){c->plan, c->state, &c->buffers.length, &c->count.before};
}

sib_code job_call_begin(const call_plan *p, job_call *of, const job_watch *watch, const job_shared *shared,
                        job_call **out, sib_error *err)
{
    const sib_batch *batch = shared ? shared->batch : NULL;
    *out = NULL;
    job_call *c = mem_calloc(1, sizeof *c);
    if (!c)
        return err_memory(err, sizeof *c, "a call");
    const size_t feeds = max_feeds(p);
    c->plan = p;
    c->of = of;
    c->watch = watch;
    c->state = mem_calloc(p->state.n + 1, sizeof *c->state);
    c->held = mem_calloc(p->held.n + 1, sizeof *c->held);
    c->made = mem_calloc(count_outputs(p) + 1, sizeof *c->made);
    c->feeds = mem_calloc(feeds + 1, sizeof *c->feeds);
    c->own = mem_calloc(p->inputs.n + p->state.n + 1, sizeof *c->own);
    c->overwrite = mem_calloc(feeds + 1, sizeof *c->overwrite);
    call_buffers_reset(&c->buffers, p);
    sib_code code = c->state && c->held && c->made && c->feeds && c->own && c->overwrite
                        ? SIB_OK
                        : err_memory(err, feeds * sizeof *c->feeds, "a call");
    if (code == SIB_OK)
        code = call_count_begin(&c->count, p, err);
    if (code == SIB_OK && batch && batch->plan == p && unwatched(p, watch)) {
        c->batch = batch;
        code = batch_join(batch->steps, &c->sequence, err);
    }
    if (code == SIB_OK && !c->sequence)
        code = call_prefix_begin(&c->prefix, p, shared ? shared->prefixes : NULL, err);
    if (code == SIB_OK && !c->sequence)
        code = call_guess_begin(&c->guess, p, shared ? shared->guesses : NULL, watch ? watch->cancel : NULL,
                                err);
    if (code == SIB_OK)
        *out = c;
    else
        job_call_end(&c);
    return code;
}

static void drop(sib_value **list, size_t n)
{
    for (size_t i = 0; list && i < n; i++)
        sib_value_free(&list[i]);
}

void job_call_reset(job_call *c)
{
    const call_live live = live_of(c);
    call_prefix_keep(&c->prefix, &live);
    drop(c->state, c->plan->state.n);
    call_buffers_reset(&c->buffers, c->plan);
    call_count_reset(&c->count);
    call_guess_reset(&c->guess);
    if (c->sequence)
        sequence_rewind(c->sequence);
}

bool job_call_cut(job_call *c, size_t n)
{
    if (!c->buffers.on || n > c->buffers.length) {
        job_call_reset(c);
        return n == 0;
    }
    c->buffers.length = c->prefix.n = n; /* rows behind them do not count */
    call_guess_reset(&c->guess);
    return true;
}

void job_call_end(job_call **c)
{
    if (!c || !*c)
        return;
    const call_live live = live_of(*c);
    call_prefix_keep(&(*c)->prefix, &live);
    call_prefix_end(&(*c)->prefix);
    call_guess_end(&(*c)->guess);
    drop((*c)->state, (*c)->plan->state.n);
    drop((*c)->held, (*c)->plan->held.n);
    sequence_leave(&(*c)->sequence);
    mem_free((*c)->state);
    mem_free((*c)->held);
    mem_free((*c)->made);
    mem_free((*c)->feeds);
    mem_free((*c)->own);
    mem_free((*c)->overwrite);
    call_buffers_end(&(*c)->buffers);
    call_count_end(&(*c)->count, (*c)->plan);
    mem_free(*c);
    *c = NULL;
}

const call_plan *job_call_plan(const job_call *c)
{
    return c->plan;
}

/* ---- Feeding ------------------------------------------------------------------------------------------- */

static sib_code refused(const job_call *c, const char *port, const char *why, sib_error *err)
{
    return err_set(err, SIB_ERR_ARGUMENT, "job '%s', call '%s', port '%s': %s", c->plan->d->name,
                   c->plan->call->name, port, why);
}

/* A tensor view of a port's value. *out: owned by the caller. */
static sib_code port_tensor(const job_call *c, const call_port *p, const sib_port_value *v, sib_tensor **out,
                            sib_error *err)
{
    int64_t n;
    switch (v->type) {
    case SIB_PORT_AUDIO:
    case SIB_PORT_TENSOR:
        return sib_tensor_reshape(v->tensor, sib_tensor_rank(v->tensor), sib_tensor_dims(v->tensor), out,
                                  err);
    case SIB_PORT_TOKENS:
        n = (int64_t)v->tokens.n;
        return sib_tensor_wrap(SIB_I32, 1, &n, NULL, (void *)v->tokens.ids, NULL, NULL, out, err);
    case SIB_PORT_NUMBER:
        return sib_tensor_wrap(SIB_F64, 0, NULL, NULL, (void *)&v->number, NULL, NULL, out, err);
    case SIB_PORT_NUMBERS:
        n = (int64_t)v->numbers.n;
        return sib_tensor_wrap(SIB_F64, 1, &n, NULL, (void *)v->numbers.data, NULL, NULL, out, err);
    default:
        return refused(c, p->port, "models have no inputs of this type", err);
    }
}

static void become(sib_tensor **t, sib_tensor *next)
{
    sib_tensor_free(t);
    *t = next;
}

/* Converts *t to the model's order of axes, type and rank (leading axes of 1), dense. */
static sib_code adapt(const job_call *c, const call_port *p, sib_tensor **t, sib_error *err)
{
    sib_tensor *next;
    sib_code code = SIB_OK;
    size_t rank = sib_tensor_rank(*t), n = p->pair->n_transpose;
    if (n && n != rank)
        return refused(c, p->port, "'transpose' must have as many axes as the model's dims", err);
    if (n && (code = sib_tensor_transpose(*t, p->pair->transpose, &next, err)) == SIB_OK)
        become(t, next);
    if (code == SIB_OK && !sib_tensor_is_dense(*t) && (code = sib_tensor_copy(*t, &next, err)) == SIB_OK)
        become(t, next);
    if (code == SIB_OK && p->info.dtype && sib_tensor_dtype(*t) != p->info.dtype &&
        (code = sib_tensor_convert(*t, p->info.dtype, SIB_OVERFLOW_IEEE, &next, err)) == SIB_OK)
        become(t, next);
    if (code != SIB_OK || !p->info.ranked || rank >= p->info.rank)
        return code;
    int64_t dims[SIB_MAX_RANK];
    size_t front = p->info.rank - rank;
    for (size_t i = 0; i < p->info.rank; i++)
        dims[i] = i < front ? 1 : sib_tensor_dims(*t)[i - front];
    code = sib_tensor_reshape(*t, p->info.rank, dims, &next, err);
    if (code == SIB_OK)
        become(t, next);
    return code;
}

static sib_code input_value(const job_call *c, const call_port *p, const sib_port_value *v, sib_value **out,
                            sib_error *err)
{
    sib_tensor *t = NULL;
    sib_code code = port_tensor(c, p, v, &t, err);
    if (code != SIB_OK)
        return code;
    code = adapt(c, p, &t, err);
    if (code == SIB_OK)
        code = sib_value_from_tensor(t, out, err);
    sib_tensor_free(&t);
    return code;
}

/* The state before the first call. */
static sib_code first_state(const job_call *c, const call_port *s, sib_value **out, sib_error *err)
{
    const job_pair *pair = s->pair;
    int64_t dims[SIB_MAX_RANK];
    if (!s->info.ranked || (pair->n_dims && pair->n_dims != s->info.rank))
        return refused(c, s->port, "the 'dims' of a state must have the model's rank", err);
    for (size_t i = 0; i < s->info.rank; i++)
        dims[i] = pair->n_dims ? pair->dims[i] : s->info.dims[i] >= 0 ? s->info.dims[i] : i == 0;
    if (s->info.dtype == SIB_STRING || sib_dtype_bits(s->info.dtype) < 8)
        return refused(c, s->port, "a state cannot be of this type", err);
    sib_tensor *t;
    sib_code code = sib_tensor_create(s->info.dtype, s->info.rank, dims, &t, err);
    if (code != SIB_OK)
        return code;
    size_t size = sib_dtype_bits(s->info.dtype) / 8;
    char *at = sib_tensor_data(t);
    for (uint64_t i = 0; pair->fill != 0 && i < sib_tensor_count(t) && code == SIB_OK; i++, at += size)
        code = sib_convert(SIB_F64, &pair->fill, s->info.dtype, at, 1, SIB_OVERFLOW_IEEE, err);
    if (code == SIB_OK)
        code = sib_value_from_tensor(t, out, err);
    sib_tensor_free(&t);
    return code;
}

/* Sets c->own[i], the value of port i: with the tokens of the calls before where the call has a history. */
static sib_code given_value(job_call *c, size_t i, const sib_port_value *v, sib_error *err)
{
    const call_plan *p = c->plan;
    sib_port_value joined;
    if (p->call->count.history && i == p->count_of) {
        sib_code code = call_count_join(&c->count, v, &joined, err);
        if (code != SIB_OK)
            return code;
        v = &joined;
    }
    return input_value(c, &p->inputs.items[i], v, &c->own[i], err);
}

/* Fills c->feeds; *n: how many. */
static sib_code feed(job_call *c, job_value *const *in, size_t *n, sib_error *err)
{
    const call_plan *p = c->plan;
    sib_code code = SIB_OK;
    *n = 0;
    memset(c->overwrite, 0, max_feeds(p) * sizeof *c->overwrite);
    for (size_t i = 0; i < p->inputs.n && code == SIB_OK; i++) {
        const call_port *port = &p->inputs.items[i];
        if (in[i] && (code = given_value(c, i, &in[i]->v, err)) == SIB_OK)
            c->feeds[(*n)++] = (sib_named_value){port->value, c->own[i]};
        else if (!in[i] && !port->info.optional_input && call_plan_fixed(p, port->value) == NO_INDEX)
            code = refused(c, port->port, "it has no value", err);
    }
    if (code == SIB_OK)
        code = call_count_feed(&c->count, p, c->own, n, c->feeds, err);
    for (size_t i = 0; i < p->call->n_fixed; i++) {
        const call_port *port = NULL; /* the port that overrides it */
        for (size_t k = 0; k < p->inputs.n; k++)
            if (in[k] && !strcmp(p->inputs.items[k].value, p->call->fixed[i].name))
                port = &p->inputs.items[k];
        if (!port)
            c->feeds[(*n)++] = (sib_named_value){p->call->fixed[i].name, p->fixed[i]};
    }
    for (size_t i = 0; i < p->state.n && code == SIB_OK; i++) {
        if (!c->state[i])
            code = first_state(c, &p->state.items[i], &c->state[i], err);
    }
    if (c->buffers.on && code == SIB_OK)
        code = call_buffers_feed(&c->buffers, p, c->state, n, c->feeds, err);
    for (size_t i = 0; i < p->state.n && code == SIB_OK; i++) {
        c->overwrite[*n] = c->buffers.on;
        c->feeds[(*n)++] = (sib_named_value){p->state.items[i].port, c->state[i]};
    }
    for (size_t i = 0; i < p->context.n && code == SIB_OK; i++) {
        const call_port *port = &p->context.items[i];
        const port_list *held = &c->of->plan->held;
        size_t k = 0;
        while (k < held->n && strcmp(held->items[k].value, port->value))
            k++;
        if (k == held->n || !c->of->held[k])
            code = refused(c, port->port, "the call that it comes from has not run yet", err);
        else
            c->feeds[(*n)++] = (sib_named_value){port->port, c->of->held[k]};
    }
    return code;
}

/* ---- Running ------------------------------------------------------------------------------------------- */

/* Taps of values inside the model, by the path of the call. */
static sib_code tap_inside(void *context, const sib_tap_event *event, sib_error *err)
{
    job_call *c = context;
    const sib_tensor *t = sib_value_tensor(event->value);
    char path[512];
    snprintf(path, sizeof path, "%s/model/%s", c->path, event->name);
    return t && c->watch->wanted(c->watch->context, path) ? c->watch->tap(c->watch->context, path, t, err)
                                                          : SIB_OK;
}

static sib_code tap_outputs(job_call *c, sib_error *err)
{
    sib_code code = SIB_OK;
    for (size_t i = 0; i < c->plan->outputs.n && code == SIB_OK; i++) {
        char path[512];
        const sib_tensor *t = sib_value_tensor(c->made[i]);
        snprintf(path, sizeof path, "%s/%s", c->path, c->plan->outputs.items[i].port);
        if (!t || !c->watch->wanted(c->watch->context, path))
            continue;
        code = sib_value_fetch(c->made[i], err);
        if (code == SIB_OK)
            code = c->watch->tap(c->watch->context, path, t, err);
    }
    return code;
}

static void take_over(sib_value **to, sib_value **from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        sib_value_free(&to[i]);
        to[i] = from[i];
        from[i] = NULL;
    }
}

/* The value of input i: the port's, or the fixed one; NULL where it has none. */
static sib_code batch_input(job_call *c, size_t i, job_value *const *in, const sib_value **out,
                            sib_error *err)
{
    const call_port *port = call_plan_input(c->plan, i);
    size_t fixed = call_plan_fixed(c->plan, port->value);
    if (in[i]) {
        sib_code code = input_value(c, port, &in[i]->v, &c->own[i], err);
        *out = c->own[i];
        return code;
    }
    if (fixed == NO_INDEX)
        return refused(c, port->port, "it has no value", err);
    *out = c->plan->fixed[fixed];
    return SIB_OK;
}

/* The step of a sequence, which others share. */
static sib_code run_in_batch(job_call *c, job_value *const *in, sib_value **out, sib_error *err)
{
    const sib_value *tokens = NULL, *at = NULL;
    sib_profile *profile = c->watch ? c->watch->profile : NULL;
    sib_code code = batch_input(c, c->batch->tokens, in, &tokens, err);
    if (code == SIB_OK)
        code = batch_input(c, c->batch->at, in, &at, err);
    const uint64_t span = profile ? sib_profile_begin(profile, SIB_SPAN_CALL, c->path) : 0;
    if (code == SIB_OK)
        code = job_batch_feed(c->sequence, tokens, at, c->watch ? c->watch->cancel : NULL, out, err);
    if (profile)
        sib_profile_end(profile, span);
    drop(c->own, c->plan->inputs.n);
    if (code != SIB_OK || !c->watch || !c->watch->tap)
        return code;
    c->made[0] = out[0]; /* for the taps alone */
    code = tap_outputs(c, err);
    c->made[0] = NULL;
    if (code != SIB_OK)
        drop(out, 1);
    return code;
}

/* A step of the model with these inputs. */
static sib_code run_step(job_call *c, job_value *const *in, sib_value **out, sib_error *err)
{
    const call_plan *p = c->plan;
    const job_watch *w = c->watch;
    bool taps = w && w->tap;
    size_t n;
    sib_run_options options = {.cancel = w ? w->cancel : NULL,
                               .profile = w ? w->profile : NULL,
                               .stay = p->stay,
                               .overwrite = c->overwrite};
    snprintf(c->path, sizeof c->path, "%s/step[%llu]", p->call->name, (unsigned long long)c->steps++);
    if (c->sequence)
        return run_in_batch(c, in, out, err);
    sib_code code = SIB_OK;
    if (c->buffers.on && (!unwatched(p, w) || sib_session_is_watched(p->session)))
        code =
            call_buffers_leave(&c->buffers, p, c->state, err); /* values are seen as the model names them */
    if (code == SIB_OK)
        code = feed(c, in, &n, err);
    if (code == SIB_OK && taps) {
        char below[300];
        snprintf(below, sizeof below, "%s/model/", c->path);
        if (w->wanted_below(w->context, below)) {
            options.tap = tap_inside;
            options.tap_context = c;
        }
    }
    const uint64_t span = options.profile ? sib_profile_begin(options.profile, SIB_SPAN_CALL, c->path) : 0;
    if (code == SIB_OK)
        code = sib_session_run(c->buffers.on ? p->buffered : p->session, n, c->feeds, count_outputs(p),
                               p->names, c->made, &options, err);
    if (options.profile)
        sib_profile_end(options.profile, span);
    if (code == SIB_OK && taps)
        code = tap_outputs(c, err);
    drop(c->own, p->inputs.n);
    if (code != SIB_OK) {
        drop(c->made, count_outputs(p));
        return code;
    }
    take_over(out, c->made, p->outputs.n);
    take_over(c->state, c->made + p->outputs.n, p->state.n);
    call_buffers_step(&c->buffers);
    call_count_step(&c->count, p);
    take_over(c->held, c->made + p->outputs.n + p->state.n, p->held.n);
    return SIB_OK;
}

/* The same, which reads guesses too where nobody looks into it. in: of the call; given: what of it is not read yet. */
static sib_code run_guessing(job_call *c, job_value *const *in, job_value *const *given, sib_value **out,
                             sib_error *err)
{
    job_value *const *fed = given;
    sib_error why = SIB_ERROR_INIT;
    size_t read = 0;
    sib_code code = SIB_OK;
    if (!c->buffers.on || !unwatched(c->plan, c->watch) || sib_session_is_watched(c->plan->session))
        call_guess_stop(&c->guess);
    code = call_guess_before(&c->guess, in, given, &fed, err);
    if (code != SIB_OK || fed == given)
        return code == SIB_OK ? run_step(c, given, out, err) : code;
    code = run_step(c, fed, out, &why);
    if (code == SIB_OK) {
        code = call_guess_after(&c->guess, out, &read, err);
        c->buffers.length -= read;
        return code;
    }
    if (code == SIB_ERR_CANCELLED || code == SIB_ERR_MEMORY)
        return err_set(err, code, "%s", why.message);
    call_guess_stop(&c->guess); /* as where guesses do not fit the context any more */
    return run_step(c, given, out, err);
}

sib_code job_call_start(job_call *c, job_value *const *in, sib_value **out, sib_error *err)
{
    const call_live live = live_of(c);
    job_value *const *given;
    for (size_t i = 0; i < c->plan->outputs.n; i++)
        out[i] = NULL;
    sib_code code = call_prefix_before(&c->prefix, &live, in, &given, err);
    if (code == SIB_OK && call_guess_answers(&c->guess, in, out, &code, err))
        c->buffers.length += code == SIB_OK; /* its row is there */
    else if (code == SIB_OK)
        code = run_guessing(c, in, given, out, err);
    call_prefix_after(&c->prefix, code);
    return code;
}

sib_code job_call_run(job_call *c, job_value *const *in, sib_value **out, sib_error *err)
{
    const size_t n = c->plan->outputs.n;
    sib_code code = job_call_start(c, in, out, err);
    for (size_t i = 0; i < n && code == SIB_OK; i++)
        code = sib_value_fetch(out[i], err);
    if (code != SIB_OK)
        drop(out, n);
    return code;
}
