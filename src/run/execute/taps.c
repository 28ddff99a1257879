#include "run/execute/taps.h"

#include "base/buffer.h"
#include "run/execute/observe.h"

static sib_code show(const frame *f, const node *n, const char *name, bool milli, const sib_value *v,
                     sib_error *err)
{
    const sib_run_options *o = f->run->options;
    byte_buffer full = {0};
    if (!v)
        return SIB_OK;
    sib_code code = buf_printf(&full, err, "%s%s", f->path, name);
    if (code == SIB_OK && observe_wants(o, full.data)) {
        sib_tap_event e = {full.data, n && n->name.data ? n->name.data : "",
                           n && n->type.data ? n->type.data : "", milli, v};
        code = o->tap(o->tap_context, &e, err);
    }
    buf_free(&full);
    return code;
}

sib_code tap_step(const frame *f, const segment *s, const instance *in, size_t i, node_id origin,
                  sib_error *err)
{
    const node *n = &s->graph->nodes[s->step_nodes[i]], *source = &f->ex->g->nodes[origin];
    sib_code code = SIB_OK;
    for (uint32_t k = 0; n->milli && k < n->outputs.n && code == SIB_OK; k++) {
        const size_t at = i - s->first_step[origin - s->begin];
        byte_buffer name = {0};
        if (n->outputs.ids[k] == NO_VALUE)
            continue;
        code = source->name.length
                   ? buf_printf(&name, err, "%s/milli.%zu:%s", source->name.data, at, n->milli->name)
                   : buf_printf(&name, err, "node%u/milli.%zu:%s", origin, at, n->milli->name);
        if (code == SIB_OK)
            code = show(f, source, name.data, true, in->buffers[n->outputs.ids[k]].value, err);
        buf_free(&name);
    }
    return code;
}

sib_code tap_outputs(const frame *f, const segment *s, const instance *in, node_id origin, sib_error *err)
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

sib_code tap_input(const frame *f, value_id v, sib_error *err)
{
    const sib_str name = f->ex->g->values[v].name;
    return show(f, NULL, name.data ? name.data : "", false, f->live[v], err);
}

sib_code tap_control(const frame *f, const node *n, sib_error *err)
{
    sib_code code = SIB_OK;
    for (uint32_t i = 0; i < n->outputs.n && code == SIB_OK; i++) {
        const value_id v = n->outputs.ids[i];
        const char *name = v == NO_VALUE ? NULL : f->ex->g->values[v].name.data;
        if (v != NO_VALUE)
            code = show(f, n, name ? name : "", false, f->live[v], err);
    }
    return code;
}
