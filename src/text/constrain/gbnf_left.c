#include "text/constrain/gbnf_left.h"

#include "base/alloc.h"
#include "base/error.h"

/* Passes over all nodes; most grammars need 2 or 3. */
#define MAX_PASSES 500

static bool may_be_empty(const gbnf_left *l, const grammar_node *n)
{
    return n->op == GRAMMAR_RETURN || (n->op == GRAMMAR_SPLIT && (l->empty[n->a] || l->empty[n->b])) ||
           (n->op == GRAMMAR_CALL && l->empty[n->a] && l->empty[n->b]);
}

sib_code gbnf_left_begin(gbnf_left *l, const grammar *g, sib_error *err)
{
    *l = (gbnf_left){.empty = mem_calloc(g->n, sizeof *l->empty),
                     .met = mem_calloc(g->n, sizeof *l->met),
                     .waiting = mem_calloc(g->n, sizeof *l->waiting)};
    if (!l->empty || !l->met || !l->waiting)
        return err_memory(err, g->n * sizeof *l->met, "a grammar");
    bool changed = true;
    for (int pass = 0; changed && pass < MAX_PASSES; pass++) {
        changed = false;
        for (size_t k = 0; k < g->n; k++) { /* what follows a node may stand before it or behind it */
            const size_t i = pass % 2 ? g->n - 1 - k : k;
            if (!l->empty[i] && may_be_empty(l, &g->nodes[i]))
                changed = l->empty[i] = true;
        }
    }
    return changed ? err_set(err, SIB_ERR_SIZE, "the rules of the grammar are too entangled") : SIB_OK;
}

void gbnf_left_end(gbnf_left *l)
{
    mem_free(l->empty);
    mem_free(l->met);
    mem_free(l->waiting);
    *l = (gbnf_left){0};
}

bool gbnf_left_recurs(gbnf_left *l, const grammar *g, uint32_t rule)
{
    uint32_t n = 0, next[2];
    l->search++;
    for (uint32_t at = rule;; at = l->waiting[--n]) {
        const grammar_node *node = &g->nodes[at];
        const bool calls = node->op == GRAMMAR_CALL, goes_on = calls || node->op == GRAMMAR_SPLIT;
        next[0] = goes_on ? node->a : 0;
        next[1] = goes_on && (!calls || l->empty[node->a]) ? node->b : 0;
        for (int i = 0; i < 2; i++) {
            if (next[i] == rule)
                return true;
            if (l->met[next[i]] != l->search) {
                l->met[next[i]] = l->search;
                l->waiting[n++] = next[i];
            }
        }
        if (!n)
            return false;
    }
}
