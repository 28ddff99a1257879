#include "graph.h"

static const rg_want any_float = {rg_is_float, 0, 6}, any_bool = {rg_is_bool, 0, 6},
                     any_integer = {rg_is_integer, 0, 6}, anything = {NULL, 0, 6};

/* ---- One operand --------------------------------------------------------------------------------------- */

static const char *const unary[][2] = {{"Abs", ""},
                                       {"Neg", ""},
                                       {"Sign", ""},
                                       {"Floor", ""},
                                       {"Ceil", ""},
                                       {"Round", ""},
                                       {"Sqrt", ""},
                                       {"Exp", ""},
                                       {"Log", ""},
                                       {"Sin", ""},
                                       {"Cos", ""},
                                       {"Tan", ""},
                                       {"Asin", ""},
                                       {"Acos", ""},
                                       {"Atan", ""},
                                       {"Sinh", ""},
                                       {"Cosh", ""},
                                       {"Tanh", ""},
                                       {"Asinh", ""},
                                       {"Acosh", ""},
                                       {"Atanh", ""},
                                       {"Erf", ""},
                                       {"Reciprocal", ""},
                                       {"Relu", ""},
                                       {"LeakyRelu", ""},
                                       {"LeakyRelu", "alpha=0.3"},
                                       {"Elu", ""},
                                       {"Elu", "alpha=0.5"},
                                       {"Celu", ""},
                                       {"Celu", "alpha=1.5"},
                                       {"Selu", ""},
                                       {"Sigmoid", ""},
                                       {"Sigmoid", ""},
                                       {"Tanh", ""},
                                       {"Relu", ""},
                                       {"HardSigmoid", ""},
                                       {"HardSwish", ""},
                                       {"Softplus", ""},
                                       {"Softsign", ""},
                                       {"Mish", ""},
                                       {"Gelu", ""},
                                       {"Gelu", "approximate=\"tanh\""},
                                       {"ThresholdedRelu", ""},
                                       {"Shrink", "lambd=0.3 bias=0.1"},
                                       {"Identity", ""},
                                       {"IsNaN", ""},
                                       {"IsInf", ""},
                                       {"IsInf", "detect_negative=0"},
                                       {"HardSigmoid", "alpha=0.16666667 beta=0.5"},
                                       {"Relu", ""},
                                       {"Exp", ""},
                                       {"Sqrt", ""}};

static bool make_unary(const rg_maker *m)
{
    const char *const *row = unary[rg_below(m->r, sizeof unary / sizeof *unary)];
    int x = rg_pick(m, &any_float);
    return x != RG_NONE && rg_put(m, row[0], row[1], 1, &x, 1);
}

static bool make_unary_integer(const rg_maker *m)
{
    static const char *const names[] = {"Abs", "Neg", "Sign", "Identity", "BitwiseNot", "Relu"};
    int x = rg_pick(m, &any_integer);
    return x != RG_NONE && rg_put(m, names[rg_below(m->r, 6)], "", 1, &x, 1);
}

static bool make_not(const rg_maker *m)
{
    int x = rg_pick(m, &any_bool);
    return x != RG_NONE && rg_put(m, "Not", "", 1, &x, 1);
}

/* ---- Two operands -------------------------------------------------------------------------------------- */

/* A value of x's dtype that broadcasts with x: an existing one, x itself, or a new one. */
static int partner(const rg_maker *m, int x)
{
    const sib_tensor *t = rg_of(m, x);
    int64_t dims[SIB_MAX_RANK];
    if (rg_chance(m->r, 45))
        for (int v = m->g->n_values; v-- > 0;) {
            const sib_tensor *o = rg_of(m, v);
            if (v != x && o && !m->g->values[v].dropped && sib_tensor_dtype(o) == sib_tensor_dtype(t) &&
                sib_tensor_rank(o) == sib_tensor_rank(t) &&
                !memcmp(sib_tensor_dims(o), sib_tensor_dims(t), sib_tensor_rank(t) * sizeof *dims))
                return v;
        }
    if (rg_chance(m->r, 5))
        return x;
    size_t rank = rg_broadcastable(m, t, dims);
    return rg_new(m, sib_tensor_dtype(t), rank, dims, RG_ANY);
}

static bool put_pair(const rg_maker *m, const char *type, const char *attributes, int x)
{
    int y = x == RG_NONE ? RG_NONE : partner(m, x);
    int in[] = {x, y};
    if (rg_chance(m->r, 30)) {
        in[0] = y;
        in[1] = x;
    }
    return y != RG_NONE && rg_put(m, type, attributes, 2, in, 1);
}

static bool make_binary(const rg_maker *m)
{
    static const char *const names[] = {
        "Add",   "Add", "Add", "Sub",  "Mul",         "Mul",     "Mul",
        "Div",   "Max", "Min", "Less", "LessOrEqual", "Greater", "GreaterOrEqual",
        "Equal", "Pow", "Sub"};
    return put_pair(m, names[rg_below(m->r, sizeof names / sizeof *names)], "", rg_pick(m, &any_float));
}

static bool make_binary_integer(const rg_maker *m)
{
    static const char *const names[][2] = {{"Add", ""},
                                           {"Sub", ""},
                                           {"Mul", ""},
                                           {"Div", ""},
                                           {"Max", ""},
                                           {"Min", ""},
                                           {"Less", ""},
                                           {"Equal", ""},
                                           {"BitwiseAnd", ""},
                                           {"BitwiseOr", ""},
                                           {"BitwiseXor", ""},
                                           {"Mod", ""},
                                           {"Mod", "fmod=1"},
                                           {"BitShift", "direction=\"LEFT\""},
                                           {"BitShift", "direction=\"RIGHT\""},
                                           {"Greater", ""}};
    const char *const *row = names[rg_below(m->r, sizeof names / sizeof *names)];
    return put_pair(m, row[0], row[1], rg_pick(m, &any_integer));
}

