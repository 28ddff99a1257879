/* The builder's core: failure, queries of values, appending milli-ops. */
#include "milli/build_internal.h"

#include "base/size.h"
#include "tensor/tensor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- Failure --------------------------------------------------------------------------------------- */

mval(l_fail)(lowering *l, sib_code code, const char *format, ...)
{
    if (l->status != LOWER_OK)
        return MVAL_NONE;
    char words[240], name[120];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    l->status = LOWER_FAILED;
    if (l->node)
        err_set(&l->error, code, "node %s: %s", node_text(l->source, l->node, name, sizeof name), words);
    else
        err_set(&l->error, code, "%s", words);
    return MVAL_NONE;
}

/* Fails after an allocation or a function of dims returned nothing. */
static void fail_dims(lowering *l)
{
    sib_code code = dim_table_failed(l->graph->dims);
    /* the expression is too long to track; with concrete dims it is a number */
    if (code == SIB_ERR_SIZE && l->symbolic && l->status == LOWER_OK)
        l->status = LOWER_NEEDS_DIMS;
    else if (code != SIB_OK)
        l_fail(l, code, "%s",
               code == SIB_ERR_MEMORY ? "no memory for a dim" : "a dim overflows or is divided by 0");
}

static void fail_error(lowering *l, const sib_error *err)
{
    l_fail(l, err->code, "%s", err->message);
}

/* ---- Queries --------------------------------------------------------------------------------------- */

static bool given(const lowering *l, mval v)
{
    return l->status == LOWER_OK && v.id != NO_VALUE;
}

value *build_value(const lowering *l, mval v)
{
    return &l->graph->values[v.id];
}

const value_type *m_type(const lowering *l, mval v)
{
    static const value_type unknown;
    return given(l, v) ? &build_value(l, v)->type : &unknown;
}

sib_dtype m_dtype(const lowering *l, mval v)
{
    return m_type(l, v)->dtype;
}

bool m_is(const lowering *l, mval v, sib_dtype_kind kind)
{
    return sib_dtype_get_kind(m_dtype(l, v)) == kind;
}

static void needs_dims(lowering *l)
{
    if (l->status != LOWER_OK)
        return;
    if (l->symbolic)
        l->status = LOWER_NEEDS_DIMS;
    else
        l_fail(l, SIB_ERR_UNSUPPORTED, "a dim that depends on data is needed before the data is there");
}

/* Max elements of an output that is folded because a lowering asks for it, since that cannot be cancelled. */
#define FORCE_LIMIT (INT64_C(1) << 24)

/* Number of elements; -1 where dims are unknown or the count overflows. */
static int64_t count_of(const graph *g, value_id v)
{
    const value_type *t = &g->values[v].type;
    int64_t dims[SIB_MAX_RANK], count = 1;
    if (t->depth || t->leaf != TYPE_TENSOR || !dim_shape_const(g->dims, &t->shape, dims))
        return -1;
    for (int k = 0; k < t->shape.rank; k++)
        if (!i64_mul(count, dims[k], &count))
            return -1;
    return count;
}

/* Folds a milli-op on which the lowering depends. */
static void force_one(lowering *l, node_id id)
{
    const graph *g = l->graph;
    const node *n = &g->nodes[id];
    sib_error err = SIB_ERROR_INIT;
    for (uint32_t i = 0; i < n->outputs.n; i++) {
        int64_t count = n->outputs.ids[i] == NO_VALUE ? 0 : count_of(g, n->outputs.ids[i]);
        if (count > FORCE_LIMIT) {
            l_fail(l, SIB_ERR_SIZE, "%lld elements would be computed before the run, above the limit of %lld",
                   (long long)count, (long long)FORCE_LIMIT);
            return;
        }
    }
    if (!l->fold)
        needs_dims(l);
    else if (l->fold(l, id, &err) != SIB_OK)
        fail_error(l, &err);
}

/* Folds what value `wanted` depends on within the lowered node, up to FORCE_LIMIT elements. Stops with
   LOWER_NEEDS_CONTENT at the first imported value that is not a constant. */
