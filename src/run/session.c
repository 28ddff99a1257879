/* Sessions: opens backends for a model, runs graphs. */
#include "run/session.h"
#include "base/alloc.h"
#include "base/choices.h"
#include "base/error.h"
#include "base/log.h"
#include "base/pool.h"
#include "extend/registry.h"
#include "run/execute/plans.h"
#include "run/execute/recurrent.h"
#include "run/inputs.h"
#include "run/optimise.h"
#include "tensor/dtype.h"
#include "tensor/tensor.h"
#include "tensor/value.h"

#include <stdlib.h>
#include <string.h>

/* ---- Making ------------------------------------------------------------------------------------------ */

/* device: number of the device, for a backend that has some. */
static sib_code open_backend(sib_session *s, const sib_backend *b, unsigned device, sib_error *err)
{
    for (size_t i = 0; i < s->shared.plan.n_backends && b->alloc; i++)
        if (s->backends[i].backend->alloc)
            return err_set(err, SIB_ERR_ARGUMENT, "backends %s and %s: a session has one device at most",
                           s->backends[i].backend->name, b->name);
    opened_backend *grown = mem_realloc(s->backends, s->shared.plan.n_backends + 1, sizeof *grown);
    if (!grown)
        return err_memory(err, sizeof *grown, "a backend");
    s->backends = grown;
    s->shared.plan.backends = grown;
    opened_backend *at = &grown[s->shared.plan.n_backends];
    *at = (opened_backend){.backend = b};
    const sib_model *whole = s->model;
    while (whole->whole)
        whole = whole->whole;
    sib_backend_options options = {b, s->pool, s->model->packs, s->tuning, whole->packs, device};
    s->shared.plan.packs[0] = s->model->packs;
    s->shared.plan.packs[1] = whole->packs;
    sib_code code = b->open ? b->open(&options, &at->self, err) : SIB_OK;
    s->shared.plan.n_backends += code == SIB_OK;
    return code;
}

static sib_code no_backend(sib_str name, sib_error *err)
{
    char all[128] = "";
    size_t n, used = 0;
    const sib_backend *const *list = backend_list(&n);
    for (size_t i = 0; i < n && used < sizeof all; i++)
        used += (size_t)snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", list[i]->name);
    return err_set(err, SIB_ERR_ARGUMENT, "there is no backend '%.*s'; this build has %s", (int)name.length,
                   name.data, all);
}

/* "vulkan:1" is the second device of the backend vulkan. */
static sib_code open_named(sib_session *s, sib_str name, sib_error *err)
{
    char text[64];
    char *number, *end = NULL;
    const sib_backend *b = NULL, *more;
    unsigned long device = 0;
    if (name.length < sizeof text) {
        snprintf(text, sizeof text, "%.*s", (int)name.length, name.data);
        b = backend_named(text);
        number = strchr(text, ':');
        if (!b && number && number[1] >= '0' && number[1] <= '9') {
            *number = '\0';
            device = strtoul(number + 1, &end, 10);
            b = *end || device > 255 ? NULL : backend_named(text);
            b = b && b->device ? b : NULL;
        }
    }
    for (size_t i = 0; !b && (more = registry_backend(s->model->registry, i)); i++)
        b = str_is(name, more->name) ? more : NULL;
    return b ? open_backend(s, b, (unsigned)device, err) : no_backend(name, err);
}

/* names: "cpu,ref", or NULL for all backends but devices, registered ones first, "ref" last. What runs
   registered functions is always there. */
static sib_code open_backends(sib_session *s, const char *names, sib_error *err)
{
    sib_code code = SIB_OK;
    size_t n;
    const sib_backend *const *list = backend_list(&n);
    if (!names) {
        const sib_backend *more;
        for (size_t i = 0; code == SIB_OK && (more = registry_backend(s->model->registry, i)); i++)
            code = open_backend(s, more, 0, err);
        for (size_t i = n; i-- > 0 && code == SIB_OK;)
            code = list[i]->asked ? SIB_OK : open_backend(s, list[i], 0, err);
    }
    while (names && code == SIB_OK) {
        size_t length = strcspn(names, ",");
        code = open_named(s, (sib_str){names, length}, err);
        if (!names[length])
            break;
        names += length + 1;
    }
    if (code == SIB_OK && s->model->registry)
        code = open_backend(s, &backend_registered, 0, err);
    return code;
}

