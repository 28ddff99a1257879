/* Convolutions and pools as real networks have them. */
#include "bench/layer_draw.h"

#include <math.h>
#include <stdio.h>

/* Costs of a layer that is measured: smaller and larger ones are drawn again. */
#define MIN_PRODUCTS 2e4
#define MAX_PRODUCTS 6e8
#define MAX_FLOATS   8e6 /* of an array */

typedef struct conv_shape {
    size_t axes;
    int64_t groups, from, to; /* channels */
    int64_t in[3], kernel[3], stride, dilation;
} conv_shape;

static int64_t padding(const conv_shape *c, size_t i)
{
    return c->dilation * (c->kernel[i] - 1) / 2;
}

static int64_t out_of(const conv_shape *c, size_t i)
{
    int64_t room = c->in[i] + 2 * padding(c, i) - c->dilation * (c->kernel[i] - 1) - 1;
    return room < 0 ? 0 : room / c->stride + 1;
}

static double floats_in(const conv_shape *c)
{
    double n = (double)c->from;
    for (size_t i = 0; i < c->axes; i++)
        n *= (double)c->in[i];
    return n;
}

static double floats_out(const conv_shape *c)
{
    double n = (double)c->to;
    for (size_t i = 0; i < c->axes; i++)
        n *= (double)out_of(c, i);
    return n;
}

static double taps(const conv_shape *c)
{
    double n = (double)(c->from / c->groups);
    for (size_t i = 0; i < c->axes; i++)
        n *= (double)c->kernel[i];
    return n;
}

static bool fits(const conv_shape *c)
{
    double products = floats_out(c) * taps(c);
    return products >= MIN_PRODUCTS && products <= MAX_PRODUCTS && floats_in(c) <= MAX_FLOATS &&
           floats_out(c) <= MAX_FLOATS && taps(c) * (double)c->to <= MAX_FLOATS;
}

/* What follows a convolution in most networks. */
static void activate(layer *l)
{
    int64_t which = PICK(l, 0, 0, 0, 1, 1, 1, 2, 2, 3, 4);
    static const char *const names[] = {"", " Relu", " SiLU", " LeakyRelu", " HardSwish"};
    if (which == 1)
        layer_node(l, "Relu", "_");
    if (which == 2) {
        char inputs[sizeof l->last + 4];
        snprintf(inputs, sizeof inputs, "%s _", l->last);
        layer_node(l, "Sigmoid", "_");
        layer_node(l, "Mul", inputs);
    }
    if (which == 3) {
        layer_set_float(l, "alpha", 0.1);
        layer_node(l, "LeakyRelu", "_");
    }
    if (which == 4)
        layer_node(l, "HardSwish", "_");
    layer_name(l, "%s", names[which]);
}

static void name_shape(layer *l, const conv_shape *c)
{
    layer_name(l, "%lld>%lld ", (long long)c->from, (long long)c->to);
    for (size_t i = 0; i < c->axes; i++)
        layer_name(l, i ? "x%lld" : "%lld", (long long)c->in[i]);
    for (size_t i = 0; i < c->axes; i++)
        layer_name(l, i ? "x%lld" : " k%lld", (long long)c->kernel[i]);
    layer_name(l, " s%lld", (long long)c->stride);
    if (c->dilation > 1)
        layer_name(l, " d%lld", (long long)c->dilation);
    if (c->groups > 1)
        layer_name(l, " g%lld", (long long)c->groups);
}

/* Attributes of convolutions and pools; dims: of the input, (axes + 2). */
static void set_window(layer *l, const conv_shape *c, int64_t *dims)
{
    int64_t strides[3], dilations[3], pads[6];
    dims[0] = 1;
    dims[1] = c->from;
    for (size_t i = 0; i < c->axes; i++) {
        strides[i] = c->stride;
        dilations[i] = c->dilation;
        pads[i] = pads[c->axes + i] = padding(c, i);
        dims[2 + i] = c->in[i];
    }
    layer_set_ints(l, "kernel_shape", c->axes, c->kernel);
    layer_set_ints(l, "strides", c->axes, strides);
    layer_set_ints(l, "pads", 2 * c->axes, pads);
    if (c->dilation > 1)
        layer_set_ints(l, "dilations", c->axes, dilations);
}

static void write_conv(layer *l, const conv_shape *c, bool transposed)
{
    int64_t dims[5], weights[5] = {transposed ? c->from : c->to, (transposed ? c->to : c->from) / c->groups};
    double products = floats_out(c) * taps(c), stores = floats_out(c);
    for (size_t i = 0; i < c->axes; i++)
        weights[2 + i] = c->kernel[i];
    if (transposed) { /* each element of the input is multiplied with all weights of its channel */
        products = floats_in(c) * taps(c) / (double)c->from * (double)c->to;
        stores = floats_in(c) / (double)c->from * (double)c->to * pow((double)c->stride, (double)c->axes);
    }
    set_window(l, c, dims);
    if (c->groups > 1)
        layer_set(l, "group", c->groups);
    layer_input(l, "x", c->axes + 2, dims);
    layer_noise(l, "w", 1 / sqrt(taps(c)), 0, c->axes + 2, weights);
    layer_noise(l, "b", 0.1, 0, DIMS(c->to));
    layer_node(l, transposed ? "ConvTranspose" : "Conv", "x w b");
    layer_products(l, products);
    layer_stores(l, stores);
    name_shape(l, c);
    activate(l);
}

