/* Where values cross between the host and the session's device: each is copied at most once each way, by the
   first step of the device that reads it, or by the one that makes it. Reshapes are views there as on the
   host. What the caller leaves on the device from run to run is not copied: that a run finds out. */
#include "run/plan/plan.h"

#include "base/assert.h"

static slot *root_of(const segment *s, value_id v)
{
    SIB_ASSERT(v < s->graph->n_values);
    return &s->slots[s->slots[v].kind == SLOT_ALIAS ? s->slots[v].root : v];
}

/* Marks the values that the host reads. */
static void find_host_readers(const segment *s)
{
    for (size_t i = 0; i < s->n_steps; i++) {
        const id_list *in = &s->graph->nodes[s->step_nodes[i]].inputs;
        for (uint32_t k = 0; k < in->n && s->steps[i].backend != s->device->backend; k++)
            if (in->ids[k] != NO_VALUE)
                root_of(s, in->ids[k])->read_on_host = true;
    }
    for (size_t i = 0; i < s->n_made && s->view != PLAN_CLOSED; i++)
        root_of(s, s->made[i].planned)->read_on_host = true;
}

static bool is_export(const segment *s, const slot *root)
{
    size_t i = 0;
    while (i < s->n_exports && root_of(s, s->exports[i].planned) != root)
        i++;
    return i < s->n_exports;
}

static void cross(segment *s, size_t i)
{
    step *st = &s->steps[i];
    const node *n = &s->graph->nodes[s->step_nodes[i]];
    SIB_ASSERT(n->inputs.n <= 64 && n->outputs.n <= 64);
    for (uint32_t k = 0; k < n->inputs.n; k++) {
        slot *root =
            n->inputs.ids[k] == NO_VALUE || st->view.in[k]->constant ? NULL : root_of(s, n->inputs.ids[k]);
        if (root && !root->on_device) {
            SIB_ASSERT(root->sized); /* the device has claimed a node with it */
            st->arrive |= UINT64_C(1) << k;
            root->on_host = true;
            root->on_device = true;
        }
        if (root && root->on_host)
            st->on_host |= UINT64_C(1) << k;
    }
    for (uint32_t k = 0; k < n->outputs.n; k++) {
        if (n->outputs.ids[k] == NO_VALUE)
            continue;
        slot *root = root_of(s, n->outputs.ids[k]);
        SIB_ASSERT(root->sized);
        const bool leaves = is_export(s, root);
        root->on_device = true;
        root->on_host = root->read_on_host || leaves;
        root->may_stay = leaves && !root->read_on_host && root->kind == SLOT_OWN &&
                         s->graph->values[root - s->slots].type.dtype != SIB_F64; /* float32 there */
        if (root->on_host)
            st->leave |= UINT64_C(1) << k;
    }
}

void plan_borders(segment *s)
{
    find_host_readers(s);
    for (size_t i = 0; i < s->n_steps; i++)
        if (s->steps[i].backend == s->device->backend) {
            s->device_bytes = s->arena_bytes;
            cross(s, i);
        }
}
