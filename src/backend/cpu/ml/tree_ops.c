/* TreeEnsembleClassifier and TreeEnsembleRegressor, for nodes numbered as every exporter does: tree by tree,
   from 0 on, each before its children. Sums are in double from the first tree to the last, as in the
   definition. */
#include "backend/cpu/call/rows.h"
#include "backend/cpu/call/scratch.h"
#include "backend/cpu/ml/trees.h"
#include "base/cancel.h"

#include <math.h>

/* ---- Attributes ------------------------------------------------------------------------------------ */

typedef struct tree_attributes {
    bool classifies;
    size_t n, n_weights, n_targets, n_base, rows, features;
    const int64_t *trees, *ids, *node_features, *yes, *no, *missing; /* (n), missing may be NULL */
    const sib_str *modes;                                            /* (n) */
    const float *splits;                                             /* (n) */
    const int64_t *leaf_trees, *leaf_ids, *leaf_targets;             /* (n_weights) */
    const float *weights, *base;                                     /* (n_weights), (n_base) */
    const int64_t *labels;                                           /* (n_targets), for a classifier */
    int64_t aggregate;
    post_transform transform;
} tree_attributes;

static const char *const mode_names[] = {"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "LEAF"};
enum { MODE_LEAF = 4, MODES };

static int mode_of(sib_str word)
{
    int mode = 0;
    while (mode < MODES && !str_is(word, mode_names[mode]))
        mode++;
    return mode;
}

/* Reads the lists. Returns false where one is too short, as when a tensor replaces it. */
static bool read_attributes(const node_view *v, tree_attributes *a)
{
    tree_nodes_spec spec = spec_tree_nodes(v->node);
    bool c = a->classifies = str_is(v->node->type, "TreeEnsembleClassifier");
    size_t n_missing = spec.nodes_missing_value_tracks_true.n;
    size_t counts[] = {spec.nodes_nodeids.n,      spec.nodes_featureids.n, spec.nodes_truenodeids.n,
                       spec.nodes_falsenodeids.n, spec.nodes_modes.n,      spec.nodes_values.n};
    size_t weights[] = {spec.target_nodeids.n, spec.target_ids.n, spec.target_weights.n};
    a->n = spec.nodes_treeids.n;
    a->n_weights = spec.target_treeids.n;
    a->n_base = spec.base_values.n;
    a->trees = spec.nodes_treeids.v;
    a->ids = spec.nodes_nodeids.v;
    a->node_features = spec.nodes_featureids.v;
    a->yes = spec.nodes_truenodeids.v;
    a->no = spec.nodes_falsenodeids.v;
    a->missing = n_missing ? spec.nodes_missing_value_tracks_true.v : NULL;
    a->modes = spec.nodes_modes.v;
    a->splits = spec.nodes_values.v;
    a->leaf_trees = spec.target_treeids.v;
    a->leaf_ids = spec.target_nodeids.v;
    a->leaf_targets = spec.target_ids.v;
    a->weights = spec.target_weights.v;
    a->base = spec.base_values.v;
    a->labels = spec.classlabels_int64s.v;
    if (spec.base_values_as_tensor || !a->n || (n_missing && n_missing != a->n) || spec.classlabels_strings.n)
        return false;
    for (size_t i = 0; i < 6; i++)
        if (counts[i] != a->n)
            return false;
    for (size_t i = 0; i < 3; i++)
        if (weights[i] != a->n_weights)
            return false;
    a->n_targets = c ? spec.classlabels_int64s.n : (size_t)spec.n_targets;
    a->aggregate = c ? TREE_SUM : spec.aggregate_function;
    a->transform = spec.post_transform;
    return a->transform <= TRANSFORM_LOGISTIC && a->n_targets > (c ? 1 : 0);
}

/* True where nodes are in order, children after parents, and comparisons <, <=, > or >=. The lowering,
   which comes before any claim, has checked that the nodes named exist. */
static bool nodes_fit(const tree_attributes *a)
{
    for (size_t i = 0, start = 0; i < a->n; i++) {
        if (i && a->trees[i] != a->trees[i - 1])
            start = i;
        int mode = mode_of(a->modes[i]);
        size_t id = i - start;
        if (a->ids[i] != (int64_t)id || (i && a->trees[i] < a->trees[i - 1]) || mode == MODES)
            return false;
        if (mode != MODE_LEAF &&
            (a->yes[i] <= a->ids[i] || a->no[i] <= a->ids[i] || (uint64_t)a->node_features[i] >= a->features))
            return false;
    }
    return a->n < INT32_MAX / 2 && a->n_weights < INT32_MAX;
}

static bool ensemble_read(const node_view *n, tree_attributes *a)
{
    size_t rank, out_rank;
    int64_t dims[SIB_MAX_RANK], out_dims[SIB_MAX_RANK];
    *a = (tree_attributes){0};
    if (n->n_in != 1 || cpu_dtype(n->in[0]) != SIB_F32 || !cpu_dims(n, n->in[0], &rank, dims) || rank < 1 ||
        rank > 2 || !read_attributes(n, a))
        return false;
    const value *scores = n->n_out > a->classifies ? n->out[a->classifies] : NULL;
    if (scores && (cpu_dtype(scores) != SIB_F32 || !cpu_dims(n, scores, &out_rank, out_dims) ||
                   out_rank != 2 || (uint64_t)out_dims[1] != a->n_targets))
        return false;
    a->rows = rank == 2 ? (size_t)dims[0] : 1;
    a->features = (size_t)dims[rank - 1];
    return nodes_fit(a);
}

static bool ensemble_claims(const cpu_self *self, const node_view *n)
{
    tree_attributes a;
    (void)self;
    return ensemble_read(n, &a);
}

/* ---- Making the forest --------------------------------------------------------------------------------- */

typedef struct ensemble_state {
    trees_made *made;
    size_t rows, features, n_targets, n_base;
    bool classifies;
    post_transform transform;
    int side;              /* the only one of two classes that has weights; -1: both have */
    double threshold;      /* for the score of that class */
    const float *base;     /* (n_base), the node's */
    const int64_t *labels; /* (n_targets), the node's */
} ensemble_state;

/* Index of the first node of an existing tree. */
static size_t tree_start(const tree_attributes *a, int64_t tree)
{
    size_t low = 0, high = a->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (a->trees[middle] < tree)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Builds the milli-op's lists in `room`: (9 n + 3 n_weights + 8) int64, then (n + n_weights) doubles. */
static void fill_lists(const tree_attributes *a, int64_t *room, trees_lists *l)
{
    size_t n = a->n, w = a->n_weights;
    int64_t *roots = room, *modes = roots + n, *missing = modes + n, *yes = missing + n, *no = yes + n,
            *places = no + n, *features = places + n, *starts = features + n, *next = starts + n + 1,
            *targets = next + n + 1;
    double *splits = (double *)(void *)(targets + w), *weights = splits + n;
    *l = (trees_lists){.n_nodes = n, .n_weights = w, .n_targets = a->n_targets, .aggregate = a->aggregate};
    for (size_t i = 0; i < n; i++) {
        modes[i] = mode_of(a->modes[i]);
        places[i] = modes[i] == MODE_LEAF ? -1 - (int64_t)l->n_leaves++ : (int64_t)i;
    }
    for (size_t i = 0, start = 0; i < n; i++) {
        bool leaf = modes[i] == MODE_LEAF;
        if (!i || a->trees[i] != a->trees[i - 1])
            roots[l->n_roots++] = places[start = i];
        missing[i] = a->missing ? a->missing[i] : 0;
        yes[i] = places[leaf ? i : start + (size_t)a->yes[i]];
        no[i] = places[leaf ? i : start + (size_t)a->no[i]];
        modes[i] = leaf ? 0 : modes[i];
        features[i] = leaf ? 0 : a->node_features[i];
        splits[i] = (double)a->splits[i];
    }
    for (size_t i = 0; i <= l->n_leaves; i++)
        starts[i] = 0;
    for (int pass = 0; pass < 2; pass++) { /* count the weights per leaf, then place them */
        for (size_t i = 0; i < w; i++) {
            size_t leaf = (size_t)(-1 - places[tree_start(a, a->leaf_trees[i]) + (size_t)a->leaf_ids[i]]);
            int64_t at = pass ? next[leaf]++ : starts[leaf + 1]++;
            if (pass) {
                targets[at] = a->leaf_targets[i];
                weights[at] = (double)a->weights[i];
            }
        }
        for (size_t i = 0; i < l->n_leaves && !pass; i++)
            next[i] = starts[i], starts[i + 1] += starts[i];
    }
    l->roots = roots;
    l->features = features;
    l->modes = modes;
    l->missing = missing;
    l->yes = yes;
    l->no = no;
    l->leaf_starts = starts;
    l->targets = targets;
    l->splits = splits;
    l->weights = weights;
}

/* The only class that has weights, or -1; *positive: no weight is negative. */
static int only_class(const tree_attributes *a, bool *positive)
{
    *positive = true;
    for (size_t i = 0; i < a->n_weights; i++) {
        if (a->leaf_targets[i] != a->leaf_targets[0])
            return -1;
        *positive &= !(a->weights[i] < 0);
    }
    return a->n_weights ? (int)a->leaf_targets[0] : -1;
}

static sib_code ensemble_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    tree_attributes a;
    trees_lists lists;
    bool positive = true;
    (void)self;
    ensemble_read(n, &a);
    size_t numbers = 10 * a.n + 2 * a.n_weights + 8;
    ensemble_state *s = mem_calloc(1, sizeof *s);
    int64_t *room = mem_alloc(numbers, sizeof *room);
    sib_code code = s && room ? SIB_OK : err_memory(err, numbers * sizeof *room, "trees");
    if (code == SIB_OK) {
        *s = (ensemble_state){NULL,         a.rows,      a.features, a.n_targets,    a.n_base,
                              a.classifies, a.transform, .side = -1, .base = a.base, .labels = a.labels};
        if (a.classifies && a.n_targets == 2 && a.n_base < 2)
            s->side = only_class(&a, &positive);
        s->threshold = positive ? 0.5 : 0;
        fill_lists(&a, room, &lists);
        code = trees_make(&lists, &s->made, err);
    }
    mem_free(room);
    if (code != SIB_OK) {
        mem_free(s);
        s = NULL;
    }
    *state = s;
    return code;
}

static void ensemble_release(void *state)
{
    ensemble_state *s = state;
    mem_free(s->made);
    mem_free(s);
}

/* ---- Scores -------------------------------------------------------------------------------------------- */

static void transform_scores(post_transform transform, double *z, size_t n)
{
    double top = -INFINITY, sum = 0;
    if (transform == TRANSFORM_LOGISTIC)
        for (size_t i = 0; i < n; i++)
            z[i] = 1 / (1 + exp(-z[i]));
    if (transform != TRANSFORM_SOFTMAX)
        return;
    for (size_t i = 0; i < n; i++)
        top = z[i] > top ? z[i] : top;
    for (size_t i = 0; i < n; i++)
        sum += z[i] = exp(z[i] - top);
    for (size_t i = 0; i < n; i++)
        z[i] /= sum;
}

/* Index of the highest score; without base values only among those that a leaf added to. */
static size_t best_of(const ensemble_state *s, const double *sums, const bool *reached)
{
    size_t best = 0;
    double max = s->n_base || reached[0] ? sums[0] : -INFINITY;
    for (size_t i = 1; i < s->n_targets; i++) {
        double v = s->n_base || reached[i] ? sums[i] : -INFINITY;
        if (v > max || (v != v && max == max)) {
            max = v;
            best = i;
        }
    }
    return best;
}

/* Scores of two classes from that of the class that has weights; returns the index of the label. */
static size_t two_of_one(const ensemble_state *s, double *sums)
{
    double score = sums[s->side];
    bool logistic = s->transform == TRANSFORM_LOGISTIC;
    sums[0] = s->side ? score * 0 : s->threshold > 0 && !logistic ? 1 - score : -score;
    sums[1] = score;
    if (s->side || logistic)
        transform_scores(s->transform, sums, 2);
    return score > s->threshold;
}

/* Evaluates one row. x, wide: (features); sums, reached: (n_targets); scores, label: may be NULL. */
static void ensemble_row(const ensemble_state *s, const float *x, double *wide, double *sums, bool *reached,
                         float *scores, int64_t *label)
{
    size_t best;
    for (size_t i = 0; i < s->features; i++)
        wide[i] = (double)x[i];
    trees_walk(&s->made->forest, wide, sums, reached);
    for (size_t i = 0; i < s->n_targets; i++) {
        double base = s->n_base ? (double)s->base[s->n_base == 1 ? 0 : i] : 0;
        sums[i] = (double)(float)(sums[i] + base);
    }
    if (s->side >= 0) {
        best = two_of_one(s, sums);
    } else {
        best = s->classifies ? best_of(s, sums, reached) : 0;
        transform_scores(s->transform, sums, s->n_targets);
    }
    if (label)
        *label = s->labels[best];
    for (size_t i = 0; scores && i < s->n_targets; i++)
        scores[i] = (float)sums[i];
}

#define ROOM_HERE 256 /* max numbers of a row on the stack */

static sib_code ensemble_run(const cpu_call *c)
{
    const ensemble_state *s = c->state;
    const float *x = cpu_floats_in(c, 0);
    float *scores = cpu_floats_out(c, s->classifies);
    sib_tensor *named = s->classifies ? cpu_out(c, 0) : NULL;
    int64_t *labels = named ? (int64_t *)(void *)named->data : NULL;
    double here[ROOM_HERE], *room = here, *made = NULL;
    size_t numbers = s->features + 2 * s->n_targets; /* a flag takes less room than a number */
    if (numbers > ROOM_HERE && !(room = made = cpu_scratch_take(c, numbers * sizeof *room)))
        return cpu_no_memory(c, numbers * sizeof *room);
    double *sums = room + s->features;
    bool *reached = (bool *)(void *)(sums + s->n_targets);
    for (size_t r = 0; r < s->rows && !cancel_is_set(c->cancel); r++)
        ensemble_row(s, x + r * s->features, room, sums, reached, scores ? scores + r * s->n_targets : NULL,
                     labels ? labels + r : NULL);
    cpu_scratch_give(c, made);
    return cancel_is_set(c->cancel) ? cpu_fail(c, SIB_ERR_CANCELLED, "the run was cancelled") : SIB_OK;
}

const cpu_kernel cpu_tree_ensemble = {
    .claims = ensemble_claims,
    .prepare = ensemble_prepare,
    .release = ensemble_release,
    .run = ensemble_run,
};
