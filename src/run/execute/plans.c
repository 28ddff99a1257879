#include "run/execute/plans.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/error.h"

/* Max plans kept for the same nodes, and max of them with memory ready for a run. The least recently used go, so that the
   lengths of a growing cache, each of which has a plan, do not fill the memory. */
#define PLANS_KEPT  16
#define SPARES_KEPT 4

static bool is_like(const segment *a, const segment *b)
{
    return a->begin == b->begin && a->view == b->view;
}

/* Frees plan i, which no run holds. The lock is held, here and below. */
static void forget(executor *ex, size_t i)
{
    SIB_ASSERT(i < ex->n_segments && ex->segments[i]->users == 0);
    segment *s = ex->segments[i];
    ex->segments[i] = ex->segments[--ex->n_segments];
    instance_free(s, &s->spare);
    segment_free(&s);
}

/* How many plans there are for the nodes of s (with_spare: that have memory ready), s not counted; *oldest: of those that
   no run holds the one not used for the longest time, n_segments where there is none. */
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

static sib_code add_segment(executor *ex, segment *s, sib_error *err)
{
    size_t oldest;
    if (count_like(ex, s, false, &oldest) >= PLANS_KEPT && oldest < ex->n_segments)
        forget(ex, oldest);
    if (ex->n_segments == ex->capacity) {
        size_t more = ex->capacity ? 2 * ex->capacity : 4;
        segment **grown = mem_realloc(ex->segments, more, sizeof *grown);
        if (!grown)
            return err_memory(err, more * sizeof *grown, "plans");
        ex->segments = grown;
        ex->capacity = more;
    }
    ex->segments[ex->n_segments++] = s;
    return SIB_OK;
}

sib_code plans_take(const frame *f, node_id begin, segment **out, instance **spare, sib_error *err)
{
    executor *ex = f->ex;
    executor_shared *shared = ex->shared;
    sib_code code = SIB_OK;
    segment *s = NULL;
    pthread_mutex_lock(&shared->lock);
    const sib_run_options *o = f->run->options;
    plan_view view = !o || !o->tap ? PLAN_CLOSED : o->tap_inside ? PLAN_INSIDE : PLAN_OPEN;
    for (size_t i = 0; i < ex->n_segments && !s; i++)
        if (ex->segments[i]->begin == begin && ex->segments[i]->view == view &&
            segment_fits(ex->segments[i], f->live))
            s = ex->segments[i];
    if (!s) {
        if (ex->n_segments && !ex->known) /* without memory for it, planning takes longer */
            ex->known = mem_calloc((size_t)ex->g->n_nodes + 1, sizeof *ex->known);
        code = plan_segment(ex->g, &ex->uses, begin, f->live, &shared->plan, view, ex->known,
                            f->run->options ? f->run->options->cancel : NULL, &s, err);
        if (code == SIB_OK && (code = add_segment(ex, s, err)) != SIB_OK)
            segment_free(&s);
    }
    if (code == SIB_OK) {
        s->users++;
        s->used = ++shared->clock;
        *spare = s->spare;
        s->spare = NULL;
    }
    pthread_mutex_unlock(&shared->lock);
    *out = s;
    return code;
}

void plans_give(const frame *f, segment *s, instance *in)
{
    executor *ex = f->ex;
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
    instance_free(s, &in); /* before somebody may forget s */
    if (s->spare && s->spare->unsettled)
        atomic_store_explicit(&ex->shared->unsettled, true, memory_order_relaxed);
    pthread_mutex_unlock(&ex->shared->lock);
}

void executor_clear(executor *ex)
{
    for (size_t i = 0; i < ex->n_segments; i++) {
        instance_free(ex->segments[i], &ex->segments[i]->spare);
        segment_free(&ex->segments[i]);
    }
    mem_free(ex->segments);
    known_nodes_free(&ex->known, ex->g->n_nodes);
    for (uint32_t v = 0; ex->constants && v < ex->g->n_values; v++) {
        sib_value *constant = ex->constants[v];
        sib_value_free(&constant);
    }
    mem_free(ex->constants);
    mem_free(ex->spare_frame);
    graph_uses_free(&ex->uses);
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
