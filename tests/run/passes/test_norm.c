/* Passes that replace arithmetic by one operator: LayerNormalization, RMSNormalization and Gelu. */
#include "check_passes.h"

#include <string.h>

static value_id number(tiny *t, const char *name, double x)
{
    return tiny_constant(t, name, SIB_F32, 0, NULL, &x);
}

static value_id mean(tiny *t, value_id x, int64_t axis, int64_t keep, const char *out)
{
    value_id made = tiny_made(t, out);
    double a = (double)axis;
    char name[60];
    snprintf(name, sizeof name, "axes_%s", out);
    value_id in[] = {x, tiny_constant(t, name, SIB_I64, DIMS(1), &a)};
    attribute keepdims = {.name = str_of("keepdims"), .kind = ATTR_INT, .i = keep};
    tiny_node(t, "ReduceMean", out, 2, in, 1, &made, 1, &keepdims);
    return made;
}

/* ---- LayerNormalization -------------------------------------------------------------------------------- */

typedef enum layer_change {
    AS_IT_IS,
    BY_PRODUCT,    /* d * d */
    BY_RECIPROCAL, /* d * (1 / s) */
    UNSCALED,
    ASKED,       /* Shape reads the variance */
    ROW_SCALE,   /* scale and bias have dims [1, 1, C] */
    OTHER_AXIS,  /* the two means are over different axes */
    OTHER_MEAN,  /* the mean is of another value */
    OTHER_POWER, /* d ^ 3 */
    READ_INSIDE, /* the difference is also an output */
    WIDE_SCALE,  /* one scale per row */
    N_CHANGES
} layer_change;

static tiny layer(layer_change c)
{
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "2 T 8");
    value_id m = mean(&t, c == OTHER_MEAN ? tiny_op(&t, "Abs", x, NO_VALUE, "abs") : x, -1, 1, "m");
    value_id d = tiny_op(&t, "Sub", x, m, "d");
    value_id sq = c == BY_PRODUCT ? tiny_op(&t, "Mul", d, d, "sq")
                                  : tiny_op(&t, "Pow", d, number(&t, "two", c == OTHER_POWER ? 4 : 2), "sq");
    value_id var = mean(&t, sq, c == OTHER_AXIS ? 1 : 2, 1, "var");
    value_id s = tiny_op(&t, "Sqrt", tiny_op(&t, "Add", var, number(&t, "eps", 1e-5), "ve"), NO_VALUE, "s");
    value_id y = c == BY_RECIPROCAL ? tiny_op(&t, "Mul", d, tiny_op(&t, "Reciprocal", s, NO_VALUE, "r"), "n")
                                    : tiny_op(&t, "Div", d, s, "n");
    if (c != UNSCALED) {
        int64_t dims[] = {1, 1, 8}, rows[] = {3, 1};
        bool row = c == ROW_SCALE;
        value_id w = c == WIDE_SCALE ? passes_weight(&t, "w", 2, rows, 1, 1)
                                     : passes_weight(&t, "w", row ? 3 : 1, row ? dims : dims + 2, 1, 1);
        y = tiny_op(&t, "Mul", y, w, "yw");
        y = tiny_op(&t, "Add", passes_weight(&t, "b", row ? 3 : 1, row ? dims : dims + 2, 1, 0), y, "yb");
    }
    tiny_output(&t, tiny_op(&t, "Neg", y, NO_VALUE, "out"));
    if (c == ASKED)
        tiny_output(&t, tiny_op(&t, "Shape", var, NO_VALUE, "asked"));
    if (c == READ_INSIDE)
        tiny_output(&t, d);
    return t;
}

