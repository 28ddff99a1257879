/* Resize and Upsample: nearest for any dtype, linear and cubic for float32. Rare cases are lowered. */
#include "kernel/resize/resize.h"
#include "backend/cpu/call/rows.h"
#include "backend/cpu/call/scratch.h"
#include "backend/cpu/layout/layout.h"

#include <math.h>
#include <string.h>

/* Max size of a table of an axis. */
#define TABLE_MAX ((int64_t)1 << 24)

/* ---- Attributes -------------------------------------------------------------------------------------- */

/* The axes that attribute axes lists, in order; all without a list. */
static bool read_axes(spec_ints list, size_t rank, size_t *count, size_t *axes)
{
    bool seen[SIB_MAX_RANK] = {false};
    *count = list.v ? list.n : rank;
    for (size_t i = 0; i < *count; i++) {
        if (!spec_axis(spec_item(list, i, (int64_t)i), rank, &axes[i]) || seen[axes[i]])
            return false;
        seen[axes[i]] = true;
    }
    return true;
}

/* True where an input is present and not known to be empty. */
static bool has_list(const node_view *n, size_t i)
{
    size_t rank;
    int64_t dims[SIB_MAX_RANK];
    if (i >= n->n_in || !n->in[i])
        return false;
    return !cpu_dims(n, n->in[i], &rank, dims) || rank != 1 || dims[0] != 0;
}

/* Reads scales from an attribute or a constant input. */
static bool read_scales(const node_view *n, spec_floats list, bool upsample, size_t count, double *scales)
{
    if (upsample && n->node->version < 9) {
        for (size_t i = 0; i < list.n && i < count; i++)
            scales[i] = (double)list.v[i];
        return list.n == count && n->node->version >= 7;
    }
    size_t input = upsample || n->node->version < 11 ? 1 : 2;
    const sib_tensor *t = input < n->n_in ? cpu_constant(n->in[input]) : NULL;
    if (!t || t->dtype != SIB_F32 || t->rank != 1 || !t->dense || t->count != count)
        return false;
    for (size_t i = 0; i < count; i++)
        scales[i] = (double)((const float *)t->data)[i];
    return true;
}

/* Reads the node, whose input a and output have the same rank. */
static bool read_node(const node_view *n, const cpu_box *a, const cpu_box *out, resize_rule *r,
                      resize_axis *axes)
{
    bool upsample = str_is(n->node->type, "Upsample"), late = !upsample && n->node->version >= 11;
    size_t count, listed[SIB_MAX_RANK];
    double scales[SIB_MAX_RANK];
    resize_spec s = spec_resize(n->node);
    *r = spec_resize_rule(&s);
    if (r->mapping == RESIZE_TF_CROP_AND_RESIZE || !read_axes(s.axes, a->rank, &count, listed))
        return false;
    for (size_t i = 0; i < a->rank; i++)
        axes[i] = (resize_axis){a->dims[i], a->dims[i], 1, 1, 0, 1};
    bool by_size = late && has_list(n, 3);
    if (by_size && (has_list(n, 2) || s.keep_aspect_ratio_policy != RESIZE_STRETCH))
        return false;
    if (!by_size && !read_scales(n, s.scales, upsample, count, scales))
        return false;
    for (size_t i = 0; i < count; i++) {
        resize_axis *x = &axes[listed[i]];
        x->out = out->dims[listed[i]];
        x->up = by_size ? (double)x->out : scales[i];
        x->down = by_size ? (double)x->in : 1;
        if (!(x->up > 0) || isinf(x->up) ||
            (!by_size && (float)x->out != floorf((float)x->in * (float)scales[i])))
            return false;
    }
    return true;
}

/* Plans the kernel; returns false where there is none. */
static bool plan(const node_view *n, cpu_box *a, resize_rule *r, resize_axis *axes)
{
    cpu_box out;
    bool any = false;
    if (!cpu_box_of(n, n->in[0], a) || !cpu_box_of(n, n->out[0], &out) || a->item != out.item ||
        a->rank != out.rank || a->count == 0 || out.count == 0 || !read_node(n, a, &out, r, axes))
        return false;
    if (r->filter != RESIZE_NEAREST && cpu_dtype(n->in[0]) != SIB_F32)
        return false;
    for (size_t i = 0; i < a->rank; i++) {
        int64_t taps = resize_taps(r, &axes[i]);
        if (axes[i].out != out.dims[i] || axes[i].in > INT32_MAX || taps > RESIZE_MAX_TAPS ||
            axes[i].out > TABLE_MAX / taps)
            return false;
        any |= !resize_is_identity(r, &axes[i]);
    }
    return any;
}

/* ---- The kernel -------------------------------------------------------------------------------------- */

static bool claims(const cpu_self *self, const node_view *n)
{
    cpu_box a;
    resize_rule r;
    resize_axis axes[SIB_MAX_RANK];
    (void)self;
    return plan(n, &a, &r, axes);
}

static void release(void *state)
{
    resize_plan_free(state);
    mem_free(state);
}

static sib_code prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    cpu_box a;
    resize_rule r;
    resize_axis axes[SIB_MAX_RANK];
    resize_plan *p = mem_calloc(1, sizeof *p);
    (void)self;
    plan(n, &a, &r, axes);
    if (!p || !resize_plan_make(p, &r, a.rank, axes, a.item)) {
        if (p)
            release(p);
        return err_memory(err, sizeof *p, "the tables of a Resize");
    }
    *state = p;
    return SIB_OK;
}

static sib_code run(const cpu_call *c)
{
    const resize_plan *p = c->state;
    sib_tensor *out = cpu_out(c, 0);
    if (!out)
        return SIB_OK;
    size_t threads = c->self->pool ? sib_pool_threads(c->self->pool) : 1;
    size_t bytes = resize_scratch(p, threads) * p->item;
    char *scratch = bytes ? cpu_scratch_take(c, bytes) : NULL;
    if (bytes && !scratch)
        return cpu_no_memory(c, bytes);
    resize_run(p, out->data, cpu_in(c, 0)->data, scratch, c->self->pool, c->cancel);
    cpu_scratch_give(c, scratch);
    return cpu_cancelled(c);
}

const cpu_kernel cpu_resize = {.claims = claims, .prepare = prepare, .release = release, .run = run};
