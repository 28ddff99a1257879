/* Attributes as structs: defaults, opsets, spellings, axes; and the errors of spec_check. */
#include "spec/spec.h"

#include "base/error.h"
#include "ops/ops.h"

#include "check.h"

#include <math.h>

#define STR(text) ((sib_str){text, sizeof(text) - 1})
#define NODE(operator, opset, ...)                                                                           \
    node_of(operator, opset, sizeof((attribute[]){__VA_ARGS__}) / sizeof(attribute),                         \
            (attribute[]){__VA_ARGS__})

static node node_of(const char *type, int64_t version, size_t n, attribute *attributes)
{
    return (node){.type = str_of(type), .version = version, .n_attributes = n, .attributes = attributes};
}

static attribute an_int(const char *name, int64_t i)
{
    return (attribute){.name = str_of(name), .kind = ATTR_INT, .i = i};
}

static attribute a_float(const char *name, float f)
{
    return (attribute){.name = str_of(name), .kind = ATTR_FLOAT, .f = f};
}

static attribute a_word(const char *name, const char *s)
{
    return (attribute){.name = str_of(name), .kind = ATTR_STRING, .s = str_of(s)};
}

static attribute some_ints(const char *name, size_t n, const int64_t *ints)
{
    return (attribute){.name = str_of(name), .kind = ATTR_INTS, .n = n, .ints = ints};
}

TEST(test_opsets)
{
    node n = node_of("Softmax", 11, 0, NULL);
    size_t begin, end;
    softmax_spec s = spec_softmax(&n);
    assert_int_equal(s.axis, 1);
    assert_true(spec_softmax_axes(&s, 4, &begin, &end) && begin == 1 && end == 4);
    n.version = 13;
    s = spec_softmax(&n);
    assert_int_equal(s.axis, -1);
    assert_true(spec_softmax_axes(&s, 4, &begin, &end) && begin == 3 && end == 4);
    n = NODE("Softmax", 1, an_int("axis", 2)); /* past the last axis: each element by itself */
    s = spec_softmax(&n);
    assert_true(spec_softmax_axes(&s, 2, &begin, &end) && begin == 2 && end == 2);
    assert_false(spec_softmax_axes(&s, 1, &begin, &end));

    n = node_of("ReduceSum", 12, 0, NULL);
    assert_false(spec_reduce(&n).axes_in_input);
    n.version = 13;
    assert_true(spec_reduce(&n).axes_in_input);
    n.type = STR("ReduceMax");
    assert_false(spec_reduce(&n).axes_in_input);
    n.version = 18;
    assert_true(spec_reduce(&n).axes_in_input);

    static const int64_t pads[] = {1, 2};
    n = NODE("Pad", 1, some_ints("paddings", 2, pads));
    assert_true(spec_pad(&n).pads.v == pads && spec_pad(&n).pads.n == 2);
    n.version = 2;
    assert_null(spec_pad(&n).pads.v);
    n = node_of("Clip", 1, 0, NULL);
    assert_true(isnan(spec_clip(&n).min) && isnan(spec_clip(&n).max));
    n.version = 6;
    assert_true(spec_clip(&n).min == -(double)3.4028234663852886e38f && spec_clip(&n).max > 3e38);
    n = NODE("Resize", 10, a_word("coordinate_transformation_mode", "align_corners"), an_int("antialias", 1));
    resize_spec r = spec_resize(&n);
    assert_true(r.coordinate_transformation_mode == RESIZE_ASYMMETRIC && r.nearest_mode == RESIZE_EARLY &&
                !r.antialias);
    n.version = 11;
    r = spec_resize(&n);
    assert_true(r.coordinate_transformation_mode == RESIZE_ALIGN_CORNERS &&
                r.nearest_mode == RESIZE_PREFER_FLOOR);
    assert_true(r.antialias && !spec_resize_rule(&r).antialias); /* mode nearest does not read it */
}

