#include "run/passes/match.h"

#include "base/alloc.h"
#include "base/error.h"
#include "ops/ops.h"
#include "tensor/dtype.h"
#include "tensor/tensor.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- Reading the graph -------------------------------------------------------------------------------- */

static void count_reads(matcher *m)
{
    const graph *g = m->g;
    pass_mark_outputs(g, m->given);
    for (node_id i = 0; i < g->n_nodes; i++) {
        const node *n = &g->nodes[i];
        pass_mark_captures(g, n, m->given);
        for (uint32_t k = 0; k < n->inputs.n; k++)
            if (n->inputs.ids[k] != NO_VALUE && (match_op(n, "Shape") || match_op(n, "Size")))
                m->asked[n->inputs.ids[k]]++;
            else if (n->inputs.ids[k] != NO_VALUE) {
                m->reads[n->inputs.ids[k]]++;
                m->reader[n->inputs.ids[k]] = i;
            }
    }
    for (value_id v = 0; v < g->n_values; v++)
        m->reads[v] += m->given[v];
}

sib_code match_begin(matcher *m, const graph *g, pass_run *run, patch *p, sib_error *err)
{
    *m = (matcher){.g = g, .run = run, .patch = p, .err = err};
    m->reads = mem_calloc((size_t)g->n_values + 1, sizeof *m->reads);
    m->asked = mem_calloc((size_t)g->n_values + 1, sizeof *m->asked);
    m->reader = mem_alloc((size_t)g->n_values + 1, sizeof *m->reader);
    m->given = mem_calloc((size_t)g->n_values + 1, sizeof *m->given);
    m->taken = mem_calloc((size_t)g->n_nodes + 1, sizeof *m->taken);
    if (!m->reads || !m->asked || !m->reader || !m->given || !m->taken)
        return err_memory(err, g->n_values * sizeof *m->reads, "a pass");
    for (value_id v = 0; v < g->n_values; v++)
        m->reader[v] = NO_NODE;
    count_reads(m);
    return SIB_OK;
}

void match_end(matcher *m)
{
    mem_free(m->reads);
    mem_free(m->asked);
    mem_free(m->reader);
    mem_free(m->given);
    mem_free(m->taken);
}

sib_code match_each(const graph *g, pass_run *run, patch *p, sib_code (*at)(matcher *m, const node *n),
                    sib_error *err)
{
    matcher m;
    sib_code code = match_begin(&m, g, run, p, err);
    for (node_id i = 0; i < g->n_nodes && code == SIB_OK; i++)
        if (!m.taken[i])
            code = at(&m, &g->nodes[i]);
    match_end(&m);
    return code;
}

bool match_op(const node *n, const char *type)
{
    return n && !n->milli && n->op && !*n->op->domain && str_is(n->type, type);
}

bool match_ms(const node *n, const char *type)
{
    return n && !n->milli && n->op && !strcmp(n->op->domain, "com.microsoft") && str_is(n->type, type);
}

bool match_sibyl(const node *n, const char *type)
{
    return n && str_is(n->domain, "ai.sibyl") && str_is(n->type, type);
}

const node *match_maker(const matcher *m, value_id v)
{
    node_id maker = v < m->g->n_values ? m->g->values[v].producer : NO_NODE;
    return maker == NO_NODE || m->taken[maker] ? NULL : &m->g->nodes[maker];
}

const node *match_made_by(const matcher *m, value_id v, const char *type)
{
    const node *n = match_maker(m, v);
    return match_op(n, type) ? n : NULL;
}

const node *match_only_reader(const matcher *m, value_id v)
{
    if (v >= m->g->n_values || m->reads[v] != 1 || m->given[v] || m->taken[m->reader[v]])
        return NULL;
    return &m->g->nodes[m->reader[v]];
}

node_id match_id(const matcher *m, const node *n)
{
    return (node_id)(n - m->g->nodes);
}

value_id node_in(const node *n, uint32_t i)
{
    return i < n->inputs.n ? n->inputs.ids[i] : NO_VALUE;
}

value_id node_out(const node *n, uint32_t i)
{
    return i < n->outputs.n ? n->outputs.ids[i] : NO_VALUE;
}

bool match_one_output(const matcher *m, const node *n)
{
    for (uint32_t i = 1; i < n->outputs.n; i++)
        if (n->outputs.ids[i] != NO_VALUE && (m->reads[n->outputs.ids[i]] || m->asked[n->outputs.ids[i]]))
            return false;
    return node_out(n, 0) != NO_VALUE;
}

bool match_pair(const node *n, value_id a, value_id b)
{
    return n->inputs.n == 2 && ((n->inputs.ids[0] == a && n->inputs.ids[1] == b) ||
                                (n->inputs.ids[0] == b && n->inputs.ids[1] == a));
}

value_id match_other(const node *n, value_id v)
{
    if (n->inputs.n != 2)
        return NO_VALUE;
    return n->inputs.ids[0] == v ? n->inputs.ids[1] : n->inputs.ids[1] == v ? n->inputs.ids[0] : NO_VALUE;
}

