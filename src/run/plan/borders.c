/* Where values cross between the host and the session's device: each is copied at most once each way, by the
   first step of the device that reads it, or by the one that makes it. Reshapes are views there as on the
   host. */
#include "run/plan/plan.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/size.h"

static slot *root_of(const segment *s, value_id v)
{
    SIB_ASSERT(v < s->graph->n_values);
    return &s->slots[s->slots[v].kind == SLOT_ALIAS ? s->slots[v].root : v];
}

/* Marks the values that the host reads: (n_values), by root. */
static void find_host_readers(const segment *s, bool *host)
{
    for (size_t i = 0; i < s->n_steps; i++) {
        const id_list *in = &s->graph->nodes[s->step_nodes[i]].inputs;
        for (uint32_t k = 0; k < in->n && s->steps[i].backend != s->device->backend; k++)
            if (in->ids[k] != NO_VALUE)
                host[root_of(s, in->ids[k]) - s->slots] = true;
    }
    for (size_t i = 0; i < s->n_exports; i++)
        host[root_of(s, s->exports[i].planned) - s->slots] = true;
    for (size_t i = 0; i < s->n_made && s->view != PLAN_CLOSED; i++)
        host[root_of(s, s->made[i].planned) - s->slots] = true;
}

/* Gives a value a place on the device: that in the arena, or one of its own behind it. */
static sib_code place(segment *s, slot *root, sib_error *err)
{
    SIB_ASSERT(root->sized); /* the device has claimed a node with it */
    root->on_device = true;
    root->place = root->kind == SLOT_ARENA ? root->offset : s->device_bytes;
    if (root->kind == SLOT_ARENA)
        return SIB_OK;
    if (!size_add(s->device_bytes, root->bytes, &s->device_bytes) ||
        !size_add(s->device_bytes, DEVICE_ALIGN - 1, &s->device_bytes))
        return err_set(err, SIB_ERR_SIZE, "the values of a run overflow the address space");
    s->device_bytes -= s->device_bytes % DEVICE_ALIGN;
    return SIB_OK;
}

static sib_code cross(segment *s, size_t i, const bool *host, sib_error *err)
{
    step *st = &s->steps[i];
    const node *n = &s->graph->nodes[s->step_nodes[i]];
    sib_code code = SIB_OK;
    SIB_ASSERT(n->inputs.n <= 64 && n->outputs.n <= 64);
    for (uint32_t k = 0; k < n->inputs.n && code == SIB_OK; k++) {
        slot *root =
            n->inputs.ids[k] == NO_VALUE || st->view.in[k]->constant ? NULL : root_of(s, n->inputs.ids[k]);
        if (root && !root->on_device) {
            st->arrive |= UINT64_C(1) << k;
            root->on_host = true;
            code = place(s, root, err);
        }
        if (root && root->on_host)
            st->on_host |= UINT64_C(1) << k;
    }
    for (uint32_t k = 0; k < n->outputs.n && code == SIB_OK; k++) {
        if (n->outputs.ids[k] == NO_VALUE)
            continue;
        slot *root = root_of(s, n->outputs.ids[k]);
        root->on_host = host[root - s->slots];
        if (root->on_host)
            st->leave |= UINT64_C(1) << k;
        code = place(s, root, err);
    }
    return code;
}

sib_code plan_borders(segment *s, sib_error *err)
{
    bool *host = mem_calloc(s->graph->n_values ? s->graph->n_values : 1, sizeof *host), used = false;
    if (!host)
        return err_memory(err, s->graph->n_values, "a plan");
    sib_code code = SIB_OK;
    s->device_bytes = s->arena_bytes;
    find_host_readers(s, host);
    for (size_t i = 0; i < s->n_steps && code == SIB_OK; i++)
        if (s->steps[i].backend == s->device->backend) {
            used = true;
            code = cross(s, i, host, err);
        }
    if (!used)
        s->device_bytes = 0;
    mem_free(host);
    return code;
}
