/* ai.onnx.ml: linear models and support vector machines. Computed in float64; scores are rounded to float32
   before classes are chosen by them, as the caller sees them rounded. */
#include "milli/build_values.h"
#include "ops/ml/ml.h"

/* Scores rounded to float32, as the caller sees them; back in float64. */
static mval rounded(lowering *l, mval scores)
{
    return m_cast(l, m_cast(l, scores, SIB_F32), SIB_F64);
}

/* x [N, F] times the transpose of a list of floats that holds rows [E, F]: [N, E]. */
static mval times_rows(lowering *l, mval x, spec_floats list, size_t rows, const char *name)
{
    if (l_ok(l) && (!rows || !list.n || list.n % rows))
        return l_fail(l, SIB_ERR_ARGUMENT, "%s has %zu values, expected rows of features for %zu outputs",
                      name, list.n, rows);
    if (!l_ok(l))
        return MVAL_NONE;
    int64_t dims[2] = {(int64_t)rows, (int64_t)(list.n / rows)};
    return m_matmul(l, x, m_swap(l, m_reshape_numbers(l, ml_doubles(l, list.n, list.v), 2, dims), 0, 1));
}

static mval choose(lowering *l, mval labels, mval index)
{
    return m_gather(l, labels, index, 0);
}

static mval positive(lowering *l, mval column)
{
    return m_less(l, m_scalar_like(l, column, 0), m_squeeze(l, column, 1));
}

/* ---- Linear -------------------------------------------------------------------------------------------- */

/* Z = transform(X C^T + b), Y = the label of the highest score; with a single score, whether it is above 0.
   ONNX-ML LinearClassifier-1. */
void lower_ML_LinearClassifier(lowering *l, const node *n)
{
    mval x = ml_rows(l);
    linear_spec spec = spec_linear(n);
    spec_floats add = spec.intercepts;
    size_t n_labels;
    mval labels = ml_labels(l, spec.classlabels_strings, spec.classlabels_ints, "classlabels", &n_labels);
    if (!l_ok(l))
        return;
    dim dims[2] = {m_dim(l, x, 0), d_const(l, (int64_t)n_labels)};
    l_declare(l, 0, m_dtype(l, labels), 1, dims);
    l_declare(l, 1, SIB_F32, 2, dims);
    size_t classes = add.n;
    if (!classes) { /* without intercepts the number of classes follows from that of features */
        int64_t features = m_size(l, x, 1);
        classes = l_ok(l) && features > 0 ? spec.coefficients.n / (size_t)features : n_labels;
    }
    mval scores = times_rows(l, x, spec.coefficients, classes, "coefficients");
    if (add.n)
        scores = m_add(l, scores, ml_doubles(l, add.n, add.v));
    scores = rounded(l, scores);
    if (classes == 1) {
        l_out(l, 0, ml_binary_label(l, labels, n_labels, positive(l, scores)));
        l_out(l, 1,
              m_cast(l,
                     n_labels == 2 ? ml_two_classes(l, scores, true, spec.post_transform)
                                   : ml_transform(l, scores, spec.post_transform),
                     SIB_F32));
        return;
    }
    if (l_ok(l) && classes != n_labels)
        l_fail(l, SIB_ERR_ARGUMENT, "there are %zu scores for %zu labels", classes, n_labels);
    l_out(l, 0, choose(l, labels, m_arg(l, MILLI_arg_max, scores, 1, false, DROP_DIMS)));
    l_out(l, 1, m_cast(l, ml_transform(l, scores, spec.post_transform), SIB_F32));
}

/* Y = transform(X C^T + b). ONNX-ML LinearRegressor-1. */
void lower_ML_LinearRegressor(lowering *l, const node *n)
{
    mval x = ml_rows(l);
    linear_spec spec = spec_linear(n);
    spec_floats add = spec.intercepts;
    if (l_ok(l) && add.n && add.n != (size_t)spec.targets)
        l_fail(l, SIB_ERR_ARGUMENT, "targets is %lld and intercepts has %zu values", (long long)spec.targets,
               add.n);
    mval y = times_rows(l, x, spec.coefficients, (size_t)spec.targets, "coefficients");
    if (add.n)
        y = m_add(l, y, ml_doubles(l, add.n, add.v));
    y = ml_transform(l, y, spec.post_transform);
    l_out(l, 0, m_cast(l, y, SIB_F32));
}

