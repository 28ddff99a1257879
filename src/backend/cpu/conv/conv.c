/* Convolutions: ONNX Conv, ConvInteger and QLinearConv, com.microsoft FusedConv. */
#include "backend/cpu/conv/conv.h"

#include "backend/cpu/call/scratch.h"
#include "base/cancel.h"
#include "kernel/conv/conv.h"

#include <stdio.h>
#include <string.h>

/* Indices of the inputs; NO_INPUT where an operator lacks one. */
#define NO_INPUT SIZE_MAX
typedef struct conv_inputs {
    size_t x, w, bias, x_zero, w_zero, x_scale, w_scale, y_scale, y_zero;
} conv_inputs;

static const conv_inputs of_floats = {0, 1, 2, NO_INPUT, NO_INPUT, NO_INPUT, NO_INPUT, NO_INPUT, NO_INPUT};
static const conv_inputs of_integers = {0, 1, NO_INPUT, 2, 3, NO_INPUT, NO_INPUT, NO_INPUT, NO_INPUT};
static const conv_inputs of_quantized = {0, 3, 8, 2, 5, 1, 4, 6, 7};

/* What FusedConv does with its sums, in place; z, if not NULL, is added first. */
typedef struct conv_activation {
    fused_activation kind;
    float a, b;
} conv_activation;

typedef struct conv_state {
    conv2d_plan plan;
    conv2d_int bytes;           /* used instead of the plan's floats if its tiles are set */
    conv2d_winograd transforms; /* likewise, if its form is set */
    conv2d_halves halves;       /* likewise, if in use */
    const conv_inputs *inputs;
    sib_dtype w_dtype;
    const float *w; /* packed; NULL where the weights are not constant */
    void *owned;
    conv_activation activation;
    bool fused;      /* an activation, or a sum with input 3, follows */
    size_t features; /* of y */
    unsigned workers;
    size_t packed_floats, scratch_floats; /* per run: for weights; for threads */
} conv_state;

/* ---- Claiming ------------------------------------------------------------------------------------------ */

static const value *input(const node_view *n, size_t i)
{
    return i < n->n_in ? n->in[i] : NULL;
}

/* True where an input is absent, or has one element, or, if `each`, `features` elements. */
static bool is_parameter(const node_view *n, size_t i, bool each, int64_t features)
{
    int64_t dims[SIB_MAX_RANK];
    size_t rank;
    const value *v = input(n, i);
    if (!v)
        return true;
    return cpu_dims(n, v, &rank, dims) &&
           (!rank || (rank == 1 && (dims[0] == 1 || (each && dims[0] == features))));
}

/* Reads the convolution of a node; false where this kernel does not run it. */
static bool read_conv(const node_view *n, const conv_inputs *inputs, conv2d_shape *out)
{
    conv_spec spec = spec_conv(n->node);
    int64_t w[SIB_MAX_RANK], group = spec.group;
    size_t rank;
    cpu_windows g;
    const value *weights = input(n, inputs->w);
    if (n->n_out != 1 || !n->out[0] || !input(n, inputs->x) || !weights || !cpu_dims(n, weights, &rank, w) ||
        rank < 3 || !cpu_windows_read(n, &spec.spatial, n->in[inputs->x], n->out[0], w + 2, &g) ||
        rank != g.n + 2)
        return false;
    if (group < 1 || w[0] < 1 || w[1] < 1 || w[0] % group || (int64_t)g.channels != w[1] * group)
        return false;
    const value *bias = input(n, inputs->bias);
    int64_t dims[SIB_MAX_RANK];
    if (bias && (!cpu_dims(n, bias, &rank, dims) || rank != 1 || dims[0] != w[0]))
        return false;
    if (!is_parameter(n, inputs->x_zero, false, 0) || !is_parameter(n, inputs->w_zero, true, w[0]) ||
        !is_parameter(n, inputs->x_scale, false, 0) || !is_parameter(n, inputs->w_scale, true, w[0]) ||
        !is_parameter(n, inputs->y_scale, false, 0) || !is_parameter(n, inputs->y_zero, false, 0))
        return false;
    *out = (conv2d_shape){.x = cpu_dtype(n->in[inputs->x]),
                          .y = cpu_dtype(n->out[0]),
                          .batch = g.batch,
                          .groups = (size_t)group,
                          .c = (size_t)w[1],
                          .m = (size_t)(w[0] / group)};
    memcpy(out->axis, g.axis, sizeof out->axis);
    return true;
}

