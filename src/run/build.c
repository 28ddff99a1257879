/* Models made by calls. */
#include <sibyl/build.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/names.h"
#include "base/size.h"
#include "extend/registry.h"
#include "run/model.h"

#include <string.h>

/* Max number of domains, inputs of a node and outputs of a node, as a guard against wrong arguments. */
#define MAX_DOMAINS 64
#define MAX_LIST    65536

struct sib_build {
    onnx_model *m;
    name_map values;        /* names to value ids */
    sib_registry *registry; /* a reference; may be NULL */
};

static bool is_empty(const char *text)
{
    return !text || !*text;
}

/* ---- Begin and end --------------------------------------------------------------------------------- */

static sib_code begin(sib_build *b, int64_t opset, sib_error *err)
{
    onnx_model *m = b->m = mem_calloc(1, sizeof *m);
    sib_code code = m ? arena_create(&m->arena, err) : err_memory(err, sizeof *m, "a model");
    if (code == SIB_OK)
        code = dim_table_create(&m->dims, err);
    if (code == SIB_OK)
        code = graph_create(m->arena, m->dims, &m->graph, err);
    if (code != SIB_OK)
        return code;
    m->graph->name = m->producer_name = str_of("sibyl");
    m->producer_version = m->domain = m->doc = str_of("");
    m->ir_version = onnx_ir_version(opset);
    m->opsets = arena_alloc(m->arena, MAX_DOMAINS, sizeof *m->opsets);
    if (!m->opsets)
        return err_memory(err, MAX_DOMAINS * sizeof *m->opsets, "a model's opsets");
    m->opsets[m->n_opsets++] = (opset_import){str_of(""), opset};
    return SIB_OK;
}

sib_code sib_build_create(int64_t opset, sib_build **out, sib_error *err)
{
    if (!out)
        return err_set(err, SIB_ERR_ARGUMENT, "out is NULL");
    *out = NULL;
    if (opset < 1)
        return err_set(err, SIB_ERR_ARGUMENT, "the opset is %lld, expected at least 1", (long long)opset);
    sib_build *b = mem_calloc(1, sizeof *b);
    if (!b)
        return err_memory(err, sizeof *b, "a model under construction");
    sib_code code = begin(b, opset, err);
    if (code != SIB_OK)
        sib_build_free(&b);
    *out = b;
    return code;
}

void sib_build_free(sib_build **bp)
{
    if (!bp || !*bp)
        return;
    sib_build *b = *bp;
    *bp = NULL;
    name_map_clear(&b->values);
    sib_registry_free(&b->registry);
    onnx_free(&b->m);
    mem_free(b);
}

/* Calls of the registry's functions in text. */
static sib_code inline_functions(sib_build *b, sib_error *err)
{
    onnx_more more;
    sib_code code = registry_functions(b->registry, &more, err);
    if (code == SIB_OK)
        code = onnx_inline(b->m, &more, err);
    mem_free((void *)more.functions);
    return code;
}

sib_code sib_build_model(sib_build **bp, sib_model **out, sib_error *err)
{
    sib_code code = SIB_OK;
    if (!bp || !*bp || !out)
        return err_set(err, SIB_ERR_ARGUMENT, "%s is NULL", out ? "the model under construction" : "out");
    *out = NULL;
    onnx_model *m = (*bp)->m;
    if (!m->graph->outputs.n)
        code = err_set(err, SIB_ERR_ARGUMENT, "the model has no outputs: name them with sib_build_output");
    if (code == SIB_OK)
        code = inline_functions(*bp, err);
    if (code == SIB_OK) {
        (*bp)->m = NULL;
        code = model_make(m, true, (*bp)->registry, out, err);
    }
    sib_build_free(bp);
    return code;
}

sib_code sib_build_registry(sib_build *b, sib_registry *r, sib_error *err)
{
    if (!b || !r)
        return err_set(err, SIB_ERR_ARGUMENT, "the model under construction or the registry is NULL");
    sib_registry_free(&b->registry);
    b->registry = registry_keep(r);
    return SIB_OK;
}

/* ---- Domains ----------------------------------------------------------------------------------------- */

/* The version of a domain; 0 where it is not imported. */
static int64_t version_of(const sib_build *b, sib_str domain)
{
    for (size_t i = 0; i < b->m->n_opsets; i++)
        if (str_same(b->m->opsets[i].domain, domain))
            return b->m->opsets[i].version;
    return 0;
}

static sib_code copy_text(sib_build *b, const char *text, sib_str *out, sib_error *err)
{
    bool ok = true;
    *out = str_of("");
    if (!is_empty(text))
        *out = arena_string(b->m->arena, str_of(text), &ok);
    return ok ? SIB_OK : err_memory(err, strlen(text), "a name");
}

