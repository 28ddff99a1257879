/* Text, images, trees and random numbers. */
#include "milli/build_values.h"

#include "base/str.h"
#include "milli/types.h"
#include "tensor/blocks.h"

/* A tensor of the dtype, or of one that is not known yet. */
static bool is_of(lowering *l, mval v, milli_kind milli, sib_dtype dtype, const char *what)
{
    const value_type *t = m_type(l, v);
    char text[120];
    if (l_ok(l) && !types_unknown(t) && (t->depth || (t->dtype && t->dtype != dtype)))
        l_fail(l, SIB_ERR_ARGUMENT, "%s of %s, expected %s", milli_row(milli)->name,
               type_text(l->graph->dims, t, text, sizeof text), what);
    return l_ok(l);
}

/* A rank in [low, high], or one that is not known yet: nothing waits for it. */
static bool has_rank(lowering *l, mval v, milli_kind milli, int low, int high)
{
    dim_shape shape = m_type(l, v)->shape;
    if (l_ok(l) && shape.ranked && (shape.rank < low || shape.rank > high))
        l_fail(l, SIB_ERR_ARGUMENT, "%s of a tensor of rank %d, expected %d to %d", milli_row(milli)->name,
               shape.rank, low, high);
    return l_ok(l);
}

/* ---- Text ------------------------------------------------------------------------------------------------- */

/* One result per string, of the dtype. */
static mval per_string(lowering *l, milli_kind milli, mval x, attribute a, sib_dtype dtype)
{
    if (!is_of(l, x, milli, SIB_STRING, "strings"))
        return MVAL_NONE;
    value_type type = *m_type(l, x);
    type.dtype = dtype;
    return types_emit(l, milli, 1, &x, 1, &a, type);
}

mval m_regex_match(lowering *l, mval x, sib_str pattern)
{
    return per_string(l, MILLI_regex_match, x, attribute_str("pattern", pattern), SIB_BOOL);
}

mval m_string_case(lowering *l, mval x, bool upper)
{
    return per_string(l, MILLI_string_case, x, attribute_int("upper", upper), SIB_STRING);
}

mval m_ascii_upper(lowering *l, mval x)
{
    if (!is_of(l, x, MILLI_string_case, SIB_STRING, "strings"))
        return MVAL_NONE;
    attribute attributes[] = {attribute_int("upper", 1), attribute_int("ascii", 1)};
    return types_emit(l, MILLI_string_case, 1, &x, 2, attributes, *m_type(l, x));
}

mval m_string_length(lowering *l, mval x)
{
    if (!is_of(l, x, MILLI_string_length, SIB_STRING, "strings"))
        return MVAL_NONE;
    value_type type = *m_type(l, x);
    type.dtype = SIB_I64;
    return types_emit(l, MILLI_string_length, 1, &x, 0, NULL, type);
}

mval m_murmur3(lowering *l, mval x, int64_t seed)
{
    attribute a = attribute_int("seed", seed);
    value_type type = *m_type(l, x);
    type.dtype = SIB_U32;
    return l_ok(l) ? types_emit(l, MILLI_murmur3, 1, &x, 1, &a, type) : MVAL_NONE;
}

mval m_murmur64(lowering *l, mval x, int64_t seed, bool tail)
{
    if (!is_of(l, x, MILLI_murmur64, SIB_STRING, "strings"))
        return MVAL_NONE;
    attribute attributes[] = {attribute_int("seed", seed), attribute_int("tail", tail)};
    value_type type = *m_type(l, x);
    type.dtype = SIB_U64;
    return types_emit(l, MILLI_murmur64, 1, &x, 2, attributes, type);
}

mval m_regex_replace(lowering *l, mval x, const regex_edit_spec *edit)
{
    if (!is_of(l, x, MILLI_regex_replace, SIB_STRING, "strings"))
        return MVAL_NONE;
    attribute attributes[] = {
        attribute_str("pattern", edit->pattern), attribute_str("rewrite", edit->rewrite),
        attribute_int("global_replace", edit->global_replace), attribute_int("ecma", edit->ecma),
        attribute_int("ignore_case", edit->ignore_case)};
    return types_emit(l, MILLI_regex_replace, 1, &x, 5, attributes, *m_type(l, x));
}