static bool is_byte(sib_dtype dtype)
{
    return dtype == SIB_U8 || dtype == SIB_I8;
}

static bool is_or_none(const node_view *n, size_t i, sib_dtype dtype)
{
    return !input(n, i) || cpu_dtype(input(n, i)) == dtype;
}

static bool conv_claims(const cpu_self *self, const node_view *n)
{
    conv2d_shape shape;
    (void)self;
    if (!read_conv(n, &of_floats, &shape))
        return false;
    return (shape.x == SIB_F32 || shape.x == SIB_F16 || shape.x == SIB_BF16) && shape.y == shape.x &&
           cpu_dtype(n->in[1]) == shape.x && is_or_none(n, 2, shape.x);
}

/* Reads the activation of FusedConv; false where this kernel does not run it. */
static bool read_activation(const node *n, conv_activation *out)
{
    conv_spec spec = spec_conv(n);
    spec_floats given = spec.activation_params;
    *out = (conv_activation){spec.activation, given.n > 0 ? given.v[0] : 0, given.n > 1 ? given.v[1] : 0};
    return out->kind != FUSED_TANH && out->kind != FUSED_SIGMOID;
}

/* Claims FusedConv; Z must have the dims of Y. */
static bool fused_claims(const cpu_self *self, const node_view *n)
{
    conv_activation activation;
    int64_t y[SIB_MAX_RANK], z[SIB_MAX_RANK];
    size_t rank, z_rank;
    if (!conv_claims(self, n) || cpu_dtype(n->out[0]) != SIB_F32 || !read_activation(n->node, &activation))
        return false;
    return !input(n, 3) ||
           (cpu_dtype(n->in[3]) == SIB_F32 && cpu_dims(n, n->out[0], &rank, y) &&
            cpu_dims(n, n->in[3], &z_rank, z) && rank == z_rank && !memcmp(y, z, rank * sizeof *y));
}

/* True where x and w are 8-bit integers with zero points of their dtype. */
static bool of_bytes(const node_view *n, const conv_inputs *inputs, const conv2d_shape *s)
{
    sib_dtype w = cpu_dtype(n->in[inputs->w]);
    return is_byte(s->x) && is_byte(w) && is_or_none(n, inputs->x_zero, s->x) &&
           is_or_none(n, inputs->w_zero, w);
}

static bool integer_claims(const cpu_self *self, const node_view *n)
{
    conv2d_shape shape;
    (void)self;
    return read_conv(n, &of_integers, &shape) && of_bytes(n, &of_integers, &shape) && shape.y == SIB_I32;
}

static bool quantized_claims(const cpu_self *self, const node_view *n)
{
    conv2d_shape shape;
    (void)self;
    for (size_t i = 0; i < 8; i++)
        if (!input(n, i))
            return false;
    return !spec_conv(n->node).channels_last && read_conv(n, &of_quantized, &shape) &&
           of_bytes(n, &of_quantized, &shape) && is_byte(shape.y) && cpu_dtype(n->in[1]) == SIB_F32 &&
           cpu_dtype(n->in[4]) == SIB_F32 && cpu_dtype(n->in[6]) == SIB_F32 && is_or_none(n, 8, SIB_I32);
}

/* ---- Preparing ----------------------------------------------------------------------------------------- */

/* Reads zero points (max n); *each: one per output channel. Returns zeros, or NULL where there are none. */
static const int32_t *read_zeros(const sib_tensor *t, int32_t *zeros, bool *each)
{
    *each = t && t->count > 1;
    if (!t)
        return NULL;
    for (size_t i = 0; i < t->count; i++)
        zeros[i] = t->dtype == SIB_U8 ? ((const uint8_t *)t->data)[i] : ((const int8_t *)t->data)[i];
    return zeros;
}

typedef struct packing {
    const conv_state *s;
    conv2d_weights w;
} packing;

static sib_code pack_into(const conv_state *s, const conv2d_weights *w, void *out, sib_error *err)
{
    if (s->halves.used)
        return conv2d_halves_pack(&s->halves, w, out, err);
    if (s->bytes.tiles)
        conv2d_int_pack(&s->bytes, &s->plan, w, out);
    else if (s->transforms.form)
        conv2d_winograd_pack(&s->transforms, &s->plan, w->elements, out);
    else
        conv2d_pack(&s->plan, w, out);
    return SIB_OK;
}