sib_code sib_build_opset(sib_build *b, const char *domain, int64_t version, sib_error *err)
{
    sib_str name;
    if (!b || !domain)
        return err_set(err, SIB_ERR_ARGUMENT, "%s is NULL", b ? "domain" : "the model under construction");
    if (version < 1)
        return err_set(err, SIB_ERR_ARGUMENT, "domain '%s' has version %lld, expected at least 1", domain,
                       (long long)version);
    if (version_of(b, str_of(domain)))
        return err_set(err, SIB_ERR_ARGUMENT, "domain '%s' is imported already", domain);
    if (b->m->n_opsets == MAX_DOMAINS)
        return err_set(err, SIB_ERR_ARGUMENT, "a model imports at most %d domains", MAX_DOMAINS);
    sib_code code = copy_text(b, domain, &name, err);
    if (code == SIB_OK)
        b->m->opsets[b->m->n_opsets++] = (opset_import){name, version};
    return code;
}

/* ---- Values ------------------------------------------------------------------------------------------ */

static sib_code check_new(const sib_build *b, const char *name, sib_error *err)
{
    uint32_t seen;
    if (!b)
        return err_set(err, SIB_ERR_ARGUMENT, "the model under construction is NULL");
    if (is_empty(name))
        return err_set(err, SIB_ERR_ARGUMENT, "an input or a constant has no name");
    if (name_map_find(&b->values, str_of(name), &seen))
        return err_set(err, SIB_ERR_ARGUMENT, "there is a value '%s' already", name);
    return SIB_OK;
}

static sib_code add_value(sib_build *b, const char *name, const value_type *type, value_id *out,
                          sib_error *err)
{
    sib_code code = graph_add_value(b->m->graph, str_of(name), type, out, err);
    if (code == SIB_OK && !name_map_put(&b->values, b->m->graph->values[*out].name, *out))
        code = err_memory(err, strlen(name), "a name");
    return code;
}

sib_code sib_build_input(sib_build *b, const char *name, sib_dtype dtype, size_t rank, const int64_t *dims,
                         const char *const *dim_names, sib_error *err)
{
    value_id v;
    sib_code code = check_new(b, name, err);
    if (code != SIB_OK)
        return code;
    if (!sib_dtype_bits(dtype) && dtype != SIB_STRING)
        return err_set(err, SIB_ERR_ARGUMENT, "input '%s' has dtype %d, which is none", name, (int)dtype);
    if (rank > SIB_MAX_RANK || (rank && !dims))
        return err_set(err, SIB_ERR_ARGUMENT, "input '%s' has rank %zu and %s; the rank is at most %d", name,
                       rank, dims ? "dims" : "no dims", SIB_MAX_RANK);
    value_type type = type_tensor(dtype);
    type.shape = (dim_shape){.ranked = true, .rank = (uint8_t)rank};
    for (size_t i = 0; i < rank; i++) {
        if (dims[i] < -1)
            return err_set(err, SIB_ERR_ARGUMENT, "dim %zu of input '%s' is %lld", i, name,
                           (long long)dims[i]);
        const char *symbol = dim_names && dim_names[i] ? dim_names[i] : "";
        type.shape.dims[i] =
            dims[i] >= 0 ? dim_const(b->m->dims, dims[i]) : dim_symbol(b->m->dims, str_of(symbol));
    }
    if (dim_table_failed(b->m->dims) != SIB_OK)
        return err_memory(err, rank * sizeof(dim), "the dims of an input");
    code = add_value(b, name, &type, &v, err);
    if (code != SIB_OK)
        return code;
    b->m->graph->values[v].declared = type;
    return graph_add_input(b->m->graph, v, err);
}

sib_code sib_build_constant(sib_build *b, const char *name, const sib_tensor *t, sib_error *err)
{
    sib_tensor *own = NULL;
    value_id v;
    sib_code code = check_new(b, name, err);
    if (code == SIB_OK && !t)
        code = err_set(err, SIB_ERR_ARGUMENT, "constant '%s' is NULL", name);
    if (code == SIB_OK)
        code = sib_tensor_copy(t, &own, err);
    if (code == SIB_OK)
        code = arena_keep(b->m->arena, own, err);
    if (code != SIB_OK)
        return code;
    value_type type =
        type_of_dims(b->m->dims, sib_tensor_dtype(own), sib_tensor_rank(own), sib_tensor_dims(own));
    code = add_value(b, name, &type, &v, err);
    if (code != SIB_OK)
        return code;
    b->m->graph->values[v].constant = own;
    b->m->graph->values[v].from_file = true;
    b->m->parameters += sib_tensor_count(own);
    return SIB_OK;
}

sib_code sib_build_output(sib_build *b, const char *name, sib_error *err)
{
    value_id v;
    if (!b || !name)
        return err_set(err, SIB_ERR_ARGUMENT, "%s is NULL", b ? "name" : "the model under construction");
    if (!name_map_find(&b->values, str_of(name), &v))
        return err_set(err, SIB_ERR_ARGUMENT, "output '%s': there is no such value", name);
    return graph_add_output(b->m->graph, v, err);
}

