#include "import/recipe/conformer.h"
#include "import/recipe/text_encoder.h"

#include <math.h>

/* ---- Places -------------------------------------------------------------------------------------------- */

/* Sines beside cosines of the distances N - 1 to 1 - N: [2 N - 1, d]. x [B, N, d] */
static value_id rows_of_distances(build *b, const conformer *m, value_id x)
{
    const size_t half = (size_t)(m->d / 2);
    const build_angles a = build_rope(b, NULL, m->theta, half, 1);
    if (b->code != SIB_OK)
        return NO_VALUE;
    for (size_t i = 0; i < half && m->by_exponents; i++)
        a.inverse[i] = expf((float)(2 * i) * (float)-(log(m->theta) / (double)m->d));
    value_id none = build_ints(b, 0, NULL), n = build_2(b, "Reshape", build_shape(b, x, 1, 1), none),
             one = build_scalar_int(b, 1), back = build_scalar_int(b, -1),
             distances = build_3(b, "Range", build_sub(b, n, one), build_1(b, "Neg", n), back),
             rows = build_reshape(b, build_cast(b, distances, SIB_F32), 2, (const int64_t[]){-1, 1}),
             angles = build_mul(b, rows, build_floats(b, half, a.inverse)), axis = build_int(b, 2),
             parts[] = {build_2(b, "Unsqueeze", build_1(b, "Sin", angles), axis),
                        build_2(b, "Unsqueeze", build_1(b, "Cos", angles), axis)};
    return build_reshape(b, build_concat(b, 2, 2, parts), 2, (const int64_t[]){-1, m->d});
}

void conformer_place(build *b, conformer *m, value_id x)
{
    m->rows = NO_VALUE;
    if (m->places == CONFORMER_DISTANCES)
        m->rows = rows_of_distances(b, m, x);
    if (m->places == CONFORMER_ROTARY) {
        const size_t half = (size_t)(m->d / m->heads / 2);
        const build_angles a = build_rope(b, NULL, m->theta, half, 1);
        if (b->code == SIB_OK)
            m->rotary = build_cos_sin(b, x, NO_VALUE, &a, half);
    }
}

static int64_t size_of(const conformer *m)
{
    return m->d / m->heads;
}

/* Products of queries with all distances [B, heads, N, 2 N - 1] -> with those to the N keys [B, heads, N, N]: row i begins at
   distance i. */
static value_id shifted(build *b, value_id x, value_id n)
{
    static const int64_t pads[] = {0, 0, 0, 1, 0, 0, 0, 0};
    const value_id keep = build_int(b, 0), rest = build_int(b, -1);
    x = build_2(b, "Pad", x, build_ints(b, 8, pads));
    x = build_2(b, "Reshape", x, build_concat(b, 0, 4, (value_id[]){keep, keep, rest, n}));
    x = build_slice(b, x, build_int(b, 1), build_int(b, INT64_MAX), 2);
    x = build_2(b, "Reshape", x, build_concat(b, 0, 4, (value_id[]){keep, keep, n, rest}));
    return build_slice(b, x, build_int(b, 0), n, 3);
}

/* ---- Layers -------------------------------------------------------------------------------------------- */

static value_id linear(build *b, value_id x, const char *where, const char *what, int64_t in, int64_t out)
{
    return text_encoder_linear(b, x, build_text(b, "%s.%s", where, what), in, out);
}

/* x plus a bias of each head, "<where>.<name>" [heads, size]. x [B, N, d] */
static value_id biased(build *b, const conformer *m, value_id x, const char *where, const char *name)
{
    value_id bias =
        build_weight(b, build_text(b, "%s.%s", where, name), 2, (const int64_t[]){m->heads, size_of(m)});
    return build_add(b, x, build_reshape(b, bias, 1, (const int64_t[]){m->d}));
}