TEST(test_defaults)
{
    node n = node_of("LeakyRelu", 16, 0, NULL);
    assert_true(spec_activation(&n).alpha == (double)0.01f);
    n.type = STR("Elu");
    assert_true(spec_activation(&n).alpha == 1);
    n.type = STR("Selu");
    assert_true(spec_activation(&n).alpha > 1.67325 && spec_activation(&n).gamma > 1.05070);
    n.version = 1;
    assert_true(spec_activation(&n).alpha == (double)1.6732f && spec_activation(&n).gamma == (double)1.0507f);
    n = NODE("Elu", 6, a_float("alpha", 0.5f));
    assert_true(spec_activation(&n).alpha == 0.5);
    n = NODE("Gather", 13, an_int("axis", -2), an_int("batch_dims", 1), an_int("batch", 3));
    assert_true(spec_gather(&n).axis == -2 && spec_gather(&n).batch_dims == 1);
    n.type = STR("gather_nd"); /* the milli-op */
    assert_int_equal(spec_gather(&n).batch_dims, 3);
    n = node_of("Conv", 11, 0, NULL);
    conv_spec c = spec_conv(&n);
    assert_true(c.group == 1 && c.spatial.auto_pad == PAD_EXPLICIT && !c.spatial.strides.v);
    assert_int_equal(spec_item(c.spatial.strides, 0, 1), 1);
    n = NODE("Unique", 11, an_int("axis", 0));
    assert_int_equal(spec_unique(&n).axis, 0);
    n.n_attributes = 0;
    assert_true(spec_unique(&n).axis == SPEC_ABSENT);
    n = NODE("Squeeze", 11, some_ints("axes", 0, NULL)); /* empty is not absent */
    assert_true(spec_axes(&n).axes.v && spec_axes(&n).axes.n == 0);
}

TEST(test_words)
{
    node n = NODE("GRU", 1, a_word("direction", "foward"));
    assert_int_equal(spec_recurrent(&n).direction, DIRECTION_FORWARD);
    n = NODE("GRU", 7, a_word("direction", "bidirectional"));
    assert_int_equal(spec_recurrent(&n).direction, DIRECTION_BOTH);
    n = NODE("Conv", 1, a_word("auto_pad", ""));
    assert_int_equal(spec_conv(&n).spatial.auto_pad, PAD_EXPLICIT);
    n = NODE("GridSample", 20, a_word("mode", "bicubic"), a_word("padding_mode", "reflection"));
    assert_true(spec_grid(&n).mode == SAMPLE_CUBIC && spec_grid(&n).padding_mode == SAMPLE_REFLECT);
    n = NODE("ScatterND", 16, a_word("reduction", "max")); /* unknown there: the default */
    assert_int_equal(spec_scatter(&n).reduction, SCATTER_NONE);
    n.version = 18;
    assert_int_equal(spec_scatter(&n).reduction, SCATTER_MAX);
}

TEST(test_axes)
{
    size_t at;
    assert_true(spec_axis(-1, 3, &at) && at == 2);
    assert_true(spec_axis(0, 1, &at) && at == 0);
    assert_false(spec_axis(3, 3, &at) || spec_axis(-4, 3, &at) || spec_axis(0, 0, &at));
    assert_false(spec_axis(INT64_MIN, 3, &at) || spec_axis(INT64_MAX, 3, &at));
}

TEST(test_bad_attributes)
{
    sib_error err = SIB_ERROR_INIT;
    static const int64_t none[] = {2, 0}, many[33] = {0};
    node n = NODE("Elu", 6, an_int("alpha", 1));
    CHECK_FAILS(spec_check(&spec_table_activation, &n, &err), SIB_ERR_ARGUMENT, err,
                "attribute alpha is an int, expected a float");
    n = NODE("Gather", 13, a_float("axis", 1));
    CHECK_FAILS(spec_check(&spec_table_gather, &n, &err), SIB_ERR_ARGUMENT, err,
                "attribute axis is a float, expected an int");
    assert_int_equal(spec_gather(&n).axis, 0);
    n = node_of("Concat", 13, 0, NULL);
    CHECK_FAILS(spec_check(&spec_table_concat, &n, &err), SIB_ERR_ARGUMENT, err, "attribute axis is missing");
    n.version = 1;
    CHECK_OK(spec_check(&spec_table_concat, &n, &err), err);
    n = NODE("Conv", 11, some_ints("strides", 2, none));
    CHECK_FAILS(spec_check(&spec_table_conv, &n, &err), SIB_ERR_ARGUMENT, err,
                "attribute strides is 0, expected at least 1");
    n = NODE("ReduceMax", 13, some_ints("axes", 33, many));
    CHECK_FAILS(spec_check(&spec_table_reduce, &n, &err), SIB_ERR_ARGUMENT, err,
                "attribute axes has 33 items, expected at most");
    n = NODE("LpNormalization", 1, an_int("p", 3));
    CHECK_FAILS(spec_check(&spec_table_lp_norm, &n, &err), SIB_ERR_ARGUMENT, err,
                "attribute p is 3, expected 1 to 2");
    n = NODE("ScatterND", 16, a_word("reduction", "max"));
    CHECK_FAILS(spec_check(&spec_table_scatter, &n, &err), SIB_ERR_ARGUMENT, err,
                "attribute reduction is 'max', expected none, add or mul");
    n = NODE("Cast", 13, an_int("to", 0));
    CHECK_FAILS(spec_check(&spec_table_cast, &n, &err), SIB_ERR_ARGUMENT, err,
                "attribute to is 0, which is not a dtype");
    n = NODE("Cast", 13, an_int("to", 1000));
    CHECK_FAILS(spec_check(&spec_table_cast, &n, &err), SIB_ERR_ARGUMENT, err, "1000, which is not a dtype");
    n = NODE("LpPool", 1, an_int("p", 3)); /* an int in opset 2, a float before: either is taken */
    CHECK_OK(spec_check(&spec_table_pool, &n, &err), err);
    assert_true(spec_pool(&n).p == 3);
}

