/* Models opened, and what the file says of them. */
#include "run/model.h"

#include "base/alloc.h"
#include "base/error.h"
#include "ops/ops.h"
#include "run/cost.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- Notes ------------------------------------------------------------------------------------------ */

/* A file full of faults need not fill the memory with sentences about them. */
#define NOTES_MAX 1000

void diagnostics_add(diagnostics *d, const char *format, ...)
{
    char text[600];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (d->n == d->capacity) {
        size_t more = d->capacity ? d->capacity * 2 : 8;
        char **grown = more <= 2 * NOTES_MAX ? mem_realloc(d->items, more, sizeof *grown) : NULL;
        if (!grown)
            return;
        d->items = grown;
        d->capacity = more;
    }
    char *copy = mem_strdup(text);
    if (copy)
        d->items[d->n++] = copy;
}

void diagnostics_clear(diagnostics *d)
{
    for (size_t i = 0; i < d->n; i++)
        mem_free(d->items[i]);
    mem_free(d->items);
    *d = (diagnostics){0};
}

/* ---- Opening ---------------------------------------------------------------------------------------- */

sib_code model_make(onnx_model *onnx, bool infer, sib_model **out, sib_error *err)
{
    sib_model *m = mem_calloc(1, sizeof *m);
    *out = NULL;
    if (!m) {
        onnx_free(&onnx);
        return err_memory(err, sizeof *m, "a model");
    }
    atomic_init(&m->references, 1);
    m->onnx = onnx;
    ops_resolve(onnx->graph);
    sib_code code = infer ? infer_graph(onnx->graph, &m->notes, err) : SIB_OK;
    if (code != SIB_OK) {
        sib_model_free(&m);
        return code;
    }
    *out = m;
    return SIB_OK;
}

sib_code model_from_onnx(onnx_model *m, sib_model **out, sib_error *err)
{
    return model_make(m, true, out, err);
}

static sib_code check_options(const sib_open_options *options, sib_model **out, sib_error *err)
{
    (void)options;
    if (!out)
        return err_set(err, SIB_ERR_ARGUMENT, "out is NULL");
    *out = NULL;
    return SIB_OK;
}

sib_code sib_model_open(const char *path, const sib_open_options *options, sib_model **out, sib_error *err)
{
    onnx_model *m = NULL;
    sib_code code = check_options(options, out, err);
    if (code == SIB_OK && !path)
        code = err_set(err, SIB_ERR_ARGUMENT, "path is NULL");
    if (code == SIB_OK)
        code = onnx_read_file(path, options, &m, err);
    return code == SIB_OK ? model_make(m, !options || !options->no_inference, out, err) : code;
}

sib_code sib_model_open_bytes(const void *data, size_t size, const sib_open_options *options, sib_model **out,
                              sib_error *err)
{
    onnx_model *m = NULL;
    sib_code code = check_options(options, out, err);
    if (code == SIB_OK && !data)
        code = err_set(err, SIB_ERR_ARGUMENT, "data is NULL");
    if (code == SIB_OK)
        code = onnx_read_bytes(data, size, options, &m, err);
    return code == SIB_OK ? model_make(m, !options || !options->no_inference, out, err) : code;
}

sib_model *model_keep(sib_model *m)
{
    atomic_fetch_add(&m->references, 1);
    return m;
}

void sib_model_free(sib_model **m)
{
    if (!m || !*m)
        return;
    if (atomic_fetch_sub(&(*m)->references, 1) == 1) {
        diagnostics_clear(&(*m)->notes);
        onnx_free(&(*m)->onnx);
        mem_free(*m);
    }
    *m = NULL;
}

sib_code sib_model_save(const sib_model *m, const char *path, const char *external, sib_error *err)
{
    if (!m || !path)
        return err_set(err, SIB_ERR_ARGUMENT, "%s is NULL", m ? "path" : "the model");
    return onnx_write_file(m->onnx, path, external, err);
}

/* ---- What the file says ------------------------------------------------------------------------------ */

static const char *text_or_empty(sib_str s)
{
    return s.data ? s.data : "";
}

