/* Convolutions and pools. */
#include "graph.h"

static const rg_want images = {rg_is_tame, 3, 5}, any_images = {rg_is_float, 3, 5};

typedef struct window {
    int n; /* number of spatial axes */
    int64_t kernel[3], strides[3], dilations[3], pads[6];
} window;

static int64_t dim_of(const rg_maker *m, int x, int axis)
{
    return sib_tensor_dims(rg_of(m, x))[axis];
}

static window draw_window(const rg_maker *m, int x)
{
    window w = {.n = (int)sib_tensor_rank(rg_of(m, x)) - 2};
    bool point = rg_chance(m->r, 20), three = rg_chance(m->r, 45), dilated = rg_chance(m->r, 15);
    for (int i = 0; i < w.n; i++) {
        w.kernel[i] = point ? 1 : three ? 3 : 1 + rg_below(m->r, 5);
        w.strides[i] = rg_chance(m->r, 65) ? 1 : 1 + rg_below(m->r, 3);
        w.dilations[i] = dilated ? 1 + rg_below(m->r, 3) : 1;
        for (int k = 0; k < 2; k++)
            w.pads[i + k * w.n] = point || rg_chance(m->r, 40) ? 0 : rg_below(m->r, (int)w.kernel[i] + 1);
    }
    return w;
}

static void window_text(const rg_maker *m, const window *w, bool dilations, char *text, size_t size)
{
    static const char *const automatic[] = {"SAME_UPPER", "SAME_LOWER", "VALID"};
    char kernel[64], strides[64], dilation[64], pads[96], where[120];
    size_t n = (size_t)w->n;
    if (rg_chance(m->r, 12))
        snprintf(where, sizeof where, "auto_pad=\"%s\"", automatic[rg_below(m->r, 3)]);
    else
        snprintf(where, sizeof where, "pads=%s", rg_list(pads, sizeof pads, 2 * n, w->pads));
    snprintf(text, size, "kernel_shape=%s strides=%s %s%s %s", rg_list(kernel, sizeof kernel, n, w->kernel),
             rg_list(strides, sizeof strides, n, w->strides), dilations ? "dilations=" : "",
             dilations ? rg_list(dilation, sizeof dilation, n, w->dilations) : "", where);
}

static bool put_activation(const rg_maker *m)
{
    static const char *const names[] = {"Relu", "Sigmoid", "Tanh", "HardSwish", "LeakyRelu", "Clip"};
    int y = m->g->n_values - 1;
    return rg_chance(m->r, 50) || rg_put(m, names[rg_below(m->r, 6)], "", 1, &y, 1);
}

static bool make_conv(const rg_maker *m)
{
    char text[400], list[512];
    int x = rg_pick(m, &images);
    if (x == RG_NONE)
        return false;
    window w = draw_window(m, x);
    int64_t c = dim_of(m, x, 1), groups = 1, out = 1 + rg_below(m->r, 40), dims[5], taps = 1;
    int kind = rg_below(m->r, 4);
    if (kind == 0 && c > 0) {
        groups = c; /* depthwise */
        out = c * (1 + rg_below(m->r, 2));
    } else if (kind == 1 && c % 2 == 0 && c > 0) {
        groups = 2;
        out += out % 2;
    }
    dims[0] = out;
    dims[1] = c / groups;
    for (int i = 0; i < w.n; i++)
        taps *= dims[2 + i] = w.kernel[i];
    if ((double)sib_tensor_count(rg_of(m, x)) * (double)(taps * out / groups) > (double)m->max * 120)
        return false;
    sib_dtype d = sib_tensor_dtype(rg_of(m, x));
    int in[] = {x, rg_new(m, d, (size_t)w.n + 2, dims, RG_UNIT),
                rg_chance(m->r, 40) ? RG_NONE : rg_new(m, d, 1, &out, RG_UNIT)};
    if (in[1] == RG_NONE)
        return false;
    m->g->values[in[1]].constant = rg_chance(m->r, 85);
    window_text(m, &w, true, text, sizeof text);
    snprintf(list, sizeof list, "%s group=%d", text, (int)groups);
    return rg_put(m, "Conv", list, in[2] == RG_NONE ? 2 : 3, in, 1) && put_activation(m);
}

