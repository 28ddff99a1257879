/* The words of what is not numbers: sequences, optionals, maps, text and images; and of trees and random
   numbers. */
#include "extend/word.h"

#include "milli/build_values.h"

/* Input i, none where it is left out. */
static mval in_or_none(const word_call *c, size_t i)
{
    return i < c->n_in ? c->in[i] : MVAL_NONE;
}

/* ---- Sequences and optionals ------------------------------------------------------------------------------ */

/* What an empty sequence or optional could hold: a value like the input, of any dims. */
static value_type like(const word_call *c)
{
    value_type type = *m_type(c->l, c->in[0]);
    type.shape = (dim_shape){0};
    return type;
}

static void sequence_make(word_call *c)
{
    c->out[0] = spec_sequence(&c->node).empty ? m_sequence_empty(c->l, like(c))
                                              : m_sequence_make(c->l, c->n_in, c->in);
}

static void optional_make(word_call *c)
{
    c->out[0] =
        spec_sequence(&c->node).empty ? m_optional_empty(c->l, like(c)) : m_optional_make(c->l, c->in[0]);
}

static void sequence_at(word_call *c)
{
    c->out[0] = m_sequence_at(c->l, c->in[0], c->in[1]);
}

static void sequence_insert(word_call *c)
{
    c->out[0] = m_sequence_insert(c->l, c->in[0], c->in[1], in_or_none(c, 2));
}

static void sequence_erase(word_call *c)
{
    c->out[0] = m_sequence_erase(c->l, c->in[0], in_or_none(c, 1));
}

static void sequence_length(word_call *c)
{
    c->out[0] = m_sequence_length(c->l, c->in[0]);
}

static void sequence_concat(word_call *c)
{
    sequence_spec spec = spec_sequence(&c->node);
    c->out[0] = m_sequence_concat(c->l, c->in[0], spec.axis, spec.new_axis);
}

static void sequence_split(word_call *c)
{
    sequence_spec spec = spec_sequence(&c->node);
    c->out[0] = m_sequence_split(c->l, c->in[0], in_or_none(c, 1), spec.axis, spec.keep);
}

static void optional_has(word_call *c)
{
    c->out[0] = m_optional_has(c->l, c->in[0]);
}

static void optional_get(word_call *c)
{
    c->out[0] = m_optional_get(c->l, c->in[0]);
}

/* ---- Maps ------------------------------------------------------------------------------------------------- */

static void map_make(word_call *c)
{
    c->out[0] = m_map_make(c->l, c->in[0], c->in[1]);
}

static void map_get(word_call *c)
{
    c->out[0] = m_map_get(c->l, c->in[0], c->in[1]);
}

static void map_dense(word_call *c)
{
    c->out[0] = m_map_dense(c->l, c->in[0], c->in[1], spec_map(&c->node).size);
}

/* ---- Text and images -------------------------------------------------------------------------------------- */

static void regex_match(word_call *c)
{
    c->out[0] = m_regex_match(c->l, c->in[0], spec_regex(&c->node).pattern);
}

static void string_split(word_call *c)
{
    string_split_spec spec = spec_string_split(&c->node);
    m_string_split(c->l, c->in[0], spec.delimiter, spec.maxsplit, c->out);
}

static void string_case(word_call *c)
{
    c->out[0] = m_string_case(c->l, c->in[0], spec_milli_string_case(&c->node).upper);
}

static void tfidf(word_call *c)
{
    c->out[0] = m_tfidf(c->l, c->in[0], c->node.n_attributes, c->node.attributes);
}

static void decode_image(word_call *c)
{
    image_spec spec = spec_image(&c->node);
    c->out[0] = m_decode_image(c->l, c->in[0], spec.pixel_format, spec.empty);
}

static void non_max_suppression(word_call *c)
{
    mval in[5] = {c->in[0], c->in[1], in_or_none(c, 2), in_or_none(c, 3), in_or_none(c, 4)};
    const double missing[] = {0, 0, -1.0 / 0.0};
    for (size_t i = 2; i < 5; i++)
        if (in[i].id == NO_VALUE)
            in[i] = m_scalar(c->l, i == 2 ? SIB_I64 : SIB_F32, missing[i - 2]);
    c->out[0] = m_non_max_suppression(c->l, in, spec_nms(&c->node).center_point_box);
}

/* ---- Trees, determinants and random numbers --------------------------------------------------------------- */

