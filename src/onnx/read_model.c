/* ModelProto: everything around the graph. */
#include "onnx/reader.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/path.h"

#include <string.h>

static const sib_str no_text = {"", 0};

/* What the first pass over the message finds. */
typedef struct model_proto {
    wire_span graph;
    size_t n_graphs, n_opsets, n_metadata, n_functions, n_training, n_configurations;
} model_proto;

static sib_code read_text_field(reader *r, const wire_field *f)
{
    onnx_model *m = r->model;
    switch (f->number) {
    case MODEL_PRODUCER_NAME:
        return reader_string(r, wire_str(f->bytes), &m->producer_name);
    case MODEL_PRODUCER_VERSION:
        return reader_string(r, wire_str(f->bytes), &m->producer_version);
    case MODEL_DOMAIN:
        return reader_string(r, wire_str(f->bytes), &m->domain);
    case MODEL_DOC:
        return reader_string(r, wire_str(f->bytes), &m->doc);
    case MODEL_IR_VERSION:
        m->ir_version = (int64_t)f->bits;
        return SIB_OK;
    case MODEL_MODEL_VERSION:
        m->model_version = (int64_t)f->bits;
        return SIB_OK;
    default:
        return SIB_OK;
    }
}

static sib_code first_walk(reader *r, wire_span bytes, model_proto *p)
{
    wire_reader w;
    wire_field f;
    sib_code code = SIB_OK;
    memset(p, 0, sizeof *p);
    wire_open(&w, bytes, &proto_model);
    while (code == SIB_OK && wire_next(&w, &f)) {
        p->n_opsets += f.number == MODEL_OPSET;
        p->n_metadata += f.number == MODEL_METADATA;
        p->n_functions += f.number == MODEL_FUNCTION;
        p->n_training += f.number == MODEL_TRAINING;
        p->n_configurations += f.number == MODEL_CONFIGURATION;
        if (f.number == MODEL_GRAPH) {
            p->graph = f.bytes;
            p->n_graphs++;
        }
        code = read_text_field(r, &f);
    }
    return code == SIB_OK ? reader_end(r, &w) : code;
}

static sib_code check_model(reader *r, const model_proto *p)
{
    int64_t ir = r->model->ir_version;
    if (ir <= 0)
        return reader_fail(r, SIB_ERR_FORMAT, NULL, "has no IR version, so it is not an ONNX model");
    if (p->n_graphs != 1)
        return reader_fail(r, SIB_ERR_FORMAT, NULL, "has %zu graphs, expected one", p->n_graphs);
    if (ir < 3)
        reader_notice(r, "IR version %lld is older than 3, the oldest supported: it may be read incorrectly",
                      (long long)ir);
    if (ir > PROTO_MAX_IR)
        reader_notice(r, "IR version %lld is newer than %d, the newest supported: its additions are ignored",
                      (long long)ir, PROTO_MAX_IR);
    if (p->n_training)
        reader_notice(r, "training information (%zu) is ignored: only the inference graph is read",
                      p->n_training);
    if (p->n_configurations)
        reader_notice(r, "device configurations (%zu) are ignored", p->n_configurations);
    return SIB_OK;
}

static sib_code second_walk(reader *r, wire_span bytes, const model_proto *p)
{
    onnx_model *m = r->model;
    wire_reader w;
    wire_field f;
    string_pair *pairs = arena_alloc(r->scratch, p->n_metadata ? p->n_metadata : 1, sizeof *pairs);
    m->opsets = arena_alloc(r->arena, p->n_opsets ? p->n_opsets : 1, sizeof *m->opsets);
    size_t n_functions = p->n_functions + (r->more ? r->more->n : 0);
    r->functions = arena_alloc(r->scratch, n_functions ? n_functions : 1, sizeof *r->functions);
    if (!pairs || !m->opsets || !r->functions)
        return reader_memory(r, 0, "the parts of a model");
    r->opset_capacity = p->n_opsets ? p->n_opsets : 1;
    sib_code code = SIB_OK;
    size_t n_pairs = 0;
    wire_open(&w, bytes, &proto_model);
    while (code == SIB_OK && wire_next(&w, &f)) {
        if (f.number == MODEL_OPSET) {
            opset_import *o = &m->opsets[m->n_opsets];
            code = raw_read_opset(r, f.bytes, o);
            if (code == SIB_OK)
                code = reader_string(r, o->domain, &o->domain);
            m->n_opsets += code == SIB_OK;
        } else if (f.number == MODEL_METADATA) {
            code = raw_read_pair(r, f.bytes, &pairs[n_pairs++]);
        } else if (f.number == MODEL_FUNCTION) {
            code = raw_read_function(r, f.bytes, &r->functions[r->n_functions]);
            r->n_functions += code == SIB_OK;
        }
    }
    if (code == SIB_OK)
        code = reader_pairs(r, n_pairs, pairs, &m->metadata);
    if (code == SIB_OK)
        m->n_metadata = n_pairs;
    r->n_model_opsets = m->n_opsets;
    if (code == SIB_OK)
        code = functions_more(r);
    return code == SIB_OK ? function_names(r) : code;
}

