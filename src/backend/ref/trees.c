/* Decision trees, and class probabilities from pairwise ones. */
#include "backend/ref/kernel.h"

#include <math.h>
#include <string.h>

/* The attributes of milli-op trees, checked: every index is in range and every walk ends. */
typedef struct forest {
    const int64_t *roots, *features, *modes, *missing, *yes, *no, *leaf_starts, *targets, *member_starts;
    size_t n_roots, n_nodes, n_leaves, n_weights, n_members;
    int64_t aggregate;
    const double *splits, *weights, *members;
} forest;

enum { MODE_LEQ, MODE_LT, MODE_GTE, MODE_GT, MODE_EQ, MODE_NEQ, MODE_MEMBER, MODES };

static sib_code check_lists(const ref_call *c, forest *f)
{
    milli_trees_spec spec = spec_milli_trees(c->node);
    const struct {
        const char *name;
        spec_ints list;
        const int64_t **out;
        size_t want; /* expected beyond n_nodes */
    } nodes[] = {{"modes", spec.modes, &f->modes, 0},
                 {"missing", spec.missing, &f->missing, 0},
                 {"yes", spec.yes, &f->yes, 0},
                 {"no", spec.no, &f->no, 0},
                 {"member_starts", spec.member_starts, &f->member_starts, 1}};
    f->roots = spec.roots.v;
    f->n_roots = spec.roots.n;
    f->features = spec.features.v;
    f->n_nodes = spec.features.n;
    f->leaf_starts = spec.leaf_starts.v;
    f->targets = spec.targets.v;
    f->n_weights = spec.targets.n;
    f->aggregate = spec.aggregate;
    if (spec.leaf_starts.n == 0 || f->aggregate < 0 || f->aggregate > 3)
        return ref_fail(c, SIB_ERR_ARGUMENT, "aggregate is %lld and leaf_starts has %zu values",
                        (long long)f->aggregate, spec.leaf_starts.n);
    f->n_leaves = spec.leaf_starts.n - 1;
    for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) {
        *nodes[i].out = nodes[i].list.v;
        if (nodes[i].list.n != f->n_nodes + nodes[i].want)
            return ref_fail(c, SIB_ERR_ARGUMENT, "%s has %zu values for %zu nodes", nodes[i].name,
                            nodes[i].list.n, f->n_nodes);
    }
    return SIB_OK;
}

/* Whether `starts` (n + 1) ascends from 0 to `all`. */
static bool starts_fit(const int64_t *starts, size_t n, size_t all)
{
    if (starts[0] != 0 || starts[n] < 0 || (uint64_t)starts[n] != all)
        return false;
    for (size_t i = 0; i < n; i++)
        if (starts[i + 1] < starts[i])
            return false;
    return true;
}

static bool place_fits(const forest *f, int64_t place)
{
    return place >= 0 ? (uint64_t)place < f->n_nodes : (uint64_t)(-1 - place) < f->n_leaves;
}

static sib_code check_indices(const ref_call *c, const forest *f, size_t features, size_t targets)
{
    for (size_t i = 0; i < f->n_nodes; i++)
        if (!place_fits(f, f->yes[i]) || !place_fits(f, f->no[i]) || f->features[i] < 0 ||
            (uint64_t)f->features[i] >= features || f->modes[i] < 0 || f->modes[i] >= MODES)
            return ref_fail(c, SIB_ERR_VALUE,
                            "node %zu tests feature %lld of %zu in mode %lld and branches to %lld and %lld",
                            i, (long long)f->features[i], features, (long long)f->modes[i],
                            (long long)f->yes[i], (long long)f->no[i]);
    for (size_t i = 0; i < f->n_roots; i++)
        if (!place_fits(f, f->roots[i]))
            return ref_fail(c, SIB_ERR_VALUE, "tree %zu begins at node %lld, which does not exist", i,
                            (long long)f->roots[i]);
    for (size_t i = 0; i < f->n_weights; i++)
        if (f->targets[i] < 0 || (uint64_t)f->targets[i] >= targets)
            return ref_fail(c, SIB_ERR_VALUE, "weight %zu is for target %lld of %zu", i,
                            (long long)f->targets[i], targets);
    if (!starts_fit(f->leaf_starts, f->n_leaves, f->n_weights) ||
        !starts_fit(f->member_starts, f->n_nodes, f->n_members))
        return ref_fail(c, SIB_ERR_VALUE, "leaf_starts or member_starts do not divide their lists");
    return SIB_OK;
}

static bool is_member(const forest *f, size_t at, double x)
{
    for (int64_t i = f->member_starts[at]; i < f->member_starts[at + 1]; i++)
        if (f->members[i] == x)
            return true;
    return false;
}

static bool takes_yes(const forest *f, size_t at, double x)
{
    double split = f->splits[at];
    if (isnan(x))
        return f->missing[at] != 0;
    switch (f->modes[at]) {
    case MODE_LEQ:
        return x <= split;
    case MODE_LT:
        return x < split;
    case MODE_GTE:
        return x >= split;
    case MODE_GT:
        return x > split;
    case MODE_EQ:
        return x == split;
    case MODE_NEQ:
        return x != split;
    default:
        return is_member(f, at, x);
    }
}

/* The leaf that a row reaches, or SIZE_MAX where branches form a cycle. */
static size_t walk_tree(const forest *f, int64_t place, const double *row)
{
    for (size_t steps = 0; place >= 0; steps++) {
        if (steps > f->n_nodes)
            return SIZE_MAX;
        size_t at = (size_t)place;
        place = takes_yes(f, at, row[f->features[at]]) ? f->yes[at] : f->no[at];
    }
    return (size_t)(-1 - place);
}

