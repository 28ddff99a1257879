/* The milli-op trees. */
#include "backend/cpu/ml/trees.h"
#include "backend/cpu/call/rows.h"
#include "backend/cpu/call/scratch.h"
#include "base/cancel.h"

#include <math.h>

enum { MODE_LEQ, MODE_LT, MODE_GTE, MODE_GT };

/* ---- Building -------------------------------------------------------------------------------------- */

static uint32_t place_of(const trees_lists *l, int64_t place)
{
    return (uint32_t)(place >= 0 ? (uint64_t)place : l->n_nodes + (uint64_t)(-1 - place));
}

/* Expresses every comparison as <=, using the neighbouring double of the split and exchanged branches. */
static trees_node node_of(const trees_lists *l, size_t i)
{
    SIB_ASSERT(l->modes && l->missing);
    int64_t mode = l->modes[i];
    bool exchanged = mode == MODE_GTE || mode == MODE_GT, missing = l->missing[i] != 0;
    bool below = mode == MODE_LT || mode == MODE_GTE; /* x >= s is not (x < s) */
    trees_node n = {.split = below ? trees_split_below(l->splits[i]) : l->splits[i],
                    .feature = (uint32_t)l->features[i] | (missing != exchanged ? TREES_MISSING : 0)};
    n.next[exchanged] = place_of(l, l->yes[i]);
    n.next[!exchanged] = place_of(l, l->no[i]);
    return n;
}

sib_code trees_make(const trees_lists *l, trees_made **out, sib_error *err)
{
    size_t n_all = l->n_nodes + l->n_leaves;
    size_t bytes = sizeof **out + n_all * sizeof(trees_node) + l->n_weights * sizeof(double) +
                   (l->n_roots + l->n_leaves + 1 + l->n_weights) * sizeof(uint32_t);
    trees_made *m = mem_alloc(1, bytes);
    *out = m;
    if (!m)
        return err_memory(err, bytes, "trees");
    trees_node *nodes = (trees_node *)(void *)(m + 1);
    double *weights = (double *)(void *)(nodes + n_all);
    uint32_t *roots = (uint32_t *)(void *)(weights + l->n_weights), *starts = roots + l->n_roots,
             *targets = starts + l->n_leaves + 1;
    for (size_t i = 0; i < n_all; i++)
        nodes[i] = i < l->n_nodes ? node_of(l, i) : (trees_node){NAN, 0, {(uint32_t)i, (uint32_t)i}};
    for (size_t i = 0; i < l->n_roots; i++)
        roots[i] = place_of(l, l->roots[i]);
    SIB_ASSERT(l->leaf_starts);
    for (size_t i = 0; i <= l->n_leaves; i++)
        starts[i] = (uint32_t)l->leaf_starts[i];
    for (size_t i = 0; i < l->n_weights; i++) {
        targets[i] = (uint32_t)l->targets[i];
        weights[i] = l->weights[i];
    }
    m->forest =
        (trees_forest){l->n_nodes, l->n_leaves, l->n_roots, l->n_targets, nodes,
                       roots,      starts,      targets,    weights,      (trees_aggregate)l->aggregate};
    return SIB_OK;
}

/* ---- Claiming ------------------------------------------------------------------------------------------ */

static const double *doubles_of(const value *v, size_t count)
{
    const sib_tensor *t = cpu_constant(v);
    return t && t->dtype == SIB_F64 && t->dense && t->count == count ? (const double *)(const void *)t->data
                                                                     : NULL;
}

static bool read_lists(const node_view *n, trees_lists *l)
{
    milli_trees_spec spec = spec_milli_trees(n->node);
    l->n_nodes = spec.features.n;
    if (spec.modes.n != l->n_nodes || spec.missing.n != l->n_nodes || spec.yes.n != l->n_nodes ||
        spec.no.n != l->n_nodes || !spec.leaf_starts.n)
        return false;
    l->modes = spec.modes.v;
    l->missing = spec.missing.v;
    l->yes = spec.yes.v;
    l->no = spec.no.v;
    l->features = spec.features.v;
    l->roots = spec.roots.v;
    l->n_roots = spec.roots.n;
    l->leaf_starts = spec.leaf_starts.v;
    l->n_leaves = spec.leaf_starts.n - 1;
    l->targets = spec.targets.v;
    l->n_weights = spec.targets.n;
    l->aggregate = spec.aggregate;
    l->splits = doubles_of(n->in[1], l->n_nodes);
    l->weights = doubles_of(n->in[2], l->n_weights);
    return l->splits && l->weights && l->aggregate >= 0 && l->aggregate <= 3;
}

