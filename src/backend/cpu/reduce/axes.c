#include "backend/cpu/reduce/axes.h"
#include "base/cancel.h"

axes_plan axes_plan_of(size_t rank, const int64_t *dims, const bool *goes)
{
    size_t groups[SIB_MAX_RANK] = {0}, n = 0;
    bool reduced[SIB_MAX_RANK] = {false};
    axes_plan p = {.results = 1, .joined = 1, .n = 1, .many = 1};
    for (size_t i = 0; i < rank; i++) {
        *(goes[i] ? &p.joined : &p.results) *= (size_t)dims[i];
        if (dims[i] == 1)
            continue;
        if (n && reduced[n - 1] == goes[i]) {
            groups[n - 1] *= (size_t)dims[i];
        } else {
            groups[n] = (size_t)dims[i];
            reduced[n++] = goes[i];
        }
    }
    p.across = !n || reduced[n - 1] || n == 1;
    if (n && p.across && reduced[n - 1])
        p.n = groups[--n];
    if (n)
        p.many = groups[--n];
    if (n && !p.across)
        p.n = groups[--n];
    p.rank = n;
    size_t in_step = p.n * p.many, out_step = p.many;
    for (size_t i = n; i-- > 0;) {
        p.dims[i] = groups[i];
        p.in_step[i] = in_step;
        p.out_step[i] = reduced[i] ? 0 : out_step;
        in_step *= groups[i];
        out_step *= reduced[i] ? 1 : groups[i];
    }
    return p;
}

typedef struct axes_job {
    const cpu_call *c;
    const axes_plan *p;
    axes_step step;
    const void *context;
} axes_job;

/* Runs all innermost reductions below index `first` of the outermost group (rank > 0). */
static void run_below(const axes_job *j, size_t first)
{
    const axes_plan *p = j->p;
    size_t index[SIB_MAX_RANK] = {first}, in = first * p->in_step[0], out = first * p->out_step[0], axis;
    do {
        bool more = false;
        for (size_t i = 0; i < p->rank; i++)
            more |= !p->out_step[i] && index[i];
        j->step(j->context, p, in, out, p->many, more);
        for (axis = p->rank; axis-- > 1;) {
            in += p->in_step[axis];
            out += p->out_step[axis];
            if (++index[axis] < p->dims[axis])
                break;
            in -= p->in_step[axis] * p->dims[axis];
            out -= p->out_step[axis] * p->dims[axis];
            index[axis] = 0;
        }
    } while (axis > 0 && axis != SIZE_MAX && !cancel_is_set(j->c->cancel));
}

static void outer_task(void *context, size_t begin, size_t count, unsigned worker)
{
    const axes_job *j = context;
    (void)worker;
    for (size_t i = begin; i < begin + count && !cancel_is_set(j->c->cancel); i++)
        run_below(j, i);
}

static void plain_task(void *context, size_t begin, size_t count, unsigned worker)
{
    const axes_job *j = context;
    (void)worker;
    if (!cancel_is_set(j->c->cancel))
        j->step(j->context, j->p, begin * (j->p->across ? j->p->n : 1), begin, count, false);
}

sib_code axes_run(const cpu_call *c, const axes_plan *p, axes_step call, const void *context)
{
    axes_job j = {c, p, call, context};
    if (!p->rank)
        return cpu_parallel_for(c, p->many, p->n, plain_task, &j);
    if (p->out_step[0])
        return cpu_parallel_for(c, p->dims[0], p->in_step[0], outer_task, &j);
    outer_task(&j, 0, p->dims[0], 0);
    return cancel_is_set(c->cancel) ? cpu_fail(c, SIB_ERR_CANCELLED, "the run was cancelled") : SIB_OK;
}
