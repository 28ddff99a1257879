#include "run/execute/execute.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"
#include "tensor/dtype.h"
#include "tensor/tensor.h"
#include "tensor/value.h"
#include <sibyl/timing.h>

#include <stdio.h>
#include <string.h>

/* Most plans kept for the same nodes, and most of them with memory ready for a run; those not used for the longest time go,
   so that the lengths of a growing cache, each of which has a plan, do not fill the memory. */
#define PLANS_KEPT  16
#define SPARES_KEPT 4

static uint64_t tensor_bytes(const sib_tensor *t)
{
    size_t bytes = 0;
    dtype_bytes(t->dtype, t->count, &bytes);
    return bytes;
}

uint64_t run_bytes(const sib_value *v)
{
    const sib_tensor *t = sib_value_tensor(v);
    uint64_t sum = t ? tensor_bytes(t) : 0;
    for (size_t i = 0; i < sib_value_count(v); i++) {
        const sib_tensor *item = sib_value_tensor(sib_value_item(v, i));
        sum += RUN_ITEM_BYTES + (item ? tensor_bytes(item) : 0);
    }
    return sum;
}

sib_code run_charge(run_state *run, uint64_t bytes, const char *what, sib_error *err)
{
    run->memory += bytes;
    if (!run->memory_limit || run->memory <= run->memory_limit)
        return SIB_OK;
    return err_set(err, SIB_ERR_MEMORY, "%s: the run needs %llu bytes, above the limit of %llu", what,
                   (unsigned long long)run->memory, (unsigned long long)run->memory_limit);
}

/* ---- Frames ------------------------------------------------------------------------------------------ */

/* The value of a constant, made once and shared by all runs. */
static sib_code constant_value(executor *ex, value_id v, const sib_tensor *constant, const sib_value **out,
                               sib_error *err)
{
    sib_value *made = NULL, *other = atomic_load_explicit(&ex->constants[v], memory_order_acquire);
    *out = other;
    if (other)
        return SIB_OK;
    sib_code code = sib_value_from_tensor(constant, &made, err);
    if (code != SIB_OK)
        return code;
    *out = made;
    if (!atomic_compare_exchange_strong(&ex->constants[v], &other, made)) {
        sib_value_free(&made);
        *out = other;
    }
    return SIB_OK;
}

sib_code frame_value(const frame *f, value_id v, const sib_value **out, sib_error *err)
{
    const value *x = &f->ex->g->values[v];
    *out = f->live[v];
    if (*out)
        return SIB_OK;
    const sib_tensor *constant = x->constant ? x->constant : graph_constant_behind(f->ex->g, v);
    if (!constant)
        return err_set(err, SIB_ERR_FORMAT, "value '%.*s' is used before it is there", (int)x->name.length,
                       x->name.data);
    return constant_value(f->ex, v, constant, out, err);
}

void frame_set(frame *f, value_id v, sib_value *made)
{
    sib_value_free(&f->live[v]);
    f->run->memory -= f->charged[v];
    f->charged[v] = made ? run_bytes(made) : 0;
    f->run->memory += f->charged[v];
    f->live[v] = made;
}

static void frame_drop(frame *f, value_id v)
{
    if (f->live[v])
        frame_set(f, v, NULL);
}

/* ---- Observers --------------------------------------------------------------------------------------- */

static sib_code show(const frame *f, const node *n, const char *name, bool milli, const sib_value *v,
                     sib_error *err)
{
    const sib_run_options *o = f->run->options;
    char full[600];
    snprintf(full, sizeof full, "%s%s", f->path, name);
    if (!v || !observe_wants(o, full))
        return SIB_OK;
    sib_tap_event e = {full, n && n->name.data ? n->name.data : "", n && n->type.data ? n->type.data : "",
                       milli, v};
    return o->tap(o->tap_context, &e, err);
}

