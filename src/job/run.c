#include "job/run_inner.h"

#include "base/alloc.h"
#include "base/cancel.h"
#include "base/error.h"
#include "base/pool.h"
#include "job/collect.h"
#include "job/nodes/nodes.h"

#include <sibyl/watch.h>

#include <stdio.h>
#include <string.h>

/* ---- Needed nodes -------------------------------------------------------------------------------------- */

static void want(job_run_state *r, uint32_t slot)
{
    if (slot != NO_SLOT)
        r->wanted[slot] = true;
}

static void want_block(job_run_state *r, const job_block *b);

/* Whether the node makes a call itself. */
static bool makes(const job_node *n, size_t call)
{
    for (size_t i = 0; i < n->op->n_calls; i++)
        if (n->calls[i] == call)
            return true;
    return false;
}

static void want_inputs(job_run_state *r, const job_node *n)
{
    const job_loop *loop = n->loop;
    for (size_t i = 0; i < n->n_inputs; i++)
        want(r, n->in[i]);
    for (size_t i = 0; i < n->op->n_calls; i++) {
        const size_t of = n->calls[i] != NO_INDEX ? r->d->calls[n->calls[i]].of : NO_INDEX;
        if (of != NO_INDEX && !makes(n, of))
            r->held[of] = true;
    }
    if (!loop)
        return;
    want(r, loop->max_steps);
    for (size_t i = 0; i < loop->n_states; i++) {
        want(r, loop->states[i].initial);
        want(r, loop->states[i].next);
    }
    for (size_t i = 0; i < loop->n_over; i++)
        want(r, loop->over[i].list);
    for (size_t i = 0; i < loop->n_until; i++)
        want(r, loop->until[i]);
    for (size_t i = 0; i < loop->n_collects; i++)
        want(r, loop->collects[i].item);
    want_block(r, &loop->body);
}

/* All nodes of a loop's body. */
static void want_block(job_run_state *r, const job_block *b)
{
    for (size_t i = 0; i < b->n; i++)
        want_inputs(r, &b->nodes[i]);
}

bool run_needs(const job_run_state *r, const job_node *n)
{
    for (size_t i = 0; i < n->n_outputs; i++)
        if (r->wanted[n->out + i])
            return true;
    /* a node of several calls makes them for itself */
    return n->op->n_calls == 1 && n->calls[0] != NO_INDEX && r->held[n->calls[0]];
}

/* ---- Nodes --------------------------------------------------------------------------------------------- */

static job_value *read_slot(const job_run_state *r, uint32_t slot)
{
    return slot == NO_SLOT ? NULL : r->slots[slot] ? r->slots[slot] : r->d->literals[slot];
}

/* A value as a tensor for a tap; NULL where it cannot be one. *view: to be freed, or NULL. */
static const sib_tensor *tensor_of(const sib_port_value *v, sib_tensor **view)
{
    int64_t n;
    *view = NULL;
    switch (v->type) {
    case SIB_PORT_AUDIO:
    case SIB_PORT_TENSOR:
        return v->tensor;
    case SIB_PORT_TOKENS:
        n = (int64_t)v->tokens.n;
        sib_tensor_wrap(SIB_I32, 1, &n, NULL, (void *)v->tokens.ids, NULL, NULL, view, NULL);
        break;
    case SIB_PORT_NUMBER:
        sib_tensor_wrap(SIB_F64, 0, NULL, NULL, (void *)&v->number, NULL, NULL, view, NULL);
        break;
    case SIB_PORT_NUMBERS:
        n = (int64_t)v->numbers.n;
        sib_tensor_wrap(SIB_F64, 1, &n, NULL, (void *)v->numbers.data, NULL, NULL, view, NULL);
        break;
    case SIB_PORT_FLAG:
        sib_tensor_wrap(SIB_BOOL, 0, NULL, NULL, (void *)&v->flag, NULL, NULL, view, NULL);
        break;
    default:
        break;
    }
    return *view;
}