static bool make_logic(const rg_maker *m)
{
    static const char *const names[] = {"And", "Or", "Xor", "Equal"};
    return put_pair(m, names[rg_below(m->r, 4)], "", rg_pick(m, &any_bool));
}

static bool make_fmod(const rg_maker *m)
{
    return put_pair(m, "Mod", "fmod=1", rg_pick(m, &any_float));
}

static bool make_prelu(const rg_maker *m)
{
    int64_t dims[SIB_MAX_RANK];
    int x = rg_pick(m, &any_float);
    if (x == RG_NONE)
        return false;
    size_t rank = rg_broadcastable(m, rg_of(m, x), dims);
    int in[] = {x, rg_new(m, sib_tensor_dtype(rg_of(m, x)), rank, dims, RG_UNIT)};
    return in[1] != RG_NONE && rg_put(m, "PRelu", "", 2, in, 1);
}

/* ---- More operands ------------------------------------------------------------------------------------- */

static bool make_where(const rg_maker *m)
{
    int64_t dims[SIB_MAX_RANK];
    int x = rg_pick(m, &anything);
    if (x == RG_NONE)
        return false;
    size_t rank = rg_broadcastable(m, rg_of(m, x), dims);
    int condition = rg_new(m, SIB_BOOL, rank, dims, RG_GENTLE);
    int in[] = {condition, x, partner(m, x)};
    return condition != RG_NONE && in[2] != RG_NONE && rg_put(m, "Where", "", 3, in, 1);
}

static bool make_clip(const rg_maker *m)
{
    int x = rg_pick(m, rg_chance(m->r, 80) ? &any_float : &any_integer);
    if (x == RG_NONE)
        return false;
    sib_dtype dtype = sib_tensor_dtype(rg_of(m, x));
    int in[] = {x, rg_chance(m->r, 20) ? RG_NONE : rg_new(m, dtype, 0, NULL, RG_UNIT),
                rg_chance(m->r, 20) ? RG_NONE : rg_new(m, dtype, 0, NULL, RG_POSITIVE)};
    return rg_put(m, "Clip", "", 3, in, 1);
}

static bool make_variadic(const rg_maker *m)
{
    static const char *const names[] = {"Sum", "Mean", "Max", "Min"};
    int x = rg_pick(m, &any_float), n = 1 + rg_below(m->r, 4), in[4] = {x, x, x, x};
    for (int i = 1; i < n && x != RG_NONE; i++)
        if ((in[i] = partner(m, x)) == RG_NONE)
            return false;
    return x != RG_NONE && rg_put(m, names[rg_below(m->r, 4)], "", n, in, 1);
}

static bool make_cast(const rg_maker *m)
{
    static const char *const to[] = {"f32", "f32", "f16", "f64", "bf16", "i8",
                                     "u8",  "i16", "i32", "i64", "bool", "u32"};
    char text[32];
    int x = rg_pick(m, &anything);
    snprintf(text, sizeof text, "to=dtype:%s", to[rg_below(m->r, sizeof to / sizeof *to)]);
    if (x != RG_NONE && rg_is_float(rg_of(m, x)) && !rg_is_tame(rg_of(m, x)) && !strchr(text, 'f'))
        return false; /* the standard leaves the cast of values out of range undefined */
    return x != RG_NONE && rg_put(m, "Cast", text, 1, &x, 1);
}

/* x * sigmoid(x) and other patterns that passes look for. */
static bool make_pattern(const rg_maker *m)
{
    int x = rg_pick(m, &any_float);
    if (x == RG_NONE)
        return false;
    if (rg_chance(m->r, 50)) {
        if (!rg_put(m, "Sigmoid", "", 1, &x, 1))
            return false;
        int in[] = {x, m->g->n_values - 1};
        return rg_put(m, "Mul", "", 2, in, 1);
    }
    int64_t none[] = {1};
    double constants[] = {1.4142135623730951, 1.0, 0.5};
    const char *const types[] = {"Div", "Erf", "Add", "Mul", "Mul"};
    int at = x, used = 0;
    for (int i = 0; i < 5; i++) {
        int in[] = {at, x};
        if (i != 1 && i != 3) {
            in[1] = rg_new(m, sib_tensor_dtype(rg_of(m, x)), 0, none, RG_POSITIVE);
            sib_error err = SIB_ERROR_INIT;
            if (in[1] == RG_NONE ||
                sib_tensor_set(m->g->values[in[1]].t, none, constants[used++], &err) != SIB_OK)
                return false;
            m->g->values[in[1]].constant = true;
        }
        if (!rg_put(m, types[i], "", i == 1 ? 1 : 2, in, 1))
            return false;
        at = m->g->n_values - 1;
    }
    return true;
}

const rg_row rg_elementwise[] = {{30, make_unary},         {30, make_binary},  {3, make_unary_integer},
                                 {7, make_binary_integer}, {3, make_logic},    {2, make_not},
                                 {1, make_fmod},           {3, make_prelu},    {6, make_where},
                                 {5, make_clip},           {4, make_variadic}, {8, make_cast},
                                 {4, make_pattern},        {0, NULL}};
