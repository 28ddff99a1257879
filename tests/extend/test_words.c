/* Words of what is not numbers: each gives what the official operator gives, which a function in text calls
   beside it in a model that is made by calls. */
#include "use.h"

static void expect_as(use f, const char *inputs, const char *text, size_t n_out,
                      const sib_session_options *options)
{
    sib_error err = SIB_ERROR_INIT;
    sib_value *outs[8] = {NULL};
    sib_session *s = make(&f, inputs, text, n_out, options);
    CHECK_OK(run(s, inputs, outs, &err), err);
    for (size_t i = 0; i < n_out; i++) {
        const sib_tensor *a = sib_value_tensor(outs[i]), *b = sib_value_tensor(outs[n_out + i]);
        const sib_tolerance exact = {0, 0, 0};
        sib_comparison c;
        assert_non_null(a);
        assert_non_null(b);
        CHECK_OK(sib_tensor_compare(a, b, &exact, &c, &err), err);
        if (!c.equal)
            fail_msg("output %zu: element %llu is %g, the official operator's %g: %s", i,
                     (unsigned long long)c.worst, c.worst_a, c.worst_b, text);
    }
    for (size_t i = 0; i < 8; i++)
        sib_value_free(&outs[i]);
    sib_session_free(&s);
}

static void expect(use f, const char *inputs, const char *text, size_t n_out)
{
    expect_as(f, inputs, text, n_out, &(sib_session_options){.backends = "ref"});
    expect_as(f, inputs, text, n_out, NULL);
    expect_as(f, inputs, text, n_out, &(sib_session_options){.oracle = true});
}

#define ML "<domain: \"my.dom\", opset_import: [\"\" : 21, \"ai.onnx.ml\" : 3]>\n"

static void cast_out(sib_lowering *l, size_t i, sib_mval v, sib_dtype dtype)
{
    out(l, i, sib_milli_cast(l, v, dtype));
}

/* ---- Sequences, optionals, maps -------------------------------------------------------------------------- */

static void use_sequence(sib_lowering *l)
{
    const sib_param empty = SIB_PARAM_INT("empty", 1), axis = SIB_PARAM_INT("axis", 0);
    sib_mval x = in(l, 0), n = sib_milli_unary(l, "neg", x);
    sib_mval s = word(l, "sequence_make", x, NONE, NONE, 1, &empty);
    s = word(l, "sequence_insert", s, x, NONE, 0, NULL);
    s = word(l, "sequence_insert", s, n, int64(l, 0), 0, NULL);
    out(l, 0, word(l, "sequence_concat", s, NONE, NONE, 1, &axis));
    out(l, 1, word(l, "sequence_length", word(l, "sequence_make", x, n, x, 0, NULL), NONE, NONE, 0, NULL));
}

static void use_pieces(sib_lowering *l)
{
    const sib_param single[] = {SIB_PARAM_INT("axis", 1), SIB_PARAM_INT("keep", 0)},
                    axis = SIB_PARAM_INT("axis", -1),
                    stack[] = {SIB_PARAM_INT("axis", 0), SIB_PARAM_INT("new_axis", 1)};
    sib_mval x = in(l, 0), s = word(l, "sequence_split", x, NONE, NONE, 2, single);
    out(l, 0, word(l, "sequence_at", s, int64(l, -1), NONE, 0, NULL));
    s = word(l, "sequence_erase", s, int64(l, 1), NONE, 0, NULL);
    out(l, 1, word(l, "sequence_concat", s, NONE, NONE, 2, stack));
    s = word(l, "sequence_split", x, list(l, SIB_I64, 2, OF(1, 2)), NONE, 1, &axis);
    out(l, 2, word(l, "sequence_at", s, sib_milli_scalar(l, SIB_I32, 1), NONE, 0, NULL));
    s = word(l, "sequence_erase", s, NONE, NONE, 0, NULL);
    out(l, 3, word(l, "sequence_concat", s, NONE, NONE, 1, &axis));
}

static void use_optional(sib_lowering *l)
{
    const sib_param empty = SIB_PARAM_INT("empty", 1);
    sib_mval x = in(l, 0), full = word(l, "optional_make", x, NONE, NONE, 0, NULL);
    out(l, 0, word(l, "optional_get", full, NONE, NONE, 0, NULL));
    out(l, 1, word(l, "optional_has", full, NONE, NONE, 0, NULL));
    sib_mval none = word(l, "optional_make", x, NONE, NONE, 1, &empty);
    out(l, 2, sib_milli_unary(l, "not", word(l, "optional_has", none, NONE, NONE, 0, NULL)));
}

