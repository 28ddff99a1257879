/* The rules of differentiation, one per milli-op. */
#include "ops/training/gradient.h"

#include <math.h>

/* A milli-op in the backward pass: its inputs a, b, c, its output y, and the gradient g of y. */
typedef struct back {
    lowering *l;
    gradient_pass *pass;
    const node *n;
    mval a, b, c, y, g;
} back;

typedef void gradient_rule(const back *k);

/* ---- Words --------------------------------------------------------------------------------------------- */

/* g summed over the axes along which `like` was broadcast, in the dims of `like`. */
static mval summed_to(lowering *l, mval g, mval like)
{
    dim from[SIB_MAX_RANK], to[SIB_MAX_RANK];
    int64_t axes[SIB_MAX_RANK], one;
    size_t n = 0;
    int rank = m_dims(l, g, from), small = m_dims(l, like, to), lead = rank - small;
    for (int i = 0; i < rank && l_ok(l); i++) {
        bool narrow = i < lead || (!dim_same(from[i], to[i - lead]) &&
                                   dim_is_const(l->graph->dims, to[i - lead], &one) && one == 1);
        if (narrow)
            axes[n++] = i;
    }
    if (n)
        g = m_reduce(l, MILLI_reduce_sum, g, n, axes, KEEP_DIMS);
    return lead > 0 ? m_reshape(l, g, (size_t)small, to) : g;
}

/* Adds g to the gradient of input i. */
static void give(const back *k, uint32_t i, mval g)
{
    value_id v = k->n->inputs.ids[i];
    if (v >= k->pass->n_values || !k->pass->depends[v] || !m_is(k->l, (mval){v}, SIB_KIND_FLOAT))
        return;
    mval *sum = &k->pass->grads[v];
    g = summed_to(k->l, g, (mval){v});
    *sum = sum->id == NO_VALUE ? g : m_add(k->l, *sum, g);
}

static mval zeros_like(lowering *l, mval x)
{
    return m_broadcast_like(l, m_scalar_like(l, x, 0), x);
}

/* g where `condition`, else 0. */
static mval g_where(const back *k, mval condition)
{
    return m_where(k->l, condition, k->g, m_scalar_like(k->l, k->g, 0));
}

/* ---- Elementwise, one input: g times the derivative ---------------------------------------------------- */

static void back_none(const back *k)
{
    (void)k; /* the derivative is 0 wherever it exists */
}

static void back_neg(const back *k)
{
    give(k, 0, m_neg(k->l, k->g));
}

static void back_abs(const back *k)
{
    give(k, 0, m_mul(k->l, k->g, m_sign(k->l, k->a)));
}

static void back_sqrt(const back *k)
{
    give(k, 0, m_div(k->l, k->g, m_mul_number(k->l, k->y, 2)));
}

static void back_exp(const back *k)
{
    give(k, 0, m_mul(k->l, k->g, k->y));
}

static void back_log(const back *k)
{
    give(k, 0, m_div(k->l, k->g, k->a));
}

static void back_sin(const back *k)
{
    give(k, 0, m_mul(k->l, k->g, m_cos(k->l, k->a)));
}

static void back_cos(const back *k)
{
    give(k, 0, m_neg(k->l, m_mul(k->l, k->g, m_sin(k->l, k->a))));
}

static void back_tan(const back *k)
{
    give(k, 0, m_mul(k->l, k->g, m_add_number(k->l, m_square(k->l, k->y), 1)));
}

/* sqrt(plus + times a^2) */
static mval inverse_root(const back *k, double plus, double times)
{
    return m_sqrt(k->l, m_add_number(k->l, m_mul_number(k->l, m_square(k->l, k->a), times), plus));
}

static void back_asin(const back *k)
{
    give(k, 0, m_div(k->l, k->g, inverse_root(k, 1, -1)));
}

static void back_acos(const back *k)
{
    give(k, 0, m_neg(k->l, m_div(k->l, k->g, inverse_root(k, 1, -1))));
}

static void back_atan(const back *k)
{
    give(k, 0, m_div(k->l, k->g, m_add_number(k->l, m_square(k->l, k->a), 1)));
}

static void back_sinh(const back *k)
{
    give(k, 0, m_mul(k->l, k->g, m_unary(k->l, MILLI_cosh, k->a)));
}

