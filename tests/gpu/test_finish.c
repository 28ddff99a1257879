/* What follows a product or a convolution is part of its launch, and gives the bits of launches of its own. */
#include "run/tiny.h"
#include "session.h"

#include <math.h>
#include <sibyl/plan.h>

TEST_FIXTURE(find_device, NULL)

enum { MAX = 40000 };

static const double *numbers(void)
{
    static double drawn[MAX];
    for (size_t i = 0; i < MAX && drawn[1] == 0; i++)
        drawn[i] = sin((double)i * 7.3) * 1.5;
    return drawn;
}

typedef enum follower { GELU, SILU, CLIP, HARD, FOLLOWERS } follower;

/* An activation in ONNX's operators. */
static value_id activate(tiny *t, follower f, sib_dtype dtype, value_id x)
{
    value_id in[3] = {x, NO_VALUE, NO_VALUE}, made = tiny_made(t, "activated");
    switch (f) {
    case GELU:
        tiny_node(t, "Gelu", "gelu", 1, in, 1, &made, 0, NULL);
        return made;
    case SILU:
        return tiny_op(t, "Mul", x, tiny_op(t, "Sigmoid", x, NO_VALUE, "sigmoid"), "silu");
    case CLIP:
        in[1] = tiny_constant(t, "low", dtype, 0, NULL, OF(-0.5));
        in[2] = tiny_constant(t, "high", dtype, 0, NULL, OF(0.75));
        tiny_node(t, "Clip", "clip", 3, in, 1, &made, 0, NULL);
        return made;
    default:
        return tiny_op(t, "HardSwish", x, NO_VALUE, "hard");
    }
}

/* y = activation(product + bias) + r. apart: every node is a launch. */
static sib_session *session_of(value_id product, tiny *t, follower f, sib_dtype dtype, value_id bias,
                               value_id residual, const char *backends, bool apart)
{
    value_id sum = tiny_op(t, "Add", product, bias, "sum"), made = activate(t, f, dtype, sum);
    tiny_output(t, tiny_op(t, "Add", made, residual, "y"));
    return tiny_session(t, &(sib_session_options){.backends = backends, .threads = 1, .limit_passes = apart});
}

typedef struct sizes {
    int64_t m, k, n;
} sizes;

static sib_session *matmul(sib_dtype dtype, follower f, sizes d, const char *backends, bool apart)
{
    tiny t = tiny_begin();
    char x_dims[50], y_dims[50];
    snprintf(x_dims, sizeof x_dims, "%d %d", (int)d.m, (int)d.k);
    snprintf(y_dims, sizeof y_dims, "%d %d", (int)d.m, (int)d.n);
    value_id x = tiny_input(&t, "x", dtype, x_dims), r = tiny_input(&t, "r", dtype, y_dims);
    value_id w = tiny_constant(&t, "w", dtype, DIMS(d.k, d.n), numbers());
    value_id b = tiny_constant(&t, "b", dtype, DIMS(d.n), numbers() + 5);
    return session_of(tiny_op(&t, "MatMul", x, w, "p"), &t, f, dtype, b, r, backends, apart);
}

/* m features of k channels, whose images are n high and 6 wide, by windows of 2 x 2. */
static sib_session *conv(sib_dtype dtype, follower f, sizes d, const char *backends, bool apart)
{
    tiny t = tiny_begin();
    char x_dims[50], y_dims[50];
    snprintf(x_dims, sizeof x_dims, "2 %d %d 6", (int)d.k, (int)d.n);
    snprintf(y_dims, sizeof y_dims, "2 %d %d 5", (int)d.m, (int)d.n - 1);
    value_id x = tiny_input(&t, "x", dtype, x_dims), r = tiny_input(&t, "r", dtype, y_dims);
    value_id w = tiny_constant(&t, "w", dtype, DIMS(d.m, d.k, 2, 2), numbers());
    value_id b = tiny_constant(&t, "b", dtype, DIMS(d.m, 1, 1), numbers() + 5);
    return session_of(tiny_op(&t, "Conv", x, w, "p"), &t, f, dtype, b, r, backends, apart);
}