/* Calls `what` for g, then for its subgraphs; stops at the first failure. */
static sib_code each_graph(const graph *g, unsigned depth,
                           sib_code (*what)(void *context, const graph *g, sib_error *err), void *context,
                           sib_error *err)
{
    if (depth >= 64)
        return err_set(err, SIB_ERR_SIZE, "subgraphs are nested more than 64 deep");
    sib_code code = what(context, g, err);
    for (uint32_t i = 0; i < g->n_nodes && code == SIB_OK; i++)
        for (size_t k = 0; k < g->nodes[i].n_attributes && code == SIB_OK; k++) {
            const attribute *a = &g->nodes[i].attributes[k];
            if (a->kind == ATTR_GRAPH)
                code = each_graph(a->graph, depth + 1, what, context, err);
            for (size_t j = 0; a->kind == ATTR_GRAPHS && j < a->n && code == SIB_OK; j++)
                code = each_graph(a->graphs[j], depth + 1, what, context, err);
        }
    return code;
}

typedef struct set_making {
    executor_shared *shared;
    executor_set *set;
} set_making;

/* Adds the executor of g. own: owner of g, taken over, with the node whose steps g runs in `chunks`; or
   NULL. */
static sib_code add_executor(const set_making *m, const graph *g, one_node *own, const node *chunks,
                             sib_error *err)
{
    executor *grown = mem_realloc(m->set->items, m->set->n + 1, sizeof *grown);
    if (!grown) {
        one_node_free(&own);
        return err_memory(err, sizeof *grown, "a graph");
    }
    executor *ex = &grown[m->set->n++];
    m->set->items = grown;
    *ex = (executor){.shared = m->shared, .set = m->set, .g = g, .own = own, .chunks = chunks};
    sib_code code = graph_uses_make(g, &ex->uses, err);
    ex->constants = mem_calloc((size_t)g->n_values + 1, sizeof *ex->constants);
    return code != SIB_OK || ex->constants ? code
                                           : err_memory(err, g->n_values * sizeof *ex->constants, "a graph");
}

/* Adds the executors of g and of chunks of its recurrent nodes. */
static sib_code add_executors(void *context, const graph *g, sib_error *err)
{
    sib_code code = add_executor(context, g, NULL, NULL, err);
    for (uint32_t i = 0; i < g->n_nodes && code == SIB_OK; i++) {
        one_node *own = NULL;
        if (!plan_is_recurrent(&g->nodes[i]))
            continue;
        code = recurrent_graph(&g->nodes[i], &own, err);
        if (code == SIB_OK)
            code = add_executor(context, own->g, own, &g->nodes[i], err);
    }
    return code;
}

static void set_clear(executor_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        executor_clear(&set->items[i]);
    mem_free(set->items);
    *set = (executor_set){0};
}

static sib_code set_make(sib_session *s, const graph *g, executor_set *set, sib_error *err)
{
    set_making m = {&s->shared, set};
    sib_code code = each_graph(g, 0, add_executors, &m, err);
    if (code != SIB_OK)
        set_clear(set);
    return code;
}

/* Adds the bytes of g's weights to *context. */
static sib_code add_weights(void *context, const graph *g, sib_error *err)
{
    uint64_t *sum = context;
    size_t bytes = 0;
    (void)err;
    for (uint32_t i = 0; i < g->n_values; i++) {
        const sib_tensor *t = g->values[i].constant;
        if (t && dtype_bytes(t->dtype, t->count, &bytes))
            *sum += bytes;
    }
    return SIB_OK;
}

