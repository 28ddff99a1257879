/* LpNormalization over the last axis: a row over the sum of its absolutes, or over the root of that of its
   squares. */
#include "backend/cpu/call/rows.h"
#include "base/cancel.h"

#include <math.h>

typedef struct lp_state {
    size_t rows, n;
    bool squares;
} lp_state;

static bool lp_claims(const cpu_self *self, const node_view *n)
{
    size_t rank, axis;
    int64_t dims[SIB_MAX_RANK];
    (void)self;
    return n->n_in == 1 && n->n_out == 1 && n->out[0] && cpu_dtype(n->in[0]) == SIB_F32 &&
           cpu_dims(n, n->in[0], &rank, dims) && spec_axis(spec_lp_norm(n->node).axis, rank, &axis) &&
           axis + 1 == rank && cpu_count(rank, dims);
}

static sib_code lp_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    size_t rank;
    int64_t dims[SIB_MAX_RANK];
    (void)self;
    lp_state *s = mem_alloc(1, sizeof *s);
    *state = s;
    if (!s)
        return err_memory(err, sizeof *s, "a step");
    cpu_claimed(cpu_dims(n, n->in[0], &rank, dims) && rank > 0);
    *s = (lp_state){cpu_count(rank - 1, dims), (size_t)dims[rank - 1], spec_lp_norm(n->node).p == 2};
    return SIB_OK;
}

typedef struct lp_job {
    const cpu_call *c;
    const float *x; /* (rows, n) */
    float *y;
} lp_job;

/* A row whose sum leaves the range of a float; one of zeros stays as it is. */
static void lp_wide(const lp_state *s, const float *x, float *y)
{
    double norm = 0;
    for (size_t i = 0; i < s->n; i++)
        norm += s->squares ? (double)x[i] * x[i] : fabs((double)x[i]);
    if (s->squares)
        norm = sqrt(norm);
    for (size_t i = 0; i < s->n; i++)
        y[i] = norm == 0 ? 0.0f : (float)(x[i] / norm);
}

static void lp_rows(void *context, size_t begin, size_t count, unsigned worker)
{
    const lp_job *j = context;
    const lp_state *s = j->c->state;
    const rows_kernels *k = &j->c->self->kernels->rows;
    (void)worker;
    if (cancel_is_set(j->c->cancel))
        return;
    for (size_t r = begin; r < begin + count; r++) {
        static const float centre[2] = {0, 0};
        const float *x = j->x + r * s->n;
        float *y = j->y + r * s->n, sum;
        k->across[s->squares ? ROWS_SQUARES : ROWS_SIZES](x, 1, s->n, &sum, false);
        double norm = s->squares ? sqrt((double)sum) : (double)sum;
        if (rows_in_range(sum, sum))
            k->shift_scale(x, s->n, centre, (float)(1 / norm), -0.0f, y); /* -0 keeps the sign of zeros */
        else
            lp_wide(s, x, y);
    }
    if (j->c->finish)
        j->c->finish(j->c, begin * s->n, count * s->n);
}

static sib_code lp_run(const cpu_call *c)
{
    const lp_state *s = c->state;
    lp_job job = {c, cpu_floats_in(c, 0), cpu_floats_out(c, 0)};
    return job.y ? cpu_parallel_for(c, s->rows, 2 * s->n, lp_rows, &job) : SIB_OK;
}

const cpu_kernel cpu_lp_norm = {
    .claims = lp_claims,
    .prepare = lp_prepare,
    .run = lp_run,
    .takes_finish = true,
};
