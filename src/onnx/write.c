/* Writes models and values to files. */
#include "onnx/writer.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/outfile.h"
#include "tensor/dtype.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Alignment in the external file: to pages where that wastes little compared to the tensor, since readers
   map them. */
#define PAGE        4096
#define SMALL_ALIGN 64

/* ---- The external file ------------------------------------------------------------------------------ */

/* Calls visit for every initializer of a graph and its subgraphs, in order. */
typedef void (*initializer_visit)(writer *w, const sib_tensor *t);
static void visit_initializers(writer *w, const graph *g, initializer_visit visit)
{
    for (value_id v = 0; v < g->n_values; v++)
        if (g->values[v].from_file && g->values[v].constant)
            visit(w, g->values[v].constant);
    for (node_id i = 0; i < g->n_nodes; i++)
        for (size_t k = 0; k < g->nodes[i].n_attributes; k++) {
            const attribute *a = &g->nodes[i].attributes[k];
            if (a->kind == ATTR_GRAPH)
                visit_initializers(w, a->graph, visit);
            else if (a->kind == ATTR_GRAPHS)
                for (size_t j = 0; j < a->n; j++)
                    visit_initializers(w, a->graphs[j], visit);
        }
}

static bool goes_out(const sib_tensor *t, size_t *bytes)
{
    return sib_tensor_dtype(t) != SIB_STRING &&
           dtype_bytes(sib_tensor_dtype(t), sib_tensor_count(t), bytes) && *bytes >= ONNX_EXTERNAL_FROM;
}

static void count_place(writer *w, const sib_tensor *t)
{
    size_t bytes;
    w->n_places += goes_out(t, &bytes);
}

/* places[n_places] is the next entry while the list is being filled. */
static void add_place(writer *w, const sib_tensor *t)
{
    size_t bytes;
    external_place known;
    if (w->code != SIB_OK || !goes_out(t, &bytes) || writer_is_external(w, t, &known))
        return;
    external_place *p = &w->places[w->n_places];
    uint64_t end = w->n_places ? p[-1].offset + p[-1].bytes : 0;
    uint64_t align = bytes >= 16 * PAGE ? PAGE : SMALL_ALIGN;
    *p = (external_place){.tensor = t, .offset = (end + align - 1) / align * align, .bytes = bytes};
    w->n_places++;
    if (!name_map_put(&w->place_of, (sib_str){(const char *)&p->tensor, sizeof p->tensor},
                      (uint32_t)(w->n_places - 1)))
        writer_fail(w, SIB_ERR_MEMORY, "out of memory");
}

static sib_code plan_places(writer *w)
{
    visit_initializers(w, w->m->graph, count_place);
    w->places = mem_calloc(w->n_places, sizeof *w->places);
    if (!w->places)
        return writer_fail(w, SIB_ERR_MEMORY, "out of memory");
    w->n_places = 0;
    visit_initializers(w, w->m->graph, add_place);
    return w->code;
}

static sib_code write_place(writer *w, FILE *stream, const external_place *p, uint64_t *end)
{
    static const char zeros[PAGE];
    sib_tensor *copy = NULL;
    sib_code code = SIB_OK;
    size_t gap = (size_t)(p->offset - *end);
    bool ok = fwrite(zeros, 1, gap, stream) == gap, made = w->elements && ok;
    if (made)
        code = w->elements->write(w->elements->context, p->tensor, stream, &made, w->err);
    if (code == SIB_OK && !made && !sib_tensor_is_dense(p->tensor))
        code = sib_tensor_copy(p->tensor, &copy, w->err);
    if (code != SIB_OK)
        return w->code = code;
    if (!made)
        ok = ok && fwrite(sib_tensor_data(copy ? copy : p->tensor), 1, (size_t)p->bytes, stream) == p->bytes;
    sib_tensor_free(&copy);
    *end = p->offset + p->bytes;
    return ok ? SIB_OK : SIB_ERR_IO; /* begin_external says which file */
}

/* Path of the external file in the model's folder. */
static char *external_path(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');
    size_t folder = slash ? (size_t)(slash - path) + 1 : 0, n = strlen(name);
    char *out = mem_alloc(folder + n + 1, 1);
    if (!out)
        return NULL;
    memcpy(out, path, folder);
    memcpy(out + folder, name, n + 1);
    return out;
}

