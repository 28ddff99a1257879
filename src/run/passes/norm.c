/* Fuses normalizations that exporters write as arithmetic: LayerNormalization and RMSNormalization. */
#include "run/passes/match.h"
#include "run/passes/passes.h"
#include "tensor/tensor.h"

#include <math.h>
#include <string.h>

/* The parts of a normalization, found from the square root. */
typedef struct normal {
    match_nodes nodes;
    value_id x;       /* the normalized value */
    value_id centred; /* x - mean, or x itself */
    int64_t axis;     /* the first normalized axis, from the end: -1 is the last alone */
    double epsilon;
} normal;

/* Whether n is a ReduceMean with keepdims over the last axes; *axis: the first of them, < 0. */
static bool is_mean(const matcher *m, const node *n, int64_t *axis)
{
    int64_t axes[SIB_MAX_RANK];
    bool absent;
    if (!match_op(n, "ReduceMean") || !spec_reduce(n).keepdims)
        return false;
    int rank = match_rank(m, n->inputs.ids[0]),
        count = match_list(m, n, 1, spec_reduce(n).axes, axes, SIB_MAX_RANK, &absent);
    uint32_t seen = 0;
    for (int i = 0; i < count; i++) {
        if (rank < 0 && axes[i] >= 0)
            return false;
        int64_t from_end = axes[i] < 0 ? -1 - axes[i] : rank - 1 - axes[i];
        if (from_end < 0 || from_end >= SIB_MAX_RANK)
            return false;
        seen |= UINT32_C(1) << from_end;
    }
    *axis = -count;
    return count > 0 && seen == (UINT32_C(1) << count) - 1;
}

/* The value that n squares, or NO_VALUE. */
static value_id squared(const matcher *m, const node *n)
{
    if (match_op(n, "Pow") && match_is_number(m, node_in(n, 1), 2))
        return n->inputs.ids[0];
    if (match_op(n, "Mul") && n->inputs.n == 2 && n->inputs.ids[0] == n->inputs.ids[1])
        return n->inputs.ids[0];
    return NO_VALUE;
}

/* Reads mean(square) + epsilon under the root. */
static bool read_variance(const matcher *m, value_id v, normal *f)
{
    const node *sum = match_made_by(m, v, "Add");
    if (!sum || sum->inputs.n != 2)
        return false;
    uint32_t number = match_number(m, sum->inputs.ids[1], &f->epsilon) ? 1 : 0;
    if (!number && !match_number(m, sum->inputs.ids[0], &f->epsilon))
        return false;
    const node *mean = match_maker(m, sum->inputs.ids[1 - number]);
    if (!is_mean(m, mean, &f->axis) || !(f->epsilon >= 0))
        return false;
    const node *square = match_maker(m, mean->inputs.ids[0]);
    f->centred = square ? squared(m, square) : NO_VALUE;
    if (f->centred == NO_VALUE)
        return false;
    match_add(&f->nodes, m, sum);
    match_add(&f->nodes, m, mean);
    match_add(&f->nodes, m, square);
    return true;
}

/* Reads x of centred = x - mean(x) over the same axes. Returns false where it is not centred; x is then
   f->centred. */
static bool read_centre(const matcher *m, normal *f)
{
    const node *sub = match_made_by(m, f->centred, "Sub");
    int64_t axis;
    f->x = f->centred;
    if (!sub || sub->inputs.n != 2)
        return false;
    const node *mean = match_maker(m, sub->inputs.ids[1]);
    if (!is_mean(m, mean, &axis) || axis != f->axis || mean->inputs.ids[0] != sub->inputs.ids[0])
        return false;
    match_add(&f->nodes, m, sub);
    match_add(&f->nodes, m, mean);
    f->x = sub->inputs.ids[0];
    return true;
}

/* The division of f->centred by the root, in one of its forms: c / r, c * (1 / r), c * reciprocal(r). */
static const node *read_quotient(const matcher *m, const node *root, normal *f)
{
    value_id r = node_out(root, 0);
    const node *n = match_only_reader(m, r);
    match_add(&f->nodes, m, root);
    if (n && match_op(n, "Div") && n->inputs.ids[0] == f->centred && n->inputs.ids[1] == r)
        return n;
    bool inverts = n && (match_op(n, "Reciprocal") ||
                         (match_op(n, "Div") && match_is_number(m, node_in(n, 0), 1) && node_in(n, 1) == r));
    if (!inverts)
        return NULL;
    match_add(&f->nodes, m, n);
    const node *times = match_only_reader(m, node_out(n, 0));
    return times && match_op(times, "Mul") && match_pair(times, node_out(n, 0), f->centred) ? times : NULL;
}

/* The parameter that n combines with v: one number per element of the last axis, or NO_VALUE. *flat: a
   constant of higher rank, to be reshaped to rank 1. */
