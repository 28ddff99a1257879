#include "graph.h"

#include "base/alloc.h"
#include "base/error.h"
#include "ops/case_text.h"

/* ---- Building ------------------------------------------------------------------------------------------ */

bool rg_begin(rg_graph *g)
{
    sib_error err = SIB_ERROR_INIT;
    *g = (rg_graph){.opset = 23};
    return arena_create(&g->arena, &err) == SIB_OK;
}

void rg_forget(rg_graph *g)
{
    for (int i = 0; i < g->n_nodes; i++)
        sib_session_free(&g->nodes[i].alone);
}

void rg_clear(rg_graph *g)
{
    rg_forget(g);
    for (int i = 0; i < g->n_values; i++)
        sib_tensor_free(&g->values[i].t);
    arena_free(&g->arena);
}

int rg_leaf(rg_graph *g, sib_tensor *t, bool constant)
{
    if (!t || g->n_values == RG_VALUES) {
        sib_tensor_free(&t);
        return RG_NONE;
    }
    g->values[g->n_values] = (rg_value){.t = t, .maker = RG_NONE, .constant = constant};
    return g->n_values++;
}

/* Reads the attributes from text, and the operator's domain and name. */
static bool read_words(rg_graph *g, const char *type, const char *attributes, rg_node *n)
{
    sib_error err = SIB_ERROR_INIT;
    bool ok = true;
    const char *colon = strchr(type, ':');
    sib_str text = arena_string(g->arena, str_of(attributes), &ok);
    sib_str domain = {type, colon ? (size_t)(colon - type) : 0};
    n->domain = arena_string(g->arena, domain, &ok);
    n->type = arena_string(g->arena, str_of(colon ? colon + 1 : type), &ok);
    n->version = colon ? 1 : g->opset;
    n->attributes = arena_alloc(g->arena, 16, sizeof *n->attributes);
    if (!ok || !n->attributes)
        return false;
    cursor c = {.at = text.data, .end = text.data + text.length, .arena = g->arena, .err = &err};
    for (cursor_blanks(&c); c.at < c.end; cursor_blanks(&c))
        if (n->n_attributes == 16 || !cursor_attribute(&c, &n->attributes[n->n_attributes++])) {
            fprintf(stderr, "random graphs: '%s' of %s: %s\n", attributes, type, err.message);
            abort();
        }
    return true;
}

bool rg_add_node(rg_graph *g, const rg_node *n, uint64_t max)
{
    sib_tensor *in[RG_VALUES], *out[RG_OUT] = {NULL};
    int first = g->n_values;
    if (g->n_nodes == RG_NODES || g->n_values + n->n_out > RG_VALUES)
        return false;
    rg_node *made = &g->nodes[g->n_nodes];
    *made = *n;
    made->alone = NULL;
    made->exact = rg_is_exact(n->type);
    for (int k = 0; k < n->n_out; k++)
        made->out[k] = n->out[k] == RG_NONE ? RG_NONE : first + k;
    for (int i = 0; i < g->n_values; i++)
        in[i] = g->values[i].t;
    g->n_nodes++;
    bool ok = rg_run_node(g, g->n_nodes - 1, in, out);
    for (int k = 0; k < n->n_out && ok; k++)
        ok = made->out[k] == RG_NONE || (out[k] && sib_tensor_count(out[k]) <= max);
    if (!ok) {
        for (int k = 0; k < n->n_out; k++)
            sib_tensor_free(&out[k]);
        sib_session_free(&made->alone);
        g->n_nodes--;
        return false;
    }
    for (int k = 0; k < n->n_out; k++)
        g->values[g->n_values++] =
            (rg_value){.t = out[k], .maker = g->n_nodes - 1, .dropped = out[k] == NULL};
    return true;
}

bool rg_add(rg_graph *g, const char *type, const char *attributes, int n_in, const int *in, int n_out,
            uint64_t max)
{
    rg_node n = {.n_in = n_in, .n_out = n_out};
    memcpy(n.in, in, (size_t)n_in * sizeof *in);
    return read_words(g, type, attributes, &n) && rg_add_node(g, &n, max);
}

/* ---- Models -------------------------------------------------------------------------------------------- */