TEST(test_pads)
{
    /* 3 windows of 4 elements, 2 apart, cover 8 */
    assert_int_equal(spec_pads_excess(3, 2, 4, 5), 3);
    assert_int_equal(spec_pads_excess(3, 2, 4, 9), 0);
    assert_int_equal(spec_pads_before(PAD_SAME_UPPER, 3), 1);
    assert_int_equal(spec_pads_before(PAD_SAME_LOWER, 3), 2);
    assert_int_equal(spec_pads_before(PAD_EXPLICIT, 3), 2); /* ConvTranspose with output_shape */
    static const int64_t pads[] = {1, 2};
    node n = NODE("Conv", 11, some_ints("pads", 2, pads));
    spatial_spec s = spec_spatial(&n);
    assert_true(spec_pads_given(&s, 1) == 2 && spec_pads_given(&s, 2) == 0);
    n = NODE("Conv", 11, some_ints("pads", 2, pads), a_word("auto_pad", "VALID"));
    s = spec_spatial(&n);
    assert_true(!spec_pads_same(s.auto_pad) && spec_pads_given(&s, 1) == 0);
}

/* Every operator has a table, and each row of it a name or a fact; words have the default that they say. */
TEST(test_tables)
{
    static const char *const with[] = {"Softmax", "Conv", "Resize", "LSTM", "If"};
    for (size_t i = 0; i < sizeof with / sizeof *with; i++) {
        const op_def *op = ops_find(STR(""), str_of(with[i]));
        assert_non_null(op);
        assert_true(op->attributes->n > 0);
        for (size_t k = 0; k < op->attributes->n; k++) {
            const spec_row *r = &op->attributes->rows[k];
            assert_true(r->name || (k && !r->required));
            assert_true(r->kind != SPEC_ENUM || !r->name || r->text);
        }
    }
    assert_int_equal(ops_find(STR(""), STR("Relu"))->attributes->n, 0);
}

/* ---- Every row of every table --------------------------------------------------------------------------------------- */

static const struct family {
    const char *name;
    const spec_table *table;
} families[] = {
#define SPEC(family) {#family, &spec_table_##family},
#define END(family)
#define INT(...)
#define FLAG(...)
#define FLOAT(...)
#define NUMBER(...)
#define DTYPE(...)
#define ENUM(...)
#define TEXT(...)
#define INTS(...)
#define FLOATS(...)
#define STRINGS(...)
#define TENSOR(...)
#define GRAPH(...)
#define TYPE(...)
#define PART(...)
#define ALSO(...)
#include "spec/spec.def"
#include "spec/undefine.h"
};

/* A node that the row holds of and that has this attribute alone; the first name of those in `only`. */
static node node_of_row(const spec_row *r, attribute *a, char type[64])
{
    const size_t length = r->only ? strcspn(r->only, "|") : 0;
    snprintf(type, 64, "%.*s", (int)length, r->only ? r->only : "");
    a->name = str_of(r->name);
    return node_of(type, r->until ? r->until : r->since ? r->since : 99, 1, a);
}

