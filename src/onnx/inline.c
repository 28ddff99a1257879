/* Functions in models that were made by calls: calls are replaced as they are where a file is read. */
#include "onnx/reader.h"

#include "base/alloc.h"
#include "base/size.h"

static sib_code read_functions(reader *r, const onnx_more *more)
{
    r->more = more;
    r->functions = arena_alloc(r->scratch, more->n, sizeof *r->functions);
    if (!r->functions)
        return reader_memory(r, more->n * sizeof *r->functions, "functions");
    sib_code code = functions_more(r);
    return code == SIB_OK ? function_names(r) : code;
}

static sib_str *names_of(reader *r, const graph *g, const id_list *list)
{
    sib_str *names = arena_alloc(r->scratch, size_max(list->n, 1), sizeof *names);
    for (uint32_t i = 0; names && i < list->n; i++)
        names[i] = list->ids[i] == NO_VALUE ? str_of("") : g->values[list->ids[i]].name;
    return names;
}

/* A node as a file would hold it, but for its attributes, which are read already. */
static sib_code raw_of(reader *r, const graph *g, const node *n, raw_node *out)
{
    *out = (raw_node){.name = n->name,
                      .type = n->type,
                      .domain = n->domain,
                      .overload = str_of(""),
                      .doc = n->doc,
                      .n_inputs = n->inputs.n,
                      .n_outputs = n->outputs.n,
                      .n_attributes = (uint32_t)n->n_attributes,
                      .inputs = names_of(r, g, &n->inputs),
                      .outputs = names_of(r, g, &n->outputs),
                      .attributes =
                          arena_alloc(r->scratch, size_max(n->n_attributes, 1), sizeof *out->attributes)};
    if (!out->inputs || !out->outputs || !out->attributes)
        return reader_memory(r, sizeof *n, "a call of a function");
    for (size_t i = 0; i < n->n_attributes; i++)
        out->attributes[i] = (raw_attribute){.name = n->attributes[i].name,
                                             .ref = str_of(""),
                                             .kind = (uint32_t)n->attributes[i].kind,
                                             .made = &n->attributes[i]};
    return SIB_OK;
}

/* Adds a node again, or what it calls. */
static sib_code add_again(reader *r, scope *s, const node *n)
{
    raw_node raw = {.domain = n->domain, .type = n->type, .overload = str_of("")};
    const raw_function *f = function_find(r, &raw);
    node_id id;
    if (f) {
        sib_code code = raw_of(r, s->g, n, &raw);
        return code == SIB_OK ? function_inline(r, s, &raw, f) : code;
    }
    sib_code code = graph_add_node(s->g, n, &id, r->err);
    for (uint32_t i = 0; code == SIB_OK && i < n->outputs.n; i++) {
        value_id v = n->outputs.ids[i];
        if (v != NO_VALUE && !name_map_put(&s->names, s->g->values[v].name, v))
            code = reader_memory(r, 0, "a name");
    }
    return code;
}

/* Names of values that are there, and of those that nodes will produce; new ones must differ from both. */
static sib_code enter_names(reader *r, scope *s)
{
    bool ok = true;
    for (value_id v = 0; v < s->g->n_values && ok; v++) {
        value *at = &s->g->values[v];
        name_map *names = at->producer == NO_NODE ? &s->names : &s->results;
        ok = name_map_put(names, at->name, v) && name_map_put(&r->taken, at->name, 1);
        at->producer = NO_NODE;
    }
    return ok ? SIB_OK : reader_memory(r, 0, "the names of a graph");
}

static sib_code inline_all(reader *r, scope *s, const onnx_more *more)
{
    graph *g = s->g;
    node *nodes = g->nodes;
    const uint32_t n = g->n_nodes;
    sib_code code = read_functions(r, more);
    if (code == SIB_OK)
        code = enter_names(r, s);
    if (code != SIB_OK)
        return code;
    g->nodes = NULL;
    g->n_nodes = 0;
    g->node_capacity = 0;
    for (uint32_t i = 0; i < n && code == SIB_OK; i++)
        code = add_again(r, s, &nodes[i]);
    mem_free(nodes);
    return code;
}

sib_code onnx_inline(onnx_model *m, const onnx_more *more, sib_error *err)
{
    reader r;
    scope s = {.g = m->graph, .prefix = {"", 0}};
    if (!more->n)
        return SIB_OK;
    reader_init(&r, NULL, err);
    r.model = m;
    r.arena = m->arena;
    r.dims = m->dims;
    r.n_raw = m->graph->n_nodes;
    r.n_model_opsets = r.opset_capacity = m->n_opsets;
    r.depth = 1;
    sib_code code = arena_create(&r.scratch, err);
    if (code == SIB_OK)
        code = inline_all(&r, &s, more);
    name_map_clear(&s.names);
    name_map_clear(&s.results);
    reader_clear(&r);
    return code;
}
