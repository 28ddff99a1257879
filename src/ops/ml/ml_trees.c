/* ai.onnx.ml: ensembles of decision trees, all lowered to the milli-op trees. */
#include "milli/build_values.h"
#include "ops/ml/ml.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/size.h"
#include "tensor/tensor.h"

#include <stdlib.h>
#include <string.h>

/* The milli-op's attributes (milli.def). Lists live in the arena of the graph. */
typedef struct forest {
    size_t n_nodes, n_roots, n_leaves, n_weights, targets;
    int64_t *roots, *features, *modes, *missing, *yes, *no; /* (n_roots), (n_nodes) ... */
    int64_t *leaf_starts, *leaf_targets;                    /* (n_leaves + 1), (n_weights) */
    int64_t *member_starts;                                 /* (n_nodes + 1) */
    mval splits, weights, members;                          /* float64 [n_nodes], [n_weights], [any] */
} forest;

enum { MODE_LEAF = 7 };

static int64_t *ints_room(lowering *l, size_t n)
{
    int64_t *room = l_ok(l) ? arena_alloc(l->graph->arena, n + 1, sizeof *room) : NULL;
    if (!room)
        l_fail(l, SIB_ERR_MEMORY, "no memory for %zu numbers of its trees", n);
    return room;
}

/* [N, targets] in float64 for x [N, F]. aggregate: 0 to 3 for average, sum, min, max. */
static mval emit_trees(lowering *l, const forest *f, mval x, mval weights, int64_t aggregate)
{
    if (!l_ok(l))
        return MVAL_NONE;
    attribute attributes[] = {attribute_ints("roots", f->n_roots, f->roots),
                              attribute_ints("features", f->n_nodes, f->features),
                              attribute_ints("modes", f->n_nodes, f->modes),
                              attribute_ints("missing", f->n_nodes, f->missing),
                              attribute_ints("yes", f->n_nodes, f->yes),
                              attribute_ints("no", f->n_nodes, f->no),
                              attribute_ints("leaf_starts", f->n_leaves + 1, f->leaf_starts),
                              attribute_ints("targets", f->n_weights, f->leaf_targets),
                              attribute_ints("member_starts", f->n_nodes + 1, f->member_starts),
                              attribute_int("aggregate", aggregate)};
    const mval in[] = {x, f->splits, weights, f->members};
    return m_trees(l, in, sizeof attributes / sizeof *attributes, attributes, (int64_t)f->targets);
}

/* ---- Lists of attributes ------------------------------------------------------------------------------ */

static void check_count(lowering *l, const char *name, size_t had, size_t want)
{
    if (l_ok(l) && had != want)
        l_fail(l, SIB_ERR_ARGUMENT, "%s has %zu values, expected %zu", name, had, want);
}

/* A list of ints, which must have `count` elements. */
static const int64_t *ints_of(lowering *l, spec_ints list, const char *name, size_t count)
{
    check_count(l, name, list.n, count);
    return list.v;
}

/* A tensor attribute as float64 [count]; empty where absent. */
static mval tensor_doubles(lowering *l, const sib_tensor *t, size_t *count)
{
    *count = t ? (size_t)sib_tensor_count(t) : 0;
    if (!t)
        return ml_doubles(l, 0, NULL);
    mval v = m_constant_ref(l, t);
    return m_cast(l, m_flatten(l, v, 0, m_rank(l, v)), SIB_F64);
}

/* The same; a list of floats where the tensor is absent. */
static mval doubles_of(lowering *l, const sib_tensor *t, spec_floats floats, size_t *count)
{
    if (t)
        return tensor_doubles(l, t, count);
    *count = floats.n;
    return ml_doubles(l, floats.n, floats.v);
}

/* ---- Versions 1 and 3: nodes identified by ids, leaves among them ---------------------------------- */

typedef struct node_key {
    int64_t tree, id, at;
} node_key;

