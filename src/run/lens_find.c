#include "run/lens_find.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"

typedef struct finding {
    const graph *g;
    bool *carries;    /* (n_values) depends on the elements of the tokens, and the logits on it */
    node_id *last;    /* (n_values) the last node that carries it on */
    uint64_t *so_far; /* (n) a hash of the operators between each value that is found and the one before */
    lens_values *out;
    size_t capacity, capacity_so_far;
    sib_error *err;
} finding;

/* What reads dims alone carries no elements. */
static bool reads_dims(const node *n)
{
    return !n->domain.length && (str_is(n->type, "Shape") || str_is(n->type, "Size"));
}

static bool any(const bool *marks, const id_list *list)
{
    for (uint32_t i = 0; i < list->n; i++)
        if (list->ids[i] != NO_VALUE && marks[list->ids[i]])
            return true;
    return false;
}

static void mark(bool *marks, const id_list *list)
{
    for (uint32_t i = 0; i < list->n; i++)
        if (list->ids[i] != NO_VALUE)
            marks[list->ids[i]] = true;
}

/* Fills carries: forward from the tokens, and backward from the logits. What a graph inside a node captures is not
   followed. */
static sib_code find_carriers(finding *f, value_id tokens, value_id logits)
{
    const graph *g = f->g;
    bool *from = mem_calloc((size_t)g->n_values + 1, sizeof *from);
    bool *needed = mem_calloc((size_t)g->n_values + 1, sizeof *needed);
    if (from && needed) {
        from[tokens] = needed[logits] = true;
        for (node_id i = 0; i < g->n_nodes; i++)
            if (!reads_dims(&g->nodes[i]) && any(from, &g->nodes[i].inputs))
                mark(from, &g->nodes[i].outputs);
        for (node_id i = g->n_nodes; i-- > 0;)
            if (!reads_dims(&g->nodes[i]) && any(needed, &g->nodes[i].outputs))
                mark(needed, &g->nodes[i].inputs);
        for (value_id v = 0; v < g->n_values; v++)
            f->carries[v] = from[v] && needed[v];
    }
    mem_free(from);
    mem_free(needed);
    return from && needed ? SIB_OK : err_memory(f->err, 2 * (size_t)g->n_values, "the values between blocks");
}

static void find_last_uses(finding *f)
{
    for (node_id i = 0; i < f->g->n_nodes; i++) {
        const node *n = &f->g->nodes[i];
        if (any(f->carries, &n->outputs))
            for (uint32_t k = 0; k < n->inputs.n; k++)
                if (n->inputs.ids[k] != NO_VALUE)
                    f->last[n->inputs.ids[k]] = i;
    }
}

/* A node of com.microsoft that normalizes the sum of two inputs. */
static bool is_skip_norm(const node *n)
{
    return str_is(n->domain, "com.microsoft") && n->inputs.n > 2 && n->outputs.n &&
           n->outputs.ids[0] != NO_VALUE &&
           (str_is(n->type, "SkipLayerNormalization") || str_is(n->type, "SkipSimplifiedLayerNormalization"));
}

static bool carries(const finding *f, value_id v)
{
    return v != NO_VALUE && f->carries[v];
}

/* What a node makes that adds two values that carry: the sum, or where it normalizes the sum and has no output
   for it, the result. Others: NO_VALUE. */
static value_id sum_of(const finding *f, const node *n)
{
    bool fused = is_skip_norm(n), adds = !n->domain.length && str_is(n->type, "Add") && n->outputs.n;
    if ((!fused && !adds) || n->inputs.n < 2 || !carries(f, n->inputs.ids[0]) ||
        !carries(f, n->inputs.ids[1]))
        return NO_VALUE;
    return fused && n->outputs.n > 3 && n->outputs.ids[3] != NO_VALUE ? n->outputs.ids[3] : n->outputs.ids[0];
}

static bool same_type(const graph *g, value_id a, value_id b)
{
    const value_type *x = &g->values[a].type, *y = &g->values[b].type;
    return x->leaf == TYPE_TENSOR && !x->depth && !y->depth && x->dtype == y->dtype && x->shape.rank >= 2 &&
           dim_shape_same(&x->shape, &y->shape);
}

static sib_code add_found(finding *f, value_id v, uint64_t operators)
{
    lens_values *out = f->out;
    sib_code code = ARRAY_RESERVE(f->so_far, f->capacity_so_far, out->n + 1, "blocks", f->err);
    if (code == SIB_OK)
        code = ARRAY_RESERVE(out->found, f->capacity, out->n + 1, "blocks", f->err);
    if (code == SIB_OK) {
        f->so_far[out->n] = operators;
        out->found[out->n++] = (between){.value = v};
    }
    return code;
}

static uint64_t hash_with(uint64_t operators, sib_str type)
{
    const uint64_t both[2] = {operators, hash_bytes(type.data, type.length)};
    return hash_bytes(both, sizeof both);
}

