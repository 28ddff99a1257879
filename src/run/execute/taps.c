#include "run/execute/taps.h"

#include "base/buffer.h"

#include <sibyl/timing.h>

/* "loop[4]/": the bodies around a graph; at most 64. */
static void add_path(byte_buffer *b, const run_place *p)
{
    if (!p)
        return;
    add_path(b, p->outer);
    place_text(b, p);
    buf_add_text(b, "/", NULL);
}

static sib_code show(const frame *f, const node *n, const char *name, bool milli, const sib_value *v,
                     sib_error *err)
{
    byte_buffer full = {0};
    char number[NODE_LABEL];
    if (!v)
        return SIB_OK;
    add_path(&full, f->place);
    if (f->place)
        buf_add_text(&full, name, NULL);
    const sib_tap_event e = {.name = f->place ? full.data : name,
                             .node = n ? node_label(f->ex->g, n, number) : "",
                             .op_type = n && n->type.data ? n->type.data : "",
                             .milli = milli,
                             .value = v,
                             .run = f->run->observer.run,
                             .time_ns = sib_time_ns()};
    sib_code code = full.code == SIB_OK ? observer_show(&f->run->observer, &e, err)
                                        : err_memory(err, full.n, "the name of a value");
    buf_free(&full);
    return code;
}

/* Shows the outputs of step i, if it is a milli-op. */
static sib_code show_step(const frame *f, const segment *s, const instance *in, size_t i, sib_error *err)
{
    const node *n = &s->graph->nodes[s->step_nodes[i]], *source = &f->ex->g->nodes[n->origin];
    sib_code code = SIB_OK;
    for (uint32_t k = 0; n->milli && k < n->outputs.n && code == SIB_OK; k++) {
        const size_t at = i - s->first_step[n->origin - s->begin];
        byte_buffer name = {0};
        if (n->outputs.ids[k] == NO_VALUE)
            continue;
        char number[NODE_LABEL];
        code = buf_printf(&name, err, "%s/milli.%zu:%s", node_label(f->ex->g, source, number), at,
                          n->milli->name);
        if (code == SIB_OK)
            code = show(f, source, name.data, true, in->buffers[n->outputs.ids[k]].value, err);
        buf_free(&name);
    }
    return code;
}

sib_code tap_steps(const frame *f, segment *s, const instance *in, size_t i, sib_error *err)
{
    sib_code code = SIB_OK;
    if (!observer_sees(&f->run->observer, false))
        return SIB_OK;
    const segment_sights *sights = segment_look(s);
    if (!sights)
        return err_memory(err, s->n_made * sizeof(size_t), "the values of a run");
    if (i && observer_sees(&f->run->observer, true))
        code = show_step(f, s, in, i - 1, err);
    for (size_t k = sights->first_shown[i]; k < sights->first_shown[i + 1] && code == SIB_OK; k++) {
        const crossing *made = &s->made[sights->shown[k]];
        const value *x = &f->ex->g->values[made->source];
        const node *n = x->producer == NO_NODE ? NULL : &f->ex->g->nodes[x->producer];
        code = show(f, n, x->name.data ? x->name.data : "", false, in->buffers[made->planned].value, err);
    }
    return code;
}

sib_code tap_inputs(const frame *f, sib_error *err)
{
    const graph *g = f->ex->g;
    sib_code code = SIB_OK;
    for (uint32_t i = 0; observer_sees(&f->run->observer, false) && i < g->inputs.n && code == SIB_OK; i++) {
        const char *name = g->values[g->inputs.ids[i]].name.data;
        code = show(f, NULL, name ? name : "", false, f->live[g->inputs.ids[i]], err);
    }
    return code;
}

sib_code tap_control(const frame *f, const node *n, sib_error *err)
{
    sib_code code = SIB_OK;
    for (uint32_t i = 0; observer_sees(&f->run->observer, false) && i < n->outputs.n && code == SIB_OK; i++) {
        const value_id v = n->outputs.ids[i];
        const char *name = v == NO_VALUE ? NULL : f->ex->g->values[v].name.data;
        if (v != NO_VALUE)
            code = show(f, n, name ? name : "", false, f->live[v], err);
    }
    return code;
}
