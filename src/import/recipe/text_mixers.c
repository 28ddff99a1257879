#include "import/recipe/text_mixers.h"

#include "import/model/scan.h"

#include <math.h>

/* ---- Parts --------------------------------------------------------------------------------------------- */

static value_id norm(build *b, value_id x, const char *name, int64_t n, double epsilon)
{
    value_id scale = build_vector(b, build_text(b, "%s.weight", name), n);
    return build_norm(b, "RMSNormalization", x, scale, NO_VALUE, epsilon);
}

value_id text_linear(build *b, value_id x, const char *name, int64_t in, int64_t out)
{
    const bool biased = build_find(b, build_text(b, "%s.bias", name)) != NULL;
    return build_linear(b, x, name, in, out, biased ? BUILD_BIAS : BUILD_NO_BIAS);
}

/* ---- Latent attention ---------------------------------------------------------------------------------- */

#define LATENT_EPSILON 1e-6 /* of norms of low-rank vectors, whatever config.json says of others */

/* Queries [B, N, heads * (plain + rotated)], by a low-rank vector where the model has one. */
static value_id latent_queries(build *b, const text_decoder *m, value_id y, const char *name)
{
    const int64_t out = m->heads * (m->plain + m->size - m->rank);
    const char *low = build_text(b, "%s.q_a_proj", name);
    if (!build_find(b, build_text(b, "%s.weight", low)))
        return text_linear(b, y, build_text(b, "%s.q_proj", name), m->d, out);
    const int64_t rank = build_dim(b, build_text(b, "%s.weight", low), 0);
    y = norm(b, text_linear(b, y, low, m->d, rank), build_text(b, "%s.q_a_layernorm", name), rank,
             LATENT_EPSILON);
    return text_linear(b, y, build_text(b, "%s.q_b_proj", name), rank, out);
}

/* The matrices that make keys and values of the vector: [heads, plain, rank] and [heads, rank, values]. */
static void latent_matrices(build *b, const text_decoder *m, const char *name, value_id parts[2])
{
    const int64_t sizes[] = {m->plain, m->values}, each = m->plain + m->values;
    value_id w = build_matrix(b, build_text(b, "%s.kv_b_proj.weight", name), m->rank, m->heads * each,
                              BUILD_ROWS_OUT, 0);
    build_split_as(b, build_reshape(b, w, 3, (const int64_t[]){m->rank, m->heads, each}), -1, 2, sizes,
                   parts);
    parts[0] = build_transpose(b, parts[0], 3, (const int64_t[]){1, 2, 0});
    parts[1] = build_transpose(b, parts[1], 3, (const int64_t[]){1, 0, 2});
}

/* x [B, N, heads * in] times a matrix of each head, [heads, in, out]: [B, N, heads, out]. */
static value_id by_heads(build *b, value_id x, value_id matrices, int64_t heads, int64_t in)
{
    const int64_t swapped[] = {0, 2, 1, 3};
    x = build_transpose(b, build_reshape(b, x, 4, (const int64_t[]){0, 0, heads, in}), 4, swapped);
    return build_transpose(b, build_2(b, "MatMul", x, matrices), 4, swapped); /* [B, N, heads, out] */
}