/* ---- Nodes ------------------------------------------------------------------------------------------- */

/* Copies items of `size` bytes to the arena. */
static const void *copy_items(sib_build *b, const void *items, size_t n, size_t size)
{
    void *own = arena_alloc(b->m->arena, size_max(n, 1), size);
    if (own && n)
        memcpy(own, items, n * size);
    return own;
}

static sib_code copy_strings(sib_build *b, const sib_attribute *from, const sib_str **out, sib_error *err)
{
    bool ok = true;
    sib_str *own = arena_alloc(b->m->arena, size_max(from->n, 1), sizeof *own);
    for (size_t i = 0; own && ok && i < from->n; i++)
        own[i] = arena_string(b->m->arena, from->strings[i], &ok);
    *out = own;
    return own && ok ? SIB_OK : err_memory(err, from->n * sizeof *own, "an attribute");
}

static sib_code copy_tensors(sib_build *b, const sib_attribute *from, const sib_tensor ***out, sib_error *err)
{
    const sib_tensor **own = arena_alloc(b->m->arena, size_max(from->n, 1), sizeof *own);
    sib_code code = own ? SIB_OK : err_memory(err, from->n * sizeof *own, "an attribute");
    for (size_t i = 0; code == SIB_OK && i < from->n; i++) {
        sib_tensor *t = NULL;
        code = sib_tensor_copy(from->tensors[i], &t, err);
        if (code == SIB_OK)
            code = arena_keep(b->m->arena, t, err);
        own[i] = t;
    }
    *out = own;
    return code;
}

/* Whether the list that the kind names is there. */
static bool has_items(const sib_attribute *a)
{
    switch (a->kind) {
    case SIB_ATTRIBUTE_FLOAT:
    case SIB_ATTRIBUTE_FLOATS:
        return a->floats != NULL;
    case SIB_ATTRIBUTE_INT:
    case SIB_ATTRIBUTE_INTS:
        return a->ints != NULL;
    case SIB_ATTRIBUTE_STRING:
    case SIB_ATTRIBUTE_STRINGS:
        return a->strings != NULL;
    default:
        return a->tensors != NULL;
    }
}

static bool is_built(sib_attribute_kind kind)
{
    return kind >= SIB_ATTRIBUTE_FLOAT && kind <= SIB_ATTRIBUTE_TENSORS && kind != SIB_ATTRIBUTE_GRAPH;
}

static bool is_single(sib_attribute_kind kind)
{
    return kind < SIB_ATTRIBUTE_FLOATS;
}

static sib_code copy_attribute(sib_build *b, const sib_attribute *from, attribute *out, sib_error *err)
{
    const char *name = is_empty(from->name) ? "" : from->name;
    *out = (attribute){.kind = (attribute_kind)from->kind, .n = is_single(from->kind) ? 0 : from->n};
    if (!*name)
        return err_set(err, SIB_ERR_ARGUMENT, "an attribute has no name");
    if (!is_built(from->kind))
        return err_set(err, SIB_ERR_UNSUPPORTED,
                       "attribute '%s' is of kind %d; numbers, strings and tensors are built", name,
                       (int)from->kind);
    if (is_single(from->kind) ? from->n != 1 : from->n > MAX_LIST)
        return err_set(err, SIB_ERR_ARGUMENT, "attribute '%s' has %zu items", name, from->n);
    if (from->n && !has_items(from))
        return err_set(err, SIB_ERR_ARGUMENT, "the items of attribute '%s' are NULL", name);
    sib_code code = copy_text(b, name, &out->name, err);
    if (code != SIB_OK)
        return code;
    switch (from->kind) {
    case SIB_ATTRIBUTE_FLOAT:
        out->f = from->floats[0];
        return SIB_OK;
    case SIB_ATTRIBUTE_INT:
        out->i = from->ints[0];
        return SIB_OK;
    case SIB_ATTRIBUTE_FLOATS:
        out->floats = copy_items(b, from->floats, from->n, sizeof *from->floats);
        return out->floats ? SIB_OK : err_memory(err, from->n * sizeof *from->floats, "an attribute");
    case SIB_ATTRIBUTE_INTS:
        out->ints = copy_items(b, from->ints, from->n, sizeof *from->ints);
        return out->ints ? SIB_OK : err_memory(err, from->n * sizeof *from->ints, "an attribute");
    case SIB_ATTRIBUTE_STRING:
    case SIB_ATTRIBUTE_STRINGS: {
        const sib_str *own;
        code = copy_strings(b, from, &own, err);
        if (code == SIB_OK && from->kind == SIB_ATTRIBUTE_STRING)
            out->s = own[0];
        else
            out->strings = own;
        return code;
    }
    case SIB_ATTRIBUTE_TENSOR:
    case SIB_ATTRIBUTE_TENSORS: {
        const sib_tensor **own;
        code = copy_tensors(b, from, &own, err);
        if (code == SIB_OK && from->kind == SIB_ATTRIBUTE_TENSOR)
            out->tensor = own[0];
        else
            out->tensors = own;
        return code;
    }
    default:
        return SIB_OK; /* refused above */
    }
}

