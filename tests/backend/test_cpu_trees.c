/* Random forests on cpu against ref: every comparison, missing values, classifiers with one-sided and
   two-sided weights, regressors with every aggregate. Labels depend on whether sums are equal, so the sums
   must be exact. */
#include "claim.h"

#define NODES   400
#define TREES   12
#define CLASSES 4

static check_random dice = {77};

static int64_t pick(int64_t least, int64_t max)
{
    return least + (int64_t)(check_u64(&dice) % (uint64_t)(max - least + 1));
}

typedef struct forest {
    size_t n, n_weights;
    int64_t trees[NODES], ids[NODES], features[NODES], yes[NODES], no[NODES], missing[NODES];
    sib_str modes[NODES];
    float splits[NODES];
    int64_t leaf_trees[NODES * CLASSES], leaf_ids[NODES * CLASSES], targets[NODES * CLASSES];
    float weights[NODES * CLASSES];
} forest;

/* Grows a tree of up to `room` nodes, depth first; returns the number of nodes. side: the one target, or
   -1. */
static size_t grow(forest *f, int64_t tree, size_t start, size_t room, int64_t classes, int64_t side,
                   bool signs)
{
    static const char *const words[] = {"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT"};
    size_t open[NODES], n_open = 0, n = 1;
    open[n_open++] = 0;
    while (n_open) {
        size_t id = open[--n_open], at = start + id;
        f->trees[at] = tree;
        f->ids[at] = (int64_t)id;
        f->features[at] = pick(0, 4);
        f->missing[at] = pick(0, 1);
        f->splits[at] = (float)pick(-3, 3) * 0.5f;
        f->yes[at] = f->no[at] = 0;
        if (n + 2 <= room && (id == 0 || pick(0, 3))) {
            f->modes[at] = str_of(words[pick(0, 3)]);
            f->yes[at] = (int64_t)n;
            f->no[at] = (int64_t)n + 1;
            open[n_open++] = n++;
            open[n_open++] = n++;
            continue;
        }
        f->modes[at] = str_of("LEAF");
        for (int64_t c = 0; c < classes; c++) {
            if (side >= 0 ? c != side : !pick(0, 2))
                continue;
            size_t w = f->n_weights++;
            f->leaf_trees[w] = tree;
            f->leaf_ids[w] = (int64_t)id;
            f->targets[w] = c;
            f->weights[w] = (float)(signs ? pick(-8, 8) : pick(0, 8)) * 0.125f;
        }
    }
    return n;
}

static attribute ints(const char *name, size_t n, const int64_t *values)
{
    return (attribute){.name = str_of(name), .kind = ATTR_INTS, .n = n, .ints = values};
}

static attribute floats(const char *name, size_t n, const float *values)
{
    return (attribute){.name = str_of(name), .kind = ATTR_FLOATS, .n = n, .floats = values};
}

static void check_forest(bool classifies, int64_t classes, int64_t side, int round)
{
    static const char *const transforms[] = {"NONE", "SOFTMAX", "LOGISTIC"};
    static const char *const aggregates[] = {"SUM", "AVERAGE", "MIN", "MAX"};
    static const int64_t labels[CLASSES] = {11, -3, 70, 5};
    static const float base[CLASSES] = {0.25f, -0.5f, 0.125f, 0};
    static forest f;
    double x[45];
    f.n = f.n_weights = 0;
    for (int64_t t = 0, trees = pick(1, TREES); t < trees; t++)
        f.n += grow(&f, 3 * t, f.n, (size_t)pick(1, 25), classes, side, round % 2);
    for (int i = 0; i < 45; i++)
        x[i] = pick(0, 7) ? (double)pick(-3, 3) * 0.5 : pick(0, 1) ? NAN : -INFINITY;
    claim_case w = {.domain = "ai.onnx.ml",
                    .type = classifies ? "TreeEnsembleClassifier" : "TreeEnsembleRegressor",
                    .version = 1,
                    .n_in = 1,
                    .n_out = classifies ? 2 : 1,
                    .abs = 1e-7,
                    .rel = 1e-6,
                    .left_to_lower = !f.n_weights};
    w.in[0] = (claim_input){.dtype = SIB_F32, .rank = 2, .dims = {9, 5}, .values = x};
    attribute all[] = {ints("nodes_treeids", f.n, f.trees),
                       ints("nodes_nodeids", f.n, f.ids),
                       ints("nodes_featureids", f.n, f.features),
                       ints("nodes_truenodeids", f.n, f.yes),
                       ints("nodes_falsenodeids", f.n, f.no),
                       ints("nodes_missing_value_tracks_true", f.n, f.missing),
                       {.name = str_of("nodes_modes"), .kind = ATTR_STRINGS, .n = f.n, .strings = f.modes},
                       floats("nodes_values", f.n, f.splits),
                       ints(classifies ? "class_treeids" : "target_treeids", f.n_weights, f.leaf_trees),
                       ints(classifies ? "class_nodeids" : "target_nodeids", f.n_weights, f.leaf_ids),
                       ints(classifies ? "class_ids" : "target_ids", f.n_weights, f.targets),
                       floats(classifies ? "class_weights" : "target_weights", f.n_weights, f.weights),
                       claim_text("post_transform", transforms[pick(0, 2)]),
                       classifies ? ints("classlabels_int64s", (size_t)classes, labels)
                                  : claim_int("n_targets", classes),
                       claim_text("aggregate_function", aggregates[pick(0, 3)]),
                       floats("base_values", (size_t)(side >= 0 ? 1 : classes), base)};
    w.n_attributes = round % 3 ? 15 : 16;
    memcpy(w.attributes, all, w.n_attributes * sizeof *all);
    if (f.n_weights)
        claim_check(&w, w.type);
}

TEST(test_classifiers)
{
    for (int round = 0; round < 60; round++) {
        check_forest(true, pick(3, CLASSES), -1, round);
        check_forest(true, 2, -1, round);
        check_forest(true, 2, round % 4 / 2, round);
    }
}

TEST(test_regressors)
{
    for (int round = 0; round < 60; round++)
        check_forest(false, pick(2, CLASSES), -1, round);
}