void m_regex_split(lowering *l, mval x, const regex_edit_spec *edit, mval out[4])
{
    dim dims[SIB_MAX_RANK] = {DIM_NONE};
    for (int i = 0; i < 4; i++)
        out[i] = MVAL_NONE;
    if (!is_of(l, x, MILLI_regex_split, SIB_STRING, "strings") || !has_rank(l, x, MILLI_regex_split, 1, 1) ||
        m_dims(l, x, dims) != 1)
        return;
    dim words = dim_fresh(l->graph->dims), starts = d_add(l, dims[0], d_const(l, 1));
    attribute attributes[] = {attribute_str("pattern", edit->pattern), attribute_str("keep", edit->keep),
                              attribute_int("ecma", edit->ecma),
                              attribute_int("ignore_case", edit->ignore_case)};
    value_type types[4] = {m_tensor_type(l, SIB_STRING, 1, &words), m_tensor_type(l, SIB_I64, 1, &words),
                           m_tensor_type(l, SIB_I64, 1, &words), m_tensor_type(l, SIB_I64, 1, &starts)};
    m_emit(l, MILLI_regex_split, 1, &x, 4, attributes, 4, types, out);
}

mval m_tokenize(lowering *l, mval x, size_t n_attributes, attribute *attributes)
{
    dim dims[SIB_MAX_RANK + 1];
    if (!is_of(l, x, MILLI_tokenize, SIB_STRING, "strings") || !has_rank(l, x, MILLI_tokenize, 1, 2))
        return MVAL_NONE;
    int rank = m_dims(l, x, dims);
    if (!l_ok(l))
        return MVAL_NONE;
    dims[rank] = DIM_NONE;
    return types_emit(l, MILLI_tokenize, 1, &x, n_attributes, attributes,
                      m_tensor_type(l, SIB_STRING, (size_t)rank + 1, dims));
}

void m_string_split(lowering *l, mval x, sib_str delimiter, int64_t max, mval out[2])
{
    dim dims[SIB_MAX_RANK + 1];
    out[0] = out[1] = MVAL_NONE;
    int rank = is_of(l, x, MILLI_string_split, SIB_STRING, "strings") ? m_dims(l, x, dims) : 0;
    if (l_ok(l) && max < -1)
        l_fail(l, SIB_ERR_ARGUMENT, "string_split with maxsplit %lld, expected -1 or more", (long long)max);
    if (!l_ok(l))
        return;
    dims[rank] = DIM_NONE;
    attribute attributes[] = {attribute_str("delimiter", delimiter), attribute_int("maxsplit", max),
                              attribute_int("spaces", delimiter.length == 0)};
    value_type types[2] = {m_tensor_type(l, SIB_STRING, (size_t)rank + 1, dims),
                           m_tensor_type(l, SIB_I64, (size_t)rank, dims)};
    m_emit(l, MILLI_string_split, 1, &x, 3, attributes, 2, types, out);
}

/* The number of columns of the table of n-grams; 0 after a failure. */
static int64_t tfidf_columns(lowering *l, const tfidf_spec *spec, sib_dtype dtype)
{
    size_t n_strings = spec->pool_strings.n, n_ints = spec->pool_int64s.n;
    int64_t last = -1;
    for (size_t i = 0; i < spec->ngram_indexes.n; i++)
        last = spec->ngram_indexes.v[i] > last ? spec->ngram_indexes.v[i] : last;
    if (l_ok(l) && ((n_strings != 0) == (n_ints != 0) || (dtype == SIB_STRING) != (n_strings != 0)))
        l_fail(l, SIB_ERR_ARGUMENT,
               "X of %s needs a pool of the same type, found %zu strings and %zu integers",
               sib_dtype_name(dtype), n_strings, n_ints);
    if (l_ok(l) && last < 0)
        l_fail(l, SIB_ERR_ARGUMENT, "ngram_indexes is empty");
    if (l_ok(l) && last == INT64_MAX)
        l_fail(l, SIB_ERR_SIZE, "ngram_indexes holds a column that does not fit in 64 bits");
    return l_ok(l) ? last + 1 : 0;
}