static void back_cosh(const back *k)
{
    give(k, 0, m_mul(k->l, k->g, m_unary(k->l, MILLI_sinh, k->a)));
}

static void back_tanh(const back *k)
{
    give(k, 0, m_mul(k->l, k->g, m_sub(k->l, m_scalar_like(k->l, k->y, 1), m_square(k->l, k->y))));
}

static void back_asinh(const back *k)
{
    give(k, 0, m_div(k->l, k->g, inverse_root(k, 1, 1)));
}

static void back_acosh(const back *k)
{
    give(k, 0, m_div(k->l, k->g, inverse_root(k, -1, 1)));
}

static void back_atanh(const back *k)
{
    give(k, 0, m_div(k->l, k->g, m_sub(k->l, m_scalar_like(k->l, k->a, 1), m_square(k->l, k->a))));
}

static void back_erf(const back *k)
{
    mval e = m_exp(k->l, m_neg(k->l, m_square(k->l, k->a)));
    give(k, 0, m_mul(k->l, k->g, m_mul_number(k->l, e, M_2_SQRTPI)));
}

static void back_log1p(const back *k)
{
    give(k, 0, m_div(k->l, k->g, m_add_number(k->l, k->a, 1)));
}

static void back_expm1(const back *k)
{
    give(k, 0, m_mul(k->l, k->g, m_add_number(k->l, k->y, 1)));
}

static void back_cast(const back *k)
{
    if (m_is(k->l, k->a, SIB_KIND_FLOAT))
        give(k, 0, m_cast_like(k->l, k->g, k->a));
}

/* ---- Elementwise, more inputs -------------------------------------------------------------------------- */

static void back_add(const back *k)
{
    give(k, 0, k->g);
    give(k, 1, k->g);
}

static void back_sub(const back *k)
{
    give(k, 0, k->g);
    give(k, 1, m_neg(k->l, k->g));
}

static void back_mul(const back *k)
{
    give(k, 0, m_mul(k->l, k->g, k->b));
    give(k, 1, m_mul(k->l, k->g, k->a));
}

static void back_div(const back *k)
{
    give(k, 0, m_div(k->l, k->g, k->b));
    give(k, 1, m_neg(k->l, m_div(k->l, m_mul(k->l, k->g, k->y), k->b)));
}

/* a - floor(a / b) b */
static void back_mod(const back *k)
{
    give(k, 0, k->g);
    give(k, 1, m_neg(k->l, m_mul(k->l, k->g, m_floor(k->l, m_div(k->l, k->a, k->b)))));
}

/* a - trunc(a / b) b */
static void back_fmod(const back *k)
{
    mval times = m_div(k->l, m_sub(k->l, k->a, k->y), k->b);
    give(k, 0, k->g);
    give(k, 1, m_neg(k->l, m_mul(k->l, k->g, times)));
}

static void back_pow(const back *k)
{
    mval slope = m_mul(k->l, k->b, m_pow(k->l, k->a, m_add_number(k->l, k->b, -1)));
    mval zero = m_scalar_like(k->l, k->b, 0);
    /* a^0 is constant, also at a = 0, where the formula gives 0 * inf */
    give(k, 0, m_mul(k->l, k->g, m_where(k->l, m_equal(k->l, k->b, zero), zero, slope)));
    give(k, 1, m_mul(k->l, m_mul(k->l, k->g, k->y), m_log(k->l, k->a)));
}

/* Where both are equal the gradient goes to the first. */
static void back_min(const back *k)
{
    mval first = m_less_equal(k->l, k->a, k->b);
    give(k, 0, g_where(k, first));
    give(k, 1, g_where(k, m_not(k->l, first)));
}

static void back_max(const back *k)
{
    mval first = m_less_equal(k->l, k->b, k->a);
    give(k, 0, g_where(k, first));
    give(k, 1, g_where(k, m_not(k->l, first)));
}

static void back_where(const back *k)
{
    give(k, 1, g_where(k, k->a));
    give(k, 2, g_where(k, m_not(k->l, k->a)));
}

/* ---- Reductions ---------------------------------------------------------------------------------------- */

static void back_reduce_sum(const back *k)
{
    give(k, 0, m_broadcast_like(k->l, k->g, k->a));
}