TEST(layer_normalization)
{
    static const char *const left[N_CHANGES] = {
        [AS_IT_IS] = "LayerNormalization Neg",
        [BY_PRODUCT] = "LayerNormalization Neg",
        [BY_RECIPROCAL] = "LayerNormalization Neg",
        [UNSCALED] = "LayerNormalization Neg",
        [ASKED] = "ReduceMean Sub Pow ReduceMean LayerNormalization Neg Shape",
        [ROW_SCALE] = "LayerNormalization Neg",
        [OTHER_AXIS] = "ReduceMean Sub Pow ReduceMean Add Sqrt Div Mul Add Neg",
        [OTHER_MEAN] = "Abs ReduceMean Sub RMSNormalization Add Neg",
        [OTHER_POWER] = "ReduceMean Sub Pow ReduceMean Add Sqrt Div Mul Add Neg",
        [READ_INSIDE] = "ReduceMean Sub Pow ReduceMean Add Sqrt Div Mul Add Neg",
        [WIDE_SCALE] = "LayerNormalization Mul Add Neg",
    };
    for (int c = 0; c < N_CHANGES; c++) {
        tiny t = layer((layer_change)c);
        passes_case want = {"-all,normalization", left[c], 1e-5, 1e-5};
        passes_check_one(&t, &want, "x", passes_random(SIB_F32, DIMS(2, 3, 8), 2, (uint64_t)c));
    }
}

/* ---- RMSNormalization ---------------------------------------------------------------------------------- */

TEST(rms_normalization)
{
    for (int kind = 0; kind < 4; kind++) { /* divided, by a reciprocal, unscaled, with an offset afterwards */
        tiny t = tiny_begin();
        value_id x = tiny_input(&t, "x", SIB_F32, "T 8");
        value_id ms = mean(&t, tiny_op(&t, "Pow", x, number(&t, "two", 2), "sq"), -1, 1, "ms");
        value_id s = tiny_op(&t, "Sqrt", tiny_op(&t, "Add", number(&t, "eps", 1e-6), ms, "e"), NO_VALUE, "s");
        value_id y = kind == 1 ? tiny_op(&t, "Mul", x, tiny_op(&t, "Div", number(&t, "one", 1), s, "r"), "y")
                               : tiny_op(&t, "Div", x, s, "y");
        if (kind != 2)
            y = tiny_op(&t, "Mul", passes_weight(&t, "w", DIMS(8), 1, 1), y, "yw");
        if (kind == 3)
            y = tiny_op(&t, "Add", y, passes_weight(&t, "b", DIMS(8), 1, 1), "yb");
        tiny_output(&t, tiny_op(&t, "Neg", y, NO_VALUE, "out"));
        passes_case want = {"-all,normalization",
                            kind == 3 ? "RMSNormalization Add Neg" : "RMSNormalization Neg", 1e-5, 1e-5};
        passes_check_one(&t, &want, "x", passes_random(SIB_F32, DIMS(3, 8), 2, (uint64_t)kind));
    }
}

/* A root mean square over an axis other than the last is not replaced. */
TEST(other_roots_stay)
{
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "4 8");
    value_id ms = mean(&t, tiny_op(&t, "Mul", x, x, "sq"), 0, 1, "ms");
    value_id s = tiny_op(&t, "Sqrt", tiny_op(&t, "Add", ms, number(&t, "eps", 1e-6), "e"), NO_VALUE, "s");
    tiny_output(&t, tiny_op(&t, "Div", x, s, "y"));
    passes_case want = {"-all,normalization", "Mul ReduceMean Add Sqrt Div", 0, 0};
    passes_check_one(&t, &want, "x", passes_random(SIB_F32, DIMS(4, 8), 2, 1));
}

/* ---- Gelu ---------------------------------------------------------------------------------------------- */