static value_id parameter(const matcher *m, const node *n, const char *type, value_id v, bool *flat)
{
    int64_t size, own;
    value_id p = n && match_op(n, type) ? match_other(n, v) : NO_VALUE;
    const sib_tensor *t = match_constant(m, p);
    *flat = false;
    if (p == NO_VALUE || p == v || match_dtype(m, p) != match_dtype(m, v) || !match_dim(m, v, -1, &size) ||
        !match_dim(m, p, -1, &own) || own != size || match_rank(m, p) > match_rank(m, v))
        return NO_VALUE;
    *flat = match_rank(m, p) > 1;
    return !*flat || (t && t->count == (uint64_t)size && t->dense) ? p : NO_VALUE;
}

/* The parameter, reshaped to rank 1 where `flat`. */
static sib_code flattened(matcher *m, value_id p, bool flat, value_id *out)
{
    sib_tensor *t = NULL;
    *out = p;
    if (!flat)
        return SIB_OK;
    int64_t count = (int64_t)match_constant(m, p)->count;
    sib_code code = sib_tensor_reshape(match_constant(m, p), 1, &count, &t, m->err);
    return code == SIB_OK ? match_keep(m, t, out) : code;
}

/* A scale of ones over the normalized axes. */
static sib_code ones(matcher *m, value_id x, int64_t axis, value_id *out)
{
    sib_tensor *t = NULL, *made = NULL;
    int64_t dims[SIB_MAX_RANK];
    for (int64_t i = axis; i < 0; i++)
        match_dim(m, x, (int)i, &dims[i - axis]);
    sib_code code = sib_tensor_create(SIB_F64, (size_t)-axis, dims, &t, m->err);
    for (uint64_t i = 0; code == SIB_OK && i < t->count; i++)
        ((double *)t->data)[i] = 1;
    if (code == SIB_OK)
        code = sib_tensor_convert(t, match_dtype(m, x), SIB_OVERFLOW_IEEE, &made, m->err);
    sib_tensor_free(&t);
    return code == SIB_OK ? match_keep(m, made, out) : code;
}

static bool has_known_axes(const matcher *m, value_id x, int64_t axis)
{
    int64_t size, count = 1;
    for (int64_t i = axis; i < 0; i++)
        if (!match_dim(m, x, (int)i, &size) || size < 1 || __builtin_mul_overflow(count, size, &count))
            return false;
    return count <= 1 << 20;
}

static sib_code build(matcher *m, normal *f, const node *last, bool centred)
{
    value_id y = node_out(last, 0), in[3], scale = NO_VALUE, bias = NO_VALUE;
    bool flat_scale = false, flat_bias = false;
    const node *next = f->axis == -1 ? match_only_reader(m, y) : NULL;
    match_add(&f->nodes, m, last);
    scale = next ? parameter(m, next, "Mul", y, &flat_scale) : NO_VALUE;
    if (scale != NO_VALUE) {
        match_add(&f->nodes, m, next);
        last = next;
        y = node_out(next, 0);
        next = match_only_reader(m, y);
    }
    bias = centred && next ? parameter(m, next, "Add", y, &flat_bias) : NO_VALUE;
    if (bias != NO_VALUE) {
        match_add(&f->nodes, m, next);
        last = next;
        y = node_out(next, 0);
    }
    if (!match_closed(m, &f->nodes, y) || !match_same_rank(m, f->x, y) ||
        (scale == NO_VALUE && !has_known_axes(m, f->x, f->axis)) || !pass_admit(m->run))
        return SIB_OK;
    in[0] = f->x;
    sib_code code =
        scale == NO_VALUE ? ones(m, f->x, f->axis, &in[1]) : flattened(m, scale, flat_scale, &in[1]);
    if (code == SIB_OK && bias != NO_VALUE)
        code = flattened(m, bias, flat_bias, &in[2]);
    attribute attributes[] = {match_int("axis", f->axis), match_float("epsilon", (float)f->epsilon)};
    node made = centred ? match_node("", "LayerNormalization", 17, last)
                        : match_node("", "RMSNormalization", 23, last);
    made.inputs = (id_list){bias == NO_VALUE ? 2 : 3, in};
    made.outputs = (id_list){1, &y};
    made.attributes = attributes;
    made.n_attributes = 2;
    return code == SIB_OK ? match_replace(m, &f->nodes, &made) : code;
}

static sib_code fuse_at(matcher *m, const node *root)
{
    normal f = {.nodes = {0}};
    sib_dtype dtype = match_dtype(m, node_out(root, 0));
    bool is_root =
        match_op(root, "Sqrt") || (match_op(root, "Pow") && match_is_number(m, node_in(root, 1), 0.5));
    if (!is_root || sib_dtype_get_kind(dtype) != SIB_KIND_FLOAT || !read_variance(m, root->inputs.ids[0], &f))
        return SIB_OK;
    bool centred = read_centre(m, &f);
    const node *quotient = read_quotient(m, root, &f);
    return quotient ? build(m, &f, quotient, centred) : SIB_OK;
}

sib_code pass_normalization(const graph *g, pass_run *r, patch *p, sib_error *err)
{
    return match_each(g, r, p, fuse_at, err);
}
