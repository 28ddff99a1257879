/* Padding (pad), windows as a strided view of the padded input (windows), and counting (iota). */
#include "backend/cpu/call/rows.h"
#include "backend/cpu/call/scratch.h"
#include "backend/cpu/layout/layout.h"
#include "base/cancel.h"
#include "kernel/layout/layout.h"

#include <string.h>

/* ---- pad --------------------------------------------------------------------------------------------- */

/* Plans input 0 with a border of the scalar input 1. before, after: (rank); bytes: of the result. */
static bool frame_plan(const node_view *n, const cpu_box *a, const int64_t *before, const int64_t *after,
                       layout_frame *f, size_t *bytes)
{
    cpu_box border;
    *bytes = a->item;
    if (!cpu_box_of(n, n->in[1], &border) || border.item != a->item || border.count != 1)
        return false;
    for (size_t i = 0; i < a->rank; i++) {
        int64_t wide;
        if (before[i] < 0 || after[i] < 0 || !i64_add(a->dims[i], before[i], &wide) ||
            !i64_add(wide, after[i], &wide) || !size_mul(*bytes, (size_t)wide, bytes))
            return false;
    }
    layout_frame_plan(f, a->rank, a->dims, before, after, a->item);
    return true;
}

static bool pad_plan(const node_view *n, layout_frame *f)
{
    cpu_box a, out;
    size_t bytes;
    milli_pad_spec spec = spec_milli_pad(n->node);
    return cpu_box_of(n, n->in[0], &a) && cpu_box_of(n, n->out[0], &out) && spec.before.n == a.rank &&
           spec.after.n == a.rank && frame_plan(n, &a, spec.before.v, spec.after.v, f, &bytes) &&
           bytes == out.count * out.item;
}

static bool pad_claims(const cpu_self *self, const node_view *n)
{
    layout_frame f;
    (void)self;
    return pad_plan(n, &f);
}

static sib_code pad_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    layout_frame *f = mem_alloc(1, sizeof *f);
    (void)self;
    if (!f)
        return err_memory(err, sizeof *f, "a step");
    pad_plan(n, f);
    *state = f;
    return SIB_OK;
}

static sib_code run_pad(const cpu_call *c)
{
    sib_tensor *out = cpu_out(c, 0);
    if (out)
        layout_frame_copy(c->state, out->data, cpu_in(c, 0)->data, cpu_in(c, 1)->data, c->self->pool,
                          c->cancel);
    return cpu_cancelled(c);
}

const cpu_kernel cpu_pad_milli = {.claims = pad_claims, .prepare = pad_prepare, .run = run_pad};

/* ---- windows ----------------------------------------------------------------------------------------- */

typedef struct windows_state {
    bool framed;        /* padding comes first */
    layout_frame frame; /* `bytes` bytes */
    size_t bytes;
    layout_box box;
} windows_state;

typedef struct windows_axes {
    size_t n;
    const int64_t *kernel, *stride, *dilation, *before, *after; /* (n) */
} windows_axes;

static bool read_axes(const node_view *n, windows_axes *w)
{
    milli_windows_spec spec = spec_milli_windows(n->node);
    size_t count = spec.kernel.n;
    *w = (windows_axes){count, spec.kernel.v, spec.stride.v, spec.dilation.v, spec.before.v, spec.after.v};
    return count > 0 && spec.stride.n == count && spec.dilation.n == count && spec.before.n == count &&
           spec.after.n == count;
}