TEST(exact_gelu)
{
    for (int kind = 0; kind < 6; kind++) {
        tiny t = tiny_begin();
        value_id x0 = tiny_input(&t, "x", SIB_F32, "3 5");
        value_id x =
            tiny_op(&t, "Mul", x0, passes_weight(&t, "w", DIMS(5), 1, 0), "x1"); /* x is made by a Mul */
        value_id u = kind == 1 ? tiny_op(&t, "Mul", number(&t, "r", 0.70710678), x, "u")
                               : tiny_op(&t, "Div", x, number(&t, "r", kind == 4 ? 1.5 : 1.41421356), "u");
        value_id e = tiny_op(&t, "Erf", u, NO_VALUE, "e"), half = number(&t, "h", kind == 5 ? 0.25 : 0.5);
        value_id a = tiny_op(&t, "Add", e, number(&t, "one", 1), "a");
        value_id y = kind == 1   ? tiny_op(&t, "Mul", tiny_op(&t, "Mul", x, half, "xh"), a, "y")
                     : kind == 2 ? tiny_op(&t, "Mul", x, tiny_op(&t, "Mul", half, a, "ah"), "y")
                     : kind == 3 ? tiny_op(&t, "Div", tiny_op(&t, "Mul", a, x, "ax"), number(&t, "q", 2), "y")
                                 : tiny_op(&t, "Mul", tiny_op(&t, "Mul", x, a, "xa"), half, "y");
        tiny_output(&t, tiny_op(&t, "Neg", y, NO_VALUE, "out"));
        passes_case want = {"-all,gelu", kind < 4 ? "Mul Gelu Neg" : "Mul Div Erf Add Mul Mul Neg", 1e-6,
                            1e-5};
        passes_check_one(&t, &want, "x", passes_random(SIB_F32, DIMS(3, 5), 4, (uint64_t)kind));
    }
}

TEST(gelu_by_tanh)
{
    for (int kind = 0; kind < 4; kind++) { /* x^3 by Pow, by products, x * (1 + c x x), another factor */
        tiny t = tiny_begin();
        value_id x = tiny_op(&t, "Sub", tiny_input(&t, "x", SIB_F32, "3 5"),
                             passes_weight(&t, "w", DIMS(5), 1, 0), "x1");
        value_id c = number(&t, "c", kind == 3 ? 0.05 : 0.044715), one = number(&t, "one", 1);
        value_id k = number(&t, "k", 0.7978845608), half = number(&t, "h", 0.5), u;
        if (kind == 2) {
            value_id cx = tiny_op(&t, "Mul", tiny_op(&t, "Mul", x, c, "xc"), x, "cx");
            u = tiny_op(&t, "Mul", tiny_op(&t, "Mul", x, k, "xk"), tiny_op(&t, "Add", one, cx, "s"), "u");
        } else {
            value_id cube = kind == 1 ? tiny_op(&t, "Mul", x, tiny_op(&t, "Mul", x, x, "xx"), "cube")
                                      : tiny_op(&t, "Pow", x, number(&t, "three", 3), "cube");
            u = tiny_op(&t, "Mul", tiny_op(&t, "Add", x, tiny_op(&t, "Mul", cube, c, "cc"), "s"), k, "u");
        }
        value_id a = tiny_op(&t, "Add", one, tiny_op(&t, "Tanh", u, NO_VALUE, "e"), "a");
        value_id y = tiny_op(&t, "Mul", tiny_op(&t, "Mul", x, half, "xh"), a, "y");
        tiny_output(&t, tiny_op(&t, "Neg", y, NO_VALUE, "out"));
        passes_case want = {
            "-all,gelu", kind < 3 ? "Sub Gelu Neg" : "Sub Pow Mul Add Mul Tanh Add Mul Mul Neg", 1e-6, 1e-5};
        passes_check_one(&t, &want, "x", passes_random(SIB_F32, DIMS(3, 5), 4, (uint64_t)kind));
    }
}

/* Parts of the function that other nodes read stay. */
TEST(shared_parts_stay)
{
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "3 5");
    value_id e = tiny_op(&t, "Erf", tiny_op(&t, "Div", x, number(&t, "r", 1.41421356), "u"), NO_VALUE, "e");
    value_id a = tiny_op(&t, "Add", e, number(&t, "one", 1), "a");
    tiny_output(&t, tiny_op(&t, "Mul", tiny_op(&t, "Mul", x, a, "xa"), number(&t, "h", 0.5), "y"));
    tiny_output(&t, tiny_op(&t, "Neg", a, NO_VALUE, "z"));
    passes_case want = {"-all,gelu", "Div Erf Add Mul Mul Neg", 0, 0};
    passes_check_one(&t, &want, "x", passes_random(SIB_F32, DIMS(3, 5), 4, 1));
}