static conv_shape square(size_t axes, int64_t from, int64_t to, int64_t in, int64_t kernel, int64_t stride)
{
    return (conv_shape){axes, 1, from, to, {in, in, in}, {kernel, kernel, kernel}, stride, 1};
}

#define CHANNELS                                                                                             \
    8, 16, 16, 24, 32, 32, 40, 48, 64, 64, 64, 80, 96, 128, 128, 160, 192, 256, 256, 320, 384, 512, 512,     \
        768, 1024
#define PLANES 7, 10, 13, 14, 14, 19, 20, 26, 28, 28, 38, 40, 52, 56, 56, 75, 80, 104, 112, 112, 160, 208, 224

void draw_conv(layer *l)
{
    conv_shape c;
    do {
        c = square(2, PICK(l, CHANNELS, 3), PICK(l, CHANNELS), PICK(l, PLANES),
                   PICK(l, 1, 1, 1, 1, 3, 3, 3, 3, 3, 5, 7), PICK(l, 1, 1, 1, 1, 2));
        if (layer_chance(l, 5))
            c.dilation = 2;
        if (layer_chance(l, 8))
            c.in[1] = PICK(l, PLANES);
        if (layer_chance(l, 5))
            c.kernel[layer_chance(l, 50)] = 1;
    } while (!fits(&c));
    write_conv(l, &c, false);
}

void draw_depthwise(layer *l)
{
    conv_shape c;
    do {
        int64_t channels = PICK(l, CHANNELS);
        c = square(2, channels, channels, PICK(l, PLANES), PICK(l, 3, 3, 3, 5, 7), PICK(l, 1, 1, 1, 2));
        c.groups = channels;
    } while (!fits(&c));
    write_conv(l, &c, false);
}

void draw_grouped(layer *l)
{
    conv_shape c;
    do {
        int64_t groups = PICK(l, 2, 4, 8, 16, 32);
        c = square(2, groups * PICK(l, 4, 8, 16, 32), groups * PICK(l, 4, 8, 16, 32), PICK(l, PLANES),
                   PICK(l, 1, 3, 3, 5), PICK(l, 1, 1, 2));
        c.groups = groups;
    } while (!fits(&c));
    write_conv(l, &c, false);
}

#define LENGTHS 10, 25, 50, 75, 100, 150, 200, 320, 500, 750, 1000, 1500, 3000, 8000, 16000

void draw_conv_1d(layer *l)
{
    conv_shape c;
    do {
        c = square(1, PICK(l, 1, 2, CHANNELS), PICK(l, CHANNELS), PICK(l, LENGTHS),
                   PICK(l, 1, 1, 3, 3, 3, 5, 7, 9, 11, 15, 31, 64, 128), PICK(l, 1, 1, 1, 1, 2, 4));
        if (c.kernel[0] > 1 && c.kernel[0] < 16 && layer_chance(l, 15))
            c.dilation = PICK(l, 2, 4, 8);
        if (layer_chance(l, 20)) {
            c.to = c.from;
            c.groups = c.from;
        }
    } while (!fits(&c));
    write_conv(l, &c, false);
}

void draw_conv_3d(layer *l)
{
    conv_shape c;
    do {
        c = square(3, PICK(l, 1, 3, 8, 16, 32, 64), PICK(l, 8, 16, 32, 64), PICK(l, 7, 14, 16, 28, 32),
                   PICK(l, 1, 3, 3), PICK(l, 1, 1, 2));
        c.in[0] = PICK(l, 4, 8, 16);
    } while (!fits(&c));
    write_conv(l, &c, false);
}

void draw_transposed(layer *l)
{
    conv_shape c;
    do {
        size_t axes = layer_chance(l, 50) ? 1 : 2;
        int64_t stride = PICK(l, 2, 2, 2, 4, 8);
        c = square(axes, PICK(l, CHANNELS), PICK(l, CHANNELS), axes == 1 ? PICK(l, LENGTHS) : PICK(l, PLANES),
                   stride * PICK(l, 1, 2), stride);
        if (layer_chance(l, 20))
            c.kernel[0] = c.kernel[1] = 3;
    } while (!fits(&c) || floats_out(&c) * (double)(c.stride * c.stride * c.stride) > MAX_FLOATS);
    write_conv(l, &c, true);
}

void draw_pool(layer *l)
{
    static const char *const types[] = {"MaxPool", "AveragePool", "GlobalAveragePool"};
    int64_t which = PICK(l, 0, 0, 1, 1, 2), dims[5];
    conv_shape c;
    do {
        int64_t channels = PICK(l, CHANNELS);
        c = square(layer_chance(l, 20) ? 1 : 2, channels, channels, PICK(l, PLANES), PICK(l, 2, 2, 3, 3, 5),
                   PICK(l, 1, 2, 2));
    } while (floats_in(&c) > MAX_FLOATS || floats_in(&c) < 1000);
    set_window(l, &c, dims);
    if (which == 2)
        l->n_attributes = 0;
    layer_input(l, "x", c.axes + 2, dims);
    layer_node(l, types[which], "x");
    layer_stores(l, which == 2 ? (double)c.from : floats_out(&c));
    layer_name(l, "%s ", types[which]);
    name_shape(l, &c);
}