static sib_code begin_external(writer *w, outfile *f)
{
    uint64_t end = 0;
    char *path = external_path(w->path, w->external);
    if (!path)
        return writer_fail(w, SIB_ERR_MEMORY, "out of memory");
    sib_code code =
        strcmp(path, w->path) == 0
            ? writer_fail(w, SIB_ERR_ARGUMENT, "the external file '%s' would replace the model", w->external)
            : outfile_begin(f, path, w->err);
    mem_free(path);
    for (size_t i = 0; code == SIB_OK && i < w->n_places; i++)
        code = write_place(w, f->stream, &w->places[i], &end);
    if (code == SIB_ERR_IO && f->stream && ferror(f->stream))
        code = outfile_commit(f, w->err); /* fails, with the name and the cause */
    return w->code = code;
}

/* ---- Models ----------------------------------------------------------------------------------------- */

static void put_opset(writer *w, const void *what)
{
    const opset_import *o = what;
    put_string(w, OPSET_DOMAIN, o->domain);
    put_int(w, OPSET_VERSION, o->version);
}

/* One version per domain; nodes with another version note it in their metadata. */
static void put_opsets(writer *w, const onnx_model *m)
{
    for (size_t i = 0; i < m->n_opsets; i++) {
        bool again = false;
        for (size_t k = 0; k < i; k++)
            again |= str_same(m->opsets[k].domain, m->opsets[i].domain);
        if (!again)
            put_message(w, MODEL_OPSET, put_opset, &m->opsets[i]);
    }
}

static void put_model(writer *w, const void *what)
{
    const onnx_model *m = what;
    put_int(w, MODEL_IR_VERSION, m->ir_version);
    put_text(w, MODEL_PRODUCER_NAME, m->producer_name);
    put_text(w, MODEL_PRODUCER_VERSION, m->producer_version);
    put_text(w, MODEL_DOMAIN, m->domain);
    if (m->model_version)
        put_int(w, MODEL_MODEL_VERSION, m->model_version);
    put_text(w, MODEL_DOC, m->doc);
    put_message(w, MODEL_GRAPH, put_graph, m->graph);
    put_opsets(w, m);
    put_pairs(w, MODEL_METADATA, m->n_metadata, m->metadata);
}

static int props_order(const void *a, const void *b)
{
    const onnx_props *x = *(const onnx_props *const *)a, *y = *(const onnx_props *const *)b;
    if (x->graph != y->graph)
        return (uintptr_t)x->graph < (uintptr_t)y->graph ? -1 : 1;
    if (x->of != y->of)
        return x->of < y->of ? -1 : 1;
    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return x < y ? -1 : x > y; /* in the order read */
}

static sib_code index_props(writer *w)
{
    const onnx_model *m = w->m;
    w->props = mem_alloc(m->n_props, sizeof *w->props);
    if (!w->props)
        return writer_fail(w, SIB_ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < m->n_props; i++)
        w->props[i] = &m->props[i];
    if (m->n_props)
        qsort(w->props, m->n_props, sizeof *w->props, props_order);
    return SIB_OK;
}

/* Writes a message to a file, after the external file if there is one. */
static sib_code write_file(writer *w, writer_body body, const void *what)
{
    outfile model = {0}, external = {0};
    size_t bytes = writer_size(w, body, what);
    if (w->code == SIB_OK && bytes > WRITER_MAX_BYTES)
        writer_fail(w, SIB_ERR_SIZE, "would have %zu bytes, but protobuf is limited to 2 GiB%s", bytes,
                    w->external ? "" : ": store weights in an external file");
    if (w->code == SIB_OK && w->external)
        begin_external(w, &external);
    if (w->code == SIB_OK)
        w->code = outfile_begin(&model, w->path, w->err);
    if (w->code == SIB_OK) {
        w->stream = model.stream;
        writer_emit(w, body, what);
    }
    if (w->code == SIB_OK && external.stream)
        w->code = outfile_commit(&external, w->err);
    if (w->code == SIB_OK)
        w->code = outfile_commit(&model, w->err);
    outfile_abort(&external);
    outfile_abort(&model);
    return w->code;
}

int64_t onnx_ir_version(int64_t opset)
{
    return opset >= 23 ? 11 : opset >= 21 ? 10 : opset >= 20 ? 9 : 8;
}

sib_code onnx_write_file_with(const onnx_model *m, const char *path, const char *external,
                              const onnx_elements *elements, sib_error *err)
{
    writer w = {.path = path, .m = m, .external = external, .elements = elements, .err = err};
    if (external &&
        (!*external || strchr(external, '/') || !strcmp(external, ".") || !strcmp(external, "..")))
        return writer_fail(&w, SIB_ERR_ARGUMENT,
                           "'%s' is not a valid name for an external file in the model's folder", external);
    index_props(&w);
    if (w.code == SIB_OK && external)
        plan_places(&w);
    if (w.code == SIB_OK)
        write_file(&w, put_model, m);
    name_map_clear(&w.place_of);
    mem_free(w.places);
    mem_free(w.props);
    return w.code;
}

