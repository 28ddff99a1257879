#include "kernel/trees/trees.h"
#include "base/size.h"

#include <math.h>
#include <string.h>

/* Trees that are walked together: each step waits for memory, and branch prediction cannot help. */
#define ABREAST 8

double trees_split_below(double below)
{
    return below == -INFINITY ? NAN : nextafter(below, -INFINITY);
}

static inline uint32_t step(const trees_node *nodes, uint32_t at, const double *x)
{
    const trees_node *n = &nodes[at];
    double v = x[n->feature & ~TREES_MISSING];
    bool yes = (v <= n->split) | ((v != v) & (n->feature >> 31));
    return n->next[!yes];
}

/* The leaves at which `count` <= ABREAST trees end. */
static void walk_abreast(const trees_forest *f, const uint32_t *roots, size_t count, const double *x,
                         uint32_t *leaves)
{
    const uint32_t first_leaf = (uint32_t)f->n_nodes;
    bool on = true;
    memcpy(leaves, roots, count * sizeof *leaves);
    while (on) {
        on = false;
        for (size_t k = 0; k < count; k++) {
            leaves[k] = step(f->nodes, leaves[k], x);
            on |= leaves[k] < first_leaf;
        }
    }
}

static void add_leaf(const trees_forest *f, size_t leaf, double *sums, bool *reached)
{
    for (uint32_t i = f->leaf_starts[leaf]; i < f->leaf_starts[leaf + 1]; i++) {
        uint32_t target = f->targets[i];
        double w = f->weights[i], *sum = &sums[target];
        if (f->aggregate <= TREES_SUM)
            *sum += w;
        else if (!reached[target] || (f->aggregate == TREES_MIN ? w < *sum : w > *sum))
            *sum = w;
        reached[target] = true;
    }
}

void trees_walk(const trees_forest *f, const double *x, double *sums, bool *reached)
{
    memset(sums, 0, f->n_targets * sizeof *sums);
    memset(reached, 0, f->n_targets * sizeof *reached);
    for (size_t t = 0; t < f->n_roots; t += ABREAST) {
        uint32_t leaves[ABREAST];
        size_t count = size_min(ABREAST, f->n_roots - t);
        if (count == ABREAST)
            walk_abreast(f, f->roots + t, ABREAST, x, leaves);
        else
            walk_abreast(f, f->roots + t, count, x, leaves);
        for (size_t k = 0; k < count; k++)
            add_leaf(f, leaves[k] - f->n_nodes, sums, reached);
    }
    for (size_t i = 0; f->aggregate == TREES_AVERAGE && i < f->n_targets; i++)
        sums[i] /= (double)f->n_roots;
}
