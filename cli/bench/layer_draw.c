/* Layers other than convolutions as real networks have them. */
#include "bench/layer_draw.h"

#include <math.h>
#include <string.h>

#define MAX_PRODUCTS 6e8
#define MAX_FLOATS   8e6 /* of an array */

#define WIDTHS                                                                                               \
    64, 128, 128, 192, 256, 256, 320, 384, 384, 512, 512, 640, 768, 768, 1024, 1024, 1280, 1536, 2048, 3072, \
        4096
#define ROWS 1, 1, 1, 2, 4, 8, 10, 16, 32, 50, 64, 77, 100, 128, 197, 256, 384, 500, 512, 1024, 1500

static double product(int64_t a, int64_t b, int64_t c)
{
    return (double)a * (double)b * (double)c;
}

void draw_product(layer *l)
{
    int64_t m, n, k;
    do {
        m = PICK(l, ROWS);
        n = PICK(l, WIDTHS, 2, 10, 30, 1000, 5000);
        k = PICK(l, WIDTHS, 16, 40, 80);
    } while (product(m, n, k) > MAX_PRODUCTS || (double)(n * k) > MAX_FLOATS);
    bool gemm = layer_chance(l, 40), transposed = gemm && layer_chance(l, 70), biased = layer_chance(l, 70);
    layer_input(l, "x", DIMS(m, k));
    layer_noise(l, "w", 1 / sqrt((double)k), 0, DIMS(transposed ? n : k, transposed ? k : n));
    if (biased)
        layer_noise(l, "b", 0.1, 0, DIMS(n));
    if (gemm) {
        layer_set(l, "transB", transposed);
        layer_node(l, "Gemm", biased ? "x w b" : "x w");
    } else {
        layer_node(l, "MatMul", "x w");
        if (biased)
            layer_node(l, "Add", "_ b");
    }
    bool activated = layer_chance(l, 15);
    if (activated)
        layer_node(l, "Relu", "_");
    layer_products(l, product(m, n, k));
    layer_stores(l, (double)(m * n));
    layer_name(l, "%s %lldx%lldx%lld%s%s%s", gemm ? "Gemm" : "MatMul", (long long)m, (long long)n,
               (long long)k, transposed ? " transposed" : "", biased ? " bias" : "",
               activated ? " Relu" : "");
}

void draw_batched(layer *l)
{
    int64_t batch, m, n, k;
    do {
        batch = PICK(l, 1, 2, 4, 6, 8, 12, 16);
        m = PICK(l, ROWS);
        n = PICK(l, ROWS, 64, 64);
        k = PICK(l, 32, 64, 64, 80, 128, 256, 500);
    } while (product(m, n, k) * (double)batch > MAX_PRODUCTS || product(batch, m, n) > MAX_FLOATS ||
             product(m, n, k) * (double)batch < 1000);
    bool transposed = layer_chance(l, 50);
    layer_input(l, "x", DIMS(1, batch, m, k));
    if (transposed) {
        layer_input(l, "z", DIMS(1, batch, n, k));
        layer_set_ints(l, "perm", DIMS(0, 1, 3, 2));
        layer_node(l, "Transpose", "z");
        layer_node(l, "MatMul", "x _");
    } else {
        layer_input(l, "z", DIMS(1, batch, k, n));
        layer_node(l, "MatMul", "x z");
    }
    layer_products(l, product(m, n, k) * (double)batch);
    layer_stores(l, product(batch, m, n));
    layer_name(l, "%lld of %lldx%lldx%lld%s", (long long)batch, (long long)m, (long long)n, (long long)k,
               transposed ? " transposed" : "");
}

