#include "run/plan/fuse.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/size.h"
#include "run/plan/fuse_body.h"
#include "tensor/dtype.h"

#include <stdlib.h>
#include <string.h>

#define NO_GROUP UINT32_MAX
/* Operands of a node that is asked about alone, on each side. */
#define CLAIMED_OPERANDS 64

typedef struct group {
    value_id shape; /* a value with the dims of all members' outputs */
    uint32_t n;
    bool on_device;                /* the session's device takes each member */
    node_id members[FUSE_MEMBERS]; /* (n) */
} group;

typedef struct fuser {
    const graph *g;
    const bool *needed, *leaves;
    const plan_options *options;
    uint32_t *group_of; /* (n_nodes) */
    uint32_t *readers,
        *readers_at; /* nodes that read value v: readers[readers_at[v]] .. readers[readers_at[v + 1] - 1] */
    group *groups;
    uint32_t n_groups;
    size_t capacity;
} fuser;

/* ---- The graph --------------------------------------------------------------------------------------- */

/* Fills readers with needed nodes, one entry per read. */
static sib_code find_readers(fuser *f, sib_error *err)
{
    const graph *g = f->g;
    size_t n = 0;
    for (node_id i = 0; i < g->n_nodes; i++)
        n += g->nodes[i].inputs.n;
    f->readers_at = mem_calloc((size_t)g->n_values + 2, sizeof *f->readers_at);
    f->readers = mem_alloc(n ? n : 1, sizeof *f->readers);
    f->group_of = mem_alloc(g->n_nodes ? g->n_nodes : 1, sizeof *f->group_of);
    if (!f->readers_at || !f->readers || !f->group_of)
        return err_memory(err, n * sizeof *f->readers, "a plan");
    uint32_t *next =
        f->readers_at + 1; /* next[v]: where the next reader of v goes; finally the end of v's readers */
    for (node_id i = 0; i < g->n_nodes; i++) {
        f->group_of[i] = NO_GROUP;
        for (uint32_t k = 0; k < g->nodes[i].inputs.n && f->needed[i]; k++)
            if (g->nodes[i].inputs.ids[k] != NO_VALUE)
                next[g->nodes[i].inputs.ids[k] + 1]++;
    }
    for (uint32_t v = 0; v < g->n_values; v++)
        next[v + 1] += next[v];
    for (node_id i = 0; i < g->n_nodes; i++)
        for (uint32_t k = 0; k < g->nodes[i].inputs.n && f->needed[i]; k++)
            if (g->nodes[i].inputs.ids[k] != NO_VALUE)
                f->readers[next[g->nodes[i].inputs.ids[k]]++] = i;
    return SIB_OK;
}

static bool is_plain(const graph *g, value_id v, int64_t dims[SIB_MAX_RANK])
{
    const value_type *t = &g->values[v].type;
    return !t->depth && t->leaf == TYPE_TENSOR && t->dtype && t->dtype != SIB_STRING &&
           dim_shape_const(g->dims, &t->shape, dims);
}

static bool is_elementwise(const graph *g, const node *n)
{
    int64_t dims[SIB_MAX_RANK];
    if (!n->milli || n->milli->kind > MILLI_bitcast || n->outputs.n != 1)
        return false;
    for (uint32_t k = 0; k < n->inputs.n; k++)
        if (!is_plain(g, n->inputs.ids[k], dims))
            return false;
    return is_plain(g, n->outputs.ids[0], dims);
}

static bool same_shape(const graph *g, value_id a, value_id b)
{
    const dim_shape *x = &g->values[a].type.shape, *y = &g->values[b].type.shape;
    if (x->rank != y->rank)
        return false;
    for (int i = 0; i < x->rank; i++)
        if (x->dims[i].id != y->dims[i].id)
            return false;
    return true;
}

/* ---- Groups -------------------------------------------------------------------------------------------- */

/* Whether all readers of the results of group `at`, except members of it and of the `joined` groups (n),
   come at or after node i. */
static bool may_wait(const fuser *f, uint32_t at, const uint32_t *joined, size_t n, node_id i)
{
    const group *q = &f->groups[at];
    for (uint32_t m = 0; m < q->n; m++) {
        value_id v = f->g->nodes[q->members[m]].outputs.ids[0];
        for (uint32_t k = f->readers_at[v]; k < f->readers_at[v + 1]; k++) {
            uint32_t its = f->group_of[f->readers[k]];
            bool inside = its == at;
            for (size_t j = 0; j < n && its != NO_GROUP; j++)
                inside |= its == joined[j];
            if (!inside && f->readers[k] < i)
                return false;
        }
    }
    return true;
}

