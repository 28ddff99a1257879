/* Mixtures of experts (Shazeer et al. 2017) in plain operators: the rows of tokens are sorted by expert and split, so that
   each expert computes those tokens alone that chose it. */
#include "import/model/build.h"

#include <math.h>

static value_id top(build *b, value_id x, value_id k, bool largest, value_id *order)
{
    value_id out[2];
    build_attributes a = build_no_attributes();
    build_set_int(&a, "axis", -1);
    build_set_int(&a, "largest", largest);
    build_node(b, "TopK", &a, 2, (value_id[]){x, k}, 2, out);
    *order = out[1];
    return out[0];
}

static value_id softmax(build *b, value_id x)
{
    value_id out;
    build_attributes a = build_no_attributes();
    build_set_int(&a, "axis", -1);
    build_node(b, "Softmax", &a, 1, &x, 1, &out);
    return out;
}

static value_id summed(build *b, value_id x, int64_t axis)
{
    value_id out;
    build_attributes a = build_no_attributes();
    build_set_int(&a, "keepdims", 0);
    build_node(b, "ReduceSum", &a, 2, (value_id[]){x, build_int(b, axis)}, 1, &out);
    return out;
}

/* How many of the choices [T k] are of each expert: int64 [n]. */
static value_id counted(build *b, value_id choices, int64_t n)
{
    value_id all =
        build_3(b, "Range", build_scalar_int(b, 0), build_scalar_int(b, n), build_scalar_int(b, 1));
    value_id same = build_2(b, "Equal", build_reshape(b, choices, 2, (const int64_t[]){-1, 1}), all);
    return summed(b, build_cast(b, same, SIB_I64), 0);
}

/* The experts' results for rows [T k, d] in the order of experts, of which each has the next `counts`. */
static value_id computed(build *b, const build_experts *m, value_id rows, value_id counts)
{
    value_id *parts = b->code == SIB_OK ? arena_alloc(b->m->arena, (size_t)m->n, sizeof *parts) : NULL;
    build_attributes a = build_no_attributes();
    if (!parts) {
        build_fail(b, SIB_ERR_MEMORY, "no memory for %lld experts", (long long)m->n);
        return NO_VALUE;
    }
    build_set_int(&a, "axis", 0);
    build_node(b, "Split", &a, 2, (value_id[]){rows, counts}, (size_t)m->n, parts);
    for (int64_t i = 0; i < m->n; i++)
        parts[i] = m->expert(b, m->context, i, parts[i]);
    return build_concat(b, 0, (size_t)m->n, parts);
}

/* True for the experts of those groups that a token may choose from, which are beside each other: bool [T, n]. A group
   counts as much as its best one or two experts. ranked: [T, n]. */
static value_id allowed(build *b, value_id ranked, const build_experts *m)
{
    const int64_t groups[] = {-1, m->groups, m->n / m->groups};
    value_id chosen,
        best = top(b, build_reshape(b, ranked, 3, groups), build_int(b, m->biased ? 2 : 1), true, &chosen);
    top(b, summed(b, best, -1), build_int(b, m->chosen_groups), true, &chosen); /* [T, chosen_groups] */
    value_id all =
        build_3(b, "Range", build_scalar_int(b, 0), build_scalar_int(b, m->groups), build_scalar_int(b, 1));
    value_id same = build_2(b, "Equal", build_2(b, "Unsqueeze", chosen, build_int(b, -1)), all),
             seen = summed(b, build_cast(b, same, SIB_I64), 1); /* [T, groups], 0 or 1 */
    seen = build_reshape(b, build_cast(b, seen, SIB_BOOL), 3, (const int64_t[]){-1, m->groups, 1});
    return build_reshape(b, build_2(b, "Expand", seen, build_ints(b, 3, (const int64_t[]){1, 1, groups[2]})),
                         2, (const int64_t[]){-1, m->n});
}

/* The experts that tokens choose, int64 [T, k], and their shares, float32 [T, k], from logits [T, n]. */
static value_id routed(build *b, value_id logits, const build_experts *m, value_id *choices)
{
    const value_id k = build_int(b, m->chosen);
    if (m->normalized && !m->sigmoid && !m->biased &&
        m->groups < 2) /* as if divided by the sum of the chosen */
        return softmax(b, top(b, logits, k, true, choices));
    value_id scores = m->sigmoid ? build_1(b, "Sigmoid", logits) : softmax(b, logits), ranked = scores,
             shares;
    if (m->biased)
        ranked = build_add(b, ranked, build_vector(b, m->biased, m->n));
    if (m->groups > 1)
        ranked = build_3(b, "Where", allowed(b, ranked, m), ranked, build_float(b, -INFINITY));
    top(b, ranked, k, true, choices);
    build_attributes a = build_no_attributes();
    build_set_int(&a, "axis", -1);
    build_node(b, "GatherElements", &a, 2, (value_id[]){scores, *choices}, 1, &shares);
    if (m->normalized) {
        value_id sum = build_2(b, "Unsqueeze", summed(b, shares, -1), build_int(b, -1));
        shares = build_2(b, "Div", shares, build_add(b, sum, build_float(b, m->added)));
    }
    return shares;
}

static void check_choices(build *b, const build_experts *m)
{
    const int64_t groups = m->groups ? m->groups : 1, each = groups > 0 ? m->n / groups : 0,
                  open = groups > 1 ? m->chosen_groups : 1;
    if (b->code != SIB_OK)
        return;
    if (m->chosen < 1 || m->chosen > m->n)
        build_fail(b, SIB_ERR_FORMAT, "%s: each token chooses %lld of %lld experts", checkpoint_file(b->c, 0),
                   (long long)m->chosen, (long long)m->n);
    else if (groups < 1 || m->n % groups || open < 1 || open > groups || m->chosen > open * each ||
             (groups > 1 && m->biased && each < 2))
        build_fail(b, SIB_ERR_FORMAT, "%s: %lld experts of %lld in %lld of %lld groups cannot be chosen",
                   checkpoint_file(b->c, 0), (long long)m->chosen, (long long)m->n,
                   (long long)m->chosen_groups, (long long)m->groups);
}

value_id build_mixture(build *b, value_id x, const build_experts *m)
{
    const int64_t k = m->chosen;
    check_choices(b, m);
    if (b->code != SIB_OK)
        return NO_VALUE;
    value_id rows = build_reshape(b, x, 2, (const int64_t[]){-1, m->d}), choices, order, back; /* [T, d] */
    value_id logits = build_2(b, "MatMul", rows, build_matrix(b, m->router, m->d, m->n, BUILD_ROWS_OUT, 0)),
             shares = routed(b, logits, m, &choices);
    if (m->scale != 1)
        shares = build_mul(b, shares, build_float(b, m->scale));
    choices = build_reshape(b, choices, 1, (const int64_t[]){-1}); /* [T k] */
    value_id count = build_shape(b, choices, 0, 1);
    top(b, choices, count, false, &order);
    top(b, order, count, false, &back);
    value_id sorted = build_gather(b, rows, build_2(b, "Div", order, build_int(b, k)), 0);
    value_id y = build_gather(b, computed(b, m, sorted, counted(b, choices, m->n)), back, 0);
    y = build_reshape(b, y, 3, (const int64_t[]){-1, k, m->d});
    y = build_mul(b, y, build_reshape(b, shares, 3, (const int64_t[]){-1, k, 1}));
    return build_2(b, "Reshape", summed(b, y, 1), build_shape(b, x, 0, 3));
}
