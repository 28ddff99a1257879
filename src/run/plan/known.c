/* What earlier plans of a graph found of nodes that a backend took whole: of inputs of the same types, with the same constants, comes
   the same again, so that a plan for other dims lowers the nodes that those reach alone. */
#include "run/plan/planner.h"

#include "base/alloc.h"
#include "tensor/tensor.h"

#include <string.h>

/* A value in words: 0 where it is omitted, else 1, dtype, rank, the constant's address, dims. */
#define WORDS_HEAD 4

/* Words of a node whose operands are longer are not kept. */
#define WORDS_MOST 1024

struct known_node {
    size_t n_in, n_out; /* words */
    uint8_t backend;
    int64_t words[]; /* (n_in + n_out) */
};

typedef struct words {
    size_t n;
    int64_t at[WORDS_MOST];
} words;

/* False for what is not told by these words: no tensor, dims or elements known as expressions, or a constant that may go
   before the next plan. */
static bool write_value(const dim_table *dims, const value *v, words *w)
{
    const value_type *t = v ? &v->type : NULL;
    if (w->n + WORDS_HEAD + SIB_MAX_RANK > WORDS_MOST)
        return false;
    if (!v) {
        w->at[w->n++] = 0;
        return true;
    }
    if (t->depth || t->leaf != TYPE_TENSOR || !t->shape.ranked || v->elements || (v->constant && !v->lasting))
        return false;
    int64_t *at = w->at + w->n;
    at[0] = 1;
    at[1] = t->dtype;
    at[2] = t->shape.rank;
    at[3] = (int64_t)(intptr_t)v->constant;
    w->n += WORDS_HEAD + (size_t)t->shape.rank;
    return dim_shape_const(dims, &t->shape, at + WORDS_HEAD);
}

static const value *value_of(const graph *g, mval v)
{
    return v.id == NO_VALUE ? NULL : &g->values[v.id];
}

static bool write_values(const graph *g, size_t n, const mval *values, words *w)
{
    for (size_t i = 0; i < n; i++)
        if (!write_value(g->dims, value_of(g, values[i]), w))
            return false;
    return true;
}

void planner_keep_known(planner *p, node_id index, const mval *ins, const mval *outs, int backend)
{
    const node *n = &p->g->nodes[index];
    words w = {0};
    if (!p->known || !write_values(p->s->graph, n->inputs.n, ins, &w))
        return;
    size_t n_in = w.n;
    if (!write_values(p->s->graph, n->outputs.n, outs, &w))
        return;
    known_node *old = p->known[index], *made = old && old->n_in + old->n_out == w.n
                                                   ? old
                                                   : mem_alloc(1, sizeof *made + w.n * sizeof *w.at);
    if (!made)
        return; /* it is lowered the next time, too */
    made->n_in = n_in;
    made->n_out = w.n - n_in;
    made->backend = (uint8_t)backend;
    memcpy(made->words, w.at, w.n * sizeof *w.at);
    if (made != old)
        mem_free(old);
    p->known[index] = made;
}

int planner_known(planner *p, node_id index, const mval *ins, value_type *types, mval *outs)
{
    const node *n = &p->g->nodes[index];
    const known_node *k = p->known[index];
    words w = {0};
    if (!write_values(p->s->graph, n->inputs.n, ins, &w) || w.n != k->n_in ||
        memcmp(w.at, k->words, w.n * sizeof *w.at))
        return -1;
    const int64_t *at = k->words + k->n_in;
    for (uint32_t i = 0; i < n->outputs.n; i++) {
        outs[i] = at[0] ? (mval){0} : MVAL_NONE;
        if (at[0])
            types[i] = type_of_dims(p->s->dims, (sib_dtype)at[1], (size_t)at[2], at + WORDS_HEAD);
        at += at[0] ? WORDS_HEAD + at[2] : 1;
    }
    return k->backend;
}

void known_nodes_free(known_node ***known, size_t n)
{
    for (size_t i = 0; *known && i < n; i++)
        mem_free((*known)[i]);
    mem_free(*known);
    *known = NULL;
}
