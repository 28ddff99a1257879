/* Layout milli-ops: reshape, slices, gathers, windows. */
#include "milli/build_internal.h"

#include <string.h>

static bool stopped(const lowering *l, mval v)
{
    return !l_ok(l) || v.id == NO_VALUE;
}

/* The value of a dim; 0 for a symbolic one in symbolic mode, where milli-ops are discarded. */
static int64_t number_or_zero(lowering *l, dim d)
{
    int64_t n = 0;
    if (!dim_is_const(l->graph->dims, d, &n) && !l->symbolic)
        m_number(l, d);
    return n;
}

/* ---- Same elements, other dims ------------------------------------------------------------------------ */

mval m_reshape(lowering *l, mval a, size_t rank, const dim *dims)
{
    dim old[SIB_MAX_RANK];
    int64_t before, after;
    int old_rank = m_dims(l, a, old);
    if (stopped(l, a))
        return MVAL_NONE;
    dim count = d_product(l, rank, dims), had = d_product(l, (size_t)old_rank, old);
    if (!l_ok(l))
        return MVAL_NONE;
    if (dim_is_const(l->graph->dims, had, &before) && dim_is_const(l->graph->dims, count, &after) &&
        before != after) {
        char text[160];
        return l_fail(l, SIB_ERR_ARGUMENT, "%s of %lld elements cannot be reshaped to %lld",
                      dim_shape_text(l->graph->dims, &m_type(l, a)->shape, text, sizeof text),
                      (long long)before, (long long)after);
    }
    value_type type = m_tensor_type(l, m_dtype(l, a), rank, dims);
    return build_one(l, MILLI_reshape, 1, &a, 0, NULL, &type);
}

mval m_reshape_numbers(lowering *l, mval a, size_t rank, const int64_t *dims)
{
    dim d[SIB_MAX_RANK];
    if (rank > SIB_MAX_RANK)
        return l_fail(l, SIB_ERR_SIZE, "rank %zu is above %d", rank, SIB_MAX_RANK);
    for (size_t i = 0; i < rank; i++)
        d[i] = d_const(l, dims[i]);
    return m_reshape(l, a, rank, d);
}

mval m_flatten(lowering *l, mval a, int begin, int end)
{
    dim dims[SIB_MAX_RANK], out[SIB_MAX_RANK + 1];
    int rank = m_dims(l, a, dims), n = 0;
    if (stopped(l, a))
        return MVAL_NONE;
    if (begin < 0 || end > rank || begin > end)
        return l_fail(l, SIB_ERR_ARGUMENT, "axes %d to %d of a tensor of rank %d", begin, end, rank);
    for (int i = 0; i < begin; i++)
        out[n++] = dims[i];
    out[n++] = d_product(l, (size_t)(end - begin), dims + begin);
    for (int i = end; i < rank; i++)
        out[n++] = dims[i];
    return m_reshape(l, a, (size_t)n, out);
}

mval m_unsqueeze(lowering *l, mval a, int axis)
{
    dim dims[SIB_MAX_RANK + 1];
    int rank = m_dims(l, a, dims), at = m_axis(l, axis, rank + 1, "axis");
    if (stopped(l, a))
        return MVAL_NONE;
    memmove(dims + at + 1, dims + at, sizeof *dims * (size_t)(rank - at));
    dims[at] = d_const(l, 1);
    return m_reshape(l, a, (size_t)rank + 1, dims);
}

mval m_squeeze(lowering *l, mval a, int axis)
{
    dim dims[SIB_MAX_RANK];
    int64_t size = 1;
    int rank = m_dims(l, a, dims), at = m_axis(l, axis, rank, "axis");
    if (stopped(l, a))
        return MVAL_NONE;
    if (dim_is_const(l->graph->dims, dims[at], &size) && size != 1)
        return l_fail(l, SIB_ERR_ARGUMENT, "axis %d of size %lld cannot be squeezed, expected size 1", at,
                      (long long)size);
    memmove(dims + at, dims + at + 1, sizeof *dims * (size_t)(rank - at - 1));
    /* A symbolic dim is assumed to be 1, since the model cannot run otherwise; counts can then not be
       compared. */
    value_type type = m_tensor_type(l, m_dtype(l, a), (size_t)rank - 1, dims);
    return build_one(l, MILLI_reshape, 1, &a, 0, NULL, &type);
}

