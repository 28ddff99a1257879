/* What words of what is not numbers refuse: each names itself, on every backend. */
#include "use.h"

#define FAULT(name, expression)                                                                              \
    static void name(sib_lowering *l)                                                                        \
    {                                                                                                        \
        sib_mval x = in(l, 0);                                                                               \
        (void)x;                                                                                             \
        out(l, 0, expression);                                                                               \
    }
#define WORD(name, a, b, ...)                                                                                \
    word(l, name, a, b, NONE, sizeof((const sib_param[]){__VA_ARGS__}) / sizeof(sib_param),                  \
         (const sib_param[]){__VA_ARGS__})

FAULT(at_tensor, word(l, "sequence_at", x, int64(l, 0), NONE, 0, NULL))
FAULT(at_float, word(l, "sequence_at", word(l, "sequence_make", x, x, NONE, 0, NULL), x, NONE, 0, NULL))
FAULT(at_nothing,
      word(l, "sequence_at", word(l, "sequence_make", x, x, NONE, 0, NULL), int64(l, 2), NONE, 0, NULL))
FAULT(make_mixed, word(l, "sequence_make", x, int64(l, 0), NONE, 0, NULL))
FAULT(add_sequence, sib_milli_binary(l, "add", word(l, "sequence_make", x, NONE, NONE, 0, NULL), x))
FAULT(split_axis, WORD("sequence_split", x, NONE, SIB_PARAM_INT("axis", 2)))
FAULT(concat_axis, WORD("sequence_concat", word(l, "sequence_make", x, NONE, NONE, 0, NULL), NONE,
                        SIB_PARAM_INT("axis", 2)))
FAULT(map_of_tensor, word(l, "map_get", x, list(l, SIB_I64, 1, OF(1)), NONE, 0, NULL))
FAULT(map_of_floats, word(l, "map_make", list(l, SIB_F32, 3, OF(1, 2, 3)), x, NONE, 0, NULL))
FAULT(map_of_four, word(l, "map_make", list(l, SIB_I64, 4, OF(1, 2, 3, 4)), x, NONE, 0, NULL))
FAULT(case_of_floats, word(l, "string_case", x, NONE, NONE, 0, NULL))
FAULT(no_pattern, word(l, "regex_match", x, NONE, NONE, 0, NULL))
FAULT(no_text, WORD("regex_match", x, NONE, SIB_PARAM_INT("pattern", 1)))
FAULT(split_floats, word(l, "string_split", x, NONE, NONE, 0, NULL))
FAULT(no_mode, WORD("tfidf", x, NONE, SIB_PARAM_TEXT("mode", "DF"), SIB_PARAM_INT("ngram_counts", 0),
                    SIB_PARAM_INT("ngram_indexes", 0)))
FAULT(null_list,
      WORD("tfidf", x, NONE, SIB_PARAM_INTS("ngram_counts", 3, NULL), SIB_PARAM_INT("ngram_indexes", 0)))
FAULT(no_pool, WORD("tfidf", x, NONE, SIB_PARAM_INT("ngram_counts", 0), SIB_PARAM_INT("ngram_indexes", 0)))
FAULT(floats_for_ints, WORD("tfidf", x, NONE, SIB_PARAM_INT("ngram_counts", 0),
                            SIB_PARAM_FLOATS("ngram_indexes", 1, (const float[]){1})))
FAULT(image_of_floats, word(l, "decode_image", x, NONE, NONE, 0, NULL))
FAULT(image_in_hsv, WORD("decode_image", x, NONE, SIB_PARAM_TEXT("format", "HSV")))
FAULT(boxes_of_matrix, word(l, "non_max_suppression", x, x, NONE, 0, NULL))
FAULT(boxes_by_float, word(l, "non_max_suppression", in(l, 1), in(l, 1), sib_milli_number(l, x, 1), 0, NULL))
FAULT(tree_of_nothing, sib_milli_cast(l, tree(l, 9, 1), SIB_F32))
FAULT(tree_of_lists, sib_milli_cast(l, tree(l, 1, 2), SIB_F32))
FAULT(pairs_of_floats, word(l, "couple_pairs", in(l, 1), NONE, NONE, 0, NULL))
FAULT(determinant_of_row, word(l, "determinant", x, NONE, NONE, 0, NULL))
FAULT(random_integers,
      WORD("random_normal", NONE, NONE, SIB_PARAM_INT("dims", 4), SIB_PARAM_INT("dtype", SIB_I64)))
FAULT(random_negative, WORD("random_uniform", NONE, NONE, SIB_PARAM_INT("dims", -4)))
FAULT(bare_call, word(l, "call", x, NONE, NONE, 0, NULL))

static void expect_fault(use f, const char *words, const char *backends)
{
    sib_error err = SIB_ERROR_INIT;
    sib_value *outs[4] = {NULL};
    sib_session *s = make(&f, "xq", NULL, 1, &(sib_session_options){.backends = backends});
    sib_code code = run(s, "xq", outs, &err);
    if (code == SIB_OK || !strstr(err.message, words))
        fail_msg("'%s' is not in '%s'", words, err.message);
    sib_session_free(&s);
}

TEST(faults_name_the_word)
{
    static const struct {
        use use;
        const char *words;
    } cases[] = {
        {at_tensor, "sequence_at of float32 [2, 3], expected a sequence"},
        {at_float, "sequence_at with a position or size of float32, expected integers"},
        {at_nothing, "position 2 is out of range for a sequence of 2"},
        {make_mixed, "are not compatible"},
        {add_sequence, "expected a tensor, not seq"},
        {split_axis, "axis is 2, expected -2 to below 2"},
        {concat_axis, "axis is 2, expected -2 to below 2"},
        {map_of_tensor, "map_get of float32 [2, 3], expected a map"},
        {map_of_floats, "map_make with keys of float32 and rank 1, expected a list of int64 or strings"},
        {map_of_four, "map_make of 4 keys for rows of 3"},
        {case_of_floats, "string_case of float32 [2, 3], expected strings"},
        {no_pattern, "regex_match: parameter pattern is missing"},
        {no_text, "regex_match: attribute pattern is a list of ints, expected a string"},
        {split_floats, "string_split of float32 [2, 3], expected strings"},
        {no_mode, "tfidf: attribute mode is 'DF'"},
        {null_list, "tfidf: parameter ngram_counts has 3 items, which are NULL"},
        {no_pool, "needs a pool of the same type"},
        {floats_for_ints, "tfidf: attribute ngram_indexes is a list of floats, expected a list of ints"},
        {image_of_floats, "decode_image of float32 [2, 3], expected the uint8 of a file"},
        {image_in_hsv, "decode_image with pixel_format 'HSV', expected RGB, BGR or Grayscale"},
        {boxes_of_matrix, "non_max_suppression of a tensor of rank 2, expected 3 to 3"},
        {boxes_by_float, "non_max_suppression with a max per class of float32, expected int64"},
        {tree_of_nothing, "node 0 tests feature 9 of 3"},
        {tree_of_lists, "modes has 2 values for 1 nodes"},
        {pairs_of_floats, "couple_pairs of float32 [2, 2, 2], expected float64"},
        {determinant_of_row, "expected square matrices"},
        {random_integers, "random_normal: dtype is int64, expected a float"},
        {random_negative, "random_uniform: dims[0] is -4, expected at least 0"},
        {bare_call, "milli-op call cannot be built by callers"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect_fault(cases[i].use, cases[i].words, "ref");
        expect_fault(cases[i].use, cases[i].words, NULL);
    }
}