/* Checks by this row alone: SIB_OK, or the error's words. */
static void check_by_row(const struct family *f, const spec_row *r, attribute a, const char *words)
{
    char type[64];
    sib_error err = SIB_ERROR_INIT;
    const spec_table alone = {1, r};
    node n = node_of_row(r, &a, type);
    const sib_code code = spec_check(&alone, &n, &err);
    if (code != (words ? SIB_ERR_ARGUMENT : SIB_OK) || (words && !strstr(err.message, words)))
        fail_msg("%s.%s: '%s', expected '%s'", f->name, r->name, err.message, words ? words : "no error");
}

/* A number at its bounds, and one beyond each; as an item of a list too. */
static void check_bounds(const struct family *f, const spec_row *r, attribute_kind kind)
{
    const bool real = kind == ATTR_FLOAT || kind == ATTR_FLOATS;
    for (int k = 0; k < 4; k++) {
        const double x = (k < 2 ? r->min : r->max) + (k == 0 ? -1 : k == 3 ? 1 : 0);
        if (fabs(x) < 9e18 && (real ? (double)(float)x != x : (double)(int64_t)x != x))
            continue; /* a bound that no value of this kind is */
        const int64_t items[] = {r->min > 0 ? (int64_t)ceil(r->min) : 0,
                                 fabs(x) < 9e18 ? (int64_t)x : INT64_MAX};
        const float floats[] = {r->min > 0 ? (float)ceil(r->min) : 0, (float)x};
        const bool bounded = r->min < r->max && !(r->max > 9e18 && k >= 2) && (!real || fabs(x) < 1e6);
        attribute a = {.kind = kind, .i = items[1]}; /* a union: one of what follows */
        if (kind == ATTR_FLOAT)
            a.f = floats[1];
        if (kind == ATTR_INTS || kind == ATTR_FLOATS)
            a.n = 2;
        if (kind == ATTR_INTS)
            a.ints = items;
        if (kind == ATTR_FLOATS)
            a.floats = floats;
        char words[200];
        snprintf(words, sizeof words,
                 r->max > 9e18 ? "attribute %s is %.17g, expected at least %g"
                               : "attribute %s is %.17g, expected %g to %.12g",
                 r->name, real ? (double)floats[1] : (double)items[1], r->min, r->max);
        check_by_row(f, r, a, bounded && (k == 0 || k == 3) ? words : NULL);
    }
}

/* Each word of the row's list is one of its node's, under its number, and an invented one is refused. */
static void check_words(const struct family *f, const spec_row *r)
{
    char list[400], *next = list;
    int field = -7, at = 0;
    snprintf(list, sizeof list, "%s", r->text);
    for (bool more = true; more; at++) {
        char *end = next + strcspn(next, "|"), *word = next;
        more = *end == '|';
        *end = '\0';
        next = end + 1;
        for (bool spellings = true; spellings;) {
            char *after = word + strcspn(word, ",:"), type[64];
            const bool dated = *after == ':';
            char *stop = after + strcspn(after, ",");
            spellings = *stop == ',';
            *after = '\0';
            attribute a = {.kind = ATTR_STRING, .s = str_of(word)};
            spec_row here = *r;
            here.offset = 0;
            const spec_table alone = {1, &here};
            node n = node_of_row(r, &a, type);
            spec_read(&alone, &n, &field);
            if (!dated && field != at)
                fail_msg("%s.%s: '%s' is %d, expected %d", f->name, r->name, word, field, at);
            if (!dated)
                check_by_row(f, r, a, NULL);
            word = stop + 1;
        }
    }
    char words[100];
    snprintf(words, sizeof words, "attribute %s is 'strange', expected ", r->name);
    check_by_row(f, r, a_word("", "strange"), words);
}