/* ---- Kernels ------------------------------------------------------------------------------------------- */

/* K(x, v) for rows x [N, F] and the support vectors v [V, F]: [N, V]. LINEAR x.v, POLY (gamma x.v +
   coef0)^degree, RBF e^(-gamma |x - v|^2), SIGMOID tanh(gamma x.v + coef0). */
static mval kernel_of(lowering *l, const linear_spec *spec, mval x, size_t vectors)
{
    spec_floats values = spec->support_vectors, params = spec->kernel_params;
    double gamma = params.n > 0 ? params.v[0] : 0, coef0 = params.n > 1 ? params.v[1] : 0,
           degree = params.n > 2 ? params.v[2] : 0;
    if (spec->kernel_type == SVM_RBF) {
        if (l_ok(l) && (!values.n || values.n % vectors))
            return l_fail(l, SIB_ERR_ARGUMENT, "support_vectors has %zu values for %zu vectors", values.n,
                          vectors);
        if (!l_ok(l))
            return MVAL_NONE;
        int64_t dims[2] = {(int64_t)vectors, (int64_t)(values.n / vectors)};
        mval v = m_reshape_numbers(l, ml_doubles(l, values.n, values.v), 2, dims);
        mval d = m_sub(l, m_unsqueeze(l, x, 1), v); /* [N, V, F] */
        mval square = m_reduce_axis(l, MILLI_reduce_sum, m_square(l, d), 2, DROP_DIMS);
        return m_exp(l, m_mul_number(l, square, -gamma));
    }
    mval dot = times_rows(l, x, values, vectors, "support_vectors");
    if (spec->kernel_type == SVM_LINEAR)
        return dot;
    dot = m_add_number(l, m_mul_number(l, dot, gamma), coef0);
    if (spec->kernel_type == SVM_POLY)
        return m_pow(l, dot, m_scalar_like(l, dot, degree));
    return m_tanh(l, dot);
}

/* ---- Regressor ----------------------------------------------------------------------------------------- */

/* Y = transform(sum over v of c_v K(x, v) + rho), or transform(c.x + rho) without support vectors; with
   one_class 1 where that is above 0, else -1. ONNX-ML SVMRegressor-1. */
void lower_ML_SVMRegressor(lowering *l, const node *n)
{
    mval x = ml_rows(l), y;
    linear_spec spec = spec_linear(n);
    int64_t vectors = spec.n_supports;
    size_t n_coef = spec.coefficients.n, n_rho = spec.rho.n;
    if (l_ok(l) && ((vectors > 0 && n_coef != (size_t)vectors) || n_rho != 1))
        l_fail(l, SIB_ERR_ARGUMENT,
               "%lld support vectors have %zu coefficients and %zu rho, expected one each",
               (long long)vectors, n_coef, n_rho);
    if (!l_ok(l))
        return;
    y = vectors ? kernel_of(l, &spec, x, (size_t)vectors) : x;
    y = m_add_number(l, times_rows(l, y, spec.coefficients, 1, "coefficients"), spec.rho.v[0]);
    if (spec.one_class) {
        mval above = m_less(l, m_scalar_like(l, y, 0), rounded(l, y));
        y = m_where(l, above, m_scalar_like(l, y, 1), m_scalar_like(l, y, -1));
    } else
        y = ml_transform(l, y, spec.post_transform);
    l_out(l, 0, m_cast(l, y, SIB_F32));
}

/* ---- Classifier ---------------------------------------------------------------------------------------- */

typedef struct svm {
    size_t classes, vectors, pairs;
    const int64_t *per_class; /* (classes) support vectors of each */
    spec_floats coef, rho;    /* (classes - 1, vectors), (pairs) */
} svm;

