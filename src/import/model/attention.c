/* Attention: the operator, or the same in smaller operators. */
#include "import/model/build.h"

#include <math.h>

/* ---- Before opset 23 ----------------------------------------------------------------------------------- */

/* x [B, N, heads * size] -> [B, heads, N, size]; unchanged where heads is 0. */
static value_id to_heads(build *b, value_id x, int64_t heads, int64_t size)
{
    if (!heads)
        return x;
    x = build_reshape(b, x, 4, (const int64_t[]){0, 0, heads, size});
    return build_transpose(b, x, 4, (const int64_t[]){0, 2, 1, 3});
}

static int64_t value_size(const build_attention *at, int64_t size)
{
    return at->value_size ? at->value_size : size;
}

/* [B, kv_heads, T, size] -> [B, heads, T, size]: each repeated for the queries that share it. */
static value_id repeated(build *b, value_id x, const build_attention *at, int64_t size)
{
    if (at->heads == at->kv_heads)
        return x;
    const int64_t times[] = {1, 1, at->heads / at->kv_heads, 1, 1};
    x = build_2(b, "Unsqueeze", x, build_int(b, 2));
    x = build_2(b, "Expand", x, build_ints(b, 5, times));
    return build_reshape(b, x, 4, (const int64_t[]){0, at->heads, -1, size});
}

/* What is added to scores: 0, or -inf for keys after their query or out of the mask. Made once, since all layers have the
   same tokens. */
static value_id hidden(build *b, const build_attention *at)
{
    const value_id mask = at->mask_added ? NO_VALUE : at->mask;
    value_id queries, keys, seen = mask;
    if (b->seen != NO_VALUE && b->seen_mask == mask)
        return b->seen;
    if (at->causal) {
        build_position_ids(b, build_shape(b, at->q, 1, 1), at->past_k, &queries, &keys);
        seen = build_2(b, "LessOrEqual", keys, build_reshape(b, queries, 2, (const int64_t[]){-1, 1}));
        if (mask != NO_VALUE)
            seen = build_2(b, "And", seen, mask);
    }
    b->seen_mask = mask;
    return b->seen = build_3(b, "Where", seen, build_float(b, 0), build_float(b, -INFINITY));
}

static value_id attend_apart(build *b, build_attention *at)
{
    value_id q = to_heads(b, at->q, at->heads, at->size), k = to_heads(b, at->k, at->kv_heads, at->size),
             v = to_heads(b, at->v, at->kv_heads, value_size(at, at->size));
    if (at->past_k != NO_VALUE) {
        k = at->present_k = build_concat(b, 2, 2, (value_id[]){at->past_k, k});
        v = at->present_v = build_concat(b, 2, 2, (value_id[]){at->past_v, v});
    }
    k = build_transpose(b, repeated(b, k, at, at->size), 4, (const int64_t[]){0, 1, 3, 2});
    const double scale = at->scale != 0 ? at->scale : 1 / sqrt((double)at->size);
    value_id scores =
                 build_capped(b, build_mul(b, build_2(b, "MatMul", q, k), build_float(b, scale)), at->cap),
             y;
    if (at->causal || (at->mask != NO_VALUE && !at->mask_added))
        scores = build_add(b, scores, hidden(b, at));
    if (at->mask_added)
        scores = build_add(b, scores, at->mask);
    build_attributes a = build_no_attributes();
    build_set_int(&a, "axis", -1);
    build_node(b, "Softmax", &a, 1, &scores, 1, &y);
    y = build_2(b, "MatMul", y, repeated(b, v, at, value_size(at, at->size)));
    if (!at->heads)
        return y;
    y = build_transpose(b, y, 4, (const int64_t[]){0, 2, 1, 3});
    return build_reshape(b, y, 3, (const int64_t[]){0, 0, at->heads * value_size(at, at->size)});
}

/* ---- The operator -------------------------------------------------------------------------------------- */

value_id build_attend(build *b, build_attention *at)
{
    bool cached = at->past_k != NO_VALUE;
    value_id in[] = {at->q, at->k, at->v, at->mask, at->past_k, at->past_v},
             out[3] = {NO_VALUE, NO_VALUE, NO_VALUE};
    build_attributes a = build_no_attributes();
    if (b->opset < 23)
        return attend_apart(b, at);
    if (at->heads) {
        build_set_int(&a, "q_num_heads", at->heads);
        build_set_int(&a, "kv_num_heads", at->kv_heads);
    }
    if (at->causal)
        build_set_int(&a, "is_causal", 1);
    if (at->scale != 0)
        build_set_float(&a, "scale", at->scale);
    if (at->cap != 0)
        build_set_float(&a, "softcap", at->cap);
    build_node(b, "Attention", &a, cached ? 6 : at->mask != NO_VALUE ? 4 : 3, in, cached ? 3 : 1, out);
    at->present_k = out[1];
    at->present_v = out[2];
    return out[0];
}

void build_cache(build *b, int64_t layer, int64_t kv_heads, int64_t size, build_attention *a)
{
    a->past_k = build_input(b, build_text(b, "past_k.%lld", (long long)layer), SIB_F32, "B %lld P %lld",
                            (long long)kv_heads, (long long)size);
    a->past_v = build_input(b, build_text(b, "past_v.%lld", (long long)layer), SIB_F32, "B %lld P %lld",
                            (long long)kv_heads, (long long)value_size(a, size));
}

void build_cached(build *b, int64_t layer, int64_t kv_heads, int64_t size, const build_attention *a)
{
    build_output(b, a->present_k, build_text(b, "present_k.%lld", (long long)layer), SIB_F32,
                 "B %lld P+N %lld", (long long)kv_heads, (long long)size);
    build_output(b, a->present_v, build_text(b, "present_v.%lld", (long long)layer), SIB_F32,
                 "B %lld P+N %lld", (long long)kv_heads, (long long)value_size(a, size));
}
