/* The pass that finds Attention in products around a Softmax. */
#include "check_passes.h"

#include <float.h>
#include <math.h>
#include <string.h>

static value_id number(tiny *t, const char *name, double x)
{
    return tiny_constant(t, name, SIB_F32, 0, NULL, &x);
}

static value_id with_ints(tiny *t, const char *type, const char *name, size_t n, const int64_t *x,
                          value_id in, const char *out)
{
    value_id made = tiny_made(t, out);
    attribute a = {.name = str_of(name), .kind = ATTR_INTS, .n = n, .ints = x};
    char node_name[60];
    snprintf(node_name, sizeof node_name, "n_%s", out);
    tiny_node(t, type, node_name, 1, &in, 1, &made, 1, &a);
    return made;
}

static value_id transposed(tiny *t, value_id x, const char *perm, const char *out)
{
    int64_t axes[8];
    size_t n = strlen(perm);
    for (size_t i = 0; i < n; i++)
        axes[i] = perm[i] - '0';
    return with_ints(t, "Transpose", "perm", n, axes, x, out);
}

static value_id shaped(tiny *t, value_id x, size_t n, const double *dims, const char *out)
{
    char name[60];
    int64_t count = (int64_t)n;
    snprintf(name, sizeof name, "to_%s", out);
    return tiny_op(t, "Reshape", x, tiny_constant(t, name, SIB_I64, 1, &count, dims), out);
}

static value_id as_floats(tiny *t, value_id x)
{
    value_id made = tiny_made(t, "floats");
    attribute a = {.name = str_of("to"), .kind = ATTR_INT, .i = SIB_F32};
    tiny_node(t, "Cast", "n_floats", 1, &x, 1, &made, 1, &a);
    return made;
}

static value_id softmax(tiny *t, value_id x, int64_t axis)
{
    value_id made = tiny_made(t, "p");
    attribute a = {.name = str_of("axis"), .kind = ATTR_INT, .i = axis};
    tiny_node(t, "Softmax", "n_p", 1, &x, 1, &made, 1, &a);
    return made;
}

/* ---- Heads in one axis: [B, S, H * D] ------------------------------------------------------------------ */

typedef enum line_change {
    BERT,        /* the scores divided, a mask added */
    SDPA,        /* queries and keys scaled by a square root each */
    CHOSEN,      /* scores selected by a mask, else -1e9 */
    HIDDEN,      /* by a mask of hidden places */
    BARE,        /* no mask, no scale */
    STAYS_APART, /* heads are not merged afterwards */
    ASKED,       /* Shape reads the dims of the scores */
    /* the following are no Attention */
    WEAK,        /* -1 where the mask hides */
    MASK_SCALED, /* scaled after the mask */
    OTHER_AXIS,
    READ_TWICE, /* the probabilities are an output */
    NEGATIVE,   /* a negative scale */
    ANY_FLOATS, /* the mask is an input: -inf in an entire row gives NaN */
    CHOSEN_INF, /* scores selected by a mask, else -inf */
    MASK_INF,   /* hidden places are -inf, and 0 times that is NaN */
    NUMBER,     /* added in place of a mask */
    N_LINE
} line_change;

