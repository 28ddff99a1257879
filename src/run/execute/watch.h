/* The watches of a session, and calls of their callbacks. */
#ifndef RUN_EXECUTE_WATCH_H
#define RUN_EXECUTE_WATCH_H

#include "run/plan/plan.h"

#include <sibyl/watch.h>
#include <stdatomic.h>

/* Shared by a session and its watches, each of which holds a reference. */
typedef struct watch_set watch_set;

/* Numbers of watches, the first member of a set: may change at any time. */
typedef struct watch_counts {
    atomic_uint active;    /* that are called now */
    atomic_uint listening; /* and have on_event */
    atomic_uint seeing;    /* and see values; `inside`: those of milli-ops too; `sharing`: and have a share */
    atomic_uint inside, sharing;
    atomic_uint all;
} watch_counts;

sib_code watch_set_create(sib_pool *pool, watch_set **out, sib_error *err);
/* Releases the session's reference; no run may be under way. */
void watch_set_release(watch_set **s);

/* sib_watch_add. */
sib_code watch_set_add(watch_set *s, const sib_watch_options *o, sib_watch **out, sib_error *err);

static inline unsigned watch_count(const atomic_uint *n)
{
    return atomic_load_explicit(n, memory_order_relaxed);
}
static inline unsigned watch_set_active(const watch_set *s)
{
    return watch_count(&((const watch_counts *)s)->active);
}
static inline unsigned watch_set_listening(const watch_set *s)
{
    return watch_count(&((const watch_counts *)s)->listening);
}
static inline unsigned watch_set_all(const watch_set *s)
{
    return watch_count(&((const watch_counts *)s)->all);
}
/* Whether some watch sees values, and those of milli-ops. */
static inline bool watch_set_wants(const watch_set *s, bool milli)
{
    const watch_counts *c = (const watch_counts *)s;
    return watch_count(milli ? &c->inside : &c->seeing);
}
/* Whether what values and digests take is to be accounted. */
static inline bool watch_set_shares(const watch_set *s)
{
    return watch_count(&((const watch_counts *)s)->sharing);
}
/* Accounts a run that took ns, and of these `spent` for its watches. */
void watch_set_ran(watch_set *s, uint64_t ns, uint64_t spent);
/* What plans must show for the watches there are now, and in *whole whether of the graph as in the file. */
plan_view watch_set_view(watch_set *s, bool *whole);

/* Calls on_value and on_digest of the watches that want the value. Errors: those of callbacks. */
sib_code watch_set_value(watch_set *s, const sib_tap_event *event, sib_error *err);
/* Calls on_event of all watches. */
void watch_set_event(watch_set *s, const sib_time_span *span, bool begins);

#endif
