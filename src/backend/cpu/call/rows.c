#include "backend/cpu/call/rows.h"
#include "backend/cpu/call/scratch.h"
#include "base/cancel.h"

#define PIECE ((size_t)1 << 17) /* work per piece: about 30 microseconds */
#define WORTH ((size_t)1 << 19) /* work that justifies a second thread */

size_t cpu_count(size_t rank, const int64_t *dims)
{
    size_t n = 1;
    for (size_t i = 0; i < rank; i++)
        n *= (size_t)dims[i];
    return n;
}

cpu_lines cpu_lines_of(size_t rank, const int64_t *dims, size_t first, size_t last)
{
    return (cpu_lines){cpu_count(first, dims), cpu_count(last - first, dims + first),
                       cpu_count(rank - last, dims + last)};
}

const float *cpu_floats_in(const cpu_call *c, size_t i)
{
    const sib_tensor *t = cpu_in(c, i);
    return t ? (const float *)(const void *)t->data : NULL;
}

float *cpu_floats_out(const cpu_call *c, size_t i)
{
    sib_tensor *t = cpu_out(c, i);
    return t ? (float *)(void *)t->data : NULL;
}

float *cpu_floats_made(const cpu_call *c, size_t i, size_t n, void **scratch)
{
    float *y = cpu_floats_out(c, i);
    *scratch = y ? NULL : cpu_scratch_take(c, n * sizeof *y);
    return y ? y : *scratch;
}

bool cpu_is_list(const node_view *n, const value *v, int64_t count)
{
    size_t rank;
    int64_t dims[SIB_MAX_RANK];
    return cpu_dtype(v) == SIB_F32 && cpu_dims(n, v, &rank, dims) && rank == 1 && dims[0] == count;
}

bool cpu_gives_f32(const node_view *n, size_t i)
{
    return i >= n->n_out || !n->out[i] || cpu_dtype(n->out[i]) == SIB_F32;
}

sib_code cpu_cancelled(const cpu_call *c)
{
    return cancel_is_set(c->cancel) ? cpu_fail(c, SIB_ERR_CANCELLED, "the run was cancelled") : SIB_OK;
}

sib_code cpu_parallel_for(const cpu_call *c, size_t items, size_t work, pool_task task, void *context)
{
    size_t all, grain = PIECE / size_max(work, 1);
    if (!size_mul(items, work, &all))
        all = SIZE_MAX;
    if (items <= grain) {
        if (items)
            task(context, 0, items, 0);
    } else {
        pool_run(all < WORTH ? NULL : c->self->pool, items, size_max(grain, 1), task, context);
    }
    return cpu_cancelled(c);
}
