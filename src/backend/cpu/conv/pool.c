/* Pools: max or mean over windows, and over entire planes. */
#include "backend/cpu/call/scratch.h"
#include "backend/cpu/conv/conv.h"
#include "base/cancel.h"

typedef struct pool_state {
    conv2d_plan plan;
    unsigned workers;
    bool entire; /* over entire planes */
    rows_kind kind;
    sib_dtype dtype;
    size_t planes, n; /* n: elements per plane */
} pool_state;

/* ---- Claiming ------------------------------------------------------------------------------------------ */

static bool is_float(const node_view *n)
{
    if (n->n_in != 1 || n->n_out < 1 || !n->out[0])
        return false;
    sib_dtype dtype = cpu_dtype(n->in[0]);
    return (dtype == SIB_F32 || dtype == SIB_F16 || dtype == SIB_BF16) && cpu_dtype(n->out[0]) == dtype;
}

static bool is_bytes(const node_view *n)
{
    if (n->n_in != 1 || n->n_out < 1 || !n->out[0] || !str_is(n->node->type, "MaxPool"))
        return false;
    sib_dtype dtype = cpu_dtype(n->in[0]);
    return (dtype == SIB_U8 || dtype == SIB_I8) && cpu_dtype(n->out[0]) == dtype;
}

static bool read_pool(const node_view *n, conv2d_shape *out)
{
    cpu_windows g;
    pool_spec spec = spec_pool(n->node);
    if ((n->n_out > 1 && n->out[1]) || !cpu_windows_read(n, &spec.spatial, n->in[0], n->out[0], NULL, &g))
        return false;
    *out = (conv2d_shape){.batch = g.batch, .groups = g.channels, .c = 1, .m = 1, .kind = CONV2D_LARGEST};
    out->x = out->y = cpu_dtype(n->in[0]);
    if (str_is(n->node->type, "AveragePool"))
        out->kind = spec.count_include_pad ? CONV2D_AVERAGE_PADDED : CONV2D_AVERAGE;
    for (int i = 0; i < CONV2D_AXES; i++)
        out->axis[i] = g.axis[i];
    return true;
}

static bool pool_claims(const cpu_self *self, const node_view *n)
{
    conv2d_shape shape;
    (void)self;
    return (is_float(n) || is_bytes(n)) && read_pool(n, &shape);
}

/* Reads the planes of x [N, C, in...] and their size. */
static bool read_planes(const node_view *n, size_t *planes, size_t *elements)
{
    int64_t dims[SIB_MAX_RANK];
    size_t rank;
    if (!cpu_dims(n, n->in[0], &rank, dims) || rank < 2)
        return false;
    *planes = *elements = 1;
    for (size_t i = 0; i < rank; i++) {
        size_t *part = i < 2 ? planes : elements;
        if (dims[i] < 1 || !size_mul(*part, (size_t)dims[i], part))
            return false;
    }
    return true;
}

static bool global_claims(const cpu_self *self, const node_view *n)
{
    size_t planes, elements;
    (void)self;
    return is_float(n) && read_planes(n, &planes, &elements);
}

/* ---- Preparing ----------------------------------------------------------------------------------------- */

static void release_pooling(void *state)
{
    pool_state *s = state;
    conv2d_plan_free(&s->plan);
    mem_free(s);
}

static pool_state *new_state(sib_error *err)
{
    pool_state *s = mem_calloc(1, sizeof *s);
    if (!s)
        err_memory(err, sizeof *s, "a pool");
    return s;
}

/* True where each channel has one window that covers it. */
static bool is_global(const conv2d_shape *s)
{
    for (int i = 0; i < CONV2D_AXES; i++) {
        const conv2d_axis *a = &s->axis[i];
        if (a->out != 1 || a->before || a->after || a->kernel != a->in || a->dilation != 1)
            return false;
    }
    return true;
}

static sib_code global_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    pool_state *s = new_state(err);
    (void)self;
    *state = s;
    if (!s)
        return SIB_ERR_MEMORY;
    s->entire = true;
    s->dtype = cpu_dtype(n->in[0]);
    s->kind =
        str_is(n->node->type, "GlobalMaxPool") || str_is(n->node->type, "MaxPool") ? ROWS_MAX : ROWS_SUM;
    cpu_claimed(read_planes(n, &s->planes, &s->n));
    return SIB_OK;
}

