/* Elements by index and by coordinates. */
#include "backend/cpu/layout/gather.h"
#include "backend/cpu/call/rows.h"
#include "base/cancel.h"

#include <inttypes.h>
#include <string.h>

/* ---- Plans ------------------------------------------------------------------------------------------- */

/* Reads data and indices. The milli-ops take int64 indices that do not count from the end. */
static bool operands(const node_view *n, cpu_box *data, cpu_box *indices, gather_plan *p)
{
    sib_dtype dtype = n->n_in > 1 ? cpu_dtype(n->in[1]) : SIB_DTYPE_UNKNOWN;
    *p = (gather_plan){.wide = dtype == SIB_I64, .wraps = !n->node->milli};
    return (dtype == SIB_I64 || dtype == SIB_I32) && cpu_box_of(n, n->in[0], data) &&
           cpu_box_of(n, n->in[1], indices);
}

static size_t product(const int64_t *dims, size_t n)
{
    size_t p = 1;
    for (size_t i = 0; i < n; i++)
        p *= (size_t)dims[i];
    return p;
}

static bool cpu_gather_axis(const node_view *n, gather_plan *p)
{
    cpu_box data, indices;
    if (!operands(n, &data, &indices, p) || !spec_axis(spec_gather(n->node).axis, data.rank, &p->axis))
        return false;
    p->kind = GATHER_AXIS;
    p->run = data.item * product(data.dims + p->axis + 1, data.rank - p->axis - 1);
    p->depth = 1;
    p->size[0] = data.dims[p->axis];
    p->stride[0] = (int64_t)p->run;
    p->each = indices.count;
    p->places = product(data.dims, p->axis) * indices.count;
    p->apart = p->run * (size_t)p->size[0];
    return true;
}

bool cpu_gather_coordinates(const node_view *n, int64_t batch, gather_plan *p)
{
    cpu_box data, indices;
    if (!operands(n, &data, &indices, p) || indices.rank < 1 || batch < 0 || batch >= (int64_t)indices.rank ||
        batch > (int64_t)data.rank)
        return false;
    size_t first = (size_t)batch, depth = (size_t)indices.dims[indices.rank - 1];
    if (depth > data.rank - first)
        return false;
    for (size_t i = 0; i < first; i++)
        if (data.dims[i] != indices.dims[i])
            return false;
    int64_t strides[SIB_MAX_RANK];
    layout_strides(data.rank, data.dims, data.item, strides);
    p->kind = GATHER_COORDINATES;
    p->axis = first;
    p->depth = depth;
    for (size_t i = 0; i < depth; i++) {
        p->size[i] = data.dims[first + i];
        p->stride[i] = strides[first + i];
    }
    p->run = data.item * product(data.dims + first + depth, data.rank - first - depth);
    p->each = product(indices.dims + first, indices.rank - 1 - first);
    p->places = product(indices.dims, indices.rank - 1);
    p->apart = data.item * product(data.dims + first, data.rank - first);
    return true;
}

bool cpu_gather_elements(const node_view *n, gather_plan *p)
{
    cpu_box data, indices;
    if (!operands(n, &data, &indices, p) || data.rank != indices.rank ||
        !spec_axis(spec_gather(n->node).axis, data.rank, &p->axis))
        return false;
    p->kind = GATHER_ELEMENTS;
    layout_strides(data.rank, data.dims, data.item, p->own);
    p->depth = 1;
    p->size[0] = data.dims[p->axis];
    p->stride[0] = p->own[p->axis];
    p->own[p->axis] = 0;
    p->rank = data.rank;
    for (size_t i = 0; i < data.rank; i++) {
        p->dims[i] = indices.dims[i];
        if (i != p->axis && indices.dims[i] > data.dims[i])
            return false;
    }
    p->run = data.item;
    p->places = indices.count;
    return true;
}

sib_code cpu_gather_fail(const cpu_call *c, const gather_plan *p, size_t place)
{
    int64_t index;
    size_t which;
    gather_fault(p, cpu_in(c, 1)->data, place, &index, &which);
    return cpu_fail(c, SIB_ERR_VALUE, "index %" PRId64 " is out of range on axis %zu of size %" PRId64, index,
                    p->axis + which, p->size[which]);
}

