/* Tracks the elements of small integer tensors as dims, from Shape through arithmetic, so that a Reshape
   to [N, -1, T / 2] has these dims. Only in symbolic mode: with concrete dims, folding does the same. */
#include "milli/build_internal.h"

#include "base/size.h"
#include "spec/spec.h"

#include <string.h>

void elements_set(lowering *l, mval v, size_t n, const dim *dims)
{
    if (!l_ok(l) || v.id == NO_VALUE)
        return;
    dim *kept = arena_alloc(l->graph->arena, n ? n : 1, sizeof *kept);
    if (!kept) {
        l_fail(l, SIB_ERR_MEMORY, "no memory for the elements of a shape");
        return;
    }
    for (size_t i = 0; i < n; i++)
        kept[i] = dims[i];
    build_value(l, v)->elements = kept;
    build_value(l, v)->n_elements = (uint32_t)n;
}

/* Gets the elements of a small integer constant. */
static bool from_constant(const lowering *l, const sib_tensor *t, dim *out, size_t max, size_t *n)
{
    sib_dtype_kind kind = sib_dtype_get_kind(sib_tensor_dtype(t));
    int64_t values[ELEMENTS_MAX];
    *n = sib_tensor_count(t);
    if ((kind != SIB_KIND_INT && kind != SIB_KIND_UINT) || *n > max || *n > ELEMENTS_MAX ||
        sib_tensor_rank(t) > 1 || !sib_tensor_is_dense(t) ||
        sib_convert(sib_tensor_dtype(t), sib_tensor_data(t), SIB_I64, values, *n, SIB_OVERFLOW_IEEE, NULL) !=
            SIB_OK)
        return false;
    for (size_t i = 0; i < *n; i++) {
        out[i] = dim_const(l->graph->dims, values[i]);
        if (dim_same(out[i], DIM_NONE))
            return false;
    }
    return true;
}

bool elements_of(const lowering *l, mval v, dim *out, size_t max, size_t *n)
{
    const value *x = build_value(l, v);
    if (x->constant)
        return from_constant(l, x->constant, out, max, n);
    if (!x->elements || x->n_elements > max)
        return false;
    *n = x->n_elements;
    memcpy(out, x->elements, *n * sizeof(dim));
    return true;
}

/* ---- One rule per group of milli-ops ------------------------------------------------------------------ */

typedef struct follow {
    lowering *l;
    dim_table *t;
    const node *n;
    dim in[3][ELEMENTS_MAX];
    size_t count[3];
    bool known[3];
    dim out[ELEMENTS_MAX];
    size_t n_out;
} follow;

typedef dim (*dim_maker)(dim_table *, dim, dim);

static bool binary(follow *f, dim_maker make)
{
    size_t n = f->count[0] > f->count[1] ? f->count[0] : f->count[1];
    if (!f->known[0] || !f->known[1] || !f->count[0] || !f->count[1])
        return false;
    for (size_t i = 0; i < n; i++)
        f->out[i] = make(f->t, f->in[0][f->count[0] == 1 ? 0 : i], f->in[1][f->count[1] == 1 ? 0 : i]);
    f->n_out = n;
    return true;
}

/* Integer division truncates, which is the floor where nothing is negative. */
static dim divide(dim_table *t, dim a, dim b)
{
    return dim_at_least(t, a, 0) && dim_at_least(t, b, 1) ? dim_floor_div(t, a, b) : DIM_NONE;
}

static bool copy(follow *f)
{
    f->n_out = f->count[0];
    memcpy(f->out, f->in[0], sizeof f->out);
    return f->known[0];
}

static bool negate(follow *f)
{
    dim zero = dim_const(f->t, 0);
    for (size_t i = 0; i < f->count[0]; i++)
        f->out[i] = dim_sub(f->t, zero, f->in[0][i]);
    f->n_out = f->count[0];
    return f->known[0];
}

static bool gather(follow *f)
{
    if (!f->known[0] || !f->known[1])
        return false;
    f->n_out = f->count[1];
    for (size_t i = 0; i < f->n_out; i++) {
        int64_t at;
        if (!dim_is_const(f->t, f->in[1][i], &at) || at < 0 || (uint64_t)at >= f->count[0])
            return false;
        f->out[i] = f->in[0][at];
    }
    return true;
}

static bool slice(follow *f)
{
    milli_slice_spec spec = spec_milli_slice(f->n);
    const value *out = &f->l->graph->values[f->n->outputs.ids[0]];
    int64_t count;
    if (!f->known[0] || spec.start.n != 1 || !dim_is_const(f->t, out->type.shape.dims[0], &count) ||
        count > ELEMENTS_MAX)
        return false;
    f->n_out = (size_t)count;
    for (int64_t i = 0; i < count; i++) {
        int64_t at = spec.start.v[0] + i * spec.step.v[0];
        if (at < 0 || (uint64_t)at >= f->count[0])
            return false;
        f->out[i] = f->in[0][at];
    }
    return true;
}