static tiny in_line(line_change c)
{
    static const double heads[] = {0, 0, 2, 4}, together[] = {0, 0, 8};
    tiny t = tiny_begin();
    value_id q = shaped(&t, tiny_input(&t, "q", SIB_F32, "B S 8"), 4, heads, "q4");
    value_id k = shaped(&t, tiny_input(&t, "k", SIB_F32, "B T 8"), 4, heads, "k4");
    value_id v = shaped(&t, tiny_input(&t, "v", SIB_F32, "B T 8"), 4, heads, "v4");
    bool boolean = c == CHOSEN || c == HIDDEN || c == WEAK || c == CHOSEN_INF;
    value_id mask = tiny_input(&t, "mask",
                               boolean           ? SIB_BOOL
                               : c == ANY_FLOATS ? SIB_F32
                                                 : SIB_I32,
                               "B 1 1 T");
    if (c == NUMBER)
        mask = number(&t, "half", 0.5);
    else if (!boolean && c != ANY_FLOATS) /* as exporters write it: (1 - mask) times the lowest float */
        mask = tiny_op(&t, "Mul", tiny_op(&t, "Sub", number(&t, "one", 1), as_floats(&t, mask), "hides"),
                       number(&t, "lowest", c == MASK_INF ? -INFINITY : -FLT_MAX), "added");
    q = transposed(&t, q, "0213", "qt");
    k = transposed(&t, k, "0231", "kt");
    v = transposed(&t, v, "0213", "vt");
    if (c == SDPA) {
        q = tiny_op(&t, "Mul", q, number(&t, "rq", 0.70710678), "qs");
        k = tiny_op(&t, "Mul", k, number(&t, "rk", 0.70710678), "ks");
    }
    value_id s = tiny_op(&t, "MatMul", q, k, "s");
    if (c == ASKED)
        tiny_output(&t, tiny_op(&t, "Shape", s, NO_VALUE, "asked"));
    if (c != SDPA && c != BARE && c != MASK_SCALED)
        s = tiny_op(&t, "Div", s, number(&t, "root", c == NEGATIVE ? -2 : 2), "sd");
    if (boolean) {
        value_id made = tiny_made(&t, "chosen"), fill = number(&t, "fill",
                                                               c == WEAK         ? -1
                                                               : c == CHOSEN_INF ? -INFINITY
                                                                                 : -1e9);
        value_id in[] = {mask, c == HIDDEN ? fill : s, c == HIDDEN ? s : fill};
        tiny_node(&t, "Where", "n_chosen", 3, in, 1, &made, 0, NULL);
        s = made;
    } else if (c != BARE)
        s = tiny_op(&t, "Add", s, mask, "sm");
    if (c == MASK_SCALED)
        s = tiny_op(&t, "Div", s, number(&t, "root", 2), "sd");
    value_id p = softmax(&t, s, c == OTHER_AXIS ? 2 : 3);
    if (c == READ_TWICE)
        tiny_output(&t, p);
    value_id y = tiny_op(&t, "MatMul", p, v, "y");
    if (c != STAYS_APART)
        y = shaped(&t, transposed(&t, y, "0213", "yt"), 3, together, "yl");
    tiny_output(&t, tiny_op(&t, "Neg", y, NO_VALUE, "out"));
    return t;
}

