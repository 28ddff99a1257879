/* ai.onnx.ml: ensembles of decision trees, all brought to the milli-op trees. */
#include "ops/ml.h"
#include "ops/types.h"

#include "base/alloc.h"
#include "base/size.h"
#include "tensor/tensor.h"

#include <stdlib.h>
#include <string.h>

/* The milli-op's attributes; see milli.def. Lists live in the arena of the graph. */
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

/* [N, targets] in float64 of x [N, F]. aggregate: 0 to 3 for average, sum, minimum, maximum. */
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
    dim dims[2] = {m_dim(l, x, 0), d_const(l, (int64_t)f->targets)};
    return types_emit(l, MILLI_trees, 4, (mval[]){x, f->splits, weights, f->members},
                      sizeof attributes / sizeof *attributes, attributes, m_tensor_type(l, SIB_F64, 2, dims));
}

/* ---- Lists of attributes ------------------------------------------------------------------------------ */

/* Ints that must have `count` elements. */
static const int64_t *ints_of(lowering *l, const node *n, const char *name, size_t count)
{
    size_t had;
    const int64_t *list = attr_ints(n, name, &had);
    if (l_ok(l) && had != count)
        l_fail(l, SIB_ERR_ARGUMENT, "%s has %zu values, expected %zu", name, had, count);
    return list;
}

/* Floats of attribute `name`, or of the tensor `name`_as_tensor, as float64 [count]. */
static mval doubles_of(lowering *l, const node *n, const char *name, const char *as_tensor, size_t *count)
{
    const sib_tensor *t = attr_tensor(n, as_tensor);
    const float *floats = attr_floats(n, name, count);
    if (!t)
        return ml_doubles(l, *count, floats);
    *count = (size_t)sib_tensor_count(t);
    mval v = m_constant_ref(l, t);
    return m_cast(l, m_flatten(l, v, 0, m_rank(l, v)), SIB_F64);
}

static void check_count(lowering *l, const char *name, size_t had, size_t want)
{
    if (l_ok(l) && had != want)
        l_fail(l, SIB_ERR_ARGUMENT, "%s has %zu values, expected %zu", name, had, want);
}

/* ---- Versions 1 and 3: nodes with ids, leaves among them ---------------------------------------------------- */

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

/* The nodes of versions 1 and 3 by name. */
typedef struct old_nodes {
    size_t n;
    const int64_t *trees, *ids, *features, *yes, *no, *missing;
    const sib_str *modes;
    node_key *keys;  /* (n), sorted */
    int64_t *places; /* (n): -1 - leaf for leaves, else the node itself */
} old_nodes;

static void read_old_nodes(lowering *l, const node *n, old_nodes *o)
{
    size_t n_modes, n_missing;
    o->trees = attr_ints(n, "nodes_treeids", &o->n);
    o->ids = ints_of(l, n, "nodes_nodeids", o->n);
    o->features = ints_of(l, n, "nodes_featureids", o->n);
    o->yes = ints_of(l, n, "nodes_truenodeids", o->n);
    o->no = ints_of(l, n, "nodes_falsenodeids", o->n);
    o->modes = attr_strings(n, "nodes_modes", &n_modes);
    o->missing = attr_ints(n, "nodes_missing_value_tracks_true", &n_missing);
    check_count(l, "nodes_modes", n_modes, o->n);
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
            l_fail(l, SIB_ERR_ARGUMENT, "node %lld of tree %lld is there twice", (long long)o->keys[i].id,
                   (long long)o->keys[i].tree);
}

static int64_t child_of(lowering *l, const old_nodes *o, size_t i, int64_t id)
{
    const node_key *k = find_key(o->keys, o->n, o->trees[i], id);
    if (k)
        return o->places[k->at];
    l_fail(l, SIB_ERR_ARGUMENT, "node %lld of tree %lld branches to node %lld, which is not there",
           (long long)o->ids[i], (long long)o->trees[i], (long long)id);
    return 0;
}

/* Roots: the first node of every tree. */
static void find_roots(lowering *l, const old_nodes *o, forest *f)
{
    /* keys are sorted by tree; the first in the file has the smallest place */
    for (size_t i = 0; i < o->n;) {
        int64_t first = o->keys[i].at, tree = o->keys[i].tree;
        for (; i < o->n && o->keys[i].tree == tree; i++)
            first = o->keys[i].at < first ? o->keys[i].at : first;
        f->roots[f->n_roots++] = o->places[first];
    }
    (void)l;
}