static void check_row(const struct family *f, const spec_row *r)
{
    static const attribute_kind kinds[] = {
        [SPEC_INT] = ATTR_INT,         [SPEC_FLAG] = ATTR_INT,      [SPEC_FLOAT] = ATTR_FLOAT,
        [SPEC_NUMBER] = ATTR_FLOAT,    [SPEC_DTYPE] = ATTR_INT,     [SPEC_ENUM] = ATTR_STRING,
        [SPEC_TEXT] = ATTR_STRING,     [SPEC_INTS] = ATTR_INTS,     [SPEC_FLOATS] = ATTR_FLOATS,
        [SPEC_STRINGS] = ATTR_STRINGS, [SPEC_TENSOR] = ATTR_TENSOR, [SPEC_GRAPH] = ATTR_GRAPH,
        [SPEC_TYPE] = ATTR_TYPE};
    char type[64], words[200];
    sib_error err = SIB_ERROR_INIT;
    const spec_table alone = {1, r};
    const attribute_kind kind = kinds[r->kind];
    node none = node_of_row(r, &(attribute){0}, type);
    none.n_attributes = 0;
    assert_int_equal(spec_check(&alone, &none, &err), r->required ? SIB_ERR_ARGUMENT : SIB_OK);
    snprintf(words, sizeof words, "attribute %s is a sparse tensor, expected %s", r->name,
             kind == ATTR_INT ? "an int" : "a");
    check_by_row(f, r, (attribute){.kind = ATTR_SPARSE}, words);
    if (r->kind == SPEC_INT || r->kind == SPEC_FLOAT || r->kind == SPEC_NUMBER || r->kind == SPEC_INTS ||
        r->kind == SPEC_FLOATS)
        check_bounds(f, r, kind);
    if (r->kind == SPEC_NUMBER)
        check_bounds(f, r, ATTR_INT);
    if (r->kind == SPEC_ENUM && r->number >= 0)
        check_words(f, r);
    if (r->max_items) {
        int64_t *many = calloc(r->max_items + 1, sizeof *many); /* 0 may be below the bounds of an item */
        assert_non_null(many);
        for (size_t i = 0; i <= r->max_items; i++)
            many[i] = r->min > 0 ? (int64_t)r->min : 0;
        check_by_row(f, r, (attribute){.kind = ATTR_INTS, .n = r->max_items, .ints = many}, NULL);
        snprintf(words, sizeof words, "attribute %s has %zu items, expected at most %zu", r->name,
                 r->max_items + 1, r->max_items);
        check_by_row(f, r, (attribute){.kind = ATTR_INTS, .n = r->max_items + 1, .ints = many}, words);
        free(many);
    }
    /* a list without items may be of any kind of list, and one of opsets before or after holds of none */
    if (kind == ATTR_INTS || kind == ATTR_FLOATS || kind == ATTR_STRINGS)
        for (int i = 0; i < 3; i++)
            check_by_row(
                f, r, (attribute){.kind = (attribute_kind[]){ATTR_INTS, ATTR_FLOATS, ATTR_STRINGS}[i]}, NULL);
    attribute wrong = {.kind = ATTR_SPARSE};
    node n = node_of_row(r, &wrong, type);
    n.version = r->since - 1;
    if (r->since)
        CHECK_OK(spec_check(&alone, &n, &err), err);
    n.version = r->until + 1;
    if (r->until)
        CHECK_OK(spec_check(&alone, &n, &err), err);
    n = node_of_row(r, &wrong, type);
    n.type = STR("NoSuchOperator");
    if (r->only)
        CHECK_OK(spec_check(&alone, &n, &err), err);
}

TEST(test_every_row)
{
    for (size_t i = 0; i < COUNT(families); i++)
        for (size_t k = 0; k < families[i].table->n; k++) {
            const spec_row *r = &families[i].table->rows[k];
            if (r->kind != SPEC_PART && r->name)
                check_row(&families[i], r);
        }
}

/* Kinds as messages name them, and one that no file has. */
TEST(test_names_of_kinds)
{
    static const struct {
        attribute_kind kind;
        const char *name;
    } kinds[] = {{ATTR_FLOAT, "a float"},
                 {ATTR_STRING, "a string"},
                 {ATTR_TENSOR, "a tensor"},
                 {ATTR_GRAPH, "a graph"},
                 {ATTR_FLOATS, "a list of floats"},
                 {ATTR_INTS, "a list of ints"},
                 {ATTR_STRINGS, "a list of strings"},
                 {ATTR_TENSORS, "a list of tensors"},
                 {ATTR_GRAPHS, "a list of graphs"},
                 {ATTR_SPARSE, "a sparse tensor"},
                 {(attribute_kind)12, "a list of sparse tensors"},
                 {ATTR_TYPE, "a type"},
                 {(attribute_kind)40, "of an unknown kind"},
                 {(attribute_kind)0, "of an unknown kind"}};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        sib_error err = SIB_ERROR_INIT;
        char words[100];
        attribute a = {.name = STR("axis"), .kind = kinds[i].kind, .n = 1};
        node n = node_of("Gather", 13, 1, &a);
        snprintf(words, sizeof words, "attribute axis is %s, expected an int", kinds[i].name);
        CHECK_FAILS(spec_check(&spec_table_gather, &n, &err), SIB_ERR_ARGUMENT, err, words);
    }
}

