/* Layout milli-ops: each copies a list of boxes from an input to its place in the output. */
#include "backend/cpu/layout/layout.h"
#include "backend/cpu/call/rows.h"

#include <string.h>

size_t cpu_item(sib_dtype dtype)
{
    size_t item = dtype == SIB_STRING || dtype_is_packed(dtype) ? 0 : dtype_stride(dtype);
    return item && layout_size(item) < LAYOUT_SIZES ? item : 0;
}

bool cpu_box_of(const node_view *n, const value *v, cpu_box *out)
{
    int64_t count, bytes;
    out->item = cpu_item(cpu_dtype(v));
    if (!out->item || !cpu_dims(n, v, &out->rank, out->dims))
        return false;
    count = bytes = (int64_t)out->item;
    for (size_t i = 0; i < out->rank; i++) {
        if (out->dims[i] && !i64_mul(bytes, out->dims[i], &bytes))
            return false;
        count = out->dims[i] ? count * out->dims[i] : 0;
        if (!count)
            break;
    }
    out->count = (size_t)count / out->item;
    return true;
}

/* ---- Boxes to be copied ---------------------------------------------------------------------------- */

typedef struct layout_piece {
    layout_box box;
    size_t input;
    int64_t dst, src; /* offsets in bytes */
} layout_piece;

typedef struct layout_state {
    size_t n;
    layout_piece pieces[]; /* (n) */
} layout_state;

static sib_code state_make(size_t n, layout_state **out, sib_error *err)
{
    size_t bytes;
    *out = NULL;
    if (!size_mul(n, sizeof(layout_piece), &bytes) || !size_add(bytes, sizeof **out, &bytes) ||
        !(*out = mem_alloc(1, bytes)))
        return err_memory(err, n * sizeof(layout_piece), "a step");
    (*out)->n = n;
    return SIB_OK;
}

static sib_code run_pieces(const cpu_call *c)
{
    const layout_state *s = c->state;
    sib_tensor *out = cpu_out(c, 0);
    if (!out)
        return SIB_OK;
    for (size_t i = 0; i < s->n; i++) {
        const layout_piece *p = &s->pieces[i];
        layout_box_copy(&p->box, out->data + p->dst, cpu_in(c, p->input)->data + p->src, c->self->pool,
                        c->cancel);
    }
    return cpu_cancelled(c);
}

/* ---- One input with other strides ------------------------------------------------------------------ */

/* Sets the input stride in bytes for each axis of the result; own: strides of the input. Returns false where
   the attributes do not fit, so that ref reports the error. */
typedef bool (*layout_rule)(const node_view *n, const cpu_box *a, const cpu_box *out, const int64_t *own,
                            int64_t *strides, int64_t *offset);

static bool same_count(const node_view *n, const cpu_box *a, const cpu_box *out, const int64_t *own,
                       int64_t *strides, int64_t *offset)
{
    (void)n, (void)own, (void)offset;
    layout_strides(out->rank, out->dims, out->item, strides);
    return a->count == out->count;
}

static bool transposed(const node_view *n, const cpu_box *a, const cpu_box *out, const int64_t *own,
                       int64_t *strides, int64_t *offset)
{
    spec_ints perm = spec_transpose(n->node).perm;
    (void)offset;
    if (perm.n != a->rank || out->rank != a->rank)
        return false;
    for (size_t i = 0; i < a->rank; i++)
        strides[i] = own[perm.v[i]];
    return true;
}

static bool repeated(const node_view *n, const cpu_box *a, const cpu_box *out, const int64_t *own,
                     int64_t *strides, int64_t *offset)
{
    (void)n, (void)offset;
    if (out->rank < a->rank)
        return false;
    size_t missing = out->rank - a->rank;
    for (size_t i = 0; i < out->rank; i++)
        strides[i] = i < missing || a->dims[i - missing] == 1 ? 0 : own[i - missing];
    return true;
}