static void use_maps(sib_lowering *l)
{
    const sib_mdim five = sib_mdim_of(l, 5);
    const sib_param size = SIB_PARAM_DIMS("size", 1, &five); /* a dim in an integer's place */
    sib_mval maps = word(l, "map_make", list(l, SIB_I64, 3, OF(3, 1, 2)), in(l, 0), NONE, 0, NULL);
    sib_mval map = word(l, "sequence_at", maps, int64(l, 1), NONE, 0, NULL);
    out(l, 0, word(l, "map_dense", map, sib_milli_scalar(l, SIB_F32, 0), NONE, 1, &size));
    out(l, 1, word(l, "map_dense", map, sib_milli_scalar(l, SIB_F32, 0), NONE, 0, NULL));
    out(l, 2, word(l, "map_get", map, list(l, SIB_I64, 2, OF(2, 9)), NONE, 0, NULL));
}

TEST(sequences_optionals_and_maps)
{
    expect(use_sequence, "x",
           ML "Ref (x) => (y, n) {\n"
              "  e = SequenceEmpty <dtype = 1> ()\n  a = SequenceInsert (e, x)\n  m = Neg (x)\n"
              "  zero = Constant <value_int = 0> ()\n  s = SequenceInsert (a, m, zero)\n"
              "  y = ConcatFromSequence <axis = 0> (s)\n"
              "  three = SequenceConstruct (x, m, x)\n  n = SequenceLength (three)\n}",
           2);
    expect(use_pieces, "x",
           ML "Ref (x) => (a, b, c, d) {\n"
              "  s = SplitToSequence <axis = 1, keepdims = 0> (x)\n"
              "  last = Constant <value_int = -1> ()\n  a = SequenceAt (s, last)\n"
              "  one = Constant <value_int = 1> ()\n  e = SequenceErase (s, one)\n"
              "  b = ConcatFromSequence <axis = 0, new_axis = 1> (e)\n"
              "  sizes = Constant <value_ints = [1, 2]> ()\n"
              "  t = SplitToSequence <axis = -1> (x, sizes)\n  c = SequenceAt (t, one)\n"
              "  f = SequenceErase (t)\n  d = ConcatFromSequence <axis = -1> (f)\n}",
           4);
    expect(use_optional, "x",
           ML "Ref (x) => (y, h, n) {\n"
              "  o = Optional (x)\n  y = OptionalGetElement (o)\n  h = OptionalHasElement (o)\n"
              "  none = OptionalHasElement ()\n  n = Not (none)\n}",
           3);
    expect(use_maps, "x",
           ML "Ref (x) => (a, b, c) {\n"
              "  z = ai.onnx.ml.ZipMap <classlabels_int64s = [3, 1, 2]> (x)\n"
              "  one = Constant <value_int = 1> ()\n  m = SequenceAt (z, one)\n"
              "  a = ai.onnx.ml.CastMap <map_form = \"SPARSE\", max_map = 5> (m)\n"
              "  b = ai.onnx.ml.CastMap (m)\n"
              "  c = ai.onnx.ml.DictVectorizer <int64_vocabulary = [2, 9]> (m)\n}",
           3);
}

/* ---- Text ------------------------------------------------------------------------------------------------ */

static void use_text(sib_lowering *l)
{
    const sib_param comma = SIB_PARAM_TEXT("delimiter", ","), upper = SIB_PARAM_INT("upper", 1),
                    pattern = SIB_PARAM_TEXT("pattern", "[a-z](,.)*");
    sib_mval made[2], s = in(l, 0);
    sib_milli_emit(l, "string_split", 1, &s, 1, &comma, 2, made);
    out(l, 0, made[0]);
    out(l, 1, made[1]);
    out(l, 2, word(l, "string_case", s, NONE, NONE, 1, &upper));
    out(l, 3, word(l, "regex_match", s, NONE, NONE, 1, &pattern));
}

