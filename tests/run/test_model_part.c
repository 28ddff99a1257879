/* Parts of models: the nodes and inputs that some values need, and no others. */
#include "base/packs.h"
#include "check_memory.h"
#include "tiny.h"

/* h = x + w, left = -h, z = y * w, right = if c then |z| else -z: two components that share a weight. */
static sib_model *two_components(void)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "N 2"), y = tiny_input(&t, "y", SIB_F32, "2"),
             c = tiny_input(&t, "c", SIB_BOOL, "");
    value_id w = tiny_constant(&t, "w", SIB_F32, DIMS(2), OF(10, 20));
    value_id z = tiny_op(&t, "Mul", y, w, "z"), h = tiny_op(&t, "Add", x, w, "h");
    tiny_output(&t, tiny_op(&t, "Neg", h, NO_VALUE, "left"));
    graph *branches[2];
    for (int k = 0; k < 2; k++) {
        value_id inside;
        branches[k] = tiny_enter(&t);
        CHECK_OK(graph_capture(branches[k], z, &inside, &err), err);
        tiny_output(&t, tiny_op(&t, k ? "Neg" : "Abs", inside, NO_VALUE, k ? "negative" : "positive"));
        tiny_leave(&t);
    }
    attribute a[] = {{.name = str_of("then_branch"), .kind = ATTR_GRAPH, .graph = branches[0]},
                     {.name = str_of("else_branch"), .kind = ATTR_GRAPH, .graph = branches[1]}};
    value_id right = tiny_made(&t, "right");
    tiny_node(&t, "If", "choose", 1, &c, 1, &right, 2, a);
    tiny_output(&t, right);
    return tiny_model(&t);
}

static sib_model *part_of(const sib_model *m, const char *output)
{
    sib_error err = SIB_ERROR_INIT;
    sib_model *part = NULL;
    CHECK_OK(sib_model_part(m, &output, 1, &part, &err), err);
    return part;
}

static void run_part(sib_model *part, size_t n, const sib_named_value *in, const int64_t *dims, size_t rank,
                     const double *expected)
{
    sib_error err = SIB_ERROR_INIT;
    sib_session *s = NULL;
    sib_value *out = NULL;
    CHECK_OK(sib_session_create(part, NULL, &s, &err), err);
    CHECK_OK(sib_session_run(s, n, in, 0, NULL, &out, NULL, &err), err);
    tiny_expect(out, SIB_F32, rank, dims, expected);
    sib_value_free(&out);
    sib_session_free(&s);
}

TEST(a_part_has_its_own_inputs_alone)
{
    sib_model *m = two_components(), *left = part_of(m, "left"), *right = part_of(m, "right");
    sib_value_info v;
    sib_model_info info;
    sib_model_free(&m); /* parts keep what they need */
    sib_model_get_info(left, &info);
    assert_int_equal(info.n_nodes, 2);
    assert_int_equal(info.n_inputs, 1);
    assert_int_equal(info.n_values, 4);
    assert_int_equal(info.parameters, 2);
    assert_true(sib_model_output(left, 0, &v));
    assert_string_equal(v.name, "left");
    assert_string_equal(v.type, "float32 [N, 2]");
    sib_model_get_info(right, &info);
    assert_int_equal(info.n_nodes, 2);
    assert_int_equal(info.n_inputs, 2);
    assert_true(sib_model_input(right, 0, &v));
    assert_string_equal(v.name, "y");
    assert_true(sib_model_input(right, 1, &v));
    assert_string_equal(v.name, "c");

    sib_value *x = tiny_given(SIB_F32, DIMS(1, 2), OF(1, 2)), *y = tiny_given(SIB_F32, DIMS(2), OF(-3, 4));
    for (int yes = 0; yes < 2; yes++) {
        sib_value *c = tiny_given(SIB_BOOL, 0, NULL, OF(yes));
        run_part(right, 2, (const sib_named_value[]){{"y", y}, {"c", c}}, (const int64_t[]){2}, 1,
                 yes ? OF(30, 80) : OF(30, -80));
        sib_value_free(&c);
    }
    run_part(left, 1, &(sib_named_value){"x", x}, (const int64_t[]){1, 2}, 2, OF(-11, -22));
    sib_value_free(&x);
    sib_value_free(&y);
    sib_model_free(&left);
    sib_model_free(&right);
}