static sib_code tap_outputs(const job_run_state *r, const job_node *n, sib_error *err)
{
    const job_watch *w = r->watch;
    sib_code code = SIB_OK;
    for (size_t i = 0; w && w->tap && i < n->n_outputs && code == SIB_OK; i++) {
        char path[512];
        sib_tensor *view;
        const job_value *v = r->slots[n->out + i];
        snprintf(path, sizeof path, "%s%s/%s", r->path, n->name, n->outputs[i].name);
        const sib_tensor *t = v && w->wanted(w->context, path) ? tensor_of(&v->v, &view) : NULL;
        if (!t)
            continue;
        code = w->tap(w->context, path, t, err);
        sib_tensor_free(&view);
    }
    return code;
}

/* The name of the job's input that fills a slot, or NULL. */
static const char *input_of(const job_doc *d, uint32_t slot)
{
    for (size_t i = 0; i < d->n_inputs; i++)
        if (d->inputs[i].slot == slot)
            return d->inputs[i].name;
    return NULL;
}

static sib_code run_loop(job_run_state *r, const job_node *n, sib_error *err);

sib_code run_inputs(const job_run_state *r, const job_node *n, job_value **in, sib_error *err)
{
    for (size_t i = 0; i < n->n_inputs; i++) {
        job_value *given = read_slot(r, n->in[i]);
        if (given && !(in[i] = job_value_as(given, n->inputs[i].type)))
            return err_memory(err, sizeof *given, "an input of a node");
        const char *from = n->in[i] == NO_SLOT ? NULL : input_of(r->d, n->in[i]);
        if (!in[i] && n->inputs[i].required)
            return err_set(err, SIB_ERR_ARGUMENT, "job '%s': %s '%s', which node '%s' needs, has no value",
                           r->d->name, from ? "input" : "port", from ? from : n->inputs[i].name, n->name);
    }
    return SIB_OK;
}

void run_put(job_run_state *r, const job_node *n, job_value **out)
{
    for (size_t i = 0; i < n->n_outputs; i++)
        job_value_put(&r->slots[n->out + i], out[i]);
}

static sib_code run_op(job_run_state *r, const job_node *n, job_value **in, job_value **out, job_call **calls,
                       sib_error *err)
{
    sib_code code = run_inputs(r, n, in, err);
    if (code != SIB_OK)
        return code;
    for (size_t i = 0; i < n->op->n_calls; i++)
        calls[i] = n->calls[i] == NO_INDEX ? NULL : r->calls[n->calls[i]];
    job_step step = {.node = n,
                     .in = in,
                     .out = out,
                     .wanted = r->wanted + n->out,
                     .calls = calls,
                     .tokenizer = n->tokenizer == NO_INDEX ? NULL : r->parts->tokenizers[n->tokenizer],
                     .pool = r->parts->pool,
                     .watch = r->watch,
                     .max_steps = r->max_steps,
                     .memory = &r->memory[n->number]};
    r->nodes[n->number] = n;
    sib_profile *profile = r->watch ? r->watch->profile : NULL;
    char name[512];
    snprintf(name, sizeof name, "%s%s", r->path, n->name);
    const uint64_t span = profile ? sib_profile_begin(profile, SIB_SPAN_CALL, name) : 0;
    code = n->op->run(&step, err);
    if (profile)
        sib_profile_end(profile, span);
    return code;
}

static sib_code run_node(job_run_state *r, const job_node *n, sib_error *err)
{
    if (r->watch && cancel_is_set(r->watch->cancel))
        return err_set(err, SIB_ERR_CANCELLED, "job '%s' was cancelled", r->d->name);
    if (n->loop) {
        sib_code code = run_loop(r, n, err);
        return code == SIB_OK ? tap_outputs(r, n, err) : code;
    }
    size_t count = n->n_inputs + n->n_outputs + n->op->n_calls;
    job_value **in = mem_calloc(count + 1, sizeof *in);
    if (!in)
        return err_memory(err, count * sizeof *in, "ports of a node");
    job_value **out = in + n->n_inputs;
    sib_code code = run_op(r, n, in, out, (job_call **)(out + n->n_outputs), err);
    if (code == SIB_OK)
        run_put(r, n, out);
    for (size_t i = 0; i < n->n_outputs && code != SIB_OK; i++)
        job_value_release(out[i]);
    for (size_t i = 0; i < n->n_inputs; i++)
        job_value_release(in[i]);
    mem_free(in);
    return code == SIB_OK ? tap_outputs(r, n, err) : code;
}