static bool make_conv_transpose(const rg_maker *m)
{
    char text[400], list[512];
    int x = rg_pick(m, &images);
    if (x == RG_NONE)
        return false;
    window w = draw_window(m, x);
    int64_t c = dim_of(m, x, 1), groups = c % 2 == 0 && c && rg_chance(m->r, 30) ? 2 : 1,
            out = 1 + rg_below(m->r, 12), dims[5], taps = 1;
    dims[0] = c;
    dims[1] = out;
    for (int i = 0; i < w.n; i++)
        taps *= dims[2 + i] = w.kernel[i];
    if ((double)sib_tensor_count(rg_of(m, x)) * (double)(taps * out) > (double)m->max * 60)
        return false;
    int64_t all = out * groups;
    sib_dtype d = sib_tensor_dtype(rg_of(m, x));
    int in[] = {x, rg_new(m, d, (size_t)w.n + 2, dims, RG_UNIT),
                rg_chance(m->r, 50) ? RG_NONE : rg_new(m, d, 1, &all, RG_UNIT)};
    window_text(m, &w, true, text, sizeof text);
    snprintf(list, sizeof list, "%s group=%d", text, (int)groups);
    return in[1] != RG_NONE && rg_put(m, "ConvTranspose", list, in[2] == RG_NONE ? 2 : 3, in, 1);
}

static bool make_pool(const rg_maker *m)
{
    char text[400], list[512];
    bool largest = rg_chance(m->r, 55);
    int x = rg_pick(m, largest ? &any_images : &images);
    if (x == RG_NONE)
        return false;
    window w = draw_window(m, x);
    for (int i = 0; i < w.n; i++)
        for (int k = 0; k < 2; k++)
            if (w.pads[i + k * w.n] >= w.kernel[i])
                w.pads[i + k * w.n] = w.kernel[i] - 1;
    window_text(m, &w, true, text, sizeof text);
    snprintf(list, sizeof list, "%s ceil_mode=%d%s", text, rg_chance(m->r, 30),
             !largest && rg_chance(m->r, 50) ? " count_include_pad=1" : "");
    if (largest)
        return rg_put(m, "MaxPool", list, 1, &x, rg_chance(m->r, 25) ? 2 : 1);
    return rg_put(m, rg_chance(m->r, 85) ? "AveragePool" : "LpPool", rg_chance(m->r, 85) ? list : text, 1, &x,
                  1);
}

static bool make_global_pool(const rg_maker *m)
{
    static const char *const names[] = {"GlobalAveragePool", "GlobalAveragePool", "GlobalMaxPool",
                                        "GlobalLpPool"};
    int x = rg_pick(m, &images);
    return x != RG_NONE && rg_put(m, names[rg_below(m->r, 4)], "", 1, &x, 1);
}

/* A block of mobile networks: a convolution, its normalization, an activation. */
static bool make_block(const rg_maker *m)
{
    static const rg_want maps = {rg_is_tame, 4, 4};
    int x = rg_pick(m, &maps);
    if (x == RG_NONE)
        return false;
    int64_t c = dim_of(m, x, 1), out = rg_size(m->r, 33), dims[] = {out, c, 1, 1};
    sib_dtype d = sib_tensor_dtype(rg_of(m, x));
    if ((double)sib_tensor_count(rg_of(m, x)) * (double)out > (double)m->max * 120)
        return false;
    int in[] = {x, rg_new(m, d, 4, dims, RG_UNIT)};
    if (in[1] == RG_NONE)
        return false;
    m->g->values[in[1]].constant = true;
    if (!rg_put(m, "Conv", "", 2, in, 1))
        return false;
    int norm[] = {m->g->n_values - 1, RG_NONE, RG_NONE, RG_NONE, RG_NONE};
    for (int i = 1; i < 5; i++) {
        norm[i] = rg_new(m, d, 1, &out, i == 4 ? RG_POSITIVE : RG_UNIT);
        if (norm[i] == RG_NONE)
            return false;
        m->g->values[norm[i]].constant = true;
    }
    return rg_put(m, "BatchNormalization", "", 5, norm, 1) && put_activation(m);
}

const rg_row rg_windows[] = {{40, make_conv},       {10, make_conv_transpose}, {24, make_pool},
                             {8, make_global_pool}, {12, make_block},          {0, NULL}};