/* Counts the initializers of a graph and those inside it. */
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
    return i < m->notes.n ? m->notes.items[i] : NULL;
}

/* A text in the model's arena, or "" where memory fails. */
static const char *kept_text(const sib_model *m, const char *text)
{
    bool ok = true;
    sib_str s = arena_string(m->onnx->arena, str_of(text), &ok);
    return ok ? s.data : "";
}

static sib_value_kind kind_of(const value_type *t)
{
    switch (type_outer(t)) {
    case TYPE_TENSOR:
    case TYPE_SPARSE:
        return SIB_VALUE_TENSOR;
    case TYPE_SEQUENCE:
        return SIB_VALUE_SEQUENCE;
    case TYPE_OPTIONAL:
        return SIB_VALUE_OPTIONAL;
    case TYPE_MAP:
        return SIB_VALUE_MAP;
    default:
        return (sib_value_kind)0;
    }
}

static void describe(const sib_model *m, value_id id, sib_value_info *out)
{
    const graph *g = m->onnx->graph;
    const value *v = &g->values[id];
    const value_type *t = &v->type;
    char text[600];
    *out = (sib_value_info){.name = text_or_empty(v->name),
                            .doc = text_or_empty(v->doc),
                            .kind = kind_of(t),
                            .dtype = t->dtype,
                            .ranked = t->shape.ranked,
                            .rank = t->shape.rank,
                            .constant = v->constant};
    out->type = kept_text(m, type_text(g->dims, t, text, sizeof text));
    for (int i = 0; i < t->shape.rank; i++)
        if (!dim_is_const(g->dims, t->shape.dims[i], &out->dims[i])) {
            out->dims[i] = -1;
            out->dim_names[i] = kept_text(m, dim_text(g->dims, t->shape.dims[i], text, sizeof text));
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
    char text[600];
    dim flops = n->flops, bytes = cost_bytes(g, n);
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
        out->flops = kept_text(m, dim_text(g->dims, flops, text, sizeof text));
    if (!dim_same(bytes, DIM_NONE))
        out->bytes = kept_text(m, dim_text(g->dims, bytes, text, sizeof text));
    return true;
}

/* ---- Values in files -------------------------------------------------------------------------------- */

sib_code sib_value_load_pb(const char *path, const sib_value_info *like, sib_value **out, char **name,
                           sib_error *err)
{
    value_type type = type_tensor(SIB_DTYPE_UNKNOWN);
    if (!path || !out)
        return err_set(err, SIB_ERR_ARGUMENT, "%s is NULL", path ? "out" : "path");
    *out = NULL;
    if (name)
        *name = NULL;
    /* the text begins with what stands outermost: "optional(seq(float32 [N]))" */
    const char *words = like && like->type ? like->type : "";
    static const struct {
        const char *word;
        type_kind kind;
    } wraps[] = {{"optional(", TYPE_OPTIONAL}, {"seq(", TYPE_SEQUENCE}, {"map(", TYPE_MAP}};
    type_kind found[TYPE_MAX_DEPTH];
    size_t depth = 0;
    for (size_t i = 0; i < sizeof wraps / sizeof *wraps && depth < TYPE_MAX_DEPTH;) {
        size_t length = strlen(wraps[i].word);
        if (strncmp(words, wraps[i].word, length)) {
            i++;
            continue;
        }
        found[depth++] = wraps[i].kind;
        words += length;
        if (wraps[i].kind == TYPE_MAP) {
            const char *comma = strchr(words, ',');
            words = comma ? comma + 2 : words;
        }
        i = 0;
    }
    while (depth)
        type = type_wrap(found[--depth], type);
    return onnx_read_value(path, &type, out, name, err);
}

sib_code sib_value_save_pb(const char *path, const sib_value *v, const char *name, sib_error *err)
{
    if (!path || !v)
        return err_set(err, SIB_ERR_ARGUMENT, "%s is NULL", path ? "the value" : "path");
    return onnx_write_value(path, v, name ? name : "", err);
}
