/* Normalizations per channel: of batches with given statistics, of instances, of groups. */
#include "backend/cpu/call/rows.h"
#include "backend/cpu/call/scratch.h"
#include "base/cancel.h"

#include <math.h>

/* True where X [N, C, D...] and Y are float32 and not empty. */
static bool image_of(const node_view *n, size_t *rank, int64_t *dims)
{
    return n->n_in && n->n_out && n->out[0] && cpu_dtype(n->in[0]) == SIB_F32 &&
           cpu_dtype(n->out[0]) == SIB_F32 && cpu_dims(n, n->in[0], rank, dims) && *rank >= 2 &&
           cpu_count(*rank, dims);
}

/* ---- Batches ------------------------------------------------------------------------------------------- */

typedef struct batch_state {
    size_t n, channels, plane; /* X is [n, channels, plane] */
    double epsilon;
    bool constant; /* statistics, scale and bias are constant */
    float pack[];  /* centre, factor, offset: (3, channels), if constant */
} batch_state;

static bool batch_claims(const cpu_self *self, const node_view *n)
{
    size_t rank;
    int64_t dims[SIB_MAX_RANK];
    (void)self;
    if (n->node->version < 9 || n->n_in != 5 || spec_batch_norm(n->node).training_mode ||
        !image_of(n, &rank, dims))
        return false;
    for (size_t i = 1; i < n->n_out; i++)
        if (n->out[i])
            return false;
    for (size_t i = 1; i < 5; i++)
        if (!cpu_is_list(n, n->in[i], dims[1]))
            return false;
    return true;
}

/* y = (x - centre) * factor + offset. pack: (3, channels) */
static void batch_pack(const float *const *in, size_t channels, double epsilon, float *pack)
{
    const float *scale = in[0], *bias = in[1], *mean = in[2], *var = in[3];
    for (size_t i = 0; i < channels; i++) {
        pack[i] = mean[i];
        pack[channels + i] = (float)((double)scale[i] / sqrt((double)var[i] + epsilon));
        pack[2 * channels + i] = bias[i];
    }
}

static sib_code batch_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    size_t rank;
    int64_t dims[SIB_MAX_RANK];
    const float *in[4];
    bool constant = true;
    (void)self;
    cpu_dims(n, n->in[0], &rank, dims);
    for (size_t i = 0; i < 4; i++) {
        const sib_tensor *t = cpu_constant(n->in[1 + i]);
        constant &= t && t->dense;
        in[i] = t ? (const float *)(const void *)t->data : NULL;
    }
    size_t channels = (size_t)dims[1], bytes = sizeof(batch_state) + constant * 3 * channels * sizeof(float);
    batch_state *s = mem_alloc(1, bytes);
    *state = s;
    if (!s)
        return err_memory(err, bytes, "a step");
    *s = (batch_state){(size_t)dims[0], channels, cpu_count(rank - 2, dims + 2),
                       spec_batch_norm(n->node).epsilon, constant};
    if (constant)
        batch_pack(in, channels, s->epsilon, s->pack);
    return SIB_OK;
}

typedef struct batch_job {
    const cpu_call *c;
    const float *pack; /* (3, channels) */
    const float *x;
    float *y;
} batch_job;

#define STREAM_BLOCK 1024 /* floats */

/* A plane of a result that is too large for the caches. */
static void stream_plane(const kernel_table *k, const float *x, size_t n, const float *centre, float factor,
                         float offset, float *y)
{
    _Alignas(64) float block[STREAM_BLOCK];
    for (size_t i = 0, part; i < n; i += part) {
        part = size_min(n - i, STREAM_BLOCK);
        k->rows.shift_scale(x + i, part, centre, factor, offset, block);
        k->layout.stream((char *)(y + i), (const char *)block, part * sizeof *y);
    }
}

/* Items are planes, or rows of channels where planes have one element. */
static void batch_task(void *context, size_t begin, size_t count, unsigned worker)
{
    const batch_job *j = context;
    const batch_state *s = j->c->state;
    const rows_kernels *k = &j->c->self->kernels->rows;
    const float *centre = j->pack, *factor = centre + s->channels, *offset = factor + s->channels;
    size_t item = s->plane == 1 ? s->channels : s->plane;
    bool streams =
        !j->c->finish && s->plane > 1 && s->n * s->channels * s->plane >= LAYOUT_STREAM_BYTES / sizeof(float);
    (void)worker;
    if (cancel_is_set(j->c->cancel))
        return;
    if (s->plane == 1)
        k->shift_scale_each(j->x + begin * item, count, item, centre, factor, offset, j->y + begin * item);
    for (size_t i = begin; i < begin + count && s->plane > 1; i++) {
        size_t channel = i % s->channels;
        const float middle[2] = {centre[channel], 0.0f};
        if (streams)
            stream_plane(j->c->self->kernels, j->x + i * item, item, middle, factor[channel], offset[channel],
                         j->y + i * item);
        else
            k->shift_scale(j->x + i * item, item, middle, factor[channel], offset[channel], j->y + i * item);
    }
    if (streams)
        j->c->self->kernels->layout.stream_end();
    if (j->c->finish)
        j->c->finish(j->c, begin * item, count * item);
}