static void force(lowering *l, value_id wanted)
{
    graph *g = l->graph;
    node_id first = g->values[wanted].producer, from = first;
    if (first == NO_NODE || g->nodes[first].origin != l->node_index) {
        l->status = LOWER_NEEDS_CONTENT;
        l->needs = wanted;
        return;
    }
    while (from > 0 && g->nodes[from - 1].origin == l->node_index)
        from--;
    bool *needed = mem_calloc(first - from + 1, sizeof *needed);
    if (!needed) {
        l_fail(l, SIB_ERR_MEMORY, "no memory for what a value depends on");
        return;
    }
    needed[first - from] = true;
    for (node_id i = first + 1; i-- > from && l_ok(l);) {
        const node *n = &g->nodes[i];
        for (uint32_t k = 0; needed[i - from] && k < n->inputs.n && l_ok(l); k++) {
            value_id v = n->inputs.ids[k];
            if (v == NO_VALUE || g->values[v].constant)
                continue;
            node_id p = g->values[v].producer;
            if (p == NO_NODE || p < from) {
                l->status = LOWER_NEEDS_CONTENT;
                l->needs = v;
            } else
                needed[p - from] = true;
        }
    }
    for (node_id i = from; i <= first && l_ok(l); i++)
        if (needed[i - from])
            force_one(l, i);
    mem_free(needed);
}

/* True where v is a tensor of known rank, else stops the lowering. */
static bool ranked(lowering *l, mval v)
{
    if (!given(l, v))
        return false;
    const value_type *t = &build_value(l, v)->type;
    int64_t ignored[SIB_MAX_RANK];
    if (!l->symbolic && !t->depth && t->leaf == TYPE_TENSOR &&
        !dim_shape_const(l->graph->dims, &t->shape, ignored)) {
        /* dims that depend on data: folding what produces them makes them known */
        force(l, v.id);
        if (!l_ok(l))
            return false;
        t = &build_value(l, v)->type;
    }
    if (t->depth || (t->leaf != TYPE_TENSOR && t->leaf != TYPE_UNKNOWN)) {
        char text[120];
        l_fail(l, SIB_ERR_ARGUMENT, "expected a tensor, not %s",
               type_text(l->graph->dims, t, text, sizeof text));
        return false;
    }
    if (!t->shape.ranked)
        needs_dims(l);
    return t->shape.ranked;
}

int m_rank(lowering *l, mval v)
{
    return ranked(l, v) ? build_value(l, v)->type.shape.rank : 0;
}

dim m_dim(lowering *l, mval v, int axis)
{
    if (!ranked(l, v))
        return DIM_NONE;
    const dim_shape *s = &build_value(l, v)->type.shape;
    int at = m_axis(l, axis, s->rank, "axis");
    return l_ok(l) ? s->dims[at] : DIM_NONE;
}

int m_dims(lowering *l, mval v, dim out[SIB_MAX_RANK])
{
    if (!ranked(l, v))
        return 0;
    const dim_shape *s = &build_value(l, v)->type.shape;
    memcpy(out, s->dims, sizeof *out * s->rank);
    return s->rank;
}

int64_t m_number(lowering *l, dim d)
{
    int64_t n;
    if (!l_ok(l))
        return 1;
    if (dim_is_const(l->graph->dims, d, &n))
        return n;
    if (dim_same(d, DIM_NONE))
        fail_dims(l);
    needs_dims(l);
    return 1;
}

int64_t m_size(lowering *l, mval v, int axis)
{
    return m_number(l, m_dim(l, v, axis));
}

int m_axis(lowering *l, int64_t axis, int rank, const char *what)
{
    if (axis < -rank || axis >= rank) {
        l_fail(l, SIB_ERR_ARGUMENT, "%s is %lld, expected %d to below %d", what, (long long)axis, -rank,
               rank);
        return 0;
    }
    return (int)(axis < 0 ? axis + rank : axis);
}

/* ---- Content --------------------------------------------------------------------------------------- */

bool m_is_known(const lowering *l, mval v)
{
    return given(l, v) && build_value(l, v)->constant;
}

