/* Descriptions of a model as text and structs. */
#include "base/alloc.h"
#include "base/c_locale.h"
#include "run/cost.h"
#include "run/model.h"
#include "tensor/shape.h"

#include <stdio.h>
#include <string.h>

static const char *text_or_empty(sib_str s)
{
    return s.data ? s.data : "";
}

/* Counts the initializers of a graph and its subgraphs. */
static void count_weights(const graph *g, unsigned depth, sib_model_info *out)
{
    for (uint32_t i = 0; i < g->n_values; i++) {
        const value *v = &g->values[i];
        if (v->constant && v->from_file) {
            uint64_t n = sib_tensor_count(v->constant);
            out->n_initializers++;
            out->parameters += n;
            out->parameter_bytes += (n * sib_dtype_bits(sib_tensor_dtype(v->constant)) + 7) / 8;
        }
    }
    for (uint32_t i = 0; i < g->n_nodes && depth < 64; i++)
        for (size_t k = 0; k < g->nodes[i].n_attributes; k++) {
            const attribute *a = &g->nodes[i].attributes[k];
            if (a->kind == ATTR_GRAPH)
                count_weights(a->graph, depth + 1, out);
            for (size_t j = 0; a->kind == ATTR_GRAPHS && j < a->n; j++)
                count_weights(a->graphs[j], depth + 1, out);
        }
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
    count_weights(o->graph, 0, out);
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

/* Copies a text into the model's arena; returns "" where memory fails. */
static const char *kept_text(const sib_model *m, const char *text)
{
    bool ok = true;
    sib_model *mine = (sib_model *)m; /* cached texts are not observable state */
    pthread_mutex_lock(&mine->lock);
    sib_str s = arena_string(m->onnx->arena, str_of(text), &ok);
    pthread_mutex_unlock(&mine->lock);
    return ok ? s.data : "";
}

/* Dims as expressions have no bound on their length: a buffer grows up to this, longer texts are cut. */
#define TEXT_MAX ((size_t)1 << 20)

/* Writes `what` as text (size), truncated where it does not fit. */
typedef const char *(*text_writer)(const dim_table *dims, const void *what, char *text, size_t size);

static const char *write_type(const dim_table *dims, const void *what, char *text, size_t size)
{
    return type_text(dims, what, text, size);
}

static const char *write_dim(const dim_table *dims, const void *what, char *text, size_t size)
{
    return dim_text(dims, *(const dim *)what, text, size);
}

/* The text in full, in the model's arena; "" where memory fails. */
static const char *keep_text(const sib_model *m, text_writer write, const void *what)
{
    const char *kept = NULL;
    for (size_t size = 512; !kept; size *= 4) {
        char *text = mem_alloc(size, 1);
        if (!text)
            return "";
        if (strlen(write(m->onnx->graph->dims, what, text, size)) + 1 < size || size >= TEXT_MAX)
            kept = kept_text(m, text);
        mem_free(text);
    }
    return kept;
}

static void describe(const sib_model *m, value_id id, sib_value_info *out)
{
    const graph *g = m->onnx->graph;
    const value *v = &g->values[id];
    const value_type *t = &v->type;
    *out = (sib_value_info){.name = text_or_empty(v->name),
                            .doc = text_or_empty(v->doc),
                            .kind = model_value_kind(t),
                            .dtype = t->dtype,
                            .ranked = t->shape.ranked,
                            .rank = t->shape.rank,
                            .constant = v->constant};
    out->type = keep_text(m, write_type, t);
    for (int i = 0; i < t->shape.rank; i++)
        if (!dim_is_const(g->dims, t->shape.dims[i], &out->dims[i])) {
            out->dims[i] = -1;
            out->dim_names[i] = keep_text(m, write_dim, &t->shape.dims[i]);
        }
    for (uint32_t i = 0; v->constant && i < g->inputs.n; i++)
        out->optional_input |= g->inputs.ids[i] == id;
}

bool sib_model_input(const sib_model *m, size_t i, sib_value_info *out)
{
    if (i >= m->onnx->graph->inputs.n)
        return false;
    describe(m, m->onnx->graph->inputs.ids[i], out);
    return true;
}

bool sib_model_output(const sib_model *m, size_t i, sib_value_info *out)
{
    if (i >= m->onnx->graph->outputs.n)
        return false;
    describe(m, m->onnx->graph->outputs.ids[i], out);
    return true;
}

bool sib_model_value(const sib_model *m, size_t i, sib_value_info *out)
{
    if (i >= m->onnx->graph->n_values)
        return false;
    describe(m, (value_id)i, out);
    return true;
}

bool sib_model_node(const sib_model *m, size_t i, sib_node_info *out)
{
    const graph *g = m->onnx->graph;
    if (i >= g->n_nodes)
        return false;
    const node *n = &g->nodes[i];
    pthread_mutex_lock(&((sib_model *)m)->lock);
    dim flops = n->flops, bytes = cost_bytes(g, n);
    pthread_mutex_unlock(&((sib_model *)m)->lock);
    *out = (sib_node_info){.name = text_or_empty(n->name),
                           .domain = text_or_empty(n->domain),
                           .type = text_or_empty(n->type),
                           .doc = text_or_empty(n->doc),
                           .version = n->version,
                           .known = n->op != NULL,
                           .n_inputs = n->inputs.n,
                           .n_outputs = n->outputs.n,
                           .inputs = n->inputs.ids,
                           .outputs = n->outputs.ids};
    if (!dim_same(flops, DIM_NONE))
        out->flops = keep_text(m, write_dim, &flops);
    if (!dim_same(bytes, DIM_NONE))
        out->bytes = keep_text(m, write_dim, &bytes);
    return true;
}

/* ---- Attributes as text -------------------------------------------------------------------------------- */

/* Max items of a list that are shown. */
#define SHOWN_MAX 16

static void one_item(const graph *g, const attribute *a, size_t i, char *text, size_t size)
{
    switch (a->kind) {
    case ATTR_INT:
        snprintf(text, size, "%lld", (long long)a->i);
        break;
    case ATTR_INTS:
        snprintf(text, size, "%lld", (long long)a->ints[i]);
        break;
    case ATTR_FLOAT:
        snprintf(text, size, "%.9g", (double)a->f);
        break;
    case ATTR_FLOATS:
        snprintf(text, size, "%.9g", (double)a->floats[i]);
        break;
    case ATTR_STRING:
        snprintf(text, size, "%.*s", (int)a->s.length, a->s.data);
        break;
    case ATTR_STRINGS:
        snprintf(text, size, "%.*s", (int)a->strings[i].length, a->strings[i].data);
        break;
    case ATTR_TENSOR:
    case ATTR_TENSORS:
    case ATTR_SPARSE: {
        const sib_tensor *t = a->kind == ATTR_TENSOR ? a->tensor : a->tensors[i];
        char shape[SHAPE_TEXT];
        snprintf(text, size, "%s %s", sib_dtype_name(sib_tensor_dtype(t)),
                 shape_text(sib_tensor_rank(t), sib_tensor_dims(t), shape));
        break;
    }
    case ATTR_TYPE:
        type_text(g->dims, a->type, text, size);
        break;
    default:
        snprintf(text, size, "graph of %u nodes", (a->kind == ATTR_GRAPH ? a->graph : a->graphs[i])->n_nodes);
    }
}

/* The value in full up to SHOWN_MAX items; "" where memory fails. */
static const char *attribute_value(const sib_model *m, const attribute *a)
{
    char text[2000], item[400];
    c_locale locale;
    if (c_locale_enter(&locale, NULL) != SIB_OK)
        return "";
    bool list = a->kind == ATTR_INTS || a->kind == ATTR_FLOATS || a->kind == ATTR_STRINGS ||
                a->kind == ATTR_TENSORS || a->kind == ATTR_GRAPHS || a->kind == ATTR_SPARSE;
    size_t n = list ? a->n : 1, used = 0;
    text[0] = 0;
    for (size_t i = 0; i < n && used + 1 < sizeof text; i++) {
        if (i == SHOWN_MAX)
            snprintf(item, sizeof item, "...");
        else
            one_item(m->onnx->graph, a, i, item, sizeof item);
        int more = snprintf(text + used, sizeof text - used, "%s%s", i ? ", " : list ? "[" : "", item);
        used += more > 0 ? (size_t)more : 0;
        if (i == SHOWN_MAX)
            break;
    }
    if (list && used + 1 < sizeof text)
        snprintf(text + used, sizeof text - used, n ? "]" : "[]");
    c_locale_leave(&locale);
    return kept_text(m, text);
}

bool sib_model_attribute(const sib_model *m, size_t at, size_t k, const char **name, const char **text)
{
    const graph *g = m->onnx->graph;
    if (at >= g->n_nodes || k >= g->nodes[at].n_attributes)
        return false;
    *name = text_or_empty(g->nodes[at].attributes[k].name);
    *text = attribute_value(m, &g->nodes[at].attributes[k]);
    return true;
}

const char *sib_model_attribute_text(const sib_model *m, size_t at, const char *name)
{
    const graph *g = m->onnx->graph;
    const attribute *a = at < g->n_nodes ? node_attribute(&g->nodes[at], name) : NULL;
    return a ? attribute_value(m, a) : NULL;
}
