/* QuantizeLinear, DequantizeLinear and DynamicQuantizeLinear: float32 from and to 8- and 16-bit integers. */
#include "backend/cpu/call/rows.h"
#include "backend/cpu/call/scratch.h"
#include "base/cancel.h"

#include <math.h>

/* ---- With given scales ----------------------------------------------------------------------------- */

typedef struct linear_state {
    cpu_lines lines; /* around the axis of the scales; [1, 1, count] for a single scale */
    quantize_to to;  /* NULL: dequantizes */
    quantize_from from;
    sib_dtype dtype;    /* of the integers */
    size_t item;        /* bytes of one */
    size_t n_scale;     /* 1 or lines.size */
    size_t n_zero;      /* 1 or lines.size, 0 without zero points */
    bool constant;      /* scales and zero points are constant */
    float parameters[]; /* scale, zero: (2, lines.size), if constant */
} linear_state;

/* Elements of a parameter: 1, or `size` along the axis; 0 where it is not supported. */
static size_t parameter_count(const node_view *n, const value *v, sib_dtype dtype, size_t size)
{
    size_t rank;
    int64_t dims[SIB_MAX_RANK];
    if (cpu_dtype(v) != dtype || !cpu_dims(n, v, &rank, dims) || rank > 1)
        return 0;
    size_t count = cpu_count(rank, dims);
    return count == 1 || count == size ? count : 0;
}

/* Reads everything but the parameters; returns false where the node is not supported. */
static bool read_linear(const cpu_self *self, const node_view *n, linear_state *s)
{
    quantize_spec spec = spec_quantize(n->node);
    size_t rank, axis = 0;
    int64_t dims[SIB_MAX_RANK], precision = spec.precision;
    bool back = str_is(n->node->type, "DequantizeLinear");
    if (n->n_in < 2 || n->n_out != 1 || !n->out[0] || spec.block_size ||
        (precision && precision != SIB_F32) || !cpu_dims(n, n->in[0], &rank, dims))
        return false;
    const value *quantized = back ? n->in[0] : n->out[0], *real = back ? n->out[0] : n->in[0];
    const value *zero = n->n_in > 2 ? n->in[2] : NULL;
    *s = (linear_state){.dtype = cpu_dtype(quantized), .item = dtype_stride(cpu_dtype(quantized))};
    if (cpu_dtype(real) != SIB_F32 || s->dtype > SIB_I16 || !self->kernels->quantize.to[s->dtype])
        return false;
    if (back)
        s->from = self->kernels->quantize.from[s->dtype];
    else
        s->to = self->kernels->quantize.to[s->dtype];
    bool has_axis = rank == 1 || spec_axis(spec.axis, rank, &axis);
    size_t size = has_axis && rank ? (size_t)dims[axis] : 1;
    s->n_scale = parameter_count(n, n->in[1], SIB_F32, size);
    s->n_zero = zero ? parameter_count(n, zero, s->dtype, size) : 0;
    s->lines = s->n_scale == 1 && s->n_zero <= 1 ? (cpu_lines){1, 1, cpu_count(rank, dims)}
                                                 : cpu_lines_of(rank, dims, axis, axis + 1);
    return s->n_scale && (s->n_zero || !zero) && cpu_count(rank, dims);
}

static bool linear_claims(const cpu_self *self, const node_view *n)
{
    linear_state s;
    return read_linear(self, n, &s);
}

static float int_at(sib_dtype dtype, const void *data, size_t i)
{
    switch (dtype) {
    case SIB_U8:
        return (float)((const uint8_t *)data)[i];
    case SIB_I8:
        return (float)((const int8_t *)data)[i];
    case SIB_U16:
        return (float)((const uint16_t *)data)[i];
    default:
        return (float)((const int16_t *)data)[i];
    }
}

/* parameters: (2, lines.size) */
static void fill_parameters(const linear_state *s, const float *scale, const void *zero, float *parameters)
{
    size_t n = s->lines.size;
    for (size_t i = 0; i < n; i++) {
        parameters[i] = scale[s->n_scale == 1 ? 0 : i];
        parameters[n + i] = s->n_zero ? int_at(s->dtype, zero, s->n_zero == 1 ? 0 : i) : 0.0f;
    }
}

static sib_code linear_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    linear_state read;
    cpu_claimed(read_linear(self, n, &read));
    const sib_tensor *scale = cpu_constant(n->in[1]), *zero = read.n_zero ? cpu_constant(n->in[2]) : NULL;
    read.constant = scale && scale->dense && (!read.n_zero || (zero && zero->dense));
    size_t bytes = sizeof read + (read.constant ? 2 * read.lines.size * sizeof *read.parameters : 0);
    linear_state *s = mem_alloc(1, bytes);
    *state = s;
    if (!s)
        return err_memory(err, bytes, "a step");
    *s = read;
    if (s->constant)
        fill_parameters(s, (const float *)(const void *)scale->data, zero ? zero->data : NULL, s->parameters);
    return SIB_OK;
}

