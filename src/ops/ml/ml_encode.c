/* ai.onnx.ml: encoders, scalers and maps. */
#include "milli/build_values.h"
#include "milli/types.h"
#include "ops/ml/ml.h"

#include <math.h>

/* Z[..., j] = X[..., Y[j]] over the last axis; X of rank 1 gives [1, n]. ONNX-ML ArrayFeatureExtractor-1. */
void lower_ML_ArrayFeatureExtractor(lowering *l, const node *n)
{
    (void)n;
    mval x = l_in(l, 0), y = l_in(l, 1);
    l_declare(l, 0, m_dtype(l, x), 0, NULL);
    int rank = m_rank(l, x);
    if (l_ok(l) && rank < 1)
        l_fail(l, SIB_ERR_ARGUMENT, "X is a scalar, expected at least one axis");
    mval z = m_gather(l, x, m_flatten(l, y, 0, m_rank(l, y)), rank - 1);
    l_out(l, 0, rank == 1 ? m_unsqueeze(l, z, 0) : z);
}

/* Y = X > threshold ? 1 : 0. ONNX-ML Binarizer-1. */
void lower_ML_Binarizer(lowering *l, const node *n)
{
    mval x = l_in(l, 0), above;
    double threshold = spec_binarizer(n).threshold;
    sib_dtype dtype = m_dtype(l, x);
    if (m_is(l, x, SIB_KIND_FLOAT))
        above = m_less(l, m_scalar(l, dtype, threshold), x);
    // cppcheck-suppress incorrectLogicOperator ; it does not read hexadecimal floats
    else if (threshold >= 0x1p63 || threshold < -0x1p63 || isnan(threshold)) /* beyond all integers */
        above = m_less(l, x, m_scalar(l, dtype, 0)),
        above = threshold < 0 ? m_or(l, above, m_not(l, above)) : m_and(l, above, m_not(l, above));
    else /* for integers X > t is X > floor(t), in 64 bits */
        above = m_less(l, m_scalar_int(l, SIB_I64, (int64_t)floor(threshold)), m_cast(l, x, SIB_I64));
    l_out(l, 0, m_cast(l, above, dtype));
}

/* ---- Mapping --------------------------------------------------------------------------------------- */

/* values[i] where x equals keys[i]; other [1] where it equals none. */
static mval map_elements(lowering *l, mval x, mval keys, mval values, mval other, size_t count)
{
    mval at = m_lookup(l, x, keys), none = m_scalar_int(l, SIB_I64, (int64_t)count);
    at = m_where(l, m_less(l, at, m_scalar_int(l, SIB_I64, 0)), none, at);
    return m_gather(l, m_concat(l, 2, (mval[]){values, other}, 0), at, 0);
}

/* [1] */
static mval one_int(lowering *l, int64_t number)
{
    return m_int64s(l, 1, &number);
}

static mval one_string(lowering *l, sib_str s)
{
    return m_strings(l, 1, &s);
}

/* Strings to integers or back by two lists. Of equal entries the last one counts. ONNX-ML
   CategoryMapper-1. */
void lower_ML_CategoryMapper(lowering *l, const node *n)
{
    mval x = l_in(l, 0);
    encoder_spec spec = spec_encoder(n);
    spec_strings strings = spec.cats_strings;
    spec_ints ints = spec.cats_int64s;
    if (l_ok(l) && strings.n != ints.n)
        l_fail(l, SIB_ERR_ARGUMENT, "there are %zu strings for %zu integers", strings.n, ints.n);
    if (!l_ok(l))
        return;
    mval words = m_reverse(l, m_strings(l, strings.n, strings.v), 0),
         numbers = m_reverse(l, m_int64s(l, ints.n, ints.v), 0);
    if (m_dtype(l, x) == SIB_STRING)
        l_out(l, 0, map_elements(l, x, words, numbers, one_int(l, spec.default_int64), ints.n));
    else
        l_out(l, 0, map_elements(l, x, numbers, words, one_string(l, spec.default_string), ints.n));
}

/* ---- LabelEncoder ------------------------------------------------------------------------------------- */

