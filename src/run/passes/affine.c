/* Folds per-channel scales and offsets after a convolution or product into its weights and bias. */
#include "base/alloc.h"
#include "base/error.h"
#include "run/passes/match.h"
#include "run/passes/passes.h"
#include "tensor/convert.h"
#include "tensor/tensor.h"

#include <math.h>
#include <string.h>

/* y[c] = x[c] * scale[c] + offset[c] for the channels of a node's output. */
typedef struct affine {
    size_t n;
    double *scale, *offset; /* (n) */
} affine;

/* A node whose output channels are rows or columns of its weights. */
typedef struct layer {
    const node *n;
    const sib_tensor *weights, *bias; /* bias: [C], or NULL */
    int axis;                         /* axis of the channels in the weights */
    size_t channels;
    int out_axis; /* axis of the channels in the output, from the end; 0: last */
} layer;

static bool is_wide(sib_dtype dtype)
{
    return dtype == SIB_F32 || dtype == SIB_F64;
}

/* Fills *l where n is such a node with constant weights. */
static bool read_layer(const matcher *m, const node *n, layer *l)
{
    bool conv = match_op(n, "Conv"), back = match_op(n, "ConvTranspose"), gemm = match_op(n, "Gemm");
    value_id b = node_in(n, 2);
    *l = (layer){.n = n, .weights = match_constant(m, node_in(n, 1)), .bias = match_constant(m, b)};
    if ((!conv && !back && !gemm) || !l->weights || !is_wide(l->weights->dtype) ||
        (b != NO_VALUE && !l->bias) || !match_one_output(m, n))
        return false;
    if (gemm) {
        gemm_spec spec = spec_gemm(n);
        if (spec.beta != 1 || l->weights->rank != 2 || n->version < 7)
            return false;
        l->axis = spec.transB ? 0 : 1;
    } else {
        if (l->weights->rank < 3 || match_rank(m, node_out(n, 0)) != (int)l->weights->rank ||
            (back && spec_conv(n).group != 1))
            return false;
        l->axis = back ? 1 : 0;
    }
    l->out_axis = gemm ? 0 : (int)l->weights->rank - 2;
    l->channels = (size_t)l->weights->dims[l->axis];
    return l->channels && (!l->bias || (l->bias->count == l->channels && l->bias->rank == 1 &&
                                        l->bias->dtype == l->weights->dtype && l->bias->dense));
}

/* ---- Nodes after a layer ------------------------------------------------------------------------------- */

/* Element c of t, which is dense, or its only element. */
static double element(const sib_tensor *t, size_t c)
{
    double x;
    convert_to_doubles(t->dtype, t->data, t->count == 1 ? 0 : c, 1, CONVERT_REAL_PART, &x);
    return x;
}

/* Whether t, broadcast to the output, has one number per channel: [C, 1...] at axis out_axis, or one
   element. */
static bool is_by_channel(const sib_tensor *t, const layer *l)
{
    if (!t || t->dtype != l->weights->dtype || !t->dense)
        return false;
    if (t->count == 1)
        return true;
    for (size_t i = 0; i < t->rank; i++)
        if (t->dims[i] != 1 && t->rank - 1 - i != (size_t)l->out_axis)
            return false;
    return t->count == l->channels;
}

/* Adds y = (x - mean) / sqrt(var + epsilon) * scale + bias to *a. */
static bool read_normalization(const matcher *m, const node *n, const layer *l, affine *a)
{
    const sib_tensor *t[4];
    if (!match_op(n, "BatchNormalization") || !match_one_output(m, n))
        return false;
    batch_norm_spec spec = spec_batch_norm(n);
    if ((n->version >= 14 && spec.training_mode) || n->version < 7 || !spec.spatial)
        return false;
    for (uint32_t i = 0; i < 4; i++) {
        t[i] = match_constant(m, node_in(n, i + 1));
        if (!t[i] || t[i]->rank != 1 || t[i]->count != l->channels || !is_wide(t[i]->dtype) || !t[i]->dense)
            return false;
    }
    for (size_t c = 0; c < l->channels; c++) {
        double by = element(t[0], c) / sqrt(element(t[3], c) + spec.epsilon);
        a->scale[c] *= by;
        a->offset[c] = (a->offset[c] - element(t[2], c)) * by + element(t[1], c);
    }
    return true;
}

/* Adds a Mul, Div, Add or Sub of x, which node `n` reads, and per-channel numbers to *a. */
static bool read_number(const matcher *m, const node *n, value_id x, const layer *l, affine *a)
{
    bool times = match_op(n, "Mul"), by = match_op(n, "Div"), plus = match_op(n, "Add"),
         less = match_op(n, "Sub");
    value_id other = match_other(n, x);
    const sib_tensor *t = match_constant(m, other);
    if ((!times && !by && !plus && !less) || n->version < 7 || other == x || !is_by_channel(t, l) ||
        ((by || less) && n->inputs.ids[0] != x) || !match_same_type(m, x, node_out(n, 0)))
        return false;
    for (size_t c = 0; c < l->channels; c++) {
        double number = element(t, c);
        if (times || by) {
            a->scale[c] = by ? a->scale[c] / number : a->scale[c] * number;
            a->offset[c] = by ? a->offset[c] / number : a->offset[c] * number;
        } else
            a->offset[c] += less ? -number : number;
    }
    return true;
}

