/* Reductions over axes: the milli-ops, and the operators made of them. */
#include "backend/cpu/call/scratch.h"
#include "backend/cpu/reduce/axes.h"

#include <math.h>
#include <string.h>

/* What is applied to each result. */
typedef enum reduce_end { END_NONE, END_MEAN, END_ROOT, END_LOG } reduce_end;

typedef struct reduce_row {
    const char *name; /* of the operator */
    rows_kind kind;
    reduce_end end;
} reduce_row;

static const reduce_row operators[] = {
    {"ReduceMean", ROWS_SUM, END_MEAN},          {"ReduceSum", ROWS_SUM, END_NONE},
    {"ReduceMax", ROWS_MAX, END_NONE},           {"ReduceMin", ROWS_MIN, END_NONE},
    {"ReduceProd", ROWS_PRODUCT, END_NONE},      {"ReduceL1", ROWS_SIZES, END_NONE},
    {"ReduceL2", ROWS_SQUARES, END_ROOT},        {"ReduceLogSum", ROWS_SUM, END_LOG},
    {"ReduceSumSquare", ROWS_SQUARES, END_NONE},
};

static const reduce_row milli_ops[] = {
    {"reduce_sum", ROWS_SUM, END_NONE},
    {"reduce_prod", ROWS_PRODUCT, END_NONE},
    {"reduce_min", ROWS_MIN, END_NONE},
    {"reduce_max", ROWS_MAX, END_NONE},
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

/* The axes of a tensor of `rank` that are reduced; returns false where they are not known yet. */
static bool axes_of(const node_view *n, size_t rank, bool *goes)
{
    reduce_spec spec = spec_reduce(n->node);
    size_t count = spec.axes.n;
    const int64_t *axes = spec.axes.v;
    memset(goes, 0, rank * sizeof *goes);
    if (spec.axes_in_input) {
        const sib_tensor *given = n->n_in > 1 ? cpu_constant(n->in[1]) : NULL;
        if (n->n_in > 1 && n->in[1] && (!given || given->dtype != SIB_I64 || !given->dense))
            return false;
        axes = given ? (const int64_t *)(const void *)given->data : NULL;
        count = given ? given->count : 0;
    }
    bool every = !n->node->milli && !count && !(spec.axes_in_input && spec.noop_with_empty_axes);
    for (size_t i = 0; i < rank && every; i++)
        goes[i] = true;
    for (size_t i = 0, axis; i < count; i++) {
        if (!spec_axis(axes[i], rank, &axis))
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
    if (!row || !cpu_dims(n, n->in[0], &rank, dims) || !cpu_count(rank, dims) || !axes_of(n, rank, goes))
        return false;
    *p = axes_plan_of(rank, dims, goes);
    return true;
}

/* The dtype in which a reduction of `dtype` is computed; SIB_DTYPE_UNKNOWN where it is not supported. */
static sib_dtype computed_in(sib_dtype dtype)
{
    switch (dtype) {
    case SIB_F16:
    case SIB_BF16:
        return SIB_F32;
    case SIB_BOOL:
        return SIB_U8;
    default:
        return dtype <= SIB_U64 && kernel_table_get()->rows.types.of[dtype] ? dtype : SIB_DTYPE_UNKNOWN;
    }
}

static bool is_float(sib_dtype dtype)
{
    return sib_dtype_get_kind(dtype) == SIB_KIND_FLOAT;
}

static bool reduce_claims(const cpu_self *self, const node_view *n)
{
    axes_plan p;
    sib_dtype dtype = n->n_in ? cpu_dtype(n->in[0]) : SIB_DTYPE_UNKNOWN;
    const reduce_row *row = row_of(n->node);
    (void)self;
    return row && n->n_out == 1 && n->out[0] && cpu_dtype(n->out[0]) == dtype && computed_in(dtype) &&
           (row->end == END_NONE || is_float(dtype)) && plan_of(n, &p);
}

typedef struct reduce_state {
    axes_plan plan;
    rows_kind kind;
    reduce_end end;
    sib_dtype dtype, inside; /* of the tensors, and of the computation */
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
    s->dtype = cpu_dtype(n->in[0]);
    s->inside = computed_in(s->dtype);
    if (s->dtype == SIB_BOOL) /* for bool, sum is any and product is all */
        s->kind = row->kind == ROWS_SUM ? ROWS_MAX : row->kind == ROWS_PRODUCT ? ROWS_MIN : row->kind;
    return SIB_OK;
}

/* ---- Running ------------------------------------------------------------------------------------------- */

typedef struct reduce_job {
    const rows_kernels *kernels;
    const rows_typed *typed;
    rows_kind kind;
    const char *x;
    char *y;
    size_t x_item, y_item; /* bytes */
} reduce_job;

static void step_f32(const void *context, const axes_plan *p, size_t in, size_t out, size_t many, bool more)
{
    const reduce_job *j = context;
    const float *x = (const float *)(const void *)j->x + in;
    float *y = (float *)(void *)j->y + out;
    if (p->across)
        j->kernels->across[j->kind](x, many, p->n, y, more);
    else
        j->kernels->down[j->kind](x, p->n, p->many, many, y, more);
}

static void step_typed(const void *context, const axes_plan *p, size_t in, size_t out, size_t many, bool more)
{
    const reduce_job *j = context;
    rows_walk w = {p->n, p->across ? 1 : p->many, many, p->across ? p->n : 1};
    j->typed->reduce[j->kind](j->x + in * j->x_item, w, j->y + out * j->y_item, more);
}

/* The operator's result from a result in double. */
static double end_of(const reduce_state *s, double v)
{
    return s->end == END_MEAN   ? v / (double)s->plan.joined
           : s->end == END_ROOT ? sqrt(v)
           : s->end == END_LOG  ? log(v)
                                : v;
}

/* Repeats sums of float32 in double where they overflowed. */
static sib_code reduce_wide(const cpu_call *c, const float *x, float *y)
{
    const reduce_state *s = c->state;
    double *results = cpu_scratch_take(c, s->plan.results * sizeof *results);
    if (!results)
        return cpu_no_memory(c, s->plan.results * sizeof *results);
    const rows_kernels *k = &c->self->kernels->rows;
    reduce_job job = {k,         k->types.of[SIB_F32], s->kind, (const char *)x, (char *)results,
                      sizeof *x, sizeof *results};
    sib_code code = axes_run(c, &s->plan, step_typed, &job);
    for (size_t i = 0; i < s->plan.results && code == SIB_OK; i++)
        y[i] = (float)end_of(s, results[i]);
    cpu_scratch_give(c, results);
    return code;
}

static bool all_finite(const float *y, size_t n)
{
    float all = 0;
    for (size_t i = 0; i < n; i++)
        all += y[i] - y[i]; /* NaN where one is not finite */
    return all == 0;
}

static sib_code reduce_f32(const cpu_call *c, const float *x, float *y)
{
    const reduce_state *s = c->state;
    reduce_job job = {
        .kernels = &c->self->kernels->rows, .kind = s->kind, .x = (const char *)x, .y = (char *)y};
    sib_code code = axes_run(c, &s->plan, step_f32, &job);
    if (code != SIB_OK || s->kind == ROWS_MIN || s->kind == ROWS_MAX)
        return code;
    if (!all_finite(y, s->plan.results))
        return reduce_wide(c, x, y);
    for (size_t i = 0; i < s->plan.results && s->end != END_NONE; i++)
        y[i] = (float)end_of(s, (double)y[i]);
    return SIB_OK;
}

/* 16-bit floats: widens the entire input, rounds the results once. */
static sib_code reduce_half(const cpu_call *c, const sib_tensor *x, sib_tensor *y)
{
    const reduce_state *s = c->state;
    const kernel_table *k = c->self->kernels;
    size_t floats = x->count + s->plan.results;
    float *wide = cpu_scratch_take(c, floats * sizeof *wide);
    if (!wide)
        return cpu_no_memory(c, floats * sizeof *wide);
    (s->dtype == SIB_F16 ? k->widen_f16 : k->widen_bf16)(x->data, wide, x->count);
    sib_code code = reduce_f32(c, wide, wide + x->count);
    if (code == SIB_OK)
        (s->dtype == SIB_F16 ? k->narrow_f16 : k->narrow_bf16)(wide + x->count, y->data, s->plan.results);
    cpu_scratch_give(c, wide);
    return code;
}

static sib_code reduce_typed(const cpu_call *c, const sib_tensor *x, sib_tensor *y)
{
    const reduce_state *s = c->state;
    const rows_kernels *k = &c->self->kernels->rows;
    size_t item = dtype_stride(s->inside);
    reduce_job job = {k, k->types.of[s->inside], s->kind, x->data, y->data, item, item};
    sib_code code = axes_run(c, &s->plan, step_typed, &job);
    double *results = (double *)(void *)y->data;
    for (size_t i = 0; i < s->plan.results && s->end != END_NONE && code == SIB_OK; i++)
        results[i] = end_of(s, results[i]); /* float64; for other dtypes end_of does nothing */
    return code;
}

static sib_code reduce_run(const cpu_call *c)
{
    const reduce_state *s = c->state;
    const sib_tensor *x = cpu_in(c, 0);
    sib_tensor *y = cpu_out(c, 0);
    sib_code code = SIB_OK;
    if (!y)
        return SIB_OK;
    if (s->dtype == SIB_F32)
        code = reduce_f32(c, (const float *)(const void *)x->data, (float *)(void *)y->data);
    else if (s->inside == SIB_F32)
        code = reduce_half(c, x, y);
    else
        code = reduce_typed(c, x, y);
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