/* Refuses unknown operators and malformed nodes before passes look at them. */
static sib_code check_nodes(void *context, const graph *g, sib_error *err)
{
    (void)context;
    sib_code code = SIB_OK;
    for (uint32_t k = 0; k < g->n_nodes && code == SIB_OK; k++)
        code = ops_refuse(g, &g->nodes[k], err);
    return code;
}

/* Runs that define results, on the reference backend alone or in double, use the file's graph unless
   passes are requested. */
static bool wants_passes(const sib_session *s, const sib_session_options *o)
{
    bool fast = false;
    for (size_t i = 0; i < s->shared.plan.n_backends; i++)
        fast |=
            s->backends[i].backend != &backend_registered && strcmp(s->backends[i].backend->name, "ref") != 0;
    return !o->oracle && (fast || o->passes || o->limit_passes);
}

static sib_code make_executors(sib_session *s, const sib_session_options *o, sib_error *err)
{
    pass_options passes = {.passes = o->passes, .limited = o->limit_passes, .limit = o->pass_limit};
    sib_code code = SIB_OK;
    if (wants_passes(s, o))
        code = model_optimise(s->model, &passes, &s->optimised, err);
    s->shared.plan.fuse_limit = s->optimised ? s->optimised->fuse_limit : UINT64_MAX;
    s->copies = mem_calloc((size_t)s->model->onnx->graph->outputs.n + 1, sizeof *s->copies);
    if (code == SIB_OK && !s->copies)
        code = err_memory(err, s->model->onnx->graph->outputs.n * sizeof *s->copies, "the outputs of runs");
    return code == SIB_OK
               ? set_make(s, s->optimised ? s->optimised->graph : s->model->onnx->graph, &s->running, err)
               : code;
}

static void log_session(const sib_session *s)
{
    byte_buffer names = {0};
    for (size_t i = 0; i < s->shared.plan.n_backends; i++)
        buf_printf(&names, NULL, "%s%s", i ? ", " : "", s->backends[i].backend->name);
    log_write(&s->shared.plan.log, SIB_LOG_INFO,
              "session on %s, threads: %u, kernels: %s%s; passes made %llu edits of the graph",
              names.n ? names.data : "no backend", sib_pool_threads(s->pool), sib_cpu_level_name(),
              s->shared.plan.oracle ? ", in double" : "", (unsigned long long)sib_session_edits(s));
    buf_free(&names);
}

sib_code sib_session_create(sib_model *model, const sib_session_options *options, sib_session **out,
                            sib_error *err)
{
    static const sib_session_options defaults;
    const sib_session_options *o = options ? options : &defaults;
    if (!model || !out)
        return err_set(err, SIB_ERR_ARGUMENT, "%s is NULL", model ? "out" : "the model");
    *out = NULL;
    sib_session *s = mem_calloc(1, sizeof *s);
    if (!s)
        return err_memory(err, sizeof *s, "a session");
    if (pthread_mutex_init(&s->shared.lock, NULL)) {
        mem_free(s);
        return err_set(err, SIB_ERR_MEMORY, "the session's lock could not be created");
    }
    s->model = sib_model_keep(model);
    s->memory_limit = o->memory_limit;
    s->shared.plan_limit = o->memory_limit;
    s->shared.plan.oracle = o->oracle;
    s->shared.plan.log = o->log;
    s->shared.plan.seed = o->seed;
    sib_code code = each_graph(model->onnx->graph, 0, check_nodes, NULL, err);
    if (code == SIB_OK)
        code = each_graph(model->onnx->graph, 0, add_weights, &s->weight_bytes, err);
    if (code == SIB_OK && !o->pool)
        code = sib_pool_create(o->threads, &s->own_pool, err);
    s->pool = o->pool ? o->pool : s->own_pool;
    if (code == SIB_OK)
        code = watch_set_create(s->pool, &s->watches, err);
    if (code == SIB_OK && (o->tune || o->tuning_file))
        code = choices_open(o->tuning_file, &s->tuning, err);
    if (code == SIB_OK)
        code = open_backends(s, o->backends, err);
    if (code == SIB_OK)
        code = make_executors(s, o, err);
    if (code == SIB_OK)
        log_session(s);
    else
        sib_session_free(&s);
    *out = s;
    return log_failure(&o->log, "the session could not be made", code, err);
}