static sib_code pool_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    conv2d_shape shape;
    unsigned threads = self->pool ? sib_pool_threads(self->pool) : 1;
    cpu_claimed(read_pool(n, &shape));
    if (is_global(&shape) && !is_bytes(n))
        return global_prepare(self, n, state, err);
    pool_state *s = new_state(err);
    *state = NULL;
    if (!s)
        return SIB_ERR_MEMORY;
    sib_code code = conv2d_plan_make(self->kernels, &shape, threads, &s->plan, err);
    if (code != SIB_OK) {
        mem_free(s);
        return code;
    }
    s->workers = conv2d_workers(&s->plan, threads);
    *state = s;
    return SIB_OK;
}

/* ---- Running ------------------------------------------------------------------------------------------- */

static void finish_part(const void *context, size_t begin, size_t count)
{
    const cpu_call *c = context;
    c->finish(c, begin, count);
}

/* Min elements that a thread takes at once (entire planes); they are finished together. */
#define PLANES_FLOATS (16 * 1024)

/* 16-bit floats are widened on the stack in pieces of this size. */
#define PIECE 1024

/* Reduces one plane of 16-bit floats. */
static float gather_halves(const cpu_call *c, const pool_state *s, const char *x)
{
    const kernel_table *t = c->self->kernels;
    float piece[PIECE], y = 0;
    for (size_t i = 0; i < s->n; i += PIECE, x += 2 * PIECE) {
        size_t n = size_min(PIECE, s->n - i);
        (s->dtype == SIB_F16 ? t->widen_f16 : t->widen_bf16)(x, piece, n);
        t->rows.across[s->kind](piece, 1, n, &y, i > 0);
    }
    return y;
}

static void run_planes(void *context, size_t begin, size_t count, unsigned worker)
{
    const cpu_call *c = context;
    const pool_state *s = c->state;
    const kernel_table *t = c->self->kernels;
    float divisor = s->kind == ROWS_SUM ? (float)s->n : 1.0f;
    size_t element = conv2d_element(s->dtype);
    const char *x = cpu_in(c, 0)->data + begin * s->n * element;
    char *out = cpu_out(c, 0)->data + begin * element;
    (void)worker;
    if (s->dtype == SIB_F32) {
        float *y = (float *)(void *)out;
        t->rows.across[s->kind]((const float *)(const void *)x, count, s->n, y, false);
        for (size_t i = 0; i < count; i++)
            y[i] /= divisor;
    } else
        for (size_t i = 0; i < count; i++, x += s->n * element) {
            float y = gather_halves(c, s, x) / divisor;
            (s->dtype == SIB_F16 ? t->narrow_f16 : t->narrow_bf16)(&y, out + i * element, 1);
        }
    if (c->finish)
        c->finish(c, begin, count);
}

static sib_code pool_run_step(const cpu_call *c)
{
    const pool_state *s = c->state;
    const sib_tensor *x = cpu_in(c, 0);
    if (s->entire) {
        size_t grain = s->planes * s->n < 16 * PLANES_FLOATS ? s->planes : size_ceil_div(PLANES_FLOATS, s->n);
        pool_run(c->self->pool, s->planes, grain, run_planes, (void *)c);
        return SIB_OK;
    }
    size_t bytes = s->plan.scratch_floats * s->workers * sizeof(float);
    float *scratch = bytes ? cpu_scratch_take(c, bytes) : NULL;
    if (bytes && !scratch)
        return cpu_no_memory(c, bytes);
    conv2d_call call = {.plan = &s->plan,
                        .x = x->data,
                        .y = cpu_out(c, 0)->data,
                        .scratch = scratch,
                        .finish = c->finish ? finish_part : NULL,
                        .context = c,
                        .cancel = c->cancel};
    conv2d_run(&call, c->self->pool);
    cpu_scratch_give(c, scratch);
    return cancel_is_set(c->cancel) ? cpu_fail(c, SIB_ERR_CANCELLED, "the run was cancelled") : SIB_OK;
}

const cpu_kernel cpu_pool = {.claims = pool_claims,
                             .prepare = pool_prepare,
                             .release = release_pooling,
                             .run = pool_run_step,
                             .takes_finish = true};
const cpu_kernel cpu_pool_global = {.claims = global_claims,
                                    .prepare = global_prepare,
                                    .release = release_pooling,
                                    .run = pool_run_step,
                                    .takes_finish = true};
