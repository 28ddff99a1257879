/* Mamba 2's mixer (Dao and Gu 2024), in models of it alone and beside attention. */
#include "import/model/scan.h"
#include "import/recipe/text_mixers.h"

#include <float.h>

void text_states_read(build *b, text_states *s, const char *first, int64_t groups)
{
    const weight *log = build_find(b, build_text(b, "%s.A_log", first));
    s->heads = log && log->rank ? log->dims[0] : 0;
    s->groups = groups;
    const int64_t inner = build_dim(b, build_text(b, "%s.out_proj.weight", first), 1),
                  convolved = build_dim(b, build_text(b, "%s.conv1d.weight", first), 0);
    const fact *limits = checkpoint_fact(b->c, "time_step_limit");
    s->in_scale = s->out_scale = 1;
    s->min_step = 0;
    s->max_step = DBL_MAX;
    if (limits && limits->list && limits->n == 2 &&
        (limits->kind == FACT_FLOAT || limits->kind == FACT_INT)) {
        const bool integers = limits->kind == FACT_INT;
        s->min_step = integers ? (double)limits->ints[0] : limits->floats[0];
        s->max_step = integers ? (double)limits->ints[1] : limits->floats[1];
    }
    if (b->code == SIB_OK &&
        (s->heads < 1 || groups < 1 || s->heads % groups || inner < 1 || inner % s->heads || inner % groups ||
         convolved <= inner || (convolved - inner) % (2 * groups) ||
         !(s->min_step >= 0 && s->min_step <= s->max_step)))
        build_fail(b, SIB_ERR_FORMAT,
                   "%s: %lld numbers, %lld convolved, cannot be the states of %lld heads in %lld groups, or "
                   "time_step_limit is none",
                   checkpoint_file(b->c, 0), (long long)inner, (long long)convolved, (long long)s->heads,
                   (long long)groups);
    if (b->code != SIB_OK || s->heads < 1 || groups < 1)
        return;
    s->size = inner / s->heads;
    s->width = (convolved - inner) / (2 * groups);
}

/* x [B, N, inner], each group of it over the root of its mean square. */
static value_id norm_of_groups(build *b, const text_decoder *m, value_id x, const char *name)
{
    const int64_t groups = m->states.groups, size = m->states.heads * m->states.size / groups;
    value_id ones = build_2(b, "Expand", build_float(b, 1), build_int(b, size));
    x = build_norm(b, "RMSNormalization", build_reshape(b, x, 4, (const int64_t[]){0, 0, groups, size}), ones,
                   NO_VALUE, m->epsilon);
    x = build_reshape(b, x, 3, (const int64_t[]){0, 0, groups * size});
    return build_mul(b, x, build_vector(b, name, groups * size));
}

/* The time that a token takes for each head, [B, N, heads]. */
static value_id step_of(build *b, const text_states *s, value_id x, const char *name)
{
    x = build_1(b, "Softplus", build_add(b, x, build_vector(b, build_text(b, "%s.dt_bias", name), s->heads)));
    if (s->min_step > 0 || s->max_step < FLT_MAX)
        x = build_3(b, "Clip", x, build_float(b, s->min_step), build_float(b, s->max_step));
    return x;
}

/* The scales of all that in_proj makes, [2 inner + 2 rows + heads]. */
static value_id scales_of(build *b, const text_states *s)
{
    const int64_t inner = s->heads * s->size, rows = s->groups * s->width,
                  sizes[] = {inner, inner, rows, rows, s->heads};
    value_id parts[5];
    for (size_t i = 0; i < 5; i++)
        parts[i] = build_2(b, "Expand", build_float(b, s->scales[i]), build_int(b, sizes[i]));
    return build_concat(b, 0, 5, parts);
}

value_id text_state_space(build *b, const text_decoder *m, value_id y, const text_place *p)
{
    const text_states *s = &m->states;
    const char *name = build_text(b, "%s.mamba", p->where);
    const int64_t inner = s->heads * s->size, rows = s->groups * s->width,
                  sizes[] = {inner, inner + 2 * rows, s->heads}, widths[] = {inner, rows, rows};
    value_id parts[3], given[3]; /* a gate, what is convolved, steps; what goes in, and its rows in and out */
    if (s->in_scale != 1)
        y = build_mul(b, y, build_float(b, s->in_scale));
    y = text_linear(b, y, build_text(b, "%s.in_proj", name), m->d, sizes[0] + sizes[1] + sizes[2]);
    if (s->scales)
        y = build_mul(b, y, scales_of(b, s));
    build_split_as(b, y, -1, 3, sizes, parts);
    y = build_causal_conv(b, parts[1], build_text(b, "%s.conv1d", name), sizes[1], p->layer, "B");
    build_split_as(b, build_silu(b, y), -1, 3, widths, given);
    value_id log = build_vector(b, build_text(b, "%s.A_log", name), s->heads),
             skip = build_heads(b, build_text(b, "%s.D", name), s->heads, 1, 0);
    y = build_state_space_scan(b, &(build_state_space){.heads = s->heads,
                                                       .size = s->size,
                                                       .groups = s->groups,
                                                       .width = s->width,
                                                       .layer = p->layer,
                                                       .x = given[0],
                                                       .step = step_of(b, s, parts[2], name),
                                                       .rate = build_1(b, "Neg", build_1(b, "Exp", log)),
                                                       .in_row = given[1],
                                                       .out_row = given[2]});
    value_id past =
        build_mul(b, build_reshape(b, given[0], 4, (const int64_t[]){0, 0, s->heads, s->size}), skip);
    y = build_add(b, y, build_reshape(b, past, 3, (const int64_t[]){0, 0, inner}));
    const char *norm = build_text(b, "%s.norm.weight", name);
    if (s->norm == TEXT_STATES_BEFORE_GATE)
        y = norm_of_groups(b, m, y, norm);
    y = build_mul(b, y, build_silu(b, parts[0]));
    if (s->norm == TEXT_STATES_GATED)
        y = norm_of_groups(b, m, y, norm);
    y = text_linear(b, y, build_text(b, "%s.out_proj", name), inner, m->d);
    return s->out_scale == 1 ? y : build_mul(b, y, build_float(b, s->out_scale));
}
