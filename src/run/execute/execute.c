#include "run/execute/execute.h"

#include "base/assert.h"
#include "base/error.h"
#include "run/execute/control.h"
#include "run/execute/observe.h"
#include "run/execute/plans.h"
#include "run/execute/recurrent.h"
#include "run/execute/search.h"
#include "run/execute/taps.h"
#include "run/execute/watched.h"
#include "tensor/tensor.h"
#include "tensor/value.h"
#include <sibyl/timing.h>

/* ---- Steps ------------------------------------------------------------------------------------------- */

static sib_code step_failed(const frame *f, node_id origin, sib_code code, const sib_error *why,
                            sib_error *err)
{
    char name[160];
    return err_set(err, code, "node %s: %s", node_text(f->ex->g, &f->ex->g->nodes[origin], name, sizeof name),
                   why->message);
}

static node_id origin_of(const segment *s, size_t i)
{
    node_id at = 0;
    while (at + 1 < s->end - s->begin && s->first_step[at + 1] <= i)
        at++;
    return s->begin + at;
}

/* Charges the outputs of a step that are text, whose length is known only now. *text: bytes of the segment
   so far. */
static sib_code check_text(const frame *f, const step *st, buffer *const *outputs, uint64_t *text,
                           sib_error *err)
{
    for (size_t i = 0; i < st->view.n_out; i++)
        if (st->view.out[i] && st->view.out[i]->type.dtype == SIB_STRING && outputs[i] && outputs[i]->value)
            *text += run_bytes(outputs[i]->value);
    if (f->run->text_limit && *text > f->run->text_limit)
        return err_set(err, SIB_ERR_MEMORY,
                       "the strings need %llu bytes, above the limit of %llu (raised by memory_limit)",
                       (unsigned long long)*text, (unsigned long long)f->run->text_limit);
    if (!f->run->memory_limit ||
        (f->run->memory <= f->run->memory_limit && *text <= f->run->memory_limit - f->run->memory))
        return SIB_OK;
    return err_set(
        err, SIB_ERR_MEMORY,
        "its strings and the values that exist need %llu bytes, above the limit of %llu (raised by "
        "memory_limit)",
        (unsigned long long)(f->run->memory + *text), (unsigned long long)f->run->memory_limit);
}

/* Shows what there is after i steps, but what the last of them left on a device, since nobody looked then. */
static sib_code show_steps(const frame *f, segment *s, const instance *in, size_t i, const watched_node *w,
                           sib_error *err)
{
    return s->device && i && w->seen != i ? SIB_OK : tap_steps(f, s, in, i, err);
}

/* Shows what there is after i steps and runs step i. Errors: those of taps in err, those of the step in why. Kept out
   of the loop over steps, whose registers it would take. */
static __attribute__((noinline, cold)) sib_code run_watched(const frame *f, segment *s, const instance *in,
                                                            size_t i, watched_node *w, sib_error *why,
                                                            sib_error *err)
{
    sib_code code = show_steps(f, s, in, i, w, err);
    return code == SIB_OK ? watched_step(f, s, in, i, w, why) : code;
}

static sib_code run_steps(const frame *f, segment *s, instance *in, sib_error *err)
{
    const sib_cancel *cancel = run_cancel(f->run);
    const atomic_uint *lookers = f->run->observer.lookers;
    sib_error why = SIB_ERROR_INIT;
    watched_node watched;
    sib_code code = SIB_OK;
    uint64_t text = 0;
    size_t i = 0;
    watched.span.is = false;
    watched.seen = 0;
    for (; i < s->n_steps && code == SIB_OK; i++) {
        const step *st = &s->steps[i];
        buffer **operands = in->operands + in->first_operand[i];
        if (cancel_is_set(cancel))
            code = observe_cancel(cancel, err);
        else if (watch_count(lookers))
            code = run_watched(f, s, in, i, &watched, &why, err);
        else
            code =
                st->backend->run(st, (const buffer *const *)operands, operands + st->view.n_in, cancel, &why);
        if (code == SIB_OK)
            code = check_text(f, st, operands + st->view.n_in, &text, &why);
    }
    span_close(&f->run->observer, &watched.span);
    if (code == SIB_OK)
        return watch_count(lookers) ? show_steps(f, s, in, s->n_steps, &watched, err) : SIB_OK;
    return why.code == SIB_OK ? code : step_failed(f, origin_of(s, i - 1), code, &why, err);
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
                   "the run needs %llu bytes, above the limit of %llu (raised by memory_limit); the largest "
                   "value is of node %s",
                   (unsigned long long)wanted, (unsigned long long)f->run->memory_limit,
                   node_text(f->ex->g, n, name, sizeof name));
}