TEST(any_value_can_be_an_output)
{
    sib_error err = SIB_ERROR_INIT;
    const char *const names[] = {"z", "h"};
    sib_model *m = two_components(), *part = NULL;
    sib_value_info v;
    sib_model_info info;
    CHECK_OK(sib_model_part(m, names, 2, &part, &err), err);
    sib_model_free(&m);
    sib_model_get_info(part, &info);
    assert_int_equal(info.n_nodes, 2);
    assert_int_equal(info.n_outputs, 2);
    assert_true(sib_model_output(part, 0, &v));
    assert_string_equal(v.name, "z");
    sib_model *smaller = part_of(part, "h"); /* of a part */
    sib_model_free(&part);
    sib_value *x = tiny_given(SIB_F32, DIMS(1, 2), OF(1, 2));
    run_part(smaller, 1, &(sib_named_value){"x", x}, (const int64_t[]){1, 2}, 2, OF(11, 22));
    sib_value_free(&x);
    sib_model_free(&smaller);
}

#define WIDE 48

/* p = x * w with weights in the file, left = -p, right = |p|. */
static sib_model *two_readers(void)
{
    double weights[WIDE * WIDE];
    for (int i = 0; i < WIDE * WIDE; i++)
        weights[i] = i % 7 - 3;
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "1 48"),
             w = tiny_constant(&t, "w", SIB_F32, DIMS(WIDE, WIDE), weights);
    value_id p = tiny_op(&t, "MatMul", x, w, "p");
    tiny_output(&t, tiny_op(&t, "Neg", p, NO_VALUE, "left"));
    tiny_output(&t, tiny_op(&t, "Abs", p, NO_VALUE, "right"));
    return tiny_model(&t);
}

TEST(parts_share_packed_weights)
{
    sib_model *m = two_readers();
    double ones[WIDE], negative[WIDE], absolute[WIDE];
    for (int c = 0; c < WIDE; c++) {
        ones[c] = 1;
        double sum = 0;
        for (int r = 0; r < WIDE; r++)
            sum += (r * WIDE + c) % 7 - 3;
        negative[c] = -sum;
        absolute[c] = sum < 0 ? -sum : sum;
    }
    sib_value *x = tiny_given(SIB_F32, DIMS(1, WIDE), ones);
    const sib_named_value in = {"x", x};
    sib_model *left = part_of(m, "left"), *right = part_of(m, "right");
    run_part(left, 1, &in, (const int64_t[]){1, WIDE}, 2, negative);
    size_t bytes = packs_bytes(m->packs);
    assert_true(bytes >= WIDE * WIDE * sizeof(float));
    run_part(right, 1, &in, (const int64_t[]){1, WIDE}, 2, absolute);
    assert_int_equal(packs_bytes(m->packs), bytes);
    assert_int_equal(packs_bytes(left->packs), 0);
    assert_int_equal(packs_bytes(right->packs), 0);
    sib_model_free(&m);
    sib_model_free(&left); /* its packed weights remain */
    run_part(right, 1, &in, (const int64_t[]){1, WIDE}, 2, absolute);
    sib_model_free(&right);
    sib_value_free(&x);
}

TEST(a_part_may_begin_at_any_value)
{
    sib_error err = SIB_ERROR_INIT;
    sib_model *m = two_components(), *part = NULL;
    const char *const from[] = {"h", "z"}, *const to[] = {"left", "right"};
    CHECK_OK(sib_model_between(m, from, 2, to, 2, &part, &err), err);
    sib_model_info info;
    sib_model_get_info(part, &info);
    assert_int_equal(info.n_nodes, 2);
    assert_int_equal(info.n_inputs, 3);
    sib_value_info v;
    static const char *const names[] = {"c", "h", "z"};
    for (size_t i = 0; i < 3; i++) {
        assert_true(sib_model_input(part, i, &v));
        assert_string_equal(v.name, names[i]);
    }
    sib_model_free(&part);
    const char *const h = "h", *const left = "left";
    CHECK_OK(sib_model_between(m, &h, 1, &left, 1, &part, &err), err);
    sib_value *x = tiny_given(SIB_F32, 2, (const int64_t[]){1, 2}, OF(3, -4));
    run_part(part, 1, &(sib_named_value){"h", x}, (const int64_t[]){1, 2}, 2, OF(-3, 4));
    sib_value_free(&x);
    sib_model_free(&part);
    const char *const w = "w";
    assert_int_equal(sib_model_between(m, &w, 1, &left, 1, &part, &err), SIB_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "'w' is a constant"));
    /* the model itself is as it was */
    CHECK_OK(sib_model_part(m, &left, 1, &part, &err), err);
    sib_model_get_info(part, &info);
    assert_int_equal(info.n_nodes, 2);
    sib_model_free(&part);
    sib_model_free(&m);
}