/* True where axes of size > 1 keep their order, hence elements keep theirs. */
static bool stay_in_line(const lowering *l, int rank, const dim *dims, const int64_t *perm)
{
    int64_t size, last = -1;
    for (int i = 0; i < rank; i++) {
        if (dim_is_const(l->graph->dims, dims[perm[i]], &size) && size == 1)
            continue;
        if (perm[i] < last)
            return false;
        last = perm[i];
    }
    return true;
}

mval m_transpose(lowering *l, mval a, const int64_t *perm)
{
    dim dims[SIB_MAX_RANK], out[SIB_MAX_RANK];
    bool seen[SIB_MAX_RANK] = {false};
    int rank = m_dims(l, a, dims);
    bool moves = false;
    for (int i = 0; i < rank; i++) {
        if (perm[i] < 0 || perm[i] >= rank || seen[perm[i]])
            return l_fail(l, SIB_ERR_ARGUMENT, "perm holds %lld at %d, expected a permutation of %d axes",
                          (long long)perm[i], i, rank);
        seen[perm[i]] = true;
        moves |= perm[i] != i;
        out[i] = dims[perm[i]];
    }
    if (stopped(l, a) || !moves)
        return l_ok(l) ? a : MVAL_NONE;
    if (stay_in_line(l, rank, dims, perm))
        return m_reshape(l, a, (size_t)rank, out);
    attribute attributes[] = {attribute_ints("perm", (size_t)rank, perm)};
    value_type type = m_tensor_type(l, m_dtype(l, a), (size_t)rank, out);
    return build_one(l, MILLI_transpose, 1, &a, 1, attributes, &type);
}

mval m_swap(lowering *l, mval a, int axis, int other)
{
    int64_t perm[SIB_MAX_RANK];
    int rank = m_rank(l, a), x = m_axis(l, axis, rank, "axis"), y = m_axis(l, other, rank, "axis");
    if (stopped(l, a))
        return MVAL_NONE;
    for (int i = 0; i < rank; i++)
        perm[i] = i == x ? y : i == y ? x : i;
    return m_transpose(l, a, perm);
}

mval m_move(lowering *l, mval a, int from, int to)
{
    int64_t perm[SIB_MAX_RANK] = {0};
    int rank = m_rank(l, a), x = m_axis(l, from, rank, "axis"), y = m_axis(l, to, rank, "axis"), n = 0;
    if (stopped(l, a))
        return MVAL_NONE;
    for (int i = 0; i < rank; i++) {
        n += n == x; /* the next axis in order */
        perm[i] = i == y ? x : n++;
    }
    return m_transpose(l, a, perm);
}

mval m_expand(lowering *l, mval a, size_t rank, const dim *dims)
{
    dim old[SIB_MAX_RANK];
    int old_rank = m_dims(l, a, old);
    if (stopped(l, a))
        return MVAL_NONE;
    if ((size_t)old_rank > rank || rank > SIB_MAX_RANK)
        return l_fail(l, SIB_ERR_ARGUMENT, "rank %d cannot be expanded to rank %zu", old_rank, rank);
    bool grows = (size_t)old_rank < rank;
    for (int i = 0; i < old_rank; i++) {
        int64_t from = 1, to = 1;
        dim want = dims[rank - (size_t)old_rank + (size_t)i];
        if (dim_same(old[i], want))
            continue;
        grows = true;
        if (dim_is_const(l->graph->dims, old[i], &from) && dim_is_const(l->graph->dims, want, &to) &&
            from != 1)
            return l_fail(l, SIB_ERR_ARGUMENT, "a dim of %lld cannot be expanded to %lld", (long long)from,
                          (long long)to);
    }
    if (!grows)
        return a;
    value_type type = m_tensor_type(l, m_dtype(l, a), rank, dims);
    return build_one(l, MILLI_expand, 1, &a, 0, NULL, &type);
}

mval m_broadcast_like(lowering *l, mval a, mval like)
{
    dim dims[SIB_MAX_RANK];
    int rank = m_dims(l, like, dims);
    return stopped(l, a) ? MVAL_NONE : m_expand(l, a, (size_t)rank, dims);
}

