#include "run/plan/fuse_body.h"

#include "base/error.h"

/* A value of the plan and its counterpart in the body. */
typedef struct pair {
    value_id outer, inner;
} pair;

typedef struct maker {
    fuse_body *b;
    const graph *g;
    const node_id *members; /* (n) in order */
    size_t n;
    pair pairs[FUSE_INPUTS + FUSE_MEMBERS + 1];
    size_t n_pairs;
} maker;

static bool is_member(const maker *m, node_id i)
{
    size_t low = 0, high = m->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (m->members[middle] < i)
            low = middle + 1;
        else
            high = middle;
    }
    return low < m->n && m->members[low] == i;
}

static bool is_expand(const graph *g, node_id i)
{
    return i != NO_NODE && g->nodes[i].milli && g->nodes[i].milli->kind == MILLI_expand;
}

/* Adds a value to the body, with the type of v. */
static sib_code add_value(maker *m, value_id v, value_id *inner, sib_error *err)
{
    const value *x = &m->g->values[v];
    sib_code code = graph_add_value(m->b->body, (sib_str){"", 0}, &x->type, inner, err);
    if (code == SIB_OK) {
        m->b->body->values[*inner].narrow = x->narrow;
        m->pairs[m->n_pairs++] = (pair){v, *inner};
    }
    return code;
}

/* The body's value for one that a member reads: computed in the body, or an input. *inner is NO_VALUE
   where there are too many inputs. */
static sib_code read_value(maker *m, value_id v, value_id *inner, sib_error *err)
{
    fuse_body *b = m->b;
    for (size_t i = 0; i < m->n_pairs; i++)
        if (m->pairs[i].outer == v) {
            *inner = m->pairs[i].inner;
            return SIB_OK;
        }
    *inner = NO_VALUE;
    if (b->n_in == FUSE_INPUTS)
        return SIB_OK;
    sib_code code = add_value(m, v, inner, err);
    if (code != SIB_OK)
        return code;
    b->body->values[*inner].constant = m->g->values[v].constant;
    b->body->values[*inner].lasting = m->g->values[v].lasting;
    b->body->values[*inner].from_file = m->g->values[v].from_file;
    b->in_values[b->n_in] = &m->g->values[v];
    b->ins[b->n_in++] = v;
    return graph_add_input(b->body, *inner, err);
}

/* Adds one member to the body. *fits: there was room. */
static sib_code add_member(maker *m, node_id id, bool *fits, sib_error *err)
{
    const graph *g = m->g;
    node copy = g->nodes[id];
    value_id ins[64], outs[64];
    sib_code code = SIB_OK;
    *fits = copy.inputs.n <= 64 && copy.outputs.n <= 64;
    for (uint32_t k = 0; k < copy.inputs.n && code == SIB_OK && *fits; k++) {
        value_id v = copy.inputs.ids[k];
        ins[k] = NO_VALUE;
        if (v == NO_VALUE)
            continue;
        if (copy.milli && copy.milli->kind <= MILLI_bitcast && is_expand(g, g->values[v].producer))
            v = g->nodes[g->values[v].producer].inputs.ids[0];
        code = read_value(m, v, &ins[k], err);
        *fits = ins[k] != NO_VALUE;
    }
    for (uint32_t k = 0; k < copy.outputs.n && code == SIB_OK && *fits; k++) {
        outs[k] = NO_VALUE;
        if (copy.outputs.ids[k] != NO_VALUE)
            code = add_value(m, copy.outputs.ids[k], &outs[k], err);
    }
    copy.inputs.ids = ins;
    copy.outputs.ids = outs;
    node_id made;
    return code == SIB_OK && *fits ? graph_add_node(m->b->body, &copy, &made, err) : code;
}

/* Makes outputs of the values that nodes outside the body read. */
static sib_code find_outputs(maker *m, const bool *leaves, const uint32_t *readers,
                             const uint32_t *readers_at, sib_error *err)
{
    fuse_body *b = m->b;
    sib_code code = SIB_OK;
    for (size_t i = 0; i < m->n && code == SIB_OK; i++) {
        const node *n = &m->g->nodes[m->members[i]];
        for (uint32_t k = 0; k < n->outputs.n && code == SIB_OK; k++) {
            value_id v = n->outputs.ids[k], inner;
            bool leaving = v != NO_VALUE && leaves[v];
            for (uint32_t j = v == NO_VALUE ? 0 : readers_at[v]; v != NO_VALUE && j < readers_at[v + 1]; j++)
                leaving |= !is_member(m, readers[j]);
            if (!leaving)
                continue;
            if (b->n_out == FUSE_OUTPUTS) {
                b->n_out++;
                return SIB_OK;
            }
            b->out_values[b->n_out] = &m->g->values[v];
            b->outs[b->n_out++] = v;
            code = read_value(m, v, &inner, err);
            if (code == SIB_OK)
                code = graph_add_output(b->body, inner, err);
        }
    }
    return code;
}

sib_code fuse_body_make(fuse_body *out, const graph *g, const node_id *members, size_t n, const bool *leaves,
                        const uint32_t *readers, const uint32_t *readers_at, sib_error *err)
{
    maker m = {.b = out, .g = g, .members = members, .n = n};
    *out = (fuse_body){.outer = g};
    bool fits = true;
    sib_code code = graph_create(g->arena, g->dims, &out->body, err);
    for (size_t i = 0; i < n && code == SIB_OK && fits; i++)
        code = add_member(&m, members[i], &fits, err);
    if (code == SIB_OK && !fits)
        out->n_out = FUSE_OUTPUTS + 1;
    else if (code == SIB_OK)
        code = find_outputs(&m, leaves, readers, readers_at, err);
    if (code != SIB_OK)
        return code;
    out->body->outer = (graph *)g;
    out->attribute = (attribute){.name = str_of("body"), .kind = ATTR_GRAPH, .n = 1, .graph = out->body};
    out->node =
        (node){.milli = milli_row(MILLI_fused),
               .inputs = {(uint32_t)out->n_in, out->ins},
               .outputs = {(uint32_t)out->n_out, out->outs},
               .n_attributes = 1,
               .attributes = &out->attribute,
               .flops = DIM_NONE,
               .origin = g->nodes[members[0]].origin}; /* the head, if any, gets the time in profiles */
    return SIB_OK;
}

node_view fuse_body_view(const fuse_body *b)
{
    return (node_view){b->outer, &b->node, b->n_in, b->n_out, b->in_values, b->out_values};
}

void fuse_body_clear(fuse_body *b, bool keep)
{
    if (!keep)
        graph_free(&b->body);
}