static void check_svm(lowering *l, const linear_spec *spec, svm *s)
{
    size_t n_a = spec->prob_a.n, n_b = spec->prob_b.n, n_per_class = spec->vectors_per_class.n;
    s->pairs = s->classes * (s->classes - 1) / 2;
    if (s->classes < 2 || n_per_class != s->classes)
        l_fail(l, SIB_ERR_ARGUMENT,
               "%zu labels and %zu counts in vectors_per_class, expected as many, at least 2", s->classes,
               n_per_class);
    for (size_t i = 0; i < n_per_class && l_ok(l); i++)
        s->vectors += (size_t)s->per_class[i];
    if (l_ok(l) && (!s->vectors || s->coef.n != (s->classes - 1) * s->vectors || s->rho.n < s->pairs))
        l_fail(l, SIB_ERR_ARGUMENT,
               "%zu coefficients and %zu rho for %zu vectors of %zu classes, expected %zu and %zu", s->coef.n,
               s->rho.n, s->vectors, s->classes, (s->classes - 1) * s->vectors, s->pairs);
    if (l_ok(l) && (n_a != n_b || (n_a && n_a < s->pairs)))
        l_fail(l, SIB_ERR_ARGUMENT, "prob_a has %zu values and prob_b %zu, expected %zu each", n_a, n_b,
               s->pairs);
}

/* Decisions between classes i < j as columns [N, pairs]: above 0 means i. Row j - 1 of the coefficients has
   those of class i's vectors against class j, row i those of class j's vectors against class i. */
static mval decisions(lowering *l, const svm *s, mval kernels)
{
    size_t start_i = 0, pair = 0;
    mval columns = MVAL_NONE;
    for (size_t i = 0; i + 1 < s->classes && l_ok(l); start_i += (size_t)s->per_class[i++]) {
        size_t start_j = start_i + (size_t)s->per_class[i];
        for (size_t j = i + 1; j < s->classes && l_ok(l); start_j += (size_t)s->per_class[j++], pair++) {
            size_t n_i = (size_t)s->per_class[i], n_j = (size_t)s->per_class[j];
            mval a = ml_doubles(l, n_i, s->coef.v + (j - 1) * s->vectors + start_i),
                 b = ml_doubles(l, n_j, s->coef.v + i * s->vectors + start_j);
            mval of_i = m_slice_numbers(l, kernels, 1, (int64_t)start_i, (int64_t)n_i),
                 of_j = m_slice_numbers(l, kernels, 1, (int64_t)start_j, (int64_t)n_j);
            mval sum = m_add(l, m_reduce_axis(l, MILLI_reduce_sum, m_mul(l, of_i, a), 1, KEEP_DIMS),
                             m_reduce_axis(l, MILLI_reduce_sum, m_mul(l, of_j, b), 1, KEEP_DIMS));
            sum = m_add_number(l, sum, s->rho.v[pair]);
            columns = pair ? m_concat(l, 2, (mval[]){columns, sum}, 1) : sum;
        }
    }
    return columns;
}

/* The class that wins the most decisions, on ties the first: int64 [N]. */
static mval most_votes(lowering *l, const svm *s, mval scores)
{
    mval wins = m_less(l, m_scalar_like(l, scores, 0), scores), votes = MVAL_NONE;
    for (size_t c = 0; c < s->classes && l_ok(l); c++) {
        mval sum = MVAL_NONE;
        for (size_t i = 0, pair = 0; i + 1 < s->classes; i++)
            for (size_t j = i + 1; j < s->classes && l_ok(l); j++, pair++) {
                if (i != c && j != c)
                    continue;
                mval won = m_slice_numbers(l, wins, 1, (int64_t)pair, 1);
                won = m_cast(l, i == c ? won : m_not(l, won), SIB_I64);
                sum = sum.id == NO_VALUE ? won : m_add(l, sum, won);
            }
        votes = c ? m_concat(l, 2, (mval[]){votes, sum}, 1) : sum;
    }
    return m_arg(l, MILLI_arg_max, votes, 1, false, DROP_DIMS);
}

/* Probabilities of the classes [N, classes] from their decisions: pairwise 1 - sigma(s A + B) (Platt),
   then coupled (Wu, Lin & Weng 2004), as LIBSVM does. */
