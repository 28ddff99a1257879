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
    value_id begin = past == NO_VALUE ? build_int(b, 0) : build_shape(b, past, 2, 1),
             end = scalar(b, build_add(b, begin, n)), one = build_scalar_int(b, 1);
    *queries = build_3(b, "Range", scalar(b, begin), end, one);
    if (keys)
        *keys = build_3(b, "Range", build_scalar_int(b, 0), end, one);
}

/* Angles per position [half] for a text of as many tokens as there are, cached and new. */
static value_id angles_of(build *b, value_id tokens, value_id past, const build_angles *a, size_t half)
{
    if (!a->longer && a->growth == 0)
        return build_floats(b, half, a->inverse);
    value_id n = build_shape(b, tokens, 1, 1); /* [1] */
    if (past != NO_VALUE)
        n = build_add(b, build_shape(b, past, 2, 1), n);
    if (a->longer)
        return build_3(b, "Where", build_2(b, "Greater", n, build_int(b, a->length)),
                       build_floats(b, half, a->longer), build_floats(b, half, a->inverse));
    n = build_cast(b, build_2(b, "Max", n, build_int(b, a->length)), SIB_F32);
    value_id part =
        build_2(b, "Div", build_mul(b, n, build_float(b, a->growth)), build_float(b, (double)a->length));
    part = build_sub(b, part, build_float(b, a->growth - 1));
    part = build_2(b, "Pow", part, build_float(b, (double)half / (double)(half - 1)));
    value_id theta = build_mul(b, part, build_float(b, a->theta));
    return build_1(b, "Reciprocal", build_2(b, "Pow", theta, build_floats(b, half, a->exponents)));
}

build_rotary build_cos_sin(build *b, value_id tokens, value_id past, const build_angles *a, size_t half)
{
    value_id places;
    build_position_ids(b, build_shape(b, tokens, 1, 1), past, &places, NULL);
    places = build_cast(b, places, SIB_F32);
    places = build_reshape(b, places, 3, (const int64_t[]){1, -1, 1});
    value_id angles = build_mul(b, places, angles_of(b, tokens, past, a, half)); /* [1, N, half] */
    value_id dims[] = {build_shape(b, tokens, 0, 2), build_int(b, (int64_t)half)};
    angles = build_2(b, "Expand", angles, build_concat(b, 0, 2, dims)); /* [B, N, half] */
    build_rotary r = {build_1(b, "Cos", angles), build_1(b, "Sin", angles), (int64_t)half, false};
    if (a->scale != 1) {
        value_id scale = build_float(b, a->scale);
        r.cos = build_mul(b, r.cos, scale);
        r.sin = build_mul(b, r.sin, scale);
    }
    return r;
}

/* First and second elements of pairs beside each other: x [B, N, heads, 2 half] -> two of [B, N, heads, half], or back. */
static void pairs_apart(build *b, value_id x, int64_t heads, int64_t half, value_id parts[2])
{
    const int64_t dims[] = {0, 0, heads, half};
    build_split(b, build_reshape(b, x, 5, (const int64_t[]){0, 0, heads, half, 2}), -1, 2, parts);
    for (size_t i = 0; i < 2; i++)
        parts[i] = build_reshape(b, parts[i], 4, dims);
}

static value_id pairs_together(build *b, const value_id parts[2], int64_t heads, int64_t half)
{
    const value_id axis = build_int(b, -1), both[] = {build_2(b, "Unsqueeze", parts[0], axis),
                                                      build_2(b, "Unsqueeze", parts[1], axis)};
    return build_reshape(b, build_concat(b, -1, 2, both), 4, (const int64_t[]){0, 0, heads, 2 * half});
}

/* The same for opsets without the operator. */
static value_id rotate_by_nodes(build *b, value_id x, int64_t heads, int64_t size, const build_rotary *r)
{
    const int64_t sizes[] = {2 * r->half, size - 2 * r->half};
    value_id parts[2] = {NO_VALUE, NO_VALUE}, ends[2] = {NO_VALUE, NO_VALUE}, axis = build_int(b, 2),
             cos = build_2(b, "Unsqueeze", r->cos, axis),
             sin = build_2(b, "Unsqueeze", r->sin, axis); /* [B, N, 1, half] */
    ends[0] = build_reshape(b, x, 4, (const int64_t[]){0, 0, heads, size});
    if (sizes[1])
        build_split_as(b, ends[0], -1, 2, sizes, ends);
    if (r->interleaved)
        pairs_apart(b, ends[0], heads, r->half, parts);
    else
        build_split(b, ends[0], -1, 2, parts);
    const value_id rotated[] = {build_sub(b, build_mul(b, parts[0], cos), build_mul(b, parts[1], sin)),
                                build_add(b, build_mul(b, parts[1], cos), build_mul(b, parts[0], sin))};
    ends[0] = r->interleaved ? pairs_together(b, rotated, heads, r->half) : build_concat(b, -1, 2, rotated);
    if (sizes[1])
        ends[0] = build_concat(b, -1, 2, ends);
    return build_reshape(b, ends[0], 3, (const int64_t[]){0, 0, heads * size});
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
    if (r->interleaved)
        build_set_int(&a, "interleaved", 1);
    build_node(b, "RotaryEmbedding", &a, 3, in, 1, &out);
    return out;
}

value_id build_distances(build *b, value_id tokens, value_id past)
{
    value_id queries, keys;
    build_position_ids(b, build_shape(b, tokens, 1, 1), past, &queries, &keys);
    return build_sub(b, keys, build_reshape(b, queries, 2, (const int64_t[]){-1, 1}));
}

/* In the form that src/batch recognises. */
value_id build_window(build *b, value_id tokens, value_id past, int64_t window)
{
    value_id queries, keys;
    build_position_ids(b, build_shape(b, tokens, 1, 1), past, &queries, &keys);
    value_id distance = build_sub(b, build_reshape(b, queries, 2, (const int64_t[]){-1, 1}), keys);
    return build_2(b, "Less", distance, build_scalar_int(b, window));
}