static bool place_fits(const trees_lists *l, int64_t place)
{
    return place >= 0 ? (uint64_t)place < l->n_nodes : (uint64_t)(-1 - place) < l->n_leaves;
}

/* True where indices are in range, nodes come after their parents, and comparisons are <, <=, > or >=. */
static bool lists_fit(const trees_lists *l, uint64_t features)
{
    if (l->n_nodes + l->n_leaves > INT32_MAX || l->n_weights > INT32_MAX || features > INT32_MAX)
        return false;
    for (size_t i = 0; i < l->n_nodes; i++)
        if (!place_fits(l, l->yes[i]) || !place_fits(l, l->no[i]) || (uint64_t)l->features[i] >= features ||
            l->modes[i] < MODE_LEQ || l->modes[i] > MODE_GT || (l->yes[i] >= 0 && l->yes[i] <= (int64_t)i) ||
            (l->no[i] >= 0 && l->no[i] <= (int64_t)i))
            return false;
    for (size_t i = 0; i < l->n_roots; i++)
        if (!place_fits(l, l->roots[i]))
            return false;
    for (size_t i = 0; i < l->n_weights; i++)
        if ((uint64_t)l->targets[i] >= l->n_targets)
            return false;
    for (size_t i = 0; i < l->n_leaves; i++)
        if (l->leaf_starts[i] > l->leaf_starts[i + 1])
            return false;
    return l->leaf_starts[0] == 0 && (uint64_t)l->leaf_starts[l->n_leaves] == l->n_weights;
}

static bool trees_read(const node_view *n, trees_lists *l)
{
    size_t rank, out_rank;
    int64_t dims[SIB_MAX_RANK], out_dims[SIB_MAX_RANK];
    if (n->n_in != 4 || n->n_out != 1 || !n->out[0] || cpu_dtype(n->in[0]) != SIB_F64 ||
        cpu_dtype(n->out[0]) != SIB_F64 || !cpu_dims(n, n->in[0], &rank, dims) || rank != 2 ||
        !cpu_dims(n, n->out[0], &out_rank, out_dims) || out_rank != 2 || !read_lists(n, l))
        return false;
    l->n_targets = (size_t)out_dims[1];
    return lists_fit(l, (uint64_t)dims[1]);
}

static bool trees_claims(const cpu_self *self, const node_view *n)
{
    trees_lists l = {0};
    (void)self;
    return trees_read(n, &l);
}

static sib_code trees_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    trees_lists l = {0};
    (void)self;
    trees_read(n, &l);
    return trees_make(&l, (trees_made **)state, err);
}

/* ---- Running ------------------------------------------------------------------------------------------- */

#define REACHED_HERE 256 /* max targets whose flags are on the stack */

static sib_code trees_run(const cpu_call *c)
{
    const trees_forest *f = &((const trees_made *)c->state)->forest;
    const sib_tensor *x = cpu_in(c, 0);
    sib_tensor *y = cpu_out(c, 0);
    bool here[REACHED_HERE], *reached = here, *made = NULL;
    size_t rows = (size_t)x->dims[0], features = (size_t)x->dims[1];
    if (!y)
        return SIB_OK;
    if (f->n_targets > REACHED_HERE && !(reached = made = cpu_scratch_take(c, f->n_targets)))
        return cpu_no_memory(c, f->n_targets);
    for (size_t r = 0; r < rows && !cancel_is_set(c->cancel); r++)
        trees_walk(f, (const double *)(const void *)x->data + r * features,
                   (double *)(void *)y->data + r * f->n_targets, reached);
    cpu_scratch_give(c, made);
    return cancel_is_set(c->cancel) ? cpu_fail(c, SIB_ERR_CANCELLED, "the run was cancelled") : SIB_OK;
}

const cpu_kernel cpu_trees = {.claims = trees_claims, .prepare = trees_prepare, .run = trees_run};
