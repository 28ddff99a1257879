/* Removes nodes whose output equals their input. */
#include "run/passes/match.h"
#include "run/passes/passes.h"
#include "tensor/tensor.h"

#include <math.h>
#include <string.h>

/* Whether output 0 is input 0, given that both have one dtype and the same dims. */
typedef bool (*keeps)(const matcher *m, const node *n);

static bool always(const matcher *m, const node *n)
{
    (void)m;
    (void)n;
    return true;
}

/* In inference Dropout returns its input; the mask must not be read. */
static bool dropout(const matcher *m, const node *n)
{
    double training = 0;
    if (!match_one_output(m, n) || n->version < 7)
        return false;
    return n->version < 12 || node_in(n, 2) == NO_VALUE ||
           (match_number(m, node_in(n, 2), &training) && training == 0);
}

/* With steps of 1 and the same dims, nothing is cut off. */
static bool slice(const matcher *m, const node *n)
{
    int64_t steps[SIB_MAX_RANK];
    bool absent;
    int count = match_list(m, n, 4, spec_slice(n).steps, steps, SIB_MAX_RANK, &absent);
    for (int i = 0; i < count; i++)
        if (steps[i] != 1)
            return false;
    return absent || count >= 0;
}

static bool pad(const matcher *m, const node *n)
{
    int64_t pads[2 * SIB_MAX_RANK];
    bool absent;
    int count = match_list(m, n, 1, spec_pad(n).pads, pads, 2 * SIB_MAX_RANK, &absent);
    for (int i = 0; i < count; i++)
        if (pads[i]) /* cropping one side and padding the other keeps the dims too */
            return false;
    return count > 0;
}

static bool transpose(const matcher *m, const node *n)
{
    spec_ints perm = spec_transpose(n).perm;
    for (size_t i = 0; i < perm.n; i++)
        if (perm.v[i] != (int64_t)i)
            return false;
    return perm.n || match_rank(m, node_in(n, 0)) == 1;
}

static bool clip(const matcher *m, const node *n)
{
    (void)m; /* before opset 11 bounds have defaults */
    return n->version >= 11 && node_in(n, 1) == NO_VALUE && node_in(n, 2) == NO_VALUE;
}

static bool one_input(const matcher *m, const node *n)
{
    (void)m;
    return n->inputs.n == 1;
}

static bool one_part(const matcher *m, const node *n)
{
    (void)m;
    return n->outputs.n == 1;
}

static const struct {
    const char *type;
    keeps keeps;
} rows[] = {{"Identity", always},     {"Cast", always},     {"CastLike", always},  {"Reshape", always},
            {"Flatten", always},      {"Squeeze", always},  {"Unsqueeze", always}, {"Expand", always},
            {"Tile", always},         {"Dropout", dropout}, {"Slice", slice},      {"Pad", pad},
            {"Transpose", transpose}, {"Clip", clip},       {"Concat", one_input}, {"Sum", one_input},
            {"Max", one_input},       {"Min", one_input},   {"Mean", one_input},   {"Split", one_part}};

/* ---- Neutral operands ---------------------------------------------------------------------------------- */

/* Whether every element is x. */
static bool is_all(const matcher *m, value_id v, double x)
{
    const sib_tensor *t = match_constant(m, v);
    sib_stats s;
    if (!t || !t->count || t->dtype == SIB_STRING)
        return false;
    double one;
    if (t->count == 1)
        return match_number(m, v, &one) && one == x;
    return t->count <= 65536 && sib_tensor_stats(t, &s, NULL, 0, 0, 0, NULL) == SIB_OK && s.min == x &&
           s.max == x && !s.n_nan;
}

/* The input that an Add, Sub, Mul, Div or Pow returns unchanged, or NO_VALUE. */
static value_id kept_by_number(const matcher *m, const node *n)
{
    static const struct {
        const char *type;
        double number;
        bool either; /* as either operand */
    } neutral[] = {
        {"Add", 0, true}, {"Sub", 0, false}, {"Mul", 1, true}, {"Div", 1, false}, {"Pow", 1, false}};
    for (size_t i = 0; i < sizeof neutral / sizeof *neutral; i++) {
        if (!match_op(n, neutral[i].type) || n->inputs.n != 2)
            continue;
        if (is_all(m, n->inputs.ids[1], neutral[i].number))
            return n->inputs.ids[0];
        if (neutral[i].either && is_all(m, n->inputs.ids[0], neutral[i].number))
            return n->inputs.ids[1];
    }
    return NO_VALUE;
}

/* The value that replaces output 0, NO_VALUE where the node is needed. */
static value_id kept_by(const matcher *m, const node *n)
{
    value_id x = node_in(n, 0), y = node_out(n, 0);
    if (x == NO_VALUE || y == NO_VALUE || n->milli || !n->op)
        return NO_VALUE;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (match_op(n, rows[i].type))
            return match_same_type(m, x, y) && rows[i].keeps(m, n) ? x : NO_VALUE;
    x = kept_by_number(m, n);
    return x != NO_VALUE && match_same_type(m, x, y) ? x : NO_VALUE;
}

sib_code pass_noop(const graph *g, pass_run *r, patch *p, sib_error *err)
{
    matcher m;
    sib_code code = match_begin(&m, g, r, p, err);
    bool *output = m.given; /* captured values may be replaced, outputs keep their names */
    if (code == SIB_OK) {
        memset(output, 0, g->n_values * sizeof *output);
        pass_mark_outputs(g, output);
    }
    for (node_id i = 0; i < g->n_nodes && code == SIB_OK; i++) {
        const node *n = &g->nodes[i];
        value_id x = kept_by(&m, n);
        if (x == NO_VALUE || output[node_out(n, 0)] || !match_one_output(&m, n) || !pass_admit(r))
            continue;
        code = patch_rewire(p, node_out(n, 0), x, err);
        if (code == SIB_OK)
            code = patch_drop(p, i, err);
    }
    match_end(&m);
    return code;
}
