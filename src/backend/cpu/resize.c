/* Resize and Upsample whole: nearest for anything, linear and cubic for floats. What their attributes mean is said where
   they are lowered; what is rare stays there. */
#include "kernel/resize/resize.h"
#include "backend/cpu/layout.h"
#include "backend/cpu/scratch.h"

#include <math.h>
#include <string.h>

/* Longest table of an axis. */
#define TABLE_MAX ((int64_t)1 << 24)

/* ---- Attributes -------------------------------------------------------------------------------------- */

/* The place of an attribute's word in a list whose first one it is where it is left out; -1 where it is another. */
static int word_of(const node *n, const char *name, int count, const char *const *words)
{
    for (int i = 0; i < count; i++)
        if (attr_is(n, name, words[0], words[i]))
            return i;
    return -1;
}

static bool read_spec(const node *n, bool upsample, resize_spec *s)
{
    static const char *const filters[] = {"nearest", "linear", "cubic", "bilinear"};
    static const char *const mappings[RESIZE_MAPPINGS] = {"half_pixel",         "half_pixel_symmetric",
                                                          "pytorch_half_pixel", "align_corners",
                                                          "asymmetric",         "tf_half_pixel_for_nn"};
    static const char *const roundings[RESIZE_ROUNDINGS] = {"round_prefer_floor", "round_prefer_ceil",
                                                            "floor", "ceil"};
    int filter = word_of(n, "mode", 4, filters);
    *s = (resize_spec){.filter = filter == 3 ? RESIZE_LINEAR : (resize_filter)filter,
                       .mapping = RESIZE_ASYMMETRIC,
                       .rounding = RESIZE_EARLY};
    if (filter < 0 || upsample || n->version < 11)
        return filter >= 0;
    int mapping = word_of(n, "coordinate_transformation_mode", RESIZE_MAPPINGS, mappings);
    int rounding = word_of(n, "nearest_mode", RESIZE_ROUNDINGS, roundings);
    s->mapping = (resize_mapping)mapping;
    s->rounding = (resize_rounding)rounding;
    s->a = attr_float(n, "cubic_coeff_a", -0.75);
    s->antialias = attr_int(n, "antialias", 0) != 0 && s->filter != RESIZE_NEAREST;
    s->exclude_outside = attr_int(n, "exclude_outside", 0) != 0;
    return mapping >= 0 && rounding >= 0;
}

/* The axes that lists speak of, in order; all without a list. */
static bool read_axes(const node *n, size_t rank, size_t *count, size_t *axes)
{
    bool seen[SIB_MAX_RANK] = {false};
    const int64_t *list = attr_ints(n, "axes", count);
    if (!list)
        *count = rank;
    for (size_t i = 0; i < *count; i++) {
        int64_t at = list ? list[i] : (int64_t)i;
        at += at < 0 ? (int64_t)rank : 0;
        if (at < 0 || at >= (int64_t)rank || seen[at])
            return false;
        seen[at] = true;
        axes[i] = (size_t)at;
    }
    return true;
}

/* True for an input that is there and has elements, or whose number is not known. */
static bool has_list(const node_view *n, size_t i)
{
    size_t rank;
    int64_t dims[SIB_MAX_RANK];
    if (i >= n->n_in || !n->in[i])
        return false;
    return !cpu_dims(n, n->in[i], &rank, dims) || rank != 1 || dims[0] != 0;
}

/* Scales of an attribute or of a constant input. */
static bool read_scales(const node_view *n, bool upsample, size_t count, double *scales)
{
    if (upsample && n->node->version < 9) {
        size_t given;
        const float *list = attr_floats(n->node, "scales", &given);
        for (size_t i = 0; list && i < given && i < count; i++)
            scales[i] = (double)list[i];
        return list && given == count && n->node->version >= 7;
    }
    size_t input = upsample || n->node->version < 11 ? 1 : 2;
    const sib_tensor *t = input < n->n_in ? cpu_constant(n->in[input]) : NULL;
    if (!t || t->dtype != SIB_F32 || t->rank != 1 || !t->dense || t->count != count)
        return false;
    for (size_t i = 0; i < count; i++)
        scales[i] = (double)((const float *)t->data)[i];
    return true;
}

/* What the node asks for, for input and output a and out of the same rank. */
static bool read_node(const node_view *n, const cpu_box *a, const cpu_box *out, resize_spec *s,
                      resize_axis *axes)
{
    bool upsample = str_is(n->node->type, "Upsample"), late = !upsample && n->node->version >= 11;
    size_t count, listed[SIB_MAX_RANK];
    double scales[SIB_MAX_RANK];
    if (!read_spec(n->node, upsample, s) || !read_axes(n->node, a->rank, &count, listed))
        return false;
    for (size_t i = 0; i < a->rank; i++)
        axes[i] = (resize_axis){a->dims[i], a->dims[i], 1, 1};
    bool by_size = late && has_list(n, 3);
    if (by_size && (has_list(n, 2) || !attr_is(n->node, "keep_aspect_ratio_policy", "stretch", "stretch")))
        return false;
    if (!by_size && !read_scales(n, upsample, count, scales))
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

/* True where a kernel takes it. */
static bool plan(const node_view *n, cpu_box *a, resize_spec *s, resize_axis *axes)
{
    cpu_box out;
    bool any = false;
    if (!cpu_box_of(n, n->in[0], a) || !cpu_box_of(n, n->out[0], &out) || a->item != out.item ||
        a->rank != out.rank || a->count == 0 || out.count == 0 || !read_node(n, a, &out, s, axes))
        return false;
    if (s->filter != RESIZE_NEAREST && cpu_dtype(n->in[0]) != SIB_F32)
        return false;
    for (size_t i = 0; i < a->rank; i++) {
        int64_t taps = resize_taps(s, &axes[i]);
        if (axes[i].out != out.dims[i] || axes[i].in > INT32_MAX || taps > RESIZE_MAX_TAPS ||
            axes[i].out > TABLE_MAX / taps)
            return false;
        any |= !resize_is_identity(s, &axes[i]);
    }
    return any;
}

/* ---- The kernel -------------------------------------------------------------------------------------- */

static bool claims(const cpu_self *self, const node_view *n)
{
    cpu_box a;
    resize_spec s;
    resize_axis axes[SIB_MAX_RANK];
    (void)self;
    return plan(n, &a, &s, axes);
}

static void release(void *state)
{
    resize_plan_free(state);
    mem_free(state);
}

static sib_code prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    cpu_box a;
    resize_spec s;
    resize_axis axes[SIB_MAX_RANK];
    resize_plan *p = mem_calloc(1, sizeof *p);
    (void)self;
    plan(n, &a, &s, axes);
    if (!p || !resize_plan_make(p, &s, a.rank, axes, a.item)) {
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
    resize_run(p, out->data, cpu_in(c, 0)->data, scratch, c->self->pool);
    cpu_scratch_give(c, scratch);
    return SIB_OK;
}

const cpu_kernel cpu_resize = {.claims = claims, .prepare = prepare, .release = release, .run = run};
