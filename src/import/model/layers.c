/* Layers of networks, as ONNX operators. */
#include "import/model/build.h"

#include <math.h>
#include <string.h>

/* ---- Products ------------------------------------------------------------------------------------------ */

value_id build_linear(build *b, value_id x, const char *name, int64_t in, int64_t out, build_bias bias)
{
    value_id w = build_matrix(b, build_text(b, "%s.weight", name), in, out, BUILD_ROWS_OUT, 0);
    value_id y = build_2(b, "MatMul", x, w);
    return bias == BUILD_BIAS ? build_add(b, y, build_vector(b, build_text(b, "%s.bias", name), out)) : y;
}

/* A convolution in either direction, of a weight with these dims (3). */
static value_id convolve(build *b, const char *type, value_id x, const build_conv *c, const int64_t *dims)
{
    const int64_t pads[] = {c->before, c->after};
    value_id in[] = {x,
                     c->weight != NO_VALUE ? c->weight
                                           : build_weight(b, build_text(b, "%s.weight", c->name), 3, dims),
                     c->bias ? build_vector(b, build_text(b, "%s.bias", c->name), c->to) : NO_VALUE},
             out;
    build_attributes a = build_no_attributes();
    build_set_ints(&a, "kernel_shape", 1, &c->kernel);
    build_set_ints(&a, "pads", 2, pads);
    build_set_ints(&a, "strides", 1, &c->stride);
    if (c->dilation > 1)
        build_set_ints(&a, "dilations", 1, &c->dilation);
    if (c->groups > 1)
        build_set_int(&a, "group", c->groups);
    build_node(b, type, &a, c->bias ? 3 : 2, in, 1, &out);
    return out;
}

value_id build_conv_1d(build *b, value_id x, const build_conv *c)
{
    return convolve(b, "Conv", x, c, (const int64_t[]){c->to, c->from / c->groups, c->kernel});
}

value_id build_conv_transposed(build *b, value_id x, const build_conv *c)
{
    return convolve(b, "ConvTranspose", x, c, (const int64_t[]){c->from, c->to / c->groups, c->kernel});
}

value_id build_normed_weight(build *b, const char *name, const int64_t *dims, size_t axis)
{
    const char *g = build_text(b, "%s.parametrizations.weight.original0", name),
               *v = build_text(b, "%s.parametrizations.weight.original1", name);
    int64_t lengths[] = {1, 1, 1}, others[2];
    if (build_find(b, build_text(b, "%s.weight", name)))
        return NO_VALUE;
    if (!build_find(b, v)) {
        g = build_text(b, "%s.weight_g", name);
        v = build_text(b, "%s.weight_v", name);
    }
    lengths[axis] = dims[axis];
    for (size_t i = 0, n = 0; i < 3; i++)
        if (i != axis)
            others[n++] = (int64_t)i;
    value_id direction = build_weight(b, v, 3, dims),
             length = build_2(b, "ReduceL2", direction, build_ints(b, 2, others));
    return build_mul(b, build_2(b, "Div", direction, length), build_weight(b, g, 3, lengths));
}

value_id build_point(build *b, value_id x, const char *name, int64_t from, int64_t to)
{
    const build_conv c = {.name = name,
                          .from = from,
                          .to = to,
                          .kernel = 1,
                          .stride = 1,
                          .groups = 1,
                          .weight = NO_VALUE,
                          .bias = true};
    return build_conv_1d(b, x, &c);
}

value_id build_conv3(build *b, value_id x, const char *name, int64_t from, int64_t to, int64_t stride)
{
    const build_conv c = {.name = name,
                          .from = from,
                          .to = to,
                          .kernel = 3,
                          .stride = stride,
                          .groups = 1,
                          .before = 1,
                          .after = 1,
                          .weight = NO_VALUE,
                          .bias = true};
    return build_conv_1d(b, x, &c);
}

/* ---- Tokens -------------------------------------------------------------------------------------------- */

value_id build_pick(build *b, const build_table *t, value_id tokens)
{
    value_id rows = build_gather(b, t->stored, tokens, 0);
    if (t->blocks)
        return build_blocks(b, rows, t->blocks, false);
    if (t->dtype == SIB_F32)
        return rows;
    rows = build_cast(b, rows, SIB_F32);
    if (t->dtype != SIB_I8)
        return rows;
    value_id scale = build_gather(b, t->scale, tokens, 0);
    return build_mul(b, rows, build_2(b, "Unsqueeze", scale, build_int(b, -1)));
}