void draw_norm(layer *l)
{
    int64_t which = PICK(l, 0, 0, 0, 0, 1, 1, 2, 3);
    static const char *const types[] = {"LayerNormalization", "InstanceNormalization", "BatchNormalization",
                                        "LpNormalization"};
    int64_t rows, width, plane;
    do {
        rows = PICK(l, ROWS);
        width = PICK(l, WIDTHS);
        plane = PICK(l, 7, 14, 20, 28, 40, 56, 80);
    } while (which == 1 || which == 2 ? (double)(width * plane * plane) > MAX_FLOATS
                                      : (double)(rows * width) > MAX_FLOATS);
    const int64_t flat[] = {1, rows, width}, image[] = {1, width, plane, plane};
    bool on_image = which == 1 || which == 2;
    layer_input(l, "x", on_image ? 4 : 3, on_image ? image : flat);
    layer_noise(l, "s", 0.1, 1, DIMS(width));
    layer_noise(l, "b", 0.1, 0, DIMS(width));
    if (which == 2) {
        layer_noise(l, "m", 0.1, 0, DIMS(width));
        layer_noise(l, "v", 0.1, 1, DIMS(width));
    }
    if (which == 3)
        layer_set(l, "axis", -1);
    layer_node(l, types[which], which == 3 ? "x" : which == 2 ? "x s b m v" : "x s b");
    layer_stores(l, on_image ? (double)(width * plane * plane) : (double)(rows * width));
    if (on_image)
        layer_name(l, "%s %lldx%lldx%lld", types[which], (long long)width, (long long)plane,
                   (long long)plane);
    else
        layer_name(l, "%s %lldx%lld", types[which], (long long)rows, (long long)width);
}

void draw_softmax(layer *l)
{
    int64_t heads = PICK(l, 1, 1, 4, 6, 8, 12), rows, width;
    do {
        rows = PICK(l, ROWS);
        width = PICK(l, ROWS, 1000, 5000, 51865);
    } while (product(heads, rows, width) > MAX_FLOATS);
    bool log = layer_chance(l, 20), inner = layer_chance(l, 15);
    layer_input(l, "x", DIMS(1, heads, rows, width));
    layer_set(l, "axis", inner ? 1 : -1);
    layer_node(l, log ? "LogSoftmax" : "Softmax", "x");
    layer_stores(l, product(heads, rows, width));
    layer_name(l, "%s %lldx%lldx%lld axis %d", log ? "LogSoftmax" : "Softmax", (long long)heads,
               (long long)rows, (long long)width, inner ? 1 : -1);
}

#define COUNTS 100, 1000, 5000, 20000, 50000, 100000, 300000, 1000000, 3000000

void draw_activation(layer *l)
{
    static const char *const types[] = {"Relu",      "Sigmoid",     "Tanh", "Gelu",     "Erf",
                                        "HardSwish", "Exp",         "Sqrt", "Softplus", "Elu",
                                        "LeakyRelu", "HardSigmoid", "Log",  "Mish"};
    int64_t n = PICK(l, COUNTS), which = PICK(l, 0, 1, 2, 3, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13);
    layer_input(l, "x", DIMS(1, n));
    layer_node(l, types[which], "x");
    layer_stores(l, (double)n);
    layer_name(l, "%s %lld", types[which], (long long)n);
}

void draw_elementwise(layer *l)
{
    static const char *const types[] = {"Add", "Mul", "Sub", "Div", "Max"};
    int64_t which = PICK(l, 0, 0, 1, 1, 2, 3, 4), form = PICK(l, 0, 0, 1, 2), channels, plane;
    do {
        channels = PICK(l, WIDTHS);
        plane = PICK(l, 1, 7, 14, 28, 56, 112);
    } while ((double)(channels * plane * plane) > MAX_FLOATS);
    const int64_t full[] = {1, channels, plane, plane}, each[] = {1, channels, 1, 1}, last[] = {plane};
    layer_input(l, "x", 4, full);
    layer_input(l, "z", form == 2 ? 1 : 4, form == 0 ? full : form == 1 ? each : last);
    layer_node(l, types[which], "x z");
    layer_stores(l, product(channels, plane, plane));
    static const char *const forms[] = {"", " per channel", " per column"};
    layer_name(l, "%s %lldx%lldx%lld%s", types[which], (long long)channels, (long long)plane,
               (long long)plane, forms[form]);
}

