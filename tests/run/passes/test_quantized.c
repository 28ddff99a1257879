/* The pass that removes floats between quantized values. */
#include "check_passes.h"

#include <string.h>

/* Quantization of a value: a scale, and a zero point of a dtype. */
typedef struct spacing {
    value_id scale, zero;
} spacing;

static spacing steps(tiny *t, const char *name, sib_dtype dtype, double scale, double zero)
{
    char names[2][40];
    snprintf(names[0], sizeof *names, "%s_scale", name);
    snprintf(names[1], sizeof *names, "%s_zero", name);
    return (spacing){tiny_constant(t, names[0], SIB_F32, 0, NULL, &scale),
                     tiny_constant(t, names[1], dtype, 0, NULL, &zero)};
}

static value_id to_bytes(tiny *t, value_id x, spacing s, const char *out)
{
    return passes_node(t, "QuantizeLinear", 3, (value_id[]){x, s.scale, s.zero}, out, 0, NULL);
}

static value_id to_floats(tiny *t, value_id q, spacing s, const char *out)
{
    return passes_node(t, "DequantizeLinear", 3, (value_id[]){q, s.scale, s.zero}, out, 0, NULL);
}

/* Constant bytes, with a scale per index of an axis. */
static value_id weights(tiny *t, const char *name, size_t rank, const int64_t *dims, int64_t axis)
{
    double values[400], scales[16];
    uint64_t seed = 5;
    size_t n = 1;
    char names[3][40];
    for (size_t i = 0; i < rank; i++)
        n *= (size_t)dims[i];
    for (size_t i = 0; i < n; i++)
        values[i] = floor(passes_draw(&seed) * 100);
    for (int64_t i = 0; i < dims[axis]; i++)
        scales[i] = 0.01 + 0.002 * (double)i;
    snprintf(names[0], sizeof *names, "%s_q", name);
    snprintf(names[1], sizeof *names, "%s_s", name);
    value_id in[] = {tiny_constant(t, names[0], SIB_I8, rank, dims, values),
                     tiny_constant(t, names[1], SIB_F32, 1, dims + axis, scales)};
    attribute a = {.name = str_of("axis"), .kind = ATTR_INT, .i = axis};
    return passes_node(t, "DequantizeLinear", 2, in, name, 1, &a);
}

static void check(tiny *t, const char *nodes, sib_value *x, double atol)
{
    passes_case want = {"-all,identity,quantized,identity,dead", nodes, atol, 0};
    passes_check_one(t, &want, "x", x);
}

enum { PLAIN, WITH_BIAS, WITH_RELU, COARSE_BIAS, OTHER_RELU, READ_TWICE, N_CONV };

TEST(convolutions)
{
    static const char *const left[N_CONV] = {
        "QuantizeLinear QLinearConv DequantizeLinear",
        "QuantizeLinear QLinearConv DequantizeLinear",
        "QuantizeLinear QLinearConv DequantizeLinear",
        "QuantizeLinear DequantizeLinear DequantizeLinear Conv QuantizeLinear DequantizeLinear",
        "QuantizeLinear DequantizeLinear DequantizeLinear Conv Relu QuantizeLinear DequantizeLinear",
        "QuantizeLinear DequantizeLinear DequantizeLinear Conv QuantizeLinear DequantizeLinear"};
    for (int kind = 0; kind < N_CONV; kind++) {
        tiny t = tiny_begin();
        spacing sx = steps(&t, "x", SIB_U8, 0.02, 100);
        spacing sy = steps(&t, "y", SIB_I8, kind == COARSE_BIAS ? 1e-5 : 0.05, kind == WITH_RELU ? -128 : 3);
        value_id x = to_floats(&t, to_bytes(&t, tiny_input(&t, "x", SIB_F32, "1 2 5 5"), sx, "xq"), sx, "xf");
        value_id in[] = {x, weights(&t, "w", DIMS(3, 2, 3, 3), 0), passes_weight(&t, "b", DIMS(3), 1, 0)};
        attribute pads = {
            .name = str_of("pads"), .kind = ATTR_INTS, .n = 4, .ints = (const int64_t[]){1, 1, 1, 1}};
        value_id y = passes_node(&t, "Conv", kind == PLAIN ? 2 : 3, in, "y", 1, &pads);
        if (kind == READ_TWICE)
            tiny_output(&t, y);
        if (kind == WITH_RELU || kind == OTHER_RELU)
            y = tiny_op(&t, "Relu", y, NO_VALUE, "relu");
        tiny_output(&t, to_floats(&t, to_bytes(&t, y, sy, "yq"), sy, "yf"));
        check(&t, left[kind], passes_random(SIB_F32, DIMS(1, 2, 5, 5), 2, (uint64_t)kind), 0.0501);
    }
}

TEST(products)
{
    for (int kind = 0; kind < 3;
         kind++) { /* weights by column; by row, which no operator accepts; two activations */
        tiny t = tiny_begin();
        spacing sx = steps(&t, "x", SIB_U8, 0.02, 100), sy = steps(&t, "y", SIB_U8, 0.05, 120);
        value_id x = to_floats(&t, to_bytes(&t, tiny_input(&t, "x", SIB_F32, "4 4"), sx, "xq"), sx, "xf");
        value_id w = kind == 2 ? x : weights(&t, "w", DIMS(4, 4), kind == 0 ? 1 : 0);
        tiny_output(&t, to_floats(&t, to_bytes(&t, tiny_op(&t, "MatMul", x, w, "y"), sy, "yq"), sy, "yf"));
        check(&t,
              kind == 1
                  ? "QuantizeLinear DequantizeLinear DequantizeLinear MatMul QuantizeLinear DequantizeLinear"
                  : "QuantizeLinear QLinearMatMul DequantizeLinear",
              passes_random(SIB_F32, DIMS(4, 4), 2, (uint64_t)kind), 0.0501);
    }
}

/* Only moves bytes, so the results are equal. */
TEST(moves)
{
    for (int kind = 0; kind < 3; kind++) { /* moved; moved and requantized; requantized at once */
        tiny t = tiny_begin();
        spacing sx = steps(&t, "x", SIB_I8, 0.02, 10), sy = steps(&t, "y", SIB_I8, 0.03, 10);
        value_id x = to_floats(&t, to_bytes(&t, tiny_input(&t, "x", SIB_F32, "4 3"), sx, "xq"), sx, "xf");
        value_id y = kind == 2 ? x : tiny_op(&t, "Transpose", x, NO_VALUE, "y");
        spacing s = kind == 1 ? sy : sx;
        tiny_output(&t, to_floats(&t, to_bytes(&t, y, s, "yq"), s, "yf"));
        static const char *const left[] = {
            "QuantizeLinear Transpose DequantizeLinear",
            "QuantizeLinear DequantizeLinear Transpose QuantizeLinear DequantizeLinear",
            "QuantizeLinear DequantizeLinear"};
        check(&t, left[kind], passes_random(SIB_F32, DIMS(4, 3), 3, (uint64_t)kind), 0);
    }
}