/* Each node alone: what one makes no other reads, and a weight may be given, too. */
TEST(nodes_apart_read_what_is_given)
{
    sib_error err = SIB_ERROR_INIT;
    sib_model *m = two_components(), *apart = NULL;
    const char *const given[] = {"x", "w", "h", "left"};
    sib_value_info v;
    CHECK_OK(sib_model_apart(m, given, 4, &apart, &err), err);
    static const char *const inputs[] = {"x", "w", "h"}, *const outputs[] = {"h (made)", "left (made)"};
    for (size_t i = 0; i < 3; i++) {
        assert_true(sib_model_input(apart, i, &v));
        assert_string_equal(v.name, inputs[i]);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_true(sib_model_output(apart, i, &v));
        assert_string_equal(v.name, outputs[i]);
    }
    sib_session *s = NULL;
    sib_value *out[2], *x = tiny_given(SIB_F32, 2, (const int64_t[]){1, 2}, OF(1, 2)),
                       *h = tiny_given(SIB_F32, 2, (const int64_t[]){1, 2}, OF(7, 8)),
                       *w = tiny_given(SIB_F32, DIMS(2), OF(5, 5));
    const sib_named_value in[] = {{"x", x}, {"h", h}, {"w", w}};
    CHECK_OK(sib_session_create(apart, NULL, &s, &err), err);
    CHECK_OK(sib_session_run(s, 3, in, 0, NULL, out, NULL, &err), err);
    tiny_expect(out[0], SIB_F32, 2, (const int64_t[]){1, 2}, OF(6, 7));
    tiny_expect(out[1], SIB_F32, 2, (const int64_t[]){1, 2}, OF(-7, -8));
    for (size_t i = 0; i < 2; i++)
        sib_value_free(&out[i]);
    sib_value_free(&x);
    sib_value_free(&h);
    sib_value_free(&w);
    sib_session_free(&s);
    sib_model_free(&apart);
    CHECK_FAILS(sib_model_apart(m, given, 2, &apart, &err), SIB_ERR_ARGUMENT, err,
                "no node makes any of the 2 values");
    assert_null(apart);
    sib_model_free(&m);
}

TEST(what_cannot_be_is_named)
{
    sib_model *m = two_components(), *part = NULL;
    sib_error err = SIB_ERROR_INIT;
    assert_int_equal(sib_model_part(m, (const char *const[]){"nothing"}, 1, &part, &err), SIB_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "'nothing'"));
    assert_null(part);
    err = (sib_error)SIB_ERROR_INIT;
    assert_int_equal(sib_model_part(m, (const char *const[]){"left", "left"}, 2, &part, &err),
                     SIB_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "'left'"));
    assert_int_equal(sib_model_part(m, NULL, 0, &part, NULL), SIB_ERR_ARGUMENT);
    sib_model_free(&m);
}

TEST(every_failed_allocation_is_clean)
{
    sib_model *m = two_components();
    const char *const right[] = {"right"};
    sib_error err = SIB_ERROR_INIT;
    sib_model *part = NULL;
    CHECK_EVERY_ALLOCATION(sib_model_part(m, right, 1, &part, &err), sib_model_free(&part));
    const char *const z = "z";
    CHECK_EVERY_ALLOCATION(sib_model_between(m, &z, 1, right, 1, &part, &err), sib_model_free(&part));
    sib_model_free(&m);
}
