#include "run/execute/plans.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/log.h"
#include "run/execute/logged.h"

#include <sibyl/timing.h>

/* Max plans kept for the same nodes, and max of them with an instance. The least recently used are
   dropped, so that the lengths of a growing cache, each of which has a plan, do not fill the memory. */
#define PLANS_KEPT  16
#define SPARES_KEPT 4

/* Max bytes of the plans that a session keeps. */
#define PLANS_BYTES (UINT64_C(1) << 30)

static bool is_like(const segment *a, const segment *b)
{
    return a->begin == b->begin && a->view == b->view;
}

/* Moves plan i, which no run holds, from the list to *freed. Here and below the lock is held. */
static void forget(executor *ex, size_t i, segment **freed)
{
    SIB_ASSERT(i < ex->n_segments && ex->segments[i]->users == 0);
    segment *s = ex->segments[i];
    ex->segments[i] = ex->segments[--ex->n_segments];
    ex->shared->plan_bytes -= s->bytes;
    s->next = *freed;
    *freed = s;
}

/* Frees the list. The lock is not held, since freeing a long plan takes a while. */
static void free_plans(segment *freed)
{
    while (freed) {
        segment *s = freed;
        freed = s->next;
        instance_free(s, &s->spare);
        segment_free(&s);
    }
}

/* Drops the least recently used plans of the session's graphs while all plans exceed the limit. */
static void bound_bytes(executor *ex, segment **freed)
{
    const uint64_t limit = ex->shared->plan_limit ? ex->shared->plan_limit : PLANS_BYTES;
    while (ex->shared->plan_bytes > limit) {
        executor *from = NULL;
        size_t oldest = 0;
        for (size_t k = 0; k < ex->set->n; k++)
            for (size_t i = 0; i < ex->set->items[k].n_segments; i++) {
                const segment *s = ex->set->items[k].segments[i];
                if (s->users || !s->bytes || (from && s->used >= from->segments[oldest]->used))
                    continue;
                from = &ex->set->items[k];
                oldest = i;
            }
        if (!from)
            return;
        forget(from, oldest, freed);
    }
}

/* Number of plans for the same nodes as s, s excluded (with_spare: only those with an instance). *oldest:
   the least recently used of them that no run holds, n_segments where there is none. */
static size_t count_like(const executor *ex, const segment *s, bool with_spare, size_t *oldest)
{
    size_t n = 0;
    *oldest = ex->n_segments;
    for (size_t i = 0; i < ex->n_segments; i++) {
        const segment *other = ex->segments[i];
        if (other == s || !is_like(other, s) || (with_spare && !other->spare))
            continue;
        n++;
        if (!other->users && (*oldest == ex->n_segments || other->used < ex->segments[*oldest]->used))
            *oldest = i;
    }
    return n;
}

static sib_code add_segment(executor *ex, segment *s, segment **freed, sib_error *err)
{
    size_t oldest;
    if (count_like(ex, s, false, &oldest) >= PLANS_KEPT && oldest < ex->n_segments)
        forget(ex, oldest, freed);
    sib_code code = ARRAY_PUSH(ex->segments, ex->n_segments, ex->capacity, "plans", err, s);
    if (code != SIB_OK)
        return code;
    ex->shared->plan_bytes += s->bytes;
    bound_bytes(ex, freed);
    return SIB_OK;
}

/* Returns a plan whose facts hold, held for this run, or NULL. */
static segment *find(const frame *f, node_id begin, plan_view view, instance **spare)
{
    executor *ex = f->ex;
    for (size_t i = 0; i < ex->n_segments; i++) {
        segment *s = ex->segments[i];
        if (s->begin != begin || s->view != view || !segment_fits(s, f->live))
            continue;
        s->users++;
        s->used = ++ex->shared->clock;
        *spare = s->spare;
        s->spare = NULL;
        return s;
    }
    return NULL;
}

static void on_packed(void *context, node_id origin, const step *s, uint64_t begin, uint64_t end,
                      uint64_t bytes)
{
    const frame *f = context;
    const node *n = &f->ex->g->nodes[origin];
    logged_pack(f, origin, s, end - begin, bytes);
    char name[NODE_LABEL];
    span_put(&f->run->observer, (sib_time_span){.kind = SIB_SPAN_PACK,
                                                .name = node_label(f->ex->g, n, name),
                                                .op_type = n->type.data,
                                                .backend = s->backend->name,
                                                .kernel = s->backend->kernel ? s->backend->kernel(s) : NULL,
                                                .begin = begin,
                                                .end = end,
                                                .bytes_written = bytes});
}

/* Plans the nodes from `begin` on, without the lock: a long planning blocks no other run. Of two runs that
   plan the same, the second takes the plan of the first. Kept out of the way of runs that find their plan. */
