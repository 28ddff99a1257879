/* Positions: rows of a table, rotary embedding, and windows of keys. */
#include "import/model/build.h"

#include <math.h>

value_id build_positions(build *b, const char *name, int64_t first, int64_t n, int64_t d, value_id tokens,
                         value_id past)
{
    const int64_t dims[] = {n, d};
    value_id table = build_weight(b, name, 2, dims);
    value_id begin = build_shape(b, past, 2, 1);
    if (first)
        begin = build_add(b, begin, build_int(b, first));
    value_id end = build_add(b, begin, build_shape(b, tokens, 1, 1));
    return build_slice(b, table, begin, end, 0);
}

/* [1] to [] */
static value_id scalar(build *b, value_id one)
{
    return build_2(b, "Reshape", one, build_ints(b, 0, NULL));
}

void build_position_ids(build *b, value_id n, value_id past, value_id *queries, value_id *keys)
{
    value_id begin = build_shape(b, past, 2, 1), end = scalar(b, build_add(b, begin, n)),
             one = build_scalar_int(b, 1);
    *queries = build_3(b, "Range", scalar(b, begin), end, one);
    if (keys)
        *keys = build_3(b, "Range", build_scalar_int(b, 0), end, one);
}

build_rotary build_cos_sin(build *b, value_id tokens, value_id past, const float *inverse, size_t half)
{
    value_id places;
    build_position_ids(b, build_shape(b, tokens, 1, 1), past, &places, NULL);
    places = build_cast(b, places, SIB_F32);
    places = build_reshape(b, places, 3, (const int64_t[]){1, -1, 1});
    value_id angles = build_mul(b, places, build_floats(b, half, inverse)); /* [1, N, half] */
    value_id dims[] = {build_shape(b, tokens, 0, 2), build_int(b, (int64_t)half)};
    angles = build_2(b, "Expand", angles, build_concat(b, 0, 2, dims)); /* [B, N, half] */
    return (build_rotary){build_1(b, "Cos", angles), build_1(b, "Sin", angles), (int64_t)half};
}

/* The same for opsets without the operator. */
static value_id rotate_by_nodes(build *b, value_id x, int64_t heads, int64_t size, const build_rotary *r)
{
    const int64_t sizes[] = {r->half, r->half, size - 2 * r->half};
    const size_t n = sizes[2] ? 3 : 2;
    value_id parts[3] = {NO_VALUE, NO_VALUE, NO_VALUE}, axis = build_int(b, 2),
             cos = build_2(b, "Unsqueeze", r->cos, axis),
             sin = build_2(b, "Unsqueeze", r->sin, axis); /* [B, N, 1, half] */
    x = build_reshape(b, x, 4, (const int64_t[]){0, 0, heads, size});
    build_split_as(b, x, -1, n, sizes, parts);
    value_id rotated[] = {build_sub(b, build_mul(b, parts[0], cos), build_mul(b, parts[1], sin)),
                          build_add(b, build_mul(b, parts[1], cos), build_mul(b, parts[0], sin)), parts[2]};
    return build_reshape(b, build_concat(b, -1, n, rotated), 3, (const int64_t[]){0, 0, heads * size});
}

value_id build_rotate(build *b, value_id x, int64_t heads, int64_t size, const build_rotary *r)
{
    if (b->opset < 23)
        return rotate_by_nodes(b, x, heads, size, r);
    value_id in[] = {x, r->cos, r->sin}, out;
    build_attributes a = build_no_attributes();
    build_set_int(&a, "num_heads", heads);
    if (2 * r->half < size)
        build_set_int(&a, "rotary_embedding_dim", 2 * r->half);
    build_node(b, "RotaryEmbedding", &a, 3, in, 1, &out);
    return out;
}

value_id build_window(build *b, value_id tokens, value_id past, int64_t window)
{
    value_id queries, keys;
    build_position_ids(b, build_shape(b, tokens, 1, 1), past, &queries, &keys);
    value_id distance =
        build_sub(b, build_reshape(b, queries, 2, (const int64_t[]){-1, 1}), keys); /* [N, P+N] */
    return build_2(b, "Less", distance, build_scalar_int(b, window));
}

/* Llama 3: low frequencies are divided by `factor`, high ones kept, those between interpolated. */
static void scale_llama3(build *b, const char *at, float *inverse, size_t half)
{
    double factor = checkpoint_float(b->c, build_text(b, "%s.factor", at), 8),
           low = checkpoint_float(b->c, build_text(b, "%s.low_freq_factor", at), 1),
           high = checkpoint_float(b->c, build_text(b, "%s.high_freq_factor", at), 4),
           old = checkpoint_float(b->c, build_text(b, "%s.original_max_position_embeddings", at), 8192);
    for (size_t i = 0; i < half; i++) {
        double wave = 2 * M_PI / inverse[i], part = (old / wave - low) / (high - low);
        if (wave > old / low)
            inverse[i] = (float)(inverse[i] / factor);
        else if (wave >= old / high)
            inverse[i] = (float)((1 - part) * inverse[i] / factor + part * inverse[i]);
    }
}

void build_rope_scaling(build *b, const char *at, float *inverse, size_t half)
{
    sib_str kind = build_fact_text(b, build_text(b, "%s.rope_type", at), "");
    if (!kind.length)
        kind = build_fact_text(b, build_text(b, "%s.type", at), "default");
    if (str_is(kind, "llama3"))
        scale_llama3(b, at, inverse, half);
    else if (str_is(kind, "linear"))
        for (size_t i = 0; i < half; i++)
            inverse[i] = (float)(inverse[i] / checkpoint_float(b->c, build_text(b, "%s.factor", at), 1));
    else if (!str_is(kind, "default") && !str_is(kind, "none"))
        build_fail(b, SIB_ERR_UNSUPPORTED, "%s: %s of type '%.*s' is not supported by the recipe",
                   checkpoint_file(b->c, 0), at, (int)kind.length, kind.data);
}