const sib_tensor *m_content(lowering *l, mval v)
{
    if (!given(l, v))
        return NULL;
    if (!build_value(l, v)->constant)
        force(l, v.id);
    const sib_tensor *t = l_ok(l) ? build_value(l, v)->constant : NULL;
    if (t)
        tensor_ready(t);
    return t;
}

size_t m_elements(lowering *l, mval v, dim *out, size_t max)
{
    if (!given(l, v))
        return 0;
    size_t n = 0;
    const value *x = build_value(l, v);
    sib_dtype_kind kind = sib_dtype_get_kind(x->type.dtype);
    if (x->type.dtype != SIB_DTYPE_UNKNOWN && kind != SIB_KIND_INT && kind != SIB_KIND_UINT) {
        l_fail(l, SIB_ERR_ARGUMENT, "expected integers, not %s", sib_dtype_name(x->type.dtype));
        return 0;
    }
    if (x->constant && sib_tensor_count(x->constant) > max) {
        l_fail(l, SIB_ERR_ARGUMENT, "%llu elements, expected at most %zu",
               (unsigned long long)sib_tensor_count(x->constant), max);
        return 0;
    }
    if (elements_of(l, v, out, max, &n))
        return n;
    if (m_content(l, v) && elements_of(l, v, out, max, &n))
        return n;
    fail_dims(l); /* where memory failed */
    if (l_ok(l))
        l_fail(l, SIB_ERR_ARGUMENT, "expected a list of at most %zu integers", max);
    return 0;
}

size_t m_ints(lowering *l, mval v, int64_t *out, size_t max)
{
    dim dims[ELEMENTS_MAX];
    if (given(l, v) && build_value(l, v)->constant) {
        /* a constant may have more elements than are tracked as dims */
        const sib_tensor *t = build_value(l, v)->constant;
        uint64_t n = sib_tensor_count(t);
        sib_tensor *whole = NULL;
        sib_dtype_kind kind = sib_dtype_get_kind(t->dtype);
        if ((kind != SIB_KIND_INT && kind != SIB_KIND_UINT) || n > max) {
            l_fail(l, SIB_ERR_ARGUMENT, "expected at most %zu integers, not %llu of %s", max,
                   (unsigned long long)n, sib_dtype_name(t->dtype));
            return 0;
        }
        sib_error err = SIB_ERROR_INIT;
        if (sib_tensor_convert(t, SIB_I64, SIB_OVERFLOW_IEEE, &whole, &err) != SIB_OK) {
            fail_error(l, &err);
            return 0;
        }
        memcpy(out, whole->data, n * sizeof *out);
        sib_tensor_free(&whole);
        return n;
    }
    size_t n = m_elements(l, v, dims, size_min(max, ELEMENTS_MAX));
    if (given(l, v) && build_value(l, v)->constant)
        return m_ints(l, v, out, max); /* force folded it */
    for (size_t i = 0; i < n; i++)
        out[i] = m_number(l, dims[i]);
    return l_ok(l) ? n : 0;
}

int64_t m_int(lowering *l, mval v)
{
    int64_t number = 1;
    if (m_ints(l, v, &number, 1) != 1 && l_ok(l))
        l_fail(l, SIB_ERR_ARGUMENT, "expected one integer, not none");
    return l_ok(l) ? number : 1;
}

double m_float(lowering *l, mval v)
{
    const sib_tensor *t = m_content(l, v);
    double number = 0;
    int64_t origin[SIB_MAX_RANK] = {0};
    if (!t)
        return 0;
    if (sib_tensor_count(t) != 1)
        l_fail(l, SIB_ERR_ARGUMENT, "expected one number, not %llu", (unsigned long long)sib_tensor_count(t));
    else
        sib_tensor_get(t, origin, &number, NULL);
    return number;
}

/* ---- Arithmetic of dims ---------------------------------------------------------------------------- */

dim d_const(lowering *l, int64_t number)
{
    dim d = dim_const(l->graph->dims, number);
    if (dim_same(d, DIM_NONE))
        fail_dims(l);
    return d;
}

