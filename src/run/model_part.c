/* Parts of models: the nodes that given values need, as a model. */
#include "base/alloc.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/names.h"
#include "graph/copy.h"
#include "graph/part.h"
#include "run/model.h"

/* The values of these names. what: "output" or the like, for messages. */
static sib_code find_values(const graph *g, const char *what, const char *const *names, size_t n,
                            value_id *out, sib_error *err)
{
    name_map map = {0};
    sib_code code = SIB_OK;
    for (value_id v = 0; v < g->n_values && code == SIB_OK; v++)
        if (g->values[v].name.length && !name_map_put(&map, g->values[v].name, v))
            code = err_memory(err, g->n_values * sizeof(name_entry), "names of values");
    for (size_t i = 0; i < n && code == SIB_OK; i++) {
        if (!names[i])
            code = err_set(err, SIB_ERR_ARGUMENT, "%s %zu is NULL", what, i);
        else if (!name_map_find(&map, str_of(names[i]), &out[i]))
            code = err_set(err, SIB_ERR_ARGUMENT, "the model has no value '%s'", names[i]);
        else if (out[i] == NO_VALUE)
            code = err_set(err, SIB_ERR_ARGUMENT, "%s '%s' is given twice", what, names[i]);
        else
            code = name_map_put(&map, str_of(names[i]), NO_VALUE) ? SIB_OK
                                                                  : err_memory(err, n, "names of values");
    }
    name_map_clear(&map);
    return code;
}

/* Counts the main graph only: subgraphs may hold the same initializers again. */
static uint64_t count_parameters(const graph *g)
{
    uint64_t n = 0;
    for (value_id v = 0; v < g->n_values; v++)
        if (g->values[v].from_file && g->values[v].constant)
            n += sib_tensor_count(g->values[v].constant);
    return n;
}

/* The outputs of a part, values of the graph; an edit may change them. */
typedef struct part_outputs {
    value_id *ids; /* (n) */
    size_t n;
} part_outputs;

/* The part of a copy of g that `edit` has changed. */
static sib_code edited_part(const graph *g, model_edit edit, void *context, const part_outputs *outputs,
                            onnx_model *m, sib_error *err)
{
    graph *copy = NULL;
    sib_code code = graph_copy(g, m->arena, m->dims, &copy, err);
    if (code != SIB_OK)
        return code;
    code = edit(context, copy, err);
    if (code == SIB_OK)
        code = graph_part(copy, outputs->ids, outputs->n, m->arena, m->dims, NULL, NULL, &m->graph, err);
    graph_free(&copy);
    return code;
}

/* Fills m with a part of `from`; m->graph is that part. Keeps everything but the notes on single nodes.
   The arena of `from` must outlive m. edit: may be NULL. */
static sib_code make_part(const onnx_model *from, model_edit edit, void *context, const part_outputs *outputs,
                          onnx_model *m, sib_error *err)
{
    m->ir_version = from->ir_version;
    m->model_version = from->model_version;
    m->producer_name = from->producer_name;
    m->producer_version = from->producer_version;
    m->domain = from->domain;
    m->doc = from->doc;
    m->n_opsets = from->n_opsets;
    m->opsets = from->opsets;
    m->n_metadata = from->n_metadata;
    m->metadata = from->metadata;
    m->file_bytes = from->file_bytes;
    sib_code code = arena_create(&m->arena, err);
    if (code == SIB_OK)
        code = dim_table_copy(from->dims, &m->dims, err);
    if (code == SIB_OK)
        code = edit ? edited_part(from->graph, edit, context, outputs, m, err)
                    : graph_part(from->graph, outputs->ids, outputs->n, m->arena, m->dims, NULL, NULL,
                                 &m->graph, err);
    if (code == SIB_OK)
        code = graph_verify(m->graph, err);
    if (code == SIB_OK)
        m->parameters = count_parameters(m->graph);
    return code;
}

static sib_code part_model(const sib_model *m, model_edit edit, void *context, struct sib_registry *registry,
                           const part_outputs *outputs, sib_model **out, sib_error *err)
{
    onnx_model *part = mem_calloc(1, sizeof *part);
    sib_code code = part ? make_part(m->onnx, edit, context, outputs, part, err)
                         : err_memory(err, sizeof *part, "a part of a model");
    if (code != SIB_OK) {
        onnx_free(&part);
        return code;
    }
    code = model_make(part, false, registry, out, err); /* types are copied from m */
    if (code == SIB_OK)
        (*out)->whole = sib_model_keep((sib_model *)m);
    return code;
}

sib_code model_part_edited(const sib_model *m, model_edit edit, void *context, struct sib_registry *registry,
                           const char *const *outputs, size_t n, sib_model **out, sib_error *err)
{
    *out = NULL;
    part_outputs wanted = {mem_alloc(n, sizeof *wanted.ids), n};
    sib_code code = wanted.ids ? find_values(m->onnx->graph, "output", outputs, n, wanted.ids, err)
                               : err_memory(err, n * sizeof *wanted.ids, "a part of a model");
    if (code == SIB_OK)
        code = part_model(m, edit, context, registry, &wanted, out, err);
    mem_free(wanted.ids);
    return code;
}

sib_code sib_model_part(const sib_model *m, const char *const *outputs, size_t n, sib_model **out,
                        sib_error *err)
{
    if (!out)
        return err_set(err, SIB_ERR_ARGUMENT, "out is NULL");
    *out = NULL;
    if (!m || !outputs || !n)
        return err_set(err, SIB_ERR_ARGUMENT, "%s", m ? "no outputs are given" : "the model is NULL");
    return model_part_edited(m, NULL, NULL, m->registry, outputs, n, out, err);
}

