/* Common subexpressions: merges nodes that compute the same from the same inputs. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"
#include "ops/ops.h"
#include "run/passes/match.h"
#include "run/passes/passes.h"
#include "tensor/dtype.h"
#include "tensor/tensor.h"

#include <string.h>

typedef struct merging {
    matcher m;
    value_id *instead; /* (n_values) the value that replaces it */
    uint32_t *slots;   /* (n_slots) node + 1; a hash table with open addressing */
    size_t n_slots;
} merging;

/* Whether tensors of few elements have equal bits. */
static bool same_tensor(const sib_tensor *a, const sib_tensor *b)
{
    size_t bytes;
    if (!a || !b)
        return false;
    if (a == b)
        return true;
    if (a->dtype != b->dtype || a->rank != b->rank || a->count > 64 || a->dtype == SIB_STRING ||
        memcmp(a->dims, b->dims, a->rank * sizeof *a->dims) || !a->dense || !b->dense ||
        !dtype_bytes(a->dtype, a->count, &bytes))
        return false;
    return !a->count || !memcmp(sib_tensor_data(a), sib_tensor_data(b), bytes);
}

static bool same_attribute(const attribute *a, const attribute *b)
{
    if (!b || a->kind != b->kind)
        return false;
    switch (a->kind) {
    case ATTR_FLOAT:
        /* NaN is the same as itself, 0 not as -0. NOLINTNEXTLINE(bugprone-suspicious-memory-comparison) */
        return !memcmp(&a->f, &b->f, sizeof a->f);
    case ATTR_INT:
        return a->i == b->i;
    case ATTR_STRING:
        return str_same(a->s, b->s);
    case ATTR_TENSOR:
        return same_tensor(a->tensor, b->tensor);
    case ATTR_FLOATS:
        return a->n == b->n && (!a->n || !memcmp(a->floats, b->floats, a->n * sizeof *a->floats));
    case ATTR_INTS:
        return a->n == b->n && (!a->n || !memcmp(a->ints, b->ints, a->n * sizeof *a->ints));
    default:
        return false;
    }
}

/* Small constants with equal elements count as one value. */
static bool same_input(const merging *d, value_id a, value_id b)
{
    if (a == b)
        return true;
    if (a == NO_VALUE || b == NO_VALUE)
        return false;
    const sib_tensor *x = match_constant(&d->m, a), *y = match_constant(&d->m, b);
    return d->instead[a] == d->instead[b] || (x && y && same_tensor(x, y));
}

static bool same_node(const merging *d, const node *a, const node *b)
{
    if (a->op != b->op || a->version != b->version || a->inputs.n != b->inputs.n ||
        a->outputs.n != b->outputs.n || a->n_attributes != b->n_attributes)
        return false;
    for (uint32_t i = 0; i < a->inputs.n; i++)
        if (!same_input(d, a->inputs.ids[i], b->inputs.ids[i]))
            return false;
    for (uint32_t i = 0; i < a->outputs.n; i++)
        if ((a->outputs.ids[i] == NO_VALUE) != (b->outputs.ids[i] == NO_VALUE))
            return false;
    for (size_t i = 0; i < a->n_attributes; i++) {
        char name[64];
        if (a->attributes[i].name.length >= sizeof name)
            return false;
        memcpy(name, a->attributes[i].name.data, a->attributes[i].name.length);
        name[a->attributes[i].name.length] = 0;
        if (!same_attribute(&a->attributes[i], node_attribute(b, name)))
            return false;
    }
    return true;
}

static uint64_t mix(uint64_t h, uint64_t x)
{
    h = (h ^ x) * UINT64_C(0x9E3779B97F4A7C15);
    return h ^ h >> 29;
}

/* Equal where same_tensor holds. */
static uint64_t hash_constant(const sib_tensor *t)
{
    size_t bytes = 0;
    bool elements = t->dtype != SIB_STRING && t->dense && dtype_bytes(t->dtype, t->count, &bytes) && bytes;
    return mix((uint64_t)t->dtype + t->count,
               elements ? hash_bytes(sib_tensor_data((sib_tensor *)t), bytes) : 0);
}

