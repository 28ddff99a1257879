#include "run/execute/taps.h"

#include "run/execute/observe.h"

#include <stdio.h>

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

sib_code tap_step(const frame *f, const segment *s, const instance *in, size_t i, node_id origin,
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