static bool cut(const node_view *n, const cpu_box *a, const cpu_box *out, const int64_t *own,
                int64_t *strides, int64_t *offset)
{
    milli_slice_spec spec = spec_milli_slice(n->node);
    const int64_t *start = spec.start.v, *every = spec.step.v;
    if (spec.start.n != a->rank || spec.step.n != a->rank || out->rank != a->rank)
        return false;
    for (size_t i = 0; i < a->rank && out->count > 0; i++) {
        int64_t span, last;
        if (!i64_mul(out->dims[i] - 1, every[i], &span) || !i64_add(start[i], span, &last) || start[i] < 0 ||
            start[i] >= a->dims[i] || last < 0 || last >= a->dims[i])
            return false;
        *offset += start[i] * own[i];
        strides[i] = out->dims[i] > 1 ? every[i] * own[i] : 0; /* an axis of size 1 may have any stride */
    }
    return true;
}

static const struct {
    milli_kind kind;
    layout_rule rule;
} rules[] = {
    {MILLI_reshape, same_count}, {MILLI_transpose, transposed}, {MILLI_expand, repeated}, {MILLI_slice, cut}};

/* Plans a view; returns false where it cannot be one. */
static bool view_plan(const node_view *n, layout_piece *p)
{
    cpu_box a, out;
    int64_t own[SIB_MAX_RANK], dense[SIB_MAX_RANK], strides[SIB_MAX_RANK] = {0};
    if (!cpu_box_of(n, n->in[0], &a) || !cpu_box_of(n, n->out[0], &out) || a.item != out.item)
        return false;
    *p = (layout_piece){0};
    layout_strides(a.rank, a.dims, a.item, own);
    layout_strides(out.rank, out.dims, out.item, dense);
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i].kind == n->node->milli->kind && !rules[i].rule(n, &a, &out, own, strides, &p->src))
            return false;
    layout_box_plan(&p->box, out.rank, out.dims, dense, strides, a.item);
    return true;
}

static bool view_claims(const cpu_self *self, const node_view *n)
{
    layout_piece p;
    (void)self;
    return view_plan(n, &p);
}

static sib_code view_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    layout_state *s;
    (void)self;
    sib_code code = state_make(1, &s, err);
    if (code == SIB_OK)
        view_plan(n, s->pieces);
    *state = s;
    return code;
}

const cpu_kernel cpu_view = {.claims = view_claims, .prepare = view_prepare, .run = run_pieces};

/* ---- Concat ---------------------------------------------------------------------------------------- */

static bool concat_claims(const cpu_self *self, const node_view *n)
{
    cpu_box out, a;
    size_t axis = (size_t)spec_concat(n->node).axis;
    int64_t sum = 0;
    (void)self;
    if (!cpu_box_of(n, n->out[0], &out) || axis >= out.rank)
        return false;
    for (size_t i = 0; i < n->n_in; i++) {
        if (!cpu_box_of(n, n->in[i], &a) || a.item != out.item || a.rank != out.rank)
            return false;
        sum += a.dims[axis];
    }
    return sum == out.dims[axis];
}

static sib_code concat_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    layout_state *s;
    cpu_box out, a;
    size_t axis = (size_t)spec_concat(n->node).axis;
    int64_t dense[SIB_MAX_RANK], own[SIB_MAX_RANK], at = 0;
    (void)self;
    sib_code code = state_make(n->n_in, &s, err);
    *state = s;
    if (code != SIB_OK)
        return code;
    cpu_claimed(cpu_box_of(n, n->out[0], &out));
    layout_strides(out.rank, out.dims, out.item, dense);
    for (size_t i = 0; i < n->n_in; i++) {
        layout_piece *p = &s->pieces[i];
        *p = (layout_piece){.input = i};
        cpu_claimed(cpu_box_of(n, n->in[i], &a));
        layout_strides(a.rank, a.dims, a.item, own);
        layout_box_plan(&p->box, a.rank, a.dims, dense, own, a.item);
        p->dst = out.count ? at * dense[axis] : 0;
        at += a.dims[axis];
    }
    return SIB_OK;
}

const cpu_kernel cpu_concat = {.claims = concat_claims, .prepare = concat_prepare, .run = run_pieces};