sib_code onnx_write_file(const onnx_model *m, const char *path, const char *external, sib_error *err)
{
    return onnx_write_file_with(m, path, external, NULL, err);
}

/* ---- Values ----------------------------------------------------------------------------------------- */

typedef struct value_out {
    const sib_value *v;
    sib_str name;
} value_out;

static void put_value(writer *w, const void *what);

static uint32_t elem_of(const sib_value *v)
{
    switch (sib_value_get_kind(v)) {
    case SIB_VALUE_SEQUENCE:
        return PROTO_ELEM_SEQUENCE;
    case SIB_VALUE_OPTIONAL:
        return PROTO_ELEM_OPTIONAL;
    case SIB_VALUE_MAP:
        return PROTO_ELEM_MAP;
    default:
        return PROTO_ELEM_TENSOR;
    }
}

/* Writes the items of a sequence or optional: SequenceProto and OptionalProto number their fields alike. */
static void put_items(writer *w, const value_out *o)
{
    size_t n = sib_value_count(o->v);
    put_text(w, SEQUENCE_NAME, o->name);
    uint32_t empty = sib_value_get_kind(o->v) == SIB_VALUE_SEQUENCE ? PROTO_ELEM_TENSOR : 0;
    put_int(w, SEQUENCE_ELEM, n ? elem_of(sib_value_item(o->v, 0)) : empty);
    for (size_t i = 0; i < n; i++) {
        const sib_value *item = sib_value_item(o->v, i);
        put_message(w, elem_of(item) + 2, put_value, &(value_out){item, {"", 0}});
    }
}

/* Writes the values of a map as a sequence of scalars. */
static void put_map_values(writer *w, const void *what)
{
    const sib_tensor *values = what;
    put_int(w, SEQUENCE_ELEM, PROTO_ELEM_TENSOR);
    for (int64_t i = 0; w->code == SIB_OK && i < (int64_t)sib_tensor_count(values); i++) {
        sib_tensor *slice = NULL, *copy = NULL, *scalar = NULL;
        sib_code code = sib_tensor_slice(values, 0, i, 1, 1, &slice, w->err);
        if (code == SIB_OK)
            code = sib_tensor_copy(slice, &copy, w->err);
        if (code == SIB_OK)
            code = sib_tensor_reshape(copy, 0, NULL, &scalar, w->err);
        w->code = code;
        if (code == SIB_OK)
            put_message(w, SEQUENCE_TENSORS, put_tensor, &(tensor_out){.tensor = scalar});
        sib_tensor_free(&slice);
        sib_tensor_free(&copy);
        sib_tensor_free(&scalar);
    }
}

static void put_map(writer *w, const value_out *o)
{
    const sib_tensor *keys = sib_value_keys(o->v);
    put_text(w, MAP_NAME, o->name);
    put_int(w, MAP_KEY_TYPE, sib_tensor_dtype(keys));
    sib_tensor *wide = NULL;
    bool strings = sib_tensor_dtype(keys) == SIB_STRING;
    sib_code code = strings ? sib_tensor_copy(keys, &wide, w->err)
                            : sib_tensor_convert(keys, SIB_I64, SIB_OVERFLOW_IEEE, &wide, w->err);
    if (code != SIB_OK) {
        w->code = code;
        return;
    }
    for (uint64_t i = 0; i < sib_tensor_count(wide); i++) {
        if (strings)
            put_string(w, MAP_STRING_KEYS, ((const sib_str *)sib_tensor_data(wide))[i]);
        else
            put_int(w, MAP_KEYS, ((const int64_t *)sib_tensor_data(wide))[i]);
    }
    sib_tensor_free(&wide);
    put_message(w, MAP_VALUES, put_map_values, sib_value_values(o->v));
}

static void put_value(writer *w, const void *what)
{
    const value_out *o = what;
    switch (sib_value_get_kind(o->v)) {
    case SIB_VALUE_TENSOR:
        put_tensor(w, &(tensor_out){.tensor = sib_value_tensor(o->v), .name = o->name});
        break;
    case SIB_VALUE_SEQUENCE:
    case SIB_VALUE_OPTIONAL:
        put_items(w, o);
        break;
    case SIB_VALUE_MAP:
        put_map(w, o);
        break;
    }
}

sib_code onnx_write_value(const char *path, const sib_value *v, const char *name, sib_error *err)
{
    writer w = {.path = path, .err = err};
    return write_file(&w, put_value, &(value_out){v, str_of(name ? name : "")});
}