/* All elements that equal the extreme share the gradient. */
static void back_reduce_extreme(const back *k)
{
    spec_ints axes = spec_reduce(k->n).axes;
    mval there = m_cast_like(k->l, m_equal(k->l, k->a, k->y), k->g);
    mval count = axes.n ? m_reduce(k->l, MILLI_reduce_sum, there, axes.n, axes.v, KEEP_DIMS) : there;
    give(k, 0, m_mul(k->l, m_div(k->l, k->g, count), there));
}

static void back_cumulative_sum(const back *k)
{
    int axis = (int)spec_milli_sort(k->n).axis;
    mval sum = m_cumulative(k->l, MILLI_cumulative_sum, m_reverse(k->l, k->g, axis), axis);
    give(k, 0, m_reverse(k->l, sum, axis));
}

/* ---- Layout -------------------------------------------------------------------------------------------- */

static void back_reshape(const back *k)
{
    dim dims[SIB_MAX_RANK];
    int rank = m_dims(k->l, k->a, dims);
    give(k, 0, m_reshape(k->l, k->g, (size_t)rank, dims));
}

static void back_transpose(const back *k)
{
    spec_ints perm = spec_transpose(k->n).perm;
    int64_t inverse[SIB_MAX_RANK];
    for (size_t i = 0; i < perm.n && i < SIB_MAX_RANK; i++)
        inverse[perm.v[i]] = (int64_t)i;
    give(k, 0, m_transpose(k->l, k->g, inverse));
}

static void back_expand(const back *k)
{
    give(k, 0, k->g);
}

/* The inverse of a slice of one axis: g [..., n] at start, start + step, ... of `size` zeros. */
static mval unslice(lowering *l, mval g, int axis, int64_t start, int64_t step, dim size)
{
    dim dims[SIB_MAX_RANK], zero = d_const(l, 0);
    if (step < 0) {
        g = m_reverse(l, g, axis);
        start += (m_number(l, m_dim(l, g, axis)) - 1) * step;
        step = -step;
    }
    if (step > 1) { /* zeros between the elements: [n] → [n, step] → [n * step], less those at the end */
        mval apart =
            m_pad_axis(l, m_unsqueeze(l, g, axis + 1), axis + 1, zero, d_const(l, step - 1), MVAL_NONE);
        g = m_flatten(l, apart, axis, axis + 2);
        dim n = d_sub(l, m_dim(l, g, axis), d_const(l, step - 1));
        g = m_slice(l, g, axis, zero, n, 1);
    }
    m_dims(l, g, dims);
    dim after = d_sub(l, d_sub(l, size, dims[axis]), d_const(l, start));
    return m_pad_axis(l, g, axis, d_const(l, start), after, MVAL_NONE);
}

static void back_slice(const back *k)
{
    milli_slice_spec spec = spec_milli_slice(k->n);
    dim from[SIB_MAX_RANK], to[SIB_MAX_RANK];
    int rank = m_dims(k->l, k->a, from);
    mval g = k->g;
    m_dims(k->l, k->y, to);
    for (int i = 0; i < rank && l_ok(k->l) && (size_t)i < spec.start.n; i++) {
        int64_t count = 1, start = spec.start.v[i], step = spec.step.v[i];
        dim_is_const(k->l->graph->dims, to[i], &count);
        if (step == 0)
            l_fail(k->l, SIB_ERR_UNSUPPORTED, "the derivative of a slice with step 0 is not supported");
        else if (count == 0)
            return; /* no gradient */
        else if (!dim_same(from[i], to[i]) || start || step != 1)
            g = unslice(k->l, g, i, start, step, from[i]);
    }
    give(k, 0, g);
}

static void back_concat(const back *k)
{
    int axis = (int)spec_concat(k->n).axis;
    dim start = d_const(k->l, 0);
    for (uint32_t i = 0; i < k->n->inputs.n && l_ok(k->l); i++) {
        dim count = m_dim(k->l, (mval){k->n->inputs.ids[i]}, axis);
        give(k, i, m_slice(k->l, k->g, axis, start, count, 1));
        start = d_add(k->l, start, count);
    }
}

