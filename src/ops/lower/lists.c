#include "ops/lower/lists.h"

/* Dims that opset 1 gives in the dtype of the data. */
static void from_floats(lowering *l, mval v, dim_list *list)
{
    const sib_tensor *t = m_content(l, v);
    if (!t)
        return;
    if (sib_tensor_rank(t) > 1 || sib_tensor_count(t) > LIST_MAX) {
        l_fail(l, SIB_ERR_ARGUMENT, "expected a list of at most %d numbers", LIST_MAX);
        return;
    }
    list->n = sib_tensor_count(t);
    for (int64_t i = 0; i < (int64_t)list->n && l_ok(l); i++) {
        double number = 0.5;
        sib_tensor_get(t, &i, &number, NULL);
        if (!(number > -1e9 && number < 1e9) || number != (double)(int64_t)number)
            l_fail(l, SIB_ERR_ARGUMENT, "expected an integer, not %g", number);
        else
            list->items[i] = d_const(l, (int64_t)number);
    }
}

dim_list list_dims(lowering *l, spec_ints attr, size_t i)
{
    dim_list list = {0};
    if (attr.v) {
        list.given = true;
        list.n = attr.n < LIST_MAX ? attr.n : LIST_MAX; /* spec.def limits it */
        for (size_t k = 0; k < list.n && l_ok(l); k++)
            list.items[k] = d_const(l, attr.v[k]);
    } else if (i && l_has(l, i)) {
        mval v = l_in(l, i);
        list.given = true;
        if (l->node->version < 2 && m_is(l, v, SIB_KIND_FLOAT))
            from_floats(l, v, &list);
        else
            list.n = m_elements(l, v, list.items, LIST_MAX);
    }
    return list;
}

int list_length(const lowering *l, mval list)
{
    const dim_shape *s = &m_type(l, list)->shape;
    int64_t n;
    if (!s->ranked || s->rank > 1)
        return -1;
    if (!s->rank)
        return 1;
    return dim_is_const(l->graph->dims, s->dims[0], &n) && n >= 0 && n <= LIST_MAX ? (int)n : -1;
}

int list_axes(lowering *l, const dim_list *list, int rank, int n_default, int *out)
{
    bool seen[SIB_MAX_RANK] = {false};
    int n = list->given ? (int)list->n : n_default;
    if (n > rank) {
        l_fail(l, SIB_ERR_ARGUMENT, "%d axes of a tensor of rank %d", n, rank);
        return 0;
    }
    for (int i = 0; i < n && l_ok(l); i++) {
        out[i] = list->given ? m_axis(l, m_number(l, list->items[i]), rank, "axis") : i;
        if (l_ok(l) && seen[out[i]])
            l_fail(l, SIB_ERR_ARGUMENT, "axis %d is given twice", out[i]);
        if (l_ok(l))
            seen[out[i]] = true;
    }
    return l_ok(l) ? n : 0;
}

void list_numbers(lowering *l, spec_ints attr, const char *name, size_t count, int64_t fallback, int64_t *out)
{
    if (attr.n && attr.n != count)
        l_fail(l, SIB_ERR_ARGUMENT, "attribute %s has %zu numbers, expected %zu", name, attr.n, count);
    for (size_t i = 0; i < count; i++)
        out[i] = attr.n == count ? attr.v[i] : fallback;
}
