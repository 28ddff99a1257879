/* A case as a model in memory, of its one node. */
#include "case.h"
#include "case_text.h"

#include "base/alloc.h"
#include "base/error.h"

#include <stdio.h>
#include <string.h>

const char *case_mode_name(case_mode mode)
{
    static const char *const names[CASE_MODES] = {"concrete dims", "symbolic dims", "other inputs constant",
                                                  "all inputs constant"};
    return names[mode];
}

/* Opset of ai.onnx in models of other domains. */
#define OPSET_BESIDE 21
#define IR_VERSION   10

sib_code case_model_begin(size_t n_opsets, onnx_model **out, sib_error *err)
{
    onnx_model *m = mem_calloc(1, sizeof *m);
    *out = m;
    if (!m)
        return err_memory(err, sizeof *m, "a model");
    sib_code code = arena_create(&m->arena, err);
    if (code == SIB_OK)
        code = dim_table_create(&m->dims, err);
    if (code == SIB_OK)
        code = graph_create(m->arena, m->dims, &m->graph, err);
    if (code != SIB_OK)
        return code;
    m->ir_version = IR_VERSION;
    m->opsets = arena_alloc(m->arena, n_opsets, sizeof *m->opsets);
    m->producer_name = m->producer_version = m->domain = m->doc = (sib_str){"", 0};
    return m->opsets ? SIB_OK : err_memory(err, n_opsets * sizeof *m->opsets, "a model");
}

static sib_code create(const op_case *c, onnx_model **out, sib_error *err)
{
    sib_code code = case_model_begin(2, out, err);
    if (code != SIB_OK)
        return code;
    onnx_model *m = *out;
    bool ok = true;
    m->n_opsets = c->domain.length > 0 ? 2 : 1;
    m->opsets[0] = (opset_import){arena_string(m->arena, c->domain, &ok), c->version};
    m->opsets[1] = (opset_import){(sib_str){"", 0}, OPSET_BESIDE};
    m->graph->name = arena_string(m->arena, str_of(c->label), &ok);
    return ok ? SIB_OK : err_memory(err, sizeof c->label, "a name");
}

/* The type of input i: with its dims, or with symbols "x<i>_<axis>". */
static value_type input_type(onnx_model *m, const case_value *v, size_t i, bool symbolic)
{
    value_type type = v->type;
    const sib_tensor *t = sib_value_tensor(v->value);
    if (!t)
        return type;
    type = type_of_dims(m->dims, type.dtype, sib_tensor_rank(t), sib_tensor_dims(t));
    for (size_t k = 0; symbolic && k < sib_tensor_rank(t); k++) {
        char name[48];
        snprintf(name, sizeof name, "x%zu_%zu", i, k);
        type.shape.dims[k] = dim_symbol(m->dims, str_of(name));
    }
    return type;
}

static sib_code add_input(onnx_model *m, const op_case *c, size_t i, bool symbolic, bool constant,
                          value_id *out, sib_error *err)
{
    char name[48];
    snprintf(name, sizeof name, "x%zu", i);
    value_type type = input_type(m, &c->in[i], i, symbolic && !constant);
    sib_code code = graph_add_value(m->graph, str_of(name), &type, out, err);
    if (code != SIB_OK)
        return code;
    value *v = &m->graph->values[*out];
    v->declared = v->type;
    if (!constant)
        return graph_add_input(m->graph, *out, err);
    sib_tensor *t = NULL;
    code = sib_tensor_copy(sib_value_tensor(c->in[i].value), &t, err);
    if (code == SIB_OK)
        code = arena_keep(m->arena, t, err);
    if (code == SIB_OK) {
        v->constant = t;
        v->from_file = true;
        m->parameters += sib_tensor_count(t);
    }
    return code;
}

/* Adds the attributes of the case, with graphs built for this model. */
static sib_code add_attributes(onnx_model *m, const op_case *c, node *n, sib_error *err)
{
    attribute *own = arena_alloc(m->arena, c->n_attributes + 1, sizeof *own);
    cursor at = {.arena = m->arena, .n_variables = c->n_variables, .err = err};
    memcpy(at.variables, c->variables, sizeof at.variables);
    if (!own)
        return err_memory(err, c->n_attributes * sizeof *own, "attributes");
    if (c->n_attributes)
        memcpy(own, c->attributes, c->n_attributes * sizeof *own);
    n->attributes = own;
    return cursor_graphs(&at, m->graph, c->version, c->n_attributes, own) ? SIB_OK : SIB_ERR_FORMAT;
}

static sib_code fill(onnx_model *m, const op_case *c, case_mode mode, sib_error *err)
{
    node n = {.domain = c->domain,
              .type = c->name,
              .name = str_of("it"),
              .version = c->version,
              .n_attributes = c->n_attributes,
              .attributes = c->attributes,
              .origin = NO_NODE};
    n.inputs = (id_list){(uint32_t)c->n_in, arena_alloc(m->arena, c->n_in + 1, sizeof(uint32_t))};
    size_t n_out = c->n_out ? c->n_out : 1;
    n.outputs = (id_list){(uint32_t)n_out, arena_alloc(m->arena, n_out, sizeof(uint32_t))};
    if (!n.inputs.ids || !n.outputs.ids)
        return err_memory(err, n_out * sizeof(uint32_t), "a node");
    sib_code code = SIB_OK;
    bool first = true;
    for (size_t i = 0; i < c->n_in && code == SIB_OK; i++) {
        const case_value *v = &c->in[i];
        bool tensor = v->value && sib_value_tensor(v->value);
        bool constant = tensor && (mode == CASE_FOLDED || (mode == CASE_CONSTANTS && !first));
        first = first && !tensor;
        n.inputs.ids[i] = NO_VALUE;
        if (!v->omitted)
            code = add_input(m, c, i, mode != CASE_CONCRETE, constant, &n.inputs.ids[i], err);
    }
    for (size_t i = 0; i < n_out && code == SIB_OK; i++) {
        char name[48];
        snprintf(name, sizeof name, "y%zu", i);
        n.outputs.ids[i] = NO_VALUE;
        if (i < c->n_out && c->out[i].omitted)
            continue;
        code = graph_add_value(m->graph, str_of(name), NULL, &n.outputs.ids[i], err);
        if (code == SIB_OK)
            code = graph_add_output(m->graph, n.outputs.ids[i], err);
    }
    node_id id;
    if (code == SIB_OK)
        code = add_attributes(m, c, &n, err);
    return code == SIB_OK ? graph_add_node(m->graph, &n, &id, err) : code;
}

sib_code case_model(const op_case *c, case_mode mode, onnx_model **out, sib_error *err)
{
    sib_code code = create(c, out, err);
    if (code == SIB_OK)
        code = fill(*out, c, mode, err);
    if (code == SIB_OK)
        code = graph_verify((*out)->graph, err);
    if (code != SIB_OK)
        onnx_free(out);
    return code;
}
