/* Replaces float operators between a DequantizeLinear and a QuantizeLinear by operators on the quantized
   bytes.

   A quantized operator sums integers where floats would be added, and rounds once. So where the float
   result is halfway between two steps, its result may differ by one step. */
#include "run/passes/match.h"
#include "run/passes/passes.h"
#include "tensor/tensor.h"

#include <math.h>
#include <string.h>

/* Max error of a bias, in steps. */
#define BIAS_ERROR 0.02

/* A quantized value with its parameters. */
typedef struct quantized {
    const node *n;        /* DequantizeLinear or QuantizeLinear */
    value_id q;           /* the quantized bytes */
    value_id scale, zero; /* zero: NO_VALUE where omitted */
    int64_t axis;
} quantized;

static bool is_byte(sib_dtype dtype)
{
    return dtype == SIB_U8 || dtype == SIB_I8;
}

static bool is_single(const sib_tensor *t)
{
    return t && t->count == 1 && t->rank <= 1;
}

/* Reads n, a node of this type with constant parameters of float32 and bytes. */
static bool read_node(const matcher *m, const node *n, const char *type, quantized *out)
{
    if (!n || (!match_op(n, type) && !match_ms(n, type)))
        return false;
    quantize_spec spec = spec_quantize(n);
    if (spec.block_size || spec.precision)
        return false;
    bool quantizes = *type == 'Q';
    *out = (quantized){.n = n,
                       .q = quantizes ? node_out(n, 0) : node_in(n, 0),
                       .scale = node_in(n, 1),
                       .zero = node_in(n, 2),
                       .axis = spec.axis};
    const sib_tensor *scale = match_constant(m, out->scale), *zero = match_constant(m, out->zero);
    if (!scale || scale->dtype != SIB_F32 || scale->rank > 1 || !is_byte(match_dtype(m, out->q)) ||
        match_dtype(m, quantizes ? node_in(n, 0) : node_out(n, 0)) != SIB_F32)
        return false;
    for (uint64_t i = 0; i < scale->count; i++) {
        double x;
        if (sib_tensor_get(scale, (int64_t[]){(int64_t)i}, &x, NULL) != SIB_OK || !(x > 1e-30) || !(x < 1e30))
            return false;
    }
    return out->zero == NO_VALUE ||
           (zero && zero->rank <= 1 && zero->count == scale->count && zero->dtype == match_dtype(m, out->q));
}

/* Reads a value with a single scale that a DequantizeLinear makes. */
static bool read_input(const matcher *m, value_id v, quantized *out)
{
    return read_node(m, match_maker(m, v), "DequantizeLinear", out) &&
           is_single(match_constant(m, out->scale));
}

/* Reads weights: constant, with one scale or one per index of `axis`. */
static bool read_weights(const matcher *m, value_id v, int64_t axis, quantized *out)
{
    if (!read_node(m, match_maker(m, v), "DequantizeLinear", out) || !match_constant(m, out->q))
        return false;
    int rank = match_rank(m, out->q);
    int64_t given = out->axis < 0 ? out->axis + rank : out->axis, size;
    const sib_tensor *scale = match_constant(m, out->scale);
    return is_single(scale) ||
           (given == axis && match_dim(m, out->q, (int)axis, &size) && (uint64_t)size == scale->count);
}

/* Reads the QuantizeLinear that alone reads v. A Relu between is a no-op where the zero point is the
   lowest byte value. */
static bool read_output(const matcher *m, value_id v, match_nodes *nodes, quantized *out)
{
    const node *n = match_only_reader(m, v), *relu = NULL;
    if (match_op(n, "Relu")) {
        relu = n;
        n = match_only_reader(m, node_out(relu, 0));
    }
    if (!read_node(m, n, "QuantizeLinear", out) || !is_single(match_constant(m, out->scale)))
        return false;
    double zero = 0;
    if (relu && ((out->zero != NO_VALUE && !match_number(m, out->zero, &zero)) ||
                 zero != (match_dtype(m, out->q) == SIB_I8 ? -128 : 0)))
        return false;
    if (relu)
        match_add(nodes, m, relu);
    match_add(nodes, m, n);
    return true;
}