static sib_code pack_weights(void *context, const void *elements, void *out, sib_error *err)
{
    packing *p = context;
    p->w.elements = elements;
    return pack_into(p->s, &p->w, out, err);
}

static void conv_release(void *state)
{
    conv_state *s = state;
    conv2d_plan_free(&s->plan);
    conv2d_int_free(&s->bytes);
    conv2d_halves_free(&s->halves);
    mem_free(s->owned);
    mem_free(s);
}

/* Packs weights if they and their zero points are constant. */
static sib_code prepare_weights(const cpu_self *self, const node_view *n, conv_state *s, sib_error *err)
{
    const value *v = n->in[s->inputs->w], *zero_of = input(n, s->inputs->w_zero);
    const sib_tensor *zero = cpu_constant(zero_of);
    const void *packed;
    char how[96];
    packing p = {.s = s};
    if (!v->constant || (zero_of && !zero))
        return SIB_OK;
    int32_t *zeros = mem_alloc(s->features, sizeof *zeros);
    if (!zeros)
        return err_memory(err, s->features * sizeof *zeros, "zero points");
    p.w = (conv2d_weights){.dtype = s->w_dtype};
    p.w.zero = read_zeros(zero, zeros, &p.w.zero_each);
    /* one packing per tensor of zero points that the weights are used with */
    const char *form = s->plan.features ? " features" : "";
    snprintf(how, sizeof how, "conv2d%s %zu of %zu, %zu, zero %p", form, s->plan.panels, s->plan.s.groups,
             s->plan.few_width, (const void *)zero);
    value shared = *v;
    shared.lasting &= !zero_of || zero_of->lasting;
    shared.from_file &= !zero_of || zero_of->from_file;
    if (s->bytes.tiles)
        snprintf(how, sizeof how, "conv2d bytes %zu, %zu of %zu, zero %p", s->plan.s.groups, s->bytes.run,
                 s->bytes.groups, (const void *)zero);
    const conv2d_winograd *t = s->halves.used ? &s->halves.transforms : &s->transforms;
    if (t->form)
        snprintf(how, sizeof how, "conv2d transforms %zu, %zu", t->m, t->group);
    size_t bytes = s->packed_floats * sizeof(float);
    sib_code code = cpu_pack(self, &shared, how, bytes, pack_weights, &p, &packed, &s->owned, err);
    if (code == SIB_OK) {
        s->w = packed;
        s->packed_floats = 0;
    }
    mem_free(zeros);
    return code;
}

static size_t round_to_lines(size_t floats)
{
    return (floats + 15) / 16 * 16;
}

static sib_code prepare(const cpu_self *self, const node_view *n, const conv_inputs *inputs, void **state,
                        sib_error *err)
{
    conv2d_shape shape;
    unsigned threads = self->pool ? sib_pool_threads(self->pool) : 1;
    conv_state *s = mem_calloc(1, sizeof *s);
    *state = NULL;
    if (!s)
        return err_memory(err, sizeof *s, "a convolution");
    cpu_claimed(read_conv(n, inputs, &shape));
    s->inputs = inputs;
    s->w_dtype = cpu_dtype(n->in[inputs->w]);
    s->features = shape.groups * shape.m;
    bool constant = n->in[inputs->w]->constant;
    sib_code code = cpu_conv_tune(self, constant, &shape, err);
    if (code == SIB_OK)
        code = conv2d_plan_make(self->kernels, &shape, threads, &s->plan, err);
    if (code == SIB_OK)
        code = conv2d_int_make(&s->plan, threads, &s->bytes, err);
    if (code == SIB_OK && constant) {
        conv2d_winograd_make_method(&s->plan, threads, shape.method, &s->transforms);
        code = conv2d_halves_make(&s->plan, threads, &s->halves, err);
    }
    if (code == SIB_OK) {
        s->packed_floats = s->bytes.tiles       ? s->bytes.packed_floats
                           : s->transforms.form ? s->transforms.packed_floats
                           : s->halves.used     ? s->halves.transforms.packed_floats
                                                : round_to_lines(conv2d_packed_floats(&s->plan));
        code = prepare_weights(self, n, s, err);
    }
    s->workers = conv2d_workers(&s->plan, threads);
    s->scratch_floats = round_to_lines(s->plan.scratch_floats * s->workers);
    if (s->bytes.tiles) {
        s->workers = (unsigned)s->bytes.workers;
        s->scratch_floats = s->bytes.scratch_floats * s->workers;
    } else if (s->transforms.form) {
        s->workers = s->transforms.workers;
        s->scratch_floats = s->transforms.scratch_floats * s->workers;
    } else if (s->halves.used) {
        s->workers = s->halves.transforms.workers;
        s->scratch_floats = s->halves.scratch_floats;
    }
    if (code == SIB_OK)
        *state = s;
    else
        conv_release(s);
    return code;
}