static void back_pad(const back *k)
{
    spec_ints before = spec_milli_pad(k->n).before;
    dim dims[SIB_MAX_RANK];
    int rank = m_dims(k->l, k->a, dims);
    mval g = k->g;
    for (int i = 0; i < rank && (size_t)i < before.n; i++)
        g = m_slice(k->l, g, i, d_const(k->l, before.v[i]), dims[i], 1);
    give(k, 0, g);
    if (k->n->inputs.ids[1] < k->pass->n_values && k->pass->depends[k->n->inputs.ids[1]])
        give(k, 1,
             m_sub(k->l, m_reduce(k->l, MILLI_reduce_sum, k->g, 0, NULL, DROP_DIMS),
                   m_reduce(k->l, MILLI_reduce_sum, g, 0, NULL, DROP_DIMS)));
}

/* Adds the rows of g [j..., rest...] at `at` [j...] of axis 0 of zeros [size, rest...]. */
static mval scatter_rows(lowering *l, mval g, mval at, dim size)
{
    dim dims[SIB_MAX_RANK], rows[SIB_MAX_RANK];
    int rank = m_dims(l, g, dims), n = m_rank(l, at), kept = 1;
    if (!l_ok(l))
        return MVAL_NONE;
    rows[0] = size;
    for (int i = n; i < rank; i++)
        rows[kept++] = dims[i];
    mval zeros = m_filled(l, m_scalar_like(l, g, 0), (size_t)kept, rows);
    return m_scatter_nd(l, zeros, m_unsqueeze(l, at, n), g, "add");
}

static void back_gather(const back *k)
{
    int axis = (int)spec_gather(k->n).axis, n = m_rank(k->l, k->b);
    mval g = k->g;
    for (int i = 0; i < n && l_ok(k->l); i++) /* [i..., j..., k...] → [j..., i..., k...] */
        g = m_move(k->l, g, axis + i, i);
    g = scatter_rows(k->l, g, k->b, m_dim(k->l, k->a, axis));
    give(k, 0, m_move(k->l, g, 0, axis));
}

static void back_gather_nd(const back *k)
{
    if (spec_gather(k->n).batch_dims != 0) {
        l_fail(k->l, SIB_ERR_UNSUPPORTED, "the derivative of gather_nd with batch axes is not supported");
        return;
    }
    give(k, 0, m_scatter_nd(k->l, zeros_like(k->l, k->a), k->b, k->g, "add"));
}

static void back_scatter_nd(const back *k)
{
    scatter_reduction how = spec_scatter(k->n).reduction;
    mval taken = m_gather_nd(k->l, k->g, k->b, 0);
    if (how == SCATTER_ADD)
        give(k, 0, k->g);
    else if (how == SCATTER_NONE) /* repeated indices would each get the gradient; they are unique */
        give(k, 0, m_scatter_nd(k->l, k->g, k->b, zeros_like(k->l, taken), "none"));
    else {
        l_fail(k->l, SIB_ERR_UNSUPPORTED,
               "the derivative of scatter_nd with a product or an extreme is not supported");
        return;
    }
    give(k, 2, taken);
}

/* Each element of each window is added back to its position, which windows over the flat positions of the
   padded input give. */
static void back_windows(const back *k)
{
    lowering *l = k->l;
    window_spec w = {0};
    milli_windows_spec spec = spec_milli_windows(k->n);
    const int64_t *before = spec.before.v, *after = spec.after.v;
    size_t n = spec.kernel.n;
    dim dims[SIB_MAX_RANK], padded[SIB_MAX_RANK];
    int rank = m_dims(l, k->a, dims), lead = rank - (int)n;
    if (!l_ok(l) || lead < 0)
        return;
    w.n = (int)n;
    for (size_t i = 0; i < n; i++) {
        w.kernel[i] = spec.kernel.v[i];
        w.stride[i] = spec.stride.v[i];
        w.dilation[i] = spec.dilation.v[i];
        w.before[i] = w.after[i] = d_const(l, 0);
        padded[i] = d_add(l, dims[lead + (int)i], d_const(l, before[i] + after[i]));
    }
    dim room = d_product(l, n, padded), rows = d_product(l, (size_t)lead, dims);
    mval at =
        m_windows(l, m_reshape(l, m_iota(l, SIB_I64, room), n, padded), &w, MVAL_NONE); /* [k..., p...] */
    mval flat = m_flatten(l, at, 0, 2 * (int)n);
    dim both[2] = {rows, m_dim(l, flat, 0)}, full[SIB_MAX_RANK];
    mval g = m_swap(l, m_reshape(l, k->g, 2, both), 0, 1); /* [k p, lead] */
    g = m_swap(l, scatter_rows(l, g, flat, room), 0, 1);   /* [lead, room] */
    for (int i = 0; i < rank; i++)
        full[i] = i < lead ? dims[i] : padded[i - lead];
    g = m_reshape(l, g, (size_t)rank, full);
    for (int i = lead; i < rank; i++)
        g = m_slice(l, g, i, d_const(l, before[i - lead]), dims[i], 1);
    give(k, 0, g);
}

