/* Indices of extremes along an axis (ArgMax, ArgMin), running sums and products. */
#include "backend/cpu/call/rows.h"
#include "base/cancel.h"

typedef struct line_state {
    cpu_lines lines;
    const rows_typed *typed;
    size_t item; /* bytes per element */
    bool is_f32, highest, last, product;
} line_state;

static const rows_typed *typed_of(const cpu_self *self, sib_dtype dtype)
{
    return dtype <= SIB_U64 ? self->kernels->rows.types.of[dtype] : NULL;
}

static bool line_claims(const cpu_self *self, const node_view *n)
{
    arg_spec spec = spec_arg(n->node);
    size_t rank, axis;
    int64_t dims[SIB_MAX_RANK];
    return n->n_in == 1 && n->n_out == 1 && n->out[0] && cpu_dims(n, n->in[0], &rank, dims) &&
           spec_axis(spec.axis, rank, &axis) && cpu_count(rank, dims) && typed_of(self, cpu_dtype(n->in[0]));
}

static sib_code line_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    arg_spec spec = spec_arg(n->node);
    size_t rank, axis;
    int64_t dims[SIB_MAX_RANK];
    line_state *s = mem_alloc(1, sizeof *s);
    *state = s;
    if (!s)
        return err_memory(err, sizeof *s, "a step");
    cpu_dims(n, n->in[0], &rank, dims);
    spec_axis(spec.axis, rank, &axis);
    *s = (line_state){.lines = cpu_lines_of(rank, dims, axis, axis + 1),
                      .typed = typed_of(self, cpu_dtype(n->in[0])),
                      .item = dtype_stride(cpu_dtype(n->in[0])),
                      .is_f32 = cpu_dtype(n->in[0]) == SIB_F32,
                      .highest = n->node->milli->kind == MILLI_arg_max,
                      .last = spec.select_last_index,
                      .product = n->node->milli->kind == MILLI_cumulative_prod};
    return SIB_OK;
}

typedef struct line_job {
    const cpu_call *c;
    const char *x;
    char *y;
} line_job;

/* Walks `count` contiguous lines, or a plane of `inner` interleaved lines. */
static rows_walk walk_of(const cpu_lines *l, size_t count)
{
    return l->inner == 1 ? (rows_walk){l->size, 1, count, l->size}
                         : (rows_walk){l->size, l->inner, l->inner, 1};
}

#define BLOCK 64 /* elements compared between two checks for a match */

/* The index of the first (or last) of n floats that equals best, or is NaN where best is. There is one. */
static int64_t place_of(const float *x, size_t n, float best, bool last)
{
    size_t first = 0, end = n;
    while (end - first > BLOCK) {
        const float *block = last ? x + end - BLOCK : x + first;
        int any = 0;
        for (size_t k = 0; k < BLOCK; k++)
            any |= best != best ? block[k] != block[k] : block[k] == best;
        if (any)
            break;
        if (last)
            end -= BLOCK;
        else
            first += BLOCK;
    }
    for (size_t k = 0; k < end - first; k++) {
        size_t i = last ? end - 1 - k : first + k;
        if (x[i] == best || (x[i] != x[i] && best != best))
            return (int64_t)i;
    }
    return 0;
}

/* Rows of float32: finds the extreme with the fast reduction, then its index. */
static void arg_rows(const line_state *s, const rows_kernels *k, const float *x, size_t rows, int64_t *y)
{
    for (size_t r = 0; r < rows; r++, x += s->lines.size) {
        float best;
        k->across[s->highest ? ROWS_MAX : ROWS_MIN](x, 1, s->lines.size, &best, false);
        y[r] = place_of(x, s->lines.size, best, s->last);
    }
}

static void arg_task(void *context, size_t begin, size_t count, unsigned worker)
{
    const line_job *j = context;
    const line_state *s = j->c->state;
    const cpu_lines *l = &s->lines;
    rows_walk w = walk_of(l, count);
    size_t plane = l->size * l->inner * s->item;
    int64_t *y = (int64_t *)(void *)j->y;
    (void)worker;
    if (cancel_is_set(j->c->cancel))
        return;
    if (l->inner == 1 && s->is_f32)
        arg_rows(s, &j->c->self->kernels->rows, (const float *)(const void *)(j->x + begin * plane), count,
                 y + begin);
    else if (l->inner == 1)
        s->typed->arg(j->x + begin * plane, w, y + begin, s->highest, s->last);
    for (size_t i = begin; i < begin + count && l->inner > 1; i++)
        s->typed->arg(j->x + i * plane, w, y + i * l->inner, s->highest, s->last);
}

static void running_task(void *context, size_t begin, size_t count, unsigned worker)
{
    const line_job *j = context;
    const line_state *s = j->c->state;
    const cpu_lines *l = &s->lines;
    rows_walk w = walk_of(l, count);
    size_t plane = l->size * l->inner * s->item;
    (void)worker;
    if (cancel_is_set(j->c->cancel))
        return;
    if (l->inner == 1)
        s->typed->running(j->x + begin * plane, w, j->y + begin * plane, s->product);
    for (size_t i = begin; i < begin + count && l->inner > 1; i++)
        s->typed->running(j->x + i * plane, w, j->y + i * plane, s->product);
}

static sib_code run_lines(const cpu_call *c, pool_task task)
{
    const line_state *s = c->state;
    sib_tensor *y = cpu_out(c, 0);
    if (!y)
        return SIB_OK;
    line_job job = {c, cpu_in(c, 0)->data, y->data};
    return cpu_parallel_for(c, s->lines.outer, s->lines.size * s->lines.inner * 4, task, &job);
}

static sib_code arg_run(const cpu_call *c)
{
    return run_lines(c, arg_task);
}

static sib_code running_run(const cpu_call *c)
{
    return run_lines(c, running_task);
}

const cpu_kernel cpu_arg = {.claims = line_claims, .prepare = line_prepare, .run = arg_run};

const cpu_kernel cpu_running = {.claims = line_claims, .prepare = line_prepare, .run = running_run};