/* out[lead..., k..., p...] = framed[lead..., p * stride + k * dilation]. */
static bool windows_plan(const node_view *n, windows_state *s)
{
    cpu_box a, out;
    windows_axes w;
    int64_t before[SIB_MAX_RANK] = {0}, after[SIB_MAX_RANK] = {0}, wide[SIB_MAX_RANK];
    int64_t own[SIB_MAX_RANK], dense[SIB_MAX_RANK], strides[SIB_MAX_RANK];
    if (!read_axes(n, &w) || !cpu_box_of(n, n->in[0], &a) || !cpu_box_of(n, n->out[0], &out) ||
        w.n > a.rank || out.rank != a.rank + w.n || out.item != a.item)
        return false;
    size_t lead = a.rank - w.n;
    s->framed = false;
    for (size_t i = 0; i < w.n; i++) {
        before[lead + i] = w.before[i];
        after[lead + i] = w.after[i];
        s->framed |= w.before[i] || w.after[i];
    }
    if (!frame_plan(n, &a, before, after, &s->frame, &s->bytes))
        return false;
    for (size_t i = 0; i < a.rank; i++)
        wide[i] = before[i] + a.dims[i] + after[i];
    layout_strides(a.rank, wide, a.item, own);
    layout_strides(out.rank, out.dims, out.item, dense);
    memcpy(strides, own, lead * sizeof *own);
    for (size_t i = 0; i < w.n && out.count > 0; i++) {
        int64_t size = wide[lead + i], places = out.dims[a.rank + i], far, reach;
        if (!i64_mul(places - 1, w.stride[i], &far) || !i64_mul(w.kernel[i] - 1, w.dilation[i], &reach) ||
            !i64_add(far, reach, &reach) || reach >= size)
            return false;
        strides[lead + i] = w.kernel[i] > 1 ? w.dilation[i] * own[lead + i] : 0;
        strides[a.rank + i] =
            places > 1 ? w.stride[i] * own[lead + i] : 0; /* an axis of size 1 may have any stride */
    }
    layout_box_plan(&s->box, out.rank, out.dims, dense, strides, a.item);
    return true;
}

static bool windows_claims(const cpu_self *self, const node_view *n)
{
    windows_state s;
    (void)self;
    return windows_plan(n, &s);
}

static sib_code windows_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    windows_state *s = mem_alloc(1, sizeof *s);
    (void)self;
    if (!s)
        return err_memory(err, sizeof *s, "a step");
    windows_plan(n, s);
    *state = s;
    return SIB_OK;
}

static sib_code run_windows(const cpu_call *c)
{
    const windows_state *s = c->state;
    sib_tensor *out = cpu_out(c, 0);
    const char *a = cpu_in(c, 0)->data;
    char *framed = NULL;
    if (!out || out->count == 0)
        return SIB_OK;
    if (s->framed) {
        framed = cpu_scratch_take(c, s->bytes);
        if (!framed)
            return cpu_no_memory(c, s->bytes);
        layout_frame_copy(&s->frame, framed, a, cpu_in(c, 1)->data, c->self->pool, c->cancel);
        a = framed;
    }
    layout_box_copy(&s->box, out->data, a, c->self->pool, c->cancel);
    cpu_scratch_give(c, framed);
    return cpu_cancelled(c);
}

const cpu_kernel cpu_windows_milli = {
    .claims = windows_claims, .prepare = windows_prepare, .run = run_windows};

/* ---- iota -------------------------------------------------------------------------------------------- */

/* Elements between two looks at the cancel. */
#define IOTA_PART (1 << 20)

static bool iota_claims(const cpu_self *self, const node_view *n)
{
    cpu_box out;
    sib_dtype dtype = cpu_dtype(n->out[0]);
    (void)self;
    return (dtype == SIB_F32 || dtype == SIB_F64 || dtype == SIB_I32 || dtype == SIB_I64) &&
           cpu_box_of(n, n->out[0], &out);
}

static sib_code run_iota(const cpu_call *c)
{
    sib_tensor *out = cpu_out(c, 0);
    for (uint64_t i = 0; out && i < out->count; i++) {
        if (i % IOTA_PART == 0 && cancel_is_set(c->cancel))
            return cpu_cancelled(c);
        if (out->dtype == SIB_I64)
            ((int64_t *)out->data)[i] = (int64_t)i;
        else if (out->dtype == SIB_I32)
            ((int32_t *)out->data)[i] = (int32_t)i;
        else if (out->dtype == SIB_F32)
            ((float *)out->data)[i] = (float)i;
        else
            ((double *)out->data)[i] = (double)i;
    }
    return SIB_OK;
}

const cpu_kernel cpu_iota = {.claims = iota_claims, .run = run_iota};