static sib_code read_all(reader *r)
{
    onnx_model *m = r->model;
    wire_span bytes = r->file->bytes;
    model_proto p;
    m->producer_name = m->producer_version = m->domain = m->doc = no_text;
    m->file_bytes = bytes.size;
    sib_code code = first_walk(r, bytes, &p);
    if (code == SIB_OK)
        code = check_model(r, &p);
    if (code == SIB_OK)
        code = second_walk(r, bytes, &p);
    raw_graph *raw = code == SIB_OK ? arena_alloc(r->scratch, 1, sizeof *raw) : NULL;
    if (code == SIB_OK && !raw)
        code = reader_memory(r, sizeof *raw, "a graph");
    if (code == SIB_OK)
        code = raw_read_graph(r, p.graph, raw);
    if (code == SIB_OK)
        code = graph_create(m->arena, m->dims, &m->graph, r->err);
    if (code != SIB_OK)
        return code;
    scope s = {.g = m->graph, .prefix = no_text};
    r->depth = 1;
    code = graph_read(r, &s, raw);
    name_map_clear(&s.names);
    return code;
}

/* Reads r->file and clears r. */
static sib_code read_model(reader *r, onnx_model **out)
{
    onnx_model *m = mem_calloc(1, sizeof *m);
    sib_code code = m ? SIB_OK : reader_memory(r, sizeof *m, "a model");
    r->model = m;
    if (code == SIB_OK)
        code = arena_create(&m->arena, r->err);
    if (code == SIB_OK)
        code = arena_create(&r->scratch, r->err);
    if (code == SIB_OK)
        code = dim_table_create(&m->dims, r->err);
    if (code == SIB_OK) {
        uint64_t limit = READER_GRAPH_BYTES + READER_GRAPH_PER_BYTE * r->file->bytes.size;
        m->budget.limit = r->max_graph_bytes ? r->max_graph_bytes : limit;
        arena_set_budget(m->arena, &m->budget);
        arena_set_budget(r->scratch, &m->budget);
        dim_table_set_budget(m->dims, &m->budget);
        r->arena = m->arena;
        r->dims = m->dims;
        code = onnx_explain(m, r->label, read_all(r), r->err);
    }
    reader_clear(r);
    if (code != SIB_OK)
        onnx_free(&m);
    *out = m;
    return code;
}

sib_code onnx_read_file(const char *path, const sib_open_options *options, onnx_model **out, sib_error *err)
{
    return onnx_read_file_with(path, options, NULL, out, err);
}

sib_code onnx_read_file_with(const char *path, const sib_open_options *options, const onnx_more *more,
                             onnx_model **out, sib_error *err)
{
    reader r;
    *out = NULL;
    reader_init(&r, options, err);
    r.more = more;
    r.label = path;
    sib_code code = mapping_open(path, &r.file, err);
    if (code == SIB_OK) {
        r.folder = options && options->folder ? mem_strdup(options->folder) : path_folder(path);
        if (!r.folder)
            code = reader_memory(&r, strlen(path), "a path");
    }
    if (code != SIB_OK) {
        reader_clear(&r);
        return code;
    }
    return read_model(&r, out);
}

sib_code onnx_read_bytes(const void *data, size_t size, const sib_open_options *options, onnx_model **out,
                         sib_error *err)
{
    return onnx_read_bytes_with(data, size, options, NULL, out, err);
}

sib_code onnx_read_bytes_with(const void *data, size_t size, const sib_open_options *options,
                              const onnx_more *more, onnx_model **out, sib_error *err)
{
    reader r;
    *out = NULL;
    reader_init(&r, options, err);
    r.more = more;
    sib_code code = mapping_copy((wire_span){data, size}, &r.file, err);
    if (code == SIB_OK && options && options->folder) {
        r.folder = mem_strdup(options->folder);
        if (!r.folder)
            code = reader_memory(&r, strlen(options->folder), "a path");
    }
    if (code != SIB_OK) {
        reader_clear(&r);
        return code;
    }
    return read_model(&r, out);
}

sib_code onnx_explain(const onnx_model *m, const char *label, sib_code code, sib_error *err)
{
    if (code != SIB_ERR_MEMORY || !m->budget.spent)
        return code;
    if (err)
        memset(err, 0, sizeof *err);
    return err_set(
        err, SIB_ERR_SIZE,
        "%s: names, nodes and attributes of the graph, functions inlined, take more memory than the limit "
        "of %llu bytes (raised by max_graph_bytes, or --open-memory)",
        label, (unsigned long long)m->budget.limit);
}

void onnx_free(onnx_model **m)
{
    if (!m || !*m)
        return;
    graph_free(&(*m)->graph);
    dim_table_free(&(*m)->dims);
    arena_free(&(*m)->arena);
    mem_free(*m);
    *m = NULL;
}