static sib_code show_inside(const frame *f, const segment *s, const instance *in, size_t i, node_id origin,
                            sib_error *err)
{
    const node *n = &s->graph->nodes[s->step_nodes[i]], *source = &f->ex->g->nodes[origin];
    sib_code code = SIB_OK;
    for (uint32_t k = 0; n->milli && k < n->outputs.n && code == SIB_OK; k++) {
        char name[400];
        if (n->outputs.ids[k] == NO_VALUE)
            continue;
        if (source->name.length)
            snprintf(name, sizeof name, "%s/milli.%zu:%s", source->name.data,
                     i - s->first_step[origin - s->begin], n->milli->name);
        else
            snprintf(name, sizeof name, "node%u/milli.%zu:%s", origin, i - s->first_step[origin - s->begin],
                     n->milli->name);
        code = show(f, source, name, true, in->buffers[n->outputs.ids[k]].value, err);
    }
    return code;
}

static sib_code show_outputs(const frame *f, const segment *s, const instance *in, node_id origin,
                             sib_error *err)
{
    sib_code code = SIB_OK;
    size_t at = origin - s->begin;
    for (size_t k = s->first_made[at]; k < s->first_made[at + 1] && code == SIB_OK; k++) {
        const value *x = &f->ex->g->values[s->made[k].source];
        code = show(f, &f->ex->g->nodes[origin], x->name.data ? x->name.data : "", false,
                    in->buffers[s->made[k].planned].value, err);
    }
    return code;
}

/* ---- Steps ------------------------------------------------------------------------------------------- */

static sib_code step_failed(const frame *f, node_id origin, sib_code code, const sib_error *why,
                            sib_error *err)
{
    char name[160];
    return err_set(err, code, "node %s: %s", node_text(f->ex->g, &f->ex->g->nodes[origin], name, sizeof name),
                   why->message);
}

/* One step with whoever watches. */
static sib_code run_watched_step(const frame *f, const segment *s, instance *in, size_t i, node_id origin,
                                 sib_error *err)
{
    const step *st = &s->steps[i];
    const node *n = &s->graph->nodes[s->step_nodes[i]];
    const sib_run_options *o = f->run->options;
    buffer **operands = in->operands + in->first_operand[i];
    sib_error why = SIB_ERROR_INIT;
    uint64_t start = o->profile ? sib_time_ns() : 0;
    sib_code code =
        st->backend->run(st, (const buffer *const *)operands, operands + n->inputs.n, o->cancel, &why);
    if (o->profile)
        profile_add(o->profile, f->ex->g, &f->ex->g->nodes[n->origin], n->milli ? n->milli->name : NULL,
                    n->origin != origin || i == s->first_step[origin - s->begin], st->backend->name,
                    (double)(sib_time_ns() - start) * 1e-9);
    if (code != SIB_OK)
        return step_failed(f, origin, code, &why, err);
    return o->tap && o->tap_inside ? show_inside(f, s, in, i, origin, err) : SIB_OK;
}

/* Node after node, so that taps see what a node made when it is done. */
static sib_code run_watched(const frame *f, const segment *s, instance *in, sib_error *err)
{
    sib_code code = SIB_OK;
    const sib_run_options *o = f->run->options;
    for (node_id n = s->begin; n < s->end && code == SIB_OK; n++) {
        size_t at = n - s->begin;
        for (size_t i = s->first_step[at]; i < s->first_step[at + 1] && code == SIB_OK; i++) {
            code = observe_cancel(o->cancel, err);
            if (code == SIB_OK)
                code = run_watched_step(f, s, in, i, n, err);
        }
        if (code == SIB_OK && o->tap)
            code = show_outputs(f, s, in, n, err);
    }
    return code;
}

static node_id origin_of(const segment *s, size_t i)
{
    node_id at = 0;
    while (at + 1 < s->end - s->begin && s->first_step[at + 1] <= i)
        at++;
    return s->begin + at;
}