static sib_code check_node(const sib_build *b, const sib_build_node *n, sib_error *err)
{
    uint32_t seen;
    if (!b || !n)
        return err_set(err, SIB_ERR_ARGUMENT, "%s is NULL", b ? "the node" : "the model under construction");
    if (is_empty(n->type))
        return err_set(err, SIB_ERR_ARGUMENT, "a node has no operator type");
    if (!version_of(b, str_of(n->domain ? n->domain : "")))
        return err_set(err, SIB_ERR_ARGUMENT, "%s: domain '%s' is not imported: call sib_build_opset",
                       n->type, n->domain);
    if ((n->n_inputs && !n->inputs) || (n->n_outputs && !n->outputs) || (n->n_attributes && !n->attributes) ||
        n->n_inputs > MAX_LIST || n->n_outputs > MAX_LIST || n->n_attributes > MAX_LIST)
        return err_set(err, SIB_ERR_ARGUMENT,
                       "%s: a list of inputs, outputs or attributes is NULL, or longer than %d", n->type,
                       MAX_LIST);
    for (size_t i = 0; i < n->n_inputs; i++)
        if (!is_empty(n->inputs[i]) && !name_map_find(&b->values, str_of(n->inputs[i]), &seen))
            return err_set(err, SIB_ERR_ARGUMENT, "%s: there is no value '%s'", n->type, n->inputs[i]);
    for (size_t i = 0; i < n->n_outputs; i++) {
        if (is_empty(n->outputs[i]))
            continue;
        bool twice = name_map_find(&b->values, str_of(n->outputs[i]), &seen);
        for (size_t k = 0; k < i; k++)
            twice |= n->outputs[k] && !strcmp(n->outputs[k], n->outputs[i]);
        if (twice)
            return err_set(err, SIB_ERR_ARGUMENT, "%s: there is a value '%s' already", n->type,
                           n->outputs[i]);
    }
    return SIB_OK;
}

static sib_code make_outputs(sib_build *b, const sib_build_node *n, id_list *out, sib_error *err)
{
    sib_code code = SIB_OK;
    const value_type unknown = {0};
    for (size_t i = 0; code == SIB_OK && i < n->n_outputs; i++) {
        out->ids[i] = NO_VALUE;
        if (!is_empty(n->outputs[i]))
            code = add_value(b, n->outputs[i], &unknown, &out->ids[i], err);
    }
    return code;
}

sib_code sib_build_add(sib_build *b, const sib_build_node *from, sib_error *err)
{
    sib_code code = check_node(b, from, err);
    if (code != SIB_OK)
        return code;
    graph_arena *arena = b->m->arena;
    node n = {.n_attributes = from->n_attributes,
              .attributes = arena_alloc(arena, size_max(from->n_attributes, 1), sizeof *n.attributes),
              .inputs = {(uint32_t)from->n_inputs,
                         arena_alloc(arena, size_max(from->n_inputs, 1), sizeof *n.inputs.ids)},
              .outputs = {(uint32_t)from->n_outputs,
                          arena_alloc(arena, size_max(from->n_outputs, 1), sizeof *n.outputs.ids)},
              .doc = str_of(""),
              .function = str_of(""),
              .origin = NO_NODE};
    if (!n.attributes || !n.inputs.ids || !n.outputs.ids)
        return err_memory(err, sizeof n, "a node");
    for (size_t i = 0; code == SIB_OK && i < from->n_attributes; i++)
        code = copy_attribute(b, &from->attributes[i], &n.attributes[i], err);
    for (size_t i = 0; i < from->n_inputs; i++) {
        n.inputs.ids[i] = NO_VALUE;
        if (!is_empty(from->inputs[i]))
            name_map_find(&b->values, str_of(from->inputs[i]), &n.inputs.ids[i]);
    }
    if (code == SIB_OK)
        code = copy_text(b, from->type, &n.type, err);
    if (code == SIB_OK)
        code = copy_text(b, from->domain, &n.domain, err);
    if (code == SIB_OK)
        code = copy_text(b, from->name, &n.name, err);
    if (code == SIB_OK)
        code = make_outputs(b, from, &n.outputs, err);
    n.version = version_of(b, n.domain);
    node_id made;
    return code == SIB_OK ? graph_add_node(b->m->graph, &n, &made, err) : code;
}