/* ---- Values ------------------------------------------------------------------------------------------- */

const sib_tensor *match_constant(const matcher *m, value_id v)
{
    return v < m->g->n_values ? m->g->values[v].constant : NULL;
}

bool match_number(const matcher *m, value_id v, double *out)
{
    const sib_tensor *t = match_constant(m, v);
    const int64_t zero[SIB_MAX_RANK] = {0};
    return t && t->count == 1 && t->dtype != SIB_STRING && sib_tensor_get(t, zero, out, NULL) == SIB_OK;
}

bool match_is_number(const matcher *m, value_id v, double wanted)
{
    double got;
    if (!match_number(m, v, &got))
        return false;
    double close = match_dtype(m, v) == SIB_F16    ? 0x1p-10
                   : match_dtype(m, v) == SIB_BF16 ? 0x1p-7
                                                   : 2 * (double)FLT_EPSILON;
    return fabs(got - wanted) <= close * fabs(wanted);
}

/* Reads an integer constant of rank 0 or 1 with at most `max` elements. Returns their number, or -1. */
static int match_ints(const matcher *m, value_id v, int64_t *out, int max)
{
    const sib_tensor *t = match_constant(m, v);
    if (!t || t->rank > 1 || t->count > (uint64_t)max || (t->dtype != SIB_I64 && t->dtype != SIB_I32))
        return -1;
    for (uint64_t i = 0; i < t->count; i++) {
        double x;
        if (sib_tensor_get(t, (int64_t[]){(int64_t)i}, &x, NULL) != SIB_OK || fabs(x) > 0x1p53)
            x = x < 0 ? -0x1p53 : 0x1p53; /* stands for "to the end" */
        out[i] = (int64_t)x;
    }
    return (int)t->count;
}

int match_list(const matcher *m, const node *n, uint32_t i, spec_ints list, int64_t *out, int max,
               bool *absent)
{
    *absent = false;
    if (node_in(n, i) != NO_VALUE)
        return match_ints(m, node_in(n, i), out, max);
    *absent = !list.v;
    if (list.n > (size_t)max)
        return -1;
    for (size_t k = 0; k < list.n; k++)
        out[k] = spec_item(list, k, 0);
    return (int)list.n;
}

sib_dtype match_dtype(const matcher *m, value_id v)
{
    const value_type *t = v < m->g->n_values ? &m->g->values[v].type : NULL;
    return t && !t->depth && t->leaf == TYPE_TENSOR ? t->dtype : SIB_DTYPE_UNKNOWN;
}

int match_rank(const matcher *m, value_id v)
{
    const value_type *t = v < m->g->n_values ? &m->g->values[v].type : NULL;
    return t && !t->depth && t->leaf == TYPE_TENSOR && t->shape.ranked ? t->shape.rank : -1;
}

bool match_dim(const matcher *m, value_id v, int axis, int64_t *out)
{
    int rank = match_rank(m, v);
    axis += axis < 0 ? rank : 0;
    return axis >= 0 && axis < rank && dim_is_const(m->g->dims, m->g->values[v].type.shape.dims[axis], out);
}

bool match_same_rank(const matcher *m, value_id a, value_id b)
{
    return match_rank(m, a) >= 0 && match_rank(m, a) == match_rank(m, b) && match_dtype(m, a) &&
           match_dtype(m, a) == match_dtype(m, b);
}

bool match_same_type(const matcher *m, value_id a, value_id b)
{
    if (match_rank(m, a) < 0 || match_rank(m, b) < 0 || match_dtype(m, a) != match_dtype(m, b))
        return false;
    const dim_shape *x = &m->g->values[a].type.shape, *y = &m->g->values[b].type.shape;
    for (int i = 0; i < x->rank; i++)
        if (!x->dims[i].id) /* an unknown dim equals no other */
            return false;
    return match_dtype(m, a) && dim_shape_same(x, y);
}

/* ---- Edits -------------------------------------------------------------------------------------------- */

void match_add(match_nodes *list, const matcher *m, const node *n)
{
    node_id id = match_id(m, n);
    for (uint32_t i = 0; i < list->n; i++)
        if (list->ids[i] == id)
            return;
    if (list->n < sizeof list->ids / sizeof *list->ids)
        list->ids[list->n] = id;
    list->n++; /* match_closed detects a list that is too long */
}

static bool is_listed(const match_nodes *list, node_id id)
{
    for (uint32_t i = 0; i < list->n; i++)
        if (list->ids[i] == id)
            return true;
    return false;
}

/* The number of reads of v by nodes of the list. */
static uint32_t reads_within(const matcher *m, const match_nodes *list, value_id v)
{
    uint32_t reads = 0;
    for (uint32_t i = 0; i < list->n; i++) {
        const node *n = &m->g->nodes[list->ids[i]];
        for (uint32_t k = 0; k < n->inputs.n; k++)
            reads += n->inputs.ids[k] == v;
    }
    return reads;
}