static sib_code begin_model(const rg_graph *g, onnx_model **out, sib_error *err)
{
    sib_code code = case_model_begin(4, out, err);
    if (code != SIB_OK)
        return code;
    onnx_model *m = *out;
    bool ok = true;
    m->opsets[m->n_opsets++] = (opset_import){(sib_str){"", 0}, g->opset};
    for (int i = 0; i < g->n_nodes; i++) {
        const rg_node *n = &g->nodes[i];
        size_t k = 0;
        while (k < m->n_opsets && !str_same(m->opsets[k].domain, n->domain))
            k++;
        if (k < 4 && !n->dropped)
            m->opsets[k] = (opset_import){arena_string(m->arena, n->domain, &ok), n->version};
        m->n_opsets += k == m->n_opsets && k < 4 && !n->dropped;
    }
    m->graph->name = (sib_str){"random", 6};
    return ok ? SIB_OK : err_memory(err, 16, "a name");
}

typedef struct building {
    const rg_graph *g;
    onnx_model *m;
    value_id ids[RG_VALUES]; /* NO_VALUE until it is made */
    bool all_inputs;         /* constants become inputs too */
} building;

static sib_code add_leaf(building *b, int v, sib_error *err)
{
    const rg_value *from = &b->g->values[v];
    char name[32];
    bool constant = from->constant && !b->all_inputs;
    snprintf(name, sizeof name, "v%d", v);
    value_type type = type_of_dims(b->m->dims, sib_tensor_dtype(from->t), sib_tensor_rank(from->t),
                                   sib_tensor_dims(from->t));
    for (size_t k = 0; b->g->symbolic && !constant && !b->all_inputs && k < sib_tensor_rank(from->t); k++) {
        char symbol[32];
        snprintf(symbol, sizeof symbol, "d%d_%zu", v, k);
        type.shape.dims[k] = dim_symbol(b->m->dims, str_of(symbol));
    }
    sib_code code = graph_add_value(b->m->graph, str_of(name), &type, &b->ids[v], err);
    if (code != SIB_OK)
        return code;
    value *made = &b->m->graph->values[b->ids[v]];
    made->declared = made->type;
    if (!constant)
        return graph_add_input(b->m->graph, b->ids[v], err);
    sib_tensor *t = NULL;
    code = sib_tensor_copy(from->t, &t, err);
    if (code == SIB_OK)
        code = arena_keep(b->m->arena, t, err);
    if (code == SIB_OK) {
        b->m->graph->values[b->ids[v]].constant = t;
        b->m->graph->values[b->ids[v]].from_file = true;
        b->m->parameters += sib_tensor_count(t);
    }
    return code;
}

/* Adds the node's attributes; subgraphs are built anew from their text. */
static sib_code add_attributes(building *b, const rg_node *from, node *n, sib_error *err)
{
    const op_case *c = b->g->from;
    cursor at = {.arena = b->m->arena, .err = err};
    attribute *own = arena_alloc(b->m->arena, from->n_attributes + 1, sizeof *own);
    if (!own)
        return err_memory(err, from->n_attributes * sizeof *own, "attributes");
    if (c) {
        at.n_variables = c->n_variables;
        memcpy(at.variables, c->variables, sizeof at.variables);
    }
    if (from->n_attributes)
        memcpy(own, from->attributes, from->n_attributes * sizeof *own);
    n->attributes = own;
    n->n_attributes = from->n_attributes;
    return cursor_graphs(&at, b->m->graph, from->version, n->n_attributes, own) ? SIB_OK : SIB_ERR_FORMAT;
}

static sib_code add_one(building *b, int index, sib_error *err)
{
    const rg_node *from = &b->g->nodes[index];
    uint32_t in[RG_IN], out[RG_OUT];
    bool ok = true;
    char name[32];
    snprintf(name, sizeof name, "n%d", index);
    node n = {.version = from->version,
              .inputs = {(uint32_t)from->n_in, in},
              .outputs = {(uint32_t)from->n_out, out},
              .origin = NO_NODE};
    n.domain = arena_string(b->m->arena, from->domain, &ok);
    n.type = arena_string(b->m->arena, from->type, &ok);
    n.name = arena_string(b->m->arena, str_of(name), &ok);
    sib_code code = ok ? SIB_OK : err_memory(err, sizeof name, "a name");
    for (int k = 0; k < from->n_in && code == SIB_OK; k++) {
        int v = from->in[k];
        if (v != RG_NONE && b->ids[v] == NO_VALUE)
            code = add_leaf(b, v, err);
        in[k] = v == RG_NONE ? NO_VALUE : b->ids[v];
    }
    for (int k = 0; k < from->n_out && code == SIB_OK; k++) {
        out[k] = NO_VALUE;
        if (from->out[k] == RG_NONE)
            continue;
        snprintf(name, sizeof name, "v%d", from->out[k]);
        code = graph_add_value(b->m->graph, str_of(name), NULL, &out[k], err);
        b->ids[from->out[k]] = out[k];
        bool shown = b->all_inputs || b->g->values[from->out[k]].output;
        if (code == SIB_OK && shown)
            code = graph_add_output(b->m->graph, out[k], err);
    }
    node_id id;
    if (code == SIB_OK)
        code = add_attributes(b, from, &n, err);
    return code == SIB_OK ? graph_add_node(b->m->graph, &n, &id, err) : code;
}

