/* Plain calls of single operators: their attributes from arguments. */
#include <sibyl/ops.h>

#include "base/error.h"
#include "tensor/tensor.h"
#include "tensor/value.h"

#include <string.h>

#define MAX_ATTRIBUTES 8
#define MAX_INPUTS     4

/* A call under construction. */
typedef struct typed_call {
    sib_op op;
    sib_attribute attributes[MAX_ATTRIBUTES];
    int64_t ints[MAX_ATTRIBUTES];
    float floats[MAX_ATTRIBUTES];
    size_t n;
    const sib_tensor *in[MAX_INPUTS];
} typed_call;

static void add_int(typed_call *c, const char *name, int64_t x)
{
    const size_t i = c->op.n_attributes++;
    c->ints[i] = x;
    c->attributes[i] = (sib_attribute){.name = name, .kind = SIB_ATTRIBUTE_INT, .n = 1, .ints = &c->ints[i]};
}

static void add_float(typed_call *c, const char *name, double x)
{
    const size_t i = c->op.n_attributes++;
    c->floats[i] = (float)x;
    c->attributes[i] =
        (sib_attribute){.name = name, .kind = SIB_ATTRIBUTE_FLOAT, .n = 1, .floats = &c->floats[i]};
}

static void add_ints(typed_call *c, const char *name, size_t n, const int64_t *x)
{
    if (x)
        c->attributes[c->op.n_attributes++] =
            (sib_attribute){.name = name, .kind = SIB_ATTRIBUTE_INTS, .n = n, .ints = x};
}

/* Runs the call; names: of the inputs, for messages. required: the first inputs, which may not be NULL. */
static sib_code call(sib_ops *ops, typed_call *c, size_t required, const char *const *names, sib_tensor **out,
                     sib_error *err)
{
    sib_value *in[MAX_INPUTS] = {NULL}, *y = NULL;
    sib_code code = SIB_OK;
    if (!out)
        return err_set(err, SIB_ERR_ARGUMENT, "%s: out is NULL", c->op.type);
    *out = NULL;
    c->op.attributes = c->attributes;
    for (size_t i = 0; i < c->n && code == SIB_OK; i++)
        if (c->in[i])
            code = sib_value_from_tensor(c->in[i], &in[i], err);
        else if (i < required)
            code = err_set(err, SIB_ERR_ARGUMENT, "%s: %s is NULL", c->op.type, names[i]);
    if (code == SIB_OK)
        code = sib_ops_call(ops, &c->op, c->n, (const sib_value *const *)in, 1, &y, err);
    if (code == SIB_OK)
        code = tensor_view(y->tensor, y->tensor->rank, out, err);
    for (size_t i = 0; i < c->n; i++)
        sib_value_free(&in[i]);
    sib_value_free(&y);
    return code;
}

sib_code sib_op_matmul(sib_ops *ops, const sib_tensor *a, const sib_tensor *b, sib_tensor **out,
                       sib_error *err)
{
    typed_call c = {.op = {.type = "MatMul"}, .n = 2, .in = {a, b}};
    return call(ops, &c, 2, (const char *[]){"a", "b"}, out, err);
}

sib_code sib_op_softmax(sib_ops *ops, const sib_tensor *x, int64_t axis, sib_tensor **out, sib_error *err)
{
    typed_call c = {.op = {.type = "Softmax"}, .n = 1, .in = {x}};
    add_int(&c, "axis", axis);
    return call(ops, &c, 1, (const char *[]){"x"}, out, err);
}

sib_code sib_op_gelu(sib_ops *ops, const sib_tensor *x, bool by_tanh, sib_tensor **out, sib_error *err)
{
    static const sib_str tanh_form = {"tanh", 4};
    typed_call c = {.op = {.type = "Gelu"}, .n = 1, .in = {x}};
    if (by_tanh)
        c.attributes[c.op.n_attributes++] = (sib_attribute){
            .name = "approximate", .kind = SIB_ATTRIBUTE_STRING, .n = 1, .strings = &tanh_form};
    return call(ops, &c, 1, (const char *[]){"x"}, out, err);
}

sib_code sib_op_layer_norm(sib_ops *ops, const sib_tensor *x, const sib_tensor *scale, const sib_tensor *bias,
                           int64_t axis, double epsilon, sib_tensor **out, sib_error *err)
{
    typed_call c = {.op = {.type = "LayerNormalization"}, .n = bias ? 3 : 2, .in = {x, scale, bias}};
    add_int(&c, "axis", axis);
    add_float(&c, "epsilon", epsilon);
    return call(ops, &c, 2, (const char *[]){"x", "scale"}, out, err);
}

sib_code sib_op_rms_norm(sib_ops *ops, const sib_tensor *x, const sib_tensor *scale, int64_t axis,
                         double epsilon, sib_tensor **out, sib_error *err)
{
    typed_call c = {.op = {.type = "RMSNormalization"}, .n = 2, .in = {x, scale}};
    add_int(&c, "axis", axis);
    add_float(&c, "epsilon", epsilon);
    return call(ops, &c, 2, (const char *[]){"x", "scale"}, out, err);
}

sib_code sib_op_rotary(sib_ops *ops, const sib_tensor *x, const sib_tensor *cos, const sib_tensor *sin,
                       const sib_tensor *position_ids, const sib_rotary_options *options, sib_tensor **out,
                       sib_error *err)
{
    static const sib_rotary_options defaults;
    const sib_rotary_options *o = options ? options : &defaults;
    typed_call c = {
        .op = {.type = "RotaryEmbedding"}, .n = position_ids ? 4 : 3, .in = {x, cos, sin, position_ids}};
    add_int(&c, "interleaved", o->interleaved);
    add_int(&c, "num_heads", o->num_heads);
    add_int(&c, "rotary_embedding_dim", o->rotated_dims);
    return call(ops, &c, 3, (const char *[]){"x", "cos", "sin"}, out, err);
}

sib_code sib_op_conv(sib_ops *ops, const sib_tensor *x, const sib_tensor *w, const sib_tensor *bias,
                     const sib_conv_options *options, sib_tensor **out, sib_error *err)
{
    static const sib_conv_options defaults;
    const sib_conv_options *o = options ? options : &defaults;
    const size_t axes = x && x->rank > 2 ? x->rank - 2 : 0;
    typed_call c = {.op = {.type = "Conv"}, .n = bias ? 3 : 2, .in = {x, w, bias}};
    add_ints(&c, "strides", axes, o->strides);
    add_ints(&c, "dilations", axes, o->dilations);
    add_ints(&c, "pads", 2 * axes, o->pads);
    add_int(&c, "group", o->groups ? o->groups : 1);
    return call(ops, &c, 2, (const char *[]){"x", "w"}, out, err);
}

sib_code sib_op_attention(sib_ops *ops, const sib_tensor *q, const sib_tensor *k, const sib_tensor *v,
                          const sib_attention_options *options, sib_tensor **out, sib_error *err)
{
    static const sib_attention_options defaults;
    const sib_attention_options *o = options ? options : &defaults;
    typed_call c = {.op = {.type = "Attention"}, .n = o->mask ? 4 : 3, .in = {q, k, v, o->mask}};
    add_int(&c, "is_causal", o->is_causal);
    if (o->scale != 0)
        add_float(&c, "scale", o->scale);
    add_float(&c, "softcap", o->softcap);
    if (o->q_heads)
        add_int(&c, "q_num_heads", o->q_heads);
    if (o->kv_heads)
        add_int(&c, "kv_num_heads", o->kv_heads);
    return call(ops, &c, 3, (const char *[]){"q", "k", "v"}, out, err);
}