static sib_code run_steps(const frame *f, const segment *s, instance *in, sib_error *err)
{
    const sib_run_options *o = f->run->options;
    const sib_cancel *cancel = o ? o->cancel : NULL;
    sib_error why = SIB_ERROR_INIT;
    if (o && (o->tap || o->profile))
        return run_watched(f, s, in, err);
    for (size_t i = 0; i < s->n_steps; i++) {
        const step *st = &s->steps[i];
        buffer **operands = in->operands + in->first_operand[i];
        if (cancel_is_set(cancel))
            return observe_cancel(cancel, err);
        sib_code code =
            st->backend->run(st, (const buffer *const *)operands, operands + st->view.n_in, cancel, &why);
        if (code != SIB_OK)
            return step_failed(f, origin_of(s, i), code, &why, err);
    }
    return SIB_OK;
}

static sib_code check_memory(const frame *f, const segment *s, sib_error *err)
{
    uint64_t wanted = f->run->memory + s->arena_bytes + s->own_bytes;
    if (!f->run->memory_limit || wanted <= f->run->memory_limit)
        return SIB_OK;
    size_t largest = 0, at = 0;
    for (size_t i = 0; i < s->n_steps; i++) {
        const node *n = &s->graph->nodes[s->step_nodes[i]];
        for (uint32_t k = 0; k < n->outputs.n; k++)
            if (n->outputs.ids[k] != NO_VALUE && s->slots[n->outputs.ids[k]].bytes > largest) {
                largest = s->slots[n->outputs.ids[k]].bytes;
                at = i;
            }
    }
    char name[160];
    const node *n = &f->ex->g->nodes[s->n_steps ? s->graph->nodes[s->step_nodes[at]].origin : s->begin];
    return err_set(err, SIB_ERR_MEMORY,
                   "the run needs %llu bytes, above the limit of %llu; the largest value is of node %s",
                   (unsigned long long)wanted, (unsigned long long)f->run->memory_limit,
                   node_text(f->ex->g, n, name, sizeof name));
}

/* ---- Segments ---------------------------------------------------------------------------------------- */

static bool is_like(const segment *a, const segment *b)
{
    return a->begin == b->begin && a->view == b->view;
}

/* Frees plan i, which no run holds. The lock is held, here and below. */
static void forget(executor *ex, size_t i)
{
    segment *s = ex->segments[i];
    ex->segments[i] = ex->segments[--ex->n_segments];
    instance_free(s, &s->spare);
    segment_free(&s);
}

/* How many plans there are for the nodes of s (with_spare: that have memory ready), s not counted; *oldest: of those that
   no run holds the one not used for the longest time, n_segments where there is none. */
static size_t count_like(const executor *ex, const segment *s, bool with_spare, size_t *oldest)
{
    size_t n = 0;
    *oldest = ex->n_segments;
    for (size_t i = 0; i < ex->n_segments; i++) {
        const segment *other = ex->segments[i];
        if (other == s || !is_like(other, s) || (with_spare && !other->spare))
            continue;
        n++;
        if (!other->users && (*oldest == ex->n_segments || other->used < ex->segments[*oldest]->used))
            *oldest = i;
    }
    return n;
}

static sib_code add_segment(executor *ex, segment *s, sib_error *err)
{
    size_t oldest;
    if (count_like(ex, s, false, &oldest) >= PLANS_KEPT && oldest < ex->n_segments)
        forget(ex, oldest);
    if (ex->n_segments == ex->capacity) {
        size_t more = ex->capacity ? 2 * ex->capacity : 4;
        segment **grown = mem_realloc(ex->segments, more, sizeof *grown);
        if (!grown)
            return err_memory(err, more * sizeof *grown, "plans");
        ex->segments = grown;
        ex->capacity = more;
    }
    ex->segments[ex->n_segments++] = s;
    return SIB_OK;
}