#define D_BINARY(name)                                                                                       \
    dim d_##name(lowering *l, dim a, dim b)                                                                  \
    {                                                                                                        \
        if (!l_ok(l) || dim_same(a, DIM_NONE) || dim_same(b, DIM_NONE))                                      \
            return DIM_NONE;                                                                                 \
        dim d = dim_##name(l->graph->dims, a, b);                                                            \
        if (dim_same(d, DIM_NONE))                                                                           \
            fail_dims(l);                                                                                    \
        return d;                                                                                            \
    }
D_BINARY(add)
D_BINARY(sub)
D_BINARY(mul)
D_BINARY(floor_div)
D_BINARY(ceil_div)
D_BINARY(min)
D_BINARY(max)
D_BINARY(broadcast)
#undef D_BINARY

dim d_product(lowering *l, size_t n, const dim *dims)
{
    dim d = d_const(l, 1);
    for (size_t i = 0; i < n; i++)
        d = d_mul(l, d, dims[i]);
    return d;
}

/* ---- Appending ------------------------------------------------------------------------------------- */

attribute attribute_int(const char *name, int64_t number)
{
    return (attribute){.name = str_of(name), .kind = ATTR_INT, .i = number};
}

attribute attribute_ints(const char *name, size_t n, const int64_t *values)
{
    return (attribute){.name = str_of(name), .kind = ATTR_INTS, .n = n, .ints = values};
}

attribute attribute_str(const char *name, sib_str s)
{
    return (attribute){.name = str_of(name), .kind = ATTR_STRING, .s = s};
}

value_type m_tensor_type(lowering *l, sib_dtype dtype, size_t rank, const dim *dims)
{
    value_type t = type_tensor(dtype);
    t.shape.ranked = true;
    t.shape.rank = (uint8_t)rank;
    if (rank > SIB_MAX_RANK) {
        l_fail(l, SIB_ERR_SIZE, "rank %zu is above %d", rank, SIB_MAX_RANK);
        return type_tensor(dtype);
    }
    for (size_t i = 0; i < rank; i++)
        t.shape.dims[i] = dim_same(dims[i], DIM_NONE) ? dim_fresh(l->graph->dims) : dims[i];
    return t;
}

mval build_leaf(lowering *l, const value_type *type, const sib_tensor *constant)
{
    value_id id;
    sib_error err = SIB_ERROR_INIT;
    if (!l_ok(l))
        return MVAL_NONE;
    if (graph_add_value(l->graph, (sib_str){"", 0}, type, &id, &err) != SIB_OK) {
        fail_error(l, &err);
        return MVAL_NONE;
    }
    l->graph->values[id].constant = constant;
    return (mval){id};
}

/* Max work of a milli-op that is folded at once: without it, reducing large constants over and over would
   make planning as long as a run. */
#define FOLD_WORK (1 << 18)

/* Elements that a milli-op with constant inputs reads, writes and multiplies; UINT64_MAX where they are
   too many to count. */
static uint64_t work_of(const graph *g, const node *n)
{
    uint64_t work = 0, largest = 0;
    for (uint32_t i = 0; i < n->inputs.n; i++) {
        if (n->inputs.ids[i] == NO_VALUE)
            continue;
        const sib_tensor *t = g->values[n->inputs.ids[i]].constant;
        uint64_t count = sib_tensor_count(t), last = t->rank ? (uint64_t)t->dims[t->rank - 1] : 1;
        work += count;
        largest = i == 0 ? last : largest;
    }
    /* each element is a sum of up to `largest` terms */
    uint64_t times = n->milli->kind == MILLI_matmul || n->milli->kind == MILLI_determinant ? largest : 1;
    for (uint32_t i = 0; i < n->outputs.n; i++)
        work += (uint64_t)count_of(g, n->outputs.ids[i]);
    return __builtin_mul_overflow(work, times, &work) ? UINT64_MAX : work;
}

