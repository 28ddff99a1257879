/* Reductions over axes: the milli-ops, and the operators made of them, whole. */
#include "backend/cpu/axes.h"

#include <math.h>
#include <string.h>

/* What is done with each result. */
typedef enum reduce_end { END_NONE, END_MEAN, END_ROOT, END_LOG } reduce_end;

typedef struct reduce_row {
    const char *name; /* of the operator */
    rows_kind kind;
    reduce_end end;
    int64_t as_input; /* the opset from which axes are an input */
} reduce_row;

static const reduce_row operators[] = {
    {"ReduceMean", ROWS_SUM, END_MEAN, 18},          {"ReduceSum", ROWS_SUM, END_NONE, 13},
    {"ReduceMax", ROWS_MAX, END_NONE, 18},           {"ReduceMin", ROWS_MIN, END_NONE, 18},
    {"ReduceProd", ROWS_PRODUCT, END_NONE, 18},      {"ReduceL1", ROWS_SIZES, END_NONE, 18},
    {"ReduceL2", ROWS_SQUARES, END_ROOT, 18},        {"ReduceLogSum", ROWS_SUM, END_LOG, 18},
    {"ReduceSumSquare", ROWS_SQUARES, END_NONE, 18},
};

static const reduce_row milli_ops[] = {
    {"reduce_sum", ROWS_SUM, END_NONE, 0},
    {"reduce_prod", ROWS_PRODUCT, END_NONE, 0},
    {"reduce_min", ROWS_MIN, END_NONE, 0},
    {"reduce_max", ROWS_MAX, END_NONE, 0},
};

static const reduce_row *row_of(const node *n)
{
    const reduce_row *rows = n->milli ? milli_ops : operators;
    size_t count = n->milli ? sizeof milli_ops / sizeof *milli_ops : sizeof operators / sizeof *operators;
    for (size_t i = 0; i < count; i++)
        if (n->milli ? !strcmp(n->milli->name, rows[i].name) : str_is(n->type, rows[i].name))
            return &rows[i];
    return NULL;
}

/* Which axes of a tensor of `rank` go; false where that is not known now. */
static bool axes_of(const node_view *n, const reduce_row *row, size_t rank, bool *goes)
{
    size_t count = 0;
    const int64_t *axes = attr_ints(n->node, "axes", &count);
    bool as_input = !n->node->milli && n->node->version >= row->as_input;
    memset(goes, 0, rank * sizeof *goes);
    if (as_input) {
        const sib_tensor *given = n->n_in > 1 ? cpu_constant(n->in[1]) : NULL;
        if (n->n_in > 1 && n->in[1] && (!given || given->dtype != SIB_I64 || !given->dense))
            return false;
        axes = given ? (const int64_t *)(const void *)given->data : NULL;
        count = given ? given->count : 0;
    }
    bool every = !n->node->milli && !count && !(as_input && attr_int(n->node, "noop_with_empty_axes", 0));
    for (size_t i = 0; i < rank && every; i++)
        goes[i] = true;
    for (size_t i = 0, axis; i < count; i++) {
        if (!cpu_axis(axes[i], rank, &axis))
            return false;
        goes[axis] = true;
    }
    return every || count || n->node->milli;
}

static bool plan_of(const node_view *n, axes_plan *p)
{
    size_t rank;
    int64_t dims[SIB_MAX_RANK];
    bool goes[SIB_MAX_RANK];
    const reduce_row *row = row_of(n->node);
    if (!row || !cpu_dims(n, n->in[0], &rank, dims) || !cpu_count(rank, dims) || !axes_of(n, row, rank, goes))
        return false;
    *p = axes_plan_of(rank, dims, goes);
    return true;
}

static bool reduce_claims(const cpu_self *self, const node_view *n)
{
    axes_plan p;
    (void)self;
    return n->n_in && n->n_out == 1 && n->out[0] && cpu_dtype(n->in[0]) == SIB_F32 &&
           cpu_dtype(n->out[0]) == SIB_F32 && plan_of(n, &p);
}

typedef struct reduce_state {
    axes_plan plan;
    rows_kind kind;
    reduce_end end;
} reduce_state;

static sib_code reduce_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    const reduce_row *row = row_of(n->node);
    (void)self;
    reduce_state *s = mem_alloc(1, sizeof *s);
    *state = s;
    if (!s)
        return err_memory(err, sizeof *s, "a step");
    plan_of(n, &s->plan);
    s->kind = row->kind;
    s->end = row->end;
    return SIB_OK;
}

typedef struct reduce_job {
    const rows_kernels *kernels;
    rows_kind kind;
    const float *x;
    float *y;
} reduce_job;

static void reduce_step(const void *context, const axes_plan *p, size_t in, size_t out, size_t many,
                        bool more)
{
    const reduce_job *j = context;
    if (p->across)
        j->kernels->across[j->kind](j->x + in, many, p->n, j->y + out, more);
    else
        j->kernels->down[j->kind](j->x + in, p->n, p->many, many, j->y + out, more);
}

static void finish_results(const reduce_state *s, float *y)
{
    size_t n = s->plan.results;
    double share = 1.0 / (double)s->plan.joined;
    for (size_t i = 0; i < n && s->end == END_MEAN; i++)
        y[i] = (float)((double)y[i] * share);
    for (size_t i = 0; i < n && s->end == END_ROOT; i++)
        y[i] = sqrtf(y[i]);
    for (size_t i = 0; i < n && s->end == END_LOG; i++)
        y[i] = logf(y[i]);
}

static sib_code reduce_run(const cpu_call *c)
{
    const reduce_state *s = c->state;
    sib_tensor *y = cpu_out(c, 0);
    if (!y)
        return SIB_OK;
    reduce_job job = {&c->self->kernels->rows, s->kind, (const float *)(const void *)cpu_in(c, 0)->data,
                      (float *)(void *)y->data};
    sib_code code = axes_run(c, &s->plan, reduce_step, &job);
    if (code == SIB_OK && s->end != END_NONE)
        finish_results(s, job.y);
    if (code == SIB_OK && c->finish)
        c->finish(c, 0, s->plan.results);
    return code;
}

const cpu_kernel cpu_reduce = {
    .claims = reduce_claims,
    .prepare = reduce_prepare,
    .run = reduce_run,
    .takes_finish = true,
};