static void trees(word_call *c)
{
    c->out[0] = m_trees(c->l, c->in, c->node.n_attributes, c->node.attributes, param_int(c, "n_targets", 0));
}

static void couple_pairs(word_call *c)
{
    c->out[0] = m_couple_pairs(c->l, c->in[0]);
}

static void determinant(word_call *c)
{
    c->out[0] = m_determinant(c->l, c->in[0]);
}

/* Without a seed each draw of a node has another, and each node. */
static void draw(word_call *c)
{
    dim dims[SIB_MAX_RANK];
    size_t rank = param_shape(c, "dims", dims);
    sib_dtype dtype = param_find(c, "dtype") ? param_dtype(c, "dtype") : SIB_F64;
    if (l_ok(c->l) && sib_dtype_get_kind(dtype) != SIB_KIND_FLOAT)
        l_fail(c->l, SIB_ERR_ARGUMENT, "%s: dtype is %s, expected a float", c->name, sib_dtype_name(dtype));
    int64_t seed = param_find(c, "seed") ? spec_milli_random(&c->node).seed : m_seed(c->l, c->b->draws++);
    c->out[0] = m_cast(c->l, m_random(c->l, c->kind, SIB_F64, seed, rank, dims), dtype);
}

#define NGRAMS                                                                                               \
    "mode? min_gram_length? max_gram_length? max_skip_count? ngram_counts ngram_indexes pool_int64s? "       \
    "pool_strings? weights?"
#define FOREST "n_targets roots features modes missing yes no leaf_starts targets member_starts aggregate?"

const word words_of_values[] = {
    {"sequence_make", 1, SIB_OPERATOR_ENDS, 1, "empty?", sequence_make, MILLI_sequence_make,
     &spec_table_sequence},
    {"sequence_at", 2, 2, 1, "", sequence_at, MILLI_sequence_at, NULL},
    {"sequence_insert", 2, 3, 1, "", sequence_insert, MILLI_sequence_insert, NULL},
    {"sequence_erase", 1, 2, 1, "", sequence_erase, MILLI_sequence_erase, NULL},
    {"sequence_length", 1, 1, 1, "", sequence_length, MILLI_sequence_length, NULL},
    {"sequence_concat", 1, 1, 1, "axis new_axis?", sequence_concat, MILLI_sequence_concat,
     &spec_table_sequence},
    {"sequence_split", 1, 2, 1, "axis keep?", sequence_split, MILLI_sequence_split, &spec_table_sequence},
    {"optional_make", 1, 1, 1, "empty?", optional_make, MILLI_optional_make, &spec_table_sequence},
    {"optional_has", 1, 1, 1, "", optional_has, MILLI_optional_has, NULL},
    {"optional_get", 1, 1, 1, "", optional_get, MILLI_optional_get, NULL},
    {"map_make", 2, 2, 1, "", map_make, MILLI_map_make, NULL},
    {"map_get", 2, 2, 1, "", map_get, MILLI_map_get, NULL},
    {"map_dense", 2, 2, 1, "size?", map_dense, MILLI_map_dense, &spec_table_map},
    {"regex_match", 1, 1, 1, "pattern", regex_match, MILLI_regex_match, &spec_table_regex},
    {"string_split", 1, 1, 2, "delimiter? maxsplit?", string_split, MILLI_string_split,
     &spec_table_string_split},
    {"string_case", 1, 1, 1, "upper?", string_case, MILLI_string_case, &spec_table_milli_string_case},
    {"tfidf", 1, 1, 1, NGRAMS, tfidf, MILLI_tfidf, &spec_table_tfidf},
    {"decode_image", 1, 1, 1, "format? empty?", decode_image, MILLI_decode_image, &spec_table_image},
    {"non_max_suppression", 2, 5, 1, "center_point?", non_max_suppression, MILLI_non_max_suppression,
     &spec_table_nms},
    {"trees", 4, 4, 1, FOREST, trees, MILLI_trees, &spec_table_milli_trees},
    {"couple_pairs", 1, 1, 1, "", couple_pairs, MILLI_couple_pairs, NULL},
    {"determinant", 1, 1, 1, "", determinant, MILLI_determinant, NULL},
    {"random_uniform", 0, 0, 1, "dims dtype? seed?", draw, MILLI_random_uniform, &spec_table_milli_random},
    {"random_normal", 0, 0, 1, "dims dtype? seed?", draw, MILLI_random_normal, &spec_table_milli_random},
};
const size_t n_words_of_values = sizeof words_of_values / sizeof *words_of_values;