static sib_code run_all(job_run_state *r, const job_block *b, sib_error *err)
{
    sib_code code = SIB_OK;
    for (size_t i = 0; i < b->n && code == SIB_OK; i++)
        code = run_node(r, &b->nodes[i], err);
    return code;
}

/* ---- Loops --------------------------------------------------------------------------------------------- */

static void forget(job_run_state *r, size_t number)
{
    const job_node *n = r->nodes[number];
    if (n && n->op->forget && r->memory[number])
        n->op->forget(r->memory[number]);
    r->memory[number] = NULL;
}

/* Resets the memory of nodes and the state of their calls when the enclosing loop starts. */
static void begin_anew(job_run_state *r, const job_block *b)
{
    for (size_t i = 0; i < b->n; i++) {
        const job_node *n = &b->nodes[i];
        forget(r, n->number);
        for (size_t k = 0; k < n->op->n_calls; k++)
            if (n->calls[k] != NO_INDEX)
                job_call_reset(r->calls[n->calls[k]]);
        if (n->loop)
            begin_anew(r, &n->loop->body);
    }
}

/* Item `at` along the first axis of t. copy: t belongs to the caller, and an output may outlive it. */
static sib_code item_at(const sib_tensor *t, uint64_t at, bool copy, job_value **out, sib_error *err)
{
    sib_tensor *row, *item = NULL, *own = NULL;
    sib_value *value = NULL;
    sib_code code = sib_tensor_slice(t, 0, (int64_t)at, 1, 1, &row, err);
    if (code != SIB_OK)
        return code;
    code = sib_tensor_reshape(row, sib_tensor_rank(t) - 1, sib_tensor_dims(t) + 1, &item, err);
    if (code == SIB_OK && copy)
        code = sib_tensor_copy(item, &own, err);
    if (code == SIB_OK)
        code = sib_value_from_tensor(copy ? own : item, &value, err);
    sib_tensor_free(&own);
    sib_tensor_free(&item);
    sib_tensor_free(&row);
    *out = job_value_tensor(value, SIB_PORT_TENSOR);
    return code == SIB_OK && !*out ? err_memory(err, sizeof **out, "an item of a loop") : code;
}

/* Items of this iteration; *more: false where a list has ended. */
static sib_code take_items(job_run_state *r, const job_loop *loop, uint64_t step, bool *more, sib_error *err)
{
    *more = true;
    for (size_t i = 0; i < loop->n_over; i++) {
        const job_value *list = read_slot(r, loop->over[i].list);
        const sib_tensor *t = list ? list->v.tensor : NULL;
        if (!t || !sib_tensor_rank(t))
            return err_set(err, SIB_ERR_ARGUMENT,
                           "job '%s': a loop needs a tensor with an axis to iterate over", r->d->name);
        *more = *more && step < (uint64_t)sib_tensor_dims(t)[0];
        if (!*more)
            return SIB_OK;
        job_value *v = NULL;
        sib_code code = item_at(t, step, !list->tensor, &v, err);
        if (code != SIB_OK)
            return code;
        job_value_put(&r->slots[loop->over[i].slot], v);
    }
    return SIB_OK;
}

/* Updates all states together to what the body computed. */
static sib_code next_states(job_run_state *r, const job_loop *loop, job_value **next, sib_error *err)
{
    sib_code code = SIB_OK;
    for (size_t i = 0; i < loop->n_states; i++) {
        const job_state *s = &loop->states[i];
        job_value *made = read_slot(r, s->next);
        next[i] = made ? job_value_as(made, r->d->types[s->slot]) : NULL;
        if (made && !next[i])
            code = err_memory(err, sizeof *made, "the state of a loop");
    }
    for (size_t i = 0; i < loop->n_states; i++)
        job_value_put(&r->slots[loop->states[i].slot], next[i]);
    return code;
}