/* ---- Segments ---------------------------------------------------------------------------------------- */

static sib_code run_segment(frame *f, segment *s, instance *in, sib_error *err)
{
    f->run->memory += s->arena_bytes + s->own_bytes;
    sib_code code =
        instance_fill(s, in, f->live, f->run->graph == f->ex->g ? &f->run->ends : &(run_ends){0}, err);
    if (code == SIB_OK)
        code = run_steps(f, s, in, err);
    SIB_ASSERT(f->run->memory >= s->arena_bytes + s->own_bytes);
    f->run->memory -= s->arena_bytes + s->own_bytes;
    for (size_t i = 0; i < s->n_exports && code == SIB_OK; i++) {
        sib_value *copy = NULL;
        SIB_ASSERT(s->exports[i].source < f->ex->g->n_values);
        SIB_ASSERT(in->buffers[s->exports[i].planned].value); /* its step has set it */
        code = sib_value_copy(in->buffers[s->exports[i].planned].value, &copy, err);
        if (code == SIB_OK)
            frame_set(f, s->exports[i].source, copy);
    }
    instance_clear(s, in);
    if (code == SIB_OK && f->run->memory_limit && f->run->memory > f->run->memory_limit) {
        char name[160];
        code = err_set(
            err, SIB_ERR_MEMORY,
            "the values after node %s take %llu bytes, above the limit of %llu (raised by memory_limit)",
            node_text(f->ex->g, &f->ex->g->nodes[s->end - 1], name, sizeof name),
            (unsigned long long)f->run->memory, (unsigned long long)f->run->memory_limit);
    }
    return code;
}

static control_fn *const run_kinds[] = {[CONTROL_NONE] = run_recurrent,
                                        [CONTROL_IF] = run_if,
                                        [CONTROL_LOOP] = run_loop,
                                        [CONTROL_SCAN] = run_scan,
                                        [CONTROL_SEQUENCE_MAP] = run_sequence_map,
                                        [CONTROL_GREEDY_SEARCH] = run_greedy_search,
                                        [CONTROL_SAMPLING] = run_sampling,
                                        [CONTROL_BEAM_SEARCH] = run_beam_search};

static __attribute__((noinline, cold)) sib_code run_kind_watched(frame *f, const node *n, control *c,
                                                                 sib_error *err)
{
    open_span span;
    char name[NODE_LABEL];
    span_open(&f->run->observer, &span,
              (sib_time_span){
                  .kind = SIB_SPAN_NODE, .name = node_label(f->ex->g, n, name), .op_type = n->type.data});
    sib_code code = run_kinds[n->op->control](f, n, c, err);
    span_close(&f->run->observer, &span);
    return code;
}

/* Runs a node that runs graphs, or a recurrent one of many steps. Inputs are in f->live or constants;
   outputs go to f->live. in: the instance of its segment. */