mval m_tile(lowering *l, mval a, size_t n, const dim *repeats)
{
    /* [d, ...] → [1, d, ...] → [r, d, ...] → [r * d, ...], all axes at once where ranks allow */
    dim dims[SIB_MAX_RANK];
    int rank = m_dims(l, a, dims);
    if (!stopped(l, a) && n != (size_t)rank)
        return l_fail(l, SIB_ERR_ARGUMENT, "%zu repeats for a tensor of rank %d", n, rank);
    for (int i = 0; i < rank && !stopped(l, a); i++) {
        dim wide[SIB_MAX_RANK + 1], out[SIB_MAX_RANK];
        int64_t r = 0;
        if (dim_is_const(l->graph->dims, repeats[i], &r) && r == 1)
            continue;
        m_dims(l, a, out);
        memcpy(wide, out, sizeof *out * (size_t)i);
        wide[i] = repeats[i];
        memcpy(wide + i + 1, out + i, sizeof *out * (size_t)(rank - i));
        mval apart = m_unsqueeze(l, a, i);
        a = m_expand(l, apart, (size_t)rank + 1, wide);
        out[i] = d_mul(l, out[i], repeats[i]);
        a = m_reshape(l, a, (size_t)rank, out);
    }
    return a;
}

/* ---- Slice, concat, pad, tile -------------------------------------------------------------------------- */

mval m_slice(lowering *l, mval a, int axis, dim start, dim count, int64_t step)
{
    int64_t starts[SIB_MAX_RANK] = {0}, steps[SIB_MAX_RANK], first = 0, n = 0, size = 0;
    int rank = m_rank(l, a), at = m_axis(l, axis, rank, "axis");
    if (stopped(l, a) || dim_same(start, DIM_NONE) || dim_same(count, DIM_NONE))
        return MVAL_NONE;
    value_type type = *m_type(l, a);
    bool numbers = dim_is_const(l->graph->dims, start, &first) & dim_is_const(l->graph->dims, count, &n) &
                   dim_is_const(l->graph->dims, type.shape.dims[at], &size);
    int64_t last = first + (n ? n - 1 : 0) * step;
    if (numbers && (n < 0 || (n && (first < 0 || first >= size || last < 0 || last >= size))))
        return l_fail(l, SIB_ERR_ARGUMENT,
                      "a slice of %lld elements from %lld by %lld is out of range on axis %d of size %lld",
                      (long long)n, (long long)first, (long long)step, at, (long long)size);
    if (step == 1 && dim_same(count, type.shape.dims[at]) && numbers && first == 0)
        return a;
    for (int i = 0; i < rank; i++)
        steps[i] = 1;
    starts[at] = number_or_zero(l, start);
    steps[at] = step;
    type.shape.dims[at] = count;
    attribute attributes[] = {attribute_ints("start", (size_t)rank, starts),
                              attribute_ints("step", (size_t)rank, steps)};
    return build_one(l, MILLI_slice, 1, &a, 2, attributes, &type);
}

mval m_slice_numbers(lowering *l, mval a, int axis, int64_t start, int64_t count)
{
    return m_slice(l, a, axis, d_const(l, start), d_const(l, count), 1);
}

mval m_reverse(lowering *l, mval a, int axis)
{
    dim n = m_dim(l, a, axis);
    int64_t size;
    if (!stopped(l, a) && dim_is_const(l->graph->dims, n, &size) && size == 0)
        return a;
    return m_slice(l, a, axis, d_sub(l, n, d_const(l, 1)), n, -1);
}

