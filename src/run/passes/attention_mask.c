/* Interval analysis of masks. */
#include "run/passes/attention_mask.h"
#include "tensor/tensor.h"

#include <float.h>
#include <math.h>

#define ELEMENTS_MAX ((uint64_t)1 << 22) /* of constants that are examined */
#define DEPTH_MAX    10

bool mask_sees_first(const matcher *m, value_id v)
{
    int64_t axes[4], starts[4], steps[4];
    bool absent;
    for (int i = 0; i < 4 && !match_constant(m, v); i++) {
        const node *n = match_maker(m, v);
        if (match_op(n, "Slice")) {
            slice_spec spec = spec_slice(n);
            int count = match_list(m, n, 3, spec.axes, axes, 4, &absent);
            if (count != 1 || match_list(m, n, 4, spec.steps, steps, 4, &absent) > 1 ||
                (!absent && steps[0] != 1) || match_rank(m, v) < 1)
                return false;
            bool last = axes[0] == -1 || axes[0] == match_rank(m, v) - 1;
            if (last && (match_list(m, n, 1, spec.starts, starts, 4, &absent) != 1 || starts[0] != 0))
                return false;
        } else if (!match_op(n, "Cast"))
            return false;
        v = n->inputs.ids[0];
    }
    const sib_tensor *t = match_constant(m, v);
    if (!t || t->rank < 1 || !t->count || t->count > ELEMENTS_MAX)
        return false;
    int64_t index[SIB_MAX_RANK] = {0}, rows = (int64_t)t->count / t->dims[t->rank - 1];
    for (int64_t r = 0; r < rows; r++) {
        double x;
        int64_t rest = r;
        for (size_t i = t->rank - 1; i-- > 0; rest /= t->dims[i])
            index[i] = rest % t->dims[i];
        if (sib_tensor_get(t, index, &x, NULL) != SIB_OK || x == 0)
            return false;
    }
    return true;
}

/* All elements are within low .. high, and each row (along the last axis) has an element >= `open`. */
typedef struct bounds {
    double low, high, open;
} bounds;

static const bounds nothing_known = {-INFINITY, INFINITY, -INFINITY};

static bounds of_constant(const sib_tensor *t)
{
    int64_t index[SIB_MAX_RANK] = {0}, width = t->rank ? t->dims[t->rank - 1] : 1;
    bounds b = {INFINITY, -INFINITY, INFINITY};
    double max = -INFINITY, x;
    if (!t->count || t->count > ELEMENTS_MAX)
        return nothing_known;
    for (int64_t i = 0; i < (int64_t)t->count; i++) {
        int64_t rest = i;
        for (size_t axis = t->rank; axis-- > 0; rest /= t->dims[axis])
            index[axis] = rest % t->dims[axis];
        if (sib_tensor_get(t, index, &x, NULL) != SIB_OK)
            return nothing_known;
        x = isnan(x) ? 0 : x; /* NaN stays NaN, and is not -inf */
        b.low = fmin(b.low, x);
        b.high = fmax(b.high, x);
        max = fmax(max, x);
        if ((i + 1) % width == 0) {
            b.open = fmin(b.open, max);
            max = -INFINITY;
        }
    }
    return b;
}

static bounds bounds_of(const matcher *m, value_id v, int depth);

static bool is_integer(sib_dtype t)
{
    return t == SIB_BOOL || t == SIB_I8 || t == SIB_I16 || t == SIB_I32 || t == SIB_I64 || t == SIB_U8 ||
           t == SIB_U16 || t == SIB_U32 || t == SIB_U64;
}

static bounds product(bounds a, bounds b)
{
    const double corners[] = {a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high};
    bounds c = {INFINITY, -INFINITY, 0};
    for (size_t i = 0; i < 4; i++) {
        if (isnan(corners[i]))
            return nothing_known;
        c.low = fmin(c.low, corners[i]);
        c.high = fmax(c.high, corners[i]);
    }
    c.open = c.low;
    return c;
}

/* The bounds of a product, sum or difference. */
static bounds of_two(const matcher *m, const node *n, int depth)
{
    bounds a = bounds_of(m, node_in(n, 0), depth), b = bounds_of(m, node_in(n, 1), depth);
    if (match_op(n, "Mul"))
        return product(a, b);
    if (match_op(n, "Sub"))
        return (bounds){a.low - b.high, a.high - b.low, a.open - b.high};
    return (bounds){a.low + b.low, a.high + b.high, fmax(a.low + b.open, a.open + b.low)};
}

static bounds of_choice(const matcher *m, const node *n, int depth)
{
    bounds a = bounds_of(m, node_in(n, 1), depth), b = bounds_of(m, node_in(n, 2), depth);
    double low = fmin(a.low, b.low);
    return (bounds){low, fmax(a.high, b.high), mask_sees_first(m, node_in(n, 0)) ? a.low : low};
}

/* With k >= 1, the upper triangle gives each row a 0 at its start. */
static bounds of_triangle(const matcher *m, const node *n, int depth)
{
    double k = 0;
    bounds b = bounds_of(m, node_in(n, 0), depth);
    bool begins = spec_trilu(n).upper && match_number(m, node_in(n, 1), &k) && k >= 1;
    b.low = fmin(b.low, 0);
    b.high = fmax(b.high, 0);
    b.open = begins ? 0 : b.low;
    return b;
}

/* Whether the node's elements all come from input 0; rows may change. */
static bool only_moves(const node *n)
{
    static const char *const types[] = {"Cast",  "Unsqueeze", "Squeeze", "Reshape",   "Expand",
                                        "Slice", "Gather",    "Tile",    "Transpose", "Identity"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (match_op(n, types[i]))
            return true;
    return false;
}

static bounds bounds_of(const matcher *m, value_id v, int depth)
{
    const sib_tensor *t = v == NO_VALUE ? NULL : match_constant(m, v);
    if (t)
        return of_constant(t);
    if (v == NO_VALUE || depth <= 0)
        return nothing_known;
    if (is_integer(match_dtype(m, v)))
        return (bounds){0, 1, 0};
    const node *n = match_maker(m, v);
    if (!n || match_dtype(m, v) != SIB_F32) /* narrower floats overflow earlier */
        return nothing_known;
    if (match_op(n, "Add") || match_op(n, "Sub") || match_op(n, "Mul"))
        return of_two(m, n, depth - 1);
    if (match_op(n, "Where"))
        return of_choice(m, n, depth - 1);
    if (match_op(n, "Trilu"))
        return of_triangle(m, n, depth - 1);
    if (!only_moves(n))
        return nothing_known;
    bounds b = bounds_of(m, node_in(n, 0), depth - 1);
    b.open = b.low;
    return b;
}

bool mask_leaves_keys(const matcher *m, value_id v)
{
    return bounds_of(m, v, DEPTH_MAX).open >= -(double)FLT_MAX;
}