/* Equal where same_attribute holds. */
static uint64_t hash_attribute(const attribute *a)
{
    uint64_t h = mix(hash_bytes(a->name.data, a->name.length), (uint64_t)a->kind);
    switch (a->kind) {
    case ATTR_FLOAT:
        return mix(h, hash_bytes(&a->f, sizeof a->f));
    case ATTR_INT:
        return mix(h, (uint64_t)a->i);
    case ATTR_STRING:
        return mix(h, hash_bytes(a->s.data, a->s.length));
    case ATTR_FLOATS:
        return mix(h, hash_bytes(a->floats, a->n * sizeof *a->floats));
    case ATTR_INTS:
        return mix(h, hash_bytes(a->ints, a->n * sizeof *a->ints));
    default:
        return h;
    }
}

static uint64_t hash_of(const merging *d, const node *n)
{
    uint64_t h = mix((uint64_t)(uintptr_t)n->op, n->inputs.n);
    for (uint32_t i = 0; i < n->inputs.n; i++) {
        value_id v = n->inputs.ids[i];
        const sib_tensor *t = match_constant(&d->m, v);
        if (t && t->count <= 64) /* constants with other names may be equal */
            h = mix(h, hash_constant(t));
        else
            h = mix(h, v == NO_VALUE ? UINT64_MAX : d->instead[v]);
    }
    for (size_t i = 0; i < n->n_attributes; i++) /* a sum, as the order of attributes does not matter */
        h += hash_attribute(&n->attributes[i]);
    return h ^ h >> 32;
}

/* Whether the node is deterministic and runs no graph. */
static bool may_merge(const node *n)
{
    return n->op && !n->milli && op_repeats(n->op) && n->inputs.n && n->outputs.n;
}

/* Returns an earlier node that computes the same as n. Where there is none, adds n and returns NULL. */
static const node *find(merging *d, const node *n)
{
    size_t at = (size_t)hash_of(d, n) & (d->n_slots - 1);
    for (; d->slots[at]; at = (at + 1) & (d->n_slots - 1))
        if (same_node(d, &d->m.g->nodes[d->slots[at] - 1], n))
            return &d->m.g->nodes[d->slots[at] - 1];
    d->slots[at] = match_id(&d->m, n) + 1;
    return NULL;
}

static bool may_rewire(const merging *d, const node *first, const node *n)
{
    for (uint32_t i = 0; i < n->outputs.n; i++) {
        value_id v = n->outputs.ids[i];
        if (v == NO_VALUE)
            continue;
        bool output = false; /* the graph's outputs keep their names */
        for (uint32_t k = 0; k < d->m.g->outputs.n; k++)
            output |= d->m.g->outputs.ids[k] == v;
        if (output ||
            !type_agrees(d->m.g->dims, &d->m.g->values[v].type, &d->m.g->values[first->outputs.ids[i]].type))
            return false;
    }
    return true;
}

static sib_code merge(merging *d, const node *first, const node *n)
{
    sib_code code = SIB_OK;
    for (uint32_t i = 0; i < n->outputs.n && code == SIB_OK; i++) {
        if (n->outputs.ids[i] == NO_VALUE)
            continue;
        d->instead[n->outputs.ids[i]] = first->outputs.ids[i];
        code = patch_rewire(d->m.patch, n->outputs.ids[i], first->outputs.ids[i], d->m.err);
    }
    return code == SIB_OK ? patch_drop(d->m.patch, match_id(&d->m, n), d->m.err) : code;
}

sib_code pass_same(const graph *g, pass_run *r, patch *p, sib_error *err)
{
    merging d = {.n_slots = 16};
    while (d.n_slots < 2 * (size_t)g->n_nodes + 1)
        d.n_slots *= 2;
    sib_code code = match_begin(&d.m, g, r, p, err);
    d.instead = mem_alloc((size_t)g->n_values + 1, sizeof *d.instead);
    d.slots = mem_calloc(d.n_slots, sizeof *d.slots);
    if (code == SIB_OK && (!d.instead || !d.slots))
        code = err_memory(err, d.n_slots * sizeof *d.slots, "a pass");
    for (value_id v = 0; v < g->n_values && code == SIB_OK; v++)
        d.instead[v] = v;
    for (node_id i = 0; i < g->n_nodes && code == SIB_OK; i++) {
        const node *n = &g->nodes[i], *first = may_merge(n) ? find(&d, n) : NULL;
        if (first && may_rewire(&d, first, n) && pass_admit(r))
            code = merge(&d, first, n);
    }
    mem_free(d.instead);
    mem_free(d.slots);
    match_end(&d.m);
    return code;
}