static mval probabilities(lowering *l, const linear_spec *spec, const svm *s, mval scores)
{
    size_t k = s->classes;
    mval a = ml_doubles(l, s->pairs, spec->prob_a.v), b = ml_doubles(l, s->pairs, spec->prob_b.v);
    mval p = m_add(l, m_mul(l, scores, a), b);
    p = m_sigmoid(l, m_neg(l, p));
    p = m_clamp(l, p, m_scalar_like(l, p, 1e-7), m_scalar_like(l, p, 1 - 1e-7));
    mval half = m_mul_number(l, m_slice_numbers(l, p, 1, 0, 1), 0), rows = MVAL_NONE;
    for (size_t i = 0; i < k && l_ok(l); i++)
        for (size_t j = 0; j < k && l_ok(l); j++) {
            size_t low = i < j ? i : j, high = i < j ? j : i;
            size_t pair = low * k - low * (low + 1) / 2 + high - low - 1;
            mval item = half; /* the diagonal is not read */
            if (i != j)
                item = m_slice_numbers(l, p, 1, (int64_t)pair, 1);
            if (i > j)
                item = m_sub(l, m_scalar_like(l, p, 1), item);
            rows = i + j ? m_concat(l, 2, (mval[]){rows, item}, 1) : item;
        }
    dim dims[3] = {m_dim(l, scores, 0), d_const(l, (int64_t)k), d_const(l, (int64_t)k)};
    return m_couple_pairs(l, m_reshape(l, rows, 3, dims));
}

/* Classifies by one row of coefficients per class, as LIBLINEAR does. Of two classes the second is chosen
   where the highest score is above 0, or at least 0.5 if no coefficient is negative. */
static void linear_classes(lowering *l, post_transform transform, const svm *s, mval x, mval labels)
{
    if (l_ok(l) && !s->rho.n) {
        l_fail(l, SIB_ERR_ARGUMENT, "rho has no value");
        return;
    }
    mval scores = times_rows(l, x, s->coef, s->classes, "coefficients");
    scores = rounded(l, m_add_number(l, scores, s->rho.n ? s->rho.v[0] : 0));
    mval best = m_arg(l, MILLI_arg_max, scores, 1, false, DROP_DIMS);
    if (s->classes == 2) {
        bool positive_only = true;
        for (size_t i = 0; i < s->coef.n; i++)
            positive_only &= s->coef.v[i] >= 0;
        mval top = m_reduce_axis(l, MILLI_reduce_max, scores, 1, DROP_DIMS);
        mval second = positive_only ? m_less_equal(l, m_scalar_like(l, top, 0.5), top)
                                    : m_less(l, m_scalar_like(l, top, 0), top);
        best = m_where(l, second, m_scalar_int(l, SIB_I64, 1), best);
    }
    l_out(l, 0, choose(l, labels, best));
    l_out(l, 1, m_cast(l, ml_transform(l, scores, transform), SIB_F32));
}

/* Y = the class that wins the most pairwise decisions sum c_v K(x, v) + rho. Z = probabilities where prob_a
   and prob_b are given, else the decisions, for two classes [-s, s]. ONNX-ML SVMClassifier-1; Chang & Lin
   2011, "LIBSVM". */
void lower_ML_SVMClassifier(lowering *l, const node *n)
{
    mval x = ml_rows(l);
    linear_spec spec = spec_linear(n);
    post_transform transform = spec.post_transform;
    svm s = {.per_class = spec.vectors_per_class.v, .coef = spec.coefficients, .rho = spec.rho};
    mval labels = ml_labels(l, spec.classlabels_strings, spec.classlabels_ints, "classlabels", &s.classes);
    if (!l_ok(l))
        return;
    if (!spec.vectors_per_class.n) {
        linear_classes(l, transform, &s, x, labels);
        return;
    }
    check_svm(l, &spec, &s);
    if (!l_ok(l))
        return;
    mval scores = rounded(l, decisions(l, &s, kernel_of(l, &spec, x, s.vectors))), z;
    l_out(l, 0, choose(l, labels, most_votes(l, &s, scores)));
    if (spec.prob_a.n)
        z = ml_transform(l, probabilities(l, &spec, &s, scores), transform);
    else if (s.classes == 2)
        z = ml_two_classes(l, scores, transform != TRANSFORM_NONE, transform);
    else
        z = ml_transform(l, scores, transform);
    l_out(l, 1, m_cast(l, z, SIB_F32));
}
