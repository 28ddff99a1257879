/* The state that nodes which run graphs keep from run to run. */
#include "run/execute/control.h"

#include "base/alloc.h"
#include "base/error.h"

sib_code control_make(const node *n, control **out, sib_error *err)
{
    control *c = mem_calloc(1, sizeof *c);
    *out = c;
    if (!c)
        return err_memory(err, sizeof *c, "a subgraph");
    c->spec = spec_control(n);
    const graph *g = c->spec.body; /* of a Loop or Scan; If carries nothing */
    c->n_inputs = g ? n->inputs.n : 0;
    c->n_outputs = g ? g->outputs.n : 0;
    c->carried = mem_calloc(c->n_inputs + 1, sizeof *c->carried);
    c->slices = mem_calloc(2 * c->n_inputs + 1, sizeof *c->slices);
    c->stacks = mem_calloc(2 * c->n_outputs + 1, sizeof *c->stacks);
    if (!c->carried || !c->slices || !c->stacks) {
        control_free(out);
        return err_memory(err, n->inputs.n * sizeof *c->slices, "a subgraph");
    }
    c->rows = c->slices + c->n_inputs;
    c->row_stacks = c->stacks + c->n_outputs;
    return SIB_OK;
}

void body_clear(body *b)
{
    for (uint32_t i = 0; b->out && i < b->g->outputs.n; i++)
        sib_value_free(&b->out[i]);
}

void body_free(body *b)
{
    body_clear(b);
    mem_free(b->captured);
    mem_free(b->in);
    mem_free(b->out);
    *b = (body){0};
}

void control_clear(control *c)
{
    body_clear(&c->bodies[0]);
    body_clear(&c->bodies[1]);
    for (size_t i = 0; i < c->n_inputs; i++)
        sib_value_free(&c->carried[i]);
    for (size_t i = 0; i < 2 * c->n_inputs; i++)
        sib_value_free(&c->slices[i].value);
    for (size_t i = 0; i < 2 * c->n_outputs; i++)
        stack_drop(&c->stacks[i]);
    c->sizes.n = 0;
}

void control_free(control **cp)
{
    control *c = *cp;
    if (!c)
        return;
    body_free(&c->bodies[0]);
    body_free(&c->bodies[1]);
    for (size_t i = 0; c->carried && i < c->n_inputs; i++)
        sib_value_free(&c->carried[i]);
    for (size_t i = 0; c->slices && i < 2 * c->n_inputs; i++)
        slice_free(&c->slices[i]);
    for (size_t i = 0; c->stacks && i < 2 * c->n_outputs; i++)
        stack_free(&c->stacks[i]);
    spares_clear(&c->iteration);
    spares_clear(&c->condition);
    dim_binding_clear(&c->sizes);
    mem_free(c->carried);
    mem_free(c->slices);
    mem_free(c->stacks);
    mem_free(c);
    *cp = NULL;
}

bool control_is_unsettled(const control *c)
{
    bool many = spares_are_many(&c->iteration, 1) || spares_are_many(&c->condition, 1);
    for (size_t i = 0; i < 2 * c->n_inputs; i++)
        many |= spares_are_many(&c->slices[i].kept, 1);
    for (size_t i = 0; i < 2 * c->n_outputs; i++)
        many |= spares_are_many(&c->stacks[i].kept, 1);
    return many;
}

void control_trim(control *c, unsigned keep)
{
    spares_trim(&c->iteration, keep);
    spares_trim(&c->condition, keep);
    for (size_t i = 0; i < 2 * c->n_inputs; i++)
        spares_trim(&c->slices[i].kept, keep);
    for (size_t i = 0; i < 2 * c->n_outputs; i++)
        spares_trim(&c->stacks[i].kept, keep);
}