/* ---- Between values ---- */

typedef struct cut {
    size_t n;
    const value_id *inputs; /* (n) */
} cut;

/* Makes v an input, and has its producer make *made in its place, which nobody reads. The list of its outputs is shared
   with the graph that g is a copy of. */
static sib_code make_input(graph *g, value_id v, sib_str made_name, value_id *made, sib_error *err)
{
    value_id unread;
    const value_type type = g->values[v].type; /* the values may move */
    sib_code code = graph_add_value(g, made_name, &type, &unread, err);
    if (code != SIB_OK)
        return code;
    node_id made_by = g->values[v].producer;
    id_list *outputs = &g->nodes[made_by].outputs;
    uint32_t *ids = arena_alloc(g->arena, outputs->n, sizeof *ids);
    if (!ids)
        return err_memory(err, outputs->n * sizeof *ids, "a part of a model");
    for (uint32_t k = 0; k < outputs->n; k++)
        ids[k] = outputs->ids[k] == v ? unread : outputs->ids[k];
    outputs->ids = ids;
    g->values[unread].producer = made_by;
    *made = unread;
    g->values[v].producer = NO_NODE;
    g->values[v].declared = g->values[v].type;
    return graph_add_input(g, v, err);
}

static sib_code make_inputs(void *context, graph *g, sib_error *err)
{
    const cut *c = context;
    sib_code code = SIB_OK;
    for (size_t i = 0; i < c->n && code == SIB_OK; i++) {
        const value *v = &g->values[c->inputs[i]];
        value_id unread;
        if (v->constant)
            code = err_set(err, SIB_ERR_ARGUMENT, "input '%.*s' is a constant", (int)v->name.length,
                           v->name.data);
        else if (v->producer != NO_NODE) /* otherwise it is an input */
            code = make_input(g, c->inputs[i], (sib_str){0}, &unread, err);
    }
    return code;
}

sib_code sib_model_between(const sib_model *m, const char *const *inputs, size_t n_inputs,
                           const char *const *outputs, size_t n_outputs, sib_model **out, sib_error *err)
{
    if (!out)
        return err_set(err, SIB_ERR_ARGUMENT, "out is NULL");
    *out = NULL;
    if (!m || !outputs || !n_outputs || (n_inputs && !inputs))
        return err_set(err, SIB_ERR_ARGUMENT, "%s",
                       !m                    ? "the model is NULL"
                       : n_inputs && !inputs ? "no inputs are given"
                                             : "no outputs are given");
    value_id *ids = mem_alloc(n_inputs, sizeof *ids);
    sib_code code = ids ? find_values(m->onnx->graph, "input", inputs, n_inputs, ids, err)
                        : err_memory(err, n_inputs * sizeof *ids, "a part of a model");
    cut c = {n_inputs, ids};
    if (code == SIB_OK)
        code = model_part_edited(m, make_inputs, &c, m->registry, outputs, n_outputs, out, err);
    mem_free(ids);
    return code;
}

/* ---- Every node for itself ---- */

typedef struct cut_all {
    size_t n;
    const value_id *given; /* (n) */
    part_outputs *made;
} cut_all;

/* One of the values that are given. */
static sib_code set_apart(graph *g, value_id v, part_outputs *made, sib_error *err)
{
    value *x = &g->values[v];
    byte_buffer name = {0};
    if (x->producer == NO_NODE && x->constant && x->from_file) {
        for (uint32_t i = 0; i < g->inputs.n; i++)
            if (g->inputs.ids[i] == v)
                return SIB_OK;
        x->constant = NULL;
        x->from_file = false;
        x->declared = x->type;
        return graph_add_input(g, v, err);
    }
    if (x->producer == NO_NODE)
        return SIB_OK;
    if (x->constant &&
        sib_dtype_get_kind(x->type.dtype) != SIB_KIND_FLOAT) { /* dims, axes: what a plan must know */
        made->ids[made->n++] = v;
        return SIB_OK;
    }
    x->constant = NULL;
    sib_code code = buf_printf(&name, err, "%.*s (made)", (int)x->name.length, x->name.data);
    if (code == SIB_OK)
        code = make_input(g, v, (sib_str){name.data, name.n}, &made->ids[made->n], err);
    made->n += code == SIB_OK;
    buf_free(&name);
    return code;
}

static sib_code set_all_apart(void *context, graph *g, sib_error *err)
{
    const cut_all *c = context;
    sib_code code = SIB_OK;
    for (size_t i = 0; i < c->n && code == SIB_OK; i++)
        code = set_apart(g, c->given[i], c->made, err);
    if (code == SIB_OK && !c->made->n)
        code = err_set(err, SIB_ERR_ARGUMENT, "no node makes any of the %zu values", c->n);
    return code;
}

sib_code sib_model_apart(const sib_model *m, const char *const *names, size_t n, sib_model **out,
                         sib_error *err)
{
    if (!out)
        return err_set(err, SIB_ERR_ARGUMENT, "out is NULL");
    *out = NULL;
    if (!m || !names || !n)
        return err_set(err, SIB_ERR_ARGUMENT, "%s", m ? "no values are given" : "the model is NULL");
    value_id *ids = mem_alloc(n, 2 * sizeof *ids);
    part_outputs made = {ids ? ids + n : NULL, 0};
    sib_code code = ids ? find_values(m->onnx->graph, "value", names, n, ids, err)
                        : err_memory(err, n * 2 * sizeof *ids, "a part of a model");
    cut_all c = {n, ids, &made};
    if (code == SIB_OK)
        code = part_model(m, set_all_apart, &c, m->registry, &made, out, err);
    mem_free(ids);
    return code;
}
