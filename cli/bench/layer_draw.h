/* The families of layers that are drawn. */
#ifndef CLI_BENCH_LAYER_DRAW_H
#define CLI_BENCH_LAYER_DRAW_H

#include "bench/layer_model.h"

/* One row per family: name, parts of 1000 of the layers, opset, and the function that draws one. */
#define LAYER_FAMILIES(M)                                                                                    \
    M("conv", 260, 18, draw_conv)                                                                            \
    M("conv depthwise", 80, 18, draw_depthwise)                                                              \
    M("conv grouped", 30, 18, draw_grouped)                                                                  \
    M("conv 1-D", 100, 18, draw_conv_1d)                                                                     \
    M("conv 3-D", 20, 18, draw_conv_3d)                                                                      \
    M("conv transposed", 40, 18, draw_transposed)                                                            \
    M("product", 130, 18, draw_product)                                                                      \
    M("product batched", 40, 18, draw_batched)                                                               \
    M("pool", 40, 18, draw_pool)                                                                             \
    M("norm", 60, 18, draw_norm)                                                                             \
    M("softmax", 30, 18, draw_softmax)                                                                       \
    M("activation", 50, 20, draw_activation)                                                                 \
    M("elementwise", 40, 18, draw_elementwise)                                                               \
    M("reduce", 25, 17, draw_reduce)                                                                         \
    M("layout", 45, 18, draw_layout)                                                                         \
    M("gather", 20, 18, draw_gather)                                                                         \
    M("resize", 15, 18, draw_resize)                                                                         \
    M("recurrent", 40, 18, draw_recurrent)                                                                   \
    M("attention", 30, 18, draw_attention)

#define DECLARE(name, weight, opset, draw) void draw(layer *l);
LAYER_FAMILIES(DECLARE)
#undef DECLARE

/* Adds n small nodes of different types, none of which can become one with the next; 1 <= n <= 10. */
void draw_tiny(layer *l, unsigned n);

#endif