/* The list [n] of whichever attribute is present: WHAT_tensor, _strings, _int64s or _floats. */
static mval encoder_list(lowering *l, const char *what, const sib_tensor *t, spec_strings strings,
                         spec_ints ints, spec_floats floats, size_t *count)
{
    *count = t ? (size_t)sib_tensor_count(t) : strings.n ? strings.n : ints.n ? ints.n : floats.n;
    if (t) {
        mval list = m_constant_ref(l, t);
        return m_flatten(l, list, 0, m_rank(l, list));
    }
    if (strings.n)
        return m_strings(l, strings.n, strings.v);
    if (ints.n)
        return m_int64s(l, ints.n, ints.v);
    if (floats.n)
        return m_floats(l, floats.n, floats.v);
    return l_fail(l, SIB_ERR_ARGUMENT,
                  "expected one of the attributes %s_tensor, _strings, _int64s and _floats", what);
}

/* The value of keys that are not listed, [1]. */
static mval encoder_default(lowering *l, const encoder_spec *spec, mval values)
{
    const sib_tensor *t = spec->default_tensor;
    sib_dtype dtype = m_dtype(l, values);
    if (t) {
        if (l_ok(l) && sib_tensor_count(t) != 1)
            return l_fail(l, SIB_ERR_ARGUMENT, "default_tensor has %llu elements, expected one",
                          (unsigned long long)sib_tensor_count(t));
        return m_reshape_numbers(l, m_constant_ref(l, t), 1, (int64_t[]){1});
    }
    if (dtype == SIB_STRING)
        return one_string(l, spec->default_string);
    if (sib_dtype_get_kind(dtype) == SIB_KIND_FLOAT)
        return m_reshape_numbers(l, m_scalar(l, dtype, spec->default_float), 1, (int64_t[]){1});
    return m_cast(l, one_int(l, spec->default_int64), dtype);
}

/* LabelEncoder-1: integers are indices into the list of classes, strings become their index. */
static void label_encoder_1(lowering *l, const encoder_spec *spec)
{
    mval x = l_in(l, 0);
    size_t count = spec->classes_strings.n;
    mval words = m_strings(l, count, spec->classes_strings.v),
         numbers = m_iota(l, SIB_I64, d_const(l, (int64_t)count));
    if (m_dtype(l, x) == SIB_STRING)
        l_out(l, 0, map_elements(l, x, words, numbers, one_int(l, spec->default_int64), count));
    else
        l_out(l, 0, map_elements(l, x, numbers, words, one_string(l, spec->default_string), count));
}

/* Y[i] = the value whose key is X[i], the default where there is none. Of equal keys the first counts, from
   version 4 on the last. NaN matches NaN. ONNX-ML LabelEncoder-1, -2, -4. */
void lower_ML_LabelEncoder(lowering *l, const node *n)
{
    encoder_spec spec = spec_encoder(n);
    if (n->version < 2) {
        label_encoder_1(l, &spec);
        return;
    }
    size_t n_keys, n_values;
    mval x = l_in(l, 0), keys = encoder_list(l, "keys", spec.keys_tensor, spec.keys_strings, spec.keys_int64s,
                                             spec.keys_floats, &n_keys);
    mval values = encoder_list(l, "values", spec.values_tensor, spec.values_strings, spec.values_int64s,
                               spec.values_floats, &n_values);
    if (l_ok(l) && n_keys != n_values)
        l_fail(l, SIB_ERR_ARGUMENT, "there are %zu keys for %zu values", n_keys, n_values);
    mval other = encoder_default(l, &spec, values);
    if (n->version >= 4) {
        keys = m_reverse(l, keys, 0);
        values = m_reverse(l, values, 0);
    }
    l_out(l, 0, map_elements(l, x, keys, values, other, n_keys));
}

/* Y[..., j] = X[...] is category j ? 1 : 0; a category that is not listed gives zeros, or an error where
   `zeros` is 0. Floats are truncated. ONNX-ML OneHotEncoder-1. */
void lower_ML_OneHotEncoder(lowering *l, const node *n)
{
    mval x = l_in(l, 0), list;
    encoder_spec spec = spec_encoder(n);
    bool strings = m_dtype(l, x) == SIB_STRING;
    size_t count = strings ? spec.cats_strings.n : spec.cats_int64s.n;
    if (strings) {
        list = m_strings(l, count, spec.cats_strings.v);
    } else {
        list = m_int64s(l, count, spec.cats_int64s.v);
        x = m_cast(l, x, SIB_I64);
    }
    if (l_ok(l) && !count)
        l_fail(l, SIB_ERR_ARGUMENT, "there are no categories of X's type (%s)",
               sib_dtype_name(m_dtype(l, x)));
    mval columns = m_iota(l, SIB_I64, d_const(l, (int64_t)count)), at = m_lookup(l, x, list);
    if (!spec.zeros) /* a gather at -1 fails */
        at = m_gather(l, columns, at, 0);
    l_out(l, 0, m_cast(l, m_equal(l, m_unsqueeze(l, at, -1), columns), SIB_F32));
}