static sib_code conv_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    return prepare(self, n, &of_floats, state, err);
}

static sib_code fused_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    sib_code code = prepare(self, n, &of_floats, state, err);
    conv_state *s = *state;
    if (code != SIB_OK)
        return code;
    read_activation(n->node, &s->activation);
    s->fused = s->activation.kind != FUSED_NONE || input(n, 3);
    return SIB_OK;
}

static sib_code integer_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    return prepare(self, n, &of_integers, state, err);
}

static sib_code quantized_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    return prepare(self, n, &of_quantized, state, err);
}

/* ---- Running ------------------------------------------------------------------------------------------- */

/* NaN stays NaN. */
static float clamped(float x, float low, float high)
{
    x = x < low ? low : x;
    return x > high ? high : x;
}

static void activate(const conv_activation *f, const float *z, float *y, size_t n)
{
    for (size_t i = 0; i < n && z; i++)
        y[i] += z[i];
    switch (f->kind) {
    case FUSED_RELU:
        for (size_t i = 0; i < n; i++)
            y[i] = y[i] < 0 ? 0 : y[i];
        return;
    case FUSED_LEAKY_RELU:
        for (size_t i = 0; i < n; i++)
            y[i] = y[i] < 0 ? y[i] * f->a : y[i];
        return;
    case FUSED_CLIP:
        for (size_t i = 0; i < n; i++)
            y[i] = clamped(y[i], f->a, f->b);
        return;
    case FUSED_HARD_SIGMOID:
        for (size_t i = 0; i < n; i++)
            y[i] = clamped(y[i] * f->a + f->b, 0, 1);
        return;
    default: /* no activation */
        return;
    }
}

static void finish_part(const void *context, size_t begin, size_t count)
{
    const cpu_call *c = context;
    const conv_state *s = c->state;
    if (s->fused) {
        const sib_tensor *z = cpu_in(c, 3);
        activate(&s->activation, z ? (const float *)(const void *)z->data + begin : NULL,
                 (float *)(void *)cpu_out(c, 0)->data + begin, count);
    }
    if (c->finish)
        c->finish(c, begin, count);
}

static const sib_tensor *tensor_in(const cpu_call *c, size_t i)
{
    return i == NO_INPUT ? NULL : cpu_in(c, i);
}

static int32_t zero_of(const sib_tensor *t)
{
    int32_t zero = 0;
    bool each;
    read_zeros(t, &zero, &each);
    return zero;
}

/* x_scale * w_scale / y_scale in double. */
static void read_scales(const cpu_call *c, const conv_inputs *in, conv2d_call *call, double *scales)
{
    const sib_tensor *w = tensor_in(c, in->w_scale);
    if (!w)
        return;
    double x = (double)*(const float *)(const void *)tensor_in(c, in->x_scale)->data;
    double y = (double)*(const float *)(const void *)tensor_in(c, in->y_scale)->data;
    for (size_t i = 0; i < w->count; i++)
        scales[i] = x * (double)((const float *)(const void *)w->data)[i] / y;
    call->scale = scales;
    call->scale_each = w->count > 1;
}

/* Reads bias, zero points and scales; numbers: (3 * features) doubles. */
static void read_parameters(const cpu_call *c, const conv_state *s, conv2d_call *call, double *numbers)
{
    const conv_inputs *in = s->inputs;
    const sib_tensor *bias = tensor_in(c, in->bias);
    call->x_zero = zero_of(tensor_in(c, in->x_zero));
    call->y_zero = zero_of(tensor_in(c, in->y_zero));
    read_scales(c, in, call, numbers);
    if (!bias)
        return;
    if (bias->dtype == SIB_I32)
        call->int_bias = (const int32_t *)(const void *)bias->data;
    else if (bias->dtype == SIB_F32)
        call->bias = (const float *)(const void *)bias->data;
    else {
        float *wide = (float *)(numbers + s->features);
        conv2d_widen(&s->plan, bias->dtype, bias->data, 0, s->features, wide);
        call->bias = wide;
    }
}