mval m_tfidf(lowering *l, mval x, size_t n_attributes, attribute *attributes)
{
    const node n = {.milli = milli_row(MILLI_tfidf),
                    .type = str_of("tfidf"),
                    .version = 1,
                    .n_attributes = n_attributes,
                    .attributes = attributes};
    tfidf_spec spec = spec_tfidf(&n);
    dim dims[SIB_MAX_RANK];
    sib_dtype dtype = m_dtype(l, x);
    int rank = m_dims(l, x, dims);
    if (!has_rank(l, x, MILLI_tfidf, 1, 2))
        return MVAL_NONE;
    int64_t columns = tfidf_columns(l, &spec, dtype);
    if (!l_ok(l))
        return MVAL_NONE;
    dims[rank - 1] = d_const(l, columns);
    value_type type = types_widen(l, m_tensor_type(l, SIB_F32, (size_t)rank, dims));
    if (dtype != SIB_STRING)
        x = m_cast(l, x, SIB_I64);
    return types_emit(l, MILLI_tfidf, 1, &x, n_attributes, attributes, type);
}

/* ---- Blocks ----------------------------------------------------------------------------------------------- */

mval m_decode_blocks(lowering *l, mval bytes, sib_str format)
{
    block_kind kind;
    dim dims[SIB_MAX_RANK];
    if (!block_kind_named(format.data, format.length, &kind))
        return l_fail(l, SIB_ERR_UNSUPPORTED, "blocks of the format '%.*s' are not known", (int)format.length,
                      format.data);
    if (!is_of(l, bytes, MILLI_decode_blocks, SIB_U8, "uint8") ||
        !has_rank(l, bytes, MILLI_decode_blocks, 1, SIB_MAX_RANK))
        return MVAL_NONE;
    const block_format *f = block_format_at(kind);
    int rank = m_dims(l, bytes, dims);
    int64_t row = rank > 0 ? m_number(l, dims[rank - 1]) : 0;
    if (!l_ok(l) || rank < 1)
        return MVAL_NONE;
    if (row % f->bytes || row / f->bytes > INT64_MAX / f->block)
        return l_fail(l, SIB_ERR_ARGUMENT,
                      "rows of %lld bytes, expected a multiple of the %u of a block of %s", (long long)row,
                      f->bytes, f->name);
    attribute a = attribute_str("format", format);
    dims[rank - 1] = d_const(l, row / f->bytes * f->block);
    value_type type = types_widen(l, m_tensor_type(l, SIB_F32, (size_t)rank, dims));
    return types_emit(l, MILLI_decode_blocks, 1, &bytes, 1, &a, type);
}

/* ---- Images ----------------------------------------------------------------------------------------------- */

mval m_decode_image(lowering *l, mval bytes, sib_str format, bool empty)
{
    bool grey = str_is(format, "Grayscale");
    if (!grey && !str_is(format, "RGB") && !str_is(format, "BGR"))
        return l_fail(l, SIB_ERR_UNSUPPORTED,
                      "decode_image with pixel_format '%.*s', expected RGB, BGR or Grayscale",
                      (int)format.length, format.data);
    if (!is_of(l, bytes, MILLI_decode_image, SIB_U8, "the uint8 of a file"))
        return MVAL_NONE;
    attribute attributes[] = {attribute_str("format", format), attribute_int("empty", empty)};
    dim dims[] = {DIM_NONE, DIM_NONE, d_const(l, grey ? 1 : 3)};
    return types_emit(l, MILLI_decode_image, 1, &bytes, 2, attributes, m_tensor_type(l, SIB_U8, 3, dims));
}