mval m_concat(lowering *l, size_t n, const mval *items, int axis)
{
    if (!l_ok(l) || !n)
        return l_fail(l, SIB_ERR_ARGUMENT, "there is nothing to concatenate");
    int rank = m_rank(l, items[0]), at = m_axis(l, axis, rank, "axis");
    if (stopped(l, items[0]))
        return MVAL_NONE;
    value_type type = *m_type(l, items[0]);
    for (size_t i = 1; i < n; i++) {
        dim dims[SIB_MAX_RANK];
        int other = m_dims(l, items[i], dims);
        if (stopped(l, items[i]))
            return MVAL_NONE;
        if (other != rank || build_dtypes_differ(l, items[i], items[0]))
            return l_fail(l, SIB_ERR_ARGUMENT, "part %zu is of %s and rank %d, the first of %s and rank %d",
                          i, sib_dtype_name(m_dtype(l, items[i])), other, sib_dtype_name(type.dtype), rank);
        if (!type.dtype)
            type.dtype = m_dtype(l, items[i]);
        for (int k = 0; k < rank; k++) {
            int64_t x, y;
            if (k == at)
                type.shape.dims[k] = d_add(l, type.shape.dims[k], dims[k]);
            else if (dim_is_const(l->graph->dims, dims[k], &y)) {
                if (dim_is_const(l->graph->dims, type.shape.dims[k], &x) && x != y)
                    return l_fail(l, SIB_ERR_ARGUMENT, "part %zu has size %lld on axis %d, those before %lld",
                                  i, (long long)y, k, (long long)x);
                type.shape.dims[k] = dims[k];
            }
        }
    }
    if (n == 1 || !l_ok(l))
        return l_ok(l) ? items[0] : MVAL_NONE;
    attribute attributes[] = {attribute_int("axis", at)};
    return build_one(l, MILLI_concat, n, items, 1, attributes, &type);
}

mval m_stack(lowering *l, size_t n, const mval *items, int axis)
{
    mval few[16], *apart = n <= 16 ? few : mem_alloc(n, sizeof *apart), out;
    if (!apart)
        return l_fail(l, SIB_ERR_MEMORY, "no memory for %zu parts", n);
    apart[0] = MVAL_NONE; /* m_concat rejects an empty list */
    for (size_t i = 0; i < n; i++)
        apart[i] = m_unsqueeze(l, items[i], axis);
    out = m_concat(l, n, apart, axis);
    if (apart != few)
        mem_free(apart);
    return out;
}

mval m_pad(lowering *l, mval a, const dim *before, const dim *after, mval filling)
{
    int64_t front[SIB_MAX_RANK], back[SIB_MAX_RANK];
    bool any = false;
    int rank = m_rank(l, a);
    if (stopped(l, a))
        return MVAL_NONE;
    if (filling.id == NO_VALUE)
        filling = m_scalar_like(l, a, 0);
    if (build_dtypes_differ(l, filling, a))
        return l_fail(l, SIB_ERR_ARGUMENT, "a tensor of %s cannot be padded with %s",
                      sib_dtype_name(m_dtype(l, a)), sib_dtype_name(m_dtype(l, filling)));
    value_type type = *m_type(l, a);
    dim zero = d_const(l, 0);
    for (int i = 0; i < rank && l_ok(l); i++) {
        front[i] = number_or_zero(l, before[i]);
        back[i] = number_or_zero(l, after[i]);
        if (front[i] < 0 || back[i] < 0)
            return l_fail(l, SIB_ERR_ARGUMENT, "axis %d padded by %lld and %lld", i, (long long)front[i],
                          (long long)back[i]);
        any |= !dim_same(before[i], zero) || !dim_same(after[i], zero);
        type.shape.dims[i] = d_add(l, d_add(l, before[i], type.shape.dims[i]), after[i]);
    }
    if (!l_ok(l) || !any)
        return l_ok(l) ? a : MVAL_NONE;
    attribute attributes[] = {attribute_ints("before", (size_t)rank, front),
                              attribute_ints("after", (size_t)rank, back)};
    return build_one(l, MILLI_pad, 2, (mval[]){a, filling}, 2, attributes, &type);
}

mval m_pad_axis(lowering *l, mval a, int axis, dim before, dim after, mval filling)
{
    dim front[SIB_MAX_RANK], back[SIB_MAX_RANK];
    int rank = m_rank(l, a), at = m_axis(l, axis, rank, "axis");
    for (int i = 0; i < rank; i++)
        front[i] = back[i] = d_const(l, 0);
    if (stopped(l, a))
        return MVAL_NONE;
    front[at] = before;
    back[at] = after;
    return m_pad(l, a, front, back, filling);
}