/* ---- Scaling ------------------------------------------------------------------------------------------- */

/* A list for the last axis of x: one element, or one per entry of that axis. */
static mval per_feature(lowering *l, mval list, size_t count, mval x, const char *name)
{
    int64_t features = -1;
    int rank = m_rank(l, x);
    if (l_ok(l) && rank < 1 && count != 1)
        return l_fail(l, SIB_ERR_ARGUMENT, "X is a scalar, but %s has %zu values", name, count);
    if (l_ok(l) && rank > 0)
        dim_is_const(l->graph->dims, m_dim(l, x, -1), &features);
    if (l_ok(l) && (count == 0 || (count != 1 && features >= 0 && (uint64_t)features != count)))
        return l_fail(l, SIB_ERR_ARGUMENT, "%s has %zu values for %lld features, expected 1 or one each",
                      name, count, (long long)features);
    return count == 1 ? m_reshape(l, list, 0, NULL) : list;
}

/* Y = the imputed value of its feature where X is the replaced value (may be NaN), else X. ONNX-ML
   Imputer-1. */
void lower_ML_Imputer(lowering *l, const node *n)
{
    mval x = l_in(l, 0), list, gone;
    sib_dtype dtype = m_dtype(l, x);
    imputer_spec spec = spec_imputer(n);
    if (m_is(l, x, SIB_KIND_FLOAT)) {
        double replaced = spec.replaced_value_float;
        spec_floats values = spec.imputed_value_floats;
        list = per_feature(l, m_floats(l, values.n, values.v), values.n, x, "imputed_value_floats");
        gone = isnan(replaced) ? m_is_nan(l, x) : m_equal(l, x, m_scalar(l, dtype, replaced));
    } else {
        spec_ints values = spec.imputed_value_int64s;
        list = per_feature(l, m_int64s(l, values.n, values.v), values.n, x, "imputed_value_int64s");
        gone = m_equal(l, m_cast(l, x, SIB_I64), m_scalar_int(l, SIB_I64, spec.replaced_value_int64));
    }
    l_out(l, 0, m_where(l, gone, m_cast(l, list, dtype), x));
}

/* Y = (X - offset) * scale, per feature. ONNX-ML Scaler-1. */
void lower_ML_Scaler(lowering *l, const node *n)
{
    mval x = l_in(l, 0), y = m_cast(l, x, SIB_F64);
    scaler_spec spec = spec_scaler(n);
    spec_floats offset = spec.offset, scale = spec.scale;
    if (offset.n)
        y = m_sub(l, y, per_feature(l, ml_doubles(l, offset.n, offset.v), offset.n, x, "offset"));
    if (scale.n)
        y = m_mul(l, y, per_feature(l, ml_doubles(l, scale.n, scale.v), scale.n, x, "scale"));
    l_out(l, 0, m_cast(l, y, SIB_F32));
}

/* Y = X / d by rows, d = max X, sum |X| or sqrt(sum X^2); Y = X where d is 0. ONNX-ML Normalizer-1. */
void lower_ML_Normalizer(lowering *l, const node *n)
{
    mval x = l_in(l, 0), y = m_cast(l, x, SIB_F64), d;
    ml_norm norm = spec_normalizer(n).norm;
    if (norm == NORM_MAX)
        d = m_reduce_axis(l, MILLI_reduce_max, y, -1, KEEP_DIMS);
    else if (norm == NORM_L1)
        d = m_reduce_axis(l, MILLI_reduce_sum, m_abs(l, y), -1, KEEP_DIMS);
    else
        d = m_sqrt(l, m_reduce_axis(l, MILLI_reduce_sum, m_square(l, y), -1, KEEP_DIMS));
    mval zero = m_equal(l, d, m_scalar(l, SIB_F64, 0));
    l_out(l, 0, m_cast(l, m_where(l, zero, y, m_div(l, y, d)), SIB_F32));
}

