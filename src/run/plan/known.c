/* What earlier plans of a graph found out about nodes that a backend claimed: the same input types and
   constants give the same result, so that a plan for other dims lowers only the nodes whose input types
   change. */
#include "run/plan/planner.h"

#include "base/alloc.h"
#include "tensor/tensor.h"

#include <pthread.h>
#include <string.h>

/* A value as int64 numbers: 0 where it is omitted, else 1, dtype, rank, the constant's address, dims. */
#define WORDS_HEAD 4

/* Nodes whose operands take more numbers are not kept. */
#define WORDS_MAX 1024

typedef struct known_node {
    size_t n_in, n_out; /* numbers */
    uint8_t backend;
    int64_t words[]; /* (n_in + n_out) */
} known_node;

struct known_nodes {
    pthread_mutex_t lock; /* runs plan concurrently */
    size_t n;
    known_node *items[]; /* (n) by node of the source; NULL: not known */
};

typedef struct words {
    size_t n;
    int64_t at[WORDS_MAX];
} words;

/* Returns false for a value without such a description: not a tensor, dims or elements that are
   expressions, or a constant that may not outlive the plan. */
static bool write_value(const dim_table *dims, const value *v, words *w)
{
    const value_type *t = v ? &v->type : NULL;
    if (w->n + WORDS_HEAD + SIB_MAX_RANK > WORDS_MAX)
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
    known_node *made = mem_alloc(1, sizeof *made + w.n * sizeof *w.at), *old;
    if (!made)
        return; /* it is lowered again the next time */
    made->n_in = n_in;
    made->n_out = w.n - n_in;
    made->backend = (uint8_t)backend;
    memcpy(made->words, w.at, w.n * sizeof *w.at);
    pthread_mutex_lock(&p->known->lock);
    old = p->known->items[index];
    p->known->items[index] = made;
    pthread_mutex_unlock(&p->known->lock);
    mem_free(old);
}

bool planner_knows(const planner *p, node_id index)
{
    if (!p->known)
        return false;
    pthread_mutex_lock(&p->known->lock);
    bool there = p->known->items[index] != NULL;
    pthread_mutex_unlock(&p->known->lock);
    return there;
}

/* planner_known for the entry of one node. The lock must be held. */
static int find(planner *p, const node *n, const known_node *k, const words *w, value_type *types, mval *outs)
{
    if (!k || w->n != k->n_in || memcmp(w->at, k->words, w->n * sizeof *w->at))
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

int planner_known(planner *p, node_id index, const mval *ins, value_type *types, mval *outs)
{
    const node *n = &p->g->nodes[index];
    words w = {0};
    if (!write_values(p->s->graph, n->inputs.n, ins, &w))
        return -1;
    pthread_mutex_lock(&p->known->lock);
    int backend = find(p, n, p->known->items[index], &w, types, outs);
    pthread_mutex_unlock(&p->known->lock);
    return backend;
}

known_nodes *known_nodes_make(size_t n)
{
    known_nodes *k = mem_calloc(1, sizeof *k + n * sizeof *k->items);
    if (k && pthread_mutex_init(&k->lock, NULL)) {
        mem_free(k);
        return NULL;
    }
    if (k)
        k->n = n;
    return k;
}

void known_nodes_free(known_nodes **kp)
{
    known_nodes *k = *kp;
    for (size_t i = 0; k && i < k->n; i++)
        mem_free(k->items[i]);
    if (k)
        pthread_mutex_destroy(&k->lock);
    mem_free(k);
    *kp = NULL;
}