mval m_windows(lowering *l, mval a, const window_spec *w, mval fill)
{
    int64_t before[SIB_MAX_RANK], after[SIB_MAX_RANK];
    dim dims[SIB_MAX_RANK], out[2 * SIB_MAX_RANK];
    int rank = m_dims(l, a, dims), lead = rank - w->n;
    if (stopped(l, a))
        return MVAL_NONE;
    if (lead < 0 || rank + w->n > SIB_MAX_RANK)
        return l_fail(l, SIB_ERR_ARGUMENT, "windows over %d axes of a tensor of rank %d", w->n, rank);
    if (fill.id == NO_VALUE)
        fill = m_scalar_like(l, a, 0);
    memcpy(out, dims, sizeof *out * (size_t)lead);
    for (int i = 0; i < w->n && l_ok(l); i++) {
        int64_t reach, n;
        if (w->kernel[i] < 1 || w->stride[i] < 1 || w->dilation[i] < 1 ||
            __builtin_mul_overflow(w->kernel[i] - 1, w->dilation[i], &reach) || reach == INT64_MAX)
            return l_fail(l, SIB_ERR_ARGUMENT, "a window of %lld with stride %lld and dilation %lld",
                          (long long)w->kernel[i], (long long)w->stride[i], (long long)w->dilation[i]);
        dim room = d_add(l, d_add(l, dims[lead + i], w->before[i]), w->after[i]);
        dim last = d_sub(l, room, d_const(l, reach + 1));
        dim count = d_add(l, d_floor_div(l, last, d_const(l, w->stride[i])), d_const(l, 1));
        if (l_ok(l) && dim_is_const(l->graph->dims, count, &n) && n < 0)
            count = d_const(l, 0);
        out[lead + i] = d_const(l, w->kernel[i]);
        out[rank + i] = count;
        before[i] = number_or_zero(l, w->before[i]);
        after[i] = number_or_zero(l, w->after[i]);
    }
    if (!l_ok(l))
        return MVAL_NONE;
    size_t k = (size_t)w->n;
    attribute attributes[] = {attribute_ints("kernel", k, w->kernel), attribute_ints("stride", k, w->stride),
                              attribute_ints("dilation", k, w->dilation), attribute_ints("before", k, before),
                              attribute_ints("after", k, after)};
    value_type type = m_tensor_type(l, m_dtype(l, a), (size_t)rank + k, out);
    return build_one(l, MILLI_windows, 2, (mval[]){a, fill}, 5, attributes, &type);
}

/* ---- Gathers ------------------------------------------------------------------------------------------ */

mval m_gather(lowering *l, mval a, mval indices, int axis)
{
    dim dims[SIB_MAX_RANK], index[SIB_MAX_RANK], out[2 * SIB_MAX_RANK];
    indices = m_cast(l, indices, SIB_I64);
    int rank = m_dims(l, a, dims), n = m_dims(l, indices, index), at = m_axis(l, axis, rank, "axis");
    if (stopped(l, a) || stopped(l, indices))
        return MVAL_NONE;
    memcpy(out, dims, sizeof *out * (size_t)at);
    memcpy(out + at, index, sizeof *out * (size_t)n);
    memcpy(out + at + n, dims + at + 1, sizeof *out * (size_t)(rank - at - 1));
    attribute attributes[] = {attribute_int("axis", at)};
    value_type type = m_tensor_type(l, m_dtype(l, a), (size_t)(rank + n - 1), out);
    return build_one(l, MILLI_gather, 2, (mval[]){a, indices}, 1, attributes, &type);
}

mval m_wrap_index(lowering *l, mval indices, dim n)
{
    indices = m_cast(l, indices, SIB_I64);
    mval count = m_dim_scalar(l, n), zero = m_scalar_int(l, SIB_I64, 0);
    return m_where(l, m_less(l, indices, zero), m_add(l, indices, count), indices);
}