/* Adds the weights of a leaf to sums; reached: targets that got a weight. */
static void add_leaf(const forest *f, size_t leaf, double *sums, bool *reached)
{
    for (int64_t i = f->leaf_starts[leaf]; i < f->leaf_starts[leaf + 1]; i++) {
        double w = f->weights[i], *sum = &sums[f->targets[i]];
        bool first = !reached[f->targets[i]];
        if (f->aggregate < 2)
            *sum += w;
        else if (first || (f->aggregate == 2 ? w < *sum : w > *sum))
            *sum = w;
        reached[f->targets[i]] = true;
    }
}

static sib_code run_rows(const ref_call *c, const forest *f, const sib_tensor *x, sib_tensor *out)
{
    size_t rows = (size_t)x->dims[0], features = (size_t)x->dims[1], targets = (size_t)out->dims[1];
    bool *reached = mem_alloc(targets, sizeof *reached);
    if (!reached)
        return ref_no_memory(c, targets);
    for (size_t r = 0; r < rows; r++) {
        double *sums = (double *)out->data + r * targets;
        memset(sums, 0, targets * sizeof *sums);
        memset(reached, 0, targets);
        for (size_t t = 0; t < f->n_roots; t++) {
            size_t leaf = walk_tree(f, f->roots[t], (const double *)x->data + r * features);
            if (leaf == SIZE_MAX) {
                mem_free(reached);
                return ref_fail(c, SIB_ERR_VALUE, "tree %zu branches in a circle", t);
            }
            add_leaf(f, leaf, sums, reached);
        }
        for (size_t i = 0; f->aggregate == 0 && i < targets; i++)
            sums[i] /= (double)f->n_roots;
    }
    mem_free(reached);
    return SIB_OK;
}

sib_code ref_trees(const ref_call *c)
{
    const sib_tensor *x = ref_in(c, 0), *splits = ref_in(c, 1), *weights = ref_in(c, 2),
                     *members = ref_in(c, 3);
    sib_tensor *out = ref_out(c, 0);
    forest f;
    if (!out)
        return SIB_OK;
    sib_code code = check_lists(c, &f);
    if (code != SIB_OK)
        return code;
    if (x->dtype != SIB_F64 || splits->dtype != SIB_F64 || weights->dtype != SIB_F64 ||
        members->dtype != SIB_F64 || x->rank != 2 || splits->count != f.n_nodes ||
        weights->count != f.n_weights)
        return ref_fail(
            c, SIB_ERR_ARGUMENT,
            "rows, splits, weights or members do not fit %zu nodes with %zu weights; rows are of %s",
            f.n_nodes, f.n_weights, sib_dtype_name(x->dtype));
    f.splits = (const double *)splits->data;
    f.weights = (const double *)weights->data;
    f.members = (const double *)members->data;
    f.n_members = (size_t)members->count;
    code = check_indices(c, &f, (size_t)x->dims[1], (size_t)out->dims[1]);
    return code == SIB_OK ? run_rows(c, &f, x, out) : code;
}

/* ---- Pairwise coupling --------------------------------------------------------------------------------- */

/* p minimises the sum over i of (sum over j != i of r[j, i] p[i] - r[i, j] p[j])^2 with sum p = 1; q (k,
   k) is scratch for the matrix of that form, qp (k) for its product with p. */
static void couple(size_t k, const double *r, double *q, double *qp, double *p)
{
    double eps = 0.005 / (double)k;
    for (size_t i = 0; i < k; i++) {
        p[i] = 1 / (double)k;
        q[i * k + i] = 0;
        for (size_t j = 0; j < k; j++) {
            if (j == i)
                continue;
            q[i * k + i] += r[j * k + i] * r[j * k + i];
            q[i * k + j] = -r[j * k + i] * r[i * k + j];
        }
    }
    for (int iteration = 0; iteration < 100; iteration++) {
        double pqp = 0, worst = 0;
        for (size_t i = 0; i < k; i++) {
            qp[i] = 0;
            for (size_t j = 0; j < k; j++)
                qp[i] += q[i * k + j] * p[j];
            pqp += p[i] * qp[i];
        }
        for (size_t i = 0; i < k; i++)
            worst = fmax(worst, fabs(qp[i] - pqp));
        if (worst < eps)
            return;
        for (size_t i = 0; i < k; i++) {
            double move = (pqp - qp[i]) / q[i * k + i], scale = 1 + move;
            p[i] += move;
            pqp = (pqp + move * (move * q[i * k + i] + 2 * qp[i])) / scale / scale;
            for (size_t j = 0; j < k; j++) {
                qp[j] = (qp[j] + move * q[i * k + j]) / scale;
                p[j] /= scale;
            }
        }
    }
}

sib_code ref_couple_pairs(const ref_call *c)
{
    const sib_tensor *r = ref_in(c, 0);
    sib_tensor *out = ref_out(c, 0);
    if (!out)
        return SIB_OK;
    if (r->dtype != SIB_F64 || r->rank != 3 || r->dims[1] != r->dims[2])
        return ref_fail(c, SIB_ERR_ARGUMENT, "expected pairs, float64 [n, k, k]");
    size_t n = (size_t)r->dims[0], k = (size_t)r->dims[1];
    double *scratch = mem_alloc(k * k + k, sizeof *scratch);
    if (!scratch)
        return ref_no_memory(c, (k * k + k) * sizeof *scratch);
    for (size_t i = 0; i < n; i++)
        couple(k, (const double *)r->data + i * k * k, scratch, scratch + k * k, (double *)out->data + i * k);
    mem_free(scratch);
    return SIB_OK;
}