static bool ends(const job_run_state *r, const job_loop *loop)
{
    bool end = false;
    for (size_t i = 0; i < loop->n_until; i++) {
        const job_value *flag = read_slot(r, loop->until[i]);
        end = end || (flag && flag->v.flag);
    }
    return end;
}

static sib_code iterate(job_run_state *r, const job_node *n, collector *gathered, job_value **next,
                        size_t around, sib_error *err)
{
    const job_loop *loop = n->loop;
    const job_value *max = read_slot(r, loop->max_steps);
    double limit = max ? max->v.number : (double)UINT64_MAX;
    bool more = true, end = false;
    for (uint64_t step = 0; !end; step++) {
        if ((double)step >= limit)
            return SIB_OK;
        sib_code code = take_items(r, loop, step, &more, err);
        if (code != SIB_OK || !more)
            return code;
        if (step >= r->max_steps)
            return err_set(err, SIB_ERR_VALUE, "job '%s': loop '%s' does not end within %llu steps",
                           r->d->name, n->name, (unsigned long long)r->max_steps);
        snprintf(r->path + around, sizeof r->path - around, "%s/step[%llu]/", n->name,
                 (unsigned long long)step);
        code = run_all(r, &loop->body, err);
        for (size_t i = 0; i < loop->n_collects && code == SIB_OK; i++) {
            const job_value *item = read_slot(r, loop->collects[i].item);
            code = item ? collector_add(&gathered[i], item, err) : SIB_OK;
        }
        if (code != SIB_OK)
            return code;
        end = ends(r, loop);
        if ((code = next_states(r, loop, next, err)) != SIB_OK)
            return code;
    }
    return SIB_OK;
}

static sib_code run_loop(job_run_state *r, const job_node *n, sib_error *err)
{
    const job_loop *loop = n->loop;
    size_t around = strlen(r->path);
    collector *gathered = mem_calloc(loop->n_collects + 1, sizeof *gathered);
    job_value **next = mem_calloc(loop->n_states + 1, sizeof *next);
    sib_code code = gathered && next ? SIB_OK : err_memory(err, sizeof *gathered, "a loop");
    if (code == SIB_OK) {
        begin_anew(r, &loop->body);
        for (size_t i = 0; i < loop->n_states; i++)
            job_value_put(&r->slots[loop->states[i].slot],
                          job_value_keep(read_slot(r, loop->states[i].initial)));
        for (size_t i = 0; i < loop->n_collects; i++)
            gathered[i].type = r->d->types[loop->collects[i].item];
        code = iterate(r, n, gathered, next, around, err);
    }
    r->path[around] = 0;
    for (size_t i = 0; i < loop->n_states && code == SIB_OK; i++)
        job_value_put(&r->slots[n->out + i], job_value_keep(r->slots[loop->states[i].slot]));
    for (size_t i = 0; gathered && i < loop->n_collects; i++) {
        job_value *all = NULL;
        if (code == SIB_OK)
            code = collector_give(&gathered[i], &all, err);
        if (all)
            job_value_put(&r->slots[n->out + loop->n_states + i], all);
        collector_drop(&gathered[i]);
    }
    mem_free(gathered);
    mem_free(next);
    return code;
}

/* ---- The run ------------------------------------------------------------------------------------------- */

static void end_run(job_run_state *r)
{
    for (size_t i = 0; r->memory && r->nodes && i < r->d->n_nodes; i++)
        forget(r, i);
    for (size_t i = 0; r->calls && i < r->d->n_calls; i++)
        job_call_end(&r->calls[i]);
    for (uint32_t i = 0; r->slots && i < r->d->n_slots; i++)
        job_value_release(r->slots[i]);
    mem_free(r->slots);
    mem_free(r->wanted);
    mem_free(r->held);
    mem_free(r->memory);
    mem_free(r->nodes);
    mem_free(r->calls);
}