/* ---- Weights ------------------------------------------------------------------------------------------- */

static sib_code scaled_weights(const matcher *m, const layer *l, const affine *a, sib_tensor **out)
{
    sib_tensor *wide = NULL;
    size_t inner = 1;
    sib_code code = sib_tensor_convert(l->weights, SIB_F64, SIB_OVERFLOW_IEEE, &wide, m->err);
    for (size_t i = (size_t)l->axis + 1; i < l->weights->rank; i++)
        inner *= (size_t)l->weights->dims[i];
    if (code == SIB_OK) {
        double *x = sib_tensor_data(wide);
        for (uint64_t i = 0; i < wide->count; i++)
            x[i] *= a->scale[i / inner % l->channels];
        code = sib_tensor_convert(wide, l->weights->dtype, SIB_OVERFLOW_IEEE, out, m->err);
    }
    sib_tensor_free(&wide);
    return code;
}

/* The bias after folding: the old one, scaled, plus the offsets. */
static sib_code new_bias(const matcher *m, const layer *l, const affine *a, sib_tensor **out)
{
    sib_tensor *wide = NULL;
    int64_t count = (int64_t)l->channels;
    sib_code code = sib_tensor_create(SIB_F64, 1, &count, &wide, m->err);
    if (code == SIB_OK) {
        for (size_t c = 0; c < l->channels; c++)
            ((double *)wide->data)[c] = (l->bias ? element(l->bias, c) * a->scale[c] : 0) + a->offset[c];
        code = sib_tensor_convert(wide, l->weights->dtype, SIB_OVERFLOW_IEEE, out, m->err);
    }
    sib_tensor_free(&wide);
    return code;
}

/* Max scale or offset that is folded, about the square root of the largest float32: a weight of at most
   that times a scale of at most that is finite. Weights that overflow would give other results than the
   two steps. */
#define FACTOR_MAX 1e18

static bool is_in_range(const affine *a)
{
    for (size_t c = 0; c < a->n; c++)
        if (!isfinite(a->scale[c]) || !isfinite(a->offset[c]) || fabs(a->scale[c]) > FACTOR_MAX ||
            fabs(a->offset[c]) > FACTOR_MAX)
            return false;
    return true;
}

static bool has_scale(const affine *a)
{
    for (size_t c = 0; c < a->n; c++)
        if (a->scale[c] != 1)
            return true;
    return false;
}

static sib_code rebuild(matcher *m, const layer *l, const affine *a, const match_nodes *old, value_id out)
{
    sib_tensor *w = NULL, *b = NULL;
    value_id in[3] = {node_in(l->n, 0), node_in(l->n, 1), NO_VALUE};
    node made = *l->n;
    sib_code code = SIB_OK;
    if (has_scale(a)) {
        code = scaled_weights(m, l, a, &w);
        if (code == SIB_OK)
            code = match_keep(m, w, &in[1]);
    }
    if (code == SIB_OK)
        code = new_bias(m, l, a, &b);
    if (code == SIB_OK)
        code = match_keep(m, b, &in[2]);
    made.inputs = (id_list){3, in};
    made.outputs = (id_list){1, &out};
    return code == SIB_OK ? match_replace(m, old, &made) : code;
}

/* Folds the nodes after the layer into it. */
static sib_code fold_layer(matcher *m, const layer *l)
{
    affine a = {.n = l->channels};
    match_nodes old = {0};
    value_id out = node_out(l->n, 0);
    a.scale = mem_alloc(2 * l->channels, sizeof *a.scale);
    if (!a.scale)
        return err_memory(m->err, 2 * l->channels * sizeof *a.scale, "a pass");
    a.offset = a.scale + l->channels;
    for (size_t c = 0; c < l->channels; c++) {
        a.scale[c] = 1;
        a.offset[c] = 0;
    }
    match_add(&old, m, l->n);
    for (const node *next = match_only_reader(m, out); next && old.n < 16; next = match_only_reader(m, out)) {
        if (!read_normalization(m, next, l, &a) && !read_number(m, next, out, l, &a))
            break;
        match_add(&old, m, next);
        out = node_out(next, 0);
    }
    sib_code code = SIB_OK;
    if (old.n > 1 && is_in_range(&a) && pass_admit(m->run))
        code = rebuild(m, l, &a, &old, out);
    mem_free(a.scale);
    return code;
}

static sib_code fold_at(matcher *m, const node *n)
{
    layer l;
    return read_layer(m, n, &l) ? fold_layer(m, &l) : SIB_OK;
}

sib_code pass_affine(const graph *g, pass_run *r, patch *p, sib_error *err)
{
    return match_each(g, r, p, fold_at, err);
}