TEST(heads_in_line)
{
    static const char *const left[N_LINE] = {
        [BERT] = "%sAttention Reshape Reshape Neg",
        [SDPA] = "%sAttention Reshape Reshape Neg",
        [CHOSEN] = "Where Attention Reshape Reshape Neg",
        [HIDDEN] = "Where Attention Reshape Reshape Neg",
        [BARE] = "%sAttention Reshape Reshape Neg",
        [STAYS_APART] = "Reshape %sTranspose Attention Neg",
        [ASKED] = "Reshape Reshape %sTranspose Transpose MatMul Shape Attention Reshape Reshape Neg",
        [WEAK] = "*MatMul Div Where Softmax MatMul Transpose Reshape Neg",
        [MASK_SCALED] = "*MatMul Add Div Softmax MatMul Transpose Reshape Neg",
        [OTHER_AXIS] = "*MatMul Div Add Softmax MatMul Transpose Reshape Neg",
        [READ_TWICE] = "*MatMul Div Add Softmax MatMul Transpose Reshape Neg",
        [NEGATIVE] = "*MatMul Div Add Softmax MatMul Transpose Reshape Neg",
        [ANY_FLOATS] = "*MatMul Div Add Softmax MatMul Transpose Reshape Neg",
        [CHOSEN_INF] = "*MatMul Div Where Softmax MatMul Transpose Reshape Neg",
        [MASK_INF] = "*MatMul Div Add Softmax MatMul Transpose Reshape Neg",
        [NUMBER] = "*MatMul Div Add Softmax MatMul Transpose Reshape Neg",
    };
    for (int c = 0; c < N_LINE; c++) {
        bool boolean = c == CHOSEN || c == HIDDEN || c == WEAK || c == CHOSEN_INF;
        double seen[10], added[10];
        for (int i = 0; i < 10; i++) {
            seen[i] = i % 3 != (c == HIDDEN);
            added[i] = c == ANY_FLOATS ? (i < 5 ? -INFINITY : i) : i % 4 != 0;
        }
        for (int i = 5; (c == CHOSEN || c == CHOSEN_INF) && i < 10; i++)
            seen[i] = 0; /* a batch element in which everything is hidden */
        sib_value *x[] = {passes_random(SIB_F32, DIMS(2, 3, 8), 2, 1),
                          passes_random(SIB_F32, DIMS(2, 5, 8), 2, 2),
                          passes_random(SIB_F32, DIMS(2, 5, 8), 2, 3),
                          tiny_given(boolean           ? SIB_BOOL
                                     : c == ANY_FLOATS ? SIB_F32
                                                       : SIB_I32,
                                     DIMS(2, 1, 1, 5), boolean ? seen : added)};
        sib_named_value in[] = {{"q", x[0]}, {"k", x[1]}, {"v", x[2]}, {"mask", x[3]}};
        char nodes[300];
        /* the nodes that make the mask */
        const char *made = boolean || c == ANY_FLOATS || c == NUMBER ? "" : "Cast Sub Mul ";
        if (*left[c] == '*')
            snprintf(nodes, sizeof nodes, "Reshape Reshape Reshape %sTranspose Transpose Transpose %s", made,
                     left[c] + 1);
        else
            snprintf(nodes, sizeof nodes, left[c], made);
        passes_case want = {"-all,attention", nodes, 2e-5, 2e-5};
        tiny t = in_line((line_change)c);
        sib_session *s = passes_check(&t, &want, 4, in);
        sib_session_free(&s);
        for (int i = 0; i < 4; i++)
            sib_value_free(&x[i]);
    }
}

/* ---- One head per batch element: [N, S, D] ------------------------------------------------------------- */

TEST(heads_apart)
{
    for (int masked = 0; masked < 2; masked++) {
        tiny t = tiny_begin();
        value_id q = tiny_input(&t, "q", SIB_F32, "6 S 4"), k = tiny_input(&t, "k", SIB_F32, "6 T 4");
        value_id v = tiny_input(&t, "v", SIB_F32, "6 T 2"), mask = tiny_input(&t, "mask", SIB_I32, "6 S T");
        value_id s = tiny_op(&t, "MatMul", tiny_op(&t, "Mul", q, number(&t, "c", 0.5), "qs"),
                             transposed(&t, k, "021", "kt"), "s");
        s = masked ? tiny_op(&t, "Add", s, as_floats(&t, mask), "sm") : s;
        value_id y = tiny_op(&t, "MatMul", softmax(&t, s, 2), v, "y");
        tiny_output(&t, tiny_op(&t, "Neg", y, NO_VALUE, "out"));
        sib_value *x[] = {
            passes_random(SIB_F32, DIMS(6, 3, 4), 2, 1), passes_random(SIB_F32, DIMS(6, 5, 4), 2, 2),
            passes_random(SIB_F32, DIMS(6, 5, 2), 2, 3), passes_random(SIB_I32, DIMS(6, 3, 5), 2, 4)};
        sib_named_value in[] = {{"q", x[0]}, {"k", x[1]}, {"v", x[2]}, {"mask", x[3]}};
        passes_case want = {"-all,attention", masked ? "Cast Unsqueeze Attention Neg" : "Attention Neg", 2e-5,
                            2e-5};
        sib_session *session = passes_check(&t, &want, 4, in);
        sib_session_free(&session);
        for (int i = 0; i < 4; i++)
            sib_value_free(&x[i]);
    }
}

/* ---- After a past, as in GPT-2 ------------------------------------------------------------------------- */