/* What is added to scores, by distance [B, heads, N, N]; q [B, N, d]. */
static value_id by_distance(build *b, const conformer *m, value_id q, const char *where)
{
    const int64_t apart[] = {0, 0, m->heads, size_of(m)}, rows[] = {-1, m->heads, size_of(m)};
    value_id n = build_shape(b, q, 1, 1),
             queries = build_reshape(b, biased(b, m, q, where, "bias_v"), 4, apart),
             keys = build_linear(b, m->rows, build_text(b, "%s.relative_k_proj", where), m->d, m->d,
                                 BUILD_NO_BIAS);
    queries = build_transpose(b, queries, 4, (const int64_t[]){0, 2, 1, 3});
    keys = build_transpose(b, build_reshape(b, keys, 3, rows), 3, (const int64_t[]){1, 2, 0});
    return build_mul(b, shifted(b, build_2(b, "MatMul", queries, keys), n),
                     build_float(b, 1 / sqrt((double)size_of(m))));
}

static value_id attention(build *b, const conformer *m, value_id x, const char *where)
{
    const bool distances = m->places == CONFORMER_DISTANCES;
    const value_id placed =
        m->places == CONFORMER_ROTARY ? build_rotate(b, x, m->heads, size_of(m), &m->rotary) : x;
    const value_id q = linear(b, placed, where, "q_proj", m->d, m->d);
    build_attention at = {.q = distances ? biased(b, m, q, where, "bias_u") : q,
                          .k = linear(b, placed, where, "k_proj", m->d, m->d),
                          .v = linear(b, x, where, "v_proj", m->d, m->d),
                          .size = size_of(m),
                          .heads = m->heads,
                          .kv_heads = m->heads,
                          .mask = distances ? by_distance(b, m, q, where) : NO_VALUE,
                          .mask_added = distances,
                          .past_k = NO_VALUE,
                          .past_v = NO_VALUE};
    return linear(b, build_attend(b, &at), where, "o_proj", m->d, m->d);
}

static value_id convolution(build *b, const conformer *m, value_id x, const char *where)
{
    static const int64_t swapped[] = {0, 2, 1};
    const char *conv = build_text(b, "%s.depthwise_conv", where);
    value_id parts[2];
    build_split(b, linear(b, x, where, "pointwise_conv1", m->d, 2 * m->d), -1, 2, parts);
    x = build_mul(b, parts[0], build_1(b, "Sigmoid", parts[1]));
    const build_conv at = {.name = conv,
                           .from = m->d,
                           .to = m->d,
                           .kernel = m->kernel,
                           .stride = 1,
                           .groups = m->d,
                           .before = m->kernel / 2,
                           .after = m->kernel / 2,
                           .weight = NO_VALUE,
                           .bias = build_find(b, build_text(b, "%s.bias", conv)) != NULL};
    x = build_conv_1d(b, build_transpose(b, x, 3, swapped), &at);
    x = build_activate(b, m->act, build_batch_norm(b, x, build_text(b, "%s.norm", where), m->d, 1e-5));
    return linear(b, build_transpose(b, x, 3, swapped), where, "pointwise_conv2", m->d, m->d);
}

/* Half of what a feed-forward part makes of x, added to it. */
static value_id half_step(build *b, const conformer *m, value_id x, const char *layer, int number)
{
    const char *where = build_text(b, "%s.feed_forward%d", layer, number);
    value_id y = build_layer_norm(b, x, build_text(b, "%s.norm_feed_forward%d", layer, number), m->d, 1e-5);
    y = build_activate(b, m->act, linear(b, y, where, "linear1", m->d, m->inner));
    y = linear(b, y, where, "linear2", m->inner, m->d);
    return build_add(b, x, build_mul(b, y, build_float(b, 0.5)));
}

value_id conformer_layer(build *b, const conformer *m, value_id x, const char *where)
{
    x = half_step(b, m, x, where, 1);
    value_id y = build_layer_norm(b, x, build_text(b, "%s.norm_self_att", where), m->d, 1e-5);
    x = build_add(b, x, attention(b, m, y, build_text(b, "%s.self_attn", where)));
    y = build_layer_norm(b, x, build_text(b, "%s.norm_conv", where), m->d, 1e-5);
    x = build_add(b, x, convolution(b, m, y, build_text(b, "%s.conv", where)));
    x = half_step(b, m, x, where, 2);
    return build_layer_norm(b, x, build_text(b, "%s.norm_out", where), m->d, 1e-5);
}