/* The plan for the nodes from `begin` on, held for this run. */
static sib_code take_segment(const frame *f, node_id begin, segment **out, instance **spare, sib_error *err)
{
    executor *ex = f->ex;
    struct sib_session *session = ex->session;
    sib_code code = SIB_OK;
    segment *s = NULL;
    pthread_mutex_lock(&session->lock);
    const sib_run_options *o = f->run->options;
    plan_view view = !o || !o->tap ? PLAN_CLOSED : o->tap_inside ? PLAN_INSIDE : PLAN_OPEN;
    for (size_t i = 0; i < ex->n_segments && !s; i++)
        if (ex->segments[i]->begin == begin && ex->segments[i]->view == view &&
            segment_fits(ex->segments[i], f->live))
            s = ex->segments[i];
    if (!s) {
        if (ex->n_segments && !ex->known) /* without memory for it, planning takes longer */
            ex->known = mem_calloc((size_t)ex->g->n_nodes + 1, sizeof *ex->known);
        code = plan_segment(ex->g, &ex->uses, begin, f->live, &session->plan, view, ex->known,
                            f->run->options ? f->run->options->cancel : NULL, &s, err);
        if (code == SIB_OK && (code = add_segment(ex, s, err)) != SIB_OK)
            segment_free(&s);
    }
    if (code == SIB_OK) {
        s->users++;
        s->used = ++session->clock;
        *spare = s->spare;
        s->spare = NULL;
    }
    pthread_mutex_unlock(&session->lock);
    *out = s;
    return code;
}

static void give_segment(const frame *f, segment *s, instance *in)
{
    executor *ex = f->ex;
    size_t oldest;
    pthread_mutex_lock(&ex->session->lock);
    s->users--;
    if (!s->spare) {
        s->spare = in;
        in = NULL;
        if (count_like(ex, s, true, &oldest) >= SPARES_KEPT && oldest < ex->n_segments)
            instance_free(ex->segments[oldest], &ex->segments[oldest]->spare);
    }
    instance_free(s, &in); /* before somebody may forget s */
    if (s->spare && s->spare->unsettled)
        atomic_store_explicit(&ex->session->unsettled, true, memory_order_relaxed);
    pthread_mutex_unlock(&ex->session->lock);
}

static sib_code run_segment(frame *f, segment *s, instance *in, sib_error *err)
{
    f->run->memory += s->arena_bytes + s->own_bytes;
    sib_code code = instance_fill(s, in, f->live, err);
    if (code == SIB_OK)
        code = run_steps(f, s, in, err);
    f->run->memory -= s->arena_bytes + s->own_bytes;
    for (size_t i = 0; i < s->n_exports && code == SIB_OK; i++) {
        sib_value *copy = NULL;
        code = sib_value_copy(in->buffers[s->exports[i].planned].value, &copy, err);
        if (code == SIB_OK)
            frame_set(f, s->exports[i].source, copy);
    }
    instance_clear(s, in);
    if (code == SIB_OK && f->run->memory_limit && f->run->memory > f->run->memory_limit) {
        char name[160];
        code =
            err_set(err, SIB_ERR_MEMORY, "the values after node %s take %llu bytes, above the limit of %llu",
                    node_text(f->ex->g, &f->ex->g->nodes[s->end - 1], name, sizeof name),
                    (unsigned long long)f->run->memory, (unsigned long long)f->run->memory_limit);
    }
    return code;
}

static sib_code run_nodes(frame *f, sib_error *err)
{
    const graph *g = f->ex->g;
    sib_code code = SIB_OK;
    for (node_id at = 0; at < g->n_nodes && code == SIB_OK;) {
        segment *s = NULL;
        instance *in = NULL;
        code = observe_cancel(f->run->options ? f->run->options->cancel : NULL, err);
        if (code == SIB_OK)
            code = take_segment(f, at, &s, &in, err);
        if (code != SIB_OK)
            break;
        code = check_memory(f, s, err);
        if (code == SIB_OK && !in)
            code = instance_make(s, &in, err);
        if (code == SIB_OK)
            code = s->control ? execute_control(f, at, in, err) : run_segment(f, s, in, err);
        for (uint32_t i = f->ex->uses.dying_at[s->begin]; i < f->ex->uses.dying_at[s->end]; i++)
            frame_drop(f, f->ex->uses.dying[i]);
        at = s->end;
        give_segment(f, s, in);
    }
    return code;
}

/* ---- Graphs ------------------------------------------------------------------------------------------ */

executor *executor_of(const executor_set *set, const graph *g)
{
    for (size_t i = 0; i < set->n; i++)
        if (set->items[i].g == g)
            return &set->items[i];
    return NULL;
}

