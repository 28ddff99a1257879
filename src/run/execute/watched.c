#include "run/execute/watched.h"

#include "run/execute/profile.h"
#include "tensor/value.h"

#include <sibyl/timing.h>

#include <stdio.h>

/* Bytes of the elements of operands: those of constants too, which a step may have packed. */
static uint64_t operand_bytes(const segment *s, buffer *const *operands, const id_list *ids)
{
    uint64_t sum = 0;
    for (uint32_t k = 0; k < ids->n; k++)
        if (ids->ids[k] != NO_VALUE && s->slots[ids->ids[k]].sized)
            sum += s->slots[ids->ids[k]].bytes;
        else if (ids->ids[k] != NO_VALUE && operands[k] && operands[k]->value)
            sum += run_bytes(operands[k]->value);
    return sum;
}

/* Takes the step's costs into its node's. */
static void add_costs(sib_time_span *sum, const sib_time_span *costs)
{
    sum->flops += costs->flops;
    sum->bytes_read += costs->bytes_read;
    sum->bytes_written += costs->bytes_written;
    sum->memory = sum->memory > costs->memory ? sum->memory : costs->memory;
    sum->end = costs->end;
}

/* The source node of step i, of a fused one that of its first member; NO_NODE out of range. */
static node_id origin_of(const segment *s, size_t i)
{
    return i < s->n_steps ? s->graph->nodes[s->step_nodes[i]].origin : NO_NODE;
}

/* Runs a step and waits for it. costs: receives when it began and ended; worked: how long by the device's clock, 0 where
   there is none. What the device did before, and how long it waited for this step, is not the step's. */
static sib_code run_timed(const step *st, buffer **in, buffer **out, const sib_cancel *cancel,
                          sib_time_span *costs, uint64_t *worked, sib_error *err)
{
    sib_code (*const finish)(void *, uint64_t *, sib_error *) = st->backend->finish;
    sib_code code = finish ? finish(st->self, worked, err) : SIB_OK;
    *worked = 0;
    costs->begin = sib_time_ns();
    if (code == SIB_OK)
        code = st->backend->run(st, (const buffer *const *)in, out, cancel, err);
    if (code == SIB_OK && finish)
        code = finish(st->self, worked, err);
    costs->end = sib_time_ns();
    return code;
}

sib_code watched_step(const frame *f, segment *s, const instance *in, size_t i, watched_node *w,
                      sib_error *err)
{
    step seen = s->steps[i];
    const step *st = &seen;
    const node *n = &s->graph->nodes[s->step_nodes[i]];
    observer *o = &f->run->observer;
    if (observer_sees(o, false)) { /* the host reads every output */
        seen.leave = UINT64_MAX;
        w->seen = i + 1;
    }
    buffer **operands = in->operands + in->first_operand[i];
    const sib_cancel *cancel = run_cancel(f->run);
    if (!observer_hears(o)) {
        span_close(o, &w->span);
        return st->backend->run(st, (const buffer *const *)operands, operands + n->inputs.n, cancel, err);
    }
    const char *kernel = st->backend->kernel ? st->backend->kernel(st) : NULL;
    const segment_sights *sights = segment_look(s);
    open_span inner;
    inner.is = false;
    const node *source = &f->ex->g->nodes[n->origin];
    w->name = node_label(f->ex->g, source, w->number);
    if (!i || origin_of(s, i - 1) != n->origin) {
        span_close(o, &w->span); /* where nobody looked at the node's last step */
        span_open(o, &w->span,
                  (sib_time_span){.kind = SIB_SPAN_NODE,
                                  .name = w->name,
                                  .op_type = source->type.data,
                                  .backend = st->backend->name,
                                  .kernel = kernel});
    }
    if (n->milli)
        span_open(o, &inner,
                  (sib_time_span){.kind = SIB_SPAN_STEP,
                                  .name = w->name,
                                  .op_type = n->milli->name,
                                  .backend = st->backend->name,
                                  .kernel = kernel});
    sib_time_span costs = {0};
    uint64_t worked = 0;
    const sib_code code = run_timed(st, operands, operands + n->inputs.n, cancel, &costs, &worked, err);
    costs.flops = sights ? sights->flops[i] : 0;
    costs.bytes_read = operand_bytes(s, operands, &n->inputs);
    costs.bytes_written = operand_bytes(s, operands + n->inputs.n, &n->outputs);
    costs.memory = f->run->memory - s->arena_bytes + (sights ? sights->memory[i] : s->arena_bytes);
    if (inner.is) {
        add_costs(&inner.about, &costs);
        span_close(o, &inner);
    }
    if (w->span.is) {
        add_costs(&w->span.about, &costs);
        if (code != SIB_OK || origin_of(s, i + 1) != n->origin)
            span_close(o, &w->span);
    }
    if (o->options && o->options->profile)
        profile_add(o->options->profile, &(profile_step){.node = w->name,
                                                         .type = source->type.data ? source->type.data : "",
                                                         .milli = n->milli ? n->milli->name : NULL,
                                                         .backend = st->backend->name,
                                                         .begins = s->begins[i],
                                                         .ns = worked ? worked : costs.end - costs.begin,
                                                         .flops = costs.flops,
                                                         .bytes_read = costs.bytes_read,
                                                         .bytes_written = costs.bytes_written,
                                                         .memory = costs.memory});
    return code;
}
