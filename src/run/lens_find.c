#include "run/lens_find.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/error.h"
#include "base/hash.h"

typedef struct finding {
    const graph *g;
    bool *carries;    /* (n_values) depends on the elements of the tokens, and the logits on it */
    node_id *last;    /* (n_values) the last node that carries it on */
    uint64_t *so_far; /* (n) a hash of the operators between each value that is found and the one before */
    between *found;   /* (n) */
    size_t n, capacity, capacity_so_far;
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

/* An Add of two values that carry. */
static bool is_sum(const finding *f, const node *n)
{
    return !n->domain.length && str_is(n->type, "Add") && n->inputs.n == 2 && f->carries[n->inputs.ids[0]] &&
           f->carries[n->inputs.ids[1]];
}

static bool same_type(const graph *g, value_id a, value_id b)
{
    const value_type *x = &g->values[a].type, *y = &g->values[b].type;
    return x->leaf == TYPE_TENSOR && !x->depth && !y->depth && x->dtype == y->dtype && x->shape.rank >= 2 &&
           dim_shape_same(&x->shape, &y->shape);
}

static sib_code add_found(finding *f, value_id v, uint64_t operators)
{
    sib_code code = ARRAY_RESERVE(f->so_far, f->capacity_so_far, f->n + 1, "blocks", f->err);
    if (code == SIB_OK)
        code = ARRAY_RESERVE(f->found, f->capacity, f->n + 1, "blocks", f->err);
    if (code == SIB_OK) {
        f->so_far[f->n] = operators;
        f->found[f->n++] = (between){.value = v};
    }
    return code;
}

/* Goes through the nodes with the number of values that carry and are still to be read: where that is one, everything goes
   through it. Of such values those that sums make, and the one before the first of them, are what is between blocks. */
static sib_code find_between(finding *f)
{
    const graph *g = f->g;
    size_t alive = 1; /* the tokens */
    value_id before = NO_VALUE;
    uint64_t operators = 0;
    sib_code code = SIB_OK;
    for (node_id i = 0; i < g->n_nodes && code == SIB_OK; i++) {
        const node *n = &g->nodes[i];
        value_id made = NO_VALUE;
        if (!any(f->carries, &n->outputs) || reads_dims(n))
            continue;
        const uint64_t both[2] = {operators, hash_bytes(n->type.data, n->type.length)};
        operators = hash_bytes(both, sizeof both);
        for (uint32_t k = 0; k < n->outputs.n; k++)
            if (n->outputs.ids[k] != NO_VALUE && f->carries[n->outputs.ids[k]]) {
                made = n->outputs.ids[k];
                alive++;
            }
        for (uint32_t k = 0; k < n->inputs.n; k++) {
            value_id v = n->inputs.ids[k];
            bool again = false;
            for (uint32_t j = 0; j < k; j++)
                again |= n->inputs.ids[j] == v;
            if (v != NO_VALUE && f->carries[v] && f->last[v] == i && !again)
                alive--;
        }
        if (alive != 1)
            continue;
        if (is_sum(f, n)) {
            if (!f->n && before != NO_VALUE && same_type(g, before, made))
                code = add_found(f, before, 0);
            if (code == SIB_OK && f->n && same_type(g, f->found[f->n - 1].value, made))
                code = add_found(f, made, operators);
            operators = 0;
        } else if (!f->n) {
            before = made;
            operators = 0;
        }
    }
    return code;
}

/* The least number of parts after which operators repeat; 1 where they do not. */
static size_t find_parts(const uint64_t *operators, size_t n)
{
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
    size_t parts = f->n > 1 ? find_parts(f->so_far + 1, f->n - 1) : 1;
    for (size_t i = 0; i < f->n; i++) {
        f->found[i].block = (i + parts - 1) / parts;
        f->found[i].part = i ? (i - 1) % parts + 1 : 0;
        f->found[i].whole = i % parts == 0;
    }
}

sib_code lens_find(const graph *g, value_id tokens, value_id logits, between **out, size_t *n, sib_error *err)
{
    finding f = {.g = g, .err = err};
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
        mem_free(f.found);
        f.found = NULL;
        f.n = 0;
    }
    *out = f.found;
    *n = f.n;
    return code;
}
