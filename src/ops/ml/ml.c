/* What regressors and classifiers of ai.onnx.ml do with their scores.

   Where the specification says nothing, this computes what onnxruntime does, except for results of
   onnxruntime that depend on uninitialized memory. */
#include "ops/ml/ml.h"

#include "base/alloc.h"

mval ml_rows(lowering *l)
{
    mval x = l_in(l, 0);
    int rank = m_rank(l, x);
    if (l_ok(l) && (rank < 1 || rank > 2))
        return l_fail(l, SIB_ERR_ARGUMENT, "X has rank %d, expected [N, F] or [F]", rank);
    sib_dtype_kind kind = sib_dtype_get_kind(m_dtype(l, x));
    if (l_ok(l) && kind != SIB_KIND_FLOAT && kind != SIB_KIND_INT)
        return l_fail(l, SIB_ERR_ARGUMENT, "X is of %s, expected numbers", sib_dtype_name(m_dtype(l, x)));
    x = m_cast(l, x, SIB_F64);
    return rank == 1 ? m_unsqueeze(l, x, 0) : x;
}

mval ml_doubles(lowering *l, size_t n, const float *values)
{
    return m_cast(l, m_floats(l, n, values), SIB_F64);
}

/* Softmax over elements of magnitude above 1e-7; the others, times e^-max, are divided by the same sum. */
static mval softmax_zero(lowering *l, mval x)
{
    mval top = m_reduce_axis(l, MILLI_reduce_max, x, 1, KEEP_DIMS);
    mval far = m_less(l, m_scalar_like(l, x, 1e-7f), m_abs(l, x));
    mval power = m_where(l, far, m_exp(l, m_sub(l, x, top)), m_scalar_like(l, x, 0));
    mval sum = m_reduce_axis(l, MILLI_reduce_sum, power, 1, KEEP_DIMS);
    return m_div(l, m_where(l, far, power, m_mul(l, x, m_exp(l, m_neg(l, top)))), sum);
}

/* sqrt(2) * erfinv(2 p - 1) by Winitzki's formula with a = 0.147, which all implementations use:
   erfinv(x) = sign(x) * sqrt(sqrt(v^2 - log(1 - x^2) / a) - v), v = 2 / (pi a) + log(1 - x^2) / 2. */
static mval probit(lowering *l, mval p)
{
    const double a = 0.147, pi = 3.14159265358979323846;
    mval one = m_scalar_like(l, p, 1), x = m_sub(l, m_mul_number(l, p, 2), one);
    mval log = m_log(l, m_mul(l, m_sub(l, one, x), m_add(l, one, x)));
    mval v = m_add_number(l, m_mul_number(l, log, 0.5), 2 / (pi * a));
    mval root = m_sqrt(l, m_sub(l, m_square(l, v), m_mul_number(l, log, 1 / a)));
    mval size = m_mul_number(l, m_sqrt(l, m_sub(l, root, v)), 1.41421356237309504880);
    return m_where(l, m_less(l, x, m_scalar_like(l, x, 0)), m_neg(l, size), size);
}

mval ml_transform(lowering *l, mval scores, post_transform f)
{
    switch (f) {
    case TRANSFORM_SOFTMAX:
        return m_softmax(l, scores, 1);
    case TRANSFORM_LOGISTIC:
        return m_sigmoid(l, scores);
    case TRANSFORM_SOFTMAX_ZERO:
        return softmax_zero(l, scores);
    case TRANSFORM_PROBIT:
        return probit(l, scores);
    default:
        return scores;
    }
}

mval ml_two_classes(lowering *l, mval score, bool probability, post_transform f)
{
    bool logistic = f == TRANSFORM_LOGISTIC;
    mval first = probability && !logistic ? m_sub(l, m_scalar_like(l, score, 1), score) : m_neg(l, score);
    mval both = m_concat(l, 2, (mval[]){first, score}, 1);
    /* no softmax of one score: only the pair is made */
    return logistic || f == TRANSFORM_PROBIT ? ml_transform(l, both, f) : both;
}

mval ml_labels(lowering *l, spec_strings strings, spec_ints ints, const char *what, size_t *count)
{
    *count = strings.n ? strings.n : ints.n;
    if (strings.n)
        return m_strings(l, strings.n, strings.v);
    if (l_ok(l) && !ints.n)
        return l_fail(l, SIB_ERR_ARGUMENT, "%s are missing", what);
    return m_int64s(l, ints.n, ints.v);
}

mval ml_binary_label(lowering *l, mval labels, size_t count, mval flag)
{
    if (count != 2 && m_dtype(l, labels) == SIB_STRING)
        labels = m_strings(l, 2, (sib_str[]){{"0", 1}, {"1", 1}});
    else if (count != 2)
        labels = m_int64s(l, 2, (int64_t[]){0, 1});
    return m_gather(l, labels, m_cast(l, flag, SIB_I64), 0);
}