static bool concat(follow *f)
{
    for (uint32_t k = 0; k < f->n->inputs.n; k++) {
        size_t n;
        if (!elements_of(f->l, (mval){f->n->inputs.ids[k]}, f->out + f->n_out, ELEMENTS_MAX - f->n_out, &n))
            return false;
        f->n_out += n;
    }
    return true;
}

static bool expand(follow *f)
{
    const value *out = &f->l->graph->values[f->n->outputs.ids[0]];
    int64_t count = 1;
    if (!f->known[0] || f->count[0] != 1 ||
        (out->type.shape.rank == 1 && !dim_is_const(f->t, out->type.shape.dims[0], &count)) ||
        count > ELEMENTS_MAX)
        return false;
    f->n_out = (size_t)count;
    for (int64_t i = 0; i < count; i++)
        f->out[i] = f->in[0][0];
    return true;
}

static bool reduce(follow *f, dim_maker make, int64_t start)
{
    if (!f->known[0] || (!f->count[0] && make != dim_add && make != dim_mul))
        return false;
    if (!spec_reduce(f->n).axes.n)
        return copy(f);
    dim d = f->count[0] && make != dim_add && make != dim_mul ? f->in[0][0] : dim_const(f->t, start);
    for (size_t i = 0; i < f->count[0]; i++)
        d = make(f->t, d, f->in[0][i]);
    f->out[0] = d;
    f->n_out = 1;
    return true;
}

/* where: a known condition selects among known elements. */
static bool choose(follow *f)
{
    const sib_tensor *c = f->l->graph->values[f->n->inputs.ids[0]].constant;
    if (!c || sib_tensor_rank(c) > 1 || !f->known[1] || !f->known[2])
        return false;
    size_t n = sib_tensor_count(c);
    n = size_max(n, size_max(f->count[1], f->count[2]));
    for (size_t i = 0; i < n && n <= ELEMENTS_MAX; i++) {
        const bool *conditions = sib_tensor_data(c);
        size_t which = conditions[sib_tensor_count(c) == 1 ? 0 : i] ? 1 : 2;
        f->out[i] = f->in[which][f->count[which] == 1 ? 0 : i];
    }
    f->n_out = n;
    return n <= ELEMENTS_MAX;
}

static bool apply(follow *f)
{
    switch (f->n->milli->kind) {
    case MILLI_add:
        return binary(f, dim_add);
    case MILLI_sub:
        return binary(f, dim_sub);
    case MILLI_mul:
        return binary(f, dim_mul);
    case MILLI_div:
        return binary(f, divide);
    case MILLI_mod:
        return binary(f, dim_mod);
    case MILLI_min:
        return binary(f, dim_min);
    case MILLI_max:
        return binary(f, dim_max);
    case MILLI_neg:
        return negate(f);
    case MILLI_cast:
    case MILLI_reshape:
    case MILLI_transpose:
        return copy(f);
    case MILLI_gather:
        return gather(f);
    case MILLI_slice:
        return slice(f);
    case MILLI_concat:
        return concat(f);
    case MILLI_expand:
        return expand(f);
    case MILLI_where:
        return choose(f);
    case MILLI_reduce_sum:
        return reduce(f, dim_add, 0);
    case MILLI_reduce_prod:
        return reduce(f, dim_mul, 1);
    case MILLI_reduce_min:
        return reduce(f, dim_min, 0);
    case MILLI_reduce_max:
        return reduce(f, dim_max, 0);
    default:
        return false;
    }
}

void elements_follow(lowering *l, const node *n)
{
    if (!l->symbolic || n->outputs.n != 1)
        return;
    const value *out = &l->graph->values[n->outputs.ids[0]];
    sib_dtype_kind kind = sib_dtype_get_kind(out->type.dtype);
    if ((kind != SIB_KIND_INT && kind != SIB_KIND_UINT) || !out->type.shape.ranked ||
        out->type.shape.rank > 1)
        return;
    follow f = {.l = l, .t = l->graph->dims, .n = n};
    for (uint32_t i = 0; i < n->inputs.n && i < 3; i++)
        f.known[i] = elements_of(l, (mval){n->inputs.ids[i]}, f.in[i], ELEMENTS_MAX, &f.count[i]);
    bool known = apply(&f);
    for (size_t i = 0; i < f.n_out && known; i++)
        known &= !dim_same(f.out[i], DIM_NONE);
    if (known)
        elements_set(l, (mval){n->outputs.ids[0]}, f.n_out, f.out);
    else
        dim_table_failed(l->graph->dims); /* what could not be tracked is not a failure */
}