/* ---- Kernels ----------------------------------------------------------------------------------------- */

static bool plan_gather(const node_view *n, gather_plan *p)
{
    return cpu_gather_axis(n, p);
}

static bool plan_gather_nd(const node_view *n, gather_plan *p)
{
    return cpu_gather_coordinates(n, spec_gather(n->node).batch_dims, p);
}

/* True where the number of output elements matches the plan's places and runs. */
static bool fits(const node_view *n, const gather_plan *p)
{
    cpu_box out;
    return cpu_box_of(n, n->out[0], &out) && out.item == cpu_item(cpu_dtype(n->in[0])) &&
           out.count * out.item == p->places * p->run;
}

typedef struct gather_state {
    gather_plan plan;
    gather_moves *moves; /* for constant indices; may be NULL */
    /* Constant data, read in place, aligned or not, since only few rows are needed; NULL: input 0. */
    const sib_tensor *table;
} gather_state;

static sib_code keep(const node_view *n, const gather_plan *p, void **state, sib_error *err)
{
    const sib_tensor *indices = cpu_constant(n->in[1]);
    gather_state *s = mem_alloc(1, sizeof *s);
    if (!s)
        return err_memory(err, sizeof *s, "a step");
    s->plan = *p;
    s->table = n->in[0]->constant && n->in[0]->constant->dense ? n->in[0]->constant : NULL;
    s->moves = indices && indices->dense ? gather_moves_make(p, indices->data) : NULL;
    *state = s;
    return SIB_OK;
}

static void release(void *state)
{
    gather_state *s = state;
    mem_free(s->moves);
    mem_free(s);
}

#define GATHER(name, plan)                                                                                   \
    static bool name##_claims(const cpu_self *self, const node_view *n)                                      \
    {                                                                                                        \
        gather_plan p;                                                                                       \
        (void)self;                                                                                          \
        return plan(n, &p) && fits(n, &p);                                                                   \
    }                                                                                                        \
    static sib_code name##_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)   \
    {                                                                                                        \
        gather_plan p;                                                                                       \
        (void)self;                                                                                          \
        plan(n, &p);                                                                                         \
        return keep(n, &p, state, err);                                                                      \
    }
GATHER(gather, plan_gather)
GATHER(gather_nd, plan_gather_nd)
GATHER(gather_elements, cpu_gather_elements)

static bool reads(const void *state, size_t i)
{
    const gather_state *s = state;
    return i != 0 || !s->table;
}

static sib_code run_gather(const cpu_call *c)
{
    const gather_state *s = c->state;
    const gather_plan *p = &s->plan;
    sib_tensor *out = cpu_out(c, 0);
    if (!out)
        return SIB_OK;
    const char *data = s->table ? tensor_address(s->table) : cpu_in(c, 0)->data;
    for (size_t i = 0; s->moves && i < s->moves->n; i++) {
        const gather_move *m = &s->moves->moves[i];
        memcpy(out->data + m->place, data + m->data, m->bytes);
    }
    if (s->moves)
        return SIB_OK;
    size_t done = gather_copy(p, out->data, data, cpu_in(c, 1)->data, c->self->pool, c->cancel);
    if (cancel_is_set(c->cancel))
        return cpu_cancelled(c);
    return done == p->places ? SIB_OK : cpu_gather_fail(c, p, done);
}

const cpu_kernel cpu_gather = {.claims = gather_claims,
                               .prepare = gather_prepare,
                               .release = release,
                               .run = run_gather,
                               .reads = reads};
const cpu_kernel cpu_gather_nd = {.claims = gather_nd_claims,
                                  .prepare = gather_nd_prepare,
                                  .release = release,
                                  .run = run_gather,
                                  .reads = reads};
const cpu_kernel cpu_gather_elements_op = {.claims = gather_elements_claims,
                                           .prepare = gather_elements_prepare,
                                           .release = release,
                                           .run = run_gather,
                                           .reads = reads};