value_id text_latent(build *b, const text_decoder *m, value_id y, const text_place *p)
{
    const char *name = build_text(b, "%s.self_attn", p->where);
    const int64_t rotated = m->size - m->rank, sizes[] = {m->plain, rotated}, ends[] = {m->rank, rotated};
    value_id q[2], k[2], matrices[2];
    build_attention *at = p->cache;
    latent_matrices(b, m, name, matrices);
    value_id all = latent_queries(b, m, y, name);
    build_split_as(b, build_reshape(b, all, 4, (const int64_t[]){0, 0, m->heads, m->plain + rotated}), -1, 2,
                   sizes, q);
    q[1] = build_rotate(b, build_reshape(b, q[1], 3, (const int64_t[]){0, 0, m->heads * rotated}), m->heads,
                        rotated, p->rotary);
    q[1] = build_reshape(b, q[1], 4, (const int64_t[]){0, 0, m->heads, rotated});
    q[0] = by_heads(b, q[0], matrices[0], m->heads, m->plain);
    at->q = build_reshape(b, build_concat(b, -1, 2, q), 3, (const int64_t[]){0, 0, m->heads * m->size});
    build_split_as(b, text_linear(b, y, build_text(b, "%s.kv_a_proj_with_mqa", name), m->d, m->size), -1, 2,
                   ends, k);
    at->v = k[0] = norm(b, k[0], build_text(b, "%s.kv_a_layernorm", name), m->rank, LATENT_EPSILON);
    k[1] = build_rotate(b, k[1], 1, rotated, p->rotary);
    at->k = build_concat(b, -1, 2, k);
    y = by_heads(b, build_attend(b, at), matrices[1], m->heads, m->rank);
    y = build_reshape(b, y, 3, (const int64_t[]){0, 0, m->heads * m->values});
    return text_linear(b, y, build_text(b, "%s.o_proj", name), m->heads * m->values, m->d);
}

/* ---- Short convolutions -------------------------------------------------------------------------------- */

value_id text_short_conv(build *b, const text_decoder *m, value_id y, const text_place *p)
{
    const char *name = build_text(b, "%s.conv", p->where);
    value_id parts[3]; /* a gate before, a gate behind, what is convolved */
    build_split(b, text_linear(b, y, build_text(b, "%s.in_proj", name), m->d, 3 * m->d), -1, 3, parts);
    y = build_causal_conv(b, build_mul(b, parts[0], parts[2]), build_text(b, "%s.conv", name), m->d, p->layer,
                          "B");
    return text_linear(b, build_mul(b, parts[1], y), build_text(b, "%s.out_proj", name), m->d, m->d);
}

/* ---- The gated delta rule ------------------------------------------------------------------------------ */

typedef struct delta {
    int64_t keys, values, heads, each, all; /* sizes of heads; heads of keys, of values for each, of values */
} delta;

/* x [B, N, heads of keys * size], made of length `scale` and repeated for the heads of values: [N, B, all, 1, size]. */
static value_id unit_rows(build *b, value_id x, const delta *t, double scale)
{
    x = build_reshape(b, x, 5, (const int64_t[]){0, 0, t->heads, 1, t->keys});
    value_id sum;
    build_attributes a = build_no_attributes();
    build_set_int(&a, "keepdims", 1);
    build_node(b, "ReduceSum", &a, 2, (value_id[]){build_mul(b, x, x), build_int(b, -1)}, 1, &sum);
    x = build_2(b, "Div", x, build_1(b, "Sqrt", build_add(b, sum, build_float(b, 1e-6))));
    if (scale != 1)
        x = build_mul(b, x, build_float(b, scale));
    if (t->each > 1)
        x = build_2(b, "Expand", x, build_ints(b, 5, (const int64_t[]){1, 1, 1, t->each, 1}));
    x = build_reshape(b, x, 5, (const int64_t[]){0, 0, t->all, 1, t->keys});
    return build_transpose(b, x, 5, (const int64_t[]){1, 0, 2, 3, 4});
}

/* x [B, N, all * size] -> [N, B, all, 1, size] */
static value_id rows_of(build *b, value_id x, const delta *t, int64_t size)
{
    x = build_reshape(b, x, 5, (const int64_t[]){0, 0, t->all, 1, size});
    return build_transpose(b, x, 5, (const int64_t[]){1, 0, 2, 3, 4});
}

