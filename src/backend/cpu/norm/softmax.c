/* The operators Softmax and LogSoftmax. */
#include "backend/cpu/call/rows.h"
#include "base/cancel.h"

typedef struct softmax_state {
    cpu_lines lines;
    bool logarithm;
} softmax_state;

/* The layout of the input around the axes that form one line. */
static bool lines_of(const node_view *n, cpu_lines *out)
{
    size_t rank, begin, end;
    int64_t dims[SIB_MAX_RANK];
    softmax_spec s = spec_softmax(n->node);
    if (!cpu_dims(n, n->in[0], &rank, dims) || !spec_softmax_axes(&s, rank, &begin, &end))
        return false;
    *out = cpu_lines_of(rank, dims, begin, end);
    return true;
}

static bool softmax_claims(const cpu_self *self, const node_view *n)
{
    cpu_lines lines;
    (void)self;
    return n->n_in == 1 && n->n_out == 1 && n->out[0] && cpu_dtype(n->in[0]) == SIB_F32 &&
           cpu_dtype(n->out[0]) == SIB_F32 && lines_of(n, &lines);
}

static sib_code softmax_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    (void)self;
    softmax_state *s = mem_alloc(1, sizeof *s);
    *state = s;
    if (!s)
        return err_memory(err, sizeof *s, "a step");
    lines_of(n, &s->lines);
    s->logarithm = str_is(n->node->type, "LogSoftmax");
    return SIB_OK;
}

typedef struct softmax_job {
    const cpu_call *c;
    const float *x; /* (outer, size, inner) */
    float *y;
} softmax_job;

static void softmax_rows(void *context, size_t begin, size_t count, unsigned worker)
{
    const softmax_job *j = context;
    const softmax_state *s = j->c->state;
    const rows_kernels *k = &j->c->self->kernels->rows;
    size_t n = s->lines.size, from = begin * n;
    (void)worker;
    if (cancel_is_set(j->c->cancel))
        return;
    if (n == 1) /* lines of one element are columns of one row, which vectors take together */
        (s->logarithm ? k->log_softmax_down : k->softmax_down)(j->x + from, 1, count, count, j->y + from);
    else
        (s->logarithm ? k->log_softmax : k->softmax)(j->x + from, count, n, j->y + from);
    if (j->c->finish)
        j->c->finish(j->c, from, count * n);
}

static void softmax_columns(void *context, size_t begin, size_t count, unsigned worker)
{
    const softmax_job *j = context;
    const softmax_state *s = j->c->state;
    const rows_kernels *k = &j->c->self->kernels->rows;
    size_t inner = s->lines.inner, plane = s->lines.size * inner;
    (void)worker;
    for (size_t i = begin; i < begin + count && !cancel_is_set(j->c->cancel); i++) {
        (s->logarithm ? k->log_softmax_down : k->softmax_down)(j->x + i * plane, s->lines.size, inner, inner,
                                                               j->y + i * plane);
        if (j->c->finish)
            j->c->finish(j->c, i * plane, plane);
    }
}

#define SOFTMAX_WORK 4 /* work per element */

static sib_code softmax_run(const cpu_call *c)
{
    const softmax_state *s = c->state;
    softmax_job job = {.c = c};
    sib_tensor *y = cpu_out(c, 0);
    if (!y || !y->count)
        return SIB_OK;
    job.x = (const float *)(const void *)cpu_in(c, 0)->data;
    job.y = (float *)(void *)y->data;
    return cpu_parallel_for(c, s->lines.outer, s->lines.size * s->lines.inner * SOFTMAX_WORK,
                            s->lines.inner == 1 ? softmax_rows : softmax_columns, &job);
}

const cpu_kernel cpu_softmax = {
    .claims = softmax_claims,
    .prepare = softmax_prepare,
    .run = softmax_run,
    .takes_finish = true,
};