static sib_code begin_run(job_run_state *r, job_value *const *given, sib_error *err)
{
    const job_doc *d = r->d;
    r->slots = mem_calloc(d->n_slots + 1, sizeof *r->slots);
    r->wanted = mem_calloc(d->n_slots + 1, sizeof *r->wanted);
    r->held = mem_calloc(d->n_calls + 1, sizeof *r->held);
    r->memory = mem_calloc(d->n_nodes + 1, sizeof *r->memory);
    r->nodes = mem_calloc(d->n_nodes + 1, sizeof *r->nodes);
    r->calls = mem_calloc(d->n_calls + 1, sizeof *r->calls);
    if (!r->slots || !r->wanted || !r->held || !r->memory || !r->nodes || !r->calls)
        return err_memory(err, d->n_slots * sizeof *r->slots, "a job's run");
    for (size_t i = 0; i < d->n_inputs; i++)
        r->slots[d->inputs[i].slot] = job_value_keep(given[i]);
    sib_code code = SIB_OK;
    for (size_t i = 0; i < d->n_calls && code == SIB_OK; i++) {
        size_t of = d->calls[i].of;
        code = job_call_begin(r->parts->plans[i], of == NO_INDEX ? NULL : r->calls[of], r->watch, r->shared,
                              &r->calls[i], err);
    }
    return code;
}

sib_code run_begin(job_run_state *r, job_value *const *given, size_t n, const size_t *outputs, sib_error *err)
{
    const job_block *b = &r->d->block;
    sib_code code = begin_run(r, given, err);
    for (size_t i = 0; i < n && code == SIB_OK; i++)
        want(r, r->d->outputs[outputs[i]].slot);
    for (size_t i = b->n; i-- > 0 && code == SIB_OK;)
        if (run_needs(r, &b->nodes[i]))
            want_inputs(r, &b->nodes[i]);
    return code;
}

sib_code run_nodes(job_run_state *r, size_t from, size_t to, sib_error *err)
{
    const job_node *nodes = r->d->block.nodes;
    sib_code code = SIB_OK;
    for (size_t i = from; i < to && code == SIB_OK; i++)
        if (run_needs(r, &nodes[i]))
            code = run_node(r, &nodes[i], err);
    return code;
}

sib_code run_end(job_run_state *r, sib_code code, size_t n, const size_t *outputs, job_value **out,
                 sib_error *err)
{
    for (size_t i = 0; i < n; i++)
        out[i] = NULL;
    for (size_t i = 0; i < n && code == SIB_OK; i++) {
        const job_output *from = &r->d->outputs[outputs[i]];
        job_value *v = read_slot(r, from->slot);
        out[i] = v ? job_value_own(v) : NULL;
        if (v && !out[i])
            code = err_memory(err, sizeof *v, "an output");
        else if (!v)
            code =
                err_set(err, SIB_ERR_VALUE, "job '%s': output '%s' was not computed", r->d->name, from->name);
    }
    for (size_t i = 0; i < n && code != SIB_OK; i++)
        job_value_put(&out[i], NULL);
    end_run(r);
    return code;
}

sib_code job_run(const job_parts *parts, job_value *const *given, size_t n, const size_t *outputs,
                 uint64_t max_steps, const job_watch *watch, const job_shared *shared, job_value **out,
                 sib_error *err)
{
    job_run_state r = {
        .parts = parts, .d = parts->doc, .watch = watch, .shared = shared, .max_steps = max_steps};
    sib_code code = run_begin(&r, given, n, outputs, err);
    sib_pool *held = shared && shared->batch ? NULL : parts->pool; /* a batch's steps are other threads' */
    pool_hold(
        held); /* held through all calls: between two steps of a decoder lie some hundred microseconds */
    if (code == SIB_OK)
        code = run_nodes(&r, 0, r.d->block.n, err);
    pool_release(held);
    return run_end(&r, code, n, outputs, out, err);
}