static __attribute__((noinline, cold)) sib_code plan(const frame *f, node_id begin, plan_view view,
                                                     known_nodes *known, segment **out, sib_error *err)
{
    const run_state *run = f->run;
    const uint64_t limit = run->memory_limit, used = run->memory;
    const bool logs = log_wants(&f->ex->shared->plan.log, SIB_LOG_INFO);
    const plan_request request = {.g = f->ex->g,
                                  .uses = &f->ex->uses,
                                  .begin = begin,
                                  .live = f->live,
                                  .options = &f->ex->shared->plan,
                                  .view = view,
                                  .known = known,
                                  .cancel = run_cancel(run),
                                  .packed = observer_looks(&run->observer) || logs ? on_packed : NULL,
                                  .packed_context = (frame *)f,
                                  .memory_limit = !limit         ? 0
                                                  : used < limit ? limit - used
                                                                 : 1};
    open_span span;
    char name[NODE_LABEL];
    const uint64_t began = logs ? sib_time_ns() : 0;
    span.is = false;
    if (observer_looks(&run->observer))
        span_open(&f->run->observer, &span,
                  (sib_time_span){.kind = SIB_SPAN_PLAN,
                                  .name = node_label(f->ex->g, &f->ex->g->nodes[begin], name)});
    sib_code code = plan_segment(&request, out, err);
    span_close(&f->run->observer, &span);
    if (logs && code == SIB_OK)
        logged_plan(f, *out, sib_time_ns() - began);
    return code;
}

sib_code plans_take(const frame *f, node_id begin, segment **out, instance **spare, sib_error *err)
{
    executor *ex = f->ex;
    executor_shared *shared = ex->shared;
    segment *made = NULL, *freed = NULL;
    const plan_view view = f->run->view;
    pthread_mutex_lock(&shared->lock);
    *out = find(f, begin, view, spare);
    if (!*out && ex->n_segments && !ex->known)
        ex->known = known_nodes_make(ex->g->n_nodes);
    known_nodes *known = ex->known;
    pthread_mutex_unlock(&shared->lock);
    if (*out)
        return SIB_OK;
    sib_code code = plan(f, begin, view, known, &made, err);
    if (code != SIB_OK)
        return code;
    pthread_mutex_lock(&shared->lock);
    *out = find(f, begin, view, spare);
    if (*out) {
        made->next = freed;
        freed = made;
    } else {
        made->users = 1;
        made->used = ++shared->clock;
        code = add_segment(ex, made, &freed, err);
        *out = code == SIB_OK ? made : NULL;
    }
    pthread_mutex_unlock(&shared->lock);
    free_plans(freed);
    if (code != SIB_OK) {
        made->users = 0;
        segment_free(&made);
    }
    return code;
}

void plans_give(const frame *f, segment *s, instance *in)
{
    executor *ex = f->ex;
    segment *freed = NULL;
    size_t oldest;
    pthread_mutex_lock(&ex->shared->lock);
    SIB_ASSERT(s->users > 0);
    s->users--;
    if (!s->spare) {
        s->spare = in;
        in = NULL;
        if (count_like(ex, s, true, &oldest) >= SPARES_KEPT && oldest < ex->n_segments)
            instance_free(ex->segments[oldest], &ex->segments[oldest]->spare);
    }
    instance_free(s, &in); /* before another run can drop s */
    if (s->spare && s->spare->unsettled)
        atomic_store_explicit(&ex->shared->unsettled, true, memory_order_relaxed);
    bound_bytes(ex, &freed);
    pthread_mutex_unlock(&ex->shared->lock);
    free_plans(freed);
}

void executor_clear(executor *ex)
{
    for (size_t i = 0; i < ex->n_segments; i++) {
        instance_free(ex->segments[i], &ex->segments[i]->spare);
        segment_free(&ex->segments[i]);
    }
    mem_free(ex->segments);
    known_nodes_free(&ex->known);
    for (uint32_t v = 0; ex->constants && v < ex->g->n_values; v++) {
        sib_value *constant = ex->constants[v];
        sib_value_free(&constant);
    }
    mem_free(ex->constants);
    mem_free(ex->spare_frame);
    graph_uses_free(&ex->uses);
    one_node_free(&ex->own);
}

void executor_settle(executor *ex, const settling *how)
{
    for (size_t i = 0; i < ex->n_segments; i++) {
        segment *s = ex->segments[i];
        if (!s->spare || !s->spare->unsettled)
            continue;
        instance_settle(s, s->spare, how);
        if (s->spare->unsettled)
            atomic_store_explicit(&ex->shared->unsettled, true, memory_order_relaxed);
    }
}
