/* Opening models, and questions about their files. */
#include "run/model.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"

#include "base/packs.h"
#include "extend/registry.h"
#include "ops/ops.h"
#include "run/infer.h"
#include "run/optimise.h"
#include <sibyl/timing.h>

#include <string.h>

/* ---- Opening ---------------------------------------------------------------------------------------- */

/* Drops the dims that a file declares for its inputs. */
static void free_inputs(graph *g)
{
    for (uint32_t i = 0; i < g->inputs.n; i++) {
        value *v = &g->values[g->inputs.ids[i]];
        if (!v->constant)
            v->type.shape = v->declared.shape = (dim_shape){0};
    }
}

bool model_needs_registry(const sib_model *m)
{
    return registry_backend(m->registry, 0) || ops_has_registered(m->onnx->graph);
}

sib_code model_make(onnx_model *onnx, bool infer, sib_registry *registry, sib_model **out, sib_error *err)
{
    sib_model *m = mem_calloc(1, sizeof *m);
    *out = NULL;
    if (!m) {
        onnx_free(&onnx);
        return err_memory(err, sizeof *m, "a model");
    }
    atomic_init(&m->references, 1);
    m->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    m->onnx = onnx;
    m->registry = registry_keep(registry);
    op_finder more = registry_finder(registry);
    sib_code code = ops_resolve(onnx->graph, registry ? &more : NULL, err);
    if (code == SIB_OK)
        code = packs_create(&m->packs, err);
    if (code == SIB_OK && infer)
        code = onnx_explain(onnx, "inference", infer_graph(onnx->graph, &m->notes, err), err);
    m->graphs = (graph_shelf){.model = m, .lock = &m->lock, .arena = onnx->arena};
    if (code == SIB_OK)
        code = shelf_add(&m->graphs, onnx->graph, err);
    onnx->budget.limit = UINT64_MAX; /* the limit is for the file; sessions and questions may add more */
    if (code != SIB_OK) {
        sib_model_free(&m);
        return code;
    }
    *out = m;
    return SIB_OK;
}

sib_code model_from_onnx(onnx_model *m, sib_model **out, sib_error *err)
{
    return model_make(m, true, NULL, out, err);
}

static void log_model(const sib_logger *l, const char *name, const sib_model *m, uint64_t began)
{
    sib_model_info info;
    if (!log_wants(l, SIB_LOG_WARNING))
        return;
    sib_model_get_info(m, &info);
    log_write(l, SIB_LOG_INFO,
              "%s: IR version %lld, %zu nodes, %.2f MB of weights in %zu initializers, opened in %.1f ms",
              name, (long long)info.ir_version, info.n_nodes, (double)info.parameter_bytes * 1e-6,
              info.n_initializers, (double)(sib_time_ns() - began) * 1e-6);
    for (size_t i = 0; sib_model_diagnostic(m, i); i++)
        log_write(l, SIB_LOG_WARNING, "%s: %s", name, sib_model_diagnostic(m, i));
}

/* A file where path is not NULL, else bytes. */
static sib_code open_model(const char *path, const void *data, size_t size, const sib_open_options *options,
                           sib_model **out, sib_error *err)
{
    static const sib_open_options usual;
    const sib_open_options *o = options ? options : &usual;
    onnx_model *m = NULL;
    onnx_more more;
    const uint64_t began = sib_time_ns();
    *out = NULL;
    sib_code code = registry_functions(o->registry, &more, err);
    if (code == SIB_OK)
        code = path ? onnx_read_file_with(path, o, &more, &m, err)
                    : onnx_read_bytes_with(data, size, o, &more, &m, err);
    mem_free((void *)more.functions);
    if (code == SIB_OK && o->any_input_dims)
        free_inputs(m->graph);
    if (code == SIB_OK)
        code = model_make(m, !o->no_inference, o->registry, out, err);
    if (code == SIB_OK)
        log_model(&o->log, path ? path : "a model in memory", *out, began);
    return log_failure(&o->log, "a model could not be opened", code, err);
}

sib_code sib_model_open(const char *path, const sib_open_options *options, sib_model **out, sib_error *err)
{
    if (!path || !out)
        return err_set(err, SIB_ERR_ARGUMENT, "%s is NULL", out ? "path" : "out");
    return open_model(path, NULL, 0, options, out, err);
}

sib_code sib_model_open_bytes(const void *data, size_t size, const sib_open_options *options, sib_model **out,
                              sib_error *err)
{
    if (!data || !out)
        return err_set(err, SIB_ERR_ARGUMENT, "%s is NULL", out ? "data" : "out");
    return open_model(NULL, data, size, options, out, err);
}

sib_model *sib_model_keep(sib_model *m)
{
    atomic_fetch_add(&m->references, 1);
    return m;
}

void sib_model_free(sib_model **mp)
{
    if (!mp)
        return;
    sib_model *m = *mp;
    *mp = NULL;
    while (m && atomic_fetch_sub(&m->references, 1) == 1) {
        sib_model *whole = m->whole;
        shelf_clear(&m->graphs);
        diagnostics_clear(&m->notes);
        sib_registry_free(&m->registry);
        packs_free(&m->packs);
        optimised_free(&m->optimised);
        onnx_free(&m->onnx);
        pthread_mutex_destroy(&m->lock);
        mem_free(m);
        m = whole;
    }
}

sib_code sib_model_save(const sib_model *m, const char *path, const char *external, sib_error *err)
{
    if (!m || !path)
        return err_set(err, SIB_ERR_ARGUMENT, "%s is NULL", m ? "path" : "the model");
    return onnx_write_file(m->onnx, path, external, err);
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
    /* the text begins with the outermost kind: "optional(seq(float32 [N]))" */
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