/* Packs weights that are not constant. */
static void pack_now(const cpu_call *c, const conv_state *s, int32_t *zeros, float *dst)
{
    conv2d_weights w = {.dtype = s->w_dtype, .elements = cpu_in(c, s->inputs->w)->data};
    w.zero = read_zeros(tensor_in(c, s->inputs->w_zero), zeros, &w.zero_each);
    pack_into(s, &w, dst, NULL); /* only packing of constants can fail */
}

/* Max floats of scratch on the stack. */
#define STACK_FLOATS 2048

static sib_code conv_run(const cpu_call *c)
{
    const conv_state *s = c->state;
    float stack[STACK_FLOATS] __attribute__((aligned(64)));
    bool plain = s->plan.s.x == SIB_F32;
    size_t numbers = plain ? 0 : round_to_lines(6 * s->features);
    size_t floats = numbers + s->packed_floats + s->scratch_floats;
    float *scratch = stack, *taken = NULL;
    if (floats > STACK_FLOATS) {
        scratch = taken = cpu_scratch_take(c, floats * sizeof *taken);
        if (!taken)
            return cpu_no_memory(c, floats * sizeof *taken);
    }
    float *packed = scratch + numbers;
    conv2d_call call = {.plan = &s->plan,
                        .x = cpu_in(c, s->inputs->x)->data,
                        .w = s->w ? s->w : packed,
                        .y = cpu_out(c, 0)->data,
                        .scratch = packed + s->packed_floats,
                        .finish = c->finish || s->fused ? finish_part : NULL,
                        .context = c,
                        .cancel = c->cancel};
    if (c->clamp) {
        call.clamped = true;
        call.low = c->clamp->low;
        call.high = c->clamp->high;
    }
    if (!s->w)
        pack_now(c, s, (int32_t *)(void *)(scratch + 4 * s->features), packed);
    read_parameters(c, s, &call, (double *)(void *)scratch);
    if (s->bytes.tiles)
        conv2d_int_run(&s->bytes, &call, c->self->pool);
    else if (s->transforms.form)
        conv2d_winograd_run(&s->transforms, &call, c->self->pool);
    else if (s->halves.used)
        conv2d_halves_run(&s->halves, &call, c->self->pool);
    else
        conv2d_run(&call, c->self->pool);
    cpu_scratch_give(c, taken);
    return cancel_is_set(c->cancel) ? cpu_fail(c, SIB_ERR_CANCELLED, "the run was cancelled") : SIB_OK;
}

/* The elements of packed weights are not read again. */
static bool conv_reads(const void *state, size_t i)
{
    const conv_state *s = state;
    return i != s->inputs->w || !s->w;
}

static const char *conv_method(const void *state)
{
    const conv_state *s = state;
    const conv2d_plan *p = &s->plan;
    return s->halves.used || s->transforms.form ? "conv winograd"
           : s->bytes.tiles                     ? "conv bytes"
           : p->in_lanes                        ? "conv lanes"
           : p->plane_run                       ? "conv planes"
           : p->few_width                       ? "conv few pixels"
           : p->features                        ? "conv features"
           : p->flat                            ? "conv joined rows"
           : p->direct                          ? "conv pixels"
                                                : "conv copied pixels";
}

const cpu_kernel cpu_conv = {.claims = conv_claims,
                             .prepare = conv_prepare,
                             .release = conv_release,
                             .run = conv_run,
                             .reads = conv_reads,
                             .method = conv_method,
                             .takes_finish = true,
                             .takes_clamp = true};
const cpu_kernel cpu_conv_integer = {.claims = integer_claims,
                                     .prepare = integer_prepare,
                                     .release = conv_release,
                                     .run = conv_run,
                                     .reads = conv_reads,
                                     .method = conv_method,
                                     .takes_finish = true};
const cpu_kernel cpu_conv_quantized = {.claims = quantized_claims,
                                       .prepare = quantized_prepare,
                                       .release = conv_release,
                                       .run = conv_run,
                                       .reads = conv_reads,
                                       .method = conv_method,
                                       .takes_finish = true};
const cpu_kernel cpu_conv_fused = {.claims = fused_claims,
                                   .prepare = fused_prepare,
                                   .release = conv_release,
                                   .run = conv_run,
                                   .reads = conv_reads,
                                   .method = conv_method,
                                   .takes_finish = true};