static double number_at(const sib_tensor *t, uint64_t i)
{
    double x = NAN;
    int64_t at = t->count == 1 ? 0 : (int64_t)i;
    sib_tensor_get(t, &at, &x, NULL);
    return x;
}

/* The zero point; made if omitted, with the dims of the scale. Rank 0 is kept. */
static sib_code zero_of(matcher *m, const quantized *q, value_id *out)
{
    const sib_tensor *scale = match_constant(m, q->scale);
    sib_tensor *t = NULL;
    *out = q->zero;
    if (q->zero != NO_VALUE)
        return SIB_OK;
    sib_code code = sib_tensor_create(match_dtype(m, q->q), scale->rank, scale->dims, &t, m->err);
    return code == SIB_OK ? match_keep(m, t, out) : code;
}

/* ---- Conv ---------------------------------------------------------------------------------------------- */

/* The bias in steps of x_scale * w_scale, int32 [C]. Returns false where it is not constant or its
   rounding error is too large. *code: failures of memory. */
static bool full_bias(matcher *m, value_id bias, const quantized *x, const quantized *w, const quantized *y,
                      value_id *out, sib_code *code)
{
    const sib_tensor *b = match_constant(m, bias), *ws = match_constant(m, w->scale);
    *out = NO_VALUE;
    if (bias == NO_VALUE)
        return true;
    if (!b || b->rank != 1 || b->dtype != SIB_F32 || b->count > 1 << 20)
        return false;
    double xs = number_at(match_constant(m, x->scale), 0), ys = number_at(match_constant(m, y->scale), 0);
    sib_tensor *t = NULL;
    int64_t count = (int64_t)b->count;
    if ((*code = sib_tensor_create(SIB_I32, 1, &count, &t, m->err)) != SIB_OK)
        return false;
    for (uint64_t i = 0; i < b->count; i++) {
        double step = xs * number_at(ws, i), steps = number_at(b, i) / step, whole = nearbyint(steps);
        if (!(fabs(whole) < 0x1p30) || !(fabs(steps - whole) * step / ys < BIAS_ERROR)) {
            sib_tensor_free(&t);
            return false;
        }
        ((int32_t *)t->data)[i] = (int32_t)whole;
    }
    *code = match_keep(m, t, out);
    return *code == SIB_OK;
}

static sib_code fuse_conv(matcher *m, const node *n)
{
    quantized x, w, y;
    match_nodes nodes = {0};
    value_id in[9];
    sib_code code = SIB_OK;
    match_add(&nodes, m, n);
    if (!read_input(m, node_in(n, 0), &x) || !read_weights(m, node_in(n, 1), 0, &w) ||
        !read_output(m, node_out(n, 0), &nodes, &y) || !match_closed(m, &nodes, y.q) ||
        !full_bias(m, node_in(n, 2), &x, &w, &y, &in[8], &code) || !pass_admit(m->run))
        return code;
    memcpy(in, (value_id[]){x.q, x.scale, NO_VALUE, w.q, w.scale, NO_VALUE, y.scale, NO_VALUE},
           8 * sizeof *in);
    code = zero_of(m, &x, &in[2]);
    if (code == SIB_OK)
        code = zero_of(m, &w, &in[5]);
    if (code == SIB_OK)
        code = zero_of(m, &y, &in[7]);
    node made = match_node("", "QLinearConv", 10, n);
    made.inputs = (id_list){in[8] == NO_VALUE ? 8 : 9, in};
    made.outputs = (id_list){1, &y.q};
    made.attributes = n->attributes;
    made.n_attributes = n->n_attributes;
    return code == SIB_OK ? match_replace(m, &nodes, &made) : code;
}

/* ---- MatMul -------------------------------------------------------------------------------------------- */