typedef struct linear_job {
    const cpu_call *c;
    const float *parameters; /* (2, lines.size) */
    const char *x;
    char *y;
} linear_job;

static void convert_run(const linear_job *j, size_t first, size_t count, quantize_by by)
{
    const linear_state *s = j->c->state;
    if (s->to)
        s->to((const float *)(const void *)j->x + first, count, by, j->y + first * s->item);
    else
        s->from(j->x + first * s->item, count, by, (float *)(void *)j->y + first);
    if (j->c->finish)
        j->c->finish(j->c, first, count);
}

/* Items are elements (a single scale), rows of channels (the last axis) or planes of one channel. */
static void linear_task(void *context, size_t begin, size_t count, unsigned worker)
{
    const linear_job *j = context;
    const linear_state *s = j->c->state;
    size_t channels = s->lines.size, inner = s->lines.inner;
    const float *scale = j->parameters, *zero = scale + channels;
    (void)worker;
    if (cancel_is_set(j->c->cancel))
        return;
    if (channels == 1) {
        convert_run(j, begin, count, (quantize_by){scale, zero, 0});
        return;
    }
    for (size_t i = begin; i < begin + count; i++) {
        size_t channel = i % channels;
        if (inner == 1)
            convert_run(j, i * channels, channels, (quantize_by){scale, zero, 1});
        else
            convert_run(j, i * inner, inner, (quantize_by){scale + channel, zero + channel, 0});
    }
}

static sib_code linear_run(const cpu_call *c)
{
    const linear_state *s = c->state;
    const cpu_lines *l = &s->lines;
    sib_tensor *y = cpu_out(c, 0);
    float small[2], *made = NULL;
    if (!y)
        return SIB_OK;
    linear_job job = {c, s->parameters, cpu_in(c, 0)->data, y->data};
    if (!s->constant) {
        float *parameters = small;
        if (l->size > 1) {
            parameters = made = cpu_scratch_take(c, 2 * l->size * sizeof *made);
            if (!made)
                return cpu_no_memory(c, 2 * l->size * sizeof *made);
        }
        fill_parameters(s, cpu_floats_in(c, 1), s->n_zero ? cpu_in(c, 2)->data : NULL, parameters);
        job.parameters = parameters;
    }
    size_t items = l->size == 1 ? l->outer * l->inner : l->inner == 1 ? l->outer : l->outer * l->size;
    SIB_ASSERT(items);
    sib_code code = cpu_parallel_for(c, items, l->outer * l->size * l->inner / items, linear_task, &job);
    cpu_scratch_give(c, made);
    return code;
}

const cpu_kernel cpu_quantize_linear = {
    .claims = linear_claims,
    .prepare = linear_prepare,
    .run = linear_run,
    .takes_finish = true,
};

/* ---- With a scale from the data -------------------------------------------------------------------- */

static bool dynamic_claims(const cpu_self *self, const node_view *n)
{
    size_t rank;
    int64_t dims[SIB_MAX_RANK];
    (void)self;
    return n->n_in == 1 && n->n_out == 3 && cpu_dtype(n->in[0]) == SIB_F32 &&
           cpu_dims(n, n->in[0], &rank, dims) && cpu_gives_f32(n, 1);
}

typedef struct dynamic_job {
    const cpu_call *c;
    const float *x;
    uint8_t *y;
    float scale, zero;
} dynamic_job;

static void dynamic_task(void *context, size_t begin, size_t count, unsigned worker)
{
    const dynamic_job *j = context;
    (void)worker;
    if (!cancel_is_set(j->c->cancel))
        j->c->self->kernels->quantize.to[SIB_U8](j->x + begin, count, (quantize_by){&j->scale, &j->zero, 0},
                                                 j->y + begin);
}

static sib_code dynamic_run(const cpu_call *c)
{
    const sib_tensor *x = cpu_in(c, 0);
    sib_tensor *y = cpu_out(c, 0), *zero = cpu_out(c, 2);
    float low, high, *scale = cpu_floats_out(c, 1);
    dynamic_job job = {.c = c, .x = (const float *)(const void *)x->data};
    c->self->kernels->quantize.range(job.x, x->count, &low, &high);
    job.scale = (high - low) / 255.0f;
    float at = 0.0f - low / job.scale; /* NaN if all is 0 or something is not finite */
    job.zero = at > 255.0f ? 255.0f : at > 0.0f ? nearbyintf(at) : 0.0f;
    if (scale)
        *scale = job.scale;
    if (zero)
        *(uint8_t *)(void *)zero->data = (uint8_t)job.zero;
    if (!y)
        return SIB_OK;
    job.y = (uint8_t *)(void *)y->data;
    return cpu_parallel_for(c, x->count, 1, dynamic_task, &job);
}

const cpu_kernel cpu_quantize_dynamic = {.claims = dynamic_claims, .run = dynamic_run};