/* Fails if the session's last run has more than one step on the device, or one of another kernel. */
static void expect_one(sib_session *s, const char *kernel)
{
    sib_error err = SIB_ERROR_INIT;
    sib_plan *plan = NULL;
    sib_plan_step made;
    CHECK_OK(sib_session_plan(s, &plan, &err), err);
    size_t n = 0;
    while (sib_plan_get_step(plan, 0, n, &made)) {
        assert_string_equal(made.backend, backend());
        assert_string_equal(made.kernel, kernel);
        n++;
    }
    assert_int_equal(n, 1);
    sib_plan_free(&plan);
}

static void expect_close(const sib_value *made, const sib_value *expected, double atol, double rtol,
                         const char *what)
{
    sib_error err = SIB_ERROR_INIT;
    sib_comparison c;
    CHECK_OK(sib_value_compare(made, expected, &(sib_tolerance){.atol = atol, .rtol = rtol}, &c, &err), err);
    if (!c.equal)
        fail_msg("%s: element %llu is %g, expected %g", what, (unsigned long long)c.worst, c.worst_a,
                 c.worst_b);
}

typedef sib_session *maker(sib_dtype dtype, follower f, sizes d, const char *backends, bool apart);

static void check(maker *make, const char *kernel, sib_dtype dtype, follower f, sizes d)
{
    sib_error err = SIB_ERROR_INIT;
    char list[100], what[100];
    const bool image = make == conv;
    snprintf(list, sizeof list, "%s,ref", backend());
    snprintf(what, sizeof what, "%s of %s, activation %d, %d x %d x %d", kernel, sib_dtype_name(dtype), f,
             (int)d.m, (int)d.k, (int)d.n);
    sib_session *sessions[] = {make(dtype, f, d, list, false), make(dtype, f, d, list, true),
                               make(dtype, f, d, "ref", false)};
    sib_value *x = image ? tiny_given(dtype, DIMS(2, d.k, d.n, 6), numbers() + 11)
                         : tiny_given(dtype, DIMS(d.m, d.k), numbers() + 11);
    sib_value *r = image ? tiny_given(dtype, DIMS(2, d.m, d.n - 1, 5), numbers() + 3)
                         : tiny_given(dtype, DIMS(d.m, d.n), numbers() + 3);
    sib_value *made[3] = {NULL};
    for (size_t i = 0; i < 3; i++)
        CHECK_OK(sib_session_run(sessions[i], 2, (const sib_named_value[]){{"x", x}, {"r", r}}, 0, NULL,
                                 &made[i], NULL, &err),
                 err);
    expect_one(sessions[0], kernel);
    if (f != GELU) /* whose erf is in double where it stands alone */
        expect_close(made[0], made[1], 0, 0, what);
    const double unit = dtype == SIB_F32 ? 1e-5 : dtype == SIB_F16 ? 2e-3 : 2e-2;
    expect_close(made[0], made[2], unit, unit, what);
    for (size_t i = 0; i < 3; i++) {
        sib_session_free(&sessions[i]);
        sib_value_free(&made[i]);
    }
    sib_value_free(&x);
    sib_value_free(&r);
}

static const sib_dtype types[] = {SIB_F32, SIB_F16, SIB_BF16};

/* Products by tiles, whose rows end inside of a tile, and of few rows; lengths of rows that are no multiple of 4. */
TEST(test_products)
{
    static const sizes tiled[] = {{70, 20, 68}, {9, 33, 66}, {12, 5, 7}}, few[] = {{1, 40, 24}, {5, 24, 10}};
    for (size_t t = 0; t < COUNT(types); t++)
        for (follower f = 0; f < (types[t] == SIB_F32 ? FOLLOWERS : CLIP); f++) {
            for (size_t i = 0; i < COUNT(tiled) - (types[t] != SIB_F32); i++)
                check(matmul, "matmul", types[t], f, tiled[i]);
            for (size_t i = 0; i < COUNT(few); i++)
                check(matmul, "matvec", types[t], f, few[i]);
        }
}

TEST(test_convolutions)
{
    for (size_t t = 0; t < COUNT(types); t++)
        for (follower f = 0; f < (types[t] == SIB_F32 ? FOLLOWERS : CLIP); f++) {
            check(conv, "conv", types[t], f, (sizes){66, 3, 15});
            check(conv, "conv", types[t], f, (sizes){5, 4, 3});
        }
}
