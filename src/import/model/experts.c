/* Mixtures of experts (Shazeer et al. 2017) in plain operators: the rows of tokens are sorted by expert and split, so that
   each expert computes those tokens alone that chose it. */
#include "import/model/build.h"

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

value_id build_mixture(build *b, value_id x, const build_experts *m)
{
    const int64_t k = m->chosen;
    if (b->code == SIB_OK && (k < 1 || k > m->n)) {
        build_fail(b, SIB_ERR_FORMAT, "%s: each token chooses %lld of %lld experts", checkpoint_file(b->c, 0),
                   (long long)k, (long long)m->n);
        return NO_VALUE;
    }
    value_id rows = build_reshape(b, x, 2, (const int64_t[]){-1, m->d}), choices, order, back; /* [T, d] */
    value_id logits = build_2(b, "MatMul", rows, build_matrix(b, m->router, m->d, m->n, BUILD_ROWS_OUT, 0));
    value_id shares = top(b, m->normalized ? logits : softmax(b, logits), build_int(b, k), true, &choices);
    if (m->normalized)
        shares = softmax(b, shares); /* the same as those of all, divided by the sum of the chosen */
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
