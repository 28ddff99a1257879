#include "import/recipe/hifigan.h"

#include <string.h>

#define MAX_SIZE (1 << 12) /* of a kernel, with its dilation */

/* ---- Dimensions ---------------------------------------------------------------------------------------- */

/* The numbers of a list in config.json, from 1 to MAX_SIZE, in out (HIFIGAN_MAX); 0 where it is no such list. */
static int64_t read_list(build *b, const char *key, int64_t *out)
{
    const fact *f = checkpoint_fact(b->c, key);
    bool fits = f && f->list && f->kind == FACT_INT && f->n >= 1 && f->n <= HIFIGAN_MAX;
    for (size_t i = 0; fits && i < f->n; i++) {
        out[i] = f->ints[i];
        fits = out[i] >= 1 && out[i] <= MAX_SIZE;
    }
    if (!fits)
        build_fail(b, SIB_ERR_FORMAT, "%s: %s of its config.json is no list of 1 to %d sizes from 1 to %d",
                   checkpoint_file(b->c, 0), key, HIFIGAN_MAX, MAX_SIZE);
    return fits ? (int64_t)f->n : 0;
}

static void check(build *b, const hifigan *m, int64_t n_kernels)
{
    bool fits = m->n_stages == n_kernels && m->wide >= 1 && m->wide <= 1 << 16 && m->wide >> m->n_stages &&
                m->frame <= 1 << 16 && m->slope >= 0 && m->slope <= 1;
    for (int64_t i = 0; fits && i < m->n_stages; i++)
        fits = m->kernels[i] >= m->rates[i];
    for (int64_t i = 0; fits && i < m->n_blocks; i++) {
        fits = m->block_kernels[i] % 2;
        for (int64_t k = 0; fits && k < m->n_dilations[i]; k++)
            fits = m->block_kernels[i] * m->dilations[i][k] <= MAX_SIZE;
    }
    if (!fits)
        build_fail(
            b, SIB_ERR_FORMAT,
            "%s: its config.json describes no network that makes samples: each of upsample_rates needs a "
            "kernel in upsample_kernel_sizes that is not smaller, upsample_initial_channel (%lld) as many "
            "halves, and resblock_kernel_sizes are odd",
            checkpoint_file(b->c, 0), (long long)m->wide);
}

hifigan hifigan_read(build *b, const char *at, int64_t from)
{
    hifigan m = {.at = at, .from = from, .frame = 1};
    m.n_stages = read_list(b, "upsample_rates", m.rates);
    const int64_t n_kernels = read_list(b, "upsample_kernel_sizes", m.kernels);
    m.n_blocks = read_list(b, "resblock_kernel_sizes", m.block_kernels);
    for (int64_t i = 0; i < m.n_blocks && b->code == SIB_OK; i++)
        m.n_dilations[i] =
            read_list(b, build_text(b, "resblock_dilation_sizes.%lld", (long long)i), m.dilations[i]);
    m.wide = checkpoint_int(b->c, "upsample_initial_channel", 512);
    m.slope = checkpoint_float(b->c, "leaky_relu_slope", 0.1);
    for (int64_t i = 0; i < m.n_stages && m.frame <= 1 << 16; i++)
        m.frame *= m.rates[i];
    if (b->code == SIB_OK)
        check(b, &m, n_kernels);
    return m;
}

/* ---- The graph ----------------------------------------------------------------------------------------- */

static value_id leaky(build *b, value_id x, double slope)
{
    value_id out;
    build_attributes a = build_no_attributes();
    build_set_float(&a, "alpha", slope);
    build_node(b, "LeakyRelu", &a, 1, &x, 1, &out);
    return out;
}

/* As many frames as before. */
static value_id conv(build *b, value_id x, const char *name, int64_t from, int64_t to, int64_t kernel,
                     int64_t dilation)
{
    const int64_t dims[] = {to, from, kernel}, around = (kernel - 1) * dilation / 2;
    const build_conv c = {.name = name,
                          .from = from,
                          .to = to,
                          .kernel = kernel,
                          .stride = 1,
                          .groups = 1,
                          .dilation = dilation,
                          .before = around,
                          .after = around,
                          .weight = build_normed_weight(b, name, dims, 0),
                          .bias = build_find(b, build_text(b, "%s.bias", name)) != NULL};
    return build_conv_1d(b, x, &c);
}

/* x [1, n, T] plus what each pair of convolutions adds to it. */
static value_id block(build *b, const hifigan *m, value_id x, int64_t stage, int64_t i, int64_t n)
{
    const char *where = build_text(b, "%sresblocks.%lld", m->at, (long long)(stage * m->n_blocks + i));
    for (int64_t k = 0; k < m->n_dilations[i]; k++) {
        value_id y = leaky(b, x, m->slope);
        y = conv(b, y, build_text(b, "%s.convs1.%lld", where, (long long)k), n, n, m->block_kernels[i],
                 m->dilations[i][k]);
        y = conv(b, leaky(b, y, m->slope), build_text(b, "%s.convs2.%lld", where, (long long)k), n, n,
                 m->block_kernels[i], 1);
        x = build_add(b, y, x);
    }
    return x;
}

/* x [1, 2 n, T] -> [1, n, T rate]: the transposed convolution, and the mean of the blocks behind it. */
static value_id stage(build *b, const hifigan *m, value_id x, int64_t i, int64_t n)
{
    const char *name = build_text(b, "%supsampler.%lld", m->at, (long long)i);
    const int64_t from = m->wide >> i, dims[] = {from, n, m->kernels[i]},
                  cut = (m->kernels[i] - m->rates[i]) / 2;
    const build_conv up = {.name = name,
                           .from = from,
                           .to = n,
                           .kernel = m->kernels[i],
                           .stride = m->rates[i],
                           .groups = 1,
                           .before = cut,
                           .after = cut,
                           .weight = build_normed_weight(b, name, dims, 0),
                           .bias = true};
    build_scope(b, "samples.%lld", (long long)i);
    x = build_conv_transposed(b, leaky(b, x, m->slope), &up);
    value_id sum = block(b, m, x, i, 0, n);
    for (int64_t k = 1; k < m->n_blocks; k++)
        sum = build_add(b, sum, block(b, m, x, i, k, n));
    return build_2(b, "Div", sum, build_float(b, (double)m->n_blocks));
}

value_id hifigan_build(build *b, const hifigan *m, value_id x, value_id beside)
{
    int64_t n = m->wide;
    build_scope(b, "samples");
    x = conv(b, x, build_text(b, "%sconv_pre", m->at), m->from, n, 7, 1);
    if (beside != NO_VALUE)
        x = build_add(b, x, beside);
    for (int64_t i = 0; i < m->n_stages; i++)
        x = stage(b, m, x, i, n /= 2);
    build_scope(b, "samples.last");
    return build_1(b, "Tanh", conv(b, leaky(b, x, 0.01), build_text(b, "%sconv_post", m->at), n, 1, 7, 1));
}