void sib_session_free(sib_session **sp)
{
    sib_session *s = sp ? *sp : NULL;
    if (!s)
        return;
    for (uint32_t i = 0; s->copies && i < s->model->onnx->graph->outputs.n; i++)
        spares_clear(&s->copies[i]);
    mem_free(s->copies);
    set_clear(&s->running);
    set_clear(&s->whole);
    for (size_t i = 0; i < s->shared.plan.n_backends; i++)
        if (s->backends[i].backend->close)
            s->backends[i].backend->close(&s->backends[i].self);
    mem_free(s->backends);
    choices_close(&s->tuning);
    watch_set_release(&s->watches);
    sib_pool_free(&s->own_pool);
    sib_model_free(&s->model);
    diagnostics_clear(&s->notes);
    name_map_clear(&s->shared.fallbacks);
    pthread_mutex_destroy(&s->shared.lock);
    mem_free(s);
    *sp = NULL;
}

const sib_model *sib_session_model(const sib_session *s)
{
    return s->model;
}

uint64_t sib_session_edits(const sib_session *s)
{
    return s->optimised ? s->optimised->edits : 0;
}

const char *sib_session_diagnostic(const sib_session *session, size_t i)
{
    sib_session *s = (sib_session *)session; /* for its lock */
    pthread_mutex_lock(&s->shared.lock);
    const char *text = i < s->notes.n ? s->notes.items[i] : NULL;
    pthread_mutex_unlock(&s->shared.lock);
    return text;
}

/* ---- Running ------------------------------------------------------------------------------------------ */

sib_code sib_watch_add(sib_session *s, const sib_watch_options *options, sib_watch **out, sib_error *err)
{
    if (!s || !options || !out || (options->n_names && !options->names))
        return err_set(err, SIB_ERR_ARGUMENT, "the session, the options, their names or out is NULL");
    return watch_set_add(s->watches, options, out, err);
}

bool sib_session_is_watched(const sib_session *s)
{
    return watch_set_active(s->watches);
}

/* Copies t, which is dense, into reusable memory of output `at` of the session. */
static sib_code copy_output(sib_session *s, uint32_t at, const sib_tensor *t, sib_value **out, sib_error *err)
{
    sib_tensor *copy = NULL;
    size_t bytes = 0;
    sib_code code;
    if (t->dtype == SIB_STRING || !dtype_bytes(t->dtype, t->count, &bytes)) {
        code = sib_tensor_copy(t, &copy, err);
        return code == SIB_OK ? value_take_tensor(copy, out, err) : code;
    }
    pthread_mutex_lock(&s->shared.lock);
    code = spares_take(&s->copies[at], 1, t->dtype, t->rank, t->dims, out, err);
    pthread_mutex_unlock(&s->shared.lock);
    if (code == SIB_OK)
        memcpy((*out)->tensor->data, t->data, bytes);
    return code;
}

/* Copies an output that shares the memory of an input, which the caller may free, unless it is ours, of an earlier run,
   or the caller gave it. in, given_up: (inputs of the graph); given_up may be NULL. */
static sib_code part_from_inputs(sib_session *s, uint32_t at, sib_value **v, const sib_value *const *in,
                                 const bool *given_up, sib_error *err)
{
    const sib_tensor *t = sib_value_tensor(*v);
    const graph *g = s->running.items->g;
    for (uint32_t i = 0; t && i < g->inputs.n; i++) {
        const sib_tensor *given = in[i] ? sib_value_tensor(in[i]) : NULL;
        sib_value *made = NULL;
        if (!given || given->storage != t->storage || t->storage->away || (given_up && given_up[i]))
            continue;
        sib_code code = copy_output(s, at, t, &made, err);
        if (code == SIB_OK) {
            sib_value_free(v);
            *v = made;
        }
        return code;
    }
    return SIB_OK;
}