bool match_closed(const matcher *m, const match_nodes *list, value_id out)
{
    if (list->n > sizeof list->ids / sizeof *list->ids)
        return false;
    for (uint32_t i = 0; i < list->n; i++) {
        const node *n = &m->g->nodes[list->ids[i]];
        if (m->taken[list->ids[i]])
            return false;
        for (uint32_t k = 0; k < n->outputs.n; k++) {
            value_id v = n->outputs.ids[k];
            if (v != NO_VALUE && v != out && (m->given[v] || m->reads[v] != reads_within(m, list, v)))
                return false;
        }
    }
    node_id maker = m->g->values[out].producer;
    return maker != NO_NODE && is_listed(list, maker);
}

node match_node(const char *domain, const char *type, int64_t version, const node *like)
{
    node n = {.domain = str_of(domain), .type = str_of(type), .name = like->name, .origin = NO_NODE};
    n.op = ops_find(n.domain, n.type);
    n.version = !*domain && !like->domain.length && like->version > version ? like->version : version;
    return n;
}

static bool makes(size_t n, const node *made, value_id v)
{
    for (size_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < made[i].outputs.n; k++)
            if (made[i].outputs.ids[k] == v)
                return true;
    return false;
}

/* Whether all outputs of the node are made by new nodes or read only by nodes of `gone`. */
static bool is_left_over(const matcher *m, const node *old, const match_nodes *gone, size_t n,
                         const node *made)
{
    for (uint32_t k = 0; k < old->outputs.n; k++) {
        value_id v = old->outputs.ids[k];
        if (v != NO_VALUE && !makes(n, made, v) &&
            (m->given[v] || m->asked[v] || m->reads[v] != reads_within(m, gone, v)))
            return false;
    }
    return true;
}

static bool makes_any(const node *old, size_t n, const node *made)
{
    for (uint32_t k = 0; k < old->outputs.n; k++)
        if (old->outputs.ids[k] != NO_VALUE && makes(n, made, old->outputs.ids[k]))
            return true;
    return false;
}

sib_code match_replace_by(matcher *m, const match_nodes *old, size_t n, const node *made)
{
    sib_code code = SIB_OK;
    match_nodes gone = {0};
    node_id last = 0;
    for (uint32_t i = 0; i < old->n; i++) {
        last = old->ids[i] > last ? old->ids[i] : last;
        m->taken[old->ids[i]] = true;
    }
    for (bool more = true; more && code == SIB_OK;) { /* repeats until no further node becomes unneeded */
        more = false;
        for (uint32_t i = 0; i < old->n && code == SIB_OK; i++) {
            const node *o = &m->g->nodes[old->ids[i]];
            if (is_listed(&gone, old->ids[i]) ||
                (!makes_any(o, n, made) && !is_left_over(m, o, &gone, n, made)))
                continue;
            gone.ids[gone.n++] = old->ids[i];
            code = patch_drop(m->patch, old->ids[i], m->err);
            more = true;
        }
    }
    for (size_t i = 0; i < n && code == SIB_OK; i++)
        code = patch_node(m->patch, last, &made[i], m->err);
    return code;
}

sib_code match_replace(matcher *m, const match_nodes *old, const node *made)
{
    return match_replace_by(m, old, 1, made);
}

sib_code match_keep(matcher *m, sib_tensor *t, value_id *out)
{
    sib_code code = arena_keep(m->g->arena, t, m->err);
    return code == SIB_OK ? patch_constant(m->patch, (sib_str){"", 0}, t, out, m->err) : code;
}

sib_code match_keep_ints(matcher *m, size_t n, const int64_t *values, value_id *out)
{
    sib_tensor *t = NULL;
    int64_t count = (int64_t)n;
    sib_code code = sib_tensor_create(SIB_I64, 1, &count, &t, m->err);
    if (code != SIB_OK)
        return code;
    if (n)
        memcpy(t->data, values, n * sizeof *values);
    return match_keep(m, t, out);
}

sib_code match_keep_float(matcher *m, sib_dtype dtype, double number, value_id *out)
{
    sib_tensor *t = NULL;
    sib_code code = sib_tensor_create(dtype, 0, NULL, &t, m->err);
    if (code == SIB_OK && (code = sib_tensor_set(t, (int64_t[]){0}, number, m->err)) != SIB_OK)
        sib_tensor_free(&t);
    return code == SIB_OK ? match_keep(m, t, out) : code;
}

attribute match_int(const char *name, int64_t x)
{
    return (attribute){.name = str_of(name), .kind = ATTR_INT, .i = x};
}

attribute match_float(const char *name, float x)
{
    return (attribute){.name = str_of(name), .kind = ATTR_FLOAT, .f = x};
}

attribute match_text(const char *name, const char *x)
{
    return (attribute){.name = str_of(name), .kind = ATTR_STRING, .s = str_of(x)};
}

attribute match_ints_of(const char *name, size_t n, const int64_t *values)
{
    return (attribute){.name = str_of(name), .kind = ATTR_INTS, .n = n, .ints = values};
}