/* How many values that carry node i reads as the last one. */
static size_t last_reads(const finding *f, node_id i)
{
    const id_list *in = &f->g->nodes[i].inputs;
    size_t n = 0;
    for (uint32_t k = 0; k < in->n; k++) {
        bool again = false;
        for (uint32_t j = 0; j < k; j++)
            again |= in->ids[j] == in->ids[k];
        n += carries(f, in->ids[k]) && f->last[in->ids[k]] == i && !again;
    }
    return n;
}

/* Adds the sum of node n, and before the first the value that went into the part before it. */
static sib_code add_sum(finding *f, const node *n, value_id sum, value_id before, uint64_t operators)
{
    lens_values *out = f->out;
    sib_code code = SIB_OK;
    if (!out->n && before != NO_VALUE && same_type(f->g, before, sum))
        code = add_found(f, before, 0);
    if (code != SIB_OK || !out->n || !same_type(f->g, out->found[out->n - 1].value, sum))
        return code;
    bool fused = is_skip_norm(n), normalized = fused && sum == n->outputs.ids[0];
    /* Where the one before was normalized too, so it is in each block, and what follows has no norm. */
    bool always = normalized && out->n > 1 && out->last_is_normalized;
    out->fused = fused && !always ? (node_id)(n - f->g->nodes) : NO_NODE;
    out->last_is_normalized = normalized;
    return add_found(f, sum, operators);
}

/* Goes through the nodes with the number of values that carry and are still to be read: where that is one,
   everything goes through it. Of such values those that sums make, and the one before the first of them, are
   what is between blocks. A sum that its node normalizes as well is one before its norm is. */
static sib_code find_between(finding *f)
{
    const graph *g = f->g;
    size_t alive = 1; /* the tokens */
    value_id before = NO_VALUE;
    uint64_t operators = 0;
    sib_code code = SIB_OK;
    for (node_id i = 0; i < g->n_nodes && code == SIB_OK; i++) {
        const node *n = &g->nodes[i];
        value_id made = NO_VALUE, sum = sum_of(f, n);
        size_t n_made = 0;
        if (!any(f->carries, &n->outputs) || reads_dims(n))
            continue;
        for (uint32_t k = 0; k < n->outputs.n; k++)
            if (carries(f, n->outputs.ids[k])) {
                made = n->outputs.ids[k];
                n_made++;
            }
        alive -= last_reads(f, i);
        bool all = !alive && (n_made == 1 || is_skip_norm(n));
        alive += n_made;
        if (all && sum != NO_VALUE) {
            code = add_sum(f, n, sum, before, hash_with(operators, str_of("Add")));
            operators = 0;
            if (sum != n->outputs.ids[0]) /* the part behind it begins with the norm */
                operators = hash_with(0, str_from(n->type, strlen("Skip")));
            continue;
        }
        operators = hash_with(operators, n->type);
        if (all && !f->out->n) {
            before = made;
            operators = 0;
        }
    }
    return code;
}

/* The smallest number of parts after which operators repeat; 1 where they do not. */
static size_t find_parts(const uint64_t *operators, size_t n)
{
    SIB_ASSERT(operators);
    for (size_t parts = 1; 2 * parts <= n; parts++) {
        size_t i = parts;
        while (i < n && operators[i] == operators[i - parts])
            i++;
        if (i == n && !(n % parts))
            return parts;
    }
    return 1;
}

static void number_blocks(finding *f)
{
    size_t n = f->out->n, parts = n > 1 ? find_parts(f->so_far + 1, n - 1) : 1;
    for (size_t i = 0; i < n; i++) {
        between *b = &f->out->found[i];
        b->block = (i + parts - 1) / parts;
        b->part = i ? (i - 1) % parts + 1 : 0;
        b->whole = i % parts == 0;
    }
}

sib_code lens_find(const graph *g, value_id tokens, value_id logits, lens_values *out, sib_error *err)
{
    finding f = {.g = g, .out = out, .err = err};
    *out = (lens_values){.fused = NO_NODE};
    f.carries = mem_calloc((size_t)g->n_values + 1, sizeof *f.carries);
    f.last = mem_calloc((size_t)g->n_values + 1, sizeof *f.last);
    sib_code code = f.carries && f.last
                        ? find_carriers(&f, tokens, logits)
                        : err_memory(err, g->n_values * sizeof *f.last, "last uses of values");
    if (code == SIB_OK) {
        find_last_uses(&f);
        code = find_between(&f);
    }
    if (code == SIB_OK)
        number_blocks(&f);
    mem_free(f.carries);
    mem_free(f.last);
    mem_free(f.so_far);
    if (code != SIB_OK) {
        mem_free(out->found);
        *out = (lens_values){.fused = NO_NODE};
    }
    return code;
}
