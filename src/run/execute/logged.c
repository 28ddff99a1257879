#include "run/execute/logged.h"

#include "base/log.h"

#include <string.h>

static const sib_logger *log_of(const frame *f)
{
    return &f->ex->shared->plan.log;
}

static const char *kernel_of(const step *s)
{
    const char *kernel = s->backend->kernel ? s->backend->kernel(s) : NULL;
    return kernel ? kernel : "";
}

/* Says once per session that an operator is left to a later backend than the first. */
static void logged_fallback(const frame *f, const segment *s, size_t i)
{
    executor_shared *shared = f->ex->shared;
    const step *st = &s->steps[i];
    const node *n = &f->ex->g->nodes[s->graph->nodes[s->step_nodes[i]].origin];
    const char *first = shared->plan.backends[0].backend->name;
    uint32_t ignored;
    char name[160];
    if (!strcmp(st->backend->name, first) || !n->type.length)
        return;
    pthread_mutex_lock(&shared->lock);
    const bool is_new =
        !name_map_find(&shared->fallbacks, n->type, &ignored) && name_map_put(&shared->fallbacks, n->type, 0);
    pthread_mutex_unlock(&shared->lock);
    if (is_new)
        log_write(log_of(f), SIB_LOG_INFO,
                  "%.*s: %s has no kernel for node %s in its types and dims, so %s runs %s",
                  (int)n->type.length, n->type.data, first, node_text(f->ex->g, n, name, sizeof name),
                  st->backend->name,
                  s->graph->nodes[s->step_nodes[i]].milli ? "some of its milli-ops" : "it");
}

static void logged_step(const frame *f, const segment *s, size_t i)
{
    const node *n = &s->graph->nodes[s->step_nodes[i]];
    char name[160];
    log_write(log_of(f), SIB_LOG_DEBUG, "step %zu: node %s, %s%s, on %s %s", i,
              node_text(f->ex->g, &f->ex->g->nodes[n->origin], name, sizeof name),
              n->milli ? "milli-op " : "as one operator", n->milli ? n->milli->name : "",
              s->steps[i].backend->name, kernel_of(&s->steps[i]));
}

/* "x float32 [2, 3]": the largest value that the plan was made for. */
static void add_facts(byte_buffer *b, const segment *s)
{
    size_t shown = 0;
    for (size_t i = 0; i < s->n_facts; i++) {
        const fact *f = &s->facts[i];
        const sib_str name = s->source->values[f->source].name;
        if (f->absent || f->kind != SIB_VALUE_TENSOR || shown++ >= 4)
            continue;
        buf_printf(b, NULL, "%s%.*s %s [", shown > 1 ? ", " : "", (int)name.length, name.data,
                   sib_dtype_name(f->dtype));
        for (size_t k = 0; k < f->rank; k++)
            buf_printf(b, NULL, "%s%lld", k ? ", " : "", (long long)f->dims[k]);
        buf_add_text(b, "]", NULL);
    }
    if (shown > 4)
        buf_printf(b, NULL, " and %zu more", shown - 4);
}

/* Why a plan ends before the graph does. */
static const char *ending(const frame *f, const segment *s)
{
    return s->end == f->ex->g->n_nodes ? "" : ", up to where dims or operators depend on computed elements";
}

void logged_plan(const frame *f, const segment *s, uint64_t ns)
{
    const sib_logger *l = log_of(f);
    if (!log_wants(l, SIB_LOG_INFO))
        return;
    byte_buffer facts = {0};
    size_t fused = 0;
    add_facts(&facts, s);
    for (size_t i = 0; i < s->n_steps; i++) {
        const node *n = &s->graph->nodes[s->step_nodes[i]];
        fused += n->milli && n->milli->kind == MILLI_fused;
    }
    if (s->control)
        log_write(l, SIB_LOG_DEBUG, "node %u of graph '%s' runs graphs or steps of its own",
                  (unsigned)s->begin, f->ex->g->name.data ? f->ex->g->name.data : "");
    else
        log_write(l, SIB_LOG_INFO,
                  "planned nodes %u to %u of %u of graph '%s'%s, since no kept plan fits %s: %zu steps, %zu "
                  "of them "
                  "fused, %.2f MB shared and %.2f MB of their own for values, %.2f ms",
                  (unsigned)s->begin, (unsigned)s->end - 1, (unsigned)f->ex->g->n_nodes,
                  f->ex->g->name.data ? f->ex->g->name.data : "", ending(f, s), facts.n ? facts.data : "it",
                  s->n_steps, fused, (double)s->arena_bytes * 1e-6, (double)s->own_bytes * 1e-6,
                  (double)ns * 1e-6);
    for (size_t i = 0; i < s->n_steps; i++) {
        logged_fallback(f, s, i);
        logged_step(f, s, i);
    }
    buf_free(&facts);
}

void logged_pack(const frame *f, node_id origin, const step *s, uint64_t ns, uint64_t bytes)
{
    char name[160];
    log_write(log_of(f), SIB_LOG_DEBUG, "packed weights of node %s for %s %s: %.1f kB in %.3f ms",
              node_text(f->ex->g, &f->ex->g->nodes[origin], name, sizeof name), s->backend->name,
              kernel_of(s), (double)bytes * 1e-3, (double)ns * 1e-6);
}