/* Fills f from the nodes; weights stay to be read. */
static void build_nodes(lowering *l, const node *n, old_nodes *o, forest *f)
{
    size_t n_splits;
    read_old_nodes(l, n, o);
    mval splits = doubles_of(l, n, "nodes_values", "nodes_values_as_tensor", &n_splits);
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
        bool leaf = f->modes[i] == MODE_LEAF; /* its row is not reached: any node and mode will do */
        f->features[i] = leaf ? 0 : o->features[i];
        f->missing[i] = o->missing ? o->missing[i] : 0;
        f->yes[i] = leaf ? o->places[i] : child_of(l, o, i, o->yes[i]);
        f->no[i] = leaf ? o->places[i] : child_of(l, o, i, o->no[i]);
        f->modes[i] = leaf ? 0 : f->modes[i];
    }
    find_roots(l, o, f);
}

/* What the leaves add to which target; names: the attributes of tree ids, node ids, targets, weights, and the last as
   a tensor. Returns whether no weight is negative. */
static bool build_leaves(lowering *l, const node *n, const old_nodes *o, forest *f,
                         const char *const names[5])
{
    size_t count, n_values;
    const int64_t *trees = attr_ints(n, names[0], &count), *ids = ints_of(l, n, names[1], count),
                  *targets = ints_of(l, n, names[2], count);
    mval values = doubles_of(l, n, names[3], names[4], &n_values);
    check_count(l, names[3], n_values, count);
    f->leaf_starts = ints_room(l, f->n_leaves + 1);
    f->leaf_targets = ints_room(l, count);
    int64_t *order = ints_room(l, count), *leaf = ints_room(l, count), *next = ints_room(l, f->n_leaves + 1);
    if (!l_ok(l))
        return false;
    for (size_t i = 0; i < count && l_ok(l); i++) {
        const node_key *k = find_key(o->keys, o->n, trees[i], ids[i]);
        if (!k || o->places[k->at] >= 0)
            l_fail(l, SIB_ERR_ARGUMENT, "%s names node %lld of tree %lld, which is no leaf", names[1],
                   (long long)ids[i], (long long)trees[i]);
        else if (targets[i] < 0 || (uint64_t)targets[i] >= f->targets)
            l_fail(l, SIB_ERR_ARGUMENT, "%s holds %lld, expected less than %zu", names[2],
                   (long long)targets[i], f->targets);
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

/* ---- Scores --------------------------------------------------------------------------------------------------- */

/* Sums as the caller sees them: float32, for inputs of float64 as they are; in float64 either way. */
static mval rounded(lowering *l, mval sums, sib_dtype input)
{
    return input == SIB_F64 ? sums : m_cast(l, m_cast(l, sums, SIB_F32), SIB_F64);
}

static int64_t aggregate_of(lowering *l, sib_str word)
{
    static const char *const words[] = {"AVERAGE", "SUM", "MIN", "MAX"};
    for (int64_t i = 0; i < 4; i++)
        if (str_is(word, words[i]))
            return i;
    l_fail(l, SIB_ERR_ARGUMENT, "aggregate_function is '%.*s', expected AVERAGE, SUM, MIN or MAX",
           (int)word.length, word.data);
    return 1;
}

/* Y = transform(aggregate of the leaves reached in every tree + base values). ONNX-ML TreeEnsembleRegressor-1, -3. */
void lower_ML_TreeEnsembleRegressor(lowering *l, const node *n)
{
    static const char *const names[] = {"target_treeids", "target_nodeids", "target_ids", "target_weights",
                                        "target_weights_as_tensor"};
    sib_dtype input = m_dtype(l, l_in(l, 0));
    mval x = ml_rows(l);
    old_nodes o = {0};
    size_t n_base;
    int64_t targets = attr_int(n, "n_targets", 1);
    if (l_ok(l) && (targets < 1 || targets > INT32_MAX))
        l_fail(l, SIB_ERR_ARGUMENT, "n_targets is %lld", (long long)targets);
    if (!l_ok(l))
        return;
    forest f = {.targets = (size_t)targets};
    dim dims[2] = {m_dim(l, x, 0), d_const(l, targets)};
    l_declare(l, 0, SIB_F32, 2, dims);
    build_nodes(l, n, &o, &f);
    if (l_ok(l))
        build_leaves(l, n, &o, &f, names);
    mval base = doubles_of(l, n, "base_values", "base_values_as_tensor", &n_base);
    if (n_base)
        check_count(l, "base_values", n_base, f.targets);
    mval y = emit_trees(l, &f, x, f.weights, aggregate_of(l, attr_string(n, "aggregate_function", "SUM")));
    y = rounded(l, n_base ? m_add(l, y, base) : y, input);
    l_out(l, 0, m_cast(l, ml_transform(l, y, attr_string(n, "post_transform", "NONE")), SIB_F32));
}

/* The label of the highest of scores [N, E], among those that a leaf added to. */
static mval best_reached(lowering *l, const forest *f, mval x, mval scores)
{
    dim count = d_const(l, (int64_t)f->n_weights);
    mval ones = m_expand(l, m_scalar(l, SIB_F64, 1), 1, &count), hits = emit_trees(l, f, x, ones, 1);
    mval none = m_equal(l, hits, m_scalar(l, SIB_F64, 0));
    scores = m_where(l, none, m_scalar(l, SIB_F64, -1.0 / 0.0), scores);
    return m_arg(l, MILLI_arg_max, scores, 1, false, DROP_DIMS);
}

/* Two labels, and weights of one class alone: s is the score of the second class, a probability where no weight is
   negative. For weights of class 0 both scores are made of it; for weights of class 1 the first one is 0. */
static void one_sided(lowering *l, const node *n, mval sums, mval labels, int64_t side, bool probability)
{
    sib_str transform = attr_string(n, "post_transform", "NONE");
    mval s = m_slice_numbers(l, sums, 1, side, 1), above = m_scalar(l, SIB_F64, probability ? 0.5 : 0);
    mval zero = m_mul_number(l, s, 0);
    l_out(l, 0, ml_binary_label(l, labels, 2, m_less(l, above, m_squeeze(l, s, 1))));
    mval z = side == 0 ? ml_two_classes(l, s, probability, transform)
                       : ml_transform(l, m_concat(l, 2, (mval[]){zero, s}, 1), transform);
    l_out(l, 1, m_cast(l, z, SIB_F32));
}

/* The one class that all weights are of, or -1. */
static int64_t only_class(const forest *f)
{
    for (size_t i = 1; i < f->n_weights; i++)
        if (f->leaf_targets[i] != f->leaf_targets[0])
            return -1;
    return f->n_weights ? f->leaf_targets[0] : -1;
}

/* Z = transform(sums of the leaves' class weights + base values), Y = the label of the highest sum; of one label, or of
   two with the weights of one, whether the sum is above 0, or 0.5 where no weight is negative.
   ONNX-ML TreeEnsembleClassifier-1, -3. */
void lower_ML_TreeEnsembleClassifier(lowering *l, const node *n)
{
    static const char *const names[] = {"class_treeids", "class_nodeids", "class_ids", "class_weights",
                                        "class_weights_as_tensor"};
    sib_dtype input = m_dtype(l, l_in(l, 0));
    mval x = ml_rows(l);
    old_nodes o = {0};
    forest f = {0};
    size_t n_base;
    bool positive = false;
    mval labels = ml_labels(l, n, "classlabels_strings", "classlabels_int64s", &f.targets);
    if (!l_ok(l))
        return;
    dim dims[2] = {m_dim(l, x, 0), d_const(l, (int64_t)f.targets)};
    l_declare(l, 0, m_dtype(l, labels), 1, dims);
    l_declare(l, 1, SIB_F32, 2, dims);
    build_nodes(l, n, &o, &f);
    if (l_ok(l))
        positive = build_leaves(l, n, &o, &f, names);
    mval base = doubles_of(l, n, "base_values", "base_values_as_tensor", &n_base),
         sums = emit_trees(l, &f, x, f.weights, 1);
    int64_t side = f.targets == 2 && n_base < 2 && l_ok(l) ? only_class(&f) : -1;
    if (n_base && !(side >= 0 && n_base == 1))
        check_count(l, "base_values", n_base, f.targets);
    if (n_base)
        sums = m_add(l, sums, base);
    sums = rounded(l, sums, input);
    if (side >= 0) {
        one_sided(l, n, sums, labels, side, positive);
        return;
    }
    mval z = ml_transform(l, sums, attr_string(n, "post_transform", "NONE"));
    l_out(l, 1, m_cast(l, z, SIB_F32));
    if (f.targets == 1) {
        mval above = m_less(l, m_scalar(l, SIB_F64, 0), m_squeeze(l, sums, 1));
        l_out(l, 0, ml_binary_label(l, labels, 1, above));
        return;
    }
    mval best = n_base ? m_arg(l, MILLI_arg_max, sums, 1, false, DROP_DIMS) : best_reached(l, &f, x, sums);
    l_out(l, 0, m_gather(l, labels, best, 0));
}

/* ---- Version 5: nodes and leaves apart ------------------------------------------------------------------------- */

/* A tensor attribute as float64 [count]. */
static mval tensor_doubles(lowering *l, const node *n, const char *name, size_t *count)
{
    return doubles_of(l, n, "", name, count);
}

/* The sets of values of the BRANCH_MEMBER nodes, which NaN parts: values without these, and where each node's begin. */
static void build_members(lowering *l, const node *n, forest *f)
{
    size_t count, set = 0, kept = 0;
    mval all = tensor_doubles(l, n, "membership_values", &count);
    const sib_tensor *t = count ? m_content(l, all) : NULL;
    const double *values = t ? (const double *)t->data : NULL;
    int64_t *picked = ints_room(l, count);
    f->member_starts = ints_room(l, f->n_nodes + 1);
    if (!l_ok(l))
        return;
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
        at++; /* the NaN behind a set */
        set++;
    }
    f->member_starts[f->n_nodes] = (int64_t)kept;
    f->members = kept ? m_gather(l, all, m_int64s(l, kept, picked), 0) : ml_doubles(l, 0, NULL);
}

/* Nodes and leaves as the attributes give them. Indices are checked by the milli-op. */
static void build_new(lowering *l, const node *n, forest *f)
{
    size_t n_splits, n_weights, n_missing;
    const int64_t *features = attr_ints(n, "nodes_featureids", &f->n_nodes),
                  *yes = ints_of(l, n, "nodes_truenodeids", f->n_nodes),
                  *no = ints_of(l, n, "nodes_falsenodeids", f->n_nodes),
                  *yes_leaf = ints_of(l, n, "nodes_trueleafs", f->n_nodes),
                  *no_leaf = ints_of(l, n, "nodes_falseleafs", f->n_nodes),
                  *missing = attr_ints(n, "nodes_missing_value_tracks_true", &n_missing),
                  *roots = attr_ints(n, "tree_roots", &f->n_roots),
                  *targets = attr_ints(n, "leaf_targetids", &f->n_leaves);
    if (n_missing)
        check_count(l, "nodes_missing_value_tracks_true", n_missing, f->n_nodes);
    f->splits = tensor_doubles(l, n, "nodes_splits", &n_splits);
    check_count(l, "nodes_splits", n_splits, f->n_nodes);
    f->weights = tensor_doubles(l, n, "leaf_weights", &n_weights);
    check_count(l, "leaf_weights", n_weights, f->n_leaves);
    f->n_weights = f->n_leaves;
    const sib_tensor *modes = attr_tensor(n, "nodes_modes");
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
    if (roots)
        memcpy(f->roots, roots, f->n_roots * sizeof *roots);
    for (size_t i = 0; i < f->n_leaves; i++) {
        f->leaf_starts[i + 1] = (int64_t)i + 1;
        f->leaf_targets[i] = targets[i];
        if (targets[i] >= 0 && (uint64_t)targets[i] >= f->targets && !node_attribute(n, "n_targets"))
            f->targets = (size_t)targets[i] + 1;
    }
    build_members(l, n, f);
}

/* Y = transform(aggregate of the leaves reached in every tree). ONNX-ML TreeEnsemble-5. */
void lower_ML_TreeEnsemble(lowering *l, const node *n)
{
    static const char *const transforms[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"};
    sib_dtype input = m_dtype(l, l_in(l, 0));
    mval x = ml_rows(l);
    int64_t aggregate = attr_int(n, "aggregate_function", 1), transform = attr_int(n, "post_transform", 0),
            targets = attr_int(n, "n_targets", 1);
    if (l_ok(l) && (aggregate < 0 || aggregate > 3 || transform < 0 || transform > 4 || targets < 1 ||
                    targets > INT32_MAX))
        l_fail(l, SIB_ERR_ARGUMENT, "aggregate_function %lld, post_transform %lld or n_targets %lld is none",
               (long long)aggregate, (long long)transform, (long long)targets);
    if (!l_ok(l))
        return;
    forest f = {.targets = (size_t)targets};
    build_new(l, n, &f);
    mval y = emit_trees(l, &f, x, f.weights, aggregate);
    if (!l_ok(l))
        return;
    l_out(l, 0, m_cast(l, ml_transform(l, y, str_of(transforms[transform])), input));
}