static sib_code take_outputs(const graph *g, sib_value **all, size_t n, const char *const *names,
                             sib_value **out, sib_error *err)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t at = end_place(g, &g->outputs, names[i] ? names[i] : "");
        if (at == g->outputs.n)
            return err_set(err, SIB_ERR_ARGUMENT, "the model has no output '%s'", names[i] ? names[i] : "");
        sib_code code = sib_value_copy(all[at], &out[i], err);
        if (code != SIB_OK)
            return code;
    }
    return SIB_OK;
}

/* Says for each output of g whether it stays on the device. outputs, stay: (n) as the caller names them; 0: all. */
static void mark_staying(const graph *g, size_t n, const char *const *outputs, const bool *stay, bool *all)
{
    for (uint32_t i = 0; i < g->outputs.n && !n; i++)
        all[i] = stay[i];
    for (size_t i = 0; i < n; i++)
        all[end_place(g, &g->outputs, outputs[i])] |= stay[i];
}

static sib_code check_names(const graph *g, size_t n, const char *const *names, sib_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (!names[i] || end_place(g, &g->outputs, names[i]) == g->outputs.n)
            return err_set(err, SIB_ERR_ARGUMENT, "the model has no output '%s'", names[i] ? names[i] : "");
    return SIB_OK;
}

/* The executor of the main graph for a run. whole: it must be that of the file's graph. Passes assumed that
   inputs with a default are constants. in: (inputs of the graph). */
static sib_code choose_graph(sib_session *s, const sib_value *const *in, bool whole, executor **out,
                             sib_error *err)
{
    const graph *g = s->running.items->g;
    sib_code code = SIB_OK;
    for (uint32_t i = 0; i < g->inputs.n; i++)
        whole |= in[i] && g->values[g->inputs.ids[i]].constant;
    *out = s->running.items;
    if (!s->optimised || !whole)
        return SIB_OK;
    pthread_mutex_lock(&s->shared.lock);
    if (!s->whole.n)
        code = set_make(s, s->model->onnx->graph, &s->whole, err);
    *out = s->whole.items;
    pthread_mutex_unlock(&s->shared.lock);
    return code;
}

/* Releases spares before and after a run: see instance_settle. */
static void settle(sib_session *s, const settling *how)
{
    executor_set *sets[] = {&s->running, &s->whole};
    if (!atomic_load_explicit(&s->shared.unsettled, memory_order_relaxed))
        return;
    pthread_mutex_lock(&s->shared.lock);
    atomic_store_explicit(&s->shared.unsettled, false, memory_order_relaxed);
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < sets[k]->n; i++)
            executor_settle(&sets[k]->items[i], how);
    pthread_mutex_unlock(&s->shared.lock);
}

/* Sets the limits of a run. in: (inputs of g). */
static void set_limits(const sib_session *s, const graph *g, const sib_value *const *in, run_state *run)
{
    run->memory_limit = s->memory_limit;
    if (s->memory_limit)
        return;
    uint64_t given = s->weight_bytes;
    for (uint32_t i = 0; i < g->inputs.n; i++)
        given += in[i] ? run_bytes(in[i]) : 0;
    run->memory_limit = given <= RUN_MIN_LIMIT / RUN_GROWTH ? RUN_MIN_LIMIT
                        : given <= UINT64_MAX / RUN_GROWTH  ? given * RUN_GROWTH
                                                            : UINT64_MAX;
    run->text_limit = RUN_MAX_TEXT;
}

/* Runs the main graph for a tap, profile or watches. */
static __attribute__((noinline, cold)) sib_code
execute_watched(executor *ex, run_state *run, const sib_value *const *in, sib_value **all, sib_error *err)
{
    observer *o = &run->observer;
    open_span span;
    observer_begin(o);
    span_open(o, &span, (sib_time_span){.kind = SIB_SPAN_RUN, .name = ex->g->name.data});
    sib_code code = execute_graph(ex, run, NULL, in, NULL, all, err);
    span_close(o, &span);
    observer_end(o);
    return code;
}

