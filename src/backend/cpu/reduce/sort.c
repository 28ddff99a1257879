/* Sorting along an axis: the milli-op sort, and TopK as one kernel. */
#include "kernel/sort/sort.h"
#include "backend/cpu/call/rows.h"
#include "backend/cpu/call/scratch.h"
#include "base/cancel.h"

typedef struct sort_state {
    cpu_lines lines;
    sort_lines sort; /* step is lines.inner */
    size_t item;     /* bytes of an element */
} sort_state;

/* Reads the state; returns false where the node is not supported. */
static bool read_sort(const node_view *n, sort_state *s)
{
    size_t rank, axis, out_rank;
    int64_t dims[SIB_MAX_RANK], out_dims[SIB_MAX_RANK];
    const value *made = NULL;
    for (size_t i = 0; i < n->n_out && !made; i++)
        made = n->out[i];
    top_k_spec spec = spec_top_k(n->node);
    if (!made || !n->n_in || !sort_takes(cpu_dtype(n->in[0])) || !cpu_dims(n, n->in[0], &rank, dims) ||
        !cpu_dims(n, made, &out_rank, out_dims) || out_rank != rank || !spec_axis(spec.axis, rank, &axis) ||
        dims[axis] > INT32_MAX || out_dims[axis] > dims[axis])
        return false;
    s->lines = cpu_lines_of(rank, dims, axis, axis + 1);
    s->item = dtype_stride(cpu_dtype(n->in[0]));
    s->sort = (sort_lines){.dtype = cpu_dtype(n->in[0]),
                           .descending = spec.largest,
                           .n = s->lines.size,
                           .k = (size_t)out_dims[axis],
                           .step = s->lines.inner};
    return true;
}

static bool sort_claims(const cpu_self *self, const node_view *n)
{
    sort_state s;
    (void)self;
    return read_sort(n, &s);
}

static sib_code sort_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    (void)self;
    sort_state *s = mem_alloc(1, sizeof *s);
    *state = s;
    if (!s)
        return err_memory(err, sizeof *s, "a step");
    read_sort(n, s);
    return SIB_OK;
}

typedef struct sort_job {
    const cpu_call *c;
    const char *x;
    char *values;
    int64_t *indices;
    atomic_bool no_memory;
} sort_job;

/* Items are lines: all columns of a plane, then those of the next. */
static void sort_task(void *context, size_t begin, size_t count, unsigned worker)
{
    sort_job *j = context;
    const sort_state *s = j->c->state;
    sort_lines sort = s->sort;
    size_t inner = s->lines.inner;
    (void)worker;
    sort.cancel = j->c->cancel;
    if (cancel_is_set(j->c->cancel))
        return;
    void *scratch = cpu_scratch_take(j->c, sort_scratch(&s->sort));
    if (!scratch) {
        atomic_store(&j->no_memory, true);
        return;
    }
    for (size_t i = begin; i < begin + count; i++) {
        size_t from = i / inner * s->sort.n * inner + i % inner,
               to = i / inner * s->sort.k * inner + i % inner;
        sort_line(&sort, j->x + from * s->item, j->values ? j->values + to * s->item : NULL,
                  j->indices ? j->indices + to : NULL, scratch);
    }
    cpu_scratch_give(j->c, scratch);
}

#define SORT_WORK 32 /* work per element */

static sib_code sort_run(const cpu_call *c)
{
    const sort_state *s = c->state;
    sib_tensor *values = cpu_out(c, 0), *indices = cpu_out(c, 1);
    sort_job job = {.c = c,
                    .x = cpu_in(c, 0)->data,
                    .values = values ? values->data : NULL,
                    .indices = indices ? (int64_t *)(void *)indices->data : NULL};
    if (!s->sort.n || !s->sort.k)
        return SIB_OK;
    sib_code code =
        cpu_parallel_for(c, s->lines.outer * s->lines.inner, s->sort.n * SORT_WORK, sort_task, &job);
    return atomic_load(&job.no_memory) ? cpu_no_memory(c, sort_scratch(&s->sort)) : code;
}

const cpu_kernel cpu_sort = {.claims = sort_claims, .prepare = sort_prepare, .run = sort_run};