value_id build_scores(build *b, value_id x, const build_table *t, value_id at)
{
    value_id rows = build_reshape(b, x, 2, (const int64_t[]){-1, t->d}), product; /* [B * M, d] */
    build_attributes a = build_no_attributes();
    build_set_int(&a, "transB", 1);
    build_node(b, "Gemm", &a, 2, (value_id[]){rows, t->floats}, 1, &product);
    value_id dims[] = {build_int(b, -1), build_shape(b, at, 0, 1), build_int(b, t->n)};
    return build_2(b, "Reshape", product, build_concat(b, 0, 3, dims));
}

/* ---- Norms and activations ----------------------------------------------------------------------------- */

/* x / sqrt(mean(x^2) + epsilon) * scale, for opsets without the operator. */
static value_id rms_norm_apart(build *b, value_id x, value_id scale, double epsilon)
{
    value_id in[] = {build_mul(b, x, x), build_int(b, -1)}, mean;
    build_attributes a = build_no_attributes();
    build_set_int(&a, "keepdims", 1);
    build_node(b, "ReduceMean", &a, 2, in, 1, &mean);
    value_id root = build_1(b, "Sqrt", build_add(b, mean, build_float(b, epsilon)));
    return build_mul(b, build_2(b, "Div", x, root), scale);
}

value_id build_norm(build *b, const char *type, value_id x, value_id scale, value_id bias, double epsilon)
{
    value_id in[] = {x, scale, bias}, out;
    build_attributes a = build_no_attributes();
    if (b->opset < 23 && !strcmp(type, "RMSNormalization"))
        return rms_norm_apart(b, x, scale, epsilon);
    build_set_int(&a, "axis", -1);
    build_set_float(&a, "epsilon", epsilon);
    build_node(b, type, &a, bias == NO_VALUE ? 2 : 3, in, 1, &out);
    return out;
}

value_id build_layer_norm(build *b, value_id x, const char *name, int64_t d, double epsilon)
{
    value_id scale = build_vector(b, build_text(b, "%s.weight", name), d),
             bias = build_vector(b, build_text(b, "%s.bias", name), d);
    return build_norm(b, "LayerNormalization", x, scale, bias, epsilon);
}

value_id build_plain_norm(build *b, value_id x, int64_t d, double epsilon)
{
    float *ones = b->code == SIB_OK ? arena_alloc(b->m->arena, (size_t)d + 1, sizeof *ones) : NULL;
    if (b->code == SIB_OK && !ones)
        build_fail(b, SIB_ERR_MEMORY, "no memory for a norm");
    for (int64_t i = 0; ones && i < d; i++)
        ones[i] = 1;
    return build_norm(b, "LayerNormalization", x, build_floats(b, (size_t)d, ones), NO_VALUE, epsilon);
}

value_id build_norm_channels(build *b, value_id x, const char *name, int64_t n, double epsilon)
{
    static const int64_t swapped[] = {0, 2, 1};
    x = build_transpose(b, x, 3, swapped);
    x = name ? build_layer_norm(b, x, name, n, epsilon) : build_plain_norm(b, x, n, epsilon);
    return build_transpose(b, x, 3, swapped);
}

value_id build_batch_norm(build *b, value_id x, const char *name, int64_t n, double epsilon)
{
    static const char *const parts[] = {"weight", "bias", "running_mean", "running_var"};
    value_id in[5] = {x}, out;
    build_attributes a = build_no_attributes();
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        in[i + 1] = build_vector(b, build_text(b, "%s.%s", name, parts[i]), n);
    build_set_float(&a, "epsilon", epsilon);
    build_node(b, "BatchNormalization", &a, 5, in, 1, &out);
    return out;
}

value_id build_gelu(build *b, value_id x, bool by_tanh)
{
    value_id out;
    build_attributes a = build_no_attributes();
    if (by_tanh)
        build_set_text(&a, "approximate", "tanh");
    build_node(b, "Gelu", &a, 1, &x, 1, &out);
    return out;
}

value_id build_silu(build *b, value_id x)
{
    return build_mul(b, x, build_1(b, "Sigmoid", x));
}

value_id build_capped(build *b, value_id x, double cap)
{
    if (cap == 0)
        return x;
    value_id limit = build_float(b, cap);
    return build_mul(b, build_1(b, "Tanh", build_2(b, "Div", x, limit)), limit);
}
