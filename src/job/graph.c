/* The public calls that tell what a job is made of. */
#include "job/graph.h"

#include "job/document/op.h"

static const job_node *node_at(const job_doc *d, size_t i)
{
    return i < d->n_nodes ? d->places[i].node : NULL;
}

static const char *text_or_null(const char *text)
{
    return text && *text ? text : NULL;
}

bool sib_job_node(const sib_job *j, size_t i, sib_job_node_info *out)
{
    const job_doc *d = job_doc_of(j);
    const job_node *n = node_at(d, i);
    if (!n)
        return false;
    *out =
        (sib_job_node_info){.name = n->name,
                            .op = n->op->name,
                            .doc = n->doc ? n->doc : n->op->meaning,
                            .tokenizer = n->tokenizer == NO_INDEX ? NULL : d->tokenizers[n->tokenizer].name,
                            .loop = d->places[i].loop};
    return true;
}

const char *sib_job_node_call(const sib_job *j, size_t node, size_t i, const char **as)
{
    const job_doc *d = job_doc_of(j);
    const job_node *n = node_at(d, node);
    for (size_t k = 0; n && k < n->op->n_calls; k++)
        if (n->calls[k] != NO_INDEX && i-- == 0) {
            if (as)
                *as = n->op->calls[k];
            return d->calls[n->calls[k]].name;
        }
    return NULL;
}

/* ---- Ports --------------------------------------------------------------------------------------------- */

/* A port, and the slot that it reads: NO_SLOT where it reads none. */
typedef struct found_port {
    sib_job_port port;
    uint32_t slot;
} found_port;

static found_port declared(const job_port *p, uint32_t slot)
{
    return (found_port){{p->name, text_or_null(p->meaning), p->type, !p->required}, slot};
}

/* A port of a loop that has the type of a slot. */
static found_port typed(const job_doc *d, const char *name, uint32_t like, uint32_t slot)
{
    return (found_port){{.name = name, .type = d->types[like]}, slot};
}

static bool loop_takes(const job_doc *d, const job_loop *l, size_t i, found_port *out)
{
    if (i < l->n_states)
        *out = typed(d, l->states[i].name, l->states[i].initial, l->states[i].initial);
    else if ((i -= l->n_states) < l->n_over)
        *out = typed(d, l->over[i].name, l->over[i].list, l->over[i].list);
    else if (i == l->n_over && l->max_steps != NO_SLOT)
        *out = (found_port){{"max_steps", "max iterations", SIB_PORT_NUMBER, false}, l->max_steps};
    else
        return false;
    return true;
}

static bool body_takes(const job_doc *d, const job_loop *l, size_t i, found_port *out)
{
    if (i < l->n_states)
        *out = typed(d, l->states[i].name, l->states[i].slot, NO_SLOT);
    else if ((i -= l->n_states) < l->n_over)
        *out = typed(d, l->over[i].name, l->over[i].slot, NO_SLOT);
    else
        return false;
    return true;
}

static bool body_gives(const job_doc *d, const job_node *n, size_t i, found_port *out)
{
    const job_loop *l = n->loop;
    if (i < l->n_states)
        *out = typed(d, l->states[i].name, l->states[i].slot, l->states[i].next);
    else if (i < l->n_states + l->n_collects)
        *out = typed(d, n->outputs[i].name, l->collects[i - l->n_states].item,
                     l->collects[i - l->n_states].item);
    else if ((i -= l->n_states + l->n_collects) < l->n_until)
        *out = (found_port){{"until", "ends the loop", SIB_PORT_FLAG, false}, l->until[i]};
    else
        return false;
    return true;
}

static bool port_at(const job_doc *d, const job_node *n, sib_job_side side, size_t i, found_port *out)
{
    switch (side) {
    case SIB_JOB_TAKES:
        if (n->loop)
            return loop_takes(d, n->loop, i, out);
        if (i < n->n_inputs)
            *out = declared(&n->inputs[i], n->in[i]);
        return i < n->n_inputs;
    case SIB_JOB_GIVES:
        if (i < n->n_outputs)
            *out = declared(&n->outputs[i], NO_SLOT);
        out->port.optional = false;
        return i < n->n_outputs;
    case SIB_JOB_BODY_TAKES:
        return n->loop && body_takes(d, n->loop, i, out);
    case SIB_JOB_BODY_GIVES:
        return n->loop && body_gives(d, n, i, out);
    }
    return false;
}

static sib_job_source source_of(const job_doc *d, uint32_t slot)
{
    return slot == NO_SLOT ? (sib_job_source){.node = SIB_JOB_NO_NODE} : d->sources[slot];
}

bool sib_job_node_port(const sib_job *j, size_t node, sib_job_side side, size_t i, sib_job_port *out,
                       sib_job_source *source)
{
    const job_doc *d = job_doc_of(j);
    const job_node *n = node_at(d, node);
    found_port found = {.slot = NO_SLOT};
    if (!n || !port_at(d, n, side, i, &found))
        return false;
    *out = found.port;
    if (source)
        *source = source_of(d, found.slot);
    return true;
}

bool sib_job_output_source(const sib_job *j, size_t i, sib_job_source *out)
{
    const job_doc *d = job_doc_of(j);
    if (i >= d->n_outputs)
        return false;
    *out = source_of(d, d->outputs[i].slot);
    return true;
}