void draw_reduce(layer *l)
{
    static const char *const types[] = {"ReduceMean", "ReduceSum", "ReduceMax", "ArgMax", "CumSum"};
    int64_t which = PICK(l, 0, 0, 0, 1, 1, 2, 3, 4), axis = PICK(l, 1, 2, 2), rows, width;
    do {
        rows = PICK(l, ROWS);
        width = PICK(l, WIDTHS);
    } while ((double)(rows * width) > MAX_FLOATS);
    layer_input(l, "x", DIMS(1, rows, width));
    if (which == 0 || which == 2)
        layer_set_ints(l, "axes", 1, &axis);
    if (which == 3)
        layer_set(l, "axis", axis);
    if (which == 1 || which == 4)
        layer_integers(l, "a", 1, &axis);
    layer_node(l, types[which], which == 1 || which == 4 ? "x a" : "x");
    layer_name(l, "%s %lldx%lld axis %lld", types[which], (long long)rows, (long long)width, (long long)axis);
}

/* Transposes, and pieces taken, joined and padded. */
void draw_layout(layer *l)
{
    static const char *const types[] = {"Transpose", "Slice", "Pad", "Concat", "DepthToSpace"};
    static const int64_t orders[][4] = {{0, 2, 3, 1}, {0, 3, 1, 2}, {0, 2, 1, 3}, {0, 1, 3, 2}};
    int64_t which = PICK(l, 0, 0, 0, 1, 2, 3, 4), order = PICK(l, 0, 1, 2, 3), channels, plane;
    do {
        channels = PICK(l, WIDTHS);
        plane = PICK(l, 2, 8, 14, 28, 56, 112);
    } while ((double)(channels * plane * plane) > MAX_FLOATS);
    layer_input(l, "x", DIMS(1, channels, plane, plane));
    layer_name(l, "%s %lldx%lldx%lld", types[which], (long long)channels, (long long)plane, (long long)plane);
    layer_stores(l, product(channels, plane, plane));
    if (which == 0) {
        layer_set_ints(l, "perm", 4, orders[order]);
        layer_name(l, " order %lld", (long long)order);
    } else if (which == 1) {
        layer_integers(l, "from", DIMS(0));
        layer_integers(l, "to", DIMS(channels / 2));
        layer_integers(l, "axis", DIMS(1));
    } else if (which == 2)
        layer_integers(l, "pads", DIMS(0, 0, 1, 1, 0, 0, 1, 1));
    else if (which == 3) {
        layer_input(l, "z", DIMS(1, channels, plane, plane));
        layer_set(l, "axis", PICK(l, 1, 1, 3));
    } else
        layer_set(l, "blocksize", 2);
    static const char *const inputs[] = {"x", "x from to axis", "x pads", "x z", "x"};
    layer_node(l, types[which], inputs[which]);
}

void draw_gather(layer *l)
{
    int64_t rows = PICK(l, 100, 1000, 5000, 30000), width = PICK(l, 64, 128, 256),
            n = PICK(l, 1, 8, 64, 200, 512);
    int64_t index[512];
    for (int64_t i = 0; i < n; i++)
        index[i] = (i * 7919) % rows;
    bool inner = layer_chance(l, 20);
    layer_input(l, "x", DIMS(inner ? width : rows, inner ? rows : width));
    layer_integers(l, "at", (size_t)n, index);
    layer_set(l, "axis", inner);
    layer_node(l, "Gather", "x at");
    layer_name(l, "Gather %lld of %lldx%lld axis %d", (long long)n, (long long)rows, (long long)width, inner);
    l->bytes = 2.0 * sizeof(float) * (double)(n * width);
}

void draw_resize(layer *l)
{
    static const char *const modes[] = {"nearest", "linear", "cubic"};
    int64_t mode = PICK(l, 0, 0, 0, 1, 1, 2), channels, plane, scale = PICK(l, 2, 2, 2, 4);
    do {
        channels = PICK(l, 3, 16, 64, 128, 256);
        plane = PICK(l, 7, 13, 14, 20, 26, 28, 40, 56, 80, 112);
    } while ((double)(channels * plane * plane * scale * scale) > MAX_FLOATS);
    layer_input(l, "x", DIMS(1, channels, plane, plane));
    layer_integers(l, "sizes", DIMS(1, channels, plane * scale, plane * scale));
    layer_set_text(l, "mode", modes[mode]);
    layer_set_text(l, "coordinate_transformation_mode", mode == 0 ? "asymmetric" : "half_pixel");
    if (mode == 0)
        layer_set_text(l, "nearest_mode", "floor");
    layer_node(l, "Resize", "x . . sizes");
    layer_stores(l, product(channels, plane * scale, plane * scale));
    layer_name(l, "Resize %s %lldx%lldx%lld by %lld", modes[mode], (long long)channels, (long long)plane,
               (long long)plane, (long long)scale);
}

