/* Operators that normalize over the last axes. */
#include "backend/cpu/call/rows.h"
#include "backend/cpu/call/scratch.h"
#include "base/cancel.h"

typedef struct norm_state {
    cpu_lines lines; /* with inner 1 */
    double epsilon;
    bool centred;
} norm_state;

/* True where v is float32 with the dims of x from axis `first` on. */
static bool is_tail(const node_view *n, const value *v, size_t rank, const int64_t *dims, size_t first)
{
    size_t own;
    int64_t own_dims[SIB_MAX_RANK];
    if (cpu_dtype(v) != SIB_F32 || !cpu_dims(n, v, &own, own_dims) || own > rank)
        return false;
    for (size_t i = 0; i < rank; i++) {
        int64_t here = i < rank - own ? 1 : own_dims[i - (rank - own)];
        if (here != (i < first ? 1 : dims[i]))
            return false;
    }
    return true;
}

/* Claims inputs X, scale and maybe bias, normalized over [axis, rank). */
static bool tail_claims(const cpu_self *self, const node_view *n)
{
    norm_spec spec = spec_norm(n->node);
    size_t rank, first;
    int64_t dims[SIB_MAX_RANK];
    (void)self;
    if (n->n_in < 2 || !n->n_out || !n->out[0] || cpu_dtype(n->in[0]) != SIB_F32 ||
        !cpu_dims(n, n->in[0], &rank, dims) || !spec_axis(spec.axis, rank, &first) || !cpu_count(rank, dims))
        return false;
    for (size_t i = 0; i < n->n_out; i++)
        if (!cpu_gives_f32(n, i))
            return false;
    return is_tail(n, n->in[1], rank, dims, first) &&
           (n->n_in < 3 || !n->in[2] || is_tail(n, n->in[2], rank, dims, first));
}

static sib_code tail_prepare(const node_view *n, bool centred, void **state, sib_error *err)
{
    norm_spec spec = spec_norm(n->node);
    size_t rank, first;
    int64_t dims[SIB_MAX_RANK];
    norm_state *s = mem_alloc(1, sizeof *s);
    *state = s;
    if (!s)
        return err_memory(err, sizeof *s, "a step");
    cpu_dims(n, n->in[0], &rank, dims);
    spec_axis(spec.axis, rank, &first);
    s->lines = cpu_lines_of(rank, dims, first, rank);
    s->epsilon = spec.epsilon;
    s->centred = centred;
    return SIB_OK;
}

static sib_code layer_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    (void)self;
    return tail_prepare(n, true, state, err);
}

static sib_code rms_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    (void)self;
    return tail_prepare(n, false, state, err);
}

typedef struct norm_job {
    const cpu_call *c;
    rows_norm norm;
    const float *x;        /* (rows, n) */
    float *y;              /* (rows, n) */
    float *mean, *inverse; /* (rows), may be NULL */
} norm_job;

static void norm_rows(void *context, size_t begin, size_t count, unsigned worker)
{
    const norm_job *j = context;
    size_t from = begin * j->norm.n;
    (void)worker;
    if (cancel_is_set(j->c->cancel))
        return;
    j->c->self->kernels->rows.norm(&j->norm, j->x + from, count, j->y + from,
                                   j->mean ? j->mean + begin : NULL, j->inverse ? j->inverse + begin : NULL);
    if (j->c->finish && cpu_wants(j->c, 0))
        j->c->finish(j->c, from, count * j->norm.n);
}

#define NORM_WORK 2 /* work per element */

static sib_code tail_run(const cpu_call *c)
{
    const norm_state *s = c->state;
    void *scratch;
    norm_job job = {
        .c = c,
        .norm = {s->lines.size, cpu_floats_in(c, 1), s->centred ? cpu_floats_in(c, 2) : NULL, s->epsilon,
                 s->centred},
        .x = cpu_floats_in(c, 0),
        .y = cpu_floats_made(c, 0, s->lines.outer * s->lines.size, &scratch),
        .mean = s->centred ? cpu_floats_out(c, 1) : NULL,
        .inverse = cpu_floats_out(c, s->centred ? 2 : 1),
    };
    if (!job.y)
        return cpu_no_memory(c, s->lines.outer * s->lines.size * sizeof *job.y);
    sib_code code = cpu_parallel_for(c, s->lines.outer, s->lines.size * NORM_WORK, norm_rows, &job);
    cpu_scratch_give(c, scratch);
    return code;
}

const cpu_kernel cpu_layer_norm = {
    .claims = tail_claims,
    .prepare = layer_prepare,
    .run = tail_run,
    .takes_finish = true,
};

const cpu_kernel cpu_rms_norm = {
    .claims = tail_claims,
    .prepare = rms_prepare,
    .run = tail_run,
    .takes_finish = true,
};
