/* A copy of the data with updates written by coordinates, or along an axis. */
#include "backend/cpu/call/rows.h"
#include "backend/cpu/layout/gather.h"
#include "base/cancel.h"
#include "kernel/layout/layout.h"

#include <string.h>

typedef struct scatter_state {
    gather_plan plan;
    layout_box whole; /* the data */
    scatter_combine combine;
    size_t item;
    gather_moves *moves; /* for constant indices; may be NULL */
} scatter_state;

static bool type_of(sib_dtype dtype, scatter_type *type)
{
    static const sib_dtype types[SCATTER_TYPES] = {SIB_F32, SIB_F64, SIB_I32, SIB_I64};
    for (int i = 0; i < SCATTER_TYPES; i++)
        if (types[i] == dtype) {
            *type = (scatter_type)i;
            return true;
        }
    return false;
}

/* How updates are combined with the data; returns false for reductions that are lowered. */
static bool combine_of(const node_view *n, scatter_combine *combine)
{
    scatter_type type;
    scatter_reduction reduction = spec_scatter(n->node).reduction;
    *combine = NULL;
    if (reduction == SCATTER_NONE)
        return true;
    if (!type_of(cpu_dtype(n->in[0]), &type))
        return false;
    *combine = scatter_combines[reduction][type];
    return true;
}

/* coordinates: as scatter_nd, else along an axis. */
static bool plan(const node_view *n, bool coordinates, scatter_state *s)
{
    cpu_box data, indices, updates, out;
    if (n->n_in != 3 ||
        !(coordinates ? cpu_gather_coordinates(n, 0, &s->plan) : cpu_gather_elements(n, &s->plan)) ||
        !cpu_box_of(n, n->in[2], &updates) || !cpu_box_of(n, n->out[0], &out) ||
        !cpu_box_of(n, n->in[0], &data) || !cpu_box_of(n, n->in[1], &indices) || !combine_of(n, &s->combine))
        return false;
    s->item = data.item;
    if (cpu_dtype(n->in[2]) != cpu_dtype(n->in[0]) || out.count != data.count)
        return false;
    /* updates have the dims of indices without the last, then the remaining ones of the data */
    size_t lead = coordinates ? indices.rank - 1 : indices.rank,
           rest = coordinates ? s->plan.depth : data.rank;
    if (updates.rank != lead + data.rank - rest)
        return false;
    for (size_t i = 0; i < updates.rank; i++)
        if (updates.dims[i] != (i < lead ? indices.dims[i] : data.dims[rest + i - lead]))
            return false;
    int64_t dense[SIB_MAX_RANK];
    layout_strides(data.rank, data.dims, data.item, dense);
    layout_box_plan(&s->whole, data.rank, data.dims, dense, dense, data.item);
    return true;
}

static sib_code prepare(const node_view *n, bool coordinates, void **state, sib_error *err)
{
    scatter_state *s = mem_alloc(1, sizeof *s);
    if (!s)
        return err_memory(err, sizeof *s, "a step");
    plan(n, coordinates, s);
    const sib_tensor *indices = cpu_constant(n->in[1]);
    bool known = indices && indices->dense && !s->combine;
    s->moves = known ? gather_moves_make(&s->plan, indices->data) : NULL;
    *state = s;
    return SIB_OK;
}

static void release(void *state)
{
    scatter_state *s = state;
    mem_free(s->moves);
    mem_free(s);
}

static bool nd_claims(const cpu_self *self, const node_view *n)
{
    scatter_state s;
    (void)self;
    return plan(n, true, &s);
}

static sib_code nd_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    (void)self;
    return prepare(n, true, state, err);
}

static bool elements_claims(const cpu_self *self, const node_view *n)
{
    scatter_state s;
    (void)self;
    return plan(n, false, &s);
}

static sib_code elements_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    (void)self;
    return prepare(n, false, state, err);
}

static sib_code run_scatter(const cpu_call *c)
{
    const scatter_state *s = c->state;
    sib_tensor *out = cpu_out(c, 0);
    if (!out)
        return SIB_OK;
    layout_box_copy(&s->whole, out->data, cpu_in(c, 0)->data, c->self->pool, c->cancel);
    if (cancel_is_set(c->cancel))
        return cpu_cancelled(c);
    for (size_t i = 0; s->moves && i < s->moves->n; i++) {
        const gather_move *m = &s->moves->moves[i];
        memcpy(out->data + m->data, cpu_in(c, 2)->data + m->place, m->bytes);
    }
    if (s->moves)
        return SIB_OK;
    size_t done = scatter_put(&s->plan, out->data, cpu_in(c, 2)->data, cpu_in(c, 1)->data, s->combine,
                              s->item, c->cancel);
    if (cancel_is_set(c->cancel))
        return cpu_cancelled(c);
    return done == s->plan.places ? SIB_OK : cpu_gather_fail(c, &s->plan, done);
}

const cpu_kernel cpu_scatter_nd = {
    .claims = nd_claims, .prepare = nd_prepare, .release = release, .run = run_scatter};
const cpu_kernel cpu_scatter_elements = {
    .claims = elements_claims, .prepare = elements_prepare, .release = release, .run = run_scatter};