mval m_non_max_suppression(lowering *l, const mval in[5], bool center_point)
{
    static const char *const names[] = {"boxes", "scores", "a max per class", "an IoU threshold",
                                        "a score threshold"};
    for (int i = 0; i < 5 && l_ok(l); i++) {
        const value_type *t = m_type(l, in[i]);
        sib_dtype_kind kind = sib_dtype_get_kind(t->dtype);
        if (t->depth || (t->dtype && (i == 2 ? t->dtype != SIB_I64 : kind != SIB_KIND_FLOAT)))
            l_fail(l, SIB_ERR_ARGUMENT, "non_max_suppression with %s of %s, expected %s", names[i],
                   sib_dtype_name(t->dtype), i == 2 ? "int64" : "floats");
        else
            has_rank(l, in[i], MILLI_non_max_suppression, i < 2 ? 3 : 0, i < 2 ? 3 : 1);
    }
    attribute a = attribute_int("center_point", center_point);
    dim dims[] = {DIM_NONE, d_const(l, 3)};
    return types_emit(l, MILLI_non_max_suppression, 5, in, 1, &a, m_tensor_type(l, SIB_I64, 2, dims));
}

/* ---- Trees and probabilities ------------------------------------------------------------------------------ */

mval m_trees(lowering *l, const mval in[4], size_t n_attributes, const attribute *attributes, int64_t targets)
{
    for (int i = 0; i < 4; i++)
        if (!is_of(l, in[i], MILLI_trees, SIB_F64, "float64") ||
            !has_rank(l, in[i], MILLI_trees, i ? 1 : 2, i ? 1 : 2))
            return MVAL_NONE;
    if (targets < 0)
        return l_fail(l, SIB_ERR_ARGUMENT, "trees for %lld targets, expected 0 or more", (long long)targets);
    dim dims[2] = {m_dim(l, in[0], 0), d_const(l, targets)};
    return types_emit(l, MILLI_trees, 4, in, n_attributes, attributes, m_tensor_type(l, SIB_F64, 2, dims));
}

mval m_couple_pairs(lowering *l, mval pairs)
{
    dim dims[SIB_MAX_RANK];
    m_dims(l, pairs, dims);
    if (!is_of(l, pairs, MILLI_couple_pairs, SIB_F64, "float64") ||
        !has_rank(l, pairs, MILLI_couple_pairs, 3, 3))
        return MVAL_NONE;
    return types_emit(l, MILLI_couple_pairs, 1, &pairs, 0, NULL, m_tensor_type(l, SIB_F64, 2, dims));
}

mval m_determinant(lowering *l, mval x)
{
    dim dims[SIB_MAX_RANK];
    int64_t rows, columns;
    int rank = m_dims(l, x, dims);
    if (!l_ok(l))
        return MVAL_NONE;
    if (rank < 2 || (dim_is_const(l->graph->dims, dims[rank - 1], &columns) &&
                     dim_is_const(l->graph->dims, dims[rank - 2], &rows) && rows != columns))
        return l_fail(l, SIB_ERR_ARGUMENT, "determinant of a tensor of rank %d, expected square matrices",
                      rank);
    return types_emit(l, MILLI_determinant, 1, &x, 0, NULL,
                      m_tensor_type(l, m_dtype(l, x), (size_t)rank - 2, dims));
}

mval m_warp_path(lowering *l, mval costs)
{
    dim dims[] = {d_const(l, 2), DIM_NONE};
    if (!l_ok(l) || !has_rank(l, costs, MILLI_warp_path, 2, 2))
        return MVAL_NONE;
    return types_emit(l, MILLI_warp_path, 1, &costs, 0, NULL, m_tensor_type(l, SIB_I32, 2, dims));
}

/* ---- Random numbers --------------------------------------------------------------------------------------- */

int64_t m_seed(const lowering *l, uint32_t draw)
{
    /* splitmix64: Steele, Lea & Flood 2014 */
    uint64_t place = l->node_index + 1 + ((uint64_t)l->depth << 32) + ((uint64_t)draw << 48);
    uint64_t z = l->seed + place * UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return (int64_t)((z ^ z >> 31) >> 32);
}