/* Input i as float32 [N, size], cropped or padded with zeros at the end. */
static mval feature_block(lowering *l, size_t i, bool sized, int64_t size)
{
    mval x = m_cast(l, l_in(l, i), SIB_F32);
    int rank = m_rank(l, x);
    if (l_ok(l) && rank < 1)
        return l_fail(l, SIB_ERR_ARGUMENT, "input %zu is a scalar, expected [N, C] or [C]", i);
    x = rank == 1 ? m_unsqueeze(l, x, 0) : m_flatten(l, x, 1, rank);
    if (!sized || !l_ok(l))
        return x;
    dim had = m_dim(l, x, 1), want = d_const(l, size), zero = d_const(l, 0);
    if (dim_same(had, want))
        return x;
    dim kept = d_min(l, had, want);
    x = m_slice(l, x, 1, zero, kept, 1);
    return m_pad_axis(l, x, 1, zero, d_sub(l, want, kept), MVAL_NONE);
}

/* Y = the inputs concatenated along axis 1, each with the size that inputdimensions gives. ONNX-ML
   FeatureVectorizer-1. */
void lower_ML_FeatureVectorizer(lowering *l, const node *n)
{
    spec_ints sizes = spec_feature_vectorizer(n).inputdimensions;
    mval y = MVAL_NONE;
    if (sizes.v && sizes.n != n->inputs.n)
        l_fail(l, SIB_ERR_ARGUMENT, "inputdimensions has %zu sizes for %u inputs", sizes.n, n->inputs.n);
    for (size_t i = 0; i < n->inputs.n && l_ok(l); i++) {
        mval block = feature_block(l, i, sizes.v != NULL, spec_item(sizes, i, 0));
        y = i ? m_concat(l, 2, (mval[]){y, block}, 1) : block;
    }
    l_out(l, 0, y);
}

/* ---- Maps ---------------------------------------------------------------------------------------------- */

/* Y[0, :] = the map's values in order of keys; with map_form SPARSE each at the index given by its key.
   ONNX-ML CastMap-1. */
void lower_ML_CastMap(lowering *l, const node *n)
{
    static const sib_dtype casts[] = {
        [MAP_TO_FLOAT] = SIB_F32, [MAP_TO_STRING] = SIB_STRING, [MAP_TO_INT64] = SIB_I64};
    map_spec spec = spec_map(n);
    sib_dtype out = casts[spec.cast_to];
    mval fill =
        out == SIB_STRING ? m_reshape(l, m_strings(l, 1, &(sib_str){"0", 1}), 0, NULL) : m_scalar(l, out, 0);
    l_out(l, 0, m_map_dense(l, l_in(l, 0), fill, spec.map_form == MAP_SPARSE ? spec.max_map : -1));
}

/* Y[0, i] = the map's value of word i of the vocabulary, 0 or "" where it has none. ONNX-ML
   DictVectorizer-1. */
void lower_ML_DictVectorizer(lowering *l, const node *n)
{
    map_spec spec = spec_map(n);
    size_t count;
    mval keys = ml_labels(l, spec.string_vocabulary, spec.int64_vocabulary,
                          "string_vocabulary and int64_vocabulary", &count);
    l_out(l, 0, m_map_get(l, l_in(l, 0), keys));
}

/* Z = for each row of X, a map from the labels to the row's elements. ONNX-ML ZipMap-1. */
void lower_ML_ZipMap(lowering *l, const node *n)
{
    mval x = l_in(l, 0);
    map_spec spec = spec_map(n);
    size_t count;
    mval keys = ml_labels(l, spec.classlabels_strings, spec.classlabels_int64s, "classlabels", &count);
    l_declare_type(l, 0, types_maps(l, m_dtype(l, keys), m_dtype(l, x)));
    int rank = m_rank(l, x);
    int64_t width = -1;
    if (l_ok(l) && (rank < 1 || rank > 2))
        l_fail(l, SIB_ERR_ARGUMENT, "X has rank %d, expected [N, C] or [C]", rank);
    if (l_ok(l) && dim_is_const(l->graph->dims, m_dim(l, x, -1), &width) && (uint64_t)width != count)
        l_fail(l, SIB_ERR_ARGUMENT, "there are %zu labels for rows of %lld", count, (long long)width);
    if (rank == 1)
        x = m_unsqueeze(l, x, 0);
    l_out(l, 0, m_map_make(l, keys, x));
}