static sib_code batch_run(const cpu_call *c)
{
    const batch_state *s = c->state;
    sib_tensor *y = cpu_out(c, 0);
    float *made = NULL;
    if (!y)
        return SIB_OK;
    batch_job job = {c, s->pack, cpu_floats_in(c, 0), (float *)(void *)y->data};
    if (!s->constant) {
        const float *in[4] = {cpu_floats_in(c, 1), cpu_floats_in(c, 2), cpu_floats_in(c, 3),
                              cpu_floats_in(c, 4)};
        job.pack = made = cpu_scratch_take(c, 3 * s->channels * sizeof *made);
        if (!made)
            return cpu_no_memory(c, 3 * s->channels * sizeof *made);
        batch_pack(in, s->channels, s->epsilon, made);
    }
    size_t items = s->plane == 1 ? s->n : s->n * s->channels;
    sib_code code = cpu_parallel_for(c, items, s->plane == 1 ? s->channels : s->plane, batch_task, &job);
    cpu_scratch_give(c, made);
    return code;
}

const cpu_kernel cpu_batch_norm = {
    .claims = batch_claims,
    .prepare = batch_prepare,
    .run = batch_run,
    .takes_finish = true,
};

/* ---- Instances and groups ------------------------------------------------------------------------------ */

typedef struct group_state {
    size_t items;    /* groups in the batch */
    size_t groups;   /* per image */
    size_t channels; /* per group */
    size_t plane;    /* elements per channel */
    bool each;       /* scale and bias are per channel, not per group */
    double epsilon;
} group_state;

/* Groups per image, or 0 where the node is not supported. each: scale and bias are per channel. */
static int64_t groups_of(const node *n, const int64_t *dims, bool *each)
{
    *each = true;
    if (str_is(n->type, "InstanceNormalization"))
        return dims[1];
    int64_t groups = spec_norm(n).num_groups;
    *each = n->version >= 21;
    return groups > 0 && dims[1] % groups == 0 ? groups : 0;
}

static bool group_claims(const cpu_self *self, const node_view *n)
{
    size_t rank;
    int64_t dims[SIB_MAX_RANK];
    bool each;
    (void)self;
    if (n->n_in != 3 || n->n_out != 1 || !image_of(n, &rank, dims))
        return false;
    int64_t groups = groups_of(n->node, dims, &each), list = each ? dims[1] : groups;
    return groups && cpu_is_list(n, n->in[1], list) && cpu_is_list(n, n->in[2], list);
}

static sib_code group_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    size_t rank;
    int64_t dims[SIB_MAX_RANK];
    (void)self;
    group_state *s = mem_alloc(1, sizeof *s);
    *state = s;
    if (!s)
        return err_memory(err, sizeof *s, "a step");
    cpu_claimed(cpu_dims(n, n->in[0], &rank, dims));
    s->groups = (size_t)groups_of(n->node, dims, &s->each);
    SIB_ASSERT(s->groups);
    s->items = (size_t)dims[0] * s->groups;
    s->channels = (size_t)dims[1] / s->groups;
    s->plane = cpu_count(rank - 2, dims + 2);
    s->epsilon = spec_norm(n->node).epsilon;
    return SIB_OK;
}

typedef struct group_job {
    const cpu_call *c;
    const float *x, *scale, *bias;
    float *y;
} group_job;

/* Normalizes one group, in double where its squares are out of range of float. */
static void group_one(const group_job *j, const group_state *s, size_t item)
{
    const rows_kernels *k = &j->c->self->kernels->rows;
    size_t n = s->channels * s->plane, group = item % s->groups;
    const float *x = j->x + item * n;
    float *y = j->y + item * n, mean[2], var = k->moments(x, n, mean);
    double inside = (double)var + s->epsilon;
    if (!rows_in_range(var, inside)) {
        rows_norm_wide(&(rows_norm){.n = n, .epsilon = s->epsilon, .centred = true}, x, y, NULL, NULL);
        x = y;
        mean[0] = mean[1] = 0.0f;
        inside = 1;
    }
    for (size_t i = 0; i < s->channels; i++) {
        size_t at = s->each ? group * s->channels + i : group;
        float factor = (float)((double)j->scale[at] / sqrt(inside));
        k->shift_scale(x + i * s->plane, s->plane, mean, factor, j->bias[at], y + i * s->plane);
    }
}

static void group_task(void *context, size_t begin, size_t count, unsigned worker)
{
    const group_job *j = context;
    const group_state *s = j->c->state;
    size_t n = s->channels * s->plane;
    (void)worker;
    for (size_t i = begin; i < begin + count && !cancel_is_set(j->c->cancel); i++) {
        group_one(j, s, i);
        if (j->c->finish)
            j->c->finish(j->c, i * n, n);
    }
}

static sib_code group_run(const cpu_call *c)
{
    const group_state *s = c->state;
    sib_tensor *y = cpu_out(c, 0);
    if (!y)
        return SIB_OK;
    group_job job = {c, cpu_floats_in(c, 0), cpu_floats_in(c, 1), cpu_floats_in(c, 2),
                     (float *)(void *)y->data};
    return cpu_parallel_for(c, s->items, 2 * s->channels * s->plane, group_task, &job);
}

const cpu_kernel cpu_group_norm = {
    .claims = group_claims,
    .prepare = group_prepare,
    .run = group_run,
    .takes_finish = true,
};
