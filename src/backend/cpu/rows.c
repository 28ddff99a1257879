#include "backend/cpu/rows.h"
#include "base/cancel.h"

#define PIECE ((size_t)1 << 17) /* steps of one piece: some 30 microseconds */
#define WORTH ((size_t)1 << 19) /* steps that are worth a second thread */

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

bool cpu_axis(int64_t axis, size_t rank, size_t *out)
{
    if (axis < 0)
        axis += (int64_t)rank;
    *out = (size_t)axis;
    return axis >= 0 && axis < (int64_t)rank;
}

sib_code cpu_spread(const cpu_call *c, size_t items, size_t work, pool_task task, void *context)
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
    return cancel_is_set(c->cancel) ? cpu_fail(c, SIB_ERR_CANCELLED, "the run was cancelled") : SIB_OK;
}