sib_code rg_model(const rg_graph *g, int which, sib_model **out, sib_error *err)
{
    building b = {.g = g, .all_inputs = which != RG_NONE};
    *out = NULL;
    for (int i = 0; i < RG_VALUES; i++)
        b.ids[i] = NO_VALUE;
    sib_code code = begin_model(g, &b.m, err);
    for (int i = 0; i < g->n_nodes && code == SIB_OK; i++)
        if (which == RG_NONE ? !g->nodes[i].dropped : i == which)
            code = add_one(&b, i, err);
    if (code == SIB_OK)
        code = graph_verify(b.m->graph, err);
    if (code == SIB_OK)
        return model_from_onnx(b.m, out, err);
    onnx_free(&b.m);
    return code;
}

/* ---- Nodes on ref -------------------------------------------------------------------------------------- */

static sib_session *session_of(rg_graph *g, int which)
{
    sib_error err = SIB_ERROR_INIT;
    sib_model *m = NULL;
    const sib_session_options options = {.backends = "ref", .threads = 1, .passes = "-all"};
    rg_node *n = &g->nodes[which];
    if (!n->alone && rg_model(g, which, &m, &err) == SIB_OK &&
        sib_session_create(m, &options, &n->alone, &err) != SIB_OK)
        n->alone = NULL;
    sib_model_free(&m);
    return n->alone;
}

bool rg_run_node(rg_graph *g, int which, sib_tensor *const *in, sib_tensor **out)
{
    const rg_node *n = &g->nodes[which];
    sib_session *s = session_of(g, which);
    sib_error err = SIB_ERROR_INIT;
    sib_named_value given[RG_IN];
    sib_value *values[RG_IN] = {NULL}, *made[RG_OUT] = {NULL};
    char names[RG_IN][16];
    size_t n_given = 0;
    bool ok = s != NULL, seen[RG_VALUES] = {false};
    for (int k = 0; k < n->n_in && ok; k++) {
        int v = n->in[k];
        if (v == RG_NONE || seen[v])
            continue;
        seen[v] = true;
        snprintf(names[n_given], sizeof names[0], "v%d", v);
        ok = in[v] && sib_value_from_tensor(in[v], &values[n_given], &err) == SIB_OK;
        given[n_given] = (sib_named_value){names[n_given], values[n_given]};
        n_given += ok;
    }
    ok = ok && sib_session_run(s, n_given, given, 0, NULL, made, NULL, &err) == SIB_OK;
    for (int k = 0, at = 0; k < n->n_out; k++) {
        out[k] = NULL;
        if (!ok || n->out[k] == RG_NONE)
            continue;
        const sib_tensor *t = sib_value_tensor(made[at++]);
        if (t && sib_tensor_copy(t, &out[k], &err) != SIB_OK)
            out[k] = NULL;
    }
    for (size_t i = 0; i < n_given; i++)
        sib_value_free(&values[i]);
    for (int k = 0; k < RG_OUT; k++)
        sib_value_free(&made[k]);
    return ok;
}

bool rg_evaluate(rg_graph *g)
{
    sib_tensor *in[RG_VALUES], *out[RG_OUT];
    for (int i = 0; i < g->n_nodes; i++) {
        const rg_node *n = &g->nodes[i];
        if (n->dropped)
            continue;
        for (int v = 0; v < g->n_values; v++)
            in[v] = g->values[v].t;
        if (!rg_run_node(g, i, in, out))
            return false;
        for (int k = 0; k < n->n_out; k++) {
            if (n->out[k] == RG_NONE)
                continue;
            if (!out[k])
                return false;
            sib_tensor_free(&g->values[n->out[k]].t);
            g->values[n->out[k]].t = out[k];
        }
    }
    return true;
}