mval m_gather_nd(lowering *l, mval a, mval indices, int batch)
{
    dim dims[SIB_MAX_RANK], index[SIB_MAX_RANK], out[2 * SIB_MAX_RANK];
    indices = m_cast(l, indices, SIB_I64);
    int rank = m_dims(l, a, dims), n = m_dims(l, indices, index);
    int64_t depth = m_number(l, n ? index[n - 1] : DIM_NONE);
    if (stopped(l, a) || stopped(l, indices))
        return MVAL_NONE;
    if (batch < 0 || n < batch + 1 || depth < 0 || depth > rank - batch)
        return l_fail(l, SIB_ERR_ARGUMENT, "indices of depth %lld and %d batch axes into a tensor of rank %d",
                      (long long)depth, batch, rank);
    for (int i = 0; i < batch; i++) {
        int64_t of_a, of_index;
        if (dim_is_const(l->graph->dims, dims[i], &of_a) &&
            dim_is_const(l->graph->dims, index[i], &of_index) && of_a != of_index)
            return l_fail(l, SIB_ERR_ARGUMENT, "batch axis %d has %lld indices for %lld", i,
                          (long long)of_index, (long long)of_a);
    }
    int rest = batch + (int)depth;
    memcpy(out, index, sizeof *out * (size_t)(n - 1));
    memcpy(out + n - 1, dims + rest, sizeof *out * (size_t)(rank - rest));
    attribute attributes[] = {attribute_int("batch", batch)};
    value_type type = m_tensor_type(l, m_dtype(l, a), (size_t)(n - 1 + rank - rest), out);
    return build_one(l, MILLI_gather_nd, 2, (mval[]){a, indices}, 1, attributes, &type);
}

mval m_gather_elements(lowering *l, mval a, mval indices, int axis)
{
    /* Indices [i..., j, k...] become full coordinates [i..., j, k..., rank], with an iota on every other
       axis. */
    dim dims[SIB_MAX_RANK];
    mval parts[SIB_MAX_RANK];
    int rank = m_dims(l, indices, dims), at = m_axis(l, axis, rank, "axis");
    if (stopped(l, a) || stopped(l, indices))
        return MVAL_NONE;
    if (m_rank(l, a) != rank)
        return l_fail(l, SIB_ERR_ARGUMENT, "indices of rank %d into a tensor of rank %d", rank, m_rank(l, a));
    for (int i = 0; i < rank; i++) {
        parts[i] = m_cast(l, indices, SIB_I64);
        if (i != at) {
            dim column[SIB_MAX_RANK];
            for (int k = 0; k < rank; k++)
                column[k] = k == i ? dims[k] : d_const(l, 1);
            mval line = m_reshape(l, m_iota(l, SIB_I64, dims[i]), (size_t)rank, column);
            parts[i] = m_expand(l, line, (size_t)rank, dims);
        }
    }
    return m_gather_nd(l, a, m_stack(l, (size_t)rank, parts, rank), 0);
}

mval m_scatter_nd(lowering *l, mval a, mval indices, mval updates, const char *reduction)
{
    indices = m_cast(l, indices, SIB_I64);
    int rank = m_rank(l, a), n = m_rank(l, indices), got = m_rank(l, updates);
    int64_t depth = n ? m_size(l, indices, -1) : 0;
    if (stopped(l, a) || stopped(l, indices) || stopped(l, updates))
        return MVAL_NONE;
    if (!n || depth < 0 || depth > rank || got != n - 1 + rank - (int)depth ||
        build_dtypes_differ(l, a, updates))
        return l_fail(l, SIB_ERR_ARGUMENT,
                      "updates %s of rank %d at indices of rank %d and depth %lld into %s of rank %d",
                      sib_dtype_name(m_dtype(l, updates)), got, n, (long long)depth,
                      sib_dtype_name(m_dtype(l, a)), rank);
    dim index[SIB_MAX_RANK], update[SIB_MAX_RANK], dims[SIB_MAX_RANK];
    m_dims(l, indices, index);
    m_dims(l, updates, update);
    m_dims(l, a, dims);
    for (int i = 0; i < got; i++) {
        int64_t have, want;
        dim expected = i < n - 1 ? index[i] : dims[i - (n - 1) + (int)depth];
        if (dim_is_const(l->graph->dims, update[i], &have) && dim_is_const(l->graph->dims, expected, &want) &&
            have != want)
            return l_fail(l, SIB_ERR_ARGUMENT, "updates have size %lld on axis %d, expected %lld",
                          (long long)have, i, (long long)want);
    }
    attribute attributes[] = {attribute_str("reduction", str_of(reduction))};
    value_type type = *m_type(l, a);
    return build_one(l, MILLI_scatter_nd, 3, (mval[]){a, indices, updates}, 1, attributes, &type);
}
