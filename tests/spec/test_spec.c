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