static bool has_device(const fuser *f)
{
    bool has = false;
    for (size_t b = 0; b < f->options->n_backends; b++)
        has |= f->options->backends[b].backend->alloc != NULL;
    return has;
}

static bool device_claims(const fuser *f, const node_view *view)
{
    bool runs = false;
    for (size_t b = 0; b < f->options->n_backends; b++) {
        const opened_backend *o = &f->options->backends[b];
        runs |= o->backend->alloc && o->backend->claims(o->self, view);
    }
    return runs;
}

/* Whether the session has a device that runs both nodes as one, of which b reads a. */
static sib_code device_takes_pair(const fuser *f, node_id a, node_id b, bool *takes, sib_error *err)
{
    fuse_body body;
    sib_code code =
        fuse_body_make(&body, f->g, (const node_id[]){a, b}, 2, f->leaves, f->readers, f->readers_at, err);
    if (code == SIB_OK && body.n_out <= FUSE_OUTPUTS) {
        const node_view view = fuse_body_view(&body);
        *takes = device_claims(f, &view);
    }
    fuse_body_clear(&body, false);
    return code;
}

/* The only node that reads what node i makes; NO_NODE: there is none. */
static node_id only_reader(const fuser *f, node_id i)
{
    const value_id v = f->g->nodes[i].outputs.ids[0];
    return f->readers_at[v + 1] - f->readers_at[v] == 1 && !f->leaves[v] ? f->readers[f->readers_at[v]]
                                                                         : NO_NODE;
}

/* Whether the session has a device that runs node i, alone or as one half of a pair (erf and 1 + it, in a lowering's
   float64). What it does not is no member of a group that it may run. */
static sib_code on_device(const fuser *f, node_id i, bool *runs, sib_error *err)
{
    const graph *g = f->g;
    const node *n = &g->nodes[i];
    const value *in[FUSE_INPUTS], *out = &g->values[n->outputs.ids[0]];
    const node_view view = {g, n, n->inputs.n, 1, in, &out};
    for (uint32_t k = 0; k < n->inputs.n && k < FUSE_INPUTS; k++)
        in[k] = &g->values[n->inputs.ids[k]];
    *runs = n->inputs.n <= FUSE_INPUTS && device_claims(f, &view);
    sib_code code = SIB_OK;
    if (*runs || !has_device(f))
        return SIB_OK;
    const node_id next = only_reader(f, i);
    if (next != NO_NODE && is_elementwise(g, &g->nodes[next]))
        code = device_takes_pair(f, i, next, runs, err);
    for (uint32_t k = 0; k < n->inputs.n && code == SIB_OK && !*runs; k++) {
        const node_id before = g->values[n->inputs.ids[k]].producer;
        if (before != NO_NODE && is_elementwise(g, &g->nodes[before]) && only_reader(f, before) == i)
            code = device_takes_pair(f, before, i, runs, err);
    }
    return code;
}

static sib_code new_group(fuser *f, node_id i, bool device, sib_error *err)
{
    sib_code code = ARRAY_RESERVE(f->groups, f->capacity, (size_t)f->n_groups + 1, "a plan", err);
    if (code != SIB_OK)
        return code;
    f->groups[f->n_groups] =
        (group){.shape = f->g->nodes[i].outputs.ids[0], .n = 1, .on_device = device, .members = {i}};
    f->group_of[i] = f->n_groups++;
    return SIB_OK;
}

static void merge(fuser *f, uint32_t into, uint32_t from)
{
    group *a = &f->groups[into], *b = &f->groups[from];
    for (uint32_t m = 0; m < b->n; m++) {
        a->members[a->n++] = b->members[m];
        f->group_of[b->members[m]] = into;
    }
    b->n = 0;
}

