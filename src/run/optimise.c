#include "run/optimise.h"

#include "base/alloc.h"
#include "base/error.h"
#include "graph/copy.h"
#include "run/infer.h"
#include "run/passes/passes.h"

#include <sibyl/session.h>
#include <stdio.h>
#include <string.h>

const char *sib_pass_name(size_t i, const char **meaning)
{
    size_t n, seen = 0;
    const pass *table = passes_table(&n);
    for (size_t at = 0; at < n; at++) {
        size_t first = 0;
        while (strcmp(table[first].name, table[at].name))
            first++;
        if (first < at || seen++ < i)
            continue;
        if (meaning)
            *meaning = table[at].meaning;
        return table[at].name;
    }
    return NULL;
}

void optimised_free(optimised **list)
{
    for (optimised *o = *list, *next; o; o = next) {
        next = o->next;
        shelf_clear(&o->graphs);
        graph_free(&o->graph);
        mem_free(o->log.items);
        dim_table_free(&o->dims);
        arena_free(&o->arena);
        mem_free(o->key);
        mem_free(o);
    }
    *list = NULL;
}

/* Clears inferred facts of the values that nodes make, and declared types except those of the graph's
   outputs: a file may declare wrong types, and passes need correct ones. Returns false where a subgraph
   has an input with a default, which inference takes for a constant. */
static bool forget(graph *g, bool inside)
{
    for (uint32_t i = 0; inside && i < g->inputs.n; i++)
        if (g->values[g->inputs.ids[i]].constant)
            return false;
    for (value_id v = 0; v < g->n_values; v++) {
        value *x = &g->values[v];
        bool output = false;
        if (x->producer == NO_NODE)
            continue;
        for (uint32_t i = 0; i < g->outputs.n && !output; i++)
            output = g->outputs.ids[i] == v;
        if (!output)
            x->declared = (value_type){0};
        x->type = (value_type){0};
        x->constant = NULL;
        x->elements = NULL;
        x->n_elements = 0;
    }
    bool ok = true;
    for (node_id i = 0; i < g->n_nodes; i++)
        for (size_t k = 0; k < g->nodes[i].n_attributes; k++) {
            const attribute *a = &g->nodes[i].attributes[k];
            if (a->kind == ATTR_GRAPH)
                ok &= forget(a->graph, true);
            for (size_t j = 0; a->kind == ATTR_GRAPHS && j < a->n; j++)
                ok &= forget(a->graphs[j], true);
        }
    return ok;
}

static sib_code make(const graph *g, const pass_options *options, optimised *o, sib_error *err)
{
    size_t n;
    const pass *table = passes_table(&n);
    sib_code code = arena_create(&o->arena, err);
    if (code == SIB_OK)
        code = dim_table_copy(g->dims, &o->dims, err);
    if (code == SIB_OK)
        code = graph_copy(g, o->arena, o->dims, &o->graph, err);
    bool trusted = code == SIB_OK && forget(o->graph, false);
    diagnostics notes = {0};
    if (code == SIB_OK)
        code = infer_graph(o->graph, &notes, err);
    diagnostics_clear(&notes);
    pass_options chosen = *options;
    if (!trusted)
        chosen.passes = "-all";
#ifdef NDEBUG
    chosen.go_on = true; /* a fault in a pass costs speed, not the run */
#endif
    chosen.log = &o->log;
    o->log.arena = o->arena;
    bool fuses = false;
    if (code == SIB_OK)
        code = pass_chosen(options->passes, table, n, PASS_ELEMENTWISE, &fuses, err);
    if (code == SIB_OK)
        code = pass_run_all(o->graph, table, n, &chosen, &o->edits, err);
    o->fuse_limit = !fuses ? 0 : options->limited ? options->limit - o->edits : UINT64_MAX;
    return code;
}

/* The key of a graph: passes and limit. Freed with mem_free. */
static char *key_of(const pass_options *o)
{
    char limit[40] = "";
    const char *words = o->passes ? o->passes : "";
    if (o->limited)
        snprintf(limit, sizeof limit, "%llu", (unsigned long long)o->limit);
    size_t size = strlen(words) + strlen(limit) + 2;
    char *key = mem_alloc(size, 1);
    if (key)
        snprintf(key, size, "%s|%s", words, limit);
    return key;
}

sib_code model_optimise(sib_model *m, const pass_options *options, const optimised **out, sib_error *err)
{
    char *key = key_of(options);
    sib_code code = SIB_OK;
    if (!key)
        return err_memory(err, 64, "the passes");
    pthread_mutex_lock(&m->lock);
    optimised *o = m->optimised;
    while (o && strcmp(o->key, key))
        o = o->next;
    if (!o) {
        o = mem_calloc(1, sizeof *o);
        code = o ? make(m->onnx->graph, options, o, err) : err_memory(err, sizeof *o, "a graph");
        if (code == SIB_OK) {
            o->graphs = (graph_shelf){.model = m, .lock = &m->lock, .arena = o->arena};
            code = shelf_add(&o->graphs, o->graph, err);
        }
        if (code != SIB_OK)
            optimised_free(&o);
        else {
            o->key = key;
            o->next = m->optimised;
            m->optimised = o;
            key = NULL;
        }
    }
    pthread_mutex_unlock(&m->lock);
    mem_free(key);
    *out = o;
    return code;
}