static sib_code run_control(frame *f, node_id id, instance *in, sib_error *err)
{
    const node *n = &f->ex->g->nodes[id];
    sib_error why = SIB_ERROR_INIT;
    sib_code code = in->control ? SIB_OK : control_make(n, &in->control, &why);
    control *c = in->control;
    char name[200];
    /* It reads elements as it likes; those of its graphs were fetched by the outermost node. */
    for (uint32_t v = 0; v < f->ex->g->n_values && code == SIB_OK && !f->place; v++)
        if (f->live[v])
            code = sib_value_fetch(f->live[v], &why);
    if (code == SIB_OK)
        code = observer_looks(&f->run->observer) ? run_kind_watched(f, n, c, &why)
                                                 : run_kinds[n->op->control](f, n, c, &why);
    if (c) {
        control_clear(c);
        in->unsettled = in->unsettled || control_is_unsettled(c);
    }
    if (code == SIB_OK)
        return observer_looks(&f->run->observer) ? tap_control(f, n, err) : SIB_OK;
    return err_set(err, code, "node %s: %s", node_text(f->ex->g, n, name, sizeof name), why.message);
}

static sib_code run_nodes(frame *f, sib_error *err)
{
    const graph *g = f->ex->g;
    sib_code code = SIB_OK;
    for (node_id at = 0; at < g->n_nodes && code == SIB_OK;) {
        segment *s = NULL;
        instance *in = NULL;
        code = observe_cancel(run_cancel(f->run), err);
        if (code == SIB_OK)
            code = plans_take(f, at, &s, &in, err);
        if (code != SIB_OK)
            break;
        SIB_ASSERT(s->begin == at && s->end > at && s->end <= g->n_nodes);
        code = check_memory(f, s, err);
        if (code == SIB_OK && !in)
            code = instance_make(s, &in, err);
        if (code == SIB_OK)
            code = s->control ? run_control(f, at, in, err) : run_segment(f, s, in, err);
        for (uint32_t i = f->ex->uses.dying_at[s->begin]; i < f->ex->uses.dying_at[s->end]; i++)
            frame_drop(f, f->ex->uses.dying[i]);
        at = s->end;
        plans_give(f, s, in);
    }
    return code;
}

/* ---- Graphs ------------------------------------------------------------------------------------------ */

/* Copies a value with dense tensors. */
static sib_code dense_copy(const sib_value *v, sib_value **out, sib_error *err)
{
    const sib_tensor *t = sib_value_tensor(v);
    if (!t || sib_tensor_is_dense(t))
        return sib_value_copy(v, out, err);
    sib_tensor *dense = NULL;
    sib_code code = tensor_fetch(t, err);
    if (code == SIB_OK)
        code = sib_tensor_copy(t, &dense, err);
    if (code == SIB_OK)
        code = sib_value_from_tensor(dense, out, err);
    sib_tensor_free(&dense);
    return code;
}

sib_code execute_graph(executor *ex, run_state *run, const run_place *place, const sib_value *const *in,
                       const sib_value *const *captured, sib_value **out, sib_error *err)
{
    const graph *g = ex->g;
    frame f = {.ex = ex, .run = run, .execute = execute_graph, .place = place};
    sib_code code = frame_open(&f, err);
    for (uint32_t i = 0; i < g->outputs.n; i++)
        out[i] = NULL;
    for (uint32_t i = 0; i < g->inputs.n && code == SIB_OK; i++)
        if (in[i])
            code = dense_copy(in[i], &f.live[g->inputs.ids[i]], err);
    if (code == SIB_OK && observer_looks(&run->observer))
        code = tap_inputs(&f, err);
    for (uint32_t i = 0; i < g->n_captures && code == SIB_OK; i++)
        if (captured[i])
            code = dense_copy(captured[i], &f.live[g->captures[i].inner], err);
    if (code == SIB_OK)
        code = run_nodes(&f, err);
    bool done = code == SIB_OK;
    for (uint32_t i = 0; i < g->outputs.n && code == SIB_OK; i++) {
        const sib_value *v;
        code = frame_value(&f, g->outputs.ids[i], &v, err);
        if (code == SIB_OK)
            out[i] = value_share(v);
    }
    frame_close(&f, done);
    for (uint32_t i = 0; i < g->outputs.n && code != SIB_OK; i++)
        sib_value_free(&out[i]);
    return code;
}
