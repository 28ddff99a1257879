/* The operator ConvTranspose. */
#include "backend/cpu/call/scratch.h"
#include "backend/cpu/conv/conv.h"
#include "base/cancel.h"
#include "kernel/conv/conv.h"

#include <stdio.h>
#include <string.h>

typedef struct transposed_state {
    conv_transposed plan;
    const float *w; /* packed; NULL where the weights are not constant */
    void *owned;
} transposed_state;

/* ---- Claiming ------------------------------------------------------------------------------------------ */

/* Sets the number of elements cropped before each axis where it follows from the wanted size, not from
   pads. */
static void read_cut(const conv_spec *spec, cpu_windows *g)
{
    auto_pad padding = spec->spatial.auto_pad;
    for (size_t i = 0; i < g->n && (spec->output_shape.n || spec_pads_same(padding)); i++) {
        conv2d_axis *a = &g->axis[CONV2D_AXES - g->n + i];
        int64_t behind = spec_item(spec->output_padding, i, 0);
        int64_t extent = (int64_t)((a->kernel - 1) * a->dilation + 1) + behind;
        int64_t excess = spec_pads_excess((int64_t)a->in, (int64_t)a->stride, extent, (int64_t)a->out);
        a->before = (size_t)spec_pads_before(padding, excess);
    }
}

static bool read_node(const node_view *n, conv_transposed *out)
{
    conv_spec spec = spec_conv(n->node);
    int64_t w[SIB_MAX_RANK], bias[SIB_MAX_RANK], group = spec.group;
    size_t rank, bias_rank;
    cpu_windows g;
    if (n->n_in < 2 || n->n_out != 1 || !n->in[0] || !n->in[1] || !n->out[0] ||
        cpu_dtype(n->in[0]) != SIB_F32 || cpu_dtype(n->in[1]) != SIB_F32 ||
        !cpu_dims(n, n->in[1], &rank, w) || rank < 3 ||
        !cpu_windows_read(n, &spec.spatial, n->in[0], n->out[0], w + 2, &g) || rank != g.n + 2)
        return false;
    read_cut(&spec, &g);
    if (group < 1 || w[1] < 1 || w[0] != (int64_t)g.channels || w[0] % group)
        return false;
    if (n->n_in > 2 && n->in[2] &&
        (cpu_dtype(n->in[2]) != SIB_F32 || !cpu_dims(n, n->in[2], &bias_rank, bias) || bias_rank != 1 ||
         bias[0] != w[1] * group))
        return false;
    *out = (conv_transposed){
        .batch = g.batch, .groups = (size_t)group, .c = (size_t)(w[0] / group), .m = (size_t)w[1]};
    memcpy(out->axis, g.axis, sizeof out->axis);
    return true;
}

static bool transposed_claims(const cpu_self *self, const node_view *n)
{
    conv_transposed plan;
    (void)self;
    return read_node(n, &plan) && conv_transposed_make(&plan, 1);
}

/* ---- Preparing ----------------------------------------------------------------------------------------- */

static sib_code pack_weights(void *context, const void *elements, void *out, sib_error *err)
{
    (void)err;
    float *odd = (float *)out + conv_transposed_packed_floats(context);
    bool is_odd;
    conv_transposed_pack(context, elements, out, &is_odd);
    *odd = is_odd;
    return SIB_OK;
}

static void transposed_release(void *state)
{
    mem_free(((transposed_state *)state)->owned);
    mem_free(state);
}

static sib_code transposed_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    transposed_state *s = mem_calloc(1, sizeof *s);
    const void *packed = NULL;
    *state = NULL;
    if (!s)
        return err_memory(err, sizeof *s, "a convolution");
    read_node(n, &s->plan);
    conv_transposed_make(&s->plan, self->pool ? sib_pool_threads(self->pool) : 1);
    if (n->in[1]->constant) {
        size_t floats = conv_transposed_packed_floats(&s->plan);
        char how[64];
        snprintf(how, sizeof how, "transposed convolution of %zu", s->plan.groups);
        sib_code code = cpu_pack(self, n->in[1], how, (floats + 1) * sizeof(float), pack_weights, &s->plan,
                                 &packed, &s->owned, err);
        if (code != SIB_OK) {
            transposed_release(s);
            return code;
        }
        s->w = packed;
        s->plan.odd_weights = s->w[floats] != 0; /* set by packing, after the weights */
    }
    *state = s;
    return SIB_OK;
}

/* ---- Running ------------------------------------------------------------------------------------------- */

static void finish_part(const void *context, size_t begin, size_t count)
{
    const cpu_call *c = context;
    c->finish(c, begin, count);
}

static sib_code transposed_run(const cpu_call *c)
{
    const transposed_state *s = c->state;
    conv_transposed plan = s->plan;
    const sib_tensor *bias = c->view->n_in > 2 ? cpu_in(c, 2) : NULL;
    size_t weights = s->w ? 0 : (conv_transposed_packed_floats(&plan) + 15) / 16 * 16;
    size_t bytes = (weights + plan.work_floats * plan.workers) * sizeof(float);
    float *scratch = cpu_scratch_take(c, bytes);
    if (!scratch)
        return cpu_no_memory(c, bytes);
    if (!s->w)
        conv_transposed_pack(&plan, (const float *)(const void *)cpu_in(c, 1)->data, scratch,
                             &plan.odd_weights);
    conv_transposed_call call = {.t = &plan,
                                 .x = (const float *)(const void *)cpu_in(c, 0)->data,
                                 .w = s->w ? s->w : scratch,
                                 .bias = bias ? (const float *)(const void *)bias->data : NULL,
                                 .y = (float *)(void *)cpu_out(c, 0)->data,
                                 .scratch = scratch + weights,
                                 .finish = c->finish ? finish_part : NULL,
                                 .context = c,
                                 .cancel = c->cancel};
    conv_transposed_run(&call, c->self->pool);
    cpu_scratch_give(c, scratch);
    return cancel_is_set(c->cancel) ? cpu_fail(c, SIB_ERR_CANCELLED, "the run was cancelled") : SIB_OK;
}

/* The elements of packed weights are not read again. */
static bool transposed_reads(const void *state, size_t i)
{
    return i != 1 || !((const transposed_state *)state)->w;
}

const cpu_kernel cpu_conv_transposed = {.claims = transposed_claims,
                                        .prepare = transposed_prepare,
                                        .release = transposed_release,
                                        .run = transposed_run,
                                        .reads = transposed_reads,
                                        .takes_finish = true};
