/* Mamba's mixer (Gu and Dao 2023) in decoders of text, as Jamba has it (Lieber et al. 2024). */
#include "import/model/scan.h"
#include "import/recipe/text_mixers.h"

/* x [B, N, n] over the root of its mean square, times a weight. */
static value_id norm(build *b, const text_decoder *m, value_id x, const char *name, int64_t n)
{
    return build_norm(b, "RMSNormalization", x, build_vector(b, build_text(b, "%s.weight", name), n),
                      NO_VALUE, m->epsilon);
}

/* x [B, N, ...] as rows of tokens, [N, B, ...]. */
static value_id by_tokens(build *b, value_id x)
{
    return build_transpose(b, x, 3, (const int64_t[]){1, 0, 2});
}

/* The recurrence. step, u: [B, N, inner]; in_row, out_row: [B, N, width]. Returns [B, N, inner]. */
static value_id scan(build *b, const char *name, const value_id rows[4], int64_t inner, int64_t width,
                     int64_t layer)
{
    const int64_t state[] = {inner, width};
    const char *each = build_text(b, "B %lld", (long long)inner),
               *one = build_text(b, "B %lld", (long long)width);
    value_id log = build_weight(b, build_text(b, "%s.A_log", name), 2, state),
             rate = build_1(b, "Neg", build_1(b, "Exp", log)), last = build_int(b, -1),
             before = build_int(b, 1);
    build_scan s = {.n_states = 1,
                    .n_rows = 4,
                    .state_dims = build_text(b, "B %lld %lld", (long long)inner, (long long)width),
                    .row_dims = {each, each, one, one},
                    .gives_dims = each,
                    .rows = {by_tokens(b, rows[0]), by_tokens(b, build_mul(b, rows[0], rows[1])),
                             by_tokens(b, rows[2]), by_tokens(b, rows[3])}};
    s.states[0] =
        build_input(b, build_text(b, "state.%lld.ssm", (long long)layer), SIB_F32, "%s", s.state_dims);
    build_scan_begin(b, &s);
    value_id end = build_captured(b, last), middle = build_captured(b, before),
             kept = build_1(b, "Exp",
                            build_mul(b, build_2(b, "Unsqueeze", s.row[0], end), build_captured(b, rate))),
             added = build_mul(b, build_2(b, "Unsqueeze", s.row[1], end),
                               build_2(b, "Unsqueeze", s.row[2], middle));
    s.next_state[0] = build_add(b, build_mul(b, kept, s.state[0]), added);
    value_id out = build_2(b, "MatMul", s.next_state[0], build_2(b, "Unsqueeze", s.row[3], end));
    s.gives = build_2(b, "Squeeze", out, end);
    build_scan_end(b, &s);
    build_output(b, s.out_states[0], build_text(b, "next.%lld.ssm", (long long)layer), SIB_F32, "%s",
                 s.state_dims);
    return by_tokens(b, s.out);
}

value_id text_mamba(build *b, const text_decoder *m, value_id y, const text_place *p)
{
    static const char *const norms[] = {"dt_layernorm", "b_layernorm", "c_layernorm"};
    const char *name = build_text(b, "%s.mamba", p->where), *log = build_text(b, "%s.A_log", name);
    const int64_t inner = build_dim(b, log, 0), width = build_dim(b, log, 1),
                  rank = build_dim(b, build_text(b, "%s.dt_proj.weight", name), 1),
                  sizes[] = {rank, width, width};
    value_id both[2], given[3]; /* what goes in and its gate; what gives steps and rows */
    if (b->code == SIB_OK && (inner < 1 || width < 1 || rank < 1))
        build_fail(b, SIB_ERR_FORMAT, "%s: %s has no states", checkpoint_file(b->c, 0), name);
    if (b->code != SIB_OK)
        return NO_VALUE;
    build_split(b, text_linear(b, y, build_text(b, "%s.in_proj", name), m->d, 2 * inner), -1, 2, both);
    value_id u =
        build_silu(b, build_causal_conv(b, both[0], build_text(b, "%s.conv1d", name), inner, p->layer, "B"));
    build_split_as(b, text_linear(b, u, build_text(b, "%s.x_proj", name), inner, rank + 2 * width), -1, 3,
                   sizes, given);
    for (size_t i = 0; i < 3; i++)
        given[i] = norm(b, m, given[i], build_text(b, "%s.%s", name, norms[i]), sizes[i]);
    value_id step =
        build_1(b, "Softplus", text_linear(b, given[0], build_text(b, "%s.dt_proj", name), rank, inner));
    y = scan(b, name, (const value_id[]){step, u, given[1], given[2]}, inner, width, p->layer);
    y = build_add(b, y, build_mul(b, u, build_vector(b, build_text(b, "%s.D", name), inner)));
    y = build_mul(b, y, build_silu(b, both[1]));
    return text_linear(b, y, build_text(b, "%s.out_proj", name), inner, m->d);
}
