/* Conv as a whole: ONNX Conv, com.microsoft FusedConv. */
#include "backend/cpu/conv.h"

#include "backend/cpu/scratch.h"
#include "base/cancel.h"

#include <stdio.h>

typedef struct conv_state {
    conv2d_plan plan;
    const float *w; /* packed, or NULL where the weights are no constant */
    void *owned;
    unsigned workers;
} conv_state;

/* ---- Claiming ------------------------------------------------------------------------------------------ */

/* The convolution that a node with inputs x, w and perhaps a bias [M] is; false where it is not one that is run here. */
static bool read_conv(const node_view *n, conv2d_shape *out)
{
    int64_t w[SIB_MAX_RANK], bias[SIB_MAX_RANK], group = attr_int(n->node, "group", 1);
    size_t rank, bias_rank;
    cpu_windows g;
    if (n->n_in < 2 || n->n_out < 1 || !n->in[0] || !n->in[1] || !cpu_dims(n, n->in[1], &rank, w) ||
        rank < 3 || !cpu_windows_read(n, n->in[0], n->out[0], w + 2, &g) || rank != g.n + 2)
        return false;
    if (group < 1 || w[0] < 1 || w[1] < 1 || w[0] % group || (int64_t)g.channels != w[1] * group)
        return false;
    if (n->n_in > 2 && n->in[2] &&
        (!cpu_dims(n, n->in[2], &bias_rank, bias) || bias_rank != 1 || bias[0] != w[0]))
        return false;
    *out = (conv2d_shape){
        .batch = g.batch, .groups = (size_t)group, .c = (size_t)w[1], .m = (size_t)(w[0] / group)};
    for (int i = 0; i < CONV2D_AXES; i++)
        out->axis[i] = g.axis[i];
    return true;
}

static bool all_f32(const node_view *n)
{
    for (size_t i = 0; i < n->n_in; i++)
        if (n->in[i] && cpu_dtype(n->in[i]) != SIB_F32)
            return false;
    return cpu_dtype(n->out[0]) == SIB_F32;
}

static bool conv_claims(const cpu_self *self, const node_view *n)
{
    conv2d_shape shape;
    (void)self;
    return n->n_out >= 1 && n->out[0] && all_f32(n) && read_conv(n, &shape);
}

/* ---- Preparing ----------------------------------------------------------------------------------------- */

typedef struct packing {
    const conv2d_plan *plan;
    const sib_tensor *w;
} packing;

static void pack_weights(void *context, void *out)
{
    const packing *p = context;
    conv2d_pack(p->plan, (const float *)(const void *)p->w->data, out);
}

static void conv_release(void *state)
{
    conv_state *s = state;
    conv2d_plan_free(&s->plan);
    mem_free(s->owned);
    mem_free(s);
}

static sib_code conv_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    conv2d_shape shape;
    unsigned threads = self->pool ? sib_pool_threads(self->pool) : 1;
    conv_state *s = mem_calloc(1, sizeof *s);
    if (!s)
        return err_memory(err, sizeof *s, "a convolution");
    read_conv(n, &shape);
    sib_code code = conv2d_plan_make(self->kernels, &shape, threads, &s->plan, err);
    const sib_tensor *w = cpu_constant(n->in[1]);
    if (code == SIB_OK && w) {
        char how[64];
        const void *packed;
        snprintf(how, sizeof how, "conv2d f32 %zu of %zu", s->plan.panels, shape.groups);
        code = cpu_pack_filled(self, n->in[1], how, conv2d_packed_floats(&s->plan) * sizeof(float),
                               pack_weights, &(packing){&s->plan, w}, &packed, &s->owned, err);
        if (code == SIB_OK)
            s->w = packed;
    }
    s->workers = conv2d_workers(&s->plan, threads);
    *state = s;
    if (code != SIB_OK) {
        conv_release(s);
        *state = NULL;
    }
    return code;
}

/* ---- Running --------------------------------------------------------------------------------------------- */

/* Scratch up to this many floats stands on the stack. */
#define STACK_FLOATS 2048

static void finish_part(const void *context, size_t begin, size_t count)
{
    const cpu_call *c = context;
    c->finish(c, begin, count);
}

static const float *floats_of(const sib_tensor *t)
{
    return t ? (const float *)(const void *)t->data : NULL;
}

static sib_code conv_run(const cpu_call *c)
{
    const conv_state *s = c->state;
    float stack[STACK_FLOATS] __attribute__((aligned(64)));
    const sib_tensor *x = cpu_in(c, 0), *w = cpu_in(c, 1);
    size_t packed = s->w ? 0 : conv2d_packed_floats(&s->plan);
    size_t floats = packed + 16 + s->plan.scratch_floats * s->workers;
    float *scratch = stack, *taken = NULL;
    if (floats > STACK_FLOATS) {
        scratch = taken = cpu_scratch_take(c, floats * sizeof *taken);
        if (!taken)
            return cpu_no_memory(c, floats * sizeof *taken);
    }
    if (packed)
        conv2d_pack(&s->plan, floats_of(w), scratch);
    conv2d_call call = {.plan = &s->plan,
                        .x = floats_of(x),
                        .w = s->w ? s->w : scratch,
                        .bias = floats_of(cpu_in(c, 2)),
                        .y = (float *)(void *)cpu_out(c, 0)->data,
                        .scratch = scratch + (packed + 15) / 16 * 16,
                        .finish = c->finish ? finish_part : NULL,
                        .context = c,
                        .cancel = c->cancel};
    conv2d_run(&call, c->self->pool);
    cpu_scratch_give(c, taken);
    return cancel_is_set(c->cancel) ? cpu_fail(c, SIB_ERR_CANCELLED, "the run was cancelled") : SIB_OK;
}

/* Packed weights are not looked at again. */
static bool conv_reads(const void *state, size_t i)
{
    return i != 1 || !((const conv_state *)state)->w;
}

const cpu_kernel cpu_conv = {.claims = conv_claims,
                             .prepare = conv_prepare,
                             .release = conv_release,
                             .run = conv_run,
                             .reads = conv_reads,
                             .takes_finish = true};