/* ---- Contraction and order ----------------------------------------------------------------------------- */

static void back_matmul(const back *k)
{
    give(k, 0, m_matmul(k->l, k->g, m_swap(k->l, k->b, -1, -2)));
    give(k, 1, m_matmul(k->l, m_swap(k->l, k->a, -1, -2), k->g));
}

static void back_sort(const back *k)
{
    int axis = (int)spec_milli_sort(k->n).axis;
    mval order = {k->n->outputs.ids[1]}, back_order = MVAL_NONE;
    m_sort(k->l, order, axis, false, &back_order);
    give(k, 0, m_gather_elements(k->l, k->g, back_order, axis));
}

static gradient_rule *const rules[MILLI_COUNT] = {
    [MILLI_neg] = back_neg,
    [MILLI_abs] = back_abs,
    [MILLI_sign] = back_none,
    [MILLI_floor] = back_none,
    [MILLI_ceil] = back_none,
    [MILLI_round] = back_none,
    [MILLI_sqrt] = back_sqrt,
    [MILLI_exp] = back_exp,
    [MILLI_log] = back_log,
    [MILLI_sin] = back_sin,
    [MILLI_cos] = back_cos,
    [MILLI_tan] = back_tan,
    [MILLI_asin] = back_asin,
    [MILLI_acos] = back_acos,
    [MILLI_atan] = back_atan,
    [MILLI_sinh] = back_sinh,
    [MILLI_cosh] = back_cosh,
    [MILLI_tanh] = back_tanh,
    [MILLI_asinh] = back_asinh,
    [MILLI_acosh] = back_acosh,
    [MILLI_atanh] = back_atanh,
    [MILLI_erf] = back_erf,
    [MILLI_log1p] = back_log1p,
    [MILLI_expm1] = back_expm1,
    [MILLI_add] = back_add,
    [MILLI_sub] = back_sub,
    [MILLI_mul] = back_mul,
    [MILLI_div] = back_div,
    [MILLI_mod] = back_mod,
    [MILLI_fmod] = back_fmod,
    [MILLI_pow] = back_pow,
    [MILLI_min] = back_min,
    [MILLI_max] = back_max,
    [MILLI_where] = back_where,
    [MILLI_cast] = back_cast,
    [MILLI_reduce_sum] = back_reduce_sum,
    [MILLI_reduce_min] = back_reduce_extreme,
    [MILLI_reduce_max] = back_reduce_extreme,
    [MILLI_cumulative_sum] = back_cumulative_sum,
    [MILLI_reshape] = back_reshape,
    [MILLI_transpose] = back_transpose,
    [MILLI_expand] = back_expand,
    [MILLI_slice] = back_slice,
    [MILLI_concat] = back_concat,
    [MILLI_pad] = back_pad,
    [MILLI_gather] = back_gather,
    [MILLI_gather_nd] = back_gather_nd,
    [MILLI_scatter_nd] = back_scatter_nd,
    [MILLI_windows] = back_windows,
    [MILLI_matmul] = back_matmul,
    [MILLI_sort] = back_sort,
};

/* Input i of a milli-op, or MVAL_NONE. */
static mval input_of(const node *n, uint32_t i)
{
    return i < n->inputs.n ? (mval){n->inputs.ids[i]} : MVAL_NONE;
}

void gradient_through(lowering *l, gradient_pass *p, const node *n, const mval *g)
{
    if (!rules[n->milli->kind]) {
        l_fail(l, SIB_ERR_UNSUPPORTED, "the derivative of milli-op %s is not supported", n->milli->name);
        return;
    }
    if (g[0].id == NO_VALUE) /* only the second output has a gradient: indices, which have no derivative */
        return;
    back k = {l, p, n, input_of(n, 0), input_of(n, 1), input_of(n, 2), {n->outputs.ids[0]}, g[0]};
    rules[n->milli->kind](&k);
}