static sib_code fuse_matmul(matcher *m, const node *n)
{
    quantized a, b, y;
    match_nodes nodes = {0};
    value_id in[8];
    int rank = match_rank(m, node_in(n, 1));
    match_add(&nodes, m, n);
    if (!read_input(m, node_in(n, 0), &a) ||
        !(rank == 2 ? read_weights(m, node_in(n, 1), 1, &b) || read_input(m, node_in(n, 1), &b)
                    : read_input(m, node_in(n, 1), &b)) ||
        match_rank(m, node_in(n, 0)) < 2 || rank < 2 || !read_output(m, node_out(n, 0), &nodes, &y) ||
        !match_closed(m, &nodes, y.q) || !pass_admit(m->run))
        return SIB_OK;
    memcpy(in, (value_id[]){a.q, a.scale, NO_VALUE, b.q, b.scale, NO_VALUE, y.scale, NO_VALUE}, sizeof in);
    sib_code code = zero_of(m, &a, &in[2]);
    if (code == SIB_OK)
        code = zero_of(m, &b, &in[5]);
    if (code == SIB_OK)
        code = zero_of(m, &y, &in[7]);
    node made = match_node("", "QLinearMatMul", 10, n);
    made.inputs = (id_list){8, in};
    made.outputs = (id_list){1, &y.q};
    return code == SIB_OK ? match_replace(m, &nodes, &made) : code;
}

/* ---- Data movement ------------------------------------------------------------------------------------- */

static bool same_parameters(const matcher *m, const quantized *a, const quantized *b)
{
    const sib_tensor *s = match_constant(m, a->scale), *t = match_constant(m, b->scale);
    double x = 0, y = 0;
    if (match_dtype(m, a->q) != match_dtype(m, b->q) || !is_single(s) || !is_single(t) ||
        number_at(s, 0) != number_at(t, 0))
        return false;
    return (a->zero == NO_VALUE || match_number(m, a->zero, &x)) &&
           (b->zero == NO_VALUE || match_number(m, b->zero, &y)) && x == y;
}

static bool moves(const node *n)
{
    static const char *const types[] = {"Reshape",   "Flatten", "Squeeze", "Unsqueeze",
                                        "Transpose", "Slice",   "Gather"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (match_op(n, types[i]))
            return true;
    return false;
}

/* Moves bytes directly where a node moves dequantized floats that are quantized again with the same
   parameters. */
static sib_code fuse_move(matcher *m, const node *n)
{
    quantized x, y;
    match_nodes nodes = {0};
    value_id in[5];
    match_add(&nodes, m, n);
    if (n->inputs.n > 5 || !match_one_output(m, n) || !read_input(m, node_in(n, 0), &x) ||
        !read_node(m, match_only_reader(m, node_out(n, 0)), "QuantizeLinear", &y) ||
        !same_parameters(m, &x, &y))
        return SIB_OK;
    match_add(&nodes, m, y.n);
    if (!match_closed(m, &nodes, y.q) || !pass_admit(m->run))
        return SIB_OK;
    memcpy(in, n->inputs.ids, n->inputs.n * sizeof *in);
    in[0] = x.q;
    node made = *n;
    made.inputs = (id_list){n->inputs.n, in};
    made.outputs = (id_list){1, &y.q};
    return match_replace(m, &nodes, &made);
}

/* A DequantizeLinear followed by a QuantizeLinear of the same parameters is the identity. */
static sib_code fuse_nothing(matcher *m, const node *n)
{
    quantized x, y;
    match_nodes nodes = {0};
    if (!read_node(m, n, "QuantizeLinear", &y) || !read_input(m, node_in(n, 0), &x) ||
        !same_parameters(m, &x, &y) || !pass_admit(m->run))
        return SIB_OK;
    match_add(&nodes, m, n);
    node made = match_node("", "Identity", 1, n);
    made.inputs = (id_list){1, &x.q};
    made.outputs = (id_list){1, &y.q};
    return match_replace(m, &nodes, &made);
}

static sib_code fuse_at(matcher *m, const node *n)
{
    return match_op(n, "Conv")     ? fuse_conv(m, n)
           : match_op(n, "MatMul") ? fuse_matmul(m, n)
           : moves(n)              ? fuse_move(m, n)
                                   : fuse_nothing(m, n);
}

sib_code pass_quantized(const graph *g, pass_run *r, patch *p, sib_error *err)
{
    return match_each(g, r, p, fuse_at, err);
}