void draw_recurrent(layer *l)
{
    int64_t steps, batch, in, hidden, ways = PICK(l, 1, 1, 2);
    bool lstm = layer_chance(l, 60);
    do {
        steps = PICK(l, 1, 1, 4, 10, 25, 50, 100, 200);
        batch = PICK(l, 1, 1, 1, 4);
        in = PICK(l, 20, 40, 64, 80, 128, 256, 512);
        hidden = PICK(l, 32, 64, 96, 128, 128, 192, 256, 400, 512);
    } while (product(steps * batch, 4 * hidden, in + hidden) * (double)ways > MAX_PRODUCTS);
    int64_t gates = (lstm ? 4 : 3) * hidden;
    double scale = 1 / sqrt((double)hidden);
    layer_input(l, "x", DIMS(steps, batch, in));
    layer_noise(l, "w", scale, 0, DIMS(ways, gates, in));
    layer_noise(l, "r", scale, 0, DIMS(ways, gates, hidden));
    layer_noise(l, "b", 0.1, 0, DIMS(ways, 2 * gates));
    layer_set(l, "hidden_size", hidden);
    if (ways == 2)
        layer_set_text(l, "direction", "bidirectional");
    if (!lstm)
        layer_set(l, "linear_before_reset", 1);
    layer_node(l, lstm ? "LSTM" : "GRU", "x w r b");
    layer_products(l, product(steps * batch, gates, in + hidden) * (double)ways);
    layer_stores(l, product(steps, batch, hidden) * (double)ways);
    layer_name(l, "%s %lldx%lld %lld>%lld%s", lstm ? "LSTM" : "GRU", (long long)steps, (long long)batch,
               (long long)in, (long long)hidden, ways == 2 ? " bidirectional" : "");
}

/* Softmax(q k' / sqrt(d)) v as exporters write it. */
void draw_attention(layer *l)
{
    int64_t heads, queries, keys, width;
    do {
        heads = PICK(l, 1, 4, 6, 8, 12);
        queries = PICK(l, ROWS);
        keys = layer_chance(l, 60) ? queries : PICK(l, ROWS);
        width = PICK(l, 32, 64, 64, 64, 80, 128);
    } while (2 * product(queries, keys, width) * (double)heads > MAX_PRODUCTS ||
             product(heads, queries, keys) > MAX_FLOATS);
    layer_input(l, "q", DIMS(1, heads, queries, width));
    layer_input(l, "k", DIMS(1, heads, keys, width));
    layer_input(l, "v", DIMS(1, heads, keys, width));
    layer_noise(l, "scale", 0, 1 / sqrt((double)width), DIMS(1));
    layer_set_ints(l, "perm", DIMS(0, 1, 3, 2));
    layer_node(l, "Transpose", "k");
    layer_node(l, "MatMul", "q _");
    layer_node(l, "Mul", "_ scale");
    layer_set(l, "axis", -1);
    layer_node(l, "Softmax", "_");
    layer_node(l, "MatMul", "_ v");
    layer_products(l, 2 * product(queries, keys, width) * (double)heads);
    layer_stores(l, product(heads, queries, width));
    layer_name(l, "%lld heads %lldx%lld of %lld", (long long)heads, (long long)queries, (long long)keys,
               (long long)width);
}

void draw_tiny(layer *l, unsigned n)
{
    static const char *const types[] = {"Relu", "LogSoftmax", "MatMul", "Softmax", "Transpose"};
    layer_input(l, "x", DIMS(4, 4));
    layer_noise(l, "w", 0.5, 0, DIMS(4, 4));
    for (unsigned i = 0; i < n; i++)
        layer_node(l, types[i % 5], i % 5 == 2 ? "_ w" : "_");
    layer_name(l, "%u node%s of 4x4", n, n == 1 ? "" : "s");
}