/* The recurrence over rows q, k, v, decay and rate [N, B, all, 1, ...]: [B, N, all, values]. */
static value_id delta_scan(build *b, const value_id rows[5], const delta *t, int64_t layer)
{
    const long long all = t->all, keys = t->keys, values = t->values;
    const char *key = build_text(b, "B %lld 1 %lld", all, keys),
               *each = build_text(b, "B %lld 1 %lld", all, values), *one = build_text(b, "B %lld 1 1", all);
    build_scan s = {.n_states = 1,
                    .n_rows = 5,
                    .state_dims = build_text(b, "B %lld %lld %lld", all, keys, values),
                    .row_dims = {key, key, each, one, one},
                    .gives_dims = each,
                    .rows = {rows[0], rows[1], rows[2], rows[3], rows[4]}};
    s.states[0] =
        build_input(b, build_text(b, "state.%lld.delta", (long long)layer), SIB_F32, "%s", s.state_dims);
    build_scan_begin(b, &s);
    value_id kept = build_mul(b, s.state[0], s.row[3]), seen = build_2(b, "MatMul", s.row[1], kept),
             change = build_mul(b, build_sub(b, s.row[2], seen), s.row[4]),
             column = build_transpose(b, s.row[1], 4, (const int64_t[]){0, 1, 3, 2});
    s.next_state[0] = build_add(b, kept, build_mul(b, column, change));
    s.gives = build_2(b, "MatMul", s.row[0], s.next_state[0]);
    build_scan_end(b, &s);
    build_output(b, s.out_states[0], build_text(b, "next.%lld.delta", (long long)layer), SIB_F32, "%s",
                 s.state_dims);
    value_id y = build_transpose(b, s.out, 5, (const int64_t[]){1, 0, 2, 3, 4}); /* [B, N, all, 1, values] */
    return build_reshape(b, y, 4, (const int64_t[]){0, 0, t->all, t->values});
}

/* Parts of x [B, N, ...], which stand beside each other for each head of keys: part i of `sizes` a head, [B, N, heads * size]. */
static void grouped(build *b, value_id x, const delta *t, size_t n, const int64_t *sizes, value_id *parts)
{
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += sizes[i];
    build_split_as(b, build_reshape(b, x, 4, (const int64_t[]){0, 0, t->heads, sum}), -1, n, sizes, parts);
    for (size_t i = 0; i < n; i++)
        parts[i] = build_reshape(b, parts[i], 3, (const int64_t[]){0, 0, t->heads * sizes[i]});
}

value_id text_delta_rule(build *b, const text_decoder *m, value_id y, const text_place *p)
{
    const char *name = build_text(b, "%s.linear_attn", p->where);
    const int64_t each = m->delta_heads > 0 ? m->delta_value_heads / m->delta_heads : 0;
    const delta t = {m->delta_keys, m->delta_values, m->delta_heads, each, m->delta_value_heads};
    const int64_t k = t.keys * t.heads, v = t.values * t.all,
                  sizes[] = {t.keys, t.keys, each * t.values, each * t.values}, ones[] = {each, each},
                  widths[] = {k, k, v};
    value_id parts[4], rates[2], qkv[3];
    grouped(b, text_linear(b, y, build_text(b, "%s.in_proj_qkvz", name), m->d, 2 * k + 2 * v), &t, 4, sizes,
            parts);
    grouped(b, text_linear(b, y, build_text(b, "%s.in_proj_ba", name), m->d, 2 * t.all), &t, 2, ones, rates);
    value_id x = build_causal_conv(b, build_concat(b, -1, 3, parts), build_text(b, "%s.conv1d", name),
                                   2 * k + v, p->layer, "B");
    build_split_as(b, build_silu(b, x), -1, 3, widths, qkv);
    value_id bias = build_vector(b, build_text(b, "%s.dt_bias", name), t.all),
             log = build_1(b, "Exp", build_vector(b, build_text(b, "%s.A_log", name), t.all)),
             decay =
                 build_mul(b, build_1(b, "Neg", log), build_1(b, "Softplus", build_add(b, rates[1], bias)));
    const value_id rows[] = {unit_rows(b, qkv[0], &t, 1 / sqrt((double)t.keys)), unit_rows(b, qkv[1], &t, 1),
                             rows_of(b, qkv[2], &t, t.values), rows_of(b, build_1(b, "Exp", decay), &t, 1),
                             rows_of(b, build_1(b, "Sigmoid", rates[0]), &t, 1)};
    y = norm(b, delta_scan(b, rows, &t, p->layer), build_text(b, "%s.norm", name), t.values, m->epsilon);
    y = build_mul(b, build_reshape(b, y, 3, (const int64_t[]){0, 0, v}), build_silu(b, parts[3]));
    return text_linear(b, y, build_text(b, "%s.out_proj", name), v, m->d);
}