static void use_spaces(sib_lowering *l)
{
    const sib_param most = SIB_PARAM_INT("maxsplit", 1);
    sib_mval s = word(l, "string_case", in(l, 0), NONE, NONE, 0, NULL), made[2];
    sib_milli_emit(l, "string_split", 1, &s, 1, &most, 2, made);
    out(l, 0, made[0]);
}

static void use_counts(sib_lowering *l)
{
    const sib_param p[] = {SIB_PARAM_INT("max_gram_length", 2),
                           SIB_PARAM_INTS("ngram_counts", 2, ((const int64_t[]){0, 2})),
                           SIB_PARAM_INTS("ngram_indexes", 3, ((const int64_t[]){0, 3, 2})),
                           SIB_PARAM_INTS("pool_int64s", 4, ((const int64_t[]){2, 3, 5, 4}))};
    out(l, 0, word(l, "tfidf", in(l, 0), NONE, NONE, 4, p));
}

static void use_weights(sib_lowering *l)
{
    const sib_str pool[2] = {str_of("x,"), str_of("a,b,c")};
    const sib_param p[] = {SIB_PARAM_TEXT("mode", "TFIDF"),
                           SIB_PARAM_INTS("ngram_counts", 1, ((const int64_t[]){0})),
                           SIB_PARAM_INTS("ngram_indexes", 2, ((const int64_t[]){1, 0})),
                           SIB_PARAM_STRINGS("pool_strings", 2, pool),
                           SIB_PARAM_FLOATS("weights", 2, ((const float[]){2, 0.5f}))};
    out(l, 0, word(l, "tfidf", in(l, 0), NONE, NONE, 5, p));
}

TEST(text)
{
    expect(use_text, "s",
           ML "Ref (x) => (a, b, c, d) {\n"
              "  a, b = StringSplit <delimiter = \",\"> (x)\n"
              "  c = StringNormalizer <case_change_action = \"UPPER\", is_case_sensitive = 1> (x)\n"
              "  d = RegexFullMatch <pattern = \"[a-z](,.)*\"> (x)\n}",
           4);
    expect(use_spaces, "s",
           ML "Ref (x) => (y) {\n"
              "  l = StringNormalizer <case_change_action = \"LOWER\", is_case_sensitive = 1> (x)\n"
              "  y, n = StringSplit <maxsplit = 1> (l)\n}",
           1);
    expect(use_counts, "i",
           ML "Ref (x) => (y) {\n"
              "  y = TfIdfVectorizer <mode = \"TF\", min_gram_length = 1, max_gram_length = 2, "
              "max_skip_count = 0,\n"
              "    ngram_counts = [0, 2], ngram_indexes = [0, 3, 2], pool_int64s = [2, 3, 5, 4]> (x)\n}",
           1);
    expect(use_weights, "s",
           ML "Ref (x) => (y) {\n"
              "  y = TfIdfVectorizer <mode = \"TFIDF\", min_gram_length = 1, max_gram_length = 1, "
              "max_skip_count = 0,\n"
              "    ngram_counts = [0], ngram_indexes = [1, 0], pool_strings = [\"x,\", \"a,b,c\"],\n"
              "    weights = [2.0, 0.5]> (x)\n}",
           1);
}

/* ---- Images and boxes ------------------------------------------------------------------------------------ */

static void use_image(sib_lowering *l)
{
    const sib_param p = SIB_PARAM_TEXT("format", "BGR");
    out(l, 0, word(l, "decode_image", in(l, 0), NONE, NONE, 1, &p));
}

static void use_boxes(sib_lowering *l)
{
    sib_mval all[4] = {in(l, 0), in(l, 1), int64(l, 2), sib_milli_scalar(l, SIB_F32, 0.5)};
    out(l, 0, sib_milli_op(l, "non_max_suppression", 4, all, 0, NULL));
}

TEST(images_and_boxes)
{
    expect(use_image, "p", ML "Ref (x) => (y) { y = ImageDecoder <pixel_format = \"BGR\"> (x) }", 1);
    expect(use_boxes, "bc",
           ML "Ref (b, c) => (y) {\n"
              "  n = Constant <value_int = 2> ()\n  t = Constant <value_float = 0.5> ()\n"
              "  y = NonMaxSuppression (b, c, n, t)\n}",
           1);
}

/* ---- Trees, determinants, probabilities ------------------------------------------------------------------ */

static void use_trees(sib_lowering *l)
{
    cast_out(l, 0, tree(l, 1, 1), SIB_F32);
}