void executor_clear(executor *ex)
{
    for (size_t i = 0; i < ex->n_segments; i++) {
        instance_free(ex->segments[i], &ex->segments[i]->spare);
        segment_free(&ex->segments[i]);
    }
    mem_free(ex->segments);
    known_nodes_free(&ex->known, ex->g->n_nodes);
    for (uint32_t v = 0; ex->constants && v < ex->g->n_values; v++) {
        sib_value *constant = ex->constants[v];
        sib_value_free(&constant);
    }
    mem_free(ex->constants);
    mem_free(ex->spare_frame);
    graph_uses_free(&ex->uses);
}

void executor_settle(executor *ex, const settling *how)
{
    for (size_t i = 0; i < ex->n_segments; i++) {
        segment *s = ex->segments[i];
        if (!s->spare || !s->spare->unsettled)
            continue;
        instance_settle(s, s->spare, how);
        if (s->spare->unsettled)
            atomic_store_explicit(&ex->session->unsettled, true, memory_order_relaxed);
    }
}

/* A copy of a value with dense tensors. */
static sib_code dense_copy(const sib_value *v, sib_value **out, sib_error *err)
{
    const sib_tensor *t = sib_value_tensor(v);
    if (!t || sib_tensor_is_dense(t))
        return sib_value_copy(v, out, err);
    sib_tensor *dense = NULL;
    sib_code code = sib_tensor_copy(t, &dense, err);
    if (code == SIB_OK)
        code = sib_value_from_tensor(dense, out, err);
    sib_tensor_free(&dense);
    return code;
}

static sib_code place(frame *f, value_id v, const sib_value *given, sib_error *err)
{
    sib_code code = given ? dense_copy(given, &f->live[v], err) : SIB_OK;
    const sib_run_options *o = f->run->options;
    if (code == SIB_OK && given && o && o->tap)
        code = show(f, NULL, f->ex->g->values[v].name.data ? f->ex->g->values[v].name.data : "", false,
                    f->live[v], err);
    return code;
}

/* Memory of a frame: that of an earlier run where there is one. */
static sib_code frame_open(frame *f, sib_error *err)
{
    size_t n = f->ex->g->n_values ? f->ex->g->n_values : 1;
    void *memory = atomic_exchange(&f->ex->spare_frame, NULL);
    if (!memory && !(memory = mem_calloc(n, sizeof *f->live + sizeof *f->charged)))
        return err_memory(err, n * sizeof *f->live, "the values of a run");
    f->live = memory;
    f->charged = (uint64_t *)(f->live + n);
    return SIB_OK;
}

static void frame_close(frame *f)
{
    if (!f->live)
        return;
    for (uint32_t i = 0; i < f->ex->g->n_values; i++)
        frame_drop(f, i);
    mem_free(atomic_exchange(&f->ex->spare_frame, (void *)f->live));
}

sib_code execute_graph(executor *ex, run_state *run, const char *path, const sib_value *const *in,
                       const sib_value *const *captured, sib_value **out, sib_error *err)
{
    const graph *g = ex->g;
    frame f = {.ex = ex, .run = run, .path = path};
    sib_code code = frame_open(&f, err);
    for (uint32_t i = 0; i < g->outputs.n; i++)
        out[i] = NULL;
    for (uint32_t i = 0; i < g->inputs.n && code == SIB_OK; i++)
        code = place(&f, g->inputs.ids[i], in[i], err);
    for (uint32_t i = 0; i < g->n_captures && code == SIB_OK; i++)
        if (captured[i])
            code = dense_copy(captured[i], &f.live[g->captures[i].inner], err);
    if (code == SIB_OK)
        code = run_nodes(&f, err);
    for (uint32_t i = 0; i < g->outputs.n && code == SIB_OK; i++) {
        const sib_value *v;
        code = frame_value(&f, g->outputs.ids[i], &v, err);
        if (code == SIB_OK)
            out[i] = value_share(v);
    }
    frame_close(&f);
    for (uint32_t i = 0; i < g->outputs.n && code != SIB_OK; i++)
        sib_value_free(&out[i]);
    return code;
}
