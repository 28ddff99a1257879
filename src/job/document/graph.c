/* Tables of a document that has been read: where its nodes stand, and what writes its slots. */
#include "job/document/doc.h"

static void index_block(job_doc *d, const job_block *block, size_t loop);

static void index_loop(job_doc *d, const job_node *n)
{
    const job_loop *l = n->loop;
    for (size_t i = 0; i < l->n_states; i++)
        d->sources[l->states[i].slot] = (sib_job_source){SIB_JOB_FROM_LOOP, n->number, i, NULL};
    for (size_t i = 0; i < l->n_over; i++)
        d->sources[l->over[i].slot] = (sib_job_source){SIB_JOB_FROM_LOOP, n->number, l->n_states + i, NULL};
    index_block(d, &l->body, n->number);
}

/* Loops stand at most MAX_DEPTH deep, and so does this. */
static void index_block(job_doc *d, const job_block *block, size_t loop)
{
    for (size_t k = 0; k < block->n; k++) {
        const job_node *n = &block->nodes[k];
        d->places[n->number] = (job_place){n, loop};
        for (size_t i = 0; i < n->n_outputs; i++)
            d->sources[n->out + i] = (sib_job_source){SIB_JOB_FROM_NODE, n->number, i, NULL};
        if (n->loop)
            index_loop(d, n);
    }
}

sib_code doc_index(job_doc *d, sib_error *err)
{
    d->places = doc_take(d, d->n_nodes, sizeof *d->places, err);
    d->sources = d->places ? doc_take(d, d->n_slots, sizeof *d->sources, err) : NULL;
    if (!d->sources)
        return SIB_ERR_MEMORY;
    for (uint32_t i = 0; i < d->n_slots; i++) /* the default of an input is none of its source */
        if (d->literals[i])
            d->sources[i] = (sib_job_source){SIB_JOB_FROM_LITERAL, SIB_JOB_NO_NODE, 0, &d->literals[i]->v};
    for (size_t i = 0; i < d->n_inputs; i++)
        d->sources[d->inputs[i].slot] = (sib_job_source){SIB_JOB_FROM_INPUT, SIB_JOB_NO_NODE, i, NULL};
    index_block(d, &d->block, SIB_JOB_NO_NODE);
    return SIB_OK;
}