TEST(test_choices_are_listed)
{
    sib_error err = SIB_ERROR_INIT;
    node n = NODE("ScatterND", 18, a_word("reduction", "x"));
    CHECK_FAILS(spec_check(&spec_table_scatter, &n, &err), SIB_ERR_ARGUMENT, err,
                "attribute reduction is 'x', expected none, add, mul, max or min");
    n = NODE("Gelu", 20, a_word("approximate", "non"));
    CHECK_FAILS(spec_check(&spec_table_gelu, &n, &err), SIB_ERR_ARGUMENT, err,
                "attribute approximate is 'non', expected none or tanh");
    n = NODE("Cast", 13, an_int("to", SIB_I2));
    CHECK_OK(spec_check(&spec_table_cast, &n, &err), err);
    assert_int_equal(spec_cast(&n).to, SIB_I2);
    n = NODE("Cast", 13, an_int("to", SIB_I2 + 1));
    CHECK_FAILS(spec_check(&spec_table_cast, &n, &err), SIB_ERR_ARGUMENT, err, "which is not a dtype");
    n = NODE("Cast", 13, an_int("to", 1));
    CHECK_OK(spec_check(&spec_table_cast, &n, &err), err);
}

/* ---- The front end of MelSpectrogram ---------------------------------------------------------------------------------- */

static mel_spec absent_mel(mel_preset preset)
{
    node n = node_of("MelSpectrogram", 1, 0, NULL);
    mel_spec s = spec_mel(&n);
    s.preset = preset;
    return s;
}

static void same_front_end(const sib_mel_spec *a, const sib_mel_spec *b)
{
#define SAME(field) assert_true(a->field == b->field)
    SAME(sample_rate), SAME(n_fft), SAME(win_length), SAME(hop_length), SAME(n_mels), SAME(window),
        SAME(framing), SAME(drop_last_frame), SAME(remove_dc), SAME(preemphasis), SAME(power), SAME(f_min),
        SAME(f_max), SAME(scale), SAME(norm), SAME(slope), SAME(log), SAME(log_floor), SAME(log_reference),
        SAME(dynamic_range), SAME(offset), SAME(gain), SAME(smooth);
#undef SAME
}

TEST(test_front_ends)
{
    static const char *const names[] = {"whisper", "librosa", "kaldi"};
    for (int preset = 0; preset < 3; preset++) {
        sib_mel_spec plain, got;
        sib_error err = SIB_ERROR_INIT;
        mel_spec s = absent_mel((mel_preset)preset);
        CHECK_OK(sib_mel_spec_preset(names[preset], 0, &plain, &err), err);
        got = spec_front_end(&s);
        same_front_end(&got, &plain);
        /* each given alone, as the first and the second of its words */
        for (int word = 0; word < 2; word++) {
            sib_mel_spec wanted = plain;
#define GIVEN(field, to)                                                                                     \
    s = absent_mel((mel_preset)preset), s.field = (to), wanted = plain, wanted.field = (to),                 \
    got = spec_front_end(&s), same_front_end(&got, &wanted)
            GIVEN(sample_rate, 12345 + word), GIVEN(win_length, 300 + word), GIVEN(hop_length, 77 + word),
                GIVEN(n_mels, 33 + word);
            GIVEN(preemphasis, 0.25 + word), GIVEN(power, 0.5 + word), GIVEN(f_min, 3.5 + word),
                GIVEN(f_max, 4321.5 + word), GIVEN(log_floor, 0.125 + word), GIVEN(log_reference, 2.5 + word),
                GIVEN(dynamic_range, 9.5 + word), GIVEN(offset, 1.25 + word), GIVEN(gain, 0.75 + word);
            GIVEN(window, word), GIVEN(framing, word), GIVEN(scale, word), GIVEN(norm, word),
                GIVEN(slope, word), GIVEN(log, word), GIVEN(smooth, word);
            GIVEN(drop_last_frame, word), GIVEN(remove_dc, word);
#undef GIVEN
        }
        s = absent_mel(
            (mel_preset)preset); /* a transform's length is that of the window too, unless that is given */
        s.n_fft = 640;
        got = spec_front_end(&s);
        assert_true(got.n_fft == 640 && got.win_length == 640);
        s.win_length = 500;
        got = spec_front_end(&s);
        assert_true(got.n_fft == 640 && got.win_length == 500);
    }
}