/* Keys are transposed in the past; scores are selected by a triangle, else -10000. holes: the triangle hides
   entire rows. */
TEST(keys_behind_a_past)
{
    for (int holes = 0; holes < 2; holes++) {
        tiny t = tiny_begin();
        value_id q = tiny_input(&t, "q", SIB_F32, "1 2 3 4"), k = tiny_input(&t, "k", SIB_F32, "1 2 3 4");
        value_id v = tiny_input(&t, "v", SIB_F32, "1 2 5 4"),
                 past = tiny_input(&t, "past", SIB_F32, "1 2 2 4");
        value_id kt[] = {transposed(&t, past, "0132", "pt"), transposed(&t, k, "0132", "kt")},
                 all = tiny_made(&t, "all");
        attribute axis = {.name = str_of("axis"), .kind = ATTR_INT, .i = -1};
        tiny_node(&t, "Concat", "n_all", 2, kt, 1, &all, 1, &axis);
        tiny_output(&t, transposed(&t, all, "0132", "present"));
        double triangle[64], from[] = {2}, to[] = {5}, zero[] = {0}, rows[] = {2}, columns[] = {3};
        for (int i = 0; i < 64; i++)
            triangle[i] = i % 8 <= i / 8 && !(holes && i / 8 == 4);
        value_id bias = tiny_constant(&t, "bias", SIB_U8, DIMS(1, 1, 8, 8), triangle);
        value_id low = tiny_constant(&t, "low", SIB_I64, DIMS(1), from),
                 high = tiny_constant(&t, "high", SIB_I64, DIMS(1), to);
        value_id none = tiny_constant(&t, "none", SIB_I64, DIMS(1), zero);
        value_id first[] = {bias, low, high, tiny_constant(&t, "rows", SIB_I64, DIMS(1), rows)},
                 cut = tiny_made(&t, "cut");
        tiny_node(&t, "Slice", "n_cut", 4, first, 1, &cut, 0, NULL);
        value_id second[] = {cut, none, high, tiny_constant(&t, "columns", SIB_I64, DIMS(1), columns)},
                 cut2 = tiny_made(&t, "cut2");
        tiny_node(&t, "Slice", "n_cut2", 4, second, 1, &cut2, 0, NULL);
        value_id seen = tiny_made(&t, "seen"), s = tiny_op(&t, "MatMul", q, all, "s"),
                 chosen = tiny_made(&t, "chosen");
        attribute bool_ = {.name = str_of("to"), .kind = ATTR_INT, .i = SIB_BOOL};
        tiny_node(&t, "Cast", "n_seen", 1, &cut2, 1, &seen, 1, &bool_);
        value_id choice[] = {seen, tiny_op(&t, "Div", s, number(&t, "root", 2), "sd"),
                             number(&t, "fill", -10000)};
        tiny_node(&t, "Where", "n_chosen", 3, choice, 1, &chosen, 0, NULL);
        tiny_output(&t, tiny_op(&t, "MatMul", softmax(&t, chosen, 3), v, "y"));
        sib_value *x[] = {
            passes_random(SIB_F32, DIMS(1, 2, 3, 4), 2, 1), passes_random(SIB_F32, DIMS(1, 2, 3, 4), 2, 2),
            passes_random(SIB_F32, DIMS(1, 2, 5, 4), 2, 3), passes_random(SIB_F32, DIMS(1, 2, 2, 4), 2, 4)};
        sib_named_value in[] = {{"q", x[0]}, {"k", x[1]}, {"v", x[2]}, {"past", x[3]}};
        static const char *const left[] = {
            "Transpose Transpose Concat Transpose Slice Slice Cast Where Attention",
            "Transpose Transpose Concat Transpose Slice Slice MatMul Cast Div Where "
            "Softmax MatMul"};
        passes_case want = {"-all,attention", left[holes], 2e-5, 2e-5};
        sib_session *session = passes_check(&t, &want, 4, in);
        sib_session_free(&session);
        for (int i = 0; i < 4; i++)
            sib_value_free(&x[i]);
    }
}