/* True where the milli-op may be folded at once: every input is known and everything is small. */
static bool foldable(const lowering *l, const node *n)
{
    const graph *g = l->graph;
    if (!l->fold || n->milli->kind == MILLI_random_uniform || n->milli->kind == MILLI_random_normal ||
        n->milli->kind == MILLI_call)
        return false;
    for (uint32_t i = 0; i < n->inputs.n; i++)
        if (n->inputs.ids[i] != NO_VALUE && !g->values[n->inputs.ids[i]].constant)
            return false;
    for (uint32_t i = 0; i < n->outputs.n; i++) {
        int64_t count = count_of(g, n->outputs.ids[i]);
        if (count < 0 || count > l->fold_limit)
            return false;
    }
    uint64_t work = work_of(g, n);
    if (work > FOLD_WORK || (l->budget && l->budget->work < work))
        return false;
    if (l->budget)
        l->budget->work -= work;
    return true;
}

/* Ends lowerings that loop as often as a file says, once the budget is spent or the run is cancelled. */
static bool may_go_on(lowering *l)
{
    if (cancel_is_set(l->cancel))
        l_fail(l, SIB_ERR_CANCELLED, "the run was cancelled");
    else if (l->budget && l->budget->ops == 0 && l->symbolic)
        l->status = LOWER_NEEDS_DIMS;
    else if (l->budget && l->budget->ops == 0)
        l_fail(l, SIB_ERR_SIZE, "the plan would exceed the limit of milli-ops");
    else if (l->budget)
        l->budget->ops--;
    return l_ok(l);
}

void m_emit(lowering *l, milli_kind kind, size_t n_in, const mval *in, size_t n_attributes,
            const attribute *attributes, size_t n_out, const value_type *types, mval *out)
{
    for (size_t i = 0; i < n_out; i++)
        out[i] = MVAL_NONE;
    if (!l_ok(l) || !may_go_on(l))
        return;
    value_id few[16], *ids = n_in + n_out <= 16 ? few : mem_alloc(n_in + n_out, sizeof *ids);
    value_id *ins = ids, *outs = ids ? ids + n_in : NULL;
    sib_error err = SIB_ERROR_INIT;
    node n = {.milli = milli_row(kind),
              .type = str_of(milli_row(kind)->name),
              .version = 1,
              .inputs = {(uint32_t)n_in, ins},
              .outputs = {(uint32_t)n_out, outs},
              .n_attributes = n_attributes,
              .attributes = (attribute *)attributes,
              .origin = l->node_index};
    node_id id = NO_NODE;
    sib_code code = ids ? SIB_OK : err_set(&err, SIB_ERR_MEMORY, "no memory for a milli-op");
    for (size_t i = 0; i < n_in && code == SIB_OK; i++)
        ins[i] = in[i].id;
    for (size_t i = 0; i < n_out && code == SIB_OK; i++)
        code = graph_add_value(l->graph, (sib_str){"", 0}, &types[i], &outs[i], &err);
    if (code == SIB_OK)
        code = graph_add_node(l->graph, &n, &id, &err);
    if (code == SIB_OK && foldable(l, &l->graph->nodes[id])) {
        code = l->fold(l, id, &err);
        if (code == SIB_OK) { /* its outputs are constants now, and it was the last node */
            for (size_t i = 0; i < n_out; i++)
                l->graph->values[outs[i]].producer = NO_NODE;
            l->graph->n_nodes--;
        }
    } else if (code == SIB_OK)
        elements_follow(l, &l->graph->nodes[id]);
    if (code != SIB_OK)
        fail_error(l, &err);
    for (size_t i = 0; i < n_out && code == SIB_OK; i++)
        out[i] = (mval){outs[i]};
    if (ids != few)
        mem_free(ids);
}

mval build_one(lowering *l, milli_kind kind, size_t n_in, const mval *in, size_t n_attributes,
               const attribute *attributes, const value_type *type)
{
    mval out;
    for (size_t i = 0; i < n_in; i++)
        if (!given(l, in[i]))
            return MVAL_NONE;
    m_emit(l, kind, n_in, in, n_attributes, attributes, 1, type, &out);
    return out;
}