/* Max inputs and outputs listed on the stack. */
#define FEW_ENDS 64

sib_code sib_session_run(sib_session *s, size_t n_inputs, const sib_named_value *inputs, size_t n_outputs,
                         const char *const *outputs, sib_value **out, const sib_run_options *options,
                         sib_error *err)
{
    if (!s || !out || (n_inputs && !inputs) || (n_outputs && !outputs))
        return err_set(err, SIB_ERR_ARGUMENT, "the session, inputs, outputs or out is NULL");
    executor *ex = s->running.items;
    const graph *g = ex->g; /* its inputs and outputs are those of the file's graph */
    size_t n = n_outputs ? n_outputs : g->outputs.n;
    run_state run = {.observer = observer_of(options, s->watches)};
    void *few[FEW_ENDS] = {0}, **ends = few;
    bool whole = false; /* dims of one symbol differ, or values of the file's graph are seen */
    sib_code code;
    const size_t n_flags = (size_t)g->inputs.n + g->outputs.n, n_ends = n_flags + n_flags / sizeof *ends + 1;
    if (n_ends > FEW_ENDS && !(ends = mem_calloc(n_ends, sizeof *ends)))
        return err_memory(err, n_ends * sizeof *ends, "a run");
    const sib_value **in = (const sib_value **)ends;      /* (g->inputs.n) */
    sib_value **all = (sib_value **)(ends + g->inputs.n); /* (g->outputs.n) */
    bool *stays = (bool *)(all + g->outputs.n);           /* (g->outputs.n) */
    bool *given = stays + g->outputs.n;                   /* (g->inputs.n) */
    for (size_t i = 0; i < n; i++)
        out[i] = NULL;
    code = check_names(g, n_outputs, outputs, err);
    if (code == SIB_OK)
        code = inputs_match(s, g, n_inputs, inputs, in, &whole, err);
    set_limits(s, g, in, &run);
    if (code == SIB_OK && options && options->stay) {
        mark_staying(g, n_outputs, outputs, options->stay, stays);
        run.ends.stays = stays;
    }
    if (code == SIB_OK && options && options->overwrite) {
        for (size_t i = 0; i < n_inputs; i++)
            given[end_place(g, &g->inputs, inputs[i].name)] = options->overwrite[i];
        run.ends.given = given;
    }
    const bool watched = observer_open(&run.observer);
    if (watched)
        run.view = observer_view(&run.observer, &whole);
    if (code == SIB_OK)
        code = choose_graph(s, in, whole, &ex, err);
    run.graph = code == SIB_OK ? ex->g : NULL;
    settle(s, &(settling){.keep = 1});
    run.observer.run = atomic_fetch_add_explicit(&s->runs, 1, memory_order_relaxed) + 1;
    pool_hold(s->pool);
    if (code == SIB_OK)
        code = watched ? execute_watched(ex, &run, in, all, err)
                       : execute_graph(ex, &run, NULL, in, NULL, all, err);
    pool_release(s->pool);
    for (uint32_t i = 0; i < g->outputs.n && code == SIB_OK; i++)
        code = part_from_inputs(s, i, &all[i], in, run.ends.given, err);
    if (code == SIB_OK && n_outputs)
        code = take_outputs(g, all, n, outputs, out, err);
    else if (code == SIB_OK)
        for (size_t i = 0; i < n; i++) {
            out[i] = all[i];
            all[i] = NULL;
        }
    for (uint32_t i = 0; i < g->outputs.n; i++)
        sib_value_free(&all[i]);
    settle(s, &(settling){g->outputs.n ? g->outputs.n : 1, g->inputs.n, in});
    for (size_t i = 0; i < n && code != SIB_OK; i++)
        sib_value_free(&out[i]);
    if (ends != few)
        mem_free(ends);
    return code == SIB_OK ? code : log_failure(&s->shared.plan.log, "a run failed", code, err);
}
