/* What a model says of itself. */
#include "run/model.h"

static const char *text_or_empty(sib_str s)
{
    return s.data ? s.data : "";
}

void sib_model_get_info(const sib_model *m, sib_model_info *out)
{
    const onnx_model *o = m->onnx;
    *out = (sib_model_info){.graph_name = text_or_empty(o->graph->name),
                            .graph_doc = text_or_empty(o->graph->doc),
                            .producer_name = text_or_empty(o->producer_name),
                            .producer_version = text_or_empty(o->producer_version),
                            .domain = text_or_empty(o->domain),
                            .doc = text_or_empty(o->doc),
                            .ir_version = o->ir_version,
                            .model_version = o->model_version,
                            .n_inputs = o->graph->inputs.n,
                            .n_outputs = o->graph->outputs.n,
                            .n_opsets = o->n_opsets,
                            .n_metadata = o->n_metadata,
                            .n_nodes = o->graph->n_nodes,
                            .n_values = o->graph->n_values,
                            .n_diagnostics = m->notes.n};
    for (size_t i = 0; i < m->graphs.n; i++) {
        sib_graph_info g;
        sib_graph_get_info(m->graphs.graphs[i], &g);
        out->n_initializers += g.n_initializers;
        out->parameters += g.parameters;
        out->parameter_bytes += g.parameter_bytes;
    }
}

bool sib_model_opset(const sib_model *m, size_t i, const char **domain, int64_t *version)
{
    if (i >= m->onnx->n_opsets)
        return false;
    *domain = text_or_empty(m->onnx->opsets[i].domain);
    *version = m->onnx->opsets[i].version;
    return true;
}

bool sib_model_metadata(const sib_model *m, size_t i, const char **key, const char **text)
{
    if (i >= m->onnx->n_metadata)
        return false;
    *key = text_or_empty(m->onnx->metadata[i].key);
    *text = text_or_empty(m->onnx->metadata[i].value);
    return true;
}

const char *sib_model_diagnostic(const sib_model *m, size_t i)
{
    size_t read = m->onnx->n_diagnostics; /* from reading; those of inference follow */
    if (i < read)
        return text_or_empty(m->onnx->diagnostics[i]);
    return i - read < m->notes.n ? m->notes.items[i - read] : NULL;
}

bool sib_model_input(const sib_model *m, size_t i, sib_value_info *out)
{
    const graph *g = m->onnx->graph;
    return i < g->inputs.n && sib_graph_value(sib_model_graph(m, 0), g->inputs.ids[i], out);
}

bool sib_model_output(const sib_model *m, size_t i, sib_value_info *out)
{
    const graph *g = m->onnx->graph;
    return i < g->outputs.n && sib_graph_value(sib_model_graph(m, 0), g->outputs.ids[i], out);
}
