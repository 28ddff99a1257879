/* The selective state space with a number a head for what stays (Mamba 2, Dao and Gu 2024), in chunks of tokens. */
#include "import/model/scan.h"

#define CHUNK 64 /* tokens; products inside a chunk grow with it, the number of steps falls */

/* Dims of what a step of the scan reads, and of the state. Heads stand as [groups, heads of a group]. */
typedef struct chunks {
    value_id length, one_by_length;  /* int64 [1]: tokens of a chunk; [length, 1] */
    value_id count, padding, tokens; /* int64 [1] */
    int64_t groups, each;
} chunks;

static chunks count_chunks(build *b, value_id x, const build_state_space *m)
{
    value_id n = build_shape(b, x, 1, 1), one = build_int(b, 1),
             length = build_2(b, "Min", n, build_int(b, CHUNK)),
             count = build_2(b, "Div", build_sub(b, build_add(b, n, length), one), length);
    return (chunks){.length = length,
                    .one_by_length = build_concat(b, 0, 2, (value_id[]){length, one}),
                    .count = count,
                    .padding = build_sub(b, build_mul(b, count, length), n),
                    .tokens = n,
                    .groups = m->groups,
                    .each = m->heads / m->groups};
}

/* x [B, N, groups * each * size], filled up with zeros, as [chunks, B, groups, each, size, length], or with the last two axes
   swapped. */
static value_id in_chunks(build *b, value_id x, const chunks *c, int64_t each, int64_t size, bool by_token)
{
    const int64_t before[] = {0, 0, 0, 0}, last[] = {c->groups, each, size};
    const int64_t columns[] = {1, 0, 3, 4, 5, 2}, rows[] = {1, 0, 3, 4, 2, 5};
    value_id pads =
                 build_concat(b, 0, 3, (value_id[]){build_ints(b, 4, before), c->padding, build_int(b, 0)}),
             dims = build_concat(b, 0, 4,
                                 (value_id[]){build_int(b, 0), c->count, c->length, build_ints(b, 3, last)});
    x = build_2(b, "Reshape", build_2(b, "Pad", x, pads), dims);
    return build_transpose(b, x, 6, by_token ? rows : columns);
}

/* Sums over the last axis up to each element; exclusive: without it; reverse: from it on. */
static value_id running_sum(build *b, value_id x, bool exclusive, bool reverse)
{
    value_id y;
    build_attributes a = build_no_attributes();
    build_set_int(&a, "exclusive", exclusive);
    build_set_int(&a, "reverse", reverse);
    build_node(b, "CumSum", &a, 2, (value_id[]){x, build_scalar_int(b, -1)}, 1, &y);
    return y;
}

/* The part of x [..., n, n] above its diagonal, and from the diagonal on where k is 0. */
static value_id above(build *b, value_id x, int64_t k)
{
    value_id y;
    build_attributes a = build_no_attributes();
    build_set_int(&a, "upper", 1);
    build_node(b, "Trilu", &a, 2, (value_id[]){x, build_scalar_int(b, k)}, 1, &y);
    return y;
}

static value_id exp_of(build *b, value_id x)
{
    return build_1(b, "Exp", x);
}

/* A chunk: rows u [P, L], log of what stays [1, L], B [L, S], C [S, L]; the state h [P, S]. What token s brought to token t is
   what stays from s to t: the exponential of a sum, which is taken of the terms between them and not as a difference of sums
   from the beginning, whose rounding would grow with these. */
static void chunk(build *b, build_scan *s, const chunks *c)
{
    value_id u = s->row[0], stays = s->row[1], in_row = s->row[2], out_row = s->row[3], h = s->state[0],
             all = build_2(b, "Expand", stays, build_captured(b, c->one_by_length)),
             between = above(b, exp_of(b, running_sum(b, above(b, all, 1), false, false)), 0),
             scores = build_mul(b, build_2(b, "MatMul", in_row, out_row), between),
             before = build_mul(b, build_2(b, "MatMul", h, out_row),
                                exp_of(b, running_sum(b, stays, false, false))),
             left = build_mul(b, u, exp_of(b, running_sum(b, stays, true, true))), sum;
    build_node(b, "ReduceSum", NULL, 2, (value_id[]){stays, build_int(b, -1)}, 1, &sum);
    s->gives = build_add(b, build_2(b, "MatMul", u, scores), before);
    s->next_state[0] = build_add(b, build_mul(b, h, exp_of(b, sum)), build_2(b, "MatMul", left, in_row));
}

value_id build_state_space_scan(build *b, const build_state_space *m)
{
    const chunks c = count_chunks(b, m->x, m);
    const int64_t size = m->size, width = m->width, state[] = {0, c.groups, c.each, size, width};
    const long long g = c.groups, e = c.each, p = size, n = width;
    const char *rows = build_text(b, "B %lld %lld %lld L", g, e, p);
    value_id steps = build_mul(b, m->step, m->rate),
             u = build_mul(b, build_reshape(b, m->x, 4, (const int64_t[]){0, 0, m->heads, size}),
                           build_2(b, "Unsqueeze", m->step, build_int(b, -1)));
    u = build_reshape(b, u, 3, (const int64_t[]){0, 0, m->heads * size});
    build_scan s = {
        .n_states = 1,
        .n_rows = 4,
        .state_dims = build_text(b, "B %lld %lld %lld %lld", g, e, p, n),
        .row_dims = {rows, build_text(b, "B %lld %lld 1 L", g, e), build_text(b, "B %lld 1 L %lld", g, n),
                     build_text(b, "B %lld 1 %lld L", g, n)},
        .gives_dims = rows,
        .rows = {in_chunks(b, u, &c, c.each, size, false), in_chunks(b, steps, &c, c.each, 1, false),
                 in_chunks(b, m->in_row, &c, 1, width, true), in_chunks(b, m->out_row, &c, 1, width, false)}};
    const char *dims = build_text(b, "B %lld %lld %lld", (long long)m->heads, p, n);
    s.states[0] = build_input(b, build_text(b, "state.%lld.ssm", (long long)m->layer), SIB_F32, "%s", dims);
    s.states[0] = build_reshape(b, s.states[0], 5, state);
    build_scan_begin(b, &s);
    chunk(b, &s, &c);
    build_scan_end(b, &s);
    build_output(b, build_reshape(b, s.out_states[0], 4, (const int64_t[]){0, m->heads, size, width}),
                 build_text(b, "next.%lld.ssm", (long long)m->layer), SIB_F32, "%s", dims);
    value_id y = build_transpose(b, s.out, 6, (const int64_t[]){1, 0, 5, 2, 3, 4}); /* [B, chunks, L, ...] */
    y = build_reshape(b, y, 3, (const int64_t[]){0, -1, m->heads * size});
    return build_slice(b, y, build_int(b, 0), c.tokens, 1);
}