/* Merges the groups whose results an elementwise node reads and adds the node, or starts a group with it. */
static sib_code join(fuser *f, node_id i, sib_error *err)
{
    const graph *g = f->g;
    const node *n = &g->nodes[i];
    uint32_t joined[4], n_joined = 0, members = 1;
    bool device;
    sib_code code = on_device(f, i, &device, err);
    for (uint32_t k = 0; k < n->inputs.n && n_joined < 4; k++) {
        node_id made_by = g->values[n->inputs.ids[k]].producer;
        uint32_t its = made_by == NO_NODE ? NO_GROUP : f->group_of[made_by];
        bool known = its == NO_GROUP;
        SIB_ASSERT(known || (f->groups && its < f->n_groups));
        for (uint32_t j = 0; j < n_joined; j++)
            known |= joined[j] == its;
        if (known || f->groups[its].on_device != device || members + f->groups[its].n > FUSE_MEMBERS ||
            !same_shape(g, f->groups[its].shape, n->outputs.ids[0]) || !may_wait(f, its, joined, n_joined, i))
            continue;
        members += f->groups[its].n;
        joined[n_joined++] = its;
    }
    if (code != SIB_OK || !n_joined)
        return code == SIB_OK ? new_group(f, i, device, err) : code;
    for (uint32_t j = 1; j < n_joined; j++)
        merge(f, joined[0], joined[j]);
    group *q = &f->groups[joined[0]];
    q->members[q->n++] = i;
    f->group_of[i] = joined[0];
    return SIB_OK;
}

/* ---- Heads --------------------------------------------------------------------------------------------- */

static bool all_read_inside(const fuser *f, value_id v, uint32_t at)
{
    for (uint32_t k = f->readers_at[v]; k < f->readers_at[v + 1]; k++)
        if (f->group_of[f->readers[k]] != at)
            return false;
    return !f->leaves[v];
}

/* The head of a group, or NO_NODE: its only output has the group's dims and is read by the group alone. */
static node_id find_head(const fuser *f, uint32_t at)
{
    const graph *g = f->g;
    const group *q = &f->groups[at];
    node_id best = NO_NODE;
    for (uint32_t m = 0; m < q->n; m++) {
        const node *n = &g->nodes[q->members[m]];
        for (uint32_t k = 0; k < n->inputs.n; k++) {
            value_id v = n->inputs.ids[k];
            node_id made_by = g->values[v].producer;
            if (made_by == NO_NODE || f->group_of[made_by] != NO_GROUP || !same_shape(g, v, q->shape) ||
                !all_read_inside(f, v, at))
                continue;
            const node *h = &g->nodes[made_by];
            uint32_t makes = 0;
            for (uint32_t j = 0; j < h->outputs.n; j++)
                makes += h->outputs.ids[j] != NO_VALUE;
            bool moves = h->milli && h->milli->kind >= MILLI_reshape && h->milli->kind <= MILLI_constant;
            if (makes == 1 && h->outputs.ids[0] == v && !moves && (best == NO_NODE || made_by > best))
                best = made_by;
        }
    }
    return best;
}

/* ---- Edits --------------------------------------------------------------------------------------------- */

static sib_code note(fusions *out, fusion made, sib_error *err)
{
    return ARRAY_PUSH(out->items, out->n, out->capacity, "a plan", err, made);
}

/* The first backend that claims a node; -1: none. */
static int claimed_by(const plan_options *o, const node_view *view)
{
    for (size_t i = 0; i < o->n_backends; i++)
        if (o->backends[i].backend->claims(o->backends[i].self, view))
            return (int)i;
    return -1;
}

static int claimed_alone(const fuser *f, const node *n)
{
    const value *in[CLAIMED_OPERANDS], *out[CLAIMED_OPERANDS];
    const node_view view = {f->g, n, n->inputs.n, n->outputs.n, in, out};
    if (n->inputs.n > CLAIMED_OPERANDS || n->outputs.n > CLAIMED_OPERANDS)
        return -1;
    for (uint32_t i = 0; i < n->inputs.n; i++)
        in[i] = n->inputs.ids[i] == NO_VALUE ? NULL : &f->g->values[n->inputs.ids[i]];
    for (uint32_t i = 0; i < n->outputs.n; i++)
        out[i] = n->outputs.ids[i] == NO_VALUE ? NULL : &f->g->values[n->outputs.ids[i]];
    return claimed_by(f->options, &view);
}

/* Whether that backend is of a device. */
static bool is_devices(const fuser *f, int backend)
{
    return backend >= 0 && f->options->backends[backend].backend->alloc;
}

/* The backend for a fused node, as far forward as that of its first member: what a device takes alone does not leave
   it because another backend fuses more. -1: none. */
static int backend_for(const fuser *f, const node *first, const fuse_body *b)
{
    const node_view view = fuse_body_view(b);
    const int fused = claimed_by(f->options, &view), alone = fused > 0 ? claimed_alone(f, first) : -1;
    return alone >= 0 && alone < fused ? -1 : fused;
}

