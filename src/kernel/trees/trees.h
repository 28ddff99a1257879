/* Decision trees in one flat list: a row walks from each root to a leaf, which adds its weights to
   targets. */
#ifndef KERNEL_TREES_H
#define KERNEL_TREES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TREES_MISSING UINT32_C(0x80000000)

/* On to next[0] where x[feature] <= split, or where it is NaN and the feature has the bit TREES_MISSING;
   else to next[1]. Leaves stand behind all nodes; each is a node whose split is NaN and whose next is
   itself. */
typedef struct trees_node {
    double split;
    uint32_t feature;
    uint32_t next[2];
} trees_node;

typedef enum trees_aggregate { TREES_AVERAGE, TREES_SUM, TREES_MIN, TREES_MAX } trees_aggregate;

typedef struct trees_forest {
    size_t n_nodes, n_leaves, n_roots, n_targets;
    const trees_node *nodes;     /* (n_nodes + n_leaves) */
    const uint32_t *roots;       /* (n_roots) places in nodes */
    const uint32_t *leaf_starts; /* (n_leaves + 1) of a leaf's weights */
    const uint32_t *targets;     /* (leaf_starts[n_leaves]) */
    const double *weights;       /* (leaf_starts[n_leaves]) */
    trees_aggregate aggregate;
} trees_forest;

/* The split that makes x <= split the same as x < below. */
double trees_split_below(double below);

/* One row x, whose features the nodes name: sums (n_targets), summed from the first tree to the last;
   reached (n_targets): which targets had any weight. */
void trees_walk(const trees_forest *f, const double *x, double *sums, bool *reached);

#endif