static int compare_keys(const void *a, const void *b)
{
    const node_key *x = a, *y = b;
    if (x->tree != y->tree)
        return x->tree < y->tree ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static const node_key *find_key(const node_key *keys, size_t n, int64_t tree, int64_t id)
{
    node_key wanted = {tree, id, 0};
    return bsearch(&wanted, keys, n, sizeof *keys, compare_keys);
}

static int64_t mode_of(lowering *l, sib_str word)
{
    static const char *const words[] = {"BRANCH_LEQ", "BRANCH_LT",  "BRANCH_GTE",    "BRANCH_GT",
                                        "BRANCH_EQ",  "BRANCH_NEQ", "BRANCH_MEMBER", "LEAF"};
    for (int64_t i = 0; i < 8; i++)
        if (i != 6 && str_is(word, words[i]))
            return i;
    l_fail(l, SIB_ERR_ARGUMENT,
           "nodes_modes holds '%.*s', expected BRANCH_LEQ, _LT, _GTE, _GT, _EQ, _NEQ or LEAF",
           (int)word.length, word.data);
    return MODE_LEAF;
}

/* The nodes of versions 1 and 3, sorted by id. */
typedef struct old_nodes {
    size_t n;
    const int64_t *trees, *ids, *features, *yes, *no, *missing;
    const sib_str *modes;
    node_key *keys;  /* (n), sorted */
    int64_t *places; /* (n) -1 - leaf for leaves, else the index of the node */
} old_nodes;

static void read_old_nodes(lowering *l, const tree_nodes_spec *spec, old_nodes *o)
{
    size_t n_missing = spec->nodes_missing_value_tracks_true.n;
    o->n = spec->nodes_treeids.n;
    o->trees = spec->nodes_treeids.v;
    o->ids = ints_of(l, spec->nodes_nodeids, "nodes_nodeids", o->n);
    o->features = ints_of(l, spec->nodes_featureids, "nodes_featureids", o->n);
    o->yes = ints_of(l, spec->nodes_truenodeids, "nodes_truenodeids", o->n);
    o->no = ints_of(l, spec->nodes_falsenodeids, "nodes_falsenodeids", o->n);
    o->modes = spec->nodes_modes.v;
    o->missing = n_missing ? spec->nodes_missing_value_tracks_true.v : NULL;
    check_count(l, "nodes_modes", spec->nodes_modes.n, o->n);
    if (n_missing)
        check_count(l, "nodes_missing_value_tracks_true", n_missing, o->n);
    else
        o->missing = NULL;
    if (l_ok(l) && !o->n)
        l_fail(l, SIB_ERR_ARGUMENT, "nodes_treeids is empty");
    o->keys = l_ok(l) ? arena_alloc(l->graph->arena, o->n, sizeof *o->keys) : NULL;
    o->places = ints_room(l, o->n);
    if (!o->keys || !o->places) {
        l_fail(l, SIB_ERR_MEMORY, "no memory for %zu nodes", o->n);
        return;
    }
    for (size_t i = 0; i < o->n; i++)
        o->keys[i] = (node_key){o->trees[i], o->ids[i], (int64_t)i};
    qsort(o->keys, o->n, sizeof *o->keys, compare_keys);
    for (size_t i = 1; i < o->n && l_ok(l); i++)
        if (!compare_keys(&o->keys[i - 1], &o->keys[i]))
            l_fail(l, SIB_ERR_ARGUMENT, "node %lld of tree %lld occurs twice", (long long)o->keys[i].id,
                   (long long)o->keys[i].tree);
}

static int64_t child_of(lowering *l, const old_nodes *o, size_t i, int64_t id)
{
    const node_key *k = find_key(o->keys, o->n, o->trees[i], id);
    if (k)
        return o->places[k->at];
    l_fail(l, SIB_ERR_ARGUMENT, "node %lld of tree %lld branches to node %lld, which does not exist",
           (long long)o->ids[i], (long long)o->trees[i], (long long)id);
    return 0;
}

/* Sets the roots: the first node of each tree. */
static void find_roots(lowering *l, const old_nodes *o, forest *f)
{
    /* keys are sorted by tree; the node that comes first in the file has the smallest place */
    for (size_t i = 0; i < o->n;) {
        int64_t first = o->keys[i].at, tree = o->keys[i].tree;
        for (; i < o->n && o->keys[i].tree == tree; i++)
            first = o->keys[i].at < first ? o->keys[i].at : first;
        f->roots[f->n_roots++] = o->places[first];
    }
    (void)l;
}

/* Sets f from the nodes, without the weights. */
static void build_nodes(lowering *l, const tree_nodes_spec *spec, old_nodes *o, forest *f)
{
    size_t n_splits;
    read_old_nodes(l, spec, o);
    mval splits = doubles_of(l, spec->nodes_values_as_tensor, spec->nodes_values, &n_splits);
    check_count(l, "nodes_values", n_splits, o->n);
    int64_t **lists[] = {&f->roots, &f->features, &f->modes, &f->missing, &f->yes, &f->no, &f->member_starts};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        *lists[i] = ints_room(l, o->n + 1);
    if (!l_ok(l))
        return;
    f->n_nodes = o->n;
    f->splits = splits;
    f->members = ml_doubles(l, 0, NULL);
    for (size_t i = 0; i < o->n; i++) {
        f->modes[i] = mode_of(l, o->modes[i]);
        o->places[i] = f->modes[i] == MODE_LEAF ? -1 - (int64_t)f->n_leaves++ : (int64_t)i;
    }
    for (size_t i = 0; i < o->n && l_ok(l); i++) {
        bool leaf = f->modes[i] == MODE_LEAF; /* never reached: any node and mode will do */
        f->features[i] = leaf ? 0 : o->features[i];
        f->missing[i] = o->missing ? o->missing[i] : 0;
        f->yes[i] = leaf ? o->places[i] : child_of(l, o, i, o->yes[i]);
        f->no[i] = leaf ? o->places[i] : child_of(l, o, i, o->no[i]);
        f->modes[i] = leaf ? 0 : f->modes[i];
    }
    find_roots(l, o, f);
}

/* Sets which leaf adds how much to which target or class. Returns true where no weight is negative. */
static bool build_leaves(lowering *l, const tree_nodes_spec *spec, const old_nodes *o, forest *f)
{
    size_t count = spec->target_treeids.n, n_values;
    const int64_t *trees = spec->target_treeids.v,
                  *ids = ints_of(l, spec->target_nodeids, "the list of leaves' node ids", count),
                  *targets = ints_of(l, spec->target_ids, "the list of leaves' targets or classes", count);
    mval values = doubles_of(l, spec->target_weights_as_tensor, spec->target_weights, &n_values);
    check_count(l, "the list of leaves' weights", n_values, count);
    f->leaf_starts = ints_room(l, f->n_leaves + 1);
    f->leaf_targets = ints_room(l, count);
    int64_t *order = ints_room(l, count), *leaf = ints_room(l, count), *next = ints_room(l, f->n_leaves + 1);
    if (!l_ok(l))
        return false;
    for (size_t i = 0; i < count && l_ok(l); i++) {
        const node_key *k = find_key(o->keys, o->n, trees[i], ids[i]);
        if (!k || o->places[k->at] >= 0)
            l_fail(l, SIB_ERR_ARGUMENT, "a weight is given to node %lld of tree %lld, which is not a leaf",
                   (long long)ids[i], (long long)trees[i]);
        else if (targets[i] < 0 || (uint64_t)targets[i] >= f->targets)
            l_fail(l, SIB_ERR_ARGUMENT, "a weight is given to target or class %lld, expected 0 to %zu",
                   (long long)targets[i], f->targets - 1);
        else
            f->leaf_starts[(leaf[i] = -1 - o->places[k->at]) + 1]++;
    }
    for (size_t i = 0; i < f->n_leaves; i++) {
        f->leaf_starts[i + 1] += f->leaf_starts[i];
        next[i] = f->leaf_starts[i];
    }
    for (size_t i = 0; i < count && l_ok(l); i++) {
        int64_t at = next[leaf[i]]++;
        order[at] = (int64_t)i;
        f->leaf_targets[at] = targets[i];
    }
    f->n_weights = count;
    f->weights = m_gather(l, values, m_int64s(l, count, order), 0);
    const sib_tensor *all = m_content(l, f->weights);
    bool positive = true;
    for (size_t i = 0; all && i < count; i++)
        positive &= !(((const double *)all->data)[i] < 0);
    return positive;
}

/* ---- Scores -------------------------------------------------------------------------------------------- */

/* Sums rounded to float32, as the caller sees them, but not for inputs of float64; in float64 either way. */
static mval rounded(lowering *l, mval sums, sib_dtype input)
{
    return input == SIB_F64 ? sums : m_cast(l, m_cast(l, sums, SIB_F32), SIB_F64);
}

/* Y = transform(aggregate of the leaves reached in every tree + base values). ONNX-ML
   TreeEnsembleRegressor-1, -3. */
void lower_ML_TreeEnsembleRegressor(lowering *l, const node *n)
{
    tree_nodes_spec spec = spec_tree_nodes(n);
    sib_dtype input = m_dtype(l, l_in(l, 0));
    mval x = ml_rows(l);
    old_nodes o = {0};
    size_t n_base;
    if (!l_ok(l))
        return;
    forest f = {.targets = (size_t)spec.n_targets};
    dim dims[2] = {m_dim(l, x, 0), d_const(l, spec.n_targets)};
    l_declare(l, 0, SIB_F32, 2, dims);
    build_nodes(l, &spec, &o, &f);
    if (l_ok(l))
        build_leaves(l, &spec, &o, &f);
    mval base = doubles_of(l, spec.base_values_as_tensor, spec.base_values, &n_base);
    if (n_base)
        check_count(l, "base_values", n_base, f.targets);
    mval y = emit_trees(l, &f, x, f.weights, spec.aggregate_function);
    y = rounded(l, n_base ? m_add(l, y, base) : y, input);
    l_out(l, 0, m_cast(l, ml_transform(l, y, spec.post_transform), SIB_F32));
}

/* The label of the highest of scores [N, E] among the classes that a leaf added to. */
static mval best_reached(lowering *l, const forest *f, mval x, mval scores)
{
    dim count = d_const(l, (int64_t)f->n_weights);
    mval ones = m_expand(l, m_scalar(l, SIB_F64, 1), 1, &count), hits = emit_trees(l, f, x, ones, 1);
    mval none = m_equal(l, hits, m_scalar(l, SIB_F64, 0));
    scores = m_where(l, none, m_scalar(l, SIB_F64, -1.0 / 0.0), scores);
    return m_arg(l, MILLI_arg_max, scores, 1, false, DROP_DIMS);
}

/* Two labels, and weights for one class only: s is the score of the second class, a probability where no
   weight is negative. Weights of class 0 give both scores; with weights of class 1 the first score is 0. */
static void one_sided(lowering *l, post_transform transform, mval sums, mval labels, int64_t side,
                      bool probability)
{
    mval s = m_slice_numbers(l, sums, 1, side, 1), above = m_scalar(l, SIB_F64, probability ? 0.5 : 0);
    mval zero = m_mul_number(l, s, 0);
    l_out(l, 0, ml_binary_label(l, labels, 2, m_less(l, above, m_squeeze(l, s, 1))));
    mval z = side == 0 ? ml_two_classes(l, s, probability, transform)
                       : ml_transform(l, m_concat(l, 2, (mval[]){zero, s}, 1), transform);
    l_out(l, 1, m_cast(l, z, SIB_F32));
}

/* The only class that has weights, or -1. */
static int64_t only_class(const forest *f)
{
    for (size_t i = 1; i < f->n_weights; i++)
        if (f->leaf_targets[i] != f->leaf_targets[0])
            return -1;
    return f->n_weights ? f->leaf_targets[0] : -1;
}

/* Z = transform(sums of the leaves' class weights + base values), Y = the label of the highest sum. With one
   label, or two labels but weights for one, Y depends on whether the sum is above 0, or above 0.5 where no
   weight is negative. ONNX-ML TreeEnsembleClassifier-1, -3. */
void lower_ML_TreeEnsembleClassifier(lowering *l, const node *n)
{
    tree_nodes_spec spec = spec_tree_nodes(n);
    sib_dtype input = m_dtype(l, l_in(l, 0));
    mval x = ml_rows(l);
    old_nodes o = {0};
    forest f = {0};
    size_t n_base;
    bool positive = false;
    mval labels = ml_labels(l, spec.classlabels_strings, spec.classlabels_int64s, "classlabels", &f.targets);
    if (!l_ok(l))
        return;
    dim dims[2] = {m_dim(l, x, 0), d_const(l, (int64_t)f.targets)};
    l_declare(l, 0, m_dtype(l, labels), 1, dims);
    l_declare(l, 1, SIB_F32, 2, dims);
    build_nodes(l, &spec, &o, &f);
    if (l_ok(l))
        positive = build_leaves(l, &spec, &o, &f);
    mval base = doubles_of(l, spec.base_values_as_tensor, spec.base_values, &n_base),
         sums = emit_trees(l, &f, x, f.weights, 1);
    int64_t side = f.targets == 2 && n_base < 2 && l_ok(l) ? only_class(&f) : -1;
    if (n_base && !(side >= 0 && n_base == 1))
        check_count(l, "base_values", n_base, f.targets);
    if (n_base)
        sums = m_add(l, sums, base);
    sums = rounded(l, sums, input);
    if (side >= 0) {
        one_sided(l, spec.post_transform, sums, labels, side, positive);
        return;
    }
    mval z = ml_transform(l, sums, spec.post_transform);
    l_out(l, 1, m_cast(l, z, SIB_F32));
    if (f.targets == 1) {
        mval above = m_less(l, m_scalar(l, SIB_F64, 0), m_squeeze(l, sums, 1));
        l_out(l, 0, ml_binary_label(l, labels, 1, above));
        return;
    }
    mval best = n_base ? m_arg(l, MILLI_arg_max, sums, 1, false, DROP_DIMS) : best_reached(l, &f, x, sums);
    l_out(l, 0, m_gather(l, labels, best, 0));
}

/* ---- Version 5: nodes and leaves in separate lists ------------------------------------------------- */

/* The value sets of the BRANCH_MEMBER nodes, which NaN separates: the values without the NaN, and the index
   of the first value of each node. */
static void build_members(lowering *l, const tree_ensemble_spec *spec, forest *f)
{
    size_t count, set = 0, kept = 0;
    mval all = tensor_doubles(l, spec->membership_values, &count);
    const sib_tensor *t = count ? m_content(l, all) : NULL;
    const double *values = t ? (const double *)t->data : NULL;
    int64_t *picked = ints_room(l, count);
    f->member_starts = ints_room(l, f->n_nodes + 1);
    if (!l_ok(l))
        return;
    SIB_ASSERT(!count || values);
    size_t at = 0;
    for (size_t i = 0; i < f->n_nodes; i++) {
        f->member_starts[i] = (int64_t)kept;
        if (f->modes[i] != 6)
            continue;
        if (at >= count) {
            l_fail(l, SIB_ERR_ARGUMENT, "membership_values has %zu sets, fewer than BRANCH_MEMBER nodes",
                   set);
            return;
        }
        for (; at < count && values[at] == values[at]; at++)
            picked[kept++] = (int64_t)at;
        at++; /* skip the NaN after a set */
        set++;
    }
    f->member_starts[f->n_nodes] = (int64_t)kept;
    f->members = kept ? m_gather(l, all, m_int64s(l, kept, picked), 0) : ml_doubles(l, 0, NULL);
}

/* Sets f from attributes in which nodes and leaves are separate. The milli-op checks the indices. */
static void build_new(lowering *l, const tree_ensemble_spec *spec, forest *f)
{
    size_t n_splits, n_weights, n_missing = spec->nodes_missing_value_tracks_true.n;
    f->n_nodes = spec->nodes_featureids.n;
    f->n_roots = spec->tree_roots.n;
    f->n_leaves = spec->leaf_targetids.n;
    const int64_t *features = spec->nodes_featureids.v, *targets = spec->leaf_targetids.v,
                  *missing = spec->nodes_missing_value_tracks_true.v,
                  *yes = ints_of(l, spec->nodes_truenodeids, "nodes_truenodeids", f->n_nodes),
                  *no = ints_of(l, spec->nodes_falsenodeids, "nodes_falsenodeids", f->n_nodes),
                  *yes_leaf = ints_of(l, spec->nodes_trueleafs, "nodes_trueleafs", f->n_nodes),
                  *no_leaf = ints_of(l, spec->nodes_falseleafs, "nodes_falseleafs", f->n_nodes);
    if (l_ok(l) && (!f->n_nodes || !f->n_roots || !f->n_leaves))
        l_fail(l, SIB_ERR_ARGUMENT, "nodes_featureids, tree_roots or leaf_targetids is missing or empty");
    if (n_missing)
        check_count(l, "nodes_missing_value_tracks_true", n_missing, f->n_nodes);
    f->splits = tensor_doubles(l, spec->nodes_splits, &n_splits);
    check_count(l, "nodes_splits", n_splits, f->n_nodes);
    f->weights = tensor_doubles(l, spec->leaf_weights, &n_weights);
    check_count(l, "leaf_weights", n_weights, f->n_leaves);
    f->n_weights = f->n_leaves;
    const sib_tensor *modes = spec->nodes_modes;
    check_count(l, "nodes_modes", modes ? (size_t)sib_tensor_count(modes) : 0, f->n_nodes);
    if (l_ok(l) && modes)
        f->modes = ints_room(l, f->n_nodes);
    int64_t **lists[] = {&f->features, &f->missing, &f->yes, &f->no};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        *lists[i] = ints_room(l, f->n_nodes);
    f->roots = ints_room(l, f->n_roots);
    f->leaf_starts = ints_room(l, f->n_leaves + 1);
    f->leaf_targets = ints_room(l, f->n_leaves);
    if (!l_ok(l) || !f->modes)
        return;
    m_ints(l, m_flatten(l, m_constant_ref(l, modes), 0, (int)modes->rank), f->modes, f->n_nodes);
    for (size_t i = 0; i < f->n_nodes; i++) {
        f->features[i] = features[i];
        f->missing[i] = n_missing ? missing[i] : 0;
        f->yes[i] = yes_leaf[i] ? -1 - yes[i] : yes[i];
        f->no[i] = no_leaf[i] ? -1 - no[i] : no[i];
        if ((yes[i] < 0 || no[i] < 0 || f->modes[i] < 0 || f->modes[i] > 6) && l_ok(l))
            l_fail(l, SIB_ERR_ARGUMENT,
                   "node %zu has mode %lld and branches %lld and %lld, expected 0 to 6 and none below 0", i,
                   (long long)f->modes[i], (long long)yes[i], (long long)no[i]);
    }
    if (f->n_roots)
        memcpy(f->roots, spec->tree_roots.v, f->n_roots * sizeof *f->roots);
    for (size_t i = 0; i < f->n_leaves; i++) {
        f->leaf_starts[i + 1] = (int64_t)i + 1;
        f->leaf_targets[i] = targets[i];
        if (targets[i] >= 0 && (uint64_t)targets[i] >= f->targets && spec->n_targets == SPEC_ABSENT)
            f->targets = (size_t)targets[i] + 1;
    }
    build_members(l, spec, f);
}

/* Y = transform(aggregate of the leaves reached in every tree). ONNX-ML TreeEnsemble-5. */
void lower_ML_TreeEnsemble(lowering *l, const node *n)
{
    tree_ensemble_spec spec = spec_tree_ensemble(n);
    sib_dtype input = m_dtype(l, l_in(l, 0));
    mval x = ml_rows(l);
    if (!l_ok(l))
        return;
    forest f = {.targets = spec.n_targets == SPEC_ABSENT ? 1 : (size_t)spec.n_targets};
    build_new(l, &spec, &f);
    mval y = emit_trees(l, &f, x, f.weights, spec.aggregate_function);
    if (!l_ok(l))
        return;
    l_out(l, 0, m_cast(l, ml_transform(l, y, (post_transform)spec.post_transform), input));
}
