/* The pass that combines transposes, moves them into products, and cancels them. */
#include "check_passes.h"

#include <string.h>

/* perm: "021"; "" to omit the attribute. */
static value_id turned(tiny *t, value_id x, const char *perm, const char *out)
{
    int64_t axes[8];
    size_t n = strlen(perm);
    value_id made = tiny_made(t, out);
    for (size_t i = 0; i < n; i++)
        axes[i] = perm[i] - '0';
    attribute a = {.name = str_of("perm"), .kind = ATTR_INTS, .n = n, .ints = axes};
    tiny_node(t, "Transpose", out, 1, &x, 1, &made, n != 0, &a);
    return made;
}

static void check(tiny *t, const char *nodes, sib_value *x)
{
    passes_case want = {"-all,transposes,identity", nodes, 1e-6, 1e-6};
    passes_check_one(t, &want, "x", x);
}

TEST(one_after_another)
{
    static const struct {
        const char *first, *second, *nodes;
    } cases[] = {{"120", "201", "Neg"},
                 {"120", "120", "Transpose Neg"},
                 {"", "210", "Neg"},
                 {"102", "021", "Transpose Neg"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tiny t = tiny_begin();
        value_id y = turned(&t, turned(&t, tiny_input(&t, "x", SIB_F32, "2 T 4"), cases[i].first, "a"),
                            cases[i].second, "b");
        tiny_output(&t, tiny_op(&t, "Neg", y, NO_VALUE, "y"));
        check(&t, cases[i].nodes, passes_random(SIB_F32, DIMS(2, 3, 4), 1, i));
    }
}

/* The first has another reader; the result is an output of the graph. */
TEST(shared_and_given)
{
    tiny t = tiny_begin();
    value_id a = turned(&t, tiny_input(&t, "x", SIB_F32, "2 T 4"), "120", "a");
    tiny_output(&t, turned(&t, a, "201", "b"));
    tiny_output(&t, tiny_op(&t, "Neg", a, NO_VALUE, "y"));
    check(&t, "Transpose Identity Neg", passes_random(SIB_F32, DIMS(2, 3, 4), 1, 1));
}

TEST(into_products)
{
    static const struct {
        const char *left, *right, *nodes;
    } cases[] = {{"021", "021", "Abs FusedMatMul"},
                 {"021", "012", "Abs Transpose FusedMatMul"},
                 {"120", "021", "Abs Transpose FusedMatMul"},
                 {"210", "210", "Abs Transpose Transpose MatMul"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tiny t = tiny_begin();
        value_id x = tiny_input(&t, "x", SIB_F32, "3 3 3"), a = tiny_op(&t, "Abs", x, NO_VALUE, "abs");
        tiny_output(&t, tiny_op(&t, "MatMul", turned(&t, x, cases[i].left, "l"),
                                turned(&t, a, cases[i].right, "r"), "y"));
        check(&t, cases[i].nodes, passes_random(SIB_F32, DIMS(3, 3, 3), 1, i));
    }
}

TEST(into_gemm)
{
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "4 T"), y = tiny_made(&t, "y");
    value_id in[] = {turned(&t, x, "10", "l"), passes_weight(&t, "w", DIMS(5, 4), 1, 0),
                     passes_weight(&t, "b", DIMS(5), 1, 0)};
    attribute a[] = {{.name = str_of("alpha"), .kind = ATTR_FLOAT, .f = 0.5F},
                     {.name = str_of("transB"), .kind = ATTR_INT, .i = 1}};
    tiny_node(&t, "Gemm", "g", 3, in, 1, &y, 2, a);
    tiny_output(&t, y);
    check(&t, "Gemm", passes_random(SIB_F32, DIMS(4, 3), 1, 1));
}

/* A pair cancelled before a product that has another transposed operand: both edits in one pass. */
TEST(several_edits_at_once)
{
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "3 3");
    value_id a = turned(&t, turned(&t, x, "10", "a"), "10", "b"), b = turned(&t, x, "10", "c");
    tiny_output(&t, tiny_op(&t, "MatMul", a, b, "y"));
    check(&t, "FusedMatMul", passes_random(SIB_F32, DIMS(3, 3), 1, 1));
}

TEST(taken_back)
{
    for (int kind = 0; kind < 4;
         kind++) { /* plain; another reader; not undone; a sum of two transposed alike */
        tiny t = tiny_begin();
        value_id x = tiny_input(&t, "x", SIB_F32, "1 4 5 6"), a = turned(&t, x, "0231", "a");
        value_id v = tiny_op(&t, "Add", a, passes_weight(&t, "bias", DIMS(4), 1, 0), "v");
        if (kind == 3)
            v = tiny_op(&t, "Mul", turned(&t, tiny_op(&t, "Abs", x, NO_VALUE, "abs"), "0231", "a2"), v,
                        "sum");
        v = tiny_op(&t, "Relu", v, NO_VALUE, "r");
        double two = 2;
        v = tiny_op(&t, "Sub", tiny_constant(&t, "two", SIB_F32, 0, NULL, &two), v, "s");
        if (kind == 1)
            tiny_output(&t, v);
        tiny_output(&t, tiny_op(&t, "Neg", turned(&t, v, kind == 2 ? "0213" : "0312", "b"), NO_VALUE, "y"));
        static const char *const left[] = {"Add Relu Sub Neg", "Transpose Add Relu Sub Transpose Neg",
                                           "Transpose Add Relu Sub Transpose Neg",
                                           "Abs Add Mul Relu Sub Neg"};
        check(&t, left[kind], passes_random(SIB_F32, DIMS(1, 4, 5, 6), 1, (uint64_t)kind));
    }
}