static void use_determinant(sib_lowering *l)
{
    out(l, 0, sib_milli_unary(l, "determinant", in(l, 0)));
}

/* Of two classes the pair alone says the probability. */
static void use_pairs(sib_lowering *l)
{
    const sib_param dims = SIB_PARAM_INTS("dims", 3, ((const int64_t[]){1, 2, 2}));
    sib_mval pairs = list(l, SIB_F64, 4, OF(0, 0.7, 0.3, 0));
    sib_mval p =
        word(l, "couple_pairs", word(l, "reshape", pairs, NONE, NONE, 1, &dims), NONE, NONE, 0, NULL);
    sib_mval scaled = sib_milli_binary(l, "mul", p, sib_milli_number(l, p, 10));
    cast_out(l, 0, sib_milli_unary(l, "round", scaled), SIB_I64);
}

TEST(trees_determinants_and_probabilities)
{
    expect(use_trees, "x",
           ML "Ref (x) => (y) {\n"
              "  y = ai.onnx.ml.TreeEnsembleRegressor <n_targets = 1, nodes_treeids = [0, 0, 0],\n"
              "    nodes_nodeids = [0, 1, 2], nodes_featureids = [1, 0, 0],\n"
              "    nodes_modes = [\"BRANCH_LEQ\", \"LEAF\", \"LEAF\"], nodes_values = [3.0, 0.0, 0.0],\n"
              "    nodes_truenodeids = [1, 0, 0], nodes_falsenodeids = [2, 0, 0], target_treeids = [0, 0],\n"
              "    target_nodeids = [1, 2], target_ids = [0, 0], target_weights = [10.5, 20.25]> (x)\n}",
           1);
    expect(use_determinant, "q", ML "Ref (x) => (y) { y = Det (x) }", 1);
    expect(use_pairs, "x", ML "Ref (x) => (y) { y = Constant <value = int64[1, 2] {7, 3}> () }", 1);
}

/* ---- Random numbers -------------------------------------------------------------------------------------- */

static void use_random(sib_lowering *l)
{
    sib_mdim dims[2] = {sib_mval_dim(l, in(l, 0), 0), sib_mval_dim(l, in(l, 0), 1)};
    const sib_param p[] = {SIB_PARAM_DIMS("dims", 2, dims), SIB_PARAM_INT("seed", 7),
                           SIB_PARAM_INT("dtype", SIB_F32)};
    out(l, 0, sib_milli_op(l, "random_uniform", 0, NULL, 3, p));
    out(l, 1, sib_milli_op(l, "random_normal", 0, NULL, 3, p));
}

/* Whether two draws without a seed are equal. */
static void use_draws(sib_lowering *l)
{
    const sib_param p = SIB_PARAM_INT("dims", 4);
    sib_mval a = sib_milli_op(l, "random_uniform", 0, NULL, 1, &p),
             b = sib_milli_op(l, "random_uniform", 0, NULL, 1, &p);
    out(l, 0, a);
    out(l, 1, sib_milli_binary(l, "equal", a, b));
}

TEST(random_numbers)
{
    sib_error err = SIB_ERROR_INIT;
    use f = use_draws;
    sib_value *first[2] = {NULL}, *again[2] = {NULL};
    expect(use_random, "x",
           ML "Ref (x) => (a, b) {\n"
              "  a = RandomUniform <seed = 7.0, shape = [2, 3]> ()\n"
              "  b = RandomNormal <seed = 7.0, shape = [2, 3]> ()\n}",
           2);
    sib_session *s = make(&f, "x", NULL, 2, NULL);
    CHECK_OK(run(s, "x", first, &err), err);
    CHECK_OK(run(s, "x", again, &err), err);
    tiny_expect(first[1], SIB_BOOL, DIMS(4), OF(0, 0, 0, 0));
    for (int64_t i = 0; i < 4; i++) {
        double a, b;
        CHECK_OK(sib_tensor_get(sib_value_tensor(first[0]), &i, &a, &err), err);
        CHECK_OK(sib_tensor_get(sib_value_tensor(again[0]), &i, &b, &err), err);
        assert_true(a == b && a >= 0 && a < 1);
    }
    for (size_t i = 0; i < 2; i++) {
        sib_value_free(&first[i]);
        sib_value_free(&again[i]);
    }
    sib_session_free(&s);
}