/* Replaces members (n, in order) by one node if a backend claims it. *done: whether one did. */
static sib_code replace(fuser *f, const node_id *members, size_t n, pass_run *r, patch *p, fusions *out,
                        bool *done, sib_error *err)
{
    fuse_body b;
    *done = false;
    sib_code code = fuse_body_make(&b, f->g, members, n, f->leaves, f->readers, f->readers_at, err);
    int backend =
        code == SIB_OK && b.n_out <= FUSE_OUTPUTS ? backend_for(f, &f->g->nodes[members[0]], &b) : -1;
    if (backend >= 0 && pass_admit(r)) {
        for (size_t i = 0; i < n && code == SIB_OK; i++)
            code = patch_drop(p, members[i], err);
        if (code == SIB_OK)
            code = patch_node(p, members[n - 1], &b.node, err);
        if (code == SIB_OK)
            code = note(out, (fusion){members[n - 1], b.node.outputs.ids[0], (size_t)backend, b.body}, err);
        *done = code == SIB_OK;
    }
    fuse_body_clear(&b, *done);
    return code;
}

/* The same with a head before them; NO_NODE: none. */
static sib_code replace_with(fuser *f, node_id head, const node_id *members, size_t n, pass_run *r, patch *p,
                             fusions *out, bool *done, sib_error *err)
{
    node_id all[FUSE_MEMBERS + 1] = {head};
    sib_code code = SIB_OK;
    *done = false;
    if (head != NO_NODE) {
        memcpy(all + 1, members, n * sizeof *all);
        code = replace(f, all, n + 1, r, p, out, done, err);
    }
    return code == SIB_OK && !*done && n > 1 ? replace(f, members, n, r, p, out, done, err) : code;
}

/* The same for members of a group that the device runs, which has few buffers: in halves where it does not take
   them together. */
static sib_code replace_parts(fuser *f, node_id head, const node_id *members, size_t n, pass_run *r, patch *p,
                              fusions *out, sib_error *err)
{
    bool done = false;
    sib_code code = replace_with(f, head, members, n, r, p, out, &done, err);
    if (code != SIB_OK || done || n < 2)
        return code;
    const size_t half = n / 2;
    const bool first = head != NO_NODE && head < members[half - 1]; /* has the head, which is there by then */
    code = replace_parts(f, first ? head : NO_NODE, members, half, r, p, out, err);
    return code == SIB_OK ? replace_parts(f, first ? NO_NODE : head, members + half, n - half, r, p, out, err)
                          : code;
}

static int by_number(const void *a, const void *b)
{
    node_id x = *(const node_id *)a, y = *(const node_id *)b;
    return (x > y) - (x < y);
}

static sib_code fuse_group(fuser *f, uint32_t at, pass_run *r, patch *p, fusions *out, sib_error *err)
{
    group *q = &f->groups[at];
    bool done = false;
    if (!q->n)
        return SIB_OK;
    qsort(q->members, q->n, sizeof *q->members, by_number);
    node_id head = find_head(f, at);
    if (!q->on_device)
        return replace_with(f, head, q->members, q->n, r, p, out, &done, err);
    if (head != NO_NODE && !is_devices(f, claimed_alone(f, &f->g->nodes[head])))
        head = NO_NODE;
    return replace_parts(f, head, q->members, q->n, r, p, out, err);
}

sib_code fuse_elementwise(const graph *g, const bool *needed, const bool *leaves, const plan_options *options,
                          pass_run *r, patch *p, fusions *out, sib_error *err)
{
    fuser f = {.g = g, .needed = needed, .leaves = leaves, .options = options};
    *out = (fusions){0};
    sib_code code = find_readers(&f, err);
    for (node_id i = 0; i < g->n_nodes && code == SIB_OK; i++)
        if (needed[i] && is_elementwise(g, &g->nodes[i]))
            code = join(&f, i, err);
    for (uint32_t i = 0; i < f.n_groups && code == SIB_OK; i++)
        code = fuse_group(&f, i, r, p, out, err);
    mem_free(f.readers);
    mem_free(f.readers_at);
    mem_free(f.group_of);
    mem_free(f.groups);
    if (code != SIB_OK)
        fusions_free(out, false);
    return code;
}

void fusions_free(fusions *f, bool applied)
{
    for (size_t i = 0; i < f->n && !applied; i++)
        graph_free(&f->items[i].body);
    mem_free(f->items);
    *f = (fusions){0};
}
